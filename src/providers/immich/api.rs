//! What is asked of Immich, and what it answers: only the members that are read.

use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::providers::ask::Unseen;
use crate::providers::ask::script::Asker;
use crate::targets::{Call, Reply, USER_AGENT};

/// Largest answer that lists albums, links or one page of assets, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Assets on a page of a listing. An asset with its people and tags has some 2 KiB.
pub const PAGE: u32 = 500;
/// Pages of one listing; an album of more than 1 000 000 assets is refused.
pub const PAGES_MAX: u32 = 2_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Album {
    pub id: String,
    #[serde(default)]
    pub album_name: String,
    #[serde(default)]
    pub asset_count: u64,
    #[serde(default)]
    pub updated_at: String,
    pub last_modified_asset_timestamp: Option<String>,
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub has_shared_link: bool,
    pub start_date: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AssetType {
    Image,
    Video,
    Audio,
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: AssetType,
    #[serde(default)]
    pub original_file_name: String,
    pub file_created_at: Option<String>,
    #[serde(default)]
    pub updated_at: String,
    #[serde(default)]
    pub is_favorite: bool,
    #[serde(default)]
    pub is_offline: bool,
    #[serde(default)]
    pub is_trashed: bool,
    pub thumbhash: Option<String>,
    /// Said by some versions only; empty while a video is not encoded.
    pub encoded_video_path: Option<String>,
    pub owner_id: Option<String>,
    pub owner: Option<Named>,
    pub exif_info: Option<Exif>,
    #[serde(default)]
    pub people: Vec<Named>,
    #[serde(default)]
    pub tags: Vec<Named>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exif {
    pub file_size_in_byte: Option<u64>,
    pub date_time_original: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub rating: Option<i8>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub country: Option<String>,
    pub description: Option<String>,
}

impl Asset {
    /// Whether Immich has worked it through, so that it can be seen and played.
    pub fn is_ready(&self) -> bool {
        let has_thumbnail = self.thumbhash.as_ref().is_some_and(|hash| !hash.is_empty());
        let shown = match self.kind {
            AssetType::Image => has_thumbnail,
            AssetType::Video => has_thumbnail && self.encoded_video_path.as_deref() != Some(""),
            AssetType::Audio | AssetType::Other => true,
        };
        shown && !self.is_offline && !self.is_trashed
    }
}

#[derive(Debug, Deserialize)]
struct Found {
    assets: FoundAssets,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundAssets {
    items: Vec<Asset>,
    next_page: Option<Value>,
}

/// A page of a listing.
pub struct Page {
    pub assets: Vec<Asset>,
    pub is_last: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct SharedLink {
    pub key: String,
    pub slug: Option<String>,
    pub password: Option<String>,
    #[serde(rename = "expiresAt")]
    pub expires_at: Option<String>,
    pub album: Option<LinkedAlbum>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct LinkedAlbum {
    pub id: String,
}

#[derive(Debug, Deserialize)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

#[derive(Debug, Deserialize)]
pub struct User {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub email: String,
}

/// An answer that is not what was asked for.
#[derive(Debug, Clone)]
pub struct Refused {
    pub status: Option<u16>,
    pub unseen: Unseen,
}

impl From<Refused> for Unseen {
    fn from(refused: Refused) -> Unseen {
        refused.unseen
    }
}

/// One Immich, asked with a key.
pub struct Api {
    asker: Asker,
    base: String,
    key: String,
    /// The first part of its version, once it was asked for.
    major: OnceLock<u32>,
}

/// From this version on an album comes without its assets, and cannot be asked to.
const MAJOR_WITHOUT_ASSETS: u32 = 3;

/// The address of the service without its API's path.
pub fn base_of(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    url.strip_suffix("/api").unwrap_or(url)
}

/// A described call. The key goes to the service itself only.
pub fn call(base: &str, key: &str, method: &'static str, path: &str, body: Option<&Value>) -> Call {
    let mut headers = vec![
        ("x-api-key".to_owned(), key.to_owned()),
        ("accept".to_owned(), "application/json".to_owned()),
        ("user-agent".to_owned(), USER_AGENT.to_owned()),
    ];
    if body.is_some() {
        headers.push(("content-type".into(), "application/json".into()));
    }
    Call {
        method,
        url: format!("{base}/api{path}"),
        headers,
        body: body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default(),
    }
}

impl Api {
    pub fn new(asker: Asker, url: &str, key: &str) -> Api {
        Api {
            asker,
            base: base_of(url).to_owned(),
            key: key.to_owned(),
            major: OnceLock::new(),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Refused> {
        let call = call(&self.base, &self.key, method, path, body);
        let reply = self.asker.ask(call, ANSWER_BYTES_MAX).await;
        match &reply {
            Reply::Answered {
                status: 200 | 201,
                body,
                ..
            } => serde_json::from_slice(body).map_err(|error| Refused {
                status: Some(200),
                unseen: Unseen::new(format!(
                    "{method} {path} is not what Immich answers: {error}"
                )),
            }),
            Reply::Answered { status, .. } => {
                let mut unseen = Unseen::of_reply(&reply);
                unseen.why = format!("{method} {path} {}", unseen.why);
                Err(Refused {
                    status: Some(*status),
                    unseen,
                })
            }
            Reply::NotSent { .. } | Reply::NoAnswer { .. } => Err(Refused {
                status: None,
                unseen: Unseen::of_reply(&reply),
            }),
        }
    }

    /// Every album that the key may see, without its assets.
    pub async fn albums(&self) -> Result<Vec<Album>, Refused> {
        self.ask("GET", "/albums", None).await
    }

    /// One album; `None` when there is no such album any more.
    pub async fn album(&self, id: &str) -> Result<Option<Album>, Refused> {
        let path = match self.major().await? {
            ..MAJOR_WITHOUT_ASSETS => format!("/albums/{id}?withoutAssets=true"),
            MAJOR_WITHOUT_ASSETS.. => format!("/albums/{id}"),
        };
        match self.ask("GET", &path, None).await {
            Ok(album) => Ok(Some(album)),
            // It answers 400 for an album that one may not see or that is gone.
            Err(Refused {
                status: Some(400 | 404),
                ..
            }) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// A page of an album's assets, of those changed since a moment where one is given.
    pub async fn assets(
        &self,
        album: &str,
        since: Option<&str>,
        page: u32,
    ) -> Result<Page, Refused> {
        let mut wanted = json!({
            "albumIds": [album],
            "page": page,
            "size": PAGE,
            "withExif": true,
            "withPeople": true,
        });
        if let Some(since) = since {
            wanted["updatedAfter"] = json!(since);
        }
        self.search(&wanted).await
    }

    pub async fn search(&self, wanted: &Value) -> Result<Page, Refused> {
        let found: Found = self.ask("POST", "/search/metadata", Some(wanted)).await?;
        let assets = found.assets;
        Ok(Page {
            is_last: assets.next_page.is_none_or(|next| next.is_null()) || assets.items.is_empty(),
            assets: assets.items,
        })
    }

    pub async fn random(&self, wanted: &Value) -> Result<Vec<Asset>, Refused> {
        self.ask("POST", "/search/random", Some(wanted)).await
    }

    /// One asset; `None` when there is none, or it may not be seen.
    pub async fn asset(&self, id: &str) -> Result<Option<Asset>, Refused> {
        match self.ask("GET", &format!("/assets/{id}"), None).await {
            Ok(asset) => Ok(Some(asset)),
            Err(Refused {
                status: Some(400 | 403 | 404),
                ..
            }) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    pub async fn shared_links(&self) -> Result<Vec<SharedLink>, Refused> {
        self.ask("GET", "/shared-links", None).await
    }

    pub async fn share(&self, album: &str) -> Result<SharedLink, Refused> {
        let wanted = json!({ "type": "ALBUM", "albumId": album });
        self.ask("POST", "/shared-links", Some(&wanted)).await
    }

    /// Asked once a look at most, and only by a look that needs it.
    async fn major(&self) -> Result<u32, Refused> {
        match self.major.get() {
            Some(major) => Ok(*major),
            None => {
                let major = self.version().await?.major;
                Ok(*self.major.get_or_init(|| major))
            }
        }
    }

    pub async fn version(&self) -> Result<Version, Refused> {
        self.ask("GET", "/server/version", None).await
    }

    pub async fn me(&self) -> Result<User, Refused> {
        self.ask("GET", "/users/me", None).await
    }
}
