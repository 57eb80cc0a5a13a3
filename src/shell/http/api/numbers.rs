//! `/counts` and `/log`.

use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Params, blocking, invalid, json, moment_of, page_of};
use crate::shell::http::auth::{May, Reading, ReadingAsOwner};
use crate::shell::http::problem::Problem;
use crate::shell::views;

/// How far back counts go where nobody says.
const COUNTS_SINCE_DEFAULT: &str = "30d";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountsParams {
    /// A day, a moment, or a span back from now.
    since: Option<String>,
}

pub async fn counts(
    may: May<Reading>,
    Params(params): Params<CountsParams>,
) -> Result<Response, Problem> {
    let text = params.since.as_deref().unwrap_or(COUNTS_SINCE_DEFAULT);
    let date = match text.parse::<Date>() {
        // A moment reads as a date as well, but it is the day in the space's zone that counts.
        Ok(date) if !text.contains('T') => date,
        Ok(_) | Err(_) => {
            let at = moment_of("since", text, may.app.clock.now())?;
            let at =
                Timestamp::from_microsecond(at).map_err(|_| invalid("since", "is out of range"))?;
            let zone = may.app.ledger.state().configuration.zone().clone();
            zone.to_datetime(at).date()
        }
    };
    blocking(move || Ok(json(views::counts(&may.app.ledger, views::since_day(date))))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogParams {
    from: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn log(
    may: May<ReadingAsOwner>,
    Params(params): Params<LogParams>,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    let from = params
        .from
        .map(|text| {
            text.parse()
                .map_err(|_| invalid("from", "is a position, a number"))
        })
        .transpose()?;
    blocking(move || {
        let page = views::log(may.app.ledger.reader(), from, cursor, limit)?;
        Ok(json(page.json()))
    })
    .await
}
