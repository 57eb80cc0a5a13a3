//! How much memory does sending files take?
//!
//! A group of photos and videos of 45 MB together is fetched from a local server and uploaded to a
//! local Bot API, several times over. Resident memory of the program's own process, its peak from the
//! first fetch to the last answer, is compared with what it held when idle.
//!
//! Budget: the peak stays within 20 MB of idle.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

#[path = "shared/resident.rs"]
mod resident;
#[path = "../tests/shared/served.rs"]
mod served;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Uri;
use futures_util::{StreamExt, stream};
use resident::memory;
use serde_json::json;
use served::Served;
use tokio::net::TcpListener;
use tokio::sync::watch;

const FILES: usize = 10;
const FILE_BYTES: usize = 4_500_000;
const ROUNDS: usize = 4;
const MORE_MAX: f64 = 20.0;
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How long the program is left alone before it counts as idle.
const QUIET: Duration = Duration::from_secs(2);

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run this with `cargo bench --bench media`");
        return;
    }
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (idle, peak) = runtime.block_on(measure());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "idle {idle:.1} MB, peak {peak:.1} MB while sending {ROUNDS} × {} MB; load {}",
        FILES * FILE_BYTES / 1_000_000,
        load.trim()
    );
    let more = peak - idle;
    let verdict = if more <= MORE_MAX { "within" } else { "OVER" };
    println!("{more:.1} MB more, {verdict} the budget of {MORE_MAX} MB");
    if more > MORE_MAX {
        std::process::exit(1);
    }
}

async fn measure() -> (f64, f64) {
    let (shelf, (api, mut uploads)) = (shelf().await, sink().await);
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!(
        "[[provider]]\nname = \"album\"\nkind = \"webhook\"\nverify = \"none\"\nallow_private = true\n\
         [provider.map]\ntitle = \"body.title\"\nitems = \"body.items\"\n\
         [[target]]\nname = \"ops\"\nkind = \"telegram\"\ntoken = \"1:bench\"\npace = \"off\"\n\
         api_base = \"{api}\"\nallow_private = true\n\
         receivers = [ {{ name = \"team\", to = \"5\", pace = \"off\" }} ]\n\
         [[tracker]]\nname = \"all\"\nprovider = \"album\"\nlinks = [ {{ target = \"ops\" }} ]\n"
    );
    std::fs::write(folder.path().join("bridge.toml"), file).expect("the file is written");
    let file = folder.path().join("bridge.toml");
    let program = Served::start(&folder.path().join("data"), "127.0.0.1:0", Some(&file));
    let address = program.address.clone();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let pid = program.child.id();
    send(&client, &address, &shelf, 0, 2, 1_000).await;
    wait(&mut uploads, 1).await;
    tokio::time::sleep(QUIET).await;
    let idle = memory(pid, "VmRSS:");
    // From here on the kernel counts the peak anew.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak is reset");
    for round in 1..=ROUNDS {
        send(&client, &address, &shelf, round, FILES, FILE_BYTES).await;
        wait(&mut uploads, 1 + round).await;
    }
    let peak = memory(pid, "VmHWM:");
    program.kill();
    (idle, peak)
}

async fn send(
    client: &reqwest::Client,
    address: &str,
    shelf: &str,
    round: usize,
    files: usize,
    bytes: usize,
) {
    let items: Vec<_> = (0..files)
        .map(|n| json!({"key": format!("{round}/{n}"), "file": format!("{shelf}/{bytes}/{round}-{n}.jpg")}))
        .collect();
    let body = json!({"title": format!("round {round}"), "items": items}).to_string();
    let told = client
        .post(format!("{address}/hooks/album"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(told.status().as_u16(), 202);
}

async fn wait(uploads: &mut watch::Receiver<usize>, count: usize) {
    let begun = Instant::now();
    let waited = tokio::time::timeout(WAIT_MAX, uploads.wait_for(|seen| *seen >= count)).await;
    assert!(waited.is_ok(), "no upload within {:?}", begun.elapsed());
}

/// Gives a picture of as many bytes as its path says, in pieces.
async fn shelf() -> String {
    let answer = |uri: Uri| async move {
        let bytes: usize = uri
            .path()
            .split('/')
            .nth(1)
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(0);
        let head = [
            &b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"[..],
            b"\xFF\xC0\0\x0B\x08\x04\0\x04\0\x01\x01\x11\0\xFF\xDA",
        ]
        .concat();
        let piece = Bytes::from(vec![0x20u8; 50_000]);
        let pieces = std::iter::repeat_n(piece, bytes.div_ceil(50_000));
        let all = std::iter::once(Bytes::from(head)).chain(pieces);
        Body::from_stream(stream::iter(all.map(Ok::<_, std::convert::Infallible>)))
    };
    serve(Router::new().fallback(answer)).await
}

/// A Bot API that takes everything, reads it away, and counts uploads.
async fn sink() -> (String, watch::Receiver<usize>) {
    let (counted, count) = watch::channel(0);
    let answer = move |uri: Uri, body: Body| {
        let counted = counted.clone();
        async move {
            let mut body = body.into_data_stream();
            while let Some(Ok(_)) = body.next().await {}
            if !uri.path().ends_with("sendChatAction") {
                counted.send_modify(|count| *count += 1);
            }
            axum::Json(json!({"ok": true, "result": {"message_id": 1}}))
        }
    };
    let router = Router::new()
        .fallback(answer)
        .layer(axum::extract::DefaultBodyLimit::disable());
    (serve(router).await, count)
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    format!("http://127.0.0.1:{port}")
}
