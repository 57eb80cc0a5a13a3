//! Providers that are asked: by polling, over a session that stays open, or by the clock.
//!
//! **Invariant:** a kind describes calls and folds answers; it performs nothing. The shell looks
//! names up, judges addresses, connects, waits, and gives what came of it back.
//!
//! The way of a look: [`Polled::begin`] with what is wanted ([`Ask`]) and what is known
//! ([`AskInput`]) gives a [`Look`]. Its [`Look::step`] is called without an answer once, then once
//! with each answer, until it says [`Step::Done`]. What it saw becomes one command: cursors that
//! moved and notices, taken together or not at all.
//!
//! The first look at something is a baseline: it moves a cursor and says nothing. A look that saw
//! nothing new moves no cursor.

pub mod script;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::notice::{Collection, NoticeDraft};
use crate::domain::spec::ProviderSpec;
use crate::projections::cursors::OfProvider;
use crate::targets::{Call, Reply, excerpt, retry_after};

/// What somebody wants to know of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What is new since the cursors.
    Observe,
    /// Whether it can be reached and its credentials hold.
    Test,
    /// Which collections it has.
    Discover,
}

/// What one enabled tracker asks of its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub tracker: u32,
    pub name: String,
    /// As configured: globs, `!` negates, empty is all.
    pub kinds: Vec<String>,
    pub collections: Vec<String>,
    /// `[tracker.options]`, checked by [`super::Provider::check_options`] when it was configured.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Whether this look is for it. The others are named so that nothing of theirs is given up.
    pub due: bool,
}

/// Everything a look begins with.
pub struct AskInput<'a> {
    pub spec: &'a ProviderSpec,
    /// Opened secrets by field name (`api_key`, `token`, `password`).
    pub secrets: &'a BTreeMap<String, String>,
    pub watches: &'a [Watch],
    pub cursors: &'a OfProvider,
    /// Microseconds since 1970.
    pub now: i64,
    /// The space's, for what is said to happen at a time of day.
    pub zone: &'a TimeZone,
    /// Drawn anew for each look, for what is chosen at random.
    pub chance: u64,
}

/// Which of a look's calls, in the look's own numbering.
pub type CallId = u32;

/// A call over HTTP that a look wants made.
#[derive(Debug, Clone)]
pub struct HttpCall {
    pub id: CallId,
    pub call: Call,
    pub body: Body,
}

/// How the body of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// At once, of at most so many bytes; a larger one is [`Reply::NoAnswer`].
    Whole { bytes_max: usize },
    /// As [`Answer::Piece`]s as they come, of at most so many bytes in all, when the status is 200;
    /// then an [`Answer::Http`] without a body. Of another status the body comes whole and cut.
    Pieces { bytes_max: u64 },
}

/// A turn in a conversation of lines over TCP. There is one connection to a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    Connect {
        host: String,
        port: u16,
    },
    /// The connection is encrypted from here on; the certificate has to be that of `host`.
    StartTls {
        host: String,
    },
    /// Sends a line and reads until one that ends the answer.
    Say {
        /// Without its line break. Never logged: it may hold a password.
        line: String,
        until: Until,
    },
}

/// Where the answer to a line ends. That line is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The first line.
    Line,
    /// A line with one of these beginnings.
    Prefix(Vec<String>),
}

/// What came of what a look wanted.
#[derive(Debug, Clone)]
pub enum Answer {
    Http {
        id: CallId,
        reply: Reply,
    },
    /// The next bytes of a body that is wanted in pieces.
    Piece {
        id: CallId,
        bytes: bytes::Bytes,
    },
    /// Of an [`Exchange`]: the lines, none of them for a connection, or why there are none.
    Lines(Result<Vec<String>, String>),
}

/// What a look wants next.
#[derive(Debug)]
pub enum Step {
    /// These calls as well, beside those under way; none: the next answer of those.
    Calls(Vec<HttpCall>),
    Exchange(Exchange),
    Done(Result<Seen, Unseen>),
}

/// What a look saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Of [`Ask::Observe`].
    pub observation: Observation,
    /// Of [`Ask::Discover`]: by id.
    pub collections: Vec<Found>,
    /// Of [`Ask::Test`]: what a person is told, a sentence a line.
    pub lines: Vec<String>,
}

/// A collection that a provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub collection: Collection,
    /// What helps to choose: how many items, which model.
    pub detail: String,
}

/// What was seen that is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Cursors that moved; `None` is gone. See [`super::cursor`] for large ones.
    pub cursors: Vec<(String, Option<Arc<[u8]>>)>,
    /// At most [`crate::domain::decide::NOTICES_PER_REQUEST_MAX`]; more is left for the next look.
    pub notices: Vec<NoticeDraft>,
    /// When the next look is wanted at the latest, microseconds since 1970, whatever the interval.
    pub next_at: Option<i64>,
}

impl Observation {
    pub fn is_nothing(&self) -> bool {
        self.cursors.is_empty() && self.notices.is_empty()
    }
}

