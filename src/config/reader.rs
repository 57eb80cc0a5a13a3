//! Typed reading of a parsed file: every value knows where it stands, and nothing stops at the
//! first fault.
//!
//! **Invariant:** a [`Reader`] that is finished has looked at every key of its table, or said which
//! it does not know.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::later::Later;
use super::quantity::{self, NotAQuantity};
use super::wording::{
    NAME_CHARS_MAX, SHOWN_CHARS_MAX, clipped, http_address, is_locale, is_slug, listed, one_line,
    plain, shown, suggestion,
};
use super::{LINE_BYTES_MAX, PROBLEMS_MAX, Place, Problem, SOURCE_BYTES_MAX, Source};
use crate::domain::spec::Rate;

/// One file: its text, where its lines begin, and what was found wrong in it so far.
pub(super) struct Page<'a> {
    pub file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    left_out: Cell<usize>,
}

impl<'a> Page<'a> {
    pub fn new(source: &Source<'a>) -> Self {
        let mut line_starts = vec![0];
        if source.text.len() <= SOURCE_BYTES_MAX {
            line_starts.extend(source.text.match_indices('\n').map(|(at, _)| at + 1));
        }
        Page {
            file: source.file,
            text: source.text,
            line_starts,
            problems: RefCell::default(),
            left_out: Cell::new(0),
        }
    }

    /// The file as a table; `None` and a problem when it is too large or not TOML.
    ///
    /// The parser itself bounds how deep values and keys nest, so that neither it nor dropping its
    /// result can exhaust the stack.
    pub fn parse(&self) -> Option<DeTable<'a>> {
        if self.text.len() > SOURCE_BYTES_MAX {
            let bytes = self.text.len();
            self.problem(
                0,
                "",
                format!("has {bytes} bytes, over the limit of {SOURCE_BYTES_MAX}; split it"),
            );
            return None;
        }
        match DeTable::parse(self.text) {
            Ok(table) => Some(table.into_inner()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let what = match error.message() {
                    "recursion limit" => "values are nested too deep",
                    other => other,
                };
                self.problem(at, "", format!("is not TOML here: {}", plain(what)));
                None
            }
        }
    }

    /// Line and column, both from 1.
    pub fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line.saturating_sub(1)];
        let before = self.text.get(start..offset).unwrap_or("");
        let column = before.chars().count() + 1;
        (
            u32::try_from(line.max(1)).unwrap_or(u32::MAX),
            u32::try_from(column).unwrap_or(u32::MAX),
        )
    }

    /// Whether further problems would only be counted, so that looking for advice is in vain.
    pub fn full(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS_MAX
    }

    pub fn problem(&self, offset: usize, field: &str, message: String) {
        if self.full() {
            self.left_out.set(self.left_out.get() + 1);
            return;
        }
        let (line, column) = self.place(offset);
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            column,
            field: field.to_owned(),
            message,
        });
    }

    /// The problems by line; when some were left out, the last says how many.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        let left_out = self.left_out.get();
        if left_out > 0
            && let Some(last) = problems.last()
        {
            problems.push(Problem {
                field: String::new(),
                message: format!("{left_out} more problems are not listed; mend these first"),
                ..last.clone()
            });
        }
        problems
    }
}

/// A value with its place and its path.
#[derive(Clone)]
pub(super) struct Field<'p> {
    pub page: &'p Page<'p>,
    value: &'p DeValue<'p>,
    pub at: usize,
    pub path: String,
}

impl<'p> Field<'p> {
    pub fn problem(&self, message: impl Into<String>) {
        self.page.problem(self.at, &self.path, message.into());
    }

    pub fn place(&self) -> Place {
        let (line, column) = self.page.place(self.at);
        Place {
            line,
            column,
            field: self.path.clone(),
        }
    }

