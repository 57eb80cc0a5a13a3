//! Small Markdown as a tree. A target turns it into its own markup.
//!
//! **Invariant:** text in the tree is plain: whatever a payload contained is a [`Span::Text`], never
//! a node. A link's address is http(s), or it is not a link.

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
}
