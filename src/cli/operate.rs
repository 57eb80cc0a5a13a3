//! What changes something: `send`, `retry`, `drop`, `confirm`, `release`, `move`, `resend`, `pause`,
//! `resume`, `test`.

use std::io::{self, Read as _};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{MoveArgs, OperateArgs, Place, ResendArgs, SendArgs, TestArgs};
use super::failure::Failure;
use super::printer::{Look, Printer, complain, escaped};
use super::read::unseen;
use super::remote::Remote;
use super::sentences::{self, list, text};
use super::stopped::{BY, Missing, Writable};
use crate::domain::command::Notify;
use crate::domain::event::Action;
use crate::domain::notice::{NoticeDraft, TEXT_BYTES_MAX};
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::operate::{self, Deed, OperateError, TEST_WAIT_MAX};
use crate::shell::views;

/// How often it looks.
const TEST_INTERVAL: Duration = Duration::from_millis(200);

pub async fn send(args: &SendArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let body = match args.body.as_deref() {
        Some("-") | None => from_stdin()?,
        Some(body) => body.to_owned(),
    };
    let title = args.title.clone().unwrap_or_default();
    if title.trim().is_empty() && body.trim().is_empty() {
        return Err(Failure::Input(
            "there is nothing to say: give a body or a title".to_owned(),
        ));
    }
    let shape = match args.place.stopped() {
        None => {
            let mut message = json!({
                "target": args.target,
                "body": body,
                "severity": args.severity.as_str(),
            });
            if !title.is_empty() {
                message["title"] = title.into();
            }
            let remote = Remote::new(&args.place)?;
            remote
                .call(Method::POST, &["notify"], &[], Some(&message))
                .await?
        }
        Some(data) => {
            let notify = Notify {
                notice: NoticeDraft::message(title, body, args.severity),
                targets: vec![args.target.clone()],
                receiver: None,
                tag: None,
                at_once: false,
                by: BY.to_owned(),
            };
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let sent = operate::send(&store.ledger, notify).await;
            store.close();
            sent.map_err(undone)?.json()
        }
    };
    planned(&printer, &shape)
}

fn from_stdin() -> Result<String, Failure> {
    let mut body = String::new();
    io::stdin()
        .lock()
        .take(TEXT_BYTES_MAX as u64 + 1)
        .read_to_string(&mut body)
        .map_err(|error| Failure::caused("stdin cannot be read", error))?;
    if body.len() > TEXT_BYTES_MAX {
        return Err(Failure::Input(format!(
            "the message has more than {TEXT_BYTES_MAX} bytes"
        )));
    }
    Ok(body.trim_end().to_owned())
}

/// Why an operation on a stopped store was not done.
pub(super) fn undone(error: OperateError) -> Failure {
    match error {
        OperateError::View(error) => unseen(error),
        OperateError::Ledger(error) => error.into(),
        OperateError::Lost => Failure::Failed(error.to_string()),
    }
}

fn planned(printer: &Printer, shape: &Value) -> Result<(), Failure> {
    if printer.json {
        return printer.object(shape);
    }
    printer.line(&format!("notice {}", escaped(text(shape, "notice"))))?;
    for reason in list(shape, "reasons") {
        let (look, sentence) = sentences::reason(reason);
        printer.line(&format!("  {}", printer.dressed(look, &sentence)))?;
    }
    for id in list(shape, "deliveries").iter().filter_map(Value::as_str) {
        printer.line(&format!("  delivery {}", escaped(id)))?;
    }
    Ok(())
}

pub async fn resend(args: &ResendArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let shape = match args.place.stopped() {
        None => {
            let path = ["notices", args.notice.as_str(), "resend"];
            Remote::new(&args.place)?
                .call(Method::POST, &path, &[], None)
                .await?
        }
        Some(data) => {
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let sent = operate::resend(&store.ledger, &args.notice, BY).await;
            store.close();
            sent.map_err(undone)?.json()
        }
    };
    planned(&printer, &shape)
}

