//! How many notices a second are accepted and delivered, end to end, as long as it is asked for?
//!
//! Senders over 32 connections post as fast as they are answered while fewer than a set number are
//! on their way; webhook targets on this machine count what arrives. Once with eight providers, each
//! with a target of its own, once with one.
//!
//! Budget: at least 3 000 deliveries a second to eight targets, 1 000 to one.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "shared/bridge.rs"]
mod bridge;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/client.rs"]
mod client;
#[path = "shared/hook.rs"]
mod hook;
#[path = "shared/percentile.rs"]
mod percentile;
#[path = "shared/places.rs"]
mod places;
#[path = "shared/senders.rs"]
mod senders;
#[path = "shared/sign.rs"]
mod sign;
#[path = "shared/sink.rs"]
mod sink;
#[path = "shared/verdict.rs"]
mod verdict;

use std::time::{Duration, Instant};

use percentile::percentile;
use verdict::{figure, judge};

/// Seconds of each; `-- seconds=60` for a minute.
const SECONDS: u64 = 10;
/// Not counted at the start.
const WARM_UP: Duration = Duration::from_secs(1);
/// Targets, and the least deliveries a second.
const CASES: [(usize, f64); 2] = [(8, 3_000.0), (1, 1_000.0)];

fn main() {
    if let Some((_, arguments)) = child::role() {
        bridge::serve(std::path::Path::new(&arguments[0]), Vec::new());
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench throughput`");
        return;
    }
    let seconds = arguments::argument("seconds").unwrap_or(SECONDS);
    for (targets, bar) in CASES {
        let rate = measure(targets, Duration::from_secs(seconds));
        let what = format!("accepted and delivered, targets: {targets}");
        judge(&what, rate, bar.., "per second");
    }
}

fn measure(targets: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sink, mut arrived) = sink::start().expect("targets listen");
    let configuration = places::configuration(targets, sink);
    std::fs::write(folder.path().join("bench.toml"), configuration).expect("a file is written");
    let path = folder.path().to_string_lossy().into_owned();
    let server = child::Child::start("bridge", &[&path]).expect("the bridge starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let start = Instant::now();
        let places = senders::start(server.address, targets as u64, u64::MAX).await;
        let mut counted = 0u64;
        let mut longest_gap: Vec<Duration> = Vec::new();
        let mut last = start + WARM_UP;
        while start.elapsed() < WARM_UP + time {
            let (_, at) = tokio::time::timeout(Duration::from_secs(10), arrived.recv())
                .await
                .expect("deliveries go on")
                .expect("the targets listen");
            places.add_permits(1);
            if at > start + WARM_UP {
                counted += 1;
                longest_gap.push(at.saturating_duration_since(last));
                last = at;
            }
        }
        places.close();
        let rate = counted as f64 / last.duration_since(start + WARM_UP).as_secs_f64();
        println!(
            "targets: {targets}: {} per second over {} s; longest gap {} ms; {:.0} MiB resident",
            figure(rate),
            time.as_secs(),
            figure(percentile(&mut longest_gap, 1.0)),
            server.resident_mib(),
        );
        rate
    })
}
