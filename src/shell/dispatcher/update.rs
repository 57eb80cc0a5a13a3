//! One message per subject: whether a delivery edits what was told before, and what of it is
//! remembered for the next.
//!
//! Only a notice that opens, updates or closes a subject takes part, over a link with `update = true`. A
//! message is edited part by part, where it has as many as the earlier one; else it answers to that
//! one. So does a message that tells several notices. What a person sends again, or a link repeats,
//! is there to be seen and stands by itself.

use super::prepare::Prepared;
use crate::domain::command::{FilesTold, Saying};
use crate::domain::event::{DeliveryKey, Remember};
use crate::domain::notice::{Notice, Transition};
use crate::domain::state::State;
use crate::projections::messages::{self, Place};
use crate::projections::outbox::Delivery;
use crate::targets::MessageRef;

/// The message that was told last, where this notice is about the same opening of its subject. An old
/// one is no place for what has just begun.
pub(super) fn earlier<'s>(
    state: &'s State,
    key: DeliveryKey,
    delivery: &Delivery,
    notice: &Notice,
) -> Option<&'s messages::Message> {
    let message = state.messages.get(Place {
        via: delivery.via,
        receiver: delivery.receiver,
        subject: delivery.subject,
    })?;
    let provider = state
        .outbox
        .notices
        .get(&key.position)
        .map_or(0, |open| open.row.facts.provider);
    let belongs = match state.subjects.get(provider, delivery.subject) {
        Some(open) => message.position > open.notice,
        // It has closed, or nobody opened it.
        None => notice.draft.transition != Transition::Opens,
    };
    belongs.then_some(message)
}

impl Prepared {
    /// What this delivery means to others about its subject.
    pub(super) fn saying(&self, key: DeliveryKey, notice: &Notice) -> Saying {
        let alone = self.delivery.gathered.as_deref().is_none_or(|gathered| {
            let members = gathered.members().iter();
            members
                .map(|member| member.notice)
                .eq([self.delivery.notice])
        });
        let planned_by_it = key.position == self.delivery.notice;
        if !self.updates || !planned_by_it || notice.draft.subject.key.is_empty() {
            return Saying::default();
        }
        if !alone {
            let earlier = self.earlier.as_ref();
            return Saying {
                anew: earlier.map(|_| "it tells several notices, so it is a new message".into()),
                ..Saying::default()
            };
        }
        Saying {
            remember: match notice.draft.transition {
                Transition::None => Remember::No,
                Transition::Opens | Transition::Updates => Remember::Keep,
                Transition::Closes => Remember::Forget,
            },
            edited: None,
            files: FilesTold::default(),
            anew: None,
        }
    }

    /// The message that is edited instead of sending another part.
    pub(super) fn edits(
        &self,
        saying: &mut Saying,
        part: u16,
        parts: usize,
    ) -> Option<MessageRef<'_>> {
        let earlier = self.earlier.as_ref().filter(|earlier| earlier.editable)?;
        if saying.remember == Remember::No {
            return None;
        }
        let before = earlier.ids.len();
        if before != parts {
            saying.anew = Some(format!(
                "it has {parts} parts and the earlier message {before}, so it is a new message"
            ));
            return None;
        }
        let id = earlier.ids.get(usize::from(part))?;
        Some(MessageRef { id })
    }

    /// The message that this one answers to: with its first part, or with the first that could not be
    /// edited.
    pub(super) fn replies(&self, saying: &Saying, part: u16) -> Option<MessageRef<'_>> {
        let earlier = self.earlier.as_ref()?;
        let takes_part = saying.remember != Remember::No || saying.anew.is_some();
        let before = usize::from(part).checked_sub(1);
        let begins = before.is_none_or(|before| {
            let edited = self.delivery.said.get(before);
            !earlier.editable && edited.is_some() && edited == earlier.ids.get(before)
        });
        let id = earlier.ids.first()?;
        (takes_part && begins).then_some(MessageRef { id })
    }
}
