//! Kind `discord`: messages of a webhook, as embeds.
//!
//! Each part is one message with one embed: 256 + 4 096 units stay below the 6 000 that a message
//! may hold over all its embeds. Discord counts characters; UTF-16 units are never fewer.
//!
//! Decisions where the service leaves room:
//! - Five messages in two seconds is what a webhook is known to take. What an answer says in its
//!   headers is obeyed besides: when nothing remains, the target rests until the limit is reset.
//! - The limits are the webhook's. Only a 429 whose scope is `shared`, or that names none and is not
//!   global, is taken as the receiver's own.
//! - 401, 403 and 404 mean that the webhook or thread is gone, and repeating such calls gets the
//!   address banned. A 403 with a page instead of JSON is that ban or something in between: it waits.
//! - A forum thread's id is that of its first message, so later parts follow the first one there.

mod markdown;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer;
use super::flat::{Layout, LinkForm};
use super::split::{Limit, PARTS_MAX, head, split, units_of};
use super::{
    Button, Call, CallContext, Edited, HOP_HEADER, Message, MessageRef, NO_WORDS, Pace, Part,
    Reply, Scope, SecretField, Target, USER_AGENT, Unsendable, Verdict, json, payload, refuse_loop,
    shortened,
};
use crate::domain::notice::Severity;
use crate::domain::spec::{Rate, ReceiverSpec, TargetSpec};
use crate::templates::markup::{Block, Markup, Span};

/// Longest title of an embed, in UTF-16 units; a longer one ends in `…` and opens the description.
const TITLE_UNITS_MAX: usize = 256;
/// Longest description of an embed, in UTF-16 units, markup included.
pub(super) const DESCRIPTION_UNITS_MAX: usize = 4_096;
/// Longest text over all embeds of a message, in UTF-16 units.
const EMBEDS_UNITS_MAX: usize = 6_000;
/// Longest address of an embed, in bytes; a longer one is left out.
const URL_BYTES_MAX: usize = 2_048;
/// Longest name of a new thread, in characters; a longer one ends in `…`.
const THREAD_NAME_CHARS_MAX: usize = 100;
/// Longest name a message can be sent under, in characters.
const USERNAME_CHARS_MAX: usize = 80;
/// Deepest level to which the errors of an answer are followed.
const ERROR_LEVELS_MAX: usize = 8;

/// The code with which the service says that the webhook itself is gone.
const UNKNOWN_WEBHOOK: i64 = 10_015;
/// Messages of one webhook, all its threads together.
const WEBHOOK_RATE: Rate = Rate {
    count: 5,
    per_seconds: 2,
};

const _: () = assert!(TITLE_UNITS_MAX + DESCRIPTION_UNITS_MAX <= EMBEDS_UNITS_MAX);

const LIMIT: Limit = Limit {
    units: DESCRIPTION_UNITS_MAX,
    raw_bytes: usize::MAX,
    parts: PARTS_MAX,
};

pub struct Discord;

/// What an embed has besides its words.
#[derive(Serialize, Deserialize)]
struct Payload {
    /// How many bytes of the part's text are the title; a line break follows them.
    #[serde(default)]
    title_bytes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    color: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(default)]
    hops: u8,
}

#[derive(Serialize)]
struct Body<'a> {
    embeds: [Embed<'a>; 1],
    allowed_mentions: AllowedMentions,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_name: Option<String>,
}

#[derive(Serialize)]
struct Embed<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    color: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
}

/// Nobody is ever mentioned, whatever the words say.
#[derive(Serialize)]
struct AllowedMentions {
    parse: [&'static str; 0],
}

impl Target for Discord {
    fn kind(&self) -> &'static str {
        "discord"
    }

    fn has_receivers(&self) -> bool {
        true
    }

    fn needs_receivers(&self) -> bool {
        false
    }

