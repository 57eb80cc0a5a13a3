//! What is still to be sent: open deliveries, in lanes, and the notices they belong to.
//!
//! **Invariant:** only what is open is here. When the last delivery of a notice settles, the notice
//! leaves; the log, the rows and the index keep it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::event::{DeliveryKey, IdSeed, RowFacts};
use crate::domain::hold::{Hold, Planning, UNTIL_RELEASED};
use crate::domain::notice::Items;
use crate::domain::spec::UnknownPolicy;

mod attempts;
mod breaker;
mod gather;
mod held;
mod lane;
mod overdue;
pub mod pace;
mod plan;
mod row;
mod status;
mod waits;

pub use breaker::{
    BREAKER_FAILURES, Breaker, OUTAGE_MICROS_MIN, PROBE_DOUBLINGS_MAX, SAME_DELIVERY_FAILURES,
};
pub use gather::{Gathered, ITEMS_GATHERED_MAX, MEMBERS_MAX, Member, item_hash};
pub use held::Release;
pub use lane::{Asked, Due, LANE_SCAN_MAX, Lane, TARGET_IN_FLIGHT_MAX, waits_until};
pub use row::{NoticeStatus, ROW_TRACKERS_MAX, Row};
pub use status::Status;

/// Longest wait of a delivery, lane or target, in microseconds: what a service may ask for, and the
/// jitter on top.
pub const WAIT_MAX_MICROS: i64 = (6 * 3_600 + 2) * 1_000_000;
/// Different words remembered per notice, so that equal ones are stored once.
pub const COMPOSED_PER_NOTICE_MAX: usize = 16;

/// A delivery that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The notice it belongs to (its family).
    pub notice: u64,
    pub tracker: u32,
    pub target: u32,
    pub receiver: u32,
    /// Index of the link in the planning event.
    pub link: u16,
    pub unknown: UnknownPolicy,
    /// Names the link over which it goes.
    pub via: u64,
    /// Which of its tracker's links of that name.
    pub nth: u16,
    /// The slot of the group it belongs to; 0 for none.
    pub group: u64,
    pub critical: bool,
    /// Hash of provider and subject: deliveries about one subject never overtake each other.
    pub subject: u64,
    pub status: Status,
    /// Changes with every event about it.
    pub revision: u32,
    /// Microseconds since 1970: from here its age counts.
    pub planned_at: i64,
    /// Its place in the lane; never before that of an earlier one, whatever the clock did.
    pub due_at: i64,
    /// Not before this moment (retry).
    pub not_before: i64,
    /// Attempts started, all parts together.
    pub attempts: u16,
    /// Attempts of the present part that failed since it was planned or retried by a person.
    pub failures: u16,
    /// Those of them that were its own fault; an outage uses up none.
    pub tries: u16,
    /// The next part to send.
    pub part: u16,
    /// What the service calls the parts that are sent, of the first
    /// [`PARTS_REMEMBERED_MAX`](super::messages::PARTS_REMEMBERED_MAX); empty for one without a name.
    pub said: Vec<String>,
    /// Position of its words.
    pub composed: Option<u64>,
    /// How often the present part was put in another way.
    pub fallbacks: u8,
    /// Why it is parked, retrying or unknown.
    pub reason: Option<String>,
    /// It makes no sound.
    pub silent: bool,
    /// It was held through quiet hours, so that what it tells may be over by now.
    pub through_quiet: bool,
    /// It passes everything that would hold it, and sounds whatever is configured.
    pub pierced: bool,
    /// A person wants it now, or at the moment that is now: no window holds it.
    pub at_once: bool,
    /// Until when it is held, and why; status `held` alone has one.
    pub hold: Option<Box<Hold>>,
    /// What it gathered while it was held, its own notice included.
    pub gathered: Option<Box<Gathered>>,
    /// Seconds after which its notice goes to its link's fallback; 0: not for being late.
    pub fallback_after: u32,
    /// Whether its notice went there.
    pub fell_back: bool,
}

