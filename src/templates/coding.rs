//! Keeps values apart from markup while Markdown is read.
//!
//! A value is put into a text with every ASCII sign that Markdown could read replaced by a code point
//! of its own, and with a mark at either end; the tree builder puts the signs back. So nothing in a
//! value can open, close or break anything, wherever it stands.
//!
//! **Invariant:** the code points used here never come in from outside: [`clean`] takes them out of
//! values, and [`is_reserved`] has them refused in sources.

use std::borrow::Cow;
use std::fmt;

use crate::domain::notice::is_bidi_control;

/// Start of the block of 256 private code points near the end of plane 16, where no font is known
/// to have signs.
const BLOCK: u32 = 0x10_F000;
/// Stands at both ends of a value: to Markdown it is a letter, so emphasis around a value holds
/// whatever the value begins or ends with.
const EDGE: char = '\u{10F080}';

/// True for the code points that this module uses.
pub(super) fn is_reserved(c: char) -> bool {
    (BLOCK..BLOCK + 0x100).contains(&u32::from(c))
}

/// Writes a value so that Markdown reads all of it as letters.
pub(super) fn write_coded(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char(EDGE)?;
    for c in text.chars() {
        out.write_char(if c.is_ascii() && !c.is_ascii_alphanumeric() {
            char::from_u32(BLOCK + u32::from(c)).unwrap_or(' ')
        } else {
            c
        })?;
    }
    out.write_char(EDGE)
}

/// Puts the signs back and takes the marks away.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_reserved) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .filter(|c| *c != EDGE)
            .map(|c| {
                if is_reserved(c) {
                    char::from_u32(u32::from(c) - BLOCK).unwrap_or(' ')
                } else {
                    c
                }
            })
            .collect(),
    )
}

/// Takes out of a value what a person cannot see or what reorders what they see: direction marks,
/// characters without width, control characters (line ends become `\n`), and reserved code points.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .all(|c| c == '\n' || c == '\t' || (c.is_ascii() && !c.is_ascii_control()))
    {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    cleaned.push('\n');
                }
            }
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => cleaned.push('\n'),
            '\t' => cleaned.push('\t'),
            // Joiners shape scripts and emoji; next to ASCII they only hide.
            '\u{200C}' | '\u{200D}' => {
                let shapes = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !hides(c));
                if shapes(before) && shapes(rest.peek().copied()) {
                    cleaned.push(c);
                }
            }
            _ if c.is_control() => cleaned.push(' '),
            _ if hides(c) => {}
            _ => cleaned.push(c),
        }
        before = Some(c);
    }
    Cow::Owned(cleaned)
}

fn hides(c: char) -> bool {
    is_bidi_control(c)
        || is_reserved(c)
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
            | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hides_is_taken_out() {
        for (text, expected) in [
            ("plain *text*\n\tkept", "plain *text*\n\tkept"),
            ("a\u{202E}b\u{2066}c", "abc"),
            ("pay\u{200B}pal", "paypal"),
            ("pay\u{200D}pal", "paypal"),
            ("👩\u{200D}🔧", "👩\u{200D}🔧"),
            ("می\u{200C}خواهم", "می\u{200C}خواهم"),
            ("one\r\ntwo\rthree\u{2028}four", "one\ntwo\nthree\nfour"),
            ("bell\u{7}esc\u{1b}[2J", "bell esc [2J"),
            ("x\u{10F02A}y\u{10F080}z", "xyz"),
            ("tag\u{E0041}", "tag"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_coded_value_reads_back(text in any::<String>()) {
            let text = clean(&text).into_owned();
            let mut coded = String::new();
            write_coded(&mut coded, &text).unwrap();
            prop_assert!(coded.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
            prop_assert_eq!(decode(&coded), text);
        }
    }
}
