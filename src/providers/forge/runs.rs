//! Runs of workflows, checks and statuses, and deployments.
//!
//! A run gives one notice, when it is over. A failed run opens its subject, the workflow on that
//! branch, and a run that succeeds there closes it.

use serde_json::Value;

use super::field::{at, id, person, text, time};
use super::phrase::{first_line, quote, short_sha, words};
use super::{Draft, Hook, Kind};
use crate::domain::notice::{NoticeDraft, Severity, Transition};

/// How a run ended.
struct Ending<'a> {
    kind: Kind,
    transition: Transition,
    words: &'a str,
}

fn ending(conclusion: Option<&str>) -> Ending<'static> {
    let (kind, transition, words) = match conclusion {
        Some("success") => (Kind::RunSucceeded, Transition::Closes, "succeeded"),
        Some("failure" | "error") => (Kind::RunFailed, Transition::Opens, "failed"),
        Some("timed_out") => (Kind::RunFailed, Transition::Opens, "timed out"),
        Some("startup_failure") => (Kind::RunFailed, Transition::Opens, "could not start"),
        Some("cancelled" | "canceled") => (Kind::RunCancelled, Transition::None, "was cancelled"),
        Some("skipped") => (Kind::Other, Transition::None, "was skipped"),
        Some("action_required") => (Kind::Other, Transition::None, "waits for a person"),
        Some("stale") => (Kind::Other, Transition::None, "went stale"),
        Some("warning") => (Kind::Other, Transition::None, "ended with a warning"),
        Some(_) | None => (Kind::Other, Transition::None, "ended without a verdict"),
    };
    Ending {
        kind,
        transition,
        words,
    }
}

/// One finished thing of any of the shapes below.
struct Run<'a> {
    /// `Workflow`, `Check`, …
    noun: &'static str,
    name: &'a str,
    number: Option<&'a str>,
    /// What tells this run's workflow from others, for the subject.
    key: &'a str,
    branch: Option<&'a str>,
    sha: Option<&'a str>,
    conclusion: Option<&'a str>,
}

impl Run<'_> {
    fn tell<'h>(&self, hook: &Hook<'h>) -> Draft<'h> {
        let ending = ending(self.conclusion);
        let number = match self.number {
            Some(number) => format!(" #{number}"),
            None => String::new(),
        };
        let place = self
            .branch
            .or(self.sha.map(short_sha))
            .map_or(String::new(), |place| format!(" on {place}"));
        let name = match self.name {
            "" => String::new(),
            name => format!(" {}", quote(name)),
        };
        hook.draft(ending.kind)
            .transition(ending.transition)
            .subject(
                format_args!(
                    "run:{}:{}",
                    self.key,
                    self.branch.or(self.sha.map(short_sha)).unwrap_or("")
                ),
                self.name,
            )
            .title(hook.statement(format_args!(
                "{}{name}{number} {}{place}",
                self.noun, ending.words
            )))
            .label("workflow", self.name)
            .label("branch", self.branch)
            .label("sha", self.sha)
            .label("number", self.number)
            .label("conclusion", self.conclusion)
    }
}

pub(super) fn workflow_run(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    if hook.action != "completed" {
        return Vec::new();
    }
    let run = at(hook.body, &["workflow_run"]);
    let workflow = at(hook.body, &["workflow"]);
    let name = text(run, &["name"])
        .or_else(|| text(workflow, &["name"]))
        .or_else(|| text(run, &["path"]))
        .unwrap_or("");
    let key = id(run, &["workflow_id"]).or_else(|| id(workflow, &["id"]));
    let number = id(run, &["run_number"]);
    let sha = text(run, &["head_sha"]);
    Run {
        noun: "Workflow",
        name,
        number: number.as_deref(),
        key: key.as_deref().unwrap_or(name),
        branch: text(run, &["head_branch"]),
        sha,
        conclusion: text(run, &["conclusion"]),
    }
    .tell(hook)
    .text(commit_line(run, sha).as_str())
    .url(text(run, &["html_url"]))
    .label("trigger", text(run, &["event"]))
    .label("attempt", id(run, &["run_attempt"]).as_deref())
    .label(
        "pull",
        id(
            at(run, &["pull_requests"]).get(0).unwrap_or(&Value::Null),
            &["number"],
        )
        .as_deref(),
    )
    .at(time(run, &["completed_at"]))
    .at(time(run, &["updated_at"]))
    .done()
}

/// What the run is about: its own title, else the commit it ran for.
fn commit_line(run: &Value, sha: Option<&str>) -> String {
    let subject = text(run, &["display_title"])
        .or_else(|| text(run, &["head_commit", "message"]))
        .map(first_line)
        .unwrap_or("");
    match sha {
        Some(sha) => format!("{} {subject}", short_sha(sha)),
        None => subject.to_owned(),
    }
}

pub(super) fn workflow_job(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    if hook.action != "completed" {
        return Vec::new();
    }
    let job = at(hook.body, &["workflow_job"]);
    let name = text(job, &["name"]).unwrap_or("");
    let workflow = text(job, &["workflow_name"]);
    let key = format!("{}/{name}", workflow.unwrap_or("job"));
    Run {
        noun: "Job",
        name,
        number: None,
        key: &key,
        branch: text(job, &["head_branch"]),
        sha: text(job, &["head_sha"]),
        conclusion: text(job, &["conclusion"]),
    }
    .tell(hook)
    .text(
        workflow
            .map(|workflow| format!("Part of workflow {}", quote(workflow)))
            .as_deref(),
    )
    .url(text(job, &["html_url"]))
    .label("runner", text(job, &["runner_name"]))
    .at(time(job, &["completed_at"]))
    .done()
}

