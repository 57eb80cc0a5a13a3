//! Windows, zones and instants as a test writes them.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use notify_bridge::domain::windows::{NotAWindow, WindowSpec, WindowText};

/// `[days[,days]] FROM-TO [Zone/Name] [mode]`, the parts apart by spaces.
pub fn window(line: &str) -> Result<WindowSpec, Vec<NotAWindow>> {
    let mut words = line.split_whitespace().peekable();
    let no_digits = |word: &&str| !word.starts_with(|first: char| first.is_ascii_digit());
    let days = words.next_if(no_digits).into_iter();
    let days: Vec<String> = days.flat_map(|d| d.split(',')).map(str::to_owned).collect();
    let (from, to) = words
        .next()
        .and_then(|w| w.split_once('-'))
        .expect("a span");
    let zone = words.next_if(|word| word.contains(|letter: char| letter.is_uppercase()));
    WindowSpec::parse(WindowText {
        days: &days,
        from,
        to,
        zone,
        mode: words.next(),
    })
}

/// Windows apart by `;`.
pub fn windows(list: &str) -> Vec<WindowSpec> {
    let lines = list.split(';').map(window);
    lines.map(|read| read.expect("a window")).collect()
}

pub fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect("a zone")
}

pub fn micros(instant: &str) -> i64 {
    instant
        .parse::<Timestamp>()
        .expect("an instant")
        .as_microsecond()
}

pub fn instant(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "beyond".into(), |at| at.to_string())
}
