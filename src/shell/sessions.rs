//! Providers that tell over a connection that stays open: one task each, which keeps a session.
//!
//! **Invariant:** nothing is decided here. A session's kind says what to do ([`Act`](crate::providers::ask::Act)); this connects,
//! sends, waits, and records what was seen, one command at a time.
//!
//! **Invariant:** a session begins with cursors that hold everything that was seen before it: nothing is
//! opened while something waits to be recorded. What was handed over is recorded once, whatever becomes
//! of its session.
//!
//! **Invariant:** nobody is connected after a restore until a person resumes, nor while intake is turned
//! away for want of room.

mod board;
mod patience;
pub mod recorder;
mod talk;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::attending::{self, Followed, HINDERED_WAIT, Parting};
use super::client::Client;
use super::clock::Clock;
use super::entropy::{Entropy as _, SystemEntropy};
use super::ledger::Ledger;
use super::pollers::timing::micros;
use super::vault::{Opened, Vault, VaultError};
use crate::domain::decide;
use crate::domain::spec::{EntityKind, ProviderSpec, SecretMarks};
use crate::domain::state::State;
use crate::projections::configuration::Entity;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{AskInput, Unseen, Watch};
use crate::providers::{self, Polled, Subscribed};

use board::Board;
pub use board::Talking;
pub use patience::{BACK_OFF_MAX, BACK_OFF_MIN, GRACE};
use patience::{BackOff, Grace};
pub use recorder::{NOTICES_WAITING_MAX, OBSERVATIONS_WAITING_MAX};
use recorder::{Place, Recorder};
pub use talk::{READY_SECONDS_MAX, SEND_SECONDS_MAX};

/// Longest time for what was seen to be recorded when the program stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Waits until [`Sessions::run`], which was told to stop, has come to its end; it is ended after
/// [`DRAIN_MAX`].
pub async fn drained(mut running: JoinHandle<()>) {
    let drained = tokio::time::timeout(DRAIN_MAX, &mut running).await;
    if drained.is_err() {
        running.abort();
        tracing::warn!("what providers said could not be recorded in time");
    }
}

/// What speaks with a kind of provider.
#[derive(Clone, Copy)]
pub struct Speaks {
    pub subscribed: &'static dyn Subscribed,
    /// Says what is lost with a provider that is unreachable.
    pub polled: Option<&'static dyn Polled>,
}

/// What speaks with the kind of this name; `None` for one that has no sessions.
pub type Kinds = dyn Fn(&str) -> Option<Speaks> + Send + Sync;

/// The kinds there are.
pub fn kinds(name: &str) -> Option<Speaks> {
    let kind = providers::kind(name)?;
    Some(Speaks {
        subscribed: kind.subscribed()?,
        polled: kind.polled(),
    })
}

/// What the tasks of sessions share.
pub struct Sessions {
    ledger: Ledger,
    vault: Arc<Vault>,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    kinds: Box<Kinds>,
    board: Arc<Board>,
}

/// A provider as it is configured, with what a session with it begins with.
struct Wanted {
    id: u32,
    revision: u64,
    spec: ProviderSpec,
    marks: SecretMarks,
    speaks: Speaks,
    /// Of enabled trackers.
    watches: Vec<Watch>,
    zone: TimeZone,
    salt: u64,
}

impl Wanted {
    /// Whether a session that began with this may go on with that.
    fn is_same(&self, other: &Wanted) -> bool {
        self.revision == other.revision && self.zone == other.zone
    }
}

/// Why a session ended, or did not begin.
#[derive(Debug)]
enum Ended {
    Failed(Unseen),
    /// What it saw is not recorded.
    Unrecorded(String),
    /// It is not wanted as it was: something else is followed now.
    Anew,
}

/// What a task keeps from one session to the next.
struct Standing<'a> {
    recorder: Recorder<'a>,
    back_off: BackOff,
    grace: Grace,
    /// Number of the last session.
    session: u64,
    /// Whether one has worked since the task began.
    worked: bool,
}

