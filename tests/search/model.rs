//! The index, the tail and the joining of parts against a scan over everything.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use notify_bridge::domain::event::Event;
use notify_bridge::domain::family::Family;
use notify_bridge::projections::retention::Retention;
use notify_bridge::search::document::{Change, Document, Gathering, Origins};
use notify_bridge::search::matching::{Indexed, matches};
use notify_bridge::search::query::{Reading, Tree};
use notify_bridge::shell::families;
use notify_bridge::shell::views;
use notify_store::{Reader, Recorded};
use proptest::prelude::*;
use serde_json::Value;

use crate::story::{NOON, Step, Story, asked, facets, pages};

const WORDS: [&str; 12] = [
    "kite",
    "kites",
    "Kiten",
    "tail",
    "wind",
    "Straße",
    "café",
    "東京都",
    "天気",
    "v1.2",
    "re-tail",
    "水",
];

struct Scanned<'a>(&'a Reader<Event>);

impl Origins for Scanned<'_> {
    type Error = notify_store::ReadError;

    fn event(&self, position: u64) -> Result<Option<Recorded<Event>>, Self::Error> {
        self.0.get(position)
    }

    fn family(&self, notice: u64) -> Result<Option<Family>, Self::Error> {
        Ok(families::read(self.0, notice).ok())
    }

    fn shown(&self, event: &Recorded<Event>) -> Value {
        views::event(event)["data"].clone()
    }
}

/// Everything there is, newest first, made event by event without remembering anything.
fn scanned(reader: &Reader<Event>) -> Vec<Indexed> {
    let mut documents: BTreeMap<u64, Indexed> = BTreeMap::new();
    let mut from = 1;
    loop {
        let page = reader.page(from, 1_000).expect("a page");
        let Some(last) = page.last() else { break };
        from = last.position + 1;
        for event in page {
            let mut changes = Vec::new();
            Gathering::default()
                .apply(&event, &Scanned(reader), &mut changes)
                .expect("it is read");
            for change in changes {
                match change {
                    Change::Add(document) => {
                        documents.insert(document.seq, Indexed::of(*document));
                    }
                    Change::Remove(key) => documents.retain(|_, held| held.document.key != key),
                }
            }
        }
    }
    documents.into_values().rev().collect()
}

fn said() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..6).prop_map(|w| w.join(" "))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (said(), said(), 0u8..60, 0u8..4, any::<bool>()).prop_map(
            |(title, text, sort, targets, is_dropped)| Step::Notice { title, text, sort, targets, is_dropped }
        ),
        4 => (any::<usize>(), 0u8..3, said(), said())
            .prop_map(|(which, how, words, answer)| Step::Settle { which, how, words, answer }),
        2 => (any::<usize>(), 0u8..3).prop_map(|(which, how)| Step::Operate { which, how }),
        1 => said().prop_map(|why| Step::Unreadable { why }),
        1 => said().prop_map(|by| Step::Paused { by }),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        1 => said().prop_map(|words| format!("\"{words}\"")),
        1 => prop::sample::select(vec!["k*", "kit*", "ta*", "天*", "\"kite ta\"*", "v1.*"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "provider:forge", "kind:push,issue_*", "status:sent", "status:parked,dropped", "is:delivery",
            "is:notice", "severity:warning", "target:ops", "actor:wren", "collection:\"kites/tail 2\"",
            "since:2026-11-24T12:00:20Z", "until:2026-11-24T12:00:40Z", "provider:*", "is:change",
        ]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|all| all.join(" ")),
            prop::collection::vec(inner.clone(), 2..3)
                .prop_map(|any| format!("({})", any.join(" OR "))),
            inner.prop_map(|tree| format!("-({tree})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_index_finds_what_a_scan_finds(
        chapters in prop::collection::vec((prop::collection::vec(step(), 1..40), any::<bool>()), 1..14),
        queries in prop::collection::vec(query(), 1..12),
        limit in 1usize..9,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut story = Story::begin(folder.path());
        let (search, thread) = story.search();
        for (steps, is_settled) in &chapters {
            story.tell(steps);
            if *is_settled {
                prop_assert!(search.settle());
            }
        }
        let all = scanned(&story.reader());
        let reading = Reading { now: NOON, zone: TimeZone::UTC, beginnings: false };
        for query in queries.iter().filter(|query| query.len() < 400) {
            let tree = Tree::parse(query, &reading).expect(query);
            let expected: Vec<&Document> = all
                .iter()
                .filter(|held| matches(&tree, held))
                .map(|held| &held.document)
                .collect();
            let found = pages(&search, asked(query), limit);
            let is_corrected = expected.is_empty();
            if !is_corrected {
                let full = found.iter().rev().skip(1).all(|page| page.len() == limit);
                prop_assert!(full, "{} gives pages that are not full", query);
                let found: Vec<&Document> = found.iter().flatten().collect();
                prop_assert_eq!(&found, &expected, "{}", query);
            }
            prop_assert_eq!(facets(&search, query).total, expected.len() as u64, "{}", query);
        }
        prop_assert!(search.settle());
        let agreement = search.agreement(&Retention::default(), &mut |_, _| {}).expect("it is read").expect("an index");
        prop_assert!(agreement.is_whole(), "{:?}", agreement);
        prop_assert_eq!(agreement.expected, all.len() as u64);
        thread.stop();
    }
}
