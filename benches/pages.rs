//! Do the pages stay quick and light?
//!
//! Each main page, asked for by a logged-in browser: the time to its first byte while 200 signed
//! notices a second come in, on a new store and on one that has 100 000 settled notices, in turns; its
//! weight with the files it needs, compressed as browsers take it; and what 500 open streams hold.
//!
//! Budget: first byte p95 under 10 ms on either store; no page slower with the notices than without,
//! beyond noise; under 60 KB a page with its files; under 30 MB for all streams.

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
#[path = "shared/log.rs"]
mod log;
#[path = "shared/percentile.rs"]
mod percentile;
#[path = "shared/places.rs"]
mod places;
#[path = "shared/send.rs"]
mod send;
#[path = "shared/sign.rs"]
mod sign;
#[path = "shared/sink.rs"]
mod sink;
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/visitor.rs"]
mod visitor;
#[path = "shared/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use child::Child;
use client::Connection;
use notify_bridge::domain::command::{Command, PutUser, UserCondition};
use notify_bridge::domain::event::Role;
use notify_bridge::shell::http::session;
use notify_store::{Log, Options};
use percentile::percentile;
use verdict::{figure, judge};
use visitor::{Page, Visitor};

/// Settled notices of the full store; `-- notices=1000000` for others.
const NOTICES: u64 = 100_000;
/// What each leaves: accepted, its words, two attempts, two settled.
const EVENTS_PER_NOTICE: u64 = 6;
/// Turns of each store; `-- rounds=20` for more.
const ROUNDS: u64 = 6;
/// How long a turn is.
const ROUND: Duration = Duration::from_secs(5);
const PER_SECOND: u64 = 200;
/// Connections the notices come in over.
const CONNECTIONS: u64 = 8;
/// Between two pages, as a quick reader leaves.
const PAGE_GAP: Duration = Duration::from_millis(5);
/// So many people, each with as many streams as one may have.
const USERS: usize = 25;
const STREAMS_PER_USER: usize = 20;
const STREAMS: usize = USERS * STREAMS_PER_USER;
/// How long memory is left alone before it is looked at.
const QUIET: Duration = Duration::from_secs(2);
/// Notices sent while all streams listen.
const STREAMED: u64 = 50;
const WAIT_MAX: Duration = Duration::from_secs(30);
const KB: f64 = 1e3;
const MIB_PER_MB: f64 = 1_048_576.0 / 1e6;
const FIRST_BYTE_P95_MAX: f64 = 10.0;
const PAGE_KB_MAX: f64 = 60.0;
const STREAMS_MB_MAX: f64 = 30.0;
/// How much slower a page may be with the notices than without, at the median: the noise of a
/// quiet machine.
const SLOWER_MAX: f64 = 1.25;

fn main() {
    if let Some((_, arguments)) = child::role() {
        bridge::serve(Path::new(&arguments[0]), accounts());
        return;
    }
    if !arguments::is_asked_for() {
        println!("run this with `cargo bench --bench pages`");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let notices = arguments::argument("notices").unwrap_or(NOTICES);
    let stores = [Store::new(0), Store::new(notices)];
    println!(
        "stores are there: one new, one with {} events",
        stores[1].events
    );
    runtime.block_on(async {
        weights(&stores[1]).await;
        first_bytes(&stores).await;
    });
    drop(stores);
    runtime.block_on(streams());
}

/// The secret of a user's session.
fn secret(user: usize) -> String {
    format!("bench-session-{user}")
}

/// Everyone's account and session.
fn accounts() -> Vec<Command> {
    let account = |user: usize| {
        let name = format!("reader-{user}");
        let put = PutUser {
            name: name.clone(),
            role: Some(Role::Owner),
            password_hash: Some("nobody logs in with it".into()),
            only_if: UserCondition::Absent,
            by: "bench".into(),
        };
        let session = Command::BeginSession {
            user: name,
            hash: session::secret_hash(&secret(user)),
        };
        [Command::PutUser(Box::new(put)), session]
    };
    (0..USERS).flat_map(account).collect()
}

/// A bridge over a store with a history.
struct Store {
    server: Child,
    events: u64,
    _folder: tempfile::TempDir,
}

impl Store {
    fn new(notices: u64) -> Store {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut world, configured) = log::world();
        let mut log = Log::open(folder.path(), &Options::default(), &|_| {}).expect("a store");
        log::fill(
            &mut log,
            &mut world,
            configured,
            "forge-0",
            notices * EVENTS_PER_NOTICE,
        );
        drop(log);
        // Nobody looks at what arrives; only that the target answers counts.
        let (sink, _) = sink::start().expect("a target listens");
        let mut configuration = places::configuration(1, sink).replace("forge-0", "door");
        configuration.push_str(DESK);
        std::fs::write(folder.path().join("bench.toml"), configuration).expect("it is written");
        let path = folder.path().to_string_lossy().into_owned();
        Store {
            server: Child::start("bridge", &[&path]).expect("the bridge starts"),
            events: world.state.position,
            _folder: folder,
        }
    }
}

