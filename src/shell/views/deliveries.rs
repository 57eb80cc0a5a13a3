//! Lists of deliveries, and one delivery by its id.
//!
//! Open ones are in the state, under the position of the event that planned them. Settled ones are
//! found by walking the notices; there the order is that of the notices, and within a notice that
//! of its deliveries, both newest first.

use std::collections::BTreeMap;

use notify_store::{PAGE_FRAMES_MAX, Reader};
use serde_json::{Value, json};

use super::held::held_reason;
use super::notices::{has_tracker, tracker_id, unknown};
use super::telling::NAMED_MAX;
use super::{
    Around, COPIED_ROWS_MAX, Cursor, Look, NotACursor, Page, SCANNED_NOTICES_MAX, SCANNED_ROWS_MAX,
    ViewError, delivery,
};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::family::{DeliveryView, Family};
use crate::domain::id::PublicId;
use crate::domain::reason::What;
use crate::domain::spec::EntityKind;
use crate::domain::state::State;
use crate::projections::outbox::{Delivery, NoticeStatus, Row, Status};
use crate::shell::families::{self, FamilyError};

/// Different reasons told apart in a summary; further ones are counted together.
const REASONS_MAX: usize = 100;

/// What a list of deliveries is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Any of these; empty: all.
    pub statuses: Vec<Status>,
    pub target: Option<String>,
    pub tracker: Option<String>,
    /// What holds it; then only what is held fits.
    pub reason: Option<String>,
}

struct Wanted<'a> {
    filter: &'a DeliveryFilter,
    target: Option<u32>,
    tracker: Option<u32>,
    reason: Option<What>,
    /// Only what the program itself keeps to be read: the inbox.
    is_inbox: bool,
}

impl<'a> Wanted<'a> {
    fn of(state: &State, filter: &'a DeliveryFilter) -> Result<Self, ViewError> {
        let target = filter.target.as_deref().map(|name| {
            state
                .configuration
                .id(EntityKind::Target, name)
                .ok_or_else(|| unknown("target", name))
        });
        Ok(Wanted {
            filter,
            target: target.transpose()?,
            tracker: tracker_id(state, filter.tracker.as_deref())?,
            reason: filter.reason.as_deref().map(held_reason).transpose()?,
            is_inbox: false,
        })
    }

    fn status(&self, status: Status) -> bool {
        self.filter.statuses.is_empty() || self.filter.statuses.contains(&status)
    }

    fn open(&self, open: &Delivery) -> bool {
        self.status(open.status)
            && self.target.is_none_or(|id| id == open.target)
            && self.tracker.is_none_or(|id| id == open.tracker)
            && self.reason.is_none_or(|why| {
                let hold = open.hold.as_deref();
                hold.is_some_and(|hold| hold.why == why)
            })
    }

    fn view(&self, view: &DeliveryView) -> bool {
        self.status(view.status)
            && self.target.is_none_or(|id| id == view.link.target)
            && self.tracker.is_none_or(|id| id == view.link.tracker)
            && (view.link.local || !self.is_inbox)
    }

    /// Whether a notice may have such a delivery. One that was sent again has a row of its latest
    /// round only, so that a row of settled ones does not rule out an earlier one.
    fn row(&self, row: &Row) -> bool {
        row.status != NoticeStatus::Unrouted && has_tracker(row, self.tracker)
    }

    /// Whether everything wanted is in the state.
    fn only_open(&self) -> bool {
        if self.reason.is_some() {
            return true;
        }
        let is_open = |status: &Status| match status {
            Status::Due
            | Status::Held
            | Status::Sending
            | Status::Retrying
            | Status::Parked
            | Status::Unknown => true,
            Status::Sent | Status::Dropped | Status::Merged => false,
        };
        !self.filter.statuses.is_empty() && self.filter.statuses.iter().all(is_open)
    }
}

/// A page of deliveries, newest first.
pub fn deliveries(
    reader: &Reader<Event>,
    look: &impl Look,
    filter: &DeliveryFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let wanted = look.look(|state| Wanted::of(state, filter))?;
    if wanted.only_open() {
        open_page(reader, look, &wanted, cursor, limit)
    } else {
        walked_page(reader, look, &wanted, cursor, limit)
    }
}

/// A page of what the inboxes hold, newest first.
pub fn inbox(
    reader: &Reader<Event>,
    look: &impl Look,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let wanted = Wanted {
        filter: &DeliveryFilter::default(),
        target: None,
        tracker: None,
        reason: None,
        is_inbox: true,
    };
    walked_page(reader, look, &wanted, cursor, limit)
}

