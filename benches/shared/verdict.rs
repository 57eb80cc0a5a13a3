//! Prints what was measured beside its bar.

use std::ops::{Bound, RangeBounds};

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
