//! Told once, told again, not told: groups, storms, what inhibits, snoozes and acknowledgements.

use notify_bridge::domain::command::{Accept, Command, Mute, Refusal, Repeat, Told};
use notify_bridge::domain::decide::{StormBegun, storms_begun};
use notify_bridge::domain::event::{DeliveryKey, Event, Outcome, RequestKeys};
use notify_bridge::domain::hold::Way;
use notify_bridge::domain::notice::{Severity, Transition};
use notify_bridge::domain::reason::What;
use notify_bridge::domain::spec::{EntityKind, EntitySpec};
use notify_bridge::domain::state::subject_hash;
use notify_bridge::projections::outbox::Status;
use notify_bridge::projections::snoozes::Scope;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::driver::{Core, draft, entity, provider};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// What the timer of the program does, at this moment.
fn tick(core: &mut Core) {
    loop {
        let due: Vec<_> = core
            .state
            .outbox
            .held
            .iter()
            .take_while(|(until, _)| *until <= core.now)
            .map(|(_, key)| *key)
            .collect();
        if due.is_empty() {
            break;
        }
        let due = due.into_iter().map(|key| due_of(core, key)).collect();
        core.run(Command::ReleaseDue { due }).unwrap();
    }
    loop {
        let slots: Vec<u64> = core.state.groups.due(core.now).collect();
        if slots.is_empty() {
            return;
        }
        let due = slots
            .into_iter()
            .map(|slot| {
                let notice = core.state.tells_again(slot).unwrap();
                Repeat {
                    slot,
                    notice,
                    accepted: accepted_at(core, notice).map(Box::new),
                }
            })
            .collect();
        core.run(Command::Repeat { due }).unwrap();
    }
}

fn accepted_at(core: &Core, position: u64) -> Option<notify_bridge::domain::event::Accepted> {
    core.log.iter().find_map(|(at, event)| match event {
        Event::Accepted(accepted) if at.position == position => Some((**accepted).clone()),
        _ => None,
    })
}

fn due_of(core: &Core, delivery: DeliveryKey) -> notify_bridge::domain::command::Due {
    let found = &core.state.outbox.deliveries[&delivery];
    let members: Vec<u64> = match found.gathered.as_deref() {
        Some(gathered) => gathered
            .members()
            .iter()
            .map(|member| member.notice)
            .collect(),
        None => vec![found.notice],
    };
    let notices = members
        .into_iter()
        .filter_map(|notice| Some((notice, accepted_at(core, notice)?)))
        .collect();
    notify_bridge::domain::command::Due { delivery, notices }
}

/// Goes ahead in time, stopping wherever something is due, and sends all that is.
fn ahead(core: &mut Core, micros: i64) -> Vec<i64> {
    let end = core.now + micros;
    let mut sent = Vec::new();
    loop {
        tick(core);
        for _ in core.due() {
            sent.push(core.now);
        }
        core.send_all();
        let next = core.state.outbox.next_release();
        let next = next
            .into_iter()
            .chain(core.state.groups.next_repeat())
            .min();
        match next.filter(|next| *next <= end) {
            Some(next) => core.now = next.max(core.now),
            None => break,
        }
    }
    core.now = end;
    sent
}

fn target(receiver: Value) -> EntitySpec {
    let mut receiver = receiver;
    receiver["name"] = "r".into();
    receiver["to"] = "1".into();
    entity(json!({"entity": "target", "name": "t", "kind": "telegram", "receivers": [receiver]}))
}

fn tracker(policy: Value) -> EntitySpec {
    let mut spec =
        json!({"entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t"}]});
    let fields = policy.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    entity(spec)
}

fn grouping() -> Value {
    json!({"group": {"by": "notice.collection", "wait": "30s", "interval": "5m", "repeat": "4h"}})
}

fn with(receiver: Value, policy: Value) -> Core {
    let mut core = Core::new();
    core.configure(vec![provider("p"), target(receiver), tracker(policy)])
        .unwrap();
    core
}

