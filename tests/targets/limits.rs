//! Whatever the words: each piece keeps the service's limits, is whole markup, and together they say
//! what was to be said. The readers here are written apart from the writers they check.

use notify_bridge::targets::{self, CallContext, Message, PARTS_MAX, Part};
use notify_bridge::templates::markup::{Block, Markup, Span};
use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use crate::notation::{message_of, receiver_of, target_of};

fn parts_of(kind: &str, message: &Message) -> Vec<Part> {
    let target = target_of(kind, &json!({}));
    let receiver = receiver_of(&json!({ "to": "-1001" }));
    targets::kind(kind)
        .expect("the kind exists")
        .compose(message, &target, &receiver)
        .unwrap_or_else(|unsendable| match unsendable.reason.as_str() {
            "title and text are empty; give the template a text" => Vec::new(),
            reason => panic!("{reason}"),
        })
}

/// The embed of a part, as it is sent.
fn embed_of(part: &Part) -> Value {
    let secrets = [("url".to_owned(), "https://discord.example/1/w".to_owned())].into();
    let context = CallContext {
        target: &target_of("discord", &json!({})),
        receiver: &receiver_of(&json!({})),
        secrets: &secrets,
        delivery_id: "",
        part: 0,
        earlier_ids: &[],
        now_seconds: 0,
        reply_to: None,
    };
    let call = targets::kind("discord")
        .expect("the kind exists")
        .call(part, &context)
        .expect("a call");
    let mut body: Value = serde_json::from_slice(&call.body).expect("a JSON body");
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    body["embeds"][0].take()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Reads Telegram's HTML as strictly as it can be read, and gives what a person sees.
fn read_html(html: &str) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = String::new();
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('<') {
            let (tag, after) = after.split_once('>').expect("a tag ends");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "tags close in order in {html}");
            } else {
                let name = tag.split(' ').next().unwrap_or_default();
                let known = ["b", "i", "code", "pre", "a", "blockquote"];
                assert!(known.contains(&name), "<{tag}> is no tag");
                assert!(!open.contains(&name), "<{name}> stands within itself");
                open.push(name);
            }
            rest = after;
        } else if rest.starts_with('&') {
            let (name, after) = rest.split_once(';').expect("an entity ends");
            seen.push(match name {
                "&amp" => '&',
                "&lt" => '<',
                "&gt" => '>',
                "&quot" => '"',
                name => panic!("{name}; is no entity"),
            });
            rest = after;
        } else {
            assert!(c != '>' && c != '"', "{c} is not escaped in {html}");
            seen.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "everything closes in {html}");
    seen
}

/// Reads Discord's Markdown: drops the markup we write, and fails on any other.
fn read_markdown(markdown: &str) -> String {
    let mut seen = String::new();
    let (mut bold, mut italic) = (false, false);
    let mut links = 0usize;
    let mut rest = markdown;
    let (mut line_start, mut quoted) = (true, false);
    while let Some(c) = rest.chars().next() {
        let mut take = c.len_utf8();
        let at_start = std::mem::replace(&mut line_start, c == '\n');
        quoted &= c != '\n';
        if c == '\\' {
            let escaped = rest[1..].chars().next().expect("a sign follows");
            assert!(
                escaped.is_ascii_punctuation(),
                "\\{escaped} escapes nothing"
            );
            seen.push(escaped);
            take += escaped.len_utf8();
        } else if at_start && rest.starts_with("> ") {
            take = 2;
            (line_start, quoted) = (true, true);
        } else if let Some(after) = rest.strip_prefix("```") {
            let (code, _) = after.split_once("```").expect("a block ends");
            let (_, shown) = code
                .split_once('\n')
                .expect("a block begins on its own line");
            for line in shown.split('\n') {
                let unquoted = line.strip_prefix("> ").filter(|_| quoted);
                seen.push_str(unquoted.unwrap_or(line));
            }
            take = 6 + code.len();
        } else if let Some(after) = rest.strip_prefix('`') {
            let (code, _) = after.split_once('`').expect("code ends");
            seen.push_str(code);
            take = 2 + code.len();
        } else if rest.starts_with("**") {
            bold = !bold;
            take = 2;
        } else if c == '*' {
            italic = !italic;
        } else if c == '[' {
            links += 1;
        } else if let Some(after) = rest.strip_prefix("](") {
            links = links.checked_sub(1).expect("a link was open");
            let (address, _) = after.split_once(')').expect("an address ends");
            take = 3 + address.len();
        } else if rest.starts_with("http://") || rest.starts_with("https://") {
            take = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"-._/?#@!$&'+,;=%:".contains(c))
                .unwrap_or(rest.len());
            seen.push_str(&rest[..take]);
        } else {
            let is_markup = "_~|<]@:".contains(c) || (at_start && "#-+>".contains(c));
            assert!(!is_markup, "{c} is read as markup in {markdown}");
            seen.push(c);
        }
        rest = &rest[take..];
    }
    assert!(
        !bold && !italic && links == 0,
        "everything closes in {markdown}"
    );
    seen
}

