//! The language of queries.
//!
//! Words stand beside each other and are all wanted; `OR` between them wants either; `-` or `NOT` before
//! one excludes it; `"…"` is a phrase; `back*` a beginning; `( )` group. `field:value` asks a field,
//! `field:one,other` for one of several, and `since:7d`, `until:2026-01-31` for a time.

use std::iter::Peekable;
use std::str::CharIndices;

use jiff::Timestamp;
use jiff::civil::Date;

use super::document::{Sort, UNROUTED};
use super::query::{
    Field, MOMENT_FIELDS, Phrase, QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_PARTS_MAX, QueryError,
    Reading, Tree, Value,
};
use super::words::folded_value;
use crate::config::quantity::duration_ms;
use crate::domain::notice::Severity;
use crate::projections::outbox::Status;

/// How different a field's name may be from the one that is suggested.
const NEAR_MAX: usize = 3;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Not,
    Or,
    And,
    /// A leaf of the tree; `None`: it says nothing, as `-` alone or `""`.
    Leaf(Option<Tree>),
}

struct Lexer<'a> {
    text: &'a str,
    signs: Peekable<CharIndices<'a>>,
    reading: &'a Reading,
}

pub fn parse(text: &str, reading: &Reading) -> Result<Tree, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::TooLong);
    }
    let mut lexer = Lexer {
        text,
        signs: text.char_indices().peekable(),
        reading,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
        if tokens.len() > QUERY_PARTS_MAX {
            return Err(QueryError::TooManyParts);
        }
    }
    let mut parser = Parser {
        text,
        tokens: &tokens,
        at: 0,
    };
    let tree = parser.either(0)?;
    match parser.tokens.get(parser.at) {
        Some((at, _)) => Err(QueryError::StrayClose {
            at: place(text, *at),
        }),
        None => Ok(tree.unwrap_or(Tree::All)),
    }
}

