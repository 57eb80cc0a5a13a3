//! A notice with its reasons and deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use notify_store::Reader;
use serde_json::{Value, json};

use super::telling::{self, Told};
use super::{COPIED_ROWS_MAX, Look, ViewError, add, add_text, moment};
use crate::domain::deferral::{link_to, via};
use crate::domain::event::{DeliveryKey, Event};
use crate::domain::family::{AttemptView, DeliveryView, Family, Reason};
use crate::domain::notice::Notice;
use crate::domain::reason::{Routed, What};
use crate::domain::routing::Shaper;
use crate::domain::spec::{ReceiverSpec, TargetSpec};
use crate::domain::state::State;
use crate::projections::outbox::pace::{Limits, Projected};
use crate::projections::outbox::{Delivery, NoticeStatus, Status, waits_until};
use crate::shell::dispatcher;
use crate::targets;
use crate::targets::media::{ItemOutcome, ItemTold};
use crate::templates::{Scene, Words, notice_json};

/// Deliveries counted before one in its lane, to say about when it is sent; of more, the moment is
/// the earliest there can be.
const AHEAD_MAX: usize = 10_000;

/// What the state adds to a family: names as they are now, what is planned next, and what the words
/// of an inbox are made of. Empty for a family shown without a state.
#[derive(Default)]
pub struct Around {
    deliveries: BTreeMap<DeliveryKey, Beside>,
    zone: Option<TimeZone>,
    now: Option<i64>,
    /// The notice's own templates and targets, shared by its deliveries.
    tellings: Vec<Telling>,
}

struct Beside {
    receiver: Option<String>,
    target_kind: Option<String>,
    due_at: Option<i64>,
    /// What its target says while its breaker is open.
    breaker: Option<String>,
    telling: Option<usize>,
    /// What keeps its turn from coming at once, when that is the pace alone.
    pacing: Option<Projected>,
    held: Option<telling::Held>,
    told: Told,
}

/// How an inbox puts a notice into words.
struct Telling {
    link: (u32, u32, String),
    target: TargetSpec,
    receiver: ReceiverSpec,
    words: Option<Arc<Option<Words>>>,
    locale: String,
    shaper: Option<Shaper<'static>>,
}

impl Around {
    /// Copies what is needed, a few rows per look, and reads which notices are told together.
    pub fn of(
        reader: &Reader<Event>,
        look: &impl Look,
        family: &Family,
    ) -> Result<Self, ViewError> {
        let mut named = telling::NAMED_MAX;
        Around::within(reader, look, family, &mut named)
    }

    /// As [`Around::of`], for one of many: `named` is how many notices may still be named.
    pub fn within(
        reader: &Reader<Event>,
        look: &impl Look,
        family: &Family,
        named: &mut usize,
    ) -> Result<Self, ViewError> {
        let mut around = Around {
            now: look.now(),
            ..Around::default()
        };
        for views in family.deliveries.chunks(COPIED_ROWS_MAX) {
            look.look(|state| {
                around.zone = Some(state.configuration.zone().clone());
                for view in views {
                    around.add(state, view);
                }
            });
        }
        for view in &family.deliveries {
            if let Some(beside) = around.deliveries.get_mut(&view.key) {
                beside.told = Told::read(reader, family, view, beside.held.as_ref(), named)?;
            }
        }
        Ok(around)
    }

