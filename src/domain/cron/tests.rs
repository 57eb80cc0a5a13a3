use super::*;

/// The next moments after one, in a zone, as both the clock and UTC say.
fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
    let zone = TimeZone::get(zone).expect("a bundled zone");
    let parsed = Cron::parse(cron).expect("an expression");
    let mut at = after
        .parse::<Timestamp>()
        .expect("an instant")
        .as_microsecond();
    for (nth, expected) in expected.iter().enumerate() {
        at = parsed.next_after(&zone, at).expect("a next moment");
        let next = Timestamp::from_microsecond(at).expect("within the calendar");
        assert_eq!(
            next.to_string(),
            *expected,
            "{cron} after {after}, number {nth}"
        );
    }
}

#[test]
fn days_are_as_in_cron() {
    // Both restricted: either fits. 2026-11-01 is a Sunday.
    check(
        "0 0 13 * fri",
        "UTC",
        "2026-11-01T00:00:00Z",
        &[
            "2026-11-06T00:00:00Z",
            "2026-11-13T00:00:00Z",
            "2026-11-20T00:00:00Z",
        ],
    );
    check(
        "0 0 15 * fri",
        "UTC",
        "2026-11-12T00:00:00Z",
        &[
            "2026-11-13T00:00:00Z",
            "2026-11-15T00:00:00Z",
            "2026-11-20T00:00:00Z",
        ],
    );
    // One begins with `*`: both have to fit.
    check(
        "0 0 */2 * fri",
        "UTC",
        "2026-11-01T00:00:00Z",
        &["2026-11-13T00:00:00Z", "2026-11-27T00:00:00Z"],
    );
    check(
        "0 0 * * 0",
        "UTC",
        "2026-11-01T00:00:00Z",
        &["2026-11-08T00:00:00Z"],
    );
    // Seven is Sunday as well.
    check(
        "0 0 * * 7",
        "UTC",
        "2026-11-01T00:00:00Z",
        &["2026-11-08T00:00:00Z"],
    );
    check(
        "30 8 * * mon-fri",
        "Europe/Lisbon",
        "2026-06-05T08:00:00Z",
        &["2026-06-08T07:30:00Z"],
    );
    check(
        "*/20 0 0 1 jan *",
        "UTC",
        "2026-12-31T23:59:59.999999Z",
        &[
            "2027-01-01T00:00:00Z",
            "2027-01-01T00:00:20Z",
            "2027-01-01T00:00:40Z",
            "2028-01-01T00:00:00Z",
        ],
    );
    check(
        "0 12 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2028-02-29T12:00:00Z"],
    );
}

#[test]
fn what_the_clock_skips_comes_after_the_gap_and_what_it_repeats_comes_once() {
    // Lisbon: 01:00 becomes 02:00 on 2026-03-29 at 01:00Z.
    check(
        "30 1 * * *",
        "Europe/Lisbon",
        "2026-03-28T12:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    );
    check(
        "*/15 1 * * *",
        "Europe/Lisbon",
        "2026-03-29T00:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
    );
    // 02:00 becomes 01:00 on 2026-10-25 at 01:00Z: 01:30 is shown at 00:30Z and 01:30Z.
    check(
        "30 1 * * *",
        "Europe/Lisbon",
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    check(
        "0,30 * * * *",
        "Europe/Lisbon",
        "2026-10-25T00:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
    );
    // A gap of half an hour: Lord Howe, 02:00 becomes 02:30.
    check(
        "10 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00:00Z",
        &["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"],
    );
}

#[test]
fn asking_again_leaves_nothing_out() {
    let zone = TimeZone::get("Europe/Lisbon").expect("a bundled zone");
    let cron = Cron::parse("*/7 * * * *").expect("an expression");
    let begin: Timestamp = "2026-03-28T20:00:00Z".parse().expect("an instant");
    let begin = begin.as_microsecond();
    let end = begin + 12 * 3_600 * 1_000_000;
    let mut seen = Vec::new();
    let mut at = begin;
    while let Some(next) = cron.next_after(&zone, at).filter(|next| *next < end) {
        seen.push(next);
        at = next;
    }
    // From each instant between, the answer is the first of those that are later.
    for step in (begin..end).step_by(97_000_000) {
        let later = seen.iter().copied().find(|seen| *seen > step);
        if let Some(later) = later {
            assert_eq!(cron.next_after(&zone, step), Some(later));
        }
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_reason() {
    for (text, why) in [
        ("* * * *", "has 4 fields"),
        ("0 0 0 1 1 * 2026", "has 7 fields"),
        ("@daily", "has 1 fields"),
        ("61 * * * *", "is no cron expression"),
        ("0 25 * * *", "is no cron expression"),
        ("0 8 * * monday-friday", "is no cron expression"),
        ("0 0 30 2 *", "never comes"),
        ("", "has 0 fields"),
    ] {
        let fault = Cron::parse(text).expect_err(text).to_string();
        assert!(fault.contains(why), "{text}: {fault}");
    }
    assert_eq!(Cron::parse(&"*".repeat(300)), Err(NotACron::TooLong));
}
