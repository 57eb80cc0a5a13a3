//! Providers that are asked: one task each, which looks when it is time and reports what it saw.
//!
//! **Invariant:** nothing is decided here. A look gives one command, or none when it saw nothing new;
//! what was not recorded is looked for again.
//!
//! **Invariant:** nobody is asked after a restore until a person resumes, nor while intake is turned
//! away for want of room: what is seen then would be lost.

pub(in crate::shell) mod hide;
mod lines;
pub mod looking;
pub mod timing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Notify, watch};

use super::attending::{
    self, ERROR_BYTES_MAX, Followed, HINDERED_WAIT, Parting, sleep, sleep_until,
};
use super::client::Client;
use super::clock::Clock;
use super::entropy::{Entropy as _, SystemEntropy};
use super::ledger::{Ledger, LedgerError, Priority};
use super::vault::{Opened, Vault, VaultError};
use crate::domain::command::{Command, Observe, Refusal};
use crate::domain::decide::{self, NOTICES_PER_REQUEST_MAX};
use crate::domain::spec::{EntityKind, INTERVAL_DEFAULT, ProviderSpec, SecretMarks};
use crate::domain::state::State;
use crate::projections::configuration::{Entity, Tracker};
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Ask, AskInput, Observation, Rhythm, Seen, Unseen, Watch};
use crate::providers::{self, Polled};

use looking::{Hosts, Looking};
use timing::{Pace, Reading, Timing};

/// Failures in a row after which a provider is said to be unreachable.
pub const UNREACHABLE_AFTER: u32 = 2;

/// How looking at a provider goes, in memory since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polling {
    pub looks: u64,
    pub failures_in_a_row: u32,
    /// Microseconds since 1970, as the others.
    pub last_at: Option<i64>,
    /// When something new was last seen.
    pub last_new_at: Option<i64>,
    pub next_at: Option<i64>,
    pub last_error: Option<String>,
}

