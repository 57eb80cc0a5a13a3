//! The call that sends files, and what is said of those that stay away.

use serde_json::{Value, json};

use super::super::super::media::{Field, FileType, Form, Ready, Upload, Wanted, groups};
use super::super::super::split::units_of;
use super::super::super::{Call, CallContext, Part, Unsendable, shortened};
use super::super::{
    PLAIN, TEXT, apart, chat_id, headers, html, keyboard_of, method_url, thread_id,
};
use super::{CAPTION_UNITS_MAX, Class, LIMIT, Media, class_of, words_of};
use crate::domain::spec::{MediaMode, TargetSpec};

/// Longest name of a file that is left out, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Most files that are named when left out; the rest is counted.
const NAMED_MAX: usize = 5;

/// What is said when none of a part's files can go: its words, and which files are missing.
pub(super) fn words_alone(part: &Part, media: &Media, left_out: &str) -> Part {
    if media.caption.is_none() {
        return Part {
            kind: PLAIN.into(),
            text: left_out.to_owned(),
            payload: "{}".into(),
        };
    }
    let mut words = words_of(part, media);
    let line = if words.kind == TEXT {
        html::escaped(left_out)
    } else {
        left_out.to_owned()
    };
    words.text = format!("{}\n\n{line}", words.text);
    words
}

/// A line that names the files that are left out; empty when none is.
pub(super) fn left_out(items: &[Wanted], ready: &[Ready]) -> String {
    let missing: Vec<(&Wanted, &str)> = items
        .iter()
        .zip(ready)
        .filter_map(|(wanted, ready)| match ready {
            Ready::LeftOut { why } => Some((wanted, why.as_str())),
            Ready::Known { .. } | Ready::Fetched { .. } => None,
        })
        .collect();
    if missing.is_empty() {
        return String::new();
    }
    let named: Vec<String> = missing
        .iter()
        .take(NAMED_MAX)
        .map(|(wanted, why)| {
            let label = match wanted.label.as_str() {
                "" => wanted.kind.as_str(),
                label => label,
            };
            format!(
                "{} ({})",
                shortened(label, NAME_CHARS_MAX),
                shortened(why, NAME_CHARS_MAX)
            )
        })
        .collect();
    let more = match missing.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(", {more} more"),
    };
    apart::text(&format!("⚠ Left out: {}{more}", named.join(", ")))
}

/// Other parts, where files turned out to be of classes that cannot stand together, or too large to.
pub(super) fn divided(
    part: &Part,
    media: &Media,
    ready: &[Ready],
    going: &[(usize, Form)],
    target: &TargetSpec,
) -> Option<Vec<Part>> {
    let files: Vec<(Option<Class>, u64)> = going
        .iter()
        .map(|(n, form)| (class_of(*form), ready[*n].bytes()))
        .collect();
    let runs = groups(&files, LIMIT);
    if runs.len() < 2 || target.carry.media == MediaMode::Single {
        return None;
    }
    // What is left out stays with what goes before it, so that it is told once, in its place.
    let mut parts: Vec<Part> = media
        .caption
        .iter()
        .map(|_| words_of(part, media))
        .collect();
    let mut begin = 0;
    for (n, run) in runs.iter().enumerate() {
        let end = match runs.get(n + 1) {
            Some(next) => going[next.start].0,
            None => media.items.len(),
        };
        debug_assert!(begin <= going[run.start].0 && going[run.end - 1].0 < end);
        let own = Media {
            items: media.items[begin..end].to_vec(),
            ..Media::default()
        };
        parts.push(own.part(""));
        begin = end;
    }
    Some(parts)
}

