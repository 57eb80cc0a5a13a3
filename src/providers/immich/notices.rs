//! The notices of Immich.

use std::collections::{BTreeMap, BTreeSet};

use super::api::Album;
use super::items::Addresses;
use super::options::TRACKER;
use crate::domain::item::Common;
use crate::domain::notice::{Collection, Item, Items, NoticeDraft, Severity, Subject, Transition};

/// People named in a notice's label; the others are left out.
const PEOPLE_MAX: usize = 10;

fn album_name(name: &str) -> &str {
    if name.trim().is_empty() {
        "an album without a name"
    } else {
        name
    }
}

/// A notice about an album, with what every one of them has.
fn about(kind: &str, id: &str, name: &str, base: &str) -> NoticeDraft {
    let name = album_name(name);
    NoticeDraft {
        kind: kind.into(),
        collection: Some(Collection {
            id: id.into(),
            name: name.into(),
        }),
        subject: Subject {
            key: format!("album:{id}"),
            label: name.into(),
        },
        transition: Transition::Updates,
        severity: Severity::Info,
        url: Some(format!("{base}/albums/{id}")),
        ..NoticeDraft::default()
    }
}

fn of(kind: &str, album: &Album, addresses: &Addresses) -> NoticeDraft {
    let mut notice = about(kind, &album.id, &album.album_name, &addresses.base);
    let mut label = |key: &str, value: String| {
        notice.labels.insert(key.into(), value);
    };
    label("assets", album.asset_count.to_string());
    label("shared", album.shared.to_string());
    if let Some(public) = &addresses.public {
        label("public_url", public.page.clone());
        if public.is_protected {
            label("protected", "true".into());
        }
    }
    notice
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `3 photos and 1 video`.
fn counted(total: u64, photos: u64, videos: u64) -> String {
    let others = total.saturating_sub(photos + videos);
    let parts: Vec<String> = [
        (photos, "photo", "photos"),
        (videos, "video", "videos"),
        (others, "file", "files"),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, one, many)| plural(count, one, many))
    .collect();
    match parts.split_last() {
        None => "nothing".into(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What all items have in common, and who is on them.
fn shared_facts(items: &[Item], labels: &mut BTreeMap<String, String>) {
    let common = Common::of(items);
    let people: BTreeSet<&str> = items
        .iter()
        .flat_map(|item| item.people.iter().map(String::as_str))
        .collect();
    let people: Vec<&str> = people.into_iter().take(PEOPLE_MAX).collect();
    let mut label = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(key.into(), value);
        }
    };
    label("date", common.date);
    label("place", common.place);
    label("people", Some(people.join(", ")));
}

/// Lines below the title: who, when and where, as far as it is known.
fn lines(labels: &BTreeMap<String, String>) -> String {
    let mut lines = Vec::new();
    if let Some(people) = labels.get("people") {
        lines.push(format!("With {people}"));
    }
    let when = labels.get("date").map(String::as_str);
    let place = labels.get("place").map(String::as_str);
    match (when, place) {
        (Some(when), Some(place)) => lines.push(format!("{when}, {place}")),
        (Some(one), None) | (None, Some(one)) => lines.push(one.to_owned()),
        (None, None) => {}
    }
    lines.join("\n")
}

pub fn added(
    album: &Album,
    items: Vec<Item>,
    [total, photos, videos]: [u64; 3],
    addresses: &Addresses,
) -> NoticeDraft {
    let mut notice = of("assets_added", album, addresses);
    notice.title = format!(
        "{} added to {}",
        counted(total, photos, videos),
        album_name(&album.album_name)
    );
    notice.labels.insert("photos".into(), photos.to_string());
    notice.labels.insert("videos".into(), videos.to_string());
    notice.labels.insert("added".into(), total.to_string());
    shared_facts(&items, &mut notice.labels);
    notice.text = lines(&notice.labels);
    notice.items = Items {
        added: items,
        added_total: total,
        ..Items::default()
    };
    notice.bounded()
}

pub fn removed(album: &Album, items: Vec<Item>, total: u64, addresses: &Addresses) -> NoticeDraft {
    let mut notice = of("assets_removed", album, addresses);
    notice.title = format!(
        "{} removed from {}",
        plural(total, "item", "items"),
        album_name(&album.album_name)
    );
    notice.labels.insert("removed".into(), total.to_string());
    notice.items = Items {
        removed: items,
        removed_total: total,
        ..Items::default()
    };
    notice.bounded()
}

/// Says anew who, when and where, of the items that a tracker has left or several notices have
/// together.
pub fn describe(shaped: &mut NoticeDraft) {
    for stale in ["date", "place", "people"] {
        shaped.labels.remove(stale);
    }
    shared_facts(&shaped.items.added, &mut shaped.labels);
    shaped.text = lines(&shaped.labels);
}

/// The title of what a tracker made of a notice, where it counts other things than before or several
/// notices were told as one.
pub fn retitle(shaped: &mut NoticeDraft, before: &NoticeDraft) {
    let totals = |notice: &NoticeDraft| (notice.items.added_total, notice.items.removed_total);
    if !shaped.title.is_empty() && totals(shaped) == totals(before) {
        return;
    }
    let (added, removed) = totals(shaped);
    let place = shaped.collection.as_ref();
    let place = place.map_or("your albums", |place| album_name(&place.name));
    let added_words = plural(added, "item", "items");
    shaped.title = match shaped.kind.as_str() {
        "assets_added" | "assets_removed" => match (added, removed) {
            (0, _) => format!("{} removed from {place}", plural(removed, "item", "items")),
            (_, 0) => format!("{added_words} added to {place}"),
            (_, _) => format!("{added_words} added to and {removed} removed from {place}"),
        },
        _scheduled => return,
    };
    // They counted what the provider saw at once.
    for stale in ["photos", "videos"] {
        shaped.labels.remove(stale);
    }
    for (label, total) in [("added", added), ("removed", removed)] {
        if total > 0 {
            shaped.labels.insert(label.into(), total.to_string());
        }
    }
}

pub fn renamed(album: &Album, before: &str, addresses: &Addresses) -> NoticeDraft {
    let mut notice = of("album_renamed", album, addresses);
    notice.title = format!(
        "Album {} is now called {}",
        album_name(before),
        album_name(&album.album_name)
    );
    notice.before.insert("name".into(), before.to_owned());
    notice.after.insert("name".into(), album.album_name.clone());
    notice.bounded()
}

pub fn created(album: &Album, addresses: &Addresses) -> NoticeDraft {
    let mut notice = of("album_created", album, addresses);
    notice.transition = Transition::Opens;
    notice.title = format!(
        "New album {} with {}",
        album_name(&album.album_name),
        plural(album.asset_count, "item", "items")
    );
    notice.bounded()
}

pub fn deleted(id: &str, name: &str, count: u64, base: &str) -> NoticeDraft {
    let mut notice = about("album_deleted", id, name, base);
    notice.transition = Transition::Closes;
    notice.url = None;
    notice.title = format!("Album {} is gone", album_name(name));
    notice.labels.insert("assets".into(), count.to_string());
    notice.bounded()
}

pub fn sharing_changed(album: &Album, was: (bool, bool), addresses: &Addresses) -> NoticeDraft {
    let words = |(shared, linked): (bool, bool)| match (shared, linked) {
        (false, false) => "private",
        (true, false) => "shared with members",
        (false, true) => "open by a public link",
        (true, true) => "shared with members and open by a public link",
    };
    let now = words((album.shared, album.has_shared_link));
    let mut notice = of("sharing_changed", album, addresses);
    notice.title = format!("Album {} is now {now}", album_name(&album.album_name));
    notice.before.insert("sharing".into(), words(was).into());
    notice.after.insert("sharing".into(), now.into());
    notice.bounded()
}

/// A notice of the clock for one tracker: of one album, or of all that it watches.
pub fn clocked(
    kind: &str,
    tracker: &str,
    album: Option<(&Album, &Addresses)>,
    title: String,
    items: Vec<Item>,
    at: i64,
) -> NoticeDraft {
    let mut notice = match album {
        Some((album, addresses)) => of(kind, album, addresses),
        None => NoticeDraft {
            kind: kind.into(),
            ..NoticeDraft::default()
        },
    };
    notice.subject = Subject {
        key: format!("{kind}:{tracker}"),
        label: title.clone(),
    };
    notice.transition = Transition::None;
    notice.title = title;
    notice.labels.insert(TRACKER.into(), tracker.to_owned());
    shared_facts(&items, &mut notice.labels);
    notice.text = lines(&notice.labels);
    notice.items = Items {
        added_total: items.len() as u64,
        added: items,
        ..Items::default()
    };
    notice.occurred_at = Some(at);
    notice.bounded()
}
