//! What stands for the engine's operators in a guarded source: each has a bound, and pays for its
//! work before it does it.
//!
//! The engine itself charges a filter for the text it works on and for what it gives; what is paid
//! here is the rest: other arguments, and steps over elements.
//!
//! **Invariant:** no function here makes a text longer than [`TEXT_BYTES_MAX`] or a list longer than
//! [`LIST_ELEMENTS_MAX`], and none walks a list inside a list.

use std::borrow::Cow;
use std::cmp::Ordering;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::bounds::{FAULTS_MAX, LIST_ELEMENTS_MAX, TEXT_BYTES_MAX};

/// Bytes that one unit of fuel pays for.
const BYTES_PER_FUEL: usize = 64;

/// What went wrong without failing: values that were missing.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub missing: Vec<String>,
    pub left_out: usize,
}

impl Faults {
    /// Notes what is missing, once, and counts what is beyond the bound.
    pub fn note(&mut self, what: &str) {
        if self.missing.iter().any(|known| known == what) {
            return;
        }
        if self.missing.len() < FAULTS_MAX {
            self.missing.push(what.to_owned());
        } else {
            self.left_out += 1;
        }
    }
}

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("_raw", |text: &str| {
        Value::from_safe_string(text.to_owned())
    });
    env.add_filter("_kept", |text: &Value| {
        fits(text.as_str().map_or(0, str::len))?;
        Ok::<_, Error>(text.clone())
    });
    env.add_filter("_show", show);
    env.add_filter("_have", have);
    env.add_filter("_each", each);
    env.add_filter("_one", one);
    env.add_filter("_number", number);
    env.add_filter("_add", add);
    env.add_filter("_join", join);
    env.add_filter("_eq", equal);
    env.add_filter("_lt", |left: &Value, right: &Value| {
        ordered(left, right, Ordering::is_lt)
    });
    env.add_filter("_le", |left: &Value, right: &Value| {
        ordered(left, right, Ordering::is_le)
    });
    env.add_filter("_gt", |left: &Value, right: &Value| {
        ordered(left, right, Ordering::is_gt)
    });
    env.add_filter("_ge", |left: &Value, right: &Value| {
        ordered(left, right, Ordering::is_ge)
    });
    env.add_filter("_in", contained);
    env.add_filter("_item", item);
    env.add_filter("_slice", slice);
    env.add_filter("_starts", |state: &State, value: &Value, start: &str| {
        affix(state, value, start, |text, start| text.starts_with(start))
    });
    env.add_filter("_ends", |state: &State, value: &Value, end: &str| {
        affix(state, value, end, |text, end| text.ends_with(end))
    });
}

pub(super) fn refuse(reason: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// Pays for reading or making this many bytes.
pub(super) fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / BYTES_PER_FUEL) as u64)
}

/// Pays for comparing two values that the engine does not see.
pub(super) fn charge_comparison(state: &State, left: &Value, right: &Value) -> Result<(), Error> {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => charge(state, left.len().min(right.len())),
        _ => Ok(()),
    }
}

/// A text that an expression made, if it is not too long.
pub(super) fn bounded(text: String) -> Result<Value, Error> {
    fits(text.len())?;
    Ok(Value::from(text))
}

pub(super) fn fits(bytes: usize) -> Result<(), Error> {
    if bytes > TEXT_BYTES_MAX {
        return Err(refuse(format!(
            "makes a text longer than {} KiB",
            TEXT_BYTES_MAX / 1_024
        )));
    }
    Ok(())
}

/// The text of a value that is no list or map. Missing is empty.
pub(super) fn text_of(value: &Value) -> Result<Cow<'_, str>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Cow::Borrowed(text));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Cow::Borrowed("")),
        ValueKind::Bool => Ok(Cow::Borrowed(if value.is_true() {
            "true"
        } else {
            "false"
        })),
        ValueKind::Number => Ok(Cow::Owned(value.to_string())),
        _ => Err(refuse(
            "a list or map is not a text: use `join` or `tojson` to make one of it",
        )),
    }
}

