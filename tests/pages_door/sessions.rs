//! Login, logout, and what a session may do at the API.

use std::time::Duration;

use notify_bridge::domain::event::{Role, TokenScope};
use notify_bridge::shell::options::HttpOptions;
use reqwest::Method;

use super::browser::{Bridge, Browser, Origin, PASSWORD};

#[tokio::test]
async fn a_login_lasts_until_the_logout_and_not_longer() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    let answer = browser
        .log_in("wren", PASSWORD, "/notices?severity=critical")
        .await;
    assert_eq!(
        (answer.status, answer.location()),
        (303, "/notices?severity=critical")
    );
    assert_eq!(browser.known_as().await, "wren");
    let first = browser.session().to_owned();
    assert_eq!(browser.get("/login?next=/log").await.location(), "/log");

    // Forms of another session, and of another site, do not log out.
    for (origin, csrf) in [
        (Origin::Ours, String::new()),
        (Origin::Ours, csrf_of("another secret")),
        (Origin::CrossSite, csrf_of(&first)),
        (Origin::ForeignName, csrf_of(&first)),
        (Origin::Unsaid, csrf_of(&first)),
    ] {
        browser.origin = origin;
        let refused = browser.post("/logout", &[("csrf", &csrf)]).await;
        assert_eq!(refused.status, 403, "{origin:?}");
    }
    browser.origin = Origin::OursByName;
    let csrf = csrf_of(&first);
    let left = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!((left.status, left.location()), (303, "/login"));
    assert_eq!(browser.known_as().await, "");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);

    let mut thief = bridge.browser();
    thief.cookies.insert("notify_bridge".into(), first.clone());
    assert_eq!(thief.known_as().await, "", "a replayed cookie is nobody's");
    assert_ne!(bridge.logged_in("wren").await.session(), first);
}

fn csrf_of(secret: &str) -> String {
    notify_bridge::shell::http::session::csrf_of(secret)
}

#[tokio::test]
async fn a_login_leads_to_our_own_pages_only() {
    let bridge = Bridge::owned().await;
    for next in [
        "https://nest.example/",
        "//nest.example/",
        "/\\nest.example",
        "/\t/nest.example",
        "",
        "log",
    ] {
        let mut browser = bridge.browser();
        let answer = browser.log_in("wren", PASSWORD, next).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next}");
    }
}

#[tokio::test]
async fn a_wrong_login_says_the_same_for_every_name() {
    let bridge = Bridge::owned().await;
    let mut pages = Vec::new();
    for name in ["wren", "nobody"] {
        let mut browser = bridge.browser();
        let csrf = browser.get("/login").await.csrf();
        let refused = browser
            .send_login(name, "not the password", "", &csrf)
            .await;
        assert_eq!(refused.status, 403);
        assert_eq!(browser.known_as().await, "");
        let shown = refused.csrf();
        pages.push(refused.text.replace(name, "NAME").replace(&shown, "CSRF"));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn a_login_form_is_of_its_own_browser_and_site() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    let csrf = browser.get("/login").await.csrf();
    for origin in [Origin::CrossSite, Origin::ForeignName, Origin::Unsaid] {
        browser.origin = origin;
        let refused = browser.send_login("wren", PASSWORD, "", &csrf).await;
        assert_eq!(refused.status, 403, "{origin:?}");
    }
    browser.origin = Origin::Ours;
    for csrf in ["", "guess"] {
        let refused = browser.send_login("wren", PASSWORD, "", csrf).await;
        assert_eq!(refused.status, 403, "{csrf:?}");
    }
    let mut other = bridge.browser();
    let refused = other.send_login("wren", PASSWORD, "", &csrf).await;
    assert_eq!(
        refused.status, 403,
        "the form's cookie is another browser's"
    );
    assert_eq!(other.known_as().await, "");
    let answer = browser.send_login("wren", PASSWORD, "", &csrf).await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn tries_are_slowed_and_never_locked_out() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    for _ in 0..5 {
        let refused = browser.log_in("wren", "not the password", "").await;
        assert_eq!(refused.status, 403);
    }
    let slowed = browser.log_in("wren", PASSWORD, "").await;
    assert_eq!((slowed.status, slowed.header("retry-after")), (429, "1"));
    assert!(slowed.text.contains("Wait 1 s"), "{}", slowed.text);
    bridge.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.log_in("wren", PASSWORD, "").await.status, 303);
}

#[tokio::test]
async fn cookies_of_an_https_address_are_held_to_it() {
    let bridge = Bridge::start(HttpOptions {
        public_url: Some("https://bridge.example".into()),
        ..HttpOptions::default()
    })
    .await;
    bridge.user("wren", Role::Owner).await;
    let mut browser = bridge.browser();
    let answer = browser.log_in("wren", PASSWORD, "").await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-notify_bridge="), "{cookie}");
    assert!(
        cookie.ends_with("; Secure") && cookie.contains("; Path=/;"),
        "{cookie}"
    );
    assert_eq!(browser.known_as().await, "wren");
}

async fn pause(browser: &mut Browser<'_>, csrf: &str, more: &[(&str, &str)]) -> u16 {
    let mut headers = vec![("x-csrf-token", csrf)];
    headers.extend(more);
    let path = "/api/v1/pause";
    let answer = browser
        .ask(Method::POST, path, &headers, String::new())
        .await;
    answer.status
}

#[tokio::test]
async fn a_session_may_at_the_api_what_its_role_may() {
    let bridge = Bridge::owned().await;
    bridge.user("reader", Role::Viewer).await;
    bridge.user("writer", Role::Editor).await;
    for (name, paths) in [
        ("reader", [("notices", 200), ("export", 403), ("log", 403)]),
        ("writer", [("notices", 200), ("export", 403), ("log", 403)]),
        ("wren", [("notices", 200), ("export", 200), ("log", 200)]),
    ] {
        let mut browser = bridge.logged_in(name).await;
        for (path, status) in paths {
            let answer = browser.get(&format!("/api/v1/{path}")).await;
            assert_eq!(answer.status, status, "{name}: {path}: {}", answer.text);
        }
        let csrf = csrf_of(browser.session());
        let expected = if name == "reader" { 403 } else { 200 };
        let status = pause(&mut browser, &csrf, &[]).await;
        assert_eq!(status / 100, expected / 100, "{name}: {status}");
    }
}

#[tokio::test]
async fn a_change_by_session_needs_its_site_and_its_token() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.logged_in("wren").await;
    let csrf = csrf_of(browser.session());
    assert_eq!(pause(&mut browser, "", &[]).await, 403);
    assert_eq!(pause(&mut browser, "guess", &[]).await, 403);
    for origin in [Origin::CrossSite, Origin::ForeignName, Origin::Unsaid] {
        browser.origin = origin;
        assert_eq!(pause(&mut browser, &csrf, &[]).await, 403, "{origin:?}");
    }
    assert!(!bridge.app.ledger.state().outbox.paused);
    browser.origin = Origin::OursByName;
    assert_eq!(pause(&mut browser, &csrf, &[]).await / 100, 2);
    assert!(bridge.app.ledger.state().outbox.paused);
    // A token ignores cookies, and what it may not do the session does not make up for.
    let token = format!("Bearer {}", bridge.token("eyes", TokenScope::Read).await);
    let status = pause(&mut browser, &csrf, &[("authorization", &token)]).await;
    assert_eq!(status, 403);
    let status = pause(&mut browser, &csrf, &[("authorization", "Bearer nb_no")]).await;
    assert_eq!(status, 401);
}