/// What is wanted of deliveries. A span from now is counted where the clock is.
pub enum Wish {
    Act(Action),
    Release,
    Until(String),
}

impl Wish {
    /// As it stands in a path, and what goes with it.
    fn call(&self) -> (&'static str, Option<Value>) {
        match self {
            Wish::Act(Action::Retry) => ("retry", None),
            Wish::Act(Action::Drop) => ("drop", None),
            Wish::Act(Action::Confirm) => ("confirm", None),
            Wish::Release => ("release", None),
            Wish::Until(until) => ("move", Some(json!({"until": until}))),
        }
    }

    fn deed(&self, store: &Writable) -> Result<Deed, Failure> {
        match self {
            Wish::Act(action) => Ok((*action).into()),
            Wish::Release => Ok(Deed::Release),
            Wish::Until(text) => {
                let zone = store.ledger.state().configuration.zone().clone();
                let until = operate::until(text, SystemClock::new().now(), &zone);
                let until = until.map_err(|why| Failure::Input(format!("--until {why}")))?;
                Ok(Deed::Move { until })
            }
        }
    }
}

/// `move`.
pub async fn put_off(args: MoveArgs) -> Result<(), Failure> {
    let MoveArgs {
        deliveries: ids,
        until,
        place,
    } = args;
    let args = OperateArgs {
        deliveries: ids,
        place,
    };
    deliveries(&args, Wish::Until(until)).await
}

/// Does all of them, and says of each that could not be done why.
pub async fn deliveries(args: &OperateArgs, wish: Wish) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let (word, body) = wish.call();
    let mut code = 0;
    let mut note = |id: &str, done: Result<Value, Failure>| match done {
        Ok(delivery) => {
            let status = escaped(text(&delivery, "status"));
            let until = match (status.as_str(), text(&delivery, "held_until")) {
                ("held", "") => " until somebody releases it".to_owned(),
                ("held", until) => format!(" until {}", sentences::day_and_time(until)),
                _ => String::new(),
            };
            printer.either(&delivery, &format!("{}  {status}{until}", escaped(id)))
        }
        Err(failure) => {
            if let Some(line) = failure.line() {
                complain(&format!("{}: {line}", escaped(id)));
            }
            code = code.max(failure.code());
            Ok(())
        }
    };
    match args.place.stopped() {
        None => {
            let remote = Remote::new(&args.place)?;
            for id in &args.deliveries {
                let path = ["deliveries", id.as_str(), word];
                note(
                    id,
                    remote.call(Method::POST, &path, &[], body.as_ref()).await,
                )?;
            }
        }
        Some(data) => {
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let deed = wish.deed(&store)?;
            for id in &args.deliveries {
                note(id, operate_in(&store, id, deed).await)?;
            }
            store.close();
        }
    }
    if code == 0 {
        Ok(())
    } else {
        Err(Failure::Said(code))
    }
}

async fn operate_in(store: &Writable, id: &str, deed: Deed) -> Result<Value, Failure> {
    let reader = store.ledger.reader();
    operate::delivery(&store.ledger, id, deed, BY)
        .await
        .map_err(undone)?;
    let (family, key) = views::find_delivery(reader, id).map_err(unseen)?;
    let view = family.delivery(key);
    let status = view.map_or("", |view| view.status.as_str());
    let mut shape = json!({"id": id, "status": status});
    if status == "held" {
        let until = view.and_then(|view| view.held_until);
        shape["held_until"] = until.map(views::moment).into();
    }
    Ok(shape)
}

/// `pause` and `resume`.
pub async fn set_paused(place: &Place, paused: bool) -> Result<(), Failure> {
    let printer = Printer::new(place.json);
    if let Some(data) = place.stopped() {
        let key_file = place.secret_key_file.as_deref();
        let store = Writable::open(data, key_file, Missing::Refuse).await?;
        let changed = operate::set_paused(&store.ledger, paused, BY).await;
        store.close();
        changed?;
    } else {
        let path = if paused { "pause" } else { "resume" };
        Remote::new(place)?
            .call(Method::POST, &[path], &[], None)
            .await?;
    }
    let words = if paused {
        "paused: intake goes on, nothing is sent until `resume`"
    } else {
        "sending"
    };
    printer.either(&json!({"paused": paused}), words)
}

