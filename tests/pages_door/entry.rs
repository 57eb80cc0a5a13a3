//! The first admin, and what every page carries.

use std::time::Duration;

use notify_bridge::domain::event::Role;
use notify_bridge::shell::options::HttpOptions;
use reqwest::Method;

use super::browser::{Bridge, Browser, Origin, PASSWORD};

async fn send_setup(
    browser: &mut Browser<'_>,
    name: &str,
    password: &str,
    again: &str,
    csrf: &str,
) -> super::browser::Answer {
    let fields = [
        ("name", name),
        ("password", password),
        ("password_again", again),
        ("csrf", csrf),
    ];
    browser.post("/setup", &fields).await
}

#[tokio::test]
async fn the_link_makes_one_owner_and_then_is_gone() {
    let bridge = Bridge::start(HttpOptions::default()).await;
    let mut browser = bridge.browser();
    // A dead login would help nobody.
    for path in ["/", "/login"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 503, "{path}");
        assert!(page.text.contains("open the setup link"), "{}", page.text);
    }
    assert_eq!(browser.get("/setup").await.status, 403);
    assert_eq!(browser.get("/setup?secret=guess").await.status, 403);

    let link = bridge.running.setup_link().expect("no admin yet");
    let traded = browser.get(&link).await;
    assert_eq!((traded.status, traded.location()), (303, "/setup"));
    // Used twice: not in another browser.
    let mut other = bridge.browser();
    let refused = other.get(&link).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("in use in another browser"));

    let page = browser.get("/setup").await;
    assert_eq!(page.status, 200);
    let csrf = page.csrf();
    for (name, password, again, complaint) in [
        ("wren", PASSWORD, "another one", "not the same"),
        ("wren", "short", "short", "fewer than 10"),
        ("", PASSWORD, PASSWORD, "name"),
    ] {
        let refused = send_setup(&mut browser, name, password, again, &csrf).await;
        assert_eq!(refused.status, 422, "{complaint}");
        assert!(refused.text.contains(complaint), "{}", refused.text);
    }
    // The form of nobody, and of another site.
    let refused = send_setup(&mut browser, "wren", PASSWORD, PASSWORD, "guess").await;
    assert_eq!(refused.status, 403);
    let refused = send_setup(&mut other, "wren", PASSWORD, PASSWORD, &csrf).await;
    assert_eq!(refused.status, 403);
    browser.origin = Origin::CrossSite;
    let refused = send_setup(&mut browser, "wren", PASSWORD, PASSWORD, &csrf).await;
    assert_eq!(refused.status, 403);
    browser.origin = Origin::Ours;
    assert!(!bridge.app.ledger.state().access.has_admin());

    let made = send_setup(&mut browser, "wren", PASSWORD, PASSWORD, &csrf).await;
    assert_eq!((made.status, made.location()), (303, "/"));
    assert_eq!(browser.known_as().await, "wren");
    let role = bridge
        .app
        .ledger
        .state()
        .access
        .user("wren")
        .map(|user| user.role);
    assert_eq!(role, Some(Role::Owner));
    for path in ["/setup", link.as_str()] {
        assert_eq!(browser.get(path).await.status, 404);
    }
    let late = send_setup(&mut browser, "finch", PASSWORD, PASSWORD, &csrf).await;
    assert_eq!(late.status, 404);
    assert!(bridge.running.setup_link().is_none());
}

#[tokio::test]
async fn of_two_setups_one_makes_the_owner() {
    let bridge = Bridge::start(HttpOptions::default()).await;
    let link = bridge.running.setup_link().expect("no admin yet");
    let mut first = bridge.browser();
    first.get(&link).await;
    let csrf = first.get("/setup").await.csrf();
    let mut second = bridge.browser();
    second.cookies = first.cookies.clone();
    let (first, second) = tokio::join!(
        send_setup(&mut first, "wren", PASSWORD, PASSWORD, &csrf),
        send_setup(&mut second, "finch", PASSWORD, PASSWORD, &csrf),
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    // The loser finds no setup, or no cookie that is good for it.
    assert_eq!(statuses[0], 303);
    assert!(matches!(statuses[1], 403 | 404), "{statuses:?}");
    assert_eq!(bridge.app.ledger.state().access.users.len(), 1);
}

#[tokio::test]
async fn wrong_links_are_slowed_and_old_ones_end() {
    let bridge = Bridge::start(HttpOptions::default()).await;
    let link = bridge.running.setup_link().expect("no admin yet");
    let mut browser = bridge.browser();
    for _ in 0..10 {
        assert_eq!(browser.get("/setup?secret=guess").await.status, 403);
    }
    let slowed = browser.get("/setup?secret=guess").await;
    assert_eq!((slowed.status, slowed.header("retry-after")), (429, "60"));
    bridge.clock.advance(Duration::from_secs(61));
    assert_eq!(browser.get(&link).await.status, 303);
    bridge.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(browser.get("/setup").await.status, 403);
    assert_eq!(browser.get(&link).await.status, 403);
}

#[tokio::test]
async fn every_page_carries_its_headers_and_files_are_kept() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    for (path, status) in [("/login", 200), ("/no/such/page", 404), ("/setup", 404)] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        for (name, expected) in [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                notify_web::assets::CONTENT_SECURITY_POLICY,
            ),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.header(name), expected, "{path}: {name}");
        }
        assert!(
            page.header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
    }
    for asset in notify_web::assets::ALL {
        let file = browser.get(&asset.path()).await;
        assert_eq!(file.status, 200);
        assert_eq!(file.header("content-type"), asset.content_type);
        assert_eq!(
            file.header("cache-control"),
            notify_web::assets::CACHE_CONTROL
        );
        assert_eq!(file.text, asset.body);
    }
    assert_eq!(browser.get("/assets/style.css").await.status, 404);
    // A program is told in its own way.
    let told = browser
        .ask(Method::GET, "/no/such/page", &[], String::new())
        .await;
    assert_eq!(told.status, 404);
    assert_eq!(told.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    let headers = [("accept", "text/html"), ("host", "rebind.nest.example")];
    for path in ["/login", "/", "/no/such/page"] {
        let page = browser
            .ask(Method::GET, path, &headers, String::new())
            .await;
        assert_eq!(page.status, 421, "{path}");
        assert!(
            page.text.contains("--host rebind.nest.example"),
            "{}",
            page.text
        );
    }
}

#[tokio::test]
async fn the_demo_logs_in_on_this_machine_only() {
    let bridge = Bridge::start(HttpOptions {
        auto_login: Some("demo".into()),
        hosts: vec!["bridge.example".into()],
        ..HttpOptions::default()
    })
    .await;
    bridge.user("demo", Role::Owner).await;
    for (name, value) in [("host", "bridge.example"), ("x-forwarded-for", "127.0.0.1")] {
        let mut browser = bridge.browser();
        let headers = [("accept", "text/html"), (name, value)];
        browser
            .ask(Method::GET, "/login", &headers, String::new())
            .await;
        assert_eq!(browser.known_as().await, "", "{name}");
    }
    let mut browser = bridge.browser();
    // There is no page of that name; what matters is that a page was asked for.
    browser.get("/any").await;
    assert_eq!(browser.known_as().await, "demo");
    let session = browser.session().to_owned();
    browser.get("/any").await;
    assert_eq!(browser.session(), session, "one session is enough");
}
