//! Deciding what was heard as a bot. What says nothing new is not written: a group in which much is
//! said must not make the log grow, nor must strangers, of whom anybody may write to a bot.

use std::collections::BTreeMap;

use super::super::command::{Context, Refusal, Sight, Sighting};
use super::super::event::{ChatFacts, Event};
use super::super::state::State;
use super::Decided;
use crate::projections::bots::Known;

/// Chats that one sighting brings at most.
pub const CHATS_PER_SIGHTING_MAX: usize = 100;
/// A chat about which nothing is new is written again after so long, in microseconds.
pub const SEEN_AGAIN_MICROS: i64 = 3_600 * 1_000_000;
/// Chats of one bot that are heard of within [`SEEN_AGAIN_MICROS`]; of more, no new one is taken.
pub const CHATS_PER_HOUR_MAX: usize = 100;

pub fn sight(state: &State, sighting: Sighting, context: &Context) -> Result<Decided, Refusal> {
    let Sighting {
        bot,
        revision,
        sight,
    } = sighting;
    let configured = state
        .configuration
        .bots
        .get(&bot)
        .ok_or_else(|| Refusal::NotFound {
            what: "bot",
            name: format!("#{bot}"),
        })?;
    // What was heard with another token is not of this bot.
    if configured.revision != revision {
        return Err(Refusal::Outdated);
    }
    let nothing = Known::default();
    let known = state.bots.get(bot).unwrap_or(&nothing);
    let event = match sight {
        Sight::Chats(chats) => {
            let chats = bounded(chats)?;
            let since = context.now.saturating_sub(SEEN_AGAIN_MICROS);
            let heard = known.chats.values().filter(|chat| chat.seen_at > since);
            let mut room = CHATS_PER_HOUR_MAX.saturating_sub(heard.count());
            let new = |chat: &ChatFacts| {
                let is_known = known.chats.contains_key(&chat.to);
                let fits = is_known || room > 0;
                room -= usize::from(!is_known && fits);
                fits && says_something(known, chat, context.now)
            };
            let chats: Vec<ChatFacts> = chats.into_values().filter(new).collect();
            (!chats.is_empty()).then_some(Event::ChatsSeen { bot, chats })
        }
        Sight::Names(chats) => {
            let chats = bounded(chats)?;
            let other = |chat: &ChatFacts| {
                let before = known.chats.get(&chat.to);
                before.is_some_and(|before| !is_same(&before.facts, chat))
            };
            let chats: Vec<ChatFacts> = chats.into_values().filter(other).collect();
            (!chats.is_empty()).then_some(Event::ChatsNamed { bot, chats })
        }
        Sight::Identity(identity) => (known.identity.as_ref() != Some(&identity))
            .then_some(Event::BotVerified { bot, identity }),
    };
    Ok(Decided::changed(event.into_iter().collect()))
}

/// The chats of a sighting, each as it was last seen in it.
fn bounded(chats: Vec<ChatFacts>) -> Result<BTreeMap<String, ChatFacts>, Refusal> {
    if chats.len() > CHATS_PER_SIGHTING_MAX {
        return Err(Refusal::Invalid {
            field: "chats".into(),
            message: format!(
                "are {}; at most {CHATS_PER_SIGHTING_MAX} are taken at once",
                chats.len()
            ),
        });
    }
    Ok(chats
        .into_iter()
        .map(|chat| (chat.to.clone(), chat))
        .collect())
}

fn says_something(known: &Known, chat: &ChatFacts, now: i64) -> bool {
    let Some(before) = known.chats.get(&chat.to) else {
        return true;
    };
    let speaks_otherwise = !chat.language.is_empty() && chat.language != before.facts.language;
    speaks_otherwise
        || !is_same(&before.facts, chat)
        || before.seen_at.saturating_add(SEEN_AGAIN_MICROS) <= now
}

/// Whether a chat is as it was, its language apart, which not every look tells.
fn is_same(before: &ChatFacts, now: &ChatFacts) -> bool {
    let of = |chat: &ChatFacts| {
        let names = (chat.title.clone(), chat.username.clone());
        (chat.kind, names, chat.is_left)
    };
    of(before) == of(now)
}
