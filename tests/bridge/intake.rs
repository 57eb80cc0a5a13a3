//! What comes in: verified or refused, once or again, readable or not.

use notify_bridge::shell::http::hooks::BODY_BYTES_DEFAULT;
use serde_json::Value;

use crate::harness::{
    Place, SECRET, Scripted, TestBridge, forge_to_telegram, push_body, push_to, sign,
};

async fn bridge() -> (TestBridge, Place) {
    let place = Place::telegram().await;
    (TestBridge::start(&forge_to_telegram(&place)).await, place)
}

#[tokio::test]
async fn a_signed_push_reaches_telegram_once() {
    let (bridge, place) = bridge().await;
    let (status, answer) = bridge.push("d-1", "Teach the parrot to sing").await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["notices"][0].as_str().map(str::len), Some(26));
    bridge.settled().await;
    let (status, again) = bridge.push("d-1", "Teach the parrot to sing").await;
    assert_eq!(
        (status, &again["duplicate"], &again["notices"]),
        (200, &Value::Bool(true), &answer["notices"])
    );
    let calls = place.received();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].path,
        "/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage"
    );
    let message = calls[0].json();
    assert_eq!(message["chat_id"], -1_001_234_567_890_i64);
    assert!(
        message["text"]
            .as_str()
            .unwrap()
            .contains("Teach the parrot to sing"),
        "{message}"
    );
}

