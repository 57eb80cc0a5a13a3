//! What people do: retry, drop, confirm, release and move deliveries, send a notice again, send a
//! message, try a target or a provider, pause and go on.
//!
//! **Invariant:** each operation is here once. The pages, the API and the command line on a stopped
//! store call it, and only put what came of it into their own words.

mod quiet;
mod until;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use notify_store::ReadError;
use serde_json::{Value, json};

use super::clock::Clock;
use super::entropy::{Entropy, SystemEntropy};
use super::ledger::{Beside, Committed, Ledger, LedgerError, Priority};
use super::sources::Heard;
use super::views::{self, COPIED_ROWS_MAX, Look, ViewError, moment};
use crate::domain::command::{Command, Notify};
use crate::domain::event::{Action, DeliveryKey, Event, IdSeed, Plan};
use crate::domain::notice::{NoticeDraft, Severity};
use crate::domain::state::State;
use crate::projections::outbox::{Status, waits_until};
use crate::providers;

pub use quiet::{NotAnEnd, TOMORROW, acknowledge, end_snooze, quiet_until, snooze};
pub use until::{NotAMoment, RELEASED, until};

/// Deliveries that one request changes; who asked is told that more are left.
pub const BULK_MAX: usize = 10_000;
/// Of those, given to the ledger at a time.
const BULK_AT_ONCE: usize = 64;
/// Reasons told apart when many could not be changed; more are counted together.
const REASONS_TOLD_MAX: usize = 100;
/// How long is waited for what comes of a test message; then it is told what is still waiting.
pub const TEST_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// What it is about is not there, or cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// It was refused, or could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("what was written cannot be found again")]
    Lost,
}

impl From<ReadError> for OperateError {
    fn from(error: ReadError) -> Self {
        OperateError::View(error.into())
    }
}

/// A delivery to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chosen {
    pub key: DeliveryKey,
    /// Its revision when a person looked at it; it is left alone when it has changed since. Without
    /// one it is taken as it is now, and so is what is released or moved: that a further notice has
    /// joined it meanwhile is no reason to go on holding it.
    pub seen: Option<u32>,
}

/// What is done to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Act(Action),
    /// What is held is sent now, whatever holds it.
    Release,
    /// Held until a moment, in microseconds since 1970; without one until somebody releases it.
    Move {
        until: Option<i64>,
    },
}

impl From<Action> for Deed {
    fn from(action: Action) -> Self {
        Deed::Act(action)
    }
}

impl From<DeliveryKey> for Chosen {
    fn from(key: DeliveryKey) -> Self {
        Chosen { key, seen: None }
    }
}

async fn act(ledger: &Ledger, chosen: Chosen, deed: Deed, by: &str) -> Result<(), LedgerError> {
    let by = by.to_owned();
    let delivery = chosen.key;
    let command = match (deed, chosen.seen) {
        (Deed::Release, _) => Command::ReleaseNow { delivery, by },
        (Deed::Move { until }, _) => Command::HoldUntil {
            delivery,
            until,
            by,
        },
        (Deed::Act(action), None) => Command::Operate {
            delivery,
            action,
            by,
        },
        (Deed::Act(action), Some(revision)) => Command::OperateAsSeen {
            delivery,
            revision,
            action,
            by,
        },
    };
    ledger.command(Priority::People, command).await.map(|_| ())
}

/// Changes one delivery.
pub async fn delivery(
    ledger: &Ledger,
    id: &str,
    deed: impl Into<Deed>,
    by: &str,
) -> Result<(), OperateError> {
    let (key, _) = views::delivery_key(ledger.reader(), id)?;
    act(ledger, key.into(), deed.into(), by).await?;
    Ok(())
}

/// What came of changing many.
#[derive(Debug, Default)]
pub struct Many {
    pub done: u64,
    /// Those that were not changed, with why.
    pub left: Vec<(DeliveryKey, LedgerError)>,
}

impl Many {
    /// How many were not changed, by why.
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for (_, why) in &self.left {
            let why = why.to_string();
            let room = reasons.len() < REASONS_TOLD_MAX || reasons.contains_key(&why);
            let why = if room { why } else { "other reasons".into() };
            *reasons.entry(why).or_default() += 1;
        }
        reasons
    }
}

