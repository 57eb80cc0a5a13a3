//! The log: events by position, and what each means.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::message::pretty;
use crate::parts;
use crate::view::Moment;

#[derive(Debug, Clone)]
pub struct EventRow {
    pub position: u64,
    pub kind: String,
    /// One line about this event: "forge: gordon pushed 2 commits to main".
    pub summary: String,
    pub recorded: Moment,
}

#[derive(Debug, Clone, Default)]
pub struct LogView {
    /// Empty means all.
    pub kind: String,
    /// What can be chosen.
    pub kinds: Vec<String>,
    /// Position from which it is read, newest first when absent.
    pub from: String,
    pub rows: Vec<EventRow>,
    pub next: Option<String>,
    /// The list reaches to where events may be missing: below this position.
    pub compacted_before: Option<u64>,
    pub error: Option<String>,
}

pub fn list(frame: &Frame, view: &LogView) -> Markup {
    page(
        frame,
        &Sheet::new("Log", Spot::Log),
        html! {
            form.filters role="search" method="get" action=(frame.href("/log")) data-filter="#results" {
                (parts::filter_select("kind", "Kind", &view.kind, html! {
                    @for kind in &view.kinds { (parts::choice(kind, kind, &view.kind)) }
                }))
                label.filter {
                    span.sr { "From position" }
                    input name="from" inputmode="numeric" pattern="[0-9]*" value=(view.from) placeholder="From position";
                }
                button.without-script { "Filter" }
            }
            div #results { (results(frame, view)) }
        },
    )
}

/// The list: the answer to `?fragment=results`.
pub fn results(frame: &Frame, view: &LogView) -> Markup {
    let here = with_query("/log", &[("kind", &view.kind), ("from", &view.from)]);
    let older = view
        .next
        .as_deref()
        .map(|next| frame.href(&with_query(&here, &[("cursor", next)])));
    html! {
        @if let Some(error) = &view.error { p.error role="alert" { (error) } }
        @if view.rows.is_empty() {
            (parts::empty(Icon::Log, "No event fits", html! {
                p { "Choose another kind, or " a href=(frame.href("/log")) { "show all events" } "." }
            }))
        } @else {
            div.rows-box { table.rows role="table" {
                caption.sr { "Events by position" }
                thead role="rowgroup" { tr role="row" {
                    th.c-num.lead scope="col" role="columnheader" { "Position" }
                    th.c-kind.first scope="col" role="columnheader" { "Kind" }
                    th.c-title scope="col" role="columnheader" { "What" }
                    th.c-when scope="col" role="columnheader" { "Recorded" }
                } }
                tbody role="rowgroup" { @for row in &view.rows {
                    tr role="row" {
                        td.c-num.lead role="cell" { (row.position) }
                        td.c-kind.first role="cell" { (row.kind) }
                        td.c-title role="cell" {
                            a href=(frame.href(&format!("/log/{}", row.position))) {
                                bdi { @if row.summary.is_empty() { (row.kind) } @else { (row.summary) } }
                            }
                        }
                        td.c-when role="cell" { (parts::moment(&row.recorded)) }
                    }
                } }
            } }
        }
        @if let Some(mark) = view.compacted_before {
            p.dim { "Below position " (mark) " events are missing that were removed because they are older than what is kept." }
        }
        (parts::older(older.as_deref()))
    }
}

#[derive(Debug, Clone)]
pub struct EventView {
    pub position: u64,
    pub kind: String,
    pub revision: u32,
    pub recorded: Moment,
    pub summary: String,
    /// The event that caused it.
    pub causation: Option<u64>,
    pub correlation: String,
    /// The notice whose family it belongs to.
    pub notice_id: String,
    /// The event's shape of the contract.
    pub json: String,
    pub previous: Option<u64>,
    pub following: Option<u64>,
}

