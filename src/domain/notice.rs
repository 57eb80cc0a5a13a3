//! A notice: one thing that happened in a provider, normalized.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::item::{Degrees, ITEMS_MAX, Item, ItemKind, Items};

/// Longest title kept, in bytes; longer ones are cut at a character and end in `…`.
pub const TITLE_BYTES_MAX: usize = 1_024;
/// Longest text kept, in bytes; longer ones are cut at a character and end in `…`.
pub const TEXT_BYTES_MAX: usize = 32 * 1_024;
/// Most labels kept on a notice; the rest are left out and counted in the label `labels_left_out`.
pub const LABELS_MAX: usize = 64;
/// Longest label value kept, in bytes.
pub const LABEL_BYTES_MAX: usize = 2_048;
/// Bytes of all labels of a notice, names and values, that are kept; the rest is left out and counted.
pub const LABELS_BYTES_MAX: usize = 32 * 1_024;
/// As [`LABELS_BYTES_MAX`], for each of `before` and `after`.
pub const CHANGES_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of all texts of a notice: what its other fields leave of it is for its items, which is at
/// least a sixth.
pub const DRAFT_BYTES_MAX: usize = 136 * 1_024;
/// Longest short field (kind, collection, subject, actor, url) kept, in bytes.
pub const FIELD_BYTES_MAX: usize = 2_048;

/// The kind of a one-off message.
pub const MESSAGE: &str = "message";

/// How much a notice matters. For `pierce` and filters info and success are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[default]
    Info,
    Success,
    Warning,
    Critical,
}

impl Severity {
    /// info = success < warning < critical.
    pub fn rank(self) -> u8 {
        match self {
            Severity::Info | Severity::Success => 0,
            Severity::Warning => 1,
            Severity::Critical => 2,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Success => "success",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub const ALL: [Severity; 4] = [
        Severity::Info,
        Severity::Success,
        Severity::Warning,
        Severity::Critical,
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Severity::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
    }
}

/// What a notice does to its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    Opens,
    Updates,
    Closes,
    #[default]
    None,
}

impl Transition {
    pub fn as_str(self) -> &'static str {
        match self {
            Transition::Opens => "opens",
            Transition::Updates => "updates",
            Transition::Closes => "closes",
            Transition::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Transition::Opens,
            Transition::Updates,
            Transition::Closes,
            Transition::None,
        ]
        .into_iter()
        .find(|transition| transition.as_str() == text)
    }
}

/// A repository, album, entity, UPS: where in the provider it happened.
/// Trackers match on either the id or the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Stable within the provider, survives a rename. Equal to the name where the service has no id.
    pub id: String,
    pub name: String,
}

/// The thing a notice is about: an issue, a pull request, an alert. The key is stable within the
/// provider, so that later notices about the same thing find the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Subject {
    pub key: String,
    pub label: String,
}

/// What a provider makes of a request: everything of a notice but its identity.
///
/// Every text is plain text as the sender wrote it; it is escaped where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct NoticeDraft {
    /// One of the provider's notice kinds, `[a-z0-9_]+`.
    pub kind: String,
    pub collection: Option<Collection>,
    pub subject: Subject,
    pub transition: Transition,
    pub actor: Option<String>,
    /// One line that says what happened, readable alone: "gordon pushed 2 commits to main".
    pub title: String,
    /// More, possibly many lines; empty when the title says everything.
    pub text: String,
    /// An http(s) address of the thing; anything else is left out by [`NoticeDraft::bounded`].
    pub url: Option<String>,
    pub severity: Severity,
    pub labels: BTreeMap<String, String>,
    pub before: BTreeMap<String, String>,
    pub after: BTreeMap<String, String>,
    pub items: Items,
    /// Microseconds since 1970, when the sender says when it happened.
    pub occurred_at: Option<i64>,
}

impl NoticeDraft {
    /// A one-off message. One line says what it is: the title, or else the body's first.
    pub fn message(title: String, body: String, severity: Severity) -> Self {
        let (title, text) = if title.trim().is_empty() {
            match body.trim().split_once('\n') {
                Some((first, rest)) => (first.trim().to_owned(), rest.trim().to_owned()),
                None => (body.trim().to_owned(), String::new()),
            }
        } else {
            (title, body)
        };
        NoticeDraft {
            kind: MESSAGE.into(),
            title,
            text,
            severity,
            ..NoticeDraft::default()
        }
    }

    /// Applies every bound of this module: texts are cut at a character with `…`, control characters
    /// other than newline and tab become spaces, an address that is not http(s) is left out.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for field in [
            &mut self.kind,
            &mut self.subject.key,
            &mut self.subject.label,
        ] {
            clean_line(field, FIELD_BYTES_MAX);
        }
        if let Some(collection) = &mut self.collection {
            clean_line(&mut collection.id, FIELD_BYTES_MAX);
            clean_line(&mut collection.name, FIELD_BYTES_MAX);
        }
        if let Some(actor) = &mut self.actor {
            clean_line(actor, FIELD_BYTES_MAX);
        }
        self.actor = self.actor.filter(|actor| !actor.is_empty());
        self.url = self
            .url
            .filter(|url| url.len() <= FIELD_BYTES_MAX && is_http_url(url));
        clean_line(&mut self.title, TITLE_BYTES_MAX);
        clean_text(&mut self.text, TEXT_BYTES_MAX);
        bound_map(&mut self.labels, LABELS_BYTES_MAX);
        bound_map(&mut self.before, CHANGES_BYTES_MAX);
        bound_map(&mut self.after, CHANGES_BYTES_MAX);
        let room = DRAFT_BYTES_MAX.saturating_sub(self.own_bytes());
        self.items.bound(room);
        self
    }
}

