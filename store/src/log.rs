//! The one writer.
//!
//! **Invariant:** a transaction either happened as a whole or the log says it may not have and
//! refuses everything until it is opened again.

use std::marker::PhantomData;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use redb::{
    CursorError, Durability, ReadableTable, StorageBackend, Table, TableDefinition,
    WriteTransaction,
};

use crate::backend::AnyBackend;
use crate::batch::{BATCH_BYTES_MAX, Batch, Refused, Removal};
use crate::encode::{Encoded, encode_batch, encode_frames};
use crate::error::{AppendError, OpenError, ReadError, damage, panic_text};
use crate::folder;
use crate::open::{End, Opened, Options, RepairProgress, Source};
use crate::payload::{Payload, Stream};
use crate::reader::{self, Frames, Reader};
use crate::segment::{self, Segment};
use crate::shared::{Handle, Shared, guarded};
use crate::tables;

/// Free space is looked at once in so many transactions, ...
const DISK_CHECK_COMMITS: u32 = 64;
/// ... or once in so many bytes.
const DISK_CHECK_BYTES: usize = 8 * 1024 * 1024;

/// An event log open for writing. There is one per data folder.
pub struct Log<P: Payload> {
    shared: Arc<Shared>,
    source: Source,
    options: Options,
    /// The number of the open segment and what it holds.
    segment: u64,
    open: Segment,
    /// Whether the open segment's entry on disk is up to date.
    entry_written: bool,
    /// Whether the file would open without a repair after a crash.
    settled: bool,
    failed: bool,
    /// Whether `meta` names another program as the last writer.
    sign: bool,
    disk_checks_in: u32,
    disk_checks_after_bytes: usize,
    encoded: Encoded,
    payload: PhantomData<fn() -> P>,
}

/// What a removal removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub frames: u64,
    pub bodies: u64,
    pub rows: u64,
    /// Bytes of frames and bodies together.
    pub bytes: u64,
}

impl<P: Payload> Log<P> {
    /// Opens the store in `dir`, or creates it, and takes the folder's lock until dropped.
    pub fn open(
        dir: &Path,
        options: &Options,
        progress: &dyn Fn(RepairProgress),
    ) -> Result<Self, OpenError> {
        Self::from_source(Source::folder(dir)?, options, progress)
    }

    /// Opens a store over any storage; `reopen` clones the backend. For tests.
    #[doc(hidden)]
    pub fn open_with_backend<B: StorageBackend + Clone>(
        backend: B,
        options: &Options,
        progress: &dyn Fn(RepairProgress),
    ) -> Result<Self, OpenError> {
        let make = move || AnyBackend(Box::new(backend.clone()));
        Self::from_source(Source::Backend(Box::new(make)), options, progress)
    }

