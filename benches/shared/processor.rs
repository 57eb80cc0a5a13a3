//! Processor time, which other programs on the machine do not stretch as they do the wall clock's.

/// Seconds this thread has run on a processor.
pub fn thread_seconds() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |nanos| nanos / 1e9)
}