/// What a person sees of a tree, without white space and what is never shown.
fn seen_of(blocks: &[Block], seen: &mut String) {
    for block in blocks {
        match block {
            Block::Paragraph(spans) => seen_of_spans(spans, seen),
            Block::Quote(blocks) => seen_of(blocks, seen),
            Block::Code { text, .. } => seen.push_str(text),
            Block::List { start, items } => {
                for (n, item) in items.iter().enumerate() {
                    match start {
                        Some(first) => seen.push_str(&format!("{}.", first + n as u64)),
                        None => seen.push('•'),
                    }
                    seen_of(item, seen);
                }
            }
        }
    }
}

fn seen_of_spans(spans: &[Span], seen: &mut String) {
    for span in spans {
        match span {
            Span::Text(text) | Span::Code(text) => seen.push_str(text),
            Span::Break => {}
            Span::Bold(spans) | Span::Italic(spans) => seen_of_spans(spans, seen),
            Span::Link { spans, .. } => seen_of_spans(spans, seen),
        }
    }
}

/// Only what counts when two readings are compared.
fn essence(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !matches!(*c, '\u{200B}' | '\u{2060}'))
        .filter(|c| !notify_bridge::domain::notice::is_bidi_control(*c))
        .map(|c| if c == '\u{02CB}' { '`' } else { c })
        .collect()
}

/// Compares what was read with what was to be said, and with what the last piece says is missing.
fn compare(mut read: Vec<String>, wanted: &str) {
    assert!(read.len() <= PARTS_MAX, "{} parts", read.len());
    let tail = read
        .last()
        .and_then(|last| last.rsplit_once("\n… "))
        .filter(|(_, tail)| tail.ends_with(" more characters are left out"))
        .map(|(before, _)| before.to_owned());
    let cut = tail.is_some();
    if let (Some(last), Some(before)) = (read.last_mut(), tail) {
        *last = before;
    }
    let read = essence(&read.concat());
    let wanted = essence(wanted);
    if cut {
        assert!(wanted.starts_with(&read), "a cut text begins as the whole");
        assert!(wanted.len() > read.len());
    } else {
        assert_eq!(read, wanted);
    }
}

fn check_telegram(message: &Message, wanted: &str) {
    let parts = parts_of("telegram", message);
    let read: Vec<String> = parts.iter().map(|part| read_html(&part.text)).collect();
    for (text, part) in read.iter().zip(&parts) {
        assert!(units(text) <= 4_096, "{} units", units(text));
        assert!(part.text.len() <= 32 * 1_024 + 64);
        assert!(!text.trim().is_empty(), "an empty message");
    }
    compare(read, wanted);
}

fn check_discord(message: &Message, wanted: &str) {
    let mut read = Vec::new();
    for part in parts_of("discord", message) {
        let embed = embed_of(&part);
        let title = embed["title"].as_str().unwrap_or_default();
        let description = embed["description"].as_str().unwrap_or_default();
        assert!(units(title) <= 256 && units(description) <= 4_096);
        assert!(!title.is_empty() || !description.is_empty());
        read_markdown(title);
        if !description.is_empty() {
            read.push(read_markdown(description));
        }
    }
    compare(read, wanted);
}

fn message(title: Markup, text: Markup) -> Message {
    Message {
        notices: None,
        title,
        text,
        ..message_of(&json!({}))
    }
}

fn paragraph(text: String) -> Markup {
    Markup {
        blocks: vec![Block::Paragraph(vec![Span::Text(text)])],
    }
}

