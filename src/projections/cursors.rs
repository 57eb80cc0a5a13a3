//! Where looking at providers stands: what was last seen of them, by key.
//!
//! The bytes belong to the provider's kind; nothing here looks into them. They are shared between
//! the copies of the state and with whoever looks, so that nobody copies a large one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Largest cursor, in bytes; what is larger is spread over several keys. With its key it fits the
/// 256 KiB of an event.
pub const CURSOR_BYTES_MAX: usize = 255 * 1_024;
/// Longest key, in bytes.
pub const CURSOR_KEY_BYTES_MAX: usize = 256;
/// Most cursors of one provider.
pub const CURSORS_MAX: usize = 4_096;
/// Bytes of all cursors of one provider.
pub const CURSORS_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// The cursors of one provider.
pub type OfProvider = BTreeMap<String, Arc<[u8]>>;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursors {
    by_provider: BTreeMap<u32, OfProvider>,
    /// Whether the store came from a backup and nobody has resumed since: then nobody is asked.
    pub halted: bool,
}

impl Cursors {
    /// Those of a provider; `None` when it has none.
    pub fn of(&self, provider: u32) -> Option<&OfProvider> {
        self.by_provider.get(&provider)
    }

    /// All of them, by provider and key.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, &str), &Arc<[u8]>)> {
        self.by_provider.iter().flat_map(|(provider, of)| {
            let cursors = of.iter();
            cursors.map(|(key, bytes)| ((*provider, key.as_str()), bytes))
        })
    }

    pub fn get(&self, provider: u32, key: &str) -> Option<&Arc<[u8]>> {
        self.by_provider.get(&provider)?.get(key)
    }

    pub fn put(&mut self, provider: u32, key: &str, bytes: Option<&Arc<[u8]>>) {
        match bytes {
            Some(bytes) => {
                let of = self.by_provider.entry(provider).or_default();
                of.insert(key.to_owned(), Arc::clone(bytes));
            }
            None => {
                if let Some(of) = self.by_provider.get_mut(&provider) {
                    of.remove(key);
                    if of.is_empty() {
                        self.by_provider.remove(&provider);
                    }
                }
            }
        }
    }

    pub fn forget(&mut self, provider: u32) {
        self.by_provider.remove(&provider);
    }
}
