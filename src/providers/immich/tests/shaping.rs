//! What trackers make of the notices, and what they ask for at moments of the clock.

use expect_test::expect;
use serde_json::{Value, json};

use super::fake::{BOATS, Fake};
use super::{MINUTE, Watching, names, watch};
use crate::domain::notice::NoticeDraft;
use crate::providers::Provider;
use crate::providers::immich::Immich;

fn shaped(tracker: &str, options: &Value, notice: &NoticeDraft) -> Result<NoticeDraft, String> {
    let options = options.as_object().cloned().unwrap_or_default();
    assert_eq!(Immich.check_options(&options), Vec::new());
    Ok(Immich.shape(tracker, &options, notice)?.into_owned())
}

/// Three photos, of which one is a favourite, and a video.
fn added() -> NoticeDraft {
    let mut fake = Fake::of_assets(2);
    let mut watching = super::seen_twice(&mut fake);
    for n in [52, 50, 51] {
        fake.add(BOATS, n, true);
    }
    fake.album(BOATS).assets[2].favourite = true;
    fake.add_video(BOATS, 53);
    let mut notices = watching.look(&mut fake).unwrap().notices;
    assert_eq!(notices.len(), 1);
    notices.remove(0)
}

#[test]
fn options_shape_what_is_shown_and_counted() {
    let notice = added();
    assert_eq!(notice.title, "3 photos and 1 video added to Boats");
    let cases: &[(Value, u64, &str, &[&str])] = &[
        (
            json!({}),
            4,
            "3 photos and 1 video added to Boats",
            &["img-52.jpg", "img-50.jpg", "img-51.jpg", "img-53.jpg"],
        ),
        (
            json!({ "media": "photo" }),
            3,
            "3 items added to Boats",
            &["img-52.jpg", "img-50.jpg", "img-51.jpg"],
        ),
        (
            json!({ "media": "video" }),
            1,
            "1 item added to Boats",
            &["img-53.jpg"],
        ),
        (
            json!({ "favourites_only": true }),
            1,
            "1 item added to Boats",
            &["img-52.jpg"],
        ),
        (
            json!({ "max_shown": 2, "order": "name" }),
            4,
            "3 photos and 1 video added to Boats",
            &["img-50.jpg", "img-51.jpg"],
        ),
        (
            json!({ "max_shown": 1, "order": "date", "ascending": false }),
            4,
            "3 photos and 1 video added to Boats",
            &["img-53.jpg"],
        ),
        (
            json!({ "max_shown": 0 }),
            4,
            "3 photos and 1 video added to Boats",
            &[],
        ),
    ];
    for (options, total, title, shown) in cases {
        let notice = shaped("any", options, &notice).unwrap();
        assert_eq!(names(&notice.items.added), *shown, "{options}");
        assert_eq!(notice.items.added_total, *total, "{options}");
        assert_eq!(notice.title, *title, "{options}");
    }
    let bare = shaped("any", &json!({ "tags": false, "details": false }), &notice).unwrap();
    let item = &bare.items.added[0];
    assert!(item.people.is_empty() && item.city.is_none() && item.favourite.is_none());
    assert_eq!(notice.text, "With Ines\n2023-11-14, Bergen, Norway");
    assert_eq!(bare.text, "2023-11-14");
    assert!(!bare.labels.contains_key("people"));
}

#[test]
fn what_a_tracker_does_not_want_at_all_is_refused_with_the_reason() {
    let mut notice = added();
    notice.items.added.truncate(3);
    notice.items.added_total = 3;
    let refused = shaped("any", &json!({ "media": "video" }), &notice);
    assert_eq!(refused, Err("has no videos".into()));
}

#[test]
fn several_notices_told_as_one_have_a_title_that_counts_them() {
    let mut notice = added();
    notice.title.clear();
    let told = shaped("any", &json!({}), &notice).unwrap();
    assert_eq!(told.title, "4 items added to Boats");
    notice.items.removed = notice.items.added.split_off(3);
    (notice.items.added_total, notice.items.removed_total) = (3, 1);
    let told = shaped("any", &json!({}), &notice).unwrap();
    assert_eq!(told.title, "3 items added to and 1 removed from Boats");
}