/// Tests whatever has the name.
pub async fn test(args: &TestArgs) -> Result<(), Failure> {
    if args.place.stopped().is_some() {
        let help = "a test calls out, so it needs a running program: use --url";
        return Err(Failure::Input(help.to_owned()));
    }
    let printer = Printer::new(args.place.json);
    let remote = Remote::new(&args.place)?;
    let name = args.name.as_str();
    let provider = remote.found(&["providers", name], &[]).await?.is_some();
    let target = remote.found(&["targets", name], &[]).await?.is_some();
    let bot = remote.found(&["bots", name], &[]).await?.is_some();
    if !provider && !target && !bot {
        return Err(Failure::Failed(format!(
            "there is no provider, target or bot {name}"
        )));
    }
    let mut works = true;
    if provider {
        let path = ["providers", name, "test"];
        let tested = remote.call(Method::POST, &path, &[], None).await?;
        works &= tell(&printer, "provider", name, &tested)?;
    }
    if target {
        let path = ["targets", name, "test"];
        let probe = [("probe", "true".to_owned())];
        let probed = remote.call(Method::POST, &path, &probe, None).await?;
        if probed["probed"].as_bool() == Some(true) {
            works &= tell(&printer, "target", name, &probed)?;
        } else {
            let sent = remote.call(Method::POST, &path, &[], None).await?;
            works &= outcome(&printer, &remote, name, &sent).await?;
        }
    }
    if bot {
        let path = ["bots", name, "test"];
        let tested = remote.call(Method::POST, &path, &[], None).await?;
        works &= tell(&printer, "bot", name, &tested)?;
    }
    if works { Ok(()) } else { Err(Failure::Said(1)) }
}

fn tell(printer: &Printer, what: &str, name: &str, tested: &Value) -> Result<bool, Failure> {
    let ok = tested["ok"].as_bool().unwrap_or(false);
    let look = if ok { Look::Good } else { Look::Bad };
    let says = escaped(text(tested, "says"));
    let line = format!("{what} {}: {}", escaped(name), printer.dressed(look, &says));
    printer.either(tested, &line)?;
    if !printer.json {
        for said in list(tested, "lines").iter().filter_map(Value::as_str) {
            printer.line(&format!("  {}", escaped(said)))?;
        }
    }
    Ok(ok)
}

/// What came of a test message: waits a while for its deliveries.
async fn outcome(
    printer: &Printer,
    remote: &Remote,
    name: &str,
    sent: &Value,
) -> Result<bool, Failure> {
    let id = text(sent, "notice");
    let clock = SystemClock::new();
    let until = clock.monotonic() + TEST_WAIT_MAX;
    let notice = loop {
        let notice = remote.get(&["notices", id], &[]).await?;
        let waits = list(&notice, "deliveries")
            .iter()
            .any(|delivery| matches!(text(delivery, "status"), "due" | "sending"));
        if !waits || clock.monotonic() >= until {
            break notice;
        }
        clock.sleep(TEST_INTERVAL).await;
    };
    let deliveries = list(&notice, "deliveries");
    let ok = !deliveries.is_empty()
        && deliveries
            .iter()
            .all(|delivery| text(delivery, "status") == "sent");
    if printer.json {
        printer.object(&notice)?;
        return Ok(ok);
    }
    printer.line(&format!(
        "target {}: a test message was sent, notice {}",
        escaped(name),
        escaped(id)
    ))?;
    for delivery in deliveries {
        let status = text(delivery, "status");
        let look = if status == "sent" {
            Look::Good
        } else {
            Look::Bad
        };
        let why = escaped(text(&delivery["reason"], "detail"));
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        printer.line(&format!(
            "  {}: {}{why}",
            escaped(text(delivery, "receiver")),
            printer.dressed(look, status)
        ))?;
    }
    Ok(ok)
}
