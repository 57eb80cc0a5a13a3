//! Decisions as sentences: what was decided about a notice, with the value that decided it.
//!
//! The words of the contract come in, plain sentences go out. A word that is not known here is
//! shown as it is with its detail, so that a newer program never loses a line.

use maud::{Markup, html};

use crate::icon::Icon;
use crate::parts;
use crate::view::{Moment, Status, laid_bare, number};

/// A reason of the contract.
#[derive(Debug, Clone, Default)]
pub struct Reason {
    pub at: Moment,
    /// `kind_not_wanted`, `planned`, …
    pub what: String,
    pub tracker: String,
    pub target: String,
    pub receiver: String,
    pub until: Option<Moment>,
    /// The value that decided.
    pub detail: String,
}

/// One attempt with its answer.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u64,
    pub at: Moment,
    /// Which part (1…) of how many.
    pub part: u16,
    pub parts: u16,
    /// `sending`, `sent`, `retry`, `fallback`, `parked`, `dropped`, `unknown`.
    pub outcome: String,
    pub http_status: Option<u16>,
    /// What the place answered, redacted.
    pub answer: String,
    pub duration_ms: u32,
    /// Ids the place gave the message.
    pub ids: Vec<String>,
}

/// How a line of the card is meant: the sign on the line and its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Yes,
    No,
    Wait,
    Fault,
    Stop,
    Person,
}

impl Sign {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Sign::Yes => "step s-yes",
            Sign::No => "step s-no",
            Sign::Wait => "step s-wait",
            Sign::Fault => "step s-fault",
            Sign::Stop => "step s-stop",
            Sign::Person => "step s-person",
        }
    }

    pub(crate) fn icon(self) -> Icon {
        match self {
            Sign::Yes => Icon::Check,
            Sign::No => Icon::Cross,
            Sign::Wait => Icon::Hold,
            Sign::Fault => Icon::Again,
            Sign::Stop => Icon::Stop,
            Sign::Person => Icon::Person,
        }
    }
}

/// A line of the card.
#[derive(Debug)]
pub struct Line {
    pub sign: Sign,
    pub words: Markup,
}

fn line(sign: Sign, words: Markup) -> Line {
    Line { sign, words }
}

fn name(name: &str) -> Markup {
    html! { b.name dir="auto" { (name) } }
}

/// `: value`, when there is one.
fn because(detail: &str) -> Markup {
    html! { @if !detail.is_empty() { ": " span.value dir="auto" { (detail) } } "." }
}

fn until(moment: Option<&Moment>) -> Markup {
    html! { @if moment.is_some() { " until" (by_then(moment)) } }
}

fn by_then(moment: Option<&Moment>) -> Markup {
    html! { @if let Some(moment) = moment { " " (moment.absolute) " (" (parts::moment(moment)) ")" } }
}

/// The target, and its receiver when that is known.
fn place(reason: &Reason) -> Markup {
    html! {
        @if reason.target.is_empty() { "the target" } @else { (name(&reason.target)) }
        @if !reason.receiver.is_empty() { " / " (name(&reason.receiver)) }
    }
}

