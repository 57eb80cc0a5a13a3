//! Opening a store: creating it, repairing it after a crash, and finding its end.

use std::any::Any;
use std::io;
use std::ops::Bound;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, backends::FileBackend,
};

use crate::backend::{AnyBackend, CopyOnWrite};
use crate::error::{Newer, OpenError, ReadError, damage, panic_text};
use crate::folder::{self, FolderLock};
use crate::frame::Header;
use crate::payload::Payload;
use crate::reader::{self, Reader};
use crate::segment::{self, Segment};
use crate::shared::{Handle, Shared, guarded};
use crate::tables;

/// redb's page cache, in bytes. A log is read at its end, so little is enough; redb's own default
/// of 1 GiB would be most of a small machine.
pub const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Free bytes below which nothing is appended: room for redb to grow, for a compaction and for a
/// person to log in and make room.
pub const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// redb's page cache.
    pub cache_bytes: usize,
    /// Free space on the disk below which appends are refused.
    pub min_free_bytes: u64,
    /// Name and version of the program, written into the store by its first transaction.
    pub program: String,
    /// Check every page of the file before using it; reads the whole file.
    pub check_every_page: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: CACHE_BYTES,
            min_free_bytes: MIN_FREE_BYTES,
            program: concat!("notify-store ", env!("CARGO_PKG_VERSION")).to_owned(),
            check_every_page: false,
        }
    }
}

/// How far the repair after a crash has come. It reads the whole file, about 2 s per GB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepairProgress {
    /// From 0.0 to below 1.0.
    pub done: f64,
}

/// Opens a stopped store for reading and never writes to it: what a crash left to be repaired is
/// repaired in memory. A store in use is refused. A store whose end is damaged or newer opens as far
/// as it can be read, and [`Reader::trouble`] says what is wrong.
pub fn open_read_only<P: Payload>(dir: &Path) -> Result<Reader<P>, OpenError> {
    open_read_only_with(dir, &Options::default(), &|_| {})
}

/// As [`open_read_only`], with options: a larger cache, or every page checked first.
pub fn open_read_only_with<P: Payload>(
    dir: &Path,
    options: &Options,
    progress: &dyn Fn(RepairProgress),
) -> Result<Reader<P>, OpenError> {
    let lock = folder::FolderLock::shared(dir)?;
    let file = folder::open_guarded(dir)?;
    let path = dir.join(folder::FILE_NAME);
    let view = CopyOnWrite::new(file).map_err(|e| folder::io_error(&path, e))?;
    refuse_empty(&path, view.len())?;
    let backend = AnyBackend(Box::new(view));
    let (handle, _) = open_database(backend, &path, options, progress)?;
    let (next, trouble) = match find_end(&handle, &path) {
        Ok(end) => (end.next, None),
        Err(error @ (OpenError::Damaged { .. } | OpenError::Newer { .. })) => {
            match find_next(&handle) {
                Ok(next) => (next, Some(error)),
                Err(_) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    let mut shared = Shared::new(handle, next, Some(path), lock);
    shared.trouble = trouble;
    Ok(Reader::new(Arc::new(shared)))
}

/// Where databases come from, the first time and again after an error.
pub(crate) enum Source {
    Folder { dir: PathBuf, _lock: FolderLock },
    Backend(Box<dyn Fn() -> AnyBackend + Send + Sync>),
}

/// A database ready to be written.
pub(crate) struct Opened {
    pub handle: Handle,
    pub end: End,
    /// Whether redb had to walk the file.
    pub repaired: bool,
}

/// Where the log ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    pub next: u64,
    /// The number of the open segment and what it holds.
    pub segment: u64,
    pub open: Segment,
    /// Whether the segment's entry on disk says the same.
    pub entry_written: bool,
    pub format: u16,
    pub written_by: String,
    newest: Option<(Header, Vec<u8>)>,
}

impl Source {
    pub fn folder(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self::Folder {
            dir: dir.to_owned(),
            _lock: FolderLock::exclusive(dir)?,
        })
    }

    /// The database file, if there is one.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Folder { dir, .. } => Some(dir.join(folder::FILE_NAME)),
            Self::Backend(_) => None,
        }
    }

    /// Opens for writing; creates a store where there is none.
    pub fn open<P: Payload>(
        &self,
        options: &Options,
        progress: &dyn Fn(RepairProgress),
    ) -> Result<Opened, OpenError> {
        let path = self.path().unwrap_or_else(|| PathBuf::from("the backend"));
        let (handle, repaired) = match self {
            Self::Folder { dir, .. } => {
                if !path.try_exists().map_err(|e| folder::io_error(&path, e))? {
                    create(dir, options)?;
                }
                let file = folder::open_for_writing(&path, false)?;
                refuse_empty(&path, file.metadata().map(|m| m.len()))?;
                open_database(file_backend(file, &path)?, &path, options, progress)?
            }
            Self::Backend(make) => {
                let (handle, repaired) = open_database(make(), &path, options, progress)?;
                if is_empty(&handle).map_err(|e| read_failed(&path, e))? {
                    initialise(&handle, options).map_err(|e| read_failed(&path, e))?;
                }
                (handle, repaired)
            }
        };
        let end = find_end(&handle, &path)?;
        refuse_newer::<P>(&end, &path)?;
        Ok(Opened {
            handle,
            end,
            repaired,
        })
    }
}

