//! Does intake wait while half of a large store is removed? And while SQLite does the same?
//!
//! Ours: the ledger takes a notice, as a webhook brings it, again and again, while compaction removes
//! the older half. SQLite's: one table of notices and one of deliveries with the indexes that lists
//! need; inserts go on over one connection while another deletes the older half in one statement
//! each, as a nightly job does, and then gives the space back with VACUUM.
//!
//! Budget: the 99th percentile of ours under 50 ms.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock"
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
#[path = "shared/percentile.rs"]
mod percentile;
#[path = "shared/send.rs"]
mod send;
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/world.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify_bridge::domain::command::{Command, Configure};
use notify_bridge::domain::spec::{RetentionSpec, Settings};
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::compaction::Compaction;
use notify_bridge::shell::keyring::Keyring;
use notify_bridge::shell::ledger::{Ledger, Priority};
use notify_store::{Log, Options};
use rusqlite::{Connection, params};

/// Events in the log, six a notice; `-- events=3000000` for others.
const EVENTS: u64 = 300_000;
const P99_MS_MAX: f64 = 50.0;
/// Between two notices that come in.
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of a notice's text in SQLite, about what an event of ours has.
const TEXT_BYTES: usize = 500;

fn main() {
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench compaction`");
        return;
    }
    let events = arguments::argument("events").unwrap_or(EVENTS);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load: {}", load.trim());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut waits = runtime.block_on(ours(folder.path(), events));
    report("ours", &mut waits);
    verdict::judge(
        "intake while half is removed, 99th percentile",
        percentile::percentile(&mut waits, 0.99),
        ..P99_MS_MAX,
        "ms",
    );
    let mut waits = sqlite(folder.path(), events / 6);
    report("SQLite", &mut waits);
}

fn report(what: &str, waits: &mut [Duration]) {
    let at = |waits: &mut [Duration], share| verdict::figure(percentile::percentile(waits, share));
    println!(
        "{what}: {} notices came in meanwhile; p50 {} ms, p99 {} ms, longest {} ms",
        waits.len(),
        at(waits, 0.5),
        at(waits, 0.99),
        at(waits, 1.0),
    );
}

async fn ours(folder: &Path, events: u64) -> Vec<Duration> {
    let data = folder.join("data");
    let options = Options::default();
    let mut log = Log::open(&data, &options, &|_| {}).expect("a store");
    let (mut world, configured) = log::world();
    log::fill(&mut log, &mut world, configured, "forge-0", events);
    let keyring = Keyring::stand_in();
    let clock: Arc<dyn Clock> = Arc::new(Real {
        manual: ManualClock::new(world.now()),
        start: Instant::now(),
    });
    let before = log.reader().bytes_on_disk();
    let provider = world.provider("forge-0");
    let state = world.state.clone();
    let (ledger, thread) =
        Ledger::start(log, state, Arc::new(keyring), Arc::clone(&clock)).expect("a ledger");
    let settings = Settings {
        retention: Some(RetentionSpec {
            notices_days: 0,
            notices_per_provider: (events / 12) as u32,
            ..RetentionSpec::default()
        }),
        ..Settings::default()
    };
    let configure = Configure {
        by: "bench".into(),
        settings: Some(settings),
        ..Configure::default()
    };
    let configure = Command::Configure(Box::new(configure));
    ledger
        .command(Priority::People, configure)
        .await
        .expect("settings are taken");
    let over = Arc::new(AtomicBool::new(false));
    let intake = {
        let (ledger, over) = (ledger.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let mut waits = Vec::new();
            let mut number = 10_000_000;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let accept = world::accept(provider, number, world::notice(number));
                let began = Instant::now();
                let done = ledger.command(Priority::Intake, accept).await;
                waits.push(began.elapsed());
                done.expect("it is accepted");
                tokio::time::sleep(PAUSE).await;
            }
            waits
        })
    };
    let compaction = Compaction::new(ledger.clone(), clock);
    let began = Instant::now();
    let removed = compaction.run("bench").await.expect("it runs");
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let waits = intake.await.expect("intake ends");
    println!(
        "ours: removed {} of {events} events in {} s; the file had {} MiB",
        removed.frames,
        verdict::figure(took.as_secs_f64()),
        before >> 20,
    );
    drop((compaction, ledger));
    thread.stop();
    let mut log: Log<notify_bridge::domain::event::Event> =
        Log::open(&data, &options, &|_| {}).expect("it opens");
    let began = Instant::now();
    log.compact_file().expect("it becomes smaller");
    println!(
        "ours: the file has {} MiB after {} s, while the program is stopped",
        log.reader().bytes_on_disk() >> 20,
        verdict::figure(began.elapsed().as_secs_f64()),
    );
    waits
}

/// The history ends where its clock does; from there on time passes as it does.
struct Real {
    manual: ManualClock,
    start: Instant,
}

impl Clock for Real {
    fn now(&self) -> i64 {
        self.manual.now() + self.start.elapsed().as_micros() as i64
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, span: Duration) -> notify_bridge::shell::clock::Wait<'_> {
        Box::pin(tokio::time::sleep(span))
    }

    fn sleep_until(&self, at: i64) -> notify_bridge::shell::clock::Wait<'_> {
        let span = Duration::from_micros(at.saturating_sub(self.now()).max(0) as u64);
        Box::pin(tokio::time::sleep(span))
    }
}

fn connect(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a database");
    connection
        .busy_timeout(Duration::from_secs(60))
        .expect("it waits");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        )
        .expect("it is set up");
    connection
}

const INSERT: &str = "INSERT INTO notice (provider, kind, at, text) VALUES (1, 'push', ?1, ?2)";

fn sqlite(folder: &Path, notices: u64) -> Vec<Duration> {
    let file = folder.join("bench.sqlite");
    let mut connection = connect(&file);
    connection
        .execute_batch(
            "CREATE TABLE notice (id INTEGER PRIMARY KEY, provider INTEGER, kind TEXT, at INTEGER, text TEXT);
             CREATE INDEX notice_by_time ON notice (provider, at);
             CREATE TABLE delivery (id INTEGER PRIMARY KEY, notice INTEGER REFERENCES notice ON DELETE CASCADE, status TEXT, text TEXT);
             CREATE INDEX delivery_by_notice ON delivery (notice);
             CREATE INDEX delivery_by_status ON delivery (status);",
        )
        .expect("tables are made");
    let text = "x".repeat(TEXT_BYTES);
    let filling = connection.transaction().expect("it begins");
    for at in 0..i64::try_from(notices).expect("a count") {
        filling
            .execute(INSERT, params![at, text])
            .expect("a notice");
        let notice = filling.last_insert_rowid();
        for _ in 0..2 {
            filling
                .execute(
                    "INSERT INTO delivery (notice, status, text) VALUES (?1, 'sent', ?2)",
                    params![notice, text],
                )
                .expect("a delivery");
        }
    }
    filling.commit().expect("it is written");
    let bytes = || file.metadata().map_or(0, |file| file.len() >> 20);
    let before = bytes();
    let over = Arc::new(AtomicBool::new(false));
    let intake = {
        let (file, over, text) = (file.clone(), Arc::clone(&over), text.clone());
        std::thread::spawn(move || {
            let connection = connect(&file);
            let mut waits = Vec::new();
            let mut at = notices;
            while !over.load(Ordering::Relaxed) {
                at += 1;
                let began = Instant::now();
                let done = connection.execute(INSERT, params![at as i64, text]);
                waits.push(began.elapsed());
                done.expect("it is accepted");
                std::thread::sleep(PAUSE);
            }
            waits
        })
    };
    let began = Instant::now();
    connection
        .execute(
            "DELETE FROM notice WHERE at < ?1",
            params![(notices / 2) as i64],
        )
        .expect("they are deleted");
    let deleted = began.elapsed();
    connection
        .execute_batch("VACUUM")
        .expect("space is given back");
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let waits = intake.join().expect("intake ends");
    println!(
        "SQLite: removed half of {notices} notices in {} s, with VACUUM {} s; the file had {before} MiB and has {}",
        verdict::figure(deleted.as_secs_f64()),
        verdict::figure(took.as_secs_f64()),
        bytes(),
    );
    waits
}
