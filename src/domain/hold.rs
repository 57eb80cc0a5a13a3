//! Holds: what planning decides for a delivery that is not simply sent now.
//!
//! A hold is an instant and a reason. Deliveries held in one *slot* become one message: the first
//! is the *host*, later ones are merged into it. Everything here is written into the planning event,
//! so that folding needs no zone, expression or configuration.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::event::DeliveryKey;
use super::reason::What;

/// A hold that only a person ends.
pub const UNTIL_RELEASED: i64 = i64::MAX;

/// A deferral of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Microseconds since 1970; [`UNTIL_RELEASED`] waits for a person.
    pub until: i64,
    /// One of the `held_…` reasons.
    pub why: What,
    /// Deliveries held in the same slot become one message; 0 gathers nothing.
    pub slot: u64,
}

/// How a delivery is seen by others that come to the same slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Thread {
    /// Names link, receiver and subject; 0 for a notice that neither opens nor closes one.
    pub key: u64,
    /// Whether it closes its subject rather than opening it.
    pub closes: bool,
}

/// What becomes of one planned delivery, where that is not "due now, like others".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Way {
    /// Due now: without sound, or past everything that would hold it.
    Now { silent: bool, pierced: bool },
    /// Held, as host of its slot when that is not 0.
    Held { hold: Hold, thread: Thread },
    /// Told by another delivery that is still held, from now on until `until`.
    Merged {
        host: DeliveryKey,
        until: i64,
        thread: Thread,
    },
    /// It takes back what a held one would have said: neither is sent.
    Cancelled { host: DeliveryKey, thread: Thread },
    /// Not sent at all.
    Dropped { why: What },
}

/// The way of one of an event's planned deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planning {
    /// Index into the event's planned deliveries; in ascending order.
    pub index: u16,
    pub way: Way,
    /// The slot of the tracker's group whose message it is; 0 for none. What a person asked for at
    /// once is nobody's group's, so that `Now` without anything is of a group only when it is a repeat.
    pub group: u64,
    /// The value that decided, for people.
    pub detail: String,
}

/// Makes the name of a slot, thread or group that all receivers of a link have alike that of one
/// receiver, and back again. Events are written without receivers, so this never changes. 0 is nothing,
/// and stays so.
pub fn of_receiver(name: u64, receiver: u32) -> u64 {
    match name {
        0 => 0,
        name => name ^ xxh3_64(&receiver.to_le_bytes()),
    }
}

impl Way {
    /// The same way for another delivery: `name` makes its names, `host` its hosts.
    fn put(self, name: impl Fn(u64) -> u64, host: impl Fn(DeliveryKey) -> DeliveryKey) -> Self {
        let thread = |thread: Thread| Thread {
            key: name(thread.key),
            closes: thread.closes,
        };
        match self {
            Way::Now { .. } | Way::Dropped { .. } => self,
            Way::Held {
                hold,
                thread: about,
            } => Way::Held {
                hold: Hold {
                    slot: name(hold.slot),
                    ..hold
                },
                thread: thread(about),
            },
            Way::Merged {
                host: into,
                until,
                thread: about,
            } => Way::Merged {
                host: host(into),
                until,
                thread: thread(about),
            },
            Way::Cancelled {
                host: into,
                thread: about,
            } => Way::Cancelled {
                host: host(into),
                thread: thread(about),
            },
        }
    }

    /// What receivers that are treated alike have in common: without the receiver, and with a host's
    /// ordinal as its distance.
    pub fn in_common(self, index: u16, receiver: u32) -> Self {
        let host = |host: DeliveryKey| DeliveryKey {
            ordinal: host.ordinal.wrapping_sub(index),
            ..host
        };
        self.put(|name| of_receiver(name, receiver), host)
    }

    /// The way of one receiver, of what it has in common with others.
    pub fn of_one(self, index: u16, receiver: u32) -> Self {
        let host = |host: DeliveryKey| DeliveryKey {
            ordinal: host.ordinal.wrapping_add(index),
            ..host
        };
        self.put(|name| of_receiver(name, receiver), host)
    }
}

/// What one message tells of the notices that were gathered for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telling {
    /// Positions of the notices it tells, in the order in which they came; further ones are counted.
    pub notices: Vec<u64>,
    /// How many of those, from the first on, its words name.
    pub listed: u16,
    /// All of them.
    pub count: u64,
    /// Items added and removed, where it is about items.
    pub items: Option<(u64, u64)>,
}

/// The order in which holds are considered. What is released from one is offered to those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Settling,
    Grouping,
    Digest,
    QuietHours,
    Storm,
    /// Nothing is considered any more.
    Past,
}

impl Stage {
    /// The first stage considered after a hold of this reason.
    pub fn after(why: What) -> Self {
        match why {
            What::HeldSettling => Stage::Grouping,
            What::HeldGrouping => Stage::Digest,
            What::HeldDigest => Stage::QuietHours,
            // The clock may have stepped into the next night.
            What::HeldQuietHours => Stage::QuietHours,
            // What waited since a backup may come to an end at night.
            What::HeldRestored => Stage::QuietHours,
            // A person's moment, and what waits for one, is not put off again.
            _other => Stage::Past,
        }
    }

    /// Whether a hold of this reason waits for a span rather than for a civil moment.
    pub fn is_relative(why: What) -> bool {
        matches!(
            why,
            What::HeldSettling | What::HeldGrouping | What::StormSummarised | What::HeldBackoff
        )
    }
}
