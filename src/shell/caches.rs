//! `rebuild`: drops what is only a cache and makes it anew from the log.
//!
//! **Invariant:** the log is not touched. What is removed here can always be made again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use notify_store::{
    AppendError, Batch, Log, PAGE_FRAMES_MAX, REMOVAL_MAX, ReadError, Removal, snapshot,
};

use super::ledger::Causes;
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

/// Rows written in one transaction.
const ROWS_AT_ONCE: usize = 4_096;
/// The folder of the search index.
pub const SEARCH_FOLDER: &str = "search";

/// What was made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    pub rows: u64,
    /// Rows of which the log says nothing.
    pub rows_removed: u64,
    pub snapshots_removed: u64,
    pub search_removed: bool,
}

/// Why caches were not made anew. What was there may be gone, and is made again when this is repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("position {position} of the log cannot be decoded")]
    Decode {
        position: u64,
        source: notify_store::DecodeError,
    },
    #[error("rows cannot be written")]
    Append(#[from] AppendError),
    #[error("{} cannot be removed", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// A snapshot makes the next start quick. It is a cache: when it fails, the log is read.
pub fn leave_snapshot(data: &Path, state: &State) {
    let written = match wire::encode_state(state) {
        Ok(bytes) => snapshot::write(data, state.position, wire::SNAPSHOT_FORMAT, &bytes),
        Err(error) => {
            tracing::warn!(%error, "the state could not be encoded for a snapshot");
            return;
        }
    };
    if let Err(error) = written {
        tracing::warn!(error = %Causes(&error), "no snapshot was left");
    }
}

/// Makes the rows anew and removes snapshots and the search index; the next start makes those.
pub fn rebuild(
    data: &Path,
    log: &mut Log<Event>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    let mut rebuilt = Rebuilt::default();
    for position in snapshot::list(data) {
        let path = data.join(snapshot::FOLDER).join(format!("{position}.snap"));
        removed(&path, fs::remove_file(&path))?;
        rebuilt.snapshots_removed += 1;
    }
    let search = data.join(SEARCH_FOLDER);
    if search.exists() {
        removed(&search, fs::remove_dir_all(&search))?;
        rebuilt.search_removed = true;
    }
    let (_, rows, gone) = rows(log, progress)?;
    (rebuilt.rows, rebuilt.rows_removed) = (rows, gone);
    Ok(rebuilt)
}

fn removed(path: &Path, done: io::Result<()>) -> Result<(), RebuildError> {
    done.map_err(|source| RebuildError::Remove {
        path: path.to_owned(),
        source,
    })
}

/// Folds the log and writes the rows it leads to. Gives the state, how many rows there are, and how many
/// went.
pub fn rows(
    log: &mut Log<Event>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(State, u64, u64), RebuildError> {
    let reader = log.reader();
    let last = reader.next_position().saturating_sub(1);
    let mut state = State::default();
    let mut written = Rows::new();
    let mut waiting: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    // Positions that have a row; a repeated one is thrown out below.
    let mut known: Vec<u64> = Vec::new();
    let mut from = 1;
    loop {
        let mut fault = None;
        let next = reader.for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
            let event = match wire::decode_for_state(header.kind, header.revision, payload) {
                Ok(event) => event,
                Err(source) => {
                    fault.get_or_insert(RebuildError::Decode {
                        position: header.position,
                        source,
                    });
                    return;
                }
            };
            let at = At {
                position: header.position,
                recorded_at: header.recorded_at,
            };
            state.evolve(at, &event, &mut written);
            for (position, row) in written.drain(..) {
                if waiting.insert(position, row.encode()).is_none() {
                    known.push(position);
                }
            }
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if waiting.len() >= ROWS_AT_ONCE || next.is_none() {
            log.append(&Batch {
                rows: std::mem::take(&mut waiting).into_iter().collect(),
                ..Batch::default()
            })?;
            // A row is written again while its notice is open.
            known.sort_unstable();
            known.dedup();
        }
        progress(state.position, last);
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    let mut gone = 0;
    let mut after = 0;
    loop {
        let page = reader.rows(after, REMOVAL_MAX)?;
        let Some((newest, _)) = page.last() else {
            break;
        };
        after = newest.saturating_add(1);
        let extra: Vec<u64> = page
            .iter()
            .map(|(position, _)| *position)
            .filter(|position| known.binary_search(position).is_err())
            .collect();
        if !extra.is_empty() {
            gone += log
                .remove(&Removal {
                    rows: extra,
                    ..Removal::default()
                })?
                .rows;
        }
    }
    Ok((state, known.len() as u64, gone))
}