    fn secret_fields(&self) -> &'static [SecretField] {
        &[SecretField {
            name: "url",
            required: true,
        }]
    }

    fn option_fields(&self) -> &'static [&'static str] {
        &["username", "avatar_url"]
    }

    fn receiver_fields(&self) -> &'static [&'static str] {
        &["thread", "thread_name"]
    }

    fn lane_depth(&self) -> u16 {
        1
    }

    fn pace(&self, _to: &ReceiverSpec) -> Pace {
        Pace {
            account: Some(WEBHOOK_RATE),
            ..Pace::default()
        }
    }

    fn format(&self) -> &'static str {
        "discord"
    }

    fn promise(&self) -> &'static str {
        "At least once: a Discord webhook knows no idempotency key, so a message whose answer was lost is sent again and may stand there twice."
    }

    fn compose(
        &self,
        message: &Message,
        target: &TargetSpec,
        to: &ReceiverSpec,
    ) -> Result<Vec<Part>, Unsendable> {
        refuse_loop(message.hops)?;
        thread(to)?;
        if target
            .username
            .as_ref()
            .is_some_and(|name| name.chars().count() > USERNAME_CHARS_MAX)
        {
            return Err(Unsendable {
                reason: format!(
                    "`username` is longer than {USERNAME_CHARS_MAX} characters; shorten it"
                ),
            });
        }
        let (title, descriptions) = words(message);
        if title.is_empty() && descriptions.is_empty() {
            return Err(Unsendable {
                reason: NO_WORDS.into(),
            });
        }
        let count = descriptions.len().max(1);
        let url = message
            .url
            .as_ref()
            .filter(|url| url.len() <= URL_BYTES_MAX && !title.is_empty());
        let parts = (0..count).map(|n| {
            let first = n == 0;
            let title = if first { title.as_str() } else { "" };
            let description = descriptions.get(n).map_or("", String::as_str);
            let gap = if title.is_empty() || description.is_empty() {
                ""
            } else {
                "\n"
            };
            Part {
                kind: "embed".into(),
                text: format!("{title}{gap}{description}"),
                payload: json(&Payload {
                    title_bytes: title.len(),
                    url: url.filter(|_| first).cloned(),
                    color: color(message.severity),
                    timestamp: (n + 1 == count).then(|| message.received_at.clone()),
                    hops: message.hops,
                }),
            }
        });
        Ok(parts.collect())
    }

    fn call(&self, part: &Part, context: &CallContext<'_>) -> Result<Call, Unsendable> {
        let (embed, hops) = embed(part)?;
        let place = Destination::of(context, context.earlier_ids.first().map(String::as_str))?;
        let target = context.target;
        let body = Body {
            embeds: [embed],
            allowed_mentions: AllowedMentions { parse: [] },
            username: target.username.as_deref().filter(|name| !name.is_empty()),
            avatar_url: target.avatar_url.as_deref().filter(|url| !url.is_empty()),
            thread_name: place.thread_name,
        };
        Ok(described("POST", place.url, hops, &body))
    }

    fn judge(&self, part: &Part, reply: &Reply) -> Verdict {
        let (status, body) = match answer::answered(reply) {
            Ok(answered) => answered,
            Err(verdict) => return verdict,
        };
        let said: Option<Value> = serde_json::from_slice(body).ok();
        let reason = || match said.as_ref().map(error_of).filter(|text| !text.is_empty()) {
            Some(text) => format!("Discord answered {status}: {text}"),
            None => format!("Discord answered {status}"),
        };
        match status {
            200..=299 => Verdict::Sent {
                ids: said.as_ref().and_then(message_id).into_iter().collect(),
                pause: nothing_remains(reply),
            },
            300..=399 => answer::redirected(status, reply, "url"),
            429 => Verdict::Retry {
                after: said
                    .as_ref()
                    .and_then(|said| said["retry_after"].as_f64())
                    .and_then(answer::wait)
                    .or_else(|| answer::retry_after(reply)),
                scope: rate_scope(said.as_ref(), reply),
                reason: reason(),
            },
            403 if said.is_none() && !body.is_empty() => Verdict::Retry {
                after: answer::retry_after(reply),
                scope: Scope::Target,
                reason: "answered 403 with a page instead of JSON: the address may be banned for a while"
                    .into(),
            },
            401 | 403 | 404 => Verdict::Gone { reason: reason() },
            400 if said.as_ref().is_some_and(is_about_embeds) => match without_url(part) {
                Some(part) => Verdict::Fallback {
                    parts: vec![part],
                    reason: reason(),
                },
                None => Verdict::Rejected { reason: reason() },
            },
            status => {
                answer::later(status, reply).unwrap_or_else(|| Verdict::Rejected { reason: reason() })
            }
        }
    }

    fn edit(
        &self,
        part: &Part,
        context: &CallContext<'_>,
        earlier: MessageRef<'_>,
    ) -> Option<Result<Call, Unsendable>> {
        let edited = || {
            let (embed, hops) = embed(part)?;
            // A thread that a message opened has that message's id.
            let place = Destination::of(context, Some(earlier.id))?;
            let is_id = !earlier.id.is_empty() && earlier.id.bytes().all(|b| b.is_ascii_digit());
            let mut url = answer::address("url", &place.url)?;
            match url.path_segments_mut() {
                Ok(mut path) if is_id => {
                    path.pop_if_empty().push("messages").push(earlier.id);
                }
                Ok(_) | Err(()) => {
                    return Err(Unsendable {
                        reason: "its earlier message has no number".into(),
                    });
                }
            }
            let kept: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(key, _)| key != "wait")
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect();
            url.set_query(None);
            if !kept.is_empty() {
                url.query_pairs_mut().extend_pairs(kept);
            }
            let body = Body {
                embeds: [embed],
                allowed_mentions: AllowedMentions { parse: [] },
                username: None,
                avatar_url: None,
                thread_name: None,
            };
            Ok(described("PATCH", url.into(), hops, &body))
        };
        Some(edited())
    }

    fn judge_edit(&self, part: &Part, reply: &Reply) -> Edited {
        let code = answer::answered(reply)
            .ok()
            .and_then(|(_, body)| serde_json::from_slice::<Value>(body).ok())
            .and_then(|said| said["code"].as_i64());
        let status = answer::answered(reply).map_or(0, |(status, _)| status);
        match self.judge(part, reply) {
            // The message or its thread is gone, closed, or was never the webhook's. Whether the webhook is
            // there is seen when it is sent anew.
            Verdict::Gone { reason } | Verdict::Rejected { reason }
                if matches!(status, 400 | 403 | 404) && code != Some(UNKNOWN_WEBHOOK) =>
            {
                Edited::Refused { reason }
            }
            verdict => Edited::Judged(verdict),
        }
    }

    fn probe(&self, context: &CallContext<'_>) -> Option<Result<Call, Unsendable>> {
        let address =
            answer::secret(context.secrets, "url").and_then(|url| answer::address("url", url));
        Some(address.map(|mut url| {
            url.set_query(None);
            Call {
                method: "GET",
                url: url.into(),
                headers: vec![("user-agent".into(), USER_AGENT.into())],
                body: Vec::new(),
            }
        }))
    }
}

