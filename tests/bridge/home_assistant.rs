//! A Home Assistant that the test runs, followed by the whole bridge over its WebSocket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use notify_bridge::domain::event::Role;
use notify_bridge::shell::clock::{Clock as _, ManualClock};
use notify_bridge::shell::sessions::{GRACE, Talking};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::asked::told;
use crate::harness::{NOON, TestBridge};
use crate::health::in_time;
use crate::pages::visit;
use crate::waiting::PATIENCE;

const TOKEN: &str = "eyJhbGciOiJub25lIn0.a-long-lived-token";

/// What is so in the house.
struct Inside {
    /// State and when it became that, by entity.
    states: BTreeMap<String, (String, i64)>,
    /// Nobody is let in.
    is_away: bool,
    /// Commands that were given, by type.
    asked: Vec<String>,
}

/// What connections hear of.
#[derive(Debug, Clone)]
enum Happened {
    Changed(Value),
    HangUp,
}

struct House {
    port: u16,
    clock: Arc<ManualClock>,
    inside: Arc<Mutex<Inside>>,
    tell: broadcast::Sender<Happened>,
}

fn moment(at: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at).expect("a moment");
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

fn state(entity: &str, (state, at): &(String, i64)) -> Value {
    let name = entity.split_once('.').map_or(entity, |(_, name)| name);
    json!({
        "entity_id": entity,
        "state": state,
        "attributes": {"friendly_name": name.replace('_', " "), "access_token": "camera-secret"},
        "last_changed": moment(*at),
        "last_reported": moment(*at),
        "last_updated": moment(*at),
        "context": {"id": format!("{entity}-{at}"), "parent_id": null, "user_id": null},
    })
}

impl House {
    async fn start(bridge: &TestBridge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (tell, _) = broadcast::channel(1_000);
        let house = House {
            port: listener.local_addr().expect("an address").port(),
            clock: Arc::clone(&bridge.clock),
            inside: Arc::new(Mutex::new(Inside {
                states: BTreeMap::new(),
                is_away: false,
                asked: Vec::new(),
            })),
            tell: tell.clone(),
        };
        let inside = Arc::clone(&house.inside);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if !inside.lock().expect("no panic").is_away {
                    tokio::spawn(serve(stream, Arc::clone(&inside), tell.subscribe()));
                }
            }
        });
        house
    }

    /// An entity changes, now.
    fn set(&self, entity: &str, to: &str) {
        let mut inside = self.inside.lock().expect("no panic");
        let new = (to.to_owned(), self.clock.now());
        let old = inside.states.insert(entity.to_owned(), new.clone());
        let event = json!({
            "event_type": "state_changed",
            "data": {
                "entity_id": entity,
                "old_state": old.map(|old| state(entity, &old)),
                "new_state": state(entity, &new),
            },
            "origin": "LOCAL",
            "time_fired": moment(new.1),
            "context": {"id": format!("{entity}-{}", new.1), "parent_id": null, "user_id": null},
        });
        // Nobody may listen.
        let _nobody = self.tell.send(Happened::Changed(event));
    }

    /// Hangs up; while it is away nobody is let in either.
    fn leave(&self, is_away: bool) {
        self.inside.lock().expect("no panic").is_away = is_away;
        let _nobody = self.tell.send(Happened::HangUp);
    }

    fn is_back(&self) {
        self.inside.lock().expect("no panic").is_away = false;
    }

    fn file(&self, token: &str, more: &str) -> String {
        let port = self.port;
        format!(
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
name = "self"
provider = "bridge"
links = [ {{ target = "kept" }} ]

[[tracker]]
name = "house"
provider = "home"
links = [ {{ target = "kept" }} ]
{more}
"#
        )
    }
}

