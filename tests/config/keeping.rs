//! `retention`: what is kept, and for how long.

use std::collections::BTreeMap;

use expect_test::expect;
use notify_bridge::domain::civil::CivilTime;
use notify_bridge::domain::spec::{KindRetention, ProviderRetention, RetentionSpec};
use proptest::collection::btree_map;
use proptest::option::of;
use proptest::prelude::*;

use crate::fakes::read_one;
use crate::read::{check, with_basics};

fn kinds() -> impl Strategy<Value = BTreeMap<String, KindRetention>> {
    let rule = (0u32..400, 0u32..5_000).prop_map(|(days, most)| KindRetention { days, most });
    btree_map("[a-z_]{1,8}", rule, 0..3)
}

pub fn of_settings() -> impl Strategy<Value = RetentionSpec> {
    let numbers = proptest::array::uniform5(0u32..36_500);
    (numbers, 0u64..1 << 40, kinds(), 0u32..24, 0u32..60).prop_map(
        |(numbers, bytes, kinds, hour, minute)| RetentionSpec {
            notices_days: numbers[0],
            notices_per_provider: numbers[1],
            bodies_days: numbers[2],
            bodies_per_provider: numbers[3],
            bodies_bytes_max: bytes,
            configuration_days: numbers[4],
            kinds,
            at: at(hour, minute),
        },
    )
}

pub fn of_provider() -> impl Strategy<Value = ProviderRetention> {
    let number = || of(0u32..36_500);
    (number(), number(), number(), number(), kinds()).prop_map(
        |(notices_days, notices_per_provider, bodies_days, bodies_per_provider, kinds)| {
            ProviderRetention {
                notices_days,
                notices_per_provider,
                bodies_days,
                bodies_per_provider,
                kinds,
            }
        },
    )
}

fn at(hour: u32, minute: u32) -> CivilTime {
    CivilTime::from_seconds(hour * 3_600 + minute * 60).expect("a time of day")
}

#[test]
fn what_is_not_said_is_as_it_would_be_and_nought_is_for_ever() {
    let settings = |text: &str| {
        let settings = read_one(&format!("settings = {{ retention = {text} }}")).settings;
        settings.expect("settings are given").retention()
    };
    let default = RetentionSpec::default();
    let bodies = settings(r#"{ bodies_days = 0, at = "22:15" }"#);
    let expected = RetentionSpec {
        bodies_days: 0,
        at: at(22, 15),
        ..default.clone()
    };
    assert_eq!(bodies, expected);
    let never = settings("0");
    let numbers = [
        never.notices_days,
        never.notices_per_provider,
        never.bodies_days,
        never.bodies_per_provider,
        never.configuration_days,
    ];
    assert_eq!((numbers, never.bodies_bytes_max), ([0; 5], 0));
    assert_eq!(settings("{ bodies_bytes_max = 0 }").bodies_bytes_max, 0);
    assert_eq!(settings("{}"), default);
}

#[test]
fn what_cannot_be_kept_so_is_named() {
    check(
        &with_basics(
            r#"
settings = { retention = { notices_days = -1, bodies_bytes_max = "lots", at = "3:00", days = 3, kinds = { push = 7 } } }
[[provider]]
name = "p"
kind = "webhook"
verify = "none"
retention = { bodies_bytes_max = "1GiB", notices_days = 99999 }
"#,
        ),
        expect![[r#"
            a.toml:2:43: settings.retention.notices_days: has to lie between 0 and 36500
            a.toml:2:66: settings.retention.bodies_bytes_max: `lots`: write a size like `500KiB`, `20MiB` or `1GiB`
            a.toml:2:79: settings.retention.at: `3:00` is not a time of day; write it like `03:00`
            a.toml:2:87: settings.retention.days: is not a known key; known here: `notices_days`, `notices_per_provider`, `bodies_days`, `bodies_per_provider`, `bodies_bytes_max`, `configuration_days`, `kinds`, `at`
            a.toml:2:114: settings.retention.kinds.push: has to be a table in { }, not a whole number
            a.toml:7:15: provider[0] "p".retention.bodies_bytes_max: `bodies_bytes_max` holds for all providers together; it stands in [settings]
            a.toml:7:57: provider[0] "p".retention.notices_days: has to lie between 0 and 36500
        "#]],
    );
}
