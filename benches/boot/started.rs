//! The program over a data folder, in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify_bridge::shell::app;
use notify_bridge::shell::clock::SystemClock;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};
use notify_store::CACHE_BYTES;

const ROLE: &str = "role=started";
/// How often the child looks for the snapshot, and how long at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SNAPSHOT_WAIT_MAX: Duration = Duration::from_secs(120);
const MB_PER_KIB: f64 = 1_024.0 / 1e6;

/// When the child ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Ready,
    /// Its worker has left a snapshot as well, if it makes one by itself; else it is asked for one.
    Snapshot,
}

/// What a child told.
pub struct Started {
    /// From the start until it is ready.
    pub seconds: f64,
    pub resident_mb: f64,
    pub peak_mb: f64,
}

pub fn start(data: &Path, until: Until) -> Started {
    let output = Command::new(std::env::current_exe().expect("this bench"))
        .args([ROLE.as_ref(), data.as_os_str()])
        .arg(format!("{until:?}"))
        .output()
        .expect("the child starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text
        .split_whitespace()
        .filter_map(|figure| figure.parse().ok())
        .collect();
    let [seconds, resident_mb, peak_mb] = figures[..] else {
        panic!("the child said {text:?} and {output:?}");
    };
    Started {
        seconds,
        resident_mb,
        peak_mb,
    }
}

/// Whether this is the child, which has done its work then.
pub fn is_child() -> bool {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, data, until] = &words[..] else {
        return false;
    };
    if role != ROLE {
        return false;
    }
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let options = ServeOptions {
            data: data.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http: HttpOptions::default(),
            secret_key_file: None,
            private_networks: None,
            roots: notify_bridge::shell::client::Roots::default(),
            cache_bytes: CACHE_BYTES,
        };
        let clock = Arc::new(SystemClock::new());
        let running = app::start(options, clock, None, |routes| routes).await;
        let running = running.expect("the program starts");
        let (seconds, resident) = (begun.elapsed().as_secs_f64(), memory("VmRSS:"));
        if *until == format!("{:?}", Until::Snapshot) {
            let snapshots = &running.app.snapshots;
            let is_long = running.app.ledger.state().position
                >= notify_bridge::shell::snapshots::SNAPSHOT_EVENTS;
            if !is_long {
                snapshots.make().await.expect("it is made");
            }
            while snapshots.list().is_empty() && begun.elapsed() < SNAPSHOT_WAIT_MAX {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        println!("{seconds} {resident} {}", memory("VmHWM:"));
        // Nothing is drained: what was measured is over.
        std::process::exit(0);
    })
}

/// Memory of this process in MB, as the kernel counts it.
fn memory(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let rest = line.strip_prefix(what)?.trim();
        rest.strip_suffix("kB")?.trim().parse::<f64>().ok()
    });
    kib.map_or(f64::NAN, |kib| kib * MB_PER_KIB)
}
