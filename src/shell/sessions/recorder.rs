//! What sessions saw, on its way into the log.
//!
//! **Invariant:** one command at a time, in the order in which things were seen. What was handed over
//! stays here until it is durable, or until its provider is gone or is another place.
//!
//! **Invariant:** nothing is recorded twice. Where it is not known whether a command was written, the
//! log is asked before it is given again.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader};

use crate::domain::command::{Command, Observe, Refusal};
use crate::domain::decide::NOTICES_PER_REQUEST_MAX;
use crate::domain::event::Event;
use crate::domain::spec::{ProviderSpec, SourceSpec};
use crate::providers::ask::Observation;
use crate::shell::clock::Clock;
use crate::shell::ledger::{Ledger, LedgerError, Priority};
use crate::shell::pollers::hide::hide;
use crate::shell::redact::Redactor;

/// Observations that wait to be recorded; at so many nothing more is folded until some are.
pub const OBSERVATIONS_WAITING_MAX: usize = 64;
/// Their notices; at so many nothing more is folded either.
pub const NOTICES_WAITING_MAX: usize = 2_000;
/// How long is waited where too much waits to be written.
const SATURATED_WAIT: Duration = Duration::from_secs(1);

/// Where something was seen.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    kind: String,
    source: SourceSpec,
}

impl Place {
    pub fn of(spec: &ProviderSpec) -> Arc<Self> {
        Arc::new(Place {
            kind: spec.kind.clone(),
            source: spec.source.clone(),
        })
    }

    fn is_of(&self, spec: &ProviderSpec) -> bool {
        self.kind == spec.kind && self.source.is_same_place(&spec.source)
    }
}

/// Something that was seen, in which no secret is left.
#[derive(Debug)]
struct Handed {
    observation: Observation,
    place: Arc<Place>,
    /// The session that waits to be told that it is durable.
    session: Option<u64>,
}

/// Why something is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// It never will be. What was seen after it builds on it, so that is gone as well.
    #[error("what it saw cannot be recorded: {0}")]
    Refused(String),
    /// It is still here.
    #[error("what it saw could not be recorded yet: {0}")]
    Later(LedgerError),
}

/// A command under way, with the position before it when it is not known whether it was written.
type UnderWay<'a> =
    Pin<Box<dyn Future<Output = Result<(), (NotRecorded, Option<u64>)>> + Send + 'a>>;

pub struct Recorder<'a> {
    ledger: &'a Ledger,
    clock: &'a Arc<dyn Clock>,
    provider: u32,
    waiting: VecDeque<Arc<Handed>>,
    notices: usize,
    under_way: Option<UnderWay<'a>>,
    /// The first of those that wait was given once at this position, and may have been written.
    doubtful: Option<u64>,
}

impl<'a> Recorder<'a> {
    pub fn new(ledger: &'a Ledger, clock: &'a Arc<dyn Clock>, provider: u32) -> Self {
        Recorder {
            ledger,
            clock,
            provider,
            waiting: VecDeque::new(),
            notices: 0,
            under_way: None,
            doubtful: None,
        }
    }

    /// Takes what was seen. It always does; who hands over stops where [`Recorder::has_room`] says no.
    pub fn hand(
        &mut self,
        mut observation: Observation,
        session: Option<u64>,
        place: &Arc<Place>,
        redactor: &Redactor,
    ) {
        let notices = std::mem::take(&mut observation.notices);
        observation.notices = notices
            .into_iter()
            .map(|notice| hide(notice, redactor))
            .collect();
        self.notices += observation.notices.len();
        self.waiting.push_back(Arc::new(Handed {
            observation,
            place: Arc::clone(place),
            session,
        }));
    }

