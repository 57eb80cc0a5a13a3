//! What expressions see of a notice, and the notice as JSON.
//!
//! A view holds only the fields that an expression names, so that a filter over one label costs one
//! copy. The fields are those of the contract's shape; `collection` is a name, and a field that the
//! notice does not have is undefined.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::json;

use crate::domain::item::TEXT_FIELDS;
use crate::domain::notice::{Item, Notice};

/// Fields of a notice that hold one value.
const PLAIN_FIELDS: &[&str] = &[
    "id",
    "position",
    "received_at",
    "occurred_at",
    "provider",
    "provider_kind",
    "kind",
    "collection",
    "transition",
    "actor",
    "title",
    "text",
    "url",
    "severity",
    "dispatch_id",
];
/// Fields of a notice that hold further fields, known or free.
const NESTED_FIELDS: &[&str] = &["subject", "labels", "before", "after", "items", "common"];

/// The field of this name, with its static name.
pub(super) fn field(name: &str) -> Option<&'static str> {
    PLAIN_FIELDS
        .iter()
        .chain(NESTED_FIELDS)
        .copied()
        .find(|field| *field == name)
}

pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    PLAIN_FIELDS.iter().chain(NESTED_FIELDS).copied()
}

pub(super) fn is_nested(field: &str) -> bool {
    NESTED_FIELDS.contains(&field)
}

/// Which fields an expression reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Something reads the notice in a way that does not tell which fields.
    pub whole: bool,
    /// By field; of a nested one, the keys, or `None` for all of them.
    pub fields: BTreeMap<&'static str, Option<BTreeSet<String>>>,
    /// Names of the context that are read besides.
    pub names: BTreeSet<String>,
}

impl Wanted {
    pub fn read(&mut self, field: &'static str, key: Option<&str>) {
        let keys = self
            .fields
            .entry(field)
            .or_insert_with(|| Some(BTreeSet::new()));
        match key {
            Some(key) if is_nested(field) => {
                if let Some(keys) = keys {
                    keys.insert(key.to_owned());
                }
            }
            _ => *keys = None,
        }
    }

    pub fn join(&mut self, other: &Wanted) {
        self.whole |= other.whole;
        self.names.extend(other.names.iter().cloned());
        for (field, keys) in &other.fields {
            let mine = self
                .fields
                .entry(field)
                .or_insert_with(|| Some(BTreeSet::new()));
            match (mine.as_mut(), keys) {
                (Some(mine), Some(keys)) => mine.extend(keys.iter().cloned()),
                _ => *mine = None,
            }
        }
    }
}

/// Named values in a fixed order, read-only: what every map of a context is.
#[derive(Debug)]
pub(super) struct Record(pub Vec<(Cow<'static, str>, Value)>);

impl Record {
    pub fn value(entries: Vec<(Cow<'static, str>, Value)>) -> Value {
        Value::from_object(Record(entries))
    }

    fn find(&self, name: &str) -> Option<Value> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }
}

impl Object for Record {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.find(key)
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .iter()
                .map(|(key, _)| Value::from(key.as_ref()))
                .collect(),
        )
    }
}

/// How a text of a notice becomes a value.
pub(super) type AsValue = fn(&str) -> Value;

/// The text as it is, for comparison and for whole bodies.
pub(super) fn exact(text: &str) -> Value {
    Value::from(text)
}

/// The text without what a person cannot see.
pub(super) fn cleaned(text: &str) -> Value {
    Value::from(super::coding::clean(text).as_ref())
}

/// The notice as far as it is wanted.
pub(super) fn notice(notice: &Notice, wanted: &Wanted, text: AsValue) -> Value {
    let mut entries = Vec::new();
    if wanted.whole {
        entries.reserve(PLAIN_FIELDS.len() + NESTED_FIELDS.len());
        for name in fields() {
            add_field(&mut entries, notice, name, None, text);
        }
    } else {
        entries.reserve(wanted.fields.len());
        for (name, keys) in &wanted.fields {
            add_field(&mut entries, notice, name, keys.as_ref(), text);
        }
    }
    Record::value(entries)
}

