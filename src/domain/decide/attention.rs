//! Deciding what people say about being told: that they know, and that they want quiet; and telling
//! groups again.

use super::super::command::{Context, Mute, Refusal, Repeat, Told};
use super::super::event::{Event, Outcome, Plan};
use super::super::family::notice_of;
use super::super::gathering::Gathering;
use super::super::hold::Way;
use super::super::reason::What;
use super::super::routing::{Arriving, NotAgain, Router, not_to};
use super::super::spec::BRIDGE_PROVIDER;
use super::super::state::{State, row_facts, subject_hash};
use super::delivery::settle;
use super::{Decided, day, seed};
use crate::config::quantity::rate_text;
use crate::projections::outbox::Status;
use crate::projections::snoozes::{
    SNOOZE_MAX_MICROS, SNOOZED_NAME_BYTES_MAX, SNOOZES_MAX, Scope, Snooze,
};

/// Groups told again by one command; the rest follow with the next.
pub const REPEATS_PER_COMMAND_MAX: usize = 64;

/// A person knows of what a notice is about.
pub fn acknowledge(
    state: &State,
    notice: u64,
    provider: u32,
    subject: u64,
    by: String,
) -> Result<Decided, Refusal> {
    let open = state.subjects.get(provider, subject).ok_or_else(|| {
        Refusal::Conflict(
            "nothing that it is about is open, so there is nothing to acknowledge".into(),
        )
    })?;
    if open.acknowledged {
        return Ok(changed(Vec::new(), 0));
    }
    let mut events = vec![Event::Acknowledged {
        notice,
        provider,
        subject,
        by,
    }];
    // Repeats that are on their way for nothing else any more.
    let silent = |slot: &u64| state.groups.told_of(*slot).all(|(told, _)| told == subject);
    let slots: Vec<u64> = state.groups.holding(subject).filter(silent).collect();
    for (key, delivery) in &state.outbox.deliveries {
        let is_repeat = slots.contains(&delivery.group) && delivery.notice != key.position;
        if is_repeat && (delivery.status.waits() || delivery.status == Status::Held) {
            events.push(settle(
                *key,
                delivery,
                Outcome::Dropped,
                What::Acknowledged,
                "somebody knows of it".into(),
            ));
        }
    }
    Ok(changed(events, 1))
}

/// A person wants quiet about something for a time.
pub fn snooze(state: &State, mute: Mute, context: &Context) -> Result<Decided, Refusal> {
    let Mute {
        scope,
        name,
        provider,
        until,
        by,
    } = mute;
    let now = context.now;
    let invalid = |field: &str, message: String| Refusal::Invalid {
        field: field.into(),
        message,
    };
    if until <= now {
        return Err(invalid("until", "is in the past".into()));
    }
    if until.saturating_sub(now) > SNOOZE_MAX_MICROS {
        return Err(invalid("until", "is more than 366 days ahead".into()));
    }
    if name.is_empty() || name.len() > SNOOZED_NAME_BYTES_MAX {
        let message = format!("has to have 1 to {SNOOZED_NAME_BYTES_MAX} bytes");
        return Err(invalid(scope.as_str(), message));
    }
    let configuration = &state.configuration;
    let entity = match (scope, &provider) {
        (Scope::Tracker, _) => configuration.tracker(&name).map(|found| found.entity.id),
        (Scope::Target, _) => configuration.target(&name).map(|found| found.entity.id),
        (Scope::Collection | Scope::Subject, None) => Some(0),
        (Scope::Collection | Scope::Subject, Some(provider)) => {
            let bridge = (provider == super::super::spec::BRIDGE).then_some(BRIDGE_PROVIDER);
            let id = configuration.provider(provider).map(|found| found.id);
            Some(id.or(bridge).ok_or_else(|| Refusal::NotFound {
                what: "provider",
                name: provider.clone(),
            })?)
        }
    };
    let Some(entity) = entity else {
        let what = scope.as_str();
        return Err(Refusal::NotFound { what, name });
    };
    // The same thing again says until when anew.
    let same = state.snoozes.same(scope, entity, &name, now);
    if same.is_none() && state.snoozes.on(now).count() >= SNOOZES_MAX {
        return Err(Refusal::Conflict(format!(
            "there are {SNOOZES_MAX} snoozes already; end one first"
        )));
    }
    let id = same.map_or_else(|| state.snoozes.next_id(), |known| known.id);
    let snooze = Snooze {
        id,
        scope,
        entity,
        name,
        since: same.map_or(now, |known| known.since),
        until,
        by,
    };
    Ok(Decided {
        events: vec![Event::Snoozed(Box::new(snooze))],
        told: Told::Snoozed { id },
    })
}

pub fn end_snooze(
    state: &State,
    id: u32,
    by: String,
    context: &Context,
) -> Result<Decided, Refusal> {
    state
        .snoozes
        .get(id, context.now)
        .ok_or_else(|| Refusal::NotFound {
            what: "snooze",
            name: id.to_string(),
        })?;
    Ok(Decided::done(Event::SnoozeEnded { id, by }))
}

