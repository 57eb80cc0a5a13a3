//! SIGKILL in the middle of compaction: whatever was reached, nothing is torn, counts stay, and the
//! next run goes on until nothing is left to do.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it runs the program and looks at its files"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify_bridge::domain::command::{Accept, Command, Configure, Put};
use notify_bridge::domain::event::{Event, RequestKeys};
use notify_bridge::domain::notice::{NoticeDraft, Severity, Subject};
use notify_bridge::domain::state::State;
use notify_bridge::shell::app;
use notify_bridge::shell::clock::{Clock, ManualClock, SystemClock};
use notify_bridge::shell::compaction::mark;
use notify_bridge::shell::ledger::{Beside, Ledger, Priority};
use notify_store::{
    CACHE_BYTES, PAGE_FRAMES_MAX, Payload, Reader, SEGMENT_POSITIONS, Stream, body,
};
use serde_json::json;

const DAY: i64 = 86_400 * 1_000_000;
/// Notices of the store, each with its body, and those of them that are old.
const NOTICES: usize = 3_000;
const OLD: usize = 2_000;
/// Kills in the middle of a run.
const KILLS: usize = 12;
/// Reached only when the program hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store with old and new notices, some of which are open.
async fn fill(data: &Path) {
    let now = SystemClock::new().now();
    let clock = Arc::new(ManualClock::new(now - 60 * DAY));
    let opened = app::open(data, None, CACHE_BYTES, &|_, _, _| {}).expect("a store");
    let (ledger, thread) = Ledger::start(
        opened.log,
        opened.state,
        Arc::new(opened.keyring),
        Arc::clone(&clock) as Arc<dyn Clock>,
    )
    .expect("a ledger");
    let people = |command| ledger.command(Priority::People, command);
    people(app::found()).await.expect("it is founded");
    let put = |entity| Put {
        spec: serde_json::from_value(entity).expect("a spec"),
        secrets: Default::default(),
        cleared: Default::default(),
        managed_by: None,
    };
    let puts = vec![
        put(json!({"entity": "provider", "name": "p", "kind": "webhook", "verify": "none"})),
        put(json!({"entity": "target", "name": "shelf", "kind": "inbox"})),
        put(json!({"entity": "target", "name": "far", "kind": "webhook"})),
        put(
            json!({"entity": "tracker", "name": "all", "provider": "p", "links": [{"target": "shelf"}]}),
        ),
        // Nothing sends here, so what goes there stays open.
        put(json!({
            "entity": "tracker", "name": "few", "provider": "p", "kinds": ["rare"], "links": [{"target": "far"}],
        })),
    ];
    let configure = Configure {
        by: "test".into(),
        puts,
        ..Configure::default()
    };
    people(Command::Configure(Box::new(configure)))
        .await
        .expect("it is configured");
    let provider = ledger
        .state()
        .configuration
        .provider("p")
        .expect("it is there")
        .id;
    for number in 0..NOTICES {
        if number == OLD {
            clock.advance(Duration::from_secs(58 * 86_400));
        }
        let kind = if number % 500 == 7 { "rare" } else { "usual" };
        let notice = NoticeDraft {
            kind: kind.into(),
            title: format!("number {number}"),
            severity: Severity::Info,
            subject: Subject {
                key: format!("{}", number % 40),
                label: String::new(),
            },
            ..NoticeDraft::default()
        };
        let accept = Accept {
            provider,
            notices: vec![notice],
            keys: RequestKeys {
                sender: Some(number as u128),
                body: None,
            },
            hops: 0,
        };
        let beside = Beside {
            body: Some(body::pack(format!("body of number {number}").as_bytes())),
            ..Beside::default()
        };
        let accept = Command::Accept(Box::new(accept));
        ledger
            .submit(Priority::Intake, accept, beside, [1; 16])
            .await
            .expect("it is accepted");
    }
    drop(ledger);
    thread.stop();
}