    fn add(&mut self, state: &State, view: &DeliveryView) {
        let configuration = &state.configuration;
        let target = configuration.targets.get(&view.link.target);
        let open = state.outbox.deliveries.get(&view.key);
        let telling = target.filter(|_| view.link.local).map(|target| {
            let link = (
                view.link.tracker,
                view.link.target,
                view.link.link_name.clone(),
            );
            if let Some(known) = self.tellings.iter().position(|known| known.link == link) {
                return known;
            }
            let named = via(view.link.tracker, view.link.target, &view.link.link_name);
            let configured = link_to(configuration, view.link.tracker, view.link.target, named, 0);
            let template = configured
                .and_then(|link| link.template.as_deref())
                .and_then(|name| configuration.template(name));
            let receiver = target.receiver(view.receiver).unwrap_or_default();
            self.tellings.push(Telling {
                shaper: Shaper::of(configuration, view.link.tracker).map(Shaper::into_owned),
                link,
                locale: receiver
                    .locale
                    .clone()
                    .or_else(|| configured.and_then(|link| link.locale.clone()))
                    .or_else(|| target.entity.spec.locale.clone())
                    .unwrap_or_else(|| configuration.settings.locale.clone()),
                target: target.entity.spec.clone(),
                receiver,
                words: template.map(|template| {
                    template
                        .words
                        .shared(|| Words::compile(&template.entity.spec).ok())
                }),
            });
            self.tellings.len() - 1
        });
        let beside = Beside {
            receiver: target
                .and_then(|target| target.receiver_name(view.receiver))
                .map(str::to_owned),
            target_kind: target.map(|target| target.entity.spec.kind.clone()),
            due_at: open.map(|open| open.due_at.max(open.not_before)),
            breaker: open
                .filter(|open| open.status.waits() && state.outbox.breaker_is_open(open.target))
                .map(|open| {
                    let health = state.health.targets.get(&open.target);
                    let last = health.and_then(|health| health.last_error.clone());
                    last.unwrap_or_default()
                }),
            telling,
            pacing: open.and_then(|open| pacing(state, view.key, open, self.now?)),
            held: open.map(telling::Held::of),
            told: Told::default(),
        };
        self.deliveries.insert(view.key, beside);
    }

    fn receiver(&self, key: DeliveryKey) -> Option<&str> {
        self.deliveries.get(&key)?.receiver.as_deref()
    }

    /// The words of a delivery that is read here, as the present template says them.
    fn told(&self, notice: &Notice, view: &DeliveryView) -> Option<String> {
        let telling = self
            .tellings
            .get(self.deliveries.get(&view.key)?.telling?)?;
        let kind = targets::kind(&telling.target.kind)?;
        let utc = TimeZone::UTC;
        let mut notice = notice.clone();
        if let Some(severity) = view.link.severity {
            notice.draft.severity = severity;
        }
        if let Some(shaper) = &telling.shaper
            && let Some(draft) = shaper.told(&notice.draft)
        {
            notice.draft = draft;
        }
        let notice = &notice;
        let scene = Scene {
            still: false,
            digest: None,
            notice,
            tracker: Some(view.link.tracker_name.as_str()).filter(|name| !name.is_empty()),
            link: Some(view.link.link_name.as_str()).filter(|name| !name.is_empty()),
            target: &telling.target.name,
            receiver: &telling.receiver.name,
            locale: &telling.locale,
            zone: self.zone.as_ref().unwrap_or(&utc),
            // The moment of the delivery, so that it reads the same whenever it is read.
            now: Timestamp::from_microsecond(view.created_at).unwrap_or(Timestamp::UNIX_EPOCH),
        };
        let words = telling.words.as_deref().and_then(Option::as_ref);
        let (message, _) = dispatcher::message(&scene, words, kind, &telling.target, &view.id);
        let parts = kind
            .compose(&message, &telling.target, &telling.receiver)
            .ok()?;
        Some(joined(&parts))
    }
}

/// How long a delivery waits for its pace, where nothing else keeps it.
fn pacing(state: &State, key: DeliveryKey, open: &Delivery, now: i64) -> Option<Projected> {
    let outbox = &state.outbox;
    let target = state.configuration.targets.get(&open.target)?;
    let waits = open.status.waits() && !outbox.paused && target.sends_to(open.receiver);
    let until = open
        .not_before
        .max(outbox.paused_until(open.target, open.receiver));
    if !waits || waits_until(until, now) {
        return None;
    }
    let limits = Limits::of(&state.configuration, target, open.receiver);
    if limits.are_none() {
        return None;
    }
    let ahead = outbox.ahead_of(key, open, AHEAD_MAX);
    outbox.pacing.projected(open.receiver, &limits, now, ahead)
}

fn joined(parts: &[targets::Part]) -> String {
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join("\n\n")
}

/// The status of a notice: that of its worst delivery.
pub fn status(family: &Family) -> NoticeStatus {
    let (mut open, mut parked, mut sent, mut dropped, mut merged) = (0, 0, 0, 0, 0);
    for view in &family.deliveries {
        match view.status {
            Status::Due | Status::Held | Status::Sending | Status::Retrying => open += 1,
            Status::Parked | Status::Unknown => parked += 1,
            Status::Sent => sent += 1,
            Status::Dropped => dropped += 1,
            Status::Merged => merged += 1,
        }
    }
    NoticeStatus::of(open, parked, sent, dropped, merged)
}

