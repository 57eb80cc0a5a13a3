//! What is bad enough, and the end of it, passes everything that would hold it or keep it silent,
//! also where nothing marked it when it was planned; and a person's moment is kept.

use notify_bridge::domain::command::{Accept, Command, Mute, Told};
use notify_bridge::domain::event::{DeliveryKey, Event, RequestKeys};
use notify_bridge::domain::hold::Way;
use notify_bridge::domain::notice::{NoticeDraft, Severity, Subject, Transition};
use notify_bridge::projections::outbox::Status;
use notify_bridge::projections::snoozes::Scope;
use serde_json::{Value, json};

use crate::driver::{Core, attempted, entity, provider};

/// Tuesday, 24 November 2026, 12:00:00 UTC.
const NOON: i64 = 1_795_521_600_000_000;
const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;

fn window() -> Value {
    json!({"quiet": [{"from": "12:00", "to": "14:00", "mode": "hold"}]})
}

/// One chat, one tracker with these keys.
fn with(tracker: &Value) -> Core {
    let mut core = Core::new();
    core.now = NOON;
    configure(&mut core, tracker);
    core
}

fn configure(core: &mut Core, tracker: &Value) {
    let mut spec =
        json!({"entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t"}]});
    let (Some(fields), Some(more)) = (spec.as_object_mut(), tracker.as_object()) else {
        panic!("objects");
    };
    fields.extend(more.clone());
    let target = json!({"entity": "target", "name": "t", "kind": "telegram", "pace": "off", "receivers": [{"name": "r", "to": "7"}]});
    core.configure(vec![provider("p"), entity(target), entity(spec)])
        .expect("a configuration");
}

fn about_ups(kind: &str, severity: Severity, transition: Transition) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        subject: Subject {
            key: "ups".into(),
            label: "ups".into(),
        },
        transition,
        severity,
        title: kind.into(),
        ..NoticeDraft::default()
    }
}

fn low() -> NoticeDraft {
    about_ups("low_battery", Severity::Critical, Transition::Opens)
}

fn back() -> NoticeDraft {
    about_ups("on_line", Severity::Success, Transition::Closes)
}

/// One request with these notices; the ways of what was planned, in their order.
fn tell(core: &mut Core, notices: Vec<NoticeDraft>) -> Vec<Option<Way>> {
    let (before, provider) = (core.log.len(), core.provider("p"));
    core.run(Command::Accept(Box::new(Accept {
        provider,
        notices,
        keys: RequestKeys::default(),
        hops: 0,
    })))
    .expect("accepted");
    let accepted = core.log[before..].iter();
    accepted
        .filter_map(|(_, event)| match event {
            Event::Accepted(accepted) => {
                Some(accepted.plan.ways.first().map(|planning| planning.way))
            }
            _ => None,
        })
        .collect()
}

fn snooze_target(core: &mut Core) {
    let until = core.now + HOUR;
    core.run(Command::Snooze(Box::new(Mute {
        scope: Scope::Target,
        name: "t".into(),
        provider: None,
        until,
        by: "user wren".into(),
    })))
    .expect("snoozed");
}

fn release(core: &mut Core, key: DeliveryKey) {
    let due = notify_bridge::domain::command::Due {
        delivery: key,
        notices: Vec::new(),
    };
    core.run(Command::ReleaseDue { due: vec![due] })
        .expect("released");
}

fn only(core: &Core) -> DeliveryKey {
    let mut keys = core.state.outbox.deliveries.keys();
    let key = *keys.next().expect("a delivery");
    assert_eq!(keys.next(), None);
    key
}

fn is_claimed(core: &mut Core, key: DeliveryKey) {
    let told = core.claim(key);
    assert!(matches!(told, Ok(Told::Claimed { .. })), "{told:?}");
    assert_eq!(core.folded(None), core.state);
}

fn deliver(core: &mut Core, key: DeliveryKey) {
    while core.state.outbox.deliveries.contains_key(&key) {
        is_claimed(core, key);
        core.report(key, attempted(0)).expect("sent");
    }
}

const THROUGH: Option<Way> = Some(Way::Now {
    silent: false,
    pierced: true,
});

