//! Provider kinds against recorded requests.
//!
//! A case is `fixtures/providers/<kind>/<case>.json` (or `.body`) with `<case>.headers.json`, what
//! it is configured with besides name and kind in `<case>.spec.json`, and what comes of it in
//! `<case>.expected.json`. `UPDATE_EXPECT=1` writes the expectations anew; read them before you
//! commit them, as if they came to your phone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use notify_bridge::domain::notice::{NoticeDraft, is_http_url};
use notify_bridge::domain::spec::{DigestEncoding, HmacSpec, ProviderSpec, Verify};
use notify_bridge::providers::{
    self, KINDS, Keys, Provider, RawRequest, Readable, Unreadable, Unverified, Webhook, json,
    verify,
};
use proptest::prelude::*;
use serde_json::{Value, json as value};

const SECRET: &[u8] = b"It's a Secret to Everybody";
/// The receiver's clock, in seconds since 1970; the time that `webhook/hmac-with-time` is signed at.
const NOW: i64 = 1_779_091_200;

/// Notice kinds that a service has no event for.
const NOT_SENT: &[(&str, &[&str])] = &[(
    "gitea",
    &[
        "deployment_changed",
        "repository_renamed",
        "starred",
        "discussion_opened",
        "discussion_answered",
        "security_alert",
        "member_changed",
    ],
)];

/// Cases that say nothing, and why.
const SILENT: &[(&str, &str)] = &[
    ("push-of-new-branch", "`create` says it"),
    ("push-new-branch", "`create` says it"),
    ("push-tag-created", "`create` says it"),
    (
        "push-tag-deleted",
        "in truth a created tag; `create` says it",
    ),
    ("push-branch-deleted", "`delete` says it"),
    ("release.created", "`published` says it"),
    ("release.released", "`published` says it"),
    ("watch.started", "`star` says it"),
    ("workflow_run.requested", "not over yet"),
    ("workflow_run.in_progress", "not over yet"),
    ("check_run.created", "not over yet"),
    ("status.pending", "not over yet"),
    ("ping", "the webhook itself"),
];

struct Case {
    name: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    spec: ProviderSpec,
    expected: PathBuf,
}

/// What one request comes to.
struct Outcome {
    sender_key: Option<String>,
    notices: Vec<NoticeDraft>,
}

impl Case {
    fn request(&self) -> RawRequest<'_> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        RawRequest {
            method: "POST",
            path_rest: path.strip_prefix("/hooks/forge/").unwrap_or(""),
            query,
            headers: &self.headers,
            body: &self.body,
        }
    }

    fn set(&mut self, header: &str, value: &str) {
        self.remove(header);
        self.headers.push((header.into(), value.into()));
    }

    fn remove(&mut self, header: &str) {
        self.headers.retain(|(name, _)| name != header);
    }
}

/// All the way of a request, as the shell takes it.
fn receive(kind: &dyn Provider, case: &Case, secrets: &[&[u8]]) -> Result<Outcome, Refused> {
    let webhook = kind.webhook().expect("a kind that is told by webhook");
    let keys = Keys {
        secrets,
        now_seconds: NOW,
    };
    let request = case.request();
    let verified = verify(webhook, &case.spec, &request, &keys).map_err(Refused::Unverified)?;
    let read = || {
        let document = webhook.document(&verified)?;
        let body = webhook.read(&document, &request.media_type())?;
        let readable = Readable::of(&request, body);
        let prepared = webhook.prepare(&case.spec)?;
        let notices = webhook.notices_prepared(&prepared, &case.spec, &readable)?;
        assert_eq!(
            Ok(&notices),
            webhook.notices(&case.spec, &readable).as_ref()
        );
        let mapped = webhook.mapped_key(&prepared, &readable)?;
        Ok(Outcome {
            sender_key: mapped.or_else(|| webhook.sender_key(&verified)),
            notices,
        })
    };
    read().map_err(Refused::Unreadable)
}

#[derive(Debug)]
enum Refused {
    Unverified(Unverified),
    Unreadable(Unreadable),
}

fn webhooks() -> impl Iterator<Item = (&'static dyn Provider, &'static dyn Webhook)> {
    KINDS
        .iter()
        .filter_map(|kind| Some((*kind, kind.webhook()?)))
}

