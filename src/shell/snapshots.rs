//! The worker that leaves snapshots: it folds the tail of the log onto the snapshot before, in a state
//! of its own, on a thread of its own that ends with the work and gives its memory back.
//!
//! **Invariant:** a snapshot holds only what can be read in the log. Neither the writer, nor a lock, nor
//! a write transaction takes part, so that a commit that fails cannot get into one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify_store::{Reader, snapshot};
use tokio::sync::{Mutex, oneshot, watch};

use super::app::StartError;
use super::background;
use super::clock::Clock;
use super::ledger::Causes;
use super::rebuild::{fold_through, from_snapshot};
use crate::domain::event::Event;
use crate::wire;

/// Snapshots kept.
pub const SNAPSHOTS_KEPT: usize = 3;
/// A snapshot is made after so long, when something has changed.
pub const SNAPSHOT_EVERY: Duration = Duration::from_secs(3_600);
/// A snapshot is made after so many events, however soon.
pub const SNAPSHOT_EVENTS: u64 = 50_000;
/// Events that stopping takes the time to fold; with more of them the next start reads the log.
pub const LEFT_EVENTS_MAX: u64 = 200_000;

/// A snapshot that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub position: u64,
    /// Size of the state in it.
    pub bytes: u64,
    /// Events folded onto the snapshot before.
    pub events: u64,
    /// Whether it was there already: nothing has changed since.
    pub known: bool,
}