fn say(core: &mut Core, kind: &str, subject: &str, severity: Severity, transition: Transition) {
    let provider = core.provider("p");
    say_of(core, provider, kind, subject, severity, transition);
}

fn say_of(
    core: &mut Core,
    provider: u32,
    kind: &str,
    subject: &str,
    severity: Severity,
    transition: Transition,
) {
    let mut notice = draft(subject, severity);
    notice.kind = kind.into();
    notice.transition = transition;
    core.run(Command::Accept(Box::new(Accept {
        provider,
        notices: vec![notice],
        keys: RequestKeys::default(),
        hops: 0,
    })))
    .unwrap();
}

fn opens(core: &mut Core, subject: &str) {
    say(
        core,
        "firing",
        subject,
        Severity::Warning,
        Transition::Opens,
    );
}

fn closes(core: &mut Core, subject: &str) {
    say(
        core,
        "resolved",
        subject,
        Severity::Success,
        Transition::Closes,
    );
}

fn acknowledge(core: &mut Core, subject: &str) -> Result<Told, Refusal> {
    let provider = core.provider("p");
    core.run(Command::Acknowledge {
        notice: core.state.position,
        provider,
        subject: subject_hash(provider, subject, 0),
        by: "user wren".into(),
    })
}

fn snooze(core: &mut Core, scope: Scope, name: &str, micros: i64) -> Result<Told, Refusal> {
    core.run(Command::Snooze(Box::new(Mute {
        scope,
        name: name.into(),
        provider: None,
        until: core.now + micros,
        by: "user wren".into(),
    })))
}

/// Reasons that routing gave to the last notice.
fn last_reasons(core: &Core) -> Vec<(What, Option<i64>)> {
    let found = core.log.iter().rev().find_map(|(_, event)| match event {
        Event::Accepted(accepted) => Some(&accepted.plan.routed),
        _ => None,
    });
    found
        .unwrap()
        .iter()
        .map(|routed| (routed.what, routed.until))
        .collect()
}

fn settled_because(core: &Core, what: What) -> usize {
    core.log
        .iter()
        .filter(|(_, event)| matches!(event, Event::DeliverySettled { why, .. } if *why == what))
        .count()
}

fn same_when_folded(core: &Core) {
    core.check();
    assert_eq!(core.folded(None), core.state);
    let middle = core.log.len() / 2;
    assert_eq!(core.folded(Some(middle)), core.state);
}

#[test]
fn a_group_waits_then_is_quiet_then_is_told_again() {
    let mut core = with(json!({}), grouping());
    let begin = core.now;
    opens(&mut core, "a");
    core.now += 10 * SECOND;
    opens(&mut core, "b");
    assert_eq!(core.state.outbox.deliveries.len(), 1, "the second joins");
    let sent = ahead(&mut core, MINUTE);
    assert_eq!(sent, [begin + 30 * SECOND]);
    // Within the interval: held until its end.
    opens(&mut core, "c");
    let sent = ahead(&mut core, 10 * MINUTE);
    let told = begin + 30 * SECOND + 5 * MINUTE;
    assert_eq!(sent, [told]);
    // Something is open: told again and again.
    let sent = ahead(&mut core, 9 * HOUR);
    assert_eq!(sent, [told + 4 * HOUR, told + 8 * HOUR]);
    same_when_folded(&core);
    closes(&mut core, "a");
    closes(&mut core, "b");
    let sent = ahead(&mut core, HOUR);
    assert_eq!(sent.len(), 1, "both ends in one message");
    closes(&mut core, "c");
    ahead(&mut core, 24 * HOUR);
    assert_eq!(core.state.groups.next_repeat(), None);
    say(&mut core, "note", "", Severity::Info, Transition::None);
    ahead(&mut core, HOUR);
    say(&mut core, "note", "", Severity::Info, Transition::None);
    assert_eq!(core.state.groups.len(), 1, "only the one that waits now");
    same_when_folded(&core);
}

