//! The dispatcher: takes what the state says is due, claims it, sends it, reports.
//!
//! **Invariant:** nothing is sent before its claim is durable, and what came of it is reported
//! before the delivery can be claimed again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use super::client::{Client, Took};
use super::clock::Clock;
use super::families::{Origin, origin};
use super::ledger::{Ledger, LedgerError, Priority};
use super::vault::Vault;
use crate::domain::command::{Attempted, Claim, Command, Composed, Report, Told};
use crate::domain::decide::{RETRY_BASE, parts_hash};
use crate::domain::event::{ANSWER_BYTES_MAX, Answer, DeliveryKey, Event};

use crate::domain::notice::cut;
use crate::domain::spec::{EntityKind, ReceiverSpec, SecretMarks, TargetSpec};
use crate::projections::outbox::{Delivery, Due};
use crate::targets::{self, CallContext, Message, Part, Reply, Verdict};
use crate::templates::{Rendered, Scene, Words, render, render_body};

/// Deliveries under way at a time, all targets together. One target has at most
/// [`crate::projections::outbox::TARGET_IN_FLIGHT_MAX`] of them.
pub const IN_FLIGHT_MAX: usize = 512;
/// How long SIGTERM waits for calls that are under way.
pub const DRAIN_MAX: Duration = Duration::from_secs(8);
/// How long a delivery that could not be prepared is left alone.
const UNPREPARED_WAIT: Duration = Duration::from_secs(5);

/// What the dispatcher works with.
#[derive(Clone)]
pub struct Dispatch {
    pub ledger: Ledger,
    pub vault: Arc<Vault>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
}

/// One delivery, ready to be put into words and sent.
struct Prepared {
    delivery: Delivery,
    config_revision: u64,
    target: TargetSpec,
    target_revision: u64,
    marks: SecretMarks,
    receiver: ReceiverSpec,
    zone: TimeZone,
    words: Option<Arc<Option<Words>>>,
    locale: String,
    tracker: Option<String>,
}

enum Step {
    /// Looked at again at once.
    Again,
    /// Left alone for a while.
    Later,
}

impl Dispatch {
    /// Runs until `stop` says so, then waits for what is under way.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut committed = self.ledger.committed();
        let (finished, mut ends) = mpsc::unbounded_channel::<(DeliveryKey, Step)>();
        // Under way here, from before the claim to after the report. Bounded by IN_FLIGHT_MAX.
        let mut under_way: HashSet<DeliveryKey> = HashSet::new();
        let mut resting: BTreeMap<DeliveryKey, i64> = BTreeMap::new();
        let mut first_lane = 0u32;
        while !*stop.borrow() {
            committed.borrow_and_update();
            let now = self.clock.now();
            resting.retain(|_, until| *until > now);
            let due = self.due(now, first_lane);
            let mut next_at = due.next_at;
            for key in due.ready {
                if under_way.len() >= IN_FLIGHT_MAX {
                    break;
                }
                if let Some(until) = resting.get(&key) {
                    next_at = Some(next_at.map_or(*until, |at| at.min(*until)));
                    continue;
                }
                if under_way.insert(key) {
                    let (dispatch, finished) = (self.clone(), finished.clone());
                    tokio::spawn(async move {
                        let step = dispatch.deliver(key).await;
                        // The dispatcher outlives its deliveries, or is draining and does not listen.
                        let _gone = finished.send((key, step));
                    });
                }
            }
            first_lane = first_lane.wrapping_add(1);
            let sleep = async {
                match next_at {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { break },
                () = sleep => {}
                Some((key, step)) = ends.recv() => {
                    self.ended(key, step, &mut under_way, &mut resting);
                    while let Ok((key, step)) = ends.try_recv() {
                        self.ended(key, step, &mut under_way, &mut resting);
                    }
                }
                _ = stop.changed() => {}
            }
        }
        self.drain(&mut under_way, ends).await;
    }

    fn ended(
        &self,
        key: DeliveryKey,
        step: Step,
        under_way: &mut HashSet<DeliveryKey>,
        resting: &mut BTreeMap<DeliveryKey, i64>,
    ) {
        under_way.remove(&key);
        match step {
            Step::Again => {}
            Step::Later => {
                let wait = i64::try_from(UNPREPARED_WAIT.as_micros()).unwrap_or(i64::MAX);
                resting.insert(key, self.clock.now().saturating_add(wait));
            }
        }
    }

    async fn drain(
        &self,
        under_way: &mut HashSet<DeliveryKey>,
        mut ends: mpsc::UnboundedReceiver<(DeliveryKey, Step)>,
    ) {
        let mut deadline = self.clock.sleep(DRAIN_MAX);
        while !under_way.is_empty() {
            tokio::select! {
                Some((key, _)) = ends.recv() => { under_way.remove(&key); }
                () = &mut deadline => {
                    tracing::warn!(count = under_way.len(), "calls are still under way; what came of them is not known at the next start");
                    return;
                }
            }
        }
    }

