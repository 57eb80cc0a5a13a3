//! Backups: what was copied comes back, and what was altered is an error.

use notify_store::backup::{Backup, BackupError, CopyError, CopyOptions, Piece, Totals, copy};
use notify_store::testing::{Disk, make_backup_right};
use notify_store::verify::{Checked, Part, Problem, Watch, verify};
use notify_store::{
    Batch, Header, Log, Options, Payload as _, Reader, Removal, SecretChange, Stream, body,
    open_read_only, open_read_only_with, salvage,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::note::{Note, cases, options, plain, recorded};

fn fill(log: &mut Log<Note>, batches: u8) {
    for n in 0..batches {
        let first = log.next_position();
        let mut batch = plain(first, 200);
        batch.events[1] = recorded(first + 1, Note::Founded(vec![n; 300]));
        batch.events[2] = recorded(first + 2, Note::Member(first + 1, vec![n; 3_000]));
        batch.bodies = vec![(first, body::pack(&vec![n; 1_500]))];
        batch.rows = vec![(first, vec![n; 90])];
        batch.secrets = vec![SecretChange {
            position: first,
            field: 1,
            sealed: Some(vec![n; 70]),
        }];
        batch.meta = vec![("count".to_owned(), vec![n])];
        log.append(&batch).unwrap();
    }
}

/// Everything that a backup holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    frames: Vec<(Header, Vec<u8>)>,
    bodies: Vec<(u64, Vec<u8>)>,
    secrets: Vec<(u64, u16, Vec<u8>)>,
    meta: Vec<(String, Vec<u8>)>,
}

fn held(reader: &Reader<Note>, through: u64) -> Held {
    let mut held = Held::default();
    let mut from = 1;
    while let Some(next) = reader
        .for_each_frame(from, 1_000, |header, payload| {
            if header.position <= through {
                held.frames.push((*header, payload.to_vec()));
            }
        })
        .unwrap()
    {
        from = next;
    }
    for (position, _) in reader.body_sizes(0, 1_000).unwrap() {
        if position <= through {
            held.bodies
                .push((position, reader.body(position).unwrap().unwrap()));
        }
    }
    held.secrets = reader.secrets_all(None, 1_000).unwrap();
    held.secrets.retain(|(position, ..)| *position <= through);
    held.meta = reader.meta_all().unwrap();
    held.meta.retain(|(name, _)| name == "count");
    held
}

fn written(
    reader: &Reader<Note>,
    progress: &mut dyn FnMut() -> bool,
) -> Result<(Vec<u8>, Totals), CopyError> {
    copy(
        reader,
        Vec::new(),
        CopyOptions {
            about: &mut |through, _| (format!("through {through}").into_bytes(), Some(vec![7])),
            secret: &mut |(.., sealed)| Some(sealed.clone()),
            progress: &mut |_| progress(),
        },
    )
}

fn read(bytes: &[u8]) -> Result<(Held, Totals), BackupError> {
    let mut backup = Backup::open(bytes)?;
    let mut held = Held::default();
    let mut totals = Totals::default();
    while let Some(piece) = backup.next()? {
        match piece {
            Piece::About(_) | Piece::Key(_) => {}
            Piece::Frames(frames) => held.frames.extend(
                frames
                    .iter()
                    .map(|(header, payload)| (*header, payload.to_vec())),
            ),
            Piece::Bodies(bodies) => held.bodies.extend(bodies),
            Piece::Secrets(secrets) => held.secrets.extend(secrets),
            Piece::Meta(meta) => held.meta.extend(meta),
            Piece::End(end) => totals = end,
        }
    }
    Ok((held, totals))
}

fn store(batches: u8) -> (Disk, Log<Note>) {
    let disk = Disk::new();
    let mut log = Log::<Note>::open_with_backend(disk.clone(), &options(), &|_| {}).unwrap();
    fill(&mut log, batches);
    (disk, log)
}

#[test]
fn what_was_copied_comes_back() {
    let (_disk, mut log) = store(30);
    log.remove(&Removal {
        frames: (100..160).collect(),
        ..Removal::default()
    })
    .unwrap();
    let through = log.next_position() - 1;
    let expected = held(&log.reader(), through);
    // Appends go on while it is copied, and are not in it.
    let reader = log.reader();
    let (bytes, totals) = written(&reader, &mut || {
        fill(&mut log, 1);
        true
    })
    .unwrap();
    assert!(log.next_position() > through + 1, "something was appended");
    let (mut found, end) = read(&bytes).unwrap();
    assert_eq!(end, totals);
    assert_eq!((end.through, end.frames), (through, through - 60));
    // meta is that of the end of the copy.
    found.meta.clone_from(&expected.meta);
    assert_eq!(found, expected);

    // Put into another store, it verifies, and its backup is the same to the byte.
    let disk = Disk::new();
    let mut other = Log::<Note>::open_with_backend(disk, &options(), &|_| {}).unwrap();
    let mut backup = Backup::open(bytes.as_slice()).unwrap();
    while let Some(piece) = backup.next().unwrap() {
        let mut batch = Batch::default();
        match piece {
            Piece::Frames(frames) => other.restore(&frames, &Batch::default()).unwrap(),
            Piece::Bodies(bodies) => batch.bodies = bodies,
            Piece::Meta(meta) => batch.meta = meta,
            Piece::Secrets(secrets) => {
                batch.secrets = secrets
                    .into_iter()
                    .map(|(position, field, sealed)| SecretChange {
                        position,
                        field,
                        sealed: Some(sealed),
                    })
                    .collect();
            }
            Piece::About(_) | Piece::Key(_) | Piece::End(_) => {}
        }
        other.append(&batch).unwrap();
    }
    let (checked, problems) = verified(&other.reader());
    assert_eq!(problems, [], "{checked:?}");
    let (again, _) = written(&other.reader(), &mut || true).unwrap();
    assert!(again == bytes);
}

