//! Canaries: secrets of every shape, in every encoding and every place.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Secrets with every trouble in them: plain, characters that encoders escape, things that look
/// like escapes, text beyond ASCII, the mask itself, several lines.
const CANARIES: &[&str] = &[
    "7001:AAcanary-bird_22",
    "p@ss/w+rd?&<one>=\"two\"'three'",
    "with two spaces",
    r"back\slash\nand%41and&amp;and\u0041",
    "pässwörd-🐤",
    "a***b*c",
    "-----BEGIN KEY-----\nq83vEjRWeJCrze8=\n-----END KEY-----",
    "abcd",
];

fn everywhere(text: &str, write: fn(&mut String, char, &mut [u8; 4])) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        write(&mut out, c, &mut [0; 4]);
        out
    })
}

fn json_plain(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str, safe: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || safe.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if upper {
            let _ = write!(out, "%{byte:02X}");
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
        out
    })
}

type Encoder = (&'static str, fn(&str) -> String);

/// Encoders that give the secret's own bytes a place in the text.
const ENCODERS: &[Encoder] = &[
    ("as it is", |text| text.to_owned()),
    ("json", json_plain),
    ("json, slashes escaped", |text| {
        json_plain(text).replace('/', r"\/")
    }),
    ("json, safe for html", |text| {
        json_plain(text)
            .replace('&', r"\u0026")
            .replace('<', r"\u003c")
            .replace('>', r"\u003E")
    }),
    ("json, ascii only", |text| {
        everywhere(&json_plain(text), |out, c, _| {
            if c.is_ascii() {
                out.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        })
    }),
    ("json, everything escaped", |text| {
        everywhere(text, |out, c, _| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04X}");
            }
        })
    }),
    ("url, upper case", |text| percent(text, "-._~", true)),
    ("url, lower case", |text| percent(text, "-._~", false)),
    ("url, as encodeURIComponent", |text| {
        percent(text, "-_.!~*'()", true)
    }),
    ("url, everything encoded", |text| {
        everywhere(text, |out, c, buffer| {
            for byte in c.encode_utf8(buffer).bytes() {
                let _ = write!(out, "%{byte:02x}");
            }
        })
    }),
    ("form", |text| {
        percent(text, "*-._ ", true).replace(' ', "+")
    }),
    ("html", |text| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
    }),
    ("html, numbers", |text| {
        everywhere(text, |out, c, _| {
            let _ = write!(out, "&#x{:X};", u32::from(c));
        })
    }),
    ("hex", |text| hex::encode(text)),
    ("HEX", |text| hex::encode_upper(text)),
];

/// Encoders that mix the secret's bits with its neighbours'.
const BASE64: &[Encoder] = &[
    ("base64", |text| STANDARD.encode(text)),
    ("base64, no padding", |text| STANDARD_NO_PAD.encode(text)),
    ("base64url", |text| URL_SAFE.encode(text)),
    ("base64url, no padding", |text| URL_SAFE_NO_PAD.encode(text)),
    ("basic", |text| STANDARD.encode(format!("user:{text}"))),
    ("shifted by one", |text| {
        STANDARD.encode(format!("u{text}~"))
    }),
    ("shifted by two", |text| {
        STANDARD.encode(format!("uv{text}~~"))
    }),
    ("in a base64 document", |text| {
        STANDARD.encode(json!({"user": "gordon", "password": text}).to_string())
    }),
    ("base64 over lines", |text| {
        let encoded = STANDARD.encode(format!("some words before {text} and some after"));
        encoded
            .as_bytes()
            .chunks(5)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\r\n")
    }),
];

fn redactor() -> Redactor {
    Redactor::new(CANARIES)
}

#[test]
fn a_canary_is_replaced_whole_in_every_encoding() {
    let redactor = redactor();
    for canary in CANARIES {
        for (name, encode) in ENCODERS {
            let text = format!("({})", encode(canary));
            assert_eq!(redactor.redact_text(&text), "(***)", "{name} of {canary}");
        }
    }
}

#[test]
fn a_canary_is_replaced_under_two_encodings() {
    let redactor = redactor();
    for canary in CANARIES {
        for (outer, encode_outer) in ENCODERS {
            for (inner, encode_inner) in ENCODERS {
                // Hexadecimal is a form of the secret itself, not of what another encoder made of it.
                if outer.eq_ignore_ascii_case("hex") && *inner != "as it is" {
                    continue;
                }
                let text = format!("({})", encode_outer(&encode_inner(canary)));
                assert_eq!(
                    redactor.redact_text(&text),
                    "(***)",
                    "{outer} of {inner} of {canary}"
                );
            }
        }
    }
}

