//! Tests of the words as a whole.

mod bounded;
mod hostile;
mod language;
mod russian;
mod where_;
mod wording;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Rendered, Scene, Words, markup, render};
use crate::domain::notice::{
    Collection, Item, ItemKind, Items, Notice, NoticeDraft, Severity, Subject,
};
use crate::domain::spec::{ReceiverSpec, TargetSpec, TemplateSpec, WordsSpec};
use crate::targets::{self, Message};

/// A push as a forge tells it.
fn push() -> Notice {
    Notice {
        id: "01JDF2Z6V80001800000000000".into(),
        position: 42,
        received_at: 1_764_000_000_250_000,
        provider: "forge".into(),
        provider_kind: "gitea".into(),
        dispatch_id: "d-7".into(),
        draft: NoticeDraft {
            kind: "push".into(),
            collection: Some(Collection {
                id: "17".into(),
                name: "harbour/crane".into(),
            }),
            subject: Subject {
                key: "branch:main".into(),
                label: "main".into(),
            },
            actor: Some("gordon".into()),
            title: "gordon pushed 2 commits to main in harbour/crane".into(),
            text: "ab12cd3 Lift the hook first\n99ffee1 Oil the winch".into(),
            url: Some("https://git.example.net/harbour/crane/compare/1...2".into()),
            labels: [("branch", "main"), ("commits", "2"), ("forced", "false")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..NoticeDraft::default()
        },
    }
}

/// The parts of a message with this text, in the markup of a target kind; none when it is blank.
fn said_by(kind: &str, text: &markup::Markup) -> Vec<String> {
    let notice = push();
    let message = Message {
        notices: None,
        delivery_id: "01JDF2Z6V80001800000000001".into(),
        title: markup::Markup::default(),
        text: text.clone(),
        buttons: Vec::new(),
        severity: Severity::Info,
        url: None,
        notice: serde_json::Value::Null,
        kind: notice.draft.kind,
        received_at: String::new(),
        body: None,
        hops: 0,
    };
    let target: TargetSpec =
        serde_json::from_value(serde_json::json!({"name": "t", "kind": kind})).expect("a spec");
    let to = ReceiverSpec {
        to: "1".into(),
        ..ReceiverSpec::default()
    };
    let kind = targets::kind(kind).expect("a kind");
    let parts = kind.compose(&message, &target, &to).unwrap_or_default();
    parts.into_iter().map(|part| part.text).collect()
}

fn with(change: impl FnOnce(&mut NoticeDraft)) -> Notice {
    let mut notice = push();
    change(&mut notice.draft);
    notice
}

/// 24 November 2025, 16:00 UTC, read in Lisbon.
fn rendered(words: Option<&Words>, format: &str, notice: &Notice) -> Rendered {
    rendered_in(words, format, notice, "en", &TimeZone::UTC)
}

fn rendered_in(
    words: Option<&Words>,
    format: &str,
    notice: &Notice,
    locale: &str,
    zone: &TimeZone,
) -> Rendered {
    render(
        words,
        format,
        &Scene {
            still: false,
            digest: None,
            notice,
            tracker: Some("releases"),
            link: None,
            target: "ops",
            receiver: "team",
            locale,
            zone,
            now: Timestamp::from_second(1_764_000_000).unwrap(),
        },
    )
}

fn spec(entries: &[(&str, WordsSpec)]) -> TemplateSpec {
    TemplateSpec {
        name: "short".into(),
        description: String::new(),
        locale: None,
        entries: entries
            .iter()
            .map(|(kind, words)| ((*kind).to_owned(), words.clone()))
            .collect(),
    }
}

/// Words whose every message is this text.
fn words(text: &str) -> Words {
    Words::compile(&spec(&[(
        "default",
        WordsSpec {
            text: Some(text.into()),
            ..WordsSpec::default()
        },
    )]))
    .unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

/// What a text says of a notice, plain; faults in brackets behind it.
fn said(text: &str, notice: &Notice) -> String {
    let rendered = rendered(Some(&words(text)), "plain", notice);
    let mut said = markup::plain(&rendered.text);
    if !rendered.faults.is_empty() {
        said.push_str(&format!(" [{}]", rendered.faults.join("; ")));
    }
    said
}
