//! Snapshots: checksummed files `snapshots/<position>.snap` in the data folder.
//!
//! **Invariant:** a snapshot is a cache. A file that is damaged, of another format or not a
//! snapshot at all is passed over, never an error.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::folder;

/// The folder inside the data folder.
pub const FOLDER: &str = "snapshots";
/// One snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Files of the folder that are looked at.
pub const SNAPSHOT_FILES_MAX: usize = 1_000;

/// The first four bytes: `NBSN`.
const MAGIC: u32 = u32::from_le_bytes(*b"NBSN");
/// The version of what stands around the caller's bytes.
const CONTAINER: u16 = 1;
/// Size of the head in bytes.
const HEAD_BYTES: usize = 36;
/// Where the checksum stands in the head.
const CHECKSUM_AT: usize = 28;

/// Why a snapshot was not written. Nothing that was there is changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the snapshot has {bytes} bytes, more than {SNAPSHOT_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Writes the snapshot of the state after `position`; replaces one of the same position. `format`
/// is the caller's own. Durable when this returns.
pub fn write(dir: &Path, position: u64, format: u32, bytes: &[u8]) -> Result<(), WriteError> {
    if bytes.len() > SNAPSHOT_BYTES_MAX {
        return Err(WriteError::TooLarge { bytes: bytes.len() });
    }
    let folder = dir.join(FOLDER);
    let path = folder.join(format!("{position}.snap"));
    let temporary = folder.join(format!("{position}.tmp"));
    let run = || -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        folder::remove_if_there(&temporary)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&head(position, format, bytes))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        folder::sync_dir(&folder)?;
        folder::sync_dir(dir)
    };
    run().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        WriteError::Io { path, source }
    })
}

/// The newest snapshot of this format that is whole.
pub fn newest(dir: &Path, format: u32) -> Option<(u64, Vec<u8>)> {
    newest_through(dir, format, u64::MAX)
}

/// The newest whole snapshot of this format whose position is at most `last`; later ones belong to
/// a log that has since been replaced.
pub fn newest_through(dir: &Path, format: u32, last: u64) -> Option<(u64, Vec<u8>)> {
    list(dir)
        .into_iter()
        .rev()
        .filter(|position| *position <= last)
        .find_map(|position| read(dir, position, format).map(|bytes| (position, bytes)))
}

/// One snapshot, if it is whole and of this format.
pub fn read(dir: &Path, position: u64, format: u32) -> Option<Vec<u8>> {
    let path = dir.join(FOLDER).join(format!("{position}.snap"));
    let mut file = File::open(path).ok()?;
    let mut found = [0; HEAD_BYTES];
    file.read_exact(&mut found).ok()?;
    let length = u64::from_le_bytes(found[20..CHECKSUM_AT].try_into().ok()?);
    let there = file.metadata().ok()?.len();
    if length > SNAPSHOT_BYTES_MAX as u64 || there != length + HEAD_BYTES as u64 {
        return None;
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes).ok()?;
    (found == head(position, format, &bytes)).then_some(bytes)
}

/// What a snapshot file is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Whole,
    /// Written by another version of the program.
    OtherFormat(u32),
    Damaged,
}

/// A snapshot file, as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub position: u64,
    /// Size of the file.
    pub bytes: u64,
    /// When it was written, microseconds since 1970, as the file system says; 0 when it does not.
    pub written_at: i64,
    pub condition: Condition,
}

/// Looks at one snapshot file; `None` when there is none.
pub fn look(dir: &Path, position: u64, format: u32) -> Option<Found> {
    let path = dir.join(FOLDER).join(format!("{position}.snap"));
    let meta = fs::metadata(&path).ok()?;
    let written_at = meta
        .modified()
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0));
    let own = format_of(&path);
    let condition = match own {
        Some(own) if read(dir, position, own).is_none() => Condition::Damaged,
        Some(own) if own == format => Condition::Whole,
        Some(own) => Condition::OtherFormat(own),
        None => Condition::Damaged,
    };
    Some(Found {
        position,
        bytes: meta.len(),
        written_at,
        condition,
    })
}

/// The caller's format that a file names, whether or not the rest of it is whole.
fn format_of(path: &Path) -> Option<u32> {
    let mut found = [0; 12];
    File::open(path).ok()?.read_exact(&mut found).ok()?;
    let format = found[8..].try_into().ok()?;
    Some(u32::from_le_bytes(format))
}

/// The format a snapshot file says it has, when its head is one and it is whole.
pub fn format(dir: &Path, position: u64) -> Option<u32> {
    let path = dir.join(FOLDER).join(format!("{position}.snap"));
    let mut found = [0; HEAD_BYTES];
    File::open(path).ok()?.read_exact(&mut found).ok()?;
    let format = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
    read(dir, position, format).map(|_| format)
}

/// Positions of the snapshot files, ascending, whole or not.
pub fn list(dir: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(dir.join(FOLDER)) else {
        return Vec::new();
    };
    let mut positions: Vec<u64> = entries
        .take(SNAPSHOT_FILES_MAX)
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let position = name.to_str()?.strip_suffix(".snap")?.parse().ok()?;
            (name.to_str()? == format!("{position}.snap")).then_some(position)
        })
        .collect();
    positions.sort_unstable();
    positions
}

/// Removes all but the newest `keep` whole snapshots of this format up to position `last`, and says
/// how many files went. What is of no use goes first: it must not take the place of one that is.
pub fn prune(dir: &Path, format: u32, last: u64, keep: usize) -> io::Result<usize> {
    let (mut kept, mut removed) = (0, 0);
    for position in list(dir).into_iter().rev() {
        let is_good = position <= last
            && kept < keep
            && look(dir, position, format).is_some_and(|found| found.condition == Condition::Whole);
        if is_good {
            kept += 1;
        } else {
            folder::remove_if_there(&dir.join(FOLDER).join(format!("{position}.snap")))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Magic u32, container u16, reserved u16, format u32, position u64, length u64, checksum u64.
fn head(position: u64, format: u32, bytes: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[4..6].copy_from_slice(&CONTAINER.to_le_bytes());
    head[8..12].copy_from_slice(&format.to_le_bytes());
    head[12..20].copy_from_slice(&position.to_le_bytes());
    head[20..CHECKSUM_AT].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    let mut hasher = Xxh3::new();
    hasher.update(&head[..CHECKSUM_AT]);
    hasher.update(bytes);
    head[CHECKSUM_AT..].copy_from_slice(&hasher.digest().to_le_bytes());
    head
}
