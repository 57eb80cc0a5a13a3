//! What is slow, full or dead delays itself alone, and a busy night is one message.

use notify_bridge::domain::notice::{NoticeDraft, Severity};
use notify_bridge::projections::outbox::Status;
use notify_bridge::wire;

use crate::gathered::album;
use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram, forge_to_webhook};
use crate::holds::{HELD_TO_ONE, on_the_link};

/// Largest state after a night of fifty thousand items, in bytes.
const NIGHT_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// A forge that a webhook hears of as well as a chat.
fn hook_and_chat(hook: &Place, chat: &Place) -> String {
    let both = "links = [ { target = \"hook\" }, { target = \"ops\" } ]";
    let file = forge_to_webhook(hook, "").replace("links = [ { target = \"hook\" } ]", both);
    let chat = forge_to_telegram(chat);
    let (from, to) = (chat.find("[[target]]"), chat.find("[[tracker]]"));
    file + &chat[from.expect("a target")..to.expect("a tracker")]
}

#[tokio::test]
async fn a_target_that_never_answers_delays_only_itself() {
    let (stuck, chat) = (Place::stuck().await, Place::telegram().await);
    let bridge = TestBridge::start(&hook_and_chat(&stuck, &chat)).await;
    for n in 0..100 {
        bridge.push(&n.to_string(), &format!("number {n}.")).await;
    }
    chat.has_received(100).await;
    stuck.has_received(1).await;
    bridge
        .until("only what is stuck is open", |state| {
            let stuck = state.configuration.target("hook").expect("a target");
            let mut open = state.outbox.deliveries.values();
            open.all(|delivery| delivery.target == stuck.entity.id)
        })
        .await;
    let waiting = bridge.state(|state| state.outbox.deliveries.len());
    assert_eq!(waiting, 100, "nothing of it is given up");
}

#[tokio::test]
async fn a_target_that_wants_a_minute_delays_only_itself() {
    let (busy, chat) = (
        Place::usually(Scripted::new(200, "")).await,
        Place::telegram().await,
    );
    busy.script([Scripted::new(429, "").header("retry-after", "60")]);
    let bridge = TestBridge::start(&hook_and_chat(&busy, &chat)).await;
    bridge.push("0", "number 0.").await;
    bridge
        .until("it was told to wait", |state| {
            state.outbox.count(Status::Retrying) == 1
        })
        .await;
    for n in 1..20 {
        bridge.push(&n.to_string(), &format!("number {n}.")).await;
    }
    chat.has_received(20).await;
    bridge.advance(59);
    bridge
        .until("the chat has heard all", |state| {
            state.outbox.deliveries.len() == 20
        })
        .await;
    assert_eq!(busy.received().len(), 1, "it is left alone");
    bridge.advance(3);
    bridge.settled().await;
    assert_eq!(busy.received().len(), 21);
}

/// Two chats of one bot: the first hears of pushes, the second of all else.
fn two_chats(place: &Place) -> String {
    let file = forge_to_telegram(place)
        .replace("pace = \"off\"\n", "")
        .replace(
            "links = [ { target = \"ops\" } ]",
            "kinds = [\"push\"]\nlinks = [ { target = \"ops\" } ]",
        );
    let second = format!(
        r#"
[[target]]
name = "other"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
api_base = "{}"
allow_private = true
receivers = [ {{ name = "other", to = "77" }} ]

[[tracker]]
name = "rest"
provider = "forge"
kinds = ["!push"]
links = [ {{ target = "other" }} ]
"#,
        place.address
    );
    file + &second
}

fn said(kind: &str, title: String) -> NoticeDraft {
    NoticeDraft {
        kind: kind.into(),
        title,
        severity: Severity::Info,
        ..NoticeDraft::default()
    }
}

#[tokio::test]
async fn ten_thousand_messages_to_one_chat_do_not_delay_another() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&two_chats(&place)).await;
    for hundred in 0..100 {
        let notices = (0..100).map(|n| said("push", format!("number {hundred}.{n}")));
        bridge.say(notices.collect()).await;
    }
    place.has_received(1).await;
    bridge.say(vec![said("other", "me too".into())]).await;
    // No second of the clock passes.
    let calls = place.has_received(2).await;
    let to = |call: &crate::harness::Received| call.json()["chat_id"].clone();
    assert_eq!(calls.iter().filter(|call| to(call) == 77).count(), 1);
    assert!(bridge.state(|state| state.outbox.deliveries.len()) > 9_900);
}

#[tokio::test]
async fn fifty_thousand_items_in_a_quiet_night_are_one_message_and_a_small_state() {
    let place = Place::telegram().await;
    let file = on_the_link(&forge_to_telegram(&place), HELD_TO_ONE);
    let bridge = TestBridge::start(&file).await;
    for n in 0..100 {
        let keys: Vec<String> = (0..500).map(|item| format!("{n:03}-{item:03}")).collect();
        bridge.say(vec![album(&keys, &[])]).await;
    }
    let bytes = bridge.state(|state| wire::encode_state(state).expect("it is written").len());
    assert!(bytes < NIGHT_BYTES_MAX, "{bytes}");
    let bridge = bridge.restart().await;
    bridge.advance(3_600);
    let calls = place.has_received(1).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
    let text = calls[0].json()["text"].as_str().unwrap_or("").to_owned();
    assert!(text.contains("photo 000-000"), "{text}");
    assert!(text.contains("and 49,950 more"), "{text}");
}
