//! Counts per provider and civil day, so that a dashboard reads a few dozen numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    pub notices: u64,
    pub items: u64,
    pub sent: u64,
    pub held: u64,
    pub parked: u64,
    pub dropped: u64,
}

impl Count {
    pub fn add(&mut self, other: &Count) {
        self.notices += other.notices;
        self.items += other.items;
        self.sent += other.sent;
        self.held += other.held;
        self.parked += other.parked;
        self.dropped += other.dropped;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// (provider, day): notices of that day and what has become of their deliveries.
    pub days: BTreeMap<(u32, i32), Count>,
    /// Verified requests that could not be read, per provider.
    pub unreadable: BTreeMap<u32, u64>,
}

impl Counts {
    pub fn of(&mut self, provider: u32, day: i32) -> &mut Count {
        self.days.entry((provider, day)).or_default()
    }
}
