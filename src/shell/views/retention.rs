//! What is kept, what the last run of compaction removed, and when the next one is.

use serde_json::{Value, json};

use super::{add, moment};
use crate::domain::state::State;
use crate::projections::retention::Tally;
use crate::shell::compaction::{Progress, Step};
use crate::shell::upkeep;

/// What was removed, in the words of the API.
pub fn removed(tally: Tally) -> Value {
    json!({
        "families": tally.families,
        "events": tally.frames,
        "bodies": tally.bodies,
        "bytes": tally.bytes,
    })
}

/// How compaction is doing, in a program that runs.
pub fn retention(state: &State, progress: &Progress, now: i64) -> Value {
    let runs = &state.retention.runs;
    let settings = state.configuration.settings.retention();
    let mut shape = json!({
        "retention": serde_json::to_value(settings).unwrap_or(Value::Null),
        "compacted_before": state.retention.horizons.mark(),
        "removed": removed(runs.total),
    });
    let last = runs.last.map(|(at, tally)| {
        let mut last = removed(tally);
        last["at"] = moment(at).into();
        last
    });
    add(&mut shape, "last", last);
    add(
        &mut shape,
        "next",
        upkeep::next_of(state, "retention", now).map(moment),
    );
    let running = (progress.step != Step::Resting).then(|| {
        json!({
            "step": progress.step.as_str(),
            "done": progress.done,
            "of": progress.of,
            "removed": removed(progress.removed),
        })
    });
    add(&mut shape, "running", running);
    let ended = progress.ended.as_ref().map(|(at, error)| {
        let mut ended = json!({"at": moment(*at)});
        add(&mut ended, "error", error.clone());
        if error.is_none() {
            ended["removed"] = removed(progress.removed);
        }
        ended
    });
    add(&mut shape, "ended", ended);
    shape
}
