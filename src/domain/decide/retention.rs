//! Deciding what is forgotten.

use std::collections::BTreeMap;

use super::Decided;
use crate::domain::command::{Context, Refusal};
use crate::domain::event::Event;
use crate::domain::retention::{Rule, Wanted};
use crate::domain::state::{State, word_hash};
use crate::projections::retention::Tally;

/// Bytes of a carried state in one event.
const PART_BYTES: usize = 192 * 1024;
/// Largest state that is carried, in bytes. While more is open than that, nothing is forgotten.
pub const CARRIED_BYTES_MAX: usize = 32 * 1024 * 1024;

const _: () = assert!(CARRIED_BYTES_MAX / PART_BYTES < u16::MAX as usize);

/// Moves horizons on, as far as there is something to forget.
pub fn advance(
    state: &State,
    wanted: Wanted,
    by: String,
    context: &Context,
) -> Result<Decided, Refusal> {
    let horizons = &state.retention.horizons;
    let end = context.first_position;
    let history_before = wanted.history_before.min(end).max(horizons.history_before);
    let mut rules: Vec<Rule> = wanted.rules;
    for rule in &mut rules {
        rule.before = rule.before.min(end);
    }
    let moves = |rule: &Rule| rule.before > horizons.before(rule.provider, word_hash(&rule.kind));
    let is_moved = rules.iter().any(moves) || history_before > horizons.history_before;
    if !is_moved && !wanted.is_released {
        return Ok(Decided::nothing());
    }
    let is_new = |rule: &Rule| {
        let hash = word_hash(&rule.kind);
        moves(rule) || (!rule.kind.is_empty() && !horizons.has_own(rule.provider, hash))
    };
    // A kind with a rule of its own gets its entry before the others of its provider move on without it.
    rules.retain(is_new);
    // What a provider has left behind that is not configured any more goes with its last family.
    let is_there = |provider: u32| {
        wanted.providers.contains(&provider)
            || state.configuration.providers.contains_key(&provider)
    };
    let left = horizons.rules().filter(|rule| is_there(rule.provider));
    let mut all: BTreeMap<(u32, String), u64> = left
        .map(|rule| ((rule.provider, rule.kind), rule.before))
        .collect();
    for rule in rules {
        let before = all.entry((rule.provider, rule.kind)).or_default();
        *before = rule.before.max(*before);
    }
    let mark = all.values().copied().max().unwrap_or(0);
    let mark = mark.max(history_before).max(horizons.mark());
    let rules = all
        .into_iter()
        .map(|((provider, kind), before)| Rule {
            provider,
            kind,
            before,
        })
        .collect();
    let bytes = crate::wire::encode_carried(&state.carried());
    if bytes.len() > CARRIED_BYTES_MAX {
        return Err(Refusal::Conflict(format!(
            "the open part of the state has {} bytes, more than the {CARRIED_BYTES_MAX} that are carried; settle or drop what is open first",
            bytes.len()
        )));
    }
    let parts = bytes.len().div_ceil(PART_BYTES).max(1);
    let mut events: Vec<Event> = (0u16..)
        .zip(bytes.chunks(PART_BYTES))
        .map(|(part, bytes)| Event::StateCarried {
            layout: crate::wire::CARRIED_LAYOUT,
            part,
            parts: parts as u16,
            bytes: bytes.to_vec(),
        })
        .collect();
    events.push(Event::RetentionAdvanced {
        rules,
        history_before,
        mark,
        carried_at: context.first_position,
        seen_from: state.seen.oldest().collect(),
        by,
    });
    Ok(Decided::changed(events))
}

/// Records what a run removed. The same run is recorded once, whatever interrupted it.
pub fn compacted(state: &State, run: u64, removed: Tally) -> Decided {
    if run <= state.retention.runs.count || removed.is_empty() {
        return Decided::nothing();
    }
    Decided::done(Event::Compacted { run, removed })
}
