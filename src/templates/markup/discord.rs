//! Discord's Markdown.
//!
//! Text is escaped so that none of it is markup, a mention, an emoji by name or a masked link. An
//! address in text is put in angle brackets, the one place where Discord reads it as it stands:
//! backslashes would become part of it.

use super::{Block, Markup, Span, bullet, words};
use crate::domain::notice::is_http_url;
use crate::templates::markup::plain::prefixed;

/// Keeps a mention from being one without changing what is seen.
const APART: char = '\u{200B}';
/// Longest emoji name looked for; Discord allows 32.
const EMOJI_NAME_BYTES_MAX: usize = 64;

/// Markdown as Discord reads it. Paragraphs are a blank line apart.
pub fn discord(markup: &Markup) -> String {
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
            let mut writer = Writer::default();
            writer.spans(spans);
            writer.out
        }
        Block::List { start, items } => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let bullet = match start {
                    Some(_) => bullet(*start, index),
                    None => "- ".to_owned(),
                };
                prefixed(&blocks(item, "\n", quoted), &bullet, "  ")
            })
            .collect::<Vec<_>>()
            .join("\n"),
        // Quotes do not nest.
        Block::Quote(inner) if quoted => blocks(inner, "\n\n", true),
        Block::Quote(inner) => prefixed(&blocks(inner, "\n\n", true), "> ", "> "),
        Block::Code { language, text } => {
            let language = if language.chars().all(|c| c.is_ascii_alphanumeric()) {
                language.as_str()
            } else {
                ""
            };
            let text = mentions_apart(text).replace("``", &format!("`{APART}`"));
            // A fence right after a back-tick would be longer than three.
            let gap = if text.ends_with('`') { "\n" } else { "" };
            format!("```{language}\n{text}{gap}\n```")
        }
    }
}

struct Writer {
    out: String,
    bold: bool,
    italic: bool,
    /// Nothing but spaces and marks since the line began.
    starts_line: bool,
    /// Nothing but digits since the line began.
    numbers_line: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Writer {
            out: String::new(),
            bold: false,
            italic: false,
            starts_line: true,
            numbers_line: true,
        }
    }
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.starts_line = false;
        self.numbers_line = false;
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.starts_line = true;
        self.numbers_line = true;
    }

    fn spans(&mut self, spans: &[Span]) {
        for span in spans {
            match span {
                Span::Text(text) => self.text(text),
                Span::Break => self.new_line(),
                Span::Bold(inner) if !self.bold => {
                    self.bold = true;
                    self.marked("**", inner);
                    self.bold = false;
                }
                Span::Italic(inner) if !self.italic => {
                    self.italic = true;
                    self.marked("*", inner);
                    self.italic = false;
                }
                Span::Bold(inner) | Span::Italic(inner) => self.spans(inner),
                Span::Code(text) => {
                    // Within code nothing escapes a back-tick, so one that looks like it stands in.
                    let text = mentions_apart(&text.replace('`', "ˋ"));
                    self.push(&format!("`{text}`"));
                }
                Span::Link { url, spans } => {
                    let url = bare_url(url);
                    let shown = words(spans).replace('\n', " ");
                    if shown.trim().is_empty() {
                        self.push(&format!("<{url}>"));
                    } else {
                        self.push("[");
                        // An address as link text would make Discord show the whole as text.
                        self.plain_text(&shown.replace("://", &format!(":/{APART}/")));
                        self.push(&format!("](<{url}>)"));
                    }
                }
            }
        }
    }

    fn marked(&mut self, mark: &str, spans: &[Span]) {
        if words(spans).trim().is_empty() {
            self.spans(spans);
            return;
        }
        self.out.push_str(mark);
        self.spans(spans);
        self.out.push_str(mark);
    }

    /// Text in which addresses are kept whole.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some((start, end)) = address(rest) {
            self.plain_text(&rest[..start]);
            self.push(&format!("<{}>", bare_url(&rest[start..end])));
            rest = &rest[end..];
        }
        self.plain_text(rest);
    }

    fn plain_text(&mut self, text: &str) {
        let mut before = None;
        for (index, c) in text.char_indices() {
            let after = &text[index + c.len_utf8()..];
            let (starts_line, numbers_line) = (self.starts_line, self.numbers_line);
            self.starts_line = starts_line && c.is_whitespace();
            self.numbers_line = numbers_line && (c.is_ascii_digit() || c.is_whitespace());
            match c {
                '\n' => self.new_line(),
                '\\' | '*' | '_' | '~' | '`' | '|' | '[' | ']' | '(' | ')' | '>' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '<' => {
                    self.out.push_str("\\<");
                    if after.starts_with(['@', '#', '/', ':', 'a', 't', 'i']) {
                        self.out.push(APART);
                    }
                }
                '@' if names_everyone(after) => {
                    self.out.push(c);
                    self.out.push(APART);
                }
                ':' if is_emoji_name(after) => self.out.push_str("\\:"),
                '#' | '-' | '+' if starts_line => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '.' if numbers_line
                    && (before.is_none() || before.is_some_and(|c: char| c.is_ascii_digit())) =>
                {
                    self.out.push_str("\\.");
                }
                _ => self.out.push(c),
            }
            before = Some(c);
        }
    }
}

fn names_everyone(after: &str) -> bool {
    ["everyone", "here"].iter().any(|name| {
        after
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    })
}

/// Whether what follows a colon makes it `:name:`.
fn is_emoji_name(after: &str) -> bool {
    let name = after
        .bytes()
        .take(EMOJI_NAME_BYTES_MAX)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-' | b'~'))
        .count();
    name > 0 && after.as_bytes().get(name) == Some(&b':')
}

/// Where the first address in a text is.
fn address(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let colon = from + found;
        from = colon + 3;
        let scheme = ["https", "http"].iter().find_map(|scheme| {
            let start = colon.checked_sub(scheme.len())?;
            text.get(start..colon)?
                .eq_ignore_ascii_case(scheme)
                .then_some(start)
        });
        let Some(start) = scheme else { continue };
        let end = text[start..]
            .find(|c: char| {
                c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '\\')
            })
            .map_or(text.len(), |length| start + length);
        let end = start
            + text[start..end]
                .trim_end_matches([
                    '.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '*', '_', '~', '|',
                ])
                .len();
        if is_http_url(&text[start..end]) {
            return Some((start, end));
        }
    }
    None
}

/// An address in which nothing ends the angle brackets, a mark or code, or is a mention.
fn bare_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    // Discord knows the scheme in small letters.
    let mut bare = format!("{}://", scheme.to_ascii_lowercase());
    for c in rest.chars() {
        match c {
            '*' | '`' | '|' | '~' | '@' | '<' | '>' | '\\' | '"' => {
                bare.push_str(&format!("%{:02X}", u32::from(c)));
            }
            _ => bare.push(c),
        }
    }
    bare
}

/// Mentions are read even within code.
fn mentions_apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        apart.push(c);
        let after = &text[index + c.len_utf8()..];
        if (c == '@' && names_everyone(after)) || (c == '<' && after.starts_with('@')) {
            apart.push(APART);
        }
    }
    apart
}
