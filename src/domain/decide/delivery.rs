//! Deciding about deliveries: claims, what came of attempts, and what people do.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::command::{Attempted, Claim, Context, Refusal, Report, Saying, Told};
use super::super::event::{
    ANSWER_BYTES_MAX, Action, Answer, DeliveryKey, Event, Outcome, Remember,
};
use super::super::notice::cut;
use super::super::reason::What;
use super::super::spec::UnknownPolicy;
use super::super::state::State;
use super::Decided;
use crate::projections::outbox::pace::Limits;
use crate::projections::outbox::{
    Delivery, PROBE_DOUBLINGS_MAX, Status, WAIT_MAX_MICROS, waits_until,
};
use crate::targets::{Scope, Verdict};

/// Wait before the second attempt; each further one waits twice as long.
pub const RETRY_BASE: Duration = Duration::from_secs(1);
/// Longest wait of our own making.
pub const RETRY_MAX: Duration = Duration::from_secs(3_600);
/// Longest wait that a service may ask for; a longer one is cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(6 * 3_600);
const _: () = assert!(RETRY_AFTER_MAX.as_micros() as i64 + 1_000_000 <= WAIT_MAX_MICROS);
const _: () = assert!(RETRY_MAX.as_micros() as i64 <= WAIT_MAX_MICROS);
/// Times that one part may be put in other ways (without markup, without buttons, its files in smaller
/// groups, its files one by one).
pub const FALLBACKS_MAX: u8 = 4;
/// Attempts of one part; then the delivery is parked.
pub const TRIES_MAX: u16 = 16;
/// Age at which a failing delivery is parked rather than tried again.
pub const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Bytes of the words of one message, all parts together; more cannot be sent.
pub const MESSAGE_BYTES_MAX: usize = 224 * 1_024;
/// Longest reason that is kept, in bytes.
const DETAIL_BYTES_MAX: usize = 1_024;
/// Faults of rendering that are kept with the words.
const FAULTS_MAX: usize = 8;
/// Longest id or address that a service may give, in bytes.
pub(super) const ID_BYTES_MAX: usize = 256;

