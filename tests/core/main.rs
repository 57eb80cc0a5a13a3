//! The pure core: any sequence of commands, folded again from the bytes of its events or from a
//! snapshot plus tail, gives an equal state; and a state holds only what is open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use notify_bridge::domain::command::{
    Accept, Attempted, Command, Configure, Notify, Refusal, Told,
};
use notify_bridge::domain::decide::TRIES_MAX;
use notify_bridge::domain::event::{Action, DeliveryKey, Event, RequestKeys};
use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::spec::{EntityKind, Settings, UnknownPolicy};
use notify_bridge::projections::outbox::Status;
use notify_bridge::projections::outbox::pace::STARTS_MAX;
use notify_bridge::targets::{Scope, Verdict};
use notify_bridge::wire;
use proptest::prelude::*;

use driver::{Core, accept, attempted, draft, entity, provider, ready, target, tracker};

mod attention;
mod bots;
mod bounds;
mod bridge;
mod driver;
mod flow;
mod health;
mod holds;
mod judged;
mod observe;
mod pace;
mod pierced;
mod replayed;
mod retention;
mod sessions;
mod update;

#[derive(Debug, Clone)]
enum Step {
    Accept { subject: u8, key: Option<u8> },
    Notify,
    ClaimDue { nth: usize },
    Report { nth: usize, what: u8 },
    Operate { nth: usize, action: u8 },
    Recover,
    Pause(bool),
    Wait { seconds: u32 },
    Reconfigure { receivers: u8, tracker: bool },
    Remove,
    ShiftClock { seconds: i32 },
    Resend { nth: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..4, proptest::option::of(0u8..6)).prop_map(|(subject, key)| Step::Accept { subject, key }),
        1 => Just(Step::Notify),
        5 => (0usize..8).prop_map(|nth| Step::ClaimDue { nth }),
        6 => (0usize..8, 0u8..9).prop_map(|(nth, what)| Step::Report { nth, what }),
        2 => (0usize..8, 0u8..3).prop_map(|(nth, action)| Step::Operate { nth, action }),
        1 => Just(Step::Recover),
        1 => any::<bool>().prop_map(Step::Pause),
        3 => (0u32..5_000).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1u8..4, any::<bool>()).prop_map(|(receivers, tracker)| Step::Reconfigure { receivers, tracker }),
        1 => Just(Step::Remove),
        1 => (-4_000i32..4_000).prop_map(|seconds| Step::ShiftClock { seconds }),
        1 => (0usize..8).prop_map(|nth| Step::Resend { nth }),
    ]
}

