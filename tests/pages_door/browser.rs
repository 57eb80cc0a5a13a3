//! A bridge, and a browser in front of it that keeps cookies and says where a request comes from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use notify_bridge::config::Source;
use notify_bridge::domain::command::{Command, PutToken, PutUser, UserCondition};
use notify_bridge::domain::event::{Role, TokenScope};
use notify_bridge::shell::app::{self, App, Running};
use notify_bridge::shell::clock::{Clock, ManualClock};
use notify_bridge::shell::configure;
use notify_bridge::shell::http::{api, auth, door};
use notify_bridge::shell::ledger::Priority;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};
use notify_bridge::shell::passwords;
use reqwest::Method;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use sha2::Sha256;

/// 2026-11-24T12:00:00Z.
const NOON: i64 = 1_795_521_600_000_000;
const SECRET: &str = "canary-door-secret";
pub const PASSWORD: &str = "a kite on a long line";

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("readable"))
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The token of the form on this page.
    pub fn csrf(&self) -> String {
        let at = self.text.split_once(r#"name="csrf" value=""#);
        let (_, rest) = at.unwrap_or_else(|| panic!("no form in {}", self.text));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

pub struct Bridge {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub address: String,
    pub running: Running,
    pub client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Bridge {
    pub async fn start(http: HttpOptions) -> Self {
        // Whether another test got there first does not matter.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::new(NOON));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let routes = |routes| door::routes(api::routes(routes));
        let running = app::start(options(folder.path(), http), shared, None, routes)
            .await
            .expect("it starts");
        let bridge = Bridge {
            app: Arc::clone(&running.app),
            clock,
            address: running.address.to_string(),
            running,
            client: client(),
            _folder: folder,
        };
        bridge.configure().await;
        bridge
    }

    /// One that has an owner named wren.
    pub async fn owned() -> Self {
        let bridge = Bridge::start(HttpOptions::default()).await;
        bridge.user("wren", Role::Owner).await;
        bridge
    }

    async fn configure(&self) {
        let text = format!(
            r#"
[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"

[[target]]
name = "desk"
kind = "inbox"

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "desk" }}, {{ target = "away" }} ]

# Nobody answers there: attempts begin, and fail.
[[target]]
name = "away"
kind = "telegram"
token = "8800880088:canary-door-token"
api_base = "http://127.0.0.1:9"
allow_private = true
receivers = [ {{ name = "team", to = "-1001" }} ]
"#
        );
        let sources = [Source {
            file: "test.toml",
            text: &text,
        }];
        let (ledger, vault) = (&self.app.ledger, &self.app.vault);
        let applied = configure::apply(ledger, vault, &sources, None, true, false, "test").await;
        if let Err(error) = applied {
            panic!("{error:?}");
        }
    }

    pub async fn command(&self, command: Command) {
        let done = self.app.ledger.command(Priority::People, command).await;
        done.expect("the command is taken");
    }

    pub async fn user(&self, name: &str, role: Role) {
        let put = PutUser {
            name: name.into(),
            role: Some(role),
            password_hash: Some(passwords::hash_now(PASSWORD).expect("a hash")),
            only_if: UserCondition::Absent,
            by: "test".into(),
        };
        self.command(Command::PutUser(Box::new(put))).await;
    }

    pub async fn token(&self, name: &str, scope: TokenScope) -> String {
        let (token, hash) = auth::new_token();
        let put = PutToken {
            name: name.into(),
            hash,
            scopes: vec![scope],
            role: Role::Viewer,
            target: None,
            expires_at: None,
            by: "test".into(),
        };
        self.command(Command::PutToken(Box::new(put))).await;
        token.to_string()
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser {
            bridge: self,
            cookies: BTreeMap::new(),
            origin: Origin::Ours,
        }
    }

    /// A browser that is logged in.
    pub async fn logged_in(&self, name: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser.log_in(name, PASSWORD, "").await;
        assert_eq!((answer.status, answer.location()), (303, "/"));
        browser
    }

    /// A signed push; the id of its notice.
    pub async fn push(&self, subject: &str) -> String {
        let body = push_body(subject);
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(&body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let response = self
            .client
            .post(format!("http://{}/hooks/forge", self.address))
            .header("content-type", "application/json")
            .header("x-gitea-event", "push")
            .header("x-gitea-signature", signature)
            .body(body)
            .send()
            .await
            .expect("an answer");
        let text = response.text().await.expect("a body");
        let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let id = answer["notices"][0].as_str();
        id.unwrap_or_else(|| panic!("refused: {text}")).to_owned()
    }
}

/// Whose page a request comes from, and how the browser says so.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    Ours,
    /// An older browser that says only `Origin`.
    OursByName,
    CrossSite,
    ForeignName,
    Unsaid,
}

pub struct Browser<'b> {
    pub bridge: &'b Bridge,
    pub cookies: BTreeMap<String, String>,
    pub origin: Origin,
}

