//! Groups, storms, what inhibits, snoozes and acknowledgements, in the whole program.

use notify_bridge::domain::event::Role;
use notify_bridge::domain::reason::What;

use crate::harness::{NOON, Place, TestBridge};
use crate::pages::visit;

/// Alerts that open and close, a power supply, and one chat.
fn alerts(place: &Place, receiver: &str, tracker: &str) -> String {
    format!(
        r#"
[settings]
timezone = "Europe/Lisbon"

[[provider]]
name = "alerts"
kind = "webhook"
verify = "none"

[provider.map]
kind = "'received'"
title = "body.title"
subject = "body.subject"
transition = "body.transition"
severity = "body.severity"
collection = "body.host"

[[provider]]
name = "power"
kind = "webhook"
verify = "none"

[provider.map]
kind = "'received'"
title = "'power'"
subject = "'ups'"
transition = "body.transition"

[[target]]
name = "ops"
kind = "telegram"
pace = "off"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
api_base = "{}"
allow_private = true
receivers = [ {{ name = "team", to = "-1001234567890" {receiver} }} ]

[[tracker]]
name = "alerting"
provider = "alerts"
links = [ {{ target = "ops" }} ]
{tracker}
"#,
        place.address
    )
}

const GROUPED: &str =
    r#"group = { by = "notice.collection", wait = "30s", interval = "5m", repeat = "4h" }"#;

impl TestBridge {
    async fn alert(&self, subject: &str, transition: &str, severity: &str) {
        let body = serde_json::json!({
            "title": format!("{subject} {transition}"),
            "subject": subject,
            "transition": transition,
            "severity": severity,
            "host": "nest",
        });
        self.hook("alerts", body).await;
    }

    async fn hook(&self, provider: &str, body: serde_json::Value) {
        let headers = [("content-type", "application/json")];
        let path = format!("/hooks/{provider}");
        let (status, answer) = self
            .post(&path, &headers, body.to_string().as_bytes())
            .await;
        assert_eq!(status, 202, "{answer}");
    }

    /// The words of the newest notice's reasons.
    fn reasons(&self) -> Vec<What> {
        let family = self.family(self.newest());
        family.reasons.iter().map(|reason| reason.what).collect()
    }
}

#[tokio::test]
async fn a_group_is_told_again_after_a_restart_until_somebody_knows() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&alerts(&place, "", GROUPED)).await;
    bridge.alert("disk", "opens", "warning").await;
    let first = bridge.newest();
    bridge.alert("fan", "opens", "warning").await;
    assert_eq!(place.received().len(), 0, "it waits for others");
    bridge.advance(30);
    bridge.settled().await;
    assert_eq!(place.received().len(), 1, "one message for both");
    let bridge = bridge.restart().await;
    bridge.advance(4 * 3_600);
    place.has_received(2).await;
    bridge.settled().await;
    let fan = first + 1;
    let told: Vec<What> = bridge
        .family(fan)
        .reasons
        .iter()
        .map(|reason| reason.what)
        .collect();
    assert!(told.contains(&What::Repeated), "{told:?}");

    // Somebody knows of both, from their pages.
    let editor = visit(&bridge, Role::Editor).await;
    for notice in [first, fan] {
        let page = format!("/notices/{}", bridge.family(notice).notice.id);
        let (_, before) = bridge.page(&editor, &page).await;
        assert!(before.contains("told again"), "{before}");
        let form = format!("csrf={}", editor.csrf);
        let ack = format!("{page}/ack");
        let (status, location) = bridge.send_form(&editor, &ack, "same-origin", &form).await;
        assert_eq!((status, location.as_str()), (303, page.as_str()));
        let (_, after) = bridge.page(&editor, &page).await;
        assert!(after.contains("Acknowledged: it is not told again."));
        assert!(!after.contains(">Acknowledge<"), "no second time");
    }
    let (asleep, left) =
        bridge.state(|state| (state.groups.next_repeat(), state.outbox.deliveries.len()));
    assert_eq!((asleep, left), (None, 0));
    bridge.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_repeats_nothing_early() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&alerts(&place, "", GROUPED)).await;
    bridge.alert("disk", "opens", "warning").await;
    bridge.advance(30);
    bridge.settled().await;
    let due = bridge.state(|state| state.groups.next_repeat()).unwrap();
    let day = 24 * 3_600 * 1_000_000;
    bridge.clock.step_wall(NOON + 30 * 1_000_000 + day);
    bridge.advance(10);
    bridge
        .until("the step is known", |state| state.clock_steps == 1)
        .await;
    let moved = bridge.state(|state| state.groups.next_repeat()).unwrap();
    assert_eq!(moved, due + day, "the time between repeats is a span");
    bridge.advance(4 * 3_600);
    place.has_received(2).await;
    bridge.settled().await;
    bridge.stop().await;
}

