//! Instants that come again: every so often, or at times of day, on a clock in a zone.
//!
//! - An interval of a day or less counts from midnight and starts anew at the next one, so that
//!   every hour is on the hour, and every five hours is at 00:00, 05:00, 10:00, 15:00 and 20:00.
//! - A longer interval counts from the midnight at which Monday, 5 January 1970 began, so that every
//!   seven days is on Mondays.
//! - A moment that the clock skips comes at the first instant after the gap; several such moments
//!   come there as one. A moment that the clock shows twice comes the first time only.
//!
//! **Invariant:** [`next_after`] gives an instant strictly later than the one it is asked for, and
//! asking again with each answer leaves out no moment and repeats none.

use jiff::tz::TimeZone;

use super::civil::{
    CALENDAR_MAX_MICROS, CALENDAR_MIN_MICROS, CivilTime, DAY_MICROS, SECOND_MICROS, first_showing,
    furthest_shown,
};

/// Shortest interval, in microseconds: a second. A shorter one is read as this.
pub const EVERY_MIN_MICROS: u64 = SECOND_MICROS.unsigned_abs();
/// Longest interval, in microseconds: ten years of 365 days. A longer one is read as this.
pub const EVERY_MAX_MICROS: u64 = 3_650 * DAY_MICROS.unsigned_abs();
/// Most times of day in one recurrence. Configuration refuses more.
pub const TIMES_MAX: usize = 48;

/// What [`next_after`] answers where nothing comes any more: for no times of day at all, and at the
/// end of the calendar.
pub const NEVER: i64 = i64::MAX;

/// More than any clock on a wall is apart from UTC.
const ZONE_REACH_MICROS: i64 = 2 * DAY_MICROS;
/// The midnight with which Monday, 5 January 1970 began, as a civil moment.
const FIRST_MONDAY_MICROS: i64 = 4 * DAY_MICROS;

/// When something comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    Every {
        micros: u64,
    },
    /// At times of day, in any order; `24:00` is the same as `00:00`.
    At {
        times: Vec<CivilTime>,
    },
}

/// The first instant after another, both in microseconds since 1970, at which something comes again.
pub fn next_after(recurrence: &Recurrence, zone: &TimeZone, at_micros: i64) -> i64 {
    if at_micros >= CALENDAR_MAX_MICROS {
        return NEVER;
    }
    let at = at_micros.max(CALENDAR_MIN_MICROS);
    let mut moment = furthest_shown(zone, at);
    // All that came before is at or before what the clock has shown, so that the next moment is
    // almost always the answer; it is not where transitions lie within hours of each other.
    loop {
        let Some(next) = moment_after(recurrence, moment) else {
            return NEVER;
        };
        if next > CALENDAR_MAX_MICROS + ZONE_REACH_MICROS {
            return NEVER;
        }
        let instant = first_showing(zone, next);
        if instant > CALENDAR_MAX_MICROS {
            return NEVER;
        }
        if instant > at {
            return instant;
        }
        moment = next;
    }
}

/// The next civil moment of a recurrence, strictly later.
fn moment_after(recurrence: &Recurrence, civil: i64) -> Option<i64> {
    let midnight = civil - civil.rem_euclid(DAY_MICROS);
    match recurrence {
        Recurrence::Every { micros } => {
            let every = micros.clamp(&EVERY_MIN_MICROS, &EVERY_MAX_MICROS);
            let every = every.cast_signed();
            let (origin, limit) = if every <= DAY_MICROS {
                (midnight, midnight + DAY_MICROS)
            } else {
                (FIRST_MONDAY_MICROS, i64::MAX)
            };
            let since = (civil - origin).rem_euclid(every);
            Some((civil - since + every).min(limit))
        }
        Recurrence::At { times } => {
            let of_day = times.iter().map(|time| time.micros() % DAY_MICROS);
            let next = |time| {
                midnight
                    + time
                    + if midnight + time > civil {
                        0
                    } else {
                        DAY_MICROS
                    }
            };
            of_day.map(next).min()
        }
    }
}
