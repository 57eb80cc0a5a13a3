//! What the bridge says of itself: notices of the provider `bridge`, decided where it happens.
//!
//! A fault opens its subject (`target:ops`) and is said once while that is open, and no more than once
//! an hour; what is still so then is said again when it is next noticed. Its end closes the subject
//! and is said when the fault was.
//!
//! **Invariant:** nothing is said while no tracker watches the bridge, and nothing goes to the target it
//! is about ([`crate::domain::routing::not_to`]). A notice about what failed to be told is as any other:
//! each target is complained about once, so that it ends.

use std::collections::BTreeMap;

use super::super::event::{Accepted, DeliveryKey, Event, RequestKeys};
use super::super::notice::{Collection, Notice, NoticeDraft, Severity, Subject, Transition};
use super::super::routing::{Arriving, not_to};
use super::super::spec::{BRIDGE, BRIDGE_PROVIDER, EntityKind};
use super::super::state::subject_hash;
use super::follow::Following;
use super::intake::router;
use super::{day, seed};
use crate::projections::listening::Voice;
use crate::projections::outbox::BREAKER_FAILURES;
use crate::projections::told::About;
use crate::providers::bridge::NOTICE_KINDS;
use crate::targets::Scope;

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// One of [`NOTICE_KINDS`].
    pub kind: &'static str,
    /// The subject: `target:ops`, `receiver:ops/team`, `disk`.
    pub about: String,
    /// Its name for people, by which trackers may choose.
    pub name: String,
    pub transition: Transition,
    pub title: String,
    pub text: String,
    pub labels: BTreeMap<String, String>,
}

impl Say {
    fn new(kind: &'static str, about: String, name: &str, title: String, text: String) -> Self {
        Say {
            kind,
            about,
            name: name.to_owned(),
            transition: Transition::Opens,
            title,
            text,
            labels: BTreeMap::new(),
        }
    }

    fn closing(self) -> Self {
        Say {
            transition: Transition::Closes,
            ..self
        }
    }

    fn label(mut self, name: &str, value: impl Into<String>) -> Self {
        self.labels.insert(name.to_owned(), value.into());
        self
    }

    /// That of the table; the end of what was wrong is good news, whatever it was.
    fn severity(&self) -> Severity {
        let known = NOTICE_KINDS.iter().find(|known| known.name == self.kind);
        match self.transition {
            Transition::Closes => Severity::Success,
            Transition::Opens | Transition::Updates | Transition::None => {
                known.map_or(Severity::Warning, |known| known.severity)
            }
        }
    }
}

/// A provider that is asked, rather than asking, cannot be reached.
pub fn provider_unreachable(name: &str, why: &str) -> Say {
    let title = format!("Provider {name} cannot be reached");
    let text = format!("{why}\nNothing of it is heard until it can be reached again.");
    Say::new(
        "bridge_provider_unreachable",
        format!("provider:{name}"),
        name,
        title,
        text,
    )
    .label("provider", name)
}

/// A provider that could not be reached can be reached again.
pub fn provider_reachable(name: &str) -> Say {
    let title = format!("Provider {name} can be reached again");
    Say::new(
        "bridge_provider_reachable",
        format!("provider:{name}"),
        name,
        title,
        String::new(),
    )
    .label("provider", name)
    .closing()
}

/// A receiver is spared what exceeds its `storm`.
pub fn storm(target: &str, receiver: &str, limit: &str) -> Say {
    let title = format!("Too much for {target}/{receiver}");
    let text = format!(
        "More than {limit} were to be sent there. What exceeds that is gathered into one message."
    );
    let say = Say::new(
        "bridge_storm",
        format!("storm:{target}/{receiver}"),
        target,
        title,
        text,
    );
    Say {
        transition: Transition::None,
        ..say
    }
    .label("target", target)
    .label("receiver", receiver)
}

pub fn backup_failed(why: &str) -> Say {
    let text = format!("{why}\nThe backups before it are still there.");
    let say = Say::new(
        "bridge_backup_failed",
        "backup".into(),
        "backup",
        "The backup failed".into(),
        text,
    );
    Say {
        transition: Transition::None,
        ..say
    }
}

/// The disk is nearly full, or has room again.
pub fn disk(low: bool, free_bytes: u64) -> Say {
    let free = format!("{} MiB are free.", free_bytes / (1 << 20));
    let (title, text) = if low {
        (
            "The disk is nearly full",
            format!(
                "{free}\nSenders are turned away until there is room; what waits is still sent."
            ),
        )
    } else {
        ("The disk has room again", free)
    };
    let say = Say::new("bridge_disk_low", "disk".into(), "disk", title.into(), text);
    if low { say } else { say.closing() }
}

