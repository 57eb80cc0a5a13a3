//! What the program does to itself once a day, at a time of the configured zone.
//!
//! The scheduler ticks every minute; whether a job's time has come is read from the settings and the
//! program's own clock at each tick, so a changed setting, zone or clock needs no new registration.
//!
//! **Invariant:** a job never runs twice at a time, and one that takes long delays no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError};

use super::app::App;
use super::bots::NAMES_AT_SECONDS;
use super::compaction::CompactError;
use crate::domain::civil::CivilTime;
use crate::domain::spec::Settings;
use crate::domain::state::State;

/// When the scheduler ticks: each minute.
const TICK: &str = "0 * * * * *";
/// Days looked ahead for the next time of day; a zone may skip one.
const DAYS_AHEAD: i32 = 3;
/// A job that last ran longer ago than this, in microseconds, missed its time while the program was
/// stopped, and is made up for.
const MISSED_MICROS: i64 = 25 * 3_600 * 1_000_000;

/// Something that is done once a day.
pub struct Daily {
    pub name: &'static str,
    /// At what time of day; `None`: never.
    pub at: fn(&Settings) -> Option<CivilTime>,
    /// When it was last done, microseconds since 1970, as far as the log says.
    pub last: fn(&State) -> Option<i64>,
    pub run: fn(Arc<App>) -> BoxFuture<'static, ()>,
}

/// What there is to do. Others add theirs here.
pub const JOBS: &[Daily] = &[
    Daily {
        name: "retention",
        at: |settings| Some(settings.retention().at),
        last: |state| state.retention.runs.last.map(|(at, _)| at),
        run: |app| {
            Box::pin(async move {
                match app.compaction.run("").await {
                    // What went wrong was logged, and the one that is under way does as well.
                    Ok(_) | Err(CompactError::Busy) => {}
                    Err(_) => tracing::debug!("the daily run of compaction failed"),
                }
            })
        },
    },
    Daily {
        name: "names of chats",
        at: |_| CivilTime::from_seconds(NAMES_AT_SECONDS),
        // Names that did not change leave nothing in the log; a day more does not matter.
        last: |_| None,
        run: |app| Box::pin(async move { app.bots.refresh_names().await }),
    },
];

/// The next moment after `after` that is this time of day in the zone; microseconds since 1970.
pub fn next(zone: &TimeZone, at: CivilTime, after: i64) -> Option<i64> {
    let after = Timestamp::from_microsecond(after).ok()?;
    // The end of a day is the midnight of the next.
    let since_midnight = i64::from(at.seconds()).seconds();
    let mut date = zone.to_datetime(after).date();
    for _ in 0..=DAYS_AHEAD {
        // In a gap it is the moment after it, in a fold the first one.
        let moment = zone
            .to_ambiguous_timestamp(date.at(0, 0, 0, 0).checked_add(since_midnight).ok()?)
            .compatible();
        if let Ok(moment) = moment
            && moment > after
        {
            return Some(moment.as_microsecond());
        }
        date = date.checked_add(1.day()).ok()?;
    }
    None
}

/// When a job is next done, by name; for pages.
pub fn next_of(state: &State, name: &str, now: i64) -> Option<i64> {
    let job = JOBS.iter().find(|job| job.name == name)?;
    let at = (job.at)(&state.configuration.settings)?;
    next(state.configuration.zone(), at, now)
}

/// A job with what is known of it while the program runs.
struct Known {
    job: &'static Daily,
    /// Up to when its time was looked for.
    looked: AtomicI64,
    is_running: AtomicBool,
}

impl Known {
    /// Whether its time has come since it was last looked for.
    fn is_due(&self, state: &State, now: i64) -> bool {
        let Some(at) = (self.job.at)(&state.configuration.settings) else {
            return false;
        };
        let looked = self.looked.swap(now, Ordering::Relaxed);
        next(state.configuration.zone(), at, looked).is_some_and(|due| due <= now)
    }
}

/// The running scheduler. Dropping it ends the ticks.
pub struct Upkeep {
    scheduler: JobScheduler,
}

impl Upkeep {
    /// Starts the ticks.
    pub async fn start(app: Arc<App>) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let now = app.clock.now();
        let jobs = JOBS.iter().map(|job| {
            let last = (job.last)(&app.ledger.state());
            let is_missed = last.is_some_and(|last| last < now - MISSED_MICROS);
            Arc::new(Known {
                job,
                looked: AtomicI64::new(if is_missed { now - MISSED_MICROS } else { now }),
                is_running: AtomicBool::new(false),
            })
        });
        let jobs: Arc<Vec<Arc<Known>>> = Arc::new(jobs.collect());
        let tick = tokio_cron_scheduler::Job::new_async(TICK, move |_, _| {
            let (app, jobs) = (Arc::clone(&app), Arc::clone(&jobs));
            Box::pin(async move {
                for known in jobs.iter() {
                    look(&app, known);
                }
            })
        })?;
        scheduler.add(tick).await?;
        scheduler.start().await?;
        Ok(Upkeep { scheduler })
    }

    /// Ends the ticks. A job that is under way is left as a kill would leave it.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler of upkeep did not stop");
        }
    }
}

fn look(app: &Arc<App>, known: &Arc<Known>) {
    let now = app.clock.now();
    let is_due = known.is_due(&app.ledger.state(), now);
    if !is_due || known.is_running.swap(true, Ordering::AcqRel) {
        return;
    }
    tracing::debug!(job = known.job.name, "the time of a daily job has come");
    let (app, known) = (Arc::clone(app), Arc::clone(known));
    tokio::spawn(async move {
        (known.job.run)(app).await;
        known.is_running.store(false, Ordering::Release);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_day_follows_the_zone() {
        let lisbon = TimeZone::get("Europe/Lisbon").expect("a zone");
        for (at, after, expected) in [
            ("03:00", "2026-11-24T02:59:59Z", "2026-11-24T03:00:00Z"),
            ("03:00", "2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"),
            ("03:00", "2026-07-01T12:00:00Z", "2026-07-02T02:00:00Z"),
            // The hour that summer time takes away: the moment after it.
            ("01:30", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
            // The hour that there is twice: the first.
            ("01:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ] {
            let time = at.parse().expect("a time");
            let micros = |text: &str| {
                text.parse::<Timestamp>()
                    .expect("a moment")
                    .as_microsecond()
            };
            assert_eq!(
                next(&lisbon, time, micros(after)),
                Some(micros(expected)),
                "{after}"
            );
        }
    }
}
