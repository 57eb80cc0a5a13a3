//! Redaction: the one way in which secrets are kept out of whatever is stored, logged or shown.
//!
//! **Invariant:** a known secret of at least [`REDACT_BYTES_MIN`] bytes leaves this module as
//! [`MASK`], in whatever form it came: as it is; inside base64 of either alphabet at any alignment,
//! with or without padding, over several lines; in hexadecimal; escaped for JSON, a URL, a form or
//! HTML, and escaped again up to [`REDACT_LAYERS_MAX`] times.
//!
//! It would rather hide too much: every match counts, overlapping ones together.
//!
//! [`Redactor`] knows the secrets. What cannot be known (someone else's token in a query, a header
//! that carries credentials) goes by its name: see [`Redactor::headers_kept`] and
//! [`Redactor::redact_query`].

mod fields;
mod names;
mod pattern;
mod view;

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind, packed};
use serde_json::Value;

pub use names::{HEADER_VALUE_BYTES_MAX, HEADERS_KEPT_MAX, is_token_name};
use pattern::{Pattern, is_base64, patterns_of};
use view::{Decode, View};

/// Shortest secret that is searched for in text, in bytes. Shorter ones would black out ordinary
/// words; they are hidden only where they are a whole query value or path segment.
pub const REDACT_BYTES_MIN: usize = 4;

/// How often a text may have been escaped, one encoder over the other.
pub const REDACT_LAYERS_MAX: usize = 4;

/// How far behind a cut [`Redactor::redact_head`] needs to see at most, in bytes.
pub const REDACT_REACH_BYTES_MAX: usize = 16 * 1_024;

/// How often a text is gone over: replacing one secret may bring out another, when an escape began
/// in the first or the mask completes a second one. A text that still holds one is hidden whole.
pub const REDACT_ROUNDS_MAX: usize = 8;

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// Most bytes that one byte of a secret takes when it is escaped (`\u0041`).
const ESCAPE_BYTES_MAX: usize = 6;

/// Knows the secrets of a provider or target and replaces them wherever they turn up.
pub struct Redactor {
    /// Every match counts, so the search is the plain overlapping one.
    search: Option<AhoCorasick>,
    /// Says quickly whether any pattern is there at all, as nearly always none is; `None` where
    /// this machine, or so many patterns, have no quicker way than the search itself.
    glance: Option<packed::Searcher>,
    patterns: Vec<Pattern>,
    /// Length of the shortest pattern, in bytes.
    shortest: usize,
    short: Vec<Vec<u8>>,
    /// A secret looks like an escape, so decoding everything at once might take it apart.
    escape_like: bool,
    /// A form may have written a secret with plus signs.
    has_space: bool,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor")
            .field("patterns", &self.patterns.len())
            .finish_non_exhaustive()
    }
}

/// A document without its secrets.
#[derive(Debug)]
pub struct Document<'a> {
    /// What may be kept: the bytes as they came, without secrets, or the value written again.
    pub bytes: Cow<'a, [u8]>,
    /// What the bytes say, when they could be parsed.
    pub value: Option<Value>,
}

