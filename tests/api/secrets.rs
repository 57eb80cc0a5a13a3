//! No answer to any GET holds a secret, whatever happened before.

use crate::harness::{Api, SECRET, TOKEN};
use serde_json::json;

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let api = Api::start().await;
    // The service echoes its token, and the sender its secret.
    let echo = json!({"ok": false, "error_code": 400, "description": format!("no /bot{TOKEN}/sendMessage")});
    for _ in 0..3 {
        api.script(400, &echo.to_string());
    }
    let id = api.push("main", &format!("my secret is {SECRET}")).await;
    api.parked(1).await;
    api.hook("wrong", b"{}").await;
    api.hook(SECRET, format!("not json {SECRET}").as_bytes())
        .await;
    let user = json!({"name": "wren", "password": "canary-password-of-wren"});
    api.post("/users", user).await.expect(201);
    let made = api
        .post("/tokens", json!({"name": "t", "scopes": ["read"]}))
        .await
        .expect(201);
    let text = "[[provider]]\nname = \"by-path\"\nkind = \"webhook\"\nverify = \"path\"\nsecret = \"canary-in-a-path\"\n";
    api.post("/apply", json!({"text": text})).await.expect(200);
    let notice = api.get(&format!("/notices/{id}")).await.expect(200);
    let delivery = notice["deliveries"][1]["id"].as_str().unwrap();
    let paths = [
        "/me",
        "/notices",
        "/deliveries",
        "/deliveries?status=parked",
        "/parked",
        "/snoozes",
        "/counts",
        "/log?limit=500",
        "/log?from=1&limit=500",
        "/export",
        "/providers",
        "/providers/forge",
        "/providers/by-path",
        "/providers/by-path/setup",
        "/providers/forge/setup",
        "/providers/forge/requests",
        "/targets",
        "/targets/ops",
        "/trackers",
        "/trackers/main",
        "/templates",
        "/templates/short",
        "/users",
        "/tokens",
    ];
    let mut paths: Vec<String> = paths.iter().map(|path| format!("/api/v1{path}")).collect();
    for path in ["", "/body", "/why-not?target=ops", "/why-not?tracker=main"] {
        paths.push(format!("/api/v1/notices/{id}{path}"));
    }
    paths.push(format!("/api/v1/deliveries/{delivery}"));
    paths.push("/metrics".to_owned());
    let token = made["token"].as_str().unwrap();
    for path in paths {
        let answer = api
            .ask(reqwest::Method::GET, &path, &api.owner, &[], Vec::new())
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let shown = format!("{:?}{}", answer.headers, answer.text);
        for secret in [SECRET, TOKEN, "canary", "argon2", token, api.owner.as_str()] {
            assert!(
                !shown.contains(secret),
                "{path} holds {secret}: {}",
                answer.text
            );
        }
    }
}