/// Why a provider could not be asked for a person.
#[derive(Debug, thiserror::Error)]
pub enum AskFailed {
    #[error("provider {0} does not exist")]
    Unknown(String),
    /// It tells by itself.
    #[error("kind {0} cannot be asked: it tells by itself")]
    NotAsked(String),
    #[error(transparent)]
    Secrets(#[from] VaultError),
    #[error(transparent)]
    Unseen(#[from] Unseen),
}

/// What pollers share.
pub struct Pollers {
    ledger: Ledger,
    vault: Arc<Vault>,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    hosts: Hosts,
    board: Mutex<BTreeMap<u32, Polling>>,
    /// Of providers that are looked at: that one said something happened. Words that come while it is
    /// looked at are one.
    nudges: Mutex<BTreeMap<u32, Arc<Notify>>>,
}

/// A provider as it is configured, with what a look at it begins with.
struct Asked {
    id: u32,
    revision: u64,
    spec: ProviderSpec,
    marks: SecretMarks,
    polled: &'static dyn Polled,
    /// Of enabled trackers, with the pace of each.
    watches: Vec<(Watch, Pace)>,
    own_pace: Pace,
    zone: TimeZone,
    salt: u64,
}

impl Pollers {
    pub fn new(
        ledger: Ledger,
        vault: Arc<Vault>,
        client: Arc<Client>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Pollers {
            ledger,
            vault,
            client,
            clock,
            hosts: Hosts::default(),
            board: Mutex::default(),
            nudges: Mutex::default(),
        }
    }

    /// A provider said by itself that something happened: it is looked at soon
    /// ([`timing::NUDGED_APART`]). One that is not looked at is left alone.
    pub fn nudge(&self, provider: u32) {
        if let Some(nudge) = self.nudges().get(&provider) {
            nudge.notify_one();
        }
    }

    fn nudges(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Notify>>> {
        self.nudges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How looking at a provider goes.
    pub fn polling(&self, provider: u32) -> Polling {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.get(&provider).cloned().unwrap_or_default()
    }

    fn note(&self, provider: u32, change: impl FnOnce(&mut Polling)) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        change(board.entry(provider).or_default());
    }

    /// Asks a provider something for a person, at once.
    pub async fn ask(&self, name: &str, ask: Ask) -> Result<Seen, AskFailed> {
        let asked = {
            let state = self.ledger.state();
            let provider = state
                .configuration
                .provider(name)
                .ok_or_else(|| AskFailed::Unknown(name.to_owned()))?;
            asked(&state, provider)
                .ok_or_else(|| AskFailed::NotAsked(provider.spec.kind.clone()))?
        };
        let opened = self.open(&asked)?;
        let watches = asked.watches.iter().map(|(watch, _)| watch.clone());
        let watches: Vec<Watch> = watches.map(|watch| Watch { due: true, ..watch }).collect();
        Ok(self.look(&asked, &opened, ask, &watches).await?)
    }

    fn open(&self, asked: &Asked) -> Result<Arc<Opened>, VaultError> {
        let (id, revision) = (asked.id, asked.revision);
        self.vault
            .open(EntityKind::Provider, id, revision, &asked.marks)
    }

    async fn look(
        &self,
        asked: &Asked,
        opened: &Opened,
        ask: Ask,
        watches: &[Watch],
    ) -> Result<Seen, Unseen> {
        let cursors = attending::cursors(&self.ledger, asked.id);
        let look = asked
            .polled
            .begin(ask, &self.input(asked, opened, watches, &cursors));
        let looking = Looking {
            client: &self.client,
            clock: &self.clock,
            hosts: &self.hosts,
            allow_private: asked.spec.allow_private,
            redactor: &opened.redactor,
        };
        looking.look(look).await
    }

    fn input<'a>(
        &self,
        asked: &'a Asked,
        opened: &'a Opened,
        watches: &'a [Watch],
        cursors: &'a OfProvider,
    ) -> AskInput<'a> {
        AskInput {
            spec: &asked.spec,
            secrets: &opened.values,
            watches,
            cursors,
            now: self.clock.now(),
            zone: &asked.zone,
            chance: SystemEntropy.next_u64(),
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        }
    }

    /// Follows the configuration until `stop` says so: every enabled provider that is looked at has its
    /// task.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        attending::attend(
            &self.ledger,
            &*self.clock,
            stop,
            Parting::AtOnce,
            || self.wanted(),
            |id, followed| Arc::clone(&self).attend(id, followed),
            |id| {
                let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
                board.remove(&id);
                self.nudges().remove(&id);
            },
        )
        .await;
    }

    /// Providers that are looked at.
    fn wanted(&self) -> Vec<u32> {
        let state = self.ledger.state();
        let providers = state.configuration.providers.values();
        let looked_at = providers.filter(|provider| {
            provider.spec.enabled
                && providers::kind(&provider.spec.kind)
                    .and_then(|kind| kind.polled())
                    .is_some_and(|polled| polled.rhythm() != Rhythm::Asked)
        });
        looked_at.map(|provider| provider.id).collect()
    }

    /// Looks at one provider until it is not to be looked at any more.
    async fn attend(self: Arc<Self>, id: u32, mut followed: watch::Receiver<Followed>) {
        let nudge = Arc::clone(self.nudges().entry(id).or_default());
        let mut timing = Timing::default();
        let mut known: Option<(u64, Vec<(Watch, Pace)>)> = None;
        loop {
            let halted = followed.borrow_and_update().halted;
            let asked = {
                let state = self.ledger.state();
                let provider = state.configuration.providers.get(&id);
                provider
                    .filter(|provider| provider.spec.enabled)
                    .and_then(|provider| asked(&state, provider))
            };
            let Some(asked) = asked else { return };
            timing.follow(&asked.paces(), self.reading());
            let as_known = known.as_ref();
            if as_known.is_some_and(|(revision, watches)| {
                *revision != asked.revision || *watches != asked.watches
            }) {
                timing.anew(self.reading());
            }
            known = Some((asked.revision, asked.watches.clone()));
            let due = timing.due(self.reading());
            let hindered = halted || self.ledger.is_disk_low();
            if !hindered && !due.is_empty() {
                self.once(&asked, &mut timing, &due).await;
            }
            let now = self.reading();
            let next_at = timing.next_at(now).filter(|_| !hindered);
            self.note(id, |polling| polling.next_at = next_at);
            let (wait, named) = match hindered {
                true => (Some(HINDERED_WAIT), None),
                false => timing.wait(now),
            };
            tokio::select! {
                changed = followed.changed() => if changed.is_err() { return },
                () = sleep(&self.clock, wait) => {}
                () = sleep_until(&self.clock, named) => {}
                () = nudge.notified() => timing.nudged(self.reading()),
            }
        }
    }

    /// One look at what is due, with everything that follows from it.
    async fn once(&self, asked: &Asked, timing: &mut Timing, due: &BTreeSet<Pace>) {
        let watches: Vec<Watch> = asked
            .watches
            .iter()
            .map(|(watch, pace)| Watch {
                due: due.contains(pace),
                ..watch.clone()
            })
            .collect();
        let opened = match self.open(asked) {
            Ok(opened) => opened,
            Err(error) => {
                self.failed(asked, timing, Unseen::new(error.to_string()), None)
                    .await;
                return;
            }
        };
        match self.look(asked, &opened, Ask::Observe, &watches).await {
            Ok(seen) => {
                let observation = seen.observation;
                let is_new = !observation.is_nothing();
                let named = observation.next_at;
                let first = timing.failures > 0 || self.polling(asked.id).looks == 0;
                if is_new && let Err(unseen) = self.observe(asked, &opened, observation).await {
                    timing.failed(self.reading(), None, asked.salt);
                    self.note_failure(asked, timing.failures, &unseen.why);
                    return;
                }
                if first {
                    let say = decide::provider_reachable(&asked.spec.name);
                    attending::tell(&self.ledger, say).await;
                }
                let now = self.reading();
                timing.looked(due, now, is_new, named, asked.salt);
                self.note(asked.id, |polling| {
                    polling.looks += 1;
                    polling.failures_in_a_row = 0;
                    polling.last_at = Some(now.wall);
                    polling.last_error = None;
                    if is_new {
                        polling.last_new_at = Some(now.wall);
                    }
                });
            }
            Err(unseen) => {
                self.failed(asked, timing, unseen, Some((&*opened, &watches[..])))
                    .await;
            }
        }
    }

    fn note_failure(&self, asked: &Asked, failures: u32, why: &str) {
        let at = self.clock.now();
        let mut why = why.to_owned();
        crate::domain::notice::cut(&mut why, ERROR_BYTES_MAX);
        tracing::warn!(
            provider.name = asked.spec.name,
            failures,
            why,
            "a look at a provider saw nothing"
        );
        self.note(asked.id, |polling| {
            polling.looks += 1;
            polling.failures_in_a_row = failures;
            polling.last_at = Some(at);
            polling.last_error = Some(why);
        });
    }

    async fn failed(
        &self,
        asked: &Asked,
        timing: &mut Timing,
        unseen: Unseen,
        looked: Option<(&Opened, &[Watch])>,
    ) {
        timing.failed(self.reading(), unseen.after, asked.salt);
        self.note_failure(asked, timing.failures, &unseen.why);
        if timing.failures < UNREACHABLE_AFTER {
            return;
        }
        // Said once: while it is open it is not said again.
        let say = decide::provider_unreachable(&asked.spec.name, &unseen.why);
        attending::tell(&self.ledger, say).await;
        if let Some((opened, watches)) = looked.filter(|_| timing.failures == UNREACHABLE_AFTER) {
            let cursors = attending::cursors(&self.ledger, asked.id);
            let input = self.input(asked, opened, watches, &cursors);
            let lost = asked.polled.unreachable(&input);
            if !lost.is_nothing()
                && let Err(error) = self.observe(asked, opened, lost).await
            {
                tracing::warn!(
                    provider.name = asked.spec.name,
                    why = error.why,
                    "what is lost with a provider could not be recorded"
                );
            }
        }
    }

    /// Records what was seen: cursors and notices in one.
    async fn observe(
        &self,
        asked: &Asked,
        opened: &Opened,
        observation: Observation,
    ) -> Result<(), Unseen> {
        if observation.notices.len() > NOTICES_PER_REQUEST_MAX {
            return Err(Unseen::new(format!(
                "it gave {} notices at once, more than {NOTICES_PER_REQUEST_MAX}",
                observation.notices.len()
            )));
        }
        let notices = observation.notices.into_iter();
        let observe = Observe {
            provider: asked.id,
            revision: asked.revision,
            cursors: observation.cursors,
            notices: notices
                .map(|notice| hide::hide(notice, &opened.redactor))
                .collect(),
        };
        let command = Command::Observe(Box::new(observe));
        match self.ledger.command(Priority::Intake, command).await {
            // It was configured anew meanwhile, and is looked at as it is now.
            Ok(_) | Err(LedgerError::Refused(Refusal::Outdated | Refusal::NotFound { .. })) => {
                Ok(())
            }
            Err(error) => Err(Unseen::new(format!("it could not be recorded: {error}"))),
        }
    }
}

