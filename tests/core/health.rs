//! Breakers, fallbacks, silence, backlogs, and what the bridge says of them.

use notify_bridge::domain::command::{Attempted, Command};
use notify_bridge::domain::decide::{AGE_MAX, TRIES_MAX};
use notify_bridge::domain::event::{DeliveryKey, Event, Outcome};
use notify_bridge::domain::notice::{Severity, Transition};
use notify_bridge::domain::reason::What;
use notify_bridge::domain::spec::{BRIDGE, BRIDGE_PROVIDER, EntityKind};
use notify_bridge::projections::outbox::{BREAKER_FAILURES, Status};
use notify_bridge::targets::{Scope, Verdict};
use serde_json::json;

use crate::driver::{Core, accept, entity, provider, ready, target, tracker};

mod backlog;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;

fn sent() -> Attempted {
    Attempted::Judged(Verdict::Sent {
        ids: vec!["1".into()],
        pause: None,
    })
}

fn failed(scope: Scope) -> Attempted {
    Attempted::Judged(Verdict::Retry {
        after: None,
        scope,
        reason: "no route to it".into(),
    })
}

/// Over `t`, with a link of these further keys; `b` hears of the bridge and is the fallback.
fn core(link: serde_json::Value) -> Core {
    let mut over = json!({"target": "t"});
    for (key, value) in link.as_object().into_iter().flatten() {
        over[key] = value.clone();
    }
    let mut core = Core::new();
    core.configure(vec![
        provider("p"),
        target("t", 1),
        target("b", 1),
        entity(json!({"entity": "tracker", "name": "w", "provider": "p", "links": [over]})),
    ])
    .unwrap();
    core
}

fn watched(link: serde_json::Value) -> Core {
    let mut core = core(link);
    core.configure(vec![entity(json!({
        "entity": "tracker", "name": "self", "provider": BRIDGE,
        "links": [{"target": "t"}, {"target": "b"}],
    }))])
    .unwrap();
    core
}

impl Core {
    fn give(&mut self, subject: &str) {
        let provider = self.provider("p");
        self.run(accept(provider, subject, None)).unwrap();
    }

    fn target_id(&self, name: &str) -> u32 {
        self.state.configuration.target(name).unwrap().entity.id
    }

    fn subject_of(&self, key: DeliveryKey) -> String {
        let notice = self.state.outbox.deliveries[&key].notice;
        self.log
            .iter()
            .find_map(|(at, event)| match event {
                Event::Accepted(accepted) if at.position == notice => {
                    Some(accepted.notice.subject.key.clone())
                }
                _ => None,
            })
            .unwrap()
    }

    /// Takes what is due to a target once, and reports what `what` says; the clock goes to the next
    /// moment when nothing is due.
    fn step(&mut self, target: &str, what: impl Fn(&str) -> Attempted) -> Vec<String> {
        let id = self.target_id(target);
        let due = self.due_with_depth(1);
        let mut tried = Vec::new();
        for key in due.ready {
            if self.state.outbox.deliveries[&key].target != id {
                continue;
            }
            let subject = self.subject_of(key);
            if self.claim(key).is_ok()
                && self
                    .state
                    .outbox
                    .deliveries
                    .get(&key)
                    .is_some_and(|d| d.status == Status::Sending)
            {
                tried.push(subject.clone());
                while self
                    .state
                    .outbox
                    .deliveries
                    .get(&key)
                    .is_some_and(|d| d.status == Status::Sending)
                {
                    self.report(key, what(&subject)).unwrap();
                    if self
                        .state
                        .outbox
                        .deliveries
                        .get(&key)
                        .is_some_and(|d| d.part == 1 && d.status == Status::Due)
                    {
                        self.claim(key).unwrap();
                    }
                }
            }
        }
        if tried.is_empty() {
            match due.next_at {
                Some(at) => self.now = self.now.max(at),
                None => self.now += SECOND,
            }
        }
        tried
    }

    fn open_to(&self, target: &str) -> usize {
        let id = self.target_id(target);
        let all = self.state.outbox.deliveries.values();
        all.filter(|delivery| delivery.target == id).count()
    }

    /// Kinds of what the bridge has said, with what they were about.
    fn said(&self) -> Vec<(String, String)> {
        self.log
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Accepted(accepted) if accepted.provider == BRIDGE_PROVIDER => Some((
                    accepted.notice.kind.clone(),
                    accepted.notice.subject.key.clone(),
                )),
                _ => None,
            })
            .collect()
    }

    fn settled(&self) -> Vec<(Outcome, What)> {
        self.log
            .iter()
            .filter_map(|(_, event)| match event {
                Event::DeliverySettled { outcome, why, .. } => Some((*outcome, *why)),
                _ => None,
            })
            .collect()
    }

    fn check_replay(&self) {
        self.check();
        assert_eq!(self.folded(None), self.state);
        assert_eq!(self.folded(Some(self.log.len() / 2)), self.state);
    }
}

