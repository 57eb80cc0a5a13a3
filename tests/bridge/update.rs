//! One message per subject, over links with `update = true`.

use notify_bridge::domain::command::Command;
use notify_bridge::domain::family::Family;
use serde_json::{Value, json};

use crate::harness::{Place, Received, Scripted, TestBridge};

const SENT: &str = r#"{"ok":true,"result":{"message_id":4711}}"#;

/// Alarms, and a place that hears of them in one message each.
fn alarms(target: &str) -> String {
    format!(
        r#"
[[provider]]
name = "alarm"
kind = "webhook"
verify = "none"
[provider.map]
subject = "body.id"
transition = "body.state"
title = "body.title"
text = "body.text"

[[target]]
name = "ops"
allow_private = true
pace = "off"
{target}

[[tracker]]
name = "everything"
provider = "alarm"
links = [ {{ target = "ops", update = true }} ]
"#
    )
}

fn telegram(place: &Place) -> String {
    alarms(&format!(
        "kind = \"telegram\"\ntoken = \"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw\"\napi_base = \"{}\"\nreceivers = [ {{ name = \"team\", to = \"5\", silent = true }} ]",
        place.address
    ))
}

async fn tell(bridge: &TestBridge, state: &str, title: &str) -> Family {
    say(bridge, state, title).await;
    bridge.settled().await;
    bridge.family(bridge.newest())
}

async fn say(bridge: &TestBridge, state: &str, title: &str) {
    say_more(bridge, state, title, "").await;
}

async fn say_more(bridge: &TestBridge, state: &str, title: &str, text: &str) {
    let body = json!({"id": "disk", "state": state, "title": title, "text": text});
    let headers = [("content-type", "application/json")];
    let (status, answer) = bridge
        .post("/hooks/alarm", &headers, body.to_string().as_bytes())
        .await;
    assert_eq!(status, 202, "{answer}");
}

fn method(call: &Received) -> &str {
    call.path.rsplit('/').next().unwrap_or_default()
}

fn words(family: &Family) -> Vec<&'static str> {
    family
        .reasons
        .iter()
        .map(|reason| reason.what.as_str())
        .collect()
}

fn told(bridge: &TestBridge) -> usize {
    bridge.state(|state| state.messages.len())
}

#[tokio::test]
async fn what_is_said_later_edits_the_message_of_its_subject() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&telegram(&place)).await;
    tell(&bridge, "opens", "the disk is full").await;
    assert_eq!(told(&bridge), 1);
    // What the memory is made of is in the log.
    let bridge = bridge.restart().await;
    tell(&bridge, "updates", "the disk is very full").await;
    let closed = tell(&bridge, "closes", "the disk has room").await;
    assert_eq!(words(&closed), ["planned", "edited"]);
    assert_eq!(closed.deliveries[0].ids[&0], ["4711"]);
    assert_eq!(told(&bridge), 0, "the end of it was told");
    tell(&bridge, "opens", "the disk is full again").await;
    let calls = place.received();
    let methods: Vec<&str> = calls.iter().map(method).collect();
    assert_eq!(
        methods,
        [
            "sendMessage",
            "editMessageText",
            "editMessageText",
            "sendMessage"
        ]
    );
    assert_eq!(calls[2].json()["message_id"], 4711);
    assert_eq!(calls[2].json()["chat_id"], 5);
    assert!(calls[2].body.windows(8).any(|text| text == b"has room"));
    assert_eq!(calls[2].json().get("disable_notification"), None);
    assert_eq!(calls[0].json()["disable_notification"], true);
    assert_eq!(calls[3].json().get("reply_parameters"), None);
}

#[tokio::test]
async fn what_begins_anew_is_a_new_message_though_nobody_was_told_the_end() {
    let place = Place::telegram().await;
    let file = telegram(&place).replace(
        "provider = \"alarm\"\n",
        "provider = \"alarm\"\nwhere = \"notice.transition != 'closes'\"\n",
    );
    let bridge = TestBridge::start(&file).await;
    for (state, title) in [
        ("opens", "the disk is full"),
        ("opens", "the disk is full still"),
        ("closes", "the disk has room"),
        ("opens", "the disk is full again"),
        ("updates", "the disk is fuller"),
    ] {
        tell(&bridge, state, title).await;
    }
    let calls = place.received();
    let methods: Vec<&str> = calls.iter().map(method).collect();
    assert_eq!(
        methods,
        [
            "sendMessage",
            "editMessageText",
            "sendMessage",
            "editMessageText"
        ]
    );
    assert_eq!(calls[2].json().get("reply_parameters"), None);
}

