//! A markup tree laid out as one run of visible text with styles over it, from which pieces are cut.
//!
//! **Invariant:** the visible text holds no control character but newline and tab, and no mark that
//! turns the reading direction. A style never holds the same tag twice, so its depth is bounded by
//! the number of tags.

use unicode_segmentation::UnicodeSegmentation;

use crate::domain::notice::{is_bidi_control, is_http_url};
use crate::templates::markup::{Block, Markup, Span};

/// Longest grapheme cluster shown, in characters. A longer one (a letter under thousands of marks)
/// is cut and ends in U+FFFD.
pub const CLUSTER_CHARS_MAX: usize = 64;
/// Longest language of a code block, in bytes; longer or stranger ones are left out.
pub const LANGUAGE_BYTES_MAX: usize = 32;

/// What a piece of text can be wrapped in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    Quote,
    Bold,
    Italic,
    Code,
    Pre { language: String },
    Link { url: String },
}

/// How a link is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkForm {
    /// The words lead to the address.
    Tagged,
    /// The words, and the address behind them in brackets.
    Spelled,
    /// The words alone.
    TextOnly,
}

/// Chooses the form of a link by its address and its words.
pub type LinkForms<'a> = &'a dyn Fn(&str, &str) -> LinkForm;

/// Visible text with styles.
#[derive(Debug, Clone, Default)]
pub struct Flat {
    visible: String,
    runs: Vec<Run>,
}

#[derive(Debug, Clone)]
struct Run {
    /// Where the run ends in the visible text, in bytes.
    end: usize,
    style: Vec<Tag>,
}

/// One grapheme cluster: never broken.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// Where it begins in the visible text, in bytes.
    pub at: usize,
    pub text: &'a str,
    /// Whether the rest of an overlong cluster was left out after `text`.
    pub cut: bool,
    /// Part of a bare address: shown as it is and kept in one piece.
    pub verbatim: bool,
    pub style: &'a [Tag],
}

impl Cell<'_> {
    /// White space that may move or vanish where a piece breaks. Within a code block it counts.
    pub fn is_loose_space(&self) -> bool {
        let in_block = |tag: &Tag| matches!(tag, Tag::Pre { .. });
        self.is_space() && !self.style.iter().any(in_block)
    }

    pub fn is_space(&self) -> bool {
        self.text.chars().all(char::is_whitespace)
    }
}

/// Whether text of this style is shown exactly as it is.
pub fn is_code(style: &[Tag]) -> bool {
    style
        .iter()
        .any(|tag| matches!(tag, Tag::Code | Tag::Pre { .. }))
}

impl Flat {
    pub fn visible(&self) -> &str {
        &self.visible
    }

    /// Whether there is nothing to read in it.
    pub fn is_blank(&self) -> bool {
        self.visible.chars().all(|c| {
            c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
        })
    }

    /// The same with `mark` behind every character that `chosen` says, outside code. It is told the
    /// whole visible text and where the character begins.
    #[must_use]
    pub fn marked(&self, mark: char, chosen: impl Fn(&str, usize) -> bool) -> Flat {
        let mut marked = Flat {
            visible: String::with_capacity(self.visible.len()),
            runs: Vec::with_capacity(self.runs.len()),
        };
        let mut start = 0;
        for run in &self.runs {
            for (at, c) in self.visible[start..run.end].char_indices() {
                marked.visible.push(c);
                if !is_code(&run.style) && chosen(&self.visible, start + at) {
                    marked.visible.push(mark);
                }
            }
            start = run.end;
            marked.runs.push(Run {
                end: marked.visible.len(),
                style: run.style.clone(),
            });
        }
        marked
    }

