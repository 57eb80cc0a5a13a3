//! `/notify`, and stopping and going on.

use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::notices::{Nothing, severity};
use super::{Json, MaybeJson, accepted, invalid};
use crate::domain::command::Notify;
use crate::domain::notice::{NoticeDraft, TEXT_BYTES_MAX, TITLE_BYTES_MAX};
use crate::shell::http::auth::{Caller, May, Notifying, Operating};
use crate::shell::http::problem::Problem;
use crate::shell::operate;

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
    Ok(accepted(
        operate::send(&may.app.ledger, notify).await?.json(),
    ))
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
        notice: NoticeDraft::message(title, message.body, severity.unwrap_or_default()),
        targets,
        receiver: None,
        tag: message.tag,
        at_once: false,
        by: caller.by(),
    })
}

pub async fn pause(
    may: May<Operating>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    set_paused(&may, true).await
}

pub async fn resume(
    may: May<Operating>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    set_paused(&may, false).await
}

async fn set_paused(may: &May<Operating>, paused: bool) -> Result<Response, Problem> {
    operate::set_paused(&may.app.ledger, paused, &may.caller.by()).await?;
    let paused = may.app.ledger.state().outbox.paused;
    Ok(super::json(json!({"paused": paused})))
}
