//! Sources that are too long or too deep are refused before anything recurses over them.
//! What evaluation may grow to is measured in `tests/templates.rs`.

use super::*;
use crate::templates::{Filter, bounds, check_words};

/// The stack that deep sources are read on: half of what a thread has by default.
const STACK_BYTES: usize = 1_024 * 1_024;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn deep_sources_do_not_overflow_the_stack() {
    on_a_small_stack(|| {
        let notice = push();
        for (before, middle, after) in [
            ("1+", "1", ""),
            ("1-", "1", ""),
            ("1**", "1", ""),
            ("'a'~", "'a'", ""),
            ("1*", "1", ""),
            ("-", "1", ""),
            ("- -", "1", ""),
            ("not ", "1", ""),
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{'a':", "1", "}"),
            ("true and ", "true", ""),
            ("true or ", "false", ""),
            ("", "notice", ".labels"),
            ("", "notice", "['a']"),
            ("", "notice", "[notice]"),
            ("", "notice", "[1:2]"),
            ("", "notice.title", "|upper"),
            ("", "notice.title", ".upper()"),
            ("", "notice.title", " is defined"),
            ("1 if true else ", "2", ""),
            ("", "2", " if true"),
            ("1 == ", "1", ""),
            ("1 in ", "[1]", ""),
            ("notice.title|replace(", "'a'", ", 'b')"),
            ("notice[", "1", "]"),
            ("[1, ", "2", "]"),
        ] {
            for count in [2, 10, 20, 40, 100, 250, 1_000, 5_000, 20_000] {
                let source = format!("{}{middle}{}", before.repeat(count), after.repeat(count));
                if let Ok(filter) = Filter::compile(&source) {
                    let _ = filter.eval(&notice);
                }
                let text = format!("{{{{ {source} }}}}");
                if check_words(&text).is_ok() {
                    let _ = rendered(Some(&words(&text)), "plain", &notice);
                }
            }
        }
        for (before, middle, after) in [
            ("{% if true %}", "x", "{% endif %}"),
            ("{% for a in [1] %}", "x", "{% endfor %}"),
            ("{% with a = 1 %}", "x", "{% endwith %}"),
            ("{% set a %}", "x", "{% endset %}"),
            ("{% if false %}{% else %}", "x", "{% endif %}"),
            ("", "{% if false %}", "{% elif false %}"),
            ("{{ 1 }}", "x", "{{ 2 }}"),
            ("{% set a = 1 %}", "x", ""),
            ("{{", "", ""),
            ("{%", "", ""),
            ("{#", "", ""),
        ] {
            for count in [2, 10, 20, 40, 100, 250, 1_000, 3_000] {
                let close = if middle.contains("if false") {
                    "{% endif %}"
                } else {
                    ""
                };
                let text = format!(
                    "{}{middle}{}{close}",
                    before.repeat(count),
                    after.repeat(count)
                );
                if check_words(&text).is_ok() {
                    let _ = rendered(Some(&words(&text)), "plain", &notice);
                }
            }
        }
    });
}

#[test]
fn ordinary_depth_is_accepted() {
    for source in [
        format!("{}1{}", "(".repeat(20), ")".repeat(20)),
        vec!["notice.kind == 'push'"; 50].join(" or "),
        vec!["'a'"; 100].join(" ~ "),
        format!("notice.title{}", "|upper".repeat(20)),
        format!("notice.kind in [{}]", vec!["'push'"; 200].join(", ")),
    ] {
        if let Err(fault) = Filter::compile(&source) {
            panic!("{source}: {fault}");
        }
    }
    let branches = format!(
        "{{% if false %}}{}{{% endif %}}",
        "{% elif false %}x".repeat(bounds::ELIF_MAX)
    );
    assert_eq!(check_words(&branches), Ok(()));
}

#[test]
fn bounds_on_sources_say_what_they_are() {
    for (source, reason) in [
        (
            "x".repeat(bounds::SOURCE_BYTES_MAX + 1),
            "at most 65536 are read",
        ),
        (
            "{{ 1 }}".repeat(bounds::TAGS_MAX + 1),
            "more than 2000 tags",
        ),
        (
            format!("{{{{ [{}] }}}}", "1,".repeat(bounds::TAG_TOKENS_MAX)),
            "more than 512 parts",
        ),
        (
            format!("{{{{ {} }}}}", vec!["1"; 200].join(" + ")),
            "more than 128 values",
        ),
        (
            format!(
                "{{% if false %}}{}{{% endif %}}",
                "{% elif false %}".repeat(bounds::ELIF_MAX + 1)
            ),
            "more than 32 `elif`",
        ),
        (
            format!("{}{}", "{% if true %}".repeat(25), "{% endif %}".repeat(25)),
            "deeper than 24 levels",
        ),
        (
            format!("{{{{ {}1{} }}}}", "(".repeat(25), ")".repeat(25)),
            "deeper than 24 levels",
        ),
    ] {
        let fault = check_words(&source).expect_err(reason);
        assert!(fault.reason.contains(reason), "{fault}");
    }
}

#[test]
fn output_has_a_bound() {
    let text = |kib: usize| {
        let notice = with(|draft| draft.text = "é*".repeat(512));
        // The text is 1.5 KiB long.
        let words = words(&"{{ notice.text }}".repeat(kib * 2 / 3));
        rendered(Some(&words), "plain", &notice)
    };
    assert!(!text(250).fell_back);
    let over = text(260);
    assert!(over.fell_back);
    assert!(
        over.faults[0].contains("more than 256 KiB"),
        "{:?}",
        over.faults
    );
}

#[test]
fn what_is_compiled_can_be_shared() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Filter>();
    shared::<Words>();
    shared::<crate::templates::Expression>();
    shared::<crate::templates::Context>();
}
