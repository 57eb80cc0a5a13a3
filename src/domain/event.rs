//! Events: facts in the past tense, the only thing that changes state.

mod access;
mod bots;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hold::{Hold, Planning, Telling};
use super::id::PublicId;
use super::notice::{NoticeDraft, Severity};
use super::reason::{Routed, What};
use super::retention::Rule;
use super::spec::{EntityKind, EntitySpec, SecretMarks, Settings, UnknownPolicy};
use crate::projections::retention::Tally;
use crate::projections::snoozes::Snooze;
use crate::targets::media::ItemTold;
use crate::targets::{Part, Scope};

pub use access::{Role, Session, Token, TokenScope, User};
pub use bots::{
    BotIdentity, CHAT_TITLE_BYTES_MAX, CHAT_TO_BYTES_MAX, CHAT_WORD_BYTES_MAX, ChatFacts, ChatKind,
};

/// One delivery: the event that planned it, and its number among those (1…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeliveryKey {
    pub position: u64,
    pub ordinal: u16,
}

/// What is needed to make the public ids of what an event founds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdSeed {
    pub millis: u64,
    pub epoch: u16,
}

impl IdSeed {
    pub fn id(self, position: u64, ordinal: u16) -> PublicId {
        PublicId {
            millis: self.millis,
            epoch: self.epoch,
            position,
            ordinal,
        }
    }
}

/// A link as it stood when deliveries were planned over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLink {
    /// 0 for a one-off message.
    pub tracker: u32,
    pub tracker_name: String,
    pub target: u32,
    pub target_name: String,
    pub link_name: String,
    pub unknown: UnknownPolicy,
    /// How bad the notice is for its tracker, where that is not what the notice says itself.
    pub severity: Option<Severity>,
    /// Deliveries over this link are settled as sent by the planning event itself (`inbox`).
    pub local: bool,
}

/// One planned delivery. Its ordinal is its index + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub receiver: u32,
    /// Index into the event's links.
    pub link: u16,
}

/// What routing made of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    pub routed: Vec<Routed>,
    pub links: Vec<PlannedLink>,
    pub planned: Vec<Planned>,
    /// What becomes of those that are not simply due, by index.
    pub ways: Vec<Planning>,
}

/// Keys by which a redelivery of a request is known: 128 bits of SHA-256 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestKeys {
    pub sender: Option<u128>,
    pub body: Option<u128>,
}

/// A notice was accepted and routed, and its deliveries were planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub seed: IdSeed,
    /// Civil day in the space's zone, days since 1970-01-01.
    pub day: i32,
    /// 0 for a one-off message.
    pub provider: u32,
    pub provider_name: String,
    pub provider_kind: String,
    pub notice: NoticeDraft,
    /// Which of the notices of its request (0…), and how many there were.
    pub nth: u16,
    pub of: u16,
    /// Set on the first notice of a request.
    pub keys: RequestKeys,
    pub plan: Plan,
}

/// How a delivery ended, or was given up for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Sent,
    /// Still open: a person can retry or drop it.
    Parked,
    Dropped,
}

/// What a message means to later notices about its subject, over a link that updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remember {
    /// Nothing: the link does not update, or there is no subject.
    #[default]
    No,
    /// The next one edits it.
    Keep,
    /// The end of the subject is told: nothing follows.
    Forget,
}

/// What an attempt's answer was, for people. Redacted before it gets here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    pub http_status: Option<u16>,
    /// At most [`ANSWER_BYTES_MAX`].
    pub text: String,
    pub duration_ms: u32,
}

/// Most bytes of an answer that are kept.
pub const ANSWER_BYTES_MAX: usize = 2_048;

