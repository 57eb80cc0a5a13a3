//! By relevance: the best of the index and of the tail, and what is held of them for further pages.

use std::collections::BTreeSet;
use std::time::Duration;

use tantivy::Term;
use tantivy::collector::TopDocs;
use tantivy::query::Query;

use super::index::{KEY, SEQ, View};
use crate::search::matching::Indexed;
use crate::search::query::Tree;

/// The best so many are kept; there are no pages beyond.
pub const RANKED_MAX: usize = 500;
/// How long they are kept for further pages.
pub const HELD_FOR: Duration = Duration::from_secs(5 * 60);
/// Searches that are kept at a time; the oldest goes for a new one.
const HELD_MAX: usize = 64;

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The best of the index with their scores, best first.
pub fn best(
    view: &View,
    query: &dyn Query,
    hidden: &BTreeSet<u64>,
) -> tantivy::Result<Vec<(f64, u64)>> {
    let top = TopDocs::with_limit(RANKED_MAX).order_by_score();
    let mut ranked = Vec::new();
    for (score, address) in view.searcher.search(query, &top)? {
        let fast = view
            .searcher
            .segment_reader(address.segment_ord)
            .fast_fields();
        let key = fast.u64(KEY)?.first(address.doc_id);
        if key.is_some_and(|key| hidden.contains(&key)) {
            continue;
        }
        if let Some(seq) = fast.u64(SEQ)?.first(address.doc_id) {
            ranked.push((f64::from(score), seq));
        }
    }
    Ok(ranked)
}

/// How well a document of the tail fits, measured as the index measures.
pub fn score(tree: &Tree, indexed: &Indexed, view: Option<&View>) -> f64 {
    let documents = view.map_or(0.0, |view| view.searcher.num_docs() as f64);
    let mut score = 0.0;
    for phrase in tree.phrases() {
        for (_, word) in &phrase.words {
            let with_it = view.map_or(0.0, |view| {
                let term = Term::from_field_text(view.fields.words, word);
                view.searcher.doc_freq(&term).unwrap_or(0) as f64
            });
            let rare = (1.0 + (documents - with_it + 0.5) / (with_it + 0.5)).ln();
            let times = indexed.times(word) as f64;
            // Against a text of a usual length.
            let length = 1.0 - B + B * indexed.len() as f64 / 40.0;
            score += rare * times * (K1 + 1.0) / (times + K1 * length);
        }
    }
    score
}

/// Answers that further pages are taken from.
#[derive(Default)]
pub struct Held {
    searches: Vec<(u64, Duration, Vec<u64>)>,
}

impl Held {
    /// Keeps an answer under a token.
    pub fn put(&mut self, token: u64, now: Duration, ranked: Vec<u64>) {
        self.searches
            .retain(|(_, since, _)| now.saturating_sub(*since) <= HELD_FOR);
        if self.searches.len() >= HELD_MAX {
            self.searches.remove(0);
        }
        self.searches.push((token, now, ranked));
    }

    /// `None` when it is not kept any more.
    pub fn get(&self, token: u64, now: Duration) -> Option<&[u64]> {
        self.searches
            .iter()
            .find(|(held, since, _)| *held == token && now.saturating_sub(*since) <= HELD_FOR)
            .map(|(.., ranked)| ranked.as_slice())
    }
}
