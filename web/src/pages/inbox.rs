//! The inbox: what was sent to targets of kind `inbox` is read here.

use maud::{Markup, html};

use crate::address::{segment, with_query};
use crate::frame::Frame;
use crate::icon::Icon;
use crate::layout::{Sheet, Spot, page};
use crate::parts;
use crate::view::{Moment, Severity};

#[derive(Debug, Clone)]
pub struct InboxMessage {
    /// Of the delivery.
    pub id: String,
    pub position: u64,
    pub notice_id: String,
    pub title: String,
    pub text: String,
    pub severity: Severity,
    pub target: String,
    pub provider: String,
    pub received: Moment,
}

#[derive(Debug, Clone, Default)]
pub struct InboxView {
    /// Newest first.
    pub messages: Vec<InboxMessage>,
    pub next: Option<String>,
    /// Whether there is a target of kind `inbox` at all.
    pub has_target: bool,
    pub at_newest: bool,
}

pub fn page_of(frame: &Frame, view: &InboxView) -> Markup {
    let older = view
        .next
        .as_deref()
        .map(|next| frame.href(&with_query("/inbox", &[("cursor", next)])));
    page(
        frame,
        &Sheet::new("Inbox", Spot::Inbox),
        html! {
            @if view.messages.is_empty() {
                div data-reload-on="notice" {
                    (parts::empty(Icon::Inbox, "The inbox is empty", html! {
                        @if view.has_target {
                            p { "What a tracker sends to a target of kind " code { "inbox" } " is read here." }
                            p.dim { "This page waits and shows the first message when it arrives." }
                        } @else {
                            p { "No target of kind " code { "inbox" } " is configured. It needs no account anywhere:" }
                            pre.sample tabindex="0" { "[[target]]\nname = \"inbox\"\nkind = \"inbox\"" }
                            p { "Link a tracker to it and apply the file." }
                        }
                    }))
                }
            } @else {
                div.rows-box {
                    p.sr aria-live="polite" data-news {}
                    ol.inbox data-live=[view.at_newest.then(|| frame.href("/inbox"))] {
                        (rows(frame, &view.messages))
                    }
                }
            }
            (parts::older(older.as_deref()))
        },
    )
}

/// Messages alone: the answer to `?fragment=rows`.
pub fn rows(frame: &Frame, messages: &[InboxMessage]) -> Markup {
    html! {
        @for message in messages {
            li class={ "sev-" (message.severity.as_str()) } data-id=(message.id) data-position=(message.position) {
                article {
                    header {
                        h2 { a href=(frame.href(&format!("/notices/{}", segment(&message.notice_id)))) { bdi { (message.title) } } }
                        span.dim { bdi { (message.provider) } " · " bdi { (message.target) } " · " (parts::moment(&message.received)) }
                    }
                    @if matches!(message.severity, Severity::Warning | Severity::Critical) { (parts::severity(message.severity)) }
                    @let text = below_title(message);
                    @if !text.is_empty() { div.notice-text dir="auto" { (text) } }
                }
            }
        }
    }
}

/// The text without the line above it: most templates begin with the title.
fn below_title(message: &InboxMessage) -> &str {
    match message.text.strip_prefix(&message.title) {
        Some(rest) if rest.is_empty() || rest.starts_with('\n') => rest.trim_start_matches('\n'),
        Some(_) | None => &message.text,
    }
}
