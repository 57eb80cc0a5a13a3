//! A bridge with a forge, an inbox and a Telegram-shaped place that answers by script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use hmac::{Hmac, KeyInit, Mac};
use notify_bridge::config::Source;
use notify_bridge::domain::command::{Command, PutToken};
use notify_bridge::domain::event::{Role, TokenScope};
use notify_bridge::domain::state::State;
use notify_bridge::shell::app::{self, App, Running};
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::configure;
use notify_bridge::shell::http::{api, auth};
use notify_bridge::shell::ledger::Priority;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

/// 2026-11-24T12:00:00Z.
const NOON: i64 = 1_795_521_600_000_000;
pub const SECRET: &str = "canary-provider-secret";
pub const TOKEN: &str = "7700770077:canary-target-token";

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The body of an answer that has to be this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }
}

pub struct Api {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub address: String,
    pub owner: String,
    client: reqwest::Client,
    script: Arc<Mutex<VecDeque<(u16, String)>>>,
    _running: Running,
    _folder: tempfile::TempDir,
}

impl Api {
    pub async fn start() -> Self {
        // Whether another test got there first does not matter.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::new(NOON));
        let options = ServeOptions {
            data: folder.path().join("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            http: HttpOptions::default(),
            secret_key_file: None,
            private_networks: None,
            roots: notify_bridge::shell::client::Roots::default(),
            cache_bytes: 4 * 1024 * 1024,
        };
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let running = app::start(options, shared, None, api::routes)
            .await
            .expect("it starts");
        let (place, script) = place().await;
        let mut api = Api {
            app: Arc::clone(&running.app),
            clock,
            address: format!("http://{}", running.address),
            owner: String::new(),
            client: client(),
            script,
            _running: running,
            _folder: folder,
        };
        api.owner = api
            .token("owner", &[TokenScope::Admin], Role::Owner, None)
            .await;
        let file = format!(
            r#"
[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"

[[target]]
name = "desk"
kind = "inbox"

[[target]]
name = "ops"
kind = "telegram"
pace = "off"
token = "{TOKEN}"
api_base = "{place}"
allow_private = true
tags = ["loud"]
receivers = [ {{ name = "team", to = "-1001", pace = "off" }}, {{ name = "second", to = "-1002", enabled = false }} ]

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "desk" }} ]

[[tracker]]
name = "main"
provider = "forge"
kinds = ["push"]
where = "notice.labels.branch == 'main'"
links = [ {{ target = "ops", template = "short" }} ]

[[template]]
name = "short"
push = "{{{{ notice.title }}}}"
"#
        );
        let sources = [Source {
            file: "test.toml",
            text: &file,
        }];
        let (ledger, vault) = (&api.app.ledger, &api.app.vault);
        let applied = configure::apply(ledger, vault, &sources, None, true, false, "test").await;
        if let Err(error) = applied {
            panic!("{error:?}");
        }
        api
    }

    /// A new token, made past the API.
    pub async fn token(
        &self,
        name: &str,
        scopes: &[TokenScope],
        role: Role,
        target: Option<&str>,
    ) -> String {
        let (token, hash) = auth::new_token();
        let put = PutToken {
            name: name.into(),
            hash,
            scopes: scopes.to_vec(),
            role,
            target: target.map(str::to_owned),
            expires_at: None,
            by: "test".into(),
        };
        let command = Command::PutToken(Box::new(put));
        let put = self.app.ledger.command(Priority::People, command).await;
        put.expect("the token is taken");
        token.to_string()
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let url = format!("{}{path}", self.address);
        let mut request = self.client.request(method, url).body(body);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a body"),
        }
    }

    /// A path below `/api/v1`, as the owner.
    pub async fn get(&self, path: &str) -> Answer {
        let path = format!("/api/v1{path}");
        self.ask(Method::GET, &path, &self.owner, &[], Vec::new())
            .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &self.owner, body).await
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let path = format!("/api/v1{path}");
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        self.ask(
            method,
            &path,
            token,
            &headers,
            body.to_string().into_bytes(),
        )
        .await
    }

    /// A signed push to a branch; its commit says what.
    pub async fn push(&self, branch: &str, subject: &str) -> String {
        let answer = self.hook(SECRET, &push_body(branch, subject)).await;
        let answer = answer.expect(202);
        answer["notices"][0].as_str().expect("an id").to_owned()
    }

    pub async fn hook(&self, secret: &str, body: &[u8]) -> Answer {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        mac.update(body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = [
            (CONTENT_TYPE.as_str(), "application/json"),
            ("x-gitea-event", "push"),
            ("x-gitea-signature", signature.as_str()),
        ];
        self.ask(Method::POST, "/hooks/forge", "", &headers, body.to_vec())
            .await
    }

    /// What the Telegram-shaped place answers next; then as usual.
    pub fn script(&self, status: u16, body: &str) {
        let mut script = self.script.lock().expect("no panic while held");
        script.push_back((status, body.to_owned()));
    }

    /// Forgets what was left of the script.
    pub fn clear_script(&self) {
        self.script.lock().expect("no panic while held").clear();
    }

    /// Waits until the durable state satisfies the condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        crate::waiting::until(&self.app.ledger, what, condition).await;
    }

    pub async fn settled(&self) {
        self.until("everything is settled", |state| {
            state.outbox.deliveries.is_empty()
        })
        .await;
    }

    pub async fn parked(&self, count: usize) {
        self.until("enough is parked", |state| {
            state.outbox.parked.len() == count
        })
        .await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test asks the program; the program's own calls go through its client"
)]
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client")
}

fn push_body(branch: &str, subject: &str) -> Vec<u8> {
    serde_json::json!({
        "ref": format!("refs/heads/{branch}"),
        "before": "1111111111111111111111111111111111111111",
        "after": "2222222222222222222222222222222222222222",
        "commits": [{
            "id": "2222222222222222222222222222222222222222",
            "message": subject,
            "url": "https://forge.example/kites/tail/commit/2222222",
            "author": {"name": "Wren", "email": "wren@forge.example", "username": "wren"},
        }],
        "repository": {
            "id": 8, "name": "tail", "full_name": "kites/tail",
            "html_url": "https://forge.example/kites/tail",
            "owner": {"id": 1, "login": "kites"},
        },
        "pusher": {"id": 3, "login": "wren", "full_name": "Wren"},
        "sender": {"id": 3, "login": "wren", "full_name": "Wren"},
    })
    .to_string()
    .into_bytes()
}

type Script = Arc<Mutex<VecDeque<(u16, String)>>>;

/// A server that answers as Telegram does, unless the script says otherwise.
async fn place() -> (String, Script) {
    let script = Script::default();
    let shared = Arc::clone(&script);
    let answer = move || {
        let next = shared.lock().expect("no panic while held").pop_front();
        let usual = (
            200,
            r#"{"ok":true,"result":{"message_id":31,"id":1,"username":"b"}}"#.to_owned(),
        );
        let (status, body) = next.unwrap_or(usual);
        let status = axum::http::StatusCode::from_u16(status).expect("a status");
        std::future::ready((status, body))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    (format!("http://127.0.0.1:{port}"), script)
}
