//! Deciding what comes in: accept, refuse as a redelivery, keep as unreadable, send again.

use super::super::command::{Accept, Context, Notify, Refusal, Told};
use super::super::event::{Accepted, Answer, DeliveryKey, Event, Outcome, Remember, RequestKeys};
use super::super::gathering::Gathering;
use super::super::notice::{Notice, NoticeDraft, Transition, cut};
use super::super::reason::{Routed, What};
use super::super::routing::{Arriving, Router, not_to};
use super::super::spec::ProviderSpec;
use super::super::state::{State, row_facts, subject_hash, word_hash};
use super::{Decided, day, seed};
use crate::projections::configuration::{Entity, Target};
use crate::projections::subjects::Subjects;

/// Most notices one request may give; a request with more is refused as a whole.
pub const NOTICES_PER_REQUEST_MAX: usize = 1_000;
pub use crate::targets::HOPS_MAX;

/// Longest reason why a request could not be read, in bytes.
const WHY_BYTES_MAX: usize = 1_024;

/// The provider under which one-off messages are recorded.
pub const ONE_OFF: &str = "api";

pub fn accept(state: &State, accept: Accept, context: &Context) -> Result<Decided, Refusal> {
    let provider = enabled_provider(state, accept.provider)?;
    if let Some((first, count)) = state.seen.find(accept.provider, accept.keys) {
        return Ok(Decided {
            events: Vec::new(),
            told: Told::Duplicate { first, count },
        });
    }
    let Accept {
        notices,
        keys,
        hops,
        ..
    } = accept;
    take_in(state, provider, notices, keys, hops, context)
}

/// Accepts and routes notices of one provider.
pub(super) fn take_in(
    state: &State,
    provider: &Entity<ProviderSpec>,
    notices: Vec<NoticeDraft>,
    keys: RequestKeys,
    hops: u8,
    context: &Context,
) -> Result<Decided, Refusal> {
    if notices.len() > NOTICES_PER_REQUEST_MAX {
        return Err(Refusal::Invalid {
            field: "body".into(),
            message: format!(
                "gives {} notices; at most {NOTICES_PER_REQUEST_MAX} are taken at once",
                notices.len()
            ),
        });
    }
    let router = router(state, context);
    let mut gathering = Gathering::of(&state.outbox, notices.len());
    let seed = seed(state, context);
    let day = day(state, context);
    let of = notices.len() as u16;
    let mut events = Vec::with_capacity(notices.len());
    // What is open after the notices so far, once one of several has changed that.
    let mut subjects: Option<Subjects> = None;
    for (nth, draft) in notices.into_iter().enumerate() {
        let position = context.first_position + nth as u64;
        let mut notice = Notice {
            id: seed.id(position, 0).to_string(),
            position,
            received_at: context.now,
            provider: provider.spec.name.clone(),
            provider_kind: provider.spec.kind.clone(),
            dispatch_id: String::new(),
            draft: draft.bounded(),
        };
        let subject = subject(provider.id, &notice.draft);
        let about = Arriving {
            planning: position,
            notice: position,
            subject,
            at_once: false,
            not_to: None,
            gathering: &mut gathering,
        };
        let router = Router {
            changed: subjects.as_ref().map(|changed| (provider.id, changed)),
            ..router
        };
        let mut plan = router.route(provider.id, &notice, about);
        if hops >= HOPS_MAX {
            plan.planned.clear();
            plan.links.clear();
            plan.ways.clear();
            plan.routed = vec![Routed {
                what: What::Loop,
                tracker: 0,
                tracker_name: String::new(),
                target_name: String::new(),
                until: None,
                detail: format!(
                    "passed through {} bridges already; {HOPS_MAX} is the limit",
                    hops
                ),
            }];
        }
        if of > 1 && subject != 0 && notice.draft.transition != Transition::None {
            let about = (provider.id, subject);
            subjects
                .get_or_insert_with(|| state.subjects.of_provider(provider.id))
                .take(about, position, &notice.draft, &plan, context.now);
        }
        if hops > 0 {
            notice.draft.labels.insert("hops".into(), hops.to_string());
        }
        events.push(Event::Accepted(Box::new(Accepted {
            seed,
            day,
            provider: provider.id,
            provider_name: notice.provider,
            provider_kind: notice.provider_kind,
            notice: notice.draft,
            nth: nth as u16,
            of,
            keys: if nth == 0 {
                keys
            } else {
                RequestKeys::default()
            },
            plan,
        })));
    }
    events.extend(gathering.emptied().into_iter().map(taken_back));
    Ok(Decided {
        events,
        told: Told::Accepted {
            first: context.first_position,
            count: of,
            seed,
        },
    })
}

