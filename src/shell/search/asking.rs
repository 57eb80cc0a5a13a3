//! Asking: pages by time and by relevance, how much there is, and the notices of a list.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use notify_store::ReadError;

use super::compile::{Scoring, compile};
use super::cursor::Cursor;
use super::index::{FACETS, View, facet_of};
use super::newest::{self, Counted, Window};
use super::origins::Log;
use super::relevance::{self, RANKED_MAX};
use super::{Answer, Asked, FACET_VALUES_MAX, Facets, Search, SearchError, Sorted, lock, near};
use crate::search::document::{self, Document, Sort, position_of, seq_of};
use crate::search::matching::matches;
use crate::search::query::{Field, Reading, Tree, Value};
use crate::shell::entropy::{Entropy as _, SystemEntropy};

impl Search {
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
