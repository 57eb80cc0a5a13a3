//! What a clock on the wall shows minute by minute, and what follows from it. Nothing here computes
//! an instant from a civil time: it looks at the clock, at what it has shown and at what it is yet
//! to show.

use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use notify_bridge::domain::windows::{WindowMode, WindowSpec};

use crate::text;

pub const MINUTE: i64 = 60_000_000;
pub const DAY_MINUTES: i64 = 1_440;

/// Readings of one clock, one for each minute of a stretch of time.
pub struct Clock {
    /// Minutes since 1970 of the first reading.
    pub first: i64,
    /// What it shows: minutes from 1970-01-01 00:00 on the same clock.
    shows: Vec<i64>,
    /// The most it has shown up to each reading.
    furthest: Vec<i64>,
    /// The least it shows after each reading.
    yet: Vec<i64>,
    /// Days of the week by day on the clock, counted from the first day that matters.
    first_day: i64,
    weekdays: Vec<Weekday>,
}

fn reading(zone: &TimeZone, minute: i64) -> i64 {
    let at = Timestamp::from_second(minute * 60).expect("an instant");
    let shown: DateTime = zone.to_datetime(at);
    assert_eq!(shown.second(), 0, "offsets of whole minutes");
    let minutes = i64::from(shown.hour()) * 60 + i64::from(shown.minute());
    days(shown.date()) * DAY_MINUTES + minutes
}

fn days(of: Date) -> i64 {
    date(1970, 1, 1).duration_until(of).as_hours() / 24
}

impl Clock {
    pub fn watched(zone: &TimeZone, minutes: std::ops::Range<i64>) -> Clock {
        let shows: Vec<i64> = minutes
            .clone()
            .map(|minute| reading(zone, minute))
            .collect();
        let mut furthest = shows.clone();
        for at in 1..furthest.len() {
            furthest[at] = furthest[at].max(furthest[at - 1]);
        }
        let mut yet = vec![i64::MAX; shows.len()];
        for at in (1..yet.len()).rev() {
            yet[at - 1] = yet[at].min(shows[at]);
        }
        let first_day = shows[0].div_euclid(DAY_MINUTES) - 3;
        let days = (shows.len() as i64) / DAY_MINUTES + 7;
        let weekday = |day: i64| {
            let day = SignedDuration::from_hours(24 * (first_day + day));
            (date(1970, 1, 1) + day).weekday()
        };
        Clock {
            first: minutes.start,
            first_day,
            weekdays: (0..days).map(weekday).collect(),
            shows,
            furthest,
            yet,
        }
    }

    pub fn minutes(&self) -> std::ops::Range<i64> {
        self.first..self.first + self.shows.len() as i64
    }

    /// For each reading whether a window is on: the clock has shown its begin, and it does not yet
    /// show its end or will show it once more.
    fn on(&self, spec: &WindowSpec) -> Vec<bool> {
        let from = i64::from(spec.from.seconds()) / 60;
        let to = i64::from(spec.to.seconds()) / 60;
        let to = if to > from { to } else { to + DAY_MINUTES };
        let named: Vec<Weekday> = spec
            .days
            .iter()
            .flat_map(|s| named(&s.to_string()))
            .collect();
        let begins: Vec<bool> = self
            .weekdays
            .iter()
            .map(|weekday| named.is_empty() || named.contains(weekday))
            .collect();
        (0..self.shows.len())
            .map(|at| {
                let today = self.shows[at].div_euclid(DAY_MINUTES);
                (today - 2..today + 2).any(|day| {
                    let midnight = day * DAY_MINUTES;
                    begins[(day - self.first_day) as usize]
                        && self.furthest[at] >= midnight + from
                        && (self.shows[at] < midnight + to || self.yet[at] <= midnight + to)
                })
            })
            .collect()
    }

    /// For each reading whether a moment of a kind is shown that was not shown before, or one was
    /// left out since the reading before.
    pub fn comes(&self, is_moment: impl Fn(i64) -> bool) -> Vec<bool> {
        let stretches = self.furthest.windows(2);
        let comes = stretches.map(|pair| (pair[0] + 1..pair[1] + 1).any(&is_moment));
        std::iter::once(false).chain(comes).collect()
    }
}

/// `fri-mon` as the days it names.
fn named(span: &str) -> Vec<Weekday> {
    let day = |name: &str| match name {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        other => panic!("{other} is no day"),
    };
    let (first, last) = span.split_once('-').unwrap_or((span, span));
    let mut days = vec![day(first)];
    while days[days.len() - 1] != day(last) {
        days.push(days[days.len() - 1].next());
    }
    days
}

/// Which mode a list says at each minute, where each window's own zone counts, else the default.
pub fn says(list: &[WindowSpec], default: &Clock) -> Vec<Option<WindowMode>> {
    let mut says = vec![None; default.shows.len()];
    for spec in list {
        let on = match &spec.zone {
            Some(name) => Clock::watched(&text::zone(name), default.minutes()).on(spec),
            None => default.on(spec),
        };
        for (said, _) in says.iter_mut().zip(on).filter(|(_, on)| *on) {
            *said = match (*said, spec.mode) {
                (Some(WindowMode::Drop), _) | (_, WindowMode::Drop) => Some(WindowMode::Drop),
                (Some(WindowMode::Hold), _) | (_, WindowMode::Hold) => Some(WindowMode::Hold),
                (Some(WindowMode::Silent) | None, WindowMode::Silent) => Some(WindowMode::Silent),
            };
        }
    }
    says
}

/// For each minute the first one after it at which what was begun there is over, if that is seen.
pub fn ends(says: &[Option<WindowMode>]) -> Vec<Option<usize>> {
    let goes_on = |mode: WindowMode, said: Option<WindowMode>| match mode {
        WindowMode::Hold => matches!(said, Some(WindowMode::Hold | WindowMode::Drop)),
        WindowMode::Silent | WindowMode::Drop => said == Some(mode),
    };
    let mut ends = vec![None; says.len()];
    for at in (0..says.len().saturating_sub(1)).rev() {
        let Some(mode) = says[at] else { continue };
        ends[at] = match says[at + 1] {
            next if !goes_on(mode, next) => Some(at + 1),
            // What goes on under the same name ends together; a hold that runs into a drop does not.
            next if next == Some(mode) => ends[at + 1],
            _ => (at + 1..says.len()).find(|later| !goes_on(mode, says[*later])),
        };
    }
    ends
}
