//! A look for chats: a bot's service is asked what it hears, for a while.
//!
//! The first question is answered before the one who looks is: what was said before comes at once.
//! Then the service is asked again and again, which it answers when something is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{BotError, Bots, HOOKS, Look, Ready, lock};
use crate::bots::SECRET;
use crate::bots::telegram::{self, Unanswered};
use crate::domain::command::Sight;
use crate::domain::spec::BotMode;
use crate::shell::ledger::Priority;

/// Longest look.
pub const LOOK_MAX: Duration = Duration::from_secs(300);
/// How long the service may wait for something to be said before it answers.
pub const POLL_WAIT: Duration = Duration::from_secs(25);
/// Least time between two questions, whatever answers.
pub const POLL_EVERY_MIN: Duration = Duration::from_secs(1);
/// Time until the next question when nobody answered.
pub const UNANSWERED_WAIT: Duration = Duration::from_secs(5);

/// Looks by bot; at most one entry a bot.
#[derive(Default)]
pub(super) struct Looks {
    of: BTreeMap<u32, Underway>,
    /// Looks that were begun, which tells one of a bot from the next.
    begun: u64,
}

struct Underway {
    number: u64,
    revision: u64,
    /// On the monotonic clock.
    until: Duration,
    shown: Look,
}

/// One look. When it is dropped, it is over.
struct Turn {
    bots: Arc<Bots>,
    bot: u32,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut looks = lock(&self.bots.looks);
        let own = looks.of.get(&self.bot);
        if own.is_some_and(|own| own.number == self.number && own.shown.failed.is_none()) {
            looks.of.remove(&self.bot);
        }
    }
}

impl Turn {
    /// It ends before its time, and shows why.
    fn fail(self, why: String) {
        let mut looks = lock(&self.bots.looks);
        if let Some(own) = looks.of.get_mut(&self.bot)
            && own.number == self.number
        {
            own.shown.failed = Some(why);
        }
    }
}

impl Bots {
    /// Looks for chats for so long, and returns once what was said already is known. One with a webhook
    /// is told to send to this address instead, and hears until it is told otherwise.
    pub async fn look(
        self: &Arc<Self>,
        name: &str,
        span: Duration,
        base: &str,
    ) -> Result<(), BotError> {
        let ready = self.hearing(name)?;
        if ready.spec.mode == BotMode::Webhook {
            return self.send_here(&ready, base).await;
        }
        let Some(turn) = self.begin(&ready, span.min(LOOK_MAX)) else {
            return Ok(());
        };
        let next = self.poll(&ready, None, Duration::ZERO).await?;
        let bots = Arc::clone(self);
        self.beside(async move { bots.go_on(ready, turn, next).await });
        Ok(())
    }

    /// How a look of a bot goes, while there is one or when the last one failed.
    pub fn looking(&self, bot: u32) -> Option<Look> {
        let looks = lock(&self.looks);
        looks.of.get(&bot).map(|own| own.shown.clone())
    }

    async fn send_here(&self, ready: &Ready, base: &str) -> Result<(), BotError> {
        let secret = ready.opened.values.get(SECRET).map_or("", String::as_str);
        let call = ready
            .bot()
            .webhook(&hook_address(base, ready.name()), secret)?;
        let reply = self.ask(ready, call).await;
        telegram::taken(&reply)?;
        Ok(())
    }

    /// Begins a look; `None` when there is one already, which goes on as long as this one would.
    fn begin(self: &Arc<Self>, ready: &Ready, span: Duration) -> Option<Turn> {
        let until = self.clock.monotonic() + span;
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let shown = Look {
            until: self.clock.now().saturating_add(micros),
            failed: None,
        };
        let configured: Vec<u32> = {
            let state = self.ledger.state();
            state.configuration.bots.keys().copied().collect()
        };
        let mut looks = lock(&self.looks);
        looks.of.retain(|bot, _| configured.contains(bot));
        if let Some(own) = looks.of.get_mut(&ready.id)
            && own.revision == ready.revision
            && own.shown.failed.is_none()
        {
            own.until = own.until.max(until);
            own.shown.until = own.shown.until.max(shown.until);
            return None;
        }
        looks.begun += 1;
        let number = looks.begun;
        looks.of.insert(
            ready.id,
            Underway {
                number,
                revision: ready.revision,
                until,
                shown,
            },
        );
        Some(Turn {
            bots: Arc::clone(self),
            bot: ready.id,
            number,
        })
    }

    /// Asks until the time is over, or the bot is another one.
    async fn go_on(&self, ready: Ready, turn: Turn, mut next: Option<i64>) {
        while let Some(left) = self.left(&ready, &turn) {
            let begun = self.clock.monotonic();
            let wait = match self.poll(&ready, next, left.min(POLL_WAIT)).await {
                Ok(after) => {
                    next = after.or(next);
                    let took = self.clock.monotonic().saturating_sub(begun);
                    POLL_EVERY_MIN.saturating_sub(took)
                }
                Err(BotError::Unanswered(Unanswered::Wait(wait))) => wait,
                Err(BotError::Unanswered(Unanswered::NoAnswer(why))) => {
                    tracing::debug!(bot.name = ready.name(), why, "a look for chats goes on");
                    UNANSWERED_WAIT
                }
                Err(error) => {
                    tracing::warn!(bot.name = ready.name(), %error, "a look for chats ended");
                    return turn.fail(error.to_string());
                }
            };
            self.clock.sleep(wait.min(left)).await;
        }
    }

    /// How long a look goes on, while it does.
    fn left(&self, ready: &Ready, turn: &Turn) -> Option<Duration> {
        if !self.is_current(ready) {
            return None;
        }
        let until = {
            let looks = lock(&self.looks);
            let own = looks.of.get(&turn.bot);
            own.filter(|own| own.number == turn.number)?.until
        };
        until
            .checked_sub(self.clock.monotonic())
            .filter(|left| !left.is_zero())
    }

    /// Takes what was heard, and says from where on to ask next.
    async fn poll(
        &self,
        ready: &Ready,
        next: Option<i64>,
        wait: Duration,
    ) -> Result<Option<i64>, BotError> {
        let reply = self.ask(ready, ready.bot().updates(next, wait)?).await;
        let heard = telegram::updates(&reply)?;
        if !heard.chats.is_empty() {
            let sight = Sight::Chats(heard.chats);
            self.take(ready, Priority::Intake, sight).await?;
        }
        Ok(heard.next)
    }
}

/// Where the service of a bot sends what it hears.
pub fn hook_address(base: &str, bot: &str) -> String {
    format!("{}/hooks/{HOOKS}/{bot}", base.trim_end_matches('/'))
}
