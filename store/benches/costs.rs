//! What does a commit, a settle, a rebuild and an opening cost at a million events?
//!
//! Budget: a group commit of 64 events with 64 bodies of 700 B in about 2 ms, a rebuild of a million
//! small events a second, a clean opening in a few milliseconds. Run with
//! `cargo bench -p notify-store`; the number of events may be given after `--`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use notify_store::testing::Counting;
use notify_store::{
    Batch, DecodeError, Log, Options, PAGE_FRAMES_MAX, Payload, Recorded, Stream, body,
};
use redb::backends::FileBackend;

/// About as large as a common event.
const PAYLOAD_BYTES: usize = 140;
const BODY_BYTES: usize = 700;

struct Small(Vec<u8>, Stream);

impl Payload for Small {
    fn kind(&self) -> u16 {
        1
    }

    fn revision(&self) -> u16 {
        1
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(_: u16, _: u16, bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(bytes.to_vec(), Stream::None))
    }

    fn stream(&self) -> Stream {
        self.1
    }
}

/// A thousand bytes that lz4 does not make smaller, different for each seed.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

fn event(position: u64, stream: Stream) -> Recorded<Small> {
    Recorded {
        position,
        recorded_at: 1_700_000_000_000_000 + position as i64,
        space: 1,
        causation: position - 1,
        correlation: [position as u8; 16],
        payload: Small(noise(position, PAYLOAD_BYTES), stream),
    }
}

type File = Counting<FileBackend>;

fn main() {
    let events = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("costs.redb");
    let open = |check_every_page| {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .expect("the file opens");
        let backend = Counting::new(FileBackend::new(file).expect("a backend"));
        let start = Instant::now();
        let seen = std::cell::Cell::new(false);
        let options = Options {
            check_every_page,
            ..Options::default()
        };
        let log = Log::<Small>::open_with_backend(backend.clone(), &options, &|_| {
            seen.set(true);
        })
        .expect("the store opens");
        (log, backend, start.elapsed(), seen.get())
    };
    let (mut log, backend, _, _) = open(false);
    fill(&mut log, &backend, events);
    lone_commits(&mut log, &backend);
    settles(&mut log, &backend);
    group_commits(&mut log, &backend);
    let crashed = dir.path().join("crashed.redb");
    std::fs::copy(&path, &crashed).expect("a copy");
    log.close().expect("it closes");
    let (log, _, took, repaired) = open(false);
    println!("opening after a clean close: {took:?}, repaired {repaired}");
    rebuild(&log);
    drop(log);
    let (log, _, took, _) = open(true);
    println!("opening with every page checked: {took:?}");
    drop(log);
    std::fs::copy(&crashed, &path).expect("a copy");
    let (_, _, took, repaired) = open(false);
    println!("opening after a crash in a burst: {took:?}, repaired {repaired}");
}

fn fill(log: &mut Log<Small>, backend: &File, events: u64) {
    let start = Instant::now();
    let mut made = 0;
    while made < events {
        let first = log.next_position();
        let size = 64.min(events - made);
        let batch = (first..first + size).map(|p| match p % 4 {
            0 => event(p, Stream::Founds),
            rest => event(
                p,
                if p > rest {
                    Stream::Of(p - rest)
                } else {
                    Stream::None
                },
            ),
        });
        log.append(&Batch::of(batch.collect())).expect("it appends");
        made += size;
    }
    let rate = made as f64 / start.elapsed().as_secs_f64();
    let written = backend.counters().bytes_written as f64 / made as f64;
    println!("{made} events in batches of 64: {rate:.0}/s, {written:.0} B written each");
}

fn lone_commits(log: &mut Log<Small>, backend: &File) {
    for (what, founds, row) in [
        ("an event alone", false, false),
        ("a founding event with a row", true, true),
        ("a member of a stream", false, true),
    ] {
        let mut batches = Vec::new();
        for n in 0..500 {
            let p = log.next_position() + n;
            let stream = match (founds, row) {
                (true, _) => Stream::Founds,
                (false, true) => Stream::Of(p - 1),
                (false, false) => Stream::None,
            };
            let mut batch = Batch::of(vec![event(p, stream)]);
            if founds && row {
                batch.rows = vec![(p, noise(p, 100))];
            }
            batches.push(batch);
        }
        report(what, log, backend, &batches);
    }
}

fn settles(log: &mut Log<Small>, backend: &File) {
    let before = backend.counters().bytes_written;
    let mut times = Vec::new();
    let rounds = 100;
    for _ in 0..rounds {
        let p = log.next_position();
        log.append(&Batch::of(vec![event(p, Stream::None)]))
            .expect("it appends");
        let start = Instant::now();
        log.settle().expect("it settles");
        times.push(start.elapsed());
    }
    let written = (backend.counters().bytes_written - before) / rounds / 1024;
    println!(
        "settle: {}; {written} KiB with its append",
        spread(&mut times)
    );
}

fn group_commits(log: &mut Log<Small>, backend: &File) {
    let mut batches = Vec::new();
    let mut first = log.next_position();
    for _ in 0..300 {
        let mut batch = Batch::of(
            (first..first + 64)
                .map(|p| event(p, Stream::Founds))
                .collect(),
        );
        batch.bodies = (first..first + 64)
            .map(|p| (p, body::pack(&noise(p, BODY_BYTES))))
            .collect();
        batch.rows = (first..first + 64).map(|p| (p, noise(p, 100))).collect();
        first += 64;
        batches.push(batch);
    }
    report(
        "64 events, 64 bodies of 700 B, 64 rows",
        log,
        backend,
        &batches,
    );
}

fn report(what: &str, log: &mut Log<Small>, backend: &File, batches: &[Batch<Small>]) {
    let before = backend.counters();
    let mut times = Vec::new();
    for batch in batches {
        let start = Instant::now();
        log.append(batch).expect("it appends");
        times.push(start.elapsed());
    }
    let after = backend.counters();
    let count = batches.len() as u64;
    let written = (after.bytes_written - before.bytes_written) / count / 1024;
    let writes = (after.writes - before.writes) / count;
    let syncs = (after.syncs - before.syncs) as f64 / count as f64;
    println!(
        "{what}: {}; {written} KiB in {writes} writes, {syncs:.1} syncs",
        spread(&mut times)
    );
}

fn rebuild(log: &Log<Small>) {
    let reader = log.reader();
    for round in 0..2 {
        let start = Instant::now();
        let (mut from, mut count, mut sum) = (1, 0u64, 0u64);
        while let Some(next) = reader
            .for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
                count += 1;
                sum += header.position ^ payload.len() as u64;
            })
            .expect("it reads")
        {
            from = next;
        }
        black_box(sum);
        rate(&format!("frames visited, round {round}"), count, start);
    }
    let start = Instant::now();
    let (mut from, mut count) = (1, 0);
    loop {
        let frames = reader.frames(from, PAGE_FRAMES_MAX).expect("it reads");
        let Some(next) = frames.next() else { break };
        count += black_box(&frames).len() as u64;
        from = next;
    }
    rate("frames copied page by page", count, start);
    let start = Instant::now();
    let (mut from, mut count) = (1, 0);
    loop {
        let page = reader.page(from, PAGE_FRAMES_MAX).expect("it reads");
        let Some(last) = page.last() else { break };
        from = last.position + 1;
        count += black_box(&page).len() as u64;
    }
    rate("events decoded page by page", count, start);
}

fn rate(what: &str, count: u64, start: Instant) {
    let rate = count as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{what}: {rate:.2} M/s");
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |q: usize| times[(times.len() - 1) * q / 100];
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
