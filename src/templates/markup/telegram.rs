//! Telegram's HTML: `b`, `i`, `code`, `pre`, `a` and `blockquote`, nothing else.
//!
//! Telegram has no lists and does not nest quotes; code stands in no other mark, so marks around it
//! are closed and opened again.

use super::{Block, Markup, Span, bullet, words};
use crate::templates::markup::plain::prefixed;

/// HTML for `parse_mode=HTML`. Paragraphs are a blank line apart.
pub fn telegram_html(markup: &Markup) -> String {
    blocks(&markup.blocks, "\n\n", false)
}

fn blocks(blocks: &[Block], between: &str, quoted: bool) -> String {
    blocks
        .iter()
        .map(|inner| block(inner, quoted))
        .collect::<Vec<_>>()
        .join(between)
}

fn block(block: &Block, quoted: bool) -> String {
    match block {
        Block::Paragraph(spans) => {
            let mut html = String::new();
            write_spans(&mut html, spans, &mut Vec::new());
            html
        }
        Block::List { start, items } => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let inner = blocks(item, "\n", quoted);
                // Lines of preformatted text cannot be indented without changing it.
                let indent = if inner.contains("<pre>") { "" } else { "  " };
                prefixed(&inner, &bullet(*start, index), indent)
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Block::Quote(inner) if quoted => blocks(inner, "\n\n", true),
        Block::Quote(inner) => format!("<blockquote>{}</blockquote>", blocks(inner, "\n\n", true)),
        Block::Code { language, text } => {
            let mut html = String::from("<pre>");
            let known = !language.is_empty()
                && language
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '#'));
            if known {
                html.push_str("<code class=\"language-");
                html.push_str(language);
                html.push_str("\">");
            }
            push_escaped(&mut html, text);
            html.push_str(if known { "</code></pre>" } else { "</pre>" });
            html
        }
    }
}

#[derive(Clone, PartialEq)]
enum Mark<'a> {
    Bold,
    Italic,
    Link(&'a str),
}

impl Mark<'_> {
    fn open(&self, html: &mut String) {
        match self {
            Mark::Bold => html.push_str("<b>"),
            Mark::Italic => html.push_str("<i>"),
            Mark::Link(url) => {
                html.push_str("<a href=\"");
                push_escaped(html, url);
                html.push_str("\">");
            }
        }
    }

    fn close(&self, html: &mut String) {
        html.push_str(match self {
            Mark::Bold => "</b>",
            Mark::Italic => "</i>",
            Mark::Link(_) => "</a>",
        });
    }
}

fn write_spans<'a>(html: &mut String, spans: &'a [Span], marks: &mut Vec<Mark<'a>>) {
    for span in spans {
        match span {
            Span::Text(text) => push_escaped(html, text),
            Span::Break => html.push('\n'),
            Span::Bold(inner) => write_marked(html, inner, marks, Mark::Bold),
            Span::Italic(inner) => write_marked(html, inner, marks, Mark::Italic),
            Span::Link { url, spans } if words(spans).trim().is_empty() => push_escaped(html, url),
            Span::Link { url, spans } => write_marked(html, spans, marks, Mark::Link(url)),
            // Within a link the link matters more.
            Span::Code(text) if marks.iter().any(|mark| matches!(mark, Mark::Link(_))) => {
                push_escaped(html, text);
            }
            Span::Code(text) => {
                marks.iter().rev().for_each(|mark| mark.close(html));
                html.push_str("<code>");
                push_escaped(html, text);
                html.push_str("</code>");
                marks.iter().for_each(|mark| mark.open(html));
            }
        }
    }
}

fn write_marked<'a>(
    html: &mut String,
    spans: &'a [Span],
    marks: &mut Vec<Mark<'a>>,
    mark: Mark<'a>,
) {
    let is_link = matches!(mark, Mark::Link(_));
    if marks.contains(&mark) || (is_link && marks.iter().any(|m| matches!(m, Mark::Link(_)))) {
        write_spans(html, spans, marks);
        return;
    }
    mark.open(html);
    marks.push(mark);
    write_spans(html, spans, marks);
    if let Some(mark) = marks.pop() {
        mark.close(html);
    }
}

/// Escapes what HTML could read; also for attributes in double quotes.
pub(super) fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(c),
        }
    }
}
