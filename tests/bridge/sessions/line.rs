//! A kind of provider that exists only here, and the other side of its sessions.
//!
//! The other side says what a session does: `ready`; `see KEY VALUE`, which is told unless it is known;
//! `burst COUNT`, as many such at once; `timer SECONDS`; `close SECONDS`; `wait`, which folds nothing
//! until the test lets it; anything else is said back. What a session says by itself: `hello SECRET`,
//! `watched NAMES`, `observed`, `missed COUNT`, `timer`, `burst`.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use notify_bridge::domain::notice::{NoticeDraft, Severity, Subject};
use notify_bridge::providers::ask::{
    Act, Ask, AskInput, Endpoint, Known, Look, Observation, Polled, Rhythm, Session, Subscribed,
    Unseen, Watch,
};
use notify_bridge::shell::clock::ManualClock;
use notify_bridge::shell::sessions::Speaks;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::waiting::PATIENCE;

/// Largest message of a session, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 10_000;

/// Where a session folds nothing until the test lets it.
#[derive(Default)]
pub struct Gate {
    waits: Mutex<bool>,
    goes_on: Condvar,
}

impl Gate {
    fn wait(&self) {
        let mut waits = self.waits.lock().expect("no panic");
        *waits = true;
        while *waits {
            waits = self.goes_on.wait(waits).expect("no panic");
        }
    }

    pub fn is_waited_at(&self) -> bool {
        *self.waits.lock().expect("no panic")
    }

    pub fn go_on(&self) {
        *self.waits.lock().expect("no panic") = false;
        self.goes_on.notify_all();
    }
}

/// Lets a session go on however the test ends: a thread that waits would keep it from ending.
pub struct Open(pub Arc<Gate>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.go_on();
    }
}

/// The kind. Its providers are where their description says.
#[derive(Default)]
pub struct Line {
    pub gate: Arc<Gate>,
}

impl Line {
    /// Lives as long as the program, as kinds do.
    pub fn new() -> &'static Line {
        Box::leak(Box::default())
    }

    pub fn speaks(&'static self) -> Speaks {
        Speaks {
            subscribed: self,
            polled: Some(self),
        }
    }
}

fn seen(key: &str, value: Option<&str>, title: &str) -> Observation {
    let notice = NoticeDraft {
        kind: "received".into(),
        severity: Severity::Info,
        subject: Subject {
            key: title.into(),
            label: title.into(),
        },
        title: title.into(),
        ..NoticeDraft::default()
    };
    Observation {
        cursors: vec![moved(key, value)],
        notices: vec![notice],
        next_at: None,
    }
}

fn moved(key: &str, value: Option<&str>) -> (String, Option<Arc<[u8]>>) {
    (key.into(), value.map(|value| Arc::from(value.as_bytes())))
}

impl Polled for Line {
    fn rhythm(&self) -> Rhythm {
        Rhythm::Asked
    }

    fn begin(&self, _ask: Ask, _input: &AskInput<'_>) -> Box<dyn Look> {
        Known::unseen("nobody asks it")
    }

    fn unreachable(&self, input: &AskInput<'_>) -> Observation {
        match input.cursors.contains_key("lost") {
            true => Observation::default(),
            false => seen("lost", Some("yes"), "lost"),
        }
    }
}

impl Subscribed for Line {
    fn open(&self, input: &AskInput<'_>) -> Result<(Endpoint, Box<dyn Session>), Unseen> {
        let url = input.spec.description.clone();
        if url.is_empty() {
            return Err(Unseen::new("the description names no place"));
        }
        let text = |bytes: &Arc<[u8]>| String::from_utf8_lossy(bytes).into_owned();
        let known = input.cursors.iter();
        let talk = Talk {
            gate: Arc::clone(&self.gate),
            secret: input.secrets.get("secret").cloned().unwrap_or_default(),
            known: known
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
            watched: watched(input.watches),
        };
        let endpoint = Endpoint {
            url,
            headers: Vec::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        Ok((endpoint, Box::new(talk)))
    }
}

fn watched(watches: &[Watch]) -> String {
    let names: Vec<&str> = watches.iter().map(|watch| watch.name.as_str()).collect();
    format!("watched {}", names.join(" "))
}

struct Talk {
    gate: Arc<Gate>,
    secret: String,
    known: BTreeMap<String, String>,
    watched: String,
}

impl Talk {
    fn see(&mut self, key: &str, value: &str) -> Vec<Act> {
        match self.known.insert(key.into(), value.into()) {
            Some(before) if before == value => Vec::new(),
            _new => vec![Act::Observe(seen(
                key,
                Some(value),
                &format!("{key} is {value}"),
            ))],
        }
    }
}

impl Session for Talk {
    fn connected(&mut self, _now: i64) -> Vec<Act> {
        vec![
            Act::Send(format!("hello {}", self.secret)),
            Act::Send(self.watched.clone()),
        ]
    }

