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
use serde_json::{Value, json};

use crate::driver::{Core, draft, entity, provider};

mod snoozing;
mod story;

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
    entity(
        json!({"entity": "target", "name": "t", "kind": "telegram", "pace": "off", "receivers": [receiver]}),
    )
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
