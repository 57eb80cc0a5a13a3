//! Whether a document is wanted, found out in memory: for what the index does not hold yet.

use std::collections::BTreeMap;

use super::document::Document;
use super::query::{Phrase, Tree, Value};
use super::words::{Words, folded_value};

/// A document with its words, as [`matches()`] needs it.
#[derive(Debug, Clone)]
pub struct Indexed {
    pub document: Document,
    words: BTreeMap<String, Vec<usize>>,
}

impl Indexed {
    pub fn of(document: Document) -> Self {
        let mut split = Words::default();
        split.split(&document.text());
        let mut words: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (word, position) in split.iter() {
            words.entry(word.to_owned()).or_default().push(position);
        }
        Indexed { document, words }
    }

    /// The different words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.keys().map(String::as_str)
    }

    /// How often a word stands in it.
    pub fn times(&self, word: &str) -> usize {
        self.words.get(word).map_or(0, Vec::len)
    }

    /// How many words it has.
    pub fn len(&self) -> usize {
        self.words.values().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn has(&self, phrase: &Phrase) -> bool {
        let Some(((last_offset, last), before)) = phrase.words.split_last() else {
            return true;
        };
        let follows = |start: usize| {
            let at = |offset: usize, word: &str| {
                self.words
                    .get(word)
                    .is_some_and(|places| places.binary_search(&(start + offset)).is_ok())
            };
            before.iter().all(|(offset, word)| at(*offset, word))
        };
        let ends = |places: &[usize]| {
            before.is_empty()
                || places
                    .iter()
                    .any(|place| place.checked_sub(*last_offset).is_some_and(follows))
        };
        if phrase.prefix {
            self.words
                .range(last.clone()..)
                .take_while(|(word, _)| word.starts_with(last.as_str()))
                .any(|(_, places)| ends(places))
        } else {
            self.words.get(last).is_some_and(|places| ends(places))
        }
    }
}

/// Whether the document is wanted.
pub fn matches(tree: &Tree, indexed: &Indexed) -> bool {
    match tree {
        Tree::All => true,
        Tree::Phrase(phrase) => indexed.has(phrase),
        Tree::Field(field, values) => indexed.document.values(*field).any(|found| {
            let found = folded_value(found);
            values.iter().any(|wanted| is_wanted(wanted, &found))
        }),
        Tree::Since(at) => indexed.document.at >= *at,
        Tree::Until(at) => indexed.document.at <= *at,
        Tree::Not(tree) => !matches(tree, indexed),
        Tree::And(all) => all.iter().all(|tree| matches(tree, indexed)),
        Tree::Or(all) => all.iter().any(|tree| matches(tree, indexed)),
    }
}

fn is_wanted(wanted: &Value, found: &str) -> bool {
    if wanted.prefix {
        found.starts_with(&wanted.text)
    } else {
        found == wanted.text
    }
}