/// Everything that must hold of the store, whatever a run has come to. Gives the state of its log.
fn check(data: &Path) -> State {
    let reader: Reader<Event> = notify_store::open_read_only(data).expect("it opens");
    assert!(reader.trouble().is_none(), "{:?}", reader.trouble());
    let end = reader.next_position();
    for segment in 0..end / SEGMENT_POSITIONS {
        let found = reader.check_segment(segment).expect("it is read");
        assert!(
            found.is_some_and(|found| found.whole),
            "segment {segment}: {found:?}"
        );
    }
    let mut founding = BTreeSet::new();
    let mut from = 1;
    loop {
        let page = reader.page(from, PAGE_FRAMES_MAX).expect("it is read");
        let Some(last) = page.last() else { break };
        from = last.position + 1;
        for event in &page {
            match event.payload.stream() {
                Stream::Founds => {
                    founding.insert(event.position);
                }
                Stream::Of(notice) => assert!(founding.contains(&notice), "{notice} is torn"),
                Stream::None => {}
            }
        }
    }
    let mut before = u64::MAX;
    loop {
        let rows = reader
            .rows_back(before, PAGE_FRAMES_MAX)
            .expect("they are read");
        let Some((last, _)) = rows.last() else { break };
        before = *last;
        assert!(rows.iter().all(|(position, _)| founding.contains(position)));
    }
    for (position, _) in reader
        .body_sizes(0, PAGE_FRAMES_MAX)
        .expect("they are read")
    {
        assert!(founding.contains(&position), "a body without its notice");
    }
    app::rebuild(data, &reader, &|_, _, _| {}).expect("it folds")
}

fn compact(data: &Path) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_notify-bridge"));
    process.args(["compact", "--json", "--data"]).arg(data);
    process
}

/// Kills a run once the file was written so many times. Says whether it was still running.
fn killed_after(data: &Path, writes: usize) -> bool {
    let written = || {
        data.join("bridge.redb")
            .metadata()
            .and_then(|m| m.modified())
    };
    let mut run = compact(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let began = SystemTime::now();
    let (mut seen, mut last) = (0, written().ok());
    while seen < writes {
        if run.try_wait().expect("it is asked").is_some() {
            return false;
        }
        assert!(began.elapsed().is_ok_and(|waited| waited < PATIENCE));
        let now = written().ok();
        if now != last {
            (seen, last) = (seen + 1, now);
        }
        std::thread::yield_now();
    }
    run.kill().expect("SIGKILL");
    run.wait().expect("it is gone");
    true
}

fn finish(data: &Path) -> serde_json::Value {
    let Output {
        status,
        stdout,
        stderr,
    } = compact(data).output().expect("it runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_tears_nothing_and_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fill(&data).await;
    let before = check(&data);
    let mut killed = 0;
    for kill in 0..KILLS {
        // Early ones and late ones, in no order.
        killed += usize::from(killed_after(&data, 2 + kill * 7 % 12));
        let after = check(&data);
        assert_eq!(after.counts, before.counts, "totals never change");
        assert_eq!(after.outbox, before.outbox, "nothing that is open goes");
    }
    assert!(killed > 0, "some were killed");
    finish(&data);
    let after = check(&data);
    assert_eq!(after.counts, before.counts);
    assert_eq!(after.outbox, before.outbox);
    let reader: Reader<Event> = notify_store::open_read_only(&data).expect("it opens");
    let rows = rows(&reader);
    let open: BTreeSet<u64> = after
        .outbox
        .notices
        .values()
        .map(|open| open.notice)
        .collect();
    assert_eq!(
        rows.len(),
        NOTICES - OLD + OLD.div_ceil(500),
        "what is new, and what is open"
    );
    assert!(open.iter().all(|notice| rows.contains(notice)));
    let total = after.retention.runs.total;
    assert_eq!(total.families as usize, NOTICES - rows.len());
    assert_eq!(
        mark(&reader).expect("a mark").below,
        after.retention.horizons.mark()
    );
    drop(reader);
    // A second run has nothing to do, and says nothing.
    let second = finish(&data);
    assert_eq!(second["removed"]["events"], 0, "{second}");
    assert_eq!(check(&data), after);
}

fn rows(reader: &Reader<Event>) -> Vec<u64> {
    let mut all = Vec::new();
    let mut before = u64::MAX;
    loop {
        let page = reader
            .rows_back(before, PAGE_FRAMES_MAX)
            .expect("they are read");
        let Some((last, _)) = page.last() else { break };
        before = *last;
        all.extend(page.into_iter().map(|(position, _)| position));
    }
    all.reverse();
    all
}
