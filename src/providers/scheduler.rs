//! The clock: a notice at moments of a cron expression or an interval.
//!
//! The cursor holds the next moment and what it was worked out of. A look before it sees nothing and
//! names it; a look at or after it gives the notice and moves on. So a moment is told once whatever
//! happens to the program, and one that passed while it did not run is known to have been missed.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use xxhash_rust::xxh3::xxh3_64;

use super::ask::{Ask, AskInput, Found, Known, Look, Observation, Polled, Rhythm, Seen};
use super::cursor::{self, Moved};
use super::options::Faults;
use super::{KindField, NoticeKind, Provider};
use crate::domain::cron::Cron;
use crate::domain::notice::{Collection, NoticeDraft, Severity, Subject};
use crate::domain::recur::{self, Recurrence};
use crate::domain::spec::{Missed, ProviderSpec, SourceSpec};
use crate::projections::cursors::OfProvider;

pub struct Scheduler;

/// So late a moment is still told as if it were on time, in microseconds.
pub const GRACE_MICROS: i64 = 60 * 1_000_000;
/// Most missed moments that are told one by one, the newest; the others are counted.
pub const MISSED_MAX: usize = 100;
/// Most missed moments that are counted.
pub const MISSED_COUNTED_MAX: usize = 10_000;
/// A moment that lies further beyond the next one than this was worked out by a clock that was wrong.
const AHEAD_MAX_MICROS: i64 = 25 * 3_600 * 1_000_000;
/// Moments that a test names.
const NAMED: usize = 5;

const KEY: &str = "clock";

static NOTICE_KINDS: &[NoticeKind] = &[NoticeKind {
    name: "scheduled_message",
    severity: Severity::Info,
}];

impl Provider for Scheduler {
    fn kind(&self) -> &'static str {
        "scheduler"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        NOTICE_KINDS
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "A time of day that the clock skips comes at the first moment after the gap; one that it shows twice comes once.",
            "Moments that passed while the program did not run are left out unless `missed` says `once` or `all`.",
        ]
    }

    fn polled(&self) -> Option<&dyn Polled> {
        Some(self)
    }

    fn fields(&self) -> &'static [KindField] {
        const {
            &[
                KindField::optional("cron"),
                KindField::optional("every"),
                KindField::optional("zone"),
                KindField::optional("missed"),
                KindField::optional("data"),
            ]
        }
    }

    fn check(&self, spec: &ProviderSpec) -> Faults {
        match (&spec.source.cron, &spec.source.every) {
            (Some(_), Some(_)) => vec![(
                "every".into(),
                "stands beside `cron`; leave one of them out".into(),
            )],
            (None, None) => vec![(
                "cron".into(),
                "is missing; say when with `cron` or `every`".into(),
            )],
            (Some(_), None) | (None, Some(_)) => Vec::new(),
        }
    }
}

impl Polled for Scheduler {
    fn collections(&self) -> Option<&'static str> {
        None
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Clock
    }

    fn begin(&self, ask: Ask, input: &AskInput<'_>) -> Box<dyn Look> {
        let spec = input.spec;
        let Some(times) = Times::of(&spec.source, input.zone) else {
            return Known::unseen(
                "cron: is missing or cannot be read; say when with `cron` or `every`",
            );
        };
        Known::seen(match ask {
            Ask::Observe => Seen {
                observation: observe(spec, &times, input.cursors, input.now),
                ..Seen::default()
            },
            Ask::Test => Seen {
                lines: times
                    .upcoming(input.now, NAMED)
                    .into_iter()
                    .map(|at| format!("next at {}", shown(at, &times.zone)))
                    .collect(),
                ..Seen::default()
            },
            Ask::Discover => Seen {
                collections: vec![Found {
                    collection: collection(spec),
                    detail: spec.description.clone(),
                }],
                ..Seen::default()
            },
        })
    }

    fn upcoming(&self, spec: &ProviderSpec, zone: &TimeZone, after: i64, count: usize) -> Vec<i64> {
        Times::of(&spec.source, zone).map_or_else(Vec::new, |times| times.upcoming(after, count))
    }
}

/// When, and on which clock.
struct Times {
    when: When,
    zone: TimeZone,
    /// Of everything that the moments are worked out of.
    fingerprint: u64,
}

enum When {
    Cron(Box<Cron>),
    Every(Recurrence),
}

impl Times {
    fn of(source: &SourceSpec, zone: &TimeZone) -> Option<Times> {
        let named = source.zone.as_deref();
        let named = named.and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
        let zone = named.unwrap_or_else(|| zone.clone());
        let (when, text) = match (&source.cron, source.every) {
            (Some(cron), _) => (When::Cron(Box::new(Cron::parse(cron).ok()?)), cron.clone()),
            (None, Some(every)) => {
                let micros = every.micros().unsigned_abs();
                (When::Every(Recurrence::Every { micros }), every.to_string())
            }
            (None, None) => return None,
        };
        let name = zone.iana_name().unwrap_or_default();
        let fingerprint = xxh3_64(format!("{text}\0{name}").as_bytes());
        Some(Times {
            when,
            zone,
            fingerprint,
        })
    }

