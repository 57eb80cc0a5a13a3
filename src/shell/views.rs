//! What is shown of the log and the state: JSON in the contract's shapes.
//!
//! Everything here is a function over what was read; the API uses it on a running program, the
//! command line on a stopped store. [`Look`] is how either gets at the state.
//!
//! **Invariant:** nothing made here holds a secret, a hash of a password or token, or the salt of
//! the store. Secrets are shown as set, with the moment they were set.
//!
//! **Invariant:** the state is only ever looked at to copy at most [`COPIED_ROWS_MAX`] rows.

mod asking;
mod bots;
mod choice;
pub(in crate::shell) mod cursor;
mod deliveries;
mod entities;
mod event;
pub mod found;
mod held;
mod notice;
mod notices;
mod numbers;
mod parked;
mod replay;
mod retention;
mod setup;
mod snapshots;
mod snoozes;
mod standing;
mod talking;
mod telling;
mod why_not;

use notify_store::{ReadError, Reader};
use serde_json::{Value, json};

use super::compaction;
use super::families::FamilyError;
use super::ledger::Ledger;
use crate::domain::event::Event;
use crate::domain::state::State;

pub use crate::templates::moment;
pub use asking::{asking, collections};
pub use bots::{bot_health, chats, identity as bot_identity};
pub use choice::{Choice, Seen};
pub use cursor::{Cursor, NotACursor};
pub use deliveries::{
    DeliveryFilter, deliveries, deliveries_of, delivery_key, delivery_status, find_delivery, inbox,
    open_keys, parked_reasons,
};
pub use entities::{entity, entity_ids, provider_health, target_health};
pub use event::{event, log};
pub use held::{HeldGroup, held_choice, held_counts, held_groups, held_reasons};
pub use notice::{Around, delivery, notice, reason, reasons};
pub use notices::{NoticeFilter, find_notice, founding, notice_body, notices, requests};
pub use numbers::{Day, counts, since_day};
pub use parked::{ParkedGroup, parked_choice, parked_groups};
pub use replay::{difference, step, tally};
pub use retention::{removed, retention};
pub use setup::{hook_address, setup};
pub use snapshots::{snapshot_made, snapshots};
pub use snoozes::{find_snooze, snooze, snoozes};
pub use standing::standing;
pub use talking::talking;
pub use telling::{MEMBERS_SHOWN, sends_at};
pub use why_not::{Asked, why_not};

/// Rows copied from the state per look at it.
pub const COPIED_ROWS_MAX: usize = 500;
/// Entries of one page of a list.
pub const PAGE_ENTRIES_MAX: usize = 500;
/// Entries of a page where nobody says how many.
pub const PAGE_ENTRIES_DEFAULT: usize = 50;
/// Notices that one page reads to find what matches; the answer says where it stopped.
pub const SCANNED_NOTICES_MAX: usize = 10_000;
/// Rows that one page looks through, without reading their notices.
pub const SCANNED_ROWS_MAX: usize = 200_000;

/// Gets at the state: a running program's, briefly, or that of a stopped store.
pub trait Look {
    fn look<T>(&self, see: impl FnOnce(&State) -> T) -> T;
    /// Microseconds since 1970; `None` where nothing is sent, and so nothing has a time ahead.
    fn now(&self) -> Option<i64>;
}

impl Look for Ledger {
    fn look<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        see(&self.state())
    }

    fn now(&self) -> Option<i64> {
        Some(self.clock().now())
    }
}

impl Look for State {
    fn look<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        see(self)
    }

    fn now(&self) -> Option<i64> {
        None
    }
}

/// Why something cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A filter or name that says nothing.
    #[error("{field}: {message}")]
    Invalid {
        field: &'static str,
        message: String,
    },
    #[error("there is no {what} {name}")]
    NotFound { what: &'static str, name: String },
    /// It may have been, and is not kept any more.
    #[error(
        "there is no {what} {name} any more: it is older than what is kept; see retention in the settings"
    )]
    Compacted { what: &'static str, name: String },
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
}

impl ViewError {
    /// That nothing is at a position: not yet, never, or not any more.
    fn missing(
        reader: &Reader<Event>,
        what: &'static str,
        name: &str,
        position: u64,
    ) -> Result<Self, ReadError> {
        let name = name.to_owned();
        let is_below = position < compaction::removed_below(reader)?;
        Ok(match is_below && reader.get(position)?.is_none() {
            true => ViewError::Compacted { what, name },
            false => ViewError::NotFound { what, name },
        })
    }

    fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        ViewError::NotFound {
            what,
            name: name.into(),
        }
    }
}

impl From<FamilyError> for ViewError {
    fn from(error: FamilyError) -> Self {
        match error {
            FamilyError::Missing(position) => {
                ViewError::not_found("notice at position", position.to_string())
            }
            FamilyError::Read(error) => ViewError::Read(error),
        }
    }
}

/// That there is no event at a position of the log, and whether that is because it was removed.
pub fn missing_event(reader: &Reader<Event>, position: u64) -> ViewError {
    let name = position.to_string();
    ViewError::missing(reader, "event at position", &name, position).unwrap_or_else(ViewError::Read)
}

/// One page of a list, newest first unless said otherwise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    pub items: Vec<Value>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<Cursor>,
    /// Set when the page ended because enough was looked through: the position reached.
    pub scanned_to: Option<u64>,
    /// Set when the page reaches to where events may be missing: below this position.
    pub compacted_before: Option<u64>,
}

impl Page {
    pub fn json(self) -> Value {
        let mut page = json!({
            "items": self.items,
            "next": self.next.map(|cursor| cursor.to_string()),
        });
        if let Some(position) = self.scanned_to {
            page["scanned_to"] = position.into();
        }
        if let Some(position) = self.compacted_before {
            page["compacted_before"] = position.into();
        }
        page
    }
}

/// Adds a field where there is something to say.
fn add(shape: &mut Value, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        shape[field] = value.into();
    }
}

fn add_text(shape: &mut Value, field: &str, text: &str) {
    add(shape, field, Some(text).filter(|text| !text.is_empty()));
}
