//! Which notices a message tells: those that one held delivery has gathered, and the delivery into
//! which another one was merged.
//!
//! **Invariant:** however much is gathered, at most [`MEMBERS_SHOWN`] notices of a delivery are named,
//! and at most [`NAMED_MAX`] in one answer; all of them are counted.

use notify_store::{PAGE_FRAMES_MAX, Reader, Recorded};
use serde_json::{Value, json};

use super::{ViewError, add, moment};
use crate::domain::event::{Action, DeliveryKey, Event, Outcome};
use crate::domain::family::{DeliveryView, Family};
use crate::domain::hold::{Telling, UNTIL_RELEASED};
use crate::projections::outbox::Delivery;

/// Notices named of one delivery; the rest is a count.
pub const MEMBERS_SHOWN: usize = 50;
/// Notices named in one answer, beside each delivery's own.
pub const NAMED_MAX: usize = 5_000;

/// Deliveries that are followed from one into which another was merged to the one that was sent.
const HOSTS_MAX: usize = 8;
/// Pages of events that are read of each.
const STORY_PAGES_MAX: usize = 8;

/// When a held delivery is sent; `None` when a person has to release it.
pub fn sends_at(until: i64) -> Option<i64> {
    Some(until).filter(|until| *until != UNTIL_RELEASED)
}

/// What the state knows of an open delivery.
pub(super) struct Held {
    /// Until when it is held; `None` when it is not.
    pub until: Option<i64>,
    /// Positions of the first notices it tells.
    members: Vec<u64>,
    total: u64,
    /// Items added and removed, where it is about items.
    items: Option<(u64, u64)>,
}

impl Held {
    pub fn of(open: &Delivery) -> Self {
        let gathered = open.gathered.as_deref();
        let members = gathered.map_or(&[][..], |gathered| gathered.members());
        Held {
            until: open.hold.as_deref().map(|hold| hold.until),
            members: members
                .iter()
                .take(MEMBERS_SHOWN)
                .map(|member| member.notice)
                .collect(),
            total: gathered.map_or(1, |gathered| gathered.count()),
            items: gathered
                .filter(|gathered| gathered.is_about_items())
                .map(|gathered| gathered.counts()),
        }
    }

    /// What one told that is settled.
    fn told(telling: &Telling) -> Self {
        Held {
            until: None,
            members: telling
                .notices
                .iter()
                .take(MEMBERS_SHOWN)
                .copied()
                .collect(),
            total: telling.count,
            items: telling.items,
        }
    }
}

/// What a delivery tells, or where it is told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Ids of its first notices; empty for one that tells its own alone.
    notices: Vec<String>,
    total: u64,
    items: Option<(u64, u64)>,
    /// Ids of the delivery that tells it, and of the notice of that one.
    by: Option<(String, String)>,
    /// The message in which it was told at last.
    within: Option<Within>,
}

/// A message that told what others had been merged into.
#[derive(Debug)]
struct Within {
    delivery: String,
    notice: String,
    at: i64,
    /// Whether its words name the notice; else it is one of those that are counted.
    listed: bool,
    total: u64,
    items: Option<(u64, u64)>,
}

impl Told {
    pub fn read(
        reader: &Reader<Event>,
        family: &Family,
        view: &DeliveryView,
        held: Option<&Held>,
        named: &mut usize,
    ) -> Result<Self, ViewError> {
        let mut told = Told::default();
        if let Some(host) = view.merged_into {
            told.by = host_of(reader, host)?;
            told.within = Within::read(reader, family.notice.position, host, named)?;
        }
        let settled = view.telling.as_ref().map(Held::told);
        let held = held.or(settled.as_ref());
        let Some(held) = held.filter(|held| !held.members.is_empty()) else {
            return Ok(told);
        };
        (told.total, told.items) = (held.total, held.items);
        for position in &held.members {
            if *position == family.notice.position {
                told.notices.push(family.notice.id.clone());
            } else if let Some(left) = named.checked_sub(1) {
                *named = left;
                told.notices.extend(notice_id(reader, *position)?);
            }
        }
        Ok(told)
    }

