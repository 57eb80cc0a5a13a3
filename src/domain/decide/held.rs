//! Deciding about what is held: whose time has come, what a changed configuration means for it, and
//! what people do with it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::command::{Context, Due, Refusal};
use super::super::deferral::{About, Next, Route};
use super::super::event::{Accepted, DeliveryKey, Event, Outcome};
use super::super::family::notice_of;
use super::super::hold::{Hold, Stage, UNTIL_RELEASED};
use super::super::reason::What;
use super::super::routing::{CompiledTracker, Refused, snoozed_by};
use super::super::state::State;
use super::Decided;
use super::delivery::settle;
use super::muted::pierces;
use crate::projections::outbox::{Delivery, Status};
use crate::projections::snoozes::Snooze;

/// Held deliveries looked at by one command; the rest follow with the next.
pub const HELD_PER_COMMAND_MAX: usize = 256;
/// Longest that a person may move a delivery ahead, in microseconds: 366 days.
pub const MOVE_MAX_MICROS: i64 = 366 * 86_400 * 1_000_000;

/// Slots that this command has filled, so that two deliveries released together meet again.
#[derive(Default)]
struct Moving {
    slots: BTreeMap<u64, DeliveryKey>,
    gone: BTreeSet<DeliveryKey>,
    /// Messages that became due, by receiver.
    due: BTreeMap<u32, usize>,
}

impl Moving {
    /// What a storm says about a delivery that would be due now.
    fn unless_storm(
        &self,
        state: &State,
        route: &Route<'_>,
        delivery: &Delivery,
        next: Next,
        now: i64,
    ) -> Next {
        match next {
            Next::Now { .. } if !delivery.pierced => {
                let more = self.due.get(&delivery.receiver).copied().unwrap_or(0);
                route.storming(&state.storms, more, now).unwrap_or(next)
            }
            next => next,
        }
    }
}

/// The time of these has come, as the one who asks believes.
pub fn release_due(state: &State, due: Vec<Due>, context: &Context) -> Decided {
    let mut events = Vec::new();
    let mut moving = Moving::default();
    for due in due.into_iter().take(HELD_PER_COMMAND_MAX) {
        let Some((delivery, hold)) = held(state, due.delivery) else {
            continue;
        };
        if hold.until <= context.now {
            let members = Members {
                of: due.delivery,
                notices: &due.notices,
            };
            release(
                state,
                members,
                delivery,
                hold,
                context,
                &mut moving,
                &mut events,
            );
        }
    }
    Decided::changed(events)
}

/// Looks at what is held after `after`, in order, with the configuration as it is now.
pub fn replan(state: &State, after: Option<DeliveryKey>, context: &Context) -> Decided {
    let mut events = Vec::new();
    let mut moving = Moving::default();
    for key in held_after(state, after) {
        let Some((delivery, hold)) = held(state, key) else {
            continue;
        };
        // What is due is about to be released anyway.
        if hold.until <= context.now {
            continue;
        }
        let Some(route) = Route::of(state, delivery) else {
            continue;
        };
        let stage = match hold.why {
            What::HeldDigest => Stage::Digest,
            What::HeldQuietHours => Stage::QuietHours,
            // What it waits with is not configured any more.
            What::HeldGrouping if !route.groups() => Stage::Digest,
            What::StormSummarised if route.storm().is_none() => Stage::Past,
            // Others wait for a span, or for a person.
            _other => continue,
        };
        let next = route.next(stage, &about(state, key, delivery), context.now);
        let next = moving.unless_storm(state, &route, delivery, next, context.now);
        let unchanged = match &next {
            Next::Hold { hold: new, .. } => {
                let timeless = new.why == What::HeldDigest && route.digest_waits_to_be_full();
                new.why == hold.why && (timeless || new.until == hold.until)
            }
            Next::Now { .. } | Next::Drop { .. } => false,
        };
        if !unchanged {
            go_on(
                key,
                delivery,
                next,
                Vec::new(),
                state,
                &mut moving,
                &mut events,
            );
        }
    }
    Decided::changed(events)
}

/// The next held deliveries in the order of their keys.
pub fn held_after(state: &State, after: Option<DeliveryKey>) -> Vec<DeliveryKey> {
    let mut keys: Vec<DeliveryKey> = state
        .outbox
        .held
        .iter()
        .map(|(_, key)| *key)
        .filter(|key| after.is_none_or(|after| *key > after))
        .collect();
    if keys.len() > HELD_PER_COMMAND_MAX {
        keys.select_nth_unstable(HELD_PER_COMMAND_MAX);
        keys.truncate(HELD_PER_COMMAND_MAX);
    }
    keys.sort_unstable();
    keys
}

/// The notices of a held delivery that are judged again when its moment comes: what was planned over
/// the tracker as it is now needs no second look.
pub fn judged_again(state: &State, key: DeliveryKey, delivery: &Delivery, now: i64) -> Vec<u64> {
    // Whether what was gathered is about something that a person has muted meanwhile.
    let muted = state.snoozes.concern_notices(now);
    let tracker = state.configuration.trackers.get(&delivery.tracker);
    let changed = muted || tracker.is_some_and(|tracker| tracker.entity.revision > key.position);
    match (changed, delivery.gathered.as_deref()) {
        (false, _) => Vec::new(),
        (true, None) => vec![delivery.notice],
        (true, Some(gathered)) => {
            let members = gathered.members().iter();
            members.map(|member| member.notice).collect()
        }
    }
}

