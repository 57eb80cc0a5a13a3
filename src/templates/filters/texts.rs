//! Filters that make texts of texts.

use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Error, State};
use unicode_segmentation::UnicodeSegmentation;

use crate::templates::bounds::LIST_ELEMENTS_MAX;
use crate::templates::guards::{bounded, charge, fits, refuse, text_of};

/// A text made of a text, within the bound. Missing stays missing.
pub(super) fn on_text(
    value: &Value,
    make: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    bounded(make(&text_of(value)?)?)
}

pub(super) fn replace(state: &State, value: &Value, from: &str, to: &str) -> Result<Value, Error> {
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

pub(super) fn truncate(
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
pub(super) fn excerpt(
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

pub(super) fn lines(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    collected(text_of(value)?.lines())
}

pub(super) fn split(
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
