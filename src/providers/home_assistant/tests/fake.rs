//! A Home Assistant in memory, and a program that listens to it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use crate::domain::notice::NoticeDraft;
use crate::domain::spec::ProviderSpec;
use crate::projections::cursors::OfProvider;
use crate::providers::Provider;
use crate::providers::ask::{Act, AskInput, Observation, Session, Subscribed, Unseen, Watch};
use crate::providers::home_assistant::HomeAssistant;

/// When the tests begin, in microseconds since 1970.
pub const START: i64 = 1_790_000_000_000_000;
pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const TOKEN: &str = "a-long-lived-token";

pub fn watch(tracker: u32, kinds: &[&str], collections: &[&str], options: Value) -> Watch {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let options: Map<String, Value> = options.as_object().cloned().unwrap_or_default();
    assert_eq!(HomeAssistant.check_options(&options), Vec::new());
    Watch {
        tracker,
        name: format!("tracker-{tracker}"),
        kinds: list(kinds),
        collections: list(collections),
        options,
        due: true,
    }
}

fn spec() -> ProviderSpec {
    let spec = json!({ "name": "home", "kind": "home_assistant", "url": "http://ha.test:8123/" });
    serde_json::from_value(spec).expect("a spec")
}

/// Whoever listens: what the program keeps, and what the shell does.
pub struct Listener {
    pub cursors: OfProvider,
    pub watches: Vec<Watch>,
    pub now: i64,
    /// Everything that was told.
    pub notices: Vec<NoticeDraft>,
    pub session: Option<Box<dyn Session>>,
    pub timer: Option<i64>,
    pub sent: VecDeque<Value>,
    /// Handed over and not durable yet.
    pub open: Option<Observation>,
    pub closed: Option<Unseen>,
    pub ready: usize,
    /// Cursors that were written, in all.
    pub written: usize,
    /// Whether what is handed over is durable at once.
    pub at_once: bool,
}

impl Listener {
    pub fn new(watches: Vec<Watch>) -> Listener {
        Listener {
            cursors: OfProvider::new(),
            watches,
            now: START,
            notices: Vec::new(),
            session: None,
            timer: None,
            sent: VecDeque::new(),
            open: None,
            closed: None,
            ready: 0,
            written: 0,
            at_once: true,
        }
    }

