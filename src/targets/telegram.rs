//! Kind `telegram`: a bot's messages to chats, by `sendMessage` of the Bot API.
//!
//! Decisions where the service leaves room:
//! - 401 and 404 mean that the token (or `api_base`) is wrong. Trying again does not mend that, so the
//!   delivery is parked and names the field.
//! - An answer of 200 that is not the Bot API's JSON comes from something that stands where
//!   `api_base` points. It is tried again as *unknown whether it arrived*, never taken as sent.
//! - Clients make links of their own out of plain words: mentions, commands, mail and app addresses.
//!   No payload may speak to people or bots, so such words are held apart by a sign that is not seen.
//! - The documented guidance is one message a second to a chat, 20 a minute to a group (its number is
//!   negative) and about 30 a second for the bot. It is kept to; what 429 says is obeyed besides.
//! - 429 is taken as the chat's own limit unless the description speaks of the bot.

mod apart;
mod files;
mod html;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer;
use super::flat::{Flat, Layout, LinkForm};
use super::split::{Limit, PARTS_MAX, split, units_of};
use super::{
    Button, Call, CallContext, Edited, Message, MessageRef, NO_WORDS, Pace, Part, Reply, Scope,
    SecretField, Target, USER_AGENT, Unsendable, Verdict, payload, shortened,
};
use crate::domain::spec::{Rate, ReceiverSpec, TargetSpec};
use crate::templates::markup::{Block, Markup, Span};

/// Where the Bot API is, unless configured otherwise.
const API_BASE_DEFAULT: &str = "https://api.telegram.org";
/// Longest text the service takes, in UTF-16 units after its markup is read.
pub(super) const TEXT_UNITS_MAX: usize = 4_096;
/// Longest text as it is sent, markup included, in bytes; a piece ends before it grows longer.
const RAW_BYTES_MAX: usize = 24 * 1_024;
/// Most buttons below a message; further ones are written as links in the text.
const BUTTONS_MAX: usize = 8;
/// Longest label of a button, in characters; longer ones end in `…`.
const BUTTON_CHARS_MAX: usize = 64;
/// Longest address put into a tag, in bytes; longer ones are spelled out.
const LINK_BYTES_MAX: usize = 2_048;

/// Messages of a bot, all its chats together.
const BOT_RATE: Rate = Rate {
    count: 30,
    per_seconds: 1,
};
/// Messages to one chat.
const CHAT_RATE: Rate = Rate {
    count: 1,
    per_seconds: 1,
};
/// Messages to one group, beside [`CHAT_RATE`].
const GROUP_RATE: Rate = Rate {
    count: 20,
    per_seconds: 60,
};

const LIMIT: Limit = Limit {
    units: TEXT_UNITS_MAX,
    raw_bytes: RAW_BYTES_MAX,
    parts: PARTS_MAX,
};

/// HTML, as composed.
const TEXT: &str = "text";
/// What the service made of HTML was refused: the same words without markup.
const PLAIN: &str = "plain";

pub struct Telegram;

#[derive(Serialize, Deserialize, Default)]
struct Payload {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<Key>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    text: String,
    url: String,
}

