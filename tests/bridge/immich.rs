//! Albums of an Immich that the test runs: followed over HTTP, told with their files.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use notify_bridge::domain::event::Role;
use notify_bridge::domain::state::State;
use notify_bridge::projections::outbox::Status;
use notify_bridge::targets::media::ItemOutcome;
use tokio::net::TcpListener;

use crate::asked::{cursor, notices, told};
use crate::botapi::{BotApi, jpeg};
use crate::harness::TestBridge;
use crate::health::in_time;
use crate::pages::{Visit, visit};

#[expect(dead_code, reason = "the provider's own tests use more of it")]
#[path = "../shared/immich.rs"]
pub mod fake;

use fake::{BOATS, Fake, HARBOUR};

pub const KEY: &str = "immich-key-of-a-test";
pub const WORKFLOW: &str = "a word that only the workflow knows";

/// One request that it got.
#[derive(Debug, Clone)]
struct Heard {
    /// Method and path, below `/api`.
    what: String,
    headers: HeaderMap,
}

struct Inside {
    fake: Fake,
    is_down: bool,
    heard: Vec<Heard>,
}

/// An Immich behind a listener.
pub struct Immich {
    pub address: String,
    inside: Arc<Mutex<Inside>>,
}

fn is_file(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    path.starts_with("/assets/")
        && ["/original", "/thumbnail", "/video/playback"]
            .iter()
            .any(|end| path.ends_with(end))
}

fn answer(
    inside: &mut Inside,
    method: &Method,
    uri: &Uri,
    headers: HeaderMap,
    body: &[u8],
) -> Response {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let path = path.strip_prefix("/api").unwrap_or("");
    let has_key = headers.get("x-api-key").is_some_and(|key| key == KEY);
    inside.heard.push(Heard {
        what: format!("{method} {path}"),
        headers,
    });
    if inside.is_down {
        return (StatusCode::BAD_GATEWAY, "it is being updated").into_response();
    }
    if !has_key {
        return (StatusCode::UNAUTHORIZED, "the key is not known").into_response();
    }
    if is_file(path) {
        inside.fake.judge(method.as_str(), path, body);
        return jpeg(640, 480, 2_000, path.as_bytes()).into_response();
    }
    let (status, answer) = inside.fake.answer(method.as_str(), path, body);
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(answer)).into_response()
}

impl Immich {
    pub async fn start(fake: Fake) -> Self {
        let inside = Arc::new(Mutex::new(Inside {
            fake,
            is_down: false,
            heard: Vec::new(),
        }));
        let shared = Arc::clone(&inside);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let mut inside = shared.lock().expect("unharmed");
            std::future::ready(answer(&mut inside, &method, &uri, headers, &body))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Immich {
            address: format!("http://127.0.0.1:{port}"),
            inside,
        }
    }

    fn inside<T>(&self, see: impl FnOnce(&mut Inside) -> T) -> T {
        see(&mut self.inside.lock().expect("unharmed"))
    }

    /// Changes what is in it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Fake) -> T) -> T {
        self.inside(|inside| change(&mut inside.fake))
    }

    fn is_down(&self, is_down: bool) {
        self.inside(|inside| inside.is_down = is_down);
    }

    /// What it was asked since this was asked before.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.inside(|inside| std::mem::take(&mut inside.heard));
        let key = |heard: &Heard| heard.headers.get("x-api-key").is_some_and(|key| key == KEY);
        assert!(heard.iter().all(key), "{heard:?}");
        heard.into_iter().map(|heard| heard.what).collect()
    }

    /// Nothing that went to it, or that it said, was other than described.
    fn is_as_described(&self) {
        let wrong = self.inside(|inside| inside.fake.wrong.clone());
        assert_eq!(wrong, Vec::<String>::new());
    }

    pub fn provider(&self, more: &str) -> String {
        let address = &self.address;
        format!(
            r#"
[[provider]]
name = "photos"
kind = "immich"
url = "{address}/api/"
api_key = "{KEY}"
external_url = "https://photos.example"
allow_private = true
interval = "10s"
{more}
"#
        )
    }
}

/// Its albums to a chat, and what the bridge says of itself to a place of its own.
fn to_telegram(immich: &Immich, api: &BotApi, more: &str) -> String {
    let provider = immich.provider("");
    let address = &api.address;
    format!(
        r#"
{provider}

[[target]]
name = "family"
kind = "telegram"
token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
pace = "off"
api_base = "{address}"
allow_private = true
receivers = [ {{ name = "all", to = "-1001234567890" }} ]

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "albums"
provider = "photos"
links = [ {{ target = "family" }} ]
{more}

[[tracker]]
name = "self"
provider = "bridge"
links = [ {{ target = "kept" }} ]
"#
    )
}

