//! What is muted, until when, and by whom.

use serde_json::{Value, json};

use super::{Cursor, Look, Page, ViewError, add, moment};
use crate::domain::spec::{BRIDGE, BRIDGE_PROVIDER};
use crate::domain::state::State;
use crate::projections::snoozes::{Scope, Snooze};

/// A page of the snoozes that are on, newest first.
pub fn snoozes(
    look: &impl Look,
    now: i64,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let before = match cursor {
        None => u64::MAX,
        Some(Cursor::Before(id)) => id,
        Some(Cursor::After(_) | Cursor::Delivery { .. }) => {
            return Err(ViewError::Invalid {
                field: "cursor",
                message: super::NotACursor.to_string(),
            });
        }
    };
    Ok(look.look(|state| {
        let mut on: Vec<&Snooze> = state
            .snoozes
            .on(now)
            .filter(|snooze| u64::from(snooze.id) < before)
            .collect();
        on.sort_by_key(|snooze| std::cmp::Reverse(snooze.id));
        let more = on.len() > limit;
        on.truncate(limit);
        let last = on.last().map(|last| Cursor::Before(u64::from(last.id)));
        Page {
            items: on.into_iter().map(|on| snooze(state, on)).collect(),
            next: last.filter(|_| more),
            ..Page::default()
        }
    }))
}

/// One of them by its id.
pub fn find_snooze(look: &impl Look, id: u32, now: i64) -> Option<Value> {
    look.look(|state| state.snoozes.get(id, now).map(|on| snooze(state, on)))
}

pub fn snooze(state: &State, on: &Snooze) -> Value {
    let mut shape = json!({
        "id": on.id.to_string(),
        "scope": on.scope.as_str(),
        // A tracker or target by the name it has now.
        "name": name(state, on),
        "since": moment(on.since),
        "until": moment(on.until),
        "by": on.by,
    });
    if matches!(on.scope, Scope::Collection | Scope::Subject) {
        add(&mut shape, "provider", provider(state, on.entity));
    }
    shape
}

fn name(state: &State, on: &Snooze) -> String {
    let configuration = &state.configuration;
    let now = match on.scope {
        Scope::Tracker => {
            let found = configuration.trackers.get(&on.entity);
            found.map(|found| found.entity.spec.name.clone())
        }
        Scope::Target => {
            let found = configuration.targets.get(&on.entity);
            found.map(|found| found.entity.spec.name.clone())
        }
        Scope::Collection | Scope::Subject => None,
    };
    now.unwrap_or_else(|| on.name.clone())
}

fn provider(state: &State, id: u32) -> Option<String> {
    match id {
        0 => None,
        BRIDGE_PROVIDER => Some(BRIDGE.to_owned()),
        id => {
            let found = state.configuration.providers.get(&id);
            found.map(|found| found.spec.name.clone())
        }
    }
}