#[tokio::test]
async fn notices_that_wait_together_make_one_message() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&telegram(&place)).await;
    bridge.command(Command::Pause { by: "me".into() }).await;
    say(&bridge, "opens", "the disk is full").await;
    say(&bridge, "closes", "the disk has room").await;
    bridge.command(Command::Resume { by: "me".into() }).await;
    bridge.settled().await;
    let methods: Vec<String> = place
        .received()
        .iter()
        .map(|call| method(call).to_owned())
        .collect();
    assert_eq!(methods, ["sendMessage", "editMessageText"]);
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_anew_as_an_answer() {
    let place = Place::telegram().await;
    let gone =
        r#"{"ok":false,"error_code":400,"description":"Bad Request: message to edit not found"}"#;
    place.script([
        Scripted::new(200, SENT),
        Scripted::new(400, gone),
        Scripted::new(200, r#"{"ok":true,"result":{"message_id":4712}}"#),
        Scripted::new(
            400,
            r#"{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: they are the same"}"#,
        ),
    ]);
    let bridge = TestBridge::start(&telegram(&place)).await;
    tell(&bridge, "opens", "the disk is full").await;
    let anew = tell(&bridge, "updates", "the disk is very full").await;
    assert_eq!(words(&anew), ["planned", "fallback_used", "sent"]);
    let detail = &anew.reasons[1].detail;
    assert!(detail.contains("message to edit not found"), "{detail}");
    let outcomes: Vec<&str> = anew.deliveries[0]
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, ["fallback", "sent"]);
    let same = tell(&bridge, "updates", "the disk is very full").await;
    assert_eq!(words(&same), ["planned", "edited"]);
    let calls = place.received();
    let answered: &Value = &calls[2].json()["reply_parameters"];
    assert_eq!(
        answered,
        &json!({"message_id": 4711, "allow_sending_without_reply": true})
    );
    assert_eq!(calls[3].json()["message_id"], 4712);
    assert_eq!(calls.len(), 4);
}

