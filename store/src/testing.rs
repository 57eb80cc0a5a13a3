//! Storage that fails on demand, and bytes that are wrong in the right way, for tests of this crate and of programs above it.
//!
//! A [`Disk`] is memory that behaves like a disk with a volatile cache: what is written counts as
//! kept only once a sync returns. Clones are the same disk.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64;

/// What is left of the writes that no sync covered when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the disk.
    Lost,
    /// All of them did.
    Kept,
    /// Every other one did, beginning with the first.
    Even,
    /// Every other one did, beginning with the second.
    Odd,
}

/// What went through a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub writes: u64,
    pub bytes_written: u64,
    pub reads: u64,
    pub syncs: u64,
}

/// A disk in memory that can fail and lose power.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What reads see.
    seen: Vec<u8>,
    /// What survives for certain.
    kept: Vec<u8>,
    unsynced: VecDeque<Change>,
    counters: Counters,
    syncs_left: Option<u64>,
    writes_left: Option<u64>,
    reads_fail: bool,
}

#[derive(Debug)]
enum Change {
    SetLen(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these bytes on it.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::new();
        {
            let mut inner = disk.inner();
            inner.kept.clone_from(&bytes);
            inner.seen = bytes;
        }
        disk
    }

    /// The bytes that reads see.
    pub fn bytes(&self) -> Vec<u8> {
        self.inner().seen.clone()
    }

    /// The sync after `n` more, and everything after it, fails and keeps nothing.
    pub fn stop_after_syncs(&self, n: u64) {
        self.inner().syncs_left = Some(n);
    }

    /// The write after `n` more, and every one after it, fails.
    pub fn fail_after_writes(&self, n: u64) {
        self.inner().writes_left = Some(n);
    }

    /// Every read fails.
    pub fn fail_reads(&self) {
        self.inner().reads_fail = true;
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.syncs_left = None;
        inner.writes_left = None;
        inner.reads_fail = false;
    }

    /// Whether [`Self::stop_after_syncs`] has come into effect.
    pub fn has_stopped(&self) -> bool {
        self.inner().syncs_left == Some(0)
    }

    /// The disk as it is found after the power went.
    pub fn crashed(&self, unsynced: Unsynced) -> Self {
        let inner = self.inner();
        let mut bytes = inner.kept.clone();
        for (n, change) in inner.unsynced.iter().enumerate() {
            let reached = match unsynced {
                Unsynced::Lost => false,
                Unsynced::Kept => true,
                Unsynced::Even => n % 2 == 0,
                Unsynced::Odd => n % 2 == 1,
            };
            if reached {
                change.apply(&mut bytes);
            }
        }
        Self::holding(bytes)
    }

    pub fn counters(&self) -> Counters {
        self.inner().counters
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len, 0),
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl Inner {
    fn running(&self) -> io::Result<()> {
        if self.syncs_left == Some(0) {
            return Err(io::Error::other("the disk has stopped"));
        }
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push_back(change);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.counters.reads += 1;
        if inner.reads_fail {
            return Err(io::Error::other("the disk cannot be read"));
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = start
            .checked_add(out.len())
            .and_then(|end| inner.seen.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.running()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        inner.change(Change::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.running()?;
        if let Some(left) = &mut inner.syncs_left {
            *left -= 1;
            inner.running()?;
        }
        inner.counters.syncs += 1;
        let inner = &mut *inner;
        for change in inner.unsynced.drain(..) {
            change.apply(&mut inner.kept);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.running()?;
        match &mut inner.writes_left {
            Some(0) => return Err(io::Error::other("the disk cannot be written")),
            Some(left) => *left -= 1,
            None => {}
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        if start
            .checked_add(data.len())
            .is_none_or(|end| end > inner.seen.len())
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        inner.counters.writes += 1;
        inner.counters.bytes_written += data.len() as u64;
        inner.change(Change::Write(start, data.to_vec()));
        Ok(())
    }
}

/// Counts what goes through another backend, such as a file.
#[derive(Debug)]
pub struct Counting<B> {
    below: Arc<B>,
    counters: Arc<Mutex<Counters>>,
}

impl<B> Clone for Counting<B> {
    fn clone(&self) -> Self {
        Self {
            below: Arc::clone(&self.below),
            counters: Arc::clone(&self.counters),
        }
    }
}

impl<B> Counting<B> {
    pub fn new(below: B) -> Self {
        Self {
            below: Arc::new(below),
            counters: Arc::default(),
        }
    }

    pub fn counters(&self) -> Counters {
        *self.counted()
    }

    fn counted(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: StorageBackend> StorageBackend for Counting<B> {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counted().reads += 1;
        self.below.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.below.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counted().syncs += 1;
        self.below.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        {
            let mut counters = self.counted();
            counters.writes += 1;
            counters.bytes_written += data.len() as u64;
        }
        self.below.write(offset, data)
    }
}

/// Makes the checksums of a backup right again, as far as its chunks can be found, so that what lies
/// behind them is reached. Written from the description and not with the code that it tests.
pub fn make_backup_right(bytes: &mut [u8]) {
    let mut before = xxh3_64(&bytes[..8]);
    bytes[8..16].copy_from_slice(&before.to_le_bytes());
    let mut at = 16;
    while let Some(head) = bytes.get(at..at + 32) {
        let stored = u32::from_le_bytes([head[20], head[21], head[22], head[23]]) as usize;
        let Some(content) = bytes.get(at + 32..(at + 32).saturating_add(stored)) else {
            return;
        };
        let mut all = before.to_le_bytes().to_vec();
        all.extend_from_slice(&head[..24]);
        all.extend_from_slice(content);
        before = xxh3_64(&all);
        bytes[at + 24..at + 32].copy_from_slice(&before.to_le_bytes());
        at += 32 + stored;
    }
}
