//! The dispatcher: takes what the state says is due, claims it, sends it, reports.
//!
//! **Invariant:** nothing is sent before its claim is durable, and what came of it is reported
//! before the delivery can be claimed again.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use notify_store::ReadError;
use tokio::sync::{mpsc, watch};

use super::client::{Client, Took};
use super::clock::Clock;
use super::families::{FamilyError, origin};
use super::ledger::{Causes, Ledger, LedgerError, Priority};
use super::media::Media;
use super::steps::Steps;
use super::vault::Vault;
use crate::domain::command::{Attempted, Claim, Command, Report, Saying, Told};
use crate::domain::decide::RETRY_BASE;
use crate::domain::event::{ANSWER_BYTES_MAX, Answer, DeliveryKey, Event};
use crate::domain::notice::{Notice, cut};
use crate::projections::outbox::pace::Limits;
use crate::projections::outbox::{Asked, Due};
use crate::targets::{self, CallContext, Part, Reply, Verdict};

mod carry;
mod gathered;
mod named;
mod prepare;
mod say;
mod still;
mod update;

use prepare::Prepared;
pub use prepare::message;
use still::Still;

/// Deliveries under way at a time, all targets together. One target has at most
/// [`crate::projections::outbox::TARGET_IN_FLIGHT_MAX`] of them.
pub const IN_FLIGHT_MAX: usize = 512;
/// How long SIGTERM waits for calls that are under way.
pub const DRAIN_MAX: Duration = Duration::from_secs(8);
/// How long a delivery rests whose secrets or store could not be read; its lane rests with it.
const UNPREPARED_WAIT_MICROS: i64 = 5_000_000;
/// Longest wait between attempts to write an outcome.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What the dispatcher works with.
#[derive(Clone)]
pub struct Dispatch {
    pub ledger: Ledger,
    pub vault: Arc<Vault>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
    pub steps: Steps,
    pub media: Arc<Media>,
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
            if self.steps.note().await.is_err() {
                self.clock.sleep(RETRY_BASE).await;
                continue;
            }
            let now = self.clock.now();
            // A clock that went back must not make a rest longer.
            resting.retain(|_, until| {
                *until > now && until.saturating_sub(now) <= UNPREPARED_WAIT_MICROS
            });
            let room = IN_FLIGHT_MAX.saturating_sub(under_way.len());
            let due = self.due(now, room, first_lane, |key| {
                under_way.contains(key) || resting.contains_key(key)
            });
            for key in due.ready {
                under_way.insert(key);
                let (dispatch, finished) = (self.clone(), finished.clone());
                tokio::spawn(async move {
                    let step = dispatch.deliver(key).await;
                    // The dispatcher outlives its deliveries, or is draining and does not listen.
                    let _gone = finished.send((key, step));
                });
            }
            first_lane = due.next_lane.unwrap_or(first_lane);
            let next_at = due.next_at.into_iter().chain(resting.values().copied());
            let next_at = next_at.min();
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
                let until = self.clock.now().saturating_add(UNPREPARED_WAIT_MICROS);
                resting.insert(key, until);
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

    fn due(
        &self,
        now: i64,
        most: usize,
        first_lane: u32,
        taken: impl Fn(&DeliveryKey) -> bool,
    ) -> Due {
        let state = self.ledger.state();
        let targets = &state.configuration.targets;
        let depth = |target: u32, receiver: u32| {
            // What is gone is claimed all the same, so that its deliveries are parked and told.
            let Some(target) = targets
                .get(&target)
                .filter(|target| target.receivers.contains(&receiver))
            else {
                return 1;
            };
            if !target.sends_to(receiver) {
                return 0;
            }
            targets::kind(&target.entity.spec.kind).map_or(1, targets::Target::lane_depth)
        };
        let pace = |target: u32, receiver: u32| {
            targets
                .get(&target)
                .map(|target| Limits::of(&state.configuration, target, receiver))
                .unwrap_or_default()
        };
        let asked = Asked { depth, pace, taken };
        state.outbox.due(now, most, first_lane, &asked)
    }

    /// One attempt, whatever happens in it: a delivery that is never reported back would be in hand
    /// for ever.
    async fn deliver(&self, key: DeliveryKey) -> Step {
        match AssertUnwindSafe(self.attempt(key)).catch_unwind().await {
            Ok(Ok(step)) => step,
            // Somebody was faster, or the configuration has just changed: it is looked at again.
            Ok(Err(LedgerError::Refused(refusal))) => {
                tracing::debug!(delivery.position = key.position, delivery.ordinal = key.ordinal, %refusal, "not sent now");
                Step::Again
            }
            Ok(Err(error)) => {
                tracing::warn!(delivery.position = key.position, delivery.ordinal = key.ordinal, %error, "a delivery was left for later");
                // The claim may be durable although its answer was lost. Nothing was sent over it.
                self.insist(Command::Return { delivery: key }).await;
                Step::Later
            }
            Err(_panic) => {
                tracing::error!(
                    delivery.position = key.position,
                    delivery.ordinal = key.ordinal,
                    "an attempt failed in a way that must not happen; its delivery is parked"
                );
                let reason = "a fault of this program while it was being sent; whether it arrived is not known";
                self.insist(unsendable(key, reason.into())).await;
                Step::Again
            }
        }
    }

