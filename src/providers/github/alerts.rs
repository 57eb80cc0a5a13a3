//! Security alerts and advisories of GitHub.

use crate::domain::notice::{NoticeDraft, Severity, Transition};
use crate::providers::forge::field::{at, flag, id, person, text, time};
use crate::providers::forge::phrase::words;
use crate::providers::forge::{Draft, Hook, Kind};

/// What became of an alert.
struct State {
    /// How the title goes on; empty for a new alert.
    words: String,
    transition: Transition,
}

fn state(hook: &Hook<'_>) -> State {
    let (words, transition) = match hook.action {
        "created" | "create" | "published" | "reported" => (String::new(), Transition::Opens),
        "fixed" | "resolved" | "resolve" | "dismissed" | "dismiss" | "auto_dismissed"
        | "closed_by_user" | "withdrawn" => {
            let done = match hook.action {
                "resolve" => "resolved".into(),
                "dismiss" => "dismissed".into(),
                "closed_by_user" => "closed".into(),
                action => words(action),
            };
            (format!(" was {done}"), Transition::Closes)
        }
        "reopened" | "reopened_by_user" | "auto_reopened" | "reintroduced"
        | "appeared_in_branch" => {
            let again = match hook.action {
                "reopened_by_user" => "was reopened".into(),
                "appeared_in_branch" => "appeared in another branch".into(),
                action => format!("was {}", words(action)),
            };
            (format!(" {again}"), Transition::Opens)
        }
        "" => (" changed".into(), Transition::Updates),
        "publicly_leaked" => (" was leaked to the public".into(), Transition::Opens),
        action => (format!(" was {}", words(action)), Transition::Updates),
    };
    State { words, transition }
}

/// An alert that is over is good news; high and critical ones are critical, all others a warning.
fn severity(transition: Transition, level: Option<&str>) -> Severity {
    match (transition, level) {
        (Transition::Closes, _) => Severity::Success,
        (Transition::Opens | Transition::Updates | Transition::None, Some("high" | "critical")) => {
            Severity::Critical
        }
        (Transition::Opens | Transition::Updates | Transition::None, Some(_) | None) => {
            Severity::Warning
        }
    }
}

/// ` (high)`, after what it is the level of.
fn level_words(level: Option<&str>) -> String {
    match level {
        Some(level) => format!(" ({})", level.to_lowercase()),
        None => String::new(),
    }
}

struct Alert<'a> {
    /// `Dependabot alert`, …
    noun: &'a str,
    key: &'a str,
    number: Option<&'a str>,
    level: Option<&'a str>,
    summary: &'a str,
}

impl Alert<'_> {
    fn tell<'h>(&self, hook: &Hook<'h>) -> Draft<'h> {
        let state = state(hook);
        let number = match self.number {
            Some(number) => format!(" #{number}"),
            None => String::new(),
        };
        let level = level_words(self.level);
        let what = format!("{}{number}{level}{}", self.noun, state.words);
        let title = match self.summary {
            "" => hook.statement(format_args!("{what}")),
            summary => format!("{}: {summary}", hook.statement(format_args!("{what}"))),
        };
        hook.draft(Kind::SecurityAlert)
            .transition(state.transition)
            .severity(severity(state.transition, self.level))
            .subject(
                format_args!("alert:{}:{}", self.key, self.number.unwrap_or("")),
                self.summary,
            )
            .title(title)
            .label("number", self.number)
            .label("level", self.level)
    }
}

pub(super) fn dependabot(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let alert = at(hook.body, &["alert"]);
    let advisory = at(alert, &["security_advisory"]);
    let package = at(alert, &["dependency", "package"]);
    let number = id(alert, &["number"]);
    Alert {
        noun: "Dependabot alert",
        key: "dependabot",
        number: number.as_deref(),
        level: text(alert, &["security_vulnerability", "severity"])
            .or_else(|| text(advisory, &["severity"])),
        summary: text(advisory, &["summary"]).unwrap_or(""),
    }
    .tell(hook)
    .text(text(alert, &["dismissed_comment"]).or_else(|| text(advisory, &["description"])))
    .url(text(alert, &["html_url"]))
    .label("state", text(alert, &["state"]))
    .label("package", text(package, &["name"]))
    .label("ecosystem", text(package, &["ecosystem"]))
    .label("manifest", text(alert, &["dependency", "manifest_path"]))
    .label("ghsa", text(advisory, &["ghsa_id"]))
    .label("cve", text(advisory, &["cve_id"]))
    .label(
        "patched",
        text(
            alert,
            &[
                "security_vulnerability",
                "first_patched_version",
                "identifier",
            ],
        ),
    )
    .at(time(alert, &["updated_at"]))
    .done()
}

