use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use jiff::tz::TimeZone;

use super::*;
use crate::domain::spec::ProviderSpec;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Answer, Exchange, Seen, Step, Unseen, Until};

/// A UPS of the upsd that the tests speak with: name, description, and its variables or its error.
type Fake = (
    &'static str,
    &'static str,
    Result<Vec<(&'static str, &'static str)>, &'static str>,
);

fn desk(status: &'static str, charge: &'static str) -> Fake {
    (
        "desk",
        "Under the \"desk\"",
        Ok(vec![
            ("battery.charge", charge),
            ("battery.runtime", "1260"),
            ("ups.load", "31"),
            ("ups.model", "Quiet 700"),
            ("ups.status", status),
        ]),
    )
}

fn cellar(error: &'static str) -> Fake {
    ("cellar", "Description unavailable", Err(error))
}

/// What upsd says to a line.
fn answer(upses: &[Fake], line: &str) -> Vec<String> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["VER"] => vec!["Network UPS Tools upsd 2.8.9".into()],
        ["LIST", "UPS"] => {
            let lines = upses
                .iter()
                .map(|(name, description, _)| format!("UPS {name} \"{}\"", escaped(description)));
            [String::from("BEGIN LIST UPS")]
                .into_iter()
                .chain(lines)
                .chain([String::from("END LIST UPS")])
                .collect()
        }
        ["LIST", "VAR", name] => match upses.iter().find(|(known, ..)| known == name) {
            None => vec!["ERR UNKNOWN-UPS".into()],
            Some((_, _, Err(error))) => vec![format!("ERR {error}")],
            Some((_, _, Ok(variables))) => {
                let lines = variables.iter().map(|(variable, value)| {
                    format!("VAR {name} {variable} \"{}\"", escaped(value))
                });
                [format!("BEGIN LIST VAR {name}")]
                    .into_iter()
                    .chain(lines)
                    .chain([format!("END LIST VAR {name}")])
                    .collect()
            }
        },
        ["USERNAME" | "PASSWORD", ..] => vec!["OK".into()],
        ["LOGIN", _] => vec!["ERR ACCESS-DENIED".into()],
        ["LOGOUT"] => vec!["OK Goodbye".into()],
        ["STARTTLS"] => vec!["OK STARTTLS".into()],
        _ => vec!["ERR UNKNOWN-COMMAND".into()],
    }
}

