//! Options of `snapshot` and `replay`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Place;

#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Make a snapshot of the state now, so that the next start is quick
    Create(Place),
    /// List snapshots, and whether a start would use them
    List(Place),
}

#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Data folder of a stopped program, or a copy of one; it is only read
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Last position; not given: the end of the log
    #[arg(long, value_name = "P")]
    pub to: Option<u64>,
    /// Begin with the snapshot of this position; not given: with the first event
    #[arg(long, value_name = "SNAPSHOT")]
    pub from: Option<u64>,
    /// Go event by event, asking what to show next
    #[arg(long, conflicts_with_all = ["check", "json"])]
    pub step: bool,
    /// Decide every recorded command again and list those that would give something else
    #[arg(long)]
    pub check: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}
