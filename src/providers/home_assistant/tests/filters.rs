//! Which trackers a change is for: what is made for them, and what they make of it.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::fake::watch;
use super::{happens, joined};
use crate::providers::Provider;
use crate::providers::home_assistant::HomeAssistant;

/// What is wrong with options.
fn faults(options: &Value) -> String {
    let options = options.as_object().cloned().unwrap_or_default();
    let faults = HomeAssistant.check_options(&options);
    faults
        .iter()
        .map(|(option, why)| format!("{option}: {why}\n"))
        .collect()
}

#[test]
fn options_that_are_wrong_are_said_at_once() {
    expect![[r#"
        domain: `lihgt` is no domain that Home Assistant comes with; did you mean `light`?; write one of your own as a pattern, with `*`
        domain: `light.lamp` is no domain: that is what stands before the dot, like `light`
        area: `[` is no pattern
        from: has to be text in quotes
        for: `soon`: write a duration like `10s`, `5m`, `1h30m` or `7d`
        attribute: may hold what opens something and is not told
        atribute: is not a known option; did you mean `attribute`?
    "#]]
    .assert_eq(&faults(&json!({
        "domain": ["lihgt", "light.lamp", "lights*", "!my_own_domain"],
        "area": "[", "from": 7, "to": ["on", "!off"], "for": "soon",
        "attribute": "access_token", "atribute": 1,
    })));
    expect![[r#"
        for: has to lie between 1s and 30d
    "#]]
    .assert_eq(&faults(&json!({ "for": "31d" })));
}

/// Changes of which some are wanted, told by their titles; each tracker is asked alone, and then all
/// together, which has to come to the same.
#[test]
fn each_tracker_gets_its_own() {
    let cases: &[(&[&str], &[&str], Value, Expect)] = &[
        (
            &[],
            &["light.*"],
            json!({}),
            expect!["Lamp is now off, Lamp is now on, light.turn_on was called for light.lamp"],
        ),
        (
            &[],
            &["Back door"],
            json!({}),
            expect!["Back door is now open"],
        ),
        (
            &[],
            &["!light.*", "!sensor.*"],
            json!({ "domain": "binary_sensor" }),
            expect!["Back door is now open, Sink is now wet"],
        ),
        (
            &["state_changed"],
            &[],
            json!({ "domain": ["light", "sensor"] }),
            expect!["Lamp is now off, Lamp is now on, Cellar is now 30 °C"],
        ),
        (
            &["state_changed"],
            &[],
            json!({ "area": "Kitchen" }),
            expect!["Sink is now wet"],
        ),
        (
            &[],
            &[],
            json!({ "area": ["kit*", "attic"] }),
            expect![
                "Sink is now wet, Lamp is now off, Lamp is now on, light.turn_on was called for light.lamp"
            ],
        ),
        (
            &[],
            &[],
            json!({ "to": "on" }),
            expect!["Back door is now open, Sink is now wet, Lamp is now on"],
        ),
        (
            &[],
            &[],
            json!({ "from": "on" }),
            expect!["Lamp is now off"],
        ),
        (
            &[],
            &[],
            json!({ "to": ["!on", "!off"] }),
            expect!["Cellar is now 30 °C"],
        ),
        (
            &[],
            &[],
            json!({ "from": "o*", "to": "of?" }),
            expect!["Lamp is now off"],
        ),
        (
            &[],
            &["light.lamp"],
            json!({ "attribute": "brightness" }),
            expect!["Lamp: brightness is now 90"],
        ),
        (
            &[],
            &[],
            json!({ "attribute": "brightness", "from": "40" }),
            expect!["Lamp: brightness is now 90"],
        ),
        (
            &[],
            &[],
            json!({ "attribute": "brightness", "to": "41" }),
            expect![""],
        ),
        (
            &["automation_*"],
            &[],
            json!({}),
            expect!["Automation Dusk ran"],
        ),
        (
            &[],
            &["automation.*"],
            json!({}),
            expect!["Automation Dusk ran"],
        ),
        (
            &["service_called"],
            &["light.*"],
            json!({}),
            expect!["light.turn_on was called for light.lamp"],
        ),
        (
            &["event_fired"],
            &["rang"],
            json!({}),
            expect!["Event rang"],
        ),
        (
            &["event_fired"],
            &["rang"],
            json!({ "domain": "light" }),
            expect![""],
        ),
        (&["connection_*"], &[], json!({}), expect![""]),
        (
            &["!state_changed", "!event_*"],
            &[],
            json!({}),
            expect!["Automation Dusk ran, light.turn_on was called for light.lamp"],
        ),
        (
            &[],
            &["binary_sensor.*"],
            json!({ "for": "1h" }),
            expect![""],
        ),
    ];
    let watches: Vec<_> = cases
        .iter()
        .zip(1..)
        .map(|((kinds, collections, options, _), n)| watch(n, kinds, collections, options.clone()))
        .collect();
    let (mut home, mut all) = joined(watches.clone());
    story(&mut home, &mut all);
    for (watch, (.., expected)) in watches.iter().zip(cases) {
        let (mut home, mut alone) = joined(vec![watch.clone()]);
        story(&mut home, &mut alone);
        let for_it = |notices: &[crate::domain::notice::NoticeDraft]| -> Vec<String> {
            let kinds = crate::domain::routing::Patterns::of(&watch.kinds);
            let collections = crate::domain::routing::Patterns::of(&watch.collections);
            let notices = notices.iter().filter(|notice| {
                let place = notice.collection.as_ref().expect("a collection");
                kinds.want(&[&notice.kind])
                    && collections.want(&[&place.name, &place.id])
                    && HomeAssistant
                        .shape(&watch.name, &watch.options, notice)
                        .is_ok()
            });
            notices.map(|notice| notice.title.clone()).collect()
        };
        let told = for_it(&alone.notices);
        let titles: Vec<&str> = alone.notices.iter().map(|notice| &*notice.title).collect();
        assert_eq!(told, titles, "nothing is made that nobody wants: {watch:?}");
        assert_eq!(told, for_it(&all.notices), "{watch:?}");
        expected.assert_eq(&told.join(", "));
    }
}

fn story(home: &mut super::Home, listener: &mut super::Listener) {
    let events = [
        home.set("binary_sensor.back_door", "on", &json!({})),
        home.set("binary_sensor.sink", "on", &json!({})),
        home.set("light.lamp", "off", &json!({})),
        home.set("light.lamp", "on", &json!({ "brightness": 90 })),
        home.set("sensor.cellar", "30", &json!({})),
        home.fire("automation_triggered", &json!({ "name": "Dusk", "entity_id": "automation.dusk" })),
        home.fire(
            "call_service",
            &json!({ "domain": "light", "service": "turn_on", "service_data": { "entity_id": "light.lamp" } }),
        ),
        home.fire("rang", &json!({})),
    ];
    for event in &events {
        happens(home, listener, event);
    }
}

#[test]
fn what_lasted_is_for_the_tracker_that_waited() {
    let one = watch(1, &[], &["*door"], json!({ "to": "on", "for": "1m" }));
    let other = watch(2, &[], &["*door"], json!({ "to": "on" }));
    let (mut home, mut listener) = joined(vec![one.clone(), other.clone()]);
    let event = home.set("binary_sensor.back_door", "on", &json!({}));
    happens(&mut home, &mut listener, &event);
    listener.pass(2 * super::MINUTE, &mut home);
    let shape = |watch: &crate::providers::ask::Watch| -> Vec<String> {
        let shaped = listener.notices.iter().map(|notice| {
            match HomeAssistant.shape(&watch.name, &watch.options, notice) {
                Ok(_) => notice.title.clone(),
                Err(why) => why,
            }
        });
        shaped.collect()
    };
    assert_eq!(
        shape(&one),
        [
            "is told when it has been so for 1m",
            "Back door has been open for 1m"
        ]
    );
    assert_eq!(
        shape(&other),
        ["Back door is now open", "was made for tracker tracker-1"]
    );
}
