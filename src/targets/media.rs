//! Files that a message carries: what a target kind that can carry them has to say.
//!
//! **Invariant:** pure, like all of a target. What a file is comes as [`Facts`], read by the shell
//! from the fetched bytes; the kind says which of them it takes and in which form, and describes the
//! upload. File contents never pass through here.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Call, CallContext, Part, Reply, Unsendable, Verdict};
use crate::domain::item::{Item, ItemKind};
use crate::domain::spec::{ReceiverSpec, TargetSpec};
use crate::providers::fetch::Rendition;

/// As what a service shows a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Photo,
    Video,
    Animation,
    Audio,
    Document,
}

impl Form {
    pub const ALL: [Form; 5] = [
        Form::Photo,
        Form::Video,
        Form::Animation,
        Form::Audio,
        Form::Document,
    ];

    /// Its number in events; never another one's.
    pub fn code(self) -> u8 {
        match self {
            Form::Photo => 0,
            Form::Video => 1,
            Form::Animation => 2,
            Form::Audio => 3,
            Form::Document => 4,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        Form::ALL.into_iter().find(|form| form.code() == code)
    }
}

/// A file that a part names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub key: String,
    /// As [`ItemKind`] is written.
    pub kind: String,
    pub label: String,
    /// [`Item::fetch`].
    pub handle: String,
    /// Bytes of the original, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// It goes as a plain file: the service refused it as what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

impl Wanted {
    /// Of an item that can be fetched.
    pub fn of(item: &Item) -> Option<Self> {
        Some(Wanted {
            key: item.key.clone(),
            kind: item.kind.as_str().into(),
            label: item.label.clone(),
            handle: item.fetch.clone()?,
            size: item.size,
            plain: false,
        })
    }

    pub fn item_kind(&self) -> ItemKind {
        ItemKind::named(&self.kind)
    }
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    Jpeg,
    Png,
    Gif,
    Webp,
    OtherImage,
    Mp4,
    OtherVideo,
    Mp3,
    M4a,
    OtherAudio,
    /// A page: what a service shows in place of a file when something is wrong.
    Page,
    Other,
}

impl FileType {
    pub fn content_type(self) -> &'static str {
        match self {
            FileType::Jpeg => "image/jpeg",
            FileType::Png => "image/png",
            FileType::Gif => "image/gif",
            FileType::Webp => "image/webp",
            FileType::Mp4 => "video/mp4",
            FileType::Mp3 => "audio/mpeg",
            FileType::M4a => "audio/mp4",
            FileType::OtherImage
            | FileType::OtherVideo
            | FileType::OtherAudio
            | FileType::Page
            | FileType::Other => "application/octet-stream",
        }
    }

    /// The ending that says what it is, where one does.
    pub fn ending(self) -> Option<&'static str> {
        match self {
            FileType::Jpeg => Some("jpg"),
            FileType::Png => Some("png"),
            FileType::Gif => Some("gif"),
            FileType::Webp => Some("webp"),
            FileType::Mp4 => Some("mp4"),
            FileType::Mp3 => Some("mp3"),
            FileType::M4a => Some("m4a"),
            FileType::OtherImage
            | FileType::OtherVideo
            | FileType::OtherAudio
            | FileType::Page
            | FileType::Other => None,
        }
    }

    pub fn is_image(self) -> bool {
        match self {
            FileType::Jpeg
            | FileType::Png
            | FileType::Gif
            | FileType::Webp
            | FileType::OtherImage => true,
            FileType::Mp4
            | FileType::OtherVideo
            | FileType::Mp3
            | FileType::M4a
            | FileType::OtherAudio
            | FileType::Page
            | FileType::Other => false,
        }
    }
}

/// Bytes of a file's head that tell its type.
pub const HEAD_BYTES: usize = 512;

/// The type of a file by its first [`HEAD_BYTES`].
pub fn file_type(head: &[u8]) -> FileType {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(bytes));
    if at(0, &[0xFF, 0xD8, 0xFF]) {
        return FileType::Jpeg;
    }
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return FileType::Png;
    }
    if at(0, b"GIF87a") || at(0, b"GIF89a") {
        return FileType::Gif;
    }
    if at(0, b"RIFF") {
        return match head.get(8..12) {
            Some(b"WEBP") => FileType::Webp,
            Some(b"WAVE") => FileType::OtherAudio,
            Some(b"AVI ") => FileType::OtherVideo,
            Some(_) | None => FileType::Other,
        };
    }
    if at(4, b"ftyp") {
        return match head.get(8..12) {
            Some(b"M4A " | b"M4B ") => FileType::M4a,
            Some(b"heic" | b"heix" | b"mif1" | b"msf1" | b"hevc" | b"avif" | b"avis") => {
                FileType::OtherImage
            }
            Some(b"qt  ") => FileType::OtherVideo,
            Some(_) => FileType::Mp4,
            None => FileType::Other,
        };
    }
    if at(0, b"BM") || at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"\0\0\0\x0CJXL ") {
        return FileType::OtherImage;
    }
    if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) {
        return FileType::OtherVideo;
    }
    if at(0, b"ID3") || at(0, &[0xFF, 0xFB]) || at(0, &[0xFF, 0xF3]) {
        return FileType::Mp3;
    }
    if at(0, b"OggS") || at(0, b"fLaC") {
        return FileType::OtherAudio;
    }
    let text = head.trim_ascii_start();
    let is_page = [&b"<!doctype html"[..], b"<html"].iter().any(|mark| {
        text.get(..mark.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(mark))
    });
    if is_page {
        FileType::Page
    } else {
        FileType::Other
    }
}

