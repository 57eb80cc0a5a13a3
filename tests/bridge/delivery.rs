//! What goes out: retries, waits, parking, fallbacks, order, and what a restart leaves.

use notify_bridge::domain::command::Command;
use notify_bridge::domain::event::Action;
use notify_bridge::projections::outbox::Status;

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram, forge_to_webhook};

#[tokio::test]
async fn errors_wait_and_are_tried_again_with_the_same_words() {
    let place = Place::usually(Scripted::new(200, "")).await;
    place.script([Scripted::new(500, "oops"), Scripted::new(503, "busy")]);
    let bridge = TestBridge::start(&forge_to_webhook(&place, "")).await;
    bridge.push("1", "retry me").await;
    for failures in 1..=2 {
        bridge
            .until("it waits to be retried", |state| {
                state
                    .outbox
                    .deliveries
                    .values()
                    .all(|d| d.status == Status::Retrying && d.failures == failures)
            })
            .await;
        assert_eq!(
            place.received().len(),
            usize::from(failures),
            "never before its time"
        );
        bridge.advance(5);
    }
    bridge.settled().await;
    let calls = place.received();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].body, calls[2].body);
    assert_eq!(
        calls[0].headers["webhook-id"],
        calls[2].headers["webhook-id"]
    );
    let family = bridge.family(bridge.newest());
    let outcomes: Vec<_> = family.deliveries[0]
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, ["retry", "retry", "sent"]);
    assert_eq!(
        family.deliveries[0].attempts[0].answer.http_status,
        Some(500)
    );
}

#[tokio::test]
async fn a_429_is_waited_out_and_pauses_its_chat_alone() {
    let place = Place::telegram().await;
    let slow = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 30","parameters":{"retry_after":30}}"#;
    place.script([Scripted::new(429, slow)]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "first").await;
    bridge
        .until("told to wait", |s| {
            s.outbox
                .deliveries
                .values()
                .any(|d| d.status == Status::Retrying)
        })
        .await;
    bridge.push("2", "second").await;
    bridge.advance(29);
    assert_eq!(place.received().len(), 1, "never earlier than told");
    bridge.advance(3);
    bridge.settled().await;
    assert_eq!(place.received().len(), 3);
}

#[tokio::test]
async fn a_400_is_parked_with_the_answer_and_a_person_can_retry_or_drop() {
    let place = Place::telegram().await;
    place.script([Scripted::new(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: message is too heavy"}"#,
    )]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "heavy").await;
    bridge
        .until("it is parked", |s| !s.outbox.parked.is_empty())
        .await;
    let delivery = bridge.only_delivery();
    let reason = bridge
        .state(|state| state.outbox.deliveries[&delivery].reason.clone())
        .unwrap();
    assert!(reason.contains("message is too heavy"), "{reason}");
    bridge
        .command(Command::Operate {
            delivery,
            action: Action::Retry,
            by: "me".into(),
        })
        .await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 2);
    let family = bridge.family(bridge.newest());
    assert_eq!(family.deliveries[0].status, Status::Sent);
    assert_eq!(family.deliveries[0].ids[&0], ["4711"]);
}

