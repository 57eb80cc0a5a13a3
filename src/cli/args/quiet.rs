//! Options of `ack`, `snooze` and `snoozes`.

use clap::{ArgGroup, Args};

use super::{PageArgs, Place};
use crate::projections::snoozes::Scope;
use crate::shell::operate::TOMORROW;

#[derive(Debug, Clone, Args)]
pub struct AckArgs {
    /// Id of a notice
    pub notice: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("what")
        .required(true)
        .args(["tracker", "target", "collection", "subject"])
))]
pub struct SnoozeArgs {
    /// Nothing over this tracker
    #[arg(long)]
    pub tracker: Option<String>,
    /// Nothing to this target, but what pierces
    #[arg(long)]
    pub target: Option<String>,
    /// Nothing of this collection, by its name or id
    #[arg(long)]
    pub collection: Option<String>,
    /// Nothing about this subject, by its key or label
    #[arg(long)]
    pub subject: Option<String>,
    /// Whose collection or subject; not given: any provider's
    #[arg(long, conflicts_with_all = ["tracker", "target"])]
    pub provider: Option<String>,
    /// How long: 2h, 7d, until a moment as 2026-01-31T08:00:00Z, or until `tomorrow` at 8:00
    #[arg(long = "for", value_name = "SPAN")]
    pub span: String,
    #[command(flatten)]
    pub place: Place,
}

impl SnoozeArgs {
    /// What is muted: the options make sure that it is one.
    pub fn what(&self) -> Option<(Scope, &str)> {
        let named = [
            (Scope::Tracker, &self.tracker),
            (Scope::Target, &self.target),
            (Scope::Collection, &self.collection),
            (Scope::Subject, &self.subject),
        ];
        named
            .into_iter()
            .find_map(|(scope, name)| Some((scope, name.as_deref()?)))
    }

    /// Whether the end is a moment rather than a span.
    pub fn is_moment(&self) -> bool {
        self.span == TOMORROW || self.span.parse::<jiff::Timestamp>().is_ok()
    }
}

#[derive(Debug, Clone, Args)]
pub struct SnoozesArgs {
    /// End this one instead of listing; may be repeated
    #[arg(long, value_name = "ID")]
    pub end: Vec<u32>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}