#[test]
fn what_pierces_is_repeated_as_well() {
    let mut core = with(json!({}), grouping());
    say(
        &mut core,
        "firing",
        "a",
        Severity::Critical,
        Transition::Opens,
    );
    assert_eq!(core.due().len(), 1);
    let begin = core.now;
    let sent = ahead(&mut core, 5 * HOUR);
    assert_eq!(sent, [begin, begin + 4 * HOUR]);
    same_when_folded(&core);
}

#[test]
fn an_acknowledged_subject_is_not_told_again() {
    let mut core = with(json!({}), grouping());
    assert!(matches!(
        acknowledge(&mut core, "a"),
        Err(Refusal::Conflict(_))
    ));
    opens(&mut core, "a");
    ahead(&mut core, HOUR);
    assert_eq!(acknowledge(&mut core, "a"), Ok(Told::Changed { count: 1 }));
    assert_eq!(acknowledge(&mut core, "a"), Ok(Told::Changed { count: 0 }));
    assert!(ahead(&mut core, 24 * HOUR).is_empty());
    opens(&mut core, "b");
    assert_eq!(ahead(&mut core, 5 * HOUR).len(), 2, "another one is");
    same_when_folded(&core);
}

#[test]
fn a_repeat_that_waits_is_dropped_when_somebody_knows() {
    let mut core = with(json!({}), grouping());
    opens(&mut core, "a");
    ahead(&mut core, HOUR);
    core.now += 4 * HOUR;
    tick(&mut core);
    assert_eq!(core.due().len(), 1);
    acknowledge(&mut core, "a").unwrap();
    assert!(core.due().is_empty());
    assert_eq!(settled_because(&core, What::Acknowledged), 1);
    same_when_folded(&core);
}

#[test]
fn a_step_of_the_clock_keeps_the_time_between_repeats() {
    let mut core = with(json!({}), grouping());
    opens(&mut core, "a");
    ahead(&mut core, HOUR);
    let day = 24 * HOUR;
    core.now += day;
    core.run(Command::ClockStepped { by_micros: day }).unwrap();
    assert!(ahead(&mut core, HOUR).is_empty());
    assert_eq!(ahead(&mut core, 3 * HOUR).len(), 1);
    same_when_folded(&core);
}

#[test]
fn a_group_goes_with_what_it_is_of() {
    for removes in [
        vec![(EntityKind::Tracker, "w")],
        vec![(EntityKind::Tracker, "w"), (EntityKind::Target, "t")],
        vec![(EntityKind::Tracker, "w"), (EntityKind::Provider, "p")],
    ] {
        let mut core = with(json!({}), grouping());
        opens(&mut core, "a");
        ahead(&mut core, HOUR);
        assert_eq!(core.state.groups.len(), 1);
        core.remove(&removes).unwrap();
        assert!(core.state.groups.is_empty());
        same_when_folded(&core);
    }
    let mut core = with(json!({}), grouping());
    opens(&mut core, "a");
    ahead(&mut core, HOUR);
    core.configure(vec![tracker(json!({}))]).unwrap();
    assert!(core.state.groups.is_empty());
    assert!(ahead(&mut core, 9 * HOUR).is_empty());
    same_when_folded(&core);
}

#[test]
fn a_repeat_of_a_tracker_that_is_off_ends() {
    let mut core = with(json!({}), grouping());
    opens(&mut core, "a");
    ahead(&mut core, HOUR);
    let mut off = grouping();
    off["enabled"] = false.into();
    core.configure(vec![tracker(off)]).unwrap();
    assert!(ahead(&mut core, 9 * HOUR).is_empty());
    assert_eq!(core.state.groups.next_repeat(), None);
    same_when_folded(&core);
}

