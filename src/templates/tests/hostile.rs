//! Values are data: whatever a payload says, it is text to every target.

use super::*;
use crate::templates::coding::clean;
use crate::templates::markup::{Block, Markup, Span};
use proptest::prelude::*;

/// The words around the value, with every mark there is.
const AROUND: &str = "**a{{ notice.text }}b** c{{ notice.text }}d *e{{ notice.text }}f* \
    [g{{ notice.text }}h](https://x.example/y) end";

fn around(value: &str) -> Rendered {
    let notice = with(|draft| draft.text = value.to_owned());
    let rendered = rendered(Some(&words(AROUND)), "telegram", &notice);
    assert_eq!(rendered.faults, Vec::<String>::new());
    rendered
}

fn expected(value: &str) -> String {
    let v = clean(value);
    format!("a{v}b c{v}d e{v}f g{v}h end")
}

/// Payloads that mean something to someone, and what is left of each as plain text.
fn payloads() -> Vec<(String, Option<&'static str>)> {
    vec![
        ("<b>bold</b>".into(), None),
        ("<script>alert(1)</script>".into(), None),
        ("*a* **b** _c_ __d__ ~~e~~ ||f||".into(), None),
        (
            "@everyone @here <@123> <@!1> <@&2> <#3> </cmd:4> <:smile:5> <a:x:6> <t:7:R> :smile:"
                .into(),
            None,
        ),
        ("/cmd arg".into(), None),
        ("`tick` ``two`` ```\nfence\n```".into(), None),
        ("```".into(), None),
        ("[x](javascript:alert(1))".into(), None),
        ("[x](https://evil.example)".into(), None),
        ("](https://evil.example) [".into(), None),
        ("** ** x ** **".into(), None),
        ("user\u{202E}gnp.exe".into(), Some("usergnp.exe")),
        ("zero\u{200B}width\u{FEFF}".into(), Some("zerowidth")),
        ("😀".repeat(4_096), None),
        ("# heading".into(), None),
        ("1. list".into(), None),
        ("- list\n+ list\n* list".into(), None),
        ("> quote\n>>> quotes".into(), None),
        ("-# small".into(), None),
        ("one\n\n\n# two\n\n    three\n===\n---".into(), None),
        ("a\r\nb\rc\u{2028}d".into(), Some("a\nb\nc\nd")),
        ("&lt;b&gt; &amp; &#60; &copy;".into(), None),
        (
            "\u{10F02A}\u{10F02A}x\u{10F02A}\u{10F080}".into(),
            Some("x"),
        ),
        ("\u{E000}\u{F8FF}".into(), None),
        ("\\* \\\\ \\".into(), None),
        ("{{ notice.title }} {% if x %} {# c".into(), None),
        ("\u{1b}[31mred\u{7}".into(), Some(" [31mred ")),
        (" spaces ".into(), None),
        ("«»".into(), None),
        ("".into(), None),
        ("| a | b |\n|---|---|\n| 1 | 2 |".into(), None),
        ("[^1]: note\n[ref]: https://evil.example".into(), None),
        ("https://x.example/a_b_c*d*?e=(f)|g".into(), None),
    ]
}

#[test]
fn payloads_stay_text() {
    for (value, left) in payloads() {
        if let Some(left) = left {
            assert_eq!(clean(&value), left, "{value:?}");
        }
        let rendered = around(&value);
        check_telegram(&rendered.text, &expected(&value));
        let html = markup::html(&rendered.text);
        let (tags, text) = scan(&html);
        assert_eq!(tags.iter().filter(|tag| *tag == "script").count(), 0);
        assert!(text.contains("end"), "{value:?}");
    }
}

#[test]
fn a_payload_stays_where_it_was_put() {
    let notice = with(|draft| {
        draft.text = "x\n\n- y\n> z\n```\n# w".into();
        draft.title = "a\nb".into();
    });
    let text = "# {{ notice.title }}\n\n> {{ notice.text }}\n\n- {{ notice.title }}\n- `{{ notice.text }}`\n\n\
        ```\n{{ notice.text }}\n```\n[{{ notice.title }}]({{ notice.text }})\n![]({{ notice.url }})";
    let rendered = rendered(Some(&words(text)), "plain", &notice);
    let run = |text: &str| {
        let mut spans = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                spans.push(Span::Break);
            }
            if !line.is_empty() {
                spans.push(Span::Text(line.into()));
            }
        }
        spans
    };
    let Markup { blocks } = rendered.text;
    assert_eq!(blocks[0], Block::Paragraph(vec![Span::Bold(run("a\nb"))]));
    assert_eq!(
        blocks[1],
        Block::Quote(vec![Block::Paragraph(run("x\n\n- y\n> z\n```\n# w"))])
    );
    assert_eq!(
        blocks[2],
        Block::List {
            start: None,
            items: vec![
                vec![Block::Paragraph(run("a\nb"))],
                vec![Block::Paragraph(vec![Span::Code(
                    "x  - y > z ``` # w".into()
                )])],
            ]
        }
    );
    assert_eq!(
        blocks[3],
        Block::Code {
            language: String::new(),
            text: "x\n\n- y\n> z\n```\n# w".into()
        }
    );
    // An address that is none leaves the words; an image without words is nothing.
    assert_eq!(blocks[4], Block::Paragraph(run("a\nb")));
    assert_eq!(blocks.len(), 5);
}

