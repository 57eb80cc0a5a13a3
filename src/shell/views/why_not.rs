//! Why a tracker or target did not get a notice, then and now.

use serde_json::{Value, json};

use super::{Look, ViewError, moment, reason};
use crate::domain::event::Plan;
use crate::domain::family::Family;
use crate::domain::gathering::Gathering;
use crate::domain::reason::{Routed, What};
use crate::domain::routing::{Arriving, Router, not_to};
use crate::domain::spec::EntityKind;
use crate::domain::state::State;

/// Whom the question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Tracker(String),
    Target(String),
}

impl Asked {
    fn name(&self) -> &str {
        match self {
            Asked::Tracker(name) | Asked::Target(name) => name,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Asked::Tracker(_) => "tracker",
            Asked::Target(_) => "target",
        }
    }
}

/// What was recorded about the tracker or target, and what routing would say at `now`.
pub fn why_not(
    look: &impl Look,
    family: &Family,
    asked: &Asked,
    now: i64,
) -> Result<Value, ViewError> {
    let known = look.look(|state| {
        let kind = match asked {
            Asked::Tracker(_) => EntityKind::Tracker,
            Asked::Target(_) => EntityKind::Target,
        };
        state.configuration.id(kind, asked.name()).is_some()
    });
    let about = |tracker: &str, target: &str| match asked {
        Asked::Tracker(name) => tracker == name,
        Asked::Target(name) => target == name,
    };
    let reached = family
        .deliveries
        .iter()
        .filter(|view| about(&view.link.tracker_name, &view.link.target_name))
        .count();
    let recorded: Vec<_> = family
        .reasons
        .iter()
        .filter(|reason| about(&reason.tracker, &reason.target))
        .collect();
    if !known && reached == 0 && recorded.is_empty() {
        return Err(ViewError::not_found(asked.word(), asked.name()));
    }
    let (plan, links) = look.look(|state| {
        let router = Router::of(state, now);
        let mut gathering = Gathering::of(&state.outbox, 1);
        let about = Arriving {
            not_to: not_to(
                &state.configuration,
                family.provider,
                &family.notice.draft.subject.key,
            ),
            gathering: &mut gathering,
            planning: state.position + 1,
            notice: family.notice.position,
            subject: 0,
            at_once: false,
        };
        let plan = match family.provider {
            0 => Plan::default(),
            provider => router.route(provider, &family.notice, about),
        };
        (plan, linking_trackers(state, asked))
    });
    let is_about = |routed: &Routed| match asked {
        Asked::Tracker(name) => routed.tracker_name == *name,
        // A tracker that stopped before its links says so without naming a target.
        Asked::Target(name) => {
            routed.target_name == *name
                || (routed.target_name.is_empty() && links.contains(&routed.tracker_name))
        }
    };
    let today: Vec<&Routed> = plan
        .routed
        .iter()
        .filter(|routed| is_about(routed))
        .collect();
    let would_reach = plan
        .links
        .iter()
        .zip(0u16..)
        .filter(|(link, _)| about(&link.tracker_name, &link.target_name))
        .map(|(_, index)| plan.planned.iter().filter(|p| p.link == index).count())
        .sum::<usize>();
    let says = says(family, asked, reached, would_reach, &today, &links);
    Ok(json!({
        "notice": family.notice.id,
        "asked": {asked.word(): asked.name()},
        "deliveries": reached,
        "says": says,
        "recorded": recorded.iter().map(|reason| {
            let mut shape = json!({"at": moment(reason.at), "what": reason.what.as_str()});
            super::add_text(&mut shape, "tracker", &reason.tracker);
            super::add_text(&mut shape, "target", &reason.target);
            super::add(&mut shape, "until", reason.until.map(moment));
            super::add_text(&mut shape, "detail", &reason.detail);
            shape
        }).collect::<Value>(),
        "now": {
            "would_plan": would_reach,
            "reasons": today.iter().map(|routed| reason(now, routed)).collect::<Value>(),
        },
    }))
}

/// Names of the trackers that lead to a target, directly or through a broadcast.
fn linking_trackers(state: &State, asked: &Asked) -> Vec<String> {
    let Asked::Target(name) = asked else {
        return Vec::new();
    };
    let configuration = &state.configuration;
    let leads = |target: &str| {
        target == name
            || configuration
                .target(target)
                .is_some_and(|broadcast| broadcast.entity.spec.targets.contains(name))
    };
    configuration
        .trackers
        .values()
        .filter(|tracker| {
            let mut links = tracker.entity.spec.links.iter();
            links.any(|link| leads(&link.target))
        })
        .map(|tracker| tracker.entity.spec.name.clone())
        .collect()
}

/// The answer in a sentence.
fn says(
    family: &Family,
    asked: &Asked,
    reached: usize,
    would_reach: usize,
    today: &[&Routed],
    links: &[String],
) -> String {
    let (word, name) = (asked.word(), asked.name());
    let decided = today
        .iter()
        .find(|routed| !matches!(routed.what, What::Planned | What::FilterFailed));
    if reached > 0 {
        return format!("the {word} {name} got it: {reached} deliveries were planned over it");
    }
    let provider = &family.notice.provider;
    match (decided, would_reach) {
        (Some(routed), 0) => {
            let detail = match routed.detail.as_str() {
                "" => String::new(),
                detail => format!(" ({detail})"),
            };
            format!(
                "the {word} {name} would not get it now either: {}{detail}",
                routed.what.as_str()
            )
        }
        (Some(_) | None, 1..) => format!(
            "the {word} {name} did not get it then and would get it now: the configuration has changed since; send it again to have it delivered"
        ),
        (None, 0) if family.provider == 0 => {
            "it is a one-off message and went to the targets it named only".to_owned()
        }
        (None, 0) => match asked {
            Asked::Tracker(_) => {
                format!("the tracker {name} does not watch the provider {provider}")
            }
            Asked::Target(_) if links.is_empty() => {
                format!("no tracker links to the target {name}")
            }
            Asked::Target(_) => format!(
                "no tracker that links to the target {name} watches the provider {provider}"
            ),
        },
    }
}