    fn on_message(&mut self, text: &str, now: i64) -> Vec<Act> {
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        match words.as_slice() {
            ["ready"] => {
                let mut acts = vec![Act::Ready];
                if self.known.remove("lost").is_some() {
                    acts.push(Act::Observe(seen("lost", None, "found")));
                }
                acts
            }
            ["see", key, value] => self.see(key, value),
            ["burst", count] => {
                let count: u32 = count.parse().expect("a number");
                let mut acts: Vec<Act> = (0..count)
                    .flat_map(|n| self.see(&format!("b{n}"), "on"))
                    .collect();
                acts.push(Act::Send("burst".into()));
                acts
            }
            ["timer", seconds] => {
                let seconds: i64 = seconds.parse().expect("a number");
                vec![Act::Timer(now + seconds * 1_000_000)]
            }
            ["close", seconds] => vec![Act::Close(Unseen {
                why: format!("told to close with {}", self.secret),
                after: Some(Duration::from_secs(seconds.parse().expect("a number"))),
            })],
            ["wait"] => {
                // What else this thread was about to do is done by another.
                tokio::task::block_in_place(|| self.gate.wait());
                Vec::new()
            }
            _else => vec![Act::Send(text.into())],
        }
    }

    fn on_timer(&mut self, _now: i64) -> Vec<Act> {
        vec![Act::Send("timer".into())]
    }

    fn watched(&mut self, watches: &[Watch], _now: i64) -> Vec<Act> {
        vec![Act::Send(watched(watches))]
    }

    fn observed(&mut self, _now: i64) -> Vec<Act> {
        vec![Act::Send("observed".into())]
    }

    fn missed(&mut self, count: u64, _now: i64) -> Vec<Act> {
        vec![Act::Send(format!("missed {count}"))]
    }

    fn closed(&mut self, why: &str, _now: i64) -> Observation {
        Observation {
            cursors: vec![moved("parted", Some(why))],
            ..Observation::default()
        }
    }
}

/// Where sessions come to.
pub struct Hub {
    listener: TcpListener,
    clock: Arc<ManualClock>,
}

impl Hub {
    pub async fn new(clock: &Arc<ManualClock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Hub {
            listener,
            clock: Arc::clone(clock),
        }
    }

    pub fn url(&self) -> String {
        let address = self.listener.local_addr().expect("an address");
        format!("ws://{address}/line")
    }

    /// The next session, which is come for at once.
    pub async fn accept(&self) -> Peer {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (stream, _) = accepted.expect("somebody comes").expect("it is accepted");
        Peer(accept_async(stream).await.expect("a session"))
    }

    /// The next session, for which time passes.
    pub async fn accept_in_time(&self) -> Peer {
        loop {
            let wait = Duration::from_millis(50);
            match tokio::time::timeout(wait, self.listener.accept()).await {
                Ok(accepted) => {
                    let (stream, _) = accepted.expect("it is accepted");
                    return Peer(accept_async(stream).await.expect("a session"));
                }
                // Either nobody comes, or it was not yet time.
                Err(_) => self.clock.advance(Duration::from_secs(1)),
            }
        }
    }

    /// Hangs up on whoever comes until the other future is done.
    pub async fn refuse_while<T>(&self, other: impl Future<Output = T>) -> T {
        let refuse = async {
            loop {
                drop(self.listener.accept().await);
            }
        };
        tokio::select! {
            biased;
            done = other => done,
            () = refuse => unreachable!("it never ends"),
        }
    }
}

/// The other side of one session.
pub struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    pub async fn say(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.feed(Message::text(*text)).await.expect("it is sent");
        }
        self.0.flush().await.expect("it is sent");
    }

    /// What the session says next; `None` when it has ended.
    pub async fn hear(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
            match next.expect("something comes") {
                Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_other)) => {}
            }
        }
    }

    /// Waits until the session says this.
    pub async fn hears(&mut self, expected: &str) {
        while let Some(text) = self.hear().await {
            if text == expected {
                return;
            }
        }
        panic!("the session ended before it said {expected}");
    }

    /// Waits until the session has ended, and gives what it said until then.
    pub async fn end(mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(text) = self.hear().await {
            heard.push(text);
        }
        heard
    }
}