/// Makes a whole store beside its final name and renames it, so that no crash leaves half of one.
fn create(dir: &Path, options: &Options) -> Result<(), OpenError> {
    let new = dir.join(folder::NEW_FILE_NAME);
    folder::remove_if_there(&new).map_err(|e| folder::io_error(&new, e))?;
    let file = folder::open_for_writing(&new, true)?;
    let (mut handle, _) = open_database(file_backend(file, &new)?, &new, options, &|_| {})?;
    initialise(&handle, options)
        .and_then(|()| handle.close())
        .map_err(|e| read_failed(&new, e))?;
    std::fs::rename(&new, dir.join(folder::FILE_NAME))
        .and_then(|()| folder::sync_dir(dir))
        .map_err(|e| folder::io_error(&new, e))
}

fn file_backend(file: std::fs::File, path: &Path) -> Result<AnyBackend, OpenError> {
    let backend = FileBackend::new(file).map_err(|e| storage(path, e.into()))?;
    Ok(AnyBackend(Box::new(backend)))
}

/// Whether there is no table at all, as after the creation of a file by redb.
fn is_empty(handle: &Handle) -> Result<bool, ReadError> {
    let database = handle.get().ok_or(ReadError::Closed)?;
    guarded(None, || {
        Ok(database.begin_read()?.list_tables()?.next().is_none())
    })
}

/// Makes the tables and says who did.
fn initialise(handle: &Handle, options: &Options) -> Result<(), ReadError> {
    let database = handle.get().ok_or(ReadError::Closed)?;
    guarded(None, || Ok(make_tables(database, options)?))
}

fn make_tables(database: &Database, options: &Options) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        transaction.open_table(tables::LOG)?;
        transaction.open_table(tables::BODIES)?;
        transaction.open_table(tables::SECRETS)?;
        transaction.open_table(tables::STREAMS)?;
        transaction.open_table(tables::ROWS)?;
        transaction.open_table(tables::SEGMENTS)?;
        let mut meta = transaction.open_table(tables::META)?;
        let format = tables::STORE_FORMAT.to_le_bytes();
        meta.insert(tables::META_FORMAT, format.as_slice())?;
        meta.insert(tables::META_WRITTEN_BY, options.program.as_bytes())?;
    }
    transaction.commit()?;
    Ok(())
}

/// An empty file is never a young store, since stores are created under another name.
fn refuse_empty(path: &Path, len: io::Result<u64>) -> Result<(), OpenError> {
    match len {
        Ok(0) => Err(OpenError::Damaged {
            path: path.to_owned(),
            position: None,
            why: "the file is empty".to_owned(),
        }),
        Ok(_) => Ok(()),
        Err(e) => Err(folder::io_error(path, e)),
    }
}

