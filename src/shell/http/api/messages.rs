//! `/notify`, and stopping and going on.

use axum::response::Response;
use notify_store::Reader;
use serde::Deserialize;
use serde_json::{Value, json};

use super::notices::{Nothing, severity};
use super::{Json, MaybeJson, accepted, invalid};
use crate::domain::command::{Command, Notify};
use crate::domain::event::Event;
use crate::domain::notice::{NoticeDraft, TEXT_BYTES_MAX, TITLE_BYTES_MAX};
use crate::shell::app::App;
use crate::shell::entropy::{Entropy, SystemEntropy};
use crate::shell::http::auth::{Caller, May, Notifying, Operating};
use crate::shell::http::problem::Problem;
use crate::shell::ledger::{Beside, Priority};
use crate::shell::views::reason;

/// The kind of a one-off message.
pub const MESSAGE: &str = "message";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyBody {
    title: Option<String>,
    body: String,
    severity: Option<String>,
    target: Option<String>,
    tag: Option<String>,
    format: Option<String>,
}

pub async fn notify(
    may: May<Notifying>,
    Json(message): Json<NotifyBody>,
) -> Result<Response, Problem> {
    let notify = checked(&may.caller, message)?;
    Ok(accepted(send(&may.app, notify).await?))
}

fn checked(caller: &Caller, message: NotifyBody) -> Result<Notify, Problem> {
    match message.format.as_deref() {
        None | Some("text") => {}
        Some("markdown") => {
            return Err(invalid("format", "markdown is not taken yet; send text"));
        }
        Some(_) => return Err(invalid("format", "is text")),
    }
    let title = message.title.unwrap_or_default();
    if title.trim().is_empty() && message.body.trim().is_empty() {
        return Err(invalid("body", "is empty, and so is the title"));
    }
    if title.len() > TITLE_BYTES_MAX {
        return Err(invalid(
            "title",
            format!("has more than {TITLE_BYTES_MAX} bytes"),
        ));
    }
    if message.body.len() > TEXT_BYTES_MAX {
        return Err(invalid(
            "body",
            format!("has more than {TEXT_BYTES_MAX} bytes"),
        ));
    }
    if let Some(only) = &caller.target
        && (message.tag.is_some() || message.target.as_ref() != Some(only))
    {
        return Err(Problem::new(
            axum::http::StatusCode::FORBIDDEN,
            format!("this token may only notify the target {only}"),
        ));
    }
    let targets = match (message.target, &message.tag) {
        (Some(target), None) => vec![target],
        (None, Some(_)) => Vec::new(),
        (None, None) | (Some(_), Some(_)) => {
            return Err(invalid("target", "name either a target or a tag"));
        }
    };
    let severity = message.severity.as_deref().map(severity).transpose()?;
    Ok(Notify {
        notice: draft(title, message.body, severity.unwrap_or_default()),
        targets,
        receiver: None,
        tag: message.tag,
        at_once: false,
        by: caller.by(),
    })
}

/// A one-off message as a notice. One line says what it is: the title, or else the body's first.
pub fn draft(
    title: String,
    body: String,
    severity: crate::domain::notice::Severity,
) -> NoticeDraft {
    let (title, text) = if title.trim().is_empty() {
        match body.trim().split_once('\n') {
            Some((first, rest)) => (first.trim().to_owned(), rest.trim().to_owned()),
            None => (body.trim().to_owned(), String::new()),
        }
    } else {
        (title, body)
    };
    NoticeDraft {
        kind: MESSAGE.into(),
        title,
        text,
        severity,
        ..NoticeDraft::default()
    }
}

/// Records and plans a one-off message; the answer names its notice and deliveries.
pub(super) async fn send(app: &App, notify: Notify) -> Result<Value, Problem> {
    let mut correlation = [0; 16];
    SystemEntropy.fill(&mut correlation);
    let command = Command::Notify(Box::new(notify));
    let committed = app
        .ledger
        .submit(Priority::People, command, Beside::default(), correlation)
        .await?;
    let reader = app.ledger.reader();
    let position = committed.positions.start;
    let event = reader
        .get(position)
        .map_err(|error| Problem::internal(&error))?;
    let id = match event.map(|event| event.payload) {
        Some(Event::Accepted(accepted)) => accepted.seed.id(position, 0).to_string(),
        Some(_) | None => {
            return Err(Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "what was sent cannot be found again",
            ));
        }
    };
    planned(reader, &id, position)
}

/// What an event planned: ids of deliveries, and the reasons where there are none.
pub(super) fn planned(
    reader: &Reader<Event>,
    notice: &str,
    position: u64,
) -> Result<Value, Problem> {
    let event = reader
        .get(position)
        .map_err(|error| Problem::internal(&error))?;
    let at = event.as_ref().map_or(0, |event| event.recorded_at);
    let (seed, plan) = match event.map(|event| event.payload) {
        Some(Event::Accepted(accepted)) => (accepted.seed, accepted.plan),
        Some(Event::Resent { seed, plan, .. }) => (seed, plan),
        Some(_) | None => return Ok(json!({"notice": notice, "deliveries": []})),
    };
    let ids: Vec<String> = (1u16..)
        .zip(&plan.planned)
        .map(|(ordinal, _)| seed.id(position, ordinal).to_string())
        .collect();
    Ok(json!({
        "notice": notice,
        "deliveries": ids,
        "reasons": plan.routed.iter().map(|routed| reason(at, routed)).collect::<Value>(),
    }))
}

pub async fn pause(
    may: May<Operating>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let by = may.caller.by();
    set_paused(&may.app, Command::Pause { by }).await
}

pub async fn resume(
    may: May<Operating>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let by = may.caller.by();
    set_paused(&may.app, Command::Resume { by }).await
}

async fn set_paused(app: &App, command: Command) -> Result<Response, Problem> {
    app.ledger.command(Priority::People, command).await?;
    let paused = app.ledger.state().outbox.paused;
    Ok(super::json(json!({"paused": paused})))
}
