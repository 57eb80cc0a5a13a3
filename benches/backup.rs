//! How fast is a store backed up and verified?
//!
//! The log is that of a bridge that sends what it accepts: events, rows, streams. Beside it, in the same
//! run: the same bytes copied as a file, and the same frames in SQLite, copied by `VACUUM INTO`. Megabytes
//! are those of the frames, so that all are measured against the same thing.
//!
//! Budget: backup and verification at least 150 MB/s each.

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

use std::path::Path;
use std::time::Instant;

use notify_bridge::domain::event::Event;
use notify_bridge::shell::backup::folder::make;
use notify_bridge::shell::backup::{Source, Wishes};
use notify_bridge::shell::keyring::Keyring;
use notify_bridge::shell::verify::{Beside, Index, run};
use notify_store::{Log, Options, PAGE_FRAMES_MAX, Reader};

/// Events in the log; `-- events=3000000` for others.
const EVENTS: u64 = 500_000;
const RUNS: usize = 3;
const MB_PER_SECOND_MIN: f64 = 150.0;

fn main() {
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench backup`");
        return;
    }
    let events = arguments::argument("events").unwrap_or(EVENTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut log = Log::open(&data, &Options::default(), &|_| {}).expect("a store");
    let (mut world, configured) = log::world();
    log::fill(&mut log, &mut world, configured, "forge-0", events);
    let reader = log.reader();
    let sqlite = folder.path().join("frames.sqlite");
    let frames_mb = fill_sqlite(&sqlite, &reader) / 1e6;
    println!(
        "{events} events, {frames_mb:.0} MB of frames, {:.0} MB on disk",
        reader.bytes_on_disk() as f64 / 1e6
    );
    let keyring = Keyring::stand_in();
    let source = Source {
        reader: &reader,
        keyring: &keyring,
        state: &|look| look(&world.state),
    };
    let mut number = 0;
    let mut bytes = 0;
    let backup = measured(|| {
        number += 1;
        let file = folder.path().join(format!("{number}.nbb"));
        let made = make(&file, &source, &Wishes::default(), 0, &mut |_, _| true);
        bytes = made.expect("a backup").bytes;
    });
    println!("a backup has {:.0} MB", bytes as f64 / 1e6);
    let verify = measured(|| {
        let beside = Beside {
            data: &data,
            keyring: None,
            serving: None,
            index: Index::Folder,
        };
        let report = run(&reader, &beside, &|_, _, _| {}).expect("it is read");
        assert!(report.is_clean(), "{report:?}");
    });
    let copy = measured(|| {
        let to = folder.path().join("copy.redb");
        std::fs::copy(data.join("bridge.redb"), &to).expect("copied");
        std::fs::File::open(&to)
            .and_then(|file| file.sync_all())
            .expect("synced");
    });
    let vacuum = measured(|| {
        let to = folder.path().join("copy.sqlite");
        let _absent = std::fs::remove_file(&to);
        let connection = rusqlite::Connection::open(&sqlite).expect("SQLite");
        let to = to.to_str().expect("a path in words");
        connection.execute("VACUUM INTO ?1", [to]).expect("copied");
    });
    let check = measured(|| {
        let connection = rusqlite::Connection::open(&sqlite).expect("SQLite");
        let told: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .expect("checked");
        assert_eq!(told, "ok");
    });
    for (what, seconds) in [
        ("copy of the file, synced", copy),
        ("SQLite VACUUM INTO", vacuum),
        ("SQLite integrity_check", check),
    ] {
        println!("{what}: {} MB/s", verdict::figure(frames_mb / seconds));
    }
    for (what, seconds) in [("backup", backup), ("verify", verify)] {
        verdict::judge(what, frames_mb / seconds, MB_PER_SECOND_MIN.., "MB/s");
    }
}

/// Seconds of the middle run.
fn measured(mut work: impl FnMut()) -> f64 {
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        work();
        seconds.push(start.elapsed().as_secs_f64());
    }
    let (middle, spread) = median::median(&seconds);
    println!("  {middle:.2} s, spread {:.0} %", spread * 100.0);
    middle
}

/// The same frames in SQLite, as one would keep them there. Gives their bytes.
fn fill_sqlite(path: &Path, reader: &Reader<Event>) -> f64 {
    let mut connection = rusqlite::Connection::open(path).expect("SQLite");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE log (position INTEGER PRIMARY KEY, kind INTEGER, recorded_at INTEGER, payload BLOB);
             CREATE INDEX by_kind ON log (kind, recorded_at);",
        )
        .expect("tables");
    let mut bytes = 0;
    let mut from = 1;
    loop {
        let frames = reader.frames(from, PAGE_FRAMES_MAX).expect("frames");
        let Some(next) = frames.next() else { break };
        from = next;
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare("INSERT INTO log VALUES (?1, ?2, ?3, ?4)")
                .expect("an insert");
            for (header, payload) in frames.iter() {
                bytes += notify_store::HEADER_BYTES + payload.len();
                let values = (
                    header.position as i64,
                    header.kind,
                    header.recorded_at,
                    payload,
                );
                insert.execute(values).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }
    bytes as f64
}