pub fn one(frame: &Frame, view: &EventView) -> Markup {
    let title = format!("Event {}", view.position);
    let crumbs = [("/log", "Log")];
    let mut sheet = Sheet::new(&title, Spot::Log);
    sheet.crumbs = &crumbs;
    sheet.beside = Some(html! { code { (view.kind) } });
    let event = |position: u64| frame.href(&format!("/log/{position}"));
    page(
        frame,
        &sheet,
        html! {
            @if !view.summary.is_empty() { p.lead dir="auto" { (view.summary) } }
            @if let Some(meaning) = meaning(&view.kind) { p { (meaning) } }
            dl.facts.wide {
                div { dt { "Recorded" } dd { (view.recorded.absolute) " (" (parts::moment(&view.recorded)) ")" } }
                div { dt { "Kind" } dd.code { (view.kind) ", revision " (view.revision) } }
                @if let Some(causation) = view.causation { div { dt { "Caused by" } dd { a href=(event(causation)) { "event " (causation) } } } }
                @if !view.notice_id.is_empty() {
                    div { dt { "Notice" } dd.code { a href=(frame.href(&format!("/notices/{}", segment(&view.notice_id)))) { (view.notice_id) } } }
                }
                div { dt { "Dispatch" } dd.code { (view.correlation) } }
            }
            pre.body dir="ltr" tabindex="0" aria-label="The event as JSON" { (pretty(&view.json)) }
            nav.pager aria-label="Neighbours" {
                @if let Some(position) = view.previous { a.button rel="prev" href=(event(position)) { "Event " (position) } }
                @if let Some(position) = view.following { a.button rel="next" href=(event(position)) { "Event " (position) } }
            }
        },
    )
}

/// What events of a kind mean.
pub fn meaning(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "store_founded" => {
            "The store began, or began anew after a restore. Ids made from here on carry its epoch."
        }
        "settings_changed" => "The settings of the space were changed.",
        "entity_put" => "A provider, target, tracker or template was created or changed.",
        "entity_removed" => "A provider, target, tracker or template was removed.",
        "file_applied" => {
            "A declarative file was applied. Its digest tells whether it has changed since."
        }
        "user_put" => "An account was created or changed.",
        "user_removed" => "An account was removed.",
        "token_put" => "An API token was created.",
        "token_revoked" => "An API token was revoked.",
        "notice_accepted" => {
            "A notice was accepted and routed, and its deliveries were planned, all in one transaction."
        }
        "intake_unreadable" => "A verified request could not be read. Its body is kept.",
        "notice_resent" => "A person sent a notice again over what was configured then.",
        "message_composed" => {
            "The words of a delivery, stored once for all deliveries that share them."
        }
        "attempt_started" => {
            "A delivery was claimed: from here on its next part may have been sent."
        }
        "part_sent" => "One part of a delivery got through; others follow.",
        "attempt_failed" => "An attempt failed and is tried again at the moment it names.",
        "fallback_used" => "A part was put in another way, and the delivery goes on with that.",
        "edit_refused" => {
            "The earlier message of a subject could not be edited, so the delivery is sent anew."
        }
        "claim_returned" => "A claim was given back unused; nothing was sent.",
        "delivery_settled" => "A delivery ended: sent, dropped, or parked for a person.",
        "outcome_unknown" => {
            "It was being sent when the program stopped; nobody knows whether it arrived."
        }
        "delivery_operated" => "A person retried, dropped or confirmed a delivery.",
        "receiver_gone" => {
            "The service said that a receiver does not exist any more. Nothing is sent to it until it is retried."
        }
        "receiver_moved" => "The service said that a receiver has another address from now on.",
        "receiver_restored" => "A receiver that was gone is tried again.",
        "sending_paused" => "Sending was paused. Intake goes on, and what is due waits.",
        "sending_resumed" => "Sending was resumed.",
        "clock_stepped" => "The wall clock was set. Relative waits are shifted by the step.",
        _later => return None,
    })
}
