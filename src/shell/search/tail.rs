//! What is newer than the index, in memory, so that everybody finds what was just written.
//!
//! **Invariant:** it holds documents of at most [`TAIL_EVENTS_MAX`] events, the newest. When the index
//! is further behind than that, answers say up to where it reaches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader};

use super::origins::Log;
use crate::domain::event::Event;
use crate::search::document::{Change, Gathering, position_of};
use crate::search::matching::Indexed;

/// Events newer than the index that are searched.
pub const TAIL_EVENTS_MAX: u64 = 10_000;

#[derive(Default)]
pub struct Tail {
    gathering: Gathering,
    /// Events from here on are in it.
    start: u64,
    /// The next event to take.
    next: u64,
    /// Oldest first.
    pub documents: VecDeque<Indexed>,
    /// Keys that are true no more, with the newest position that said so.
    removed: BTreeMap<u64, u64>,
    /// The same as a set.
    pub hidden: BTreeSet<u64>,
}

impl Tail {
    /// Lets go of what the index holds and takes what is new. Says from where on everything is in it.
    pub fn follow(&mut self, reader: &Reader<Event>, through: u64) -> Result<u64, ReadError> {
        let head = reader.next_position();
        let oldest = (through + 1).max(head.saturating_sub(TAIL_EVENTS_MAX));
        self.let_go(oldest);
        if self.next < oldest {
            // What lies between was never looked at here.
            (self.start, self.next) = (oldest, oldest);
            self.gathering = Gathering::default();
        }
        let mut changes = Vec::new();
        while self.next < head {
            let most = usize::try_from(head - self.next).unwrap_or(PAGE_FRAMES_MAX);
            let page = reader.page(self.next, most.min(PAGE_FRAMES_MAX))?;
            if page.is_empty() {
                self.next = head;
                break;
            }
            for event in page {
                self.gathering.apply(&event, &Log(reader), &mut changes)?;
                for change in changes.drain(..) {
                    match change {
                        Change::Add(document) => {
                            self.documents.push_back(Indexed::of(*document));
                        }
                        Change::Remove(key) => {
                            self.documents.retain(|held| held.document.key != key);
                            self.removed.insert(key, event.position);
                            self.hidden.insert(key);
                        }
                    }
                }
                self.next = event.position + 1;
            }
        }
        if self.next == self.start {
            self.start = oldest;
            self.next = self.next.max(oldest);
        }
        Ok(self.start)
    }

    fn let_go(&mut self, oldest: u64) {
        while let Some(first) = self.documents.front() {
            if position_of(first.document.seq) >= oldest {
                break;
            }
            self.documents.pop_front();
        }
        if self.removed.values().any(|position| *position < oldest) {
            self.removed.retain(|_, position| *position >= oldest);
            self.hidden = self.removed.keys().copied().collect();
        }
        self.start = self.start.max(oldest.min(self.next));
        if self.documents.is_empty() {
            self.documents.shrink_to(64);
        }
    }
}
