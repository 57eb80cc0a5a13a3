//! Words of a file: what is a name, a locale, an address; how a piece of the file is shown in a
//! problem; and which known word an unknown one is most like.

use super::LINE_BYTES_MAX;
use crate::domain::notice::{is_bidi_control, is_http_url};

/// Longest name of an entity, in characters.
pub(super) const NAME_CHARS_MAX: usize = 63;
/// Longest piece of a file that a problem repeats, in characters.
pub(super) const SHOWN_CHARS_MAX: usize = 60;
/// Longest word for which a similar one is looked for, in bytes.
const NEAREST_BYTES_MAX: usize = 64;
/// Most words that are compared with it.
const NEAREST_CANDIDATES_MAX: usize = 1_000;

/// `[a-z0-9][a-z0-9_-]{0,62}`.
pub(super) fn is_slug(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_CHARS_MAX
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// A language of two or three letters, with further parts after `-`.
pub(super) fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    text.len() <= NAME_CHARS_MAX
        && parts.next().is_some_and(|language| {
            (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase())
        })
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

pub(super) fn one_line(text: String) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        Err("holds a line break or another invisible character; write one plain line".into())
    } else {
        Ok(text)
    }
}

/// An address that can be called, parsed; the error never repeats it, because it may be a secret.
pub(super) fn http_address(text: &str) -> Result<url::Url, String> {
    if text.len() > LINE_BYTES_MAX {
        return Err(format!("is longer than {LINE_BYTES_MAX} bytes"));
    }
    match url::Url::parse(text) {
        Ok(url) if is_http_url(text) && url.has_host() => Ok(url),
        Ok(_) => Err("has to be an address that begins with http:// or https://".into()),
        Err(error) => Err(format!(
            "is not an address ({error}); write it whole, with http:// or https://"
        )),
    }
}

pub(super) fn clipped(text: &str) -> String {
    let mut clipped: String = plain(text).chars().take(SHOWN_CHARS_MAX).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        clipped.push('…');
    }
    clipped
}

/// Text with what is invisible in it escaped.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() || is_bidi_control(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// A piece of the file, quoted, cut and with what is invisible escaped.
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", clipped(text))
}

/// `a`, `b`, `c`.
pub(crate) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.map(shown).collect();
    quoted.join(", ")
}

/// `; did you mean `x`?` when a word is similar to one of the known, else nothing.
pub(crate) fn suggestion<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean {}?", shown(near)),
        None => String::new(),
    }
}

/// The most similar known word, when at most a third of the letters (one to three) differ.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let differing_max = (word.chars().count() / 3).clamp(1, 3);
    known
        .take(NEAREST_CANDIDATES_MAX)
        .filter(|known| known.len().abs_diff(word.len()) <= NEAREST_BYTES_MAX)
        .map(|known| (strsim::osa_distance(word, known), known))
        .filter(|(distance, _)| *distance <= differing_max)
        .min()
        .map(|(_, known)| known)
}
