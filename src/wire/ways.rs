//! What becomes of a planning event's deliveries, written so that thousands that are held alike take
//! a few bytes: runs of equal ways, over tables of the numbers, moments and words in them.
//!
//! **Invariant:** slots, threads and groups of one link differ by their receiver alone
//! ([`of_receiver`]), so that without it they are equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Texts;
use super::holds::what;
use crate::domain::event::{DeliveryKey, Plan, Planned};
use crate::domain::hold::{Hold, Planning, Thread, Way, of_receiver};

/// Numbers of tables: 0 is none, others count from 1.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ThreadR2 {
    key: u16,
    closes: bool,
}

/// The ordinal is the distance from the index of the delivery, round the end of its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct HostR2 {
    position: u64,
    ordinal: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum WayR2 {
    Now {
        silent: bool,
        pierced: bool,
    },
    Held {
        until: u16,
        why: u16,
        slot: u16,
        thread: ThreadR2,
    },
    Merged {
        host: HostR2,
        until: u16,
        thread: ThreadR2,
    },
    Cancelled {
        host: HostR2,
        thread: ThreadR2,
    },
    Dropped {
        why: u16,
    },
}

#[derive(Serialize, Deserialize)]
struct RunR2 {
    /// Deliveries since the end of the run before, which are simply due.
    skipped: u16,
    count: u16,
    way: WayR2,
    group: u16,
    detail: u16,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct WaysR2<'a> {
    numbers: Vec<u64>,
    moments: Vec<i64>,
    #[serde(borrow)]
    details: Vec<&'a str>,
    runs: Vec<RunR2>,
}

/// What a run takes at most, a number or moment of a table, and the length of a text.
const RUN_BYTES_MAX: usize = 40;
const NUMBER_BYTES_MAX: usize = 10;
const LENGTH_BYTES_MAX: usize = 3;

impl WaysR2<'_> {
    /// Whether everything is simply due.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// At least the bytes it has.
    pub(super) fn weight(&self) -> usize {
        let details = self.details.iter();
        let details: usize = details.map(|text| text.len() + LENGTH_BYTES_MAX).sum();
        self.runs.len() * RUN_BYTES_MAX
            + (self.numbers.len() + self.moments.len()) * NUMBER_BYTES_MAX
            + details
    }
}

/// A table in the making.
struct Table<T> {
    known: BTreeMap<T, u16>,
    entries: Vec<T>,
}

impl<T: Ord + Copy> Table<T> {
    fn new() -> Self {
        Table {
            known: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    /// There are fewer entries than four for each of a notice's deliveries, so that their numbers fit.
    fn index(&mut self, entry: T) -> u16 {
        *self.known.entry(entry).or_insert_with(|| {
            self.entries.push(entry);
            self.entries.len() as u16
        })
    }
}

pub(super) fn ways_r2(plan: &Plan) -> WaysR2<'_> {
    let (mut numbers, mut moments, mut details) = (Table::new(), Table::new(), Table::new());
    let mut runs: Vec<RunR2> = Vec::new();
    let mut end = 0;
    for planning in &plan.ways {
        let planned = plan.planned.get(usize::from(planning.index));
        let receiver = planned.map_or(0, |planned| planned.receiver);
        let mut number = |name: u64| match name {
            0 => 0,
            name => numbers.index(name),
        };
        let host = |host: DeliveryKey| HostR2 {
            position: host.position,
            ordinal: host.ordinal,
        };
        let group = number(of_receiver(planning.group, receiver));
        let mut thread = |thread: Thread| ThreadR2 {
            key: number(thread.key),
            closes: thread.closes,
        };
        let way = match planning.way.in_common(planning.index, receiver) {
            Way::Now { silent, pierced } => WayR2::Now { silent, pierced },
            Way::Held {
                hold,
                thread: about,
            } => WayR2::Held {
                until: moments.index(hold.until),
                why: hold.why.code(),
                thread: thread(about),
                slot: number(hold.slot),
            },
            Way::Merged {
                host: into,
                until,
                thread: about,
            } => WayR2::Merged {
                host: host(into),
                until: moments.index(until),
                thread: thread(about),
            },
            Way::Cancelled {
                host: into,
                thread: about,
            } => WayR2::Cancelled {
                host: host(into),
                thread: thread(about),
            },
            Way::Dropped { why } => WayR2::Dropped { why: why.code() },
        };
        let detail = match planning.detail.as_str() {
            "" => 0,
            detail => details.index(detail),
        };
        let skipped = planning.index.saturating_sub(end);
        end = planning.index + 1;
        match runs.last_mut() {
            Some(run)
                if skipped == 0 && (run.way, run.group, run.detail) == (way, group, detail) =>
            {
                run.count += 1;
            }
            Some(_) | None => runs.push(RunR2 {
                skipped,
                count: 1,
                way,
                group,
                detail,
            }),
        }
    }
    WaysR2 {
        numbers: numbers.entries,
        moments: moments.entries,
        details: details.entries,
        runs,
    }
}

/// An entry of a table; the first has number 1.
fn entry<T: Copy>(table: &[T], number: u16) -> Result<T, String> {
    usize::from(number)
        .checked_sub(1)
        .and_then(|index| table.get(index))
        .copied()
        .ok_or_else(|| format!("a table of {} has no entry {number}", table.len()))
}

pub(super) fn ways(
    ways: WaysR2<'_>,
    planned: &[Planned],
    texts: Texts,
) -> Result<Vec<Planning>, String> {
    let WaysR2 {
        numbers,
        moments,
        details,
        runs,
    } = ways;
    let mut all = Vec::new();
    let mut next = 0usize;
    for run in runs {
        next += usize::from(run.skipped);
        for _ in 0..run.count {
            let Some(to) = planned.get(next) else {
                return Err("there are more ways than deliveries".into());
            };
            let index = u16::try_from(next).map_err(|_| "there are too many deliveries")?;
            next += 1;
            let number = |number: u16| match number {
                0 => Ok(0),
                number => entry(&numbers, number),
            };
            let thread = |about: ThreadR2| {
                Ok::<Thread, String>(Thread {
                    key: number(about.key)?,
                    closes: about.closes,
                })
            };
            let host = |host: HostR2| DeliveryKey {
                position: host.position,
                ordinal: host.ordinal,
            };
            let way = match run.way {
                WayR2::Now { silent, pierced } => Way::Now { silent, pierced },
                WayR2::Held {
                    until,
                    why,
                    slot,
                    thread: about,
                } => Way::Held {
                    hold: Hold {
                        until: entry(&moments, until)?,
                        why: what(why)?,
                        slot: number(slot)?,
                    },
                    thread: thread(about)?,
                },
                WayR2::Merged {
                    host: into,
                    until,
                    thread: about,
                } => Way::Merged {
                    host: host(into),
                    until: entry(&moments, until)?,
                    thread: thread(about)?,
                },
                WayR2::Cancelled {
                    host: into,
                    thread: about,
                } => Way::Cancelled {
                    host: host(into),
                    thread: thread(about)?,
                },
                WayR2::Dropped { why } => Way::Dropped { why: what(why)? },
            };
            all.push(Planning {
                index,
                way: way.of_one(index, to.receiver),
                group: of_receiver(number(run.group)?, to.receiver),
                detail: match run.detail {
                    0 => String::new(),
                    detail => texts.unread(entry(&details, detail)?),
                },
            });
        }
    }
    Ok(all)
}
