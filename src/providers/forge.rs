//! What forges have in common: their notice kinds, their vocabulary, and the payloads that GitHub
//! introduced and others speak too.
//!
//! **Invariant:** every reader takes from `&Value` by reference and copes with anything missing or
//! of another type; only a body that is not an object is unreadable.
//!
//! What is said once though the sender says it twice:
//! - A new branch or tag comes as `create` and as a push. `create` gives the notice; the push gives
//!   one only when it brings commits. Likewise `delete` speaks for the push that deletes.
//! - A release comes as created, published and released at once. `published` gives the notice.
//! - A star comes as `star` and as `watch`. `star` gives the notice.
//! - Runs and checks give one notice when they are over, none while they are queued or under way.

pub mod field;
pub mod phrase;
mod refs;
mod release;
mod repository;
mod runs;
mod threads;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::{NoticeKind, Readable, Unreadable, Verified};
use crate::domain::notice::{Collection, NoticeDraft, Severity, Subject, Transition};
use field::{at, flag, id, person, text};

/// Notice kinds of forges, the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Push,
    BranchCreated,
    BranchDeleted,
    TagCreated,
    TagDeleted,
    IssueOpened,
    IssueClosed,
    IssueReopened,
    IssueCommented,
    IssueLabelled,
    IssueAssigned,
    PullOpened,
    PullClosed,
    PullMerged,
    PullReopened,
    PullUpdated,
    PullCommented,
    ReviewApproved,
    ReviewChangesRequested,
    ReviewCommented,
    ReleasePublished,
    ReleaseUpdated,
    ReleaseDeleted,
    RunSucceeded,
    RunFailed,
    RunCancelled,
    DeploymentChanged,
    RepositoryCreated,
    RepositoryDeleted,
    RepositoryRenamed,
    Forked,
    Starred,
    WikiChanged,
    DiscussionOpened,
    DiscussionAnswered,
    SecurityAlert,
    MemberChanged,
    Other,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Push => "push",
            Kind::BranchCreated => "branch_created",
            Kind::BranchDeleted => "branch_deleted",
            Kind::TagCreated => "tag_created",
            Kind::TagDeleted => "tag_deleted",
            Kind::IssueOpened => "issue_opened",
            Kind::IssueClosed => "issue_closed",
            Kind::IssueReopened => "issue_reopened",
            Kind::IssueCommented => "issue_commented",
            Kind::IssueLabelled => "issue_labelled",
            Kind::IssueAssigned => "issue_assigned",
            Kind::PullOpened => "pull_opened",
            Kind::PullClosed => "pull_closed",
            Kind::PullMerged => "pull_merged",
            Kind::PullReopened => "pull_reopened",
            Kind::PullUpdated => "pull_updated",
            Kind::PullCommented => "pull_commented",
            Kind::ReviewApproved => "review_approved",
            Kind::ReviewChangesRequested => "review_changes_requested",
            Kind::ReviewCommented => "review_commented",
            Kind::ReleasePublished => "release_published",
            Kind::ReleaseUpdated => "release_updated",
            Kind::ReleaseDeleted => "release_deleted",
            Kind::RunSucceeded => "run_succeeded",
            Kind::RunFailed => "run_failed",
            Kind::RunCancelled => "run_cancelled",
            Kind::DeploymentChanged => "deployment_changed",
            Kind::RepositoryCreated => "repository_created",
            Kind::RepositoryDeleted => "repository_deleted",
            Kind::RepositoryRenamed => "repository_renamed",
            Kind::Forked => "forked",
            Kind::Starred => "starred",
            Kind::WikiChanged => "wiki_changed",
            Kind::DiscussionOpened => "discussion_opened",
            Kind::DiscussionAnswered => "discussion_answered",
            Kind::SecurityAlert => "security_alert",
            Kind::MemberChanged => "member_changed",
            Kind::Other => "other",
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Kind::RunSucceeded => Severity::Success,
            Kind::RunFailed | Kind::SecurityAlert => Severity::Warning,
            Kind::Push
            | Kind::BranchCreated
            | Kind::BranchDeleted
            | Kind::TagCreated
            | Kind::TagDeleted
            | Kind::IssueOpened
            | Kind::IssueClosed
            | Kind::IssueReopened
            | Kind::IssueCommented
            | Kind::IssueLabelled
            | Kind::IssueAssigned
            | Kind::PullOpened
            | Kind::PullClosed
            | Kind::PullMerged
            | Kind::PullReopened
            | Kind::PullUpdated
            | Kind::PullCommented
            | Kind::ReviewApproved
            | Kind::ReviewChangesRequested
            | Kind::ReviewCommented
            | Kind::ReleasePublished
            | Kind::ReleaseUpdated
            | Kind::ReleaseDeleted
            | Kind::RunCancelled
            | Kind::DeploymentChanged
            | Kind::RepositoryCreated
            | Kind::RepositoryDeleted
            | Kind::RepositoryRenamed
            | Kind::Forked
            | Kind::Starred
            | Kind::WikiChanged
            | Kind::DiscussionOpened
            | Kind::DiscussionAnswered
            | Kind::MemberChanged
            | Kind::Other => Severity::Info,
        }
    }
}

