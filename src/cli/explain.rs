//! `explain`: the why card of a notice as a timeline, why not, and how a provider is.

use serde_json::Value;

use super::args::{ExplainArgs, Place};
use super::failure::Failure;
use super::printer::{Look, Printer, block, escaped};
use super::read::unseen;
use super::remote::Remote;
use super::sentences::{self, clock_time, day_and_time, list, text};
use super::stopped::Readable;
use crate::domain::id::PublicId;
use crate::domain::spec::EntityKind;
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::pollers::Polling;
use crate::shell::sessions::Talking;
use crate::shell::sources::Heard;
use crate::shell::views::{self, Around, Asked};

pub async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let asked = match (&args.tracker, &args.target) {
        (Some(tracker), _) => Some(Asked::Tracker(tracker.clone())),
        (None, Some(target)) => Some(Asked::Target(target.clone())),
        (None, None) => None,
    };
    let is_notice = args.what.parse::<PublicId>().is_ok();
    let shape = match args.place.stopped() {
        Some(data) => {
            let store = Readable::open(data)?;
            stopped(&store, args, asked.as_ref(), is_notice)?
        }
        None => running(&args.place, args, is_notice).await?,
    };
    if printer.json {
        return printer.object(&shape);
    }
    match (is_notice, asked) {
        (true, None) => card(&printer, &shape),
        (true, Some(_)) => why_not(&printer, &shape),
        (false, None) => provider(&printer, &shape),
        (false, Some(_)) => Err(Failure::Input(
            "--target and --tracker ask about a notice; give its id".to_owned(),
        )),
    }
}

fn stopped(
    store: &Readable,
    args: &ExplainArgs,
    asked: Option<&Asked>,
    is_notice: bool,
) -> Result<Value, Failure> {
    let Readable { reader, state } = store;
    if is_notice {
        let family = views::find_notice(reader, &args.what).map_err(unseen)?;
        return match asked {
            None => {
                let around = Around::of(reader, state, &family).map_err(unseen)?;
                let mut shape = views::notice(&family, &around);
                let now = SystemClock::new().now();
                if let Some(standing) = views::standing(state, &family, now) {
                    shape["standing"] = standing;
                }
                Ok(shape)
            }
            Some(asked) => {
                let now = SystemClock::new().now();
                views::why_not(state, &family, asked, now).map_err(unseen)
            }
        };
    }
    let id = state
        .configuration
        .id(EntityKind::Provider, &args.what)
        .ok_or_else(|| neither(&args.what))?;
    // Whom it heard is kept in memory, so a stopped program knows nothing of it.
    let base = state.configuration.settings.public_url.clone();
    let base = base.unwrap_or_else(|| args.place.url.clone());
    let heard = |_: &str| Heard::default();
    let entity = views::entity(reader, state, EntityKind::Provider, id, &base, heard);
    let (mut shape, _) = entity.map_err(unseen)?;
    let provider = state.configuration.providers.get(&id);
    let now = SystemClock::new().now();
    // Nor does it know how looking at it went.
    let polling = Polling::default();
    if let Some(asking) =
        provider.and_then(|provider| views::asking(state, provider, &polling, now))
    {
        shape["asking"] = asking;
    }
    let talking = Talking::default();
    if let Some(session) = provider.and_then(|provider| views::talking(state, provider, &talking)) {
        shape["session"] = session;
    }
    Ok(shape)
}

async fn running(place: &Place, args: &ExplainArgs, is_notice: bool) -> Result<Value, Failure> {
    let remote = Remote::new(place)?;
    let what = args.what.as_str();
    if !is_notice {
        return remote
            .found(&["providers", what], &[])
            .await?
            .ok_or_else(|| neither(what));
    }
    let asked = match (&args.tracker, &args.target) {
        (Some(tracker), _) => Some(("tracker", tracker.clone())),
        (None, Some(target)) => Some(("target", target.clone())),
        (None, None) => None,
    };
    match asked {
        None => remote.get(&["notices", what], &[]).await,
        Some(asked) => remote.get(&["notices", what, "why-not"], &[asked]).await,
    }
}

fn neither(what: &str) -> Failure {
    Failure::Failed(format!(
        "{what} is neither the id of a notice nor the name of a provider"
    ))
}

fn line(printer: &Printer, at: &str, look: Look, sentence: &str) -> Result<(), Failure> {
    let time = printer.dressed(Look::Faint, &format!("{:<10}", clock_time(at)));
    printer.line(&format!("{time}{}", printer.dressed(look, sentence)))
}

