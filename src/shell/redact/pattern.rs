//! What is searched for: each secret in the forms that decoding a text does not undo.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::REDACT_BYTES_MIN;
use super::view::{Decode, View};

/// Most times that a secret itself is decoded: what is left after that is searched for as it is.
const SECRET_DECODES_MAX: usize = 4;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A byte string to search for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    pub bytes: Vec<u8>,
    /// In base64, a character that also belongs to the neighbours stands before or after.
    pub shares_before: bool,
    pub shares_after: bool,
}

impl Pattern {
    fn plain(bytes: Vec<u8>) -> Self {
        Pattern {
            bytes,
            shares_before: false,
            shares_after: false,
        }
    }
}

/// Every pattern of a secret, shortest forms included; none when it is too short to search for.
pub(super) fn patterns_of(secret: &[u8]) -> Vec<Pattern> {
    let mut forms = vec![secret.to_vec()];
    forms.extend(decoded_through(secret));
    let mut found: Vec<Pattern> = Vec::new();
    for form in forms {
        if form.len() < REDACT_BYTES_MIN {
            continue;
        }
        found.push(Pattern::plain(form.clone()));
        let lower = hex::encode(&form);
        found.push(Pattern::plain(lower.to_ascii_uppercase().into_bytes()));
        found.push(Pattern::plain(lower.into_bytes()));
        found.extend(base64_of(&form));
        // A document that holds the secret may itself be in base64, and its escapes with it.
        if let Ok(text) = std::str::from_utf8(&form) {
            let quoted = serde_json::Value::from(text).to_string();
            let percent = utf8_percent_encode(text, UNRESERVED).to_string();
            for escaped in [&quoted[1..quoted.len() - 1], &percent] {
                if escaped != text {
                    found.extend(base64_of(escaped.as_bytes()));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What a view makes of the secret itself, when that differs: a secret may look like an escape.
fn decoded_through(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let mut current = secret.to_vec();
    for _ in 0..SECRET_DECODES_MAX {
        match View::of(&current, Decode::All) {
            Some(view) => current = view.bytes,
            None => break,
        }
        forms.push(current.clone());
    }
    if let Some(view) = View::of(&current, Decode::Unwrap) {
        forms.push(view.bytes);
    }
    if let Some(view) = View::of(secret, Decode::Unwrap) {
        forms.push(view.bytes);
    }
    forms
}

/// The characters of base64 text that are the same whatever stands around the secret. Three bytes
/// make four characters, so the secret can start in three ways.
fn base64_of(secret: &[u8]) -> Vec<Pattern> {
    let mut found = Vec::new();
    for before in 0..3_usize {
        let mut framed = vec![0; before];
        framed.extend_from_slice(secret);
        let bits = framed.len() * 8;
        // Characters that hold bits of what stands before.
        let from = (before * 8).div_ceil(6);
        let to = bits / 6;
        for text in [
            STANDARD_NO_PAD.encode(&framed),
            URL_SAFE_NO_PAD.encode(&framed),
        ] {
            if let Some(sure) = text.as_bytes().get(from..to) {
                found.push(Pattern {
                    bytes: sure.to_vec(),
                    shares_before: before != 0,
                    shares_after: bits % 6 != 0,
                });
            }
        }
    }
    found
}

/// Whether a byte can stand in base64 text of either alphabet.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_secret_is_not_searched_for() {
        for secret in ["", "a", "abc"] {
            assert!(patterns_of(secret.as_bytes()).is_empty(), "{secret}");
        }
        assert!(!patterns_of(b"abcd").is_empty());
    }

    proptest! {
        #[test]
        fn base64_holds_a_pattern_whatever_stands_around(
            before in proptest::collection::vec(any::<u8>(), 0..9),
            secret in proptest::collection::vec(any::<u8>(), REDACT_BYTES_MIN..40),
            after in proptest::collection::vec(any::<u8>(), 0..9),
        ) {
            let patterns = base64_of(&secret);
            let whole = [before, secret, after].concat();
            for text in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                prop_assert!(patterns.iter().any(|pattern| {
                    text.as_bytes().windows(pattern.bytes.len()).any(|window| window == pattern.bytes)
                }), "{}", text);
            }
        }
    }
}
