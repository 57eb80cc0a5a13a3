//! What sending leaves behind for what is sent later: moments that pace counts, rests that a service
//! asked for, and messages that can be edited.

use super::{At, State};
use crate::domain::event::{DeliveryKey, Remember};
use crate::projections::messages::{Message, Place};
use crate::projections::outbox::pace::{Account, account};
use crate::targets::media::ItemTold;

impl State {
    /// Something is started: its receiver's and account's pace count it. What is not configured any more
    /// leaves nothing behind.
    pub(super) fn note_start(&mut self, at: At, key: DeliveryKey) {
        let Some((target, receiver)) = self.place(key) else {
            return;
        };
        let Some(configured) = self
            .configuration
            .targets
            .get(&target)
            .filter(|_| self.configuration.receivers.contains_key(&receiver))
        else {
            return;
        };
        let account = account(&self.configuration, configured);
        self.outbox.pacing.note(receiver, account, at.recorded_at);
    }

    /// The service wants to be left alone although it took what it was sent.
    pub(super) fn rest(&mut self, key: DeliveryKey, until: Option<i64>) {
        if let Some(until) = until
            && let Some((target, _)) = self.place(key)
            && self.configuration.targets.contains_key(&target)
        {
            self.outbox.pause_target(target, until);
        }
    }

    /// Takes in under which names a service has files from now on, and when a receiver gets more.
    pub(super) fn media_told(
        &mut self,
        at: At,
        (target, provider): (u32, u32),
        receiver: u32,
        items: &[ItemTold],
        rest_until: Option<i64>,
    ) {
        if self.configuration.targets.contains_key(&target) {
            for item in items {
                if let Some((form, id)) = &item.file {
                    let file = (*form, id.as_str());
                    self.files
                        .keep((target, provider), &item.key, file, at.recorded_at);
                }
            }
        }
        if let Some(until) = rest_until
            && self.configuration.receivers.contains_key(&receiver)
        {
            self.outbox.pause_receiver(receiver, until);
        }
    }

    /// Under what the message of a delivery is remembered; with its tracker and target.
    pub(super) fn told_at(&self, key: DeliveryKey) -> Option<(Place, u32, u32)> {
        let delivery = self.outbox.deliveries.get(&key)?;
        let place = Place {
            via: delivery.via,
            receiver: delivery.receiver,
            subject: delivery.subject,
        };
        Some((place, delivery.tracker, delivery.target))
    }

    /// A message of a subject was sent or edited: the next one edits it, unless the subject ended or nobody
    /// could send the next one.
    pub(super) fn remember(
        &mut self,
        at: At,
        key: DeliveryKey,
        what: Remember,
        part: u16,
        ids: &[String],
    ) {
        let Some((place, tracker, target)) = self.told_at(key) else {
            return;
        };
        let of = self.outbox.notices.get(&key.position);
        let (notice, facts) = of.map_or_else(Default::default, |of| (of.notice, of.row.facts));
        let delivery = self.outbox.deliveries.get(&key);
        let mut said = delivery.map_or_else(Vec::new, |delivery| delivery.said.clone());
        let is_whole = said.len() == usize::from(part) && said.iter().all(|id| !id.is_empty());
        let is_configured = self.configuration.trackers.contains_key(&tracker)
            && self.configuration.receivers.get(&place.receiver) == Some(&target);
        match (what, ids.first()) {
            (Remember::No, _) => {}
            (Remember::Keep, Some(id)) if is_configured => {
                if is_whole {
                    said.push(id.clone());
                } else {
                    said = vec![id.clone()];
                }
                self.messages.keep(
                    place,
                    Message {
                        ids: said,
                        position: at.position,
                        tracker,
                        target,
                        notice,
                        provider: facts.provider,
                        kind_hash: facts.kind_hash,
                        editable: is_whole,
                    },
                );
            }
            (Remember::Keep | Remember::Forget, _) => self.messages.forget(place),
        }
    }

    /// The account of a target is not its any more.
    pub(super) fn forget_account(&mut self, target: u32) {
        if let Some(old) = self.configuration.targets.get(&target) {
            let left = account(&self.configuration, old);
            self.leave_account(left, |id| id == target);
        }
    }

    /// An account is left by these targets: unless another has it, what was counted goes.
    pub(super) fn leave_account(&mut self, left: Account, leaves: impl Fn(u32) -> bool) {
        let mut targets = self.configuration.targets.iter();
        let shared =
            targets.any(|(id, other)| !leaves(*id) && account(&self.configuration, other) == left);
        if !shared {
            self.outbox.pacing.forget_account(left);
        }
    }
}
