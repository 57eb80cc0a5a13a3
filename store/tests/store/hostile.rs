//! Files that were altered on purpose or by a failing disk: errors, never a panic, never much
//! memory.

use std::fs;
use std::sync::LazyLock;

use notify_store::testing::Disk;
use notify_store::{Log, Options, PAGE_FRAMES_MAX, Reader, Removal, SecretChange, open_read_only};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::note::{Note, cases, options, plain, recorded};

/// Peak memory of the whole test process, in KiB.
const PEAK_KIB_MAX: u64 = 256 * 1024;
/// The part of a redb file that says where everything else is, in bytes.
const REDB_HEADER_BYTES: usize = 320;

/// A store with something in every table, closed, and as a crash leaves it.
static STORES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| stores(30));

fn stores(batches: u8) -> [Vec<u8>; 2] {
    let disk = Disk::new();
    let mut log = Log::<Note>::open_with_backend(disk.clone(), &options(), &|_| {}).unwrap();
    for n in 0..batches {
        let first = log.next_position();
        let mut batch = plain(first, 200);
        batch.events[1] = recorded(first + 1, Note::Founded(vec![n; 300]));
        batch.events[2] = recorded(first + 2, Note::Member(first + 1, vec![n; 3_000]));
        batch.bodies = vec![(first, vec![n; 1_500])];
        batch.rows = vec![(first, vec![n; 90])];
        batch.secrets = vec![SecretChange {
            position: first,
            field: 1,
            sealed: Some(vec![n; 70]),
        }];
        batch.meta = vec![("count".to_owned(), vec![n])];
        log.append(&batch).unwrap();
    }
    log.remove(&Removal {
        frames: (100..160).collect(),
        ..Removal::default()
    })
    .unwrap();
    let crashed = disk.bytes();
    log.close().unwrap();
    [disk.bytes(), crashed]
}

/// Does everything a program does with a store. Only errors may come of it. Without a check of every
/// page nothing is appended: about one altered file in some thousands makes redb abort then, by a
/// panic within a panic.
fn use_it(bytes: Vec<u8>, check_every_page: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bridge.redb");
    fs::write(&path, &bytes).unwrap();
    if let Ok(reader) = open_read_only::<Note>(dir.path()) {
        read_all(&reader);
    }
    assert!(fs::read(&path).unwrap() == bytes, "reading wrote");
    let disk = Disk::holding(bytes);
    let options = Options {
        check_every_page,
        ..options()
    };
    let Ok(mut log) = Log::<Note>::open_with_backend(disk, &options, &|_| {}) else {
        return;
    };
    let reader = log.reader();
    read_all(&reader);
    let next = log.next_position();
    if !check_every_page {
        let _ = log.close();
        return;
    }
    let _ = log.append(&plain(next, 3));
    let _ = log.settle();
    let frames = (1..50.min(next)).collect();
    let _ = log.remove(&Removal {
        frames,
        ..Removal::default()
    });
    let _ = log.reopen();
    let _ = reader.page(next, 10);
    let _ = log.close();
}

fn read_all(reader: &Reader<Note>) {
    let mut from = 0;
    while let Ok(Some(next)) = reader.for_each_frame(from, PAGE_FRAMES_MAX, |_, _| {}) {
        assert!(next > from, "reading goes round in circles");
        from = next;
    }
    for position in [1, 2, 150, 2_000, 5_998, u64::MAX] {
        let _ = reader.get(position);
        let _ = reader.page(position, 20);
        let _ = reader.page_back(position, 20);
        let _ = reader.stream(position, 0, 20);
        let _ = reader.body(position);
        let _ = reader.row(position);
        let _ = reader.rows_back(position, 20);
        let _ = reader.secret(position, 1);
    }
    let _ = reader.body_sizes(0, 1_000);
    let _ = reader.secrets_all(None, 1_000);
    let _ = reader.meta("count");
    let _ = reader.newer();
    for segment in [0, 1, u64::MAX] {
        let _ = reader.check_segment(segment);
    }
}

fn check_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        let kib = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
        kib.trim().parse::<u64>().ok()
    });
    assert!(peak.is_none_or(|kib| kib < PEAK_KIB_MAX), "{peak:?} KiB");
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn flipped_bits(crashed: bool, check: bool, flips in prop::collection::vec((any::<Index>(), 0u8..8), 1..40)) {
        let mut bytes = STORES[usize::from(crashed)].clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        use_it(bytes, check);
        check_memory();
    }

    #[test]
    fn overwritten_stretches(
        crashed: bool,
        check: bool,
        stretches in prop::collection::vec(
            (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9_000)), 1..4),
    ) {
        let mut bytes = STORES[usize::from(crashed)].clone();
        for (at, stretch) in stretches {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + stretch.len());
            bytes[at..end].copy_from_slice(&stretch[..end - at]);
        }
        use_it(bytes, check);
        check_memory();
    }

    #[test]
    fn cut_off_and_made_longer(crashed: bool, check: bool, at: Index, longer: bool) {
        let mut bytes = STORES[usize::from(crashed)].clone();
        let len = if longer { bytes.len() + at.index(100_000) } else { at.index(bytes.len()) };
        bytes.resize(len, 0xa5);
        use_it(bytes, check);
        check_memory();
    }

    #[test]
    fn pages_in_the_wrong_place(crashed: bool, check: bool, moves in prop::collection::vec(any::<(Index, Index)>(), 1..5)) {
        let mut bytes = STORES[usize::from(crashed)].clone();
        let pages = bytes.len() / 4_096;
        for (from, to) in moves {
            let from = from.index(pages) * 4_096;
            bytes.copy_within(from..from + 4_096, to.index(pages) * 4_096);
        }
        use_it(bytes, check);
        check_memory();
    }

    #[test]
    fn anything_at_all(check: bool, bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        use_it(bytes, check);
        check_memory();
    }
}

#[test]
fn every_byte_of_the_header() {
    for store in stores(2) {
        for at in 0..REDB_HEADER_BYTES {
            let mut bytes = store.clone();
            bytes[at] = if at % 3 == 0 {
                0xff
            } else {
                bytes[at] ^ (1 << (at % 8))
            };
            use_it(bytes, at % 2 == 0);
        }
    }
    check_memory();
}
