//! Setting a provider up, and trying providers and targets out.

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::entities::id_of;
use super::notices::Nothing;
use super::{Base, MaybeJson, Name, PageParams, Params, accepted, blocking, invalid, page_of};
use crate::domain::spec::EntityKind;
use crate::shell::app::App;
use crate::shell::client::excerpt;
use crate::shell::http::auth::{Administering, May, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::operate;
use crate::shell::views;
use crate::targets::{self, CallContext, Reply};

pub async fn setup(
    may: May<Reading>,
    Name(name): Name,
    Base(base): Base,
) -> Result<Response, Problem> {
    let state = may.app.ledger.state();
    let provider = state
        .configuration
        .provider(&name)
        .ok_or_else(|| Problem::not_found("provider", &name))?;
    Ok(super::json(views::setup(&base, &provider.spec)))
}

/// Headers and sizes of what came last; raw requests are not for every reader.
pub async fn requests(
    may: May<Administering>,
    Name(name): Name,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    blocking(move || {
        let id = id_of(&may.app, EntityKind::Provider, &name)?;
        let page = views::requests(may.app.ledger.reader(), id, cursor, limit)?;
        Ok(super::json(page.json()))
    })
    .await
}

/// A provider that is asked is asked now. A webhook cannot be called from here: its test says whether
/// its sender has got through.
pub async fn test_provider(
    may: May<Administering>,
    Name(name): Name,
    Base(base): Base,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    if let Some(tested) = super::asking::test(&may.app, &name).await? {
        return Ok(super::json(tested));
    }
    let heard = may.app.sources.heard(&name);
    let state = may.app.ledger.state();
    let provider = state
        .configuration
        .provider(&name)
        .ok_or_else(|| Problem::not_found("provider", &name))?;
    let finding = operate::test_provider(&state, &name, &heard)?;
    Ok(super::json(json!({
        "ok": finding.is_fine(),
        "kind": provider.spec.kind,
        // Nothing was called: only the sender can start a request.
        "called": false,
        "says": finding.says(),
        "health": views::provider_health(&state, provider, &heard, &base),
    })))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestBody {
    receiver: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestParams {
    #[serde(default)]
    probe: bool,
}

pub async fn test_target(
    may: May<Administering>,
    Name(name): Name,
    Params(params): Params<TestParams>,
    MaybeJson(body): MaybeJson<TestBody>,
) -> Result<Response, Problem> {
    id_of(&may.app, EntityKind::Target, &name)?;
    if params.probe {
        return Ok(super::json(
            probe(&may.app, &name, body.receiver.as_deref()).await?,
        ));
    }
    let planned =
        operate::test_target(&may.app.ledger, &name, body.receiver, &may.caller.by()).await?;
    Ok(accepted(planned.json()))
}

/// Asks the service whether it knows us, without a message.
async fn probe(app: &App, name: &str, receiver: Option<&str>) -> Result<Value, Problem> {
    let (calling, receiver) = {
        let state = app.ledger.state();
        let target = state
            .configuration
            .target(name)
            .ok_or_else(|| Problem::not_found("target", name))?;
        let mut ids = target.receivers.iter();
        let chosen = match receiver {
            None => ids.next(),
            Some(wanted) => ids.find(|id| target.receiver_name(**id) == Some(wanted)),
        };
        let chosen = chosen
            .and_then(|id| target.receiver(*id))
            .ok_or_else(|| Problem::not_found("receiver", receiver.unwrap_or("of any name")))?;
        (state.configuration.calling(target), chosen)
    };
    let (spec, (holder, id)) = (calling.spec, calling.holder);
    let unprobed = |says: &str| json!({"probed": false, "says": says});
    let Some(kind) = targets::kind(&spec.kind) else {
        return Ok(unprobed(
            "this kind makes no calls of its own; test the targets it stands for",
        ));
    };
    let opened = app
        .vault
        .open(holder, id, calling.revision, &calling.marks)
        .map_err(|error| invalid("target", error.to_string()))?;
    let context = CallContext {
        target: &spec,
        receiver: &receiver,
        secrets: &opened.values,
        delivery_id: "probe",
        part: 0,
        earlier_ids: &[],
        now_seconds: app.clock.now().div_euclid(1_000_000),
        reply_to: None,
    };
    let call = match kind.probe(&context) {
        None => {
            return Ok(unprobed(
                "this kind cannot be asked without a message; send a test",
            ));
        }
        Some(Err(unsendable)) => {
            return Ok(json!({"probed": true, "ok": false, "says": unsendable.reason}));
        }
        Some(Ok(call)) => call,
    };
    let (reply, took) = app
        .client
        .perform(&call, spec.allow_private, &opened.redactor)
        .await;
    Ok(judged(&reply, took.call.as_millis()))
}

fn judged(reply: &Reply, duration_ms: u128) -> Value {
    let (ok, status, says) = match reply {
        Reply::Answered { status, .. } => {
            let says = match status {
                200..=299 => "it answers and knows us".to_owned(),
                401 | 403 => format!("it answers, and refuses the credential with {status}"),
                404 => "it answers that what was configured is not there (404)".to_owned(),
                429 => "it answers, and wants us to wait (429)".to_owned(),
                status => format!("it answered {status}"),
            };
            ((200..=299).contains(status), Some(*status), says)
        }
        Reply::NotSent { why } => (false, None, format!("nothing was sent: {why}")),
        Reply::NoAnswer { why } => (false, None, format!("no whole answer came: {why}")),
    };
    json!({
        "probed": true,
        "ok": ok,
        "http_status": status,
        "says": says,
        "answer": excerpt(reply),
        "duration_ms": u64::try_from(duration_ms).unwrap_or(u64::MAX),
    })
}
