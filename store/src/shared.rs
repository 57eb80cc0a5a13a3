//! What the writer and its readers have in common: the open database, which may be closed and
//! opened again under them, and the end of the log.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase};

use crate::error::{OpenError, ReadError, panic_text};
use crate::folder::FolderLock;

#[derive(Debug)]
pub(crate) struct Shared {
    /// Held for reading as long as one page takes, for writing while the database is exchanged.
    database: RwLock<Handle>,
    next: AtomicU64,
    /// Whether redb answered with an error of its storage and refuses everything from then on.
    latched: AtomicBool,
    /// The database file; `None` over a backend that is no file.
    pub path: Option<PathBuf>,
    /// Why a store that is open for reading could not be opened for writing.
    pub trouble: Option<OpenError>,
    /// Keeps a read-only store's folder; the writer's lock belongs to the log.
    _lock: Option<FolderLock>,
}

/// A database that may be open. One that is dropped instead of closed writes nothing more.
pub(crate) struct Handle(Option<Database>);

impl Handle {
    pub fn new(database: Database) -> Self {
        Self(Some(database))
    }

    pub fn closed() -> Self {
        Self(None)
    }

    pub fn get(&self) -> Option<&Database> {
        self.0.as_ref()
    }

    pub fn get_mut(&mut self) -> Option<&mut Database> {
        self.0.as_mut()
    }

    /// Closes it; what is closed already stays closed.
    pub fn close(&mut self) -> Result<(), ReadError> {
        match self.0.take() {
            Some(database) => guarded(None, || Ok(database.close().map_err(redb::Error::from)?)),
            None => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(database) = self.0.take() {
            abandon(database);
        }
    }
}

/// Closes a database that was only read, or could not be used, without the transaction that redb
/// makes while closing: on an altered file that transaction can abort the process. redb makes none
/// while its thread unwinds, so this unwinds, without any panic message.
fn abandon(database: Database) {
    let _ = catch_unwind(AssertUnwindSafe(move || {
        let _dropped_while_unwinding = database;
        resume_unwind(Box::new(()));
    }));
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.0.is_some()).finish()
    }
}

impl Shared {
    pub fn new(handle: Handle, next: u64, path: Option<PathBuf>, lock: Option<FolderLock>) -> Self {
        Self {
            database: RwLock::new(handle),
            next: AtomicU64::new(next),
            latched: AtomicBool::new(false),
            path,
            trouble: None,
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
    pub fn database(&self) -> RwLockReadGuard<'_, Handle> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges the database, waiting for pages being read, and returns the one before.
    pub fn exchange(&self, handle: Handle) -> Handle {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.latched.store(false, Ordering::Release);
        std::mem::replace(&mut *guard, handle)
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
        let database = guard.get().ok_or(ReadError::Closed)?;
        let result =
            guarded(None, || Ok(database.begin_read()?)).and_then(|transaction| read(&transaction));
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