/// A reason as a sentence.
pub fn reason(reason: &Reason) -> Line {
    let tracker = html! {
        @if reason.tracker.is_empty() { "The tracker" } @else { "Tracker " (name(&reason.tracker)) }
    };
    let because = because(&reason.detail);
    let held = |why: &str| {
        line(
            Sign::Wait,
            html! { "Held" (until(reason.until.as_ref())) ": " (why) (because) },
        )
    };
    match reason.what.as_str() {
        "no_tracker" => line(
            Sign::No,
            html! { "Nobody asked for this" (because) " A tracker says what is sent where." },
        ),
        "kind_not_wanted" | "collection_not_wanted" => {
            line(Sign::No, html! { (tracker) " said no" (because) })
        }
        "filter_said_no" => line(
            Sign::No,
            html! { (tracker) " said no by its filter" (because) },
        ),
        "filter_failed" => line(
            Sign::Fault,
            html! { "The filter of tracker " (name(&reason.tracker)) " could not decide, so it let the notice pass" (because) },
        ),
        "tracker_disabled" => line(Sign::No, html! { (tracker) " is switched off" (because) }),
        "link_disabled" => line(
            Sign::No,
            html! { (tracker) " is linked to " (place(reason)) ", but the link is switched off" (because) },
        ),
        "target_disabled" => line(
            Sign::No,
            html! { (tracker) " said yes, but " (place(reason)) " is switched off" (because) },
        ),
        "child_off" => line(Sign::No, html! { (place(reason)) " is left out" (because) }),
        "planned" => line(
            Sign::Yes,
            html! {
                @if reason.tracker.is_empty() { "Planned for " } @else { (tracker) " said yes: planned for " }
                (place(reason))
                @if !reason.detail.is_empty() { ", " (reason.detail) }
                "."
            },
        ),
        "duplicate_of" => line(
            Sign::No,
            html! { "A duplicate; nothing is sent for it" (because) },
        ),
        "merged_into" => line(
            Sign::No,
            html! { "Told together with another notice" @if let Some(at) = &reason.until { ", " (parts::moment_ahead(at)) } (because) },
        ),
        "cancelled_out" => line(
            Sign::No,
            html! { "Taken back before it was told, so neither is sent" (because) },
        ),
        "dropped_quiet_hours" => line(
            Sign::No,
            html! { "Not sent, because quiet hours drop it" (because) },
        ),
        "silent_quiet_hours" => line(
            Sign::Yes,
            html! { "Sent without sound in quiet hours" (because) },
        ),
        "pierced" => line(
            Sign::Yes,
            html! { "Severe enough to pass everything that would hold it" (because) },
        ),
        "released" if reason.detail.starts_with("by ") => {
            line(Sign::Person, html! { "Released " (reason.detail) "." })
        }
        "released" => line(Sign::Yes, html! { "Released, its time has come" (because) }),
        "moved" => line(
            Sign::Person,
            html! { "Moved, held" (until(reason.until.as_ref())) (because) },
        ),
        "storm_summarised" => line(
            Sign::Wait,
            html! { "Too many at once, so it goes into a summary" (until(reason.until.as_ref())) (because) },
        ),
        "inhibited" => line(
            Sign::No,
            html! { (tracker) " is silent while something else is open" (because) },
        ),
        "repeated" => line(
            Sign::Wait,
            html! { "Told again, as it is still open and nobody has acknowledged it" (because) },
        ),
        "expired" => line(Sign::No, html! { "It is over" (because) }),
        "acknowledged" => line(Sign::Person, html! { "Acknowledged" (because) }),
        "snoozed" => line(
            Sign::Wait,
            html! { "Snoozed" (until(reason.until.as_ref())) (because) },
        ),
        "held_quiet_hours" => held("quiet hours"),
        "held_digest" => held("it goes into a digest"),
        "held_settling" => held("waiting until it has been quiet"),
        "held_grouping" => held("grouped with others"),
        "held_breaker" => held("the target keeps failing"),
        "held_backoff" => held("the target asked to wait"),
        "held_pacing" => held("no faster than its pace"),
        "held_operator" => line(
            Sign::Person,
            html! {
                "Held "
                @if reason.until.is_some() { "until" (by_then(reason.until.as_ref())) } @else { "until somebody releases it" }
                @if !reason.detail.is_empty() { ", " (reason.detail) }
                "."
            },
        ),
        "held_restored" => held("the store was restored; a person decides"),
        "unsendable" => line(
            Sign::Stop,
            html! { "It cannot be put to " (place(reason)) ", so it was parked" (because) },
        ),
        "attempt_failed" | "retry_at" => line(
            Sign::Fault,
            html! {
                "Sending to " (place(reason)) " failed" (because)
                @if let Some(moment) = &reason.until { " Tried again " (parts::moment_ahead(moment)) "." }
            },
        ),
        "edited" => line(
            Sign::Yes,
            html! { "The earlier message in " (place(reason)) " was edited to say it" (because) },
        ),
        "fallback_used" => line(
            Sign::Fault,
            html! { "Put in another way and sent again" (because) },
        ),
        "receiver_gone" => line(
            Sign::Stop,
            html! { "The receiver in " (place(reason)) " is gone" (because) " Retry it once it is back." },
        ),
        "receiver_moved" => line(
            Sign::Yes,
            html! { "The receiver in " (place(reason)) " has moved" (because) },
        ),
        "unknown_after_restart" => line(
            Sign::Fault,
            html! { "The program stopped while it was being sent; nobody knows whether it arrived" (because) },
        ),
        "template_failed" => line(
            Sign::Fault,
            html! { "The template failed, so the built-in words were used" (because) },
        ),
        "too_old" => line(
            Sign::Stop,
            html! { "Too old to be sent any more, so it was parked" (because) },
        ),
        "loop" => line(
            Sign::No,
            html! { "Stopped, because it went round through several bridges" (because) },
        ),
        "sent" => line(Sign::Yes, html! { "Sent to " (place(reason)) (because) }),
        "rejected" => line(
            Sign::Stop,
            html! { (place(reason)) " refused it for good, so it was parked" (because) },
        ),
        "tries_used_up" => line(
            Sign::Stop,
            html! { "All tries are used up, so it was parked" (because) },
        ),
        "retried" => line(Sign::Person, html! { "Retried " (reason.detail) "." }),
        "dropped" => line(Sign::Person, html! { "Dropped " (reason.detail) "." }),
        "confirmed" => line(
            Sign::Person,
            html! { "Confirmed as sent " (reason.detail) "." },
        ),
        "resent" => line(
            Sign::Person,
            html! { "Sent again " (reason.detail) ", over what was configured then." },
        ),
        "target_removed" => line(
            Sign::Stop,
            html! { "The target " (place(reason)) " does not exist any more" (because) },
        ),
        "returned" | "claimed" => line(
            Sign::Wait,
            html! { "Taken to be sent, and given back unused" (because) },
        ),
        "too_many_receivers" => line(Sign::No, html! { "Some receivers were left out" (because) }),
        other => line(Sign::Wait, html! { code { (other) } (because) }),
    }
}

