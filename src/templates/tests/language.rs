//! What the language has, and what it refuses and how.

use super::*;
use crate::templates::check_words;
use proptest::prelude::*;

#[test]
fn texts_say_what_they_should() {
    let notice = push();
    for (text, expected) in [
        ("plain", "plain"),
        (
            "{{ notice.actor }} → {{ notice.labels.branch }}",
            "gordon → main",
        ),
        (
            "{{ notice.collection }} {{ notice.severity }} {{ notice.kind }}",
            "harbour/crane info push",
        ),
        (
            "{{ notice.subject.key }}/{{ notice.subject.label }}",
            "branch:main/main",
        ),
        (
            "{{ notice['title'] }}",
            "gordon pushed 2 commits to main in harbour/crane",
        ),
        ("{{ notice.received_at }}", "2025-11-24T16:00:00.25Z"),
        ("{{ now }}", "2025-11-24T16:00:00Z"),
        (
            "{{ receiver.name }} {{ receiver.locale }} {{ receiver.zone }}",
            "team en UTC",
        ),
        ("{{ link.tracker }} {{ link.target }}", "releases ops"),
        ("{{ 'a' ~ 1 ~ 2.5 ~ true ~ none }}", "a12.5true"),
        (
            "{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ -3 }}",
            "3 9 3 3 1024 -3",
        ),
        (
            "{{ 10 - 3 - 2 }} {{ 2 * 3 + 4 }} {{ 1.5 + 1 }} {{ 'a' + 'b' }}",
            "5 10 2.5 ab",
        ),
        (
            "{% if notice.labels.commits > 1 %}many{% else %}one{% endif %}",
            "many",
        ),
        (
            "{% if notice.labels.commits == 2 %}two{% elif true %}other{% endif %}",
            "two",
        ),
        (
            "{% if 'mai' in notice.labels.branch and 'x' not in notice.title %}in{% endif %}",
            "in",
        ),
        (
            "{% if notice.labels.branch in ['dev', 'main'] %}listed{% endif %}",
            "listed",
        ),
        (
            "{% if notice.labels.commits in [1, 2] %}counted{% endif %}",
            "counted",
        ),
        (
            "{% for x in [1, 2, 3] if x != 2 %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1:1, 2:3",
        ),
        (
            "{% for k, v in notice.labels|items %}{{ k }}={{ v }} {% endfor %}",
            "branch=main commits=2 forced=false ",
        ),
        (
            "{% for i in range(5) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "012",
        ),
        (
            "{% set a = 'x' %}{% with b = a ~ 'y' %}{{ b }}{% endwith %}{{ a }}",
            "xyx",
        ),
        (
            "{% set a %}**{{ notice.actor }}**!{% endset %}{{ a }}",
            "gordon!",
        ),
        (
            "{{ 'yes' if notice.url }}{{ 'no' if not notice.url }}",
            "yes",
        ),
        (
            "{{ {'push': 'pushed', 'tag': 'tagged'}[notice.kind] }}",
            "pushed",
        ),
        (
            "{{ notice.title[:6] }} {{ notice.title[-5:] }} {{ [1, 2, 3][1] }}",
            "gordon crane 2",
        ),
        (
            "{{ notice.actor.upper() }} {{ 'a-b'.split('-')|join('+') }}",
            "GORDON a+b",
        ),
        (
            "{% if notice.labels.branch.startswith('ma') %}ok{% endif %}",
            "ok",
        ),
        (
            "{{ notice.labels }}",
            r#"{"branch":"main","commits":"2","forced":"false"}"#,
        ),
        (
            "{# a comment #}{% raw %}{{ not read }}{% endraw %}",
            "{{ not read }}",
        ),
        ("{ {{ '{{' }} {", "{ {{ {"),
        ("a\n\nb\n", "a\n\nb"),
        ("{{ notice.labels.nope }}", " [missing: notice.labels.nope]"),
        (
            "{{ notice.labels.nope|upper }}",
            " [missing: notice.labels.nope]",
        ),
        ("{{ notice.labels.nope|default('-') }}", "-"),
        (
            "{{ 'by ' ~ notice.labels.nope }}",
            "by  [missing: notice.labels.nope]",
        ),
        (
            "{{ notice.occurred_at }}x",
            "x [missing: notice.occurred_at]",
        ),
        ("{{ items|length }} {{ count }} {{ more }}", "0 0 0"),
    ] {
        assert_eq!(said(text, &notice).trim(), expected.trim(), "{text}");
    }
}

