//! One harness: a bridge with a manual clock, and places that answer by script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use hmac::{Hmac, KeyInit, Mac};
use notify_bridge::config::Source;
use notify_bridge::domain::command::Command;
use notify_bridge::domain::event::DeliveryKey;
use notify_bridge::domain::family::Family;
use notify_bridge::domain::state::State;
use notify_bridge::shell::app::{self, App, Running};
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::configure;
use notify_bridge::shell::families;
use notify_bridge::shell::http::{door, pages};
use notify_bridge::shell::ledger::Priority;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::waiting::{self, PATIENCE};

/// The clock's first reading: 2026-11-24T12:00:00Z.
pub const NOON: i64 = 1_795_521_600_000_000;
pub const SECRET: &str = "correct horse battery staple";

pub struct TestBridge {
    pub running: Option<Running>,
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub folder: tempfile::TempDir,
    pub client: reqwest::Client,
    pub address: String,
}

impl TestBridge {
    pub async fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bridge = Self::over(folder, NOON).await;
        bridge.apply(file).await;
        bridge
    }

    pub async fn over(folder: tempfile::TempDir, now: i64) -> Self {
        Self::over_at(folder, now, None).await
    }

    /// Starts over a folder at a listener that senders may knock at already.
    pub async fn over_at(
        folder: tempfile::TempDir,
        now: i64,
        listener: Option<TcpListener>,
    ) -> Self {
        // Whether another test got there first does not matter.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(ManualClock::new(now));
        let options = ServeOptions {
            data: folder.path().join("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            http: HttpOptions::default(),
            secret_key_file: None,
            private_networks: None,
            roots: notify_bridge::shell::client::Roots::default(),
            cache_bytes: 4 * 1024 * 1024,
        };
        let running = app::start(
            options,
            Arc::clone(&clock) as Arc<dyn Clock>,
            listener,
            |router| door::routes(pages::routes(router)),
        )
        .await
        .expect("it starts");
        TestBridge {
            app: Arc::clone(&running.app),
            address: format!("http://{}", running.address),
            running: Some(running),
            clock,
            folder,
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        }
    }

    /// Stops it as SIGTERM would and starts it again over the same folder.
    pub async fn restart(self) -> Self {
        let now = self.clock.now();
        Self::over(self.stop().await, now).await
    }

    /// Stops it as SIGTERM would.
    pub async fn stop(self) -> tempfile::TempDir {
        let TestBridge {
            running,
            app,
            folder,
            ..
        } = self;
        drop(app);
        running.expect("it runs").stop().await;
        folder
    }

    pub async fn apply(&self, file: &str) {
        let sources = [Source {
            file: "test.toml",
            text: file,
        }];
        let applied = configure::apply(
            &self.app.ledger,
            &self.app.vault,
            &sources,
            None,
            true,
            false,
            "test",
        )
        .await;
        if let Err(error) = applied {
            panic!("{error:?}");
        }
    }

    pub fn state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.app.ledger.state())
    }

    /// Waits until the durable state satisfies the condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        waiting::until(&self.app.ledger, what, condition).await;
    }

    /// Waits until nothing is open any more.
    pub async fn settled(&self) {
        self.until("everything is settled", |state| {
            state.outbox.deliveries.is_empty()
        })
        .await;
    }

    pub async fn command(&self, command: Command) {
        self.app
            .ledger
            .command(Priority::People, command)
            .await
            .expect("the command is taken");
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
        post(
            &self.client,
            &format!("{}{path}", self.address),
            headers,
            body,
        )
        .await
    }

    /// A signed Gitea push with a commit of this subject.
    pub async fn push(&self, delivery: &str, subject: &str) -> (u16, Value) {
        push_to(&self.client, &self.address, delivery, subject).await
    }

    pub fn family(&self, notice: u64) -> Family {
        families::read(self.app.ledger.reader(), notice).expect("a family")
    }

    /// Position of the newest notice.
    pub fn newest(&self) -> u64 {
        self.app
            .ledger
            .reader()
            .rows_back(u64::MAX, 1)
            .expect("rows")[0]
            .0
    }

    pub fn only_delivery(&self) -> DeliveryKey {
        self.state(|state| {
            *state
                .outbox
                .deliveries
                .keys()
                .next()
                .expect("an open delivery")
        })
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

async fn post(
    client: &reqwest::Client,
    address: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, Value) {
    let mut request = client.post(address).body(body.to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// As [`TestBridge::push`], for a bridge that may not be ready yet.
pub async fn push_to(
    client: &reqwest::Client,
    address: &str,
    delivery: &str,
    subject: &str,
) -> (u16, Value) {
    let body = push_body(subject);
    let signature = sign(SECRET, &body);
    let headers = [
        ("content-type", "application/json"),
        ("x-gitea-event", "push"),
        ("x-gitea-delivery", delivery),
        ("x-gitea-signature", signature.as_str()),
    ];
    post(client, &format!("{address}/hooks/forge"), &headers, &body).await
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

pub fn push_body(subject: &str) -> Vec<u8> {
    serde_json::json!({
        "ref": "refs/heads/main",
        "before": "1111111111111111111111111111111111111111",
        "after": "2222222222222222222222222222222222222222",
        "compare_url": "https://forge.example/team/app/compare/1111111...2222222",
        "commits": [{
            "id": "2222222222222222222222222222222222222222",
            "message": format!("{subject}\n"),
            "url": "https://forge.example/team/app/commit/2222222",
            "author": {"name": "Ada", "email": "ada@forge.example", "username": "ada"},
            "added": [], "removed": [], "modified": ["src/lib.rs"],
        }],
        "repository": {
            "id": 42, "name": "app", "full_name": "team/app", "html_url": "https://forge.example/team/app",
            "owner": {"id": 1, "login": "team"},
        },
        "pusher": {"id": 7, "login": "ada", "full_name": "Ada"},
        "sender": {"id": 7, "login": "ada", "full_name": "Ada"},
    })
    .to_string()
    .into_bytes()
}

/// One call that a place received.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What a place answers next.
#[derive(Debug, Clone)]
pub struct Scripted {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Scripted {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Scripted {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Default)]
struct Inside {
    received: Vec<Received>,
    script: VecDeque<Scripted>,
}

/// A server that records what it gets and answers by script, then with its usual answer.
pub struct Place {
    pub address: String,
    inside: Arc<Mutex<Inside>>,
    count: watch::Receiver<usize>,
    _task: tokio::task::JoinHandle<()>,
}

impl Place {
    /// Answers as Telegram does when a message was sent.
    pub async fn telegram() -> Self {
        Self::usually(Scripted::new(
            200,
            r#"{"ok":true,"result":{"message_id":4711}}"#,
        ))
        .await
    }

    pub async fn usually(usual: Scripted) -> Self {
        Self::answering(Some(usual)).await
    }

    /// Takes every call and answers none.
    pub async fn stuck() -> Self {
        Self::answering(None).await
    }

    async fn answering(usual: Option<Scripted>) -> Self {
        let inside = Arc::new(Mutex::new(Inside::default()));
        let (counted, count) = watch::channel(0);
        let shared = Arc::clone(&inside);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (shared, usual, counted) = (Arc::clone(&shared), usual.clone(), counted.clone());
            async move {
                let scripted = {
                    let mut inside = shared.lock().expect("no panic while held");
                    inside.received.push(Received {
                        method: method.to_string(),
                        path: uri.to_string(),
                        headers,
                        body,
                    });
                    counted.send_replace(inside.received.len());
                    inside.script.pop_front().or(usual)
                };
                let Some(scripted) = scripted else {
                    return std::future::pending().await;
                };
                let mut response = axum::response::Response::builder()
                    .status(StatusCode::from_u16(scripted.status).expect("a status"));
                for (name, value) in scripted.headers {
                    response = response.header(name, value);
                }
                response
                    .body(axum::body::Body::from(scripted.body))
                    .expect("a response")
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(answer);
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Place {
            address: format!("http://127.0.0.1:{port}"),
            inside,
            count,
            _task: task,
        }
    }

    pub fn script(&self, answers: impl IntoIterator<Item = Scripted>) {
        self.inside
            .lock()
            .expect("no panic while held")
            .script
            .extend(answers);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inside
            .lock()
            .expect("no panic while held")
            .received
            .clone()
    }

    /// Waits until it has received so many calls.
    pub async fn has_received(&self, calls: usize) -> Vec<Received> {
        let mut count = self.count.clone();
        let waited = tokio::time::timeout(PATIENCE, count.wait_for(|seen| *seen >= calls)).await;
        assert!(
            waited.is_ok(),
            "waited in vain for {calls} calls; got {}",
            self.received().len()
        );
        self.received()
    }
}

/// A forge, and a Telegram-shaped place that hears of everything in it, as fast as it can be told.
pub fn forge_to_telegram(place: &Place) -> String {
    format!(
        r#"
[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"

[[target]]
name = "ops"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
pace = "off"
api_base = "{}"
allow_private = true
receivers = [ {{ name = "team", to = "-1001234567890" }} ]

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "ops" }} ]
"#,
        place.address
    )
}

/// A forge, and a webhook place.
pub fn forge_to_webhook(place: &Place, more: &str) -> String {
    format!(
        r#"
[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"

[[target]]
name = "hook"
kind = "webhook"
url = "{}/in?key=canary-in-the-query"
allow_private = true
{more}

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "hook" }} ]
"#,
        place.address
    )
}
