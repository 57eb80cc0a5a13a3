//! The declarative file: read, checked all at once, compared with what exists, and written back.
//!
//! [`read`] turns texts into a [`Document`] or lists every problem in them; [`resolve`] puts the
//! values in the place of references to the environment and to files; [`plan()`] says what would
//! change; [`export()`] writes a file that `read` accepts and whose plan is empty.
//!
//! **Invariant:** pure. What lies outside enters as an argument: texts, [`Outside`], [`Present`],
//! and as [`Checks`] what provider and target kinds and the template engine know.
//!
//! **Invariant:** what `read` accepts is valid in itself and in what it refers to. A key this
//! version does not know, or does not have yet, is a problem and never passed over.
//!
//! **Invariant:** no value of a secret stands in a `Debug`, a problem or a plan.

mod bot;
mod breadth;
mod difference;
mod export;
mod later;
mod names;
mod plan;
mod policy;
mod provider;
pub mod quantity;
mod reader;
mod retention;
mod secrets;
mod settings;
mod shapes;
mod source;
mod target;
mod template;
mod tracker;
mod wording;

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::spec::{EntitySpec, Settings};

pub use difference::FieldChange;
pub use export::{Opened, export};
pub use plan::{Change, Existing, Fingerprint, Plan, Present, SecretChange, SecretStep, plan};
pub use secrets::{Outside, Secret, SecretField, SecretForm, SecretText, resolve};
pub use shapes::{Checks, ProviderShape, TargetShape, provider_shape};

pub(crate) use wording::{listed, shown, suggestion};

use names::Names;
use reader::Page;

/// Files read together.
pub const SOURCES_MAX: usize = 100;
/// Largest file; a larger one is one problem and is not read.
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
/// Most entities in all files of one reading; more are one problem and none is read.
pub const ENTITIES_MAX: usize = 10_000;
/// Largest entity as canonical JSON, so that the event that carries it fits a frame of 256 KiB.
pub const ENTITY_BYTES_MAX: usize = 240 * 1024;
/// Most receivers of a target.
pub const RECEIVERS_MAX: usize = 1_000;
/// Most links of a tracker.
pub const LINKS_MAX: usize = 256;
/// Most targets of a broadcast.
pub const BROADCAST_TARGETS_MAX: usize = 256;
/// Most globs in one list of kinds or collections.
pub const GLOBS_MAX: usize = 1_000;
/// Most tags of a target.
pub const TAGS_MAX: usize = 64;
/// Most buttons below one text.
pub const BUTTONS_MAX: usize = 10;
/// Most entries of a template, headers of a target, labels of a map.
pub const TABLE_KEYS_MAX: usize = 256;
/// Longest one-line text: description, receiver, glob, address.
pub const LINE_BYTES_MAX: usize = 2 * 1024;
/// Longest expression (`where`, a field of a map).
pub const EXPRESSION_BYTES_MAX: usize = 8 * 1024;
/// Longest template text.
pub const WORDS_BYTES_MAX: usize = 64 * 1024;
/// Longest secret.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;
/// Smallest and largest bound of a request's body a provider may be given.
pub const BODY_BYTES_RANGE: std::ops::RangeInclusive<u32> = 1024..=25 * 1024 * 1024;
/// Most problems listed of one file; the last one then says how many more there are.
pub const PROBLEMS_MAX: usize = 1_000;

/// The space of a file that names none.
pub const SPACE_DEFAULT: &str = "home";

/// One text to read. The file's name stands in problems and marks what it manages.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl fmt::Debug for Source<'_> {
    /// Without the text, in which secrets may stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .field("bytes", &self.text.len())
            .finish()
    }
}

/// What is wrong at one place, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Counted from 1, as is the column, which counts characters.
    pub line: u32,
    pub column: u32,
    /// `provider[0] "forge".verify`; empty for the file as a whole.
    pub field: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Where a field stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
    pub field: String,
}

/// One entity of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub spec: EntitySpec,
    /// What the file says of secrets, by field name; a field that is absent keeps its value.
    pub secrets: BTreeMap<String, SecretText>,
    /// Every secret an entity like this can have.
    pub secret_fields: Vec<SecretField>,
    /// Where each secret stands.
    pub places: BTreeMap<String, Place>,
    pub file: String,
    pub line: u32,
    /// `provider[0] "forge"`.
    pub field: String,
}

impl Draft {
    /// A problem of the whole entity, or of a field it lacks.
    fn problem(&self, below: &str, message: String) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.line,
            column: 1,
            field: format!("{}{below}", self.field),
            message,
        }
    }

    /// A problem of one of its secrets.
    fn secret_problem(&self, field: &str, message: String) -> Problem {
        match self.places.get(field) {
            Some(place) => Problem {
                file: self.file.clone(),
                line: place.line,
                column: place.column,
                field: place.field.clone(),
                message,
            },
            None => self.problem(&format!(".{field}"), message),
        }
    }
}

/// What the files say, valid but for secrets that are still references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub space: String,
    /// `None` when no file says more of the settings than the space.
    pub settings: Option<Settings>,
    /// In the order of the files, by kind within a file.
    pub entities: Vec<Draft>,
    /// The files' names, in order.
    pub files: Vec<String>,
}

/// Puts problems found entity by entity into the order of the files.
fn in_order(mut problems: Vec<Problem>, files: &[String]) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        let file = files.iter().position(|file| *file == problem.file);
        (file, problem.line, problem.column)
    });
    problems
}

/// Reads files that belong together. All problems of all files come at once, in their order.
pub fn read(sources: &[Source<'_>], checks: &Checks<'_>) -> Result<Document, Vec<Problem>> {
    if sources.len() > SOURCES_MAX {
        return Err(vec![Problem {
            file: sources[SOURCES_MAX].file.to_owned(),
            line: 1,
            column: 1,
            field: String::new(),
            message: format!(
                "is one file too many: at most {SOURCES_MAX} are read together; put some into one"
            ),
        }]);
    }
    let pages: Vec<Page<'_>> = sources.iter().map(Page::new).collect();
    let tables: Vec<_> = pages.iter().map(Page::parse).collect();
    let names = Names::gather(&pages, &tables, checks);
    let (space, settings) = settings::read(&pages, &tables);
    let mut entities = Vec::new();
    if !names.too_many() {
        for (i, (page, table)) in pages.iter().zip(&tables).enumerate() {
            if let Some(table) = table {
                names::entities_of(i, page, table, &names, &mut entities);
            }
        }
    }
    let problems: Vec<Problem> = pages.into_iter().flat_map(Page::into_problems).collect();
    if problems.is_empty() {
        Ok(Document {
            space,
            settings,
            entities,
            files: sources.iter().map(|s| s.file.to_owned()).collect(),
        })
    } else {
        Err(problems)
    }
}