pub fn check_run(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    if hook.action != "completed" {
        return Vec::new();
    }
    let check = at(hook.body, &["check_run"]);
    let name = text(check, &["name"]).unwrap_or("");
    let output = at(check, &["output"]);
    let summary = [text(output, &["title"]), text(output, &["summary"])]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n");
    Run {
        noun: "Check",
        name,
        number: None,
        key: &format!("check/{name}"),
        branch: text(check, &["check_suite", "head_branch"]),
        sha: text(check, &["head_sha"]),
        conclusion: text(check, &["conclusion"]),
    }
    .tell(hook)
    .text(summary.as_str())
    .url(text(check, &["html_url"]))
    .url(text(check, &["details_url"]))
    .label("app", text(check, &["app", "name"]))
    .at(time(check, &["completed_at"]))
    .done()
}

pub fn check_suite(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    if hook.action != "completed" {
        return Vec::new();
    }
    let suite = at(hook.body, &["check_suite"]);
    let app = text(suite, &["app", "name"]).unwrap_or("");
    let sha = text(suite, &["head_sha"]);
    Run {
        noun: "Checks of",
        name: app,
        number: None,
        key: &format!("checks/{app}"),
        branch: text(suite, &["head_branch"]),
        sha,
        conclusion: text(suite, &["conclusion"]),
    }
    .tell(hook)
    .text(commit_line(suite, sha).as_str())
    .url(
        sha.and_then(|sha| hook.page(format_args!("commit/{sha}")))
            .as_deref(),
    )
    .label("app", app)
    .at(time(suite, &["updated_at"]))
    .done()
}

/// A commit status, as other programs report it to the forge.
pub(super) fn status(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let body = hook.body;
    let state = text(body, &["state"]);
    if matches!(state, Some("pending" | "running")) {
        return Vec::new();
    }
    let context = text(body, &["context"]).unwrap_or("");
    let sha = text(body, &["sha"]);
    let branch = at(body, &["branches"])
        .get(0)
        .and_then(|branch| text(branch, &["name"]));
    Run {
        noun: "Status",
        name: context,
        number: None,
        key: context,
        branch,
        sha,
        conclusion: state,
    }
    .tell(hook)
    .text(text(body, &["description"]))
    .url(text(body, &["target_url"]))
    .url(text(body, &["commit", "html_url"]))
    .url(text(body, &["commit", "url"]))
    .at(time(body, &["updated_at"]))
    .done()
}

pub fn deployment(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let deployment = at(hook.body, &["deployment"]);
    let (what, environment) = deployed(deployment);
    describe_deployment(hook, deployment, environment)
        .title(hook.sentence(format_args!(
            "started a deployment of {what} to {environment}"
        )))
        .text(text(deployment, &["description"]))
        .url(text(hook.body, &["workflow_run", "html_url"]))
        .url(text(hook.repository(), &["html_url"]))
        .label("state", "created")
        .at(time(deployment, &["created_at"]))
        .done()
}

/// The state of a deployment. One that fails opens its environment, one that succeeds closes it.
pub fn deployment_status(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let deployment = at(hook.body, &["deployment"]);
    let status = at(hook.body, &["deployment_status"]);
    let (what, environment) = deployed(deployment);
    let state = text(status, &["state"]).unwrap_or("");
    let (severity, transition, words) = match state {
        "success" => (Severity::Success, Transition::Closes, "succeeded".into()),
        "failure" | "error" => (Severity::Warning, Transition::Opens, "failed".into()),
        "inactive" => (
            Severity::Info,
            Transition::Updates,
            "is no longer active".into(),
        ),
        "" => (Severity::Info, Transition::Updates, "changed".into()),
        "queued" => (Severity::Info, Transition::Updates, "is queued".into()),
        "waiting" => (Severity::Info, Transition::Updates, "is waiting".into()),
        state => (
            Severity::Info,
            Transition::Updates,
            format!("is {}", words(state)),
        ),
    };
    describe_deployment(hook, deployment, environment)
        .severity(severity)
        .transition(transition)
        .title(format!(
            "{} {words}",
            hook.statement(format_args!("Deployment of {what} to {environment}"))
        ))
        .text(text(status, &["description"]))
        .url(text(status, &["environment_url"]))
        .url(text(status, &["log_url"]))
        .url(text(status, &["target_url"]))
        .url(text(hook.body, &["workflow_run", "html_url"]))
        .url(text(hook.repository(), &["html_url"]))
        .label("state", state)
        .at(time(status, &["updated_at"]))
        .done()
}

fn deployed(deployment: &Value) -> (&str, &str) {
    let what = text(deployment, &["ref"])
        .or_else(|| text(deployment, &["sha"]).map(short_sha))
        .unwrap_or("something");
    let environment = text(deployment, &["environment"]).unwrap_or("an unnamed environment");
    (what, environment)
}

fn describe_deployment<'a>(hook: &Hook<'a>, deployment: &Value, environment: &str) -> Draft<'a> {
    hook.draft(Kind::DeploymentChanged)
        .transition(Transition::Updates)
        .subject(format_args!("deployment:{environment}"), environment)
        .label("environment", environment)
        .label("ref", text(deployment, &["ref"]))
        .label("sha", text(deployment, &["sha"]))
        .label("task", text(deployment, &["task"]))
        .label("creator", person(deployment, &["creator"]))
}
