//! Items of a notice as small pictures: fetched from their provider as it is configured now, and handed
//! on.
//!
//! **Invariant:** what goes out is a picture of a type that browsers draw, found in its bytes; whatever
//! else the service answers becomes the placeholder.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use notify_web::pages::pictures::{PICTURES_MAX, Picture, Pictures, REASONS_MAX};

use super::{Desk, Wrong};
use crate::domain::family::Family;
use crate::domain::item::{Item, ItemKind};
use crate::domain::spec::EntityKind;
use crate::providers;
use crate::providers::fetch::Rendition;
use crate::shell::app::App;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::Shown;
use crate::shell::media::{Asked, Drawn, PICTURE_BYTES_MAX};
use crate::shell::views;
use crate::targets::media::ItemOutcome;

/// What is shown of a picture that cannot be had.
const PLACEHOLDER: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96" "##,
    r##"fill="none" stroke="#8a857b" stroke-width="3" stroke-linejoin="round">"##,
    r##"<rect x="20" y="26" width="56" height="44" rx="6"/><circle cx="37" cy="41" r="5"/>"##,
    r##"<path d="m24 66 18-16 12 10 9-7 11 11"/></svg>"##
);

/// In which forms a small picture is looked for, the smallest first.
fn renditions(kind: ItemKind) -> &'static [Rendition] {
    match kind {
        ItemKind::Photo => &[
            Rendition::Thumbnail,
            Rendition::Preview,
            Rendition::Original,
        ],
        ItemKind::Video => &[Rendition::Thumbnail],
        ItemKind::Audio | ItemKind::File | ItemKind::Other => &[],
    }
}

/// The items of a notice, with what came of them in its own deliveries.
pub fn pictures(family: &Family) -> Pictures {
    let items = &family.notice.draft.items;
    let mut outcomes: BTreeMap<&str, Outcomes> = BTreeMap::new();
    for delivery in &family.deliveries {
        for told in delivery.files.values().flatten() {
            let outcomes = outcomes.entry(told.key.as_str()).or_default();
            match told.outcome {
                ItemOutcome::Delivered => outcomes.delivered += 1,
                ItemOutcome::Skipped | ItemOutcome::Failed => {
                    if outcomes.left_out.len() < REASONS_MAX {
                        let target = delivery.link.target_name.clone();
                        outcomes.left_out.push((target, told.detail.clone()));
                    }
                }
            }
        }
    }
    let picture = |(n, item): (usize, &Item)| {
        let outcomes = outcomes.remove(item.key.as_str()).unwrap_or_default();
        Picture {
            n,
            label: item.label.clone(),
            kind: item.kind.as_str().into(),
            url: item.url.clone().unwrap_or_default(),
            is_visible: item.fetch.is_some() && !renditions(item.kind).is_empty(),
            delivered: outcomes.delivered,
            left_out: outcomes.left_out,
        }
    };
    Pictures {
        shown: items
            .added
            .iter()
            .enumerate()
            .take(PICTURES_MAX)
            .map(picture)
            .collect(),
        total: items.added_total,
    }
}

#[derive(Default)]
struct Outcomes {
    delivered: u64,
    left_out: Vec<(String, String)>,
}

pub async fn thumbnail(
    shown: Shown,
    Path((id, n)): Path<(String, usize)>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let family = views::find_notice(desk.app.ledger.reader(), &id)?;
    let items = &family.notice.draft.items.added;
    let Some(item) = items.get(n).filter(|_| n < PICTURES_MAX) else {
        let detail = "this notice has no such item, or none that is shown";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail).into());
    };
    Ok(match drawn(&desk.app, &family, item).await {
        Some(drawn) => ([(header::CONTENT_TYPE, drawn.content_type)], drawn.bytes).into_response(),
        None => ([(header::CONTENT_TYPE, "image/svg+xml")], PLACEHOLDER).into_response(),
    })
}

async fn drawn(app: &App, family: &Family, item: &Item) -> Option<Drawn> {
    let handle = item.fetch.as_deref()?;
    let (id, revision, spec, marks) = {
        let state = app.ledger.state();
        let entity = state.configuration.providers.get(&family.provider)?;
        let (spec, secrets) = (entity.spec.clone(), entity.secrets.clone());
        (entity.id, entity.revision, spec, secrets)
    };
    let fetchable = providers::kind(&spec.kind)?.files()?;
    let opened = app.vault.open(EntityKind::Provider, id, revision, &marks);
    let opened = opened.ok()?;
    for rendition in renditions(item.kind) {
        let asked = Asked {
            fetchable,
            provider: id,
            revision,
            spec: &spec,
            opened: &opened,
            kind: item.kind,
            handle,
            wanted: *rendition,
            bytes_max: PICTURE_BYTES_MAX,
        };
        match app.media.drawn(&asked).await {
            Ok(drawn) => return Some(drawn),
            Err(error) => tracing::debug!(
                provider.name = spec.name,
                rendition = rendition.as_str(),
                %error,
                "there is no such picture of an item"
            ),
        }
    }
    None
}
