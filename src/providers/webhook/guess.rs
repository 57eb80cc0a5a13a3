//! A readable notice out of a payload of unknown shape.
//!
//! **Invariant:** the result is bounded whatever the payload: so many lines, so many bytes a value,
//! so many levels looked into. Nothing of it is JSON.

use serde_json::{Map, Value};

use super::RECEIVED;
use crate::domain::notice::{NoticeDraft, Severity, Subject, cut, is_http_url};

/// Most lines of `name: value` that are made of a payload.
const LINES_MAX: usize = 30;
/// Longest value within such a line, and longest value that becomes a label, in bytes.
const VALUE_BYTES_MAX: usize = 200;
/// Longest title made of a payload, in bytes.
const TITLE_BYTES_MAX: usize = 200;
/// Levels that lines descend into: `monitor.tags.name`.
const LEVELS_MAX: usize = 3;
/// Most elements of a list that one line names.
const ELEMENTS_MAX: usize = 10;

/// Where payloads put their contents besides the top level.
const CONTAINERS: [&str; 10] = [
    "data",
    "payload",
    "notification",
    "alert",
    "event",
    "message",
    "item",
    "embeds",
    "attachments",
    "alerts",
];
const TITLES: [&str; 6] = ["title", "subject", "headline", "summary", "name", "label"];
/// Machine words, used as a title only when nothing better is there.
const EVENTS: [&str; 5] = ["event", "event_type", "type", "action", "trigger"];
const TEXTS: [&str; 9] = [
    "text",
    "message",
    "body",
    "description",
    "content",
    "msg",
    "details",
    "detail",
    "summary",
];
const URLS: [&str; 8] = [
    "url",
    "link",
    "html_url",
    "web_url",
    "href",
    "permalink",
    "title_link",
    "click",
];
const SEVERITIES: [&str; 6] = [
    "severity", "level", "priority", "urgency", "status", "state",
];
const ACTORS: [&str; 6] = ["actor", "user", "username", "author", "sender", "user_name"];

/// What could be guessed, with the plain rendering of the payload apart.
pub(super) struct Guess {
    notice: NoticeDraft,
    /// The payload as lines, to be said when nothing in it is called a text.
    lines: String,
}

impl Guess {
    /// The notice when there is nothing but the guess.
    pub(super) fn whole(mut self) -> NoticeDraft {
        if self.notice.text.is_empty() {
            self.notice.text = self.lines;
        }
        self.notice
    }

    /// The notice when a mapping makes the rest.
    pub(super) fn named_parts(self) -> NoticeDraft {
        self.notice
    }
}

