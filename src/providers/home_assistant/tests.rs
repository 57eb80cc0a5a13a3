//! Conversations with a Home Assistant in memory, which is told from the outside what to do.

mod fake;
mod filters;
mod order;
mod outage;

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use self::fake::{Home, Listener, MINUTE, SECOND, watch};
use super::*;
use crate::domain::notice::Transition;
use crate::providers::ask::{Answer, Step};
use crate::targets::Reply;

/// A home and who listens to it, with everything known and nothing told.
fn joined(watches: Vec<crate::providers::ask::Watch>) -> (Home, Listener) {
    let (mut home, mut listener) = (Home::new(), Listener::new(watches));
    listener.join(&mut home);
    assert_eq!(listener.ready, 1, "{:?}", listener.closed);
    assert_eq!(listener.told(), "", "the first look says nothing");
    (home, listener)
}

/// Something happens while the connection is there.
fn happens(home: &mut Home, listener: &mut Listener, event: &Value) {
    for message in home.told(event) {
        listener.hear(&message);
    }
    listener.talk(home);
}

fn everything() -> crate::providers::ask::Watch {
    watch(1, &["state_changed"], &[], json!({}))
}

#[test]
fn a_change_is_told_with_its_place_and_who_did_it() {
    let (mut home, mut listener) = joined(vec![everything()]);
    let event = home.set(
        "binary_sensor.sink",
        "on",
        &json!({ "battery": 80, "access_token": "x" }),
    );
    happens(&mut home, &mut listener, &event);
    let notice = &listener.notices[0];
    let labels: Vec<String> = notice
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expect![[r#"
        area=Kitchen
        area_id=kitchen
        attr_battery=80
        class=moisture
        context=C0006
        device=Sink probe
        domain=binary_sensor
        entity=binary_sensor.sink
        value=wet
        value_before=dry"#]]
    .assert_eq(&labels.join("\n"));
    assert_eq!(notice.actor.as_deref(), Some("Ida"));
    assert_eq!(notice.transition, Transition::Opens);
    assert_eq!(
        notice.before,
        BTreeMap::from([("state".into(), "off".into())])
    );
    assert_eq!(notice.occurred_at, Some(home.now));
    assert_eq!(
        notice.url.as_deref(),
        Some("http://ha.test:8123/history?entity_id=binary_sensor.sink")
    );
    expect![[r#"
        state_changed: Sink is now wet | dry → wet (Kitchen)
    "#]]
    .assert_eq(&listener.told());
    // An attribute alone is no change of the state, and the same event twice is one.
    let other = home.set("binary_sensor.sink", "on", &json!({ "battery": 79 }));
    happens(&mut home, &mut listener, &other);
    happens(&mut home, &mut listener, &event);
    assert_eq!(listener.told(), "");
    let dry = home.set("binary_sensor.sink", "off", &json!({}));
    happens(&mut home, &mut listener, &dry);
    assert_eq!(listener.notices[0].transition, Transition::Closes);
}

#[test]
fn a_change_writes_little_and_one_that_nobody_is_told_of_waits() {
    let warm = watch(1, &["state_changed"], &["sensor.*"], json!({ "to": "30" }));
    let (mut home, mut listener) = joined(vec![warm]);
    listener.written = 0;
    for state in ["12", "13", "14"] {
        let event = home.set("sensor.cellar", state, &json!({}));
        happens(&mut home, &mut listener, &event);
    }
    assert_eq!(listener.written, 0);
    listener.pass(11 * SECOND, &mut home);
    assert_eq!((listener.written, listener.told().as_str()), (1, ""));
    let event = home.set("sensor.cellar", "30", &json!({}));
    happens(&mut home, &mut listener, &event);
    assert_eq!(listener.written, 2);
    expect![[r#"
        state_changed: Cellar is now 30 °C | 14 °C → 30 °C
    "#]]
    .assert_eq(&listener.told());
}

#[test]
fn other_things_that_happen() {
    let all = watch(1, &[], &[], json!({}));
    let (mut home, mut listener) = joined(vec![all]);
    assert_eq!(home.event_types(), ["*"]);
    let events = [
        home.fire(
            "automation_triggered",
            &json!({ "name": "Doorbell", "entity_id": "automation.doorbell", "source": "state of a button" }),
        ),
        home.fire(
            "call_service",
            &json!({ "domain": "lock", "service": "open", "service_data":
                { "entity_id": ["lock.front"], "code": "1234", "who": { "pin": 1, "name": "Ida" } } }),
        ),
        home.fire("doorbell_rang", &json!({ "message": "Somebody is there", "token": "t" })),
        home.fire("component_loaded", &json!({ "component": "sun" })),
    ];
    for event in &events {
        happens(&mut home, &mut listener, event);
    }
    for secret in ["1234", "pin", "\"t\""] {
        assert!(
            !format!("{:?}", listener.notices).contains(secret),
            "{secret}"
        );
    }
    expect![[r#"
        automation_triggered: Automation Doorbell ran | Triggered by state of a button
        service_called: lock.open was called for lock.front | who: {"name":"Ida"}
        event_fired: Event doorbell_rang | Somebody is there
    "#]]
    .assert_eq(&listener.told());
}

#[test]
fn only_events_that_somebody_needs_are_asked_for() {
    let check = |watches: Vec<crate::providers::ask::Watch>, expected: &[&str]| {
        let (home, _) = joined(watches);
        assert_eq!(home.event_types(), expected);
    };
    check(vec![], &[]);
    check(vec![everything()], &["state_changed"]);
    check(
        vec![watch(1, &[], &["light.*"], json!({ "to": "on" }))],
        &["state_changed"],
    );
    check(
        vec![watch(
            1,
            &["event_fired"],
            &["doorbell_rang", "timer.finished"],
            json!({}),
        )],
        &["doorbell_rang", "timer.finished"],
    );
    check(
        vec![watch(
            1,
            &["event_*", "service_called"],
            &["door*"],
            json!({}),
        )],
        &["*"],
    );
    check(
        vec![watch(1, &[], &["light.lamp"], json!({}))],
        &["automation_triggered", "call_service", "state_changed"],
    );
    // Trackers change while the connection is there.
    let (mut home, mut listener) = joined(vec![everything()]);
    let other = vec![watch(2, &["automation_*"], &[], json!({}))];
    listener.with(|session, now| session.watched(&other, now));
    listener.talk(&mut home);
    assert_eq!(home.event_types(), ["automation_triggered"]);
}

#[test]
fn a_token_that_is_refused_is_told_and_not_hammered() {
    let mut listener = Listener::new(vec![everything()]);
    listener.connect();
    listener.hear(&json!({ "type": "auth_required", "ha_version": "2026.11.1" }));
    assert_eq!(listener.sent.pop_front().unwrap()["type"], "auth");
    listener.hear(&json!({ "type": "auth_invalid", "message": "Invalid access token" }));
    let unseen = listener.closed.unwrap();
    assert!(unseen.after.unwrap().as_secs() >= 600, "{unseen:?}");
    expect!["token: Home Assistant does not accept it (Invalid access token); make a new long-lived access token in your profile there"]
        .assert_eq(&unseen.why);
}

#[test]
fn who_may_not_see_everything_sees_what_it_may() {
    let allowed = vec![
        "state_changed",
        "area_registry_updated",
        "device_registry_updated",
        "entity_registry_updated",
    ];
    let mut home = Home::new();
    home.allowed.clone_from(&allowed);
    let mut listener = Listener::new(vec![watch(1, &[], &[], json!({}))]);
    listener.join(&mut home);
    assert_eq!(
        (listener.ready, home.event_types()),
        (1, vec!["state_changed".to_owned()])
    );
    // What was asked for by name is missed.
    let mut listener = Listener::new(vec![watch(1, &["automation_*"], &[], json!({}))]);
    listener.join(&mut home);
    expect!["it does not tell of events of type automation_triggered (Unauthorized): use a token of an administrator, or leave their kind out of the trackers' kinds"]
        .assert_eq(&listener.closed.unwrap().why);
}

#[test]
fn silence_is_noticed() {
    // Of who does not greet, who does not answer, and who stops.
    let mut listener = Listener::new(vec![everything()]);
    let mut silent = Home::new();
    listener.connect();
    listener.pass(31 * SECOND, &mut silent);
    assert!(
        listener
            .closed
            .take()
            .unwrap()
            .why
            .contains("is this the address")
    );
    listener.connect();
    listener.hear(&json!({ "type": "auth_required" }));
    listener.hear(&json!({ "type": "auth_ok" }));
    listener.sent.clear();
    listener.pass(121 * SECOND, &mut silent);
    assert!(
        listener
            .closed
            .take()
            .unwrap()
            .why
            .contains("states in time")
    );
    let (mut home, mut listener) = joined(vec![everything()]);
    listener.pass(10 * MINUTE, &mut home);
    assert!(listener.session.is_some(), "pings are answered");
    while listener.closed.is_none() {
        let at = listener.timer.unwrap();
        listener.now = at;
        listener.with(|session, now| session.on_timer(now));
        listener.sent.clear();
    }
    assert!(listener.closed.take().unwrap().why.contains("any more"));
    // What no Home Assistant says ends it too.
    let (_, mut listener) = joined(vec![everything()]);
    listener.with(|session, now| session.on_message("<html>", now));
    assert!(listener.closed.is_some());
}

#[test]
fn names_that_change_are_asked_for_again() {
    let kitchen = watch(1, &["state_changed"], &[], json!({ "area": "Kitchen" }));
    let (mut home, mut listener) = joined(vec![kitchen]);
    let event = home.fire("area_registry_updated", &json!({ "action": "update" }));
    happens(&mut home, &mut listener, &event);
    assert_eq!(listener.sent.len(), 0);
    listener.now += 6 * SECOND;
    listener.with(|session, now| session.on_timer(now));
    let asked: Vec<String> = listener
        .sent
        .iter()
        .map(|sent| sent["type"].to_string())
        .collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    listener.talk(&mut home);
    assert_eq!(listener.told(), "");
}

/// Asks over REST; the answers are by path.
fn asked(ask: Ask, answers: &[(&str, u16, Value)]) -> Result<Seen, Unseen> {
    let spec = json!({ "name": "home", "kind": "home_assistant", "url": "https://ha.test/api" });
    let spec = serde_json::from_value(spec).unwrap();
    let mut look = HomeAssistant.begin(
        ask,
        &AskInput {
            spec: &spec,
            secrets: &BTreeMap::from([("token".to_owned(), "t0".to_owned())]),
            watches: &[],
            cursors: &BTreeMap::new(),
            now: 0,
            zone: &jiff::tz::TimeZone::UTC,
            chance: 0,
        },
    );
    let mut answer = None;
    loop {
        match look.step(answer.take()) {
            Step::Calls(calls) => {
                let call = &calls[0].call;
                let bearer = ("authorization".to_owned(), "Bearer t0".to_owned());
                assert!(call.headers.contains(&bearer));
                let path = call.url.strip_prefix("https://ha.test").unwrap();
                let found = answers.iter().find(|(known, ..)| *known == path);
                let (_, status, body) = found.unwrap_or_else(|| panic!("{path}"));
                let reply = Reply::Answered {
                    status: *status,
                    headers: Vec::new(),
                    body: body.to_string().into_bytes(),
                };
                answer = Some(Answer::Http {
                    id: calls[0].id,
                    reply,
                });
            }
            Step::Exchange(_) => panic!("it speaks HTTP"),
            Step::Done(done) => return done,
        }
    }
}

#[test]
fn people_ask_whether_it_works_and_what_there_is() {
    let running = json!({ "message": "API running." });
    let config = json!({ "version": "2026.11.1", "location_name": "Mill", "state": "NOT_RUNNING" });
    let seen = asked(
        Ask::Test,
        &[("/api/", 200, running), ("/api/config", 200, config)],
    );
    assert_eq!(
        seen.unwrap().lines,
        ["Home Assistant 2026.11.1", "of Mill", "it is not running"]
    );
    let refused = asked(Ask::Test, &[("/api/", 401, json!("401: Unauthorized"))]);
    expect!["token: Home Assistant does not accept it; make a new long-lived access token in your profile there"]
        .assert_eq(&refused.unwrap_err().why);
    let states = json!(Home::new().states.values().collect::<Vec<_>>());
    let areas = json!([[
        "kitchen",
        "Kitchen",
        ["sensor.cellar", "binary_sensor.sink"]
    ]]);
    let lines = |areas: (u16, Value)| -> String {
        let answers = [
            ("/api/states", 200, states.clone()),
            ("/api/template", areas.0, areas.1),
        ];
        let found = asked(Ask::Discover, &answers).unwrap().collections;
        let line = |found: super::super::ask::Found| {
            let collection = found.collection;
            format!("{} {}: {}\n", collection.id, collection.name, found.detail)
        };
        found.into_iter().map(line).collect()
    };
    let check = |areas, expected: Expect| expected.assert_eq(&lines(areas));
    check(
        (200, areas),
        expect![[r#"
            binary_sensor.back_door Back door: off
            binary_sensor.sink Sink: off, Kitchen
            light.lamp Lamp: on
            person.ida Ida: home
            sensor.cellar Cellar: 11.5 °C, Kitchen
        "#]],
    );
    check(
        (403, Value::Null),
        expect![[r#"
            binary_sensor.back_door Back door: off
            binary_sensor.sink Sink: off
            light.lamp Lamp: on
            person.ida Ida: home
            sensor.cellar Cellar: 11.5 °C
        "#]],
    );
}
