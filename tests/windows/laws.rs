//! What holds for any windows, any recurrence, any zone and any instant.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use notify_bridge::domain::civil::{CALENDAR_MAX_MICROS, CALENDAR_MIN_MICROS, CivilTime};
use notify_bridge::domain::recur::{NEVER, Recurrence, next_after};
use notify_bridge::domain::windows::{
    CompiledWindows, HORIZON_MICROS, WindowMode, WindowSpec, active,
};
use proptest::prelude::*;

use crate::everywhere::changes;
use crate::oracle::{Clock, DAY_MINUTES, MINUTE, ends, says};
use crate::text;

const SECOND: i64 = 1_000_000;

fn zone_names() -> Vec<String> {
    let names = TimeZoneDatabase::bundled();
    names.available().map(|name| name.to_string()).collect()
}

fn zone_name() -> impl Strategy<Value = String> {
    proptest::sample::select(zone_names())
}

fn days() -> impl Strategy<Value = String> {
    let day = proptest::sample::select(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
    let span = (day.clone(), day.clone()).prop_map(|(first, last)| format!("{first}-{last}"));
    prop_oneof![
        3 => Just(String::new()),
        2 => day.prop_map(str::to_owned),
        2 => span,
    ]
}

/// Times of day in steps of some seconds, often near midnight and in the small hours, where clocks
/// are put forward and back.
fn time(step: u32) -> impl Strategy<Value = CivilTime> {
    let near = prop_oneof![0u32..14_400, 79_200u32..86_400, 0u32..86_400];
    near.prop_map(move |seconds| CivilTime::from_seconds(seconds / step * step).expect("a time"))
}

fn window(step: u32) -> impl Strategy<Value = WindowSpec> {
    let mode = proptest::sample::select(WindowMode::ALL.to_vec());
    let end = prop_oneof![
        9 => time(step).prop_map(Some),
        2 => Just(Some(CivilTime::DAY_END)),
        // As long as a day.
        1 => Just(None),
    ];
    let zone = proptest::option::weighted(0.3, zone_name());
    (days(), time(step), end, zone, mode).prop_map(|(days, from, to, zone, mode)| WindowSpec {
        days: days.parse().into_iter().collect(),
        from,
        to: to.unwrap_or(from),
        zone,
        mode,
    })
}

fn windows(step: u32) -> impl Strategy<Value = Vec<WindowSpec>> {
    proptest::collection::vec(window(step), 1..5)
}

fn instant() -> impl Strategy<Value = i64> {
    let year = 366 * 86_400 * SECOND;
    prop_oneof![
        6 => 54 * year..62 * year,
        3 => -120 * year..230 * year,
        1 => any::<i64>(),
        1 => proptest::sample::select(vec![
            i64::MIN, i64::MAX, 0, CALENDAR_MIN_MICROS, CALENDAR_MAX_MICROS,
            CALENDAR_MAX_MICROS - 1, CALENDAR_MAX_MICROS + 1, CALENDAR_MIN_MICROS - 1,
        ]),
    ]
}

fn recurrence() -> impl Strategy<Value = Recurrence> {
    let common = proptest::sample::select(vec![1u64, 5, 15, 60, 300, 900, 3_600, 18_000, 86_400]);
    let every = prop_oneof![common, 1u64..100_000, 86_400u64..3_000_000];
    prop_oneof![
        every.prop_map(|seconds| Recurrence::Every {
            micros: seconds * 1_000_000
        }),
        any::<u64>().prop_map(|micros| Recurrence::Every { micros }),
        proptest::collection::vec(time(1), 0..6).prop_map(|times| Recurrence::At { times }),
    ]
}

/// Instants around one of a zone's transitions, where it has any.
fn near_change(zone: &TimeZone, nth: usize, otherwise: i64) -> i64 {
    let changes = changes(zone);
    match changes.get(nth % changes.len().max(1)) {
        Some(change) => change.at,
        None => otherwise,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_applies_goes_on_until_it_says(
        specs in windows(1), zone in zone_name(), at in instant(),
    ) {
        let windows = CompiledWindows::new(&specs, &text::zone(&zone));
        let found = active(&windows, at);
        let Some(found) = found else { return Ok(()) };
        prop_assert_eq!(specs[found.index].mode, found.mode);
        if !(CALENDAR_MIN_MICROS..CALENDAR_MAX_MICROS - HORIZON_MICROS).contains(&at) {
            prop_assert!(found.until > at || at == i64::MAX);
            return Ok(());
        }
        prop_assert!(found.until > at && found.until <= at + HORIZON_MICROS);
        let of_it = |at| active(&windows, at).is_some_and(|then| match found.mode {
            WindowMode::Hold => then.mode != WindowMode::Silent,
            mode @ (WindowMode::Silent | WindowMode::Drop) => then.mode == mode,
        });
        prop_assert!(of_it(found.until - 1), "over before it says");
        prop_assert!(of_it(at + (found.until - at) / 2), "over in the middle");
        if found.until < at + HORIZON_MICROS {
            prop_assert!(!of_it(found.until), "goes on after it says");
        }
    }

    #[test]
    fn any_windows_agree_with_the_clock(
        specs in windows(60), zone in zone_name(), nth in 0usize..14,
        offset in -2_000i64..2_000, minutes in 28_400_000i64..32_000_000,
    ) {
        let zone = text::zone(&zone);
        let windows = CompiledWindows::new(&specs, &zone);
        let at = near_change(&zone, nth, minutes) + offset;
        let clock = Clock::watched(&zone, at - 3 * DAY_MINUTES..at + 3 * DAY_MINUTES);
        let says = says(&specs, &clock);
        let ends = ends(&says);
        for minute in at - 40..at + 40 {
            let nth = (minute - clock.first) as usize;
            let found = active(&windows, minute * MINUTE);
            prop_assert_eq!(found.map(|found| found.mode), says[nth]);
            if let (Some(found), Some(end)) = (found, ends[nth]) {
                prop_assert_eq!(found.until, (clock.first + end as i64) * MINUTE);
            }
        }
    }

    #[test]
    fn what_comes_again_comes_later(
        recurrence in recurrence(), zone in zone_name(), at in instant(),
    ) {
        let zone = text::zone(&zone);
        let next = next_after(&recurrence, &zone, at);
        prop_assert!(next > at || at >= CALENDAR_MAX_MICROS && next == NEVER);
        if next == NEVER {
            return Ok(());
        }
        // Asked from anywhere between, the answer is the same.
        let between = at.max(CALENDAR_MIN_MICROS);
        let between = between + (next - between) / 2;
        prop_assert_eq!(next_after(&recurrence, &zone, between), next);
        prop_assert_eq!(next_after(&recurrence, &zone, next - 1), next);
        prop_assert!(next_after(&recurrence, &zone, next) > next);
    }
}