fn said(kinds: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(kind, about): &(&str, &str)| ((*kind).to_owned(), (*about).to_owned());
    kinds.iter().map(owned).collect()
}

#[test]
fn one_poison_message_does_not_stand_in_the_way_of_ten_good_ones() {
    for scope in [Scope::Target, Scope::Receiver] {
        let mut core = ready(1);
        core.give("poison");
        for n in 0..10 {
            core.give(&format!("good {n}"));
        }
        let began = core.now;
        for _ in 0..200 {
            core.step("t", |subject| {
                if subject == "poison" {
                    failed(scope)
                } else {
                    sent()
                }
            });
            if core.open_to("t") == 1 {
                break;
            }
        }
        assert_eq!(core.open_to("t"), 1, "{scope:?}: all but the poison arrive");
        assert!(core.now - began < 60 * SECOND, "{scope:?}: soon");
        core.check_replay();
    }
}

#[test]
fn several_poison_messages_do_neither() {
    let mut core = ready(1);
    for n in 0..5 {
        core.give(&format!("poison {n}"));
    }
    for n in 0..10 {
        core.give(&format!("good {n}"));
    }
    for _ in 0..400 {
        let poison = |subject: &str| subject.starts_with("poison");
        core.step("t", |subject| {
            if poison(subject) {
                failed(Scope::Target)
            } else {
                sent()
            }
        });
    }
    let left: Vec<String> = core
        .state
        .outbox
        .deliveries
        .keys()
        .map(|key| core.subject_of(*key))
        .collect();
    assert!(
        left.iter().all(|subject| subject.starts_with("poison")),
        "{left:?}"
    );
    core.check_replay();
}

#[test]
fn an_open_breaker_lets_one_probe_through_after_waits_that_grow() {
    let mut core = ready(8);
    for n in 0..20 {
        core.give(&n.to_string());
    }
    let target = core.target_id("t");
    // As many fail at once as go at once.
    let due = core.due_with_depth(1).ready;
    assert!(due.len() > BREAKER_FAILURES as usize);
    for key in &due {
        core.claim(*key).unwrap();
    }
    for key in &due {
        core.report(*key, failed(Scope::Target)).unwrap();
    }
    assert!(core.state.outbox.breaker_is_open(target));
    assert_eq!(core.state.outbox.rounds(target), 1, "they failed together");
    let mut waits = Vec::new();
    for _ in 0..12 {
        let next = core.due_with_depth(64);
        assert!(next.ready.is_empty(), "nothing before the wait is over");
        let at = next.next_at.expect("it is tried again");
        waits.push((at - core.now) / SECOND);
        core.now = at;
        let due = core.due();
        assert_eq!(due.len(), 1, "one probe at a time");
        core.claim(due[0]).unwrap();
        assert!(core.due().is_empty());
        core.report(due[0], failed(Scope::Target)).unwrap();
    }
    assert!(
        waits.is_sorted() || waits[8..].iter().all(|wait| *wait >= 190),
        "{waits:?}"
    );
    assert!(waits.iter().all(|wait| *wait <= 256), "{waits:?}");
    core.now = core.due_with_depth(64).next_at.unwrap();
    let probe = core.due()[0];
    core.claim(probe).unwrap();
    core.report(probe, sent()).unwrap();
    assert!(!core.state.outbox.breaker_is_open(target));
    assert_eq!(
        core.due_with_depth(1).ready.len(),
        8,
        "everything goes again"
    );
    core.check_replay();
}

#[test]
fn an_outage_uses_up_no_tries_and_ends_with_age() {
    let mut core = ready(1);
    core.give("a");
    let began = core.now;
    let mut tries = 0;
    while core.state.outbox.parked.is_empty() {
        tries += core.step("t", |_| failed(Scope::Target)).len();
        assert!(tries < 2_000);
    }
    assert!(tries > usize::from(TRIES_MAX), "{tries}");
    assert!(core.now - began > AGE_MAX.as_micros() as i64 - HOUR);
    assert_eq!(
        core.settled().last(),
        Some(&(Outcome::Parked, What::TooOld))
    );
    core.check_replay();
}