#[test]
fn a_canary_cannot_be_decoded_from_base64() {
    let redactor = redactor();
    for canary in CANARIES {
        for (name, encode) in BASE64 {
            for (outer, encode_outer) in ENCODERS {
                if outer.eq_ignore_ascii_case("hex") {
                    continue;
                }
                let text = encode_outer(&encode(canary));
                let redacted = redactor.redact_text(&text);
                assert!(redacted.contains(MASK), "{outer} of {name} of {canary}");
                // Whatever base64 is left decodes to nothing of the secret.
                for run in redacted.split(|c: char| !c.is_ascii() || !is_base64(c as u8)) {
                    for skip in 0..4.min(run.len()) {
                        let usable = &run[skip..];
                        let usable = &usable[..usable.len() / 4 * 4];
                        let decoded = STANDARD_NO_PAD
                            .decode(usable)
                            .or_else(|_| URL_SAFE_NO_PAD.decode(usable))
                            .unwrap_or_default();
                        assert!(
                            !contains(&decoded, canary.as_bytes()),
                            "{outer} of {name} of {canary}: {redacted}"
                        );
                    }
                }
            }
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[test]
fn ordinary_text_stays_as_it_is() {
    let redactor = redactor();
    for text in [
        "",
        "gordon pushed 2 commits to main",
        r#"{"a":"b\nc","d":"%20&amp;"}"#,
        "abc d",
    ] {
        assert!(
            matches!(redactor.redact_text(text), Cow::Borrowed(_)),
            "{text}"
        );
    }
    let none = Redactor::none();
    assert!(matches!(none.redact_bytes(b"\xff%41"), Cow::Borrowed(_)));
    assert_eq!(none.reach(), 0);
}

#[test]
fn overlapping_secrets_leave_nothing_of_either() {
    let redactor = Redactor::new(["abcdef", "defghi", "cdef", "tail"]);
    for (text, expected) in [
        ("xabcdefghiy", "x***y"),
        ("xabcdefy", "x***y"),
        ("abcdeftail", "***"),
        ("cdef tail", "*** ***"),
    ] {
        assert_eq!(redactor.redact_text(text), expected, "{text}");
    }
    // The first one's last character makes an escape of the second one's beginning.
    let redactor = Redactor::new(["n% %", "44%%"]);
    assert_eq!(redactor.redact_text("n% %44%25%25"), "******");
    // The mask must not complete a secret with what stands beside it.
    let redactor = Redactor::new(["***xy", "secret"]);
    assert_eq!(redactor.redact_text("secretxyxy"), "***");
    let endless = format!("a secret{} b", "xy".repeat(10_000));
    assert_eq!(redactor.redact_text(&endless), "***");
}

#[test]
fn a_secret_over_the_cut_is_hidden_whole() {
    let redactor = Redactor::new(["0123456789"]);
    for (text, keep, expected) in [
        ("ab0123456789cd", 2, "ab"),
        ("ab0123456789cd", 3, "ab***"),
        ("ab0123456789cd", 11, "ab***"),
        ("ab0123456789cd", 12, "ab***"),
        ("ab0123456789cd", 13, "ab***c"),
        ("ab0123456789cd", 99, "ab***cd"),
        (r"ab\u00301\u00323456789", 4, "ab***"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(&redactor.redact_head(text.as_bytes(), keep)),
            expected,
            "{text} {keep}"
        );
    }
    assert!(redactor.reach() >= 60);
}

#[test]
fn json_is_redacted_in_strings_keys_and_numbers() {
    let redactor = Redactor::new(["canary", "31415926"]);
    let mut value = json!({
        "plain": [1, true, null, "a canary sings"],
        "canary": {"deep": [{"x": "Y2FuYXJ5"}]},
        "key of canary": 31415926,
        "0canary": -131415926.5,
        "key of ***": "kept",
    });
    redactor.redact_json(&mut value);
    assert_eq!(
        value,
        json!({
            "plain": [1, true, null, "a *** sings"],
            "***": {"deep": [{"x": "***"}]},
            "key of ***": "kept",
            "0***": "***",
            "key of ***.2": "***",
        })
    );
}

#[test]
fn a_document_still_parses() {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let check = |secret: &str, raw: &str, expected: &str, value: Option<Value>| {
        let redactor = Redactor::new([secret]);
        let document = redactor.redact_document(raw.as_bytes(), parse);
        assert_eq!(String::from_utf8_lossy(&document.bytes), expected, "{raw}");
        assert_eq!(document.value, value, "{raw}");
    };
    check(
        "canary",
        r#"{"a": "canary"}"#,
        r#"{"a": "***"}"#,
        Some(json!({"a": "***"})),
    );
    check(
        "4711",
        r#"{"id": 4711, "b": [94711]}"#,
        r#"{"b":["***"],"id":"***"}"#,
        Some(json!({"id": "***", "b": ["***"]})),
    );
    check(
        "true",
        r#"{"a": true}"#,
        r#"{"a":true}"#,
        Some(json!({"a": true})),
    );
    check(
        "\":\"",
        r#"{"a":"b"}"#,
        r#"{"a":"b"}"#,
        Some(json!({"a": "b"})),
    );
    check("canary", "canary {", "*** {", None);
    check("4711", "[1, 2]", "[1, 2]", Some(json!([1, 2])));

    // A form field that holds JSON, as some forges send it.
    let form = |bytes: &[u8]| {
        url::form_urlencoded::parse(bytes)
            .find(|(name, _)| name == "payload")
            .and_then(|(_, value)| serde_json::from_str(&value).ok())
    };
    let redactor = Redactor::new(["can/ary"]);
    let document = redactor.redact_document(b"payload=%7B%22a%22%3A%22can%2Fary%22%7D", form);
    assert_eq!(document.bytes, &b"payload=%7B%22a%22%3A%22***%22%7D"[..]);
    assert_eq!(document.value, Some(json!({"a": "***"})));
}

#[test]
fn only_harmless_headers_are_kept() {
    let redactor = Redactor::new(["canary"]);
    let kept = redactor.headers_kept(&[
        ("Content-Type", "application/json"),
        ("User-Agent", "bird canary/1"),
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "d-1"),
        ("X-Hub-Signature-256", "sha256=00"),
        ("X-Gitea-Event", "push"),
        ("X-Gitea-Signature", "00"),
        ("X-Forgejo-Delivery", "d-2"),
        ("X-Forgejo-Signature", "00"),
        ("X-Gitlab-Event", "Push Hook"),
        ("X-Gitlab-Token", "other"),
        ("Authorization", "Bearer other"),
        ("Proxy-Authorization", "Basic other"),
        ("Cookie", "id=other"),
        ("X-Forwarded-For", "192.0.2.9"),
        ("Forwarded", "for=192.0.2.9"),
        ("webhook-id", "m-1"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", "v1,00"),
        ("ce-type", "a.b"),
        ("ce-authtoken", "other"),
        ("Content-Length", "12"),
        ("Date", "Tue, 24 Nov 2026 10:00:00 GMT"),
        ("X-Request-Id", "r-1"),
        ("X-Telegram-Bot-Api-Secret-Token", "other"),
        ("X-Api-Key", "other"),
        ("X-Whatever", "other"),
    ]);
    let kept: Vec<String> = kept
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    expect_test::expect![[r#"
        content-type: application/json
        user-agent: bird ***/1
        x-github-event: push
        x-github-delivery: d-1
        x-gitea-event: push
        x-forgejo-delivery: d-2
        x-gitlab-event: Push Hook
        webhook-id: m-1
        webhook-timestamp: 1700000000
        ce-type: a.b
        content-length: 12
        date: Tue, 24 Nov 2026 10:00:00 GMT
        x-request-id: r-1
    "#]]
    .assert_eq(&(kept.join("\n") + "\n"));
}

#[test]
fn headers_kept_are_bounded() {
    let redactor = Redactor::none();
    let many: Vec<(String, Vec<u8>)> = (0..100)
        .map(|n| (format!("ce-n{n}"), vec![b'x'; 5_000]))
        .collect();
    let kept = redactor.headers_kept(&many);
    assert_eq!(kept.len(), HEADERS_KEPT_MAX);
    assert!(
        kept.iter()
            .all(|(_, value)| value.len() <= HEADER_VALUE_BYTES_MAX)
    );
    assert_eq!(
        redactor.headers_kept(&[("date", b"\xff\xfe".to_vec())])[0].1,
        "\u{fffd}\u{fffd}"
    );
}

#[test]
fn a_query_loses_its_credentials() {
    let redactor = Redactor::new(["canary bird", "xyz"]);
    for (query, expected) in [
        ("", ""),
        ("page=2&sort=name", "page=2&sort=name"),
        ("token=abc&page=2", "token=***&page=2"),
        ("access_token=abc", "access_token=***"),
        (
            "apiKey=abc&api-key=d&API_KEY=e",
            "apiKey=***&api-key=***&API_KEY=***",
        ),
        (
            "key=a&sig=b&signature=c&X-Amz-Signature=d",
            "key=***&sig=***&signature=***&X-Amz-Signature=***",
        ),
        (
            "password=a&passwd=b&pass=c&auth=d&secret=e",
            "password=***&passwd=***&pass=***&auth=***&secret=***",
        ),
        ("to%6ben=abc", "to%6ben=***"),
        ("keyword=a&author=b&monkey=c", "keyword=a&author=b&monkey=c"),
        ("token=", "token="),
        ("q=canary+bird&r=canary%20bird", "q=***&r=***"),
        ("q=xyz&r=xyzz", "q=***&r=xyzz"),
        ("canary+bird", "***"),
        ("token=a&q=canary%20bird", "token=***&q=***"),
    ] {
        assert_eq!(redactor.redact_query(query), expected, "{query}");
    }
}

#[test]
fn a_path_loses_its_tokens() {
    let redactor = Redactor::new(["canary/bird", "xyz"]);
    for (path, expected) in [
        ("/", "/"),
        (
            "/notices/01JD7Z3W0N0000000000000001",
            "/notices/01JD7Z3W0N0000000000000001",
        ),
        ("/hooks/forge", "/hooks/forge"),
        ("/hooks/forge/Zm9yZ2U3", "/hooks/forge/***"),
        (
            "/hooks/forge/averylongwordthatmightbeatoken",
            "/hooks/forge/***",
        ),
        ("/hooks/alerts/api/v2/alerts", "/hooks/alerts/api/v2/alerts"),
        (
            "/hooks/a-long-provider-name-22",
            "/hooks/a-long-provider-name-22",
        ),
        ("/setup/short", "/setup/***"),
        ("/setup", "/setup"),
        ("/bot7001:AAbb/sendMessage", "/bot***/sendMessage"),
        ("/bot7001%3AAAbb/sendMessage", "/bot***/sendMessage"),
        ("/bots/7", "/bots/7"),
        ("/x/canary%2Fbird/y", "/x/***/y"),
        ("/x/canary/bird/y", "/x/***/y"),
        ("/x/xyz/y", "/x/***/y"),
    ] {
        let expected = expected.replace("/bot***", "/***");
        assert_eq!(redactor.redact_path(path), expected, "{path}");
    }
}

#[test]
fn a_redactor_shows_nothing_of_what_it_knows() {
    let shown = format!("{:?}", Redactor::new(["canary"]));
    assert!(!shown.contains("canary"), "{shown}");
}

proptest! {
    /// Whatever the secret and the text, the secret is not in the outcome, and doing it again
    /// changes nothing.
    #[test]
    fn nothing_known_is_left(
        secrets in proptest::collection::vec(r#"[ab*%4\\n&;"/+ é]{4,9}"#, 1..4),
        around in proptest::collection::vec(r#"[ab*%4\\n&;"/+ é]{0,6}"#, 5),
        encoders in proptest::collection::vec(0..ENCODERS.len(), 4),
    ) {
        let redactor = Redactor::new(&secrets);
        let mut text = around[0].clone();
        for ((secret, part), encoder) in secrets.iter().zip(&around[1..]).zip(&encoders) {
            text.push_str(&ENCODERS[*encoder].1(secret));
            text.push_str(part);
        }
        let redacted = redactor.redact_text(&text);
        for secret in &secrets {
            prop_assert!(!redacted.contains(secret.as_str()), "{} in {}", secret, redacted);
        }
        prop_assert_eq!(redactor.redact_text(&redacted), redacted.as_ref());
        prop_assert!(redactor.redact_bytes(text.as_bytes()) == redacted.as_bytes());
    }
}