/// The why card.
fn card(printer: &Printer, notice: &Value) -> Result<(), Failure> {
    let title = escaped(text(notice, "title"));
    printer.line(&printer.dressed(Look::Strong, &title))?;
    let facts = [
        text(notice, "kind"),
        text(notice, "severity"),
        text(notice, "provider"),
        text(notice, "collection"),
        text(notice, "status"),
    ];
    let facts: Vec<String> = facts
        .iter()
        .filter(|fact| !fact.is_empty())
        .map(|fact| escaped(fact))
        .collect();
    printer.line(&facts.join(" · "))?;
    printer.line(&format!("notice {}", escaped(text(notice, "id"))))?;
    if !text(notice, "url").is_empty() {
        printer.line(&escaped(text(notice, "url")))?;
    }
    let received = text(notice, "received_at");
    printer.line(&format!(
        "\n{}",
        printer.dressed(Look::Faint, &day_and_time(received))
    ))?;
    let provider = escaped(text(notice, "provider"));
    line(
        printer,
        received,
        Look::Plain,
        &format!("Received from {provider}"),
    )?;
    for reason in list(notice, "reasons") {
        if reason.get("delivery").is_none() {
            let (look, sentence) = sentences::reason(reason);
            line(printer, text(reason, "at"), look, &sentence)?;
        }
    }
    for delivery in list(notice, "deliveries") {
        branch(printer, notice, delivery)?;
    }
    for sentence in sentences::standing(&notice["standing"]) {
        printer.line(&format!("\n{}", printer.dressed(Look::Waiting, &sentence)))?;
    }
    Ok(())
}

/// One delivery: what happened to it, its words, and what comes next.
fn branch(printer: &Printer, notice: &Value, delivery: &Value) -> Result<(), Failure> {
    let status = text(delivery, "status");
    let look = match status {
        "sent" => Look::Good,
        "parked" | "unknown" => Look::Bad,
        "dropped" | "merged" => Look::Faint,
        _ => Look::Waiting,
    };
    let place = format!(
        "→ {} / {}",
        escaped(text(delivery, "target")),
        escaped(text(delivery, "receiver"))
    );
    printer.line(&format!(
        "\n{}: {}",
        printer.dressed(Look::Strong, &place),
        printer.dressed(look, status)
    ))?;
    let id = text(delivery, "id");
    printer.line(&format!("delivery {}", escaped(id)))?;
    let attempts = list(delivery, "attempts");
    if attempts.is_empty() && status == "sent" {
        let at = text(delivery, "settled_at");
        line(
            printer,
            at,
            Look::Good,
            "Stored here together with the notice",
        )?;
    }
    let attempts = attempts.iter().enumerate().map(|(index, attempt)| {
        let (look, sentence) = sentences::attempt(index + 1, attempt);
        (text(attempt, "at"), look, sentence)
    });
    let reasons = list(notice, "reasons")
        .iter()
        // That it was sent is said by the attempt.
        .filter(|reason| text(reason, "delivery") == id && text(reason, "what") != "sent")
        .map(|reason| {
            let (look, sentence) = sentences::reason(reason);
            (text(reason, "at"), look, sentence)
        });
    // An attempt stands at its beginning, so it comes before what came of it.
    let mut lines: Vec<(&str, Look, String)> = attempts.chain(reasons).collect();
    lines.sort_by_key(|(at, _, _)| moment_of(at));
    for (at, look, sentence) in lines {
        line(printer, at, look, &sentence)?;
    }
    for part in list(delivery, "parts") {
        let ids: Vec<&str> = list(part, "message_ids")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if !ids.is_empty() {
            let ids = escaped(&ids.join(", "));
            printer.line(&format!("          message {ids}"))?;
        }
    }
    if let Some(next) = sentences::future(delivery) {
        printer.line(&printer.dressed(Look::Faint, &format!("┄ {next}")))?;
    }
    let words = text(delivery, "text");
    if words.is_empty() {
        return Ok(());
    }
    printer.line(&block(words, "  │ "))
}

/// Moments compare as moments: with and without a fraction they do not compare as text.
fn moment_of(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>()
        .map_or(0, |at| at.as_microsecond())
}

fn why_not(printer: &Printer, answer: &Value) -> Result<(), Failure> {
    let says = escaped(text(answer, "says"));
    printer.line(&printer.dressed(Look::Strong, &says))?;
    for reason in list(answer, "recorded") {
        let (look, sentence) = sentences::reason(reason);
        line(printer, text(reason, "at"), look, &sentence)?;
    }
    let now = list(&answer["now"], "reasons");
    if !now.is_empty() {
        printer.line("\nAs it is configured now:")?;
    }
    for reason in now {
        let (look, sentence) = sentences::reason(reason);
        printer.line(&format!("  {}", printer.dressed(look, &sentence)))?;
    }
    Ok(())
}

