//! Payloads about acknowledgements, snoozes and repeats, revision 1.

use serde::{Deserialize, Serialize};

use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::domain::reason::What;
use crate::projections::snoozes::{Scope, Snooze};

#[derive(Serialize, Deserialize)]
struct AcknowledgedR1<'a> {
    notice: u64,
    provider: u32,
    subject: u64,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SnoozedR1<'a> {
    id: u32,
    scope: u8,
    entity: u32,
    name: &'a str,
    since: i64,
    until: i64,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SnoozeEndedR1<'a> {
    id: u32,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct RepeatPutOffR1<'a> {
    slot: u64,
    notice: u64,
    again: bool,
    why: u16,
    detail: &'a str,
}

fn scope_code(scope: Scope) -> u8 {
    match scope {
        Scope::Tracker => 1,
        Scope::Target => 2,
        Scope::Collection => 3,
        Scope::Subject => 4,
    }
}

fn scope(code: u8) -> Result<Scope, String> {
    let mut all = Scope::ALL.into_iter();
    all.find(|scope| scope_code(*scope) == code)
        .ok_or_else(|| format!("unknown scope {code}"))
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Acknowledged {
            notice,
            provider,
            subject,
            by,
        } => put(
            &AcknowledgedR1 {
                notice: *notice,
                provider: *provider,
                subject: *subject,
                by,
            },
            out,
        ),
        Event::Snoozed(snooze) => put(
            &SnoozedR1 {
                id: snooze.id,
                scope: scope_code(snooze.scope),
                entity: snooze.entity,
                name: &snooze.name,
                since: snooze.since,
                until: snooze.until,
                by: &snooze.by,
            },
            out,
        ),
        Event::SnoozeEnded { id, by } => put(&SnoozeEndedR1 { id: *id, by }, out),
        Event::RepeatPutOff {
            slot,
            notice,
            again,
            why,
            detail,
        } => put(
            &RepeatPutOffR1 {
                slot: *slot,
                notice: *notice,
                again: *again,
                why: why.code(),
                detail,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        65 => {
            let AcknowledgedR1 {
                notice,
                provider,
                subject,
                by,
            } = take(bytes)?;
            Event::Acknowledged {
                notice,
                provider,
                subject,
                by: texts.unread(by),
            }
        }
        66 => {
            let snoozed: SnoozedR1<'_> = take(bytes)?;
            Event::Snoozed(Box::new(Snooze {
                id: snoozed.id,
                scope: scope(snoozed.scope)?,
                entity: snoozed.entity,
                name: snoozed.name.to_owned(),
                since: snoozed.since,
                until: snoozed.until,
                by: snoozed.by.to_owned(),
            }))
        }
        67 => {
            let SnoozeEndedR1 { id, by } = take(bytes)?;
            Event::SnoozeEnded {
                id,
                by: texts.unread(by),
            }
        }
        68 => {
            let put_off: RepeatPutOffR1<'_> = take(bytes)?;
            Event::RepeatPutOff {
                slot: put_off.slot,
                notice: put_off.notice,
                again: put_off.again,
                why: What::from_code(put_off.why)
                    .ok_or_else(|| format!("unknown reason {}", put_off.why))?,
                detail: texts.unread(put_off.detail),
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
