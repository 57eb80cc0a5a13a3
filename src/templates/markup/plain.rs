//! Plain text: for targets without markup, the inbox and the terminal.

use std::fmt::Write as _;

use super::{Block, Markup, Span, bullet, words};
use crate::domain::notice::is_bidi_control;

/// Text without markup. Control characters other than newline and tab, and direction marks, are
/// written out (`\x1b`), so that it can be shown on a terminal.
pub fn plain(markup: &Markup) -> String {
    escaped(&blocks(&markup.blocks, "\n\n"))
}

fn blocks(blocks: &[Block], between: &str) -> String {
    blocks.iter().map(block).collect::<Vec<_>>().join(between)
}

fn block(block: &Block) -> String {
    match block {
        Block::Paragraph(run) => spans(run),
        Block::List { start, items } => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let bullet = bullet(*start, index);
                let indent = " ".repeat(bullet.chars().count());
                prefixed(&blocks(item, "\n"), &bullet, &indent)
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Block::Quote(inner) => prefixed(&blocks(inner, "\n\n"), "> ", "> "),
        Block::Code { text, .. } => text.clone(),
    }
}

fn spans(run: &[Span]) -> String {
    let mut text = String::new();
    for span in run {
        match span {
            Span::Text(part) | Span::Code(part) => text.push_str(part),
            Span::Break => text.push('\n'),
            Span::Bold(run) | Span::Italic(run) => text.push_str(&spans(run)),
            Span::Link { url, spans } => {
                let shown = words(spans);
                if shown.trim() == url || shown.trim().is_empty() {
                    text.push_str(url);
                } else {
                    let _ = write!(text, "{shown} ({url})");
                }
            }
        }
    }
    text
}

/// `first` before the first line, `others` before the rest.
pub(super) fn prefixed(text: &str, first: &str, others: &str) -> String {
    let mut prefixed = String::with_capacity(text.len() + first.len());
    for (index, line) in text.split('\n').enumerate() {
        if index == 0 {
            prefixed.push_str(first);
        } else {
            prefixed.push('\n');
            prefixed.push_str(others);
        }
        prefixed.push_str(line);
    }
    prefixed
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => escaped.push(c),
            _ if c.is_control() => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
            _ if is_bidi_control(c) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            _ => escaped.push(c),
        }
    }
    escaped
}