/// An attempt as a sentence: "Attempt 2 → 429, Telegram asked to wait 30 s".
pub fn attempt(attempt: &Attempt) -> Line {
    let sign = match attempt.outcome.as_str() {
        "sent" => Sign::Yes,
        "retry" | "fallback" | "unknown" => Sign::Fault,
        "parked" | "dropped" => Sign::Stop,
        _under_way => Sign::Wait,
    };
    let words = html! {
        "Attempt " (number(attempt.number))
        @if attempt.parts > 1 { ", part " (attempt.part) " of " (attempt.parts) }
        " → "
        @match attempt.outcome.as_str() {
            "sending" => "being sent",
            "sent" => {
                "sent"
                @if !attempt.ids.is_empty() { ", message " span.value { (attempt.ids.join(", ")) } }
            }
            "unknown" => "no answer: it may have arrived",
            _answered => {
                @match attempt.http_status {
                    Some(status) => b.tab { (status) },
                    None => "no answer",
                }
                @if !attempt.answer.is_empty() { ", " span.value dir="auto" { (laid_bare(&attempt.answer)) } }
                @if attempt.outcome == "fallback" { ", put in another way" }
                @if attempt.outcome == "parked" { ", parked" }
            }
        }
        @if attempt.duration_ms > 0 { span.dim { " in " (number(attempt.duration_ms.into())) " ms" } }
    };
    line(sign, words)
}

/// What comes next for a delivery; `None` when it is settled.
pub fn next(
    status: Status,
    attempts: u64,
    due: Option<&Moment>,
    reason: &str,
    paused: bool,
) -> Option<Markup> {
    let attempt = html! { "Attempt " (number(attempts + 1)) };
    let when = html! {
        @if paused { " once sending is resumed" }
        @else if let Some(due) = due { " follows " (parts::moment_ahead(due)) }
        @else { " follows when its turn comes" }
    };
    match status {
        Status::Due | Status::Retrying => Some(html! { (attempt) (when) "." }),
        Status::Held => Some(html! {
            @match due {
                Some(due) => { "It is sent " (parts::moment_ahead(due)) },
                None => "It is sent when somebody releases it",
            }
            (because(reason))
        }),
        Status::Sending => Some(html! { "The answer decides what follows." }),
        Status::Parked => Some(html! { "Waits for a person: retry it, or drop it." }),
        Status::Unknown => {
            Some(html! { "Waits for a person: confirm that it arrived, retry it, or drop it." })
        }
        Status::Sent | Status::Dropped | Status::Merged => None,
    }
}
