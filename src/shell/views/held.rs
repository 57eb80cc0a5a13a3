//! What is held, in groups of one reason and one minute.
//!
//! **Invariant:** a group is all of it, however many there are: the state is walked in pages of
//! [`COPIED_ROWS_MAX`], and let go of between them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use notify_store::Reader;
use serde_json::{Value, json};

use super::choice::notices_of;
use super::numbers::Day;
use super::{COPIED_ROWS_MAX, Choice, Look, ViewError, add, moment, sends_at};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::hold::Hold;
use crate::domain::reason::What;
use crate::domain::state::State;
use crate::projections::outbox::{Delivery, Status};

/// Groups told apart; what comes later is one group more.
pub const HELD_GROUPS_MAX: usize = 1_000;
/// The key of the group of all further moments.
pub const LATER: &str = "later";
/// What is released within one minute stands together.
const MINUTE_MICROS: i64 = 60 * 1_000_000;

/// What may hold a delivery.
pub const REASONS: [What; 9] = [
    What::HeldQuietHours,
    What::HeldDigest,
    What::HeldSettling,
    What::HeldGrouping,
    What::HeldBreaker,
    What::HeldBackoff,
    What::HeldOperator,
    What::HeldRestored,
    What::StormSummarised,
];

/// A reason by the contract's word.
pub(super) fn held_reason(word: &str) -> Result<What, ViewError> {
    let mut known = REASONS.into_iter();
    known
        .find(|what| what.as_str() == word)
        .ok_or_else(|| ViewError::Invalid {
            field: "reason",
            message: format!("is one of {}", REASONS.map(What::as_str).join(", ")),
        })
}

/// Deliveries that the same reason holds until the same minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldGroup {
    pub key: String,
    /// `None` for the group of all further moments.
    pub why: Option<What>,
    /// When the first of them is sent; `None` when a person has to release them.
    pub until: Option<i64>,
    pub count: u64,
    /// Notices that they tell.
    pub notices: u64,
    /// The first of them, with their notices.
    pub first: Vec<(DeliveryKey, u64)>,
}

type Slot = (What, Option<i64>);

fn slot_of(hold: &Hold) -> Slot {
    let minute = sends_at(hold.until).map(|until| until.div_euclid(MINUTE_MICROS));
    (hold.why, minute)
}

fn key_of(slot: Option<Slot>) -> String {
    match slot {
        None => LATER.to_owned(),
        Some((why, None)) => format!("{}.released", why.as_str()),
        Some((why, Some(minute))) => format!("{}.{minute}", why.as_str()),
    }
}

/// Walks all that is held, what is sent next first.
fn each(look: &impl Look, mut visit: impl FnMut(DeliveryKey, &Delivery, &Hold, &State)) {
    let mut after = Bound::Unbounded;
    loop {
        let seen = look.look(|state| {
            let outbox = &state.outbox;
            let mut seen = 0;
            for entry in outbox
                .held
                .range((after, Bound::Unbounded))
                .take(COPIED_ROWS_MAX)
            {
                after = Bound::Excluded(*entry);
                seen += 1;
                if let Some(open) = outbox.deliveries.get(&entry.1)
                    && let Some(hold) = open.hold.as_deref()
                {
                    visit(entry.1, open, hold, state);
                }
            }
            seen
        });
        if seen == 0 {
            return;
        }
    }
}

/// As [`each`], with the group of each; `None` is the one of all further moments.
fn walk(look: &impl Look, mut visit: impl FnMut(Option<Slot>, DeliveryKey, &Delivery, &Hold)) {
    let mut known: HashSet<Slot> = HashSet::new();
    each(look, |key, open, hold, _| {
        let slot = slot_of(hold);
        if known.len() < HELD_GROUPS_MAX {
            known.insert(slot);
        }
        visit(known.contains(&slot).then_some(slot), key, open, hold);
    });
}

/// All groups: by reason, the one that is sent first first, and within it by moment.
pub fn held_groups(look: &impl Look, rows_each: usize) -> Vec<HeldGroup> {
    let mut groups: Vec<HeldGroup> = Vec::new();
    let mut by_slot: HashMap<Option<Slot>, usize> = HashMap::new();
    walk(look, |slot, key, open, hold| {
        let nth = *by_slot.entry(slot).or_insert(groups.len());
        if nth == groups.len() {
            groups.push(HeldGroup {
                key: key_of(slot),
                why: slot.map(|(why, _)| why),
                until: sends_at(hold.until),
                count: 0,
                notices: 0,
                first: Vec::new(),
            });
        }
        let group = &mut groups[nth];
        group.count += 1;
        group.notices += notices_of(open);
        if group.first.len() < rows_each {
            group.first.push((key, open.notice));
        }
    });
    // They came in the order of their moments, which stays within a reason.
    let mut order: Vec<Option<What>> = Vec::new();
    for group in &groups {
        if !order.contains(&group.why) {
            order.push(group.why);
        }
    }
    groups.sort_by_key(|group| order.iter().position(|why| *why == group.why));
    groups
}

