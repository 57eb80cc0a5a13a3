//! Every zone of the bundled database, around each of its transitions from 2024 to 2030.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use notify_bridge::domain::recur::{Recurrence, next_after};
use notify_bridge::domain::windows::{Active, CompiledWindows, WindowSpec, active};

use crate::oracle::{Clock, DAY_MINUTES, MINUTE, ends, says};
use crate::text;

/// Days around a transition at which every minute is compared.
const DAYS_AROUND: i64 = 2;
/// Days around those that the oracle sees, so that it knows what is before and after.
const DAYS_MORE: i64 = 1;

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
    let mut known = BTreeMap::new();
    for name in database.available() {
        let zone = text::zone(name.as_str());
        let changes = changes(&zone);
        let offset = minutes(zone.to_offset(from));
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

const LISTS_PER_CHANGE: usize = 1;

fn compare(name: &str, zone: &TimeZone, around: i64, list: &str) {
    let specs: Vec<WindowSpec> = text::windows(list);
    let windows = CompiledWindows::new(&specs, zone);
    let reach = (DAYS_AROUND + DAYS_MORE) * DAY_MINUTES;
    let clock = Clock::watched(zone, around - reach..around + reach);
    let says = says(&specs, &clock);
    let ends = ends(&says);
    let compared = around - DAYS_AROUND * DAY_MINUTES..around + DAYS_AROUND * DAY_MINUTES;
    for minute in compared {
        let nth = (minute - clock.first) as usize;
        let found = active(&windows, minute * MINUTE);
        let at = || format!("{name}, {list}, at {}", text::instant(minute * MINUTE));
        assert_eq!(found.map(|found| found.mode), says[nth], "{}", at());
        let Some(Active { index, mode, until }) = found else {
            continue;
        };
        assert_eq!(specs[index].mode, mode, "{}", at());
        match ends[nth] {
            Some(end) => assert_eq!(
                text::instant(until),
                text::instant((clock.first + end as i64) * MINUTE),
                "{}",
                at()
            ),
            None => assert!(until >= clock.minutes().end * MINUTE, "{}", at()),
        }
    }
}

#[test]
fn every_zone_agrees_with_its_clock() {
    let behaviours = behaviours();
    let changing = behaviours
        .iter()
        .filter(|(_, _, changes)| !changes.is_empty());
    eprintln!(
        "{} behaviours, {} changing, {} changes",
        behaviours.len(),
        changing.clone().count(),
        changing.map(|(_, _, c)| c.len()).sum::<usize>()
    );
    for (nth, (name, zone, changes)) in behaviours.iter().enumerate() {
        for (change, turn) in changes.iter().zip(nth..) {
            let lists = lists(*change);
            for which in 0..LISTS_PER_CHANGE {
                let list = &lists[(turn * LISTS_PER_CHANGE + which) % lists.len()];
                compare(name, zone, change.at, list);
            }
        }
    }
}
