//! Held deliveries, by what holds them and by when they are sent: release, move or drop one, some or
//! all.
//!
//! The form goes by GET to `/held/ask`, which answers with a [`super::ask::Question`]; only that page
//! posts.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Severity, counted, number};

/// Titles of gathered notices that a row names; more are a count.
pub const PREVIEW_MAX: usize = 3;

#[derive(Debug, Clone)]
pub struct HeldRow {
    pub id: String,
    pub notice_id: String,
    pub title: String,
    pub severity: Severity,
    pub target: String,
    pub receiver: String,
    /// Notices it tells, its own included.
    pub notices: u64,
    /// Titles of the first others that it tells.
    pub preview: Vec<String>,
    /// "12 added, 3 removed"; empty without items.
    pub items: String,
    pub since: Moment,
}

/// What one reason holds until one moment.
#[derive(Debug, Clone)]
pub struct Group {
    /// What the server knows the group by.
    pub key: String,
    /// When the first of it is sent; `None` when somebody has to release it.
    pub until: Option<Moment>,
    pub count: u64,
    /// Notices that its deliveries tell.
    pub notices: u64,
    /// The first of its deliveries.
    pub rows: Vec<HeldRow>,
}

/// What one reason holds.
#[derive(Debug, Clone)]
pub struct Reason {
    /// The word of the contract; empty for what has no place among the others.
    pub what: String,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, Default)]
pub struct HeldView {
    /// One page of them, what is sent first first.
    pub reasons: Vec<Reason>,
    /// Deliveries in all groups.
    pub total: u64,
    /// The page after this one, by its number.
    pub next: Option<usize>,
    /// This page's number.
    pub turned: usize,
}

/// A reason as a heading.
pub fn heading(what: &str) -> &'static str {
    match what {
        "held_quiet_hours" => "Quiet hours",
        "held_digest" => "Digests",
        "held_settling" => "Settling",
        "held_grouping" => "Grouping",
        "held_breaker" => "Failing targets",
        "held_backoff" => "Asked to wait",
        "held_operator" => "Moved by a person",
        "held_restored" => "From a restored store",
        "storm_summarised" => "Too many at once",
        _ => "Later",
    }
}

/// What the reason means, in a sentence.
fn meaning(what: &str) -> &'static str {
    match what {
        "held_quiet_hours" => "A window of quiet hours ends first.",
        "held_digest" => "What joins before then is told in the same message.",
        "held_settling" => "Each further notice of the same thing begins the wait again.",
        "held_grouping" => "Others of the group may still join.",
        "held_breaker" => "Sent once the target takes messages again.",
        "held_backoff" => "The target asked to wait.",
        "held_operator" => "Somebody said until when.",
        "held_restored" => {
            "Nobody knows whether these were sent already; look before you release them."
        }
        "storm_summarised" => "They become one summary.",
        _ => "What is sent after all of the above.",
    }
}

pub fn page_of(frame: &Frame, view: &HeldView) -> Markup {
    let turned = match view.turned {
        0 => String::new(),
        turned => turned.to_string(),
    };
    let address = with_query("/held", &[("page", &turned)]);
    let mut sheet = Sheet::new("Held", Spot::Held);
    if view.total > 0 {
        sheet.beside = Some(
            html! { span.dim { (counted(view.total, "delivery waits", "deliveries wait")) " for a moment" } },
        );
    }
    page(
        frame,
        &sheet,
        html! {
            div #results data-refresh="notice delivery counts" data-src=(frame.href(&address)) data-part="results" {
                (results(frame, view))
            }
        },
    )
}

/// The groups: the answer to `?fragment=results`.
pub fn results(frame: &Frame, view: &HeldView) -> Markup {
    let mut index = 0;
    html! {
        @if view.reasons.is_empty() { (empty()) }
        @for reason in &view.reasons {
            @let id = format!("why-{}", reason.what);
            section.group.held aria-labelledby=(id) {
                header.group-head {
                    h2 id=(id) { (heading(&reason.what)) }
                    p.dim { (meaning(&reason.what)) }
                }
                @for group in &reason.groups {
                    @let () = index += 1;
                    (group_of(frame, &format!("group-{index}"), reason, group))
                }
            }
        }
        @if let Some(next) = view.next {
            nav.pager aria-label="Later ones" {
                a.button rel="next" href=(frame.href(&with_query("/held", &[("page", &next.to_string())]))) { "Later ones" }
            }
        }
    }
}

fn empty() -> Markup {
    parts::empty(
        Icon::Hold,
        "Nothing is held",
        html! {
            p { "A delivery is held until a moment, with its reason: quiet hours, a digest, settling until things are quiet, or grouping with others. It stands here until then, and can be released, moved or dropped. These lines in the file hold things:" }
            pre.sample tabindex="0" {
                "[[tracker]]\nname = \"builds\"\nprovider = \"forge\"\n"
                "settle = \"2m\"                                    # until it has been quiet so long\n"
                "group = { by = \"notice.collection\", wait = \"30s\" } # told together\n"
                "links = [ {\n  target = \"ops\",\n"
                "  quiet = [ { from = \"22:00\", to = \"07:00\" } ],     # sent in the morning\n"
                "  digest = { at = [\"08:00\", \"18:00\"] },            # twice a day, in one message\n} ]"
            }
            p.dim { "What is critical passes all of them." }
        },
    )
}

