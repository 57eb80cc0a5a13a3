//! How many bytes does a lone notice with one delivery write to a large file?
//!
//! The log holds a million events. Notices come one at a time and are sent to one target, with all
//! that the ledger writes: what was accepted with its body, the claim with its words, the outcome.
//! The settling that follows when all is quiet is reported besides, since a burst has only one.
//!
//! Budget: under 160 KiB for the three commits together.

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

use std::sync::Arc;
use std::time::Duration;

use median::median;
use notify_bridge::domain::command::{Command, Told};
use notify_bridge::domain::event::DeliveryKey;
use notify_bridge::shell::clock::SystemClock;
use notify_bridge::shell::keyring::Keyring;
use notify_bridge::shell::ledger::{Beside, Ledger, Priority};
use notify_store::testing::{Counters, Counting};
use notify_store::{Log, Options, body};
use redb::backends::FileBackend;
use verdict::{figure, judge};

/// Events in the log; `-- events=100000` for others. The bar is about a million.
const EVENTS: u64 = 1_000_000;
/// Lone notices measured.
const NOTICES: u64 = 100;
/// Longer than the ledger waits before it settles a quiet log.
const QUIET: Duration = Duration::from_millis(1_500);
const KIB_MAX: f64 = 160.0;

type File = Counting<FileBackend>;

fn main() {
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench lone_notice`");
        return;
    }
    let events = arguments::argument("events").unwrap_or(EVENTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(folder.path().join("bridge.redb"))
        .expect("a file");
    let file = Counting::new(FileBackend::new(file).expect("a backend"));
    let options = Options::default();
    let mut log = Log::open_with_backend(file.clone(), &options, &|_| {}).expect("a store");
    let (mut world, configured) = log::world();
    log::fill(&mut log, &mut world, configured, "forge-0", events);
    println!("{} events in the log", figure(world.state.position as f64));
    let provider = world.provider("forge-1");
    let config_revision = world.state.configuration.revision;
    let key = folder.path().join("secret.key");
    let keyring = Arc::new(Keyring::open_or_create(&key, false).expect("a key"));
    let clock = Arc::new(SystemClock::new());
    let (ledger, thread) =
        Ledger::start(log, world.state, keyring, clock).expect("the ledger starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let bench = Bench {
            ledger,
            file,
            provider,
            config_revision,
        };
        bench.run().await;
    });
    thread.stop();
}

struct Bench {
    ledger: Ledger,
    file: File,
    provider: u32,
    config_revision: u64,
}

impl Bench {
    async fn run(&self) {
        let mut commits = [const { Vec::new() }; 3];
        for number in 0..NOTICES {
            // Numbers that are not in the log.
            let number = (1 << 40) | number;
            let command = world::accept(self.provider, number, world::notice(number));
            let beside = Beside {
                body: Some(body::pack(&hook::body(number))),
                ..Beside::default()
            };
            let (kib, told) = self.commit(Priority::Intake, command, beside).await;
            commits[0].push(kib);
            let Told::Accepted { first, .. } = told else {
                continue;
            };
            let delivery = DeliveryKey {
                position: first,
                ordinal: 1,
            };
            let steps = [
                send::claim(delivery, self.config_revision),
                send::sent(delivery),
            ];
            for (command, sizes) in steps.into_iter().zip(&mut commits[1..]) {
                let (kib, _) = self
                    .commit(Priority::Outcome, command, Beside::default())
                    .await;
                sizes.push(kib);
            }
        }
        let mut total = 0.0;
        for (what, sizes) in ["accepted", "claimed", "settled"].iter().zip(&commits) {
            let (kib, spread) = median(sizes);
            let spread = spread * 100.0;
            println!("{what}: {} KiB, spread {spread:.0} %", figure(kib));
            total += kib;
        }
        let before = self.file.counters();
        tokio::time::sleep(QUIET).await;
        let settling = kib(before, self.file.counters());
        println!(
            "settling the log, once after a burst: {} KiB",
            figure(settling)
        );
        judge("a lone notice with one delivery", total, ..KIB_MAX, "KiB");
    }

    async fn commit(&self, priority: Priority, command: Command, beside: Beside) -> (f64, Told) {
        let before = self.file.counters();
        let committed = self
            .ledger
            .submit(priority, command, beside, [7; 16])
            .await
            .expect("it is written");
        (kib(before, self.file.counters()), committed.told)
    }
}

fn kib(before: Counters, after: Counters) -> f64 {
    (after.bytes_written - before.bytes_written) as f64 / 1_024.0
}
