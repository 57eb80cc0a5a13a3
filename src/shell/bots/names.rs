//! What chats are called: asked once a day, chat by chat.
//!
//! The service lets a bot ask about thirty times a second and counts messages among that; one question
//! a second leaves the rest to them.

use std::time::Duration;

use super::{BotError, Bots, Ready};
use crate::bots::telegram::{self, Unanswered};
use crate::domain::command::Sight;
use crate::domain::decide::CHATS_PER_SIGHTING_MAX;
use crate::domain::event::ChatFacts;
use crate::shell::ledger::Priority;

/// Time between two questions of one bot.
pub const CHAT_EVERY: Duration = Duration::from_secs(1);
/// When chats are asked, in seconds of the day of the space's zone: 04:40, when nearly nothing else is done.
pub const NAMES_AT_SECONDS: u32 = 4 * 3_600 + 40 * 60;

impl Bots {
    /// Asks what the chats of every bot are called. Bots do not wait for one another.
    pub async fn refresh_names(&self) {
        let enabled = self.enabled();
        let bots = enabled.values().map(|name| self.refresh(name));
        futures_util::future::join_all(bots).await;
    }

    async fn refresh(&self, name: &str) {
        let refreshed = match self.hearing(name) {
            Ok(ready) => self.refresh_ready(&ready).await,
            Err(error) => Err(error),
        };
        if let Err(error) = refreshed {
            tracing::warn!(bot.name = name, %error, "not all chats could be asked what they are called");
        }
    }

    async fn refresh_ready(&self, ready: &Ready) -> Result<(), BotError> {
        let chats: Vec<ChatFacts> = {
            let state = self.ledger.state();
            let known = state.bots.get(ready.id);
            let chats = known.into_iter().flat_map(|known| known.newest_first());
            chats.map(|chat| chat.facts.clone()).collect()
        };
        let reply = self.ask(ready, ready.bot().identity()?).await;
        let identity = Sight::Identity(telegram::identity(&reply)?);
        self.take(ready, Priority::Maintenance, identity).await?;
        let mut named = Vec::new();
        for chat in chats {
            self.clock.sleep(CHAT_EVERY).await;
            if !self.is_current(ready) {
                return Ok(());
            }
            match self.name_of(ready, &chat).await {
                Ok(facts) => named.extend(facts),
                Err(error) => {
                    // What the others said is not lost over it.
                    self.take_names(ready, &mut named).await?;
                    return Err(error);
                }
            }
            if named.len() == CHATS_PER_SIGHTING_MAX {
                self.take_names(ready, &mut named).await?;
            }
        }
        self.take_names(ready, &mut named).await
    }

    async fn take_names(&self, ready: &Ready, named: &mut Vec<ChatFacts>) -> Result<(), BotError> {
        let names = Sight::Names(std::mem::take(named));
        self.take(ready, Priority::Maintenance, names).await?;
        Ok(())
    }

    /// What one chat is called; nothing when it does not say. A service that asks to wait is asked once more.
    async fn name_of(
        &self,
        ready: &Ready,
        chat: &ChatFacts,
    ) -> Result<Option<ChatFacts>, BotError> {
        let mut answered = self.chat(ready, &chat.to).await?;
        if let Err(Unanswered::Wait(wait)) = answered {
            self.clock.sleep(wait).await;
            answered = self.chat(ready, &chat.to).await?;
        }
        match answered {
            Ok(facts) => Ok(facts),
            Err(Unanswered::NotThere { .. }) => Ok(Some(ChatFacts {
                is_left: true,
                ..chat.clone()
            })),
            Err(error) => Err(error.into()),
        }
    }

    async fn chat(
        &self,
        ready: &Ready,
        to: &str,
    ) -> Result<Result<Option<ChatFacts>, Unanswered>, BotError> {
        let reply = self.ask(ready, ready.bot().chat(to)?).await;
        Ok(telegram::chat(&reply))
    }
}