#[tokio::test]
async fn markup_that_the_service_cannot_parse_falls_back_to_plain_text() {
    let place = Place::telegram().await;
    place.script([Scripted::new(400, r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: unsupported start tag"}"#)]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "fallback").await;
    bridge.settled().await;
    let calls = place.received();
    assert_eq!(calls[0].json()["parse_mode"], "HTML");
    assert_eq!(calls[1].json().get("parse_mode"), None);
    let family = bridge.family(bridge.newest());
    assert!(
        family
            .reasons
            .iter()
            .any(|reason| reason.what.as_str() == "fallback_used")
    );
}

#[tokio::test]
async fn a_receiver_that_blocked_the_bot_is_not_tried_again_until_a_person_says_so() {
    let place = Place::telegram().await;
    place.script([Scripted::new(
        403,
        r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#,
    )]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "first").await;
    bridge
        .until("it is parked", |s| !s.outbox.parked.is_empty())
        .await;
    bridge.push("2", "second").await;
    assert_eq!(place.received().len(), 1);
    let second = bridge.family(bridge.newest());
    assert_eq!(second.reasons[0].what.as_str(), "receiver_gone");
    let delivery = bridge.only_delivery();
    bridge
        .command(Command::Operate {
            delivery,
            action: Action::Retry,
            by: "me".into(),
        })
        .await;
    bridge.settled().await;
    assert!(bridge.state(|state| state.health.receivers.is_empty()));
}

#[tokio::test]
async fn a_migrated_chat_is_followed_and_the_configuration_left_alone() {
    let place = Place::telegram().await;
    let moved = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-100777}}"#;
    place.script([Scripted::new(400, moved)]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "where are you").await;
    bridge
        .until("it waits a moment", |s| {
            s.outbox
                .deliveries
                .values()
                .all(|d| d.status == Status::Retrying)
        })
        .await;
    bridge.advance(2);
    bridge.settled().await;
    let calls = place.received();
    assert_eq!(calls[1].json()["chat_id"], -100_777);
    let configured = bridge.state(|s| {
        s.configuration.target("ops").unwrap().entity.spec.receivers[0]
            .to
            .clone()
    });
    assert_eq!(configured, "-1001234567890");
}

#[tokio::test]
async fn a_dead_target_does_not_delay_another() {
    let (dead, alive) = (
        Place::usually(Scripted::new(500, "")).await,
        Place::telegram().await,
    );
    let file = format!(
        "{}\n[[target]]\nname = \"dead\"\nkind = \"webhook\"\nurl = \"{}/\"\nallow_private = true\n\
         [[tracker]]\nname = \"also\"\nprovider = \"forge\"\nlinks = [ {{ target = \"dead\" }} ]\n",
        forge_to_telegram(&alive),
        dead.address
    );
    let bridge = TestBridge::start(&file).await;
    for n in 0..20 {
        bridge.push(&n.to_string(), &format!("number {n}")).await;
    }
    alive.has_received(20).await;
    dead.has_received(1).await;
}

#[tokio::test]
async fn a_link_that_says_park_is_not_repeated_when_nobody_knows_whether_it_arrived() {
    // A place that takes the request and closes without an answer.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
        }
    });
    let place = Place::telegram().await;
    let file = forge_to_telegram(&place)
        .replace(&place.address, &address)
        .replace(
            "target = \"ops\" }",
            "target = \"ops\", unknown = \"park\" }",
        );
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "did you hear me").await;
    bridge
        .until("it is unknown", |s| {
            s.outbox
                .deliveries
                .values()
                .any(|d| d.status == Status::Unknown)
        })
        .await;
    let delivery = bridge.only_delivery();
    bridge
        .command(Command::Operate {
            delivery,
            action: Action::Confirm,
            by: "me".into(),
        })
        .await;
    bridge.settled().await;
    assert_eq!(
        bridge.family(bridge.newest()).deliveries[0].status,
        Status::Sent
    );
}

#[tokio::test]
async fn what_waits_survives_a_restart_and_boot_appends_nothing() {
    let place = Place::usually(Scripted::new(200, "")).await;
    let bridge = TestBridge::start(&forge_to_webhook(&place, "")).await;
    bridge.command(Command::Pause { by: "me".into() }).await;
    bridge.push("1", "wait for me").await;
    let position = bridge.state(|state| state.position);
    let bridge = bridge.restart().await;
    assert_eq!(
        bridge.state(|state| state.position),
        position,
        "boot appends nothing"
    );
    assert!(place.received().is_empty());
    bridge.command(Command::Resume { by: "me".into() }).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn a_webhook_is_signed_as_standard_webhooks_say() {
    let place = Place::usually(Scripted::new(200, "")).await;
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let bridge =
        TestBridge::start(&forge_to_webhook(&place, &format!("secret = \"{secret}\""))).await;
    let (_, answer) = bridge.push("1", "signed").await;
    bridge.settled().await;
    let call = place.received().remove(0);
    let header = |name: &str| call.headers[name].to_str().unwrap().to_owned();
    let signed = format!(
        "{}.{}.{}",
        header("webhook-id"),
        header("webhook-timestamp"),
        String::from_utf8_lossy(&call.body)
    );
    let mac = crate::harness::sign("0123456789abcdef0123456789abcdef", signed.as_bytes());
    let expected = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        hex::decode(mac).unwrap(),
    );
    assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
    let body = call.json();
    assert_eq!(body["type"], "notice.push");
    assert_eq!(body["data"]["notice"]["id"], answer["notices"][0]);
    assert_eq!(body["data"]["delivery_id"], header("webhook-id"));
}

