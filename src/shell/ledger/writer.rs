//! The thread itself: takes what waits, decides, commits, publishes; and starts over when it cannot.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLockReadGuard};
use std::time::Duration;

use notify_store::{AppendError, Batch, Log, PAYLOAD_BYTES_MAX, Recorded, SecretChange};
use tokio::sync::oneshot;

use super::{
    BATCH_BYTES_CLOSE, BATCH_EVENTS_CLOSE, Beside, COMMAND_BYTES_MAX, COMMAND_EVENTS_MAX, Causes,
    Committed, CommittedEvents, LedgerError, Removing, Shared, Waiting, lock,
};
use crate::domain::command::{Command, Context, Refusal};
use crate::domain::decide::{Decided, decide};
use crate::domain::event::Event;
use crate::domain::spec::SecretMarks;
use crate::domain::state::{At, Rows, State};
use crate::shell::clock::Clock;
use crate::shell::keyring::{Aad, Keyring};

/// Events applied to the shared state per hold of its lock.
const APPLY_EVENTS_MAX: usize = 1_024;
/// How long the log is quiet before it is settled.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// Waits between attempts to open a store that failed.
const REOPEN_WAIT_MIN: Duration = Duration::from_millis(100);
const REOPEN_WAIT_MAX: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    pub(super) log: Log<Event>,
    /// The writer's own copy, ahead of the shared one by the batch being written.
    pub(super) state: State,
    pub(super) keyring: Arc<Keyring>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
    /// Taken from the queues, but not into the last batch, which was full. At most
    /// [`BATCH_COMMANDS_MAX`].
    pub(super) left: VecDeque<Waiting>,
}

/// A decided command that waits for its commit.
struct Pending {
    reply: oneshot::Sender<Result<Committed, LedgerError>>,
    result: Result<Committed, LedgerError>,
}

impl Writer {
    pub(super) fn run(mut self) -> State {
        while let Some(batch) = self.next_batch() {
            let is_quiet = batch.is_empty();
            if !is_quiet {
                self.take(batch);
            }
            let removed = self.remove();
            let worked = self.slice();
            if !removed && !worked && is_quiet {
                self.settle();
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
            let most = (!self.log.is_settled()).then_some(SETTLE_AFTER);
            let (next, is_late) = self.shared.wait(queues, most);
            queues = next;
            if is_late && queues.is_empty() {
                return Some(VecDeque::new());
            }
        }
    }

    /// Does the next piece of work on the store itself, if any waits.
    fn slice(&mut self) -> bool {
        let Some(slice) = lock(&self.shared.queues).slices.pop_front() else {
            return false;
        };
        let (log, state) = (&mut self.log, &self.state);
        match catch_unwind(AssertUnwindSafe(|| slice(log, state))) {
            Ok(None) => {}
            Ok(Some(error)) => self.recover(&error),
            Err(_panic) => {
                tracing::error!("work on the store failed in a way that must not happen");
                self.start_over(false);
            }
        }
        true
    }

    /// Removes what compaction wants removed. Says whether there was anything.
    fn remove(&mut self) -> bool {
        let Some(Removing { removal, reply }) = lock(&self.shared.queues).removal.take() else {
            return false;
        };
        let began = self.clock.monotonic();
        match self.log.remove(&removal) {
            Ok(removed) => {
                let took = self.clock.monotonic().saturating_sub(began);
                // The one who asked may have gone; what is removed is written down with it.
                let _gone = reply.send(Ok((removed, took)));
            }
            Err(error) => {
                let _gone = reply.send(Err(LedgerError::Failed));
                self.recover(&error);
            }
        }
        true
    }

    fn settle(&mut self) {
        if let Err(error) = self.log.settle() {
            self.recover(&error);
        }
    }

    fn take(&mut self, commands: VecDeque<Waiting>) {
        let mut batch = Batch::default();
        // Most commands lead to one event.
        batch.events.reserve(commands.len());
        batch.bodies.reserve(commands.len());
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
            self.start_over(false);
            return;
        }
        match self.log.append(&batch) {
            Ok(()) => {
                let published = self.publish(batch.events);
                for Pending { reply, result } in pending {
                    // Whoever asked may have gone away; the command happened all the same.
                    let _gone = reply.send(result);
                }
                // Giving back the memory of so many texts takes a moment; nobody waits for it.
                drop(published);
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

    /// Makes durable events visible, and gives them back to be let go of in good time.
    fn publish(&mut self, events: Vec<Recorded<Event>>) -> CommittedEvents {
        let events = Arc::new(events);
        if events.is_empty() {
            return events;
        }
        self.apply(&events);
        self.tally(&events);
        let last = events.last().map_or(0, |event| event.position);
        // No follower is not a fault.
        let _nobody = self.shared.followers.send(Arc::clone(&events));
        self.shared.committed.send_replace(last);
        events
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
            self.shared
                .configured
                .store(shared.configuration.revision, Ordering::Release);
            drop(shared);
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
        self.start_over(error.needs_reopen());
    }

    /// Makes the writer's copy anew from what is durable. Nothing is decided before that is read: over
    /// a copy that lacks events of the log, what they ask for would stay undone.
    fn start_over(&mut self, mut reopen: bool) {
        let mut wait = REOPEN_WAIT_MIN;
        while !(self.reopened(reopen) && self.catch_up()) {
            reopen = true;
            let queues = lock(&self.shared.queues);
            if queues.stopping {
                return;
            }
            drop(self.shared.wait(queues, Some(wait)));
            self.refuse_waiting();
            wait = (wait * 2).min(REOPEN_WAIT_MAX);
        }
    }

    fn reopened(&mut self, reopen: bool) -> bool {
        let opened = if reopen { self.log.reopen() } else { Ok(()) };
        if let Err(error) = &opened {
            tracing::error!(error = %Causes(error), "the log cannot be opened again yet");
        }
        opened.is_ok()
    }

    /// While nothing can be written, nobody is kept waiting.
    fn refuse_waiting(&mut self) {
        let batch = lock(&self.shared.queues).take();
        for waiting in self.left.drain(..).chain(batch) {
            let _gone = waiting.reply.send(Err(LedgerError::Failed));
        }
    }

    /// The last transaction may have happened after all: the shared state takes what the log has
    /// beyond it. Says whether it has all of it.
    fn catch_up(&mut self) -> bool {
        loop {
            let from = self.shared_state().position + 1;
            match self.log.reader().page(from, notify_store::PAGE_FRAMES_MAX) {
                Ok(events) if events.is_empty() => break,
                Ok(events) => drop(self.publish(events)),
                Err(error) => {
                    tracing::error!(error = %Causes(&error), "the log cannot be read after it was opened again");
                    return false;
                }
            }
        }
        let durable = self.shared_state().clone();
        self.state = durable;
        true
    }

    fn shared_state(&self) -> RwLockReadGuard<'_, State> {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
