//! The ledger: the one thread that decides and appends.
//!
//! Commands wait in four bounded queues. The thread takes whatever waits, decides each against its
//! own copy of the state, writes all events in one durable transaction, then applies them to the
//! state that readers share, and only then answers. While it commits, the next batch gathers: group
//! commit at the disk's own rhythm.
//!
//! **Invariant:** readers never see what is not durable, and never wait for a commit.
//!
//! **Invariant:** a failed commit is told to everyone in the batch. The store is opened again, the
//! shared state takes what the log turned out to hold, and the writer's copy is made anew from it.

mod slice;
mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use notify_store::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BODY_BYTES_MAX, Log, PAYLOAD_BYTES_MAX, Reader, Recorded,
    Removal, Removed,
};
use tokio::sync::{broadcast, oneshot, watch};
use zeroize::Zeroizing;

use super::clock::Clock;
use super::keyring::Keyring;
use crate::domain::command::{Command, Refusal, Told};
use crate::domain::event::Event;
use crate::domain::spec::EntityKind;
use crate::domain::state::State;
use slice::Slice;
pub use slice::SliceError;
use writer::Writer;

/// Commands decided in one transaction.
pub const BATCH_COMMANDS_MAX: usize = 1_024;
/// Of those, so many are kept for others than outcomes, so that a flood of reports starves nobody.
const BATCH_RESERVED: usize = 256;
/// Intake commands waiting; one more is refused.
pub const INTAKE_COMMANDS_MAX: usize = 4_096;
/// Bytes of bodies waiting with them; more is refused.
pub const INTAKE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Commands of people waiting; one more is refused.
pub const PEOPLE_COMMANDS_MAX: usize = 256;
/// Commands of maintenance waiting; one more is refused.
pub const MAINTENANCE_COMMANDS_MAX: usize = 64;
/// Events after which a batch takes no further command. With those of one command it is still within
/// what the log takes in one transaction.
const BATCH_EVENTS_CLOSE: usize = 4_096;
/// Bytes of events and bodies after which a batch takes no further command.
const BATCH_BYTES_CLOSE: usize = 32 * 1024 * 1024;
/// Most events one command may lead to; one that leads to more is refused.
pub const COMMAND_EVENTS_MAX: usize = BATCH_EVENTS_MAX - BATCH_EVENTS_CLOSE;
/// Most bytes of the events one command may lead to; one that leads to more is refused.
pub const COMMAND_BYTES_MAX: usize = BATCH_BYTES_MAX - BATCH_BYTES_CLOSE - BODY_BYTES_MAX;

const _: () = assert!(COMMAND_BYTES_MAX >= 4 * PAYLOAD_BYTES_MAX);
/// Committed batches kept for followers that are behind; one further behind reads the log.
const FOLLOWERS_BEHIND_MAX: usize = 1_024;

/// Who is asking, in the order in which they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Claims and what came of attempts. Never refused.
    Outcome,
    People,
    Intake,
    Maintenance,
}

/// What goes beside a command into the same transaction.
#[derive(Default)]
pub struct Beside {
    /// The packed body of the request, kept under the position of its first event.
    pub body: Option<Vec<u8>>,
    /// Secrets in the clear, sealed once the entity's id is known.
    pub secrets: BTreeMap<(EntityKind, String), BTreeMap<String, Zeroizing<String>>>,
}

/// What a command led to, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub told: Told,
    /// Positions of its events; empty when it appended nothing.
    pub positions: Range<u64>,
    pub recorded_at: i64,
}

/// Why a command did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is full; nothing happened.
    #[error("too much is waiting to be written; try again in a moment")]
    Saturated,
    #[error("the disk is nearly full; nothing more is accepted until there is room")]
    DiskLow,
    /// The commit failed; it may or may not be on disk.
    #[error("writing failed; try again in a moment")]
    Failed,
    #[error("the program is stopping")]
    Stopping,
}

struct Waiting {
    command: Command,
    beside: Beside,
    correlation: [u8; 16],
    reply: oneshot::Sender<Result<Committed, LedgerError>>,
}

/// A removal, and who waits for it.
struct Removing {
    removal: Removal,
    reply: oneshot::Sender<Result<(Removed, Duration), LedgerError>>,
}

