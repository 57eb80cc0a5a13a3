//! Processor time of a whole process, which other programs on the machine do not stretch as they do
//! the wall clock's.

/// The kernel's unit, the same on every architecture of today.
const TICKS_PER_SECOND: f64 = 100.0;
/// User time's place behind the name, which is in brackets and may hold anything; system time follows.
const USER_TIME_AT: usize = 11;

/// Seconds that the threads of a process have run, as its `stat` tells.
pub fn processor_seconds(stat: &str) -> f64 {
    let ticks: Option<f64> = stat.rsplit_once(')').and_then(|(_, rest)| {
        let mut fields = rest.split_ascii_whitespace().skip(USER_TIME_AT);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some(user + system)
    });
    ticks.map_or(f64::NAN, |ticks| ticks / TICKS_PER_SECOND)
}
