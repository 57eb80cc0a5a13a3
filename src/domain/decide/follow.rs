//! What follows from what was decided, in the same command: a delivery that is given up goes to its
//! link's fallback, and the bridge says what is the matter with it.

use std::collections::BTreeSet;

use super::super::command::Context;
use super::super::deferral::{Route, link_to, via};
use super::super::event::{DeliveryKey, Event, Outcome, Plan, PlannedLink};
use super::super::gathering::Gathering;
use super::super::hold::Way;
use super::super::reason::What;
use super::super::routing::Arriving;
use super::super::spec::BRIDGE_PROVIDER;
use super::super::state::{State, subject_hash};
use super::bridge::Say;
use super::delivery::shortened;
use super::intake::{router, taken_back};
use super::{Decided, day, seed};
use crate::projections::listening::Voice;
use crate::projections::outbox::Delivery;

/// Silences, and late deliveries, looked at by one command; the rest follow with the next.
pub const OVERDUE_PER_COMMAND_MAX: usize = 256;

/// Events in the making after those that were decided.
pub struct Following<'a> {
    pub(super) state: &'a State,
    pub(super) context: &'a Context,
    pub(super) gathering: Gathering<'a>,
    /// What follows.
    pub(super) events: Vec<Event>,
    /// What this command has said of itself.
    pub(super) said: BTreeSet<(&'static str, String)>,
    handed_on: BTreeSet<DeliveryKey>,
    first_position: u64,
}

/// Adds what follows from a command's events.
pub fn follow(state: &State, events: &mut Vec<Event>, context: &Context) {
    let mut following = Following::after(state, context, events);
    for (event, position) in events.iter().zip(context.first_position..) {
        match event {
            // What the bridge says was followed up where it was said.
            Event::Accepted(accepted) if accepted.provider != BRIDGE_PROVIDER => {
                let awaited = following.fallbacks_awaited(position, position, &accepted.plan);
                following.events.extend(awaited);
                following.heard(accepted);
            }
            Event::Resent {
                notice, plan, why, ..
            } if *why != What::FellBack => {
                let awaited = following.fallbacks_awaited(position, *notice, plan);
                following.events.extend(awaited);
            }
            Event::DeliverySettled {
                delivery,
                outcome: Outcome::Parked,
                why,
                ..
            } => {
                following.hand_on(*delivery, why.as_str());
            }
            Event::DeliverySettled {
                delivery,
                outcome: Outcome::Sent,
                ..
            }
            | Event::PartSent { delivery, .. } => following.got_through(*delivery),
            Event::AttemptFailed {
                delivery,
                scope,
                reason,
                ..
            } => following.failed(*delivery, *scope, reason),
            Event::ReceiverGone {
                target,
                receiver,
                reason,
            } => following.gone(*target, *receiver, reason),
            Event::FellSilent { kind, id, since } => following.silent(*kind, *id, *since),
            _nothing_follows => {}
        }
    }
    for storm in super::storms_begun(state, events) {
        following.say(super::storm(&storm.target, &storm.receiver, &storm.limit));
    }
    let more = following.done(events);
    events.extend(more);
}

/// Something that is noticed outside of what is decided here.
pub fn tell(state: &State, say: Say, context: &Context) -> Decided {
    let mut following = Following::after(state, context, &[]);
    following.say(say);
    Decided::changed(following.done(&[]))
}

/// What time has made so: senders that have been silent for too long, deliveries that are late.
pub fn overdue(state: &State, context: &Context) -> Decided {
    let now = context.now;
    let mut following = Following::after(state, context, &[]);
    let late = state.outbox.overdue.iter().take_while(|(at, _)| *at <= now);
    for (_, key) in late.take(OVERDUE_PER_COMMAND_MAX) {
        let Some(delivery) = state.outbox.deliveries.get(key) else {
            continue;
        };
        let span = super::super::policy::Span::of_seconds(delivery.fallback_after);
        if !following.hand_on(*key, &format!("not there after {span}")) {
            following.events.push(Event::FallbackAwaited {
                notice: delivery.notice,
                planning: key.position,
                waits: vec![(key.ordinal, 0)],
            });
        }
    }
    for voice in state.listening.due(now).take(OVERDUE_PER_COMMAND_MAX) {
        let since = state
            .listening
            .get(voice)
            .map_or(now, |expected| expected.since);
        let (kind, id) = match voice {
            Voice::Provider(id) => (super::super::spec::EntityKind::Provider, id),
            Voice::Tracker(id) => (super::super::spec::EntityKind::Tracker, id),
        };
        following.events.push(Event::FellSilent { kind, id, since });
    }
    Decided::changed(following.done(&[]))
}

impl<'a> Following<'a> {
    fn after(state: &'a State, context: &'a Context, events: &[Event]) -> Self {
        let mut gathering = Gathering::of(&state.outbox, usize::MAX);
        for event in events {
            // Nothing goes into what this command has ended.
            if let Event::DeliverySettled { delivery, .. } = event {
                gathering.empty(*delivery);
            }
        }
        Following {
            state,
            context,
            gathering,
            events: Vec::new(),
            said: BTreeSet::new(),
            handed_on: BTreeSet::new(),
            first_position: context.first_position + events.len() as u64,
        }
    }

