//! Items: the photos, videos and files that a notice names, and how much of them is kept.
//!
//! **Invariant:** a fetch handle is no secret and is never shown. It only says to the provider's own
//! kind which thing is meant; the credentials come from the provider's configuration when it is
//! fetched.
//!
//! Items of one notice are much alike: their addresses differ in the key alone, their owners and
//! places are few. So their texts are kept in one table ([`Shared`]), each once and with the item's
//! key taken out, and five hundred photos fit the frame of their notice.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Serialize, Serializer};

use super::notice::{clean_line, clean_text, is_http_url, is_shown_whole};

/// Most items added, and most removed, that are kept one by one; the totals count all.
pub const ITEMS_MAX: usize = 500;
/// Longest key, label, address or fetch handle of an item, in bytes. A longer address or handle is
/// left out: cut, it would lead elsewhere.
pub const ITEM_FIELD_BYTES_MAX: usize = 2_048;
/// Longest description of an item kept, in bytes.
pub const ITEM_DESCRIPTION_BYTES_MAX: usize = 1_024;
/// Longest name of an owner, a place, a person or a tag kept, in bytes.
pub const ITEM_NAME_BYTES_MAX: usize = 256;
/// Most people, and most tags, kept of an item.
pub const ITEM_NAMES_MAX: usize = 32;

/// What an item's numbers take, and the lengths of its lists, at most.
const NUMBERS_BYTES_MAX: usize = 80;
/// What naming a text of the table takes, at most.
const REFERENCE_BYTES_MAX: usize = 5;
/// What a text of the table takes besides itself, at most.
const LENGTH_BYTES_MAX: usize = 3;
/// A key shorter than this is not taken out of texts: it would be found by chance.
const KEY_BYTES_MIN: usize = 6;
/// Stands for the key in a text of the table.
const KEY_MARK: char = '\0';

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Photo,
    Video,
    Audio,
    #[default]
    File,
    Other,
}

impl ItemKind {
    pub const ALL: [ItemKind; 5] = [
        ItemKind::Photo,
        ItemKind::Video,
        ItemKind::Audio,
        ItemKind::File,
        ItemKind::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ItemKind::Photo => "photo",
            ItemKind::Video => "video",
            ItemKind::Audio => "audio",
            ItemKind::File => "file",
            ItemKind::Other => "other",
        }
    }

    /// The kind of this name; a name nobody knows is `other`.
    pub fn named(text: &str) -> Self {
        ItemKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .unwrap_or(ItemKind::Other)
    }
}

/// Degrees of latitude or longitude in millionths, which is about a hand's breadth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Degrees(pub i32);

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl Degrees {
    /// Nothing for what is no number, or no angle on a globe.
    pub fn of(degrees: f64) -> Option<Self> {
        // The bound keeps the product within an i32.
        (degrees.is_finite() && degrees.abs() <= 180.0)
            .then(|| Degrees((degrees * 1_000_000.0).round() as i32))
    }

    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }
}

/// A photo, video or file of a notice. What the service does not say is `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Item {
    /// Stable within the provider.
    pub key: String,
    pub kind: ItemKind,
    /// What a person calls it, usually the name of its file.
    pub label: String,
    /// Microseconds since 1970.
    pub taken_at: Option<i64>,
    /// Bytes of the original.
    pub size: Option<u64>,
    /// Bytes of what is played in its stead (a re-encoded video).
    pub playback_size: Option<u64>,
    pub favourite: Option<bool>,
    /// Stars; -1 where the service knows a refused one.
    pub rating: Option<i8>,
    pub lat: Option<Degrees>,
    pub lon: Option<Degrees>,
    pub owner: Option<String>,
    pub owner_id: Option<String>,
    pub description: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    /// Where a member of the service sees it.
    pub url: Option<String>,
    /// Where anyone who has the address sees it.
    pub public_url: Option<String>,
    pub download_url: Option<String>,
    pub playback_url: Option<String>,
    pub photo_url: Option<String>,
    pub thumbhash: Option<String>,
    pub people: Vec<String>,
    pub tags: Vec<String>,
    /// What the provider's kind needs to fetch its original, preview or thumbnail: see
    /// [`crate::providers::Fetchable`]. `None` where there is nothing to fetch. Never a secret,
    /// never shown.
    pub fetch: Option<String>,
}

/// Items that a notice adds to or removes from its collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Items {
    pub added: Vec<Item>,
    pub removed: Vec<Item>,
    pub added_total: u64,
    pub removed_total: u64,
}

