//! What those have in common that attend to providers: pollers look at them, sessions stay connected.
//!
//! **Invariant:** a provider that wants a task has one, and no more than one; one that failed is begun
//! anew in a while.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clock::Clock;
use super::ledger::{Ledger, Priority};
use crate::domain::command::Command;
use crate::domain::decide::Say;
use crate::domain::state::State;
use crate::projections::configuration::Tracker;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::Watch;

/// How long a task waits that cannot go on: its secrets do not open, or the store is not written.
pub const HINDERED_WAIT: Duration = Duration::from_secs(10);
/// How long a task that failed is left alone.
const FAILED_WAIT: Duration = Duration::from_secs(5);
/// Longest error kept for people, in bytes.
pub const ERROR_BYTES_MAX: usize = 512;

/// What every task follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    pub revision: u64,
    /// After a restore, until a person resumes.
    pub halted: bool,
    /// The task is to come to its end by itself. Only where it is waited for.
    pub stopping: bool,
}

/// What becomes of tasks at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    AtOnce,
    /// They come to their end by themselves.
    Drained,
}

/// Ends a task with what holds it.
pub struct AbortOnDrop(pub AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Follows the configuration until `stop` says so: every provider that is wanted has its task.
pub async fn attend<F>(
    ledger: &Ledger,
    clock: &dyn Clock,
    mut stop: watch::Receiver<bool>,
    parting: Parting,
    wanted: impl Fn() -> Vec<u32>,
    task: impl Fn(u32, watch::Receiver<Followed>) -> F,
    ended: impl Fn(u32),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut committed = ledger.committed();
    let (tell, followed) = watch::channel(Followed::default());
    let mut tasks: JoinSet<u32> = JoinSet::new();
    let mut running: BTreeSet<u32> = BTreeSet::new();
    let mut before = None;
    while !*stop.borrow() {
        committed.borrow_and_update();
        let now = Followed {
            revision: ledger.configuration_revision(),
            halted: ledger.state().cursors.halted,
            stopping: false,
        };
        if before.replace(now) != Some(now) {
            tell.send_replace(now);
            for id in wanted() {
                if running.insert(id) {
                    let attending = tokio::spawn(task(id, followed.clone()));
                    let abort = AbortOnDrop(attending.abort_handle());
                    tasks.spawn(async move {
                        // A task that panicked was reported where it did.
                        let _ended = attending.await;
                        drop(abort);
                        id
                    });
                }
            }
        }
        tokio::select! {
            changed = committed.changed() => if changed.is_err() { break },
            Some(gone) = tasks.join_next() => {
                if let Ok(id) = gone {
                    running.remove(&id);
                    ended(id);
                    // Where it is still wanted, its task has failed: it is begun anew in a while.
                    if wanted().contains(&id) {
                        tokio::select! {
                            () = clock.sleep(FAILED_WAIT) => {}
                            _ = stop.changed() => {}
                        }
                        before = None;
                    }
                }
            }
            _ = stop.changed() => {}
        }
    }
    match parting {
        Parting::AtOnce => tasks.abort_all(),
        Parting::Drained => {
            tell.send_modify(|followed| followed.stopping = true);
            while tasks.join_next().await.is_some() {}
        }
    }
}

/// Where looking at a provider stands.
pub fn cursors(ledger: &Ledger, provider: u32) -> OfProvider {
    let state = ledger.state();
    state.cursors.of(provider).cloned().unwrap_or_default()
}

/// Enabled trackers of a provider.
pub fn trackers(state: &State, provider: u32) -> impl Iterator<Item = &Tracker> {
    let configuration = &state.configuration;
    let trackers = configuration.by_provider.get(&provider);
    trackers
        .into_iter()
        .flatten()
        .filter_map(|id| configuration.trackers.get(id))
        .filter(|tracker| tracker.entity.spec.enabled)
}

/// What a tracker asks; `due` is said by who looks.
pub fn watch(tracker: &Tracker) -> Watch {
    let spec = &tracker.entity.spec;
    Watch {
        tracker: tracker.entity.id,
        name: spec.name.clone(),
        kinds: spec.kinds.clone(),
        collections: spec.collections.clone(),
        options: spec.asks.options.clone(),
        due: false,
    }
}

/// What a provider's jitter is drawn from.
pub fn salt(state: &State, provider: u32) -> u64 {
    let salt = state.founding.map_or([0; 32], |founding| founding.salt);
    xxh3_64_with_seed(&salt, u64::from(provider))
}

/// Lets the bridge say something of itself.
pub async fn tell(ledger: &Ledger, say: Say) {
    let command = Command::Tell(Box::new(say));
    if let Err(error) = ledger.command(Priority::Outcome, command).await {
        tracing::warn!(%error, "nobody could be told of a provider");
    }
}

/// Waits for so long; without a span forever.
pub async fn sleep(clock: &Arc<dyn Clock>, span: Option<Duration>) {
    match span {
        Some(span) => clock.sleep(span).await,
        None => std::future::pending().await,
    }
}

/// Waits for this moment, in microseconds since 1970; without one forever.
pub async fn sleep_until(clock: &Arc<dyn Clock>, at: Option<i64>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