    /// Where the next event will stand.
    pub(super) fn position(&self) -> u64 {
        self.first_position + self.events.len() as u64
    }

    fn done(self, given: &[Event]) -> Vec<Event> {
        let ended: BTreeSet<DeliveryKey> = given
            .iter()
            .filter_map(|event| match event {
                Event::DeliverySettled { delivery, .. } => Some(*delivery),
                _other => None,
            })
            .collect();
        let mut events = self.events;
        let emptied = self.gathering.emptied().into_iter();
        events.extend(
            emptied
                .filter(|(key, _)| !ended.contains(key))
                .map(taken_back),
        );
        events
    }

    /// For which of what was planned somebody else is told when it is late.
    pub(super) fn fallbacks_awaited(
        &self,
        planning: u64,
        notice: u64,
        plan: &Plan,
    ) -> Option<Event> {
        let configuration = &self.state.configuration;
        // Most links have none, and nothing is asked of them.
        let may_wait = |planned: &PlannedLink| {
            let tracker = configuration.trackers.get(&planned.tracker);
            let mut links = tracker
                .iter()
                .flat_map(|tracker| &tracker.entity.spec.links);
            links.any(|link| link.fallback_after.is_some())
        };
        if !plan.links.iter().any(may_wait) {
            return None;
        }
        let mut vias = Vec::new();
        let seconds: Vec<u32> = plan
            .links
            .iter()
            .map(|planned| {
                let named = via(planned.tracker, planned.target, &planned.link_name);
                let nth = vias.iter().filter(|other| **other == named).count();
                vias.push(named);
                let nth = u16::try_from(nth).unwrap_or(u16::MAX);
                let link = link_to(configuration, planned.tracker, planned.target, named, nth)?;
                let after = link.fallback.as_ref().and(link.fallback_after)?;
                (!planned.local).then_some(after.seconds())
            })
            .map(Option::unwrap_or_default)
            .collect();
        if seconds.iter().all(|seconds| *seconds == 0) {
            return None;
        }
        let mut ways = plan.ways.iter().peekable();
        let waits: Vec<(u16, u32)> = plan
            .planned
            .iter()
            .zip(0u16..)
            .filter_map(|(planned, index)| {
                let way = ways.next_if(|way| way.index == index).map(|way| way.way);
                let goes = match way {
                    None | Some(Way::Now { .. } | Way::Held { .. }) => true,
                    Some(Way::Merged { .. } | Way::Cancelled { .. } | Way::Dropped { .. }) => false,
                };
                let seconds = *seconds.get(usize::from(planned.link))?;
                (goes && seconds != 0).then_some((index + 1, seconds))
            })
            .collect();
        (!waits.is_empty()).then_some(Event::FallbackAwaited {
            notice,
            planning,
            waits,
        })
    }

    /// Plans the notice of a delivery for its link's fallback, once. Says whether there is one.
    fn hand_on(&mut self, key: DeliveryKey, why: &str) -> bool {
        let (state, context) = (self.state, self.context);
        let Some(delivery) = state.outbox.deliveries.get(&key) else {
            return false;
        };
        let Some(open) = state.outbox.notices.get(&key.position) else {
            return false;
        };
        let route = Route::of(state, delivery);
        let Some(fallback) = route.and_then(|route| route.link.fallback.as_deref()) else {
            return false;
        };
        if delivery.fell_back || !self.handed_on.insert(key) {
            return false;
        }
        let (position, row) = (self.position(), open.row.facts);
        let about = Arriving {
            planning: position,
            notice: delivery.notice,
            subject: 0,
            at_once: false,
            not_to: about_target(state, row.provider, delivery),
            gathering: &mut self.gathering,
        };
        let plan = router(state, context).fall_back(fallback, row, about);
        self.events.push(Event::Resent {
            seed: seed(state, context),
            notice: delivery.notice,
            day: day(state, context),
            provider: row.provider,
            row,
            subject: delivery.subject,
            plan,
            why: What::FellBack,
            by: String::new(),
        });
        self.events.push(Event::HandedOn {
            delivery: key,
            notice: delivery.notice,
            planning: position,
            detail: shortened(format!("to {fallback}: {why}")),
        });
        true
    }
}

/// The target that a notice of the bridge is about, when its subject is all that is known of it.
fn about_target(state: &State, provider: u32, delivery: &Delivery) -> Option<u32> {
    if provider != BRIDGE_PROVIDER {
        return None;
    }
    let is_about = |key: String| subject_hash(BRIDGE_PROVIDER, &key, 0) == delivery.subject;
    let targets = &state.configuration.targets;
    let found = targets.values().find(|target| {
        let name = &target.entity.spec.name;
        let mut names = target
            .receivers
            .iter()
            .filter_map(|id| target.receiver_name(*id));
        is_about(format!("target:{name}"))
            || names.any(|receiver| is_about(format!("receiver:{name}/{receiver}")))
    });
    found.map(|target| target.entity.id)
}
