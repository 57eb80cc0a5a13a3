//! One notice: what it says, and why it went where it went.

use maud::{Markup, html};

use super::pictures::{self, Pictures};
use super::snoozes::{self, Mutable, SnoozeRow};
use crate::address::{is_web, segment};
use crate::frame::Frame;
use crate::icon::{Icon, icon};
use crate::layout::{Sheet, Spot, page};
use crate::message::{Message, message, pretty};
use crate::parts;
use crate::view::{Moment, NoticeStatus, Severity, Status, counted, laid_bare, number};
use crate::why::{self, Attempt, Line, Reason};

/// Deliveries of a notice that are spelled out; the rest is a count with a link to their list.
pub const DELIVERIES_MAX: usize = 50;

#[derive(Debug, Clone)]
pub struct NoticeView {
    pub id: String,
    pub title: String,
    pub text: String,
    pub severity: Severity,
    pub status: NoticeStatus,
    /// Empty for a one-off message.
    pub provider: String,
    pub provider_kind: String,
    pub kind: String,
    pub collection: String,
    pub subject: String,
    /// `opens`, `updates`, `closes` or empty.
    pub transition: String,
    pub actor: String,
    pub url: String,
    pub received: Moment,
    pub occurred: Option<Moment>,
    pub labels: Vec<(String, String)>,
    /// (field, before, after)
    pub changes: Vec<(String, String, String)>,
    /// "12 added, 3 removed"; empty without items.
    pub items: String,
    pub pictures: Pictures,
    pub dispatch_id: String,
    /// What was decided before there were deliveries, oldest first.
    pub reasons: Vec<Reason>,
    pub deliveries: Vec<DeliveryView>,
    /// Whether events were left out because there are too many.
    pub cut_off: bool,
    /// How what it is about stands now.
    pub standing: Standing,
    pub raw: Raw,
}

/// How what a notice is about stands now, and what a person can say about that.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Since when it has been open; `None` when it is not.
    pub open_since: Option<Moment>,
    pub acknowledged: bool,
    /// When it is told again unless it closes or somebody acknowledges it.
    pub repeats_at: Option<Moment>,
    /// What of it is muted.
    pub snoozes: Vec<SnoozeRow>,
    /// What of it can be muted from here.
    pub mutable: Vec<Mutable>,
}

/// What came of one receiver.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    pub id: String,
    pub tracker: String,
    pub link: String,
    pub target: String,
    pub target_kind: String,
    pub receiver: String,
    pub status: Status,
    /// When it is due, held until, or tried again.
    pub due: Option<Moment>,
    /// Why it stands as it does.
    pub reason: String,
    pub messages: Vec<Message>,
    /// Attempts and decisions about it, oldest first.
    pub story: Vec<Step>,
    /// Attempts so far.
    pub attempts: u64,
    pub told: Told,
}

/// What a delivery tells beside its own notice, or where it is told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// (id, title) of the first other notices that it tells.
    pub notices: Vec<(String, String)>,
    /// Further ones, counted.
    pub more: u64,
    /// "12 added, 3 removed"; empty without items.
    pub items: String,
    /// (id, title) of the notice by whose delivery it is told.
    pub by: Option<(String, String)>,
    /// When that delivery was sent.
    pub told_at: Option<Moment>,
    pub silent: bool,
}

#[derive(Debug, Clone)]
pub enum Step {
    Reason(Reason),
    Attempt(Attempt),
}

/// The request the notice came in.
#[derive(Debug, Clone)]
pub enum Raw {
    Kept(RawRequest),
    /// Why it is not there: too old, or this person may not see it.
    NotShown(String),
}

#[derive(Debug, Clone, Default)]
pub struct RawRequest {
    /// Secret values are replaced before they get here.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub content_type: String,
    /// Bytes received, and whether the body is shown whole.
    pub bytes: u64,
    pub cut: bool,
}

pub fn page_of(frame: &Frame, view: &NoticeView) -> Markup {
    let path = format!("/notices/{}", segment(&view.id));
    let crumbs = [("/notices", "Notices")];
    // What is held changes with the notices that join it.
    let is_held = view
        .deliveries
        .iter()
        .any(|delivery| delivery.status == Status::Held);
    let mut sheet = Sheet::new(&view.title, Spot::Notices);
    sheet.crumbs = &crumbs;
    sheet.action = frame
        .can_operate
        .then(|| parts::asking(frame, &format!("{path}/resend"), "primary", "Send again"));
    page(
        frame,
        &sheet,
        html! {
            p.facts-line {
                (parts::notice_status(view.status))
                (parts::severity(view.severity))
                @if !view.provider.is_empty() {
                    a href=(frame.href(&format!("/providers/{}", segment(&view.provider)))) { bdi { (view.provider) } }
                } @else { span { "One-off message" } }
                @if !view.collection.is_empty() { bdi { (view.collection) } }
                code { (view.kind) }
                (parts::moment(&view.received))
            }
            div.split {
                div.split-main {
                    @if !view.text.is_empty() { div.notice-text dir="auto" { (view.text) } }
                    (pictures::section(frame, &view.id, &view.pictures))
                    div #why data-refresh=(if is_held { "delivery notice" } else { "delivery" }) data-src=(frame.href(&path)) data-part="why" {
                        (why_card(frame, view))
                    }
                }
                aside.split-side aria-labelledby="facts" {
                    h2 #facts { "Facts" }
                    (facts(view))
                    (standing(frame, view, &path))
                }
            }
            (raw(&view.raw))
        },
    )
}