impl Redactor {
    /// A redactor for these secrets, as their bytes. [`Redactor::of_fields`] takes apart what is
    /// configured.
    pub fn new<I>(secrets: I) -> Redactor
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut patterns = Vec::new();
        let mut short = Vec::new();
        let (mut escape_like, mut has_space) = (false, false);
        for secret in secrets {
            let secret = secret.as_ref();
            if secret.is_empty() {
                continue;
            }
            if secret.len() < REDACT_BYTES_MIN {
                short.push(secret.to_vec());
                continue;
            }
            escape_like |= secret
                .iter()
                .any(|byte| matches!(byte, b'\\' | b'%' | b'&'));
            has_space |= secret.contains(&b' ');
            patterns.extend(patterns_of(secret));
        }
        patterns.sort();
        patterns.dedup();
        let search = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .build(patterns.iter().map(|pattern| &pattern.bytes))
                .expect("the patterns of some secrets are fewer than two billion")
        });
        let glance = packed::Searcher::new(patterns.iter().map(|pattern| &pattern.bytes));
        let shortest = patterns
            .iter()
            .map(|pattern| pattern.bytes.len())
            .min()
            .unwrap_or(0);
        Redactor {
            search,
            glance,
            patterns,
            shortest,
            short,
            escape_like,
            has_space,
        }
    }

    /// A redactor that knows no secret.
    pub fn none() -> Redactor {
        Redactor::new::<[&[u8]; 0]>([])
    }

    /// The bytes without secrets.
    pub fn redact_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut redacted = Cow::Borrowed(bytes);
        for _ in 0..REDACT_ROUNDS_MAX {
            let ranges = self.ranges(&redacted);
            if ranges.is_empty() {
                return redacted;
            }
            redacted = Cow::Owned(masked(&redacted, &ranges, redacted.len()));
        }
        Cow::Owned(MASK.as_bytes().to_vec())
    }

    /// The text without secrets.
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // A secret that is not text may have matched within a character.
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }

    /// The first `keep` bytes without secrets. A secret that reaches over the cut is hidden whole,
    /// as far as [`Redactor::reach`] bytes behind the cut are there to be seen.
    pub fn redact_head(&self, bytes: &[u8], keep: usize) -> Vec<u8> {
        let keep = keep.min(bytes.len());
        let head = masked(bytes, &self.ranges(bytes), keep);
        self.redact_bytes(&head).into_owned()
    }

    /// How many bytes behind a cut must be read so that no part of a secret is left before it.
    pub fn reach(&self) -> usize {
        let longest = self
            .patterns
            .iter()
            .map(|pattern| pattern.bytes.len())
            .max()
            .unwrap_or(0);
        (longest * ESCAPE_BYTES_MAX).min(REDACT_REACH_BYTES_MAX)
    }

    /// Replaces secrets in every string and key, and numbers whose digits hold one by the mask.
    /// Keys that become equal are numbered, so that no value is lost. Says whether anything changed.
    pub fn redact_json(&self, value: &mut Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => {
                let hides = !self.ranges(number.to_string().as_bytes()).is_empty();
                if hides {
                    *value = Value::from(MASK);
                }
                hides
            }
            Value::String(text) => match self.redact_text(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(redacted) => {
                    *text = redacted;
                    true
                }
            },
            Value::Array(values) => values
                .iter_mut()
                .fold(false, |changed, value| self.redact_json(value) | changed),
            Value::Object(map) => {
                let changed = map
                    .values_mut()
                    .fold(false, |changed, value| self.redact_json(value) | changed);
                let in_keys = map
                    .keys()
                    .any(|key| !self.ranges(key.as_bytes()).is_empty());
                if in_keys {
                    self.redact_keys(map);
                }
                changed | in_keys
            }
        }
    }

    fn redact_keys(&self, map: &mut serde_json::Map<String, Value>) {
        for (key, value) in std::mem::take(map) {
            let plain = self.redact_text(&key).into_owned();
            let mut key = plain.clone();
            let mut number = 2;
            while map.contains_key(&key) {
                key = format!("{plain}.{number}");
                number += 1;
            }
            map.insert(key, value);
        }
    }

    /// A document without secrets that still parses when it did before. Where replacing bytes would
    /// break it (a secret that is a number), or leaves a secret in what it says, the parsed value is
    /// redacted and written again as JSON.
    pub fn redact_document<'a>(
        &self,
        raw: &'a [u8],
        parse: impl Fn(&[u8]) -> Option<Value>,
    ) -> Document<'a> {
        let bytes = self.redact_bytes(raw);
        let (mut value, broken) = match parse(&bytes) {
            Some(value) => (value, false),
            None => match &bytes {
                Cow::Borrowed(_) => return Document { bytes, value: None },
                Cow::Owned(_) => match parse(raw) {
                    Some(value) => (value, true),
                    None => return Document { bytes, value: None },
                },
            },
        };
        // What was not found in the bytes, however they are escaped, is in none of the strings they
        // say; unless it is too short to be searched for, or looks like an escape itself.
        let searched =
            matches!(bytes, Cow::Borrowed(_)) && self.short.is_empty() && !self.escape_like;
        let changed = !searched && self.redact_json(&mut value);
        if !changed && !broken {
            return Document {
                bytes,
                value: Some(value),
            };
        }
        Document {
            bytes: Cow::Owned(value.to_string().into_bytes()),
            value: Some(value),
        }
    }

    /// Whether a whole value is a secret too short to be searched for in text.
    fn is_short_secret(&self, value: &[u8]) -> bool {
        self.short.iter().any(|secret| secret == value)
    }

    /// Where secrets stand, in order, none touching another.
    fn ranges(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let Some(search) = &self.search else {
            return Vec::new();
        };
        if bytes.len() < self.shortest {
            // Decoding only makes a text shorter. Most keys and values of a document end here.
            return Vec::new();
        }
        let mut found = Vec::new();
        self.find(search, bytes, &[], &mut found);
        self.find_decoded(search, bytes, None, &mut found);
        if self.has_space {
            self.find_decoded(search, bytes, Some(Decode::Form), &mut found);
        }
        if self.escape_like {
            for decode in [Decode::Json, Decode::Percent, Decode::Html] {
                self.find_decoded(search, bytes, Some(decode), &mut found);
            }
        }
        merged(found)
    }

    /// Adds the matches in `bytes` decoded over and over, the first time in this way.
    fn find_decoded(
        &self,
        search: &AhoCorasick,
        bytes: &[u8],
        first: Option<Decode>,
        found: &mut Vec<Range<usize>>,
    ) {
        let mut layers: Vec<View> = Vec::new();
        let mut next = first.unwrap_or(Decode::All);
        while layers.len() < REDACT_LAYERS_MAX
            && self.find_in_next(search, bytes, next, &mut layers, found)
        {
            next = Decode::All;
            // A form may lie within another document, where its plus signs were left as they are.
            if self.has_space && self.find_in_next(search, bytes, Decode::Form, &mut layers, found)
            {
                layers.pop();
            }
        }
        self.find_in_next(search, bytes, Decode::Unwrap, &mut layers, found);
    }

    /// Adds a view to the layers and its matches to `found`; false when there is nothing to decode.
    fn find_in_next(
        &self,
        search: &AhoCorasick,
        bytes: &[u8],
        decode: Decode,
        layers: &mut Vec<View>,
        found: &mut Vec<Range<usize>>,
    ) -> bool {
        let top = layers.last().map_or(bytes, |view| &view.bytes);
        let Some(view) = View::of(top, decode) else {
            return false;
        };
        layers.push(view);
        self.find(search, &layers[layers.len() - 1].bytes, layers, found);
        true
    }

    /// Adds the matches in `bytes`, carried back through the views that led to them.
    fn find(
        &self,
        search: &AhoCorasick,
        bytes: &[u8],
        layers: &[View],
        found: &mut Vec<Range<usize>>,
    ) {
        let nothing = self.glance.as_ref().map(|glance| glance.find(bytes));
        if matches!(nothing, Some(None)) {
            return;
        }
        for hit in search.find_overlapping_iter(bytes) {
            let pattern = &self.patterns[hit.pattern().as_usize()];
            let mut range = hit.range();
            if pattern.shares_before && range.start > 0 && is_base64(bytes[range.start - 1]) {
                range.start -= 1;
            }
            if pattern.shares_after && bytes.get(range.end).is_some_and(|next| is_base64(*next)) {
                range.end += 1;
            }
            found.push(
                layers
                    .iter()
                    .rev()
                    .fold(range, |range, view| view.source_of(range)),
            );
        }
    }
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// The first `keep` bytes with the mask in place of every range; one that begins before the cut is
/// replaced whole.
fn masked(bytes: &[u8], ranges: &[Range<usize>], keep: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(keep);
    let mut from = 0;
    for range in ranges.iter().filter(|range| range.start < keep) {
        out.extend_from_slice(&bytes[from..range.start]);
        out.extend_from_slice(MASK.as_bytes());
        from = range.end;
    }
    if from < keep {
        out.extend_from_slice(&bytes[from..keep]);
    }
    out
}

#[cfg(test)]
mod tests;
