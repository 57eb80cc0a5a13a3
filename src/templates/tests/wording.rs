//! Which words are chosen, and what the built-in ones and the filters say.

use super::*;
use crate::domain::spec::ButtonSpec;
use crate::templates::{Scene, defaults, notice_json, render_body};
use expect_test::{Expect, expect};

fn whole(rendered: &Rendered) -> String {
    let mut text = markup::html(&rendered.title);
    text.push_str("--\n");
    text.push_str(&markup::html(&rendered.text));
    for button in &rendered.buttons {
        text.push_str(&format!("\n[{}] {}", button.text, button.url));
    }
    for fault in &rendered.faults {
        text.push_str(&format!("\n! {fault}"));
    }
    text
}

fn check(notice: &Notice, expected: Expect) {
    expected.assert_eq(&whole(&rendered(None, "telegram", notice)));
}

#[test]
fn the_built_in_words_compile_for_every_kind() {
    for (language, entries) in defaults::languages() {
        let spec = TemplateSpec {
            name: language.into(),
            description: String::new(),
            locale: Some(language.into()),
            entries,
        };
        if let Err(faults) = Words::compile(&spec) {
            panic!("{language}: {faults:?}");
        }
    }
}

#[test]
fn every_kind_says_its_title_without_a_fault() {
    let (_, entries) = defaults::languages().next().unwrap();
    // A digest tells others' titles; `tests/bridge/holds.rs` reads it.
    let kinds = entries
        .keys()
        .filter(|kind| *kind != super::super::DIGEST_KIND);
    for kind in kinds {
        for bare in [false, true] {
            let notice = with(|draft| {
                draft.kind = kind.clone();
                if bare {
                    *draft = NoticeDraft {
                        kind: kind.clone(),
                        title: draft.title.clone(),
                        ..NoticeDraft::default()
                    };
                }
            });
            let rendered = rendered(None, "plain", &notice);
            assert_eq!(rendered.faults, Vec::<String>::new(), "{kind}");
            assert!(!rendered.fell_back);
            assert_eq!(markup::plain(&rendered.title), notice.draft.title, "{kind}");
            assert_eq!(rendered.buttons.is_empty(), bare, "{kind}");
        }
    }
}