impl Asked {
    /// The paces of its trackers, or without any its own.
    fn paces(&self) -> BTreeSet<Pace> {
        let paces: BTreeSet<Pace> = self.watches.iter().map(|(_, pace)| *pace).collect();
        if paces.is_empty() {
            BTreeSet::from([self.own_pace])
        } else {
            paces
        }
    }
}

/// A provider with what is asked of it, when its kind can be asked.
fn asked(state: &State, provider: &Entity<ProviderSpec>) -> Option<Asked> {
    let polled = providers::kind(&provider.spec.kind)?.polled()?;
    let own_pace = match polled.rhythm() {
        Rhythm::Interval => pace(&provider.spec, None),
        // By its own moments alone; a failure is tried again as any other's.
        Rhythm::Clock | Rhythm::Asked => Pace {
            interval: CLOCK_LOOK,
            max_skip: 0,
        },
    };
    let watches = attending::trackers(state, provider.id)
        .map(|tracker| {
            let pace = match polled.rhythm() {
                Rhythm::Interval => pace(&provider.spec, Some(tracker)),
                Rhythm::Clock | Rhythm::Asked => own_pace,
            };
            (attending::watch(tracker), pace)
        })
        .collect();
    Some(Asked {
        id: provider.id,
        revision: provider.revision,
        spec: provider.spec.clone(),
        marks: provider.secrets.clone(),
        polled,
        watches,
        own_pace,
        zone: state.configuration.zone().clone(),
        salt: attending::salt(state, provider.id),
    })
}

/// How often a kind is looked at that names its own moments, should one of them get lost.
const CLOCK_LOOK: Duration = Duration::from_secs(3_600);

fn pace(spec: &ProviderSpec, tracker: Option<&Tracker>) -> Pace {
    let asks = tracker.map(|tracker| &tracker.entity.spec.asks);
    let interval = asks
        .and_then(|asks| asks.interval)
        .or(spec.source.interval)
        .unwrap_or(INTERVAL_DEFAULT);
    let max_skip = asks
        .and_then(|asks| asks.adaptive_max_skip)
        .or(spec.source.adaptive_max_skip)
        .unwrap_or(0);
    Pace {
        interval: Duration::from_secs(u64::from(interval.seconds())),
        max_skip,
    }
}
