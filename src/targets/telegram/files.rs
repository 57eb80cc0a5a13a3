//! Files in Telegram: photos, videos, animations, audio and documents, alone or in groups.
//!
//! Decisions where the service leaves room:
//! - Photos and videos stand together in a group; documents and audio only with their like; an
//!   animation stands alone. The order of the items is kept, so a change of class begins a group.
//! - Words that fit a caption go with the files when these are one message; else the words come first
//!   and the files answer to them.
//! - A group that is refused is sent one by one, and only what is refused then is left out.
//! - A file that is left out before the call is named below the files it would have stood with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::media::{
    Carrier, Facts, Field, FileType, Fit, Form, GroupLimit, ItemOutcome, ItemTold, Ready, Sending,
    Upload, Wanted, groups,
};
use super::super::split::units_of;
use super::super::{
    Call, CallContext, Part, Reply, Unsendable, Verdict, answer, payload, shortened,
};
use super::{
    API_BASE_DEFAULT, Answer, Key, PLAIN, Payload, TEXT, Telegram, apart, chat_id, headers, html,
    method_url, refused, thread_id,
};
use crate::domain::item::{Item, ItemKind};
use crate::domain::spec::{Large, MediaMode, ReceiverSpec, TargetSpec};
use crate::providers::fetch::Rendition;

/// A part that carries files.
pub(super) const MEDIA: &str = "media";

/// Most files of a group.
const GROUP_ITEMS_MAX: usize = 10;
/// Bytes of a group's files: the whole request has to stay within what the service takes.
const GROUP_BYTES_MAX: u64 = 45_000_000;
/// Largest photo, in bytes.
const PHOTO_BYTES_MAX: u64 = 10_000_000;
/// Largest sum of a photo's width and height, in pixels.
const PHOTO_PIXELS_MAX: u64 = 10_000;
/// Longest side of a photo in terms of its shortest.
const PHOTO_RATIO_MAX: u64 = 20;
/// Largest file of any other form, in bytes.
const FILE_BYTES_MAX: u64 = 50_000_000;
/// The same where `api_base` names a server of one's own, which takes larger ones.
const OWN_FILE_BYTES_MAX: u64 = 200_000_000;
/// Longest caption, in UTF-16 units after its markup is read.
const CAPTION_UNITS_MAX: usize = 1_024;
/// Longest name of a file that is left out, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Most files that are named when left out; the rest is counted.
const NAMED_MAX: usize = 5;

const LIMIT: GroupLimit = GroupLimit {
    items: GROUP_ITEMS_MAX,
    bytes: GROUP_BYTES_MAX,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Visual,
    Audio,
    Document,
}

fn class_of(form: Form) -> Option<Class> {
    match form {
        Form::Photo | Form::Video => Some(Class::Visual),
        Form::Audio => Some(Class::Audio),
        Form::Document => Some(Class::Document),
        Form::Animation => None,
    }
}

/// What a part with files needs besides its text, which is the caption where there is one.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
struct Media {
    items: Vec<Wanted>,
    /// [`TEXT`] or [`PLAIN`]; none where the words stand elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<Key>,
}

impl Media {
    fn part(&self, text: &str) -> Part {
        Part {
            kind: MEDIA.into(),
            text: match self.caption {
                Some(_) => text.to_owned(),
                None => counted(self.items.len()),
            },
            payload: super::super::json(self),
        }
    }
}

/// What a person reads of a part whose words stand elsewhere.
fn counted(files: usize) -> String {
    match files {
        1 => "1 file".into(),
        files => format!("{files} files"),
    }
}

impl Carrier for Telegram {
    fn carry(
        &self,
        parts: Vec<Part>,
        items: &[Item],
        target: &TargetSpec,
        _to: &ReceiverSpec,
    ) -> Vec<Part> {
        let carry = &target.carry;
        if carry.media == MediaMode::None {
            return parts;
        }
        let wanted: Vec<Wanted> = items
            .iter()
            .filter_map(Wanted::of)
            .take(carry.media_max())
            .collect();
        if wanted.is_empty() {
            return parts;
        }
        let expected: Vec<(Option<Class>, u64)> = wanted
            .iter()
            .map(|wanted| expected(wanted, target))
            .collect();
        let groups = match carry.media {
            MediaMode::Group | MediaMode::None => groups(&expected, LIMIT),
            MediaMode::Single => (0..wanted.len()).map(|n| n..n + 1).collect(),
        };
        let media: Vec<Media> = groups
            .into_iter()
            .map(|range| Media {
                items: wanted[range].to_vec(),
                ..Media::default()
            })
            .collect();
        if let ([text], [alone]) = (parts.as_slice(), media.as_slice())
            && let Some(captioned) = captioned(text, alone)
        {
            return vec![captioned];
        }
        let files = media.iter().map(|media| media.part(""));
        parts.into_iter().chain(files).collect()
    }

