//! What makes trackers silent: conditions that a notice of one kind begins and one of another ends.
//!
//! Where the notices open subjects, [`super::subjects`] knows what is open. This is for kinds that
//! open none: from a notice of the one kind until one of the other.
//!
//! **Invariant:** only conditions that a configured rule names are here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::configuration::Configuration;
use crate::domain::policy::InhibitSpec;
use crate::domain::spec::{BRIDGE, BRIDGE_PROVIDER};
use crate::domain::state::word_hash;

/// A condition: (provider, hash of the kind that begins it, hash of the kind that ends it).
type Condition = (u32, u64, u64);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inhibitors {
    /// Conditions of rules, and since when each holds, microseconds since 1970.
    conditions: BTreeMap<Condition, Option<i64>>,
    /// The same by what ends them: (provider, ending kind, beginning kind).
    endings: BTreeSet<Condition>,
}

impl Inhibitors {
    /// The rules have changed: what no rule names any more is forgotten.
    pub fn reconfigured(&mut self, configuration: &Configuration) {
        let mut known = std::mem::take(&mut self.conditions);
        self.endings.clear();
        let trackers = configuration.trackers.values();
        for rule in trackers.flat_map(|tracker| &tracker.entity.spec.inhibit) {
            if let Some(condition) = condition(configuration, rule) {
                let (provider, kind, until) = condition;
                self.endings.insert((provider, until, kind));
                let since = known.remove(&condition).flatten();
                self.conditions.entry(condition).or_insert(since);
            }
        }
    }

    /// Conditions of rules, and since when each holds.
    pub fn iter(&self) -> impl Iterator<Item = (&(u32, u64, u64), &Option<i64>)> {
        self.conditions.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Takes a notice; `opens` when it opens a subject, and is known by that.
    pub fn note(&mut self, provider: u32, kind_hash: u64, opens: bool, at: i64) {
        if self.conditions.is_empty() {
            return;
        }
        let ended: Vec<u64> = self
            .endings
            .range((provider, kind_hash, 0)..=(provider, kind_hash, u64::MAX))
            .map(|(.., begins)| *begins)
            .collect();
        for begins in ended {
            self.conditions.insert((provider, begins, kind_hash), None);
        }
        if !opens {
            let begun = (provider, kind_hash, 0)..=(provider, kind_hash, u64::MAX);
            for (_, since) in self.conditions.range_mut(begun) {
                since.get_or_insert(at);
            }
        }
    }

    /// Since when the condition of a rule holds.
    pub fn since(&self, configuration: &Configuration, rule: &InhibitSpec) -> Option<i64> {
        let condition = condition(configuration, rule)?;
        self.conditions.get(&condition).copied().flatten()
    }
}

/// The provider that a rule names; `None` when it does not exist.
pub fn provider_of(configuration: &Configuration, rule: &InhibitSpec) -> Option<u32> {
    let name = &rule.when.provider;
    let bridge = (name == BRIDGE).then_some(BRIDGE_PROVIDER);
    configuration
        .provider(name)
        .map(|found| found.id)
        .or(bridge)
}

fn condition(configuration: &Configuration, rule: &InhibitSpec) -> Option<Condition> {
    let until = rule.when.until.as_deref()?;
    let provider = provider_of(configuration, rule)?;
    Some((provider, word_hash(&rule.when.kind), word_hash(until)))
}
