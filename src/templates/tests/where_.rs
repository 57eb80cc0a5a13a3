//! The `where` of trackers.

use super::*;
use crate::templates::{Context, Expression, Filter};

#[test]
fn filters_say_yes_or_no() {
    let notice = push();
    for (source, expected) in [
        (
            "notice.labels.branch == 'main' and notice.severity != 'info'",
            false,
        ),
        (
            "notice.labels.branch == 'main' and notice.severity == 'info'",
            true,
        ),
        ("notice.labels.branch", true),
        ("not notice.labels.branch", false),
        ("notice.kind in ['push', 'tag_created']", true),
        ("notice.labels.commits|int > 1", true),
        ("notice.labels.commits > 1", true),
        ("notice.labels.commits == 2", true),
        ("notice.labels.commits < 10", true),
        ("notice.collection.startswith('harbour/')", true),
        ("notice.collection is startingwith('harbour/')", true),
        ("'crane' in notice.title|lower", true),
        ("notice.actor in ('gordon', 'hazel')", true),
        ("notice.subject.key == 'branch:main'", true),
        ("notice.labels['branch'] == notice.subject.label", true),
        ("notice.labels[notice.subject.label] is defined", false),
        ("notice.labels|length == 3", true),
        ("notice.title[:6] == 'gordon'", true),
        ("notice.labels|items|length > 2", true),
        // What is not there is false, and no order holds for it.
        ("notice.labels.nope", false),
        ("notice.labels.nope.deeper.still", false),
        ("notice.labels.nope == 'x'", false),
        ("notice.labels.nope < 5", false),
        ("notice.labels.nope > 5", false),
        ("notice.labels.nope <= 5 or 5 >= notice.labels.nope", false),
        ("'x' in notice.labels.nope", false),
        ("notice.labels.nope in ['x']", false),
        ("notice.occurred_at > '2025'", false),
        ("notice.before.title", false),
        ("notice.labels.nope != 'x'", true),
        ("notice.labels.branch > 5", false),
    ] {
        let filter = Filter::compile(source).unwrap_or_else(|fault| panic!("{source}: {fault}"));
        assert_eq!(filter.eval(&notice), Ok(expected), "{source}");
    }
}

#[test]
fn a_filter_that_cannot_be_is_refused_and_one_that_fails_says_why() {
    for (source, reason) in [
        ("", "unexpected end"),
        ("notice.labels.branch =", "unexpected"),
        ("notice.kindd == 'push'", "did you mean `kind`"),
        ("now > 1", "unknown name `now`"),
        ("notice.received_at|ago", "unknown filter `ago`"),
        ("range(3)", "there is no function range"),
        ("{% if true %}", "unexpected"),
    ] {
        let fault = Filter::compile(source).expect_err(source);
        assert!(fault.reason.contains(reason), "{source}: {fault}");
    }
    let notice = push();
    for (source, reason) in [
        ("notice.labels.branch - 1", "cannot be calculated with"),
        ("notice.labels == notice.before", "cannot be compared"),
        ("1 // 0", "unable to calculate"),
        ("notice.labels ~ 'x'", "not a text"),
    ] {
        let filter = Filter::compile(source).unwrap();
        let fault = filter.eval(&notice).expect_err(source);
        assert!(fault.reason.contains(reason), "{source}: {fault}");
    }
}

#[test]
fn the_why_card_gets_the_values_a_filter_names() {
    let notice = with(|draft| {
        draft.labels.insert("branch".into(), "d\u{202E}ev".into());
        draft.text = "x".repeat(5_000);
    });
    let values = |source: &str| {
        Filter::compile(source)
            .unwrap()
            .values(&notice)
            .into_iter()
            .map(|(path, value)| format!("{path}={value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        values("notice.labels.branch == 'main' and notice.kind == 'push' and not notice.labels.x"),
        [
            "notice.kind=push",
            "notice.labels.branch=dev",
            "notice.labels.x="
        ]
    );
    assert_eq!(
        values("'x' in notice.text")[0].len(),
        "notice.text=".len() + 120
    );
    assert_eq!(
        values("notice.labels['a.b'] == 'c'"),
        ["notice.labels.a.b="]
    );
}

#[test]
fn other_expressions_see_their_own_names() {
    let context = Context::new(&[
        (
            "body",
            &serde_json::json!({"alert": {"name": "disk", "level": 3, "tags": ["a", "b"]}}),
        ),
        ("headers", &serde_json::json!({"x-kind": "firing"})),
        ("query", &serde_json::json!({})),
    ]);
    for (source, expected) in [
        ("body.alert.name ~ ': ' ~ body.alert.level", Some("disk: 3")),
        ("headers['x-kind']", Some("firing")),
        ("body.alert.tags|join(',')", Some("a,b")),
        ("body.alert.tags[1]", Some("b")),
        (
            "'critical' if body.alert.level >= 3 else 'info'",
            Some("critical"),
        ),
        ("query.nope", None),
        ("body.nope.deeper", None),
    ] {
        let expression = Expression::compile(source, &["body", "headers", "query"]).unwrap();
        assert_eq!(
            expression.eval(&context).unwrap().as_deref(),
            expected,
            "{source}"
        );
    }
    assert!(Expression::compile("notice.kind", &["body"]).is_err());
}
