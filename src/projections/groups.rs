//! What is remembered of groups: when each was last told, and what it told of that is still open.
//!
//! A group is known by the slot in which its notices are gathered, so it is one tracker's group of
//! one value on its way to one receiver.
//!
//! **Invariant:** a group is here while a delivery of it is open, while something it told is open
//! and nobody has acknowledged it, or until the quiet time after its last message is over; and it goes
//! with its tracker, its receiver, or its provider.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::policy::GroupSpec;

/// Groups remembered; beyond that the one whose quiet time ends first is forgotten, then the one whose
/// next repeat is nearest. A forgotten group is told like a new one.
pub const GROUPS_MAX: usize = 4_096;
/// Open subjects remembered per group; further ones are told, and do not by themselves make the group
/// repeat.
pub const TOLD_PER_GROUP_MAX: usize = 64;

/// What a group is of, and how long its times are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Of {
    pub tracker: u32,
    pub target: u32,
    pub receiver: u32,
    pub provider: u32,
    /// Names the link.
    pub via: u64,
    /// Microseconds of quiet after a message.
    pub interval: i64,
    /// Microseconds until it is told again.
    pub repeat: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub of: Of,
    /// When a message of it was last sent, microseconds since 1970.
    pub sent_at: Option<i64>,
    /// From when the time to the next repeat counts.
    repeat_from: i64,
    /// Deliveries of it that are not settled.
    waiting: u32,
    /// Where it stands in `repeats` or `ends`.
    next: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Groups {
    groups: BTreeMap<u64, Group>,
    /// (slot, subject) → the newest notice about it, while the subject is open and not acknowledged.
    told: BTreeMap<(u64, u64), u64>,
    /// The same the other way round: (subject, slot).
    holders: BTreeSet<(u64, u64)>,
    /// When groups are told again.
    repeats: BTreeSet<(i64, u64)>,
    /// When groups of which nothing is open leave.
    ends: BTreeSet<(i64, u64)>,
}

impl Groups {
    /// A delivery of the group was planned for a notice; `subject` is what it is about, when that is
    /// open. `waits`: the delivery is on its way, by itself.
    pub fn joined(
        &mut self,
        slot: u64,
        of: Of,
        notice: u64,
        subject: Option<u64>,
        waits: bool,
        now: i64,
    ) {
        if !self.groups.contains_key(&slot) {
            self.make_room();
            let group = Group {
                of,
                sent_at: None,
                repeat_from: now,
                waiting: 0,
                next: None,
            };
            self.groups.insert(slot, group);
        }
        if let Some(subject) = subject {
            let known = self.told.contains_key(&(slot, subject));
            if known || self.told_of(slot).count() < TOLD_PER_GROUP_MAX {
                self.told.insert((slot, subject), notice);
                self.holders.insert((subject, slot));
            }
        }
        self.change(slot, |group| group.waiting += u32::from(waits));
    }

    /// A delivery of the group has left; `told` when its message was sent, or goes into another one.
    pub fn ended(&mut self, slot: u64, told: bool, now: i64) {
        self.change(slot, |group| {
            group.waiting = group.waiting.saturating_sub(1);
            group.repeat_from = now;
            if told {
                group.sent_at = Some(now);
            }
        });
    }

    /// A subject closed, or a person knows of it: nothing is repeated for it any more.
    pub fn closed(&mut self, subject: u64) {
        let slots: Vec<u64> = self
            .holders
            .range((subject, 0)..=(subject, u64::MAX))
            .map(|(_, slot)| *slot)
            .collect();
        for slot in slots {
            self.holders.remove(&(subject, slot));
            self.told.remove(&(slot, subject));
            self.change(slot, |_| {});
        }
    }

    /// A repeat was not made; another try follows after the repeat time, or never.
    pub fn put_off(&mut self, slot: u64, again: bool, now: i64) {
        if !again {
            self.forget_told(slot);
        }
        self.change(slot, |group| group.repeat_from = now);
    }

    /// The times of a tracker's groups were configured anew; `None` when it groups no more, or by
    /// something else.
    pub fn reconfigured(&mut self, tracker: u32, spec: Option<&GroupSpec>) {
        let slots = self.slots(|of| of.tracker == tracker);
        for slot in slots {
            match spec {
                Some(spec) => self.change(slot, |group| {
                    group.of.interval = spec.interval.micros();
                    group.of.repeat = spec.repeat.micros();
                }),
                None => self.forget(slot),
            }
        }
    }

    pub fn forget_provider(&mut self, provider: u32) {
        self.forget_where(|of| of.provider == provider);
    }

    /// Forgets groups that go to receivers of this target other than those kept.
    pub fn forget_receivers(&mut self, target: u32, kept: &[u32]) {
        self.forget_where(|of| of.target == target && !kept.contains(&of.receiver));
    }

