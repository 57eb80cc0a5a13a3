//! The conversation: who asks, what is asked, and when it is asked again.
//!
//! After the token was accepted everything is asked at once: names, events, states. What comes before
//! the names is kept in its order and looked at when they are known, so that no notice is without them.
//!
//! **Invariant:** what has lasted is told on the answer to a ping that was sent after its moment: by
//! then everything that happened before was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::house::House;
use super::wire::{self, EventOf, Message, StateOf};
use crate::providers::ask::{Act, AskInput, Observation, Session, Unseen, Watch};

const SECOND: i64 = 1_000_000;
/// From the connection to the word that the token is accepted, and from there to the states. In
/// microseconds, as the next ones.
const GREETED_WITHIN: i64 = 30 * SECOND;
const SETTLED_WITHIN: i64 = 120 * SECOND;
/// After so long a silence it is asked whether Home Assistant is there.
const PING_AFTER: i64 = 30 * SECOND;
const PONG_WITHIN: i64 = 15 * SECOND;
/// What nobody is told of is written down after so long at the latest.
const WRITTEN_WITHIN: i64 = 10 * SECOND;
/// After names changed they are asked for so much later, as they change in crowds.
const NAMES_AFTER: i64 = 5 * SECOND;
/// A token that was refused is not tried again before so long: Home Assistant bans who tries often.
const REFUSED_AFTER: Duration = Duration::from_secs(30 * 60);
/// As long an administrator has time to give it another token.
const FORBIDDEN_AFTER: Duration = Duration::from_secs(5 * 60);
/// What comes before the names are known, in events; further ones are left out and counted, and the
/// states are compared anyway.
const EARLY_MAX: usize = 2_000;

/// Types of events by which names are known to have changed.
const NAMES_CHANGED: [&str; 3] = [
    "area_registry_updated",
    "device_registry_updated",
    "entity_registry_updated",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has not said yet that it wants a token.
    Greeting,
    /// The token was sent.
    Proving,
    /// Accepted; what there is was asked for.
    Settling,
    Ready,
}

/// What a command was for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Features,
    Entities,
    Devices,
    Areas,
    States,
    /// `None`: to all types.
    Subscribe(Option<String>),
    Unsubscribe,
    Ping,
}

/// What came before the names.
enum Early {
    Event(EventOf),
    States(Vec<StateOf>),
}

pub struct Talk {
    token: String,
    house: House,
    stage: Stage,
    last_id: u64,
    asked: BTreeMap<u64, Asked>,
    /// By the id of the command that asked for them.
    subscribed: BTreeMap<u64, Option<String>>,
    /// Whether all types at once were refused.
    all_refused: bool,
    early: Vec<Early>,
    /// When the present stage began, or with `Ready` when something was heard last.
    heard_at: i64,
    /// When the ping was sent whose answer is awaited.
    pinged_at: Option<i64>,
    names_at: Option<i64>,
    /// Since when something is to be written down of which nobody is told.
    unwritten_since: Option<i64>,
    is_observing: bool,
    timer: Option<i64>,
    closing: Option<Unseen>,
}

impl Talk {
    pub fn new(input: &AskInput<'_>, base: &str, token: &str) -> Talk {
        Talk {
            token: token.to_owned(),
            house: House::new(&input.spec.name, base, input.cursors, input.watches),
            stage: Stage::Greeting,
            last_id: 0,
            asked: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            all_refused: false,
            early: Vec::new(),
            heard_at: input.now,
            pinged_at: None,
            names_at: None,
            unwritten_since: None,
            is_observing: false,
            timer: None,
            closing: None,
        }
    }

    /// Says something that is answered under its id.
    fn say(&mut self, asked: Asked, acts: &mut Vec<Act>) {
        self.last_id += 1;
        let id = self.last_id;
        let text = match &asked {
            Asked::Features => wire::features(id),
            Asked::Entities => wire::command(id, "config/entity_registry/list"),
            Asked::Devices => wire::command(id, "config/device_registry/list"),
            Asked::Areas => wire::command(id, "config/area_registry/list"),
            Asked::States => wire::command(id, "get_states"),
            Asked::Subscribe(event_type) => wire::subscribe(id, event_type.as_deref()),
            Asked::Ping => wire::command(id, "ping"),
            // It names what it ends, so it is said where that is known.
            Asked::Unsubscribe => return,
        };
        if let Asked::Subscribe(event_type) = &asked {
            self.subscribed.insert(id, event_type.clone());
        }
        self.asked.insert(id, asked);
        acts.push(Act::Send(text));
    }

