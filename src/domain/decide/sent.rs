//! What follows when a service has taken a part, or will not have an earlier message edited.

use std::time::Duration;

use super::super::command::Saying;
use super::super::event::{Event, Outcome};
use super::super::reason::What;
use super::Decided;
use super::delivery::{Attempt, ID_BYTES_MAX, RETRY_AFTER_MAX, shortened};

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
