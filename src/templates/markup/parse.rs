//! From Markdown to the tree.
//!
//! **Invariant:** total. Any text gives a tree; what small Markdown does not have becomes the nearest
//! thing that it has: a heading is bold, an image is a link, HTML is text.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{Block, LINES_MAX, Markup, NESTING_MAX, SIGNS_MAX, Span};
use crate::domain::notice::is_http_url;
use crate::templates::coding::decode;

/// Reads small Markdown. A line end in a paragraph stays a line end.
pub fn parse(text: &str) -> Markup {
    let signs = text
        .bytes()
        .filter(|b| b.is_ascii_punctuation() || *b == b'\n')
        .count();
    if signs > SIGNS_MAX {
        return Markup::text(&decode(text));
    }
    let mut builder = Builder {
        frames: vec![Frame::new(Kind::Root)],
        framed: Vec::new(),
        lines_left: LINES_MAX,
    };
    for event in Parser::new_ext(text, Options::empty()) {
        builder.take(event);
    }
    while builder.frames.len() > 1 {
        builder.close_frame();
    }
    let mut root = builder
        .frames
        .pop()
        .unwrap_or_else(|| Frame::new(Kind::Root));
    root.flush();
    Markup {
        blocks: root.blocks,
    }
}

enum Kind {
    Root,
    Quote,
    List(Option<u64>),
    Item,
    Bold,
    Italic,
    Link(String),
    Code { language: String, fenced: bool },
}

struct Frame {
    kind: Kind,
    blocks: Vec<Block>,
    items: Vec<Vec<Block>>,
    spans: Vec<Span>,
    text: String,
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Frame {
            kind,
            blocks: Vec::new(),
            items: Vec::new(),
            spans: Vec::new(),
            text: String::new(),
        }
    }

    /// Ends the paragraph that is under way.
    fn flush(&mut self) {
        let spans = trimmed(std::mem::take(&mut self.spans));
        if !spans.is_empty() {
            self.blocks.push(Block::Paragraph(spans));
        }
    }
}

struct Builder {
    /// Never empty: the first is the root.
    frames: Vec<Frame>,
    /// For each open tag, whether it has a frame.
    framed: Vec<bool>,
    /// How many more breaks there may be.
    lines_left: usize,
}

impl Builder {
    fn top(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn text(&mut self, text: &str) {
        let last = self.frames.len() - 1;
        push_text(&mut self.frames[last].spans, text, &mut self.lines_left);
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::End(end) => self.close(end),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                let text = decode(&text);
                let top = self.top();
                match top.kind {
                    Kind::Code { .. } => top.text.push_str(&text),
                    _ => self.text(&text),
                }
            }
            Event::Code(text) => {
                let text = decode(&text).replace('\n', " ");
                if !text.is_empty() {
                    self.top().spans.push(Span::Code(text));
                }
            }
            Event::SoftBreak | Event::HardBreak => self.text("\n"),
            Event::Rule => self.top().flush(),
            // Not read without their options.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&decode(&text));
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        if is_block(&tag.to_end()) {
            self.top().flush();
        }
        let kind = match tag {
            Tag::BlockQuote(_) => Some(Kind::Quote),
            Tag::List(start) => Some(Kind::List(start)),
            Tag::Item => Some(Kind::Item),
            Tag::CodeBlock(CodeBlockKind::Indented) => Some(Kind::Code {
                language: String::new(),
                fenced: false,
            }),
            Tag::CodeBlock(CodeBlockKind::Fenced(language)) => Some(Kind::Code {
                language: decode(&language).trim().to_owned(),
                fenced: true,
            }),
            Tag::Heading { .. } | Tag::Strong => Some(Kind::Bold),
            Tag::Emphasis => Some(Kind::Italic),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                let url = decode(&dest_url).trim().to_owned();
                is_http_url(&url).then_some(Kind::Link(url))
            }
            _ => None,
        };
        match kind {
            Some(kind) if self.frames.len() <= NESTING_MAX => {
                self.framed.push(true);
                self.frames.push(Frame::new(kind));
            }
            _ => self.framed.push(false),
        }
    }

    fn close(&mut self, end: TagEnd) {
        if self.framed.pop().unwrap_or(false) {
            self.close_frame();
        }
        if is_block(&end) {
            self.top().flush();
        }
    }

    fn close_frame(&mut self) {
        if self.frames.len() < 2 {
            return;
        }
        let Some(mut frame) = self.frames.pop() else {
            return;
        };
        let parent = self.top();
        match frame.kind {
            Kind::Bold | Kind::Italic | Kind::Link(_) => {
                let spans = frame.spans;
                if spans.is_empty() {
                    return;
                }
                parent.spans.push(match frame.kind {
                    Kind::Bold => Span::Bold(spans),
                    Kind::Link(url) => Span::Link { url, spans },
                    _ => Span::Italic(spans),
                });
            }
            Kind::Code { language, fenced } => {
                let text = frame.text.trim_end_matches('\n');
                if !fenced {
                    self.text(text);
                } else if !text.is_empty() {
                    parent.blocks.push(Block::Code {
                        language,
                        text: text.to_owned(),
                    });
                }
            }
            Kind::Root | Kind::Quote | Kind::List(_) | Kind::Item => {
                frame.flush();
                let blocks = frame.blocks;
                match frame.kind {
                    Kind::Item if !blocks.is_empty() => parent.items.push(blocks),
                    Kind::Quote if !blocks.is_empty() => parent.blocks.push(Block::Quote(blocks)),
                    Kind::List(start) => {
                        let mut items = frame.items;
                        if !blocks.is_empty() {
                            items.push(blocks);
                        }
                        if !items.is_empty() {
                            parent.blocks.push(Block::List { start, items });
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn is_block(end: &TagEnd) -> bool {
    !matches!(
        end,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image
    )
}

/// Adds plain text; newlines become breaks while there are lines left, then spaces.
fn push_text(spans: &mut Vec<Span>, text: &str, lines_left: &mut usize) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 && !push_break(spans, lines_left) {
            push_line(spans, " ");
        }
        if !line.is_empty() {
            push_line(spans, line);
        }
    }
}

fn push_break(spans: &mut Vec<Span>, lines_left: &mut usize) -> bool {
    if *lines_left == 0 {
        return false;
    }
    *lines_left -= 1;
    spans.push(Span::Break);
    true
}

fn push_line(spans: &mut Vec<Span>, line: &str) {
    if let Some(Span::Text(last)) = spans.last_mut() {
        last.push_str(line);
    } else {
        spans.push(Span::Text(line.to_owned()));
    }
}

/// One paragraph of plain text.
pub(super) fn paragraph(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    push_text(&mut spans, text, &mut LINES_MAX.clone());
    trimmed(spans)
}

/// Spans without breaks at either end; nothing when only white space is left.
fn trimmed(mut spans: Vec<Span>) -> Vec<Span> {
    if super::words(&spans).trim().is_empty() {
        return Vec::new();
    }
    while spans.last() == Some(&Span::Break) {
        spans.pop();
    }
    let leading = spans
        .iter()
        .take_while(|span| **span == Span::Break)
        .count();
    spans.drain(..leading);
    spans
}
