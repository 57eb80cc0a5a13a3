//! Decoded views of a text that remember where every byte came from.
//!
//! A secret that passed through a JSON encoder, a URL or a page looks different each time, and
//! encoders do not agree on which characters they escape. So the text is decoded and the secret is
//! looked for in what it means; a match is then carried back to the bytes that meant it.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

/// Which escapes a view undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decode {
    /// `\"`, `\/`, `\n`, `\u0041`, and `\x41` as some log writers have it.
    Json,
    /// `%41`.
    Percent,
    /// `%41` and `+` for a space.
    Form,
    /// `&amp;`, `&#65;`, `&#x41;`.
    Html,
    /// JSON, percent and HTML escapes, each wherever it stands.
    All,
    /// Leaves line breaks out, which MIME puts into base64.
    Unwrap,
}

/// A part of a view that was copied as it stood (as long as its source) or decoded (shorter).
/// Each ends where the next begins, in the view and in the source.
#[derive(Debug, Clone, Copy)]
struct Piece {
    out: usize,
    from: usize,
}

/// A decoded text.
pub(super) struct View {
    pub bytes: Vec<u8>,
    pieces: Vec<Piece>,
    source_length: usize,
}

impl View {
    /// The decoded text, or `None` when there is nothing to decode.
    pub fn of(source: &[u8], decode: Decode) -> Option<View> {
        let mut view = View {
            bytes: Vec::new(),
            pieces: Vec::new(),
            source_length: source.len(),
        };
        let mut copied = 0;
        let mut at = 0;
        while let Some(found) = next_trigger(source, at, decode) {
            at = found;
            let Some((decoded, taken)) = escape(&source[at..], decode) else {
                at += 1;
                continue;
            };
            view.copy(source, copied..at);
            view.piece(at);
            view.bytes.extend_from_slice(decoded.as_slice());
            at += taken;
            copied = at;
        }
        if copied == 0 {
            return None;
        }
        view.copy(source, copied..source.len());
        Some(view)
    }

    fn copy(&mut self, source: &[u8], range: Range<usize>) {
        if !range.is_empty() {
            self.piece(range.start);
            self.bytes.extend_from_slice(&source[range]);
        }
    }

    fn piece(&mut self, from: usize) {
        self.pieces.push(Piece {
            out: self.bytes.len(),
            from,
        });
    }

    /// The source bytes that a non-empty range of the view stands for.
    pub fn source_of(&self, range: Range<usize>) -> Range<usize> {
        self.source_of_byte(range.start).start..self.source_of_byte(range.end - 1).end
    }

    fn source_of_byte(&self, byte: usize) -> Range<usize> {
        // The last piece that begins here or before: a piece that gave nothing (a line break left
        // out) begins where its successor does, and is not it.
        let index = self.pieces.partition_point(|piece| piece.out <= byte) - 1;
        let piece = self.pieces[index];
        let (out_end, to) = self
            .pieces
            .get(index + 1)
            .map_or((self.bytes.len(), self.source_length), |next| {
                (next.out, next.from)
            });
        if out_end - piece.out == to - piece.from {
            let from = piece.from + (byte - piece.out);
            from..from + 1
        } else {
            piece.from..to
        }
    }
}

fn next_trigger(source: &[u8], from: usize, decode: Decode) -> Option<usize> {
    let rest = source.get(from..)?;
    // Every text of every request is looked through several times, so this is the quick search.
    let found = match decode {
        Decode::Json => memchr(b'\\', rest),
        Decode::Percent => memchr(b'%', rest),
        Decode::Form => memchr2(b'%', b'+', rest),
        Decode::Html => memchr(b'&', rest),
        Decode::All => memchr3(b'\\', b'%', b'&', rest),
        Decode::Unwrap => memchr2(b'\r', b'\n', rest),
    };
    found.map(|offset| from + offset)
}

/// Up to four bytes that an escape stands for.
struct Decoded {
    bytes: [u8; 4],
    length: usize,
}

impl Decoded {
    const NONE: Decoded = Decoded {
        bytes: [0; 4],
        length: 0,
    };

    fn byte(byte: u8) -> Decoded {
        Decoded {
            bytes: [byte, 0, 0, 0],
            length: 1,
        }
    }