fn take(core: &mut Core, step: &Step) {
    let sending = |core: &Core, nth: usize| {
        core.state
            .outbox
            .deliveries
            .iter()
            .filter(|(_, d)| d.status == Status::Sending)
            .nth(nth)
            .map(|(key, _)| *key)
    };
    // Refusals are part of the game; what matters is what they leave behind.
    let _outcome = match step {
        Step::Accept { subject, key } => {
            let provider = core.provider("p");
            core.run(accept(provider, &subject.to_string(), key.map(u128::from)))
        }
        Step::Notify => core.run(Command::Notify(Box::new(Notify {
            notice: draft("", Severity::Critical),
            targets: vec!["t".into()],
            receiver: None,
            tag: None,
            at_once: false,
            by: "test".into(),
        }))),
        Step::ClaimDue { nth } => match core.due().get(*nth) {
            Some(key) => core.claim(*key),
            None => Ok(Told::Done),
        },
        Step::Report { nth, what } => match sending(core, *nth) {
            Some(key) => core.report(key, attempted(*what)),
            None => Ok(Told::Done),
        },
        Step::Operate { nth, action } => {
            let action = [Action::Retry, Action::Drop, Action::Confirm][usize::from(*action)];
            match core.state.outbox.deliveries.keys().nth(*nth).copied() {
                Some(delivery) => core.run(Command::Operate {
                    delivery,
                    action,
                    by: "test".into(),
                }),
                None => Ok(Told::Done),
            }
        }
        Step::Recover => core.run(Command::Recover),
        Step::Pause(true) => core.run(Command::Pause { by: "test".into() }),
        Step::Pause(false) => core.run(Command::Resume { by: "test".into() }),
        Step::Wait { seconds } => {
            core.now += i64::from(*seconds) * 1_000_000;
            Ok(Told::Done)
        }
        Step::Reconfigure {
            receivers,
            tracker: with_tracker,
        } => {
            let mut specs = vec![provider("p"), target("t", usize::from(*receivers))];
            if *with_tracker {
                specs.push(tracker("w", "p", "t"));
            }
            core.configure(specs)
        }
        Step::Remove => core.remove(&[
            (EntityKind::Tracker, "w"),
            (EntityKind::Target, "t"),
            (EntityKind::Provider, "p"),
        ]),
        Step::ShiftClock { seconds } => {
            let by_micros = i64::from(*seconds) * 1_000_000;
            core.now += by_micros;
            core.run(Command::ClockStepped { by_micros })
        }
        Step::Resend { nth } => {
            let found = core.log.iter().filter_map(|(at, event)| match event {
                Event::Accepted(accepted) => Some((at.position, accepted.clone())),
                _ => None,
            });
            match found.clone().nth(*nth) {
                Some((notice, accepted)) => core.run(Command::Resend {
                    notice,
                    accepted,
                    by: "test".into(),
                }),
                None => Ok(Told::Done),
            }
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_replays_to_the_same_state(steps in proptest::collection::vec(step(), 1..80), cut in 0usize..200) {
        let mut core = ready(2);
        for step in &steps {
            take(&mut core, step);
            core.check();
        }
        prop_assert_eq!(&core.folded(None), &core.state);
        prop_assert_eq!(&core.folded(Some(cut % core.log.len())), &core.state);
    }

    /// However it fails, a delivery is waiting, parked, or was settled: never lost.
    #[test]
    fn no_delivery_is_ever_lost(steps in proptest::collection::vec(step(), 1..60)) {
        let mut core = ready(2);
        for step in &steps {
            take(&mut core, step);
        }
        let mut planned: BTreeSet<DeliveryKey> = BTreeSet::new();
        let mut ended: BTreeSet<DeliveryKey> = BTreeSet::new();
        for (at, event) in &core.log {
            let plan = match event {
                Event::Accepted(accepted) => Some(&accepted.plan),
                Event::Resent { plan, .. } => Some(plan),
                Event::DeliverySettled { delivery, outcome, .. } => {
                    if *outcome != notify_bridge::domain::event::Outcome::Parked {
                        ended.insert(*delivery);
                    }
                    None
                }
                Event::DeliveryOperated { delivery, action: Action::Drop | Action::Confirm, .. } => {
                    ended.insert(*delivery);
                    None
                }
                _ => None,
            };
            for index in 0..plan.map_or(0, |plan| plan.planned.len()) {
                planned.insert(DeliveryKey { position: at.position, ordinal: index as u16 + 1 });
            }
        }
        let open: BTreeSet<DeliveryKey> = core.state.outbox.deliveries.keys().copied().collect();
        let accounted: BTreeSet<DeliveryKey> = open.union(&ended).copied().collect();
        prop_assert_eq!(planned, accounted);
        prop_assert!(open.is_disjoint(&ended));
    }

    /// Within a lane, deliveries about one subject leave in the order in which they came.
    #[test]
    fn a_subject_never_overtakes_itself(outcomes in proptest::collection::vec((0u8..3, 0u8..5), 1..60)) {
        let mut core = ready(1);
        let provider = core.provider("p");
        for subject in [0u8, 1, 0, 1, 2, 0, 1] {
            core.run(accept(provider, &subject.to_string(), None)).unwrap();
        }
        let mut sent: BTreeMap<u64, Vec<DeliveryKey>> = BTreeMap::new();
        for (nth, what) in outcomes {
            let due = core.due();
            let Some(key) = due.get(usize::from(nth) % due.len().max(1)).copied() else {
                core.now += 5_000_000_000;
                continue;
            };
            let subject = core.state.outbox.deliveries[&key].subject;
            if core.claim(key).is_ok() {
                core.report(key, attempted(what)).unwrap();
            }
            if !core.state.outbox.deliveries.contains_key(&key) {
                sent.entry(subject).or_default().push(key);
            }
        }
        for keys in sent.values() {
            prop_assert!(keys.is_sorted(), "{keys:?}");
        }
    }
}

#[test]
fn a_state_holds_only_what_is_open() {
    let mut core = ready(2);
    let provider = core.provider("p");
    // The first ones make the day's count, the target's health and the moments that pace counts, which
    // stay.
    for n in 0..STARTS_MAX {
        core.run(accept(provider, &format!("first {n}"), None))
            .unwrap();
    }
    core.send_all();
    let before = wire::encode_state(&core.state).unwrap().len();
    for n in 0..100_000u32 {
        core.now += 1_000;
        core.run(accept(provider, &n.to_string(), None)).unwrap();
        if n % 100 == 99 {
            core.send_all();
            core.log.clear();
        }
    }
    core.send_all();
    let after = wire::encode_state(&core.state).unwrap().len();
    assert!(core.state.outbox.deliveries.is_empty() && core.state.outbox.lanes.is_empty());
    // Numbers grow by a few digits; nothing else may.
    assert!(after <= before + 64, "{before} bytes before, {after} after");
    let total: u64 = core
        .state
        .counts
        .days
        .values()
        .map(|count| count.notices)
        .sum();
    assert_eq!(total, 100_000 + u64::from(STARTS_MAX));
}

#[test]
fn review_h7_state_leaves_with_its_entity() {
    let mut core = ready(1);
    let before = core.state.clone();
    for n in 0..10_000 {
        let (provider_name, target_name, tracker_name) =
            (format!("p{n}"), format!("t{n}"), format!("w{n}"));
        core.configure(vec![
            provider(&provider_name),
            target(&target_name, 1),
            tracker(&tracker_name, &provider_name, &target_name),
        ])
        .unwrap();
        let id = core.provider(&provider_name);
        core.run(accept(id, "x", Some(n))).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        core.report(key, attempted(if n % 2 == 0 { 3 } else { 6 }))
            .unwrap();
        core.remove(&[
            (EntityKind::Tracker, &tracker_name),
            (EntityKind::Target, &target_name),
            (EntityKind::Provider, &provider_name),
        ])
        .unwrap();
        core.log.clear();
    }
    let mut after = core.state.clone();
    // All of them were one bot, which has a target still.
    assert_eq!(after.outbox.pacing.remembered(), 1);
    after.outbox.pacing = before.outbox.pacing.clone();
    // Ids are never reused and totals never change; all else is back where it was.
    after.position = before.position;
    after.id_millis = before.id_millis;
    after.counts = before.counts.clone();
    after.configuration.revision = before.configuration.revision;
    after.configuration.last_id = before.configuration.last_id;
    assert_eq!(after, before);
    let total: u64 = core
        .state
        .counts
        .days
        .values()
        .map(|count| count.notices)
        .sum();
    assert_eq!(total, 10_000);
    assert!(
        core.state
            .counts
            .days
            .keys()
            .all(|(provider, _)| *provider == 0)
    );
}

#[test]
fn a_redelivery_appends_nothing_and_names_the_first() {
    let mut core = ready(1);
    let provider = core.provider("p");
    let Told::Accepted { first, .. } = core.run(accept(provider, "a", Some(5))).unwrap() else {
        panic!()
    };
    let position = core.state.position;
    assert_eq!(
        core.run(accept(provider, "b", Some(5))),
        Ok(Told::Duplicate { first, count: 1 })
    );
    assert_eq!(core.state.position, position);
}

#[test]
fn a_failing_delivery_is_parked_after_its_tries_and_can_be_retried() {
    let mut core = ready(1);
    let provider = core.provider("p");
    core.run(accept(provider, "a", None)).unwrap();
    let mut waits = Vec::new();
    for _ in 0..TRIES_MAX {
        let key = core.due()[0];
        core.claim(key).unwrap();
        core.report(key, attempted(2)).unwrap();
        if let Some(delivery) = core.state.outbox.deliveries.get(&key)
            && delivery.status == Status::Retrying
        {
            waits.push((delivery.not_before - core.now) / 1_000_000);
            assert!(core.due().is_empty(), "never earlier than told");
            core.now = delivery.not_before;
        }
    }
    let (key, delivery) = core
        .state
        .outbox
        .deliveries
        .first_key_value()
        .map(|(k, d)| (*k, d.clone()))
        .unwrap();
    assert_eq!(delivery.status, Status::Parked);
    assert!(
        delivery
            .reason
            .unwrap()
            .contains("16 tries failed; the last said: because")
    );
    assert!(
        waits[..12].is_sorted() && waits[0] <= 1 && waits[8] > 100,
        "{waits:?}"
    );
    assert!(waits.iter().all(|wait| *wait <= 3_600), "{waits:?}");
    core.run(Command::Operate {
        delivery: key,
        action: Action::Retry,
        by: "me".into(),
    })
    .unwrap();
    core.send_all();
    assert!(core.state.outbox.deliveries.is_empty());
}

#[test]
fn a_wait_is_as_long_as_told_and_bounded() {
    let mut core = ready(1);
    let provider = core.provider("p");
    for (told, least, most) in [
        (30u64, 30, 31),
        (0, 0, 1),
        (10_000_000, 6 * 3_600, 6 * 3_600 + 1),
    ] {
        core.run(accept(provider, "a", None)).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        let after = Some(Duration::from_secs(told));
        let verdict = Verdict::Retry {
            after,
            scope: Scope::Receiver,
            reason: "slow down".into(),
        };
        core.report(key, Attempted::Judged(verdict)).unwrap();
        let wait = (core.state.outbox.deliveries[&key].not_before - core.now) / 1_000_000;
        assert!((least..=most).contains(&wait), "told {told}, waits {wait}");
        core.run(Command::Operate {
            delivery: key,
            action: Action::Drop,
            by: "me".into(),
        })
        .unwrap();
        core.now += 7 * 3_600 * 1_000_000;
    }
}

#[test]
fn what_was_under_way_is_not_silently_forgotten() {
    for (policy, expected) in [("retry", Status::Retrying), ("park", Status::Unknown)] {
        let mut core = Core::new();
        let watch = entity(serde_json::json!({
            "entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t", "unknown": policy}],
        }));
        core.configure(vec![provider("p"), target("t", 1), watch])
            .unwrap();
        let provider = core.provider("p");
        core.run(accept(provider, "a", None)).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        core.run(Command::Recover).unwrap();
        assert_eq!(core.state.outbox.deliveries[&key].status, expected);
        let position = core.state.position;
        core.run(Command::Recover).unwrap();
        assert_eq!(
            core.state.position, position,
            "a start with nothing under way appends nothing"
        );
    }
    assert_eq!(UnknownPolicy::default(), UnknownPolicy::Retry);
}

