//! Pace: how often something may be started, counted from what was started.
//!
//! The state keeps the moments of the newest [`STARTS_MAX`] attempts of each receiver and of each
//! *account* (everything sent under the same credentials: all targets of one bot). That is folded
//! from the attempts alone; which rate holds is asked of the configuration when somebody looks.
//!
//! A rate of `count` per `time` holds for **any** stretch of that length, ends open: the moments of
//! the last `count` starts say exactly when the next one may follow. A rate of more than
//! [`STARTS_MAX`] is held over an equal part of its time: 600 a minute as 60 in 6 s. Where the count does
//! not divide evenly the part is rounded down, so that the whole is never passed.
//!
//! **Invariant:** a log is in the order of time, so that a clock that went back by less than counts as
//! a step lets one start too many through, and makes nobody wait longer than the rate's own time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::config::quantity::{RATE_SECONDS_MAX, rate_text};
use crate::domain::spec::{Rate, ReceiverSpec, SecretMarks};
use crate::projections::configuration::{Configuration, Target, default_receiver};
use crate::targets;

/// Starts remembered per receiver and account, and the most that a rate is counted exactly with.
pub const STARTS_MAX: u32 = 64;
/// How long after its last start a receiver or account is remembered: the longest time that a rate
/// can be counted over, in microseconds.
pub const IDLE_MAX_MICROS: i64 = RATE_SECONDS_MAX as i64 * 1_000_000;
/// Starts after which idle ones are looked for, beside one for each that is remembered.
const SWEEP_EVERY: usize = 256;

/// At most `count` starts in any `micros`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    count: usize,
    micros: i64,
    /// As it was configured, for people.
    rate: Rate,
}

impl Window {
    pub fn of(rate: Rate) -> Self {
        let parts = rate.count.div_ceil(STARTS_MAX).max(1);
        Window {
            count: (rate.count / parts).max(1) as usize,
            micros: (i64::from(rate.per_seconds) * 1_000_000).saturating_add(i64::from(parts) - 1)
                / i64::from(parts),
            rate,
        }
    }
}

/// What limits a receiver, as it is configured now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of the receiver; all of them hold.
    receiver: [Option<Window>; targets::RECEIVER_RATES_MAX],
    /// Of what is sent under the same credentials.
    account: Option<(Account, Window)>,
}

/// Credentials, as told apart by their fingerprint; a target without any is its own.
pub type Account = u128;

/// The account of a target: who it is to its service. That is its `token` or its bot's, else its `url`.
pub fn account(configuration: &Configuration, target: &Target) -> Account {
    let entity = &target.entity;
    let marks = configuration.marks_of(&entity.spec, &entity.secrets);
    account_of(marks).unwrap_or(Account::from(entity.id))
}

/// The account that these secrets stand for.
pub fn account_of(marks: &SecretMarks) -> Option<Account> {
    ["token", "url"]
        .iter()
        .find_map(|field| marks.get(*field))
        .map(|mark| Account::from_le_bytes(mark.fingerprint))
}

static DEFAULT: LazyLock<ReceiverSpec> = LazyLock::new(default_receiver);

impl Limits {
    /// What a target's kind says of itself, unless target or receiver say otherwise. `off` at the target
    /// ends what its kind says, also of its receivers.
    pub fn of(configuration: &Configuration, target: &Target, receiver: u32) -> Self {
        let spec = &target.entity.spec;
        let Some(configured) = target.receiver_spec(receiver) else {
            return Limits::default();
        };
        let own = configured.and_then(|receiver| receiver.pace);
        let kind = match (spec.pace, own) {
            // Nothing of the kind's own is left.
            (Some(_), Some(_)) | (Some(None), None) => targets::Pace::default(),
            (None, _) | (Some(Some(_)), None) => targets::kind(&spec.kind)
                .map(|kind| kind.pace(configured.unwrap_or(&DEFAULT)))
                .unwrap_or_default(),
        };
        let mut receiver = [None; targets::RECEIVER_RATES_MAX];
        match own {
            Some(rate) => receiver[0] = rate.map(Window::of),
            None => receiver = kind.receiver.map(|rate| rate.map(Window::of)),
        }
        let rate = spec.pace.unwrap_or(kind.account);
        Limits {
            receiver,
            account: rate.map(|rate| (account(configuration, target), Window::of(rate))),
        }
    }

    pub fn are_none(&self) -> bool {
        self.account.is_none() && self.receiver.iter().all(Option::is_none)
    }
}

/// Moments of the newest starts, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Starts(VecDeque<i64>);

impl Starts {
    fn note(&mut self, at: i64) {
        // What came before is not later than this, whatever the clock said then.
        for earlier in self.0.iter_mut().rev() {
            if *earlier <= at {
                break;
            }
            *earlier = at;
        }
        if self.0.len() >= STARTS_MAX as usize {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }

    fn newest(&self) -> i64 {
        self.0.back().copied().unwrap_or(i64::MIN)
    }

    /// How many more may start now, else when the next one may.
    fn left(&self, window: Window, now: i64) -> Result<usize, i64> {
        // One that is still to come was made by a clock that was wrong.
        let past = self.0.partition_point(|start| *start <= now);
        let gone = self
            .0
            .partition_point(|start| start.saturating_add(window.micros) <= now);
        let within = past.saturating_sub(gone);
        match window.count.checked_sub(within) {
            None | Some(0) => Err(self.0[past - window.count].saturating_add(window.micros)),
            Some(left) => Ok(left),
        }
    }

    /// When the start after `ahead` others may be, when all of them start as early as they may.
    fn after(&self, window: Window, now: i64, ahead: usize) -> i64 {
        let past = self.0.partition_point(|start| *start <= now);
        let (rounds, place) = (ahead / window.count, ahead % window.count);
        // The start that has to be gone before the one in this place.
        let before = (past + place).checked_sub(window.count);
        let first = before
            .and_then(|before| self.0.get(before))
            .map_or(now, |start| start.saturating_add(window.micros).max(now));
        first.saturating_add(window.micros.saturating_mul(rounds as i64))
    }
}

/// What was started lately, by receiver and by account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pacing {
    receivers: BTreeMap<u32, Starts>,
    accounts: BTreeMap<Account, Starts>,
    /// Starts since idle ones were looked for.
    unswept: usize,
}

