//! Held deliveries: until when, in which slot, and what they gather.
//!
//! **Invariant:** a delivery has a [`Hold`] exactly while its status is `held`; `held`, `slots` and
//! `threads` name nothing else.

use super::{
    Delivery, DeliveryKey, Ending, Hold, Items, Member, Outbox, Row, Settled, Status,
    UNTIL_RELEASED,
};
use crate::domain::hold::{Stage, Thread};
use crate::domain::reason::What;

/// What ends a hold, or puts another in its place.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    /// Held on, until another moment.
    pub hold: Option<Hold>,
    pub silent: bool,
    pub pierced: bool,
    /// Whether a person did it.
    pub by_person: bool,
    pub now: i64,
}

impl Outbox {
    /// Enters a held delivery into what finds it again.
    pub(super) fn keep(&mut self, key: DeliveryKey, delivery: &Delivery) {
        let Some(hold) = delivery.hold.as_deref() else {
            return;
        };
        self.held.insert((hold.until, key));
        if hold.slot != 0 {
            self.slots.insert(hold.slot, key);
        }
        let members = delivery
            .gathered
            .iter()
            .flat_map(|gathered| gathered.members());
        for member in members.filter(|member| member.thread.key != 0) {
            self.threads.insert(member.thread.key, key);
        }
    }

    /// Takes a delivery out of what is held; does nothing when it is not.
    pub(super) fn let_go(&mut self, key: DeliveryKey) {
        let Some(delivery) = self.deliveries.get_mut(&key) else {
            return;
        };
        let Some(hold) = delivery.hold.take() else {
            return;
        };
        self.held.remove(&(hold.until, key));
        if self.slots.get(&hold.slot) == Some(&key) {
            self.slots.remove(&hold.slot);
        }
        let members = delivery
            .gathered
            .iter()
            .flat_map(|gathered| gathered.members());
        for member in members {
            if self.threads.get(&member.thread.key) == Some(&key) {
                self.threads.remove(&member.thread.key);
            }
        }
    }

    /// A further notice is told by a held delivery.
    pub(super) fn merge(&mut self, host: DeliveryKey, until: i64, member: Member, items: &Items) {
        self.change_held(host, |delivery| {
            if let Some(hold) = delivery.hold.as_deref_mut() {
                hold.until = until;
            }
            delivery.gathered.get_or_insert_default().add(member, items);
        });
    }

    /// What a held delivery would have said of a subject is taken back.
    pub(super) fn cancel(&mut self, host: DeliveryKey, thread: Thread) {
        self.change_held(host, |delivery| {
            if let Some(gathered) = delivery.gathered.as_deref_mut() {
                gathered.cancel(thread);
            }
        });
    }

    /// Changes a held delivery and finds its places anew.
    fn change_held(&mut self, key: DeliveryKey, change: impl FnOnce(&mut Delivery)) {
        let Some(hold) = self
            .deliveries
            .get(&key)
            .and_then(|delivery| delivery.hold.clone())
        else {
            return;
        };
        self.let_go(key);
        let Some(mut delivery) = self.deliveries.remove(&key) else {
            return;
        };
        delivery.hold = Some(hold);
        delivery.revision += 1;
        change(&mut delivery);
        self.keep(key, &delivery);
        self.deliveries.insert(key, delivery);
    }

    /// Ends a hold, or begins one with what waits for its turn.
    pub fn release(&mut self, key: DeliveryKey, release: Release) -> (Option<Row>, Settled) {
        let newest = self.newest_due_at;
        let was_quiet = self.is_quiet(key);
        let was_parked = self
            .deliveries
            .get(&key)
            .is_some_and(|delivery| delivery.status.needs_a_person());
        // The moment that a person chose is as good as a person's word at that moment.
        let chosen = self
            .deliveries
            .get(&key)
            .and_then(|delivery| delivery.hold.as_deref())
            .is_some_and(|hold| hold.why == What::HeldOperator);
        self.not_late(key);
        self.wait(key, |delivery| {
            delivery.silent = release.silent;
            delivery.pierced = release.pierced;
            delivery.critical |= release.pierced;
            delivery.through_quiet |= was_quiet;
            match release.hold {
                Some(hold) => {
                    delivery.status = Status::Held;
                    delivery.hold = Some(Box::new(hold));
                }
                None => {
                    delivery.status = Status::Due;
                    delivery.at_once = release.by_person || chosen;
                    // Its age counts from here: what was held is not old.
                    delivery.planned_at = release.now;
                    delivery.due_at = release.now.max(newest);
                }
            }
        });
        let Some(mut delivery) = self.deliveries.remove(&key) else {
            return (None, Settled::default());
        };
        if delivery.hold.is_some() {
            self.keep(key, &delivery);
        } else {
            self.newest_due_at = self.newest_due_at.max(delivery.due_at);
        }
        let mut settled = Settled::default();
        if was_parked {
            // Its tries start over.
            (delivery.failures, delivery.tries, delivery.not_before) = (0, 0, 0);
            settled.parked = -1;
            if let Some(notice) = self.notices.get_mut(&key.position) {
                notice.parked = notice.parked.saturating_sub(1);
            }
        }
        self.deliveries.insert(key, delivery);
        self.may_be_late(key);
        (self.refresh_row(key.position, None), settled)
    }

