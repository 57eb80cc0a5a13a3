//! What the bridge has said of itself lately, so that it does not repeat itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::projections::configuration::Configuration;
use crate::providers::bridge::NOTICE_KINDS;

/// A notice of one kind about one subject is not followed by another for so long, in microseconds: an
/// hour.
pub const TOLD_AGAIN_MICROS_MIN: i64 = 3_600 * 1_000_000;

/// Whom or what a notice of the bridge is about. Its subject is the key: `target:ops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum About {
    Provider(u32),
    Tracker(u32),
    Target(u32),
    Receiver(u32),
    /// The installation: `disk`, `backup`.
    Installation,
}

impl About {
    /// Reads a subject's key. `None` for what is not configured (any more).
    pub fn of(configuration: &Configuration, key: &str) -> Option<Self> {
        let Some((what, name)) = key.split_once(':') else {
            return Some(About::Installation);
        };
        match what {
            "silence" => {
                let (kind, name) = name.split_once('/')?;
                About::of(configuration, &format!("{kind}:{name}"))
            }
            "provider" => Some(About::Provider(configuration.provider(name)?.id)),
            "tracker" => Some(About::Tracker(configuration.tracker(name)?.entity.id)),
            "target" => Some(About::Target(configuration.target(name)?.entity.id)),
            "receiver" | "storm" => {
                let (target, receiver) = name.split_once('/')?;
                let target = configuration.target(target)?;
                let mut ids = target.receivers.iter();
                ids.find(|id| target.receiver_name(**id) == Some(receiver))
                    .map(|id| About::Receiver(*id))
            }
            _other => None,
        }
    }

    /// The target to which it must not be told.
    pub fn target(self, configuration: &Configuration) -> Option<u32> {
        match self {
            About::Target(target) => Some(target),
            About::Receiver(receiver) => configuration.receivers.get(&receiver).copied(),
            About::Provider(_) | About::Tracker(_) | About::Installation => None,
        }
    }
}

/// When each kind was last said of each subject; bounded by what is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    at: BTreeMap<(About, u8), i64>,
}

impl Told {
    /// When each kind, by its number, was last said of each subject.
    pub fn iter(&self) -> impl Iterator<Item = (&(About, u8), &i64)> {
        self.at.iter()
    }

    /// Whether a notice of this kind about it would come too soon after the last.
    pub fn lately(&self, about: About, kind: &str, now: i64) -> bool {
        let last = number(kind).and_then(|kind| self.at.get(&(about, kind)));
        // A moment in the future was told by a clock that was wrong.
        last.is_some_and(|at| (0..TOLD_AGAIN_MICROS_MIN).contains(&now.saturating_sub(*at)))
    }

    pub fn note(&mut self, about: About, kind: &str, now: i64) {
        if let Some(kind) = number(kind) {
            self.at.insert((about, kind), now);
        }
    }

    pub fn forget(&mut self, about: About) {
        self.at.retain(|(known, _), _| *known != about);
    }

    pub fn shift(&mut self, by_micros: i64) {
        for at in self.at.values_mut() {
            *at = at.saturating_add(by_micros);
        }
    }
}

/// Place of a kind in the list, which only grows.
fn number(kind: &str) -> Option<u8> {
    let place = NOTICE_KINDS.iter().position(|known| known.name == kind)?;
    u8::try_from(place).ok()
}
