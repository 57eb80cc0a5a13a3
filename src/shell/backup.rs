//! Backups: the store as one file, made while it serves.
//!
//! `store/src/backup/README.md` describes the bytes. What this program puts into the two pieces that
//! are its own: *about* is a JSON object ([`About`]); *key* is described in [`key`].
//!
//! **Invariant:** a backup file has its name only when it is complete and safely on disk; what has not
//! is called `….part` and removed by the next backup.
//!
//! **Invariant:** a backup never fills the disk on which the store lies.

pub mod folder;
pub mod jobs;
pub mod key;
pub mod schedule;

use std::collections::BTreeMap;
use std::io::Write;

use notify_store::backup::{self, CopyError, CopyOptions, Totals};
use notify_store::{ReadError, Reader};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::app::PROGRAM;
use super::keyring::{Aad, Keyring};
use crate::domain::event::Event;
use crate::domain::state::State;
use key::KeyPiece;

/// What becomes of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrets {
    /// They are left out, and are set anew after a restore.
    Omit,
    /// As they lie in the store: of use with the key, which goes along when a passphrase wraps it.
    #[default]
    Sealed,
    /// In the clear: whoever has the file has them.
    Plain,
}

impl Secrets {
    pub const ALL: [Secrets; 3] = [Secrets::Omit, Secrets::Sealed, Secrets::Plain];

    pub fn as_str(self) -> &'static str {
        match self {
            Secrets::Omit => "omit",
            Secrets::Sealed => "sealed",
            Secrets::Plain => "plain",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Secrets::ALL.into_iter().find(|how| how.as_str() == text)
    }
}

/// What is wanted of a backup.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    pub secrets: Secrets,
    /// Wraps the key, so that file and passphrase restore anywhere.
    pub passphrase: Option<Zeroizing<String>>,
}

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Name and version of the program that made it.
    pub program: String,
    /// Microseconds since 1970.
    pub made_at: i64,
    /// The position up to which it reaches.
    pub through: u64,
    pub secrets: Secrets,
    /// Which key opens the secrets.
    pub key: Option<String>,
    /// Whether that key goes along, behind a passphrase.
    pub wrapped: bool,
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    #[error(
        "{} exists already; choose another name", path.display()
    )]
    Exists { path: std::path::PathBuf },
    #[error("{} cannot be {doing}{}", path.display(), hint(source))]
    File {
        path: std::path::PathBuf,
        doing: &'static str,
        source: std::io::Error,
    },
    #[error(
        "only {free_bytes} bytes are free in {}, and {} are kept for the store; make room", path.display(), super::app::INTAKE_FREE_BYTES_MIN
    )]
    DiskLow {
        path: std::path::PathBuf,
        free_bytes: u64,
    },
    #[error("the backup is not whole")]
    Copy(#[from] CopyError),
    #[error("the key cannot be put into the backup")]
    Key(#[from] key::WrapError),
    #[error(
        "the store's key is not at hand, so that secrets cannot be opened or wrapped; choose `--secrets sealed` without a passphrase, or `omit`"
    )]
    NoKey,
    #[error(
        "a secret cannot be opened, so that the backup would lack it; verify the store, or choose `--secrets sealed`"
    )]
    Locked,
    #[error("{what} is being made; try again when it is done")]
    Busy { what: &'static str },
}

/// What to do about an error of a file, where that is known.
fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "; the disk is full: make room, or choose another folder"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "; it is mounted read-only: choose another folder"
        }
        std::io::ErrorKind::PermissionDenied => "; check owner and mode of the folder",
        std::io::ErrorKind::NotFound => "; make the folder first",
        _other => "",
    }
}

/// Gives the state as it is when it is asked to whom it is shown.
pub type ShowState<'a> = &'a (dyn Fn(&mut dyn FnMut(&State)) + Sync);

/// What a backup is made of.
pub struct Source<'a> {
    pub reader: &'a Reader<Event>,
    pub keyring: &'a Keyring,
    pub state: ShowState<'a>,
}

