//! What a provider has to watch, to choose from, with the text to paste into a tracker.

use maud::{Markup, html};

use crate::address::segment;
use crate::frame::Frame;
use crate::icon::{Icon, icon};
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::number;

#[derive(Debug, Clone, Default)]
pub struct CollectionsView {
    pub provider: String,
    /// What they are called there, in the plural: "albums".
    pub word: String,
    /// Words that narrow the list.
    pub q: String,
    /// Those that fit, as far as they are listed.
    pub rows: Vec<CollectionRow>,
    /// How many fit.
    pub total: u64,
    /// What was chosen as a line of a tracker; empty when nothing was.
    pub line: String,
    /// Chosen ones that are not listed, by id.
    pub kept: Vec<String>,
    /// Why the provider could not be asked; empty when it could.
    pub error: String,
}

#[derive(Debug, Clone, Default)]
pub struct CollectionRow {
    pub id: String,
    pub name: String,
    /// "12 items"
    pub detail: String,
    pub chosen: bool,
    /// Trackers that watch it.
    pub watched_by: Vec<String>,
}

pub fn page_of(frame: &Frame, view: &CollectionsView) -> Markup {
    let back = format!("/providers/{}", segment(&view.provider));
    let crumbs = [("/providers", "Providers"), (&*back, &*view.provider)];
    let title = format!("Choose {}", view.word);
    let mut sheet = Sheet::new(&title, Spot::Providers);
    sheet.crumbs = &crumbs;
    page(
        frame,
        &sheet,
        html! {
            @if !view.error.is_empty() {
                p.error role="alert" { (icon(Icon::Warning)) bdi { (view.provider) } " does not answer: " span dir="auto" { (view.error) } "." }
            } @else {
                @if !view.line.is_empty() {
                    section aria-labelledby="line" {
                        h2 #line { "For a tracker" }
                        p.dim { "Paste this line into the tracker that is to watch them:" }
                        (parts::copyable("line", &view.line))
                    }
                }
                form method="get" action=(frame.href(&format!("{back}/collections"))) {
                    div.filters {
                        label.filter.search {
                            span.sr { "Words of a name" }
                            input type="search" name="q" value=(view.q) placeholder="Words of a name" autocomplete="off";
                        }
                        button { "Narrow" }
                    }
                    @for id in &view.kept { input type="hidden" name="c" value=(id); }
                    (choices(view))
                }
            }
        },
    )
}

fn choices(view: &CollectionsView) -> Markup {
    let left = view.total.saturating_sub(view.rows.len() as u64);
    html! {
        @if view.rows.is_empty() {
            (parts::empty(Icon::Search, &format!("No {} here", view.word), html! {
                p {
                    @if view.q.trim().is_empty() { "The provider has none, or shows none to the credentials it was given." }
                    @else { "None of them has these words in its name." }
                }
            }))
        } @else {
            div.rows-box {
                table.rows.pick role="table" {
                    caption.sr { "What can be watched: " (view.word) }
                    thead role="rowgroup" { tr role="row" {
                        th.c-pick scope="col" role="columnheader" { span.sr { "Choose" } }
                        th.c-title scope="col" role="columnheader" { "Name" }
                        th.c-from.first scope="col" role="columnheader" { "What it is" }
                        th.c-where scope="col" role="columnheader" { "Watched by" }
                    } }
                    tbody role="rowgroup" { @for row in &view.rows { (row_of(row)) } }
                }
            }
            div.actions {
                button.primary { "Write the line" }
            }
            @if left > 0 { p.dim.under { (number(left)) " more are not listed; narrow them by words." } }
            p.dim.under { "A tracker without " code { "collections" } " watches all of them, those to come included. An id stays when a name changes." }
        }
    }
}

fn row_of(row: &CollectionRow) -> Markup {
    let name = match row.name.is_empty() {
        true => &row.id,
        false => &row.name,
    };
    html! {
        tr role="row" {
            td.c-pick role="cell" {
                label { input type="checkbox" name="c" value=(row.id) checked[row.chosen]; span.sr { "Choose " (name) } }
            }
            td.c-title role="cell" { bdi { (name) } }
            td.c-from.first role="cell" { (row.detail) }
            td.c-where role="cell" {
                @if row.watched_by.is_empty() { span.dim { "nobody" } }
                @else { bdi { (row.watched_by.join(", ")) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_stays_chosen_and_is_a_line_to_paste() {
        let row = CollectionRow {
            id: "b0".into(),
            name: "<Boats>".into(),
            detail: "7 items".into(),
            chosen: true,
            watched_by: vec!["albums".into()],
        };
        let view = CollectionsView {
            provider: "photos".into(),
            word: "albums".into(),
            rows: vec![row],
            total: 3,
            line: "collections = [\"<Boats>\"]".into(),
            kept: vec!["hidden-one".into()],
            ..CollectionsView::default()
        };
        let html = page_of(&Frame::default(), &view).into_string();
        for words in [
            "Choose albums",
            "collections = [&quot;&lt;Boats&gt;&quot;]",
            r#"name="c" value="b0" checked"#,
            r#"type="hidden" name="c" value="hidden-one""#,
            "2 more are not listed",
            "/providers/photos/collections",
        ] {
            assert!(html.contains(words), "{words} in {html}");
        }
    }
}
