//! Snoozes: what is muted, until when, and by whom; and the form that mutes.

use maud::{Markup, html};

use crate::address::segment;
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, counted};

/// Something that is muted.
#[derive(Debug, Clone, Default)]
pub struct SnoozeRow {
    pub id: String,
    /// `tracker`, `target`, `collection` or `subject`.
    pub scope: String,
    pub name: String,
    /// Whose collection or subject; empty for any provider's.
    pub provider: String,
    pub since: Moment,
    pub until: Moment,
    pub by: String,
}

#[derive(Debug, Clone, Default)]
pub struct SnoozesView {
    /// Newest first.
    pub rows: Vec<SnoozeRow>,
    pub next: Option<String>,
    pub trackers: Vec<String>,
    pub targets: Vec<String>,
    pub providers: Vec<String>,
}

/// What can be muted from a page that is about it.
#[derive(Debug, Clone, Default)]
pub struct Mutable {
    pub scope: String,
    pub name: String,
    /// Of a collection or subject.
    pub provider: String,
    /// What it is called there: "this subject".
    pub words: String,
    /// The page to come back to.
    pub back: String,
}

/// How long, as the forms offer it: the value that is sent, and its words.
const SPANS: [(&str, &str); 3] = [
    ("1h", "1 h"),
    ("8h", "8 h"),
    ("tomorrow", "Until tomorrow, 8:00"),
];

pub fn page_of(frame: &Frame, view: &SnoozesView) -> Markup {
    let mut sheet = Sheet::new("Snoozes", Spot::Snoozes);
    if !view.rows.is_empty() {
        let count = counted(view.rows.len() as u64, "snooze is on", "snoozes are on");
        sheet.beside = Some(html! { span.dim { (count) } });
    }
    let older = view
        .next
        .as_ref()
        .map(|next| frame.href(&format!("/snoozes?cursor={next}")));
    page(
        frame,
        &sheet,
        html! {
            @if view.rows.is_empty() {
                (parts::empty(Icon::Quiet, "Nothing is muted", html! {
                    p { "A snooze keeps a tracker, a target, a collection or one subject quiet until a moment, and ends by itself. While it is on, notices are kept with the reason, and nothing is sent for them afterwards." }
                    p { "Nothing passes a snooze, however bad it is, but for one thing: a target that is muted still hears what pierces." }
                }))
            } @else {
                (table(frame, &view.rows))
                (parts::older(older.as_deref()))
            }
            @if frame.can_operate { (form(frame, view)) }
        },
    )
}

fn table(frame: &Frame, rows: &[SnoozeRow]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Snoozes" {
            table.grid {
                thead { tr {
                    th scope="col" { "What" } th scope="col" { "Name" } th scope="col" { "Until" } th scope="col" { "By" }
                    @if frame.can_operate { th scope="col" { span.sr { "End" } } }
                } }
                tbody { @for row in rows {
                    tr {
                        td { (row.scope) }
                        th scope="row" {
                            @if row.scope == "target" {
                                a href=(frame.href(&format!("/targets/{}", segment(&row.name)))) { bdi { (row.name) } }
                            } @else { bdi { (row.name) } }
                            @if !row.provider.is_empty() { span.dim { " of " bdi { (row.provider) } } }
                        }
                        td { (row.until.absolute) " " span.dim { "(" (parts::moment(&row.until)) ")" } }
                        td { bdi { (row.by) } span.dim { ", " (parts::moment(&row.since)) } }
                        @if frame.can_operate { td { (end(frame, row, "/snoozes")) } }
                    }
                } }
            }
        }
    }
}

fn end(frame: &Frame, row: &SnoozeRow, back: &str) -> Markup {
    let path = format!("/snoozes/{}/end", segment(&row.id));
    parts::post_form(
        frame,
        &path,
        "inline",
        html! {
            input type="hidden" name="back" value=(back);
            button.small { "End" span.sr { " the snooze of " (row.name) } }
        },
    )
}

fn form(frame: &Frame, view: &SnoozesView) -> Markup {
    html! {
        section aria-labelledby="mute" {
            h2 #mute { "Mute something" }
            (parts::post_form(frame, "/snoozes", "card", html! {
                div.field {
                    label for="f-scope" { "What" }
                    select #f-scope name="scope" {
                        (parts::choice("tracker", "A tracker", ""))
                        (parts::choice("target", "A target", ""))
                        (parts::choice("collection", "A collection", ""))
                        (parts::choice("subject", "A subject", ""))
                    }
                }
                div.field {
                    label for="f-name" { "Name" }
                    input #f-name name="name" required autocomplete="off" list="known-names" aria-describedby="f-name-note";
                    datalist #known-names {
                        @for name in view.trackers.iter().chain(&view.targets) { option value=(name) {} }
                    }
                    p.help #f-name-note { "A collection by its name or id, a subject by its key or label, as its notices say it." }
                }
                @if !view.providers.is_empty() {
                    div.field {
                        label for="f-provider" { "Provider" }
                        select #f-provider name="provider" aria-describedby="f-provider-note" {
                            (parts::choice("", "Any", ""))
                            @for name in &view.providers { (parts::choice(name, name, "")) }
                        }
                        p.help #f-provider-note { "For a collection or subject only." }
                    }
                }
                div.field {
                    label for="f-for" { "How long" }
                    select #f-for name="for" { @for (value, words) in SPANS { (parts::choice(value, words, "1h")) } }
                }
                button.primary { "Snooze" }
            }))
        }
    }
}

/// Buttons that mute something, on a page that is about it.
pub(crate) fn buttons(frame: &Frame, what: &Mutable) -> Markup {
    html! {
        @if frame.can_operate {
            (parts::post_form(frame, "/snoozes", "inline snooze", html! {
                input type="hidden" name="scope" value=(what.scope);
                input type="hidden" name="name" value=(what.name);
                @if !what.provider.is_empty() { input type="hidden" name="provider" value=(what.provider); }
                input type="hidden" name="back" value=(what.back);
                span { "Snooze " (what.words) }
                @for (value, words) in SPANS {
                    button.small name="for" value=(value) aria-label={ "Snooze " (what.words) ": " (words) } { (words) }
                }
            }))
        }
    }
}

/// That something is muted, where it matters, with the way to end it.
pub(crate) fn notes(frame: &Frame, rows: &[SnoozeRow], back: &str) -> Markup {
    html! {
        @for row in rows {
            p.note {
                span {
                    "Snoozed: " (row.scope) " " b dir="auto" { (row.name) } " until " (row.until.absolute)
                    " (" (parts::moment(&row.until)) ") by " bdi { (row.by) } "."
                }
                @if frame.can_operate { (end(frame, row, back)) }
            }
        }
    }
}
