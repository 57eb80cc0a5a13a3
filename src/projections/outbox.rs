//! What is still to be sent: open deliveries, in lanes, and the notices they belong to.
//!
//! **Invariant:** only what is open is here. When the last delivery of a notice settles, the notice
//! leaves; the log, the rows and the index keep it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::event::{DeliveryKey, IdSeed, RowFacts};
use crate::domain::hold::{Hold, Planning, UNTIL_RELEASED, Way};
use crate::domain::notice::Items;
use crate::domain::spec::UnknownPolicy;

mod breaker;
mod gather;
mod held;
mod lane;
mod overdue;
pub mod pace;
mod row;

pub use breaker::{
    BREAKER_FAILURES, Breaker, OUTAGE_MICROS_MIN, PROBE_DOUBLINGS_MAX, SAME_DELIVERY_FAILURES,
};
pub use gather::{Gathered, ITEMS_GATHERED_MAX, MEMBERS_MAX, Member, item_hash};
pub use held::Release;
pub use lane::{Asked, Due, LANE_SCAN_MAX, Lane, TARGET_IN_FLIGHT_MAX, waits_until};
pub use row::{NoticeStatus, ROW_TRACKERS_MAX, Row};

/// Longest wait of a delivery, lane or target, in microseconds: what a service may ask for, and the
/// jitter on top.
pub const WAIT_MAX_MICROS: i64 = (6 * 3_600 + 2) * 1_000_000;
/// Different words remembered per notice, so that equal ones are stored once.
pub const COMPOSED_PER_NOTICE_MAX: usize = 16;

/// Status of a delivery; one enum everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Due,
    Held,
    Sending,
    Retrying,
    Sent,
    Parked,
    Dropped,
    Merged,
    Unknown,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Status::Due,
        Status::Held,
        Status::Sending,
        Status::Retrying,
        Status::Sent,
        Status::Parked,
        Status::Dropped,
        Status::Merged,
        Status::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Due => "due",
            Status::Held => "held",
            Status::Sending => "sending",
            Status::Retrying => "retrying",
            Status::Sent => "sent",
            Status::Parked => "parked",
            Status::Dropped => "dropped",
            Status::Merged => "merged",
            Status::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// Waiting for its turn in a lane.
    pub fn waits(self) -> bool {
        matches!(self, Status::Due | Status::Retrying)
    }

    /// Given up for now, until a person says what to do.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Status::Parked | Status::Unknown)
    }
}

/// A delivery that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The notice it belongs to (its family).
    pub notice: u64,
    pub tracker: u32,
    pub target: u32,
    pub receiver: u32,
    /// Index of the link in the planning event.
    pub link: u16,
    pub unknown: UnknownPolicy,
    /// Names the link over which it goes.
    pub via: u64,
    /// The slot of the group it belongs to; 0 for none.
    pub group: u64,
    pub critical: bool,
    /// Hash of provider and subject: deliveries about one subject never overtake each other.
    pub subject: u64,
    pub status: Status,
    /// Changes with every event about it.
    pub revision: u32,
    /// Microseconds since 1970: from here its age counts.
    pub planned_at: i64,
    /// Its place in the lane; never before that of an earlier one, whatever the clock did.
    pub due_at: i64,
    /// Not before this moment (retry).
    pub not_before: i64,
    /// Attempts started, all parts together.
    pub attempts: u16,
    /// Attempts of the present part that failed since it was planned or retried by a person.
    pub failures: u16,
    /// Those of them that were its own fault; an outage uses up none.
    pub tries: u16,
    /// The next part to send.
    pub part: u16,
    /// What the service calls the parts that are sent, of the first
    /// [`PARTS_REMEMBERED_MAX`](super::messages::PARTS_REMEMBERED_MAX); empty for one without a name.
    pub said: Vec<String>,
    /// Position of its words.
    pub composed: Option<u64>,
    /// How often the present part was put in another way.
    pub fallbacks: u8,
    /// Why it is parked, retrying or unknown.
    pub reason: Option<String>,
    /// It makes no sound.
    pub silent: bool,
    /// It was held through quiet hours, so that what it tells may be over by now.
    pub through_quiet: bool,
    /// It passes everything that would hold it, and sounds whatever is configured.
    pub pierced: bool,
    /// A person wants it now: no window holds it.
    pub at_once: bool,
    /// Until when it is held, and why; status `held` alone has one.
    pub hold: Option<Box<Hold>>,
    /// What it gathered while it was held, its own notice included.
    pub gathered: Option<Box<Gathered>>,
    /// Seconds after which its notice goes to its link's fallback; 0: not for being late.
    pub fallback_after: u32,
    /// Whether its notice went there.
    pub fell_back: bool,
}