#[test]
fn a_push() {
    check(
        &push(),
        expect![[r#"
            <p><b>gordon pushed 2 commits to main in harbour/crane</b></p>
            --
            <p>ab12cd3 Lift the hook first<br>
            99ffee1 Oil the winch</p>

            [Open] https://git.example.net/harbour/crane/compare/1...2"#]],
    );
}

#[test]
fn a_comment_is_quoted_and_cut() {
    let notice = with(|draft| {
        draft.kind = "issue_commented".into();
        draft.title = "hazel commented on #7 Winch squeaks in harbour/crane".into();
        draft.text = "# Not a heading\n> nor a quote\n\n*sic*\n1\n2\n3\n4\n5\n6\n7\n8".into();
        draft.url = None;
    });
    check(
        &notice,
        expect![[r#"
            <p><b>hazel commented on #7 Winch squeaks in harbour/crane</b></p>
            --
            <blockquote>
            <p># Not a heading<br>
            &gt; nor a quote<br>
            <br>
            *sic*<br>
            1<br>
            2<br>
            3<br>
            4<br>
            5<br>
            6<br>
            …</p>
            </blockquote>
        "#]],
    );
}

#[test]
fn an_issue_shows_its_labels() {
    let notice = with(|draft| {
        draft.kind = "issue_opened".into();
        draft.title = "hazel opened #8 Rust on the boom".into();
        draft.text = "It flakes.".into();
        draft.labels.insert("labels".into(), "bug, paint".into());
    });
    check(
        &notice,
        expect![[r#"
            <p><b>hazel opened #8 Rust on the boom</b></p>
            --
            <p>harbour/crane</p>
            <blockquote>
            <p>It flakes.</p>
            </blockquote>
            <p>Labels: bug, paint</p>

            [Open] https://git.example.net/harbour/crane/compare/1...2"#]],
    );
}

#[test]
fn an_alert_is_marked() {
    let notice = with(|draft| {
        draft.kind = "security_alert".into();
        draft.severity = Severity::Critical;
        draft.title = "New alert for winchlib in harbour/crane".into();
        draft.text = "Reading a long rope overruns.".into();
        draft.labels.insert("level".into(), "high".into());
        draft.labels.insert("package".into(), "winchlib".into());
        draft.url = None;
    });
    check(
        &notice,
        expect![[r#"
            <p>🔴 <b>New alert for winchlib in harbour/crane</b></p>
            --
            <p>Severity: high<br>
            Package: winchlib</p>
            <p>Reading a long rope overruns.</p>
        "#]],
    );
}

#[test]
fn a_message_without_a_title_is_its_text() {
    let notice = with(|draft| {
        *draft = NoticeDraft {
            kind: "message".into(),
            text: "Backup done\n\nin 4 min".into(),
            ..NoticeDraft::default()
        };
    });
    check(
        &notice,
        expect![[r#"
            --
            <p>Backup done<br>
            <br>
            in 4 min</p>
        "#]],
    );
}

#[test]
fn a_kind_nobody_knows_gets_its_items_listed() {
    let item = |n| Item {
        key: format!("k{n}"),
        kind: ItemKind::Photo,
        label: format!("IMG_{n}.jpg"),
        ..Item::default()
    };
    let notice = with(|draft| {
        *draft = NoticeDraft {
            kind: "pictures_added".into(),
            severity: Severity::Warning,
            items: Items {
                added: (0..8).map(item).collect(),
                added_total: 49_508,
                ..Items::default()
            },
            ..NoticeDraft::default()
        };
    });
    check(
        &notice,
        expect![[r#"
            <p>⚠️ <b>Pictures added</b></p>
            --
            <ul>
            <li>IMG_0.jpg</li>
            <li>IMG_1.jpg</li>
            <li>IMG_2.jpg</li>
            <li>IMG_3.jpg</li>
            <li>IMG_4.jpg</li>
            <li>and 49,503 more</li>
            </ul>
        "#]],
    );
}

#[test]
fn the_nearest_entry_is_chosen() {
    let text = |text: &str| WordsSpec {
        text: Some(text.into()),
        ..WordsSpec::default()
    };
    let with_telegram = |words: WordsSpec| WordsSpec {
        formats: BTreeMap::from([("telegram".to_owned(), "for telegram".to_owned())]),
        ..words
    };
    let both = spec(&[
        ("push", text("the kind's")),
        ("default", text("the default")),
    ]);
    let default = spec(&[("default", text("the default"))]);
    let format = spec(&[("push", with_telegram(text("the kind's")))]);
    let only_format = spec(&[
        ("push", with_telegram(WordsSpec::default())),
        ("default", text("the default")),
    ]);
    let none = spec(&[("tag_created", text("another kind's"))]);
    for (spec, format, expected) in [
        (&both, "plain", "the kind's"),
        (&default, "plain", "the default"),
        (&format, "telegram", "for telegram"),
        (&format, "discord", "the kind's"),
        (&only_format, "telegram", "for telegram"),
        (&only_format, "discord", "the default"),
        (
            &none,
            "plain",
            "ab12cd3 Lift the hook first\n99ffee1 Oil the winch",
        ),
    ] {
        let rendered = rendered(Some(&Words::compile(spec).unwrap()), format, &push());
        assert_eq!(markup::plain(&rendered.text), expected);
        assert!(!rendered.fell_back);
    }
}

#[test]
fn all_faults_of_a_template_are_found_at_once() {
    let spec = spec(&[
        (
            "push",
            WordsSpec {
                title: Some("{{ oops".into()),
                text: Some("fine".into()),
                buttons: vec![ButtonSpec {
                    text: "Open".into(),
                    url: "{{ notice.ulr }}".into(),
                }],
                formats: BTreeMap::from([("discord".to_owned(), "a\n{% x %}".to_owned())]),
            },
        ),
        (
            "default",
            WordsSpec {
                text: Some("{{ nope }}".into()),
                ..WordsSpec::default()
            },
        ),
    ]);
    let faults = Words::compile(&spec).expect_err("four faults");
    let places: Vec<(&str, u32)> = faults
        .iter()
        .map(|(place, fault)| (place.as_str(), fault.line))
        .collect();
    assert_eq!(
        places,
        [
            ("default.text", 1),
            ("push.title", 1),
            ("push.discord", 2),
            ("push.buttons[0].url", 1)
        ]
    );
}

#[test]
fn buttons_lead_only_to_the_web() {
    let button = |text: &str, url: &str| ButtonSpec {
        text: text.into(),
        url: url.into(),
    };
    let words = Words::compile(&spec(&[(
        "default",
        WordsSpec {
            text: Some("x".into()),
            buttons: vec![
                button(
                    "To *{{ notice.actor }}*",
                    "https://x.example/{{ notice.subject.key|urlencode }}",
                ),
                button("A\nB", "{{ notice.url }}"),
                button("no", "javascript:alert(1)"),
                button("no", "{{ notice.labels.nope }}"),
                button("", "http://y.example"),
            ],
            ..WordsSpec::default()
        },
    )]))
    .unwrap();
    let rendered = rendered(Some(&words), "plain", &push());
    let buttons: Vec<String> = rendered
        .buttons
        .iter()
        .map(|button| format!("{} {}", button.text, button.url))
        .collect();
    assert_eq!(
        buttons,
        [
            "To gordon https://x.example/branch%3Amain",
            "A B https://git.example.net/harbour/crane/compare/1...2",
            "Open http://y.example",
        ]
    );
    assert_eq!(
        rendered.faults,
        ["default.buttons[2].url: left out, for its address is not http or https"]
    );
}

#[test]
fn filters_write_times_and_counts() {
    let notice = with(|draft| {
        draft.labels = [
            ("n", "1234567"),
            ("one", "1"),
            ("at", "2025-11-24T15:12:00Z"),
            ("word", "soon"),
            ("flag", "👩\u{200D}🔧 mends it"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    });
    let lisbon = TimeZone::get("Europe/Lisbon").unwrap();
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    for (text, locale, zone, expected) in [
        (
            "{{ notice.labels.at|datetime }}",
            "en",
            &berlin,
            "24 Nov 2025, 16:12",
        ),
        (
            "{{ notice.labels.at|datetime }}",
            "en-GB",
            &lisbon,
            "24 Nov 2025, 15:12",
        ),
        (
            "{{ notice.labels.at|datetime }}",
            "de",
            &berlin,
            "2025-11-24 16:12",
        ),
        (
            "{{ notice.labels.at|date }} {{ notice.labels.at|time }}",
            "en",
            &berlin,
            "24 Nov 2025 16:12",
        ),
        (
            "{{ notice.labels.at|datetime('%d.%m.%y %H:%M') }}",
            "de",
            &berlin,
            "24.11.25 16:12",
        ),
        (
            "{{ notice.labels.at|ago }} {{ now|ago }}",
            "en",
            &berlin,
            "48 minutes ago just now",
        ),
        (
            "{{ 1763990000|ago }} {{ 1764180000|ago }}",
            "en",
            &berlin,
            "2 hours ago in 2 days",
        ),
        ("{{ 1700000000|ago }}", "en", &berlin, "14 Nov 2023"),
        (
            "{{ 4230|duration }} {{ 59|duration }} {{ 0|duration }} {{ 0.25|duration }} {{ '90000'|duration }}",
            "en",
            &berlin,
            "1 h 10 min 59 s 0 s 0.2 s 1 d 1 h",
        ),
        (
            "{{ notice.labels.n|number }} {{ 1234|number }} {{ -0.5|number }} {{ 2.345|number(1) }}",
            "en",
            &berlin,
            "1,234,567 1234 -0.5 2.3",
        ),
        (
            "{{ notice.labels.n|number }}",
            "de",
            &berlin,
            "1\u{202F}234\u{202F}567",
        ),
        (
            "{{ notice.labels.one|plural('day', 'days') }} {{ notice.labels.n|plural('day', 'days') }} {{ [1]|plural('a', 'b') }}",
            "en",
            &berlin,
            "day days a",
        ),
        (
            "{{ notice.labels.word|datetime }} {{ notice.labels.word|ago }} {{ notice.labels.word|number }}",
            "en",
            &berlin,
            "soon soon soon",
        ),
        (
            "{{ notice.labels.flag|truncate(3) }}|{{ 'short'|truncate }}|{{ 'abcdef'|truncate(4, end='..') }}",
            "en",
            &berlin,
            "👩\u{200D}🔧…|short|ab..",
        ),
        (
            "{{ ' a '|trim }}|{{ 'b'|upper }}|{{ 'ab cd'|capitalize }}|{{ 'abc'|replace('b', '-') }}|{{ 'a b'|split|last }}",
            "en",
            &berlin,
            "a|B|Ab cd|a-c|b",
        ),
        (
            "{{ [3, 1, 2]|sort|join(',') }} {{ ['b', 'a', 'b']|unique|join }} {{ [1, 2]|sum }} {{ [1, 4]|max }} {{ 'abc'|length }} {{ 2.6|round }} {{ '7.9'|int }}",
            "en",
            &berlin,
            "1,2,3 ba 3 4 3 3 7",
        ),
        (
            "{{ notice.labels|tojson|length > 10 }} {{ 'a\"b'|tojson }}",
            "en",
            &berlin,
            "true \"a\\\"b\"",
        ),
    ] {
        let rendered = rendered_in(Some(&words(text)), "plain", &notice, locale, zone);
        assert_eq!(rendered.faults, Vec::<String>::new(), "{text}");
        assert_eq!(markup::plain(&rendered.text), expected, "{text}");
    }
}

#[test]
fn a_whole_body_is_neither_markdown_nor_cleaned() {
    let notice = with(|draft| {
        draft.title = "a \"quoted\" *title*\u{200B}".into();
    });
    let body = |source: &str| {
        render_body(
            source,
            &Scene {
                still: false,
                digest: None,
                notice: &notice,
                tracker: None,
                link: None,
                target: "hook",
                receiver: "default",
                locale: "en",
                zone: &TimeZone::UTC,
                now: Timestamp::UNIX_EPOCH,
            },
        )
    };
    assert_eq!(
        body("{\"text\": {{ notice.title|tojson }}, \"n\": {{ notice.position }}}\n\n").unwrap(),
        "{\"text\": \"a \\\"quoted\\\" *title*\u{200B}\", \"n\": 42}\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&body("{{ notice|tojson }}").unwrap()).unwrap();
    assert_eq!(json["labels"]["branch"], "main");
    assert_eq!(json["subject"]["key"], "branch:main");
    assert_eq!(body("\n{{ 1 / 0 }}").unwrap_err().line, 2);
}

#[test]
fn the_notice_as_json_is_the_contracts_shape() {
    let notice = with(|draft| {
        draft.occurred_at = Some(1_763_999_999_000_001);
        draft.after.insert("title".into(), "new".into());
    });
    expect![[r#"
        {
          "actor": "gordon",
          "after": {
            "title": "new"
          },
          "collection": "harbour/crane",
          "dispatch_id": "d-7",
          "id": "01JDF2Z6V80001800000000000",
          "kind": "push",
          "labels": {
            "branch": "main",
            "commits": "2",
            "forced": "false"
          },
          "occurred_at": "2025-11-24T15:59:59.000001Z",
          "position": 42,
          "provider": "forge",
          "provider_kind": "gitea",
          "received_at": "2025-11-24T16:00:00.25Z",
          "severity": "info",
          "subject": {
            "key": "branch:main",
            "label": "main"
          },
          "text": "ab12cd3 Lift the hook first\n99ffee1 Oil the winch",
          "title": "gordon pushed 2 commits to main in harbour/crane",
          "transition": "none",
          "url": "https://git.example.net/harbour/crane/compare/1...2"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&notice_json(&notice)).unwrap());
}
