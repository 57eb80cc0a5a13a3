//! What was heard as a bot: who it is to its service, and the chats it was seen in.
//!
//! **Invariant:** these are observations. Nothing that is configured touches them but what makes them
//! untrue: another token, another address, or the bot's end.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::{BotIdentity, ChatFacts};

/// Chats remembered of one bot; of more, those that were seen longest ago are forgotten.
pub const CHATS_PER_BOT_MAX: usize = 200;

/// A chat that a bot was seen in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    pub facts: ChatFacts,
    /// When something was last heard there, microseconds since 1970.
    pub seen_at: i64,
}

/// What is known of one bot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    pub identity: Option<BotIdentity>,
    /// By address.
    pub chats: BTreeMap<String, Chat>,
}

/// What is known of all bots, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bots(BTreeMap<u32, Known>);

impl Known {
    /// Chats, the one last heard first.
    pub fn newest_first(&self) -> Vec<&Chat> {
        let mut chats: Vec<&Chat> = self.chats.values().collect();
        chats.sort_by_key(|chat| Reverse(chat.seen_at));
        chats
    }

    /// Forgets what is too much.
    fn bound(&mut self) {
        while self.chats.len() > CHATS_PER_BOT_MAX {
            let oldest = self
                .chats
                .iter()
                .min_by_key(|(_, chat)| chat.seen_at)
                .map(|(to, _)| to.clone());
            let Some(oldest) = oldest else { return };
            self.chats.remove(&oldest);
        }
    }
}

impl Bots {
    pub fn get(&self, bot: u32) -> Option<&Known> {
        self.0.get(&bot)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&u32, &Known)> {
        self.0.iter()
    }

    pub fn seen(&mut self, bot: u32, chats: &[ChatFacts], at: i64) {
        let known = self.0.entry(bot).or_default();
        for facts in chats {
            let before = known.chats.get(&facts.to);
            let mut facts = facts.clone();
            if let Some(before) = before.filter(|_| facts.language.is_empty()) {
                facts.language.clone_from(&before.facts.language);
            }
            let seen_at = before.map_or(at, |before| before.seen_at.max(at));
            known
                .chats
                .insert(facts.to.clone(), Chat { facts, seen_at });
        }
        known.bound();
    }

    /// Takes in how chats are called now; what was never heard of is not named.
    pub fn named(&mut self, bot: u32, chats: &[ChatFacts]) {
        let Some(known) = self.0.get_mut(&bot) else {
            return;
        };
        for facts in chats {
            if let Some(chat) = known.chats.get_mut(&facts.to) {
                let language = std::mem::take(&mut chat.facts.language);
                chat.facts = ChatFacts {
                    language,
                    ..facts.clone()
                };
            }
        }
    }

    pub fn verified(&mut self, bot: u32, identity: BotIdentity) {
        self.0.entry(bot).or_default().identity = Some(identity);
    }

    pub fn forget(&mut self, bot: u32) {
        self.0.remove(&bot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::ChatKind;

    fn chat(to: &str, title: &str, language: &str) -> ChatFacts {
        ChatFacts {
            to: to.into(),
            kind: ChatKind::Group,
            title: title.into(),
            username: String::new(),
            language: language.into(),
            is_left: false,
        }
    }

    #[test]
    fn the_newest_chats_are_kept() {
        let mut bots = Bots::default();
        for n in 0..CHATS_PER_BOT_MAX as i64 + 5 {
            bots.seen(1, &[chat(&format!("-{n}"), "a", "")], n);
        }
        let known = bots.get(1).expect("it was heard");
        assert_eq!(known.chats.len(), CHATS_PER_BOT_MAX);
        let newest = known.newest_first();
        assert_eq!(newest[0].facts.to, "-204");
        assert_eq!(newest[CHATS_PER_BOT_MAX - 1].facts.to, "-5");
    }

    #[test]
    fn a_name_changes_neither_when_a_chat_was_seen_nor_its_language() {
        let mut bots = Bots::default();
        bots.seen(1, &[chat("7", "Old", "pt")], 10);
        bots.named(1, &[chat("7", "New", ""), chat("8", "Unheard", "")]);
        bots.named(2, &[chat("7", "Of nobody", "")]);
        let known = bots.get(1).expect("it was heard");
        let (only, seen_at) = (&known.chats["7"].facts, known.chats["7"].seen_at);
        assert_eq!((only, seen_at), (&chat("7", "New", "pt"), 10));
        assert_eq!(known.chats.len(), 1);
        bots.forget(1);
        assert_eq!(bots, Bots::default());
    }
}
