//! Commands of the dispatcher: claims, and what came of attempts.

use std::time::Duration;

use super::super::command::{
    Attempted, Claim, Command, Composed, FilesTold, Named, Report, Saying,
};
use super::super::decide::{RETRY_AFTER_MAX, retry_at};
use super::super::event::{Answer, DeliveryKey, Event, Outcome, Remember};
use super::super::notice::NoticeDraft;
use super::super::reason::What;
use super::super::state::State;
use super::{Read, Recorded};
use crate::projections::outbox::{Delivery, PROBE_DOUBLINGS_MAX};
use crate::targets::{Part, Scope, Verdict};

/// What is said before the reason when a delivery is given up.
const LAST_SAID: &str = "the last said: ";
/// What is said of a receiver that has another address now, before the address.
const MOVED_TO: &str = "moved to ";
/// Backlog that is looked through for the delivery that was claimed.
const PEERS_MAX: usize = 32;

pub fn commands(
    state: &State,
    recorded: Recorded<'_>,
    read: &mut Read<'_>,
) -> Result<Vec<Command>, &'static str> {
    let events = recorded.events;
    let Some(first) = events.first() else {
        return Err("it has no events");
    };
    match first {
        Event::MessageComposed { .. }
        | Event::GatheredTold { .. }
        | Event::AttemptStarted { .. } => {
            let words = events.iter().find_map(composed);
            let started = events.iter().find_map(|event| match event {
                Event::AttemptStarted {
                    delivery, composed, ..
                } => Some((*delivery, *composed)),
                _other => None,
            });
            let fell_back = events.iter().find_map(|event| match event {
                Event::FallbackUsed {
                    delivery,
                    reason,
                    answer,
                    ..
                } => Some((*delivery, reason.clone(), answer.clone())),
                _other => None,
            });
            match (started, fell_back, words) {
                (Some((key, position)), _, words) => {
                    // Words that were there already are known by their hash alone.
                    let known = || {
                        let notice = state.outbox.notices.get(&key.position)?;
                        let found = notice.composed.iter().find(|(_, at)| *at == position)?;
                        Some(Composed {
                            parts: Vec::new(),
                            hash: found.0,
                            faults: Vec::new(),
                            telling: None,
                        })
                    };
                    let telling = events.iter().find_map(|event| match event {
                        Event::GatheredTold { telling, .. } => Some(telling.clone()),
                        _other => None,
                    });
                    let words = words.or_else(known);
                    let words = words.map(|words| Composed { telling, ..words });
                    claim(state, key, words)
                }
                (None, Some((key, reason, answer)), Some(words)) => {
                    let parts = words.parts;
                    let verdict = Verdict::Fallback { parts, reason };
                    report(state, key, Attempted::Judged(verdict), &answer, 0)
                }
                (None, ..) => Err("it does not say what was composed for"),
            }
        }
        Event::PartSent {
            delivery,
            part,
            ids,
            answer,
            pause_until,
            ..
        } => {
            let verdict = Verdict::Sent {
                ids: ids.clone(),
                pause: pause(*pause_until, recorded),
            };
            let parts = part.saturating_add(2);
            report(state, *delivery, Attempted::Judged(verdict), answer, parts)
        }
        Event::AttemptFailed {
            delivery,
            scope,
            retry_at,
            reason,
            answer,
            ..
        } => {
            let moved = events.iter().find_map(|event| match event {
                Event::ReceiverMoved { to, .. } => Some(to.clone()),
                _other => None,
            });
            if let Some(to) = moved {
                let verdict = Verdict::Moved { to };
                return report(state, *delivery, Attempted::Judged(verdict), answer, 0);
            }
            let unknown = Attempted::Unknown(reason.clone());
            let is_unknown = |event: &Event| matches!(event, Event::OutcomeUnknown { .. });
            if events.iter().any(is_unknown) {
                return report(state, *delivery, unknown, answer, 0);
            }
            let mut ways = Vec::new();
            let told = told(state, *delivery, *scope, *retry_at, recorded);
            for (after, scope) in retries(*scope, told) {
                let retry = Verdict::Retry {
                    after,
                    scope,
                    reason: reason.clone(),
                };
                let retry = Attempted::Judged(retry);
                ways.extend(report(state, *delivery, retry, answer, 0)?);
            }
            ways.extend(report(state, *delivery, unknown, answer, 0)?);
            Ok(ways)
        }
        Event::PartLeftOut {
            delivery,
            part,
            reason,
            answer,
            ..
        } => {
            let reason = reason.clone();
            let verdict = Attempted::Judged(Verdict::LeftOut { reason });
            let was_last = events
                .iter()
                .any(|event| matches!(event, Event::DeliverySettled { .. }));
            let parts = part.saturating_add(if was_last { 1 } else { 2 });
            report(state, *delivery, verdict, answer, parts)
        }
        Event::EditRefused {
            delivery,
            reason,
            answer,
            ..
        } => {
            let refused = Attempted::EditRefused(reason.clone());
            report(state, *delivery, refused, answer, 0)
        }
        Event::DeliverySettled { .. } => settled(state, recorded, read),
        Event::HoldChanged { delivery, .. } => claim_muted(state, *delivery, read),
        Event::DeliveryMerged { host, .. } => claim(state, *host, None),
        _other => Err("nothing that the dispatcher does begins like this"),
    }
}

