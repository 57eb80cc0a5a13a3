//! Windows of time in which notices are held back, sent without a sound, or dropped.
//!
//! A window is bounded by two times of day on a clock in its zone. Its rules:
//!
//! - From its begin (inclusive) to its end (exclusive). With an end at or before its begin it goes
//!   across midnight; with both alike it is a whole day. It belongs to the day on which it begins,
//!   and the days of the week are those of its begin.
//! - Where the clock is put forward across a bound, the bound is the first instant after the gap,
//!   so a window that lies in the gap whole is not there that day.
//! - Where the clock is put back across a bound, the window begins at the first and ends at the last
//!   of the two instants: quiet is longer, never shorter, so nobody is woken.
//! - Of several windows at once the strictest mode says what happens: drop, then hold, then silent;
//!   among equals the first of the list is named.
//! - What is held in one window is held on through those that overlap it or begin as it ends. A drop
//!   window counts among them: what was promised for later must not go out while everything is
//!   unwelcome, and must not be lost to it either.
//!
//! **Invariant:** asking costs two look-ups in the zone per window to see what applies, a few more
//! while the clock shows a time twice, and, only where something applies, looks at no more than
//! twelve days per window to see until when.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::civil::{
    CALENDAR_MAX_MICROS, CALENDAR_MIN_MICROS, CivilTime, DAY_MICROS, DaySpan, NotADaySpan,
    NotATime, NotAZone, civil_micros, first_showing, hint, is_shown_twice, last_showing, nearest,
    shown, weekday_bit, zone_name,
};

/// Most windows in one list. Configuration refuses a longer one.
pub const WINDOWS_MAX: usize = 32;
/// Most entries in the `days` of one window: each day of the week on its own.
pub const DAY_SPANS_MAX: usize = 7;
/// How far ahead [`Active::until`] looks: a week, so that every weekday is seen, and a day more. A
/// window that lasts longer, or always, gives this bound, and is asked for again when it is reached.
pub const HORIZON_MICROS: i64 = 8 * DAY_MICROS;

/// Days around the civil day of an instant whose windows may be on at it. A window of the day before
/// may go on; where the clock is put back across midnight, also one of the day before that, and one
/// of the next day may have begun.
const DAYS_BEFORE: i64 = 2;
const DAYS_AFTER: i64 = 1;

/// What a window does to a notice, from the mildest to the strictest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum WindowMode {
    /// Sent at once, without a sound.
    Silent,
    /// Sent when the window ends.
    #[default]
    Hold,
    /// Not sent.
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

    /// Whether a window of `other` prolongs what one of this mode began.
    fn prolonged_by(self, other: WindowMode) -> bool {
        match self {
            WindowMode::Silent => other == WindowMode::Silent,
            WindowMode::Hold | WindowMode::Drop => other >= self,
        }
    }
}

impl fmt::Display for WindowMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no mode of a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no mode; write `hold`, `silent` or `drop`{}",
    shown(.given),
    hint(.meant.as_deref())
)]
pub struct NotAMode {
    given: String,
    meant: Option<&'static str>,
}

impl FromStr for WindowMode {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<WindowMode, NotAMode> {
        let known = WindowMode::ALL.into_iter();
        match known.clone().find(|mode| mode.as_str() == text) {
            Some(mode) => Ok(mode),
            None => Err(NotAMode {
                given: text.to_owned(),
                meant: nearest(text, known.map(WindowMode::as_str)),
            }),
        }
    }
}

/// One window as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Days on which it begins; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<DaySpan>,
    pub from: CivilTime,
    pub to: CivilTime,
    /// IANA zone; `None`: the space's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default)]
    pub mode: WindowMode,
}

/// One window as a person writes it, not yet read.
#[derive(Debug, Clone, Copy, Default)]
pub struct WindowText<'t> {
    pub days: &'t [String],
    pub from: &'t str,
    pub to: &'t str,
    pub zone: Option<&'t str>,
    /// `None`: [`WindowMode::Hold`].
    pub mode: Option<&'t str>,
}

/// What is wrong with a window, said of the field it is wrong in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAWindow {
    #[error("days: {0}")]
    Days(NotADaySpan),
    #[error(
        "days: {given} entries are more than a week has days; write at most {DAY_SPANS_MAX}, or \
         none for every day"
    )]
    TooManyDays { given: usize },
    #[error("from: {0}")]
    From(NotATime),
    #[error("from: `24:00` is the end of a day and no begin; write `00:00` and the day after")]
    FromDayEnd,
    #[error("to: {0}")]
    To(NotATime),
    #[error("zone: {0}")]
    Zone(NotAZone),
    #[error("mode: {0}")]
    Mode(NotAMode),
}

