//! The filters and tests that a source may name.
//!
//! A filter on a missing value gives a missing value, so that what is missing is still reported when
//! it is shown; `default` is the way to say that it may be missing.
//!
//! The engine charges each for the text before it and for what it gives; they pay for the rest.

use std::cmp::Ordering;

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, State, tests};
use unicode_segmentation::UnicodeSegmentation;

use super::bounds::LIST_ELEMENTS_MAX;
use super::guards::{
    affix, bounded, charge, charge_comparison, elements, equal, fits, order, refuse, text_of,
};

/// Filters that need nothing but the value.
pub(super) const PURE: &[&str] = &[
    "lower",
    "upper",
    "capitalize",
    "trim",
    "replace",
    "truncate",
    "excerpt",
    "split",
    "lines",
    "string",
    "urlencode",
    "default",
    "d",
    "first",
    "last",
    "length",
    "count",
    "join",
    "sort",
    "unique",
    "reverse",
    "map",
    "items",
    "list",
    "min",
    "max",
    "sum",
    "int",
    "float",
    "round",
    "abs",
    "tojson",
];

/// Filters of a message: those, and what needs a zone, a locale or the time.
pub(super) const OF_TEXTS: &[&str] = &[
    "lower",
    "upper",
    "capitalize",
    "trim",
    "replace",
    "truncate",
    "excerpt",
    "split",
    "lines",
    "string",
    "urlencode",
    "default",
    "d",
    "first",
    "last",
    "length",
    "count",
    "join",
    "sort",
    "unique",
    "reverse",
    "map",
    "items",
    "list",
    "min",
    "max",
    "sum",
    "int",
    "float",
    "round",
    "abs",
    "tojson",
    "datetime",
    "date",
    "time",
    "ago",
    "duration",
    "number",
    "plural",
];

