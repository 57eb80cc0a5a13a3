//! Free space on the disk of the data folder.

use std::sync::Arc;
use std::time::Duration;

use super::{App, INTAKE_FREE_BYTES_MIN};
use crate::domain::command::Command;
use crate::domain::decide;
use crate::shell::ledger::Priority;

/// How often free space is looked at.
const DISK_LOOK: Duration = Duration::from_secs(5);

/// Stops intake before writes can fail for want of space.
pub async fn watch(app: Arc<App>) {
    // What the log says may be of a disk that has been made room on since.
    let mut looked = false;
    loop {
        let free = notify_store::free_bytes(&app.data).unwrap_or(u64::MAX);
        let low = free < INTAKE_FREE_BYTES_MIN;
        let changed = low != app.ledger.is_disk_low();
        if changed {
            if low {
                tracing::error!(
                    free_bytes = free,
                    "the disk is nearly full; intake answers 503 until there is room"
                );
            } else {
                tracing::info!(free_bytes = free, "there is room again; intake goes on");
            }
            app.ledger.set_disk_low(low);
        }
        if changed || !looked {
            let say = Command::Tell(Box::new(decide::disk(low, free)));
            if let Err(error) = app.ledger.command(Priority::Outcome, say).await {
                tracing::warn!(%error, "nobody could be told about the disk");
            }
            looked = true;
        }
        app.clock.sleep(DISK_LOOK).await;
    }
}
