//! Keys of requests already accepted, so that a redelivery is known.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use crate::domain::event::RequestKeys;

/// Requests remembered per provider; beyond that the oldest is forgotten.
pub const REQUESTS_PER_PROVIDER_MAX: usize = 100_000;

/// Keys are SHA-256 already: their own bits are the hash, the same in every process.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeyBits(u64);

impl Hasher for KeyBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = (key as u64) ^ ((key >> 64) as u64);
    }
}

type Keys = HashMap<u128, (u64, u16), BuildHasherDefault<KeyBits>>;

/// What one provider has sent, newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeenByProvider {
    order: VecDeque<(u64, RequestKeys)>,
    keys: Keys,
}

impl SeenByProvider {
    fn find(&self, keys: RequestKeys) -> Option<(u64, u16)> {
        keys.sender
            .and_then(|key| self.keys.get(&key))
            .or_else(|| keys.body.and_then(|key| self.keys.get(&key)))
            .copied()
    }

    fn remember(&mut self, position: u64, count: u16, keys: RequestKeys) {
        for key in [keys.sender, keys.body].into_iter().flatten() {
            self.keys.insert(key, (position, count));
        }
        self.order.push_back((position, keys));
        if self.order.len() > REQUESTS_PER_PROVIDER_MAX
            && let Some((position, keys)) = self.order.pop_front()
        {
            for key in [keys.sender, keys.body].into_iter().flatten() {
                // A key may have been taken over by a newer request ("accept again").
                if self
                    .keys
                    .get(&key)
                    .is_some_and(|(owner, _)| *owner == position)
                {
                    self.keys.remove(&key);
                }
            }
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    pub providers: BTreeMap<u32, SeenByProvider>,
}

impl Seen {
    /// Position of the first event of the request with one of these keys, and its count of notices.
    pub fn find(&self, provider: u32, keys: RequestKeys) -> Option<(u64, u16)> {
        self.providers.get(&provider)?.find(keys)
    }

    pub fn remember(&mut self, provider: u32, position: u64, count: u16, keys: RequestKeys) {
        if keys.sender.is_some() || keys.body.is_some() {
            self.providers
                .entry(provider)
                .or_default()
                .remember(position, count, keys);
        }
    }

    pub fn forget_provider(&mut self, provider: u32) {
        self.providers.remove(&provider);
    }
}