#[tokio::test]
async fn the_same_signed_bytes_under_another_delivery_id_are_the_same_delivery() {
    let (bridge, place) = bridge().await;
    let (_, first) = bridge.push("d-1", "once").await;
    let (status, second) = bridge.push("d-2", "once").await;
    assert_eq!((status, &second["notices"]), (200, &first["notices"]));
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn what_is_not_verified_is_refused_and_never_grows_the_log() {
    let (bridge, place) = bridge().await;
    let before = bridge.state(|state| state.position);
    let body = push_body("forged");
    let other = sign("another secret", &body);
    let empty = sign("", &body);
    for (headers, reason) in [
        (vec![], "missing"),
        (vec![("x-gitea-signature", "")], "empty"),
        (
            vec![
                ("x-gitea-signature", ""),
                ("x-hub-signature-256", "sha256="),
            ],
            "empty",
        ),
        (
            vec![("x-gitea-signature", other.as_str())],
            "does not match",
        ),
        (
            vec![("x-gitea-signature", empty.as_str())],
            "does not match",
        ),
    ] {
        let mut headers = headers;
        headers.extend([
            ("x-gitea-event", "push"),
            ("content-type", "application/json"),
        ]);
        let (status, problem) = bridge.post("/hooks/forge", &headers, &body).await;
        assert_eq!(status, 401);
        assert!(
            problem["detail"].as_str().unwrap().contains(reason),
            "{problem} for {reason}"
        );
    }
    assert_eq!(bridge.state(|state| state.position), before);
    let heard = bridge.app.sources.heard("forge");
    assert_eq!((heard.refused, heard.verified), (5, 0));
    assert!(heard.last_refused_why.unwrap().contains("does not match"));
    assert!(place.received().is_empty());
}

#[tokio::test]
async fn an_address_that_guesses_is_slowed_down() {
    let (bridge, _place) = bridge().await;
    let body = push_body("x");
    let mut statuses = Vec::new();
    for _ in 0..70 {
        statuses.push(
            bridge
                .post("/hooks/forge", &[("x-gitea-event", "push")], &body)
                .await
                .0,
        );
    }
    assert_eq!(statuses[..60], vec![401; 60]);
    assert_eq!(statuses[61..], vec![429; 9]);
    bridge.advance(10);
    assert_eq!(
        bridge
            .post("/hooks/forge", &[("x-gitea-event", "push")], &body)
            .await
            .0,
        401
    );
    // The sender itself, at the same address, is not made to wait for whoever guesses.
    for _ in 0..70 {
        bridge
            .post("/hooks/forge", &[("x-gitea-event", "push")], &body)
            .await;
    }
    assert_eq!(bridge.push("1", "a signed one").await.0, 202);
}

#[tokio::test]
async fn a_provider_has_a_rate() {
    let place = Place::telegram().await;
    let file =
        forge_to_telegram(&place).replace("kind = \"gitea\"", "kind = \"gitea\"\nrate = \"3/min\"");
    let bridge = TestBridge::start(&file).await;
    for n in 0..3 {
        assert_eq!(
            bridge.push(&format!("d-{n}"), &format!("n {n}")).await.0,
            202
        );
    }
    assert_eq!(bridge.push("d-9", "too many").await.0, 429);
    bridge.advance(21);
    assert_eq!(bridge.push("d-9", "too many").await.0, 202);
}

#[tokio::test]
async fn requests_have_bounds_and_clear_refusals() {
    let (bridge, _place) = bridge().await;
    let large = vec![b' '; BODY_BYTES_DEFAULT as usize + 1];
    assert_eq!(bridge.post("/hooks/forge", &[], &large).await.0, 413);
    assert_eq!(bridge.post("/hooks/nobody", &[], b"{}").await.0, 404);
    assert_eq!(
        bridge
            .post("/hooks/forge", &[("content-encoding", "gzip")], b"x")
            .await
            .0,
        415
    );
    let nested = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let many = format!("[{}0]", "0,".repeat(200_001));
    for body in [
        b"not json".to_vec(),
        vec![0xff, 0xfe, 0x00],
        nested.into_bytes(),
        many.into_bytes(),
    ] {
        let signature = sign(SECRET, &body);
        let headers = [
            ("x-gitea-event", "push"),
            ("x-gitea-signature", signature.as_str()),
        ];
        let (status, problem) = bridge.post("/hooks/forge", &headers, &body).await;
        assert_eq!((status, &problem["status"]), (422, &Value::from(422)));
    }
    assert_eq!(
        bridge.state(|state| state.counts.unreadable.values().sum::<u64>()),
        4
    );
    for path in ["/hooks/forge", "/hooks/forge/and/more"] {
        assert_eq!(
            bridge
                .client
                .get(format!("{}{path}", bridge.address))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn a_ping_is_taken_and_says_nothing() {
    let place = Place::telegram().await;
    let file = forge_to_telegram(&place).replace("kind = \"gitea\"", "kind = \"github\"");
    let bridge = TestBridge::start(&file).await;
    let before = bridge.state(|state| state.position);
    let body = br#"{"zen":"Keep it simple","hook_id":1,"hook":{"type":"Repository"}}"#;
    let signature = format!("sha256={}", sign(SECRET, body));
    let headers = [
        ("x-github-event", "ping"),
        ("x-github-delivery", "1"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    let (status, answer) = bridge.post("/hooks/forge", &headers, body).await;
    assert_eq!((status, answer), (202, serde_json::json!({"notices": []})));
    assert_eq!(bridge.state(|state| state.position), before);
    assert!(bridge.app.sources.heard("forge").last_verified_at.is_some());
}

#[tokio::test]
async fn a_foreign_host_is_refused_except_where_senders_and_probes_knock() {
    let (bridge, _place) = bridge().await;
    for (path, status) in [
        ("/api/v1/notices", 421),
        ("/", 421),
        ("/api/health", 200),
        ("/api/ready", 200),
        ("/hooks/forge", 200),
    ] {
        let url = format!("{}{path}", bridge.address);
        let answer = bridge
            .client
            .get(url)
            .header("host", "rebind.attacker.example")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn request_ids_are_taken_over_or_made() {
    let (bridge, _place) = bridge().await;
    for (given, taken) in [("abc-1.2_3", true), ("two words", false), ("", false)] {
        let request = bridge
            .client
            .get(format!("{}/api/health", bridge.address))
            .header("x-request-id", given);
        let answer = request.send().await.unwrap();
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(id == given, taken, "{given:?} gave {id:?}");
        assert!(!id.is_empty());
    }
}

#[tokio::test]
async fn a_notice_that_went_round_too_often_stops() {
    let place = Place::usually(Scripted::new(200, "")).await;
    let file = crate::harness::forge_to_webhook(&place, "");
    let bridge = TestBridge::start(&file).await;
    let body = push_body("round and round");
    let signature = sign(SECRET, &body);
    let headers = [
        ("x-gitea-event", "push"),
        ("x-gitea-signature", signature.as_str()),
        ("notify-bridge-hop", "4"),
    ];
    assert_eq!(bridge.post("/hooks/forge", &headers, &body).await.0, 202);
    let family = bridge.family(bridge.newest());
    assert_eq!(family.reasons[0].what.as_str(), "loop");
    assert!(place.received().is_empty());
}

/// Some senders never come again, so what knocks while the state is rebuilt waits a moment.
#[tokio::test]
async fn a_request_that_comes_during_the_start_is_taken() {
    let (bridge, place) = bridge().await;
    let (client, now) = (
        bridge.client.clone(),
        notify_bridge::shell::clock::Clock::now(&*bridge.clock),
    );
    let folder = bridge.stop().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let early = tokio::spawn(async move { push_to(&client, &address, "early", "early").await });
    // The connection stands before the program does.
    tokio::task::yield_now().await;
    let bridge = TestBridge::over_at(folder, now, Some(listener)).await;
    let (status, answer) = early.await.expect("it is answered");
    assert_eq!(status, 202, "{answer}");
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_told_which_are() {
    let (bridge, _place) = bridge().await;
    let response = bridge
        .client
        .request(
            reqwest::Method::OPTIONS,
            format!("{}/hooks/forge", bridge.address),
        )
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status().as_u16(), 405);
    assert_eq!(response.headers()["allow"], "POST, PUT, GET, HEAD");
}
