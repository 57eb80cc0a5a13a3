//! Which notices a message tells: those that one held delivery has gathered, and the delivery into
//! which another one was merged.
//!
//! **Invariant:** however much is gathered, at most [`MEMBERS_SHOWN`] notices of a delivery are named,
//! and at most [`NAMED_MAX`] in one answer; all of them are counted.

use notify_store::Reader;
use serde_json::{Value, json};

use super::{ViewError, add};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::family::{DeliveryView, Family};
use crate::domain::hold::UNTIL_RELEASED;
use crate::projections::outbox::Delivery;

/// Notices named of one delivery; the rest is a count.
pub const MEMBERS_SHOWN: usize = 50;
/// Notices named in one answer, beside each delivery's own.
pub const NAMED_MAX: usize = 5_000;

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
        }
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
    }
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
