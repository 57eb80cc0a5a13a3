//! When a provider is looked at next.
//!
//! Trackers may ask for intervals of their own, so a provider has a *round* for each of them. Spans are
//! counted on the monotonic clock; only a moment that a look itself named is one of the wall clock.
//!
//! **Invariant:** pure. The clocks' readings and the salt enter as arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most that is added to an interval so that not everybody is asked at once.
pub const JITTER_MAX: Duration = Duration::from_secs(30);
/// After so many looks without anything new some are left out, and after the second number all that
/// may be.
pub const IDLE_LOOKS: (u32, u32) = (10, 30);
/// Longest wait after failures, unless the interval is longer.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(15 * 60);
/// Longest wait that a service can ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Least time between a look and the next that a sender's word brings about: many words are one look.
pub const NUDGED_APART: Duration = Duration::from_secs(10);

/// How often, and how many of so many looks may be left out while nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace {
    pub interval: Duration,
    pub max_skip: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    /// On the monotonic clock.
    next: Duration,
    /// Looks without anything new in a row.
    idle: u32,
}

/// The rounds of one provider.
#[derive(Debug, Default)]
pub struct Timing {
    rounds: BTreeMap<Pace, Round>,
    /// The moment a look asked for, in microseconds since 1970.
    named: Option<i64>,
    /// After a failure nothing is looked at before.
    not_before: Duration,
    pub failures: u32,
    looks: u64,
    /// When the last look ended well, on the monotonic clock.
    looked_at: Option<Duration>,
}

/// What the clocks read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub monotonic: Duration,
    /// Microseconds since 1970.
    pub wall: i64,
}

impl Timing {
    /// The rounds there are from here on. A new one is due at once.
    pub fn follow(&mut self, paces: &BTreeSet<Pace>, now: Reading) {
        self.rounds.retain(|pace, _| paces.contains(pace));
        for pace in paces {
            self.rounds.entry(*pace).or_insert(Round {
                next: now.monotonic,
                idle: 0,
            });
        }
    }

    /// Everything is due at once: something about what is asked has changed.
    pub fn anew(&mut self, now: Reading) {
        self.not_before = now.monotonic;
        self.failures = 0;
        for round in self.rounds.values_mut() {
            *round = Round {
                next: now.monotonic,
                idle: 0,
            };
        }
    }

    /// The provider said by itself that something happened: every round is due, if not at once then
    /// [`NUDGED_APART`] after the last look.
    pub fn nudged(&mut self, now: Reading) {
        let least = self
            .looked_at
            .map_or(Duration::ZERO, |at| at + NUDGED_APART);
        let next = now.monotonic.max(least);
        for round in self.rounds.values_mut() {
            *round = Round {
                next: round.next.min(next),
                idle: 0,
            };
        }
    }

    /// The rounds that are due. A moment that a look named is of all of them.
    pub fn due(&self, now: Reading) -> BTreeSet<Pace> {
        if now.monotonic < self.not_before {
            return BTreeSet::new();
        }
        let named = self.named.is_some_and(|at| at <= now.wall);
        let due = self.rounds.iter();
        due.filter(|(_, round)| named || round.next <= now.monotonic)
            .map(|(pace, _)| *pace)
            .collect()
    }

    /// How long until a round is due on the monotonic clock, and the moment that was named.
    pub fn wait(&self, now: Reading) -> (Option<Duration>, Option<i64>) {
        let next = self.rounds.values().map(|round| round.next).min();
        let next = next.map(|next| next.max(self.not_before).saturating_sub(now.monotonic));
        // While it is left alone after a failure a named moment waits with it.
        let named = self.named.filter(|_| self.not_before <= now.monotonic);
        (next, named)
    }

    /// The next look, in microseconds since 1970, as far as it can be foretold.
    pub fn next_at(&self, now: Reading) -> Option<i64> {
        let (next, named) = self.wait(now);
        let next = next.map(|wait| now.wall.saturating_add(micros(wait)));
        [next, named].into_iter().flatten().min()
    }

    /// These rounds were looked at.
    pub fn looked(
        &mut self,
        due: &BTreeSet<Pace>,
        now: Reading,
        is_new: bool,
        named: Option<i64>,
        salt: u64,
    ) {
        self.failures = 0;
        self.not_before = Duration::ZERO;
        self.named = named;
        self.looks += 1;
        self.looked_at = Some(now.monotonic);
        for (pace, round) in &mut self.rounds {
            if !due.contains(pace) {
                continue;
            }
            round.idle = if is_new {
                0
            } else {
                round.idle.saturating_add(1)
            };
            let looks = 1 + skipped(round.idle, pace.max_skip);
            round.next =
                now.monotonic + pace.interval * looks + jitter(pace.interval, salt, self.looks);
        }
    }