#[test]
fn nobody_answering_counts_as_a_failing_target() {
    for policy in ["retry", "park"] {
        let mut core = core(json!({"unknown": policy}));
        for n in 0..8 {
            core.give(&n.to_string());
        }
        let target = core.target_id("t");
        for _ in 0..60 {
            core.step("t", |_| Attempted::Unknown("timed out".into()));
        }
        assert!(core.state.outbox.breaker_is_open(target), "{policy}");
        core.check_replay();
    }
}

#[test]
fn a_failing_target_is_told_elsewhere_once_and_its_recovery_too() {
    let mut core = watched(json!({}));
    for n in 0..8 {
        core.give(&n.to_string());
    }
    for _ in 0..14 {
        core.step("t", |_| failed(Scope::Target));
    }
    let failing = ("bridge_target_failing", "target:t");
    let recovered = ("bridge_target_recovered", "target:t");
    assert_eq!(core.said(), said(&[failing]));
    let notice = core
        .log
        .iter()
        .find_map(|(_, event)| match event {
            Event::Accepted(accepted) if accepted.provider == BRIDGE_PROVIDER => {
                Some(accepted.clone())
            }
            _ => None,
        })
        .unwrap();
    assert_eq!(notice.notice.title, "Target t is failing");
    assert!(
        notice.notice.text.contains("no route to it"),
        "{}",
        notice.notice.text
    );
    assert_eq!(notice.notice.severity, Severity::Warning);
    assert_eq!(notice.notice.transition, Transition::Opens);
    let to: Vec<&str> = notice
        .plan
        .links
        .iter()
        .map(|link| link.target_name.as_str())
        .collect();
    assert_eq!(to, ["b"], "never to the target it is about");
    assert!(
        notice
            .plan
            .routed
            .iter()
            .any(|routed| routed.what == What::Loop)
    );
    core.now += 10 * HOUR / 60;
    core.step("t", |_| sent());
    for _ in 0..4 {
        core.step("t", |_| sent());
    }
    assert_eq!(core.said(), said(&[failing, recovered]));
    // Within the hour it is not said again, and after it, it is.
    for n in 10..18 {
        core.give(&n.to_string());
    }
    let mut since = core.now;
    while core.now - since < HOUR / 2 {
        core.step("t", |_| failed(Scope::Target));
    }
    assert_eq!(core.said(), said(&[failing, recovered]));
    since = core.now;
    while core.now - since < HOUR {
        core.step("t", |_| failed(Scope::Target));
    }
    assert_eq!(core.said(), said(&[failing, recovered, failing]));
    core.check_replay();
    core.remove(&[
        (EntityKind::Tracker, "self"),
        (EntityKind::Tracker, "w"),
        (EntityKind::Target, "t"),
    ])
    .unwrap();
    assert!(core.state.subjects.get(BRIDGE_PROVIDER, 0).is_none());
    assert!(core.state.outbox.breakers.is_empty());
    core.check_replay();
}

#[test]
fn nothing_is_said_when_nobody_listens_and_nothing_goes_round() {
    let mut core = core(json!({}));
    for n in 0..8 {
        core.give(&n.to_string());
    }
    for _ in 0..40 {
        core.step("t", |_| failed(Scope::Target));
    }
    assert!(core.said().is_empty());
    // Both fail, each complaint about one goes to the other, and it ends there.
    let mut core = watched(json!({}));
    for n in 0..8 {
        core.give(&n.to_string());
    }
    let until = core.now + HOUR / 2;
    while core.now < until {
        core.step("t", |_| failed(Scope::Target));
        core.step("b", |_| failed(Scope::Target));
    }
    let kinds = core.said();
    assert_eq!(
        kinds,
        said(&[
            ("bridge_target_failing", "target:t"),
            ("bridge_target_failing", "target:b")
        ])
    );
    core.check_replay();
}

#[test]
fn a_receiver_that_is_gone_is_told_of() {
    let mut core = watched(json!({}));
    core.give("a");
    core.step("t", |_| {
        Attempted::Judged(Verdict::Gone {
            reason: "bot was blocked by the user".into(),
        })
    });
    assert_eq!(
        core.said(),
        said(&[("bridge_receiver_gone", "receiver:t/r0")])
    );
    core.check_replay();
}

