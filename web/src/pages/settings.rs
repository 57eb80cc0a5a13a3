//! Settings: what holds for the whole installation. So far: how long things are kept.

use maud::{Markup, html};

use crate::frame::Frame;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::Moment;

/// How long something is kept: "Notices", "30 days".
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub what: String,
    pub bound: String,
}

/// What a run of compaction removed.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    pub at: Option<Moment>,
    pub families: u64,
    pub events: u64,
    pub bodies: u64,
    /// "12 MiB".
    pub size: String,
}

#[derive(Debug, Clone, Default)]
pub struct SettingsView {
    /// Those of the settings, then those of providers and kinds.
    pub kept: Vec<Kept>,
    pub last: Option<Removed>,
    pub total: Removed,
    pub next: Option<Moment>,
    /// How far a run is: "removing, 1200 of 3000".
    pub running: Option<String>,
    /// Why the last run ended early.
    pub error: Option<String>,
}

fn removed(what: &Removed) -> Markup {
    html! {
        (what.families) " notices with " (what.events) " events, " (what.bodies) " bodies, " (what.size)
    }
}

pub fn page_of(frame: &Frame, view: &SettingsView) -> Markup {
    let mut sheet = Sheet::new("Settings", Spot::Settings);
    if view.running.is_some() {
        sheet.again_after = Some(2);
    } else {
        sheet.action = Some(parts::post_form(
            frame,
            "/settings/compact",
            "inline",
            html! { button.primary { "Remove now" } },
        ));
    }
    page(
        frame,
        &sheet,
        html! {
            section aria-labelledby="retention" {
                h2 #retention { "Retention" }
                dl.facts.wide {
                    @for kept in &view.kept {
                        div { dt dir="auto" { (kept.what) } dd { (kept.bound) } }
                    }
                }
                p.dim {
                    "What is open stays, however old it is, and so does what a held message names or what can still be edited. "
                    "Totals never change. These are set in the file that is applied: "
                    code { "settings.retention" } ", and " code { "retention" } " of a provider."
                }
            }
            section aria-labelledby="runs" {
                h2 #runs { "Removal" }
                @if let Some(error) = &view.error {
                    p.note role="alert" { "The last run ended early: " (error) ". The next one goes on where it was." }
                }
                dl.facts.wide {
                    @if let Some(running) = &view.running { div { dt { "Now" } dd { (running) } } }
                    div { dt { "Last removed" } dd {
                        @match &view.last {
                            Some(last) => {
                                (removed(last))
                                @if let Some(at) = &last.at { ", " (parts::moment(at)) }
                            }
                            None => "Nothing yet",
                        }
                    } }
                    div { dt { "Removed in all" } dd { (removed(&view.total)) } }
                    @if let Some(next) = &view.next { div { dt { "Next run" } dd { (next.absolute) " (" (parts::moment_ahead(next)) ")" } } }
                }
                p.dim { "Removed events leave the log at once. The file itself becomes smaller at a start, when that is worth it, or by " code { "notify-bridge compact --data DIR" } " while the program is stopped." }
            }
        },
    )
}
