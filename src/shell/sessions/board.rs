//! How sessions go, for people: in memory, since the start.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How the session with a provider goes. Moments are microseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Talking {
    /// Since when there is a connection.
    pub connected_at: Option<i64>,
    /// Whether its kind says that it works.
    pub works: bool,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Messages that came, and how many of them were left out because more came than was folded.
    pub messages: u64,
    pub left_out: u64,
    pub last_message_at: Option<i64>,
    /// When something new was last recorded.
    pub last_new_at: Option<i64>,
    pub failures_in_a_row: u32,
    pub last_error: Option<String>,
    /// When it is tried again.
    pub next_at: Option<i64>,
}

impl Talking {
    /// Sessions after the first.
    pub fn reconnects(&self) -> u64 {
        self.sessions.saturating_sub(1)
    }
}

/// By provider. What is gone leaves with its task.
#[derive(Default)]
pub struct Board(Mutex<BTreeMap<u32, Talking>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Talking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, provider: u32) -> Talking {
        self.lock().get(&provider).cloned().unwrap_or_default()
    }

    pub fn note(&self, provider: u32, change: impl FnOnce(&mut Talking)) {
        change(self.lock().entry(provider).or_default());
    }

    pub fn forget(&self, provider: u32) {
        self.lock().remove(&provider);
    }
}
