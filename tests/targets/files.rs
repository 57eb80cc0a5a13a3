//! Laws of files in messages: whatever they are, they stand in order, in groups that the service takes,
//! and each is told of exactly once.

use std::collections::BTreeMap;

use notify_bridge::domain::item::{Item, ItemKind};
use notify_bridge::providers::fetch::Rendition;
use notify_bridge::targets::media::{
    Facts, Field, FileType, Fit, Form, Ready, Sending, Upload, Wanted, file_type,
};
use notify_bridge::targets::{self, CallContext, Part, Reply};
use proptest::prelude::*;
use serde_json::json;

use crate::notation::{receiver_of, target_of};

const GROUP_BYTES_MAX: u64 = 45_000_000;

fn telegram() -> &'static dyn targets::Target {
    targets::kind("telegram").expect("the kind exists")
}

fn text(words: &str) -> Vec<Part> {
    vec![Part {
        kind: "text".into(),
        text: words.into(),
        payload: "{}".into(),
    }]
}

fn items(kinds: &[(ItemKind, u64)]) -> Vec<Item> {
    let item = |(n, (kind, size)): (usize, &(ItemKind, u64))| Item {
        key: format!("k{n}"),
        kind: *kind,
        label: format!("file {n}"),
        size: Some(*size),
        fetch: Some(format!("h{n}")),
        ..Item::default()
    };
    kinds.iter().enumerate().map(item).collect()
}

/// The file as it is, judged as the shell would.
fn ready(wanted: &Wanted, sizes: &BTreeMap<String, u64>) -> Ready {
    let carrier = telegram().carrier().expect("it carries");
    let bytes = sizes[&wanted.key];
    let file_type = match wanted.item_kind() {
        ItemKind::Photo => FileType::Jpeg,
        ItemKind::Video => FileType::Mp4,
        ItemKind::Audio => FileType::Mp3,
        ItemKind::File | ItemKind::Other => FileType::Other,
    };
    let facts = Facts {
        rendition: Rendition::Original,
        bytes,
        file_type,
        pixels: None,
    };
    match carrier.fit(wanted, &facts, &target_of("telegram", &json!({}))) {
        Fit::As(form) => Ready::Fetched {
            form,
            bytes,
            file_type,
        },
        Fit::Not(why) => Ready::LeftOut { why },
    }
}

/// Sends parts until all are sent, and gives the uploads with the keys in each.
fn uploads(parts: Vec<Part>, sizes: &BTreeMap<String, u64>) -> Vec<(Upload, Vec<(String, Ready)>)> {
    let carrier = telegram().carrier().expect("it carries");
    let (target, receiver) = (
        target_of("telegram", &json!({})),
        receiver_of(&json!({"to": "5"})),
    );
    let secrets = BTreeMap::from([("token".to_owned(), "110:token".to_owned())]);
    let context = CallContext {
        target: &target,
        receiver: &receiver,
        secrets: &secrets,
        delivery_id: "d",
        part: 0,
        earlier_ids: &[],
        now_seconds: 0,
        reply_to: None,
    };
    let mut waiting: std::collections::VecDeque<Part> = parts.into();
    let mut sent = Vec::new();
    for _ in 0..10_000 {
        let Some(part) = waiting.pop_front() else {
            return sent;
        };
        let wanted = carrier.files(&part).expect("its own payload");
        if wanted.is_empty() {
            continue;
        }
        let readied: Vec<Ready> = wanted.iter().map(|wanted| ready(wanted, sizes)).collect();
        match carrier
            .send(&part, &context, &readied)
            .expect("it is described")
        {
            Sending::Upload(upload) => {
                let keys = wanted.into_iter().map(|wanted| wanted.key);
                sent.push((upload, keys.zip(readied).collect()));
            }
            Sending::Instead { parts, .. } => {
                for part in parts.into_iter().rev() {
                    waiting.push_front(part);
                }
            }
        }
    }
    panic!("it never ends");
}

