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
        check_discord(&rendered.text);
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

fn check_telegram(markup: &Markup, expected: &str) {
    let (tags, text) = scan(&markup::telegram_html(markup));
    assert_eq!(tags, ["b", "/b", "i", "/i", "a", "/a"]);
    assert_eq!(text, expected);
}

/// Nothing in Discord's text is a mark but what the words around the value made.
fn check_discord(markup: &Markup) {
    let text = markup::discord(markup);
    let (mut bold, mut italic, mut links) = (0, 0, 0);
    let mut rest = text.as_str();
    let mut line = String::new();
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let mut step = c.len_utf8();
        match c {
            '\\' => {
                let escaped = after.chars().next().expect("something is escaped");
                assert!(escaped.is_ascii_punctuation(), "{text}");
                step += escaped.len_utf8();
            }
            '<' => {
                assert!(after.starts_with("http"), "{text}");
                let end = after.find('>').expect("an address ends");
                assert!(
                    !after[..end].contains([' ', '\n', '*', '`', '|', '~', '@', '<']),
                    "{text}"
                );
                step += end + 1;
            }
            '*' if after.starts_with('*') => {
                bold += 1;
                step += 1;
            }
            '*' => italic += 1,
            '[' => links += 1,
            ']' => {
                assert!(after.starts_with("(<https://x.example/y>)"), "{text}");
                step += "(<https://x.example/y>)".len();
            }
            '_' | '~' | '`' | '|' | '>' | '(' | ')' => panic!("{c} stands alone in {text}"),
            '@' => assert!(
                !after.to_ascii_lowercase().starts_with("everyone")
                    && !after.to_ascii_lowercase().starts_with("here"),
                "{text}"
            ),
            ':' => {
                let name = after
                    .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_+-~".contains(c));
                assert!(
                    name.len() == after.len() || !name.starts_with(':'),
                    "{text}"
                );
            }
            '#' | '-' | '+' => assert!(!line.trim().is_empty(), "{c} starts a line in {text}"),
            '.' => assert!(
                line.trim().is_empty() || !line.trim().bytes().all(|b| b.is_ascii_digit()),
                "a number starts a line in {text}"
            ),
            _ => {}
        }
        if c == '\n' {
            line.clear();
        } else {
            line.push_str(&rest[..step]);
        }
        rest = &rest[step..];
    }
    assert_eq!((bold, italic, links), (2, 2, 1), "{text}");
}

#[test]
fn discord_reads_well() {
    for (value, expected) in [
        (
            "Fixed the winch (at last), v1.2.3: 10:30",
            "Fixed the winch \\(at last\\), v1.2.3: 10:30",
        ),
        (
            "see https://x.example/a_b*c.",
            "see <https://x.example/a_b%2Ac>.",
        ),
        ("mail bob@harbour.example", "mail bob@harbour.example"),
        ("@everyone", "@\u{200B}everyone"),
        ("<@1>", "\\<\u{200B}@1\\>"),
        (":boom: at 1:2:3", "\\:boom: at 1\\:2:3"),
        ("1. one\n- two", "1\\. one\n\\- two"),
        ("a - b # c", "a - b # c"),
    ] {
        assert_eq!(markup::discord(&Markup::text(value)), expected);
    }
}

#[test]
fn code_within_marks_reads_well() {
    let markup = markup::parse("**a `b` [c `d`](https://x.example) <u>** `e`f`` g`h ``");
    assert_eq!(
        markup::telegram_html(&markup),
        "<b>a </b><code>b</code><b> <a href=\"https://x.example\">c d</a> &lt;u&gt;</b> <code>e</code>f<code>g`h</code>"
    );
    assert_eq!(
        markup::discord(&markup),
        "**a `b` [c d](<https://x.example>) \\<u\\>** `e`f`gˋh`"
    );
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
    let _ = markup::discord(&markup);
    let _ = markup::html(&markup);
    scan(&markup::telegram_html(&markup));
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
    fn any_value_is_text_to_discord(value in hostile()) {
        check_discord(&around(&value).text);
    }

    #[test]
    fn any_value_reads_back_from_discord(value in hostile()) {
        // Addresses are written in their own way.
        let value = clean(&value).replace("://", ":");
        let markup = Markup::text(&value);
        let mut read = String::new();
        let written = markup::discord(&markup).replace('\u{200B}', "");
        let mut chars = written.chars();
        while let Some(c) = chars.next() {
            read.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        let value = if value.trim().is_empty() { "" } else { value.trim_matches('\n') };
        prop_assert_eq!(read, value);
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
