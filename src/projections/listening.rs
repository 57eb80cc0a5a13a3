//! Who is expected to be heard: providers and trackers with `expect`, and when their silence is news.
//!
//! A silence counts from the last notice, or from when it was first expected. It is noted once
//! ([`Event::FellSilent`](crate::domain::event::Event::FellSilent)) and ends with the next notice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::policy::Span;

/// After a silence was noted the next one is not for so long, in microseconds: an hour.
pub const SILENCE_AGAIN_MICROS_MIN: i64 = 3_600 * 1_000_000;

/// Of whom something is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Voice {
    Provider(u32),
    Tracker(u32),
}

/// What is known of one voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Microseconds since 1970: from here its silence counts.
    pub since: i64,
    /// Longest that it may be silent, in microseconds.
    within: i64,
    /// Whether its silence was noted.
    pub silent: bool,
    /// Not noted again before this moment.
    not_before: i64,
}

impl Expected {
    fn due_at(&self) -> i64 {
        self.since.saturating_add(self.within).max(self.not_before)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listening {
    voices: BTreeMap<Voice, Expected>,
    /// Those whose silence is not noted, by the moment at which it will be.
    due: BTreeSet<(i64, Voice)>,
}

impl Listening {
    pub fn iter(&self) -> impl Iterator<Item = (&Voice, &Expected)> {
        self.voices.iter()
    }

    pub fn get(&self, voice: Voice) -> Option<&Expected> {
        self.voices.get(&voice)
    }

    pub fn is_silent(&self, voice: Voice) -> bool {
        self.get(voice).is_some_and(|expected| expected.silent)
    }

    /// What was configured; `None` expects nothing.
    pub fn expect(&mut self, voice: Voice, within: Option<Span>, now: i64) {
        let Some(within) = within else {
            return self.forget(voice);
        };
        let mut expected = self.voices.get(&voice).copied().unwrap_or(Expected {
            since: now,
            within: 0,
            silent: false,
            not_before: 0,
        });
        expected.within = within.micros();
        self.set(voice, expected);
    }

    pub fn forget(&mut self, voice: Voice) {
        if let Some(old) = self.voices.remove(&voice) {
            self.due.remove(&(old.due_at(), voice));
        }
    }

    /// Something came of it.
    pub fn heard(&mut self, voice: Voice, now: i64) {
        if let Some(expected) = self.voices.get(&voice).copied() {
            let (since, silent) = (now, false);
            self.set(
                voice,
                Expected {
                    since,
                    silent,
                    ..expected
                },
            );
        }
    }

    /// Its silence was noted.
    pub fn fell_silent(&mut self, voice: Voice, now: i64) {
        if let Some(expected) = self.voices.get(&voice).copied() {
            let not_before = now.saturating_add(SILENCE_AGAIN_MICROS_MIN);
            let silent = true;
            self.set(
                voice,
                Expected {
                    silent,
                    not_before,
                    ..expected
                },
            );
        }
    }

    fn set(&mut self, voice: Voice, expected: Expected) {
        self.forget(voice);
        if !expected.silent {
            self.due.insert((expected.due_at(), voice));
        }
        self.voices.insert(voice, expected);
    }

    /// Those whose silence is to be noted by now, the longest due first.
    pub fn due(&self, now: i64) -> impl Iterator<Item = Voice> {
        self.due
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, voice)| *voice)
    }

    pub fn next_at(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Shifts what is waited for by a step of the wall clock.
    pub fn shift(&mut self, by_micros: i64) {
        for (voice, expected) in std::mem::take(&mut self.voices) {
            self.due.remove(&(expected.due_at(), voice));
            let shifted = |moment: i64| match moment {
                0 => 0,
                moment => moment.saturating_add(by_micros),
            };
            self.set(
                voice,
                Expected {
                    since: expected.since.saturating_add(by_micros),
                    not_before: shifted(expected.not_before),
                    ..expected
                },
            );
        }
    }
}