    pub fn has_room(&self) -> bool {
        self.waiting.len() < OBSERVATIONS_WAITING_MAX && self.notices < NOTICES_WAITING_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits until the first of those that wait is durable, and says whose it was; forever where none
    /// waits. May be dropped while it waits: the command stays under way.
    pub async fn next(&mut self) -> Result<Option<u64>, NotRecorded> {
        let Some(first) = self.waiting.front() else {
            return std::future::pending().await;
        };
        let under_way = self.under_way.get_or_insert_with(|| {
            Box::pin(record(
                self.ledger,
                self.clock,
                self.provider,
                Arc::clone(first),
                self.doubtful,
            ))
        });
        let recorded = under_way.await;
        self.under_way = None;
        match recorded {
            Ok(()) => {
                self.doubtful = None;
                let done = self.waiting.pop_front();
                self.notices -= done
                    .as_ref()
                    .map_or(0, |done| done.observation.notices.len());
                Ok(done.and_then(|done| done.session))
            }
            Err((error @ NotRecorded::Refused(_), _)) => {
                self.doubtful = None;
                self.waiting.clear();
                self.notices = 0;
                Err(error)
            }
            Err((error @ NotRecorded::Later(_), doubtful)) => {
                self.doubtful = doubtful;
                Err(error)
            }
        }
    }

    /// Waits until nothing waits any more.
    pub async fn all(&mut self) -> Result<(), NotRecorded> {
        while !self.is_empty() {
            self.next().await?;
        }
        Ok(())
    }
}

async fn record(
    ledger: &Ledger,
    clock: &Arc<dyn Clock>,
    provider: u32,
    handed: Arc<Handed>,
    doubtful: Option<u64>,
) -> Result<(), (NotRecorded, Option<u64>)> {
    let seen = &handed.observation;
    if seen.is_nothing() {
        return Ok(());
    }
    let count = seen.notices.len();
    if count > NOTICES_PER_REQUEST_MAX {
        let why = format!("{count} notices at once are more than {NOTICES_PER_REQUEST_MAX}");
        return Err((NotRecorded::Refused(why), None));
    }
    if let Some(before) = doubtful {
        let later = |error| Err((NotRecorded::Later(error), Some(before)));
        // Once anything at all is answered, the writer has read what became of the command before.
        match ledger
            .command(
                Priority::Intake,
                command(provider, 0, &Observation::default()),
            )
            .await
        {
            Ok(_) | Err(LedgerError::Refused(_)) => {}
            Err(error) => return later(error),
        }
        match is_recorded(ledger.reader(), before, provider, seen) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "the log cannot be asked what was recorded");
                return later(LedgerError::Failed);
            }
        }
    }
    loop {
        let (revision, before) = {
            let state = ledger.state();
            let configured = state.configuration.providers.get(&provider);
            let configured = configured.filter(|configured| handed.place.is_of(&configured.spec));
            (
                configured.map(|configured| configured.revision),
                state.position,
            )
        };
        // It is gone, or another place now, of which this says nothing.
        let Some(revision) = revision else {
            return Ok(());
        };
        let given = ledger.command(Priority::Intake, command(provider, revision, seen));
        match given.await {
            Ok(_) | Err(LedgerError::Refused(Refusal::NotFound { .. })) => return Ok(()),
            // It was configured anew meanwhile.
            Err(LedgerError::Refused(Refusal::Outdated)) => {}
            Err(LedgerError::Refused(refusal)) => {
                return Err((NotRecorded::Refused(refusal.to_string()), None));
            }
            Err(LedgerError::Saturated) => clock.sleep(SATURATED_WAIT).await,
            Err(error @ (LedgerError::DiskLow | LedgerError::Stopping)) => {
                return Err((NotRecorded::Later(error), None));
            }
            Err(error @ LedgerError::Failed) => {
                return Err((NotRecorded::Later(error), Some(before)));
            }
        }
    }
}

fn command(provider: u32, revision: u64, seen: &Observation) -> Command {
    Command::Observe(Box::new(Observe {
        provider,
        revision,
        cursors: seen.cursors.clone(),
        notices: seen.notices.clone(),
    }))
}

/// Whether the log has this observation after the position. Its events stand together or not at all,
/// so one of them is enough; no other observation of the provider was given meanwhile.
fn is_recorded(
    reader: &Reader<Event>,
    before: u64,
    provider: u32,
    seen: &Observation,
) -> Result<bool, ReadError> {
    let notices: Vec<_> = seen
        .notices
        .iter()
        .cloned()
        .map(|notice| notice.bounded())
        .collect();
    let mut from = before + 1;
    loop {
        let page = reader.page(from, PAGE_FRAMES_MAX)?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        from = last.position + 1;
        let found = page.iter().any(|event| {
            if let Event::CursorMoved {
                provider: of,
                key,
                bytes,
            } = &event.payload
            {
                return *of == provider
                    && seen
                        .cursors
                        .iter()
                        .any(|(moved, to)| moved == key && to == bytes);
            }
            if let Event::Accepted(accepted) = &event.payload {
                return accepted.provider == provider && notices.contains(&accepted.notice);
            }
            false
        });
        if found {
            return Ok(true);
        }
    }
}
