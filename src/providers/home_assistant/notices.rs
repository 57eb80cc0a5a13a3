//! The notices of Home Assistant.

use serde_json::{Map, Value};

use super::attributes::{labels, text_of};
use super::names::Names;
use super::options::{ATTRIBUTE, EVENT_FIRED, STATE, STATE_CHANGED, TRACKER};
use super::wire::{EventOf, StateOf, domain_of, micros};
use crate::domain::notice::{Collection, NoticeDraft, Severity, Subject, Transition};
use crate::domain::policy::Span;

/// Entities of a service call that are named; the others are counted.
const ENTITIES_NAMED_MAX: usize = 5;
/// Lines of an event's data that its text has.
const LINES_MAX: usize = 12;

/// Classes of `binary_sensor` that are the matter when they are on, so that off closes what on opened.
const MATTERS: [&str; 10] = [
    "battery",
    "carbon_monoxide",
    "cold",
    "gas",
    "heat",
    "moisture",
    "problem",
    "safety",
    "smoke",
    "tamper",
];

/// How people call on and off of a `binary_sensor`, by its class.
const WORDS: [(&str, &str, &str); 24] = [
    ("battery", "low", "normal"),
    ("battery_charging", "charging", "not charging"),
    ("carbon_monoxide", "detected", "clear"),
    ("cold", "cold", "normal"),
    ("connectivity", "connected", "disconnected"),
    ("door", "open", "closed"),
    ("garage_door", "open", "closed"),
    ("gas", "detected", "clear"),
    ("heat", "hot", "normal"),
    ("lock", "unlocked", "locked"),
    ("moisture", "wet", "dry"),
    ("motion", "detected", "clear"),
    ("moving", "moving", "not moving"),
    ("occupancy", "detected", "clear"),
    ("opening", "open", "closed"),
    ("plug", "plugged in", "unplugged"),
    ("presence", "home", "away"),
    ("problem", "a problem", "fine"),
    ("safety", "unsafe", "safe"),
    ("smoke", "detected", "clear"),
    ("sound", "detected", "clear"),
    ("tamper", "detected", "clear"),
    ("vibration", "detected", "clear"),
    ("window", "open", "closed"),
];

/// What a notice is made with.
pub struct Maker<'a> {
    /// The address of Home Assistant, without a slash at its end.
    pub base: &'a str,
    pub names: &'a Names,
}

/// A change of an entity that is told.
pub struct Change<'a> {
    pub state: &'a StateOf,
    /// Empty for the state.
    pub attribute: &'a str,
    pub before: &'a str,
    pub after: &'a str,
    pub at: Option<i64>,
    pub actor: Option<String>,
    /// Whether it happened while nobody looked.
    pub away: bool,
    /// For whom it was waited, and how long.
    pub held: Option<(&'a str, Span)>,
}

/// A value as people say it.
fn said(state: &StateOf, attribute: &str, value: &str) -> String {
    if value.is_empty() {
        return "nothing".into();
    }
    if !attribute.is_empty() {
        return value.to_owned();
    }
    if state.domain() == "binary_sensor"
        && let Some(class) = state.attribute("device_class")
        && let Some((_, on, off)) = WORDS.iter().find(|(known, ..)| *known == class)
    {
        match value {
            "on" => return (*on).to_owned(),
            "off" => return (*off).to_owned(),
            _other => {}
        }
    }
    if value == "not_home" {
        return "away".into();
    }
    match state.attribute("unit_of_measurement") {
        Some(unit) if value.parse::<f64>().is_ok() => format!("{value} {unit}"),
        Some(_) | None => value.to_owned(),
    }
}

fn transition(change: &Change<'_>) -> Transition {
    let class = change.state.attribute("device_class").unwrap_or_default();
    let is_told_at_once = change.attribute.is_empty() && change.held.is_none();
    if !is_told_at_once || change.state.domain() != "binary_sensor" || !MATTERS.contains(&class) {
        return Transition::None;
    }
    match change.after {
        "on" => Transition::Opens,
        "off" => Transition::Closes,
        _other => Transition::None,
    }
}