    /// One attempt at one part: compose, claim, call, judge, report.
    async fn attempt(&self, key: DeliveryKey) -> Result<Step, LedgerError> {
        let Some(notice) = self.notice_of(key) else {
            return Ok(Step::Again);
        };
        let origin = match origin(self.ledger.reader(), key, notice) {
            Ok(origin) => origin,
            Err(FamilyError::Read(error @ (ReadError::Closed | ReadError::Storage(_)))) => {
                tracing::error!(delivery.position = key.position, error = %Causes(&error), "the notice of a delivery cannot be read now");
                return Ok(Step::Later);
            }
            Err(error) => {
                let reason = format!("its notice cannot be read: {}", Causes(&error));
                self.command(unsendable(key, reason)).await?;
                return Ok(Step::Again);
            }
        };
        let origin = self.as_its_link_sees_it(key, origin);
        let Some(prepared) = self.prepare(key, &origin) else {
            // Its target or receiver is not configured any more: the claim says what that means.
            self.claim_bare(key).await?;
            return Ok(Step::Again);
        };
        let Some(kind) = targets::kind(&prepared.target.kind) else {
            let reason = format!("this version has no target kind {}", prepared.target.kind);
            self.command(unsendable(key, reason)).await?;
            return Ok(Step::Again);
        };
        let opened = match self.vault.open(
            prepared.holder.0,
            prepared.holder.1,
            prepared.holder_revision,
            &prepared.marks,
        ) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(target.name = prepared.target.name, %error, "held until its secrets can be opened");
                return Ok(Step::Later);
            }
        };
        let delivery_id = origin.seed.id(key.position, key.ordinal).to_string();
        // Before the claim: words that cannot be read must not cost one each time.
        let (composed, parts) = match prepared.delivery.composed {
            Some(at) => match self.words(at) {
                Ok(Some(parts)) => (None, parts),
                Err(error @ (ReadError::Closed | ReadError::Storage(_))) => {
                    tracing::error!(delivery.id = delivery_id, error = %Causes(&error), "the words of a delivery cannot be read now");
                    return Ok(Step::Later);
                }
                Ok(None) | Err(_) => {
                    let reason = format!("its words, stored at position {at}, cannot be read");
                    self.command(unsendable(key, reason)).await?;
                    return Ok(Step::Again);
                }
            },
            None => {
                let told = self.told(&prepared, &origin.notice).await;
                let told = match told {
                    Ok(told) => told,
                    Err(error) => {
                        tracing::error!(delivery.id = delivery_id, error = %Causes(&error), "what a delivery gathered cannot be read now");
                        return Ok(Step::Later);
                    }
                };
                let told = self.as_its_tracker_shapes_it(&prepared, told);
                match self.compose(&prepared, kind, &told, &delivery_id) {
                    Ok(composed) => {
                        let parts = composed.parts.clone();
                        (Some(composed), parts)
                    }
                    Err(refused) => {
                        self.command(unsendable(key, refused.reason)).await?;
                        return Ok(Step::Again);
                    }
                }
            }
        };
        let about = match self.named(&prepared, &origin.notice) {
            Ok(about) => about,
            Err(error) => {
                tracing::error!(delivery.id = delivery_id, error = %Causes(&error), "what a delivery gathered cannot be read now");
                return Ok(Step::Later);
            }
        };
        let claim = Claim {
            about,
            delivery: key,
            revision: prepared.delivery.revision,
            config_revision: prepared.config_revision,
            composed,
        };
        let Told::Claimed {
            attempt,
            part: number,
            composed: _,
        } = self.command(Command::Claim(Box::new(claim))).await?
        else {
            // The claim parked it instead; that is settled.
            return Ok(Step::Again);
        };
        let Some(part) = parts.get(usize::from(number)) else {
            let reason = format!("there is no part {number}");
            self.insist(unsendable(key, reason)).await;
            return Ok(Step::Again);
        };
        let earlier_ids = if number == 0 {
            Vec::new()
        } else {
            self.earlier_ids(key, prepared.delivery.notice)
        };
        let mut saying = prepared.saying(key, &origin.notice);
        let earlier = prepared.edits(&mut saying, number, parts.len());
        let context = CallContext {
            target: &prepared.target,
            receiver: &prepared.receiver,
            secrets: &opened.values,
            delivery_id: &delivery_id,
            part: number,
            earlier_ids: &earlier_ids,
            now_seconds: self.clock.now().div_euclid(1_000_000),
            reply_to: prepared.replies(&saying, number),
        };
        let (result, answer) = match carry::carried(kind, part) {
            Err(unsendable) => (Attempted::Unsendable(unsendable.reason), Answer::default()),
            Ok(Some((carrier, wanted))) => {
                let carried = carry::Carried {
                    carrier,
                    delivery: &prepared.delivery,
                    part,
                    wanted,
                    context,
                    target: &prepared.target,
                    redactor: &opened.redactor,
                    more: usize::from(number) + 1 < parts.len(),
                };
                let (result, answer, files) = self.carry(&carried).await;
                saying.files = files;
                (result, answer)
            }
            Ok(None) => {
                let said = say::Said {
                    kind,
                    prepared: &prepared,
                    opened: &opened,
                    part,
                    parts: &parts,
                    context,
                    earlier,
                };
                self.say(said, &mut saying).await
            }
        };
        let result = in_place(result, &parts, number);
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
            saying,
        };
        self.insist(Command::Report(Box::new(report))).await;
        Ok(Step::Again)
    }

    /// Reads what a delivery tells, which may be many notices.
    async fn told(&self, prepared: &Prepared, own: &Notice) -> Result<gathered::Told, ReadError> {
        let still = Still::of(&self.ledger, &prepared.delivery);
        let (reader, most) = (self.ledger.reader(), prepared.listed_max);
        if prepared.delivery.gathered.is_none() {
            return gathered::told(reader, &prepared.delivery, own, most, &still);
        }
        let (reader, delivery, own) = (reader.clone(), prepared.delivery.clone(), own.clone());
        let read = move || gathered::told(&reader, &delivery, &own, most, &still);
        match tokio::task::spawn_blocking(read).await {
            Ok(told) => told,
            // Nothing is cancelled here; a panic is one of this attempt.
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_stopping) => Err(ReadError::Closed),
            },
        }
    }

    async fn command(&self, command: Command) -> Result<Told, LedgerError> {
        let committed = self.ledger.command(Priority::Outcome, command).await?;
        Ok(committed.told)
    }

    /// Gives a command until it is durable or refused: an outcome that is known must not be forgotten
    /// over a full disk.
    async fn insist(&self, command: Command) {
        let mut wait = RETRY_BASE;
        loop {
            match self.command(command.clone()).await {
                Ok(_) | Err(LedgerError::Refused(_) | LedgerError::Stopping) => return,
                Err(
                    error @ (LedgerError::Saturated | LedgerError::DiskLow | LedgerError::Failed),
                ) => {
                    tracing::error!(%error, "an outcome could not be written yet");
                    self.clock.sleep(wait).await;
                    wait = (wait * 2).min(REPORT_WAIT_MAX);
                }
            }
        }
    }

    fn notice_of(&self, key: DeliveryKey) -> Option<u64> {
        let state = self.ledger.state();
        state
            .outbox
            .deliveries
            .get(&key)
            .map(|delivery| delivery.notice)
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
            about: Vec::new(),
        };
        self.command(Command::Claim(Box::new(claim)))
            .await
            .map(|_| ())
    }

    fn words(&self, at: u64) -> Result<Option<Vec<Part>>, ReadError> {
        let recorded = self.ledger.reader().get(at)?;
        Ok(recorded.and_then(|recorded| match recorded.payload {
            Event::MessageComposed { parts, .. } => Some(parts),
            _another => None,
        }))
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
                _another => None,
            })
            .flatten()
            .collect()
    }
}

/// What replaces one part, within all of them.
fn in_place(result: Attempted, parts: &[Part], number: u16) -> Attempted {
    match result {
        Attempted::Judged(Verdict::Fallback {
            parts: instead,
            reason,
        }) => {
            let mut all = parts.to_vec();
            all.splice(usize::from(number)..=usize::from(number), instead);
            Attempted::Judged(Verdict::Fallback { parts: all, reason })
        }
        other => other,
    }
}

/// The report that a delivery cannot be sent at all.
fn unsendable(delivery: DeliveryKey, reason: String) -> Command {
    Command::Report(Box::new(Report {
        delivery,
        attempt: 0,
        part: 0,
        parts: 0,
        result: Attempted::Unsendable(reason),
        answer: Answer::default(),
        saying: Saying::default(),
    }))
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
        Attempted::Judged(Verdict::LeftOut { reason }) => ("left out", reason.as_str()),
        Attempted::EditRefused(reason) => ("edit refused", reason.as_str()),
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
