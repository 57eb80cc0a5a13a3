//! `restore`: a backup becomes a store.
//!
//! Everything happens in a folder beside the place, and is verified there; the last step is a rename.
//! Until then there is no store, and what was begun is thrown away by the next try.
//!
//! **Invariant:** a restored store is paused: its first events are a new epoch, and a hold of everything
//! that was due.
//!
//! **Invariant:** whatever the bytes of a backup are, they give an error at worst.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify_store::backup::{Backup, BackupError, Piece};
use notify_store::{
    AppendError, Batch, FolderLock, Frames, Log, OpenError, Options, SecretChange, open_read_only,
    snapshot,
};
use zeroize::Zeroizing;

use super::app::PROGRAM;
use super::backup::key::{Holds, KeyPiece, UnwrapError};
use super::backup::{About, Secrets};
use super::caches::{SEARCH_FOLDER, leave_snapshot};
use super::clock::Clock;
use super::entropy::{Entropy as _, SystemEntropy};
use super::keyring::{Aad, KeyError, Keyring};
use super::ledger::{Ledger, LedgerError, Priority};
use super::verify::{self, Beside, Index, Report, VerifyError};
use crate::domain::command::{Command, Restore, Told};
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

/// Where a store is put together, within the data folder.
const BESIDE: &str = "restoring";
/// The file of a store.
const STORE: &str = "bridge.redb";
/// redb's page cache while a store is written, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What is to be restored, and where.
pub struct Request<'a> {
    pub file: &'a Path,
    pub data: &'a Path,
    /// Where the key is or is put, when not in the data folder.
    pub key_file: Option<&'a Path>,
    pub passphrase: Option<Zeroizing<String>>,
    pub by: &'a str,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    pub about: About,
    pub report: Report,
    /// Deliveries that wait for a person.
    pub held: u64,
    /// Whether the key that opens the secrets is in place.
    pub has_key: bool,
}

