//! Compaction: what is forgotten leaves the log, in small transactions between those of intake.
//!
//! A run has three steps. It looks through the log for what is too old or too much, and has that
//! decided (`RetentionAdvanced`); from there on it is forgotten, whatever happens. It removes the
//! frames of forgotten families, with their streams, rows and bodies. And it removes bodies that are
//! not kept as long as their notices.
//!
//! **Invariant:** a family goes with its notice last, so one that a kill left half removed is found
//! again. How far a run is stands in the log's own table, written with what it removed.
//!
//! **Invariant:** one run at a time, and one transaction of it at a time: a command waits for at most
//! one slice of [`SLICE_MAX`], whose size follows how long the ones before took.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify_store::{
    DecodeError, PAGE_FRAMES_MAX, REMOVAL_MAX, ReadError, Reader, Removal, Removed, Stream,
};

use super::clock::Clock;
use super::ledger::{Ledger, LedgerError, Priority};
use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::retention::{BodyCensus, Census, Fate, Founded, Policy, Wanted, fate};
use crate::projections::retention::{Retention, Tally};
use crate::wire;
use notify_store::Payload as _;

mod mark;

pub use mark::{Mark, mark, note_file_compacted, removed_below, worth_compacting};

/// Longest time that one transaction of removals is meant to take.
pub const SLICE_MAX: Duration = Duration::from_millis(20);
/// The time that the size of a slice aims at, so that an unlucky one is still within [`SLICE_MAX`].
const SLICE_AIM: Duration = Duration::from_millis(8);
/// Events and bodies in a slice, at least and at first.
const SLICE_EVENTS_MIN: usize = 16;
const SLICE_EVENTS_FIRST: usize = 64;

/// Who has to know what is gone, such as the search index. It is told before their events
/// are removed, a page of the log at a time and on a thread that may wait, and told again when a run that
/// was interrupted goes on.
pub trait Forgotten: Send + Sync {
    /// Positions of the notices that founded them, and of events that belong to none.
    fn forgotten(&self, founding: &[u64]);
}

/// Why a run ended early. What was removed until then stays removed.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    #[error("a run of compaction is under way already")]
    Busy,
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("position {position} of the log cannot be decoded")]
    Decode { position: u64, source: DecodeError },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("a thread of compaction failed")]
    Thread(#[from] tokio::task::JoinError),
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    #[default]
    Resting,
    Looking,
    Removing,
    Bodies,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Resting => "resting",
            Step::Looking => "looking",
            Step::Removing => "removing",
            Step::Bodies => "bodies",
        }
    }
}

/// How far a run is, and how the last one ended.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub step: Step,
    /// The position that was reached, of those there are.
    pub done: u64,
    pub of: u64,
    pub removed: Tally,
    /// When the last run since the start ended, microseconds since 1970, and why if it failed.
    pub ended: Option<(i64, Option<String>)>,
}

/// Runs compaction, one run at a time.
pub struct Compaction {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    followers: Mutex<Vec<Arc<dyn Forgotten>>>,
    progress: Mutex<Progress>,
    running: Arc<tokio::sync::Mutex<()>>,
}

/// Families of a page that go, and where the next page begins.
struct Page {
    /// Each with its notice last.
    families: Vec<Vec<u64>>,
    /// Events of no family.
    alone: Vec<u64>,
    next: Option<u64>,
}

