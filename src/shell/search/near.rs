//! What was probably meant when nothing was found: words of the index, or of what is newer, that differ
//! by a letter or two.

use std::collections::{BTreeMap, BTreeSet};

use super::index::View;
use super::tail::Tail;
use crate::search::query::{Phrase, Tree};

/// Words that are compared per word that was not found; beyond, the search for it ends.
const COMPARED_MAX: usize = 400_000;
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
    let term = tantivy::Term::from_field_text(view.fields.words, word);
    Ok(view.searcher.doc_freq(&term)? > 0)
}

fn nearest(word: &str, view: Option<&View>, tail: &Tail) -> tantivy::Result<Option<String>> {
    let letters = word.chars().count();
    let wrong_max = match letters {
        TWO_WRONG.. => 2,
        ONE_WRONG.. => 1,
        _ => return Ok(None),
    };
    let mut near: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    let mut compare = |found: &str, times: u64| {
        // A letter has at most four bytes: what is much shorter or longer is not near.
        let is_far = found.len().abs_diff(word.len()) > 4 * wrong_max;
        if is_far || found.chars().count().abs_diff(letters) > wrong_max {
            return;
        }
        let distance = strsim::damerau_levenshtein(word, found);
        if distance <= wrong_max {
            near.entry(found.to_owned()).or_insert((distance, 0)).1 += times;
        }
    };
    let first = word.chars().next().unwrap_or_default();
    let mut compared = 0;
    for part in view.map_or(&[][..], |view| &view.parts) {
        let Some(view) = view else { break };
        let words = view.segment(part).inverted_index(view.fields.words)?;
        // Most mistakes are not made in the first letter; those that are, are looked for in small
        // indexes only.
        let mut range = words.terms().range();
        if words.terms().num_terms() > COMPARED_MAX / 8 {
            range = range.ge(first.to_string()).lt(format!("{first}\u{10ffff}"));
        }
        let mut stream = range.into_stream()?;
        while let Some((found, info)) = stream.next() {
            compared += 1;
            if compared > COMPARED_MAX {
                break;
            }
            if let Ok(found) = std::str::from_utf8(found) {
                compare(found, u64::from(info.doc_freq));
            }
        }
    }
    let in_tail: BTreeSet<&str> = tail
        .documents
        .iter()
        .flat_map(|held| held.words())
        .collect();
    for found in in_tail {
        compare(found, 1);
    }
    let best = near
        .into_iter()
        .min_by_key(|(_, (distance, times))| (*distance, std::cmp::Reverse(*times)));
    Ok(best.map(|(word, _)| word))
}
