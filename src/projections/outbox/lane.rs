//! A lane: the ordered queue of one receiver.
//!
//! Order within a lane is rank: critical first, then the moment it became due, then position. A
//! delivery that waits to be retried keeps its place and may be overtaken by other subjects, never
//! by its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pace::Limits;
use super::{Delivery, Outbox, WAIT_MAX_MICROS};
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
    /// The lane to begin with next time, when there was no room for all of them.
    pub next_lane: Option<u32>,
}

/// What the one who asks says about lanes and deliveries.
pub struct Asked<D, P, T> {
    /// How many deliveries of this (target, receiver) may be under way; 0 means that nothing is to be
    /// sent there now.
    pub depth: D,
    /// How often this (target, receiver) may be sent to.
    pub pace: P,
    /// Whether a delivery is taken already, to be claimed at once or after a rest. It has its place in
    /// lane and target, and is not given out again.
    pub taken: T,
}

/// Whether a wait until this moment goes on. No wait is longer than [`WAIT_MAX_MICROS`]: one that
/// seems to be was made by a clock that was wrong, and is over.
pub fn waits_until(until: i64, now: i64) -> bool {
    // 0 is no wait, also by a clock that reads before 1970.
    until > now.max(0) && until.saturating_sub(now) <= WAIT_MAX_MICROS
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
    /// How many wait and are under way, and until when it is paused.
    pub fn summary(&self) -> [i64; 3] {
        let counts = [self.waiting(), self.under_way()];
        let [waiting, under_way] = counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        [waiting, under_way, self.paused_until]
    }

    pub fn under_way(&self) -> usize {
        self.sending.values().map(|count| usize::from(*count)).sum()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What waits, in the order in which it is sent.
    pub fn keys(&self) -> impl Iterator<Item = DeliveryKey> {
        self.waiting.iter().map(|rank| rank.key)
    }

    pub fn is_sending(&self, subject: u64) -> bool {
        self.sending.contains_key(&subject)
    }
}

impl Outbox {
    /// Until when a receiver, or its target as a whole, asked to wait; 0 when neither did.
    pub fn paused_until(&self, target: u32, receiver: u32) -> i64 {
        let lane = self
            .lanes
            .get(&receiver)
            .map_or(0, |lane| lane.paused_until);
        lane.max(self.pauses.get(&target).copied().unwrap_or(0))
    }

    /// Deliveries under way to a target.
    pub fn under_way(&self, target: u32) -> u16 {
        self.sending.get(&target).copied().unwrap_or(0)
    }

    /// How many of its lane have their turn before a delivery that waits; no more than `most` are counted.
    pub fn ahead_of(&self, key: DeliveryKey, delivery: &Delivery, most: usize) -> usize {
        let rank = Rank::of(key, delivery);
        self.lanes
            .get(&delivery.receiver)
            .map_or(0, |lane| lane.waiting.range(..rank).take(most).count())
    }

    /// What may be sent at `now`: at most `most`, from `first_lane` on and round. Who asks again from
    /// [`Due::next_lane`] on starves no lane, however many wait in the others: neither of room here nor
    /// of a pace that several share.
    pub fn due<D, P, T>(
        &self,
        now: i64,
        most: usize,
        first_lane: u32,
        asked: &Asked<D, P, T>,
    ) -> Due
    where
        D: Fn(u32, u32) -> u16,
        P: Fn(u32, u32) -> Limits,
        T: Fn(&DeliveryKey) -> bool,
    {
        let mut due = Due::default();
        if self.paused {
            return due;
        }
        let mut started: BTreeMap<u32, u16> = BTreeMap::new();
        let mut budgets = self.pacing.begin(now);
        let mut subjects: BTreeSet<u64> = BTreeSet::new();
        // Whose turn it is, of those targets at which everyone gets one.
        let mut turns: BTreeMap<u32, (bool, DeliveryKey)> = BTreeMap::new();
        let look_again = |due: &mut Due, at: i64| {
            due.next_at = Some(due.next_at.map_or(at, |next| next.min(at)))
        };
        let lanes = self
            .lanes
            .range(first_lane..)
            .chain(self.lanes.range(..first_lane));
        for (receiver, lane) in lanes {
            if due.ready.len() >= most {
                due.next_lane = Some(*receiver);
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
            let depth = usize::from((asked.depth)(target, *receiver));
            if depth == 0 {
                continue;
            }
            let paused_until = self.paused_until(target, *receiver);
            if waits_until(paused_until, now) {
                look_again(&mut due, paused_until);
                continue;
            }
            let busy = self.under_way(target) + started.get(&target).copied().unwrap_or(0);
            let free = depth
                .saturating_sub(lane.under_way())
                .min(usize::from(self.in_flight_max(target).saturating_sub(busy)));
            if free == 0 {
                continue;
            }
            let limits = (asked.pace)(target, *receiver);
            let allowed = match budgets.left(*receiver, &limits) {
                Ok(allowed) => allowed,
                Err(wait) => {
                    if let Some(until) = wait.until {
                        look_again(&mut due, until);
                    }
                    if wait.shared {
                        due.next_lane.get_or_insert(*receiver);
                    }
                    continue;
                }
            };
            let mut free = free.min(allowed);
            let turn_after = self.turn_after(target);
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
                if waits_until(delivery.not_before, now) {
                    look_again(&mut due, delivery.not_before);
                    continue;
                }
                if let Some(last) = turn_after {
                    let turn = (rank.key <= last, rank.key);
                    let next = turns.entry(target).or_insert(turn);
                    *next = turn.min(*next);
                    continue;
                }
                if !(asked.taken)(&rank.key) {
                    due.ready.push(rank.key);
                }
                *started.entry(target).or_default() += 1;
                budgets.take(&limits);
                free -= 1;
            }
        }
        let turns = turns.into_values().map(|(_, key)| key);
        let room = most.saturating_sub(due.ready.len());
        due.ready
            .extend(turns.filter(|key| !(asked.taken)(key)).take(room));
        due
    }
}
