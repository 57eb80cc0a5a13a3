//! Documents: what the log gives to search in.
//!
//! **Invariant:** a document's [`Document::seq`] grows with the log: newest first is highest first.
//!
//! **Invariant:** what [`Gathering`] remembers only saves reading: without it the same documents come
//! out. It is bounded by [`REMEMBERED_MAX`].

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use notify_store::{Payload as _, Recorded};
use serde_json::Value;

use super::query::Field;
use super::words::GAP;
use crate::domain::event::{
    Accepted, Action, DeliveryKey, Event, IdSeed, Outcome, Plan, PlannedLink,
};
use crate::domain::family::Family;
use crate::domain::hold::Way;
use crate::domain::notice::{Severity, cut};
use crate::projections::outbox::Status;
use crate::targets::Part;
use crate::wire;

/// Founding notices, plannings, words and claims that are kept in memory, of each so many.
pub const REMEMBERED_MAX: usize = 4_096;
/// Words that are kept in memory, in bytes.
const REMEMBERED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one document that are searched; what is beyond is not found.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bits of [`Document::seq`] that tell documents of one event apart.
const WITHIN_BITS: u32 = 12;

/// Status of a notice of which nothing was planned when it came.
pub const UNROUTED: &str = "unrouted";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    Notice,
    Delivery,
    /// Of the configuration, by whom.
    Change,
    /// A request that could not be read.
    Failure,
}

impl Sort {
    pub const ALL: [Sort; 4] = [Sort::Notice, Sort::Delivery, Sort::Change, Sort::Failure];

    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Notice => "notice",
            Sort::Delivery => "delivery",
            Sort::Change => "change",
            Sort::Failure => "failure",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Sort::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// Something that can be found. Empty texts say that there is nothing of the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its place: the event's position, and which of the event's documents it is.
    pub seq: u64,
    /// What it is about, of the same form: a notice, a delivery, an event. A later document about the
    /// same takes its place.
    pub key: u64,
    /// The founding position of its family; its own position when it has none.
    pub founding: u64,
    /// When it was recorded, microseconds since 1970.
    pub at: i64,
    pub sort: Sort,
    pub provider: String,
    pub kind: String,
    pub collections: Vec<String>,
    pub tracker: String,
    pub target: String,
    pub status: String,
    pub severity: String,
    pub actor: String,
    /// Public id of the notice or delivery.
    pub id: String,
    /// Public id of the notice.
    pub notice: String,
    /// One line that names it.
    pub title: String,
    /// Whether the title is searched; else it only says what the document belongs to.
    pub is_title_searched: bool,
    pub texts: Vec<String>,
}

/// The place of the `within`th document of an event.
pub fn seq_of(position: u64, within: u16) -> u64 {
    position << WITHIN_BITS | u64::from(within) & ((1 << WITHIN_BITS) - 1)
}

/// The event that a document is of.
pub fn position_of(seq: u64) -> u64 {
    seq >> WITHIN_BITS
}

fn key_of(delivery: DeliveryKey) -> u64 {
    seq_of(delivery.position, delivery.ordinal)
}

impl Document {
    /// Values of a field.
    pub fn values(&self, field: Field) -> impl Iterator<Item = &str> {
        let (one, many): (&str, &[String]) = match field {
            Field::Is => (self.sort.as_str(), &[]),
            Field::Provider => (&self.provider, &[]),
            Field::Kind => (&self.kind, &[]),
            Field::Collection => ("", &self.collections),
            Field::Tracker => (&self.tracker, &[]),
            Field::Target => (&self.target, &[]),
            Field::Status => (&self.status, &[]),
            Field::Severity => (&self.severity, &[]),
            Field::Actor => (&self.actor, &[]),
        };
        std::iter::once(one)
            .chain(many.iter().map(String::as_str))
            .filter(|value| !value.is_empty())
    }

    /// Everything that is searched as one text.
    pub fn text(&self) -> String {
        let title = self.is_title_searched.then_some(&self.title);
        let mut text = String::new();
        for piece in title.into_iter().chain(&self.texts) {
            if !text.is_empty() {
                text.push(GAP);
            }
            text.push_str(piece);
        }
        cut(&mut text, TEXT_BYTES_MAX);
        text
    }
}

/// What an event does to the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Add(Box<Document>),
    /// The documents with this key are true no more.
    Remove(u64),
}

/// Where events are looked up that others refer to.
pub trait Origins {
    type Error;

    fn event(&self, position: u64) -> Result<Option<Recorded<Event>>, Self::Error>;

    /// `None` when the notice is gone.
    fn family(&self, notice: u64) -> Result<Option<Family>, Self::Error>;