    fn due(&self, now: i64, first_lane: u32) -> Due {
        let state = self.ledger.state();
        let targets = &state.configuration.targets;
        state.outbox.due(now, IN_FLIGHT_MAX, first_lane, |target| {
            // A target that is gone is claimed all the same, so that its deliveries are parked and told.
            let Some(target) = targets.get(&target) else {
                return 1;
            };
            if !target.entity.spec.enabled {
                return 0;
            }
            targets::kind(&target.entity.spec.kind).map_or(1, targets::Target::lane_depth)
        })
    }

    async fn deliver(&self, key: DeliveryKey) -> Step {
        match self.attempt(key).await {
            Ok(step) => step,
            // Somebody was faster, or the configuration has just changed: it is looked at again.
            Err(LedgerError::Refused(refusal)) => {
                tracing::debug!(delivery.position = key.position, delivery.ordinal = key.ordinal, %refusal, "not sent now");
                Step::Again
            }
            Err(error) => {
                tracing::warn!(delivery.position = key.position, delivery.ordinal = key.ordinal, %error, "a delivery was left for later");
                Step::Later
            }
        }
    }

    /// One attempt at one part: compose, claim, call, judge, report.
    async fn attempt(&self, key: DeliveryKey) -> Result<Step, LedgerError> {
        let Some(prepared) = self.prepare(key) else {
            // Its target or receiver is not configured any more: the claim says what that means.
            self.claim_bare(key).await?;
            return Ok(Step::Again);
        };
        let Some(kind) = targets::kind(&prepared.target.kind) else {
            self.unsendable(
                key,
                format!("this version has no target kind {}", prepared.target.kind),
            )
            .await?;
            return Ok(Step::Again);
        };
        let opened = match self.vault.open(
            EntityKind::Target,
            prepared.delivery.target,
            prepared.target_revision,
            &prepared.marks,
        ) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(target.name = prepared.target.name, %error, "held until its secrets can be opened");
                return Ok(Step::Later);
            }
        };
        let origin = match origin(self.ledger.reader(), key, prepared.delivery.notice) {
            Ok(origin) => origin,
            Err(error) => {
                tracing::error!(delivery.position = key.position, error = %super::ledger::Causes(&error), "the notice of a delivery cannot be read");
                return Ok(Step::Later);
            }
        };
        let delivery_id = origin.seed.id(key.position, key.ordinal).to_string();
        let composed = match prepared.delivery.composed {
            Some(_) => None,
            None => match self.compose(&prepared, kind, &origin, &delivery_id) {
                Ok(composed) => Some(composed),
                Err(unsendable) => {
                    self.unsendable(key, unsendable.reason).await?;
                    return Ok(Step::Again);
                }
            },
        };
        let words = composed.as_ref().map(|composed| composed.parts.clone());
        let claim = Claim {
            delivery: key,
            revision: prepared.delivery.revision,
            config_revision: prepared.config_revision,
            composed,
        };
        let committed = self
            .ledger
            .command(Priority::Outcome, Command::Claim(Box::new(claim)))
            .await?;
        let Told::Claimed {
            attempt,
            part: number,
            composed: at,
        } = committed.told
        else {
            // The claim parked it instead; that is settled.
            return Ok(Step::Again);
        };
        let parts = match words {
            Some(parts) => parts,
            None => match self.words(at) {
                Some(parts) => parts,
                None => {
                    tracing::error!(
                        delivery.id = delivery_id,
                        "its words cannot be read; the claim is given back"
                    );
                    self.ledger
                        .command(Priority::Outcome, Command::Return { delivery: key })
                        .await?;
                    return Ok(Step::Later);
                }
            },
        };
        let Some(part) = parts.get(usize::from(number)) else {
            self.unsendable(key, format!("there is no part {number}"))
                .await?;
            return Ok(Step::Again);
        };
        let earlier_ids = if number == 0 {
            Vec::new()
        } else {
            self.earlier_ids(key, prepared.delivery.notice)
        };
        let context = CallContext {
            target: &prepared.target,
            receiver: &prepared.receiver,
            secrets: &opened.values,
            delivery_id: &delivery_id,
            part: number,
            earlier_ids: &earlier_ids,
            now_seconds: self.clock.now().div_euclid(1_000_000),
        };
        let (result, answer) = match kind.call(part, &context) {
            Err(unsendable) => (Attempted::Unsendable(unsendable.reason), Answer::default()),
            Ok(call) => {
                let (reply, took) = self
                    .client
                    .perform(&call, prepared.target.allow_private, &opened.redactor)
                    .await;
                let answer = answer(&reply, took);
                let result = match kind.judge(part, &reply) {
                    Verdict::Retry { reason, .. }
                        if matches!(reply, Reply::NoAnswer { .. }) && kind.lane_depth() == 1 =>
                    {
                        Attempted::Unknown(reason)
                    }
                    Verdict::Fallback {
                        parts: instead,
                        reason,
                    } => {
                        let mut all = parts.clone();
                        all.splice(usize::from(number)..=usize::from(number), instead);
                        Attempted::Judged(Verdict::Fallback { parts: all, reason })
                    }
                    verdict => Attempted::Judged(verdict),
                };
                (result, answer)
            }
        };
        log_attempt(
            &delivery_id,
            &prepared.target.name,
            attempt,
            &result,
            &answer,
        );
        let report = Report {
            delivery: key,
            attempt,
            part: number,
            parts: parts.len() as u16,
            result,
            answer,
        };
        self.report(report).await;
        Ok(Step::Again)
    }

    /// Reports until it is durable: an outcome that is known must not be forgotten over a full disk.
    async fn report(&self, report: Report) {
        let mut wait = RETRY_BASE;
        loop {
            let command = Command::Report(Box::new(report.clone()));
            match self.ledger.command(Priority::Outcome, command).await {
                Ok(_) | Err(LedgerError::Refused(_)) | Err(LedgerError::Stopping) => return,
                Err(error) => {
                    tracing::error!(%error, "an outcome could not be written yet");
                    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                    self.clock
                        .sleep_until(self.clock.now().saturating_add(micros))
                        .await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
            }
        }
    }

    async fn unsendable(&self, key: DeliveryKey, reason: String) -> Result<(), LedgerError> {
        let report = Report {
            delivery: key,
            attempt: 0,
            part: 0,
            parts: 0,
            result: Attempted::Unsendable(reason),
            answer: Answer::default(),
        };
        self.ledger
            .command(Priority::Outcome, Command::Report(Box::new(report)))
            .await
            .map(|_| ())
    }

    async fn claim_bare(&self, key: DeliveryKey) -> Result<(), LedgerError> {
        let (revision, config_revision) = {
            let state = self.ledger.state();
            let Some(delivery) = state.outbox.deliveries.get(&key) else {
                return Ok(());
            };
            (delivery.revision, state.configuration.revision)
        };
        let claim = Claim {
            delivery: key,
            revision,
            config_revision,
            composed: None,
        };
        self.ledger
            .command(Priority::Outcome, Command::Claim(Box::new(claim)))
            .await
            .map(|_| ())
    }

    fn prepare(&self, key: DeliveryKey) -> Option<Prepared> {
        let state = self.ledger.state();
        let configuration = &state.configuration;
        let delivery = state.outbox.deliveries.get(&key)?.clone();
        let target = configuration.targets.get(&delivery.target)?;
        let mut receiver = target.receiver(delivery.receiver)?;
        if let Some(moved) = state
            .health
            .receivers
            .get(&delivery.receiver)
            .and_then(|health| health.moved_to.clone())
        {
            receiver.to = moved;
        }
        let spec = target.entity.spec.clone();
        let tracker = configuration.trackers.get(&delivery.tracker);
        let link = tracker.and_then(|tracker| {
            tracker.entity.spec.links.iter().find(|link| {
                link.target == spec.name
                    || configuration
                        .target(&link.target)
                        .is_some_and(|broadcast| broadcast.entity.spec.targets.contains(&spec.name))
            })
        });
        let template = link
            .and_then(|link| link.template.as_deref())
            .and_then(|name| configuration.template(name));
        let words = template.map(|template| {
            template
                .words
                .shared(|| Words::compile(&template.entity.spec).ok())
        });
        let locale = receiver
            .locale
            .clone()
            .or_else(|| link.and_then(|link| link.locale.clone()))
            .or_else(|| spec.locale.clone())
            .unwrap_or_else(|| configuration.settings.locale.clone());
        Some(Prepared {
            config_revision: configuration.revision,
            target_revision: target.entity.revision,
            marks: target.entity.secrets.clone(),
            tracker: tracker.map(|tracker| tracker.entity.spec.name.clone()),
            zone: configuration.zone().clone(),
            target: spec,
            receiver,
            words,
            locale,
            delivery,
        })
    }

    fn compose(
        &self,
        prepared: &Prepared,
        kind: &dyn targets::Target,
        origin: &Origin,
        delivery_id: &str,
    ) -> Result<Composed, targets::Unsendable> {
        let now = Timestamp::from_microsecond(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH);
        let scene = Scene {
            notice: &origin.notice,
            tracker: prepared.tracker.as_deref(),
            link: None,
            target: &prepared.target.name,
            receiver: &prepared.receiver.name,
            locale: &prepared.locale,
            zone: &prepared.zone,
            now,
        };
        let words = prepared.words.as_deref().and_then(Option::as_ref);
        let (message, mut faults) = message(&scene, words, kind, &prepared.target, delivery_id);
        let parts = kind.compose(&message, &prepared.target, &prepared.receiver)?;
        faults.truncate(8);
        Ok(Composed {
            hash: parts_hash(&parts),
            parts,
            faults,
        })
    }

    fn words(&self, at: u64) -> Option<Vec<Part>> {
        match self.ledger.reader().get(at) {
            Ok(Some(recorded)) => match recorded.payload {
                Event::MessageComposed { parts, .. } => Some(parts),
                _ => None,
            },
            Ok(None) | Err(_) => None,
        }
    }

    fn earlier_ids(&self, key: DeliveryKey, notice: u64) -> Vec<String> {
        let events = self
            .ledger
            .reader()
            .stream(notice, 0, notify_store::PAGE_FRAMES_MAX)
            .unwrap_or_default();
        events
            .into_iter()
            .filter_map(|recorded| match recorded.payload {
                Event::PartSent { delivery, ids, .. } if delivery == key => Some(ids),
                _ => None,
            })
            .flatten()
            .collect()
    }
}

