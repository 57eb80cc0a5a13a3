//! Overview: is anything wrong, is anything waiting, what just happened.

use maud::{Markup, html};

use super::notices::{self, NoticeRow};
use crate::address::segment;
use crate::chart::{self, Day};
use crate::frame::{Frame, Tone};
use crate::icon::{Icon, icon};
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Status, counted, number};

#[derive(Debug, Clone, Default)]
pub struct DashboardView {
    /// Targets that fail, and providers that could not be heard.
    pub wrong: Vec<Wrong>,
    /// Targets that are fine, for the line that says so.
    pub fine_targets: u64,
    pub last_sent: Option<Moment>,
    pub waiting: Waiting,
    /// Snoozes that are on.
    pub snoozed: u64,
    /// Newest first.
    pub latest: Vec<NoticeRow>,
    /// Days, oldest first, all providers together.
    pub days: Vec<Day>,
    pub providers: Vec<ProviderCount>,
    /// While nothing is configured: where a sender would post to, `https://bridge.example/hooks/`.
    pub hooks_base: String,
    pub trackers: u64,
    pub targets: u64,
}

/// Something that does not work.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub kind: WrongKind,
    pub name: String,
    /// Since when.
    pub since: Moment,
    pub why: String,
    /// Deliveries that wait for it.
    pub waiting: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongKind {
    Target,
    Receiver,
    Provider,
}

/// Open deliveries by status.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    pub due: u64,
    pub sending: u64,
    pub held: u64,
    pub retrying: u64,
    pub parked: u64,
    pub unknown: u64,
    /// When the next held or retrying one goes.
    pub next: Option<Moment>,
}

#[derive(Debug, Clone, Default)]
pub struct ProviderCount {
    pub name: String,
    pub kind: String,
    /// Notices by day, oldest first, the same days as the chart.
    pub by_day: Vec<u64>,
    pub notices: u64,
    pub sent: u64,
    pub parked: u64,
    pub last: Option<Moment>,
}

pub fn page_of(frame: &Frame, view: &DashboardView) -> Markup {
    let mut sheet = Sheet::new("Overview", Spot::Overview);
    sheet.action = (frame.can_operate && frame.paused.is_none() && view.targets > 0)
        .then(|| parts::asking(frame, "/pause", "", "Pause sending"));
    page(
        frame,
        &sheet,
        html! {
            @if view.providers.is_empty() {
                (first_steps(frame, view))
            } @else {
                div data-refresh="counts delivery notice" data-src=(frame.href("/")) data-part="standing" {
                    (standing(frame, view))
                }
                div.dash {
                    section.dash-latest aria-labelledby="latest" {
                        (parts::section_head("latest", "Just happened", html! { a href=(frame.href("/notices")) { "All notices" } }))
                        (latest(frame, view))
                    }
                    section.dash-counts aria-labelledby="counts" data-refresh="counts" data-src=(frame.href("/")) data-part="counts" {
                        (counts(frame, view))
                    }
                }
            }
        },
    )
}

fn first_steps(frame: &Frame, view: &DashboardView) -> Markup {
    html! {
        div data-reload-on="notice counts" {
            (parts::empty(Icon::Provider, "No provider yet", html! {
                p { "Describe one in a file and apply it:" }
                pre.sample tabindex="0" {
                    "[[provider]]\nname = \"forge\"\nkind = \"gitea\"\nsecret = { env = \"FORGE_SECRET\" }\n\n"
                    "[[target]]\nname = \"inbox\"\nkind = \"inbox\"\n\n"
                    "[[tracker]]\nname = \"everything\"\nprovider = \"forge\"\nlinks = [ { target = \"inbox\" } ]"
                }
                p { code { "notify-bridge apply FILE --url … --token …" } }
                p { "Then paste this address into Gitea → Settings → Webhooks:" }
                (parts::copyable("address", &format!("{}forge", view.hooks_base)))
                p.dim { "This page waits and shows the first notice when it arrives." }
            }))
        }
        @if view.targets > 0 {
            p.dim {
                (counted(view.targets, "target is", "targets are")) " configured already. "
                a href=(frame.href("/targets")) { "Test one" } "."
            }
        }
    }
}

