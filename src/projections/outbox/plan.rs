//! What an event plans enters here, and where the words of its deliveries are stored.

use super::{
    COMPOSED_PER_NOTICE_MAX, Delivery, Gathered, Member, NewDelivery, NewNotice, NoticeStatus,
    OpenNotice, Outbox, ROW_TRACKERS_MAX, Row, Settled, Status,
};
use crate::domain::event::DeliveryKey;
use crate::domain::hold::Way;

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
                nth: new.nth,
                group: planning.map_or(0, |planning| planning.group),
                unknown: new.unknown,
                critical: new.critical.unwrap_or(critical) || pierced,
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
}
