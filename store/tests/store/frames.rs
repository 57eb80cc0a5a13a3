//! The bytes of frames, against ones made by hand from the description, and what becomes of frames
//! that were altered.

use std::fs;
use std::path::{Path, PathBuf};

use notify_store::{
    Batch, Log, OpenError, ReadError, Recorded, Refused, SecretChange, body, open_read_only,
};
use redb::{Database, ReadableDatabase, TableDefinition};
use xxhash_rust::xxh3::xxh3_64;

use crate::note::{Note, open, plain, recorded};

const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// Position 7, made field by field by another program, with xxh3 from another library.
const SMALL: [u8; 70] = [
    b'N', b'B', b'E', b'V', // magic
    1, 0, // format
    1, 0, // kind
    1, 0, // revision
    0, 0, // flags
    2, 0, 0, 0, // payload length
    7, 0, 0, 0, 0, 0, 0, 0, // position
    0x07, 0x40, 0x1e, 0x18, 0x24, 0x0a, 0x06, 0x00, // recorded at, 1 700 000 000 000 007 µs
    1, 0, 0, 0, // space
    6, 0, 0, 0, 0, 0, 0, 0, // causation
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // correlation
    0, 0, 0, 0, // reserved
    0xca, 0x30, 0xba, 0x89, // checksum
    b'h', b'i', // payload
];

/// The header of position 8 with 2 000 bytes of payload, every field at an end of its range; too
/// large for the short way of hashing.
const LARGE_HEADER: [u8; 68] = [
    b'N',
    b'B',
    b'E',
    b'V',
    1,
    0,
    3,
    0,
    1,
    0,
    0,
    0,
    0xd0,
    7,
    0,
    0,
    8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    0,
    0,
    0,
    0,
    LARGE_SUM[0],
    LARGE_SUM[1],
    LARGE_SUM[2],
    LARGE_SUM[3],
];
const LARGE_SUM: [u8; 4] = [0xd0, 0x8c, 0x92, 0x0a];

fn file(dir: &Path) -> PathBuf {
    dir.join("bridge.redb")
}

fn raw_frame(dir: &Path, position: u64) -> Vec<u8> {
    let database = Database::open(file(dir)).unwrap();
    let transaction = database.begin_read().unwrap();
    let log = transaction.open_table(LOG).unwrap();
    log.get(position).unwrap().unwrap().value().to_vec()
}

/// Changes the log behind the store's back.
fn meddle(dir: &Path, change: impl FnOnce(&mut redb::Table<'_, u64, &'static [u8]>)) {
    let database = Database::open(file(dir)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(LOG).unwrap());
    transaction.commit().unwrap();
}

/// Makes the checksum right again.
fn seal(frame: &mut [u8]) {
    let covered = [&frame[..64], &frame[68..]].concat();
    let sum = xxh3_64(&covered) as u32;
    frame[64..68].copy_from_slice(&sum.to_le_bytes());
}

fn store_of(count: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap().append(&plain(1, count)).unwrap();
    dir
}

#[test]
fn frames_are_what_the_description_says() {
    let dir = store_of(6);
    let mut log = open(dir.path()).unwrap();
    let large: Vec<u8> = (0..2_000).map(|n| (n % 251) as u8).collect();
    let edge = Recorded {
        position: 8,
        recorded_at: -1,
        space: u32::MAX,
        causation: 0,
        correlation: std::array::from_fn(|n| n as u8),
        payload: Note::Plain(large.clone()),
    };
    let events = vec![recorded(7, Note::Founded(b"hi".to_vec())), edge];
    log.append(&Batch::of(events.clone())).unwrap();
    drop(log);
    assert_eq!(raw_frame(dir.path(), 7), SMALL);
    assert_eq!(
        raw_frame(dir.path(), 8),
        [&LARGE_HEADER[..], &large].concat()
    );
    // And back again.
    meddle(dir.path(), |log| {
        log.remove(7).unwrap();
        log.insert(7, SMALL.as_slice()).unwrap();
    });
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    assert_eq!(reader.page(7, 9).unwrap(), events);
}