/// A text as it would be sent, all its pieces.
pub(super) fn written(text: &Markup) -> String {
    let flat = Layout::new(&markdown::link_form).blocks(text).finish();
    split(&flat, &markdown::Markdown, LIMIT).join("\n")
}

/// Title and descriptions, in Discord's Markdown.
fn words(message: &Message) -> (String, Vec<String>) {
    let title = Layout::new(&|_, _| LinkForm::TextOnly)
        .line(&message.title)
        .finish();
    let (title, cut) = if title.is_blank() {
        (String::new(), false)
    } else {
        head(&title, &markdown::Markdown, TITLE_UNITS_MAX)
    };
    let mut layout = Layout::new(&markdown::link_form);
    if cut {
        layout = layout.title(&message.title);
    }
    let text = layout
        .blocks(&message.text)
        .blocks(&links_below(&message.buttons))
        .finish();
    let descriptions = if text.is_blank() {
        Vec::new()
    } else {
        split(&text, &markdown::Markdown, LIMIT)
    };
    (title, descriptions)
}

/// Buttons as a line of links: a webhook that no application owns has no buttons.
fn links_below(buttons: &[Button]) -> Markup {
    let mut spans = Vec::new();
    for button in buttons {
        if !spans.is_empty() {
            spans.push(Span::Text(" · ".into()));
        }
        spans.push(Span::Link {
            url: button.url.clone(),
            spans: vec![Span::Text(button.text.trim().to_owned())],
        });
    }
    let blocks = if spans.is_empty() {
        Vec::new()
    } else {
        vec![Block::Paragraph(spans)]
    };
    Markup { blocks }
}

fn color(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 0x3B_82_F6,
        Severity::Success => 0x2F_9E_5F,
        Severity::Warning => 0xE0_9F_1F,
        Severity::Critical => 0xD1_34_3B,
    }
}

