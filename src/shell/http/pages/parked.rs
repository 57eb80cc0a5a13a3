//! What waits for a person: the groups, the question about many, and its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use notify_web::pages::ask::{LINES_MAX, Question, nothing_left, page_of as ask_page};
use notify_web::pages::parked::{self, Group, ParkedRow, ParkedView};
use notify_web::view::{counted, number};
use notify_web::{Flash, FlashLine, Tone};
use serde::Deserialize;

use super::deliveries::{about, status};
use super::{Desk, Wrong, asked, operators, page, text};
use crate::domain::event::{Action, DeliveryKey};
use crate::projections::outbox;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::ledger::LedgerError;
use crate::shell::operate::{self, BULK_MAX, Chosen, Deed, Many};
use crate::shell::views::{self, ParkedGroup};

/// Groups on one page.
const GROUPS_SHOWN: usize = 20;
/// Deliveries listed of each; all are counted.
const GROUP_ROWS: usize = 20;
// What a page lists is read from the log delivery by delivery.
const _: () = assert!(GROUPS_SHOWN * GROUP_ROWS <= views::COPIED_ROWS_MAX);
/// Deliveries that had changed meanwhile and are looked up one by one; more are counted together.
const FATES_MAX: usize = 200;

/// Runs what reads a lot away from the threads that serve requests.
pub(super) async fn reading<T: Send + 'static>(
    desk: Desk,
    work: impl FnOnce(&Desk) -> Result<T, Wrong> + Send + 'static,
) -> Result<(Desk, T), Wrong> {
    let read = tokio::task::spawn_blocking(move || work(&desk).map(|found| (desk, found))).await;
    read.unwrap_or_else(|error| Err(Problem::internal(&error).into()))
}

#[derive(Deserialize, Default)]
pub struct Turned {
    #[serde(default)]
    page: usize,
}

pub async fn list(shown: Shown, Query(turned): Query<Turned>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let (desk, view) = reading(desk, move |desk| view(desk, turned.page)).await?;
    Ok(page(parked::page_of(&desk.frame(), &view)))
}

fn view(desk: &Desk, turned: usize) -> Result<ParkedView, Wrong> {
    let mut found = views::parked_groups(&desk.app.ledger, GROUP_ROWS);
    let total = found.iter().map(|group| group.count).sum();
    let from = turned.saturating_mul(GROUPS_SHOWN).min(found.len());
    let next = (from + GROUPS_SHOWN < found.len()).then_some(turned + 1);
    found.drain(..from);
    found.truncate(GROUPS_SHOWN);
    let groups: Result<Vec<Group>, Wrong> = found
        .into_iter()
        .map(|group| group_of(desk, group))
        .collect();
    Ok(ParkedView {
        groups: groups?,
        total,
        next,
    })
}

fn group_of(desk: &Desk, group: ParkedGroup) -> Result<Group, Wrong> {
    let ledger = &desk.app.ledger;
    let mut known = BTreeMap::new();
    let rows = views::deliveries_of(ledger.reader(), ledger, &group.newest)?
        .iter()
        .map(|shape| {
            let (notice_id, title, severity) = about(desk, shape, &mut known);
            ParkedRow {
                id: text(&shape["id"]),
                notice_id,
                title,
                severity,
                status: status(shape),
                target: text(&shape["target"]),
                receiver: text(&shape["receiver"]),
                parked: desk.moment(&shape["created_at"]).unwrap_or_default(),
            }
        })
        .collect();
    let reason = match (group.target.as_str(), group.reason.as_str()) {
        ("", "") => "other reasons".to_owned(),
        (target, reason) => format!("{target}: {reason}"),
    };
    Ok(Group {
        key: group.key,
        reason,
        advice: String::new(),
        count: group.count,
        rows,
    })
}

/// What a question is about: everything in some groups, and some by their id.
struct Choice {
    choice: views::Choice,
    sample: Vec<String>,
}