    fn is_quiet(&self, key: DeliveryKey) -> bool {
        let delivery = self.deliveries.get(&key);
        delivery.is_some_and(|delivery| {
            let hold = delivery.hold.as_deref();
            delivery.through_quiet || hold.is_some_and(|hold| hold.why == What::HeldQuietHours)
        })
    }

    /// A delivery is told by another one from here on, which is held or waits for its turn.
    pub fn merge_into(
        &mut self,
        key: DeliveryKey,
        host: DeliveryKey,
        until: i64,
        now: i64,
    ) -> (Option<Row>, Settled) {
        if self.is_quiet(key)
            && let Some(host) = self.deliveries.get_mut(&host)
        {
            host.through_quiet = true;
        }
        // While its members still say by which threads it is found.
        self.let_go(key);
        let taken = self.deliveries.get_mut(&key).and_then(|delivery| {
            let notice = delivery.notice;
            delivery.gathered.take().or_else(|| {
                let mut alone = super::Gathered::default();
                let thread = Thread::default();
                alone.add(Member { notice, thread }, &Items::default());
                Some(Box::new(alone))
            })
        });
        let Some(gathered) = taken else {
            return (None, Settled::default());
        };
        match self.deliveries.get_mut(&host) {
            Some(waiting) if waiting.hold.is_none() => gather_waiting(waiting, *gathered),
            Some(_) | None => self.change_held(host, |delivery| {
                if let Some(hold) = delivery.hold.as_deref_mut() {
                    hold.until = until;
                }
                delivery.gathered.get_or_insert_default().absorb(*gathered);
            }),
        }
        self.end(key, Ending::Merged, now)
    }

    /// Notices that are not wanted any more leave a delivery that is held or waits for its turn.
    pub fn forget_members(&mut self, key: DeliveryKey, unwanted: &[u64]) {
        if unwanted.is_empty() {
            return;
        }
        let forget = |delivery: &mut Delivery| {
            if let Some(gathered) = delivery.gathered.as_deref_mut() {
                gathered.retain(|notice| !unwanted.contains(&notice));
            }
        };
        match self.deliveries.get_mut(&key) {
            // Its words are made anew.
            Some(waiting) if waiting.hold.is_none() => {
                forget(waiting);
                waiting.composed = None;
            }
            Some(_) | None => self.change_held(key, forget),
        }
    }

    /// Moves relative holds by a step of the wall clock.
    pub(super) fn shift_holds(&mut self, by_micros: i64) {
        let relative: Vec<DeliveryKey> = self
            .held
            .iter()
            .map(|(_, key)| *key)
            .filter(|key| {
                let hold = self
                    .deliveries
                    .get(key)
                    .and_then(|delivery| delivery.hold.as_deref());
                hold.is_some_and(|hold| {
                    hold.until != UNTIL_RELEASED && Stage::is_relative(hold.why)
                })
            })
            .collect();
        for key in relative {
            self.change_held(key, |delivery| {
                if let Some(hold) = delivery.hold.as_deref_mut() {
                    hold.until = hold.until.saturating_add(by_micros);
                }
            });
        }
    }

    /// What waited for somebody to resume after a restore is looked at now.
    pub fn end_restored(&mut self, now: i64) {
        let restored: Vec<DeliveryKey> = self
            .held
            .iter()
            .map(|(_, key)| *key)
            .filter(|key| {
                let delivery = self.deliveries.get(key);
                delivery
                    .and_then(|delivery| delivery.hold.as_deref())
                    .is_some_and(|hold| hold.why == What::HeldRestored)
            })
            .collect();
        for key in restored {
            self.change_held(key, |delivery| {
                if let Some(hold) = delivery.hold.as_deref_mut() {
                    hold.until = now;
                }
            });
        }
    }

    /// The earliest moment at which something held is to be looked at.
    pub fn next_release(&self) -> Option<i64> {
        self.held
            .first()
            .map(|(until, _)| *until)
            .filter(|until| *until != UNTIL_RELEASED)
    }
}

/// A delivery that waits for its turn tells of others too: its words are made anew.
fn gather_waiting(delivery: &mut Delivery, gathered: super::Gathered) {
    let notice = delivery.notice;
    let own = delivery.gathered.get_or_insert_with(|| {
        let mut alone = super::Gathered::default();
        let thread = Thread::default();
        alone.add(Member { notice, thread }, &Items::default());
        Box::new(alone)
    });
    own.absorb(gathered);
    delivery.composed = None;
    delivery.revision += 1;
}
