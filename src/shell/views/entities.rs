//! Configured entities as JSON, and how they are doing.

use std::collections::BTreeMap;

use notify_store::Reader;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Look, ViewError, add, moment, setup};
use crate::config::quantity::{rate_text, size_text};
use crate::domain::event::Event;
use crate::domain::spec::{
    BotSpec, DigestEncoding, EntityKind, EntitySpec, HmacSpec, ProviderSpec, SecretMarks,
    TargetSpec, TemplateSpec, TrackerSpec, Verify,
};
use crate::domain::state::State;
use crate::projections::configuration::Entity;
use crate::projections::listening::Voice;
use crate::projections::outbox::Lane;
use crate::providers;
use crate::shell::sources::Heard;

/// Ids of a kind's entities before one, newest first.
pub fn entity_ids(look: &impl Look, kind: EntityKind, before: u64, most: usize) -> Vec<u32> {
    fn back<T>(map: &BTreeMap<u32, T>, before: u64, most: usize) -> Vec<u32> {
        match u32::try_from(before) {
            Ok(before) => map
                .range(..before)
                .rev()
                .take(most)
                .map(|(id, _)| *id)
                .collect(),
            Err(_) => map.keys().rev().take(most).copied().collect(),
        }
    }
    look.look(|state| {
        let configuration = &state.configuration;
        match kind {
            EntityKind::Provider => back(&configuration.providers, before, most),
            EntityKind::Target => back(&configuration.targets, before, most),
            EntityKind::Tracker => back(&configuration.trackers, before, most),
            EntityKind::Template => back(&configuration.templates, before, most),
            EntityKind::Bot => back(&configuration.bots, before, most),
        }
    })
}

/// What is known of an entity, copied from the state.
struct Copied {
    shape: Value,
    secrets: SecretMarks,
}

/// An entity with its revision and what is known of its health, which `heard` adds to for a
/// provider of a running program. `base` is the address the program is reached at.
pub fn entity(
    reader: &Reader<Event>,
    look: &impl Look,
    kind: EntityKind,
    id: u32,
    base: &str,
    heard: impl Fn(&str) -> Heard,
) -> Result<(Value, u64), ViewError> {
    let copied = look.look(|state| {
        let configuration = &state.configuration;
        match kind {
            EntityKind::Provider => configuration.providers.get(&id).map(|entity| {
                let mut copied = common(entity, provider(&entity.spec));
                let heard = heard(&entity.spec.name);
                copied.shape["health"] = provider_health(state, entity, &heard, base);
                copied
            }),
            EntityKind::Target => configuration.targets.get(&id).map(|target| {
                let mut copied = common(&target.entity, target_spec(&target.entity.spec));
                copied.shape["health"] = target_health(state, id);
                copied
            }),
            EntityKind::Tracker => configuration
                .trackers
                .get(&id)
                .map(|tracker| common(&tracker.entity, tracker_spec(&tracker.entity.spec))),
            EntityKind::Template => configuration
                .templates
                .get(&id)
                .map(|template| common(&template.entity, template_spec(&template.entity.spec))),
            EntityKind::Bot => configuration.bots.get(&id).map(|bot| {
                let mut copied = common(bot, bot_spec(&bot.spec));
                copied.shape["health"] = super::bot_health(state, bot, base);
                copied
            }),
        }
    });
    let Some(Copied { mut shape, secrets }) = copied else {
        return Err(ViewError::not_found(kind.as_str(), format!("#{id}")));
    };
    let mut fields = serde_json::Map::new();
    for (field, mark) in &secrets {
        // Only that it is set, and since when.
        let set_at = reader
            .get(mark.position)?
            .map(|event| moment(event.recorded_at));
        fields.insert(field.clone(), json!({"set": true, "set_at": set_at}));
    }
    shape["secrets"] = fields.into();
    let revision = shape["revision"].as_u64().unwrap_or(0);
    Ok((shape, revision))
}

fn common<S>(entity: &Entity<S>, mut shape: Value) -> Copied {
    shape["revision"] = entity.revision.into();
    shape["managed_by"] = entity.managed_by.clone().into();
    Copied {
        shape,
        secrets: entity.secrets.clone(),
    }
}

fn plain(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or(Value::Null)
}

/// A spec as it would be written in a file, so that an answer can be put back.
pub(super) fn provider(spec: &ProviderSpec) -> Value {
    let mut shape = plain(spec);
    shape["enabled"] = spec.enabled.into();
    if let Some(verify) = &spec.verify {
        shape["verify"] = verify_json(verify);
    }
    if let Some(rate) = spec.rate {
        shape["rate"] = rate_text(rate).into();
    }
    if let Some(bytes) = spec.body_max {
        shape["body_max"] = size_text(u64::from(bytes)).into();
    }
    if let Some(map) = &spec.map {
        let mut table = plain(&map.fields);
        if !map.labels.is_empty() {
            table["labels"] = plain(&map.labels);
        }
        shape["map"] = table;
    }
    shape
}

fn target_spec(spec: &TargetSpec) -> Value {
    let mut shape = plain(spec);
    shape["enabled"] = spec.enabled.into();
    shape
}