/// How a provider is: whom it heard last, whom it refused and why, and what often goes wrong on the
/// sender's side.
fn provider(printer: &Printer, entity: &Value) -> Result<(), Failure> {
    let name = format!(
        "{} ({})",
        escaped(text(entity, "name")),
        escaped(text(entity, "kind"))
    );
    printer.line(&printer.dressed(Look::Strong, &name))?;
    let health = &entity["health"];
    let is_told = !health["verify"].is_null();
    if is_told {
        printer.line(&format!(
            "address       {}",
            escaped(text(health, "address"))
        ))?;
    }
    if entity["enabled"].as_bool() == Some(false) {
        let off = match is_told {
            true => "It is disabled: requests are answered with 404.",
            false => "It is disabled: nobody asks it.",
        };
        printer.line(&printer.dressed(Look::Bad, off))?;
    }
    let moments = [
        ("last notice", "last_notice_at", Look::Plain),
        ("last verified", "last_verified_at", Look::Good),
        ("last refused", "last_refused_at", Look::Bad),
    ];
    for (label, field, look) in moments {
        if !is_told && field != "last_notice_at" {
            continue;
        }
        let at = text(health, field);
        let mut sentence = match at {
            "" => "never, as far as is known".to_owned(),
            at => day_and_time(at),
        };
        let why = text(health, "last_refused_why");
        if field == "last_refused_at" && !why.is_empty() {
            sentence.push_str(&format!(": {}", escaped(why)));
            let from = text(health, "last_refused_from");
            if !from.is_empty() {
                sentence.push_str(&format!(" (from {})", escaped(from)));
            }
        }
        let look = if at.is_empty() { Look::Faint } else { look };
        printer.line(&format!("{label:<13} {}", printer.dressed(look, &sentence)))?;
    }
    let counts = [
        "verified",
        "refused",
        "duplicates",
        "unreadable",
        "rate_limited",
    ]
    .map(|field| {
        let count = health[field].as_u64().unwrap_or(0);
        format!("{count} {}", field.replace('_', " "))
    });
    if is_told {
        printer.line(&format!("since start   {}", counts.join(", ")))?;
    }
    asking(printer, &entity["asking"])?;
    session(printer, &entity["session"])?;
    if health["trackers"].as_u64() == Some(0) {
        let none = "No tracker watches it: its notices go nowhere.";
        printer.line(&printer.dressed(Look::Waiting, none))?;
    }
    let traps = list(health, "traps");
    if !traps.is_empty() {
        printer.line(match is_told {
            true => "\nWhat often goes wrong on the sender's side:",
            false => "\nWhat often goes wrong:",
        })?;
    }
    for trap in traps.iter().filter_map(Value::as_str) {
        printer.line(&format!("- {}", escaped(trap)))?;
    }
    Ok(())
}

/// How the session with a provider goes.
fn session(printer: &Printer, session: &Value) -> Result<(), Failure> {
    if session.is_null() {
        return Ok(());
    }
    let said = |label: &str, look: Look, sentence: &str| {
        printer.line(&format!("{label:<13} {}", printer.dressed(look, sentence)))
    };
    let count = |field: &str| session[field].as_u64().unwrap_or(0);
    if session["halted"].as_bool() == Some(true) {
        let halted = "nobody is connected until `resume`: the store came from a backup";
        said("waits", Look::Waiting, halted)?;
    }
    for (label, field) in [
        ("connected", "connected_since"),
        ("last message", "last_message_at"),
        ("next try", "next_at"),
    ] {
        let at = text(session, field);
        if !at.is_empty() {
            said(label, Look::Plain, &day_and_time(at))?;
        }
    }
    let (messages, reconnects) = (count("messages"), count("reconnects"));
    if messages + reconnects > 0 {
        let sentence = format!("{messages} messages, {reconnects} reconnects since the start");
        said("heard", Look::Plain, &sentence)?;
    }
    let left_out = count("left_out");
    if left_out > 0 {
        let sentence = format!("{left_out} messages, which came faster than they were read");
        said("left out", Look::Waiting, &sentence)?;
    }
    last_error(printer, session)
}

/// When a provider is looked at, and how that went.
fn asking(printer: &Printer, asking: &Value) -> Result<(), Failure> {
    if asking.is_null() {
        return Ok(());
    }
    let said = |label: &str, look: Look, sentence: &str| {
        printer.line(&format!("{label:<13} {}", printer.dressed(look, sentence)))
    };
    let interval = text(asking, "interval");
    if !interval.is_empty() {
        said("asked every", Look::Plain, &escaped(interval))?;
    }
    if asking["halted"].as_bool() == Some(true) {
        let halted = "nobody is asked until `resume`: the store came from a backup";
        said("waits", Look::Waiting, halted)?;
    }
    for (label, field) in [("last look", "last_at"), ("next look", "next_at")] {
        let at = text(asking, field);
        if !at.is_empty() {
            said(label, Look::Plain, &day_and_time(at))?;
        }
    }
    last_error(printer, asking)?;
    for at in list(asking, "upcoming").iter().filter_map(Value::as_str) {
        said("to come", Look::Plain, &day_and_time(at))?;
    }
    Ok(())
}

fn last_error(printer: &Printer, of: &Value) -> Result<(), Failure> {
    let error = text(of, "last_error");
    if error.is_empty() {
        return Ok(());
    }
    let failures = of["failures_in_a_row"].as_u64().unwrap_or(0);
    let times = if failures > 1 {
        format!(" ({failures} times in a row)")
    } else {
        String::new()
    };
    let sentence = printer.dressed(Look::Bad, &format!("{}{times}", escaped(error)));
    printer.line(&format!("{:<13} {sentence}", "last error"))
}