pub fn unreadable(
    state: &State,
    provider_id: u32,
    mut why: String,
    keys: RequestKeys,
    context: &Context,
) -> Result<Decided, Refusal> {
    let provider = provider(state, provider_id)?;
    cut(&mut why, WHY_BYTES_MAX);
    if let Some((first, count)) = state.seen.find(provider_id, keys) {
        return Ok(Decided {
            events: Vec::new(),
            told: Told::Duplicate { first, count },
        });
    }
    let seed = seed(state, context);
    Ok(Decided {
        events: vec![Event::IntakeUnreadable {
            seed,
            day: day(state, context),
            provider: provider_id,
            provider_name: provider.spec.name.clone(),
            why,
            keys,
        }],
        told: Told::Accepted {
            first: context.first_position,
            count: 0,
            seed,
        },
    })
}

pub fn notify(state: &State, notify: Notify, context: &Context) -> Result<Decided, Refusal> {
    let configuration = &state.configuration;
    let mut targets: Vec<&Target> = Vec::new();
    for name in &notify.targets {
        let target = configuration
            .target(name)
            .ok_or_else(|| Refusal::NotFound {
                what: "target",
                name: name.clone(),
            })?;
        targets.push(target);
    }
    if let Some(tag) = &notify.tag {
        targets.extend(
            configuration
                .targets
                .values()
                .filter(|target| target.entity.spec.tags.contains(tag)),
        );
        if targets.is_empty() {
            return Err(Refusal::NotFound {
                what: "target with the tag",
                name: tag.clone(),
            });
        }
    }
    if targets.is_empty() {
        return Err(Refusal::Invalid {
            field: "target".into(),
            message: "name a target, or a tag".into(),
        });
    }
    let only = match &notify.receiver {
        Some(name) => Some(receiver_id(&targets, name)?),
        None => None,
    };
    let notice = NoticeDraft {
        actor: Some(notify.by),
        ..notify.notice
    }
    .bounded();
    let mut gathering = Gathering::of(&state.outbox, 1);
    let about = Arriving {
        planning: context.first_position,
        notice: context.first_position,
        subject: subject(0, &notice),
        at_once: notify.at_once,
        not_to: None,
        gathering: &mut gathering,
    };
    let plan = router(state, context).address(targets.into_iter(), &notice, only, about);
    let seed = seed(state, context);
    let event = Accepted {
        seed,
        day: day(state, context),
        provider: 0,
        provider_name: ONE_OFF.into(),
        provider_kind: ONE_OFF.into(),
        notice,
        nth: 0,
        of: 1,
        keys: RequestKeys::default(),
        plan,
    };
    let mut events = vec![Event::Accepted(Box::new(event))];
    events.extend(gathering.emptied().into_iter().map(taken_back));
    Ok(Decided {
        events,
        told: Told::Accepted {
            first: context.first_position,
            count: 1,
            seed,
        },
    })
}

