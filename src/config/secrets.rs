//! Secrets of a file: given as text, or as a reference that the reading process resolves.
//!
//! **Invariant:** an unset variable, a missing or an empty file is an error and never an empty
//! secret; and no message repeats a value.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::later::Later;
use super::reader::Field;
use super::wording::{http_address, shown};
use super::{Document, LINE_BYTES_MAX, Place, Problem, SECRET_BYTES_MAX, TABLE_KEYS_MAX, in_order};

/// The value of a secret. It is wiped when dropped and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(Zeroizing::new(value.into()))
    }

    /// The value, for sealing and for comparing fingerprints.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a file says of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretText {
    Inline(Secret),
    /// The name of a variable of the environment.
    Env(String),
    /// The path of a file; one line break at its end is not part of the secret.
    File(String),
    /// Headers of which some are references; becomes one JSON text.
    Table(BTreeMap<String, SecretText>),
}

/// What a secret has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    Text,
    /// An http(s) address.
    Address,
    /// Header names and values; kept as the JSON text of an object with sorted names.
    Headers,
}

/// A secret that an entity can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretField {
    pub name: &'static str,
    pub required: bool,
    pub form: SecretForm,
}

impl SecretField {
    /// A secret by its name, which says what it has to be: `url` and `headers` mean the same in
    /// every kind.
    pub fn named(name: &'static str, required: bool) -> Self {
        let form = match name {
            "url" => SecretForm::Address,
            "headers" => SecretForm::Headers,
            _ => SecretForm::Text,
        };
        SecretField {
            name,
            required,
            form,
        }
    }
}

/// The process's own environment and disk.
pub trait Outside: Sync {
    /// The value of a variable; `None` when it is not set or not text.
    fn env(&self, name: &str) -> Option<String>;
    /// The text of a file, or why it cannot be read.
    fn file(&self, path: &str) -> Result<String, String>;
}

/// Puts values in the place of references. With `outside` absent the document arrived over HTTP,
/// and every reference is a problem at its field.
///
/// After an error some references may already be replaced; the document is not to be used.
pub fn resolve(document: &mut Document, outside: Option<&dyn Outside>) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for draft in &mut document.entities {
        let mut faults = Vec::new();
        for (field, text) in &mut draft.secrets {
            let form = form_of(&draft.secret_fields, field);
            match value_of(text, outside, form) {
                Ok(None) => {}
                Ok(Some(secret)) => *text = SecretText::Inline(secret),
                Err(why) => faults.push((field.clone(), why)),
            }
        }
        problems.extend(
            faults
                .into_iter()
                .map(|(field, why)| draft.secret_problem(&field, why)),
        );
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(in_order(problems, &document.files))
    }
}

fn form_of(fields: &[SecretField], name: &str) -> SecretForm {
    fields
        .iter()
        .find(|field| field.name == name)
        .map_or(SecretForm::Text, |field| field.form)
}

/// The value of what is not yet one.
fn value_of(
    text: &SecretText,
    outside: Option<&dyn Outside>,
    form: SecretForm,
) -> Result<Option<Secret>, String> {
    match text {
        SecretText::Inline(_) => Ok(None),
        SecretText::Env(_) | SecretText::File(_) => {
            let value = fetch(text, outside)?;
            check(form, value.expose()).map(Some)
        }
        SecretText::Table(headers) => {
            let mut values = BTreeMap::new();
            for (name, text) in headers {
                let value = match text {
                    SecretText::Inline(secret) => Ok(secret.clone()),
                    SecretText::Env(_) | SecretText::File(_) | SecretText::Table(_) => {
                        fetch(text, outside)
                    }
                };
                let value = value.map_err(|why| format!("{}: {why}", shown(name)))?;
                values.insert(name.as_str(), value);
            }
            let json = headers_json(values.iter().map(|(name, value)| (*name, value.expose())))?;
            check(form, &json).map(Some)
        }
    }
}

