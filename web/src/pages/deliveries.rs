//! Deliveries: what waits, and what became of the others.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Severity, Status};

/// What the list is narrowed to. An empty status means what is open: due, sending, held, retrying.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub status: String,
    pub target: String,
    pub tracker: String,
}

impl Filter {
    pub fn address(&self) -> String {
        with_query(
            "/deliveries",
            &[
                ("status", &self.status),
                ("target", &self.target),
                ("tracker", &self.tracker),
            ],
        )
    }

    fn is_narrow(&self) -> bool {
        !(self.status.is_empty() && self.target.is_empty() && self.tracker.is_empty())
    }
}

#[derive(Debug, Clone)]
pub struct DeliveryRow {
    pub id: String,
    /// Of the notice it belongs to.
    pub notice_id: String,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub target: String,
    pub receiver: String,
    pub tracker: String,
    pub created: Moment,
    /// When it goes next, for what waits; shown instead of when it was planned.
    pub next: Option<Moment>,
    pub reason: String,
}

#[derive(Debug, Clone, Default)]
pub struct DeliveriesView {
    pub filter: Filter,
    pub targets: Vec<String>,
    pub trackers: Vec<String>,
    pub rows: Vec<DeliveryRow>,
    pub next: Option<String>,
    pub error: Option<String>,
}

pub fn page_of(frame: &Frame, view: &DeliveriesView) -> Markup {
    let filter = &view.filter;
    page(
        frame,
        &Sheet::new("Deliveries", Spot::Deliveries),
        html! {
            form.filters role="search" method="get" action=(frame.href("/deliveries")) data-filter="#results" {
                label.filter {
                    span.sr { "Status" }
                    select name="status" .set[!filter.status.is_empty()] {
                        option value="" { "Status: open" }
                        @for status in Status::ALL { (parts::choice(status.as_str(), status.word(), &filter.status)) }
                        (parts::choice("any", "Status: any", &filter.status))
                    }
                }
                (parts::filter_select("target", "Target", &filter.target, html! {
                    @for name in &view.targets { (parts::choice(name, name, &filter.target)) }
                }))
                (parts::filter_select("tracker", "Tracker", &filter.tracker, html! {
                    @for name in &view.trackers { (parts::choice(name, name, &filter.tracker)) }
                }))
                button.without-script { "Filter" }
            }
            div #results data-refresh="delivery" data-src=(frame.href(&filter.address())) data-part="results" {
                (results(frame, view))
            }
        },
    )
}

/// The list with what belongs to it: the answer to `?fragment=results`.
pub fn results(frame: &Frame, view: &DeliveriesView) -> Markup {
    let older = view
        .next
        .as_deref()
        .map(|next| frame.href(&with_query(&view.filter.address(), &[("cursor", next)])));
    html! {
        @if let Some(error) = &view.error { p.error role="alert" { (error) } }
        @if view.rows.is_empty() {
            @if view.filter.is_narrow() {
                (parts::empty(Icon::Waiting, "No delivery fits", html! {
                    p { "Take a choice away, or " a href=(frame.href("/deliveries")) { "show what is open" } "." }
                }))
            } @else {
                (parts::empty(Icon::Check, "Nothing waits", html! {
                    p { "Every delivery is settled. What was given up for now is among the "
                        a href=(frame.href("/parked")) { "parked" } " ones; what was sent is under "
                        a href=(frame.href("/deliveries?status=sent")) { "sent" } "." }
                }))
            }
        } @else {
            (table(frame, &view.rows))
        }
        (parts::older(older.as_deref()))
    }
}

fn table(frame: &Frame, rows: &[DeliveryRow]) -> Markup {
    html! {
        div.rows-box {
            table.rows role="table" {
                caption.sr { "Deliveries, newest first" }
                thead role="rowgroup" {
                    tr role="row" {
                        th.c-status scope="col" role="columnheader" { "Status" }
                        th.c-title scope="col" role="columnheader" { "Notice" }
                        th.c-from.first scope="col" role="columnheader" { "Target" }
                        th.c-where scope="col" role="columnheader" { "Receiver" }
                        th.c-reason scope="col" role="columnheader" { "Why" }
                        th.c-when scope="col" role="columnheader" { "When" }
                    }
                }
                tbody role="rowgroup" {
                    @for row in rows {
                        tr class={ "sev-" (row.severity.as_str()) } role="row" data-id=(row.id) {
                            td.c-status role="cell" { (parts::status(row.status)) }
                            td.c-title role="cell" {
                                a href=(frame.href(&format!("/notices/{}", segment(&row.notice_id)))) { bdi { (row.title) } }
                            }
                            td.c-from.first role="cell" { bdi { (row.target) } }
                            td.c-where role="cell" { @if row.receiver != "default" { bdi { (row.receiver) } } }
                            td.c-reason role="cell" { bdi title=(row.reason) { (row.reason) } }
                            td.c-when role="cell" { (parts::moment(row.next.as_ref().unwrap_or(&row.created))) }
                        }
                    }
                }
            }
        }
    }
}