/// Why a look saw nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unseen {
    pub why: String,
    /// Not before so long, where the service said so.
    pub after: Option<Duration>,
}

impl Unseen {
    pub fn new(why: impl Into<String>) -> Self {
        Unseen {
            why: why.into(),
            after: None,
        }
    }

    /// What a reply means that is not the one that was wanted.
    pub fn of_reply(reply: &Reply) -> Self {
        let why = match reply {
            Reply::Answered { status, body, .. } => {
                let said = excerpt(&String::from_utf8_lossy(body));
                let meaning = match status {
                    401 | 403 => ": it does not accept the credentials",
                    404 => ": there is nothing at this address",
                    429 => ": it is asked too often",
                    _other => "",
                };
                match said.is_empty() {
                    true => format!("answered {status}{meaning}"),
                    false => format!("answered {status}{meaning}: {said}"),
                }
            }
            Reply::NotSent { why } | Reply::NoAnswer { why } => why.clone(),
        };
        Unseen {
            why,
            after: retry_after(reply),
        }
    }
}

/// When a kind is looked at by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// Every [`crate::domain::spec::SourceSpec::interval`], and at [`Observation::next_at`].
    Interval,
    /// Only at [`Observation::next_at`].
    Clock,
    /// Never: it is asked by people only, and tells by itself over a session.
    Asked,
}

/// A kind of provider that is asked.
pub trait Polled: Sync {
    fn rhythm(&self) -> Rhythm {
        Rhythm::Interval
    }
    /// What [`Ask::Discover`] finds is called, in the plural; `None` where there is nothing to choose.
    fn collections(&self) -> Option<&'static str> {
        Some("collections")
    }
    /// Begins a look. A configuration that cannot be asked is a look that is done at once.
    fn begin(&self, ask: Ask, input: &AskInput<'_>) -> Box<dyn Look>;
    /// What is said when the provider could not be reached for a while, beside what the bridge says of
    /// itself. Its cursors hold for the first look afterwards.
    fn unreachable(&self, input: &AskInput<'_>) -> Observation {
        let _ = input;
        Observation::default()
    }
    /// The next moments at which something is to happen, for people: at most `count` of them.
    fn upcoming(&self, spec: &ProviderSpec, zone: &TimeZone, after: i64, count: usize) -> Vec<i64> {
        let _ = (spec, zone, after, count);
        Vec::new()
    }
}

/// A look under way.
pub trait Look: Send {
    fn step(&mut self, answer: Option<Answer>) -> Step;
}

/// A look that is done before anything is asked.
pub struct Known(pub Option<Result<Seen, Unseen>>);

impl Known {
    pub fn seen(seen: Seen) -> Box<dyn Look> {
        Box::new(Known(Some(Ok(seen))))
    }

    pub fn unseen(why: impl Into<String>) -> Box<dyn Look> {
        Box::new(Known(Some(Err(Unseen::new(why)))))
    }
}

impl Look for Known {
    fn step(&mut self, _answer: Option<Answer>) -> Step {
        let known = self.0.take();
        Step::Done(known.unwrap_or_else(|| Err(Unseen::new("it was asked once more"))))
    }
}

/// A kind of provider that tells over a connection that stays open.
pub trait Subscribed: Sync {
    /// Where to connect, and what speaks there. `input` is as of [`Polled::begin`]; the cursors hold what
    /// the last session knew.
    fn open(&self, input: &AskInput<'_>) -> Result<(Endpoint, Box<dyn Session>), Unseen>;
}

/// Where a session is. The headers may hold secrets, so there is no `Debug` of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `ws://` or `wss://`.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// Largest message, in bytes; a larger one ends the session.
    pub message_bytes_max: usize,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Send(String),
    /// Takes part in one command; [`Session::observed`] says when it is durable. Further ones wait.
    Observe(Observation),
    /// [`Session::on_timer`] at this moment, microseconds since 1970, in place of the one set before.
    Timer(i64),
    /// It works from here on: back-off begins anew, and what was unreachable is reachable. A session
    /// that does not say so within three minutes is ended.
    Ready,
    /// Ends the session. The shell connects again after a while.
    Close(Unseen),
}

/// A session: told what happens, it says what to do. Moments are microseconds since 1970.
pub trait Session: Send {
    fn connected(&mut self, now: i64) -> Vec<Act>;
    fn on_message(&mut self, text: &str, now: i64) -> Vec<Act>;
    fn on_timer(&mut self, now: i64) -> Vec<Act>;
    /// What enabled trackers ask from here on.
    fn watched(&mut self, watches: &[Watch], now: i64) -> Vec<Act>;
    /// The observation given first of those still open is durable.
    fn observed(&mut self, now: i64) -> Vec<Act>;
    /// Of messages that came faster than they were folded, so many were left out.
    fn missed(&mut self, count: u64, now: i64) -> Vec<Act>;
    /// The connection is gone. What is to be said of that is observed before the next one.
    fn closed(&mut self, why: &str, now: i64) -> Observation;
}