/// A notice with open deliveries, under the position of the event that planned them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenNotice {
    pub notice: u64,
    pub seed: IdSeed,
    pub day: i32,
    pub row: Row,
    /// Planned deliveries that are not settled.
    pub open: u16,
    pub parked: u16,
    pub sent: u16,
    pub dropped: u16,
    /// Told by the deliveries of other notices.
    pub merged: u16,
    /// (hash, position) of words stored for it.
    pub composed: Vec<(u64, u64)>,
}

impl OpenNotice {
    pub fn status(&self) -> NoticeStatus {
        NoticeStatus::of(
            self.open.saturating_sub(self.parked),
            self.parked,
            self.sent,
            self.dropped,
            self.merged,
        )
    }
}

/// What has to be known of a delivery to plan it.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery {
    pub tracker: u32,
    pub target: u32,
    pub receiver: u32,
    pub link: u16,
    pub via: u64,
    pub unknown: UnknownPolicy,
    /// Settled as sent by the planning event itself.
    pub local: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outbox {
    pub paused: bool,
    pub notices: BTreeMap<u64, OpenNotice>,
    pub deliveries: BTreeMap<DeliveryKey, Delivery>,
    /// By receiver. A lane is here while something waits or is under way in it, or it is paused.
    pub lanes: BTreeMap<u32, Lane>,
    /// Targets in which nothing is sent before a moment.
    pub pauses: BTreeMap<u32, i64>,
    /// Under way, per target.
    pub sending: BTreeMap<u32, u16>,
    /// Parked and unknown ones: what a person has to look at.
    pub parked: BTreeSet<DeliveryKey>,
    /// The latest place in a lane among those that are open. Order is position's, so a clock that goes back must
    /// not put what comes later first.
    pub newest_due_at: i64,
    /// Held deliveries by the moment at which they are looked at again.
    pub held: BTreeSet<(i64, DeliveryKey)>,
    /// The host of each slot in which something is held.
    pub slots: BTreeMap<u64, DeliveryKey>,
    /// Where the opening or closing of a subject is held, by thread.
    pub threads: BTreeMap<u64, DeliveryKey>,
    /// By target, while it fails.
    pub breakers: BTreeMap<u32, Breaker>,
    /// When the last outage of a target ended.
    pub outages: BTreeMap<u32, i64>,
    /// When sending was last resumed; 0 before.
    pub resumed_at: i64,
    /// Deliveries with a fallback by the moment at which they are late.
    pub overdue: BTreeSet<(i64, DeliveryKey)>,
    /// What was started lately.
    pub pacing: pace::Pacing,
}

/// How a delivery leaves the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Sent,
    Dropped,
    Merged,
}

/// What an outbox change means to the rows and counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settled {
    pub sent: u16,
    pub parked: i16,
    pub dropped: u16,
}

/// What an event plans, beside its deliveries.
pub struct NewNotice<'a> {
    /// Of the event that plans.
    pub position: u64,
    pub notice: u64,
    pub seed: IdSeed,
    pub day: i32,
    pub facts: RowFacts,
    pub subject: u64,
    pub now: i64,
    /// What is not simply due.
    pub ways: &'a [Planning],
    pub items: &'a Items,
}

