//! What a question was about, carried by its form from the asking to the answer.
//!
//! The form holds each delivery with the revision it was seen at. What has changed by then is
//! refused where it is decided, so that an answer does what was asked about and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::event::DeliveryKey;
use crate::shell::http::session::FORM_BYTES_MAX;
use crate::shell::operate::{BULK_MAX, Chosen};
use crate::shell::views::Seen;

/// Most bytes of one delivery: a position, an ordinal and a revision, seven bits a byte.
const ENTRY_BYTES_MAX: usize = 10 + 3 + 5;
/// Room for the form's other fields.
const OTHER_FIELDS_BYTES: usize = 4 * 1024;
const _: () =
    assert!((BULK_MAX * ENTRY_BYTES_MAX).div_ceil(3) * 4 + OTHER_FIELDS_BYTES <= FORM_BYTES_MAX);

/// At most [`BULK_MAX`] deliveries as the text of a form's field.
pub fn write(seen: &[Seen]) -> String {
    let mut sorted = seen.to_vec();
    sorted.sort_unstable();
    sorted.truncate(BULK_MAX);
    let mut bytes = Vec::with_capacity(sorted.len() * 6);
    let mut before = 0;
    for (key, revision) in sorted {
        put(&mut bytes, key.position - before);
        put(&mut bytes, u64::from(key.ordinal));
        put(&mut bytes, u64::from(revision));
        before = key.position;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What [`write`] wrote; `None` for anything else, and for nothing.
pub fn read(text: &str) -> Option<Vec<Chosen>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut rest = bytes.as_slice();
    let mut chosen = Vec::new();
    let mut position: u64 = 0;
    while !rest.is_empty() {
        if chosen.len() == BULK_MAX {
            return None;
        }
        position = position.checked_add(take(&mut rest)?)?;
        let ordinal = u16::try_from(take(&mut rest)?).ok()?;
        let revision = u32::try_from(take(&mut rest)?).ok()?;
        chosen.push(Chosen {
            key: DeliveryKey { position, ordinal },
            seen: Some(revision),
        });
    }
    (!chosen.is_empty()).then_some(chosen)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(position: u64, ordinal: u16) -> DeliveryKey {
        DeliveryKey { position, ordinal }
    }

    #[test]
    fn what_was_asked_comes_back() {
        let seen = [
            (key(u64::MAX, u16::MAX), u32::MAX),
            (key(7, 2), 1),
            (key(7, 1), 300),
        ];
        let chosen = read(&write(&seen)).expect("it reads back");
        let mut back: Vec<Seen> = chosen
            .iter()
            .map(|chosen| (chosen.key, chosen.seen.expect("a revision")))
            .collect();
        back.reverse();
        assert_eq!(back, seen);
    }

    #[test]
    fn anything_else_is_refused() {
        let many: Vec<Seen> = (1..=BULK_MAX as u64 + 5)
            .map(|at| (key(at, 1), 0))
            .collect();
        assert_eq!(read(&write(&many)).map(|all| all.len()), Some(BULK_MAX));
        let too_many = URL_SAFE_NO_PAD.encode([1, 1, 0].repeat(BULK_MAX + 1));
        for text in [
            "",
            "!",
            "AQ",                           // ends within an entry
            "____________________________", // a number without an end
            "AYCABAA",                      // an ordinal of 2^16
            &too_many,
        ] {
            assert!(read(text).is_none(), "{text:.40}");
        }
    }
}
