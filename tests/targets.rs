//! Every target kind against its cases, and against what nobody would send on purpose.
//!
//! `fixtures/targets/<kind>/compose.json` holds messages and the parts and calls they make;
//! `judge.json` holds replies and what they mean. A kind without both fails. With
//! `BLESS_TARGETS=1` the expectations are written anew, to be read before they are kept.

#[path = "targets/files.rs"]
mod files;
#[path = "targets/limits.rs"]
mod limits;
#[path = "targets/notation.rs"]
mod notation;

use std::collections::BTreeMap;
use std::path::PathBuf;

use notation::{message_of, receiver_of, reply_of, shown_call, shown_verdict, target_of};
use notify_bridge::domain::spec::{ReceiverSpec, TargetSpec};
use notify_bridge::targets::{self, CallContext, KINDS, Part, Target};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The API under test, for one message: parts, and the call of each.
fn composed(kind: &dyn Target, case: &Value) -> Value {
    let message = message_of(&case["message"]);
    let target = target_of(kind.kind(), &case["target"]);
    let receiver = receiver_of(&case["receiver"]);
    let secrets = secrets_of(case);
    let earlier: Vec<String> =
        serde_json::from_value(case["earlier_ids"].clone()).unwrap_or_default();
    let parts = match kind.compose(&message, &target, &receiver) {
        Ok(parts) => parts,
        Err(unsendable) => return json!({ "unsendable": unsendable.reason }),
    };
    let mut shown = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let context = CallContext {
            target: &target,
            receiver: &receiver,
            secrets: &secrets,
            delivery_id: &message.delivery_id,
            part: n as u16,
            earlier_ids: &earlier[..n.min(earlier.len())],
            now_seconds: case["now"].as_i64().unwrap_or(1_760_000_000),
            reply_to: None,
        };
        let call = match kind.call(part, &context) {
            Ok(call) => shown_call(&call, &secrets),
            Err(unsendable) => json!({ "unsendable": unsendable.reason }),
        };
        let kept = format!("{part:?}{}", call["unsendable"]);
        for value in secrets.values().filter(|value| value.len() > 4) {
            assert!(!kept.contains(value), "a secret stands in {kept}");
        }
        let text = notation::abridged(&part.text);
        shown.push(
            json!({ "kind": part.kind, "text": text, "payload": part.payload, "call": call }),
        );
    }
    json!({ "parts": shown })
}

/// The API under test, for one reply.
fn judged(kind: &dyn Target, case: &Value) -> Value {
    let part = &case["part"];
    let part = Part {
        kind: part["kind"].as_str().unwrap_or("text").into(),
        text: part["text"].as_str().unwrap_or("<b>disk</b> full").into(),
        payload: part["payload"].as_str().unwrap_or("{}").into(),
    };
    shown_verdict(&kind.judge(&part, &reply_of(&case["reply"])))
}

fn secrets_of(case: &Value) -> BTreeMap<String, String> {
    case["secrets"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "BLESS_TARGETS in the environment rewrites expectations"
)]
fn check(file: &str, run: fn(&dyn Target, &Value) -> Value) {
    let bless = std::env::var_os("BLESS_TARGETS").is_some();
    for kind in KINDS {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/targets")
            .join(kind.kind())
            .join(file);
        let shown = path.display();
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut cases: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(!cases.is_empty(), "{shown} has no case");
        for case in &mut cases {
            let got = run(*kind, case);
            if bless {
                case["expect"] = got;
            } else {
                let name = &case["name"];
                assert_eq!(got, case["expect"], "{shown}: {name}\ngot {got:#}");
            }
        }
        if bless {
            let text = serde_json::to_string_pretty(&cases).expect("cases are JSON");
            std::fs::write(&path, text + "\n").expect("cases are written");
        }
    }
}

#[test]
fn every_kind_composes_its_cases() {
    check("compose.json", composed);
}

#[test]
fn every_kind_judges_its_cases() {
    check("judge.json", judged);
}

