//! The timer of what is held, late, or not heard: says when a moment has come, and when the configuration has changed.
//!
//! **Invariant:** it decides nothing. It reads what the decision needs and gives the command; what is
//! late because the program was not running is released when it starts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::Clock;
use super::ledger::{Causes, Ledger, Priority};
use super::steps::Steps;
use crate::domain::command::{Command, Due, Repeat, Told};
use crate::domain::decide::{
    HELD_PER_COMMAND_MAX, REPEATS_PER_COMMAND_MAX, held_after, judged_again,
};
use crate::domain::event::{Accepted, DeliveryKey, Event};

/// Notices read again for one command, when trackers have changed since they were held.
const NOTICES_PER_COMMAND_MAX: usize = 1_000;
/// How long nothing is tried after a command that could not be written.
const FAILED_WAIT: Duration = Duration::from_secs(1);

/// What the timer works with.
pub struct Holds {
    pub ledger: Ledger,
    pub clock: Arc<dyn Clock>,
    pub steps: Steps,
}

/// A held delivery whose moment has come, and what of it has to be read.
struct Found {
    key: DeliveryKey,
    /// Notices to judge again.
    notices: Vec<u64>,
}

impl Holds {
    /// Runs until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut committed = self.ledger.committed();
        // Of the configuration, by which everything held was planned, and of steps of the clock.
        let mut planned_by = None;
        while !*stop.borrow() {
            committed.borrow_and_update();
            if !self.look(&mut planned_by).await {
                self.clock.sleep(FAILED_WAIT).await;
                continue;
            }
            let next = self.next_at();
            let sleep = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = committed.changed() => if changed.is_err() { break },
                () = sleep => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// The next moment at which something is to be looked at.
    fn next_at(&self) -> Option<i64> {
        let state = self.ledger.state();
        let late = state.outbox.overdue.first().map(|(at, _)| *at);
        let moments = [
            state.outbox.next_release(),
            late,
            state.listening.next_at(),
            state.groups.next_repeat(),
        ];
        moments.into_iter().flatten().min()
    }

    /// Whether somebody has been silent for too long by now, or a delivery is late.
    fn is_overdue(&self) -> bool {
        let now = self.clock.now();
        let state = self.ledger.state();
        let late = state.outbox.overdue.first().map(|(at, _)| *at);
        let moments = [late, state.listening.next_at()];
        moments.into_iter().flatten().any(|at| at <= now)
    }

    /// Releases what is due and plans anew what has to be. Says whether it could.
    async fn look(&self, planned_by: &mut Option<(u64, u64)>) -> bool {
        if self.steps.note().await.is_err() {
            return false;
        }
        let revision = {
            let state = self.ledger.state();
            (state.configuration.revision, state.clock_steps)
        };
        if *planned_by != Some(revision) {
            if !self.replan().await {
                return false;
            }
            *planned_by = Some(revision);
        }
        while self.is_overdue() {
            if !self.command(Command::Overdue).await {
                return false;
            }
        }
        loop {
            let found = self.found();
            if found.is_empty() {
                return self.repeat().await;
            }
            let mut due = Vec::with_capacity(found.len());
            for found in found {
                match self.read(&found) {
                    Ok(notices) => due.push(Due {
                        delivery: found.key,
                        notices,
                    }),
                    Err(error) => {
                        tracing::error!(error = %Causes(&error), "what is held cannot be read now");
                        return false;
                    }
                }
            }
            if !self.command(Command::ReleaseDue { due }).await {
                return false;
            }
        }
    }

    /// Has groups told again that are due. Says whether it could.
    async fn repeat(&self) -> bool {
        loop {
            let due: Vec<(u64, u64)> = {
                let now = self.clock.now();
                let state = self.ledger.state();
                let due = state.groups.due(now).take(REPEATS_PER_COMMAND_MAX);
                due.map(|slot| (slot, state.tells_again(slot).unwrap_or(0)))
                    .collect()
            };
            if due.is_empty() {
                return true;
            }
            let mut repeats = Vec::with_capacity(due.len());
            for (slot, notice) in due {
                match self.ledger.reader().get(notice) {
                    Ok(recorded) => repeats.push(Repeat {
                        slot,
                        notice,
                        accepted: match recorded.map(|recorded| recorded.payload) {
                            Some(Event::Accepted(accepted)) => Some(accepted),
                            Some(_) | None => None,
                        },
                    }),
                    Err(error) => {
                        tracing::error!(error = %Causes(&error), "a group cannot be told again now");
                        return false;
                    }
                }
            }
            if !self.command(Command::Repeat { due: repeats }).await {
                return false;
            }
        }
    }

    /// Goes over everything held, a command at a time.
    async fn replan(&self) -> bool {
        let mut after = None;
        loop {
            let last = held_after(&self.ledger.state(), after).pop();
            let Some(last) = last else {
                return true;
            };
            if !self.command(Command::Replan { after }).await {
                return false;
            }
            after = Some(last);
        }
    }

    /// Held deliveries whose moment has come.
    fn found(&self) -> Vec<Found> {
        let now = self.clock.now();
        let state = self.ledger.state();
        let mut notices_left = NOTICES_PER_COMMAND_MAX;
        let mut all = Vec::new();
        let due = state
            .outbox
            .held
            .iter()
            .take_while(|(until, _)| *until <= now);
        for (_, key) in due.take(HELD_PER_COMMAND_MAX) {
            let Some(delivery) = state.outbox.deliveries.get(key) else {
                continue;
            };
            let notices = judged_again(&state, *key, delivery, now);
            if notices.len() > notices_left && !all.is_empty() {
                break;
            }
            notices_left = notices_left.saturating_sub(notices.len());
            all.push(Found { key: *key, notices });
        }
        all
    }

    fn read(&self, found: &Found) -> Result<Vec<(u64, Accepted)>, notify_store::ReadError> {
        let mut notices = Vec::with_capacity(found.notices.len());
        for position in &found.notices {
            if let Some(recorded) = self.ledger.reader().get(*position)?
                && let Event::Accepted(accepted) = recorded.payload
            {
                notices.push((*position, *accepted));
            }
        }
        Ok(notices)
    }

    async fn command(&self, command: Command) -> bool {
        match self.ledger.command(Priority::Outcome, command).await {
            Ok(committed) => {
                if let Told::Changed { count } = committed.told
                    && count > 0
                {
                    tracing::debug!(count, "held deliveries went on");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "what is held could not go on yet");
                false
            }
        }
    }
}
