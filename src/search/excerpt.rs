//! What is shown of a document that was found: the place where it says what was searched for.

use super::document::Document;
use super::query::{Phrase, Tree};
use super::words::Words;

/// Length of an excerpt in bytes, about.
pub const EXCERPT_BYTES: usize = 240;
/// Bytes of text before the first word that was found, at most.
const LEAD_BYTES: usize = 60;

/// A piece of text, and whether it was searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_match: bool,
}

/// The title with what was searched for marked in it.
pub fn title(tree: &Tree, document: &Document) -> Vec<Piece> {
    let phrases = tree.phrases();
    marked(&document.title, &phrases)
        .map(|marks| cut(&document.title, 0, document.title.len(), &marks))
        .unwrap_or_default()
}

/// The first text that says most of what was searched for, around it; the beginning of the first text
/// when none does. Empty when there is only a title.
pub fn excerpt(tree: &Tree, document: &Document) -> Vec<Piece> {
    let phrases = tree.phrases();
    let texts = document
        .texts
        .iter()
        .filter(|text| !text.is_empty() && **text != document.title);
    let best = texts
        .filter_map(|text| Some((text, marked(text, &phrases)?)))
        // The first of those that have as many.
        .reduce(|best, other| {
            if other.1.len().min(phrases.len()) > best.1.len().min(phrases.len()) {
                other
            } else {
                best
            }
        });
    let Some((text, marks)) = best else {
        return Vec::new();
    };
    let first = marks.first().map_or(0, |(from, _)| *from);
    let mut from = first.saturating_sub(LEAD_BYTES);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    if from > 0
        && let Some(space) = text[from..first].find(char::is_whitespace)
    {
        from += space;
        from += text[from..].chars().next().map_or(0, char::len_utf8);
    }
    let mut to = (from + EXCERPT_BYTES).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    let mut pieces = cut(text, from, to, &marks);
    let dots = |is_match| Piece {
        text: "…".into(),
        is_match,
    };
    if from > 0 {
        pieces.insert(0, dots(false));
    }
    if to < text.len() {
        pieces.push(dots(false));
    }
    pieces
}

/// Where in the text words stand that were searched for, in order and apart from each other.
fn marked(text: &str, phrases: &[&Phrase]) -> Option<Vec<(usize, usize)>> {
    if text.is_empty() {
        return None;
    }
    let mut words = Words::default();
    words.split(text);
    let mut marks: Vec<(usize, usize)> = Vec::new();
    let spans = words.spans();
    for (index, span) in spans.iter().enumerate() {
        let reach = phrases
            .iter()
            .filter_map(|phrase| {
                let last = phrase.words.len().checked_sub(1)?;
                let mut end = span.to;
                for (n, (offset, word)) in phrase.words.iter().enumerate() {
                    let here = spans[index..]
                        .iter()
                        .take_while(|other| other.position <= span.position + offset)
                        .find(|other| other.position == span.position + offset)?;
                    let found = words.folded(here);
                    let fits = if n == last && phrase.prefix {
                        found.starts_with(word.as_str())
                    } else {
                        found == word
                    };
                    if !fits {
                        return None;
                    }
                    end = here.to;
                }
                Some(end)
            })
            .max();
        if let Some(to) = reach {
            match marks.last_mut() {
                Some((_, end)) if *end >= span.from => *end = (*end).max(to),
                _ => marks.push((span.from, to)),
            }
        }
    }
    Some(marks)
}

fn cut(text: &str, from: usize, to: usize, marks: &[(usize, usize)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = from;
    let mut push = |range: std::ops::Range<usize>, is_match| {
        if !range.is_empty() {
            pieces.push(Piece {
                text: text[range].to_owned(),
                is_match,
            });
        }
    };
    for (begin, end) in marks {
        let (begin, end) = ((*begin).clamp(at, to), (*end).clamp(at, to));
        push(at..begin, false);
        push(begin..end, true);
        at = end;
    }
    push(at..to, false);
    pieces
}