/// A notice whole: with its reasons and its deliveries.
pub fn notice(family: &Family, around: &Around) -> Value {
    let mut shape = notice_json(&family.notice);
    shape["status"] = status(family).as_str().into();
    shape["reasons"] = reasons(family, around);
    shape["deliveries"] = family
        .deliveries
        .iter()
        .map(|view| delivery(family, view, around))
        .collect();
    if family.cut_off {
        shape["cut_off"] = true.into();
    }
    shape
}

/// What was decided about a notice, in order.
pub fn reasons(family: &Family, around: &Around) -> Value {
    let decided = family
        .reasons
        .iter()
        .map(|reason| one_reason(reason, family, around));
    let paced = family.deliveries.iter().filter_map(|view| {
        let projected = around.deliveries.get(&view.key)?.pacing.as_ref()?;
        let mut shape = json!({"at": moment(around.now?)});
        add_text(&mut shape, "tracker", &view.link.tracker_name);
        add_text(&mut shape, "link", &view.link.link_name);
        add_text(&mut shape, "target", &view.link.target_name);
        add(&mut shape, "delivery", Some(view.id.as_str()));
        add(&mut shape, "receiver", around.receiver(view.key));
        held_pacing(&mut shape, projected);
        Some(shape)
    });
    decided.chain(paced).collect()
}

/// Says that something waits for its pace. Found when it is read, never written down.
fn held_pacing(shape: &mut Value, projected: &Projected) {
    shape["what"] = "held_pacing".into();
    shape["until"] = moment(projected.at).into();
    let rate = &projected.rate;
    shape["detail"] = format!("waits for the pace of {rate}, about until then").into();
}

fn one_reason(reason: &Reason, family: &Family, around: &Around) -> Value {
    let mut shape = json!({"at": moment(reason.at), "what": reason.what.as_str()});
    add_text(&mut shape, "tracker", &reason.tracker);
    if let Some(key) = reason.delivery {
        let view = family.delivery(key);
        add_text(
            &mut shape,
            "link",
            view.map_or("", |view| view.link.link_name.as_str()),
        );
        add(&mut shape, "delivery", view.map(|view| view.id.as_str()));
        add(&mut shape, "receiver", around.receiver(key));
    }
    add_text(&mut shape, "target", &reason.target);
    add(&mut shape, "until", reason.until.map(moment));
    add_text(&mut shape, "detail", &reason.detail);
    shape
}

/// A reason that routing gave, at the moment it did.
pub fn reason(at: i64, routed: &Routed) -> Value {
    let mut shape = json!({"at": moment(at), "what": routed.what.as_str()});
    add_text(&mut shape, "tracker", &routed.tracker_name);
    add_text(&mut shape, "target", &routed.target_name);
    add(&mut shape, "until", routed.until.map(moment));
    add_text(&mut shape, "detail", &routed.detail);
    shape
}

