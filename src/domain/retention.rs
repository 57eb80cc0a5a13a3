//! What is kept, and for how long: which families a run of retention may forget.
//!
//! A [`Census`] is shown every family that is left, oldest first, and says up to where each group of
//! them is forgotten. A group is the notices of one provider, or those of one kind of it where the
//! kind has a rule of its own.
//!
//! **Invariant:** a horizon never goes back: what was forgotten stays forgotten, whatever is
//! configured afterwards.
//!
//! **Invariant:** what is forgotten of a group is its oldest part, so one position says it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use notify_store::{Payload as _, Stream};
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::spec::{ProviderRetention, RetentionSpec};
use super::state::{State, word_hash};
use crate::projections::retention::{Horizons, Retention};

/// Microseconds of a day of retention. Retention counts spans of 24 hours and not civil days.
const DAY_MICROS: i64 = 86_400 * 1_000_000;
/// Most groups a run may advance; further ones wait for the next run.
pub const RULES_MAX: usize = 4_096;

/// Up to where one group of families is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub provider: u32,
    /// Empty for the kinds that have no rule of their own.
    pub kind: String,
    /// Families founded before this position are forgotten.
    pub before: u64,
}

/// How much of a group is kept; 0 for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bound {
    pub days: u32,
    pub most: u32,
}

/// A family as a census sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Founded<'a> {
    pub position: u64,
    pub provider: u32,
    /// Of its notice; empty for a request that could not be read.
    pub kind: &'a str,
    /// Microseconds since 1970.
    pub received_at: i64,
}

/// What a census found: what the shell asks `decide` for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    pub rules: Vec<Rule>,
    /// Events that belong to no family are forgotten before this position.
    pub history_before: u64,
    /// A family was below its horizon and had to stay, and does not have to any more.
    pub is_released: bool,
    /// Whose families there are, those included that are forgotten and not gone yet.
    pub providers: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Group {
    bound: Bound,
    /// The newest that is not to be kept.
    newest: Option<u64>,
    /// From here on at least one was young enough.
    is_young: bool,
    /// The newest ones, as many as are kept; of a group without such a bound none.
    kept: VecDeque<Kept>,
}

/// A family that its number does not forget.
#[derive(Debug, Clone, Copy)]
struct Kept {
    position: u64,
    is_old: bool,
    is_protected: bool,
}

impl Group {
    /// Forgets a family for its age, up to the first that is young enough: a clock may have gone back.
    fn age(&mut self, family: Kept) {
        if !family.is_old {
            self.is_young = true;
        } else if !self.is_young && !family.is_protected {
            self.newest = self.newest.max(Some(family.position));
        }
    }

    /// Takes a family; they come oldest first.
    fn take(&mut self, family: Kept) {
        if self.bound.most == 0 {
            return self.age(family);
        }
        self.kept.push_back(family);
        if self.kept.len() > self.bound.most as usize
            && let Some(oldest) = self.kept.pop_front()
            && !oldest.is_protected
        {
            self.newest = self.newest.max(Some(oldest.position));
        }
    }

    /// The newest that is forgotten. Age is asked of what the number keeps alone: what goes with this
    /// run says nothing of how young the rest is.
    fn newest_forgotten(mut self) -> Option<u64> {
        for family in std::mem::take(&mut self.kept) {
            self.age(family);
        }
        self.newest
    }
}

/// What is configured about retention, by provider.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    space: RetentionSpec,
    providers: BTreeMap<u32, ProviderRetention>,
}

impl Policy {
    pub fn of(state: &State) -> Self {
        let configured = &state.configuration;
        let own = configured.providers.iter().filter_map(|(id, provider)| {
            let retention = provider.spec.retention.clone()?;
            Some((*id, retention))
        });
        Policy {
            space: configured.settings.retention(),
            providers: own.collect(),
        }
    }

    /// How much is kept of a kind, and whether the kind has a rule of its own.
    fn notices(&self, provider: u32, kind: &str) -> (Bound, bool) {
        let own = self.providers.get(&provider);
        let of_kind = own
            .and_then(|own| own.kinds.get(kind))
            .or_else(|| self.space.kinds.get(kind));
        if let Some(of_kind) = of_kind {
            let bound = Bound {
                days: of_kind.days,
                most: of_kind.most,
            };
            return (bound, true);
        }
        let bound = Bound {
            days: own
                .and_then(|own| own.notices_days)
                .unwrap_or(self.space.notices_days),
            most: own
                .and_then(|own| own.notices_per_provider)
                .unwrap_or(self.space.notices_per_provider),
        };
        (bound, false)
    }

    fn bodies(&self, provider: u32) -> Bound {
        let own = self.providers.get(&provider);
        Bound {
            days: own
                .and_then(|own| own.bodies_days)
                .unwrap_or(self.space.bodies_days),
            most: own
                .and_then(|own| own.bodies_per_provider)
                .unwrap_or(self.space.bodies_per_provider),
        }
    }
}

fn is_old(received_at: i64, now: i64, days: u32) -> bool {
    days > 0 && received_at < now.saturating_sub(i64::from(days) * DAY_MICROS)
}

/// Finds the horizons of a run.
#[derive(Debug)]
pub struct Census {
    policy: Policy,
    now: i64,
    horizons: Horizons,
    protected: BTreeSet<u64>,
    groups: BTreeMap<(u32, String), Group>,
    history_newest: Option<u64>,
    is_history_young: bool,
    is_released: bool,
    providers: BTreeSet<u32>,
}