fn group_of(frame: &Frame, id: &str, reason: &Reason, group: &Group) -> Markup {
    let all = |action: &str| with_query("/held/ask", &[("action", action), ("group", &group.key)]);
    let shown = group.rows.len() as u64;
    html! {
        form.moment method="get" action=(frame.href("/held/ask")) aria-labelledby=(id) {
            div.group-head {
                h3 id=(id) {
                    @match &group.until {
                        Some(until) => { "Sends " (parts::moment_ahead(until)) },
                        None => "Sends when somebody releases it",
                    }
                }
                p.dim {
                    (counted(group.count, "delivery", "deliveries"))
                    @if group.notices > group.count { ", telling " (counted(group.notices, "notice", "notices")) }
                }
            }
            div.rows-box {
                table.rows.pick role="table" {
                    caption.sr { "Held: " (heading(&reason.what)) }
                    thead role="rowgroup" {
                        tr role="row" {
                            th.c-pick scope="col" role="columnheader" { span.sr { "Choose" } }
                            th.c-title scope="col" role="columnheader" { "Notice" }
                            th.c-reason scope="col" role="columnheader" { "Told with it" }
                            th.c-from.first scope="col" role="columnheader" { "Target" }
                            th.c-where scope="col" role="columnheader" { "Receiver" }
                            th.c-when scope="col" role="columnheader" { "Since" }
                        }
                    }
                    tbody role="rowgroup" { @for row in &group.rows { (row_of(frame, row)) } }
                }
            }
            @if frame.can_operate {
                div.actions.by-three {
                    @if group.count > 1 {
                        button.small name="action" value="release" { "Release chosen" }
                        button.small name="action" value="move" { "Move chosen" }
                        button.small.danger name="action" value="drop" { "Drop chosen" }
                        span.grow {}
                    }
                    (parts::asking(frame, &all("release"), "small", &whole("Release", group.count)))
                    (parts::asking(frame, &all("move"), "small", &whole("Move", group.count)))
                    (parts::asking(frame, &all("drop"), "small danger", &whole("Drop", group.count)))
                }
            }
            @if group.count > shown { p.dim.under { (number(group.count - shown)) " more are not listed; what is done with all concerns them too." } }
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

fn row_of(frame: &Frame, row: &HeldRow) -> Markup {
    let others = row.notices.saturating_sub(1);
    let mut with: Vec<String> = row.preview.iter().take(PREVIEW_MAX).cloned().collect();
    let left = others.saturating_sub(with.len() as u64);
    if left > 0 {
        with.push(counted(left, "more", "more"));
    }
    if !row.items.is_empty() {
        with.insert(0, row.items.clone());
    }
    let with = with.join("; ");
    html! {
        tr class={ "sev-" (row.severity.as_str()) } role="row" {
            td.c-pick role="cell" {
                label { input type="checkbox" name="id" value=(row.id); span.sr { "Choose " (row.title) } }
            }
            td.c-title role="cell" {
                a href=(frame.href(&format!("/notices/{}", segment(&row.notice_id)))) { bdi { (row.title) } }
                @if others > 0 { span.dim { " +" (number(others)) span.sr { " more" } } }
            }
            td.c-reason role="cell" { bdi title=(with) { (with) } }
            td.c-from.first role="cell" { bdi { (row.target) } }
            td.c-where role="cell" { @if row.receiver != "default" { bdi { (row.receiver) } } }
            td.c-when role="cell" { (parts::moment(&row.since)) }
        }
    }
}

/// Moments that a person may move something to.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    /// (what the form says, words), the first of them chosen.
    pub presets: Vec<(String, String)>,
    /// The value of the field for another moment, `2026-08-30T08:00`, and the earliest and latest.
    pub field: String,
    pub earliest: String,
    pub latest: String,
    /// "Lisbon": the zone in which the field is read.
    pub zone: String,
}

/// The fields of a question that asks until when.
pub fn until_when(moments: &Moments) -> Markup {
    html! {
        fieldset.until {
            legend { "Until when" }
            @for (index, (value, words)) in moments.presets.iter().enumerate() {
                label.radio { input type="radio" name="until" value=(value) checked[index == 0]; span { (words) } }
            }
            label.radio { input type="radio" name="until" value="at"; span { "At another moment" } }
            label.at {
                span.sr { "Another moment, " (moments.zone) " time" }
                input type="datetime-local" name="at" value=(moments.field) min=(moments.earliest) max=(moments.latest);
                span.dim { (moments.zone) " time" }
            }
        }
    }
}
