//! Five SIGKILLs under eight clients: every notice that was answered with 202 or 200 is there and is
//! delivered.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it makes its own clients"
)]

#[path = "shared/served.rs"]
mod served;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use served::Served;
use sha2::Sha256;
use tokio::sync::watch;

const SECRET: &str = "a secret between the two of us";
const CLIENTS: usize = 8;
const KILLS: usize = 5;
/// Answers between two kills.
const ANSWERS_PER_LIFE: usize = 60;
/// Reached only when something is lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(folder: &Path, listen: &str) -> Served {
    Served::start(
        &folder.join("data"),
        listen,
        Some(&folder.join("bridge.toml")),
    )
}

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// A place that remembers which notices it was told.
async fn place() -> (String, watch::Receiver<BTreeSet<String>>) {
    let (told, seen) = watch::channel(BTreeSet::new());
    let router = Router::new().fallback(move |body: Bytes| {
        let message: Value = serde_json::from_slice(&body).expect("JSON");
        let id = message["data"]["notice"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        told.send_modify(|seen: &mut BTreeSet<String>| {
            seen.insert(id);
        });
        async { "ok" }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_survives_five_kills() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let (place, mut seen) = place().await;
    let file = format!(
        "[[provider]]\nname = \"forge\"\nkind = \"webhook\"\nsecret = \"{SECRET}\"\nrate = \"off\"\n\
         verify = {{ hmac_sha256 = \"X-Sign\" }}\n\
         [provider.map]\ntitle = \"body.title\"\nkey = \"body.key\"\n\
         [[target]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{place}/\"\nallow_private = true\n\
         [[tracker]]\nname = \"all\"\nprovider = \"forge\"\nlinks = [ {{ target = \"hook\" }} ]\n"
    );
    std::fs::write(folder.path().join("bridge.toml"), file).expect("the file is written");
    let mut program = start(folder.path(), "127.0.0.1:0");
    let listen = program.address.trim_start_matches("http://").to_owned();

    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (count, mut counted) = watch::channel(0usize);
    let count = Arc::new(count);
    let stop = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (answered, count, stop, next) =
                (answered.clone(), count.clone(), stop.clone(), next.clone());
            let url = format!("{}/hooks/forge", program.address);
            tokio::spawn(async move {
                let client = reqwest::Client::builder()
                    .no_proxy()
                    .build()
                    .expect("a client");
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let body =
                        format!(r#"{{"title":"number {number}","key":"{number}"}}"#).into_bytes();
                    // A sender that gets no answer sends again, as senders do.
                    loop {
                        let request = client
                            .post(&url)
                            .header("x-sign", sign(&body))
                            .body(body.clone());
                        if let Ok(answer) = request.send().await
                            && matches!(answer.status().as_u16(), 200 | 202)
                            && let Ok(answer) = answer.bytes().await
                        {
                            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                            let id = answer["notices"][0].as_str().expect("an id").to_owned();
                            answered.lock().expect("no panic").insert(id);
                            count.send_modify(|count| *count += 1);
                            break;
                        }
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for life in 1..=KILLS {
        let enough = counted.wait_for(|count| *count >= life * ANSWERS_PER_LIFE);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .expect("clients are answered")
            .expect("they count");
        program.kill();
        let (folder, listen) = (folder.path().to_owned(), listen.clone());
        program = tokio::task::spawn_blocking(move || start(&folder, &listen))
            .await
            .expect("it starts again");
    }
    let enough = counted.wait_for(|count| *count >= (KILLS + 1) * ANSWERS_PER_LIFE);
    tokio::time::timeout(PATIENCE, enough)
        .await
        .expect("clients are answered")
        .expect("they count");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client ends");
    }
    let answered = answered.lock().expect("no panic").clone();
    assert!(answered.len() >= (KILLS + 1) * ANSWERS_PER_LIFE);
    let delivered = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| answered.is_subset(seen)))
        .await
        .is_ok();
    if !delivered {
        let lost: Vec<String> = answered.difference(&seen.borrow()).cloned().collect();
        panic!(
            "{} of {} were answered and not delivered: {lost:?}",
            lost.len(),
            answered.len()
        );
    }
    program.kill();
}