/// The elements of a list, the keys of a map; missing has none.
pub(super) fn elements(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Vec::new()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let mut elements = Vec::new();
            for element in value.try_iter()? {
                if elements.len() == LIST_ELEMENTS_MAX {
                    return Err(refuse(format!(
                        "a list has more than {LIST_ELEMENTS_MAX} elements"
                    )));
                }
                elements.push(element);
            }
            state.consume_fuel(elements.len() as u64 / 2)?;
            Ok(elements)
        }
        kind => Err(refuse(format!("a {kind} is not a list"))),
    }
}

fn is_single(value: &Value) -> bool {
    !matches!(
        value.kind(),
        ValueKind::Seq
            | ValueKind::Iterable
            | ValueKind::Map
            | ValueKind::Plain
            | ValueKind::Bytes
            | ValueKind::Invalid
    )
}

fn one(value: &Value) -> Result<Value, Error> {
    if is_single(value) {
        Ok(value.clone())
    } else {
        Err(refuse("a list or map may hold only texts and numbers"))
    }
}

fn each(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            if value.len().is_none_or(|len| len > LIST_ELEMENTS_MAX) {
                return Err(refuse(format!(
                    "a list has more than {LIST_ELEMENTS_MAX} elements"
                )));
            }
            Ok(value.clone())
        }
        kind => Err(refuse(format!("a {kind} cannot be looped over"))),
    }
}

fn number(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number => Ok(value.clone()),
        ValueKind::Undefined | ValueKind::None => {
            Err(refuse("a missing value cannot be calculated with"))
        }
        ValueKind::String => Err(refuse(
            "a text cannot be calculated with: write `x|int` or `x|float`",
        )),
        kind => Err(refuse(format!("a {kind} cannot be calculated with"))),
    }
}

fn add(left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        fits(left.len() + right.len())?;
        return Ok(Value::from([left, right].concat()));
    }
    if left.as_str().is_some() || right.as_str().is_some() {
        return Err(refuse(
            "a text and a number cannot be added: use `~` to join them",
        ));
    }
    let (left, right) = (number(left)?, number(right)?);
    if left.is_integer() && right.is_integer() {
        let (left, right) = (i128::try_from(left)?, i128::try_from(right)?);
        let sum = left
            .checked_add(right)
            .ok_or_else(|| refuse("a number is too large"))?;
        return Ok(i64::try_from(sum).map_or(Value::from(sum), Value::from));
    }
    Ok(Value::from(f64::try_from(left)? + f64::try_from(right)?))
}

fn join(first: &Value, rest: &[Value]) -> Result<Value, Error> {
    let mut parts = Vec::with_capacity(rest.len() + 1);
    parts.push(text_of(first)?);
    for part in rest {
        parts.push(text_of(part)?);
    }
    fits(parts.iter().map(|part| part.len()).sum())?;
    Ok(Value::from(parts.concat()))
}

/// A number, or a text that is one: labels are texts whatever they count.
fn as_number(value: &Value) -> Option<f64> {
    /// Longer texts are not read as numbers.
    const DIGITS_MAX: usize = 40;
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => {
            let text = value.as_str()?.trim();
            let plain = text.len() <= DIGITS_MAX
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
            if plain { text.parse().ok() } else { None }
        }
        _ => None,
    }
}

pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Error> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(left == right);
    }
    if left.kind() == ValueKind::Number || right.kind() == ValueKind::Number {
        if left.is_integer() && right.is_integer() {
            return Ok(left == right);
        }
        return Ok(matches!(
            (as_number(left), as_number(right)),
            (Some(left), Some(right)) if left == right
        ));
    }
    if is_single(left) || is_single(right) {
        return Ok(left == right);
    }
    Err(refuse("lists and maps cannot be compared"))
}

/// Order of two numbers or two texts. With anything missing, and between a number and a word, the
/// answer is no.
fn ordered(left: &Value, right: &Value, holds: fn(Ordering) -> bool) -> Result<bool, Error> {
    Ok(order(left, right)?.is_some_and(holds))
}

