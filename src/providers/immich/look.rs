//! A look at the albums: what is new of them since the cursors.
//!
//! One request lists the albums, and tells of each whether anything can have changed. Of those that
//! changed only the assets are asked that changed since; only when what is known and what is new do
//! not come to the album's count is it listed whole.
//!
//! **Invariant:** an asset is told once, when it is ready. What is in an album and not ready yet is
//! remembered as pending, and looked for until it is.
//!
//! **Invariant:** nothing is said to be removed that a service only failed to list: a listing that does
//! not come to the album's count takes nothing away until it was seen [`UNSURE_MAX`] times.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::api::{Album, Api, Asset};
use super::items::{Addresses, Public, item, moment};
use super::known::{Id, Known, id_of, text_of};
use super::options::{Mode, ShareLinks, TrackerOptions};
use super::{notices, scheduled};
use crate::domain::notice::{ITEMS_MAX, Item, ItemKind, NoticeDraft};
use crate::domain::routing::Patterns;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Observation, Unseen, Watch};
use crate::providers::cursor::{self, Moved};

/// Assets that are remembered as not ready, of one album. Of more, the album is listed whole until they
/// are ready.
const PENDING_MAX: usize = 10_000;
/// Looks at a listing that does not come to the album's count before it is believed.
const UNSURE_MAX: u8 = 3;
/// Removed assets whose names are asked for, of one album at a time.
const REMOVED_NAMED_MAX: usize = 10;
/// Notices of one look. What is new beyond them is left for the next, which begins at once.
const NOTICES_MAX: usize = 100;
/// Cursors that one look moves, before it leaves the rest to the next.
const MOVED_MAX: usize = 1_024;

/// What is kept of an album beside its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    shared: bool,
    linked: bool,
    count: u64,
    updated: String,
    last_asset: String,
    /// The newest change of an asset that was seen, as Immich wrote it.
    since: String,
    bits: u8,
    pending: Vec<Id>,
    /// Whether more is pending than is remembered.
    more_pending: bool,
    unsure: u8,
    /// Whether the next look lists it whole, whatever its fingerprint.
    again: bool,
}

impl Kept {
    fn read(cursors: &OfProvider, album: &str) -> Option<Kept> {
        postcard::from_bytes(cursors.get(&key(album))?).ok()
    }

    fn save(&self, cursors: &OfProvider, moved: &mut Moved, album: &str) {
        if let Ok(bytes) = postcard::to_stdvec(self) {
            cursor::set(cursors, moved, &key(album), &bytes);
        }
    }

    fn is_settled(&self) -> bool {
        self.pending.is_empty() && !self.more_pending && !self.again
    }

    fn is_as(&self, album: &Album) -> bool {
        self.name == album.album_name
            && self.shared == album.shared
            && self.linked == album.has_shared_link
            && self.has_assets_of(album)
    }

    fn has_assets_of(&self, album: &Album) -> bool {
        self.count == album.asset_count
            && self.updated == album.updated_at
            && self.last_asset == last_asset(album)
    }

    fn take(&mut self, album: &Album) {
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
fn known_albums(cursors: &OfProvider) -> Vec<String> {
    let albums = cursors.keys().filter_map(|key| key.strip_prefix("album/"));
    albums
        .filter(|rest| !rest.contains('/'))
        .map(str::to_owned)
        .collect()
}

/// What a look is for, with nothing of it borrowed.
pub struct Wanted {
    pub base: String,
    pub watches: Vec<(Watch, TrackerOptions)>,
    pub cursors: OfProvider,
    pub now: i64,
    pub zone: jiff::tz::TimeZone,
    pub chance: u64,
}

impl Wanted {
    /// The trackers that watch an album.
    pub fn watching(&self, id: &str, name: &str) -> impl Iterator<Item = &(Watch, TrackerOptions)> {
        self.watches
            .iter()
            .filter(move |(watch, _)| Patterns::of(&watch.collections).want(&[id, name]))
    }

    fn is_watched(&self, album: &Album) -> bool {
        self.watching(&album.id, &album.album_name).next().is_some()
    }
}

/// Looks at every watched album.
pub async fn observe(api: &Api, wanted: &Wanted) -> Result<Observation, Unseen> {
    let albums = api.albums().await?;
    let mut looking = Looking {
        api,
        wanted,
        links: Links::default(),
        observation: Observation::default(),
        left: false,
    };
    let is_first = !wanted.cursors.contains_key(BASELINE);
    if is_first {
        looking
            .moved()
            .push((BASELINE.to_owned(), Some(std::sync::Arc::from(&b"1"[..]))));
    }
    for album in albums.iter().filter(|album| wanted.is_watched(album)) {
        if looking.is_full() {
            looking.left = true;
            break;
        }
        looking.album(album, is_first).await?;
    }
    if !looking.left {
        looking.gone(&albums).await?;
        scheduled::tell(&mut looking, &albums).await?;
    }
    let mut observation = looking.observation;
    if looking.left {
        observation.next_at = Some(wanted.now);
    }
    Ok(observation)
}

/// Set once anything was seen: a further album is then a new one and no baseline.
const BASELINE: &str = "seen";

/// A look under way.
pub struct Looking<'a> {
    pub api: &'a Api,
    pub wanted: &'a Wanted,
    links: Links,
    pub observation: Observation,
    /// Whether something was left for the next look.
    left: bool,
}

/// Public links by album, asked for when they are first needed.
#[derive(Default)]
struct Links(Option<BTreeMap<String, Public>>);

/// What a listing or a delta made of an album.
#[derive(Default)]
struct Changes {
    added: Vec<Item>,
    photos: u64,
    videos: u64,
    added_total: u64,
    removed: Vec<Id>,
}

impl Looking<'_> {
    pub fn moved(&mut self) -> &mut Moved {
        &mut self.observation.cursors
    }

