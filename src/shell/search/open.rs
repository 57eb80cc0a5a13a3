//! What is open, from the state: deliveries that wait, are sent, or nobody knows about.
//!
//! What is parked is not among them: that it was given up stands in the log, and is found there.

use notify_store::{ReadError, Reader};

use super::origins::Log;
use crate::domain::event::{DeliveryKey, Event};
use crate::projections::outbox::Status;
use crate::search::document::{Document, Gathering, Sort};
use crate::search::matching::{Indexed, matches};
use crate::search::query::{Field, Tree};
use crate::shell::views::{COPIED_ROWS_MAX, Look};

/// Open deliveries that are shown with an answer.
pub const OPEN_SHOWN_MAX: usize = 20;
/// Open deliveries whose notices are read for one answer.
const READ_MAX: usize = 200;

/// Open deliveries that fit, newest first.
#[derive(Debug, Clone, Default)]
pub struct Open {
    pub hits: Vec<Document>,
    /// Whether every open delivery was looked at: else there may be more.
    pub is_all: bool,
}

/// Whether something with this status can be wanted, by what the whole tree asks for.
fn may_be(tree: &Tree, status: Status) -> bool {
    match tree {
        Tree::Field(Field::Status, values) => values.iter().any(|value| {
            if value.prefix {
                status.as_str().starts_with(&value.text)
            } else {
                status.as_str() == value.text
            }
        }),
        Tree::Field(Field::Is, values) => values
            .iter()
            .any(|value| Sort::Delivery.as_str().starts_with(&value.text)),
        Tree::And(all) => all.iter().all(|tree| may_be(tree, status)),
        Tree::All
        | Tree::Phrase(_)
        | Tree::Field(..)
        | Tree::Since(_)
        | Tree::Until(_)
        | Tree::Not(_)
        | Tree::Or(_) => true,
    }
}

/// Open deliveries that are wanted.
pub fn open(reader: &Reader<Event>, look: &impl Look, tree: &Tree) -> Result<Open, ReadError> {
    let mut is_all = true;
    let waiting: Vec<(DeliveryKey, u64, i64, Status, String)> = look.look(|state| {
        let all = &state.outbox.deliveries;
        is_all = all.len() <= COPIED_ROWS_MAX;
        all.iter()
            .rev()
            .take(COPIED_ROWS_MAX)
            .filter(|(_, open)| open.status != Status::Parked && may_be(tree, open.status))
            .map(|(key, open)| {
                let detail = open.reason.clone().unwrap_or_default();
                (*key, open.notice, open.planned_at, open.status, detail)
            })
            .collect()
    });
    let mut found = Open {
        hits: Vec::new(),
        is_all: is_all && waiting.len() <= READ_MAX,
    };
    let mut gathering = Gathering::default();
    for (key, notice, at, status, detail) in waiting.into_iter().take(READ_MAX) {
        if found.hits.len() == OPEN_SHOWN_MAX {
            found.is_all = false;
            break;
        }
        let document = gathering.open(key, notice, at, status, &detail, &Log(reader))?;
        if let Some(document) = document {
            let indexed = Indexed::of(document);
            if matches(tree, &indexed) {
                found.hits.push(indexed.document);
            }
        }
    }
    Ok(found)
}
