//! How fast is the state made anew from the log?
//!
//! Each notice is a push that two trackers took: accepted, its words, two attempts, two settled.
//! Nothing is left in memory of earlier runs but the file's pages in the system's cache.
//!
//! Budget: at least 1 000 000 events a second.

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
#[path = "shared/send.rs"]
mod send;
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/world.rs"]
mod world;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use notify_bridge::shell::app::rebuild;
use notify_store::{Log, Options};

/// Events in the log; `-- events=1000000` for others.
const EVENTS: u64 = 500_000;
const PER_SECOND_MIN: f64 = 1_000_000.0;

fn main() {
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench rebuild`");
        return;
    }
    let events = arguments::argument("events").unwrap_or(EVENTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = Options::default();
    let mut log = Log::open(folder.path(), &options, &|_| {}).expect("a store");
    let (mut world, configured) = log::world();
    log::fill(&mut log, &mut world, configured, "forge-0", events);
    let reader = log.reader();
    let mut seconds_all = Vec::new();
    let mut criterion = Criterion::default();
    let mut group = criterion.benchmark_group("rebuild");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    group.bench_function(format!("{events} events"), |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                let state = rebuild(folder.path(), &reader, &|_, _, _| {}).expect("it is read");
                assert_eq!(state.position, world.state.position);
            }
            let took = start.elapsed();
            seconds_all.push(took.as_secs_f64() / iterations as f64);
            took
        });
    });
    group.finish();
    let busy = processor_seconds();
    let state = rebuild(folder.path(), &reader, &|_, _, _| {}).expect("it is read");
    let busy = processor_seconds() - busy;
    assert_eq!(state, world.state, "the log gives the state that wrote it");
    println!(
        "in processor time: {} µs an event, over two threads",
        verdict::figure(busy * 1e6 / world.state.position as f64)
    );
    let (seconds, spread) = median::median(&seconds_all);
    println!("spread: {:.0} %", spread * 100.0);
    verdict::judge(
        "rebuild from the log",
        world.state.position as f64 / seconds,
        PER_SECOND_MIN..,
        "events/s",
    );
}

/// Seconds of processor time of this process, all threads together.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold anything; behind it, fields 12 and 13 are what it used by
    // itself and in the kernel, in hundredths of a second.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}
