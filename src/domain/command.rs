//! Commands: what someone wants done. `decide` turns one into events, or refuses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::decide::Say;
use super::event::{
    Accepted, Action, Answer, BotIdentity, ChatFacts, DeliveryKey, IdSeed, Remember, RequestKeys,
    Role, TokenScope,
};
use super::hold::Telling;
use super::notice::NoticeDraft;
use super::retention::Wanted;
use super::spec::{EntityKind, EntitySpec, Settings};
use crate::projections::retention::Tally;
use crate::projections::snoozes::Scope;
use crate::targets::media::ItemTold;
use crate::targets::{Part, Verdict};

/// What `decide` needs of the outside.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Microseconds since 1970.
    pub now: i64,
    /// Where the first event of this command will stand.
    pub first_position: u64,
}

#[derive(Debug, Clone)]
pub enum Command {
    Found {
        epoch: u16,
        salt: [u8; 32],
        program: String,
    },
    Configure(Box<Configure>),
    Accept(Box<Accept>),
    /// What was seen at a provider that is asked.
    Observe(Box<Observe>),
    /// What was heard as a bot.
    Sight(Box<Sighting>),
    Unreadable {
        provider: u32,
        why: String,
        keys: RequestKeys,
    },
    Notify(Box<Notify>),
    Resend {
        notice: u64,
        accepted: Box<Accepted>,
        by: String,
    },
    Claim(Box<Claim>),
    Report(Box<Report>),
    Return {
        delivery: DeliveryKey,
    },
    Operate {
        delivery: DeliveryKey,
        action: Action,
        by: String,
    },
    /// The moment of held deliveries has come. At most
    /// [`super::decide::HELD_PER_COMMAND_MAX`] are taken.
    ReleaseDue {
        due: Vec<Due>,
    },
    /// The configuration or the clock has changed: what is held after this delivery, as many as one
    /// command takes, is planned anew.
    Replan {
        after: Option<DeliveryKey>,
    },
    /// Moments of senders' silence and of late deliveries have come. At most
    /// [`super::decide::OVERDUE_PER_COMMAND_MAX`] of each are taken.
    Overdue,
    /// The bridge says something of itself that was noticed outside.
    Tell(Box<Say>),
    /// A person holds a delivery; without a moment, until somebody releases it.
    HoldUntil {
        delivery: DeliveryKey,
        until: Option<i64>,
        by: String,
    },
    ReleaseNow {
        delivery: DeliveryKey,
        by: String,
    },
    /// Groups whose repeat is due. At most
    /// [`super::decide::REPEATS_PER_COMMAND_MAX`] are taken.
    Repeat {
        due: Vec<Repeat>,
    },
    /// A person knows of what a notice is about.
    Acknowledge {
        notice: u64,
        provider: u32,
        /// Hash of the provider and subject.
        subject: u64,
        by: String,
    },
    Snooze(Box<Mute>),
    EndSnooze {
        id: u32,
        by: String,
    },
    /// As [`Command::Operate`], but only while the delivery is as it was when a person looked at it.
    OperateAsSeen {
        delivery: DeliveryKey,
        revision: u32,
        action: Action,
        by: String,
    },
    Pause {
        by: String,
    },
    Resume {
        by: String,
    },
    /// What was being sent when the program stopped. Given once, before the first claim.
    Recover,
    /// The store was made from a backup.
    BeginRestored(Box<Restore>),
    /// What is due or held waits until somebody says that it may go on; a part of it at a time.
    HoldRestored,
    /// What is gone of a damaged store is gone.
    AcceptLoss {
        stretches: Vec<(u64, u64)>,
        others: u32,
        kept_as: String,
        by: String,
    },
    ClockStepped {
        by_micros: i64,
    },
    /// What is too old, or too much, is forgotten.
    AdvanceRetention {
        wanted: Box<Wanted>,
        by: String,
    },
    /// A run of compaction ended.
    NoteCompacted {
        run: u64,
        removed: Tally,
    },
    PutUser(Box<PutUser>),
    RemoveUser {
        name: String,
        by: String,
    },
    PutToken(Box<PutToken>),
    RevokeToken {
        name: String,
        by: String,
    },
    /// A log-in that was proven.
    BeginSession {
        user: String,
        hash: [u8; 32],
    },
    /// A session is used, a day or more after it was last noted.
    SeeSession {
        hash: [u8; 32],
    },
    EndSession {
        hash: [u8; 32],
    },
}