    /// An event's data as pages show it: without secrets.
    fn shown(&self, event: &Recorded<Event>) -> Value;
}

/// What documents of a family have in common.
#[derive(Debug)]
struct Founding {
    id: String,
    provider: String,
    kind: String,
    collections: Vec<String>,
    severity: Severity,
    actor: String,
    title: String,
    text: String,
}

#[derive(Debug)]
struct Planning {
    seed: IdSeed,
    links: Vec<PlannedLink>,
    /// Index into the links, by ordinal.
    planned: Vec<u16>,
}

impl Planning {
    fn link(&self, delivery: DeliveryKey) -> Option<&PlannedLink> {
        let index = usize::from(delivery.ordinal).checked_sub(1)?;
        self.links.get(usize::from(*self.planned.get(index)?))
    }
}

#[derive(Debug)]
struct Recent<K, V> {
    held: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent {
            held: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    fn put(&mut self, key: K, value: V) {
        if self.held.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> Option<V> {
        self.held.remove(&self.order.pop_front()?)
    }
}

/// Makes documents of events, in the order of the log.
#[derive(Debug, Default)]
pub struct Gathering {
    foundings: Recent<u64, Arc<Founding>>,
    plannings: Recent<u64, Arc<Planning>>,
    words: Recent<u64, String>,
    words_bytes: usize,
    claims: Recent<DeliveryKey, u64>,
}

/// How a delivery ended.
struct Settled<'a> {
    delivery: DeliveryKey,
    notice: u64,
    status: Status,
    detail: &'a str,
    answer: &'a str,
}

impl Gathering {
    /// What an event does to the documents, in order.
    pub fn apply<O: Origins>(
        &mut self,
        recorded: &Recorded<Event>,
        origins: &O,
        out: &mut Vec<Change>,
    ) -> Result<(), O::Error> {
        let (position, at) = (recorded.position, recorded.recorded_at);
        match &recorded.payload {
            Event::Accepted(accepted) => {
                let founding = Arc::new(founding(position, accepted));
                let made = of_notice(position, at, accepted, &founding);
                out.push(Change::Add(Box::new(made)));
                self.foundings.put(position, Arc::clone(&founding));
                self.planned(
                    position,
                    at,
                    position,
                    accepted.seed,
                    &accepted.plan,
                    out,
                    &founding,
                );
            }
            Event::Resent {
                seed, notice, plan, ..
            } => {
                if let Some(founding) = self.founding(*notice, origins)? {
                    self.planned(position, at, *notice, *seed, plan, out, &founding);
                }
            }
            Event::MessageComposed { parts, .. } => {
                let text = text_of(parts);
                self.words_bytes += text.len();
                self.words.put(position, text);
                while self.words_bytes > REMEMBERED_BYTES_MAX {
                    let Some(dropped) = self.words.drop_oldest() else {
                        break;
                    };
                    self.words_bytes = self.words_bytes.saturating_sub(dropped.len());
                }
            }
            Event::AttemptStarted {
                delivery, composed, ..
            }
            | Event::FallbackUsed {
                delivery, composed, ..
            } => self.claims.put(*delivery, *composed),
            Event::DeliverySettled {
                delivery,
                notice,
                outcome,
                detail,
                answer,
                ..
            } => {
                let status = match outcome {
                    Outcome::Sent => Status::Sent,
                    Outcome::Parked => Status::Parked,
                    Outcome::Dropped => Status::Dropped,
                };
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status,
                    detail,
                    answer: &answer.text,
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            Event::DeliveryOperated {
                delivery,
                notice,
                action,
                by,
            } => {
                out.push(Change::Remove(key_of(*delivery)));
                let status = match action {
                    Action::Retry => return Ok(()),
                    Action::Drop => Status::Dropped,
                    Action::Confirm => Status::Sent,
                };
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status,
                    detail: &format!("by {by}"),
                    answer: "",
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            Event::DeliveryMerged {
                delivery, notice, ..
            } => {
                let settled = Settled {
                    delivery: *delivery,
                    notice: *notice,
                    status: Status::Merged,
                    detail: "",
                    answer: "",
                };
                self.settled(position, at, &settled, origins, out)?;
            }
            // It waits anew: whatever it was before is true no more.
            Event::HoldChanged { delivery, .. } => {
                out.push(Change::Remove(key_of(*delivery)));
            }
            Event::IntakeUnreadable {
                seed,
                provider_name,
                why,
                ..
            } => out.push(Change::Add(Box::new(Document {
                provider: provider_name.clone(),
                id: seed.id(position, 0).to_string(),
                title: format!("A request to {provider_name} could not be read"),
                texts: vec![why.clone()],
                ..bare(Sort::Failure, recorded)
            }))),
            Event::SettingsChanged { by, .. }
            | Event::EntityPut { by, .. }
            | Event::EntityRemoved { by, .. }
            | Event::FileApplied { by, .. }
            | Event::UserPut { by, .. }
            | Event::UserRemoved { by, .. }
            | Event::TokenPut { by, .. }
            | Event::TokenRevoked { by, .. }
            | Event::ReceiverRestored { by, .. }
            | Event::SnoozeEnded { by, .. }
            | Event::SendingPaused { by }
            | Event::SendingResumed { by } => out.push(change(recorded, by, origins)),
            Event::Snoozed(snooze) => out.push(change(recorded, &snooze.by, origins)),
            Event::ReceiverGone { .. } | Event::ReceiverMoved { .. } => {
                out.push(change(recorded, "", origins));
            }
            Event::Founded { .. }
            | Event::SessionBegan { .. }
            | Event::SessionSeen { .. }
            | Event::SessionEnded { .. }
            | Event::PartSent { .. }
            | Event::AttemptFailed { .. }
            | Event::ClaimReturned { .. }
            | Event::EditRefused { .. }
            | Event::PartLeftOut { .. }
            | Event::MediaTold { .. }
            | Event::OutcomeUnknown { .. }
            | Event::FallbackAwaited { .. }
            | Event::HandedOn { .. }
            | Event::FellSilent { .. }
            | Event::GatheredTold { .. }
            | Event::CursorMoved { .. }
            | Event::Acknowledged { .. }
            | Event::RepeatPutOff { .. }
            | Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. }
            | Event::ClockStepped { .. } => {}
        }
        Ok(())
    }

    /// Deliveries that the planning itself settled: told by these pages, merged, cancelled, dropped.
    #[expect(
        clippy::too_many_arguments,
        reason = "what both planning events have, each of another form"
    )]
    fn planned(
        &mut self,
        position: u64,
        at: i64,
        notice: u64,
        seed: IdSeed,
        plan: &Plan,
        out: &mut Vec<Change>,
        founding: &Founding,
    ) {
        for (planned, ordinal) in plan.planned.iter().zip(1u16..) {
            let Some(link) = plan.links.get(usize::from(planned.link)) else {
                continue;
            };
            let way = plan
                .ways
                .binary_search_by_key(&(ordinal - 1), |way| way.index);
            let way = way.ok().map(|index| &plan.ways[index]);
            let (status, detail) = match way.map(|way| (way.way, way.detail.as_str())) {
                Some((Way::Merged { .. }, detail)) => (Status::Merged, detail),
                Some((Way::Cancelled { .. } | Way::Dropped { .. }, detail)) => {
                    (Status::Dropped, detail)
                }
                Some((Way::Held { .. }, _)) => continue,
                Some((Way::Now { .. }, _)) | None if !link.local => continue,
                Some((Way::Now { .. }, detail)) => (Status::Sent, detail),
                None => (Status::Sent, ""),
            };
            let mut texts = Vec::new();
            if status == Status::Sent {
                texts.extend([founding.title.clone(), founding.text.clone()]);
            }
            texts.push(detail.to_owned());
            texts.retain(|text| !text.is_empty());
            let key = DeliveryKey { position, ordinal };
            out.push(Change::Add(Box::new(Document {
                tracker: link.tracker_name.clone(),
                target: link.target_name.clone(),
                status: status.as_str().into(),
                id: seed.id(position, ordinal).to_string(),
                texts,
                ..document(founding, Sort::Delivery, key_of(key), notice, at)
            })));
        }
        self.plannings.put(position, Arc::new(planning(seed, plan)));
    }

