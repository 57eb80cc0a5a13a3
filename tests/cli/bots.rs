//! `test` and `discover` of a bot.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;

/// A Bot API that knows who the bot is and heard two chats, as long as the test runs.
fn bot_api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream) {
    // A request is one small piece; what is asked stands in its first line.
    let mut request = Vec::new();
    let mut piece = [0; 4_096];
    while !is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    let body = if request.contains("/getMe ") {
        r#"{"ok":true,"result":{"id":7,"username":"herald_bot","first_name":"Herald"}}"#
    } else {
        r#"{"ok":true,"result":[
            {"update_id":1,"message":{"chat":{"id":31,"type":"private","first_name":"Wren\u001b[31m","username":"wren"},"from":{"language_code":"de"}}},
            {"update_id":2,"channel_post":{"chat":{"id":-1008,"type":"channel","title":"Tides"}}}]}"#
    };
    // Who has gone needs no answer.
    let _gone = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}

#[test]
fn a_bot_is_tested_and_says_which_chats_it_knows() {
    let place = Place::new();
    let token = expect(
        &place.on_data("token create all --scope admin --role owner"),
        0,
    );
    let file = place.path("bots.toml");
    let text = format!(
        r#"
[[bot]]
name = "herald"
kind = "telegram"
token = {{ env = "CLI_TEST_TOKEN" }}
api_base = "{}"
allow_private = true
"#,
        bot_api()
    );
    std::fs::write(&file, text).unwrap();
    let serving = Serving::start(&place, &[]);
    let on_url = |words: &[&str]| {
        program(words)
            .env("NOTIFY_BRIDGE_URL", &serving.url)
            .env("NOTIFY_BRIDGE_TOKEN", token.trim())
            .env("CLI_TEST_TOKEN", "7:canary-token")
            .output()
            .unwrap()
    };
    assert_eq!(expect(&on_url(&["apply", &file]), 0), "+ bot herald\n");
    let tested = expect(&on_url(&["test", "herald"]), 0);
    assert_eq!(tested, "bot herald: it answers as @herald_bot\n");
    let found = expect(&on_url(&["discover", "herald"]), 0);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    let mut chats = lines[..2].to_vec();
    chats.sort_unstable();
    assert_eq!(
        chats,
        ["Tides  -1008  channel", "Wren[31m  31  private, @wren, de"]
    );
    assert!(lines[2].starts_with("it listens until "), "{found}");
    let one = expect(
        &on_url(&["discover", "herald", "--query", "TIDE", "--json"]),
        0,
    );
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["to"], "-1008");
    let exported = expect(&on_url(&["export"]), 0);
    assert!(
        exported.contains("[[bot]]") && !exported.contains("canary"),
        "{exported}"
    );
    let missing = on_url(&["test", "nobody"]);
    expect(&missing, 1);
    assert!(err(&missing).contains("there is no provider, target or bot nobody"));
    assert_eq!(serving.terminate(), Some(0));
}