#[test]
fn every_byte_of_a_frame_counts_and_the_frame_is_named() {
    let dir = store_of(9);
    let whole = raw_frame(dir.path(), 5);
    let check = |altered: &[u8]| {
        meddle(dir.path(), |log| {
            log.insert(5, altered).unwrap();
        });
        let reader = open_read_only::<Note>(dir.path()).unwrap();
        for error in [
            reader.get(5).unwrap_err(),
            reader.page(0, 9).unwrap_err(),
            reader.page_back(9, 9).unwrap_err(),
            reader.frames(4, 2).unwrap_err(),
        ] {
            let named = matches!(
                error,
                ReadError::Damaged {
                    position: Some(5),
                    ..
                }
            );
            assert!(named, "{error}");
        }
        assert_eq!(reader.page(0, 4).unwrap().len(), 4);
        assert_eq!(reader.page(6, 9).unwrap().len(), 4);
    };
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        check(&altered);
    }
    for length in [0, 3, 67, 68, whole.len() - 1] {
        check(&whole[..length]);
    }
    check(&[&whole[..], &[0]].concat());
    let neighbour = raw_frame(dir.path(), 4);
    check(&neighbour);
    check(&b"garbage".repeat(40));
}

#[test]
fn a_newer_frame_is_named_and_told_from_a_damaged_one() {
    for at in [4, 10, 60] {
        let dir = store_of(9);
        let mut newer = raw_frame(dir.path(), 9);
        newer[at] += 1;
        seal(&mut newer);
        meddle(dir.path(), |log| {
            log.insert(9, newer.as_slice()).unwrap();
        });
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(&error, OpenError::Newer { .. }), "{error}");
    }
    let dir = store_of(9);
    let mut newer = raw_frame(dir.path(), 5);
    newer[4] = 2;
    seal(&mut newer);
    meddle(dir.path(), |log| {
        log.insert(5, newer.as_slice()).unwrap();
    });
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let error = reader.page(0, 9).unwrap_err();
    let ReadError::Newer {
        position: 5,
        source,
    } = &error
    else {
        panic!("{error}");
    };
    assert!(source.to_string().contains("frame format 2"), "{source}");
}

#[test]
fn a_newer_store_is_not_written() {
    let dir = store_of(3);
    let database = Database::open(file(dir.path())).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert("format", [2, 0].as_slice()).unwrap();
        meta.insert("written_by", b"bridge 9.9".as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let error = open(dir.path()).unwrap_err();
    let OpenError::Newer { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.what, "store format 2");
    assert_eq!(source.written_by, "bridge 9.9");
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    assert_eq!(reader.newer().unwrap().as_ref(), Some(source));
    assert_eq!(reader.next_position(), 4);
    assert_eq!(reader.page(0, 9).unwrap().len(), 3);
}

#[test]
fn a_lost_end_is_noticed_on_opening() {
    let dir = store_of(9);
    meddle(dir.path(), |log| {
        log.remove(9).unwrap();
    });
    let error = open(dir.path()).unwrap_err();
    let named = |error: &OpenError| {
        matches!(
            error,
            OpenError::Damaged {
                position: Some(9),
                ..
            }
        )
    };
    assert!(named(&error), "{error}");
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    assert!(named(reader.trouble().unwrap()));
    assert_eq!(reader.next_position(), 10);
    assert_eq!(reader.page(0, 20).unwrap().len(), 8);
}

#[test]
fn a_loss_in_the_middle_differs_from_a_hole_made_by_compaction() {
    let dir = store_of(5_000);
    let mut log = open(dir.path()).unwrap();
    let frames = vec![7, 8, 4_095];
    log.remove(&notify_store::Removal {
        frames,
        ..Default::default()
    })
    .unwrap();
    let check = log.reader().check_segment(0).unwrap().unwrap();
    assert_eq!(
        (check.live, check.expected, check.whole),
        (4_092, 4_092, true)
    );
    drop(log);
    meddle(dir.path(), |log| {
        log.remove(1_000).unwrap();
    });
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let check = reader.check_segment(0).unwrap().unwrap();
    assert_eq!(
        (check.live, check.expected, check.whole),
        (4_091, 4_092, false)
    );
    assert!(reader.check_segment(1).unwrap().unwrap().whole);
    assert_eq!(reader.check_segment(2).unwrap(), None);
}

#[test]
fn a_damaged_end_keeps_a_writer_out_and_readers_in() {
    let dir = store_of(9);
    meddle(dir.path(), |log| {
        log.insert(9, b"?".as_slice()).unwrap();
    });
    let error = open(dir.path()).unwrap_err();
    let named = matches!(
        error,
        OpenError::Damaged {
            position: Some(9),
            ..
        }
    );
    assert!(named, "{error}");
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    assert_eq!(reader.page(0, 8).unwrap().len(), 8);
    let error = reader.get(9).unwrap_err();
    let named = matches!(
        error,
        ReadError::Damaged {
            position: Some(9),
            ..
        }
    );
    assert!(named, "{error}");
}

/// What a person does who accepts a loss: what is whole goes into a new store, with gaps where
/// something is lost.
#[test]
fn what_is_whole_is_copied_to_a_new_store() {
    let dir = store_of(50);
    meddle(dir.path(), |log| {
        log.insert(20, b"?".as_slice()).unwrap();
        log.insert(50, b"?".as_slice()).unwrap();
    });
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let mut copy = open(other.path()).unwrap();
    let mut lost = Vec::new();
    let mut from = 1;
    while from < reader.next_position() {
        let mut frames = notify_store::Frames::default();
        let end = reader.for_each_frame(from, 1_000, |header, payload| {
            frames.push(header, payload);
        });
        copy.restore(&frames, &Batch::default()).unwrap();
        from = match end {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(ReadError::Damaged {
                position: Some(position),
                ..
            }) => {
                lost.push(position);
                position + 1
            }
            Err(error) => panic!("{error}"),
        };
    }
    assert_eq!(lost, [20, 50]);
    assert_eq!(copy.reader().page(0, 100).unwrap().len(), 48);
    assert_eq!(copy.next_position(), 50);
}

#[test]
fn restoring_refuses_what_is_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut log: Log<Note> = open(dir.path()).unwrap();
    let mut header = {
        let other = store_of(1);
        let reader = open_read_only::<Note>(other.path()).unwrap();
        let frames = reader.frames(1, 1).unwrap();
        *frames.iter().next().unwrap().0
    };
    header.kind = 77;
    let mut frames = notify_store::Frames::default();
    frames.push(&header, b"x");
    let error = log.restore(&frames, &Batch::default()).unwrap_err();
    let refused = notify_store::AppendError::Refused(Refused::NotAFrame {
        position: 1,
        why: "event kind 77 is unknown to this program".to_owned(),
    });
    assert_eq!(format!("{error:?}"), format!("{refused:?}"));
}