/// One delivery of a family.
pub fn delivery(family: &Family, view: &DeliveryView, around: &Around) -> Value {
    let beside = around.deliveries.get(&view.key);
    let told = view
        .link
        .local
        .then(|| around.told(&family.notice, view))
        .flatten();
    let text = told.clone().unwrap_or_else(|| joined(&view.parts));
    let parts = match told {
        Some(_) => vec![json!({"n": 0, "kind": "text", "status": "sent", "message_ids": []})],
        None => parts(view),
    };
    let receiver = beside
        .and_then(|beside| beside.receiver.clone())
        .unwrap_or_else(|| format!("#{}", view.receiver));
    let mut shape = json!({
        "id": view.id,
        "notice": family.notice.id,
        "notice_ids": [family.notice.id],
        "notices_total": 1,
        "target": view.link.target_name,
        "target_kind": beside.and_then(|beside| beside.target_kind.as_deref()),
        "receiver": receiver,
        "status": view.status.as_str(),
        "silent": view.silent,
        "pierced": view.pierced,
        "created_at": moment(view.created_at),
        "text": text,
        "parts": parts,
        "attempts": view.attempts.iter().map(attempt).collect::<Value>(),
    });
    add_text(&mut shape, "tracker", &view.link.tracker_name);
    add_text(&mut shape, "link", &view.link.link_name);
    let due_at = beside
        .and_then(|beside| beside.due_at)
        .or(view.retry_at)
        .filter(|_| view.status.waits());
    add(&mut shape, "due_at", due_at.map(moment));
    if let Some(beside) = beside {
        beside.told.write(&mut shape);
    }
    if view.status == Status::Held {
        // What joins a held delivery may move its moment; the state knows the present one.
        let until = beside.and_then(|beside| beside.held.as_ref()?.until);
        let until = until.map_or(view.held_until, telling::sends_at);
        shape["held_until"] = until.map(moment).into();
    }
    add(&mut shape, "settled_at", view.settled_at.map(moment));
    add(&mut shape, "media", files_counted(view));
    if let Some((what, detail)) = &view.reason {
        shape["reason"] = short_reason(*what, detail);
    }
    if let Some(said) = beside.and_then(|beside| beside.breaker.as_deref()) {
        let own = view.reason.as_ref().map(|(_, detail)| detail.as_str());
        shape["reason"] = short_reason(What::HeldBreaker, own.unwrap_or(said));
    } else if let Some(projected) = beside.and_then(|beside| beside.pacing.as_ref()) {
        shape["due_at"] = moment(projected.at).into();
        let mut reason = json!({});
        held_pacing(&mut reason, projected);
        shape["reason"] = reason;
    }
    shape
}

fn short_reason(what: What, detail: &str) -> Value {
    let mut shape = json!({"what": what.as_str()});
    add_text(&mut shape, "detail", detail);
    shape
}

/// What became of files, one by one.
pub fn items_told(items: &[ItemTold]) -> Value {
    let shape = |item: &ItemTold| {
        let mut shape = json!({"key": item.key, "outcome": item.outcome.as_str()});
        add_text(&mut shape, "detail", &item.detail);
        shape
    };
    items.iter().map(shape).collect()
}

/// How many files of a delivery became what; nothing where it has none.
fn files_counted(view: &DeliveryView) -> Option<Value> {
    let told = || view.files.values().flatten();
    let count = |outcome| told().filter(|item| item.outcome == outcome).count();
    told().next()?;
    let counts =
        ItemOutcome::ALL.map(|outcome| (outcome.as_str().to_owned(), count(outcome).into()));
    Some(Value::Object(counts.into_iter().collect()))
}

fn parts(view: &DeliveryView) -> Vec<Value> {
    let present = view.attempts.last().map_or(0, |attempt| attempt.part);
    view.parts
        .iter()
        .zip(0u16..)
        .map(|(part, n)| {
            let through = view.status == Status::Sent || view.ids.contains_key(&n);
            let status = match n.cmp(&present) {
                _ if through => Status::Sent,
                std::cmp::Ordering::Equal => view.status,
                std::cmp::Ordering::Less | std::cmp::Ordering::Greater => match view.status {
                    Status::Dropped => Status::Dropped,
                    Status::Due
                    | Status::Held
                    | Status::Sending
                    | Status::Retrying
                    | Status::Sent
                    | Status::Parked
                    | Status::Merged
                    | Status::Unknown => Status::Due,
                },
            };
            let mut shape = json!({
                "n": n,
                "kind": part.kind,
                "status": status.as_str(),
                "message_ids": view.ids.get(&n).cloned().unwrap_or_default(),
            });
            if let Some(files) = view.files.get(&n) {
                shape["items"] = items_told(files);
                let is_refused = |file: &ItemTold| file.outcome == ItemOutcome::Failed;
                if through && files.iter().any(is_refused) {
                    shape["status"] = Status::Dropped.as_str().into();
                }
            }
            shape
        })
        .collect()
}

fn attempt(attempt: &AttemptView) -> Value {
    let mut shape = json!({
        "at": moment(attempt.at),
        "part": attempt.part,
        "outcome": attempt.outcome,
        "duration_ms": attempt.answer.duration_ms,
    });
    add(&mut shape, "http_status", attempt.answer.http_status);
    add_text(&mut shape, "answer", &attempt.answer.text);
    shape
}
