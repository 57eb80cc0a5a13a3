//! Times as people compare them.

use std::time::Duration;

/// Milliseconds below which this share of the durations lies.
pub fn percentile(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let index = (durations.len().saturating_sub(1)) as f64 * share;
    durations
        .get(index as usize)
        .map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
}