fn tracker_spec(spec: &TrackerSpec) -> Value {
    let mut shape = plain(spec);
    shape["enabled"] = spec.enabled.into();
    shape
}

fn template_spec(spec: &TemplateSpec) -> Value {
    plain(spec)
}

fn bot_spec(spec: &BotSpec) -> Value {
    let mut shape = plain(spec);
    shape["enabled"] = spec.enabled.into();
    shape["mode"] = spec.mode.as_str().into();
    shape
}

pub(super) fn verify_json(verify: &Verify) -> Value {
    match verify {
        Verify::Signature => "signature".into(),
        Verify::Bearer => "bearer".into(),
        Verify::Basic => "basic".into(),
        Verify::Path => "path".into(),
        Verify::None => "none".into(),
        Verify::Hmac(HmacSpec {
            header,
            prefix,
            encoding,
            timestamp,
        }) => {
            let mut table = json!({"hmac_sha256": header});
            super::add_text(&mut table, "prefix", prefix);
            table["encoding"] = match encoding {
                DigestEncoding::Hex => "hex".into(),
                DigestEncoding::Base64 => "base64".into(),
            };
            add(&mut table, "timestamp", timestamp.as_deref());
            table
        }
    }
}

/// How a provider is doing: what was last heard, and what usually goes wrong on its side.
pub fn provider_health(
    state: &State,
    entity: &Entity<ProviderSpec>,
    heard: &Heard,
    base: &str,
) -> Value {
    let spec = &entity.spec;
    let traps = providers::kind(&spec.kind).map_or(&[][..], |kind| kind.traps());
    let mut shape = json!({
        "address": setup::verify(spec).map(|_| setup::hook_address(base, spec)),
        "verify": setup::verify(spec).map(|verify| verify_json(&verify)),
        "verified": heard.verified,
        "refused": heard.refused,
        "unreadable": heard.unreadable,
        "duplicates": heard.duplicates,
        "rate_limited": heard.rate_limited,
        "unreadable_ever": state.counts.unreadable.get(&entity.id).copied().unwrap_or(0),
        "trackers": state.configuration.by_provider.get(&entity.id).map_or(0, Vec::len),
        "traps": traps,
    });
    if state.listening.is_silent(Voice::Provider(entity.id)) {
        shape["silent"] = true.into();
    }
    let last_notice = state.health.last_notice_at.get(&entity.id).copied();
    add(&mut shape, "last_notice_at", last_notice.map(moment));
    add(
        &mut shape,
        "last_verified_at",
        heard.last_verified_at.map(moment),
    );
    add(
        &mut shape,
        "last_refused_at",
        heard.last_refused_at.map(moment),
    );
    add(
        &mut shape,
        "last_refused_why",
        heard.last_refused_why.as_deref(),
    );
    add(
        &mut shape,
        "last_refused_from",
        heard.last_refused_from.map(|from| from.to_string()),
    );
    shape
}

/// How a target is doing, as observed.
pub fn target_health(state: &State, id: u32) -> Value {
    let outbox = &state.outbox;
    let health = state.health.targets.get(&id).cloned().unwrap_or_default();
    let receivers = state
        .configuration
        .targets
        .get(&id)
        .map_or(&[][..], |target| target.receivers.as_slice());
    let waiting: usize = receivers
        .iter()
        .filter_map(|receiver| outbox.lanes.get(receiver))
        .map(Lane::waiting)
        .sum();
    let mut shape = json!({
        "failing": health.failing_since.is_some(),
        "failures_in_a_row": health.failures_in_a_row,
        "waiting": waiting,
        "sending": outbox.sending.get(&id).copied().unwrap_or(0),
        "receivers": receivers_health(state, id, receivers),
    });
    let open = outbox.breaker_is_open(id);
    shape["breaker"] = if open { "open" } else { "closed" }.into();
    add(
        &mut shape,
        "failing_since",
        health.failing_since.map(moment),
    );
    add(&mut shape, "last_sent_at", health.last_sent_at.map(moment));
    add(&mut shape, "last_error", health.last_error.as_deref());
    let paused = outbox.pauses.get(&id).copied();
    add(&mut shape, "paused_until", paused.map(moment));
    shape
}

fn receivers_health(state: &State, target: u32, receivers: &[u32]) -> Value {
    let Some(target) = state.configuration.targets.get(&target) else {
        return Value::Array(Vec::new());
    };
    receivers
        .iter()
        .filter_map(|id| {
            let health = state.health.receivers.get(id)?;
            let mut shape = json!({"receiver": target.receiver_name(*id)});
            add(&mut shape, "gone", health.gone.as_deref());
            add(&mut shape, "moved_to", health.moved_to.as_deref());
            Some(shape)
        })
        .collect()
}

/// The spec of an entity as shown in events.
pub(super) fn spec(spec: &EntitySpec) -> Value {
    match spec {
        EntitySpec::Provider(spec) => provider(spec),
        EntitySpec::Target(spec) => target_spec(spec),
        EntitySpec::Tracker(spec) => tracker_spec(spec),
        EntitySpec::Template(spec) => template_spec(spec),
        EntitySpec::Bot(spec) => bot_spec(spec),
    }
}
