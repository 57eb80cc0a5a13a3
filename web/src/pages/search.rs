//! Search: what was found, what is open, and how much there is.

use maud::{Markup, html};

use crate::address::with_query;
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Severity, Status, laid_bare, number};

/// A piece of a text, and whether it was searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_match: bool,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// "Notice", "Delivery", …
    pub is: String,
    /// Where it stands.
    pub path: String,
    pub title: Vec<Piece>,
    pub excerpt: Vec<Piece>,
    pub status: Option<Status>,
    pub severity: Severity,
    pub kind: String,
    /// The provider, and for a delivery the target.
    pub place: String,
    pub at: Moment,
}

/// How much there is, by field and value.
#[derive(Debug, Clone, Default)]
pub struct CountsView {
    pub total: u64,
    pub fields: Vec<(String, Vec<(String, u64)>)>,
}

#[derive(Debug, Clone, Default)]
pub struct SearchView {
    pub q: String,
    /// `time` or `relevance`.
    pub sort: String,
    pub hits: Vec<Hit>,
    pub open: Vec<Hit>,
    /// Whether there may be more that is open.
    pub open_more: bool,
    pub next: Option<String>,
    /// Why this is no query.
    pub error: Option<String>,
    /// What was searched for instead.
    pub corrected: Option<String>,
    /// Said when not everything was searched.
    pub behind: Option<String>,
    /// There when they were asked for with the page.
    pub counts: Option<CountsView>,
}

/// What may be written, with what it finds.
const EXAMPLES: [(&str, &str); 7] = [
    ("thermostat battery", "both words, in any order"),
    ("\"connection lost\"", "this phrase"),
    ("thermo*", "words that begin so"),
    ("deploy -staging", "the first word without the second"),
    (
        "status:parked target:ops",
        "deliveries to ops that were given up",
    ),
    (
        "provider:forge kind:push since:7d",
        "pushes of the last week",
    ),
    ("is:change actor:wren", "what somebody changed"),
];

impl SearchView {
    fn address(&self) -> String {
        let sort = if self.sort == "relevance" {
            "relevance"
        } else {
            ""
        };
        with_query("/search", &[("q", self.q.as_str()), ("sort", sort)])
    }
}

pub fn page_of(frame: &Frame, view: &SearchView) -> Markup {
    page(
        frame,
        &Sheet::new("Search", Spot::Search),
        html! {
            form.filters role="search" method="get" action=(frame.href("/search")) {
                label.filter.search {
                    span.sr { "Search the log" }
                    input type="search" name="q" value=(view.q) placeholder="Words, or field:value" dir="auto" maxlength="500" autofocus[view.q.is_empty()];
                }
                label.filter {
                    span.sr { "Order" }
                    select name="sort" {
                        (parts::choice("time", "Newest first", &view.sort))
                        (parts::choice("relevance", "Best first", &view.sort))
                    }
                }
                button { "Search" }
            }
            (results(frame, view))
        },
    )
}

fn results(frame: &Frame, view: &SearchView) -> Markup {
    let older = view
        .next
        .as_deref()
        .map(|next| frame.href(&with_query(&view.address(), &[("cursor", next)])));
    html! {
        @if let Some(error) = &view.error { p.error role="alert" { "This cannot be searched for: " (error) "." } }
        @if let Some(behind) = &view.behind { p.dim role="status" { (behind) } }
        @if let Some(corrected) = &view.corrected {
            p role="status" {
                "Nothing says " b { bdi { (view.q) } } ". Showing results for "
                a href=(frame.href(&with_query("/search", &[("q", corrected.as_str())]))) { bdi { (corrected) } } "."
            }
        }
        @if view.q.trim().is_empty() && view.error.is_none() {
            (teaching(frame))
        } @else if view.error.is_none() {
            (counts_later(frame, view))
            @if !view.open.is_empty() {
                (parts::section_head("open", "Open now", html! {}))
                (list(frame, &view.open))
                @if view.open_more { p.dim { "More may be open; narrow the search, or see " a href=(frame.href("/deliveries")) { "all deliveries" } "." } }
                (parts::section_head("found", "In the log", html! {}))
            }
            @if view.hits.is_empty() {
                (parts::empty(Icon::Search, "Nothing found", html! {
                    p { "Take a word away, or write its beginning with a star: " code { "thermo*" } "." }
                    p.dim { "Only what is kept can be found: notices and deliveries go with their time of retention." }
                }))
            } @else {
                (list(frame, &view.hits))
            }
            (parts::older(older.as_deref()))
        }
    }
}

