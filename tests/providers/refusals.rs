//! Who is refused, and with which reason.

use notify_bridge::domain::spec::{DigestEncoding, HmacSpec, ProviderSpec, Verify};
use notify_bridge::providers::{Keys, Unverified, verify};

use crate::case::{Case, NOW, Refused, SECRET, case, kind, receive};

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
    let bearer_form =
        || Unverified::HeaderMalformed(auth.into(), "`Bearer` and the token are expected");
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

/// The header has a name of the user's choice, so what was wrong with it can only be guessed.
#[test]
fn a_workflow_without_its_secret_is_refused() {
    assert_refused(
        "immich",
        "workflow-upload",
        vec![
            (
                "another secret",
                |case| case.set("x-api-key", "It's no Secret"),
                Unverified::TokenMismatch("x-api-key".into()),
            ),
            (
                "an empty header",
                |case| case.set("x-api-key", " "),
                empty("x-api-key"),
            ),
            (
                "no header",
                |case| case.remove("x-api-key"),
                missing("x-api-key, or another with the secret,"),
            ),
            (
                "the secret in the body",
                |case| {
                    case.remove("x-api-key");
                    case.body = SECRET.to_vec();
                },
                missing("x-api-key, or another with the secret,"),
            ),
        ],
    );
    let case = case("immich", "workflow-upload");
    let unlocked = receive(kind("immich"), &case, &[b""]);
    assert!(matches!(
        unlocked,
        Err(Refused::Unverified(Unverified::NoSecret))
    ));
}
