//! Target kinds: how a message is put to a place, and what its answer means.
//!
//! **Invariant:** pure. A target *composes* parts, *describes* each call and *judges* the reply;
//! one place in the shell performs calls, so that no target can forget a time-out, leak a token or
//! reach an address it may not. A new kind is one file, one line in [`KINDS`], and fixtures under
//! `fixtures/targets/<kind>/`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::notice::Severity;
use crate::domain::spec::{Rate, ReceiverSpec, TargetSpec};
use crate::templates::markup::Markup;

mod answer;
mod discord;
mod flat;
mod inbox;
pub mod media;
mod split;
pub(crate) mod telegram;
mod webhook;

pub use answer::UNKNOWN_WHETHER_ARRIVED;
pub(crate) use answer::{excerpt, retry_after, wait};
pub use split::PARTS_MAX;

/// Bridges a notice may have passed before it is not sent on to another: the bound of a loop.
pub const HOPS_MAX: u8 = 4;
/// The header in which one bridge tells the next how many it has passed.
pub const HOP_HEADER: &str = "notify-bridge-hop";
/// What calls say they come from.
pub const USER_AGENT: &str = concat!("notify-bridge/", env!("CARGO_PKG_VERSION"));

/// What is to be said, already in words, still without a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Public id of the delivery; also its idempotency key where the target takes one.
    pub delivery_id: String,
    /// One line. Empty when the template makes one whole text.
    pub title: Markup,
    pub text: Markup,
    pub buttons: Vec<Button>,
    pub severity: Severity,
    /// The thing itself; http(s) only.
    pub url: Option<String>,
    /// The notice as JSON (contract shape without reasons and deliveries), for `webhook`.
    pub notice: serde_json::Value,
    /// The notices of a digest, as JSON; then `notice` stands for all of them.
    pub notices: Option<Vec<serde_json::Value>>,
    /// The notice's kind, `push`; of a digest `digest`.
    pub kind: String,
    /// RFC 3339, when the notice was received.
    pub received_at: String,
    /// A rendered whole-body template of kind `webhook`, when the target has one.
    pub body: Option<String>,
    /// How many bridges the notice passed before this one ([`HOP_HEADER`] of its request, else 0).
    pub hops: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    pub text: String,
    /// http(s) only; the template engine leaves others out.
    pub url: String,
}

impl Button {
    /// The button in words, for where there are none.
    fn line(&self) -> String {
        match self.text.trim() {
            "" => self.url.clone(),
            label => format!("{label}: {}", self.url),
        }
    }
}

/// One step of a delivery, as it is claimed and stored before it is sent. Stable across retries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Part {
    /// `text`, `embed`, `body`, …: the target kind's own word.
    pub kind: String,
    /// What a person reads, in the target's markup: shown on the why card.
    pub text: String,
    /// What the call needs besides; a JSON object the target kind owns. Never holds a secret.
    pub payload: String,
}

/// The message cannot be put to this target at all; the delivery is parked with this reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsendable {
    pub reason: String,
}

/// What a call is described with.
pub struct CallContext<'a> {
    pub target: &'a TargetSpec,
    pub receiver: &'a ReceiverSpec,
    /// Opened secrets by field name (`token`, `url`, `secret`, `headers` as a JSON object).
    pub secrets: &'a BTreeMap<String, String>,
    pub delivery_id: &'a str,
    /// Of all parts, which: the idempotency key of part n > 0 is `<delivery id>.<n>`.
    pub part: u16,
    /// Ids that earlier parts of this delivery got, oldest first.
    pub earlier_ids: &'a [String],
    /// Seconds since 1970, of this attempt.
    pub now_seconds: i64,
    /// The message about the same subject that this one answers to, where the service has answers.
    pub reply_to: Option<MessageRef<'a>>,
}

/// A message that the service has, as it calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRef<'a> {
    pub id: &'a str,
}

