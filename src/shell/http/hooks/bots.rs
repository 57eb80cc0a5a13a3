//! `/hooks/bots/{name}`: what the service of a bot sends.
//!
//! A provider named `bots` keeps its address: only `/hooks/bots/{name}` of a bot that is sent to is
//! taken here.

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{BODY_BYTES_DEFAULT, read_body, refused_too_often};
use crate::bots::telegram::SECRET_HEADER;
use crate::shell::app::App;
use crate::shell::bots::{HOOKS, Ready};
use crate::shell::http::front::Front;
use crate::shell::http::problem::Problem;
use crate::shell::http::{Peer, address};

/// The bot that is sent to at this place, when one is.
pub(super) fn find(app: &App, name: &str, rest: &str) -> Option<Result<Ready, Problem>> {
    if name != HOOKS || rest.is_empty() {
        return None;
    }
    let found = app.bots.listening(rest)?;
    Some(found.map_err(|error| {
        tracing::error!(bot.name = rest, %error, "what is sent to a bot cannot be verified");
        let detail = "the secret of this bot cannot be opened, so nothing can be verified";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(60)
    }))
}

pub(super) async fn take(
    app: &App,
    front: &Front,
    peer: Peer,
    ready: &Ready,
    parts: &Parts,
    body: Incoming,
) -> Result<Response, Problem> {
    if parts.method != Method::POST {
        let problem = Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "the address of a bot takes POST",
        );
        let mut response = problem.into_response();
        let allowed = header::HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, allowed);
        return Ok(response);
    }
    let client = address::client(&peer, &parts.headers, &front.options.trusted_proxies);
    let now = app.clock.monotonic();
    app.sources
        .address_may_ask(client, now)
        .map_err(refused_too_often)?;
    let given = parts.headers.get(SECRET_HEADER);
    let why = match given.map(|given| given.as_bytes()) {
        None => Some("the header is missing"),
        Some([]) => Some("the header is empty"),
        Some(given) if !ready.is_proven_by(given) => Some("the header does not match"),
        Some(_) => None,
    };
    if let Some(why) = why {
        app.sources.address_refused(client, now);
        let why = format!("{SECRET_HEADER}: {why}");
        tracing::info!(bot.name = ready.name(), client.address = %client, why, "what was sent to a bot was not verified");
        return Err(Problem::new(StatusCode::UNAUTHORIZED, why));
    }
    let most = BODY_BYTES_DEFAULT as usize;
    let (bytes, _room) = read_body(&app.bodies, &parts.headers, body, most).await?;
    let update: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the body is not JSON"))?;
    app.bots.heard(ready, &update).await?;
    Ok(axum::Json(json!({})).into_response())
}
