//! Small Markdown as a tree. A target turns it into its own markup.
//!
//! **Invariant:** text in the tree is plain: whatever a payload contained is a [`Span::Text`], never
//! a node. A link's address is http(s), or it is not a link.

mod discord;
mod html;
mod parse;
mod plain;
mod telegram;

pub use discord::discord;
pub use html::html;
pub use parse::parse;
pub use plain::plain;
pub use telegram::telegram_html;

/// Deepest nesting of blocks and spans that is kept; what is deeper is read as its content.
pub const NESTING_MAX: usize = 8;
/// Most ASCII signs and line ends in a text that is read as Markdown, those of values aside; a text
/// with more is read as plain text. Keeps the tree of a text within a few megabytes.
pub const SIGNS_MAX: usize = 20_000;

/// Most line breaks within paragraphs of one text; further ones become spaces. No target shows more.
pub const LINES_MAX: usize = 4_000;

/// A sequence of blocks. Empty when there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Markup {
    pub blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Paragraph(Vec<Span>),
    /// Each item is a run of blocks; `start` is the first number of an ordered list.
    List {
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Quote(Vec<Block>),
    /// Fenced code; the language as written, possibly empty.
    Code {
        language: String,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Text(String),
    /// A line break within a paragraph.
    Break,
    Bold(Vec<Span>),
    Italic(Vec<Span>),
    Code(String),
    Link {
        url: String,
        spans: Vec<Span>,
    },
}

impl Markup {
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// One paragraph of plain text, where nothing is read as Markdown.
    pub fn text(text: &str) -> Self {
        let spans = parse::paragraph(text);
        Markup {
            blocks: if spans.is_empty() {
                Vec::new()
            } else {
                vec![Block::Paragraph(spans)]
            },
        }
    }
}

/// The plain words of spans, without any marks. Breaks are newlines.
fn words(spans: &[Span]) -> String {
    let mut text = String::new();
    for span in spans {
        match span {
            Span::Text(part) | Span::Code(part) => text.push_str(part),
            Span::Break => text.push('\n'),
            Span::Bold(spans) | Span::Italic(spans) | Span::Link { spans, .. } => {
                text.push_str(&words(spans));
            }
        }
    }
    text
}

/// What stands before the item of this index.
fn bullet(start: Option<u64>, index: usize) -> String {
    match start {
        Some(first) => format!("{}. ", first.saturating_add(index as u64)),
        None => "• ".to_owned(),
    }
}