fn teaching(frame: &Frame) -> Markup {
    html! {
        (parts::empty(Icon::Search, "Search everything that was received, sent and changed", html! {
            p { "Case and accents do not matter. Try one of these:" }
            ul.examples {
                @for (query, means) in EXAMPLES {
                    li { a href=(frame.href(&with_query("/search", &[("q", query)]))) { code { (query) } } " " span.dim { (means) } }
                }
            }
            p.dim { "Fields: is, provider, kind, collection, tracker, target, status, severity, actor, since, until. OR stands between either, ( ) group." }
        }))
    }
}

/// A place for the counts, which come after the page; without a script they are a link away.
fn counts_later(frame: &Frame, view: &SearchView) -> Markup {
    let address = frame.href(&view.address());
    html! {
        @match &view.counts {
            Some(found) => div.counts { (counts(frame, &view.q, found)) },
            None => div.counts data-refresh="" data-src=(address) data-part="counts" {
                p { a href=(frame.href(&with_query(&view.address(), &[("counts", "yes")]))) { "Count what there is" } }
            },
        }
    }
}

/// How much there is, each value a way to narrow the search: the answer to `?fragment=counts`.
pub fn counts(frame: &Frame, q: &str, view: &CountsView) -> Markup {
    html! {
        p role="status" { b { (number(view.total)) } @if view.total == 1 { " result" } @else { " results" } }
        @for (field, values) in &view.fields {
            @if values.len() > 1 || (values.len() == 1 && values[0].1 < view.total) {
                div.facet {
                    h3 { (capital(field)) }
                    ul {
                        @for (value, count) in values {
                            li {
                                @match narrowed(q, field, value) {
                                    Some(query) => a href=(frame.href(&with_query("/search", &[("q", &query)]))) { bdi { (value) } },
                                    None => bdi { (value) },
                                }
                                " " span.dim { (number(*count)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn capital(field: &str) -> String {
    let mut letters = field.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The query with one more condition; `None` for a value that cannot be written in one.
fn narrowed(q: &str, field: &str, value: &str) -> Option<String> {
    if value.contains('"') {
        return None;
    }
    let is_plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'));
    let value = if is_plain {
        value.to_owned()
    } else {
        format!("\"{value}\"")
    };
    let q = q.trim();
    // What was joined by OR stays together.
    let q = if q.contains(" OR ") {
        format!("({q})")
    } else {
        q.to_owned()
    };
    Some(format!("{q} {field}:{value}").trim_start().to_owned())
}

fn list(frame: &Frame, hits: &[Hit]) -> Markup {
    html! {
        ol.hits {
            @for hit in hits {
                li class={ "sev-" (hit.severity.as_str()) } {
                    p.hit-title { a href=(frame.href(&hit.path)) { bdi { (marked(&hit.title)) } } }
                    @if !hit.excerpt.is_empty() { p.hit-text dir="auto" { (marked(&hit.excerpt)) } }
                    p.dim {
                        @if let Some(status) = hit.status { (parts::status(status)) " · " }
                        (hit.is) " · " bdi { (hit.place) } " · " (hit.kind) " · " (parts::moment(&hit.at))
                    }
                }
            }
        }
    }
}

fn marked(pieces: &[Piece]) -> Markup {
    html! {
        @for piece in pieces {
            @if piece.is_match { mark { (laid_bare(&piece.text)) } } @else { (laid_bare(&piece.text)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn a_value_narrows_the_query() {
        for (q, value, expected) in [
            ("", "forge", Some("provider:forge")),
            ("kite", "forge", Some("kite provider:forge")),
            ("a OR b", "my forge", Some("(a OR b) provider:\"my forge\"")),
            ("a", "\"", None),
        ] {
            assert_eq!(narrowed(q, "provider", value).as_deref(), expected, "{q}");
        }
    }
}
