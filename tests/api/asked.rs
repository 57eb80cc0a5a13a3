//! Testing and discovering a provider that is asked.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::harness::Api;

/// An upsd with two UPSes, for as long as the test runs.
async fn upsd() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let answer = match line.as_str() {
                        "VER" => "upsd of a test\n".to_owned(),
                        "LIST UPS" => "BEGIN LIST UPS\nUPS attic \"Under the roof\"\nUPS rack \"\"\nEND LIST UPS\n".to_owned(),
                        "LIST VAR attic" => "ERR DATA-STALE\n".to_owned(),
                        "LIST VAR rack" => "BEGIN LIST VAR rack\nVAR rack ups.status \"OL\"\nEND LIST VAR rack\n".to_owned(),
                        _ => "OK\n".to_owned(),
                    };
                    if write.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_provider_that_is_asked_is_tested_and_says_what_it_has() {
    let api = Api::start().await;
    let port = upsd().await;
    let file = format!(
        r#"
[[provider]]
name = "power"
kind = "nut"
host = "127.0.0.1"
port = {port}
allow_private = true

[[provider]]
name = "morning"
kind = "scheduler"
cron = "30 7 * * *"

[[provider]]
name = "home"
kind = "home_assistant"
url = "http://192.0.2.1:8123"
token = "nobody-is-asked-with-it"
enabled = false
"#
    );
    api.post("/apply", json!({"text": file})).await.expect(200);
    let tested = api.post("/providers/power/test", json!({})).await;
    let tested = tested.expect(200);
    assert_eq!(
        json!([tested["ok"], tested["called"], tested["lines"]]),
        json!([
            true,
            true,
            [
                "upsd of a test",
                "attic: its data is stale: the driver does not answer",
                "rack: on line power"
            ]
        ])
    );
    let found = api
        .get("/providers/power/collections?q=ROOF")
        .await
        .expect(200);
    assert_eq!(
        found,
        json!({
            "items": [{
                "id": "attic",
                "name": "Under the roof",
                "detail": "its data is stale: the driver does not answer",
            }],
            "next": null,
        })
    );
    let all = api.get("/providers/power/collections").await.expect(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    api.get("/providers/forge/collections").await.expect(409);
    api.get("/providers/nobody/collections").await.expect(404);
    let morning = api.get("/providers/morning").await.expect(200);
    assert_eq!(
        morning["asking"]["upcoming"],
        json!([
            "2026-11-25T07:30:00Z",
            "2026-11-26T07:30:00Z",
            "2026-11-27T07:30:00Z",
            "2026-11-28T07:30:00Z",
            "2026-11-29T07:30:00Z",
        ])
    );
    let power = api.get("/providers/power").await.expect(200);
    assert_eq!(power["asking"]["interval"], "1m");
    assert_eq!(power["health"]["address"], json!(null));
    assert_eq!(power["session"], json!(null));
    let home = api.get("/providers/home").await.expect(200);
    assert_eq!(home["asking"], json!(null));
    assert_eq!(
        home["session"],
        json!({
            "works": false,
            "messages": 0,
            "left_out": 0,
            "reconnects": 0,
            "failures_in_a_row": 0,
        })
    );
}
