//! Search over the log: an index that follows it, what is newer in memory, and what is open from the
//! state.
//!
//! Everyone asks [`Search`]; one thread (`follower`) writes the index in `search/` of the data folder,
//! which can be deleted at any time.
//!
//! **Invariant:** an answer is never stale. What the index does not hold yet is searched in memory; where
//! that is more than [`TAIL_EVENTS_MAX`] events, the answer says up to where the index reaches.
//!
//! **Invariant:** whatever happens to the index, asking gives an answer: of the newest events at least.

mod agreement;
mod asking;
mod compile;
mod cursor;
mod follower;
mod index;
mod merging;
mod near;
mod newest;
mod open;
mod origins;
mod relevance;
mod tail;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use notify_store::{ReadError, Reader};
use tantivy::ReloadPolicy;

use self::follower::{Follower, Order};
use self::index::{Shelf, View};
use self::relevance::Held;
use self::tail::Tail;
use crate::domain::event::Event;
use crate::domain::state::State;
use crate::search::document::Document;
use crate::search::query::{Field, QueryError, Tree};
use crate::shell::compaction::Forgotten;

pub use agreement::{Agreement, NAMED_MAX};
pub use cursor::{Cursor, NotACursor};
pub use index::{FACETS, Identity};
pub use open::{OPEN_SHOWN_MAX, Open, open};
pub use tail::TAIL_EVENTS_MAX;

/// Folder of the index in the data folder.
pub const FOLDER: &str = "search";
/// Values of one field that are counted; the rest is left out.
pub const FACET_VALUES_MAX: usize = 50;

/// How a search is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sorted {
    #[default]
    Newest,
    Relevance,
}

impl Sorted {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "time" => Some(Sorted::Newest),
            "relevance" => Some(Sorted::Relevance),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Sorted::Newest => "time",
            Sorted::Relevance => "relevance",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub query: String,
    pub sorted: Sorted,
    pub cursor: Option<Cursor>,
    pub limit: usize,
    /// Whether changes of the configuration may be seen.
    pub sees_changes: bool,
}

/// How current an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The newest event.
    pub head: u64,
    /// Every event up to here is in the index.
    pub indexed: u64,
    /// Whether every event was searched: else those after `indexed` and before the newest
    /// [`TAIL_EVENTS_MAX`] were not.
    pub is_complete: bool,
    /// Whether the index is being made anew.
    pub is_rebuilding: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Answer {
    pub hits: Vec<Document>,
    pub next: Option<Cursor>,
    /// What was searched for; its words are to be marked.
    pub tree: Tree,
    /// What was searched for instead, because nothing was found.
    pub corrected: Option<String>,
    pub standing: Standing,
}

/// How much there is, by the values of fields.
#[derive(Debug, Clone)]
pub struct Facets {
    pub total: u64,
    /// By field, most frequent first.
    pub fields: Vec<(Field, Vec<(String, u64)>)>,
    pub standing: Standing,
}

/// Why nothing could be searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("this page is not kept any more; search again")]
    Expired,
}

/// What the follower and those who ask share.
pub(super) struct Shared {
    view: RwLock<Option<Arc<View>>>,
    rebuilding: AtomicBool,
    indexed: AtomicU64,
    /// What the follower was told since it looked: nothing, that there is something new, that there is
    /// enough for a commit.
    told: AtomicU8,
}

impl Shared {
    fn show(&self, view: Option<View>) {
        self.indexed.store(
            view.as_ref().map_or(0, |view| view.through),
            Ordering::Release,
        );
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view.map(Arc::new);
    }

    fn view(&self) -> Option<Arc<View>> {
        self.view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_rebuilding(&self, rebuilding: bool) {
        self.rebuilding.store(rebuilding, Ordering::Release);
    }

    /// The follower looks: what comes from now on is told again.
    fn looks(&self) {
        self.told.store(0, Ordering::Release);
    }

    fn progress(&self) -> u64 {
        self.indexed.load(Ordering::Acquire)
    }
}

fn why_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
        .to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is followed again from where it stopped.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which store an index of this state's log is of. A restored store is another one.
pub fn identity(state: &State) -> Identity {
    let founding = state.founding.unwrap_or_default();
    let mut bytes = founding.salt.to_vec();
    bytes.extend(founding.epoch.to_le_bytes());
    Identity(xxhash_rust::xxh3::xxh3_64(&bytes))
}

/// The tail, the index that it continues, and how current both are.
type Newest<'a> = (MutexGuard<'a, Tail>, Option<Arc<View>>, Standing);

/// Answers searches.
pub struct Search {
    reader: Reader<Event>,
    shared: Arc<Shared>,
    tail: Mutex<Tail>,
    held: Mutex<Held>,
    orders: Option<Sender<Order>>,
}

/// The follower; joined when the program stops.
pub struct SearchThread {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl SearchThread {
    /// Commits what is left and ends.
    pub fn stop(mut self) {
        // A thread that has ended needs no order.
        let _ended = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the search index did not stop cleanly; the next start looks at it");
        }
    }
}

impl Drop for SearchThread {
    fn drop(&mut self) {
        let _ended = self.orders.send(Order::Stop);
    }
}

