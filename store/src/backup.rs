//! A backup: the log and what lies beside it as one stream of checksummed chunks.
//!
//! Read in this order: [`copy`] (a store into a backup, while it is written), [`Backup`] (a backup,
//! piece by piece), `chunk` (the bytes; `backup/README.md` lists them).
//!
//! **Invariant:** a backup holds the log up to one position and nothing after it, whatever is
//! appended meanwhile; rows are not in it, because the log says what they are.
//!
//! **Invariant:** each chunk's checksum covers the one before it, and only the last chunk says that
//! it is the last. A backup that was cut, changed or put together from two is an error.
//!
//! **Invariant:** reading allocates by bounds, never by what the bytes claim.

mod chunk;
mod copy;
mod read;

use std::io;

use crate::error::ReadError;

pub use copy::{CopyOptions, Progress, copy};
pub use read::{Backup, Piece};

/// The format this program writes, and the newest it reads.
pub const BACKUP_FORMAT: u16 = 1;
/// Content after which a chunk is written, in bytes.
pub const CHUNK_FILL_BYTES: usize = 1024 * 1024;
/// Largest content of one chunk, in bytes: a body, or a frame that came last.
pub const CHUNK_BYTES_MAX: usize = crate::batch::BODY_BYTES_MAX + 2 * CHUNK_FILL_BYTES;
/// What the caller says of a backup, in bytes.
pub const ABOUT_BYTES_MAX: usize = 64 * 1024;
/// Sealed secrets of one backup, in bytes. They are held in memory, so that all are of one moment.
pub const SECRETS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of each thing a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The position up to which the log was copied.
    pub through: u64,
    pub frames: u64,
    pub bodies: u64,
    pub secrets: u64,
    pub meta: u64,
    /// Bytes of all of them, before they were packed.
    pub bytes: u64,
}

/// Why a backup was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    #[error("the store cannot be read")]
    Read(#[from] ReadError),
    #[error("the backup cannot be written")]
    Write(#[source] io::Error),
    #[error("the log ends at {ends}, but {through} was to be copied; verify the store")]
    Short { ends: u64, through: u64 },
    #[error("secrets changed each of the {tries} times they were read; try again")]
    Unsteady { tries: u32 },
    #[error("the sealed secrets have more than {SECRETS_BYTES_MAX} bytes")]
    TooManySecrets,
    #[error("the backup was given up, because it is not wanted any more")]
    Stopped,
    #[error("a thread for reading cannot be started")]
    Thread(#[source] io::Error),
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    #[error("this is not a backup of this program")]
    NotABackup,
    #[error(
        "the backup has format {format}, and this program reads up to {BACKUP_FORMAT}; use the program that wrote it or a later one"
    )]
    Newer { format: u16 },
    #[error("the backup is damaged at byte {at}, in chunk {number}: {why}; use another backup")]
    Damaged { number: u32, at: u64, why: String },
    #[error(
        "the backup ends at byte {at}, after {chunks} chunks, before it is complete; use another backup"
    )]
    Cut { chunks: u32, at: u64 },
    #[error("the backup cannot be read")]
    Io(#[source] io::Error),
}
