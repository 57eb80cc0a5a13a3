//! What a query means: a tree over words and fields, and why a text is none.

use std::ops::Range;

use jiff::tz::TimeZone;

use super::parse;
use super::words::{Words, is_lone_sign};

/// Longest query, in bytes.
pub const QUERY_BYTES_MAX: usize = 500;
/// Most words, fields and groups of one query.
pub const QUERY_PARTS_MAX: usize = 64;
/// Most groups within each other.
pub const QUERY_DEPTH_MAX: usize = 8;

/// Fields that a document can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// What it is: a notice, a delivery, a change, a failure.
    Is,
    Provider,
    Kind,
    Collection,
    Tracker,
    Target,
    Status,
    Severity,
    Actor,
}

impl Field {
    pub const ALL: [Field; 9] = [
        Field::Is,
        Field::Provider,
        Field::Kind,
        Field::Collection,
        Field::Tracker,
        Field::Target,
        Field::Status,
        Field::Severity,
        Field::Actor,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Field::Is => "is",
            Field::Provider => "provider",
            Field::Kind => "kind",
            Field::Collection => "collection",
            Field::Tracker => "tracker",
            Field::Target => "target",
            Field::Status => "status",
            Field::Severity => "severity",
            Field::Actor => "actor",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Field::ALL.into_iter().find(|field| field.as_str() == text)
    }
}

/// The two fields that are no values but moments.
pub const MOMENT_FIELDS: [&str; 2] = ["since", "until"];

/// Words that stand side by side; most often one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// Folded words, each with its number counted from the first.
    pub words: Vec<(usize, String)>,
    /// Whether the last one is a beginning.
    pub prefix: bool,
    /// Where they stand in the query, in bytes, quotes included.
    pub span: Range<usize>,
}

/// A value of a field, folded as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    /// Whether it is the beginning of one.
    pub prefix: bool,
}

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Everything.
    All,
    Phrase(Phrase),
    /// One of the values.
    Field(Field, Vec<Value>),
    /// Microseconds since 1970, included.
    Since(i64),
    /// Microseconds since 1970, included.
    Until(i64),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

/// What a query's words about time and beginnings are read by.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Microseconds since 1970.
    pub now: i64,
    pub zone: TimeZone,
    /// Whether every word outside quotes is a beginning, as in a field that filters while one types.
    pub beginnings: bool,
}

/// Why a text is no query. Places are counted in characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("has more than {QUERY_BYTES_MAX} bytes; search for fewer words")]
    TooLong,
    #[error("has more than {QUERY_PARTS_MAX} words and fields; search for fewer")]
    TooManyParts,
    #[error("has groups more than {QUERY_DEPTH_MAX} deep; write it with fewer parentheses")]
    TooDeep,
    #[error("the quote at character {at} is not closed; add a \" at the end of the phrase")]
    OpenQuote { at: usize },
    #[error("the parenthesis at character {at} is not closed; add a )")]
    OpenGroup { at: usize },
    #[error("the ) at character {at} closes nothing; take it away or put it in quotes")]
    StrayClose { at: usize },
    #[error(
        "nothing stands beside {word} at character {at}; add what it joins, or put it in quotes"
    )]
    Dangling { at: usize, word: &'static str },
    #[error("there is no field {name} (character {at}); {help}")]
    UnknownField {
        at: usize,
        name: String,
        help: String,
    },
    #[error("{field}: at character {at} has no value; write what it should be after the colon")]
    NoValue { at: usize, field: &'static str },
    #[error("{field}: {value} at character {at} is nothing it can be; {help}")]
    BadValue {
        at: usize,
        field: &'static str,
        value: String,
        help: String,
    },
}

impl Tree {
    /// Reads a query.
    pub fn parse(text: &str, reading: &Reading) -> Result<Tree, QueryError> {
        parse::parse(text, reading)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Tree) -> Tree {
        match (self, other) {
            (Tree::All, tree) | (tree, Tree::All) => tree,
            (Tree::And(mut all), tree) => {
                all.push(tree);
                Tree::And(all)
            }
            (tree, other) => Tree::And(vec![tree, other]),
        }
    }

    /// Phrases that are wanted, not those that are excluded.
    pub fn phrases(&self) -> Vec<&Phrase> {
        let mut phrases = Vec::new();
        self.gather(&mut phrases);
        phrases
    }

    fn gather<'a>(&'a self, phrases: &mut Vec<&'a Phrase>) {
        match self {
            Tree::Phrase(phrase) => phrases.push(phrase),
            Tree::And(all) | Tree::Or(all) => all.iter().for_each(|tree| tree.gather(phrases)),
            Tree::All | Tree::Field(..) | Tree::Since(_) | Tree::Until(_) | Tree::Not(_) => {}
        }
    }

    /// Whether the tree names the field anywhere.
    pub fn names(&self, wanted: Field) -> bool {
        match self {
            Tree::Field(field, _) => *field == wanted,
            Tree::Not(tree) => tree.names(wanted),
            Tree::And(all) | Tree::Or(all) => all.iter().any(|tree| tree.names(wanted)),
            Tree::All | Tree::Phrase(_) | Tree::Since(_) | Tree::Until(_) => false,
        }
    }
}

impl Phrase {
    /// The phrase of a text; `None` when there is no word in it.
    pub fn of(text: &str, prefix: bool, span: Range<usize>) -> Option<Phrase> {
        let mut split = Words::default();
        split.split(text);
        let first = split.spans().first()?.position;
        let mut words: Vec<(usize, String)> = split
            .iter()
            .map(|(word, position)| (position - first, word.to_owned()))
            .collect();
        let mut prefix = prefix;
        let spans = split.spans();
        if let Some(last) = spans.last()
            && is_lone_sign(&text[last.from..last.to])
        {
            let in_a_pair = spans.len() > 1 && spans[spans.len() - 2].to == last.to;
            if in_a_pair {
                // The pair before it says all that the sign alone would.
                words.pop();
            }
            prefix = !in_a_pair;
        }
        Some(Phrase {
            words,
            prefix,
            span,
        })
    }
}