#[test]
fn more_than_the_storm_rate_becomes_one_summary() {
    let mut core = with(json!({"storm": "3/1m"}), json!({}));
    let begin = core.now;
    for n in 0..10 {
        say(
            &mut core,
            "note",
            &n.to_string(),
            Severity::Info,
            Transition::None,
        );
    }
    assert_eq!(core.due().len(), 3);
    let held = core.state.outbox.held.first().unwrap().1;
    let gathered = core.state.outbox.deliveries[&held].gathered.clone();
    assert_eq!(gathered.unwrap().count(), 7, "nothing is uncounted");
    say(
        &mut core,
        "firing",
        "x",
        Severity::Critical,
        Transition::None,
    );
    assert_eq!(core.due().len(), 4, "what pierces passes");
    same_when_folded(&core);
    core.send_all();
    let events: Vec<Event> = core.log.iter().map(|(_, event)| event.clone()).collect();
    let begun = StormBegun {
        target: "t".into(),
        receiver: "r".into(),
        limit: "3/min".into(),
    };
    assert_eq!(storms_begun(&core.state, &events), [begun], "said once");
    let sent = ahead(&mut core, 2 * MINUTE);
    assert_eq!(sent, [begin + MINUTE], "one summary");
    say(&mut core, "note", "", Severity::Info, Transition::None);
    assert_eq!(core.due().len(), 1, "the storm is over");
    same_when_folded(&core);
}

#[test]
fn the_bridge_says_once_that_there_is_a_storm_and_not_to_whom_it_is_about() {
    let mut core = with(json!({"storm": "3/1m"}), json!({}));
    let other = json!({"entity": "target", "name": "other", "kind": "telegram", "receivers": [{"name": "o", "to": "2"}]});
    let watch = json!({"entity": "tracker", "name": "self", "provider": "bridge", "links": [{"target": "t"}, {"target": "other"}]});
    core.configure(vec![entity(other), entity(watch)]).unwrap();
    for n in 0..10 {
        say(
            &mut core,
            "note",
            &n.to_string(),
            Severity::Info,
            Transition::None,
        );
    }
    let said: Vec<usize> = core
        .log
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Accepted(accepted) if accepted.notice.kind == "bridge_storm" => {
                Some(accepted.plan.planned.len())
            }
            _ => None,
        })
        .collect();
    assert_eq!(said, [1], "to the other target only");
    same_when_folded(&core);
}

