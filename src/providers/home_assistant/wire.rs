//! What Home Assistant says over its WebSocket and what it is asked: only the members that are read.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A message of Home Assistant. Which members it has depends on its type.
#[derive(Debug, Deserialize)]
pub struct Message {
    /// Of the command that this answers, or of the subscription that it comes over.
    #[serde(default)]
    pub id: Option<u64>,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub success: bool,
    #[serde(default)]
    pub result: Value,
    #[serde(default)]
    pub error: Option<Fault>,
    #[serde(default)]
    pub event: Value,
    /// Why a token was refused.
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    #[serde(default)]
    pub message: String,
}

/// The messages of one frame: one, or a list once that was agreed upon.
pub fn messages(text: &str) -> Result<Vec<Message>, String> {
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|message| vec![message])
    };
    read.map_err(|error| format!("it said something that Home Assistant does not say: {error}"))
}

/// Those of a list that are of the expected form.
pub fn list<T: DeserializeOwned>(value: Value) -> Vec<T> {
    let Value::Array(entries) = value else {
        return Vec::new();
    };
    let read = entries.into_iter().map(serde_json::from_value);
    read.filter_map(Result::ok).collect()
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Context {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub user_id: Option<String>,
}

/// An entity as it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StateOf {
    pub entity_id: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// When its state, and when anything of it became what it is.
    #[serde(default)]
    pub last_changed: String,
    #[serde(default)]
    pub last_updated: String,
    #[serde(default)]
    pub context: Option<Context>,
}

/// States that say that nothing is known.
const BLANK: [&str; 2] = ["unavailable", "unknown"];

/// Whether a state says that nothing is known.
pub fn is_blank(state: &str) -> bool {
    BLANK.contains(&state)
}

impl StateOf {
    /// `light` of `light.kitchen`.
    pub fn domain(&self) -> &str {
        domain_of(&self.entity_id)
    }

    /// As people call it.
    pub fn name(&self) -> &str {
        let name = self.attribute("friendly_name");
        name.map(str::trim)
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.entity_id)
    }

    /// An attribute that is a text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }

    /// When the state, or for `true` anything of the entity, became what it is.
    pub fn moment(&self, of_attributes: bool) -> Option<i64> {
        let changed = || micros(&self.last_changed);
        if of_attributes {
            micros(&self.last_updated).or_else(changed)
        } else {
            changed().or_else(|| micros(&self.last_updated))
        }
    }
}

pub fn domain_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(domain, _)| domain)
}

/// Microseconds since 1970 of a moment as Home Assistant writes it.
pub fn micros(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(at.as_microsecond())
}

/// Something that happened.
#[derive(Debug, Clone, Deserialize)]
pub struct EventOf {
    pub event_type: String,
    #[serde(default)]
    pub data: Value,
    #[serde(default)]
    pub time_fired: String,
    #[serde(default)]
    pub context: Context,
}

/// What happened when an entity changed.
#[derive(Debug, Clone, Deserialize)]
pub struct Changed {
    pub entity_id: String,
    /// `None`: it was made by this.
    #[serde(default)]
    pub old_state: Option<StateOf>,
    /// `None`: it was taken away by this.
    #[serde(default)]
    pub new_state: Option<StateOf>,
}

/// Entities, devices and areas as they are registered.
#[derive(Debug, Clone, Deserialize)]
pub struct EntityEntry {
    pub entity_id: String,
    #[serde(default)]
    pub device_id: Option<String>,
    #[serde(default)]
    pub area_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct DeviceEntry {
    pub id: String,
    #[serde(default)]
    pub area_id: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub name_by_user: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct AreaEntry {
    pub area_id: String,
    #[serde(default)]
    pub name: String,
}

/// Proves who asks. It is never logged, for it holds the token.
pub fn auth(token: &str) -> String {
    json!({ "type": "auth", "access_token": token }).to_string()
}

pub fn command(id: u64, kind: &str) -> String {
    json!({ "id": id, "type": kind }).to_string()
}

/// That messages may come as lists.
pub fn features(id: u64) -> String {
    json!({ "id": id, "type": "supported_features", "features": { "coalesce_messages": 1 } })
        .to_string()
}

/// To events of one type, or with `None` to all.
pub fn subscribe(id: u64, event_type: Option<&str>) -> String {
    match event_type {
        Some(event_type) => {
            json!({ "id": id, "type": "subscribe_events", "event_type": event_type })
        }
        None => json!({ "id": id, "type": "subscribe_events" }),
    }
    .to_string()
}

pub fn unsubscribe(id: u64, subscription: u64) -> String {
    json!({ "id": id, "type": "unsubscribe_events", "subscription": subscription }).to_string()
}
