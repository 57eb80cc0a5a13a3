//! What goes to stdout: text for people, or one JSON object a line.
//!
//! **Invariant:** nothing a sender wrote can move the cursor, colour the terminal or reorder what is
//! read: control characters and direction marks are shown as escapes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::failure::Failure;
use crate::config::Outside as _;
use crate::domain::notice::is_bidi_control;
use crate::shell::configure::OwnSurroundings;

/// A look on the terminal. State is always said in words too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plain,
    Strong,
    Faint,
    Good,
    Waiting,
    Bad,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Strong => "1",
            Look::Faint => "2",
            Look::Good => "32",
            Look::Waiting => "33",
            Look::Bad => "31",
        }
    }
}

/// Writes to stdout.
pub struct Printer {
    pub json: bool,
    colour: bool,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        Printer {
            json,
            colour: !json && is_colourful(&io::stdout()),
        }
    }

    /// A line as it is. What came from outside in it has to be [`escaped`].
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            Err(error) => Err(Failure::caused("stdout cannot be written", error)),
        }
    }

    /// One object on a line of its own.
    pub fn object(&self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// The object for programs, the text for people.
    pub fn either(&self, value: &Value, text: &str) -> Result<(), Failure> {
        if self.json {
            self.object(value)
        } else {
            self.line(text)
        }
    }

    /// A text in a look, where the terminal has looks.
    pub fn dressed(&self, look: Look, text: &str) -> String {
        if self.colour && look != Look::Plain {
            format!("\u{1b}[{}m{text}\u{1b}[0m", look.code())
        } else {
            text.to_owned()
        }
    }

    /// Rows with their columns aligned; the last one is not padded. Cells are escaped here.
    pub fn table(&self, rows: &[Vec<String>]) -> Result<(), Failure> {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| escaped(cell)).collect())
            .collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if column + 1 < row.len() {
                    let pad = widths[column] - cell.chars().count() + 2;
                    line.extend(std::iter::repeat_n(' ', pad));
                }
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// Whether a stream shows colours and the person wants them.
pub fn is_colourful(stream: &impl IsTerminal) -> bool {
    let unwanted = OwnSurroundings
        .env("NO_COLOR")
        .is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !unwanted
}

/// A diagnostic on stderr. When even that is closed there is nobody left to tell.
pub fn complain(text: &str) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// One line: control characters, line breaks and direction marks as escapes.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            c if c.is_control() || is_bidi_control(c) || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a string cannot fail.
                let _infallible = write!(line, "\\u{{{:x}}}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line
}

/// Several lines, each escaped and with `indent` before it.
pub fn block(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| format!("{indent}{}", escaped(line)).trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{block, escaped};

    #[test]
    fn what_moves_the_cursor_or_the_reading_direction_is_shown() {
        let cases = [
            ("plain text, ümlaut, 雪", "plain text, ümlaut, 雪"),
            ("red \u{1b}[31m text", "red \\u{1b}[31m text"),
            ("two\nlines\r\tend", "two\\nlines\\r\\tend"),
            ("abc\u{202e}cba\u{2066}", "abc\\u{202e}cba\\u{2066}"),
            ("nul \0 and \u{9b}", "nul \\u{0} and \\u{9b}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(block("one\n\ntwo\u{7}", "  "), "  one\n\n  two\\u{7}");
    }
}
