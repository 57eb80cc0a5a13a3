//! How the session goes with a provider that tells over one.

use serde_json::{Value, json};

use super::{add, moment};
use crate::domain::spec::ProviderSpec;
use crate::domain::state::State;
use crate::projections::configuration::Entity;
use crate::providers;
use crate::shell::sessions::Talking;

/// `None` for a provider without sessions.
pub fn talking(state: &State, provider: &Entity<ProviderSpec>, talking: &Talking) -> Option<Value> {
    providers::kind(&provider.spec.kind)?.subscribed()?;
    let mut shape = json!({
        "works": talking.works,
        "messages": talking.messages,
        "left_out": talking.left_out,
        "reconnects": talking.reconnects(),
        "failures_in_a_row": talking.failures_in_a_row,
    });
    add(
        &mut shape,
        "connected_since",
        talking.connected_at.map(moment),
    );
    add(
        &mut shape,
        "last_message_at",
        talking.last_message_at.map(moment),
    );
    add(&mut shape, "last_new_at", talking.last_new_at.map(moment));
    add(&mut shape, "last_error", talking.last_error.as_deref());
    add(&mut shape, "next_at", talking.next_at.map(moment));
    if state.cursors.halted {
        shape["halted"] = true.into();
    }
    Some(shape)
}
