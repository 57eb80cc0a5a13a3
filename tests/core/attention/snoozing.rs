//! What people have muted is not planned, and what is held of it is dropped.

use super::*;

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
fn what_is_due_and_snoozed_before_it_is_claimed_is_not_sent() {
    for (scope, name) in [
        (Scope::Tracker, "w"),
        (Scope::Target, "t"),
        (Scope::Collection, "team/app"),
        (Scope::Subject, "a"),
    ] {
        let mut core = with(json!({}), json!({}));
        say(&mut core, "note", "a", Severity::Info, Transition::None);
        let [key] = core.due()[..] else {
            panic!("one is due");
        };
        snooze(&mut core, scope, name, HOUR).unwrap();
        core.claim(key).unwrap();
        assert!(core.state.outbox.deliveries.is_empty(), "{name}");
        assert_eq!(settled_because(&core, What::Snoozed), 1, "{name}");
        same_when_folded(&core);
    }
}

#[test]
fn what_pierces_a_snoozed_target_and_what_a_person_wants_is_claimed_all_the_same() {
    let mut core = with(json!({}), json!({}));
    say(&mut core, "note", "a", Severity::Critical, Transition::None);
    let [key] = core.due()[..] else {
        panic!("one is due");
    };
    snooze(&mut core, Scope::Target, "t", HOUR).unwrap();
    core.claim(key).unwrap();
    assert_eq!(settled_because(&core, What::Snoozed), 0);

    let mut core = with(
        json!({}),
        json!({"links": [{"target": "t", "digest": {"every": "1h"}}]}),
    );
    say(&mut core, "note", "a", Severity::Info, Transition::None);
    let (_, key) = *core.state.outbox.held.first().unwrap();
    snooze(&mut core, Scope::Subject, "a", HOUR).unwrap();
    let by = "user wren".to_owned();
    core.run(Command::ReleaseNow { delivery: key, by }).unwrap();
    core.claim(key).unwrap();
    assert_eq!(settled_because(&core, What::Snoozed), 0);
    same_when_folded(&core);
}

#[test]
fn of_what_is_due_together_only_the_snoozed_is_left_out() {
    let mut core = with(
        json!({}),
        json!({"links": [{"target": "t", "digest": {"every": "1h"}}]}),
    );
    for subject in ["a", "b", "c"] {
        say(&mut core, "note", subject, Severity::Info, Transition::None);
    }
    core.now += HOUR;
    tick(&mut core);
    let [key] = core.due()[..] else {
        panic!("one is due");
    };
    snooze(&mut core, Scope::Subject, "b", HOUR).unwrap();
    core.claim(key).unwrap();
    let delivery = &core.state.outbox.deliveries[&key];
    assert_eq!(delivery.status, Status::Due, "its words are made anew");
    assert_eq!(delivery.gathered.as_ref().unwrap().count(), 2);
    core.claim(key).unwrap();
    assert_eq!(core.state.outbox.deliveries[&key].status, Status::Sending);
    assert_eq!(settled_because(&core, What::Snoozed), 0);
    same_when_folded(&core);
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