#[test]
fn a_storm_within_one_request_and_after_a_night_is_one_too() {
    let mut core = with(json!({"storm": "2/5m"}), json!({}));
    let provider = core.provider("p");
    let notices = (0..20)
        .map(|n| draft(&n.to_string(), Severity::Info))
        .collect();
    core.run(Command::Accept(Box::new(Accept {
        provider,
        notices,
        keys: RequestKeys::default(),
        hops: 0,
    })))
    .unwrap();
    assert_eq!(core.due().len(), 2);
    assert_eq!(core.state.outbox.held.len(), 1);
    same_when_folded(&core);

    // Many are released at one moment, from slots of their own.
    let night = json!({"quiet": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00", "zone": "UTC", "mode": "hold"}]});
    let mut core = with(json!({"storm": "2/5m"}), night.clone());
    for n in 0..6 {
        say(
            &mut core,
            &format!("kind_{n}"),
            "",
            Severity::Info,
            Transition::None,
        );
    }
    assert_eq!(core.state.outbox.held.len(), 6);
    core.configure(vec![tracker(json!({}))]).unwrap();
    core.run(Command::Replan { after: None }).unwrap();
    assert_eq!(core.due().len(), 2);
    assert_eq!(core.state.outbox.held.len(), 1);
    same_when_folded(&core);
}

#[test]
fn a_tracker_is_silent_while_something_else_is_open() {
    let rule = |until: Value| {
        let mut when = json!({"provider": "ups", "kind": "on_battery"});
        if !until.is_null() {
            when["until"] = until;
        }
        json!({"inhibit": [{"when": when, "except": "critical"}]})
    };
    for (until, begins, ends) in [
        (Value::Null, Transition::Opens, Transition::Closes),
        ("on_line".into(), Transition::None, Transition::None),
    ] {
        let mut core = Core::new();
        core.configure(vec![
            provider("p"),
            provider("ups"),
            target(json!({})),
            tracker(rule(until)),
        ])
        .unwrap();
        let ups = core.provider("ups");
        say(&mut core, "note", "", Severity::Info, Transition::None);
        assert_eq!(core.due().len(), 1);
        say_of(
            &mut core,
            ups,
            "on_battery",
            "ups1",
            Severity::Critical,
            begins,
        );
        say(&mut core, "note", "", Severity::Info, Transition::None);
        assert_eq!(last_reasons(&core), [(What::Inhibited, None)]);
        same_when_folded(&core);
        say(&mut core, "note", "", Severity::Critical, Transition::None);
        assert_eq!(core.due().len(), 2, "critical passes");
        say_of(&mut core, ups, "on_line", "ups1", Severity::Success, ends);
        say(&mut core, "note", "", Severity::Info, Transition::None);
        assert_eq!(core.due().len(), 3);
        core.remove(&[(EntityKind::Tracker, "w")]).unwrap();
        assert!(core.state.inhibitors.is_empty());
        same_when_folded(&core);
    }
}

#[test]
fn what_is_snoozed_is_not_planned_until_it_is_over() {
    for (scope, name) in [
        (Scope::Tracker, "w"),
        (Scope::Collection, "team/app"),
        (Scope::Subject, "a"),
    ] {
        let mut core = with(json!({}), json!({}));
        snooze(&mut core, scope, name, HOUR).unwrap();
        let until = core.now + HOUR;
        say(
            &mut core,
            "firing",
            "a",
            Severity::Critical,
            Transition::Opens,
        );
        assert_eq!(
            last_reasons(&core),
            [(What::Snoozed, Some(until))],
            "{name}"
        );
        assert!(core.due().is_empty(), "not even what is critical: {name}");
        core.now += HOUR;
        say(&mut core, "firing", "a", Severity::Info, Transition::None);
        assert_eq!(core.due().len(), 1, "{name}");
        same_when_folded(&core);
    }
}

#[test]
fn a_snoozed_target_hears_only_what_pierces() {
    let mut core = with(json!({}), json!({}));
    let told = snooze(&mut core, Scope::Target, "t", HOUR).unwrap();
    let Told::Snoozed { id } = told else {
        panic!("{told:?}");
    };
    say(&mut core, "note", "", Severity::Info, Transition::None);
    assert!(core.due().is_empty());
    let Event::Accepted(accepted) = &core.log.last().unwrap().1 else {
        panic!("accepted");
    };
    assert_eq!(
        accepted.plan.ways[0].way,
        Way::Dropped { why: What::Snoozed }
    );
    say(&mut core, "note", "", Severity::Critical, Transition::None);
    assert_eq!(core.due().len(), 1);
    // The same again is the same snooze, with another end.
    assert_eq!(
        snooze(&mut core, Scope::Target, "t", 2 * HOUR),
        Ok(Told::Snoozed { id })
    );
    let by = "user wren".to_owned();
    core.run(Command::EndSnooze { id, by: by.clone() }).unwrap();
    assert!(matches!(
        core.run(Command::EndSnooze { id, by }),
        Err(Refusal::NotFound { .. })
    ));
    say(&mut core, "note", "", Severity::Info, Transition::None);
    assert_eq!(core.due().len(), 2);
    same_when_folded(&core);
}

#[test]
fn what_is_held_and_snoozed_meanwhile_is_dropped_at_its_release() {
    let digest = json!({"links": [{"target": "t", "digest": {"every": "1h"}}]});
    for (scope, name, left) in [
        (Scope::Tracker, "w", 0),
        (Scope::Target, "t", 0),
        (Scope::Collection, "team/app", 0),
        (Scope::Subject, "a", 1),
    ] {
        let mut core = with(json!({}), digest.clone());
        say(&mut core, "note", "a", Severity::Info, Transition::None);
        say(&mut core, "note", "b", Severity::Info, Transition::None);
        assert_eq!(core.state.outbox.held.len(), 1);
        snooze(&mut core, scope, name, 2 * HOUR).unwrap();
        core.now += HOUR;
        tick(&mut core);
        assert_eq!(core.due().len(), left, "{name}");
        assert_eq!(settled_because(&core, What::Snoozed), 1 - left, "{name}");
        if let Some(key) = core.due().first() {
            let gathered = core.state.outbox.deliveries[key].gathered.clone();
            assert_eq!(gathered.unwrap().count(), 1);
        }
        same_when_folded(&core);
    }
}

#[test]
fn a_snooze_that_makes_no_sense_is_refused() {
    let mut core = with(json!({}), json!({}));
    for (scope, name, micros) in [
        (Scope::Tracker, "nobody", HOUR),
        (Scope::Target, "nobody", HOUR),
        (Scope::Subject, "", HOUR),
        (Scope::Subject, "a", -HOUR),
        (Scope::Subject, "a", 400 * 24 * HOUR),
    ] {
        assert!(snooze(&mut core, scope, name, micros).is_err(), "{name}");
    }
    snooze(&mut core, Scope::Tracker, "w", HOUR).unwrap();
    core.remove(&[(EntityKind::Tracker, "w")]).unwrap();
    assert_eq!(core.state.snoozes.on(core.now).count(), 0);
    same_when_folded(&core);
}

#[derive(Debug, Clone)]
enum Act {
    Say { kind: u8, subject: u8, bad: bool },
    Wait { seconds: u32 },
    Acknowledge { subject: u8 },
    Snooze { scope: u8, minutes: u8 },
    EndSnoozes,
    Step { seconds: i32 },
    Send,
    Reconfigure { policy: u8 },
    Remove,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0u8..4, 0u8..5, any::<bool>()).prop_map(|(kind, subject, bad)| Act::Say { kind, subject, bad }),
        5 => (0u32..20_000).prop_map(|seconds| Act::Wait { seconds }),
        2 => (0u8..5).prop_map(|subject| Act::Acknowledge { subject }),
        1 => (0u8..4, 1u8..200).prop_map(|(scope, minutes)| Act::Snooze { scope, minutes }),
        1 => Just(Act::EndSnoozes),
        1 => (-90_000i32..90_000).prop_map(|seconds| Act::Step { seconds }),
        4 => Just(Act::Send),
        1 => (0u8..4).prop_map(|policy| Act::Reconfigure { policy }),
        1 => Just(Act::Remove),
    ]
}

