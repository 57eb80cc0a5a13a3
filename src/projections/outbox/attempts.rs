//! From a claim to its outcome: what is under way, tried again, given up for now, and over.

use super::{Delivery, Ending, Lane, Outbox, Row, Settled, Status};
use crate::domain::event::DeliveryKey;
use crate::projections::messages::PARTS_REMEMBERED_MAX;

impl Outbox {
    pub fn start(&mut self, key: DeliveryKey, composed: u64) {
        let Some(delivery) = self.deliveries.get_mut(&key) else {
            return;
        };
        let lane = self.lanes.entry(delivery.receiver).or_default();
        lane.leave(key, delivery);
        lane.begin(delivery.subject);
        *self.sending.entry(delivery.target).or_default() += 1;
        delivery.status = Status::Sending;
        delivery.revision += 1;
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.composed = Some(composed);
    }

    /// Takes a delivery out of what is under way; does nothing when it is not.
    pub(super) fn stop(&mut self, key: DeliveryKey) {
        let Some(delivery) = self.deliveries.get(&key) else {
            return;
        };
        if delivery.status != Status::Sending {
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&delivery.receiver) {
            lane.end(delivery.subject);
        }
        if let Some(count) = self.sending.get_mut(&delivery.target) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sending.remove(&delivery.target);
            }
        }
    }

    /// Puts a delivery back into its lane with a status that waits.
    pub(super) fn wait(&mut self, key: DeliveryKey, change: impl FnOnce(&mut Delivery)) {
        self.stop(key);
        self.let_go(key);
        self.parked.remove(&key);
        let Some(delivery) = self.deliveries.get_mut(&key) else {
            return;
        };
        let lane = self.lanes.entry(delivery.receiver).or_default();
        lane.leave(key, delivery);
        change(delivery);
        delivery.revision += 1;
        if delivery.status.waits() {
            lane.enter(key, delivery);
        }
        self.tidy(key);
    }

    pub fn part_sent(&mut self, key: DeliveryKey, part: u16, id: Option<&String>) {
        self.wait(key, |delivery| {
            if usize::from(part) == delivery.said.len()
                && delivery.said.len() < PARTS_REMEMBERED_MAX
            {
                delivery.said.push(id.cloned().unwrap_or_default());
            }
            delivery.status = Status::Due;
            delivery.part = part + 1;
            delivery.fallbacks = 0;
            delivery.failures = 0;
            delivery.tries = 0;
            delivery.not_before = 0;
            delivery.reason = None;
        });
    }

    /// `own`: whether it failed by its own fault, which uses up a try.
    pub fn retry_at(&mut self, key: DeliveryKey, retry_at: i64, own: bool, reason: &str) {
        self.wait(key, |delivery| {
            delivery.status = Status::Retrying;
            delivery.failures = delivery.failures.saturating_add(1);
            delivery.tries = delivery.tries.saturating_add(u16::from(own));
            delivery.not_before = retry_at;
            delivery.reason = Some(reason.to_owned());
        });
    }

    pub fn fall_back(&mut self, key: DeliveryKey, composed: u64) {
        self.wait(key, |delivery| {
            delivery.status = Status::Due;
            delivery.composed = Some(composed);
            delivery.fallbacks = delivery.fallbacks.saturating_add(1);
        });
    }

    pub fn give_back(&mut self, key: DeliveryKey) {
        self.wait(key, |delivery| {
            delivery.status = if delivery.failures > 0 {
                Status::Retrying
            } else {
                Status::Due
            };
        });
    }

    /// A person wants it sent after all: its tries start over.
    pub fn retry_now(&mut self, key: DeliveryKey) -> (Option<Row>, Settled) {
        let was = self.deliveries.get(&key).map(|delivery| delivery.status);
        self.wait(key, |delivery| {
            delivery.status = Status::Due;
            delivery.failures = 0;
            delivery.tries = 0;
            delivery.not_before = 0;
            delivery.reason = None;
            delivery.at_once = true;
        });
        let settled = if was.is_some_and(Status::needs_a_person) {
            if let Some(notice) = self.notices.get_mut(&key.position) {
                notice.parked = notice.parked.saturating_sub(1);
            }
            Settled {
                parked: -1,
                ..Settled::default()
            }
        } else {
            Settled::default()
        };
        (self.refresh_row(key.position, None), settled)
    }

    /// Given up for now. `status` is parked or unknown.
    pub fn park(
        &mut self,
        key: DeliveryKey,
        status: Status,
        reason: &str,
    ) -> (Option<Row>, Settled) {
        self.stop(key);
        self.let_go(key);
        self.not_late(key);
        let Some(delivery) = self.deliveries.get_mut(&key) else {
            return (None, Settled::default());
        };
        let before = delivery.status;
        if let Some(lane) = self.lanes.get_mut(&delivery.receiver) {
            lane.leave(key, delivery);
        }
        delivery.status = status;
        delivery.revision += 1;
        delivery.reason = Some(reason.to_owned());
        self.parked.insert(key);
        self.tidy(key);
        if before.needs_a_person() {
            return (None, Settled::default());
        }
        if let Some(notice) = self.notices.get_mut(&key.position) {
            notice.parked += 1;
        }
        (
            self.refresh_row(key.position, None),
            Settled {
                parked: 1,
                ..Settled::default()
            },
        )
    }

    /// Ends a delivery for good. It leaves the state; the notice too when it was its last.
    pub fn settle(&mut self, key: DeliveryKey, sent: bool, now: i64) -> (Option<Row>, Settled) {
        self.end(key, if sent { Ending::Sent } else { Ending::Dropped }, now)
    }

    pub(super) fn end(
        &mut self,
        key: DeliveryKey,
        ending: Ending,
        now: i64,
    ) -> (Option<Row>, Settled) {
        self.stop(key);
        self.let_go(key);
        self.not_late(key);
        let Some(delivery) = self.deliveries.get(&key) else {
            return (None, Settled::default());
        };
        let was_parked = delivery.status.needs_a_person();
        if let Some(lane) = self.lanes.get_mut(&delivery.receiver) {
            lane.leave(key, delivery);
        }
        self.parked.remove(&key);
        self.tidy(key);
        self.deliveries.remove(&key);
        if self.deliveries.is_empty() {
            self.newest_due_at = 0;
        }
        if let Some(notice) = self.notices.get_mut(&key.position) {
            notice.open = notice.open.saturating_sub(1);
            if was_parked {
                notice.parked = notice.parked.saturating_sub(1);
            }
            match ending {
                Ending::Sent => notice.sent += 1,
                Ending::Dropped => notice.dropped += 1,
                Ending::Merged => notice.merged += 1,
            }
        }
        let row = self.refresh_row(key.position, Some(now));
        if self
            .notices
            .get(&key.position)
            .is_some_and(|notice| notice.open == 0)
        {
            self.notices.remove(&key.position);
        }
        let settled = Settled {
            sent: u16::from(ending == Ending::Sent),
            dropped: u16::from(ending == Ending::Dropped),
            parked: if was_parked { -1 } else { 0 },
        };
        (row, settled)
    }

    /// The row of a notice when its status has changed.
    pub(super) fn refresh_row(&mut self, planning: u64, settled_at: Option<i64>) -> Option<Row> {
        let notice = self.notices.get_mut(&planning)?;
        let status = notice.status();
        let settled_at = if notice.open == 0 { settled_at } else { None };
        if status == notice.row.status && settled_at == notice.row.settled_at {
            return None;
        }
        notice.row.status = status;
        notice.row.settled_at = settled_at;
        Some(notice.row.clone())
    }

    /// Lets a lane go that nothing waits in any more.
    pub(super) fn tidy(&mut self, key: DeliveryKey) {
        if let Some(delivery) = self.deliveries.get(&key)
            && self
                .lanes
                .get(&delivery.receiver)
                .is_some_and(Lane::is_idle)
        {
            self.lanes.remove(&delivery.receiver);
        }
    }
}
