//! The folder: one process at a time, a key that is never replaced, errors that say what to do.

use std::sync::Arc;

use notify_bridge::shell::app;
use notify_bridge::shell::clock::ManualClock;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};

use crate::harness::{NOON, Place, TestBridge, forge_to_telegram};

fn options(data: std::path::PathBuf) -> ServeOptions {
    ServeOptions {
        data,
        listen: "127.0.0.1:0".parse().unwrap(),
        http: HttpOptions::default(),
        secret_key_file: None,
        private_networks: None,
        cache_bytes: 4 * 1024 * 1024,
    }
}

#[tokio::test]
async fn a_second_program_is_refused() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let second = app::start(
        options(bridge.folder.path().join("data")),
        Arc::new(ManualClock::new(NOON)),
        None,
        |router| router,
    )
    .await;
    let error = second.err().expect("it is refused");
    let told = notify_bridge::shell::ledger::Causes(&error).to_string();
    assert!(told.contains("in use"), "{told}");
}

#[tokio::test]
async fn a_restart_from_a_snapshot_equals_one_from_the_log() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    for n in 0..5 {
        bridge.push(&n.to_string(), &format!("number {n}")).await;
    }
    bridge.settled().await;
    let before = bridge.state(Clone::clone);
    let bridge = bridge.restart().await;
    let snapshots = bridge.folder.path().join("data/snapshots");
    assert_eq!(std::fs::read_dir(&snapshots).unwrap().count(), 1);
    assert_eq!(bridge.state(Clone::clone), before);
    std::fs::remove_dir_all(&snapshots).unwrap();
    let reader = bridge.app.ledger.reader();
    let folded = app::rebuild(&bridge.folder.path().join("data"), reader, &|_, _, _| {}).unwrap();
    assert_eq!(folded, before);
}
