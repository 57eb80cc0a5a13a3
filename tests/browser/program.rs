//! The built program, serving over a store of its own, and what is posted to it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Place, SECRET, push_body, sign};
use crate::tab::Tab;

pub const OWNER: &str = "wren";
pub const PASSWORD: &str = "a kite on a long line";

/// A program that serves until it is dropped.
pub struct Program {
    child: Child,
    folder: TempDir,
    pub address: String,
    /// The path of the setup link, while there is no admin.
    pub setup: Option<String>,
    client: reqwest::Client,
}

impl Program {
    /// With nobody who could log in.
    pub async fn new_without_admin(file: &str) -> Self {
        Self::start(file, &[]).await
    }

    /// With an owner.
    pub async fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("it is written");
        let password = password.to_str().expect("a readable path").to_owned();
        Self::start(
            file,
            &["--admin", OWNER, "--admin-password-file", &password],
        )
        .await
    }

    async fn start(file: &str, more: &[&str]) -> Self {
        // Whether another test got there first does not matter.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| {
            let path = folder.path().join(name);
            path.to_str().expect("a readable path").to_owned()
        };
        std::fs::write(path("bridge.toml"), file).expect("it is written");
        let log = std::fs::File::create(path("log")).expect("it is made");
        let mut child = Command::new(env!("CARGO_BIN_EXE_notify-bridge"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--data", &path("data"), "--apply", &path("bridge.toml")])
            .args(more)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (ready, told) = tokio::sync::oneshot::channel();
        // It reads on until the program ends, so that the program can always write.
        std::thread::spawn(move || {
            let (mut address, mut setup, mut ready) = (String::new(), None, Some(ready));
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("listening on ") {
                    address = rest.to_owned();
                } else if let Some(at) = line.find("/setup?secret=") {
                    setup = Some(line[at..].to_owned());
                } else if line.starts_with("ready: ")
                    && let Some(ready) = ready.take()
                {
                    // Nobody listens any more when the test has failed already.
                    let _heard = ready.send((address.clone(), setup.take()));
                }
            }
        });
        let log = path("log");
        let Ok((address, setup)) = told.await else {
            panic!("it ended: {}", read(Path::new(&log)));
        };
        Program {
            child,
            folder,
            address,
            setup,
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
        }
    }

    /// Posts what a forge would, and gives the notice's id.
    pub async fn push(&self, delivery: &str, body: Vec<u8>) -> String {
        let request = self
            .client
            .post(format!("{}/hooks/forge", self.address))
            .header("content-type", "application/json")
            .header("x-gitea-event", "push")
            .header("x-gitea-delivery", delivery)
            .header("x-gitea-signature", sign(SECRET, &body))
            .body(body);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        let answer = answer.bytes().await.expect("a body");
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        answer["notices"][0].as_str().expect("an id").to_owned()
    }

    /// Posts what only somebody without the secret would.
    pub async fn refused(&self) {
        let request = self
            .client
            .post(format!("{}/hooks/forge", self.address))
            .header("content-type", "application/json")
            .header("x-gitea-event", "push")
            .header("x-gitea-signature", sign("guessed", b"{}"))
            .body("{}");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }

    /// Status and place of a page, for who carries these cookies.
    pub async fn page(&self, path: &str, cookies: &str) -> (u16, String) {
        let request = self
            .client
            .get(format!("{}{path}", self.address))
            .header("accept", "text/html")
            .header("cookie", cookies);
        let answer = request.send().await.expect("an answer");
        let place = answer.headers().get("location");
        let place = place.map_or("", |place| place.to_str().expect("readable"));
        (answer.status().as_u16(), place.to_owned())
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "the program said:\n{}",
                read(&self.folder.path().join("log"))
            );
        }
    }
}

/// A push by somebody whose name stands in the notice's title.
pub fn push_by(who: &str) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(&push_body("Tidy up")).expect("JSON");
    for role in ["pusher", "sender"] {
        body[role]["login"] = who.into();
        body[role]["full_name"] = who.into();
    }
    body.to_string().into_bytes()
}

/// Logs in as the owner, through the page.
pub async fn log_in(tab: &Tab) {
    tab.goto("/login").await;
    send_login(tab, PASSWORD).await;
    tab.until_at("/").await;
}

pub async fn send_login(tab: &Tab, password: &str) {
    tab.fill("input[name=name]", OWNER).await;
    tab.fill("input[name=password]", password).await;
    tab.click("form[action='/login'] button").await;
}

/// A forge, three places that hear of it, and a tracker that says no to a push.
pub fn file(telegram: &Place, hook: &Place) -> String {
    format!(
        r#"
[settings]
timezone = "Europe/Lisbon"

[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"
description = "The forge of the house"

[[provider]]
name = "boiler"
kind = "webhook"
secret = "lukewarm"
verify = "bearer"

[[target]]
name = "desk"
kind = "inbox"

[[bot]]
name = "herald"
kind = "telegram"
token = "110201544:AAGqTwkM2nXvB8sYpLr0dJfHc5uEoZiQ1xw"
api_base = "{telegram}"
allow_private = true

[[target]]
name = "ops"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
api_base = "{telegram}"
allow_private = true
receivers = [ {{ name = "team", to = "-1001234567890" }} ]

[[target]]
name = "archive"
kind = "webhook"
url = "{hook}/in"
allow_private = true

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "desk" }}, {{ target = "ops" }}, {{ target = "archive" }} ]

[[tracker]]
name = "releases"
provider = "forge"
kinds = ["release_*"]
links = [ {{ target = "ops" }} ]
"#,
        telegram = telegram.address,
        hook = hook.address,
    )
}

/// As [`file`], with the inbox alone.
pub fn small_file() -> String {
    format!(
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
links = [ {{ target = "desk" }} ]
"#
    )
}