/// Opens redb in a thread of its own, which lets `progress` borrow and keeps redb's panics on an
/// altered file apart from the caller. Also says whether a repair took place.
fn open_database(
    backend: AnyBackend,
    path: &Path,
    options: &Options,
    progress: &dyn Fn(RepairProgress),
) -> Result<(Handle, bool), OpenError> {
    let (sender, receiver) = mpsc::channel();
    let (cache, check) = (options.cache_bytes, options.check_every_page);
    let (result, repaired) = thread::scope(|scope| {
        let opener = thread::Builder::new()
            .name("open-store".to_owned())
            .spawn_scoped(scope, move || {
                Database::builder()
                    .set_cache_size(cache)
                    .set_check_integrity_on_open(check)
                    .set_repair_callback(move |session| {
                        // The receiver lives until this thread is done.
                        let _ = sender.send(session.progress());
                    })
                    .create_with_backend(backend)
            });
        let mut repaired = false;
        let opener = match opener {
            Ok(opener) => opener,
            Err(e) => return (Err(folder::io_error(path, e)), false),
        };
        for done in receiver {
            repaired = true;
            progress(RepairProgress { done });
        }
        (opened(opener.join(), path), repaired)
    });
    Ok((Handle::new(result?), repaired))
}

fn opened(
    joined: thread::Result<Result<Database, DatabaseError>>,
    path: &Path,
) -> Result<Database, OpenError> {
    match joined {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
            Err(folder::in_use(path.parent().unwrap_or(path)))
        }
        Ok(Err(error)) => Err(storage(path, error.into())),
        Err(panic) => Err(OpenError::Damaged {
            path: path.to_owned(),
            position: None,
            why: panic_text(own_panic(panic).as_ref()),
        }),
    }
}

/// Passes the panic on when it has no words, which redb's always have.
fn own_panic(panic: Box<dyn Any + Send>) -> Box<dyn Any + Send> {
    if panic.is::<&str>() || panic.is::<String>() {
        panic
    } else {
        resume_unwind(panic)
    }
}

/// Finds the newest frame and what the open segment holds.
fn find_end(handle: &Handle, path: &Path) -> Result<End, OpenError> {
    let database = handle
        .get()
        .ok_or(ReadError::Closed)
        .map_err(|e| read_failed(path, e))?;
    guarded(None, || read_end(database)).map_err(|e| read_failed(path, e))
}

fn read_end(database: &Database) -> Result<End, ReadError> {
    let transaction = database.begin_read()?;
    let mut end = End {
        next: 1,
        format: reader::store_format(&transaction)?,
        written_by: reader::written_by(&transaction),
        entry_written: true,
        ..End::default()
    };
    if end.format > tables::STORE_FORMAT {
        // Only for readers, and as far as the tables still are what they were.
        if let Ok(log) = transaction.open_table(tables::LOG)
            && let Some((head, _)) = log.last()?
        {
            end.next = head.value().saturating_add(1);
        }
        return Ok(end);
    }
    for table in [tables::BODIES, tables::ROWS] {
        transaction.open_table(table)?;
    }
    transaction.open_table(tables::SECRETS)?;
    transaction.open_table(tables::STREAMS)?;
    let log = transaction.open_table(tables::LOG)?;
    let segments = transaction.open_table(tables::SEGMENTS)?;
    let head = log.last()?.map_or(0, |(key, _)| key.value());
    if let Some((number, entry)) = segments.last()? {
        let number = number.value();
        let through = Segment::decode(entry.value())
            .ok_or_else(|| ReadError::damaged(None, format!("the entry of segment {number}")))?
            .through;
        if through > head {
            return Err(ReadError::damaged(
                head.saturating_add(1),
                format!("the log ends at {head}, but it reached {through} before"),
            ));
        }
    }
    if head == 0 {
        return Ok(end);
    }
    end.next = head
        .checked_add(1)
        .ok_or_else(|| ReadError::damaged(head, "no position can follow"))?;
    end.segment = segment::of(head);
    if let Some(entry) = segments.get(end.segment)? {
        let number = end.segment;
        end.open = Segment::decode(entry.value())
            .ok_or_else(|| ReadError::damaged(None, format!("the entry of segment {number}")))?;
    }
    let mut from = end
        .open
        .through
        .saturating_add(1)
        .max(segment::first(end.segment));
    end.entry_written = end.open.through == head;
    while from <= head {
        let before = end.open.through;
        reader::scan(
            &transaction,
            log.range(from..)?,
            reader::Order::Rising(Bound::Included(from)),
            reader::PAGE_FRAMES_MAX,
            |header, _| {
                end.open.add(header.position, header.checksum);
                Ok(std::ops::ControlFlow::Continue(()))
            },
        )?;
        if end.open.through == before {
            return Err(ReadError::damaged(
                head,
                "the end of the log cannot be reached",
            ));
        }
        from = end.open.through.saturating_add(1);
    }
    if let Some(frame) = log.get(head)? {
        let (header, payload) = reader::open_frame(&transaction, head, &frame)?;
        end.newest = Some((header, payload.to_vec()));
    }
    Ok(end)
}