/// The place of a byte as a person counts.
fn place(text: &str, at: usize) -> usize {
    text[..at].chars().count() + 1
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Option<(usize, Token)>, QueryError> {
        while self
            .signs
            .next_if(|(_, sign)| sign.is_whitespace())
            .is_some()
        {}
        let Some(&(at, sign)) = self.signs.peek() else {
            return Ok(None);
        };
        let token = match sign {
            '(' => {
                self.signs.next();
                Token::Open
            }
            ')' => {
                self.signs.next();
                Token::Close
            }
            '-' => {
                self.signs.next();
                let is_before_something = self
                    .signs
                    .peek()
                    .is_some_and(|(_, next)| !next.is_whitespace() && *next != ')');
                if is_before_something {
                    Token::Not
                } else {
                    Token::Leaf(None)
                }
            }
            '"' => {
                let (inside, to) = self.quoted(at)?;
                Token::Leaf(Phrase::of(inside, self.star(), at..to).map(Tree::Phrase))
            }
            _ => self.word(at)?,
        };
        Ok(Some((at, token)))
    }

    /// What stands between quotes, the first of which is next, and where it ends.
    fn quoted(&mut self, at: usize) -> Result<(&'a str, usize), QueryError> {
        self.signs.next();
        for (end, sign) in self.signs.by_ref() {
            if sign == '"' {
                return Ok((&self.text[at + 1..end], end + 1));
            }
        }
        Err(QueryError::OpenQuote {
            at: place(self.text, at),
        })
    }

    fn star(&mut self) -> bool {
        self.signs.next_if(|(_, sign)| *sign == '*').is_some()
    }

    fn here(&mut self) -> usize {
        self.signs.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn word(&mut self, at: usize) -> Result<Token, QueryError> {
        let ends = |sign: char| sign.is_whitespace() || matches!(sign, '(' | ')' | '"');
        while let Some((colon, _)) = self.signs.next_if(|(_, sign)| !ends(*sign)) {
            if self.text.as_bytes()[colon] == b':'
                && let Some(token) = self.field(at, colon)?
            {
                return Ok(token);
            }
        }
        let to = self.here();
        let word = &self.text[at..to];
        Ok(match word {
            "OR" => Token::Or,
            "AND" => Token::And,
            "NOT" => Token::Not,
            word => {
                let prefix = self.reading.beginnings || word.ends_with('*');
                Token::Leaf(Phrase::of(word, prefix, at..to).map(Tree::Phrase))
            }
        })
    }

    /// A field, when what stands before the colon looks like the name of one.
    fn field(&mut self, at: usize, colon: usize) -> Result<Option<Token>, QueryError> {
        let name = &self.text[at..colon];
        let looks_like_one =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        // An address is words.
        if !looks_like_one || self.text[colon..].starts_with("://") {
            return Ok(None);
        }
        let lower = name.to_ascii_lowercase();
        if let Some(which) = MOMENT_FIELDS.iter().find(|field| **field == lower) {
            return self.moment(at, which).map(Some);
        }
        let Some(field) = Field::parse(&lower) else {
            return Err(QueryError::UnknownField {
                at: place(self.text, at),
                name: name.to_owned(),
                help: nearest(&lower),
            });
        };
        let mut values = Vec::new();
        loop {
            let (raw, prefix) = self.value()?;
            let text = folded_value(&raw);
            if text.is_empty() && !prefix {
                return Err(QueryError::NoValue {
                    at: place(self.text, at),
                    field: field.as_str(),
                });
            }
            self.check(at, field, &text, prefix)?;
            values.push(Value { text, prefix });
            if values.len() > QUERY_PARTS_MAX {
                return Err(QueryError::TooManyParts);
            }
            if self.signs.next_if(|(_, sign)| *sign == ',').is_none() {
                return Ok(Some(Token::Leaf(Some(Tree::Field(field, values)))));
            }
        }
    }

    /// One value: to a comma, space or parenthesis, or in quotes.
    fn value(&mut self) -> Result<(String, bool), QueryError> {
        if let Some(&(at, '"')) = self.signs.peek() {
            let inside = self.quoted(at)?.0.to_owned();
            return Ok((inside, self.star()));
        }
        let from = self.here();
        let ends = |sign: char| sign.is_whitespace() || matches!(sign, '(' | ')' | '"' | ',');
        while self.signs.next_if(|(_, sign)| !ends(*sign)).is_some() {}
        let to = self.here();
        let raw = &self.text[from..to];
        Ok(match raw.strip_suffix('*') {
            Some(beginning) => (beginning.to_owned(), true),
            None => (raw.to_owned(), false),
        })
    }

    fn check(&self, at: usize, field: Field, text: &str, prefix: bool) -> Result<(), QueryError> {
        let known: Vec<&str> = match field {
            Field::Is => Sort::ALL.map(Sort::as_str).to_vec(),
            Field::Severity => Severity::ALL.map(Severity::as_str).to_vec(),
            Field::Status => Status::ALL
                .map(Status::as_str)
                .into_iter()
                .chain([UNROUTED])
                .collect(),
            Field::Provider
            | Field::Kind
            | Field::Collection
            | Field::Tracker
            | Field::Target
            | Field::Actor => return Ok(()),
        };
        let fits = |word: &&str| *word == text || prefix && word.starts_with(text);
        if known.iter().any(fits) {
            return Ok(());
        }
        Err(QueryError::BadValue {
            at: place(self.text, at),
            field: field.as_str(),
            value: text.to_owned(),
            help: format!("it is one of {}", known.join(", ")),
        })
    }

    fn moment(&mut self, at: usize, field: &'static str) -> Result<Token, QueryError> {
        let (raw, _) = self.value()?;
        if raw.is_empty() {
            return Err(QueryError::NoValue {
                at: place(self.text, at),
                field,
            });
        }
        let is_end = field == "until";
        let micros = moment(&raw, self.reading, is_end).ok_or_else(|| QueryError::BadValue {
            at: place(self.text, at),
            field,
            value: raw.clone(),
            help: "it is a day as 2026-01-31, a time as 2026-01-31T12:00:00Z, or a span back from now as 7d"
                .into(),
        })?;
        Ok(Token::Leaf(Some(if is_end {
            Tree::Until(micros)
        } else {
            Tree::Since(micros)
        })))
    }
}

/// A time, the first or the last moment of a day, or a span back from now.
fn moment(text: &str, reading: &Reading, is_end: bool) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_microsecond());
    }
    if let Ok(day) = text.parse::<Date>() {
        let day = if is_end { day.tomorrow().ok()? } else { day };
        let start = reading
            .zone
            .to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
        let start = start.ok()?;
        return Some(start.as_microsecond() - i64::from(is_end));
    }
    let micros = i64::try_from(duration_ms(text).ok()?)
        .ok()?
        .checked_mul(1_000)?;
    Some(reading.now.saturating_sub(micros))
}