/// The receiver of this name of the one target that has it.
fn receiver_id(targets: &[&Target], name: &str) -> Result<u32, Refusal> {
    let named = |target: &&Target| {
        let mut ids = target.receivers.iter();
        ids.find(|id| target.receiver_name(**id) == Some(name))
            .copied()
    };
    targets
        .iter()
        .find_map(named)
        .ok_or_else(|| Refusal::NotFound {
            what: "receiver",
            name: name.to_owned(),
        })
}

/// Routes a recorded notice over what is configured now, and plans its deliveries anew.
pub fn resend(
    state: &State,
    position: u64,
    accepted: &Accepted,
    by: String,
    context: &Context,
) -> Result<Decided, Refusal> {
    let kind = word_hash(&accepted.notice.kind);
    if (state.retention.horizons).is_forgotten(accepted.provider, kind, position) {
        return Err(Refusal::Conflict(
            "the notice is older than what is kept, so it cannot be sent again; see retention in the settings".into(),
        ));
    }
    let seed = seed(state, context);
    let notice = Notice {
        id: accepted.seed.id(position, 0).to_string(),
        position,
        received_at: context.now,
        provider: accepted.provider_name.clone(),
        provider_kind: accepted.provider_kind.clone(),
        dispatch_id: String::new(),
        draft: accepted.notice.clone(),
    };
    let mut gathering = Gathering::of(&state.outbox, 1);
    // A person waits for it.
    let about = Arriving {
        planning: context.first_position,
        notice: position,
        subject: subject(accepted.provider, &accepted.notice),
        at_once: true,
        not_to: not_to(
            &state.configuration,
            accepted.provider,
            &accepted.notice.subject.key,
        ),
        gathering: &mut gathering,
    };
    let router = router(state, context);
    let plan = if accepted.provider == 0 {
        let names = accepted
            .plan
            .links
            .iter()
            .map(|link| link.target_name.as_str());
        let targets = names.filter_map(|name| state.configuration.target(name));
        router.address(targets, &accepted.notice, None, about)
    } else {
        router.route(accepted.provider, &notice, about)
    };
    let count = plan.planned.len() as u32;
    Ok(Decided {
        events: vec![Event::Resent {
            seed,
            notice: position,
            day: day(state, context),
            provider: accepted.provider,
            row: row_facts(accepted.provider, &accepted.notice),
            subject: subject_hash(accepted.provider, &accepted.notice.subject.key, position),
            plan,
            why: What::Resent,
            by,
        }],
        told: Told::Changed { count },
    })
}

pub(super) fn router<'a>(state: &'a State, context: &Context) -> Router<'a> {
    Router::of(state, context.now)
}

/// By what a notice's subject is known; 0 when it has none.
pub(super) fn subject(provider: u32, notice: &NoticeDraft) -> u64 {
    match notice.subject.key.as_str() {
        "" => 0,
        key => subject_hash(provider, key, 0),
    }
}

/// The end of a held delivery of which nothing is left to tell.
pub(super) fn taken_back((delivery, notice): (DeliveryKey, u64)) -> Event {
    Event::DeliverySettled {
        delivery,
        notice,
        part: 0,
        outcome: Outcome::Dropped,
        why: What::CancelledOut,
        detail: "what it would have said is not so any more".into(),
        ids: Vec::new(),
        answer: Answer::default(),
        pause_until: None,
        remember: Remember::No,
    }
}

/// A provider that takes part.
pub(super) fn enabled_provider(state: &State, id: u32) -> Result<&Entity<ProviderSpec>, Refusal> {
    let provider = provider(state, id)?;
    if provider.spec.enabled {
        Ok(provider)
    } else {
        Err(not_found(&provider.spec.name))
    }
}

fn provider(state: &State, id: u32) -> Result<&Entity<ProviderSpec>, Refusal> {
    state
        .configuration
        .providers
        .get(&id)
        .ok_or_else(|| not_found(&format!("#{id}")))
}

fn not_found(name: &str) -> Refusal {
    Refusal::NotFound {
        what: "provider",
        name: name.to_owned(),
    }
}
