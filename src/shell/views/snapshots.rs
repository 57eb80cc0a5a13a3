//! Snapshot files in the contract's style.

use serde_json::{Value, json};

use super::{Page, moment};
use crate::shell::snapshots::{Listed, Made};

/// All of them: there are never many.
pub fn snapshots(listed: &[Listed]) -> Page {
    Page {
        items: listed.iter().map(snapshot).collect(),
        ..Page::default()
    }
}

fn snapshot(listed: &Listed) -> Value {
    let found = &listed.found;
    let mut shape = json!({
        "position": found.position,
        "written_at": (found.written_at != 0).then(|| moment(found.written_at)),
        "bytes": found.bytes,
        "usable": listed.is_of_use(),
    });
    if !listed.is_of_use() {
        shape["why_not"] = listed.why_not().into();
    }
    shape
}

/// One that was made, or was there.
pub fn snapshot_made(made: &Made) -> Value {
    json!({
        "position": made.position,
        "bytes": made.bytes,
        "events": made.events,
        "created": !made.known,
    })
}
