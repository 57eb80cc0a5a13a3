//! How fast is something found in the log, and how fast does the index follow it?
//!
//! Each notice is a push that one tracker took: accepted, its words, an attempt, settled. Its text is
//! drawn from a vocabulary of 30 000 words, common ones often. The same texts stand in SQLite, in the
//! predecessor's table with its indexes and its LIKE, and in FTS5 beside it.
//!
//! Budget at 1 000 000 notices: a page of results p95 under 20 ms and at least 50 times faster than
//! LIKE; counts and facets p95 under 80 ms; at least 20 000 events a second while catching up.
//! `-- notices=100000` for another size; smaller ones are measured before it.

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

#[path = "search/sqlite.rs"]
mod sqlite;
#[path = "search/texts.rs"]
mod texts;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use notify_bridge::domain::event::Event;
use notify_bridge::shell::search::{Asked, FOLDER, Search, Sorted, identity};
use notify_store::{Log, Options};
use percentile::percentile;
use verdict::{figure, judge};

/// Notices of the largest log.
const NOTICES: u64 = 1_000_000;
/// Notices written in one transaction while filling.
const NOTICES_PER_BATCH: u64 = 1_000;
/// Queries of one sort.
const QUERIES: u64 = 200;
/// Queries asked of LIKE, which takes long.
const LIKE_QUERIES: u64 = 12;

/// What is asked, by its sort.
const SORTS: [&str; 8] = [
    "common word",
    "rare word",
    "absent word",
    "two words",
    "phrase",
    "beginning",
    "word and fields",
    "everything",
];

fn query(sort: &str, number: u64) -> String {
    let common = texts::word(number % 20);
    let middle = texts::word(400 + number * 7);
    let rare = texts::word(9_000 + number * 53);
    match sort {
        "common word" => common,
        "rare word" => rare,
        "absent word" => format!("zz{rare}"),
        "two words" => format!("{common} {middle}"),
        "phrase" => format!("\"{common} {}\"", texts::word((number + 3) % 20)),
        "beginning" => format!("{}*", &rare[..4]),
        "word and fields" => format!("{common} provider:forge-1 kind:push status:sent"),
        _ => String::new(),
    }
}

fn asked(query: String) -> Asked {
    Asked {
        query,
        sorted: Sorted::Newest,
        cursor: None,
        limit: 50,
        sees_changes: true,
    }
}

fn main() {
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench search`");
        return;
    }
    let largest = arguments::argument("notices").unwrap_or(NOTICES);
    for notices in [10_000, 100_000, 1_000_000] {
        if notices < largest {
            measure(notices, false);
        }
    }
    measure(largest, true);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average: {}", load.trim());
}

fn fill(folder: &Path, notices: u64) -> (Log<Event>, world::World) {
    let mut log = Log::open(folder, &Options::default(), &|_| {}).expect("a store");
    let (mut world, configured) = log::world();
    log::fill(&mut log, &mut world, configured, "forge-1", 1);
    let provider = world.provider("forge-1");
    let mut number = 0;
    while number < notices {
        let mut events = Vec::new();
        for _ in 0..NOTICES_PER_BATCH.min(notices - number) {
            let notice = texts::notice(number);
            events.extend(world.run(world::accept(provider, number, notice)));
            events.extend(send::everything(&mut world));
            number += 1;
        }
        log.append(&log::batch(&mut world, events))
            .expect("it is written");
    }
    (log, world)
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn measure(notices: u64, is_judged: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, world) = fill(folder.path(), notices);
    let reader = log.reader();
    let events = reader.next_position() - 1;
    println!(
        "\n{} notices, {} events",
        figure(notices as f64),
        figure(events as f64)
    );
    let start = Instant::now();
    let (search, thread) =
        Search::start(folder.path(), reader, identity(&world.state)).expect("a thread");
    assert!(search.settle(), "it follows");
    let took = start.elapsed();
    let rate = events as f64 / took.as_secs_f64();
    println!("caught up in {} s", figure(took.as_secs_f64()));
    let bytes = bytes_of(&folder.path().join(FOLDER));
    println!(
        "index: {} MB, {} bytes a notice",
        figure(bytes as f64 / 1e6),
        figure(bytes as f64 / notices as f64)
    );
    println!(
        "{:<16} {:>10} {:>10} {:>12} {:>12}",
        "query", "page p50", "page p95", "counts p50", "counts p95"
    );
    let (mut pages, mut counts) = (Vec::new(), Vec::new());
    for sort in SORTS {
        let (mut page, mut count) = (Vec::new(), Vec::new());
        for number in 0..QUERIES {
            let asked = asked(query(sort, number));
            let start = Instant::now();
            let found = search.find(&asked, world.now(), &TimeZone::UTC, Duration::ZERO);
            page.push(start.elapsed());
            assert!(found.is_ok(), "{found:?}");
            let start = Instant::now();
            let found = search.facets(&asked, world.now(), &TimeZone::UTC);
            count.push(start.elapsed());
            assert!(found.is_ok(), "{found:?}");
        }
        println!(
            "{sort:<16} {:>7} ms {:>7} ms {:>9} ms {:>9} ms",
            figure(percentile(&mut page, 0.5)),
            figure(percentile(&mut page, 0.95)),
            figure(percentile(&mut count, 0.5)),
            figure(percentile(&mut count, 0.95))
        );
        pages.extend(page);
        counts.extend(count);
    }
    let page_median = percentile(&mut pages, 0.5);
    let mut table = sqlite::Table::fill(notices);
    println!(
        "{:<16} {:>12} {:>12}   (median of count and page)",
        "SQLite", "LIKE", "FTS5"
    );
    let mut likes = Vec::new();
    for sort in ["common word", "rare word", "absent word"] {
        let (mut like, mut fts) = (Vec::new(), Vec::new());
        for number in 0..LIKE_QUERIES {
            let word = query(sort, number);
            like.push(table.like(&word));
            fts.push(table.fts(&word));
        }
        println!(
            "{sort:<16} {:>9} ms {:>9} ms",
            figure(percentile(&mut like, 0.5)),
            figure(percentile(&mut fts, 0.5))
        );
        likes.extend(like);
    }
    let like_median = percentile(&mut likes, 0.5);
    if is_judged {
        judge("a page, p95", percentile(&mut pages, 0.95), ..20.0, "ms");
        judge(
            "counts and facets, p95",
            percentile(&mut counts, 0.95),
            ..80.0,
            "ms",
        );
        judge("catching up", rate, 20_000.0.., "events/s");
        judge(
            "faster than LIKE",
            like_median / page_median,
            50.0..,
            "times",
        );
    }
    thread.stop();
}
