//! Windows: times of the week in which a notice waits, is sent silently, or is dropped.
//!
//! **Invariant:** what a window writes as text reads back as the same window.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most windows of one list.
pub const WINDOWS_MAX: usize = 32;
/// Most entries of a window's list of days.
pub const DAY_SPANS_MAX: usize = 7;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One day of the week, or a run of them that may go over its end: `mon`, `mon-fri`, `sat-mon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DaySpan {
    /// Monday is 0.
    first: u8,
    last: u8,
}

/// Why a text is no span of days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a day as `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, or a run like `mon-fri`"
)]
pub struct NotDays(String);

impl DaySpan {
    /// Whether a day, Monday being 0, lies in it.
    pub fn has(self, day: u8) -> bool {
        if self.first <= self.last {
            (self.first..=self.last).contains(&day)
        } else {
            day >= self.first || day <= self.last
        }
    }
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day: u8| DAYS.get(usize::from(day)).copied().unwrap_or_default();
        f.write_str(name(self.first))?;
        if self.first == self.last {
            return Ok(());
        }
        write!(f, "-{}", name(self.last))
    }
}

impl FromStr for DaySpan {
    type Err = NotDays;

    fn from_str(text: &str) -> Result<Self, NotDays> {
        let day = |name: &str| {
            let at = DAYS.iter().position(|known| *known == name);
            at.and_then(|at| u8::try_from(at).ok())
                .ok_or_else(|| NotDays(text.to_owned()))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(DaySpan {
            first: day(first)?,
            last: day(last)?,
        })
    }
}

impl From<DaySpan> for String {
    fn from(days: DaySpan) -> Self {
        days.to_string()
    }
}

impl TryFrom<String> for DaySpan {
    type Error = NotDays;

    fn try_from(text: String) -> Result<Self, NotDays> {
        text.parse()
    }
}

/// A time of the clock to the minute: `07:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CivilTime {
    minute: u16,
}

/// Why a text is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of day; write one like `07:00`")]
pub struct NotATime(String);

impl CivilTime {
    /// Minutes after midnight, as the clock shows them.
    pub fn minute(self) -> u16 {
        self.minute
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl FromStr for CivilTime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let two = |text: &str| -> Option<u16> {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute) = (two(hour)?, two(minute)?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        match read() {
            Some(minute) => Ok(CivilTime { minute }),
            None => Err(NotATime(text.to_owned())),
        }
    }
}

impl From<CivilTime> for String {
    fn from(time: CivilTime) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for CivilTime {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

/// What a window does with what becomes due in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowMode {
    /// It waits for the window's end.
    #[default]
    Hold,
    /// It is sent without sound.
    Silent,
    /// It is not sent.
    Drop,
}

impl WindowMode {
    pub const ALL: [WindowMode; 3] = [WindowMode::Hold, WindowMode::Silent, WindowMode::Drop];

    pub fn as_str(self) -> &'static str {
        match self {
            WindowMode::Hold => "hold",
            WindowMode::Silent => "silent",
            WindowMode::Drop => "drop",
        }
    }
}

fn is_hold(mode: &WindowMode) -> bool {
    *mode == WindowMode::Hold
}

/// A window as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Days on which it begins; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<DaySpan>,
    pub from: CivilTime,
    /// Not in the window any more. Before or equal to `from` it is on the next day.
    pub to: CivilTime,
    /// IANA zone; `None`: the settings' zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "is_hold")]
    pub mode: WindowMode,
}
