//! The store against a model that is a few maps in memory.

use std::collections::BTreeMap;

use notify_store::Payload;
use notify_store::testing::Disk;
use notify_store::{
    AppendError, Batch, Log, PAGE_FRAMES_MAX, Reader, Recorded, Refused, Removal, SecretChange,
    Stream,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::note::{Note, cases, open, options, plain, recorded};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u8, Index, Vec<u8>)>, Beside),
    Many(u64),
    Remove(Vec<Index>, Vec<Index>),
    Settle,
    Reopen,
    CloseAndOpen,
    Gap(u64),
}

#[derive(Debug, Clone)]
struct Beside {
    bodies: Vec<(Index, Vec<u8>)>,
    rows: Vec<(Index, Vec<u8>)>,
    secrets: Vec<(Index, u16, Option<Vec<u8>>)>,
    meta: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Model {
    events: BTreeMap<u64, Recorded<Note>>,
    bodies: BTreeMap<u64, Vec<u8>>,
    rows: BTreeMap<u64, Vec<u8>>,
    secrets: BTreeMap<(u64, u16), Vec<u8>>,
    meta: BTreeMap<String, Vec<u8>>,
    next: u64,
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

fn beside() -> impl Strategy<Value = Beside> {
    (
        vec((any::<Index>(), bytes(600)), 0..3),
        vec((any::<Index>(), bytes(129)), 0..3),
        vec((any::<Index>(), 0u16..3, prop::option::of(bytes(60))), 0..3),
        vec((0u8..4, bytes(40)), 0..2),
    )
        .prop_map(|(bodies, rows, secrets, meta)| Beside {
            bodies,
            rows,
            secrets,
            meta,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let events = vec((0u8..3, any::<Index>(), bytes(300)), 0..6);
    prop_oneof![
        8 => (events, beside()).prop_map(|(e, b)| Step::Append(e, b)),
        1 => (500u64..3_000).prop_map(Step::Many),
        2 => (vec(any::<Index>(), 0..8), vec(any::<Index>(), 0..3))
            .prop_map(|(f, r)| Step::Remove(f, r)),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        1 => Just(Step::CloseAndOpen),
        1 => (1u64..5).prop_map(Step::Gap),
    ]
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_log_does_what_the_model_does(steps in vec(step(), 1..24)) {
        let disk = Disk::new();
        let start = || Log::<Note>::open_with_backend(disk.clone(), &options(), &|_| {}).unwrap();
        let mut log = Some(start());
        let mut model = Model { next: 1, ..Model::default() };
        for step in steps {
            if matches!(step, Step::CloseAndOpen) {
                log.take().unwrap().close().unwrap();
                log = Some(start());
            }
            let log = log.as_mut().unwrap();
            model.step(log, step);
            model.check_ends(&log.reader());
        }
        let log = log.unwrap();
        model.check_all(&log.reader());
        drop(log);
        model.check_all(&start().reader());
    }
}

impl Model {
    fn step(&mut self, log: &mut Log<Note>, step: Step) {
        match step {
            Step::Append(events, beside) => {
                let batch = self.batch(events, beside);
                log.append(&batch).unwrap();
                self.add(batch);
            }
            Step::Many(count) => {
                let batch = plain(self.next, count);
                log.append(&batch).unwrap();
                self.add(batch);
            }
            Step::Remove(frames, rows) => self.remove(log, frames, rows),
            Step::Settle => {
                log.settle().unwrap();
                assert!(log.is_settled());
            }
            Step::Reopen => log.reopen().unwrap(),
            Step::CloseAndOpen => {}
            Step::Gap(gap) => {
                let refused = log.append(&plain(self.next + gap, 1)).unwrap_err();
                assert!(matches!(
                    refused,
                    AppendError::Refused(Refused::NotContiguous { .. })
                ));
            }
        }
    }

    fn batch(&self, events: Vec<(u8, Index, Vec<u8>)>, beside: Beside) -> Batch<Note> {
        let founders: Vec<u64> = self
            .events
            .values()
            .filter(|e| e.payload.stream() == Stream::Founds)
            .map(|e| e.position)
            .collect();
        let events: Vec<_> = events
            .into_iter()
            .zip(self.next..)
            .map(|((kind, of, bytes), position)| {
                let note = match kind {
                    0 => Note::Founded(bytes),
                    1 if !founders.is_empty() => Note::Member(*of.get(&founders), bytes),
                    _ => Note::Plain(bytes),
                };
                recorded(position, note)
            })
            .collect();
        let end = (self.next + events.len() as u64 - 1) as usize;
        let at = |index: Index| 1 + index.index(end.max(1)) as u64;
        let mut batch = Batch::of(events);
        if end > 0 {
            batch.bodies = beside.bodies.into_iter().map(|(i, b)| (at(i), b)).collect();
            batch.rows = beside.rows.into_iter().map(|(i, b)| (at(i), b)).collect();
            batch.secrets = beside
                .secrets
                .into_iter()
                .map(|(i, field, sealed)| SecretChange {
                    position: at(i),
                    field,
                    sealed,
                })
                .collect();
        }
        batch.meta = beside
            .meta
            .into_iter()
            .map(|(key, value)| (format!("key {key}"), value))
            .collect();
        batch
    }

    fn add(&mut self, batch: Batch<Note>) {
        self.next += batch.events.len() as u64;
        self.events
            .extend(batch.events.into_iter().map(|e| (e.position, e)));
        self.bodies.extend(batch.bodies);
        self.rows.extend(batch.rows);
        self.meta.extend(batch.meta);
        for change in batch.secrets {
            let key = (change.position, change.field);
            match change.sealed {
                Some(sealed) => self.secrets.insert(key, sealed),
                None => self.secrets.remove(&key),
            };
        }
    }

    fn remove(&mut self, log: &mut Log<Note>, frames: Vec<Index>, rows: Vec<Index>) {
        if self.next < 3 {
            return;
        }
        // Everything but the newest, which has to stay.
        let at = |index: Index| 1 + index.index(self.next as usize - 2) as u64;
        let removal = Removal {
            frames: frames.into_iter().map(at).collect(),
            rows: rows.into_iter().map(at).collect(),
            ..Removal::default()
        };
        let removed = log.remove(&removal).unwrap();
        let before = self.events.len() as u64;
        for position in &removal.frames {
            self.events.remove(position);
            self.bodies.remove(position);
            self.rows.remove(position);
        }
        for position in &removal.rows {
            self.rows.remove(position);
        }
        assert_eq!(removed.frames, before - self.events.len() as u64);
        let newest = log.remove(&Removal {
            frames: vec![self.next - 1],
            ..Removal::default()
        });
        assert!(matches!(
            newest,
            Err(AppendError::Refused(Refused::NewestStays { .. }))
        ));
    }

    fn check_ends(&self, reader: &Reader<Note>) {
        assert_eq!(reader.next_position(), self.next);
        let newest: Vec<_> = self.events.values().rev().take(3).cloned().collect();
        assert_eq!(reader.page_back(u64::MAX, 3).unwrap(), newest);
        let oldest: Vec<_> = self.events.values().take(3).cloned().collect();
        assert_eq!(reader.page(0, 3).unwrap(), oldest);
        assert_eq!(reader.get(self.next).unwrap(), None);
    }

    fn check_all(&self, reader: &Reader<Note>) {
        self.check_ends(reader);
        let mut from = 0;
        let mut found = Vec::new();
        loop {
            let page = reader.page(from, PAGE_FRAMES_MAX + 5).unwrap();
            let frames = reader.frames(from, PAGE_FRAMES_MAX + 5).unwrap();
            assert!(page.len() <= PAGE_FRAMES_MAX);
            assert_eq!(page.len(), frames.len());
            for (event, (header, payload)) in page.iter().zip(frames.iter()) {
                assert_eq!(event.position, header.position);
                let note = Note::decode(header.kind, header.revision, payload).unwrap();
                assert_eq!(event.payload, note);
            }
            found.extend(page);
            match frames.next() {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(found, self.events.values().cloned().collect::<Vec<_>>());
        let rows: Vec<_> = self
            .rows
            .iter()
            .rev()
            .map(|(p, r)| (*p, r.clone()))
            .collect();
        assert_eq!(reader.rows_back(u64::MAX, PAGE_FRAMES_MAX).unwrap(), rows);
        for (position, body) in &self.bodies {
            assert_eq!(reader.body(*position).unwrap().as_ref(), Some(body));
        }
        let sizes: Vec<_> = self
            .bodies
            .iter()
            .map(|(p, b)| (*p, b.len() as u64))
            .collect();
        assert_eq!(reader.body_sizes(0, PAGE_FRAMES_MAX).unwrap(), sizes);
        let secrets: Vec<_> = self
            .secrets
            .iter()
            .map(|((p, f), s)| (*p, *f, s.clone()))
            .collect();
        assert_eq!(reader.secrets_all(None, PAGE_FRAMES_MAX).unwrap(), secrets);
        for (key, value) in &self.meta {
            assert_eq!(reader.meta(key).unwrap().as_ref(), Some(value));
        }
        self.check_streams(reader);
        for segment in 0..=self.next / 4_096 {
            if let Some(check) = reader.check_segment(segment).unwrap() {
                assert!(check.whole, "segment {segment}: {check:?}");
            }
        }
    }

    fn check_streams(&self, reader: &Reader<Note>) {
        let mut streams: BTreeMap<u64, Vec<&Recorded<Note>>> = BTreeMap::new();
        for event in self.events.values() {
            match event.payload.stream() {
                Stream::None => {}
                Stream::Founds => streams.entry(event.position).or_default().push(event),
                Stream::Of(founding) => streams.entry(founding).or_default().push(event),
            }
        }
        for (founding, members) in streams {
            let found = reader.stream(founding, 0, PAGE_FRAMES_MAX).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), members);
            let after = members[0].position;
            let rest = reader.stream(founding, after, 1).unwrap();
            assert_eq!(rest.first(), members.get(1).copied());
        }
    }
}

#[test]
fn a_compacted_log_is_restored_with_its_gaps() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut log = open(from.path()).unwrap();
    log.append(&plain(1, 9_000)).unwrap();
    let gaps = (1..9_000).filter(|p| p % 3 == 0);
    for frames in gaps.collect::<Vec<_>>().chunks(1_000) {
        let frames = frames.to_vec();
        log.remove(&Removal {
            frames,
            ..Removal::default()
        })
        .unwrap();
    }
    let reader = log.reader();
    let mut copy = open(to.path()).unwrap();
    let mut from = 1;
    loop {
        let frames = reader.frames(from, 700).unwrap();
        copy.restore(&frames, &Batch::default()).unwrap();
        match frames.next() {
            Some(next) => from = next,
            None => break,
        }
    }
    let copied = copy.reader();
    assert_eq!(copied.next_position(), reader.next_position());
    assert_eq!(
        copied.page(8_000, 1_000).unwrap(),
        reader.page(8_000, 1_000).unwrap()
    );
    for segment in 0..2 {
        let check = copied.check_segment(segment).unwrap();
        assert_eq!(check, reader.check_segment(segment).unwrap());
        assert!(check.unwrap().whole);
    }
}

#[test]
fn bounds_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    let refused = |batch: &Batch<Note>, log: &mut Log<Note>| match log.append(batch) {
        Err(AppendError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let large = recorded(1, Note::Plain(vec![0; notify_store::PAYLOAD_BYTES_MAX + 1]));
    assert_eq!(
        refused(&Batch::of(vec![large]), &mut log),
        Refused::PayloadTooLarge {
            position: 1,
            bytes: 256 * 1024 + 1
        }
    );
    let later = recorded(1, Note::Member(1, Vec::new()));
    assert_eq!(
        refused(&Batch::of(vec![later]), &mut log),
        Refused::StreamNotBefore {
            position: 1,
            founding: 1
        }
    );
    let mut batch = plain(1, 1);
    batch.rows = vec![(1, vec![0; 129])];
    assert_eq!(
        refused(&batch, &mut log),
        Refused::RowTooLarge {
            position: 1,
            bytes: 129
        }
    );
    batch.rows = vec![(2, vec![0; 128])];
    assert_eq!(
        refused(&batch, &mut log),
        Refused::BeyondEnd {
            what: "row",
            position: 2
        }
    );
    batch.rows.clear();
    batch.meta = vec![("format".to_owned(), vec![9])];
    assert_eq!(
        refused(&batch, &mut log),
        Refused::MetaKey {
            key: "format".to_owned()
        }
    );
    batch.meta.clear();
    assert_eq!(log.next_position(), 1);
    assert!(log.reader().page(0, 10).unwrap().is_empty());
    let largest = recorded(1, Note::Plain(vec![7; notify_store::PAYLOAD_BYTES_MAX]));
    log.append(&Batch::of(vec![largest.clone()])).unwrap();
    assert_eq!(log.reader().get(1).unwrap(), Some(largest));
}
