//! What a person configures of time: how long to gather, when to repeat, what may not wait.
//!
//! Windows are in [`super::windows`]; what is here stands in specs beside them. A value stands in
//! events and answers in the words of the file (`"1h30m"`, `"20/min"`), so that plans, answers and
//! exports all say it alike.
//!
//! **Invariant:** reading is more lenient than configuring. Bounds are checked where a person
//! configures, never where an event is read, so that a bound may be narrowed later.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::civil::CivilTime;
use super::notice::Severity;
use super::spec::Rate;
use crate::config::quantity::{self, NotAQuantity};

/// Shortest time a policy may name, in seconds.
pub const SPAN_SECONDS_MIN: u32 = 1;
/// Longest time a policy may name, in seconds: 366 days.
pub const SPAN_SECONDS_MAX: u32 = 366 * 86_400;
/// Notices a digest lists unless it says otherwise; further ones are counted.
pub const DIGEST_NOTICES_DEFAULT: u16 = 50;
/// Most notices that a digest may list, or wait for.
pub const DIGEST_NOTICES_MAX: u16 = 500;
/// Most rules of inhibition of a tracker.
pub const INHIBIT_RULES_MAX: usize = 16;
/// Most notice kinds to which a tracker may give a severity.
pub const SEVERITY_KINDS_MAX: usize = 256;
/// How long the first notice of a group waits for others, unless said otherwise.
pub const GROUP_WAIT_DEFAULT: Span = Span::of_seconds(30);
/// How long a group that was told is quiet about what comes to it, unless said otherwise.
pub const GROUP_INTERVAL_DEFAULT: Span = Span::of_seconds(5 * 60);
/// After how long a group that is still open is told again, unless said otherwise.
pub const GROUP_REPEAT_DEFAULT: Span = Span::of_seconds(4 * 3_600);
/// How long notices wait for their collection to be quiet whose kind settles by itself
/// ([`crate::providers::Provider::settles`]), unless said otherwise.
pub const SETTLE_DEFAULT: Span = Span::of_seconds(60);
/// Longest that settling puts a notice off, unless said otherwise.
pub const SETTLE_MAX_DEFAULT: Span = Span::of_seconds(30 * 60);

/// A length of time in whole seconds, written like `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Span {
    seconds: u32,
}

impl Span {
    pub const fn of_seconds(seconds: u32) -> Self {
        Span { seconds }
    }

    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// As recorded times are counted.
    pub fn micros(self) -> i64 {
        i64::from(self.seconds) * 1_000_000
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quantity::duration_text(u64::from(self.seconds) * 1_000))
    }
}

impl FromStr for Span {
    type Err = NotAQuantity;

    /// Where `0s` may not stand a file is not read that says it.
    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        quantity::duration_seconds_or_none(text).map(Span::of_seconds)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = NotAQuantity;

    fn try_from(text: String) -> Result<Self, NotAQuantity> {
        text.parse()
    }
}

/// From which severity on something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    Critical,
    Warning,
    Info,
    /// For none.
    Off,
}

impl Threshold {
    pub const ALL: [Threshold; 4] = [
        Threshold::Critical,
        Threshold::Warning,
        Threshold::Info,
        Threshold::Off,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Threshold::Critical => "critical",
            Threshold::Warning => "warning",
            Threshold::Info => "info",
            Threshold::Off => "off",
        }
    }

    /// Whether a severity is as bad as this or worse; success is as bad as info.
    pub fn is_reached_by(self, severity: Severity) -> bool {
        let least = match self {
            Threshold::Critical => Severity::Critical,
            Threshold::Warning => Severity::Warning,
            Threshold::Info => Severity::Info,
            Threshold::Off => return false,
        };
        severity.rank() >= least.rank()
    }
}

/// `digest` of a link or receiver: many notices in one message. At least one of `every`, `at` and
/// `after` is set, and not both of the first two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestSpec {
    /// Aligned to the clock of the receiver's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Times of day, by the clock of that zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<CivilTime>,
    /// As soon as so many notices wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u16>,
    /// Notices listed; further ones are counted.
    #[serde(default = "digest_notices", skip_serializing_if = "is_digest_notices")]
    pub max: u16,
}

