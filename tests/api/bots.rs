//! Bots over the API: who they are, the chats they were seen in, and who may ask.

use notify_bridge::domain::event::{Role, TokenScope};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, TOKEN};

/// An API with a bot that is called where the target `ops` is.
async fn with_bot(more: &str) -> Api {
    let api = Api::start().await;
    let base = {
        let state = api.app.ledger.state();
        let target = state.configuration.target("ops").expect("a target");
        target.entity.spec.api_base.clone().expect("an address")
    };
    let file = format!(
        r#"
[[bot]]
name = "herald"
kind = "telegram"
token = "{TOKEN}"
api_base = "{base}"
allow_private = true
{more}

[[target]]
name = "porch"
kind = "telegram"
bot = "herald"
receivers = [ {{ to = "31" }} ]
"#
    );
    api.post("/apply", json!({"text": file})).await.expect(200);
    api
}

const HEARD: &str = r#"{"ok":true,"result":[
    {"update_id":5,"message":{"chat":{"id":31,"type":"private","first_name":"Wren"},"from":{"language_code":"de"}}},
    {"update_id":6,"my_chat_member":{"chat":{"id":-8,"type":"group","title":"Kites"},"new_chat_member":{"status":"left"}}}]}"#;

#[tokio::test]
async fn a_look_answers_with_the_chats() {
    let api = with_bot("").await;
    let none = api.get("/bots/herald/chats").await.expect(200);
    assert_eq!(none, json!({"items": [], "next": null}));
    api.script(200, HEARD);
    let found = api
        .post("/bots/herald/discover", json!({"for": "90s"}))
        .await;
    let found = found.expect(202);
    let seen_at = "2026-11-24T12:00:00Z";
    assert_eq!(
        found,
        json!({
            "items": [
                {"to": "-8", "kind": "group", "title": "Kites", "left": true, "seen_at": seen_at},
                {"to": "31", "kind": "private", "title": "Wren", "language": "de", "seen_at": seen_at},
            ],
            "next": null,
            "looking_until": "2026-11-24T12:01:30Z",
        })
    );
    let again = api.get("/bots/herald/chats?limit=1").await.expect(200);
    assert_eq!(again["items"].as_array().map(Vec::len), Some(1));
    for span in ["5m1s", "0s", "soon"] {
        let refused = api
            .post("/bots/herald/discover", json!({"for": span}))
            .await;
        let refused = refused.expect(422);
        assert_eq!(refused["errors"][0]["field"], "for", "{span}");
    }
    for path in ["/bots/nobody/chats", "/bots/nobody"] {
        api.get(path).await.expect(404);
    }
    for path in ["/bots/nobody/discover", "/bots/nobody/test"] {
        api.post(path, json!({})).await.expect(404);
    }
}

#[tokio::test]
async fn a_bot_is_shown_without_its_token() {
    let api = with_bot("mode = \"webhook\"\nsecret = \"canary-hook\"").await;
    api.script(
        200,
        r#"{"ok":true,"result":{"id":7,"username":"herald_bot","first_name":"Herald"}}"#,
    );
    let tested = api.post("/bots/herald/test", json!({})).await.expect(200);
    assert_eq!(
        json!([tested["ok"], tested["says"]]),
        json!([true, "it answers as @herald_bot"])
    );
    let shown = api.get("/bots/herald").await;
    assert!(!shown.text.contains(TOKEN) && !shown.text.contains("canary-hook"));
    let shown = shown.expect(200);
    assert_eq!(
        json!([
            shown["kind"],
            shown["mode"],
            shown["enabled"],
            shown["secrets"]["token"]["set"]
        ]),
        json!(["telegram", "webhook", true, true])
    );
    let address = format!("{}/hooks/bots/herald", api.address);
    assert_eq!(
        shown["health"],
        json!({
            "chats": 0,
            "targets": ["porch"],
            "address": address,
            "identity": {"id": 7, "username": "herald_bot", "name": "Herald"},
        })
    );
    let list = api.get("/bots").await.expect(200);
    assert_eq!(list["items"][0]["name"], "herald");
    let target = api.get("/targets/porch").await.expect(200);
    assert_eq!(
        json!([target["bot"], target["secrets"]]),
        json!(["herald", {}])
    );
    // A target is probed with what its bot has.
    let probed = api.post("/targets/porch/test?probe=true", json!({})).await;
    assert_eq!(probed.expect(200)["ok"], true);
    api.script(
        401,
        r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#,
    );
    let refused = api.post("/bots/herald/test", json!({})).await.expect(200);
    assert_eq!(refused["ok"], false);
    api.script(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: bad webhook"}"#,
    );
    let refused = api.post("/bots/herald/discover", json!({})).await;
    let refused = refused.expect(502);
    let detail = refused["detail"].as_str().expect("a detail");
    assert!(detail.contains("bad webhook"), "{detail}");
    // The log says what was heard of, and no secret.
    let log = api.get("/log").await;
    assert!(!log.text.contains(TOKEN) && !log.text.contains("canary-hook"));
    let log = log.expect(200);
    let events = log["items"].as_array().expect("events");
    let verified: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "bot_verified")
        .collect();
    assert_eq!(verified[0]["data"]["identity"]["username"], "herald_bot");
}

#[tokio::test]
async fn only_who_may_configure_asks() {
    let api = with_bot("").await;
    let reader = api
        .token("reader", &[TokenScope::Read], Role::Viewer, None)
        .await;
    for (method, path, expected) in [
        (Method::GET, "/bots/herald/chats", 200),
        (Method::POST, "/bots/herald/discover", 403),
        (Method::POST, "/bots/herald/test", 403),
    ] {
        let answer = api.send(method, path, &reader, json!({})).await;
        assert_eq!(answer.status, expected, "{path}");
    }
    // One in use is not removed, and says who uses it.
    let file = r#"
[[target]]
name = "porch"
kind = "telegram"
bot = "herald"
receivers = [ { to = "31" } ]
"#;
    let refused = api
        .post("/apply", json!({"text": file, "prune": true}))
        .await;
    let refused = refused.expect(422);
    let message = refused["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("uses the bot `herald`"), "{message}");
}
