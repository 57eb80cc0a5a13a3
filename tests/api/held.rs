//! Held deliveries: the list, releasing, moving and dropping, one and many.

use notify_bridge::config::Source;
use notify_bridge::shell::configure;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Api;

/// The clock stands at noon, within this window.
async fn quiet(api: &Api) {
    let sources = [Source {
        file: "quiet.toml",
        text: "[settings]\nquiet = [ { from = \"11:00\", to = \"12:01\" } ]\n",
    }];
    let (ledger, vault) = (&api.app.ledger, &api.app.vault);
    let applied = configure::apply(ledger, vault, &sources, None, true, false, "test").await;
    if let Err(error) = applied {
        panic!("{error:?}");
    }
}

/// The delivery to the chat among those of a notice.
async fn to_ops(api: &Api, notice: &str) -> Value {
    let shape = api.get(&format!("/notices/{notice}")).await.expect(200);
    let deliveries = shape["deliveries"].as_array().expect("deliveries");
    let found = deliveries.iter().find(|shape| shape["target"] == "ops");
    found.expect("a delivery to ops").clone()
}

fn pick(shape: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| shape[*field].clone()).collect()
}

#[tokio::test]
async fn what_is_held_says_why_until_when_and_what_it_tells() {
    let api = Api::start().await;
    quiet(&api).await;
    let mut notices = Vec::new();
    for nth in 0..3 {
        notices.push(api.push("main", &format!("Quiet change {nth}")).await);
    }
    let held = api.get("/held").await.expect(200);
    assert_eq!(held["total"], 1);
    let reasons =
        json!([{"reason": "held_quiet_hours", "count": 1, "next": "2026-11-24T12:01:00Z"}]);
    assert_eq!(held["by_reason"], reasons);
    let host = &held["items"][0];
    let fields = ["status", "held_until", "notices_total", "silent", "pierced"];
    assert_eq!(
        pick(host, &fields),
        json!(["held", "2026-11-24T12:01:00Z", 3, false, false])
    );
    assert_eq!(host["notice_ids"], json!(notices));
    assert_eq!(host["reason"]["what"], "held_quiet_hours");
    for (query, count) in [
        ("target=ops&tracker=main&reason=held_quiet_hours", 1),
        ("target=desk", 0),
        ("tracker=everything", 0),
        ("reason=held_digest", 0),
    ] {
        let some = api.get(&format!("/held?{query}")).await.expect(200);
        assert_eq!(some["items"].as_array().unwrap().len(), count, "{query}");
    }
    let unknown = api.get("/held?reason=boredom").await.expect(422);
    assert_eq!(unknown["errors"][0]["field"], "reason");
    let merged = to_ops(&api, &notices[2]).await;
    assert_eq!(
        pick(&merged, &["status", "merged_into", "merged_into_notice"]),
        json!(["merged", host["id"], notices[0]])
    );
    let counts = api.get("/counts").await.expect(200);
    assert_eq!(counts["totals"]["held"], 1);
    assert_eq!(
        pick(&counts["by_provider"][0], &["provider", "held"]),
        json!(["forge", 1])
    );
    let id = host["id"].as_str().unwrap();
    let release = format!("/deliveries/{id}/release");
    api.post(&release, json!({})).await.expect(200);
    api.settled().await;
    let told = api.get(&format!("/deliveries/{id}")).await.expect(200);
    assert_eq!(told["notice_ids"], json!(notices), "also when it is sent");
    let merged = to_ops(&api, &notices[2]).await;
    assert_eq!(
        pick(
            &merged["told_in"],
            &["delivery", "notice", "listed", "notices_total"]
        ),
        json!([host["id"], notices[0], true, 3])
    );
    assert_eq!(merged["told_in"]["at"], told["settled_at"]);
}

#[tokio::test]
async fn one_is_moved_and_released() {
    let api = Api::start().await;
    quiet(&api).await;
    let notice = api.push("main", "Moved about").await;
    let held = to_ops(&api, &notice).await;
    let path = format!("/deliveries/{}", held["id"].as_str().unwrap());
    for (until, expected) in [
        ("2h", json!("2026-11-24T14:00:00Z")),
        ("2026-11-25T08:00:00+01:00", json!("2026-11-25T07:00:00Z")),
        ("released", Value::Null),
    ] {
        let moved = api
            .post(&format!("{path}/move"), json!({"until": until}))
            .await;
        let moved = moved.expect(200);
        assert_eq!(moved["status"], "held");
        assert!(moved.as_object().unwrap().contains_key("held_until"));
        assert_eq!(moved["held_until"], expected, "{until}");
        assert_eq!(
            moved["reason"],
            json!({"what": "held_operator", "detail": "by token owner"})
        );
    }
    for wrong in [
        json!({}),
        json!({"until": "tomorrow"}),
        json!({"until": "2026-11-24T11:00:00Z"}),
        json!({"until": "400d"}),
    ] {
        let refused = api.post(&format!("{path}/move"), wrong.clone()).await;
        let refused = refused.expect(422);
        assert_eq!(refused["errors"][0]["field"], "until", "{wrong}");
    }
    let reader = {
        use notify_bridge::domain::event::{Role, TokenScope};
        api.token("reader", &[TokenScope::Read], Role::Viewer, None)
            .await
    };
    let release = format!("{path}/release");
    let refused = api.send(Method::POST, &release, &reader, json!({})).await;
    assert_eq!(refused.status, 403);
    api.post(&release, json!({})).await.expect(200);
    api.settled().await;
    assert_eq!(to_ops(&api, &notice).await["status"], "sent");
    assert_eq!(api.post(&release, json!({})).await.status, 409);
    assert_eq!(api.get("/held").await.expect(200)["total"], 0);
}

#[tokio::test]
async fn many_are_counted_moved_released_and_dropped() {
    let api = Api::start().await;
    quiet(&api).await;
    api.push("main", "One of many").await;
    let bulk = async |body: Value| api.post("/deliveries/bulk", body).await;
    for (body, field) in [
        (json!({"action": "move", "filter": {}}), "until"),
        (
            json!({"action": "drop", "until": "2h", "filter": {}}),
            "until",
        ),
        (json!({"action": "hold", "filter": {}}), "action"),
        (json!({"action": "release"}), "ids"),
    ] {
        let refused = bulk(body.clone()).await.expect(422);
        assert_eq!(refused["errors"][0]["field"], field, "{body}");
    }
    let look = json!({"action": "release", "filter": {"target": "ops"}, "dry_run": true});
    assert_eq!(bulk(look).await.expect(200)["matched"], 1);
    let other = json!({"action": "release", "filter": {"reason": "held_digest"}});
    assert_eq!(bulk(other).await.expect(200)["matched"], 0);
    let moved = json!({"action": "move", "until": "3h", "filter": {"tracker": "main"}});
    let moved = bulk(moved).await.expect(200);
    assert_eq!(pick(&moved, &["matched", "done"]), json!([1, 1]));
    // Moved ones gather nothing, so this one is held by itself.
    api.push("main", "Another one").await;
    let held = api.get("/held").await.expect(200);
    assert_eq!(held["total"], 2);
    let dropped = json!({"action": "drop", "filter": {"reason": "held_operator"}});
    assert_eq!(bulk(dropped).await.expect(200)["done"], 1);
    let ids = json!([held["items"][0]["id"]]);
    let released = bulk(json!({"action": "release", "ids": ids})).await;
    assert_eq!(released.expect(200)["done"], 1);
    api.settled().await;
}