fn choose(desk: &Desk, pairs: &[(String, String)]) -> Result<Choice, Wrong> {
    let ledger = &desk.app.ledger;
    let all = |name: &str| -> Vec<String> {
        let named = pairs.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    let (groups, ids) = (all("group"), all("id"));
    let choice = views::parked_choice(ledger.reader(), ledger, &groups, &ids, BULK_MAX)?;
    let sample = sample(desk, &choice)?;
    Ok(Choice { choice, sample })
}

/// The first of what was chosen, a line each.
pub(super) fn sample(desk: &Desk, choice: &views::Choice) -> Result<Vec<String>, Wrong> {
    let ledger = &desk.app.ledger;
    let first: Vec<(DeliveryKey, u64)> = {
        let state = ledger.state();
        let first = choice.seen.iter().take(LINES_MAX);
        first
            .filter_map(|(key, _)| Some((*key, state.outbox.deliveries.get(key)?.notice)))
            .collect()
    };
    let mut known = BTreeMap::new();
    let shapes = views::deliveries_of(ledger.reader(), ledger, &first)?;
    let sample = shapes
        .iter()
        .map(|shape| {
            let title = about(desk, shape, &mut known).1;
            let receiver = match shape["receiver"].as_str() {
                Some("default") | None => String::new(),
                Some(receiver) => format!(" / {receiver}"),
            };
            format!("{title} to {}{receiver}", text(&shape["target"]))
        })
        .collect();
    Ok(sample)
}

/// The words of a page that has nothing to ask about, because nothing was chosen or is left.
pub(super) fn why_nothing(choice: &views::Choice, hint: &str) -> String {
    match choice.gone {
        0 => hint.to_owned(),
        gone => format!(
            "{} meanwhile.",
            counted(
                gone,
                "chosen delivery was settled",
                "chosen deliveries were settled"
            )
        ),
    }
}

/// The title of a question and what stands behind its words: how many are left for another time, and
/// how many are left out.
pub(super) fn extent(verb: &str, choice: &views::Choice, stay: &str) -> (String, String) {
    let count = choice.seen.len() as u64;
    let deliveries = counted(count, "delivery", "deliveries");
    let (title, mut rest) = if choice.total > count {
        let total = number(choice.total);
        (
            format!("{verb} the first {deliveries} of {total}?"),
            format!(" The others stay {stay}; ask again for them."),
        )
    } else {
        (format!("{verb} {deliveries}?"), String::new())
    };
    if choice.gone > 0 {
        let gone = counted(
            choice.gone,
            "chosen one was settled",
            "chosen ones were settled",
        );
        rest.push_str(&format!(" {gone} meanwhile and left out."));
    }
    (title, rest)
}

pub async fn ask(
    shown: Shown,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    operators(&desk)?;
    let retries = pairs
        .iter()
        .any(|(name, value)| name == "action" && value == "retry");
    let (desk, Choice { choice, sample }) = reading(desk, move |desk| choose(desk, &pairs)).await?;
    let (action, verb, words) = if retries {
        (
            "retry",
            "Retry",
            "Each is tried again now, with its tries starting over.",
        )
    } else {
        (
            "drop",
            "Drop",
            "They will not be sent. The notices and why stay on record.",
        )
    };
    let count = choice.seen.len() as u64;
    if count == 0 {
        let hint = "Choose deliveries by their boxes, or all of a reason.";
        let text = why_nothing(&choice, hint);
        let title = format!("Nothing to {action}");
        return Ok(page(nothing_left(&desk.frame(), &title, &text, "/parked")));
    }
    let deliveries = counted(count, "delivery", "deliveries");
    let (title, rest) = extent(verb, &choice, "parked");
    let question = Question {
        title,
        text: format!("{words}{rest} What changes before you answer is left alone."),
        concerned: sample,
        total: count,
        action: format!("/parked/{action}"),
        fields: vec![("asked".to_owned(), asked::write(&choice.seen))],
        button: format!("{verb} {deliveries}"),
        back: "/parked".into(),
        destructive: !retries,
    };
    Ok(page(ask_page(&desk.frame(), &question)))
}

#[derive(Deserialize)]
pub struct Answer {
    asked: String,
}

pub async fn operate(
    Path(action): Path<String>,
    posted: Posted<Answer>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let (action, done) = match action.as_str() {
        "retry" => (Action::Retry, "Retried"),
        "drop" => (Action::Drop, "Dropped"),
        _ => {
            let why = "parked deliveries are retried or dropped";
            return Err(Problem::new(StatusCode::NOT_FOUND, why).into());
        }
    };
    let Some(chosen) = asked::read(&posted.form.asked) else {
        let why =
            "the form does not say what it is about; go back to the parked ones and ask again";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why).into());
    };
    carry_out(desk, chosen, action.into(), done, "/parked").await
}

