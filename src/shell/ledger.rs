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

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use notify_store::{
    AppendError, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BODY_BYTES_MAX, Batch, Log, PAYLOAD_BYTES_MAX,
    Reader, Recorded, SecretChange,
};
use tokio::sync::{broadcast, oneshot, watch};
use zeroize::Zeroizing;

use super::clock::Clock;
use super::keyring::{Aad, Keyring};
use crate::domain::command::{Command, Context, Refusal, Told};
use crate::domain::decide::{Decided, decide};
use crate::domain::event::Event;
use crate::domain::spec::{EntityKind, SecretMarks};
use crate::domain::state::{At, Rows, State};

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
/// Events applied to the shared state per hold of its lock.
const APPLY_EVENTS_MAX: usize = 1_024;
/// How long the log is quiet before it is settled.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// Waits between attempts to open a store that failed.
const REOPEN_WAIT_MIN: Duration = Duration::from_millis(100);
const REOPEN_WAIT_MAX: Duration = Duration::from_secs(10);
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

#[derive(Default)]
struct Queues {
    outcomes: VecDeque<Waiting>,
    people: VecDeque<Waiting>,
    intake: VecDeque<Waiting>,
    intake_bytes: usize,
    maintenance: VecDeque<Waiting>,
    stopping: bool,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.people.is_empty()
            && self.intake.is_empty()
            && self.maintenance.is_empty()
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
pub const EVENT_KINDS_MAX: usize = 64;

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
}