/// A notice with open deliveries, under the position of the event that planned them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenNotice {
    pub notice: u64,
    pub seed: IdSeed,
    pub day: i32,
    pub row: Row,
    /// Planned deliveries that are not settled.
    pub open: u16,
    pub parked: u16,
    pub sent: u16,
    pub dropped: u16,
    /// Told by the deliveries of other notices.
    pub merged: u16,
    /// (hash, position) of words stored for it.
    pub composed: Vec<(u64, u64)>,
}

impl OpenNotice {
    pub fn status(&self) -> NoticeStatus {
        NoticeStatus::of(
            self.open.saturating_sub(self.parked),
            self.parked,
            self.sent,
            self.dropped,
            self.merged,
        )
    }
}

/// What has to be known of a delivery to plan it.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery {
    pub tracker: u32,
    pub target: u32,
    pub receiver: u32,
    pub link: u16,
    pub via: u64,
    pub nth: u16,
    pub unknown: UnknownPolicy,
    /// Whether the notice is critical for its tracker; `None`: as it says itself.
    pub critical: Option<bool>,
    /// Settled as sent by the planning event itself.
    pub local: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outbox {
    pub paused: bool,
    pub notices: BTreeMap<u64, OpenNotice>,
    pub deliveries: BTreeMap<DeliveryKey, Delivery>,
    /// By receiver. A lane is here while something waits or is under way in it, or it is paused.
    pub lanes: BTreeMap<u32, Lane>,
    /// Targets in which nothing is sent before a moment.
    pub pauses: BTreeMap<u32, i64>,
    /// Under way, per target.
    pub sending: BTreeMap<u32, u16>,
    /// Parked and unknown ones: what a person has to look at.
    pub parked: BTreeSet<DeliveryKey>,
    /// The latest place in a lane among those that are open. Order is position's, so a clock that goes back must
    /// not put what comes later first.
    pub newest_due_at: i64,
    /// Held deliveries by the moment at which they are looked at again.
    pub held: BTreeSet<(i64, DeliveryKey)>,
    /// The host of each slot in which something is held.
    pub slots: BTreeMap<u64, DeliveryKey>,
    /// Where the opening or closing of a subject is held, by thread.
    pub threads: BTreeMap<u64, DeliveryKey>,
    /// By target, while it fails.
    pub breakers: BTreeMap<u32, Breaker>,
    /// When the last outage of a target ended.
    pub outages: BTreeMap<u32, i64>,
    /// When sending was last resumed; 0 before.
    pub resumed_at: i64,
    /// Deliveries with a fallback by the moment at which they are late.
    pub overdue: BTreeSet<(i64, DeliveryKey)>,
    /// What was started lately.
    pub pacing: pace::Pacing,
}

/// How a delivery leaves the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Sent,
    Dropped,
    Merged,
}

/// What an outbox change means to the rows and counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settled {
    pub sent: u16,
    pub parked: i16,
    pub dropped: u16,
}

/// What an event plans, beside its deliveries.
pub struct NewNotice<'a> {
    /// Of the event that plans.
    pub position: u64,
    pub notice: u64,
    pub seed: IdSeed,
    pub day: i32,
    pub facts: RowFacts,
    pub subject: u64,
    pub now: i64,
    /// What is not simply due.
    pub ways: &'a [Planning],
    pub items: &'a Items,
}
impl Outbox {
    pub fn count(&self, status: Status) -> usize {
        match status {
            Status::Parked | Status::Unknown => self
                .parked
                .iter()
                .filter(|key| self.deliveries.get(key).is_some_and(|d| d.status == status))
                .count(),
            Status::Sending => self.sending.values().map(|count| usize::from(*count)).sum(),
            Status::Due
            | Status::Held
            | Status::Retrying
            | Status::Sent
            | Status::Dropped
            | Status::Merged => self
                .deliveries
                .values()
                .filter(|delivery| delivery.status == status)
                .count(),
        }
    }
}