#[test]
fn one_receiver_that_waits_delays_no_other() {
    let mut core = ready(2);
    let provider = core.provider("p");
    core.run(accept(provider, "a", None)).unwrap();
    let due = core.due();
    assert_eq!(due.len(), 2);
    core.claim(due[0]).unwrap();
    core.report(due[0], attempted(3)).unwrap();
    core.run(accept(provider, "b", None)).unwrap();
    let receivers: BTreeSet<u32> = core
        .due()
        .iter()
        .map(|key| core.state.outbox.deliveries[key].receiver)
        .collect();
    assert_eq!(
        receivers.len(),
        1,
        "only the lane that nobody asked to wait"
    );
    core.claim(due[1]).unwrap();
    core.report(due[1], attempted(4)).unwrap();
    assert!(
        core.due().is_empty(),
        "a target that fails as a whole waits as a whole"
    );
}

#[test]
fn critical_goes_to_the_head_of_its_lane() {
    let mut core = ready(1);
    let provider = core.provider("p");
    for n in 0..500 {
        core.run(accept(provider, &n.to_string(), None)).unwrap();
    }
    let notices = vec![draft("ups", Severity::Critical)];
    let command = Accept {
        provider,
        notices,
        keys: RequestKeys::default(),
        hops: 0,
    };
    let Told::Accepted { first, .. } = core.run(Command::Accept(Box::new(command))).unwrap() else {
        panic!()
    };
    assert_eq!(core.due()[0].position, first);
}