#[tokio::test]
async fn a_storm_becomes_one_summary_that_survives_a_restart() {
    let place = Place::telegram().await;
    let storm = r#", storm = "3/1m""#;
    let bridge = TestBridge::start(&alerts(&place, storm, "")).await;
    for n in 0..12 {
        bridge.alert(&format!("a{n}"), "none", "info").await;
    }
    place.has_received(3).await;
    bridge.alert("fire", "none", "critical").await;
    place.has_received(4).await;
    bridge
        .until("only the summary is left", |state| {
            state.outbox.deliveries.len() == 1
        })
        .await;
    let bridge = bridge.restart().await;
    bridge.advance(60);
    bridge.settled().await;
    let received = place.received();
    assert_eq!(received.len(), 5);
    let summary = received[4].json()["text"].to_string();
    assert!(summary.contains('9'), "it counts what it tells: {summary}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_tracker_is_silent_while_the_power_is_gone() {
    let place = Place::telegram().await;
    let inhibit = r#"inhibit = [ { when = { provider = "power", kind = "received" }, except = "critical" } ]"#;
    let bridge = TestBridge::start(&alerts(&place, "", inhibit)).await;
    let power = |transition: &str| serde_json::json!({"transition": transition});
    bridge.hook("power", power("opens")).await;
    let bridge = bridge.restart().await;
    bridge.alert("disk", "none", "warning").await;
    assert_eq!(bridge.reasons(), [What::Inhibited]);
    let reader = visit(&bridge, Role::Viewer).await;
    let page = format!("/notices/{}", bridge.family(bridge.newest()).notice.id);
    let (_, card) = bridge.page(&reader, &page).await;
    assert!(card.contains("is silent while something else is open"));
    assert!(
        card.contains("received of power since 2026-11-24T12:00:00Z"),
        "{card}"
    );
    bridge.alert("fire", "none", "critical").await;
    place.has_received(1).await;
    bridge.hook("power", power("closes")).await;
    bridge.alert("disk", "none", "warning").await;
    place.has_received(2).await;
    bridge.settled().await;
    bridge.stop().await;
}

#[tokio::test]
async fn a_target_is_snoozed_on_its_page_until_tomorrow_morning() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&alerts(&place, "", "")).await;
    let owner = visit(&bridge, Role::Owner).await;
    let (_, empty) = bridge.page(&owner, "/snoozes").await;
    assert!(empty.contains("Nothing is muted"));
    let (_, target) = bridge.page(&owner, "/targets/ops").await;
    assert!(target.contains("Until tomorrow, 8:00"));
    let form = format!(
        "csrf={}&scope=target&name=ops&back=%2Ftargets%2Fops&for=tomorrow",
        owner.csrf
    );
    let (status, location) = bridge
        .send_form(&owner, "/snoozes", "same-origin", &form)
        .await;
    assert_eq!((status, location.as_str()), (303, "/targets/ops"));
    let bridge = bridge.restart().await;
    for path in ["/targets/ops", "/snoozes"] {
        let (_, page) = bridge.page(&owner, path).await;
        assert!(page.contains("25 Nov 2026 08:00 Lisbon"), "{page}");
    }
    let (_, overview) = bridge.page(&owner, "/").await;
    assert!(overview.contains("1 snooze is on"), "{overview}");
    bridge.alert("disk", "none", "warning").await;
    bridge.settled().await;
    assert!(bridge.reasons().contains(&What::Snoozed));
    let notice = bridge.family(bridge.newest()).notice.id;
    let (_, card) = bridge.page(&owner, &format!("/notices/{notice}")).await;
    assert!(
        card.contains("target ops is snoozed by user owner"),
        "{card}"
    );
    bridge.alert("fire", "none", "critical").await;
    place.has_received(1).await;
    bridge.settled().await;
    // It ends by itself.
    bridge.advance(20 * 3_600);
    bridge.alert("disk", "none", "warning").await;
    place.has_received(2).await;
    bridge.settled().await;
    let (_, over) = bridge.page(&owner, "/snoozes").await;
    assert!(over.contains("Nothing is muted"));
    bridge.stop().await;
}

#[tokio::test]
async fn a_snooze_is_made_from_a_notice_and_ended_from_the_list() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&alerts(&place, "", "")).await;
    let (editor, viewer) = (
        visit(&bridge, Role::Editor).await,
        visit(&bridge, Role::Viewer).await,
    );
    bridge.alert("disk", "opens", "warning").await;
    bridge.settled().await;
    let page = format!("/notices/{}", bridge.family(bridge.newest()).notice.id);
    let (_, card) = bridge.page(&editor, &page).await;
    assert!(card.contains("Snooze this subject") && card.contains("Snooze its collection"));
    let (_, shown) = bridge.page(&viewer, &page).await;
    assert!(!shown.contains("Snooze this subject"), "not for a viewer");
    let mute = |csrf: &str| {
        format!("csrf={csrf}&scope=subject&name=disk&provider=alerts&for=8h&back={page}")
    };
    for (who, expected) in [(&viewer, 403), (&editor, 303)] {
        let form = mute(&who.csrf);
        let sent = bridge
            .send_form(who, "/snoozes", "same-origin", &form)
            .await;
        assert_eq!(sent.0, expected);
    }
    bridge.alert("disk", "updates", "critical").await;
    assert_eq!(bridge.reasons(), [What::Snoozed]);
    let (_, list) = bridge.page(&editor, "/snoozes").await;
    assert!(list.contains("/snoozes/1/end") && list.contains("alerts"));
    let form = format!("csrf={}", editor.csrf);
    let end = bridge.send_form(&editor, "/snoozes/1/end", "same-origin", &form);
    assert_eq!(end.await, (303, "/snoozes".to_owned()));
    bridge.alert("disk", "updates", "warning").await;
    place.has_received(2).await;
    bridge.settled().await;
    bridge.stop().await;
}