#[test]
fn the_opening_and_the_closing_of_one_request_both_pierce() {
    for policy in [
        window(),
        json!({"links": [{"target": "t", "digest": {"every": "1h"}}]}),
        json!({"group": {"by": "notice.kind"}}),
    ] {
        let mut core = with(&policy);
        let ways = tell(&mut core, vec![low(), back(), back()]);
        assert_eq!(ways[..2], [THROUGH, THROUGH], "{policy}");
        assert_ne!(ways[2], THROUGH, "what is closed closes nothing: {policy}");
        // The same in two requests, and of what was open before.
        let ways = tell(&mut core, vec![low()]);
        assert_eq!(ways, [THROUGH], "{policy}");
        let ways = tell(&mut core, vec![back(), back()]);
        assert_eq!(ways[0], THROUGH, "{policy}");
        assert_ne!(ways[1], THROUGH, "{policy}");
        assert_eq!(core.folded(None), core.state);
    }
}

#[test]
fn the_end_of_what_was_critical_is_claimed_though_its_target_was_snoozed_meanwhile() {
    for together in [false, true] {
        // Nothing else would hold it, so that nothing but its mark says what it closes.
        let mut core = with(&json!({}));
        if together {
            tell(&mut core, vec![low(), back()]);
        } else {
            tell(&mut core, vec![low()]);
            tell(&mut core, vec![back()]);
        }
        let due: Vec<_> = core.state.outbox.deliveries.keys().copied().collect();
        assert_eq!(due.len(), 2);
        snooze_target(&mut core);
        deliver(&mut core, due[0]);
        is_claimed(&mut core, due[1]);
    }
}

#[test]
fn what_is_critical_waits_for_no_window_that_was_configured_while_it_stood_in_its_lane() {
    let mut core = with(&json!({}));
    core.now = NOON - MINUTE;
    tell(&mut core, vec![low()]);
    configure(&mut core, &window());
    core.now = NOON + MINUTE;
    let key = only(&core);
    is_claimed(&mut core, key);
}

#[test]
fn what_is_critical_and_was_moved_by_a_person_goes_at_that_moment() {
    for restored in [false, true] {
        let mut core = with(&json!({}));
        tell(&mut core, vec![low()]);
        let key = only(&core);
        let until = Some(core.now + MINUTE);
        core.run(Command::HoldUntil {
            delivery: key,
            until,
            by: "user wren".into(),
        })
        .expect("moved");
        if restored {
            configure(&mut core, &window());
        } else {
            snooze_target(&mut core);
        }
        core.now += MINUTE;
        release(&mut core, key);
        is_claimed(&mut core, key);
    }
}

#[test]
fn a_moment_that_a_person_chose_within_quiet_hours_is_not_put_off() {
    let mut core = with(&window());
    tell(
        &mut core,
        vec![about_ups("note", Severity::Info, Transition::None)],
    );
    let key = only(&core);
    assert_eq!(core.state.outbox.deliveries[&key].status, Status::Held);
    let until = Some(core.now + HOUR);
    core.run(Command::HoldUntil {
        delivery: key,
        until,
        by: "user wren".into(),
    })
    .expect("moved");
    core.now += HOUR;
    release(&mut core, key);
    assert_eq!(core.state.outbox.deliveries[&key].status, Status::Due);
    is_claimed(&mut core, key);
}

#[test]
fn what_its_tracker_calls_critical_is_no_part_of_a_summary_after_an_outage() {
    let mut core = with(&json!({
        "severity": {"low_battery": "critical"},
        "links": [{"target": "t", "catch_up": "summary"}],
    }));
    core.run(Command::Pause { by: "me".into() })
        .expect("paused");
    let bad = about_ups("low_battery", Severity::Warning, Transition::Opens);
    let plain = about_ups("note", Severity::Info, Transition::None);
    tell(&mut core, vec![plain.clone()]);
    tell(&mut core, vec![bad]);
    tell(&mut core, vec![plain]);
    core.now += HOUR;
    core.run(Command::Resume { by: "me".into() })
        .expect("resumed");
    core.now += MINUTE;
    let keys: Vec<_> = core.state.outbox.deliveries.keys().copied().collect();
    deliver(&mut core, keys[1]);
    assert_eq!(
        core.state.outbox.deliveries.len(),
        2,
        "nothing went with it"
    );
    assert_eq!(core.claim(keys[0]), Ok(Told::Done));
    assert_eq!(core.state.outbox.deliveries.len(), 1, "the rest is one");
    assert_eq!(core.folded(None), core.state);
}