    fn with_input<T>(&self, with: impl FnOnce(&AskInput<'_>) -> T) -> T {
        let spec = spec();
        let secrets = BTreeMap::from([("token".to_owned(), TOKEN.to_owned())]);
        with(&AskInput {
            spec: &spec,
            secrets: &secrets,
            watches: &self.watches,
            cursors: &self.cursors,
            now: self.now,
            zone: &jiff::tz::TimeZone::UTC,
            chance: 7,
        })
    }

    pub fn connect(&mut self) {
        let opened = self.with_input(|input| HomeAssistant.open(input));
        let (endpoint, session) = opened.expect("a session");
        assert_eq!(endpoint.url, "ws://ha.test:8123/api/websocket");
        self.session = Some(session);
        (self.timer, self.open, self.closed) = (None, None, None);
        self.sent.clear();
        self.with(|session, now| session.connected(now));
    }

    /// It could not be reached for a while.
    pub fn lost(&mut self) {
        use crate::providers::Polled;
        let lost = self.with_input(|input| HomeAssistant.unreachable(input));
        self.record(lost);
    }

    pub fn with(&mut self, tell: impl FnOnce(&mut dyn Session, i64) -> Vec<Act>) {
        let Some(session) = self.session.as_mut() else {
            return;
        };
        let acts = tell(session.as_mut(), self.now);
        for act in acts {
            match act {
                Act::Send(text) => {
                    self.sent
                        .push_back(serde_json::from_str(&text).expect("JSON"));
                }
                Act::Observe(observation) => {
                    assert!(self.open.is_none(), "one at a time");
                    assert!(!observation.is_nothing());
                    self.open = Some(observation);
                }
                Act::Timer(at) => self.timer = Some(at),
                Act::Ready => self.ready += 1,
                Act::Close(unseen) => self.closed = Some(unseen),
            }
        }
        if self.at_once {
            self.settle();
        }
        if self.closed.is_some() {
            self.disconnect();
        }
    }

    /// What was handed over becomes durable.
    pub fn settle(&mut self) {
        if let Some(observation) = self.open.take() {
            self.record(observation);
            self.with(|session, now| session.observed(now));
        }
    }

    fn record(&mut self, observation: Observation) {
        for (key, bytes) in observation.cursors {
            self.written += 1;
            match bytes {
                Some(bytes) => self.cursors.insert(key, bytes),
                None => self.cursors.remove(&key),
            };
        }
        self.notices.extend(observation.notices);
    }

    /// The connection is gone.
    pub fn disconnect(&mut self) {
        if let Some(open) = self.open.take() {
            self.record(open);
        }
        if let Some(mut session) = self.session.take() {
            let last = session.closed("gone", self.now);
            self.record(last);
        }
    }

    /// The program is killed: nothing more is said.
    pub fn kill(&mut self) {
        (self.session, self.open) = (None, None);
    }

    pub fn hear(&mut self, message: &Value) {
        let text = message.to_string();
        self.with(|session, now| session.on_message(&text, now));
    }

    /// Time passes; timers fire at their moments, and the home answers what is asked then.
    pub fn pass(&mut self, span: i64, home: &mut Home) {
        let until = self.now + span;
        while let Some(at) = self
            .timer
            .filter(|at| *at <= until && self.session.is_some())
        {
            self.now = self.now.max(at);
            self.timer = None;
            self.with(|session, now| session.on_timer(now));
            self.talk(home);
        }
        self.now = until;
    }

    /// The home answers everything that is asked.
    pub fn talk(&mut self, home: &mut Home) {
        while let Some(asked) = self.sent.pop_front() {
            for answer in home.answers(&asked) {
                self.hear(&answer);
            }
        }
    }

    /// From nothing to a connection over which everything is known.
    pub fn join(&mut self, home: &mut Home) {
        home.forget_subscriptions();
        self.connect();
        self.hear(&json!({ "type": "auth_required", "ha_version": "2026.11.1" }));
        self.talk(home);
    }

    /// What was told since this was asked last, a line each.
    pub fn told(&mut self) -> String {
        let told = std::mem::take(&mut self.notices);
        told.iter().map(line).collect()
    }
}

pub fn line(notice: &NoticeDraft) -> String {
    let mut line = format!("{}: {}", notice.kind, notice.title);
    if !notice.text.is_empty() {
        line += &format!(" | {}", notice.text.replace('\n', " / "));
    }
    for label in ["tracker", "while_away", "left_out"] {
        if let Some(value) = notice.labels.get(label) {
            line += &format!(" [{label} {value}]");
        }
    }
    line + "\n"
}

/// A Home Assistant with entities, areas and people.
pub struct Home {
    pub now: i64,
    pub states: BTreeMap<String, Value>,
    subscribed: BTreeMap<u64, Option<String>>,
    /// Types that this user may not have; empty: all.
    pub allowed: Vec<&'static str>,
    contexts: u32,
}

fn moment(micros: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(micros).expect("a moment");
    format!("{}+00:00", at.strftime("%Y-%m-%dT%H:%M:%S%.6f"))
}

impl Home {
    pub fn new() -> Home {
        let mut home = Home {
            now: START - 60 * MINUTE,
            states: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            allowed: Vec::new(),
            contexts: 0,
        };
        let door = json!({ "friendly_name": "Back door", "device_class": "door" });
        home.set("binary_sensor.back_door", "off", &door);
        let leak = json!({ "friendly_name": "Sink", "device_class": "moisture" });
        home.set("binary_sensor.sink", "off", &leak);
        let lamp = json!({ "friendly_name": "Lamp", "brightness": 40 });
        home.set("light.lamp", "on", &lamp);
        let warmth = json!({ "friendly_name": "Cellar", "unit_of_measurement": "°C" });
        home.set("sensor.cellar", "11.5", &warmth);
        let person = json!({ "friendly_name": "Ida", "user_id": "u-ida" });
        home.set("person.ida", "home", &person);
        home.now = START;
        home
    }

    fn context(&mut self, user: Option<&str>) -> Value {
        self.contexts += 1;
        json!({ "id": format!("C{:04}", self.contexts), "parent_id": null, "user_id": user })
    }

    pub fn state(&self, id: &str) -> Value {
        self.states.get(id).cloned().unwrap_or(Value::Null)
    }