/// Tells groups again of what is still open and nobody has acknowledged.
pub fn repeat(state: &State, due: Vec<Repeat>, context: &Context) -> Decided {
    let mut events = Vec::with_capacity(due.len());
    let mut gathering = Gathering::of(&state.outbox, due.len());
    let router = Router::of(state, context.now);
    let seed = seed(state, context);
    for Repeat {
        slot,
        notice: position,
        accepted,
    } in due.into_iter().take(REPEATS_PER_COMMAND_MAX)
    {
        let Some(group) = state.groups.get(slot).filter(|_| {
            // Somebody else may have told it meanwhile.
            state.groups.is_due(slot, context.now)
        }) else {
            continue;
        };
        let put_off = |again, why, detail| Event::RepeatPutOff {
            slot,
            notice: position,
            again,
            why,
            detail,
        };
        let Some(accepted) = accepted else {
            let detail = "the notice that told it is not kept any more".to_owned();
            events.push(put_off(false, What::Expired, detail));
            continue;
        };
        let subject = subject_hash(accepted.provider, &accepted.notice.subject.key, position);
        let open = state.subjects.get(accepted.provider, subject);
        if open.is_none_or(|open| open.acknowledged) {
            events.push(put_off(
                false,
                What::Expired,
                "nothing of it is open any more".to_owned(),
            ));
            continue;
        }
        let planning = context.first_position + events.len() as u64;
        let about = Arriving {
            gathering: &mut gathering,
            planning,
            notice: position,
            subject,
            at_once: false,
            not_to: not_to(
                &state.configuration,
                accepted.provider,
                &accepted.notice.subject.key,
            ),
        };
        let notice = notice_of(position, context.now, &[0; 16], &accepted);
        match router.repeat(slot, &group.of, &notice, about) {
            // What is not sent at all is no repeat: it is put off, or it would be due again at once.
            Ok(plan) => match dropped(&plan) {
                Some((why, detail)) => events.push(put_off(true, why, detail)),
                None => {
                    let taken_back = plan
                        .ways
                        .iter()
                        .any(|planning| matches!(planning.way, Way::Cancelled { .. }));
                    events.push(Event::Resent {
                        seed,
                        notice: position,
                        day: day(state, context),
                        provider: accepted.provider,
                        row: row_facts(accepted.provider, &accepted.notice),
                        subject,
                        plan,
                        why: What::Repeated,
                        by: String::new(),
                    });
                    if taken_back {
                        events.push(put_off(true, What::CancelledOut, String::new()));
                    }
                }
            },
            Err(NotAgain::Never { what, detail }) => events.push(put_off(false, what, detail)),
            Err(NotAgain::Later(muted)) => {
                events.push(put_off(true, muted.what, muted.detail));
            }
        }
    }
    events.extend(
        gathering
            .emptied()
            .into_iter()
            .map(super::intake::taken_back),
    );
    let count = events.len() as u32;
    changed(events, count)
}

/// Why nothing of a plan is sent, when that is so.
fn dropped(plan: &Plan) -> Option<(What, String)> {
    plan.ways.iter().find_map(|planning| match planning.way {
        Way::Dropped { why } => Some((why, planning.detail.clone())),
        Way::Now { .. } | Way::Held { .. } | Way::Merged { .. } | Way::Cancelled { .. } => None,
    })
}

/// A receiver of which a storm was taken to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StormBegun {
    pub target: String,
    pub receiver: String,
    /// As it is configured: `20/5m`.
    pub limit: String,
}

/// The storms that begin with these events, decided against this state: the bridge says so of each.
/// One that goes on, into whose summary more is merged, has begun before.
pub fn storms_begun(state: &State, events: &[Event]) -> Vec<StormBegun> {
    let mut begun = Vec::new();
    for event in events {
        let plan = match event {
            Event::Accepted(accepted) => &accepted.plan,
            Event::Resent { plan, .. } => plan,
            Event::HoldChanged {
                delivery,
                hold: Some(hold),
                ..
            } if hold.why == What::StormSummarised => {
                let held = state.outbox.deliveries.get(delivery);
                begun.extend(held.and_then(|held| storm_of(state, held.target, held.receiver)));
                continue;
            }
            _without_storms => continue,
        };
        for planning in &plan.ways {
            let Way::Held { hold, .. } = planning.way else {
                continue;
            };
            let planned = plan.planned.get(usize::from(planning.index));
            let storm = planned
                .filter(|_| hold.why == What::StormSummarised)
                .and_then(|planned| {
                    let link = plan.links.get(usize::from(planned.link))?;
                    storm_of(state, link.target, planned.receiver)
                });
            begun.extend(storm);
        }
    }
    begun
}

fn storm_of(state: &State, target: u32, receiver: u32) -> Option<StormBegun> {
    let target = state.configuration.targets.get(&target)?;
    let spec = target.receiver_spec(receiver)??;
    Some(StormBegun {
        target: target.entity.spec.name.clone(),
        receiver: spec.name.clone(),
        limit: rate_text(spec.storm),
    })
}

fn changed(events: Vec<Event>, count: u32) -> Decided {
    Decided {
        events,
        told: Told::Changed { count },
    }
}