impl Census {
    pub fn new(state: &State, now: i64) -> Self {
        Census {
            policy: Policy::of(state),
            now,
            horizons: state.retention.horizons.clone(),
            protected: state.protected(),
            groups: BTreeMap::new(),
            history_newest: None,
            is_history_young: false,
            is_released: false,
            providers: BTreeSet::new(),
        }
    }

    /// Takes a family; they come oldest first.
    pub fn family(&mut self, family: Founded<'_>) {
        let Founded {
            position,
            provider,
            kind,
            received_at,
        } = family;
        self.providers.insert(provider);
        let is_protected = self.protected.contains(&position);
        let hash = word_hash(kind);
        if position < self.horizons.before(provider, hash) {
            // Forgotten already, or it had to stay.
            self.is_released |= self.horizons.is_kept(position) && !is_protected;
            return;
        }
        let (bound, has_rule) = self.policy.notices(provider, kind);
        let stands_alone = has_rule || self.horizons.has_own(provider, hash);
        let name = if stands_alone { kind } else { "" };
        let group = self.groups.entry((provider, name.to_owned())).or_default();
        group.bound = bound;
        group.take(Kept {
            position,
            is_old: is_old(received_at, self.now, bound.days),
            is_protected,
        });
    }

    /// Takes an event that belongs to no family; in the same order.
    pub fn history(&mut self, position: u64, recorded_at: i64) {
        let is_new = position >= self.horizons.history_before;
        if !is_old(recorded_at, self.now, self.policy.space.configuration_days) {
            self.is_history_young = true;
        } else if is_new && !self.is_history_young {
            self.history_newest = Some(position);
        }
    }

    pub fn finish(self) -> Wanted {
        let Census {
            horizons, groups, ..
        } = self;
        let history_before = self
            .history_newest
            .map_or(horizons.history_before, |newest| newest + 1);
        let rules = groups.into_iter().map(|((provider, kind), group)| {
            let least = horizons.before(provider, word_hash(&kind));
            let newest = group.newest_forgotten();
            let before = newest.map_or(least, |newest| newest + 1).max(least);
            Rule {
                provider,
                kind,
                before,
            }
        });
        Wanted {
            rules: rules.take(RULES_MAX).collect(),
            history_before,
            is_released: self.is_released,
            providers: self.providers,
        }
    }
}

/// What becomes of an event, as far as it alone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Stays,
    Goes,
    /// It founded a family that is forgotten: all of that goes, unless some of it came later.
    FamilyGoes,
}

/// What compaction does with an event.
pub fn fate(retention: &Retention, position: u64, event: &Event) -> Fate {
    let horizons = &retention.horizons;
    if position >= retention.carried_at {
        return Fate::Stays;
    }
    let family = |provider: u32, kind: &str| match horizons.is_forgotten(
        provider,
        word_hash(kind),
        position,
    ) {
        true => Fate::FamilyGoes,
        false => Fate::Stays,
    };
    match event {
        Event::Accepted(accepted) => family(accepted.provider, &accepted.notice.kind),
        Event::IntakeUnreadable { provider, .. } => family(*provider, ""),
        // What was carried since says all that these did. Cursors move often, and are nobody's history.
        Event::StateCarried { .. }
        | Event::RetentionAdvanced { .. }
        | Event::CursorMoved { .. } => Fate::Goes,
        // Names the program and the epoch that the store began with.
        Event::Founded { .. } => Fate::Stays,
        other => match other.stream() {
            Stream::None if position < horizons.history_before => Fate::Goes,
            Stream::None | Stream::Founds | Stream::Of(_) => Fate::Stays,
        },
    }
}

/// Finds the bodies that are not kept any more. Bodies go by themselves: no event says so, since no
/// state depends on one.
#[derive(Debug)]
pub struct BodyCensus {
    policy: Policy,
    now: i64,
    /// By provider, those that are kept so far, oldest first, with their bytes.
    kept: BTreeMap<u32, VecDeque<(u64, u64)>>,
    doomed: Vec<u64>,
}

impl BodyCensus {
    pub fn new(policy: Policy, now: i64) -> Self {
        BodyCensus {
            policy,
            now,
            kept: BTreeMap::new(),
            doomed: Vec::new(),
        }
    }

    /// Takes a body; they come oldest first.
    pub fn body(&mut self, position: u64, bytes: u64, provider: u32, received_at: i64) {
        let bound = self.policy.bodies(provider);
        if is_old(received_at, self.now, bound.days) {
            self.doomed.push(position);
            return;
        }
        let kept = self.kept.entry(provider).or_default();
        kept.push_back((position, bytes));
        if bound.most > 0
            && kept.len() > bound.most as usize
            && let Some((oldest, _)) = kept.pop_front()
        {
            self.doomed.push(oldest);
        }
    }

    /// Positions of the bodies that go, ascending.
    pub fn finish(mut self) -> Vec<u64> {
        let most = self.policy.space.bodies_bytes_max;
        if most > 0 {
            let mut left: Vec<(u64, u64)> = self.kept.into_values().flatten().collect();
            left.sort_unstable();
            let mut total: u64 = left.iter().map(|(_, bytes)| bytes).sum();
            for (position, bytes) in left {
                if total <= most {
                    break;
                }
                total -= bytes;
                self.doomed.push(position);
            }
        }
        self.doomed.sort_unstable();
        self.doomed
    }
}