#[test]
fn one_that_is_not_wanted_any_more_ends() {
    let (_disk, log) = store(3);
    let stopped = written(&log.reader(), &mut || false);
    assert!(matches!(stopped, Err(CopyError::Stopped)), "{stopped:?}");
}

#[test]
fn a_cut_backup_has_no_end() {
    let (_disk, log) = store(2);
    let (bytes, _) = written(&log.reader(), &mut || true).unwrap();
    for length in 0..bytes.len() {
        let cut = read(&bytes[..length]);
        assert!(
            matches!(cut, Err(BackupError::Cut { .. } | BackupError::NotABackup)),
            "{length}: {cut:?}"
        );
    }
    let longer = read(&[bytes.as_slice(), &[0]].concat());
    assert!(
        matches!(longer, Err(BackupError::Damaged { .. })),
        "{longer:?}"
    );
    let mut newer = bytes;
    newer[4] = 2;
    let sum = {
        // As its own program would write it.
        let mut other = newer[..8].to_vec();
        other.extend_from_slice(&xxhash(&newer[..8]).to_le_bytes());
        other
    };
    newer[..16].copy_from_slice(&sum);
    assert!(matches!(
        read(&newer),
        Err(BackupError::Newer { format: 2 })
    ));
}

fn xxhash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[test]
fn every_flipped_bit_of_a_backup_is_found() {
    let (_disk, log) = store(2);
    let (bytes, _) = written(&log.reader(), &mut || true).unwrap();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(read(&altered).is_err(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Altered and with its checksums made right again, so that what is behind them is reached too.
    #[test]
    fn a_hostile_backup_is_an_error(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..12),
        right in any::<bool>(),
    ) {
        let (_disk, log) = store(2);
        let (mut bytes, _) = written(&log.reader(), &mut || true).unwrap();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if right {
            make_backup_right(&mut bytes);
        }
        // Only that it ends and does not panic counts.
        let _ = read(&bytes);
    }
}

#[derive(Default)]
struct Told(Vec<Problem>);

impl Watch for Told {
    fn frame(&mut self, header: &Header, payload: &[u8]) -> Stream {
        Note::decode(header.kind, header.revision, payload)
            .map_or(Stream::None, |note| note.stream())
    }

    fn problem(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    fn progress(&mut self, _: Part, _: u64, _: u64) {}
}

fn verified(reader: &Reader<Note>) -> (Checked, Vec<Problem>) {
    let mut told = Told::default();
    let checked = verify(reader, &mut told).unwrap();
    (checked, told.0)
}

/// A closed store as a file.
fn file_of(batches: u8) -> Vec<u8> {
    let (disk, log) = store(batches);
    log.close().unwrap();
    disk.bytes()
}

fn in_folder(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bridge.redb"), bytes).unwrap();
    dir
}

#[test]
fn a_damaged_frame_is_named_and_the_rest_is_saved() {
    let bytes = file_of(30);
    // The payload of the stream's founding event in batch 9, and of nothing else.
    let (n, position) = (9u8, 9 * 200 + 2);
    let at = bytes
        .windows(300)
        .position(|window| window.iter().all(|byte| *byte == n))
        .unwrap();
    let mut altered = bytes;
    altered[at + 150] ^= 4;
    let dir = in_folder(&altered);
    let reader = open_read_only::<Note>(dir.path()).unwrap();
    let (_, problems) = verified(&reader);
    assert!(
        problems.iter().any(|problem| matches!(
            problem,
            Problem::Frames { from, to, .. } if *from == position && *to == position
        )),
        "{problems:?}"
    );
    let new = tempfile::tempdir().unwrap();
    let lost = salvage::salvage(&reader, new.path(), &options()).unwrap();
    assert_eq!(lost.len(), 1, "{lost:?}");
    let saved = open_read_only::<Note>(new.path()).unwrap();
    let (checked, problems) = verified(&saved);
    assert_eq!(problems, []);
    assert_eq!(checked.frames, 30 * 200 - 1);
    assert_eq!(saved.get(position).unwrap(), None);
    assert_eq!(checked.bodies, 30);
    assert!(
        std::fs::read(dir.path().join("bridge.redb")).unwrap() == altered,
        "it was only read"
    );
}

#[test]
fn a_flipped_bit_is_found_wherever_it_counts() {
    let bytes = file_of(12);
    let original = in_folder(&bytes);
    let reader = open_read_only::<Note>(original.path()).unwrap();
    let everything =
        |reader: &Reader<Note>| (held(reader, u64::MAX), reader.rows(0, 1_000).unwrap());
    let expected = everything(&reader);
    let checked_pages = Options {
        check_every_page: true,
        ..options()
    };
    let (mut found, mut nowhere) = (0, 0);
    // A step that is no multiple of a page, so that all parts of pages are met.
    for at in (0..bytes.len()).step_by(bytes.len() / 400 + 1) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let dir = in_folder(&altered);
        let Ok(reader) = open_read_only_with::<Note>(dir.path(), &checked_pages, &|_| {}) else {
            found += 1;
            continue;
        };
        let (_, problems) = verified(&reader);
        if problems.is_empty() {
            // It lies where nothing is kept.
            assert!(everything(&reader) == expected, "byte {at} is not found");
            nowhere += 1;
        } else {
            found += 1;
        }
    }
    assert!(found > 20, "{found} found, {nowhere} where nothing is kept");
}
