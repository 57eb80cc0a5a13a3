//! A listing of an album's assets, folded page by page.

use std::collections::BTreeSet;

use super::api::Asset;
use super::items::{Addresses, item, kind_of};
use super::kept::Kept;
use super::known::{Id, Known, id_of};
use crate::domain::notice::{ITEMS_MAX, Item, ItemKind};

/// What a listing or a delta made of an album.
#[derive(Default)]
pub struct Changes {
    pub added: Vec<Item>,
    pub photos: u64,
    pub videos: u64,
    pub added_total: u64,
    pub removed: Vec<Id>,
}

/// What a listing found.
#[derive(Default)]
pub struct Listing {
    /// Everything in it, ready or not; of a large album that is all that is held of it.
    pub seen: Known,
    /// How many of them are ready and were not known before.
    pub ready: u64,
    pub pending: BTreeSet<Id>,
    /// The first of those that are ready and were not known.
    pub items: Vec<Item>,
    pub photos: u64,
    pub videos: u64,
    pub newest: String,
}

impl Listing {
    pub fn take(&mut self, asset: &Asset, album: &str, addresses: &Addresses, known: &Known) {
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
        self.ready += 1;
        match kind_of(asset.kind) {
            ItemKind::Photo => self.photos += 1,
            ItemKind::Video => self.videos += 1,
            ItemKind::Audio | ItemKind::File | ItemKind::Other => {}
        }
        if self.items.len() < ITEMS_MAX {
            self.items.push(item(asset, album, addresses));
        }
    }
}

pub fn take_listing(changes: &mut Changes, listing: Listing, known: &mut Known, kept: &mut Kept) {
    changes.added_total = listing.ready;
    changes.added = listing.items;
    (changes.photos, changes.videos) = (listing.photos, listing.videos);
    for id in listing.seen.iter() {
        if !listing.pending.contains(id) {
            known.insert(*id);
        }
    }
    if listing.newest > kept.since {
        kept.since = listing.newest;
    }
}
