//! The thread that keeps the index behind the log.
//!
//! It reads the log page by page in short read transactions, so that it never holds up the writer, and
//! commits what it took every second, or every [`COMMIT_DOCUMENTS`]. While the index is far behind, as
//! when it is made anew, commits are rare. It yields to everything else: what is newer than the index is
//! found in memory, so nobody waits for it.
//!
//! **Invariant:** a commit says up to where it reaches, so that a crash at any point loses nothing and
//! repeats at most what no commit held.
//!
//! **Invariant:** whatever is wrong with the index, the program serves: the folder is opened again and,
//! when it is of no use, made anew in the background.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use futures_util::FutureExt as _;
use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader};
use tantivy::indexer::{IndexWriterOptions, NoMergePolicy};
use tantivy::{FutureResult, IndexReader, IndexWriter, ReloadPolicy, SegmentMeta, TantivyDocument};
use tantivy::{TantivyError, directory::error::OpenReadError};

use super::index::{FOUNDING, Identity, KEY, Shelf, These, View, checkpoint};
use super::merging::{self, Size};
use super::origins::Log;
use super::tail::TAIL_EVENTS_MAX;
use super::{Shared, why_of};
use crate::domain::event::Event;
use crate::search::document::{Change, Document, Gathering};
use crate::shell::background;
use crate::shell::ledger::Causes;

/// Documents after which is committed.
pub const COMMIT_DOCUMENTS: usize = 2_000;
/// Time between the first event that is not in the index and its commit.
const COMMIT_WAIT: Duration = Duration::from_secs(1);
/// Documents after which is committed while the index is far behind.
const FAR_COMMIT_DOCUMENTS: usize = 100_000;
/// Heap of the indexing thread, in bytes; the least it takes. A larger one makes no difference that
/// could be measured, and is held for as long as something comes in.
const HEAP_BYTES: usize = 15_000_000;
/// Time without anything new after which the heap is given back. A new one costs a few milliseconds.
const IDLE: Duration = Duration::from_secs(2);
/// What the allocator is asked for while nothing comes in; never written to.
const NUDGE_BYTES: usize = 4 * 1024 * 1024;
/// How often is looked whether parts are joined.
const MERGE_LOOK: Duration = Duration::from_millis(100);
/// Wait after something failed, and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What the thread is told.
pub enum Order {
    /// There is something new.
    Look,
    /// Commit what there is now, and say when that is done.
    Settle(Sender<()>),
    /// Families that are gone from the log. Told when their documents are gone from the disk.
    Forget {
        foundings: Vec<u64>,
        done: Sender<bool>,
    },
    /// An answer failed: open the index anew.
    Reopen,
    /// Make the index anew.
    Rebuild,
    Stop,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    #[error("the index failed")]
    Index(#[from] TantivyError),
    #[error("the index failed: {0}")]
    Panicked(String),
    /// Told to begin again.
    #[error("the index is opened anew")]
    Anew,
}

pub struct Follower {
    pub folder: PathBuf,
    pub reader: Reader<Event>,
    pub store: Identity,
    pub shared: Arc<Shared>,
    pub orders: Receiver<Order>,
    pub rebuild: bool,
}

/// What is not in the index yet.
#[derive(Default)]
struct Pending {
    documents: Vec<Option<TantivyDocument>>,
    by_key: HashMap<u64, usize>,
    removed: BTreeSet<u64>,
    forgotten: BTreeSet<u64>,
}

struct Work<'a> {
    follower: &'a Follower,
    shelf: Shelf,
    index_reader: IndexReader,
    writer: Option<IndexWriter>,
    merging: Option<FutureResult<Option<SegmentMeta>>>,
    gathering: Gathering,
    pending: Pending,
    /// Documents handed over since the last commit.
    uncommitted: usize,
    /// Whether the next commit has something to say besides its checkpoint.
    has_changes: bool,
    committed: u64,
    next: u64,
    settling: Vec<Sender<()>>,
    forgetting: Vec<Sender<bool>>,
}

