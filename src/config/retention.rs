//! `retention`, of the settings and of a provider. 0 keeps for ever, or without a bound.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::later::Later;
use super::quantity;
use super::reader::{Field, Reader};
use super::wording::shown;
use crate::domain::civil::CivilTime;
use crate::domain::keeping::{COUNT_MAX, DAYS_MAX, KINDS_MAX};
use crate::domain::spec::{KindRetention, ProviderRetention, RetentionSpec};

const DAYS: RangeInclusive<u32> = 0..=DAYS_MAX;
const COUNT: RangeInclusive<u32> = 0..=COUNT_MAX;

/// `settings.retention`; the number 0 in its place keeps everything.
pub(super) fn settings(field: &Field<'_>) -> Option<RetentionSpec> {
    let default = RetentionSpec::default();
    if !field.is_table() {
        field.number(0..=0)?;
        return Some(RetentionSpec {
            notices_days: 0,
            notices_per_provider: 0,
            bodies_days: 0,
            bodies_per_provider: 0,
            bodies_bytes_max: 0,
            configuration_days: 0,
            ..default
        });
    }
    let table = field.table()?;
    let spec = RetentionSpec {
        notices_days: number(&table, "notices_days", DAYS).unwrap_or(default.notices_days),
        notices_per_provider: number(&table, "notices_per_provider", COUNT)
            .unwrap_or(default.notices_per_provider),
        bodies_days: number(&table, "bodies_days", DAYS).unwrap_or(default.bodies_days),
        bodies_per_provider: number(&table, "bodies_per_provider", COUNT)
            .unwrap_or(default.bodies_per_provider),
        bodies_bytes_max: table
            .take("bodies_bytes_max")
            .and_then(|field| bytes(&field))
            .unwrap_or(default.bodies_bytes_max),
        configuration_days: number(&table, "configuration_days", DAYS)
            .unwrap_or(default.configuration_days),
        kinds: kinds(&table),
        at: table
            .take("at")
            .and_then(|field| time(&field))
            .unwrap_or(default.at),
    };
    table.finish(Later::Nothing, |_| None);
    Some(spec)
}

/// `retention` of a provider.
pub(super) fn provider(reader: &Reader<'_>) -> Option<ProviderRetention> {
    let field = reader.take("retention")?;
    if !field.is_table() {
        field.number(0..=0)?;
        return Some(ProviderRetention {
            notices_days: Some(0),
            notices_per_provider: Some(0),
            bodies_days: Some(0),
            bodies_per_provider: Some(0),
            kinds: BTreeMap::new(),
        });
    }
    let table = field.table()?;
    let spec = ProviderRetention {
        notices_days: number(&table, "notices_days", DAYS),
        notices_per_provider: number(&table, "notices_per_provider", COUNT),
        bodies_days: number(&table, "bodies_days", DAYS),
        bodies_per_provider: number(&table, "bodies_per_provider", COUNT),
        kinds: kinds(&table),
    };
    table.finish(Later::Nothing, |key| {
        matches!(key, "bodies_bytes_max" | "configuration_days" | "at").then(|| {
            format!(
                "{} holds for all providers together; it stands in [settings]",
                shown(key)
            )
        })
    });
    Some(spec)
}

fn number(table: &Reader<'_>, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
    table.take(key)?.number(bounds)
}

fn bytes(field: &Field<'_>) -> Option<u64> {
    match field.as_text() {
        Some(_) => field.quantity(quantity::size_bytes),
        None => field.number(0..=0).map(u64::from),
    }
}

/// Hours and minutes of the day; its end is the next one's `00:00`.
fn time(field: &Field<'_>) -> Option<CivilTime> {
    let text = field.line()?;
    let is_short = text.len() == "03:00".len();
    let at = text.parse().ok();
    let at = at.filter(|at| is_short && *at != CivilTime::DAY_END);
    if at.is_none() {
        field.problem(format!(
            "{} is not a time of day; write it like `03:00`",
            shown(&text)
        ));
    }
    at
}

/// `kinds = { push = { days = 7, most = 1000 } }`.
fn kinds(table: &Reader<'_>) -> BTreeMap<String, KindRetention> {
    let mut kinds = BTreeMap::new();
    let field = table.take("kinds");
    let Some(rules) = field.as_ref().and_then(Field::table) else {
        return kinds;
    };
    if rules.keys() > KINDS_MAX {
        rules.problem(format!("has more than {KINDS_MAX} kinds; leave some out"));
        return kinds;
    }
    for (kind, field) in rules.rest() {
        if kind.is_empty() {
            field.problem("is of no kind; name one");
            continue;
        }
        let Some(rule) = field.table() else { continue };
        let bound = KindRetention {
            days: number(&rule, "days", DAYS).unwrap_or(0),
            most: number(&rule, "most", COUNT).unwrap_or(0),
        };
        rule.finish(Later::Nothing, |_| None);
        kinds.insert(kind.to_owned(), bound);
    }
    kinds
}
