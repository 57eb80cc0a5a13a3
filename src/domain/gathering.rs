//! Into which held delivery a further notice goes, while one command is decided.
//!
//! A command may bring many notices, and what the first of them held is not in the state yet when the
//! second is routed: this remembers it.

use std::collections::{BTreeMap, BTreeSet};

use super::event::DeliveryKey;
use super::hold::{Hold, Thread, Way};
use super::notice::Items;
use super::policy::Span;
use super::reason::What;
use crate::projections::outbox::{Gathered, Member, Outbox};

/// A notice on its way into a slot.
pub struct Arrival<'a> {
    pub delivery: DeliveryKey,
    pub notice: u64,
    pub hold: Hold,
    pub thread: Thread,
    pub items: &'a Items,
    pub now: i64,
    /// Longest that settling goes on.
    pub settle_max: Span,
    /// How many notices make a digest due at once.
    pub digest_after: Option<u16>,
}

struct Host {
    hold: Hold,
    gathered: Gathered,
    since: i64,
}

/// A held delivery, looked at.
struct Seen<'s> {
    notice: u64,
    hold: Hold,
    gathered: Option<&'s Gathered>,
    /// When it began to be held.
    since: i64,
}

/// What this command has changed of what is held.
pub struct Gathering<'a> {
    outbox: &'a Outbox,
    /// Whether further notices of the command may meet what this one changes.
    remembers: bool,
    hosts: BTreeMap<DeliveryKey, (u64, Host)>,
    slots: BTreeMap<u64, DeliveryKey>,
    threads: BTreeMap<u64, DeliveryKey>,
    /// Hosts of which nothing is left, with their notices.
    emptied: BTreeSet<(DeliveryKey, u64)>,
    /// Messages that became due in this command, by receiver.
    due: BTreeMap<u32, usize>,
}

impl<'a> Gathering<'a> {
    /// For a command that brings so many notices.
    pub fn of(outbox: &'a Outbox, notices: usize) -> Self {
        Gathering {
            outbox,
            remembers: notices > 1,
            hosts: BTreeMap::new(),
            slots: BTreeMap::new(),
            threads: BTreeMap::new(),
            emptied: BTreeSet::new(),
            due: BTreeMap::new(),
        }
    }

    /// A message for a receiver is due at once.
    pub fn count_due(&mut self, receiver: u32) {
        *self.due.entry(receiver).or_default() += 1;
    }

    /// How many this command has made due for a receiver.
    pub fn due(&self, receiver: u32) -> usize {
        self.due.get(&receiver).copied().unwrap_or(0)
    }

