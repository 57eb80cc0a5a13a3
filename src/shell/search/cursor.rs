//! Where a page of what was found goes on: opaque to the one who asks.

use std::fmt;
use std::str::FromStr;

use crate::shell::views::cursor::{opaque, opened};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// By time: before this place, of what there was at the first page. What is said as a span back
    /// from now is read as it was then.
    Newest { before: u64, as_of: u64, now: i64 },
    /// By relevance: from this one on of what is held under the token.
    Held { token: u64, from: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of a search; take it from `next` of the page before")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Cursor::Newest { before, as_of, now } => format!("n.{before}.{as_of}.{now}"),
            Cursor::Held { token, from } => format!("h.{token}.{from}"),
        };
        f.write_str(&opaque(&text))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let text = opened(text).ok_or(NotACursor)?;
        fn number<T: FromStr>(text: &str) -> Result<T, NotACursor> {
            text.parse().map_err(|_| NotACursor)
        }
        match text.split('.').collect::<Vec<_>>().as_slice() {
            ["n", before, as_of, now] => Ok(Cursor::Newest {
                before: number(before)?,
                as_of: number(as_of)?,
                now: number(now)?,
            }),
            ["h", token, from] => Ok(Cursor::Held {
                token: number(token)?,
                from: number(from)?,
            }),
            _ => Err(NotACursor),
        }
    }
}
