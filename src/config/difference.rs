//! How two specs differ, field by field, for people to read.
//!
//! Specs are compared as their canonical JSON, so that a field added to a spec shows up in plans
//! without a line here. Entries of a list that have an identity (receivers, links) are compared
//! with the entry of the same identity, wherever it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::wording::plain;

/// Longest value that a plan prints, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// One field before and after; `None` where it is not set, so that the default holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// `receivers[team].silent`.
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = plain(&self.field);
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                let (before, after) = (clipped(before), clipped(after));
                write!(f, "{field} {before} → {after}")
            }
            (None, Some(after)) => write!(f, "{field} + {}", clipped(after)),
            (Some(before), None) => write!(f, "{field} - {}", clipped(before)),
            (None, None) => f.write_str(&field),
        }
    }
}

fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if text.chars().nth(VALUE_CHARS_MAX).is_some() {
        clipped.push('…');
    }
    plain(&clipped)
}

/// The fields in which two values of one type differ, by name.
pub(super) fn differences<T: Serialize + PartialEq>(before: &T, after: &T) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if before != after {
        let json = |value| serde_json::to_value(value).unwrap_or(Value::Null);
        compare("", &json(before), &json(after), &mut changes);
    }
    changes
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                one(&path, old.get(key), new.get(key), changes);
            }
        }
        (Value::Array(old), Value::Array(new)) => match (identified(old), identified(new)) {
            (Some(old), Some(new)) => compare_lists(path, &old, &new, changes),
            (Some(_) | None, Some(_) | None) => one_whole(path, Some(before), Some(after), changes),
        },
        (_, _) => one_whole(path, Some(before), Some(after), changes),
    }
}

fn one(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, changes),
        // Of a list that comes or goes each entry is told; one that is empty says something too.
        (None, Some(Value::Array(list))) if !list.is_empty() => {
            compare(
                path,
                &Value::Array(Vec::new()),
                after.unwrap_or(&Value::Null),
                changes,
            );
        }
        (Some(Value::Array(list)), None) if !list.is_empty() => {
            compare(
                path,
                before.unwrap_or(&Value::Null),
                &Value::Array(Vec::new()),
                changes,
            );
        }
        (Some(_) | None, Some(_) | None) => one_whole(path, before, after, changes),
    }
}

fn one_whole(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<FieldChange>,
) {
    changes.push(FieldChange {
        field: path.to_owned(),
        before: before.map(text_of),
        after: after.map(text_of),
    });
}

/// Entries with their identity in their order; `None` when one has none or two have the same.
fn identified(list: &[Value]) -> Option<Vec<(String, &Value)>> {
    let mut seen = BTreeSet::new();
    list.iter()
        .map(|entry| {
            let text = |key| entry.get(key).and_then(Value::as_str);
            let identity = match (text("target"), text("name")) {
                (Some(target), Some(name)) => format!("{target}/{name}"),
                (Some(one), None) | (None, Some(one)) => one.to_owned(),
                (None, None) => return None,
            };
            seen.insert(identity.clone()).then_some((identity, entry))
        })
        .collect()
}

fn compare_lists(
    path: &str,
    old: &[(String, &Value)],
    new: &[(String, &Value)],
    changes: &mut Vec<FieldChange>,
) {
    let old_by: BTreeMap<&str, &Value> = old.iter().map(|(id, v)| (id.as_str(), *v)).collect();
    let new_by: BTreeMap<&str, &Value> = new.iter().map(|(id, v)| (id.as_str(), *v)).collect();
    let ids: BTreeSet<&str> = old_by.keys().chain(new_by.keys()).copied().collect();
    for id in ids {
        let (before, after) = (old_by.get(id).copied(), new_by.get(id).copied());
        one(&format!("{path}[{id}]"), before, after, changes);
    }
    let order = |list: &[(String, &Value)], other: &BTreeMap<&str, &Value>| -> Vec<String> {
        let kept = list
            .iter()
            .filter(|(id, _)| other.contains_key(id.as_str()));
        kept.map(|(id, _)| id.clone()).collect()
    };
    let (before, after) = (order(old, &new_by), order(new, &old_by));
    if before != after {
        changes.push(FieldChange {
            field: format!("order of {path}"),
            before: Some(before.join(", ")),
            after: Some(after.join(", ")),
        });
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "off".into(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let told: Vec<String> = differences(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, expected, "{before} → {after}");
    }

    #[test]
    fn a_difference_names_the_smallest_field_that_differs() {
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(json!({"a": 1}), json!({"a": 2}), &["a 1 → 2"]);
        check(json!({}), json!({"enabled": false}), &["enabled + false"]);
        check(
            json!({"verify": {"hmac": {"header": "a"}}}),
            json!({"verify": {"hmac": {"header": "b"}}}),
            &["verify.hmac.header a → b"],
        );
        check(
            json!({"rate": {"count": 1}}),
            json!({"rate": null}),
            &[r#"rate {"count":1} → off"#],
        );
        check(
            json!({"receivers": [{"name": "a"}, {"name": "b", "silent": true}]}),
            json!({"receivers": [{"name": "b"}, {"name": "c"}]}),
            &[
                r#"receivers[a] - {"name":"a"}"#,
                "receivers[b].silent - true",
                r#"receivers[c] + {"name":"c"}"#,
            ],
        );
        check(
            json!({"links": [{"target": "x"}, {"target": "x", "name": "n"}]}),
            json!({"links": [{"target": "x", "name": "n"}, {"target": "x"}]}),
            &["order of links x, x/n → x/n, x"],
        );
        check(
            json!({"kinds": ["a"]}),
            json!({"kinds": ["a", "b"]}),
            &[r#"kinds ["a"] → ["a","b"]"#],
        );
        check(json!({}), json!({"quiet": []}), &["quiet + []"]);
        check(json!({"quiet": []}), json!({}), &["quiet - []"]);
        check(
            json!({"text": "a\u{1b}[2J\n"}),
            json!({}),
            &[r"text - a\u{1b}[2J\n"],
        );
    }
}
