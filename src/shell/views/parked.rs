//! What waits for a person, in groups of one target and one reason.
//!
//! **Invariant:** a group is all of it, however many there are: the state is walked in pages of
//! [`COPIED_ROWS_MAX`], and let go of between them.

use std::collections::HashMap;

use notify_store::Reader;

use super::{COPIED_ROWS_MAX, Choice, Look, ViewError};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::state::{State, word_hash};
use crate::projections::outbox::Delivery;

/// Groups told apart; what has another reason still is one group.
pub const GROUPS_MAX: usize = 1_000;
/// The key of the group of all further reasons.
pub const OTHERS: &str = "others";

/// Deliveries that wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedGroup {
    pub key: String,
    /// Empty for the group of all further reasons.
    pub target: String,
    pub reason: String,
    pub count: u64,
    /// The newest of them, with their notices.
    pub newest: Vec<(DeliveryKey, u64)>,
}

/// Which group a delivery is in: a number in the order of appearance, newest first.
type Nth = usize;

/// Walks all that wait for a person, newest first.
fn walk(look: &impl Look, mut visit: impl FnMut(Nth, DeliveryKey, &Delivery, &State)) {
    let mut known: HashMap<(u32, u64), Nth> = HashMap::new();
    let mut before = DeliveryKey {
        position: u64::MAX,
        ordinal: u16::MAX,
    };
    loop {
        let seen = look.look(|state| {
            let outbox = &state.outbox;
            let mut seen = 0;
            for key in outbox.parked.range(..before).rev().take(COPIED_ROWS_MAX) {
                before = *key;
                seen += 1;
                let Some(open) = outbox.deliveries.get(key) else {
                    continue;
                };
                let next = known.len();
                let nth = match known.get(&group_of(open)) {
                    Some(nth) => *nth,
                    None if next < GROUPS_MAX => {
                        known.insert(group_of(open), next);
                        next
                    }
                    None => GROUPS_MAX,
                };
                visit(nth, *key, open, state);
            }
            seen
        });
        if seen == 0 {
            return;
        }
    }
}

fn group_of(open: &Delivery) -> (u32, u64) {
    (
        open.target,
        word_hash(open.reason.as_deref().unwrap_or_default()),
    )
}

fn key_of(nth: Nth, open: &Delivery) -> String {
    if nth == GROUPS_MAX {
        return OTHERS.to_owned();
    }
    let (target, reason) = group_of(open);
    format!("{target:08x}{reason:016x}")
}

/// All groups, the largest first.
pub fn parked_groups(look: &impl Look, rows_each: usize) -> Vec<ParkedGroup> {
    // By number; the one of other reasons is the last there can be.
    let mut groups: Vec<ParkedGroup> = Vec::new();
    walk(look, |nth, key, open, state| {
        if nth == groups.len() {
            let target = state.configuration.targets.get(&open.target);
            let is_others = nth == GROUPS_MAX;
            groups.push(ParkedGroup {
                key: key_of(nth, open),
                target: target
                    .filter(|_| !is_others)
                    .map(|target| target.entity.spec.name.clone())
                    .unwrap_or_default(),
                reason: open
                    .reason
                    .clone()
                    .filter(|_| !is_others)
                    .unwrap_or_default(),
                count: 0,
                newest: Vec::new(),
            });
        }
        let group = &mut groups[nth];
        group.count += 1;
        if group.newest.len() < rows_each {
            group.newest.push((key, open.notice));
        }
    });
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// Everything in some groups, and some deliveries by id, as they are now; newest first.
pub fn parked_choice(
    reader: &Reader<Event>,
    look: &impl Look,
    groups: &[String],
    ids: &[String],
    most: usize,
) -> Result<Choice, ViewError> {
    let fits = |open: &Delivery| open.status.needs_a_person();
    Choice::read(reader, look, (groups, ids), most, fits, |look, take| {
        walk(look, |nth, key, open, _| {
            take(&key_of(nth, open), key, open)
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{IdSeed, RowFacts};
    use crate::domain::notice::Items;
    use crate::domain::spec::UnknownPolicy;
    use crate::projections::outbox::{NewDelivery, NewNotice, Status};

    /// A state with so many parked deliveries, each for the reason its number gives.
    fn parked(count: u64, reason: impl Fn(u64) -> String) -> State {
        let mut state = State::default();
        let facts = RowFacts {
            provider: 1,
            severity: 0,
            kind_hash: 0,
            collection_hash: 0,
        };
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
        let seed = IdSeed {
            millis: 0,
            epoch: 0,
        };
        for position in 1..=count {
            let planned = [new].into_iter();
            let notice = NewNotice {
                position,
                notice: position,
                seed,
                day: 0,
                facts,
                subject: position,
                now: 0,
                ways: &[],
                items: &Items::default(),
            };
            state.outbox.plan(&notice, planned);
            let key = DeliveryKey {
                position,
                ordinal: 1,
            };
            state.outbox.park(key, Status::Parked, &reason(position));
        }
        state
    }

    #[test]
    fn groups_cover_everything_however_much_there_is() {
        let all = 3 * COPIED_ROWS_MAX as u64 + 7;
        let state = parked(all, |n| if n % 3 == 0 { "no" } else { "not yet" }.into());
        let groups = parked_groups(&state, 5);
        let shown: Vec<(&str, u64, u64)> = groups
            .iter()
            .map(|group| (group.reason.as_str(), group.count, group.newest[0].1))
            .collect();
        assert_eq!(shown, [("not yet", 1_005, 1_507), ("no", 502, 1_506)]);
        assert_eq!(groups[0].newest.len(), 5);
    }

    #[test]
    fn what_has_too_many_reasons_is_one_group_more() {
        let all = GROUPS_MAX as u64 + 40;
        let state = parked(all, |n| format!("error {n}"));
        let groups = parked_groups(&state, 1);
        assert_eq!(groups.len(), GROUPS_MAX + 1);
        assert_eq!((groups[0].key.as_str(), groups[0].count), (OTHERS, 40));
        let counted: u64 = groups.iter().map(|group| group.count).sum();
        assert_eq!(counted, all);
    }
}