/// Puts a notice into words for a target. What it says about itself when something went wrong comes
/// as faults.
pub fn message(
    scene: &Scene<'_>,
    words: Option<&Words>,
    kind: &dyn targets::Target,
    target: &TargetSpec,
    delivery_id: &str,
) -> (Message, Vec<String>) {
    let Rendered {
        title,
        text,
        buttons,
        mut faults,
        fell_back: _,
    } = render(words, kind.format(), scene);
    let body = target
        .body
        .as_deref()
        .and_then(|source| match render_body(source, scene) {
            Ok(body) => Some(body),
            Err(fault) => {
                faults.push(format!(
                    "the body template failed, so the default body was sent: {fault}"
                ));
                None
            }
        });
    let notice = scene.notice;
    let message = Message {
        delivery_id: delivery_id.to_owned(),
        title,
        text,
        buttons,
        severity: notice.draft.severity,
        url: notice.draft.url.clone(),
        notice: crate::templates::notice_json(notice),
        kind: notice.draft.kind.clone(),
        received_at: Timestamp::from_microsecond(notice.received_at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string(),
        body,
        hops: notice
            .draft
            .labels
            .get("hops")
            .and_then(|hops| hops.parse().ok())
            .unwrap_or(0),
    };
    (message, faults)
}

/// What is kept of a reply for people.
fn answer(reply: &Reply, took: Took) -> Answer {
    let duration_ms = u32::try_from(took.call.as_millis()).unwrap_or(u32::MAX);
    let (http_status, mut text) = match reply {
        Reply::Answered { status, body, .. } => {
            (Some(*status), String::from_utf8_lossy(body).into_owned())
        }
        Reply::NotSent { why } | Reply::NoAnswer { why } => (None, why.clone()),
    };
    cut(&mut text, ANSWER_BYTES_MAX);
    Answer {
        http_status,
        text,
        duration_ms,
    }
}

fn log_attempt(delivery: &str, target: &str, attempt: u16, result: &Attempted, answer: &Answer) {
    let (outcome, reason) = match result {
        Attempted::Judged(Verdict::Sent { .. }) => ("sent", ""),
        Attempted::Judged(Verdict::Retry { reason, .. }) => ("retry", reason.as_str()),
        Attempted::Judged(Verdict::Fallback { reason, .. }) => ("fallback", reason.as_str()),
        Attempted::Judged(Verdict::Rejected { reason }) => ("rejected", reason.as_str()),
        Attempted::Judged(Verdict::Gone { reason }) => ("gone", reason.as_str()),
        Attempted::Judged(Verdict::Moved { .. }) => ("moved", ""),
        Attempted::Unsendable(reason) => ("unsendable", reason.as_str()),
        Attempted::Unknown(reason) => ("unknown", reason.as_str()),
    };
    let status = answer.http_status.unwrap_or(0);
    if outcome == "sent" {
        tracing::debug!(
            delivery.id = delivery,
            target.name = target,
            attempt,
            http.status = status,
            duration_ms = answer.duration_ms,
            "sent"
        );
    } else {
        tracing::warn!(
            delivery.id = delivery,
            target.name = target,
            attempt,
            http.status = status,
            duration_ms = answer.duration_ms,
            outcome,
            reason,
            "an attempt did not get through"
        );
    }
}
