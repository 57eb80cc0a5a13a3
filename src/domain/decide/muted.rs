//! What a person has muted since it was planned: asked once more when its turn has come.
//!
//! What somebody asked for at once goes all the same, and so does the rest of a message whose
//! beginning is there.

use super::super::deferral::Route;
use super::super::event::{DeliveryKey, Event, Outcome};
use super::super::notice::Severity;
use super::super::reason::What;
use super::super::routing::snoozed_by;
use super::super::state::State;
use super::catch_up::severity;
use super::delivery::{settle, shortened};
use super::held::snoozed;
use crate::domain::command::Named;
use crate::projections::outbox::Delivery;

/// What becomes of a delivery in place of its claim; `None`: nobody has muted it.
pub(super) fn muted(
    state: &State,
    key: DeliveryKey,
    delivery: &Delivery,
    about: &[Named],
    now: i64,
) -> Option<Event> {
    if delivery.at_once || delivery.part > 0 {
        return None;
    }
    let dropped = |detail: String| {
        let detail = shortened(detail);
        settle(key, delivery, Outcome::Dropped, What::Snoozed, detail)
    };
    if let Some(snooze) = snoozed(state, delivery, pierces(state, key, delivery), now) {
        return Some(dropped(snoozed_by(snooze)));
    }
    let (mut unwanted, mut first) = (Vec::new(), None);
    for named in about {
        if let Some(snooze) = state.snoozes.notice(named.provider, &named.about, now) {
            unwanted.push(named.notice);
            first.get_or_insert(snooze);
        }
    }
    let detail = snoozed_by(first?);
    let gathered = delivery.gathered.as_deref();
    if unwanted.len() as u64 >= gathered.map_or(1, |gathered| gathered.count()) {
        return Some(dropped(detail));
    }
    let is_gathered = |position: &u64| {
        gathered.is_some_and(|gathered| {
            let mut members = gathered.members().iter();
            members.any(|member| member.notice == *position)
        })
    };
    unwanted.retain(is_gathered);
    (!unwanted.is_empty()).then(|| Event::HoldChanged {
        delivery: key,
        notice: delivery.notice,
        hold: None,
        silent: delivery.silent,
        pierced: delivery.pierced,
        why: What::Snoozed,
        detail: shortened(detail),
        unwanted,
        by: String::new(),
    })
}

/// Whether it passes what would hold or mute it. What nothing held when it was planned has no mark.
pub(super) fn pierces(state: &State, key: DeliveryKey, delivery: &Delivery) -> bool {
    let severity = match delivery.critical {
        true => Severity::Critical,
        false => severity(state, key),
    };
    let route = Route::of(state, delivery);
    delivery.pierced || route.is_some_and(|route| route.pierces(severity))
}