/// One run, between its transactions.
struct Run<'c> {
    of: &'c Compaction,
    mark: Mark,
    slice: usize,
    /// Events that the next transaction removes, and how many families end with it.
    frames: Vec<u64>,
    families: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Compaction {
    pub fn new(ledger: Ledger, clock: Arc<dyn Clock>) -> Self {
        Compaction {
            ledger,
            clock,
            followers: Mutex::default(),
            progress: Mutex::default(),
            running: Arc::default(),
        }
    }

    /// Adds someone who has to know what is gone.
    pub fn tell(&self, follower: Arc<dyn Forgotten>) {
        lock(&self.followers).push(follower);
    }

    pub fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    /// Says that a run is about to begin, so that nobody is told that there is none.
    pub fn begin(&self) {
        self.say(Step::Looking, 0, 0);
    }

    /// Nothing is removed while this is held: a backup would copy a family in part.
    pub async fn kept_still(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.running).lock_owned().await
    }

    /// Forgets what is not kept any more and removes it. `by` is empty where nobody asked for it.
    pub async fn run(&self, by: &str) -> Result<Tally, CompactError> {
        let _running = self.running.try_lock().map_err(|_| CompactError::Busy)?;
        let ran = self.run_alone(by).await;
        let failed = ran.as_ref().err().map(|error| {
            let causes = super::ledger::Causes(error).to_string();
            tracing::error!(
                error = causes,
                "compaction ended early; it goes on with its next run"
            );
            causes
        });
        if let Ok(removed) = &ran
            && !removed.is_empty()
        {
            tracing::info!(
                families = removed.families,
                events = removed.frames,
                bodies = removed.bodies,
                bytes = removed.bytes,
                "compaction removed what is not kept any more"
            );
        }
        let mut progress = lock(&self.progress);
        progress.step = Step::Resting;
        progress.ended = Some((self.clock.now(), failed));
        ran
    }

    async fn run_alone(&self, by: &str) -> Result<Tally, CompactError> {
        let reader = self.ledger.reader().clone();
        let mut mark = mark(&reader)?;
        let runs = self.ledger.state().retention.runs.count;
        if mark.run <= runs {
            // The last one ended, and is recorded.
            mark.run = runs + 1;
            mark.removed = Tally::default();
        }
        self.say(Step::Looking, 0, reader.next_position());
        lock(&self.progress).removed = mark.removed;
        let census = Census::new(&self.ledger.state(), self.clock.now());
        let wanted = {
            let reader = reader.clone();
            tokio::task::spawn_blocking(move || look(&reader, census)).await??
        };
        let advance = Command::AdvanceRetention {
            wanted: Box::new(wanted),
            by: by.to_owned(),
        };
        self.ledger.command(Priority::Maintenance, advance).await?;
        let retention = Arc::new(self.ledger.state().retention.clone());
        if mark.carried_at != retention.carried_at {
            mark.carried_at = retention.carried_at;
            mark.next = 1;
        }
        mark.below = retention.horizons.mark();
        let mut run = Run {
            of: self,
            mark,
            slice: SLICE_EVENTS_FIRST,
            frames: Vec::new(),
            families: 0,
        };
        run.families(&reader, &retention).await?;
        run.bodies(&reader).await?;
        let removed = run.mark.removed;
        let note = Command::NoteCompacted {
            run: run.mark.run,
            removed,
        };
        self.ledger.command(Priority::Maintenance, note).await?;
        Ok(removed)
    }

    fn say(&self, step: Step, done: u64, of: u64) {
        let mut progress = lock(&self.progress);
        (progress.step, progress.done, progress.of) = (step, done, of);
    }
}

impl Run<'_> {
    /// Removes what is forgotten, from where the run is.
    async fn families(
        &mut self,
        reader: &Reader<Event>,
        retention: &Arc<Retention>,
    ) -> Result<(), CompactError> {
        let end = retention.horizons.mark().max(retention.carried_at);
        while self.mark.next < end {
            self.of.say(Step::Removing, self.mark.next, end);
            let page = {
                let (reader, retention) = (reader.clone(), Arc::clone(retention));
                let from = self.mark.next;
                tokio::task::spawn_blocking(move || gather(&reader, &retention, from)).await??
            };
            self.tell(&page).await?;
            for position in page.alone {
                self.take(&[position]).await?;
            }
            for family in page.families {
                self.take(&family).await?;
                self.families += 1;
            }
            self.mark.next = page.next.unwrap_or(end);
            if !self.frames.is_empty() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Tells who has to know what of a page goes.
    async fn tell(&self, page: &Page) -> Result<(), CompactError> {
        let families = page.families.iter().filter_map(|family| family.last());
        let founding: Vec<u64> = families.chain(&page.alone).copied().collect();
        let followers = lock(&self.of.followers).clone();
        if founding.is_empty() || followers.is_empty() {
            return Ok(());
        }
        tokio::task::spawn_blocking(move || {
            for follower in followers {
                follower.forgotten(&founding);
            }
        })
        .await?;
        Ok(())
    }

    /// Takes events into the next transaction, and as many before it as they do not fit into.
    async fn take(&mut self, mut positions: &[u64]) -> Result<(), CompactError> {
        if self.frames.len() + positions.len() > self.slice && !self.frames.is_empty() {
            self.flush().await?;
        }
        while positions.len() > self.slice {
            let (now, later) = positions.split_at(self.slice);
            self.frames.extend_from_slice(now);
            self.flush().await?;
            positions = later;
        }
        self.frames.extend_from_slice(positions);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), CompactError> {
        let frames = std::mem::take(&mut self.frames);
        let most = Tally {
            families: std::mem::take(&mut self.families),
            ..Tally::default()
        };
        self.remove(frames, Vec::new(), most).await
    }

    /// One transaction. The families and events that it removes are counted in the mark that goes with
    /// it. Bodies and bytes are known once it has happened, so the mark counts those up to the one before,
    /// and a kill right after it leaves them out of the count.
    async fn remove(
        &mut self,
        frames: Vec<u64>,
        bodies: Vec<u64>,
        beside: Tally,
    ) -> Result<(), CompactError> {
        self.mark.removed.add(Tally {
            frames: frames.len() as u64,
            ..beside
        });
        let removal = Removal {
            frames,
            bodies,
            rows: Vec::new(),
            meta: vec![self.mark.entry()],
        };
        let (removed, took) = self.of.ledger.remove(removal).await?;
        let Removed {
            frames: _,
            bodies,
            rows: _,
            bytes,
        } = removed;
        self.mark.removed.add(Tally {
            bodies,
            bytes,
            ..Tally::default()
        });
        self.mark.freed = self.mark.freed.saturating_add(bytes);
        lock(&self.of.progress).removed = self.mark.removed;
        self.slice = next_slice(self.slice, took);
        Ok(())
    }

    /// Removes bodies that are not kept as long as their notices.
    async fn bodies(&mut self, reader: &Reader<Event>) -> Result<(), CompactError> {
        let policy = Policy::of(&self.of.ledger.state());
        let census = BodyCensus::new(policy, self.of.clock.now());
        self.of.say(Step::Bodies, 0, 0);
        let doomed = {
            let reader = reader.clone();
            tokio::task::spawn_blocking(move || look_at_bodies(&reader, census)).await??
        };
        let of = doomed.len() as u64;
        let mut left = doomed.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(self.slice.min(left.len()));
            self.of.say(Step::Bodies, of - left.len() as u64, of);
            self.remove(Vec::new(), now.to_vec(), Tally::default())
                .await?;
            left = later;
        }
        Ok(())
    }
}

