//! What reading the log again gives, in the contract's style.

use notify_store::Recorded;
use serde_json::{Value, json};

use super::{event, moment};
use crate::domain::changes::{Change, Changes, differences};
use crate::domain::event::Event;
use crate::shell::app::PROGRAM;
use crate::shell::replay::{Difference, Step, Tally, ZONE_DATABASE};
use crate::wire;

/// An event with what it changed.
pub fn step(step: &Step) -> Value {
    let mut shape = event(&step.recorded);
    if step.missing > 0 {
        shape["missing_before"] = step.missing.into();
    }
    add_changes(&mut shape, &step.changes);
    shape
}

/// A command that would be decided otherwise now.
pub fn difference(difference: &Difference) -> Value {
    let Difference { recorded, decided } = difference;
    let first = recorded.first();
    let mut shape = json!({
        "position": first.map(|first| first.position),
        "recorded_at": first.map(|first| moment(first.recorded_at)),
        "recorded": kinds(recorded),
    });
    match decided {
        Err(refusal) => shape["refused"] = refusal.to_string().into(),
        Ok(events) => {
            shape["decided"] = kinds(events);
            let data =
                |events: &[Recorded<Event>]| -> Value { events.iter().map(data_of).collect() };
            let changes = differences(&data(recorded), &data(events));
            if changes.is_empty() {
                shape["hidden"] = "only what is not shown differs".into();
            }
            add_changes(&mut shape, &changes);
        }
    }
    shape
}

/// What was found in all.
pub fn tally(tally: &Tally) -> Value {
    let Tally {
        events,
        same,
        differ,
        unknown,
        programs,
    } = tally;
    let unknown_in_all: u64 = unknown.values().sum();
    json!({
        "events": events,
        "commands": same + differ + unknown_in_all,
        "same": same,
        "differ": differ,
        "not_decided_again": unknown
            .iter()
            .map(|((kind, why), count)| json!({"kind": kind, "why": why, "commands": count}))
            .collect::<Value>(),
        "recorded_by": programs,
        "program": PROGRAM,
        "zone_database": ZONE_DATABASE,
    })
}

fn data_of(recorded: &Recorded<Event>) -> Value {
    let mut shape = event(recorded);
    let kind = shape["kind"].take();
    json!({"kind": kind, "data": shape["data"].take()})
}

fn kinds(events: &[Recorded<Event>]) -> Value {
    events
        .iter()
        .map(|recorded| wire::kind_name(wire::kind_of(&recorded.payload)))
        .collect()
}

fn add_changes(shape: &mut Value, changes: &Changes) {
    shape["changes"] = changes.shown.iter().map(change).collect();
    if changes.more > 0 {
        shape["more_changes"] = changes.more.into();
    }
}

fn change(change: &Change) -> Value {
    let Change {
        path,
        before,
        after,
    } = change;
    let mut shape = json!({"path": path});
    if let Some(before) = before {
        shape["before"] = before.clone();
    }
    if let Some(after) = after {
        shape["after"] = after.clone();
    }
    shape
}