/// The embed of a part, and how many bridges it has passed.
fn embed(part: &Part) -> Result<(Embed<'_>, u8), Unsendable> {
    let stored: Payload = payload(part)?;
    let (title, description) = part
        .text
        .split_at_checked(stored.title_bytes)
        .ok_or_else(|| Unsendable {
            reason: "the stored `embed` part is not readable; render it again".into(),
        })?;
    let description = if title.is_empty() {
        description
    } else {
        description.strip_prefix('\n').unwrap_or(description)
    };
    let embed = Embed {
        title,
        description,
        url: stored.url,
        color: stored.color,
        timestamp: stored.timestamp,
    };
    Ok((embed, stored.hops))
}

fn described(method: &'static str, url: String, hops: u8, body: &Body<'_>) -> Call {
    Call {
        method,
        url,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("user-agent".into(), USER_AGENT.into()),
            (HOP_HEADER.into(), hops.saturating_add(1).to_string()),
        ],
        body: json(body).into_bytes(),
    }
}

/// Where a part goes.
struct Destination {
    url: String,
    /// For the part that opens a new thread.
    thread_name: Option<String>,
}

impl Destination {
    /// Where a part goes after the message that came first, if any did.
    fn of(context: &CallContext<'_>, first: Option<&str>) -> Result<Self, Unsendable> {
        let mut url = answer::address("url", answer::secret(context.secrets, "url")?)?;
        let opened = first.filter(|_| context.receiver.thread_name.is_some());
        let thread = thread(context.receiver)?.or(opened);
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(key, _)| key != "wait" && !(key == "thread_id" && thread.is_some()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        {
            let mut query = url.query_pairs_mut();
            query.clear().extend_pairs(kept).append_pair("wait", "true");
            if let Some(thread) = thread {
                query.append_pair("thread_id", thread);
            }
        }
        let thread_name = context
            .receiver
            .thread_name
            .clone()
            .filter(|_| thread.is_none())
            .map(|name| shortened(&name, THREAD_NAME_CHARS_MAX));
        Ok(Destination {
            url: url.into(),
            thread_name,
        })
    }
}

fn thread(receiver: &ReceiverSpec) -> Result<Option<&str>, Unsendable> {
    match receiver.thread.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(id) if id.len() <= 20 && id.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(id)),
        Some(_) => Err(Unsendable {
            reason: "`thread` is not a number; set it to the thread's id".into(),
        }),
    }
}

fn message_id(said: &Value) -> Option<String> {
    said["id"]
        .as_str()
        .filter(|id| units_of(id) <= 64)
        .map(str::to_owned)
}

/// How long nothing more may be sent, when this was the last message of its limit.
fn nothing_remains(reply: &Reply) -> Option<std::time::Duration> {
    let remaining: f64 = reply.header("x-ratelimit-remaining")?.trim().parse().ok()?;
    let reset_after = reply.header("x-ratelimit-reset-after")?.trim().parse().ok();
    reset_after
        .filter(|_| remaining < 1.0)
        .and_then(answer::wait)
}

fn rate_scope(said: Option<&Value>, reply: &Reply) -> Scope {
    let global = said.is_some_and(|said| said["global"].as_bool() == Some(true))
        || reply.header("x-ratelimit-global").is_some();
    match reply.header("x-ratelimit-scope") {
        _any if global => Scope::Target,
        Some("global" | "user") => Scope::Target,
        Some(_) | None => Scope::Receiver,
    }
}

/// The error of an answer, with the first field it names.
fn error_of(said: &Value) -> String {
    let mut text = said["message"].as_str().unwrap_or_default().to_owned();
    if let Some(detail) = first_error(&said["errors"], String::new(), 0) {
        text = format!("{text}: {detail}");
    }
    answer::excerpt(&text)
}

fn first_error(errors: &Value, path: String, level: usize) -> Option<String> {
    if level > ERROR_LEVELS_MAX {
        return None;
    }
    if let Some(message) = errors["_errors"][0]["message"].as_str() {
        return Some(format!("{path}: {message}"));
    }
    errors.as_object()?.iter().find_map(|(key, below)| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        first_error(below, path, level + 1)
    })
}

/// Whether a refusal is about the embed's address, or about the embed without saying of what.
fn is_about_embeds(said: &Value) -> bool {
    let embed = &said["errors"]["embeds"]["0"];
    embed.get("url").is_some() || (embed.is_null() && said["embeds"].is_array())
}

/// The part without its address, where it has one: a host that Discord does not take for one.
fn without_url(part: &Part) -> Option<Part> {
    let mut stored: Payload = payload(part).ok()?;
    stored.url.take()?;
    Some(Part {
        kind: part.kind.clone(),
        text: part.text.clone(),
        payload: json(&stored),
    })
}
