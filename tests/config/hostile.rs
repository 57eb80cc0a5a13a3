//! Files made to hurt: they end in problems, within bounds of time, stack and output.

use notify_bridge::config::{ENTITIES_MAX, PROBLEMS_MAX, Present, SOURCE_BYTES_MAX, SOURCES_MAX};
use proptest::prelude::*;

use crate::fakes::{lines, read_all};

/// The first problem, cut.
fn first(text: &str) -> String {
    match read_all(&[("a.toml", text)], &Present::default()) {
        Ok(_) => "fine".into(),
        Err(problems) => {
            assert!(problems.len() <= PROBLEMS_MAX + 1);
            for problem in &problems {
                assert!(problem.line >= 1 && problem.column >= 1);
                assert!(problem.to_string().len() < 4_096, "{problem}");
            }
            lines(&problems[..1]).chars().take(120).collect()
        }
    }
}

#[test]
fn deep_and_large_files_are_problems() {
    let mib = SOURCE_BYTES_MAX;
    let cases = [
        ("brackets", "[".repeat(mib)),
        ("array", format!("a = {}", "[".repeat(mib - 4))),
        (
            "closed array",
            format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        ),
        ("inline tables", "a = {b = ".repeat(50_000)),
        ("dotted key", format!("{}a = 1", "a.".repeat(mib / 2 - 3))),
        ("dotted header", format!("[{}a]", "a.".repeat(mib / 2 - 3))),
        ("headers", "[[a]]\n[[a.b]]\n[[a.b.c]]\n".repeat(20_000)),
        ("long key", format!("{} = 1", "k".repeat(mib - 4))),
        ("unclosed text", format!("a = \"{}", "x".repeat(mib - 5))),
        ("nul", "a = \"\0\"".to_owned()),
        ("control", "\u{1b}[2J = 1".to_owned()),
    ];
    for (what, text) in &cases {
        assert!(text.len() <= mib, "{what} is within the bound of a file");
        let told = first(text);
        assert!(told.starts_with("a.toml:"), "{what}: {told}");
        assert!(!told.contains('\u{1b}'), "{what}: {told}");
    }
    let told = first(&" ".repeat(mib + 1));
    assert!(told.contains("over the limit of 1048576"), "{told}");
}

#[test]
fn numbers_out_of_range_are_problems() {
    for number in [
        "9".repeat(400),
        format!("0x{}", "f".repeat(400)),
        "1e999".into(),
        "nan".into(),
    ] {
        let text = format!(
            "[[target]]\nname = \"a\"\nkind = \"telegram\"\nreceivers = [{{ to = {number} }}]\n"
        );
        let told = first(&text);
        assert!(told.starts_with("a.toml:4:"), "{told}");
    }
}

#[test]
fn counts_are_bounded() {
    let template = |i: usize| format!("[[template]]\nname = \"t{i}\"\ndefault = \"x\"\n");
    let many = |count: usize| -> String { (0..count).map(template).collect() };
    assert_eq!(first(&many(ENTITIES_MAX)), "fine");
    assert!(first(&many(ENTITIES_MAX + 1)).contains("more than 10000 entities"));
    let receivers: String = (0..1_001).map(|i| format!("{{ to = {i} }},")).collect();
    let target = format!(
        "[[target]]\nname = \"a\"\nkind = \"telegram\"\ntoken = \"x\"\nreceivers = [{receivers}]\n"
    );
    assert!(first(&target).contains("has 1001 entries, over the limit of 1000"));
    let links = "{ target = \"a\" },".repeat(257);
    let tracker = format!("[[tracker]]\nname = \"a\"\nlinks = [{links}]\n");
    let told = read_all(&[("a.toml", &tracker)], &Present::default()).expect_err("too many links");
    assert!(lines(&told).contains("has 257 entries, over the limit of 256"));
    let large = format!(
        "[[template]]\nname = \"a\"\n{}",
        (0..5)
            .map(|i| format!("kind_{i} = \"{}\"\n", "x".repeat(60_000)))
            .collect::<String>()
    );
    assert!(first(&large).contains("is too large"));
    let sources: Vec<(&str, &str)> = vec![("a.toml", ""); SOURCES_MAX + 1];
    assert!(read_all(&sources, &Present::default()).is_err());
}

#[test]
fn many_problems_are_counted_and_not_all_listed() {
    let text =
        "[[trackre]]\n[[provider]]\nkind = \"gitae\"\nxyz = 1\nproviders = \"x\"\n".repeat(12_000);
    let problems = read_all(&[("a.toml", &text)], &Present::default()).expect_err("all are wrong");
    assert!(lines(&problems).contains("more than 10000 entities"));
    let keys: String = (0..50_000).map(|i| format!("k{i} = 1\n")).collect();
    let problems = read_all(&[("a.toml", &keys)], &Present::default()).expect_err("all are wrong");
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    let last = &problems[PROBLEMS_MAX];
    assert!(last.message.starts_with("49000 more problems"), "{last}");
}

/// Pieces that make up files, so that random ones get past the parser often.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("[[provider]]\n"),
        Just("[[target]]\n"),
        Just("[[tracker]]\n"),
        Just("[[template]]\n"),
        Just("[settings]\n"),
        Just("[provider.map]\n"),
        Just("[[target.receivers]]\n"),
        Just("name = "),
        Just("kind = "),
        Just("provider = "),
        Just("links = "),
        Just("receivers = "),
        Just("verify = "),
        Just("secret = "),
        Just("headers = "),
        Just("targets = "),
        Just("\"telegram\"\n"),
        Just("\"gitea\"\n"),
        Just("\"webhook\"\n"),
        Just("\"broadcast\"\n"),
        Just("{ to = 1 }"),
        Just("{ env = \"X\" }\n"),
        Just("["),
        Just("]\n"),
        Just("{"),
        Just("}\n"),
        Just(","),
        Just("1\n"),
        Just("true\n"),
        Just("1979-05-27\n"),
        Just("'''\n"),
        Just("é"),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn whatever_is_written_ends_in_an_answer(pieces in proptest::collection::vec(piece(), 0..60)) {
        first(&pieces.concat());
    }

    #[test]
    fn whatever_the_characters_are(text in "\\PC{0,200}") {
        first(&text);
    }

    #[test]
    fn a_file_cut_anywhere_ends_in_an_answer(at in 0usize..4_000, junk in "[\\[\\]{}\"'=.,#\n a]{0,6}") {
        let text = include_str!("../../fixtures/config/household.toml");
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        first(&format!("{}{junk}{}", &text[..at], &text[at..]));
    }
}