/// A described HTTP call. `url` and header values may hold secrets, so it has no `Debug` of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Answered {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Nothing was sent: resolving, connecting or the address policy failed.
    NotSent { why: String },
    /// The request may have arrived, but no whole answer came.
    NoAnswer { why: String },
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Reply::Answered { headers, .. } => headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str()),
            Reply::NotSent { .. } | Reply::NoAnswer { .. } => None,
        }
    }
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Message,
    Receiver,
    Target,
}

/// What a reply means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Sent {
        ids: Vec<String>,
        /// How long the service wants to be left alone by this target.
        pause: Option<Duration>,
    },
    /// Try again, not before `after` where the service said so.
    Retry {
        after: Option<Duration>,
        scope: Scope,
        reason: String,
    },
    /// Replace this part by others (plain text instead of markup), once.
    Fallback { parts: Vec<Part>, reason: String },
    /// Will never work: parked with the answer.
    Rejected { reason: String },
    /// The receiver is gone: it is disabled and a person is told.
    Gone { reason: String },
    /// The receiver has another address from now on; the part is tried again there.
    Moved { to: String },
    /// Will never work, and what follows does without it: the part is left out.
    LeftOut { reason: String },
}

/// What the reply to an edit means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// As of a message that is sent.
    Judged(Verdict),
    /// That message cannot be edited: it is gone, too old, or never could be. The part is sent anew.
    Refused { reason: String },
}

/// Rates that may hold for one receiver at the same time.
pub const RECEIVER_RATES_MAX: usize = 2;

/// How often a service lets itself be called, as far as it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// For everything under the same credentials.
    pub account: Option<Rate>,
    /// For one receiver; all of them hold.
    pub receiver: [Option<Rate>; RECEIVER_RATES_MAX],
}

/// A secret of a target kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretField {
    pub name: &'static str,
    pub required: bool,
}

/// A kind of target.
pub trait Target: Send + Sync {
    fn kind(&self) -> &'static str;
    /// Whether receivers are configured (`telegram`) or there is exactly one, `default` (`webhook`).
    fn has_receivers(&self) -> bool;
    /// Whether at least one has to be configured; where not, and none is, there is `default`.
    fn needs_receivers(&self) -> bool {
        self.has_receivers()
    }
    /// Whether a delivery is settled by the transaction that plans it. Such a kind makes no calls:
    /// [`Target::call`] refuses.
    fn is_local(&self) -> bool {
        false
    }
    /// The secret fields it reads, and whether it can do without.
    fn secret_fields(&self) -> &'static [SecretField];
    /// The fields of [`TargetSpec`] that only some kinds have, as far as this one has them.
    fn option_fields(&self) -> &'static [&'static str];
    /// The fields of [`ReceiverSpec`] besides `name`, `locale` and `enabled` that it reads.
    fn receiver_fields(&self) -> &'static [&'static str];
    /// How many deliveries of one receiver may be under way: 1 without an idempotency key, up to 64 with.
    fn lane_depth(&self) -> u16;
    /// How often it may be called, unless configured otherwise; by default as often as there is
    /// something to say.
    fn pace(&self, _to: &ReceiverSpec) -> Pace {
        Pace::default()
    }
    /// Which template format it reads: `telegram`, `discord`, `plain`, `email`.
    fn format(&self) -> &'static str;
    /// What at least once means here, one sentence for README and pages.
    fn promise(&self) -> &'static str;
    fn compose(
        &self,
        message: &Message,
        target: &TargetSpec,
        to: &ReceiverSpec,
    ) -> Result<Vec<Part>, Unsendable>;
    /// The call of a part. An error here is a configuration fault found late (an address that does not parse).
    fn call(&self, part: &Part, context: &CallContext<'_>) -> Result<Call, Unsendable>;
    fn judge(&self, part: &Part, reply: &Reply) -> Verdict;
    /// The call that puts a part in the place of a message that was sent before; `None` where the service
    /// knows no such thing. A message of several parts is edited part by part.
    fn edit(
        &self,
        _part: &Part,
        _context: &CallContext<'_>,
        _earlier: MessageRef<'_>,
    ) -> Option<Result<Call, Unsendable>> {
        None
    }
    /// What the reply to [`Target::edit`] means.
    fn judge_edit(&self, part: &Part, reply: &Reply) -> Edited {
        Edited::Judged(self.judge(part, reply))
    }
    /// How it carries files, where it can.
    fn carrier(&self) -> Option<&dyn media::Carrier> {
        None
    }
    /// A call that shows whether the target can be reached, without a message where the service allows.
    fn probe(&self, context: &CallContext<'_>) -> Option<Result<Call, Unsendable>>;
}

/// The target kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn Target> {
    KINDS.iter().copied().find(|target| target.kind() == name)
}