impl Target for Telegram {
    fn kind(&self) -> &'static str {
        "telegram"
    }

    fn has_receivers(&self) -> bool {
        true
    }

    fn secret_fields(&self) -> &'static [SecretField] {
        &[SecretField {
            name: "token",
            required: true,
        }]
    }

    fn option_fields(&self) -> &'static [&'static str] {
        &[
            "bot",
            "api_base",
            "preview",
            "media",
            "max_media",
            "group_pause",
            "large_photo",
            "large_video",
            "chat_action",
        ]
    }

    fn receiver_fields(&self) -> &'static [&'static str] {
        &["to", "thread", "silent", "protect", "preview", "spoiler"]
    }

    fn lane_depth(&self) -> u16 {
        1
    }

    fn pace(&self, to: &ReceiverSpec) -> Pace {
        let is_group = to.to.trim().parse::<i64>().is_ok_and(|chat| chat < 0);
        Pace {
            account: Some(BOT_RATE),
            receiver: [Some(CHAT_RATE), is_group.then_some(GROUP_RATE)],
        }
    }

    fn format(&self) -> &'static str {
        "telegram"
    }

    fn promise(&self) -> &'static str {
        "At least once: Telegram knows no idempotency key, so a message whose answer was lost is sent again and may stand there twice."
    }

    fn compose(
        &self,
        message: &Message,
        _target: &TargetSpec,
        to: &ReceiverSpec,
    ) -> Result<Vec<Part>, Unsendable> {
        chat_id(&to.to)?;
        thread_id(to)?;
        let (keys, spelled) = keyboard(&message.buttons);
        let flat = lay_out(message, &spelled);
        if flat.is_blank() {
            return Err(Unsendable {
                reason: NO_WORDS.into(),
            });
        }
        let mut parts: Vec<Part> = split(&flat, &html::Html, LIMIT)
            .into_iter()
            .map(|text| Part {
                kind: TEXT.into(),
                text,
                payload: "{}".into(),
            })
            .collect();
        if let Some(last) = parts.last_mut()
            && !keys.is_empty()
        {
            last.payload = super::json(&Payload { buttons: keys });
        }
        Ok(parts)
    }

    fn call(&self, part: &Part, context: &CallContext<'_>) -> Result<Call, Unsendable> {
        let receiver = context.receiver;
        let mut body = body(part, context)?;
        if receiver.silent {
            body["disable_notification"] = true.into();
        }
        if receiver.protect {
            body["protect_content"] = true.into();
        }
        if let Some(thread) = thread_id(receiver)? {
            body["message_thread_id"] = thread.into();
        }
        if let Some(earlier) = context.reply_to
            && let Ok(id) = earlier.id.parse::<i64>()
        {
            // One that was deleted meanwhile is no reason not to send.
            body["reply_parameters"] =
                json!({ "message_id": id, "allow_sending_without_reply": true });
        }
        posted(context, "sendMessage", &body)
    }

    fn judge(&self, part: &Part, reply: &Reply) -> Verdict {
        let (status, body) = match answer::answered(reply) {
            Ok(answered) => answered,
            Err(verdict) => return verdict,
        };
        match serde_json::from_slice::<Answer>(body) {
            Ok(answer) if answer.ok => Verdict::Sent {
                ids: answer.message_id().into_iter().collect(),
                pause: None,
            },
            Ok(answer) => refused(part, reply, status, &answer),
            Err(_) => not_the_api(reply, status),
        }
    }

    fn edit(
        &self,
        part: &Part,
        context: &CallContext<'_>,
        earlier: MessageRef<'_>,
    ) -> Option<Result<Call, Unsendable>> {
        let edited = || {
            let mut body = body(part, context)?;
            let id: i64 = earlier.id.parse().map_err(|_| Unsendable {
                reason: "its earlier message has no number".into(),
            })?;
            body["message_id"] = id.into();
            posted(context, "editMessageText", &body)
        };
        // What stands there has no files, or other ones.
        (part.kind != files::MEDIA).then(edited)
    }

    fn judge_edit(&self, part: &Part, reply: &Reply) -> Edited {
        let verdict = self.judge(part, reply);
        let Ok((status, body)) = answer::answered(reply) else {
            return Edited::Judged(verdict);
        };
        let answer: Option<Answer> = serde_json::from_slice(body).ok();
        let code = answer.as_ref().and_then(|answer| answer.error_code);
        match verdict {
            Verdict::Rejected { reason } if code.unwrap_or(status) == 400 => {
                let said = answer.map(|answer| answer.description.to_lowercase());
                if said.is_some_and(|said| said.contains("not modified")) {
                    // It says so already.
                    return Edited::Judged(Verdict::Sent {
                        ids: Vec::new(),
                        pause: None,
                    });
                }
                Edited::Refused { reason }
            }
            verdict => Edited::Judged(verdict),
        }
    }

    fn carrier(&self) -> Option<&dyn super::media::Carrier> {
        Some(self)
    }

    fn probe(&self, context: &CallContext<'_>) -> Option<Result<Call, Unsendable>> {
        Some(method_url(context, "getMe").map(|url| Call {
            method: "GET",
            url,
            headers: headers(&[]),
            body: Vec::new(),
        }))
    }
}