impl Search {
    /// Starts the follower over a data folder.
    pub fn start(
        data: &Path,
        reader: Reader<Event>,
        store: Identity,
    ) -> std::io::Result<(Arc<Search>, SearchThread)> {
        let (orders, received) = channel();
        let search = Arc::new(Search::over(reader.clone(), Some(orders.clone())));
        // Nobody has looked whether there is an index; until then the log is read.
        search.shared.set_rebuilding(true);
        let follower = Follower {
            folder: data.join(FOLDER),
            reader,
            store,
            shared: Arc::clone(&search.shared),
            orders: received,
            rebuild: false,
        };
        let thread = std::thread::Builder::new()
            .name("search".into())
            .spawn(move || follower.run())?;
        let thread = SearchThread {
            orders,
            thread: Some(thread),
        };
        Ok((search, thread))
    }

    /// Search in the store of a stopped program, as far as its index is of use. Writes nothing.
    pub fn stopped(data: &Path, reader: Reader<Event>, store: Identity) -> Search {
        let search = Search::over(reader, None);
        let next = search.reader.next_position();
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let Some((shelf, through)) = Shelf::open(&data.join(FOLDER), store, next)? else {
                return Ok(None);
            };
            let reader = shelf
                .index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .try_into()?;
            View::of(reader.searcher(), shelf.fields, through).map(Some)
        }));
        if let Ok(Ok(Some(view))) = opened {
            search.shared.show(Some(view));
        }
        search
    }

    fn over(reader: Reader<Event>, orders: Option<Sender<Order>>) -> Search {
        Search {
            reader,
            shared: Arc::new(Shared {
                view: RwLock::new(None),
                rebuilding: AtomicBool::new(false),
                indexed: AtomicU64::new(0),
                told: AtomicU8::new(0),
            }),
            tail: Mutex::default(),
            held: Mutex::default(),
            orders,
        }
    }

    fn tell(&self, order: Order) -> bool {
        self.orders
            .as_ref()
            .is_some_and(|orders| orders.send(order).is_ok())
    }

    /// Says that the log has something new. Cheap.
    pub fn look(&self) {
        let head = self.reader.next_position().saturating_sub(1);
        let behind = head.saturating_sub(self.shared.progress());
        let news = if behind >= follower::COMMIT_DOCUMENTS as u64 {
            2
        } else {
            1
        };
        if self.shared.told.fetch_max(news, Ordering::AcqRel) < news {
            self.tell(Order::Look);
        }
    }

    /// Looks at every commit of a ledger, until it is gone.
    pub async fn watch(self: Arc<Self>, mut committed: tokio::sync::watch::Receiver<u64>) {
        while committed.changed().await.is_ok() {
            self.look();
        }
    }

    /// Waits until the index holds everything the log does now.
    pub fn settle(&self) -> bool {
        let (done, wait) = channel();
        self.tell(Order::Settle(done)) && wait.recv().is_ok()
    }

    /// Deletes the documents of families that are gone from the log, by their founding positions.
    /// Says whether they are gone from the disk. When not, the index is made anew: then they are too.
    pub fn forget(&self, foundings: Vec<u64>) -> bool {
        let (done, wait) = channel();
        self.tell(Order::Forget { foundings, done }) && wait.recv().unwrap_or(false)
    }

    /// Makes the index anew.
    pub fn rebuild(&self) {
        self.tell(Order::Rebuild);
    }

    /// How current the index is.
    pub fn standing(&self) -> Standing {
        let head = self.reader.next_position().saturating_sub(1);
        let indexed = self.shared.progress().min(head);
        Standing {
            head,
            indexed,
            is_complete: head - indexed <= TAIL_EVENTS_MAX,
            is_rebuilding: self.shared.rebuilding.load(Ordering::Acquire),
        }
    }

    /// Asks the index. What goes wrong with it is the follower's to mend; the answer is then without it.
    fn ask<T>(
        &self,
        view: Option<&Arc<View>>,
        ask: impl FnOnce(&View) -> tantivy::Result<T>,
    ) -> Option<T> {
        let view = view?;
        let why = match catch_unwind(AssertUnwindSafe(|| ask(view))) {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => why_of(&*panic),
        };
        tracing::error!(
            error = why,
            "the search index cannot be read; it is opened anew"
        );
        self.shared.show(None);
        self.tell(Order::Reopen);
        None
    }

    /// The tail, followed to the newest event, with the view that it continues.
    fn tail(&self) -> Result<Newest<'_>, ReadError> {
        let mut tail = lock(&self.tail);
        // The view is taken under the lock: a tail never lets go of more than its reader's view holds.
        let view = self.shared.view();
        let indexed = view.as_ref().map_or(0, |view| view.through);
        let start = tail.follow(&self.reader, indexed)?;
        let standing = Standing {
            head: self.reader.next_position().saturating_sub(1),
            indexed,
            is_complete: start <= indexed + 1,
            is_rebuilding: self.shared.rebuilding.load(Ordering::Acquire),
        };
        Ok((tail, view, standing))
    }
}

impl Forgotten for Search {
    fn forgotten(&self, founding: &[u64]) {
        if !self.forget(founding.to_vec()) {
            tracing::warn!(
                families = founding.len(),
                "the index could not be told what was removed; it is made anew"
            );
            self.rebuild();
        }
    }
}