/// The why card: the answer to `?fragment=why`.
pub fn why_card(frame: &Frame, view: &NoticeView) -> Markup {
    html! {
        section.why aria-labelledby="why-head" {
            (parts::section_head("why-head", "Why", html! { span.dim { (summary(view)) } }))
            ol.timeline {
                li.step.s-start {
                    span.dot { (icon(Icon::Notices)) }
                    p {
                        @if view.provider.is_empty() { "A person or a program sent it" }
                        @else { "Received from " b.name dir="auto" { (view.provider) } " and verified" }
                        "."
                    }
                    (parts::moment(&view.received))
                }
                // What was decided at one moment says so once.
                @for (index, reason) in view.reasons.iter().enumerate() {
                    @let before = index.checked_sub(1).map_or(&view.received, |before| &view.reasons[before].at);
                    (line(&why::reason(reason), (*before != reason.at).then_some(&reason.at)))
                }
                @for delivery in view.deliveries.iter().take(DELIVERIES_MAX) { (branch(frame, view, delivery)) }
                @if view.deliveries.len() > DELIVERIES_MAX {
                    li.step.s-wait {
                        span.dot { (icon(Icon::More)) }
                        p { "And " (counted((view.deliveries.len() - DELIVERIES_MAX) as u64, "further delivery", "further deliveries")) "." }
                    }
                }
                @if view.cut_off {
                    li.step.s-fault {
                        span.dot { (icon(Icon::More)) }
                        p { "More happened than is shown here. The log has all of it." }
                    }
                }
            }
        }
    }
}

