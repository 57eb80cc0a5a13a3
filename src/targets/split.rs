//! Cuts laid-out text into pieces that a service takes, each complete markup by itself.
//!
//! **Invariant:** a piece never exceeds its limit, never breaks a grapheme cluster or a bare address,
//! closes what it opened, and the next piece opens it again. Pieces break between blocks where that
//! leaves them at least half full, else between lines, else between words, else between clusters.

use std::borrow::Cow;

use super::flat::{Cell, Flat, Tag};

/// Most parts that one message makes; what would come after is left out and counted.
pub const PARTS_MAX: usize = 8;
/// Room kept for the line that says how much was left out, in UTF-16 units.
const TAIL_UNITS_MAX: usize = 64;

/// What a piece may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// UTF-16 units; whether markup counts is the dialect's to say.
    pub units: usize,
    /// Bytes of the piece as it is written, markup included.
    pub raw_bytes: usize,
    pub parts: usize,
}

/// Where in its line a cluster stands: some signs are markup only at the head of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Start,
    Digits,
    Body,
}

/// Where a cluster is put.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub style: &'a [Tag],
    pub head: Head,
    pub verbatim: bool,
    /// The character written just before.
    pub before: Option<char>,
    /// Whether nothing to read stands before it in its piece.
    pub first: bool,
}

/// A service's markup.
pub trait Dialect {
    fn open<'t>(&self, tag: &'t Tag) -> Cow<'t, str>;
    fn close<'t>(&self, tag: &'t Tag) -> Cow<'t, str>;
    /// Writes one cluster so that none of it can be read as markup.
    fn text(&self, cluster: &str, place: Place<'_>, out: &mut String);
    /// UTF-16 units that [`Dialect::text`] writes beside the cluster and that are no markup.
    fn beside(&self, _cluster: &str, _place: Place<'_>) -> usize {
        0
    }
    /// What each line of a quote begins with, where quotes are not tags.
    fn quote_prefix(&self) -> &'static str {
        ""
    }
    /// What keeps a closing sign before `opening` from being read together with it.
    fn spacer(&self, _closed: &str, _opening: &str) -> &'static str {
        ""
    }
    /// Whether the service counts markup against its limit.
    fn counts_markup(&self) -> bool;
}

/// The pieces of a text; none when it is blank.
pub fn split(flat: &Flat, dialect: &dyn Dialect, limit: Limit) -> Vec<String> {
    let cells = flat.cells(limit.units / 2);
    let mut pieces = Vec::new();
    let mut start = next_start(&cells, 0);
    while start < cells.len() {
        let mut end = furthest(&cells, start, dialect, limit);
        let mut next = next_start(&cells, end);
        // Nothing to read, as in a code block of many spaces: services refuse a blank message.
        if cells[start..end].iter().all(Cell::is_space) {
            start = next;
            continue;
        }
        if pieces.len() + 1 >= limit.parts && next < cells.len() {
            let shorter = Limit {
                units: limit.units - TAIL_UNITS_MAX,
                ..limit
            };
            end = furthest(&cells, start, dialect, shorter);
            next = next_start(&cells, end);
            let left_out = flat.visible()[cells[next].at..].chars().count();
            let piece = render(&cells[start..end], dialect);
            pieces.push(format!(
                "{piece}\n… {left_out} more characters are left out"
            ));
            break;
        }
        pieces.push(render(&cells[start..end], dialect));
        start = next;
    }
    pieces
}

/// As much of a text as fits, with `…` when it was cut; and whether it was.
pub fn head(flat: &Flat, dialect: &dyn Dialect, units: usize) -> (String, bool) {
    let cells = flat.cells(units / 2);
    let start = next_start(&cells, 0);
    let limit = Limit {
        units,
        raw_bytes: usize::MAX,
        parts: 1,
    };
    let end = furthest(&cells, start, dialect, limit);
    if next_start(&cells, end) >= cells.len() {
        return (render(&cells[start..end], dialect), false);
    }
    let shorter = Limit {
        units: units - 1,
        ..limit
    };
    let end = furthest(&cells, start, dialect, shorter);
    (format!("{}…", render(&cells[start..end], dialect)), true)
}