/// The call for files of one class.
pub(super) fn describe(
    part: &Part,
    media: &Media,
    context: &CallContext<'_>,
    ready: &[Ready],
    going: &[(usize, Form)],
    left_out: &str,
) -> Result<Upload, Unsendable> {
    let receiver = context.receiver;
    let mut fields: Vec<Field> = Vec::new();
    let mut text = |name, value: String| fields.push(Field::Text { name, value });
    text("chat_id", plain(&chat_id(&receiver.to)?));
    if let Some(thread) = thread_id(receiver)? {
        text("message_thread_id", thread.to_string());
    }
    if receiver.silent {
        text("disable_notification", "true".into());
    }
    if receiver.protect {
        text("protect_content", "true".into());
    }
    let answers_to = context.earlier_ids.first().map(String::as_str);
    let answers_to = answers_to.or(context.reply_to.map(|earlier| earlier.id));
    if let Some(id) = answers_to.and_then(|id| id.parse::<i64>().ok()) {
        let reply = json!({ "message_id": id, "allow_sending_without_reply": true });
        text("reply_parameters", reply.to_string());
    }
    let (caption, mode) = caption(part, media, left_out);
    let files = going.iter().map(|(n, form)| (*n, *form));
    let method = if let [(n, form)] = going {
        if !caption.is_empty() {
            text("caption", caption);
            if let Some(mode) = mode {
                text("parse_mode", mode.into());
            }
        }
        if receiver.spoiler && can_be_covered(*form) {
            text("has_spoiler", "true".into());
        }
        if *form == Form::Video {
            text("supports_streaming", "true".into());
        }
        if !media.buttons.is_empty() {
            text("reply_markup", keyboard_of(&media.buttons).to_string());
        }
        let (method, field) = method_of(*form);
        if let Ready::Known { id, .. } = &ready[*n] {
            text(field, id.clone());
        }
        method
    } else {
        let listed: Vec<Value> = files
            .clone()
            .enumerate()
            .map(|(place, (n, form))| {
                let mut entry = json!({ "type": word(form), "media": match &ready[n] {
                    Ready::Known { id, .. } => id.clone(),
                    Ready::Fetched { .. } | Ready::LeftOut { .. } => format!("attach://{}", attached(n)),
                } });
                if place == 0 && !caption.is_empty() {
                    entry["caption"] = caption.clone().into();
                    if let Some(mode) = mode {
                        entry["parse_mode"] = mode.into();
                    }
                }
                if receiver.spoiler && can_be_covered(form) {
                    entry["has_spoiler"] = true.into();
                }
                if form == Form::Video {
                    entry["supports_streaming"] = true.into();
                }
                entry
            })
            .collect();
        text("media", Value::from(listed).to_string());
        "sendMediaGroup"
    };
    let alone = going.len() == 1;
    for (n, form) in files {
        if let Ready::Fetched { file_type, .. } = &ready[n] {
            fields.push(Field::File {
                name: if alone {
                    method_of(form).1.into()
                } else {
                    attached(n)
                },
                file: n,
                file_name: file_name(&media.items[n], *file_type),
                content_type: file_type.content_type(),
            });
        }
    }
    Ok(Upload {
        call: Call {
            method: "POST",
            url: method_url(context, method)?,
            headers: headers(&[]),
            body: Vec::new(),
        },
        fields,
    })
}

/// The caption with what is left out below it, and how it is to be read. What finds no room stays
/// away: the why card says it.
fn caption(part: &Part, media: &Media, left_out: &str) -> (String, Option<&'static str>) {
    let (own, is_html) = match media.caption.as_deref() {
        None => return (shortened(left_out, CAPTION_UNITS_MAX / 2), None),
        Some(form) => (part.text.as_str(), form == TEXT),
    };
    let mode = is_html.then_some("HTML");
    let visible = match is_html {
        true => units_of(&html::strip(own, false)),
        false => units_of(own),
    };
    if left_out.is_empty() || visible + 2 + units_of(left_out) > CAPTION_UNITS_MAX {
        return (own.to_owned(), mode);
    }
    let line = match is_html {
        true => html::escaped(left_out),
        false => left_out.to_owned(),
    };
    (format!("{own}\n\n{line}"), mode)
}

fn can_be_covered(form: Form) -> bool {
    match form {
        Form::Photo | Form::Video | Form::Animation => true,
        Form::Audio | Form::Document => false,
    }
}

fn method_of(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Photo => ("sendPhoto", "photo"),
        Form::Video => ("sendVideo", "video"),
        Form::Animation => ("sendAnimation", "animation"),
        Form::Audio => ("sendAudio", "audio"),
        Form::Document => ("sendDocument", "document"),
    }
}

pub(super) fn word(form: Form) -> &'static str {
    method_of(form).1
}

fn attached(n: usize) -> String {
    format!("file{n}")
}

/// A file's name as the chat shows it, with the ending of what it is.
fn file_name(wanted: &Wanted, file_type: FileType) -> String {
    let mut name: String = wanted
        .label
        .chars()
        .map(|c| match c {
            '/' | '\\' | '"' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .take(NAME_CHARS_MAX)
        .collect();
    if name.trim().is_empty() {
        name = wanted.kind.clone();
    }
    let Some(ending) = file_type.ending() else {
        return name;
    };
    let lower = name.to_lowercase();
    let says_so = lower.ends_with(&format!(".{ending}"))
        || (file_type == FileType::Jpeg && lower.ends_with(".jpeg"));
    if says_so {
        name
    } else {
        format!("{name}.{ending}")
    }
}

/// A number or a text as a form has it.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}
