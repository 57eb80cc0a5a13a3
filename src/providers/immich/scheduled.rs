//! What trackers ask for at moments of the clock: a summary of albums, assets picked from them, and
//! what was taken on this day in earlier years.
//!
//! A cursor for each holds the next moment and what it was worked out of, so that a moment is told once
//! and one that passed while the program did not run is left out.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::api::{Album, Asset};
use super::items::item;
use super::look::{Looking, is_per_album};
use super::notices;
use super::options::{Mode, Order, Picked, TrackerOptions, arrange};
use crate::domain::cron::Cron;
use crate::domain::notice::{Item, NoticeDraft};
use crate::providers::ask::{Unseen, Watch};
use crate::providers::cursor;

/// So late a moment is still told, in microseconds: a look takes its time.
const GRACE_MICROS: i64 = 10 * 60 * 1_000_000;
/// Assets that are asked for in order to choose among them.
const CHOSEN_FROM: u32 = 250;
/// Earlier years that a memory looks at.
const YEARS_MAX: i16 = 50;
/// Albums that one scheduled notice looks at.
const ALBUMS_MAX: usize = 100;

/// Tells what is due, and names the next moment.
pub async fn tell(looking: &mut Looking<'_>, albums: &[Album]) -> Result<(), Unseen> {
    let wanted = looking.wanted;
    let mut named = Vec::new();
    for (watch, options) in &wanted.watches {
        for (what, cron) in options.crons() {
            let key = format!("cron/{}/{what}", watch.tracker);
            if let Some(at) = due(looking, &key, &cron) {
                let watched: Vec<&Album> = albums
                    .iter()
                    .filter(|album| {
                        wanted
                            .watching(&album.id, &album.album_name)
                            .any(|(other, _)| other.tracker == watch.tracker)
                    })
                    .take(ALBUMS_MAX)
                    .collect();
                let told = match what {
                    "summary" => summary(looking, watch, &watched, at).await?,
                    "assets_picked" => picked(looking, watch, options, &watched, at).await?,
                    _memory => memory(looking, watch, options, &watched, at).await?,
                };
                for notice in told {
                    looking.say(notice);
                }
            }
            named.push(key);
        }
    }
    // What no tracker asks for any more leaves.
    for key in wanted.cursors.keys() {
        if key.starts_with("cron/") && !named.contains(key) {
            looking.moved().push((key.clone(), None));
        }
    }
    Ok(())
}

/// The moment that has come, if one has; the cursor moves on to the next.
fn due(looking: &mut Looking<'_>, key: &str, cron: &Cron) -> Option<i64> {
    let wanted = looking.wanted;
    let next = cron.next_after(&wanted.zone, wanted.now)?;
    let print = format!("{cron:?}\0{}", wanted.zone.iana_name().unwrap_or_default());
    let print = xxh3_64(print.as_bytes());
    let kept = cursor::moment(&wanted.cursors, key, print);
    // One that lies beyond the next was worked out by a clock that was wrong.
    let kept = kept.filter(|kept| *kept <= next);
    let (at, come) = match kept {
        Some(kept) if kept > wanted.now => (kept, None),
        Some(kept) => (next, Some(kept)),
        None => (next, None),
    };
    let soonest = looking
        .observation
        .next_at
        .map_or(at, |soonest| soonest.min(at));
    looking.observation.next_at = Some(soonest);
    cursor::set_moment(&wanted.cursors, looking.moved(), key, print, at);
    come.filter(|at| wanted.now.saturating_sub(*at) <= GRACE_MICROS)
}

async fn summary(
    looking: &mut Looking<'_>,
    watch: &Watch,
    albums: &[&Album],
    at: i64,
) -> Result<Vec<NoticeDraft>, Unseen> {
    if albums.is_empty() {
        return Ok(Vec::new());
    }
    let total: u64 = albums.iter().map(|album| album.asset_count).sum();
    let title = match albums {
        [album] => format!("{} has {total} items", album.album_name),
        many => format!("{} albums with {total} items", many.len()),
    };
    let mut lines = Vec::new();
    for album in albums {
        let addresses = looking.addresses(album).await?;
        let mut line = format!("{}: {}", album.album_name, album.asset_count);
        if let Some(public) = addresses.public {
            line.push_str(&format!(" · {}", public.page));
        }
        lines.push(line);
    }
    let mut notice = notices::clocked("summary", &watch.name, None, title, Vec::new(), at);
    notice.text = lines.join("\n");
    notice
        .labels
        .insert("albums".into(), albums.len().to_string());
    notice.labels.insert("assets".into(), total.to_string());
    Ok(vec![notice.bounded()])
}

/// What is asked of Immich to choose among, of what was taken in these days.
fn taken(album: &Album, from: Option<&str>, to: Option<&str>) -> Value {
    let mut wanted = json!({
        "albumIds": [album.id],
        "size": CHOSEN_FROM,
        "withExif": true,
        "withPeople": true,
    });
    if let Some(from) = from {
        wanted["takenAfter"] = json!(format!("{from}T00:00:00.000Z"));
    }
    if let Some(to) = to {
        wanted["takenBefore"] = json!(format!("{to}T23:59:59.999Z"));
    }
    wanted
}