/// Why nothing was restored. The folder is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    #[error("{} holds a store already ({what}); restore into an empty folder", data.display())]
    NotEmpty { data: PathBuf, what: &'static str },
    #[error("{} cannot be {doing}", path.display())]
    File {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
    #[error("{} cannot be restored", path.display())]
    Backup { path: PathBuf, source: BackupError },
    #[error("what the backup says of itself cannot be read: {0}")]
    About(String),
    #[error("the backup holds an event this program cannot take, at position {position}: {why}")]
    Event { position: u64, why: String },
    #[error("the backup is not whole: {0}")]
    NotWhole(String),
    #[error("the key of the backup is behind a passphrase; give it with --passphrase-file")]
    NeedsPassphrase,
    #[error(
        "a passphrase was given, and the backup has no key; put its key file in place yourself"
    )]
    NoWrappedKey,
    #[error("the key of the backup cannot be opened")]
    Unwrap(#[from] UnwrapError),
    #[error("the key of the backup is not a key: it {0}")]
    BadKey(&'static str),
    #[error("key file {} is there already and is another key; move it away first", path.display())]
    OtherKey { path: PathBuf },
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error("the folder cannot be used")]
    Open(#[from] OpenError),
    #[error("the store cannot be written")]
    Append(#[from] AppendError),
    #[error("what was restored cannot be verified")]
    Verify(#[from] VerifyError),
    #[error("what was restored is not what it should be: {first}{}", if *more > 0 { format!(" (and {more} more)") } else { String::new() })]
    Unproven { first: String, more: u64 },
    #[error("the first events cannot be written")]
    Ledger(#[from] LedgerError),
}

/// Restores a backup. `progress` is told what is done, in words, and how far it is.
pub async fn restore(
    request: &Request<'_>,
    clock: Arc<dyn Clock>,
    progress: &(dyn Fn(&'static str, u64, u64) + Sync),
) -> Result<Restored, RestoreError> {
    let data = request.data;
    // Held to the end: nobody starts over a folder in which a store is about to be.
    let _lock = FolderLock::exclusive(data)?;
    refuse_occupied(data)?;
    let beside = data.join(BESIDE);
    let key_path = request
        .key_file
        .map_or_else(|| data.join("secret.key"), Path::to_owned);
    remove(&beside)?;
    let loaded = load(request, &beside, &key_path, progress);
    let done = match loaded {
        Ok(loaded) => finish(request, loaded, &beside, &key_path, clock, progress).await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        // The error that led here is what is told.
        let _left = fs::remove_dir_all(&beside);
    }
    done
}

fn refuse_occupied(data: &Path) -> Result<(), RestoreError> {
    let occupied = |what| RestoreError::NotEmpty {
        data: data.to_owned(),
        what,
    };
    if fs::symlink_metadata(data.join(STORE)).is_ok() {
        return Err(occupied(STORE));
    }
    // Snapshots of another log would be taken for those of this one.
    if !snapshot::list(data).is_empty() {
        return Err(occupied(snapshot::FOLDER));
    }
    if data.join(SEARCH_FOLDER).exists() {
        return Err(occupied(SEARCH_FOLDER));
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), RestoreError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(RestoreError::File {
            path: folder.to_owned(),
            doing: "removed",
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A store put together and not proven yet.
struct Loaded {
    about: About,
    /// What opens its secrets, when that is at hand.
    keyring: Option<Keyring>,
    /// Whether that has still to be written to its file.
    new_key: bool,
}

/// Puts the store together in `beside`.
fn load(
    request: &Request<'_>,
    beside: &Path,
    key_path: &Path,
    progress: &(dyn Fn(&'static str, u64, u64) + Sync),
) -> Result<Loaded, RestoreError> {
    let damaged = |source| RestoreError::Backup {
        path: request.file.to_owned(),
        source,
    };
    let file = File::open(request.file).map_err(|source| RestoreError::File {
        path: request.file.to_owned(),
        doing: "opened",
        source,
    })?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut backup = Backup::open(BufReader::new(file)).map_err(damaged)?;
    let about: About = match backup.next().map_err(damaged)? {
        Some(Piece::About(json)) => {
            serde_json::from_slice(&json).map_err(|error| RestoreError::About(error.to_string()))?
        }
        Some(_) | None => return Err(RestoreError::About("it says nothing".into())),
    };
    let options = Options {
        cache_bytes: CACHE_BYTES,
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let mut writing = Writing {
        log: Log::open(beside, &options, &|_| {})?,
        state: State::default(),
        rows: Rows::new(),
        keyring: None,
        new_key: false,
        about,
    };
    let mut key = None;
    let mut began = false;
    while let Some(piece) = backup.next().map_err(damaged)? {
        if !matches!(piece, Piece::Key(_)) && !began {
            began = true;
            writing.find_key(request, key_path, key.take())?;
        }
        match piece {
            Piece::About(_) => return Err(RestoreError::About("it says it twice".into())),
            Piece::Key(bytes) => key = Some(KeyPiece::of(bytes)),
            Piece::Frames(frames) => writing.frames(&frames)?,
            Piece::Bodies(bodies) => writing.log.append(&Batch {
                bodies,
                ..Batch::default()
            })?,
            Piece::Secrets(secrets) => writing.secrets(secrets)?,
            Piece::Meta(meta) => writing.log.append(&Batch {
                meta,
                ..Batch::default()
            })?,
            Piece::End(totals) => {
                if totals.through != writing.state.position
                    || totals.through != writing.about.through
                {
                    return Err(RestoreError::NotWhole(format!(
                        "it reaches position {}, and should reach {}",
                        writing.state.position, writing.about.through
                    )));
                }
            }
        }
        progress("reading", backup.bytes_read(), size);
    }
    writing.log.close()?;
    Ok(Loaded {
        about: writing.about,
        keyring: writing.keyring,
        new_key: writing.new_key,
    })
}

/// A store that is being written.
struct Writing {
    log: Log<Event>,
    state: State,
    rows: Rows,
    keyring: Option<Keyring>,
    new_key: bool,
    about: About,
}

impl Writing {
    /// Settles which key there will be. A key file that is in place stays what it is.
    fn find_key(
        &mut self,
        request: &Request<'_>,
        path: &Path,
        piece: Option<KeyPiece>,
    ) -> Result<(), RestoreError> {
        let there = match Keyring::open_file(path) {
            Ok(keyring) => Some(keyring),
            Err(KeyError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let other = || RestoreError::OtherKey {
            path: path.to_owned(),
        };
        let holds = piece.as_ref().map(KeyPiece::holds).transpose()?;
        let keyring = match (holds, piece) {
            (Some(Holds::Wrapped), Some(piece)) => {
                let Some(passphrase) = &request.passphrase else {
                    return Err(RestoreError::NeedsPassphrase);
                };
                let text = piece.unwrap(passphrase)?;
                let keyring = Keyring::of_text(&text).map_err(RestoreError::BadKey)?;
                match there {
                    Some(there) if there.text() == keyring.text() => Some(there),
                    Some(_) => return Err(other()),
                    None => {
                        self.new_key = true;
                        Some(keyring)
                    }
                }
            }
            (Some(Holds::Marks(marks)), _) => match there {
                // Left by a try that was cut off, or put there because the fingerprints are known.
                Some(there) if *there.marks() == marks => Some(there),
                Some(_) => return Err(other()),
                None => {
                    self.new_key = true;
                    Some(Keyring::new_with_marks(&marks))
                }
            },
            (Some(Holds::Wrapped) | None, None) | (None, Some(_)) => {
                if request.passphrase.is_some() && self.about.secrets == Secrets::Sealed {
                    return Err(RestoreError::NoWrappedKey);
                }
                there
            }
        };
        self.keyring = keyring;
        Ok(())
    }

    fn frames(&mut self, frames: &Frames) -> Result<(), RestoreError> {
        let (state, rows) = (&mut self.state, &mut self.rows);
        // An event that no program would have written may lead anywhere.
        let folded = catch_unwind(AssertUnwindSafe(|| {
            for (header, payload) in frames.iter() {
                let position = header.position;
                let event = wire::decode_for_state(header.kind, header.revision, payload).map_err(
                    |error| RestoreError::Event {
                        position,
                        why: error.to_string(),
                    },
                )?;
                let at = At {
                    position,
                    recorded_at: header.recorded_at,
                };
                state.evolve(at, &event, rows);
            }
            Ok(())
        }));
        let position = self.state.position;
        folded.unwrap_or_else(|_panic| {
            Err(RestoreError::Event {
                position,
                why: "it cannot be folded".into(),
            })
        })?;
        let rows: BTreeMap<u64, Vec<u8>> = self
            .rows
            .drain(..)
            .map(|(position, row)| (position, row.encode()))
            .collect();
        let beside = Batch {
            rows: rows.into_iter().collect(),
            ..Batch::default()
        };
        Ok(self.log.restore(frames, &beside)?)
    }

    fn secrets(&mut self, secrets: Vec<(u64, u16, Vec<u8>)>) -> Result<(), RestoreError> {
        let mut changes = Vec::with_capacity(secrets.len());
        for (position, field, bytes) in secrets {
            let sealed = match (self.about.secrets, &self.keyring) {
                (Secrets::Omit, _) => {
                    return Err(RestoreError::NotWhole(
                        "it says that secrets were left out, and has some".into(),
                    ));
                }
                (Secrets::Sealed, _) => bytes,
                (Secrets::Plain, None) => {
                    return Err(RestoreError::NotWhole(
                        "its secrets are in the clear, and the key of their fingerprints is missing"
                            .into(),
                    ));
                }
                (Secrets::Plain, Some(keyring)) => {
                    let plain = Zeroizing::new(bytes);
                    let place = self.state.configuration.place_of_secret(position, field);
                    let Some((entity, name)) = place else {
                        return Err(RestoreError::NotWhole(format!(
                            "it has a secret at position {position} that no entity has"
                        )));
                    };
                    let aad = Aad {
                        space: 0,
                        entity,
                        field: name,
                    };
                    keyring.seal(aad, &plain)
                }
            };
            changes.push(SecretChange {
                position,
                field,
                sealed: Some(sealed),
            });
        }
        self.log.append(&Batch {
            secrets: changes,
            ..Batch::default()
        })?;
        Ok(())
    }
}

/// Proves what was put together, writes its first events, and puts it in its place.
async fn finish(
    request: &Request<'_>,
    loaded: Loaded,
    beside: &Path,
    key_path: &Path,
    clock: Arc<dyn Clock>,
    progress: &(dyn Fn(&'static str, u64, u64) + Sync),
) -> Result<Restored, RestoreError> {
    let Loaded {
        about,
        keyring,
        new_key,
    } = loaded;
    let report = {
        let reader = open_read_only::<Event>(beside)?;
        let compared = Beside {
            data: beside,
            keyring: keyring.as_ref(),
            serving: None,
            index: Index::Folder,
        };
        verify::run(&reader, &compared, progress)?
    };
    if let Some(first) = report.problems.first() {
        return Err(RestoreError::Unproven {
            first: first.clone(),
            more: report.problems_total - 1,
        });
    }
    let file = |path: &Path, doing| {
        let path = path.to_owned();
        move |source| RestoreError::File {
            path,
            doing,
            source,
        }
    };
    let (state, held) = begin(request, &about, beside, clock, progress).await?;
    let has_key = keyring.is_some();
    if let Some(keyring) = keyring.filter(|_| new_key) {
        keyring.write_to(key_path)?;
    }
    let place = request.data.join(STORE);
    fs::rename(beside.join(STORE), &place).map_err(file(&place, "put in its place"))?;
    File::open(request.data)
        .and_then(|folder| folder.sync_all())
        .map_err(file(request.data, "synced"))?;
    leave_snapshot(request.data, &state);
    remove(beside)?;
    Ok(Restored {
        about,
        report,
        held,
        has_key,
    })
}

/// Appends what a restored store begins with. Gives the state and how many deliveries are held.
async fn begin(
    request: &Request<'_>,
    about: &About,
    beside: &Path,
    clock: Arc<dyn Clock>,
    progress: &(dyn Fn(&'static str, u64, u64) + Sync),
) -> Result<(State, u64), RestoreError> {
    let options = Options {
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let log = Log::<Event>::open(beside, &options, &|_| {})?;
    let state = super::app::rebuild(beside, &log.reader(), &|_, done, of| {
        progress("beginning", done, of);
    })
    .map_err(|error| RestoreError::NotWhole(super::ledger::Causes(&error).to_string()))?;
    let before = state.founding.map(|founding| founding.epoch);
    let keyring = Arc::new(Keyring::stand_in());
    let (ledger, thread) =
        Ledger::start(log, state, keyring, clock).map_err(|source| RestoreError::File {
            path: beside.to_owned(),
            doing: "written",
            source,
        })?;
    let epoch = loop {
        let epoch = SystemEntropy.next_u64() as u16;
        if Some(epoch) != before {
            break epoch;
        }
    };
    let restore = Restore {
        epoch,
        taken_at: about.made_at,
        written_by: about.program.clone(),
        by: request.by.to_owned(),
    };
    ledger.command(Priority::Outcome, Command::Recover).await?;
    let begin = Command::BeginRestored(Box::new(restore));
    ledger.command(Priority::Outcome, begin).await?;
    let mut held = 0;
    loop {
        let committed = ledger
            .command(Priority::Outcome, Command::HoldRestored)
            .await?;
        match committed.told {
            Told::Changed { count } if count > 0 => held += u64::from(count),
            _ => break,
        }
    }
    drop(ledger);
    let state = thread.stop().ok_or(LedgerError::Failed)?;
    Ok((state, held))
}
