//! Who may do what: users and API tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::{Role, Session, Token, User};

/// A session that was not used for so long is over, in microseconds (14 days).
pub const SESSION_IDLE_MAX: i64 = 14 * 86_400 * 1_000_000;
/// A session is over after so long however much it is used, in microseconds (90 days).
pub const SESSION_AGE_MAX: i64 = 90 * 86_400 * 1_000_000;
/// Use of a session is noted once in so long, in microseconds (a day).
pub const SESSION_NOTED_EVERY: i64 = 86_400 * 1_000_000;
/// Sessions of one user; with one more the one unused longest ends.
pub const SESSIONS_PER_USER_MAX: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    pub users: BTreeMap<u32, User>,
    pub tokens: BTreeMap<u32, Token>,
    pub sessions: BTreeMap<u32, Session>,
    pub last_id: u32,
}

impl Access {
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name)
    }

    pub fn token(&self, name: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.name == name)
    }

    /// The session of this hash, unless it is over at `now`.
    pub fn session(&self, hash: &[u8; 32], now: i64) -> Option<&Session> {
        self.sessions
            .values()
            .find(|session| session.hash == *hash)
            .filter(|session| !is_over(session, now))
    }

    /// Whether somebody can administer; tokens do not count.
    pub fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.role >= Role::Admin)
    }

    /// How many owners there are, for refusing to remove the last one.
    pub fn owners(&self) -> usize {
        self.users
            .values()
            .filter(|user| user.role == Role::Owner)
            .count()
    }
}

/// Whether a session has outlived its idle time or its age.
pub fn is_over(session: &Session, now: i64) -> bool {
    now.saturating_sub(session.seen_at) > SESSION_IDLE_MAX
        || now.saturating_sub(session.began_at) > SESSION_AGE_MAX
}
