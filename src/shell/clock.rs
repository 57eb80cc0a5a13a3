//! Time. Nothing else in the program reads a clock or waits by itself.
//!
//! There are two times. The wall clock says when something happened and may step; the monotonic one
//! says how much time passed. Waiting for a span uses the monotonic clock, waiting for a moment
//! follows the wall clock, so that a step neither loses nor repeats a due instant.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A wait. Dropping it ends it.
pub type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How long a wait for a moment trusts the wall clock before it looks again.
pub const WALL_RECHECK_SECONDS: u64 = 5;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970 by the wall clock, which may step in both directions.
    fn now(&self) -> i64;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns once this much time has passed.
    fn sleep(&self, span: Duration) -> Wait<'_>;

    /// Returns once the wall clock reads at least this many microseconds since 1970; at once when
    /// it already does.
    fn sleep_until(&self, at: i64) -> Wait<'_>;
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        SystemClock {
            start: instant_now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that reads the monotonic clock"
)]
fn instant_now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that reads the wall clock"
)]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that waits"
)]
fn system_sleep(span: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(span)
}

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match wall_now().duration_since(UNIX_EPOCH) {
            Ok(after) => micros(after),
            Err(before) => -micros(before.duration()),
        }
    }

    fn monotonic(&self) -> Duration {
        instant_now().saturating_duration_since(self.start)
    }

    fn sleep(&self, span: Duration) -> Wait<'_> {
        Box::pin(system_sleep(span))
    }

    fn sleep_until(&self, at: i64) -> Wait<'_> {
        Box::pin(async move {
            loop {
                let left = at.saturating_sub(self.now());
                let Ok(left) = u64::try_from(left) else {
                    return;
                };
                if left == 0 {
                    return;
                }
                let step = Duration::from_micros(left);
                system_sleep(step.min(Duration::from_secs(WALL_RECHECK_SECONDS))).await;
            }
        })
    }
}

/// A clock that stands still until a test moves it. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<Mutex<ManualTime>>,
    moved: watch::Sender<()>,
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Clone, Copy)]
struct ManualTime {
    wall: i64,
    monotonic: Duration,
}

impl ManualClock {
    /// Starts at this many microseconds since 1970.
    pub fn new(now: i64) -> Self {
        ManualClock {
            time: Arc::new(Mutex::new(ManualTime {
                wall: now,
                monotonic: Duration::ZERO,
            })),
            moved: watch::Sender::new(()),
            waiting: watch::Sender::new(0),
        }
    }

    /// Both clocks go on by `span`; every wait that is over by then wakes.
    pub fn advance(&self, span: Duration) {
        self.change(|time| {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            time.wall = time.wall.saturating_add(micros);
            time.monotonic = time.monotonic.saturating_add(span);
        });
    }

    /// The wall clock is set, as by a person or by a time server; no time passes.
    pub fn step_wall(&self, now: i64) {
        self.change(|time| time.wall = now);
    }

    /// How many waits are under way. Lets a test know that everything has come to rest.
    pub fn sleepers(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Returns once at least `count` waits are under way.
    pub async fn sleepers_at_least(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives in `self`, so this cannot fail before the count is reached.
        let _ = waiting.wait_for(|now| *now >= count).await;
    }

    fn read(&self) -> ManualTime {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut ManualTime)) {
        change(&mut self.time.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.send_replace(());
    }

    fn wait_for(&self, over: impl Fn(ManualTime) -> bool + Send + 'static) -> Wait<'_> {
        // Subscribed before the first look, so that no move between the two is missed.
        let mut moves = self.moved.subscribe();
        let counted = Counted::new(self.waiting.clone());
        Box::pin(async move {
            let _counted = counted;
            while !over(self.read()) {
                if moves.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

/// Counts a wait for as long as it lives.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(waiting: watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Counted(waiting)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.read().wall
    }

    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }

    fn sleep(&self, span: Duration) -> Wait<'_> {
        let until = self.read().monotonic.saturating_add(span);
        self.wait_for(move |time| time.monotonic >= until)
    }

    fn sleep_until(&self, at: i64) -> Wait<'_> {
        self.wait_for(move |time| time.wall >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_ends_when_its_time_is_reached() {
        let clock = ManualClock::new(1_000_000);
        let mut span = clock.sleep(SECOND);
        let mut moment = clock.sleep_until(2_500_000);
        assert!(span.as_mut().now_or_never().is_none());
        assert!(moment.as_mut().now_or_never().is_none());
        assert_eq!(clock.sleepers(), 2);
        clock.advance(SECOND);
        assert!(span.as_mut().now_or_never().is_some());
        assert!(moment.as_mut().now_or_never().is_none());
        clock.advance(SECOND);
        assert!(moment.as_mut().now_or_never().is_some());
        drop((span, moment));
        assert_eq!(clock.sleepers(), 0);
        assert!(clock.sleep(Duration::ZERO).now_or_never().is_some());
        assert!(clock.sleep_until(5).now_or_never().is_some());
    }

    #[test]
    fn a_step_moves_moments_and_no_spans() {
        let clock = ManualClock::new(0);
        let mut span = clock.sleep(SECOND);
        let mut moment = clock.sleep_until(1_000_000);
        clock.step_wall(5_000_000);
        assert!(span.as_mut().now_or_never().is_none());
        assert!(moment.as_mut().now_or_never().is_some());
        assert_eq!(clock.monotonic(), Duration::ZERO);
        assert_eq!(clock.now(), 5_000_000);
    }

    #[tokio::test]
    async fn a_sleeping_task_is_woken() {
        let clock = ManualClock::new(0);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(3_000_000).await;
                clock.now()
            }
        });
        clock.sleepers_at_least(1).await;
        clock.advance(SECOND);
        clock.advance(2 * SECOND);
        assert_eq!(sleeper.await.expect("the task ends"), 3_000_000);
    }

    #[test]
    fn the_system_clock_reads_this_century_and_goes_on() {
        let clock = SystemClock::new();
        assert!(clock.now() > 1_700_000_000_000_000);
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }

    #[tokio::test]
    async fn a_moment_that_is_past_is_not_waited_for() {
        let clock = SystemClock::new();
        clock.sleep_until(clock.now()).await;
        clock.sleep_until(i64::MIN).await;
        clock.sleep(Duration::ZERO).await;
    }
}
