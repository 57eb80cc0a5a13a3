//! Windows, recurrences and their problems as a person would write them.

use std::fmt::Write;

use expect_test::{Expect, expect};
use notify_bridge::domain::civil::{CivilTime, DaySpan};
use notify_bridge::domain::recur::{NEVER, Recurrence, next_after};
use notify_bridge::domain::windows::{
    CompiledWindows, DAY_SPANS_MAX, WINDOWS_MAX, WindowSpec, active,
};

use crate::text;

/// What applies at each instant, one line for each.
fn check(list: &str, default_zone: &str, instants: &[&str], expected: Expect) {
    let windows = CompiledWindows::new(&text::windows(list), &text::zone(default_zone));
    let mut said = String::new();
    for at in instants {
        let line = match active(&windows, text::micros(at)) {
            Some(on) => format!("{} {} until {}", on.index, on.mode, text::instant(on.until)),
            None => "nothing".into(),
        };
        writeln!(said, "{at}  {line}").expect("a line");
    }
    expected.assert_eq(&said);
}

#[test]
fn a_window_across_midnight_belongs_to_the_day_it_begins_on() {
    check(
        "mon-fri 22:00-07:00 Europe/Lisbon hold",
        "UTC",
        &[
            // Friday evening, and the morning that is still Friday's night.
            "2026-01-09T21:59:59.999999Z",
            "2026-01-09T22:00:00Z",
            "2026-01-10T06:59:59.999999Z",
            "2026-01-10T07:00:00Z",
            // Saturday's night is not named, nor is the morning of Monday.
            "2026-01-10T23:00:00Z",
            "2026-01-12T03:00:00Z",
        ],
        expect![[r#"
            2026-01-09T21:59:59.999999Z  nothing
            2026-01-09T22:00:00Z  0 hold until 2026-01-10T07:00:00Z
            2026-01-10T06:59:59.999999Z  0 hold until 2026-01-10T07:00:00Z
            2026-01-10T07:00:00Z  nothing
            2026-01-10T23:00:00Z  nothing
            2026-01-12T03:00:00Z  nothing
        "#]],
    );
}

#[test]
fn days_may_go_across_the_end_of_the_week() {
    check(
        "sat-mon,wed 09:00-10:00 silent",
        "Asia/Tokyo",
        &[
            "2026-06-05T00:30:00Z",
            "2026-06-06T00:30:00Z",
            "2026-06-07T00:30:00Z",
            "2026-06-08T00:30:00Z",
            "2026-06-09T00:30:00Z",
            "2026-06-10T00:30:00Z",
        ],
        expect![[r#"
            2026-06-05T00:30:00Z  nothing
            2026-06-06T00:30:00Z  0 silent until 2026-06-06T01:00:00Z
            2026-06-07T00:30:00Z  0 silent until 2026-06-07T01:00:00Z
            2026-06-08T00:30:00Z  0 silent until 2026-06-08T01:00:00Z
            2026-06-09T00:30:00Z  nothing
            2026-06-10T00:30:00Z  0 silent until 2026-06-10T01:00:00Z
        "#]],
    );
}

#[test]
fn a_bound_that_the_clock_skips_is_the_end_of_the_gap() {
    // Berlin goes from 02:00 to 03:00 on 2026-03-29 at 01:00Z.
    check(
        "02:30-05:00 hold; 00:30-02:30 silent; 02:10-02:50 drop",
        "Europe/Berlin",
        &[
            "2026-03-28T23:45:00Z",
            "2026-03-29T00:59:59Z",
            "2026-03-29T01:00:00Z",
        ],
        expect![[r#"
            2026-03-28T23:45:00Z  1 silent until 2026-03-29T01:00:00Z
            2026-03-29T00:59:59Z  1 silent until 2026-03-29T01:00:00Z
            2026-03-29T01:00:00Z  0 hold until 2026-03-29T03:00:00Z
        "#]],
    );
}

#[test]
fn a_bound_that_the_clock_shows_twice_makes_the_window_longer() {
    // Berlin goes from 03:00 back to 02:00 on 2026-10-25 at 01:00Z.
    check(
        "02:30-05:00 hold",
        "Europe/Berlin",
        &[
            "2026-10-25T00:29:59Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:15:00Z",
        ],
        expect![[r#"
            2026-10-25T00:29:59Z  nothing
            2026-10-25T00:30:00Z  0 hold until 2026-10-25T04:00:00Z
            2026-10-25T01:15:00Z  0 hold until 2026-10-25T04:00:00Z
        "#]],
    );
    check(
        "00:30-02:30 hold",
        "Europe/Berlin",
        &[
            "2026-10-25T00:45:00Z",
            "2026-10-25T01:29:59Z",
            "2026-10-25T01:30:00Z",
        ],
        expect![[r#"
            2026-10-25T00:45:00Z  0 hold until 2026-10-25T01:30:00Z
            2026-10-25T01:29:59Z  0 hold until 2026-10-25T01:30:00Z
            2026-10-25T01:30:00Z  nothing
        "#]],
    );
}

#[test]
fn a_clock_put_back_across_midnight_shows_days_out_of_order() {
    // St. John's went from 00:01 on Sunday back to 23:01 on Saturday, 2006-10-29 at 02:31Z.
    check(
        "fri 23:30-23:30 hold; sun 00:00-01:00 silent",
        "America/St_Johns",
        &[
            // Sunday for a moment, while Friday's window has yet to see Saturday 23:30 again.
            "2006-10-29T02:30:30Z",
            "2006-10-29T02:59:59Z",
            // Saturday again, while Sunday's window has begun.
            "2006-10-29T03:00:00Z",
            "2006-10-29T04:29:59Z",
            "2006-10-29T04:30:00Z",
        ],
        expect![[r#"
            2006-10-29T02:30:30Z  0 hold until 2006-10-29T03:00:00Z
            2006-10-29T02:59:59Z  0 hold until 2006-10-29T03:00:00Z
            2006-10-29T03:00:00Z  1 silent until 2006-10-29T04:30:00Z
            2006-10-29T04:29:59Z  1 silent until 2006-10-29T04:30:00Z
            2006-10-29T04:30:00Z  nothing
        "#]],
    );
}

#[test]
fn the_strictest_of_several_says_what_happens() {
    check(
        "20:00-08:00 silent; 22:00-06:00 hold; 23:00-24:00 drop; 21:00-05:00 hold",
        "UTC",
        &[
            "2026-05-01T20:30:00Z",
            "2026-05-01T21:30:00Z",
            "2026-05-01T22:30:00Z",
            "2026-05-01T23:30:00Z",
            "2026-05-02T00:00:00Z",
            "2026-05-02T06:00:00Z",
        ],
        expect![[r#"
            2026-05-01T20:30:00Z  0 silent until 2026-05-01T21:00:00Z
            2026-05-01T21:30:00Z  3 hold until 2026-05-02T06:00:00Z
            2026-05-01T22:30:00Z  1 hold until 2026-05-02T06:00:00Z
            2026-05-01T23:30:00Z  2 drop until 2026-05-02T00:00:00Z
            2026-05-02T00:00:00Z  1 hold until 2026-05-02T06:00:00Z
            2026-05-02T06:00:00Z  0 silent until 2026-05-02T08:00:00Z
        "#]],
    );
}

#[test]
fn a_hold_goes_on_through_what_overlaps_or_adjoins_it() {
    check(
        "mon-fri 18:00-24:00 hold; tue-sat 00:00-07:00 hold; sat-sun 00:00-24:00 hold; \
         mon 00:00-06:00 Europe/Athens drop",
        "Europe/London",
        &[
            "2026-07-07T17:30:00Z",
            "2026-07-10T17:30:00Z",
            "2026-07-12T21:30:00Z",
        ],
        expect![[r#"
            2026-07-07T17:30:00Z  0 hold until 2026-07-08T06:00:00Z
            2026-07-10T17:30:00Z  0 hold until 2026-07-13T03:00:00Z
            2026-07-12T21:30:00Z  3 drop until 2026-07-13T03:00:00Z
        "#]],
    );
}

#[test]
fn what_never_ends_is_asked_for_again_after_the_horizon() {
    check(
        "00:00-24:00 hold",
        "UTC",
        &["2026-07-07T17:30:00Z"],
        expect![[r#"
            2026-07-07T17:30:00Z  0 hold until 2026-07-15T17:30:00Z
        "#]],
    );
    check(
        "mon-wed 06:00-06:00 drop; thu-sun 06:00-06:00 drop",
        "Pacific/Apia",
        &["2026-07-07T17:30:00Z"],
        expect![[r#"
            2026-07-07T17:30:00Z  0 drop until 2026-07-15T17:30:00Z
        "#]],
    );
}

/// The answers when it is asked again with each answer.
fn recurs(recurrence: &Recurrence, zone: &str, after: &str, count: usize, expected: Expect) {
    let mut at = text::micros(after);
    let mut said = String::new();
    for _ in 0..count {
        at = next_after(recurrence, &text::zone(zone), at);
        writeln!(said, "{}", text::instant(at)).expect("a line");
    }
    expected.assert_eq(&said);
}

fn every(seconds: u64) -> Recurrence {
    let micros = seconds * 1_000_000;
    Recurrence::Every { micros }
}

fn at(times: &[&str]) -> Recurrence {
    let times = times.iter().map(|time| time.parse().expect("a time"));
    Recurrence::At {
        times: times.collect(),
    }
}

#[test]
fn an_interval_keeps_to_the_clock() {
    // Quarters of an hour where the clock is 5:45 ahead.
    recurs(
        &every(900),
        "Asia/Kathmandu",
        "2026-02-03T04:05:06Z",
        2,
        expect![[r#"
            2026-02-03T04:15:00Z
            2026-02-03T04:30:00Z
        "#]],
    );
    // What does not divide a day starts anew at midnight.
    recurs(
        &every(5 * 3_600),
        "UTC",
        "2026-02-03T14:00:00Z",
        4,
        expect![[r#"
            2026-02-03T15:00:00Z
            2026-02-03T20:00:00Z
            2026-02-04T00:00:00Z
            2026-02-04T05:00:00Z
        "#]],
    );
    // Weeks begin on Monday, here in New York.
    recurs(
        &every(7 * 86_400),
        "America/New_York",
        "2026-03-04T00:00:00Z",
        2,
        expect![[r#"
            2026-03-09T04:00:00Z
            2026-03-16T04:00:00Z
        "#]],
    );
}

#[test]
fn what_the_clock_skips_or_repeats_comes_once() {
    // Berlin skips 02:00 to 03:00 at 01:00Z.
    recurs(
        &every(1_800),
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        4,
        expect![[r#"
            2026-03-29T00:30:00Z
            2026-03-29T01:00:00Z
            2026-03-29T01:30:00Z
            2026-03-29T02:00:00Z
        "#]],
    );
    recurs(
        &at(&["02:30", "08:00"]),
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        3,
        expect![[r#"
            2026-03-29T01:00:00Z
            2026-03-29T06:00:00Z
            2026-03-30T00:30:00Z
        "#]],
    );
    // It shows 02:00 to 03:00 twice, from 00:00Z and from 01:00Z.
    recurs(
        &every(1_800),
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        3,
        expect![[r#"
            2026-10-25T00:30:00Z
            2026-10-25T02:00:00Z
            2026-10-25T02:30:00Z
        "#]],
    );
    recurs(
        &at(&["02:30", "24:00"]),
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        4,
        expect![[r#"
            2026-10-24T22:00:00Z
            2026-10-25T00:30:00Z
            2026-10-25T23:00:00Z
            2026-10-26T01:30:00Z
        "#]],
    );
}

#[test]
fn nothing_at_all_never_comes() {
    let none = Recurrence::At { times: Vec::new() };
    assert_eq!(next_after(&none, &text::zone("UTC"), 0), NEVER);
    assert_eq!(next_after(&every(60), &text::zone("UTC"), i64::MAX), NEVER);
}

#[test]
fn a_problem_names_its_field_and_what_to_write() {
    let mut said = String::new();
    for line in [
        "monday,Fri-sunn,xyz 22:00-07:00",
        "7:00-24:01",
        "24:00-24:00",
        "12:60-12:00:60 Europe/Lisbo hlod",
        "22:00-07:00 Nowhere\u{200b} quiet",
        "mon,mon,mon,mon,mon,mon,mon,mon 22:00-07:00",
    ] {
        for problem in text::window(line).expect_err(line) {
            let (field, problem) = (problem.field(), problem.to_string());
            assert!(problem.starts_with(&format!("{field}: ")));
            writeln!(said, "{problem}").expect("a line");
        }
    }
    expect![[r#"
        days: `monday` is no day of the week; write one like `sat` or a span like `mon-fri`; did you mean `mon`?
        days: `Fri-sunn` is no day of the week; write one like `sat` or a span like `mon-fri`; did you mean `fri-sun`?
        days: `xyz` is no day of the week; write one like `sat` or a span like `mon-fri`
        from: `7:00` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
        to: `24:01` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
        from: `24:00` is the end of a day and no begin; write `00:00` and the day after
        from: `12:60` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
        to: `12:00:60` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
        zone: `Europe/Lisbo` is no time zone; write one like `Europe/Lisbon` or `UTC`; did you mean `Europe/Lisbon`?
        mode: `hlod` is no mode; write `hold`, `silent` or `drop`; did you mean `hold`?
        zone: `Nowhere\u{200b}` is no time zone; write one like `Europe/Lisbon` or `UTC`
        mode: `quiet` is no mode; write `hold`, `silent` or `drop`
        days: 8 entries are more than a week has days; write at most 7, or none for every day
    "#]].assert_eq(&said);
}

#[test]
fn a_window_is_written_one_way() {
    let cases = [
        (
            r#"{"days":["Mon-FRI","sat-sat"],"from":"22:00:00","to":"24:00","zone":"UTC","mode":"drop"}"#,
            r#"{"days":["mon-fri","sat"],"from":"22:00","to":"24:00","zone":"UTC","mode":"drop"}"#,
        ),
        (
            r#"{"from":"22:00:30","to":"07:00"}"#,
            r#"{"from":"22:00:30","to":"07:00","mode":"hold"}"#,
        ),
    ];
    for (given, written) in cases {
        let read: WindowSpec = serde_json::from_str(given).expect(given);
        assert_eq!(serde_json::to_string(&read).expect(given), written);
        assert_eq!(read.check(), Ok(()));
        assert_eq!(
            serde_json::from_str::<WindowSpec>(written).expect(written),
            read
        );
    }
    for wrong in [
        r#"{"from":"22:00","to":"25:00"}"#,
        r#"{"from":"22:00","to":"07:00","days":["x"]}"#,
    ] {
        assert!(
            serde_json::from_str::<WindowSpec>(wrong).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn what_was_not_parsed_is_checked() {
    let mut spec = text::window("22:00-07:00").expect("a window");
    spec.zone = Some("Mars/Olympus".into());
    assert_eq!(spec.check().expect_err("no zone").field(), "zone");
    // A zone that is gone from the database leaves the default one.
    let windows = CompiledWindows::new(&[spec.clone()], &text::zone("Asia/Tokyo"));
    assert!(active(&windows, text::micros("2026-01-01T13:00:00Z")).is_some());
    spec.zone = None;
    spec.from = CivilTime::DAY_END;
    assert_eq!(spec.check().expect_err("no begin").field(), "from");
    spec.from = CivilTime::MIDNIGHT;
    let monday: DaySpan = "mon".parse().expect("a day");
    spec.days = vec![monday; DAY_SPANS_MAX + 1];
    assert_eq!(spec.check().expect_err("too many").field(), "days");
}

#[test]
fn as_many_windows_as_there_may_be_are_followed_to_the_end() {
    // Each begins as the one before it ends, written from the last to the first.
    let minutes: Vec<usize> = (0..WINDOWS_MAX).rev().collect();
    let list: Vec<String> = minutes
        .iter()
        .map(|minute| format!("12:{minute:02}-12:{:02} hold", minute + 1))
        .collect();
    check(
        &list.join(";"),
        "UTC",
        &["2026-01-01T12:00:30Z"],
        expect![[r#"
            2026-01-01T12:00:30Z  31 hold until 2026-01-01T12:32:00Z
        "#]],
    );
}
