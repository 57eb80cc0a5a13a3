//! Deciding about what was under way when the program stopped.

use super::super::event::Event;
use super::super::spec::UnknownPolicy;
use super::super::state::State;
use super::Decided;
use crate::projections::outbox::Status;

/// What was under way when the program stopped is not known; the link's policy says what follows.
pub fn recover(state: &State) -> Decided {
    let events: Vec<Event> = state
        .outbox
        .deliveries
        .iter()
        .filter(|(_, delivery)| delivery.status == Status::Sending)
        .map(|(key, delivery)| {
            let idempotent = state
                .configuration
                .targets
                .get(&delivery.target)
                .and_then(|target| crate::targets::kind(&target.entity.spec.kind))
                .is_some_and(|kind| kind.lane_depth() > 1);
            let policy = if idempotent {
                UnknownPolicy::Retry
            } else {
                delivery.unknown
            };
            Event::OutcomeUnknown {
                delivery: *key,
                notice: delivery.notice,
                policy,
            }
        })
        .collect();
    Decided::changed(events)
}