fn kind(name: &str) -> &'static dyn Provider {
    providers::kind(name).expect("a known kind")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/providers")
}

/// Recorded requests of real senders, when they lie beside the project.
fn shared_payloads() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/payloads"))
        .find(|folder| folder.is_dir())
}

fn cases(folder: &Path, kind: &str) -> Vec<Case> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.expect("a readable folder").file_name();
            Some(name.to_str()?.strip_suffix(".headers.json")?.to_owned())
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let file = |extension: &str| folder.join(format!("{name}.{extension}"));
            let json = |path: PathBuf| -> Option<Value> {
                let text = std::fs::read(path).ok()?;
                Some(serde_json::from_slice(&text).expect("JSON in a fixture"))
            };
            let mut headers: BTreeMap<String, String> =
                serde_json::from_value(json(file("headers.json")).expect("headers"))
                    .expect("an object of texts");
            let path = headers.remove(":path").unwrap_or_default();
            headers.remove(":method");
            let mut spec = value!({"name": "forge", "kind": kind});
            if let Some(Value::Object(more)) = json(file("spec.json")) {
                spec.as_object_mut().expect("an object").extend(more);
            }
            Case {
                path,
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name.to_lowercase(), value.into_bytes()))
                    .collect(),
                body: std::fs::read(file("json"))
                    .or_else(|_| std::fs::read(file("body")))
                    .expect("a body"),
                spec: serde_json::from_value(spec).expect("a spec"),
                expected: file("expected.json"),
                name,
            }
        })
        .collect()
}

fn case(kind: &str, name: &str) -> Case {
    cases(&fixtures().join(kind), kind)
        .into_iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("fixture {kind}/{name}"))
}

/// A notice without what it leaves empty.
fn lean(notice: &NoticeDraft) -> Value {
    let mut lean = serde_json::to_value(notice).expect("a notice as JSON");
    if let Value::Object(members) = &mut lean {
        members.remove("items");
        members.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Object(inner) => inner.values().any(|value| value != ""),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
        });
    }
    lean
}

#[test]
fn every_case_says_what_is_expected() {
    for (kind, _) in webhooks() {
        for case in cases(&fixtures().join(kind.kind()), kind.kind()) {
            let outcome = receive(kind, &case, &[SECRET])
                .unwrap_or_else(|why| panic!("{}/{}: {why:?}", kind.kind(), case.name));
            let said = value!({
                "sender_key": outcome.sender_key,
                "notices": outcome.notices.iter().map(lean).collect::<Vec<_>>(),
            });
            let said = serde_json::to_string_pretty(&said).expect("JSON") + "\n";
            expect_test::expect_file![&case.expected].assert_eq(&said);
            assert_readable(kind, &case, &outcome.notices);
        }
    }
}

/// What holds for every notice, whatever it is about.
fn assert_readable(kind: &dyn Provider, case: &Case, notices: &[NoticeDraft]) {
    let place = format!("{}/{}", kind.kind(), case.name);
    let silent = SILENT.iter().any(|(name, _)| *name == case.name);
    assert_eq!(notices.is_empty(), silent, "{place}");
    let known: BTreeSet<&str> = kind.notice_kinds().iter().map(|kind| kind.name).collect();
    for notice in notices {
        let title = &notice.title;
        assert!(
            known.is_empty() || known.contains(notice.kind.as_str()),
            "{place}"
        );
        assert!(!title.is_empty() && !title.contains('\n'), "{place}");
        for machine in [
            "{",
            "[",
            "}",
            "null",
            "undefined",
            "None",
            "  ",
            "“”",
            "refs/",
        ] {
            assert!(!title.contains(machine), "{place}: {title}");
        }
        assert!(notice.url.as_deref().is_none_or(is_http_url), "{place}");
        assert_eq!(*notice, notice.clone().bounded(), "{place}");
        if !known.is_empty() {
            assert!(notice.labels.contains_key("event"), "{place}");
        }
    }
}