    fn is_asked(&self, what: &Asked) -> bool {
        self.asked.values().any(|asked| asked == what)
    }

    fn close(&mut self, why: impl Into<String>) {
        self.closing.get_or_insert(Unseen::new(why));
    }

    fn close_for(&mut self, why: impl Into<String>, after: Duration) {
        self.closing.get_or_insert(Unseen {
            why: why.into(),
            after: Some(after),
        });
    }

    fn ask_names(&mut self, acts: &mut Vec<Act>) {
        for what in [Asked::Entities, Asked::Devices, Asked::Areas] {
            if !self.is_asked(&what) {
                self.say(what, acts);
            }
        }
    }

    fn are_names_known(&self) -> bool {
        let lists = [Asked::Entities, Asked::Devices, Asked::Areas];
        !lists.iter().any(|list| self.is_asked(list))
    }

    /// Asks for the events that somebody needs, and no longer for others.
    fn follow(&mut self, acts: &mut Vec<Act>) {
        let types = self.house.event_types();
        let mut wanted: BTreeSet<Option<String>> = BTreeSet::new();
        if types.any && !self.all_refused {
            wanted.insert(None);
        } else {
            wanted.extend(types.named.into_iter().map(Some));
            wanted.extend(NAMES_CHANGED.map(|name| Some(name.to_owned())));
        }
        // What is new is asked for first, so that nothing falls between the two.
        for event_type in &wanted {
            if !self.subscribed.values().any(|known| known == event_type) {
                self.say(Asked::Subscribe(event_type.clone()), acts);
            }
        }
        let over: Vec<u64> = self
            .subscribed
            .iter()
            .filter(|(_, event_type)| !wanted.contains(*event_type))
            .map(|(id, _)| *id)
            .collect();
        for subscription in over {
            self.subscribed.remove(&subscription);
            self.last_id += 1;
            self.asked.insert(self.last_id, Asked::Unsubscribe);
            acts.push(Act::Send(wire::unsubscribe(self.last_id, subscription)));
        }
    }

    fn take(&mut self, message: Message, acts: &mut Vec<Act>, now: i64) {
        match (message.kind.as_str(), self.stage) {
            ("auth_required", Stage::Greeting) => {
                self.stage = Stage::Proving;
                acts.push(Act::Send(wire::auth(&self.token)));
            }
            ("auth_ok", Stage::Proving) => {
                self.stage = Stage::Settling;
                self.heard_at = now;
                self.say(Asked::Features, acts);
                self.ask_names(acts);
                self.follow(acts);
                self.say(Asked::States, acts);
            }
            ("auth_invalid", Stage::Greeting | Stage::Proving) => {
                let said = message.message.unwrap_or_default();
                self.close_for(
                    format!("token: Home Assistant does not accept it ({said}); make a new long-lived access token in your profile there"),
                    REFUSED_AFTER,
                );
            }
            ("result" | "pong", Stage::Settling | Stage::Ready) => {
                let asked = message.id.and_then(|id| self.asked.remove(&id));
                if let Some(asked) = asked {
                    self.answered(asked, message, acts, now);
                }
            }
            ("event", Stage::Settling | Stage::Ready) => {
                let is_ours = message
                    .id
                    .is_some_and(|id| self.subscribed.contains_key(&id));
                if is_ours && let Ok(event) = serde_json::from_value::<EventOf>(message.event) {
                    self.heard(event, now);
                }
            }
            // Of a kind that nobody asked for.
            (_other, Stage::Greeting | Stage::Proving | Stage::Settling | Stage::Ready) => {}
        }
    }