pub(super) fn notice(body: &Value, provider: &str) -> Guess {
    let mut notice = NoticeDraft {
        kind: RECEIVED.into(),
        ..NoticeDraft::default()
    };
    let mut lines = Lines::default();
    match body {
        Value::Object(members) => {
            let used = named(&mut notice, members);
            lines.members("", members, 1, &used);
            notice.labels = labels(members);
        }
        Value::Array(elements) => {
            if let [Value::Object(members)] = elements.as_slice() {
                let used = named(&mut notice, members);
                lines.members("", members, 1, &used);
                notice.labels = labels(members);
            } else {
                lines.elements(elements);
                notice.title = match elements.len() {
                    0 => String::new(),
                    count => format!("{count} entries from {provider}"),
                };
            }
        }
        Value::String(text) => {
            let (first, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
            notice.title = short(first, TITLE_BYTES_MAX);
            notice.text = match rest.trim() {
                "" if notice.title.len() == first.trim().len() => String::new(),
                _ => text.trim().to_owned(),
            };
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => {
            notice.title = format!("{provider} sent {}", scalar(body).unwrap_or_default());
        }
    }
    if notice.title.is_empty() {
        let line = match (notice.text.is_empty(), lines.text.is_empty()) {
            (false, _) => short(
                super::super::forge::phrase::first_line(&notice.text),
                TITLE_BYTES_MAX,
            ),
            (true, false) => format!("Received from {provider}"),
            (true, true) => format!("Empty message from {provider}"),
        };
        notice.title = line;
    }
    notice.subject = Subject::default();
    Guess {
        notice,
        lines: lines.text,
    }
}

/// Fills in what members with usual names say, and tells which top-level members were used.
fn named<'a>(notice: &mut NoticeDraft, members: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut places: Vec<&'a Map<String, Value>> = vec![members];
    for container in CONTAINERS {
        match members.get(container) {
            Some(Value::Object(inner)) => places.push(inner),
            Some(Value::Array(list)) => places.extend(list.first().and_then(Value::as_object)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
        }
    }
    let mut used = Vec::new();
    let mut find = |names: &[&str], fits: &dyn Fn(&str) -> bool| -> Option<&'a str> {
        for (n, place) in places.iter().enumerate() {
            for name in names {
                let Some((key, text)) = member(place, name) else {
                    continue;
                };
                if fits(text) {
                    if n == 0 {
                        used.push(key);
                    }
                    return Some(text);
                }
            }
        }
        None
    };
    let title = find(&TITLES, &|text| !text.contains('\n')).or_else(|| find(&EVENTS, &|_| true));
    let text = find(&TEXTS, &|text| Some(text) != title);
    let url = find(&URLS, &is_http_url);
    let severity = find(&SEVERITIES, &|text| severity(text).is_some()).and_then(severity);
    let actor = find(&ACTORS, &|_| true).map(str::to_owned).or_else(|| {
        ACTORS.iter().find_map(|name| {
            let person = places
                .iter()
                .find_map(|place| place.get(*name)?.as_object())?;
            ["name", "username", "login", "display_name", "email"]
                .iter()
                .find_map(|name| Some(member(person, name)?.1.to_owned()))
        })
    });
    notice.title = short(title.unwrap_or(""), TITLE_BYTES_MAX);
    notice.text = text.unwrap_or("").trim().to_owned();
    notice.url = url.map(str::to_owned);
    notice.severity = severity.unwrap_or_default();
    notice.actor = actor;
    used
}

/// A member by name in any case, when it is a text that says something.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<(&'a str, &'a str)> {
    let (key, value) = match members.get_key_value(name) {
        Some(found) => found,
        None => members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?,
    };
    let text = value.as_str()?;
    (!text.trim().is_empty()).then_some((key.as_str(), text))
}

/// What a word of a sender says about how much it matters; `None` when it says nothing about it.
pub(super) fn severity(word: &str) -> Option<Severity> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "crit" | "fatal" | "emergency" | "emerg" | "alert" | "panic" | "error"
        | "page" | "down" | "urgent" | "disaster" | "highest" => Severity::Critical,
        "warning" | "warn" | "failure" | "failed" | "fail" | "firing" | "high" | "major"
        | "degraded" | "unhealthy" | "average" => Severity::Warning,
        "success" | "succeeded" | "successful" | "ok" | "okay" | "resolved" | "up" | "healthy"
        | "passed" | "recovered" | "completed" | "done" => Severity::Success,
        "info" | "information" | "informational" | "notice" | "debug" | "low" | "lowest"
        | "normal" | "default" | "minor" | "none" => Severity::Info,
        _ => return None,
    })
}