fn policy(which: u8) -> (Value, Value) {
    let storm = json!({"storm": "2/10m"});
    let inhibit =
        json!([{"when": {"provider": "p", "kind": "note", "until": "done"}, "except": "critical"}]);
    match which {
        0 => (storm, grouping()),
        1 => (json!({}), grouping()),
        2 => {
            let mut both = grouping();
            both["settle"] = "1m".into();
            both["inhibit"] = inhibit;
            (storm, both)
        }
        _ => (storm, json!({"inhibit": inhibit})),
    }
}

fn perform(core: &mut Core, act: &Act) {
    // Refusals are part of the game.
    let _outcome = match act {
        Act::Say { kind, subject, bad } => {
            if core.provider("p") != 0 {
                let (kind, transition) = [
                    ("firing", Transition::Opens),
                    ("resolved", Transition::Closes),
                    ("note", Transition::None),
                    ("done", Transition::None),
                ][usize::from(*kind)];
                let severity = if *bad {
                    Severity::Critical
                } else {
                    Severity::Info
                };
                say(core, kind, &subject.to_string(), severity, transition);
            }
            Ok(Told::Done)
        }
        Act::Wait { seconds } => {
            core.now += i64::from(*seconds) * SECOND;
            tick(core);
            Ok(Told::Done)
        }
        Act::Acknowledge { subject } => acknowledge(core, &subject.to_string()),
        Act::Snooze { scope, minutes } => {
            let (scope, name) = [
                (Scope::Tracker, "w"),
                (Scope::Target, "t"),
                (Scope::Collection, "team/app"),
                (Scope::Subject, "1"),
            ][usize::from(*scope)];
            snooze(core, scope, name, i64::from(*minutes) * MINUTE)
        }
        Act::EndSnoozes => {
            let ids: Vec<u32> = core.state.snoozes.on(core.now).map(|on| on.id).collect();
            for id in ids {
                core.run(Command::EndSnooze {
                    id,
                    by: "user wren".into(),
                })
                .unwrap();
            }
            Ok(Told::Done)
        }
        Act::Step { seconds } => {
            let by_micros = i64::from(*seconds) * SECOND;
            core.now += by_micros;
            core.run(Command::ClockStepped { by_micros })
        }
        Act::Send => {
            core.send_all();
            Ok(Told::Done)
        }
        Act::Reconfigure { policy: which } => {
            let (receiver, of_tracker) = policy(*which);
            core.configure(vec![provider("p"), target(receiver), tracker(of_tracker)])
        }
        Act::Remove => core.remove(&[(EntityKind::Tracker, "w")]),
    };
}

