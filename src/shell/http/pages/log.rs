//! The log, for owners: every event by position.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use notify_store::{Payload, Recorded, Stream};
use notify_web::pages::log::{self, EventRow, EventView, LogView};
use serde::Deserialize;
use serde_json::Value;

use super::{Desk, ROWS, Wrong, page, text};
use crate::domain::event::{Event, Role};
use crate::shell::http::problem::Problem;
use crate::shell::http::session::Shown;
use crate::shell::views;
use crate::wire;

/// Longest line about an event, in bytes.
const SUMMARY_BYTES_MAX: usize = 200;
/// Events looked through for a page of one kind.
const LOOKED_THROUGH_MAX: usize = 20_000;

#[derive(Deserialize, Default)]
pub struct Asked {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    from: String,
    cursor: Option<String>,
    fragment: Option<String>,
}

fn owners(desk: &Desk) -> Result<(), Wrong> {
    if desk.visitor.user.role >= Role::Owner {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "the log is shown to owners").into())
}

/// One line about an event, from what its shape says.
fn summary(shape: &Value) -> String {
    let data = &shape["data"];
    let said = ["title", "name", "why", "reason", "detail", "by"]
        .iter()
        .find_map(|field| {
            let found = if data["notice"][field].is_string() {
                &data["notice"][field]
            } else {
                &data[field]
            };
            found.as_str().filter(|text| !text.is_empty())
        });
    let mut line = said.unwrap_or_default().to_owned();
    if let Some(provider) = data["provider"].as_str() {
        line = format!("{provider}: {line}");
    }
    crate::domain::notice::cut(&mut line, SUMMARY_BYTES_MAX);
    line
}

pub async fn list(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    owners(&desk)?;
    let reader = desk.app.ledger.reader();
    let mut before = match asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        Some(cursor) => cursor
            .parse::<u64>()
            .unwrap_or_else(|_| reader.next_position()),
        None => asked
            .from
            .parse::<u64>()
            .map_or_else(|_| reader.next_position(), |from| from.saturating_add(1)),
    };
    let mut rows = Vec::new();
    let mut looked = 0;
    while rows.len() < ROWS && looked < LOOKED_THROUGH_MAX {
        let events = reader
            .page_back(before, ROWS * 4)
            .map_err(|error| Problem::internal(&error))?;
        let Some(last) = events.last() else {
            before = 0;
            break;
        };
        let oldest = last.position;
        looked += events.len();
        before = oldest;
        for recorded in &events {
            let kind = wire::kind_name(recorded.payload.kind()).unwrap_or("unknown");
            if !asked.kind.is_empty() && asked.kind != kind {
                continue;
            }
            if rows.len() == ROWS {
                before = recorded.position + 1;
                break;
            }
            rows.push(EventRow {
                position: recorded.position,
                kind: kind.to_owned(),
                summary: summary(&views::event(recorded)),
                recorded: desk.at(recorded.recorded_at),
            });
        }
    }
    let mark = desk.app.ledger.state().retention.horizons.mark();
    let view = LogView {
        compacted_before: (before < mark).then_some(mark),
        kinds: wire::KINDS
            .iter()
            .map(|(_, _, name)| (*name).to_owned())
            .collect(),
        next: (before > 1).then(|| before.to_string()),
        rows,
        error: None,
        kind: asked.kind,
        from: asked.from,
    };
    let frame = desk.frame();
    Ok(page(match asked.fragment {
        Some(_) => log::results(&frame, &view),
        None => log::list(&frame, &view),
    }))
}

/// The public id of the notice whose family an event belongs to.
fn notice_id(desk: &Desk, recorded: &Recorded<Event>) -> String {
    let founding = match recorded.payload.stream() {
        Stream::None => return String::new(),
        Stream::Founds => recorded.position,
        Stream::Of(founding) => founding,
    };
    match desk
        .app
        .ledger
        .reader()
        .get(founding)
        .ok()
        .flatten()
        .map(|event| event.payload)
    {
        Some(Event::Accepted(accepted)) => accepted.seed.id(founding, 0).to_string(),
        Some(_) | None => String::new(),
    }
}

pub async fn one(shown: Shown, Path(position): Path<u64>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    owners(&desk)?;
    let reader = desk.app.ledger.reader();
    let recorded = reader
        .get(position)
        .map_err(|error| Problem::internal(&error))?
        .map_or_else(|| Err(views::missing_event(reader, position)), Ok)?;
    // Next to it there may be a hole.
    let beside = |found: Result<Vec<Recorded<Event>>, _>| {
        let found = found.map_err(|error| Problem::internal(&error))?;
        Ok::<_, Wrong>(found.first().map(|event| event.position))
    };
    let previous = beside(reader.page_back(position, 1))?;
    let following = beside(reader.page(position.saturating_add(1), 1))?;
    let shape = views::event(&recorded);
    let view = EventView {
        position,
        kind: wire::kind_name(recorded.payload.kind())
            .unwrap_or("unknown")
            .to_owned(),
        revision: u32::from(recorded.payload.revision()),
        recorded: desk.at(recorded.recorded_at),
        summary: summary(&shape),
        causation: Some(recorded.causation).filter(|position| *position != 0),
        correlation: text(&shape["correlation"]),
        notice_id: notice_id(&desk, &recorded),
        json: serde_json::to_string_pretty(&shape).unwrap_or_default(),
        previous,
        following,
    };
    Ok(page(log::one(&desk.frame(), &view)))
}