    pub fn reader(&self) -> Reader<P> {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The position the next event must have; 1 in an empty log.
    pub fn next_position(&self) -> u64 {
        self.shared.next_position()
    }

    /// Writes the batch in one durable transaction. An empty batch does nothing.
    pub fn append(&mut self, batch: &Batch<P>) -> Result<(), AppendError> {
        self.usable()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut encoded = std::mem::take(&mut self.encoded);
        let result = encode_batch(batch, self.next_position(), &mut encoded)
            .map_err(AppendError::from)
            .and_then(|()| self.commit_batch(&encoded, batch));
        encoded.clear();
        self.encoded = encoded;
        result
    }

    /// Writes frames as they stood in another log, where compaction may have left gaps between
    /// their positions, in one durable transaction. `beside` must have no events.
    pub fn restore(&mut self, frames: &Frames, beside: &Batch<P>) -> Result<(), AppendError> {
        self.usable()?;
        let mut encoded = Encoded::default();
        encode_frames::<P>(frames, beside, self.next_position(), &mut encoded)?;
        self.commit_batch(&encoded, beside)
    }

    /// Removes frames and what belongs to them in one durable transaction.
    pub fn remove(&mut self, removal: &Removal) -> Result<Removed, AppendError> {
        self.usable()?;
        removal.check(self.next_position())?;
        let mut removed = Removed::default();
        let doomed = self.look_up(&removal.frames)?;
        let (number, mut open) = (self.segment, self.open);
        let sign = self.sign.then(|| self.options.program.clone());
        self.write(false, |transaction| {
            let mut log = transaction.open_table(tables::LOG)?;
            let mut bodies = transaction.open_table(tables::BODIES)?;
            let mut rows = transaction.open_table(tables::ROWS)?;
            let mut streams = transaction.open_table(tables::STREAMS)?;
            let mut segments = transaction.open_table(tables::SEGMENTS)?;
            for (position, checksum, member_of) in &doomed {
                if let Some(frame) = log.remove(position)? {
                    removed.frames += 1;
                    removed.bytes += frame.value().len() as u64;
                }
                if let Some(founding) = member_of {
                    streams.remove((*founding, *position))?;
                }
                let of = segment::of(*position);
                if of == number {
                    open.remove(*checksum);
                    continue;
                }
                let entry = segments
                    .get(of)?
                    .and_then(|entry| Segment::decode(entry.value()));
                if let Some(mut entry) = entry {
                    entry.remove(*checksum);
                    segments.insert(of, entry.encode().as_slice())?;
                }
            }
            for position in removal.frames.iter().chain(&removal.bodies) {
                if let Some(body) = bodies.remove(position)? {
                    removed.bodies += 1;
                    removed.bytes += body.value().len() as u64;
                }
            }
            for position in removal.frames.iter().chain(&removal.rows) {
                if rows.remove(position)?.is_some() {
                    removed.rows += 1;
                }
            }
            if open.through > 0 {
                segments.insert(number, open.encode().as_slice())?;
            }
            write_meta(transaction, &removal.meta, sign.as_deref())
        })?;
        self.open = open;
        self.entry_written = true;
        self.sign = false;
        Ok(removed)
    }

    /// Makes the next open quick even after a crash, by one small transaction that also writes the
    /// open segment's entry. Worth calling when a burst is over, about a second after its end.
    pub fn settle(&mut self) -> Result<(), AppendError> {
        self.usable()?;
        if self.settled {
            return Ok(());
        }
        self.write_entry(true)?;
        self.settled = true;
        Ok(())
    }

    /// Whether a crash now would leave nothing to repair.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether nothing can be appended before [`Self::reopen`]: a transaction failed, or reading
    /// did, after which redb refuses everything.
    pub fn needs_reopen(&self) -> bool {
        self.failed || self.shared.is_latched()
    }

    /// Closes the database and opens it again, which redb requires after an I/O error. Readers
    /// wait meanwhile and go on. The last transaction may turn out to have happened: compare
    /// `next_position`. When this fails, it can be tried again.
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        self.failed = true;
        // Whatever is wrong with it, the next open finds out.
        let _ = self.shared.exchange(Handle::closed()).close();
        let opened = self.source.open::<P>(&self.options, &|_| {})?;
        self.shared.set_next_position(opened.end.next);
        self.adopt(&opened.end, opened.repaired);
        self.shared.exchange(opened.handle);
        self.failed = false;
        Ok(())
    }

    /// Gives space that removals freed back to the file system. Waits for readers and keeps them
    /// waiting; rewrites much of the file. Says whether anything was moved.
    pub fn compact_file(&mut self) -> Result<bool, AppendError> {
        self.usable()?;
        let mut handle = self.shared.exchange(Handle::closed());
        let Some(database) = handle.get_mut() else {
            return Err(AppendError::NeedsReopen);
        };
        let result = catch_unwind(AssertUnwindSafe(|| database.compact()));
        self.shared.exchange(handle);
        self.settled = false;
        match result {
            Ok(Ok(moved)) => Ok(moved),
            Ok(Err(error)) => Err(self.fail(error.into())),
            Err(panic) => Err(self.fail_damaged(panic_text(&*panic))),
        }
    }

    /// Lets go of a store that turned out to be damaged, without the transaction that closing makes:
    /// nothing more is written to it.
    pub fn abandon(mut self) {
        self.failed = true;
        drop(self.shared.exchange(Handle::closed()));
    }

