//! The filters and tests that a source may name.
//!
//! A filter on a missing value gives a missing value, so that what is missing is still reported when
//! it is shown; `default` is the way to say that it may be missing.
//!
//! The engine charges each for the text before it and for what it gives; they pay for the rest.

mod lists;
mod numbers;
mod texts;

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, State, tests};

use self::lists::{attributes, end_of, items, join, length, range, reverse, sorted, unique};
pub(super) use self::numbers::as_float;
use self::numbers::{float, int, round, sum, whole};
use self::texts::{excerpt, lines, on_text, replace, split, truncate};
use super::guards::{affix, elements, refuse};

/// Filters that need nothing but the value; those of [`super::moments`] need more.
pub(super) const NAMES: &[&str] = &[
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