    fn is_full(&self) -> bool {
        self.observation.notices.len() >= NOTICES_MAX || self.observation.cursors.len() >= MOVED_MAX
    }

    /// Where an album is seen, its public link included.
    pub async fn addresses(&mut self, album: &Album) -> Result<Addresses, Unseen> {
        let base = self.wanted.base.clone();
        let wants: Vec<ShareLinks> = self
            .wanted
            .watching(&album.id, &album.album_name)
            .map(|(_, options)| options.share_links)
            .collect();
        let mut addresses = Addresses { base, public: None };
        if wants.iter().all(|wants| *wants == ShareLinks::None) {
            return Ok(addresses);
        }
        if self.links.0.is_none() {
            self.links.0 = Some(self.ask_links().await?);
        }
        let known = self.links.0.as_ref().and_then(|links| links.get(&album.id));
        addresses.public = known.cloned();
        if addresses.public.is_none() && wants.contains(&ShareLinks::Create) {
            // Without the permission albums are told without a link; the test names what is missing.
            if let Ok(link) = self.api.share(&album.id).await {
                let public = Public::of(&addresses.base, &link);
                if let Some(links) = &mut self.links.0 {
                    links.insert(album.id.clone(), public.clone());
                }
                addresses.public = Some(public);
            }
        }
        Ok(addresses)
    }

    async fn ask_links(&self) -> Result<BTreeMap<String, Public>, Unseen> {
        let mut links = BTreeMap::<String, Public>::new();
        let listed = match self.api.shared_links().await {
            Ok(listed) => listed,
            // A key may lack that permission; everything else works.
            Err(refused) if matches!(refused.status, Some(401 | 403)) => Vec::new(),
            Err(refused) => return Err(refused.into()),
        };
        for link in listed {
            let is_over = link
                .expires_at
                .as_deref()
                .and_then(moment)
                .is_some_and(|end| end <= self.wanted.now);
            let Some(album) = link.album.as_ref().filter(|_| !is_over) else {
                continue;
            };
            let public = Public::of(&self.wanted.base, &link);
            // One that anybody can open goes before one with a password.
            let better = links
                .get(&album.id)
                .is_none_or(|known| known.is_protected && !public.is_protected);
            if better {
                links.insert(album.id.clone(), public);
            }
        }
        Ok(links)
    }

    async fn album(&mut self, album: &Album, is_first: bool) -> Result<(), Unseen> {
        let cursors = &self.wanted.cursors;
        let Some(mut kept) = Kept::read(cursors, &album.id) else {
            return self.baseline(album, is_first).await;
        };
        if kept.is_as(album) && kept.is_settled() {
            return Ok(());
        }
        let mut told = Vec::new();
        let renamed = kept.name != album.album_name;
        let reshared = (kept.shared, kept.linked) != (album.shared, album.has_shared_link);
        let before = kept.clone();
        let mut known = Known::read(cursors, &album.id, kept.bits);
        let explained = renamed || reshared;
        let mut changes = Changes::default();
        if !kept.has_assets_of(album) || !kept.is_settled() {
            changes = self
                .changes(album, &mut kept, &mut known, explained)
                .await?;
        }
        kept.take(album);
        let addresses =
            if renamed || reshared || changes.added_total > 0 || !changes.removed.is_empty() {
                self.addresses(album).await?
            } else {
                Addresses::default()
            };
        if renamed {
            told.push(notices::renamed(album, &before.name, &addresses));
        }
        if reshared {
            let was = (before.shared, before.linked);
            told.push(notices::sharing_changed(album, was, &addresses));
        }
        if changes.added_total > 0 {
            told.push(notices::added(
                album,
                changes.added,
                [changes.added_total, changes.photos, changes.videos],
                &addresses,
            ));
        }
        if !changes.removed.is_empty() {
            let items = self
                .removed_items(album, &changes.removed, &addresses)
                .await?;
            told.push(notices::removed(
                album,
                items,
                changes.removed.len() as u64,
                &addresses,
            ));
        }
        self.keep(album, kept, known);
        self.observation.notices.extend(told);
        Ok(())
    }