    fn char(c: char) -> Decoded {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Decoded { bytes, length }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What the escape at the start of `text` stands for, and its length; `None` when it is none.
fn escape(text: &[u8], decode: Decode) -> Option<(Decoded, usize)> {
    match (decode, text[0]) {
        (Decode::Json | Decode::All, b'\\') => json(text),
        (Decode::Percent | Decode::Form | Decode::All, b'%') => {
            hex(text.get(1..3)?).map(|value| (Decoded::byte(value as u8), 3))
        }
        (Decode::Form, b'+') => Some((Decoded::byte(b' '), 1)),
        (Decode::Html | Decode::All, b'&') => html(text),
        (Decode::Unwrap, _) => Some((Decoded::NONE, 1)),
        (Decode::Json | Decode::Percent | Decode::Form | Decode::Html | Decode::All, _) => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        char::from(*digit)
            .to_digit(16)
            .map(|digit| value * 16 + digit)
    })
}

fn json(text: &[u8]) -> Option<(Decoded, usize)> {
    let byte = match text.get(1)? {
        b'"' => b'"',
        b'\'' => b'\'',
        b'\\' => b'\\',
        b'/' => b'/',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => hex(text.get(2..4)?)? as u8,
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((Decoded::byte(byte), if text[1] == b'x' { 4 } else { 2 }))
}

fn unicode(text: &[u8]) -> Option<(Decoded, usize)> {
    let first = hex(text.get(2..6)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((Decoded::char(c), 6));
    }
    // Half of a pair: the other half follows, or this is not text at all and stays as it is.
    let second = text.get(6..12)?.strip_prefix(b"\\u").and_then(hex)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    match char::decode_utf16(pair).next()? {
        Ok(c) => Some((Decoded::char(c), 12)),
        Err(_) => None,
    }
}

/// Longest character reference looked at, `&#x10ffff;` with leading zeros.
const REFERENCE_BYTES_MAX: usize = 12;

fn html(text: &[u8]) -> Option<(Decoded, usize)> {
    let head = &text[..text.len().min(REFERENCE_BYTES_MAX)];
    let end = head.iter().position(|byte| *byte == b';')?;
    let c = match &head[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] if !digits.is_empty() => char::from_u32(hex(digits)?)?,
        [b'#', digits @ ..] if !digits.is_empty() => {
            let digits = std::str::from_utf8(digits).ok()?;
            char::from_u32(digits.parse().ok()?)?
        }
        _ => return None,
    };
    Some((Decoded::char(c), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, decode: Decode, expected: &str) {
        let view = View::of(text.as_bytes(), decode);
        let decoded = view.map_or_else(|| text.as_bytes().to_vec(), |view| view.bytes);
        assert_eq!(String::from_utf8_lossy(&decoded), expected, "{text}");
    }

    #[test]
    fn escapes_are_undone_and_other_text_stays() {
        check(r#"a\"b\/c\\d\ne\u0041\x42"#, Decode::Json, "a\"b/c\\d\neAB");
        check(
            r"\ud83d\ude00 \ud83d \ude00",
            Decode::Json,
            "😀 \\ud83d \\ude00",
        );
        check(r"\q \u12 \", Decode::Json, r"\q \u12 \");
        check("%41%4a%4A%zz%4", Decode::Percent, "AJJ%zz%4");
        check("a+b%2Bc", Decode::Percent, "a+b+c");
        check("a+b%2Bc", Decode::Form, "a b+c");
        check(
            "&lt;&amp;&#65;&#x42;&nope;&#; &",
            Decode::Html,
            "<&AB&nope;&#; &",
        );
        check(r"\u0026%26&amp;", Decode::All, "&&&");
        check("ab\r\ncd\n", Decode::Unwrap, "abcd");
    }

    #[test]
    fn a_range_is_carried_back() {
        let text = r"x\u0041b%43\nd";
        let view = View::of(text.as_bytes(), Decode::All).expect("something was decoded");
        assert_eq!(view.bytes, b"xAbC\nd");
        let source = |range: Range<usize>| &text[view.source_of(range)];
        assert_eq!(source(0..1), "x");
        assert_eq!(source(1..2), r"\u0041");
        assert_eq!(source(1..4), r"\u0041b%43");
        assert_eq!(source(2..3), "b");
        assert_eq!(source(4..6), r"\nd");
        let view = View::of(b"ab\ncd\n", Decode::Unwrap).expect("something was left out");
        assert_eq!(view.source_of(1..3), 1..4);
        assert_eq!(view.source_of(2..4), 3..5);
        assert_eq!(view.source_of(0..2), 0..2);
    }

    proptest! {
        #[test]
        fn every_range_maps_into_the_source(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'u'), Just(b'0'), Just(b'4'), Just(b'%'), Just(b'&'), Just(b';'), Just(b'#'), Just(b'\n'), any::<u8>()], 0..64)) {
            for decode in [Decode::Json, Decode::Percent, Decode::Form, Decode::Html, Decode::All, Decode::Unwrap] {
                let Some(view) = View::of(&bytes, decode) else { continue };
                let mut end = 0;
                for at in 0..view.bytes.len() {
                    let range = view.source_of(at..at + 1);
                    prop_assert!(range.start < range.end && range.end <= bytes.len());
                    // Bytes of one escape share their source; otherwise sources go on in order.
                    prop_assert!(range.start >= end || range.end == end);
                    end = range.end;
                }
            }
        }
    }
}