/// A held delivery whose moment has come, with its notices where its tracker has changed since.
#[derive(Debug, Clone)]
pub struct Due {
    pub delivery: DeliveryKey,
    /// By position; empty where they need not be judged again.
    pub notices: Vec<(u64, Accepted)>,
}

/// A group whose repeat is due, with the notice that tells it.
#[derive(Debug, Clone)]
pub struct Repeat {
    pub slot: u64,
    pub notice: u64,
    /// `None` when it is not kept any more.
    pub accepted: Option<Box<Accepted>>,
}

/// What is known of the backup a store was made from.
#[derive(Debug, Clone)]
pub struct Restore {
    /// Another one than any before.
    pub epoch: u16,
    /// Microseconds since 1970.
    pub taken_at: i64,
    pub written_by: String,
    pub by: String,
}

/// What a person wants to hear nothing of, and until when.
#[derive(Debug, Clone)]
pub struct Mute {
    pub scope: Scope,
    pub name: String,
    /// Of a collection or subject; without one it is that of any provider.
    pub provider: Option<String>,
    /// Microseconds since 1970.
    pub until: i64,
    pub by: String,
}

/// A change of configuration; all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Configure {
    pub by: String,
    pub settings: Option<Settings>,
    pub puts: Vec<Put>,
    pub removes: Vec<(EntityKind, String)>,
    /// The file it comes from, with its digest.
    pub file: Option<(String, [u8; 32])>,
    /// The configuration revision it was planned against; another one refuses it.
    pub planned_at: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Put {
    pub spec: EntitySpec,
    /// Fingerprints of the secrets given with it. Those not given are kept.
    pub secrets: BTreeMap<String, [u8; 16]>,
    /// Secrets that are taken away.
    pub cleared: BTreeSet<String>,
    pub managed_by: Option<String>,
}

/// A verified, read request.
#[derive(Debug, Clone)]
pub struct Accept {
    pub provider: u32,
    pub notices: Vec<NoticeDraft>,
    pub keys: RequestKeys,
    /// How often this notice has passed through a bridge already.
    pub hops: u8,
}

/// What was seen at a provider that is asked. A look that saw nothing new gives no command.
#[derive(Debug, Clone)]
pub struct Observe {
    pub provider: u32,
    /// Revision of the provider's configuration when looking began; another one refuses it.
    pub revision: u64,
    /// Cursors that moved, by key; `None` is gone.
    pub cursors: Vec<(String, Option<Arc<[u8]>>)>,
    /// At most [`super::decide::NOTICES_PER_REQUEST_MAX`].
    pub notices: Vec<NoticeDraft>,
}

/// What was heard as a bot, or asked of its service.
#[derive(Debug, Clone)]
pub struct Sighting {
    pub bot: u32,
    /// Revision of the bot's configuration when it was asked; another one refuses it.
    pub revision: u64,
    pub sight: Sight,
}

/// See [`Sighting`]. At most [`super::decide::CHATS_PER_SIGHTING_MAX`] chats.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Something was heard there.
    Chats(Vec<ChatFacts>),
    /// How they are called now.
    Names(Vec<ChatFacts>),
    Identity(BotIdentity),
}

/// A one-off message.
#[derive(Debug, Clone)]
pub struct Notify {
    pub notice: NoticeDraft,
    /// Names of targets.
    pub targets: Vec<String>,
    /// Only this receiver of the one target, for a test.
    pub receiver: Option<String>,
    pub tag: Option<String>,
    /// Whether somebody waits for it, as for a test: then nothing holds it.
    pub at_once: bool,
    pub by: String,
}

