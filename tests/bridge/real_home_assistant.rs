//! A real Home Assistant, where one is at hand.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use notify_bridge::shell::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::asked::{cursor, told};
use crate::counterpart;
use crate::harness::TestBridge;

/// How long a change of something real may take: a slow machine starts a Home Assistant in minutes.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the script keeps what it installs, as it decides that.
fn cache() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let folder = of("NB_CACHE").or_else(|| {
        let caches = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
        Some(caches?.join("notify-bridge-counterparts"))
    })?;
    Some(folder.join("homeassistant"))
}

/// The script, while it runs.
struct Home {
    child: Child,
    url: String,
    token: String,
    client: reqwest::Client,
}

impl Home {
    /// `None`, with a word about it, where there is no script, or nothing that it installed before: that
    /// takes minutes and the network.
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let is_installed = cache().is_some_and(|cache| cache.join("ready").exists());
        let script = counterpart::script("start-homeassistant").filter(|_| is_installed);
        let Some(script) = script else {
            println!("skipped: no Home Assistant is installed here, or there is no script");
            return None;
        };
        // Whether another test got there first does not matter.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let (child, said) = counterpart::start(
            Command::new(&script)
                .args(["--port", &port.to_string(), "--dir"])
                .arg(folder),
        );
        let text = |key: &str| said[key].as_str().expect("a text").to_owned();
        Some(Home {
            child,
            url: text("url"),
            token: text("token"),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        })
    }

    async fn post(&self, path: &str, body: &Value) {
        let answer = self
            .client
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn set(&self, entity: &str, state: &str, name: &str) {
        let body = json!({ "state": state, "attributes": { "friendly_name": name } });
        self.post(&format!("/api/states/{entity}"), &body).await;
    }
}

/// Ends it, with what it started, and waits until it has ended.
impl Drop for Home {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It ends what it started; where it has ended by itself there is nothing to end.
        let _ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _status = self.child.wait();
    }
}

/// What a stopped Home Assistant will believe an entity was.
fn remembered(folder: &Path, entity: &str, state: &str) {
    let path = folder.join(".storage/core.restore_state");
    let text = std::fs::read_to_string(&path).expect("what it remembers");
    let mut kept: Value = serde_json::from_str(&text).expect("JSON");
    let all = kept["data"].as_array_mut().expect("a list");
    let of = |kept: &&mut Value| kept["state"]["entity_id"] == entity;
    all.iter_mut().find(of).expect("the entity")["state"]["state"] = state.into();
    std::fs::write(&path, kept.to_string()).expect("it is written");
}

/// Waits until notices with these titles, and no others, were told since the last time. The bridge's
/// clock goes about as fast as Home Assistant's own.
async fn hears(bridge: &TestBridge, before: &mut usize, expected: &[&str]) {
    let mut committed = bridge.app.ledger.committed();
    let begun = tokio::time::Instant::now();
    while told(bridge).len() < *before + expected.len() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{expected:?}: {:?}",
            told(bridge)
        );
        bridge.advance(1);
        // Either something came of it, or it was not yet time.
        let _either = tokio::time::timeout(Duration::from_secs(1), committed.changed()).await;
    }
    let mut heard = told(bridge).split_off(*before);
    heard.sort_unstable();
    assert_eq!(heard, expected);
    *before += expected.len();
}

#[tokio::test]
async fn a_real_home_is_followed_across_its_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let Some(mut home) = Home::start(folder.path(), port) else {
        return;
    };
    home.set("sensor.cellar", "11.5", "Cellar").await;
    // Home Assistant says when something became so by the clock of the machine.
    let now = SystemClock::new().now();
    let data = tempfile::tempdir().expect("a temporary folder");
    let bridge = TestBridge::over(data, now).await;
    let token = &home.token;
    bridge
        .apply(&format!(
            r#"
[[provider]]
name = "home"
kind = "home_assistant"
url = "http://127.0.0.1:{port}"
token = "{token}"
allow_private = true

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "house"
provider = "home"
kinds = ["state_changed", "automation_triggered", "service_called"]
collections = ["sensor.*", "input_boolean.*", "automation.doorbell_pressed"]
links = [ {{ target = "kept" }} ]

[[tracker]]
name = "connection"
provider = "home"
kinds = ["connection_*"]
links = [ {{ target = "kept" }} ]

[[tracker]]
name = "fired"
provider = "home"
kinds = ["event_fired"]
collections = ["notify_me"]
links = [ {{ target = "kept" }} ]
"#
        ))
        .await;
    bridge
        .until("the first look", |state| {
            cursor(state, "home", "connection") == Some(b"up".to_vec())
        })
        .await;
    assert_eq!(told(&bridge), Vec::<String>::new());
    let mut heard = 0;
    home.set("sensor.cellar", "12", "Cellar").await;
    hears(&bridge, &mut heard, &["Cellar is now 12"]).await;
    let doorbell = json!({ "entity_id": "input_boolean.doorbell" });
    home.post("/api/services/input_boolean/turn_on", &doorbell)
        .await;
    let rang = [
        "Automation Doorbell pressed ran",
        "Doorbell is now on",
        "Event notify_me",
        "input_boolean.turn_on was called for input_boolean.doorbell",
    ];
    hears(&bridge, &mut heard, &rang).await;
    // It ends, and what it remembers of the doorbell is not what was heard last.
    drop(home);
    hears(&bridge, &mut heard, &["No connection to home"]).await;
    remembered(folder.path(), "input_boolean.doorbell", "off");
    let again = folder.path().to_owned();
    home = tokio::task::spawn_blocking(move || Home::start(&again, port))
        .await
        .expect("it starts")
        .expect("it is still installed");
    let back = ["Doorbell is now off", "home is connected again"];
    hears(&bridge, &mut heard, &back).await;
    // What was not there when it began comes back as something else.
    home.set("sensor.cellar", "14", "Cellar").await;
    hears(&bridge, &mut heard, &["Cellar is now 14"]).await;
    // The bridge begins anew, and something happens while it is gone.
    let data = bridge.stop().await;
    let leak = json!({ "entity_id": "input_boolean.leak" });
    home.post("/api/services/input_boolean/turn_on", &leak)
        .await;
    let now = SystemClock::new().now();
    let bridge = TestBridge::over(data, now).await;
    hears(&bridge, &mut heard, &["Leak sensor is now on"]).await;
    bridge.stop().await;
}