fn spec(more: serde_json::Value) -> ProviderSpec {
    let mut spec = serde_json::json!({"name": "power", "kind": "nut", "host": "ups.example"});
    for (key, value) in more.as_object().expect("fields") {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

/// Holds the conversation to its end: what came of it, and what was said on the way.
fn converse(
    spec: &ProviderSpec,
    ask: Ask,
    cursors: &OfProvider,
    upses: &[Fake],
) -> (Result<Seen, Unseen>, Vec<String>) {
    let secrets = BTreeMap::from([("password".to_owned(), "s3 \"cret".to_owned())]);
    let input = AskInput {
        spec,
        secrets: &secrets,
        watches: &[],
        cursors,
        now: 0,
        zone: &TimeZone::UTC,
        chance: 0,
    };
    let mut look = Nut.begin(ask, &input);
    let mut said = Vec::new();
    let mut step = look.step(None);
    loop {
        let lines = match step {
            Step::Done(seen) => return (seen, said),
            Step::Calls(calls) => panic!("nobody is called: {calls:?}"),
            Step::Exchange(Exchange::Connect { host, port }) => {
                said.push(format!("connect {host}:{port}"));
                Vec::new()
            }
            Step::Exchange(Exchange::StartTls { host }) => {
                said.push(format!("encrypt {host}"));
                Vec::new()
            }
            Step::Exchange(Exchange::Say { line, until }) => {
                said.push(line.clone());
                let lines = answer(upses, &line);
                let last = lines.last().expect("an answer").clone();
                let ends = match until {
                    Until::Line => lines.len() == 1,
                    Until::Prefix(prefixes) => {
                        prefixes.iter().any(|p| last.starts_with(p.as_str()))
                    }
                };
                assert!(ends, "the answer to {line} is read to its end: {last}");
                lines
            }
        };
        step = look.step(Some(Answer::Lines(Ok(lines))));
    }
}

/// Looks one after another; what each says, a notice a line.
fn check(looks: &[&[Fake]], expected: Expect) {
    let spec = spec(serde_json::json!({}));
    let mut cursors = OfProvider::new();
    let mut told = String::new();
    for (nth, upses) in looks.iter().enumerate() {
        let (seen, _) = converse(&spec, Ask::Observe, &cursors, upses);
        let observation = seen.expect("upsd answers").observation;
        told.push_str(&format!("{nth}: {} moved\n", observation.cursors.len()));
        told.push_str(&shown(&observation));
        take(&mut cursors, observation);
    }
    expected.assert_eq(&told);
}

fn take(cursors: &mut OfProvider, observation: Observation) {
    for (key, bytes) in observation.cursors {
        match bytes {
            Some(bytes) => cursors.insert(key, bytes),
            None => cursors.remove(&key),
        };
    }
}

fn shown(observation: &Observation) -> String {
    let lines = observation.notices.iter().map(|notice| {
        format!(
            "- {} {} {} {}: {} | {}\n",
            notice.kind,
            notice.severity.as_str(),
            notice.subject.key,
            notice.transition.as_str(),
            notice.title,
            notice.text
        )
    });
    lines.collect()
}

#[test]
fn every_change_is_told_once_and_the_first_look_says_nothing() {
    check(
        &[
            &[desk("OL CHRG", "99")],
            &[desk("OL", "100")],
            &[desk("OB DISCHRG", "90")],
            &[desk("OB DISCHRG", "60")],
            &[desk("OB DISCHRG LB", "12")],
            &[desk("OL CHRG LB", "13")],
            &[desk("OL CHRG", "40")],
            &[desk("OL RB OVER", "100")],
            &[desk("OL", "100")],
        ],
        expect![[r#"
            0: 1 moved
            1: 0 moved
            2: 1 moved
            - on_battery critical desk/power opens: Under the "desk" is on battery | On battery, charge 90 %, 21 min left, load 31 %.
            3: 0 moved
            4: 1 moved
            - low_battery critical desk/battery opens: Under the "desk" has a low battery | On battery, charge 12 %, 21 min left, load 31 %.
            5: 1 moved
            - on_line success desk/power closes: Under the "desk" is on line power again | On line power, charge 13 %, 21 min left, load 31 %.
            6: 1 moved
            - battery_restored success desk/battery closes: Under the "desk" has enough charge again | On line power, charge 40 %, 21 min left, load 31 %.
            7: 1 moved
            - replace_battery warning desk/replace opens: Under the "desk" needs a new battery | On line power, charge 100 %, 21 min left, load 31 %.
            - overload critical desk/load opens: Under the "desk" is overloaded | On line power, charge 100 %, 21 min left, load 31 %.
            8: 1 moved
            - battery_restored success desk/replace closes: Under the "desk" has a good battery again | On line power, charge 100 %, 21 min left, load 31 %.
            - overload success desk/load closes: Under the "desk" is not overloaded any more | On line power, charge 100 %, 21 min left, load 31 %.
        "#]],
    );
}

#[test]
fn a_driver_that_does_not_answer_is_lost_and_what_changed_meanwhile_is_told() {
    check(
        &[
            &[desk("OL", "100"), cellar("DRIVER-NOT-CONNECTED")],
            &[("desk", "Desk", Err("DATA-STALE")), cellar("DATA-STALE")],
            &[("desk", "Desk", Err("DRIVER-NOT-CONNECTED"))],
            &[desk("OB", "80"), desk_two()],
            &[desk("OB", "80")],
            &[desk("", "80")],
            &[desk("WAIT", "80")],
            &[desk("OFF", "80")],
        ],
        expect![[r#"
            0: 2 moved
            1: 1 moved
            - comms_lost warning desk/comms opens: Desk does not answer | Its data is stale: the driver does not answer.
            2: 1 moved
            3: 2 moved
            - comms_restored success desk/comms closes: Under the "desk" answers again | On battery, charge 80 %, 21 min left, load 31 %.
            - on_battery critical desk/power opens: Under the "desk" is on battery | On battery, charge 80 %, 21 min left, load 31 %.
            4: 1 moved
            - comms_lost warning spare/comms none: spare is gone from upsd | It was taken out of upsd's configuration. Should it come back, it is looked at anew.
            5: 0 moved
            6: 0 moved
            7: 0 moved
        "#]],
    );
}

fn desk_two() -> Fake {
    ("spare", "", Ok(vec![("ups.status", "OL")]))
}

#[test]
fn what_a_ups_says_is_in_the_labels() {
    let spec = spec(serde_json::json!({}));
    let mut cursors = OfProvider::new();
    let (seen, _) = converse(&spec, Ask::Observe, &cursors, &[desk("OL", "100")]);
    take(&mut cursors, seen.expect("a baseline").observation);
    let upses = [desk("OB DISCHRG FSD LB NOVEL", "3")];
    let (seen, _) = converse(&spec, Ask::Observe, &cursors, &upses);
    let notices = seen.expect("upsd answers").observation.notices;
    let labels: Vec<String> = notices[0]
        .labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    expect![[r#"
        charge=3
        forced_shutdown=true
        load=31
        model=Quiet 700
        runtime=1260
        status=OB DISCHRG FSD LB NOVEL
        unknown_flags=NOVEL
        ups=desk"#]]
    .assert_eq(&labels.join("\n"));
}

#[test]
fn the_conversation_logs_in_and_encrypts_where_it_is_configured() {
    let upses = [desk("OL", "100")];
    let plain = spec(serde_json::json!({}));
    let (_, said) = converse(&plain, Ask::Observe, &OfProvider::new(), &upses);
    expect![[r#"
        connect ups.example:3493
        LIST UPS
        LIST VAR desk
        LOGOUT"#]]
    .assert_eq(&said.join("\n"));
    let named = spec(serde_json::json!({
        "port": 3494, "username": "watcher", "tls": "starttls",
    }));
    let (seen, said) = converse(&named, Ask::Test, &OfProvider::new(), &upses);
    expect![[r#"
        connect ups.example:3494
        STARTTLS
        encrypt ups.example
        USERNAME watcher
        PASSWORD "s3 \"cret"
        VER
        LIST UPS
        LIST VAR desk
        LOGIN desk
        LOGOUT"#]]
    .assert_eq(&said.join("\n"));
    expect![[r#"
        Network UPS Tools upsd 2.8.9
        user watcher is not accepted as a monitor (access denied; look at upsd.users and at upsd's LISTEN addresses); reading works without
        desk: on line power, charge 100 %, 21 min left, load 31 %"#]]
    .assert_eq(&seen.expect("upsd answers").lines.join("\n"));
}

#[test]
fn with_upsd_every_ups_is_lost_once() {
    let spec = spec(serde_json::json!({}));
    let mut cursors = OfProvider::new();
    let upses = [desk("OB", "100"), cellar("DATA-STALE"), desk_two()];
    let (seen, _) = converse(&spec, Ask::Observe, &cursors, &upses);
    take(&mut cursors, seen.expect("a baseline").observation);
    let lost = status::all_lost(&cursors, "upsd cannot be reached");
    expect![[r#"
        - comms_lost warning desk/comms opens: Under the "desk" does not answer | Upsd cannot be reached.
        - comms_lost warning spare/comms opens: spare does not answer | Upsd cannot be reached.
    "#]]
    .assert_eq(&shown(&lost));
    take(&mut cursors, lost);
    assert!(status::all_lost(&cursors, "still").is_nothing());
    let (seen, _) = converse(&spec, Ask::Observe, &cursors, &upses);
    expect![[r#"
        - comms_restored success desk/comms closes: Under the "desk" answers again | On battery, charge 100 %, 21 min left, load 31 %.
        - comms_restored success spare/comms closes: spare answers again | On line power.
    "#]]
    .assert_eq(&shown(&seen.expect("upsd answers").observation));
}
