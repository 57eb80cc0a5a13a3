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
use crate::domain::spec::{ReceiverSpec, TargetSpec};
use crate::templates::markup::Markup;

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
    /// The notice's kind, `push`.
    pub kind: String,
    /// RFC 3339, when the notice was received.
    pub received_at: String,
    /// A rendered whole-body template of kind `webhook`, when the target has one.
    pub body: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    pub text: String,
    /// http(s) only; the template engine leaves others out.
    pub url: String,
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
    },
    /// Try again, not before `after` where the service said so.
    Retry {
        after: Option<Duration>,
        scope: Scope,
        reason: String,
    },
    /// Replace this part by others (plain text instead of markup), once.
    Fallback {
        parts: Vec<Part>,
        reason: String,
    },
    /// Will never work: parked with the answer.
    Rejected {
        reason: String,
    },
    /// The receiver is gone: it is disabled and a person is told.
    Gone {
        reason: String,
    },
    /// The receiver has another address from now on; the part is tried again there.
    Moved {
        to: String,
    },
}

/// A kind of target.
pub trait Target: Send + Sync {
    fn kind(&self) -> &'static str;
    /// Whether receivers are configured (`telegram`) or there is exactly one, `default` (`webhook`).
    fn has_receivers(&self) -> bool;
    /// How many deliveries of one receiver may be under way: 1 without an idempotency key, up to 64 with.
    fn lane_depth(&self) -> u16;
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
    /// A call that shows whether the target can be reached, without a message where the service allows.
    fn probe(&self, context: &CallContext<'_>) -> Option<Result<Call, Unsendable>>;
}

/// The target kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn Target> {
    KINDS.iter().copied().find(|target| target.kind() == name)
}

/// Every target kind that makes calls, in the order in which documentation lists them.
/// `broadcast` stands for other targets and is resolved when a notice is routed.
pub static KINDS: &[&dyn Target] = &[];
