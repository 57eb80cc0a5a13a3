//! `/deliveries`, `/held` and `/parked`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::notices::Nothing;
use super::{Json, MaybeJson, Name, Params, blocking, invalid, page_of};
use crate::domain::event::{Action, DeliveryKey};
use crate::projections::outbox::Status;
use crate::shell::app::App;
use crate::shell::http::auth::{May, Operating, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::ledger::Ledger;
use crate::shell::operate::{self, BULK_MAX, Chosen, Deed};
use crate::shell::views::{self, Around, Cursor, DeliveryFilter};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// One, or several with commas.
    status: Option<String>,
    target: Option<String>,
    tracker: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

fn statuses(text: Option<&str>) -> Result<Vec<Status>, Problem> {
    let words = text.unwrap_or("").split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(|word| {
            Status::parse(word).ok_or_else(|| {
                let known = Status::ALL.map(Status::as_str).join(", ");
                invalid(
                    "status",
                    format!("is one of {known}, or several with commas"),
                )
            })
        })
        .collect()
}

pub async fn list(
    may: May<Reading>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    let filter = DeliveryFilter {
        statuses: statuses(params.status.as_deref())?,
        target: params.target,
        tracker: params.tracker,
        reason: None,
    };
    blocking(move || {
        let ledger = &may.app.ledger;
        let page = views::deliveries(ledger.reader(), ledger, &filter, cursor, limit)?;
        Ok(super::json(page.json()))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldParams {
    target: Option<String>,
    tracker: Option<String>,
    /// What holds it.
    reason: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// The counts by reason are of all that is held, whatever the list is narrowed to.
pub async fn held(
    may: May<Reading>,
    Params(params): Params<HeldParams>,
) -> Result<Response, Problem> {
    let filter = DeliveryFilter {
        statuses: vec![Status::Held],
        target: params.target,
        tracker: params.tracker,
        reason: params.reason,
    };
    let page = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    with_reasons(may, filter, page, views::held_reasons).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParkedParams {
    target: Option<String>,
    tracker: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// The groups by reason are of all that is parked, whatever the list is narrowed to.
pub async fn parked(
    may: May<Reading>,
    Params(params): Params<ParkedParams>,
) -> Result<Response, Problem> {
    let filter = DeliveryFilter {
        statuses: vec![Status::Parked, Status::Unknown],
        target: params.target,
        tracker: params.tracker,
        reason: None,
    };
    let page = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    with_reasons(may, filter, page, views::parked_reasons).await
}

/// A page of deliveries, with how many of all there are by reason.
async fn with_reasons(
    may: May<Reading>,
    filter: DeliveryFilter,
    (limit, cursor): (usize, Option<Cursor>),
    reasons: fn(&Ledger) -> Value,
) -> Result<Response, Problem> {
    blocking(move || {
        let ledger = &may.app.ledger;
        let page = views::deliveries(ledger.reader(), ledger, &filter, cursor, limit)?;
        let mut shape = page.json();
        if let (Value::Object(shape), Value::Object(reasons)) = (&mut shape, reasons(ledger)) {
            shape.extend(reasons);
        }
        Ok(super::json(shape))
    })
    .await
}

async fn shown(app: std::sync::Arc<App>, id: String) -> Result<Response, Problem> {
    blocking(move || {
        let ledger = &app.ledger;
        let (family, key) = views::find_delivery(ledger.reader(), &id)?;
        let around = Around::of(ledger.reader(), ledger, &family)?;
        let view = family
            .delivery(key)
            .ok_or_else(|| Problem::not_found("delivery", &id))?;
        Ok(super::json(views::delivery(&family, view, &around)))
    })
    .await
}

pub async fn one(may: May<Reading>, Name(id): Name) -> Result<Response, Problem> {
    shown(may.app, id).await
}

pub async fn retry(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    operate(may, id, Action::Retry).await
}

pub async fn abandon(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    operate(may, id, Action::Drop).await
}

pub async fn confirm(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    operate(may, id, Action::Confirm).await
}

pub async fn release(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    operate(may, id, Deed::Release).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Until {
    until: String,
}

pub async fn put_off(
    may: May<Operating>,
    Name(id): Name,
    Json(Until { until }): Json<Until>,
) -> Result<Response, Problem> {
    let deed = moved(&may.app, &until)?;
    operate(may, id, deed).await
}

fn moved(app: &App, until: &str) -> Result<Deed, Problem> {
    let zone = app.ledger.state().configuration.zone().clone();
    let until = operate::until(until, app.clock.now(), &zone);
    let until = until.map_err(|error| invalid("until", error.to_string()))?;
    Ok(Deed::Move { until })
}

async fn operate(
    may: May<Operating>,
    id: String,
    deed: impl Into<Deed>,
) -> Result<Response, Problem> {
    operate::delivery(&may.app.ledger, &id, deed, &may.caller.by()).await?;
    shown(may.app, id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    action: String,
    /// With `move` alone.
    until: Option<String>,
    ids: Option<Vec<String>>,
    filter: Option<BulkFilter>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkFilter {
    status: Option<String>,
    target: Option<String>,
    tracker: Option<String>,
    reason: Option<String>,
}

pub async fn bulk(may: May<Operating>, Json(bulk): Json<Bulk>) -> Result<Response, Problem> {
    let deed = match (bulk.action.as_str(), &bulk.until) {
        ("move", Some(until)) => moved(&may.app, until)?,
        ("move", None) => return Err(invalid("until", "say until when, as 2h")),
        (_, Some(_)) => return Err(invalid("until", "belongs to the action move alone")),
        ("retry", None) => Action::Retry.into(),
        ("drop", None) => Action::Drop.into(),
        ("confirm", None) => Action::Confirm.into(),
        ("release", None) => Deed::Release,
        _ => {
            let known = "is one of retry, drop, confirm, release, move";
            return Err(invalid("action", known));
        }
    };
    let app = std::sync::Arc::clone(&may.app);
    let chosen = match (bulk.ids, bulk.filter) {
        (Some(ids), None) if ids.len() <= BULK_MAX => blocking(move || named(&app, ids)).await?,
        (Some(_), None) => {
            return Err(invalid(
                "ids",
                format!("are more than {BULK_MAX}; send several requests"),
            ));
        }
        (None, Some(filter)) => {
            let mut filter = DeliveryFilter {
                statuses: statuses(filter.status.as_deref())?,
                target: filter.target,
                tracker: filter.tracker,
                reason: filter.reason,
            };
            // Nobody who releases or moves all of a target means what is not held.
            if filter.statuses.is_empty() && !matches!(deed, Deed::Act(_)) {
                filter.statuses = vec![Status::Held];
            }
            blocking(move || matching(&app, &filter)).await?
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(invalid("ids", "give either ids or a filter"));
        }
    };
    let Found {
        keys,
        left,
        unknown,
    } = chosen;
    let matched = keys.len();
    if bulk.dry_run {
        return Ok(super::json(json!({
            "dry_run": true, "matched": matched, "left": left, "not_found": unknown,
        })));
    }
    let chosen = keys.into_iter().map(Chosen::from).collect();
    let many = operate::deliveries(&may.app.ledger, chosen, deed, &may.caller.by()).await?;
    let refused = many.reasons();
    Ok(super::json(json!({
        "dry_run": false,
        "matched": matched,
        "done": many.done,
        "refused": refused.iter().map(|(why, count)| json!({"why": why, "count": count})).collect::<Value>(),
        "left": left,
        "not_found": unknown,
    })))
}

struct Found {
    keys: Vec<DeliveryKey>,
    /// Whether more match than one request changes.
    left: bool,
    unknown: Vec<String>,
}

fn named(app: &App, ids: Vec<String>) -> Result<Found, Problem> {
    let mut chosen = Found {
        keys: Vec::with_capacity(ids.len()),
        left: false,
        unknown: Vec::new(),
    };
    for id in ids {
        match views::delivery_key(app.ledger.reader(), &id) {
            Ok((key, _)) => chosen.keys.push(key),
            Err(error) => {
                let problem = Problem::from(error);
                if problem.status != StatusCode::NOT_FOUND {
                    return Err(problem);
                }
                chosen.unknown.push(id);
            }
        }
    }
    Ok(chosen)
}

fn matching(app: &App, filter: &DeliveryFilter) -> Result<Found, Problem> {
    let mut keys: Vec<DeliveryKey> = views::open_keys(&app.ledger, filter, BULK_MAX + 1)?
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let left = keys.len() > BULK_MAX;
    keys.truncate(BULK_MAX);
    Ok(Found {
        keys,
        left,
        unknown: Vec::new(),
    })
}
