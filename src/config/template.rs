//! `[[template]]`: every key that is not its own field is an entry for a notice kind.

use super::later::Later;
use super::names::{Names, Parts};
use super::reader::{Field, Reader};
use super::secrets::Secrets;
use super::wording::{http_address, nearest, shown};
use super::{BUTTONS_MAX, LINE_BYTES_MAX, TABLE_KEYS_MAX, WORDS_BYTES_MAX};
use crate::domain::spec::{ButtonSpec, EntitySpec, TemplateSpec, WordsSpec};

/// The entry that serves every kind without one of its own.
const ENTRY_DEFAULT: &str = "default";
/// Keys of a template that are not entries.
const FIELDS: [&str; 3] = ["name", "description", "locale"];
/// Formats that may have a whole text of their own.
pub(super) const FORMATS: [&str; 4] = ["telegram", "discord", "email", "plain"];
/// How alike a key has to be to a known one to be taken for a slip: mappings may make any kind, so
/// what is unlike every known one is taken as it stands.
const SLIP_LETTERS_MAX: usize = 2;

pub(super) fn read(reader: Reader<'_>, name: String, names: &Names<'_>) -> Parts {
    let mut spec = TemplateSpec {
        name,
        description: reader.description(),
        locale: reader.take("locale").and_then(|field| field.locale()),
        entries: Default::default(),
    };
    let entries = reader.rest();
    if entries.is_empty() {
        reader.problem("says nothing; give it an entry for a notice kind, or `default`");
    }
    if entries.len() > TABLE_KEYS_MAX {
        reader.problem(format!("has more than {TABLE_KEYS_MAX} entries; split it"));
    }
    for (kind, field) in entries {
        if Later::Template.has(kind) {
            field.problem(format!(
                "this version does not have {} on a template yet; leave it out",
                shown(kind)
            ));
            continue;
        }
        check_kind(kind, &field, names);
        if let Some(words) = read_words(&field, names) {
            spec.entries.insert(kind.to_owned(), words);
        }
    }
    Parts {
        spec: EntitySpec::Template(spec),
        secrets: Secrets::default(),
        secret_fields: Vec::new(),
    }
}

fn check_kind(kind: &str, field: &Field<'_>, names: &Names<'_>) {
    let known = names.notice_kinds();
    if kind == ENTRY_DEFAULT || known.contains(kind) {
        return;
    }
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if kind.is_empty() || kind.len() > LINE_BYTES_MAX || !kind.bytes().all(is_word) {
        field.problem(format!(
            "{} is not a notice kind: small letters, digits and `_`",
            shown(kind)
        ));
        return;
    }
    let candidates = known.iter().copied().chain(FIELDS).chain([ENTRY_DEFAULT]);
    if let Some(near) = nearest(kind, candidates)
        && strsim::osa_distance(kind, near) <= SLIP_LETTERS_MAX
    {
        field.problem(format!(
            "no provider kind has a notice kind {}; did you mean {}?",
            shown(kind),
            shown(near)
        ));
    }
}

/// A single text is the whole message: it becomes `text` and there is no title beside it.
fn read_words(field: &Field<'_>, names: &Names<'_>) -> Option<WordsSpec> {
    let words = names.checks.words;
    if !field.is_table() {
        if field.as_text().is_none() {
            field.problem(
                "has to be a text, or a table of title, text, buttons and texts per format",
            );
            return None;
        }
        return Some(WordsSpec {
            text: Some(field.compiled(WORDS_BYTES_MAX, words)?),
            ..WordsSpec::default()
        });
    }
    let table = field.table()?;
    let text = |field: Option<Field<'_>>| field.and_then(|f| f.compiled(WORDS_BYTES_MAX, words));
    let mut spec = WordsSpec {
        title: text(table.take("title")),
        text: text(table.take("text")),
        ..WordsSpec::default()
    };
    for format in FORMATS {
        if let Some(text) = text(table.take(format)) {
            spec.formats.insert(format.to_owned(), text);
        }
    }
    if let Some(buttons) = table.take("buttons") {
        for button in buttons.list(BUTTONS_MAX).unwrap_or_default() {
            spec.buttons.extend(read_button(&button, names));
        }
    }
    if table.keys() == 0 {
        field.problem("says nothing; give it a text, or leave it out");
    }
    table.finish(Later::Nothing, |_| None);
    Some(spec)
}

fn read_button(field: &Field<'_>, names: &Names<'_>) -> Option<ButtonSpec> {
    let table = field.table()?;
    let words = names.checks.words;
    let text = table
        .need("text")
        .and_then(|f| f.compiled(WORDS_BYTES_MAX, words));
    let url = table.need("url").and_then(|field| {
        let url = field.compiled(WORDS_BYTES_MAX, words)?;
        // An address that is made when the message is rendered is judged there.
        if !url.contains('{')
            && let Err(why) = http_address(&url)
        {
            field.problem(why);
        }
        Some(url)
    });
    table.finish(Later::Nothing, |_| None);
    Some(ButtonSpec {
        text: text?,
        url: url?,
    })
}