/// A hostile text, and how each service has to be told it.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;", r"\<b>x\</b>"),
    ("&lt;", "&amp;lt;", "&lt;"),
    ("\" onclick", "&quot; onclick", "\" onclick"),
    ("*a* _b_ ~~c~~", "*a* _b_ ~~c~~", r"\*a\* \_b\_ \~\~c\~\~"),
    ("||spoiler||", "||spoiler||", r"\|\|spoiler\|\|"),
    ("@everyone", "@\u{2060}everyone", r"\@everyone"),
    (
        "<@123> <#4>",
        "&lt;@\u{2060}123&gt; &lt;#4&gt;",
        r"\<\@123> \<#4>",
    ),
    (
        ":tada: <:x:1>",
        ":tada: &lt;:x:1&gt;",
        r"\:tada\: \<\:x\:1>",
    ),
    ("/cmd </a:1>", "/\u{2060}cmd &lt;/a:1&gt;", r"/cmd \</a\:1>"),
    ("`a` ```b```", "`a` ```b```", r"\`a\` \`\`\`b\`\`\`"),
    (
        "[a](https://b.example)",
        "[a](https://b.example)",
        r"\[a\](https://b.example)",
    ),
    (
        "# big\n-# small\n- item\n1. one\n> said",
        "# big\n-# small\n- item\n1. one\n&gt; said",
        "\\# big\n\\-# small\n\\- item\n1\\. one\n\\> said",
    ),
    (r"\*", r"\*", r"\\\*"),
    ("a\u{202E}b\u{2066}c", "abc", "abc"),
    ("a\u{0}b\u{7}c\u{1B}[0m", "a b c [0m", r"a b c \[0m"),
    (
        "https://a.example/b_c?d=*e*",
        "https://a.example/b_c?d=*e*",
        r"https://a.example/b_c?d=\*e\*",
    ),
    (
        "https://a.example/<@1>",
        "https://a.example/&lt;@\u{2060}1&gt;",
        r"https://a.example/\<\@1>",
    ),
];

#[test]
fn hostile_words_stay_words() {
    for (text, html, markdown) in HOSTILE {
        let message = message(Markup::default(), paragraph((*text).into()));
        let texts = |kind| -> Vec<String> {
            parts_of(kind, &message)
                .into_iter()
                .map(|part| part.text)
                .collect()
        };
        assert_eq!(texts("telegram"), [*html], "{text}");
        assert_eq!(texts("discord"), [*markdown], "{text}");
        check_telegram(&message, text);
        check_discord(&message, text);
    }
}

#[test]
fn long_words_are_cut_where_it_hurts_least() {
    for text in [
        "😀".repeat(4_096),
        "👩‍👩‍👧‍👦".repeat(1_000),
        "a".repeat(100 * 1_024),
        "*".repeat(100 * 1_024),
        "word ".repeat(20 * 1_024),
        "line of words\n".repeat(2_000),
        "block of words\n\n".repeat(2_000),
        format!(
            "{} https://a.example/{}",
            "a".repeat(4_000),
            "b_".repeat(500)
        ),
        "e\u{301}".repeat(6_000),
    ] {
        let message = message(paragraph("disk full".into()), paragraph(text.clone()));
        check_telegram(&message, &format!("disk full{text}"));
        check_discord(&message, &text);
        let whole: Vec<&str> = text.graphemes(true).collect();
        let first = &parts_of("telegram", &message)[0].text;
        let last = read_html(first);
        let last = last.graphemes(true).next_back().unwrap_or_default();
        assert!(whole.contains(&last), "{last} is no cluster of the text");
    }
}

#[test]
fn pieces_break_between_blocks_lines_words() {
    let ends = |text: String| -> Vec<String> {
        parts_of("telegram", &message(Markup::default(), paragraph(text)))
            .iter()
            .map(|part| {
                part.text
                    .chars()
                    .rev()
                    .take(3)
                    .collect::<String>()
                    .chars()
                    .rev()
                    .collect()
            })
            .collect()
    };
    let long = |n: usize, end: &str| format!("{}{end}", "x ".repeat(n));
    let blocks = format!(
        "{}\n\n{}\n{}",
        long(1_500, "one"),
        long(400, "two"),
        long(900, "end")
    );
    assert_eq!(ends(blocks), ["one", "end"]);
    let lines = format!("{}\n{}", long(1_500, "one"), long(900, "end"));
    assert_eq!(ends(lines), ["one", "end"]);
    let early = format!("short\n\n{}", "y".repeat(6_000));
    assert_eq!(ends(early), ["yyy", "yyy"]);
}

#[test]
fn a_huge_cluster_is_cut_by_characters() {
    let text = format!("e{} after", "\u{301}".repeat(5_000));
    for kind in ["telegram", "discord"] {
        let parts = parts_of(kind, &message(Markup::default(), paragraph(text.clone())));
        let shown = format!("e{}\u{FFFD} after", "\u{301}".repeat(62));
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].text, shown, "{kind}");
    }
}

