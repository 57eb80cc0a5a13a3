//! Server-sent events: what is heard, resumed and cut off.

use notify_bridge::domain::command::Command;
use notify_bridge::domain::event::TokenScope;
use notify_bridge::shell::http::stream::HEARTBEAT;
use serde_json::Value;

use super::browser::Bridge;
use super::waiting::PATIENCE;

#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: u64,
    data: Value,
}

struct Listener {
    response: reqwest::Response,
    heard: String,
}

impl Listener {
    async fn open(bridge: &Bridge, headers: &[(&str, &str)]) -> Self {
        let url = format!("http://{}/api/v1/stream", bridge.address);
        let mut request = bridge.client.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Listener {
            response,
            heard: String::new(),
        }
    }

    /// The next block as it was sent; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.heard.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.heard = rest;
                return Some(block);
            }
            let read = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = read.expect("something is said").expect("it is read")?;
            self.heard
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    async fn event(&mut self) -> Event {
        let block = self.block().await.expect("an event");
        let field = |name: &str| {
            let lines = block.lines();
            let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found
                .next()
                .unwrap_or_else(|| panic!("no {name} in {block}"))
        };
        Event {
            name: field("event").to_owned(),
            id: field("id").parse().expect("a position"),
            data: serde_json::from_str(field("data")).expect("JSON"),
        }
    }

    /// The next event of this name.
    async fn next(&mut self, name: &str) -> Event {
        loop {
            let event = self.event().await;
            assert_eq!(event.data["position"], event.id);
            if event.name == name {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn a_notice_is_heard_and_nothing_is_missed_in_between() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.logged_in("wren").await;
    let cookie = format!("notify_bridge={}", browser.session());
    let mut listener = Listener::open(&bridge, &[("cookie", &cookie)]).await;
    let ready = listener.event().await;
    assert_eq!(ready.name, "ready");
    let first = bridge.push("let out the line").await;
    let heard = listener.next("notice").await;
    assert_eq!(heard.data["id"], first.as_str());
    assert_eq!(heard.data["kind"], "notice_accepted");
    let attempt = listener.next("delivery").await;
    assert_eq!(attempt.data["kind"], "attempt_started");
    let deliveries = browser.get("/api/v1/deliveries?limit=1").await.text;
    let id = attempt.data["id"].as_str().expect("an id");
    assert!(deliveries.contains(id), "{id} is not in {deliveries}");
    drop(listener);

    let second = bridge.push("reel it in").await;
    let third = bridge.push("mend the tail").await;
    let since = heard.id.to_string();
    let headers = [("cookie", cookie.as_str()), ("last-event-id", &since)];
    let mut listener = Listener::open(&bridge, &headers).await;
    let ready = listener.event().await;
    assert_eq!((ready.name.as_str(), ready.id), ("ready", heard.id));
    for id in [&second, &third] {
        assert_eq!(listener.next("notice").await.data["id"], id.as_str());
    }
    // From what was read it goes on to what comes.
    let fourth = bridge.push("one more").await;
    assert_eq!(listener.next("notice").await.data["id"], fourth.as_str());
}

#[tokio::test]
async fn who_comes_from_another_store_begins_anew() {
    let bridge = Bridge::owned().await;
    let token = format!("Bearer {}", bridge.token("eyes", TokenScope::Read).await);
    let headers = [
        ("authorization", token.as_str()),
        ("last-event-id", "999999"),
    ];
    let mut listener = Listener::open(&bridge, &headers).await;
    let reset = listener.event().await;
    assert_eq!(reset.name, "reset");
    let id = bridge.push("after it").await;
    let heard = listener.next("notice").await;
    assert!(heard.id > reset.id);
    assert_eq!(heard.data["id"], id.as_str());
}

#[tokio::test]
async fn a_quiet_stream_is_kept_open_until_its_right_ends() {
    let bridge = Bridge::owned().await;
    let token = format!("Bearer {}", bridge.token("eyes", TokenScope::Read).await);
    let mut listener = Listener::open(&bridge, &[("authorization", &token)]).await;
    assert_eq!(listener.event().await.name, "ready");
    // Time goes on until the stream, which waits for it by then, says that it is there.
    let goes_on = async {
        loop {
            bridge.clock.advance(HEARTBEAT);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        block = listener.block() => assert_eq!(block.as_deref(), Some(":")),
        () = goes_on => {}
    }
    let revoke = Command::RevokeToken {
        name: "eyes".into(),
        by: "test".into(),
    };
    bridge.command(revoke).await;
    bridge.push("not for these eyes").await;
    let mut rest = listener.block().await;
    while rest.as_deref() == Some(":") {
        rest = listener.block().await;
    }
    assert_eq!(rest, None);
}

#[tokio::test]
async fn a_stream_needs_a_right_that_is_not_in_its_address() {
    let bridge = Bridge::owned().await;
    let eyes = bridge.token("eyes", TokenScope::Read).await;
    let hands = format!("Bearer {}", bridge.token("hands", TokenScope::Notify).await);
    let mut browser = bridge.browser();
    for path in ["/api/v1/stream", &format!("/api/v1/stream?token={eyes}")] {
        assert_eq!(browser.get(path).await.status, 401);
    }
    let headers = [("authorization", hands.as_str())];
    let get = reqwest::Method::GET;
    let refused = browser.ask(get, "/api/v1/stream", &headers, String::new());
    assert_eq!(refused.await.status, 403);
}
