//! Backups that are made by themselves: once a day, before another version writes, and what is said
//! when one fails.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use notify_bridge::domain::event::Event;
use notify_bridge::shell::app;
use notify_bridge::shell::backup::folder;
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::options::{HttpOptions, ServeOptions};
use notify_store::{Batch, Log, Options};

use crate::world::{CACHE_BYTES, FILE, NOON, World, filled};

/// Reached only when something does not happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// In microseconds.
const DAY: i64 = 86_400 * 1_000_000;
const HALF_PAST_NOON: i64 = NOON + 1_800 * 1_000_000;

fn options(data: &std::path::Path) -> ServeOptions {
    ServeOptions {
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        http: HttpOptions::default(),
        secret_key_file: None,
        private_networks: None,
        roots: notify_bridge::shell::client::Roots::default(),
        cache_bytes: CACHE_BYTES,
    }
}

/// Lets hours pass until it is so. How many pass does not matter.
async fn until(what: &str, clock: &ManualClock, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            clock.advance(Duration::from_secs(3_600));
            // Work away from the runtime's threads takes its own time.
            let _turn = tokio::task::spawn_blocking(std::thread::yield_now).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "waited in vain until {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_a_day_and_the_last_ones_are_kept_and_a_failure_is_told() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let world = World::open(&data).await;
    let watched =
        "[[tracker]]\nname = \"own\"\nprovider = \"bridge\"\nlinks = [ { target = \"box\" } ]\n";
    let settings = "[settings]\nbackup = { at = \"12:30\", keep = 2 }\n";
    world.apply(&format!("{settings}{FILE}{watched}")).await;
    world.close();
    let clock = Arc::new(ManualClock::new(NOON));
    let running = app::start(
        options(&data),
        Arc::clone(&clock) as Arc<dyn Clock>,
        None,
        |router| router,
    )
    .await
    .expect("it starts");
    let mut seen = BTreeSet::new();
    until("there were three backups", &clock, || {
        seen.extend(folder::list(&data).iter().map(|made| made.about.made_at));
        seen.len() >= 3
    })
    .await;
    let days: BTreeSet<i64> = seen
        .iter()
        .map(|at| (at - HALF_PAST_NOON).div_euclid(DAY))
        .collect();
    assert_eq!(days.len(), seen.len(), "one a day: {seen:?}");
    until("the older ones are gone", &clock, || {
        folder::list(&data).len() <= 2
    })
    .await;
    // From here on there is no folder to write to.
    let away = folder.path().join("away");
    fs::rename(data.join("backups"), &away).expect("moved");
    fs::write(data.join("backups"), "in the way").expect("written");
    let reader = running.app.ledger.reader().clone();
    until("it is told", &clock, || {
        let page = reader.page_back(u64::MAX, 50).expect("events");
        page.iter().any(|event| {
            matches!(&event.payload, Event::Accepted(accepted) if accepted.notice.kind == "bridge_backup_failed")
        })
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn another_version_backs_up_before_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 4).await;
    assert!(folder::list(&data).is_empty(), "its own version makes none");
    let options = Options {
        program: "notify-bridge 0.0.9".to_owned(),
        ..Options::default()
    };
    let mut log = Log::<Event>::open(&data, &options, &|_| {}).expect("it opens");
    log.append(&Batch {
        meta: vec![("test".to_owned(), vec![1])],
        ..Batch::default()
    })
    .expect("written");
    log.close().expect("closed");
    // Opened twice without a write, it is backed up once.
    for _ in 0..2 {
        let opened = app::open(&data, None, CACHE_BYTES, &|_, _, _| {}).expect("it opens");
        opened.log.close().expect("closed");
    }
    let made = folder::list(&data);
    assert_eq!(made.len(), 1, "{made:?}");
    let name = made[0]
        .path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(
        name.starts_with(concat!("before-", env!("CARGO_PKG_VERSION"), "-2")),
        "{name}"
    );
}
