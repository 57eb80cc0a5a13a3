//! An Immich in memory: albums, assets, and what it gets wrong during a look.
//!
//! What is asked of it and what it answers is judged by Immich's own API description, where that lies
//! beside the project.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

#[path = "openapi.rs"]
mod openapi;

use openapi::Description;

static DESCRIPTION: LazyLock<Option<Description>> =
    LazyLock::new(|| Description::beside("immich-openapi-specs.json"));

pub const BOATS: &str = "5b0e6a3c-1111-4000-8000-0000000000b0";
pub const HARBOUR: &str = "5b0e6a3c-2222-4000-8000-0000000000a0";

/// What goes wrong during one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request of this number is answered with this status.
    Status(u16, usize),
    /// The list lacks its first album.
    AlbumUnlisted,
    AlbumListedTwice,
    /// Listings lack an asset.
    AssetUnlisted,
    /// A page repeats an asset.
    Twice,
    /// The list counts so many more than there are.
    CountOff(i64),
    /// Before the request of this number the newest asset of every album is removed.
    Vanishes(usize),
}

#[derive(Debug, Clone)]
pub struct FakeAsset {
    pub n: u32,
    /// Seconds since 1970.
    pub updated: i64,
    pub ready: bool,
    pub video: bool,
    pub favourite: bool,
    pub taken: i64,
}

#[derive(Debug, Clone)]
pub struct FakeAlbum {
    pub id: String,
    pub name: String,
    pub shared: bool,
    pub linked: bool,
    pub updated: i64,
    pub assets: Vec<FakeAsset>,
}

#[derive(Debug)]
pub struct Fake {
    pub albums: Vec<FakeAlbum>,
    pub fault: Option<Fault>,
    /// Most assets of a page, whatever is asked for.
    pub page: usize,
    /// Paths that the key may not ask.
    pub forbidden: Vec<&'static str>,
    /// Its version.
    pub major: u32,
    /// Whether anything is judged, which takes its time.
    pub judges: bool,
    /// What is not as the description of the API says.
    pub wrong: Vec<String>,
    /// What was asked, since it was last cleared.
    pub asked: Vec<String>,
    /// Seconds since 1970; every change is a second later.
    time: i64,
}

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            albums: Vec::new(),
            fault: None,
            page: 3,
            forbidden: Vec::new(),
            major: 3,
            judges: true,
            wrong: Vec::new(),
            asked: Vec::new(),
            time: 1_779_000_000,
        }
    }
}

/// Spread over the buckets.
pub fn uuid(n: u32) -> String {
    let first = n.wrapping_mul(2_654_435_761);
    format!("{first:08x}-0000-4000-8000-{n:012x}")
}

fn person() -> Value {
    json!({
        "id": uuid(800_000), "name": "Ines", "birthDate": null, "isHidden": false,
        "thumbnailPath": "/data/thumbs/ines.jpg",
    })
}

fn owner() -> Value {
    json!({
        "id": uuid(900_000), "name": "Mara", "email": "mara@example.org", "avatarColor": "green",
        "profileImagePath": "", "profileChangedAt": text(1_770_000_000),
    })
}

fn text(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).expect("a moment");
    format!("{at:.3}")
}

impl FakeAsset {
    fn new(n: u32, updated: i64, ready: bool) -> FakeAsset {
        FakeAsset {
            n,
            updated,
            ready,
            video: false,
            favourite: false,
            taken: 1_700_000_000 + i64::from(n),
        }
    }