/// A person says until when.
pub fn hold_until(
    state: &State,
    key: DeliveryKey,
    until: Option<i64>,
    by: String,
    context: &Context,
) -> Result<Decided, Refusal> {
    let delivery = open(state, key)?;
    let movable = delivery.status.waits()
        || delivery.status == Status::Held
        || delivery.status.needs_a_person();
    if !movable {
        return Err(Refusal::Conflict(format!(
            "a delivery that is {} cannot be moved",
            delivery.status.as_str()
        )));
    }
    let until = match until {
        None => UNTIL_RELEASED,
        Some(until) if until <= context.now => {
            return Err(Refusal::Invalid {
                field: "until".into(),
                message: "is in the past; release it to send it now".into(),
            });
        }
        Some(until) if until.saturating_sub(context.now) > MOVE_MAX_MICROS => {
            return Err(Refusal::Invalid {
                field: "until".into(),
                message: "is more than 366 days ahead".into(),
            });
        }
        Some(until) => until,
    };
    let hold = Hold {
        until,
        why: What::HeldOperator,
        slot: 0,
    };
    Ok(Decided::changed(vec![Event::HoldChanged {
        delivery: key,
        notice: delivery.notice,
        hold: Some(hold),
        silent: delivery.silent,
        pierced: delivery.pierced,
        why: What::HeldOperator,
        detail: String::new(),
        unwanted: Vec::new(),
        by,
    }]))
}

/// A person wants it sent now, whatever holds it.
pub fn release_now(state: &State, key: DeliveryKey, by: String) -> Result<Decided, Refusal> {
    let delivery = open(state, key)?;
    if delivery.status != Status::Held {
        return Err(Refusal::Conflict(format!(
            "a delivery that is {} is not held",
            delivery.status.as_str()
        )));
    }
    Ok(Decided::changed(vec![Event::HoldChanged {
        delivery: key,
        notice: delivery.notice,
        hold: None,
        silent: delivery.silent,
        pierced: delivery.pierced,
        why: What::Released,
        detail: String::new(),
        unwanted: Vec::new(),
        by,
    }]))
}

/// What a window says about a delivery whose turn has come: it may have waited in its lane until
/// quiet hours began.
pub(super) fn kept_quiet(
    state: &State,
    key: DeliveryKey,
    delivery: &Delivery,
    now: i64,
) -> Option<Event> {
    if delivery.at_once || pierces(state, key, delivery) {
        return None;
    }
    let route = Route::of(state, delivery)?;
    let about = About {
        wall_clock: false,
        ..about(state, key, delivery)
    };
    let (hold, silent, why, detail) = match route.next(Stage::QuietHours, &about, now) {
        Next::Hold { mut hold, detail } => {
            // It is composed already, or about to be: nothing more is gathered into it.
            hold.slot = 0;
            (Some(hold), delivery.silent, hold.why, detail)
        }
        Next::Now {
            silent: true,
            detail,
        } if !delivery.silent => (None, true, What::SilentQuietHours, detail),
        // It was accepted when it was still wanted.
        Next::Now { .. } | Next::Drop { .. } => return None,
    };
    Some(Event::HoldChanged {
        delivery: key,
        notice: delivery.notice,
        hold,
        silent,
        pierced: false,
        why,
        detail,
        unwanted: Vec::new(),
        by: String::new(),
    })
}

/// The notices of a held delivery, as far as they had to be read again.
struct Members<'a> {
    of: DeliveryKey,
    notices: &'a [(u64, Accepted)],
}

