//! `GET /api/v1/stream`: what was committed, as server-sent events.
//!
//! **Invariant:** between `Last-Event-ID` and the newest event nothing is left out: it is read from
//! the log, or the follower is told `reset` and asks for everything anew.
//!
//! **Invariant:** what was committed is put into words once, for all who listen: five hundred of them
//! cost no more threads than one.
//!
//! **Invariant:** before anything is said, the one who listens is asked for again: a session that
//! ended or a token that was revoked hears nothing more.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use notify_store::Recorded;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OnceCell, Semaphore, broadcast};
use tokio::task::JoinError;

use super::auth::{self, Caller, May, Reading, Right as _};
use super::front::Front;
use super::problem::Problem;
use crate::domain::event::{DeliveryKey, Event, IdSeed};
use crate::shell::app::App;
use crate::shell::ledger::CommittedEvents;
use crate::wire;

/// Streams of one user or token at a time.
pub const STREAMS_PER_CALLER_MAX: usize = 20;
/// Streams of all at a time. It leaves connections for everything else.
pub const STREAMS_MAX: usize = 500;
/// Events that are read to catch up; who is further behind is told to ask anew.
pub const RESUME_EVENTS_MAX: u64 = 10_000;
/// Events read at a time while catching up.
const PAGE_EVENTS: usize = 256;
/// Streams for which the log is read at a time; each takes a thread meanwhile.
const READING_MAX: usize = 4;
/// Commits whose words are kept for those who have not said them yet.
const WORDS_KEPT: usize = 16;
/// Silence after which a comment is sent, so that a dead connection is noticed.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
static ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What the streams share.
pub struct Streams {
    /// How many are open, by whom.
    open: Mutex<BTreeMap<String, usize>>,
    /// The newest commits by their last position, each in the words that everyone is told.
    words: Mutex<VecDeque<(u64, Words)>>,
    reading: Semaphore,
}

type Words = Arc<OnceCell<Bytes>>;

impl Default for Streams {
    fn default() -> Self {
        Streams {
            open: Mutex::default(),
            words: Mutex::default(),
            reading: Semaphore::new(READING_MAX),
        }
    }
}

/// A place among the streams. Dropping it gives it back.
struct Place {
    streams: Arc<Streams>,
    who: String,
}

impl Streams {
    fn enter(self: &Arc<Self>, who: String) -> Result<Place, Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= STREAMS_MAX {
            let detail = format!("there are {STREAMS_MAX} streams already; close one");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(60));
        }
        let count = open.entry(who.clone()).or_default();
        if *count >= STREAMS_PER_CALLER_MAX {
            let detail = format!("{who} has {STREAMS_PER_CALLER_MAX} streams already; close one");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(60));
        }
        *count += 1;
        drop(open);
        Ok(Place {
            streams: Arc::clone(self),
            who,
        })
    }

    /// Reads the log on a thread that may wait for the disk, when it is this one's turn.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // The semaphore is never closed, so a permit always comes.
        let _permit = self.reading.acquire().await;
        tokio::task::spawn_blocking(read).await
    }

    /// Where the words of a commit are, or are put by who needs them first.
    fn words(&self, newest: u64) -> Words {
        let mut kept = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, words)) = kept.iter().find(|(position, _)| *position == newest) {
            return Arc::clone(words);
        }
        let words = Words::default();
        if kept.len() == WORDS_KEPT {
            kept.pop_front();
        }
        kept.push_back((newest, Arc::clone(&words)));
        words
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

pub async fn stream(
    State(front): State<Arc<Front>>,
    may: May<Reading>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = front.door.streams.enter(may.caller.by())?;
    let after = match headers.get(&LAST_EVENT_ID) {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok())
                .ok_or_else(|| {
                    Problem::new(
                        StatusCode::BAD_REQUEST,
                        "the header Last-Event-ID is a position, a number",
                    )
                })?,
        ),
    };
    // Subscribed before the end is looked at, so that nothing falls between the two.
    let live = may.app.ledger.follow();
    let end = may.app.ledger.reader().next_position().saturating_sub(1);
    let mark = may.app.ledger.state().retention.horizons.mark();
    let follower = Follower {
        app: may.app,
        caller: may.caller,
        live,
        last: after.unwrap_or(end),
        stage: match after {
            None => Stage::Beginning,
            Some(after) if after > end || end - after > RESUME_EVENTS_MAX => Stage::Lost,
            Some(after) if after + 1 < mark => Stage::Compacted,
            Some(_) => Stage::Beginning,
        },
        place,
    };
    let body = futures_util::stream::unfold(follower, |mut follower| async move {
        let said = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(said), follower))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, axum::http::HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/event-stream");
    // Proxies that collect answers would hold events back.
    set(ACCEL_BUFFERING.clone(), "no");
    Ok(response)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was said yet.
    Beginning,
    /// The log is read up to its end.
    Behind,
    Live,
    /// Too far behind, or of another store.
    Lost,
    /// What comes next was removed in part.
    Compacted,
}

struct Follower {
    app: Arc<App>,
    caller: Caller,
    live: broadcast::Receiver<CommittedEvents>,
    /// Position up to which everything was said.
    last: u64,
    stage: Stage,
    place: Place,
}