/// Changes many deliveries, a few at a time. One that is refused stops no other; it is an error only
/// when nothing was done and something else than a refusal is why.
pub async fn deliveries(
    ledger: &Ledger,
    chosen: Vec<Chosen>,
    deed: impl Into<Deed>,
    by: &str,
) -> Result<Many, LedgerError> {
    let deed = deed.into();
    let results: Vec<(DeliveryKey, Result<(), LedgerError>)> = stream::iter(chosen)
        .map(|chosen| async move { (chosen.key, act(ledger, chosen, deed, by).await) })
        .buffer_unordered(BULK_AT_ONCE)
        .collect()
        .await;
    let mut many = Many::default();
    for (key, result) in results {
        match result {
            Ok(()) => many.done += 1,
            Err(error) => many.left.push((key, error)),
        }
    }
    let failed = |(_, error): &(DeliveryKey, LedgerError)| match error {
        LedgerError::Refused(_) => false,
        LedgerError::Saturated
        | LedgerError::DiskLow
        | LedgerError::Failed
        | LedgerError::Stopping => true,
    };
    match many.left.iter().find(|left| failed(left)) {
        Some((_, error)) if many.done == 0 => Err(error.clone()),
        Some(_) | None => Ok(many),
    }
}

/// A notice whose deliveries were planned by hand.
#[derive(Debug)]
pub struct Planned {
    /// The public id of the notice.
    pub notice: String,
    /// Position of the event that planned, and when it was recorded.
    pub position: u64,
    pub recorded_at: i64,
    pub seed: IdSeed,
    pub plan: Plan,
}

impl Planned {
    pub fn keys(&self) -> Vec<DeliveryKey> {
        let position = self.position;
        (1u16..)
            .zip(&self.plan.planned)
            .map(|(ordinal, _)| DeliveryKey { position, ordinal })
            .collect()
    }

    /// The notice, its deliveries, and the reasons where there are none.
    pub fn json(&self) -> Value {
        let id = |key: DeliveryKey| self.seed.id(key.position, key.ordinal).to_string();
        let routed = self.plan.routed.iter();
        json!({
            "notice": self.notice,
            "deliveries": self.keys().into_iter().map(id).collect::<Value>(),
            "reasons": routed.map(|routed| views::reason(self.recorded_at, routed)).collect::<Value>(),
        })
    }
}

/// Reads back what a command planned. The notice is known, or is the one it made.
fn planned(
    ledger: &Ledger,
    notice: Option<String>,
    committed: &Committed,
) -> Result<Planned, OperateError> {
    let position = committed.positions.start;
    let event = ledger.reader().get(position)?;
    let (seed, plan) = match event.map(|event| event.payload) {
        Some(Event::Accepted(accepted)) => (accepted.seed, accepted.plan),
        Some(Event::Resent { seed, plan, .. }) => (seed, plan),
        Some(_) | None => return Err(OperateError::Lost),
    };
    Ok(Planned {
        notice: notice.unwrap_or_else(|| seed.id(position, 0).to_string()),
        position,
        recorded_at: committed.recorded_at,
        seed,
        plan,
    })
}

/// Routes a notice over what is configured now, and plans its deliveries anew.
pub async fn resend(ledger: &Ledger, id: &str, by: &str) -> Result<Planned, OperateError> {
    let (position, founding) = views::founding(ledger.reader(), id)?;
    let notice = founding.seed.id(position, 0).to_string();
    let command = Command::Resend {
        notice: position,
        accepted: founding,
        by: by.to_owned(),
    };
    let committed = ledger.command(Priority::People, command).await?;
    planned(ledger, Some(notice), &committed)
}

/// Records and plans a one-off message.
pub async fn send(ledger: &Ledger, notify: Notify) -> Result<Planned, OperateError> {
    let mut correlation = [0; 16];
    SystemEntropy.fill(&mut correlation);
    let command = Command::Notify(Box::new(notify));
    let committed = ledger
        .submit(Priority::People, command, Beside::default(), correlation)
        .await?;
    planned(ledger, None, &committed)
}

/// Sends a message that says what it is, to all receivers of a target or to one.
pub async fn test_target(
    ledger: &Ledger,
    name: &str,
    receiver: Option<String>,
    by: &str,
) -> Result<Planned, OperateError> {
    let text = format!("{by} asked for it. The target {name} works.");
    let notify = Notify {
        notice: NoticeDraft::message("Test message".into(), text, Severity::Info),
        targets: vec![name.to_owned()],
        receiver,
        tag: None,
        at_once: true,
        by: by.to_owned(),
    };
    send(ledger, notify).await
}

/// Waits until something has come of every planned delivery: sent, parked, or put off beyond the
/// end of the wait. What has nothing to wait for ends it at once.
pub async fn come_of(ledger: &Ledger, clock: &dyn Clock, planned: &Planned, most: Duration) {
    let micros = i64::try_from(most.as_micros()).unwrap_or(i64::MAX);
    let until = clock.now().saturating_add(micros);
    let mut committed = ledger.committed();
    let mut over = clock.sleep(most);
    let keys = planned.keys();
    let mut left = keys.as_slice();
    loop {
        committed.borrow_and_update();
        if !is_under_way(ledger, &mut left, until) {
            return;
        }
        tokio::select! {
            changed = committed.changed() => if changed.is_err() { return },
            () = &mut over => return,
        }
    }
}

