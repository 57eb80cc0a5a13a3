//! When a session is tried again, and how long a provider may be without one before that is told.
//!
//! **Invariant:** pure. The monotonic clock's reading and the salt enter as arguments.

use std::time::Duration;

use crate::shell::pollers::timing::{RETRY_AFTER_MAX, jitter};

/// The wait after the first failure; it doubles with each further one.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);
/// Longest wait after failures, before jitter.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(5 * 60);
/// So long a provider may be without a session that works before it is said to be unreachable. One
/// that comes back earlier was never away.
pub const GRACE: Duration = Duration::from_secs(60);

/// How often it failed in a row, and when it is tried again.
#[derive(Debug, Default)]
pub struct BackOff {
    pub failures: u32,
    /// Failures ever, from which the jitter is drawn.
    drawn: u64,
    not_before: Duration,
}

impl BackOff {
    /// It is tried again in a while; not before so long where the service said so.
    pub fn failed(&mut self, now: Duration, after: Option<Duration>, salt: u64) {
        self.failures = self.failures.saturating_add(1);
        self.drawn += 1;
        let doubled = BACK_OFF_MIN.saturating_mul(1 << (self.failures - 1).min(16));
        let asked = after.map_or(Duration::ZERO, |after| after.min(RETRY_AFTER_MAX));
        let wait = doubled.min(BACK_OFF_MAX).max(asked);
        self.not_before = now + wait + jitter(wait, salt, self.drawn);
    }

    /// It works, or is something else now: it is tried at once.
    pub fn anew(&mut self) {
        self.failures = 0;
        self.not_before = Duration::ZERO;
    }

    /// How long it is still left alone.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        self.not_before
            .checked_sub(now)
            .filter(|left| !left.is_zero())
    }
}

/// Since when a provider is without a session that works, while one is wanted.
#[derive(Debug, Default)]
pub struct Grace {
    since: Option<Duration>,
    /// Whether it was said to be unreachable.
    pub told: bool,
}

impl Grace {
    /// A session is wanted from here on, if it was not before.
    pub fn begin(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// None is wanted for now, for a reason that is not the provider's.
    pub fn pause(&mut self) {
        self.since = None;
    }

    /// There is one that works.
    pub fn works(&mut self) {
        *self = Grace::default();
    }

    /// How long until it is said to be unreachable; `None` when that is said already, or is not to be.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        let since = self.since.filter(|_| !self.told)?;
        Some((since + GRACE).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_five_minutes_and_a_service_is_left_alone_as_long_as_it_asks() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.left(at(0)), None);
        for (after, least) in [
            (None, 1),
            (None, 2),
            (None, 4),
            (Some(100), 100),
            (None, 16),
            (None, 32),
            (None, 64),
            (None, 128),
            (None, 256),
            (None, 300),
            (Some(90_000), 3_600),
            (None, 300),
        ] {
            back_off.failed(at(1_000), after.map(at), 7);
            let left = back_off.left(at(1_000)).expect("it waits").as_secs_f64();
            let least = f64::from(least);
            assert!(
                (least..=least + (least / 4.0).min(30.0)).contains(&left),
                "{least}: {left}"
            );
        }
        back_off.anew();
        assert_eq!((back_off.left(at(1_000)), back_off.failures), (None, 0));
    }

    #[test]
    fn it_is_unreachable_after_a_minute_without_a_session_and_once() {
        let mut grace = Grace::default();
        assert_eq!(grace.left(at(5)), None, "none is wanted yet");
        grace.begin(at(5));
        grace.begin(at(30));
        assert_eq!(grace.left(at(35)), Some(at(30)));
        assert_eq!(grace.left(at(99)), Some(at(0)));
        grace.told = true;
        assert_eq!(grace.left(at(99)), None);
        grace.works();
        assert!(!grace.told);
        grace.begin(at(100));
        grace.pause();
        assert_eq!(
            grace.left(at(500)),
            None,
            "the wait was not for the provider"
        );
    }
}
