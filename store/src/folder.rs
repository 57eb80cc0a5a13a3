//! The data folder: the files in it, the lock that lets one process in, and free space.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The log and caches.
pub(crate) const FILE_NAME: &str = "bridge.redb";
/// A store that is being created; renamed when it is whole.
pub(crate) const NEW_FILE_NAME: &str = "bridge.redb.new";
/// Held by the process that uses the folder; has its process id in it.
const LOCK_NAME: &str = "lock";
/// Bytes of the lock file that are looked at.
const LOCK_BYTES_MAX: u64 = 32;

/// The right to use a data folder, until dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    exclusive: bool,
}

impl FolderLock {
    /// For the one process that writes. Creates the folder if need be.
    pub fn exclusive(dir: &Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| io_error(dir, e))?;
        let path = dir.join(LOCK_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(dir)),
            Err(TryLockError::Error(e)) => return Err(io_error(&path, e)),
        }
        // Only for the message of a second process: a full disk must not keep the first one out.
        let _ = write_pid(&file);
        Ok(Self {
            file,
            exclusive: true,
        })
    }

    /// For processes that only read a stopped store. A folder without a lock file, or with one
    /// that may not be read, is guarded by the lock on the database file alone.
    pub fn shared(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(LOCK_NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(io_error(&path, e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self {
                file,
                exclusive: false,
            })),
            Err(TryLockError::WouldBlock) => Err(in_use(dir)),
            Err(TryLockError::Error(e)) => Err(io_error(&path, e)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if self.exclusive {
            // A later reader holds the lock too; it must not be mistaken for this process.
            let _ = self.file.set_len(0);
        }
    }
}

/// Opens the database file for reading, guarded against a process that writes it.
pub(crate) fn open_guarded(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(FILE_NAME);
    let file = File::open(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => OpenError::Missing {
            dir: dir.to_owned(),
        },
        _ => io_error(&path, e),
    })?;
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(dir)),
        Err(TryLockError::Error(e)) => Err(io_error(&path, e)),
    }
}

/// Opens a file for reading and writing; `create` makes it new and private.
pub(crate) fn open_for_writing(path: &Path, create: bool) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(create)
        .mode(0o600)
        .open(path)
        .map_err(|e| io_error(path, e))
}

/// Makes a rename in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes a file that may be absent.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Bytes this user may still write where `path` is, or `None` when the system does not say.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> OpenError {
    let path = PathBuf::from(path);
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::Permission { path, source }
        }
        _ => OpenError::Io { path, source },
    }
}

pub(crate) fn in_use(dir: &Path) -> OpenError {
    OpenError::InUse {
        dir: dir.to_owned(),
        pid: read_pid(dir),
    }
}

fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn read_pid(dir: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(dir.join(LOCK_NAME))
        .ok()?
        .take(LOCK_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}