/// Does with each delivery what was confirmed, and says on the page `back` what came of it. `done` is
/// the verb: "Dropped".
pub(super) async fn carry_out(
    desk: Desk,
    chosen: Vec<Chosen>,
    deed: Deed,
    done: &'static str,
    back: &str,
) -> Result<Response, Wrong> {
    let (app, by) = (Arc::clone(&desk.app), desk.visitor.by());
    // Apart from the request: what was confirmed is done whole, though the browser may leave.
    let many =
        tokio::spawn(async move { operate::deliveries(&app.ledger, chosen, deed, &by).await });
    let many = many.await.map_err(|error| Problem::internal(&error))?;
    match many {
        Ok(many) => {
            let (desk, flash) = reading(desk, move |desk| told(desk, done, &many)).await?;
            Ok(desk.tell(back, flash))
        }
        Err(error) => desk.tell_why_not(back, error),
    }
}

/// "Retried 3 deliveries. 1 was already sent." and what stood in the way of others.
fn told(desk: &Desk, verb: &str, many: &Many) -> Result<Flash, Wrong> {
    let refused: Vec<DeliveryKey> = many
        .left
        .iter()
        .filter(|(_, why)| matches!(why, LedgerError::Refused(_)))
        .map(|(key, _)| *key)
        .collect();
    let mut words = match many.done {
        0 => "Nothing was changed.".to_owned(),
        done => format!("{verb} {}.", counted(done, "delivery", "deliveries")),
    };
    for sentence in fates(desk, &refused)? {
        words.push(' ');
        words.push_str(&sentence);
    }
    let tone = match (many.done, many.left.len()) {
        (_, 0) => Tone::Good,
        (0, _) => Tone::Bad,
        (_, _) => Tone::Warning,
    };
    let lines = many.reasons().into_iter().map(|(why, count)| FlashLine {
        status: None,
        subject: number(count),
        text: why,
    });
    Ok(Flash {
        lines: lines.collect(),
        ..Flash::new(tone, words)
    })
}

/// What became of those that were not as they had been when someone was asked about them.
fn fates(desk: &Desk, keys: &[DeliveryKey]) -> Result<Vec<String>, Wrong> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut keys: BTreeSet<DeliveryKey> = keys.iter().copied().collect();
    let beyond = keys.len().saturating_sub(FATES_MAX) as u64;
    while keys.len() > FATES_MAX {
        keys.pop_first();
    }
    for key in keys {
        let status = views::delivery_status(desk.app.ledger.reader(), key)?;
        let fate = match status {
            Some(outbox::Status::Sent) => "already sent",
            Some(outbox::Status::Dropped) => "already dropped",
            Some(outbox::Status::Merged) => "already merged into another message",
            Some(outbox::Status::Parked | outbox::Status::Unknown) => {
                "parked again meanwhile and left alone"
            }
            Some(outbox::Status::Held) => "held, but changed meanwhile, and left alone",
            Some(outbox::Status::Due | outbox::Status::Sending | outbox::Status::Retrying) => {
                "already on its way again"
            }
            None => "not found any more",
        };
        *counts.entry(fate).or_default() += 1;
    }
    if beyond > 0 {
        counts.insert("changed meanwhile and left alone", beyond);
    }
    let sentence = |(fate, count): (&str, u64)| {
        let were = if count == 1 { "was" } else { "were" };
        format!("{} {were} {fate}.", number(count))
    };
    Ok(counts.into_iter().map(sentence).collect())
}
