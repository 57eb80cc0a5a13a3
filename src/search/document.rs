//! Documents: what the log gives to search in.
//!
//! **Invariant:** a document's [`Document::seq`] grows with the log: newest first is highest first.

mod gathering;
mod made;

use notify_store::Recorded;
use serde_json::Value;

use super::query::Field;
use super::words::GAP;
use crate::domain::event::{Accepted, DeliveryKey, Event};
use crate::domain::family::Family;
use crate::domain::notice::cut;

pub use gathering::{Gathering, REMEMBERED_MAX};

/// Bytes of one document that are searched; what is beyond is not found.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bits of [`Document::seq`] that tell documents of one event apart.
const WITHIN_BITS: u32 = 12;

/// Status of a notice of which nothing was planned when it came.
pub const UNROUTED: &str = "unrouted";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    Notice,
    Delivery,
    /// Of the configuration, by whom.
    Change,
    /// A request that could not be read.
    Failure,
}

impl Sort {
    pub const ALL: [Sort; 4] = [Sort::Notice, Sort::Delivery, Sort::Change, Sort::Failure];

    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Notice => "notice",
            Sort::Delivery => "delivery",
            Sort::Change => "change",
            Sort::Failure => "failure",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Sort::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// Something that can be found. Empty texts say that there is nothing of the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its place: the event's position, and which of the event's documents it is.
    pub seq: u64,
    /// What it is about, of the same form: a notice, a delivery, an event. A later document about the
    /// same takes its place.
    pub key: u64,
    /// The founding position of its family; its own position when it has none.
    pub founding: u64,
    /// When it was recorded, microseconds since 1970.
    pub at: i64,
    pub sort: Sort,
    pub provider: String,
    pub kind: String,
    pub collections: Vec<String>,
    pub tracker: String,
    pub target: String,
    pub status: String,
    pub severity: String,
    pub actor: String,
    /// Public id of the notice or delivery.
    pub id: String,
    /// Public id of the notice.
    pub notice: String,
    /// One line that names it.
    pub title: String,
    /// Whether the title is searched; else it only says what the document belongs to.
    pub is_title_searched: bool,
    pub texts: Vec<String>,
}

/// The place of the `within`th document of an event.
pub fn seq_of(position: u64, within: u16) -> u64 {
    position << WITHIN_BITS | u64::from(within) & ((1 << WITHIN_BITS) - 1)
}

/// The event that a document is of.
pub fn position_of(seq: u64) -> u64 {
    seq >> WITHIN_BITS
}

fn key_of(delivery: DeliveryKey) -> u64 {
    seq_of(delivery.position, delivery.ordinal)
}

impl Document {
    /// Values of a field.
    pub fn values(&self, field: Field) -> impl Iterator<Item = &str> {
        let (one, many): (&str, &[String]) = match field {
            Field::Is => (self.sort.as_str(), &[]),
            Field::Provider => (&self.provider, &[]),
            Field::Kind => (&self.kind, &[]),
            Field::Collection => ("", &self.collections),
            Field::Tracker => (&self.tracker, &[]),
            Field::Target => (&self.target, &[]),
            Field::Status => (&self.status, &[]),
            Field::Severity => (&self.severity, &[]),
            Field::Actor => (&self.actor, &[]),
        };
        std::iter::once(one)
            .chain(many.iter().map(String::as_str))
            .filter(|value| !value.is_empty())
    }

    /// Everything that is searched as one text.
    pub fn text(&self) -> String {
        let title = self.is_title_searched.then_some(&self.title);
        let mut text = String::new();
        for piece in title.into_iter().chain(&self.texts) {
            if !text.is_empty() {
                text.push(GAP);
            }
            text.push_str(piece);
        }
        cut(&mut text, TEXT_BYTES_MAX);
        text
    }
}

/// What an event does to the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Add(Box<Document>),
    /// The documents with this key are true no more.
    Remove(u64),
}

/// Where events are looked up that others refer to.
pub trait Origins {
    type Error;

    fn event(&self, position: u64) -> Result<Option<Recorded<Event>>, Self::Error>;

    /// `None` when the notice is gone.
    fn family(&self, notice: u64) -> Result<Option<Family>, Self::Error>;

    /// An event's data as pages show it: without secrets.
    fn shown(&self, event: &Recorded<Event>) -> Value;
}

/// The documents of one event; `None` for its place when there is none (any more).
pub fn at<O: Origins>(seq: u64, origins: &O) -> Result<Option<Document>, O::Error> {
    let Some(recorded) = origins.event(position_of(seq))? else {
        return Ok(None);
    };
    let mut changes = Vec::new();
    Gathering::default().apply(&recorded, origins, &mut changes)?;
    Ok(changes.into_iter().find_map(|change| match change {
        Change::Add(document) if document.seq == seq => Some(*document),
        Change::Add(_) | Change::Remove(_) => None,
    }))
}

/// The document of a notice.
pub fn notice(position: u64, at: i64, accepted: &Accepted) -> Document {
    made::of_notice(position, at, accepted, &made::founding(position, accepted))
}