    fn files(&self, part: &Part) -> Result<Vec<Wanted>, Unsendable> {
        if part.kind != MEDIA {
            return Ok(Vec::new());
        }
        payload::<Media>(part).map(|media| media.items)
    }

    fn file_bytes_max(&self, target: &TargetSpec) -> u64 {
        if is_own_server(target) {
            OWN_FILE_BYTES_MAX
        } else {
            FILE_BYTES_MAX
        }
    }

    fn fit(&self, wanted: &Wanted, facts: &Facts, target: &TargetSpec) -> Fit {
        let bytes_max = self.file_bytes_max(target);
        if facts.bytes == 0 {
            return Fit::Not("is empty".into());
        }
        if facts.bytes > bytes_max {
            return Fit::Not(format!("is larger than {}", megabytes(bytes_max)));
        }
        if facts.file_type == FileType::Page {
            return Fit::Not("is a page and no file".into());
        }
        match wanted.item_kind() {
            ItemKind::Photo => fit_photo(wanted, facts, target),
            ItemKind::Video => fit_video(wanted, facts, target),
            ItemKind::Audio => match facts.file_type {
                _ if wanted.plain => Fit::As(Form::Document),
                FileType::Mp3 | FileType::M4a => Fit::As(Form::Audio),
                FileType::Jpeg
                | FileType::Png
                | FileType::Gif
                | FileType::Webp
                | FileType::OtherImage
                | FileType::Mp4
                | FileType::OtherVideo
                | FileType::OtherAudio
                | FileType::Page
                | FileType::Other => Fit::As(Form::Document),
            },
            ItemKind::File | ItemKind::Other => Fit::As(Form::Document),
        }
    }

    fn announce(&self, part: &Part, context: &CallContext<'_>) -> Option<Call> {
        let media: Media = payload(part).ok()?;
        let action = match media.items.first()?.item_kind() {
            ItemKind::Photo => "upload_photo",
            ItemKind::Video => "upload_video",
            ItemKind::Audio | ItemKind::File | ItemKind::Other => "upload_document",
        };
        let mut body = json!({ "chat_id": chat_id(&context.receiver.to).ok()?, "action": action });
        if let Some(thread) = thread_id(context.receiver).ok()? {
            body["message_thread_id"] = thread.into();
        }
        super::posted(context, "sendChatAction", &body).ok()
    }

    fn send(
        &self,
        part: &Part,
        context: &CallContext<'_>,
        ready: &[Ready],
    ) -> Result<Sending, Unsendable> {
        let media: Media = payload(part)?;
        let left_out = left_out(&media.items, ready);
        let going: Vec<(usize, Form)> = ready
            .iter()
            .enumerate()
            .filter_map(|(n, ready)| Some((n, ready.form()?)))
            .collect();
        if going.is_empty() {
            return Ok(Sending::Instead {
                parts: vec![words_alone(part, &media, &left_out)],
                reason: "none of its files can be sent".into(),
            });
        }
        if let Some(parts) = divided(part, &media, ready, &going, context.target) {
            return Ok(Sending::Instead {
                parts,
                reason: "its files cannot stand together".into(),
            });
        }
        describe(part, &media, context, ready, &going, &left_out).map(Sending::Upload)
    }

    fn is_stale(&self, reply: &Reply) -> bool {
        let Ok((400, body)) = answer::answered(reply) else {
            return false;
        };
        serde_json::from_slice::<Answer>(body).is_ok_and(|answer| {
            let said = answer.description.to_lowercase();
            said.contains("file identifier")
                || said.contains("file_reference")
                || said.contains("file reference")
                || said.contains("file_id")
        })
    }

