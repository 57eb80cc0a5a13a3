//! A damaged store: what of it is lost, and going on without that.
//!
//! **Invariant:** nothing is written over a damaged store. What is whole is copied beside it, and takes
//! its place in one step; the damaged file is kept under `damaged-<time>/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify_store::salvage::{self, Lost, SalvageError};
use notify_store::verify::for_each_whole_frame;
use notify_store::{FolderLock, Log, OpenError, Options, ReadError, open_read_only, snapshot};

use super::app::{PROGRAM, StartError};
use super::caches::{RebuildError, leave_snapshot, rows};
use super::clock::SystemClock;
use super::keyring::Keyring;
use super::ledger::{Ledger, LedgerError, Priority};
use crate::domain::command::Command;
use crate::domain::event::Event;

/// Where what is whole is gathered, within the data folder.
const GATHERED: &str = "salvaging";
/// The file of a store.
const STORE: &str = "bridge.redb";
/// Stretches that are told one by one.
const TOLD_MAX: usize = 20;

/// Why a damaged store was not replaced. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    #[error("the damaged store cannot be opened even for reading; restore a backup")]
    Open(#[from] OpenError),
    #[error("what is whole cannot be copied")]
    Copy(#[from] SalvageError),
    #[error("rows cannot be made of what is whole")]
    Rows(#[from] RebuildError),
    #[error("the loss cannot be noted")]
    Note(#[from] LedgerError),
    #[error("{} cannot be {doing}", path.display())]
    File {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
}

/// What was lost, and where the damaged store is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub lost: Vec<Lost>,
    pub kept_as: PathBuf,
}

/// Whether a start failed because the store is damaged.
pub fn is_damage(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Store(OpenError::Damaged { .. })
            | StartError::Read(ReadError::Damaged { .. } | ReadError::Payload { .. })
            | StartError::Decode { .. }
    )
}

/// What of a damaged store is lost, in words, without changing anything.
pub fn losses(data: &Path) -> Vec<String> {
    let reader = match open_read_only::<Event>(data) {
        Ok(reader) => reader,
        Err(error) => return vec![format!("nothing of it can be read: {error}")],
    };
    let last = reader.next_position().saturating_sub(1);
    let (mut told, mut count, mut whole) = (Vec::new(), 0, 0u64);
    let mut unknown = Vec::new();
    let walked = for_each_whole_frame(
        &reader,
        1,
        last,
        &mut |header, payload| {
            match crate::wire::decode_for_state(header.kind, header.revision, payload) {
                Ok(_) => whole += 1,
                Err(error) if unknown.len() < TOLD_MAX => {
                    unknown.push(format!("position {}: {error}", header.position));
                }
                Err(_) => {}
            }
            true
        },
        &mut |from, to, why| {
            count += 1;
            told.push(format!("positions {from} to {to}: {why}"));
            told.truncate(TOLD_MAX);
        },
    );
    if count > told.len() {
        told.push(format!("and {} more stretches", count - told.len()));
    }
    told.extend(unknown);
    if let Some(trouble) = reader.trouble() {
        told.push(trouble.to_string());
    }
    if let Err(error) = walked {
        told.push(format!("the rest cannot be read: {error}"));
    }
    told.push(format!("{whole} of up to {last} events are whole"));
    told
}

/// Puts what is whole of a damaged store in its place.
pub async fn accept(data: &Path, now: i64, by: &str) -> Result<Accepted, AcceptError> {
    let gathered = data.join(GATHERED);
    let file = |path: &Path, doing| {
        let path = path.to_owned();
        move |source| AcceptError::File {
            path,
            doing,
            source,
        }
    };
    let options = Options {
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let lost = {
        let reader = open_read_only::<Event>(data)?;
        // Left by one that was cut off.
        match fs::remove_dir_all(&gathered) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file(&gathered, "removed")(error));
            }
            Ok(()) | Err(_) => {}
        }
        salvage::salvage(&reader, &gathered, &options)?
    };
    let at = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
    let kept_as = format!("damaged-{}", at.strftime("%Y%m%dT%H%M%SZ"));
    let mut log = Log::<Event>::open(&gathered, &options, &|_| {})?;
    let (state, ..) = rows(&mut log, &mut |_, _| {})?;
    let stretches: Vec<(u64, u64)> = lost
        .iter()
        .filter_map(|lost| match lost {
            Lost::Frames { from, to, .. } => Some((*from, *to)),
            Lost::Body { .. } | Lost::Table { .. } => None,
        })
        .collect();
    let others = (lost.len() - stretches.len()) as u32;
    let (ledger, thread) = Ledger::start(
        log,
        state,
        Arc::new(Keyring::stand_in()),
        Arc::new(SystemClock::new()),
    )
    .map_err(file(&gathered, "written"))?;
    let note = Command::AcceptLoss {
        stretches,
        others,
        kept_as: kept_as.clone(),
        by: by.to_owned(),
    };
    ledger.command(Priority::People, note).await?;
    drop(ledger);
    let state = thread.stop();
    let kept = data.join(&kept_as);
    let _lock = FolderLock::exclusive(data)?;
    fs::create_dir_all(&kept).map_err(file(&kept, "made"))?;
    let (damaged, new) = (data.join(STORE), gathered.join(STORE));
    fs::hard_link(&damaged, kept.join(STORE))
        .or_else(|_no_links| fs::copy(&damaged, kept.join(STORE)).map(drop))
        .map_err(file(&kept, "written"))?;
    // What they know of the lost part would stand against the log.
    let snapshots = data.join(snapshot::FOLDER);
    if snapshots.exists() {
        fs::rename(&snapshots, kept.join(snapshot::FOLDER)).map_err(file(&snapshots, "moved"))?;
    }
    fs::rename(&new, &damaged).map_err(file(&damaged, "replaced"))?;
    fs::File::open(data)
        .and_then(|folder| folder.sync_all())
        .map_err(file(data, "synced"))?;
    if let Some(state) = state {
        leave_snapshot(data, &state);
    }
    if let Err(error) = fs::remove_dir_all(&gathered) {
        tracing::warn!(%error, "what was gathered could not be removed");
    }
    Ok(Accepted {
        lost,
        kept_as: kept,
    })
}
