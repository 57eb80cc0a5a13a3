//! Every zone of the bundled database, around each of its transitions from 2024 to 2030.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use notify_bridge::domain::civil::CivilTime;
use notify_bridge::domain::recur::{Recurrence, next_after};
use notify_bridge::domain::windows::{Active, CompiledWindows, WindowSpec, active};

use crate::oracle::{Clock, DAY_MINUTES, MINUTE, ends, says};
use crate::text;

/// Days around a transition at which every minute is compared.
const DAYS_AROUND: i64 = 2;
/// Days around those that the oracle sees, so that it knows what is before and after.
const DAYS_MORE: i64 = 1;
/// Threads among which the zones are shared out.
const THREADS: usize = 2;

/// When the clock is put forward or back, and by how much, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub at: i64,
    before: i64,
    after: i64,
}

fn minutes(offset: jiff::tz::Offset) -> i64 {
    assert_eq!(offset.seconds() % 60, 0, "offsets of whole minutes");
    i64::from(offset.seconds()) / 60
}

pub fn changes(zone: &TimeZone) -> Vec<Change> {
    let from: Timestamp = "2024-01-01T00:00:00Z".parse().expect("an instant");
    let to: Timestamp = "2031-01-01T00:00:00Z".parse().expect("an instant");
    let mut before = minutes(zone.to_offset(from));
    let seen = zone
        .following(from)
        .take_while(|change| change.timestamp() < to);
    seen.filter_map(|change| {
        let after = minutes(change.offset());
        let put = Change {
            at: change.timestamp().as_second() / 60,
            before,
            after,
        };
        before = after;
        (put.before != put.after).then_some(put)
    })
    .collect()
}

/// One zone of each behaviour: those whose offsets and changes are alike cannot differ here.
fn behaviours() -> Vec<(String, TimeZone, Vec<Change>)> {
    let database = TimeZoneDatabase::bundled();
    let from: Timestamp = "2024-01-01T00:00:00Z".parse().expect("an instant");
    // A clock that is never changed is looked at around some minute all the same.
    let minute_of_nothing = text::micros("2027-03-01T12:00:00Z") / MINUTE;
    let mut known = BTreeMap::new();
    for name in database.available() {
        let zone = text::zone(name.as_str());
        let changes = changes(&zone);
        let offset = minutes(zone.to_offset(from));
        let nothing = Change {
            at: minute_of_nothing,
            before: offset,
            after: offset,
        };
        let changes = if changes.is_empty() {
            vec![nothing]
        } else {
            changes
        };
        known
            .entry((offset, changes))
            .or_insert_with(|| (name.to_string(), zone));
    }
    let behaviours = known.into_iter();
    behaviours
        .map(|((_, changes), (name, zone))| (name, zone, changes))
        .collect()
}

