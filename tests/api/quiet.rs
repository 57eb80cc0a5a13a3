//! Snoozing and acknowledging.

use notify_bridge::domain::event::{Role, TokenScope};
use reqwest::Method;
use serde_json::json;

use crate::harness::Api;

#[tokio::test]
async fn a_snooze_is_made_listed_and_ended() {
    let api = Api::start().await;
    let made = api
        .post("/snoozes", json!({"tracker": "everything", "for": "2h"}))
        .await
        .expect(201);
    assert_eq!(made["scope"], "tracker");
    assert_eq!(made["name"], "everything");
    assert_eq!(made["until"], "2026-11-24T14:00:00Z");
    assert_eq!(made["by"], "token owner");
    let until = "2026-11-24T18:00:00Z";
    let second = json!({"collection": "kites/tail", "provider": "forge", "until": until});
    let second = api.post("/snoozes", second).await.expect(201);
    assert_eq!(second["provider"], "forge");

    let list = api.get("/snoozes?limit=1").await.expect(200);
    assert_eq!(list["items"][0]["id"], second["id"], "newest first");
    let next = list["next"].as_str().expect("another page");
    let rest = api
        .get(&format!("/snoozes?cursor={next}"))
        .await
        .expect(200);
    assert_eq!(rest["items"], json!([made]));
    assert!(rest["next"].is_null());

    let id = api.push("main", "quiet please").await;
    let notice = api.get(&format!("/notices/{id}")).await.expect(200);
    assert_eq!(notice["status"], "unrouted");
    let reasons = notice["reasons"].as_array().expect("reasons");
    assert!(
        reasons
            .iter()
            .all(|reason| reason["what"] == "snoozed" && reason["until"].is_string()),
        "{reasons:?}"
    );
    assert_eq!(notice["standing"]["snoozes"][0]["scope"], "collection");
    let why_not = api
        .get(&format!("/notices/{id}/why-not?tracker=everything"))
        .await
        .expect(200);
    assert!(why_not["says"].to_string().contains("snoozed"), "{why_not}");

    for shape in [&made, &second] {
        let path = format!("/snoozes/{}", shape["id"].as_str().expect("an id"));
        let end = || api.send(Method::DELETE, &path, &api.owner, json!({}));
        assert_eq!(end().await.status, 204);
        assert_eq!(end().await.status, 404);
    }
    assert_eq!(api.get("/snoozes").await.expect(200)["items"], json!([]));
    api.push("main", "loud again").await;
    api.settled().await;
}

#[tokio::test]
async fn a_snooze_that_cannot_be_says_which_field() {
    let api = Api::start().await;
    for (body, status, field) in [
        (json!({"for": "2h"}), 422, "tracker"),
        (
            json!({"tracker": "everything", "target": "ops", "for": "2h"}),
            422,
            "tracker",
        ),
        (json!({"tracker": "everything"}), 422, "for"),
        (
            json!({"tracker": "everything", "for": "2h", "until": "2026-11-25T00:00:00Z"}),
            422,
            "for",
        ),
        (json!({"tracker": "everything", "for": "soon"}), 422, "for"),
        (
            json!({"tracker": "everything", "for": "400d"}),
            422,
            "until",
        ),
        (
            json!({"tracker": "everything", "until": "2020-01-01T00:00:00Z"}),
            422,
            "until",
        ),
        (
            json!({"tracker": "everything", "provider": "forge", "for": "2h"}),
            422,
            "provider",
        ),
        (json!({"subject": "", "for": "2h"}), 422, "subject"),
        (json!({"subject": "a", "fro": "2h"}), 422, "fro"),
        (json!({"tracker": "nobody", "for": "2h"}), 404, ""),
        (
            json!({"subject": "a", "provider": "nobody", "for": "2h"}),
            404,
            "",
        ),
    ] {
        let answer = api.post("/snoozes", body.clone()).await.expect(status);
        if !field.is_empty() {
            assert_eq!(answer["errors"][0]["field"], field, "{body}");
        }
    }
    let reader = api
        .token("reader", &[TokenScope::Read], Role::Viewer, None)
        .await;
    let snooze = json!({"tracker": "everything", "for": "2h"});
    let refused = api.send(Method::POST, "/snoozes", &reader, snooze).await;
    assert_eq!(refused.status, 403);
    let refused = api
        .send(Method::DELETE, "/snoozes/1", &reader, json!({}))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        api.send(Method::DELETE, "/snoozes/x", &api.owner, json!({}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn only_what_is_open_can_be_acknowledged() {
    let api = Api::start().await;
    let id = api.push("main", "nothing opens").await;
    let refused = api.post(&format!("/notices/{id}/ack"), json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("nothing to acknowledge"));
    let missing = api
        .post("/notices/01M86B7TW7RWPG000000000R00/ack", json!({}))
        .await;
    assert_eq!(missing.status, 404);
    api.settled().await;
}
