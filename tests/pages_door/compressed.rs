//! What comes compressed, to whom, and what that may not tell.

use std::io::Read as _;

use flate2::read::GzDecoder;
use notify_bridge::domain::event::TokenScope;
use notify_web::assets;

use super::browser::{Answer, Bridge, PASSWORD};

const GZIP: (&str, &str) = ("accept-encoding", "br, gzip;q=0.8");
const HTML: (&str, &str) = ("accept", "text/html");

struct Body {
    encoding: String,
    vary: String,
    bytes: Vec<u8>,
}

impl Body {
    async fn get(bridge: &Bridge, path: &str, headers: &[(&str, &str)]) -> Body {
        let mut request = bridge
            .client
            .get(format!("http://{}{path}", bridge.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .map_or("", |value| value.to_str().expect("readable"))
                .to_owned()
        };
        Body {
            encoding: header("content-encoding"),
            vary: header("vary"),
            bytes: response.bytes().await.expect("a body").to_vec(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        match self.encoding.as_str() {
            "gzip" => GzDecoder::new(self.bytes.as_slice()).read_to_string(&mut text),
            _ => self.bytes.as_slice().read_to_string(&mut text),
        }
        .expect("text");
        text
    }
}

#[tokio::test]
async fn pages_and_files_are_compressed_for_who_takes_it_and_says_who_asks() {
    let bridge = Bridge::owned().await;
    let style = assets::STYLE.path();
    let script = assets::SCRIPT.path();
    let ours = ("sec-fetch-site", "same-origin");
    let typed = ("sec-fetch-site", "none");
    let foreign = ("sec-fetch-site", "cross-site");
    let sibling = ("sec-fetch-site", "same-site");
    for (path, headers, expected) in [
        ("/login", &[HTML, GZIP][..], "gzip"),
        ("/login", &[HTML, GZIP, ours], "gzip"),
        ("/login", &[HTML, GZIP, typed], "gzip"),
        ("/login", &[HTML, GZIP, foreign], ""),
        ("/login", &[HTML, GZIP, sibling], ""),
        ("/login", &[HTML], ""),
        ("/login", &[HTML, ("accept-encoding", "gzip;q=0")], ""),
        // A problem is a page like any other.
        ("/nowhere", &[HTML, GZIP], "gzip"),
        (&style, &[GZIP], "gzip"),
        (&style, &[], ""),
        (&script, &[GZIP], "gzip"),
        // What programs ask for comes as it is.
        ("/api/v1/notices", &[GZIP], ""),
        ("/api/health", &[GZIP], ""),
    ] {
        let body = Body::get(&bridge, path, headers).await;
        assert_eq!(body.encoding, expected, "{path} {headers:?}");
        let depends = body.vary == "accept-encoding";
        assert_eq!(depends, !path.starts_with("/api"), "{path} {headers:?}");
        let text = body.text();
        match path {
            path if path == style => assert_eq!(text, assets::STYLE.body),
            path if path == script => assert_eq!(text, assets::SCRIPT.body),
            path if path.starts_with("/api") => {}
            _ => assert!(text.starts_with("<!DOCTYPE html>"), "{path}: {text}"),
        }
    }
}

#[tokio::test]
async fn a_stream_is_never_compressed() {
    let bridge = Bridge::owned().await;
    let token = format!("Bearer {}", bridge.token("ear", TokenScope::Read).await);
    let response = bridge
        .client
        .get(format!("http://{}/api/v1/stream", bridge.address))
        .header("authorization", &token)
        .header("accept-encoding", "gzip")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("content-encoding"), None);
}

#[tokio::test]
async fn no_two_pages_of_a_session_write_its_token_alike_and_each_is_good() {
    let bridge = Bridge::owned().await;
    let mut browser = bridge.browser();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let page: Answer = browser.get("/login").await;
        tokens.push(page.csrf());
    }
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2] && tokens[0] != tokens[2]);
    for token in tokens {
        let mut other = bridge.browser();
        other.cookies.clone_from(&browser.cookies);
        let answer = other.send_login("wren", PASSWORD, "", &token).await;
        assert_eq!(answer.status, 303);
    }
}