impl Follower {
    pub fn run(mut self) {
        background::yield_to_others();
        let mut wait = RETRY;
        loop {
            let result = catch_unwind(AssertUnwindSafe(|| self.work()));
            let fault = match result {
                Ok(Ok(())) => return,
                Ok(Err(fault)) => fault,
                Err(panic) => Fault::Panicked(why_of(&*panic)),
            };
            self.shared.show(None);
            let reached = self.shared.progress();
            match fault {
                Fault::Anew => wait = RETRY,
                fault => {
                    tracing::warn!(
                        error = %Causes(&fault),
                        position = reached,
                        "the search index failed; it is opened again"
                    );
                    if self.is_told_to_stop(wait) {
                        return;
                    }
                    wait = (wait * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Waits so long, unless the program stops.
    fn is_told_to_stop(&mut self, wait: Duration) -> bool {
        loop {
            match self.orders.recv_timeout(wait) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Order::Rebuild) => self.rebuild = true,
                // Nothing is there to be settled; who waits learns it by the channel's end.
                Ok(Order::Look | Order::Settle(_) | Order::Forget { .. } | Order::Reopen) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    fn work(&mut self) -> Result<(), Fault> {
        let next = self.reader.next_position();
        let opened = if std::mem::take(&mut self.rebuild) {
            None
        } else {
            let opened = catch_unwind(AssertUnwindSafe(|| {
                Shelf::open(&self.folder, self.store, next)
            }));
            match opened {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => {
                    tracing::warn!(error = %Causes(&error), "the search index cannot be read; it is made anew");
                    None
                }
                Err(panic) => {
                    tracing::warn!(
                        error = why_of(&*panic),
                        "the search index cannot be read; it is made anew"
                    );
                    None
                }
            }
        };
        let (shelf, through) = match opened {
            Some(opened) => opened,
            None => (Shelf::create(&self.folder)?, 0),
        };
        let index_reader = shelf
            .index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let behind = next.saturating_sub(through + 1);
        self.shared.set_rebuilding(behind > TAIL_EVENTS_MAX);
        let told = Work {
            shelf,
            index_reader,
            writer: None,
            merging: None,
            gathering: Gathering::default(),
            pending: Pending::default(),
            uncommitted: 0,
            has_changes: false,
            committed: through,
            next: through + 1,
            settling: Vec::new(),
            forgetting: Vec::new(),
            follower: self,
        }
        .run()?;
        if told == Told::Rebuild {
            self.rebuild = true;
        }
        if told == Told::Stop {
            return Ok(());
        }
        Err(Fault::Anew)
    }
}

/// How following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reopen,
    Rebuild,
}

impl Work<'_> {
    fn run(mut self) -> Result<Told, Fault> {
        self.show()?;
        loop {
            if let Some(told) = self.catch_up()? {
                return Ok(told);
            }
            // Until there is something new.
            let wait = if self.merging.is_some() {
                MERGE_LOOK
            } else {
                IDLE
            };
            match self.follower.orders.recv_timeout(wait) {
                Ok(order) => {
                    if let Some(told) = self.take(order)? {
                        return Ok(told);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Told::Stop),
                Err(RecvTimeoutError::Timeout) => {
                    self.join_parts()?;
                    if wait == IDLE && self.merging.is_none() {
                        self.rest();
                    }
                    continue;
                }
            }
            // Whatever else comes within the time goes into the same commit.
            let began = self.next;
            while self.settling.is_empty() && self.forgetting.is_empty() {
                let waiting = self.follower.reader.next_position().saturating_sub(began);
                if waiting >= COMMIT_DOCUMENTS as u64 {
                    break;
                }
                match self.follower.orders.recv_timeout(COMMIT_WAIT) {
                    Ok(Order::Look) => {}
                    Ok(order) => {
                        if let Some(told) = self.take(order)? {
                            return Ok(told);
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(Told::Stop),
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
    }

    /// Gives back what is only needed while something comes in, and is made again from the log.
    fn rest(&mut self) {
        if self.writer.take().is_some() {
            self.gathering = Gathering::default();
        } else {
            // Freed pages go back to the system a second later, when the allocator is asked for some.
            drop(Vec::<u8>::with_capacity(NUDGE_BYTES));
        }
    }

    fn take(&mut self, order: Order) -> Result<Option<Told>, Fault> {
        match order {
            Order::Look => {}
            Order::Settle(done) => self.settling.push(done),
            Order::Forget { foundings, done } => {
                // What was gathered before goes first, so that it is forgotten as well.
                self.hand_over()?;
                self.pending.forgotten.extend(foundings);
                self.forgetting.push(done);
            }
            Order::Reopen => return Ok(Some(Told::Reopen)),
            Order::Rebuild => return Ok(Some(Told::Rebuild)),
            Order::Stop => {
                // What is left is little; a start takes it from the log again otherwise.
                self.catch_up()?;
                return Ok(Some(Told::Stop));
            }
        }
        Ok(None)
    }

    /// Takes everything the log has and commits it.
    fn catch_up(&mut self) -> Result<Option<Told>, Fault> {
        let reader = &self.follower.reader;
        let mut changes = Vec::new();
        self.follower.shared.looks();
        loop {
            let page = reader.page(self.next, PAGE_FRAMES_MAX)?;
            let Some(last) = page.last().map(|event| event.position) else {
                break;
            };
            for event in &page {
                self.gathering.apply(event, &Log(reader), &mut changes)?;
                for change in changes.drain(..) {
                    match change {
                        Change::Add(document) => self.add(&document),
                        Change::Remove(key) => self.pending.remove(key),
                    }
                }
            }
            self.next = last + 1;
            let behind = reader.next_position().saturating_sub(self.next);
            let is_far = behind > TAIL_EVENTS_MAX;
            let enough = if is_far {
                FAR_COMMIT_DOCUMENTS
            } else {
                COMMIT_DOCUMENTS
            };
            if self.pending.documents.len() >= COMMIT_DOCUMENTS {
                self.hand_over()?;
            }
            if self.uncommitted + self.pending.documents.len() >= enough {
                self.commit()?;
            }
            if is_far {
                // A start that is stopped at once does not wait for the whole log.
                while let Ok(order) = self.follower.orders.try_recv() {
                    match order {
                        Order::Stop => {
                            self.commit()?;
                            return Ok(Some(Told::Stop));
                        }
                        order => {
                            if let Some(told) = self.take(order)? {
                                return Ok(Some(told));
                            }
                        }
                    }
                }
            } else if self.uncommitted == 0 {
                self.follower.shared.set_rebuilding(false);
            }
        }
        self.commit()?;
        self.follower.shared.set_rebuilding(false);
        for done in self.settling.drain(..) {
            // Who asked may have gone.
            let _gone = done.send(());
        }
        Ok(None)
    }

    fn add(&mut self, document: &Document) {
        let made = self.shelf.document(document);
        let at = self.pending.documents.len();
        self.pending.documents.push(Some(made));
        self.pending.by_key.insert(document.key, at);
    }

    fn writer(&mut self) -> Result<&mut IndexWriter, Fault> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .memory_budget_per_thread(HEAP_BYTES)
                .num_worker_threads(1)
                .num_merge_threads(1)
                .build();
            let writer: IndexWriter = self.shelf.index.writer_with_options(options)?;
            writer.set_merge_policy(Box::new(NoMergePolicy));
            self.writer = Some(writer);
        }
        match &mut self.writer {
            Some(writer) => Ok(writer),
            None => Err(Fault::Anew),
        }
    }

    /// Hands to the index what was gathered, without committing it.
    fn hand_over(&mut self) -> Result<(), Fault> {
        let Pending {
            documents,
            by_key: _,
            removed,
            forgotten,
        } = std::mem::take(&mut self.pending);
        if documents.is_empty() && removed.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let writer = self.writer()?;
        for (column, values) in [(KEY, removed), (FOUNDING, forgotten)] {
            if !values.is_empty() {
                let values = Arc::new(values);
                writer.delete_query(Box::new(These { column, values }))?;
            }
        }
        let mut added = 0;
        for document in documents.into_iter().flatten() {
            writer.add_document(document)?;
            added += 1;
        }
        self.uncommitted += added;
        self.has_changes = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.hand_over()?;
        let through = self.next - 1;
        // A commit for the checkpoint alone only when a start would otherwise read much again.
        let is_worth_it = self.has_changes || through > self.committed + TAIL_EVENTS_MAX / 2;
        if is_worth_it {
            let store = self.follower.store;
            let writer = self.writer()?;
            let mut commit = writer.prepare_commit()?;
            commit.set_payload(&checkpoint(store, through));
            commit.commit()?;
            (self.uncommitted, self.has_changes) = (0, false);
            self.committed = through;
            self.index_reader.reload()?;
        }
        self.show()?;
        for done in self.forgetting.drain(..) {
            let _gone = done.send(true);
        }
        if is_worth_it {
            self.join_parts()?;
        }
        Ok(())
    }

    /// Shows readers what is committed.
    fn show(&self) -> Result<(), Fault> {
        let through = self.next - 1;
        let view = View::of(self.index_reader.searcher(), self.shelf.fields, through)?;
        self.follower.shared.show(Some(view));
        Ok(())
    }

    /// Begins to join parts when there are enough neighbours, and shows those that were joined.
    fn join_parts(&mut self) -> Result<(), Fault> {
        if let Some(merging) = &mut self.merging {
            let Some(done) = merging.now_or_never() else {
                return Ok(());
            };
            self.merging = None;
            done?;
            self.index_reader.reload()?;
            self.show()?;
        }
        let Some(view) = self.follower.shared.view() else {
            return Ok(());
        };
        let oldest_first: Vec<_> = view
            .parts
            .iter()
            .rev()
            .map(|part| view.segment(part))
            .collect();
        let sizes: Vec<Size> = oldest_first
            .iter()
            .map(|segment| Size {
                documents: segment.max_doc(),
                deleted: segment.num_deleted_docs(),
            })
            .collect();
        if let Some(range) = merging::next(&sizes) {
            let ids: Vec<_> = oldest_first[range]
                .iter()
                .map(|segment| segment.segment_id())
                .collect();
            let merging = self.writer()?.merge(&ids);
            self.merging = Some(merging);
        }
        Ok(())
    }
}

impl Pending {
    fn remove(&mut self, key: u64) {
        if let Some(at) = self.by_key.remove(&key) {
            self.documents[at] = None;
        }
        self.removed.insert(key);
    }
}

impl From<OpenReadError> for Fault {
    fn from(error: OpenReadError) -> Self {
        Fault::Index(error.into())
    }
}