impl NotAWindow {
    pub fn field(&self) -> &'static str {
        match self {
            NotAWindow::Days(_) | NotAWindow::TooManyDays { .. } => "days",
            NotAWindow::From(_) | NotAWindow::FromDayEnd => "from",
            NotAWindow::To(_) => "to",
            NotAWindow::Zone(_) => "zone",
            NotAWindow::Mode(_) => "mode",
        }
    }
}

impl WindowSpec {
    /// Reads a window, and says everything that is wrong with it at once.
    pub fn parse(text: WindowText<'_>) -> Result<WindowSpec, Vec<NotAWindow>> {
        let mut problems = Vec::new();
        let mut days = Vec::new();
        // Of a list that is too long only its length is a problem.
        if text.days.len() <= DAY_SPANS_MAX {
            for span in text.days {
                match span.parse() {
                    Ok(span) => days.push(span),
                    Err(problem) => problems.push(NotAWindow::Days(problem)),
                }
            }
        } else {
            problems.push(NotAWindow::TooManyDays {
                given: text.days.len(),
            });
        }
        let mut keep = |problem| problems.push(problem);
        let from = text.from.parse().map_err(NotAWindow::From);
        let from = from.map_err(&mut keep).ok();
        let to = text.to.parse().map_err(NotAWindow::To);
        let to = to.map_err(&mut keep).ok();
        let zone = text.zone.map(zone_name).transpose();
        let zone = zone.map_err(NotAWindow::Zone).map_err(&mut keep).ok();
        let mode = text.mode.map_or(Ok(WindowMode::default()), str::parse);
        let mode = mode.map_err(NotAWindow::Mode).map_err(&mut keep).ok();
        if let (Some(from), Some(to), Some(zone), Some(mode)) = (from, to, zone, mode) {
            let spec = WindowSpec {
                days,
                from,
                to,
                zone,
                mode,
            };
            if from == CivilTime::DAY_END {
                problems.push(NotAWindow::FromDayEnd);
            }
            if problems.is_empty() {
                return Ok(spec);
            }
        }
        Err(problems)
    }