pub(super) const TESTS: &[&str] = &[
    "defined",
    "undefined",
    "none",
    "true",
    "false",
    "boolean",
    "number",
    "integer",
    "float",
    "string",
    "sequence",
    "mapping",
    "iterable",
    "odd",
    "even",
    "divisibleby",
    "startingwith",
    "endingwith",
];

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("lower", |value: &Value| {
        on_text(value, |text| Ok(text.to_lowercase()))
    });
    env.add_filter("upper", |value: &Value| {
        on_text(value, |text| Ok(text.to_uppercase()))
    });
    env.add_filter("capitalize", |value: &Value| {
        on_text(value, |text| {
            let mut chars = text.chars();
            Ok(chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect())
                .unwrap_or_default())
        })
    });
    env.add_filter("trim", |value: &Value, what: Option<&str>| {
        on_text(value, |text| {
            Ok(match what {
                Some(what) => text.trim_matches(|c| what.contains(c)).to_owned(),
                None => text.trim().to_owned(),
            })
        })
    });
    env.add_filter("string", |value: &Value| {
        on_text(value, |text| Ok(text.to_owned()))
    });
    env.add_filter("urlencode", |value: &Value| {
        on_text(value, |text| {
            Ok(
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
                    .replace("%2D", "-")
                    .replace("%2E", ".")
                    .replace("%5F", "_")
                    .replace("%7E", "~"),
            )
        })
    });
    env.add_filter("replace", replace);
    env.add_filter("truncate", truncate);
    env.add_filter("excerpt", excerpt);
    env.add_filter("split", split);
    env.add_filter("lines", lines);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("first", |state: &State, value: &Value| {
        end_of(state, value, true)
    });
    env.add_filter("last", |state: &State, value: &Value| {
        end_of(state, value, false)
    });
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("join", join);
    env.add_filter("list", |state: &State, value: &Value| {
        elements(state, value).map(Value::from)
    });
    env.add_filter("sort", |state: &State, value: &Value, options: Kwargs| {
        let mut sorted = sorted(state, value, options.get("attribute")?)?;
        if options.get::<Option<bool>>("reverse")?.unwrap_or(false) {
            sorted.reverse();
        }
        options.assert_all_used()?;
        Ok::<_, Error>(Value::from(sorted))
    });
    env.add_filter("unique", unique);
    env.add_filter("reverse", reverse);
    env.add_filter("map", |state: &State, value: &Value, options: Kwargs| {
        let name: &str = options.get("attribute")?;
        options.assert_all_used()?;
        attributes(state, value, Some(name)).map(Value::from)
    });
    env.add_filter("items", items);
    env.add_filter("min", |state: &State, value: &Value| {
        Ok::<_, Error>(sorted(state, value, None)?.into_iter().next())
    });
    env.add_filter("max", |state: &State, value: &Value| {
        Ok::<_, Error>(sorted(state, value, None)?.pop())
    });
    env.add_filter("sum", sum);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("round", round);
    env.add_filter("abs", |value: &Value| match as_float(value) {
        Some(number) if value.is_integer() => Ok(whole(number.abs())),
        Some(number) => Ok(Value::from(number.abs())),
        None => Err(refuse("`abs` needs a number")),
    });
    env.add_filter("tojson", super::json::value_of);

    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("none", tests::is_none);
    env.add_test("true", tests::is_true);
    env.add_test("false", tests::is_false);
    env.add_test("boolean", tests::is_boolean);
    env.add_test("number", tests::is_number);
    env.add_test("integer", tests::is_integer);
    env.add_test("float", tests::is_float);
    env.add_test("string", tests::is_string);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("iterable", tests::is_iterable);
    env.add_test("odd", |value: &Value| {
        value.as_i64().is_some_and(|n| n % 2 != 0)
    });
    env.add_test("even", |value: &Value| {
        value.as_i64().is_some_and(|n| n % 2 == 0)
    });
    env.add_test("divisibleby", |value: &Value, by: i64| {
        value
            .as_i64()
            .and_then(|n| n.checked_rem(by))
            .is_some_and(|rest| rest == 0)
    });
    env.add_test(
        "startingwith",
        |state: &State, value: &Value, start: &str| {
            affix(state, value, start, |text, start| text.starts_with(start))
        },
    );
    env.add_test("endingwith", |state: &State, value: &Value, end: &str| {
        affix(state, value, end, |text, end| text.ends_with(end))
    });

    env.add_function("range", range);
}

/// A text made of a text, within the bound. Missing stays missing.
fn on_text(
    value: &Value,
    make: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    bounded(make(&text_of(value)?)?)
}

fn replace(state: &State, value: &Value, from: &str, to: &str) -> Result<Value, Error> {
    on_text(value, |text| {
        charge(state, from.len() + to.len())?;
        if from.is_empty() {
            return Ok(text.to_owned());
        }
        let found = text.matches(from).count();
        fits(text.len() + found.saturating_mul(to.len().saturating_sub(from.len())))?;
        Ok(text.replace(from, to))
    })
}

/// Cuts to so many characters as a person counts them, the end included.
fn cut(text: &str, length: usize, end: &str) -> String {
    let mut places = text.grapheme_indices(true).map(|(place, _)| place);
    // Whatever is beyond is only looked at to know that it is there.
    let Some(_) = places.clone().nth(length) else {
        return text.to_owned();
    };
    let kept = length.saturating_sub(end.graphemes(true).count());
    let place = places.nth(kept).unwrap_or(text.len());
    format!("{}{end}", text[..place].trim_end())
}

fn truncate(
    state: &State,
    value: &Value,
    rest: Rest<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    /// Characters kept when nothing is said.
    const LENGTH: usize = 120;
    let length = match rest.first() {
        Some(length) => Some(usize::try_from(length.clone())?),
        None => options.get("length")?,
    };
    // The second place may hold Jinja's `killwords`, which has no meaning here.
    let placed = rest.iter().skip(1).find_map(|value| value.as_str());
    let end: Option<&str> = match placed {
        Some(end) => Some(end),
        None => options.get("end")?,
    };
    let _: Option<bool> = options.get("killwords")?;
    options.assert_all_used()?;
    on_text(value, |text| {
        charge(state, text.len() * 8)?;
        Ok(cut(text, length.unwrap_or(LENGTH), end.unwrap_or("…")))
    })
}

