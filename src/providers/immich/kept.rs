//! What is kept of an album beside the ids of its assets, and which albums there are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::api::Album;
use super::known::Id;
use crate::projections::cursors::OfProvider;
use crate::providers::cursor::{self, Moved};

/// Assets that are remembered as not ready, of one album. Of more, the album is listed whole until they
/// are ready.
const PENDING_MAX: usize = 10_000;
/// So long after a change a larger one is listed whole, in microseconds.
const CHECK_AFTER_MICROS: i64 = 15 * 60 * 1_000_000;
/// Changes that came so shortly before the newest one that was seen are asked for again, in seconds:
/// they may have been written down after it.
const OVERLAP_SECONDS: i64 = 60;

/// What is kept of an album beside its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub name: String,
    pub shared: bool,
    pub linked: bool,
    pub count: u64,
    pub updated: String,
    pub last_asset: String,
    /// The newest change of an asset that was seen, as Immich wrote it.
    pub since: String,
    pub bits: u8,
    pub pending: Vec<Id>,
    /// Whether more is pending than is remembered.
    pub more_pending: bool,
    pub unsure: u8,
    /// Whether the next look lists it whole, whatever its fingerprint.
    pub again: bool,
    /// Whether its first listing did not come to its count: what turns up until one does was there
    /// before, and nothing is said of it.
    pub quiet: bool,
    /// Since when it has changed without being listed whole, in microseconds since 1970; 0 for never.
    pub unchecked: i64,
}

impl Kept {
    pub fn read(cursors: &OfProvider, album: &str) -> Option<Kept> {
        postcard::from_bytes(cursors.get(&key(album))?).ok()
    }

    pub fn save(&self, cursors: &OfProvider, moved: &mut Moved, album: &str) {
        if let Ok(bytes) = postcard::to_stdvec(self) {
            cursor::set(cursors, moved, &key(album), &bytes);
        }
    }

    pub fn is_settled(&self, now: i64) -> bool {
        self.pending.is_empty() && !self.is_to_be_listed(now)
    }

    /// Whether it is listed whole even where nothing changed.
    pub fn is_to_be_listed(&self, now: i64) -> bool {
        let is_due = self.unchecked != 0
            && (now.saturating_sub(self.unchecked) >= CHECK_AFTER_MICROS || now < self.unchecked);
        self.more_pending || self.again || is_due
    }

    /// From when on changes are asked for; `None` for all there are.
    pub fn asked_since(&self) -> Option<String> {
        let since: jiff::Timestamp = self.since.parse().ok()?;
        let since = since - jiff::SignedDuration::from_secs(OVERLAP_SECONDS);
        Some(format!("{since:.3}"))
    }

    pub fn is_as(&self, album: &Album) -> bool {
        self.name == album.album_name
            && self.shared == album.shared
            && self.linked == album.has_shared_link
            && self.has_assets_of(album)
    }

    pub fn has_assets_of(&self, album: &Album) -> bool {
        self.count == album.asset_count
            && self.updated == album.updated_at
            && self.last_asset == last_asset(album)
    }

    pub fn take(&mut self, album: &Album) {
        self.name.clone_from(&album.album_name);
        self.shared = album.shared;
        self.linked = album.has_shared_link;
        self.count = album.asset_count;
        self.updated.clone_from(&album.updated_at);
        self.last_asset = last_asset(album).to_owned();
    }
}

fn last_asset(album: &Album) -> &str {
    album.last_modified_asset_timestamp.as_deref().unwrap_or("")
}

fn key(album: &str) -> String {
    format!("album/{album}")
}

/// Albums that the cursors know.
pub fn known_albums(cursors: &OfProvider) -> Vec<String> {
    let albums = cursors.keys().filter_map(|key| key.strip_prefix("album/"));
    albums
        .filter(|rest| !rest.contains('/'))
        .map(str::to_owned)
        .collect()
}

pub fn put_pending(kept: &mut Kept, pending: BTreeSet<Id>) {
    kept.more_pending = pending.len() > PENDING_MAX;
    kept.pending = pending.into_iter().take(PENDING_MAX).collect();
}

/// Which albums there are, watched or not: a further one is a new one. One that is only watched from
/// now on is none.
const ALBUMS: &str = "albums";
/// Albums that are remembered; as hashes of 8 bytes they fit a cursor. Beyond them an album that nobody
/// watched may be said to be new when somebody does.
const ALBUMS_MAX: usize = 30_000;

#[derive(Debug, Default)]
pub struct Noted {
    before: BTreeSet<u64>,
    now: BTreeSet<u64>,
}

impl Noted {
    /// At the first look all that there are were there before.
    pub fn read(cursors: &OfProvider, albums: &[Album]) -> Noted {
        let before: BTreeSet<u64> = match cursors.get(ALBUMS) {
            Some(bytes) => {
                let (hashes, _) = bytes.as_chunks::<8>();
                hashes
                    .iter()
                    .map(|hash| u64::from_le_bytes(*hash))
                    .collect()
            }
            None => albums.iter().map(|album| hash_of(&album.id)).collect(),
        };
        Noted {
            now: before.clone(),
            before,
        }
    }

    pub fn note(&mut self, album: &str) {
        self.now.insert(hash_of(album));
    }

    pub fn was_there(&self, album: &str) -> bool {
        self.before.contains(&hash_of(album))
    }

    /// Moves the cursor to what there is now. Only a look that left nothing knows what is gone.
    pub fn save(self, cursors: &OfProvider, moved: &mut Moved, albums: &[Album], left: bool) {
        let mut noted = self.now;
        if !left {
            let listed: BTreeSet<u64> = albums.iter().map(|album| hash_of(&album.id)).collect();
            noted.retain(|hash| listed.contains(hash));
        }
        let hashes: Vec<[u8; 8]> = noted
            .iter()
            .take(ALBUMS_MAX)
            .map(|hash| hash.to_le_bytes())
            .collect();
        cursor::set(cursors, moved, ALBUMS, hashes.as_flattened());
    }
}

fn hash_of(album: &str) -> u64 {
    xxh3_64(album.as_bytes())
}
