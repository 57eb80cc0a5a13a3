//! Power loss at every sync, and storage that fails.

use notify_store::testing::{Disk, Unsynced};
use notify_store::{AppendError, Batch, Log, Options, ReadError, Removal, SecretChange};

use crate::note::{Note, options, plain, recorded};

fn start(disk: &Disk) -> Result<Log<Note>, notify_store::OpenError> {
    Log::open_with_backend(disk.clone(), &options(), &|_| {})
}

/// Batch `n` of the workload; every one has something in every table.
fn batch(n: u64) -> Batch<Note> {
    let first = 1 + n * 3;
    let mut batch = Batch::of(vec![
        recorded(first, Note::Founded(vec![n as u8; 40])),
        recorded(first + 1, Note::Member(first, vec![n as u8; 400])),
        recorded(first + 2, Note::Plain(vec![n as u8; 4_000])),
    ]);
    batch.bodies = vec![(first, vec![n as u8; 900])];
    batch.rows = vec![(first, vec![n as u8; 100])];
    batch.secrets = vec![SecretChange {
        position: 1,
        field: 0,
        sealed: Some(vec![n as u8; 48]),
    }];
    batch.meta = vec![("batches".to_owned(), n.to_le_bytes().to_vec())];
    batch
}

/// Appends until something fails; says how many batches were acknowledged.
fn work(log: &mut Log<Note>, batches: u64) -> Result<u64, (u64, AppendError)> {
    for n in 0..batches {
        log.append(&batch(n)).map_err(|e| (n, e))?;
        if n % 3 == 2 {
            log.settle().map_err(|e| (n + 1, e))?;
        }
    }
    Ok(batches)
}

/// What is found is a whole number of batches, no fewer than were acknowledged, as they were.
fn check_prefix(log: &Log<Note>, acknowledged: u64) {
    let reader = log.reader();
    let events = log.next_position() - 1;
    assert_eq!(events % 3, 0, "half a batch");
    let found = events / 3;
    assert!(found >= acknowledged, "{found} of {acknowledged} are left");
    assert!(found <= acknowledged + 1);
    for n in 0..found {
        let expected = batch(n);
        let first = expected.events[0].position;
        assert_eq!(reader.page(first, 3).unwrap(), expected.events);
        assert_eq!(reader.stream(first, 0, 9).unwrap(), expected.events[..2]);
        assert_eq!(
            reader.body(first).unwrap().as_ref(),
            Some(&expected.bodies[0].1)
        );
        assert_eq!(
            reader.row(first).unwrap().as_ref(),
            Some(&expected.rows[0].1)
        );
    }
    assert_eq!(reader.body(found * 3 + 1).unwrap(), None);
    assert_eq!(reader.row(found * 3 + 1).unwrap(), None);
    let last = found.checked_sub(1).map(|n| vec![n as u8; 48]);
    assert_eq!(reader.secret(1, 0).unwrap(), last);
    let last = found.checked_sub(1).map(|n| n.to_le_bytes().to_vec());
    assert_eq!(reader.meta("batches").unwrap(), last);
}

#[test]
fn power_loss_at_every_sync_loses_nothing_acknowledged() {
    let batches = 20;
    // Creation is not part of it: a folder's store is made under another name and renamed.
    let created = Disk::new();
    start(&created).unwrap().close().unwrap();
    for syncs in 0.. {
        let disk = Disk::holding(created.bytes());
        disk.stop_after_syncs(syncs);
        let acknowledged = match start(&disk) {
            Err(_) => 0,
            Ok(mut log) => work(&mut log, batches).unwrap_or_else(|(n, _)| n),
        };
        for unsynced in [
            Unsynced::Lost,
            Unsynced::Kept,
            Unsynced::Even,
            Unsynced::Odd,
        ] {
            let found = disk.crashed(unsynced);
            let mut log = start(&found).unwrap_or_else(|e| panic!("{syncs} {unsynced:?}: {e}"));
            check_prefix(&log, acknowledged);
            let next = log.next_position();
            log.append(&plain(next, 1)).unwrap();
            log.close().unwrap();
            assert_eq!(start(&found).unwrap().next_position(), next + 1);
        }
        if !disk.has_stopped() {
            assert!(syncs > batches, "the workload was never interrupted");
            return;
        }
    }
}