impl Maker<'_> {
    fn place(&self, notice: &mut NoticeDraft, entity: &str) {
        let mut label = |key: &str, value: &str| {
            notice.labels.insert(key.into(), value.into());
        };
        label("entity", entity);
        if let Some(area) = self.names.area(entity) {
            label("area", area.name);
            label("area_id", area.id);
        }
        if let Some(device) = self.names.device(entity) {
            label("device", device);
        }
    }

    pub fn state_changed(&self, change: &Change<'_>) -> NoticeDraft {
        let state = change.state;
        let (id, name) = (state.entity_id.as_str(), state.name());
        let (before, after) = (
            said(state, change.attribute, change.before),
            said(state, change.attribute, change.after),
        );
        let mut notice = NoticeDraft {
            kind: STATE_CHANGED.into(),
            collection: Some(collection(id, name)),
            subject: Subject {
                key: id.into(),
                label: name.into(),
            },
            transition: transition(change),
            actor: change.actor.clone(),
            severity: Severity::Info,
            url: Some(format!("{}/history?entity_id={id}", self.base)),
            labels: labels(&state.attributes, "attr_"),
            occurred_at: change.at,
            ..NoticeDraft::default()
        };
        self.place(&mut notice, id);
        let mut label = |key: &str, value: &str| {
            notice.labels.insert(key.into(), value.into());
        };
        label("domain", state.domain());
        label("value", &after);
        label("value_before", &before);
        for (key, attribute) in [("class", "device_class"), ("unit", "unit_of_measurement")] {
            if let Some(value) = state.attribute(attribute) {
                label(key, value);
            }
        }
        if let Some(id) = state
            .context
            .as_ref()
            .and_then(|context| context.id.as_deref())
        {
            label("context", id);
        }
        let key = match change.attribute {
            "" => STATE,
            attribute => {
                label(ATTRIBUTE, attribute);
                attribute
            }
        };
        if change.away {
            label("while_away", "true");
        }
        if let Some((tracker, span)) = change.held {
            label(TRACKER, tracker);
            label("for", &span.to_string());
        }
        let what = match change.attribute {
            "" => name.to_owned(),
            attribute => format!("{name}: {attribute}"),
        };
        notice.title = match change.held {
            Some((_, span)) => format!("{what} has been {after} for {span}"),
            None => format!("{what} is now {after}"),
        };
        let area = notice.labels.get("area").map(String::as_str);
        let change_line = format!("{before} → {after}");
        notice.text = match area {
            Some(area) => format!("{change_line} ({area})"),
            None => change_line,
        };
        if change.away {
            notice.text += "\nNoticed afterwards";
        }
        notice.before.insert(key.into(), change.before.into());
        notice.after.insert(key.into(), change.after.into());
        notice.bounded()
    }

    /// What an event says that is no change of a state: its kind, its collection and its domain.
    pub fn about(event: &EventOf) -> (&'static str, Collection, Option<String>) {
        let text = |key: &str| {
            event
                .data
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match event.event_type.as_str() {
            "automation_triggered" => {
                let id = text("entity_id");
                let name = Some(text("name")).filter(|name| !name.is_empty());
                (
                    "automation_triggered",
                    collection(id, name.unwrap_or(id)),
                    Some(domain_of(id).to_owned()),
                )
            }
            "call_service" => {
                let id = format!("{}.{}", text("domain"), text("service"));
                (
                    "service_called",
                    collection(&id, &id),
                    Some(text("domain").to_owned()),
                )
            }
            other => (EVENT_FIRED, collection(other, other), None),
        }
    }

    /// Something that happened, with the entity that it is about where there is one.
    pub fn happened(&self, event: &EventOf, actor: Option<String>) -> NoticeDraft {
        let (kind, collection, domain) = Maker::about(event);
        let empty = Map::new();
        let data = event.data.as_object().unwrap_or(&empty);
        let mut notice = NoticeDraft {
            kind: kind.into(),
            subject: Subject {
                key: format!("{kind}:{}", collection.id),
                label: collection.name.clone(),
            },
            transition: Transition::None,
            actor,
            severity: Severity::Info,
            occurred_at: micros(&event.time_fired),
            ..NoticeDraft::default()
        };
        let entities = entities_of(data);
        if let [entity] = &entities[..] {
            self.place(&mut notice, entity);
        }
        if let Some(domain) = domain {
            notice.labels.insert("domain".into(), domain);
        }
        if let Some(id) = &event.context.id {
            notice.labels.insert("context".into(), id.clone());
        }
        match kind {
            "automation_triggered" => {
                let source = data.get("source").and_then(text_of).unwrap_or_default();
                notice.title = format!("Automation {} ran", collection.name);
                if !source.is_empty() {
                    notice.text = format!("Triggered by {source}");
                    notice.labels.insert("source".into(), source);
                }
                notice.url = Some(format!("{}/history?entity_id={}", self.base, collection.id));
            }
            "service_called" => {
                let given = data.get("service_data").and_then(Value::as_object);
                let given = given.unwrap_or(&empty);
                notice.labels.extend(labels(given, "data_"));
                let service = &collection.id;
                notice.labels.insert("service".into(), service.clone());
                notice.title = match named(&entities) {
                    Some(entities) => format!("{service} was called for {entities}"),
                    None => format!("{service} was called"),
                };
                notice.text = lines(given, &["entity_id"]);
            }
            _event_fired => {
                let event_type = &collection.id;
                notice.labels.extend(labels(data, "data_"));
                notice.labels.insert("event".into(), event_type.clone());
                notice.title = format!("Event {event_type}");
                notice.text = lines(data, &[]);
            }
        }
        notice.collection = Some(collection);
        notice.bounded()
    }
}

