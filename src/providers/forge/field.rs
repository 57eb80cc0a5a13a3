//! Reading single fields of a payload. Nothing here fails: what is missing or of another type is
//! absent.

use std::borrow::Cow;

use serde_json::Value;

static NOTHING: Value = Value::Null;

/// The value at a path of member names; null where it is missing.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| {
        value
            .as_object()
            .and_then(|members| members.get(*name))
            .unwrap_or(&NOTHING)
    })
}

/// A text that says something.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)
        .as_str()
        .filter(|text| !text.trim_ascii().is_empty())
}

/// A number or a text, as text: ids are both, depending on the service and its version.
pub fn id<'a>(value: &'a Value, path: &[&str]) -> Option<Cow<'a, str>> {
    match at(value, path) {
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::String(text) if !text.trim_ascii().is_empty() => Some(Cow::Borrowed(text)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

pub fn flag(value: &Value, path: &[&str]) -> bool {
    at(value, path).as_bool().unwrap_or(false)
}

/// The elements at a path; none where there is no list.
pub fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// A moment as microseconds since 1970, written as RFC 3339 or as seconds since 1970. Moments
/// before 1970 are what some senders write for "never".
pub fn time(value: &Value, path: &[&str]) -> Option<i64> {
    let micros = match at(value, path) {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok()?.as_microsecond(),
        Value::Number(number) => number.as_i64()?.checked_mul(1_000_000)?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (micros > 0).then_some(micros)
}

/// How a person or bot is called, from an object that describes it.
pub fn person<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    let person = at(value, path);
    ["login", "username", "name", "full_name", "slug"]
        .iter()
        .find_map(|name| text(person, &[name]))
}

/// The names of listed things, `bug, help wanted`; absent when there are none.
pub fn names(value: &Value, path: &[&str], max: usize) -> Option<String> {
    let mut names = String::new();
    let list = list(value, path);
    for thing in list.iter().take(max) {
        let Some(name) = thing
            .as_str()
            .or_else(|| person(thing, &[]))
            .or_else(|| text(thing, &["title"]))
        else {
            continue;
        };
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(name);
    }
    if list.len() > max {
        names.push_str(", …");
    }
    (!names.is_empty()).then_some(names)
}
