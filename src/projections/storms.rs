//! How many messages each receiver was just sent, for receivers that say how many are too many.
//!
//! **Invariant:** a receiver is here only while a storm rate is configured for it, with no more
//! moments than that rate counts.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::spec::Rate;

/// Most messages that a storm rate counts.
pub const STORM_COUNT_MAX: u32 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Storms {
    /// When messages became due, oldest first, by receiver.
    receivers: BTreeMap<u32, VecDeque<i64>>,
}

fn most(rate: Rate) -> usize {
    rate.count.min(STORM_COUNT_MAX) as usize
}

fn span(rate: Rate) -> i64 {
    i64::from(rate.per_seconds) * 1_000_000
}

impl Storms {
    /// A message for a receiver became due.
    pub fn planned(&mut self, receiver: u32, rate: Rate, now: i64) {
        let moments = self.receivers.entry(receiver).or_default();
        moments.push_back(now);
        while moments.len() > most(rate) {
            moments.pop_front();
        }
    }

    /// Until when further messages are summarised; `None` while there is no storm. `more` became due
    /// now and are not counted yet.
    pub fn until(&self, receiver: u32, rate: Rate, more: usize, now: i64) -> Option<i64> {
        let (most, span) = (most(rate), span(rate));
        if more >= most {
            return Some(now.saturating_add(span));
        }
        let moments = self.receivers.get(&receiver)?;
        // The one that has to be over before another may follow.
        let first = moments.len().checked_sub(most - more)?;
        let until = moments.get(first)?.saturating_add(span);
        (until > now).then_some(until)
    }

    /// When messages became due, oldest first, by receiver.
    pub fn iter(&self) -> impl Iterator<Item = (&u32, &VecDeque<i64>)> {
        self.receivers.iter()
    }

    /// What is counted moves with a step of the wall clock.
    pub fn shift(&mut self, by_micros: i64) {
        for moment in self.receivers.values_mut().flatten() {
            *moment = moment.saturating_add(by_micros);
        }
    }

    pub fn forget(&mut self, receiver: u32) {
        self.receivers.remove(&receiver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn never_more_than_the_rate_in_any_window() {
        let rate = Rate {
            count: 3,
            per_seconds: 10,
        };
        let mut storms = Storms::default();
        let mut sent = Vec::new();
        for second in 0..100 {
            let now = second * S;
            if storms.until(1, rate, 0, now).is_none() {
                storms.planned(1, rate, now);
                sent.push(second);
            }
        }
        for window in sent.windows(4) {
            assert!(window[3] - window[0] >= 10, "{window:?}");
        }
        assert_eq!(sent[..7], [0, 1, 2, 10, 11, 12, 20]);
    }

    #[test]
    fn what_one_command_brings_counts_too() {
        let rate = Rate {
            count: 2,
            per_seconds: 60,
        };
        let mut storms = Storms::default();
        assert_eq!(storms.until(1, rate, 1, 5 * S), None);
        assert_eq!(storms.until(1, rate, 2, 5 * S), Some(65 * S));
        storms.planned(1, rate, S);
        assert_eq!(storms.until(1, rate, 1, 5 * S), Some(61 * S));
        storms.shift(-S);
        assert_eq!(storms.until(1, rate, 1, 5 * S), Some(60 * S));
    }
}