    /// What is wrong with a window that was not read by [`WindowSpec::parse`].
    pub fn check(&self) -> Result<(), NotAWindow> {
        if self.days.len() > DAY_SPANS_MAX {
            return Err(NotAWindow::TooManyDays {
                given: self.days.len(),
            });
        }
        if self.from == CivilTime::DAY_END {
            return Err(NotAWindow::FromDayEnd);
        }
        match self.zone.as_deref().map(zone_name) {
            Some(Err(problem)) => Err(NotAWindow::Zone(problem)),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

/// Which bits of [`DaySpan::bits`] stand for the whole week.
const EVERY_DAY: u8 = 0b0111_1111;

#[derive(Debug, Clone)]
struct Compiled {
    zone: TimeZone,
    days: u8,
    /// Since the midnight of the day it begins on.
    from_micros: i64,
    to_micros: i64,
    mode: WindowMode,
}

impl Compiled {
    fn new(spec: &WindowSpec, default_zone: &TimeZone) -> Compiled {
        let zones = TimeZoneDatabase::bundled();
        let zone = spec.zone.as_deref().and_then(|name| zones.get(name).ok());
        let bits = spec.days.iter().fold(0, |bits, span| bits | span.bits());
        let (from_micros, to_micros) = (spec.from.micros(), spec.to.micros());
        let across_midnight = to_micros <= from_micros;
        Compiled {
            zone: zone.unwrap_or_else(|| default_zone.clone()),
            days: if bits == 0 { EVERY_DAY } else { bits },
            from_micros,
            to_micros: to_micros + if across_midnight { DAY_MICROS } else { 0 },
            mode: spec.mode,
        }
    }

    fn is_always(&self) -> bool {
        self.days == EVERY_DAY && self.to_micros - self.from_micros == DAY_MICROS
    }

    fn day(&self, at_micros: i64) -> i64 {
        civil_micros(&self.zone, at_micros).div_euclid(DAY_MICROS)
    }

    fn begins_on(&self, day: i64) -> bool {
        self.days & weekday_bit(day) != 0
    }

    fn begin(&self, day: i64) -> Option<i64> {
        let civil = day * DAY_MICROS + self.from_micros;
        self.begins_on(day)
            .then(|| first_showing(&self.zone, civil))
    }

    fn end(&self, day: i64) -> i64 {
        last_showing(&self.zone, day * DAY_MICROS + self.to_micros)
    }

    fn is_on(&self, at_micros: i64) -> bool {
        let shown = civil_micros(&self.zone, at_micros);
        let today = shown.div_euclid(DAY_MICROS);
        if !is_shown_twice(&self.zone, shown) {
            // What was before is shown no more and what is after was not shown yet, so that the
            // clock alone tells.
            return [today, today - 1].into_iter().any(|day| {
                let since_midnight = shown - day * DAY_MICROS;
                self.begins_on(day)
                    && self.from_micros <= since_midnight
                    && since_midnight < self.to_micros
            });
        }
        (today - DAYS_BEFORE..=today + DAYS_AFTER).any(|day| {
            self.begin(day).is_some_and(|begin| begin <= at_micros) && at_micros < self.end(day)
        })
    }

    /// Begin and end on each day, from the days that may be on at one instant to those that begin
    /// by another.
    fn spans(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
        let days = self.day(from) - DAYS_BEFORE..=self.day(to) + DAYS_AFTER;
        days.filter_map(|day| Some((self.begin(day)?, self.end(day))))
    }
}

/// A list of windows with their zones resolved, to be made once per configuration.
#[derive(Debug, Clone, Default)]
pub struct CompiledWindows(Vec<Compiled>);

impl CompiledWindows {
    /// A zone that the bundled database does not have is read as the default one. Configuration
    /// refuses such a zone, so it can only be one that a later database no longer has.
    pub fn new(specs: &[WindowSpec], default_zone: &TimeZone) -> CompiledWindows {
        CompiledWindows(
            specs
                .iter()
                .map(|spec| Compiled::new(spec, default_zone))
                .collect(),
        )
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What of a list of windows applies at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// Which of the list.
    pub index: usize,
    pub mode: WindowMode,
    /// The first instant, in microseconds since 1970, at which the list says something else. Of a
    /// hold: at which it says neither hold nor drop. At most [`HORIZON_MICROS`] ahead.
    pub until: i64,
}

/// What applies at an instant, microseconds since 1970. Beyond the years 9990 before and after our
/// era it is as at that bound.
pub fn active(windows: &CompiledWindows, at_micros: i64) -> Option<Active> {
    let at = at_micros.clamp(CALENDAR_MIN_MICROS, CALENDAR_MAX_MICROS);
    let mut strictest: Option<(usize, WindowMode)> = None;
    for (index, window) in windows.0.iter().enumerate() {
        let stricter = strictest.is_none_or(|(_, mode)| mode < window.mode);
        if stricter && window.is_on(at) {
            strictest = Some((index, window.mode));
        }
    }
    let (index, mode) = strictest?;
    let ahead = until(windows, mode, at) - at;
    Some(Active {
        index,
        mode,
        until: at_micros.saturating_add(ahead),
    })
}

/// Until when a mode goes on that is on at an instant.
fn until(windows: &CompiledWindows, mode: WindowMode, at: i64) -> i64 {
    let horizon = at + HORIZON_MICROS;
    let windows = || windows.0.iter();
    let prolonging = || windows().filter(|window| mode.prolonged_by(window.mode));
    let end = if prolonging().any(Compiled::is_always) {
        horizon
    } else {
        let spans = prolonging().map(|window| window.spans(at, horizon).peekable());
        end_of_union(spans.collect(), at)
    };
    let stricter = windows().filter(|window| window.mode > mode && !mode.prolonged_by(window.mode));
    let cut = stricter
        .filter_map(|window| {
            window
                .spans(at, horizon)
                .find(|(begin, end)| at < *begin && begin < end)
        })
        .map(|(begin, _)| begin)
        .min();
    end.min(cut.unwrap_or(horizon)).min(horizon)
}

/// How far spans reach from an instant without a break. Each iterator's spans begin in order; a span
/// is computed only when what comes before it reaches that far.
fn end_of_union(
    mut spans: Vec<std::iter::Peekable<impl Iterator<Item = (i64, i64)>>>,
    at: i64,
) -> i64 {
    let mut end = at;
    loop {
        let reached = end;
        for spans in &mut spans {
            while let Some((_, span_end)) = spans.next_if(|(begin, _)| *begin <= end) {
                end = end.max(span_end);
            }
        }
        if end == reached {
            return end;
        }
    }
}