/// What was planned is told, taken back, dropped with a reason, or still open: nothing is lost.
fn everything_is_accounted_for(core: &Core) {
    let (mut planned, mut merged, mut ended) = (0, 0, 0);
    for (_, event) in &core.log {
        if let Event::Accepted(accepted) = event {
            planned += accepted.plan.planned.len();
            merged += ways(&accepted.plan.ways);
        }
        if let Event::Resent { plan, .. } = event {
            planned += plan.planned.len();
            merged += ways(&plan.ways);
        }
        if let Event::DeliverySettled { outcome, .. } = event {
            ended += usize::from(*outcome != Outcome::Parked);
        }
        merged += usize::from(matches!(event, Event::DeliveryMerged { .. }));
    }
    assert_eq!(planned, merged + ended + core.state.outbox.deliveries.len());
}

fn ways(ways: &[notify_bridge::domain::hold::Planning]) -> usize {
    let ends = |way: &Way| match way {
        Way::Now { .. } | Way::Held { .. } => false,
        Way::Merged { .. } | Way::Cancelled { .. } | Way::Dropped { .. } => true,
    };
    ways.iter().filter(|planning| ends(&planning.way)).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_story_folds_to_the_same_state_and_comes_to_rest(
        first in 0u8..4,
        acts in proptest::collection::vec(act(), 1..80),
        snapshot_at in 0usize..200,
    ) {
        let (receiver, of_tracker) = policy(first);
        let mut core = with(receiver, of_tracker);
        for act in &acts {
            perform(&mut core, act);
            core.check();
            everything_is_accounted_for(&core);
        }
        prop_assert_eq!(&core.folded(None), &core.state);
        let at = snapshot_at % core.log.len();
        prop_assert_eq!(&core.folded(Some(at)), &core.state);

        // Everything closes and time goes by: nothing of all this is left.
        for subject in 0..5 {
            closes(&mut core, &subject.to_string());
        }
        ahead(&mut core, 200 * HOUR);
        prop_assert!(core.state.outbox.deliveries.values().all(|left| left.status != Status::Held));
        prop_assert_eq!(core.state.groups.next_repeat(), None);
        say(&mut core, "other", "", Severity::Info, Transition::None);
        ahead(&mut core, HOUR);
        say(&mut core, "other", "", Severity::Info, Transition::None);
        prop_assert!(core.state.groups.len() <= 1);
        prop_assert_eq!(core.state.snoozes.on(core.now).count(), 0);
        prop_assert_eq!(&core.folded(None), &core.state);
    }
}