const fn listed(kind: Kind) -> NoticeKind {
    NoticeKind {
        name: kind.as_str(),
        severity: kind.severity(),
    }
}

/// Every notice kind of a forge, in the order of the contract.
pub static NOTICE_KINDS: &[NoticeKind] = &[
    listed(Kind::Push),
    listed(Kind::BranchCreated),
    listed(Kind::BranchDeleted),
    listed(Kind::TagCreated),
    listed(Kind::TagDeleted),
    listed(Kind::IssueOpened),
    listed(Kind::IssueClosed),
    listed(Kind::IssueReopened),
    listed(Kind::IssueCommented),
    listed(Kind::IssueLabelled),
    listed(Kind::IssueAssigned),
    listed(Kind::PullOpened),
    listed(Kind::PullClosed),
    listed(Kind::PullMerged),
    listed(Kind::PullReopened),
    listed(Kind::PullUpdated),
    listed(Kind::PullCommented),
    listed(Kind::ReviewApproved),
    listed(Kind::ReviewChangesRequested),
    listed(Kind::ReviewCommented),
    listed(Kind::ReleasePublished),
    listed(Kind::ReleaseUpdated),
    listed(Kind::ReleaseDeleted),
    listed(Kind::RunSucceeded),
    listed(Kind::RunFailed),
    listed(Kind::RunCancelled),
    listed(Kind::DeploymentChanged),
    listed(Kind::RepositoryCreated),
    listed(Kind::RepositoryDeleted),
    listed(Kind::RepositoryRenamed),
    listed(Kind::Forked),
    listed(Kind::Starred),
    listed(Kind::WikiChanged),
    listed(Kind::DiscussionOpened),
    listed(Kind::DiscussionAnswered),
    listed(Kind::SecurityAlert),
    listed(Kind::MemberChanged),
    listed(Kind::Other),
];

/// Where two forges differ in a payload that otherwise looks alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    GitHub,
    /// Gitea and what descends from it.
    Gitea,
}

/// One webhook of a forge.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    pub dialect: Dialect,
    pub body: &'a Value,
    /// The event by which the payload's shape is told.
    pub event: &'a str,
    /// The sender's finest name of the event, for people and filters.
    pub event_label: &'a str,
    pub action: &'a str,
    /// Asked for many times over.
    repository: &'a Value,
    actor: Option<&'a str>,
}

impl<'a> Hook<'a> {
    pub fn new(
        dialect: Dialect,
        request: &'a Readable,
        event: &'a str,
        event_label: &'a str,
    ) -> Result<Self, Unreadable> {
        if !request.body.is_object() {
            return Err(Unreadable::Field {
                field: "body".into(),
                why: "a JSON object is expected".into(),
            });
        }
        Ok(Hook {
            dialect,
            body: &request.body,
            event,
            event_label,
            action: text(&request.body, &["action"]).unwrap_or(""),
            repository: repository_of(dialect, event, &request.body),
            actor: actor_of(&request.body),
        })
    }

