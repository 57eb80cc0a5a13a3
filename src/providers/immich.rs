//! Immich: its albums are looked at for what was added, removed, renamed or shared, and at moments of
//! the clock for a summary, a choice and memories.

mod api;
mod hook;
mod items;
mod kept;
mod known;
mod listing;
mod look;
mod notices;
mod options;
mod scheduled;

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::Url;

use self::api::{Api, base_of};
use self::look::{SMALL_MAX, Wanted};
use self::options::TrackerOptions;
use super::ask::script::{Asker, Script};
use super::ask::{Ask, AskInput, Found, Known as Told, Look, Polled, Seen, Unseen};
use super::fetch::{FetchContext, Fetchable, Rendition, Unfetchable};
use super::{KindField, NoticeKind, Provider, Webhook};
use crate::domain::notice::{Collection, ItemKind, NoticeDraft, Severity};
use crate::domain::spec::ProviderSpec;
use crate::targets::Call;

pub struct Immich;

const fn kind(name: &'static str) -> NoticeKind {
    NoticeKind {
        name,
        severity: Severity::Info,
    }
}

static NOTICE_KINDS: &[NoticeKind] = &[
    kind("assets_added"),
    kind("assets_removed"),
    kind("album_renamed"),
    kind("album_created"),
    kind("album_deleted"),
    kind("sharing_changed"),
    kind("summary"),
    kind("assets_picked"),
    kind("memory"),
];

impl Provider for Immich {
    fn kind(&self) -> &'static str {
        "immich"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        NOTICE_KINDS
    }

    fn settles(&self) -> &'static [&'static str] {
        &["assets_added"]
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "The API key needs the permissions album.read, asset.read, asset.view, asset.download, sharedLink.read and user.read; `share_links = \"create\"` needs sharedLink.create besides.",
            "An Immich at home needs `allow_private = true` here.",
            "A photo is told once Immich has made its preview, so what was just uploaded may come a look later.",
            "Without `secret` no workflow is listened to; albums are looked at by interval all the same.",
        ]
    }

    fn webhook(&self) -> Option<&dyn Webhook> {
        Some(self)
    }

    fn polled(&self) -> Option<&dyn Polled> {
        Some(self)
    }

    fn files(&self) -> Option<&dyn Fetchable> {
        Some(self)
    }

    fn fields(&self) -> &'static [KindField] {
        const {
            &[
                KindField::required("url"),
                KindField::optional("external_url"),
            ]
        }
    }

    fn secret_fields(&self) -> &'static [KindField] {
        const { &[KindField::required("api_key")] }
    }

    fn check_options(&self, options: &Map<String, Value>) -> super::options::Faults {
        TrackerOptions::read(options).1
    }

    fn shape<'n>(
        &self,
        tracker: &str,
        options: &Map<String, Value>,
        notice: &'n NoticeDraft,
    ) -> Result<Cow<'n, NoticeDraft>, String> {
        options::shape(tracker, options, notice)
    }
}

impl Polled for Immich {
    fn collections(&self) -> Option<&'static str> {
        Some("albums")
    }

    fn begin(&self, ask: Ask, input: &AskInput<'_>) -> Box<dyn Look> {
        let source = &input.spec.source;
        let Some(url) = source.url.clone() else {
            return Told::unseen("url: is missing; name the address of Immich");
        };
        let Some(key) = input.secrets.get("api_key").cloned() else {
            return Told::unseen("api_key: is missing; make one in Immich under Account Settings");
        };
        let base = base_of(source.external_url.as_deref().unwrap_or(&url)).to_owned();
        let wanted = wanted_of(base, input);
        Script::begin(move |asker| look(ask, asker, url, key, wanted))
    }
}

fn wanted_of(base: String, input: &AskInput<'_>) -> Wanted {
    Wanted {
        base,
        watches: input
            .watches
            .iter()
            .map(|watch| (watch.clone(), TrackerOptions::read(&watch.options).0))
            .collect(),
        cursors: input.cursors.clone(),
        now: input.now,
        zone: input.zone.clone(),
        chance: input.chance,
        small_max: SMALL_MAX,
    }
}

