//! Bots of a running program: who they are, what they hear, and what their chats are called.
//!
//! A bot that is asked hears nothing by itself: its service is asked while somebody looks for chats,
//! for at most [`LOOK_MAX`] at a time (`looking`). One with a webhook hears what its service sends
//! ([`super::http`]). Once a day chats are asked what they are called (`names`).
//!
//! **Invariant:** what a bot was told is looked at for the chat it came from, and nothing else of it is
//! kept.
//!
//! **Invariant:** one bot is asked by one look at a time, as its service answers only one.

mod looking;
mod names;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::Client;
use super::clock::Clock;
use super::ledger::{Ledger, LedgerError, Priority};
use super::vault::{Opened, Vault, VaultError};
use crate::bots::SECRET;
use crate::bots::telegram::{self, Bot, Unanswered};
use crate::domain::command::{Command, Sight, Sighting};
use crate::domain::event::BotIdentity;
use crate::domain::spec::{BotMode, BotSpec, EntityKind};
use crate::providers::ask::{Body, HttpCall};
use crate::targets::{Call, Reply, Unsendable};

pub use looking::{LOOK_MAX, POLL_EVERY_MIN, POLL_WAIT, UNANSWERED_WAIT, hook_address};
pub use names::{CHAT_EVERY, NAMES_AT_SECONDS};

/// Most bytes of an answer that are read: a hundred updates with all that goes with a message.
pub const ANSWER_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Below `/hooks/`, where services send what bots hear.
pub const HOOKS: &str = "bots";

/// Why a bot does not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum BotError {
    #[error("there is no bot {0}")]
    Unknown(String),
    #[error("the bot {0} is switched off; enable it to hear anything")]
    Disabled(String),
    #[error("nothing is asked since the store was restored; resume first")]
    Halted,
    #[error(transparent)]
    Secrets(#[from] VaultError),
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How a look for chats goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it ends, microseconds since 1970.
    pub until: i64,
    /// Why it ended before.
    pub failed: Option<String>,
}

/// A bot as it is configured, opened.
#[derive(Clone)]
pub struct Ready {
    id: u32,
    revision: u64,
    spec: BotSpec,
    opened: Arc<Opened>,
}

impl Ready {
    fn bot(&self) -> Bot<'_> {
        Bot {
            spec: &self.spec,
            secrets: &self.opened.values,
        }
    }

    /// Whether this is the secret that the bot's service was given. Nothing is equal to an empty one.
    pub fn is_proven_by(&self, given: &[u8]) -> bool {
        use sha2::{Digest as _, Sha256};
        let secret = self.opened.values.get(SECRET).map_or("", String::as_str);
        let same = Sha256::digest(given)
            .as_slice()
            .ct_eq(Sha256::digest(secret.as_bytes()).as_slice());
        !given.is_empty() && !secret.is_empty() && bool::from(same)
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }
}

/// See the module.
pub struct Bots {
    ledger: Ledger,
    vault: Arc<Vault>,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    looks: Mutex<looking::Looks>,
    tasks: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bots {
    pub fn new(
        ledger: Ledger,
        vault: Arc<Vault>,
        client: Arc<Client>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Bots {
            ledger,
            vault,
            client,
            clock,
            looks: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    /// Asks the bot's service who it is.
    pub async fn test(&self, name: &str) -> Result<BotIdentity, BotError> {
        let ready = self.ready(name)?;
        let reply = self.ask(&ready, ready.bot().identity()?).await;
        let identity = telegram::identity(&reply)?;
        let sight = Sight::Identity(identity.clone());
        self.take(&ready, Priority::People, sight).await?;
        Ok(identity)
    }

    /// The bot that hears at this address; none where no service sends.
    pub fn listening(&self, name: &str) -> Option<Result<Ready, VaultError>> {
        {
            let state = self.ledger.state();
            let spec = &state.configuration.bot(name)?.spec;
            if spec.mode != BotMode::Webhook || !spec.enabled {
                return None;
            }
        }
        match self.ready(name) {
            Ok(ready) => Some(Ok(ready)),
            Err(BotError::Secrets(error)) => Some(Err(error)),
            // It was removed since.
            Err(_) => None,
        }
    }

    /// Takes in what the bot's service sent.
    pub async fn heard(&self, ready: &Ready, update: &Value) -> Result<(), LedgerError> {
        let Some(chat) = telegram::heard(update) else {
            return Ok(());
        };
        self.take(ready, Priority::Intake, Sight::Chats(vec![chat]))
            .await
    }

    /// Ends what is under way.
    pub async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    fn ready(&self, name: &str) -> Result<Ready, BotError> {
        let (id, revision, spec, marks) = {
            let state = self.ledger.state();
            let bot = state.configuration.bot(name);
            let bot = bot.ok_or_else(|| BotError::Unknown(name.to_owned()))?;
            (bot.id, bot.revision, bot.spec.clone(), bot.secrets.clone())
        };
        let opened = self.vault.open(EntityKind::Bot, id, revision, &marks)?;
        Ok(Ready {
            id,
            revision,
            spec,
            opened,
        })
    }

    /// One that may hear something now.
    fn hearing(&self, name: &str) -> Result<Ready, BotError> {
        let ready = self.ready(name)?;
        if !ready.spec.enabled {
            return Err(BotError::Disabled(name.to_owned()));
        }
        if self.ledger.state().cursors.halted {
            return Err(BotError::Halted);
        }
        Ok(ready)
    }

    /// Whether the bot is as it was, and may still be asked.
    fn is_current(&self, ready: &Ready) -> bool {
        let state = self.ledger.state();
        let bot = state.configuration.bots.get(&ready.id);
        bot.is_some_and(|bot| bot.revision == ready.revision) && !state.cursors.halted
    }

    async fn ask(&self, ready: &Ready, call: Call) -> Reply {
        // Nothing of it comes in pieces.
        let (pieces, _unread) = mpsc::channel(1);
        let call = HttpCall {
            id: 0,
            call,
            body: Body::Whole {
                bytes_max: ANSWER_BYTES_MAX,
            },
        };
        let redactor = &ready.opened.redactor;
        self.client
            .fetch(&call, ready.spec.allow_private, redactor, &pieces)
            .await
    }

    async fn take(
        &self,
        ready: &Ready,
        priority: Priority,
        sight: Sight,
    ) -> Result<(), LedgerError> {
        let sighting = Sighting {
            bot: ready.id,
            revision: ready.revision,
            sight,
        };
        let command = Command::Sight(Box::new(sighting));
        self.ledger.command(priority, command).await.map(|_| ())
    }

    /// Does something beside, until it ends or the program stops.
    fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Names and ids of bots that are enabled.
    fn enabled(&self) -> BTreeMap<u32, String> {
        let state = self.ledger.state();
        let bots = state.configuration.bots.values();
        bots.filter(|bot| bot.spec.enabled)
            .map(|bot| (bot.id, bot.spec.name.clone()))
            .collect()
    }
}