/// Writes a backup to `out`. `progress` is told positions, and says whether to go on.
pub fn write<W: Write>(
    source: &Source<'_>,
    wishes: &Wishes,
    now: i64,
    out: W,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(W, About, Totals), MakeError> {
    let keyring = source.keyring;
    let needs_key = wishes.secrets == Secrets::Plain
        || (wishes.secrets == Secrets::Sealed && wishes.passphrase.is_some());
    if needs_key && keyring.is_stand_in() {
        return Err(MakeError::NoKey);
    }
    // Before anything is read: it takes a second, and a key that rotates meanwhile is read again.
    let mut about = About {
        program: PROGRAM.to_owned(),
        made_at: now,
        through: 0,
        secrets: wishes.secrets,
        key: None,
        wrapped: false,
    };
    let mut failed = None;
    let mut opened = BTreeMap::new();
    let secrets = std::cell::RefCell::new(&mut opened);
    let copied = backup::copy(
        source.reader,
        out,
        CopyOptions {
            about: &mut |through, all| {
                about.through = through;
                let piece = match wishes.secrets {
                    Secrets::Omit => Ok(None),
                    Secrets::Sealed => {
                        about.key = (!keyring.is_stand_in()).then(|| keyring.id().to_string());
                        match &wishes.passphrase {
                            None => Ok(None),
                            Some(passphrase) => {
                                about.wrapped = true;
                                KeyPiece::wrap(&keyring.text(), passphrase)
                                    .map(Some)
                                    .map_err(MakeError::Key)
                            }
                        }
                    }
                    Secrets::Plain => match open_all(source, all) {
                        Some(all) => {
                            **secrets.borrow_mut() = all;
                            Ok(Some(KeyPiece::marks(&keyring.marks())))
                        }
                        None => Err(MakeError::Locked),
                    },
                };
                let piece = piece.unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                });
                let json = serde_json::to_vec(&about).unwrap_or_default();
                (json, piece.map(|piece| piece.bytes()))
            },
            secret: &mut |(position, field, sealed)| match wishes.secrets {
                Secrets::Omit => None,
                Secrets::Sealed => Some(sealed.clone()),
                Secrets::Plain => secrets
                    .borrow()
                    .get(&(*position, *field))
                    .map(|opened: &Zeroizing<Vec<u8>>| opened.to_vec()),
            },
            progress: &mut |at| progress(at.done, at.of),
        },
    );
    if let Some(failed) = failed {
        return Err(failed);
    }
    let (out, totals) = copied?;
    Ok((out, about, totals))
}

type OpenedSecrets = BTreeMap<(u64, u16), Zeroizing<Vec<u8>>>;

/// Opens every secret; `None` when one cannot be opened.
fn open_all(source: &Source<'_>, all: &[(u64, u16, Vec<u8>)]) -> Option<OpenedSecrets> {
    let mut places = BTreeMap::new();
    (source.state)(&mut |state| {
        for (entity, field, mark) in state.configuration.all_secrets() {
            places.insert((mark.position, mark.slot), (entity, field.to_owned()));
        }
    });
    let mut opened = OpenedSecrets::new();
    for (position, slot, sealed) in all {
        let (entity, field) = places.get(&(*position, *slot))?;
        let aad = Aad {
            space: 0,
            entity: *entity,
            field,
        };
        opened.insert((*position, *slot), source.keyring.open(aad, sealed).ok()?);
    }
    Some(opened)
}

/// Whether the store itself could not be read.
pub fn is_damage(error: &MakeError) -> bool {
    match error {
        MakeError::Copy(error) => {
            error.is_damage() || matches!(error, CopyError::Read(ReadError::Damaged { .. }))
        }
        MakeError::Exists { .. }
        | MakeError::File { .. }
        | MakeError::DiskLow { .. }
        | MakeError::Key(_)
        | MakeError::NoKey
        | MakeError::Locked
        | MakeError::Busy { .. } => false,
    }
}