/// What a person did to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Retry,
    Drop,
    /// unknown or parked → sent.
    Confirm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The store began, or began anew after a restore.
    Founded {
        epoch: u16,
        salt: [u8; 32],
        program: String,
    },
    SettingsChanged {
        settings: Settings,
        by: String,
    },
    EntityPut {
        id: u32,
        /// Boxed, as specs are large and rare.
        spec: Box<EntitySpec>,
        secrets: SecretMarks,
        /// For a target: an id for each receiver of the spec (or one for `default`).
        receivers: Vec<u32>,
        managed_by: Option<String>,
        by: String,
    },
    EntityRemoved {
        kind: EntityKind,
        id: u32,
        name: String,
        by: String,
    },
    /// A file was applied; its digest tells `--apply` whether it has changed since.
    FileApplied {
        file: String,
        digest: [u8; 32],
        by: String,
    },
    UserPut {
        user: User,
        by: String,
    },
    UserRemoved {
        id: u32,
        by: String,
    },
    TokenPut {
        token: Token,
        by: String,
    },
    TokenRevoked {
        id: u32,
        by: String,
    },
    SessionBegan {
        session: Session,
    },
    SessionSeen {
        id: u32,
    },
    /// Logged out, expired, or ended because the account changed.
    SessionEnded {
        id: u32,
    },
    Accepted(Box<Accepted>),
    /// A verified request could not be read. Its body is kept under this event's position.
    IntakeUnreadable {
        seed: IdSeed,
        day: i32,
        provider: u32,
        provider_name: String,
        why: String,
        keys: RequestKeys,
    },
    /// The deliveries of a notice were planned again: by a person over what is configured now, or by a
    /// link's own policy.
    Resent {
        seed: IdSeed,
        notice: u64,
        day: i32,
        provider: u32,
        row: RowFacts,
        subject: u64,
        plan: Plan,
        /// `Resent` by a person, `Repeated`, `FellBack`.
        why: What,
        by: String,
    },
    /// The words of a delivery, shared by all that refer to this position.
    MessageComposed {
        notice: u64,
        planning: u64,
        hash: u64,
        parts: Vec<Part>,
        faults: Vec<String>,
    },
    /// What a delivery that gathered others tells, as it was put into words.
    GatheredTold {
        delivery: DeliveryKey,
        notice: u64,
        /// Position of the words.
        composed: u64,
        telling: Telling,
    },
    /// A delivery was claimed: from here on its next part may have been sent.
    AttemptStarted {
        delivery: DeliveryKey,
        notice: u64,
        attempt: u16,
        part: u16,
        composed: u64,
    },
    /// A part got through and others follow.
    PartSent {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        ids: Vec<String>,
        answer: Answer,
        /// Until when the service wants nothing more for this target, microseconds since 1970.
        pause_until: Option<i64>,
    },
    AttemptFailed {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        scope: Scope,
        /// When it will be tried again, microseconds since 1970.
        retry_at: i64,
        reason: String,
        answer: Answer,
    },
    /// A part is replaced by others; the delivery starts over with them.
    FallbackUsed {
        delivery: DeliveryKey,
        notice: u64,
        composed: u64,
        reason: String,
        answer: Answer,
    },
    /// A claim was given back unused.
    ClaimReturned {
        delivery: DeliveryKey,
        notice: u64,
    },
    DeliverySettled {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        outcome: Outcome,
        why: What,
        detail: String,
        ids: Vec<String>,
        answer: Answer,
        /// As of [`Event::PartSent`].
        pause_until: Option<i64>,
        remember: Remember,
    },
    /// The earlier message of the subject cannot be edited; the delivery is sent anew.
    EditRefused {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        reason: String,
        answer: Answer,
    },
    /// A part that will never be taken is left out; the delivery goes on with the next.
    PartLeftOut {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        reason: String,
        answer: Answer,
    },
    /// What became of the files of a part.
    MediaTold {
        delivery: DeliveryKey,
        notice: u64,
        part: u16,
        target: u32,
        receiver: u32,
        /// Whose items they are.
        provider: u32,
        items: Vec<ItemTold>,
        /// When the next part may go to this receiver.
        rest_until: Option<i64>,
    },
    /// It was being sent when the program stopped; nobody knows whether it arrived.
    OutcomeUnknown {
        delivery: DeliveryKey,
        notice: u64,
        policy: UnknownPolicy,
    },
    DeliveryOperated {
        delivery: DeliveryKey,
        notice: u64,
        action: Action,
        by: String,
    },
    /// A hold ended, or another took its place.
    HoldChanged {
        delivery: DeliveryKey,
        notice: u64,
        /// The hold from here on; `None`: it is due.
        hold: Option<Hold>,
        silent: bool,
        pierced: bool,
        why: What,
        detail: String,
        /// Notices it had gathered that are not wanted any more.
        unwanted: Vec<u64>,
        /// Empty where nobody asked for it.
        by: String,
    },
    /// A held delivery is told by another one.
    DeliveryMerged {
        delivery: DeliveryKey,
        notice: u64,
        host: DeliveryKey,
        until: i64,
    },
    /// Deliveries whose notice goes to their link's fallback when they have not arrived in time.
    FallbackAwaited {
        notice: u64,
        /// Position of the event that planned them.
        planning: u64,
        /// Ordinals, with the seconds after which each is late; 0: it is not waited for any more.
        waits: Vec<(u16, u32)>,
    },
    /// A delivery was given up, or is late: its notice was planned for its link's fallback as well.
    HandedOn {
        delivery: DeliveryKey,
        notice: u64,
        /// Position of the event that planned it there.
        planning: u64,
        detail: String,
    },
    /// A provider or tracker of which something is expected has been silent for too long.
    FellSilent {
        kind: EntityKind,
        id: u32,
        /// Microseconds since 1970: since when.
        since: i64,
    },
    /// What was last seen at a provider that is asked, by key.
    CursorMoved {
        provider: u32,
        key: String,
        /// `None`: gone. Shared, as both copies of the state keep it.
        bytes: Option<Arc<[u8]>>,
    },
    /// Something was heard in chats of a bot.
    ChatsSeen {
        bot: u32,
        chats: Vec<ChatFacts>,
    },
    /// Chats of a bot are called otherwise now, or do not have it any more.
    ChatsNamed {
        bot: u32,
        chats: Vec<ChatFacts>,
    },
    /// A bot's service said who it is.
    BotVerified {
        bot: u32,
        identity: BotIdentity,
    },
    ReceiverGone {
        target: u32,
        receiver: u32,
        reason: String,
    },
    ReceiverMoved {
        target: u32,
        receiver: u32,
        to: String,
    },
    ReceiverRestored {
        target: u32,
        receiver: u32,
        by: String,
    },
    /// A person knows of what a notice is about; nothing is repeated for it.
    Acknowledged {
        notice: u64,
        provider: u32,
        /// Hash of the provider and subject.
        subject: u64,
        by: String,
    },
    /// A person muted something for a time, or said anew until when.
    Snoozed(Box<Snooze>),
    /// A person ended a snooze; one whose time is over ends by itself.
    SnoozeEnded {
        id: u32,
        by: String,
    },
    /// A group was to be told again and was not.
    RepeatPutOff {
        slot: u64,
        /// The notice that would have told it.
        notice: u64,
        /// Whether it is tried again after the time between repeats.
        again: bool,
        why: What,
        detail: String,
    },
    SendingPaused {
        by: String,
    },
    SendingResumed {
        by: String,
    },
    ClockStepped {
        by_micros: i64,
    },
    /// The store was made from a backup: the ids it gives out from here on are of another epoch, and
    /// nothing is sent, polled or answered until somebody resumes.
    Restored {
        epoch: u16,
        /// The last position of the backup.
        through: u64,
        /// When the backup was made, microseconds since 1970.
        taken_at: i64,
        /// Name and version of the program that made it.
        written_by: String,
        by: String,
    },
    /// Somebody went on with what was whole of a damaged store.
    LossAccepted {
        /// First and last positions of each stretch that is gone, with what was wrong there; at most
        /// [`LOST_STRETCHES_MAX`].
        stretches: Vec<(u64, u64)>,
        /// How much else is gone: bodies, secrets, tables.
        others: u32,
        /// Where the damaged store was put, within the data folder.
        kept_as: String,
        by: String,
    },
    /// The state as it stood before the first part, which takes the place of what was folded.
    StateCarried {
        /// Which fields it has: the revision of this event.
        layout: u16,
        part: u16,
        parts: u16,
        bytes: Vec<u8>,
    },
    /// Settled families below a horizon are forgotten from here on.
    RetentionAdvanced {
        /// All that there are, also those that did not move.
        rules: Vec<Rule>,
        /// Events of no family are forgotten before this position.
        history_before: u64,
        /// The highest there ever was of all these positions.
        mark: u64,
        /// Position of the first part of the state that was carried for it.
        carried_at: u64,
        /// By provider, the oldest request that was remembered.
        seen_from: Vec<(u32, u64)>,
        /// Empty where nobody asked for it.
        by: String,
    },
    /// A run of compaction ended, and removed this.
    Compacted {
        run: u64,
        removed: Tally,
    },
}

/// Stretches that are named one by one; the last of more reaches to the end of the last.
pub const LOST_STRETCHES_MAX: usize = 1_000;

/// What lists show of a notice without reading it: the fixed part of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RowFacts {
    pub provider: u32,
    pub severity: u8,
    pub kind_hash: u64,
    pub collection_hash: u64,
}
