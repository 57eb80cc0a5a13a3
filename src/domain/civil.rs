//! Clocks on walls: times of day, days of the week, and the instants at which a clock shows them.
//!
//! An instant is microseconds since 1970-01-01T00:00:00Z. A civil moment is the same count read off
//! a clock on a wall, as if that clock were never put forward or back.
//!
//! **Invariant:** where a clock is put forward, every moment it skips means the first instant after
//! the gap. Where it is put back, a moment comes twice: `first_showing` is the first of the two,
//! `last_showing` the last. Neither goes back when the moment goes forward.
//!
//! **Invariant:** nothing here fails or overflows for instants from [`CALENDAR_MIN_MICROS`] to
//! [`CALENDAR_MAX_MICROS`] and a fortnight around them; callers clamp to them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

pub const SECOND_MICROS: i64 = 1_000_000;
pub const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// First instant for which civil time is reckoned: the year -9990, some years after the calendar
/// begins, so that neither an offset nor a fortnight's reach leads out of it.
pub const CALENDAR_MIN_MICROS: i64 = -4_368_300 * DAY_MICROS;
/// Last instant for which civil time is reckoned, in the year 9990.
pub const CALENDAR_MAX_MICROS: i64 = 2_929_245 * DAY_MICROS;

/// Seconds of a whole day, which is what `24:00` stands for.
const DAY_SECONDS: u32 = 86_400;
/// Longest piece of a text that a problem repeats, in characters.
const SHOWN_CHARS_MAX: usize = 60;
/// Longest word for which a similar one is looked for, in bytes.
const NEAREST_BYTES_MAX: usize = 64;

/// A time of day, `22:00` or `22:00:30`, from `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CivilTime {
    seconds: u32,
}

impl CivilTime {
    pub const MIDNIGHT: CivilTime = CivilTime { seconds: 0 };
    /// `24:00`, the midnight at which a day ends.
    pub const DAY_END: CivilTime = CivilTime {
        seconds: DAY_SECONDS,
    };

    /// Seconds since midnight, at most those of a whole day.
    pub fn from_seconds(seconds: u32) -> Option<CivilTime> {
        (seconds <= DAY_SECONDS).then_some(CivilTime { seconds })
    }

    pub fn seconds(self) -> u32 {
        self.seconds
    }

    pub(crate) fn micros(self) -> i64 {
        i64::from(self.seconds) * SECOND_MICROS
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
        if seconds > 0 {
            write!(f, ":{seconds:02}")?;
        }
        Ok(())
    }
}

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`",
    shown(.given)
)]
pub struct NotATime {
    given: String,
}

impl FromStr for CivilTime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<CivilTime, NotATime> {
        let read = || {
            let mut parts = text.split(':').map(two_digits);
            let (hour, minute) = (parts.next()??, parts.next()??);
            let second = match parts.next() {
                Some(second) => second?,
                None => 0,
            };
            let whole = parts.next().is_none() && minute < 60 && second < 60;
            whole
                .then_some(hour * 3_600 + minute * 60 + second)
                .and_then(CivilTime::from_seconds)
        };
        read().ok_or_else(|| NotATime {
            given: text.to_owned(),
        })
    }
}

fn two_digits(text: &str) -> Option<u32> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl TryFrom<String> for CivilTime {
    type Error = NotATime;

    fn try_from(text: String) -> Result<CivilTime, NotATime> {
        text.parse()
    }
}

impl From<CivilTime> for String {
    fn from(time: CivilTime) -> String {
        time.to_string()
    }
}

/// Days of the week as they are written, from Monday.
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A day of the week or several in a row: `sat`, `mon-fri`, or across the week's end `fri-mon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DaySpan {
    /// Days since Monday.
    first: u8,
    last: u8,
}

impl DaySpan {
    /// One bit per day of the week, Monday the lowest.
    pub(crate) fn bits(self) -> u8 {
        let length = (self.last + 7 - self.first) % 7;
        (0..=length).fold(0, |bits, nth| bits | 1 << ((self.first + nth) % 7))
    }
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day: u8| DAY_NAMES[usize::from(day) % DAY_NAMES.len()];
        f.write_str(name(self.first))?;
        if self.last != self.first {
            write!(f, "-{}", name(self.last))?;
        }
        Ok(())
    }
}

/// A text that is no day of the week and no span of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no day of the week; write one like `sat` or a span like `mon-fri`{}",
    shown(.given),
    hint(.meant.as_deref())
)]
pub struct NotADaySpan {
    given: String,
    meant: Option<String>,
}

impl FromStr for DaySpan {
    type Err = NotADaySpan;

    fn from_str(text: &str) -> Result<DaySpan, NotADaySpan> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (day_named(first), day_named(last)) {
            (Some(first), Some(last)) => Ok(DaySpan { first, last }),
            _ => Err(NotADaySpan {
                given: text.to_owned(),
                meant: days_meant(text),
            }),
        }
    }
}

fn day_named(name: &str) -> Option<u8> {
    (0u8..)
        .zip(DAY_NAMES)
        .find_map(|(day, known)| known.eq_ignore_ascii_case(name).then_some(day))
}

