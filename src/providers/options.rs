//! Reading `[tracker.options]`: typed, everything wrong at once, with the nearest known name.
//!
//! A kind reads its options through [`Options`] twice: when a file is checked, for the faults, and
//! when it looks, for the values. As both are one function, what was accepted reads the same.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::config::{listed, shown, suggestion};
use crate::domain::policy::Span;

/// Longest text of an option, in bytes.
pub const OPTION_BYTES_MAX: usize = 1_024;
/// Most entries of an option that is a list.
pub const OPTION_ENTRIES_MAX: usize = 256;

/// What is wrong, by the option's path below `options`: `summary.cron`.
pub type Faults = Vec<(String, String)>;

/// A table of options that is being read.
pub struct Options<'a> {
    table: &'a Map<String, Value>,
    path: String,
    taken: RefCell<Vec<&'static str>>,
    faults: &'a RefCell<Faults>,
}

/// Reads a table of options whole: what `read` makes of it, and everything that is wrong.
pub fn read<T>(table: &Map<String, Value>, read: impl FnOnce(&Options<'_>) -> T) -> (T, Faults) {
    let faults = RefCell::default();
    let options = Options {
        table,
        path: String::new(),
        taken: RefCell::default(),
        faults: &faults,
    };
    let value = read(&options);
    options.finish();
    (value, faults.into_inner())
}

impl<'a> Options<'a> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Says that a value of this table is wrong.
    pub fn fault(&self, key: &str, why: impl Into<String>) {
        let mut faults = self.faults.borrow_mut();
        faults.push((self.path_of(key), why.into()));
    }

    /// Whether anything is written for this key.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn take(&self, key: &'static str) -> Option<&'a Value> {
        self.taken.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Option<T> {
        self.fault(key, format!("has to be {wanted}"));
        None
    }

    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        value.as_bool().or_else(|| self.wrong(key, "true or false"))
    }

    /// One line of text that says something.
    pub fn line(&self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        self.line_of(key, value)
    }

    fn line_of(&self, key: &str, value: &Value) -> Option<String> {
        let Some(text) = value.as_str() else {
            return self.wrong(key, "text in quotes");
        };
        if text.trim().is_empty()
            || text.len() > OPTION_BYTES_MAX
            || text.chars().any(char::is_control)
        {
            return self.wrong(key, &format!("one line of 1 to {OPTION_BYTES_MAX} bytes"));
        }
        Some(text.to_owned())
    }

    /// A text, or a list of them.
    pub fn lines(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let Some(list) = value.as_array() else {
            return self.line_of(key, value).map(|line| vec![line]);
        };
        if list.len() > OPTION_ENTRIES_MAX {
            return self.wrong(key, &format!("a list of at most {OPTION_ENTRIES_MAX}"));
        }
        let lines = list.iter().map(|value| self.line_of(key, value));
        lines.collect()
    }

    /// A whole number within bounds.
    pub fn number(&self, key: &'static str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(key)?;
        let number = value.as_i64().filter(|number| bounds.contains(number));
        number.or_else(|| {
            let (least, most) = bounds.into_inner();
            self.wrong(key, &format!("a whole number between {least} and {most}"))
        })
    }

    /// A length of time, `10m`.
    pub fn span(&self, key: &'static str) -> Option<Span> {
        let text = self.line(key)?;
        match text.parse() {
            Ok(span) => Some(span),
            Err(why) => {
                self.fault(key, format!("{}: {why}", shown(&text)));
                None
            }
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.line(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known = || words.iter().map(|(word, _)| *word);
            let near = suggestion(&text, known());
            let why = format!("{} is none of {}{near}", shown(&text), listed(known()));
            self.fault(key, why);
        }
        found.map(|(_, value)| *value)
    }

    /// A cron expression, as written.
    pub fn cron(&self, key: &'static str) -> Option<String> {
        let text = self.line(key)?;
        match crate::domain::cron::Cron::parse(&text) {
            Ok(_) => Some(text),
            Err(why) => {
                self.fault(key, why.to_string());
                None
            }
        }
    }

    /// A table of its own, read whole.
    pub fn table<T>(&self, key: &'static str, read: impl FnOnce(&Options<'_>) -> T) -> Option<T> {
        let value = self.take(key)?;
        let Some(table) = value.as_object() else {
            return self.wrong(key, "a table");
        };
        let inner = Options {
            table,
            path: self.path_of(key),
            taken: RefCell::default(),
            faults: self.faults,
        };
        let value = read(&inner);
        inner.finish();
        Some(value)
    }

    /// Says of every option that was not read that it is unknown.
    fn finish(&self) {
        let taken = self.taken.borrow();
        for key in self.table.keys() {
            if taken.contains(&key.as_str()) {
                continue;
            }
            let near = suggestion(key, taken.iter().copied());
            let why = if !near.is_empty() {
                format!("is not a known option{near}")
            } else if taken.is_empty() {
                "is not a known option: this kind of provider has none".to_owned()
            } else {
                let known = listed(taken.iter().copied());
                format!("is not a known option; known here: {known}")
            };
            self.fault(key, why);
        }
    }
}
