//! Payloads about what was heard as a bot, revision 1.

use serde::{Deserialize, Serialize};

use super::{put, take};
use crate::domain::event::{BotIdentity, ChatFacts, ChatKind, Event};

#[derive(Serialize, Deserialize)]
struct ChatR1<'a> {
    to: &'a str,
    kind: u8,
    title: &'a str,
    username: &'a str,
    language: &'a str,
    is_left: bool,
}

/// `ChatsSeen` and `ChatsNamed`.
#[derive(Serialize, Deserialize)]
struct ChatsR1<'a> {
    bot: u32,
    #[serde(borrow)]
    chats: Vec<ChatR1<'a>>,
}

#[derive(Serialize, Deserialize)]
struct BotVerifiedR1<'a> {
    bot: u32,
    number: i64,
    username: &'a str,
    name: &'a str,
}

fn chat_kind_code(kind: ChatKind) -> u8 {
    match kind {
        ChatKind::Private => 1,
        ChatKind::Group => 2,
        ChatKind::Supergroup => 3,
        ChatKind::Channel => 4,
    }
}

fn chats(bot: u32, chats: &[ChatFacts], out: &mut Vec<u8>) {
    let chats = chats
        .iter()
        .map(|chat| ChatR1 {
            to: &chat.to,
            kind: chat_kind_code(chat.kind),
            title: &chat.title,
            username: &chat.username,
            language: &chat.language,
            is_left: chat.is_left,
        })
        .collect();
    put(&ChatsR1 { bot, chats }, out);
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::ChatsSeen { bot, chats: seen } => chats(*bot, seen, out),
        Event::ChatsNamed { bot, chats: named } => chats(*bot, named, out),
        Event::BotVerified { bot, identity } => put(
            &BotVerifiedR1 {
                bot: *bot,
                number: identity.number,
                username: &identity.username,
                name: &identity.name,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

fn read_chats(bytes: &[u8]) -> Result<(u32, Vec<ChatFacts>), String> {
    let ChatsR1 { bot, chats } = take(bytes)?;
    let chats = chats.into_iter().map(|chat| {
        let kind = ChatKind::ALL
            .into_iter()
            .find(|kind| chat_kind_code(*kind) == chat.kind)
            .ok_or_else(|| format!("unknown kind of chat {}", chat.kind))?;
        Ok(ChatFacts {
            to: chat.to.to_owned(),
            kind,
            title: chat.title.to_owned(),
            username: chat.username.to_owned(),
            language: chat.language.to_owned(),
            is_left: chat.is_left,
        })
    });
    Ok((bot, chats.collect::<Result<_, String>>()?))
}

pub fn decode(kind: u16, bytes: &[u8]) -> Result<Event, String> {
    match kind {
        125 => read_chats(bytes).map(|(bot, chats)| Event::ChatsSeen { bot, chats }),
        126 => read_chats(bytes).map(|(bot, chats)| Event::ChatsNamed { bot, chats }),
        127 => {
            let BotVerifiedR1 {
                bot,
                number,
                username,
                name,
            } = take(bytes)?;
            let identity = BotIdentity {
                number,
                username: username.to_owned(),
                name: name.to_owned(),
            };
            Ok(Event::BotVerified { bot, identity })
        }
        other => Err(format!("kind {other} is not decoded here")),
    }
}