/// The beginning of a long text: so many lines and characters, with `…` when there is more.
fn excerpt(
    state: &State,
    value: &Value,
    chars: Option<usize>,
    lines: Option<usize>,
) -> Result<Value, Error> {
    /// What a person reads on a phone without opening anything.
    const CHARS: usize = 600;
    const LINES: usize = 10;
    on_text(value, |text| {
        charge(state, text.len() * 8)?;
        let text = text.trim();
        let lines = lines.unwrap_or(LINES).max(1);
        let chars = chars.unwrap_or(CHARS);
        Ok(match text.match_indices('\n').nth(lines - 1) {
            Some((end, _)) => {
                let kept = cut(text[..end].trim_end(), chars.saturating_sub(2), "");
                format!("{}\n…", kept.trim_end())
            }
            None => cut(text, chars, "…"),
        })
    })
}

/// A list of parts of a text.
fn collected<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Value, Error> {
    let mut parts = Vec::new();
    for part in texts {
        if parts.len() == LIST_ELEMENTS_MAX {
            return Err(refuse(format!("makes more than {LIST_ELEMENTS_MAX} parts")));
        }
        parts.push(Value::from(part));
    }
    Ok(Value::from(parts))
}

fn lines(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    collected(text_of(value)?.lines())
}

fn split(
    state: &State,
    value: &Value,
    separator: Option<&str>,
    most: Option<usize>,
) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    let text = text_of(value)?;
    charge(state, separator.map_or(0, str::len))?;
    let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
    match separator {
        None | Some("") if most == usize::MAX => collected(text.split_whitespace()),
        None | Some("") => collected(text.splitn(most, char::is_whitespace)),
        Some(separator) => collected(text.splitn(most, separator)),
    }
}

fn default(value: &Value, instead: Option<Value>, also_false: Option<bool>) -> Value {
    let missing = value.is_undefined()
        || value.is_none()
        || (also_false.unwrap_or(false) && !value.is_true());
    if missing {
        instead.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    }
}

fn end_of(state: &State, value: &Value, first: bool) -> Result<Value, Error> {
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

fn length(value: &Value) -> Result<Value, Error> {
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
fn attributes(state: &State, value: &Value, name: Option<&str>) -> Result<Vec<Value>, Error> {
    let elements = elements(state, value)?;
    Ok(match name {
        Some(name) => elements
            .iter()
            .map(|element| element.get_attr(name).unwrap_or_default())
            .collect(),
        None => elements,
    })
}

fn join(
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

fn sorted(state: &State, value: &Value, name: Option<&str>) -> Result<Vec<Value>, Error> {
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

fn unique(state: &State, value: &Value) -> Result<Value, Error> {
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

fn reverse(state: &State, value: &Value) -> Result<Value, Error> {
    if value.as_str().is_some() {
        return on_text(value, |text| Ok(text.graphemes(true).rev().collect()));
    }
    let mut elements = elements(state, value)?;
    elements.reverse();
    Ok(Value::from(elements))
}

fn items(state: &State, value: &Value) -> Result<Value, Error> {
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

fn sum(state: &State, value: &Value) -> Result<Value, Error> {
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
pub(super) fn as_float(value: &Value) -> Option<f64> {
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
fn whole(number: f64) -> Value {
    /// Above this a float does not count in ones.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.abs() <= EXACT_MAX {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

fn int(value: &Value, otherwise: Option<Value>) -> Value {
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

fn float(value: &Value, otherwise: Option<Value>) -> Value {
    match as_float(value) {
        Some(number) => Value::from(number),
        None => otherwise.unwrap_or_else(|| Value::from(0.0)),
    }
}

fn round(value: &Value, digits: Option<i32>) -> Result<Value, Error> {
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

fn range(first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
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
