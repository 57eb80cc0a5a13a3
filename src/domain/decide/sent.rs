//! What follows when a service has taken a part, or will not have an earlier message edited.

use std::time::Duration;

use super::super::command::{FilesTold, Saying};
use super::super::event::{Answer, DeliveryKey, Event, Outcome};
use super::super::item::ITEMS_MAX;
use super::super::notice::cut;
use super::super::reason::What;
use super::Decided;
use super::delivery::{Attempt, ID_BYTES_MAX, RETRY_AFTER_MAX, shortened};
use crate::projections::outbox::Delivery;

/// Longest reason why a file was left out, in bytes.
const ITEM_DETAIL_BYTES_MAX: usize = 256;
/// Ids of one part that are kept.
const IDS_MAX: usize = 16;

impl Attempt<'_> {
    pub(super) fn sent(self, mut ids: Vec<String>, pause: Option<Duration>, parts: u16) -> Decided {
        let pause_until = pause.map(|pause| {
            let pause = pause.min(RETRY_AFTER_MAX).as_micros();
            let micros = i64::try_from(pause).unwrap_or(i64::MAX);
            self.context.now.saturating_add(micros)
        });
        ids.retain(|id| id.len() <= ID_BYTES_MAX);
        ids.truncate(IDS_MAX);
        let Saying {
            remember,
            edited,
            anew,
            files: _,
        } = self.saying;
        let why = if edited.is_some() {
            What::Edited
        } else {
            What::Sent
        };
        if ids.is_empty() {
            ids.extend(edited);
        }
        let (delivery, notice, part) = (self.key, self.delivery.notice, self.part);
        Decided::done(if part.saturating_add(1) < parts {
            Event::PartSent {
                delivery,
                notice,
                part,
                ids,
                answer: self.answer,
                pause_until,
            }
        } else {
            Event::DeliverySettled {
                delivery,
                notice,
                part,
                outcome: Outcome::Sent,
                why,
                detail: shortened(anew.unwrap_or_default()),
                ids,
                answer: self.answer,
                pause_until,
                remember,
            }
        })
    }

    /// A part that is refused for good is left out, and what follows goes on without it.
    pub(super) fn left_out(self, reason: String, parts: u16) -> Decided {
        let (delivery, notice, part) = (self.key, self.delivery.notice, self.part);
        let mut decided = Decided::done(Event::PartLeftOut {
            delivery,
            notice,
            part,
            reason: shortened(reason),
            answer: self.answer,
        });
        if part.saturating_add(1) >= parts {
            decided.events.push(Event::DeliverySettled {
                delivery,
                notice,
                part,
                outcome: Outcome::Sent,
                why: What::Sent,
                detail: String::new(),
                ids: Vec::new(),
                answer: Answer::default(),
                pause_until: None,
                remember: self.saying.remember,
            });
        }
        decided
    }

    pub(super) fn sent_anew(self, reason: String) -> Decided {
        Decided::done(Event::EditRefused {
            delivery: self.key,
            notice: self.delivery.notice,
            part: self.part,
            reason: shortened(reason),
            answer: self.answer,
        })
    }
}

/// What is recorded about the files of a part, whatever became of the part itself. It stands last:
/// what else is decided refers to the position of its first event.
pub(super) fn files_told(
    (delivery, key): (&Delivery, DeliveryKey),
    mut told: FilesTold,
    now: i64,
) -> Option<Event> {
    if told.items.is_empty() {
        return None;
    }
    told.items.truncate(ITEMS_MAX);
    for item in &mut told.items {
        cut(&mut item.detail, ITEM_DETAIL_BYTES_MAX);
        item.file = item.file.take().filter(|(_, id)| id.len() <= ID_BYTES_MAX);
    }
    let rest = told.rest.min(RETRY_AFTER_MAX).as_micros();
    let rest = i64::try_from(rest).unwrap_or(i64::MAX);
    Some(Event::MediaTold {
        delivery: key,
        notice: delivery.notice,
        part: delivery.part,
        target: delivery.target,
        receiver: delivery.receiver,
        provider: told.provider,
        items: told.items,
        rest_until: (rest > 0).then(|| now.saturating_add(rest)),
    })
}
