//! What a search found, in JSON.

use serde_json::{Value, json};

use super::{add, add_text, moment};
use crate::search::document::{Document, Sort, position_of};
use crate::search::excerpt::{self, Piece};
use crate::search::query::Tree;
use crate::shell::search::{Answer, Facets, Open, Standing};

fn pieces(pieces: &[Piece]) -> Value {
    pieces
        .iter()
        .map(|piece| {
            let mut shape = json!({"text": piece.text});
            if piece.is_match {
                shape["match"] = true.into();
            }
            shape
        })
        .collect()
}

/// One thing that was found.
pub fn hit(document: &Document, tree: &Tree) -> Value {
    let mut shape = json!({
        "is": document.sort.as_str(),
        "position": position_of(document.seq),
        "at": moment(document.at),
        "kind": document.kind,
        "title": pieces(&excerpt::title(tree, document)),
        "excerpt": pieces(&excerpt::excerpt(tree, document)),
    });
    match document.sort {
        Sort::Notice | Sort::Delivery => {
            shape["id"] = document.id.as_str().into();
            shape["notice"] = document.notice.as_str().into();
        }
        Sort::Change | Sort::Failure => {}
    }
    for (field, text) in [
        ("provider", &document.provider),
        ("tracker", &document.tracker),
        ("target", &document.target),
        ("status", &document.status),
        ("severity", &document.severity),
        ("actor", &document.actor),
    ] {
        add_text(&mut shape, field, text);
    }
    add(
        &mut shape,
        "collection",
        document.collections.first().map(String::as_str),
    );
    shape
}

fn standing(standing: &Standing) -> Value {
    json!({
        "position": standing.head,
        "indexed": standing.indexed,
        "complete": standing.is_complete,
        "rebuilding": standing.is_rebuilding,
    })
}

/// A page of what was found; the first one with what is open.
pub fn answer(answer: &Answer, open: Option<&Open>) -> Value {
    let hits = |hits: &[Document]| -> Value {
        hits.iter()
            .map(|document| hit(document, &answer.tree))
            .collect()
    };
    let mut shape = json!({
        "items": hits(&answer.hits),
        "next": answer.next.map(|next| next.to_string()),
        "index": standing(&answer.standing),
    });
    if let Some(open) = open {
        shape["open"] = json!({"items": hits(&open.hits), "complete": open.is_all});
    }
    add(
        &mut shape,
        "showing_results_for",
        answer.corrected.as_deref(),
    );
    shape
}

/// How much there is.
pub fn facets(facets: &Facets) -> Value {
    let mut fields = json!({});
    for (field, values) in &facets.fields {
        fields[field.as_str()] = values
            .iter()
            .map(|(value, count)| json!({"value": value, "count": count}))
            .collect();
    }
    json!({
        "total": facets.total,
        "facets": fields,
        "index": standing(&facets.standing),
    })
}