/// What all items of a notice agree on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Common {
    /// The day on which all were taken, in UTC: `2026-05-28`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Where all were taken: a city and its country, as far as they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Common {
    /// Nothing where there are no items, or one says nothing of it.
    pub fn of(items: &[Item]) -> Common {
        let agreed = |of: &dyn Fn(&Item) -> Option<String>| {
            let mut values = items.iter().map(of);
            let first = values.next().flatten()?;
            values
                .all(|value| value.as_ref() == Some(&first))
                .then_some(first)
        };
        let date = agreed(&|item| {
            let at = jiff::Timestamp::from_microsecond(item.taken_at?).ok()?;
            Some(at.strftime("%Y-%m-%d").to_string())
        });
        let place = agreed(&|item| {
            let names = [&item.city, &item.country].into_iter().flatten();
            let names: Vec<&str> = names.map(String::as_str).collect();
            (!names.is_empty()).then(|| names.join(", "))
        });
        Common { date, place }
    }

    pub fn is_nothing(&self) -> bool {
        self.date.is_none() && self.place.is_none()
    }
}

impl Items {
    /// What the added items agree on, or where there are none the removed ones.
    pub fn common(&self) -> Common {
        Common::of(match self.added.is_empty() {
            true => &self.removed,
            false => &self.added,
        })
    }
}

/// How many texts an item can have besides key and label.
pub const TEXT_FIELDS: usize = 13;

impl Item {
    /// Its texts besides key and label, in the order in which they are written.
    pub fn texts(&self) -> [Option<&str>; TEXT_FIELDS] {
        [
            &self.owner,
            &self.owner_id,
            &self.description,
            &self.city,
            &self.state,
            &self.country,
            &self.url,
            &self.public_url,
            &self.download_url,
            &self.playback_url,
            &self.photo_url,
            &self.thumbhash,
            &self.fetch,
        ]
        .map(Option::as_deref)
    }

    /// The same, to be filled.
    pub fn texts_mut(&mut self) -> [&mut Option<String>; TEXT_FIELDS] {
        [
            &mut self.owner,
            &mut self.owner_id,
            &mut self.description,
            &mut self.city,
            &mut self.state,
            &mut self.country,
            &mut self.url,
            &mut self.public_url,
            &mut self.download_url,
            &mut self.playback_url,
            &mut self.photo_url,
            &mut self.thumbhash,
            &mut self.fetch,
        ]
    }

    /// The item without what only describes it: what is left can still be named and fetched.
    fn bare(&self) -> Item {
        Item {
            key: self.key.clone(),
            kind: self.kind,
            label: self.label.clone(),
            taken_at: self.taken_at,
            size: self.size,
            playback_size: self.playback_size,
            favourite: self.favourite,
            rating: self.rating,
            lat: self.lat,
            lon: self.lon,
            fetch: self.fetch.clone(),
            ..Item::default()
        }
    }

    fn clean(&mut self) {
        clean_line(&mut self.key, ITEM_FIELD_BYTES_MAX);
        clean_line(&mut self.label, ITEM_FIELD_BYTES_MAX);
        for name in [
            &mut self.owner,
            &mut self.owner_id,
            &mut self.city,
            &mut self.state,
            &mut self.country,
            &mut self.thumbhash,
        ] {
            if let Some(text) = name {
                clean_line(text, ITEM_NAME_BYTES_MAX);
            }
            drop_empty(name);
        }
        if let Some(text) = &mut self.description {
            clean_text(text, ITEM_DESCRIPTION_BYTES_MAX);
        }
        drop_empty(&mut self.description);
        for url in [
            &mut self.url,
            &mut self.public_url,
            &mut self.download_url,
            &mut self.playback_url,
            &mut self.photo_url,
        ] {
            *url = url
                .take()
                .filter(|url| url.len() <= ITEM_FIELD_BYTES_MAX && is_http_url(url));
        }
        self.fetch = self.fetch.take().filter(|handle| {
            !handle.is_empty() && handle.len() <= ITEM_FIELD_BYTES_MAX && is_shown_whole(handle)
        });
        for names in [&mut self.people, &mut self.tags] {
            names.truncate(ITEM_NAMES_MAX);
            for name in names.iter_mut() {
                clean_line(name, ITEM_NAME_BYTES_MAX);
            }
            names.retain(|name| !name.is_empty());
        }
        let on_globe = self.lat.is_none_or(|lat| lat.0.abs() <= 90_000_000)
            && self.lon.is_none_or(|lon| lon.0.abs() <= 180_000_000);
        if !on_globe {
            (self.lat, self.lon) = (None, None);
        }
    }
}

fn drop_empty(text: &mut Option<String>) {
    if text.as_ref().is_some_and(String::is_empty) {
        *text = None;
    }
}

