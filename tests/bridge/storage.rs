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
        roots: notify_bridge::shell::client::Roots::default(),
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

#[tokio::test]
async fn without_its_key_the_program_starts_and_holds_what_needs_it() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge
        .command(notify_bridge::domain::command::Command::Pause { by: "me".into() })
        .await;
    bridge.push("1", "held").await;
    let key = bridge.folder.path().join("data/secret.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let bridge = bridge.restart().await;
    assert!(!key.exists(), "no new key is made over sealed secrets");
    assert_eq!(bridge.push("2", "cannot be verified").await.0, 503);
    let sources = [notify_bridge::config::Source {
        file: "test.toml",
        text: &forge_to_telegram(&place),
    }];
    let refused = notify_bridge::shell::configure::apply(
        &bridge.app.ledger,
        &bridge.app.vault,
        &sources,
        None,
        false,
        false,
        "test",
    )
    .await;
    assert!(refused.unwrap_err().to_string().contains("key is missing"));
    bridge
        .command(notify_bridge::domain::command::Command::Resume { by: "me".into() })
        .await;
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let bridge = bridge.restart().await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn intake_stops_before_the_disk_is_full() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    // The program looks at the disk once when it starts, and may do so just after it is said to be low.
    let mut refused = None;
    for nth in ["0", "1"] {
        bridge.app.ledger.set_disk_low(true);
        let (status, problem) = bridge.push(nth, "no room").await;
        if status == 503 {
            refused = Some(problem);
            break;
        }
    }
    let problem = refused.expect("intake stops");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("disk is nearly full"),
        "{problem}"
    );
    bridge.app.ledger.set_disk_low(false);
    assert_eq!(bridge.push("2", "room again").await.0, 202);
}
