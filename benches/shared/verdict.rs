//! Prints what was measured beside its bar.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

/// One line: what, how much, the bar, and whether it is met. A bar is `60.0..` (at least) or
/// `..40.0` (under).
pub fn judge(what: &str, measured: f64, bar: impl RangeBounds<f64>, unit: &str) {
    let (words, bound) = match (bar.start_bound(), bar.end_bound()) {
        (Bound::Included(least), _) => ("at least", *least),
        (_, Bound::Excluded(most)) => ("under", *most),
        _ => ("anything from", f64::NEG_INFINITY),
    };
    let verdict = if bar.contains(&measured) {
        "meets"
    } else {
        "misses"
    };
    println!(
        "{what}: {} {unit}; bar: {words} {} {unit}: {verdict}",
        figure(measured),
        figure(bound)
    );
}

/// A figure with as many digits as it deserves.
pub fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits
                .strip_prefix('-')
                .map_or(("", digits.as_str()), |rest| ("-", rest));
            let mut grouped = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    grouped.push(' ');
                }
                grouped.push(digit);
            }
            format!("{sign}{grouped}")
        }
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle one and how far the others lie apart: (median, (max - min) / median).
pub fn median(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return (0.0, 0.0);
    };
    let middle = sorted[sorted.len() / 2];
    (middle, (last - first) / middle)
}

/// Milliseconds below which this share of the durations lies.
pub fn percentile(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let index = (durations.len().saturating_sub(1)) as f64 * share;
    durations
        .get(index as usize)
        .map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
}
