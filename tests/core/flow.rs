//! Nothing stands still for ever: whatever happened, once nobody interferes every delivery is sent,
//! dropped, or waits for a person, within bounded time.

use std::time::Duration;

use notify_bridge::domain::command::{Attempted, Command, Refusal};
use notify_bridge::domain::event::Event;
use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::reason::What;
use notify_bridge::projections::outbox::pace::Limits;
use notify_bridge::projections::outbox::{Asked, Status, WAIT_MAX_MICROS};
use notify_bridge::targets::{Scope, Verdict};
use proptest::prelude::*;

use crate::driver::{Core, accept, attempted, draft, entity, provider, ready, target, tracker};
use crate::{Step, step, take};

/// Longest that anything may take: each of a delivery's tries may wait as long as a service can ask,
/// but none begins when the delivery is a day old.
const DONE_WITHIN_MICROS: i64 = 24 * 3_600 * 1_000_000 + 2 * WAIT_MAX_MICROS;

/// Sends with these outcomes, over and over, until nothing is due now or later.
fn pump(core: &mut Core, outcomes: &[u8]) {
    let mut outcomes = outcomes.iter().cycle();
    // 16 tries of 2 parts, fallbacks and moves, or a day of probes with minutes between them: fewer than
    // this per delivery.
    let most = 2_000 * (core.state.outbox.deliveries.len() + 1);
    for _ in 0..most {
        let due = core.due_with_depth(64);
        let mut progress = false;
        for key in due.ready {
            match core.claim(key) {
                Ok(_) => progress = true,
                Err(Refusal::NotClaimable(_)) => continue,
                Err(other) => panic!("{other}"),
            }
            let sending = core.state.outbox.deliveries.get(&key);
            if sending.is_some_and(|delivery| delivery.status == Status::Sending) {
                let what = outcomes.next().copied().unwrap_or(0);
                core.report(key, attempted(what)).unwrap();
            }
        }
        match due.next_at {
            _ if progress => {}
            Some(at) => {
                assert!(at > core.now, "a moment to look again lies ahead");
                core.now = at;
            }
            None => return,
        }
    }
    panic!("still busy: {:#?}", core.state.outbox.deliveries);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_to_an_end(
        steps in proptest::collection::vec(step(), 1..60),
        outcomes in proptest::collection::vec(0u8..9, 1..12),
    ) {
        let mut core = ready(2);
        for step in &steps {
            take(&mut core, step);
        }
        take(&mut core, &Step::Pause(false));
        core.run(Command::Recover).unwrap();
        let from = core.now;
        pump(&mut core, &outcomes);
        core.check();
        prop_assert!(core.now - from <= DONE_WITHIN_MICROS);
        for delivery in core.state.outbox.deliveries.values() {
            prop_assert!(delivery.status.needs_a_person(), "{delivery:?}");
        }
        prop_assert!(core.state.outbox.sending.is_empty());
    }
}

fn status(core: &Core) -> Vec<Status> {
    let deliveries = core.state.outbox.deliveries.values();
    deliveries.map(|delivery| delivery.status).collect()
}

#[test]
fn a_receiver_removed_while_it_is_sent_to_ends_its_delivery() {
    let mut core = ready(2);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let due = core.due();
    core.claim(due[1]).unwrap();
    core.configure(vec![target("t", 1)]).unwrap();
    core.report(due[1], attempted(4)).unwrap();
    let gone = core.state.outbox.deliveries[&due[1]].receiver;
    assert!(
        core.state.outbox.pauses.is_empty(),
        "what is gone pauses nobody"
    );
    pump(&mut core, &[0]);
    assert_eq!(status(&core), [Status::Parked]);
    assert!(core.log.iter().any(|(_, event)| matches!(
        event,
        Event::DeliverySettled {
            why: What::TargetRemoved,
            ..
        }
    )));
    core.run(Command::Operate {
        delivery: due[1],
        action: notify_bridge::domain::event::Action::Drop,
        by: "test".into(),
    })
    .unwrap();
    assert!(
        core.state.outbox.lanes.is_empty(),
        "no lane of {gone} stays"
    );
}

#[test]
fn a_target_removed_while_it_is_sent_to_leaves_nothing_behind() {
    for what in [0, 3, 4, 6, 7] {
        let mut core = ready(1);
        core.run(accept(core.provider("p"), "a", None)).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        take(&mut core, &Step::Remove);
        core.report(key, attempted(what)).unwrap();
        core.report(key, attempted(0)).ok();
        let outbox = &core.state.outbox;
        assert!(core.state.health.targets.is_empty(), "{what}");
        assert!(core.state.health.receivers.is_empty(), "{what}");
        assert!(outbox.pauses.is_empty(), "{what}");
    }
}

#[test]
fn a_receiver_that_is_switched_off_is_not_sent_to_and_goes_on_when_switched_on() {
    let with = |enabled: bool| {
        entity(serde_json::json!({
            "entity": "target", "name": "t", "kind": "telegram", "pace": "off",
            "receivers": [{"name": "r0", "to": "0", "enabled": enabled}],
        }))
    };
    let mut core = Core::new();
    core.configure(vec![provider("p"), with(true), tracker("w", "p", "t")])
        .unwrap();
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    core.configure(vec![with(false)]).unwrap();
    let key = core.due()[0];
    assert!(matches!(core.claim(key), Err(Refusal::NotClaimable(_))));
    core.configure(vec![with(true)]).unwrap();
    core.send_all();
    assert!(core.state.outbox.deliveries.is_empty());
}