    fn next_after(&self, at: i64) -> Option<i64> {
        match &self.when {
            When::Cron(cron) => cron.next_after(&self.zone, at),
            When::Every(every) => {
                Some(recur::next_after(every, &self.zone, at)).filter(|at| *at != recur::NEVER)
            }
        }
    }

    fn upcoming(&self, after: i64, count: usize) -> Vec<i64> {
        let next = |at: &i64| self.next_after(*at);
        std::iter::successors(self.next_after(after), next)
            .take(count)
            .collect()
    }

    /// The next moment as it was kept, when it was worked out of the same.
    fn kept(&self, cursors: &OfProvider) -> Option<i64> {
        cursor::moment(cursors, KEY, self.fingerprint)
    }

    fn keep(&self, cursors: &OfProvider, moved: &mut Moved, at: i64) {
        cursor::set_moment(cursors, moved, KEY, self.fingerprint, at);
    }
}

fn observe(spec: &ProviderSpec, times: &Times, cursors: &OfProvider, now: i64) -> Observation {
    let mut observation = Observation::default();
    let Some(next) = times.next_after(now) else {
        return observation;
    };
    observation.next_at = Some(next);
    let kept = times.kept(cursors);
    let kept = kept.filter(|due| due.saturating_sub(next) <= AHEAD_MAX_MICROS);
    match kept {
        // The first look, or what it goes by has changed: from here on.
        None => times.keep(cursors, &mut observation.cursors, next),
        Some(due) if due > now => observation.next_at = Some(due),
        Some(due) => {
            let passed = passed(times, due, now);
            observation.notices = told(spec, times, &passed, now);
            times.keep(cursors, &mut observation.cursors, next);
        }
    }
    observation
}

/// Moments that have come, oldest first: the newest of them one by one, the others counted.
struct Passed {
    newest: Vec<i64>,
    older: usize,
}

fn passed(times: &Times, due: i64, now: i64) -> Passed {
    let mut newest = std::collections::VecDeque::from([due]);
    let mut older = 0;
    let mut at = due;
    while let Some(next) = times.next_after(at).filter(|next| *next <= now) {
        newest.push_back(next);
        if newest.len() > MISSED_MAX {
            newest.pop_front();
            older += 1;
        }
        at = next;
        if older >= MISSED_COUNTED_MAX {
            // Far too many to count: what is told is a moment shortly before now, if there is one.
            let last = times.next_after(now - 2 * GRACE_MICROS);
            older += newest.len();
            newest = last.filter(|last| *last <= now).into_iter().collect();
            break;
        }
    }
    Passed {
        newest: newest.into(),
        older,
    }
}

/// What is told of moments that have come, by what the provider says of missed ones.
fn told(spec: &ProviderSpec, times: &Times, passed: &Passed, now: i64) -> Vec<NoticeDraft> {
    let Some((last, before)) = passed.newest.split_last() else {
        return Vec::new();
    };
    let is_on_time = now.saturating_sub(*last) <= GRACE_MICROS;
    let missed = passed.older + before.len();
    match spec.source.missed.unwrap_or_default() {
        Missed::Skip if !is_on_time => Vec::new(),
        Missed::Skip => vec![notice(spec, times, *last, 0)],
        Missed::Once => vec![notice(spec, times, *last, missed)],
        Missed::All => {
            let all = passed.newest.iter().enumerate();
            all.map(|(nth, at)| {
                // Those that are not told by themselves are told of by the first that is.
                let missed = if nth == 0 { passed.older } else { 0 };
                notice(spec, times, *at, missed)
            })
            .collect()
        }
    }
}

fn collection(spec: &ProviderSpec) -> Collection {
    Collection {
        id: spec.name.clone(),
        name: spec.name.clone(),
    }
}

fn notice(spec: &ProviderSpec, times: &Times, at: i64, missed: usize) -> NoticeDraft {
    let data = &spec.source.data;
    let title = data
        .get("title")
        .unwrap_or(match spec.description.is_empty() {
            true => &spec.name,
            false => &spec.description,
        });
    let mut labels = data.clone();
    labels.insert("scheduled_at".into(), shown(at, &times.zone));
    if missed > 0 {
        labels.insert("missed".into(), missed.to_string());
    }
    let mut text = data.get("text").cloned().unwrap_or_default();
    if missed > 0 {
        let moments = if missed == 1 { "moment" } else { "moments" };
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{missed} earlier {moments} passed unsaid."));
    }
    NoticeDraft {
        kind: NOTICE_KINDS[0].name.into(),
        severity: NOTICE_KINDS[0].severity,
        collection: Some(collection(spec)),
        subject: Subject {
            key: spec.name.clone(),
            label: title.clone(),
        },
        title: title.clone(),
        text,
        labels,
        occurred_at: Some(at),
        ..NoticeDraft::default()
    }
}

/// `2026-11-24 08:00:00 WET`.
fn shown(at: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_microsecond(at).map(|at| {
        let at = at.to_zoned_datetime(zone.clone());
        at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    });
    at.unwrap_or_default()
}

#[cfg(test)]
mod tests;
