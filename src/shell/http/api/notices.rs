//! `/notices`.

use axum::response::Response;
use serde::Deserialize;

use super::{MaybeJson, Name, Params, accepted, blocking, invalid, json, moment_of, page_of};
use crate::domain::notice::Severity;
use crate::projections::outbox::NoticeStatus;
use crate::shell::http::auth::{Administering, May, Operating, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::operate;
use crate::shell::views::{self, Around, Asked, NoticeFilter};

/// Longest text that is searched for, in bytes.
const QUERY_BYTES_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    provider: Option<String>,
    kind: Option<String>,
    collection: Option<String>,
    tracker: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    q: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub(super) fn severity(text: &str) -> Result<Severity, Problem> {
    Severity::parse(text)
        .ok_or_else(|| invalid("severity", "is one of info, success, warning, critical"))
}

fn status(text: &str) -> Result<NoticeStatus, Problem> {
    NoticeStatus::parse(text).ok_or_else(|| {
        let known = NoticeStatus::ALL.map(NoticeStatus::as_str).join(", ");
        invalid("status", format!("is one of {known}"))
    })
}

pub async fn list(
    may: May<Reading>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    if params.q.as_ref().is_some_and(|q| q.len() > QUERY_BYTES_MAX) {
        return Err(invalid(
            "q",
            format!("has more than {QUERY_BYTES_MAX} bytes"),
        ));
    }
    let now = may.app.clock.now();
    let moment = |field, text: Option<&str>| text.map(|t| moment_of(field, t, now)).transpose();
    let filter = NoticeFilter {
        severity: params.severity.as_deref().map(severity).transpose()?,
        status: params.status.as_deref().map(status).transpose()?,
        since: moment("since", params.since.as_deref())?,
        until: moment("until", params.until.as_deref())?,
        provider: params.provider,
        kind: params.kind,
        collection: params.collection,
        tracker: params.tracker,
        q: params.q,
    };
    blocking(move || {
        let ledger = &may.app.ledger;
        let search = Some(&*may.app.search);
        let page = views::notices(ledger.reader(), ledger, search, &filter, cursor, limit)?;
        Ok(json(page.json()))
    })
    .await
}

pub async fn one(may: May<Reading>, Name(id): Name) -> Result<Response, Problem> {
    blocking(move || {
        let ledger = &may.app.ledger;
        let family = views::find_notice(ledger.reader(), &id)?;
        let around = Around::of(ledger.reader(), ledger, &family)?;
        let mut shape = views::notice(&family, &around);
        if let Some(standing) = views::standing(ledger, &family, may.app.clock.now()) {
            shape["standing"] = standing;
        }
        Ok(json(shape))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyNotParams {
    tracker: Option<String>,
    target: Option<String>,
}

pub async fn why_not(
    may: May<Reading>,
    Name(id): Name,
    Params(params): Params<WhyNotParams>,
) -> Result<Response, Problem> {
    let asked = match (params.tracker, params.target) {
        (Some(name), None) => Asked::Tracker(name),
        (None, Some(name)) => Asked::Target(name),
        (None, None) | (Some(_), Some(_)) => {
            return Err(invalid("tracker", "name either a tracker or a target"));
        }
    };
    blocking(move || {
        let ledger = &may.app.ledger;
        let family = views::find_notice(ledger.reader(), &id)?;
        let now = may.app.clock.now();
        Ok(json(views::why_not(ledger, &family, &asked, now)?))
    })
    .await
}

/// Raw bodies are not for every reader.
pub async fn body(may: May<Administering>, Name(id): Name) -> Result<Response, Problem> {
    blocking(move || {
        let reader = may.app.ledger.reader();
        let family = views::find_notice(reader, &id)?;
        Ok(json(views::notice_body(reader, &family)?))
    })
    .await
}

/// A body without fields.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

pub async fn resend(
    may: May<Operating>,
    Name(id): Name,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let planned = operate::resend(&may.app.ledger, &id, &may.caller.by()).await?;
    Ok(accepted(planned.json()))
}
