//! Values as JSON, written within the bound on texts.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};

use super::bounds::LIST_ELEMENTS_MAX;
use super::guards::{bounded, charge, fits, refuse};

/// Deepest nesting written; what a context holds is at most four deep.
const NESTING_MAX: usize = 16;

/// The JSON of a value, as a text.
pub(super) fn value_of(state: &State, value: &Value) -> Result<Value, Error> {
    let mut text = String::new();
    write(&mut text, value, 0)?;
    charge(state, text.len() * 4)?;
    bounded(text)
}

fn write(text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > NESTING_MAX {
        return Err(refuse("is nested too deep for JSON"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => text.push_str("null"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => text.push_str(&value.to_string()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone())?;
            let number = serde_json::Number::from_f64(number)
                .ok_or_else(|| refuse("a number has no JSON"))?;
            text.push_str(&number.to_string());
        }
        ValueKind::String => write_text(text, value.as_str().unwrap_or_default())?,
        ValueKind::Map => {
            text.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                limit(index)?;
                if index > 0 {
                    text.push(',');
                }
                write_text(text, &super::guards::text_of(&key)?)?;
                text.push(':');
                write(text, &value.get_item(&key)?, depth + 1)?;
                fits(text.len())?;
            }
            text.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            text.push('[');
            for (index, element) in value.try_iter()?.enumerate() {
                limit(index)?;
                if index > 0 {
                    text.push(',');
                }
                write(text, &element, depth + 1)?;
                fits(text.len())?;
            }
            text.push(']');
        }
        kind => return Err(refuse(format!("a {kind} has no JSON"))),
    }
    Ok(())
}

fn limit(index: usize) -> Result<(), Error> {
    if index >= LIST_ELEMENTS_MAX {
        return Err(refuse(format!(
            "a list has more than {LIST_ELEMENTS_MAX} elements"
        )));
    }
    Ok(())
}

fn write_text(text: &mut String, value: &str) -> Result<(), Error> {
    fits(text.len() + value.len())?;
    text.push_str(&serde_json::Value::from(value).to_string());
    Ok(())
}
