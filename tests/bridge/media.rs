//! Files of notices, from the service that has them to a Bot API that enforces its limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, Uri};
use notify_bridge::domain::family::DeliveryView;
use notify_bridge::projections::outbox::Status;
use notify_bridge::targets::media::ItemOutcome;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::botapi::{BROKEN, BotApi, Taken, jpeg};
use crate::harness::TestBridge;

/// Where files are: by path, with how often each was fetched.
struct Shelf {
    address: String,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    fetched: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    async fn start() -> Self {
        let files: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
        let fetched: Arc<Mutex<Vec<String>>> = Arc::default();
        let (shared, noted) = (Arc::clone(&files), Arc::clone(&fetched));
        let answer = move |uri: Uri| {
            let (shared, noted) = (Arc::clone(&shared), Arc::clone(&noted));
            async move {
                noted.lock().expect("unharmed").push(uri.path().to_owned());
                match shared.lock().expect("unharmed").get(uri.path()) {
                    Some(bytes) => (StatusCode::OK, bytes.clone()),
                    None => (StatusCode::NOT_FOUND, b"nothing here".to_vec()),
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer))
                .await
                .expect("it serves");
        });
        Shelf {
            address: format!("http://127.0.0.1:{port}"),
            files,
            fetched,
        }
    }

    fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files
            .lock()
            .expect("unharmed")
            .insert(path.to_owned(), bytes);
    }

    fn photo(&self, n: usize) -> Value {
        let path = format!("/{n:03}.jpg");
        self.put(
            &path,
            jpeg(640, 480, 2_000, format!("photo {n}").as_bytes()),
        );
        self.item(&path)
    }

    fn item(&self, path: &str) -> Value {
        json!({"key": path, "file": format!("{}{path}", self.address)})
    }

    fn fetched(&self) -> usize {
        self.fetched.lock().expect("unharmed").len()
    }
}

fn file(api: &BotApi, options: &str, receiver: &str) -> String {
    format!(
        r#"
[[provider]]
name = "album"
kind = "webhook"
verify = "none"
allow_private = true
[provider.map]
title = "body.title"
text = "body.text"
items = "body.items"

[[target]]
name = "ops"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
pace = "off"
api_base = "{}"
allow_private = true
max_media = 500
{options}
receivers = [ {{ name = "team", to = "-1001234567890"{receiver} }} ]

[[tracker]]
name = "everything"
provider = "album"
links = [ {{ target = "ops" }} ]
"#,
        api.address
    )
}

async fn tell(bridge: &TestBridge, title: &str, text: &str, items: Vec<Value>) {
    let body = json!({"title": title, "text": text, "items": items}).to_string();
    let headers = [("content-type", "application/json")];
    let (status, answer) = bridge.post("/hooks/album", &headers, body.as_bytes()).await;
    assert_eq!(status, 202, "{answer}");
}

/// Lets time pass whenever something waits for it, until everything is settled.
async fn settle(bridge: &TestBridge) {
    for _ in 0..200 {
        bridge
            .until("it is settled or waits", |state| {
                let all = &state.outbox.deliveries;
                all.is_empty()
                    || all.values().all(|delivery| {
                        let rest = state
                            .outbox
                            .paused_until(delivery.target, delivery.receiver);
                        delivery.status.waits()
                            && delivery.not_before.max(rest) > bridge_now(bridge)
                    })
            })
            .await;
        if bridge.state(|state| state.outbox.deliveries.is_empty()) {
            return;
        }
        bridge.advance(2);
    }
    panic!("it never settles");
}

fn bridge_now(bridge: &TestBridge) -> i64 {
    use notify_bridge::shell::clock::Clock;
    bridge.clock.now()
}

fn only(bridge: &TestBridge) -> DeliveryView {
    bridge.family(bridge.newest()).deliveries[0].clone()
}

fn outcomes(view: &DeliveryView) -> Vec<(String, ItemOutcome)> {
    let told = view.files.values().flatten();
    told.map(|item| (item.key.clone(), item.outcome)).collect()
}

fn files(taken: &[Taken]) -> Vec<&str> {
    taken
        .iter()
        .filter(|taken| taken.form != "text")
        .map(|taken| taken.file.as_str())
        .collect()
}

