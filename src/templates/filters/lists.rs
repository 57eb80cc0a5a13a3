//! Filters over lists and maps.

use std::cmp::Ordering;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, State};
use unicode_segmentation::UnicodeSegmentation;

use super::texts::on_text;
use crate::templates::bounds::LIST_ELEMENTS_MAX;
use crate::templates::guards::{
    bounded, charge, charge_comparison, elements, equal, fits, order, refuse, text_of,
};

pub(super) fn end_of(state: &State, value: &Value, first: bool) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        let found = if first {
            text.chars().next()
        } else {
            text.chars().next_back()
        };
        return Ok(found.map(Value::from).unwrap_or_default());
    }
    let elements = elements(state, value)?;
    let found = if first {
        elements.first()
    } else {
        elements.last()
    };
    Ok(found.cloned().unwrap_or_default())
}

pub(super) fn length(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().count()));
    }
    value
        .len()
        .map(Value::from)
        .ok_or_else(|| refuse(format!("a {} has no length", value.kind())))
}

/// The elements, or one attribute of each.
pub(super) fn attributes(
    state: &State,
    value: &Value,
    name: Option<&str>,
) -> Result<Vec<Value>, Error> {
    let elements = elements(state, value)?;
    Ok(match name {
        Some(name) => elements
            .iter()
            .map(|element| element.get_attr(name).unwrap_or_default())
            .collect(),
        None => elements,
    })
}

pub(super) fn join(
    state: &State,
    value: &Value,
    separator: Option<&str>,
    options: Kwargs,
) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    let elements = attributes(state, value, options.get("attribute")?)?;
    options.assert_all_used()?;
    let separator = separator.unwrap_or("");
    let mut joined = String::new();
    for (index, element) in elements.iter().enumerate() {
        let part = text_of(element)?;
        fits(joined.len() + part.len() + separator.len())?;
        charge(state, part.len() + separator.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&part);
    }
    bounded(joined)
}

pub(super) fn sorted(
    state: &State,
    value: &Value,
    name: Option<&str>,
) -> Result<Vec<Value>, Error> {
    let elements = elements(state, value)?;
    let mut keyed = Vec::with_capacity(elements.len());
    for element in elements {
        let key = match name {
            Some(name) => element.get_attr(name).unwrap_or_default(),
            None => element.clone(),
        };
        keyed.push((key, element));
    }
    let mut failed = None;
    keyed.sort_by(|(left, _), (right, _)| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        // Pays for the step as well as for the bytes.
        match state
            .consume_fuel(1)
            .and_then(|()| charge_comparison(state, left, right))
            .and_then(|()| order(left, right))
        {
            Ok(found) => found.unwrap_or(Ordering::Equal),
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, element)| element).collect()),
    }
}

pub(super) fn unique(state: &State, value: &Value) -> Result<Value, Error> {
    let mut kept: Vec<Value> = Vec::new();
    for element in elements(state, value)? {
        let mut known = false;
        for other in &kept {
            state.consume_fuel(1)?;
            charge_comparison(state, other, &element)?;
            if equal(other, &element)? {
                known = true;
                break;
            }
        }
        if !known {
            kept.push(element);
        }
    }
    Ok(Value::from(kept))
}

pub(super) fn reverse(state: &State, value: &Value) -> Result<Value, Error> {
    if value.as_str().is_some() {
        return on_text(value, |text| Ok(text.graphemes(true).rev().collect()));
    }
    let mut elements = elements(state, value)?;
    elements.reverse();
    Ok(Value::from(elements))
}

pub(super) fn items(state: &State, value: &Value) -> Result<Value, Error> {
    if !matches!(
        value.kind(),
        ValueKind::Map | ValueKind::Undefined | ValueKind::None
    ) {
        return Err(refuse(format!("a {} has no items", value.kind())));
    }
    let mut pairs = Vec::new();
    for key in elements(state, value)? {
        let found = value.get_item(&key).unwrap_or_default();
        pairs.push(Value::from(vec![key, found]));
    }
    state.consume_fuel(pairs.len() as u64)?;
    Ok(Value::from(pairs))
}

pub(super) fn range(first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, end) = match end {
        Some(end) => (first, end),
        None => (0, first),
    };
    let step = step.unwrap_or(1);
    let distance = i128::from(end) - i128::from(start);
    let count = match step {
        0 => return Err(refuse("`range` needs a step other than 0")),
        _ if (distance > 0) != (step > 0) || distance == 0 => 0,
        _ => distance
            .unsigned_abs()
            .div_ceil(i128::from(step).unsigned_abs()),
    };
    if count > LIST_ELEMENTS_MAX as u128 {
        return Err(refuse(format!(
            "`range` makes more than {LIST_ELEMENTS_MAX} numbers"
        )));
    }
    Ok((0..count as i64)
        .map(|index| Value::from(start.saturating_add(index.saturating_mul(step))))
        .collect())
}