    fn json(&self) -> Value {
        let taken = text(self.taken);
        json!({
            "id": uuid(self.n),
            "type": if self.video { "VIDEO" } else { "IMAGE" },
            "originalFileName": format!("img-{}.jpg", self.n),
            "originalPath": format!("/data/library/mara/2026/img-{}.jpg", self.n),
            "originalMimeType": if self.video { "video/mp4" } else { "image/jpeg" },
            "checksum": format!("{:027}=", self.n),
            "createdAt": taken,
            "fileCreatedAt": taken,
            "fileModifiedAt": taken,
            "localDateTime": taken,
            "updatedAt": text(self.updated),
            "duration": self.video.then_some(12_000),
            "width": 4_032,
            "height": 3_024,
            "hasMetadata": true,
            "isArchived": false,
            "isEdited": false,
            "isFavorite": self.favourite,
            "isOffline": false,
            "isTrashed": false,
            "visibility": "timeline",
            "thumbhash": self.ready.then_some("3OcRJYB4d3h/iIeHeEh3eIhw+j2w"),
            "ownerId": uuid(900_000),
            "people": [person()],
            "exifInfo": { "city": "Bergen", "country": "Norway", "fileSizeInByte": 2_400_000 },
        })
    }
}

impl Fake {
    /// Two albums of so many assets each.
    pub fn of_assets(count: u32) -> Fake {
        let mut fake = Fake::default();
        fake.make(BOATS, "Boats", count);
        fake.make(HARBOUR, "Harbour", count);
        fake
    }

    fn tick(&mut self) -> i64 {
        self.time += 1;
        self.time
    }

    pub fn make(&mut self, id: &str, name: &str, count: u32) {
        let first = self.albums.len() as u32 * 10_000;
        let assets = (0..count)
            .map(|n| {
                let updated = self.tick();
                FakeAsset::new(first + n, updated, true)
            })
            .collect();
        let updated = self.tick();
        self.albums.push(FakeAlbum {
            id: id.into(),
            name: name.into(),
            shared: false,
            linked: false,
            updated,
            assets,
        });
    }

    pub fn album(&mut self, id: &str) -> &mut FakeAlbum {
        let album = self.albums.iter_mut().find(|album| album.id == id);
        album.expect("an album of the tests")
    }

    fn put(&mut self, id: &str, asset: FakeAsset) {
        let now = self.tick();
        let album = self.album(id);
        album.updated = now;
        album.assets.push(asset);
    }

    pub fn add(&mut self, id: &str, n: u32, ready: bool) {
        let now = self.tick();
        self.put(id, FakeAsset::new(n, now, ready));
    }

    pub fn add_video(&mut self, id: &str, n: u32) {
        let mut asset = FakeAsset::new(n, self.tick(), true);
        asset.video = true;
        self.put(id, asset);
    }

    /// One that was uploaded long ago is put into an album.
    pub fn add_old(&mut self, id: &str, n: u32) {
        self.put(id, FakeAsset::new(n, 1_770_000_000, true));
    }

    pub fn remove(&mut self, id: &str, n: u32) {
        let now = self.tick();
        let album = self.album(id);
        album.updated = now;
        album.assets.retain(|asset| asset.n != n);
    }

    fn asset(&mut self, id: &str, n: u32) -> &mut FakeAsset {
        let now = self.tick();
        let assets = &mut self.album(id).assets;
        let asset = assets.iter_mut().find(|asset| asset.n == n);
        let asset = asset.expect("an asset of the tests");
        asset.updated = now;
        asset
    }

    /// Its preview is made.
    pub fn process(&mut self, id: &str, n: u32) {
        self.asset(id, n).ready = true;
    }

    pub fn touch(&mut self, id: &str, n: u32) {
        self.asset(id, n);
    }

    pub fn there(&self, id: &str) -> BTreeSet<String> {
        let albums = self.albums.iter().filter(|album| album.id == id);
        albums
            .flat_map(|album| album.assets.iter().map(|asset| uuid(asset.n)))
            .collect()
    }

    pub fn ready(&self, id: &str) -> BTreeSet<String> {
        let albums = self.albums.iter().filter(|album| album.id == id);
        albums
            .flat_map(|album| album.assets.iter().filter(|asset| asset.ready))
            .map(|asset| uuid(asset.n))
            .collect()
    }