pub async fn first_look(bridge: &TestBridge) {
    in_time(bridge, "the first look", |state| {
        cursor(state, "photos", "albums").is_some()
    })
    .await;
    assert_eq!(told(bridge), [] as [&str; 0], "a baseline says nothing");
}

/// Lets it be looked at so many times.
async fn looks(bridge: &TestBridge, count: u64) {
    let id = bridge.state(|state| state.configuration.provider("photos").expect("it").id);
    let before = bridge.app.pollers.polling(id).looks;
    in_time(bridge, "it was looked at", |_| {
        bridge.app.pollers.polling(id).looks >= before + count
    })
    .await;
}

fn held(state: &State) -> usize {
    let all = state.outbox.deliveries.values();
    all.filter(|delivery| delivery.status == Status::Held)
        .count()
}

async fn settled(bridge: &TestBridge) {
    in_time(bridge, "everything is settled", |state| {
        state.outbox.deliveries.is_empty()
    })
    .await;
}

#[tokio::test]
async fn what_is_added_to_an_album_is_one_message_with_its_files() {
    let (immich, api) = (
        Immich::start(Fake::of_assets(4)).await,
        BotApi::start().await,
    );
    let bridge = TestBridge::start(&to_telegram(&immich, &api, "")).await;
    first_look(&bridge).await;
    immich.change(|fake| {
        fake.add(BOATS, 50, true);
        fake.add(BOATS, 51, true);
        fake.add(BOATS, 52, false);
    });
    in_time(&bridge, "the first are seen", |state| notices(state) == 1).await;
    assert_eq!(bridge.state(held), 1, "it waits until the album is quiet");
    let first = bridge.newest();
    let draft = bridge.family(first).notice.draft;
    assert_eq!(draft.title, "2 photos added to Boats");
    assert_eq!(draft.labels["place"], "Bergen, Norway");
    let id = &draft.items.added[0].key;
    let seen = format!("https://photos.example/albums/{BOATS}/photos/{id}");
    assert_eq!(draft.items.added[0].url, Some(seen));
    // What is taken away meanwhile is not told at all.
    immich.change(|fake| {
        fake.process(BOATS, 52);
        fake.remove(BOATS, 50);
    });
    in_time(&bridge, "the rest is seen", |state| notices(state) == 3).await;
    assert_eq!(bridge.state(held), 1, "both go into the same message");
    settled(&bridge).await;
    let taken = api.taken();
    let files: Vec<&str> = taken.iter().map(|message| message.file.as_str()).collect();
    assert_eq!(files, ["", "img-51.jpg", "img-52.jpg"]);
    assert_eq!(api.methods(), ["sendMessage", "sendMediaGroup"]);
    assert!(
        taken[0].words.contains("2 items added to Boats"),
        "{taken:?}"
    );
    let delivery = &bridge.family(first).deliveries[0];
    assert_eq!(delivery.status, Status::Sent);
    let outcomes = delivery.files.values().flatten().map(|item| item.outcome);
    assert_eq!(outcomes.collect::<Vec<_>>(), [ItemOutcome::Delivered; 2]);
    // The key went to Immich, with each request, and nowhere else.
    let heard = immich.heard();
    assert_eq!(
        heard
            .iter()
            .filter(|what| what.ends_with("/original"))
            .count(),
        2
    );
    let mut fields = taken.iter().flat_map(|message| message.fields.values());
    assert!(!fields.any(|value| value.contains(KEY)));
    immich.is_as_described();
    bridge.stop().await;
}

