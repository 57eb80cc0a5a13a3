//! Work on the store that is no command: nothing of it is an event. It runs on the writer's thread,
//! a slice between two batches, so that whoever gives many short ones holds nobody up.

use notify_store::{AppendError, Log, ReadError};
use tokio::sync::oneshot;

use super::{Ledger, LedgerError, MAINTENANCE_COMMANDS_MAX, lock};
use crate::domain::event::Event;
use crate::domain::state::State;

/// Says whether the log has to be opened again.
pub(super) type Slice = Box<dyn FnOnce(&mut Log<Event>, &State) -> Option<AppendError> + Send>;

/// Why a slice failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    #[error("the store cannot be written")]
    Append(#[source] std::sync::Arc<AppendError>),
    #[error("the store cannot be read")]
    Read(#[source] ReadError),
}

impl From<AppendError> for SliceError {
    fn from(error: AppendError) -> Self {
        SliceError::Append(std::sync::Arc::new(error))
    }
}

impl Ledger {
    /// Runs short work on the writer's thread, with the state as of the newest event of the log. It
    /// must append no events.
    pub async fn slice<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Log<Event>, &State) -> Result<T, SliceError> + Send + 'static,
    ) -> Result<Result<T, SliceError>, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let slice: Slice = Box::new(move |log, state| {
            let done = work(log, state);
            // Whoever asked may have gone away; what was done stays done.
            let _gone = reply.send(done);
            log.needs_reopen().then_some(AppendError::NeedsReopen)
        });
        {
            let mut queues = lock(&self.shared.queues);
            if queues.stopping {
                return Err(LedgerError::Stopping);
            }
            if queues.slices.len() >= MAINTENANCE_COMMANDS_MAX {
                return Err(LedgerError::Saturated);
            }
            queues.slices.push_back(slice);
            queues.idle = false;
        }
        self.shared.wake.notify_one();
        answer.await.map_err(|_dropped| LedgerError::Failed)
    }
}