#[derive(Default)]
struct Queues {
    outcomes: VecDeque<Waiting>,
    people: VecDeque<Waiting>,
    intake: VecDeque<Waiting>,
    intake_bytes: usize,
    maintenance: VecDeque<Waiting>,
    /// Work on the store itself, one between two batches.
    slices: VecDeque<Slice>,
    /// What compaction removes; one at a time, between batches.
    removal: Option<Removing>,
    stopping: bool,
    /// The writer waits to be woken. Waking it costs a call of the system, also when it is awake.
    idle: bool,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.people.is_empty()
            && self.intake.is_empty()
            && self.maintenance.is_empty()
            && self.slices.is_empty()
            && self.removal.is_none()
    }

    fn take(&mut self) -> VecDeque<Waiting> {
        let waiting =
            self.outcomes.len() + self.people.len() + self.intake.len() + self.maintenance.len();
        let mut batch = VecDeque::with_capacity(waiting.min(BATCH_COMMANDS_MAX));
        let others = waiting - self.outcomes.len();
        let reserved = others.min(BATCH_RESERVED);
        let outcomes = self.outcomes.len().min(BATCH_COMMANDS_MAX - reserved);
        batch.extend(self.outcomes.drain(..outcomes));
        for queue in [&mut self.people, &mut self.intake, &mut self.maintenance] {
            let count = queue.len().min(BATCH_COMMANDS_MAX - batch.len());
            batch.extend(queue.drain(..count));
        }
        let taken: usize = batch.iter().map(Waiting::bytes).sum();
        self.intake_bytes = self.intake_bytes.saturating_sub(taken);
        batch
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.beside.body.as_ref().map_or(0, Vec::len)
    }
}

/// A committed batch of events, as followers get it.
pub type CommittedEvents = Arc<Vec<Recorded<Event>>>;

/// What was committed since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Transactions.
    pub commits: u64,
    /// Events by the number of their kind.
    pub events: [u64; EVENT_KINDS_MAX],
}

/// Kinds of events are numbered below this.
pub const EVENT_KINDS_MAX: usize = 128;

impl Default for Tally {
    fn default() -> Self {
        Tally {
            commits: 0,
            events: [0; EVENT_KINDS_MAX],
        }
    }
}

struct Shared {
    tally: Mutex<Tally>,
    queues: Mutex<Queues>,
    wake: Condvar,
    state: RwLock<State>,
    committed: watch::Sender<u64>,
    followers: broadcast::Sender<CommittedEvents>,
    disk_low: std::sync::atomic::AtomicBool,
    /// Revision of the configuration in `state`, to be seen without its lock.
    configured: std::sync::atomic::AtomicU64,
}

impl Shared {
    /// Lets go of the queues until the writer is woken, or so long; says whether the time was up.
    fn wait<'q>(
        &self,
        mut queues: MutexGuard<'q, Queues>,
        most: Option<Duration>,
    ) -> (MutexGuard<'q, Queues>, bool) {
        queues.idle = true;
        let (mut queues, is_late) = match most {
            None => {
                let woken = self.wake.wait(queues);
                (woken.unwrap_or_else(PoisonError::into_inner), false)
            }
            Some(most) => {
                let (queues, timeout) = self
                    .wake
                    .wait_timeout(queues, most)
                    .unwrap_or_else(PoisonError::into_inner);
                (queues, timeout.timed_out())
            }
        };
        queues.idle = false;
        (queues, is_late)
    }
}

/// How everyone else gives commands and reads the state. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    reader: Reader<Event>,
    clock: Arc<dyn Clock>,
}

