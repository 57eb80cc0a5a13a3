//! Whether the index and the log say the same.
//!
//! Families that are forgotten and not removed yet leave the index before they leave the log, so they
//! are compared in neither.

use std::collections::{BTreeMap, BTreeSet};

use notify_store::{PAGE_FRAMES_MAX, ReadError};

use super::Search;
use super::index::{FOUNDING, KEY, SEQ};
use super::origins::Log;
use crate::domain::retention::{Fate, fate};
use crate::projections::retention::Retention;
use crate::search::document::{Change, Gathering, position_of};

/// Places that are named of those where the two differ.
pub const NAMED_MAX: usize = 100;

/// How the index compares with the log, up to where it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// Every event up to here was compared.
    pub through: u64,
    /// Documents of the index.
    pub indexed: u64,
    /// Documents the log gives.
    pub expected: u64,
    /// Documents that one of them lacks.
    pub differing: u64,
    /// Positions of the first of those.
    pub named: Vec<u64>,
}

/// What is compared of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Indexed {
    key: u64,
    founding: u64,
}

impl Agreement {
    pub fn is_whole(&self) -> bool {
        self.differing == 0
    }
}

impl Search {
    /// Compares every document of the index with the log. `None` when there is no index, or it could
    /// not be read. Takes about as long as making the index.
    pub fn agreement(
        &self,
        retention: &Retention,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Agreement>, ReadError> {
        let Some(view) = self.shared.view() else {
            return Ok(None);
        };
        let indexed = self.ask(Some(&view), |view| {
            let mut places = BTreeMap::new();
            for part in &view.parts {
                let segment = view.segment(part);
                let seq = segment.fast_fields().u64(SEQ)?;
                let key = segment.fast_fields().u64(KEY)?;
                let founding = segment.fast_fields().u64(FOUNDING)?;
                for doc in segment.doc_ids_alive() {
                    let founding = founding.first(doc).unwrap_or_default();
                    if let (Some(seq), Some(key)) = (seq.first(doc), key.first(doc)) {
                        places.insert(seq, Indexed { key, founding });
                    }
                }
            }
            Ok(places)
        });
        let Some(mut left) = indexed else {
            return Ok(None);
        };
        let mut expected: BTreeMap<u64, Indexed> = BTreeMap::new();
        let mut going = BTreeSet::new();
        let mut gathering = Gathering::default();
        let mut by_key: BTreeMap<u64, u64> = BTreeMap::new();
        let mut changes = Vec::new();
        let mut from = 1;
        while from <= view.through {
            let page = self.reader.page(from, PAGE_FRAMES_MAX)?;
            let Some(last) = page.last().map(|event| event.position) else {
                break;
            };
            for event in page.iter().filter(|event| event.position <= view.through) {
                match fate(retention, event.position, &event.payload) {
                    Fate::Stays => {}
                    Fate::Goes | Fate::FamilyGoes => {
                        going.insert(event.position);
                    }
                }
                gathering.apply(event, &Log(&self.reader), &mut changes)?;
                for change in changes.drain(..) {
                    match change {
                        Change::Add(document) => {
                            let indexed = Indexed {
                                key: document.key,
                                founding: document.founding,
                            };
                            expected.insert(document.seq, indexed);
                            by_key.insert(document.key, document.seq);
                        }
                        Change::Remove(key) => {
                            if let Some(seq) = by_key.remove(&key) {
                                expected.remove(&seq);
                            }
                        }
                    }
                }
            }
            from = last + 1;
            progress(from.min(view.through), view.through);
        }
        for documents in [&mut left, &mut expected] {
            documents.retain(|_, document| !going.contains(&document.founding));
        }
        let mut agreement = Agreement {
            through: view.through,
            indexed: left.len() as u64,
            expected: expected.len() as u64,
            ..Agreement::default()
        };
        let mut differ = |seq: u64| {
            agreement.differing += 1;
            if agreement.named.len() < NAMED_MAX {
                agreement.named.push(position_of(seq));
            }
        };
        for (seq, document) in expected {
            if left.remove(&seq) != Some(document) {
                differ(seq);
            }
        }
        left.into_keys().for_each(&mut differ);
        Ok(Some(agreement))
    }
}