    /// The repository it happened in; null for events of an organization.
    pub fn repository(&self) -> &'a Value {
        self.repository
    }

    /// `owner/name` of the repository, else the organization's name.
    pub fn place(&self) -> Option<Cow<'a, str>> {
        let repository = self.repository();
        if let Some(full_name) = text(repository, &["full_name"]) {
            return Some(full_name.into());
        }
        match (person(repository, &["owner"]), text(repository, &["name"])) {
            (Some(owner), Some(name)) => Some(format!("{owner}/{name}").into()),
            (None, Some(name)) => Some(name.into()),
            (Some(_), None) | (None, None) => self.organization().map(Cow::Borrowed),
        }
    }

    pub fn organization(&self) -> Option<&'a str> {
        person(self.body, &["organization"])
    }

    fn place_id(&self) -> Option<Cow<'a, str>> {
        let repository = self.repository();
        if repository.is_object() {
            return id(repository, &["id"]).or_else(|| self.place());
        }
        id(self.body, &["organization", "id"]).or_else(|| self.place())
    }

    /// Who did it.
    pub fn actor(&self) -> Option<&'a str> {
        self.actor
    }

    /// An address below the repository's page.
    pub fn page(&self, rest: fmt::Arguments<'_>) -> Option<String> {
        let base = text(self.repository(), &["html_url"])?;
        Some(format!("{}/{rest}", base.trim_end_matches('/')))
    }

    /// The organization's page. GitHub gives only its API's address, so it is told from the sender's
    /// page, which lies beside it.
    pub fn organization_page(&self) -> Option<String> {
        let organization = self.organization()?;
        let base = text(self.body, &["sender", "html_url"])?
            .strip_suffix(text(self.body, &["sender", "login"])?)?;
        Some(format!("{base}{organization}"))
    }

    /// A sentence: who, did what, where.
    pub fn sentence(&self, what: fmt::Arguments<'_>) -> String {
        let actor = self.actor().unwrap_or("someone");
        match self.place() {
            Some(place) => format!("{actor} {what} in {place}"),
            None => format!("{actor} {what}"),
        }
    }

    /// A sentence about a thing that acts by itself: what happened, where.
    pub fn statement(&self, what: fmt::Arguments<'_>) -> String {
        match self.place() {
            Some(place) => format!("{what} in {place}"),
            None => what.to_string(),
        }
    }

    /// A notice with everything that every event of a forge has.
    pub fn draft(&self, kind: Kind) -> Draft<'a> {
        let (place, place_id) = (self.place(), self.place_id());
        let draft = Draft {
            notice: NoticeDraft {
                kind: kind.as_str().into(),
                collection: place.map(|name| Collection {
                    id: place_id.as_deref().unwrap_or(&name).to_owned(),
                    name: name.into_owned(),
                }),
                actor: self.actor().map(str::to_owned),
                severity: kind.severity(),
                ..NoticeDraft::default()
            },
            place_id,
        };
        draft
            .label("event", self.event_label)
            .label("action", self.action)
    }
}

fn repository_of<'a>(dialect: Dialect, event: &str, body: &'a Value) -> &'a Value {
    // Gitea names the repository that was forked `forkee`, and the new one `repository`.
    if event == "fork" && dialect == Dialect::Gitea && at(body, &["forkee"]).is_object() {
        return at(body, &["forkee"]);
    }
    [
        &["repository"][..],
        &["pull_request", "base", "repo"],
        &["base", "repo"],
    ]
    .iter()
    .map(|path| at(body, path))
    .find(|repository| repository.is_object())
    .unwrap_or(at(body, &["repository"]))
}

fn actor_of(body: &Value) -> Option<&str> {
    [
        &["sender"][..],
        &["pusher"],
        &["comment", "user"],
        &["review", "user"],
        &["pull_request", "user"],
        &["issue", "user"],
        &["release", "author"],
        &["user"],
    ]
    .iter()
    .find_map(|path| person(body, path))
}

/// A notice under construction. Absent values leave nothing behind.
pub struct Draft<'a> {
    place_id: Option<Cow<'a, str>>,
    notice: NoticeDraft,
}