impl NoticeDraft {
    /// Bytes of all its texts, and of what they take besides.
    pub fn weight(&self) -> usize {
        self.own_bytes() + self.items.bytes()
    }

    /// The same without its items.
    fn own_bytes(&self) -> usize {
        let map = |map: &BTreeMap<String, String>| -> usize {
            map.iter()
                .map(|(key, value)| key.len() + value.len() + ENTRY_BYTES_MAX)
                .sum()
        };
        let collection = self.collection.as_ref();
        self.kind.len()
            + collection.map_or(0, |place| place.id.len() + place.name.len())
            + self.subject.key.len()
            + self.subject.label.len()
            + self.actor.as_ref().map_or(0, String::len)
            + self.title.len()
            + self.text.len()
            + self.url.as_ref().map_or(0, String::len)
            + map(&self.labels)
            + map(&self.before)
            + map(&self.after)
    }
}

/// A notice with its identity, as templates, filters and targets see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Public id; see [`crate::domain::id`].
    pub id: String,
    pub position: u64,
    /// Microseconds since 1970.
    pub received_at: i64,
    /// The provider's name and kind when the notice was received.
    pub provider: String,
    pub provider_kind: String,
    /// Correlates log lines, events and answers.
    pub dispatch_id: String,
    pub draft: NoticeDraft,
}

const LEFT_OUT: &str = "labels_left_out";

/// What an entry of a map or list takes besides its texts, at most.
const ENTRY_BYTES_MAX: usize = 12;

fn bound_map(map: &mut BTreeMap<String, String>, bytes_max: usize) {
    for value in map.values_mut() {
        clean_text(value, LABEL_BYTES_MAX);
    }
    let size = |key: &str, value: &str| key.len() + value.len() + ENTRY_BYTES_MAX;
    let fits = map.len() <= LABELS_MAX
        && map.keys().all(|key| is_fit_key(key))
        && map
            .iter()
            .map(|(key, value)| size(key, value))
            .sum::<usize>()
            <= bytes_max;
    if fits {
        return;
    }
    let before = map.len();
    let mut room = bytes_max - size(LEFT_OUT, "") - usize::MAX.ilog10() as usize - 1;
    let mut kept = BTreeMap::new();
    for (key, value) in std::mem::take(map) {
        let bytes = size(&key, &value);
        if is_fit_key(&key) && kept.len() + 1 < LABELS_MAX && bytes <= room {
            room -= bytes;
            kept.insert(key, value);
        }
    }
    kept.insert(LEFT_OUT.into(), (before - kept.len()).to_string());
    *map = kept;
}

/// A name that is longer, or has signs that are not shown, is not shortened or cleaned: it could
/// become another one's.
fn is_fit_key(key: &str) -> bool {
    key.len() <= FIELD_BYTES_MAX && is_shown_whole(key)
}

/// Whether a text has no sign that is not shown.
pub(super) fn is_shown_whole(text: &str) -> bool {
    is_plain_line(text) || !text.chars().any(|c| c.is_control() || is_bidi_control(c))
}

/// True for an absolute http or https address without spaces, control or invisible direction marks.
pub fn is_http_url(url: &str) -> bool {
    let lower = url
        .get(..8.min(url.len()))
        .unwrap_or("")
        .to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://"))
        && url
            .split_once("://")
            .is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'))
        && (is_plain_line(url) && !url.contains(' ')
            || !url
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || is_bidi_control(c)))
}

/// Characters that reorder what a person reads; they are never passed on.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text is plain ASCII without control characters, as nearly all are: then nothing in it
/// needs a look character by character. Without an early end, many bytes are looked at at once.
fn is_plain_line(text: &str) -> bool {
    text.bytes()
        .fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte))
}

/// The same for a text that may have several lines.
fn is_plain_text(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| {
        plain & ((b' '..=b'~').contains(&byte) | (byte == b'\n') | (byte == b'\t'))
    })
}

pub(super) fn clean_line(text: &mut String, bytes_max: usize) {
    if !is_plain_line(text) && text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        *text = text
            .chars()
            .filter(|c| !is_bidi_control(*c))
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>();
    }
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.to_owned();
    }
    cut(text, bytes_max);
}

pub(super) fn clean_text(text: &mut String, bytes_max: usize) {
    if !is_plain_text(text)
        && text
            .chars()
            .any(|c| (c.is_control() && c != '\n' && c != '\t') || is_bidi_control(c))
    {
        *text = text
            .replace("\r\n", "\n")
            .chars()
            .filter(|c| !is_bidi_control(*c))
            .map(|c| {
                if c.is_control() && c != '\n' && c != '\t' {
                    ' '
                } else {
                    c
                }
            })
            .collect::<String>();
    }
    cut(text, bytes_max);
}

/// Cuts at a character boundary so that the result, with its `…`, is at most `bytes_max` bytes.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() <= bytes_max {
        return;
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
}