#[tokio::test]
async fn nothing_waits_where_its_tracker_says_so() {
    let (immich, api) = (
        Immich::start(Fake::of_assets(4)).await,
        BotApi::start().await,
    );
    let file = to_telegram(
        &immich,
        &api,
        "settle = \"0s\"\noptions = { max_shown = 0 }",
    );
    let bridge = TestBridge::start(&file).await;
    first_look(&bridge).await;
    immich.change(|fake| fake.album(BOATS).name = "Ships".into());
    in_time(&bridge, "the name is told", |state| notices(state) == 1).await;
    immich.change(|fake| {
        fake.add(BOATS, 50, true);
        fake.remove(BOATS, 1);
    });
    in_time(&bridge, "both are told", |state| notices(state) == 3).await;
    assert_eq!(bridge.state(held), 0);
    immich.change(|fake| {
        let mut album = fake.albums.remove(1);
        assert_eq!(album.id, HARBOUR);
        album.id = "5b0e6a3c-3333-4000-8000-0000000000c0".into();
        album.name = "Gulls".into();
        album.linked = true;
        fake.albums.push(album);
    });
    in_time(&bridge, "one went and one came", |state| {
        notices(state) == 5
    })
    .await;
    settled(&bridge).await;
    let titles = [
        "Album Boats is now called Ships",
        "1 photo added to Ships",
        "1 item removed from Ships",
        "New album Gulls with 4 items",
        "Album Harbour is gone",
    ];
    assert_eq!(told(&bridge), titles);
    let words: Vec<String> = api
        .taken()
        .into_iter()
        .map(|message| message.words)
        .collect();
    assert_eq!(words.len(), titles.len());
    for title in titles {
        assert!(
            words.iter().any(|words| words.contains(title)),
            "{title}: {words:?}"
        );
    }
    immich.is_as_described();
    bridge.stop().await;
}

#[tokio::test]
async fn an_immich_that_is_gone_is_told_once_and_so_is_its_end() {
    let (immich, api) = (
        Immich::start(Fake::of_assets(4)).await,
        BotApi::start().await,
    );
    let bridge = TestBridge::start(&to_telegram(&immich, &api, "")).await;
    first_look(&bridge).await;
    immich.heard();
    let position = bridge.state(|state| state.position);
    looks(&bridge, 3).await;
    let heard = immich.heard();
    assert!(
        heard.len() >= 2 && heard.iter().all(|what| what == "GET /albums"),
        "{heard:?}"
    );
    assert_eq!(
        bridge.state(|state| state.position),
        position,
        "nothing was appended"
    );
    immich.is_down(true);
    in_time(&bridge, "it is told", |state| notices(state) == 1).await;
    looks(&bridge, 2).await;
    let lost = "Provider photos cannot be reached";
    assert_eq!(told(&bridge), [lost]);
    // What is added meanwhile is told when it is back.
    immich.change(|fake| fake.add(BOATS, 50, true));
    immich.is_down(false);
    in_time(&bridge, "its end is told", |state| notices(state) == 3).await;
    looks(&bridge, 2).await;
    let mut said = told(&bridge);
    said.sort();
    assert_eq!(
        said,
        [
            "1 photo added to Boats",
            "Provider photos can be reached again",
            lost
        ]
    );
    immich.is_as_described();
    bridge.stop().await;
}

#[tokio::test]
async fn a_workflow_has_albums_looked_at_and_its_word_is_taken_once() {
    let (immich, api) = (
        Immich::start(Fake::of_assets(4)).await,
        BotApi::start().await,
    );
    let secret = format!("interval = \"1h\"\nsecret = \"{WORKFLOW}\"");
    let file = to_telegram(&immich, &api, "").replace("interval = \"10s\"", &secret);
    let bridge = TestBridge::start(&file).await;
    bridge
        .until("the first look", |state| {
            cursor(state, "photos", "albums").is_some()
        })
        .await;
    immich.heard();
    let position = bridge.state(|state| state.position);
    let body = r#"{"type":"AssetV1","trigger":"AssetCreate","data":{"asset":{"id":"7c9e6679-7425-40de-944b-e07fc1f90ae7"}}}"#;
    for (header, status) in [("", 401), ("not it", 401), (WORKFLOW, 202)] {
        let headers = [
            ("content-type", "application/json"),
            ("x-photo-word", header),
        ];
        let (answered, said) = bridge
            .post("/hooks/photos", &headers, body.as_bytes())
            .await;
        assert_eq!(answered, status, "{header}: {said}");
        if status == 202 {
            assert_eq!(said, serde_json::json!({ "notices": [] }));
        }
    }
    immich.change(|fake| fake.add(BOATS, 50, true));
    // Within ten seconds of the look before it waits, and an hour is what it would wait otherwise.
    let before = notify_bridge::shell::clock::Clock::now(&*bridge.clock);
    in_time(&bridge, "it was looked at", |state| notices(state) == 1).await;
    let passed = notify_bridge::shell::clock::Clock::now(&*bridge.clock) - before;
    assert!(passed < 60_000_000, "{passed} µs");
    let headers = [("x-photo-word", WORKFLOW)];
    for _ in 0..20 {
        let (status, _) = bridge
            .post("/hooks/photos", &headers, body.as_bytes())
            .await;
        assert_eq!(status, 202);
    }
    immich.heard();
    looks(&bridge, 1).await;
    settled(&bridge).await;
    assert_eq!(
        immich
            .heard()
            .iter()
            .filter(|what| *what == "GET /albums")
            .count(),
        1
    );
    assert_eq!(told(&bridge), ["1 photo added to Boats"]);
    assert!(bridge.state(|state| state.position) > position);
    let (status, _) = bridge.post("/hooks/photos", &headers, b"[1]").await;
    assert_eq!(status, 422);
    immich.is_as_described();
    bridge.stop().await;
}