#[test]
fn the_registry_agrees_with_itself() {
    for kind in KINDS {
        let name = kind.kind();
        assert!(targets::kind(name).is_some_and(|found| found.kind() == name));
        assert!((1..=64).contains(&kind.lane_depth()), "{name}");
        assert!(kind.promise().contains("once"), "{name}");
        assert!(!kind.needs_receivers() || kind.has_receivers(), "{name}");
        let required = kind.secret_fields().iter().any(|field| field.required);
        assert!(kind.is_local() || required, "{name}");
        for field in kind.option_fields() {
            let spec = json!(target_of(name, &json!({})));
            assert!(
                holds::<TargetSpec>(&spec, field),
                "{name}: no target has {field}"
            );
        }
        for field in kind.receiver_fields() {
            let spec = json!(receiver_of(&json!({})));
            assert!(
                holds::<ReceiverSpec>(&spec, field),
                "{name}: no receiver has {field}"
            );
        }
    }
    assert!(targets::kind("broadcast").is_none());
    assert!(targets::secret_fields("nothing").is_empty());
}

/// Whether a spec keeps a field, whatever it is that the field takes.
fn holds<Spec: DeserializeOwned + Serialize>(spec: &Value, field: &str) -> bool {
    let values = [
        json!("x"),
        json!(true),
        json!(false),
        json!("skip"),
        json!("none"),
        json!("1s"),
        json!(7),
    ];
    values.into_iter().any(|value| {
        let mut with = spec.clone();
        with[field] = value;
        serde_json::from_value::<Spec>(with).is_ok_and(|read| json!(read).get(field).is_some())
    })
}

#[test]
fn a_probe_tells_nobody_anything() {
    let secrets = BTreeMap::from([
        ("token".to_owned(), "110:probe-token".to_owned()),
        (
            "url".to_owned(),
            "https://discord.example/api/webhooks/1/word?thread_id=2".to_owned(),
        ),
    ]);
    let probes: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            let target = target_of(kind.kind(), &json!({}));
            let receiver = receiver_of(&Value::Null);
            let context = CallContext {
                target: &target,
                receiver: &receiver,
                secrets: &secrets,
                delivery_id: "",
                part: 0,
                earlier_ids: &[],
                now_seconds: 0,
                reply_to: None,
            };
            match kind.probe(&context) {
                None => Value::Null,
                Some(Ok(call)) => json!([call.method, call.url, call.body.len()]),
                Some(Err(unsendable)) => json!(unsendable.reason),
            }
        })
        .collect();
    assert_eq!(
        probes,
        [
            json!([
                "GET",
                "https://api.telegram.org/bot110:probe-token/getMe",
                0
            ]),
            json!(["GET", "https://discord.example/api/webhooks/1/word", 0]),
            Value::Null,
            Value::Null,
        ]
    );
}

/// The vectors of the payload collection, where it lies beside the project: what the receiving side's
/// libraries accept, our signature lists.
#[test]
fn signatures_match_the_published_vectors() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/payloads/standard-webhooks/vectors.json");
    let Ok(text) = std::fs::read_to_string(beside) else {
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("vectors are JSON");
    let valid: Vec<&Value> = vectors.iter().filter(|one| one["valid"] == true).collect();
    assert!(!valid.is_empty());
    for vector in valid {
        let wanted = &vector["headers"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let secrets = BTreeMap::from([
            ("url".to_owned(), "https://sink.example/".to_owned()),
            ("secret".to_owned(), word(&vector["secret"])),
        ]);
        let part = Part {
            kind: "body".into(),
            text: word(&vector["payload"]),
            payload: r#"{"content_type":"application/json"}"#.into(),
        };
        let context = CallContext {
            target: &target_of("webhook", &json!({})),
            receiver: &receiver_of(&Value::Null),
            secrets: &secrets,
            delivery_id: &word(&wanted["webhook-id"]),
            part: 0,
            earlier_ids: &[],
            now_seconds: word(&wanted["webhook-timestamp"])
                .parse()
                .expect("a number"),
            reply_to: None,
        };
        let webhook = targets::kind("webhook").expect("the kind exists");
        let call = webhook.call(&part, &context).expect("a call");
        let ours = notation::header(&call, "webhook-signature");
        let theirs = word(&wanted["webhook-signature"]);
        let met = ours
            .split(' ')
            .any(|one| theirs.split(' ').any(|other| one == other));
        assert!(met, "{}: {ours} against {theirs}", vector["name"]);
    }
}