/// The older form of Dependabot's alerts.
pub(super) fn vulnerability(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let alert = at(hook.body, &["alert"]);
    let package = text(alert, &["affected_package_name"]).unwrap_or("");
    let number = id(alert, &["number"]).or_else(|| id(alert, &["id"]));
    Alert {
        noun: "Vulnerability alert",
        key: "vulnerability",
        number: number.as_deref(),
        level: text(alert, &["severity"]),
        summary: package,
    }
    .tell(hook)
    .url(text(alert, &["html_url"]))
    .url(text(alert, &["external_reference"]))
    .label("package", package)
    .label("ghsa", text(alert, &["ghsa_id"]))
    .label("patched", text(alert, &["fixed_in"]))
    .at(time(alert, &["created_at"]))
    .done()
}

pub(super) fn code_scanning(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let alert = at(hook.body, &["alert"]);
    let rule = at(alert, &["rule"]);
    let instance = at(alert, &["most_recent_instance"]);
    let number = id(alert, &["number"]);
    Alert {
        noun: "Code scanning alert",
        key: "code",
        number: number.as_deref(),
        level: text(rule, &["security_severity_level"]).or_else(|| text(rule, &["severity"])),
        summary: text(rule, &["description"])
            .or_else(|| text(rule, &["id"]))
            .unwrap_or(""),
    }
    .tell(hook)
    .text(text(instance, &["message", "text"]).or_else(|| text(rule, &["full_description"])))
    .url(text(alert, &["html_url"]))
    .label("state", text(alert, &["state"]))
    .label("rule", text(rule, &["id"]))
    .label("tool", text(alert, &["tool", "name"]))
    .label("path", text(instance, &["location", "path"]))
    .label("ref", text(hook.body, &["ref"]))
    .at(time(alert, &["updated_at"]))
    .at(time(alert, &["created_at"]))
    .done()
}

pub(super) fn secret_scanning(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let alert = at(hook.body, &["alert"]);
    let number = id(alert, &["number"]);
    let public = flag(alert, &["publicly_leaked"]) || hook.action == "publicly_leaked";
    Alert {
        noun: "Secret scanning alert",
        key: "secret",
        number: number.as_deref(),
        // GitHub gives no level. What everyone can read is as bad as it gets.
        level: public.then_some("critical"),
        summary: text(alert, &["secret_type_display_name"])
            .or_else(|| text(alert, &["secret_type"]))
            .unwrap_or(""),
    }
    .tell(hook)
    .text(text(alert, &["resolution_comment"]))
    .url(text(alert, &["html_url"]))
    .label("state", text(alert, &["state"]))
    .label("resolution", text(alert, &["resolution"]))
    .label("validity", text(alert, &["validity"]))
    .label("resolved_by", person(alert, &["resolved_by"]))
    .at(time(alert, &["updated_at"]))
    .at(time(alert, &["created_at"]))
    .done()
}

/// An advisory, of the whole world or of one repository.
pub(super) fn advisory(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let advisory = match at(hook.body, &["security_advisory"]).is_object() {
        true => at(hook.body, &["security_advisory"]),
        false => at(hook.body, &["repository_advisory"]),
    };
    let ghsa = text(advisory, &["ghsa_id"]).unwrap_or("");
    let package = at(advisory, &["vulnerabilities"])
        .get(0)
        .map_or(&serde_json::Value::Null, |first| at(first, &["package"]));
    let level = text(advisory, &["severity"]);
    let summary = text(advisory, &["summary"]).unwrap_or("");
    let state = state(hook);
    let id_words = match ghsa {
        "" => String::new(),
        ghsa => format!(" {ghsa}"),
    };
    let what = format!(
        "Security advisory{id_words}{}{}",
        level_words(level),
        state.words
    );
    let place = hook.statement(format_args!("{what}"));
    let title = match (text(package, &["name"]), summary) {
        (_, "") => place,
        (Some(package), summary) if !summary.contains(package) => {
            format!("{place}: {} ({package})", summary.trim())
        }
        (_, summary) => format!("{place}: {}", summary.trim()),
    };
    hook.draft(Kind::SecurityAlert)
        .transition(state.transition)
        .severity(severity(state.transition, level))
        .subject(format_args!("advisory:{ghsa}"), ghsa)
        .title(title)
        .text(text(advisory, &["description"]))
        .url(text(advisory, &["html_url"]))
        .url(
            Some(ghsa)
                .filter(|ghsa| !ghsa.is_empty())
                .map(|ghsa| format!("https://github.com/advisories/{ghsa}"))
                .as_deref(),
        )
        .label("level", level)
        .label("ghsa", ghsa)
        .label("cve", text(advisory, &["cve_id"]))
        .label("package", text(package, &["name"]))
        .label("ecosystem", text(package, &["ecosystem"]))
        .at(time(advisory, &["updated_at"]))
        .at(time(advisory, &["published_at"]))
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_high_and_critical_alerts_are_critical() {
        for (transition, level, expected) in [
            (Transition::Opens, Some("critical"), Severity::Critical),
            (Transition::Opens, Some("high"), Severity::Critical),
            (Transition::Opens, Some("medium"), Severity::Warning),
            (Transition::Updates, None, Severity::Warning),
            (Transition::Closes, Some("critical"), Severity::Success),
        ] {
            assert_eq!(severity(transition, level), expected, "{level:?}");
        }
    }
}