    fn keep(&mut self, album: &Album, mut kept: Kept, mut known: Known) {
        let cursors = &self.wanted.cursors;
        known.save(cursors, &mut self.observation.cursors, &album.id);
        kept.bits = known.bits();
        kept.save(cursors, &mut self.observation.cursors, &album.id);
    }

    /// The first look at an album says nothing of its assets. An album that came to be since the first
    /// look at all is said to be new.
    async fn baseline(&mut self, album: &Album, is_first: bool) -> Result<(), Unseen> {
        let mut kept = Kept::default();
        let mut known = Known::default();
        let addresses = Addresses::default();
        let listed = self.list(album, None, &addresses, &known).await?;
        if listed.seen.len() as u64 != album.asset_count {
            // What was not listed may turn out to be there, and would be said to be new.
            kept.again = false;
        }
        for id in listed.ready {
            known.insert(id);
        }
        kept.since = listed.newest;
        put_pending(&mut kept, listed.pending);
        kept.take(album);
        if !is_first {
            let addresses = self.addresses(album).await?;
            self.observation
                .notices
                .push(notices::created(album, &addresses));
        }
        self.keep(album, kept, known);
        Ok(())
    }

    /// What is new of an album, and what is not there any more; `known` and `kept` are as after it.
    async fn changes(
        &mut self,
        album: &Album,
        kept: &mut Kept,
        known: &mut Known,
        explained: bool,
    ) -> Result<Changes, Unseen> {
        let addresses = self.addresses(album).await?;
        let mut changes = Changes::default();
        if !kept.more_pending && !kept.again {
            let since = Some(kept.since.clone()).filter(|since| !since.is_empty());
            let delta = self
                .list(album, since.as_deref(), &addresses, known)
                .await?;
            let mut pending: BTreeSet<Id> = kept.pending.iter().copied().collect();
            for id in &delta.ready {
                pending.remove(id);
            }
            pending.extend(&delta.pending);
            let expected = known.len() + delta.ready.len() + pending.len();
            let same_count = kept.count == album.asset_count;
            let touched = kept.updated != album.updated_at;
            // As many may have come as have gone: then the album was touched, and nothing says why.
            let unexplained = same_count && touched && delta.ready.is_empty() && !explained;
            if expected as u64 == album.asset_count && !unexplained {
                take_listing(&mut changes, delta, known, kept);
                put_pending(kept, pending);
                return Ok(changes);
            }
        }
        let listed = self.list(album, None, &addresses, known).await?;
        let mut wanted = album.asset_count;
        if listed.seen.len() as u64 != wanted
            && let Some(again) = self.api.album(&album.id).await?
        {
            wanted = again.asset_count;
        }
        let whole = listed.seen.len() as u64 == wanted;
        kept.unsure = if whole {
            0
        } else {
            kept.unsure.saturating_add(1)
        };
        let believed = whole || kept.unsure >= UNSURE_MAX;
        kept.again = !believed;
        if believed {
            kept.unsure = 0;
            let gone: Vec<Id> = known
                .iter()
                .filter(|id| !listed.seen.contains(*id))
                .copied()
                .collect();
            for id in &gone {
                known.remove(id);
            }
            changes.removed = gone;
        }
        let pending = listed.pending.clone();
        take_listing(&mut changes, listed, known, kept);
        put_pending(kept, pending);
        Ok(changes)
    }