/// How large the next slice is, by how long one of this size took: at most twice as large.
fn next_slice(slice: usize, took: Duration) -> usize {
    let took = took.as_micros().max(1);
    let wanted = slice as u128 * SLICE_AIM.as_micros() / took;
    let wanted = usize::try_from(wanted).unwrap_or(REMOVAL_MAX);
    wanted.min(slice * 2).clamp(SLICE_EVENTS_MIN, REMOVAL_MAX)
}

/// Whether a kind of event is always about a notice: then it is not decoded to see that. A kind that
/// is not listed costs its decoding and nothing else.
fn is_of_family(kind: u16) -> bool {
    matches!(kind, 30..=39 | 43)
}

/// Shows a census the whole log.
fn look(reader: &Reader<Event>, mut census: Census) -> Result<Wanted, CompactError> {
    let mut from = 1;
    loop {
        let mut fault = None;
        let next = reader.for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
            if fault.is_some() || is_of_family(header.kind) {
                return;
            }
            let position = header.position;
            let event = match wire::decode_for_state(header.kind, header.revision, payload) {
                Ok(event) => event,
                Err(source) => {
                    fault = Some(CompactError::Decode { position, source });
                    return;
                }
            };
            let received_at = header.recorded_at;
            let mut family = |provider: u32, kind: &str| {
                census.family(Founded {
                    position,
                    provider,
                    kind,
                    received_at,
                });
            };
            match &event {
                Event::Accepted(accepted) => family(accepted.provider, &accepted.notice.kind),
                Event::IntakeUnreadable { provider, .. } => family(*provider, ""),
                other => {
                    if other.stream() == Stream::None {
                        census.history(position, received_at);
                    }
                }
            }
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        match next {
            Some(next) => from = next,
            None => return Ok(census.finish()),
        }
    }
}

/// Finds what goes among the events of one page.
fn gather(reader: &Reader<Event>, retention: &Retention, from: u64) -> Result<Page, CompactError> {
    let mut page = Page {
        families: Vec::new(),
        alone: Vec::new(),
        next: None,
    };
    let mut fault = None;
    page.next = reader.for_each_frame(from, PAGE_FRAMES_MAX, |header, payload| {
        if fault.is_some() || is_of_family(header.kind) {
            return;
        }
        let position = header.position;
        match wire::decode_for_state(header.kind, header.revision, payload) {
            Ok(event) => match fate(retention, position, &event) {
                Fate::Stays => {}
                Fate::Goes => page.alone.push(position),
                Fate::FamilyGoes => page.families.push(vec![position]),
            },
            Err(source) => fault = Some(CompactError::Decode { position, source }),
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut whole = Vec::with_capacity(page.families.len());
    for family in std::mem::take(&mut page.families) {
        let Some(founding) = family.last().copied() else {
            continue;
        };
        let mut members = Vec::new();
        let mut after = founding;
        loop {
            let more = reader.stream_positions(founding, after, PAGE_FRAMES_MAX)?;
            let Some(last) = more.last() else { break };
            after = *last;
            members.extend(more);
        }
        // Something was said of it since: it goes with the next run that forgets.
        if after < retention.carried_at {
            members.push(founding);
            whole.push(members);
        }
    }
    page.families = whole;
    Ok(page)
}

fn look_at_bodies(
    reader: &Reader<Event>,
    mut census: BodyCensus,
) -> Result<Vec<u64>, CompactError> {
    let mut from = 0;
    loop {
        let page = reader.body_sizes(from, PAGE_FRAMES_MAX)?;
        let Some((last, _)) = page.last() else {
            return Ok(census.finish());
        };
        from = last.saturating_add(1);
        for (position, bytes) in page {
            let Some(found) = reader.get(position)? else {
                continue;
            };
            let provider = match found.payload {
                Event::Accepted(accepted) => accepted.provider,
                Event::IntakeUnreadable { provider, .. } => provider,
                _ => continue,
            };
            census.body(position, bytes, provider, found.recorded_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_what_they_cost() {
        let ms = Duration::from_millis;
        for (slice, took, next) in [
            (64, ms(1), 128),
            (128, ms(4), 256),
            (256, ms(16), 128),
            (1_000, Duration::ZERO, 1_000),
            (64, ms(4_000), SLICE_EVENTS_MIN),
        ] {
            assert_eq!(next_slice(slice, took), next, "{slice} in {took:?}");
        }
    }
}