#[test]
fn every_kind_and_every_notice_kind_has_a_case() {
    for (kind, _) in webhooks() {
        let cases = cases(&fixtures().join(kind.kind()), kind.kind());
        assert!(!cases.is_empty(), "{} has no case", kind.kind());
        assert!(!kind.traps().is_empty(), "{} names no trap", kind.kind());
        let said: BTreeSet<String> = cases
            .iter()
            .filter_map(|case| receive(kind, case, &[SECRET]).ok())
            .flat_map(|outcome| outcome.notices)
            .map(|notice| notice.kind)
            .collect();
        let not_sent = NOT_SENT
            .iter()
            .find(|(name, _)| *name == kind.kind())
            .map_or(&[][..], |(_, kinds)| *kinds);
        for notice_kind in kind.notice_kinds() {
            assert_eq!(
                said.contains(notice_kind.name),
                !not_sent.contains(&notice_kind.name),
                "{}: {}",
                kind.kind(),
                notice_kind.name
            );
        }
    }
}

#[test]
fn sender_keys_tell_deliveries_apart() {
    for name in ["gitea", "github"] {
        let mut seen = BTreeSet::new();
        for case in cases(&fixtures().join(name), name) {
            let outcome = receive(kind(name), &case, &[SECRET]).expect("a good case");
            let key = outcome.sender_key.expect("a delivery id");
            assert!(seen.insert(key), "{name}/{}", case.name);
        }
        assert!(
            kind(name)
                .webhook()
                .is_some_and(Webhook::same_bytes_same_delivery)
        );
    }
}

/// Requests of real senders: each is verified, and says what a person needs where it was given.
#[test]
fn recorded_requests_of_real_senders_are_understood() {
    let Some(payloads) = shared_payloads() else {
        return;
    };
    let never_empty = |given: &Value| given.as_str().is_some_and(|text| !text.trim().is_empty());
    // Forgejo sends Gitea's headers too.
    for (folder, name) in [
        ("github", "github"),
        ("gitea", "gitea"),
        ("forgejo", "gitea"),
    ] {
        for case in cases(&payloads.join(folder), name) {
            let place = format!("{folder}/{}", case.name);
            let outcome = receive(kind(name), &case, &[SECRET])
                .unwrap_or_else(|why| panic!("{place}: {why:?}"));
            assert_readable(kind(name), &case, &outcome.notices);
            let body = json::parse(&case.body).expect("JSON");
            for notice in &outcome.notices {
                assert!(notice.url.is_some(), "{place}");
                if body["repository"].is_object() {
                    let collection = notice.collection.as_ref().expect("a collection");
                    assert_eq!(
                        value!(collection.name),
                        body["repository"]["full_name"],
                        "{place}"
                    );
                    assert_eq!(
                        value!(collection.id),
                        value!(body["repository"]["id"].to_string())
                    );
                }
                if body["sender"].is_object() {
                    assert_eq!(value!(notice.actor), body["sender"]["login"], "{place}");
                }
                assert!(!notice.subject.key.is_empty(), "{place}");
                let told = match notice.kind.as_str() {
                    "push" => body["commits"].get(0).map(|_| &body["ref"]),
                    "issue_opened" => body["issue"].get("body"),
                    "pull_opened" => body["pull_request"].get("body"),
                    "issue_commented" | "pull_commented" => body["comment"].get("body"),
                    "release_published" => body["release"].get("body"),
                    "review_approved" | "review_changes_requested" => {
                        body["review"].get("content").or(body["review"].get("body"))
                    }
                    _ => None,
                };
                if told.is_some_and(never_empty) {
                    assert!(!notice.text.is_empty(), "{place}");
                }
            }
        }
    }
    // Whatever comes to a webhook without a mapping, something readable is made of it.
    for folder in std::fs::read_dir(&payloads).expect("a folder").flatten() {
        for mut case in cases(&folder.path(), "webhook") {
            case.spec.verify = Some(Verify::None);
            if let Ok(outcome) = receive(kind("webhook"), &case, &[]) {
                assert_eq!(outcome.notices.len(), 1, "{}", case.name);
                assert!(!outcome.notices[0].title.is_empty(), "{}", case.name);
            }
        }
    }
}