/// What is wrong and what waits: the answer to `?fragment=standing`.
pub fn standing(frame: &Frame, view: &DashboardView) -> Markup {
    html! {
        section.standing aria-labelledby="wrong" {
            h2.sr #wrong { "Is anything wrong" }
            @if view.wrong.is_empty() {
                p.fine {
                    (parts::state(Tone::Good, "Nothing is wrong"))
                    span.dim {
                        @if view.targets == 0 { "No target yet, so nothing is sent." }
                        @else if view.fine_targets == 1 { "The one target is fine" }
                        @else { "All " (number(view.fine_targets)) " targets are fine" }
                        @if let Some(last) = &view.last_sent { ", last sent " (parts::moment(last)) }
                    }
                }
            } @else {
                ul.wrong { @for wrong in &view.wrong { (wrong_line(frame, wrong)) } }
            }
        }
        section.standing aria-labelledby="waiting" {
            h2.sr #waiting { "Is anything waiting" }
            (waiting(frame, &view.waiting))
            @if view.snoozed > 0 {
                p { a href=(frame.href("/snoozes")) { (counted(view.snoozed, "snooze is on", "snoozes are on")) } }
            }
        }
    }
}

fn wrong_line(frame: &Frame, wrong: &Wrong) -> Markup {
    let (place, word, does) = match wrong.kind {
        WrongKind::Target => ("targets", "Target", "is failing"),
        WrongKind::Receiver => ("targets", "A receiver of target", "is gone"),
        WrongKind::Provider => ("providers", "What provider", "sends is refused"),
    };
    html! {
        li {
            (icon(Icon::Stop))
            div {
                p {
                    (word) " "
                    a href=(frame.href(&format!("/{place}/{}", segment(&wrong.name)))) { b dir="auto" { (wrong.name) } }
                    " " (does) "; it began " (parts::moment(&wrong.since))
                    @if wrong.waiting > 0 { ". " (counted(wrong.waiting, "delivery waits", "deliveries wait")) }
                    "."
                }
                p.dim.clip dir="auto" { (wrong.why) }
            }
        }
    }
}

fn waiting(frame: &Frame, waiting: &Waiting) -> Markup {
    let cells = [
        (Status::Due, waiting.due),
        (Status::Sending, waiting.sending),
        (Status::Held, waiting.held),
        (Status::Retrying, waiting.retrying),
        (Status::Parked, waiting.parked),
        (Status::Unknown, waiting.unknown),
    ];
    html! {
        ul.tally {
            @for (status, count) in cells {
                @let path = match status {
                    Status::Parked | Status::Unknown => "/parked".to_owned(),
                    Status::Held => "/held".to_owned(),
                    Status::Due | Status::Sending | Status::Retrying
                    | Status::Sent | Status::Dropped | Status::Merged => format!("/deliveries?status={}", status.as_str()),
                };
                li { a.nil[count == 0] href=(frame.href(&path)) title=(status.meaning()) {
                    (parts::status(status)) b.figure { (number(count)) }
                } }
            }
        }
        @if let Some(next) = &waiting.next { p.dim.under { "The next one goes " (parts::moment_ahead(next)) "." } }
    }
}

fn latest(frame: &Frame, view: &DashboardView) -> Markup {
    html! {
        @if view.latest.is_empty() {
            div data-reload-on="notice" {
                (parts::empty(Icon::Notices, "Nothing has happened yet", html! {
                    p {
                        @if let Some(provider) = view.providers.first() {
                            "Provider " a href=(frame.href(&format!("/providers/{}", segment(&provider.name)))) { bdi { (provider.name) } }
                            " is configured. Its page has the address to paste and the steps on the sender's side."
                        }
                    }
                    p.dim { "This page waits and shows the first notice when it arrives." }
                }))
            }
        } @else {
            (notices::table(frame, &view.latest, Some("/notices")))
        }
    }
}

/// Counts per provider: the answer to `?fragment=counts`.
pub fn counts(frame: &Frame, view: &DashboardView) -> Markup {
    let days = view.days.len() as u64;
    let over = format!("Notices by day, {}", counted(days, "day", "days"));
    html! {
        (parts::section_head("counts", "Notices by day", html! { span.dim { (counted(days, "day", "days")) } }))
        (chart::by_day(&view.days, &over))
        div.scroll tabindex="0" role="region" aria-label="Counts by provider" {
            table.grid.by-provider {
                caption.sr { "Counts by provider, " (counted(days, "day", "days")) }
                thead { tr {
                    th scope="col" { "Provider" }
                    th.spark-cell scope="col" { span.sr { "By day" } }
                    th.n scope="col" { "Notices" }
                    th.n scope="col" { "Sent" }
                    th.n scope="col" { "Parked" }
                } }
                tbody {
                    @for provider in &view.providers {
                        tr {
                            th scope="row" {
                                a href=(frame.href(&format!("/providers/{}", segment(&provider.name)))) { bdi { (provider.name) } }
                            }
                            td.spark-cell { (chart::spark(&provider.by_day)) }
                            td.n.zero[provider.notices == 0] { (number(provider.notices)) }
                            td.n.zero[provider.sent == 0] { (number(provider.sent)) }
                            td.n.zero[provider.parked == 0] { (number(provider.parked)) }
                        }
                    }
                }
            }
        }
        (chart::table(&view.days))
    }
}
