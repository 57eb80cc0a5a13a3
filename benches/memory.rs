//! How much memory does the program hold?
//!
//! Resident memory of the process as the kernel counts it: idle after its start, and after a great
//! many notices were delivered to a webhook target, once all is quiet again.
//!
//! Budget: under 40 MB idle, under 100 MB after 100 000 notices.

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

use std::time::Duration;

use verdict::judge;

/// Notices delivered; `-- notices=1000000` for others. The bar is about 100 000.
const NOTICES: u64 = 100_000;
const TARGETS: u64 = 4;
/// How long it is left alone before it is looked at: the search index follows meanwhile and gives its
/// memory back.
const QUIET: Duration = Duration::from_secs(6);
/// Longest wait for the next delivery.
const WAIT_MAX: Duration = Duration::from_secs(10);
const MIB_PER_MB: f64 = 1_048_576.0 / 1e6;
const IDLE_MAX: f64 = 40.0;
const AFTER_MAX: f64 = 100.0;

fn main() {
    if let Some((_, arguments)) = child::role() {
        bridge::serve(std::path::Path::new(&arguments[0]), Vec::new());
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench memory`");
        return;
    }
    let notices = arguments::argument("notices").unwrap_or(NOTICES);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sink, mut arrived) = sink::start().expect("targets listen");
    let configuration = places::configuration(TARGETS as usize, sink);
    std::fs::write(folder.path().join("bench.toml"), configuration).expect("a file is written");
    let path = folder.path().to_string_lossy().into_owned();
    let server = child::Child::start("bridge", &[&path]).expect("the bridge starts");
    std::thread::sleep(QUIET);
    let megabytes = || server.resident_mib() * MIB_PER_MB;
    judge("resident, idle", megabytes(), ..IDLE_MAX, "MB");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let places = senders::start(server.address, TARGETS, notices).await;
        for _ in 0..notices {
            let came = tokio::time::timeout(WAIT_MAX, arrived.recv()).await;
            came.expect("deliveries go on").expect("targets listen");
            places.add_permits(1);
        }
    });
    let busy = megabytes();
    std::thread::sleep(QUIET);
    println!("resident at the last delivery: {busy:.0} MB");
    let what = format!("resident, after {notices} notices");
    judge(&what, megabytes(), ..AFTER_MAX, "MB");
}
