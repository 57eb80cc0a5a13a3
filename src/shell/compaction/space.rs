//! Giving the room of what was removed back to the file system.

use notify_store::Log;

use super::mark::{note_file_compacted, worth_compacting};
use crate::domain::event::Event;
use crate::shell::http::front::Phase;
use crate::shell::ledger::Causes;

/// Makes the file smaller when much of it was removed. Everything waits meanwhile, so this is done
/// before anybody is let in; when it fails, the file stays as large as it is.
pub fn give_space_back(log: &mut Log<Event>, progress: &(dyn Fn(Phase, u64, u64) + Sync)) {
    if !worth_compacting(&log.reader()).unwrap_or(false) {
        return;
    }
    let before = log.reader().bytes_on_disk();
    progress(Phase::Compacting, 0, before);
    let done = log.compact_file().and_then(|_| {
        note_file_compacted(log)?;
        Ok(log.reader().bytes_on_disk())
    });
    match done {
        Ok(after) => tracing::info!(
            before_bytes = before,
            after_bytes = after,
            "the file gave back what was removed"
        ),
        Err(error) => {
            tracing::error!(error = %Causes(&error), "the file could not be made smaller");
        }
    }
}
