//! Payloads about messages that are edited, revision 1.

use serde::{Deserialize, Serialize};

use super::delivery::{AnswerR1, answer, answer_r1};
use super::holds::{KeyR1, key, key_r1};
use super::{Texts, put, take};
use crate::domain::event::Event;

#[derive(Serialize, Deserialize)]
struct RefusedR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    reason: &'a str,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::EditRefused {
            delivery,
            notice,
            part,
            reason,
            answer,
        } => put(
            &RefusedR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                part: *part,
                reason,
                answer: answer_r1(answer),
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        70 => {
            let refused: RefusedR1<'_> = take(bytes)?;
            Event::EditRefused {
                delivery: key(refused.delivery),
                notice: refused.notice,
                part: refused.part,
                reason: texts.unread(refused.reason),
                answer: answer(refused.answer, texts),
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