/// One way to spoil a request, and what it is refused with.
type Spoil = (&'static str, fn(&mut Case), Unverified);

fn assert_refused(kind_name: &str, case_name: &str, spoils: Vec<Spoil>) {
    for (what, spoil, expected) in spoils {
        let mut spoilt = case(kind_name, case_name);
        spoil(&mut spoilt);
        match receive(kind(kind_name), &spoilt, &[SECRET]) {
            Err(Refused::Unverified(why)) => assert_eq!(why, expected, "{kind_name}: {what}"),
            Err(Refused::Unreadable(why)) => panic!("{kind_name}: {what}: {why:?}"),
            Ok(_) => panic!("{kind_name}: {what}: accepted"),
        }
    }
}

fn mismatch(header: &str) -> Unverified {
    Unverified::SignatureMismatch(header.into())
}

fn missing(header: &str) -> Unverified {
    Unverified::HeaderMissing(header.into())
}

fn empty(header: &str) -> Unverified {
    Unverified::HeaderEmpty(header.into())
}

const HUB: &str = "x-hub-signature-256";
const GITEA: &str = "x-gitea-signature";
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_forge_request_without_a_good_signature_is_refused() {
    let hub_malformed =
        || Unverified::HeaderMalformed(HUB.into(), "`sha256=` and 64 hex digits are expected");
    assert_refused(
        "github",
        "push",
        vec![
            ("another body", |case| case.body.push(b' '), mismatch(HUB)),
            (
                "no signature but SHA-1",
                |case| case.remove(HUB),
                missing(HUB),
            ),
            ("an empty signature", |case| case.set(HUB, ""), empty(HUB)),
            (
                "a prefix and nothing",
                |case| case.set(HUB, "sha256="),
                empty(HUB),
            ),
            (
                "zeros",
                |case| case.set(HUB, &format!("sha256={ZEROS}")),
                mismatch(HUB),
            ),
            ("no prefix", |case| case.set(HUB, ZEROS), hub_malformed()),
            (
                "too short",
                |case| case.set(HUB, "sha256=00ff"),
                hub_malformed(),
            ),
            (
                "not hex",
                |case| case.set(HUB, &ZEROS.replace('0', "g")),
                hub_malformed(),
            ),
            (
                "SHA-1 in the place of SHA-256",
                |case| case.set(HUB, "sha1=0000000000000000000000000000000000000000"),
                hub_malformed(),
            ),
            (
                "a good one and then a bad one",
                |case| {
                    case.headers
                        .push((HUB.into(), format!("sha256={ZEROS}").into_bytes()))
                },
                mismatch(HUB),
            ),
        ],
    );
    assert_refused(
        "gitea",
        "push",
        vec![
            ("another body", |case| case.body.push(b' '), mismatch(GITEA)),
            (
                "no signatures",
                |case| {
                    case.remove(GITEA);
                    case.remove(HUB);
                },
                missing(GITEA),
            ),
            (
                "no secret at the sender",
                |case| {
                    case.set(GITEA, "");
                    case.set("x-gogs-signature", "");
                    case.set(HUB, "sha256=");
                },
                empty(GITEA),
            ),
            (
                "one good and one bad",
                |case| case.set(HUB, &format!("sha256={ZEROS}")),
                mismatch(HUB),
            ),
            (
                "good ones and a bad one of an ancestor",
                |case| case.set("x-gogs-signature", ZEROS),
                mismatch("x-gogs-signature"),
            ),
        ],
    );
    // Gitea signs the JSON even in a form, GitHub the form.
    assert_refused(
        "gitea",
        "push-form",
        vec![
            (
                "another payload",
                |case| case.body.splice(8..8, *b"%20").for_each(drop),
                mismatch(GITEA),
            ),
            (
                "no payload",
                |case| case.body = b"a=b".to_vec(),
                mismatch(GITEA),
            ),
        ],
    );
    assert_refused(
        "github",
        "push-form",
        vec![(
            "the same payload, written differently",
            |case| case.body.extend_from_slice(b"&"),
            mismatch(HUB),
        )],
    );
}

#[test]
fn any_of_several_secrets_is_accepted_and_an_empty_one_never() {
    for (kind_name, case_name) in [
        ("github", "push"),
        ("gitea", "push"),
        ("gitea", "push-form"),
        ("webhook", "named-parts"),
        ("webhook", "basic"),
        ("webhook", "path"),
        ("webhook", "hmac-with-time"),
    ] {
        let kind = kind(kind_name);
        let good = case(kind_name, case_name);
        for (secrets, accepted) in [
            (&[SECRET][..], true),
            (&[b"new", SECRET], true),
            (&[SECRET, b"old"], true),
            (&[b"", SECRET], true),
            (&[b"wrong"], false),
            (&[b"It's a Secret to Everybod"], false),
            (&[], false),
            (&[b""], false),
        ] {
            let outcome = receive(kind, &good, secrets);
            assert_eq!(
                outcome.is_ok(),
                accepted,
                "{kind_name}/{case_name} {secrets:?}"
            );
            if secrets.iter().all(|secret| secret.is_empty()) {
                assert!(matches!(
                    outcome,
                    Err(Refused::Unverified(Unverified::NoSecret))
                ));
            }
        }
    }
}

#[test]
fn exactly_the_configured_method_is_accepted() {
    let auth = "authorization";
    let token = |place: &str| Unverified::TokenMismatch(place.into());
    let bearer = |case: &mut Case, value: &str| case.set("authorization", value);
    let bearer_form =
        || Unverified::HeaderMalformed(auth.into(), "`Bearer` and the token are expected");
    let _ = bearer;
    assert_refused(
        "webhook",
        "named-parts",
        vec![
            (
                "no header",
                |case| case.remove("authorization"),
                missing(auth),
            ),
            (
                "an empty header",
                |case| case.set("authorization", " "),
                empty(auth),
            ),
            (
                "no token",
                |case| case.set("authorization", "Bearer "),
                empty(auth),
            ),
            (
                "another token",
                |case| case.set("authorization", "Bearer x"),
                token(auth),
            ),
            (
                "another scheme",
                |case| case.set("authorization", "Token x"),
                bearer_form(),
            ),
            (
                "the right token as a password",
                |case| {
                    case.set(
                        "authorization",
                        "Basic eDpJdCdzIGEgU2VjcmV0IHRvIEV2ZXJ5Ym9keQ==",
                    )
                },
                bearer_form(),
            ),
            (
                "two headers",
                |case| {
                    case.headers
                        .push(("authorization".into(), b"Bearer x".to_vec()))
                },
                Unverified::HeaderMalformed(auth.into(), "it was sent more than once"),
            ),
            (
                "a signature, though that is not configured",
                |case| case.spec.verify = Some(Verify::Signature),
                Unverified::MethodNotAccepted,
            ),
            (
                "a token, though a path is configured",
                |case| case.spec.verify = Some(Verify::Path),
                Unverified::PathTokenMissing,
            ),
        ],
    );
    let basic_form = || {
        Unverified::HeaderMalformed(
            auth.into(),
            "`Basic` and base64 of `user:password` are expected",
        )
    };
    assert_refused(
        "webhook",
        "basic",
        vec![
            (
                "no base64",
                |case| case.set("authorization", "Basic %"),
                basic_form(),
            ),
            (
                "no colon",
                |case| case.set("authorization", "Basic YQ=="),
                basic_form(),
            ),
            (
                "no password",
                |case| case.set("authorization", "Basic YTo="),
                empty(auth),
            ),
            (
                "another password",
                |case| case.set("authorization", "Basic YTpi"),
                token(auth),
            ),
        ],
    );
    assert_refused(
        "webhook",
        "path",
        vec![
            (
                "no token",
                |case| case.path = "/hooks/forge/".into(),
                Unverified::PathTokenMissing,
            ),
            (
                "another",
                |case| case.path = "/hooks/forge/x".into(),
                token("the path"),
            ),
            (
                "the token not at the end",
                |case| case.path.push_str("/x"),
                token("the path"),
            ),
        ],
    );
    assert_refused(
        "github",
        "push",
        vec![(
            "a method the kind does not have",
            |case| case.spec.verify = Some(Verify::Bearer),
            Unverified::MethodNotAccepted,
        )],
    );
    let mut open = case("webhook", "named-parts");
    open.remove(auth);
    open.spec.verify = Some(Verify::None);
    assert!(receive(kind("webhook"), &open, &[]).is_ok());
}

#[test]
fn a_signature_in_any_header_is_checked_with_its_time() {
    const SIGNATURE: &str = "x-parcel-signature";
    const TIME: &str = "x-parcel-time";
    assert_refused(
        "webhook",
        "hmac-with-time",
        vec![
            (
                "another body",
                |case| case.body.push(b' '),
                mismatch(SIGNATURE),
            ),
            (
                "another time",
                |case| case.set(TIME, "1779091201"),
                mismatch(SIGNATURE),
            ),
            ("no time", |case| case.remove(TIME), missing(TIME)),
            (
                "no signature",
                |case| case.remove(SIGNATURE),
                missing(SIGNATURE),
            ),
            (
                "nothing signed",
                |case| case.set(SIGNATURE, "v1="),
                empty(SIGNATURE),
            ),
            (
                "no prefix",
                |case| case.set(SIGNATURE, "AAAA"),
                Unverified::HeaderMalformed(
                    SIGNATURE.into(),
                    "it does not start with the configured prefix",
                ),
            ),
            (
                "too short",
                |case| case.set(SIGNATURE, "v1=AAAA"),
                Unverified::HeaderMalformed(SIGNATURE.into(), "base64 of 32 bytes is expected"),
            ),
        ],
    );
    // The same request, looked at from other moments.
    let late = case("webhook", "hmac-with-time");
    let webhook = kind("webhook").webhook().expect("a webhook");
    for (seconds, accepted) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let keys = Keys {
            secrets: &[SECRET],
            now_seconds: NOW + seconds,
        };
        let request = late.request();
        let outcome = verify(webhook, &late.spec, &request, &keys);
        assert_eq!(outcome.is_ok(), accepted, "{seconds}");
        if !accepted {
            assert_eq!(outcome.err(), Some(Unverified::TooOld(TIME.into())));
        }
    }
    // The check vector that GitHub's documentation gives.
    let vector = Case {
        headers: vec![(
            "x-signature".into(),
            b"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".to_vec(),
        )],
        body: b"Hello, World!".to_vec(),
        spec: ProviderSpec {
            verify: Some(Verify::Hmac(HmacSpec {
                header: "X-Signature".into(),
                prefix: String::new(),
                encoding: DigestEncoding::Hex,
                timestamp: None,
            })),
            ..case("webhook", "plain-text").spec
        },
        ..case("webhook", "plain-text")
    };
    assert!(receive(kind("webhook"), &vector, &[SECRET]).is_ok());
}