fn settled(
    state: &State,
    recorded: Recorded<'_>,
    read: &mut Read<'_>,
) -> Result<Vec<Command>, &'static str> {
    let Some(Event::DeliverySettled {
        delivery: key,
        part,
        outcome,
        why,
        detail,
        ids,
        answer,
        pause_until,
        remember,
        ..
    }) = recorded.events.first()
    else {
        return Err("it is not about the end of a delivery");
    };
    let key = *key;
    let mut ways = Vec::new();
    let mut judged = |verdict: Verdict| -> Result<(), &'static str> {
        ways.extend(report(state, key, Attempted::Judged(verdict), answer, 0)?);
        Ok(())
    };
    match outcome {
        Outcome::Sent => {
            let saying = Saying {
                remember: *remember,
                edited: (*why == What::Edited).then(String::new),
                anew: (!detail.is_empty()).then(|| detail.clone()),
                files: FilesTold::default(),
            };
            let verdict = Verdict::Sent {
                ids: ids.clone(),
                pause: pause(*pause_until, recorded),
            };
            let found = open(state, key)?;
            ways.push(reported(
                key,
                found,
                Attempted::Judged(verdict),
                answer,
                part.saturating_add(1),
                saying,
            ));
        }
        Outcome::Parked => {
            let is_gone = |event: &Event| matches!(event, Event::ReceiverGone { .. });
            let reason = detail.clone();
            if recorded.events.iter().any(is_gone) {
                judged(Verdict::Gone { reason })?;
            } else {
                match why {
                    What::Unsendable => {
                        let unsendable = Attempted::Unsendable(reason);
                        ways.extend(report(state, key, unsendable, answer, 0)?);
                    }
                    What::TriesUsedUp | What::TooOld => {
                        let reason = detail.split_once(LAST_SAID).map_or("", |(_, said)| said);
                        if let Some(to) = reason.strip_prefix(MOVED_TO) {
                            judged(Verdict::Moved { to: to.to_owned() })?;
                        }
                        // The longest that a service may ask for makes anything too old that can be.
                        for (after, scope) in retries(Scope::Message, Some(RETRY_AFTER_MAX)) {
                            let reason = reason.to_owned();
                            judged(Verdict::Retry {
                                after,
                                scope,
                                reason,
                            })?;
                        }
                    }
                    _judged => judged(Verdict::Rejected { reason })?,
                }
            }
            ways.extend(claim(state, key, None)?);
        }
        Outcome::Dropped => {
            ways.extend(claim_muted(state, key, read)?);
            // Dropped for a newer one: any of those that wait with it was claimed.
            let found = open(state, key)?;
            let lane = state.outbox.lanes.get(&found.receiver);
            for peer in lane
                .into_iter()
                .flat_map(|lane| lane.keys())
                .take(PEERS_MAX)
            {
                let other = state.outbox.deliveries.get(&peer);
                if other.is_some_and(|other| other.via == found.via && peer != key) {
                    ways.extend(claim(state, peer, None)?);
                }
            }
        }
    }
    Ok(ways)
}

fn composed(event: &Event) -> Option<Composed> {
    match event {
        Event::MessageComposed {
            parts,
            hash,
            faults,
            ..
        } => Some(Composed {
            parts: parts.clone(),
            hash: *hash,
            faults: faults.clone(),
            telling: None,
        }),
        _other => None,
    }
}

fn open(state: &State, key: DeliveryKey) -> Result<&Delivery, &'static str> {
    let delivery = state.outbox.deliveries.get(&key);
    delivery.ok_or("its delivery is not open there")
}

