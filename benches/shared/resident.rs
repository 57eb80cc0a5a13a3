//! How much memory a process holds.

/// In MB, as the kernel counts it: `VmRSS:` now, `VmHWM:` at most.
pub fn memory(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the field");
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number");
    kib * 1_024.0 / 1e6
}
