//! The words and moments that views are made of.

use std::borrow::Cow;

use crate::icon::Icon;

/// A moment as a person reads it, formatted by the one who knows the time and the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339 UTC, for machines and for the script that keeps the relative text true.
    pub at: String,
    /// "4 min ago", "in 6 h 12 min"; [`relative`] makes it.
    pub relative: String,
    /// "29 Aug 2026, 10:15 Lisbon".
    pub absolute: String,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Differences below this are "just now".
const NOW_SECONDS_MAX: i64 = 10;

/// A moment seen from another, both in seconds since 1970. The script says the same.
pub fn relative(now: i64, then: i64) -> String {
    let ahead = then > now;
    let seconds = now.abs_diff(then) as i64;
    if seconds < NOW_SECONDS_MAX {
        return if ahead { "in a moment" } else { "just now" }.into();
    }
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    let beyond = seconds % HOUR / MINUTE;
    let length = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if ahead && beyond > 0 => format!("{hours} h {beyond} min"),
        (0, _, _) => format!("{hours} h"),
        (1, _, _) => "1 day".into(),
        (_, _, _) => format!("{days} days"),
    };
    if ahead {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// Status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Due,
    Held,
    Sending,
    Retrying,
    Sent,
    Parked,
    Dropped,
    Merged,
    Unknown,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Status::Due,
        Status::Sending,
        Status::Held,
        Status::Retrying,
        Status::Parked,
        Status::Unknown,
        Status::Sent,
        Status::Dropped,
        Status::Merged,
    ];

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Due => "due",
            Status::Held => "held",
            Status::Sending => "sending",
            Status::Retrying => "retrying",
            Status::Sent => "sent",
            Status::Parked => "parked",
            Status::Dropped => "dropped",
            Status::Merged => "merged",
            Status::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// The word as it stands alone on a page.
    pub fn word(self) -> &'static str {
        match self {
            Status::Due => "Due",
            Status::Held => "Held",
            Status::Sending => "Sending",
            Status::Retrying => "Retrying",
            Status::Sent => "Sent",
            Status::Parked => "Parked",
            Status::Dropped => "Dropped",
            Status::Merged => "Merged",
            Status::Unknown => "Unknown",
        }
    }

    pub fn icon(self) -> Icon {
        match self {
            Status::Due => Icon::Clock,
            Status::Held => Icon::Hold,
            Status::Sending => Icon::Arrow,
            Status::Retrying => Icon::Again,
            Status::Sent => Icon::Check,
            Status::Parked => Icon::Stop,
            Status::Dropped => Icon::Cross,
            Status::Merged => Icon::Merge,
            Status::Unknown => Icon::Question,
        }
    }

    /// What a list of such deliveries says when it is empty of others.
    pub fn meaning(self) -> &'static str {
        match self {
            Status::Due => "its turn comes next",
            Status::Held => "deferred until a moment, with a reason",
            Status::Sending => "being sent now",
            Status::Retrying => "failed, is tried again",
            Status::Sent => "arrived",
            Status::Parked => "given up for now, until a person says what to do",
            Status::Dropped => "will not be sent",
            Status::Merged => "went into another message",
            Status::Unknown => "was being sent when the program stopped",
        }
    }
}

/// Status of a notice: that of its worst delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeStatus {
    Unrouted,
    Open,
    Sent,
    Partly,
    Parked,
    Dropped,
    Merged,
}

impl NoticeStatus {
    pub const ALL: [NoticeStatus; 7] = [
        NoticeStatus::Open,
        NoticeStatus::Sent,
        NoticeStatus::Partly,
        NoticeStatus::Parked,
        NoticeStatus::Dropped,
        NoticeStatus::Merged,
        NoticeStatus::Unrouted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            NoticeStatus::Unrouted => "unrouted",
            NoticeStatus::Open => "open",
            NoticeStatus::Sent => "sent",
            NoticeStatus::Partly => "partly",
            NoticeStatus::Parked => "parked",
            NoticeStatus::Dropped => "dropped",
            NoticeStatus::Merged => "merged",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        NoticeStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    pub fn word(self) -> &'static str {
        match self {
            NoticeStatus::Unrouted => "Unrouted",
            NoticeStatus::Open => "Open",
            NoticeStatus::Sent => "Sent",
            NoticeStatus::Partly => "Partly sent",
            NoticeStatus::Parked => "Parked",
            NoticeStatus::Dropped => "Dropped",
            NoticeStatus::Merged => "Merged",
        }
    }

    pub fn icon(self) -> Icon {
        match self {
            NoticeStatus::Unrouted => Icon::Dashed,
            NoticeStatus::Open => Icon::Clock,
            NoticeStatus::Sent => Icon::Check,
            NoticeStatus::Partly => Icon::Half,
            NoticeStatus::Parked => Icon::Stop,
            NoticeStatus::Dropped => Icon::Cross,
            NoticeStatus::Merged => Icon::Merge,
        }
    }
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Severity {
    #[default]
    Info,
    Success,
    Warning,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 4] = [
        Severity::Critical,
        Severity::Warning,
        Severity::Success,
        Severity::Info,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Success => "success",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Severity::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
    }

    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "Info",
            Severity::Success => "Success",
            Severity::Warning => "Warning",
            Severity::Critical => "Critical",
        }
    }

    pub fn icon(self) -> Icon {
        match self {
            Severity::Info => Icon::Info,
            Severity::Success => Icon::Check,
            Severity::Warning | Severity::Critical => Icon::Warning,
        }
    }
}

/// Text with its invisible direction marks spelled out, for what is shown exactly as it was received:
/// they would make it read as something else.
pub fn laid_bare(text: &str) -> Cow<'_, str> {
    let turns = |c: char| matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    if !text.contains(turns) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if turns(c) {
            out.push_str(&format!("[U+{:04X}]", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// "1 delivery", "3 deliveries", with thin groups of thousands.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number in groups of three: `49 500`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            // Narrow and unbreakable.
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_like_speech() {
        const NOW: i64 = 1_000_000;
        for (then, expected) in [
            (0, "just now"),
            (-9, "just now"),
            (5, "in a moment"),
            (-59, "59 s ago"),
            (-240, "4 min ago"),
            (-3 * HOUR - 60, "3 h ago"),
            (6 * HOUR + 12 * MINUTE, "in 6 h 12 min"),
            (HOUR, "in 1 h"),
            (-DAY, "1 day ago"),
            (-9 * DAY, "9 days ago"),
        ] {
            assert_eq!(relative(NOW, NOW + then), expected);
        }
    }

    #[test]
    fn numbers_are_grouped_and_words_read_back() {
        assert_eq!(number(7), "7");
        assert_eq!(number(49_500), "49\u{202F}500");
        assert_eq!(number(1_234_567), "1\u{202F}234\u{202F}567");
        assert_eq!(laid_bare("a\u{202E}b"), "a[U+202E]b");
        assert_eq!(counted(1, "delivery", "deliveries"), "1 delivery");
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        for status in NoticeStatus::ALL {
            assert_eq!(NoticeStatus::parse(status.as_str()), Some(status));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
        }
    }
}
