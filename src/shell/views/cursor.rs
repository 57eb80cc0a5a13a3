//! Where a page of a list goes on: opaque to the one who asks.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::event::DeliveryKey;

/// Longest cursor that is read, in bytes.
const CURSOR_BYTES_MAX: usize = 128;

/// What came last on the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Go on before this position or id.
    Before(u64),
    /// Go on after this position.
    After(u64),
    /// Go on before this delivery of this notice.
    Delivery { notice: u64, key: DeliveryKey },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list; take it from `next` of the page before")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Cursor::Before(position) => format!("b.{position}"),
            Cursor::After(position) => format!("a.{position}"),
            Cursor::Delivery { notice, key } => {
                format!("d.{notice}.{}.{}", key.position, key.ordinal)
            }
        };
        f.write_str(&opaque(&text))
    }
}

/// A text as a cursor shows it.
pub fn opaque(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The text of a cursor; nothing where it is none, or too long to be one of ours.
pub fn opened(cursor: &str) -> Option<String> {
    if cursor.len() > CURSOR_BYTES_MAX {
        return None;
    }
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let text = opened(text).ok_or(NotACursor)?;
        let mut parts = text.split('.');
        let kind = parts.next();
        let numbers: Result<Vec<u64>, _> = parts.map(str::parse).collect();
        let numbers = numbers.map_err(|_| NotACursor)?;
        match (kind, numbers.as_slice()) {
            (Some("b"), [position]) => Ok(Cursor::Before(*position)),
            (Some("a"), [position]) => Ok(Cursor::After(*position)),
            (Some("d"), [notice, position, ordinal]) => Ok(Cursor::Delivery {
                notice: *notice,
                key: DeliveryKey {
                    position: *position,
                    ordinal: u16::try_from(*ordinal).map_err(|_| NotACursor)?,
                },
            }),
            _ => Err(NotACursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_is_one() {
        let key = DeliveryKey {
            position: 9,
            ordinal: 3,
        };
        for cursor in [
            Cursor::Before(u64::MAX),
            Cursor::After(0),
            Cursor::Delivery { notice: 7, key },
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "b.1", "Yg", "Yi4xLjI", "ZC4xLjIuOTk5OTk5", "é"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}
