//! Times without a connection, restarts of either side, and what lasts.

use expect_test::expect;
use serde_json::{Value, json};

use super::fake::{Home, Listener, MINUTE, SECOND, watch};
use super::{everything, happens, joined};
use crate::providers::ask::Watch;

/// Told when a door has been open for ten minutes.
fn open_door() -> Watch {
    let options = json!({ "to": "on", "for": "10m" });
    watch(1, &[], &["binary_sensor.*door"], options)
}

fn set(home: &mut Home, listener: &mut Listener, id: &str, state: &str) {
    home.now = home.now.max(listener.now);
    let event = home.set(id, state, &json!({}));
    happens(home, listener, &event);
}

const DOOR: &str = "binary_sensor.back_door";

#[test]
fn what_changed_while_away_is_told_once() {
    let (mut home, mut listener) = joined(vec![everything()]);
    listener.disconnect();
    home.set("light.lamp", "off", &json!({}));
    // And back again: that is silent.
    home.set(DOOR, "on", &json!({}));
    home.set(DOOR, "off", &json!({}));
    home.set("sensor.new", "1", &json!({}));
    home.remove("sensor.cellar");
    listener.join(&mut home);
    expect![[r#"
        state_changed: Lamp is now off | on → off (attic) / Noticed afterwards [while_away true]
    "#]]
    .assert_eq(&listener.told());
    listener.kill();
    listener.join(&mut home);
    assert_eq!(listener.told(), "");
    // What comes back as it was is silent, and otherwise told.
    for (state, expected) in [
        ("11.5", ""),
        (
            "12",
            "state_changed: Cellar is now 12 °C | 11.5 °C → 12 °C / Noticed afterwards [while_away true]\n",
        ),
    ] {
        home.remove("sensor.cellar");
        let warmth = json!({ "friendly_name": "Cellar", "unit_of_measurement": "°C" });
        let event = home.set("sensor.cellar", state, &warmth);
        happens(&mut home, &mut listener, &event);
        assert_eq!(listener.told(), expected);
    }
}

#[test]
fn a_home_that_starts_is_waited_for() {
    let (mut home, mut listener) = joined(vec![everything()]);
    listener.disconnect();
    for id in [DOOR, "light.lamp", "sensor.cellar"] {
        home.set(id, "unavailable", &json!({}));
    }
    listener.join(&mut home);
    assert_eq!(listener.told(), "");
    listener.pass(10 * SECOND, &mut home);
    set(&mut home, &mut listener, "light.lamp", "on");
    set(&mut home, &mut listener, DOOR, "on");
    expect![[r#"
        state_changed: Back door is now open | closed → open / Noticed afterwards [while_away true]
    "#]]
    .assert_eq(&listener.told());
    // Who does not come back is told of in the end.
    listener.pass(6 * MINUTE, &mut home);
    expect![[r#"
        state_changed: Cellar is now unavailable | 11.5 °C → unavailable / Noticed afterwards [while_away true]
    "#]]
    .assert_eq(&listener.told());
}

#[test]
fn a_lost_connection_is_told_once_and_its_end_once() {
    let mut listener = Listener::new(vec![everything()]);
    // One that never was is not lost.
    listener.lost();
    assert_eq!(listener.told(), "");
    let (mut home, mut listener) = joined(vec![everything()]);
    listener.disconnect();
    // Back within the grace: nothing is said.
    listener.join(&mut home);
    assert_eq!(listener.told(), "");
    listener.disconnect();
    listener.lost();
    listener.lost();
    expect![[r#"
        connection_lost: No connection to home | Nothing is heard of it; its page says why. What changes meanwhile is told afterwards.
    "#]]
    .assert_eq(&listener.told());
    home.set("light.lamp", "off", &json!({}));
    listener.join(&mut home);
    expect![[r#"
        connection_restored: home is connected again
        state_changed: Lamp is now off | on → off (attic) / Noticed afterwards [while_away true]
    "#]]
    .assert_eq(&listener.told());
    listener.disconnect();
    listener.join(&mut home);
    assert_eq!(listener.told(), "");
}

const OPEN: &str =
    "state_changed: Back door has been open for 10m | closed → open [tracker tracker-1]\n";

#[test]
fn what_lasts_is_told_when_it_has_lasted_and_never_before() {
    let (mut home, mut listener) = joined(vec![open_door()]);
    set(&mut home, &mut listener, DOOR, "on");
    listener.pass(10 * MINUTE - SECOND, &mut home);
    assert_eq!(listener.told(), "");
    listener.pass(2 * SECOND, &mut home);
    assert_eq!(listener.told(), OPEN);
    listener.pass(60 * MINUTE, &mut home);
    assert_eq!(listener.told(), "");
    // Closed in between: it begins anew.
    set(&mut home, &mut listener, DOOR, "off");
    set(&mut home, &mut listener, DOOR, "on");
    listener.pass(9 * MINUTE, &mut home);
    set(&mut home, &mut listener, DOOR, "off");
    listener.pass(2 * MINUTE, &mut home);
    assert_eq!(listener.told(), "");
    // It was closed at the last moment, and that was not heard yet when the timer fired.
    set(&mut home, &mut listener, DOOR, "on");
    listener.pass(10 * MINUTE - SECOND, &mut home);
    home.now = listener.now;
    let closed = home.set(DOOR, "off", &json!({}));
    listener.now += SECOND;
    listener.with(|session, now| session.on_timer(now));
    happens(&mut home, &mut listener, &closed);
    listener.pass(MINUTE, &mut home);
    assert_eq!(listener.told(), "");
}

#[test]
fn what_lasts_survives_restarts() {
    // A restart in the middle, with or without a word.
    for is_killed in [false, true] {
        let (mut home, mut listener) = joined(vec![open_door()]);
        set(&mut home, &mut listener, DOOR, "on");
        listener.pass(4 * MINUTE, &mut home);
        match is_killed {
            true => listener.kill(),
            false => listener.disconnect(),
        }
        listener.pass(MINUTE, &mut home);
        listener.join(&mut home);
        listener.pass(5 * MINUTE - SECOND, &mut home);
        assert_eq!(listener.told(), "");
        listener.pass(2 * SECOND, &mut home);
        assert_eq!(listener.told(), OPEN);
    }
    // It became due meanwhile.
    let (mut home, mut listener) = joined(vec![open_door()]);
    set(&mut home, &mut listener, DOOR, "on");
    listener.pass(MINUTE, &mut home);
    listener.disconnect();
    listener.pass(30 * MINUTE, &mut home);
    listener.join(&mut home);
    listener.pass(SECOND, &mut home);
    assert_eq!(listener.told(), OPEN);
    // It left meanwhile, and came back.
    set(&mut home, &mut listener, DOOR, "off");
    set(&mut home, &mut listener, DOOR, "on");
    listener.pass(MINUTE, &mut home);
    listener.disconnect();
    listener.pass(30 * MINUTE, &mut home);
    home.now = listener.now;
    home.set(DOOR, "off", &json!({}));
    home.set(DOOR, "on", &json!({}));
    listener.join(&mut home);
    listener.pass(10 * MINUTE - SECOND, &mut home);
    assert_eq!(listener.told(), "");
    listener.pass(2 * SECOND, &mut home);
    assert_eq!(listener.told(), OPEN);
    // It began meanwhile.
    set(&mut home, &mut listener, DOOR, "off");
    listener.disconnect();
    home.now = listener.now;
    home.set(DOOR, "on", &json!({}));
    listener.pass(7 * MINUTE, &mut home);
    listener.join(&mut home);
    listener.pass(2 * MINUTE, &mut home);
    assert_eq!(listener.told(), "");
    listener.pass(2 * MINUTE, &mut home);
    assert_eq!(listener.told(), OPEN);
}

#[test]
fn what_lasts_follows_its_tracker() {
    let (mut home, mut listener) = joined(vec![open_door()]);
    set(&mut home, &mut listener, DOOR, "on");
    // Another length counts from when it began.
    let shorter = watch(
        1,
        &[],
        &["binary_sensor.*door"],
        json!({ "to": "on", "for": "5m" }),
    );
    listener.pass(MINUTE, &mut home);
    listener.with(|session, now| session.watched(&[shorter], now));
    listener.talk(&mut home);
    listener.pass(5 * MINUTE, &mut home);
    expect![[r#"
        state_changed: Back door has been open for 5m | closed → open [tracker tracker-1]
    "#]]
    .assert_eq(&listener.told());
    // Without its tracker nothing is told.
    set(&mut home, &mut listener, DOOR, "off");
    set(&mut home, &mut listener, DOOR, "on");
    listener.with(|session, now| session.watched(&[], now));
    listener.talk(&mut home);
    listener.pass(60 * MINUTE, &mut home);
    assert_eq!(listener.told(), "");
    assert_eq!(listener.cursors.keys().collect::<Vec<_>>(), ["connection"]);
}

#[test]
fn to_leave_a_state_for_long_may_lead_anywhere() {
    let away = watch(
        1,
        &[],
        &["person.*"],
        json!({ "from": "home", "for": "30m" }),
    );
    let (mut home, mut listener) = joined(vec![away]);
    set(&mut home, &mut listener, "person.ida", "not_home");
    listener.pass(20 * MINUTE, &mut home);
    set(&mut home, &mut listener, "person.ida", "work");
    listener.pass(11 * MINUTE, &mut home);
    expect![[r#"
        state_changed: Ida has been work for 30m | home → work [tracker tracker-1]
    "#]]
    .assert_eq(&listener.told());
}

#[test]
fn what_was_not_listened_to_is_counted_and_the_states_are_compared() {
    let (mut home, mut listener) = joined(vec![everything()]);
    home.set("light.lamp", "off", &json!({}));
    home.set(DOOR, "on", &json!({}));
    listener.with(|session, now| session.missed(7, now));
    listener.talk(&mut home);
    expect![[r#"
        state_changed: Back door is now open | closed → open / Noticed afterwards [while_away true] [left_out 7]
        state_changed: Lamp is now off | on → off (attic) / Noticed afterwards [while_away true]
    "#]]
    .assert_eq(&listener.told());
}

#[test]
fn a_flood_waits_within_bounds() {
    let (mut home, mut listener) = joined(vec![everything()]);
    listener.at_once = false;
    for n in 0..1_500 {
        let event = home.set("sensor.cellar", &n.to_string(), &json!({}));
        happens(&mut home, &mut listener, &event);
    }
    while listener.open.is_some() {
        listener.settle();
        listener.talk(&mut home);
    }
    let notices = std::mem::take(&mut listener.notices);
    assert!(
        notices.len() <= super::super::house::WAITING_MAX + 2,
        "{}",
        notices.len()
    );
    let left_out: usize = notices
        .iter()
        .filter_map(|notice| notice.labels.get("left_out")?.parse::<usize>().ok())
        .sum();
    let seen = notices.len() - 1;
    assert_eq!(seen + left_out, 1_500);
    let last = notices.last().unwrap();
    assert_eq!(last.after["state"], "1499");
    assert!(last.labels.contains_key("while_away"));
    // Nothing is left that would be told again.
    listener.at_once = true;
    listener.disconnect();
    listener.join(&mut home);
    assert_eq!(listener.told(), "");
}

#[test]
fn five_thousand_entities_stay_small() {
    let mut home = Home::new();
    for n in 0..5_000 {
        home.set(
            &format!("sensor.of_a_room_with_a_name_{n}"),
            "21.5",
            &json!({}),
        );
    }
    let mut listener = Listener::new(vec![everything()]);
    listener.join(&mut home);
    let sizes = listener.cursors.values().map(|bytes| bytes.len());
    let (largest, all) = (sizes.clone().max().unwrap(), sizes.sum::<usize>());
    assert!(largest < 4_096, "{largest}");
    assert!(all < 512 * 1_024, "{all}");
    listener.written = 0;
    set(
        &mut home,
        &mut listener,
        "sensor.of_a_room_with_a_name_77",
        "22",
    );
    assert_eq!(listener.written, 1);
}

#[test]
fn bytes_that_are_no_cursor_are_a_first_look() {
    for bytes in [&b""[..], &[1, 255, 255], &[9, 0]] {
        let mut listener = Listener::new(vec![everything()]);
        for key in ["entities/000", "connection"] {
            listener.cursors.insert(key.into(), bytes.into());
        }
        let mut home = Home::new();
        listener.join(&mut home);
        assert_eq!(listener.told(), "");
    }
}

/// Conversations with a real one, when they lie beside the project.
#[test]
fn recorded_conversations_are_understood() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = root
        .ancestors()
        .map(|folder| folder.join("shared/payloads/homeassistant"));
    let own = root.join("fixtures/providers/home_assistant");
    for folder in folders.chain([own]) {
        for name in [
            "toggle-and-automation",
            "coalesced-messages",
            "get-states-config",
        ] {
            let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) else {
                continue;
            };
            let told = replayed(&text);
            match name {
                "toggle-and-automation" => {
                    assert!(
                        told.iter().any(|kind| kind == "automation_triggered"),
                        "{told:?}"
                    );
                    assert!(told.iter().any(|kind| kind == "state_changed"), "{told:?}");
                    assert!(told.iter().any(|kind| kind == "event_fired"), "{told:?}");
                }
                "coalesced-messages" => assert_eq!(told.len(), 6, "{told:?}"),
                _states => assert!(told.is_empty(), "{told:?}"),
            }
        }
    }
}

/// Events and states of a recording as they would come over our own subscriptions.
fn replayed(text: &str) -> Vec<String> {
    let (mut home, mut listener) = joined(vec![watch(1, &[], &[], json!({}))]);
    for line in text.lines() {
        let recorded: Value = serde_json::from_str(line).expect("JSON");
        if recorded["dir"] != "server" {
            continue;
        }
        let said: Value = serde_json::from_str(recorded["text"].as_str().unwrap()).expect("JSON");
        let messages = said.as_array().cloned().unwrap_or_else(|| vec![said]);
        let mut frame = Vec::new();
        for message in messages {
            if message["type"] == "event" && message["event"]["event_type"].is_string() {
                frame.extend(home.told(&message["event"]));
            }
            for state in message["result"].as_array().into_iter().flatten() {
                let read = serde_json::from_value::<super::wire::StateOf>(state.clone());
                assert!(read.unwrap().moment(false).is_some());
            }
        }
        listener.hear(&Value::Array(frame));
        listener.talk(&mut home);
    }
    listener
        .notices
        .iter()
        .map(|notice| notice.kind.clone())
        .collect()
}
