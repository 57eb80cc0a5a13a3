//! What events tell of bots: who they are to their service, and where they were seen.

use serde::{Deserialize, Serialize};

/// Longest address of a chat, in bytes.
pub const CHAT_TO_BYTES_MAX: usize = 64;
/// Longest title or name that is kept, in bytes; a longer one is cut.
pub const CHAT_TITLE_BYTES_MAX: usize = 256;
/// Longest public name or language that is kept, in bytes; a longer one is cut.
pub const CHAT_WORD_BYTES_MAX: usize = 64;

/// What a chat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// With one person.
    Private,
    Group,
    Supergroup,
    Channel,
}

impl ChatKind {
    pub const ALL: [ChatKind; 4] = [
        ChatKind::Private,
        ChatKind::Group,
        ChatKind::Supergroup,
        ChatKind::Channel,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ChatKind::Private => "private",
            ChatKind::Group => "group",
            ChatKind::Supergroup => "supergroup",
            ChatKind::Channel => "channel",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        ChatKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A chat as a service tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFacts {
    /// What a receiver has as its `to`.
    pub to: String,
    pub kind: ChatKind,
    /// Of a group or channel its title, of a person the name.
    pub title: String,
    /// Empty where it has no public name.
    pub username: String,
    /// What the person who wrote there speaks; empty where that is not known.
    pub language: String,
    /// The bot was removed from it, or is not let in.
    pub is_left: bool,
}

/// Who a bot is, as its service says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotIdentity {
    pub number: i64,
    pub username: String,
    pub name: String,
}