#[test]
fn what_is_given_up_goes_to_the_fallback_once() {
    let outcomes = [
        Attempted::Judged(Verdict::Rejected {
            reason: "too heavy".into(),
        }),
        Attempted::Judged(Verdict::Gone {
            reason: "blocked".into(),
        }),
        Attempted::Unsendable("no words".into()),
    ];
    for outcome in outcomes {
        let mut core = core(json!({"fallback": "b"}));
        core.give("a");
        core.step("t", |_| outcome.clone());
        assert_eq!(core.open_to("t"), 1, "it stays parked for a person");
        assert_eq!(core.open_to("b"), 1, "{outcome:?}");
        let planned = core.log.iter().filter(|(_, event)| {
            matches!(
                event,
                Event::Resent {
                    why: What::FellBack,
                    ..
                }
            )
        });
        assert_eq!(planned.count(), 1);
        // What fails there falls back no further.
        core.step("b", |_| {
            Attempted::Judged(Verdict::Rejected {
                reason: "no".into(),
            })
        });
        assert_eq!((core.open_to("t"), core.open_to("b")), (1, 1));
        core.check_replay();
        // A later notice of a receiver that is gone goes there as well.
        core.give("later");
        core.step("t", |_| outcome.clone());
        assert_eq!(core.open_to("b"), 2, "{outcome:?}");
        core.check_replay();
    }
}

#[test]
fn what_is_late_goes_to_the_fallback_and_may_still_arrive() {
    let mut core = core(json!({"fallback": "b", "fallback_after": "10m"}));
    core.give("a");
    assert_eq!(core.state.outbox.overdue.len(), 1);
    core.now += 600 * SECOND - 1;
    core.run(Command::Overdue).unwrap();
    assert_eq!(core.open_to("b"), 0, "not before its time");
    core.now += 1;
    core.run(Command::Overdue).unwrap();
    core.run(Command::Overdue).unwrap();
    assert_eq!((core.open_to("t"), core.open_to("b")), (1, 1));
    core.check_replay();
    core.step("t", |_| {
        Attempted::Judged(Verdict::Rejected {
            reason: "no".into(),
        })
    });
    assert_eq!(core.open_to("b"), 1, "once");
    // One that arrives in time is forgotten; a step of the clock makes none late.
    core.give("b");
    core.now += 86_400 * SECOND;
    core.run(Command::ClockStepped {
        by_micros: 86_400 * SECOND,
    })
    .unwrap();
    core.run(Command::Overdue).unwrap();
    assert_eq!(core.open_to("b"), 1);
    core.step("t", |_| sent());
    assert!(core.state.outbox.overdue.is_empty());
    core.check_replay();
}

#[test]
fn a_fallback_that_is_not_configured_any_more_is_not_waited_for() {
    let mut core = core(json!({"fallback": "b", "fallback_after": "10m"}));
    core.give("a");
    core.configure(vec![tracker("w", "p", "t")]).unwrap();
    core.now += HOUR;
    core.run(Command::Overdue).unwrap();
    assert!(core.state.outbox.overdue.is_empty());
    assert_eq!(core.open_to("b"), 0);
    core.check_replay();
}

#[test]
fn silence_is_noted_once_and_ends_with_the_next_notice() {
    for (on_provider, about) in [(true, "silence:provider/p"), (false, "silence:tracker/w")] {
        let mut core = watched(json!({}));
        let mut specs = vec![
            json!({"entity": "provider", "name": "p", "kind": "webhook"}),
            json!({"entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t"}]}),
        ];
        specs[usize::from(!on_provider)]["expect"] = "26h".into();
        core.configure(specs.into_iter().map(entity).collect())
            .unwrap();
        let next = core.state.listening.next_at();
        assert_eq!(
            next,
            Some(core.now + 26 * HOUR),
            "from when it was configured"
        );
        core.now += HOUR;
        core.give("a");
        assert_eq!(core.state.listening.next_at(), Some(core.now + 26 * HOUR));
        core.run(Command::ClockStepped {
            by_micros: 100 * HOUR,
        })
        .unwrap();
        core.now += 100 * HOUR;
        core.run(Command::Overdue).unwrap();
        assert!(core.said().is_empty(), "a step of the clock is no silence");
        core.now += 26 * HOUR;
        core.run(Command::Overdue).unwrap();
        core.run(Command::Overdue).unwrap();
        assert_eq!(core.said(), said(&[("bridge_silent", about)]));
        assert_eq!(core.state.listening.next_at(), None);
        core.check_replay();
        core.give("b");
        assert_eq!(
            core.said(),
            said(&[("bridge_silent", about), ("bridge_heard_again", about)])
        );
        assert_eq!(core.state.listening.next_at(), Some(core.now + 26 * HOUR));
        core.check_replay();
        core.remove(&[(EntityKind::Tracker, "w"), (EntityKind::Provider, "p")])
            .unwrap();
        assert_eq!(core.state.listening.next_at(), None);
        core.check_replay();
    }
}