/// When a part that failed `failures` times before is tried again: never earlier than the service
/// said, never later than [`RETRY_AFTER_MAX`] and a little. The jitter derives from the delivery, so that
/// the same log gives the same moments.
pub fn retry_at(
    now: i64,
    failures: u16,
    told: Option<Duration>,
    salt: &[u8; 32],
    key: DeliveryKey,
) -> i64 {
    let own = RETRY_BASE
        .saturating_mul(1u32 << failures.min(20))
        .min(RETRY_MAX);
    let mut bytes = [0u8; 12];
    bytes[..8].copy_from_slice(&key.position.to_le_bytes());
    bytes[8..10].copy_from_slice(&key.ordinal.to_le_bytes());
    bytes[10..].copy_from_slice(&failures.to_le_bytes());
    let draw = xxh3_64_with_seed(&bytes, xxh3_64_with_seed(salt, 0)) >> 11;
    let unit = draw as f64 / (1u64 << 53) as f64;
    let wait = match told {
        // Up to a second, or a tenth, later than told, so that not everyone comes back at once.
        Some(told) => {
            let told = told.min(RETRY_AFTER_MAX);
            told + told.mul_f64(0.1 * unit).min(Duration::from_secs(1))
        }
        None => own.mul_f64(0.75 + 0.25 * unit),
    };
    now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

pub fn claim(state: &State, claim: Claim, context: &Context) -> Result<Decided, Refusal> {
    let key = claim.delivery;
    let outbox = &state.outbox;
    let delivery = outbox
        .deliveries
        .get(&key)
        .ok_or(Refusal::NotClaimable("it is settled"))?;
    if !delivery.status.waits() {
        return Err(Refusal::NotClaimable("it is not waiting"));
    }
    if delivery.revision != claim.revision || state.configuration.revision != claim.config_revision
    {
        return Err(Refusal::NotClaimable("it or the configuration has changed"));
    }
    if outbox.paused {
        return Err(Refusal::NotClaimable("sending is paused"));
    }
    if waits_until(delivery.not_before, context.now) {
        return Err(Refusal::NotClaimable("it is not due yet"));
    }
    let Some(target) = state.configuration.targets.get(&delivery.target) else {
        return Ok(park(
            key,
            delivery,
            What::TargetRemoved,
            "the target is no longer configured".into(),
        ));
    };
    if !target.receivers.contains(&delivery.receiver) {
        return Ok(park(
            key,
            delivery,
            What::TargetRemoved,
            "its receiver is no longer configured".into(),
        ));
    }
    if !target.sends_to(delivery.receiver) {
        return Err(Refusal::NotClaimable(
            "its target or receiver is switched off",
        ));
    }
    let paused_until = outbox.paused_until(delivery.target, delivery.receiver);
    if waits_until(paused_until, context.now) {
        return Err(Refusal::NotClaimable(
            "its target or receiver asked to wait",
        ));
    }
    let limits = Limits::of(&state.configuration, target, delivery.receiver);
    if outbox
        .pacing
        .waits_until(delivery.receiver, &limits, context.now)
        .is_some()
    {
        return Err(Refusal::NotClaimable(
            "it waits for the pace of its receiver or target",
        ));
    }
    if outbox.under_way(delivery.target) >= outbox.in_flight_max(delivery.target) {
        return Err(Refusal::NotClaimable("its target has enough under way"));
    }
    if state.health.is_gone(delivery.receiver) {
        return Ok(park(
            key,
            delivery,
            What::ReceiverGone,
            "the receiver is gone".into(),
        ));
    }
    if let Some(lane) = outbox.lanes.get(&delivery.receiver) {
        let depth = crate::targets::kind(&target.entity.spec.kind)
            .map_or(1, crate::targets::Target::lane_depth);
        if lane.under_way() >= usize::from(depth) {
            return Err(Refusal::NotClaimable("its lane is full"));
        }
        if lane.is_sending(delivery.subject) {
            return Err(Refusal::NotClaimable(
                "another delivery about its subject is under way",
            ));
        }
    }
    if let Some(muted) = super::muted::muted(state, key, delivery, &claim.about, context.now) {
        return Ok(Decided::done(muted));
    }
    if let Some(events) = super::catch_up::caught_up(state, key, delivery, context.now) {
        return Ok(Decided {
            events,
            told: Told::Done,
        });
    }
    if let Some(held) = super::held::kept_quiet(state, key, delivery, context.now) {
        return Ok(Decided::done(held));
    }
    let mut events = Vec::with_capacity(3);
    let composed = match (delivery.composed, claim.composed) {
        (Some(position), _) => position,
        (None, Some(composed)) if message_bytes(&composed.parts) > MESSAGE_BYTES_MAX => {
            return Ok(park(
                key,
                delivery,
                What::Unsendable,
                format!(
                    "the message has more than {MESSAGE_BYTES_MAX} bytes; shorten its template"
                ),
            ));
        }
        (None, Some(composed)) => {
            let known = outbox.find_composed(key.position, composed.hash);
            let at = known.unwrap_or(context.first_position);
            if known.is_none() {
                events.push(Event::MessageComposed {
                    notice: delivery.notice,
                    planning: key.position,
                    hash: composed.hash,
                    parts: composed.parts,
                    faults: composed
                        .faults
                        .into_iter()
                        .take(FAULTS_MAX)
                        .map(shortened)
                        .collect(),
                });
            }
            events.extend(composed.telling.map(|telling| Event::GatheredTold {
                delivery: key,
                notice: delivery.notice,
                composed: at,
                telling,
            }));
            at
        }
        (None, None) => return Err(Refusal::NotClaimable("it has no words yet")),
    };
    let attempt = delivery.attempts.saturating_add(1);
    let part = delivery.part;
    events.push(Event::AttemptStarted {
        delivery: key,
        notice: delivery.notice,
        attempt,
        part,
        composed,
    });
    Ok(Decided {
        events,
        told: Told::Claimed {
            attempt,
            part,
            composed,
        },
    })
}

pub fn report(state: &State, mut report: Report, context: &Context) -> Result<Decided, Refusal> {
    cut(&mut report.answer.text, ANSWER_BYTES_MAX);
    let key = report.delivery;
    let Some(delivery) = state.outbox.deliveries.get(&key) else {
        return Err(Refusal::Conflict("the delivery is settled already".into()));
    };
    if matches!(report.result, Attempted::Unsendable(_)) {
        // Nothing was claimed: it could not be put into words for this target.
        if !delivery.status.waits() && delivery.status != Status::Sending {
            return Err(Refusal::Conflict("the delivery is not waiting".into()));
        }
    } else if delivery.status != Status::Sending
        || delivery.attempts != report.attempt
        || delivery.part != report.part
    {
        return Err(Refusal::Conflict(
            "the report is about an earlier attempt".into(),
        ));
    }
    let files = std::mem::take(&mut report.saying.files);
    let attempt = Attempt {
        state,
        key,
        delivery,
        part: delivery.part,
        answer: report.answer,
        context,
        saying: report.saying,
    };
    let mut decided = match report.result {
        Attempted::Unsendable(reason) => attempt.parked(What::Unsendable, reason),
        Attempted::Unknown(reason) => match delivery.unknown {
            // Who does not answer this message answers no other.
            UnknownPolicy::Retry => attempt.retry(None, Scope::Target, reason),
            UnknownPolicy::Park => {
                let unknown = Event::OutcomeUnknown {
                    delivery: key,
                    notice: delivery.notice,
                    policy: UnknownPolicy::Park,
                };
                let mut decided = attempt.retry(None, Scope::Target, reason);
                // However old it is, it is not known.
                decided
                    .events
                    .retain(|event| matches!(event, Event::AttemptFailed { .. }));
                decided.events.push(unknown);
                decided
            }
        },
        Attempted::EditRefused(reason) => attempt.sent_anew(reason),
        Attempted::Judged(verdict) => match verdict {
            Verdict::Sent { ids, pause } => attempt.sent(ids, pause, report.parts),
            Verdict::Retry {
                after,
                scope,
                reason,
            } => attempt.retry(after, scope, reason),
            Verdict::Fallback { parts, reason } => attempt.fall_back(parts, reason),
            Verdict::Rejected { reason } => attempt.parked(What::Rejected, reason),
            Verdict::Gone { reason } => {
                let gone = Event::ReceiverGone {
                    target: delivery.target,
                    receiver: delivery.receiver,
                    reason: shortened(reason.clone()),
                };
                let mut decided = attempt.parked(What::ReceiverGone, reason);
                decided.events.push(gone);
                decided
            }
            Verdict::Moved { to } => attempt.moved(to),
            Verdict::LeftOut { reason } => attempt.left_out(reason, report.parts),
        },
    };
    let told = super::sent::files_told((delivery, key), files, context.now);
    decided.events.extend(told);
    Ok(decided)
}

pub(super) struct Attempt<'a> {
    pub(super) state: &'a State,
    pub(super) key: DeliveryKey,
    pub(super) delivery: &'a Delivery,
    pub(super) part: u16,
    pub(super) answer: Answer,
    pub(super) context: &'a Context,
    pub(super) saying: Saying,
}

