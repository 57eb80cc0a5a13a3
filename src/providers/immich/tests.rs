//! Looks at an Immich in memory that grows, shrinks, is slow to process, and lies.

#[path = "../../../tests/shared/immich.rs"]
mod fake;
mod shaping;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use self::fake::{BOATS, Fake, Fault, HARBOUR, uuid};
use super::*;
use crate::domain::notice::{Item, NoticeDraft};
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Answer, Observation, Step, Unseen, Watch};
use crate::targets::Reply;

/// The first look, microseconds since 1970.
const START: i64 = 1_780_000_000_000_000;
pub const MINUTE: i64 = 60_000_000;

fn spec() -> ProviderSpec {
    let spec = json!({ "name": "photos", "kind": "immich" });
    serde_json::from_value(spec).expect("a spec")
}

/// What the fake answers to a call, which has the key and goes to its own address.
fn reply(fake: &mut Fake, call: &Call) -> Reply {
    let key = ("x-api-key".to_owned(), "immich-key".to_owned());
    assert!(call.headers.contains(&key));
    let path = call.url.strip_prefix("http://immich.test:2283/api");
    let (status, body) = fake.answer(call.method, path.expect("its own address"), &call.body);
    assert_eq!(fake.wrong, Vec::<String>::new());
    Reply::Answered {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

/// What remembers, as the program does.
pub struct Watching {
    pub cursors: OfProvider,
    pub watches: Vec<Watch>,
    pub now: i64,
    pub small_max: u64,
}

pub fn watch(tracker: u32, options: serde_json::Value) -> Watch {
    Watch {
        tracker,
        name: format!("tracker-{tracker}"),
        kinds: Vec::new(),
        collections: Vec::new(),
        options: options.as_object().cloned().unwrap_or_default(),
        due: true,
    }
}

impl Watching {
    pub fn new(watches: Vec<Watch>) -> Watching {
        Watching {
            cursors: OfProvider::new(),
            watches,
            now: START,
            small_max: SMALL_MAX,
        }
    }

    pub fn ask(&self, fake: &mut Fake, ask: Ask) -> Result<Seen, Unseen> {
        let spec = spec();
        let input = AskInput {
            spec: &spec,
            secrets: &BTreeMap::new(),
            watches: &self.watches,
            cursors: &self.cursors,
            now: self.now,
            zone: &jiff::tz::TimeZone::UTC,
            chance: 7,
        };
        let wanted = Wanted {
            small_max: self.small_max,
            ..wanted_of("http://photos.example".into(), &input)
        };
        let url = "http://immich.test:2283/api/".to_owned();
        let mut under_way =
            Script::begin(move |asker| look(ask, asker, url, "immich-key".into(), wanted));
        let mut answer = None;
        loop {
            match under_way.step(answer.take()) {
                Step::Calls(calls) => {
                    let [wanted] = &calls[..] else {
                        panic!("one at a time: {calls:?}");
                    };
                    answer = Some(Answer::Http {
                        id: wanted.id,
                        reply: reply(fake, &wanted.call),
                    });
                }
                Step::Exchange(_) => panic!("Immich speaks HTTP"),
                Step::Done(done) => return done,
            }
        }
    }

    /// A look a minute after the last, whose cursors are kept if there was one.
    pub fn look(&mut self, fake: &mut Fake) -> Result<Observation, Unseen> {
        self.now += MINUTE;
        fake.asked.clear();
        let observation = self.ask(fake, Ask::Observe)?.observation;
        for (key, bytes) in &observation.cursors {
            match bytes {
                Some(bytes) => self.cursors.insert(key.clone(), bytes.clone()),
                None => self.cursors.remove(key),
            };
        }
        Ok(observation)
    }

    fn kinds(&mut self, fake: &mut Fake) -> Vec<String> {
        let notices = self.look(fake).expect("a look").notices;
        notices.into_iter().map(|notice| notice.kind).collect()
    }
}

fn names(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.label.as_str()).collect()
}

fn seen_twice(fake: &mut Fake) -> Watching {
    let mut watching = Watching::new(vec![watch(1, json!({}))]);
    assert_eq!(
        watching.kinds(fake),
        Vec::<String>::new(),
        "a baseline is silent"
    );
    assert_eq!(watching.kinds(fake), Vec::<String>::new());
    watching
}

#[test]
fn an_idle_look_is_one_request_and_moves_nothing() {
    let mut fake = Fake::of_assets(7);
    let mut watching = seen_twice(&mut fake);
    let observation = watching.look(&mut fake).unwrap();
    assert!(observation.is_nothing(), "{observation:?}");
    assert_eq!(fake.asked, ["GET /albums"]);
}

type Change = fn(&mut Fake);

#[test]
fn what_happens_is_told_once() {
    let cases: &[(&str, Change, &[&str], &str)] = &[
        (
            "added",
            |fake| {
                fake.add(BOATS, 50, true);
            },
            &["assets_added"],
            "1 photo added to Boats",
        ),
        (
            "an old one is added",
            |fake| fake.add_old(BOATS, 50),
            &["assets_added"],
            "1 photo added to Boats",
        ),
        (
            "removed",
            |fake| fake.remove(BOATS, 1),
            &["assets_removed"],
            "1 item removed from Boats",
        ),
        (
            "added and removed at once",
            |fake| {
                fake.add(BOATS, 50, true);
                fake.remove(BOATS, 2);
            },
            &["assets_added", "assets_removed"],
            "1 photo added to Boats",
        ),
        (
            "an old one is added and another removed",
            |fake| {
                fake.add_old(BOATS, 50);
                fake.remove(BOATS, 2);
            },
            &["assets_added", "assets_removed"],
            "1 photo added to Boats",
        ),
        (
            "renamed",
            |fake| fake.album(BOATS).name = "Ships".into(),
            &["album_renamed"],
            "Album Boats is now called Ships",
        ),
        (
            "shared",
            |fake| fake.album(BOATS).shared = true,
            &["sharing_changed"],
            "Album Boats is now shared with members",
        ),
        (
            "an album is made",
            |fake| fake.make("5b0e6a3c-3333-4000-8000-0000000000c0", "Gulls", 3),
            &["album_created"],
            "New album Gulls with 3 items",
        ),
        (
            "an album is deleted",
            |fake| fake.albums.retain(|album| album.id != BOATS),
            &["album_deleted"],
            "Album Boats is gone",
        ),
        (
            "not processed yet",
            |fake| fake.add(BOATS, 50, false),
            &[],
            "",
        ),
        ("an asset is edited", |fake| fake.touch(BOATS, 1), &[], ""),
    ];
    for (name, change, kinds, title) in cases {
        for small_max in [SMALL_MAX, 0] {
            let mut fake = Fake::of_assets(7);
            let mut watching = seen_twice(&mut fake);
            watching.small_max = small_max;
            change(&mut fake);
            let mut told = Vec::new();
            for _ in 0..3 {
                told.extend(watching.look(&mut fake).unwrap().notices);
                // A large album that changed is listed whole in time.
                watching.now += 16 * MINUTE;
            }
            let said: Vec<&str> = told.iter().map(|notice| notice.kind.as_str()).collect();
            assert_eq!(said, *kinds, "{name}, {small_max}");
            let first = told.first().map_or("", |notice| notice.title.as_str());
            assert_eq!(first, *title, "{name}, {small_max}");
        }
    }
}

#[test]
fn what_is_not_processed_is_told_when_it_is() {
    for small_max in [SMALL_MAX, 0] {
        let mut fake = Fake::of_assets(7);
        let mut watching = seen_twice(&mut fake);
        watching.small_max = small_max;
        fake.add(BOATS, 50, false);
        fake.add(BOATS, 51, false);
        assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
        fake.process(BOATS, 51);
        let told = watching.look(&mut fake).unwrap().notices;
        assert_eq!(names(&told[0].items.added), ["img-51.jpg"]);
        assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
        fake.process(BOATS, 50);
        let told = watching.look(&mut fake).unwrap().notices;
        assert_eq!(names(&told[0].items.added), ["img-50.jpg"]);
        watching.now += 16 * MINUTE;
        assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
        assert!(watching.look(&mut fake).unwrap().is_nothing());
        assert_eq!(fake.asked, ["GET /albums"]);
    }
}

#[test]
fn a_lie_is_not_believed() {
    for fault in [
        Fault::Status(500, 0),
        Fault::Status(500, 1),
        Fault::AlbumUnlisted,
        Fault::AssetUnlisted,
        Fault::Twice,
        Fault::CountOff(1),
        Fault::CountOff(-1),
        Fault::AlbumListedTwice,
    ] {
        let mut fake = Fake::of_assets(7);
        let mut watching = seen_twice(&mut fake);
        fake.touch(BOATS, 1);
        fake.fault = Some(fault);
        if let Ok(observation) = watching.look(&mut fake) {
            assert_eq!(observation.notices, Vec::new(), "{fault:?}");
        }
        fake.fault = None;
        for _ in 0..3 {
            assert_eq!(watching.kinds(&mut fake), Vec::<String>::new(), "{fault:?}");
        }
    }
}

#[test]
fn what_a_first_listing_lacked_was_there_before() {
    let mut fake = Fake::of_assets(7);
    let mut watching = Watching::new(vec![watch(1, json!({}))]);
    fake.fault = Some(Fault::AssetUnlisted);
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    fake.fault = None;
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    fake.add(BOATS, 50, true);
    assert_eq!(watching.kinds(&mut fake), ["assets_added"]);
}

#[test]
fn an_album_that_is_watched_from_now_on_is_not_a_new_one() {
    let mut fake = Fake::of_assets(3);
    let mut watching = seen_twice(&mut fake);
    watching.watches[0].collections = vec!["Harbour".into()];
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    let gone = format!("album/{BOATS}");
    assert!(!watching.cursors.keys().any(|key| key.starts_with(&gone)));
    fake.add(BOATS, 50, true);
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    watching.watches[0].collections = vec!["Boats".into()];
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    fake.add(BOATS, 51, true);
    assert_eq!(watching.kinds(&mut fake), ["assets_added"]);
}

#[test]
fn one_album_that_fails_keeps_no_other_from_being_told() {
    let mut fake = Fake::of_assets(3);
    let mut watching = seen_twice(&mut fake);
    fake.add(BOATS, 50, true);
    fake.add(HARBOUR, 51, true);
    fake.fault = Some(Fault::Status(500, 1));
    let told = watching.look(&mut fake).unwrap().notices;
    assert_eq!(told.len(), 1);
    fake.fault = None;
    assert_eq!(watching.kinds(&mut fake), ["assets_added"]);
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
}

#[test]
fn a_change_of_one_moves_little() {
    let mut fake = Fake::default();
    fake.make(BOATS, "Boats", 3_000);
    fake.page = 500;
    let mut watching = seen_twice(&mut fake);
    fake.add(BOATS, 50_000, true);
    let observation = watching.look(&mut fake).unwrap();
    assert_eq!(observation.notices.len(), 1);
    let bytes: usize = observation
        .cursors
        .iter()
        .map(|(_, bytes)| bytes.as_ref().map_or(0, |bytes| bytes.len()))
        .sum();
    // Its own cursor and one bucket of sixteen.
    assert_eq!(observation.cursors.len(), 2);
    assert!(bytes < 8 * 1024, "{bytes}");
    assert_eq!(
        fake.asked,
        ["GET /albums", "GET /shared-links", "POST /search/metadata"]
    );
}

#[test]
fn a_test_names_what_the_key_may_not_do_and_albums_are_found() {
    let mut fake = Fake::of_assets(3);
    let watching = Watching::new(Vec::new());
    let lines = watching.ask(&mut fake, Ask::Test).unwrap().lines;
    assert_eq!(lines, ["Immich 3.0.3", "2 albums", "as Mara"]);
    fake.forbidden = vec!["/users/me", "/shared-links"];
    let lines = watching.ask(&mut fake, Ask::Test).unwrap().lines;
    assert_eq!(
        lines.last().unwrap(),
        "The key lacks the permission user.read and sharedLink.read"
    );
    let found = watching.ask(&mut fake, Ask::Discover).unwrap().collections;
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|found| (found.collection.name.as_str(), found.detail.as_str()))
        .collect();
    assert_eq!(found, [("Boats", "3 items"), ("Harbour", "3 items")]);
}