    pub fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.problem(format!("has to be {wanted}, not {}", type_text(self.value)));
        None
    }

    fn or_problem<T>(&self, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.problem(why)).ok()
    }

    pub fn as_text(&self) -> Option<&'p str> {
        self.value.as_str()
    }

    pub fn as_table(&self) -> Option<&'p DeTable<'p>> {
        self.value.as_table()
    }

    /// What a text, a number or a flag is in a message.
    pub fn plain(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref().to_owned()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(|number| number.to_string()),
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Datetime(moment) => Some(moment.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => None,
        }
    }

    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Any text of at most so many bytes, possibly empty.
    pub fn text(&self, bytes_max: usize) -> Option<String> {
        let Some(text) = self.as_text() else {
            return self.wrong_type("text in quotes");
        };
        if text.len() > bytes_max {
            self.problem(format!(
                "has {} bytes, over the limit of {bytes_max}",
                text.len()
            ));
            return None;
        }
        Some(text.to_owned())
    }

    /// A text that says something.
    pub fn some_text(&self, bytes_max: usize) -> Option<String> {
        let text = self.text(bytes_max)?;
        if text.trim().is_empty() {
            self.problem("is empty; give it a value or leave it out");
            return None;
        }
        Some(text)
    }

    /// One line without control characters.
    pub fn line(&self) -> Option<String> {
        let text = self.some_text(LINE_BYTES_MAX)?;
        self.or_problem(one_line(text))
    }

    /// One line, or a whole number taken as its digits: chat ids come either way.
    pub fn line_or_number(&self) -> Option<String> {
        let Some(number) = self.value.as_integer() else {
            return match self.value.as_str() {
                Some(_) => self.line(),
                None => self.wrong_type("text or a whole number"),
            };
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number.to_string()),
            Err(_) => {
                self.problem("is too large for a number; put it in quotes");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn count(&self, bounds: RangeInclusive<u16>) -> Option<u16> {
        let Some(number) = self.value.as_integer() else {
            return self.wrong_type("a whole number");
        };
        let count = u16::from_str_radix(number.as_str(), number.radix());
        let found = count.ok().filter(|count| bounds.contains(count));
        if found.is_none() {
            let (least, most) = bounds.into_inner();
            self.problem(format!("has to lie between {least} and {most}"));
        }
        found
    }

    /// As [`Field::count`], for larger numbers.
    pub fn number(&self, bounds: RangeInclusive<u32>) -> Option<u32> {
        let Some(number) = self.value.as_integer() else {
            return self.wrong_type("a whole number");
        };
        let count = u32::from_str_radix(number.as_str(), number.radix());
        let found = count.ok().filter(|count| bounds.contains(count));
        if found.is_none() {
            let (least, most) = bounds.into_inner();
            self.problem(match least == most {
                true => format!("has to be {most} or a value of another type"),
                false => format!("has to lie between {least} and {most}"),
            });
        }
        found
    }

    /// The name of an entity.
    pub fn slug(&self) -> Option<String> {
        let text = self.some_text(LINE_BYTES_MAX)?;
        if is_slug(&text) {
            Some(text)
        } else {
            self.problem(format!(
                "{} is not a name: small letters, digits, `-` and `_`, at most {NAME_CHARS_MAX}, beginning with a letter or digit",
                shown(&text)
            ));
            None
        }
    }

    pub fn flag(&self) -> Option<bool> {
        match self.value.as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong_type("true or false"),
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = self.as_text() else {
            let list = listed(words.iter().map(|(word, _)| *word));
            return self.wrong_type(&format!("one of {list}"));
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.problem(format!(
                "{} is none of {}{}",
                shown(text),
                listed(words.iter().map(|(word, _)| *word)),
                suggestion(text, words.iter().map(|(word, _)| *word))
            ));
        }
        found.map(|(_, value)| *value)
    }

    pub fn list(&self, entries_max: usize) -> Option<Vec<Field<'p>>> {
        let Some(array) = self.value.as_array() else {
            return self.wrong_type("a list in [ ]");
        };
        if array.len() > entries_max {
            self.problem(format!(
                "has {} entries, over the limit of {entries_max}",
                array.len()
            ));
            return None;
        }
        let fields = array.iter().enumerate().map(|(i, value)| Field {
            page: self.page,
            value: value.get_ref(),
            at: value.span().start,
            path: format!("{}[{i}]", self.path),
        });
        Some(fields.collect())
    }

    /// A list of single lines, none twice.
    pub fn lines(&self, entries_max: usize) -> Option<Vec<(String, Field<'p>)>> {
        let mut lines: Vec<(String, Field<'p>)> = Vec::new();
        let mut seen = BTreeMap::new();
        for (i, field) in self.list(entries_max)?.into_iter().enumerate() {
            if let Some(line) = field.line() {
                match seen.insert(line.clone(), i) {
                    Some(first) => field.problem(format!(
                        "{} stands twice, first as entry {first}; leave one out",
                        shown(&line)
                    )),
                    None => lines.push((line, field)),
                }
            }
        }
        Some(lines)
    }

    pub fn table(&self) -> Option<Reader<'p>> {
        match self.value.as_table() {
            Some(table) => Some(Reader {
                page: self.page,
                table,
                at: self.at,
                path: self.path.clone(),
                taken: RefCell::default(),
            }),
            None => self.wrong_type("a table in { }"),
        }
    }

    pub fn quantity<T>(&self, read: fn(&str) -> Result<T, NotAQuantity>) -> Option<T> {
        let text = self.some_text(LINE_BYTES_MAX)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(format!("{}: {why}", shown(&text)));
                None
            }
        }
    }

    pub fn rate(&self) -> Option<Option<Rate>> {
        self.quantity(quantity::rate)
    }

    pub fn size(&self) -> Option<u64> {
        self.quantity(quantity::size_bytes)
    }

    /// An http(s) address that carries no credentials, because it is shown.
    pub fn address(&self) -> Option<String> {
        let text = self.line()?;
        let checked = http_address(&text).and_then(|url| {
            if url.username().is_empty() && url.password().is_none() {
                Ok(())
            } else {
                Err("holds a user name or password, which would be shown; leave them out".into())
            }
        });
        self.or_problem(checked.map(|()| text))
    }

    /// An IANA zone of the bundled database, spelled as there.
    pub fn zone(&self) -> Option<String> {
        let text = self.line()?;
        let database = jiff::tz::TimeZoneDatabase::bundled();
        let found = database
            .get(&text)
            .ok()
            .and_then(|zone| zone.iana_name().map(str::to_owned));
        if found.is_none() {
            let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
            self.problem(format!(
                "{} is no time zone; write one like `Europe/Lisbon` or `UTC`{}",
                shown(&text),
                suggestion(&text, known.iter().map(String::as_str))
            ));
        }
        found
    }

    pub fn locale(&self) -> Option<String> {
        let text = self.line()?;
        if is_locale(&text) {
            return Some(text);
        }
        self.problem(format!(
            "{} is no locale; write one like `en` or `pt-BR`",
            shown(&text)
        ));
        None
    }

    /// A text that some other part compiles.
    pub fn compiled(
        &self,
        bytes_max: usize,
        compile: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let text = self.some_text(bytes_max)?;
        self.or_problem(compile(&text).map(|()| text))
    }
}