fn release(
    state: &State,
    members: Members<'_>,
    delivery: &Delivery,
    hold: Hold,
    context: &Context,
    moving: &mut Moving,
    events: &mut Vec<Event>,
) {
    let key = members.of;
    let mut unwanted = Vec::new();
    let passes = pierces(state, key, delivery);
    let muted = snoozed(state, delivery, passes, context.now).map(snoozed_by);
    if let Some(detail) = muted {
        return events.push(dropped(key, delivery, What::Snoozed, detail));
    }
    match state.configuration.trackers.get(&delivery.tracker) {
        // A one-off message has none.
        None if delivery.tracker == 0 => {}
        None => {
            return events.push(dropped(
                key,
                delivery,
                What::TrackerDisabled,
                "its tracker is no longer configured".into(),
            ));
        }
        Some(tracker) if !tracker.entity.spec.enabled => {
            return events.push(dropped(
                key,
                delivery,
                What::TrackerDisabled,
                "its tracker was switched off meanwhile".into(),
            ));
        }
        Some(tracker) => {
            let spec = &tracker.entity.spec;
            let compiled = tracker.compiled.get(|| CompiledTracker::of(spec));
            let mut first = None;
            for (position, accepted) in members.notices {
                let notice = notice_of(*position, context.now, &[0; 16], accepted);
                let provider = accepted.provider;
                let snooze = state
                    .snoozes
                    .notice(provider, &accepted.notice, context.now);
                let refused = match compiled.judge(spec, &notice) {
                    Err(refused) if refused.what != What::FilterFailed => Some(refused),
                    Ok(()) | Err(_) => snooze.map(|snooze| Refused {
                        what: What::Snoozed,
                        detail: snoozed_by(snooze),
                    }),
                };
                if let Some(refused) = refused {
                    unwanted.push(*position);
                    first.get_or_insert(refused);
                }
            }
            let told = delivery
                .gathered
                .as_deref()
                .map_or(1, |gathered| gathered.count());
            if let Some(refused) = first
                && unwanted.len() as u64 >= told
            {
                return events.push(dropped(key, delivery, refused.what, refused.detail));
            }
        }
    }
    let next = match Route::of(state, delivery) {
        // A person or a restore has held it, and nothing else does.
        Some(_) if passes => Next::Now {
            silent: delivery.silent,
            detail: String::new(),
        },
        Some(route) => {
            let stage = Stage::after(hold.why);
            let next = route.next(stage, &about(state, key, delivery), context.now);
            match stage {
                Stage::Past => next,
                _earlier => moving.unless_storm(state, &route, delivery, next, context.now),
            }
        }
        // Its link or target is gone: the claim says what that means.
        None => Next::Now {
            silent: delivery.silent,
            detail: String::new(),
        },
    };
    go_on(key, delivery, next, unwanted, state, moving, events);
}

/// Does with a held delivery what the next stage says.
fn go_on(
    key: DeliveryKey,
    delivery: &Delivery,
    next: Next,
    unwanted: Vec<u64>,
    state: &State,
    moving: &mut Moving,
    events: &mut Vec<Event>,
) {
    moving.gone.insert(key);
    let (hold, silent, why, detail) = match next {
        Next::Drop { why, detail } => return events.push(dropped(key, delivery, why, detail)),
        Next::Now { silent, detail } => {
            *moving.due.entry(delivery.receiver).or_default() += 1;
            (None, silent || delivery.silent, What::Released, detail)
        }
        Next::Hold { hold, detail } => {
            let known = moving
                .slots
                .get(&hold.slot)
                .or_else(|| state.outbox.slots.get(&hold.slot));
            let host = known.copied().filter(|host| {
                *host != key
                    && (!moving.gone.contains(host) || moving.slots.contains_key(&hold.slot))
            });
            if let Some(host) = host.filter(|_| unwanted.is_empty()) {
                return events.push(Event::DeliveryMerged {
                    delivery: key,
                    notice: delivery.notice,
                    host,
                    until: until(state, host, hold),
                });
            }
            moving.slots.insert(hold.slot, key);
            (Some(hold), delivery.silent, hold.why, detail)
        }
    };
    events.push(Event::HoldChanged {
        delivery: key,
        notice: delivery.notice,
        hold,
        silent,
        pierced: delivery.pierced,
        why,
        detail,
        unwanted,
        by: String::new(),
    });
}

/// What mutes a delivery as a whole.
pub(super) fn snoozed<'s>(
    state: &'s State,
    delivery: &Delivery,
    pierces: bool,
    now: i64,
) -> Option<&'s Snooze> {
    let tracker = state.snoozes.tracker(delivery.tracker, now);
    // What pierces reaches a target that a person has muted.
    let target = state.snoozes.target(delivery.target, now);
    tracker.or_else(|| target.filter(|_| !pierces))
}

/// Until when a host is held on when something comes to it: a wait that has begun is not begun anew.
fn until(state: &State, host: DeliveryKey, hold: Hold) -> i64 {
    match (hold.why, held(state, host)) {
        (What::HeldGrouping | What::StormSummarised, Some((_, known))) => known.until,
        _civil => hold.until,
    }
}

fn about(state: &State, key: DeliveryKey, delivery: &Delivery) -> About {
    let facts = state.outbox.notices.get(&key.position);
    let facts = facts.map(|notice| notice.row.facts).unwrap_or_default();
    let gathered = delivery.gathered.as_deref();
    About {
        kind_hash: facts.kind_hash,
        collection_hash: facts.collection_hash,
        items: gathered.is_some_and(|gathered| gathered.is_about_items()),
        joins: false,
        wall_clock: false,
        group: delivery.group,
        told_at: state
            .groups
            .get(delivery.group)
            .and_then(|group| group.sent_at),
    }
}

fn held(state: &State, key: DeliveryKey) -> Option<(&Delivery, Hold)> {
    let delivery = state.outbox.deliveries.get(&key)?;
    Some((delivery, *delivery.hold.as_deref()?))
}

fn open(state: &State, key: DeliveryKey) -> Result<&Delivery, Refusal> {
    state.outbox.deliveries.get(&key).ok_or_else(|| {
        Refusal::Conflict("the delivery is settled; nothing is left to do with it".into())
    })
}

fn dropped(key: DeliveryKey, delivery: &Delivery, why: What, detail: String) -> Event {
    settle(key, delivery, Outcome::Dropped, why, detail)
}
