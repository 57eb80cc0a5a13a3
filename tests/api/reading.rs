//! Lists, filters and single things.

use std::collections::BTreeSet;

use crate::harness::{Api, SECRET};
use serde_json::{Value, json};

fn titles(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["title"].as_str().unwrap_or(""))
        .collect()
}

#[tokio::test]
async fn a_notice_reads_whole_and_its_inbox_delivery_in_words() {
    let api = Api::start().await;
    let id = api.push("main", "Lengthen the tail").await;
    api.settled().await;
    let notice = api.get(&format!("/notices/{id}")).await.expect(200);
    assert_eq!(notice["id"], *id);
    assert_eq!(notice["status"], "sent");
    assert_eq!(notice["received_at"], "2026-11-24T12:00:00Z");
    assert_eq!(notice["provider"], "forge");
    assert_eq!(notice["collection"], "kites/tail");
    let whats: Vec<_> = notice["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["what"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["planned", "planned", "sent"]);
    let deliveries = notice["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 2);
    let desk = &deliveries[0];
    assert_eq!(
        json!([
            desk["target"],
            desk["target_kind"],
            desk["receiver"],
            desk["status"],
            desk["tracker"]
        ]),
        json!(["desk", "inbox", "default", "sent", "everything"])
    );
    assert!(
        desk["text"].as_str().unwrap().contains("Lengthen the tail"),
        "{desk}"
    );
    let ops = &deliveries[1];
    assert_eq!(
        json!([
            ops["receiver"],
            ops["parts"][0]["message_ids"],
            ops["parts"][0]["status"],
            ops["notice_ids"]
        ]),
        json!(["team", ["31"], "sent", [id]])
    );
    assert_eq!(
        json!([
            ops["attempts"][0]["outcome"],
            ops["attempts"][0]["http_status"]
        ]),
        json!(["sent", 200])
    );
    let path = format!("/deliveries/{}", ops["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200), *ops);
    let kept = api.get(&format!("/notices/{id}/body")).await.expect(200);
    assert!(kept["body"].as_str().unwrap().contains("Lengthen the tail"));
    assert_eq!(kept["method"], "POST");
}

#[tokio::test]
async fn pages_go_back_one_after_the_other_and_filters_narrow_them() {
    let api = Api::start().await;
    for nth in 0..5 {
        api.push(
            if nth % 2 == 0 { "main" } else { "side" },
            &format!("Change {nth}"),
        )
        .await;
    }
    api.settled().await;
    let mut seen = Vec::new();
    let mut path = "/notices?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["position"].as_u64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/notices?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    for (query, count) in [
        ("", 5),
        ("provider=forge", 5),
        ("provider=api", 0),
        ("kind=push&collection=kites/tail", 5),
        ("kind=release_published", 0),
        ("collection=other", 0),
        ("tracker=main", 3),
        ("tracker=everything&space=home", 5),
        ("severity=info", 5),
        ("severity=critical", 0),
        ("status=sent", 5),
        ("status=parked", 0),
        ("q=change+3", 1),
        ("q=WREN", 5),
        ("q=nothing+of+the+kind", 0),
        ("since=1h", 5),
        ("until=1h", 0),
        ("since=2026-11-24T12:00:00Z&until=2026-11-24T12:00:00Z", 5),
        ("since=2026-11-24T12:00:01Z", 0),
    ] {
        let page = api.get(&format!("/notices?{query}")).await.expect(200);
        assert_eq!(titles(&page).len(), count, "{query}: {page}");
        assert_eq!(page["next"], Value::Null, "{query}");
    }
}

#[tokio::test]
async fn deliveries_are_listed_once_each_open_and_settled() {
    let api = Api::start().await;
    for nth in 0..3 {
        api.push("main", &format!("Change {nth}")).await;
    }
    api.settled().await;
    api.post("/pause", json!({})).await.expect(200);
    api.push("main", "Held back").await;
    let mut seen = BTreeSet::new();
    let mut path = "/deliveries?limit=3".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        for item in page["items"].as_array().unwrap() {
            assert!(
                seen.insert(item["id"].as_str().unwrap().to_owned()),
                "twice: {item}"
            );
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/deliveries?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 8);
    for (query, count) in [
        ("status=due", 1),
        ("status=sent", 7),
        ("status=due,sent", 8),
        ("target=ops", 4),
        ("target=desk&status=sent", 4),
        ("target=desk&status=due", 0),
        ("tracker=main&status=due", 1),
        ("status=parked", 0),
    ] {
        let page = api.get(&format!("/deliveries?{query}")).await.expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let due = api.get("/deliveries?status=due").await.expect(200);
    assert_eq!(due["items"][0]["due_at"], "2026-11-24T12:00:00Z");
    api.post("/resume", json!({})).await.expect(200);
    api.settled().await;
}

#[tokio::test]
async fn counts_add_up_and_the_log_reads_both_ways() {
    let api = Api::start().await;
    api.push("main", "One").await;
    api.push("side", "Two").await;
    api.settled().await;
    let counts = api.get("/counts").await.expect(200);
    assert_eq!(
        counts["totals"],
        json!({"notices": 2, "items": 0, "sent": 3, "held": 0, "parked": 0, "dropped": 0})
    );
    assert_eq!(counts["by_provider"][0]["provider"], "forge");
    assert_eq!(counts["by_day"][0]["day"], "2026-11-24");
    let later = api.get("/counts?since=2026-11-25").await.expect(200);
    assert_eq!(later["totals"]["notices"], 0);

    let up = api.get("/log?from=1&limit=500").await.expect(200);
    let down = api.get("/log?limit=500").await.expect(200);
    let mut reversed = down["items"].as_array().unwrap().clone();
    reversed.reverse();
    assert_eq!(up["items"], Value::Array(reversed));
    assert_eq!(up["items"][0]["kind"], "store_founded");
    assert_eq!(
        up["items"][0]["data"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["epoch", "program"]
    );
    let kinds: BTreeSet<&str> = up["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "token_put",
        "entity_put",
        "notice_accepted",
        "message_composed",
        "attempt_started",
        "delivery_settled",
    ] {
        assert!(kinds.contains(kind), "{kind} is not in {kinds:?}");
    }
    let next = api.get("/log?from=1&limit=2").await.expect(200);
    let path = format!("/log?limit=1&cursor={}", next["next"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["items"][0]["position"], 3);
}

#[tokio::test]
async fn entities_show_their_health_and_what_is_set() {
    let api = Api::start().await;
    let refused = api.hook("another secret", b"{}").await;
    assert_eq!(refused.status, 401);
    api.clock.advance(std::time::Duration::from_secs(1));
    api.push("main", "One").await;
    api.settled().await;
    let answer = api.get("/providers/forge").await;
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let forge = answer.expect(200);
    assert_eq!(tag, format!("\"{}\"", forge["revision"]));
    assert_eq!(
        forge["secrets"],
        json!({"secret": {"set": true, "set_at": "2026-11-24T12:00:00Z"}})
    );
    assert_eq!(forge["managed_by"], "test.toml");
    let health = &forge["health"];
    assert_eq!(
        json!([health["verified"], health["refused"]]),
        json!([1, 1])
    );
    assert!(
        health["last_refused_why"]
            .as_str()
            .unwrap()
            .contains("does not match"),
        "{health}"
    );
    assert_eq!(health["address"], format!("{}/hooks/forge", api.address));
    assert!(!health["traps"].as_array().unwrap().is_empty());
    let setup = api.get("/providers/forge/setup").await.expect(200);
    assert_eq!(setup["address"], health["address"]);
    let test = api
        .post("/providers/forge/test", json!({}))
        .await
        .expect(200);
    assert_eq!(
        json!([test["ok"], test["called"]]),
        json!([true, false]),
        "{test}"
    );
    let ops = api.get("/targets/ops").await.expect(200);
    assert_eq!(
        json!([ops["health"]["failing"], ops["health"]["last_sent_at"]]),
        json!([false, "2026-11-24T12:00:01Z"])
    );
    let targets = api.get("/targets?limit=1").await.expect(200);
    assert_eq!(targets["items"][0]["name"], "ops");
    let path = format!(
        "/targets?limit=1&cursor={}",
        targets["next"].as_str().unwrap()
    );
    assert_eq!(api.get(&path).await.expect(200)["items"][0]["name"], "desk");
    for (path, name) in [("/trackers/main", "main"), ("/templates/short", "short")] {
        assert_eq!(api.get(path).await.expect(200)["name"], name);
    }
    let requests = api.get("/providers/forge/requests").await.expect(200);
    let items = requests["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["readable"], true);
    assert!(
        items[0]["headers"].to_string().contains("x-gitea-event"),
        "{requests}"
    );
}

#[tokio::test]
async fn an_unreadable_request_is_listed_with_its_reason() {
    let api = Api::start().await;
    assert_eq!(api.hook(SECRET, b"not json").await.status, 422);
    let requests = api.get("/providers/forge/requests").await.expect(200);
    assert_eq!(requests["items"][0]["readable"], false);
    assert!(
        requests["items"][0]["why"]
            .as_str()
            .unwrap()
            .contains("JSON"),
        "{requests}"
    );
}

#[tokio::test]
async fn why_not_names_the_reason() {
    let api = Api::start().await;
    let id = api.push("side", "Aside").await;
    for (query, fragment) in [
        ("tracker=main", "filter_said_no"),
        ("target=ops", "filter_said_no"),
        ("tracker=everything", "got it"),
    ] {
        let answer = api
            .get(&format!("/notices/{id}/why-not?{query}"))
            .await
            .expect(200);
        let says = answer["says"].as_str().unwrap();
        assert!(says.contains(fragment), "{query}: {answer}");
    }
    assert_eq!(
        api.get(&format!("/notices/{id}/why-not?tracker=nobody"))
            .await
            .status,
        404
    );
    assert_eq!(api.get(&format!("/notices/{id}/why-not")).await.status, 422);
}

#[tokio::test]
async fn metrics_are_open_on_loopback_only() {
    let api = Api::start().await;
    api.push("main", "One").await;
    api.settled().await;
    let open = api
        .ask(reqwest::Method::GET, "/metrics", "", &[], Vec::new())
        .await;
    assert_eq!(open.status, 200);
    for line in [
        "notify_bridge_notices_total 1",
        "notify_bridge_deliveries_total{outcome=\"sent\"} 2",
        "notify_bridge_attempts_total 1",
        "notify_bridge_intake_requests_total{provider=\"forge\",result=\"verified\"} 1",
        "notify_bridge_open_deliveries{status=\"due\"} 0",
        "notify_bridge_waiting_commands{queue=\"intake\"} 0",
        "notify_bridge_failing_targets 0",
    ] {
        assert!(
            open.text.lines().any(|found| found == line),
            "{line} is not in {}",
            open.text
        );
    }
    let proxied = [("x-forwarded-for", "203.0.113.5")];
    for (token, status) in [("", 401), (api.owner.as_str(), 200)] {
        let answer = api
            .ask(
                reqwest::Method::GET,
                "/metrics",
                token,
                &proxied,
                Vec::new(),
            )
            .await;
        assert_eq!(answer.status, status);
    }
}