    pub fn write(&self, shape: &mut Value) {
        if self.total > 0 {
            shape["notice_ids"] = self.notices.as_slice().into();
            shape["notices_total"] = self.total.into();
        }
        let items = self
            .items
            .map(|(added, removed)| json!({"added": added, "removed": removed}));
        add(shape, "items", items);
        if let Some((host, notice)) = &self.by {
            shape["merged_into"] = host.as_str().into();
            shape["merged_into_notice"] = notice.as_str().into();
        }
        if let Some(within) = &self.within {
            shape["told_in"] = json!({
                "delivery": within.delivery,
                "notice": within.notice,
                "at": moment(within.at),
                "listed": within.listed,
                "notices_total": within.total,
            });
            let items = within
                .items
                .map(|(added, removed)| json!({"added": added, "removed": removed}));
            add(&mut shape["told_in"], "items", items);
        }
    }
}

impl Within {
    /// Follows a delivery from host to host until one was sent.
    fn read(
        reader: &Reader<Event>,
        notice: u64,
        host: DeliveryKey,
        named: &mut usize,
    ) -> Result<Option<Self>, ViewError> {
        let mut host = host;
        for _ in 0..HOSTS_MAX {
            let Some(left) = named.checked_sub(1) else {
                return Ok(None);
            };
            *named = left;
            let (mut told, mut sent, mut merged) = (None, None, None);
            for recorded in story(reader, host)? {
                match recorded.payload {
                    Event::GatheredTold {
                        delivery, telling, ..
                    } if delivery == host => told = Some(telling),
                    Event::DeliverySettled {
                        delivery,
                        outcome: Outcome::Sent,
                        ..
                    }
                    | Event::DeliveryOperated {
                        delivery,
                        action: Action::Confirm,
                        ..
                    } if delivery == host => sent = Some(recorded.recorded_at),
                    Event::DeliveryMerged {
                        delivery,
                        host: next,
                        ..
                    } if delivery == host => merged = Some(next),
                    _of_another => {}
                }
            }
            if let Some(next) = merged {
                host = next;
                continue;
            }
            let (Some(told), Some(at)) = (told, sent) else {
                return Ok(None);
            };
            let listed = told.notices.iter().take(usize::from(told.listed));
            return Ok(host_of(reader, host)?.map(|(delivery, of)| Within {
                delivery,
                notice: of,
                at,
                listed: listed.copied().any(|position| position == notice),
                total: told.count,
                items: told.items,
            }));
        }
        Ok(None)
    }
}

/// The events after a delivery was planned, of its notice, as far as they are read.
fn story(reader: &Reader<Event>, delivery: DeliveryKey) -> Result<Vec<Recorded<Event>>, ViewError> {
    let planning = reader.get(delivery.position)?.map(|event| event.payload);
    let notice = match planning {
        Some(Event::Accepted(_)) => delivery.position,
        Some(Event::Resent { notice, .. }) => notice,
        Some(_) | None => return Ok(Vec::new()),
    };
    let (mut events, mut after) = (Vec::new(), delivery.position);
    for _ in 0..STORY_PAGES_MAX {
        let page = reader.stream(notice, after, PAGE_FRAMES_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.position;
        events.extend(page);
    }
    Ok(events)
}

/// The public id of the notice at a position; `None` when it is there no more.
pub fn notice_id(reader: &Reader<Event>, position: u64) -> Result<Option<String>, ViewError> {
    let event = reader.get(position)?.map(|event| event.payload);
    Ok(match event {
        Some(Event::Accepted(accepted)) => Some(accepted.seed.id(position, 0).to_string()),
        Some(_) | None => None,
    })
}

/// The public ids of a delivery and of its notice.
fn host_of(
    reader: &Reader<Event>,
    key: DeliveryKey,
) -> Result<Option<(String, String)>, ViewError> {
    let planning = reader.get(key.position)?.map(|event| event.payload);
    let (seed, notice) = match planning {
        Some(Event::Accepted(accepted)) => {
            let notice = accepted.seed.id(key.position, 0).to_string();
            (accepted.seed, Some(notice))
        }
        Some(Event::Resent { seed, notice, .. }) => (seed, notice_id(reader, notice)?),
        Some(_) | None => return Ok(None),
    };
    let id = seed.id(key.position, key.ordinal).to_string();
    Ok(notice.map(|notice| (id, notice)))
}
