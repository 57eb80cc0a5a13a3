//! Filters for time and counts: they know the receiver's zone and language, and the time that the
//! scene gives them.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use minijinja::value::{Object, ObjectRepr, Rest, Value};
use minijinja::{Environment, Error, State};

use super::bounds::PATTERN_BYTES_MAX;
use super::filters::as_float;
use super::guards::{charge, refuse, text_of};
use super::locale::{DateStyle, Locale};

/// The name under which the context holds what these filters need; a source cannot name it.
pub(super) const PLACE: &str = "_place";

/// Where and when a text is read.
#[derive(Debug)]
pub(super) struct Place {
    pub zone: TimeZone,
    pub locale: &'static Locale,
    pub now: Timestamp,
}

impl Object for Place {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// The filters of this module.
pub(super) const NAMES: &[&str] = &[
    "datetime", "date", "time", "ago", "duration", "number", "plural",
];

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// After so many days `ago` says the date.
const AGO_DAYS_MAX: i64 = 30;

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter(
        "datetime",
        |state: &State, value: &Value, pattern: Option<&str>| {
            written(state, value, pattern, |locale, at| {
                format!("{}{}{}", day(locale, at), between(locale), clock(at))
            })
        },
    );
    env.add_filter(
        "date",
        |state: &State, value: &Value, pattern: Option<&str>| written(state, value, pattern, day),
    );
    env.add_filter(
        "time",
        |state: &State, value: &Value, pattern: Option<&str>| {
            written(state, value, pattern, |_, at| clock(at))
        },
    );
    env.add_filter("ago", ago);
    env.add_filter("duration", duration);
    env.add_filter("number", number);
    env.add_filter("plural", plural);
}

fn place(state: &State) -> Result<Arc<Place>, Error> {
    state
        .lookup(PLACE)
        .and_then(|value| value.downcast_object::<Place>())
        .ok_or_else(|| refuse("no zone is known here"))
}

/// A moment: RFC 3339, a date and time in UTC, a date, or seconds since 1970.
fn moment(value: &Value) -> Option<Timestamp> {
    /// Longer texts are no moments.
    const BYTES_MAX: usize = 64;
    if let Some(text) = value.as_str() {
        let text = text.trim();
        if text.len() > BYTES_MAX {
            return None;
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at);
        }
        if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
            return at
                .to_zoned_datetime(TimeZone::UTC)
                .ok()
                .map(|at| at.timestamp());
        }
    }
    let seconds = as_float(value)?;
    if !seconds.is_finite() {
        return None;
    }
    Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()
}

/// A moment in words. What is no moment stays as it is.
fn written(
    state: &State,
    value: &Value,
    pattern: Option<&str>,
    words: impl Fn(&Locale, &ZonedDateTime) -> String,
) -> Result<Value, Error> {
    let Some(at) = moment(value) else {
        return Ok(value.clone());
    };
    let place = place(state)?;
    let at = at.to_zoned_datetime(place.zone.clone());
    let Some(pattern) = pattern else {
        return Ok(Value::from(words(place.locale, &at)));
    };
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(refuse(format!(
            "a date pattern is longer than {PATTERN_BYTES_MAX} bytes"
        )));
    }
    charge(state, PATTERN_BYTES_MAX * PATTERN_BYTES_MAX)?;
    jiff::fmt::strtime::format(pattern, &at)
        .map(Value::from)
        .map_err(|error| refuse(format!("the date pattern {pattern:?}: {error}")))
}

fn day(locale: &Locale, at: &ZonedDateTime) -> String {
    match locale.date {
        DateStyle::Words(months) => {
            let month = months[usize::from(at.month().unsigned_abs()).saturating_sub(1) % 12];
            format!("{} {month} {}", at.day(), at.year())
        }
        DateStyle::Numbers => format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()),
    }
}

fn between(locale: &Locale) -> &'static str {
    match locale.date {
        DateStyle::Words(_) => ", ",
        DateStyle::Numbers => " ",
    }
}

fn clock(at: &ZonedDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn ago(state: &State, value: &Value) -> Result<Value, Error> {
    let Some(at) = moment(value) else {
        return Ok(value.clone());
    };
    let place = place(state)?;
    let locale = place.locale;
    let seconds = place.now.as_second() - at.as_second();
    let (count, unit) = match seconds.abs() {
        0..45 => return Ok(Value::from(locale.just_now)),
        span if span < HOUR => ((span + MINUTE / 2) / MINUTE, 1),
        span if span < DAY => (span / HOUR, 2),
        span if span < AGO_DAYS_MAX * DAY => (span / DAY, 3),
        _ => {
            let at = at.to_zoned_datetime(place.zone.clone());
            return Ok(Value::from(day(locale, &at)));
        }
    };
    let forms = locale.units[unit];
    let word = forms[(locale.form)(count as f64, forms.len())];
    let (before, after) = if seconds < 0 {
        locale.future
    } else {
        locale.past
    };
    Ok(Value::from(format!("{before}{count} {word}{after}")))
}

/// Seconds as `1 h 5 min`: the two largest units. What is no number stays as it is.
fn duration(state: &State, value: &Value) -> Result<Value, Error> {
    let Some(seconds) = as_float(value).filter(|seconds| seconds.is_finite()) else {
        return Ok(value.clone());
    };
    let names = place(state)?.locale.short_units;
    let sign = if seconds < 0.0 { "-" } else { "" };
    let exact = seconds.abs();
    if exact > 0.0 && exact < 1.0 {
        return Ok(Value::from(format!("{sign}{exact:.1} {}", names[0])));
    }
    // A float this large saturates; nobody reads it as a duration anyway.
    let mut left = exact as i64;
    let mut parts = Vec::new();
    for (size, name) in [DAY, HOUR, MINUTE, 1].into_iter().zip(names.iter().rev()) {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        parts.push(format!("0 {}", names[0]));
    }
    Ok(Value::from(format!("{sign}{}", parts.join(" "))))
}

/// `49 500` as the language groups it. What is no number stays as it is.
fn number(state: &State, value: &Value, digits: Option<usize>) -> Result<Value, Error> {
    /// More digits than a float has.
    const DIGITS_MAX: usize = 15;
    let Some(number) = as_float(value).filter(|number| number.is_finite()) else {
        return Ok(value.clone());
    };
    let locale = place(state)?.locale;
    let plain = match digits {
        Some(digits) => format!("{:.*}", digits.min(DIGITS_MAX), number.abs()),
        None if value.is_integer() => value.to_string().trim_start_matches('-').to_owned(),
        None => number.abs().to_string(),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    if number < 0.0 {
        grouped.push('-');
    }
    // Four digits are read at a glance.
    let groups = whole.len() > 4;
    for (index, digit) in whole.chars().enumerate() {
        if groups && index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push_str(locale.group);
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push_str(locale.point);
        grouped.push_str(fraction);
    }
    Ok(Value::from(grouped))
}

/// The form that goes with a count: `{{ n }} {{ n|plural("commit", "commits") }}`.
fn plural(state: &State, value: &Value, forms: Rest<Value>) -> Result<Value, Error> {
    if forms.is_empty() {
        return Err(refuse(
            "`plural` needs the forms, as in plural(\"day\", \"days\")",
        ));
    }
    let count = value
        .as_str()
        .is_none()
        .then(|| value.len())
        .flatten()
        .map(|len| len as f64)
        .or_else(|| as_float(value))
        .unwrap_or(0.0);
    let form = (place(state)?.locale.form)(count, forms.len());
    Ok(Value::from(text_of(&forms[form.min(forms.len() - 1)])?))
}