/// What comes in is in the inbox as well.
const DESK: &str = r#"
[[target]]
name = "desk"
kind = "inbox"

[[tracker]]
name = "to-the-desk"
provider = "door"
links = [ { target = "desk" } ]
"#;

/// The main pages, with the newest notice among them.
async fn paths(visitor: &mut Visitor) -> Vec<String> {
    let page = visitor
        .get("/api/v1/notices?limit=1")
        .await
        .expect("a list");
    let list: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
    let id = list["items"][0]["id"].as_str().expect("there is a notice");
    let one = format!("/notices/{id}");
    let mut paths: Vec<String> = [
        "/",
        "/notices",
        "/deliveries?status=any",
        "/deliveries",
        "/parked",
        "/inbox",
        "/providers",
        "/targets",
        "/log",
    ]
    .map(str::to_owned)
    .into();
    paths.insert(2, one);
    paths
}

/// A path as it is shown.
fn shown(path: &str) -> &str {
    match path.strip_prefix("/notices/") {
        Some(_) => "/notices/{id}",
        None => path,
    }
}

async fn visitor(store: &Store, user: usize) -> Visitor {
    let opened = Visitor::open(store.server.address, &secret(user)).await;
    opened.expect("it is reached")
}

/// Sends so many notices, evenly, from this number on.
async fn notices(address: SocketAddr, first: u64, count: u64) {
    let gap = Duration::from_secs(1) / PER_SECOND as u32;
    let start = Instant::now() + gap;
    let mut senders = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mut opened = Connection::open(address).await.expect("it is reached");
        senders.spawn(async move {
            for index in (connection..count).step_by(CONNECTIONS as usize) {
                let request = client::request("door", first + index);
                tokio::time::sleep_until((start + gap * index as u32).into()).await;
                let status = opened.ask(&request).await.expect("it answers");
                assert_eq!(status, 202);
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.expect("it is sent");
    }
}

/// Numbers that the history does not have.
const FIRST: u64 = 1 << 32;

async fn first_bytes(stores: &[Store; 2]) {
    let rounds = arguments::argument("rounds").unwrap_or(ROUNDS);
    let mut all: Vec<(String, [Vec<Duration>; 2])> = Vec::new();
    let per_round = PER_SECOND * ROUND.as_secs();
    // The first turn is not counted, while connections open and caches fill.
    for round in 0..=rounds {
        for (index, store) in stores.iter().enumerate() {
            let first = FIRST + round * per_round;
            let load = tokio::spawn(notices(store.server.address, first, per_round));
            let mut visitor = visitor(store, 0).await;
            // A page of one notice needs one that came in.
            tokio::time::sleep(PAGE_GAP * 20).await;
            let paths = paths(&mut visitor).await;
            while !load.is_finished() {
                for path in &paths {
                    tokio::time::sleep(PAGE_GAP).await;
                    let page = visitor.get(path).await.expect("a page");
                    assert_eq!(page.status, 200, "{path}: {}", page.head);
                    if round == 0 {
                        continue;
                    }
                    let name = shown(path);
                    let row = match all.iter().position(|(known, _)| known == name) {
                        Some(row) => row,
                        None => {
                            all.push((name.to_owned(), Default::default()));
                            all.len() - 1
                        }
                    };
                    all[row].1[index].push(page.first_byte);
                }
            }
            load.await.expect("all notices are taken");
        }
    }
    for (path, [new, full]) in &mut all {
        for (what, times) in [("new store", &mut *new), ("full store", &mut *full)] {
            let what = format!(
                "{path}, {what}, first byte p50 {} ms, p95 of {}",
                figure(percentile(times, 0.5)),
                times.len()
            );
            judge(&what, percentile(times, 0.95), ..FIRST_BYTE_P95_MAX, "ms");
        }
        let slower = percentile(full, 0.5) / percentile(new, 0.5);
        let what = format!("{path}, full store beside new, medians");
        judge(&what, slower, ..SLOWER_MAX, "times");
    }
}

/// The files a page names.
fn files(page: &str) -> BTreeSet<String> {
    let begins = page.match_indices("\"/assets/");
    begins
        .filter_map(|(at, _)| page[at + 1..].split('"').next().map(str::to_owned))
        .collect()
}

async fn weights(store: &Store) {
    use std::io::Read as _;
    notices(store.server.address, FIRST - PER_SECOND, PER_SECOND).await;
    let mut visitor = visitor(store, 0).await;
    for path in paths(&mut visitor).await {
        let page: Page = visitor.get(&path).await.expect("a page");
        let mut text = String::new();
        if page.head.contains("content-encoding: gzip") {
            let mut decoder = flate2::read::GzDecoder::new(page.body.as_slice());
            decoder.read_to_string(&mut text).expect("it is gzip");
        } else {
            text = String::from_utf8(page.body.clone()).expect("it is text");
        }
        let mut sum = page.body.len();
        for file in files(&text) {
            sum += visitor.get(&file).await.expect("a file").body.len();
        }
        let what = format!(
            "{}, {} KB of HTML as {} KB, with its files",
            shown(&path),
            figure(text.len() as f64 / KB),
            figure(page.body.len() as f64 / KB),
        );
        judge(&what, sum as f64 / KB, ..PAGE_KB_MAX, "KB");
    }
}

async fn streams() {
    let store = Store::new(0);
    let megabytes = || store.server.resident_mib() * MIB_PER_MB;
    // What the first of everything costs is not the streams'.
    notices(store.server.address, FIRST, PER_SECOND).await;
    let mut first = visitor(&store, 0).await;
    for path in paths(&mut first).await {
        first.get(&path).await.expect("a page");
    }
    tokio::time::sleep(QUIET).await;
    let before = megabytes();
    let mut listeners = Vec::with_capacity(STREAMS);
    for number in 0..STREAMS {
        let mut listener = visitor(&store, number % USERS).await;
        listener.listen(b"event: ready").await.expect("a stream");
        listeners.push(listener);
    }
    tokio::time::sleep(QUIET).await;
    let open = megabytes();
    let first = FIRST + PER_SECOND;
    let load = tokio::spawn(notices(store.server.address, first, STREAMED));
    for listener in &mut listeners {
        let heard = tokio::time::timeout(WAIT_MAX, listener.hear(b"event: notice")).await;
        heard.expect("it is told in time").expect("it is told");
    }
    load.await.expect("all notices are taken");
    let busy = megabytes();
    println!(
        "resident: {before:.1} MB before, {open:.1} MB with {STREAMS} streams, {busy:.1} MB when each was told of notices"
    );
    judge(
        "what the streams hold, quiet",
        open - before,
        ..STREAMS_MB_MAX,
        "MB",
    );
    judge(
        "what the streams hold, told",
        busy - before,
        ..STREAMS_MB_MAX,
        "MB",
    );
}
