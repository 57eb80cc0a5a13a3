//! The page that searches.

use axum::extract::Query;
use axum::response::Response;
use notify_web::pages::search::{self, CountsView, Hit, Piece, SearchView};
use notify_web::{Severity, Status};
use serde::Deserialize;
use serde_json::Value;

use super::{Desk, ROWS, Wrong, page, text};
use crate::domain::event::Role;
use crate::search::document::Document;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::Shown;
use crate::shell::search::{Asked, Cursor, Facets, SearchError, Sorted, open};
use crate::shell::views::found;

#[derive(Deserialize, Default)]
pub struct Given {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    counts: String,
    cursor: Option<String>,
    fragment: Option<String>,
}

pub async fn find(shown: Shown, Query(given): Query<Given>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let work = tokio::task::spawn_blocking(move || shown_page(&desk, given));
    work.await
        .unwrap_or_else(|error| Err(Wrong(Problem::internal(&error))))
}

fn shown_page(desk: &Desk, given: Given) -> Result<Response, Wrong> {
    let frame = desk.frame();
    let asked = Asked {
        sorted: Sorted::parse(&given.sort).unwrap_or_default(),
        cursor: given
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<Cursor>().ok()),
        limit: ROWS,
        sees_changes: desk.visitor.user.role >= Role::Owner,
        query: given.q.clone(),
    };
    let zone = &desk.zone;
    if given.fragment.is_some() {
        let counted = desk.app.search.facets(&asked, desk.now, zone);
        let counted = counted.map(counts).unwrap_or_default();
        return Ok(page(search::counts(&frame, &given.q, &counted)));
    }
    let mut view = SearchView {
        sort: asked.sorted.as_str().into(),
        q: given.q,
        ..SearchView::default()
    };
    // Without a question nothing is searched: the page teaches what may be asked.
    if !asked.query.trim().is_empty() {
        match filled(desk, &asked, &mut view) {
            Ok(()) => {}
            Err(SearchError::Read(error)) => {
                return Err(Problem::internal(&error).into());
            }
            Err(error) => view.error = Some(error.to_string()),
        }
        if !given.counts.is_empty() && view.error.is_none() {
            let counted = desk.app.search.facets(&asked, desk.now, zone);
            view.counts = counted.ok().map(counts);
        }
    }
    Ok(page(search::page_of(&frame, &view)))
}

fn filled(desk: &Desk, asked: &Asked, view: &mut SearchView) -> Result<(), SearchError> {
    let app = &desk.app;
    let monotonic = app.clock.monotonic();
    let answer = app.search.find(asked, desk.now, &desk.zone, monotonic)?;
    let hits = |documents: &[Document]| -> Vec<Hit> {
        documents
            .iter()
            .map(|document| hit(desk, &found::hit(document, &answer.tree)))
            .collect()
    };
    view.hits = hits(&answer.hits);
    view.next = answer.next.map(|next| next.to_string());
    view.corrected = answer.corrected.clone();
    if asked.cursor.is_none() {
        let open = open(app.ledger.reader(), &app.ledger, &answer.tree)?;
        view.open = hits(&open.hits);
        view.open_more = !open.is_all;
    }
    let standing = answer.standing;
    if !standing.is_complete {
        view.behind = Some(format!(
            "The index is being made: {} of {} events are in it. The newest are searched as well; what lies between is found later.",
            standing.indexed, standing.head
        ));
    }
    Ok(())
}

fn counts(facets: Facets) -> CountsView {
    CountsView {
        total: facets.total,
        fields: facets
            .fields
            .into_iter()
            .map(|(field, values)| (field.as_str().to_owned(), values))
            .collect(),
    }
}

fn pieces(shape: &Value) -> Vec<Piece> {
    let pieces = shape.as_array().into_iter().flatten();
    pieces
        .map(|piece| Piece {
            text: text(&piece["text"]),
            is_match: piece["match"] == true,
        })
        .collect()
}

fn hit(desk: &Desk, shape: &Value) -> Hit {
    let (provider, target) = (text(&shape["provider"]), text(&shape["target"]));
    let segment = |text: &str| -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (is, path, place) = match shape["is"].as_str().unwrap_or_default() {
        "notice" => (
            "Notice",
            format!("/notices/{}", text(&shape["notice"])),
            provider,
        ),
        "delivery" => (
            "Delivery",
            format!("/notices/{}", text(&shape["notice"])),
            format!("{provider} → {target}"),
        ),
        "failure" => (
            "Could not be read",
            format!("/providers/{}", segment(&provider)),
            provider,
        ),
        _ => (
            "Change",
            format!("/log/{}", shape["position"]),
            text(&shape["actor"]),
        ),
    };
    Hit {
        is: is.to_owned(),
        path,
        title: pieces(&shape["title"]),
        excerpt: pieces(&shape["excerpt"]),
        status: shape["status"].as_str().and_then(Status::parse),
        severity: Severity::parse(shape["severity"].as_str().unwrap_or_default())
            .unwrap_or(Severity::Info),
        kind: text(&shape["kind"]),
        place,
        at: desk.moment(&shape["at"]).unwrap_or_default(),
    }
}
