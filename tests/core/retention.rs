//! Retention: what is forgotten leaves the log, and the log folds to what it folded to before.

use std::collections::{BTreeMap, BTreeSet};

use notify_bridge::domain::command::{Command, Configure, Refusal, Report, Saying, Told};
use notify_bridge::domain::event::{Answer, Event, Outcome, Remember};
use notify_bridge::domain::retention::{BodyCensus, Census, Fate, Founded, Policy, Wanted, fate};
use notify_bridge::domain::spec::{KindRetention, RetentionSpec, Settings};
use notify_bridge::domain::state::{At, State, word_hash};
use notify_bridge::projections::counts::Count;
use notify_store::{Payload, Stream};
use proptest::prelude::*;

use super::driver::{Core, accept, entity, provider, ready, target};
use super::holds;

const DAY: i64 = 86_400 * 1_000_000;

fn keep(core: &mut Core, retention: RetentionSpec) {
    let settings = Settings {
        retention: Some(retention),
        ..core.state.configuration.settings.clone()
    };
    core.run(Command::Configure(Box::new(Configure {
        by: "test".into(),
        settings: Some(settings),
        ..Configure::default()
    })))
    .expect("settings are taken");
}

fn newest(most: u32) -> RetentionSpec {
    RetentionSpec {
        notices_days: 0,
        notices_per_provider: most,
        configuration_days: 0,
        ..RetentionSpec::default()
    }
}

fn wanted(core: &Core) -> Wanted {
    let mut census = Census::new(&core.state, core.now);
    for (at, event) in &core.log {
        let (provider, kind) = match event {
            Event::Accepted(accepted) => (accepted.provider, accepted.notice.kind.as_str()),
            Event::IntakeUnreadable { provider, .. } => (*provider, ""),
            event => {
                if event.stream() == Stream::None {
                    census.history(at.position, at.recorded_at);
                }
                continue;
            }
        };
        census.family(Founded {
            position: at.position,
            provider,
            kind,
            received_at: at.recorded_at,
        });
    }
    census.finish()
}

/// One logical step. Says whether there was anything to forget.
fn forget(core: &mut Core) -> bool {
    let wanted = Box::new(wanted(core));
    let by = String::new();
    core.run(Command::AdvanceRetention { wanted, by })
        .expect("it advances")
        != Told::Done
}

/// What the physical step may remove, family by family.
fn doomed(core: &Core) -> Vec<Vec<u64>> {
    let mut members: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (at, event) in &core.log {
        if let Stream::Of(founding) = event.stream() {
            members.entry(founding).or_default().push(at.position);
        }
    }
    let mut doomed = Vec::new();
    for (at, event) in &core.log {
        match fate(&core.state.retention, at.position, event) {
            Fate::Stays => {}
            Fate::Goes => doomed.push(vec![at.position]),
            Fate::FamilyGoes => {
                let mut family = members.remove(&at.position).unwrap_or_default();
                if family
                    .last()
                    .is_none_or(|last| *last < core.state.retention.carried_at)
                {
                    family.push(at.position);
                    doomed.push(family);
                }
            }
        }
    }
    doomed
}

/// The state to which the log folds without these.
fn folded_without(core: &Core, gone: &BTreeSet<u64>) -> State {
    let log: Vec<(At, Event)> = core
        .log
        .iter()
        .filter(|(at, _)| !gone.contains(&at.position))
        .cloned()
        .collect();
    Core {
        log,
        firsts: core.firsts.clone(),
        ..Core::default()
    }
    .refolded(None)
}

fn compact(core: &mut Core) {
    let gone: BTreeSet<u64> = doomed(core).into_iter().flatten().collect();
    core.log.retain(|(at, _)| !gone.contains(&at.position));
}

fn totals(state: &State) -> Count {
    let mut total = Count::default();
    for count in state.counts.days.values() {
        total.add(count);
    }
    total
}

#[derive(Debug, Clone)]
enum Step {
    Plain(super::Step),
    Held(holds::Step),
    Keep {
        most: u32,
        of_kind: u32,
        history: bool,
    },
    Retain {
        removed: u8,
    },
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => super::step().prop_map(Step::Plain),
        5 => holds::step().prop_map(Step::Held),
        1 => (0u32..4, 0u32..4, any::<bool>())
            .prop_map(|(most, of_kind, history)| Step::Keep { most, of_kind, history }),
        2 => (0u8..=4).prop_map(|removed| Step::Retain { removed }),
        1 => Just(Step::Later),
    ]
}

