//! How text falls into words.
//!
//! A word is a run of letters and digits, without regard to case, accents and width of signs. Scripts
//! that put no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) fall into
//! pairs of neighbouring signs, and the last sign of a run stands alone as well, so that a single sign
//! is found as the beginning of a word.
//!
//! **Invariant:** folding looks at one character at a time, so a word folds the same wherever it stands.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// Longest word kept, in bytes; of a longer one the beginning is.
pub const WORD_BYTES_MAX: usize = 128;
/// Longest value of a field kept, in bytes; of a longer one the beginning is.
pub const VALUE_BYTES_MAX: usize = 256;
/// Stands between texts that are searched as one: no phrase reaches over it.
pub const GAP: char = '\u{1f}';

const NORMALIZER: DecomposingNormalizerBorrowed<'static> =
    DecomposingNormalizerBorrowed::new_nfkd();

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it stands in [`Words::folded`].
    folded: Range<usize>,
    /// Where it stands in the text, in bytes.
    pub from: usize,
    pub to: usize,
    /// Its number among the words.
    pub position: usize,
}

/// The words of a text. Kept by its user, so that its memory serves for the next text.
#[derive(Debug, Clone, Default)]
pub struct Words {
    folded: String,
    spans: Vec<Span>,
    run: Vec<(Range<usize>, usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Between,
    Letter,
    /// Belongs to the letter before it and folds to nothing.
    Mark,
    /// Of a script without spaces.
    Dense,
}

impl Words {
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub fn folded(&self, span: &Span) -> &str {
        &self.folded[span.folded.clone()]
    }

    /// Words with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.spans
            .iter()
            .map(|span| (self.folded(span), span.position))
    }

    /// Takes the words of a text; those of the text before are gone.
    pub fn split(&mut self, text: &str) {
        self.folded.clear();
        self.spans.clear();
        let mut position = 0;
        let mut word: Option<(usize, usize)> = None;
        for (at, sign) in text.char_indices() {
            let sort = sort_of(sign);
            if sort != Sort::Letter && sort != Sort::Mark {
                self.end_word(&mut word, at, &mut position);
            }
            if sort != Sort::Dense {
                self.end_run(&mut position);
            }
            match sort {
                Sort::Letter => {
                    let (_, begin) = *word.get_or_insert((at, self.folded.len()));
                    if self.folded.len() - begin < WORD_BYTES_MAX {
                        fold_into(sign, &mut self.folded);
                    }
                }
                Sort::Dense => {
                    let begin = self.folded.len();
                    fold_into(sign, &mut self.folded);
                    let signs = begin..self.folded.len();
                    self.run.push((signs, at, at + sign.len_utf8()));
                }
                Sort::Between if sign == GAP => position += 1,
                Sort::Mark | Sort::Between => {}
            }
        }
        self.end_word(&mut word, text.len(), &mut position);
        self.end_run(&mut position);
    }

    fn end_word(&mut self, word: &mut Option<(usize, usize)>, to: usize, position: &mut usize) {
        let Some((from, begin)) = word.take() else {
            return;
        };
        let mut end = self.folded.len().min(begin + WORD_BYTES_MAX);
        while !self.folded.is_char_boundary(end) {
            end -= 1;
        }
        if end > begin {
            self.spans.push(Span {
                folded: begin..end,
                from,
                to,
                position: *position,
            });
            *position += 1;
        }
    }

    fn end_run(&mut self, position: &mut usize) {
        for (index, (signs, from, to)) in self.run.iter().enumerate() {
            // Neighbours stand side by side in the folded text too.
            let (end, to) = match self.run.get(index + 1) {
                Some((next, _, next_to)) => (next.end, *next_to),
                None => (signs.end, *to),
            };
            if end > signs.start {
                self.spans.push(Span {
                    folded: signs.start..end,
                    from: *from,
                    to,
                    position: *position,
                });
            }
            *position += 1;
        }
        self.run.clear();
    }
}

/// Whether a word is a single sign of a script without spaces: then it is looked for as a beginning.
pub fn is_lone_sign(text: &str) -> bool {
    let mut signs = text.chars();
    signs
        .next()
        .is_some_and(|sign| sort_of(sign) == Sort::Dense)
        && signs.next().is_none()
}

/// A whole value, without regard to case, accents and width.
pub fn folded_value(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for sign in text.trim().chars() {
        if folded.len() >= VALUE_BYTES_MAX {
            break;
        }
        fold_into(sign, &mut folded);
    }
    folded
}

