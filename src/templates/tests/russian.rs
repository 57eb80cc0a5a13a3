//! The Russian words: every kind that a provider's fixtures hold is told in Russian, without a fault.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::digest::Digest;
use super::*;
use crate::domain::notice::Transition;
use crate::providers;

/// Kinds whose title is the sender's own text in every language.
const SENDERS_OWN: &[&str] = &["other", "scheduled_message", "message", "received"];

fn russian(notice: &Notice) -> Rendered {
    rendered_in(None, "telegram", notice, "ru", &TimeZone::UTC)
}

/// The notices that the fixtures of all provider kinds give.
fn fixtures() -> Vec<(String, NoticeDraft)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/providers");
    let mut found = Vec::new();
    for kind in std::fs::read_dir(&root).unwrap() {
        for file in std::fs::read_dir(kind.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            // What a mapping says is in the sender's words.
            if path.components().any(|part| part.as_os_str() == "webhook") {
                continue;
            }
            let name = path.display().to_string();
            if !name.ends_with(".expected.json") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let case: serde_json::Value = serde_json::from_str(&text).unwrap();
            for lean in case["notices"].as_array().into_iter().flatten() {
                let words = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
                let map = |value: &serde_json::Value| {
                    let entries = value.as_object().into_iter().flatten();
                    entries
                        .map(|(key, value)| (key.clone(), words(value)))
                        .collect()
                };
                let draft = NoticeDraft {
                    kind: words(&lean["kind"]),
                    collection: lean["collection"]["name"].as_str().map(|name| Collection {
                        id: name.to_owned(),
                        name: name.to_owned(),
                    }),
                    subject: Subject {
                        key: words(&lean["subject"]["key"]),
                        label: words(&lean["subject"]["label"]),
                    },
                    transition: Transition::parse(&words(&lean["transition"])).unwrap_or_default(),
                    actor: lean["actor"].as_str().map(str::to_owned),
                    title: words(&lean["title"]),
                    text: words(&lean["text"]),
                    severity: Severity::parse(&words(&lean["severity"])).unwrap_or_default(),
                    labels: map(&lean["labels"]),
                    before: map(&lean["before"]),
                    after: map(&lean["after"]),
                    ..NoticeDraft::default()
                };
                found.push((name.clone(), draft));
            }
        }
    }
    found
}

#[test]
fn every_fixture_is_told_in_russian() {
    let mut kinds = BTreeSet::new();
    for (file, draft) in fixtures() {
        let kind = draft.kind.clone();
        let notice = with(|own| *own = draft);
        let rendered = russian(&notice);
        let title = markup::plain(&rendered.title);
        assert_eq!(rendered.faults, Vec::<String>::new(), "{file}: {title}");
        assert!(!rendered.fell_back, "{file}");
        if !SENDERS_OWN.contains(&kind.as_str()) {
            assert!(
                title.chars().any(|c| ('а'..='я').contains(&c)),
                "{file}: {title}"
            );
        }
        kinds.insert(kind);
    }
    assert!(kinds.len() > 20, "the fixtures were not found: {kinds:?}");
}

#[test]
fn every_kind_of_every_provider_has_a_russian_title() {
    let kinds = providers::KINDS
        .iter()
        .flat_map(|provider| provider.notice_kinds())
        .chain(providers::bridge::NOTICE_KINDS);
    for kind in kinds {
        if SENDERS_OWN.contains(&kind.name) {
            continue;
        }
        let notice = with(|draft| {
            *draft = NoticeDraft {
                kind: kind.name.into(),
                title: "in English".into(),
                ..NoticeDraft::default()
            };
        });
        let rendered = russian(&notice);
        let title = markup::plain(&rendered.title);
        assert_ne!(title, "in English", "{}", kind.name);
    }
}

#[test]
fn titles() {
    let commits = |n: &str| {
        with(|draft| {
            draft.labels.insert("commits".into(), n.into());
        })
    };
    let alert = with(|draft| {
        draft.kind = "security_alert".into();
        draft.severity = Severity::Critical;
        draft.transition = Transition::Opens;
        draft.subject.label = "winchlib".into();
    });
    let door = with(|draft| {
        draft.kind = "state_changed".into();
        draft.subject.label = "Back door".into();
        for (label, value) in [("value", "open"), ("for", "10m")] {
            draft.labels.insert(label.into(), value.into());
        }
    });
    for (notice, expected) in [
        (door, "Back door: open, уже 10m"),
        (commits("1"), "gordon — 1 коммит → main (harbour/crane)"),
        (commits("3"), "gordon — 3 коммита → main (harbour/crane)"),
        (commits("11"), "gordon — 11 коммитов → main (harbour/crane)"),
        (
            alert,
            "🔴 Предупреждение безопасности: winchlib (harbour/crane)",
        ),
    ] {
        let rendered = russian(&notice);
        assert_eq!(markup::plain(&rendered.title), expected);
    }
}

#[test]
fn moments_and_numbers() {
    let text = "{{ 1763990000|ago }} · {{ 1764180000|ago }} · {{ 1763999700|ago }} · \
        {{ 1700000000|date }} · {{ 1234567|number }} · {{ 2.5|number }} · {{ 4230|duration }} · \
        {{ 21|plural('день', 'дня', 'дней') }} · {{ 12|plural('день', 'дня', 'дней') }}";
    let rendered = rendered_in(
        Some(&words(text)),
        "plain",
        &push(),
        "ru-RU",
        &TimeZone::UTC,
    );
    assert_eq!(
        markup::plain(&rendered.text),
        "2 часа назад · через 2 дня · 5 минут назад · 14 нояб. 2023 · 1\u{A0}234\u{A0}567 · 2,5 · \
         1 ч 10 мин · день · дней"
    );
}

#[test]
fn a_digest_has_russian_lines_below_the_place() {
    let opened = with(|draft| {
        draft.kind = "issue_opened".into();
        draft.subject.label = "#8 Rust".into();
        draft.text = String::new();
    });
    let digest = Digest::of(vec![push(), opened.clone()], 5);
    let about = digest.as_notice(&opened);
    let rendered = render(
        None,
        "plain",
        &Scene {
            still: false,
            digest: Some(&digest),
            notice: &about,
            tracker: None,
            link: None,
            target: "ops",
            receiver: "team",
            locale: "ru",
            zone: &TimeZone::UTC,
            now: Timestamp::from_second(1_764_000_000).unwrap(),
        },
    );
    assert_eq!(rendered.faults, Vec::<String>::new());
    assert_eq!(markup::plain(&rendered.title), "5 уведомлений");
    let text = markup::plain(&rendered.text);
    for line in [
        "harbour/crane",
        "gordon — 2 коммита → main",
        "gordon — новая задача #8 Rust",
        "и ещё 3",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}
