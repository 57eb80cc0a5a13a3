//! Search, and how much there is.

use crate::harness::Api;
use serde_json::{Value, json};

fn joined(pieces: &Value) -> String {
    let pieces = pieces.as_array().into_iter().flatten();
    pieces
        .map(|piece| {
            let text = piece["text"].as_str().unwrap_or_default();
            if piece["match"] == true {
                format!("[{text}]")
            } else {
                text.to_owned()
            }
        })
        .collect()
}

#[tokio::test]
async fn what_was_received_sent_and_changed_is_found_at_once() {
    let api = Api::start().await;
    let id = api.push("main", "Lengthen the tail").await;
    api.push("side", "Shorten the string").await;
    api.settled().await;
    let page = api.get("/search?q=lengthen+is:notice").await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let hit = &page["items"][0];
    assert_eq!(
        json!([
            hit["is"],
            hit["id"],
            hit["notice"],
            hit["provider"],
            hit["kind"]
        ]),
        json!(["notice", id, id, "forge", "push"])
    );
    let said = format!("{} {}", joined(&hit["title"]), joined(&hit["excerpt"]));
    assert!(said.contains("[Lengthen]"), "{hit}");
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["index"]["complete"], true);
    for (query, found) in [
        ("q=tail+target:ops", 1),
        ("q=tail+target:desk+status:sent", 2),
        ("q=is:change+provider:forge", 1),
        ("q=is:delivery+status:sent", 3),
        ("q=string+-is:notice", 1),
        ("q=%22the+tail%22+is:notice", 1),
        ("q=zeppelin", 0),
        ("q=", 500),
    ] {
        let page = api
            .get(&format!("/search?{query}&limit=500"))
            .await
            .expect(200);
        let count = page["items"].as_array().map_or(0, Vec::len);
        let is_as_expected = if found == 500 {
            count > 10
        } else {
            count == found
        };
        assert!(is_as_expected, "{query} finds {count}: {page}");
    }
    let slip = api.get("/search?q=lenghten").await.expect(200);
    assert_eq!(slip["showing_results_for"], "lengthen", "{slip}");
    let facets = api.get("/search/facets?q=is:delivery").await.expect(200);
    assert_eq!(facets["total"], 3, "{facets}");
    assert_eq!(
        facets["facets"]["target"],
        json!([{"value": "desk", "count": 2}, {"value": "ops", "count": 1}])
    );
}

#[tokio::test]
async fn what_is_open_stands_with_the_answer() {
    let api = Api::start().await;
    api.post("/pause", json!({})).await.expect(200);
    api.push("main", "Waits for somebody").await;
    let page = api.get("/search?q=waits+target:ops").await.expect(200);
    assert_eq!(page["items"], json!([]), "{page}");
    assert_eq!(page["open"]["items"][0]["status"], "due", "{page}");
    assert_eq!(page["open"]["complete"], true);
}

#[tokio::test]
async fn what_cannot_be_asked_says_why() {
    let api = Api::start().await;
    for (path, field) in [
        ("/search?q=provder:forge", "q"),
        ("/search/facets?q=(a", "q"),
        ("/notices?q=status:lost", "q"),
        ("/search?q=a&sort=size", "sort"),
        ("/search?q=a&limit=0", "limit"),
        ("/search?q=a&cursor=nonsense", "cursor"),
        // Nothing is held under it.
        ("/search?q=a&cursor=aC4xLjE", "cursor"),
        ("/search?query=a", "query"),
    ] {
        let problem = api.get(path).await.expect(422);
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
}
