//! The items of a notice as small pictures, each with what came of it.

use maud::{Markup, html};

use crate::address::{is_web, segment};
use crate::frame::Frame;
use crate::icon::{Icon, icon};
use crate::parts;
use crate::view::{counted, number};

/// Pictures on a page; the rest is a count.
pub const PICTURES_MAX: usize = 24;
/// Reasons of one item that are spelled out.
pub const REASONS_MAX: usize = 3;

/// The items that a notice adds to its collection.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    /// The first [`PICTURES_MAX`] of them.
    pub shown: Vec<Picture>,
    /// All there are, named or not.
    pub total: u64,
}

#[derive(Debug, Clone)]
pub struct Picture {
    /// Which item of the notice it is.
    pub n: usize,
    /// What a person calls it; may be empty.
    pub label: String,
    /// "photo", "video"
    pub kind: String,
    /// Where it is seen in its service; empty without.
    pub url: String,
    /// Whether there may be a small picture of it.
    pub is_visible: bool,
    /// Deliveries that have it.
    pub delivered: u64,
    /// (target, why) of deliveries that went without it, the first [`REASONS_MAX`] of them.
    pub left_out: Vec<(String, String)>,
}

impl Picture {
    fn name(&self) -> String {
        match self.label.is_empty() {
            true => format!("a {} without a name", self.kind),
            false => self.label.clone(),
        }
    }
}

/// Nothing where there are no items.
pub fn section(frame: &Frame, notice: &str, pictures: &Pictures) -> Markup {
    let left = pictures.total.saturating_sub(pictures.shown.len() as u64);
    html! {
        @if !pictures.shown.is_empty() {
            section aria-labelledby="items" {
                (parts::section_head("items", "Items", html! { span.dim { (counted(pictures.total, "item", "items")) } }))
                ul.pictures { @for picture in &pictures.shown { li { (one(frame, notice, picture)) } } }
                @if left > 0 { p.under.dim { "and " (number(left)) " more" } }
            }
        }
    }
}

fn one(frame: &Frame, notice: &str, picture: &Picture) -> Markup {
    let name = picture.name();
    let shown = html! {
        @if picture.is_visible {
            @let path = format!("/notices/{}/items/{}/thumbnail", segment(notice), picture.n);
            img.thumb src=(frame.href(&path)) alt=(name) width="96" height="96" loading="lazy" decoding="async";
        } @else {
            span.thumb role="img" aria-label=(name) { (icon(Icon::Notices)) }
        }
    };
    html! {
        figure.picture {
            @if is_web(&picture.url) { a href=(picture.url) rel="noreferrer" { (shown) } } @else { (shown) }
            figcaption {
                bdi.picture-name { (name) }
                @if picture.delivered == 1 { span.st.st-sent { (icon(Icon::Check)) "Delivered" } }
                @else if picture.delivered > 1 { span.st.st-sent { (icon(Icon::Check)) "Delivered to " (number(picture.delivered)) } }
                @for (target, why) in &picture.left_out {
                    span.picture-why { "Left out at " bdi { (target) } @if !why.is_empty() { ": " bdi { (why) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(n: usize) -> Picture {
        Picture {
            n,
            label: format!("img-{n}.jpg"),
            kind: "photo".into(),
            url: format!("https://photos.example/photos/{n}"),
            is_visible: true,
            delivered: 1,
            left_out: Vec::new(),
        }
    }

    #[test]
    fn each_item_is_a_picture_with_a_name_and_what_came_of_it() {
        let frame = Frame::default();
        let nothing = section(&frame, "N", &Pictures::default());
        assert_eq!(nothing.into_string(), "");
        let refused = Picture {
            label: String::new(),
            url: "javascript:alert(1)".into(),
            is_visible: false,
            delivered: 0,
            left_out: vec![("family".into(), "is larger than <10 MB".into())],
            ..picture(1)
        };
        let pictures = Pictures {
            shown: vec![picture(0), refused],
            total: 500,
        };
        let html = section(&frame, "N", &pictures).into_string();
        for words in [
            r#"src="/notices/N/items/0/thumbnail""#,
            r#"alt="img-0.jpg""#,
            r#"loading="lazy""#,
            "Delivered",
            r#"aria-label="a photo without a name""#,
            "Left out at <bdi>family</bdi>: <bdi>is larger than &lt;10 MB</bdi>",
            "and 498 more",
        ] {
            assert!(html.contains(words), "{words} in {html}");
        }
        assert!(!html.contains("javascript:"), "{html}");
    }
}
