//! Working on the store of a stopped program.

use std::path::Path;
use std::sync::Arc;

use notify_store::verify::for_each_whole_frame;
use notify_store::{CACHE_BYTES, Reader};

use super::failure::Failure;
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::shell::app;
use crate::shell::clock::SystemClock;
use crate::shell::http::front::Phase;
use crate::shell::ledger::{Causes, Ledger, LedgerThread, Priority};
use crate::shell::salvage;
use crate::shell::vault::Vault;
use crate::wire;

/// What changes made here are said to be made by.
pub const BY: &str = "command line";

/// A store opened for writing. Nobody else has it meanwhile.
pub struct Writable {
    pub ledger: Ledger,
    pub vault: Vault,
    thread: LedgerThread,
}

/// Whether a verb may make a store where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Create,
    Refuse,
}

fn quiet(_: Phase, _: u64, _: u64) {}

impl Writable {
    pub async fn open(
        data: &Path,
        key_file: Option<&Path>,
        missing: Missing,
    ) -> Result<Writable, Failure> {
        if missing == Missing::Refuse {
            // Fails for what is not a store, and says so.
            reader(data)?;
        }
        let opened = app::open(data, key_file, CACHE_BYTES, &quiet)?;
        let unfounded = opened.state.founding.is_none();
        let keyring = Arc::new(opened.keyring);
        let (ledger, thread) = Ledger::start(
            opened.log,
            opened.state,
            Arc::clone(&keyring),
            Arc::new(SystemClock::new()),
        )
        .map_err(|error| Failure::caused("a thread cannot be started", error))?;
        if unfounded {
            ledger.command(Priority::People, app::found()).await?;
        }
        Ok(Writable {
            vault: Vault::new(ledger.clone(), keyring),
            ledger,
            thread,
        })
    }

    /// Writes what waits and lets the store go.
    pub fn close(self) {
        drop(self.vault);
        drop(self.ledger);
        self.thread.stop();
    }
}

/// A store opened for reading, and the state its log leads to.
pub struct Readable {
    pub reader: Reader<Event>,
    pub state: State,
}

/// A store opened for reading, and only that.
pub fn reader(data: &Path) -> Result<Reader<Event>, Failure> {
    let reader = notify_store::open_read_only::<Event>(data)
        .map_err(|error| Failure::Failed(Causes(&error).to_string()))?;
    if let Some(trouble) = reader.trouble() {
        let trouble = Causes(trouble);
        super::printer::complain(&format!(
            "the store is read as far as it is whole: {trouble}"
        ));
    }
    Ok(reader)
}

/// The state that the whole events lead to; those that are lost are told.
fn as_far_as_whole(reader: &Reader<Event>) -> Result<State, Failure> {
    let (mut state, mut rows) = (State::default(), Rows::new());
    let last = reader.next_position().saturating_sub(1);
    for_each_whole_frame(
        reader,
        1,
        last,
        &mut |header, payload| {
            if let Ok(event) = wire::decode_for_state(header.kind, header.revision, payload) {
                let at = At {
                    position: header.position,
                    recorded_at: header.recorded_at,
                };
                state.evolve(at, &event, &mut rows);
                rows.clear();
            }
            true
        },
        &mut |from, to, why| {
            super::printer::complain(&format!("  lost: positions {from} to {to}: {why}"));
        },
    )
    .map_err(|error| Failure::Failed(Causes(&error).to_string()))?;
    Ok(state)
}

impl Readable {
    /// For who looks at the log alone: also where it cannot be folded, or not quickly.
    pub fn unfolded(data: &Path) -> Result<Readable, Failure> {
        Ok(Readable {
            reader: reader(data)?,
            state: State::default(),
        })
    }

    pub fn open(data: &Path) -> Result<Readable, Failure> {
        let reader = reader(data)?;
        let state = match app::rebuild(data, &reader, &quiet) {
            Ok(state) => state,
            Err(error) if salvage::is_damage(&error) => {
                super::printer::complain(&format!(
                    "the store is damaged, and what it says may lack something: {}",
                    Causes(&error)
                ));
                as_far_as_whole(&reader)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Readable { reader, state })
    }
}
