//! Issues, pull requests, and what is said on them.

use std::borrow::Cow;

use serde_json::Value;

use super::field::{at, flag, id, list, names, person, text, time};
use super::phrase::{quote, words};
use super::{Dialect, Draft, Hook, Kind};
use crate::domain::notice::{NoticeDraft, Transition};

/// Most labels, assignees or reviewers that are named.
const NAMES_MAX: usize = 20;

/// An issue, a pull request or a discussion.
#[derive(Clone)]
pub struct Thread<'a> {
    noun: &'static str,
    key: &'static str,
    value: &'a Value,
    number: Cow<'a, str>,
}

impl<'a> Thread<'a> {
    pub fn issue(hook: &Hook<'a>) -> Self {
        Thread::of(hook, "issue", "issue", "issue")
    }

    pub fn pull(hook: &Hook<'a>) -> Self {
        let member = match at(hook.body, &["pull_request"]).is_object() {
            true => "pull_request",
            false => "issue",
        };
        Thread::of(hook, "pull request", "pull", member)
    }

    pub fn discussion(hook: &Hook<'a>) -> Self {
        Thread::of(hook, "discussion", "discussion", "discussion")
    }

    fn of(hook: &Hook<'a>, noun: &'static str, key: &'static str, member: &str) -> Self {
        let value = at(hook.body, &[member]);
        // Some senders put the thing itself where its event should be.
        let value = match value.is_object() {
            true => value,
            false => hook.body,
        };
        Thread {
            noun,
            key,
            value,
            number: id(value, &["number"])
                .or_else(|| id(hook.body, &["number"]))
                .unwrap_or_default(),
        }
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// `issue #12 “Fix the leak”`, with a word before the noun where there is one.
    pub fn name(&self) -> String {
        self.named("")
    }

    /// `issue #12`
    fn numbered(&self, adjective: &str) -> String {
        let mut name = format!("{adjective}{}", self.noun);
        if !self.number.is_empty() {
            name.push_str(" #");
            name.push_str(&self.number);
        }
        name
    }

    fn named(&self, adjective: &str) -> String {
        let mut name = self.numbered(adjective);
        if let Some(title) = text(self.value, &["title"]) {
            name.push(' ');
            name.push_str(&quote(title));
        }
        name
    }

    fn label(&self) -> String {
        let title = text(self.value, &["title"]).unwrap_or("");
        format!("#{} {title}", self.number).trim_end().to_owned()
    }

    /// Everything of the thing itself: subject, address, state, labels.
    pub fn describe<'d>(&self, hook: &Hook<'_>, draft: Draft<'d>) -> Draft<'d> {
        let value = self.value;
        let folder = match (self.key, hook.dialect) {
            ("issue", _) => "issues",
            ("pull", Dialect::GitHub) => "pull",
            ("pull", Dialect::Gitea) => "pulls",
            _ => "discussions",
        };
        let mut draft = draft
            .subject(format_args!("{}:{}", self.key, self.number), self.label())
            .url(text(value, &["html_url"]))
            .label("number", &*self.number)
            .label("state", text(value, &["state"]))
            .label("author", person(value, &["user"]))
            .label("labels", names(value, &["labels"], NAMES_MAX).as_deref())
            .label("milestone", text(value, &["milestone", "title"]))
            .label("assignee", person(value, &["assignee"]))
            .label(
                "assignees",
                names(value, &["assignees"], NAMES_MAX).as_deref(),
            );
        if !self.number.is_empty() {
            let page = hook.page(format_args!("{folder}/{}", self.number));
            draft = draft.url(page.as_deref());
        }
        if self.key == "pull" {
            draft = draft
                .label("branch", text(value, &["head", "ref"]))
                .label("base", text(value, &["base", "ref"]))
                .flag("draft", value, &["draft"])
                .flag("merged", value, &["merged"]);
        }
        draft
    }
}

/// What an action on an issue or a pull request does, in words.
enum Deed {
    Said(String),
    /// Labels were added, removed or changed; what comes after the place, where there is a list.
    Labelled(String, Option<String>),
    Assigned(String),
}

pub(super) fn issue(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    // Gitea tells of pull requests in the shape of issues in some versions.
    if at(hook.body, &["pull_request"]).is_object() && !at(hook.body, &["issue"]).is_object() {
        return pull(hook);
    }
    let thread = Thread::issue(hook);
    let name = thread.name();
    let mut list = None;
    let (kind, transition, what) = match hook.action {
        "opened" => (
            Kind::IssueOpened,
            Transition::Opens,
            format!("opened {name}"),
        ),
        "closed" => (
            Kind::IssueClosed,
            Transition::Closes,
            match text(thread.value, &["state_reason"]) {
                Some(reason @ ("not_planned" | "duplicate")) => {
                    format!("closed {name} as {}", words(reason))
                }
                Some(_) | None => format!("closed {name}"),
            },
        ),
        "reopened" => (
            Kind::IssueReopened,
            Transition::Opens,
            format!("reopened {name}"),
        ),
        "deleted" => (Kind::Other, Transition::Closes, format!("deleted {name}")),
        "transferred" => {
            let to = text(hook.body, &["changes", "new_repository", "full_name"]);
            list = to.map(str::to_owned);
            let what = format!("moved {name} to another repository");
            (Kind::Other, Transition::Closes, what)
        }
        _ => match deed(hook, &thread) {
            Deed::Said(what) => (Kind::Other, Transition::Updates, what),
            Deed::Labelled(what, labels) => {
                list = labels;
                (Kind::IssueLabelled, Transition::Updates, what)
            }
            Deed::Assigned(what) => (Kind::IssueAssigned, Transition::Updates, what),
        },
    };
    let draft = hook
        .draft(kind)
        .transition(transition)
        .title(with_list(hook.sentence(format_args!("{what}")), list))
        .text(body_text(hook, &thread))
        .at(match hook.action {
            "opened" => time(thread.value, &["created_at"]),
            "closed" => time(thread.value, &["closed_at"]),
            _ => None,
        })
        .at(time(thread.value, &["updated_at"]));
    let draft = changes(hook, draft, thread.value);
    thread.describe(hook, draft).done()
}

pub(super) fn pull(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let thread = Thread::pull(hook);
    let value = thread.value;
    let is_draft = flag(value, &["draft"]);
    let name = thread.name();
    let mut list = None;
    let (kind, transition, what) = match hook.action {
        "opened" => {
            let adjective = match is_draft {
                true => "draft ",
                false => "",
            };
            (
                Kind::PullOpened,
                Transition::Opens,
                format!("opened {}", thread.named(adjective)),
            )
        }
        "closed" if flag(value, &["merged"]) => {
            let base = text(value, &["base", "ref"]).unwrap_or("its base");
            (
                Kind::PullMerged,
                Transition::Closes,
                format!("merged {name} into {base}"),
            )
        }
        "closed" => (
            Kind::PullClosed,
            Transition::Closes,
            format!("closed {name} without merging"),
        ),
        "reopened" => (
            Kind::PullReopened,
            Transition::Opens,
            format!("reopened {name}"),
        ),
        "synchronize" | "synchronized" => (
            Kind::PullUpdated,
            Transition::Updates,
            format!("pushed new commits to {name}"),
        ),
        _ => {
            let what = match deed(hook, &thread) {
                Deed::Said(what) | Deed::Assigned(what) => what,
                Deed::Labelled(what, labels) => {
                    list = labels;
                    what
                }
            };
            (Kind::PullUpdated, Transition::Updates, what)
        }
    };
    let draft = hook
        .draft(kind)
        .transition(transition)
        .title(with_list(hook.sentence(format_args!("{what}")), list))
        .text(body_text(hook, &thread))
        .label("merged_by", person(value, &["merged_by"]))
        .label("sha", text(value, &["head", "sha"]))
        .label(
            "reviewers",
            names(value, &["requested_reviewers"], NAMES_MAX).as_deref(),
        )
        .at(match hook.action {
            "opened" => time(value, &["created_at"]),
            "closed" => time(value, &["merged_at"]).or_else(|| time(value, &["closed_at"])),
            _ => None,
        })
        .at(time(value, &["updated_at"]));
    let draft = changes(hook, draft, value);
    thread.describe(hook, draft).done()
}

/// The description, where it is news: when the thing is opened again or first, or it was edited.
fn body_text<'a>(hook: &Hook<'a>, thread: &Thread<'a>) -> Option<&'a str> {
    let news = match hook.action {
        "opened" | "reopened" => true,
        "edited" => at(hook.body, &["changes", "body"]).is_object(),
        _ => false,
    };
    text(thread.value, &["body"]).filter(|_| news)
}

fn changes<'d>(hook: &Hook<'_>, mut draft: Draft<'d>, value: &Value) -> Draft<'d> {
    if let Some(from) = text(hook.body, &["changes", "title", "from"]) {
        draft = draft
            .before("title", from)
            .after("title", text(value, &["title"]));
    }
    if let Some(from) = text(hook.body, &["changes", "base", "ref", "from"]) {
        draft = draft
            .before("base", from)
            .after("base", text(value, &["base", "ref"]));
    }
    draft
}

/// The many smaller things that happen to issues and pull requests alike.
fn deed(hook: &Hook<'_>, thread: &Thread<'_>) -> Deed {
    let body = hook.body;
    let value = thread.value;
    let name = thread.name();
    let themselves = |other: &str| hook.actor() == Some(other);
    Deed::Said(match hook.action {
        "labeled" | "unlabeled" | "label_updated" | "label_cleared" => {
            return labelled(hook, value, &name);
        }
        "assigned" | "unassigned" => {
            let assignee = person(body, &["assignee"])
                .map(Cow::Borrowed)
                .or_else(|| names(value, &["assignees"], NAMES_MAX).map(Cow::Owned))
                .or_else(|| person(value, &["assignee"]).map(Cow::Borrowed));
            return Deed::Assigned(match (hook.action, assignee) {
                ("assigned", Some(one)) if themselves(&one) => format!("took on {name}"),
                ("assigned", Some(who)) => format!("assigned {name} to {who}"),
                ("assigned", None) => format!("assigned {name}"),
                (_, Some(who)) if person(body, &["assignee"]).is_some() => {
                    format!("unassigned {who} from {name}")
                }
                (_, Some(_) | None) => format!("changed who is assigned to {name}"),
            });
        }
        "edited" => match (
            text(body, &["changes", "title", "from"]),
            text(body, &["changes", "base", "ref", "from"]),
        ) {
            (Some(from), _) => format!(
                "renamed {} from {} to {}",
                thread.numbered(""),
                quote(from),
                quote(text(value, &["title"]).unwrap_or("something else"))
            ),
            (None, Some(from)) => format!(
                "changed the base of {name} from {from} to {}",
                text(value, &["base", "ref"]).unwrap_or("another branch")
            ),
            (None, None) if at(body, &["changes", "body"]).is_object() => {
                format!("edited the description of {name}")
            }
            (None, None) => format!("edited {name}"),
        },
        "review_requested" | "review_request_removed" => {
            let reviewer = person(body, &["requested_reviewer"])
                .or_else(|| text(body, &["requested_team", "name"]));
            match (hook.action, reviewer) {
                ("review_requested", Some(who)) if themselves(who) => {
                    format!("signed up to review {name}")
                }
                ("review_requested", Some(who)) => format!("asked {who} to review {name}"),
                ("review_requested", None) => format!("asked for a review of {name}"),
                (_, Some(who)) => format!("no longer asks {who} to review {name}"),
                (_, None) => format!("took back a review request on {name}"),
            }
        }
        "milestoned" => match milestone(body, value) {
            Some(milestone) => format!("added {name} to milestone {}", quote(milestone)),
            None => format!("added {name} to a milestone"),
        },
        "demilestoned" => match milestone(body, value) {
            Some(milestone) => format!("removed {name} from milestone {}", quote(milestone)),
            None => format!("removed {name} from its milestone"),
        },
        "ready_for_review" => format!("marked {name} as ready for review"),
        "converted_to_draft" => format!("turned {name} back into a draft"),
        "auto_merge_enabled" => format!("switched on auto-merge for {name}"),
        "auto_merge_disabled" => format!("switched off auto-merge for {name}"),
        "enqueued" => format!("queued {name} for merging"),
        "dequeued" => format!("took {name} out of the merge queue"),
        "locked" => format!("locked the conversation on {name}"),
        "unlocked" => format!("unlocked the conversation on {name}"),
        "typed" => match text(body, &["type", "name"]) {
            Some(kind) => format!("set the type of {name} to {kind}"),
            None => format!("set the type of {name}"),
        },
        "untyped" => format!("removed the type of {name}"),
        "" => format!("changed {name}"),
        action => format!("{} {name}", words(action)),
    })
}

fn milestone<'a>(body: &'a Value, value: &'a Value) -> Option<&'a str> {
    text(body, &["milestone", "title"]).or_else(|| text(value, &["milestone", "title"]))
}

fn labelled(hook: &Hook<'_>, value: &Value, name: &str) -> Deed {
    let body = hook.body;
    let label = text(body, &["label", "name"]).map(quote);
    let added = names(body, &["changes", "added_labels"], NAMES_MAX);
    let removed = names(body, &["changes", "removed_labels"], NAMES_MAX);
    let (what, list) = match (hook.action, label, added, removed) {
        ("labeled", Some(label), _, _) => (format!("added label {label} to {name}"), None),
        ("unlabeled", Some(label), _, _) => (format!("removed label {label} from {name}"), None),
        ("label_cleared", _, _, _) => (format!("removed all labels from {name}"), None),
        (_, _, Some(added), None) => (format!("labelled {name}"), Some(added)),
        (_, _, None, Some(removed)) => (format!("removed labels from {name}"), Some(removed)),
        (_, _, Some(added), Some(removed)) => (
            format!("relabelled {name}"),
            Some(format!("{added} instead of {removed}")),
        ),
        // Older Gitea tells only what labels there are now.
        (_, _, None, None) => (
            format!("changed the labels of {name}"),
            match list(value, &["labels"]).is_empty() {
                true => Some("none are left".into()),
                false => names(value, &["labels"], NAMES_MAX),
            },
        ),
    };
    Deed::Labelled(what, list)
}

/// A sentence, and what it is about in detail: `…: bug, help wanted`.
fn with_list(mut sentence: String, list: Option<String>) -> String {
    if let Some(list) = list {
        sentence.push_str(": ");
        sentence.push_str(&list);
    }
    sentence
}

/// A comment on an issue or a pull request.
pub(super) fn commented(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let body = hook.body;
    let on_pull = flag(body, &["is_pull"])
        || at(body, &["pull_request"]).is_object()
        || at(body, &["issue", "pull_request"]).is_object()
        || hook.event_label.starts_with("pull_request");
    let thread = match on_pull {
        true => Thread::pull(hook),
        false => Thread::issue(hook),
    };
    let kind = match on_pull {
        true => Kind::PullCommented,
        false => Kind::IssueCommented,
    };
    comment(hook, &thread, kind)
}

/// A comment on any thread: new ones are of the given kind, changes of old ones are `other`.
pub fn comment(hook: &Hook<'_>, thread: &Thread<'_>, kind: Kind) -> Vec<NoticeDraft> {
    let comment = at(hook.body, &["comment"]);
    let name = thread.name();
    let (kind, what) = match hook.action {
        "created" | "" => (kind, format!("commented on {name}")),
        action => (
            Kind::Other,
            format!("{} a comment on {name}", words(action)),
        ),
    };
    let draft = hook
        .draft(kind)
        .transition(Transition::Updates)
        .title(hook.sentence(format_args!("{what}")))
        // What someone deleted is not sent around once more.
        .text(text(comment, &["body"]).filter(|_| hook.action != "deleted"))
        .url(text(comment, &["html_url"]).filter(|_| hook.action != "deleted"))
        .label("comment", id(comment, &["id"]).as_deref())
        .label("path", text(comment, &["path"]))
        .at(match hook.action {
            "created" => time(comment, &["created_at"]),
            _ => None,
        })
        .at(time(comment, &["updated_at"]));
    thread.describe(hook, draft).done()
}

/// A comment on a line of a pull request.
pub fn review_comment(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    comment(hook, &Thread::pull(hook), Kind::PullCommented)
}

/// The verdict of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    Approved,
    ChangesRequested,
    Commented,
    /// Something else happened to it, in the sender's word.
    Other,
}

/// A review of a pull request; `words` is what the reviewer wrote.
pub fn review(hook: &Hook<'_>, verdict: Review, written: Option<&str>) -> Vec<NoticeDraft> {
    let review = at(hook.body, &["review"]);
    let thread = Thread::pull(hook);
    let name = thread.name();
    let (kind, what) = match verdict {
        Review::Approved => (Kind::ReviewApproved, format!("approved {name}")),
        Review::ChangesRequested => (
            Kind::ReviewChangesRequested,
            format!("requested changes on {name}"),
        ),
        Review::Commented => (Kind::ReviewCommented, format!("reviewed {name}")),
        Review::Other => {
            let action = match hook.action {
                "" => "changed",
                action => action,
            };
            (Kind::Other, format!("{} a review of {name}", words(action)))
        }
    };
    let draft = hook
        .draft(kind)
        .transition(Transition::Updates)
        .title(hook.sentence(format_args!("{what}")))
        .text(written)
        .url(text(review, &["html_url"]))
        .label("sha", text(thread.value, &["head", "sha"]))
        .at(time(review, &["submitted_at"]))
        .at(time(thread.value, &["updated_at"]));
    thread.describe(hook, draft).done()
}