#[tokio::test]
async fn words_come_first_and_groups_answer_to_them_in_order() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let receiver = ", silent = true, thread = 7, protect = true, spoiler = true";
    let bridge = TestBridge::start(&file(&api, "", receiver)).await;
    let items = (0..23).map(|n| shelf.photo(n)).collect();
    tell(&bridge, "Holiday", "by the sea", items).await;
    settle(&bridge).await;
    assert_eq!(
        api.methods(),
        [
            "sendMessage",
            "sendMediaGroup",
            "sendMediaGroup",
            "sendMediaGroup"
        ]
    );
    let taken = api.taken();
    let expected: Vec<String> = (0..23).map(|n| format!("{n:03}.jpg")).collect();
    assert_eq!(files(&taken), expected);
    for message in &taken[1..] {
        assert_eq!(message.fields["message_thread_id"], "7");
        assert_eq!(message.fields["disable_notification"], "true");
        assert_eq!(message.fields["protect_content"], "true");
        assert!(message.fields["reply_parameters"].contains("1000"));
        assert!(message.fields["media"].contains("has_spoiler"));
    }
    let view = only(&bridge);
    assert_eq!(view.status, Status::Sent);
    assert!(
        outcomes(&view)
            .iter()
            .all(|(_, outcome)| *outcome == ItemOutcome::Delivered)
    );
    assert_eq!((outcomes(&view).len(), view.ids[&1].len()), (23, 10));
}

#[tokio::test]
async fn short_words_are_a_caption_and_what_is_known_is_not_uploaded_again() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let bridge = TestBridge::start(&file(&api, "", "")).await;
    let items: Vec<Value> = (0..3).map(|n| shelf.photo(n)).collect();
    tell(&bridge, "Three", "", items.clone()).await;
    settle(&bridge).await;
    assert_eq!((api.methods().len(), shelf.fetched()), (1, 3));
    assert!(api.taken()[0].words.contains("Three"));
    tell(&bridge, "Three more", "", items.clone()).await;
    settle(&bridge).await;
    assert!(api.taken()[3..].iter().all(|message| message.by_id));
    // What the service has lost is uploaded anew, in the same attempt.
    api.forget_files();
    tell(&bridge, "Once more", "", items).await;
    settle(&bridge).await;
    let taken = api.taken();
    assert_eq!((taken.len(), api.methods().len()), (9, 4));
    assert!(taken[6..].iter().all(|message| !message.by_id));
    assert_eq!(only(&bridge).attempts.len(), 1);
    assert_eq!(shelf.fetched(), 3, "it is still in the folder");
}

#[tokio::test]
async fn one_broken_photo_costs_only_itself() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let bridge = TestBridge::start(&file(&api, "", "")).await;
    let mut items: Vec<Value> = (0..5).map(|n| shelf.photo(n)).collect();
    shelf.put("/002.jpg", jpeg(640, 480, 2_000, BROKEN));
    items.push(shelf.item("/missing.jpg"));
    tell(&bridge, "Five", "", items).await;
    settle(&bridge).await;
    let taken = api.taken();
    assert_eq!(files(&taken), ["000.jpg", "001.jpg", "003.jpg", "004.jpg"]);
    assert!(taken[0].words.contains("Five") && taken[0].form == "text");
    let last = &taken.last().expect("a message").words;
    assert!(last.contains("missing.jpg"), "{last}");
    let view = only(&bridge);
    assert_eq!(view.status, Status::Sent);
    let of = |wanted| {
        outcomes(&view)
            .iter()
            .filter(|(_, outcome)| *outcome == wanted)
            .count()
    };
    assert_eq!(ItemOutcome::ALL.map(of), [4, 1, 1], "{:?}", outcomes(&view));
}

