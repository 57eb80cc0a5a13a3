//! Commands of the timer about what is held.

use super::super::command::{Command, Due};
use super::super::decide::judged_again;
use super::super::event::{DeliveryKey, Event};
use super::super::state::State;
use super::{Read, Recorded};
use crate::projections::outbox::Status;

pub fn is_held(state: &State, key: DeliveryKey) -> bool {
    let delivery = state.outbox.deliveries.get(&key);
    delivery.is_some_and(|delivery| delivery.status == Status::Held)
}

/// What was held has been released, or planned anew.
pub fn commands(state: &State, recorded: Recorded<'_>, read: &mut Read<'_>) -> Vec<Command> {
    let now = recorded.at.recorded_at;
    let moved: Vec<DeliveryKey> = recorded
        .events
        .iter()
        .filter_map(|event| match event {
            Event::HoldChanged { delivery, .. }
            | Event::DeliverySettled { delivery, .. }
            | Event::DeliveryMerged { delivery, .. } => Some(*delivery),
            _what_follows => None,
        })
        .collect();
    let mut due = Vec::new();
    for key in &moved {
        let delivery = state.outbox.deliveries.get(key);
        let hold = delivery.and_then(|delivery| delivery.hold.as_deref());
        if let (Some(delivery), true) = (delivery, hold.is_some_and(|hold| hold.until <= now)) {
            let notices = judged_again(state, *key, delivery, now);
            due.push(Due {
                delivery: *key,
                notices: notices
                    .into_iter()
                    .filter_map(|notice| Some((notice, read(notice)?)))
                    .collect(),
            });
        }
    }
    let mut ways = Vec::new();
    if !due.is_empty() {
        ways.push(Command::ReleaseDue { due });
    }
    // Planned anew from the first of all, or from where the command before had ended: each of those
    // that stand between may be the last of that.
    ways.push(Command::Replan { after: None });
    let first = moved.iter().min().copied();
    let earlier = state.outbox.held.iter().map(|(_, key)| *key);
    let mut earlier: Vec<DeliveryKey> = earlier
        .filter(|key| first.is_some_and(|first| *key < first))
        .collect();
    earlier.sort_unstable();
    let nearest = earlier.into_iter().rev();
    ways.extend(nearest.map(|key| Command::Replan { after: Some(key) }));
    ways.truncate(super::WAYS_MAX);
    ways
}
