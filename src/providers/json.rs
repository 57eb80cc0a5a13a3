//! Reading received JSON within bounds.
//!
//! **Invariant:** the bounds are decided while reading: nothing deeper than [`JSON_DEPTH_MAX`] is
//! descended into and nothing past [`JSON_VALUES_MAX`] is kept, whatever the size of the body.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Unreadable;

/// Deepest nesting of arrays and objects that is read, in levels.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most values that are read: every scalar, array, object and member name counts as one.
pub const JSON_VALUES_MAX: usize = 200_000;

/// Most room reserved for an array ahead of reading it, in elements.
const ARRAY_RESERVE_MAX: usize = 64;

/// Reads one JSON document. A byte order mark before it is skipped; of members with the same name
/// the last one counts.
pub fn parse(bytes: &[u8]) -> Result<Value, Unreadable> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Unreadable::NotJson(format!(
            "it is not UTF-8 text from byte {} on",
            error.valid_up_to()
        ))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Unreadable::NotJson("it is empty".into()));
    }
    let budget = Budget {
        values: Cell::new(0),
        exceeded: Cell::new(None),
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Node {
        budget: &budget,
        depth: 0,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match budget.exceeded.get() {
        Some(Bound::Depth) => Unreadable::TooDeep(JSON_DEPTH_MAX),
        Some(Bound::Values) => Unreadable::TooManyValues(JSON_VALUES_MAX),
        None => Unreadable::NotJson(error.to_string()),
    })
}

#[derive(Clone, Copy)]
enum Bound {
    Depth,
    Values,
}

/// What has been read so far, and the bound that was met. The error type of the reader carries text
/// only, so the bound travels beside it.
struct Budget {
    values: Cell<usize>,
    exceeded: Cell<Option<Bound>>,
}

impl Budget {
    fn take<E: serde::de::Error>(&self) -> Result<(), E> {
        let values = self.values.get() + 1;
        self.values.set(values);
        if values > JSON_VALUES_MAX {
            return Err(self.exceed(Bound::Values));
        }
        Ok(())
    }

    fn exceed<E: serde::de::Error>(&self, bound: Bound) -> E {
        self.exceeded.set(Some(bound));
        E::custom("a bound was met")
    }
}

/// One value at one depth.
#[derive(Clone, Copy)]
struct Node<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl<'b> Node<'b> {
    fn child<E: serde::de::Error>(self) -> Result<Node<'b>, E> {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(self.budget.exceed(Bound::Depth));
        }
        Ok(Node {
            budget: self.budget,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.budget.take::<D::Error>()?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        let mut list = Vec::with_capacity(elements.size_hint().unwrap_or(0).min(ARRAY_RESERVE_MAX));
        while let Some(value) = elements.next_element_seed(child)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let child = self.child()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.budget.take::<A::Error>()?;
            let value = members.next_value_seed(child)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    fn nested_objects(levels: usize) -> String {
        format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn depth_is_bounded_to_the_level() {
        for text in [nested(JSON_DEPTH_MAX), nested_objects(JSON_DEPTH_MAX)] {
            assert!(parse(text.as_bytes()).is_ok());
        }
        for text in [
            nested(JSON_DEPTH_MAX + 1),
            nested_objects(JSON_DEPTH_MAX + 1),
            // The bound is met before the reader could find that the rest is missing.
            "[".repeat(1_000_000),
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(Unreadable::TooDeep(JSON_DEPTH_MAX))
            );
        }
    }

    #[test]
    fn values_are_bounded_to_the_value() {
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert!(parse(list(JSON_VALUES_MAX - 1).as_bytes()).is_ok());
        assert_eq!(
            parse(list(JSON_VALUES_MAX).as_bytes()),
            Err(Unreadable::TooManyValues(JSON_VALUES_MAX))
        );
        // A member is two values: its name and what it holds. Repeated names count too.
        let members = format!("{{{}}}", vec!["\"a\":1"; JSON_VALUES_MAX / 2].join(","));
        assert_eq!(
            parse(members.as_bytes()),
            Err(Unreadable::TooManyValues(JSON_VALUES_MAX))
        );
    }

    #[test]
    fn what_is_read_and_what_is_not() {
        for (bytes, expected) in [
            (&b"\xEF\xBB\xBF{\"a\": 1}"[..], Some(json!({"a": 1}))),
            (b"{\"a\":1,\"a\":{\"b\":2}}", Some(json!({"a": {"b": 2}}))),
            (
                b" [true, null, -3, 1.5, \"\\u00fc\"] \r\n",
                Some(json!([true, null, -3, 1.5, "ü"])),
            ),
            (b"\"text\"", Some(json!("text"))),
            (b"", None),
            (b" \n", None),
            (b"{", None),
            (b"{} {}", None),
            (b"{'a': 1}", None),
            (b"[1e999]", None),
            (b"NaN", None),
            (b"\"\xFF\"", None),
        ] {
            assert_eq!(
                parse(bytes).ok(),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(value in any_json()) {
            let bytes = serde_json::to_vec(&value).unwrap_or_default();
            prop_assert_eq!(parse(&bytes), Ok(value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(
                parse(&bytes).ok(),
                serde_json::from_slice::<Value>(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes)).ok()
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
