//! The state made from the log: the newest snapshot, and the tail folded onto it.
//!
//! **Invariant:** a snapshot only makes this quicker. One that is damaged, of another format, or of a
//! position that the log does not have is passed over, and the log is read from its beginning.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use notify_store::{PAGE_FRAMES_MAX, Reader, snapshot};

use super::app::StartError;
use super::http::front::Phase;
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

/// Decoded events between the reading and the folding thread, in pages.
const REBUILD_PAGES_MAX: usize = 4;
/// Events after which the log of the program says how far it is.
const SAID_EVERY_EVENTS: u64 = 500_000;

/// The state of the newest snapshot that is of use up to `last`; an empty one without any.
pub fn from_snapshot(data: &Path, last: u64) -> State {
    let mut before = last;
    // One whose bytes are whole and still no state is passed over like one that is damaged.
    while let Some((position, bytes)) =
        snapshot::newest_through(data, wire::SNAPSHOT_FORMAT, before)
    {
        let state = wire::decode_state(&bytes).ok();
        if let Some(state) = state.filter(|state| state.position == position) {
            return state;
        }
        let Some(earlier) = position.checked_sub(1) else {
            break;
        };
        before = earlier;
    }
    State::default()
}

/// The state as the log says. Reading and decoding run on a thread of their own.
pub fn rebuild(
    data: &Path,
    reader: &Reader<Event>,
    progress: &(dyn Fn(Phase, u64, u64) + Sync),
) -> Result<State, StartError> {
    let last = reader.next_position().saturating_sub(1);
    let mut state = from_snapshot(data, last);
    let first = state.position + 1;
    let mut say_at = state.position + SAID_EVERY_EVENTS;
    progress(Phase::Rebuilding, state.position, last);
    let (send, receive) = sync_channel::<Result<Vec<(At, Event)>, StartError>>(REBUILD_PAGES_MAX);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rebuild".into());
        thread
            .spawn_scoped(scope, move || read_pages(reader, first, &send))
            .map_err(StartError::Thread)?;
        let mut rows: Rows = Vec::new();
        for page in receive {
            for (at, event) in page? {
                state.evolve(at, &event, &mut rows);
                rows.clear();
            }
            progress(Phase::Rebuilding, state.position, last);
            if state.position >= say_at {
                say_at = state.position + SAID_EVERY_EVENTS;
                tracing::info!(done = state.position, of = last, "the log is being read");
            }
        }
        let (snapshot, events) = (first - 1, (state.position + 1).saturating_sub(first));
        tracing::info!(
            position = state.position,
            snapshot,
            events,
            "the state is made from the newest snapshot and the log after it"
        );
        Ok(state)
    })
}

/// Folds events onto a state, up to `last`, on this thread alone: for who has time.
pub fn fold_through(
    state: &mut State,
    reader: &Reader<Event>,
    last: u64,
) -> Result<u64, StartError> {
    let (mut rows, mut folded) = (Rows::new(), 0);
    while state.position < last {
        let page = decode_page(reader, state.position + 1)?;
        if page.is_empty() {
            break;
        }
        for (at, event) in page {
            if at.position > last {
                return Ok(folded);
            }
            state.evolve(at, &event, &mut rows);
            rows.clear();
            folded += 1;
        }
    }
    Ok(folded)
}

fn read_pages(
    reader: &Reader<Event>,
    mut from: u64,
    send: &SyncSender<Result<Vec<(At, Event)>, StartError>>,
) {
    loop {
        let page = decode_page(reader, from);
        let last = match &page {
            Ok(page) => page.last().map(|(at, _)| at.position),
            Err(_) => None,
        };
        if last.is_none() && page.is_ok() {
            return;
        }
        // The folding side is gone only when it has failed itself.
        if send.send(page).is_err() {
            return;
        }
        match last {
            Some(last) => from = last + 1,
            None => return,
        }
    }
}

/// The events from `from` on, as many as one page has; none at the end.
fn decode_page(reader: &Reader<Event>, from: u64) -> Result<Vec<(At, Event)>, StartError> {
    let mut page = Vec::with_capacity(PAGE_FRAMES_MAX);
    let mut fault = None;
    reader.for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
        if fault.is_some() {
            return;
        }
        match wire::decode_for_state(header.kind, header.revision, payload) {
            Ok(event) => {
                let at = At {
                    position: header.position,
                    recorded_at: header.recorded_at,
                };
                page.push((at, event));
            }
            Err(source) => {
                fault = Some(StartError::Decode {
                    position: header.position,
                    source,
                });
            }
        }
    })?;
    match fault {
        Some(fault) => Err(fault),
        None => Ok(page),
    }
}