fn add_field(
    entries: &mut Vec<(Cow<'static, str>, Value)>,
    notice: &Notice,
    name: &'static str,
    keys: Option<&BTreeSet<String>>,
    text: AsValue,
) {
    let draft = &notice.draft;
    let value = match name {
        "id" => Some(Value::from(&notice.id)),
        "position" => Some(Value::from(notice.position)),
        "received_at" => Some(Value::from(moment(notice.received_at))),
        "occurred_at" => draft.occurred_at.map(|at| Value::from(moment(at))),
        "provider" => Some(text(&notice.provider)),
        "provider_kind" => Some(text(&notice.provider_kind)),
        "kind" => Some(text(&draft.kind)),
        "collection" => draft
            .collection
            .as_ref()
            .map(|collection| text(&collection.name)),
        "transition" => Some(Value::from(draft.transition.as_str())),
        "actor" => draft.actor.as_deref().map(text),
        "title" => Some(text(&draft.title)),
        "text" => Some(text(&draft.text)),
        "url" => draft.url.as_deref().map(text),
        "severity" => Some(Value::from(draft.severity.as_str())),
        "dispatch_id" => Some(Value::from(&notice.dispatch_id)),
        "subject" => Some(Record::value(vec![
            ("key".into(), text(&draft.subject.key)),
            ("label".into(), text(&draft.subject.label)),
        ])),
        "labels" => Some(texts(&draft.labels, keys, text)),
        "before" => Some(texts(&draft.before, keys, text)),
        "after" => Some(texts(&draft.after, keys, text)),
        "items" => Some(Record::value(vec![
            ("added".into(), items(&draft.items.added, text)),
            ("removed".into(), items(&draft.items.removed, text)),
            ("added_total".into(), Value::from(draft.items.added_total)),
            (
                "removed_total".into(),
                Value::from(draft.items.removed_total),
            ),
        ])),
        "common" => {
            let common = draft.items.common();
            let known = [("date", common.date), ("place", common.place)];
            let entry =
                |(name, value): (&'static str, Option<String>)| Some((name.into(), text(&value?)));
            Some(Record::value(known.into_iter().filter_map(entry).collect()))
        }
        _ => None,
    };
    if let Some(value) = value {
        entries.push((name.into(), value));
    }
}

fn texts(map: &BTreeMap<String, String>, keys: Option<&BTreeSet<String>>, text: AsValue) -> Value {
    let entry = |(key, value): (&String, &String)| (Cow::Owned(key.clone()), text(value));
    Record::value(match keys {
        Some(keys) => keys
            .iter()
            .filter_map(|key| map.get_key_value(key))
            .map(entry)
            .collect(),
        None => map.iter().map(entry).collect(),
    })
}

/// Items as a list of records. What is not known of one is undefined.
pub(super) fn items(items: &[Item], text: AsValue) -> Value {
    items.iter().map(|item| record(item, text)).collect()
}

fn record(item: &Item, text: AsValue) -> Value {
    let mut entries: Vec<(Cow<'static, str>, Value)> = vec![
        ("key".into(), text(&item.key)),
        ("kind".into(), Value::from(item.kind.as_str())),
        ("label".into(), text(&item.label)),
    ];
    for (name, value) in [
        ("taken_at", item.taken_at.map(|at| Value::from(moment(at)))),
        ("size", item.size.map(Value::from)),
        ("playback_size", item.playback_size.map(Value::from)),
        ("favourite", item.favourite.map(Value::from)),
        ("rating", item.rating.map(Value::from)),
        ("lat", item.lat.map(|lat| Value::from(lat.as_f64()))),
        ("lon", item.lon.map(|lon| Value::from(lon.as_f64()))),
    ] {
        entries.extend(value.map(|value| (name.into(), value)));
    }
    for (name, value) in SHOWN_TEXTS.iter().zip(item.texts()) {
        entries.extend(value.map(|value| ((*name).into(), text(value))));
    }
    for (name, names) in [("people", &item.people), ("tags", &item.tags)] {
        entries.push((name.into(), names.iter().map(|name| text(name)).collect()));
    }
    Record::value(entries)
}

/// Names of the texts of [`Item::texts`] that are shown: all but the last, the fetch handle.
const SHOWN_TEXTS: [&str; TEXT_FIELDS - 1] = [
    "owner",
    "owner_id",
    "description",
    "city",
    "state",
    "country",
    "url",
    "public_url",
    "download_url",
    "playback_url",
    "photo_url",
    "thumbhash",
];

/// An item in the contract's shape.
pub fn item_json(item: &Item) -> serde_json::Value {
    let mut shape = json!({
        "key": item.key,
        "kind": item.kind.as_str(),
        "label": item.label,
    });
    let mut add = |name: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            shape[name] = value;
        }
    };
    add("taken_at", item.taken_at.map(|at| json!(moment(at))));
    add("size", item.size.map(|size| json!(size)));
    add("playback_size", item.playback_size.map(|size| json!(size)));
    add("favourite", item.favourite.map(|yes| json!(yes)));
    add("rating", item.rating.map(|stars| json!(stars)));
    add("lat", item.lat.map(|lat| json!(lat.as_f64())));
    add("lon", item.lon.map(|lon| json!(lon.as_f64())));
    for (name, text) in SHOWN_TEXTS.iter().zip(item.texts()) {
        add(name, text.map(|text| json!(text)));
    }
    for (name, names) in [("people", &item.people), ("tags", &item.tags)] {
        add(name, (!names.is_empty()).then(|| json!(names)));
    }
    shape
}

