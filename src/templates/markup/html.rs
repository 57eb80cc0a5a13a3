//! HTML for a mail's body: a fragment of paragraphs, lists, quotes and preformatted text.

use super::{Block, Markup, Span};

/// An HTML fragment with no attribute but `href`.
pub fn html(markup: &Markup) -> String {
    let mut html = String::new();
    write_blocks(&mut html, &markup.blocks);
    html
}

fn write_blocks(html: &mut String, blocks: &[Block]) {
    for block in blocks {
        match block {
            Block::Paragraph(spans) => {
                html.push_str("<p>");
                write_spans(html, spans);
                html.push_str("</p>\n");
            }
            Block::List { start, items } => {
                match start {
                    Some(first) => html.push_str(&format!("<ol start=\"{first}\">\n")),
                    None => html.push_str("<ul>\n"),
                }
                for item in items {
                    html.push_str("<li>");
                    match item.as_slice() {
                        [Block::Paragraph(spans)] => write_spans(html, spans),
                        _ => write_blocks(html, item),
                    }
                    html.push_str("</li>\n");
                }
                html.push_str(if start.is_some() {
                    "</ol>\n"
                } else {
                    "</ul>\n"
                });
            }
            Block::Quote(inner) => {
                html.push_str("<blockquote>\n");
                write_blocks(html, inner);
                html.push_str("</blockquote>\n");
            }
            Block::Code { text, .. } => {
                html.push_str("<pre>");
                push_escaped(html, text);
                html.push_str("</pre>\n");
            }
        }
    }
}

fn write_spans(html: &mut String, spans: &[Span]) {
    for span in spans {
        match span {
            Span::Text(text) => push_escaped(html, text),
            Span::Break => html.push_str("<br>\n"),
            Span::Bold(inner) => wrapped(html, "b", inner),
            Span::Italic(inner) => wrapped(html, "i", inner),
            Span::Code(text) => {
                html.push_str("<code>");
                push_escaped(html, text);
                html.push_str("</code>");
            }
            Span::Link { url, spans } => {
                html.push_str("<a href=\"");
                push_escaped(html, url);
                html.push_str("\">");
                write_spans(html, spans);
                html.push_str("</a>");
            }
        }
    }
}

fn wrapped(html: &mut String, tag: &str, spans: &[Span]) {
    html.push_str(&format!("<{tag}>"));
    write_spans(html, spans);
    html.push_str(&format!("</{tag}>"));
}

fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}