async fn look(
    ask: Ask,
    asker: Asker,
    url: String,
    key: String,
    wanted: Wanted,
) -> Result<Seen, Unseen> {
    let api = Api::new(asker, &url, &key);
    match ask {
        Ask::Observe => Ok(Seen {
            observation: look::observe(&api, &wanted).await?,
            ..Seen::default()
        }),
        Ask::Test => test(&api).await,
        Ask::Discover => {
            let albums = api.albums().await?;
            let collections = albums.into_iter().map(|album| Found {
                detail: match album.asset_count {
                    1 => "1 item".into(),
                    count => format!("{count} items"),
                },
                collection: Collection {
                    id: album.id,
                    name: album.album_name,
                },
            });
            Ok(Seen {
                collections: collections.collect(),
                ..Seen::default()
            })
        }
    }
}

/// Says what works, and names each permission that is missing.
async fn test(api: &Api) -> Result<Seen, Unseen> {
    let version = api.version().await?;
    let mut lines = vec![format!(
        "Immich {}.{}.{}",
        version.major, version.minor, version.patch
    )];
    let albums = api.albums().await?;
    lines.push(match albums.len() {
        1 => "1 album".into(),
        count => format!("{count} albums"),
    });
    let mut missing = Vec::new();
    let mut judge = |permission: &'static str, refused: api::Refused| match refused.status {
        Some(401 | 403) => {
            missing.push(permission);
            Ok(())
        }
        Some(_) | None => Err(Unseen::from(refused)),
    };
    match api.me().await {
        Ok(user) if !user.name.is_empty() => lines.push(format!("as {}", user.name)),
        Ok(user) => lines.push(format!("as {}", user.email)),
        Err(refused) => judge("user.read", refused)?,
    }
    if let Err(refused) = api.shared_links().await {
        judge("sharedLink.read", refused)?;
    }
    if let Some(album) = albums.first()
        && let Err(refused) = api.assets(&album.id, None, 1).await
    {
        judge("asset.read", refused)?;
    }
    if !missing.is_empty() {
        lines.push(format!(
            "The key lacks the permission {}",
            missing.join(" and ")
        ));
    }
    Ok(Seen {
        lines,
        ..Seen::default()
    })
}

impl Fetchable for Immich {
    fn origin(&self, spec: &ProviderSpec) -> Option<Url> {
        Url::parse(base_of(spec.source.url.as_deref()?)).ok()
    }

    fn fetch(&self, context: &FetchContext<'_>) -> Result<Option<Call>, Unfetchable> {
        let missing = |field| Unfetchable::Provider {
            field,
            why: "is missing".into(),
        };
        let source = &context.spec.source;
        let url = source.url.as_deref().ok_or_else(|| missing("url"))?;
        let key = context
            .secrets
            .get("api_key")
            .ok_or_else(|| missing("api_key"))?;
        let id = context.handle;
        if known::id_of(id).is_none() {
            return Err(Unfetchable::Handle("it is no id of an asset".into()));
        }
        let path = match (context.wanted, context.kind) {
            (Rendition::Original, _) => format!("/assets/{id}/original"),
            (Rendition::Preview, ItemKind::Video) => format!("/assets/{id}/video/playback"),
            (Rendition::Preview, ItemKind::Photo) => {
                format!("/assets/{id}/thumbnail?size=preview")
            }
            (Rendition::Thumbnail, ItemKind::Photo | ItemKind::Video) => {
                format!("/assets/{id}/thumbnail?size=thumbnail")
            }
            (
                Rendition::Preview | Rendition::Thumbnail,
                ItemKind::Audio | ItemKind::File | ItemKind::Other,
            ) => return Ok(None),
        };
        let mut call = api::call(base_of(url), key, "GET", &path, None);
        // Whatever the file is.
        call.headers.retain(|(name, _)| name != "accept");
        Ok(Some(call))
    }
}

#[cfg(test)]
mod tests;
