//! Payloads about deliveries and receivers.

use serde::{Deserialize, Serialize};

use super::holds::{KeyR1, key, key_r1};
use super::intake::{unknown, unknown_code};
use super::{Texts, put, take};
use crate::domain::event::{Action, Answer, Event, Outcome, Remember};
use crate::domain::reason::What;
use crate::targets::{Part, Scope};

#[derive(Serialize, Deserialize)]
struct PartR1<'a> {
    kind: &'a str,
    text: &'a str,
    payload: &'a str,
}

#[derive(Serialize, Deserialize)]
struct ComposedR1<'a> {
    notice: u64,
    planning: u64,
    hash: u64,
    #[serde(borrow)]
    parts: Vec<PartR1<'a>>,
    #[serde(borrow)]
    faults: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AnswerR1<'a> {
    http_status: Option<u16>,
    text: &'a str,
    duration_ms: u32,
}

#[derive(Serialize, Deserialize)]
struct StartedR1 {
    delivery: KeyR1,
    notice: u64,
    attempt: u16,
    part: u16,
    composed: u64,
}

#[derive(Serialize, Deserialize)]
struct PartSentR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    #[serde(borrow)]
    ids: Vec<&'a str>,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

/// Like revision 1, with until when the service wants nothing more.
#[derive(Serialize, Deserialize)]
struct PartSentR2<'a> {
    #[serde(borrow)]
    first: PartSentR1<'a>,
    pause_until: Option<i64>,
}

impl<'a> From<PartSentR1<'a>> for PartSentR2<'a> {
    fn from(first: PartSentR1<'a>) -> Self {
        PartSentR2 {
            first,
            pause_until: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct FailedR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    scope: u8,
    retry_at: i64,
    reason: &'a str,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

#[derive(Serialize, Deserialize)]
struct FallbackR1<'a> {
    delivery: KeyR1,
    notice: u64,
    composed: u64,
    reason: &'a str,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

#[derive(Serialize, Deserialize)]
struct ReturnedR1 {
    delivery: KeyR1,
    notice: u64,
}

#[derive(Serialize, Deserialize)]
struct SettledR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    outcome: u8,
    why: u16,
    detail: &'a str,
    #[serde(borrow)]
    ids: Vec<&'a str>,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

/// Like revision 1, with until when the service wants nothing more, and what the message means to
/// later ones.
#[derive(Serialize, Deserialize)]
struct SettledR2<'a> {
    #[serde(borrow)]
    first: SettledR1<'a>,
    pause_until: Option<i64>,
    remember: u8,
}

impl<'a> From<SettledR1<'a>> for SettledR2<'a> {
    fn from(first: SettledR1<'a>) -> Self {
        SettledR2 {
            first,
            pause_until: None,
            remember: remember_code(Remember::No),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct UnknownR1 {
    delivery: KeyR1,
    notice: u64,
    policy: u8,
}

#[derive(Serialize, Deserialize)]
struct OperatedR1<'a> {
    delivery: KeyR1,
    notice: u64,
    action: u8,
    by: &'a str,
}

/// `ReceiverGone` (a reason), `ReceiverMoved` (an address), `ReceiverRestored` (by whom).
#[derive(Serialize, Deserialize)]
struct ReceiverR1<'a> {
    target: u32,
    receiver: u32,
    text: &'a str,
}

pub(super) fn answer_r1(answer: &Answer) -> AnswerR1<'_> {
    AnswerR1 {
        http_status: answer.http_status,
        text: &answer.text,
        duration_ms: answer.duration_ms,
    }
}

pub(super) fn answer(answer: AnswerR1<'_>, texts: Texts) -> Answer {
    Answer {
        http_status: answer.http_status,
        text: texts.unread(answer.text),
        duration_ms: answer.duration_ms,
    }
}

fn owned(list: Vec<&str>, texts: Texts) -> Vec<String> {
    texts.unread_list(list.into_iter().map(str::to_owned))
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn scope_code(scope: Scope) -> u8 {
    match scope {
        Scope::Message => 0,
        Scope::Receiver => 1,
        Scope::Target => 2,
    }
}

fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Sent => 0,
        Outcome::Parked => 1,
        Outcome::Dropped => 2,
    }
}