/// Lists whose bounds lie at, in and next to what the clock leaves out or shows twice.
fn lists(change: Change) -> Vec<String> {
    let (one, other) = (change.at + change.before, change.at + change.after);
    let (low, high) = (one.min(other), one.max(other));
    let middle = (low + high) / 2;
    let time = |civil: i64| {
        let minute = civil.rem_euclid(DAY_MINUTES);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    let span = |from: i64, to: i64| format!("{}-{}", time(from), time(to));
    let weekday = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let today = weekday[low.div_euclid(DAY_MINUTES).rem_euclid(7) as usize];
    vec![
        format!("{} hold", span(middle, middle + 180)),
        format!("{} hold", span(middle - 180, middle)),
        format!("{} hold; {} silent", span(low, high), span(high, low)),
        format!("mon-fri 22:00-07:00 hold; 03:00-04:00 drop; sat-sun 00:00-24:00 silent"),
        format!(
            "{today} {} silent; {} drop",
            span(middle, middle),
            span(low + 1, middle)
        ),
        format!(
            "{} hold; {} hold",
            span(low - 30, middle),
            span(middle, high + 30)
        ),
        format!(
            "{} hold; {} drop",
            span(low + 1, high - 1),
            span(high - 1, high + 20)
        ),
        format!(
            "22:00-06:30 Asia/Kolkata hold; {} silent; fri-mon 23:00-01:00",
            span(low, middle)
        ),
        format!(
            "{} drop; {} silent",
            span(middle, low),
            span(low - 200, high + 200)
        ),
        format!(
            "00:00-24:00 silent; {} hold; {} hold",
            span(high, high + 1),
            span(low, low + 1)
        ),
    ]
}

/// What comes again every so many minutes, or at these minutes of the day.
const RECURRENCES: &[(&str, &[i64])] = &[
    ("every", &[15]),
    ("every", &[60]),
    ("every", &[1_440]),
    ("every", &[7]),
    ("every", &[300]),
    ("every", &[2_160]),
    ("at", &[480]),
    ("at", &[90, 120, 150, 0, 1_410]),
];

/// Changes of one zone follow each other alike, so that each takes its turn with a few.
const RECURRENCES_PER_CHANGE: usize = 2;

fn recurrence(kind: &str, minutes: &[i64]) -> Recurrence {
    match kind {
        "every" => Recurrence::Every {
            micros: (minutes[0] * MINUTE).unsigned_abs(),
        },
        _ => {
            let time = |minute: &i64| CivilTime::from_seconds(*minute as u32 * 60);
            Recurrence::At {
                times: minutes.iter().filter_map(time).collect(),
            }
        }
    }
}

/// Whether it comes at a minute counted from 1970-01-01 00:00 on the clock.
fn is_moment(kind: &str, minutes: &[i64], minute: i64) -> bool {
    let of_day = minute.rem_euclid(DAY_MINUTES);
    let first_monday = 4 * DAY_MINUTES;
    match (kind, minutes[0]) {
        ("every", every) if every > DAY_MINUTES => (minute - first_monday) % every == 0,
        ("every", every) => of_day % every == 0,
        _ => minutes.contains(&of_day),
    }
}

fn watched(zone: &TimeZone, around: i64) -> Clock {
    let reach = (DAYS_AROUND + DAYS_MORE) * DAY_MINUTES;
    Clock::watched(zone, around - reach..around + reach)
}

fn compare_windows(name: &str, zone: &TimeZone, clock: &Clock, list: &str) {
    let specs: Vec<WindowSpec> = text::windows(list);
    let windows = CompiledWindows::new(&specs, zone);
    let says = says(&specs, clock);
    let ends = ends(&says);
    let more = (DAYS_MORE * DAY_MINUTES) as usize;
    for nth in more..says.len() - more {
        let minute = clock.first + nth as i64;
        let found = active(&windows, minute * MINUTE);
        let at = || format!("{name}, {list}, at {}", text::instant(minute * MINUTE));
        assert_eq!(found.map(|found| found.mode), says[nth], "{}", at());
        let Some(Active { index, mode, until }) = found else {
            continue;
        };
        assert_eq!(specs[index].mode, mode, "{}", at());
        match ends[nth] {
            Some(end) => assert_eq!(until, (clock.first + end as i64) * MINUTE, "{}", at()),
            None => assert!(until >= clock.minutes().end * MINUTE, "{}", at()),
        }
    }
}

fn compare_recurrence(name: &str, zone: &TimeZone, clock: &Clock, kind: &str, minutes: &[i64]) {
    let asked = recurrence(kind, minutes);
    let comes = clock.comes(|minute| is_moment(kind, minutes, minute));
    let expected = comes.iter().zip(clock.minutes());
    let mut expected = expected.filter_map(|(comes, minute)| comes.then_some(minute * MINUTE));
    let mut at = clock.first * MINUTE;
    let end = (clock.minutes().end - 1) * MINUTE;
    while at < end {
        let next = next_after(&asked, zone, at);
        let said = || format!("{name}, {asked:?}, after {}", text::instant(at));
        match expected.next() {
            Some(expected) => {
                assert_eq!(text::instant(next), text::instant(expected), "{}", said())
            }
            None => assert!(next > end, "{}", said()),
        }
        assert_eq!(
            next_after(&asked, zone, at + (next - at) / 2),
            next,
            "{}",
            said()
        );
        at = next;
    }
}

#[test]
fn every_zone_agrees_with_its_clock() {
    let behaviours = behaviours();
    let one_of = |nth: usize| {
        let turns = behaviours.iter().zip(nth..);
        for ((name, zone, changes), turn) in turns.skip(nth).step_by(THREADS) {
            for (change, turn) in changes.iter().zip(turn..) {
                let clock = watched(zone, change.at);
                let lists = lists(*change);
                compare_windows(name, zone, &clock, &lists[turn % lists.len()]);
                let turns = RECURRENCES.len() / RECURRENCES_PER_CHANGE;
                let some = RECURRENCES.iter().skip(turn % turns).step_by(turns);
                for (kind, minutes) in some {
                    compare_recurrence(name, zone, &clock, kind, minutes);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for nth in 0..THREADS {
            let one_of = &one_of;
            scope.spawn(move || one_of(nth));
        }
    });
}