impl Attempt<'_> {
    fn retry(self, told: Option<Duration>, scope: Scope, reason: String) -> Decided {
        let outbox = &self.state.outbox;
        let target = self.delivery.target;
        let open = outbox.breaker_is_open(target);
        let rounds = outbox.rounds(target).min(PROBE_DOUBLINGS_MAX);
        let scope = match scope {
            Scope::Message => Scope::Message,
            Scope::Receiver | Scope::Target if told.is_none() && self.others_get_through() => {
                Scope::Message
            }
            // Nothing gets through anywhere: the next receiver waits as well.
            Scope::Receiver if told.is_none() && open => Scope::Target,
            Scope::Receiver => Scope::Receiver,
            Scope::Target => Scope::Target,
        };
        // Probes come after waits that grow, also where a service always says the same.
        let told = match scope {
            Scope::Message => told,
            Scope::Receiver | Scope::Target if open => {
                told.map(|told| told.max(RETRY_BASE.saturating_mul(1 << rounds)))
            }
            Scope::Receiver | Scope::Target => told,
        };
        let own = scope == Scope::Message && !open;
        let tries = self.delivery.tries.saturating_add(u16::from(own));
        if own && tries >= TRIES_MAX {
            return self.parked(
                What::TriesUsedUp,
                format!("{tries} tries failed; the last said: {reason}"),
            );
        }
        let salt = self
            .state
            .founding
            .map_or([0; 32], |founding| founding.salt);
        let retry_at = retry_at(
            self.context.now,
            match scope {
                Scope::Message => self.delivery.failures,
                // Whoever is the next probe, the waits before it grow.
                Scope::Receiver | Scope::Target => rounds,
            },
            told,
            &salt,
            self.key,
        );
        let age = retry_at.saturating_sub(self.delivery.planned_at);
        if age > i64::try_from(AGE_MAX.as_micros()).unwrap_or(i64::MAX) {
            return self.parked(
                What::TooOld,
                format!("it would be over 24 h old at the next try; the last said: {reason}"),
            );
        }
        Decided::done(Event::AttemptFailed {
            delivery: self.key,
            notice: self.delivery.notice,
            part: self.part,
            scope,
            retry_at,
            reason: shortened(reason),
            answer: self.answer,
        })
    }

    /// Whether the target has taken something since this delivery failed before: then the failure is
    /// this message's own, and no reason for others to wait.
    fn others_get_through(&self) -> bool {
        self.delivery.failures > 0
            && self
                .state
                .health
                .targets
                .get(&self.delivery.target)
                .is_some_and(|health| health.failures_in_a_row == 0)
    }

    fn fall_back(self, parts: Vec<crate::targets::Part>, reason: String) -> Decided {
        let fits = !parts.is_empty() && message_bytes(&parts) <= MESSAGE_BYTES_MAX;
        if self.delivery.fallbacks >= FALLBACKS_MAX || !fits {
            return self.parked(What::Rejected, reason);
        }
        let notice = self.delivery.notice;
        let hash = parts_hash(&parts);
        let composed = Event::MessageComposed {
            notice,
            planning: self.key.position,
            hash,
            parts,
            faults: Vec::new(),
        };
        Decided {
            events: vec![
                composed,
                Event::FallbackUsed {
                    delivery: self.key,
                    notice,
                    composed: self.context.first_position,
                    reason: shortened(reason),
                    answer: self.answer,
                },
            ],
            told: Told::Done,
        }
    }

    fn moved(self, to: String) -> Decided {
        if to.is_empty() || to.len() > ID_BYTES_MAX {
            return self.parked(What::Rejected, "moved to no address".into());
        }
        let observed = self.state.health.receivers.get(&self.delivery.receiver);
        if observed.is_some_and(|health| health.moved_to.as_ref() == Some(&to)) {
            return self.parked(
                What::Rejected,
                format!("moved to {to}, where it still says the same"),
            );
        }
        let moved = Event::ReceiverMoved {
            target: self.delivery.target,
            receiver: self.delivery.receiver,
            to: to.clone(),
        };
        let mut decided = self.retry(
            Some(Duration::ZERO),
            Scope::Message,
            format!("moved to {to}"),
        );
        decided.events.push(moved);
        decided
    }

    fn parked(self, why: What, detail: String) -> Decided {
        Decided::done(Event::DeliverySettled {
            delivery: self.key,
            notice: self.delivery.notice,
            part: self.part,
            outcome: Outcome::Parked,
            why,
            detail: shortened(detail),
            ids: Vec::new(),
            answer: self.answer,
            pause_until: None,
            remember: Remember::No,
        })
    }
}