fn sort_of(sign: char) -> Sort {
    if sign.is_ascii() {
        return if sign.is_ascii_alphanumeric() {
            Sort::Letter
        } else {
            Sort::Between
        };
    }
    if is_dense(sign) {
        return Sort::Dense;
    }
    if is_stripped(sign) {
        return Sort::Mark;
    }
    if sign.is_alphanumeric() || joins(sign) {
        Sort::Letter
    } else {
        Sort::Between
    }
}

/// Signs within words that are no letters by themselves: the virama and nukta of Indic scripts.
fn joins(sign: char) -> bool {
    matches!(u32::from(sign), 0x0900..=0x0DFF) && matches!(u32::from(sign) & 0x7f, 0x3c | 0x4d)
}

fn is_dense(sign: char) -> bool {
    match u32::from(sign) {
        // Thai and Lao, Burmese, Khmer: with their vowel and tone signs, without punctuation.
        0x0E01..=0x0E3A | 0x0E40..=0x0E4E | 0x0E81..=0x0ECE => true,
        0x1000..=0x103F | 0x1050..=0x109D | 0x1780..=0x17D3 => true,
        // Hangul.
        0x1100..=0x11FF | 0x3131..=0x318E | 0xA960..=0xA97C | 0xAC00..=0xD7FB => true,
        // Kana, their marks included, and Bopomofo.
        0x3041..=0x3096 | 0x3099..=0x309F | 0x30A1..=0x30FA | 0x30FC..=0x312F => true,
        0x31A0..=0x31BF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F => true,
        // Han.
        0x2E80..=0x2FD5 | 0x3005..=0x3007 | 0x3021..=0x3029 => true,
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF => true,
        _ => false,
    }
}

/// Accents and points that are written over and under letters.
fn is_stripped(sign: char) -> bool {
    matches!(
        u32::from(sign),
        0x0300..=0x036F
            | 0x0483..=0x0489
            | 0x0591..=0x05BD
            | 0x05BF
            | 0x05C1..=0x05C2
            | 0x0610..=0x061A
            | 0x064B..=0x065F
            | 0x0670
            | 0x06D6..=0x06DC
            | 0x1AB0..=0x1AFF
            | 0x1DC0..=0x1DFF
            | 0x20D0..=0x20FF
            | 0xFE00..=0xFE0F
            | 0xFE20..=0xFE2F
    )
}

fn fold_into(sign: char, out: &mut String) {
    if sign.is_ascii() {
        out.push(sign.to_ascii_lowercase());
        return;
    }
    for lower in sign.to_lowercase() {
        for part in NORMALIZER.normalize_iter(std::iter::once(lower)) {
            match part {
                part if is_stripped(part) => {}
                'ß' => out.push_str("ss"),
                'æ' => out.push_str("ae"),
                'œ' => out.push_str("oe"),
                'ø' => out.push('o'),
                'ł' => out.push('l'),
                'đ' | 'ð' => out.push('d'),
                'þ' => out.push_str("th"),
                'ħ' => out.push('h'),
                'ı' => out.push('i'),
                'ς' => out.push('σ'),
                part => out.extend(part.to_lowercase()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let mut words = Words::default();
        words.split(text);
        let listed: Vec<String> = words
            .iter()
            .map(|(word, position)| format!("{word}@{position}"))
            .collect();
        listed.join(" ")
    }

    #[test]
    fn texts_fall_into_folded_words() {
        for (text, expected) in [
            ("", ""),
            ("-- !", ""),
            ("Pushed 2 Commits", "pushed@0 2@1 commits@2"),
            ("org/Repo_x v1.22", "org@0 repo@1 x@2 v1@3 22@4"),
            ("Café STRASSE Straße", "cafe@0 strasse@1 strasse@2"),
            ("Cafe\u{301} ŁÓDŹ øre", "cafe@0 lodz@1 ore@2"),
            ("ЁЛКА й", "елка@0 и@1"),
            ("ΟΔΟΣ οδός", "οδοσ@0 οδοσ@1"),
            ("ｆｕｌｌ ﬁne", "full@0 fine@1"),
            ("हिन्दी", "हिन्दी@0"),
            ("東京都", "東京@0 京都@1 都@2"),
            ("水", "水@0"),
            ("v2東京 x", "v2@0 東京@1 京@2 x@3"),
            ("สวัสดี", "สว@0 วั@1 ัส@2 สด@3 ดี@4 ี@5"),
            ("one\u{1f}two", "one@0 two@2"),
            ("İstanbul", "istanbul@0"),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_word_is_known_by_its_beginning() {
        let long = "é".repeat(1_000);
        let mut words = Words::default();
        words.split(&long);
        let span = &words.spans()[0];
        assert_eq!(words.folded(span).len(), WORD_BYTES_MAX);
        assert_eq!((span.from, span.to), (0, 2_000));
        assert!(folded_value(&long).len() <= VALUE_BYTES_MAX + 8);
    }
}