impl Follower {
    /// What is said next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.stage {
                Stage::Beginning => {
                    self.stage = Stage::Behind;
                    return self.allowed().then(|| said("ready", self.last));
                }
                Stage::Lost => {
                    self.last = self.end();
                    self.stage = Stage::Live;
                    return self.allowed().then(|| said("reset", self.last));
                }
                Stage::Compacted => {
                    self.last = self.end();
                    self.stage = Stage::Live;
                    return self.allowed().then(|| compacted(self.last));
                }
                Stage::Behind => {
                    if self.end().saturating_sub(self.last) > RESUME_EVENTS_MAX {
                        self.stage = Stage::Lost;
                        continue;
                    }
                    let (app, from) = (Arc::clone(&self.app), self.last + 1);
                    let read = move || {
                        let page = app.ledger.reader().page(from, PAGE_EVENTS)?;
                        let last = page.last().map(|event| event.position);
                        Ok::<_, notify_store::ReadError>(
                            last.map(|last| (last, told(&app, &page, from))),
                        )
                    };
                    let read = self.place.streams.read(read);
                    match read.await {
                        Ok(Ok(Some((last, text)))) => {
                            self.last = last;
                            if !text.is_empty() {
                                return self.allowed().then(|| text.into());
                            }
                        }
                        Ok(Ok(None)) => self.stage = Stage::Live,
                        Ok(Err(error)) => {
                            tracing::error!(%error, "a stream could not be read on");
                            return None;
                        }
                        Err(_) => return None,
                    }
                }
                Stage::Live => {
                    let heard = tokio::select! {
                        heard = self.live.recv() => heard,
                        () = self.app.clock.sleep(HEARTBEAT) => {
                            return self.allowed().then(|| Bytes::from_static(b":\n\n"));
                        }
                    };
                    match heard {
                        Ok(events) => {
                            let Some(newest) = events.last().map(|event| event.position) else {
                                continue;
                            };
                            let text = self.told(events, newest).await.ok()?;
                            self.last = self.last.max(newest);
                            if !text.is_empty() {
                                return self.allowed().then_some(text);
                            }
                        }
                        Err(RecvError::Lagged(_)) => self.stage = Stage::Behind,
                        Err(RecvError::Closed) => return None,
                    }
                }
            }
        }
    }

    /// The words of a commit: those of all, unless part of it was said while catching up.
    async fn told(&self, events: CommittedEvents, newest: u64) -> Result<Bytes, JoinError> {
        let (app, from) = (Arc::clone(&self.app), self.last + 1);
        let is_whole = events.first().is_some_and(|event| event.position >= from);
        let streams = &self.place.streams;
        let tell = || streams.read(move || Bytes::from(told(&app, &events, from)));
        if is_whole {
            let words = streams.words(newest);
            words.get_or_try_init(tell).await.cloned()
        } else {
            tell().await
        }
    }

    fn end(&self) -> u64 {
        self.app.ledger.reader().next_position().saturating_sub(1)
    }

    /// Whether the one who listens may still do so.
    fn allowed(&self) -> bool {
        let now = self.app.clock.now();
        let caller = auth::still(&self.app.ledger.state(), &self.caller, now);
        caller.is_some_and(|caller| caller.may(Reading::SCOPE, Reading::ROLE).is_ok())
    }
}

/// `reset`, and why: there are holes in what would have to be told.
fn compacted(position: u64) -> Bytes {
    let mut text = String::new();
    let data = json!({"position": position, "kind": "reset", "why": "compacted"});
    event(&mut text, "reset", position, &data);
    text.into()
}

fn said(name: &str, position: u64) -> Bytes {
    let mut text = String::new();
    event(
        &mut text,
        name,
        position,
        &json!({"position": position, "kind": name}),
    );
    text.into()
}

fn event(text: &mut String, name: &str, position: u64, data: &serde_json::Value) {
    // Writing into a string cannot fail.
    let _ = write!(text, "event: {name}\nid: {position}\ndata: {data}\n\n");
}

/// What an event means to those who look.
enum Meaning {
    Notice(IdSeed),
    Delivery(DeliveryKey),
    /// A notice is sent again.
    Again(IdSeed),
    /// More is told of a notice, without a delivery of its own.
    Story,
    /// Something that is counted or shown changed.
    Counts,
    Nothing,
}