    fn judge(&self, part: &Part, reply: &Reply, ready: &[Ready], target: &TargetSpec) -> Verdict {
        let (status, body) = match answer::answered(reply) {
            Ok(answered) => answered,
            Err(verdict) => return verdict,
        };
        let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
            // What stands before the service bounds bodies, and says so in its own words.
            return match status {
                413 => self.refused_files(part, ready, target, "answered 413".into(), ""),
                status => super::not_the_api(reply, status),
            };
        };
        if answer.ok {
            return Verdict::Sent {
                ids: messages(&answer.result)
                    .filter_map(|message| message.get("message_id")?.as_i64())
                    .map(|id| id.to_string())
                    .collect(),
                pause: None,
            };
        }
        let verdict = refused(part, reply, status, &answer);
        let Verdict::Rejected { reason } = verdict else {
            return verdict;
        };
        match answer.error_code.unwrap_or(status) {
            400 | 413 => self.refused_files(
                part,
                ready,
                target,
                reason,
                &answer.description.to_lowercase(),
            ),
            _other => Verdict::Rejected { reason },
        }
    }

    fn told(
        &self,
        part: &Part,
        reply: &Reply,
        ready: &[Ready],
        verdict: &Verdict,
    ) -> Vec<ItemTold> {
        let Ok(media) = payload::<Media>(part) else {
            return Vec::new();
        };
        let result = match answer::answered(reply) {
            Ok((_, body)) => serde_json::from_slice::<Answer>(body)
                .map(|answer| answer.result)
                .unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let mut sent = messages(&result);
        let none_goes = ready.iter().all(|ready| ready.form().is_none());
        let told = |wanted: &Wanted, outcome, detail: &str, file| ItemTold {
            key: wanted.key.clone(),
            outcome,
            detail: detail.to_owned(),
            file,
        };
        let each = media.items.iter().zip(ready);
        let each = each.filter_map(|(wanted, ready)| match (ready.form(), verdict) {
            (Some(form), Verdict::Sent { .. }) => {
                let id = sent.next().and_then(|message| file_id(message, form));
                let file = id.map(|id| (form, id));
                Some(told(wanted, ItemOutcome::Delivered, "", file))
            }
            (Some(_), Verdict::LeftOut { reason }) => {
                Some(told(wanted, ItemOutcome::Failed, reason, None))
            }
            (None, verdict) => {
                let settles = match verdict {
                    Verdict::Sent { .. } | Verdict::LeftOut { .. } => true,
                    Verdict::Fallback { .. } => none_goes,
                    Verdict::Retry { .. }
                    | Verdict::Rejected { .. }
                    | Verdict::Gone { .. }
                    | Verdict::Moved { .. } => false,
                };
                let why = match ready {
                    Ready::LeftOut { why } => why.as_str(),
                    Ready::Known { .. } | Ready::Fetched { .. } => "",
                };
                settles.then(|| told(wanted, ItemOutcome::Skipped, why, None))
            }
            (Some(_), _) => None,
        });
        each.collect()
    }
}

impl Telegram {
    /// The files of a part were refused: one by one they may pass, or one of them in another form.
    fn refused_files(
        &self,
        part: &Part,
        ready: &[Ready],
        target: &TargetSpec,
        reason: String,
        said: &str,
    ) -> Verdict {
        let Ok(media) = payload::<Media>(part) else {
            return Verdict::Rejected { reason };
        };
        let parts = |parts| Verdict::Fallback {
            parts,
            reason: reason.clone(),
        };
        if let Some(form) = &media.caption
            && form == TEXT
            && (said.contains("can't parse") || said.contains("entit"))
        {
            let plain = Media {
                caption: Some(PLAIN.into()),
                ..media.clone()
            };
            return parts(vec![
                plain.part(&html::plain(&part.text, CAPTION_UNITS_MAX)),
            ]);
        }
        let lone = |wanted: &Wanted| Media {
            items: vec![wanted.clone()],
            ..Media::default()
        };
        if media.items.len() > 1 || media.caption.is_some() {
            // The words must not be lost with a file.
            let words = media.caption.is_some().then(|| words_of(part, &media));
            let each = media.items.iter().map(|wanted| lone(wanted).part(""));
            return parts(words.into_iter().chain(each).collect());
        }
        let was_photo = ready.first().and_then(Ready::form) == Some(Form::Photo);
        let by_size =
            said.contains("dimension") || said.contains("too big") || said.contains("photo_ext");
        if let [wanted] = media.items.as_slice()
            && was_photo
            && by_size
            && !wanted.plain
            && target.carry.large_photo == Large::Document
        {
            let plain = Wanted {
                plain: true,
                ..wanted.clone()
            };
            return parts(vec![lone(&plain).part("")]);
        }
        Verdict::LeftOut { reason }
    }
}

/// The class and bytes that a file is expected to have, before it is fetched.
fn expected(wanted: &Wanted, target: &TargetSpec) -> (Option<Class>, u64) {
    let size = wanted.size.unwrap_or(0);
    match wanted.item_kind() {
        ItemKind::Photo if size > PHOTO_BYTES_MAX => match target.carry.large_photo {
            Large::Document => (Some(Class::Document), size),
            Large::Skip => (Some(Class::Visual), PHOTO_BYTES_MAX / 10),
        },
        ItemKind::Photo | ItemKind::Video => (Some(Class::Visual), size.min(FILE_BYTES_MAX)),
        ItemKind::Audio => (Some(Class::Audio), size),
        ItemKind::File | ItemKind::Other => (Some(Class::Document), size),
    }
}

