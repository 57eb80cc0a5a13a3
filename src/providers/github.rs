//! GitHub, github.com as well as Enterprise Server.

mod alerts;
mod discussions;
mod people;

use std::borrow::Cow;

use super::forge::field::{at, id, text, time};
use super::forge::phrase::short_sha;
use super::forge::{self, Dialect, Hook, Kind, Review};
use super::verify::{SignatureHeader, signature_headers};
use super::{
    Keys, NoticeKind, Provider, RawRequest, Readable, Unreadable, Unverified, Verified, Webhook,
};
use crate::domain::notice::{NoticeDraft, Transition};
use crate::domain::spec::{ProviderSpec, Verify};

pub struct GitHub;

/// `X-Hub-Signature`, which GitHub sends as well, is SHA-1 and never looked at.
static SIGNATURES: &[SignatureHeader] = &[SignatureHeader {
    name: "x-hub-signature-256",
    prefix: "sha256=",
    sufficient: true,
}];

impl Provider for GitHub {
    fn kind(&self) -> &'static str {
        "github"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        forge::NOTICE_KINDS
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "GitHub never tries again by itself: what was sent while this was down stays undelivered, until it is redelivered on the webhook's page within three days.",
            "GitHub waits ten seconds for an answer.",
            "github.com has to reach this address from the internet; a private address gets nothing.",
            "`Just the push event` does not tell of new and deleted branches and tags: choose `Branch or tag creation` and `deletion` as well.",
            "A workflow of GitHub Actions comes as workflow run, workflow jobs, check runs and check suite: choose one of them, best `Workflow runs`.",
            "A review with comments on lines comes as the review and once more for each comment; a tracker can leave out `pull_commented` or `review_commented`.",
            "Without a secret in the webhook's settings nothing is signed and everything is refused.",
        ]
    }

    fn webhook(&self) -> Option<&dyn Webhook> {
        Some(self)
    }
}

impl Webhook for GitHub {
    fn default_verify(&self) -> Verify {
        Verify::Signature
    }

    fn accepts(&self, verify: &Verify) -> bool {
        match verify {
            Verify::Signature | Verify::Path | Verify::None => true,
            // GitHub cannot send an `Authorization` header.
            Verify::Bearer | Verify::Basic | Verify::Hmac(_) => false,
        }
    }

    fn verify_signature(
        &self,
        request: &RawRequest<'_>,
        keys: &Keys<'_>,
    ) -> Result<(), Unverified> {
        // In form mode GitHub signs the form, that is, the bytes on the wire.
        signature_headers(SIGNATURES, request, request.body, keys)
    }

    fn document<'r>(&self, request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable> {
        forge::document(request)
    }

    fn sender_key(&self, request: &Verified<'_>) -> Option<String> {
        forge::delivery_id(request, "x-github-delivery")
    }

    fn same_bytes_same_delivery(&self) -> bool {
        true
    }

    fn notices(
        &self,
        _spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        let event = request.header("x-github-event").unwrap_or("");
        let hook = Hook::new(Dialect::GitHub, request, event, event)?;
        Ok(notices(&hook))
    }
}

fn notices(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    match hook.event {
        // `ping` says that the webhook was made; `watch` says what `star` says.
        "ping" | "watch" => Vec::new(),
        "pull_request_review" => review(hook),
        "pull_request_review_comment" => forge::review_comment(hook),
        "commit_comment" => commit_comment(hook),
        "check_run" => forge::check_run(hook),
        "check_suite" => forge::check_suite(hook),
        "deployment" => forge::deployment(hook),
        "deployment_status" => forge::deployment_status(hook),
        "star" => starred(hook),
        "public" => public(hook),
        "gollum" => forge::wiki(hook, &forge::listed_pages(hook)),
        "discussion" => discussions::discussion(hook),
        "discussion_comment" => discussions::commented(hook),
        "member" => people::collaborator(hook),
        "membership" => people::team_member(hook),
        "organization" => people::organization(hook),
        "dependabot_alert" => alerts::dependabot(hook),
        "repository_vulnerability_alert" => alerts::vulnerability(hook),
        "code_scanning_alert" => alerts::code_scanning(hook),
        "secret_scanning_alert" => alerts::secret_scanning(hook),
        "security_advisory" | "repository_advisory" => alerts::advisory(hook),
        _ => forge::shared_notices(hook).unwrap_or_else(|| forge::other(hook)),
    }
}

fn review(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let verdict = match (hook.action, text(hook.body, &["review", "state"])) {
        ("submitted" | "", Some("approved")) => Review::Approved,
        ("submitted" | "", Some("changes_requested")) => Review::ChangesRequested,
        ("submitted" | "", Some("commented")) => Review::Commented,
        (_, Some(_) | None) => Review::Other,
    };
    forge::review(hook, verdict, text(hook.body, &["review", "body"]))
}

fn commit_comment(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let comment = at(hook.body, &["comment"]);
    let sha = text(comment, &["commit_id"]).unwrap_or("");
    hook.draft(Kind::Other)
        .transition(Transition::Updates)
        .subject(format_args!("commit:{sha}"), short_sha(sha))
        .title(hook.sentence(format_args!("commented on commit {}", short_sha(sha))))
        .text(text(comment, &["body"]))
        .url(text(comment, &["html_url"]))
        .label("sha", sha)
        .label("path", text(comment, &["path"]))
        .at(time(comment, &["created_at"]))
        .done()
}

fn starred(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let actor = hook.actor().unwrap_or("someone");
    let place = hook.place().unwrap_or("a repository".into());
    let (kind, verb) = match hook.action {
        "deleted" => (Kind::Other, "no longer stars"),
        _ => (Kind::Starred, "starred"),
    };
    hook.draft(kind)
        .subject(format_args!("star:{actor}"), actor)
        .title(format!("{actor} {verb} {place}"))
        .url(text(hook.repository(), &["html_url"]))
        .label(
            "stars",
            id(hook.repository(), &["stargazers_count"]).as_deref(),
        )
        .at(time(hook.body, &["starred_at"]))
        .done()
}

fn public(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let actor = hook.actor().unwrap_or("someone");
    let place = hook.place().unwrap_or("a repository".into());
    hook.draft(Kind::Other)
        .transition(Transition::Updates)
        .subject(format_args!("repository"), place.clone())
        .title(format!("{actor} made repository {place} public"))
        .url(text(hook.repository(), &["html_url"]))
        .done()
}