/// Why no snapshot was made. The program goes on; the next start takes longer.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the store is empty; there is nothing to make a snapshot of")]
    Empty,
    #[error("the log cannot be folded")]
    Fold(#[from] StartError),
    #[error("the state cannot be encoded")]
    Encode(#[source] postcard::Error),
    #[error("the snapshot cannot be written")]
    Write(#[from] snapshot::WriteError),
    #[error("old snapshots cannot be removed")]
    Prune(#[source] std::io::Error),
    #[error("the thread ended without an answer; look into the program's log")]
    Lost,
}

/// A snapshot file, and whether a start would use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub found: snapshot::Found,
    /// It belongs to a longer log than this one.
    pub is_beyond: bool,
}

/// Who makes snapshots, one at a time.
pub struct Snapshots {
    data: PathBuf,
    reader: Reader<Event>,
    clock: Arc<dyn Clock>,
    turn: Mutex<()>,
    /// Position of the newest one that this program made; 0 before the first.
    made: watch::Sender<u64>,
    /// The first hour counts from here, on the monotonic clock.
    began: Duration,
}

impl Snapshots {
    pub fn new(data: &Path, reader: Reader<Event>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Snapshots {
            data: data.to_owned(),
            reader,
            began: clock.monotonic(),
            clock,
            turn: Mutex::default(),
            made: watch::Sender::new(0),
        })
    }

    /// Follows the position of the newest one that this program made; 0 before the first.
    pub fn made(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// Makes one of what is durable now.
    pub async fn make(&self) -> Result<Made, SnapshotError> {
        let _turn = self.turn.lock().await;
        let (reply, answer) = oneshot::channel();
        let (data, reader) = (self.data.clone(), self.reader.clone());
        // A thread of its own for each, and not one that waits: what it took is given back when it ends.
        std::thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || {
                background::yield_to_others();
                // Who asked may have gone; the snapshot is there all the same.
                let _gone = reply.send(make(&data, &reader));
            })
            .map_err(StartError::Thread)?;
        let made = answer.await.unwrap_or(Err(SnapshotError::Lost))?;
        self.made.send_replace(made.position);
        Ok(made)
    }

    /// The snapshot files, newest first.
    pub fn list(&self) -> Vec<Listed> {
        list(&self.data, &self.reader)
    }

    /// Makes them by time and by count, until it is dropped.
    pub async fn watch(self: Arc<Self>, mut committed: watch::Receiver<u64>) {
        let mut newest = self.newest();
        let mut began = self.began;
        loop {
            let passed = self.clock.monotonic().saturating_sub(began);
            let time = self.clock.sleep(SNAPSHOT_EVERY.saturating_sub(passed));
            tokio::pin!(time);
            while *committed.borrow_and_update() < newest.saturating_add(SNAPSHOT_EVENTS) {
                tokio::select! {
                    () = &mut time => break,
                    changed = committed.changed() => if changed.is_err() { return },
                }
            }
            began = self.clock.monotonic();
            let last = *committed.borrow();
            if last <= newest {
                continue;
            }
            match self.make().await {
                Ok(made) => {
                    tracing::info!(
                        position = made.position,
                        events = made.events,
                        bytes = made.bytes,
                        "a snapshot was made"
                    );
                    newest = made.position;
                }
                Err(error) => {
                    tracing::warn!(error = %Causes(&error), "no snapshot was made; the next start reads more of the log");
                    // Not tried again with every event.
                    newest = last;
                }
            }
        }
    }

    /// Leaves one for the next start, when that takes a moment only.
    pub async fn leave(&self) {
        let tail = self
            .reader
            .next_position()
            .saturating_sub(self.newest())
            .saturating_sub(1);
        if tail > LEFT_EVENTS_MAX {
            tracing::info!(
                events = tail,
                "no snapshot is left, as that would take long; the next start reads the log"
            );
            return;
        }
        match self.make().await {
            Ok(_) | Err(SnapshotError::Empty) => {}
            Err(error) => {
                tracing::warn!(error = %Causes(&error), "no snapshot was left");
            }
        }
    }

    /// Position of the newest one that is whole; 0 without any.
    fn newest(&self) -> u64 {
        self.list()
            .iter()
            .find(|listed| listed.is_of_use())
            .map_or(0, |listed| listed.found.position)
    }
}

impl Listed {
    /// Whether a start would take it.
    pub fn is_of_use(&self) -> bool {
        !self.is_beyond && self.found.condition == snapshot::Condition::Whole
    }

    /// Why a start would pass it over, in words; empty when it would not.
    pub fn why_not(&self) -> String {
        match self.found.condition {
            snapshot::Condition::Damaged => "it is damaged".to_owned(),
            snapshot::Condition::OtherFormat(format) => format!(
                "it has format {format}, and this program reads {}",
                wire::SNAPSHOT_FORMAT
            ),
            snapshot::Condition::Whole if self.is_beyond => {
                "the log does not reach that far".to_owned()
            }
            snapshot::Condition::Whole => String::new(),
        }
    }
}

/// The snapshot files of a data folder, newest first.
pub fn list(data: &Path, reader: &Reader<Event>) -> Vec<Listed> {
    let next = reader.next_position();
    snapshot::list(data)
        .into_iter()
        .rev()
        .filter_map(|position| snapshot::look(data, position, wire::SNAPSHOT_FORMAT))
        .map(|found| Listed {
            found,
            is_beyond: found.position >= next,
        })
        .collect()
}

/// Makes a snapshot of what can be read of the log.
pub fn make(data: &Path, reader: &Reader<Event>) -> Result<Made, SnapshotError> {
    let last = reader.next_position().saturating_sub(1);
    if last == 0 {
        return Err(SnapshotError::Empty);
    }
    let mut state = from_snapshot(data, last);
    let before = state.position;
    let events = fold_through(&mut state, reader, last)?;
    let bytes = wire::encode_state(&state).map_err(SnapshotError::Encode)?;
    let position = state.position;
    drop(state);
    let known = position == before;
    if !known {
        snapshot::write(data, position, wire::SNAPSHOT_FORMAT, &bytes)?;
    }
    snapshot::prune(data, wire::SNAPSHOT_FORMAT, last, SNAPSHOTS_KEPT)
        .map_err(SnapshotError::Prune)?;
    Ok(Made {
        position,
        bytes: bytes.len() as u64,
        events,
        known,
    })
}
