//! Assets of Immich as items.

use jiff::Timestamp;

use super::api::{Asset, AssetType, SharedLink};
use crate::domain::notice::{Degrees, Item, ItemKind};

/// A moment as Immich writes it, in microseconds since 1970.
pub fn moment(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_microsecond)
}

/// Where people see an album and its assets.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The service as people reach it, without a slash at its end.
    pub base: String,
    /// The album's page for anyone, and the key that opens its files; none without a link.
    pub public: Option<Public>,
}

#[derive(Debug, Clone)]
pub struct Public {
    pub page: String,
    pub key: String,
    /// Whether a password is asked for.
    pub is_protected: bool,
}

impl Public {
    pub fn of(base: &str, link: &SharedLink) -> Public {
        let page = match &link.slug {
            Some(slug) if !slug.is_empty() => format!("{base}/s/{slug}"),
            Some(_) | None => format!("{base}/share/{}", link.key),
        };
        Public {
            page,
            key: link.key.clone(),
            is_protected: link.password.as_ref().is_some_and(|word| !word.is_empty()),
        }
    }
}

pub fn kind_of(kind: AssetType) -> ItemKind {
    match kind {
        AssetType::Image => ItemKind::Photo,
        AssetType::Video => ItemKind::Video,
        AssetType::Audio => ItemKind::Audio,
        AssetType::Other => ItemKind::Other,
    }
}

/// An asset as an item of an album.
pub fn item(asset: &Asset, album: &str, addresses: &Addresses) -> Item {
    let exif = asset.exif_info.clone().unwrap_or_default();
    let taken = [&exif.date_time_original, &asset.file_created_at];
    let id = &asset.id;
    let base = &addresses.base;
    // Without a public link its files are for members only, who see them on its page.
    let file = |path: &str| {
        let public = addresses
            .public
            .as_ref()
            .filter(|link| !link.is_protected)?;
        let join = if path.contains('?') { '&' } else { '?' };
        Some(format!(
            "{base}/api/assets/{id}/{path}{join}key={}",
            public.key
        ))
    };
    let names = |list: &[super::api::Named]| -> Vec<String> {
        let names = list.iter().map(|one| one.name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    let is_video = asset.kind == AssetType::Video;
    Item {
        key: id.clone(),
        kind: kind_of(asset.kind),
        label: asset.original_file_name.clone(),
        taken_at: taken.into_iter().flatten().find_map(|text| moment(text)),
        size: exif.file_size_in_byte,
        playback_size: None,
        favourite: Some(asset.is_favorite),
        rating: exif.rating,
        lat: exif.latitude.and_then(Degrees::of),
        lon: exif.longitude.and_then(Degrees::of),
        owner: asset.owner.as_ref().map(|owner| owner.name.clone()),
        owner_id: asset.owner_id.clone(),
        description: exif.description,
        city: exif.city,
        state: exif.state,
        country: exif.country,
        url: Some(match album {
            "" => format!("{base}/photos/{id}"),
            album => format!("{base}/albums/{album}/photos/{id}"),
        }),
        public_url: addresses
            .public
            .as_ref()
            .map(|public| format!("{}/photos/{id}", public.page)),
        download_url: file("original"),
        playback_url: is_video.then(|| file("video/playback")).flatten(),
        photo_url: file("thumbnail?size=preview"),
        thumbhash: asset.thumbhash.clone(),
        people: names(&asset.people),
        tags: names(&asset.tags),
        fetch: Some(id.clone()),
    }
}
