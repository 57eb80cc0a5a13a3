//! Any story of notices, waits, snoozes and acknowledgements.

use super::*;
use proptest::prelude::*;

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

/// What drops a repeat must not leave it due: it would be planned again at once, for ever.
#[test]
fn a_repeat_that_is_dropped_is_put_off() {
    let (receiver, of_tracker) = policy(1);
    let mut core = with(receiver, of_tracker);
    let says = |kind, subject, bad| Act::Say { kind, subject, bad };
    let waits = |seconds| Act::Wait { seconds };
    let acts = [
        says(1, 1, true),
        says(0, 1, true),
        says(0, 4, false),
        says(1, 1, false),
        waits(3_206),
        says(1, 3, true),
        Act::Send,
        waits(12_384),
        Act::Send,
        waits(17_847),
        Act::Snooze {
            scope: 1,
            minutes: 63,
        },
        // The snooze ends by the clock, and so it lasts until the clock is there again.
        Act::Step { seconds: -38_036 },
        says(3, 0, false),
        Act::Send,
        says(2, 4, false),
        waits(9_350),
        waits(19_252),
    ];
    for act in &acts {
        perform(&mut core, act);
    }
    let put_off = core.log.iter().filter(|(_, event)| {
        matches!(
            event,
            Event::RepeatPutOff {
                again: true,
                why: What::Snoozed,
                ..
            }
        )
    });
    assert!((1..50).contains(&put_off.count()));
}
