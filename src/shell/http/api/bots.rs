//! `/bots/{name}/chats`, `/discover` and `/test`: what bots hear.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::entities::id_of;
use super::notices::Nothing;
use super::{Base, MaybeJson, Name, Params, accepted, invalid, page_of};
use crate::config::quantity::duration_ms;
use crate::domain::spec::EntityKind;
use crate::shell::app::App;
use crate::shell::bots::{BotError, LOOK_MAX};
use crate::shell::http::auth::{Administering, May, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::views;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatParams {
    limit: Option<String>,
}

/// The chats a bot was seen in. There are never more than a page of them.
pub async fn chats(
    may: May<Reading>,
    Name(name): Name,
    Params(params): Params<ChatParams>,
) -> Result<Response, Problem> {
    let limit = match params.limit {
        None => usize::MAX,
        Some(limit) => page_of(Some(&limit), None)?.0,
    };
    let id = id_of(&may.app, EntityKind::Bot, &name)?;
    let mut shape = chats_of(&may.app, id);
    if let Some(items) = shape["items"].as_array_mut() {
        items.truncate(limit);
    }
    Ok(super::json(shape))
}

fn chats_of(app: &App, id: u32) -> serde_json::Value {
    let look = app.bots.looking(id);
    views::chats(&app.ledger.state(), id, look.as_ref())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookBody {
    #[serde(rename = "for")]
    span: Option<String>,
}

/// Looks for chats, and answers with those that are known by then.
pub async fn discover(
    may: May<Administering>,
    Name(name): Name,
    Base(base): Base,
    MaybeJson(body): MaybeJson<LookBody>,
) -> Result<Response, Problem> {
    let id = id_of(&may.app, EntityKind::Bot, &name)?;
    let span = match body.span.as_deref() {
        None => LOOK_MAX,
        Some(text) => duration_ms(text)
            .ok()
            .map(Duration::from_millis)
            .filter(|span| !span.is_zero() && *span <= LOOK_MAX)
            .ok_or_else(|| invalid("for", "is a time of at most 5m, as `90s`"))?,
    };
    may.app.bots.look(&name, span, &base).await?;
    Ok(accepted(chats_of(&may.app, id)))
}

/// Asks the bot's service who it is.
pub async fn test(
    may: May<Administering>,
    Name(name): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    id_of(&may.app, EntityKind::Bot, &name)?;
    let tested = match may.app.bots.test(&name).await {
        Ok(identity) => json!({
            "ok": true,
            "called": true,
            "says": format!("it answers as @{}", identity.username),
            "identity": views::bot_identity(&identity),
        }),
        Err(error @ (BotError::Unanswered(_) | BotError::Unsendable(_) | BotError::Secrets(_))) => {
            json!({"ok": false, "called": true, "says": error.to_string()})
        }
        Err(error) => return Err(error.into()),
    };
    Ok(super::json(tested))
}

impl From<BotError> for Problem {
    fn from(error: BotError) -> Self {
        let detail = error.to_string();
        let status = match error {
            BotError::Unknown(name) => return Problem::not_found("bot", &name),
            BotError::Ledger(error) => return error.into(),
            BotError::Disabled(_) | BotError::Halted => StatusCode::CONFLICT,
            BotError::Secrets(_) => StatusCode::SERVICE_UNAVAILABLE,
            BotError::Unsendable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            BotError::Unanswered(_) => StatusCode::BAD_GATEWAY,
        };
        Problem::new(status, detail)
    }
}
