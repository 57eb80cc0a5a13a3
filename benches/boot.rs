//! How long until the program is ready, and what does it hold then?
//!
//! Logs of 10 000, 100 000 and 1 000 000 notices, each with one delivery that was sent: accepted, its
//! words, the attempt, its end. The program starts over them in a process of its own, without a snapshot
//! and with the one that its worker then leaves. Beside that: what a notice takes on the disk, a
//! dashboard's counts next to the same in SQLite with the predecessor's schema, and how quickly the log
//! is replayed and decided again.
//!
//! Budget at 1 000 000 notices: ready in 6 s without a snapshot and in 0.5 s with one; under 120 MB, the
//! worker included; counts that are flat and at least 1 000 times as quick as SQLite's.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/hook.rs"]
mod hook;
#[path = "shared/log.rs"]
mod log;
#[path = "shared/median.rs"]
mod median;
#[path = "boot/predecessor.rs"]
mod predecessor;
#[path = "shared/send.rs"]
mod send;
#[path = "boot/started.rs"]
mod started;
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/world.rs"]
mod world;

use std::path::Path;
use std::time::Instant;

use median::median;
use notify_bridge::domain::state::State;
use notify_bridge::shell::app::rebuild;
use notify_bridge::shell::replay::{Check, Replay};
use notify_bridge::shell::views;
use notify_store::{Log, Options};
use verdict::{figure, judge};

/// Notices in each log; `-- notices=1000000` for one alone.
const NOTICES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Events of one notice and its delivery.
const EVENTS_PER_NOTICE: u64 = 4;
const STARTS: usize = 3;
/// Times that counts are asked for.
const ASKED: usize = 200;
/// Counts are kept for so many providers and days.
const PROVIDERS: u32 = 8;
const DAYS: i32 = 365;
/// Days that a dashboard asks for.
const DAYS_SHOWN: i32 = 30;
/// Events replayed, and decided again.
const REPLAYED: u64 = 100_000;

/// What was measured of one log.
struct Row {
    notices: u64,
    events: u64,
    bytes: u64,
    without: f64,
    with: f64,
    ready_mb: f64,
    peak_mb: f64,
    with_mb: f64,
    counts_micros: f64,
    sqlite_micros: f64,
}

fn main() {
    if started::is_child() {
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench boot`");
        return;
    }
    let sizes = arguments::argument("notices").map_or(NOTICES.to_vec(), |notices| vec![notices]);
    println!("load average: {}", load());
    let rows: Vec<Row> = sizes.into_iter().map(measure).collect();
    println!(
        "| notices | events | MB | bytes a notice | ready without s | events/s | ready with s | ready MB | peak MB with worker | with snapshot MB | counts µs | SQLite ms | times |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for row in &rows {
        let cells = [
            row.notices as f64,
            row.events as f64,
            row.bytes as f64 / 1e6,
            row.bytes as f64 / row.notices as f64,
            row.without,
            row.events as f64 / row.without,
            row.with,
            row.ready_mb,
            row.peak_mb,
            row.with_mb,
            row.counts_micros,
            row.sqlite_micros / 1e3,
            row.sqlite_micros / row.counts_micros,
        ];
        println!("| {} |", cells.map(figure).join(" | "));
    }
    if let Some(last) = rows.last() {
        let of = format!("{} notices", last.notices);
        judge(
            &format!("ready without a snapshot, {of}"),
            last.without,
            ..6.0,
            "s",
        );
        judge(
            &format!("ready with a snapshot, {of}"),
            last.with,
            ..0.5,
            "s",
        );
        judge(&format!("most resident, {of}"), last.peak_mb, ..120.0, "MB");
        let times = last.sqlite_micros / last.counts_micros;
        judge(
            &format!("counts against SQLite, {of}"),
            times,
            1_000.0..,
            "times",
        );
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        let grown = last.counts_micros / first.counts_micros;
        judge(
            "counts of the longest log against the shortest",
            grown,
            ..2.0,
            "times",
        );
    }
    println!("load average: {}", load());
}

fn measure(notices: u64) -> Row {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let (mut world, configured) = log::world();
    let mut log = Log::open(data, &Options::default(), &|_| {}).expect("a store");
    let least = notices * EVENTS_PER_NOTICE;
    log::fill(&mut log, &mut world, configured, "forge-1", least);
    let bytes = log.reader().bytes_on_disk();
    log.close().expect("it closes");
    let expected = world.state;

    let (mut without, mut with) = (Vec::new(), Vec::new());
    let (mut ready, mut peak, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let _none = std::fs::remove_dir_all(data.join("snapshots"));
        let started = started::start(data, started::Until::Snapshot);
        without.push(started.seconds);
        ready.push(started.resident_mb);
        peak.push(started.peak_mb);
        let started = started::start(data, started::Until::Ready);
        with.push(started.seconds);
        later.push(started.resident_mb);
    }
    let reader = notify_store::open_read_only(data).expect("the store is read");
    let state = rebuild(data, &reader, &|_, _, _| {}).expect("it is rebuilt");
    assert_eq!(
        state, expected,
        "the snapshot gives the state that wrote the log"
    );
    drop(expected);
    if notices == NOTICES[1] {
        replayed(&reader);
    }
    Row {
        notices,
        events: state.position,
        bytes,
        without: median(&without).0,
        with: median(&with).0,
        ready_mb: median(&ready).0,
        peak_mb: median(&peak).0,
        with_mb: median(&later).0,
        counts_micros: counts(state),
        sqlite_micros: predecessor::counts(&data.join("predecessor.sqlite"), notices, PROVIDERS),
    }
}

/// A dashboard's counts over what a year with several providers leaves in the state.
fn counts(mut state: State) -> f64 {
    let newest = state.counts.days.keys().map(|(_, day)| *day).max();
    let newest = newest.unwrap_or_default();
    for provider in 1..=PROVIDERS {
        for day in newest - DAYS..newest {
            state.counts.of(provider, day).notices += 1;
        }
    }
    let asked = (0..ASKED).map(|_| {
        let start = Instant::now();
        let counts = views::counts(&state, newest - DAYS_SHOWN);
        let took = start.elapsed();
        assert!(counts["totals"]["notices"].as_u64() > Some(0));
        took.as_secs_f64() * 1e6
    });
    median(&asked.collect::<Vec<_>>()).0
}

/// How quickly changes are named, and decisions made again.
fn replayed(reader: &notify_store::Reader<notify_bridge::domain::event::Event>) {
    let start = Instant::now();
    let mut replay = Replay::new(reader, State::default());
    let mut changes = 0;
    while replay.state().position < REPLAYED {
        let step = replay.step().expect("it is read").expect("there are more");
        changes += step.changes.shown.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{REPLAYED} events replayed with {changes} changes: {} events/s",
        figure(REPLAYED as f64 / seconds)
    );
    let start = Instant::now();
    let mut check = Check::new(reader, State::default(), REPLAYED);
    assert!(check.difference().expect("it is read").is_none());
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} commands decided again: {} a second",
        check.tally.same,
        figure(check.tally.same as f64 / seconds)
    );
}

fn load() -> String {
    let text = std::fs::read_to_string(Path::new("/proc/loadavg")).unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