/// Bytes of the words as they are stored.
fn message_bytes(parts: &[crate::targets::Part]) -> usize {
    let bytes = |part: &crate::targets::Part| {
        part.kind.len() + part.text.len() + part.payload.len() + 3 * LENGTH_BYTES_MAX
    };
    parts.iter().map(bytes).sum()
}

/// Bytes that the length of a stored text takes at most.
const LENGTH_BYTES_MAX: usize = 4;

pub(super) fn shortened(mut text: String) -> String {
    cut(&mut text, DETAIL_BYTES_MAX);
    text
}

/// Hash of parts, by which equal words are known.
pub fn parts_hash(parts: &[crate::targets::Part]) -> u64 {
    let mut hash = 0u64;
    for part in parts {
        for text in [&part.kind, &part.text, &part.payload] {
            hash = xxh3_64_with_seed(text.as_bytes(), hash ^ text.len() as u64);
        }
    }
    hash
}

fn park(key: DeliveryKey, delivery: &Delivery, why: What, detail: String) -> Decided {
    Decided::done(settle(key, delivery, Outcome::Parked, why, detail))
}

/// A settlement without an attempt.
pub(super) fn settle(
    key: DeliveryKey,
    delivery: &Delivery,
    outcome: Outcome,
    why: What,
    detail: String,
) -> Event {
    Event::DeliverySettled {
        delivery: key,
        notice: delivery.notice,
        part: delivery.part,
        outcome,
        why,
        detail,
        ids: Vec::new(),
        answer: Answer::default(),
        pause_until: None,
        remember: Remember::No,
    }
}