#[tokio::test]
async fn discord_edits_by_its_webhook() {
    let place = Place::usually(Scripted::new(200, r#"{"id":"440000000000000011"}"#)).await;
    place.script([
        Scripted::new(200, r#"{"id":"440000000000000011"}"#),
        Scripted::new(200, r#"{"id":"440000000000000011"}"#),
        Scripted::new(404, r#"{"message":"Unknown Message","code":10008}"#),
    ]);
    let bridge = TestBridge::start(&alarms(&format!(
        "kind = \"discord\"\nurl = \"{}/api/webhooks/1/word\"\nreceivers = [ {{ name = \"thread\", thread = \"77\" }} ]",
        place.address
    )))
    .await;
    tell(&bridge, "opens", "the disk is full").await;
    let updated = tell(&bridge, "updates", "the disk is very full").await;
    assert_eq!(words(&updated), ["planned", "edited"]);
    let closed = tell(&bridge, "closes", "the disk has room").await;
    assert_eq!(words(&closed), ["planned", "fallback_used", "sent"]);
    let calls: Vec<(String, String)> = place
        .received()
        .into_iter()
        .map(|call| (call.method, call.path))
        .collect();
    let calls: Vec<(&str, &str)> = calls
        .iter()
        .map(|(method, path)| (method.as_str(), path.as_str()))
        .collect();
    let edit = "/api/webhooks/1/word/messages/440000000000000011?thread_id=77";
    let send = "/api/webhooks/1/word?wait=true&thread_id=77";
    assert_eq!(
        calls,
        [
            ("POST", send),
            ("PATCH", edit),
            ("PATCH", edit),
            ("POST", send)
        ]
    );
    assert_eq!(told(&bridge), 0);
}

#[tokio::test]
async fn what_a_person_sends_again_is_a_message_of_its_own() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&telegram(&place)).await;
    tell(&bridge, "opens", "the disk is full").await;
    let notice = bridge.newest();
    let accepted = bridge
        .app
        .ledger
        .reader()
        .get(notice)
        .expect("it reads")
        .map(|recorded| recorded.payload);
    let Some(notify_bridge::domain::event::Event::Accepted(accepted)) = accepted else {
        panic!("a notice stands at {notice}");
    };
    bridge
        .command(Command::Resend {
            notice,
            accepted,
            by: "me".into(),
        })
        .await;
    bridge.settled().await;
    let calls = place.received();
    assert_eq!(method(&calls[1]), "sendMessage");
}

fn numbered(id: u32) -> Scripted {
    Scripted::new(
        200,
        format!(r#"{{"ok":true,"result":{{"message_id":{id}}}}}"#),
    )
}

/// A text that takes so many messages.
fn long(parts: usize) -> String {
    let line = "The quick heron stands still. ";
    line.repeat((parts * 3_000) / line.len())
}

#[tokio::test]
async fn several_parts_are_edited_one_by_one_where_there_are_as_many() {
    let place = Place::telegram().await;
    place.script([1, 2, 3, 1, 2, 3, 7, 8].map(numbered));
    let bridge = TestBridge::start(&telegram(&place)).await;
    for (state, title, parts, said) in [
        ("opens", "the disk is full", 3, "sent"),
        ("updates", "the disk is very full", 3, "edited"),
        ("updates", "the disk is less full", 2, "sent"),
    ] {
        say_more(&bridge, state, title, &long(parts)).await;
        bridge.settled().await;
        let family = bridge.family(bridge.newest());
        assert_eq!(words(&family), ["planned", said], "{title}");
        assert_eq!(family.deliveries[0].parts.len(), parts, "{title}");
        let detail = &family.reasons[1].detail;
        let why = "it has 2 parts and the earlier message 3, so it is a new message";
        assert_eq!(detail, if parts == 2 { why } else { "" });
    }
    let calls = place.received();
    let made: Vec<(&str, Value)> = calls
        .iter()
        .map(|call| {
            let body = call.json();
            let reply = body["reply_parameters"]["message_id"].clone();
            let id = body.get("message_id").cloned();
            (method(call), id.unwrap_or(reply))
        })
        .collect();
    let (send, edit) = ("sendMessage", "editMessageText");
    assert_eq!(
        made,
        [
            (send, Value::Null),
            (send, Value::Null),
            (send, Value::Null),
            (edit, json!(1)),
            (edit, json!(2)),
            (edit, json!(3)),
            (send, json!(1)),
            (send, Value::Null),
        ]
    );
    let ids = bridge.state(|state| {
        let mut known = state
            .messages
            .iter()
            .map(|(_, message)| message.ids.clone());
        known.next()
    });
    assert_eq!(ids, Some(vec!["7".to_owned(), "8".to_owned()]));
}

#[tokio::test]
async fn a_part_that_cannot_be_edited_and_what_follows_it_is_sent_as_an_answer() {
    let place = Place::telegram().await;
    place.script([1, 2, 1].map(numbered));
    place.script([
        Scripted::new(
            400,
            r#"{"ok":false,"error_code":400,"description":"Bad Request: message to edit not found"}"#,
        ),
        numbered(9),
    ]);
    let bridge = TestBridge::start(&telegram(&place)).await;
    say_more(&bridge, "opens", "the disk is full", &long(2)).await;
    bridge.settled().await;
    say_more(&bridge, "updates", "the disk is very full", &long(2)).await;
    bridge.settled().await;
    let calls = place.received();
    let methods: Vec<&str> = calls.iter().map(method).collect();
    let (send, edit) = ("sendMessage", "editMessageText");
    assert_eq!(methods, [send, send, edit, edit, send]);
    assert_eq!(calls[4].json()["reply_parameters"]["message_id"], 1);
}

#[tokio::test]
async fn what_tells_several_notices_is_sent_as_an_answer_and_says_why() {
    let place = Place::telegram().await;
    let quiet = r#"update = true, quiet = [ { from = "12:30", to = "13:30", zone = "UTC" } ]"#;
    let file = telegram(&place).replace("update = true", quiet);
    let bridge = TestBridge::start(&file).await;
    tell(&bridge, "opens", "the disk is full").await;
    bridge.advance(1_860);
    say(&bridge, "updates", "the disk is fuller").await;
    say(&bridge, "updates", "the disk is fullest").await;
    let host = bridge.state(|state| state.outbox.held.first().map(|(_, key)| key.position));
    bridge.advance(3_600);
    let calls = place.has_received(2).await;
    bridge.settled().await;
    assert_eq!(method(&calls[1]), "sendMessage");
    assert_eq!(calls[1].json()["reply_parameters"]["message_id"], 4711);
    let family = bridge.family(host.expect("a held one"));
    let sent = family.reasons.iter().find(|it| it.what.as_str() == "sent");
    let why = "it tells several notices, so it is a new message";
    assert_eq!(sent.expect("it was sent").detail, why);
}