fn fit_photo(wanted: &Wanted, facts: &Facts, target: &TargetSpec) -> Fit {
    if !facts.file_type.is_image() {
        return Fit::Not("is no picture".into());
    }
    if wanted.plain {
        return Fit::As(Form::Document);
    }
    if facts.file_type == FileType::Gif {
        return Fit::As(Form::Animation);
    }
    if facts.file_type == FileType::OtherImage {
        return Fit::Not("is a picture of a kind that Telegram does not show".into());
    }
    let fits = |(width, height): (u64, u64)| {
        let (short, long) = (width.min(height), width.max(height));
        width + height <= PHOTO_PIXELS_MAX && long <= short.saturating_mul(PHOTO_RATIO_MAX)
    };
    let is_small = facts.bytes <= PHOTO_BYTES_MAX && facts.pixels.is_none_or(fits);
    if is_small {
        return Fit::As(Form::Photo);
    }
    match target.carry.large_photo {
        Large::Document => Fit::As(Form::Document),
        Large::Skip => Fit::Not(format!(
            "is larger than {} or {PHOTO_PIXELS_MAX} pixels",
            megabytes(PHOTO_BYTES_MAX)
        )),
    }
}

fn fit_video(wanted: &Wanted, facts: &Facts, target: &TargetSpec) -> Fit {
    if facts.file_type.is_image() {
        // A still of the video, because nothing else of it fits.
        return match facts.rendition {
            Rendition::Original => Fit::Not("is no video".into()),
            Rendition::Preview | Rendition::Thumbnail => fit_photo(wanted, facts, target),
        };
    }
    match facts.file_type {
        FileType::Mp4 | FileType::OtherVideo => {}
        FileType::Jpeg
        | FileType::Png
        | FileType::Gif
        | FileType::Webp
        | FileType::OtherImage
        | FileType::Mp3
        | FileType::M4a
        | FileType::OtherAudio
        | FileType::Page
        | FileType::Other => return Fit::Not("is no video".into()),
    }
    // Only a server of one's own takes such a file at all.
    let is_large = facts.bytes > FILE_BYTES_MAX;
    if is_large && target.carry.large_video == Large::Skip {
        return Fit::Not(format!("is larger than {}", megabytes(FILE_BYTES_MAX)));
    }
    if is_large || wanted.plain || facts.file_type != FileType::Mp4 {
        return Fit::As(Form::Document);
    }
    Fit::As(Form::Video)
}

fn is_own_server(target: &TargetSpec) -> bool {
    let base = target.api_base.as_deref().unwrap_or(API_BASE_DEFAULT);
    base.trim().trim_end_matches('/') != API_BASE_DEFAULT
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// Words and files as one message, where the words fit a caption and the buttons have a place.
fn captioned(text: &Part, alone: &Media) -> Option<Part> {
    let own: Payload = payload(text).ok()?;
    let fits = text.kind == TEXT
        && units_of(&html::strip(&text.text, false)) <= CAPTION_UNITS_MAX
        && (own.buttons.is_empty() || alone.items.len() == 1);
    fits.then(|| {
        Media {
            items: alone.items.clone(),
            caption: Some(TEXT.into()),
            buttons: own.buttons,
        }
        .part(&text.text)
    })
}

/// The caption as a message of its own.
fn words_of(part: &Part, media: &Media) -> Part {
    Part {
        kind: media.caption.clone().unwrap_or_else(|| PLAIN.into()),
        text: part.text.clone(),
        payload: super::super::json(&Payload {
            buttons: media.buttons.clone(),
        }),
    }
}

/// What is said when none of a part's files can go: its words, and which files are missing.
fn words_alone(part: &Part, media: &Media, left_out: &str) -> Part {
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
fn left_out(items: &[Wanted], ready: &[Ready]) -> String {
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
fn divided(
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
fn describe(
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
            text(
                "reply_markup",
                super::keyboard_of(&media.buttons).to_string(),
            );
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

fn word(form: Form) -> &'static str {
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

/// The messages of a result, one or several.
fn messages(result: &Value) -> impl Iterator<Item = &Value> {
    let (one, several) = match result {
        Value::Array(several) => (None, several.as_slice()),
        one => (one.is_object().then_some(one), &[][..]),
    };
    one.into_iter().chain(several)
}

/// Under which name the service has a file from now on.
fn file_id(message: &Value, form: Form) -> Option<String> {
    let file = &message[word(form)];
    // Of a photo there are several sizes, the largest last.
    let file = file
        .as_array()
        .and_then(|sizes| sizes.last())
        .unwrap_or(file);
    file["file_id"].as_str().map(str::to_owned)
}
