//! What was probably meant when nothing was found: words of the index, or of what is newer, that differ
//! by a letter or two.

use std::collections::{BTreeMap, BTreeSet};

use tantivy::Term;
use tantivy::query::FuzzyTermQuery;

use super::index::View;
use super::tail::Tail;
use crate::search::query::{Phrase, Tree};

/// Letters from which on one may be wrong, and from which on two.
const ONE_WRONG: usize = 4;
const TWO_WRONG: usize = 8;

/// The query with words that exist in place of those that do not; `None` when there is nothing near.
pub fn corrected(
    text: &str,
    tree: &Tree,
    view: Option<&View>,
    tail: &Tail,
) -> tantivy::Result<Option<String>> {
    let mut corrected = text.to_owned();
    let mut is_changed = false;
    let mut phrases = tree.phrases();
    phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.span.start));
    for phrase in phrases {
        let Some(better) = of_phrase(phrase, view, tail)? else {
            continue;
        };
        corrected.replace_range(phrase.span.clone(), &better);
        is_changed = true;
    }
    Ok(is_changed.then_some(corrected))
}

fn of_phrase(phrase: &Phrase, view: Option<&View>, tail: &Tail) -> tantivy::Result<Option<String>> {
    let mut words = Vec::new();
    let mut is_changed = false;
    for (_, word) in &phrase.words {
        let near = if is_known(word, view, tail)? {
            None
        } else {
            nearest(word, view, tail)?
        };
        is_changed |= near.is_some();
        words.push(near.unwrap_or_else(|| word.clone()));
    }
    Ok(is_changed.then(|| match words.as_slice() {
        [one] => one.clone(),
        words => format!("\"{}\"", words.join(" ")),
    }))
}

fn is_known(word: &str, view: Option<&View>, tail: &Tail) -> tantivy::Result<bool> {
    if tail.documents.iter().any(|held| held.times(word) > 0) {
        return Ok(true);
    }
    let Some(view) = view else { return Ok(false) };
    let term = Term::from_field_text(view.fields.words, word);
    Ok(view.searcher.doc_freq(&term)? > 0)
}

fn nearest(word: &str, view: Option<&View>, tail: &Tail) -> tantivy::Result<Option<String>> {
    let letters = word.chars().count();
    let wrong_max = match letters {
        TWO_WRONG.. => 2,
        ONE_WRONG.. => 1,
        _ => return Ok(None),
    };
    let in_tail: BTreeSet<&str> = tail
        .documents
        .iter()
        .flat_map(|held| held.words())
        .collect();
    // What is nearest is meant, so two letters are asked about only where one gave nothing.
    for wrong in 1..=wrong_max {
        let mut near: BTreeMap<String, u64> = BTreeMap::new();
        if let Some(view) = view {
            let term = Term::from_field_text(view.fields.words, word);
            let asked = FuzzyTermQuery::new(term, wrong, true);
            for part in &view.parts {
                // The dictionary is walked along those of its branches only that can still match.
                let words = view.segment(part).inverted_index(view.fields.words)?;
                let mut stream = words.terms().search(asked.automaton()?).into_stream()?;
                while let Some((found, info)) = stream.next() {
                    if let Ok(found) = std::str::from_utf8(found) {
                        *near.entry(found.to_owned()).or_default() += u64::from(info.doc_freq);
                    }
                }
            }
        }
        for found in &in_tail {
            let is_far = found.chars().count().abs_diff(letters) > usize::from(wrong);
            if !is_far && strsim::osa_distance(word, found) <= usize::from(wrong) {
                *near.entry((*found).to_owned()).or_default() += 1;
            }
        }
        let best = near
            .into_iter()
            .max_by(|(one, times), (other, more)| times.cmp(more).then_with(|| other.cmp(one)));
        if let Some((found, _)) = best {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
