//! Pace: never over a rate in any stretch of its time, never idle while it leaves room, and nobody
//! starves for another.

use std::collections::BTreeMap;

use notify_bridge::domain::command::{Attempted, Command, Notify, Refusal};
use notify_bridge::domain::event::{DeliveryKey, Event};
use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::spec::{EntityKind, EntitySpec};
use notify_bridge::projections::outbox::pace::STARTS_MAX;
use notify_bridge::targets::Verdict;
use proptest::prelude::*;

use crate::driver::{Core, accept, attempted, draft, paced, provider, tracker};

const SECOND: i64 = 1_000_000;

fn over(targets: Vec<EntitySpec>) -> Core {
    let mut core = Core::new();
    core.configure(vec![provider("p")]).unwrap();
    for target in targets {
        let name = target.name().to_owned();
        core.configure(vec![target, tracker(&format!("to {name}"), "p", &name)])
            .unwrap();
    }
    core
}

fn accept_some(core: &mut Core, count: usize) {
    let provider = core.provider("p");
    for _ in 0..count {
        core.run(accept(provider, "", None)).unwrap();
    }
}

/// Sends what may be sent at this moment. Nothing refuses what was said to be due.
fn send_due(core: &mut Core) -> usize {
    let mut count = 0;
    loop {
        let due = core.due_with_depth(1).ready;
        if due.is_empty() {
            return count;
        }
        for key in due {
            core.claim(key).expect("what is due can be claimed");
            count += 1;
            core.report(key, attempted(0)).unwrap();
        }
    }
}

/// Moments of all starts, by receiver; by target.
fn starts(core: &Core) -> (BTreeMap<u32, Vec<i64>>, Vec<i64>) {
    let mut planned: BTreeMap<DeliveryKey, u32> = BTreeMap::new();
    let (mut by_receiver, mut all) = (BTreeMap::<u32, Vec<i64>>::new(), Vec::new());
    for (at, event) in &core.log {
        match event {
            Event::Accepted(accepted) => {
                for (planned_for, ordinal) in accepted.plan.planned.iter().zip(1u16..) {
                    let key = DeliveryKey {
                        position: at.position,
                        ordinal,
                    };
                    planned.insert(key, planned_for.receiver);
                }
            }
            Event::AttemptStarted { delivery, .. } => {
                by_receiver
                    .entry(planned[delivery])
                    .or_default()
                    .push(at.recorded_at);
                all.push(at.recorded_at);
            }
            _ => {}
        }
    }
    (by_receiver, all)
}

/// The most starts in any stretch of so long, its end open.
fn most_in(starts: &[i64], micros: i64) -> usize {
    let from = |first: usize| {
        let end = starts[first] + micros;
        starts[first..].iter().take_while(|at| **at < end).count()
    };
    (0..starts.len()).map(from).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the moments at which the dispatcher looks.
    #[test]
    fn no_stretch_of_time_holds_more_than_the_rate(
        count in 1u32..150,
        per in prop_oneof![Just("s"), Just("min"), Just("7s")],
        waits in proptest::collection::vec(0i64..4_000_000, 1..120),
        at_target in any::<bool>(),
    ) {
        let rate = format!("{count}/{per}");
        let micros = SECOND * match per { "s" => 1, "min" => 60, _ => 7 };
        let (target, own) = if at_target { (rate.as_str(), "off") } else { ("", rate.as_str()) };
        let mut core = over(vec![paced("t", &["5", "6"], target, Some(own))]);
        accept_some(&mut core, 40);
        for wait in waits {
            core.now += wait;
            send_due(&mut core);
        }
        let (by_receiver, all) = starts(&core);
        let rate = count as usize;
        if at_target {
            prop_assert!(most_in(&all, micros) <= rate);
        } else {
            for starts in by_receiver.values() {
                prop_assert!(most_in(starts, micros) <= rate);
            }
            prop_assert!(most_in(&all, SECOND) <= 30, "the bot's own");
        }
        prop_assert_eq!(core.folded(None), core.state.clone());
        prop_assert_eq!(core.folded(Some(core.log.len() / 2)), core.state);
    }

    /// Woken at the moments it asks for, and at no other, it sends as much as the rate allows.
    #[test]
    fn nothing_waits_longer_than_it_must(count in 1usize..=STARTS_MAX as usize, seconds in 1i64..90) {
        let mut core = over(vec![paced("t", &["5"], "off", Some(&format!("{count}/{seconds}s")))]);
        let all = 3 * count;
        accept_some(&mut core, all);
        let begin = core.now;
        let mut looks = 0;
        while !core.state.outbox.deliveries.is_empty() {
            send_due(&mut core);
            let Some(next) = core.due_with_depth(1).next_at else { break };
            prop_assert!(next > core.now);
            core.now = next;
            looks += 1;
            prop_assert!(looks < 1_000);
        }
        // Each of the two parts of a delivery is a start.
        let rounds = (2 * all).div_ceil(count) as i64 - 1;
        prop_assert_eq!(core.now - begin, rounds * seconds * SECOND);
    }
}