    /// Nothing could be seen.
    pub fn failed(&mut self, now: Reading, after: Option<Duration>, salt: u64) {
        self.failures = self.failures.saturating_add(1);
        self.looks += 1;
        let shortest = self.rounds.keys().map(|pace| pace.interval).min();
        let interval = shortest.unwrap_or(BACK_OFF_MAX);
        let doubled = interval.saturating_mul(1 << (self.failures - 1).min(16));
        let back_off = doubled.min(BACK_OFF_MAX.max(interval));
        let asked = after.map_or(Duration::ZERO, |after| after.min(RETRY_AFTER_MAX));
        let wait = back_off.max(asked) + jitter(interval, salt, self.looks);
        self.not_before = now.monotonic + wait;
    }
}

/// How many looks are left out after one.
fn skipped(idle: u32, max_skip: u16) -> u32 {
    let most = u32::from(max_skip).saturating_sub(1);
    if idle < IDLE_LOOKS.0 {
        0
    } else if idle < IDLE_LOOKS.1 {
        most.div_ceil(2)
    } else {
        most
    }
}

/// What is added to a wait, so that not everybody comes at once: up to a quarter of it, and no more
/// than [`JITTER_MAX`].
pub fn jitter(interval: Duration, salt: u64, look: u64) -> Duration {
    let most = (interval / 4).min(JITTER_MAX);
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    let drawn = xxh3_64_with_seed(&look.to_le_bytes(), salt);
    Duration::from_millis(drawn % (most_ms + 1))
}

/// A span in microseconds.
pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Pace = Pace {
        interval: Duration::from_secs(60),
        max_skip: 5,
    };

    fn at(seconds: u64) -> Reading {
        Reading {
            monotonic: Duration::from_secs(seconds),
            wall: 1_795_521_600_000_000 + seconds as i64 * 1_000_000,
        }
    }

    #[test]
    fn looks_come_by_interval_with_a_bounded_jitter_and_are_left_out_while_idle() {
        let mut timing = Timing::default();
        let paces = BTreeSet::from([MINUTE]);
        timing.follow(&paces, at(0));
        assert_eq!(timing.due(at(0)), paces);
        let mut now = 0.0;
        for (look, is_new, intervals) in [
            (1, true, 1),
            (2, false, 1),
            (11, false, 3),
            (20, false, 3),
            (31, false, 5),
            (50, true, 1),
        ] {
            while timing.looks + 1 < look {
                timing.looked(&paces, at(now as u64), false, None, 7);
            }
            timing.looked(&paces, at(now as u64), is_new, None, 7);
            let (wait, named) = timing.wait(at(now as u64));
            let wait = wait.expect("a next look").as_secs_f64();
            let least = 60.0 * f64::from(intervals);
            assert!((least..=least + 15.0).contains(&wait), "{look}: {wait}");
            assert_eq!(named, None);
            now += wait.ceil();
        }
    }

    #[test]
    fn failures_back_off_and_a_service_is_left_alone_as_long_as_it_asks() {
        let mut timing = Timing::default();
        let paces = BTreeSet::from([MINUTE]);
        timing.follow(&paces, at(0));
        for (after, least) in [
            (None, 60),
            (None, 120),
            (Some(1_000), 1_000),
            (None, 480),
            (None, 900),
            (Some(90_000), 3_600),
        ] {
            timing.failed(at(0), after.map(Duration::from_secs), 7);
            let (wait, _) = timing.wait(at(0));
            let wait = wait.expect("a next look").as_secs();
            assert!((least..=least + 15).contains(&wait), "{least}: {wait}");
            assert!(timing.due(at(wait - 1)).is_empty());
        }
        timing.anew(at(5));
        assert_eq!(timing.due(at(5)), paces);
    }

    #[test]
    fn a_word_of_the_sender_brings_a_look_forward_and_many_words_bring_one() {
        let mut timing = Timing::default();
        let paces = BTreeSet::from([MINUTE]);
        timing.follow(&paces, at(0));
        timing.looked(&paces, at(0), false, None, 7);
        timing.nudged(at(30));
        assert_eq!(timing.due(at(30)), paces);
        timing.looked(&paces, at(31), true, None, 7);
        for second in [32, 33, 40] {
            timing.nudged(at(second));
            assert!(timing.due(at(40)).is_empty(), "{second}");
        }
        assert_eq!(timing.due(at(41)), paces);
        // Nobody's word goes before what the service itself asked for.
        timing.failed(at(41), Some(Duration::from_secs(600)), 7);
        timing.nudged(at(60));
        assert!(timing.due(at(600)).is_empty());
    }

    #[test]
    fn a_moment_that_a_look_names_is_kept_whatever_the_interval() {
        let mut timing = Timing::default();
        let paces = BTreeSet::from([MINUTE]);
        timing.follow(&paces, at(0));
        let named = at(20).wall;
        timing.looked(&paces, at(0), true, Some(named), 7);
        assert_eq!(timing.next_at(at(0)), Some(named));
        assert!(timing.due(at(19)).is_empty());
        assert_eq!(timing.due(at(20)), paces);
    }
}