impl TestBridge {
    async fn picture(&self, visit: Option<&Visit>, path: &str) -> reqwest::Response {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let mut request = client.get(format!("{}{path}", self.address));
        if let Some(visit) = visit {
            request = request.header("cookie", &visit.cookie);
        }
        request.send().await.expect("an answer")
    }
}

#[tokio::test]
async fn a_notice_shows_its_items_and_albums_can_be_chosen() {
    let (immich, api) = (
        Immich::start(Fake::of_assets(4)).await,
        BotApi::start().await,
    );
    let file = to_telegram(&immich, &api, "settle = \"0s\"\ncollections = [\"Boats\"]");
    let bridge = TestBridge::start(&file).await;
    first_look(&bridge).await;
    immich.change(|fake| {
        fake.add(BOATS, 50, true);
        fake.add_video(BOATS, 51);
    });
    in_time(&bridge, "it is told", |state| notices(state) == 1).await;
    settled(&bridge).await;
    let owner = visit(&bridge, Role::Owner).await;
    let id = bridge.family(bridge.newest()).notice.id;
    let (_, page) = bridge.page(&owner, &format!("/notices/{id}")).await;
    let path = |n: usize| format!("/notices/{id}/items/{n}/thumbnail");
    for words in [
        &path(0),
        &path(1),
        "alt=\"img-50.jpg\"",
        "loading=\"lazy\"",
        "Delivered",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains(KEY));
    immich.heard();
    for n in [0, 1, 1] {
        let picture = bridge.picture(Some(&owner), &path(n)).await;
        assert_eq!(picture.status(), 200);
        assert_eq!(picture.headers()["content-type"], "image/jpeg");
        assert_eq!(picture.headers()["x-content-type-options"], "nosniff");
        let policy = picture.headers()["content-security-policy"].to_str();
        assert!(policy.expect("text").starts_with("default-src 'none'"));
        assert!(
            picture
                .bytes()
                .await
                .expect("bytes")
                .starts_with(&[0xFF, 0xD8])
        );
    }
    let asked = immich.heard();
    let thumbnails = asked
        .iter()
        .filter(|what| what.contains("thumbnail?size=thumbnail"));
    assert_eq!(thumbnails.count(), 2, "{asked:?}");
    for (visitor, n, status) in [(None, 0, 303), (Some(&owner), 2, 404)] {
        let picture = bridge.picture(visitor, &path(n)).await;
        assert_eq!(picture.status(), status, "{n}");
        let kind = picture.headers().get("content-type");
        assert!(kind.is_none_or(|kind| kind != "image/jpeg"));
    }
    // Configured anew it is fetched anew, and cannot be.
    immich.is_down(true);
    bridge
        .apply(&file.replace("https://photos.example", "https://albums.example"))
        .await;
    let picture = bridge.picture(Some(&owner), &path(0)).await;
    assert_eq!(picture.headers()["content-type"], "image/svg+xml");
    let choose = "/providers/photos/collections";
    let (_, page) = bridge.page(&owner, choose).await;
    assert!(page.contains("does not answer"), "{page}");
    immich.is_down(false);
    let (_, page) = bridge.page(&owner, "/providers/photos").await;
    assert!(page.contains("Look for albums"), "{page}");
    let query = format!("{choose}?q=o&c={BOATS}&c={HARBOUR}");
    let (_, page) = bridge.page(&owner, &query).await;
    for words in [
        "collections = [&quot;Boats&quot;, &quot;Harbour&quot;]",
        "6 items",
        "4 items",
        "albums",
        "nobody",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let editor = visit(&bridge, Role::Editor).await;
    assert_eq!(bridge.page(&editor, choose).await.0, 403);
    immich.is_as_described();
    bridge.stop().await;
}