#[test]
fn a_body_that_is_not_an_object_is_unreadable() {
    for name in ["gitea", "github"] {
        let webhook = kind(name).webhook().expect("a webhook");
        let good = case(name, "push");
        for body in [value!([]), value!("push"), value!(1), value!(null)] {
            let readable = Readable::of(&good.request(), body);
            assert!(matches!(
                webhook.notices(&good.spec, &readable),
                Err(Unreadable::Field { field, .. }) if field == "body"
            ));
        }
        let empty = Readable::of(&good.request(), value!({}));
        assert!(webhook.notices(&good.spec, &empty).is_ok());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("refs/heads/ü\u{202e}\n")),
        Just(Value::from("9999-99-99T99:99:99Z")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            ".{0,8}",
            proptest::sample::select(vec![
                "title",
                "text",
                "commits",
                "repository",
                "sender",
                "ref",
                "issue",
                "number",
                "labels",
                "data",
                "user",
                "url",
                "id",
                "login",
                "name",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces what lies at the n-th place of a value, counted depth first.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|one| replace(one, n, with)),
        Value::Object(members) => members.values_mut().for_each(|one| replace(one, n, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_makes_a_kind_panic(any in any_json(), place in 0usize..120) {
        for (kind, webhook) in webhooks() {
            for case in cases(&fixtures().join(kind.kind()), kind.kind()) {
                let original = webhook.read(&case.body, "").unwrap_or_default();
                let mut mutated = original.clone();
                replace(&mut mutated, &mut place.clone(), &any);
                let mut members = original;
                if let (Value::Object(members), Value::Object(more)) = (&mut members, &any) {
                    members.extend(more.clone());
                }
                for body in [any.clone(), mutated, members] {
                    let readable = Readable::of(&case.request(), body);
                    for notice in webhook.notices(&case.spec, &readable).unwrap_or_default() {
                        prop_assert!(!notice.title.is_empty());
                        prop_assert!(!notice.title.contains('\n'));
                        prop_assert_eq!(notice.clone().bounded(), notice);
                    }
                }
            }
        }
    }
}
