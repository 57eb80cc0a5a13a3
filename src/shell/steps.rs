//! Steps of the wall clock.
//!
//! **Invariant:** nobody looks for what is due by a clock that has stepped before the step is in the
//! log, so that no wait for a span becomes due by it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::ledger::{Ledger, LedgerError, Priority};
use crate::domain::command::Command;

/// A difference between the wall clock and the monotonic one of more than this is a step.
pub const CLOCK_STEP_MIN: Duration = Duration::from_secs(5);
/// How often the clocks are compared when nothing else looks at them.
pub const CLOCK_LOOK: Duration = Duration::from_secs(10);

/// Compares the clocks.
#[derive(Clone)]
pub struct Steps {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    /// Wall clock less monotonic clock, in microseconds, as last recorded.
    offset: Arc<Mutex<i64>>,
}

impl Steps {
    pub fn new(ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        let offset = Arc::new(Mutex::new(offset(&*clock)));
        Steps {
            ledger,
            clock,
            offset,
        }
    }

    /// Records a step that there was since the last look. An error means that nothing may be looked for
    /// by this clock yet.
    pub async fn note(&self) -> Result<(), LedgerError> {
        let now = offset(&*self.clock);
        let before = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let by_micros = now.saturating_sub(before);
        if u128::from(by_micros.unsigned_abs()) <= CLOCK_STEP_MIN.as_micros() {
            return Ok(());
        }
        // Taken before it is recorded, so that two who look at once record it once.
        {
            let mut known = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != before {
                return Ok(());
            }
            *known = now;
        }
        tracing::warn!(
            by_seconds = by_micros / 1_000_000,
            "the wall clock stepped; waits keep their length"
        );
        let recorded = self
            .ledger
            .command(Priority::Outcome, Command::ClockStepped { by_micros })
            .await;
        if let Err(error) = &recorded {
            tracing::error!(%error, "the step could not be recorded yet");
            *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = before;
        }
        recorded.map(|_| ())
    }

    /// Looks from time to time, for steps at which nothing is due.
    pub async fn watch(self) {
        loop {
            self.clock.sleep(CLOCK_LOOK).await;
            // It has been logged, and is looked at again.
            let _again = self.note().await;
        }
    }
}

fn offset(clock: &dyn Clock) -> i64 {
    let monotonic = i64::try_from(clock.monotonic().as_micros()).unwrap_or(i64::MAX);
    clock.now().saturating_sub(monotonic)
}