/// What to do about a name that is no field's.
fn nearest(name: &str) -> String {
    let known = || {
        Field::ALL
            .map(Field::as_str)
            .into_iter()
            .chain(MOMENT_FIELDS)
    };
    let near = known()
        .map(|field| (strsim::damerau_levenshtein(name, field), field))
        .filter(|(distance, field)| *distance <= NEAR_MAX && *distance < field.len())
        .min();
    match near {
        Some((_, field)) => format!("did you mean {field}? In quotes it is searched for as words"),
        None => format!(
            "known are {}; in quotes it is searched for as words",
            known().collect::<Vec<_>>().join(", ")
        ),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [(usize, Token)],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn dangling(&self, at: usize, word: &'static str) -> QueryError {
        QueryError::Dangling {
            at: place(self.text, at),
            word,
        }
    }

    fn either(&mut self, depth: usize) -> Result<Option<Tree>, QueryError> {
        if depth > QUERY_DEPTH_MAX {
            return Err(QueryError::TooDeep);
        }
        let mut all = Vec::new();
        loop {
            let begun = self.at;
            // What says nothing, as punctuation does, is left out rather than wanting everything.
            all.extend(self.both(depth)?);
            let is_empty = self.at == begun;
            let is_or = matches!(self.peek(), Some(Token::Or));
            if is_empty
                && (is_or || matches!(self.tokens.get(begun.wrapping_sub(1)), Some((_, Token::Or))))
            {
                let at = if is_or { begun } else { begun - 1 };
                return Err(self.dangling(self.tokens[at].0, "OR"));
            }
            if !is_or {
                break;
            }
            self.at += 1;
        }
        Ok(match all.len() {
            0 => None,
            1 => all.pop(),
            _ => Some(Tree::Or(all)),
        })
    }

    fn both(&mut self, depth: usize) -> Result<Option<Tree>, QueryError> {
        let mut all = Vec::new();
        loop {
            match self.peek() {
                None | Some(Token::Close | Token::Or) => break,
                Some(Token::And) => {
                    let at = self.at;
                    self.at += 1;
                    let is_between = at > 0
                        && !matches!(
                            self.tokens[at - 1].1,
                            Token::Open | Token::And | Token::Or | Token::Not
                        )
                        && !matches!(
                            self.peek(),
                            None | Some(Token::Close | Token::And | Token::Or)
                        );
                    if !is_between {
                        return Err(self.dangling(self.tokens[at].0, "AND"));
                    }
                }
                Some(Token::Open | Token::Not | Token::Leaf(_)) => {
                    all.extend(self.one(depth)?);
                }
            }
        }
        Ok(match all.len() {
            0 => None,
            1 => all.pop(),
            _ => Some(Tree::And(all)),
        })
    }

    fn one(&mut self, depth: usize) -> Result<Option<Tree>, QueryError> {
        let mut is_negative = false;
        let mut began = None;
        loop {
            let Some((at, token)) = self.tokens.get(self.at) else {
                return Err(self.dangling(began.unwrap_or(0), "NOT"));
            };
            self.at += 1;
            let tree = match token {
                Token::Not => {
                    is_negative = !is_negative;
                    began = Some(*at);
                    continue;
                }
                Token::Leaf(leaf) => leaf.clone(),
                Token::Open => {
                    let tree = self.either(depth + 1)?;
                    if !matches!(self.peek(), Some(Token::Close)) {
                        return Err(QueryError::OpenGroup {
                            at: place(self.text, *at),
                        });
                    }
                    self.at += 1;
                    tree
                }
                Token::Close | Token::Or | Token::And => {
                    return Err(self.dangling(began.unwrap_or(*at), "NOT"));
                }
            };
            return Ok(tree.map(|tree| {
                if is_negative {
                    Tree::Not(Box::new(tree))
                } else {
                    tree
                }
            }));
        }
    }
}
