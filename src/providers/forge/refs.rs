//! Pushes, branches and tags.

use super::field::{at, flag, id, list, text};
use super::phrase::{count, first_line, short_sha};
use super::{Draft, Hook, Kind};
use crate::domain::notice::{NoticeDraft, Transition};

/// Most commits that a push lists; how many more there are is said below them.
const COMMITS_SHOWN_MAX: usize = 20;
/// Longest commit subject that a push lists, in bytes.
const COMMIT_BYTES_MAX: usize = 200;

/// A git reference, taken apart.
#[derive(Clone, Copy)]
struct Ref<'a> {
    noun: &'static str,
    name: &'a str,
}

impl<'a> Ref<'a> {
    /// From `refs/heads/main`.
    fn full(full: &'a str) -> Self {
        if let Some(name) = full.strip_prefix("refs/heads/") {
            Ref {
                noun: "branch",
                name,
            }
        } else if let Some(name) = full.strip_prefix("refs/tags/") {
            Ref { noun: "tag", name }
        } else {
            Ref {
                noun: "ref",
                name: full,
            }
        }
    }

    fn describe<'d>(self, draft: Draft<'d>) -> Draft<'d> {
        draft
            .subject(format_args!("{}:{}", self.noun, self.name), self.name)
            .label(self.noun, self.name)
    }
}

/// A push speaks when it brings commits or moves a ref by force. One that only creates or deletes a
/// ref is silent: `create` or `delete`, which the forge sends beside it, says it.
pub(super) fn pushed(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let body = hook.body;
    let reference = Ref::full(text(body, &["ref"]).unwrap_or(""));
    let before = text(body, &["before"]).unwrap_or("");
    let after = text(body, &["after"]).unwrap_or("");
    let commits = list(body, &["commits"]);
    let total = at(body, &["total_commits"])
        .as_u64()
        .unwrap_or(0)
        .max(commits.len() as u64);
    let created = flag(body, &["created"]) || is_nothing(before);
    let deleted = flag(body, &["deleted"]) || is_nothing(after);
    if deleted || (created && total == 0) {
        return Vec::new();
    }
    let forced = flag(body, &["forced"]);
    let verb = match forced {
        true => "force-pushed",
        false => "pushed",
    };
    let name = reference.name;
    let title = match (total, reference.noun) {
        (0, "tag") => hook.sentence(format_args!("moved tag {name}")),
        (0, _) if forced => {
            hook.sentence(format_args!("force-pushed {name} to {}", short_sha(after)))
        }
        _ => {
            let to = match name {
                "" => String::new(),
                _ => format!(" to {name}"),
            };
            hook.sentence(format_args!("{verb} {}{to}", count(total, "commit")))
        }
    };
    let draft = hook
        .draft(Kind::Push)
        .transition(Transition::Updates)
        .title(title)
        .text(commit_lines(body, total).as_str())
        .url(text(body, &["compare_url"]))
        .url(text(body, &["compare"]))
        .url(text(body, &["head_commit", "url"]))
        .label("ref", text(body, &["ref"]))
        .label("commits", total.to_string().as_str())
        .label("sha", after)
        .label(
            "default_branch",
            text(hook.repository(), &["default_branch"]),
        )
        .flag("forced", body, &["forced"])
        .before("sha", Some(before).filter(|sha| !sha.is_empty()))
        .after("sha", Some(after).filter(|sha| !sha.is_empty()))
        // GitHub writes the moment of the push here; Gitea has only the commits' own times, which
        // may be any.
        .at(super::field::time(hook.repository(), &["pushed_at"]));
    reference.describe(draft).done()
}

/// One line a commit, the newest first: `ef98532 bump`.
fn commit_lines(body: &serde_json::Value, total: u64) -> String {
    let commits = list(body, &["commits"]);
    let head = text(body, &["after"]).unwrap_or("");
    // GitHub lists the oldest first, Gitea the newest.
    let newest_first = commits
        .first()
        .is_some_and(|commit| text(commit, &["id"]) == Some(head));
    let mut lines = String::new();
    let mut shown = 0;
    for n in 0..commits.len().min(COMMITS_SHOWN_MAX) {
        let commit = match newest_first {
            true => &commits[n],
            false => &commits[commits.len() - 1 - n],
        };
        let mut subject =
            first_line(text(commit, &["message"]).unwrap_or("(no message)")).to_owned();
        crate::domain::notice::cut(&mut subject, COMMIT_BYTES_MAX);
        if !lines.is_empty() {
            lines.push('\n');
        }
        if let Some(sha) = text(commit, &["id"]) {
            lines.push_str(short_sha(sha));
            lines.push(' ');
        }
        lines.push_str(&subject);
        shown += 1;
    }
    if total > shown && shown > 0 {
        lines.push_str(&format!("\n… and {} more", total - shown));
    }
    lines
}

pub(super) fn created(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    changed(hook, "created", Transition::Opens)
}

pub(super) fn deleted(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    changed(hook, "deleted", Transition::Closes)
}

fn changed(hook: &Hook<'_>, verb: &str, transition: Transition) -> Vec<NoticeDraft> {
    let body = hook.body;
    let name = text(body, &["ref"]).unwrap_or("");
    let name = Ref::full(name).name;
    let opens = transition == Transition::Opens;
    let full = match (name, text(body, &["ref_type"])) {
        ("", _) => None,
        (name, Some("tag")) => Some(format!("refs/tags/{name}")),
        (name, Some("branch")) => Some(format!("refs/heads/{name}")),
        (name, Some(_) | None) => Some(name.to_owned()),
    };
    let (kind, noun, page) = match text(body, &["ref_type"]) {
        Some("tag") if opens => (Kind::TagCreated, "tag", "src/tag"),
        Some("tag") => (Kind::TagDeleted, "tag", "src/tag"),
        Some("branch") if opens => (Kind::BranchCreated, "branch", "src/branch"),
        Some("branch") => (Kind::BranchDeleted, "branch", "src/branch"),
        Some(_) | None => (Kind::Other, "ref", ""),
    };
    let page = match (hook.dialect, opens) {
        (_, false) => None,
        (super::Dialect::GitHub, true) => hook.page(format_args!("tree/{name}")),
        (super::Dialect::Gitea, true) => hook.page(format_args!("{page}/{name}")),
    };
    let draft = hook
        .draft(kind)
        .transition(transition)
        .title(hook.sentence(format_args!("{verb} {noun} {name}")))
        .url(page.as_deref())
        .url(text(hook.repository(), &["html_url"]))
        .label("ref", full.as_deref())
        .label("sha", id(body, &["sha"]).as_deref());
    Ref { noun, name }.describe(draft).done()
}

/// Whether a commit id is the one that stands for no commit.
fn is_nothing(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|byte| byte == b'0')
}
