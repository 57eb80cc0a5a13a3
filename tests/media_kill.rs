//! Five hundred photos, and a SIGKILL in the middle: all arrive, complete and in order. What had an
//! outcome is never sent again; the one part that was under way is sent again, and says so.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it makes its own clients"
)]

#[path = "bridge/botapi.rs"]
#[expect(dead_code, reason = "the tests in one process use more of it")]
mod botapi;
#[path = "shared/served.rs"]
mod served;

use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::http::Uri;
use botapi::{BotApi, jpeg};
use serde_json::json;
use served::Served;
use tokio::net::TcpListener;

const PHOTOS: usize = 500;
/// The words are call 0, and each group of ten one more.
const HANGS_AT: usize = 25;

fn start(folder: &Path) -> Served {
    Served::start(
        &folder.join("data"),
        "127.0.0.1:0",
        Some(&folder.join("bridge.toml")),
    )
}

/// Gives a photo at every path.
async fn shelf() -> String {
    let answer = |uri: Uri| async move { jpeg(640, 480, 3_000, uri.path().as_bytes()) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(answer))
            .await
            .expect("it serves");
    });
    format!("http://127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_photos_arrive_across_a_kill() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let (api, shelf) = (BotApi::start().await, shelf().await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!(
        r#"
[[provider]]
name = "album"
kind = "webhook"
verify = "none"
allow_private = true
[provider.map]
title = "body.title"
items = "body.items"

[[target]]
name = "ops"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
pace = "off"
api_base = "{}"
allow_private = true
max_media = 500
group_pause = "1ms"
receivers = [ {{ name = "team", to = "-1001234567890", pace = "off" }} ]

[[tracker]]
name = "everything"
provider = "album"
links = [ {{ target = "ops" }} ]
"#,
        api.address
    );
    std::fs::write(folder.path().join("bridge.toml"), file).expect("the file is written");
    api.hang_at(Some(HANGS_AT));
    let program = start(folder.path());
    let items: Vec<_> = (0..PHOTOS)
        .map(|n| json!({"key": format!("k{n}"), "file": format!("{shelf}/{n:03}.jpg")}))
        .collect();
    let body = json!({"title": "Five hundred", "items": items}).to_string();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let told = client
        .post(format!("{}/hooks/album", program.address))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(told.status().as_u16(), 202);
    // The words, and ten photos with each call up to the one that hangs: it was taken.
    let before = 1 + HANGS_AT * 10;
    api.until("a call hangs", |taken| taken.len() == before)
        .await;
    program.kill();
    api.hang_at(None);
    let path = folder.path().to_owned();
    let program = tokio::task::spawn_blocking(move || start(&path))
        .await
        .expect("it starts again");
    let all = 1 + PHOTOS + 10;
    api.until("everything is there", |taken| taken.len() >= all)
        .await;
    // What is told next waits in the same lane until the last photos have their outcome.
    let body = json!({"title": "And then", "items": []}).to_string();
    let told = client
        .post(format!("{}/hooks/album", program.address))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(told.status().as_u16(), 202);
    api.until("the next is told", |taken| taken.len() > all)
        .await;
    program.kill();
    let mut taken = api.taken();
    let last = taken.pop().expect("a message");
    assert!(last.words.contains("And then"), "{last:?}");
    assert_eq!(taken.len(), all, "only the one under way came twice");
    let mut files: Vec<(usize, &str)> = taken[1..]
        .iter()
        .map(|message| (message.call, message.file.as_str()))
        .collect();
    let again: Vec<&str> = files
        .drain(before - 1..before + 9)
        .map(|(_, file)| file)
        .collect();
    let hung: Vec<&str> = files[before - 11..before - 1]
        .iter()
        .map(|(_, file)| *file)
        .collect();
    assert_eq!(again, hung);
    let expected: Vec<String> = (0..PHOTOS).map(|n| format!("{n:03}.jpg")).collect();
    let arrived: Vec<&str> = files.iter().map(|(_, file)| *file).collect();
    assert_eq!(arrived, expected);
    assert!(
        taken
            .iter()
            .all(|message| message.id >= 1_000 && !message.by_id)
    );
    let shown = Command::new(env!("CARGO_BIN_EXE_notify-bridge"))
        .args(["deliveries", "--json", "--data"])
        .arg(folder.path().join("data"))
        .output()
        .expect("it lists");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("\"unknown\""),
        "the one under way is shown as unknown: {shown}"
    );
    assert!(
        shown.contains("\"delivered\":500"),
        "all are counted: {shown}"
    );
}
