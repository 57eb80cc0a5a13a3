//! What went wrong, why, and what to do: 404, 421, 503 and the like as a page.

use maud::{Markup, html};

use crate::frame::Frame;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::number;

/// Seconds after which a page that waits for the start asks again.
const START_AGAIN_SECONDS: u32 = 2;

#[derive(Debug, Clone, Default)]
pub struct ProblemView {
    pub status: u16,
    /// What happened: "There is no such notice".
    pub title: String,
    /// Why.
    pub detail: String,
    /// What to do, one line each.
    pub advice: Vec<String>,
    /// While the state is rebuilt.
    pub progress: Option<Progress>,
    pub request_id: String,
}

#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// "replaying the log"
    pub phase: String,
    pub done: u64,
    pub of: u64,
}

pub fn page_of(frame: &Frame, view: &ProblemView) -> Markup {
    let title = in_sentence_case(&view.title);
    let mut sheet = Sheet::new(&title, Spot::Nowhere);
    sheet.again_after = view.progress.as_ref().map(|_| START_AGAIN_SECONDS);
    page(
        frame,
        &sheet,
        html! {
            @if !view.detail.is_empty() { p.lead dir="auto" { (parts::sentence(&view.detail)) } }
            @if let Some(progress) = &view.progress {
                div.progress {
                    label for="progress" { (progress.phase) ", " span.tab { (number(progress.done)) " of " (number(progress.of)) } }
                    progress #progress max=(progress.of.max(1)) value=(progress.done.min(progress.of)) {}
                }
                p.dim { "This page asks again every " (START_AGAIN_SECONDS) " s." }
            }
            @if !view.advice.is_empty() { ul.advice { @for line in &view.advice { li { (parts::sentence(line)) } } } }
            @if frame.user.is_some() { p { a href=(frame.href("/")) { "Overview" } } }
            p.dim.code { (view.status) @if !view.request_id.is_empty() { " · request " (view.request_id) } }
        },
    )
}

/// `Not Found` as pages write it: "Not found".
fn in_sentence_case(title: &str) -> String {
    let mut words = title.split(' ');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |line, word| line + " " + &word.to_lowercase())
}
