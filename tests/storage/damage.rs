//! Damage: found and named wherever it is, never written over, and a hostile backup is an error.

use std::fs;
use std::path::Path;

use notify_bridge::domain::event::Event;
use notify_bridge::shell::app;
use notify_bridge::shell::backup::Secrets;
use notify_bridge::shell::caches::rebuild;
use notify_bridge::shell::keyring::Keyring;
use notify_bridge::shell::salvage;
use notify_bridge::shell::verify;
use notify_store::testing::make_backup_right;
use notify_store::{Batch, Log, Options, open_read_only};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::round_trip::{backup, restored};
use crate::world::{CACHE_BYTES, NOON, World, everything, filled};

/// The database marks in its first page that the file is in use.
const PAGE_BYTES: usize = 4_096;
/// Peak memory of the whole test process, in KiB.
const PEAK_KIB_MAX: u64 = 256 * 1024;

fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A copy of a data folder.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for name in ["bridge.redb", "secret.key"] {
        fs::copy(from.join(name), to.path().join(name)).expect("copied");
    }
    to
}

fn keyring(data: &Path) -> Keyring {
    Keyring::open_file(&data.join("secret.key")).expect("the key")
}

#[tokio::test]
async fn one_flipped_bit_is_found_wherever_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 25).await;
    let clean = verify::stopped(&data, Some(&keyring(&data)), &|_, _, _| {}).expect("verified");
    assert!(clean.is_clean(), "{clean:?}");
    assert!(clean.rows > 0 && clean.bodies > 0 && clean.secrets > 0 && clean.stream_members > 0);
    let bytes = fs::read(data.join("bridge.redb")).expect("the store");
    let expected = everything(&open_read_only::<Event>(&data).expect("it opens"), u64::MAX);
    let to = copied(&data);
    let mut found = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 150 + 1) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(to.path().join("bridge.redb"), &altered).expect("written");
        let report = verify::stopped(to.path(), Some(&keyring(&data)), &|_, _, _| {});
        let report = report.expect("verified");
        if report.is_clean() {
            let reader = open_read_only::<Event>(to.path()).expect("it opens");
            assert!(
                everything(&reader, u64::MAX) == expected,
                "byte {at} is not found"
            );
        } else {
            found += 1;
            assert!(report.problems.iter().all(|problem| problem.len() > 10));
        }
        let left = fs::read(to.path().join("bridge.redb")).expect("the store");
        assert!(left == altered, "byte {at}: verifying wrote");
    }
    assert!(found > 5, "{found}");
}

#[tokio::test]
async fn a_row_or_snapshot_that_differs_is_found_and_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 10).await;
    // A snapshot as the program leaves one, and a row that says otherwise.
    let opened = app::open(&data, None, CACHE_BYTES, &|_, _, _| {}).expect("it opens");
    notify_bridge::shell::caches::leave_snapshot(&data, &opened.state);
    let position = opened.state.position;
    let mut log = opened.log;
    let (row, mut bytes) = log.reader().rows_back(u64::MAX, 1).expect("rows")[0].clone();
    let expected = everything(&log.reader(), u64::MAX);
    bytes[3] ^= 1;
    log.append(&Batch {
        rows: vec![(row, bytes), (1, vec![1; 20])],
        ..Batch::default()
    })
    .expect("written");
    log.close().expect("closed");
    let snapshot = data.join(format!("snapshots/{position}.snap"));
    let mut altered = fs::read(&snapshot).expect("a snapshot");
    let last = altered.len() - 1;
    altered[last] ^= 1;
    fs::write(&snapshot, altered).expect("written");
    let report = verify::stopped(&data, None, &|_, _, _| {}).expect("verified");
    let told = report.problems.join("\n");
    for part in [
        format!("the row of position {row} differs"),
        "there is a row of position 1,".to_owned(),
        format!("the snapshot of position {position} is damaged"),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    let mut log = Log::<Event>::open(&data, &Options::default(), &|_| {}).expect("it opens");
    let rebuilt = rebuild(&data, &mut log, &mut |_, _| {}).expect("rebuilt");
    assert_eq!((rebuilt.rows_removed, rebuilt.snapshots_removed), (1, 1));
    log.close().expect("closed");
    let report = verify::stopped(&data, None, &|_, _, _| {}).expect("verified");
    assert!(report.is_clean(), "{report:?}");
    let reader = open_read_only::<Event>(&data).expect("it opens");
    assert!(everything(&reader, u64::MAX) == expected);
}

#[tokio::test]
async fn a_damaged_store_is_kept_and_what_is_whole_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    filled(&data, 30).await;
    let mut bytes = fs::read(data.join("bridge.redb")).expect("the store");
    // The words of one notice, which stand in the log alone.
    let words = b"what was said 17 times. ";
    let at = bytes
        .windows(words.len())
        .position(|window| window == words)
        .expect("the words");
    bytes[at] ^= 32;
    fs::write(data.join("bridge.redb"), &bytes).expect("written");
    let refused = app::open(&data, None, CACHE_BYTES, &|_, _, _| {}).map(drop);
    let error = refused.expect_err("it does not start");
    assert!(salvage::is_damage(&error), "{error}");
    let told = salvage::losses(&data).join("\n");
    assert!(told.contains("positions"), "{told}");
    let left = fs::read(data.join("bridge.redb")).expect("the store");
    assert!(
        left[PAGE_BYTES..] == bytes[PAGE_BYTES..],
        "nothing was written"
    );

    let accepted = salvage::accept(&data, NOON, "test")
        .await
        .expect("accepted");
    // The event, and the body that came with it.
    assert_eq!(accepted.lost.len(), 2, "{:?}", accepted.lost);
    assert!(fs::read(accepted.kept_as.join("bridge.redb")).expect("kept") == left);
    let world = World::open(&data).await;
    world.accept(900).await;
    let noted = world.ledger.reader().page(1, 1_000).expect("events");
    assert!(noted.iter().any(|event| matches!(
        &event.payload,
        Event::LossAccepted { stretches, others: 1, .. } if stretches.len() == 1
    )));
    world.close();
    let report = verify::stopped(&data, Some(&keyring(&data)), &|_, _, _| {}).expect("verified");
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_hostile_backup_is_an_error_and_takes_little_memory() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let file = folder.path().join("good.nbb");
    runtime.block_on(async {
        filled(&data, 12).await;
        let world = World::open(&data).await;
        backup(&world, &file, Secrets::Plain, None);
        world.close();
    });
    let good = fs::read(&file).expect("the backup");
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(6),
        ..ProptestConfig::default()
    };
    let altered = (
        prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
        any::<bool>(),
        prop::option::of(any::<Index>()),
    );
    proptest!(config, |((changes, right, cut) in altered)| {
        let mut bytes = good.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if right {
            make_backup_right(&mut bytes);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let hostile = folder.path().join("hostile.nbb");
        fs::write(&hostile, &bytes).expect("written");
        let to = tempfile::tempdir().expect("a folder");
        let done = runtime.block_on(restored(&hostile, &to.path().join("data"), None));
        // What does not restore leaves nothing; what does is as good as any.
        let is_there = to.path().join("data/bridge.redb").exists();
        prop_assert_eq!(done.is_ok(), is_there);
        prop_assert!(!to.path().join("data/restoring").exists());
    });
    let peak = peak_kib();
    assert!(peak.is_none_or(|kib| kib < PEAK_KIB_MAX), "{peak:?} KiB");
}
