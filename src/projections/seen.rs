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

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// One request, small because there are many: keys are kept as bytes, which need no alignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    position: u64,
    /// How many notices it gave.
    count: u16,
    /// Low bits of the hash of the first one's kind: enough to forget with it.
    kind: [u8; 4],
    sender: Option<[u8; 16]>,
    body: Option<[u8; 16]>,
}

impl Request {
    fn keys(&self) -> impl Iterator<Item = [u8; 16]> {
        [self.sender, self.body].into_iter().flatten()
    }
}

/// Requests by the first half of a key, numbered from the first that was ever remembered. The whole
/// key is compared with the request's own.
type Numbers = HashMap<u64, u64, BuildHasherDefault<KeyBits>>;

/// What one provider has sent, newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Remembered")]
pub struct SeenByProvider {
    /// How many were remembered before the oldest of `requests` and are forgotten.
    forgotten: u64,
    requests: VecDeque<Request>,
    numbers: Numbers,
}

/// [`SeenByProvider`] in a snapshot: the numbers follow from the rest.
#[derive(Deserialize)]
struct Remembered {
    forgotten: u64,
    requests: VecDeque<Request>,
}

impl From<Remembered> for SeenByProvider {
    fn from(remembered: Remembered) -> Self {
        let mut numbers = Numbers::default();
        for (number, request) in (remembered.forgotten..).zip(&remembered.requests) {
            numbers.extend(request.keys().map(|key| (first_half(key), number)));
        }
        SeenByProvider {
            forgotten: remembered.forgotten,
            requests: remembered.requests,
            numbers,
        }
    }
}

/// As `Remembered`, without a copy of what may be many.
impl Serialize for SeenByProvider {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename = "Remembered")]
        struct Borrowed<'s> {
            forgotten: u64,
            requests: &'s VecDeque<Request>,
        }
        let borrowed = Borrowed {
            forgotten: self.forgotten,
            requests: &self.requests,
        };
        borrowed.serialize(serializer)
    }
}

fn first_half(key: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl SeenByProvider {
    fn find(&self, keys: RequestKeys) -> Option<(u64, u16)> {
        let wanted = [keys.sender, keys.body];
        wanted.into_iter().flatten().find_map(|key| {
            let key = key.to_le_bytes();
            let number = self.numbers.get(&first_half(key))?;
            let index = usize::try_from(number.checked_sub(self.forgotten)?).ok()?;
            let request = self.requests.get(index)?;
            request
                .keys()
                .any(|known| known == key)
                .then_some((request.position, request.count))
        })
    }

    fn remember(&mut self, position: u64, count: u16, kind: u64, keys: RequestKeys) {
        let request = Request {
            position,
            count,
            kind: (kind as u32).to_le_bytes(),
            sender: keys.sender.map(u128::to_le_bytes),
            body: keys.body.map(u128::to_le_bytes),
        };
        let number = self.forgotten + self.requests.len() as u64;
        self.numbers
            .extend(request.keys().map(|key| (first_half(key), number)));
        self.requests.push_back(request);
        if self.requests.len() > REQUESTS_PER_PROVIDER_MAX
            && let Some(oldest) = self.requests.pop_front()
        {
            for key in oldest.keys().map(first_half) {
                // A key may have been taken over by a newer request ("accept again").
                if self.numbers.get(&key) == Some(&self.forgotten) {
                    self.numbers.remove(&key);
                }
            }
            self.forgotten += 1;
        }
    }

    /// How many requests were ever remembered; those that are kept are the last of them.
    pub fn remembered(&self) -> u64 {
        self.forgotten + self.requests.len() as u64
    }

    /// Forgets some, and numbers the rest anew.
    fn forget(&mut self, is_forgotten: impl Fn(u32, u64) -> bool) {
        let mut requests = std::mem::take(&mut self.requests);
        requests
            .retain(|request| !is_forgotten(u32::from_le_bytes(request.kind), request.position));
        *self = SeenByProvider::from(Remembered {
            forgotten: 0,
            requests,
        });
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
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

    pub fn remember(
        &mut self,
        provider: u32,
        position: u64,
        count: u16,
        kind_hash: u64,
        keys: RequestKeys,
    ) {
        if keys.sender.is_some() || keys.body.is_some() {
            self.providers
                .entry(provider)
                .or_default()
                .remember(position, count, kind_hash, keys);
        }
    }

    /// By provider, the position of the oldest request that is remembered.
    pub fn oldest(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let providers = self.providers.iter();
        providers.filter_map(|(id, seen)| Some((*id, seen.requests.front()?.position)))
    }

    /// Forgets requests whose first notice is forgotten, given provider, kind and position. `from` is
    /// [`Seen::oldest`] as it was decided: where others are gone already, fewer were counted, and the
    /// bound has taken fewer of the rest.
    pub fn forget(&mut self, from: &[(u32, u64)], is_forgotten: impl Fn(u32, u32, u64) -> bool) {
        let from: BTreeMap<u32, u64> = from.iter().copied().collect();
        self.providers.retain(|provider, seen| {
            let oldest = from.get(provider).copied().unwrap_or(u64::MAX);
            seen.forget(|kind, position| {
                position < oldest || is_forgotten(*provider, kind, position)
            });
            !seen.is_empty()
        });
    }

    pub fn forget_provider(&mut self, provider: u32) {
        self.providers.remove(&provider);
    }
}
