//! A lane: the ordered queue of one receiver.
//!
//! Order within a lane is rank: critical first, then the moment it became due, then position. A
//! delivery that waits to be retried keeps its place and may be overtaken by other subjects, never
//! by its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Delivery, Outbox};
use crate::domain::event::DeliveryKey;

/// Waiting deliveries looked at per lane and look. When this many at the head of a lane all wait to
/// be retried, the lane waits with them.
pub const LANE_SCAN_MAX: usize = 256;
/// Deliveries under way to one target at a time, whatever its receivers, so that a target that
/// hangs takes no more than this.
pub const TARGET_IN_FLIGHT_MAX: u16 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Rank {
    ordinary: bool,
    due_at: i64,
    key: DeliveryKey,
}

impl Rank {
    fn of(key: DeliveryKey, delivery: &Delivery) -> Self {
        Rank {
            ordinary: !delivery.critical,
            due_at: delivery.due_at,
            key,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lane {
    waiting: BTreeSet<Rank>,
    /// Subjects under way, with how many deliveries of each.
    sending: BTreeMap<u64, u16>,
    /// Microseconds since 1970; 0 when not paused.
    pub paused_until: i64,
}

/// What can be sent now, and when to look again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    pub ready: Vec<DeliveryKey>,
    /// The earliest moment at which something now waiting for time may go.
    pub next_at: Option<i64>,
}

impl Lane {
    pub(super) fn enter(&mut self, key: DeliveryKey, delivery: &Delivery) {
        self.waiting.insert(Rank::of(key, delivery));
    }

    pub(super) fn leave(&mut self, key: DeliveryKey, delivery: &Delivery) {
        self.waiting.remove(&Rank::of(key, delivery));
    }

    pub(super) fn begin(&mut self, subject: u64) {
        *self.sending.entry(subject).or_default() += 1;
    }

    pub(super) fn end(&mut self, subject: u64) {
        if let Some(count) = self.sending.get_mut(&subject) {
            *count -= 1;
            if *count == 0 {
                self.sending.remove(&subject);
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sending.is_empty() && self.paused_until == 0
    }

    /// Deliveries under way.
    pub fn under_way(&self) -> usize {
        self.sending.values().map(|count| usize::from(*count)).sum()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_sending(&self, subject: u64) -> bool {
        self.sending.contains_key(&subject)
    }
}

impl Outbox {
    /// What may be sent at `now`: at most `most`, taken from each lane in turn, from `first_lane` on
    /// and round, so that a lane with ten thousand waiting does not starve another. `depth` says how many deliveries a target's
    /// lanes may have under way; 0 means the target is not to be sent to at all.
    pub fn due(&self, now: i64, most: usize, first_lane: u32, depth: impl Fn(u32) -> u16) -> Due {
        let mut due = Due::default();
        if self.paused {
            return due;
        }
        let mut started: BTreeMap<u32, u16> = BTreeMap::new();
        let mut subjects: BTreeSet<u64> = BTreeSet::new();
        let look_again = |due: &mut Due, at: i64| {
            due.next_at = Some(due.next_at.map_or(at, |next| next.min(at)))
        };
        let lanes = self
            .lanes
            .range(first_lane..)
            .chain(self.lanes.range(..first_lane));
        for (_, lane) in lanes {
            if due.ready.len() >= most {
                break;
            }
            let Some(first) = lane.waiting.first() else {
                continue;
            };
            let Some(target) = self
                .deliveries
                .get(&first.key)
                .map(|delivery| delivery.target)
            else {
                continue;
            };
            let paused_until = lane
                .paused_until
                .max(self.pauses.get(&target).copied().unwrap_or(0));
            if paused_until > now {
                look_again(&mut due, paused_until);
                continue;
            }
            let free = usize::from(depth(target)).saturating_sub(lane.under_way());
            let busy = self.sending.get(&target).copied().unwrap_or(0)
                + started.get(&target).copied().unwrap_or(0);
            let mut free = free.min(usize::from(TARGET_IN_FLIGHT_MAX.saturating_sub(busy)));
            subjects.clear();
            for rank in lane.waiting.iter().take(LANE_SCAN_MAX) {
                if free == 0 || due.ready.len() >= most {
                    break;
                }
                let Some(delivery) = self.deliveries.get(&rank.key) else {
                    continue;
                };
                let overtakes =
                    lane.is_sending(delivery.subject) || subjects.contains(&delivery.subject);
                subjects.insert(delivery.subject);
                if overtakes {
                    continue;
                }
                let ready_at = delivery.not_before.max(delivery.due_at);
                if ready_at > now {
                    look_again(&mut due, ready_at);
                    continue;
                }
                due.ready.push(rank.key);
                *started.entry(target).or_default() += 1;
                free -= 1;
            }
        }
        due
    }
}
