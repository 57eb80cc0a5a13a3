//! The follower: what was just written is found, and nothing that happens to the folder matters.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify_bridge::projections::retention::Retention;
use notify_bridge::shell::search::{Asked, FOLDER, Identity, Search, SearchError, Sorted};

use crate::story::{NOON, Step, Story, asked, facets, find, pages, titles};

/// How long a test waits for something that must happen. Reached only when it does not.
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "a limit for what must happen")]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn told(story: &mut Story, from: u32, to: u32) {
    let steps: Vec<Step> = (from..to)
        .map(|number| Step::Notice {
            title: format!("kite {number}"),
            text: if number % 10 == 0 {
                "tenth".into()
            } else {
                String::new()
            },
            sort: (number % 12) as u8,
            targets: 1,
            is_dropped: false,
        })
        .collect();
    for steps in steps.chunks(2_000) {
        story.tell(steps);
    }
}

fn agrees(search: &Search, documents: u64) {
    assert!(search.settle());
    let agreement = search
        .agreement(&Retention::default(), &mut |_, _| {})
        .expect("it is read")
        .expect("an index");
    assert!(agreement.is_whole(), "{agreement:?}");
    assert_eq!(agreement.indexed, documents);
}

#[test]
fn what_was_just_written_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    for number in 0..300 {
        story.notice(&format!("kite {number} flies"));
        search.look();
        assert_eq!(
            titles(&search, &format!("\"kite {number}\"")),
            [format!("kite {number} flies")]
        );
        assert_eq!(facets(&search, "flies").total, number + 1);
    }
    agrees(&search, 300);
    thread.stop();
}

#[test]
fn pages_have_no_gap_and_no_repeat_while_new_ones_arrive() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    told(&mut story, 0, 400);
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let page = Asked {
            cursor,
            limit: 7,
            ..asked("kite is:notice")
        };
        let answer = find(&search, &page).expect("an answer");
        seen.extend(answer.hits.into_iter().map(|hit| hit.title));
        story.notice("kite that came later");
        if seen.len() % 3 == 0 {
            assert!(search.settle());
        }
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..400)
        .rev()
        .map(|number| format!("kite {number}"))
        .collect();
    assert_eq!(seen, expected);
    thread.stop();
}

#[test]
fn the_best_come_first_and_are_held_for_their_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    for number in 0..40 {
        story.notice(&format!(
            "a long line about many things and a kite, number {number}"
        ));
    }
    story.notice("kite kite kite");
    for number in 0..40 {
        story.notice(&format!("nothing of the kind {number}"));
    }
    assert!(search.settle());
    let by = |sorted, cursor, limit| Asked {
        sorted,
        cursor,
        limit,
        ..asked("kite")
    };
    let first = find(&search, &by(Sorted::Relevance, None, 10)).expect("an answer");
    assert_eq!(first.hits[0].title, "kite kite kite");
    story.notice("kite");
    let all = pages(&search, by(Sorted::Relevance, None, 0), 10);
    assert_eq!(all.iter().flatten().count(), 42);
    let rest = Asked {
        cursor: first.next,
        ..by(Sorted::Relevance, None, 100)
    };
    assert_eq!(find(&search, &rest).expect("an answer").hits.len(), 31);
    let late = search.find(
        &rest,
        NOON,
        &jiff::tz::TimeZone::UTC,
        Duration::from_secs(301),
    );
    assert!(matches!(late, Err(SearchError::Expired)), "{late:?}");
    thread.stop();
}

#[test]
fn a_slip_of_the_finger_finds_what_was_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    story.notice("Thermostat lost its connection");
    for is_settled in [false, true] {
        if is_settled {
            assert!(search.settle());
        }
        for (query, expected) in [
            ("thermosatt", Some("thermostat")),
            ("conection lost", Some("connection lost")),
            ("-thermostat conection", None),
            ("\"lost itz conection\"", None),
            ("zeppelin", None),
            ("los", None),
        ] {
            let answer = find(&search, &asked(query)).expect("an answer");
            assert_eq!(answer.corrected.as_deref(), expected, "{query}");
            assert_eq!(
                answer.hits.len(),
                usize::from(expected.is_some()),
                "{query}"
            );
        }
    }
    thread.stop();
}

#[test]
fn changes_are_seen_only_by_who_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    story.tell(&[Step::Paused {
        by: "user wren".into(),
    }]);
    for sees_changes in [true, false] {
        for sorted in [Sorted::Newest, Sorted::Relevance] {
            let asked = Asked {
                sees_changes,
                sorted,
                ..asked("wren")
            };
            let found = find(&search, &asked).expect("an answer").hits.len();
            assert_eq!(found, usize::from(sees_changes));
        }
    }
    thread.stop();
}

