//! What is not understood is answered as a problem that says what to do.

use crate::harness::Api;
use reqwest::Method;
use serde_json::Value;

type Headers = [(&'static str, &'static str)];
/// Method, path, headers and body; status, and what the detail says.
type Case<'a> = (&'a str, &'a str, &'a Headers, &'a str, u16, &'a str);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem() {
    let api = Api::start().await;
    let id = api.push("main", "One").await;
    let changed = format!(
        "{}{}",
        if id.starts_with('0') { "1" } else { "0" },
        &id[1..]
    );
    let other_id = format!("/api/v1/notices/{changed}");
    let delivery_id = format!("/api/v1/deliveries/{id}");
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(1_100_000));
    let form: &[(&str, &str)] = &[("content-type", "text/plain")];
    let none: &[(&str, &str)] = &[];
    let cases: &[Case<'_>] = &[
        (
            "GET",
            "/api/v1/nothing",
            none,
            "",
            404,
            "there is no GET /api/v1/nothing",
        ),
        ("GET", "/api/v1", none, "", 404, "/api/v1"),
        ("GET", "/api/v1/", none, "", 404, "/api/v1/"),
        ("GET", "/api", none, "", 404, "/api"),
        ("GET", "/api/v2/notices", none, "", 404, "/api/v2/notices"),
        (
            "GET",
            "/api/v1/deliveries/x/postpone",
            none,
            "",
            404,
            "postpone",
        ),
        ("DELETE", "/api/v1/notices", none, "", 405, "DELETE"),
        ("POST", "/metrics", none, "", 405, "POST"),
        (
            "GET",
            "/api/v1/notices/short",
            none,
            "",
            404,
            "there is no notice short",
        ),
        ("GET", &other_id, none, "", 404, "there is no notice"),
        ("GET", &delivery_id, none, "", 404, "there is no delivery"),
        ("GET", "/api/v1/notices/%ff", none, "", 400, ""),
        (
            "GET",
            "/api/v1/notices?limit=501",
            none,
            "",
            422,
            "limit: is a number from 1 to 500",
        ),
        ("GET", "/api/v1/notices?limit=0", none, "", 422, "limit"),
        (
            "GET",
            "/api/v1/notices?cursor=zzz",
            none,
            "",
            422,
            "cursor: is not a cursor",
        ),
        (
            "GET",
            "/api/v1/notices?severty=info",
            none,
            "",
            422,
            "did you mean severity",
        ),
        (
            "GET",
            "/api/v1/notices?status=lost",
            none,
            "",
            422,
            "status: is one of unrouted",
        ),
        (
            "GET",
            "/api/v1/notices?provider=nobody",
            none,
            "",
            422,
            "there is no provider nobody",
        ),
        (
            "GET",
            "/api/v1/notices?since=yesterday",
            none,
            "",
            422,
            "since: is a time",
        ),
        (
            "GET",
            "/api/v1/notices?space=office",
            none,
            "",
            404,
            "there is no space office",
        ),
        (
            "GET",
            "/api/v1/log?from=here",
            none,
            "",
            422,
            "from: is a position",
        ),
        (
            "GET",
            "/api/v1/targets/nowhere",
            none,
            "",
            404,
            "there is no target nowhere",
        ),
        (
            "POST",
            "/api/v1/notify",
            form,
            "{}",
            415,
            "application/json",
        ),
        ("POST", "/api/v1/notify", JSON, "{", 400, "not JSON"),
        (
            "POST",
            "/api/v1/notify",
            JSON,
            "{} {}",
            422,
            "body: missing field `body`",
        ),
        (
            "POST",
            "/api/v1/notify",
            JSON,
            r#"{"body":"x","target":"desk"} 1"#,
            400,
            "one JSON value",
        ),
        (
            "POST",
            "/api/v1/notify",
            JSON,
            r#"{"bdy":"x"}"#,
            422,
            "bdy: is not known here; did you mean body?",
        ),
        (
            "POST",
            "/api/v1/notify",
            JSON,
            r#"{"body":7}"#,
            422,
            "body: invalid type",
        ),
        (
            "POST",
            "/api/v1/deliveries/bulk",
            JSON,
            r#"{"action":"drop","filter":{"state":"x"}}"#,
            422,
            "filter.state",
        ),
        (
            "POST",
            "/api/v1/deliveries/bulk",
            JSON,
            r#"{"action":"drop"}"#,
            422,
            "either ids or a filter",
        ),
        (
            "POST",
            "/api/v1/deliveries/bulk",
            JSON,
            r#"{"action":"fold","ids":[]}"#,
            422,
            "action: is one of",
        ),
        ("POST", "/api/v1/apply", JSON, &large, 413, "1048576 bytes"),
    ];
    for (method, path, headers, body, status, fragment) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = body.as_bytes().to_vec();
        let answer = api
            .ask(method.clone(), path, &api.owner, headers, body)
            .await;
        let place = format!("{method} {path}");
        assert_eq!(answer.status, *status, "{place}: {}", answer.text);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{place}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store", "{place}");
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{place}"
        );
        assert!(answer.headers.contains_key("x-request-id"), "{place}");
        let problem = answer.json();
        assert_eq!(problem["status"], *status, "{place}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(fragment), "{place}: {detail}");
        assert_eq!(
            problem["errors"] != Value::Null,
            *status == 422,
            "{place}: {problem}"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_says_which_are_right() {
    let api = Api::start().await;
    let answer = api
        .ask(Method::PUT, "/api/v1/tokens", &api.owner, &[], Vec::new())
        .await;
    assert_eq!(answer.status, 405);
    let allow = answer.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn a_foreign_host_is_turned_away() {
    let api = Api::start().await;
    let headers = [("host", "rebind.example")];
    let answer = api
        .ask(
            Method::GET,
            "/api/v1/notices",
            &api.owner,
            &headers,
            Vec::new(),
        )
        .await;
    assert_eq!(answer.status, 421);
}