/// Everything in some groups, and some deliveries by id, as they are now; what is sent next first.
pub fn held_choice(
    reader: &Reader<Event>,
    look: &impl Look,
    groups: &[String],
    ids: &[String],
    most: usize,
) -> Result<Choice, ViewError> {
    let fits = |open: &Delivery| open.status == Status::Held;
    Choice::read(reader, look, (groups, ids), most, fits, |look, take| {
        walk(look, |slot, key, open, _| take(&key_of(slot), key, open));
    })
}

/// How much is held, by reason, and when the first of each is sent; most first.
pub fn held_reasons(look: &impl Look) -> Value {
    let mut reasons: BTreeMap<What, (u64, Option<i64>)> = BTreeMap::new();
    let mut total = 0u64;
    each(look, |_, _, hold, _| {
        total += 1;
        let (count, next) = reasons.entry(hold.why).or_default();
        *count += 1;
        *next = next.or(sends_at(hold.until));
    });
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let by_reason: Value = reasons
        .into_iter()
        .map(|(why, (count, next))| {
            let mut shape = json!({"reason": why.as_str(), "count": count});
            add(&mut shape, "next", next.map(moment));
            shape
        })
        .collect();
    json!({"total": total, "by_reason": by_reason})
}

/// How much is held now, by the provider and the day of its notice.
pub fn held_counts(look: &impl Look) -> BTreeMap<(u32, Day), u64> {
    let mut counts = BTreeMap::new();
    each(look, |key, _, _, state| {
        if let Some(notice) = state.outbox.notices.get(&key.position) {
            let of = (notice.row.facts.provider, notice.day);
            *counts.entry(of).or_default() += 1;
        }
    });
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{IdSeed, RowFacts};
    use crate::domain::hold::{Planning, Thread, UNTIL_RELEASED, Way};
    use crate::domain::notice::Items;
    use crate::domain::spec::UnknownPolicy;
    use crate::projections::outbox::{NewDelivery, NewNotice};

    /// A state with so many held deliveries, each until and because of what its number gives.
    fn held(count: u64, hold: impl Fn(u64) -> (i64, What)) -> State {
        let mut state = State::default();
        let new = NewDelivery {
            tracker: 1,
            target: 1,
            receiver: 1,
            link: 0,
            via: 0,
            nth: 0,
            unknown: UnknownPolicy::Retry,
            critical: None,
            local: false,
        };
        for position in 1..=count {
            let (until, why) = hold(position);
            let way = Way::Held {
                hold: Hold {
                    until,
                    why,
                    slot: 0,
                },
                thread: Thread::default(),
            };
            let ways = [Planning {
                index: 0,
                way,
                detail: String::new(),
                group: 0,
            }];
            let notice = NewNotice {
                position,
                notice: position,
                seed: IdSeed {
                    millis: 0,
                    epoch: 0,
                },
                day: 3,
                facts: RowFacts {
                    provider: 1 + (position % 2) as u32,
                    severity: 0,
                    kind_hash: 0,
                    collection_hash: 0,
                },
                subject: position,
                now: 0,
                ways: &ways,
                items: &Items::default(),
            };
            state.outbox.plan(&notice, [new].into_iter());
        }
        state
    }

    #[test]
    fn groups_cover_everything_by_reason_and_then_by_moment() {
        let all = 2 * COPIED_ROWS_MAX as u64;
        let state = held(all, |n| match n % 4 {
            0 => (UNTIL_RELEASED, What::HeldOperator),
            1 => (5 * MINUTE_MICROS + n as i64, What::HeldQuietHours),
            2 => (2 * MINUTE_MICROS, What::HeldDigest),
            _ => (9 * MINUTE_MICROS, What::HeldDigest),
        });
        let groups = held_groups(&state, 3);
        let shown: Vec<(&str, u64, usize)> = groups
            .iter()
            .map(|group| (group.key.as_str(), group.count, group.first.len()))
            .collect();
        let each = all / 4;
        assert_eq!(
            shown,
            [
                ("held_digest.2", each, 3),
                ("held_digest.9", each, 3),
                ("held_quiet_hours.5", each, 3),
                ("held_operator.released", each, 3),
            ]
        );
        assert_eq!(groups[3].until, None);
        let by_provider: u64 = held_counts(&state).values().sum();
        assert_eq!(by_provider, all);
        assert_eq!(held_reasons(&state)["by_reason"][0]["count"], all / 2);
    }

    #[test]
    fn moments_beyond_the_bound_are_one_group_more() {
        let all = HELD_GROUPS_MAX as u64 + 40;
        let state = held(all, |n| (n as i64 * MINUTE_MICROS, What::HeldSettling));
        let groups = held_groups(&state, 1);
        assert_eq!(groups.len(), HELD_GROUPS_MAX + 1);
        let last = groups.last().expect("groups");
        assert_eq!((last.key.as_str(), last.count, last.why), (LATER, 40, None));
    }
}