impl Outbox {
    /// Adds what an event planned. Returns the row of the notice.
    pub fn plan(
        &mut self,
        new_notice: &NewNotice<'_>,
        planned: impl ExactSizeIterator<Item = NewDelivery>,
    ) -> (Row, Settled) {
        let NewNotice {
            position,
            notice,
            seed,
            day,
            facts,
            subject,
            now,
            ways,
            items,
        } = *new_notice;
        let mut ways = ways.iter().peekable();
        let count = planned.len() as u16;
        let due_at = now.max(self.newest_due_at);
        let critical = facts.severity >= 3;
        let mut trackers: Vec<u32> = Vec::new();
        let (mut local, mut dropped, mut merged) = (0u16, 0u16, 0u16);
        for (index, new) in planned.enumerate() {
            if new.tracker != 0
                && !trackers.contains(&new.tracker)
                && trackers.len() < ROW_TRACKERS_MAX
            {
                trackers.push(new.tracker);
            }
            if new.local {
                local += 1;
                continue;
            }
            let key = DeliveryKey {
                position,
                ordinal: index as u16 + 1,
            };
            let planning = ways.next_if(|planning| usize::from(planning.index) == index);
            let way = planning.map(|planning| planning.way);
            let (mut silent, mut pierced, mut hold, mut gathered) = (false, false, None, None);
            match way {
                None => {}
                Some(Way::Now {
                    silent: quiet,
                    pierced: through,
                }) => (silent, pierced) = (quiet, through),
                Some(Way::Held {
                    hold: until,
                    thread,
                }) => {
                    hold = Some(Box::new(until));
                    if until.slot != 0 {
                        let mut first = Gathered::default();
                        first.add(Member { notice, thread }, items);
                        gathered = Some(Box::new(first));
                    }
                }
                Some(Way::Merged {
                    host,
                    until,
                    thread,
                }) => {
                    merged += 1;
                    self.merge(host, until, Member { notice, thread }, items);
                    continue;
                }
                Some(Way::Cancelled { host, thread }) => {
                    dropped += 1;
                    self.cancel(host, thread);
                    continue;
                }
                Some(Way::Dropped { why: _ }) => {
                    dropped += 1;
                    continue;
                }
            }
            let delivery = Delivery {
                notice,
                tracker: new.tracker,
                target: new.target,
                receiver: new.receiver,
                link: new.link,
                via: new.via,
                group: planning.map_or(0, |planning| planning.group),
                unknown: new.unknown,
                critical: critical || pierced,
                subject,
                status: if hold.is_some() {
                    Status::Held
                } else {
                    Status::Due
                },
                revision: 0,
                planned_at: now,
                due_at,
                not_before: 0,
                attempts: 0,
                failures: 0,
                tries: 0,
                part: 0,
                said: Vec::new(),
                composed: None,
                fallbacks: 0,
                reason: None,
                silent,
                through_quiet: false,
                pierced,
                at_once: planning.is_some_and(|planning| {
                    let plainly = Way::Now {
                        silent: false,
                        pierced: false,
                    };
                    planning.way == plainly && planning.group == 0
                }),
                hold,
                gathered,
                fallback_after: 0,
                fell_back: false,
            };
            if delivery.hold.is_some() {
                self.keep(key, &delivery);
            } else {
                self.lanes
                    .entry(new.receiver)
                    .or_default()
                    .enter(key, &delivery);
                self.newest_due_at = due_at;
            }
            self.deliveries.insert(key, delivery);
        }
        let row = Row {
            facts,
            status: NoticeStatus::Unrouted,
            received_at: now,
            settled_at: None,
            trackers,
        };
        let mut open = OpenNotice {
            notice,
            seed,
            day,
            row,
            open: count - local - dropped - merged,
            parked: 0,
            sent: local,
            dropped,
            merged,
            composed: Vec::new(),
        };
        open.row.status = if count == 0 {
            NoticeStatus::Unrouted
        } else {
            open.status()
        };
        if open.open == 0 {
            open.row.settled_at = Some(now);
        }
        let row = open.row.clone();
        if open.open > 0 {
            self.notices.insert(position, open);
        }
        (
            row,
            Settled {
                sent: local,
                dropped,
                ..Settled::default()
            },
        )
    }