#[test]
fn a_change_of_configuration_takes_all_or_nothing() {
    let mut core = ready(1);
    let before = core.state.clone();
    let refused = core
        .configure(vec![provider("q"), tracker("v", "q", "nowhere")])
        .unwrap_err();
    assert!(refused.to_string().contains("nowhere"), "{refused}");
    assert_eq!(core.state, before);
    let in_use = core.remove(&[(EntityKind::Target, "t")]).unwrap_err();
    assert_eq!(
        in_use,
        Refusal::InUse {
            name: "target t".into(),
            consumers: vec!["tracker w".into()]
        }
    );
    let outdated = Configure {
        planned_at: Some(1),
        settings: Some(Settings::default()),
        ..Configure::default()
    };
    assert_eq!(
        core.run(Command::Configure(Box::new(outdated))),
        Err(Refusal::Outdated)
    );
    assert_eq!(core.state, before);
}

#[test]
fn a_receiver_keeps_its_identity_through_a_change_of_options() {
    let mut core = ready(2);
    let before = core
        .state
        .configuration
        .target("t")
        .unwrap()
        .receivers
        .clone();
    let spec = entity(
        serde_json::json!({"entity": "target", "name": "t", "kind": "telegram", "receivers": [
            {"name": "renamed", "to": "1", "silent": true, "enabled": true},
            {"name": "new", "to": "9", "enabled": true},
        ]}),
    );
    let provider = core.provider("p");
    core.run(accept(provider, "a", None)).unwrap();
    core.configure(vec![spec]).unwrap();
    let after = core
        .state
        .configuration
        .target("t")
        .unwrap()
        .receivers
        .clone();
    assert_eq!(after[0], before[1]);
    assert!(!before.contains(&after[1]));
    assert_eq!(
        core.state.outbox.deliveries.len(),
        1,
        "what waited for the removed receiver was dropped"
    );
    core.check();
}