fn take(core: &mut Core, step: &Step) {
    match step {
        Step::Plain(step) => super::take(core, step),
        // Their provider may be gone by then.
        Step::Held(holds::Step::Tell(_)) if core.state.configuration.provider("p").is_none() => {}
        Step::Held(step) => holds::take(core, step),
        Step::Keep {
            most,
            of_kind,
            history,
        } => {
            let rule = KindRetention {
                days: 20,
                most: *of_kind,
            };
            let spec = RetentionSpec {
                notices_days: 30,
                configuration_days: u32::from(*history) * 10,
                kinds: BTreeMap::from([("firing".to_owned(), rule)]),
                ..newest(*most)
            };
            keep(core, spec);
        }
        Step::Retain { removed } => {
            let before = totals(&core.state);
            forget(core);
            assert_eq!(totals(&core.state), before, "totals never change");
            // It may be killed on the way: after any family, and within one as long as its notice stays.
            let mut doomed = doomed(core);
            let whole = doomed.len() * usize::from(*removed) / 4;
            let begun = doomed.split_off(whole);
            let mut gone: BTreeSet<u64> = doomed.into_iter().flatten().collect();
            gone.extend(
                begun
                    .first()
                    .and_then(|family| family.split_last())
                    .into_iter()
                    .flat_map(|(_, members)| members.iter().take(1)),
            );
            assert_eq!(folded_without(core, &gone), core.state);
            core.log.retain(|(at, _)| !gone.contains(&at.position));
        }
        Step::Later => core.now += 15 * DAY,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The law: what is removed changes nothing of what the log folds to, however often and wherever
    /// it is interrupted; and a second run has nothing to do.
    #[test]
    fn the_log_folds_to_what_it_folded_to_before(steps in proptest::collection::vec(step(), 1..70)) {
        let mut core = ready(2);
        for step in &steps {
            take(&mut core, step);
            core.check();
        }
        forget(&mut core);
        compact(&mut core);
        prop_assert_eq!(&core.folded(None), &core.state);
        let position = core.state.position;
        prop_assert!(!forget(&mut core));
        prop_assert_eq!(core.state.position, position, "a second run appends nothing");
        prop_assert!(doomed(&core).is_empty());
        // Nothing that is open was torn.
        let left: BTreeSet<u64> = core.log.iter().map(|(at, _)| at.position).collect();
        for notice in core.state.outbox.notices.values() {
            prop_assert!(left.contains(&notice.notice));
        }
        for (at, event) in &core.log {
            if let Stream::Of(founding) = event.stream() {
                prop_assert!(left.contains(&founding), "{} has lost its notice", at.position);
            }
        }
    }
}

fn notices(core: &Core) -> Vec<u64> {
    let founding =
        |(at, event): &(At, Event)| matches!(event, Event::Accepted(_)).then_some(at.position);
    core.log.iter().filter_map(founding).collect()
}

#[test]
fn the_newest_stay_and_what_is_open_stays_with_them() {
    let mut core = ready(1);
    let provider = core.provider("p");
    core.run(accept(provider, "open", Some(1))).unwrap();
    let open = core.state.position;
    let key = core.due()[0];
    core.run(Command::HoldUntil {
        delivery: key,
        until: None,
        by: "ada".into(),
    })
    .unwrap();
    for n in 0..10 {
        core.run(accept(provider, &n.to_string(), Some(100 + n)))
            .unwrap();
    }
    core.send_all();
    let all = notices(&core);
    keep(&mut core, newest(3));
    assert!(forget(&mut core));
    compact(&mut core);
    let mut kept = vec![open];
    kept.extend(&all[all.len() - 3..]);
    assert_eq!(notices(&core), kept);
    // What is gone can be sent again by its sender; what is left is known.
    let again = core.run(accept(provider, "0", Some(100))).unwrap();
    assert!(matches!(again, Told::Accepted { .. }), "{again:?}");
    let known = core.run(accept(provider, "open", Some(1))).unwrap();
    assert!(matches!(known, Told::Duplicate { .. }), "{known:?}");
    // Once it is over, it goes.
    core.run(Command::ReleaseNow {
        delivery: key,
        by: "ada".into(),
    })
    .unwrap();
    core.send_all();
    assert!(forget(&mut core));
    compact(&mut core);
    assert!(!notices(&core).contains(&open));
    assert_eq!(core.folded(None), core.state);
}

#[test]
fn age_is_that_of_the_notice_and_kinds_and_providers_have_their_own() {
    let mut core = ready(1);
    core.configure(vec![
        entity(serde_json::json!({
            "entity": "provider", "name": "q", "kind": "webhook", "retention": {"notices_days": 0},
        })),
        provider("r"),
    ])
    .unwrap();
    let of_kind = BTreeMap::from([("received".to_owned(), KindRetention { days: 2, most: 0 })]);
    let days = |notices_days, kinds| RetentionSpec {
        notices_days,
        kinds,
        ..newest(0)
    };
    let names = ["p", "q", "r"];
    for _ in 0..5 {
        for name in names {
            let id = core.provider(name);
            core.run(accept(id, "s", None)).unwrap();
        }
        core.send_all();
        core.now += DAY;
    }
    let left = |core: &Core, name: &str| {
        let id = core.provider(name);
        let is_its = |(_, event): &&(At, Event)| matches!(event, Event::Accepted(accepted) if accepted.provider == id);
        core.log.iter().filter(is_its).count()
    };
    for (spec, expected) in [
        (days(0, BTreeMap::new()), [5, 5, 5]),
        (days(3, BTreeMap::new()), [3, 5, 3]),
        // A provider that keeps everything keeps it but for the kinds that have a rule.
        (days(3, of_kind), [2, 2, 2]),
        // What is gone does not come back.
        (days(90, BTreeMap::new()), [2, 2, 2]),
    ] {
        keep(&mut core, spec.clone());
        forget(&mut core);
        compact(&mut core);
        assert_eq!(names.map(|name| left(&core, name)), expected, "{spec:?}");
        assert_eq!(core.folded(None), core.state);
    }
}

#[test]
fn what_can_be_edited_or_is_named_by_a_held_message_stays() {
    let mut core = Core::new();
    let watch = entity(serde_json::json!({
        "entity": "tracker", "name": "w", "provider": "p", "links": [{"target": "t", "update": true}],
    }));
    core.configure(vec![provider("p"), target("t", 1), watch])
        .unwrap();
    let id = core.provider("p");
    core.run(accept(id, "shown", None)).unwrap();
    let shown = core.state.position;
    let key = core.due()[0];
    core.claim(key).unwrap();
    core.run(Command::Report(Box::new(Report {
        delivery: key,
        attempt: 1,
        part: 0,
        parts: 1,
        result: super::attempted(0),
        answer: Answer::default(),
        saying: Saying {
            remember: Remember::Keep,
            edited: None,
            anew: None,
            files: Default::default(),
        },
    })))
    .unwrap();
    keep(&mut core, newest(1));
    for n in 0..4 {
        core.run(accept(id, &n.to_string(), None)).unwrap();
    }
    core.send_all();
    forget(&mut core);
    compact(&mut core);
    assert!(notices(&core).contains(&shown));
    assert_eq!(core.folded(None), core.state);
}

#[test]
fn what_is_forgotten_is_not_sent_again() {
    let mut core = ready(1);
    let id = core.provider("p");
    core.run(accept(id, "a", None)).unwrap();
    let notice = core.state.position;
    let Some((_, Event::Accepted(accepted))) = core.log.last().cloned() else {
        panic!("a notice")
    };
    core.run(accept(id, "b", None)).unwrap();
    core.send_all();
    keep(&mut core, newest(1));
    forget(&mut core);
    let horizons = &core.state.retention.horizons;
    assert!(horizons.is_forgotten(id, word_hash("received"), notice));
    assert_eq!(horizons.mark(), notice + 1);
    let again = core.run(Command::Resend {
        notice,
        accepted,
        by: "ada".into(),
    });
    assert!(matches!(again, Err(Refusal::Conflict(_))), "{again:?}");
}

#[test]
fn a_day_of_a_year_ago_counts_what_it_counted() {
    let mut core = ready(1);
    let id = core.provider("p");
    for n in 0..400 {
        core.run(accept(id, &n.to_string(), None)).unwrap();
        core.send_all();
        core.now += DAY;
    }
    let before = core.state.counts.clone();
    forget(&mut core);
    compact(&mut core);
    assert_eq!(core.state.counts, before);
    assert_eq!(core.folded(None).counts, before);
    assert_eq!(
        notices(&core).len(),
        30,
        "thirty days unless it is said otherwise"
    );
    let settled = core.log.iter().filter(|(_, event)| {
        matches!(
            event,
            Event::DeliverySettled {
                outcome: Outcome::Sent,
                ..
            }
        )
    });
    assert_eq!(settled.count(), 30);
}

#[test]
fn bodies_go_by_age_by_count_and_by_bytes_with_the_oldest_first() {
    let mut core = ready(1);
    let id = core.provider("p");
    let doomed = |core: &Core| {
        let mut census = BodyCensus::new(Policy::of(&core.state), core.now);
        // One a day, of 100 bytes each.
        for day in 0..10 {
            let at = core.now - (9 - day) * DAY;
            census.body(100 + day as u64, 100, id + (day % 2) as u32, at);
        }
        census.finish()
    };
    for (days, most, bytes, expected) in [
        (0, 0, 0, vec![]),
        (4, 0, 0, vec![100, 101, 102, 103, 104]),
        (0, 3, 0, vec![100, 101, 102, 103]),
        (0, 0, 250, vec![100, 101, 102, 103, 104, 105, 106, 107]),
        (8, 4, 750, vec![100, 101, 102]),
    ] {
        let spec = RetentionSpec {
            bodies_days: days,
            bodies_per_provider: most,
            bodies_bytes_max: bytes,
            ..newest(0)
        };
        keep(&mut core, spec);
        assert_eq!(
            doomed(&core),
            expected,
            "{days} days, {most}, {bytes} bytes"
        );
    }
}

/// The state that a released program carried is read by every later one: its bytes are in the
/// repository. `BLESS=1` writes them where they are missing; written ones are never corrected.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "BLESS in the environment asks for a missing golden"
)]
fn a_state_that_was_carried_is_read_for_ever() {
    let path = |layout: u16| {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("fixtures/events/state_carried.state.r{layout}"))
    };
    let mut core = ready(2);
    let id = core.provider("p");
    for subject in ["a", "b", "c"] {
        core.run(accept(id, subject, Some(u128::from(subject.as_bytes()[0]))))
            .unwrap();
        let due = core.due();
        if let Some(key) = due.first() {
            core.claim(*key).unwrap();
            core.report(*key, super::attempted(3)).unwrap();
        }
        core.now += 3_600_000_000;
    }
    core.send_all();
    // Something held, something grouped, and a receiver that rests.
    holds::policy(&mut core, 4);
    core.run(accept(id, "d", None)).unwrap();
    keep(&mut core, newest(1));
    assert!(forget(&mut core));
    let parts = core.log.iter().filter_map(|(_, event)| match event {
        Event::StateCarried { layout, bytes, .. } => Some((*layout, bytes.clone())),
        _ => None,
    });
    let (layouts, bytes): (Vec<u16>, Vec<Vec<u8>>) = parts.unzip();
    let newest = layouts[0];
    if std::env::var_os("BLESS").is_some() && !path(newest).exists() {
        let carried = hex::encode(bytes.concat());
        std::fs::write(path(newest), carried).expect("the golden is written");
    }
    let mut state = State::default();
    let at = At {
        position: 9,
        recorded_at: core.now,
    };
    for layout in 1..=newest {
        let golden = std::fs::read_to_string(path(layout)).expect("the golden is there");
        let event = Event::StateCarried {
            layout,
            part: 0,
            parts: 1,
            bytes: hex::decode(golden.trim()).expect("hex"),
        };
        state = State::default();
        state.evolve(at, &event, &mut Vec::new());
        assert_eq!(state.retention.unreadable, None, "{layout}");
        let told = state.configuration.target("t").is_some() && !state.outbox.held.is_empty();
        assert!(told, "{layout}: what it held is there");
    }
    // Bytes that are none are noticed, and change nothing.
    let broken = Event::StateCarried {
        layout: newest,
        part: 0,
        parts: 1,
        bytes: vec![1],
    };
    let before = state.outbox.clone();
    state.evolve(at, &broken, &mut Vec::new());
    assert_eq!(
        (state.retention.unreadable, state.outbox),
        (Some(9), before)
    );
}
