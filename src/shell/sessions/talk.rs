//! One session: from the connection to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::recorder::Place;
use super::transport::{self, Came, Inbox, Socket};
use super::{Ended, Sessions, Standing, Wanted};
use crate::domain::decide;
use crate::providers::ask::{Act, Observation, Session, Unseen, Watch};
use crate::shell::attending::{self, AbortOnDrop, Followed};
use crate::shell::vault::Opened;

/// Longest time from the connection until a session says that it works, in seconds.
pub const READY_SECONDS_MAX: u64 = 180;
/// Longest time for a message to be taken by the other side, in seconds.
pub const SEND_SECONDS_MAX: u64 = 10;

/// A session under way.
struct Talk<'t, 'a> {
    sessions: &'t Sessions,
    wanted: &'t Wanted,
    opened: &'t Opened,
    standing: &'t mut Standing<'a>,
    session: Box<dyn Session>,
    sink: SplitSink<Socket, Message>,
    place: Arc<Place>,
    /// What the session knows that trackers ask.
    watches: Vec<Watch>,
    /// Microseconds since 1970.
    timer: Option<i64>,
    /// The timer is due, behind so many messages that came before. Otherwise a session would look at
    /// its clock before it hears what it waits for.
    behind: Option<usize>,
    /// On the monotonic clock, until it works.
    ready_by: Option<Duration>,
    /// A stop is not kept waiting by who takes no message.
    stopping: watch::Receiver<Followed>,
}

impl Sessions {
    /// Opens a session and keeps it until it ends. What it saw is with the recorder then.
    pub(super) async fn session(
        &self,
        wanted: &Wanted,
        standing: &mut Standing<'_>,
        followed: &mut watch::Receiver<Followed>,
    ) -> Ended {
        let opened = match self.open(wanted) {
            Ok(opened) => opened,
            Err(error) => return Ended::Failed(Unseen::new(error.to_string())),
        };
        let tidy = |unseen: Unseen| Unseen {
            why: opened.redactor.redact_text(&unseen.why).into_owned(),
            ..unseen
        };
        let begun = {
            let cursors = attending::cursors(&self.ledger, wanted.id);
            let input = self.input(wanted, &opened, &cursors);
            wanted.speaks.subscribed.open(&input)
        };
        let (endpoint, session) = match begun {
            Ok(begun) => begun,
            Err(unseen) => return Ended::Failed(tidy(unseen)),
        };
        let allow_private = wanted.spec.allow_private;
        let mut connecting = pin!(transport::open(
            &self.client,
            &self.clock,
            &endpoint,
            allow_private
        ));
        let connected = loop {
            tokio::select! {
                biased;
                changed = followed.changed() => {
                    if changed.is_err() || self.followed(wanted, followed).is_none() {
                        return Ended::Anew;
                    }
                }
                connected = &mut connecting => break connected,
            }
        };
        let socket = match connected {
            Ok(socket) => socket,
            Err(unseen) => return Ended::Failed(tidy(unseen)),
        };
        standing.session += 1;
        let now = self.clock.now();
        self.board.note(wanted.id, |talking| {
            talking.connected_at = Some(now);
            talking.sessions += 1;
        });
        tracing::info!(
            provider.name = wanted.spec.name,
            "a session with a provider is open"
        );
        let (sink, stream) = socket.split();
        let (reader, inbox) = transport::inbox(stream);
        let ready_by = self.clock.monotonic() + Duration::from_secs(READY_SECONDS_MAX);
        let talk = Talk {
            sessions: self,
            wanted,
            opened: &opened,
            standing,
            session,
            sink,
            place: Place::of(&wanted.spec),
            watches: wanted.watches.clone(),
            timer: None,
            behind: None,
            ready_by: Some(ready_by),
            stopping: followed.clone(),
        };
        let (board, clock, id) = (Arc::clone(&self.board), Arc::clone(&self.clock), wanted.id);
        let reading = tokio::spawn(reader.run(move |came, left_out| {
            let now = clock.now();
            board.note(id, |talking| {
                talking.messages += came;
                talking.left_out += left_out;
                talking.last_message_at = Some(now);
            });
        }));
        let _reading = AbortOnDrop(reading.abort_handle());
        let ended = talk.run(inbox, followed).await;
        self.board.note(wanted.id, |talking| {
            talking.connected_at = None;
            talking.works = false;
        });
        match ended {
            Ended::Failed(unseen) => Ended::Failed(tidy(unseen)),
            ended @ (Ended::Unrecorded(_) | Ended::Anew) => ended,
        }
    }

    /// The provider as it is now, when a session that began with `wanted` may go on.
    fn followed(
        &self,
        wanted: &Wanted,
        followed: &mut watch::Receiver<Followed>,
    ) -> Option<Wanted> {
        let now = *followed.borrow_and_update();
        if now.halted || now.stopping {
            return None;
        }
        self.wanted(wanted.id).filter(|now| wanted.is_same(now))
    }
}

impl Talk<'_, '_> {
    async fn run(mut self, mut inbox: Inbox, followed: &mut watch::Receiver<Followed>) -> Ended {
        let ended = match self.begin(followed).await {
            Ok(()) => self.until_it_ends(&mut inbox, followed).await,
            Err(unseen) => Ended::Failed(unseen),
        };
        // Nobody waits for the other side to take leave.
        let _left = self.sink.close().now_or_never();
        let why = match &ended {
            Ended::Failed(unseen) => unseen.why.as_str(),
            Ended::Unrecorded(why) => why.as_str(),
            Ended::Anew => "it is not wanted any more as it was",
        };
        let said = self.session.closed(why, self.now());
        self.hand(said, None);
        ended
    }