pub(super) fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Error> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(Some(left.cmp(right)));
    }
    if left.is_integer() && right.is_integer() {
        return Ok(Some(left.cmp(right)));
    }
    if left.kind() == ValueKind::Number || right.kind() == ValueKind::Number {
        return Ok(match (as_number(left), as_number(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => None,
        });
    }
    if left.kind() == ValueKind::Bool && right.kind() == ValueKind::Bool {
        return Ok(Some(left.cmp(right)));
    }
    if is_single(left) && is_single(right) {
        return Ok(None);
    }
    Err(refuse("lists and maps cannot be compared"))
}

fn contained(state: &State, value: &Value, container: &Value) -> Result<bool, Error> {
    if let Some(text) = container.as_str() {
        charge(state, text.len())?;
        return Ok(match value.kind() {
            ValueKind::Undefined | ValueKind::None => false,
            _ => text.contains(text_of(value)?.as_ref()),
        });
    }
    if !is_single(value) {
        return Err(refuse("a list or map cannot be in another"));
    }
    if value.is_undefined() {
        return Ok(false);
    }
    for element in elements(state, container)? {
        charge_comparison(state, value, &element)?;
        if is_single(&element) && equal(value, &element)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn item(state: &State, value: &Value, key: &Value) -> Result<Value, Error> {
    if !is_single(key) {
        return Err(refuse("a list or map is no key"));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let Some(index) = key.as_i64() else {
                return Ok(Value::UNDEFINED);
            };
            let elements = elements(state, value)?;
            let index = if index < 0 {
                index + elements.len() as i64
            } else {
                index
            };
            Ok(usize::try_from(index)
                .ok()
                .and_then(|index| elements.get(index).cloned())
                .unwrap_or_default())
        }
        ValueKind::Map => Ok(value.get_item(key).unwrap_or_default()),
        ValueKind::String => slice(
            state,
            value,
            key,
            &match key.as_i64() {
                Some(-1) | None => Value::from(()),
                Some(index) => Value::from(index.saturating_add(1)),
            },
        ),
        _ => Ok(Value::UNDEFINED),
    }
}

/// Where a slice begins and ends among so many, as Python counts.
fn span(start: &Value, stop: &Value, length: usize) -> Result<(usize, usize), Error> {
    let place = |value: &Value, missing: usize| -> Result<usize, Error> {
        if value.is_none() || value.is_undefined() {
            return Ok(missing);
        }
        let place = value
            .as_i64()
            .ok_or_else(|| refuse("a slice is counted in whole numbers"))?;
        let place = if place < 0 {
            place.saturating_add(length as i64).max(0)
        } else {
            place
        };
        Ok(usize::try_from(place).unwrap_or(length).min(length))
    };
    let start = place(start, 0)?;
    Ok((start, place(stop, length)?.max(start)))
}

fn slice(state: &State, value: &Value, start: &Value, stop: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let (start, stop) = span(start, stop, text.chars().count())?;
            Ok(Value::from(
                text.chars()
                    .skip(start)
                    .take(stop - start)
                    .collect::<String>(),
            ))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let elements = elements(state, value)?;
            let (start, stop) = span(start, stop, elements.len())?;
            Ok(Value::from(elements[start..stop].to_vec()))
        }
        ValueKind::Undefined | ValueKind::None => Ok(Value::UNDEFINED),
        kind => Err(refuse(format!("a {kind} cannot be cut"))),
    }
}

pub(super) fn affix(
    state: &State,
    value: &Value,
    affix: &str,
    holds: fn(&str, &str) -> bool,
) -> Result<bool, Error> {
    charge(state, affix.len())?;
    Ok(value.as_str().is_some_and(|text| holds(text, affix)))
}

/// Notes that a value is missing and passes it on.
fn have(state: &mut State, value: &Value, what: &str) -> Value {
    if value.is_undefined() {
        let faults = state.get_or_insert_extension_with(Faults::default);
        faults.note(what);
    }
    value.clone()
}

/// What a value shows as: a list or map as JSON, missing as nothing.
fn show(state: &mut State, value: &Value, what: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => {
            have(state, value, what);
            Ok(Value::from(""))
        }
        ValueKind::None => Ok(Value::from("")),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            super::json::value_of(state, value)
        }
        ValueKind::Bool | ValueKind::Number | ValueKind::String => Ok(value.clone()),
        kind => Err(refuse(format!("a {kind} has no text"))),
    }
}
