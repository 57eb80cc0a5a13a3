//! Health from outside: what a dead target means to the living, and what the bridge says of it.

use notify_bridge::domain::command::Command;
use notify_bridge::domain::spec::BRIDGE_PROVIDER;
use notify_bridge::domain::state::State;
use notify_bridge::projections::outbox::Status;

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram, forge_to_webhook};

/// `ops` at one place, `pager` at another, which hears of the bridge itself.
fn two_places(first: &Place, second: &Place, link: &str, expect: &str) -> String {
    let target = format!(
        r#"
[[target]]
name = "pager"
kind = "telegram"
token = "220201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
pace = "off"
api_base = "{}"
allow_private = true
receivers = [ {{ name = "me", to = "42" }} ]

[[tracker]]
name = "self"
provider = "bridge"
links = [ {{ target = "ops" }}, {{ target = "pager" }} ]
"#,
        second.address
    );
    forge_to_telegram(first)
        .replace(
            "links = [ { target = \"ops\" } ]",
            &format!("links = [ {{ target = \"ops\"{link} }} ]"),
        )
        .replace("kind = \"gitea\"", &format!("kind = \"gitea\"{expect}"))
        + &target
}

fn down() -> Scripted {
    Scripted::new(502, "bad gateway")
}

fn open_to(state: &State, target: &str) -> usize {
    let id = state
        .configuration
        .target(target)
        .expect("a target")
        .entity
        .id;
    let all = state.outbox.deliveries.values();
    all.filter(|delivery| delivery.target == id).count()
}

/// Lets time pass until the condition holds.
pub async fn in_time(bridge: &TestBridge, what: &str, condition: impl Fn(&State) -> bool) {
    let mut committed = bridge.app.ledger.committed();
    for _ in 0..3_000 {
        committed.borrow_and_update();
        if bridge.state(&condition) {
            return;
        }
        bridge.advance(1);
        // Either something came of it, or it was not yet time.
        let _either =
            tokio::time::timeout(std::time::Duration::from_millis(50), committed.changed()).await;
    }
    panic!("waited in vain until {what}");
}

#[tokio::test]
async fn a_target_that_fails_is_told_at_another_and_so_is_its_end() {
    let (dead, pager) = (Place::telegram().await, Place::telegram().await);
    dead.script((0..7).map(|_| down()));
    let bridge = TestBridge::start(&two_places(&dead, &pager, "", "")).await;
    for n in 0..3 {
        bridge.push(&n.to_string(), &format!("number {n}")).await;
    }
    in_time(&bridge, "the breaker is open", |state| {
        let id = state
            .configuration
            .target("ops")
            .expect("a target")
            .entity
            .id;
        state.outbox.breaker_is_open(id)
    })
    .await;
    let told = pager.has_received(1).await[0].json()["text"].to_string();
    assert!(told.contains("Target ops is failing"), "{told}");
    let health = bridge.state(|state| {
        let id = state
            .configuration
            .target("ops")
            .expect("a target")
            .entity
            .id;
        notify_bridge::shell::views::target_health(state, id)
    });
    assert_eq!(health["breaker"], "open");
    // What waits survives a restart, and so does the breaker.
    let bridge = bridge.restart().await;
    in_time(&bridge, "everything is sent", |state| {
        state.outbox.deliveries.is_empty()
    })
    .await;
    let told = pager.has_received(2).await[1].json()["text"].to_string();
    assert!(told.contains("Target ops works again"), "{told}");
    let own = |state: &State| {
        state
            .counts
            .days
            .keys()
            .any(|(provider, _)| *provider == BRIDGE_PROVIDER)
    };
    assert!(bridge.state(own));
    assert!(
        !dead
            .received()
            .iter()
            .any(|call| String::from_utf8_lossy(&call.body).contains("is failing")),
        "never to the target it is about"
    );
}

