//! Filters that make numbers.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};

use crate::templates::guards::{elements, refuse};

pub(super) fn sum(state: &State, value: &Value) -> Result<Value, Error> {
    let mut sum = 0f64;
    let mut integers = true;
    for element in elements(state, value)? {
        let number = as_float(&element).ok_or_else(|| refuse("`sum` needs numbers"))?;
        integers &= number.fract() == 0.0;
        sum += number;
    }
    Ok(if integers {
        whole(sum)
    } else {
        Value::from(sum)
    })
}

/// A number, or a text that is one.
pub(in crate::templates) fn as_float(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool => f64::try_from(value.clone()).ok(),
        ValueKind::String => {
            let number = value.as_str()?.trim().parse::<f64>().ok()?;
            number.is_finite().then_some(number)
        }
        _ => None,
    }
}

/// A float without a fraction as an integer, where it fits.
pub(super) fn whole(number: f64) -> Value {
    /// Above this a float does not count in ones.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.abs() <= EXACT_MAX {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

pub(super) fn int(value: &Value, otherwise: Option<Value>) -> Value {
    if value.is_integer() {
        return value.clone();
    }
    if let Some(number) = value
        .as_str()
        .and_then(|text| text.trim().parse::<i64>().ok())
    {
        return Value::from(number);
    }
    match as_float(value) {
        Some(number) => whole(number.trunc()),
        None => otherwise.unwrap_or_else(|| Value::from(0)),
    }
}

pub(super) fn float(value: &Value, otherwise: Option<Value>) -> Value {
    match as_float(value) {
        Some(number) => Value::from(number),
        None => otherwise.unwrap_or_else(|| Value::from(0.0)),
    }
}

pub(super) fn round(value: &Value, digits: Option<i32>) -> Result<Value, Error> {
    /// More digits than a float has.
    const DIGITS_MAX: i32 = 15;
    let number = as_float(value).ok_or_else(|| refuse("`round` needs a number"))?;
    let digits = digits.unwrap_or(0).clamp(0, DIGITS_MAX);
    if digits == 0 {
        return Ok(whole(number.round()));
    }
    let scale = 10f64.powi(digits);
    let rounded = (number * scale).round() / scale;
    Ok(Value::from(if rounded.is_finite() {
        rounded
    } else {
        number
    }))
}
