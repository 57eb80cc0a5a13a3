//! A look at the albums: what is new of them since the cursors.
//!
//! One request lists the albums, and tells of each whether anything can have changed. Of those that
//! changed a small one is listed whole. Of a large one only the assets are asked that changed since, as
//! long as what is known and what is new come to the album's count; what such a look cannot see (one
//! old asset added, another removed) is found by a whole listing a while later.
//!
//! **Invariant:** an asset is told once, when it is ready. What is in an album and not ready yet is
//! remembered as pending, and looked for until it is.
//!
//! **Invariant:** nothing is said to be removed that a service only failed to list: a listing that does
//! not come to the album's count, or that the album changed under, takes nothing away until it was seen
//! [`UNSURE_MAX`] times.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{Album, Api};
use super::items::{Addresses, Public, item, moment};
use super::kept::{Kept, Noted, known_albums, put_pending};
use super::known::{Id, Known, text_of};
use super::listing::{Changes, Listing, take_listing};
use super::options::{Mode, ShareLinks, TrackerOptions};
use super::{notices, scheduled};
use crate::domain::notice::{ITEMS_MAX, Item, ItemKind, NoticeDraft};
use crate::domain::routing::Patterns;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Observation, Unseen, Watch};
use crate::providers::cursor::Moved;

/// Looks at a listing that does not come to the album's count before it is believed.
const UNSURE_MAX: u8 = 3;
/// Removed assets whose names are asked for, of one album at a time.
const REMOVED_NAMED_MAX: usize = 10;
/// An album of at most so many assets, which are five pages, is listed whole whenever it changed.
pub const SMALL_MAX: u64 = 2_500;
/// Notices of albums of one look. What is new beyond them is left for the next, which begins at once.
/// An album has four at most, and what the clock asks for needs room besides.
const NOTICES_MAX: usize = 60;
/// Notices of one look, those of the clock included.
const ALL_NOTICES_MAX: usize = 200;
const _: () = assert!(ALL_NOTICES_MAX <= crate::domain::decide::NOTICES_PER_REQUEST_MAX);
/// Albums that could not be looked at before a look gives up.
const FAILURES_MAX: usize = 3;
/// Cursors that one look moves, before it leaves the rest to the next.
const MOVED_MAX: usize = 1_024;

/// What a look is for, with nothing of it borrowed.
pub struct Wanted {
    pub base: String,
    pub watches: Vec<(Watch, TrackerOptions)>,
    pub cursors: OfProvider,
    pub now: i64,
    pub zone: jiff::tz::TimeZone,
    pub chance: u64,
    /// An album of at most so many assets is a small one.
    pub small_max: u64,
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
    let mut albums = api.albums().await?;
    let mut listed = BTreeSet::new();
    albums.retain(|album| listed.insert(album.id.clone()));
    let mut looking = Looking {
        api,
        wanted,
        links: Links::default(),
        observation: Observation::default(),
        left: false,
        noted: Noted::read(&wanted.cursors, &albums),
        failed: Vec::new(),
    };
    for album in &albums {
        if !wanted.is_watched(album) {
            looking.noted.note(&album.id);
            continue;
        }
        if looking.is_full() {
            looking.left = true;
            break;
        }
        match looking.album(album).await {
            Ok(()) => looking.noted.note(&album.id),
            // One album must not keep the others from being looked at.
            Err(unseen) => looking.fail(unseen)?,
        }
    }
    if !looking.left {
        if let Err(unseen) = looking.gone(&albums).await {
            looking.fail(unseen)?;
        }
        let observation = &looking.observation;
        let before = (observation.cursors.len(), observation.notices.len());
        if let Err(unseen) = scheduled::tell(&mut looking, &albums).await {
            looking.observation.cursors.truncate(before.0);
            looking.observation.notices.truncate(before.1);
            looking.fail(unseen)?;
        }
    }
    let Looking {
        mut observation,
        mut failed,
        left,
        noted,
        ..
    } = looking;
    noted.save(&wanted.cursors, &mut observation.cursors, &albums, left);
    match failed.pop() {
        Some(unseen) if observation.is_nothing() => return Err(unseen),
        Some(_) | None => {}
    }
    if left {
        observation.next_at = Some(wanted.now);
    }
    Ok(observation)
}

/// A look under way.
pub struct Looking<'a> {
    pub api: &'a Api,
    pub wanted: &'a Wanted,
    links: Links,
    pub observation: Observation,
    /// Whether something was left for the next look.
    left: bool,
    noted: Noted,
    /// Why albums could not be looked at.
    failed: Vec<Unseen>,
}

/// Public links by album, asked for when they are first needed.
#[derive(Default)]
struct Links(Option<BTreeMap<String, Public>>);