/// One connection.
async fn serve(
    stream: TcpStream,
    inside: Arc<Mutex<Inside>>,
    mut happened: broadcast::Receiver<Happened>,
) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    let mut subscribed = BTreeSet::new();
    let mut is_let_in = false;
    let mut says = vec![json!({"type": "auth_required", "ha_version": "2026.11.2"})];
    loop {
        for message in says.drain(..) {
            if socket
                .send(Message::text(message.to_string()))
                .await
                .is_err()
            {
                return;
            }
        }
        tokio::select! {
            event = happened.recv() => match event {
                Ok(Happened::Changed(event)) if is_let_in => {
                    says.extend(subscribed.iter().map(|id| json!({"id": id, "type": "event", "event": event})));
                }
                Ok(Happened::Changed(_)) => {}
                Ok(Happened::HangUp) | Err(_) => return,
            },
            next = socket.next() => {
                let Some(Ok(Message::Text(text))) = next else {
                    return;
                };
                let message: Value = serde_json::from_str(text.as_str()).expect("JSON");
                let kind = message["type"].as_str().unwrap_or_default().to_owned();
                let id = message["id"].clone();
                let mut inside = inside.lock().expect("no panic");
                inside.asked.push(kind.clone());
                let result = |result: Value| json!({"id": id, "type": "result", "success": true, "result": result});
                says.push(match kind.as_str() {
                    "auth" if message["access_token"] == TOKEN => {
                        is_let_in = true;
                        json!({"type": "auth_ok", "ha_version": "2026.11.2"})
                    }
                    "auth" => json!({"type": "auth_invalid", "message": "Invalid access token or password"}),
                    "ping" => json!({"id": id, "type": "pong"}),
                    "get_states" => {
                        let states = inside.states.iter();
                        result(states.map(|(entity, known)| state(entity, known)).collect())
                    }
                    "subscribe_events" => {
                        let event_type = message["event_type"].as_str();
                        if event_type.is_none_or(|event_type| event_type == "state_changed") {
                            subscribed.insert(id.as_u64().expect("an id"));
                        }
                        result(Value::Null)
                    }
                    "supported_features" | "unsubscribe_events" => result(Value::Null),
                    _list => result(json!([])),
                });
            }
        }
    }
}

fn talking(bridge: &TestBridge) -> Talking {
    let id = bridge.state(|state| state.configuration.provider("home").map(|home| home.id));
    id.map(|id| bridge.app.sessions.talking(id))
        .unwrap_or_default()
}

/// Waits, without that time passes, until the session is so.
async fn until(bridge: &TestBridge, what: &str, is_so: impl Fn(&Talking) -> bool) {
    let wait = async {
        while !is_so(&talking(bridge)) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(
        waited.is_ok(),
        "in vain until {what}: {:?}",
        talking(bridge)
    );
}

/// Time passes until so long after that moment, in steps in which a question is answered.
async fn pass(bridge: &TestBridge, since: i64, seconds: i64) {
    let mut committed = bridge.app.ledger.committed();
    while bridge.clock.now() < since + seconds * 1_000_000 {
        committed.borrow_and_update();
        bridge.advance(5);
        let _either = tokio::time::timeout(Duration::from_millis(50), committed.changed()).await;
    }
}

async fn connected(bridge: &TestBridge) {
    in_time(bridge, "the session works", |_| talking(bridge).works).await;
}

async fn tells(bridge: &TestBridge, count: usize) -> Vec<String> {
    in_time(bridge, &format!("{count} are told"), |state| {
        let days = state.counts.days.values();
        days.map(|count| count.notices).sum::<u64>() >= count as u64
    })
    .await;
    told(bridge)
}

async fn begun(more: &str) -> (TestBridge, House) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bridge = TestBridge::over(folder, NOON).await;
    let house = House::start(&bridge).await;
    house.set("binary_sensor.front_door", "off");
    house.set("light.hall", "off");
    bridge.apply(&house.file(TOKEN, more)).await;
    connected(&bridge).await;
    (bridge, house)
}

