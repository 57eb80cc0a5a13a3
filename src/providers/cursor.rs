//! Reading and moving cursors. A value that is larger than a cursor may be is spread over keys
//! `key#0`, `key#1`, …, of which only those that changed are written.

use std::sync::Arc;

use crate::projections::cursors::{CURSOR_BYTES_MAX, OfProvider};

/// Cursors that move.
pub type Moved = Vec<(String, Option<Arc<[u8]>>)>;

/// Bytes of one piece of a value that is spread. Small, so that a change at its end rewrites little.
pub const PIECE_BYTES: usize = 64 * 1_024;

const _: () = assert!(PIECE_BYTES <= CURSOR_BYTES_MAX);

fn piece_key(key: &str, index: usize) -> String {
    format!("{key}#{index}")
}

/// Sets a cursor, unless it says the same already.
pub fn set(cursors: &OfProvider, moved: &mut Moved, key: &str, bytes: &[u8]) {
    if cursors.get(key).is_none_or(|known| **known != *bytes) {
        moved.push((key.to_owned(), Some(Arc::from(bytes))));
    }
}

/// Takes a cursor away, if it is there.
pub fn remove(cursors: &OfProvider, moved: &mut Moved, key: &str) {
    if cursors.contains_key(key) {
        moved.push((key.to_owned(), None));
    }
}

/// The moment of a cursor, in microseconds since 1970, when it was worked out of the same as has this
/// fingerprint.
pub fn moment(cursors: &OfProvider, key: &str, fingerprint: u64) -> Option<i64> {
    let (of, at) = cursors.get(key)?.split_first_chunk::<8>()?;
    let at = i64::from_le_bytes(at.try_into().ok()?);
    (u64::from_le_bytes(*of) == fingerprint).then_some(at)
}

/// Sets a cursor to a moment that was worked out of what has this fingerprint.
pub fn set_moment(cursors: &OfProvider, moved: &mut Moved, key: &str, fingerprint: u64, at: i64) {
    let bytes = [fingerprint.to_le_bytes(), at.to_le_bytes()].concat();
    set(cursors, moved, key, &bytes);
}

/// The bytes of a value that is spread over keys; `None` when there is none.
pub fn read_long(cursors: &OfProvider, key: &str) -> Option<Vec<u8>> {
    let mut whole = cursors.get(&piece_key(key, 0))?.to_vec();
    for index in 1.. {
        match cursors.get(&piece_key(key, index)) {
            Some(piece) => whole.extend_from_slice(piece),
            None => break,
        }
    }
    Some(whole)
}

/// Sets a value that is spread over keys: pieces that are as they were stay.
pub fn set_long(cursors: &OfProvider, moved: &mut Moved, key: &str, bytes: &[u8]) {
    let mut count = 0;
    // An empty value has one empty piece, which tells it from none.
    let pieces = if bytes.is_empty() {
        vec![bytes]
    } else {
        bytes.chunks(PIECE_BYTES).collect()
    };
    for piece in pieces {
        set(cursors, moved, &piece_key(key, count), piece);
        count += 1;
    }
    remove_from(cursors, moved, key, count);
}

/// Takes a value away that is spread over keys.
pub fn remove_long(cursors: &OfProvider, moved: &mut Moved, key: &str) {
    remove_from(cursors, moved, key, 0);
}

fn remove_from(cursors: &OfProvider, moved: &mut Moved, key: &str, first: usize) {
    for index in first.. {
        let key = piece_key(key, index);
        if !cursors.contains_key(&key) {
            break;
        }
        moved.push((key, None));
    }
}

/// Moves cursors, as the state does, and says how many moved.
#[cfg(test)]
pub(super) fn apply(cursors: &mut OfProvider, moved: Moved) -> usize {
    let count = moved.len();
    for (key, bytes) in moved {
        match bytes {
            Some(bytes) => cursors.insert(key, bytes),
            None => cursors.remove(&key),
        };
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_spread_and_only_what_changed_is_written() {
        let mut cursors = OfProvider::new();
        let mut value = vec![7; 3 * PIECE_BYTES + 1];
        for (change, expected) in [
            (
                Box::new(|_: &mut Vec<u8>| {}) as Box<dyn Fn(&mut Vec<u8>)>,
                4,
            ),
            (Box::new(|_: &mut Vec<u8>| {}), 0),
            (Box::new(|value: &mut Vec<u8>| value.push(8)), 1),
            (Box::new(|value: &mut Vec<u8>| value[0] = 1), 1),
            (Box::new(|value: &mut Vec<u8>| value.truncate(10)), 4),
            (Box::new(Vec::clear), 1),
        ] {
            change(&mut value);
            let mut moved = Moved::new();
            set_long(&cursors, &mut moved, "k", &value);
            assert_eq!(apply(&mut cursors, moved), expected);
            assert_eq!(read_long(&cursors, "k"), Some(value.clone()));
        }
        let mut moved = Moved::new();
        remove_long(&cursors, &mut moved, "k");
        apply(&mut cursors, moved);
        assert_eq!((read_long(&cursors, "k"), cursors.len()), (None, 0));
    }
}
