//! A bot of the Telegram Bot API: who it is, what it hears, and what chats are called.
//!
//! Decisions where the service leaves room:
//! - What is heard is only where: texts, senders and files of updates are not looked at.
//! - An update that cannot be read is passed over, or it would come again for ever.
//! - Of a chat with one person the language is that of the person; who writes in a group says nothing
//!   of the group.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::TOKEN;
use crate::domain::event::{
    BotIdentity, CHAT_TITLE_BYTES_MAX, CHAT_WORD_BYTES_MAX, ChatFacts, ChatKind,
};
use crate::domain::notice::{cut, is_bidi_control};
use crate::domain::spec::BotSpec;
use crate::targets::telegram::{Answer, method_address, post};
use crate::targets::{Call, Reply, Unsendable, excerpt, retry_after, wait};

/// The name of the kind, which targets have as well.
pub const KIND: &str = "telegram";
/// Updates taken at a time, as many as the service gives at most.
pub const UPDATES_MAX: usize = 100;
/// Longest secret that the service takes, in bytes.
pub const SECRET_BYTES_MAX: usize = 256;
/// The header in which the service proves itself.
pub const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
/// What is heard: where something is said, and where the bot is let in or put out.
const HEARD: [&str; 3] = ["message", "channel_post", "my_chat_member"];

/// A bot, ready to be called.
#[derive(Clone, Copy)]
pub struct Bot<'a> {
    pub spec: &'a BotSpec,
    /// Opened secrets by field name.
    pub secrets: &'a BTreeMap<String, String>,
}

impl Bot<'_> {
    fn call(&self, method: &str, body: &Value) -> Result<Call, Unsendable> {
        let token = self.secrets.get(TOKEN).map_or("", |token| token.trim());
        let address = method_address(token, self.spec.api_base.as_deref(), method)?;
        Ok(post(address, body))
    }

    /// Who the bot is.
    pub fn identity(&self) -> Result<Call, Unsendable> {
        self.call("getMe", &json!({}))
    }

    /// What is new after the updates before `next`, waiting for it so long.
    pub fn updates(&self, next: Option<i64>, wait: Duration) -> Result<Call, Unsendable> {
        let mut body = json!({
            "timeout": wait.as_secs(),
            "limit": UPDATES_MAX,
            "allowed_updates": HEARD,
        });
        if let Some(next) = next {
            body["offset"] = next.into();
        }
        self.call("getUpdates", &body)
    }

    /// What a chat is called now.
    pub fn chat(&self, to: &str) -> Result<Call, Unsendable> {
        let chat = to.parse::<i64>().map_or_else(|_| to.into(), Value::from);
        self.call("getChat", &json!({ "chat_id": chat }))
    }

    /// From now on the service sends to this address, with this secret.
    pub fn webhook(&self, address: &str, secret: &str) -> Result<Call, Unsendable> {
        let is_taken = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || !secret.bytes().all(is_taken) {
            return Err(Unsendable {
                reason: format!(
                    "`secret` has to be 1 to {SECRET_BYTES_MAX} letters, digits, `_` or `-`; Telegram takes no other"
                ),
            });
        }
        self.call(
            "setWebhook",
            &json!({ "url": address, "secret_token": secret, "allowed_updates": HEARD }),
        )
    }
}

/// Why a call did not bring what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("Telegram asked to wait {} s", .0.as_secs())]
    Wait(Duration),
    #[error("Telegram answered {code}: {says}; check `token` and `api_base` of the bot")]
    Credentials { code: u16, says: String },
    /// Somebody else takes the updates: another program, or a webhook.
    #[error("Telegram answered 409: {0}; only one program may ask for what the bot hears")]
    Conflict(String),
    /// The bot is not in the chat, or there is no such chat.
    #[error("Telegram answered {code}: {says}")]
    NotThere { code: u16, says: String },
    #[error("Telegram answered {code}: {says}")]
    Refused { code: u16, says: String },
    #[error("{0}")]
    NoAnswer(String),
}

/// Longest time that is waited because the service asks for it.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// How long is waited where it does not say how long.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// What a call gave.
fn result(reply: &Reply) -> Result<Value, Unanswered> {
    let (status, body) = match reply {
        Reply::Answered { status, body, .. } => (*status, body),
        Reply::NotSent { why } | Reply::NoAnswer { why } => {
            return Err(Unanswered::NoAnswer(why.clone()));
        }
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(Unanswered::NoAnswer(format!(
            "what answers with {status} there is no Bot API; check `api_base` of the bot"
        )));
    };
    if answer.ok {
        return Ok(answer.result);
    }
    let code = answer.error_code.unwrap_or(status);
    let says = excerpt(&answer.description);
    Err(match code {
        429 => {
            let said = answer.parameters.retry_after;
            let wait = said.and_then(wait);
            let wait = wait.or_else(|| retry_after(reply)).unwrap_or(WAIT_DEFAULT);
            Unanswered::Wait(wait.min(WAIT_MAX))
        }
        401 | 404 => Unanswered::Credentials { code, says },
        409 => Unanswered::Conflict(says),
        403 => Unanswered::NotThere { code, says },
        400 if ["chat not found", "upgraded to a supergroup"]
            .iter()
            .any(|gone| says.to_lowercase().contains(gone)) =>
        {
            Unanswered::NotThere { code, says }
        }
        _other => Unanswered::Refused { code, says },
    })
}