#[tokio::test]
async fn what_changes_is_told_and_what_changed_while_away_is_told_once() {
    let (bridge, house) = begun("").await;
    assert_eq!(
        told(&bridge),
        [] as [&str; 0],
        "the first states are a baseline"
    );
    house.set("binary_sensor.front_door", "on");
    let titles = tells(&bridge, 1).await;
    assert!(titles[0].contains("front door"), "{titles:?}");
    let notice = bridge.family(bridge.newest()).notice.draft;
    assert_eq!(notice.kind, "state_changed");
    assert!(!format!("{notice:?}").contains("camera-secret"));

    // Away for seconds, so that nobody is told of that.
    house.leave(true);
    house.set("binary_sensor.front_door", "off");
    house.set("light.hall", "on");
    house.set("light.hall", "off");
    until(&bridge, "it is away", |talking| !talking.works).await;
    house.is_back();
    let titles = tells(&bridge, 2).await;
    assert!(titles[1].contains("front door"), "{titles:?}");
    let notice = bridge.family(bridge.newest()).notice.draft;
    assert!(
        notice.labels.contains_key("while_away"),
        "{:?}",
        notice.labels
    );

    // Nothing of it is told again.
    for round in 2..4 {
        connected(&bridge).await;
        house.leave(false);
        in_time(&bridge, "it is back", |_| {
            let talking = talking(&bridge);
            talking.works && talking.reconnects() == round
        })
        .await;
    }
    house.set("light.hall", "on");
    let titles = tells(&bridge, 3).await;
    assert!(titles[2].contains("hall"), "{titles:?}");

    let owner = visit(&bridge, Role::Owner).await;
    let (_, page) = bridge.page(&owner, "/providers/home").await;
    for words in ["Connected since", "3 reconnects", "Last message"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let (_, list) = bridge.page(&owner, "/providers").await;
    assert!(list.contains("Answers"), "{list}");
    bridge.stop().await;
}

#[tokio::test]
async fn what_has_lasted_is_told_at_its_moment_across_a_restart() {
    let (bridge, house) = begun("options = { to = \"on\", for = \"10m\" }").await;
    let opened = bridge.clock.now();
    house.set("binary_sensor.front_door", "on");
    house.set("light.hall", "on");
    pass(&bridge, opened, 240).await;
    house.set("light.hall", "off");
    let now = bridge.clock.now();
    let folder = bridge.stop().await;
    let bridge = TestBridge::over(folder, now).await;
    let house = House {
        clock: Arc::clone(&bridge.clock),
        ..house
    };
    connected(&bridge).await;
    pass(&bridge, opened, 590).await;
    assert_eq!(told(&bridge), [] as [&str; 0], "it is not time yet");
    let titles = tells(&bridge, 1).await;
    assert!(titles[0].contains("front door"), "{titles:?}");
    let after = bridge.clock.now() - opened;
    assert!(after >= 600 * 1_000_000, "{after}");
    house.set("light.hall", "off");
    bridge.stop().await;
}

#[tokio::test]
async fn a_house_that_is_gone_is_told_once_and_so_is_its_end() {
    let (bridge, house) = begun("").await;
    let before = bridge.clock.monotonic();
    house.leave(true);
    tells(&bridge, 2).await;
    assert!(bridge.clock.monotonic() - before >= GRACE);
    pass(&bridge, bridge.clock.now(), 120).await;
    house.is_back();
    tells(&bridge, 4).await;
    let kinds: Vec<String> = {
        let rows = bridge.app.ledger.reader().rows_back(u64::MAX, 100);
        let rows = rows.expect("rows");
        let kinds = rows
            .iter()
            .rev()
            .map(|(at, _)| bridge.family(*at).notice.draft.kind);
        kinds.collect()
    };
    assert_eq!(
        kinds,
        [
            "bridge_provider_unreachable",
            "connection_lost",
            "bridge_provider_reachable",
            "connection_restored",
        ]
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_tried_again_soon() {
    let (bridge, house) = begun("").await;
    bridge.apply(&house.file("of somebody else", "")).await;
    until(&bridge, "it is refused", |talking| {
        talking.next_at.is_some()
    })
    .await;
    let talking = talking(&bridge);
    let wait = talking.next_at.unwrap_or_default() - bridge.clock.now();
    assert!(wait >= 600 * 1_000_000, "{wait}");
    let why = talking.last_error.unwrap_or_default();
    assert!(why.contains("does not accept it"), "{why}");
    assert!(!why.contains("of somebody else"), "{why}");
    bridge.stop().await;
}