#[tokio::test]
async fn a_broadcast_reaches_its_children_and_an_inbox_settles_at_once() {
    let place = Place::telegram().await;
    let file = format!(
        "{}\n[[target]]\nname = \"box\"\nkind = \"inbox\"\n\
         [[target]]\nname = \"all\"\nkind = \"broadcast\"\ntargets = [\"ops\", \"box\"]\n",
        forge_to_telegram(&place).replace(
            "links = [ { target = \"ops\" } ]",
            "links = [ { target = \"all\" } ]"
        )
    );
    let bridge = TestBridge::start(&file).await;
    bridge.command(Command::Pause { by: "me".into() }).await;
    bridge.push("1", "to everyone").await;
    let family = bridge.family(bridge.newest());
    let statuses: Vec<_> = family
        .deliveries
        .iter()
        .map(|d| (d.link.target_name.as_str(), d.status.as_str()))
        .collect();
    assert_eq!(statuses, [("ops", "due"), ("box", "sent")]);
    bridge.command(Command::Resume { by: "me".into() }).await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn private_places_are_refused_unless_an_admin_allows_them() {
    let place = Place::telegram().await;
    let file = forge_to_telegram(&place).replace("allow_private = true", "");
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "psst").await;
    bridge
        .until("it is refused", |s| {
            s.outbox.deliveries.values().any(|d| d.reason.is_some())
        })
        .await;
    assert!(place.received().is_empty());
    let reason = bridge
        .state(|s| s.outbox.deliveries.values().next().unwrap().reason.clone())
        .unwrap();
    assert!(reason.contains("allow_private"), "{reason}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_retry_after_is_heard() {
    let elsewhere = Place::usually(Scripted::new(200, "")).await;
    let place = Place::usually(Scripted::new(200, "")).await;
    place.script([
        Scripted::new(503, "").header("retry-after", "40"),
        Scripted::new(307, "").header("location", format!("{}/private", elsewhere.address)),
    ]);
    let bridge = TestBridge::start(&forge_to_webhook(&place, "")).await;
    bridge.push("1", "over there").await;
    bridge
        .until("told to wait", |s| {
            s.outbox
                .deliveries
                .values()
                .any(|d| d.status == Status::Retrying)
        })
        .await;
    bridge.advance(39);
    assert_eq!(place.received().len(), 1);
    bridge.advance(4);
    bridge
        .until("it is parked", |s| !s.outbox.parked.is_empty())
        .await;
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn each_link_to_one_target_has_its_own_words() {
    let place = Place::telegram().await;
    let file = forge_to_telegram(&place).replace(
        "links = [ { target = \"ops\" } ]",
        r#"links = [
  { target = "ops", template = "direct" },
  { target = "everyone", template = "shared" },
  { target = "ops", name = "again", template = "named" },
]

[[target]]
name = "everyone"
kind = "broadcast"
targets = [ "ops" ]

[[template]]
name = "direct"
default = "said directly"

[[template]]
name = "shared"
default = "said to everyone"

[[template]]
name = "named"
default = "said by name"
"#,
    );
    let bridge = TestBridge::start(&file).await;
    bridge.push("1", "words").await;
    bridge.settled().await;
    let said: Vec<String> = place
        .received()
        .iter()
        .map(|call| call.json()["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(said, ["said directly", "said to everyone", "said by name"]);
}
