//! What events tell of who may do what.

use serde::{Deserialize, Serialize};

/// A role in a space; `Owner` also for what concerns the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Editor,
    Admin,
    Owner,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Editor, Role::Admin, Role::Owner];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    Read,
    Notify,
    Operate,
    Admin,
}

impl TokenScope {
    pub const ALL: [TokenScope; 4] = [
        TokenScope::Read,
        TokenScope::Notify,
        TokenScope::Operate,
        TokenScope::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            TokenScope::Read => "read",
            TokenScope::Notify => "notify",
            TokenScope::Operate => "operate",
            TokenScope::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        TokenScope::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: u32,
    pub name: String,
    pub role: Role,
    /// argon2id in PHC form.
    pub password_hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: u32,
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    pub scopes: Vec<TokenScope>,
    pub role: Role,
    /// With scope `notify`: the only target it may reach.
    pub target: Option<String>,
    /// Microseconds since 1970.
    pub expires_at: Option<i64>,
    pub created_at: i64,
}

/// A browser that is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: u32,
    pub user: u32,
    /// SHA-256 of the secret in the cookie.
    pub hash: [u8; 32],
    /// Microseconds since 1970.
    pub began_at: i64,
    /// When it was last used, to about a day.
    pub seen_at: i64,
}
