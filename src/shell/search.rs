//! Search over the log: an index that follows it, what is newer in memory, and what is open from the
//! state.
//!
//! Everyone asks [`Search`]; one thread ([`follower`]) writes the index in `search/` of the data folder,
//! which can be deleted at any time.
//!
//! **Invariant:** an answer is never stale. What the index does not hold yet is searched in memory; where
//! that is more than [`TAIL_EVENTS_MAX`] events, the answer says up to where the index reaches.
//!
//! **Invariant:** whatever happens to the index, asking gives an answer: of the newest events at least.

mod agreement;
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
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use notify_store::{ReadError, Reader};
use tantivy::ReloadPolicy;

use self::compile::{Scoring, compile};
use self::follower::{Follower, Order};
use self::index::{Shelf, View, facet_of};
use self::newest::{Counted, Window};
use self::origins::Log;
use self::relevance::{Held, RANKED_MAX};
use self::tail::Tail;
use crate::domain::event::Event;
use crate::domain::state::State;
use crate::search::document::{self, Document, Sort, position_of, seq_of};
use crate::search::matching::matches;
use crate::search::query::{Field, QueryError, Reading, Tree, Value};
use crate::shell::compaction::Forgotten;
use crate::shell::entropy::{Entropy as _, SystemEntropy};

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
    fn tail(&self) -> Result<(MutexGuard<'_, Tail>, Option<Arc<View>>, Standing), ReadError> {
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

    /// Searches.
    pub fn find(
        &self,
        asked: &Asked,
        now: i64,
        zone: &TimeZone,
        monotonic: Duration,
    ) -> Result<Answer, SearchError> {
        let now = match asked.cursor {
            Some(Cursor::Newest { now, .. }) => now,
            Some(Cursor::Held { .. }) | None => now,
        };
        let reading = Reading {
            now,
            zone: zone.clone(),
            beginnings: false,
        };
        let tree = Tree::parse(&asked.query, &reading)?;
        if let Some(Cursor::Held { token, from }) = asked.cursor {
            return self.held_page(asked, tree, token, from, monotonic);
        }
        let mut answer = self.found(asked, tree, now, monotonic)?;
        if answer.hits.is_empty() && asked.cursor.is_none() {
            let corrected = {
                let (tail, view, _) = self.tail()?;
                let near =
                    |view: Option<&View>| near::corrected(&asked.query, &answer.tree, view, &tail);
                match &view {
                    Some(_) => self.ask(view.as_ref(), |view| near(Some(view))).flatten(),
                    None => near(None).ok().flatten(),
                }
            };
            if let Some(corrected) = corrected
                && let Ok(tree) = Tree::parse(&corrected, &reading)
            {
                let better = self.found(asked, tree, now, monotonic)?;
                if !better.hits.is_empty() {
                    answer = Answer {
                        corrected: Some(corrected),
                        ..better
                    };
                }
            }
        }
        Ok(answer)
    }

    fn found(
        &self,
        asked: &Asked,
        tree: Tree,
        now: i64,
        monotonic: Duration,
    ) -> Result<Answer, SearchError> {
        let wanted = seen(tree.clone(), asked.sees_changes);
        match asked.sorted {
            Sorted::Newest => self.newest_page(asked, tree, &wanted, now),
            Sorted::Relevance => self.ranked_page(asked, tree, &wanted, monotonic),
        }
    }

    fn newest_page(
        &self,
        asked: &Asked,
        tree: Tree,
        wanted: &Tree,
        now: i64,
    ) -> Result<Answer, SearchError> {
        let (places, in_tail, as_of, standing) = {
            let (tail, view, standing) = self.tail()?;
            let (before, as_of) = match asked.cursor {
                Some(Cursor::Newest { before, as_of, .. }) => (before, as_of),
                Some(Cursor::Held { .. }) | None => {
                    let as_of = seq_of(standing.head + 1, 0);
                    (as_of, as_of)
                }
            };
            let before = before.min(as_of);
            let most = asked.limit + 1;
            let mut in_tail = BTreeMap::new();
            let mut places = Vec::new();
            for held in tail.documents.iter().rev() {
                let document = &held.document;
                if places.len() < most && document.seq < before && matches(wanted, held) {
                    places.push(document.seq);
                    in_tail.insert(document.seq, document.clone());
                }
            }
            if places.len() < most {
                let window = Window {
                    before,
                    hidden: &tail.hidden,
                };
                let rest = self.ask(view.as_ref(), |view| {
                    let query = compile(wanted, &view.fields, Scoring::None);
                    newest::newest(view, wanted, &*query, window, most - places.len())
                });
                places.extend(rest.unwrap_or_default());
            }
            (places, in_tail, as_of, standing)
        };
        let next = (places.len() > asked.limit)
            .then(|| places.get(asked.limit.saturating_sub(1)).copied())
            .flatten()
            .map(|before| Cursor::Newest { before, as_of, now });
        let shown = &places[..places.len().min(asked.limit)];
        Ok(Answer {
            hits: self.documents(shown, in_tail)?,
            next,
            tree,
            corrected: None,
            standing,
        })
    }

    fn ranked_page(
        &self,
        asked: &Asked,
        tree: Tree,
        wanted: &Tree,
        monotonic: Duration,
    ) -> Result<Answer, SearchError> {
        let (ranked, standing) = {
            let (tail, view, standing) = self.tail()?;
            let mut ranked = self
                .ask(view.as_ref(), |view| {
                    let query = compile(wanted, &view.fields, Scoring::Relevance);
                    relevance::best(view, &*query, &tail.hidden)
                })
                .unwrap_or_default();
            for held in tail.documents.iter().filter(|held| matches(wanted, held)) {
                let score = relevance::score(wanted, held, view.as_deref());
                ranked.push((score, held.document.seq));
            }
            (ranked, standing)
        };
        let mut ranked = ranked;
        // Of those that fit alike the newest comes first.
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(&one.1)));
        ranked.truncate(RANKED_MAX);
        let places: Vec<u64> = ranked.into_iter().map(|(_, seq)| seq).collect();
        let shown = places.len().min(asked.limit);
        let hits = self.documents(&places[..shown], BTreeMap::new())?;
        let next = (places.len() > shown).then(|| {
            let token = SystemEntropy.next_u64();
            lock(&self.held).put(token, monotonic, places);
            Cursor::Held { token, from: shown }
        });
        Ok(Answer {
            hits,
            next,
            tree,
            corrected: None,
            standing,
        })
    }

    fn held_page(
        &self,
        asked: &Asked,
        tree: Tree,
        token: u64,
        from: usize,
        monotonic: Duration,
    ) -> Result<Answer, SearchError> {
        let (shown, is_more) = {
            let held = lock(&self.held);
            let places = held.get(token, monotonic).ok_or(SearchError::Expired)?;
            let rest = places.get(from..).ok_or(SearchError::Expired)?;
            let shown = rest[..rest.len().min(asked.limit)].to_vec();
            (shown, rest.len() > asked.limit)
        };
        let mut hits = self.documents(&shown, BTreeMap::new())?;
        hits.retain(|hit| asked.sees_changes || hit.sort != Sort::Change);
        Ok(Answer {
            hits,
            next: is_more.then(|| Cursor::Held {
                token,
                from: from + shown.len(),
            }),
            tree,
            corrected: None,
            standing: self.standing(),
        })
    }

    /// Documents by their places; those that are gone from the log are left out.
    fn documents(
        &self,
        places: &[u64],
        mut known: BTreeMap<u64, Document>,
    ) -> Result<Vec<Document>, ReadError> {
        let mut documents = Vec::with_capacity(places.len());
        for place in places {
            let found = match known.remove(place) {
                Some(known) => Some(known),
                None => document::at(*place, &Log(&self.reader))?,
            };
            documents.extend(found);
        }
        Ok(documents)
    }

    /// How much of what is asked for there is, by values.
    pub fn facets(&self, asked: &Asked, now: i64, zone: &TimeZone) -> Result<Facets, SearchError> {
        let reading = Reading {
            now,
            zone: zone.clone(),
            beginnings: false,
        };
        let tree = Tree::parse(&asked.query, &reading)?;
        let wanted = seen(tree, asked.sees_changes);
        let (counted, standing) = {
            let (tail, view, standing) = self.tail()?;
            let window = Window {
                before: u64::MAX,
                hidden: &tail.hidden,
            };
            let counted = self.ask(view.as_ref(), |view| {
                let query = compile(&wanted, &view.fields, Scoring::None);
                newest::counted(view, &wanted, &*query, window)
            });
            let mut counted = counted.unwrap_or_default();
            for held in tail.documents.iter().filter(|held| matches(&wanted, held)) {
                counted.add(&facet_of(&held.document), 1);
            }
            (counted, standing)
        };
        let Counted { total, values } = counted;
        let fields = FACETS
            .into_iter()
            .map(|field| {
                let mut of: Vec<(String, u64)> = values
                    .iter()
                    .filter(|((found, _), _)| *found == field)
                    .map(|((_, value), times)| (value.clone(), *times))
                    .collect();
                of.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
                of.truncate(FACET_VALUES_MAX);
                (field, of)
            })
            .collect();
        Ok(Facets {
            total,
            fields,
            standing,
        })
    }

    /// Positions of notices before one that are wanted, newest first; `None` when the index cannot say,
    /// and the log has to be read.
    pub fn notices(
        &self,
        tree: &Tree,
        before: u64,
        limit: usize,
    ) -> Result<Option<Vec<u64>>, ReadError> {
        let wanted = tree.clone().and(Tree::Field(
            Field::Is,
            vec![Value {
                text: Sort::Notice.as_str().into(),
                prefix: false,
            }],
        ));
        let (tail, view, standing) = self.tail()?;
        if !standing.is_complete || view.is_none() {
            return Ok(None);
        }
        let before = seq_of(before.min(standing.head + 1), 0);
        let mut places: Vec<u64> = tail
            .documents
            .iter()
            .rev()
            .filter(|held| held.document.seq < before && matches(&wanted, held))
            .map(|held| held.document.seq)
            .take(limit)
            .collect();
        if places.len() < limit {
            let window = Window {
                before,
                hidden: &tail.hidden,
            };
            let rest = self.ask(view.as_ref(), |view| {
                let query = compile(&wanted, &view.fields, Scoring::None);
                newest::newest(view, &wanted, &*query, window, limit - places.len())
            });
            let Some(rest) = rest else { return Ok(None) };
            places.extend(rest);
        }
        Ok(Some(places.into_iter().map(position_of).collect()))
    }
}

/// What is asked for, without what may not be seen.
fn seen(tree: Tree, sees_changes: bool) -> Tree {
    if sees_changes {
        return tree;
    }
    let changes = Tree::Field(
        Field::Is,
        vec![Value {
            text: Sort::Change.as_str().into(),
            prefix: false,
        }],
    );
    tree.and(Tree::Not(Box::new(changes)))
}

impl Forgotten for Search {
    fn forgotten(&self, founding: &[u64]) {
        if !self.forget(founding.to_vec()) {
            tracing::warn!(
                families = founding.len(),
                "the index could not be told what was removed; it is made anew at the next start"
            );
        }
    }
}
