//! Who may do what: users and API tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::{Role, Token, User};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    pub users: BTreeMap<u32, User>,
    pub tokens: BTreeMap<u32, Token>,
    pub last_id: u32,
}

impl Access {
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name)
    }

    pub fn token(&self, name: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.name == name)
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