/// The running thread; joined when the program stops.
pub struct LedgerThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<State>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held left nothing half done: queues are only pushed and drained.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Starts the thread over an open log whose state has been folded.
    pub fn start(
        log: Log<Event>,
        state: State,
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<(Ledger, LedgerThread)> {
        let reader = log.reader();
        let own_clock = Arc::clone(&clock);
        let shared = Arc::new(Shared {
            tally: Mutex::default(),
            queues: Mutex::new(Queues::default()),
            wake: Condvar::new(),
            state: RwLock::new(state.clone()),
            committed: watch::Sender::new(state.position),
            configured: state.configuration.revision.into(),
            followers: broadcast::Sender::new(FOLLOWERS_BEHIND_MAX),
            disk_low: std::sync::atomic::AtomicBool::new(false),
        });
        let writer = Writer {
            log,
            state,
            keyring,
            clock,
            shared: Arc::clone(&shared),
            left: VecDeque::new(),
        };
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer.run())?;
        let handle = LedgerThread {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        let ledger = Ledger {
            shared,
            reader,
            clock: own_clock,
        };
        Ok((ledger, handle))
    }

    /// The clock by which is recorded and decided.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Gives a command and waits until what it led to is durable.
    pub async fn submit(
        &self,
        priority: Priority,
        command: Command,
        beside: Beside,
        correlation: [u8; 16],
    ) -> Result<Committed, LedgerError> {
        let answer = self.offer(priority, command, beside, correlation)?;
        answer.await.unwrap_or(Err(LedgerError::Failed))
    }

    /// As [`Ledger::submit`], for a command with nothing beside it.
    pub async fn command(
        &self,
        priority: Priority,
        command: Command,
    ) -> Result<Committed, LedgerError> {
        self.submit(priority, command, Beside::default(), [0; 16])
            .await
    }

    fn offer(
        &self,
        priority: Priority,
        command: Command,
        beside: Beside,
        correlation: [u8; 16],
    ) -> Result<oneshot::Receiver<Result<Committed, LedgerError>>, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            command,
            beside,
            correlation,
            reply,
        };
        let wake = {
            let mut queues = lock(&self.shared.queues);
            if queues.stopping && priority != Priority::Outcome {
                return Err(LedgerError::Stopping);
            }
            match priority {
                Priority::Outcome => queues.outcomes.push_back(waiting),
                Priority::People => push(&mut queues.people, waiting, PEOPLE_COMMANDS_MAX)?,
                Priority::Maintenance => {
                    push(&mut queues.maintenance, waiting, MAINTENANCE_COMMANDS_MAX)?
                }
                Priority::Intake => {
                    if self
                        .shared
                        .disk_low
                        .load(std::sync::atomic::Ordering::Relaxed)
                    {
                        return Err(LedgerError::DiskLow);
                    }
                    let bytes = waiting.bytes();
                    if queues.intake_bytes + bytes > INTAKE_BYTES_MAX {
                        return Err(LedgerError::Saturated);
                    }
                    push(&mut queues.intake, waiting, INTAKE_COMMANDS_MAX)?;
                    queues.intake_bytes += bytes;
                }
            }
            std::mem::take(&mut queues.idle)
        };
        if wake {
            self.shared.wake.notify_one();
        }
        Ok(answer)
    }

    /// Removes events in a transaction of its own, between those of commands, and says what it removed
    /// and how long that took. There is room for one; another one is refused meanwhile.
    pub async fn remove(&self, removal: Removal) -> Result<(Removed, Duration), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let wake = {
            let mut queues = lock(&self.shared.queues);
            if queues.stopping {
                return Err(LedgerError::Stopping);
            }
            if queues.removal.is_some() {
                return Err(LedgerError::Saturated);
            }
            queues.removal = Some(Removing { removal, reply });
            std::mem::take(&mut queues.idle)
        };
        if wake {
            self.shared.wake.notify_one();
        }
        answer.await.unwrap_or(Err(LedgerError::Failed))
    }

    /// The state as of the newest durable event. Let go of it quickly.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Revision of the configuration in [`Ledger::state`], without waiting for it.
    pub fn configuration_revision(&self) -> u64 {
        self.shared
            .configured
            .load(std::sync::atomic::Ordering::Acquire)
    }

    pub fn reader(&self) -> &Reader<Event> {
        &self.reader
    }

    /// Changes with every commit: the newest durable position.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.shared.committed.subscribe()
    }

    /// Committed events from now on.
    pub fn follow(&self) -> broadcast::Receiver<CommittedEvents> {
        self.shared.followers.subscribe()
    }

    /// Commands waiting, for metrics: outcomes, people, intake, maintenance.
    pub fn waiting(&self) -> [usize; 4] {
        let queues = lock(&self.shared.queues);
        [
            queues.outcomes.len(),
            queues.people.len(),
            queues.intake.len(),
            queues.maintenance.len(),
        ]
    }

    /// What was committed since the start, for metrics.
    pub fn tally(&self) -> Tally {
        lock(&self.shared.tally).clone()
    }

    /// Whether intake is refused for want of disk space.
    pub fn set_disk_low(&self, low: bool) {
        self.shared
            .disk_low
            .store(low, std::sync::atomic::Ordering::Relaxed);
    }

    pub fn is_disk_low(&self) -> bool {
        self.shared
            .disk_low
            .load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn push(queue: &mut VecDeque<Waiting>, waiting: Waiting, most: usize) -> Result<(), LedgerError> {
    if queue.len() >= most {
        return Err(LedgerError::Saturated);
    }
    queue.push_back(waiting);
    Ok(())
}

impl LedgerThread {
    /// Refuses new commands, writes what waits, settles the log and ends. Gives the last state.
    pub fn stop(mut self) -> Option<State> {
        lock(&self.shared.queues).stopping = true;
        self.shared.wake.notify_one();
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for LedgerThread {
    fn drop(&mut self) {
        lock(&self.shared.queues).stopping = true;
        self.shared.wake.notify_one();
    }
}

/// An error with its causes, on one line.
pub struct Causes<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
