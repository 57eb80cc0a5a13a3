//! The figure that stands for several runs.

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
