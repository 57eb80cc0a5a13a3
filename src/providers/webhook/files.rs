//! Items of a mapped webhook: a list of addresses, or of records with a `file` each.
//!
//! **Invariant:** such files are fetched without credentials, wherever they are: a sender says where
//! they are, and must not learn a secret by it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::domain::item::{Degrees, ITEMS_MAX, Item, ItemKind, Items};
use crate::domain::notice::is_http_url;
use crate::domain::spec::ProviderSpec;
use crate::providers::fetch::{FetchContext, Fetchable, Rendition, Unfetchable};
use crate::targets::Call;

/// Endings of addresses by which the kind of a file is known.
const ENDINGS: [(&str, ItemKind); 14] = [
    ("jpg", ItemKind::Photo),
    ("jpeg", ItemKind::Photo),
    ("png", ItemKind::Photo),
    ("webp", ItemKind::Photo),
    ("gif", ItemKind::Photo),
    ("heic", ItemKind::Photo),
    ("mp4", ItemKind::Video),
    ("mov", ItemKind::Video),
    ("mkv", ItemKind::Video),
    ("webm", ItemKind::Video),
    ("mp3", ItemKind::Audio),
    ("m4a", ItemKind::Audio),
    ("ogg", ItemKind::Audio),
    ("flac", ItemKind::Audio),
];

/// The handle of an item: where each of its forms is.
#[derive(Serialize, Deserialize)]
struct Handle {
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
}

/// What an expression gave, as items that were added. What is neither an address nor a record counts
/// for nothing.
pub(super) fn items(value: &minijinja::Value) -> Items {
    let entries = match serde_json::to_value(value) {
        Ok(Value::Array(entries)) => entries,
        Ok(Value::Null) | Err(_) => Vec::new(),
        Ok(one) => vec![one],
    };
    let added_total = entries.len() as u64;
    let added = entries.iter().take(ITEMS_MAX).filter_map(item).collect();
    Items {
        added,
        added_total,
        ..Items::default()
    }
}

fn item(entry: &Value) -> Option<Item> {
    let text = |name: &str| {
        let text = entry.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let address = |name: &str| text(name).filter(|url| is_http_url(url));
    let file = match entry {
        Value::String(url) => is_http_url(url).then(|| url.trim().to_owned()),
        Value::Object(_) => address("file"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
    };
    let ending = file.as_deref().and_then(name_of).unwrap_or_default();
    let label = text("label").unwrap_or_else(|| ending.clone());
    let key = text("key").or_else(|| file.clone())?;
    let names = |name: &str| -> Vec<String> {
        let names = entry.get(name).and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    let degrees = |name: &str| entry.get(name)?.as_f64().and_then(Degrees::of);
    Some(Item {
        key,
        kind: text("kind").map_or_else(|| kind_of(&ending), |kind| ItemKind::named(&kind)),
        label,
        taken_at: text("taken_at")
            .and_then(|at| at.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_microsecond),
        size: entry.get("size").and_then(Value::as_u64),
        description: text("description"),
        owner: text("owner"),
        city: text("city"),
        state: text("state"),
        country: text("country"),
        lat: degrees("lat"),
        lon: degrees("lon"),
        people: names("people"),
        tags: names("tags"),
        url: address("url"),
        fetch: file.map(|file| {
            let handle = Handle {
                file,
                preview: address("preview"),
                thumbnail: address("thumbnail"),
            };
            serde_json::to_string(&handle).unwrap_or_default()
        }),
        ..Item::default()
    })
}

/// The last piece of an address's path, decoded.
fn name_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    Some(name.into_owned())
}

fn kind_of(name: &str) -> ItemKind {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ENDINGS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(ending))
        .map_or(ItemKind::File, |(_, kind)| *kind)
}

impl Fetchable for super::Generic {
    fn origin(&self, _spec: &ProviderSpec) -> Option<Url> {
        None
    }

    fn fetch(&self, context: &FetchContext<'_>) -> Result<Option<Call>, Unfetchable> {
        let handle: Handle = serde_json::from_str(context.handle)
            .map_err(|error| Unfetchable::Handle(error.to_string()))?;
        let url = match context.wanted {
            Rendition::Original => Some(handle.file),
            Rendition::Preview => handle.preview,
            Rendition::Thumbnail => handle.thumbnail,
        };
        Ok(url.map(|url| Call {
            method: "GET",
            url,
            headers: Vec::new(),
            body: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Items {
        items(&minijinja::Value::from(minijinja::value::Serde(&value)))
    }

    #[test]
    fn addresses_and_records_become_items() {
        let read = read(json!([
            "https://cam.example/clips/front%20door.MP4",
            {"key": "7", "kind": "photo", "label": "Porch", "file": "http://cam.example/7", "thumbnail": "http://cam.example/7/t",
             "size": 12, "taken_at": "2026-05-01T10:00:00Z", "lat": 1.5, "people": ["Ada", 3], "url": "javascript:1"},
            {"label": "nothing names it"},
            7,
        ]));
        assert_eq!((read.added.len(), read.added_total), (2, 4));
        let [clip, porch] = read.added.as_slice() else {
            panic!("two items");
        };
        assert_eq!(
            (clip.kind, clip.label.as_str()),
            (ItemKind::Video, "front door.MP4")
        );
        assert_eq!(
            (porch.size, porch.lat),
            (Some(12), Some(Degrees(1_500_000)))
        );
        assert_eq!(
            (porch.people.as_slice(), porch.url.as_deref()),
            (&["Ada".to_owned()][..], None)
        );
        let fetched = |item: &Item, wanted| {
            let spec: ProviderSpec =
                serde_json::from_value(json!({"name": "cam", "kind": "webhook"})).expect("a spec");
            let context = FetchContext {
                spec: &spec,
                secrets: &[("secret".to_owned(), "s".to_owned())].into(),
                kind: item.kind,
                handle: item.fetch.as_deref().unwrap_or_default(),
                wanted,
            };
            let call = crate::providers::fetch::call(&super::super::Generic, &context);
            call.map(|call| call.map(|call| call.url))
        };
        for (wanted, expected) in [
            (Rendition::Original, Some("http://cam.example/7")),
            (Rendition::Preview, None),
            (Rendition::Thumbnail, Some("http://cam.example/7/t")),
        ] {
            assert_eq!(fetched(porch, wanted), Ok(expected.map(str::to_owned)));
        }
        assert!(items(&minijinja::Value::from(())).is_empty());
    }
}