fn query(album: &Album, picked: &Picked) -> Value {
    let mut wanted = taken(album, picked.from.as_deref(), picked.to.as_deref());
    if let Some(kind) = picked.media.asked_as() {
        wanted["type"] = json!(kind);
    }
    if picked.favourites {
        wanted["isFavorite"] = json!(true);
    }
    wanted
}

async fn picked(
    looking: &mut Looking<'_>,
    watch: &Watch,
    options: &TrackerOptions,
    albums: &[&Album],
    at: i64,
) -> Result<Vec<NoticeDraft>, Unseen> {
    let Some(picked) = &options.picked else {
        return Ok(Vec::new());
    };
    let chance = looking.wanted.chance;
    let filled: Vec<&Album> = albums
        .iter()
        .copied()
        .filter(|album| album.asset_count > 0)
        .collect();
    let chosen: Vec<&Album> = match (picked.mode, filled.len()) {
        (_, 0) => return Ok(Vec::new()),
        (Mode::Random, count) => vec![filled[(chance % count as u64) as usize]],
        (Mode::PerAlbum | Mode::Combined, _) => filled,
    };
    let mut told = Vec::new();
    let mut together: Vec<Item> = Vec::new();
    for album in chosen {
        let wanted = query(album, picked);
        let assets = match picked.order {
            Order::Random => looking.api.random(&wanted).await?,
            Order::Date | Order::Name | Order::Rating | Order::None => {
                looking.api.search(&wanted).await?.assets
            }
        };
        let addresses = looking.addresses(album).await?;
        let rated = |asset: &&Asset| {
            let rating = asset.exif_info.as_ref().and_then(|exif| exif.rating);
            rating.unwrap_or(0) >= picked.min_rating
        };
        let ready = assets.iter().filter(|asset| asset.is_ready()).filter(rated);
        let mut items: Vec<Item> = ready
            .map(|asset| item(asset, &album.id, &addresses))
            .collect();
        if is_per_album(picked.mode) {
            choose(&mut items, picked, options, chance);
            if items.is_empty() {
                continue;
            }
            let title = format!("From {}", album.album_name);
            let place = Some((album, &addresses));
            let notice = notices::clocked("assets_picked", &watch.name, place, title, items, at);
            told.push(notice);
        } else {
            together.extend(items);
        }
    }
    choose(&mut together, picked, options, chance);
    if !together.is_empty() {
        let title = "From your albums".to_owned();
        told.push(notices::clocked(
            "assets_picked",
            &watch.name,
            None,
            title,
            together,
            at,
        ));
    }
    Ok(told)
}

fn choose(items: &mut Vec<Item>, picked: &Picked, options: &TrackerOptions, chance: u64) {
    let mut seen = std::collections::BTreeSet::new();
    items.retain(|item| seen.insert(item.key.clone()));
    arrange(items, picked.order, options.ascending, chance);
    items.truncate(picked.limit);
}

async fn memory(
    looking: &mut Looking<'_>,
    watch: &Watch,
    options: &TrackerOptions,
    albums: &[&Album],
    at: i64,
) -> Result<Vec<NoticeDraft>, Unseen> {
    let Some(memory) = &options.memory else {
        return Ok(Vec::new());
    };
    let zone = &looking.wanted.zone;
    let Ok(now) = Timestamp::from_microsecond(at) else {
        return Ok(Vec::new());
    };
    let today = now.to_zoned_datetime(zone.clone()).date();
    let mut items: Vec<Item> = Vec::new();
    for album in albums {
        let first = album.start_date.as_deref().and_then(|text| {
            let at: Timestamp = text.parse().ok()?;
            Some(at.to_zoned_datetime(zone.clone()).date().year())
        });
        let Some(first) = first else { continue };
        let first = first.max(today.year().saturating_sub(YEARS_MAX));
        let mut addresses = None;
        for year in first..today.year() {
            // The 29th of February has no day in other years.
            let Ok(day) = Date::new(year, today.month(), today.day()) else {
                continue;
            };
            let day = day.to_string();
            let wanted = taken(album, Some(&day), Some(&day));
            let found = looking.api.search(&wanted).await?.assets;
            if found.is_empty() {
                continue;
            }
            if addresses.is_none() {
                addresses = Some(looking.addresses(album).await?);
            }
            let addresses = addresses.clone().unwrap_or_default();
            let ready = found.iter().filter(|asset| asset.is_ready());
            items.extend(ready.map(|asset| item(asset, &album.id, &addresses)));
        }
    }
    arrange(&mut items, Order::Date, true, 0);
    items.dedup_by(|one, other| one.key == other.key);
    items.truncate(memory.limit);
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let title = "On this day in earlier years".to_owned();
    let notice = notices::clocked("memory", &watch.name, None, title, items, at);
    Ok(vec![notice])
}
