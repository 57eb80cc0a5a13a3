//! One error per operation: opening, reading, appending.

use std::any::Any;
use std::io;
use std::path::PathBuf;

use crate::batch::Refused;
use crate::payload::DecodeError;

/// Something written by a newer program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, written by {written_by}; use that program or a later one")]
pub struct Newer {
    /// What is newer, for instance `store format 2` or `event kind 9 at position 12`.
    pub what: String,
    /// Name and version of the program that last wrote to the store.
    pub written_by: String,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("{} is in use{}; stop that process, or ask it with --url", dir.display(), by(*.pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error("there is no store in {}", dir.display())]
    Missing { dir: PathBuf },
    #[error("no permission for {}; check owner and mode, or whether it is mounted read-only", path.display())]
    Permission { path: PathBuf, source: io::Error },
    #[error("cannot use {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged{}: {why}; restore a backup, or read what is whole with the store opened read-only", path.display(), at(*.position))]
    Damaged {
        path: PathBuf,
        position: Option<u64>,
        why: String,
    },
    #[error("{} has something this program must not write over", path.display())]
    Newer { path: PathBuf, source: Newer },
    #[error("cannot open {}", path.display())]
    Storage {
        path: PathBuf,
        source: Box<redb::Error>,
    },
}

/// Why something could not be read. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("the store is damaged{}: {why}", at(*.position))]
    Damaged { position: Option<u64>, why: String },
    #[error("position {position} cannot be read by this program")]
    Newer { position: u64, source: Newer },
    #[error("position {position} is whole but its payload cannot be read")]
    Payload { position: u64, source: DecodeError },
    #[error("the store is closed or being opened again")]
    Closed,
    #[error("reading the store failed")]
    Storage(#[source] Box<redb::Error>),
}

/// Why a transaction did not happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Bad input; nothing was written.
    #[error("refused")]
    Refused(#[from] Refused),
    /// Nothing was written.
    #[error("{free_bytes} bytes are free in {}, fewer than the {min_free_bytes} kept; make room", path.display())]
    DiskLow {
        path: PathBuf,
        free_bytes: u64,
        min_free_bytes: u64,
    },
    /// The transaction may or may not be on disk. Call `reopen` and look.
    #[error("the transaction failed; the store must be opened again")]
    Failed(#[source] Box<redb::Error>),
    /// The transaction was not made, because the file is damaged. Call `reopen`.
    #[error("the store is damaged: {why}")]
    Damaged { why: String },
    /// Something that was to be removed cannot be read; nothing was written.
    #[error("what is to be removed cannot be read")]
    Unreadable(#[source] ReadError),
    /// An earlier transaction failed; nothing was written. Call `reopen`.
    #[error("an earlier transaction failed; the store must be opened again")]
    NeedsReopen,
}

impl AppendError {
    /// Whether `reopen` has to be called before anything else is appended.
    pub fn needs_reopen(&self) -> bool {
        match self {
            Self::Refused(_) | Self::DiskLow { .. } | Self::Unreadable(_) => false,
            Self::Failed(_) | Self::Damaged { .. } | Self::NeedsReopen => true,
        }
    }
}

impl ReadError {
    pub(crate) fn damaged(position: impl Into<Option<u64>>, why: impl Into<String>) -> Self {
        Self::Damaged {
            position: position.into(),
            why: why.into(),
        }
    }
}

impl From<redb::Error> for ReadError {
    fn from(error: redb::Error) -> Self {
        match damage(&error) {
            Some(why) => Self::damaged(None, why),
            None if matches!(error, redb::Error::DatabaseClosed) => Self::Closed,
            None => Self::Storage(Box::new(error)),
        }
    }
}

impl From<redb::StorageError> for ReadError {
    fn from(error: redb::StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<redb::TableError> for ReadError {
    fn from(error: redb::TableError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<redb::TransactionError> for ReadError {
    fn from(error: redb::TransactionError) -> Self {
        redb::Error::from(error).into()
    }
}

/// What is wrong with the bytes of the file, if that is what the error says.
pub(crate) fn damage(error: &redb::Error) -> Option<String> {
    match error {
        redb::Error::Corrupted(why) => Some(why.clone()),
        redb::Error::TableDoesNotExist(name) => Some(format!("table {name} is missing")),
        redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_) => Some(error.to_string()),
        redb::Error::Io(io)
            if matches!(
                io.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Some(io.to_string())
        }
        _ => None,
    }
}

/// The words of a caught panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    format!("the database gave up on the file: {text}")
}

fn at(position: Option<u64>) -> String {
    position.map_or_else(String::new, |p| format!(" at position {p}"))
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |p| format!(" by process {p}"))
}