#[test]
fn an_older_immich_is_asked_for_an_album_without_its_assets() {
    let mut fake = Fake::of_assets(7);
    // What it describes is what a later one describes.
    (fake.major, fake.judges) = (2, false);
    let mut watching = seen_twice(&mut fake);
    fake.albums.retain(|album| album.id != BOATS);
    assert_eq!(watching.kinds(&mut fake), ["album_deleted"]);
    let asked = format!("GET /albums/{BOATS}?withoutAssets=true");
    assert!(fake.asked.contains(&asked), "{:?}", fake.asked);
}

#[derive(Debug, Clone)]
enum Op {
    Add { ready: bool, old: bool },
    Remove(usize),
    Process(usize),
    Touch(usize),
    Rename,
}

fn op() -> impl Strategy<Value = (bool, Op)> {
    let op = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(ready, old)| Op::Add { ready, old }),
        2 => any::<usize>().prop_map(Op::Remove),
        2 => any::<usize>().prop_map(Op::Process),
        1 => any::<usize>().prop_map(Op::Touch),
        1 => Just(Op::Rename),
    ];
    (any::<bool>(), op)
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        3 => Just(None),
        1 => (0usize..5).prop_map(|nth| Some(Fault::Status(500, nth))),
        1 => Just(Some(Fault::AlbumUnlisted)),
        1 => Just(Some(Fault::AssetUnlisted)),
        1 => Just(Some(Fault::Twice)),
        1 => Just(Some(Fault::AlbumListedTwice)),
        1 => prop_oneof![Just(1i64), Just(-1)].prop_map(|off| Some(Fault::CountOff(off))),
        1 => (1usize..5).prop_map(|nth| Some(Fault::Vanishes(nth))),
    ]
}

