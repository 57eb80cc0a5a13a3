use std::collections::BTreeMap;

use super::*;
use crate::domain::spec::ProviderSpec;
use crate::providers::ask::{Answer, Step};

fn micros(text: &str) -> i64 {
    let at: Timestamp = text.parse().expect("an instant");
    at.as_microsecond()
}

fn spec(fields: serde_json::Value) -> ProviderSpec {
    let mut spec = serde_json::json!({"name": "bins", "kind": "scheduler"});
    for (key, value) in fields.as_object().expect("fields") {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

fn look(spec: &ProviderSpec, cursors: &mut OfProvider, now: &str) -> Observation {
    let input = AskInput {
        spec,
        secrets: &BTreeMap::new(),
        watches: &[],
        cursors,
        now: micros(now),
        zone: &TimeZone::get("Europe/Lisbon").expect("a bundled zone"),
        chance: 0,
    };
    let Step::Done(Ok(seen)) = Scheduler.begin(Ask::Observe, &input).step(None::<Answer>) else {
        panic!("nothing is asked of the clock");
    };
    for (key, bytes) in &seen.observation.cursors {
        let bytes = bytes.clone().expect("the clock forgets nothing");
        cursors.insert(key.clone(), bytes);
    }
    seen.observation
}

/// After a first look at one moment, the moments told at others.
fn check(fields: serde_json::Value, first: &str, looks: &[(&str, &[&str])]) {
    let spec = spec(fields);
    let mut cursors = OfProvider::new();
    let baseline = look(&spec, &mut cursors, first);
    assert_eq!(baseline.notices, [], "the first look says nothing");
    for (now, expected) in looks {
        let seen = look(&spec, &mut cursors, now);
        let told: Vec<String> = seen
            .notices
            .iter()
            .map(|notice| {
                let at = Timestamp::from_microsecond(notice.occurred_at.expect("a moment"));
                let missed = notice.labels.get("missed");
                let missed = missed.map_or_else(String::new, |count| format!(" +{count}"));
                format!("{}{missed}", at.expect("an instant"))
            })
            .collect();
        assert_eq!(told, *expected, "at {now}");
        assert!(seen.next_at > Some(micros(now)));
        let again = look(&spec, &mut cursors, now);
        assert!(again.is_nothing(), "a moment is told once");
        assert_eq!(again.next_at, seen.next_at);
    }
}

#[test]
fn a_moment_is_told_once_and_missed_ones_by_choice() {
    let daily = |missed: &str| serde_json::json!({"cron": "0 8 * * *", "missed": missed});
    let first = "2026-06-01T06:30:00Z";
    let on_time = ("2026-06-01T07:00:00Z", &["2026-06-01T07:00:00Z"][..]);
    let early = ("2026-06-01T06:59:59Z", &[][..]);
    let late = "2026-06-04T12:00:00Z";
    check(daily("skip"), first, &[early, on_time, (late, &[])]);
    check(
        daily("once"),
        first,
        &[early, on_time, (late, &["2026-06-04T07:00:00Z +2"])],
    );
    check(
        daily("all"),
        first,
        &[
            early,
            on_time,
            (
                late,
                &[
                    "2026-06-02T07:00:00Z",
                    "2026-06-03T07:00:00Z",
                    "2026-06-04T07:00:00Z",
                ],
            ),
        ],
    );
    // Within a minute it is on time.
    check(
        daily("skip"),
        first,
        &[("2026-06-01T07:00:59Z", &["2026-06-01T07:00:00Z"])],
    );
}

#[test]
fn it_follows_its_zone_across_a_change_of_the_clock() {
    check(
        serde_json::json!({"cron": "30 1 * * *", "zone": "Europe/Berlin"}),
        "2026-10-24T12:00:00Z",
        // 02:30 would be shown twice, 01:30 is not: Berlin changes at 03:00.
        &[
            ("2026-10-24T23:30:00Z", &["2026-10-24T23:30:00Z"]),
            ("2026-10-26T00:30:00Z", &["2026-10-26T00:30:00Z"]),
        ],
    );
    check(
        serde_json::json!({"every": "6h"}),
        "2026-03-28T23:00:00Z",
        &[
            ("2026-03-29T00:00:00Z", &["2026-03-29T00:00:00Z"]),
            ("2026-03-29T05:00:00Z", &["2026-03-29T05:00:00Z"]),
        ],
    );
}

#[test]
fn many_missed_moments_are_bounded_and_counted() {
    let spec = spec(serde_json::json!({"every": "1m", "missed": "all"}));
    let mut cursors = OfProvider::new();
    look(&spec, &mut cursors, "2026-06-01T00:00:30Z");
    let seen = look(&spec, &mut cursors, "2026-06-01T10:00:30Z");
    assert_eq!(seen.notices.len(), MISSED_MAX);
    assert_eq!(seen.notices[0].labels["missed"], "500");
    // A year at one a minute is more than is counted, and is over soon.
    let seen = look(&spec, &mut cursors, "2027-06-01T10:00:30Z");
    assert!(seen.notices.len() <= MISSED_MAX + 1);
    let last = seen.notices.last().expect("the newest").occurred_at;
    assert!(last > Some(micros("2027-06-01T09:55:00Z")));
}

#[test]
fn another_time_or_a_clock_that_was_wrong_begins_anew() {
    let mut cursors = OfProvider::new();
    let eight = spec(serde_json::json!({"cron": "0 8 * * *", "missed": "all"}));
    look(&eight, &mut cursors, "2026-06-01T06:00:00Z");
    let nine = spec(serde_json::json!({"cron": "0 9 * * *", "missed": "all"}));
    let seen = look(&nine, &mut cursors, "2026-06-02T06:00:00Z");
    assert_eq!(seen.notices, []);
    assert_eq!(seen.next_at, Some(micros("2026-06-02T08:00:00Z")));
    // Told already by a clock that was an hour ahead: not again.
    look(&nine, &mut cursors, "2026-06-02T08:00:10Z");
    let seen = look(&nine, &mut cursors, "2026-06-02T07:59:00Z");
    assert_eq!(seen.next_at, Some(micros("2026-06-03T08:00:00Z")));
    // A clock that was a year ahead does not silence the year.
    look(&nine, &mut cursors, "2027-06-02T08:00:10Z");
    let seen = look(&nine, &mut cursors, "2026-06-02T12:00:00Z");
    assert_eq!(seen.next_at, Some(micros("2026-06-03T08:00:00Z")));
}

#[test]
fn what_it_says_is_its_data() {
    let spec = spec(serde_json::json!({
        "cron": "0 8 * * *",
        "data": {"title": "Bins", "text": "The green ones.", "street": "Rua Nova"},
    }));
    let mut cursors = OfProvider::new();
    look(&spec, &mut cursors, "2026-06-01T06:00:00Z");
    let seen = look(&spec, &mut cursors, "2026-06-01T07:00:01Z");
    let notice = &seen.notices[0];
    assert_eq!(
        (notice.title.as_str(), notice.text.as_str()),
        ("Bins", "The green ones.")
    );
    assert_eq!(notice.labels["street"], "Rua Nova");
    assert_eq!(notice.labels["scheduled_at"], "2026-06-01 08:00:00 WEST");
}