impl Browser<'_> {
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let url = format!("http://{}{path}", self.bridge.address);
        let ours = format!("http://{}", self.bridge.address);
        let (name, value) = match self.origin {
            Origin::Ours => ("sec-fetch-site", "same-origin"),
            Origin::OursByName => ("origin", ours.as_str()),
            Origin::CrossSite => ("sec-fetch-site", "cross-site"),
            Origin::ForeignName => ("origin", "http://nest.example"),
            Origin::Unsaid => ("x-says", "nothing"),
        };
        let mut request = self.bridge.client.request(method, url).body(body);
        request = request.header(name, value);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        for set in response.headers().get_all(SET_COOKIE) {
            let set = set.to_str().expect("readable");
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            let (pair, _) = set.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a body"),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let accepted = [("accept", "text/html,*/*;q=0.8")];
        self.ask(Method::GET, path, &accepted, String::new()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [
            ("accept", "text/html,*/*;q=0.8"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.ask(Method::POST, path, &headers, body.finish()).await
    }

    /// Opens the login page and sends its form.
    pub async fn log_in(&mut self, name: &str, password: &str, next: &str) -> Answer {
        let csrf = self.get("/login").await.csrf();
        self.send_login(name, password, next, &csrf).await
    }

    pub async fn send_login(
        &mut self,
        name: &str,
        password: &str,
        next: &str,
        csrf: &str,
    ) -> Answer {
        let fields = [
            ("name", name),
            ("password", password),
            ("next", next),
            ("csrf", csrf),
        ];
        self.post("/login", &fields).await
    }

    /// Who the API takes this browser for; empty when for nobody.
    pub async fn known_as(&mut self) -> String {
        let answer = self.get("/api/v1/me").await;
        let body: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
        body["user"].as_str().unwrap_or_default().to_owned()
    }

    pub fn session(&self) -> &str {
        &self.cookies["notify_bridge"]
    }
}

fn options(folder: &Path, http: HttpOptions) -> ServeOptions {
    ServeOptions {
        data: folder.join("data"),
        listen: "127.0.0.1:0".parse().expect("an address"),
        http,
        secret_key_file: None,
        private_networks: None,
        roots: notify_bridge::shell::client::Roots::default(),
        cache_bytes: 4 * 1024 * 1024,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test asks the program; the program's own calls go through its client"
)]
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.expect("a client")
}

fn push_body(subject: &str) -> Vec<u8> {
    serde_json::json!({
        "ref": "refs/heads/main",
        "before": "3333333333333333333333333333333333333333",
        "after": "4444444444444444444444444444444444444444",
        "commits": [{
            "id": "4444444444444444444444444444444444444444",
            "message": subject,
            "url": "https://forge.example/kites/reel/commit/4444444",
            "author": {"name": "Finch", "email": "finch@forge.example", "username": "finch"},
        }],
        "repository": {
            "id": 9, "name": "reel", "full_name": "kites/reel",
            "html_url": "https://forge.example/kites/reel",
            "owner": {"id": 1, "login": "kites"},
        },
        "pusher": {"id": 4, "login": "finch", "full_name": "Finch"},
        "sender": {"id": 4, "login": "finch", "full_name": "Finch"},
    })
    .to_string()
    .into_bytes()
}