    async fn begin(&mut self, followed: &mut watch::Receiver<Followed>) -> Result<(), Unseen> {
        let acts = self.session.connected(self.now());
        self.perform(acts).await?;
        // Trackers may have changed while it connected; a change of more is seen below.
        followed.mark_changed();
        Ok(())
    }

    async fn until_it_ends(
        &mut self,
        inbox: &mut Inbox,
        followed: &mut watch::Receiver<Followed>,
    ) -> Ended {
        loop {
            let sessions = self.sessions;
            let folds = self.standing.recorder.has_room();
            inbox.pause(!folds);
            if self.behind.is_none() && self.timer.is_some_and(|at| at <= self.now()) {
                self.behind = Some(inbox.waiting());
            }
            let is_due = self.behind == Some(0);
            let timer = self.timer.filter(|_| self.behind.is_none());
            let ready_in = self
                .ready_by
                .map(|by| by.saturating_sub(sessions.clock.monotonic()));
            let acts = tokio::select! {
                biased;
                changed = followed.changed() => {
                    let now = changed.ok().and_then(|()| sessions.followed(self.wanted, followed));
                    let Some(now) = now else {
                        return Ended::Anew;
                    };
                    if now.watches == self.watches {
                        continue;
                    }
                    self.watches = now.watches;
                    self.session.watched(&self.watches, self.now())
                }
                recorded = self.standing.recorder.next() => match recorded {
                    Ok(session) if session == Some(self.standing.session) => {
                        let now = self.now();
                        sessions.board.note(self.wanted.id, |talking| {
                            talking.last_new_at = Some(now);
                        });
                        self.session.observed(now)
                    }
                    Ok(_of_another) => continue,
                    Err(error) => return Ended::Unrecorded(error.to_string()),
                },
                () = attending::sleep(&sessions.clock, ready_in) => {
                    return Ended::Failed(Unseen::new(format!(
                        "the session did not begin to work within {READY_SECONDS_MAX} s"
                    )));
                }
                () = std::future::ready(()), if folds && is_due => {
                    (self.timer, self.behind) = (None, None);
                    self.session.on_timer(self.now())
                }
                () = attending::sleep_until(&sessions.clock, timer), if folds => continue,
                came = inbox.take(), if folds => {
                    self.behind = self.behind.map(|count| count.saturating_sub(1));
                    match came {
                        Came::Message(text) => self.session.on_message(&text, self.now()),
                        Came::Missed(count) => self.session.missed(count, self.now()),
                        Came::Ended(why) => return Ended::Failed(Unseen::new(why)),
                    }
                }
            };
            if let Err(unseen) = self.perform(acts).await {
                return Ended::Failed(unseen);
            }
            // While there is no room, the first thing that is to be written ends it.
            if sessions.ledger.is_disk_low() && !self.standing.recorder.is_empty() {
                return Ended::Anew;
            }
        }
    }

    /// Does what the session wants, in its order. The error ends it; what it saw is taken all the same.
    async fn perform(&mut self, acts: Vec<Act>) -> Result<(), Unseen> {
        let mut done = Ok(());
        for act in acts {
            match act {
                Act::Observe(observation) => {
                    self.hand(observation, Some(self.standing.session));
                }
                Act::Send(_) | Act::Timer(_) | Act::Ready | Act::Close(_) if done.is_err() => {}
                Act::Send(text) => done = self.send(text).await,
                Act::Timer(at) => (self.timer, self.behind) = (Some(at), None),
                Act::Ready => self.ready().await,
                Act::Close(unseen) => done = Err(unseen),
            }
        }
        done
    }

    async fn send(&mut self, text: String) -> Result<(), Unseen> {
        let clock = &self.sessions.clock;
        let unsent = |why: &str| Err(Unseen::new(why));
        tokio::select! {
            biased;
            sent = self.sink.send(Message::text(text)) => {
                sent.map_err(|error| Unseen::new(transport::unsent(&error)))
            }
            _ = self.stopping.wait_for(|followed| followed.stopping) => unsent("the program stops"),
            () = clock.sleep(Duration::from_secs(SEND_SECONDS_MAX)) => {
                unsent(&format!("a message was not taken within {SEND_SECONDS_MAX} s"))
            }
        }
    }

    fn hand(&mut self, observation: Observation, session: Option<u64>) {
        // The end of a session has nobody to be told that it is durable.
        if session.is_none() && observation.is_nothing() {
            return;
        }
        self.standing
            .recorder
            .hand(observation, session, &self.place, &self.opened.redactor);
    }

    async fn ready(&mut self) {
        self.ready_by = None;
        let standing = &mut *self.standing;
        standing.back_off.anew();
        // The first one ends what was told before the program started.
        let has_news = !std::mem::replace(&mut standing.worked, true) || standing.grace.told;
        standing.grace.works();
        self.sessions.board.note(self.wanted.id, |talking| {
            talking.works = true;
            talking.failures_in_a_row = 0;
            talking.last_error = None;
        });
        if has_news {
            let say = decide::provider_reachable(&self.wanted.spec.name);
            attending::tell(&self.sessions.ledger, say).await;
        }
    }

    fn now(&self) -> i64 {
        self.sessions.clock.now()
    }
}
