//! Deliveries whose notice goes elsewhere when they have not arrived in time.
//!
//! **Invariant:** `overdue` names exactly the deliveries with a `fallback_after` that are on their way:
//! neither held nor given up, and not told elsewhere already.

use super::{Delivery, DeliveryKey, Outbox, Status};

impl Delivery {
    /// When it is late. Its age counts from the moment at which it was not held any more.
    fn late_at(&self) -> i64 {
        let wait = i64::from(self.fallback_after) * 1_000_000;
        self.planned_at.saturating_add(wait)
    }

    fn may_be_late(&self) -> bool {
        let on_its_way = match self.status {
            Status::Due | Status::Sending | Status::Retrying => true,
            Status::Held
            | Status::Sent
            | Status::Parked
            | Status::Dropped
            | Status::Merged
            | Status::Unknown => false,
        };
        self.fallback_after != 0 && !self.fell_back && on_its_way
    }
}

impl Outbox {
    /// Sets after how many seconds a delivery is late; 0: never.
    pub fn await_fallback(&mut self, key: DeliveryKey, seconds: u32) {
        self.not_late(key);
        if let Some(delivery) = self.deliveries.get_mut(&key) {
            delivery.fallback_after = seconds;
        }
        self.may_be_late(key);
    }

    /// Its notice was planned elsewhere, by the event at `planning`: what it gathered goes there too.
    pub fn hand_on(&mut self, key: DeliveryKey, planning: u64) {
        self.not_late(key);
        let Some(delivery) = self.deliveries.get_mut(&key) else {
            return;
        };
        delivery.fell_back = true;
        let gathered = delivery.gathered.clone();
        if gathered.is_none() {
            return;
        }
        let (first, last) = (of(planning, 0), of(planning, u16::MAX));
        for (_, new) in self.deliveries.range_mut(first..=last) {
            new.gathered.clone_from(&gathered);
        }
    }

    /// Enters a delivery where it is found when it is late.
    pub(super) fn may_be_late(&mut self, key: DeliveryKey) {
        if let Some(delivery) = self.deliveries.get(&key)
            && delivery.may_be_late()
        {
            self.overdue.insert((delivery.late_at(), key));
        }
    }

    /// Takes it out again. To be told before it changes.
    pub(super) fn not_late(&mut self, key: DeliveryKey) {
        if let Some(delivery) = self.deliveries.get(&key)
            && delivery.fallback_after != 0
        {
            self.overdue.remove(&(delivery.late_at(), key));
        }
    }

    /// Finds everything anew, after all moments were shifted.
    pub(super) fn shift_overdue(&mut self) {
        let keys: Vec<DeliveryKey> = self.overdue.iter().map(|(_, key)| *key).collect();
        self.overdue.clear();
        for key in keys {
            self.may_be_late(key);
        }
    }
}

fn of(position: u64, ordinal: u16) -> DeliveryKey {
    DeliveryKey { position, ordinal }
}
