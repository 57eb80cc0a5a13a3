//! Snapshots of a running program: by time, by count, when stopping, and when somebody asks.

use std::time::Duration;

use notify_bridge::domain::command::Command;
use notify_bridge::shell::ledger::Priority;
use notify_bridge::shell::snapshots::{SNAPSHOT_EVENTS, SNAPSHOT_EVERY, SNAPSHOTS_KEPT};
use notify_bridge::shell::{rebuild, snapshots};

use crate::harness::{Place, TestBridge, forge_to_telegram};

/// Reached only when nothing comes.
const PATIENCE: Duration = Duration::from_secs(60);

fn positions(bridge: &TestBridge) -> Vec<u64> {
    let listed = bridge.app.snapshots.list();
    listed.iter().map(|listed| listed.found.position).collect()
}

async fn until_newest_is_at_least(bridge: &TestBridge, position: u64) {
    let mut made = bridge.app.snapshots.made();
    let wait = made.wait_for(|newest| *newest >= position);
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(matches!(waited, Ok(Ok(_))), "no snapshot of {position}");
    assert!(positions(bridge).first() >= Some(&position));
}

#[tokio::test]
async fn one_is_made_every_hour_in_which_something_changed() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let first = bridge.state(|state| state.position);
    bridge.clock.advance(SNAPSHOT_EVERY);
    until_newest_is_at_least(&bridge, first).await;
    bridge.push("1", "changes something").await;
    bridge.settled().await;
    let second = bridge.state(|state| state.position);
    bridge.clock.advance(SNAPSHOT_EVERY);
    until_newest_is_at_least(&bridge, second).await;
    let made = rebuild::from_snapshot(&bridge.app.data, u64::MAX);
    bridge.state(|state| {
        if made.position == state.position {
            assert_eq!(made, *state);
        }
    });
    assert!(positions(&bridge).len() <= SNAPSHOTS_KEPT);
}

#[tokio::test]
async fn one_is_made_after_so_many_events() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let before = bridge.state(|state| state.position);
    let commands = (0..SNAPSHOT_EVENTS).map(|_| {
        let step = Command::ClockStepped { by_micros: 0 };
        bridge.app.ledger.command(Priority::Outcome, step)
    });
    for done in futures_util::future::join_all(commands).await {
        done.expect("it is written");
    }
    until_newest_is_at_least(&bridge, before.max(SNAPSHOT_EVENTS)).await;
}

#[tokio::test]
async fn what_is_of_no_use_makes_room_and_three_are_kept() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let folder = bridge.folder.path().join("data/snapshots");
    let mut made = Vec::new();
    for n in 0..=SNAPSHOTS_KEPT {
        bridge.push(&n.to_string(), &format!("change {n}")).await;
        bridge.settled().await;
        made.push(bridge.app.snapshots.make().await.expect("it is made"));
        assert!(!made[n].known);
    }
    // Of a longer log, and of nothing at all.
    for name in ["999999.snap", "999998.snap"] {
        std::fs::write(folder.join(name), "whatever").expect("it is written");
    }
    assert!(
        bridge
            .app
            .snapshots
            .make()
            .await
            .expect("it is there")
            .known
    );
    let kept: Vec<u64> = made.iter().rev().map(|made| made.position).collect();
    assert_eq!(positions(&bridge), kept[..SNAPSHOTS_KEPT]);
    let last = bridge.state(|state| state.position);
    let state = rebuild::from_snapshot(&bridge.app.data, last);
    bridge.state(|now| assert_eq!(state, *now));
    // The newest is damaged: the one before is taken.
    let newest = folder.join(format!("{}.snap", kept[0]));
    let mut bytes = std::fs::read(&newest).expect("it is read");
    bytes[100] ^= 1;
    std::fs::write(&newest, bytes).expect("it is written");
    let state = rebuild::from_snapshot(&bridge.app.data, last);
    assert_eq!(state.position, kept[1]);
    let rebuilt = rebuild::rebuild(&bridge.app.data, bridge.app.ledger.reader(), &|_, _, _| {});
    let rebuilt = rebuilt.expect("it is rebuilt");
    bridge.state(|now| assert_eq!(rebuilt, *now));
    assert_eq!(
        snapshots::list(&bridge.app.data, bridge.app.ledger.reader()).len(),
        3
    );
}
