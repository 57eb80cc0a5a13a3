//! What a document is made of, and how.

use notify_store::{Payload as _, Recorded};
use serde_json::Value;

use super::{Change, Document, Origins, Sort, TEXT_BYTES_MAX, UNROUTED, seq_of};
use crate::domain::event::{Accepted, DeliveryKey, Event, IdSeed, Plan, PlannedLink};
use crate::domain::notice::Severity;
use crate::targets::Part;
use crate::wire;

/// What documents of a family have in common.
#[derive(Debug)]
pub(super) struct Founding {
    pub(super) id: String,
    pub(super) provider: String,
    pub(super) kind: String,
    pub(super) collections: Vec<String>,
    pub(super) severity: Severity,
    pub(super) actor: String,
    pub(super) title: String,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Planning {
    pub(super) seed: IdSeed,
    links: Vec<PlannedLink>,
    /// Index into the links, by ordinal.
    planned: Vec<u16>,
}

impl Planning {
    pub(super) fn link(&self, delivery: DeliveryKey) -> Option<&PlannedLink> {
        let index = usize::from(delivery.ordinal).checked_sub(1)?;
        self.links.get(usize::from(*self.planned.get(index)?))
    }
}

pub(super) fn of_notice(
    position: u64,
    at: i64,
    accepted: &Accepted,
    founding: &Founding,
) -> Document {
    let draft = &accepted.notice;
    let mut texts = vec![draft.text.clone(), draft.subject.label.clone()];
    texts.push(draft.subject.key.clone());
    texts.push(draft.kind.clone());
    texts.extend(founding.collections.iter().cloned());
    texts.extend(draft.actor.clone());
    for map in [&draft.labels, &draft.before, &draft.after] {
        texts.extend(map.values().cloned());
    }
    for items in [&draft.items.added, &draft.items.removed] {
        for item in items {
            texts.push(item.label.clone());
            texts.extend(
                [&item.description, &item.owner, &item.city]
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            texts.extend(item.people.iter().chain(&item.tags).cloned());
        }
    }
    texts.retain(|text| !text.is_empty());
    let is_unrouted = accepted.plan.planned.is_empty();
    let status = if is_unrouted { UNROUTED } else { "" };
    Document {
        status: status.into(),
        id: founding.id.clone(),
        is_title_searched: true,
        texts,
        ..document(founding, Sort::Notice, seq_of(position, 0), position, at)
    }
}

pub(super) fn founding(position: u64, accepted: &Accepted) -> Founding {
    let draft = &accepted.notice;
    let mut collections = Vec::new();
    if let Some(collection) = &draft.collection {
        collections.push(collection.name.clone());
        if collection.id != collection.name {
            collections.push(collection.id.clone());
        }
    }
    Founding {
        id: accepted.seed.id(position, 0).to_string(),
        provider: accepted.provider_name.clone(),
        kind: draft.kind.clone(),
        collections,
        severity: draft.severity,
        actor: draft.actor.clone().unwrap_or_default(),
        title: draft.title.clone(),
        text: draft.text.clone(),
    }
}

pub(super) fn planning(seed: IdSeed, plan: &Plan) -> Planning {
    Planning {
        seed,
        links: plan.links.clone(),
        planned: plan.planned.iter().map(|planned| planned.link).collect(),
    }
}

/// A document of a family, with what all of them have.
pub(super) fn document(
    founding: &Founding,
    sort: Sort,
    seq: u64,
    notice: u64,
    at: i64,
) -> Document {
    Document {
        seq,
        key: seq,
        founding: notice,
        at,
        sort,
        provider: founding.provider.clone(),
        kind: founding.kind.clone(),
        collections: founding.collections.clone(),
        tracker: String::new(),
        target: String::new(),
        status: String::new(),
        severity: founding.severity.as_str().into(),
        actor: founding.actor.clone(),
        id: String::new(),
        notice: founding.id.clone(),
        title: founding.title.clone(),
        is_title_searched: false,
        texts: Vec::new(),
    }
}

/// A document of an event without a family.
pub(super) fn bare(sort: Sort, recorded: &Recorded<Event>) -> Document {
    let seq = seq_of(recorded.position, 0);
    Document {
        seq,
        key: seq,
        founding: recorded.position,
        at: recorded.recorded_at,
        sort,
        provider: String::new(),
        kind: wire::kind_name(recorded.payload.kind())
            .unwrap_or_default()
            .to_owned(),
        collections: Vec::new(),
        tracker: String::new(),
        target: String::new(),
        status: String::new(),
        severity: String::new(),
        actor: String::new(),
        id: String::new(),
        notice: String::new(),
        title: String::new(),
        is_title_searched: true,
        texts: Vec::new(),
    }
}

pub(super) fn change<O: Origins>(recorded: &Recorded<Event>, by: &str, origins: &O) -> Change {
    let data = origins.shown(recorded);
    let mut document = Document {
        actor: by.to_owned(),
        ..bare(Sort::Change, recorded)
    };
    let entity = data["entity"].as_str().unwrap_or_default();
    let name = ["name", "file", "spec"]
        .into_iter()
        .find_map(|field| match &data[field] {
            Value::String(name) => Some(name.as_str()),
            spec => spec["name"].as_str(),
        })
        .unwrap_or_default();
    match entity {
        "provider" => document.provider = name.to_owned(),
        "target" => document.target = name.to_owned(),
        "tracker" => document.tracker = name.to_owned(),
        _ => {}
    }
    let words = [document.kind.replace('_', " "), entity.into(), name.into()];
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word: &&str| !word.is_empty())
        .collect();
    document.title = words.join(" ");
    let mut bytes = 0;
    leaves(&data, &mut |text| {
        bytes += text.len();
        if bytes <= TEXT_BYTES_MAX {
            document.texts.push(text.to_owned());
        }
    });
    Change::Add(Box::new(document))
}

pub(super) fn leaves(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) if !text.is_empty() => each(text),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, each)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(super) fn text_of(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join("\n")
}
