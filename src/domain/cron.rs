//! Cron expressions on a clock in a zone.
//!
//! Five fields (minute, hour, day of the month, month, day of the week), or six with seconds in
//! front. Days are as in cron(8): where both day fields are restricted a day that fits either is
//! meant, where one of them begins with `*` both have to fit.
//!
//! A moment that the clock skips comes at the first instant after the gap, and several such moments
//! come there as one. A moment that the clock shows twice comes the first time only.
//!
//! **Invariant:** [`Cron::next_after`] gives an instant strictly later than the one it is asked for.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::civil::{
    CALENDAR_MAX_MICROS, CALENDAR_MIN_MICROS, DAY_MICROS, SECOND_MICROS, first_showing,
    furthest_shown,
};

/// Longest expression, in bytes.
pub const CRON_BYTES_MAX: usize = 256;

/// Fields of an expression without seconds.
const FIELDS: usize = 5;

/// An expression, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    pattern: croner::Cron,
}

/// A text that is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACron {
    #[error(
        "has {0} fields; write five, like `0 8 * * mon-fri` (minute, hour, day, month, day of the week), or six with seconds in front"
    )]
    Fields(usize),
    #[error("has more than {CRON_BYTES_MAX} bytes")]
    TooLong,
    #[error("is no cron expression: {0}")]
    Field(String),
    #[error("names a moment that never comes")]
    Never,
}

impl Cron {
    pub fn parse(text: &str) -> Result<Cron, NotACron> {
        if text.len() > CRON_BYTES_MAX {
            return Err(NotACron::TooLong);
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let of_days = match fields.len() {
            FIELDS => [fields[2], fields[4]],
            more if more == FIELDS + 1 => [fields[3], fields[5]],
            other => return Err(NotACron::Fields(other)),
        };
        let unrestricted = of_days.iter().any(|field| field.starts_with('*'));
        let pattern = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .dom_and_dow(unrestricted)
            .build()
            .parse(&fields.join(" "))
            .map_err(|error| {
                let why = error.to_string();
                NotACron::Field(why.trim_end_matches('.').to_owned())
            })?;
        let cron = Cron { pattern };
        // A date that is in no year, as 30 February, is searched for here once.
        if cron.moment_after(0).is_none() {
            return Err(NotACron::Never);
        }
        Ok(cron)
    }

    /// The first instant after another, both in microseconds since 1970; `None` where nothing comes any
    /// more.
    pub fn next_after(&self, zone: &TimeZone, at_micros: i64) -> Option<i64> {
        if at_micros >= CALENDAR_MAX_MICROS {
            return None;
        }
        let at = at_micros.max(CALENDAR_MIN_MICROS);
        let mut moment = furthest_shown(zone, at);
        loop {
            moment = self.moment_after(moment)?;
            let instant = first_showing(zone, moment);
            if instant > at {
                return (instant <= CALENDAR_MAX_MICROS).then_some(instant);
            }
        }
    }

    /// The next moment on a clock that is never put forward or back.
    fn moment_after(&self, civil: i64) -> Option<i64> {
        let from = Moment(civil.div_euclid(SECOND_MICROS));
        let Moment(next) = self.pattern.find_next_occurrence(&from, false).ok()?;
        Some(next * SECOND_MICROS).filter(|next| *next > civil)
    }
}

/// Seconds on such a clock since its 1970-01-01T00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment(i64);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        // The nearest the calendar has: [`Cron::next_after`] asks for nothing beyond it.
        let at = Timestamp::from_second(self.0).unwrap_or(match self.0 < 0 {
            true => Timestamp::MIN,
            false => Timestamp::MAX,
        });
        let at = Offset::UTC.to_datetime(at);
        let part = |part: i8| u32::from(part.unsigned_abs());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(at.year()), part(at.month()), part(at.day())),
            CivilTime::from_parts_unchecked(part(at.hour()), part(at.minute()), part(at.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        // 1970-01-01 was a Thursday, four days after a Sunday.
        let day = self.0.div_euclid(DAY_MICROS / SECOND_MICROS);
        Weekday::from_days_from_sunday((day + 4).rem_euclid(7) as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let at = DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let at = Offset::UTC
            .to_timestamp(at)
            .map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Moment(at.as_second())))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(seconds).map(Moment)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
