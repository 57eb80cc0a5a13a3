//! Quantities as people write them: durations `1h30m`, sizes `20MiB`, rates `600/min`.
//!
//! **Invariant:** what is written by a `…_text` function is read back as the same value.

use crate::domain::spec::Rate;

/// Longest duration a file may name, in seconds: ten years.
pub const DURATION_SECONDS_MAX: u64 = 10 * 365 * 86_400;
/// Longest time a rate may be counted over, in seconds.
pub const RATE_SECONDS_MAX: u32 = 7 * 86_400;
/// Most per that time.
pub const RATE_COUNT_MAX: u32 = 1_000_000;

const DURATION_HELP: &str = "write a duration like `10s`, `5m`, `1h30m` or `7d`";
const SIZE_HELP: &str = "write a size like `500KiB`, `20MiB` or `1GiB`";
const RATE_HELP: &str = "write a rate like `600/min`, `1/s`, `20/5m`, or `off`";

/// Units from large to small; a unit stands at most once and in this order. In milliseconds.
const DURATION_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A quantity that could not be read. The text is a fragment that says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAQuantity(String);

fn fail<T>(why: impl Into<String>) -> Result<T, NotAQuantity> {
    Err(NotAQuantity(why.into()))
}

/// Takes the digits off the front of a text.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// A duration in milliseconds, above zero.
pub fn duration_ms(text: &str) -> Result<u64, NotAQuantity> {
    let mut rest = text;
    let mut units = DURATION_UNITS;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let Some((count, after)) = number(rest) else {
            return fail(DURATION_HELP);
        };
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let Some(at) = units.iter().position(|(name, _)| *name == unit) else {
            return fail(DURATION_HELP);
        };
        total = count
            .checked_mul(units[at].1)
            .and_then(|part| total.checked_add(part))
            .filter(|sum| *sum <= DURATION_SECONDS_MAX * 1_000)
            .ok_or_else(|| NotAQuantity("is longer than ten years".into()))?;
        units = &units[at + 1..];
        rest = after;
    }
    if total == 0 {
        return fail(format!("is no time at all; {DURATION_HELP}"));
    }
    Ok(total)
}

/// A duration in whole seconds, above zero.
pub fn duration_seconds(text: &str) -> Result<u32, NotAQuantity> {
    let ms = duration_ms(text)?;
    match u32::try_from(ms / 1_000) {
        Ok(seconds) if ms.is_multiple_of(1_000) => Ok(seconds),
        Ok(_) | Err(_) => fail("has to be in whole seconds"),
    }
}

/// A duration in whole seconds, or `0s` where waiting can be switched off.
pub fn duration_seconds_or_none(text: &str) -> Result<u32, NotAQuantity> {
    match text {
        "0s" => Ok(0),
        text => duration_seconds(text),
    }
}