#[test]
fn power_loss_in_a_removal_leaves_all_or_nothing() {
    for syncs in 0.. {
        let disk = Disk::new();
        let mut log = start(&disk).unwrap();
        log.append(&plain(1, 5_000)).unwrap();
        disk.stop_after_syncs(syncs);
        let removal = Removal {
            frames: (3_500..4_400).collect(),
            ..Removal::default()
        };
        let done = log.remove(&removal).is_ok();
        drop(log);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Odd] {
            let log = start(&disk.crashed(unsynced)).unwrap();
            let left = log
                .reader()
                .page(3_500, 1_000)
                .unwrap()
                .first()
                .unwrap()
                .position;
            assert!(left == 4_400 || (left == 3_500 && !done), "{left} is left");
            assert!(log.reader().check_segment(0).unwrap().unwrap().whole);
            log.close().unwrap();
        }
        if !disk.has_stopped() {
            assert!(done);
            return;
        }
    }
}

#[test]
fn after_a_failed_write_the_log_refuses_until_opened_again_and_readers_go_on() {
    for writes in 0..6 {
        let disk = Disk::new();
        let mut log = start(&disk).unwrap();
        let reader = log.reader();
        log.append(&batch(0)).unwrap();
        disk.fail_after_writes(writes);
        let mut acknowledged = 1;
        while log.append(&batch(acknowledged)).is_ok() {
            acknowledged += 1;
        }
        assert!(matches!(
            log.append(&batch(acknowledged)),
            Err(AppendError::NeedsReopen)
        ));
        assert!(log.reopen().is_err(), "the disk still fails");
        assert!(matches!(reader.get(1), Err(ReadError::Closed)));
        assert!(matches!(log.settle(), Err(AppendError::NeedsReopen)));
        disk.heal();
        log.reopen().unwrap();
        check_prefix(&log, acknowledged);
        assert_eq!(reader.next_position(), log.next_position());
        let next = log.next_position();
        log.append(&plain(next, 1)).unwrap();
        assert!(reader.get(next).unwrap().is_some());
    }
}

#[test]
fn opening_changes_no_table() {
    let disk = Disk::new();
    let mut log = start(&disk).unwrap();
    work(&mut log, 5).unwrap();
    log.close().unwrap();
    let seen = |disk: &Disk| {
        let log = start(disk).unwrap();
        assert!(log.is_settled());
        let reader = log.reader();
        (
            reader.frames(0, 1_000).unwrap(),
            reader.meta("written_by").unwrap(),
        )
    };
    let first = seen(&disk);
    let written = disk.counters().bytes_written;
    assert_eq!(seen(&disk), first);
    // redb marks the file as in use and as closed again; that is its header and nothing else.
    let opening = disk.counters().bytes_written - written;
    assert!(opening < 64 * 1024, "{opening} bytes were written");
}

#[test]
fn a_failing_read_is_an_error_and_passes_once_the_log_is_opened_again() {
    let disk = Disk::new();
    let uncached = Options {
        cache_bytes: 0,
        ..options()
    };
    let mut log = Log::<Note>::open_with_backend(disk.clone(), &uncached, &|_| {}).unwrap();
    log.append(&plain(1, 16_000)).unwrap();
    let reader = log.reader();
    assert!(!log.needs_reopen());
    disk.fail_reads();
    let error = reader.page(9_000, 5);
    assert!(matches!(error, Err(ReadError::Storage(_))), "{error:?}");
    disk.heal();
    // redb refuses everything after an I/O error, be it a read.
    assert!(reader.page(9_000, 5).is_err());
    assert!(log.needs_reopen());
    let error = log.append(&plain(16_001, 1));
    assert!(matches!(error, Err(AppendError::NeedsReopen)), "{error:?}");
    log.reopen().unwrap();
    assert_eq!(reader.page(9_000, 5).unwrap().len(), 5);
    log.append(&plain(16_001, 1)).unwrap();
}
