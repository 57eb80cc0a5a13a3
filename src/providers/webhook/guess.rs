//! A readable notice out of a payload of unknown shape.
//!
//! **Invariant:** the result is bounded whatever the payload: so many lines, so many bytes a value,
//! so many levels looked into. Nothing of it is JSON.

use serde_json::{Map, Value};

use super::RECEIVED;
use crate::domain::notice::{NoticeDraft, Severity, cut, is_http_url};

/// Most lines of `name: value` that are made of a payload.
const LINES_MAX: usize = 30;
/// Longest value within such a line, and longest value that becomes a label, in bytes.
const VALUE_BYTES_MAX: usize = 200;
/// Longest title made of a payload, in bytes.
const TITLE_BYTES_MAX: usize = 200;
/// Levels that lines descend into: `monitor.tags.name`.
const LEVELS_MAX: usize = 3;
/// Most objects of one level that are searched for a title.
const OBJECTS_MAX: usize = 100;
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
const EVENTS: [&str; 7] = [
    "event",
    "event_name",
    "event_type",
    "object_kind",
    "type",
    "action",
    "trigger",
];
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
        Value::String(text) => notice.text = text.trim().to_owned(),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => {
            notice.title = format!("{provider} sent {}", scalar(body).unwrap_or_default());
        }
    }
    if notice.title.is_empty() && !notice.text.is_empty() {
        promote_first_line(&mut notice);
        // What was said first is the title now; the rest of the payload is not worth a text.
        lines.text.clear();
    }
    if notice.title.is_empty() {
        notice.title = match lines.text.is_empty() {
            false => format!("Received from {provider}"),
            true => format!("Empty message from {provider}"),
        };
    }
    Guess {
        notice,
        lines: lines.text,
    }
}

/// Makes the first line of the text the title. It stays in the text only when it had to be cut.
fn promote_first_line(notice: &mut NoticeDraft) {
    let (first, rest) = notice.text.split_once('\n').unwrap_or((&notice.text, ""));
    notice.title = short(first, TITLE_BYTES_MAX);
    if !notice.title.ends_with('…') {
        notice.text = rest.trim().to_owned();
    }
}

/// Fills in what members with usual names say, and tells which texts were used.
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
        let found = places.iter().find_map(|place| {
            let mut texts = names.iter().filter_map(|name| member(place, name));
            texts.find(|text| fits(text))
        })?;
        used.push(found);
        Some(found)
    };
    let title = find(&TITLES, &|text| !text.contains('\n'));
    let event = match title {
        Some(_) => None,
        None => find(&EVENTS, &|_| true),
    };
    let text = find(&TEXTS, &|text| Some(text) != title);
    // A text without a title gives its first line; only a machine word needs a name besides.
    let inner = match (title, event, text) {
        (None, Some(_), _) | (None, None, None) => inner_title(members),
        (Some(_), _, _) | (None, None, Some(_)) => None,
    };
    let url = find(&URLS, &is_http_url);
    let severity = find(&SEVERITIES, &|text| severity(text).is_some()).and_then(severity);
    let actor = find(&ACTORS, &|_| true).map(str::to_owned).or_else(|| {
        ACTORS.iter().find_map(|name| {
            let person = places
                .iter()
                .find_map(|place| place.get(*name)?.as_object())?;
            ["name", "username", "login", "display_name", "email"]
                .iter()
                .find_map(|name| Some(member(person, name)?.to_owned()))
        })
    });
    used.extend(inner);
    notice.title = match (title.or(event), inner) {
        (Some(words), None) | (None, Some(words)) => short(words, TITLE_BYTES_MAX),
        (Some(event), Some(inner)) => short(&format!("{event}: {inner}"), TITLE_BYTES_MAX),
        (None, None) => String::new(),
    };
    notice.text = text.unwrap_or("").trim().to_owned();
    notice.url = url.map(str::to_owned);
    notice.severity = severity.unwrap_or_default();
    notice.actor = actor;
    used
}

/// What the things within are called: the outermost title or name, of whatever is not a person.
fn inner_title(members: &Map<String, Value>) -> Option<&str> {
    let mut level = vec![members];
    for _ in 0..LEVELS_MAX {
        let mut inner = Vec::new();
        for (name, value) in level.iter().flat_map(|members| members.iter()) {
            let object = match value {
                Value::Array(list) => list.first().and_then(Value::as_object),
                value => value.as_object(),
            };
            let is_person = ACTORS.contains(&name.as_str()) || name == "owner";
            inner.extend(object.filter(|_| !is_person));
            if inner.len() >= OBJECTS_MAX {
                break;
            }
        }
        let title = TITLES.iter().find_map(|name| {
            let mut texts = inner.iter().filter_map(|members| member(members, name));
            texts.find(|text| !text.contains('\n'))
        });
        if title.is_some() {
            return title;
        }
        level = inner;
    }
    None
}

/// A member by name in any case, when it is a text that says something.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let value = match members.get(name) {
        Some(value) => value,
        None => {
            let mut any_case = members.iter();
            any_case.find(|(key, _)| key.eq_ignore_ascii_case(name))?.1
        }
    };
    value.as_str().filter(|text| !text.trim().is_empty())
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
            match value {
                // The very text that was used, not one that only reads alike.
                Value::String(text) if used.iter().any(|one| std::ptr::eq(*one, text.as_str())) => {
                }
                // A lone container says nothing by its name.
                Value::Object(inner) if level == 1 && members.len() == 1 => {
                    self.members("", inner, level + 1, used);
                }
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
