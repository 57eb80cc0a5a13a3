//! `/providers`, `/targets`, `/trackers`, `/templates`, `/bots`: reading. They are changed by `/apply`.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::{Base, Name, PageParams, Params, blocking, json, page_of};
use crate::domain::spec::EntityKind;
use crate::shell::app::App;
use crate::shell::http::auth::{May, Reading};
use crate::shell::http::problem::Problem;
use crate::shell::views::{self, Cursor, NotACursor, Page, ViewError};

fn view(
    app: &App,
    kind: EntityKind,
    id: u32,
    base: &str,
) -> Result<(serde_json::Value, u64), ViewError> {
    let ledger = &app.ledger;
    let (mut shape, revision) = views::entity(ledger.reader(), ledger, kind, id, base, |name| {
        app.sources.heard(name)
    })?;
    if kind == EntityKind::Provider {
        let polling = app.pollers.polling(id);
        let state = ledger.state();
        let provider = state.configuration.providers.get(&id);
        let asking = provider
            .and_then(|provider| views::asking(&state, provider, &polling, app.clock.now()));
        if let Some(asking) = asking {
            shape["asking"] = asking;
        }
        let talking = app.sessions.talking(id);
        let session = provider.and_then(|provider| views::talking(&state, provider, &talking));
        if let Some(session) = session {
            shape["session"] = session;
        }
    }
    Ok((shape, revision))
}

pub async fn list(
    kind: EntityKind,
    may: May<Reading>,
    Params(params): Params<PageParams>,
    Base(base): Base,
) -> Result<Response, Problem> {
    let (limit, cursor) = page_of(params.limit.as_deref(), params.cursor.as_deref())?;
    let before = match cursor {
        None => u64::MAX,
        Some(Cursor::Before(id)) => id,
        Some(Cursor::After(_) | Cursor::Delivery { .. }) => {
            return Err(super::invalid("cursor", NotACursor.to_string()));
        }
    };
    blocking(move || {
        let mut ids = views::entity_ids(&may.app.ledger, kind, before, limit + 1);
        let more = ids.len() > limit;
        ids.truncate(limit);
        let mut page = Page::default();
        for id in &ids {
            match view(&may.app, kind, *id, &base) {
                Ok((shape, _)) => page.items.push(shape),
                // Removed since its id was copied.
                Err(ViewError::NotFound { .. } | ViewError::Compacted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        page.next = ids
            .last()
            .filter(|_| more)
            .map(|id| Cursor::Before(u64::from(*id)));
        Ok(json(page.json()))
    })
    .await
}

pub async fn one(
    kind: EntityKind,
    may: May<Reading>,
    Name(name): Name,
    Base(base): Base,
) -> Result<Response, Problem> {
    blocking(move || {
        let id = id_of(&may.app, kind, &name)?;
        let (shape, revision) = view(&may.app, kind, id, &base)?;
        let mut response = json(shape);
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Ok(response)
    })
    .await
}

/// The id of a configured entity, or 404.
pub(super) fn id_of(app: &App, kind: EntityKind, name: &str) -> Result<u32, Problem> {
    app.ledger
        .state()
        .configuration
        .id(kind, name)
        .ok_or_else(|| Problem::not_found(kind.as_str(), name))
}
