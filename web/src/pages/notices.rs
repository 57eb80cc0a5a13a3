//! The list of notices, narrowed by what stands in the address.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, NoticeStatus, Severity};

/// What the list is narrowed to; empty means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub provider: String,
    pub kind: String,
    pub status: String,
    pub severity: String,
    pub tracker: String,
    pub q: String,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_empty())
    }

    fn pairs(&self) -> [(&str, &str); 6] {
        [
            ("q", &self.q),
            ("status", &self.status),
            ("severity", &self.severity),
            ("provider", &self.provider),
            ("tracker", &self.tracker),
            ("kind", &self.kind),
        ]
    }

    /// The address of this list.
    pub fn address(&self) -> String {
        with_query("/notices", &self.pairs())
    }
}

#[derive(Debug, Clone)]
pub struct NoticeRow {
    pub id: String,
    pub position: u64,
    pub title: String,
    pub provider: String,
    pub kind: String,
    pub collection: String,
    pub severity: Severity,
    pub status: NoticeStatus,
    pub received: Moment,
}

#[derive(Debug, Clone, Default)]
pub struct NoticesView {
    pub filter: Filter,
    /// What can be chosen.
    pub providers: Vec<String>,
    pub trackers: Vec<String>,
    pub kinds: Vec<String>,
    /// Newest first.
    pub rows: Vec<NoticeRow>,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// A field of the filter that could not be read, with what to do.
    pub error: Option<String>,
    /// Whether the list begins at the newest: only then do new rows arrive.
    pub at_newest: bool,
}

pub fn page_of(frame: &Frame, view: &NoticesView) -> Markup {
    page(
        frame,
        &Sheet::new("Notices", Spot::Notices),
        html! {
            (filters(frame, view))
            div #results { (results(frame, view)) }
        },
    )
}

fn filters(frame: &Frame, view: &NoticesView) -> Markup {
    let filter = &view.filter;
    html! {
        form.filters role="search" method="get" action=(frame.href("/notices")) data-filter="#results" {
            label.filter.search {
                span.sr { "Words in the notice" }
                input type="search" name="q" value=(filter.q) placeholder="Words in the notice" dir="auto";
            }
            (parts::filter_select("status", "Status", &filter.status, html! {
                @for status in NoticeStatus::ALL { (parts::choice(status.as_str(), status.word(), &filter.status)) }
            }))
            (parts::filter_select("severity", "Severity", &filter.severity, html! {
                @for severity in Severity::ALL { (parts::choice(severity.as_str(), severity.word(), &filter.severity)) }
            }))
            (parts::filter_select("provider", "Provider", &filter.provider, html! {
                @for name in &view.providers { (parts::choice(name, name, &filter.provider)) }
            }))
            (parts::filter_select("kind", "Kind", &filter.kind, html! {
                @for name in &view.kinds { (parts::choice(name, name, &filter.kind)) }
            }))
            (parts::filter_select("tracker", "Tracker", &filter.tracker, html! {
                @for name in &view.trackers { (parts::choice(name, name, &filter.tracker)) }
            }))
            button.without-script { "Filter" }
        }
    }
}

/// The list with what belongs to it: the answer to `?fragment=results`.
pub fn results(frame: &Frame, view: &NoticesView) -> Markup {
    let older = view
        .next
        .as_deref()
        .map(|next| frame.href(&with_query(&view.filter.address(), &[("cursor", next)])));
    html! {
        @if let Some(error) = &view.error { p.error role="alert" { (error) } }
        @if view.rows.is_empty() {
            (empty(frame, view))
        } @else {
            (table(frame, &view.rows, view.at_newest.then(|| view.filter.address()).as_deref()))
        }
        (parts::older(older.as_deref()))
    }
}

fn empty(frame: &Frame, view: &NoticesView) -> Markup {
    html! {
        @if view.filter.is_empty() {
            div data-reload-on="notice" {
                (parts::empty(Icon::Notices, "No notice yet", html! {
                    p { "A notice appears here as soon as a provider sends something. "
                        a href=(frame.href("/providers")) { "Open a provider" }
                        " for the address to paste and the steps on the sender's side." }
                    p.dim { "This page waits and shows the first one when it arrives." }
                }))
            }
        } @else {
            (parts::empty(Icon::Notices, "No notice fits", html! {
                p { "Take a word or a choice away, or " a href=(frame.href("/notices")) { "show all notices" } "." }
            }))
        }
    }
}

/// A table of notices. With `live`, the address of the list, new rows arrive by themselves.
pub fn table(frame: &Frame, rows: &[NoticeRow], live: Option<&str>) -> Markup {
    html! {
        div.rows-box {
            p.sr aria-live="polite" data-news {}
            table.rows role="table" {
                caption.sr { "Notices, newest first" }
                thead role="rowgroup" {
                    tr role="row" {
                        th.c-status scope="col" role="columnheader" { "Status" }
                        th.c-title scope="col" role="columnheader" { "Notice" }
                        th.c-kind scope="col" role="columnheader" { "Kind" }
                        th.c-where scope="col" role="columnheader" { "Collection" }
                        th.c-from scope="col" role="columnheader" { "Provider" }
                        th.c-when scope="col" role="columnheader" { "Received" }
                    }
                }
                tbody role="rowgroup" data-live=[live.map(|path| frame.href(path))] {
                    (self::rows(frame, rows))
                }
            }
        }
    }
}

/// Rows alone: the answer to `?fragment=rows`, also with `&after=POSITION`.
pub fn rows(frame: &Frame, rows: &[NoticeRow]) -> Markup {
    html! {
        @for row in rows {
            tr class={ "sev-" (row.severity.as_str()) } role="row" data-id=(row.id) data-position=(row.position) {
                td.c-status role="cell" {
                    (parts::notice_status(row.status))
                    @match row.severity {
                        Severity::Warning | Severity::Critical => span.sr { ", " (row.severity.as_str()) },
                        Severity::Info | Severity::Success => {}
                    }
                }
                td.c-title role="cell" {
                    a href=(frame.href(&format!("/notices/{}", segment(&row.id)))) { bdi { (row.title) } }
                }
                td.c-kind role="cell" { (row.kind) }
                td.c-where role="cell" { bdi { (row.collection) } }
                td.c-from role="cell" { bdi { (row.provider) } }
                td.c-when role="cell" { (parts::moment(&row.received)) }
            }
        }
    }
}
