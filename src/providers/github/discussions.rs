//! Discussions.

use crate::domain::notice::{NoticeDraft, Transition};
use crate::providers::forge::field::{at, text, time};
use crate::providers::forge::phrase::{quote, words};
use crate::providers::forge::{self, Hook, Kind, Thread};

pub(super) fn discussion(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let thread = Thread::discussion(hook);
    let value = thread.value();
    let name = thread.name();
    let answer = at(hook.body, &["answer"]);
    let (kind, transition, what) = match hook.action {
        "created" => (
            Kind::DiscussionOpened,
            Transition::Opens,
            format!("started {name}"),
        ),
        "answered" => (
            Kind::DiscussionAnswered,
            Transition::Closes,
            format!("marked {name} as answered"),
        ),
        "unanswered" => (
            Kind::Other,
            Transition::Opens,
            format!("marked {name} as not answered"),
        ),
        "reopened" => (Kind::Other, Transition::Opens, format!("reopened {name}")),
        "closed" | "deleted" => (
            Kind::Other,
            Transition::Closes,
            format!("{} {name}", hook.action),
        ),
        "labeled" | "unlabeled" => {
            let label = quote(text(hook.body, &["label", "name"]).unwrap_or(""));
            let what = match hook.action {
                "labeled" => format!("added label {label} to {name}"),
                _ => format!("removed label {label} from {name}"),
            };
            (Kind::Other, Transition::Updates, what)
        }
        "category_changed" => (
            Kind::Other,
            Transition::Updates,
            format!("moved {name} to another category"),
        ),
        "" => (Kind::Other, Transition::Updates, format!("changed {name}")),
        action => (
            Kind::Other,
            Transition::Updates,
            format!("{} {name}", words(action)),
        ),
    };
    let said = match hook.action {
        "created" => text(value, &["body"]),
        "answered" => text(answer, &["body"]),
        _ => None,
    };
    let draft = hook
        .draft(kind)
        .transition(transition)
        .title(hook.sentence(format_args!("{what}")))
        .text(said)
        .url(text(answer, &["html_url"]))
        .label("category", text(value, &["category", "name"]))
        .at(match hook.action {
            "created" => time(value, &["created_at"]),
            _ => None,
        })
        .at(time(value, &["updated_at"]));
    thread.describe(hook, draft).done()
}

/// There is no notice kind for comments on discussions, so they are `other`.
pub(super) fn commented(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    forge::comment(hook, &Thread::discussion(hook), Kind::Other)
}
