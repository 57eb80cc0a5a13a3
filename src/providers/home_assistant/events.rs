//! Events: which types are asked for, and what is made of those that are no change of a state.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::house::House;
use super::notices::{Maker, entities_of};
use super::options::{EVENT_FIRED, STATE_CHANGED, Wanted};
use super::wire::{Changed, EventOf};

/// Events that are remembered, not to be told twice.
const SEEN_MAX: usize = 512;

/// Types of events that are Home Assistant's own bookkeeping; told only to who names them.
const INTERNAL: [&str; 35] = [
    "state_changed",
    "state_reported",
    "call_service",
    "automation_triggered",
    "automation_reloaded",
    "area_registry_updated",
    "category_registry_updated",
    "component_loaded",
    "config_entry_discovered",
    "core_config_updated",
    "data_entry_flow_progress_update",
    "data_entry_flow_progressed",
    "device_registry_updated",
    "entity_registry_updated",
    "floor_registry_updated",
    "homeassistant_close",
    "homeassistant_final_write",
    "homeassistant_start",
    "homeassistant_started",
    "homeassistant_stop",
    "issue_registry_updated",
    "repairs_issue_registry_updated",
    "label_registry_updated",
    "logbook_entry",
    "logging_changed",
    "lovelace_updated",
    "panels_updated",
    "persistent_notifications_updated",
    "recorder_5min_statistics_generated",
    "recorder_hourly_statistics_generated",
    "service_registered",
    "service_removed",
    "themes_updated",
    "user_added",
    "user_updated",
];

fn entity_of(event: &EventOf) -> &str {
    let entity = event.data.get("entity_id");
    entity.and_then(Value::as_str).unwrap_or_default()
}

/// Events that were taken last.
#[derive(Debug, Default)]
pub struct Seen {
    order: VecDeque<u64>,
    all: BTreeSet<u64>,
}

impl Seen {
    /// Whether an event is none of them. The id of its context and `what` tell it from others.
    fn is_new(&mut self, event: &EventOf, what: &str) -> bool {
        let Some(context) = &event.context.id else {
            return true;
        };
        let key = xxh3_64(format!("{context}\0{}\0{what}", event.event_type).as_bytes());
        if !self.all.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }
}

impl House {
    /// Something happened.
    pub fn event(&mut self, event: EventOf, now: i64) {
        if self.is_full() {
            self.leave_out(1);
            return;
        }
        let user = event.context.user_id.as_ref();
        let actor = user.and_then(|user| self.people.get(user)).cloned();
        if event.event_type == STATE_CHANGED {
            let key = format!("{}\0{}", event.time_fired, entity_of(&event));
            if !self.seen.is_new(&event, &key) {
                return;
            }
            if let Ok(changed) = serde_json::from_value::<Changed>(event.data) {
                self.changed(changed, actor, now);
            }
        } else if self.is_wanted(&event)
            && self
                .seen
                .is_new(&event, &format!("{}\0{}", event.time_fired, event.data))
        {
            let maker = Maker {
                base: &self.base,
                names: &self.names,
            };
            self.waiting.push(maker.happened(&event, actor));
        }
    }

    /// Whether somebody wants what is no change of a state.
    fn is_wanted(&self, event: &EventOf) -> bool {
        let (kind, collection, domain) = Maker::about(event);
        let entities = event.data.as_object().map(entities_of).unwrap_or_default();
        let area = match &entities[..] {
            [entity] => self.names.area(entity),
            _several_or_none => None,
        };
        let is_internal = kind == EVENT_FIRED && INTERNAL.contains(&event.event_type.as_str());
        let (id, name) = (collection.id.as_str(), collection.name.as_str());
        let wants = |one: &Wanted| {
            let names_it = || {
                let types = one.event_types();
                types.is_some_and(|types| types.contains(&event.event_type))
            };
            one.wants_kind(kind)
                && one.wants_collection(id, name, domain.as_deref(), area)
                && (!is_internal || names_it())
        };
        !id.is_empty() && self.wanted.iter().any(wants)
    }

    /// The types of events that somebody needs, and whether they are all that there are.
    pub fn event_types(&self) -> EventTypes {
        let mut types = EventTypes::default();
        for (kind, event_type) in KINDS_OF_TYPES {
            if self.wanted.iter().any(|one| one.wants_kind(kind)) {
                types.named.insert(event_type.to_owned());
            }
        }
        for one in self.wanted.iter().filter(|one| one.wants_kind(EVENT_FIRED)) {
            match one.event_types() {
                None => types.any = true,
                Some(words) => {
                    let is_named = one.names_kind(EVENT_FIRED);
                    let words = words.iter().filter(|word| is_named || !word.contains('.'));
                    types.named.extend(words.cloned());
                }
            }
        }
        types
    }

    /// Whether somebody asked for events of this type by name, and not only for whatever there is.
    pub fn is_asked_for(&self, event_type: Option<&str>) -> bool {
        let kind_of = |event_type| {
            let found = KINDS_OF_TYPES
                .iter()
                .find(|(_, known)| *known == event_type);
            found.map_or(EVENT_FIRED, |(kind, _)| kind)
        };
        let kind = event_type.map_or(EVENT_FIRED, kind_of);
        kind == STATE_CHANGED || self.wanted.iter().any(|one| one.names_kind(kind))
    }

    /// Whether somebody's wishes depend on where entities are.
    pub fn is_placed(&self) -> bool {
        self.wanted.iter().any(Wanted::is_placed)
    }
}

/// Notice kinds and the types of events that they are made of, besides `event_fired`.
const KINDS_OF_TYPES: [(&str, &str); 3] = [
    (STATE_CHANGED, "state_changed"),
    ("automation_triggered", "automation_triggered"),
    ("service_called", "call_service"),
];

/// Types of events that somebody needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventTypes {
    pub named: BTreeSet<String>,
    /// Whether somebody wants any.
    pub any: bool,
}
