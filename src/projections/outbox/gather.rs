//! What a held delivery has gathered: the notices it will tell, and what is left of their items.
//!
//! **Invariant:** nothing is uncounted. What is beyond a bound stands in a count.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::hold::Thread;
use crate::domain::notice::Items;

/// Notices a gathering names; later ones are counted.
pub const MEMBERS_MAX: usize = 500;
/// Items whose last direction is kept, so that adding and removing one cancel out exactly; later ones
/// are counted.
pub const ITEMS_GATHERED_MAX: usize = 100_000;

/// Notices beyond [`MEMBERS_MAX`] whose items are looked for: each has at least one.
pub const LATER_MAX: usize = ITEMS_GATHERED_MAX;

/// A notice that a gathering tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Position of the notice.
    pub notice: u64,
    pub thread: Thread,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gathered {
    members: Vec<Member>,
    /// Notices beyond [`MEMBERS_MAX`].
    more: u32,
    /// Those of them that name items: which are left of theirs is found by reading them.
    later: Vec<u64>,
    /// By hash of an item's key: whether it was added, else removed.
    items: BTreeMap<u64, bool>,
    added_more: u64,
    removed_more: u64,
    /// Whether any notice of it named items.
    about_items: bool,
}

/// Hash of an item's key, by which it is known again.
pub fn item_hash(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

impl Gathered {
    /// Takes a notice in. What it takes back of earlier ones leaves.
    pub fn add(&mut self, member: Member, items: &Items) {
        self.count_in(member, items.added_total + items.removed_total > 0);
        self.add_items(items);
    }

    fn count_in(&mut self, member: Member, about_items: bool) {
        if self.takes_back(member.thread) {
            self.cancel(member.thread);
        } else if self.members.len() < MEMBERS_MAX {
            self.members.push(member);
        } else {
            self.more = self.more.saturating_add(1);
            if about_items && self.later.len() < LATER_MAX {
                self.later.push(member.notice);
            }
        }
    }

    fn add_items(&mut self, items: &Items) {
        self.about_items |= items.added_total + items.removed_total > 0;
        for item in &items.added {
            self.item(item_hash(&item.key), true);
        }
        for item in &items.removed {
            self.item(item_hash(&item.key), false);
        }
        let unnamed = |total: u64, named: usize| total.saturating_sub(named as u64);
        let (added, removed) = (&items.added, &items.removed);
        self.added_more += unnamed(items.added_total, added.len());
        self.removed_more += unnamed(items.removed_total, removed.len());
    }

    fn item(&mut self, hash: u64, added: bool) {
        let full = self.items.len() >= ITEMS_GATHERED_MAX;
        match self.items.entry(hash) {
            Entry::Occupied(known) => {
                if *known.get() != added {
                    known.remove();
                }
            }
            Entry::Vacant(free) if !full => {
                free.insert(added);
            }
            Entry::Vacant(_) if added => self.added_more += 1,
            Entry::Vacant(_) => self.removed_more += 1,
        }
    }

    /// Whether a notice of this thread says the opposite of one that is gathered.
    pub fn takes_back(&self, thread: Thread) -> bool {
        thread.key != 0
            && self.members.iter().any(|member| {
                member.thread.key == thread.key && member.thread.closes != thread.closes
            })
    }

    /// Takes out what the opposite of `thread` was about.
    pub fn cancel(&mut self, thread: Thread) {
        self.members.retain(|member| {
            member.thread.key != thread.key || member.thread.closes == thread.closes
        });
    }

    /// Takes out notices that are not wanted any more. Their items stay: which of them others named
    /// as well is not known.
    pub fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        self.members.retain(|member| wanted(member.notice));
    }

    /// Takes in all that another one has gathered.
    pub fn absorb(&mut self, other: Gathered) {
        for member in other.members {
            self.count_in(member, other.about_items);
        }
        let room = LATER_MAX.saturating_sub(self.later.len());
        self.later.extend(other.later.into_iter().take(room));
        self.more = self.more.saturating_add(other.more);
        for (hash, added) in other.items {
            self.item(hash, added);
        }
        self.added_more += other.added_more;
        self.removed_more += other.removed_more;
        self.about_items |= other.about_items;
    }

    /// Whether everything that was gathered has been taken back.
    pub fn is_empty(&self) -> bool {
        (self.members.is_empty() && self.more == 0)
            || (self.is_about_items() && self.counts() == (0, 0))
    }

    /// Whether nothing is left once the opposite of `thread` is taken out.
    pub fn is_empty_without(&self, thread: Thread) -> bool {
        let goes = |member: &Member| {
            member.thread.key == thread.key && member.thread.closes != thread.closes
        };
        self.more == 0 && self.members.iter().all(goes)
    }

    /// Whether taking these items in as well would leave nothing of any item.
    pub fn items_would_cancel(&self, items: &Items) -> bool {
        if self.added_more > 0 || self.removed_more > 0 || self.items.is_empty() {
            return false;
        }
        if items.added_total != items.added.len() as u64
            || items.removed_total != items.removed.len() as u64
            || items.added.len() + items.removed.len() < self.items.len()
        {
            return false;
        }
        let mut trial = self.clone();
        trial.add_items(items);
        trial.counts() == (0, 0)
    }

    /// Whether it tells of items rather than of what happened.
    pub fn is_about_items(&self) -> bool {
        self.about_items
    }

    /// Items added and removed, those beyond the bound included.
    pub fn counts(&self) -> (u64, u64) {
        let added = self.items.values().filter(|added| **added).count() as u64;
        let removed = self.items.len() as u64 - added;
        (added + self.added_more, removed + self.removed_more)
    }

    /// What is left of an item: added, removed, or nothing.
    pub fn direction(&self, key: &str) -> Option<bool> {
        self.items.get(&item_hash(key)).copied()
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Positions of all notices that are known by name or by their items, in the order in which they
    /// came.
    pub fn positions(&self) -> impl Iterator<Item = u64> {
        let members = self.members.iter().map(|member| member.notice);
        members.chain(self.later.iter().copied())
    }

    /// All notices, those beyond the bound included.
    pub fn count(&self) -> u64 {
        self.members.len() as u64 + u64::from(self.more)
    }
}
