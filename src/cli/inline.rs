//! Files on their way to a running program: what they refer to on this machine is put in.
//!
//! The program refuses references that arrive over HTTP, because they would read *its* environment
//! and disk. Here they read the ones of the person who applies the file, which is what is meant.

use toml::de::{DeTable, DeValue};

use super::failure::Failure;
use super::printer::{complain, escaped};
use crate::config::{Outside, Problem};

/// A reference, with where it stands in the text.
struct Reference {
    start: usize,
    end: usize,
    from: From,
}

enum From {
    Variable(String),
    File(String),
}

/// The text with every `{ env = … }` and `{ file = … }` replaced by its value. Lines stay lines, so
/// that places in problems fit the file.
pub fn inlined(file: &str, text: &str, outside: &dyn Outside) -> Result<String, Failure> {
    let Ok(table) = DeTable::parse(text) else {
        // The program says what is wrong with it, as it does for everything else.
        return Ok(text.to_owned());
    };
    let mut references = Vec::new();
    in_table(text, table.get_ref(), &mut references);
    references.sort_by_key(|reference| reference.start);
    let mut whole = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut at = 0;
    for reference in &references {
        match value(&reference.from, outside) {
            Ok(value) => {
                whole.push_str(&text[at..reference.start]);
                whole.push_str(&quoted(&value));
                at = reference.end;
            }
            Err(message) => problems.push(problem(file, text, reference.start, message)),
        }
    }
    whole.push_str(&text[at..]);
    if problems.is_empty() {
        return Ok(whole);
    }
    for problem in &problems {
        complain(&escaped(&problem.to_string()));
    }
    Err(Failure::Said(2))
}

fn in_table(text: &str, table: &DeTable<'_>, found: &mut Vec<Reference>) {
    for value in table.values() {
        in_value(text, value.get_ref(), value.span(), found);
    }
}

fn in_value(
    text: &str,
    value: &DeValue<'_>,
    span: std::ops::Range<usize>,
    found: &mut Vec<Reference>,
) {
    match value {
        DeValue::Table(table) => {
            let is_inline = text
                .get(span.clone())
                .is_some_and(|text| text.starts_with('{'));
            match reference(table) {
                Some(from) if is_inline => found.push(Reference {
                    start: span.start,
                    end: span.end,
                    from,
                }),
                Some(_) | None => in_table(text, table, found),
            }
        }
        DeValue::Array(array) => {
            for value in array.iter() {
                in_value(text, value.get_ref(), value.span(), found);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

fn reference(table: &DeTable<'_>) -> Option<From> {
    let mut entries = table.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return None;
    };
    let DeValue::String(value) = value.get_ref() else {
        return None;
    };
    match key.get_ref().as_ref() {
        "env" => Some(From::Variable(value.to_string())),
        "file" => Some(From::File(value.to_string())),
        _ => None,
    }
}

fn value(from: &From, outside: &dyn Outside) -> Result<String, String> {
    let (value, what) = match from {
        From::Variable(name) => (
            outside
                .env(name)
                .ok_or_else(|| format!("the variable {name} is not set; set it"))?,
            format!("the variable {name}"),
        ),
        From::File(path) => {
            let text = outside
                .file(path)
                .map_err(|why| format!("the file {path} cannot be read: {why}"))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            (line.to_owned(), format!("the file {path}"))
        }
    };
    if value.trim().is_empty() {
        return Err(format!("{what} is empty; give it a value"));
    }
    Ok(value)
}

/// A basic string of one line.
fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn problem(file: &str, text: &str, offset: usize, message: String) -> Problem {
    let before = text.get(..offset).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Problem {
        file: file.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        field: String::new(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Own;

    impl Outside for Own {
        fn env(&self, name: &str) -> Option<String> {
            (name == "SET").then(|| "a \"b\" \\ c\u{1}".to_owned())
        }

        fn file(&self, path: &str) -> Result<String, String> {
            match path {
                "there" => Ok("from the file\n".to_owned()),
                _ => Err("not there".to_owned()),
            }
        }
    }

    #[test]
    fn references_become_values_and_lines_stay() {
        let cases = [
            (
                "[[provider]]\nsecret = { env = \"SET\" }\n",
                "[[provider]]\nsecret = \"a \\\"b\\\" \\\\ c\\u0001\"\n",
            ),
            (
                "a = [ { file = 'there' }, { env = \"SET\", b = 1 } ]",
                "a = [ \"from the file\", { env = \"SET\", b = 1 } ]",
            ),
            (
                "headers = { \"X-Key\" = { file = \"there\" } } # { env = \"SET\" }\n",
                "headers = { \"X-Key\" = \"from the file\" } # { env = \"SET\" }\n",
            ),
            ("not toml at all = = ", "not toml at all = = "),
        ];
        for (text, expected) in cases {
            assert_eq!(inlined("f", text, &Own).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_there_is_a_problem() {
        for text in ["a = { env = \"UNSET\" }", "a = { file = \"nowhere\" }"] {
            assert!(matches!(inlined("f", text, &Own), Err(Failure::Said(2))));
        }
    }
}