/// What is known of a file that was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub rendition: Rendition,
    pub bytes: u64,
    pub file_type: FileType,
    /// Width and height, where it is an image that says so.
    pub pixels: Option<(u64, u64)>,
}

/// Whether a fetched file can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    As(Form),
    /// Not like this; another rendition is looked at.
    Not(String),
}

/// A file of a part, as it stands before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// The service has it already, under this name of its own.
    Known {
        id: String,
        form: Form,
    },
    Fetched {
        form: Form,
        bytes: u64,
        file_type: FileType,
    },
    LeftOut {
        why: String,
    },
}

impl Ready {
    pub fn form(&self) -> Option<Form> {
        match self {
            Ready::Known { form, .. } | Ready::Fetched { form, .. } => Some(*form),
            Ready::LeftOut { .. } => None,
        }
    }

    /// Bytes that go over the wire.
    pub fn bytes(&self) -> u64 {
        match self {
            Ready::Fetched { bytes, .. } => *bytes,
            Ready::Known { .. } | Ready::LeftOut { .. } => 0,
        }
    }
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Text {
        name: &'static str,
        value: String,
    },
    File {
        name: String,
        /// Which of the part's files.
        file: usize,
        file_name: String,
        content_type: &'static str,
    },
}

/// A described upload: a call whose body is a form with files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Without a body.
    pub call: Call,
    pub fields: Vec<Field>,
}

/// What is done with a part, now that its files are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    Upload(Upload),
    /// Other parts in place of this one: its files cannot stand together after all.
    Instead {
        parts: Vec<Part>,
        reason: String,
    },
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemOutcome {
    Delivered,
    /// Nothing of it fits, or it cannot be fetched.
    Skipped,
    /// The service refused it.
    Failed,
}

impl ItemOutcome {
    pub const ALL: [ItemOutcome; 3] = [
        ItemOutcome::Delivered,
        ItemOutcome::Skipped,
        ItemOutcome::Failed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ItemOutcome::Delivered => "delivered",
            ItemOutcome::Skipped => "skipped",
            ItemOutcome::Failed => "failed",
        }
    }

    /// Its number in events.
    pub fn code(self) -> u8 {
        match self {
            ItemOutcome::Delivered => 0,
            ItemOutcome::Skipped => 1,
            ItemOutcome::Failed => 2,
        }
    }

    pub fn of_code(code: u8) -> Option<Self> {
        ItemOutcome::ALL
            .into_iter()
            .find(|outcome| outcome.code() == code)
    }
}

/// What became of one file, and under which name the service has it from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTold {
    pub key: String,
    pub outcome: ItemOutcome,
    /// Why not; empty when it was delivered.
    pub detail: String,
    pub file: Option<(Form, String)>,
}

/// What a target kind knows that can carry files.
pub trait Carrier: Sync {
    /// The parts of a message with parts for its files. Items that cannot be fetched are left out
    /// before.
    fn carry(
        &self,
        parts: Vec<Part>,
        items: &[Item],
        target: &TargetSpec,
        to: &ReceiverSpec,
    ) -> Vec<Part>;
    /// The files of a part; none of one that carries none.
    fn files(&self, part: &Part) -> Result<Vec<Wanted>, Unsendable>;
    /// Largest file that is worth fetching for this target, in bytes.
    fn file_bytes_max(&self, target: &TargetSpec) -> u64;
    fn fit(&self, wanted: &Wanted, facts: &Facts, target: &TargetSpec) -> Fit;
    /// The call that shows that something is being uploaded, where the service shows it.
    fn announce(&self, part: &Part, context: &CallContext<'_>) -> Option<Call>;
    fn send(
        &self,
        part: &Part,
        context: &CallContext<'_>,
        ready: &[Ready],
    ) -> Result<Sending, Unsendable>;
    /// Whether the reply says that a file the service had is not there any more.
    fn is_stale(&self, reply: &Reply) -> bool;
    fn judge(&self, part: &Part, reply: &Reply, ready: &[Ready], target: &TargetSpec) -> Verdict;
    /// What became of the part's files.
    fn told(&self, part: &Part, reply: &Reply, ready: &[Ready], verdict: &Verdict)
    -> Vec<ItemTold>;
}

/// What may stand in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimit {
    pub items: usize,
    pub bytes: u64,
}

/// Divides files, in their order, into runs of one class that fit a message each. A class of `None`
/// stands alone.
pub fn groups<C: PartialEq + Copy>(
    files: &[(Option<C>, u64)],
    limit: GroupLimit,
) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut class = None;
    let mut bytes = 0u64;
    for (n, (own, size)) in files.iter().enumerate() {
        let joins = groups.last().is_some_and(|last| {
            own.is_some()
                && class == *own
                && last.len() < limit.items
                && bytes.saturating_add(*size) <= limit.bytes
        });
        match groups.last_mut() {
            Some(last) if joins => {
                last.end = n + 1;
                bytes += size;
            }
            Some(_) | None => {
                groups.push(n..n + 1);
                class = *own;
                bytes = *size;
            }
        }
    }
    groups
}
