//! Options of `snapshot` and `replay`.

use clap::Subcommand;

use super::Place;

#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Make a snapshot of the state now, so that the next start is quick
    Create(Place),
    /// List snapshots, and whether a start would use them
    List(Place),
}
