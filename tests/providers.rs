//! Provider kinds against recorded requests.
//!
//! A case is `fixtures/providers/<kind>/<case>.json` (or `.body`) with `<case>.headers.json`, what
//! it is configured with besides name and kind in `<case>.spec.json`, and what comes of it in
//! `<case>.expected.json`. `UPDATE_EXPECT=1` writes the expectations anew; read them before you
//! commit them, as if they came to your phone.

#[path = "providers/arbitrary.rs"]
mod arbitrary;
#[path = "providers/case.rs"]
mod case;
#[path = "providers/refusals.rs"]
mod refusals;

use std::collections::BTreeSet;

use case::{Case, SECRET, case, cases, fixtures, kind, lean, receive, shared_payloads, webhooks};
use notify_bridge::domain::notice::{NoticeDraft, is_http_url};
use notify_bridge::domain::spec::Verify;
use notify_bridge::providers::{Provider, Readable, Unreadable, Webhook, json};
use serde_json::{Value, json as value};

/// Notice kinds that a service has no event for.
const NOT_SENT: &[(&str, &[&str])] = &[
    (
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
    ),
    // All of them are found by looking; its webhook only says when.
    (
        "immich",
        &[
            "assets_added",
            "assets_removed",
            "album_renamed",
            "album_created",
            "album_deleted",
            "sharing_changed",
            "summary",
            "assets_picked",
            "memory",
        ],
    ),
];

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
    ("workflow-upload", "a look finds it"),
    ("workflow-metadata", "a look finds it"),
    ("workflow-bearer", "a look finds it"),
    ("workflow-path", "a look finds it"),
];

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
    // The recordings have a secret of their own, in a header that their user named, or none.
    for mut case in cases(&payloads.join("immich"), "immich") {
        let has_token = case.headers.iter().any(|(name, _)| name == "x-api-key");
        case.spec.verify = (!has_token).then_some(Verify::None);
        let outcome = receive(kind("immich"), &case, &[b"s3cret-token"]);
        assert!(outcome.expect("it is understood").notices.is_empty());
    }
    // Whatever comes to a webhook without a mapping, something readable is made of it.
    for folder in std::fs::read_dir(&payloads).expect("a folder").flatten() {
        for mut case in cases(&folder.path(), "webhook") {
            case.spec.verify = Some(Verify::None);
            if let Ok(outcome) = receive(kind("webhook"), &case, &[]) {
                assert_eq!(outcome.notices.len(), 1, "{}", case.name);
                let title = &outcome.notices[0].title;
                assert!(!title.is_empty() && !title.contains(['{', '\n']), "{title}");
            }
        }
    }
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
