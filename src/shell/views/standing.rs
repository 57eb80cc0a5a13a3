//! How what a notice is about stands now: open or not, known to somebody, muted, and when it is told
//! again.

use serde_json::{Value, json};

use super::snoozes::snooze;
use super::{Look, add, moment};
use crate::domain::family::Family;
use crate::domain::state::{State, subject_hash};
use crate::projections::snoozes::Scope;

/// `None` where there is nothing to say: what it is about is not open, and nothing of it is muted.
pub fn standing(look: &impl Look, family: &Family, now: i64) -> Option<Value> {
    look.look(|state| of(state, family, now))
}

fn of(state: &State, family: &Family, now: i64) -> Option<Value> {
    let draft = &family.notice.draft;
    let key = draft.subject.key.as_str();
    let subject = subject_hash(family.provider, key, family.notice.position);
    let open = state.subjects.get(family.provider, subject);
    let trackers: Vec<u32> = family
        .deliveries
        .iter()
        .map(|view| view.link.tracker)
        .collect();
    let targets: Vec<u32> = family
        .deliveries
        .iter()
        .map(|view| view.link.target)
        .collect();
    let snoozes: Vec<Value> = state
        .snoozes
        .on(now)
        .filter(|on| match on.scope {
            Scope::Tracker => trackers.contains(&on.entity),
            Scope::Target => targets.contains(&on.entity),
            Scope::Collection | Scope::Subject => on.is_about(family.provider, draft),
        })
        .map(|on| snooze(state, on))
        .collect();
    if open.is_none() && snoozes.is_empty() {
        return None;
    }
    let mut shape = json!({"open": open.is_some(), "snoozes": snoozes});
    if let Some(open) = open {
        shape["since"] = moment(open.since).into();
        shape["acknowledged"] = open.acknowledged.into();
        let slots = state.groups.holding(subject);
        let repeats = slots.filter_map(|slot| state.groups.repeats_at(slot));
        add(&mut shape, "repeats_at", repeats.min().map(moment));
    }
    Some(shape)
}
