//! `/providers/{name}/collections`, and the test of a provider that is asked.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Name, Params, page_of};
use crate::providers::ask::Ask;
use crate::shell::app::App;
use crate::shell::http::auth::{Administering, May};
use crate::shell::http::problem::Problem;
use crate::shell::pollers::AskFailed;
use crate::shell::views;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionParams {
    #[serde(default)]
    q: String,
    limit: Option<String>,
}

/// What the provider has to watch. It is asked now, so only those who may configure ask it.
pub async fn collections(
    may: May<Administering>,
    Name(name): Name,
    Params(params): Params<CollectionParams>,
) -> Result<Response, Problem> {
    let (limit, _) = page_of(params.limit.as_deref(), None)?;
    let seen = may.app.pollers.ask(&name, Ask::Discover).await;
    let seen = seen.map_err(|failed| problem(&failed))?;
    Ok(super::json(views::collections(&seen, &params.q, limit)))
}

/// The test of a provider that is asked; `None` for one that tells by itself.
pub async fn test(app: &App, name: &str) -> Result<Option<Value>, Problem> {
    let (ok, says, lines) = match app.pollers.ask(name, Ask::Test).await {
        Ok(seen) => (true, format!("{name} answers"), seen.lines),
        Err(AskFailed::NotAsked(_)) => return Ok(None),
        Err(failed @ AskFailed::Unknown(_)) => return Err(problem(&failed)),
        Err(failed @ (AskFailed::Secrets(_) | AskFailed::Unseen(_))) => {
            (false, failed.to_string(), Vec::new())
        }
    };
    let state = app.ledger.state();
    let provider = state
        .configuration
        .provider(name)
        .ok_or_else(|| Problem::not_found("provider", name))?;
    let polling = app.pollers.polling(provider.id);
    let mut shape = json!({
        "ok": ok,
        "kind": provider.spec.kind,
        "called": true,
        "says": says,
        "lines": lines,
        "asking": views::asking(&state, provider, &polling, app.clock.now()),
    });
    let talking = app.sessions.talking(provider.id);
    if let Some(session) = views::talking(&state, provider, &talking) {
        shape["session"] = session;
    }
    Ok(Some(shape))
}

fn problem(failed: &AskFailed) -> Problem {
    let status = match failed {
        AskFailed::Unknown(name) => return Problem::not_found("provider", name),
        AskFailed::NotAsked(_) => StatusCode::CONFLICT,
        AskFailed::Secrets(_) => StatusCode::SERVICE_UNAVAILABLE,
        AskFailed::Unseen(_) => StatusCode::BAD_GATEWAY,
    };
    Problem::new(status, failed.to_string())
}