    /// Changes an entity and gives the event of that; attributes that are not given stay.
    pub fn set(&mut self, id: &str, state: &str, attributes: &Value) -> Value {
        self.now += 1;
        let old = self.state(id);
        let mut all = old["attributes"].as_object().cloned().unwrap_or_default();
        all.extend(attributes.as_object().cloned().unwrap_or_default());
        let now = moment(self.now);
        let is_same = old["state"] == state;
        let changed = if is_same {
            old["last_changed"].clone()
        } else {
            json!(now)
        };
        let context = self.context(Some("u-ida"));
        let new = json!({
            "entity_id": id, "state": state, "attributes": all,
            "last_changed": changed, "last_updated": now, "context": context,
        });
        self.states.insert(id.to_owned(), new.clone());
        let data = json!({ "entity_id": id, "old_state": old, "new_state": new });
        event("state_changed", &data, &now, &context)
    }

    pub fn remove(&mut self, id: &str) -> Value {
        self.now += 1;
        let old = self.states.remove(id).unwrap_or(Value::Null);
        let context = self.context(None);
        let data = json!({ "entity_id": id, "old_state": old, "new_state": null });
        event("state_changed", &data, &moment(self.now), &context)
    }

    pub fn fire(&mut self, event_type: &str, data: &Value) -> Value {
        self.now += 1;
        let context = self.context(Some("u-ida"));
        event(event_type, data, &moment(self.now), &context)
    }

    pub fn forget_subscriptions(&mut self) {
        self.subscribed.clear();
    }

    pub fn event_types(&self) -> Vec<String> {
        let types = self.subscribed.values();
        let mut types: Vec<String> = types
            .map(|event_type| event_type.clone().unwrap_or("*".into()))
            .filter(|name| !name.ends_with("_registry_updated"))
            .collect();
        types.sort();
        types
    }

    /// An event as it comes over the subscriptions that want it.
    pub fn told(&self, event: &Value) -> Vec<Value> {
        let wants = |wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| event["event_type"] == wanted)
        };
        let over = self.subscribed.iter().filter(|(_, wanted)| wants(wanted));
        over.map(|(id, _)| json!({ "id": id, "type": "event", "event": event }))
            .collect()
    }

    /// What is said to a message.
    pub fn answers(&mut self, asked: &Value) -> Vec<Value> {
        let id = asked["id"].clone();
        let fine = |result: Value| {
            vec![json!({ "id": id, "type": "result", "success": true, "result": result })]
        };
        match asked["type"].as_str().unwrap_or_default() {
            "auth" if asked["access_token"] == TOKEN => {
                vec![json!({ "type": "auth_ok", "ha_version": "2026.11.1" })]
            }
            "auth" => vec![json!({ "type": "auth_invalid", "message": "Invalid access token" })],
            "supported_features" => fine(Value::Null),
            "ping" => vec![json!({ "id": id, "type": "pong" })],
            "get_states" => fine(self.states.values().cloned().collect()),
            "config/area_registry/list" => {
                fine(json!([{ "area_id": "kitchen", "name": "Kitchen" }]))
            }
            "config/device_registry/list" => fine(json!([
                { "id": "d1", "area_id": "kitchen", "name": "Probe 7", "name_by_user": "Sink probe" }
            ])),
            "config/entity_registry/list" => fine(json!([
                { "entity_id": "binary_sensor.sink", "device_id": "d1", "area_id": null },
                { "entity_id": "light.lamp", "device_id": null, "area_id": "attic" },
            ])),
            "subscribe_events" => {
                let wanted = asked["event_type"].as_str().map(str::to_owned);
                let is_allowed = self.allowed.is_empty()
                    || wanted
                        .as_deref()
                        .is_some_and(|wanted| self.allowed.contains(&wanted));
                if !is_allowed {
                    let error = json!({ "code": "unauthorized", "message": "Unauthorized" });
                    return vec![
                        json!({ "id": id, "type": "result", "success": false, "error": error }),
                    ];
                }
                self.subscribed.insert(id.as_u64().expect("an id"), wanted);
                fine(Value::Null)
            }
            "unsubscribe_events" => {
                let over = asked["subscription"].as_u64().expect("an id");
                assert!(self.subscribed.remove(&over).is_some());
                fine(Value::Null)
            }
            other => panic!("nothing answers {other}"),
        }
    }
}

fn event(event_type: &str, data: &Value, fired: &str, context: &Value) -> Value {
    json!({
        "event_type": event_type, "data": data, "origin": "LOCAL",
        "time_fired": fired, "context": context,
    })
}
