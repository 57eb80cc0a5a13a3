//! Parked and unknown deliveries, in groups of one reason: retry or drop one, some or all.
//!
//! The form goes by GET to `/parked/ask`, which answers with a [`super::ask::Question`]; only that
//! page posts.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Severity, Status, counted, number};

#[derive(Debug, Clone)]
pub struct ParkedRow {
    pub id: String,
    pub notice_id: String,
    pub title: String,
    pub severity: Severity,
    pub status: Status,
    pub target: String,
    pub receiver: String,
    pub parked: Moment,
}

/// Deliveries parked for one reason.
#[derive(Debug, Clone)]
pub struct Group {
    /// What the server knows the group by.
    pub key: String,
    /// "Telegram answered 403: bot was kicked"
    pub reason: String,
    /// What a person can do about it; may be empty.
    pub advice: String,
    pub count: u64,
    /// Newest first, the first of them.
    pub rows: Vec<ParkedRow>,
}

#[derive(Debug, Clone, Default)]
pub struct ParkedView {
    /// One page of them, the largest first.
    pub groups: Vec<Group>,
    /// Deliveries in all groups.
    pub total: u64,
    /// The page after this one, by its number.
    pub next: Option<usize>,
}

pub fn page_of(frame: &Frame, view: &ParkedView) -> Markup {
    let mut sheet = Sheet::new("Parked", Spot::Parked);
    if view.total > 0 {
        sheet.beside = Some(
            html! { span.dim { (counted(view.total, "delivery waits", "deliveries wait")) " for a person" } },
        );
    }
    page(
        frame,
        &sheet,
        html! {
            @if view.groups.is_empty() {
                (parts::empty(Icon::Check, "Nothing is parked", html! {
                    p { "A delivery is parked when a target refuses it for good, when all tries are used up, or when nobody knows whether it arrived. It is kept here with its reason until it is retried or dropped." }
                }))
            }
            @for (index, group) in view.groups.iter().enumerate() { (group_of(frame, index, group)) }
            @if let Some(next) = view.next {
                nav.pager aria-label="More reasons" {
                    a.button rel="next" href=(frame.href(&with_query("/parked", &[("page", &next.to_string())]))) { "More reasons" }
                }
            }
        },
    )
}

fn group_of(frame: &Frame, index: usize, group: &Group) -> Markup {
    let id = format!("group-{index}");
    let all =
        |action: &str| with_query("/parked/ask", &[("action", action), ("group", &group.key)]);
    let shown = group.rows.len() as u64;
    html! {
        section.group aria-labelledby=(id) {
            header.group-head {
                h2 id=(id) { span.figure { (number(group.count)) " × " } span dir="auto" { (group.reason) } }
                @if !group.advice.is_empty() { p.dim { (group.advice) } }
            }
            form method="get" action=(frame.href("/parked/ask")) {
                div.rows-box {
                    table.rows.pick role="table" {
                        caption.sr { "Parked: " (group.reason) }
                        thead role="rowgroup" {
                            tr role="row" {
                                th.c-pick scope="col" role="columnheader" { span.sr { "Choose" } }
                                th.c-status scope="col" role="columnheader" { "Status" }
                                th.c-title scope="col" role="columnheader" { "Notice" }
                                th.c-from.first scope="col" role="columnheader" { "Target" }
                                th.c-where scope="col" role="columnheader" { "Receiver" }
                                th.c-when scope="col" role="columnheader" { "Parked" }
                            }
                        }
                        tbody role="rowgroup" { @for row in &group.rows { (row_of(frame, row)) } }
                    }
                }
                @if frame.can_operate {
                    div.actions.by-two {
                        @if group.count > 1 {
                            button.small name="action" value="retry" { "Retry chosen" }
                            button.small.danger name="action" value="drop" { "Drop chosen" }
                            span.grow {}
                        }
                        (parts::asking(frame, &all("retry"), "small", &whole("Retry", group.count)))
                        (parts::asking(frame, &all("drop"), "small danger", &whole("Drop", group.count)))
                    }
                }
            }
            @if group.count > shown { p.dim.under { (number(group.count - shown)) " older ones are not listed; retry all and drop all concern them too." } }
        }
    }
}

/// What a button for the whole group says.
fn whole(verb: &str, count: u64) -> String {
    if count == 1 {
        format!("{verb} it")
    } else {
        format!("{verb} all {}", number(count))
    }
}

fn row_of(frame: &Frame, row: &ParkedRow) -> Markup {
    html! {
        tr class={ "sev-" (row.severity.as_str()) } role="row" {
            td.c-pick role="cell" {
                label { input type="checkbox" name="id" value=(row.id); span.sr { "Choose " (row.title) } }
            }
            td.c-status role="cell" { (parts::status(row.status)) }
            td.c-title role="cell" {
                a href=(frame.href(&format!("/notices/{}", segment(&row.notice_id)))) { bdi { (row.title) } }
            }
            td.c-from.first role="cell" { bdi { (row.target) } }
            td.c-where role="cell" { @if row.receiver != "default" { bdi { (row.receiver) } } }
            td.c-when role="cell" { (parts::moment(&row.parked)) }
        }
    }
}