impl Following<'_> {
    /// Whether somebody listens to the bridge.
    fn is_watched(&self) -> bool {
        let configuration = &self.state.configuration;
        let trackers = configuration.by_provider.get(&BRIDGE_PROVIDER);
        trackers.into_iter().flatten().any(|id| {
            configuration
                .trackers
                .get(id)
                .is_some_and(|tracker| tracker.entity.spec.enabled)
        })
    }

    fn is_open(&self, about: &str) -> bool {
        let subject = subject_hash(BRIDGE_PROVIDER, about, 0);
        self.state.subjects.get(BRIDGE_PROVIDER, subject).is_some()
    }

    /// Says it, unless nobody listens or it was said.
    pub fn say(&mut self, say: Say) {
        let (state, context) = (self.state, self.context);
        if !self.is_watched() || !self.said.insert((say.kind, say.about.clone())) {
            return;
        }
        let news = match say.transition {
            Transition::Opens => !self.is_open(&say.about),
            Transition::Closes => self.is_open(&say.about),
            Transition::Updates | Transition::None => true,
        };
        let lately = About::of(&state.configuration, &say.about)
            .is_some_and(|about| state.told.lately(about, say.kind, context.now));
        // What was said to be wrong is not left standing.
        if !news || (lately && say.transition != Transition::Closes) {
            return;
        }
        let position = self.position();
        let seed = seed(state, context);
        let draft = NoticeDraft {
            kind: say.kind.into(),
            severity: say.severity(),
            collection: Some(Collection {
                id: say.about.clone(),
                name: say.name.clone(),
            }),
            subject: Subject {
                key: say.about,
                label: say.name,
            },
            transition: say.transition,
            title: say.title,
            text: say.text,
            labels: say.labels,
            ..NoticeDraft::default()
        };
        let notice = Notice {
            id: seed.id(position, 0).to_string(),
            position,
            received_at: context.now,
            provider: BRIDGE.into(),
            provider_kind: BRIDGE.into(),
            dispatch_id: String::new(),
            draft: draft.bounded(),
        };
        let subject = &notice.draft.subject.key;
        let about = Arriving {
            planning: position,
            notice: position,
            subject: subject_hash(BRIDGE_PROVIDER, subject, 0),
            at_once: false,
            not_to: not_to(&state.configuration, BRIDGE_PROVIDER, subject),
            gathering: &mut self.gathering,
        };
        let plan = router(state, context).route(BRIDGE_PROVIDER, &notice, about);
        let accepted = Accepted {
            seed,
            day: day(state, context),
            provider: BRIDGE_PROVIDER,
            provider_name: notice.provider,
            provider_kind: notice.provider_kind,
            notice: notice.draft,
            nth: 0,
            of: 1,
            keys: RequestKeys::default(),
            plan,
        };
        let awaited = self.fallbacks_awaited(position, position, &accepted.plan);
        self.events.push(Event::Accepted(Box::new(accepted)));
        self.events.extend(awaited);
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, key: DeliveryKey, scope: Scope, reason: &str) {
        let state = self.state;
        let Some(delivery) = state.outbox.deliveries.get(&key) else {
            return;
        };
        if scope == Scope::Message {
            return;
        }
        let breaker = state.outbox.breakers.get(&delivery.target);
        let failures = breaker
            .map_or(0, |breaker| breaker.failures)
            .saturating_add(1);
        let Some(target) = state
            .configuration
            .targets
            .get(&delivery.target)
            .filter(|_| failures >= BREAKER_FAILURES)
        else {
            return;
        };
        let name = &target.entity.spec.name;
        let since = breaker.map_or(self.context.now, |breaker| breaker.since);
        let text = format!(
            "{failures} attempts in a row have failed since {}. The last one said: {reason}\nUntil \
             one gets through, one message at a time is tried. The others wait; what is older than \
             24 h when it is tried is parked.",
            self.moment(since)
        );
        self.say(
            Say::new(
                "bridge_target_failing",
                format!("target:{name}"),
                name,
                format!("Target {name} is failing"),
                text,
            )
            .label("target", name),
        );
    }

    /// A part got through.
    pub(super) fn got_through(&mut self, key: DeliveryKey) {
        let state = self.state;
        let target = state
            .outbox
            .deliveries
            .get(&key)
            .and_then(|delivery| state.configuration.targets.get(&delivery.target));
        let Some(target) = target else { return };
        let name = &target.entity.spec.name;
        let about = format!("target:{name}");
        if !self.is_open(&about) {
            return;
        }
        let waiting: usize = target
            .receivers
            .iter()
            .filter_map(|receiver| state.outbox.lanes.get(receiver))
            .map(|lane| lane.waiting())
            .sum();
        let failed_since = state.outbox.breakers.get(&target.entity.id);
        let mut text = match failed_since {
            Some(breaker) => format!("It had failed since {}.", self.moment(breaker.since)),
            None => String::new(),
        };
        if waiting > 0 {
            text.push_str(&format!(
                " {waiting} deliveries that waited for it follow now."
            ));
        }
        self.say(
            Say::new(
                "bridge_target_recovered",
                about,
                name,
                format!("Target {name} works again"),
                text.trim().to_owned(),
            )
            .label("target", name)
            .closing(),
        );
    }

    /// A service says that a receiver is not there any more.
    pub(super) fn gone(&mut self, target: u32, receiver: u32, reason: &str) {
        let target = self.state.configuration.targets.get(&target);
        let found = target.and_then(|target| Some((target, target.receiver_name(receiver)?)));
        let Some((target, receiver)) = found else {
            return;
        };
        let name = &target.entity.spec.name;
        let text = format!(
            "The service says: {reason}\nNothing more is sent there until a person retries one of \
             the deliveries that are parked over it, or configures it anew."
        );
        self.say(
            Say::new(
                "bridge_receiver_gone",
                format!("receiver:{name}/{receiver}"),
                name,
                format!("Receiver {receiver} of {name} is gone"),
                text,
            )
            .label("target", name)
            .label("receiver", receiver),
        );
    }

    /// Nothing came of a provider or tracker for too long.
    pub(super) fn silent(&mut self, kind: EntityKind, id: u32, since: i64) {
        let (what, name, expected) = match kind {
            EntityKind::Provider => match self.state.configuration.providers.get(&id) {
                Some(provider) => ("Provider", &provider.spec.name, provider.spec.expect),
                None => return,
            },
            EntityKind::Tracker => match self.state.configuration.trackers.get(&id) {
                Some(tracker) => {
                    let spec = &tracker.entity.spec;
                    ("Tracker", &spec.name, spec.expect)
                }
                None => return,
            },
            EntityKind::Target | EntityKind::Template | EntityKind::Bot => return,
        };
        let within = expected.map_or_else(String::new, |span| {
            format!("\nSomething was expected within {span}.")
        });
        let text = format!("Nothing has come since {}.{within}", self.moment(since));
        self.say(
            Say::new(
                "bridge_silent",
                silence(kind, name),
                name,
                format!("{what} {name} is silent"),
                text,
            )
            .label(kind.as_str(), name),
        );
    }

    /// A notice was accepted: the silence of its provider, and of trackers that took it, is over.
    pub(super) fn heard(&mut self, accepted: &Accepted) {
        let state = self.state;
        let provider = Voice::Provider(accepted.provider);
        if state.listening.is_silent(provider) {
            self.heard_again(EntityKind::Provider, "Provider", &accepted.provider_name);
        }
        for link in &accepted.plan.links {
            if state.listening.is_silent(Voice::Tracker(link.tracker)) {
                self.heard_again(EntityKind::Tracker, "Tracker", &link.tracker_name);
            }
        }
    }

    fn heard_again(&mut self, kind: EntityKind, what: &str, name: &str) {
        self.say(
            Say::new(
                "bridge_heard_again",
                silence(kind, name),
                name,
                format!("{what} {name} is heard again"),
                String::new(),
            )
            .label(kind.as_str(), name)
            .closing(),
        );
    }

    /// A moment as people of the space read it.
    fn moment(&self, at: i64) -> String {
        let zone = self.state.configuration.zone().clone();
        jiff::Timestamp::from_microsecond(at)
            .map(|at| {
                at.to_zoned_datetime(zone)
                    .strftime("%Y-%m-%d %H:%M %Z")
                    .to_string()
            })
            .unwrap_or_default()
    }
}

/// The subject of a silence.
pub(in crate::domain) fn silence(kind: EntityKind, name: &str) -> String {
    format!("silence:{}/{name}", kind.as_str())
}
