//! Whatever comes in, an event fits its frame: nothing that is decided is refused by the log, where
//! it would fail everyone in its batch.

use std::collections::BTreeMap;

use notify_bridge::domain::command::{Accept, Attempted, Claim, Command, Composed, Refusal};
use notify_bridge::domain::decide::MESSAGE_BYTES_MAX;
use notify_bridge::domain::event::{Event, RequestKeys};
use notify_bridge::domain::notice::{
    Collection, DRAFT_BYTES_MAX, Degrees, Item, ItemKind, Items, LABELS_MAX, NoticeDraft, Subject,
};
use notify_bridge::domain::reason::What;
use notify_bridge::projections::outbox::Status;
use notify_bridge::targets::{Part, Verdict};
use notify_bridge::wire;
use notify_store::{PAYLOAD_BYTES_MAX, Payload};

use crate::driver::{Core, accept, entity, provider, ready};

fn bytes_of(event: &Event) -> usize {
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    assert!(bytes.len() <= wire::weight(event));
    bytes.len()
}

fn largest(core: &Core) -> usize {
    core.log
        .iter()
        .map(|(_, event)| bytes_of(event))
        .max()
        .unwrap_or(0)
}

fn long(length: usize) -> String {
    "é".repeat(length)
}

/// No two of them say the same.
fn huge_item(n: usize) -> Item {
    let text = |salt: &str| Some(format!("{salt}{n}{}", long(3_000)));
    let url = |salt: &str| {
        Some(format!(
            "https://x.example/{salt}/{n}/{}",
            "u".repeat(1_900)
        ))
    };
    let names = |salt: &str| {
        let name = |m| format!("{salt}{n}-{m}-{}", long(150));
        (0..40).map(name).collect()
    };
    Item {
        key: format!("{n:05}{}", long(3_000)),
        kind: ItemKind::Photo,
        label: long(3_000),
        taken_at: Some(i64::MIN),
        size: Some(u64::MAX),
        playback_size: Some(u64::MAX),
        favourite: Some(true),
        rating: Some(i8::MIN),
        lat: Some(Degrees(-90_000_000)),
        lon: Some(Degrees(-180_000_000)),
        owner: text("o"),
        owner_id: text("i"),
        description: text("d"),
        city: text("c"),
        state: text("s"),
        country: text("l"),
        url: url("a"),
        public_url: url("b"),
        download_url: url("c"),
        playback_url: url("d"),
        photo_url: url("e"),
        thumbhash: text("t"),
        people: names("p"),
        tags: names("t"),
        fetch: url("f"),
    }
}

/// A photo as a service with everything to say about it has it.
fn photo(n: u64) -> Item {
    let key = format!("0f9b6f2c-5d1e-4c3a-9a77-{n:012x}");
    let at = |path: &str| Some(format!("https://photos.example.net/{path}/{key}"));
    Item {
        kind: ItemKind::Photo,
        label: format!("PXL_20260704_{n:06}.jpg"),
        taken_at: Some(1_782_000_000_000_000 + n as i64 * 37_000_000),
        size: Some(3_000_000 + n * 977),
        favourite: Some(n.is_multiple_of(7)),
        rating: Some(4),
        lat: Degrees::of(38.7 + n as f64 / 3_000.0),
        lon: Degrees::of(-9.1 - n as f64 / 3_000.0),
        owner: Some("Inês".into()),
        owner_id: Some("d2c1a7aa-1111-4b6e-8d7a-222222222222".into()),
        description: Some(format!("On the beach, number {n}")),
        city: Some("Sesimbra".into()),
        state: Some("Setúbal".into()),
        country: Some("Portugal".into()),
        url: at("photos"),
        public_url: at("share/Zk1pQ/photos"),
        download_url: at("api/assets/original"),
        photo_url: at("api/assets/view"),
        people: vec!["Rui".into(), "Marta".into()],
        tags: vec!["summer".into(), "sea".into()],
        fetch: Some(key.clone()),
        key,
        ..Item::default()
    }
}

#[test]
fn five_hundred_photos_are_kept_whole() {
    let draft = NoticeDraft {
        kind: "assets_added".into(),
        text: "x".repeat(4_000),
        items: Items {
            added: (0..500).map(photo).collect(),
            ..Items::default()
        },
        ..NoticeDraft::default()
    };
    let mut expected = draft.clone();
    expected.items.added_total = 500;
    assert_eq!(draft.bounded(), expected);
}

#[test]
fn what_fetches_items_goes_before_what_describes_them() {
    let described = |n| Item {
        description: Some(format!("{n}{}", "d".repeat(900))),
        ..photo(n)
    };
    let draft = NoticeDraft {
        items: Items {
            added: (0..500).map(described).collect(),
            removed: (500..900).map(described).collect(),
            ..Items::default()
        },
        ..NoticeDraft::default()
    }
    .bounded();
    let items = &draft.items;
    assert_eq!((items.added.len(), items.removed.len()), (500, 400));
    let fetched = |item: &Item| item.fetch.as_ref() == Some(&item.key);
    assert!(items.added.iter().chain(&items.removed).all(fetched));
    assert!(items.added[0].description.is_some() && items.added[499].description.is_none());
}

