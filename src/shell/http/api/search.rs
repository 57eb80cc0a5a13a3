//! `/search`, and how much of it there is.

use axum::response::Response;
use serde::Deserialize;

use super::{Params, blocking, invalid, json};
use crate::domain::event::Role;
use crate::shell::app::App;
use crate::shell::http::auth::{May, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::search::{self, Asked, Cursor, SearchError, Sorted};
use crate::shell::views::found;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    #[serde(default)]
    q: String,
    sort: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacetParams {
    #[serde(default)]
    q: String,
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Query(error) => invalid("q", error.to_string()),
            SearchError::Expired => invalid("cursor", error.to_string()),
            SearchError::Read(error) => Problem::internal(&error),
        }
    }
}

fn asked(params: &SearchParams, role: Role) -> Result<Asked, Problem> {
    let (limit, _) = super::page_of(params.limit.as_deref(), None)?;
    let sorted = match params.sort.as_deref() {
        None => Sorted::Newest,
        Some(word) => {
            Sorted::parse(word).ok_or_else(|| invalid("sort", "is one of time, relevance"))?
        }
    };
    let cursor = params.cursor.as_deref().map(str::parse::<Cursor>);
    let cursor = cursor
        .transpose()
        .map_err(|error| invalid("cursor", error.to_string()))?;
    Ok(Asked {
        query: params.q.clone(),
        sorted,
        cursor,
        limit,
        // As the log itself is.
        sees_changes: role >= Role::Owner,
    })
}

/// A page of what was found, in the API's shape.
fn answer(app: &App, asked: &Asked) -> Result<serde_json::Value, SearchError> {
    let zone = app.ledger.state().configuration.zone().clone();
    let (now, monotonic) = (app.clock.now(), app.clock.monotonic());
    let answer = app.search.find(asked, now, &zone, monotonic)?;
    let open = match asked.cursor {
        Some(_) => None,
        None => Some(search::open(
            app.ledger.reader(),
            &app.ledger,
            &answer.tree,
        )?),
    };
    Ok(found::answer(&answer, open.as_ref()))
}

pub async fn find(
    may: May<Reading>,
    Params(params): Params<SearchParams>,
) -> Result<Response, Problem> {
    let asked = asked(&params, may.caller.role)?;
    blocking(move || Ok(json(answer(&may.app, &asked)?))).await
}

pub async fn facets(
    may: May<Reading>,
    Params(FacetParams { q }): Params<FacetParams>,
) -> Result<Response, Problem> {
    let asked = Asked {
        query: q,
        sorted: Sorted::Newest,
        cursor: None,
        limit: 0,
        sees_changes: may.caller.role >= Role::Owner,
    };
    blocking(move || {
        let app = &may.app;
        let zone = app.ledger.state().configuration.zone().clone();
        let facets = app.search.facets(&asked, app.clock.now(), &zone)?;
        Ok(json(found::facets(&facets)))
    })
    .await
}