#[tokio::test]
async fn what_is_too_large_goes_as_something_smaller_or_is_named() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let bridge = TestBridge::start(&file(&api, "", "")).await;
    let mut video = b"\0\0\0\x18ftypisom".to_vec();
    video.resize(60_000, 0);
    shelf.put("/wide.jpg", jpeg(9_000, 9_000, 2_000, b""));
    shelf.put("/clip.mp4", video);
    shelf.put("/clip.jpg", jpeg(320, 200, 500, b""));
    shelf.put("/page.jpg", b"<!DOCTYPE html><p>log in</p>".to_vec());
    let at = |path: &str| format!("{}{path}", shelf.address);
    let items = vec![
        shelf.photo(0),
        shelf.item("/clip.mp4"),
        json!({"key": "big", "kind": "video", "label": "film.mp4", "size": 900_000_000u64,
               "file": at("/film.mp4"), "preview": at("/nothing"), "thumbnail": at("/clip.jpg")}),
        shelf.item("/wide.jpg"),
        shelf.item("/page.jpg"),
    ];
    tell(&bridge, "Mixed", "", items).await;
    settle(&bridge).await;
    let taken = api.taken();
    let sent: Vec<(&str, &str)> = taken
        .iter()
        .map(|message| (message.form.as_str(), message.file.as_str()))
        .collect();
    assert_eq!(
        sent,
        [
            ("text", ""),
            ("photo", "000.jpg"),
            ("video", "clip.mp4"),
            ("photo", "film.mp4.jpg"),
            ("document", "wide.jpg"),
        ]
    );
    assert!(taken[4].words.contains("page.jpg"), "{:?}", taken[4]);
    assert_eq!(only(&bridge).status, Status::Sent);
}

#[tokio::test]
async fn a_wait_in_the_middle_of_an_album_goes_on_where_it_was() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let bridge = TestBridge::start(&file(&api, "group_pause = \"1m\"", "")).await;
    tell(
        &bridge,
        "Album",
        "",
        (0..12).map(|n| shelf.photo(n)).collect(),
    )
    .await;
    api.until("the first group is there", |taken| taken.len() == 11)
        .await;
    bridge
        .until("the second group waits for its pause", |state| {
            state.outbox.deliveries.values().all(|delivery| {
                delivery.part == 2
                    && state
                        .outbox
                        .paused_until(delivery.target, delivery.receiver)
                        > 0
            })
        })
        .await;
    assert_eq!(api.methods().len(), 2);
    api.script(
        429,
        json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 9", "parameters": {"retry_after": 9}}),
    );
    bridge.advance(61);
    bridge
        .until("it is told to wait", |state| {
            state
                .outbox
                .deliveries
                .values()
                .all(|delivery| delivery.status == Status::Retrying)
        })
        .await;
    settle(&bridge).await;
    assert_eq!(files(&api.taken()).len(), 12);
    assert_eq!(api.methods().len(), 4);
}

/// Every call is made of fields that the description of the API has, where it lies beside the project.
#[tokio::test]
async fn every_field_is_one_of_the_api() {
    let (api, shelf) = (BotApi::start().await, Shelf::start().await);
    let receiver = ", silent = true, thread = 7, protect = true, spoiler = true";
    let bridge = TestBridge::start(&file(&api, "media = \"single\"", receiver)).await;
    shelf.put("/a.mp3", b"ID3\x04 song".to_vec());
    shelf.put("/b.bin", b"anything".to_vec());
    shelf.put("/c.gif", b"GIF89a moving".to_vec());
    let items = vec![
        shelf.photo(0),
        shelf.item("/a.mp3"),
        shelf.item("/b.bin"),
        shelf.item("/c.gif"),
    ];
    tell(&bridge, "All kinds", "", items).await;
    settle(&bridge).await;
    assert_eq!(
        api.methods(),
        [
            "sendMessage",
            "sendPhoto",
            "sendAudio",
            "sendDocument",
            "sendAnimation"
        ]
    );
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/specs/telegram-bot-api.min.json");
    let Ok(text) = std::fs::read_to_string(beside) else {
        return;
    };
    let spec: Value = serde_json::from_str(&text).expect("JSON");
    for (method, fields) in api.calls() {
        let known = spec["methods"][&method]["fields"]
            .as_array()
            .expect("fields");
        for field in fields {
            assert!(
                known.iter().any(|one| one["name"] == field.as_str()),
                "{method}.{field}"
            );
        }
    }
}
