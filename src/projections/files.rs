//! Files that services have already, under the names they gave them: an item that goes out again
//! needs no upload.
//!
//! **Invariant:** bounded by [`FILES_MAX`]; the file that was named first is forgotten for a new one.
//! A file leaves with its target or provider, and counts for nothing after [`FILE_TTL_MICROS`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::targets::media::Form;

/// Files remembered, all targets together.
pub const FILES_MAX: usize = 10_000;
/// How long a service is trusted to have a file, in microseconds: 48 hours.
pub const FILE_TTL_MICROS: i64 = 48 * 3_600 * 1_000_000;

/// A file that a service has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// As the service calls it.
    pub id: String,
    pub form: Form,
    pub target: u32,
    pub provider: u32,
    /// Microseconds since 1970.
    pub at: i64,
    /// Its place in the order of arrival.
    nth: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    /// By target, provider and item.
    known: BTreeMap<u64, Known>,
    order: BTreeMap<u64, u64>,
    next: u64,
}

fn place(target: u32, provider: u32, key: &str) -> u64 {
    xxh3_64_with_seed(
        key.as_bytes(),
        (u64::from(target) << 32) | u64::from(provider),
    )
}

impl Files {
    /// The file of an item, if it is not too old by now.
    pub fn get(&self, target: u32, provider: u32, key: &str, now: i64) -> Option<&Known> {
        self.known
            .get(&place(target, provider, key))
            .filter(|known| now.saturating_sub(known.at) <= FILE_TTL_MICROS)
    }

    /// All of them, by target, provider and item.
    pub fn iter(&self) -> impl Iterator<Item = (&u64, &Known)> {
        self.known.iter()
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn keep(&mut self, (target, provider): (u32, u32), key: &str, file: (Form, &str), at: i64) {
        let place = place(target, provider, key);
        if let Some(old) = self.known.remove(&place) {
            self.order.remove(&old.nth);
        }
        if self.known.len() >= FILES_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.known.remove(&oldest);
        }
        let (form, id) = file;
        let nth = self.next;
        self.next += 1;
        self.order.insert(nth, place);
        let id = id.to_owned();
        let known = Known {
            id,
            form,
            target,
            provider,
            at,
            nth,
        };
        self.known.insert(place, known);
    }

    pub fn forget_target(&mut self, target: u32) {
        self.forget_where(|known| known.target == target);
    }

    pub fn forget_provider(&mut self, provider: u32) {
        self.forget_where(|known| known.provider == provider);
    }

    fn forget_where(&mut self, is_one: impl Fn(&Known) -> bool) {
        self.known.retain(|_, known| !is_one(known));
        let known = &self.known;
        self.order.retain(|_, place| known.contains_key(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_and_grow_old() {
        let mut files = Files::default();
        for n in 0..FILES_MAX + 5 {
            files.keep((1, 2), &n.to_string(), (Form::Photo, "id"), 0);
        }
        assert_eq!(files.len(), FILES_MAX);
        assert!(files.get(1, 2, "4", 0).is_none() && files.get(1, 2, "5", 0).is_some());
        assert!(files.get(1, 3, "5", 0).is_none());
        assert!(files.get(1, 2, "5", FILE_TTL_MICROS + 1).is_none());
        files.keep((1, 2), "5", (Form::Document, "other"), 9);
        files.keep((7, 2), "5", (Form::Document, "other"), 9);
        assert_eq!((files.len(), files.order.len()), (FILES_MAX, FILES_MAX));
        files.forget_target(1);
        assert_eq!((files.len(), files.order.len()), (1, 1));
    }
}
