//! `ack`, `snooze` and `snoozes`.

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{AckArgs, SnoozeArgs, SnoozesArgs};
use super::failure::Failure;
use super::operate::undone;
use super::printer::{Look, Printer, complain, escaped};
use super::read::{Lists, show};
use super::remote::Remote;
use super::sentences::{day_and_time, text};
use super::stopped::{BY, Missing, Readable, Writable};
use crate::domain::command::Mute;
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::operate::{self, quiet_until};
use crate::shell::views;

pub async fn acknowledge(args: &AckArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let id = args.notice.as_str();
    let shape = match args.place.stopped() {
        None => {
            let remote = Remote::new(&args.place)?;
            let path = ["notices", id, "ack"];
            remote.call(Method::POST, &path, &[], None).await?
        }
        Some(data) => {
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let done = operate::acknowledge(&store.ledger, id, BY).await;
            store.close();
            let changed = done.map_err(undone)?;
            json!({"notice": id, "acknowledged": true, "changed": changed})
        }
    };
    let words = match shape["changed"].as_bool() {
        Some(false) => "somebody knows of it already",
        Some(true) | None => "acknowledged: it is not told again",
    };
    printer.either(&shape, words)
}

pub async fn snooze(args: &SnoozeArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let Some((scope, name)) = args.what() else {
        let help = "name a tracker, target, collection or subject";
        return Err(Failure::Input(help.to_owned()));
    };
    let shape = match args.place.stopped() {
        None => {
            let field = if args.is_moment() { "until" } else { "for" };
            let mut body = json!({});
            body[scope.as_str()] = name.into();
            body[field] = args.span.as_str().into();
            if let Some(provider) = &args.provider {
                body["provider"] = provider.as_str().into();
            }
            let remote = Remote::new(&args.place)?;
            let path = ["snoozes"];
            remote.call(Method::POST, &path, &[], Some(&body)).await?
        }
        Some(data) => {
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let snoozed = snooze_in(&store, args, scope, name).await;
            store.close();
            snoozed?
        }
    };
    printer.either(&shape, &sentence(&shape))
}

async fn snooze_in(
    store: &Writable,
    args: &SnoozeArgs,
    scope: crate::projections::snoozes::Scope,
    name: &str,
) -> Result<Value, Failure> {
    let now = SystemClock::new().now();
    let zone = store.ledger.state().configuration.zone().clone();
    let until = quiet_until(&args.span, now, &zone)
        .map_err(|error| Failure::Input(format!("--for {error}")))?;
    let mute = Mute {
        scope,
        name: name.to_owned(),
        provider: args.provider.clone(),
        until,
        by: BY.to_owned(),
    };
    let id = operate::snooze(&store.ledger, mute).await.map_err(undone)?;
    Ok(views::find_snooze(&store.ledger, id, now).unwrap_or_else(|| json!({"id": id.to_string()})))
}

fn sentence(snooze: &Value) -> String {
    format!(
        "{} {} is snoozed until {}; end it with `snoozes --end {}`",
        text(snooze, "scope"),
        escaped(text(snooze, "name")),
        day_and_time(text(snooze, "until")),
        escaped(text(snooze, "id"))
    )
}

/// Lists them, or ends some.
pub async fn snoozes(args: &SnoozesArgs) -> Result<(), Failure> {
    if !args.end.is_empty() {
        return end(args).await;
    }
    let printer = Printer::new(args.place.json);
    let now = SystemClock::new().now();
    let see = |store: &Readable, cursor, limit| views::snoozes(&store.state, now, cursor, limit);
    Lists::of(&args.place)?
        .each("snoozes", &[], args.page.limit, see, |items| {
            show(&printer, &items, |snooze| {
                vec![
                    text(snooze, "id").to_owned(),
                    text(snooze, "scope").to_owned(),
                    text(snooze, "name").to_owned(),
                    text(snooze, "provider").to_owned(),
                    format!("until {}", day_and_time(text(snooze, "until"))),
                    text(snooze, "by").to_owned(),
                ]
            })
        })
        .await
}

async fn end(args: &SnoozesArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let mut code = 0;
    let mut note = |id: u32, done: Result<(), Failure>| match done {
        Ok(()) => {
            let words = format!("{id}  {}", printer.dressed(Look::Good, "ended"));
            printer.either(&json!({"id": id.to_string(), "ended": true}), &words)
        }
        Err(failure) => {
            if let Some(line) = failure.line() {
                complain(&format!("{id}: {line}"));
            }
            code = code.max(failure.code());
            Ok(())
        }
    };
    match args.place.stopped() {
        None => {
            let remote = Remote::new(&args.place)?;
            for id in &args.end {
                let text = id.to_string();
                let path = ["snoozes", text.as_str()];
                let ended = remote.call(Method::DELETE, &path, &[], None).await;
                note(*id, ended.map(|_| ()))?;
            }
        }
        Some(data) => {
            let key_file = args.place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            for id in &args.end {
                let ended = operate::end_snooze(&store.ledger, *id, BY).await;
                note(*id, ended.map_err(undone))?;
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
