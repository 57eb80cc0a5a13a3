//! Payloads about what was told together, revision 1.

use serde::{Deserialize, Serialize};

use super::holds::{KeyR1, key, key_r1};
use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::domain::hold::Telling;

#[derive(Serialize, Deserialize)]
struct ToldR1 {
    delivery: KeyR1,
    notice: u64,
    composed: u64,
    notices: Vec<u64>,
    listed: u16,
    count: u64,
    /// (added, removed)
    items: Option<(u64, u64)>,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    let Event::GatheredTold {
        delivery,
        notice,
        composed,
        telling,
    } = event
    else {
        return debug_assert!(false, "kind {} is not encoded here", super::kind_of(event));
    };
    let told = ToldR1 {
        delivery: key_r1(*delivery),
        notice: *notice,
        composed: *composed,
        notices: telling.notices.clone(),
        listed: telling.listed,
        count: telling.count,
        items: telling.items,
    };
    put(&told, out);
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    if kind != 71 {
        return Err(format!("kind {kind} is not decoded here"));
    }
    let told: ToldR1 = take(bytes)?;
    Ok(Event::GatheredTold {
        delivery: key(told.delivery),
        notice: told.notice,
        composed: told.composed,
        telling: Telling {
            notices: texts.unread_list(told.notices.into_iter()),
            listed: told.listed,
            count: told.count,
            items: told.items,
        },
    })
}
