//! Moments for people and programs.

use jiff::Timestamp;

/// RFC 3339 in UTC, with microseconds where there are any.
pub fn utc(micros: i64) -> String {
    Timestamp::from_microsecond(micros)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}
