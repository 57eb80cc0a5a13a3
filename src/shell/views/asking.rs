//! How looking at a provider goes that is asked.

use serde_json::{Value, json};

use super::{add, moment};
use crate::domain::spec::{INTERVAL_DEFAULT, ProviderSpec};
use crate::domain::state::State;
use crate::projections::configuration::Entity;
use crate::providers;
use crate::providers::ask::{Rhythm, Seen};
use crate::shell::pollers::Polling;

/// Moments of the clock that are foretold.
pub const UPCOMING: usize = 5;

/// When a provider is looked at, how that went, and what is to come; `None` for one that is not looked
/// at by itself.
pub fn asking(
    state: &State,
    provider: &Entity<ProviderSpec>,
    polling: &Polling,
    now: i64,
) -> Option<Value> {
    let spec = &provider.spec;
    let polled = providers::kind(&spec.kind)?.polled()?;
    if polled.rhythm() == Rhythm::Asked {
        return None;
    }
    let mut shape = json!({
        "looks": polling.looks,
        "failures_in_a_row": polling.failures_in_a_row,
    });
    if polled.rhythm() == Rhythm::Interval {
        let interval = spec.source.interval.unwrap_or(INTERVAL_DEFAULT);
        shape["interval"] = interval.to_string().into();
        shape["adaptive_max_skip"] = spec.source.adaptive_max_skip.unwrap_or(0).into();
    }
    add(&mut shape, "last_at", polling.last_at.map(moment));
    add(&mut shape, "last_new_at", polling.last_new_at.map(moment));
    add(&mut shape, "next_at", polling.next_at.map(moment));
    add(&mut shape, "last_error", polling.last_error.as_deref());
    let upcoming = polled.upcoming(spec, state.configuration.zone(), now, UPCOMING);
    if !upcoming.is_empty() {
        shape["upcoming"] = upcoming.into_iter().map(moment).collect();
    }
    if state.cursors.halted {
        shape["halted"] = true.into();
    }
    Some(shape)
}

/// The collections a provider has, those whose id or name has these words in it.
pub fn collections(seen: &Seen, words: &str, limit: usize) -> Value {
    let wanted = words.trim().to_lowercase();
    let fits = |text: &str| text.to_lowercase().contains(&wanted);
    let found = seen.collections.iter();
    let found = found.filter(|found| {
        fits(&found.collection.id) || fits(&found.collection.name) || fits(&found.detail)
    });
    let items: Vec<Value> = found
        .take(limit)
        .map(|found| {
            json!({
                "id": found.collection.id,
                "name": found.collection.name,
                "detail": found.detail,
            })
        })
        .collect();
    // All of them were asked for at once, so there is no next page.
    json!({"items": items, "next": null})
}