fn collection(id: &str, name: &str) -> Collection {
    Collection {
        id: id.into(),
        name: name.into(),
    }
}

/// The entities that the data of an event name.
pub fn entities_of(data: &Map<String, Value>) -> Vec<String> {
    let given = data
        .get("service_data")
        .and_then(|given| given.get("entity_id"));
    match data.get("entity_id").or(given) {
        Some(Value::String(id)) => vec![id.clone()],
        Some(Value::Array(ids)) => {
            let ids = ids.iter().filter_map(Value::as_str);
            ids.map(str::to_owned).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            Vec::new()
        }
    }
}

fn named(entities: &[String]) -> Option<String> {
    let first = entities
        .get(..ENTITIES_NAMED_MAX)
        .unwrap_or(entities)
        .join(", ");
    match entities.len() {
        0 => None,
        count if count > ENTITIES_NAMED_MAX => {
            Some(format!("{first} and {} more", count - ENTITIES_NAMED_MAX))
        }
        _few => Some(first),
    }
}

/// A line for each member that is told.
fn lines(data: &Map<String, Value>, but: &[&str]) -> String {
    let labels = labels(data, "");
    let told = labels
        .iter()
        .filter(|(name, _)| !but.contains(&name.as_str()));
    let lines: Vec<String> = told
        .take(LINES_MAX)
        .map(|(name, value)| match name.as_str() {
            "message" => value.clone(),
            _other => format!("{name}: {value}"),
        })
        .collect();
    lines.join("\n")
}

/// About the connection to a Home Assistant that is called so here.
fn about_connection(kind: &str, provider: &str, base: &str) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        subject: Subject {
            key: "connection".into(),
            label: provider.into(),
        },
        url: Some(base.to_owned()),
        ..NoticeDraft::default()
    }
}

pub fn connection_lost(provider: &str, base: &str) -> NoticeDraft {
    NoticeDraft {
        transition: Transition::Opens,
        severity: Severity::Warning,
        title: format!("No connection to {provider}"),
        // It may not answer, or refuse the token: which of them is said where its state is shown.
        text:
            "Nothing is heard of it; its page says why. What changes meanwhile is told afterwards."
                .into(),
        ..about_connection("connection_lost", provider, base)
    }
    .bounded()
}

pub fn connection_restored(provider: &str, base: &str) -> NoticeDraft {
    NoticeDraft {
        transition: Transition::Closes,
        severity: Severity::Success,
        title: format!("{provider} is connected again"),
        ..about_connection("connection_restored", provider, base)
    }
    .bounded()
}