/// That a call without a result was taken.
pub fn taken(reply: &Reply) -> Result<(), Unanswered> {
    result(reply).map(|_| ())
}

/// Who the bot is.
pub fn identity(reply: &Reply) -> Result<BotIdentity, Unanswered> {
    let result = result(reply)?;
    let number = result["id"].as_i64().ok_or_else(|| {
        Unanswered::NoAnswer("the answer does not say who the bot is; check `api_base`".into())
    })?;
    let word = |key: &str| result[key].as_str().unwrap_or_default();
    Ok(BotIdentity {
        number,
        username: line(word("username"), CHAT_WORD_BYTES_MAX),
        name: line(word("first_name"), CHAT_TITLE_BYTES_MAX),
    })
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Updates {
    /// From which update on the next are asked for; `None` when there were none.
    pub next: Option<i64>,
    /// Each chat once, as it was last.
    pub chats: Vec<ChatFacts>,
}

/// What was heard, all that can be read of it.
pub fn updates(reply: &Reply) -> Result<Updates, Unanswered> {
    let result = result(reply)?;
    let list = result.as_array().map_or(&[][..], Vec::as_slice);
    let next = list
        .iter()
        .filter_map(|update| update["update_id"].as_i64());
    let next = next.max().map(|last| last.saturating_add(1));
    let mut chats: Vec<ChatFacts> = Vec::new();
    for chat in list.iter().take(UPDATES_MAX).filter_map(heard) {
        chats.retain(|before| before.to != chat.to);
        chats.push(chat);
    }
    Ok(Updates { next, chats })
}

/// What a chat is called, as the service was asked; `None` when it cannot be read.
pub fn chat(reply: &Reply) -> Result<Option<ChatFacts>, Unanswered> {
    Ok(facts(&result(reply)?))
}

/// The chat of one update, when it tells of one.
pub fn heard(update: &Value) -> Option<ChatFacts> {
    let membership = &update["my_chat_member"];
    if membership.is_object() {
        let status = membership["new_chat_member"]["status"].as_str();
        let mut chat = facts(&membership["chat"])?;
        chat.is_left = matches!(status, Some("left" | "kicked"));
        return Some(spoken_by(chat, &membership["from"]));
    }
    let said = ["message", "channel_post"]
        .into_iter()
        .map(|kind| &update[kind])
        .find(|said| said.is_object())?;
    let mut chat = facts(&said["chat"])?;
    // A group that became a supergroup has another number from now on.
    chat.is_left = said["migrate_to_chat_id"].is_i64();
    Some(spoken_by(chat, &said["from"]))
}

fn spoken_by(mut chat: ChatFacts, from: &Value) -> ChatFacts {
    if chat.kind == ChatKind::Private {
        let language = from["language_code"].as_str().unwrap_or_default();
        chat.language = line(language, CHAT_WORD_BYTES_MAX);
    }
    chat
}

fn facts(chat: &Value) -> Option<ChatFacts> {
    let to = chat["id"].as_i64()?.to_string();
    let kind = ChatKind::parse(chat["type"].as_str()?)?;
    let word = |key: &str| chat[key].as_str().unwrap_or_default();
    let title = match kind {
        ChatKind::Private => format!("{} {}", word("first_name"), word("last_name")),
        ChatKind::Group | ChatKind::Supergroup | ChatKind::Channel => word("title").to_owned(),
    };
    Some(ChatFacts {
        to,
        kind,
        title: line(&title, CHAT_TITLE_BYTES_MAX),
        username: line(word("username"), CHAT_WORD_BYTES_MAX),
        language: String::new(),
        is_left: false,
    })
}

/// One line without signs that nobody sees, of at most so many bytes. Strangers choose these texts.
fn line(text: &str, bytes_max: usize) -> String {
    let seen = text
        .chars()
        .filter(|sign| !sign.is_control() && !is_bidi_control(*sign));
    let mut line = seen.collect::<String>().trim().to_owned();
    cut(&mut line, bytes_max);
    line
}

#[cfg(test)]
mod tests;