impl Looking<'_> {
    pub fn moved(&mut self) -> &mut Moved {
        &mut self.observation.cursors
    }

    fn is_full(&self) -> bool {
        self.observation.notices.len() >= NOTICES_MAX || self.observation.cursors.len() >= MOVED_MAX
    }

    /// Goes on after a failure, unless the service asks for a pause or there are many.
    fn fail(&mut self, unseen: Unseen) -> Result<(), Unseen> {
        if unseen.after.is_some() || self.failed.len() + 1 >= FAILURES_MAX {
            return Err(unseen);
        }
        self.failed.push(unseen);
        Ok(())
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

    async fn album(&mut self, album: &Album) -> Result<(), Unseen> {
        let cursors = &self.wanted.cursors;
        let now = self.wanted.now;
        let Some(mut kept) = Kept::read(cursors, &album.id) else {
            return self.baseline(album).await;
        };
        if kept.is_as(album) && kept.is_settled(now) {
            return Ok(());
        }
        let mut told = Vec::new();
        let renamed = kept.name != album.album_name;
        let reshared = (kept.shared, kept.linked) != (album.shared, album.has_shared_link);
        let before = kept.clone();
        let mut known = Known::read(cursors, &album.id, kept.bits);
        let mut changes = Changes::default();
        if !kept.has_assets_of(album) || !kept.is_settled(now) {
            changes = self.changes(album, &mut kept, &mut known).await?;
            if before.quiet {
                changes = Changes::default();
            }
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

    fn keep(&mut self, album: &Album, mut kept: Kept, known: Known) {
        let cursors = &self.wanted.cursors;
        kept.bits = known.save(cursors, &mut self.observation.cursors, &album.id);
        kept.save(cursors, &mut self.observation.cursors, &album.id);
    }

    /// The first look at an album says nothing of its assets. An album that came to be since the first
    /// look at all is said to be new.
    async fn baseline(&mut self, album: &Album) -> Result<(), Unseen> {
        let mut kept = Kept::default();
        let addresses = Addresses::default();
        let listed = self
            .list(album, None, &addresses, &Known::default())
            .await?;
        if listed.seen.len() as u64 != album.asset_count {
            // What was not listed may turn out to be there, and would be said to be new.
            (kept.again, kept.quiet) = (true, true);
        }
        let mut known = listed.seen;
        for id in &listed.pending {
            known.remove(id);
        }
        kept.since = listed.newest;
        put_pending(&mut kept, listed.pending);
        kept.take(album);
        if !self.noted.was_there(&album.id) {
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
    ) -> Result<Changes, Unseen> {
        let now = self.wanted.now;
        let addresses = self.addresses(album).await?;
        let mut changes = Changes::default();
        let is_changed = !kept.has_assets_of(album);
        let is_small = album.asset_count <= self.wanted.small_max;
        if !(kept.is_to_be_listed(now) || is_changed && is_small) {
            let since = kept.asked_since();
            let delta = self
                .list(album, since.as_deref(), &addresses, known)
                .await?;
            let mut pending: BTreeSet<Id> = kept.pending.iter().copied().collect();
            pending.retain(|id| !delta.seen.contains(id));
            pending.extend(&delta.pending);
            let expected = (known.len() + pending.len()) as u64 + delta.ready;
            if expected == album.asset_count || !is_changed {
                take_listing(&mut changes, delta, known, kept);
                put_pending(kept, pending);
                if is_changed && kept.unchecked == 0 {
                    kept.unchecked = now;
                }
                return Ok(changes);
            }
        }
        let listed = self.list(album, None, &addresses, known).await?;
        let gone: Vec<Id> = known
            .iter()
            .filter(|id| !listed.seen.contains(id))
            .copied()
            .collect();
        let mut is_whole = listed.seen.len() as u64 == album.asset_count;
        if is_whole && !gone.is_empty() {
            // Pages move while an album changes, and the next one then begins too late.
            let after = self.api.album(&album.id).await?;
            is_whole = after.is_some_and(|after| {
                after.asset_count == album.asset_count && after.updated_at == album.updated_at
            });
        }
        kept.unsure = if is_whole {
            0
        } else {
            kept.unsure.saturating_add(1)
        };
        let is_believed = is_whole || kept.unsure >= UNSURE_MAX;
        kept.again = !is_believed;
        if is_believed {
            (kept.unsure, kept.unchecked, kept.quiet) = (0, 0, false);
            for id in &gone {
                known.remove(id);
            }
            changes.removed = gone;
        }
        let mut pending = listed.pending.clone();
        if !is_believed {
            // What was not listed this time is looked for all the same.
            pending.extend(kept.pending.iter().filter(|id| !listed.seen.contains(id)));
        }
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

    /// What a tracker asked for at a moment of the clock; of very many albums the first.
    pub fn say(&mut self, notice: NoticeDraft) {
        if self.observation.notices.len() < ALL_NOTICES_MAX {
            self.observation.notices.push(notice);
        }
    }
}

/// Whether a mode tells of one album at a time.
pub fn is_per_album(mode: Mode) -> bool {
    match mode {
        Mode::PerAlbum | Mode::Random => true,
        Mode::Combined => false,
    }
}
