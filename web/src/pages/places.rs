//! More: what has no place of its own in the bottom bar.

use maud::{Markup, html};

use crate::frame::Frame;
use crate::icon::{Icon, icon};
use crate::layout::{Sheet, Spot, page};

/// A further link, for what the installation has besides these pages.
#[derive(Debug, Clone)]
pub struct Link {
    pub path: String,
    pub words: String,
    pub about: String,
}

#[derive(Debug, Clone, Default)]
pub struct MoreView {
    pub further: Vec<Link>,
}

pub fn more(frame: &Frame, view: &MoreView) -> Markup {
    let own = [
        (
            "/inbox",
            "Inbox",
            "What was sent to these pages",
            Icon::Inbox,
        ),
        (
            "/settings",
            "Settings",
            "How long things are kept",
            Icon::Configure,
        ),
        ("/log", "Log", "Every event by position", Icon::Log),
        (
            "/account",
            "Account",
            "Your name and role, log out",
            Icon::Person,
        ),
    ];
    page(
        frame,
        &Sheet::new("More", Spot::More),
        html! {
            ul.links {
                @for (path, words, about, sign) in own {
                    li { a href=(frame.href(path)) { (icon(sign)) span { b { (words) } span.dim { (about) } } } }
                }
                @for link in &view.further {
                    li { a href=(frame.href(&link.path)) { (icon(Icon::Out)) span { b { (link.words) } span.dim { (link.about) } } } }
                }
            }
            p.dim { "notify-bridge " (frame.version) }
        },
    )
}