/// What the store of format 1 in `fixtures` holds.
fn sample() -> Batch<Note> {
    let mut batch = Batch::of(vec![
        recorded(1, Note::Founded(b"first".to_vec())),
        recorded(2, Note::Member(1, b"second".to_vec())),
        recorded(3, Note::Plain(b"third".to_vec())),
    ]);
    batch.bodies = vec![(1, body::pack(b"{\"a\":1}"))];
    batch.rows = vec![(1, b"row".to_vec())];
    batch.secrets = vec![SecretChange {
        position: 3,
        field: 2,
        sealed: Some(b"sealed".to_vec()),
    }];
    batch.meta = vec![("mark".to_owned(), b"1".to_vec())];
    batch
}

/// Every released format stays readable and writable. To make the file of a new format, remove
/// nothing: add a constant, and set `NOTIFY_STORE_BLESS` once.
#[test]
fn a_store_of_format_1_is_read_and_written() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format-1.redb.packed");
    if std::env::var_os("NOTIFY_STORE_BLESS").is_some() && !fixture.exists() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path()).unwrap();
        log.append(&sample()).unwrap();
        log.close().unwrap();
        fs::create_dir_all(fixture.parent().unwrap()).unwrap();
        fs::write(&fixture, body::pack(&fs::read(file(dir.path())).unwrap())).unwrap();
    }
    let packed = fs::read(&fixture).unwrap();
    let bytes = body::unpack(&packed, 16 * 1024 * 1024).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path()), bytes).unwrap();
    let mut log = open(dir.path()).unwrap();
    let reader = log.reader();
    let expected = sample();
    assert_eq!(reader.page(0, 9).unwrap(), expected.events);
    assert_eq!(reader.stream(1, 0, 9).unwrap(), expected.events[..2]);
    let packed = reader.body(1).unwrap().unwrap();
    assert_eq!(body::unpack(&packed, 100).unwrap(), b"{\"a\":1}");
    assert_eq!(reader.row(1).unwrap(), Some(b"row".to_vec()));
    assert_eq!(reader.secret(3, 2).unwrap(), Some(b"sealed".to_vec()));
    assert_eq!(reader.meta("mark").unwrap(), Some(b"1".to_vec()));
    assert_eq!(reader.meta("format").unwrap(), Some(vec![1, 0]));
    assert!(reader.check_segment(0).unwrap().unwrap().whole);
    log.append(&plain(4, 1)).unwrap();
}
