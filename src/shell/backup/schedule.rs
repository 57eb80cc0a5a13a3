//! Backups that are made by themselves, once a day at the time of `settings.backup`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::folder::{Made, Occasion, make_in};
use super::{MakeError, Source, Wishes};
use crate::domain::command::Command;
use crate::domain::decide;
use crate::domain::spec::BackupSpec;
use crate::shell::app::App;
use crate::shell::ledger::{Causes, Priority};
use crate::shell::upkeep;

/// How long nothing is planned when the next moment cannot be told.
const NO_MOMENT_WAIT: Duration = Duration::from_secs(3_600);

/// How long a backup waits for what else is being made or checked.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Waits for each moment and makes the backup, until `stop` says so.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut committed = app.ledger.committed();
    while !*stop.borrow() {
        committed.borrow_and_update();
        let revision = app.ledger.configuration_revision();
        let planned = {
            let state = app.ledger.state();
            let spec = state.configuration.settings.backup.clone();
            spec.and_then(|spec| {
                let at = upkeep::next(state.configuration.zone(), spec.at, app.clock.now())?;
                Some((spec, at))
            })
        };
        let due = async {
            match &planned {
                Some((_, at)) => app.clock.sleep_until(*at).await,
                None => std::future::pending().await,
            }
        };
        let reconfigured = async {
            // Most commits are no configuration.
            while app.ledger.configuration_revision() == revision {
                if committed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = due => {
                if let Some((spec, _)) = &planned {
                    run_scheduled_backup(&app, spec).await;
                } else {
                    app.clock.sleep(NO_MOMENT_WAIT).await;
                }
            }
            () = reconfigured => {}
            _ = stop.changed() => {}
        }
    }
}

/// Makes a backup by `settings.backup`. When it fails, who watches the bridge is told.
pub async fn run_scheduled_backup(app: &Arc<App>, spec: &BackupSpec) {
    let occasion = Occasion::Scheduled {
        keep: usize::from(spec.keep),
    };
    // What else is being made or checked is waited for; a failure is told by the one that failed.
    while let Err(BeginError::Busy { .. }) = begin(app, Wishes::default(), occasion.clone()).await {
        app.clock.sleep(BUSY_WAIT).await;
    }
}

/// Why there is no backup now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// Nothing is wrong with the one that runs.
    #[error("{what} is being made; try again when it is done")]
    Busy { what: &'static str },
    /// It was told to who watches the bridge.
    #[error("{0}")]
    Failed(String),
}

/// Makes a backup in the data folder, away from the threads that serve. What fails is in the log, in
/// [`super::jobs::Jobs`], and told to who watches the bridge.
pub async fn begin(app: &Arc<App>, wishes: Wishes, occasion: Occasion) -> Result<Made, BeginError> {
    let now = app.clock.now();
    let name = occasion.file_name(now);
    let making = Arc::clone(app);
    let still = app.compaction.kept_still().await;
    let made = tokio::task::spawn_blocking(move || {
        let job = making.jobs.begin("a backup", name)?;
        let ledger = &making.ledger;
        let source = Source {
            reader: ledger.reader(),
            keyring: making.vault.keyring(),
            state: &|look| look(&ledger.state()),
        };
        let made = make_in(
            &making.data,
            &source,
            &wishes,
            &occasion,
            now,
            &mut |done, of| {
                job.progress(done, of);
                true
            },
        );
        job.backed_up(match &made {
            Ok(made) => Ok(file_name(made)),
            Err(error) => Err(Causes(error).to_string()),
        });
        made
    })
    .await;
    drop(still);
    let why = match made {
        Ok(Ok(made)) => {
            tracing::info!(
                backup.file = %made.path.display(),
                backup.bytes = made.bytes,
                backup.through = made.about.through,
                "a backup was made"
            );
            return Ok(made);
        }
        Ok(Err(MakeError::Busy { what })) => return Err(BeginError::Busy { what }),
        Ok(Err(error)) => Causes(&error).to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = %why, "the backup failed");
    let say = Command::Tell(Box::new(decide::backup_failed(&why)));
    if let Err(error) = app.ledger.command(Priority::Outcome, say).await {
        tracing::warn!(%error, "nobody could be told that the backup failed");
    }
    Err(BeginError::Failed(why))
}

/// The name of its file.
pub fn file_name(made: &Made) -> String {
    made.path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_next_moment_is_that_of_the_wall_clock() {
        let cases = [
            (
                "03:30",
                "UTC",
                "2026-11-24T03:29:59Z",
                "2026-11-24T03:30:00Z",
            ),
            (
                "03:30",
                "UTC",
                "2026-11-24T03:30:00Z",
                "2026-11-25T03:30:00Z",
            ),
            (
                "03:30",
                "Europe/Lisbon",
                "2026-07-01T12:00:00Z",
                "2026-07-02T02:30:00Z",
            ),
            // The clock skips from 01:00 to 02:00.
            (
                "01:30",
                "Europe/Lisbon",
                "2026-03-29T00:00:00Z",
                "2026-03-29T01:30:00Z",
            ),
            // It is 01:30 twice; once is enough.
            (
                "01:30",
                "Europe/Lisbon",
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                "01:30",
                "Europe/Lisbon",
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
        ];
        for (at, zone, now, expected) in cases {
            let spec = BackupSpec {
                at: at.parse().expect("a time of day"),
                keep: 7,
            };
            let zone_of = jiff::tz::TimeZoneDatabase::bundled()
                .get(zone)
                .expect("a zone");
            let now: Timestamp = now.parse().expect("a moment");
            let found = upkeep::next(&zone_of, spec.at, now.as_microsecond()).expect("a moment");
            let found = Timestamp::from_microsecond(found).expect("a moment");
            assert_eq!(found.to_string(), expected, "{at} in {zone} after {now}");
        }
    }
}