/// RFC 3339 in UTC with at most microseconds; a time out of range is the nearest one in it.
pub fn moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros)
        .unwrap_or(if micros < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
        .to_string()
}

/// The notice in the contract's shape, without status, reasons and deliveries. What it does not
/// have is left out.
pub fn notice_json(notice: &Notice) -> serde_json::Value {
    let draft = &notice.draft;
    let mut shape = json!({
        "id": notice.id,
        "position": notice.position,
        "received_at": moment(notice.received_at),
        "provider": notice.provider,
        "provider_kind": notice.provider_kind,
        "kind": draft.kind,
        "collection": draft.collection.as_ref().map(|collection| &collection.name),
        "subject": {"key": draft.subject.key, "label": draft.subject.label},
        "transition": draft.transition.as_str(),
        "title": draft.title,
        "text": draft.text,
        "severity": draft.severity.as_str(),
        "labels": draft.labels,
        "dispatch_id": notice.dispatch_id,
    });
    let mut add = |name: &str, value: serde_json::Value| {
        shape[name] = value;
    };
    if let Some(at) = draft.occurred_at {
        add("occurred_at", json!(moment(at)));
    }
    if let Some(actor) = &draft.actor {
        add("actor", json!(actor));
    }
    if let Some(url) = &draft.url {
        add("url", json!(url));
    }
    if !draft.before.is_empty() {
        add("before", json!(draft.before));
    }
    if !draft.after.is_empty() {
        add("after", json!(draft.after));
    }
    let items = &draft.items;
    if !items.is_empty() {
        let shapes = |items: &[Item]| items.iter().map(item_json).collect::<Vec<_>>();
        let shape = json!({
            "added": shapes(&items.added),
            "removed": shapes(&items.removed),
            "added_total": items.added_total,
            "removed_total": items.removed_total,
        });
        add("items", shape);
        let common = items.common();
        if !common.is_nothing() {
            add("common", json!(common));
        }
    }
    shape
}
