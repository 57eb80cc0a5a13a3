//! The writer over storage that fails: everyone waiting is told, nothing durable is lost, and what
//! readers see is never ahead of the disk.

use std::sync::Arc;

use notify_bridge::domain::command::{Accept, Command, Notify, Refusal};
use notify_bridge::domain::event::{Event, RequestKeys};
use notify_bridge::domain::notice::NoticeDraft;
use notify_bridge::domain::state::{At, Rows, State};
use notify_bridge::providers::ask::Observation;
use notify_bridge::shell::app::found;
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::keyring::Keyring;
use notify_bridge::shell::ledger::{Ledger, LedgerError, LedgerThread, Priority};
use notify_bridge::shell::redact::Redactor;
use notify_bridge::shell::sessions::recorder::{NotRecorded, Place, Recorder};
use notify_store::testing::{Disk, Unsynced};
use notify_store::{Log, Options};

struct Written {
    ledger: Ledger,
    _thread: LedgerThread,
    _folder: tempfile::TempDir,
}

fn open(disk: &Disk) -> Log<Event> {
    Log::open_with_backend(disk.clone(), &Options::default(), &|_| {})
        .expect("the disk holds a store")
}

fn fold(log: &Log<Event>) -> State {
    let mut state = State::default();
    let mut rows = Rows::new();
    let mut from = 1;
    loop {
        let page = log.reader().page(from, 1_000).expect("the log reads");
        let Some(last) = page.last() else {
            return state;
        };
        from = last.position + 1;
        for recorded in &page {
            let at = At {
                position: recorded.position,
                recorded_at: recorded.recorded_at,
            };
            state.evolve(at, &recorded.payload, &mut rows);
        }
    }
}

fn start(disk: &Disk) -> Written {
    let folder = tempfile::tempdir().expect("a folder");
    let keyring = Keyring::open_or_create(&folder.path().join("secret.key"), false).expect("a key");
    let log = open(disk);
    let state = fold(&log);
    let clock = Arc::new(ManualClock::new(1_795_521_600_000_000));
    let (ledger, thread) = Ledger::start(log, state, Arc::new(keyring), clock).expect("a thread");
    Written {
        ledger,
        _thread: thread,
        _folder: folder,
    }
}

const INBOX: &str = r#"
[[target]]
name = "box"
kind = "inbox"

[[provider]]
name = "p"
kind = "webhook"
verify = "none"
"#;

async fn configured(disk: &Disk) -> Written {
    let written = start(disk);
    written
        .ledger
        .command(Priority::People, found())
        .await
        .expect("founded");
    let folder = tempfile::tempdir().expect("a folder");
    let keyring = Keyring::open_or_create(&folder.path().join("secret.key"), false).expect("a key");
    let vault = notify_bridge::shell::vault::Vault::new(written.ledger.clone(), Arc::new(keyring));
    let sources = [notify_bridge::config::Source {
        file: "a.toml",
        text: INBOX,
    }];
    notify_bridge::shell::configure::apply(
        &written.ledger,
        &vault,
        &sources,
        None,
        false,
        false,
        "test",
    )
    .await
    .expect("applied");
    written
}

fn message(title: &str) -> Command {
    Command::Notify(Box::new(Notify {
        notice: NoticeDraft {
            kind: "message".into(),
            title: title.into(),
            ..NoticeDraft::default()
        },
        targets: vec!["box".into()],
        receiver: None,
        tag: None,
        at_once: false,
        by: "test".into(),
    }))
}