    fn album_json(album: &FakeAlbum, off: i64) -> Value {
        let last = album.assets.iter().map(|asset| asset.updated).max();
        let first = album.assets.iter().map(|asset| asset.taken).min();
        let newest = album.assets.iter().map(|asset| asset.taken).max();
        let mut json = json!({
            "id": album.id,
            "albumName": album.name,
            "description": "",
            "albumThumbnailAssetId": album.assets.first().map(|asset| uuid(asset.n)),
            "albumUsers": [{ "role": "owner", "user": owner() }],
            "assetCount": (album.assets.len() as i64 + off).max(0),
            "createdAt": text(1_770_000_000),
            "updatedAt": text(album.updated),
            "isActivityEnabled": true,
            "order": "desc",
            "shared": album.shared,
            "hasSharedLink": album.linked,
        });
        // Of an album without assets it leaves these out.
        for (name, at) in [
            ("lastModifiedAssetTimestamp", last),
            ("startDate", first),
            ("endDate", newest),
        ] {
            if let Some(at) = at {
                json[name] = text(at).into();
            }
        }
        json
    }

    fn link_json(album: &FakeAlbum, key: &str) -> Value {
        json!({
            "id": uuid(700_000), "userId": uuid(900_000), "key": key, "type": "ALBUM",
            "album": Fake::album_json(album, 0), "assets": [], "slug": null, "password": null,
            "description": null, "createdAt": text(1_770_000_000), "expiresAt": null,
            "allowDownload": true, "allowUpload": false, "showMetadata": true,
        })
    }