/// What is said, whether it is sent or edited.
fn body(part: &Part, context: &CallContext<'_>) -> Result<Value, Unsendable> {
    let stored: Payload = payload(part)?;
    let receiver = context.receiver;
    let preview = receiver.preview.unwrap_or(context.target.preview);
    let mut body = json!({
        "chat_id": chat_id(&receiver.to)?,
        "text": part.text,
        "link_preview_options": { "is_disabled": !preview },
    });
    if part.kind == TEXT {
        body["parse_mode"] = "HTML".into();
    }
    if !stored.buttons.is_empty() {
        body["reply_markup"] = keyboard_of(&stored.buttons);
    }
    Ok(body)
}

fn keyboard_of(buttons: &[Key]) -> Value {
    let rows: Vec<Value> = buttons
        .iter()
        .map(|key| json!([{ "text": key.text, "url": key.url }]))
        .collect();
    json!({ "inline_keyboard": rows })
}

fn posted(context: &CallContext<'_>, method: &str, body: &Value) -> Result<Call, Unsendable> {
    Ok(post(method_url(context, method)?, body))
}

/// The call of a method with its parameters.
pub(crate) fn post(url: String, body: &Value) -> Call {
    Call {
        method: "POST",
        url,
        headers: headers(&[("content-type", "application/json")]),
        body: body.to_string().into_bytes(),
    }
}

fn headers(more: &[(&str, &str)]) -> Vec<(String, String)> {
    more.iter()
        .chain(&[("user-agent", USER_AGENT)])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// What the Bot API answers, whatever it was asked.
#[derive(Deserialize)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    #[serde(default)]
    pub(crate) error_code: Option<u16>,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) parameters: Parameters,
    #[serde(default)]
    pub(crate) result: Value,
}

#[derive(Deserialize, Default)]
pub(crate) struct Parameters {
    migrate_to_chat_id: Option<i64>,
    pub(crate) retry_after: Option<f64>,
}

impl Answer {
    fn message_id(&self) -> Option<String> {
        self.result
            .get("message_id")
            .and_then(Value::as_i64)
            .map(|id| id.to_string())
    }
}

fn refused(part: &Part, reply: &Reply, status: u16, answer: &Answer) -> Verdict {
    let code = answer.error_code.unwrap_or(status);
    let said = answer.description.to_lowercase();
    let reason = format!(
        "Telegram answered {code}: {}",
        answer::excerpt(&answer.description)
    );
    if let Some(to) = answer.parameters.migrate_to_chat_id {
        return Verdict::Moved { to: to.to_string() };
    }
    if code == 400
        && part.kind != files::MEDIA
        && said.contains("button")
        && let Some(part) = without_buttons(part)
    {
        return Verdict::Fallback {
            parts: vec![part],
            reason,
        };
    }
    match code {
        429 => Verdict::Retry {
            after: answer
                .parameters
                .retry_after
                .and_then(answer::wait)
                .or_else(|| answer::retry_after(reply)),
            scope: if said.contains("bot") || said.contains("global") {
                Scope::Target
            } else {
                Scope::Receiver
            },
            reason,
        },
        400 if part.kind == TEXT && (said.contains("can't parse") || said.contains("entit")) => {
            Verdict::Fallback {
                parts: vec![Part {
                    kind: PLAIN.into(),
                    text: html::plain(&part.text, TEXT_UNITS_MAX),
                    payload: part.payload.clone(),
                }],
                reason,
            }
        }
        400 if said.contains("chat not found") || said.contains("thread not found") => {
            Verdict::Gone { reason }
        }
        403 => Verdict::Gone { reason },
        401 | 404 => Verdict::Rejected {
            reason: format!("{reason}; check `token` and `api_base` of the target"),
        },
        code => answer::later(code, reply).unwrap_or(Verdict::Rejected { reason }),
    }
}

/// The verdict on an answer that no Bot API gives.
fn not_the_api(reply: &Reply, status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Retry {
            after: None,
            scope: Scope::Target,
            reason: format!(
                "answered {status} without the Bot API's JSON, {}; check `api_base`",
                answer::UNKNOWN_WHETHER_ARRIVED
            ),
        },
        300..=399 => answer::redirected(status, reply, "api_base"),
        429 => Verdict::Retry {
            after: answer::retry_after(reply),
            scope: Scope::Target,
            reason: "answered 429 without the Bot API's JSON".into(),
        },
        status => answer::later(status, reply).unwrap_or_else(|| Verdict::Rejected {
            reason: format!(
                "answered {status} without the Bot API's JSON; check `token` and `api_base` of the target"
            ),
        }),
    }
}