/// What stood before a slash may be in the piece before.
#[test]
fn no_piece_begins_with_a_command() {
    let text = format!("{}/stop now", "a".repeat(4_096));
    let message = message(Markup::default(), paragraph(text.clone()));
    let parts = parts_of("telegram", &message);
    assert_eq!(parts[1].text, "/\u{2060}stop now");
    let bold = Markup {
        blocks: vec![Block::Paragraph(vec![Span::Bold(vec![Span::Text(text)])])],
    };
    let parts = parts_of("telegram", &self::message(Markup::default(), bold));
    assert_eq!(parts[1].text, "<b>/\u{2060}stop now</b>");
}

#[test]
fn markup_goes_on_in_the_next_piece() {
    let words = Span::Text("ab ".repeat(2_500));
    let tree = |span: Span| Markup {
        blocks: vec![Block::Quote(vec![Block::Paragraph(vec![span])])],
    };
    let link = Span::Link {
        url: "https://a.example/x".into(),
        spans: vec![Span::Bold(vec![words])],
    };
    let message = message(Markup::default(), tree(link));
    let telegram = parts_of("telegram", &message);
    let discord = parts_of("discord", &message);
    assert_eq!((telegram.len(), discord.len()), (2, 2));
    for part in &telegram {
        assert!(
            part.text
                .starts_with("<blockquote><a href=\"https://a.example/x\"><b>ab ab")
        );
        assert!(part.text.ends_with("ab</b></a></blockquote>"));
    }
    for part in &discord {
        assert!(part.text.starts_with("> [**ab ab"), "{}", &part.text[..20]);
        assert!(part.text.ends_with("ab**](https://a.example/x)"));
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z*_`<>@#&\\\\\\[\\]()|~:.1\"+ \n-]{0,40}",
        2 => "\\PC{0,20}",
        1 => ".{0,20}",
        1 => "https://[a-z_*@.()]{1,60}",
        1 => ("[a-z😀&*` ]{1,3}", 1usize..2_500).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let leaf = prop_oneof![
        4 => words().prop_map(Span::Text),
        1 => words().prop_map(Span::Code),
        1 => Just(Span::Break),
    ];
    let span = leaf.prop_recursive(3, 24, 4, |inner| {
        let many = proptest::collection::vec(inner, 0..4);
        prop_oneof![
            many.clone().prop_map(Span::Bold),
            many.prop_map(Span::Italic),
            "[a-z*&<@.]{1,12}".prop_map(|words| Span::Link {
                url: "https://a.example/(x)?y=1&z=*".into(),
                spans: vec![Span::Text(words)],
            }),
        ]
    });
    proptest::collection::vec(span, 0..6)
}

fn markup() -> impl Strategy<Value = Markup> {
    let leaf = prop_oneof![
        4 => spans().prop_map(Block::Paragraph),
        1 => ("[a-z]{0,4}", words()).prop_map(|(language, text)| Block::Code { language, text }),
    ];
    let block = leaf.prop_recursive(3, 16, 4, |inner| {
        let many = proptest::collection::vec(inner, 0..3);
        prop_oneof![
            many.clone().prop_map(Block::Quote),
            (
                proptest::option::of(0u64..99),
                proptest::collection::vec(many, 0..4)
            )
                .prop_map(|(start, items)| Block::List { start, items }),
        ]
    });
    proptest::collection::vec(block, 0..6).prop_map(|blocks| Markup { blocks })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn telegram_is_told_all_of_it(title in markup(), text in markup()) {
        let mut wanted = String::new();
        seen_of(&title.blocks, &mut wanted);
        seen_of(&text.blocks, &mut wanted);
        check_telegram(&message(title, text), &wanted);
    }

    #[test]
    fn discord_is_told_all_of_it(text in markup()) {
        let mut wanted = String::new();
        seen_of(&text.blocks, &mut wanted);
        check_discord(&message(Markup::default(), text), &wanted);
    }

    #[test]
    fn a_title_of_any_kind_fits(title in markup()) {
        for part in parts_of("discord", &message(title, paragraph("text".into()))) {
            let embed = embed_of(&part);
            prop_assert!(units(embed["title"].as_str().unwrap_or_default()) <= 256);
            read_markdown(embed["title"].as_str().unwrap_or_default());
        }
    }

    #[test]
    fn plain_text_and_boxes_take_anything(title in markup(), text in markup()) {
        let message = message(title, text);
        prop_assert!(parts_of("inbox", &message).iter().all(|part| part.text.len() <= 65 * 1_024));
        let body = &parts_of("webhook", &message)[0].text;
        prop_assert!(body.len() <= 192 * 1_024);
        prop_assert!(serde_json::from_str::<Value>(body).is_ok());
    }
}