    fn heard(&mut self, event: EventOf, now: i64) {
        if NAMES_CHANGED.contains(&event.event_type.as_str()) {
            self.names_at.get_or_insert(now + NAMES_AFTER);
        }
        match self.stage {
            Stage::Settling if !self.are_names_known() => match self.early.len() {
                EARLY_MAX.. => self.house.leave_out(1),
                _room => self.early.push(Early::Event(event)),
            },
            Stage::Greeting | Stage::Proving | Stage::Settling | Stage::Ready => {
                self.house.event(event, now);
            }
        }
    }

    fn answered(&mut self, asked: Asked, message: Message, acts: &mut Vec<Act>, now: i64) {
        let success = message.success;
        match asked {
            Asked::Features | Asked::Unsubscribe => {}
            Asked::Ping => {
                if let Some(sent) = self.pinged_at.take() {
                    self.house.lasted(sent, now);
                }
            }
            // A list that is refused leaves names out, and nothing else.
            Asked::Entities => {
                if success {
                    self.house.names.take_entities(wire::list(message.result));
                }
                self.named(acts, now);
            }
            Asked::Devices => {
                if success {
                    self.house.names.take_devices(wire::list(message.result));
                }
                self.named(acts, now);
            }
            Asked::Areas => {
                if success {
                    self.house.names.take_areas(wire::list(message.result));
                }
                self.named(acts, now);
            }
            Asked::States if !success => {
                let why = message.error.map(|fault| fault.message).unwrap_or_default();
                self.close(format!("it does not give its states: {why}"));
            }
            Asked::States => {
                let states: Vec<StateOf> = wire::list(message.result);
                if self.stage == Stage::Ready || self.are_names_known() {
                    self.settle(states, acts, now);
                } else {
                    self.early.push(Early::States(states));
                }
            }
            Asked::Subscribe(event_type) if !success => {
                self.subscribed.retain(|_, known| *known != event_type);
                self.refused(event_type, message, acts);
            }
            Asked::Subscribe(_) => {}
        }
    }

    /// Events of a type are not to be had with this token.
    fn refused(&mut self, event_type: Option<String>, message: Message, acts: &mut Vec<Act>) {
        if self.house.is_asked_for(event_type.as_deref()) {
            let what = event_type.as_deref().unwrap_or("any");
            let why = message.error.map(|fault| fault.message).unwrap_or_default();
            self.close_for(
                format!("it does not tell of events of type {what} ({why}): use a token of an administrator, or leave their kind out of the trackers' kinds"),
                FORBIDDEN_AFTER,
            );
        } else if event_type.is_none() {
            // A user who may not see everything sees some of it.
            self.all_refused = true;
            self.follow(acts);
        }
    }

    /// A list of names came.
    fn named(&mut self, acts: &mut Vec<Act>, now: i64) {
        if !self.are_names_known() {
            return;
        }
        if self.stage == Stage::Ready {
            if self.house.is_placed() {
                self.house.behind = true;
            }
            return;
        }
        for early in std::mem::take(&mut self.early) {
            match early {
                Early::Event(event) => self.house.event(event, now),
                Early::States(states) => self.settle(states, acts, now),
            }
        }
    }

    /// All states are there.
    fn settle(&mut self, states: Vec<StateOf>, acts: &mut Vec<Act>, now: i64) {
        let is_first = self.stage != Stage::Ready;
        if is_first {
            self.house.connected();
        }
        self.house.states(states, now);
        if is_first {
            self.stage = Stage::Ready;
            self.heard_at = now;
            // What was found at first is written down at once.
            self.unwritten_since = Some(now - WRITTEN_WITHIN);
            acts.push(Act::Ready);
        }
    }