fn titles(disk: &Disk) -> Vec<String> {
    let log = open(disk);
    let page = log.reader().page(1, 1_000).expect("the log reads");
    page.into_iter()
        .filter_map(|recorded| match recorded.payload {
            Event::Accepted(accepted) => Some(accepted.notice.title),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_failed_commit_is_told_and_recovered_from() {
    let disk = Disk::new();
    let written = configured(&disk).await;
    let ledger = &written.ledger;
    ledger
        .command(Priority::Intake, message("before"))
        .await
        .expect("it is written");
    let before = ledger.state().clone();
    disk.fail_after_writes(0);
    let failed = ledger.command(Priority::Intake, message("lost")).await;
    assert_eq!(failed, Err(LedgerError::Failed));
    assert_eq!(*ledger.state(), before, "nobody sees what is not durable");
    disk.heal();
    // The writer opens the store again with back-off; until then everyone is told so at once.
    let mut tries = 0;
    while ledger
        .command(Priority::Intake, message("after"))
        .await
        .is_err()
    {
        tries += 1;
        assert!(tries < 1_000_000, "it never recovers");
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.state().position, ledger.reader().next_position() - 1);
    drop(written);
    let crashed = disk.crashed(Unsynced::Lost);
    let titles = titles(&crashed);
    assert_eq!(titles.first().map(String::as_str), Some("before"));
    assert_eq!(titles.last().map(String::as_str), Some("after"));
}

/// Power goes at the n-th sync, for every n until the work is done untouched: what was acknowledged is
/// there, and nothing is there that was never given.
#[tokio::test]
async fn what_was_acknowledged_survives_power_loss_at_every_sync() {
    for n in 0.. {
        let disk = Disk::new();
        let written = configured(&disk).await;
        disk.stop_after_syncs(n);
        let mut acknowledged = Vec::new();
        for title in ["a", "b", "c", "d"] {
            if written
                .ledger
                .command(Priority::Intake, message(title))
                .await
                .is_ok()
            {
                acknowledged.push(title.to_owned());
            } else {
                break;
            }
        }
        let stopped = disk.has_stopped();
        for unsynced in [
            Unsynced::Lost,
            Unsynced::Kept,
            Unsynced::Even,
            Unsynced::Odd,
        ] {
            let found = titles(&disk.crashed(unsynced));
            assert!(
                found.starts_with(&acknowledged),
                "{acknowledged:?} acknowledged, {found:?} found, sync {n}"
            );
            assert!(found.len() <= acknowledged.len() + 1, "{found:?}");
        }
        disk.heal();
        if !stopped {
            assert_eq!(acknowledged.len(), 4);
            return;
        }
    }
}

#[tokio::test]
async fn commands_given_at_once_share_a_commit_and_keep_their_order() {
    let disk = Disk::new();
    let written = configured(&disk).await;
    let before = disk.counters().syncs;
    let titles_given: Vec<String> = (0..200).map(|n| format!("n{n:03}")).collect();
    let waiting: Vec<_> = titles_given
        .iter()
        .map(|title| {
            let ledger = written.ledger.clone();
            let command = message(title);
            async move { ledger.command(Priority::Intake, command).await }
        })
        .collect();
    for result in futures_util::future::join_all(waiting).await {
        result.expect("written");
    }
    let syncs = disk.counters().syncs - before;
    assert!(syncs < 200, "{syncs} syncs for 200 commands");
    assert_eq!(titles(&disk.crashed(Unsynced::Lost)), titles_given);
}

fn request(ledger: &Ledger, notices: usize, text: &str) -> Command {
    let provider = ledger
        .state()
        .configuration
        .provider("p")
        .map_or(0, |provider| provider.id);
    let value = &text[..2_000.min(text.len())];
    let labels: std::collections::BTreeMap<String, String> =
        (0..7).map(|n| (n.to_string(), value.into())).collect();
    let notice = NoticeDraft {
        title: "many".into(),
        text: text.into(),
        labels: labels.clone(),
        before: labels.clone(),
        after: labels,
        ..NoticeDraft::default()
    };
    Command::Accept(Box::new(Accept {
        provider,
        notices: vec![notice; notices],
        keys: RequestKeys::default(),
        hops: 0,
    }))
}

/// Twenty requests that give a thousand notices each are more than one transaction takes, and a
/// request that alone is more fails alone.
#[tokio::test]
async fn a_batch_that_is_full_closes_and_what_is_too_large_fails_alone() {
    let disk = Disk::new();
    let written = configured(&disk).await;
    let ledger = &written.ledger;
    let text = "x".repeat(32 * 1_024);
    let requests: Vec<Command> = (0..20)
        .map(|n| match n {
            7 => request(ledger, 1_000, &text),
            _ => request(ledger, 1_000, ""),
        })
        .chain([message("someone else")])
        .collect();
    let waiting = requests
        .into_iter()
        .map(|request| ledger.command(Priority::Intake, request));
    let results = futures_util::future::join_all(waiting).await;
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(_) => assert_ne!(n, 7),
            Err(LedgerError::Refused(Refusal::Invalid { field, .. })) => {
                assert_eq!((n, field.as_str()), (7, "size"));
            }
            Err(other) => panic!("request {n}: {other}"),
        }
    }
}

/// The disk fails at the n-th sync while what a session saw is written, for every n until it is written
/// untouched. Whether a commit that failed is on the disk after all differs; what was seen is there once.
#[tokio::test]
async fn what_a_session_saw_is_recorded_once_however_the_disk_fails() {
    for n in 0.. {
        let disk = Disk::new();
        let written = configured(&disk).await;
        let (id, place) = {
            let state = written.ledger.state();
            let provider = state.configuration.provider("p").expect("it is configured");
            (provider.id, Place::of(&provider.spec))
        };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(0));
        let mut recorder = Recorder::new(&written.ledger, &clock, id);
        for (title, cursor) in [("a", Some("1")), ("b", None), ("c", Some("2"))] {
            let cursor = cursor.map(|to| ("at".into(), Some(Arc::from(to.as_bytes()))));
            let seen = Observation {
                cursors: cursor.into_iter().collect(),
                notices: vec![NoticeDraft {
                    title: title.into(),
                    ..NoticeDraft::default()
                }],
                next_at: None,
            };
            recorder.hand(seen, Some(1), &place, &Redactor::none());
        }
        disk.stop_after_syncs(n);
        let mut tries = 0;
        while let Err(error) = recorder.all().await {
            assert!(matches!(error, NotRecorded::Later(_)), "{error}");
            disk.heal();
            tries += 1;
            assert!(tries < 1_000_000, "it never recovers");
            tokio::task::yield_now().await;
        }
        assert!(recorder.is_empty() && recorder.has_room());
        assert_eq!(
            titles(&disk.crashed(Unsynced::Lost)),
            ["a", "b", "c"],
            "sync {n}"
        );
        if tries == 0 {
            return;
        }
    }
}