#[test]
fn nobody_claims_while_the_target_asked_to_wait() {
    let mut core = ready(2);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let due = core.due();
    core.claim(due[0]).unwrap();
    let limited = Verdict::Retry {
        after: Some(Duration::from_secs(30)),
        scope: Scope::Target,
        reason: "slow down".into(),
    };
    core.report(due[0], Attempted::Judged(limited)).unwrap();
    assert!(matches!(core.claim(due[1]), Err(Refusal::NotClaimable(_))));
    pump(&mut core, &[0]);
    assert!(core.state.outbox.deliveries.is_empty());
}

#[test]
fn what_was_under_way_before_lifts_no_pause() {
    let mut core = ready(2);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let due = core.due();
    core.claim(due[0]).unwrap();
    core.claim(due[1]).unwrap();
    let limited = Verdict::Retry {
        after: Some(Duration::from_secs(30)),
        scope: Scope::Target,
        reason: "slow down".into(),
    };
    core.report(due[0], Attempted::Judged(limited)).unwrap();
    core.report(due[1], attempted(0)).unwrap();
    assert!(core.due().is_empty(), "the target said 30 s");
    pump(&mut core, &[0]);
    assert!(core.state.outbox.deliveries.is_empty());
    assert!(core.state.outbox.pauses.is_empty());
}

/// A message that alone makes the target fail must not stop all others for as long as it waits.
#[test]
fn a_failure_that_only_one_message_meets_delays_no_other() {
    let mut core = ready(2);
    core.run(accept(core.provider("p"), "poison", None))
        .unwrap();
    let due = core.due();
    for _ in 0..3 {
        core.claim(due[0]).unwrap();
        core.report(due[0], attempted(4)).unwrap();
        core.now = core.state.outbox.deliveries[&due[0]].not_before;
    }
    core.claim(due[1]).unwrap();
    core.report(due[1], attempted(0)).unwrap();
    core.claim(due[0]).unwrap();
    core.report(due[0], attempted(4)).unwrap();
    assert_eq!(core.due(), [due[1]], "its second part may go");
}

#[test]
fn a_clock_that_goes_back_changes_no_order_and_delays_nothing() {
    let mut core = ready(1);
    let provider = core.provider("p");
    core.run(accept(provider, "a", None)).unwrap();
    core.now -= 3_600 * 1_000_000;
    core.run(accept(provider, "a", None)).unwrap();
    let due = core.due();
    assert_eq!(due.len(), 1, "the first is due, the second is behind it");
    let first = due[0];
    core.claim(first).unwrap();
    core.report(first, attempted(2)).unwrap();
    assert!(core.due().is_empty(), "the second stays behind the first");
}

#[test]
fn a_wait_from_a_clock_that_was_wrong_is_over() {
    let mut core = ready(1);
    let century = 100 * 365 * 86_400 * 1_000_000;
    core.now += century;
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let key = core.due()[0];
    core.claim(key).unwrap();
    core.report(key, attempted(4)).unwrap();
    core.now -= century;
    assert_eq!(core.due(), [key]);
    core.send_all();
    assert!(core.state.outbox.deliveries.is_empty());
}

#[test]
fn a_delivery_does_not_age_by_a_step_of_the_clock() {
    let mut core = ready(1);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    for by_micros in [50 * 365 * 86_400 * 1_000_000, i64::MAX, i64::MIN] {
        core.now = core.now.saturating_add(by_micros);
        core.run(Command::ClockStepped { by_micros }).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        core.report(key, attempted(2)).unwrap();
        assert_eq!(status(&core), [Status::Retrying], "{by_micros}");
        core.now = core.state.outbox.deliveries[&key].not_before;
    }
}

#[test]
fn with_room_for_one_every_lane_has_its_turn() {
    let mut core = ready(3);
    for _ in 0..4 {
        core.run(accept(core.provider("p"), "", None)).unwrap();
    }
    let asked = Asked {
        depth: |_: u32, _: u32| 1,
        pace: |_: u32, _: u32| Limits::default(),
        taken: |_: &notify_bridge::domain::event::DeliveryKey| false,
    };
    let mut first_lane = 0;
    let mut turns = Vec::new();
    for _ in 0..6 {
        let due = core.state.outbox.due(core.now, 1, first_lane, &asked);
        let delivery = &core.state.outbox.deliveries[&due.ready[0]];
        turns.push(delivery.receiver);
        first_lane = due.next_lane.expect("there is more");
    }
    assert_ne!(turns[0], turns[1]);
    assert_ne!(turns[1], turns[2]);
    assert_eq!(turns[..3], turns[3..]);
}

#[test]
fn a_target_named_twice_hears_once() {
    let mut core = Core::new();
    let tagged = entity(serde_json::json!({
        "entity": "target", "name": "t", "kind": "telegram", "tags": ["on-call"],
        "receivers": [{"name": "r0", "to": "0"}],
    }));
    let all = entity(serde_json::json!({
        "entity": "target", "name": "all", "kind": "broadcast", "targets": ["t"],
    }));
    core.configure(vec![tagged, all]).unwrap();
    let notify = notify_bridge::domain::command::Notify {
        notice: draft("", Severity::Info),
        targets: vec!["t".into(), "t".into(), "all".into()],
        receiver: None,
        tag: Some("on-call".into()),
        at_once: false,
        by: "test".into(),
    };
    core.run(Command::Notify(Box::new(notify))).unwrap();
    assert_eq!(core.state.outbox.deliveries.len(), 1);
}