/// Tags by name and the text between them, entities read.
fn scan(html: &str) -> (Vec<String>, String) {
    let (mut tags, mut text) = (Vec::new(), String::new());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let close = rest[open..].find('>').expect("a tag ends") + open;
        let tag = &rest[open + 1..close];
        tags.push(tag.split(' ').next().unwrap().to_owned());
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    assert!(!text.contains('>'), "an end without a tag: {text:?}");
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    (tags, text)
}

/// What Telegram is told of a value is the value: no tag but those of the words around it, and nothing
/// lost. That Discord reads none of its signs as markup is shown with the target.
fn check_telegram(markup: &Markup, expected: &str) {
    let mut said = String::new();
    for part in said_by("telegram", markup) {
        let (tags, text) = scan(&part);
        for tag in tags {
            assert!(
                ["b", "/b", "i", "/i", "a", "/a"].contains(&tag.as_str()),
                "{tag}"
            );
        }
        said.push_str(&text);
    }
    let essence = |text: &str| -> String {
        let seen = |c: &char| !c.is_whitespace() && *c != '\u{2060}';
        text.chars().filter(seen).collect()
    };
    match said.rsplit_once("\n… ") {
        Some((head, tail)) if tail.ends_with(" more characters are left out") => {
            assert!(essence(expected).starts_with(&essence(head)));
        }
        Some(_) | None => assert_eq!(essence(&said), essence(expected)),
    }
}

#[test]
fn code_within_marks_reads_well() {
    let markup = markup::parse("**a `b` [c `d`](https://x.example) <u>** `e`f`` g`h ``");
    assert_eq!(
        markup::plain(&markup),
        "a b c d (https://x.example) <u> ef".to_owned() + "g`h"
    );
}

#[test]
fn plain_text_is_safe_on_a_terminal() {
    assert_eq!(
        markup::plain(&Markup::text("a\u{1b}[2Jb\u{202E}c\td\u{9b}")),
        "a\\x1b[2Jb\\u{202e}c\td\\x9b"
    );
}

fn depth(blocks: &[Block]) -> usize {
    fn spans(run: &[Span]) -> usize {
        run.iter()
            .map(|span| match span {
                Span::Bold(inner) | Span::Italic(inner) | Span::Link { spans: inner, .. } => {
                    1 + spans(inner)
                }
                Span::Text(_) | Span::Break | Span::Code(_) => 0,
            })
            .max()
            .unwrap_or(0)
    }
    blocks
        .iter()
        .map(|block| match block {
            Block::Paragraph(run) => spans(run),
            Block::Quote(inner) => 1 + depth(inner),
            Block::List { items, .. } => {
                2 + items.iter().map(|item| depth(item)).max().unwrap_or(0)
            }
            Block::Code { .. } => 0,
        })
        .max()
        .unwrap_or(0)
}

fn check_total(text: &str) {
    let markup = markup::parse(text);
    assert!(depth(&markup.blocks) <= markup::NESTING_MAX + 2);
    let _ = markup::plain(&markup);
    let _ = markup::html(&markup);
    for kind in ["telegram", "discord"] {
        let _ = said_by(kind, &markup);
    }
}

#[test]
fn deep_markdown_is_flattened() {
    for piece in [
        ">", "- ", "*a ", "**a *b ", "[", "![", "1. ", "`", "<b>", "> - ",
    ] {
        check_total(&piece.repeat(2_000));
        check_total(&format!("{}x{}", "*".repeat(3_000), "*".repeat(3_000)));
    }
    let deep = markup::plain(&markup::parse(&format!("{} core", ">".repeat(40))));
    assert!(deep.ends_with("core"), "{deep}");
}

/// Text in which what means something is frequent.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<char>().prop_map(String::from),
        3 => "[ -~]{1,4}",
        3 => proptest::sample::select(vec![
            "\n", "\n\n", "\r\n", "*", "**", "_", "`", "```", "~~", "||", "<", ">", "<@1>", "[x](",
            "](https://y.example)", "https://y.example/", "@everyone", ":a:", "1.", "# ", "- ",
            "&lt;", "\\", "{{", "%}", "\u{10F02A}", "\u{10F080}", "\u{200D}", "\u{202E}", "    ",
            "<b>", "</b>", "&", "\"", "\t", "://", "HTTP://",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_value_is_text_to_telegram(value in hostile()) {
        check_telegram(&around(&value).text, &expected(&value));
    }

    #[test]
    fn any_markdown_gives_a_tree(text in hostile(), repeat in 1usize..40) {
        check_total(&text.repeat(repeat));
    }

    #[test]
    fn any_source_is_refused_or_gives_a_message(text in hostile(), value in hostile()) {
        let source = format!("a{text}{{{{ notice.text }}}}{text}");
        let entry = WordsSpec { text: Some(source), ..WordsSpec::default() };
        if let Ok(words) = Words::compile(&spec(&[("default", entry)])) {
            let notice = with(|draft| draft.text = value.clone());
            let _ = rendered(Some(&words), "plain", &notice);
        }
    }
}
