//! Payloads about how targets and senders are doing, revision 1.

use serde::{Deserialize, Serialize};

use super::holds::{KeyR1, key, key_r1};
use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::domain::spec::EntityKind;

#[derive(Serialize, Deserialize)]
struct AwaitedR1 {
    notice: u64,
    planning: u64,
    waits: Vec<(u16, u32)>,
}

#[derive(Serialize, Deserialize)]
struct HandedOnR1<'a> {
    delivery: KeyR1,
    notice: u64,
    planning: u64,
    detail: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SilentR1 {
    kind: u8,
    id: u32,
    since: i64,
}

/// Numbers of what can be silent; never reused.
const PROVIDER: u8 = 0;
const TARGET: u8 = 1;
const TRACKER: u8 = 2;
const TEMPLATE: u8 = 3;
const BOT: u8 = 4;

fn kind_code(kind: EntityKind) -> u8 {
    match kind {
        EntityKind::Provider => PROVIDER,
        EntityKind::Target => TARGET,
        EntityKind::Tracker => TRACKER,
        EntityKind::Template => TEMPLATE,
        EntityKind::Bot => BOT,
    }
}

fn kind_of(code: u8) -> Result<EntityKind, String> {
    EntityKind::ALL
        .into_iter()
        .find(|kind| kind_code(*kind) == code)
        .ok_or_else(|| format!("unknown kind of entity {code}"))
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::FallbackAwaited {
            notice,
            planning,
            waits,
        } => put(
            &AwaitedR1 {
                notice: *notice,
                planning: *planning,
                waits: waits.clone(),
            },
            out,
        ),
        Event::HandedOn {
            delivery,
            notice,
            planning,
            detail,
        } => put(
            &HandedOnR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                planning: *planning,
                detail,
            },
            out,
        ),
        Event::FellSilent { kind, id, since } => put(
            &SilentR1 {
                kind: kind_code(*kind),
                id: *id,
                since: *since,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        60 => {
            let AwaitedR1 {
                notice,
                planning,
                waits,
            } = take(bytes)?;
            Event::FallbackAwaited {
                notice,
                planning,
                waits,
            }
        }
        61 => {
            let handed: HandedOnR1<'_> = take(bytes)?;
            Event::HandedOn {
                delivery: key(handed.delivery),
                notice: handed.notice,
                planning: handed.planning,
                detail: texts.unread(handed.detail),
            }
        }
        62 => {
            let SilentR1 { kind, id, since } = take(bytes)?;
            Event::FellSilent {
                kind: kind_of(kind)?,
                id,
                since,
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
