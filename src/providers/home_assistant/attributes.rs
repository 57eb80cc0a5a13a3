//! What is passed on of attributes, of the data of events and of what services were called with.
//!
//! **Invariant:** what opens something (tokens, codes, signed addresses of cameras) is not passed on,
//! at any depth.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::notice::cut;

/// Attributes of an entity, or members of an event's data, that a notice has; the others are counted in
/// the label `attributes_left_out`.
pub const ATTRIBUTES_MAX: usize = 30;
/// Longest of their values, in bytes; a longer one is cut.
const ATTRIBUTE_BYTES_MAX: usize = 512;
/// Deepest level of a value that is passed on; what lies deeper is left out.
const DEPTH_MAX: usize = 6;

/// Names that are not passed on.
const BLOCKED: [&str; 9] = [
    "code",
    "pin",
    "stream_source",
    "still_image_url",
    "video_url",
    "frontend_stream_type",
    "webhook_id",
    "entity_picture",
    "entity_picture_local",
];
/// Names with this in them are not passed on either.
const BLOCKED_PARTS: [&str; 6] = [
    "token",
    "password",
    "secret",
    "api_key",
    "credential",
    "entity_picture",
];
/// Texts with this in them hold a token, whatever they are called.
const BLOCKED_TEXTS: [&str; 3] = ["token=", "authSig=", "Bearer "];

/// Attributes that say nothing to a reader, or that a notice says elsewhere.
const SAID_ELSEWHERE: [&str; 12] = [
    "friendly_name",
    "icon",
    "supported_features",
    "supported_color_modes",
    "device_class",
    "state_class",
    "unit_of_measurement",
    "attribution",
    "editable",
    "restored",
    "assumed_state",
    "id",
];

/// Whether what is called so is never told.
pub fn is_blocked(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    BLOCKED.contains(&name.as_str()) || BLOCKED_PARTS.iter().any(|part| name.contains(part))
}

/// A value as a line of text; nothing of it is cut.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => {
            let opens = BLOCKED_TEXTS.iter().any(|part| text.contains(part));
            (!opens).then(|| text.clone())
        }
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => Some(tidy(value, 0)?.to_string()),
    }
}

fn tidy(value: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        Value::String(_) => text_of(value).map(Value::String),
        Value::Array(list) => {
            let kept = list.iter().filter_map(|value| tidy(value, depth + 1));
            Some(Value::Array(kept.collect()))
        }
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(name, _)| !is_blocked(name))
                .filter_map(|(name, value)| Some((name.clone(), tidy(value, depth + 1)?)));
            Some(Value::Object(kept.collect()))
        }
    }
}

/// What is told of a map, by label: each name with `prefix` before it, signs that an expression cannot
/// write as `_`.
pub fn labels(map: &Map<String, Value>, prefix: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut left_out = 0_usize;
    for (name, value) in map {
        if is_blocked(name) || SAID_ELSEWHERE.contains(&name.as_str()) {
            continue;
        }
        let Some(mut text) = text_of(value).filter(|text| !text.is_empty()) else {
            continue;
        };
        if labels.len() >= ATTRIBUTES_MAX {
            left_out += 1;
            continue;
        }
        cut(&mut text, ATTRIBUTE_BYTES_MAX);
        let name: String = name
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        labels.insert(format!("{prefix}{name}"), text);
    }
    if left_out > 0 {
        labels.insert("attributes_left_out".into(), left_out.to_string());
    }
    labels
}