/// The part with its buttons written below the text, where it has any.
fn without_buttons(part: &Part) -> Option<Part> {
    let stored: Payload = payload(part)
        .ok()
        .filter(|stored: &Payload| !stored.buttons.is_empty())?;
    let as_html = part.kind == TEXT;
    let mut text = part.text.clone();
    let visible = |text: &str| {
        if as_html {
            units_of(&html::strip(text, false))
        } else {
            units_of(text)
        }
    };
    for (n, key) in stored.buttons.iter().enumerate() {
        let gap = if n == 0 { "\n\n" } else { "\n" };
        let label = apart::text(&format!("{gap}{}: ", key.text));
        let line = format!("{label}{}", key.url);
        let line = if as_html { html::escaped(&line) } else { line };
        // A button that finds no room is left out: the words matter more.
        if visible(&text) + visible(&line) <= TEXT_UNITS_MAX {
            text.push_str(&line);
        }
    }
    Some(Part {
        kind: part.kind.clone(),
        text,
        payload: "{}".into(),
    })
}

/// A text as it would be sent, all its pieces.
pub(super) fn written(text: &Markup) -> String {
    let flat = Layout::new(&link_form).blocks(text).finish();
    let flat = flat.marked(apart::APART, apart::is_link_of_the_clients);
    split(&flat, &html::Html, LIMIT).join("\n")
}

fn link_form(url: &str, _words: &str) -> LinkForm {
    if url.len() <= LINK_BYTES_MAX && is_linkable(url) {
        LinkForm::Tagged
    } else {
        LinkForm::Spelled
    }
}

fn lay_out(message: &Message, spelled: &[Button]) -> Flat {
    let below = Markup {
        blocks: spelled
            .iter()
            .map(|button| Block::Paragraph(vec![Span::Text(button.line())]))
            .collect(),
    };
    Layout::new(&link_form)
        .title(&message.title)
        .below(&message.text)
        .blocks(&below)
        .finish()
        .marked(apart::APART, apart::is_link_of_the_clients)
}

/// Buttons that the service takes, and those to be written out instead.
fn keyboard(buttons: &[Button]) -> (Vec<Key>, Vec<Button>) {
    let mut keys = Vec::new();
    let mut spelled = Vec::new();
    for button in buttons {
        let label = button.text.trim();
        if keys.len() < BUTTONS_MAX && !label.is_empty() && is_linkable(&button.url) {
            keys.push(Key {
                text: shortened(label, BUTTON_CHARS_MAX),
                url: button.url.clone(),
            });
        } else {
            spelled.push(button.clone());
        }
    }
    (keys, spelled)
}

/// Whether the service takes this address for links and buttons: it wants a host with a dot, or an
/// IP address. `http://gitea:3000` is none to it.
fn is_linkable(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name.trim_end_matches('.').contains('.'),
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        None => false,
    })
}

fn chat_id(to: &str) -> Result<Value, Unsendable> {
    let to = to.trim();
    if let Ok(number) = to.parse::<i64>() {
        return Ok(number.into());
    }
    let name = to.strip_prefix('@').unwrap_or(to);
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(format!("@{name}").into());
    }
    Err(Unsendable {
        reason: "`to` is neither a chat's number nor its public name; set it to one, like -1001234567890 or @name".into(),
    })
}

fn thread_id(receiver: &ReceiverSpec) -> Result<Option<i64>, Unsendable> {
    receiver
        .thread
        .as_deref()
        .map(|thread| {
            thread.trim().parse().map_err(|_| Unsendable {
                reason: "`thread` is not a number; set it to the topic's number".into(),
            })
        })
        .transpose()
}

fn method_url(context: &CallContext<'_>, method: &str) -> Result<String, Unsendable> {
    let token = answer::secret(context.secrets, "token")?;
    method_address(token, context.target.api_base.as_deref(), method)
}

/// Where a method of a bot is called.
pub(crate) fn method_address(
    token: &str,
    api_base: Option<&str>,
    method: &str,
) -> Result<String, Unsendable> {
    if token.is_empty()
        || !token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'))
    {
        return Err(Unsendable {
            reason: "`token` holds characters that no bot token has; copy it again".into(),
        });
    }
    let base = api_base.unwrap_or(API_BASE_DEFAULT);
    answer::address("api_base", base)?;
    Ok(format!(
        "{}/bot{token}/{method}",
        base.trim().trim_end_matches('/')
    ))
}