#[test]
fn a_chat_with_ten_thousand_due_does_not_starve_another() {
    let mut core = over(vec![paced("t", &["5", "6"], "", None)]);
    let to = |core: &mut Core, receiver: &str, count: usize| {
        for _ in 0..count {
            core.run(Command::Notify(Box::new(Notify {
                notice: draft("", Severity::Info),
                targets: vec!["t".into()],
                receiver: Some(receiver.into()),
                tag: None,
                at_once: false,
                by: "test".into(),
            })))
            .unwrap();
        }
    };
    to(&mut core, "5", 10_000);
    assert_eq!(send_due(&mut core), 1, "one a second");
    to(&mut core, "6", 1);
    assert_eq!(send_due(&mut core), 1, "the other chat's");
    assert_eq!(send_due(&mut core), 0);
    core.now += SECOND;
    assert_eq!(send_due(&mut core), 2);
}

#[test]
fn what_is_critical_is_the_next_of_its_chat() {
    let mut core = over(vec![paced("t", &["5"], "", None)]);
    accept_some(&mut core, 500);
    assert_eq!(send_due(&mut core), 1);
    let worse = Notify {
        notice: draft("", Severity::Critical),
        targets: vec!["t".into()],
        receiver: None,
        tag: None,
        at_once: false,
        by: "test".into(),
    };
    core.run(Command::Notify(Box::new(worse))).unwrap();
    let newest = core.state.position;
    assert_eq!(send_due(&mut core), 0, "the service's limit holds for all");
    core.now += SECOND;
    let due = core.due_with_depth(1).ready;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].position, newest);
}

#[test]
fn groups_are_told_twenty_in_a_minute() {
    let mut core = over(vec![paced("t", &["-100", "5"], "", None)]);
    accept_some(&mut core, 40);
    for _ in 0..60 {
        send_due(&mut core);
        core.now += SECOND;
    }
    let (by_receiver, _) = starts(&core);
    let counts: Vec<usize> = by_receiver.values().map(Vec::len).collect();
    assert_eq!(counts, [20, 60]);
}

#[test]
fn targets_of_one_bot_share_its_pace_and_each_chat_has_its_turn() {
    let chats: Vec<String> = (0..50).map(|n| format!("{}", 100 + n)).collect();
    let (one, other) = chats.split_at(20);
    let one: Vec<&str> = one.iter().map(String::as_str).collect();
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let mut core = over(vec![
        paced("one", &one, "", None),
        paced("other", &other, "", None),
    ]);
    accept_some(&mut core, 20);
    // As the dispatcher does: it goes on where it was left.
    let mut first_lane = 0;
    for _ in 0..10 {
        loop {
            let due = core.due_from(first_lane, 1);
            first_lane = due.next_lane.unwrap_or(first_lane);
            if due.ready.is_empty() {
                break;
            }
            for key in due.ready {
                core.claim(key).expect("what is due can be claimed");
                core.report(key, attempted(0)).unwrap();
            }
        }
        core.now += SECOND;
    }
    let (by_receiver, all) = starts(&core);
    assert_eq!(all.len(), 300, "30 a second");
    let counts: Vec<usize> = by_receiver.values().map(Vec::len).collect();
    assert_eq!(counts, [6; 50], "fair among the chats of both targets");
}