    /// Settles and closes. Dropping the log does the same and hides what goes wrong.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.shut()
    }

    fn from_source(
        source: Source,
        options: &Options,
        progress: &dyn Fn(RepairProgress),
    ) -> Result<Self, OpenError> {
        let Opened {
            handle,
            end,
            repaired,
        } = source.open::<P>(options, progress)?;
        let mut log = Self {
            segment: 0,
            open: Segment::default(),
            entry_written: true,
            settled: true,
            failed: false,
            sign: false,
            disk_checks_in: 0,
            disk_checks_after_bytes: 0,
            encoded: Encoded::default(),
            options: options.clone(),
            payload: PhantomData,
            shared: Arc::new(Shared::new(handle, end.next, source.path(), None)),
            source,
        };
        log.adopt(&end, repaired);
        Ok(log)
    }

    fn adopt(&mut self, end: &End, repaired: bool) {
        self.segment = end.segment;
        self.open = end.open;
        self.entry_written = end.entry_written;
        self.settled = !repaired && end.entry_written;
        self.sign = end.written_by != self.options.program;
    }

    fn usable(&self) -> Result<(), AppendError> {
        if self.needs_reopen() {
            return Err(AppendError::NeedsReopen);
        }
        Ok(())
    }

    /// Writes encoded frames and what stands beside them.
    fn commit_batch(&mut self, encoded: &Encoded, batch: &Batch<P>) -> Result<(), AppendError> {
        let next = encoded
            .frames
            .last()
            .map_or(self.next_position(), |span| span.position + 1);
        let beside = batch.check_beside_events(next)?;
        let bytes = encoded.bytes.len() + beside;
        if bytes > BATCH_BYTES_MAX {
            return Err(Refused::BatchTooLarge { bytes }.into());
        }
        self.check_disk(bytes)?;
        let first = self.next_position();
        let (mut number, mut open) = (self.segment, self.open);
        let mut closed = Vec::new();
        for span in &encoded.frames {
            let of = segment::of(span.position);
            if of != number {
                if open.through > 0 {
                    closed.push((number, open));
                }
                (number, open) = (of, Segment::default());
            }
            open.add(span.position, span.checksum);
        }
        let sign = self.sign.then(|| self.options.program.clone());
        self.write(false, |transaction| {
            write_frames(transaction, encoded)?;
            write_beside(transaction, batch, first)?;
            if !closed.is_empty() {
                let mut segments = transaction.open_table(tables::SEGMENTS)?;
                for (number, entry) in &closed {
                    segments.insert(number, entry.encode().as_slice())?;
                }
            }
            write_meta(transaction, &batch.meta, sign.as_deref())
        })?;
        self.sign = false;
        if !encoded.frames.is_empty() {
            (self.segment, self.open) = (number, open);
            self.entry_written = false;
        }
        self.shared.set_next_position(next);
        Ok(())
    }

    /// Finds what removing frames needs to know. Frames that are absent are left out.
    fn look_up(&self, positions: &[u64]) -> Result<Vec<(u64, u32, Option<u64>)>, AppendError> {
        let mut sorted = positions.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let found = self.shared.read(|transaction| {
            let log = guarded(None, || Ok(transaction.open_table(tables::LOG)?))?;
            let mut found = Vec::with_capacity(sorted.len());
            for position in sorted {
                let frame = guarded(Some(position), || Ok(log.get(position)?))?;
                if let Some(frame) = frame {
                    let (header, payload) = reader::open_frame(transaction, position, &frame)?;
                    let event = reader::record::<P>(transaction, &header, payload)?;
                    let member_of = match event.payload.stream() {
                        Stream::Of(founding) => Some(founding),
                        Stream::None | Stream::Founds => None,
                    };
                    found.push((position, header.checksum, member_of));
                }
            }
            Ok(found)
        });
        found.map_err(AppendError::Unreadable)
    }

    /// Runs one durable transaction.
    fn write(
        &mut self,
        quick_repair: bool,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), AppendError> {
        let result = {
            let guard = self.shared.database();
            let Some(database) = guard.get() else {
                return Err(AppendError::NeedsReopen);
            };
            catch_unwind(AssertUnwindSafe(|| -> Result<(), redb::Error> {
                let mut transaction = database.begin_write()?;
                transaction.set_durability(Durability::Immediate)?;
                transaction.set_quick_repair(quick_repair);
                fill(&transaction)?;
                transaction.commit()?;
                Ok(())
            }))
        };
        self.settled = false;
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fail(error)),
            Err(panic) => Err(self.fail_damaged(panic_text(&*panic))),
        }
    }

    fn write_entry(&mut self, quick_repair: bool) -> Result<(), AppendError> {
        let entry = (!self.entry_written).then_some((self.segment, self.open));
        self.write(quick_repair, |transaction| {
            if let Some((number, open)) = entry {
                let mut segments = transaction.open_table(tables::SEGMENTS)?;
                segments.insert(number, open.encode().as_slice())?;
            }
            Ok(())
        })?;
        self.entry_written = true;
        Ok(())
    }

    fn fail(&mut self, error: redb::Error) -> AppendError {
        self.failed = true;
        match damage(&error) {
            Some(why) => AppendError::Damaged { why },
            None => AppendError::Failed(Box::new(error)),
        }
    }

    fn fail_damaged(&mut self, why: String) -> AppendError {
        self.failed = true;
        AppendError::Damaged { why }
    }

    /// Refuses to write when the disk is nearly full. Looks rarely, and every time once it was.
    fn check_disk(&mut self, bytes: usize) -> Result<(), AppendError> {
        let Some(path) = &self.shared.path else {
            return Ok(());
        };
        if self.disk_checks_in > 0 && self.disk_checks_after_bytes > bytes {
            self.disk_checks_in -= 1;
            self.disk_checks_after_bytes -= bytes;
            return Ok(());
        }
        let min_free_bytes = self.options.min_free_bytes;
        let free_bytes = folder::free_bytes(path).unwrap_or(u64::MAX);
        if free_bytes < min_free_bytes.saturating_add(bytes as u64) {
            self.disk_checks_in = 0;
            return Err(AppendError::DiskLow {
                path: path.clone(),
                free_bytes,
                min_free_bytes,
            });
        }
        self.disk_checks_in = DISK_CHECK_COMMITS;
        self.disk_checks_after_bytes = DISK_CHECK_BYTES;
        Ok(())
    }

    fn shut(&mut self) -> Result<(), AppendError> {
        // redb records its own state while closing; only the segment is left to write.
        let entry = if self.needs_reopen() || self.entry_written {
            Ok(())
        } else {
            self.write_entry(false)
        };
        let closed = self.shared.exchange(Handle::closed()).close();
        entry.and(closed.map_err(|error| match error {
            ReadError::Damaged { why, .. } => self.fail_damaged(why),
            ReadError::Storage(error) => self.fail(*error),
            error => AppendError::Unreadable(error),
        }))
    }
}

