//! Files in Telegram: photos, videos, animations, audio and documents, alone or in groups.
//!
//! Decisions where the service leaves room:
//! - Photos and videos stand together in a group; documents and audio only with their like; an
//!   animation stands alone. The order of the items is kept, so a change of class begins a group.
//! - Words that fit a caption go with the files when these are one message; else the words come first
//!   and the files answer to them.
//! - A group that is refused is sent one by one, and only what is refused then is left out.
//! - A file that is left out before the call is named below the files it would have stood with.

mod upload;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::media::{
    Carrier, Facts, FileType, Fit, Form, GroupLimit, ItemOutcome, ItemTold, Ready, Sending, Wanted,
    groups,
};
use super::super::split::units_of;
use super::super::{Call, CallContext, Part, Reply, Unsendable, Verdict, answer, payload};
use super::{
    API_BASE_DEFAULT, Answer, Key, PLAIN, Payload, TEXT, Telegram, chat_id, html, refused,
    thread_id,
};
use crate::domain::item::{Item, ItemKind};
use crate::domain::spec::{Large, MediaMode, ReceiverSpec, TargetSpec};
use crate::providers::fetch::Rendition;

use self::upload::{describe, divided, left_out, word, words_alone};

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