    fn settled<O: Origins>(
        &mut self,
        position: u64,
        at: i64,
        settled: &Settled<'_>,
        origins: &O,
        out: &mut Vec<Change>,
    ) -> Result<(), O::Error> {
        let delivery = settled.delivery;
        let Some(founding) = self.founding(settled.notice, origins)? else {
            return Ok(());
        };
        let Some(planning) = self.planning(delivery.position, origins)? else {
            return Ok(());
        };
        let Some(link) = planning.link(delivery) else {
            return Ok(());
        };
        let claim = self.claims.held.get(&delivery).copied();
        let words = match claim.and_then(|composed| self.words.held.get(&composed)) {
            Some(words) => words.clone(),
            // What was merged or dropped was never composed, as a rule.
            None if settled.status == Status::Merged => String::new(),
            None => {
                let family = origins.family(settled.notice)?;
                let view = family.as_ref().and_then(|family| family.delivery(delivery));
                view.map(|view| text_of(&view.parts)).unwrap_or_default()
            }
        };
        let mut texts = vec![words, settled.detail.to_owned(), settled.answer.to_owned()];
        texts.retain(|text| !text.is_empty());
        out.push(Change::Add(Box::new(Document {
            key: key_of(delivery),
            tracker: link.tracker_name.clone(),
            target: link.target_name.clone(),
            status: settled.status.as_str().into(),
            id: planning
                .seed
                .id(delivery.position, delivery.ordinal)
                .to_string(),
            texts,
            ..document(
                &founding,
                Sort::Delivery,
                seq_of(position, delivery.ordinal),
                settled.notice,
                at,
            )
        })));
        Ok(())
    }