/// What keeps something from being started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The moment at which it may; `None` when others of the same look have taken what was left.
    pub until: Option<i64>,
    /// Whether others share what is used up.
    pub shared: bool,
}

/// When something is likely to be sent, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projected {
    /// Microseconds since 1970.
    pub at: i64,
    /// `20/min`.
    pub rate: String,
}

impl Pacing {
    pub fn note(&mut self, receiver: u32, account: Account, at: i64) {
        self.receivers.entry(receiver).or_default().note(at);
        self.accounts.entry(account).or_default().note(at);
        self.unswept += 1;
        let remembered = self.receivers.len() + self.accounts.len();
        if self.unswept >= SWEEP_EVERY + remembered {
            self.unswept = 0;
            let kept = |starts: &Starts| starts.newest().saturating_add(IDLE_MAX_MICROS) > at;
            self.receivers.retain(|_, starts| kept(starts));
            self.accounts.retain(|_, starts| kept(starts));
        }
    }

    pub fn forget_receiver(&mut self, receiver: u32) {
        self.receivers.remove(&receiver);
    }

    pub fn forget_account(&mut self, account: Account) {
        self.accounts.remove(&account);
    }

    pub(super) fn shift(&mut self, by_micros: i64) {
        let all = self
            .receivers
            .values_mut()
            .chain(self.accounts.values_mut());
        for starts in all {
            for start in &mut starts.0 {
                *start = start.saturating_add(by_micros);
            }
        }
    }

    /// The last start that is remembered of each receiver, microseconds since 1970.
    pub fn last_starts(&self) -> impl Iterator<Item = (u32, i64)> {
        let receivers = self.receivers.iter();
        receivers.filter_map(|(receiver, starts)| Some((*receiver, *starts.0.back()?)))
    }

    /// Receivers and accounts that are remembered.
    pub fn remembered(&self) -> usize {
        self.receivers.len() + self.accounts.len()
    }

    /// Until when a start has to wait.
    pub fn waits_until(&self, receiver: u32, limits: &Limits, now: i64) -> Option<i64> {
        let mut budgets = self.begin(now);
        match budgets.left(receiver, limits) {
            Ok(_) => None,
            Err(wait) => wait.until,
        }
    }

    /// Begins a look, in which what one takes is not left to the others.
    pub fn begin(&self, now: i64) -> Budgets<'_> {
        Budgets {
            pacing: self,
            now,
            taken: BTreeMap::new(),
        }
    }

    /// When a delivery with so many before it in its lane is likely to start, as far as its pace
    /// says. `None` when that is at once.
    pub fn projected(
        &self,
        receiver: u32,
        limits: &Limits,
        now: i64,
        ahead: usize,
    ) -> Option<Projected> {
        let of_receiver = limits.receiver.iter().flatten().map(|window| {
            let starts = self.receivers.get(&receiver);
            (*window, starts)
        });
        let of_account = limits
            .account
            .map(|(account, window)| (window, self.accounts.get(&account)));
        let nothing = Starts::default();
        of_receiver
            .chain(of_account)
            .map(|(window, starts)| {
                let at = starts.unwrap_or(&nothing).after(window, now, ahead);
                (at, window.rate)
            })
            .max_by_key(|(at, _)| *at)
            .filter(|(at, _)| *at > now)
            .map(|(at, rate)| Projected {
                at,
                rate: rate_text(Some(rate)),
            })
    }
}

/// What is left during one look.
pub struct Budgets<'a> {
    pacing: &'a Pacing,
    now: i64,
    /// Starts of this look, by account.
    taken: BTreeMap<Account, usize>,
}

impl Budgets<'_> {
    /// How many more of a receiver may start.
    pub fn left(&mut self, receiver: u32, limits: &Limits) -> Result<usize, Wait> {
        if limits.are_none() {
            return Ok(usize::MAX);
        }
        let mut most = usize::MAX;
        let mut until = None;
        if let Some(starts) = self.pacing.receivers.get(&receiver) {
            for window in limits.receiver.iter().flatten() {
                match starts.left(*window, self.now) {
                    Ok(left) => most = most.min(left),
                    Err(at) => until = until.max(Some(at)),
                }
            }
        } else {
            let counts = limits.receiver.iter().flatten().map(|window| window.count);
            most = counts.min().unwrap_or(most);
        }
        if until.is_some() {
            let shared = false;
            return Err(Wait { until, shared });
        }
        let Some((account, window)) = limits.account else {
            return Ok(most);
        };
        let shared = true;
        let left = match self.pacing.accounts.get(&account) {
            Some(starts) => starts.left(window, self.now).map_err(|at| Wait {
                until: Some(at),
                shared,
            })?,
            None => window.count,
        };
        match left.saturating_sub(self.taken.get(&account).copied().unwrap_or(0)) {
            0 => Err(Wait {
                until: None,
                shared,
            }),
            left => Ok(most.min(left)),
        }
    }

    /// One is started.
    pub fn take(&mut self, limits: &Limits) {
        if let Some((account, _)) = limits.account {
            *self.taken.entry(account).or_default() += 1;
        }
    }
}
