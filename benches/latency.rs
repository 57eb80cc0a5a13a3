//! How long is the way from a webhook to the request at the target?
//!
//! The time from the first byte sent to the bridge until the whole request is at a webhook target:
//! verified, written, planned, claimed, written again, sent. First one at a time, then 200 a second
//! at fixed moments whether or not earlier ones have arrived. The file stays under 256 MiB.
//!
//! Budget: p50 under 2.5 ms one at a time; p99 under 15 ms at 200 a second.

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
#[path = "shared/sign.rs"]
mod sign;
#[path = "shared/sink.rs"]
mod sink;
#[path = "shared/verdict.rs"]
mod verdict;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Connection;
use percentile::percentile;
use sink::Arrived;
use tokio::sync::mpsc::UnboundedReceiver;
use verdict::{figure, judge};

/// Notices sent one at a time; `-- alone=5000` for others.
const ALONE: u64 = 1_000;
/// Sent first and not counted, while connections open and caches fill.
const WARM_UP: u64 = 100;
/// Seconds of 200 a second; `-- seconds=60` for others.
const SECONDS: u64 = 5;
const PER_SECOND: u64 = 200;
/// Connections the paced notices are spread over.
const CONNECTIONS: usize = 16;
/// Longest wait for one to arrive.
const WAIT_MAX: Duration = Duration::from_secs(10);
const ALONE_P50_MAX: f64 = 2.5;
const PACED_P99_MAX: f64 = 15.0;

fn main() {
    if let Some((_, arguments)) = child::role() {
        bridge::serve(std::path::Path::new(&arguments[0]), Vec::new());
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench latency`");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sink, mut arrived) = sink::start().expect("a target listens");
    let configuration = places::configuration(1, sink);
    std::fs::write(folder.path().join("bench.toml"), configuration).expect("a file is written");
    let path = folder.path().to_string_lossy().into_owned();
    let server = child::Child::start("bridge", &[&path]).expect("the bridge starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let notices = arguments::argument("alone").unwrap_or(ALONE);
        let mut times = alone(server.address, &mut arrived, notices).await;
        report("one at a time", &mut times, 0.5, ALONE_P50_MAX);
        let seconds = arguments::argument("seconds").unwrap_or(SECONDS);
        let mut times = paced(server.address, &mut arrived, seconds).await;
        report("at 200 a second", &mut times, 0.99, PACED_P99_MAX);
    });
    println!("resident: {:.0} MiB", server.resident_mib());
}

fn report(what: &str, times: &mut [Duration], share: f64, bar: f64) {
    println!(
        "{what}: p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms of {}",
        figure(percentile(times, 0.5)),
        figure(percentile(times, 0.9)),
        figure(percentile(times, 0.99)),
        figure(percentile(times, 1.0)),
        times.len(),
    );
    let what = format!("{what}, p{:.0}", share * 100.0);
    judge(&what, percentile(times, share), ..bar, "ms");
}

async fn alone(
    bridge: SocketAddr,
    arrived: &mut UnboundedReceiver<Arrived>,
    notices: u64,
) -> Vec<Duration> {
    let mut connection = Connection::open(bridge).await.expect("it is reached");
    let mut times = Vec::new();
    for number in 0..WARM_UP + notices {
        let request = client::request("forge-0", number);
        let asked = Instant::now();
        let status = connection.ask(&request).await.expect("it answers");
        assert_eq!(status, 202);
        let (arrived_number, at) = tokio::time::timeout(WAIT_MAX, arrived.recv())
            .await
            .expect("it arrives in time")
            .expect("the target listens");
        assert_eq!(arrived_number, number);
        if number >= WARM_UP {
            times.push(at.saturating_duration_since(asked));
        }
    }
    times
}

async fn paced(
    bridge: SocketAddr,
    arrived: &mut UnboundedReceiver<Arrived>,
    seconds: u64,
) -> Vec<Duration> {
    let count = seconds * PER_SECOND;
    // Numbers that were not used one at a time.
    let first = 1u64 << 32;
    let gap = Duration::from_secs(1) / PER_SECOND as u32;
    let start = Instant::now() + gap;
    let due = move |number: u64| start + gap * (number - first) as u32;
    for connection in 0..CONNECTIONS as u64 {
        let mut opened = Connection::open(bridge).await.expect("it is reached");
        tokio::spawn(async move {
            for number in (first + connection..first + count).step_by(CONNECTIONS) {
                let request = client::request("forge-0", number);
                tokio::time::sleep_until(due(number).into()).await;
                let status = opened.ask(&request).await.expect("it answers");
                assert_eq!(status, 202);
            }
        });
    }
    let mut times = Vec::new();
    while times.len() < count as usize {
        let (number, at) = tokio::time::timeout(WAIT_MAX, arrived.recv())
            .await
            .expect("it arrives in time")
            .expect("the target listens");
        // From when it was due, so that a bridge that falls behind cannot hide it.
        times.push(at.saturating_duration_since(due(number)));
    }
    times
}
