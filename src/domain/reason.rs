//! Machine-readable reasons: what was decided about a notice, and the value that decided it.

use serde::{Deserialize, Serialize};

/// What was decided. The numbers stand in events and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum What {
    NoTracker = 1,
    KindNotWanted = 2,
    CollectionNotWanted = 3,
    FilterSaidNo = 4,
    FilterFailed = 5,
    TrackerDisabled = 6,
    LinkDisabled = 7,
    TargetDisabled = 8,
    ChildOff = 9,
    Planned = 10,
    DuplicateOf = 11,
    Unsendable = 12,
    AttemptFailed = 13,
    RetryAt = 14,
    FallbackUsed = 15,
    ReceiverGone = 16,
    UnknownAfterRestart = 17,
    TemplateFailed = 18,
    TooOld = 19,
    Loop = 20,
    Sent = 21,
    Rejected = 22,
    TriesUsedUp = 23,
    ReceiverMoved = 24,
    RetriedByPerson = 25,
    DroppedByPerson = 26,
    ConfirmedByPerson = 27,
    Resent = 28,
    TargetRemoved = 29,
    Returned = 30,
    Claimed = 31,
    TooManyReceivers = 32,
}

impl What {
    const ALL: [What; 32] = [
        What::NoTracker,
        What::KindNotWanted,
        What::CollectionNotWanted,
        What::FilterSaidNo,
        What::FilterFailed,
        What::TrackerDisabled,
        What::LinkDisabled,
        What::TargetDisabled,
        What::ChildOff,
        What::Planned,
        What::DuplicateOf,
        What::Unsendable,
        What::AttemptFailed,
        What::RetryAt,
        What::FallbackUsed,
        What::ReceiverGone,
        What::UnknownAfterRestart,
        What::TemplateFailed,
        What::TooOld,
        What::Loop,
        What::Sent,
        What::Rejected,
        What::TriesUsedUp,
        What::ReceiverMoved,
        What::RetriedByPerson,
        What::DroppedByPerson,
        What::ConfirmedByPerson,
        What::Resent,
        What::TargetRemoved,
        What::Returned,
        What::Claimed,
        What::TooManyReceivers,
    ];

    pub fn code(self) -> u16 {
        self as u16
    }

    pub fn from_code(code: u16) -> Option<Self> {
        What::ALL.into_iter().find(|what| what.code() == code)
    }

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            What::NoTracker => "no_tracker",
            What::KindNotWanted => "kind_not_wanted",
            What::CollectionNotWanted => "collection_not_wanted",
            What::FilterSaidNo => "filter_said_no",
            What::FilterFailed => "filter_failed",
            What::TrackerDisabled => "tracker_disabled",
            What::LinkDisabled => "link_disabled",
            What::TargetDisabled => "target_disabled",
            What::ChildOff => "child_off",
            What::Planned => "planned",
            What::DuplicateOf => "duplicate_of",
            What::Unsendable => "unsendable",
            What::AttemptFailed => "attempt_failed",
            What::RetryAt => "retry_at",
            What::FallbackUsed => "fallback_used",
            What::ReceiverGone => "receiver_gone",
            What::UnknownAfterRestart => "unknown_after_restart",
            What::TemplateFailed => "template_failed",
            What::TooOld => "too_old",
            What::Loop => "loop",
            What::Sent => "sent",
            What::Rejected => "rejected",
            What::TriesUsedUp => "tries_used_up",
            What::ReceiverMoved => "receiver_moved",
            What::RetriedByPerson => "retried",
            What::DroppedByPerson => "dropped",
            What::ConfirmedByPerson => "confirmed",
            What::Resent => "resent",
            What::TargetRemoved => "target_removed",
            What::Returned => "returned",
            What::Claimed => "claimed",
            What::TooManyReceivers => "too_many_receivers",
        }
    }
}

/// What one tracker, or one of its links, made of a notice when it was routed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    pub what: What,
    /// 0 where no tracker took part.
    pub tracker: u32,
    /// The names as they were then, so that a card still reads after a deletion.
    pub tracker_name: String,
    pub target_name: String,
    /// The value that decided.
    pub detail: String,
}
