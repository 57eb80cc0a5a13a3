//! What a bench was asked.

/// Whether `cargo bench` runs this, and not a run over every test target.
pub fn is_asked_for() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The value of an argument `name=value` after `--`.
pub fn argument(name: &str) -> Option<u64> {
    std::env::args()
        .find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}