/// The first cell from `from` on that a piece may begin with. Within code only line breaks go.
fn next_start(cells: &[Cell<'_>], from: usize) -> usize {
    let skipped = cells[from.min(cells.len())..]
        .iter()
        .take_while(|cell| cell.is_loose_space() || cell.text == "\n")
        .count();
    from + skipped
}

#[derive(Default)]
struct Breaks {
    block: Option<(usize, usize)>,
    line: Option<(usize, usize)>,
    word: Option<(usize, usize)>,
    cluster: Option<(usize, usize)>,
}

/// Where the piece that begins at `start` ends: the best place to break within the limit.
fn furthest(cells: &[Cell<'_>], start: usize, dialect: &dyn Dialect, limit: Limit) -> usize {
    let mut writer = Writer::new(dialect);
    let mut breaks = Breaks::default();
    let mut end = start;
    while end < cells.len() {
        writer.push(&cells[end]);
        let units = writer.units_closed();
        if units > limit.units || writer.bytes_closed() > limit.raw_bytes {
            break;
        }
        end += 1;
        if cells[end - 1].is_loose_space() {
            continue;
        }
        let Some(next) = cells.get(end) else { break };
        if !(cells[end - 1].verbatim && next.verbatim) {
            breaks.cluster = Some((end, units));
        }
        if next.is_loose_space() || next.text == "\n" {
            let space = &cells[end..next_start(cells, end)];
            match space.iter().filter(|cell| cell.text == "\n").count() {
                0 => breaks.word = Some((end, units)),
                1 => breaks.line = Some((end, units)),
                _more => breaks.block = Some((end, units)),
            }
        }
    }
    if end == cells.len() {
        return end;
    }
    let half_full = |found: &(usize, usize)| found.1 >= limit.units / 2;
    breaks
        .block
        .filter(half_full)
        .or(breaks.line.filter(half_full))
        .or(breaks.word.filter(half_full))
        .or(breaks.cluster)
        // A limit below a single cluster is not met by any caller; going on matters more.
        .map_or(start + 1, |(end, _)| end)
}

fn render(cells: &[Cell<'_>], dialect: &dyn Dialect) -> String {
    let mut writer = Writer::new(dialect);
    for cell in cells {
        writer.push(cell);
    }
    writer.finish()
}

/// Writes cells as markup. Tags open as late and close as early as they can, so that white space at
/// their edges stays outside and equal neighbours become one.
struct Writer<'a> {
    dialect: &'a dyn Dialect,
    out: String,
    units: usize,
    open: Vec<&'a Tag>,
    /// White space not written yet: it vanishes at the end of a piece.
    waiting: String,
    /// How many of the open tags reach over the waiting white space.
    reach: usize,
    head: Head,
    has_words: bool,
    scratch: String,
}

impl<'a> Writer<'a> {
    fn new(dialect: &'a dyn Dialect) -> Self {
        Writer {
            dialect,
            out: String::new(),
            units: 0,
            open: Vec::new(),
            waiting: String::new(),
            reach: usize::MAX,
            head: Head::Start,
            has_words: false,
            scratch: String::new(),
        }
    }

    fn push(&mut self, cell: &Cell<'a>) {
        let shared = self.shared(cell.style);
        self.reach = self.reach.min(shared);
        if cell.is_loose_space() {
            if !self.out.is_empty() {
                self.waiting.push_str(cell.text);
            }
            return;
        }
        let closed = self.open.len() > self.reach;
        while self.open.len() > self.reach {
            if let Some(tag) = self.open.pop() {
                let sign = self.dialect.close(tag);
                self.markup(&sign);
            }
        }
        let opening = &cell.style[self.reach..];
        let waiting = std::mem::take(&mut self.waiting);
        self.white_space(&waiting, opening);
        for (n, tag) in opening.iter().enumerate() {
            let sign = self.dialect.open(tag);
            if n == 0 && closed && waiting.is_empty() {
                let spacer = self.dialect.spacer(&self.out, &sign);
                self.markup(spacer);
            }
            self.open.push(tag);
            self.markup(&sign);
        }
        self.reach = usize::MAX;
        if cell.text == "\n" {
            self.character('\n');
            return;
        }
        let mut written = std::mem::take(&mut self.scratch);
        written.clear();
        let place = Place {
            style: cell.style,
            head: self.head,
            verbatim: cell.verbatim,
            before: self.out.chars().next_back(),
            first: !self.has_words,
        };
        self.has_words = true;
        self.dialect.text(cell.text, place, &mut written);
        let mut visible_units = units_of(cell.text) + self.dialect.beside(cell.text, place);
        if cell.cut {
            written.push('\u{FFFD}');
            visible_units += 1;
        }
        self.units += if self.dialect.counts_markup() {
            units_of(&written)
        } else {
            visible_units
        };
        self.out.push_str(&written);
        self.scratch = written;
        self.head = match (self.head, cell.text) {
            (head, " " | "\t") => head,
            (Head::Start | Head::Digits, text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                Head::Digits
            }
            (Head::Start | Head::Digits | Head::Body, _) => Head::Body,
        };
    }

    /// Spaces at the end of a line go, and so do those before a quote, which begins its line.
    fn white_space(&mut self, waiting: &str, opening: &[Tag]) {
        let (lines, spaces) = match waiting.rfind('\n') {
            None => ("", waiting),
            Some(at) => waiting.split_at(at + 1),
        };
        for _ in lines.matches('\n') {
            self.character('\n');
        }
        if !opening.iter().any(|tag| matches!(tag, Tag::Quote)) {
            for c in spaces.chars() {
                self.character(c);
            }
        }
    }

    /// How many open tags go on in a style.
    fn shared(&self, style: &[Tag]) -> usize {
        self.open
            .iter()
            .zip(style)
            .take_while(|(open, tag)| **open == *tag)
            .count()
    }

    fn character(&mut self, c: char) {
        self.out.push(c);
        self.units += c.len_utf16();
        if c == '\n' {
            self.head = Head::Start;
            self.quote_prefix();
        } else {
            self.head = match self.head {
                Head::Start => Head::Start,
                Head::Digits | Head::Body => Head::Body,
            };
        }
    }

    fn quote_prefix(&mut self) {
        let prefix = self.dialect.quote_prefix();
        if !prefix.is_empty() && self.open.iter().any(|tag| matches!(tag, Tag::Quote)) {
            self.raw(prefix);
        }
    }

    /// Markup of the dialect; its line breaks go on in the quote they stand in.
    fn markup(&mut self, sign: &str) {
        for (n, line) in sign.split('\n').enumerate() {
            if n > 0 {
                self.raw("\n");
                self.quote_prefix();
            }
            self.raw(line);
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        if self.dialect.counts_markup() {
            self.units += units_of(text);
        }
    }

    fn closing(&self) -> impl Iterator<Item = (usize, usize)> {
        let prefix = self.dialect.quote_prefix().len();
        self.open.iter().map(move |tag| {
            let sign = self.dialect.close(tag);
            let breaks = sign.bytes().filter(|byte| *byte == b'\n').count();
            (
                units_of(&sign) + breaks * prefix,
                sign.len() + breaks * prefix,
            )
        })
    }

    /// What the piece would count if it ended here.
    fn units_closed(&self) -> usize {
        if self.dialect.counts_markup() {
            self.units + self.closing().map(|(units, _)| units).sum::<usize>()
        } else {
            self.units
        }
    }

    fn bytes_closed(&self) -> usize {
        self.out.len() + self.closing().map(|(_, bytes)| bytes).sum::<usize>()
    }

    fn finish(mut self) -> String {
        while let Some(tag) = self.open.last() {
            let sign = self.dialect.close(tag);
            self.markup(&sign);
            self.open.pop();
        }
        self.out
    }
}

/// Length in UTF-16 units.
pub fn units_of(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