#[tokio::test]
async fn what_is_refused_or_late_goes_to_the_fallback() {
    let (first, second) = (Place::telegram().await, Place::telegram().await);
    first.script([Scripted::new(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: message is too heavy"}"#,
    )]);
    let link = ", fallback = \"pager\", fallback_after = \"10m\"";
    let bridge = TestBridge::start(&two_places(&first, &second, link, "")).await;
    bridge.push("1", "heavy").await;
    let told = second.has_received(1).await[0].json()["text"].to_string();
    assert!(told.contains("heavy"), "{told}");
    bridge
        .until("it is parked and told", |state| {
            open_to(state, "pager") == 0
        })
        .await;
    let family = bridge.family(bridge.newest());
    let statuses: Vec<_> = family
        .deliveries
        .iter()
        .map(|view| (view.link.target_name.as_str(), view.status))
        .collect();
    assert_eq!(statuses, [("ops", Status::Parked), ("pager", Status::Sent)]);
    let reasons: Vec<_> = family
        .reasons
        .iter()
        .map(|reason| reason.what.as_str())
        .collect();
    assert_eq!(
        reasons.iter().filter(|what| **what == "fell_back").count(),
        1,
        "{reasons:?}"
    );
    // Late: its moment comes although the program was not there.
    first.script((0..100).map(|_| down()));
    bridge.push("2", "late").await;
    bridge
        .until("it is tried", |state| {
            state
                .outbox
                .deliveries
                .values()
                .any(|one| one.status == Status::Retrying)
        })
        .await;
    let bridge = bridge.restart().await;
    bridge.advance(601);
    let calls = second.has_received(2).await;
    assert!(
        calls
            .iter()
            .any(|call| call.json()["text"].to_string().contains("late"))
    );
}

#[tokio::test]
async fn a_silent_provider_is_told_of_and_heard_again() {
    let (first, second) = (Place::telegram().await, Place::telegram().await);
    let file = two_places(&first, &second, "", "\nexpect = \"26h\"");
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "first").await;
    first.has_received(1).await;
    let bridge = bridge.restart().await;
    bridge.advance(26 * 3_600 - 10);
    assert!(second.received().is_empty());
    bridge.advance(11);
    let told = second.has_received(1).await[0].json()["text"].to_string();
    assert!(told.contains("Provider forge is silent"), "{told}");
    bridge.push("2", "second").await;
    // No faster than the pace of a chat.
    bridge.advance(2);
    let told = second.has_received(2).await[1].json()["text"].to_string();
    assert!(told.contains("Provider forge is heard again"), "{told}");
}

#[tokio::test]
async fn only_the_newest_of_a_backlog_is_sent_where_the_link_says_so() {
    let (first, second) = (Place::telegram().await, Place::telegram().await);
    let link = ", catch_up = \"newest\"";
    let bridge = TestBridge::start(&two_places(&first, &second, link, "")).await;
    bridge.command(Command::Pause { by: "me".into() }).await;
    for n in 0..5 {
        bridge.push(&n.to_string(), &format!("number {n}")).await;
    }
    bridge.advance(1);
    bridge.command(Command::Resume { by: "me".into() }).await;
    bridge.settled().await;
    let calls = first.received();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].json()["text"].to_string().contains("number 4"));
}

#[tokio::test]
async fn a_dead_webhook_opens_its_breaker_and_a_refused_message_does_not() {
    for (status, opens) in [(500, true), (503, true), (404, false)] {
        let place = Place::usually(Scripted::new(status, "no")).await;
        let bridge = TestBridge::start(&forge_to_webhook(&place, "")).await;
        for n in 0..6 {
            bridge.push(&n.to_string(), &format!("number {n}")).await;
        }
        let is_open = |state: &State| {
            let target = state.configuration.target("hook").expect("a target");
            state.outbox.breaker_is_open(target.entity.id)
        };
        if opens {
            in_time(&bridge, "the breaker is open", is_open).await;
            continue;
        }
        bridge
            .until("all are parked", |state| state.outbox.parked.len() == 6)
            .await;
        assert!(!bridge.state(is_open), "{status}");
    }
}
