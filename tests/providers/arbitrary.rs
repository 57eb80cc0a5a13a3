//! No payload, however wrong, makes a kind panic or speak gibberish.

use notify_bridge::providers::Readable;
use proptest::prelude::*;
use serde_json::Value;

use crate::case::{cases, fixtures, webhooks};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("refs/heads/ü\u{202e}\n")),
        Just(Value::from("9999-99-99T99:99:99Z")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            ".{0,8}",
            proptest::sample::select(vec![
                "title",
                "text",
                "commits",
                "repository",
                "sender",
                "ref",
                "issue",
                "number",
                "labels",
                "data",
                "user",
                "url",
                "id",
                "login",
                "name",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces what lies at the n-th place of a value, counted depth first.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|one| replace(one, n, with)),
        Value::Object(members) => members.values_mut().for_each(|one| replace(one, n, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_makes_a_kind_panic(any in any_json(), place in 0usize..120) {
        for (kind, webhook) in webhooks() {
            for case in cases(&fixtures().join(kind.kind()), kind.kind()) {
                let original = webhook.read(&case.body, "").unwrap_or_default();
                let mut mutated = original.clone();
                replace(&mut mutated, &mut place.clone(), &any);
                let mut members = original;
                if let (Value::Object(members), Value::Object(more)) = (&mut members, &any) {
                    members.extend(more.clone());
                }
                for body in [any.clone(), mutated, members] {
                    let readable = Readable::of(&case.request(), body);
                    for notice in webhook.notices(&case.spec, &readable).unwrap_or_default() {
                        prop_assert!(!notice.title.is_empty());
                        prop_assert!(!notice.title.contains('\n'));
                        prop_assert_eq!(notice.clone().bounded(), notice);
                    }
                }
            }
        }
    }
}
