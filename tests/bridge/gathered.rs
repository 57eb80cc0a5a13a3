//! What a message tells that was held for a night: which notices, which items, and what goes on.

use notify_bridge::domain::command::{Accept, Command};
use notify_bridge::domain::event::RequestKeys;
use notify_bridge::domain::notice::{
    Collection, Item, ItemKind, Items, NoticeDraft, Severity, Subject, Transition,
};
use notify_bridge::domain::reason::What;
use notify_bridge::projections::outbox::Status;

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram, forge_to_webhook};
use crate::holds::{HELD_TO_ONE, on_the_link};

/// Minutes past noon at which [`HELD_TO_ONE`] ends, in seconds.
const HOUR: u64 = 3_600;

impl TestBridge {
    /// What the forge would say, in a request of its own.
    pub async fn say(&self, notices: Vec<NoticeDraft>) -> u64 {
        let provider = self.state(|state| state.configuration.provider("forge").map(|it| it.id));
        let before = self.state(|state| state.position);
        self.command(Command::Accept(Box::new(Accept {
            provider: provider.expect("a forge"),
            notices,
            keys: RequestKeys::default(),
            hops: 0,
        })))
        .await;
        before + 1
    }
}

pub fn album(added: &[String], removed: &[String]) -> NoticeDraft {
    let items = |keys: &[String]| -> Vec<Item> {
        let item = |key: &String| Item {
            key: key.clone(),
            kind: ItemKind::Photo,
            label: format!("photo {key}"),
            ..Item::default()
        };
        keys.iter().map(item).collect()
    };
    NoticeDraft {
        kind: "assets_added".into(),
        collection: Some(Collection {
            id: "attic".into(),
            name: "Attic".into(),
        }),
        items: Items {
            added: items(added),
            removed: items(removed),
            added_total: added.len() as u64,
            removed_total: removed.len() as u64,
        },
        ..NoticeDraft::default()
    }
}

fn alert(kind: &str, subject: &str, transition: Transition) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        subject: Subject {
            key: subject.into(),
            label: subject.into(),
        },
        transition,
        title: format!("{subject} is not well"),
        severity: Severity::Warning,
        ..NoticeDraft::default()
    }
}

#[tokio::test]
async fn the_first_items_of_all_notices_are_shown_and_the_rest_is_counted() {
    const NOTICES: usize = 620;
    let place = Place::usually(Scripted::new(200, "")).await;
    let file = on_the_link(&forge_to_webhook(&place, ""), HELD_TO_ONE);
    let bridge = TestBridge::start(&file).await;
    // In an order of their own; each of the last ones is among the smallest.
    let key = |n: usize| format!("{:04}", 9_999 - n);
    let mut host = None;
    for chunk in (0..NOTICES).collect::<Vec<_>>().chunks(100) {
        let notices = chunk.iter().map(|n| album(&[key(*n)], &[])).collect();
        let first = bridge.say(notices).await;
        host.get_or_insert(first);
    }
    // The smallest but one is taken back.
    bridge.say(vec![album(&[], &[key(NOTICES - 2)])]).await;
    bridge.advance(HOUR);
    let calls = place.has_received(1).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
    let items = calls[0].json()["data"]["notice"]["items"].clone();
    let mut left: Vec<String> = (0..NOTICES)
        .filter(|n| *n != NOTICES - 2)
        .map(key)
        .collect();
    left.sort_unstable();
    let shown: Vec<String> = items["added"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["key"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(shown, left[..500]);
    assert_eq!(items["added_total"], NOTICES - 1);
    assert_eq!(items["removed_total"], 0);
    let told = bridge.family(host.expect("a host")).deliveries[0]
        .telling
        .clone()
        .expect("it says what it told");
    assert_eq!(told.count, NOTICES as u64 + 1);
    assert_eq!(told.items, Some((NOTICES as u64 - 1, 0)));
    assert_eq!((told.notices.len(), told.listed), (500, 500));
}

#[tokio::test]
async fn a_digest_lists_no_more_than_it_is_to_and_says_which() {
    let place = Place::usually(Scripted::new(200, "")).await;
    let digest = r#"digest = { every = "1h", max = 2 }"#;
    let bridge = TestBridge::start(&on_the_link(&forge_to_webhook(&place, ""), digest)).await;
    let first = bridge.newest_after_pushes(3).await;
    bridge.advance(HOUR);
    place.has_received(1).await;
    bridge.settled().await;
    let told = bridge.family(first).deliveries[0].telling.clone();
    let told = told.expect("it says what it told");
    assert_eq!((told.notices.len(), told.listed, told.count), (3, 2, 3));
    assert_eq!(told.items, None);
    let member = bridge.family(told.notices[2]);
    assert_eq!(member.deliveries[0].status, Status::Merged);
    assert_eq!(
        member.reasons.last().map(|it| it.what),
        Some(What::MergedInto)
    );
}

impl TestBridge {
    async fn newest_after_pushes(&self, count: usize) -> u64 {
        let mut first = None;
        for n in 0..count {
            self.push(&n.to_string(), &format!("number {n}")).await;
            let newest = self.newest();
            first.get_or_insert(newest);
        }
        first.expect("a push")
    }
}

#[tokio::test]
async fn what_goes_on_after_the_night_says_so() {
    for (notices, said, unsaid) in [
        (
            vec![alert("firing", "disk", Transition::Opens)],
            "Still firing: disk is not well",
            "resolved",
        ),
        (
            vec![alert("on_battery", "ups", Transition::Opens)],
            "Still on battery: ups is not well",
            "firing",
        ),
        (
            vec![alert("connection_lost", "hall", Transition::Opens)],
            "Connection still lost: hall is not well",
            "firing",
        ),
        // Several: each that goes on.
        (
            vec![
                alert("firing", "disk", Transition::Opens),
                alert("firing", "fan", Transition::Opens),
            ],
            "fan is not well (still firing)",
            "Still firing",
        ),
        // What closes while nobody held it open, and what says nothing of the kind.
        (
            vec![alert("resolved", "disk", Transition::Closes)],
            "disk is not well",
            "till",
        ),
        (
            vec![alert("issue_opened", "leak", Transition::Opens)],
            "leak is not well",
            "till",
        ),
    ] {
        let place = Place::telegram().await;
        let file = on_the_link(&forge_to_telegram(&place), HELD_TO_ONE);
        let bridge = TestBridge::start(&file).await;
        for notice in notices {
            bridge.say(vec![notice]).await;
        }
        bridge.advance(HOUR);
        let calls = place.has_received(1).await;
        bridge.settled().await;
        let text = calls[0].json()["text"].as_str().unwrap_or("").to_owned();
        assert!(text.contains(said), "{said}: {text}");
        assert!(!text.contains(unsaid), "{unsaid}: {text}");
    }
}

#[tokio::test]
async fn what_is_told_at_once_is_not_still_so() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge
        .say(vec![alert("firing", "disk", Transition::Opens)])
        .await;
    let calls = place.has_received(1).await;
    bridge.settled().await;
    let text = calls[0].json()["text"].as_str().unwrap_or("").to_owned();
    assert!(
        text.contains("disk is not well") && !text.contains("till"),
        "{text}"
    );
}