/// What people believe to be in the albums, from what they were told.
struct Told(BTreeMap<String, BTreeSet<String>>);

impl Told {
    fn hear(&mut self, notices: &[NoticeDraft], fake: &Fake) -> Result<(), TestCaseError> {
        for notice in notices {
            let Some(album) = &notice.collection else {
                continue;
            };
            let believed = self.0.entry(album.id.clone()).or_default();
            let there = fake.there(&album.id);
            for item in &notice.items.added {
                prop_assert!(believed.insert(item.key.clone()), "{} twice", item.label);
            }
            for item in &notice.items.removed {
                prop_assert!(believed.remove(&item.key), "{} was never told", item.label);
                prop_assert!(!there.contains(&item.key), "{} is still there", item.label);
            }
            prop_assert_eq!(notice.items.added.len() as u64, notice.items.added_total);
            prop_assert_eq!(
                notice.items.removed.len() as u64,
                notice.items.removed_total
            );
            prop_assert!(notice.kind != "album_created" && notice.kind != "album_deleted");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn each_asset_is_told_once_whatever_fails(
        steps in prop::collection::vec((prop::collection::vec(op(), 0..4), fault()), 1..14),
        small_max in prop_oneof![Just(0u64), Just(SMALL_MAX), Just(9)],
    ) {
        let mut fake = Fake::of_assets(7);
        fake.add(BOATS, 90, false);
        let mut watching = Watching::new(vec![watch(1, json!({}))]);
        watching.small_max = small_max;
        let observation = watching.look(&mut fake).unwrap();
        prop_assert_eq!(observation.notices, Vec::new());
        let mut told = Told([BOATS, HARBOUR].map(|album| (album.to_owned(), fake.ready(album))).into());
        let mut next = 100;
        for (ops, fault) in steps {
            for (boats, op) in ops {
                let album = if boats { BOATS } else { HARBOUR };
                next += 1;
                let nth = |fake: &mut Fake, nth: usize| {
                    let assets = &fake.album(album).assets;
                    (!assets.is_empty()).then(|| assets[nth % assets.len()].n)
                };
                match op {
                    Op::Add { ready, old: false } => fake.add(album, next, ready),
                    Op::Add { old: true, .. } => fake.add_old(album, next),
                    Op::Remove(at) => if let Some(n) = nth(&mut fake, at) { fake.remove(album, n) },
                    Op::Process(at) => if let Some(n) = nth(&mut fake, at) { fake.process(album, n) },
                    Op::Touch(at) => if let Some(n) = nth(&mut fake, at) { fake.touch(album, n) },
                    Op::Rename => fake.album(album).name = format!("Album {next}"),
                }
            }
            fake.fault = fault;
            if let Ok(observation) = watching.look(&mut fake) {
                told.hear(&observation.notices, &fake)?;
            }
            fake.fault = None;
            let observation = watching.look(&mut fake).unwrap();
            told.hear(&observation.notices, &fake)?;
        }
        watching.now += 16 * MINUTE;
        for _ in 0..3 {
            let observation = watching.look(&mut fake).unwrap();
            told.hear(&observation.notices, &fake)?;
        }
        for album in [BOATS, HARBOUR] {
            prop_assert_eq!(&told.0[album], &fake.ready(album));
        }
        prop_assert!(watching.look(&mut fake).unwrap().notices.is_empty());
    }
}

#[test]
fn files_are_fetched_with_the_key_from_its_own_host_only() {
    let mut spec = spec();
    spec.source.url = Some("http://immich.test:2283/api".into());
    spec.source.external_url = Some("https://photos.example".into());
    let secrets = BTreeMap::from([("api_key".to_owned(), "immich-key".to_owned())]);
    let id = uuid(5);
    for (wanted, kind, path) in [
        (Rendition::Original, ItemKind::Photo, "original"),
        (
            Rendition::Preview,
            ItemKind::Photo,
            "thumbnail?size=preview",
        ),
        (Rendition::Preview, ItemKind::Video, "video/playback"),
        (
            Rendition::Thumbnail,
            ItemKind::Video,
            "thumbnail?size=thumbnail",
        ),
    ] {
        let context = FetchContext {
            spec: &spec,
            secrets: &secrets,
            handle: &id,
            kind,
            wanted,
        };
        let call = Immich.fetch(&context).unwrap().unwrap();
        assert_eq!(
            call.url,
            format!("http://immich.test:2283/api/assets/{id}/{path}")
        );
        assert!(
            call.headers
                .contains(&("x-api-key".into(), "immich-key".into()))
        );
        let origin = Immich.origin(&spec).unwrap().origin();
        assert_eq!(Url::parse(&call.url).unwrap().origin(), origin);
    }
    let context = FetchContext {
        spec: &spec,
        secrets: &secrets,
        handle: "../../users",
        kind: ItemKind::Photo,
        wanted: Rendition::Original,
    };
    assert!(matches!(
        Immich.fetch(&context),
        Err(Unfetchable::Handle(_))
    ));
}
