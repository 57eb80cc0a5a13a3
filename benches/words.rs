//! Questions: what does a tracker's `where` cost for each notice (budget: 3 µs), and what does it
//! cost to put a notice into words for one receiver (budget: 200 µs)?

#![allow(
    clippy::disallowed_methods,
    reason = "a bench is the outside world: it reads the clock and makes its own connections"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use notify_bridge::domain::notice::{Collection, Notice, NoticeDraft};
use notify_bridge::templates::{Filter, Scene, render};

fn push() -> Notice {
    Notice {
        id: "01JDF2Z6V80001800000000000".into(),
        position: 42,
        received_at: 1_764_000_000_250_000,
        provider: "forge".into(),
        provider_kind: "gitea".into(),
        dispatch_id: "d-7".into(),
        draft: NoticeDraft {
            kind: "push".into(),
            collection: Some(Collection {
                id: "17".into(),
                name: "harbour/crane".into(),
            }),
            actor: Some("gordon".into()),
            title: "gordon pushed 2 commits to main in harbour/crane".into(),
            text: "ab12cd3 Lift the hook first\n99ffee1 Oil the winch".into(),
            url: Some("https://git.example.net/harbour/crane/compare/1...2".into()),
            labels: (0..12)
                .map(|n| (format!("label{n}"), format!("value {n}")))
                .chain([("branch".to_owned(), "main".to_owned())])
                .collect(),
            ..NoticeDraft::default()
        },
    }
}

fn filters(criterion: &mut Criterion) {
    let notice = push();
    for (name, source) in [
        (
            "where, two fields",
            "notice.labels.branch == 'main' and notice.severity != 'info'",
        ),
        (
            "where, five conditions",
            "notice.kind in ['push', 'tag_created'] and notice.labels.branch == 'main' \
             and notice.actor != 'bot' and 'wip' not in notice.title|lower \
             and notice.collection.startswith('harbour/')",
        ),
    ] {
        let filter = match Filter::compile(source) {
            Ok(filter) => filter,
            Err(fault) => panic!("{source}: {fault}"),
        };
        criterion.bench_function(name, |b| {
            b.iter(|| black_box(&filter).eval(black_box(&notice)))
        });
    }
}

fn words(criterion: &mut Criterion) {
    let notice = push();
    let zone = jiff::tz::TimeZone::UTC;
    let scene = Scene {
        still: false,
        digest: None,
        notice: &notice,
        tracker: Some("releases"),
        link: None,
        target: "ops",
        receiver: "team",
        locale: "en",
        zone: &zone,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    criterion.bench_function("built-in words of a push", |b| {
        b.iter(|| render(None, "telegram", black_box(&scene)));
    });
}

criterion_group!(benches, filters, words);
criterion_main!(benches);