/// The position after everything that is there or was, for a store whose end is not whole.
fn find_next(handle: &Handle) -> Result<u64, ReadError> {
    let database = handle.get().ok_or(ReadError::Closed)?;
    guarded(None, || {
        let transaction = database.begin_read()?;
        let log = transaction.open_table(tables::LOG)?;
        let segments = transaction.open_table(tables::SEGMENTS)?;
        let head = log.last()?.map_or(0, |(key, _)| key.value());
        let through = segments
            .last()?
            .and_then(|(_, entry)| Segment::decode(entry.value()))
            .map_or(0, |segment| segment.through);
        Ok(head.max(through).saturating_add(1))
    })
}

/// A store is written only by a program that can read its newest event.
fn refuse_newer<P: Payload>(end: &End, path: &Path) -> Result<(), OpenError> {
    use crate::payload::DecodeError;
    let newer = |what: String| OpenError::Newer {
        path: path.to_owned(),
        source: Newer {
            what,
            written_by: end.written_by.clone(),
        },
    };
    if end.format > tables::STORE_FORMAT {
        return Err(newer(format!("store format {}", end.format)));
    }
    let Some((header, payload)) = &end.newest else {
        return Ok(());
    };
    let position = header.position;
    match P::decode(header.kind, header.revision, payload) {
        Ok(_) => Ok(()),
        Err(DecodeError::UnknownKind { kind }) => {
            Err(newer(format!("event kind {kind} at position {position}")))
        }
        Err(DecodeError::UnknownRevision { kind, revision }) => Err(newer(format!(
            "revision {revision} of event kind {kind} at position {position}"
        ))),
        Err(e @ DecodeError::Malformed { .. }) => Err(OpenError::Damaged {
            path: path.to_owned(),
            position: Some(position),
            why: e.to_string(),
        }),
    }
}

fn storage(path: &Path, error: redb::Error) -> OpenError {
    let path = path.to_owned();
    match (damage(&error), error) {
        (Some(why), _) => OpenError::Damaged {
            path,
            position: None,
            why,
        },
        (None, redb::Error::Io(source)) => folder::io_error(&path, source),
        (None, error) => OpenError::Storage {
            path,
            source: Box::new(error),
        },
    }
}

fn read_failed(path: &Path, error: ReadError) -> OpenError {
    let path = path.to_owned();
    match error {
        ReadError::Damaged { position, why } => OpenError::Damaged {
            path,
            position,
            why,
        },
        ReadError::Newer { source, .. } => OpenError::Newer { path, source },
        ReadError::Payload { position, source } => OpenError::Damaged {
            path,
            position: Some(position),
            why: source.to_string(),
        },
        ReadError::Closed => OpenError::Storage {
            path,
            source: Box::new(redb::Error::DatabaseClosed),
        },
        ReadError::Storage(error) => storage(&path, *error),
    }
}