    fn description(&self) -> Option<&'static Description> {
        DESCRIPTION.as_ref().filter(|_| self.judges)
    }

    /// Judges a request by the description of the API.
    pub fn judge(&mut self, method: &str, path: &str, body: &[u8]) {
        if let Some(description) = self.description()
            && let Err(why) = description.judge_request(method, path, body)
        {
            let body = String::from_utf8_lossy(body);
            self.wrong
                .push(format!("{method} {path} is not described: {why}; {body}"));
        }
    }

    /// Answers a request to a path below `/api`.
    pub fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        self.judge(method, path, body);
        let nth = self.asked.len();
        self.asked.push(format!("{method} {path}"));
        if self.fault == Some(Fault::Vanishes(nth)) {
            let albums: Vec<(String, u32)> = self
                .albums
                .iter()
                .filter_map(|album| Some((album.id.clone(), album.assets.last()?.n)))
                .collect();
            for (album, n) in albums {
                self.remove(&album, n);
            }
        }
        match self.fault {
            Some(Fault::Status(status, at)) if at == nth => {
                return (status, json!({ "message": "no" }));
            }
            _other if self.forbidden.contains(&path) => {
                return (403, json!({ "message": "Missing required permission" }));
            }
            _other => {}
        }
        let (status, answer) = self.say(method, path, body);
        if let Some(description) = self.description()
            && status < 300
            && let Err(why) = description.judge_answer(method, path, status, &answer)
        {
            let wrong = format!("Immich would not answer {method} {path} like this: {why}");
            self.wrong.push(wrong);
        }
        (status, answer)
    }

    fn say(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        match (method, path) {
            ("GET", "/albums") => (200, self.list()),
            ("GET", "/shared-links") => {
                let linked = self.albums.iter().filter(|album| album.linked);
                let links = linked.map(|album| Fake::link_json(album, "open-sesame"));
                (200, links.collect())
            }
            ("GET", "/server/version") => (
                200,
                json!({ "major": self.major, "minor": 0, "patch": 3, "prerelease": null }),
            ),
            ("GET", "/users/me") => {
                let mut me = owner();
                let more = json!({
                    "createdAt": text(1_770_000_000), "updatedAt": text(1_770_000_000),
                    "deletedAt": null, "isAdmin": false, "license": null, "oauthId": "",
                    "quotaSizeInBytes": null, "quotaUsageInBytes": 0, "shouldChangePassword": false,
                    "status": "active", "storageLabel": null,
                });
                for (name, value) in more.as_object().into_iter().flatten() {
                    me[name] = value.clone();
                }
                (200, me)
            }
            ("POST", "/search/metadata") => (200, self.search(body)),
            ("POST", "/search/random") => (200, self.search(body)["assets"]["items"].take()),
            ("POST", "/shared-links") => {
                let wanted: Value = serde_json::from_slice(body).expect("JSON");
                let id = wanted["albumId"].as_str().expect("an album").to_owned();
                let album = self.album(&id);
                album.linked = true;
                (201, Fake::link_json(album, "made-now"))
            }
            ("GET", one) => self.one(one),
            (method, path) => {
                self.wrong
                    .push(format!("{method} {path} is not asked of Immich"));
                (404, json!({ "message": "Cannot do that" }))
            }
        }
    }

    fn one(&self, path: &str) -> (u16, Value) {
        let gone = (400, json!({ "message": "Not found or no access" }));
        if let Some(id) = path.strip_prefix("/assets/") {
            let mut assets = self.albums.iter().flat_map(|album| &album.assets);
            return assets
                .find(|asset| uuid(asset.n) == id)
                .map_or(gone, |asset| (200, asset.json()));
        }
        let id = path.strip_prefix("/albums/").expect("an album");
        // Before version 3 the assets would come with it.
        let id = match self.major {
            ..3 => id
                .strip_suffix("?withoutAssets=true")
                .expect("without its assets"),
            3.. => id,
        };
        let album = self.albums.iter().find(|album| album.id == id);
        album.map_or(gone, |album| (200, Fake::album_json(album, 0)))
    }

    fn list(&self) -> Value {
        let off = match self.fault {
            Some(Fault::CountOff(off)) => off,
            _other => 0,
        };
        let mut listed: Vec<Value> = self
            .albums
            .iter()
            .map(|album| Fake::album_json(album, off))
            .collect();
        match self.fault {
            Some(Fault::AlbumUnlisted) => {
                listed.remove(0);
            }
            Some(Fault::AlbumListedTwice) => listed.push(listed[0].clone()),
            _other => {}
        }
        Value::Array(listed)
    }

    fn search(&self, body: &[u8]) -> Value {
        let wanted: Value = serde_json::from_slice(body).expect("JSON");
        let albums = wanted["albumIds"].as_array().expect("albums");
        assert_eq!(albums.len(), 1, "several mean all of them at once");
        let between = |key: &str, other: i64| {
            wanted[key].as_str().map_or(other, |text| {
                let at: Timestamp = text.parse().expect("a moment");
                at.as_second()
            })
        };
        let since = between("updatedAfter", 0);
        let (after, before) = (between("takenAfter", 0), between("takenBefore", i64::MAX));
        let unlisted = usize::from(self.fault == Some(Fault::AssetUnlisted));
        let found: Vec<&FakeAsset> = self
            .albums
            .iter()
            .filter(|album| album.id == albums[0])
            .flat_map(|album| &album.assets)
            .filter(|asset| asset.updated >= since && asset.taken >= after && asset.taken <= before)
            .filter(|asset| wanted["type"] != "VIDEO" || asset.video)
            .skip(unlisted)
            .collect();
        let size = wanted["size"].as_u64().expect("a size") as usize;
        let size = size.min(self.page);
        let page = wanted["page"].as_u64().unwrap_or(1) as usize;
        let start = ((page - 1) * size).min(found.len());
        let end = (start + size).min(found.len());
        let mut items: Vec<Value> = found[start..end].iter().map(|asset| asset.json()).collect();
        if self.fault == Some(Fault::Twice) && !items.is_empty() {
            items.push(items[0].clone());
        }
        let next = (end < found.len()).then(|| (page + 1).to_string());
        let nothing = json!({ "count": 0, "facets": [], "items": [], "total": 0 });
        json!({
            "albums": nothing,
            "assets": {
                "count": items.len(), "facets": [], "items": items, "nextPage": next,
                "total": items.len(),
            },
        })
    }
}
