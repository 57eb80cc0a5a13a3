//! A page that asks before something is done, and names what will be lost.
//!
//! With the script, the section with the id `ask` is shown in a dialog over the page before.

use maud::{Markup, html};

use crate::frame::{Frame, Tone};
use crate::icon::{Icon, icon};
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::number;

/// Lines of what is concerned that are spelled out; the rest is a count.
pub const LINES_MAX: usize = 20;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// "Drop 3 deliveries?"
    pub title: String,
    /// What happens, and what cannot be undone.
    pub text: String,
    /// What is concerned, one line each, the first [`LINES_MAX`] of them.
    pub concerned: Vec<String>,
    /// How many there are in all.
    pub total: u64,
    /// Where the answer goes.
    pub action: String,
    /// Hidden fields that go with it.
    pub fields: Vec<(String, String)>,
    /// "Drop 3 deliveries"
    pub button: String,
    pub back: String,
    /// Whether something is lost.
    pub destructive: bool,
}

/// The page instead of a question, when nothing is left that it would be about.
pub fn nothing_left(frame: &Frame, title: &str, text: &str, back: &str) -> Markup {
    let mut sheet = Sheet::new(title, Spot::Nowhere);
    let crumbs = [(back, "Back")];
    sheet.crumbs = &crumbs;
    page(
        frame,
        &sheet,
        html! {
            section #ask.card.narrow aria-label=(title) {
                p.ask-title { (title) }
                p { (text) }
                div.answers { a.button.cancel href=(frame.href(back)) { "Back" } }
            }
        },
    )
}

pub fn page_of(frame: &Frame, question: &Question) -> Markup {
    page_with(frame, question, html! {})
}

/// As [`page_of`], with fields in the form in which a person says more.
pub fn page_with(frame: &Frame, question: &Question, more: Markup) -> Markup {
    let mut sheet = Sheet::new(&question.title, Spot::Nowhere);
    let crumbs = [(question.back.as_str(), "Back")];
    sheet.crumbs = &crumbs;
    let left = question
        .total
        .saturating_sub(question.concerned.len().min(LINES_MAX) as u64);
    page(
        frame,
        &sheet,
        html! {
            section #ask.card.narrow aria-label=(question.title) {
                p.ask-title { (question.title) }
                p class=(parts::tone_class("asked", if question.destructive { Tone::Bad } else { Tone::Note })) {
                    (icon(if question.destructive { Icon::Warning } else { Icon::Info }))
                    span { (question.text) }
                }
                @if !question.concerned.is_empty() {
                    ul.concerned {
                        @for line in question.concerned.iter().take(LINES_MAX) { li dir="auto" { (line) } }
                        @if left > 0 { li.dim { "and " (number(left)) " more" } }
                    }
                }
                (parts::post_form(frame, &question.action, "answers", html! {
                    @for (name, value) in &question.fields { input type="hidden" name=(name) value=(value); }
                    (more)
                    button .danger[question.destructive] .primary[!question.destructive] type="submit" { (question.button) }
                    a.button.cancel href=(frame.href(&question.back)) { "Cancel" }
                }))
            }
        },
    )
}
