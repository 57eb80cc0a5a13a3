//! Retention in a program that runs: what is too old goes, says that it is gone, and nothing else
//! changes.

use std::sync::{Arc, Mutex};

use notify_bridge::domain::event::Role;
use notify_bridge::shell::app;
use notify_bridge::shell::compaction::{CompactError, Forgotten};
use notify_bridge::shell::views::{self, ViewError};

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram};
use crate::pages::visit;

const DAY_SECONDS: u64 = 86_400;

#[derive(Default)]
struct Told(Mutex<Vec<u64>>);

impl Forgotten for Told {
    fn forgotten(&self, founding: &[u64]) {
        self.0.lock().expect("no panic").extend(founding);
    }
}

#[tokio::test]
async fn what_is_too_old_goes_and_says_so() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let (_, answer) = bridge.push("1", "long ago").await;
    let old = answer["notices"][0].as_str().expect("an id").to_owned();
    bridge.settled().await;
    let old_position = bridge.newest();
    place.script([Scripted::new(400, "no")]);
    bridge.push("2", "long ago and given up").await;
    bridge
        .until("it is parked", |state| state.outbox.parked.len() == 1)
        .await;
    let parked = bridge.newest();
    bridge.advance(31 * DAY_SECONDS);
    bridge.push("3", "today").await;
    bridge
        .until("it is sent", |state| state.outbox.deliveries.len() == 1)
        .await;
    let owner = visit(&bridge, Role::Owner).await;
    let before = bridge.state(Clone::clone);
    let told = Arc::new(Told::default());
    bridge
        .app
        .compaction
        .tell(Arc::clone(&told) as Arc<dyn Forgotten>);

    let removed = bridge.app.compaction.run("ada").await.expect("it runs");
    assert_eq!(removed.families, 1);
    assert_eq!(*told.0.lock().expect("no panic"), [old_position]);
    let reader = bridge.app.ledger.reader();
    let events = |notice| reader.stream(notice, 0, 100).expect("they are read").len();
    assert_eq!(events(old_position), 0);
    assert!(events(parked) > 2, "what is given up for now stays");
    assert!(reader.row(old_position).expect("a row is read").is_none());
    for body in [old_position, parked] {
        assert_eq!(
            reader.body(body).expect("a body is read"),
            None,
            "bodies go after 7 days"
        );
    }
    let after = bridge.state(Clone::clone);
    assert_eq!(after.counts, before.counts);
    assert_eq!(after.outbox, before.outbox);

    let gone = views::find_notice(reader, &old).expect_err("it is gone");
    assert!(matches!(gone, ViewError::Compacted { .. }), "{gone}");
    let (status, page) = bridge.page(&owner, &format!("/notices/{old}")).await;
    assert_eq!(status, 410, "{page}");
    assert!(page.contains("older than what is kept"), "{page}");
    let log = views::log(reader, Some(1), None, 500).expect("a page");
    let mark = after.retention.horizons.mark();
    assert_eq!(log.compacted_before, Some(mark));
    let newest = views::log(reader, None, None, 1).expect("a page");
    assert_eq!(newest.compacted_before, None);
    let (status, page) = bridge.page(&owner, "/settings").await;
    assert_eq!(status, 200);
    for words in [
        "30 days",
        "7 days, and of those the newest 20",
        "1 notices",
        "Next run",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }

    // The sender may send it again, and is not told that it is known.
    let (status, _) = bridge.push("1", "long ago").await;
    assert_eq!(status, 202);
    bridge
        .until("it is sent", |state| state.outbox.deliveries.len() == 1)
        .await;
    // A second run has nothing to do.
    let position = bridge.state(|state| state.position);
    let again = bridge.app.compaction.run("").await.expect("it runs");
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(bridge.state(|state| state.position), position);
    // A start without a snapshot comes to the same.
    let before = bridge.state(Clone::clone);
    let bridge = bridge.restart().await;
    let data = bridge.folder.path().join("data");
    std::fs::remove_dir_all(data.join("snapshots")).expect("snapshots go");
    let folded = app::rebuild(&data, bridge.app.ledger.reader(), &|_, _, _| {}).expect("it folds");
    assert_eq!(folded, before);
}

#[tokio::test]
async fn nought_keeps_for_ever_and_the_page_says_so() {
    let place = Place::telegram().await;
    let file = format!(
        "settings = {{ retention = 0 }}\n{}",
        forge_to_telegram(&place)
    );
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "kept").await;
    bridge.settled().await;
    bridge.advance(4_000 * DAY_SECONDS);
    let removed = bridge.app.compaction.run("").await.expect("it runs");
    assert!(removed.is_empty(), "{removed:?}");
    let owner = visit(&bridge, Role::Owner).await;
    let (_, page) = bridge.page(&owner, "/settings").await;
    assert_eq!(page.matches("For ever").count(), 3, "{page}");
    // It is started from the page, by an admin and nobody less.
    let form = format!("csrf={}", owner.csrf);
    let (status, to) = bridge
        .send_form(&owner, "/settings/compact", "same-origin", &form)
        .await;
    assert_eq!((status, to.as_str()), (303, "/settings"));
    let editor = visit(&bridge, Role::Editor).await;
    let form = format!("csrf={}", editor.csrf);
    let (status, _) = bridge
        .send_form(&editor, "/settings/compact", "same-origin", &form)
        .await;
    assert_eq!(status, 403);
    assert_eq!(bridge.page(&editor, "/settings").await.0, 403);
}

#[tokio::test]
async fn there_is_one_run_at_a_time() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let (first, second) =
        tokio::join!(bridge.app.compaction.run(""), bridge.app.compaction.run(""));
    assert!(first.is_ok());
    assert!(matches!(second, Err(CompactError::Busy)));
}