    /// The clusters of the visible text. Addresses longer than `address_units_max` UTF-16 units are
    /// not kept whole.
    pub fn cells(&self, address_units_max: usize) -> Vec<Cell<'_>> {
        let addresses = self.addresses(address_units_max);
        let mut runs = self.runs.iter();
        let mut run = runs.next();
        let mut next_address = addresses.iter().peekable();
        let mut cells = Vec::new();
        for (at, cluster) in self.visible.grapheme_indices(true) {
            while run.is_some_and(|run| run.end <= at) {
                run = runs.next();
            }
            while next_address.peek().is_some_and(|(_, end)| *end <= at) {
                next_address.next();
            }
            let style = run.map_or(&[] as &[Tag], |run| &run.style);
            let (text, cut) = bounded_cluster(cluster);
            cells.push(Cell {
                at,
                text,
                cut,
                verbatim: next_address.peek().is_some_and(|(start, _)| *start <= at)
                    && text.len() == 1
                    && !is_code(style),
                style,
            });
        }
        cells
    }

    /// Ranges of bare http(s) addresses, in bytes, each within one run.
    fn addresses(&self, units_max: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.visible[from..].find("http").map(|at| from + at) {
            from = at + "http".len();
            let rest = &self.visible[at..];
            let Some(scheme) = ["https://", "http://"]
                .into_iter()
                .find(|scheme| rest.starts_with(scheme))
            else {
                continue;
            };
            let run_end = self
                .runs
                .get(self.runs.partition_point(|run| run.end <= at))
                .map_or(at, |run| run.end);
            let mut end = at
                + rest
                    .bytes()
                    .take_while(|byte| is_address_byte(*byte))
                    .count();
            end = end.min(run_end);
            while matches!(
                self.visible.as_bytes()[end - 1],
                b'.' | b',' | b':' | b';' | b'\'' | b'!' | b'?' | b'_'
            ) {
                end -= 1;
            }
            if end > at + scheme.len() && end - at <= units_max {
                found.push((at, end));
                from = end;
            }
        }
        found
    }
}

fn bounded_cluster(cluster: &str) -> (&str, bool) {
    // No cluster has more characters than bytes.
    if cluster.len() <= CLUSTER_CHARS_MAX {
        return (cluster, false);
    }
    match cluster.char_indices().nth(CLUSTER_CHARS_MAX) {
        None => (cluster, false),
        Some(_) => {
            let end = cluster
                .char_indices()
                .nth(CLUSTER_CHARS_MAX - 1)
                .map_or(cluster.len(), |(at, _)| at);
            (&cluster[..end], true)
        }
    }
}

/// What an address may hold and still be shown without escaping: nothing that any of our dialects
/// reads as markup across an address' end.
fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._/?#@!$&'+,;=%:".contains(&byte)
}

/// Lays out title, text and more, one after the other.
pub struct Layout<'a> {
    flat: Flat,
    stack: Vec<Tag>,
    links: LinkForms<'a>,
    /// Whether everything is put on one line, blocks too.
    one_line: bool,
}

impl<'a> Layout<'a> {
    pub fn new(links: LinkForms<'a>) -> Self {
        Layout {
            flat: Flat::default(),
            stack: Vec::new(),
            links,
            one_line: false,
        }
    }

    /// The blocks, after a blank line where something stands already.
    #[must_use]
    pub fn blocks(mut self, markup: &Markup) -> Self {
        if !markup.is_empty() && !self.flat.visible.is_empty() {
            self.text("\n\n");
        }
        self.put_blocks(&markup.blocks, 0);
        self
    }

    /// The blocks on one line.
    #[must_use]
    pub fn line(mut self, markup: &Markup) -> Self {
        self.one_line = true;
        self.put_blocks(&markup.blocks, 0);
        self.one_line = false;
        self
    }

    /// The blocks on one line, in bold.
    #[must_use]
    pub fn title(mut self, markup: &Markup) -> Self {
        self.stack.push(Tag::Bold);
        self = self.line(markup);
        self.stack.pop();
        self
    }

    /// The blocks on the next line.
    #[must_use]
    pub fn below(mut self, markup: &Markup) -> Self {
        if !markup.is_empty() && !self.flat.visible.is_empty() {
            self.text("\n");
        }
        self.put_blocks(&markup.blocks, 0);
        self
    }

    pub fn finish(self) -> Flat {
        self.flat
    }

    fn within(&mut self, tag: Tag, put: impl FnOnce(&mut Self)) {
        let present = self
            .stack
            .iter()
            .any(|open| std::mem::discriminant(open) == std::mem::discriminant(&tag));
        if present {
            put(self);
        } else {
            self.stack.push(tag);
            put(self);
            self.stack.pop();
        }
    }

