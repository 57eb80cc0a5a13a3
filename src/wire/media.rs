//! Payloads about the files of deliveries, revision 1.

use serde::{Deserialize, Serialize};

use super::delivery::{AnswerR1, answer, answer_r1};
use super::holds::{KeyR1, key, key_r1};
use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::targets::media::{Form, ItemOutcome, ItemTold};

#[derive(Serialize, Deserialize)]
struct LeftOutR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    reason: &'a str,
    #[serde(borrow)]
    answer: AnswerR1<'a>,
}

#[derive(Serialize, Deserialize)]
struct ItemR1<'a> {
    key: &'a str,
    outcome: u8,
    detail: &'a str,
    /// (form, the service's name for it)
    file: Option<(u8, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct ToldR1<'a> {
    delivery: KeyR1,
    notice: u64,
    part: u16,
    target: u32,
    receiver: u32,
    provider: u32,
    #[serde(borrow)]
    items: Vec<ItemR1<'a>>,
    rest_until: Option<i64>,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::PartLeftOut {
            delivery,
            notice,
            part,
            reason,
            answer,
        } => put(
            &LeftOutR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                part: *part,
                reason,
                answer: answer_r1(answer),
            },
            out,
        ),
        Event::MediaTold {
            delivery,
            notice,
            part,
            target,
            receiver,
            provider,
            items,
            rest_until,
        } => put(
            &ToldR1 {
                delivery: key_r1(*delivery),
                notice: *notice,
                part: *part,
                target: *target,
                receiver: *receiver,
                provider: *provider,
                items: items
                    .iter()
                    .map(|item| ItemR1 {
                        key: &item.key,
                        outcome: item.outcome.code(),
                        detail: &item.detail,
                        file: item
                            .file
                            .as_ref()
                            .map(|(form, id)| (form.code(), id.as_str())),
                    })
                    .collect(),
                rest_until: *rest_until,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        110 => {
            let left: LeftOutR1<'_> = take(bytes)?;
            Event::PartLeftOut {
                delivery: key(left.delivery),
                notice: left.notice,
                part: left.part,
                reason: texts.unread(left.reason),
                answer: answer(left.answer, texts),
            }
        }
        111 => {
            let told: ToldR1<'_> = take(bytes)?;
            let items = told.items.into_iter().map(|item| {
                let outcome = ItemOutcome::of_code(item.outcome)
                    .ok_or_else(|| format!("unknown outcome {}", item.outcome))?;
                let file = item.file.map(|(code, id)| {
                    let form = Form::of_code(code).ok_or_else(|| format!("unknown form {code}"))?;
                    Ok::<_, String>((form, id.to_owned()))
                });
                Ok(ItemTold {
                    key: item.key.to_owned(),
                    outcome,
                    detail: texts.unread(item.detail),
                    file: file.transpose()?,
                })
            });
            Event::MediaTold {
                delivery: key(told.delivery),
                notice: told.notice,
                part: told.part,
                target: told.target,
                receiver: told.receiver,
                provider: told.provider,
                items: items.collect::<Result<_, String>>()?,
                rest_until: told.rest_until,
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
