//! Deciding what was seen at a provider that is asked: notices and where looking stands, in one.

use std::collections::BTreeSet;

use super::super::command::{Context, Observe, Refusal, Told};
use super::super::event::{Event, RequestKeys};
use super::super::state::State;
use super::{Decided, intake};
use crate::projections::cursors::{
    CURSOR_BYTES_MAX, CURSOR_KEY_BYTES_MAX, CURSORS_BYTES_MAX, CURSORS_MAX,
};

/// Takes an observation whole, or refuses it whole: then the next one begins where this one did.
pub fn observe(state: &State, observe: Observe, context: &Context) -> Result<Decided, Refusal> {
    let provider = intake::enabled_provider(state, observe.provider)?;
    if provider.revision != observe.revision {
        return Err(Refusal::Outdated);
    }
    check_cursors(state, &observe)?;
    let keys = RequestKeys::default();
    let mut decided = if observe.notices.is_empty() {
        Decided::nothing()
    } else {
        intake::take_in(state, provider, observe.notices, keys, 0, context)?
    };
    for (key, bytes) in observe.cursors {
        let before = state.cursors.get(observe.provider, &key);
        if before != bytes.as_ref() {
            decided.events.push(Event::CursorMoved {
                provider: observe.provider,
                key,
                bytes,
            });
        }
    }
    if let Told::Done = decided.told {
        decided.told = Told::Changed {
            count: decided.events.len() as u32,
        };
    }
    Ok(decided)
}

fn check_cursors(state: &State, observe: &Observe) -> Result<(), Refusal> {
    let refuse = |field: String, message: String| Err(Refusal::Invalid { field, message });
    let mut named = BTreeSet::new();
    for (key, bytes) in &observe.cursors {
        let field = || format!("cursors.{key}");
        if key.is_empty() || key.len() > CURSOR_KEY_BYTES_MAX {
            let message = format!("its key has to have 1 to {CURSOR_KEY_BYTES_MAX} bytes");
            return refuse(field(), message);
        }
        if !named.insert(key.as_str()) {
            return refuse(field(), "is moved twice at once".into());
        }
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len());
        if size > CURSOR_BYTES_MAX {
            return refuse(
                field(),
                format!("has {size} bytes; at most {CURSOR_BYTES_MAX} fit, spread it over keys"),
            );
        }
    }
    let kept = state.cursors.of(observe.provider).into_iter().flatten();
    let kept = kept
        .filter(|(key, _)| !named.contains(key.as_str()))
        .map(|(key, bytes)| key.len() + bytes.len());
    let moved = observe.cursors.iter();
    let moved = moved.filter_map(|(key, bytes)| Some(key.len() + bytes.as_ref()?.len()));
    let (count, bytes) = kept
        .chain(moved)
        .fold((0, 0), |(count, bytes), size| (count + 1, bytes + size));
    if count > CURSORS_MAX || bytes > CURSORS_BYTES_MAX {
        return refuse(
            "cursors".into(),
            format!(
                "come to {count} with {bytes} bytes; one provider has at most {CURSORS_MAX} with {CURSORS_BYTES_MAX} bytes, so watch fewer collections"
            ),
        );
    }
    Ok(())
}