    /// Lets go of what is over.
    pub fn prune(&mut self, now: i64) {
        while let Some((end, slot)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.remove(&(end, slot));
            self.forget(slot);
        }
    }

    /// Moves the times of groups, which are all spans, by a step of the wall clock.
    pub fn shift(&mut self, by_micros: i64) {
        for slot in self.slots(|_| true) {
            self.change(slot, |group| {
                group.repeat_from = group.repeat_from.saturating_add(by_micros);
                group.sent_at = group.sent_at.map(|at| at.saturating_add(by_micros));
            });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&u64, &Group)> {
        self.groups.iter()
    }

    /// (slot, subject) → the newest notice about it.
    pub fn told_by_slot(&self) -> impl Iterator<Item = (&(u64, u64), &u64)> {
        self.told.iter()
    }

    pub fn get(&self, slot: u64) -> Option<&Group> {
        self.groups.get(&slot)
    }

    /// Groups whose turn to be told again has come.
    pub fn due(&self, now: i64) -> impl Iterator<Item = u64> + '_ {
        let due = self.repeats.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, slot)| *slot)
    }

    pub fn next_repeat(&self) -> Option<i64> {
        self.repeats.first().map(|(at, _)| *at)
    }

    /// When a group is told again, as long as nothing closes and nobody acknowledges.
    pub fn repeats_at(&self, slot: u64) -> Option<i64> {
        let next = self.groups.get(&slot).and_then(|group| group.next);
        next.filter(|at| self.repeats.contains(&(*at, slot)))
    }

    /// Whether its next repeat is due.
    pub fn is_due(&self, slot: u64, now: i64) -> bool {
        self.repeats_at(slot).is_some_and(|at| at <= now)
    }

    /// (subject, newest notice about it) of what a group told that is open.
    pub fn told_of(&self, slot: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let range = self.told.range((slot, 0)..=(slot, u64::MAX));
        range.map(|((_, subject), notice)| (*subject, *notice))
    }

    /// (provider, subject, newest notice about it) of all that groups told that is open.
    pub fn told_by_provider(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.told.iter().filter_map(|((slot, subject), notice)| {
            Some((self.groups.get(slot)?.of.provider, *subject, *notice))
        })
    }

    /// Groups that told of a subject.
    pub fn holding(&self, subject: u64) -> impl Iterator<Item = u64> + '_ {
        let range = self.holders.range((subject, 0)..=(subject, u64::MAX));
        range.map(|(_, slot)| *slot)
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn slots(&self, which: impl Fn(&Of) -> bool) -> Vec<u64> {
        let groups = self.groups.iter().filter(|(_, group)| which(&group.of));
        groups.map(|(slot, _)| *slot).collect()
    }

    fn forget_where(&mut self, which: impl Fn(&Of) -> bool) {
        for slot in self.slots(which) {
            self.forget(slot);
        }
    }

    /// Changes a group and finds its place anew.
    fn change(&mut self, slot: u64, change: impl FnOnce(&mut Group)) {
        let something_open = self.told_of(slot).next().is_some();
        let Some(group) = self.groups.get_mut(&slot) else {
            return;
        };
        if let Some(at) = group.next.take() {
            self.repeats.remove(&(at, slot));
            self.ends.remove(&(at, slot));
        }
        change(group);
        // While a message of it is on its way, nothing else is due.
        if group.waiting > 0 {
            return;
        }
        match group.sent_at {
            _ if something_open => {
                let at = group.repeat_from.saturating_add(group.of.repeat);
                group.next = Some(at);
                self.repeats.insert((at, slot));
            }
            Some(sent_at) => {
                let at = sent_at.saturating_add(group.of.interval);
                group.next = Some(at);
                self.ends.insert((at, slot));
            }
            None => self.forget(slot),
        }
    }

    fn make_room(&mut self) {
        while self.groups.len() >= GROUPS_MAX {
            let over = self.ends.first().or_else(|| self.repeats.first());
            let oldest = over.map(|(_, slot)| *slot);
            // All are on their way: any of them.
            let Some(slot) = oldest.or_else(|| self.groups.keys().next().copied()) else {
                return;
            };
            self.forget(slot);
        }
    }

    fn forget_told(&mut self, slot: u64) {
        let told: Vec<u64> = self.told_of(slot).map(|(subject, _)| subject).collect();
        for subject in told {
            self.told.remove(&(slot, subject));
            self.holders.remove(&(subject, slot));
        }
    }

    fn forget(&mut self, slot: u64) {
        self.forget_told(slot);
        if let Some(at) = self.groups.remove(&slot).and_then(|group| group.next) {
            self.repeats.remove(&(at, slot));
            self.ends.remove(&(at, slot));
        }
    }
}
