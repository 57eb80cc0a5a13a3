//! Retrying, dropping, confirming, sending again, one-off messages, configuration.

use crate::harness::Api;
use reqwest::Method;
use serde_json::{Value, json};

const REJECTED: &str =
    r#"{"ok":false,"error_code":400,"description":"Bad Request: message is too wide"}"#;

async fn parked_ids(api: &Api) -> Vec<String> {
    let page = api.get("/parked").await.expect(200);
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Parks one delivery per push.
async fn park(api: &Api, count: usize) -> Vec<String> {
    for nth in 0..count {
        // With and without markup, then nothing more is tried.
        for _ in 0..3 {
            api.script(400, REJECTED);
        }
        api.push("main", &format!("Parked {nth}")).await;
        api.parked(nth + 1).await;
        api.clear_script();
    }
    parked_ids(api).await
}

#[tokio::test]
async fn a_parked_delivery_is_retried_dropped_or_confirmed() {
    let api = Api::start().await;
    let ids = park(&api, 3).await;
    let parked = api.get("/parked").await.expect(200);
    assert_eq!(parked["total"], 3);
    for (query, count) in [
        ("target=ops", 3),
        ("target=desk", 0),
        ("tracker=main&limit=2", 2),
    ] {
        let some = api.get(&format!("/parked?{query}")).await.expect(200);
        assert_eq!(some["items"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(parked["by_reason"][0]["count"], 3);
    assert!(
        parked["items"][0]["reason"]["detail"]
            .as_str()
            .unwrap()
            .contains("too wide"),
        "{parked}"
    );
    for (id, action, status) in [
        (&ids[0], "retry", None),
        (&ids[1], "drop", Some("dropped")),
        (&ids[2], "confirm", Some("sent")),
    ] {
        let answer = api
            .post(&format!("/deliveries/{id}/{action}"), json!({}))
            .await
            .expect(200);
        if let Some(status) = status {
            assert_eq!(answer["status"], status);
            assert_eq!(answer["reason"]["detail"], "by token owner");
        }
    }
    api.settled().await;
    let retried = api
        .get(&format!("/deliveries/{}", ids[0]))
        .await
        .expect(200);
    assert_eq!(retried["status"], "sent");
    let again = api
        .post(&format!("/deliveries/{}/retry", ids[0]), json!({}))
        .await;
    assert!(again.text.contains("settled"), "{}", again.text);
    assert_eq!(again.status, 409);
    assert_eq!(api.get("/parked").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn many_are_changed_at_once_after_a_look() {
    let api = Api::start().await;
    let ids = park(&api, 3).await;
    let look = api.post("/deliveries/bulk", json!({"action": "drop", "filter": {"status": "parked", "target": "ops"}, "dry_run": true})).await.expect(200);
    assert_eq!(json!([look["matched"], look["left"]]), json!([3, false]));
    let unknown = "0".repeat(26);
    let one = api
        .post(
            "/deliveries/bulk",
            json!({"action": "confirm", "ids": [ids[0], unknown]}),
        )
        .await
        .expect(200);
    assert_eq!(
        json!([one["matched"], one["done"], one["not_found"]]),
        json!([1, 1, [unknown]])
    );
    let rest = api
        .post(
            "/deliveries/bulk",
            json!({"action": "drop", "filter": {"status": "parked"}}),
        )
        .await
        .expect(200);
    assert_eq!(
        json!([rest["matched"], rest["done"], rest["refused"]]),
        json!([2, 2, []])
    );
    let twice = api
        .post(
            "/deliveries/bulk",
            json!({"action": "drop", "ids": [ids[1]]}),
        )
        .await
        .expect(200);
    assert_eq!(
        json!([twice["done"], twice["refused"][0]["count"]]),
        json!([0, 1])
    );
}

#[tokio::test]
async fn a_notice_is_sent_again_over_what_is_configured_now() {
    let api = Api::start().await;
    let id = api.push("main", "Once more").await;
    api.settled().await;
    let answer = api
        .post(&format!("/notices/{id}/resend"), json!({}))
        .await
        .expect(202);
    let again = answer["deliveries"].as_array().unwrap();
    assert_eq!(again.len(), 2);
    api.settled().await;
    let notice = api.get(&format!("/notices/{id}")).await.expect(200);
    assert_eq!(notice["deliveries"].as_array().unwrap().len(), 4);
    let path = format!("/deliveries/{}", again[1].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["status"], "sent");
    let all = api.get("/deliveries").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_one_off_message_goes_to_a_target_or_a_tag() {
    let api = Api::start().await;
    let to_desk =
        json!({"title": "Tea", "body": "is ready", "severity": "warning", "target": "desk"});
    let answer = api.post("/notify", to_desk).await.expect(202);
    let notice = api
        .get(&format!("/notices/{}", answer["notice"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(
        json!([
            notice["provider"],
            notice["kind"],
            notice["title"],
            notice["text"],
            notice["severity"],
            notice["actor"]
        ]),
        json!([
            "api",
            "message",
            "Tea",
            "is ready",
            "warning",
            "token owner"
        ])
    );
    assert!(
        notice["deliveries"][0]["text"]
            .as_str()
            .unwrap()
            .contains("is ready"),
        "{notice}"
    );
    let answer = api
        .post(
            "/notify",
            json!({"body": "first line\nand more", "tag": "loud"}),
        )
        .await
        .expect(202);
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 1);
    api.settled().await;
    for (body, status, fragment) in [
        (
            json!({"body": "x", "target": "nowhere"}),
            404,
            "target nowhere does not exist",
        ),
        (json!({"body": "x", "tag": "quiet"}), 404, "quiet"),
        (json!({"body": "x"}), 422, "either a target or a tag"),
        (json!({"body": " ", "target": "desk"}), 422, "is empty"),
        (
            json!({"body": "x", "target": "desk", "severity": "dire"}),
            422,
            "severity: is one of",
        ),
        (
            json!({"body": "x", "target": "desk", "format": "markdown"}),
            422,
            "send text",
        ),
    ] {
        let answer = api.post("/notify", body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(
            answer.text.contains(fragment),
            "{fragment}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_target_is_tested_with_a_message_or_a_question() {
    let api = Api::start().await;
    let sent = api
        .post("/targets/ops/test", json!({"receiver": "team"}))
        .await
        .expect(202);
    let path = format!("/deliveries/{}", sent["deliveries"][0].as_str().unwrap());
    api.settled().await;
    assert_eq!(api.get(&path).await.expect(200)["status"], "sent");
    let missing = api
        .post("/targets/ops/test", json!({"receiver": "nobody"}))
        .await;
    assert_eq!(missing.status, 404, "{}", missing.text);
    let known = api
        .post("/targets/ops/test?probe=true", json!({}))
        .await
        .expect(200);
    assert_eq!(
        json!([known["probed"], known["ok"], known["http_status"]]),
        json!([true, true, 200])
    );
    api.script(
        401,
        r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#,
    );
    let refused = api
        .post("/targets/ops/test?probe=true", json!({}))
        .await
        .expect(200);
    assert_eq!(
        json!([refused["ok"], refused["http_status"]]),
        json!([false, 401])
    );
    let inbox = api
        .post("/targets/desk/test?probe=true", json!({}))
        .await
        .expect(200);
    assert_eq!(inbox["probed"], false);
}

#[tokio::test]
async fn configuration_is_applied_and_exported() {
    let api = Api::start().await;
    let text = "[[target]]\nname = \"second\"\nkind = \"inbox\"\n";
    let plan = api
        .post("/apply", json!({"text": text, "dry_run": true}))
        .await
        .expect(200);
    assert_eq!(
        json!([plan["plan"], plan["written"]]),
        json!([["+ target second"], false])
    );
    let done = api
        .post("/apply", json!({"text": text, "file": "more.toml"}))
        .await
        .expect(200);
    assert_eq!(json!([done["changes"], done["written"]]), json!([1, true]));
    assert_eq!(
        api.get("/targets/second").await.expect(200)["managed_by"],
        "more.toml"
    );
    let reference = "[[target]]\nname = \"x\"\nkind = \"telegram\"\ntoken = { env = \"HOME\" }\nreceivers = [{ to = \"1\" }]\n";
    let refused = api.post("/apply", json!({"text": reference})).await;
    assert_eq!(refused.status, 422);
    let errors = refused.json();
    assert!(
        errors["errors"][0]["field"]
            .as_str()
            .unwrap()
            .ends_with(".token"),
        "{errors}"
    );
    assert!(
        errors["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("line 4"),
        "{errors}"
    );
    let export = api.get("/export").await;
    assert_eq!(export.headers["content-type"], "application/toml");
    let same = api
        .post("/apply", json!({"text": export.text, "dry_run": true}))
        .await
        .expect(200);
    assert_eq!(same["plan"], json!([]));
    let plain = api.get("/export?secrets=plain").await;
    assert!(
        plain.text.contains(crate::harness::TOKEN),
        "secrets stand in a plain export"
    );
    let answer = api
        .send(
            Method::GET,
            "/export?secrets=sealed",
            &api.owner,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 422);
}
