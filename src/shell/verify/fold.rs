//! The log folded once more, from its beginning, with what has to be compared on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader, snapshot};
use xxhash_rust::xxh3::xxh3_64;

use super::Report;
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

/// What the log leads to.
pub(super) struct Fold {
    data: PathBuf,
    pub state: State,
    /// Hashes of the rows as they should be, by position: 16 bytes a notice instead of its row.
    pub rows: BTreeMap<u64, u64>,
    /// Positions of the snapshots that are not compared yet, the next one last.
    snapshots: Vec<u64>,
    compared: u64,
    /// Positions of snapshots that say otherwise.
    wrong: Vec<u64>,
    /// Whether events before this one were removed: only what they lead to at the head is the same.
    holes: bool,
    written: Rows,
}

impl Fold {
    pub fn new(data: &Path) -> Self {
        let mut snapshots = snapshot::list(data);
        snapshots.reverse();
        Fold {
            data: data.to_owned(),
            state: State::default(),
            rows: BTreeMap::new(),
            snapshots,
            compared: 0,
            wrong: Vec::new(),
            holes: false,
            written: Rows::new(),
        }
    }

    pub fn take(&mut self, page: &[(At, Event)]) {
        for (at, event) in page {
            self.holes |= at.position != self.state.position + 1;
            self.state.evolve(*at, event, &mut self.written);
            for (position, row) in self.written.drain(..) {
                self.rows.insert(position, hash(&row.encode()));
            }
            while let Some(next) = self.snapshots.last().copied()
                && next <= at.position
            {
                self.snapshots.pop();
                if next == at.position {
                    self.compare(next);
                }
            }
        }
    }

    fn compare(&mut self, position: u64) {
        if self.holes {
            return;
        }
        // One of another format, or one that is not whole, is passed over by the program as well.
        let Some(bytes) = snapshot::read(&self.data, position, wire::SNAPSHOT_FORMAT) else {
            return;
        };
        self.compared += 1;
        if wire::decode_state(&bytes).ok().as_ref() != Some(&self.state) {
            self.wrong.push(position);
        }
    }

    /// Folds what was appended since.
    pub fn catch_up(&mut self, reader: &Reader<Event>) -> Result<(), ReadError> {
        loop {
            let events = reader.page(self.state.position + 1, PAGE_FRAMES_MAX)?;
            if events.is_empty() {
                return Ok(());
            }
            let page: Vec<(At, Event)> = events
                .into_iter()
                .map(|event| {
                    let at = At {
                        position: event.position,
                        recorded_at: event.recorded_at,
                    };
                    (at, event.payload)
                })
                .collect();
            self.take(&page);
        }
    }

    pub fn tell_snapshots(&self, report: &mut Report) {
        report.snapshots = self.compared;
        for position in &self.wrong {
            report.problem(format!(
                "the snapshot of position {position} is not what the log says; `rebuild` removes it"
            ));
        }
        for position in snapshot::list(&self.data) {
            // A file is whole or not whatever it says.
            let format = snapshot::format(&self.data, position);
            match format {
                Some(wire::SNAPSHOT_FORMAT) | None
                    if snapshot::read(&self.data, position, wire::SNAPSHOT_FORMAT).is_none()
                        && snapshot::list(&self.data).contains(&position) =>
                {
                    report.problem(format!(
                        "the snapshot of position {position} is damaged; `rebuild` removes it"
                    ));
                }
                Some(other) if other != wire::SNAPSHOT_FORMAT => report.notes.push(format!(
                    "the snapshot of position {position} has format {other} and is passed over"
                )),
                Some(_) | None => {}
            }
        }
    }
}

pub(super) fn hash(row: &[u8]) -> u64 {
    xxh3_64(row)
}