impl Draft<'_> {
    /// What it is about. The key is made unique across the repositories that one provider may
    /// speak for by the repository's id: `issue:12@4711`.
    pub fn subject(mut self, key: fmt::Arguments<'_>, label: impl Into<String>) -> Self {
        self.notice.subject = Subject {
            key: match &self.place_id {
                Some(place) => format!("{key}@{place}"),
                None => key.to_string(),
            },
            label: label.into(),
        };
        self
    }

    pub fn transition(mut self, transition: Transition) -> Self {
        self.notice.transition = transition;
        self
    }

    pub fn severity(mut self, severity: Severity) -> Self {
        self.notice.severity = severity;
        self
    }

    pub fn title(mut self, title: String) -> Self {
        self.notice.title = title;
        self
    }

    pub fn text<'t>(mut self, text: impl Into<Option<&'t str>>) -> Self {
        self.notice.text = text.into().unwrap_or("").trim().to_owned();
        self
    }

    /// The address of the thing; the first that is given.
    pub fn url<'t>(mut self, url: impl Into<Option<&'t str>>) -> Self {
        if self.notice.url.is_none() {
            self.notice.url = url.into().map(str::to_owned);
        }
        self
    }

    pub fn label<'t>(mut self, name: &str, value: impl Into<Option<&'t str>>) -> Self {
        if let Some(value) = value.into().filter(|value| !value.is_empty()) {
            self.notice.labels.insert(name.into(), value.into());
        }
        self
    }

    /// A label that tells yes or no, where the sender does.
    pub fn flag(self, name: &str, value: &Value, path: &[&str]) -> Self {
        match at(value, path).is_boolean() {
            true if flag(value, path) => self.label(name, "true"),
            true => self.label(name, "false"),
            false => self,
        }
    }

    pub fn before<'t>(mut self, name: &str, value: impl Into<Option<&'t str>>) -> Self {
        if let Some(value) = value.into() {
            self.notice.before.insert(name.into(), value.into());
        }
        self
    }

    pub fn after<'t>(mut self, name: &str, value: impl Into<Option<&'t str>>) -> Self {
        if let Some(value) = value.into() {
            self.notice.after.insert(name.into(), value.into());
        }
        self
    }

    /// When it happened; the first moment that is given.
    pub fn at(mut self, moment: Option<i64>) -> Self {
        self.notice.occurred_at = self.notice.occurred_at.or(moment);
        self
    }

    pub fn done(self) -> Vec<NoticeDraft> {
        vec![self.notice.bounded()]
    }
}

/// What the events say that GitHub and its followers share; `None` for an event that is not shared.
pub fn shared_notices(hook: &Hook<'_>) -> Option<Vec<NoticeDraft>> {
    Some(match hook.event {
        "push" => refs::pushed(hook),
        "create" => refs::created(hook),
        "delete" => refs::deleted(hook),
        "issues" => threads::issue(hook),
        "issue_comment" => threads::commented(hook),
        "pull_request" | "pull_request_target" => threads::pull(hook),
        "release" => release::released(hook),
        "workflow_run" => runs::workflow_run(hook),
        "workflow_job" => runs::workflow_job(hook),
        "status" => runs::status(hook),
        "repository" => repository::repository(hook),
        "fork" => repository::forked(hook),
        "package" | "registry_package" => release::package(hook),
        _ => return None,
    })
}

pub use repository::{Page, listed_pages, other, wiki};
pub use runs::{check_run, check_suite, deployment, deployment_status};
pub use threads::{Review, Thread, comment, review, review_comment};

/// The JSON of a forge's webhook: the body, or the form field `payload`.
pub fn document<'r>(request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable> {
    let request = request.request();
    match request.media_type().as_str() {
        FORM => form_payload(request.body).ok_or_else(|| Unreadable::Field {
            field: "payload".into(),
            why: "the form has no such field; set the content type of the webhook to JSON".into(),
        }),
        _ => Ok(Cow::Borrowed(request.body)),
    }
}

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The decoded form field in which forges put the JSON.
pub fn form_payload(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, value)| match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
}

/// The sender's id of this delivery; a redelivery has the same.
pub fn delivery_id(request: &Verified<'_>, header: &str) -> Option<String> {
    super::key_header(request.request(), header)
}