/// Keys of open deliveries that match, newest first, with their notices.
pub fn open_keys(
    look: &impl Look,
    filter: &DeliveryFilter,
    most: usize,
) -> Result<Vec<(DeliveryKey, u64)>, ViewError> {
    let wanted = look.look(|state| Wanted::of(state, filter))?;
    Ok(matching(look, &wanted, None, most))
}

fn matching(
    look: &impl Look,
    wanted: &Wanted<'_>,
    before: Option<DeliveryKey>,
    most: usize,
) -> Vec<(DeliveryKey, u64)> {
    let mut found = Vec::new();
    let mut before = before.unwrap_or(DeliveryKey {
        position: u64::MAX,
        ordinal: u16::MAX,
    });
    let parked_only = !wanted.filter.statuses.is_empty()
        && wanted.filter.statuses.iter().all(|s| s.needs_a_person());
    while found.len() < most {
        let seen = look.look(|state| {
            let outbox = &state.outbox;
            let start = before;
            let mut seen = 0;
            let mut visit = |key: DeliveryKey, open: &Delivery| {
                before = key;
                seen += 1;
                if wanted.open(open) && found.len() < most {
                    found.push((key, open.notice));
                }
                found.len() < most
            };
            let all = &outbox.deliveries;
            if parked_only {
                let keys = outbox.parked.range(..start).rev().take(COPIED_ROWS_MAX);
                for key in keys {
                    if all.get(key).is_some_and(|open| !visit(*key, open)) {
                        break;
                    }
                }
            } else {
                for (key, open) in all.range(..start).rev().take(COPIED_ROWS_MAX) {
                    if !visit(*key, open) {
                        break;
                    }
                }
            }
            seen
        });
        if seen == 0 {
            break;
        }
    }
    found
}

fn open_page(
    reader: &Reader<Event>,
    look: &impl Look,
    wanted: &Wanted<'_>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let before = from_cursor(cursor)?.map(|(_, key)| key);
    let mut keys = matching(look, wanted, before, limit + 1);
    let more = keys.len() > limit;
    keys.truncate(limit);
    let mut page = Page {
        items: deliveries_of(reader, look, &keys)?,
        ..Page::default()
    };
    page.next = keys
        .last()
        .filter(|_| more)
        .map(|(key, notice)| Cursor::Delivery {
            notice: *notice,
            key: *key,
        });
    Ok(page)
}

/// Deliveries in the contract's shape, by key and notice, in the order given.
pub fn deliveries_of(
    reader: &Reader<Event>,
    look: &impl Look,
    keys: &[(DeliveryKey, u64)],
) -> Result<Vec<Value>, ViewError> {
    let mut items = Vec::with_capacity(keys.len());
    let mut last: Option<(Family, Around)> = None;
    let mut named = NAMED_MAX;
    for (key, notice) in keys {
        if last
            .as_ref()
            .is_none_or(|(family, _)| family.notice.position != *notice)
        {
            let family = families::read(reader, *notice)?;
            let around = Around::within(reader, look, &family, &mut named)?;
            last = Some((family, around));
        }
        if let Some((family, around)) = &last
            && let Some(view) = family.delivery(*key)
        {
            items.push(delivery(family, view, around));
        }
    }
    Ok(items)
}

