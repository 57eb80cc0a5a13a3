//! Time: what is held, what it gathers, and how it is told at last.

use std::time::Duration;

use notify_bridge::shell::clock::Clock as _;

use notify_bridge::domain::hold::UNTIL_RELEASED;
use notify_bridge::projections::outbox::Status;

use crate::harness::{NOON, Place, Scripted, TestBridge, forge_to_telegram, forge_to_webhook};

/// The same file with these keys on its link.
pub fn on_the_link(file: &str, keys: &str) -> String {
    let link = file.rfind(" } ]").expect("a link");
    format!("{}, {keys}{}", &file[..link], &file[link..])
}

pub const HELD_TO_ONE: &str =
    r#"quiet = [ { from = "11:00", to = "13:00", zone = "UTC", mode = "hold" } ]"#;

#[tokio::test]
async fn a_window_holds_over_a_restart_and_one_message_tells_all_at_its_end() {
    let place = Place::telegram().await;
    let file = on_the_link(&forge_to_telegram(&place), HELD_TO_ONE);
    let bridge = TestBridge::start(&file).await;
    for (delivery, subject) in [
        ("1", "glaze the kiln"),
        ("2", "<b>fire</b> it"),
        ("3", "cool it"),
    ] {
        assert_eq!(bridge.push(delivery, subject).await.0, 202);
    }
    let key = bridge.only_delivery();
    let until = bridge.state(|state| state.outbox.deliveries[&key].hold.as_deref().copied());
    let hour = 3_600_000_000;
    assert_eq!(until.map(|hold| hold.until), Some(NOON + hour));
    let bridge = bridge.restart().await;
    bridge.advance(3_599);
    assert_eq!(bridge.state(|state| state.outbox.count(Status::Held)), 1);
    assert!(place.received().is_empty());
    bridge.advance(1);
    let calls = place.has_received(1).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
    let text = calls[0].json()["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for said in [
        "3 notices",
        "glaze the kiln",
        "&lt;b&gt;fire&lt;/b&gt; it",
        "cool it",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn a_silent_window_makes_no_sound_and_what_pierces_does() {
    let place = Place::telegram().await;
    let quiet = r#"quiet = [ { from = "11:00", to = "13:00", zone = "UTC", mode = "silent" } ]"#;
    let bridge = TestBridge::start(&on_the_link(&forge_to_telegram(&place), quiet)).await;
    bridge.push("1", "hush").await;
    let calls = place.has_received(1).await;
    assert_eq!(calls[0].json()["disable_notification"], true);
    let critical = format!(
        "{}\nseverity = {{ push = \"critical\" }}\n",
        on_the_link(&forge_to_telegram(&place), quiet)
    );
    bridge.apply(&critical).await;
    bridge.push("2", "fire").await;
    let calls = place.has_received(2).await;
    assert_ne!(calls[1].json()["disable_notification"], true);
    let text = calls[1].json()["text"].to_string();
    assert!(text.contains('🔴'), "as its tracker sees it: {text}");
}

#[tokio::test]
async fn three_hundred_notices_make_a_handful_of_digests() {
    let place = Place::usually(Scripted::new(200, "")).await;
    let digest = r#"digest = { every = "1h", max = 40 }"#;
    let file = on_the_link(&forge_to_webhook(&place, ""), digest);
    let mut bridge = TestBridge::start(&file).await;
    for n in 0..300 {
        let subject = format!("number {n}.");
        assert_eq!(bridge.push(&n.to_string(), &subject).await.0, 202);
        if n % 100 == 99 {
            bridge = bridge.restart().await;
            bridge.advance(3_600);
        }
    }
    bridge.settled().await;
    let calls = place.received();
    assert_eq!(calls.len(), 3);
    let (mut listed, mut counted) = (0, 0);
    for call in &calls {
        let body = call.json();
        assert_eq!(body["type"], "digest");
        listed += body["data"]["notices"].as_array().map_or(0, Vec::len);
        let title = body["data"]["title"].as_str().unwrap_or_default();
        let count: u32 = title
            .split(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .expect(title);
        counted += count;
        let text = body["data"]["text"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("and {} more", count - 40)), "{text}");
    }
    assert_eq!((listed, counted), (120, 300), "none is uncounted");
}

#[tokio::test]
async fn a_clock_that_jumps_sends_nothing_early_and_loses_nothing() {
    let place = Place::telegram().await;
    let file = on_the_link(&forge_to_telegram(&place), HELD_TO_ONE);
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "wait for it").await;
    for day in [1, -1] {
        let now = bridge.clock.now();
        bridge.clock.step_wall(now + day * 86_400_000_000);
        // The step is looked at before anything is released.
        bridge.advance(20);
        bridge
            .until("it is planned for the window it is in", |state| {
                let hold = state
                    .outbox
                    .deliveries
                    .values()
                    .find_map(|d| d.hold.as_deref());
                let until = hold.map_or(UNTIL_RELEASED, |hold| hold.until);
                until > now + day * 86_400_000_000 && until < now + (day + 1) * 86_400_000_000
            })
            .await;
        assert!(place.received().is_empty());
    }
    bridge.clock.advance(Duration::from_secs(3_600));
    place.has_received(1).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}
