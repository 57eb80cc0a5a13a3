//! `/snoozes`, and `/notices/{id}/ack`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::notices::Nothing;
use super::{Json, MaybeJson, Name, PageParams, Params, invalid, json, page_of};
use crate::domain::command::Mute;
use crate::projections::snoozes::Scope;
use crate::shell::http::auth::{May, Operating, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::operate::{self, quiet_until};
use crate::shell::views;

pub async fn list(
    may: May<Reading>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    let now = may.app.clock.now();
    let page = views::snoozes(&may.app.ledger, now, cursor, limit)?;
    Ok(json(page.json()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSnooze {
    tracker: Option<String>,
    target: Option<String>,
    collection: Option<String>,
    subject: Option<String>,
    /// Whose collection or subject; any provider's without it.
    provider: Option<String>,
    #[serde(rename = "for")]
    span: Option<String>,
    until: Option<String>,
}

pub async fn create(may: May<Operating>, Json(new): Json<NewSnooze>) -> Result<Response, Problem> {
    let named = [
        (Scope::Tracker, new.tracker),
        (Scope::Target, new.target),
        (Scope::Collection, new.collection),
        (Scope::Subject, new.subject),
    ];
    let mut named = named
        .into_iter()
        .filter_map(|(scope, name)| Some((scope, name?)));
    let (Some((scope, name)), None) = (named.next(), named.next()) else {
        let message = "name one of tracker, target, collection and subject";
        return Err(invalid("tracker", message));
    };
    if new.provider.is_some() && matches!(scope, Scope::Tracker | Scope::Target) {
        return Err(invalid(
            "provider",
            "goes with a collection or subject only",
        ));
    }
    let (field, text) = match (new.span, new.until) {
        (Some(span), None) => ("for", span),
        (None, Some(until)) => ("until", until),
        (None, None) | (Some(_), Some(_)) => {
            return Err(invalid("for", "say either for how long, or until when"));
        }
    };
    let now = may.app.clock.now();
    let zone = may.app.ledger.state().configuration.zone().clone();
    let until =
        quiet_until(&text, now, &zone).map_err(|error| invalid(field, error.to_string()))?;
    let mute = Mute {
        scope,
        name,
        provider: new.provider,
        until,
        by: may.caller.by(),
    };
    let id = operate::snooze(&may.app.ledger, mute).await?;
    // It may have ended since: then what is left of it is its id.
    let shape = views::find_snooze(&may.app.ledger, id, now)
        .unwrap_or_else(|| serde_json::json!({"id": id.to_string()}));
    Ok((StatusCode::CREATED, axum::Json(shape)).into_response())
}

pub async fn end(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("snooze", &id))?;
    operate::end_snooze(&may.app.ledger, id, &may.caller.by()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub async fn acknowledge(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let changed = operate::acknowledge(&may.app.ledger, &id, &may.caller.by()).await?;
    Ok(json(serde_json::json!({
        "notice": id,
        "acknowledged": true,
        "changed": changed,
    })))
}