fn action_code(action: Action) -> u8 {
    match action {
        Action::Retry => 0,
        Action::Drop => 1,
        Action::Confirm => 2,
    }
}

fn remember_code(remember: Remember) -> u8 {
    match remember {
        Remember::No => 0,
        Remember::Keep => 1,
        Remember::Forget => 2,
    }
}

fn by_code<T: Copy>(what: &str, all: [T; 3], code: u8, of: fn(T) -> u8) -> Result<T, String> {
    all.into_iter()
        .find(|value| of(*value) == code)
        .ok_or_else(|| format!("unknown {what} {code}"))
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::MessageComposed {
            notice,
            planning,
            hash,
            parts,
            faults,
        } => put(
            &ComposedR1 {
                notice: *notice,
                planning: *planning,
                hash: *hash,
                parts: parts
                    .iter()
                    .map(|part| PartR1 {
                        kind: &part.kind,
                        text: &part.text,
                        payload: &part.payload,
                    })
                    .collect(),
                faults: borrowed(faults),
            },
            out,
        ),
        Event::AttemptStarted {
            delivery,
            notice,
            attempt,
            part,
            composed,
        } => put(
            &StartedR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                attempt: *attempt,
                part: *part,
                composed: *composed,
            },
            out,
        ),
        Event::PartSent {
            delivery,
            notice,
            part,
            ids,
            answer,
            pause_until,
        } => put(
            &PartSentR2 {
                first: PartSentR1 {
                    delivery: key_r1(*delivery),
                    notice: *notice,
                    part: *part,
                    ids: borrowed(ids),
                    answer: answer_r1(answer),
                },
                pause_until: *pause_until,
            },
            out,
        ),
        Event::AttemptFailed {
            delivery,
            notice,
            part,
            scope,
            retry_at,
            reason,
            answer,
        } => put(
            &FailedR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                part: *part,
                scope: scope_code(*scope),
                retry_at: *retry_at,
                reason,
                answer: answer_r1(answer),
            },
            out,
        ),
        Event::FallbackUsed {
            delivery,
            notice,
            composed,
            reason,
            answer,
        } => put(
            &FallbackR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                composed: *composed,
                reason,
                answer: answer_r1(answer),
            },
            out,
        ),
        Event::ClaimReturned { delivery, notice } => {
            put(
                &ReturnedR1 {
                    delivery: key_r1(*delivery),
                    notice: *notice,
                },
                out,
            );
        }
        Event::DeliverySettled {
            delivery,
            notice,
            part,
            outcome,
            why,
            detail,
            ids,
            answer,
            pause_until,
            remember,
        } => put(
            &SettledR2 {
                first: SettledR1 {
                    delivery: key_r1(*delivery),
                    notice: *notice,
                    part: *part,
                    outcome: outcome_code(*outcome),
                    why: why.code(),
                    detail,
                    ids: borrowed(ids),
                    answer: answer_r1(answer),
                },
                pause_until: *pause_until,
                remember: remember_code(*remember),
            },
            out,
        ),
        Event::OutcomeUnknown {
            delivery,
            notice,
            policy,
        } => {
            put(
                &UnknownR1 {
                    delivery: key_r1(*delivery),
                    notice: *notice,
                    policy: unknown_code(*policy),
                },
                out,
            );
        }
        Event::DeliveryOperated {
            delivery,
            notice,
            action,
            by,
        } => {
            let action = action_code(*action);
            put(
                &OperatedR1 {
                    delivery: key_r1(*delivery),
                    notice: *notice,
                    action,
                    by,
                },
                out,
            );
        }
        Event::ReceiverGone {
            target,
            receiver,
            reason: text,
        }
        | Event::ReceiverMoved {
            target,
            receiver,
            to: text,
        }
        | Event::ReceiverRestored {
            target,
            receiver,
            by: text,
        } => {
            put(
                &ReceiverR1 {
                    target: *target,
                    receiver: *receiver,
                    text,
                },
                out,
            );
        }
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, revision: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        30 => {
            let composed: ComposedR1<'_> = take(bytes)?;
            Event::MessageComposed {
                notice: composed.notice,
                planning: composed.planning,
                hash: composed.hash,
                parts: texts.unread_list(composed.parts.into_iter().map(|part| Part {
                    kind: part.kind.to_owned(),
                    text: part.text.to_owned(),
                    payload: part.payload.to_owned(),
                })),
                faults: owned(composed.faults, texts),
            }
        }
        31 => {
            let StartedR1 {
                delivery,
                notice,
                attempt,
                part,
                composed,
            } = take(bytes)?;
            Event::AttemptStarted {
                delivery: key(delivery),
                notice,
                attempt,
                part,
                composed,
            }
        }
        32 => {
            let PartSentR2 {
                first: sent,
                pause_until,
            } = match revision {
                1 => take::<PartSentR1<'_>>(bytes)?.into(),
                _newest => take(bytes)?,
            };
            Event::PartSent {
                delivery: key(sent.delivery),
                notice: sent.notice,
                part: sent.part,
                // The message may be edited part by part.
                ids: owned(sent.ids, Texts::All),
                answer: answer(sent.answer, texts),
                pause_until,
            }
        }
        33 => {
            let failed: FailedR1<'_> = take(bytes)?;
            Event::AttemptFailed {
                delivery: key(failed.delivery),
                notice: failed.notice,
                part: failed.part,
                scope: by_code(
                    "scope",
                    [Scope::Message, Scope::Receiver, Scope::Target],
                    failed.scope,
                    scope_code,
                )?,
                retry_at: failed.retry_at,
                reason: failed.reason.to_owned(),
                answer: answer(failed.answer, texts),
            }
        }
        34 => {
            let fallback: FallbackR1<'_> = take(bytes)?;
            Event::FallbackUsed {
                delivery: key(fallback.delivery),
                notice: fallback.notice,
                composed: fallback.composed,
                reason: texts.unread(fallback.reason),
                answer: answer(fallback.answer, texts),
            }
        }
        35 => {
            let ReturnedR1 { delivery, notice } = take(bytes)?;
            Event::ClaimReturned {
                delivery: key(delivery),
                notice,
            }
        }
        36 => {
            let SettledR2 {
                first: settled,
                pause_until,
                remember,
            } = match revision {
                1 => take::<SettledR1<'_>>(bytes)?.into(),
                _newest => take(bytes)?,
            };
            let all = [Outcome::Sent, Outcome::Parked, Outcome::Dropped];
            let meanings = [Remember::No, Remember::Keep, Remember::Forget];
            let remember = by_code("meaning", meanings, remember, remember_code)?;
            let of_ids = match remember {
                Remember::Keep => Texts::All,
                Remember::No | Remember::Forget => texts,
            };
            Event::DeliverySettled {
                delivery: key(settled.delivery),
                notice: settled.notice,
                part: settled.part,
                outcome: by_code("outcome", all, settled.outcome, outcome_code)?,
                why: What::from_code(settled.why)
                    .ok_or_else(|| format!("unknown reason {}", settled.why))?,
                detail: settled.detail.to_owned(),
                ids: owned(settled.ids, of_ids),
                answer: answer(settled.answer, texts),
                pause_until,
                remember,
            }
        }
        37 => {
            let UnknownR1 {
                delivery,
                notice,
                policy,
            } = take(bytes)?;
            Event::OutcomeUnknown {
                delivery: key(delivery),
                notice,
                policy: unknown(policy)?,
            }
        }
        38 => {
            let OperatedR1 {
                delivery,
                notice,
                action,
                by,
            } = take(bytes)?;
            let all = [Action::Retry, Action::Drop, Action::Confirm];
            let action = by_code("action", all, action, action_code)?;
            Event::DeliveryOperated {
                delivery: key(delivery),
                notice,
                action,
                by: texts.unread(by),
            }
        }
        40 => {
            let ReceiverR1 {
                target,
                receiver,
                text,
            } = take(bytes)?;
            Event::ReceiverGone {
                target,
                receiver,
                reason: text.to_owned(),
            }
        }
        41 => {
            let ReceiverR1 {
                target,
                receiver,
                text,
            } = take(bytes)?;
            Event::ReceiverMoved {
                target,
                receiver,
                to: text.to_owned(),
            }
        }
        42 => {
            let ReceiverR1 {
                target,
                receiver,
                text,
            } = take(bytes)?;
            Event::ReceiverRestored {
                target,
                receiver,
                by: texts.unread(text),
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