#[test]
fn wrong_options_are_named() {
    let options =
        json!({ "media": "photos", "max_shown": -1, "shwon": 3, "picked": { "limit": 5 } });
    let faults = Immich.check_options(options.as_object().unwrap());
    expect![[r#"
        [
            (
                "media",
                "`photos` is none of `all`, `photo`, `video`; did you mean `photo`?",
            ),
            (
                "max_shown",
                "has to be a whole number between 0 and 500",
            ),
            (
                "picked.cron",
                "is missing; say when, like `0 9 * * sun`",
            ),
            (
                "shwon",
                "is not a known option; known here: `media`, `favourites_only`, `order`, `ascending`, `max_shown`, `tags`, `details`, `share_links`, `summary`, `picked`, `memory`",
            ),
        ]
    "#]].assert_debug_eq(&faults);
}

#[test]
fn moments_of_the_clock_are_told_once_and_to_their_tracker_alone() {
    let mut fake = Fake::of_assets(6);
    fake.album(BOATS).linked = true;
    let cron = "*/30 * * * *";
    let mut watching = Watching::new(vec![
        watch(
            1,
            json!({
                "summary": { "cron": cron },
                "picked": { "cron": cron, "mode": "combined", "limit": 4, "order": "name" },
                "memory": { "cron": cron },
            }),
        ),
        watch(2, json!({})),
    ]);
    // Taken on this day of an earlier year.
    let year = 365 * 24 * 60 * MINUTE;
    fake.album(BOATS).assets[4].taken = (watching.now - year) / 1_000_000;
    let observation = watching.look(&mut fake).unwrap();
    assert_eq!(observation.notices, Vec::new());
    let next = observation.next_at.unwrap();
    assert!(next > watching.now && next <= watching.now + 30 * MINUTE);
    watching.now = next - MINUTE;
    let observation = watching.look(&mut fake).unwrap();
    let said: Vec<String> = observation
        .notices
        .iter()
        .map(|notice| {
            format!(
                "{}: {} {:?}\n{}",
                notice.kind,
                notice.title,
                names(&notice.items.added),
                notice.text
            )
        })
        .collect();
    expect![[r#"
        summary: 2 albums with 12 items []
        Boats: 6 · http://photos.example/share/open-sesame
        Harbour: 6

        assets_picked: From your albums ["img-0.jpg", "img-1.jpg", "img-10000.jpg", "img-10001.jpg"]
        With Ines
        Bergen, Norway

        memory: On this day in earlier years ["img-4.jpg"]
        With Ines
        2025-05-28, Bergen, Norway"#]]
    .assert_eq(&said.join("\n\n"));
    assert_eq!(observation.next_at, Some(next + 30 * MINUTE));
    for notice in &observation.notices {
        assert!(shaped("tracker-1", &json!({}), notice).is_ok());
        let refused = shaped("tracker-2", &json!({}), notice);
        assert_eq!(refused, Err("was made for tracker tracker-1".into()));
    }
    // The same moment is not told again, and one that passed long ago is left out.
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    watching.now += 50 * MINUTE;
    assert_eq!(watching.kinds(&mut fake), Vec::<String>::new());
    // What is not asked for any more leaves no cursor.
    watching.watches.remove(0);
    watching.look(&mut fake).unwrap();
    assert!(!watching.cursors.keys().any(|key| key.starts_with("cron/")));
}

#[test]
fn public_links_are_used_made_or_left_alone() {
    for (wants, linked, public) in [
        ("use", false, None),
        ("use", true, Some("http://photos.example/share/open-sesame")),
        ("none", true, None),
        (
            "create",
            false,
            Some("http://photos.example/share/made-now"),
        ),
    ] {
        let mut fake = Fake::of_assets(2);
        fake.album(BOATS).linked = linked;
        let mut watching = Watching::new(vec![watch(1, json!({ "share_links": wants }))]);
        watching.look(&mut fake).unwrap();
        fake.add(BOATS, 50, true);
        let notices = watching.look(&mut fake).unwrap().notices;
        let notice = notices
            .iter()
            .find(|notice| notice.kind == "assets_added")
            .unwrap();
        assert_eq!(
            notice.labels.get("public_url").map(String::as_str),
            public,
            "{wants}"
        );
        let item = &notice.items.added[0];
        let id = &item.key;
        assert_eq!(
            item.url,
            Some(format!("http://photos.example/albums/{BOATS}/photos/{id}"))
        );
        assert_eq!(
            item.public_url,
            public.map(|page| format!("{page}/photos/{id}"))
        );
    }
}