    /// A delivery that is open, as a document: it says what will be said.
    pub fn open<O: Origins>(
        &mut self,
        delivery: DeliveryKey,
        notice: u64,
        at: i64,
        status: Status,
        detail: &str,
        origins: &O,
    ) -> Result<Option<Document>, O::Error> {
        let Some(founding) = self.founding(notice, origins)? else {
            return Ok(None);
        };
        let Some(planning) = self.planning(delivery.position, origins)? else {
            return Ok(None);
        };
        let Some(link) = planning.link(delivery) else {
            return Ok(None);
        };
        let mut texts = vec![founding.title.clone(), founding.text.clone(), detail.into()];
        texts.retain(|text| !text.is_empty());
        let seed = planning.seed;
        Ok(Some(Document {
            tracker: link.tracker_name.clone(),
            target: link.target_name.clone(),
            status: status.as_str().into(),
            id: seed.id(delivery.position, delivery.ordinal).to_string(),
            texts,
            ..document(&founding, Sort::Delivery, key_of(delivery), notice, at)
        }))
    }

    fn founding<O: Origins>(
        &mut self,
        notice: u64,
        origins: &O,
    ) -> Result<Option<Arc<Founding>>, O::Error> {
        if let Some(known) = self.foundings.held.get(&notice) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(Recorded {
            payload: Event::Accepted(accepted),
            ..
        }) = origins.event(notice)?
        else {
            return Ok(None);
        };
        let made = Arc::new(founding(notice, &accepted));
        self.foundings.put(notice, Arc::clone(&made));
        Ok(Some(made))
    }

    fn planning<O: Origins>(
        &mut self,
        position: u64,
        origins: &O,
    ) -> Result<Option<Arc<Planning>>, O::Error> {
        if let Some(known) = self.plannings.held.get(&position) {
            return Ok(Some(Arc::clone(known)));
        }
        let made = match origins.event(position)?.map(|event| event.payload) {
            Some(Event::Accepted(accepted)) => planning(accepted.seed, &accepted.plan),
            Some(Event::Resent { seed, plan, .. }) => planning(seed, &plan),
            Some(_) | None => return Ok(None),
        };
        let made = Arc::new(made);
        self.plannings.put(position, Arc::clone(&made));
        Ok(Some(made))
    }
}

/// The documents of one event; `None` for its place when there is none (any more).
pub fn at<O: Origins>(seq: u64, origins: &O) -> Result<Option<Document>, O::Error> {
    let Some(recorded) = origins.event(position_of(seq))? else {
        return Ok(None);
    };
    let mut changes = Vec::new();
    Gathering::default().apply(&recorded, origins, &mut changes)?;
    Ok(changes.into_iter().find_map(|change| match change {
        Change::Add(document) if document.seq == seq => Some(*document),
        Change::Add(_) | Change::Remove(_) => None,
    }))
}

/// The document of a notice.
pub fn notice(position: u64, at: i64, accepted: &Accepted) -> Document {
    of_notice(position, at, accepted, &founding(position, accepted))
}

fn of_notice(position: u64, at: i64, accepted: &Accepted, founding: &Founding) -> Document {
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

fn founding(position: u64, accepted: &Accepted) -> Founding {
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

fn planning(seed: IdSeed, plan: &Plan) -> Planning {
    Planning {
        seed,
        links: plan.links.clone(),
        planned: plan.planned.iter().map(|planned| planned.link).collect(),
    }
}

/// A document of a family, with what all of them have.
fn document(founding: &Founding, sort: Sort, seq: u64, notice: u64, at: i64) -> Document {
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
fn bare(sort: Sort, recorded: &Recorded<Event>) -> Document {
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

fn change<O: Origins>(recorded: &Recorded<Event>, by: &str, origins: &O) -> Change {
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

fn leaves(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) if !text.is_empty() => each(text),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, each)),
        Value::Object(fields) => fields.values().for_each(|value| leaves(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn text_of(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join("\n")
}
