//! Which assets of an album are known.
//!
//! Ids are kept sorted, 16 bytes each, in buckets by their leading bits, a cursor a bucket: a change
//! writes the buckets that it touches, and an album of two hundred thousand has buckets of 12 KiB.

use std::collections::BTreeMap;

use crate::projections::cursors::OfProvider;
use crate::providers::cursor::{self, Moved};

/// An asset's id.
pub type Id = [u8; 16];

/// Beyond so many ids there are 16 buckets, and beyond the second so many 256. An album that shrinks
/// keeps its buckets.
const MANY: usize = 1_024;
const VERY_MANY: usize = 16_384;

/// A UUID as its bytes.
pub fn id_of(text: &str) -> Option<Id> {
    let mut id = [0; 16];
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    hex::decode_to_slice(digits, &mut id).ok()?;
    Some(id)
}

/// The bytes as a UUID.
pub fn text_of(id: &Id) -> String {
    let digits = hex::encode(id);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    bits: u8,
    /// As many as the cursors have.
    saved_bits: u8,
    /// By their leading bits, sorted.
    buckets: BTreeMap<u8, Vec<Id>>,
    len: usize,
}

fn key(album: &str, bits: u8, bucket: u8) -> String {
    format!("album/{album}/{bits}/{bucket:02x}")
}

fn bits_for(len: usize) -> u8 {
    match len {
        len if len > VERY_MANY => 8,
        len if len > MANY => 4,
        _few => 0,
    }
}

fn bucket_of(bits: u8, id: &Id) -> u8 {
    match bits {
        0 => 0,
        bits => id[0] >> (8 - bits.min(8)),
    }
}

impl Known {
    /// What the cursors say; `bits` is of the album's own cursor.
    pub fn read(cursors: &OfProvider, album: &str, bits: u8) -> Known {
        let mut known = Known {
            bits,
            saved_bits: bits,
            ..Known::default()
        };
        let last = if bits == 0 {
            0
        } else {
            0xff >> (8 - bits.min(8))
        };
        for bucket in 0..=last {
            if let Some(bytes) = cursors.get(&key(album, bits, bucket)) {
                let ids: Vec<Id> = bytes.as_chunks::<16>().0.to_vec();
                known.len += ids.len();
                known.buckets.insert(bucket, ids);
            }
        }
        known
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn contains(&self, id: &Id) -> bool {
        self.buckets
            .get(&bucket_of(self.bits, id))
            .is_some_and(|ids| ids.binary_search(id).is_ok())
    }

    pub fn insert(&mut self, id: Id) -> bool {
        let ids = self.buckets.entry(bucket_of(self.bits, &id)).or_default();
        match ids.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                ids.insert(place, id);
                self.len += 1;
                self.widen();
                true
            }
        }
    }

    pub fn remove(&mut self, id: &Id) -> bool {
        let Some(ids) = self.buckets.get_mut(&bucket_of(self.bits, id)) else {
            return false;
        };
        match ids.binary_search(id) {
            Ok(place) => {
                ids.remove(place);
                self.len -= 1;
                true
            }
            Err(_) => false,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Id> {
        self.buckets.values().flatten()
    }

    /// More buckets when there are many by now, so that none becomes long to insert into.
    fn widen(&mut self) {
        let bits = bits_for(self.len);
        if bits <= self.bits {
            return;
        }
        self.bits = bits;
        let few = std::mem::take(&mut self.buckets);
        for id in few.into_values().flatten() {
            // In order, so that each is put at the end.
            let ids = self.buckets.entry(bucket_of(bits, &id)).or_default();
            ids.push(id);
        }
    }

    /// Moves the cursors to where this stands, and says by how many bits they are divided.
    pub fn save(self, cursors: &OfProvider, moved: &mut Moved, album: &str) -> u8 {
        if self.bits != self.saved_bits {
            for bucket in 0..=u8::MAX {
                cursor::remove(cursors, moved, &key(album, self.saved_bits, bucket));
            }
        }
        // Each leaves as soon as it is written, so that no second copy of all of them is held.
        for (bucket, ids) in self.buckets {
            let key = key(album, self.bits, bucket);
            if ids.is_empty() {
                cursor::remove(cursors, moved, &key);
            } else {
                cursor::set(cursors, moved, &key, ids.as_flattened());
            }
        }
        self.bits
    }

    /// Takes every cursor of an album away.
    pub fn forget(cursors: &OfProvider, moved: &mut Moved, album: &str) {
        let own = format!("album/{album}");
        let below = format!("{own}/");
        for key in cursors.keys() {
            if *key == own || key.starts_with(&below) {
                moved.push((key.clone(), None));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::providers::cursor::apply;

    fn id(n: u32) -> Id {
        let mut id = [0; 16];
        // Spread over the buckets.
        id[0] = (n.wrapping_mul(2_654_435_761) >> 24) as u8;
        id[12..].copy_from_slice(&n.to_be_bytes());
        id
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let text = "3fe388e4-2078-44d7-b36c-39d9dee3a657";
        assert_eq!(text_of(&id_of(text).unwrap()), text);
        assert_eq!(id_of("3fe388e4"), None);
        assert_eq!(id_of("not a uuid at all, by no means!!"), None);
    }

    #[test]
    fn a_change_of_one_writes_one_bucket_whatever_the_size() {
        for (count, largest) in [(10u32, 16 * 11), (2_000, 16 * 200), (200_000, 16 * 1_000)] {
            let mut cursors = OfProvider::new();
            let mut moved = Moved::new();
            let mut known = Known::default();
            for n in 0..count {
                known.insert(id(n));
            }
            let bits = known.save(&cursors, &mut moved, "a");
            apply(&mut cursors, moved);
            let mut known = Known::read(&cursors, "a", bits);
            assert_eq!(known.len(), count as usize);
            let mut moved = Moved::new();
            known.insert(id(count + 7));
            known.save(&cursors, &mut moved, "a");
            assert_eq!(moved.len(), 1, "{count}");
            assert!(moved[0].1.as_ref().unwrap().len() <= largest, "{count}");
        }
    }

    proptest! {
        #[test]
        fn known_is_a_set(steps in prop::collection::vec((any::<bool>(), 0u32..3_000), 0..400), many in any::<bool>()) {
            let mut cursors = OfProvider::new();
            let mut model: BTreeSet<Id> = (0..if many { 1_500 } else { 0 }).map(id).collect();
            let mut known = Known::default();
            for id in &model {
                known.insert(*id);
            }
            for chunk in steps.chunks(50) {
                for (add, n) in chunk {
                    let id = id(*n);
                    if *add {
                        prop_assert_eq!(known.insert(id), model.insert(id));
                    } else {
                        prop_assert_eq!(known.remove(&id), model.remove(&id));
                    }
                }
                let mut moved = Moved::new();
                let bits = known.save(&cursors, &mut moved, "a");
                apply(&mut cursors, moved);
                known = Known::read(&cursors, "a", bits);
                prop_assert_eq!(known.len(), model.len());
                let mut all: Vec<Id> = known.iter().copied().collect();
                all.sort();
                prop_assert_eq!(all, model.iter().copied().collect::<Vec<_>>());
            }
            let mut moved = Moved::new();
            Known::forget(&cursors, &mut moved, "a");
            apply(&mut cursors, moved);
            prop_assert!(cursors.is_empty());
        }
    }
}
