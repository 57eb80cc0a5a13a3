//! Performs a look: makes the calls it wants, a few at a time to each host, and gives it the answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};

use super::lines::Conversation;
use crate::providers::ask::{Answer, HttpCall, Look, Seen, Step, Unseen};
use crate::shell::client::Client;
use crate::shell::clock::Clock;
use crate::shell::redact::Redactor;

/// Most calls under way to one host, whoever wants them.
pub const CALLS_PER_HOST_MAX: usize = 4;
/// Most calls and turns of one look.
pub const CALLS_PER_LOOK_MAX: usize = 20_000;
/// Longest look, in seconds.
pub const LOOK_SECONDS_MAX: u64 = 300;
/// Pieces of bodies that wait to be folded.
const PIECES_WAITING_MAX: usize = 4;

/// How many calls are under way, by host and port. A host that nobody calls is forgotten.
#[derive(Default)]
pub struct Hosts(Mutex<HashMap<String, Weak<Semaphore>>>);

impl Hosts {
    fn of(&self, url: &str) -> Arc<Semaphore> {
        let parsed = url::Url::parse(url).ok();
        let place = parsed
            .as_ref()
            .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)))
            .map_or_else(String::new, |(host, port)| format!("{host}:{port}"));
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&place).and_then(Weak::upgrade) {
            return known;
        }
        hosts.retain(|_, permits| permits.strong_count() > 0);
        let permits = Arc::new(Semaphore::new(CALLS_PER_HOST_MAX));
        hosts.insert(place, Arc::downgrade(&permits));
        permits
    }
}

/// What a look is performed with.
pub struct Looking<'a> {
    pub client: &'a Client,
    pub clock: &'a Arc<dyn Clock>,
    pub hosts: &'a Hosts,
    pub allow_private: bool,
    pub redactor: &'a Redactor,
}

impl Looking<'_> {
    /// Performs a look to its end, within [`LOOK_SECONDS_MAX`].
    pub async fn look(&self, look: Box<dyn Look>) -> Result<Seen, Unseen> {
        let seen = tokio::select! {
            biased;
            seen = self.steps(look) => seen,
            () = self.clock.sleep(Duration::from_secs(LOOK_SECONDS_MAX)) => {
                Err(Unseen::new(format!("it was not done within {LOOK_SECONDS_MAX} s")))
            }
        };
        seen.map_err(|unseen| Unseen {
            why: self.redactor.redact_text(&unseen.why).into_owned(),
            ..unseen
        })
    }

    async fn steps(&self, mut look: Box<dyn Look>) -> Result<Seen, Unseen> {
        let mut conversation = Conversation {
            client: self.client,
            clock: self.clock,
            allow_private: self.allow_private,
            connection: None,
        };
        let (send, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let mut calls = FuturesUnordered::new();
        let mut answers: VecDeque<Answer> = VecDeque::new();
        let mut turns = 0;
        let mut step = look.step(None);
        loop {
            let answer = match step {
                Step::Done(seen) => return seen,
                Step::Exchange(exchange) => {
                    turns += 1;
                    // In its turn, behind what has come already.
                    answers.push_back(Answer::Lines(conversation.take(exchange).await));
                    answers.pop_front()
                }
                Step::Calls(more) => {
                    turns += more.len();
                    calls.extend(more.into_iter().map(|call| self.call(call, send.clone())));
                    answers.pop_front()
                }
            };
            if turns > CALLS_PER_LOOK_MAX {
                let why = format!("it wants more than {CALLS_PER_LOOK_MAX} calls; watch fewer");
                return Err(Unseen::new(why));
            }
            let answer = match answer {
                Some(answer) => answer,
                None if calls.is_empty() => {
                    return Err(Unseen::new(
                        "it waits for an answer that nobody was asked for",
                    ));
                }
                None => tokio::select! {
                    biased;
                    Some((id, bytes)) = pieces.recv() => Answer::Piece { id, bytes },
                    Some(answer) = calls.next() => {
                        // The last pieces came with the answer, and belong before it.
                        while let Ok((id, bytes)) = pieces.try_recv() {
                            answers.push_back(Answer::Piece { id, bytes });
                        }
                        match answers.pop_front() {
                            Some(first) => {
                                answers.push_back(answer);
                                first
                            }
                            None => answer,
                        }
                    }
                },
            };
            step = look.step(Some(answer));
        }
    }

    async fn call(&self, call: HttpCall, pieces: mpsc::Sender<(u32, bytes::Bytes)>) -> Answer {
        let permits = self.hosts.of(&call.call.url);
        // The semaphore is never closed, so a permit always comes.
        let _permit = permits.acquire().await;
        let reply = self
            .client
            .fetch(&call, self.allow_private, self.redactor, &pieces)
            .await;
        Answer::Http { id: call.id, reply }
    }
}