impl Items {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.added_total == 0
            && self.removed_total == 0
    }

    /// Cleans every text, and keeps at most [`ITEMS_MAX`] each way in `bytes_max` bytes.
    ///
    /// What names an item and what fetches it goes before what describes it: only when all are named
    /// does the room that is left take descriptions, item by item. Of what was added at most three
    /// quarters of the room are filled as long as something was removed.
    pub(super) fn bound(&mut self, bytes_max: usize) {
        self.added_total = self.added_total.max(self.added.len() as u64);
        self.removed_total = self.removed_total.max(self.removed.len() as u64);
        if self.added.is_empty() && self.removed.is_empty() {
            return;
        }
        for items in [&mut self.added, &mut self.removed] {
            items.truncate(ITEMS_MAX);
            items.iter_mut().for_each(Item::clean);
        }
        if self.bytes() <= bytes_max {
            return;
        }
        let for_added = if self.removed.is_empty() {
            bytes_max
        } else {
            bytes_max / 4 * 3
        };
        let bare = [&self.added, &self.removed]
            .map(|items| items.iter().map(Item::bare).collect::<Vec<Item>>());
        let mut table = Shared::default();
        let mut used = 0;
        let mut kept = [0, 0];
        for (way, room) in [(0, for_added), (1, bytes_max)] {
            for item in &bare[way] {
                let (before, mark) = (used, table.texts.len());
                used += table.add(item);
                if used > room {
                    used = before;
                    table.forget_after(mark);
                    break;
                }
                kept[way] += 1;
            }
        }
        self.added.truncate(kept[0]);
        self.removed.truncate(kept[1]);
        // What an item takes whole is at least what it takes bare, so the difference is what its
        // descriptions add. Texts that stand in the table cost their reference alone.
        for item in self.added.iter_mut().chain(&mut self.removed) {
            let without = item.bare();
            let described = item.clone();
            let mark = table.texts.len();
            let more = table.add(&described) - table.add(&without);
            if used + more <= bytes_max {
                used += more;
            } else {
                table.forget_after(mark);
                *item = without;
            }
        }
    }

    /// At least the bytes that all items take in their notice's frame.
    pub fn bytes(&self) -> usize {
        let mut table = Shared::default();
        self.added
            .iter()
            .chain(&self.removed)
            .map(|item| table.add(item))
            .sum()
    }
}

/// The table of texts of a notice's items, each text once.
#[derive(Debug, Default)]
pub struct Shared {
    texts: Vec<String>,
    indices: HashMap<String, u32>,
}

impl Shared {
    /// Where a text of an item with this key stands, and whether the key was taken out of it.
    pub fn index(&mut self, key: &str, text: &str) -> (u32, bool) {
        let (text, keyed) = without_key(key, text);
        if let Some(known) = self.indices.get(text.as_ref()) {
            return (*known, keyed);
        }
        let index = self.texts.len() as u32;
        self.texts.push(text.clone().into_owned());
        self.indices.insert(text.into_owned(), index);
        (index, keyed)
    }

    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Takes an item's texts in, and says what it takes at most, the new texts included.
    fn add(&mut self, item: &Item) -> usize {
        let mut bytes =
            item.key.len() + item.kind.as_str().len() + item.label.len() + NUMBERS_BYTES_MAX;
        let names = item.people.iter().chain(&item.tags).map(String::as_str);
        for text in item.texts().into_iter().flatten().chain(names) {
            let known = self.texts.len();
            let (index, _) = self.index(&item.key, text);
            bytes += REFERENCE_BYTES_MAX;
            if index as usize == known {
                bytes += self.texts[known].len() + LENGTH_BYTES_MAX;
            }
        }
        bytes
    }

    fn forget_after(&mut self, count: usize) {
        for text in self.texts.drain(count..) {
            self.indices.remove(&text);
        }
    }
}

fn without_key<'t>(key: &str, text: &'t str) -> (Cow<'t, str>, bool) {
    let keyed = key.len() >= KEY_BYTES_MIN && !text.contains(KEY_MARK) && text.contains(key);
    if keyed {
        let mut mark = [0; 4];
        let mark: &str = KEY_MARK.encode_utf8(&mut mark);
        (Cow::Owned(text.replace(key, mark)), true)
    } else {
        (Cow::Borrowed(text), false)
    }
}

/// A text of the table as the item with this key has it.
pub fn with_key(key: &str, text: &str, keyed: bool) -> String {
    if keyed {
        text.replace(KEY_MARK, key)
    } else {
        text.to_owned()
    }
}
