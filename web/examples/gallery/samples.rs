//! Every page in several states: empty, busy, failing, and with values that mean harm.

use notify_web::view::relative;
use notify_web::{Frame, Markup, Moment};

mod bots;
mod configured;
mod others;
mod overview;
mod told;
mod waiting;

/// Name and page.
type Pages = Vec<(&'static str, Markup)>;

/// 2026-08-29T10:15:00Z, when all samples are looked at.
const NOW: i64 = 1_787_998_500;

/// What a stranger may send: markup, an attribute's end, a direction mark, no place to break.
pub const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202E}gnp.exe";
pub const UNBROKEN: &str = "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";
pub const HEBREW: &str = "הגיבוי של nas הסתיים אחרי 4 דקות";

/// Every page by its name.
pub fn all() -> Vec<(&'static str, String)> {
    [
        overview::pages(),
        told::pages(),
        waiting::pages(),
        configured::pages(),
        bots::pages(),
        others::pages(),
    ]
    .into_iter()
    .flatten()
    .map(|(name, page)| (name, page.into_string()))
    .collect()
}

fn at(seconds_from_now: i64) -> Moment {
    let then = NOW + seconds_from_now;
    let of_day = then.rem_euclid(86_400);
    let day = 29 + then.div_euclid(86_400) - NOW.div_euclid(86_400);
    let (hour, minute) = (of_day / 3_600, of_day % 3_600 / 60);
    Moment {
        at: format!(
            "2026-08-{:02}T{hour:02}:{minute:02}:{:02}Z",
            day.clamp(1, 31),
            of_day % 60
        ),
        relative: relative(NOW, then),
        absolute: format!(
            "{} Aug 2026, {:02}:{minute:02} Lisbon",
            day.clamp(1, 31),
            (hour + 1) % 24
        ),
    }
}

fn frame() -> Frame {
    Frame {
        base: String::new(),
        user: Some("ana".into()),
        can_operate: true,
        csrf: "sample-token".into(),
        paused: None,
        version: "0.1.0".into(),
        parked: 16,
        flash: Vec::new(),
    }
}

fn stranger() -> Frame {
    Frame {
        csrf: "sample-token".into(),
        version: "0.1.0".into(),
        ..Frame::default()
    }
}

fn viewer() -> Frame {
    Frame {
        can_operate: false,
        parked: 0,
        ..frame()
    }
}

fn hostile_frame() -> Frame {
    Frame {
        user: Some(HOSTILE.into()),
        csrf: HOSTILE.into(),
        version: HOSTILE.into(),
        ..frame()
    }
}
