//! How forge notices are worded: short parts of English sentences.

use std::borrow::Cow;

/// Most characters of a sender's title that a notice's title repeats.
const QUOTE_CHARS_MAX: usize = 120;
/// Characters of a commit id that people read.
const SHORT_SHA_CHARS: usize = 7;

/// A sender's own words within a sentence: `“Fix the leak”`, on one line and not too long.
pub fn quote(words: &str) -> String {
    let mut chars = words
        .split_whitespace()
        .enumerate()
        .flat_map(|(n, word)| (n > 0).then_some(' ').into_iter().chain(word.chars()));
    let mut quoted = String::from("“");
    quoted.extend(chars.by_ref().take(QUOTE_CHARS_MAX));
    if chars.next().is_some() {
        quoted.truncate(quoted.trim_end().len());
        quoted.push('…');
    }
    quoted.push('”');
    quoted
}

/// `1 commit`, `2 commits`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The first line of a message.
pub fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or("").trim_end()
}

/// The part of a commit id that people read.
pub fn short_sha(sha: &str) -> &str {
    sha.get(..SHORT_SHA_CHARS).unwrap_or(sha)
}

/// A sender's machine word, readable: `changes_requested` becomes `changes requested`.
pub fn words(machine: &str) -> Cow<'_, str> {
    match machine.contains(['_', '-']) {
        true => Cow::Owned(machine.replace(['_', '-'], " ")),
        false => Cow::Borrowed(machine),
    }
}

/// `a label`, `an issue`.
pub fn article(noun: &str) -> &'static str {
    match noun.as_bytes().first().map(u8::to_ascii_lowercase) {
        Some(b'a' | b'e' | b'i' | b'o' | b'u') => "an",
        Some(_) | None => "a",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_one_line_and_bounded() {
        let long = "x".repeat(QUOTE_CHARS_MAX);
        for (words, expected) in [
            ("Fix  the\nleak ", "“Fix the leak”".to_owned()),
            ("", "“”".to_owned()),
            (&long, format!("“{long}”")),
            (&format!("{long}y"), format!("“{long}…”")),
            (&format!("{long} y"), format!("“{long}…”")),
            (
                &"ü ".repeat(QUOTE_CHARS_MAX),
                format!("“{}…”", "ü ".repeat(QUOTE_CHARS_MAX / 2).trim_end()),
            ),
        ] {
            assert_eq!(quote(words), expected);
        }
    }
}
