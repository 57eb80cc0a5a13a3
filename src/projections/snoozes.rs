//! What people have muted, and until when.
//!
//! A snooze ends by itself: it is looked at with the moment at hand, and one that is over only
//! takes up room until the next event lets it go.
//!
//! **Invariant:** a snooze goes with the tracker, target or provider that it names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::notice::NoticeDraft;

/// Snoozes at a time; another one is refused.
pub const SNOOZES_MAX: usize = 500;
/// Longest snooze, in microseconds: 366 days.
pub const SNOOZE_MAX_MICROS: i64 = 366 * 86_400 * 1_000_000;
/// Longest name of a collection or subject, in bytes.
pub const SNOOZED_NAME_BYTES_MAX: usize = 512;
/// How long a snooze that is over is kept, in microseconds: two days, so that a clock that was ahead
/// and is set back finds it again.
const KEPT_MICROS: i64 = 2 * 86_400 * 1_000_000;

/// What is muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Tracker,
    Target,
    Collection,
    Subject,
}

impl Scope {
    pub const ALL: [Scope; 4] = [
        Scope::Tracker,
        Scope::Target,
        Scope::Collection,
        Scope::Subject,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Tracker => "tracker",
            Scope::Target => "target",
            Scope::Collection => "collection",
            Scope::Subject => "subject",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snooze {
    pub id: u32,
    pub scope: Scope,
    /// The tracker or target; of a collection or subject the provider, 0 for that of any.
    pub entity: u32,
    /// As it was named; a collection by its name or id, a subject by its key or label.
    pub name: String,
    /// Microseconds since 1970.
    pub since: i64,
    pub until: i64,
    pub by: String,
}

impl Snooze {
    pub fn is_on(&self, now: i64) -> bool {
        now < self.until
    }

    /// Whether it mutes this collection or subject.
    pub fn is_about(&self, provider: u32, notice: &NoticeDraft) -> bool {
        if self.entity != 0 && self.entity != provider {
            return false;
        }
        match self.scope {
            Scope::Collection => notice.collection.as_ref().is_some_and(|collection| {
                collection.name == self.name || collection.id == self.name
            }),
            Scope::Subject => {
                let subject = &notice.subject;
                !subject.key.is_empty() && (subject.key == self.name || subject.label == self.name)
            }
            Scope::Tracker | Scope::Target => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snoozes {
    last_id: u32,
    snoozes: BTreeMap<u32, Snooze>,
}

impl Snoozes {
    pub fn put(&mut self, snooze: Snooze) {
        self.last_id = self.last_id.max(snooze.id);
        self.snoozes.insert(snooze.id, snooze);
    }

    /// All of them, also those that are over and not let go of yet.
    pub fn iter(&self) -> impl Iterator<Item = (&u32, &Snooze)> {
        self.snoozes.iter()
    }

    pub fn end(&mut self, id: u32) {
        self.snoozes.remove(&id);
    }

    /// Lets go of those that have long been over.
    pub fn prune(&mut self, now: i64) {
        if self.snoozes.is_empty() {
            return;
        }
        self.snoozes
            .retain(|_, snooze| snooze.until.saturating_add(KEPT_MICROS) > now);
    }

    pub fn forget(&mut self, scopes: &[Scope], entity: u32) {
        self.snoozes
            .retain(|_, snooze| snooze.entity != entity || !scopes.contains(&snooze.scope));
    }

    /// The id that the next one gets.
    pub fn next_id(&self) -> u32 {
        self.last_id.saturating_add(1)
    }

    /// Those that are on.
    pub fn on(&self, now: i64) -> impl Iterator<Item = &Snooze> {
        self.snoozes
            .values()
            .filter(move |snooze| snooze.is_on(now))
    }

    pub fn get(&self, id: u32, now: i64) -> Option<&Snooze> {
        self.snoozes.get(&id).filter(|snooze| snooze.is_on(now))
    }

    /// The one that mutes exactly this.
    pub fn same(&self, scope: Scope, entity: u32, name: &str, now: i64) -> Option<&Snooze> {
        self.on(now)
            .find(|known| known.scope == scope && known.entity == entity && known.name == name)
    }

    pub fn tracker(&self, id: u32, now: i64) -> Option<&Snooze> {
        self.entity(Scope::Tracker, id, now)
    }

    pub fn target(&self, id: u32, now: i64) -> Option<&Snooze> {
        self.entity(Scope::Target, id, now)
    }

    fn entity(&self, scope: Scope, id: u32, now: i64) -> Option<&Snooze> {
        let found = |snooze: &&Snooze| snooze.scope == scope && snooze.entity == id;
        self.on(now).filter(found).max_by_key(|snooze| snooze.until)
    }

    /// What mutes a notice by its collection or subject, longest first.
    pub fn notice(&self, provider: u32, notice: &NoticeDraft, now: i64) -> Option<&Snooze> {
        self.on(now)
            .filter(|snooze| snooze.is_about(provider, notice))
            .max_by_key(|snooze| snooze.until)
    }

    /// Whether collections or subjects are muted, so that what was gathered has to be looked at.
    pub fn concern_notices(&self, now: i64) -> bool {
        let mut on = self.on(now);
        on.any(|snooze| matches!(snooze.scope, Scope::Collection | Scope::Subject))
    }
}