/// Every target kind that makes calls, in the order in which documentation lists them.
/// `broadcast` stands for other targets and is resolved when a notice is routed.
pub static KINDS: &[&dyn Target] = &[
    &telegram::Telegram,
    &discord::Discord,
    &webhook::Webhook,
    &inbox::Inbox,
];

/// How much text one message of a format takes; longer ones become several, or are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimit {
    /// `telegram`, `discord` or `plain`.
    pub format: &'static str,
    pub length_max: usize,
    /// Counted in UTF-16 units, else in bytes.
    utf16: bool,
}

impl TextLimit {
    /// The length of a text without markup, as this limit counts.
    pub fn length(&self, text: &str) -> usize {
        if self.utf16 {
            text.encode_utf16().count()
        } else {
            text.len()
        }
    }

    pub fn unit(&self) -> &'static str {
        if self.utf16 { "UTF-16 units" } else { "bytes" }
    }
}

/// The limit of each format that has target kinds.
pub static TEXT_LIMITS: &[TextLimit] = &[
    TextLimit {
        format: "telegram",
        length_max: telegram::TEXT_UNITS_MAX,
        utf16: true,
    },
    TextLimit {
        format: "discord",
        length_max: discord::DESCRIPTION_UNITS_MAX,
        utf16: true,
    },
    TextLimit {
        format: "plain",
        length_max: inbox::TEXT_BYTES_MAX,
        utf16: false,
    },
];

/// A text as a target of this template format would be told it, for showing; its pieces on lines of
/// their own.
pub fn written(format: &str, text: &Markup) -> String {
    match format {
        "telegram" => telegram::written(text),
        "discord" => discord::written(text),
        _plain => flat::plain(text),
    }
}

/// The secret fields of a kind; none for one that is not known.
pub fn secret_fields(name: &str) -> &'static [SecretField] {
    kind(name).map_or(&[], |target| target.secret_fields())
}

/// The option fields of a kind; none for one that is not known.
pub fn option_fields(name: &str) -> &'static [&'static str] {
    kind(name).map_or(&[], |target| target.option_fields())
}

const NO_WORDS: &str = "title and text are empty; give the template a text";

/// A message that has passed too many bridges is not handed to another.
fn refuse_loop(hops: u8) -> Result<(), Unsendable> {
    if hops < HOPS_MAX {
        return Ok(());
    }
    Err(Unsendable {
        reason: format!(
            "loop: the notice has passed {hops} bridges, at most {HOPS_MAX} are allowed; look for targets that lead back to a provider"
        ),
    })
}

/// The part's own payload, which this program wrote.
fn payload<'a, T: Deserialize<'a>>(part: &'a Part) -> Result<T, Unsendable> {
    serde_json::from_str(&part.payload).map_err(|_| Unsendable {
        reason: format!(
            "the stored `{}` part is not readable; render it again",
            part.kind
        ),
    })
}

/// At most so many characters, the last a `…` where some were left out.
fn shortened(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

/// JSON of a value that cannot fail to be written.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