/// Takes those off the front that something has come of; says whether one is left that may still
/// be sent in time.
fn is_under_way(look: &impl Look, left: &mut &[DeliveryKey], until: i64) -> bool {
    loop {
        let chunk = &left[..left.len().min(COPIED_ROWS_MAX)];
        if chunk.is_empty() {
            return false;
        }
        let settled = look.look(|state| {
            let mut keys = chunk.iter();
            keys.position(|key| may_be_sent(state, *key, until))
        });
        *left = &left[settled.unwrap_or(chunk.len())..];
        if settled.is_some() {
            return true;
        }
    }
}

fn may_be_sent(state: &State, key: DeliveryKey, until: i64) -> bool {
    let Some(delivery) = state.outbox.deliveries.get(&key) else {
        return false;
    };
    let outbox = &state.outbox;
    let paused = outbox.paused_until(delivery.target, delivery.receiver);
    let target = state.configuration.targets.get(&delivery.target);
    match delivery.status {
        Status::Sending => true,
        Status::Due | Status::Retrying => {
            !outbox.paused
                && target.is_some_and(|target| target.sends_to(delivery.receiver))
                && !waits_until(delivery.not_before.max(paused), until)
        }
        Status::Held
        | Status::Sent
        | Status::Parked
        | Status::Dropped
        | Status::Merged
        | Status::Unknown => false,
    }
}

/// What a provider's test finds. Moments are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    NoSuchKind(String),
    Disabled,
    /// The last request that came was verified.
    Verified(i64),
    Refused {
        at: i64,
        why: String,
    },
    /// Nothing since the start of the program; the last notice is from before.
    Before(i64),
    Silent,
}

impl Finding {
    pub fn is_fine(&self) -> bool {
        match self {
            Finding::Verified(_) | Finding::Before(_) => true,
            Finding::NoSuchKind(_)
            | Finding::Disabled
            | Finding::Refused { .. }
            | Finding::Silent => false,
        }
    }

    pub fn says(&self) -> String {
        match self {
            Finding::NoSuchKind(kind) => format!("this version has no provider kind {kind}"),
            Finding::Disabled => {
                "the provider is disabled; requests are answered with 404".to_owned()
            }
            Finding::Verified(at) => format!("a request was verified at {}", moment(*at)),
            Finding::Refused { at, why } => {
                format!("the last request, at {}, was refused: {why}", moment(*at))
            }
            Finding::Before(at) => format!(
                "nothing came since the start of the program; before, the last notice came at {}",
                moment(*at)
            ),
            Finding::Silent => {
                "no request has come yet; let the sender send one, then ask again".to_owned()
            }
        }
    }
}

/// Tests a provider. A webhook cannot be called from here: what there is to find is whether its
/// sender has got through.
pub fn test_provider(state: &State, name: &str, heard: &Heard) -> Result<Finding, ViewError> {
    let provider = state
        .configuration
        .provider(name)
        .ok_or_else(|| ViewError::NotFound {
            what: "provider",
            name: name.to_owned(),
        })?;
    let kind = &provider.spec.kind;
    if providers::kind(kind).is_none_or(|kind| kind.webhook().is_none()) {
        return Ok(Finding::NoSuchKind(kind.clone()));
    }
    if !provider.spec.enabled {
        return Ok(Finding::Disabled);
    }
    let last_notice = state.health.last_notice_at.get(&provider.id).copied();
    Ok(match (heard.last_verified_at, heard.last_refused_at) {
        (Some(verified), refused) if refused.is_none_or(|refused| refused < verified) => {
            Finding::Verified(verified)
        }
        (_, Some(at)) => Finding::Refused {
            at,
            why: heard
                .last_refused_why
                .clone()
                .unwrap_or_else(|| "not verified".to_owned()),
        },
        (_, None) => last_notice.map_or(Finding::Silent, Finding::Before),
    })
}

/// Stops sending, or goes on. Says whether that changed anything.
pub async fn set_paused(ledger: &Ledger, paused: bool, by: &str) -> Result<bool, LedgerError> {
    let by = by.to_owned();
    let command = if paused {
        Command::Pause { by }
    } else {
        Command::Resume { by }
    };
    let committed = ledger.command(Priority::People, command).await?;
    Ok(!committed.positions.is_empty())
}
