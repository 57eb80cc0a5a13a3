//! Payloads about holds, revision 1, and the part of a planning event that says what is not due.

use serde::{Deserialize, Serialize};

use super::{Texts, put, take};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::hold::{Hold, Planning, Thread, Way};
use crate::domain::reason::What;

#[derive(Serialize, Deserialize)]
pub(super) struct KeyR1 {
    position: u64,
    ordinal: u16,
}

#[derive(Serialize, Deserialize)]
struct HoldR1 {
    until: i64,
    why: u16,
    slot: u64,
}

#[derive(Serialize, Deserialize)]
struct ThreadR1 {
    key: u64,
    closes: bool,
}

#[derive(Serialize, Deserialize)]
enum WayR1 {
    Now {
        silent: bool,
        pierced: bool,
    },
    Held {
        hold: HoldR1,
        thread: ThreadR1,
    },
    Merged {
        host: KeyR1,
        until: i64,
        thread: ThreadR1,
    },
    Cancelled {
        host: KeyR1,
        thread: ThreadR1,
    },
    Dropped {
        why: u16,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct PlanningR1<'a> {
    index: u16,
    way: WayR1,
    group: u64,
    detail: &'a str,
}

#[derive(Serialize, Deserialize)]
struct ChangedR1<'a> {
    delivery: KeyR1,
    notice: u64,
    hold: Option<HoldR1>,
    silent: bool,
    pierced: bool,
    why: u16,
    detail: &'a str,
    unwanted: Vec<u64>,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct MergedR1 {
    delivery: KeyR1,
    notice: u64,
    host: KeyR1,
    until: i64,
}

pub(super) fn key_r1(key: DeliveryKey) -> KeyR1 {
    KeyR1 {
        position: key.position,
        ordinal: key.ordinal,
    }
}

pub(super) fn key(key: KeyR1) -> DeliveryKey {
    DeliveryKey {
        position: key.position,
        ordinal: key.ordinal,
    }
}

fn hold_r1(hold: Hold) -> HoldR1 {
    HoldR1 {
        until: hold.until,
        why: hold.why.code(),
        slot: hold.slot,
    }
}

fn hold(hold: HoldR1) -> Result<Hold, String> {
    Ok(Hold {
        until: hold.until,
        why: what(hold.why)?,
        slot: hold.slot,
    })
}

pub(super) fn what(code: u16) -> Result<What, String> {
    What::from_code(code).ok_or_else(|| format!("unknown reason {code}"))
}

fn thread(thread: ThreadR1) -> Thread {
    Thread {
        key: thread.key,
        closes: thread.closes,
    }
}

pub(super) fn planning(planning: PlanningR1<'_>, texts: Texts) -> Result<Planning, String> {
    Ok(Planning {
        index: planning.index,
        way: match planning.way {
            WayR1::Now { silent, pierced } => Way::Now { silent, pierced },
            WayR1::Held {
                hold: until,
                thread: about,
            } => Way::Held {
                hold: hold(until)?,
                thread: thread(about),
            },
            WayR1::Merged {
                host,
                until,
                thread: about,
            } => Way::Merged {
                host: key(host),
                until,
                thread: thread(about),
            },
            WayR1::Cancelled {
                host,
                thread: about,
            } => Way::Cancelled {
                host: key(host),
                thread: thread(about),
            },
            WayR1::Dropped { why } => Way::Dropped { why: what(why)? },
        },
        group: planning.group,
        detail: texts.unread(planning.detail),
    })
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::HoldChanged {
            delivery,
            notice,
            hold,
            silent,
            pierced,
            why,
            detail,
            unwanted,
            by,
        } => put(
            &ChangedR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                hold: hold.map(hold_r1),
                silent: *silent,
                pierced: *pierced,
                why: why.code(),
                detail,
                unwanted: unwanted.clone(),
                by,
            },
            out,
        ),
        Event::DeliveryMerged {
            delivery,
            notice,
            host,
            until,
        } => put(
            &MergedR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                host: key_r1(*host),
                until: *until,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        39 => {
            let changed: ChangedR1<'_> = take(bytes)?;
            Event::HoldChanged {
                delivery: key(changed.delivery),
                notice: changed.notice,
                hold: changed.hold.map(hold).transpose()?,
                silent: changed.silent,
                pierced: changed.pierced,
                why: what(changed.why)?,
                detail: texts.unread(changed.detail),
                unwanted: changed.unwanted,
                // Whether somebody did it is read.
                by: changed.by.to_owned(),
            }
        }
        43 => {
            let MergedR1 {
                delivery,
                notice,
                host,
                until,
            } = take(bytes)?;
            Event::DeliveryMerged {
                delivery: key(delivery),
                notice,
                host: key(host),
                until,
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
