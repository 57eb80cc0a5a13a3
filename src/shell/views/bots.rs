//! Bots: what they hear, as JSON.

use serde_json::{Value, json};

use super::{add, moment};
use crate::domain::event::{BotIdentity, ChatFacts};
use crate::domain::spec::{BotMode, BotSpec};
use crate::domain::state::State;
use crate::projections::bots::Chat;
use crate::projections::configuration::Entity;
use crate::shell::bots::{Look, hook_address};

/// A chat, with the address that a receiver has as its `to`.
pub(super) fn chat_facts(facts: &ChatFacts) -> Value {
    let mut shape = json!({
        "to": facts.to,
        "kind": facts.kind.as_str(),
        "title": facts.title,
    });
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    add(&mut shape, "username", said(&facts.username));
    add(&mut shape, "language", said(&facts.language));
    add(&mut shape, "left", facts.is_left.then_some(true));
    shape
}

pub fn identity(identity: &BotIdentity) -> Value {
    json!({
        "id": identity.number,
        "username": identity.username,
        "name": identity.name,
    })
}

fn chat(chat: &Chat) -> Value {
    let mut shape = chat_facts(&chat.facts);
    shape["seen_at"] = moment(chat.seen_at).into();
    shape
}

/// The chats a bot was seen in, the one last heard first.
pub fn chats(state: &State, bot: u32, look: Option<&Look>) -> Value {
    let known = state.bots.get(bot);
    let chats = known.into_iter().flat_map(|known| known.newest_first());
    let mut shape = json!({
        "items": chats.map(chat).collect::<Vec<_>>(),
        "next": null,
    });
    looked(&mut shape, look);
    shape
}

/// How a bot is doing, as observed. `base` is the address the program is reached at.
pub fn bot_health(state: &State, entity: &Entity<BotSpec>, base: &str) -> Value {
    let known = state.bots.get(entity.id);
    let targets = state.configuration.targets_of(&entity.spec.name);
    let targets = targets.map(|(_, target)| target.entity.spec.name.as_str());
    let mut shape = json!({
        "chats": known.map_or(0, |known| known.chats.len()),
        "targets": targets.collect::<Vec<_>>(),
    });
    let is_sent_to = entity.spec.mode == BotMode::Webhook;
    let address = is_sent_to.then(|| hook_address(base, &entity.spec.name));
    add(&mut shape, "address", address);
    let verified = known.and_then(|known| known.identity.as_ref());
    add(&mut shape, "identity", verified.map(identity));
    shape
}

/// Until when somebody looks for chats, or why that ended.
fn looked(shape: &mut Value, look: Option<&Look>) {
    let Some(look) = look else { return };
    match &look.failed {
        Some(why) => add(shape, "look_failed", Some(why.as_str())),
        None => add(shape, "looking_until", Some(moment(look.until))),
    }
}
