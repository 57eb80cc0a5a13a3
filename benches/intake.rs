//! How close does durable intake come to the least that durable intake can be?
//!
//! A signed webhook of 2 KiB is verified, parsed, routed to two trackers and planned for two
//! targets, and answered once that is on disk; sending is paused. Beside it, in the same run and
//! asked by the same client over 64 connections, stands a bare axum handler that checks the same
//! HMAC and hands the body to one redb writer that commits whatever waits.
//!
//! Budget: at least 60 % of the bare handler's rate.

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
#[path = "shared/verdict.rs"]
mod verdict;

use std::time::Duration;

use flood::Run;
use median::median;
use percentile::percentile;
use verdict::{figure, judge};

const CONNECTIONS: usize = 64;
/// Rounds, each of both, one after the other; `-- rounds=5` for others.
const ROUNDS: u64 = 3;
/// Seconds of each; `-- seconds=10` for others.
const SECONDS: u64 = 2;
/// Requests made for each second of a run: more than any machine here answers.
const REQUESTS_PER_SECOND: u64 = 30_000;
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
            _ => bridge::serve(data, true),
        }
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench intake`");
        return;
    }
    let rounds = arguments::argument("rounds").unwrap_or(ROUNDS);
    let seconds = arguments::argument("seconds").unwrap_or(SECONDS);
    let mut bases = Vec::new();
    let mut ours = Vec::new();
    let mut shares = Vec::new();
    for round in 0..rounds {
        let base = measure("bare", round * 2, seconds);
        let our = measure("bridge", round * 2 + 1, seconds);
        shares.push(our / base * 100.0);
        bases.push(base);
        ours.push(our);
    }
    for (name, rates) in [("bare", &bases), ("bridge", &ours)] {
        let (rate, spread) = median(rates);
        println!(
            "{name}: {} requests/s, spread {:.0} %",
            figure(rate),
            spread * 100.0
        );
    }
    let (share, spread) = median(&shares);
    println!("spread of the share: {:.0} %", spread * 100.0);
    judge("durable intake against bare", share, SHARE_MIN.., "%");
}

/// One run of one of the two, on an empty store.
fn measure(role: &str, series: u64, seconds: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bench.toml"), CONFIGURATION).expect("a file is written");
    let path = folder.path().to_string_lossy().into_owned();
    let requests = (0..seconds * REQUESTS_PER_SECOND)
        .map(|n| client::request("forge", (series << 32) | n))
        .collect();
    let server = child::Child::start(role, &[&path]).expect("the server starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let time = Duration::from_secs(seconds);
    let Run {
        per_second,
        mut answered,
        refused,
    } = runtime
        .block_on(flood::flood(server.address, CONNECTIONS, requests, time))
        .expect("the server can be reached");
    println!(
        "{role}: {} requests/s; p50 {} ms, p99 {} ms; {refused} refused; {:.0} MiB resident",
        figure(per_second),
        figure(percentile(&mut answered, 0.5)),
        figure(percentile(&mut answered, 0.99)),
        server.resident_mib(),
    );
    per_second
}