/// A duration as a file says it: whole days as days, else from hours down, so that `26h` stays it.
pub fn duration_text(ms: u64) -> String {
    let mut rest = ms;
    let mut text = String::new();
    for (unit, factor) in DURATION_UNITS {
        if *unit == "d" && !ms.is_multiple_of(*factor) {
            continue;
        }
        let count = rest / factor;
        rest %= factor;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

/// A size in bytes.
pub fn size_bytes(text: &str) -> Result<u64, NotAQuantity> {
    let Some((count, unit)) = number(text) else {
        return fail(SIZE_HELP);
    };
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return fail(SIZE_HELP);
    };
    match count.checked_mul(*factor) {
        Some(bytes) => Ok(bytes),
        None => fail("is more bytes than can be counted"),
    }
}

/// The shortest text of a size.
pub fn size_text(bytes: u64) -> String {
    for (unit, factor) in SIZE_UNITS {
        if bytes > 0 && bytes.is_multiple_of(*factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// A rate, or `None` for `off`.
pub fn rate(text: &str) -> Result<Option<Rate>, NotAQuantity> {
    if text == "off" {
        return Ok(None);
    }
    let Some((count, per)) = text.split_once('/') else {
        return fail(RATE_HELP);
    };
    let count = match number(count) {
        Some((count, "")) => count,
        Some(_) | None => return fail(RATE_HELP),
    };
    let per_seconds = match per {
        "s" => 1,
        "min" | "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        other => match duration_ms(other) {
            Ok(ms) if ms.is_multiple_of(1_000) => ms / 1_000,
            Ok(_) => return fail("a rate is counted over whole seconds"),
            Err(_) => return fail(RATE_HELP),
        },
    };
    match (u32::try_from(count), u32::try_from(per_seconds)) {
        (Ok(0), _) => fail(
            "lets nothing through; write `off` for no limit, or switch it off with `enabled = false`",
        ),
        (Ok(count), Ok(per_seconds))
            if count <= RATE_COUNT_MAX && per_seconds <= RATE_SECONDS_MAX =>
        {
            Ok(Some(Rate { count, per_seconds }))
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => fail(format!(
            "is out of bounds: at most {RATE_COUNT_MAX}, over at most 7d"
        )),
    }
}

/// A rate as a file says it.
pub fn rate_text(rate: Option<Rate>) -> String {
    let Some(Rate { count, per_seconds }) = rate else {
        return "off".into();
    };
    match per_seconds {
        1 => format!("{count}/s"),
        60 => format!("{count}/min"),
        3_600 => format!("{count}/h"),
        86_400 => format!("{count}/d"),
        other => format!("{count}/{}", duration_text(u64::from(other) * 1_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_or_say_what_to_write() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("7d", Some(604_800_000)),
            ("500ms", Some(500)),
            ("1m500ms", Some(60_500)),
            ("", None),
            ("0s", None),
            ("5", None),
            ("30m1h", None),
            ("1h1h", None),
            ("-5s", None),
            ("1.5h", None),
            ("5 m", None),
            ("99999999999999999999s", None),
            ("9999999999999999d", None),
            ("4000d", None),
        ] {
            assert_eq!(duration_ms(text).ok(), expected, "{text:?}");
        }
        for (text, expected) in [
            ("20MiB", Some(20 << 20)),
            ("512B", Some(512)),
            ("1GiB", Some(1 << 30)),
            ("20", None),
            ("20MB", None),
            ("MiB", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(size_bytes(text).ok(), expected, "{text:?}");
        }
        let some = |count, per_seconds| Some(Some(Rate { count, per_seconds }));
        for (text, expected) in [
            ("600/min", some(600, 60)),
            ("1/s", some(1, 1)),
            ("20/5m", some(20, 300)),
            ("9/d", some(9, 86_400)),
            ("off", Some(None)),
            ("0/s", None),
            ("1/500ms", None),
            ("1", None),
            ("/s", None),
            ("1/", None),
            ("1/8d", None),
            ("5000000/s", None),
            ("99999999999999999999999/s", None),
        ] {
            assert_eq!(rate(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn quantities_are_written_as_people_write_them() {
        for text in ["26h", "1h30m", "2m30s", "7d", "366d", "500ms", "49h1s"] {
            assert_eq!(duration_ms(text).map(duration_text), Ok(text.to_owned()));
        }
        for text in ["20/5m", "1/s", "600/min", "9/d", "3/90m"] {
            let written = rate(text).map(rate_text);
            assert_eq!(written, Ok(text.replace("90m", "1h30m")));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(
            count in 1..=RATE_COUNT_MAX,
            per_seconds in 1..=RATE_SECONDS_MAX,
            bytes in 0u64..1 << 40,
            ms in 1..=DURATION_SECONDS_MAX * 1_000,
        ) {
            let written = Some(Rate { count, per_seconds });
            proptest::prop_assert_eq!(rate(&rate_text(written)), Ok(written));
            proptest::prop_assert_eq!(size_bytes(&size_text(bytes)), Ok(bytes));
            proptest::prop_assert_eq!(duration_ms(&duration_text(ms)), Ok(ms));
        }
    }
}