pub fn give_back(state: &State, key: DeliveryKey) -> Result<Decided, Refusal> {
    match state.outbox.deliveries.get(&key) {
        Some(delivery) if delivery.status == Status::Sending => {
            Ok(Decided::done(Event::ClaimReturned {
                delivery: key,
                notice: delivery.notice,
            }))
        }
        Some(_) | None => Err(Refusal::Conflict("the delivery is not under way".into())),
    }
}

/// Refuses what a person decided about something that has become something else meanwhile.
pub fn as_seen(state: &State, key: DeliveryKey, revision: u32) -> Result<(), Refusal> {
    match state.outbox.deliveries.get(&key) {
        Some(delivery) if delivery.revision != revision => Err(Refusal::Conflict(
            "the delivery has changed since it was looked at".into(),
        )),
        // One that is settled is refused in its own words.
        Some(_) | None => Ok(()),
    }
}

pub fn operate(
    state: &State,
    key: DeliveryKey,
    action: Action,
    by: String,
) -> Result<Decided, Refusal> {
    let Some(delivery) = state.outbox.deliveries.get(&key) else {
        return Err(Refusal::Conflict(
            "the delivery is settled; nothing is left to do with it".into(),
        ));
    };
    let fits = match action {
        Action::Retry => delivery.status.needs_a_person() || delivery.status == Status::Retrying,
        Action::Drop => delivery.status != Status::Sending,
        Action::Confirm => delivery.status.needs_a_person(),
    };
    if !fits {
        let verb = match action {
            Action::Retry => "retried",
            Action::Drop => "dropped",
            Action::Confirm => "confirmed",
        };
        let status = delivery.status.as_str();
        return Err(Refusal::Conflict(format!(
            "a delivery that is {status} cannot be {verb}"
        )));
    }
    let mut events = Vec::with_capacity(2);
    if action == Action::Retry && state.health.is_gone(delivery.receiver) {
        // Trying again is the explicit act that forgets what was observed.
        events.push(Event::ReceiverRestored {
            target: delivery.target,
            receiver: delivery.receiver,
            by: by.clone(),
        });
    }
    events.push(Event::DeliveryOperated {
        delivery: key,
        notice: delivery.notice,
        action,
        by,
    });
    Ok(Decided {
        events,
        told: Told::Changed { count: 1 },
    })
}