#[test]
fn off_is_off_and_a_receivers_own_word_holds() {
    // Two chats with 20 deliveries of two parts each.
    for (target, own, at_once) in [
        ("off", None, 80),
        ("off", Some("3/min"), 6),
        ("", Some("off"), 30),
        ("4/min", Some("off"), 4),
        ("4/min", None, 2),
        // Held as 50 in half a second.
        ("100/s", Some("off"), 50),
    ] {
        let mut core = over(vec![paced("t", &["5", "6"], target, own)]);
        accept_some(&mut core, 20);
        assert_eq!(send_due(&mut core), at_once, "{target} {own:?}");
    }
}

#[test]
fn a_claim_over_the_pace_is_refused() {
    let mut core = over(vec![paced("t", &["5"], "", None)]);
    accept_some(&mut core, 2);
    let keys: Vec<DeliveryKey> = core.state.outbox.deliveries.keys().copied().collect();
    core.claim(keys[0]).unwrap();
    core.report(keys[0], attempted(0)).unwrap();
    let refused = core.claim(keys[1]);
    assert!(matches!(refused, Err(Refusal::NotClaimable(why)) if why.contains("pace")));
    core.now += SECOND;
    core.claim(keys[1]).unwrap();
}

#[test]
fn steps_of_the_clock_neither_hurry_nor_hinder() {
    for by in [-86_400 * SECOND, 86_400 * SECOND] {
        let mut core = over(vec![paced("t", &["5"], "", None)]);
        accept_some(&mut core, 5);
        assert_eq!(send_due(&mut core), 1);
        core.now += by;
        core.run(Command::ClockStepped { by_micros: by }).unwrap();
        assert_eq!(send_due(&mut core), 0, "its second is not over");
        core.now += SECOND;
        assert_eq!(send_due(&mut core), 1);
    }
    // Steps too small to be recorded: at most one too many, and nobody waits longer than a second.
    let mut core = over(vec![paced("t", &["5"], "", None)]);
    accept_some(&mut core, 8);
    assert_eq!(send_due(&mut core), 1);
    core.now -= 4 * SECOND;
    assert_eq!(send_due(&mut core), 1);
    assert_eq!(send_due(&mut core), 0);
    core.now += SECOND;
    assert_eq!(send_due(&mut core), 1);
}

#[test]
fn a_service_that_asks_for_a_rest_gets_it_although_it_took_the_message() {
    let mut core = over(vec![paced("t", &["5"], "off", None)]);
    accept_some(&mut core, 2);
    let key = core.due_with_depth(1).ready[0];
    core.claim(key).unwrap();
    let sent = |pause| {
        Attempted::Judged(Verdict::Sent {
            ids: vec!["42".into()],
            pause,
        })
    };
    core.report(key, sent(Some(std::time::Duration::from_millis(1_500))))
        .unwrap();
    let due = core.due_with_depth(1);
    assert_eq!(due.ready, []);
    assert_eq!(due.next_at, Some(core.now + 1_500_000));
    core.now += 1_500_000;
    assert!(send_due(&mut core) > 0);
    core.check();
    assert_eq!(core.folded(None), core.state);
}

#[test]
fn what_was_counted_leaves_with_whom_it_was_counted_for() {
    let mut core = over(vec![paced("t", &["5", "6"], "", None)]);
    accept_some(&mut core, 1);
    send_due(&mut core);
    assert_eq!(core.state.outbox.pacing.remembered(), 3);
    core.configure(vec![paced("t", &["5"], "", None)]).unwrap();
    assert_eq!(core.state.outbox.pacing.remembered(), 2);
    core.configure(vec![paced("same bot", &["7"], "", None)])
        .unwrap();
    core.remove(&[(EntityKind::Tracker, "to t"), (EntityKind::Target, "t")])
        .unwrap();
    assert_eq!(core.state.outbox.pacing.remembered(), 1, "the bot's");
    core.remove(&[(EntityKind::Target, "same bot")]).unwrap();
    assert_eq!(core.state.outbox.pacing.remembered(), 0);
}