/// What a person meant who wrote `monday`, `Tues` or `mon-fir`.
fn days_meant(text: &str) -> Option<String> {
    let day = |word: &str| {
        let word = word.trim().to_ascii_lowercase();
        DAY_NAMES
            .into_iter()
            .find(|name| word.starts_with(name))
            .or_else(|| nearest(&word, DAY_NAMES))
    };
    match text.split_once('-') {
        Some((first, last)) => Some(format!("{}-{}", day(first)?, day(last)?)),
        None => day(text).map(str::to_owned),
    }
}

impl TryFrom<String> for DaySpan {
    type Error = NotADaySpan;

    fn try_from(text: String) -> Result<DaySpan, NotADaySpan> {
        text.parse()
    }
}

impl From<DaySpan> for String {
    fn from(span: DaySpan) -> String {
        span.to_string()
    }
}

/// A text that names no zone of the bundled database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no time zone; write one like `Europe/Lisbon` or `UTC`{}",
    shown(.given),
    hint(.meant.as_deref())
)]
pub struct NotAZone {
    given: String,
    meant: Option<String>,
}

/// The name of a zone, spelled as in the bundled database.
pub fn zone_name(text: &str) -> Result<String, NotAZone> {
    let database = TimeZoneDatabase::bundled();
    let found = database.get(text).ok();
    if let Some(name) = found.as_ref().and_then(TimeZone::iana_name) {
        return Ok(name.to_owned());
    }
    let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
    Err(NotAZone {
        given: text.to_owned(),
        meant: nearest(text, known.iter().map(String::as_str)).map(str::to_owned),
    })
}

/// The most similar known word, when at most a third of the letters (one to three) differ.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let differing_max = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(word, known), known))
        .filter(|(distance, _)| *distance <= differing_max)
        .min()
        .map(|(_, known)| known)
}

/// What was given, quoted, cut and with what is invisible escaped.
pub(super) fn shown(given: &str) -> String {
    let mut shown: String = given
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if given.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

pub(super) fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

/// The day of the week of a civil day (days since 1970-01-01), as a bit of [`DaySpan::bits`].
pub(super) fn weekday_bit(day: i64) -> u8 {
    // 1970-01-01 was a Thursday, three days after a Monday.
    1 << (day + 3).rem_euclid(7)
}

/// What the clock shows at an instant.
pub(super) fn civil_micros(zone: &TimeZone, at_micros: i64) -> i64 {
    let at = timestamp(at_micros);
    at_micros + offset_micros(zone.to_offset(at))
}

/// The first instant at which the clock shows a civil moment, or has gone past it.
pub(super) fn first_showing(zone: &TimeZone, civil: i64) -> i64 {
    match offsets(zone, civil) {
        AmbiguousOffset::Unambiguous { offset } => civil - offset_micros(offset),
        AmbiguousOffset::Fold { before, .. } => civil - offset_micros(before),
        AmbiguousOffset::Gap { before, after } => gap_end(zone, civil, before, after),
    }
}

/// The last instant at which the clock shows a civil moment, or the first after the gap it is in.
pub(super) fn last_showing(zone: &TimeZone, civil: i64) -> i64 {
    match offsets(zone, civil) {
        AmbiguousOffset::Unambiguous { offset } => civil - offset_micros(offset),
        AmbiguousOffset::Fold { after, .. } => civil - offset_micros(after),
        AmbiguousOffset::Gap { before, after } => gap_end(zone, civil, before, after),
    }
}

/// Whether the clock is put back across a civil moment.
pub(super) fn is_shown_twice(zone: &TimeZone, civil: i64) -> bool {
    match offsets(zone, civil) {
        AmbiguousOffset::Fold { .. } => true,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
    }
}

/// The furthest civil moment the clock has shown up to an instant. It is more than what the clock
/// shows where that was put back and has not caught up.
pub(super) fn furthest_shown(zone: &TimeZone, at_micros: i64) -> i64 {
    let shown = civil_micros(zone, at_micros);
    match offsets(zone, shown) {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => shown,
        AmbiguousOffset::Fold { before, after } => {
            let (before, after) = (offset_micros(before), offset_micros(after));
            if at_micros == shown - before {
                return shown;
            }
            let put_back = zone
                .preceding(timestamp(at_micros + 1))
                .find(|transition| offset_micros(transition.offset()) == after);
            // Up to the transition the clock ran on with the earlier offset.
            put_back.map_or(shown, |transition| {
                transition.timestamp().as_microsecond() + before - 1
            })
        }
    }
}

/// The instant at which the clock was put forward across a civil moment.
fn gap_end(zone: &TimeZone, civil: i64, before: Offset, after: Offset) -> i64 {
    // With the later offset the moment lies before the transition, with the earlier one at or
    // after it, so that only one transition can be the one.
    let latest = civil - offset_micros(before);
    zone.following(timestamp(civil - offset_micros(after)))
        .map(|transition| (transition.timestamp().as_microsecond(), transition.offset()))
        .take_while(|(at, _)| *at <= latest)
        .find_map(|(at, offset)| (offset == after).then_some(at))
        .unwrap_or(latest)
}

fn offsets(zone: &TimeZone, civil: i64) -> AmbiguousOffset {
    zone.to_ambiguous_timestamp(date_time(civil)).offset()
}

fn date_time(civil: i64) -> DateTime {
    Offset::UTC.to_datetime(timestamp(civil))
}

/// The nearest instant that the calendar has.
fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn offset_micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * SECOND_MICROS
}
