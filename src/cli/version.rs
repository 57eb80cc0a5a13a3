//! What `--version` says: program, format and revision versions.

/// The long form. The test below keeps its numbers equal to those the program writes.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nstore format 1, frame format 1, snapshot format 7"
);

#[cfg(test)]
mod tests {
    #[test]
    fn the_numbers_are_those_that_are_written() {
        let formats = format!(
            "store format {}, frame format {}, snapshot format {}",
            notify_store::STORE_FORMAT,
            notify_store::FRAME_FORMAT,
            crate::wire::SNAPSHOT_FORMAT
        );
        assert!(super::LONG.ends_with(&formats), "{formats}");
    }
}
