//! Snapshots and packed bodies.

use std::fs;

use notify_store::body;
use notify_store::snapshot::{self, Condition};
use proptest::prelude::*;

use crate::note::cases;

#[test]
fn the_newest_whole_snapshot_of_the_format_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(snapshot::newest(dir, 1), None);
    for (position, format) in [(9, 1), (100, 1), (1_000, 2), (20, 1)] {
        snapshot::write(
            dir,
            position,
            format,
            format!("state {position}").as_bytes(),
        )
        .unwrap();
    }
    assert_eq!(snapshot::list(dir), [9, 20, 100, 1_000]);
    let newest = |format| snapshot::newest(dir, format).map(|(position, _)| position);
    assert_eq!(newest(1), Some(100));
    assert_eq!(newest(2), Some(1_000));
    assert_eq!(newest(3), None);
    assert_eq!(
        snapshot::newest_through(dir, 1, 99),
        Some((20, b"state 20".to_vec()))
    );
    let path = dir.join("snapshots/100.snap");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    fs::write(dir.join("snapshots/7000.snap"), b"").unwrap();
    fs::write(dir.join("snapshots/other"), b"x").unwrap();
    // A whole snapshot under another position's name is none.
    fs::copy(dir.join("snapshots/9.snap"), dir.join("snapshots/50.snap")).unwrap();
    assert_eq!(newest(1), Some(20));
    let condition = |position| snapshot::look(dir, position, 1).map(|found| found.condition);
    assert_eq!(condition(20), Some(Condition::Whole));
    assert_eq!(condition(50), Some(Condition::Damaged));
    assert_eq!(condition(100), Some(Condition::Damaged));
    assert_eq!(condition(1_000), Some(Condition::OtherFormat(2)));
    assert_eq!(condition(7_000), Some(Condition::Damaged));
    assert_eq!(condition(8), None);
    // What is of no use does not take the place of what is.
    assert_eq!(snapshot::prune(dir, 1, u64::MAX, 2).unwrap(), 4);
    assert_eq!(snapshot::list(dir), [9, 20]);
    assert_eq!(snapshot::prune(dir, 1, 19, 2).unwrap(), 1);
    assert_eq!(snapshot::list(dir), [9]);
}

#[test]
fn a_snapshot_is_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    snapshot::write(dir.path(), 5, 1, b"one").unwrap();
    fs::write(dir.path().join("snapshots/5.tmp"), b"left by a crash").unwrap();
    snapshot::write(dir.path(), 5, 1, b"two").unwrap();
    assert_eq!(snapshot::read(dir.path(), 5, 1), Some(b"two".to_vec()));
    assert_eq!(
        fs::read_dir(dir.path().join("snapshots")).unwrap().count(),
        1
    );
}

#[test]
fn every_bit_of_a_snapshot_counts() {
    let dir = tempfile::tempdir().unwrap();
    snapshot::write(dir.path(), 5, 1, b"some state").unwrap();
    let path = dir.path().join("snapshots/5.snap");
    let bytes = fs::read(&path).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &altered).unwrap();
        assert_eq!(snapshot::newest(dir.path(), 1), None, "bit {bit}");
    }
}

#[test]
fn a_packed_body_that_lies_about_its_size_is_refused() {
    let mut bomb = body::pack(&vec![0; 1_000_000]);
    assert!(bomb.len() < 5_000);
    assert!(matches!(
        body::unpack(&bomb, 999_999),
        Err(body::UnpackError::TooLarge {
            bytes: 1_000_000,
            ..
        })
    ));
    assert_eq!(body::unpack(&bomb, 1_000_000).unwrap().len(), 1_000_000);
    bomb[1..5].copy_from_slice(&900_000u32.to_le_bytes());
    assert!(body::unpack(&bomb, usize::MAX).is_err());
    bomb[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(body::unpack(&bomb, usize::MAX).is_err());
    assert!(matches!(
        body::unpack(&[7, 0, 0, 0, 0], 10),
        Err(body::UnpackError::UnknownMethod { method: 7 })
    ));
}

#[test]
fn packed_bodies_are_what_the_description_says() {
    // Method, length, checksum, content.
    assert_eq!(body::pack(b""), [2, 0, 0, 0, 0, 234, 19, 236, 107]);
    let stored = body::pack(b"abc");
    assert_eq!(stored[..5], [2, 3, 0, 0, 0]);
    assert_eq!(stored[9..], *b"abc");
    let packed = body::pack(&[b'a'; 300]);
    assert_eq!(packed[..5], [3, 44, 1, 0, 0]);
    assert!(packed.len() < 24);
    // As earlier versions wrote them, without a checksum.
    assert_eq!(
        body::unpack(&[0, 3, 0, 0, 0, b'a', b'b', b'c'], 3).unwrap(),
        b"abc"
    );
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn bodies_survive_packing(bytes in prop::collection::vec(0u8..6, 0..3_000)) {
        prop_assert_eq!(body::unpack(&body::pack(&bytes), bytes.len()).unwrap(), bytes);
    }

    #[test]
    fn altered_bodies_never_panic(
        bytes in prop::collection::vec(0u8..6, 0..600),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut packed = body::pack(&bytes);
        for (at, value) in flips {
            let at = at.index(packed.len());
            packed[at] = value;
        }
        if let Ok(unpacked) = body::unpack(&packed, 10_000) {
            prop_assert!(unpacked.len() <= 10_000);
        }
    }
}