    /// What becomes of a notice that is to be held.
    pub fn take(&mut self, arrival: &Arrival<'_>) -> Way {
        let Arrival { hold, thread, .. } = *arrival;
        if let Some(host) = self.opposite(thread) {
            let nothing_left = |seen: Seen<'_>| {
                seen.gathered
                    .is_some_and(|gathered| gathered.is_empty_without(thread))
            };
            if self.look(host).is_some_and(nothing_left) {
                self.empty(host);
            }
            self.change(host, |host| host.gathered.cancel(thread));
            return Way::Cancelled { host, thread };
        }
        let key = self.host(hold.slot);
        if let Some((key, host)) = key.and_then(|key| Some((key, self.look(key)?))) {
            let gathered = host.gathered;
            if gathered.is_some_and(|gathered| gathered.items_would_cancel(arrival.items)) {
                self.empty(key);
                let thread = Thread::default();
                return Way::Cancelled { host: key, thread };
            }
            let until = until(arrival, &host);
            let member = Member {
                notice: arrival.notice,
                thread,
            };
            self.change(key, |host| {
                host.gathered.add(member, arrival.items);
                host.hold.until = until;
            });
            if self.remembers && thread.key != 0 {
                self.threads.insert(thread.key, key);
            }
            return Way::Merged {
                host: key,
                until,
                thread,
            };
        }
        let mut hold = hold;
        if is_full(arrival, 0) {
            hold.until = arrival.now;
        }
        if self.remembers {
            let mut gathered = Gathered::default();
            let notice = arrival.notice;
            gathered.add(Member { notice, thread }, arrival.items);
            let host = Host {
                hold,
                gathered,
                since: arrival.now,
            };
            self.hosts.insert(arrival.delivery, (notice, host));
            self.slots.insert(hold.slot, arrival.delivery);
            if thread.key != 0 {
                self.threads.insert(thread.key, arrival.delivery);
            }
        }
        Way::Held { hold, thread }
    }

    /// Held deliveries of which nothing is left, with their notices: they end here.
    pub fn emptied(self) -> BTreeSet<(DeliveryKey, u64)> {
        self.emptied
    }

    fn is_emptied(&self, key: DeliveryKey) -> bool {
        self.emptied
            .range((key, 0)..=(key, u64::MAX))
            .next()
            .is_some()
    }

    /// Whether a slot has a host.
    pub fn holds(&self, slot: u64) -> bool {
        self.host(slot).is_some()
    }

    /// The host of a slot.
    fn host(&self, slot: u64) -> Option<DeliveryKey> {
        let known = self
            .slots
            .get(&slot)
            .or_else(|| self.outbox.slots.get(&slot));
        known
            .copied()
            .filter(|key| slot != 0 && !self.is_emptied(*key))
    }

    /// A held delivery as this command has left it.
    fn look(&self, key: DeliveryKey) -> Option<Seen<'_>> {
        if let Some((notice, host)) = self.hosts.get(&key) {
            return Some(Seen {
                notice: *notice,
                hold: host.hold,
                gathered: Some(&host.gathered),
                since: host.since,
            });
        }
        let delivery = self.outbox.deliveries.get(&key)?;
        Some(Seen {
            notice: delivery.notice,
            hold: *delivery.hold.as_deref()?,
            gathered: delivery.gathered.as_deref(),
            since: delivery.planned_at,
        })
    }

    /// Where the opposite of this is held.
    fn opposite(&self, thread: Thread) -> Option<DeliveryKey> {
        if thread.key == 0 {
            return None;
        }
        let known = self.threads.get(&thread.key);
        let key = *known.or_else(|| self.outbox.threads.get(&thread.key))?;
        let takes_back = |seen: Seen<'_>| {
            seen.gathered
                .is_some_and(|gathered| gathered.takes_back(thread))
        };
        (!self.is_emptied(key) && self.look(key).is_some_and(takes_back)).then_some(key)
    }

    /// Nothing more goes into this one: nothing is left of it.
    pub(super) fn empty(&mut self, key: DeliveryKey) {
        if let Some(notice) = self.look(key).map(|seen| seen.notice) {
            self.emptied.insert((key, notice));
        }
    }

    fn change(&mut self, key: DeliveryKey, change: impl FnOnce(&mut Host)) {
        if !self.remembers {
            return;
        }
        if let Some((_, host)) = self.hosts.get_mut(&key) {
            return change(host);
        }
        if let Some(seen) = self.look(key) {
            let notice = seen.notice;
            let mut host = Host {
                hold: seen.hold,
                gathered: seen.gathered.cloned().unwrap_or_default(),
                since: seen.since,
            };
            change(&mut host);
            self.hosts.insert(key, (notice, host));
        }
    }
}

/// Until when a host is held on, now that a notice has come to it.
fn until(arrival: &Arrival<'_>, host: &Seen<'_>) -> i64 {
    let waiting = host.gathered.map_or(0, Gathered::count);
    match arrival.hold.why {
        // It waits until it has been quiet, and not for ever.
        What::HeldSettling => {
            let most = host.since.saturating_add(arrival.settle_max.micros());
            arrival.hold.until.min(most)
        }
        What::HeldDigest if is_full(arrival, waiting) => arrival.now,
        What::HeldQuietHours => arrival.hold.until,
        _other => host.hold.until,
    }
}

fn is_full(arrival: &Arrival<'_>, waiting: u64) -> bool {
    arrival.hold.why == What::HeldDigest
        && arrival
            .digest_after
            .is_some_and(|after| waiting + 1 >= u64::from(after))
}