    pub fn composed(&mut self, planning: u64, hash: u64, position: u64) {
        if let Some(notice) = self.notices.get_mut(&planning) {
            if notice.composed.len() == COMPOSED_PER_NOTICE_MAX {
                notice.composed.remove(0);
            }
            notice.composed.push((hash, position));
        }
    }

    /// Where equal words of this notice are stored already.
    pub fn find_composed(&self, planning: u64, hash: u64) -> Option<u64> {
        let notice = self.notices.get(&planning)?;
        notice
            .composed
            .iter()
            .find(|(known, _)| *known == hash)
            .map(|(_, position)| *position)
    }

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
    fn stop(&mut self, key: DeliveryKey) {
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
    fn wait(&mut self, key: DeliveryKey, change: impl FnOnce(&mut Delivery)) {
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
                && delivery.said.len() < super::messages::PARTS_REMEMBERED_MAX
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

    fn end(&mut self, key: DeliveryKey, ending: Ending, now: i64) -> (Option<Row>, Settled) {
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
    fn refresh_row(&mut self, planning: u64, settled_at: Option<i64>) -> Option<Row> {
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
    fn tidy(&mut self, key: DeliveryKey) {
        if let Some(delivery) = self.deliveries.get(&key)
            && self
                .lanes
                .get(&delivery.receiver)
                .is_some_and(Lane::is_idle)
        {
            self.lanes.remove(&delivery.receiver);
        }
    }

    pub fn pause_target(&mut self, target: u32, until: i64) {
        let pause = self.pauses.entry(target).or_insert(until);
        *pause = (*pause).max(until);
    }

    pub fn pause_receiver(&mut self, receiver: u32, until: i64) {
        let lane = self.lanes.entry(receiver).or_default();
        lane.paused_until = lane.paused_until.max(until);
    }

    /// Something got through: pauses that are over by now are forgotten. One that is not stands, as
    /// what got through was under way before somebody said wait.
    pub fn lift_pauses(&mut self, target: u32, receiver: u32, now: i64) {
        if self
            .pauses
            .get(&target)
            .is_some_and(|until| !waits_until(*until, now))
        {
            self.pauses.remove(&target);
        }
        if self
            .lanes
            .get(&receiver)
            .is_some_and(|lane| !waits_until(lane.paused_until, now))
        {
            self.forget_pause(receiver);
        }
    }

    /// The receiver goes; so does what it asked for.
    pub fn forget_pause(&mut self, receiver: u32) {
        if let Some(lane) = self.lanes.get_mut(&receiver) {
            lane.paused_until = 0;
            if lane.is_idle() {
                self.lanes.remove(&receiver);
            }
        }
    }

    /// Shifts relative waits by a step of the wall clock; their length is what was meant. Holds until a
    /// civil moment stay where they are.
    pub fn shift_waits(&mut self, by_micros: i64) {
        self.shift_holds(by_micros);
        self.pacing.shift(by_micros);
        let shift = |moment: &mut i64| *moment = moment.saturating_add(by_micros);
        self.pauses.values_mut().for_each(shift);
        for lane in self.lanes.values_mut() {
            if lane.paused_until != 0 {
                shift(&mut lane.paused_until);
            }
        }
        for delivery in self.deliveries.values_mut() {
            shift(&mut delivery.planned_at);
            if delivery.not_before != 0 {
                shift(&mut delivery.not_before);
            }
        }
        self.shift_outages(by_micros);
        self.shift_overdue();
    }

    pub fn count(&self, status: Status) -> usize {
        match status {
            Status::Parked | Status::Unknown => self
                .parked
                .iter()
                .filter(|key| self.deliveries.get(key).is_some_and(|d| d.status == status))
                .count(),
            Status::Sending => self.sending.values().map(|count| usize::from(*count)).sum(),
            Status::Due
            | Status::Held
            | Status::Retrying
            | Status::Sent
            | Status::Dropped
            | Status::Merged => self
                .deliveries
                .values()
                .filter(|delivery| delivery.status == status)
                .count(),
        }
    }
}