/// "I am about to send this": refused when the delivery or the configuration has changed since.
#[derive(Debug, Clone)]
pub struct Claim {
    pub delivery: DeliveryKey,
    pub revision: u32,
    pub config_revision: u64,
    /// The words, when the delivery has none yet.
    pub composed: Option<Composed>,
    /// What it tells, as far as the one who asks has looked.
    pub about: Vec<Named>,
}

/// A notice by what a person may mute.
#[derive(Debug, Clone)]
pub struct Named {
    pub notice: u64,
    pub provider: u32,
    /// Its collection and subject, and nothing else of it.
    pub about: NoticeDraft,
}

#[derive(Debug, Clone)]
pub struct Composed {
    pub parts: Vec<Part>,
    /// Of the parts, so that equal words are stored once.
    pub hash: u64,
    /// What went wrong while rendering (`template_failed`, missing values).
    pub faults: Vec<String>,
    /// What they tell, where that is not their own notice alone.
    pub telling: Option<Telling>,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Report {
    pub delivery: DeliveryKey,
    pub attempt: u16,
    pub part: u16,
    /// How many parts the delivery has.
    pub parts: u16,
    pub result: Attempted,
    pub answer: Answer,
    pub saying: Saying,
}

/// What a delivery means to others about its subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saying {
    pub remember: Remember,
    /// The message that was edited instead of sending another.
    pub edited: Option<String>,
    /// Why the earlier message is answered to and not edited.
    pub anew: Option<String>,
    /// What became of the part's files.
    pub files: FilesTold,
}

/// What became of the files of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesTold {
    /// Whose items they are.
    pub provider: u32,
    pub items: Vec<ItemTold>,
    /// How long this receiver is left alone before its next files.
    pub rest: Duration,
}

#[derive(Debug, Clone)]
pub enum Attempted {
    Judged(Verdict),
    /// The earlier message cannot be edited.
    EditRefused(String),
    /// It could not be composed or described; nothing was sent.
    Unsendable(String),
    /// Nobody answered and the request may have arrived; whether that is a retry is the link's policy.
    Unknown(String),
}

#[derive(Debug, Clone)]
pub struct PutUser {
    pub name: String,
    pub role: Option<Role>,
    pub password_hash: Option<String>,
    /// Refuse when an admin exists already (set-up), or when the user exists (add).
    pub only_if: UserCondition,
    pub by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserCondition {
    NoAdmin,
    Absent,
    Present,
}

#[derive(Debug, Clone)]
pub struct PutToken {
    pub name: String,
    pub hash: [u8; 32],
    pub scopes: Vec<TokenScope>,
    pub role: Role,
    pub target: Option<String>,
    pub expires_at: Option<i64>,
    pub by: String,
}

/// What the one who gave the command is told, beside the positions of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Done,
    /// Position of the first notice of the request, and how many.
    Accepted {
        first: u64,
        count: u16,
        seed: IdSeed,
    },
    /// Position of the first event of the earlier request; it appended nothing.
    Duplicate {
        first: u64,
        count: u16,
    },
    Claimed {
        attempt: u16,
        part: u16,
        composed: u64,
    },
    Snoozed {
        id: u32,
    },
    /// Deliveries the command made or changed.
    Changed {
        count: u32,
    },
}

/// Why a command was refused. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{field}: {message}")]
    Invalid { field: String, message: String },
    #[error("{what} {name} does not exist")]
    NotFound { what: &'static str, name: String },
    #[error("{what} {name} exists already")]
    Exists { what: &'static str, name: String },
    #[error("{name} is in use by {}", consumers.join(", "))]
    InUse {
        name: String,
        consumers: Vec<String>,
    },
    #[error("the configuration has changed since this was planned; look at it again")]
    Outdated,
    #[error("{0}")]
    Conflict(String),
    /// A claim that no longer fits; render again or leave it.
    #[error("the delivery is not to be sent now: {0}")]
    NotClaimable(&'static str),
}
