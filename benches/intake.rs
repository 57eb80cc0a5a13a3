//! How close does durable intake come to the least that durable intake can be?
//!
//! A signed webhook of 2 KiB is verified, parsed, routed to two trackers and planned for two
//! targets, and answered once that is on disk; sending is paused. Beside it, in the same run and
//! asked by the same client over 64 connections, stands a bare axum handler that checks the same
//! HMAC and hands the body to one redb writer that commits whatever waits.
//!
//! Budget: at least 60 % of the bare handler's rate.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "shared/arguments.rs"]
mod arguments;
#[path = "intake/bare.rs"]
mod bare;
#[path = "shared/bridge.rs"]
mod bridge;
#[path = "shared/child.rs"]
mod child;
#[path = "shared/client.rs"]
mod client;
#[path = "intake/flood.rs"]
mod flood;
#[path = "shared/hook.rs"]
mod hook;
#[path = "shared/median.rs"]
mod median;
#[path = "shared/percentile.rs"]
mod percentile;
#[path = "shared/sign.rs"]
mod sign;
#[path = "intake/spent.rs"]
mod spent;
#[path = "shared/verdict.rs"]
mod verdict;

use std::time::Duration;

use flood::Run;
use median::median;
use notify_bridge::domain::command::Command;
use percentile::percentile;
use spent::processor_seconds;
use verdict::{figure, judge};

const CONNECTIONS: usize = 64;
/// Slices of each, in turn, so that what else the machine does meets both alike; `-- rounds=40` for
/// others.
const ROUNDS: u64 = 10;
/// Not counted, while connections open and stores grow.
const WARM_UP_ROUNDS: u64 = 2;
const SLICE: Duration = Duration::from_millis(400);
/// Requests made for a slice: more than any machine here answers in it.
const REQUESTS_PER_SLICE: u64 = 16_000;
const SHARE_MIN: f64 = 60.0;

const CONFIGURATION: &str = r#"
[[provider]]
name = "forge"
kind = "github"
secret = "b3nch-only-9f27c1"
rate = "off"

[[target]]
name = "first"
kind = "webhook"
url = "http://127.0.0.1:9/first"
allow_private = true

[[target]]
name = "second"
kind = "webhook"
url = "http://127.0.0.1:9/second"
allow_private = true

[[tracker]]
name = "everything"
provider = "forge"
[[tracker.links]]
target = "first"

[[tracker]]
name = "pushes"
provider = "forge"
kinds = ["push*"]
collections = ["atlas/*"]
[[tracker.links]]
target = "second"
"#;

fn main() {
    if let Some((role, arguments)) = child::role() {
        let data = std::path::Path::new(&arguments[0]);
        match role.as_str() {
            "bare" => bare::serve(data),
            _ => bridge::serve(data, vec![Command::Pause { by: "bench".into() }]),
        }
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench intake`");
        return;
    }
    let rounds = arguments::argument("rounds").unwrap_or(ROUNDS);
    let mut bare = Side::start("bare");
    let mut ours = Side::start("bridge");
    let mut shares = Vec::new();
    for round in 0..WARM_UP_ROUNDS + rounds {
        let base = bare.slice(round);
        let our = ours.slice(round);
        if round < WARM_UP_ROUNDS {
            bare.forget();
            ours.forget();
            continue;
        }
        shares.push(our / base * 100.0);
    }
    bare.report();
    ours.report();
    let (share, spread) = median(&shares);
    println!("share by slice: spread {:.0} %", spread * 100.0);
    judge("durable intake against bare", share, SHARE_MIN.., "%");
}

/// One of the two that are compared, on a store of its own.
struct Side {
    role: &'static str,
    server: child::Child,
    runtime: tokio::runtime::Runtime,
    slices: Vec<Run>,
    /// Seconds of processor time that the server had used before the slices.
    used_before: f64,
    /// Removed at the end.
    _folder: tempfile::TempDir,
}

impl Side {
    fn start(role: &'static str) -> Side {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("bench.toml"), CONFIGURATION).expect("a file is written");
        let path = folder.path().to_string_lossy().into_owned();
        Side {
            role,
            server: child::Child::start(role, &[&path]).expect("the server starts"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime starts"),
            slices: Vec::new(),
            used_before: 0.0,
            _folder: folder,
        }
    }

    /// Floods it for one slice of time and gives its rate. The other one is idle meanwhile.
    fn slice(&mut self, round: u64) -> f64 {
        let requests = (0..REQUESTS_PER_SLICE)
            .map(|n| client::request("forge", (round << 32) | n))
            .collect();
        let flood = flood::flood(self.server.address, CONNECTIONS, requests, SLICE);
        let run = self.runtime.block_on(flood).expect("it can be reached");
        let rate = run.per_second;
        self.slices.push(run);
        rate
    }

    /// Leaves out what was measured so far.
    fn forget(&mut self) {
        self.slices.clear();
        self.used_before = processor_seconds(&self.server.told("stat"));
    }

    fn report(&self) {
        let used = processor_seconds(&self.server.told("stat")) - self.used_before;
        let rates: Vec<f64> = self.slices.iter().map(|run| run.per_second).collect();
        let (rate, spread) = median(&rates);
        let mut answered: Vec<Duration> = Vec::new();
        let mut refused = 0;
        for run in &self.slices {
            answered.extend(&run.answered);
            refused += run.refused;
        }
        println!(
            "{}: {} requests/s, spread {:.0} %; {:.1} µs of processor time each; p50 {} ms, p99 {} ms; {refused} refused; {:.0} MiB resident",
            self.role,
            figure(rate),
            spread * 100.0,
            used * 1e6 / answered.len().max(1) as f64,
            figure(percentile(&mut answered, 0.5)),
            figure(percentile(&mut answered, 0.99)),
            self.server.resident_mib(),
        );
    }
}