#[test]
fn what_is_not_in_the_language_is_refused_with_its_line() {
    for (text, line, reason) in [
        ("{% include 'x' %}", 1, "unknown statement include"),
        ("\n{% extends 'x' %}", 2, "unknown statement extends"),
        ("{% import 'x' as y %}", 1, "unknown statement import"),
        ("{% block a %}{% endblock %}", 1, "unknown statement block"),
        (
            "a\nb\n{% macro f() %}{% endmacro %}",
            3,
            "`macro` cannot be used",
        ),
        ("{% call f() %}{% endcall %}", 1, "`call` cannot be used"),
        (
            "{% autoescape false %}{% endautoescape %}",
            1,
            "`autoescape` cannot be used",
        ),
        (
            "{% filter upper %}{% endfilter %}",
            1,
            "`filter` blocks cannot be used",
        ),
        ("{% do notice() %}", 1, "`do` cannot be used"),
        (
            "{% for x in items recursive %}{% endfor %}",
            1,
            "`recursive` cannot be used",
        ),
        ("{% set ns.a = 1 %}", 1, "only a plain name"),
        ("{% set notice = 1 %}", 1, "notice has a meaning already"),
        ("{% set _x = 1 %}", 1, "underscore"),
        ("{{ namespace() }}", 1, "there is no function namespace"),
        ("{{ debug() }}", 1, "there is no function debug"),
        (
            "{{ notice.text.format() }}",
            1,
            "there is no method format()",
        ),
        ("{{ _place }}", 1, "unknown name `_place`"),
        ("{{ x|_raw }}", 1, "unknown filter `_raw`"),
        ("{{ '<b>'|safe }}", 1, "unknown filter `safe`"),
        ("{{ 'x'|indent(99) }}", 1, "unknown filter `indent`"),
        ("{{ notcie.text }}", 1, "did you mean `notice`"),
        ("{{ notice.tile }}", 1, "did you mean `title`"),
        ("{{ notice.text|trucate }}", 1, "did you mean `truncate`"),
        ("{{ 1 < 2 < 3 }}", 1, "cannot be chained"),
        ("{{ notice.text[::2] }}", 1, "a slice with a step"),
        ("{{ f(*items) }}", 1, "there is no function f"),
        ("{{ items|join(*items) }}", 1, "`*` before an argument"),
        ("line\n{{ oops", 2, "unexpected end"),
        ("line\n\n{% if %}", 3, "unexpected"),
        ("\u{10F02A}", 1, "reserved"),
        (r#"{{ "\udbfc\udc2a" }}"#, 1, "reserved"),
    ] {
        let found = check_words(text).expect_err(text);
        assert_eq!(found.line, line, "{text}: {found}");
        assert!(found.reason.contains(reason), "{text}: {found}");
    }
}

#[test]
fn a_fault_at_run_time_names_its_line_and_the_built_in_words_stand_in() {
    let notice = push();
    let text = "first\n{# gone\nwith lines #}\n{{ notice.title\n  ~ 'x'\n}}\n{{ 'a' * 3 }}";
    let rendered = rendered(Some(&words(text)), "plain", &notice);
    assert!(rendered.fell_back);
    assert_eq!(
        rendered.faults,
        [
            "template_failed: default.text, line 7: a text cannot be calculated with: write `x|int` or `x|float`"
        ]
    );
    assert_eq!(markup::plain(&rendered.title), notice.draft.title);
}

#[test]
fn a_missing_value_is_reported_once_and_many_are_counted() {
    let mut text = String::from("{{ notice.labels.a }}{{ notice.labels.a }}");
    for n in 0..20 {
        text.push_str(&format!("{{{{ notice.labels.l{n} }}}}"));
    }
    let rendered = rendered(Some(&words(&text)), "plain", &push());
    assert_eq!(rendered.faults.len(), 9);
    assert_eq!(rendered.faults[8], "missing: 13 more values");
    assert!(!rendered.fell_back);
}

/// Expressions whose meaning has to be the engine's own, whatever stands for their operators.
fn expressions() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0u8..20).prop_map(|n| n.to_string()),
        Just("2.5".to_owned()),
        Just("'abc'|length".to_owned()),
    ];
    let number = number.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (
                inner.clone(),
                proptest::sample::select(vec!["+", "-", "*", "//", "%", "/"]),
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("({a})|abs")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
        ]
    });
    let text = proptest::sample::select(vec!["'a'", "'bc'", "''", "word", "record.key"])
        .prop_map(str::to_owned);
    let text = (text.clone(), number.clone(), text).prop_flat_map(|(a, n, b)| {
        proptest::sample::select(vec![
            a.clone(),
            format!("{a} ~ {n} ~ {b}"),
            format!("{a} ~ {b}|upper"),
            format!("({a} ~ {b})|upper"),
            format!("({a} ~ {b})[1:]"),
            format!("({a} ~ {b})[:-1]"),
            format!("['x', {a}, {b}]|join('-')"),
            format!("{{'a': {b}}}[{a}]|default('')"),
        ])
    });
    let truth = (number.clone(), number, text.clone(), text).prop_flat_map(|(m, n, a, b)| {
        proptest::sample::select(vec![
            m.clone(),
            a.clone(),
            format!("{m} == {n}"),
            format!("{m} != {n}"),
            format!("{m} < {n}"),
            format!("{m} >= {n}"),
            format!("{a} == {b}"),
            format!("{a} != {b}"),
            format!("{a} > {b}"),
            format!("{a} <= 'b'"),
            format!("{a} in {b}"),
            format!("{a} not in {b}"),
            format!("{a} in ['a', {b}]"),
            format!("{a} is defined"),
        ])
    });
    truth.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
            inner.clone().prop_map(|a| format!("not {a}")),
            inner.prop_map(|a| format!("({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn guarded_expressions_mean_what_they_mean_to_the_engine(source in expressions()) {
        let text = format!(
            "{{% set word = 'bc' %}}{{% with record = {{'key': 'a'}} %}}{{{{ {source} }}}}{{% endwith %}}"
        );
        let plain = minijinja::Environment::new().render_str(&text, ());
        let found = rendered(Some(&words(&text)), "plain", &push());
        match plain {
            Ok(expected) => {
                prop_assert!(!found.fell_back, "{text}: {:?}", found.faults);
                prop_assert_eq!(
                    markup::plain(&found.text).to_lowercase(),
                    expected.to_lowercase(),
                    "{}", text
                );
            }
            // Division by zero and the like.
            Err(_) => prop_assert!(found.fell_back, "{text}"),
        }
    }
}