fn kind() -> impl Strategy<Value = (ItemKind, u64)> {
    let kinds = prop::sample::select(vec![
        ItemKind::Photo,
        ItemKind::Photo,
        ItemKind::Photo,
        ItemKind::Video,
        ItemKind::Audio,
        ItemKind::File,
    ]);
    let sizes = prop_oneof![1..200_000u64, 1..60_000_000u64, 8_000_000..12_000_000u64];
    (kinds, sizes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn groups_keep_the_order_and_every_limit(
        kinds in prop::collection::vec(kind(), 1..60),
        words in prop::sample::select(vec!["short".to_owned(), "long ".repeat(400)]),
    ) {
        let items = items(&kinds);
        let sizes: BTreeMap<String, u64> =
            items.iter().map(|item| (item.key.clone(), item.size.unwrap_or(0))).collect();
        let target = target_of("telegram", &json!({"max_media": 500}));
        let carrier = telegram().carrier().expect("it carries");
        let parts = carrier.carry(text(&words), &items, &target, &receiver_of(&json!({})));
        let sent = uploads(parts, &sizes);
        let going: Vec<&String> = sent
            .iter()
            .flat_map(|(_, files)| files)
            .filter(|(_, ready)| ready.form().is_some())
            .map(|(key, _)| key)
            .collect();
        let expected: Vec<&String> = items
            .iter()
            .map(|item| &item.key)
            .filter(|key| sizes[*key] <= 50_000_000)
            .collect();
        prop_assert_eq!(going, expected);
        for (upload, files) in &sent {
            let going: Vec<&Ready> =
                files.iter().map(|(_, ready)| ready).filter(|ready| ready.form().is_some()).collect();
            let bytes: u64 = going.iter().map(|ready| ready.bytes()).sum();
            prop_assert!((1..=10).contains(&going.len()));
            prop_assert!(going.len() == 1 || bytes <= GROUP_BYTES_MAX);
            let visual = |ready: &&Ready| matches!(ready.form(), Some(Form::Photo | Form::Video));
            let same = |ready: &&Ready| ready.form() == going[0].form();
            prop_assert!(going.iter().all(visual) || going.iter().all(same));
            let is_group = upload.call.url.ends_with("/sendMediaGroup");
            prop_assert_eq!(is_group, going.len() > 1);
            let named = upload.fields.iter().filter(|field| matches!(field, Field::File { .. }));
            prop_assert_eq!(named.count(), going.len());
        }
    }
}

#[test]
fn replies_about_files_mean_what_they_say() {
    let carrier = telegram().carrier().expect("it carries");
    let target = target_of("telegram", &json!({}));
    let parts = |count: usize, words: &str| {
        let items = items(&vec![(ItemKind::Photo, 1_000); count]);
        carrier.carry(text(words), &items, &target, &receiver_of(&json!({})))
    };
    let refused = |description: &str| {
        let body = json!({"ok": false, "error_code": 400, "description": description});
        Reply::Answered {
            status: 400,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    };
    let long = "long ".repeat(400);
    let group = parts(3, &long).pop().expect("a group");
    let lone = parts(1, &long).pop().expect("a photo");
    let captioned = parts(2, "short").pop().expect("a group with words");
    for (part, description, expected) in [
        (&group, "Bad Request: IMAGE_PROCESS_FAILED", "Fallback"),
        (&captioned, "Bad Request: IMAGE_PROCESS_FAILED", "Fallback"),
        (&captioned, "Bad Request: can't parse entities", "Fallback"),
        (&lone, "Bad Request: PHOTO_INVALID_DIMENSIONS", "Fallback"),
        (&lone, "Bad Request: IMAGE_PROCESS_FAILED", "LeftOut"),
        (&lone, "Bad Request: chat not found", "Gone"),
    ] {
        let count = carrier.files(part).expect("its own").len();
        let ready = vec![
            Ready::Fetched {
                form: Form::Photo,
                bytes: 1,
                file_type: FileType::Jpeg,
            };
            count
        ];
        let verdict = carrier.judge(part, &refused(description), &ready, &target);
        let shown = format!("{verdict:?}");
        assert!(shown.starts_with(expected), "{description}: {shown}");
    }
    let stale = "Bad Request: wrong file identifier/HTTP URL specified";
    assert!(carrier.is_stale(&refused(stale)) && !carrier.is_stale(&refused("Bad Request")));
}

#[test]
fn heads_of_files_say_what_they_are() {
    for (head, expected) in [
        (&b"\xFF\xD8\xFF\xE0"[..], FileType::Jpeg),
        (b"\x89PNG\r\n\x1a\n", FileType::Png),
        (b"GIF89a", FileType::Gif),
        (b"RIFF\0\0\0\0WEBP", FileType::Webp),
        (b"\0\0\0\x18ftypheic", FileType::OtherImage),
        (b"\0\0\0\x18ftypisom", FileType::Mp4),
        (b"\0\0\0\x14ftypqt  ", FileType::OtherVideo),
        (b"\0\0\0\x18ftypM4A ", FileType::M4a),
        (b"\x1A\x45\xDF\xA3", FileType::OtherVideo),
        (b"ID3\x03", FileType::Mp3),
        (b"OggS", FileType::OtherAudio),
        (b"  <!doctype HTML>", FileType::Page),
        (b"", FileType::Other),
        (b"RIFF", FileType::Other),
        (b"%PDF-1.7", FileType::Other),
    ] {
        assert_eq!(file_type(head), expected, "{head:?}");
    }
}