fn summary(view: &NoticeView) -> String {
    if view.deliveries.is_empty() {
        return "nothing was planned".into();
    }
    Status::ALL
        .into_iter()
        .filter_map(|status| {
            let count = view
                .deliveries
                .iter()
                .filter(|delivery| delivery.status == status)
                .count();
            (count > 0).then(|| format!("{count} {}", status.as_str()))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn line(line: &Line, at: Option<&Moment>) -> Markup {
    html! {
        li class=(line.sign.class()) {
            span.dot { (icon(line.sign.icon())) }
            p { (line.words) }
            @if let Some(at) = at { (parts::moment(at)) }
        }
    }
}

fn branch(frame: &Frame, view: &NoticeView, delivery: &DeliveryView) -> Markup {
    let next = why::next(
        delivery.status,
        delivery.attempts,
        delivery.due.as_ref(),
        &delivery.reason,
        frame.paused.is_some(),
    );
    html! {
        li class={ "step branch b-" (delivery.status.as_str()) } {
            span.dot { (icon(delivery.status.icon())) }
            article.delivery {
                header.delivery-head {
                    h3 {
                        a href=(frame.href(&format!("/targets/{}", segment(&delivery.target)))) { bdi { (delivery.target) } }
                        @if delivery.receiver != "default" { " / " bdi { (delivery.receiver) } }
                    }
                    span.dim { (delivery.target_kind) @if !delivery.tracker.is_empty() { ", by " bdi { (delivery.tracker) } } }
                    (parts::status(delivery.status))
                }
                @for part in &delivery.messages { (message(part, view.severity)) }
                (told(frame, delivery))
                ol.timeline.inner {
                    @for step in &delivery.story {
                        @match step {
                            Step::Reason(reason) => (line(&why::reason(reason), Some(&reason.at))),
                            Step::Attempt(attempt) => (line(&why::attempt(attempt), Some(&attempt.at))),
                        }
                    }
                    @if let Some(next) = next {
                        li.step.future {
                            span.dot { (icon(Icon::Clock)) }
                            p { span.sr { "Next: " } (next) }
                        }
                    }
                }
                (actions(frame, delivery))
            }
        }
    }
}

/// What else the delivery tells, or who tells it.
fn told(frame: &Frame, delivery: &DeliveryView) -> Markup {
    let Told {
        notices,
        more,
        items,
        by,
        told_at,
        silent,
    } = &delivery.told;
    let link = |(id, title): &(String, String)| {
        html! { a href=(frame.href(&format!("/notices/{}", segment(id)))) { bdi { (title) } } }
    };
    html! {
        @if let Some(host) = by {
            p.told {
                "Told together with " (link(host))
                @if let Some(at) = told_at { ", sent " (parts::moment(at)) }
                "."
            }
        }
        @if *silent { p.told.dim { "Without sound." } }
        @if !items.is_empty() { p.told { "All together: " (items) "." } }
        @if !notices.is_empty() || *more > 0 {
            details.told open[notices.len() <= 3] {
                summary { "Tells " (counted(notices.len() as u64 + more, "further notice", "further notices")) }
                ul.concerned {
                    @for notice in notices { li { (link(notice)) } }
                    @if *more > 0 { li.dim { "and " (number(*more)) " more" } }
                }
            }
        }
    }
}

/// What a person may do with a delivery, given how it stands.
pub(crate) fn actions(frame: &Frame, delivery: &DeliveryView) -> Markup {
    let held = delivery.status == Status::Held;
    let (retry, confirm, drop) = match delivery.status {
        Status::Parked | Status::Unknown => (true, true, true),
        Status::Retrying => (true, false, true),
        Status::Due | Status::Held => (false, false, true),
        Status::Sending | Status::Sent | Status::Dropped | Status::Merged => (false, false, false),
    };
    let path = |action: &str| format!("/deliveries/{}/{action}", segment(&delivery.id));
    html! {
        @if frame.can_operate && drop {
            div.actions {
                @if retry { (parts::post_form(frame, &path("retry"), "inline", html! { button.small { "Retry now" } })) }
                @if held { (parts::post_form(frame, &path("release"), "inline", html! { button.small { "Release now" } })) }
                @if held { (parts::asking(frame, &path("move"), "small", "Move")) }
                @if confirm { (parts::asking(frame, &path("confirm"), "small", "It arrived")) }
                (parts::asking(frame, &path("drop"), "small danger", "Drop"))
            }
        }
    }
}

/// Whether it is still open, and who wants to hear of it.
fn standing(frame: &Frame, view: &NoticeView, path: &str) -> Markup {
    let standing = &view.standing;
    let says_something = standing.open_since.is_some()
        || !standing.snoozes.is_empty()
        || (frame.can_operate && !standing.mutable.is_empty());
    html! {
        @if says_something {
            section aria-labelledby="standing" {
                h2 #standing { "Now" }
                @if let Some(since) = &standing.open_since {
                    p {
                        "Open since " (since.absolute) " (" (parts::moment(since)) ")"
                        @if standing.acknowledged { "; somebody has acknowledged it, so it is not told again" }
                        @else if let Some(at) = &standing.repeats_at { "; told again " (parts::moment_ahead(at)) " unless it closes" }
                        "."
                    }
                    @if !standing.acknowledged && frame.can_operate {
                        (parts::post_form(frame, &format!("{path}/ack"), "inline", html! { button.small { "Acknowledge" } }))
                    }
                }
                (snoozes::notes(frame, &standing.snoozes, path))
                @for what in &standing.mutable { (snoozes::buttons(frame, what)) }
            }
        }
    }
}

fn facts(view: &NoticeView) -> Markup {
    let texts = [
        ("Subject", view.subject.as_str()),
        ("Transition", view.transition.as_str()),
        ("Actor", view.actor.as_str()),
        ("Items", view.items.as_str()),
    ];
    html! {
        dl.facts {
            @for (name, value) in texts { @if !value.is_empty() { div { dt { (name) } dd dir="auto" { (value) } } } }
            @if let Some(occurred) = &view.occurred { div { dt { "Happened" } dd { (parts::moment(occurred)) } } }
            div { dt { "Received" } dd { (view.received.absolute) } }
            @if is_web(&view.url) {
                div { dt { "Address" } dd { a href=(view.url) rel="noreferrer" { (view.url) } } }
            }
            @for (field, before, after) in &view.changes {
                div { dt { (field) } dd { del { (before) } " → " ins { (after) } } }
            }
            @for (name, value) in &view.labels { div { dt.code { (name) } dd dir="auto" { (value) } } }
            div { dt { "Id" } dd.code { (view.id) } }
            div { dt { "Dispatch" } dd.code { (view.dispatch_id) } }
        }
    }
}

fn raw(raw: &Raw) -> Markup {
    html! {
        section aria-labelledby="raw" {
            h2 #raw { "As received" }
            @match raw {
                Raw::NotShown(why) => p.dim { (why) },
                Raw::Kept(request) => details.raw {
                    summary { "Headers and body, " (counted(request.bytes, "byte", "bytes")) }
                    div.scroll tabindex="0" role="region" aria-label="Headers" {
                        table.grid.headers {
                            thead { tr { th scope="col" { "Header" } th scope="col" { "Value" } } }
                            tbody {
                                @for (name, value) in &request.headers {
                                    tr { th.code scope="row" { (laid_bare(name)) } td.code { (laid_bare(value)) } }
                                }
                            }
                        }
                    }
                    pre.body dir="ltr" tabindex="0" {
                        @if request.content_type.contains("json") { (pretty(&request.body)) } @else { (laid_bare(&request.body)) }
                    }
                    @if request.cut { p.dim { "The rest of the body is not shown." } }
                    p.dim { "Secrets are replaced where they were known." }
                },
            }
        }
    }
}