fn huge_draft() -> NoticeDraft {
    let map = |salt: &str| -> BTreeMap<String, String> {
        (0..100)
            .map(|n| (format!("{salt}{n:03}{}", "k".repeat(900)), long(3_000)))
            .collect()
    };
    let items: Vec<Item> = (0..600).map(huge_item).collect();
    NoticeDraft {
        kind: long(9_000),
        collection: Some(Collection {
            id: long(9_000),
            name: long(9_000),
        }),
        subject: Subject {
            key: long(9_000),
            label: long(9_000),
        },
        actor: Some(long(9_000)),
        title: long(9_000),
        text: long(90_000),
        url: Some(format!("https://x.example/{}", "u".repeat(2_000))),
        labels: map("l"),
        before: map("b"),
        after: map("a"),
        items: Items {
            added: items.clone(),
            removed: items,
            added_total: u64::MAX,
            removed_total: u64::MAX,
        },
        ..NoticeDraft::default()
    }
}

/// As many trackers, links, broadcasts and receivers as nobody has, all with long names.
fn crowded() -> Core {
    let name = |salt: &str, n: usize| format!("{salt}{n:03}-{}", "n".repeat(56));
    let mut core = Core::new();
    let mut specs = vec![provider("p")];
    let mut targets = Vec::new();
    for n in 0..150 {
        let receivers: Vec<_> = (0..40)
            .map(|r| serde_json::json!({"name": format!("r{r}"), "to": r.to_string()}))
            .collect();
        targets.push(name("t", n));
        specs.push(entity(serde_json::json!({
            "entity": "target", "name": targets[n], "kind": "telegram", "receivers": receivers,
        })));
    }
    specs.push(entity(serde_json::json!({
        "entity": "target", "name": "all", "kind": "broadcast", "targets": targets,
    })));
    for n in 0..200 {
        let links: Vec<_> = ["a", "b"]
            .iter()
            .map(|salt| serde_json::json!({"target": "all", "name": name(salt, n)}))
            .collect();
        specs.push(entity(serde_json::json!({
            "entity": "tracker", "name": name("w", n), "provider": "p", "links": links,
            "kinds": [if n % 3 == 0 { "no_such_kind_with_a_name_that_fills_the_reason" } else { "*" }],
        })));
    }
    core.configure(specs).unwrap();
    core
}

#[test]
fn the_largest_notice_fits_its_frame() {
    let mut core = crowded();
    let command = Command::Accept(Box::new(Accept {
        provider: core.provider("p"),
        notices: vec![huge_draft()],
        keys: RequestKeys {
            sender: Some(1),
            body: Some(2),
        },
        hops: 3,
    }));
    core.run(command).unwrap();
    let largest = largest(&core);
    assert!(largest <= PAYLOAD_BYTES_MAX, "{largest}");
    let Some((_, Event::Accepted(accepted))) = core.log.last() else {
        panic!("accepted");
    };
    let notice = &accepted.notice;
    assert!(notice.labels.len() <= LABELS_MAX + 1);
    assert!(notice.labels.contains_key("labels_left_out"));
    assert_eq!(notice.items.added_total, u64::MAX);
    assert!(
        accepted.plan.planned.len() > 1_000,
        "many are still reached"
    );
    assert!(
        accepted
            .plan
            .planned
            .iter()
            .all(|planned| usize::from(planned.link) < accepted.plan.links.len())
    );
}

#[test]
fn a_bounded_notice_is_not_bounded_again() {
    let once = huge_draft().bounded();
    assert!(once.weight() <= DRAFT_BYTES_MAX, "{}", once.weight());
    assert!(!once.items.added.is_empty() && !once.items.removed.is_empty());
    assert_eq!(once.clone().bounded(), once);
}

fn part(bytes: usize) -> Part {
    Part {
        kind: "text".into(),
        text: "w".repeat(bytes),
        payload: "{}".into(),
    }
}

#[test]
fn words_that_are_too_large_are_parked_and_not_claimed() {
    let mut core = ready(1);
    core.run(accept(core.provider("p"), "a", None)).unwrap();
    let key = core.due()[0];
    let claim = Claim {
        delivery: key,
        revision: core.state.outbox.deliveries[&key].revision,
        config_revision: core.state.configuration.revision,
        composed: Some(Composed {
            parts: vec![part(MESSAGE_BYTES_MAX)],
            hash: 1,
            faults: Vec::new(),
            telling: None,
        }),
        about: Vec::new(),
    };
    core.run(Command::Claim(Box::new(claim))).unwrap();
    assert_eq!(core.state.outbox.deliveries[&key].status, Status::Parked);
    let why = core.log.iter().find_map(|(_, event)| match event {
        Event::DeliverySettled { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, Some(What::Unsendable));
}

#[test]
fn what_a_service_answers_is_bounded() {
    let reason = long(400_000);
    for verdict in [
        Verdict::Sent {
            ids: vec![long(400_000); 3],
            pause: Some(std::time::Duration::MAX),
        },
        Verdict::Retry {
            after: None,
            scope: notify_bridge::targets::Scope::Target,
            reason: reason.clone(),
        },
        Verdict::Fallback {
            parts: vec![part(400_000)],
            reason: reason.clone(),
        },
        Verdict::Rejected {
            reason: reason.clone(),
        },
        Verdict::Gone {
            reason: reason.clone(),
        },
        Verdict::Moved { to: reason.clone() },
    ] {
        let mut core = ready(1);
        core.run(accept(core.provider("p"), "a", None)).unwrap();
        let key = core.due()[0];
        core.claim(key).unwrap();
        core.report(key, Attempted::Judged(verdict.clone()))
            .unwrap();
        let largest = largest(&core);
        assert!(largest < 16 * 1_024, "{largest}: {verdict:?}");
    }
}

#[test]
fn one_change_names_an_entity_once() {
    let mut core = Core::new();
    let twice = core.configure(vec![provider("p"), provider("p")]);
    assert!(matches!(twice, Err(Refusal::Invalid { .. })), "{twice:?}");
}
