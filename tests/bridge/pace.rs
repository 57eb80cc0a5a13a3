//! Pace, seen by the places that are told.

use std::time::Duration;

use notify_bridge::shell::clock::Clock;
use notify_bridge::shell::views::{self, Around};

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram};

/// What the API says of a notice's only delivery.
fn shown(bridge: &TestBridge, notice: u64) -> serde_json::Value {
    let family = bridge.family(notice);
    let ledger = &bridge.app.ledger;
    let around = Around::of(ledger.reader(), ledger, &family).expect("around it");
    views::notice(&family, &around)
}

#[tokio::test]
async fn a_chat_is_told_once_a_second_and_what_waits_says_until_when() {
    let place = Place::telegram().await;
    let file = forge_to_telegram(&place)
        .replace("pace = \"off\"\n", "")
        .replace("-1001234567890", "1234");
    let bridge = TestBridge::start(&file).await;
    for n in 0..4 {
        bridge.push(&n.to_string(), &format!("push {n}")).await;
    }
    bridge
        .until("the first is sent", |state| {
            state.outbox.deliveries.len() == 3
        })
        .await;
    assert_eq!(place.received().len(), 1);
    let last = shown(&bridge, bridge.newest());
    let delivery = &last["deliveries"][0];
    assert_eq!(delivery["status"], "due");
    assert_eq!(delivery["reason"]["what"], "held_pacing");
    let detail = delivery["reason"]["detail"].as_str().expect("a detail");
    assert!(detail.contains("the pace of 1/s"), "{detail}");
    let sent = bridge.clock.now();
    let expected = views::moment(sent + 3_000_000);
    assert_eq!(delivery["due_at"], expected.as_str());
    let reasons = last["reasons"].as_array().expect("reasons");
    assert_eq!(reasons.last().expect("one")["what"], "held_pacing");
    for open in (0..3).rev() {
        bridge.clock.advance(Duration::from_millis(999));
        assert_eq!(place.received().len(), 3 - open, "never sooner");
        bridge.clock.advance(Duration::from_millis(1));
        bridge
            .until("one more is sent", |state| {
                state.outbox.deliveries.len() == open
            })
            .await;
    }
    let last = shown(&bridge, bridge.newest());
    assert!(last["deliveries"][0].get("reason").is_none(), "{last}");
    assert_eq!(place.received().len(), 4);
}

#[tokio::test]
async fn discord_is_left_alone_for_as_long_as_its_headers_say() {
    let place = Place::usually(Scripted::new(200, r#"{"id":"11"}"#)).await;
    place.script([Scripted::new(200, r#"{"id":"10"}"#)
        .header("x-ratelimit-limit", "5")
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset-after", "7.5")]);
    let file = forge_to_telegram(&place)
        .replace("kind = \"telegram\"", "kind = \"discord\"")
        .replace(
            "token = \"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\"",
            &format!("url = \"{}/api/webhooks/1/word\"", place.address),
        )
        .replace(&format!("api_base = \"{}\"\n", place.address), "")
        .replace(
            "receivers = [ { name = \"team\", to = \"-1001234567890\" } ]",
            "",
        );
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "first").await;
    bridge.settled().await;
    bridge.push("2", "second").await;
    bridge.clock.advance(Duration::from_millis(7_499));
    assert_eq!(place.received().len(), 1);
    bridge.clock.advance(Duration::from_millis(1));
    bridge.settled().await;
    assert_eq!(place.received().len(), 2);
    let paused = bridge.state(|state| state.outbox.pauses.len());
    assert_eq!(paused, 0, "a rest that is over is forgotten");
}