/// Short top-level values, for filters and templates.
fn labels(members: &Map<String, Value>) -> std::collections::BTreeMap<String, String> {
    members
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
        .filter(|(name, value)| {
            !value.is_empty()
                && value.len() <= VALUE_BYTES_MAX
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
        .collect()
}

/// A value without structure, as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("true".into()),
        Value::Bool(false) => Some("false".into()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn short(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() > bytes_max {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    cut(&mut line, bytes_max);
    line
}

/// A value in as few words as it takes, for one line. Structure is counted, not shown.
pub(super) fn compact(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            let mut words: Vec<String> = Vec::new();
            for element in elements.iter().take(ELEMENTS_MAX) {
                words.extend(scalar(element));
            }
            match words.len() {
                0 if elements.is_empty() => String::new(),
                0 => match elements.len() {
                    1 => "1 entry".into(),
                    count => format!("{count} entries"),
                },
                _ if elements.len() > ELEMENTS_MAX => format!("{}, …", words.join(", ")),
                _ => words.join(", "),
            }
        }
        Value::Object(members) => {
            let mut words = Vec::new();
            for (name, value) in members.iter().take(ELEMENTS_MAX) {
                words.extend(scalar(value).map(|value| format!("{name}: {value}")));
            }
            words.join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            scalar(value).unwrap_or_default()
        }
    }
}

/// Lines of `name: value`, until there are enough.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
    left_out: usize,
}

impl Lines {
    fn members(&mut self, prefix: &str, members: &Map<String, Value>, level: usize, used: &[&str]) {
        for (name, value) in members {
            if level == 1 && used.contains(&name.as_str()) {
                continue;
            }
            match value {
                Value::Object(inner) if level < LEVELS_MAX && self.count < LINES_MAX => {
                    self.members(&format!("{prefix}{name}."), inner, level + 1, used);
                }
                Value::Array(_)
                | Value::Object(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_) => self.line(prefix, name, value),
            }
        }
        if level == 1 {
            self.close();
        }
    }

    fn elements(&mut self, elements: &[Value]) {
        for element in elements {
            self.line("", "", element);
        }
        self.close();
    }

    fn line(&mut self, prefix: &str, name: &str, value: &Value) {
        if self.count >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        let value = short(&compact(value), VALUE_BYTES_MAX);
        if value.is_empty() {
            return;
        }
        if self.count > 0 {
            self.text.push('\n');
        }
        if !name.is_empty() {
            self.text
                .push_str(&short(&format!("{prefix}{name}"), VALUE_BYTES_MAX));
            self.text.push_str(": ");
        }
        self.text.push_str(&value);
        self.count += 1;
    }

    fn close(&mut self) {
        if self.left_out > 0 {
            self.text
                .push_str(&format!("\n… and {} more", self.left_out));
            self.left_out = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(body: &Value, expected: Expect) {
        let notice = notice(body, "printer").whole();
        expected.assert_eq(&format!(
            "{} [{}]{}\n{}",
            notice.title,
            notice.severity.as_str(),
            notice.url.map(|url| format!(" {url}")).unwrap_or_default(),
            notice.text
        ));
    }

    #[test]
    fn any_payload_is_readable() {
        check(
            &json!({"title": "Toner low", "message": "Cyan at 4 %", "level": "warn", "url": "http://printer.lan/"}),
            expect![[r#"
                Toner low [warning] http://printer.lan/
                Cyan at 4 %"#]],
        );
        check(
            &json!({"event": "job.done", "pages": 12, "job": {"id": 7, "owner": {"name": "mara"}}, "tags": ["a", "b"], "none": null}),
            expect![[r#"
                job.done [info]
                job.id: 7
                job.owner.name: mara
                pages: 12
                tags: a, b"#]],
        );
        check(
            &json!({"type": "paper.jam", "data": {"name": "Tray 2", "text": "Open the tray.", "state": "down"}}),
            expect![[r#"
                Tray 2 [critical]
                Open the tray."#]],
        );
        check(
            &json!({"text": "Out of paper\nPlease refill tray 1."}),
            expect![[r#"
                Out of paper [info]
                Out of paper
                Please refill tray 1."#]],
        );
        check(
            &json!({"content": "", "embeds": [{"title": "Jam", "description": "Tray 2"}]}),
            expect![[r#"
                Jam [info]
                Tray 2"#]],
        );
        check(
            &json!("Out of paper"),
            expect![[r#"
            Out of paper [info]
        "#]],
        );
        check(
            &json!(42),
            expect![[r#"
            printer sent 42 [info]
        "#]],
        );
        check(
            &json!([{"a": 1}, {"a": 2}]),
            expect![[r#"
            2 entries from printer [info]
            a: 1
            a: 2"#]],
        );
        for empty in [
            json!(null),
            json!({}),
            json!([]),
            json!(""),
            json!({"a": {}}),
        ] {
            check(
                &empty,
                expect![[r#"
                Empty message from printer [info]
            "#]],
            );
        }
        check(
            &json!({"a": 1}),
            expect![[r#"
            Received from printer [info]
            a: 1"#]],
        );
    }

    #[test]
    fn a_large_payload_stays_small() {
        let members: Map<String, Value> = (0..1_000)
            .map(|n| (format!("m{n:04}"), json!("x".repeat(1_000))))
            .collect();
        let notice = notice(&Value::Object(members), "printer").whole();
        assert_eq!(notice.text.lines().count(), LINES_MAX + 1);
        assert!(notice.text.ends_with("… and 970 more"));
        assert!(notice.text.len() < LINES_MAX * (2 * VALUE_BYTES_MAX + 10));
    }
}
