//! What has been forgotten, and what the last run of compaction removed.
//!
//! **Invariant:** whether a family is forgotten is decided by this projection alone, whether or not
//! its frames are gone yet, so a run that was interrupted shows nothing by halves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::retention::Rule;
use crate::domain::state::word_hash;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Horizon {
    kind: String,
    before: u64,
}

/// Up to where what is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Horizons {
    /// (provider, hash of the kind): families founded before this position are forgotten. The hash of
    /// the empty word stands for the kinds without an entry.
    groups: BTreeMap<(u32, u64), Horizon>,
    /// Events of no family are forgotten before this position.
    pub history_before: u64,
    /// Families below a horizon that had to stay when it was set.
    kept: BTreeSet<u64>,
    /// The highest horizon: from here on nothing is missing.
    mark: u64,
}

impl Horizons {
    /// Up to where families of this kind are forgotten.
    pub fn before(&self, provider: u32, kind_hash: u64) -> u64 {
        let own = self.groups.get(&(provider, kind_hash));
        let rest = || self.groups.get(&(provider, word_hash("")));
        own.or_else(rest).map_or(0, |horizon| horizon.before)
    }

    /// Whether a kind has a horizon of its own.
    pub fn has_own(&self, provider: u32, kind_hash: u64) -> bool {
        self.groups.contains_key(&(provider, kind_hash))
    }

    /// Families below a horizon that had to stay when it was set.
    pub fn kept(&self) -> impl Iterator<Item = &u64> {
        self.kept.iter()
    }

    pub fn is_kept(&self, position: u64) -> bool {
        self.kept.contains(&position)
    }

    pub fn is_forgotten(&self, provider: u32, kind_hash: u64, position: u64) -> bool {
        position < self.before(provider, kind_hash) && !self.is_kept(position)
    }

    /// As [`Horizons::is_forgotten`], for who knows only the low bits of a kind's hash.
    pub fn is_forgotten_short(&self, provider: u32, kind: u32, position: u64) -> bool {
        let own = self
            .groups
            .range((provider, 0)..=(provider, u64::MAX))
            .find(|((_, hash), _)| *hash as u32 == kind);
        let kind_hash = own.map_or_else(|| word_hash(""), |((_, hash), _)| *hash);
        self.is_forgotten(provider, kind_hash, position)
    }

    /// From this position on nothing is missing; below it there may be holes.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// As rules.
    pub fn rules(&self) -> impl Iterator<Item = Rule> + '_ {
        let groups = self.groups.iter();
        groups.map(|((provider, _), horizon)| Rule {
            provider: *provider,
            kind: horizon.kind.clone(),
            before: horizon.before,
        })
    }

    /// Takes over all horizons as they are from here on, so that earlier events about them are not
    /// needed any more.
    pub(crate) fn advance(&mut self, rules: &[Rule], history_before: u64, mark: u64) {
        self.groups = rules
            .iter()
            .map(|rule| {
                let horizon = Horizon {
                    kind: rule.kind.clone(),
                    before: rule.before,
                };
                ((rule.provider, word_hash(&rule.kind)), horizon)
            })
            .collect();
        self.history_before = history_before;
        self.mark = mark;
    }

    pub(crate) fn keep(&mut self, protected: BTreeSet<u64>) {
        self.kept = protected;
        self.kept.split_off(&self.mark);
    }
}

/// What runs of compaction removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    pub families: u64,
    pub frames: u64,
    pub bodies: u64,
    /// Of frames and bodies.
    pub bytes: u64,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        *self == Tally::default()
    }

    pub fn add(&mut self, other: Tally) {
        self.families += other.families;
        self.frames += other.frames;
        self.bodies += other.bodies;
        self.bytes += other.bytes;
    }
}

/// The runs of compaction so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Runs {
    /// Number of the last run that removed something.
    pub count: u64,
    /// When that ended, microseconds since 1970, and what it removed.
    pub last: Option<(i64, Tally)>,
    /// Of all runs.
    pub total: Tally,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retention {
    pub horizons: Horizons,
    /// Where the state was last carried over everything before it; 0: never. Only what is before it
    /// may be removed.
    pub carried_at: u64,
    pub runs: Runs,
    /// What has come so far of a state that is carried over.
    pub(crate) carrying: Vec<u8>,
    /// The position of a carried state that this program cannot read.
    pub unreadable: Option<u64>,
}