/// A table that is being read key by key.
pub(super) struct Reader<'p> {
    pub page: &'p Page<'p>,
    table: &'p DeTable<'p>,
    at: usize,
    pub path: String,
    taken: RefCell<Vec<&'static str>>,
}

impl<'p> Reader<'p> {
    /// The table that is the whole file.
    pub fn root(page: &'p Page<'p>, table: &'p DeTable<'p>) -> Self {
        Reader {
            page,
            table,
            at: 0,
            path: String::new(),
            taken: RefCell::default(),
        }
    }

    pub fn problem(&self, message: impl Into<String>) {
        self.page.problem(self.at, &self.path, message.into());
    }

    fn field(&self, key: &str, at: usize, value: &'p Spanned<DeValue<'p>>) -> Field<'p> {
        let span = value.span();
        Field {
            page: self.page,
            value: value.get_ref(),
            at: if span.is_empty() { at } else { span.start },
            path: below(&self.path, key),
        }
    }

    /// Looks at a key without saying that it is known.
    pub fn peek(&self, key: &str) -> Option<Field<'p>> {
        self.table
            .get_key_value(key)
            .map(|(name, value)| self.field(key, name.span().start, value))
    }

    /// The field of a known key, if it stands there.
    pub fn take(&self, key: &'static str) -> Option<Field<'p>> {
        self.taken.borrow_mut().push(key);
        self.peek(key)
    }

    /// The field of a key that has to stand there.
    pub fn need(&self, key: &'static str) -> Option<Field<'p>> {
        let field = self.take(key);
        if field.is_none() {
            self.page.problem(
                self.at,
                &below(&self.path, key),
                "is missing; it has to be given".into(),
            );
        }
        field
    }

    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        self.take(key)
            .and_then(|field| field.flag())
            .unwrap_or(default)
    }

    /// An optional line that is empty when absent.
    pub fn description(&self) -> String {
        self.take("description")
            .and_then(|field| {
                let text = field.text(LINE_BYTES_MAX)?;
                field.or_problem(one_line(text))
            })
            .unwrap_or_default()
    }

    /// Every key not taken so far, with its field.
    pub fn rest(&self) -> Vec<(&'p str, Field<'p>)> {
        let taken = self.taken.borrow();
        self.table
            .iter()
            .filter(|(name, _)| !taken.contains(&name.get_ref().as_ref()))
            .map(|(name, value)| {
                let key: &'p str = name.get_ref();
                (key, self.field(key, name.span().start, value))
            })
            .collect()
    }

    pub fn keys(&self) -> usize {
        self.table.len()
    }

    /// Says of every key not taken that it is unknown, not had yet, or (`elsewhere`) another's.
    pub fn finish(self, later: Later, elsewhere: impl Fn(&str) -> Option<String>) {
        for (key, field) in self.rest() {
            if self.page.full() {
                field.problem(String::new());
                continue;
            }
            // The key is what is wrong, so the problem points at it and not at its value.
            let at = self
                .table
                .get_key_value(key)
                .map_or(field.at, |(name, _)| name.span().start);
            let message = if later.has(key) {
                format!(
                    "this version does not have {} yet; leave it out",
                    shown(key)
                )
            } else if let Some(message) = elsewhere(key) {
                message
            } else {
                let taken = self.taken.borrow();
                let near = suggestion(key, taken.iter().copied());
                if near.is_empty() {
                    format!(
                        "is not a known key; known here: {}",
                        listed(taken.iter().copied())
                    )
                } else {
                    format!("is not a known key{near}")
                }
            };
            self.page.problem(at, &field.path, message);
        }
    }
}

fn below(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare && key.len() <= SHOWN_CHARS_MAX {
        key.to_owned()
    } else {
        format!("\"{}\"", clipped(key))
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

fn type_text(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
