//! Tokens, scopes, roles, users.

use std::time::Duration;

use crate::harness::Api;
use notify_bridge::domain::event::{Role, TokenScope};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn every_endpoint_asks_for_its_scope_and_role() {
    use TokenScope::{Admin, Notify, Operate, Read};
    let api = Api::start().await;
    let id = api.push("main", "One").await;
    api.settled().await;
    let reader = api.token("reader", &[Read], Role::Viewer, None).await;
    let auditor = api.token("auditor", &[Read], Role::Owner, None).await;
    let sender = api.token("sender", &[Notify], Role::Editor, None).await;
    let bound = api
        .token("bound", &[Notify], Role::Editor, Some("desk"))
        .await;
    let operator = api.token("operator", &[Operate], Role::Editor, None).await;
    let admin = api.token("admin", &[Admin], Role::Admin, None).await;
    let notify = json!({"body": "hello", "target": "desk"});
    let elsewhere = json!({"body": "hello", "target": "ops"});
    let tagged = json!({"body": "hello", "tag": "loud"});
    let none = json!({});
    let body = format!("/notices/{id}/body");
    let resend = format!("/notices/{id}/resend");
    let cases = [
        (
            "GET",
            "/notices",
            &none,
            vec![
                (&reader, 200),
                (&sender, 403),
                (&bound, 403),
                (&operator, 403),
                (&admin, 200),
            ],
        ),
        (
            "GET",
            "/log",
            &none,
            vec![
                (&reader, 403),
                (&auditor, 200),
                (&admin, 403),
                (&api.owner, 200),
            ],
        ),
        (
            "GET",
            &body,
            &none,
            vec![(&reader, 403), (&auditor, 403), (&admin, 200)],
        ),
        (
            "GET",
            "/users",
            &none,
            vec![(&auditor, 403), (&admin, 403), (&api.owner, 200)],
        ),
        ("GET", "/tokens", &none, vec![(&reader, 403), (&admin, 200)]),
        ("GET", "/export", &none, vec![(&reader, 403), (&admin, 200)]),
        (
            "GET",
            "/export?secrets=plain",
            &none,
            vec![(&admin, 403), (&api.owner, 200)],
        ),
        ("GET", "/me", &none, vec![(&bound, 200), (&reader, 200)]),
        (
            "GET",
            "/snapshots",
            &none,
            vec![
                (&reader, 403),
                (&auditor, 200),
                (&admin, 403),
                (&api.owner, 200),
            ],
        ),
        (
            "POST",
            "/snapshots",
            &none,
            vec![(&auditor, 403), (&admin, 403), (&api.owner, 200)],
        ),
        (
            "POST",
            "/pause",
            &none,
            vec![(&reader, 403), (&sender, 403), (&operator, 200)],
        ),
        ("POST", "/resume", &none, vec![(&operator, 200)]),
        (
            "POST",
            &resend,
            &none,
            vec![(&reader, 403), (&operator, 202)],
        ),
        (
            "POST",
            "/notify",
            &notify,
            vec![
                (&reader, 403),
                (&operator, 403),
                (&sender, 202),
                (&bound, 202),
            ],
        ),
        (
            "POST",
            "/notify",
            &elsewhere,
            vec![(&bound, 403), (&sender, 202)],
        ),
        ("POST", "/notify", &tagged, vec![(&bound, 403)]),
        (
            "POST",
            "/apply",
            &none,
            vec![(&operator, 403), (&admin, 422)],
        ),
        (
            "POST",
            "/targets/ops/test",
            &none,
            vec![(&operator, 403), (&admin, 202)],
        ),
    ];
    for (method, path, body, expected) in cases {
        for (token, status) in expected {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = api.send(method.clone(), path, token, body.clone()).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_token_that_is_none_says_so() {
    let api = Api::start().await;
    let unknown = format!("nb_{}", "A".repeat(43));
    for (header, fragment) in [
        ("", "send one header"),
        ("Basic b3duZXI6eA==", "not a bearer token"),
        ("Bearer secret", "begin with nb_"),
        (format!("Bearer {unknown}").as_str(), "not known"),
    ] {
        let headers: &[(&str, &str)] = match header {
            "" => &[],
            header => &[("authorization", header)],
        };
        let answer = api
            .ask(Method::GET, "/api/v1/notices", "", headers, Vec::new())
            .await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(answer.text.contains(fragment), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_token_is_made_shown_once_expires_and_is_revoked() {
    let api = Api::start().await;
    let wanted = json!({"name": "watch", "scopes": ["read"], "expires": "1h"});
    let made = api.post("/tokens", wanted.clone()).await.expect(201);
    assert_eq!(
        json!([made["role"], made["expires_at"]]),
        json!(["viewer", "2026-11-24T13:00:00Z"])
    );
    let token = made["token"].as_str().unwrap();
    let me = api
        .send(Method::GET, "/me", token, json!({}))
        .await
        .expect(200);
    assert_eq!(
        json!([me["token"], me["scopes"], me["role"]]),
        json!(["watch", ["read"], "viewer"])
    );
    assert_eq!(api.post("/tokens", wanted).await.status, 409);
    let listed = api.get("/tokens").await;
    assert!(!listed.text.contains(token));
    assert_eq!(listed.json()["items"][0]["name"], "watch");
    api.clock.advance(Duration::from_secs(3_600));
    let expired = api.send(Method::GET, "/me", token, json!({})).await;
    assert!(
        expired.status == 401 && expired.text.contains("expired"),
        "{}",
        expired.text
    );

    let admin = api
        .token("admin", &[TokenScope::Admin], Role::Admin, None)
        .await;
    for (body, status) in [
        (
            json!({"name": "a", "scopes": ["read"], "role": "owner"}),
            403,
        ),
        (json!({"name": "b", "scopes": []}), 422),
        (json!({"name": "c", "scopes": ["fly"]}), 422),
        (
            json!({"name": "d", "scopes": ["notify", "read"], "target": "desk"}),
            422,
        ),
        (
            json!({"name": "e", "scopes": ["notify"], "target": "nowhere"}),
            404,
        ),
        (
            json!({"name": "f", "scopes": ["notify"], "target": "desk"}),
            201,
        ),
    ] {
        let answer = api
            .send(Method::POST, "/tokens", &admin, body.clone())
            .await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let above = api
        .send(Method::DELETE, "/tokens/owner", &admin, json!({}))
        .await;
    assert_eq!(above.status, 403);
    let gone = api
        .send(Method::DELETE, "/tokens/admin", &api.owner, json!({}))
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        api.send(Method::GET, "/me", &admin, json!({})).await.status,
        401
    );
    assert_eq!(
        api.send(Method::DELETE, "/tokens/admin", &api.owner, json!({}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn users_are_kept_without_their_passwords() {
    let api = Api::start().await;
    let wren = json!({"name": "wren", "role": "admin", "password": "a long enough one"});
    let made = api.post("/users", wren.clone()).await.expect(201);
    // The first admin owns the installation.
    assert_eq!(made, json!({"name": "wren", "role": "owner"}));
    assert_eq!(api.post("/users", wren).await.status, 409);
    let short = api
        .post("/users", json!({"name": "ada", "password": "short"}))
        .await;
    assert_eq!(short.expect(422)["errors"][0]["field"], "password");
    api.post(
        "/users",
        json!({"name": "ada", "password": "another long one"}),
    )
    .await
    .expect(201);
    for (body, status) in [
        (json!({"role": "editor"}), 200),
        (json!({"password": "yet another one"}), 200),
        (json!({"password": "short"}), 422),
        (json!({"rolle": "editor"}), 422),
    ] {
        let answer = api
            .send(Method::PATCH, "/users/ada", &api.owner, body)
            .await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let nobody = api
        .send(Method::PATCH, "/users/nobody", &api.owner, json!({}))
        .await;
    assert_eq!(nobody.status, 404);
    let listed = api.get("/users").await;
    assert!(!listed.text.contains("argon2"));
    assert_eq!(
        listed.json()["items"],
        json!([{"name": "ada", "role": "editor"}, {"name": "wren", "role": "owner"}])
    );
    let log = api.get("/log").await;
    assert!(!log.text.contains("argon2") && !log.text.contains("long one"));
    assert_eq!(
        api.send(Method::DELETE, "/users/wren", &api.owner, json!({}))
            .await
            .status,
        409
    );
    assert_eq!(
        api.send(Method::DELETE, "/users/ada", &api.owner, json!({}))
            .await
            .status,
        204
    );
}