fn meaning(event: &Event) -> Meaning {
    match event {
        Event::Accepted(accepted) => Meaning::Notice(accepted.seed),
        Event::IntakeUnreadable { seed, .. } => Meaning::Notice(*seed),
        Event::AttemptStarted { delivery, .. }
        | Event::PartSent { delivery, .. }
        | Event::AttemptFailed { delivery, .. }
        | Event::FallbackUsed { delivery, .. }
        | Event::ClaimReturned { delivery, .. }
        | Event::EditRefused { delivery, .. }
        | Event::PartLeftOut { delivery, .. }
        | Event::MediaTold { delivery, .. }
        | Event::DeliverySettled { delivery, .. }
        | Event::OutcomeUnknown { delivery, .. }
        | Event::DeliveryOperated { delivery, .. }
        | Event::HoldChanged { delivery, .. }
        | Event::DeliveryMerged { delivery, .. }
        | Event::HandedOn { delivery, .. } => Meaning::Delivery(*delivery),
        Event::Resent { seed, .. } => Meaning::Again(*seed),
        Event::SettingsChanged { .. }
        | Event::EntityPut { .. }
        | Event::EntityRemoved { .. }
        | Event::ReceiverGone { .. }
        | Event::ReceiverMoved { .. }
        | Event::ReceiverRestored { .. }
        | Event::SendingPaused { .. }
        | Event::SendingResumed { .. }
        | Event::FellSilent { .. }
        | Event::ChatsSeen { .. }
        | Event::RetentionAdvanced { .. }
        | Event::Snoozed(_)
        | Event::SnoozeEnded { .. }
        | Event::Restored { .. }
        | Event::LossAccepted { .. } => Meaning::Counts,
        Event::Acknowledged { .. } | Event::RepeatPutOff { .. } => Meaning::Story,
        Event::Founded { .. }
        | Event::FileApplied { .. }
        | Event::UserPut { .. }
        | Event::UserRemoved { .. }
        | Event::TokenPut { .. }
        | Event::TokenRevoked { .. }
        | Event::SessionBegan { .. }
        | Event::SessionSeen { .. }
        | Event::SessionEnded { .. }
        | Event::MessageComposed { .. }
        | Event::GatheredTold { .. }
        | Event::FallbackAwaited { .. }
        | Event::StateCarried { .. }
        | Event::Compacted { .. }
        | Event::CursorMoved { .. }
        | Event::ChatsNamed { .. }
        | Event::BotVerified { .. }
        | Event::ClockStepped { .. } => Meaning::Nothing,
    }
}

/// The events from a position on, as they are sent, with the counts told of once at the end.
fn told(app: &App, events: &[Recorded<Event>], from: u64) -> String {
    let mut text = String::new();
    let mut planned = None;
    for recorded in events.iter().filter(|event| event.position >= from) {
        let position = recorded.position;
        let kind = wire::kind_name(wire::kind_of(&recorded.payload));
        let mut data = json!({"position": position, "kind": kind});
        match meaning(&recorded.payload) {
            Meaning::Notice(seed) => {
                data["id"] = seed.id(position, 0).to_string().into();
                event(&mut text, "notice", position, &data);
            }
            Meaning::Delivery(key) => {
                if let Some(seed) = seed_of(app, key.position, &mut planned) {
                    data["id"] = seed.id(key.position, key.ordinal).to_string().into();
                }
                event(&mut text, "delivery", position, &data);
            }
            // New deliveries of a notice that was there already.
            Meaning::Again(_) | Meaning::Story => event(&mut text, "delivery", position, &data),
            Meaning::Counts => event(&mut text, "counts", position, &data),
            Meaning::Nothing => {}
        }
    }
    if let Some(last) = events.last().filter(|_| !text.is_empty()) {
        let position = last.position;
        let data = json!({"position": position, "kind": "counts"});
        event(&mut text, "counts", position, &data);
    }
    text
}

/// The seed of what was planned at a position. Events of one dispatch follow each other, so the
/// last one is remembered.
fn seed_of(app: &App, position: u64, planned: &mut Option<(u64, IdSeed)>) -> Option<IdSeed> {
    if let Some((known, seed)) = planned
        && *known == position
    {
        return Some(*seed);
    }
    let seed = match meaning(&app.ledger.reader().get(position).ok()??.payload) {
        Meaning::Notice(seed) | Meaning::Again(seed) => seed,
        Meaning::Delivery(_) | Meaning::Story | Meaning::Counts | Meaning::Nothing => return None,
    };
    *planned = Some((position, seed));
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let streams = Arc::new(Streams::default());
        let enter = |who: &str| streams.enter(who.to_owned());
        let mut places: Vec<Place> = (0..STREAMS_PER_CALLER_MAX)
            .map(|_| enter("user wren").expect("room"))
            .collect();
        let refused = enter("user wren").err().expect("no room");
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        places.pop();
        places.push(enter("user wren").expect("room again"));
        for number in 0..(STREAMS_MAX - STREAMS_PER_CALLER_MAX) {
            places.push(enter(&format!("token {number}")).expect("room"));
        }
        let refused = enter("token more").err().expect("no room at all");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        places.clear();
        assert!(streams.open.lock().unwrap().is_empty());
    }

    #[test]
    fn words_are_shared_by_who_comes_in_time() {
        let streams = Streams::default();
        let first = streams.words(1);
        assert!(Arc::ptr_eq(&first, &streams.words(1)));
        for newest in 2..=WORDS_KEPT as u64 {
            assert!(!Arc::ptr_eq(&first, &streams.words(newest)));
        }
        assert!(Arc::ptr_eq(&first, &streams.words(1)));
        streams.words(WORDS_KEPT as u64 + 1);
        assert!(!Arc::ptr_eq(&first, &streams.words(1)));
        assert_eq!(streams.words.lock().unwrap().len(), WORDS_KEPT);
    }
}