fn claim(
    state: &State,
    key: DeliveryKey,
    composed: Option<Composed>,
) -> Result<Vec<Command>, &'static str> {
    let delivery = open(state, key)?;
    // A claim that was put off had words as well, and they were not kept.
    let composed = composed.unwrap_or_else(|| Composed {
        parts: Vec::<Part>::new(),
        hash: 0,
        faults: Vec::new(),
        telling: None,
    });
    Ok(vec![Command::Claim(Box::new(Claim {
        delivery: key,
        revision: delivery.revision,
        config_revision: state.configuration.revision,
        composed: delivery.composed.is_none().then_some(composed),
        about: Vec::new(),
    }))])
}

/// A claim, by whose notices a mute may have been found, or without a look at them.
fn claim_muted(
    state: &State,
    key: DeliveryKey,
    read: &mut Read<'_>,
) -> Result<Vec<Command>, &'static str> {
    let delivery = open(state, key)?;
    let gathered = delivery.gathered.as_deref();
    let members = gathered.map_or(&[][..], |gathered| gathered.members());
    let positions: Vec<u64> = match members {
        [] => vec![delivery.notice],
        members => members.iter().map(|member| member.notice).collect(),
    };
    let mut ways = claim(state, key, None)?;
    let mut looked = claim(state, key, None)?;
    for command in &mut looked {
        if let Command::Claim(claim) = command {
            let named = positions.iter().filter_map(|position| {
                let accepted = read(*position)?;
                Some(Named {
                    notice: *position,
                    provider: accepted.provider,
                    about: NoticeDraft {
                        collection: accepted.notice.collection,
                        subject: accepted.notice.subject,
                        ..NoticeDraft::default()
                    },
                })
            });
            claim.about = named.collect();
        }
    }
    ways.append(&mut looked);
    Ok(ways)
}

/// A report about the attempt that is under way. `parts` 0: it does not matter how many there are.
fn report(
    state: &State,
    key: DeliveryKey,
    result: Attempted,
    answer: &Answer,
    parts: u16,
) -> Result<Vec<Command>, &'static str> {
    let delivery = open(state, key)?;
    let saying = Saying {
        remember: Remember::No,
        edited: None,
        anew: None,
        files: FilesTold::default(),
    };
    Ok(vec![reported(key, delivery, result, answer, parts, saying)])
}

fn reported(
    key: DeliveryKey,
    delivery: &Delivery,
    result: Attempted,
    answer: &Answer,
    parts: u16,
    saying: Saying,
) -> Command {
    Command::Report(Box::new(Report {
        delivery: key,
        attempt: delivery.attempts,
        part: delivery.part,
        parts,
        result,
        answer: answer.clone(),
        saying,
    }))
}

pub(super) fn pause(until: Option<i64>, recorded: Recorded<'_>) -> Option<Duration> {
    let micros = until?.saturating_sub(recorded.at.recorded_at);
    u64::try_from(micros).ok().map(Duration::from_micros)
}

/// What a service may have said for an attempt to fail in this scope.
fn retries(scope: Scope, told: Option<Duration>) -> Vec<(Option<Duration>, Scope)> {
    let mut all = Vec::new();
    if told.is_some() {
        all.push((told, scope));
    }
    all.extend([Scope::Message, Scope::Receiver, Scope::Target].map(|scope| (None, scope)));
    all
}

/// The wait that a service asked for, when it led to this moment: services give it in whole
/// milliseconds at most.
fn told(
    state: &State,
    key: DeliveryKey,
    scope: Scope,
    until: i64,
    recorded: Recorded<'_>,
) -> Option<Duration> {
    let delivery = state.outbox.deliveries.get(&key)?;
    let rounds = state
        .outbox
        .rounds(delivery.target)
        .min(PROBE_DOUBLINGS_MAX);
    let failures = match scope {
        Scope::Message => delivery.failures,
        Scope::Receiver | Scope::Target => rounds,
    };
    let salt = state.founding.map_or([0; 32], |founding| founding.salt);
    let now = recorded.at.recorded_at;
    let leads_to = |millis: u64| {
        let told = Some(Duration::from_millis(millis));
        retry_at(now, failures, told, &salt, key)
    };
    let (mut least, mut most) = (0, u64::try_from(RETRY_AFTER_MAX.as_millis()).unwrap_or(0));
    while least < most {
        let middle = least + (most - least) / 2;
        if leads_to(middle) < until {
            least = middle + 1;
        } else {
            most = middle;
        }
    }
    (leads_to(least) == until).then(|| Duration::from_millis(least))
}