    /// Lists an album, or what changed of it since a moment: page by page, so that no more is held than
    /// a page, the ids, and the items that a notice can name.
    async fn list(
        &self,
        album: &Album,
        since: Option<&str>,
        addresses: &Addresses,
        known: &Known,
    ) -> Result<Listing, Unseen> {
        let mut listing = Listing::default();
        for page in 1..=super::api::PAGES_MAX {
            let found = self.api.assets(&album.id, since, page).await?;
            for asset in found.assets {
                listing.take(&asset, &album.id, addresses, known);
            }
            if found.is_last {
                return Ok(listing);
            }
        }
        Err(Unseen::new(format!(
            "album {} has more pages than {}; watch smaller albums",
            album.album_name,
            super::api::PAGES_MAX
        )))
    }

    /// The first few removed ones by name; Immich still has them, or not.
    async fn removed_items(
        &self,
        album: &Album,
        removed: &[Id],
        addresses: &Addresses,
    ) -> Result<Vec<Item>, Unseen> {
        let mut items = Vec::new();
        for (nth, id) in removed.iter().take(ITEMS_MAX).enumerate() {
            let key = text_of(id);
            let asset = match nth < REMOVED_NAMED_MAX {
                true => self.api.asset(&key).await?,
                false => None,
            };
            items.push(match asset {
                Some(asset) => item(&asset, &album.id, addresses),
                None => Item {
                    label: key.clone(),
                    key,
                    kind: ItemKind::Other,
                    ..Item::default()
                },
            });
        }
        Ok(items)
    }

    /// Albums that are known and were not listed: gone, or not watched any more.
    async fn gone(&mut self, albums: &[Album]) -> Result<(), Unseen> {
        for id in known_albums(&self.wanted.cursors) {
            if self.is_full() {
                self.left = true;
                return Ok(());
            }
            match albums.iter().find(|album| album.id == id) {
                Some(album) if self.wanted.is_watched(album) => {}
                // What nobody watches any more is a baseline again when somebody does.
                Some(_) => Known::forget(&self.wanted.cursors, &mut self.observation.cursors, &id),
                None => {
                    if self.api.album(&id).await?.is_some() {
                        // It only failed to be listed.
                        continue;
                    }
                    let kept = Kept::read(&self.wanted.cursors, &id).unwrap_or_default();
                    if self.wanted.watching(&id, &kept.name).next().is_some() {
                        let told = notices::deleted(&id, &kept.name, kept.count, &self.wanted.base);
                        self.observation.notices.push(told);
                    }
                    Known::forget(&self.wanted.cursors, &mut self.observation.cursors, &id);
                }
            }
        }
        Ok(())
    }

    /// What a tracker asked for at a moment of the clock.
    pub fn say(&mut self, notice: NoticeDraft) {
        self.observation.notices.push(notice);
    }
}

/// What a listing found.
#[derive(Default)]
struct Listing {
    /// Everything in it, ready or not.
    seen: BTreeSet<Id>,
    /// Ready and not known before.
    ready: Vec<Id>,
    pending: BTreeSet<Id>,
    /// The first of those that are ready and were not known.
    items: Vec<Item>,
    photos: u64,
    videos: u64,
    newest: String,
}

impl Listing {
    fn take(&mut self, asset: &Asset, album: &str, addresses: &Addresses, known: &Known) {
        let Some(id) = id_of(&asset.id) else { return };
        if asset.updated_at > self.newest {
            self.newest.clone_from(&asset.updated_at);
        }
        if !self.seen.insert(id) || known.contains(&id) {
            return;
        }
        if !asset.is_ready() {
            self.pending.insert(id);
            return;
        }
        self.ready.push(id);
        match super::items::kind_of(asset.kind) {
            ItemKind::Photo => self.photos += 1,
            ItemKind::Video => self.videos += 1,
            ItemKind::Audio | ItemKind::File | ItemKind::Other => {}
        }
        if self.items.len() < ITEMS_MAX {
            self.items.push(item(asset, album, addresses));
        }
    }
}

fn take_listing(changes: &mut Changes, listing: Listing, known: &mut Known, kept: &mut Kept) {
    changes.added_total = listing.ready.len() as u64;
    changes.added = listing.items;
    (changes.photos, changes.videos) = (listing.photos, listing.videos);
    for id in listing.ready {
        known.insert(id);
    }
    if listing.newest > kept.since {
        kept.since = listing.newest;
    }
}

fn put_pending(kept: &mut Kept, pending: BTreeSet<Id>) {
    kept.more_pending = pending.len() > PENDING_MAX;
    kept.pending = pending.into_iter().take(PENDING_MAX).collect();
}

/// Whether a mode tells of one album at a time.
pub fn is_per_album(mode: Mode) -> bool {
    match mode {
        Mode::PerAlbum | Mode::Random => true,
        Mode::Combined => false,
    }
}
