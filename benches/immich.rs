//! What does following a large album cost?
//!
//! A local server speaks Immich's API. The program, in a process of its own, follows an album of a few
//! assets; then one of 200 000 comes to be, which it lists for the first time, and then one more asset is
//! added to that. Its resident memory as the kernel counts it, at the peak of each, is compared with what
//! it held when it followed the small one. What a look at which nothing changed asks and is answered is
//! counted in bytes.
//!
//! Budget: the peaks stay within 30 MB of idle, what stays in memory included; an idle look is one
//! request, and an album adds no more than 1 500 bytes to it, whatever its size.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

#[expect(dead_code, reason = "the provider's tests use more of it")]
#[path = "../tests/shared/immich.rs"]
mod fake;
#[path = "shared/resident.rs"]
mod resident;
#[expect(dead_code, reason = "nobody calls the program here; it calls")]
#[path = "../tests/shared/served.rs"]
mod served;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use fake::{BOATS, Fake};
use resident::memory;
use served::Served;
use tokio::net::TcpListener;
use tokio::sync::watch;

const LARGE: &str = "5b0e6a3c-4444-4000-8000-0000000000d0";
const ASSETS: u32 = 200_000;
const MORE_MAX: f64 = 30.0;
const ALBUM_BYTES_MAX: usize = 1_500;
const WAIT_MAX: Duration = Duration::from_secs(280);
/// How long the program is left alone before it counts as idle.
const QUIET: Duration = Duration::from_secs(3);

/// One request, with the bytes that it took and that its answer took.
#[derive(Clone)]
struct Heard {
    what: String,
    asked: usize,
    answered: usize,
}

struct Immich {
    address: String,
    fake: Arc<Mutex<Fake>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    count: watch::Receiver<usize>,
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run this with `cargo bench --bench immich`");
        return;
    }
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let is_within = runtime.block_on(measure());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
    if !is_within {
        std::process::exit(1);
    }
}

async fn measure() -> bool {
    let mut small = Fake::default();
    (small.page, small.judges) = (1_000, false);
    small.make(BOATS, "Boats", 3);
    let mut immich = serve(small).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bridge.toml");
    let text = format!(
        "[[provider]]\nname = \"photos\"\nkind = \"immich\"\nurl = \"{}\"\napi_key = \"bench\"\n\
         interval = \"10s\"\nallow_private = true\n\
         [[target]]\nname = \"kept\"\nkind = \"inbox\"\n\
         [[tracker]]\nname = \"all\"\nprovider = \"photos\"\nlinks = [ {{ target = \"kept\" }} ]\n",
        immich.address
    );
    std::fs::write(&file, text).expect("the file is written");
    let program = Served::start(&folder.path().join("data"), "127.0.0.1:0", Some(&file));
    let pid = program.child.id();
    immich.until_idle().await;
    let (one_album, _) = immich.idle_look().await;
    tokio::time::sleep(QUIET).await;
    let idle = memory(pid, "VmRSS:");

    forget_peak(pid);
    immich.change(|fake| fake.make(LARGE, "Everything", ASSETS));
    let pages = immich.until_idle().await;
    let first = memory(pid, "VmHWM:") - idle;
    tokio::time::sleep(QUIET).await;
    let kept = memory(pid, "VmRSS:") - idle;

    forget_peak(pid);
    immich.change(|fake| fake.add(LARGE, 900_001, true));
    let delta_pages = immich.until_idle().await;
    let delta = memory(pid, "VmHWM:") - idle;
    let (two_albums, requests) = immich.idle_look().await;
    program.kill();

    let album = two_albums.saturating_sub(one_album);
    println!("idle look: {requests} request, {two_albums} bytes for two albums, {album} an album");
    println!("{ASSETS} assets for the first time: {pages} pages, {first:.1} MB more at the peak");
    println!("kept of them: {kept:.1} MB");
    println!("one asset more: {delta_pages} page, {delta:.1} MB more at the peak");
    let is_within = first <= MORE_MAX
        && delta <= MORE_MAX
        && requests == 1
        && album <= ALBUM_BYTES_MAX
        && delta_pages == 1;
    let verdict = if is_within { "within" } else { "OVER" };
    println!("{verdict} the budget of {MORE_MAX} MB and {ALBUM_BYTES_MAX} bytes");
    is_within
}

impl Immich {
    fn change(&self, change: impl FnOnce(&mut Fake)) {
        change(&mut self.fake.lock().expect("unharmed"));
    }

    /// Waits until a look asked nothing but the albums twice, after one that asked more; says how many
    /// pages were listed.
    async fn until_idle(&mut self) -> usize {
        self.heard.lock().expect("unharmed").clear();
        let (mut pages, mut idle) = (0, 0);
        let mut seen = 0;
        while pages == 0 || idle < 2 {
            let waited = tokio::time::timeout(WAIT_MAX, self.count.changed()).await;
            waited.expect("it asks on").expect("it serves");
            let heard = self.heard.lock().expect("unharmed");
            for heard in heard.iter().skip(seen) {
                match heard.what.as_str() {
                    "GET /albums" => idle += 1,
                    "POST /search/metadata" => (pages, idle) = (pages + 1, 0),
                    _other => idle = 0,
                }
            }
            seen = heard.len();
        }
        pages
    }

    /// Bytes that a look takes at which nothing changed, both ways, and its requests.
    async fn idle_look(&mut self) -> (usize, usize) {
        self.heard.lock().expect("unharmed").clear();
        while self.heard.lock().expect("unharmed").len() < 2 {
            let waited = tokio::time::timeout(WAIT_MAX, self.count.changed()).await;
            waited.expect("it asks on").expect("it serves");
        }
        let heard = self.heard.lock().expect("unharmed").clone();
        let requests = match heard.iter().all(|heard| heard.what == "GET /albums") {
            true => 1,
            false => heard.len(),
        };
        (heard[0].asked + heard[0].answered, requests)
    }
}

async fn serve(fake: Fake) -> Immich {
    let (fake, heard) = (Arc::new(Mutex::new(fake)), Arc::default());
    let (counted, count) = watch::channel(0);
    let (shared, list) = (Arc::clone(&fake), Arc::clone(&heard));
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let mut fake = shared.lock().expect("unharmed");
        let (said, told) = answer(&mut fake, &method, &uri, &headers, &body);
        let list: &Mutex<Vec<Heard>> = &list;
        list.lock().expect("unharmed").push(told);
        counted.send_modify(|count| *count += 1);
        std::future::ready(said)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Immich {
        address: format!("http://127.0.0.1:{port}"),
        fake,
        heard,
        count,
    }
}

fn answer(
    fake: &mut Fake,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (Response, Heard) {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.strip_prefix("/api").unwrap_or(path);
    let (status, answer) = fake.answer(method.as_str(), path, body);
    fake.asked.clear();
    let text = answer.to_string();
    // As they stand on the wire: a line each, with a colon, a space and an end.
    let headers: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let told = Heard {
        what: format!("{method} {path}"),
        asked: method.as_str().len() + uri.path().len() + 12 + headers + body.len(),
        answered: text.len(),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let said = (status, [(header::CONTENT_TYPE, "application/json")], text);
    (said.into_response(), told)
}

/// From here on the kernel counts the peak anew.
fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak is reset");
}
