//! Breakers: what failures in a row mean for everything else that waits for a target.
//!
//! After [`BREAKER_FAILURES`] of them the breaker is open: one delivery at a time is tried, as a
//! probe, after waits that grow. What gets through closes it. When the same delivery has failed
//! [`SAME_DELIVERY_FAILURES`] times in a row the others get their turn as well, in the order of
//! their keys and round, so that one message that no service takes does not stand in the way of all.
//!
//! **Invariant:** a breaker is here exactly while the last thing that was tried at its target failed
//! for a reason that was not the message's own.

use serde::{Deserialize, Serialize};

use super::{DeliveryKey, Outbox, TARGET_IN_FLIGHT_MAX, waits_until};
use crate::targets::Scope;

/// Failures in a row, none of them a message's own, after which a target is tried by one delivery at
/// a time.
pub const BREAKER_FAILURES: u32 = 5;
/// Failures in a row of one delivery after which others are tried before it.
pub const SAME_DELIVERY_FAILURES: u16 = 3;
/// How often the wait before the next probe doubles: 2⁸ s, a little over four minutes.
pub const PROBE_DOUBLINGS_MAX: u16 = 8;
/// A target that was not reached for so long has had an outage, open breaker or not: 10 minutes in
/// microseconds.
pub const OUTAGE_MICROS_MIN: i64 = 10 * 60 * 1_000_000;

/// A row of failures at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    pub failures: u32,
    /// Waits since it began to fail; those that failed together count once.
    pub rounds: u16,
    /// Microseconds since 1970: when the row began.
    pub since: i64,
    /// The delivery that failed last, and how often in a row.
    last: DeliveryKey,
    same: u16,
    /// Whether every delivery gets its turn.
    turns: bool,
}

impl Breaker {
    pub fn is_open(&self) -> bool {
        self.failures >= BREAKER_FAILURES
    }
}

impl Outbox {
    pub fn breaker_is_open(&self, target: u32) -> bool {
        self.breakers.get(&target).is_some_and(Breaker::is_open)
    }

    /// How many deliveries may be under way to a target.
    pub fn in_flight_max(&self, target: u32) -> u16 {
        let probes = |breaker: &Breaker| breaker.is_open() || breaker.turns;
        if self.breakers.get(&target).is_some_and(probes) {
            1
        } else {
            TARGET_IN_FLIGHT_MAX
        }
    }

    /// The delivery after which the next one has its turn, where everyone gets one.
    pub(super) fn turn_after(&self, target: u32) -> Option<DeliveryKey> {
        self.breakers
            .get(&target)
            .filter(|breaker| breaker.turns)
            .map(|breaker| breaker.last)
    }

    /// How many waits a target has had since it began to fail.
    pub fn rounds(&self, target: u32) -> u16 {
        self.breakers
            .get(&target)
            .map_or(0, |breaker| breaker.rounds)
    }

    /// A delivery failed, and not by its own fault. To be told before its target or receiver is paused
    /// over it.
    pub fn failed(&mut self, key: DeliveryKey, scope: Scope, now: i64) {
        let Some(delivery) = self.deliveries.get(&key) else {
            return;
        };
        let (target, receiver) = (delivery.target, delivery.receiver);
        let waits_already = match scope {
            Scope::Message => return,
            Scope::Receiver | Scope::Target => {
                waits_until(self.paused_until(target, receiver), now)
            }
        };
        let breaker = self.breakers.entry(target).or_insert(Breaker {
            failures: 0,
            rounds: 0,
            since: now,
            last: key,
            same: 0,
            turns: false,
        });
        breaker.failures = breaker.failures.saturating_add(1);
        if !waits_already {
            breaker.rounds = breaker.rounds.saturating_add(1);
        }
        breaker.same = if breaker.last == key {
            breaker.same.saturating_add(1)
        } else {
            1
        };
        breaker.last = key;
        breaker.turns |= breaker.same >= SAME_DELIVERY_FAILURES;
    }

    /// Something got through.
    pub fn close_breaker(&mut self, target: u32, now: i64) {
        if let Some(breaker) = self.breakers.remove(&target)
            && (breaker.is_open() || now.saturating_sub(breaker.since) >= OUTAGE_MICROS_MIN)
        {
            self.outages.insert(target, now);
        }
    }

    /// A target was not sent to by configuration, and is again.
    pub fn target_is_back(&mut self, target: u32, now: i64) {
        self.outages.insert(target, now);
    }

    /// What was observed of a target is not true of what it is now.
    pub fn forget_breaker(&mut self, target: u32) {
        self.breakers.remove(&target);
    }

    pub fn forget_outages(&mut self, target: u32) {
        self.breakers.remove(&target);
        self.outages.remove(&target);
    }

    /// Whether a delivery waited through an outage: of its target, or because sending was paused.
    pub fn is_backlog(&self, delivery: &super::Delivery, now: i64) -> bool {
        let failing = self.breakers.get(&delivery.target).is_some_and(|breaker| {
            breaker.is_open() || now.saturating_sub(breaker.since) >= OUTAGE_MICROS_MIN
        });
        let ended = self.outages.get(&delivery.target).copied();
        failing || delivery.planned_at < ended.unwrap_or(0).max(self.resumed_at)
    }

    /// Shifts moments of outages by a step of the wall clock.
    pub(super) fn shift_outages(&mut self, by_micros: i64) {
        let shift = |moment: &mut i64| *moment = moment.saturating_add(by_micros);
        for breaker in self.breakers.values_mut() {
            shift(&mut breaker.since);
        }
        self.outages.values_mut().for_each(shift);
        if self.resumed_at != 0 {
            shift(&mut self.resumed_at);
        }
    }
}