/// How everyone else gives commands and reads the state. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    reader: Reader<Event>,
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
        let shared = Arc::new(Shared {
            tally: Mutex::default(),
            queues: Mutex::new(Queues::default()),
            wake: Condvar::new(),
            state: RwLock::new(state.clone()),
            committed: watch::Sender::new(state.position),
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
        Ok((Ledger { shared, reader }, handle))
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
        {
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
        }
        self.shared.wake.notify_one();
        Ok(answer)
    }

    /// The state as of the newest durable event. Let go of it quickly.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
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

struct Writer {
    log: Log<Event>,
    /// The writer's own copy, ahead of the shared one by the batch being written.
    state: State,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// Taken from the queues, but not into the last batch, which was full. At most
    /// [`BATCH_COMMANDS_MAX`].
    left: VecDeque<Waiting>,
}

/// A decided command that waits for its commit.
struct Pending {
    reply: oneshot::Sender<Result<Committed, LedgerError>>,
    result: Result<Committed, LedgerError>,
}

impl Writer {
    fn run(mut self) -> State {
        loop {
            match self.next_batch() {
                Some(batch) if batch.is_empty() => self.settle(),
                Some(batch) => self.take(batch),
                None => break,
            }
        }
        self.settle();
        if let Err(error) = self.log.close() {
            tracing::error!(error = %Causes(&error), "closing the log failed; the next start repairs it");
        }
        self.state
    }

    /// Waits for commands. An empty batch means that a burst is over; `None` that all is done.
    fn next_batch(&mut self) -> Option<VecDeque<Waiting>> {
        if !self.left.is_empty() {
            return Some(std::mem::take(&mut self.left));
        }
        let mut queues = lock(&self.shared.queues);
        loop {
            if !queues.is_empty() {
                return Some(queues.take());
            }
            if queues.stopping {
                return None;
            }
            if self.log.is_settled() {
                queues = self
                    .shared
                    .wake
                    .wait(queues)
                    .unwrap_or_else(PoisonError::into_inner);
            } else {
                let (next, timeout) = self
                    .shared
                    .wake
                    .wait_timeout(queues, SETTLE_AFTER)
                    .unwrap_or_else(PoisonError::into_inner);
                queues = next;
                if timeout.timed_out() && queues.is_empty() {
                    return Some(VecDeque::new());
                }
            }
        }
    }

    fn settle(&mut self) {
        if let Err(error) = self.log.settle() {
            self.recover(&error);
        }
    }

    fn take(&mut self, commands: VecDeque<Waiting>) {
        let mut batch = Batch::default();
        let mut pending = Vec::with_capacity(commands.len());
        // A fault in folding must not end the writer: everyone in the batch is told that it failed,
        // nothing is written, and the writer starts again from what is durable.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.decide_all(commands, &mut batch, &mut pending)
        }));
        if decided.is_err() {
            tracing::error!(
                "folding a batch failed in a way that must not happen; nothing of it was written"
            );
            for Pending { reply, .. } in pending {
                let _gone = reply.send(Err(LedgerError::Failed));
            }
            self.catch_up();
            return;
        }
        match self.log.append(&batch) {
            Ok(()) => {
                self.publish(batch.events);
                for Pending { reply, result } in pending {
                    // Whoever asked may have gone away; the command happened all the same.
                    let _gone = reply.send(result);
                }
            }
            Err(error) => {
                let told = match error {
                    AppendError::DiskLow { .. } => LedgerError::DiskLow,
                    _ => LedgerError::Failed,
                };
                for Pending { reply, result } in pending {
                    let refused = matches!(result, Err(LedgerError::Refused(_)));
                    let _gone = reply.send(if refused { result } else { Err(told.clone()) });
                }
                self.recover(&error);
            }
        }
    }

    /// Decides each command against the writer's own state and gathers what the batch writes.
    fn decide_all(
        &mut self,
        mut commands: VecDeque<Waiting>,
        batch: &mut Batch<Event>,
        pending: &mut Vec<Pending>,
    ) {
        let now = self.clock.now();
        let mut rows: Rows = Vec::new();
        let mut bytes = 0usize;
        while let Some(waiting) = commands.pop_front() {
            let Waiting {
                command,
                beside,
                correlation,
                reply,
            } = waiting;
            let first = self.log.next_position() + batch.events.len() as u64;
            let context = Context {
                now,
                first_position: first,
            };
            let result = match self.decide(command, &context) {
                Err(refused) => Err(refused),
                Ok((decided, weight)) => {
                    bytes += weight;
                    let last = first + decided.events.len() as u64;
                    for (index, event) in decided.events.into_iter().enumerate() {
                        let position = first + index as u64;
                        self.keep_secrets(&event, position, &beside, batch);
                        self.state.evolve(
                            At {
                                position,
                                recorded_at: now,
                            },
                            &event,
                            &mut rows,
                        );
                        batch.events.push(Recorded {
                            position,
                            recorded_at: now,
                            space: 0,
                            causation: if index == 0 { 0 } else { first },
                            correlation,
                            payload: event,
                        });
                    }
                    if let Some(body) = beside.body
                        && last > first
                    {
                        bytes += body.len();
                        batch.bodies.push((first, body));
                    }
                    Ok(Committed {
                        told: decided.told,
                        positions: first..last,
                        recorded_at: now,
                    })
                }
            };
            pending.push(Pending { reply, result });
            if batch.events.len() >= BATCH_EVENTS_CLOSE || bytes >= BATCH_BYTES_CLOSE {
                break;
            }
        }
        self.left = commands;
        // Of several rows of one notice in a batch the last one stands.
        let rows: BTreeMap<u64, Vec<u8>> = rows
            .into_iter()
            .map(|(position, row)| (position, row.encode()))
            .collect();
        batch.rows = rows.into_iter().collect();
    }

    /// Decides one command and weighs what it leads to. What cannot be written, or cannot even be
    /// decided, fails alone and not with everyone else in its batch.
    fn decide(&self, command: Command, context: &Context) -> Result<(Decided, usize), LedgerError> {
        let decided = catch_unwind(AssertUnwindSafe(|| decide(&self.state, command, context)))
            .map_err(|_panic| {
            tracing::error!("deciding a command failed in a way that must not happen");
            LedgerError::Failed
        })??;
        let weights = decided.events.iter().map(crate::wire::weight);
        let (largest, all) = weights.fold((0, 0), |(largest, all): (usize, usize), weight| {
            (largest.max(weight), all + weight)
        });
        let count = decided.events.len();
        if largest > PAYLOAD_BYTES_MAX || all > COMMAND_BYTES_MAX || count > COMMAND_EVENTS_MAX {
            return Err(LedgerError::Refused(Refusal::Invalid {
                field: "size".into(),
                message: format!(
                    "it would write {count} events with {all} bytes, the largest {largest}; at most {COMMAND_EVENTS_MAX} with {COMMAND_BYTES_MAX} and {PAYLOAD_BYTES_MAX} each are written at once"
                ),
            }));
        }
        Ok((decided, all))
    }

    /// Makes durable events visible.
    fn publish(&mut self, events: Vec<Recorded<Event>>) {
        if events.is_empty() {
            return;
        }
        self.apply(&events);
        self.tally(&events);
        let last = events.last().map_or(0, |event| event.position);
        // No follower is not a fault.
        let _nobody = self.shared.followers.send(Arc::new(events));
        self.shared.committed.send_replace(last);
    }

    fn tally(&self, events: &[Recorded<Event>]) {
        let mut tally = lock(&self.shared.tally);
        tally.commits += 1;
        for event in events {
            let kind = usize::from(crate::wire::kind_of(&event.payload));
            if let Some(count) = tally.events.get_mut(kind) {
                *count += 1;
            }
        }
    }

    fn apply(&self, events: &[Recorded<Event>]) {
        let mut ignored: Rows = Vec::new();
        for chunk in events.chunks(APPLY_EVENTS_MAX) {
            let mut shared = self
                .shared
                .state
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for event in chunk {
                let at = At {
                    position: event.position,
                    recorded_at: event.recorded_at,
                };
                shared.evolve(at, &event.payload, &mut ignored);
            }
            ignored.clear();
        }
    }

    /// Seals the secrets an entity was given, and takes away those that it replaces.
    fn keep_secrets(
        &self,
        event: &Event,
        position: u64,
        beside: &Beside,
        batch: &mut Batch<Event>,
    ) {
        let none = SecretMarks::new();
        let (kind, id, marks, name) = match event {
            Event::EntityPut {
                id, spec, secrets, ..
            } => (spec.kind(), *id, secrets, spec.name()),
            Event::EntityRemoved { kind, id, name, .. } => (*kind, *id, &none, name.as_str()),
            _ => return,
        };
        let before = self.state.configuration.secrets(kind, id).unwrap_or(&none);
        for (field, mark) in before {
            if marks.get(field) != Some(mark) {
                batch.secrets.push(SecretChange {
                    position: mark.position,
                    field: mark.slot,
                    sealed: None,
                });
            }
        }
        let given = beside.secrets.get(&(kind, name.to_owned()));
        for (field, mark) in marks.iter().filter(|(_, mark)| mark.position == position) {
            let Some(value) = given.and_then(|given| given.get(field)) else {
                tracing::error!(
                    entity.name = name,
                    field,
                    "a secret was announced and not given; it stays unset"
                );
                continue;
            };
            let sealed = self.keyring.seal(
                Aad {
                    space: 0,
                    entity: id,
                    field,
                },
                value.as_bytes(),
            );
            batch.secrets.push(SecretChange {
                position,
                field: mark.slot,
                sealed: Some(sealed),
            });
        }
    }

    /// After a failed commit: open again, take over what the log holds, start from there.
    fn recover(&mut self, error: &AppendError) {
        tracing::error!(error = %Causes(error), "a commit failed; everyone waiting was told");
        if error.needs_reopen() {
            let mut wait = REOPEN_WAIT_MIN;
            while let Err(error) = self.log.reopen() {
                tracing::error!(error = %Causes(&error), wait_ms = wait.as_millis(), "the log cannot be opened again yet");
                let queues = lock(&self.shared.queues);
                if queues.stopping {
                    break;
                }
                drop(self.shared.wake.wait_timeout(queues, wait));
                self.refuse_waiting();
                wait = (wait * 2).min(REOPEN_WAIT_MAX);
            }
        }
        self.catch_up();
    }

    /// While nothing can be written, nobody is kept waiting.
    fn refuse_waiting(&mut self) {
        let batch = lock(&self.shared.queues).take();
        for waiting in self.left.drain(..).chain(batch) {
            let _gone = waiting.reply.send(Err(LedgerError::Failed));
        }
    }

    /// The last transaction may have happened after all: the shared state takes what the log has
    /// beyond it.
    fn catch_up(&mut self) {
        loop {
            let from = self
                .shared
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .position
                + 1;
            match self.log.reader().page(from, notify_store::PAGE_FRAMES_MAX) {
                Ok(events) if events.is_empty() => break,
                Ok(events) => self.publish(events),
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "the log cannot be read after it was opened again");
                    break;
                }
            }
        }
        self.state = self
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
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
