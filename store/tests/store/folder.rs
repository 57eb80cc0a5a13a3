//! The data folder: creation, the lock, permissions, a full disk, read-only opening.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use notify_store::{AppendError, Log, OpenError, Options, ReadError, open_read_only};

use crate::note::{Later, Note, open, options, plain, recorded};

#[test]
fn a_second_opening_is_refused_and_says_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).unwrap();
    let Err(refused) = open(dir.path()) else {
        panic!("opened twice");
    };
    assert!(
        matches!(&refused, OpenError::InUse { pid: Some(pid), .. } if *pid == std::process::id())
    );
    assert!(refused.to_string().contains("--url"), "{refused}");
    let reading = open_read_only::<Note>(dir.path()).unwrap_err();
    assert!(matches!(reading, OpenError::InUse { .. }), "{reading}");
    drop(log);
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let _second = open_read_only::<Note>(dir.path()).unwrap();
    let writing = open(dir.path()).unwrap_err();
    assert!(
        matches!(writing, OpenError::InUse { pid: None, .. }),
        "{writing}"
    );
    drop((reader, _second));
    open(dir.path()).unwrap();
}

#[test]
fn the_folder_and_its_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/b");
    open(&data).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("bridge.redb")), 0o600);
    assert_eq!(mode(&data.join("lock")), 0o600);
    assert!(!data.join("bridge.redb.new").exists());
}

#[test]
fn half_a_creation_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bridge.redb.new"), b"half").unwrap();
    let mut log = open(dir.path()).unwrap();
    log.append(&plain(1, 1)).unwrap();
}

#[test]
fn an_empty_file_is_a_damaged_store_and_not_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bridge.redb"), b"").unwrap();
    for error in [
        open(dir.path()).unwrap_err(),
        open_read_only::<Note>(dir.path()).unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
    assert_eq!(
        fs::metadata(dir.path().join("bridge.redb")).unwrap().len(),
        0
    );
}

#[test]
fn a_missing_store_is_not_made_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_read_only::<Note>(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::write(&data, b"").unwrap();
    let error = open(&data).unwrap_err();
    assert!(
        matches!(&error, OpenError::Io { path, .. } if *path == data),
        "{error}"
    );
}

#[test]
fn a_nearly_full_disk_refuses_appends_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    log.append(&plain(1, 5)).unwrap();
    drop(log);
    let full = Options {
        min_free_bytes: u64::MAX,
        ..options()
    };
    let mut log = Log::<Note>::open(dir.path(), &full, &|_| {}).unwrap();
    for _ in 0..2 {
        let error = log.append(&plain(6, 1)).unwrap_err();
        assert!(matches!(error, AppendError::DiskLow { .. }), "{error}");
        assert!(!error.needs_reopen());
    }
    assert_eq!(log.reader().page(0, 10).unwrap().len(), 5);
    log.close().unwrap();
    open(dir.path()).unwrap().append(&plain(6, 1)).unwrap();
}

#[test]
fn reading_a_stopped_store_never_writes_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bridge.redb");
    let mut log = open(dir.path()).unwrap();
    log.append(&plain(1, 300)).unwrap();
    // As a crash leaves it: the file before the log is closed needs a repair.
    let crashed = fs::read(&path).unwrap();
    log.append(&plain(301, 5)).unwrap();
    drop(log);
    for bytes in [fs::read(&path).unwrap(), crashed] {
        fs::write(&path, &bytes).unwrap();
        let reader = open_read_only::<Note>(dir.path()).unwrap();
        assert!(reader.next_position() >= 301);
        assert_eq!(reader.page(0, 1_000).unwrap()[..300], plain(1, 300).events);
        assert!(reader.bytes_on_disk() > 0);
        drop(reader);
        assert!(fs::read(&path).unwrap() == bytes, "the file was changed");
    }
}

#[test]
fn a_newer_event_can_be_named_but_not_written_after() {
    let dir = tempfile::tempdir().unwrap();
    let newer = Options {
        program: "bridge 9.9".to_owned(),
        ..options()
    };
    let mut log = Log::<Later>::open(dir.path(), &newer, &|_| {}).unwrap();
    log.append(&notify_store::Batch::of(vec![recorded(1, Later)]))
        .unwrap();
    drop(log);
    let error = open(dir.path()).unwrap_err();
    let OpenError::Newer { source, .. } = &error else {
        panic!("{error}");
    };
    let says = source.to_string();
    assert!(says.contains("event kind 9 at position 1"), "{says}");
    assert!(says.contains("bridge 9.9"), "{says}");
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let error = reader.get(1).unwrap_err();
    assert!(
        matches!(&error, ReadError::Newer { position: 1, .. }),
        "{error}"
    );
    assert_eq!(
        reader.frames(0, 9).unwrap().len(),
        1,
        "frames stay readable"
    );
}

#[test]
fn the_program_that_wrote_last_signs_with_its_first_append() {
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        let program = name.to_owned();
        let options = Options {
            program,
            ..options()
        };
        Log::<Note>::open(dir.path(), &options, &|_| {}).unwrap()
    };
    let signed = |log: &Log<Note>| {
        let name = log.reader().meta("written_by").unwrap().unwrap();
        String::from_utf8(name).unwrap()
    };
    let log = named("one");
    assert_eq!(signed(&log), "one");
    drop(log);
    let mut log = named("two");
    assert_eq!(signed(&log), "one");
    log.append(&plain(1, 1)).unwrap();
    assert_eq!(signed(&log), "two");
}

#[test]
fn space_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    for first in (0..20).map(|n| 1 + n * 1_000) {
        log.append(&plain(first, 1_000)).unwrap();
    }
    let reader = log.reader();
    let before = reader.bytes_on_disk();
    for first in (0..19).map(|n| 1 + n * 1_000) {
        let frames = (first..first + 1_000).collect();
        log.remove(&notify_store::Removal {
            frames,
            ..Default::default()
        })
        .unwrap();
    }
    assert!(log.compact_file().unwrap());
    assert!(reader.bytes_on_disk() < before);
    assert_eq!(reader.page(0, 5).unwrap()[0].position, 19_001);
    log.append(&plain(20_001, 1)).unwrap();
}
