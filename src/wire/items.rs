//! A notice's items. Their keys, kinds and labels stand in the notice itself; the rest follows, item by
//! item in the same order, with every text once in a table.

use serde::{Deserialize, Serialize};

use super::Texts;
use crate::domain::item::{Degrees, Item, ItemKind, Items, Shared, TEXT_FIELDS, with_key};

#[derive(Serialize, Deserialize)]
pub(super) struct ItemR1<'a> {
    key: &'a str,
    kind: &'a str,
    label: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ItemsR1<'a> {
    #[serde(borrow)]
    added: Vec<ItemR1<'a>>,
    #[serde(borrow)]
    removed: Vec<ItemR1<'a>>,
    added_total: u64,
    removed_total: u64,
}

/// (number of the field in [`Item::texts`], index in the table, whether the key was taken out)
type TextR1 = (u8, u32, bool);

#[derive(Serialize, Deserialize)]
struct DetailR1 {
    taken_at: Option<i64>,
    size: Option<u64>,
    playback_size: Option<u64>,
    favourite: Option<bool>,
    rating: Option<i8>,
    lat: Option<i32>,
    lon: Option<i32>,
    texts: Vec<TextR1>,
    /// (index in the table, whether the key was taken out)
    people: Vec<(u32, bool)>,
    tags: Vec<(u32, bool)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DetailsR1<'a> {
    #[serde(borrow)]
    table: Vec<&'a str>,
    added: Vec<DetailR1>,
    removed: Vec<DetailR1>,
}

/// The details of items; nothing where no item has any. The table has to outlive what is written.
pub(super) fn details_r1<'t>(items: &Items, table: &'t mut Shared) -> Option<DetailsR1<'t>> {
    let plain = |item: &Item| {
        let named = Item {
            key: item.key.clone(),
            kind: item.kind,
            label: item.label.clone(),
            ..Item::default()
        };
        *item == named
    };
    if items.added.iter().chain(&items.removed).all(plain) {
        return None;
    }
    let mut detail = |item: &Item| DetailR1 {
        taken_at: item.taken_at,
        size: item.size,
        playback_size: item.playback_size,
        favourite: item.favourite,
        rating: item.rating,
        lat: item.lat.map(|degrees| degrees.0),
        lon: item.lon.map(|degrees| degrees.0),
        texts: (0u8..)
            .zip(item.texts())
            .filter_map(|(field, text)| {
                let (index, keyed) = table.index(&item.key, text?);
                Some((field, index, keyed))
            })
            .collect(),
        people: names(&item.key, &item.people, table),
        tags: names(&item.key, &item.tags, table),
    };
    let added = items.added.iter().map(&mut detail).collect();
    let removed = items.removed.iter().map(&mut detail).collect();
    Some(DetailsR1 {
        table: table.texts().iter().map(String::as_str).collect(),
        added,
        removed,
    })
}

fn names(key: &str, names: &[String], table: &mut Shared) -> Vec<(u32, bool)> {
    names.iter().map(|name| table.index(key, name)).collect()
}

/// Adds the details to items that were read from the same bytes. Where those were not taken over, the
/// details are looked through all the same, so that both ways of reading refuse the same bytes.
pub(super) fn describe(
    items: &mut Items,
    details: &DetailsR1<'_>,
    texts: Texts,
) -> Result<(), String> {
    for (items, found) in [
        (&mut items.added, &details.added),
        (&mut items.removed, &details.removed),
    ] {
        let unread = items.is_empty() && texts == Texts::OfState;
        if !unread && items.len() != found.len() {
            let (items, found) = (items.len(), found.len());
            return Err(format!("{items} items with the details of {found}"));
        }
        let mut items = items.iter_mut();
        for detail in found {
            let mut passed_over = Item::default();
            fill(
                items.next().unwrap_or(&mut passed_over),
                detail,
                &details.table,
            )?;
        }
    }
    Ok(())
}

fn fill(item: &mut Item, detail: &DetailR1, table: &[&str]) -> Result<(), String> {
    let key = item.key.clone();
    let text = |index: u32, keyed: bool| {
        let text = table
            .get(index as usize)
            .ok_or_else(|| format!("no text {index} in the table of items"))?;
        Ok::<_, String>(with_key(&key, text, keyed))
    };
    let names = |names: &[(u32, bool)]| {
        let names = names.iter().map(|(index, keyed)| text(*index, *keyed));
        names.collect::<Result<Vec<String>, String>>()
    };
    item.taken_at = detail.taken_at;
    item.size = detail.size;
    item.playback_size = detail.playback_size;
    item.favourite = detail.favourite;
    item.rating = detail.rating;
    item.lat = detail.lat.map(Degrees);
    item.lon = detail.lon.map(Degrees);
    item.people = names(&detail.people)?;
    item.tags = names(&detail.tags)?;
    let mut fields: [&mut Option<String>; TEXT_FIELDS] = item.texts_mut();
    for (field, index, keyed) in &detail.texts {
        let place = fields
            .get_mut(usize::from(*field))
            .ok_or_else(|| format!("no field {field} in an item"))?;
        **place = Some(text(*index, *keyed)?);
    }
    Ok(())
}

/// What names the items; nothing where there are none.
pub(super) fn items_r1(items: &Items) -> Option<ItemsR1<'_>> {
    (!items.is_empty()).then(|| ItemsR1 {
        added: named_r1(&items.added),
        removed: named_r1(&items.removed),
        added_total: items.added_total,
        removed_total: items.removed_total,
    })
}

pub(super) fn items(found: ItemsR1<'_>, texts: Texts) -> Items {
    Items {
        added: named(found.added, texts),
        removed: named(found.removed, texts),
        added_total: found.added_total,
        removed_total: found.removed_total,
    }
}

fn named_r1(items: &[Item]) -> Vec<ItemR1<'_>> {
    items
        .iter()
        .map(|item| ItemR1 {
            key: &item.key,
            kind: item.kind.as_str(),
            label: &item.label,
        })
        .collect()
}

fn named(items: Vec<ItemR1<'_>>, texts: Texts) -> Vec<Item> {
    texts.unread_list(items.into_iter().map(|item| Item {
        key: item.key.to_owned(),
        kind: ItemKind::named(item.kind),
        label: item.label.to_owned(),
        ..Item::default()
    }))
}
