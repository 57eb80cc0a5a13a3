//! What the writer and its readers have in common: the open database, which may be closed and
//! opened again under them, and the end of the log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase};

use crate::error::{ReadError, panic_text};
use crate::folder::FolderLock;

#[derive(Debug)]
pub(crate) struct Shared {
    /// Held for reading as long as one page takes, for writing while the database is exchanged.
    database: RwLock<Option<Handle>>,
    next: AtomicU64,
    /// Whether redb answered with an error of its storage and refuses everything from then on.
    latched: AtomicBool,
    /// The database file; `None` over a backend that is no file.
    pub path: Option<PathBuf>,
    /// Keeps a read-only store's folder; the writer's lock belongs to the log.
    _lock: Option<FolderLock>,
}

/// An open database; redb's own type does not implement `Debug` everywhere it is needed.
pub(crate) struct Handle(pub Database);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Shared {
    pub fn new(
        database: Database,
        next: u64,
        path: Option<PathBuf>,
        lock: Option<FolderLock>,
    ) -> Self {
        Self {
            database: RwLock::new(Some(Handle(database))),
            next: AtomicU64::new(next),
            latched: AtomicBool::new(false),
            path,
            _lock: lock,
        }
    }

    pub fn next_position(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    pub fn set_next_position(&self, next: u64) {
        self.next.store(next, Ordering::Release);
    }

    /// The open database, kept open until the guard is dropped.
    pub fn database(&self) -> RwLockReadGuard<'_, Option<Handle>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the database away from everyone, waiting for pages being read.
    pub fn take(&self) -> Option<Database> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        guard.take().map(|handle| handle.0)
    }

    pub fn put(&self, database: Database) {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *guard = Some(Handle(database));
        self.latched.store(false, Ordering::Release);
    }

    pub fn is_latched(&self) -> bool {
        self.latched.load(Ordering::Acquire)
    }

    /// Runs `read` in one read transaction.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let guard = self.database();
        let database = guard.as_ref().ok_or(ReadError::Closed)?;
        let result = guarded(None, || Ok(database.0.begin_read()?))
            .and_then(|transaction| read(&transaction));
        if matches!(result, Err(ReadError::Storage(_))) {
            self.latched.store(true, Ordering::Release);
        }
        result
    }
}

/// Runs something that only touches redb and turns its panics into damage at `position`.
pub(crate) fn guarded<T>(
    position: Option<u64>,
    run: impl FnOnce() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(ReadError::damaged(position, panic_text(&*panic))))
}
