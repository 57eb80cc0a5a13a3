//! What a person configures of a bot.

use serde::{Deserialize, Serialize};

use super::{is_default, is_false, is_true, yes};

/// How a bot hears what is said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum BotMode {
    /// It asks its service, while somebody looks for chats.
    #[default]
    Poll,
    /// Its service sends to `/hooks/bots/{name}`.
    Webhook,
}

impl BotMode {
    pub fn as_str(self) -> &'static str {
        match self {
            BotMode::Poll => "poll",
            BotMode::Webhook => "webhook",
        }
    }
}

/// A chat identity that targets share. Its secrets are `token` and, for a webhook, `secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotSpec {
    pub name: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it hears anything. Its targets have switches of their own.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// Where its service is, also for its targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: BotMode,
}
