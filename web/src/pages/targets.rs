//! Targets: how each is doing, its receivers, and a message to try it with.

use maud::{Markup, html};

use super::providers::secrets;
use super::snoozes::{self, Mutable, SnoozeRow};
use crate::address::segment;
use crate::frame::{Frame, Tone};
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, counted, number};

/// How long the answer to a test is waited for.
pub const TEST_WAIT_SECONDS: u64 = 10;

/// How a target is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It took the last message.
    Fine,
    /// Nothing was sent to it yet.
    Unused,
    Failing,
    Disabled,
}

impl Standing {
    fn markup(&self) -> Markup {
        match self {
            Standing::Fine => parts::state(Tone::Good, "Fine"),
            Standing::Unused => parts::state(Tone::Note, "Not used yet"),
            Standing::Failing => parts::state(Tone::Bad, "Failing"),
            Standing::Disabled => parts::state(Tone::Note, "Switched off"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct TargetRow {
    pub name: String,
    pub kind: String,
    pub standing: Standing,
    pub receivers: u64,
    pub gone: u64,
    pub waiting: u64,
    pub last_sent: Option<Moment>,
}

#[derive(Debug, Clone, Default)]
pub struct TargetsView {
    pub rows: Vec<TargetRow>,
}

pub fn list(frame: &Frame, view: &TargetsView) -> Markup {
    page(
        frame,
        &Sheet::new("Targets", Spot::Targets),
        html! {
            @if view.rows.is_empty() {
                (parts::empty(Icon::Target, "No target yet", html! {
                    p { "A target is a place people read. The smallest one is read on these pages; describe it in a file and apply it:" }
                    pre.sample tabindex="0" { "[[target]]\nname = \"inbox\"\nkind = \"inbox\"" }
                }))
            } @else {
                div.rows-box { table.rows role="table" {
                    caption.sr { "Targets" }
                    thead role="rowgroup" { tr role="row" {
                        th.c-status.wider scope="col" role="columnheader" { "State" }
                        th.c-title scope="col" role="columnheader" { "Target" }
                        th.c-from.first scope="col" role="columnheader" { "Kind" }
                        th.c-num scope="col" role="columnheader" { "Receivers" }
                        th.c-num scope="col" role="columnheader" { "Waiting" }
                        th.c-when scope="col" role="columnheader" { "Last sent" }
                    } }
                    tbody role="rowgroup" { @for row in &view.rows {
                        tr role="row" {
                            td.c-status.wider role="cell" { (row.standing.markup()) }
                            td.c-title role="cell" { a href=(frame.href(&format!("/targets/{}", segment(&row.name)))) { bdi { (row.name) } } }
                            td.c-from.first role="cell" { (row.kind) @if row.gone > 0 { span.bad { ", " (number(row.gone)) " gone" } } }
                            td.c-num role="cell" { (number(row.receivers)) }
                            td.c-num.zero[row.waiting == 0] role="cell" { (number(row.waiting)) }
                            td.c-when role="cell" { @match &row.last_sent { Some(at) => (parts::moment(at)), None => span.dim { "never" } } }
                        }
                    } }
                } }
            }
        },
    )
}

/// How a receiver is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverState {
    Fine,
    /// Why the service says it is gone.
    Gone(String),
    /// Where the service says it has moved to.
    Moved(String),
    Disabled,
    /// Nothing is sent to it before this moment.
    Waits(Moment),
}

#[derive(Debug, Clone)]
pub struct Receiver {
    pub name: String,
    pub to: String,
    pub thread: String,
    pub state: ReceiverState,
    pub waiting: u64,
}

#[derive(Debug, Clone)]
pub struct TargetView {
    pub name: String,
    pub kind: String,
    pub description: String,
    pub managed_by: String,
    pub standing: Standing,
    /// When the present row of failures began, and how long it is.
    pub failing_since: Option<Moment>,
    pub failures: u64,
    pub last_error: String,
    pub last_sent: Option<Moment>,
    /// Nothing is sent before this moment: the service asked to wait.
    pub waits_until: Option<Moment>,
    pub receivers: Vec<Receiver>,
    /// The bot that it sends as; empty when it has credentials of its own.
    pub bot: String,
    pub secrets: Vec<(String, Option<Moment>)>,
    pub trackers: Vec<String>,
    /// What "at least once" means here.
    pub promise: String,
    pub waiting: u64,
    /// Whether and until when it is muted.
    pub snoozes: Vec<SnoozeRow>,
    /// Whether a test message can be sent.
    pub can_test: bool,
    /// A receiver chosen before, kept when the form comes back.
    pub test_receiver: String,
}

pub fn one(frame: &Frame, view: &TargetView) -> Markup {
    let crumbs = [("/targets", "Targets")];
    let mut sheet = Sheet::new(&view.name, Spot::Targets);
    sheet.crumbs = &crumbs;
    sheet.beside = Some(html! { span.dim { (view.kind) } });
    page(
        frame,
        &sheet,
        html! {
            @if !view.description.is_empty() { p.lead dir="auto" { (view.description) } }
            div.split {
                div.split-main {
                    (health(frame, view))
                    (quiet(frame, view))
                    (receivers(view))
                    @if view.can_test && frame.can_operate { (test(frame, view)) }
                }
                aside.split-side aria-labelledby="facts" {
                    h2 #facts { "Facts" }
                    dl.facts {
                        div { dt { "Kind" } dd { (view.kind) } }
                        @if !view.bot.is_empty() {
                            div { dt { "Bot" } dd { a href=(frame.href(&format!("/bots/{}", segment(&view.bot)))) { bdi { (view.bot) } } } }
                        }
                        (secrets(&view.secrets))
                        div { dt { "Trackers" } dd {
                            @if view.trackers.is_empty() { "none: nothing is sent to it" }
                            @for (index, tracker) in view.trackers.iter().enumerate() { @if index > 0 { ", " } bdi { (tracker) } }
                        } }
                        @if !view.promise.is_empty() { div { dt { "Promise" } dd { (view.promise) } } }
                        @if !view.managed_by.is_empty() { div { dt { "Managed by" } dd { (view.managed_by) } } }
                    }
                    p { a href=(frame.href(&format!("/deliveries?status=any&target={}", segment(&view.name)))) { "Its deliveries" } }
                }
            }
        },
    )
}

fn health(frame: &Frame, view: &TargetView) -> Markup {
    html! {
        section aria-labelledby="health" {
            (parts::section_head("health", "Health", view.standing.markup()))
            ul.health {
                @if let Some(since) = &view.failing_since {
                    li.bad {
                        "Failing: " (counted(view.failures, "failure", "failures")) " in a row, the first " (parts::moment(since)) ". The last one: "
                        span.value dir="auto" { (view.last_error) } "."
                    }
                }
                @if let Some(until) = &view.waits_until { li { "Nothing is sent to it before " (until.absolute) " (" (parts::moment(until)) "): it asked to wait." } }
                li { @match &view.last_sent { Some(at) => { "Last sent " (parts::moment(at)) "." }, None => "Nothing was sent to it yet.", } }
                @if view.waiting > 0 {
                    li { a href=(frame.href(&format!("/deliveries?target={}", segment(&view.name)))) { (counted(view.waiting, "delivery waits", "deliveries wait")) } " for it." }
                }
            }
        }
    }
}

/// Whether it is muted, and the way to mute it.
fn quiet(frame: &Frame, view: &TargetView) -> Markup {
    let back = format!("/targets/{}", segment(&view.name));
    let what = Mutable {
        scope: "target".into(),
        name: view.name.clone(),
        provider: String::new(),
        words: "this target".into(),
        back: back.clone(),
    };
    html! {
        (snoozes::notes(frame, &view.snoozes, &back))
        @if view.snoozes.is_empty() { (snoozes::buttons(frame, &what)) }
    }
}

fn receivers(view: &TargetView) -> Markup {
    html! {
        section aria-labelledby="receivers" {
            h2 #receivers { "Receivers" }
            div.scroll tabindex="0" role="region" aria-labelledby="receivers" {
                table.grid {
                    thead { tr {
                        th scope="col" { "Receiver" } th scope="col" { "Address" } th scope="col" { "State" } th.n scope="col" { "Waiting" }
                    } }
                    tbody { @for receiver in &view.receivers {
                        tr {
                            th scope="row" { bdi { (receiver.name) } }
                            td.code { (receiver.to) @if !receiver.thread.is_empty() { span.dim { " thread " } (receiver.thread) } }
                            td {
                                @match &receiver.state {
                                    ReceiverState::Fine => (parts::state(Tone::Good, "Fine")),
                                    ReceiverState::Gone(why) => { (parts::state(Tone::Bad, "Gone")) p.dim dir="auto" { (why) } },
                                    ReceiverState::Moved(to) => { (parts::state(Tone::Warning, "Moved")) p.dim { "now at " code { (to) } } },
                                    ReceiverState::Disabled => (parts::state(Tone::Note, "Switched off")),
                                    ReceiverState::Waits(until) => { (parts::state(Tone::Warning, "Waits")) p.dim { "until " (until.absolute) } },
                                }
                            }
                            td.n.zero[receiver.waiting == 0] { (number(receiver.waiting)) }
                        }
                    } }
                }
            }
        }
    }
}

fn test(frame: &Frame, view: &TargetView) -> Markup {
    let path = format!("/targets/{}/test", segment(&view.name));
    html! {
        section aria-labelledby="test" {
            h2 #test { "Test" }
            (parts::post_form(frame, &path, "card", html! {
                @if view.receivers.len() > 1 {
                    div.field {
                        label for="f-receiver" { "Receiver" }
                        select #f-receiver name="receiver" {
                            (parts::choice("", "All receivers", &view.test_receiver))
                            @for receiver in &view.receivers { (parts::choice(&receiver.name, &receiver.name, &view.test_receiver)) }
                        }
                    }
                }
                p.help { "Sends one short message to each receiver now, past every hold, and waits up to " (TEST_WAIT_SECONDS) " s to say what came of it." }
                button.primary { "Send a test" }
            }))
        }
    }
}
