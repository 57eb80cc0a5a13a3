//! Who knows, and who wants quiet: acknowledging, snoozing, and ending a snooze.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::OperateError;
use crate::config::quantity::duration_ms;
use crate::domain::command::{Command, Mute, Told};
use crate::domain::state::subject_hash;
use crate::shell::ledger::{Ledger, Priority};
use crate::shell::views;

/// The word for tomorrow morning, when people read what they have missed.
pub const TOMORROW: &str = "tomorrow";
/// When that is, by the clock of the space's zone.
const MORNING_HOUR: i8 = 8;

/// What does not say until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is a span from now as 2h, a moment as 2026-01-31T08:00:00Z, or {TOMORROW}: 8:00 then")]
pub struct NotAnEnd;

/// When a snooze ends, in microseconds since 1970.
pub fn quiet_until(text: &str, now: i64, zone: &TimeZone) -> Result<i64, NotAnEnd> {
    let text = text.trim();
    if text == TOMORROW {
        return tomorrow(now, zone).ok_or(NotAnEnd);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_microsecond());
    }
    let span = duration_ms(text).ok().filter(|_| !text.is_empty());
    let micros = span.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000));
    micros
        .and_then(|micros| now.checked_add(micros))
        .ok_or(NotAnEnd)
}

fn tomorrow(now: i64, zone: &TimeZone) -> Option<i64> {
    let now = Timestamp::from_microsecond(now).ok()?;
    let day = now.to_zoned_datetime(zone.clone()).date();
    let morning = day.checked_add(1.day()).ok()?.at(MORNING_HOUR, 0, 0, 0);
    let at = zone.to_timestamp(morning).ok()?;
    Some(at.as_microsecond())
}

/// Marks what a notice is about as known to a person. Says whether it was not already.
pub async fn acknowledge(ledger: &Ledger, id: &str, by: &str) -> Result<bool, OperateError> {
    let (position, founding) = views::founding(ledger.reader(), id)?;
    let subject = subject_hash(founding.provider, &founding.notice.subject.key, position);
    let command = Command::Acknowledge {
        notice: position,
        provider: founding.provider,
        subject,
        by: by.to_owned(),
    };
    let committed = ledger.command(Priority::People, command).await?;
    Ok(!committed.positions.is_empty())
}

/// Mutes something for a time; answers the id of the snooze.
pub async fn snooze(ledger: &Ledger, mute: Mute) -> Result<u32, OperateError> {
    let command = Command::Snooze(Box::new(mute));
    let committed = ledger.command(Priority::People, command).await?;
    match committed.told {
        Told::Snoozed { id } => Ok(id),
        Told::Done
        | Told::Accepted { .. }
        | Told::Duplicate { .. }
        | Told::Claimed { .. }
        | Told::Changed { .. } => Err(OperateError::Lost),
    }
}

pub async fn end_snooze(ledger: &Ledger, id: u32, by: &str) -> Result<(), OperateError> {
    let by = by.to_owned();
    let command = Command::EndSnooze { id, by };
    ledger.command(Priority::People, command).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_people_say_them() {
        let lisbon = TimeZone::get("Europe/Lisbon").expect("a zone");
        let now: Timestamp = "2026-07-01T23:30:00Z".parse().expect("a moment");
        for (text, expected) in [
            ("2h", Some("2026-07-02T01:30:00Z")),
            // It is past midnight in Lisbon already.
            ("tomorrow", Some("2026-07-03T07:00:00Z")),
            ("2026-07-02T08:00:00+02:00", Some("2026-07-02T06:00:00Z")),
            ("", None),
            ("soon", None),
        ] {
            let read = quiet_until(text, now.as_microsecond(), &lisbon).ok();
            let expected = expected.map(|at| at.parse::<Timestamp>().expect("a moment"));
            assert_eq!(read, expected.map(|at| at.as_microsecond()), "{text}");
        }
    }
}
