//! A process that is killed while it appends: nothing acknowledged is lost, and after a settle
//! there is nothing to repair.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use notify_store::Log;

use crate::note::{Note, open, options, plain};

/// Tells the child where its store is; without it the child test does nothing.
const DIR: &str = "NOTIFY_STORE_TEST_CHILD_DIR";
/// `settle` or `burst`.
const MODE: &str = "NOTIFY_STORE_TEST_CHILD_MODE";

/// Not a test by itself: the parent runs it in a process of its own.
#[test]
fn child() {
    let (Ok(dir), Ok(mode)) = (std::env::var(DIR), std::env::var(MODE)) else {
        return;
    };
    let mut log = open(Path::new(&dir)).unwrap();
    let mut say = std::io::stderr();
    for n in 0u64.. {
        let first = log.next_position();
        log.append(&plain(first, 1 + n % 7)).unwrap();
        writeln!(say, "acked {}", log.next_position()).unwrap();
        if mode == "settle" && n == 60 {
            log.settle().unwrap();
            writeln!(say, "settled").unwrap();
            // Until the parent kills this process, or is gone itself.
            let _ = std::io::stdin().read(&mut [0]);
            return;
        }
    }
}

/// Runs the child until `enough` and kills it. Returns the last acknowledged end of the log.
fn kill(dir: &Path, mode: &str, enough: impl Fn(&str, u64) -> bool) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(DIR, dir)
        .env(MODE, mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged = 0;
    let mut count = 0;
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some(next) = line.strip_prefix("acked ") {
            acknowledged = next.parse().unwrap();
            count += 1;
        }
        if enough(&line, count) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts too.
    for line in lines.map_while(Result::ok) {
        if let Some(Ok(next)) = line.strip_prefix("acked ").map(str::parse) {
            acknowledged = next;
        }
    }
    assert!(acknowledged > 1, "the child did nothing");
    acknowledged
}

fn opens_with(dir: &Path) -> (Log<Note>, u32) {
    let repairs = Cell::new(0);
    let log = Log::open(dir, &options(), &|_| repairs.set(repairs.get() + 1)).unwrap();
    (log, repairs.get())
}

#[test]
fn killed_after_a_settle_there_is_nothing_to_repair() {
    let dir = tempfile::tempdir().unwrap();
    let acknowledged = kill(dir.path(), "settle", |line, _| line == "settled");
    let (log, repairs) = opens_with(dir.path());
    assert_eq!(repairs, 0);
    assert!(log.is_settled());
    assert_eq!(log.next_position(), acknowledged);
    let expected = plain(1, acknowledged - 1).events;
    assert_eq!(log.reader().page(1, 1_000).unwrap(), expected);
}

#[test]
fn killed_in_a_burst_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = 1;
    for round in 0..4 {
        let acknowledged = kill(dir.path(), "burst", |_, count| count == 40 + round);
        assert!(acknowledged > before);
        let (mut log, repairs) = opens_with(dir.path());
        assert!(repairs > 0, "killed in a burst, yet nothing was repaired");
        assert!(!log.is_settled());
        assert!(log.next_position() >= acknowledged);
        let mut found = Vec::new();
        while let Some(page) = Some(log.reader().page(1 + found.len() as u64, 1_000).unwrap())
            .filter(|page| !page.is_empty())
        {
            found.extend(page);
        }
        assert_eq!(found, plain(1, log.next_position() - 1).events);
        log.settle().unwrap();
        before = log.next_position();
    }
}