fn digest_notices() -> u16 {
    DIGEST_NOTICES_DEFAULT
}

fn is_digest_notices(max: &u16) -> bool {
    *max == DIGEST_NOTICES_DEFAULT
}

/// `group` of a tracker, as Alertmanager groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// A MiniJinja expression over `notice`; notices with the same value are one group.
    pub by: String,
    #[serde(default = "group_wait", skip_serializing_if = "is_group_wait")]
    pub wait: Span,
    #[serde(default = "group_interval", skip_serializing_if = "is_group_interval")]
    pub interval: Span,
    #[serde(default = "group_repeat", skip_serializing_if = "is_group_repeat")]
    pub repeat: Span,
}

fn group_wait() -> Span {
    GROUP_WAIT_DEFAULT
}

fn is_group_wait(span: &Span) -> bool {
    *span == GROUP_WAIT_DEFAULT
}

fn group_interval() -> Span {
    GROUP_INTERVAL_DEFAULT
}

fn is_group_interval(span: &Span) -> bool {
    *span == GROUP_INTERVAL_DEFAULT
}

fn group_repeat() -> Span {
    GROUP_REPEAT_DEFAULT
}

fn is_group_repeat(span: &Span) -> bool {
    *span == GROUP_REPEAT_DEFAULT
}

/// `severity` of a tracker: another than the provider kind gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SeveritySpec {
    /// By notice kind; one that is not named keeps its own.
    ByKind(BTreeMap<String, Severity>),
    /// A MiniJinja expression over `notice` that gives the word of a severity.
    Expression(String),
}

/// One rule of `inhibit`: silent while something else is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InhibitSpec {
    pub when: InhibitWhen,
    /// What is as bad as this is sent all the same.
    #[serde(default = "nothing_excepted", skip_serializing_if = "is_off")]
    pub except: Threshold,
}

/// Open from a notice of `kind` until its subject closes, or a notice of `until` comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InhibitWhen {
    pub provider: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

fn nothing_excepted() -> Threshold {
    Threshold::Off
}

fn is_off(threshold: &Threshold) -> bool {
    *threshold == Threshold::Off
}

/// `catch_up` of a link: what is sent of a backlog after an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    #[default]
    All,
    /// Only the newest notice of each subject.
    Newest,
    /// One message about all of it.
    Summary,
    /// What is not older than this.
    MaxAge(Span),
}

/// `wall_clock` of a link: what becomes of a notice that is about its own moment when it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WallClock {
    #[default]
    Drop,
    Hold,
}

pub(super) fn pierces_by_default() -> Threshold {
    Threshold::Critical
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn is_critical(threshold: &Threshold) -> bool {
    *threshold == Threshold::Critical
}

/// `pace` as text: `None` is inherited, `Some(None)` is `"off"`.
pub(super) mod pace_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Rate, quantity};

    pub fn serialize<S: Serializer>(
        pace: &Option<Option<Rate>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        pace.map(quantity::rate_text).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<Rate>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| quantity::rate(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// `storm` as text; `None` is absent.
pub(super) mod storm_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Rate, quantity};

    pub fn serialize<S: Serializer>(
        storm: &Option<Rate>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = storm.map(|rate| quantity::rate_text(Some(rate)));
        text.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Rate>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let rate = text.map(|text| quantity::rate(&text).map_err(serde::de::Error::custom));
        Ok(rate.transpose()?.flatten())
    }
}

/// `digest` of a link: `None` is inherited, `Some(None)` is `"off"`.
pub(super) mod digest_or_off {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::DigestSpec;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Off {
        Off,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum DigestOrOff {
        Off(Off),
        Digest(DigestSpec),
    }

    pub fn serialize<S: Serializer>(
        digest: &Option<Option<DigestSpec>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let said = digest.clone().map(|digest| match digest {
            Some(digest) => DigestOrOff::Digest(digest),
            None => DigestOrOff::Off(Off::Off),
        });
        said.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<DigestSpec>>, D::Error> {
        let said = Option::<DigestOrOff>::deserialize(deserializer)?;
        Ok(said.map(|said| match said {
            DigestOrOff::Digest(digest) => Some(digest),
            DigestOrOff::Off(Off::Off) => None,
        }))
    }
}
