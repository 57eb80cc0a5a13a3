//! What queries mean, and what is said of those that mean nothing.

use jiff::tz::TimeZone;
use notify_bridge::search::document::{Document, Sort};
use notify_bridge::search::excerpt;
use notify_bridge::search::matching::{Indexed, matches};
use notify_bridge::search::query::{Reading, Tree};
use proptest::prelude::*;

use crate::story::NOON;

fn reading() -> Reading {
    Reading {
        now: NOON,
        zone: TimeZone::get("Europe/Lisbon").expect("a zone"),
        beginnings: false,
    }
}

fn document(title: &str, text: &str) -> Document {
    Document {
        seq: 0,
        key: 0,
        founding: 0,
        at: NOON - 3_600_000_000,
        sort: Sort::Notice,
        provider: "forge".into(),
        kind: "issue_opened".into(),
        collections: vec!["Kites/Große Drachen".into(), "17".into()],
        tracker: String::new(),
        target: String::new(),
        status: "unrouted".into(),
        severity: "warning".into(),
        actor: "wren".into(),
        id: String::new(),
        notice: String::new(),
        title: title.to_owned(),
        is_title_searched: true,
        texts: vec![text.to_owned()],
    }
}

#[test]
fn queries_find_what_they_say() {
    let text =
        "The café's thermostat v1.22.0 says: 東京都の天気は晴れ. Straße closed, see org/repo_x#41";
    let indexed = Indexed::of(document("Wind is picking up", text));
    for (query, expected) in [
        ("", true),
        ("wind", true),
        ("WIND picking", true),
        ("wind storm", false),
        ("storm OR wind", true),
        ("storm OR rain", false),
        ("wind -storm", true),
        ("wind -picking", false),
        ("NOT storm", true),
        ("--wind", true),
        ("wind AND up", true),
        ("(storm OR wind) up", true),
        ("-(storm OR wind)", false),
        ("\"picking up\"", true),
        ("\"up picking\"", false),
        // A phrase does not reach from the title into the text.
        ("\"up the\"", false),
        ("pick*", true),
        ("pick", false),
        ("\"is pick\"*", true),
        ("cafe", true),
        ("CAFÉ", true),
        ("strasse", true),
        ("v1.22.0", true),
        ("v1.22.1", false),
        ("repo_x#41", true),
        ("東京", true),
        ("京都", true),
        ("東京都", true),
        ("天", true),
        ("都", true),
        ("晴れ", true),
        ("京東", false),
        ("provider:forge", true),
        ("provider:FORGE kind:issue_*", true),
        ("provider:house", false),
        ("provider:house,forge", true),
        ("-provider:forge", false),
        ("collection:\"kites/grosse drachen\"", true),
        ("collection:17", true),
        ("collection:kites*", true),
        ("severity:warning,critical is:notice status:unrouted", true),
        ("actor:wren", true),
        ("target:ops", false),
        ("target:*", false),
        ("provider:*", true),
        ("since:2h", true),
        ("since:30m", false),
        ("until:30m", true),
        ("since:2026-11-24 until:2026-11-24", true),
        ("until:2026-11-23", false),
        (
            "since:2026-11-24T11:00:00Z until:2026-11-24T11:00:00Z",
            true,
        ),
        // An address is words, and so is what stands in quotes.
        ("https://org/repo", false),
        ("\"says: 東京\"", true),
        ("12:30", false),
        // What says nothing is left out.
        ("- ... !", true),
        ("wind \"\" -", true),
    ] {
        let tree =
            Tree::parse(query, &reading()).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(matches(&tree, &indexed), expected, "{query}: {tree:?}");
    }
}

#[test]
fn what_is_no_query_is_told_where_and_what_to_do() {
    let deep = "(".repeat(20);
    let long = "x".repeat(501);
    let many = "x ".repeat(100);
    for (query, expected) in [
        (
            "wind provder:forge",
            "there is no field provder (character 6); did you mean provider? In quotes it is searched for as words",
        ),
        (
            "zebra:1",
            "there is no field zebra (character 1); known are is, provider, kind, collection, tracker, target, status, severity, actor, since, until; in quotes it is searched for as words",
        ),
        (
            "é \"open",
            "the quote at character 3 is not closed; add a \" at the end of the phrase",
        ),
        (
            "(a",
            "the parenthesis at character 1 is not closed; add a )",
        ),
        (
            "a )b",
            "the ) at character 3 closes nothing; take it away or put it in quotes",
        ),
        (
            "a OR",
            "nothing stands beside OR at character 3; add what it joins, or put it in quotes",
        ),
        (
            "AND a",
            "nothing stands beside AND at character 1; add what it joins, or put it in quotes",
        ),
        (
            "a NOT",
            "nothing stands beside NOT at character 3; add what it joins, or put it in quotes",
        ),
        (
            "kind:",
            "kind: at character 1 has no value; write what it should be after the colon",
        ),
        (
            "status:lost",
            "status: lost at character 1 is nothing it can be; it is one of due, held, sending, retrying, sent, parked, dropped, merged, unknown, unrouted",
        ),
        (
            "since:tomorrow",
            "since: tomorrow at character 1 is nothing it can be; it is a day as 2026-01-31, a time as 2026-01-31T12:00:00Z, or a span back from now as 7d",
        ),
        (
            &deep,
            "has groups more than 8 deep; write it with fewer parentheses",
        ),
        (&long, "has more than 500 bytes; search for fewer words"),
        (&many, "has more than 64 words and fields; search for fewer"),
    ] {
        let error = Tree::parse(query, &reading()).expect_err(query);
        assert_eq!(error.to_string(), expected, "{query}");
    }
}

#[test]
fn an_excerpt_shows_where_it_is_said() {
    let long = format!(
        "{} the kite is stuck in the tree {}",
        "nothing ".repeat(60),
        "more ".repeat(90)
    );
    for (query, text, expected) in [
        ("kite", "A kite flew", "A [kite] flew"),
        ("\"kite is stuck\"", long.as_str(), "[kite is stuck]"),
        ("tree stuck", long.as_str(), "[stuck] in the [tree] more"),
        ("京都", "東京都", "東[京都]"),
        ("fly*", "Flying, flown", "[Flying], flown"),
        ("-kite", "A kite flew", "A kite flew"),
    ] {
        let tree = Tree::parse(query, &reading()).expect(query);
        let pieces = excerpt::excerpt(&tree, &document("Other", text));
        let shown: String = pieces
            .iter()
            .map(|piece| {
                if piece.is_match {
                    format!("[{}]", piece.text)
                } else {
                    piece.text.clone()
                }
            })
            .collect();
        assert!(shown.contains(expected), "{query}: {shown}");
        assert!(shown.len() < 300, "{shown}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_much(query in "[a-z:\"()*,é東 OR-]{0,60}", text in "\\PC{0,60}") {
        let indexed = Indexed::of(document(&text, &query));
        for query in [&query, &text] {
            for beginnings in [false, true] {
                let reading = Reading { beginnings, ..reading() };
                if let Ok(tree) = Tree::parse(query, &reading) {
                    matches(&tree, &indexed);
                    excerpt::excerpt(&tree, &indexed.document);
                    excerpt::title(&tree, &indexed.document);
                }
            }
        }
    }

    /// Whatever a text is, its own words find it.
    #[test]
    fn a_text_is_found_by_itself(text in "\\PC{0,40}") {
        let text = text.replace(['"', '\u{1f}'], " ");
        let indexed = Indexed::of(document(&text, ""));
        let tree = Tree::parse(&format!("\"{text}\""), &reading()).expect("a phrase");
        prop_assert!(matches(&tree, &indexed));
    }
}