    /// What follows of everything that was done: what is recorded, asked again, and waited for.
    fn after(&mut self, mut acts: Vec<Act>, now: i64) -> Vec<Act> {
        if let Some(unseen) = self.closing.take() {
            acts.push(Act::Close(unseen));
            return acts;
        }
        if self.stage == Stage::Ready && !self.is_observing {
            if self.house.behind && !self.is_asked(&Asked::States) {
                self.say(Asked::States, &mut acts);
                self.house.behind = false;
            }
            let is_old = |since: i64| since.saturating_add(WRITTEN_WITHIN) <= now;
            if self.house.known.is_changed() {
                self.unwritten_since.get_or_insert(now);
            } else if !self.house.has_notices() {
                self.unwritten_since = None;
            }
            if self.house.has_notices() || self.unwritten_since.is_some_and(is_old) {
                self.unwritten_since = None;
                let observation = self.house.take();
                if !observation.is_nothing() {
                    self.is_observing = true;
                    acts.push(Act::Observe(observation));
                }
            }
        }
        let next = self.next_at();
        let is_set = self.timer.is_some_and(|set| set > now && set <= next);
        if !is_set {
            self.timer = Some(next);
            acts.push(Act::Timer(next));
        }
        acts
    }

    /// When something is to be done though nothing is heard.
    fn next_at(&self) -> i64 {
        match self.stage {
            Stage::Greeting | Stage::Proving => self.heard_at + GREETED_WITHIN,
            Stage::Settling => self.heard_at + SETTLED_WITHIN,
            Stage::Ready => {
                let (ping, due) = match self.pinged_at {
                    Some(sent) => (sent + PONG_WITHIN, None),
                    None => (self.heard_at + PING_AFTER, self.house.next_due()),
                };
                let written = self.unwritten_since.filter(|_| !self.is_observing);
                let written = written.map(|since| since + WRITTEN_WITHIN);
                let others = [due, written, self.names_at];
                others.into_iter().flatten().fold(ping, i64::min)
            }
        }
    }
}

impl Session for Talk {
    fn connected(&mut self, now: i64) -> Vec<Act> {
        self.heard_at = now;
        self.after(Vec::new(), now)
    }

    fn on_message(&mut self, text: &str, now: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.stage == Stage::Ready {
            self.heard_at = now;
        }
        match wire::messages(text) {
            Ok(messages) => {
                for message in messages {
                    self.take(message, &mut acts, now);
                }
            }
            Err(why) => self.close(why),
        }
        self.after(acts, now)
    }

    fn on_timer(&mut self, now: i64) -> Vec<Act> {
        self.timer = None;
        let mut acts = Vec::new();
        match self.stage {
            Stage::Greeting | Stage::Proving if now >= self.next_at() => {
                self.close("it did not say that the token is accepted: is this the address of Home Assistant?");
            }
            Stage::Settling if now >= self.next_at() => {
                self.close("it did not give its states in time");
            }
            Stage::Greeting | Stage::Proving | Stage::Settling => {}
            Stage::Ready => {
                if self.names_at.is_some_and(|at| at <= now) {
                    self.names_at = None;
                    self.ask_names(&mut acts);
                }
                match self.pinged_at {
                    Some(sent) if sent + PONG_WITHIN <= now => {
                        self.close("it does not answer any more");
                    }
                    Some(_) => {}
                    None => {
                        let is_due = self.house.next_due().is_some_and(|due| due <= now);
                        if is_due || self.heard_at + PING_AFTER <= now {
                            self.pinged_at = Some(now);
                            self.say(Asked::Ping, &mut acts);
                        }
                    }
                }
            }
        }
        self.after(acts, now)
    }

    fn watched(&mut self, watches: &[Watch], now: i64) -> Vec<Act> {
        let mut acts = Vec::new();
        self.house.watch(watches);
        if matches!(self.stage, Stage::Settling | Stage::Ready) {
            self.follow(&mut acts);
            // What is watched from here on is seen as it is.
            self.house.behind = true;
        }
        self.after(acts, now)
    }

    fn observed(&mut self, now: i64) -> Vec<Act> {
        self.is_observing = false;
        self.after(Vec::new(), now)
    }

    fn missed(&mut self, count: u64, now: i64) -> Vec<Act> {
        self.house.leave_out(count);
        // An answer may have been among them: what was asked is asked again, and its late answer is
        // none to anything.
        if self.stage == Stage::Ready {
            self.asked
                .retain(|_, asked| !matches!(asked, Asked::States | Asked::Ping));
            self.pinged_at = None;
        }
        self.after(Vec::new(), now)
    }

    fn closed(&mut self, _why: &str, _now: i64) -> Observation {
        self.house.take()
    }
}
