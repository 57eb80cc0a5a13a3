//! What the language has, and what it refuses and how.

use super::*;
use crate::templates::check_words;

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
