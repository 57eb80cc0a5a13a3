//! No secret in any byte on disk, in any answer, in any call but its own.

use crate::harness::{Place, SECRET, Scripted, TestBridge, forge_to_telegram, sign};

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Every file below the data folder but the key itself.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "secret.key") {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn no_secret_is_on_disk_however_it_comes_back() {
    let token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    let place = Place::telegram().await;
    // The service echoes the token, the sender its own secret.
    place.script([Scripted::new(400, format!(r#"{{"ok":false,"error_code":400,"description":"no such method at /bot{token}/sendMessage"}}"#))]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let mut body: serde_json::Value =
        serde_json::from_slice(&crate::harness::push_body("leak")).unwrap();
    body["secret"] = SECRET.into();
    body["commits"][0]["message"] = format!("my password is {SECRET}").into();
    let body = body.to_string().into_bytes();
    let signature = sign(SECRET, &body);
    let headers = [
        ("x-gitea-event", "push"),
        ("x-gitea-signature", signature.as_str()),
        ("authorization", "Bearer canary-authorization"),
        ("cookie", "session=canary-cookie"),
    ];
    let (status, _) = bridge
        .post("/hooks/forge?token=canary-in-the-query", &headers, &body)
        .await;
    assert_eq!(status, 202);
    bridge
        .until("it is parked", |s| !s.outbox.parked.is_empty())
        .await;
    let folder = bridge.folder.path().join("data");
    let stored = files(&folder);
    assert!(stored.iter().any(|(path, _)| path.ends_with("bridge.redb")));
    let encoded = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC)
        .to_string();
    let secrets = [
        SECRET,
        &encoded,
        token,
        "canary-authorization",
        "canary-cookie",
        "canary-in-the-query",
        &signature,
    ];
    for (path, bytes) in stored {
        for secret in secrets {
            assert!(
                !contains(&bytes, secret.as_bytes()),
                "{} holds {secret}",
                path.display()
            );
        }
    }
    // Bodies are packed on disk: look into them as well.
    let position = bridge.newest();
    let packed = bridge
        .app
        .ledger
        .reader()
        .body(position)
        .unwrap()
        .expect("the body is kept");
    let kept = notify_store::body::unpack(&packed, 1 << 20).unwrap();
    for secret in secrets {
        assert!(
            !contains(&kept, secret.as_bytes()),
            "the kept body holds {secret}"
        );
    }
    assert!(
        contains(&kept, b"my password is ***"),
        "{}",
        String::from_utf8_lossy(&kept)
    );
    let family = bridge.family(position);
    assert!(!format!("{family:?}").contains(SECRET) && !format!("{family:?}").contains(token));
}
