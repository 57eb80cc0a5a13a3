//! Deciding what a restored store begins with: a new epoch, paused, and nothing due.

use super::super::command::{Refusal, Restore};
use super::super::event::{Event, LOST_STRETCHES_MAX};
use super::super::hold::{Hold, UNTIL_RELEASED};
use super::super::reason::What;
use super::super::state::State;
use super::Decided;
use crate::projections::outbox::Status;

/// Deliveries held by one command; the rest follow with the next.
pub const RESTORED_PER_COMMAND_MAX: usize = 4_096;

/// The first events of a restored store.
pub fn begin(state: &State, restore: Restore) -> Result<Decided, Refusal> {
    let Some(founding) = state.founding else {
        return Err(Refusal::Conflict(
            "the backup holds nothing: its store was never founded".into(),
        ));
    };
    if founding.epoch == restore.epoch {
        return Err(Refusal::Conflict(
            "the new epoch is the old one, so that ids would be given out twice".into(),
        ));
    }
    let by = restore.by.clone();
    let mut events = vec![Event::Restored {
        epoch: restore.epoch,
        through: state.position,
        taken_at: restore.taken_at,
        written_by: restore.written_by,
        by: restore.by,
    }];
    if !state.outbox.paused {
        events.push(Event::SendingPaused { by });
    }
    Ok(Decided::changed(events))
}

/// Holds what is due or held for another reason. Done when it changes nothing.
pub fn hold(state: &State) -> Decided {
    let hold = Hold {
        until: UNTIL_RELEASED,
        why: What::HeldRestored,
        slot: 0,
    };
    let events = state
        .outbox
        .deliveries
        .iter()
        .filter(|(_, delivery)| {
            let held = delivery.hold.as_deref();
            delivery.status.waits()
                || (delivery.status == Status::Held
                    && held.is_some_and(|held| held.why != What::HeldRestored))
        })
        .take(RESTORED_PER_COMMAND_MAX)
        .map(|(key, delivery)| Event::HoldChanged {
            delivery: *key,
            notice: delivery.notice,
            hold: Some(hold),
            silent: delivery.silent,
            pierced: delivery.pierced,
            why: What::HeldRestored,
            detail: match delivery.hold.as_deref() {
                Some(before) => format!("it was {}", before.why.as_str()),
                None => String::new(),
            },
            unwanted: Vec::new(),
            by: String::new(),
        })
        .collect();
    Decided::changed(events)
}

/// Notes what is gone. Of more stretches than are named, the last covers the rest.
pub fn accept_loss(
    mut stretches: Vec<(u64, u64)>,
    others: u32,
    kept_as: String,
    by: String,
) -> Decided {
    if let Some((_, last)) = stretches.last().copied()
        && stretches.len() > LOST_STRETCHES_MAX
    {
        stretches.truncate(LOST_STRETCHES_MAX);
        if let Some(rest) = stretches.last_mut() {
            rest.1 = last;
        }
    }
    Decided::done(Event::LossAccepted {
        stretches,
        others,
        kept_as,
        by,
    })
}
