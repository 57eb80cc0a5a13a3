//! Until when a delivery is to be held, as people say it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::config::quantity::duration_ms;

/// Stands for no moment: until somebody releases it.
pub const RELEASED: &str = "released";

/// What does not say when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is a moment as 2026-01-31T08:00:00Z, a span from now as 2h, or the word {RELEASED}")]
pub struct NotAMoment;

/// A moment in microseconds since 1970: RFC 3339, a civil time of the zone as a form's field gives
/// it, or a span from now. `None` is until somebody releases it.
pub fn until(text: &str, now: i64, zone: &TimeZone) -> Result<Option<i64>, NotAMoment> {
    let text = text.trim();
    if text == RELEASED {
        return Ok(None);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(at.as_microsecond()));
    }
    // A day without a time of day says too little.
    let is_day_and_time = text.get(..11).is_some_and(|date| date.contains('-'));
    if is_day_and_time && let Ok(civil) = text.parse::<DateTime>() {
        let at = zone.to_timestamp(civil).map_err(|_| NotAMoment)?;
        return Ok(Some(at.as_microsecond()));
    }
    let span = duration_ms(text).ok().filter(|_| !text.is_empty());
    let micros = span.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000));
    micros
        .and_then(|micros| now.checked_add(micros))
        .map(Some)
        .ok_or(NotAMoment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_say_them() {
        let lisbon = TimeZone::get("Europe/Lisbon").expect("a zone");
        let now: Timestamp = "2026-07-01T12:00:00Z".parse().expect("a moment");
        let cases = [
            ("2026-07-02T08:00:00Z", Some("2026-07-02T08:00:00Z")),
            ("2026-07-02T08:00:00+02:00", Some("2026-07-02T06:00:00Z")),
            ("2026-07-02T08:00", Some("2026-07-02T07:00:00Z")),
            (" 2h ", Some("2026-07-01T14:00:00Z")),
            ("1d12h", Some("2026-07-03T00:00:00Z")),
            ("released", None),
        ];
        for (text, expected) in cases {
            let read = until(text, now.as_microsecond(), &lisbon);
            let at = read.unwrap_or_else(|error| panic!("{text} {error}"));
            let expected = expected.map(|at| at.parse::<Timestamp>().expect("a moment"));
            assert_eq!(at, expected.map(|at| at.as_microsecond()), "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "2h ago",
            "-2h",
            "2026-07-02",
            "99999999999d",
        ] {
            let read = until(text, now.as_microsecond(), &lisbon);
            assert_eq!(read, Err(NotAMoment), "{text}");
        }
    }
}
