//! Counts per provider and day.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{COPIED_ROWS_MAX, Look, held_counts};
use crate::domain::spec::{BRIDGE, BRIDGE_PROVIDER};
use crate::projections::counts::Count;

/// What the deliveries of removed providers and one-off messages are counted under.
const OTHERS: &str = "api";

/// A civil day, days since 1970-01-01.
pub type Day = i32;

const EPOCH: Date = Date::constant(1970, 1, 1);

fn date_of(day: Day) -> Date {
    EPOCH
        .checked_add(jiff::Span::new().days(day))
        .unwrap_or(Date::MAX)
}

/// The day of a date.
pub fn since_day(date: Date) -> Day {
    EPOCH.until(date).map_or(0, |span| span.get_days())
}

/// Counts of notices received on a day or later, and of what became of their deliveries.
pub fn counts(look: &impl Look, since: Day) -> Value {
    let mut by_provider: BTreeMap<u32, Count> = BTreeMap::new();
    let mut by_day: BTreeMap<Day, Count> = BTreeMap::new();
    let mut totals = Count::default();
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    let mut after = Bound::Unbounded;
    loop {
        let rows: Vec<((u32, Day), Count)> = look.look(|state| {
            let rows = state.counts.days.range((after, Bound::Unbounded));
            let rows: Vec<_> = rows
                .take(COPIED_ROWS_MAX)
                .map(|(key, count)| (*key, *count))
                .collect();
            for ((provider, _), _) in &rows {
                if *provider == BRIDGE_PROVIDER {
                    names.insert(*provider, BRIDGE.to_owned());
                } else if !names.contains_key(provider)
                    && let Some(entity) = state.configuration.providers.get(provider)
                {
                    names.insert(*provider, entity.spec.name.clone());
                }
            }
            rows
        });
        let Some((last, _)) = rows.last() else { break };
        after = Bound::Excluded(*last);
        for ((provider, day), count) in rows.into_iter().filter(|((_, day), _)| *day >= since) {
            by_provider.entry(provider).or_default().add(&count);
            by_day.entry(day).or_default().add(&count);
            totals.add(&count);
        }
    }
    // How much is held changes without being counted, so it is taken from what is held now.
    for ((provider, day), held) in held_counts(look) {
        if day >= since {
            by_provider.entry(provider).or_default().held += held;
            by_day.entry(day).or_default().held += held;
            totals.held += held;
        }
    }
    let by_provider: Value = by_provider
        .iter()
        .map(|(id, count)| {
            let name = names.get(id).map_or(OTHERS, String::as_str);
            let mut shape = numbers(count);
            shape["provider"] = name.into();
            shape
        })
        .collect();
    let by_day: Value = by_day
        .iter()
        .map(|(day, count)| {
            let mut shape = numbers(count);
            shape["day"] = date_of(*day).to_string().into();
            shape
        })
        .collect();
    json!({
        "since": date_of(since).to_string(),
        "by_provider": by_provider,
        "totals": numbers(&totals),
        "by_day": by_day,
    })
}

fn numbers(count: &Count) -> Value {
    json!({
        "notices": count.notices,
        "items": count.items,
        "sent": count.sent,
        "held": count.held,
        "parked": count.parked,
        "dropped": count.dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_counted_from_1970() {
        for (day, date) in [
            (0, "1970-01-01"),
            (20_454, "2026-01-01"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(date_of(day).to_string(), date);
            assert_eq!(since_day(date.parse().unwrap()), day);
        }
    }
}