/// Reads what a reference refers to.
fn fetch(text: &SecretText, outside: Option<&dyn Outside>) -> Result<Secret, String> {
    let over_http = |what: &str| {
        format!(
            "refers to {what}, which nobody may read over HTTP; give the value itself, or apply the file where it lies"
        )
    };
    match (text, outside) {
        (SecretText::Env(_), None) => Err(over_http("a variable")),
        (SecretText::File(_), None) => Err(over_http("a file")),
        (SecretText::Env(name), Some(outside)) => {
            let name_shown = shown(name);
            match outside.env(name).map(Secret::new) {
                None => Err(format!("the variable {name_shown} is not set; set it")),
                Some(value) if is_blank(value.expose()) => Err(format!(
                    "the variable {name_shown} is empty; give it a value"
                )),
                Some(value) => Ok(value),
            }
        }
        (SecretText::File(path), Some(outside)) => {
            let path_shown = shown(path);
            match outside.file(path) {
                Err(why) => Err(format!("the file {path_shown} cannot be read: {why}")),
                Ok(text) => {
                    let text = Zeroizing::new(text);
                    let line = text.strip_suffix('\n').unwrap_or(&text);
                    let line = line.strip_suffix('\r').unwrap_or(line);
                    if is_blank(line) {
                        Err(format!(
                            "the file {path_shown} is empty; write the secret into it"
                        ))
                    } else {
                        Ok(Secret::new(line))
                    }
                }
            }
        }
        (SecretText::Inline(_) | SecretText::Table(_), _) => {
            Err("is not a reference to one value".into())
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The value in its kept form, or what is wrong with it.
fn check(form: SecretForm, value: &str) -> Result<Secret, String> {
    if is_blank(value) {
        return Err("is empty; give it a value, or leave it out to keep the one there is".into());
    }
    if value.len() > SECRET_BYTES_MAX {
        return Err(format!(
            "has {} bytes, over the limit of {SECRET_BYTES_MAX}",
            value.len()
        ));
    }
    match form {
        SecretForm::Text => Ok(Secret::new(value)),
        SecretForm::Address => http_address(value).map(|_| Secret::new(value)),
        SecretForm::Headers => {
            let headers: BTreeMap<String, String> = serde_json::from_str(value).map_err(|_| {
                "has to be a table of header names and texts, or the JSON text of one".to_owned()
            })?;
            let pairs = headers.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            headers_json(pairs).map(Secret::new)
        }
    }
}

/// The JSON text of headers, each checked.
fn headers_json<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>) -> Result<String, String> {
    let mut sorted = BTreeMap::new();
    for (name, value) in headers {
        if !is_header_name(name) {
            return Err(format!("{} is not the name of a header", shown(name)));
        }
        if value.is_empty() || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!(
                "the value of {} is empty or holds a line break; it has to be one line",
                shown(name)
            ));
        }
        sorted.insert(name, value);
    }
    if sorted.is_empty() || sorted.len() > TABLE_KEYS_MAX {
        return Err(format!("has to have 1 to {TABLE_KEYS_MAX} headers"));
    }
    serde_json::to_string(&sorted).map_err(|error| error.to_string())
}

/// Letters, digits and the marks that RFC 9110 allows in a token.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LINE_BYTES_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Reads a secret field of a file.
pub(super) fn read_secret(field: &Field<'_>, form: SecretForm) -> Option<SecretText> {
    if let Some(value) = field.as_text() {
        return match check(form, value) {
            Ok(secret) => Some(SecretText::Inline(secret)),
            Err(why) => {
                field.problem(why);
                None
            }
        };
    }
    if !field.is_table() {
        field.problem("has to be text in quotes, { env = \"…\" } or { file = \"…\" }");
        return None;
    }
    let table = field.table()?;
    // One lone `env` or `file` is a reference; anything else of headers is a header.
    let reference =
        table.keys() == 1 && (table.peek("env").is_some() || table.peek("file").is_some());
    match form {
        SecretForm::Headers if !reference => read_headers(field),
        SecretForm::Headers | SecretForm::Text | SecretForm::Address => {
            let env = table.take("env");
            let file = table.take("file");
            let found = match (env, file) {
                (Some(env), None) => env.line().and_then(|name| {
                    if name.contains('=') {
                        env.problem("is not the name of a variable: it holds `=`");
                        return None;
                    }
                    Some(SecretText::Env(name))
                }),
                (None, Some(file)) => file.line().map(SecretText::File),
                // An unknown key says enough by itself.
                (None, None) if table.keys() > 0 => None,
                (None, None) => {
                    field.problem("says neither where the secret is nor what: write text in quotes, { env = \"…\" } or { file = \"…\" }");
                    None
                }
                (Some(_), Some(_)) => {
                    field.problem("names both `env` and `file`; leave one out");
                    None
                }
            };
            table.finish(Later::Nothing, |_| None);
            found
        }
    }
}

fn read_headers(field: &Field<'_>) -> Option<SecretText> {
    let table = field.table()?;
    let mut headers = BTreeMap::new();
    let mut whole = true;
    for (name, value) in table.rest() {
        if !is_header_name(name) {
            value.problem("is not the name of a header");
            whole = false;
        }
        match read_secret(&value, SecretForm::Text) {
            Some(text) => {
                headers.insert(name.to_owned(), text);
            }
            None => whole = false,
        }
    }
    if !whole {
        return None;
    }
    let complete = headers
        .values()
        .all(|value| matches!(value, SecretText::Inline(_)));
    let text = SecretText::Table(headers);
    if !complete {
        return Some(text);
    }
    match value_of(&text, None, SecretForm::Headers) {
        Ok(secret) => secret.map(SecretText::Inline),
        Err(why) => {
            field.problem(why);
            None
        }
    }
}

/// Secrets of an entity while it is read.
#[derive(Default)]
pub(super) struct Secrets {
    pub texts: BTreeMap<String, SecretText>,
    pub places: BTreeMap<String, Place>,
}

impl Secrets {
    pub fn read(&mut self, name: &str, field: &Field<'_>, form: SecretForm) {
        if let Some(text) = read_secret(field, form) {
            self.texts.insert(name.to_owned(), text);
            self.places.insert(name.to_owned(), field.place());
        }
    }
}