impl<P: Payload> Drop for Log<P> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nothing is known about what was going on; the next open repairs.
            self.entry_written = true;
        }
        let _ = self.shut();
    }
}

impl<P: Payload> std::fmt::Debug for Log<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("path", &self.shared.path)
            .field("next_position", &self.next_position())
            .field("settled", &self.settled)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn write_frames(transaction: &WriteTransaction, encoded: &Encoded) -> Result<(), redb::Error> {
    if encoded.frames.is_empty() {
        return Ok(());
    }
    let mut start = 0;
    let frames = encoded.frames.iter().map(|span| {
        let frame = &encoded.bytes[start..span.end];
        start = span.end;
        (span.position, frame)
    });
    add_at_end(&mut transaction.open_table(tables::LOG)?, frames)?;
    if encoded.frames.iter().any(|span| span.member_of.is_some()) {
        let mut streams = transaction.open_table(tables::STREAMS)?;
        for span in &encoded.frames {
            if let Some(founding) = span.member_of {
                streams.insert((founding, span.position), ())?;
            }
        }
    }
    Ok(())
}

/// Adds entries behind everything that a table has, which fills page after page instead of looking
/// for the place of each. Those that turn out to belong elsewhere are put there.
fn add_at_end<'b>(
    table: &mut Table<'_, u64, &'static [u8]>,
    entries: impl Iterator<Item = (u64, &'b [u8])>,
) -> Result<(), redb::Error> {
    let mut elsewhere = Vec::new();
    let mut end = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
    for (position, bytes) in entries {
        match end.insert_before(position, bytes) {
            Ok(()) => {}
            Err(CursorError::UnorderedKey) => elsewhere.push((position, bytes)),
            Err(error) => return Err(error.into()),
        }
    }
    end.close()?;
    for (position, bytes) in elsewhere {
        table.insert(position, bytes)?;
    }
    Ok(())
}

/// Writes everything of a batch that is no event. Tables that are not needed are not touched. Of
/// events from `first` on nothing is there yet.
fn write_beside<P>(
    transaction: &WriteTransaction,
    batch: &Batch<P>,
    first: u64,
) -> Result<(), redb::Error> {
    write_entries(transaction, tables::BODIES, &batch.bodies, first)?;
    write_entries(transaction, tables::ROWS, &batch.rows, first)?;
    if !batch.secrets.is_empty() {
        let mut secrets = transaction.open_table(tables::SECRETS)?;
        for change in &batch.secrets {
            let key = (change.position, change.field);
            match &change.sealed {
                Some(sealed) => secrets.insert(key, sealed.as_slice())?,
                None => secrets.remove(key)?,
            };
        }
    }
    Ok(())
}

fn write_entries(
    transaction: &WriteTransaction,
    table: TableDefinition<'static, u64, &'static [u8]>,
    entries: &[(u64, Vec<u8>)],
    first: u64,
) -> Result<(), redb::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(table)?;
    let mut has_new = false;
    for entry in entries {
        match entry.0 >= first {
            true => has_new = true,
            false => drop(table.insert(entry.0, entry.1.as_slice())?),
        }
    }
    if has_new {
        let new = entries.iter().filter(|(position, _)| *position >= first);
        add_at_end(
            &mut table,
            new.map(|(position, bytes)| (*position, bytes.as_slice())),
        )?;
    }
    Ok(())
}

fn write_meta(
    transaction: &WriteTransaction,
    entries: &[(String, Vec<u8>)],
    sign: Option<&str>,
) -> Result<(), redb::Error> {
    if entries.is_empty() && sign.is_none() {
        return Ok(());
    }
    let mut meta = transaction.open_table(tables::META)?;
    for (key, value) in entries {
        meta.insert(key.as_str(), value.as_slice())?;
    }
    if let Some(program) = sign {
        meta.insert(tables::META_WRITTEN_BY, program.as_bytes())?;
    }
    Ok(())
}