/// What has become of a delivery, open or settled. `None` when the log has it no more.
pub fn delivery_status(
    reader: &Reader<Event>,
    key: DeliveryKey,
) -> Result<Option<Status>, ViewError> {
    let notice = match reader.get(key.position)?.map(|event| event.payload) {
        Some(Event::Accepted(_)) => key.position,
        Some(Event::Resent { notice, .. }) => notice,
        Some(_) | None => return Ok(None),
    };
    match families::read(reader, notice) {
        Ok(family) => Ok(family.delivery(key).map(|view| view.status)),
        Err(FamilyError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn from_cursor(cursor: Option<Cursor>) -> Result<Option<(u64, DeliveryKey)>, ViewError> {
    match cursor {
        None => Ok(None),
        Some(Cursor::Delivery { notice, key }) => Ok(Some((notice, key))),
        Some(Cursor::Before(_) | Cursor::After(_)) => Err(ViewError::Invalid {
            field: "cursor",
            message: NotACursor.to_string(),
        }),
    }
}

fn walked_page(
    reader: &Reader<Event>,
    look: &impl Look,
    wanted: &Wanted<'_>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let resume = from_cursor(cursor)?;
    // The notice of the cursor is looked at again, for what is left of it.
    let mut at = resume.map_or(u64::MAX, |(notice, _)| notice.saturating_add(1));
    let mut page = Page::default();
    let mut named = NAMED_MAX;
    let (mut rows_seen, mut read) = (0, 0);
    let mut last = None;
    loop {
        let rows = reader.rows_back(at, PAGE_FRAMES_MAX)?;
        if rows.is_empty() {
            return Ok(page);
        }
        for (position, bytes) in rows {
            if read >= SCANNED_NOTICES_MAX || rows_seen >= SCANNED_ROWS_MAX {
                // All of that notice was looked through.
                page.next = Some(Cursor::Delivery {
                    notice: at,
                    key: FIRST,
                });
                page.scanned_to = Some(at);
                return Ok(page);
            }
            at = position;
            rows_seen += 1;
            if Row::decode(&bytes).is_some_and(|row| !wanted.row(&row)) {
                continue;
            }
            read += 1;
            let family = match families::read(reader, position) {
                Ok(family) => family,
                Err(FamilyError::Missing(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut around = None;
            let before = resume
                .filter(|(notice, _)| *notice == position)
                .map(|(_, key)| key);
            for view in family.deliveries.iter().rev() {
                if before.is_some_and(|before| view.key >= before) || !wanted.view(view) {
                    continue;
                }
                if page.items.len() >= limit {
                    page.next = last;
                    return Ok(page);
                }
                let around = match &mut around {
                    Some(around) => around,
                    none => none.insert(Around::within(reader, look, &family, &mut named)?),
                };
                page.items.push(delivery(&family, view, around));
                last = Some(Cursor::Delivery {
                    notice: position,
                    key: view.key,
                });
            }
        }
    }
}

/// Before every delivery of a notice.
const FIRST: DeliveryKey = DeliveryKey {
    position: 0,
    ordinal: 0,
};

/// The key of a delivery's public id, and its notice. The whole id has to be right.
pub fn delivery_key(reader: &Reader<Event>, id: &str) -> Result<(DeliveryKey, u64), ViewError> {
    let missing = || ViewError::not_found("delivery", id);
    let parsed: PublicId = id.parse().map_err(|_| missing())?;
    let key = DeliveryKey {
        position: parsed.position,
        ordinal: parsed.ordinal,
    };
    let (seed, notice, planned) = match reader.get(key.position)?.map(|event| event.payload) {
        Some(Event::Accepted(accepted)) => {
            (accepted.seed, key.position, accepted.plan.planned.len())
        }
        Some(Event::Resent {
            seed, notice, plan, ..
        }) => (seed, notice, plan.planned.len()),
        Some(_) | None => {
            return Err(ViewError::missing(reader, "delivery", id, key.position)?);
        }
    };
    let is_one = (1..=planned).contains(&usize::from(key.ordinal));
    if is_one && seed.id(key.position, key.ordinal) == parsed {
        Ok((key, notice))
    } else {
        Err(missing())
    }
}

/// The family of a delivery's public id, and its key in it.
pub fn find_delivery(reader: &Reader<Event>, id: &str) -> Result<(Family, DeliveryKey), ViewError> {
    let (key, notice) = delivery_key(reader, id)?;
    Ok((families::read(reader, notice)?, key))
}

/// How many deliveries wait for a person, by reason, most first.
pub fn parked_reasons(look: &impl Look) -> Value {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut others = 0u64;
    let mut total = 0u64;
    let mut after = FIRST;
    loop {
        let rows: Vec<(DeliveryKey, String)> = look.look(|state| {
            let outbox = &state.outbox;
            let next = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
            outbox
                .parked
                .range(next)
                .take(COPIED_ROWS_MAX)
                .map(|key| {
                    let open = outbox.deliveries.get(key);
                    let reason = open.and_then(|open| open.reason.clone());
                    (*key, reason.unwrap_or_default())
                })
                .collect()
        });
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for (_, reason) in rows {
            total += 1;
            if counts.len() < REASONS_MAX || counts.contains_key(&reason) {
                *counts.entry(reason).or_default() += 1;
            } else {
                others += 1;
            }
        }
    }
    let mut groups: Vec<(String, u64)> = counts.into_iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let groups: Value = groups
        .into_iter()
        .map(|(reason, count)| json!({"reason": reason, "count": count}))
        .collect();
    json!({"total": total, "by_reason": groups, "other_reasons": others})
}