impl Sessions {
    pub fn new(
        ledger: Ledger,
        vault: Arc<Vault>,
        client: Arc<Client>,
        clock: Arc<dyn Clock>,
        kinds: Box<Kinds>,
    ) -> Self {
        Sessions {
            ledger,
            vault,
            client,
            clock,
            kinds,
            board: Arc::default(),
        }
    }

    /// How the session with a provider goes.
    pub fn talking(&self, provider: u32) -> Talking {
        self.board.get(provider)
    }

    /// Follows the configuration until `stop` says so: every enabled provider that tells over a session
    /// has its task. Then what was seen is recorded.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        attending::attend(
            &self.ledger,
            &*self.clock,
            stop,
            Parting::Drained,
            || self.wanted_ids(),
            |id, followed| Arc::clone(&self).attend(id, followed),
            |id| self.board.forget(id),
        )
        .await;
    }

    fn wanted_ids(&self) -> Vec<u32> {
        let state = self.ledger.state();
        let providers = state.configuration.providers.values();
        providers
            .filter(|provider| provider.spec.enabled && (self.kinds)(&provider.spec.kind).is_some())
            .map(|provider| provider.id)
            .collect()
    }

    /// The provider as it is configured now, if a session with it is wanted.
    fn wanted(&self, id: u32) -> Option<Wanted> {
        let state = self.ledger.state();
        let provider = state.configuration.providers.get(&id)?;
        if !provider.spec.enabled {
            return None;
        }
        let speaks = (self.kinds)(&provider.spec.kind)?;
        Some(wanted(&state, provider, speaks))
    }

    fn open(&self, wanted: &Wanted) -> Result<Arc<Opened>, VaultError> {
        let (id, revision) = (wanted.id, wanted.revision);
        self.vault
            .open(EntityKind::Provider, id, revision, &wanted.marks)
    }

    fn input<'a>(
        &self,
        wanted: &'a Wanted,
        opened: &'a Opened,
        cursors: &'a OfProvider,
    ) -> AskInput<'a> {
        AskInput {
            spec: &wanted.spec,
            secrets: &opened.values,
            watches: &wanted.watches,
            cursors,
            now: self.clock.now(),
            zone: &wanted.zone,
            chance: SystemEntropy.next_u64(),
        }
    }

    /// Keeps a session with one provider until none is wanted any more.
    async fn attend(self: Arc<Self>, id: u32, mut followed: watch::Receiver<Followed>) {
        let mut standing = Standing {
            recorder: Recorder::new(&self.ledger, &self.clock, id),
            back_off: BackOff::default(),
            grace: Grace::default(),
            session: 0,
            worked: false,
        };
        let mut known: Option<Wanted> = None;
        loop {
            let now = *followed.borrow_and_update();
            if now.stopping {
                if let Err(error) = standing.recorder.all().await {
                    tracing::error!(%error, "the program stops before what a provider said is recorded");
                }
                return;
            }
            let Some(wanted) = self.wanted(id) else {
                return;
            };
            if known.as_ref().is_some_and(|known| !known.is_same(&wanted)) {
                standing.back_off.anew();
            }
            if now.halted || self.ledger.is_disk_low() {
                standing.grace.pause();
                self.board.note(id, |talking| talking.next_at = None);
                self.wait(HINDERED_WAIT, &mut followed).await;
                known = Some(wanted);
                continue;
            }
            if !standing.recorder.is_empty() {
                tokio::select! {
                    biased;
                    changed = followed.changed() => if changed.is_err() { return },
                    recorded = standing.recorder.all() => if let Err(error) = recorded {
                        standing.grace.pause();
                        self.failed(&wanted, &standing, &error.to_string());
                        self.wait(HINDERED_WAIT, &mut followed).await;
                    }
                }
                known = Some(wanted);
                continue;
            }
            let monotonic = self.clock.monotonic();
            standing.grace.begin(monotonic);
            if let Some(left) = standing.back_off.left(monotonic) {
                self.wait_for_next(&wanted, &mut standing, left, &mut followed)
                    .await;
                known = Some(wanted);
                continue;
            }
            self.board.note(id, |talking| talking.next_at = None);
            match self.session(&wanted, &mut standing, &mut followed).await {
                Ended::Failed(unseen) => {
                    let monotonic = self.clock.monotonic();
                    let Standing {
                        back_off, grace, ..
                    } = &mut standing;
                    back_off.failed(monotonic, unseen.after, wanted.salt);
                    // From here on, where it had worked.
                    grace.begin(monotonic);
                    let told = grace.told;
                    self.failed(&wanted, &standing, &unseen.why);
                    if told {
                        // Said once: while it is open it is not said again.
                        self.say_unreachable(&wanted, &unseen.why).await;
                    }
                }
                Ended::Unrecorded(why) => {
                    let monotonic = self.clock.monotonic();
                    standing.back_off.failed(monotonic, None, wanted.salt);
                    standing.grace.pause();
                    self.failed(&wanted, &standing, &why);
                }
                Ended::Anew => {}
            }
            known = Some(wanted);
        }
    }

    /// Waits for so long, or until something else is followed.
    async fn wait(&self, span: Duration, followed: &mut watch::Receiver<Followed>) {
        tokio::select! {
            _ = followed.changed() => {}
            () = self.clock.sleep(span) => {}
        }
    }

    /// Waits until it is tried again, and tells of a provider that was without a session for too long.
    async fn wait_for_next(
        &self,
        wanted: &Wanted,
        standing: &mut Standing<'_>,
        left: Duration,
        followed: &mut watch::Receiver<Followed>,
    ) {
        let next_at = self.clock.now().saturating_add(micros(left));
        self.board
            .note(wanted.id, |talking| talking.next_at = Some(next_at));
        let grace = standing.grace.left(self.clock.monotonic());
        tokio::select! {
            biased;
            () = attending::sleep(&self.clock, grace) => {
                self.unreachable(wanted, standing).await;
            }
            () = self.wait(left, followed) => {}
        }
    }

    /// A provider was without a session for so long that it is told: by the bridge, and by its kind.
    async fn unreachable(&self, wanted: &Wanted, standing: &mut Standing<'_>) {
        standing.grace.told = true;
        let why = self.talking(wanted.id).last_error.unwrap_or_default();
        self.say_unreachable(wanted, &why).await;
        let Some(polled) = wanted.speaks.polled else {
            return;
        };
        // Where its secrets do not open there is nothing its kind could be asked with.
        let Ok(opened) = self.open(wanted) else {
            return;
        };
        let cursors = attending::cursors(&self.ledger, wanted.id);
        let lost = polled.unreachable(&self.input(wanted, &opened, &cursors));
        if !lost.is_nothing() {
            let place = Place::of(&wanted.spec);
            standing.recorder.hand(lost, None, &place, &opened.redactor);
        }
    }

    async fn say_unreachable(&self, wanted: &Wanted, why: &str) {
        let say = decide::provider_unreachable(&wanted.spec.name, why);
        attending::tell(&self.ledger, say).await;
    }

    fn failed(&self, wanted: &Wanted, standing: &Standing<'_>, why: &str) {
        let failures = standing.back_off.failures;
        let mut why = why.to_owned();
        crate::domain::notice::cut(&mut why, attending::ERROR_BYTES_MAX);
        tracing::warn!(
            provider.name = wanted.spec.name,
            failures,
            why,
            "there is no session with a provider"
        );
        self.board.note(wanted.id, |talking| {
            talking.failures_in_a_row = failures;
            talking.last_error = Some(why);
        });
    }
}

fn wanted(state: &State, provider: &Entity<ProviderSpec>, speaks: Speaks) -> Wanted {
    let trackers = attending::trackers(state, provider.id);
    let watches = trackers.map(|tracker| Watch {
        due: true,
        ..attending::watch(tracker)
    });
    Wanted {
        id: provider.id,
        revision: provider.revision,
        spec: provider.spec.clone(),
        marks: provider.secrets.clone(),
        speaks,
        watches: watches.collect(),
        zone: state.configuration.zone().clone(),
        salt: attending::salt(state, provider.id),
    }
}