#[test]
fn families_that_are_forgotten_are_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    let (search, thread) = story.search();
    told(&mut story, 0, 100);
    assert!(search.settle());
    assert!(search.forget((1..=60).collect()));
    story.remove((1..=60).collect());
    assert_eq!(titles(&search, "kite is:notice").len(), 40);
    agrees(&search, 80);
    thread.stop();
    let (search, thread) = story.search();
    agrees(&search, 80);
    thread.stop();
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder.join(FOLDER)).expect("the folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn an_index_that_is_gone_damaged_or_of_another_store_is_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    told(&mut story, 0, 500);
    let (search, thread) = story.search();
    agrees(&search, 1_000);
    thread.stop();
    let count = files(folder.path()).len();
    for damaged in 0..=count {
        match files(folder.path()).get(damaged) {
            // One byte in the middle of a file, or a file without its end.
            Some(file) if damaged % 2 == 0 => {
                let mut bytes = fs::read(file).expect("its bytes");
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 0x20;
                }
                fs::write(file, bytes).expect("it is written");
            }
            Some(file) => {
                let bytes = fs::read(file).expect("its bytes");
                fs::write(file, &bytes[..bytes.len() / 3]).expect("it is written");
            }
            None => fs::remove_dir_all(folder.path().join(FOLDER)).expect("it is removed"),
        }
        let (search, thread) = story.search();
        assert_eq!(titles(&search, "tenth is:notice").len(), 50);
        agrees(&search, 1_000);
        thread.stop();
    }
    let (search, thread) =
        Search::start(folder.path(), story.reader(), Identity(8)).expect("a thread");
    agrees(&search, 1_000);
    thread.stop();
}

#[test]
fn an_index_that_goes_away_under_the_program_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    told(&mut story, 0, 500);
    let (search, thread) = story.search();
    agrees(&search, 1_000);
    fs::remove_dir_all(folder.path().join(FOLDER)).expect("it is removed");
    assert_eq!(titles(&search, "tenth is:notice").len(), 50);
    story.notice("kite after that, tenth");
    search.look();
    assert_eq!(titles(&search, "tenth is:notice").len(), 51);
    until("the index is made anew", || {
        folder.path().join(FOLDER).join("meta.json").exists() && search.settle()
    });
    agrees(&search, 1_001);
    search.rebuild();
    agrees(&search, 1_001);
    thread.stop();
}

#[test]
fn while_the_index_is_far_behind_the_newest_are_found_and_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    told(&mut story, 0, 25_000);
    let without = Search::stopped(folder.path(), story.reader(), Identity(7));
    let answer = find(&without, &asked("\"kite 24999\" is:notice")).expect("an answer");
    assert_eq!(answer.hits.len(), 1);
    assert!(!answer.standing.is_complete);
    assert_eq!(titles(&without, "kite is:notice").len(), 10_000);
    assert!(!Path::new(&folder.path().join(FOLDER)).exists());
    let (search, thread) = story.search();
    agrees(&search, 50_000);
    let answer = find(&search, &asked("\"kite 24999\" is:notice")).expect("an answer");
    assert!(answer.standing.is_complete && !answer.standing.is_rebuilding);
    let search = Arc::clone(&search);
    thread.stop();
    // It still answers when the follower is gone.
    assert_eq!(titles(&search, "\"kite 3\" is:notice"), ["kite 3"]);
    let stopped = Search::stopped(folder.path(), story.reader(), Identity(7));
    assert_eq!(titles(&stopped, "\"kite 3\" is:notice"), ["kite 3"]);
}

#[test]
fn a_follower_that_is_stopped_anywhere_goes_on_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    for round in 0..12 {
        told(&mut story, round * 1_500, (round + 1) * 1_500);
        let (search, thread) = story.search();
        if round % 3 == 0 {
            until("something is indexed", || search.standing().indexed > 0);
        }
        if round % 3 == 1 {
            search.look();
        }
        thread.stop();
    }
    let (search, thread) = story.search();
    agrees(&search, 36_000);
    thread.stop();
}

/// What a machine that loses power leaves: some files of one moment, some of another, some cut off.
#[test]
fn whatever_a_kill_leaves_of_the_folder_leads_to_the_same_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = Story::begin(folder.path());
    told(&mut story, 0, 3_000);
    let (search, thread) = story.search();
    for round in 0..10u32 {
        told(&mut story, 3_000 + round * 500, 3_500 + round * 500);
        search.look();
        if round % 2 == 0 {
            search.settle();
        }
        let image = tempfile::tempdir().expect("a folder");
        fs::create_dir(image.path().join(FOLDER)).expect("a folder");
        let entries = fs::read_dir(folder.path().join(FOLDER));
        for entry in entries.into_iter().flatten().flatten() {
            // Files go and come while this reads.
            let Ok(mut bytes) = fs::read(entry.path()) else {
                continue;
            };
            if round == 9 {
                bytes.truncate(bytes.len() / 2);
            }
            let copy = image.path().join(FOLDER).join(entry.file_name());
            fs::write(copy, bytes).expect("it is written");
        }
        let (left, left_thread) =
            Search::start(image.path(), story.reader(), Identity(7)).expect("a thread");
        agrees(&left, u64::from(3_500 + round * 500) * 2);
        left_thread.stop();
    }
    thread.stop();
}