    fn put_blocks(&mut self, blocks: &[Block], depth: usize) {
        for (n, block) in blocks.iter().enumerate() {
            if n > 0 {
                self.text(if depth == 0 { "\n\n" } else { "\n" });
            }
            match block {
                Block::Paragraph(spans) => self.put_spans(spans),
                Block::List { start, items } => self.put_list(*start, items, depth),
                Block::Quote(blocks) if self.one_line => self.put_blocks(blocks, depth),
                Block::Quote(blocks) => {
                    self.within(Tag::Quote, |layout| layout.put_blocks(blocks, depth));
                }
                Block::Code { text, .. } if self.one_line => {
                    self.within(Tag::Code, |layout| layout.text(text.trim()));
                }
                Block::Code { language, text } => {
                    let language = clean_language(language);
                    self.within(Tag::Pre { language }, |layout| {
                        layout.text(text.trim_end_matches(['\r', '\n']));
                    });
                }
            }
        }
    }

    fn put_list(&mut self, start: Option<u64>, items: &[Vec<Block>], depth: usize) {
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.text("\n");
            }
            if !self.one_line {
                self.text(&"  ".repeat(depth));
            }
            match start {
                Some(first) => {
                    let number = first.saturating_add(n as u64);
                    self.text(&format!("{number}. "));
                }
                None => self.text("• "),
            }
            match item.first() {
                Some(Block::Quote(_) | Block::Code { .. } | Block::List { .. }) => self.text("\n"),
                Some(Block::Paragraph(_)) | None => {}
            }
            self.put_blocks(item, depth + 1);
        }
    }

    fn put_spans(&mut self, spans: &[Span]) {
        for span in spans {
            match span {
                Span::Text(text) => self.text(text),
                Span::Break => self.text("\n"),
                Span::Bold(spans) => self.within(Tag::Bold, |layout| layout.put_spans(spans)),
                Span::Italic(spans) => self.within(Tag::Italic, |layout| layout.put_spans(spans)),
                Span::Code(text) => {
                    let line = std::mem::replace(&mut self.one_line, true);
                    self.within(Tag::Code, |layout| layout.text(text));
                    self.one_line = line;
                }
                Span::Link { url, spans } => self.put_link(url, spans),
            }
        }
    }

    fn put_link(&mut self, url: &str, spans: &[Span]) {
        let words = words_of(spans);
        let form = if is_http_url(url) {
            (self.links)(url, &words)
        } else {
            LinkForm::TextOnly
        };
        let has_words = !words.trim().is_empty();
        match form {
            LinkForm::Tagged if has_words => {
                let url = url.to_owned();
                self.within(Tag::Link { url }, |layout| layout.put_spans(spans));
            }
            LinkForm::TextOnly => self.put_spans(spans),
            // What has no words can only be shown by its address.
            LinkForm::Tagged | LinkForm::Spelled => {
                self.put_spans(spans);
                if !has_words {
                    self.text(url);
                } else if words != url {
                    self.text(&format!(" ({url})"));
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        let mut after_return = false;
        let line_break = if self.one_line { ' ' } else { '\n' };
        for c in text.chars() {
            let shown = match c {
                '\n' if after_return => None,
                '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\n' => {
                    Some(line_break)
                }
                '\t' => Some('\t'),
                c if is_bidi_control(c) => None,
                c if c.is_control() => Some(' '),
                c => Some(c),
            };
            after_return = c == '\r';
            self.flat.visible.extend(shown);
        }
        let end = self.flat.visible.len();
        match self.flat.runs.last_mut() {
            Some(run) if run.style == self.stack => run.end = end,
            Some(run) if run.end == end => {}
            Some(_) | None => {
                let style = self.stack.clone();
                self.flat.runs.push(Run { end, style });
            }
        }
    }
}

/// The text of spans without their markup.
fn words_of(spans: &[Span]) -> String {
    let mut words = String::new();
    for span in spans {
        match span {
            Span::Text(text) | Span::Code(text) => words.push_str(text),
            Span::Break => words.push('\n'),
            Span::Bold(spans) | Span::Italic(spans) | Span::Link { spans, .. } => {
                words.push_str(&words_of(spans));
            }
        }
    }
    words
}

fn clean_language(language: &str) -> String {
    let plain = language.len() <= LANGUAGE_BYTES_MAX
        && language
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-_#".contains(&byte));
    if plain {
        language.to_owned()
    } else {
        String::new()
    }
}

/// The markup as plain text, addresses spelled out.
pub fn plain(markup: &Markup) -> String {
    let flat = Layout::new(&|_, _| LinkForm::Spelled)
        .blocks(markup)
        .finish();
    flat.visible.trim().to_owned()
}
