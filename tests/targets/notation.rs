//! How cases are written down: messages, replies and verdicts as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::spec::{ReceiverSpec, TargetSpec};
use notify_bridge::targets::{Button, Call, Message, Reply, Verdict};
use notify_bridge::templates::markup::{Block, Markup, Span};
use serde_json::{Value, json};

/// Longest text written out in a case, in characters; of longer ones both ends and the length are.
const SHOWN_CHARS_MAX: usize = 1_500;

pub fn message_of(case: &Value) -> Message {
    let text = |field: &str, otherwise: &str| case[field].as_str().unwrap_or(otherwise).to_owned();
    Message {
        notices: None,
        delivery_id: text("delivery_id", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        title: markup_of(&case["title"]),
        text: markup_of(&case["text"]),
        buttons: case["buttons"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|button| Button {
                text: button[0].as_str().unwrap_or_default().into(),
                url: button[1].as_str().unwrap_or_default().into(),
            })
            .collect(),
        severity: Severity::parse(&text("severity", "info")).expect("a severity"),
        url: case["url"].as_str().map(str::to_owned),
        notice: case
            .get("notice")
            .map(written_out)
            .unwrap_or_else(|| json!({ "id": "01ARZ3NDEKTSV4RRFFQ69G5FA0", "kind": "push" })),
        kind: text("kind", "push"),
        received_at: text("received_at", "2026-08-29T10:15:00Z"),
        body: case.get("body").map(text_of),
        hops: case["hops"].as_u64().unwrap_or(0) as u8,
    }
}

/// A text is one paragraph; a list holds blocks: a text, `{"p": spans}`, `{"list": [blocks…],
/// "start": n}`, `{"quote": blocks}`, `{"pre": text, "language": l}`.
pub fn markup_of(value: &Value) -> Markup {
    Markup {
        blocks: match value {
            Value::Null => Vec::new(),
            Value::Array(blocks) => blocks.iter().map(block_of).collect(),
            one => vec![block_of(one)],
        },
    }
}

fn block_of(value: &Value) -> Block {
    if let Some(spans) = value.get("p") {
        Block::Paragraph(spans_of(spans))
    } else if let Some(items) = value["list"].as_array() {
        Block::List {
            start: value["start"].as_u64(),
            items: items.iter().map(|item| markup_of(item).blocks).collect(),
        }
    } else if let Some(blocks) = value.get("quote") {
        Block::Quote(markup_of(blocks).blocks)
    } else if let Some(text) = value.get("pre") {
        Block::Code {
            language: value["language"].as_str().unwrap_or_default().into(),
            text: text_of(text),
        }
    } else {
        Block::Paragraph(vec![Span::Text(text_of(value))])
    }
}

/// A text, or a list of texts, `{"b": spans}`, `{"i": spans}`, `{"code": text}`, `{"br": true}`,
/// `{"a": spans, "to": address}`.
fn spans_of(value: &Value) -> Vec<Span> {
    let Some(spans) = value.as_array() else {
        return vec![Span::Text(text_of(value))];
    };
    spans
        .iter()
        .map(|span| {
            if let Some(spans) = span.get("b") {
                Span::Bold(spans_of(spans))
            } else if let Some(spans) = span.get("i") {
                Span::Italic(spans_of(spans))
            } else if let Some(text) = span.get("code") {
                Span::Code(text_of(text))
            } else if let Some(spans) = span.get("a") {
                Span::Link {
                    url: span["to"].as_str().unwrap_or_default().into(),
                    spans: spans_of(spans),
                }
            } else if span.get("br").is_some() {
                Span::Break
            } else {
                Span::Text(text_of(span))
            }
        })
        .collect()
}

/// A text, or `{"repeat": text, "times": n}`.
fn text_of(value: &Value) -> String {
    match value["repeat"].as_str() {
        Some(text) => text.repeat(value["times"].as_u64().unwrap_or(1) as usize),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

/// The value with every `{"repeat", "times"}` in it written out.
fn written_out(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.contains_key("repeat") => text_of(value).into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), written_out(value)))
            .collect(),
        Value::Array(items) => items.iter().map(written_out).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

pub fn target_of(kind: &str, options: &Value) -> TargetSpec {
    let mut spec = json!({ "name": "ops", "kind": kind });
    for (field, value) in options.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).expect("a target")
}

pub fn receiver_of(options: &Value) -> ReceiverSpec {
    let mut spec = json!({ "name": "default", "enabled": true });
    for (field, value) in options.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).expect("a receiver")
}

/// `{"not_sent": why}`, `{"no_answer": why}`, or `{"status", "headers", "body"}` with a body of JSON or text.
pub fn reply_of(value: &Value) -> Reply {
    if let Some(why) = value["not_sent"].as_str() {
        return Reply::NotSent { why: why.into() };
    }
    if let Some(why) = value["no_answer"].as_str() {
        return Reply::NoAnswer { why: why.into() };
    }
    Reply::Answered {
        status: value["status"].as_u64().expect("a status") as u16,
        headers: value["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        body: match &value["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        },
    }
}

pub fn shown_verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Sent { ids, pause: None } => json!({ "sent": ids }),
        Verdict::Sent {
            ids,
            pause: Some(pause),
        } => json!({ "sent": ids, "pause_ms": pause.as_millis() as u64 }),
        Verdict::Retry {
            after,
            scope,
            reason,
        } => json!({
            "retry": reason,
            "scope": scope,
            "after_ms": after.as_ref().map(Duration::as_millis).map(|ms| ms as u64),
        }),
        Verdict::Fallback { parts, reason } => json!({ "fallback": reason, "parts": parts }),
        Verdict::Rejected { reason } => json!({ "rejected": reason }),
        Verdict::Gone { reason } => json!({ "gone": reason }),
        Verdict::Moved { to } => json!({ "moved": to }),
        Verdict::LeftOut { reason } => json!({ "left_out": reason }),
    }
}

pub fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    call.headers
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value)
}

/// A call with its secrets replaced by their names. The version in `user-agent` is left out.
pub fn shown_call(call: &Call, secrets: &BTreeMap<String, String>) -> Value {
    let shown = |text: &str| {
        secrets
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(value.as_str(), &format!("{{{name}}}"))
            })
    };
    let headers: BTreeMap<&str, String> = call
        .headers
        .iter()
        .map(|(name, value)| {
            let value = value
                .split('/')
                .next()
                .filter(|_| name == "user-agent")
                .unwrap_or(value);
            (name.as_str(), shown(value))
        })
        .collect();
    assert_eq!(headers.len(), call.headers.len(), "a header is set twice");
    let text = String::from_utf8_lossy(&call.body);
    let body = match serde_json::from_str::<Value>(&text) {
        Ok(mut json) => {
            abridge(&mut json);
            json
        }
        Err(_) => abridged(&text).into(),
    };
    json!({ "method": call.method, "url": shown(&call.url), "headers": headers, "body": body })
}

pub fn abridge(value: &mut Value) {
    match value {
        Value::String(text) => *text = abridged(text),
        Value::Array(items) => items.iter_mut().for_each(abridge),
        Value::Object(fields) => fields.values_mut().for_each(abridge),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Both ends and the length of a long text.
pub fn abridged(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= SHOWN_CHARS_MAX {
        return text.to_owned();
    }
    let first: String = chars[..40].iter().collect();
    let last: String = chars[chars.len() - 60..].iter().collect();
    format!("{first} ⟨{} characters⟩ {last}", chars.len())
}
