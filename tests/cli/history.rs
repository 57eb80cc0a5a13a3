//! `snapshot`, `replay`, and reading stores of other machines.

use std::io::Write as _;

use serde_json::Value;

use super::*;

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A store with a history in it.
fn told() -> (Place, String) {
    let place = Place::new();
    let file = fixture("bridge.toml");
    expect(&place.on_data(&format!("apply {}", file.display())), 0);
    expect(
        &place.on_data("user add ada --role owner --password-file PASSWORD"),
        0,
    );
    let sent = expect(&place.on_data("send inbox Tea --json"), 0);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let notice = sent["notice"].as_str().unwrap().to_owned();
    (place, notice)
}

#[test]
fn snapshots_are_made_listed_and_passed_over_when_damaged() {
    let (place, notice) = told();
    let made = expect(&place.on_data("snapshot create --json"), 0);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["created"], true);
    let position = made["position"].as_u64().unwrap();
    let again = expect(&place.on_data("snapshot create"), 0);
    assert!(again.contains("already"), "{again}");
    let listed = lines(&expect(&place.on_data("snapshot list --json"), 0));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["position"], position);
    assert_eq!(listed[0]["usable"], true);

    let path = place.path(&format!("data/snapshots/{position}.snap"));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let listed = expect(&place.on_data("snapshot list"), 0);
    assert!(listed.contains("passed over: it is damaged"), "{listed}");
    assert!(expect(&place.on_data("notices"), 0).contains(&notice));
    expect(&place.on_data(&format!("replay --from {position}")), 2);
    let made = expect(&place.on_data("snapshot create --json"), 0);
    assert_eq!(lines(&made)[0]["created"], true);

    // The same of a running program.
    let token = expect(
        &place.on_data("token create all --scope admin --role owner"),
        0,
    );
    let serving = Serving::start(&place, &[]);
    let on_url = |words: &[&str]| {
        program(words)
            .env("NOTIFY_BRIDGE_URL", &serving.url)
            .env("NOTIFY_BRIDGE_TOKEN", token.trim())
            .output()
            .unwrap()
    };
    let made = expect(&on_url(&["snapshot", "create", "--json"]), 0);
    let newest = lines(&made)[0]["position"].as_u64().unwrap();
    assert!(newest > position);
    let listed = lines(&expect(&on_url(&["snapshot", "list", "--json"]), 0));
    let positions: Vec<_> = listed.iter().map(|one| one["position"].as_u64()).collect();
    assert_eq!(positions, [Some(newest), Some(position)]);
}

#[test]
fn nothing_is_appended_when_nothing_has_changed() {
    let (place, _) = told();
    let newest = |place: &Place| {
        let log = expect(&place.on_data("log --json --limit 1"), 0);
        lines(&log)[0]["position"].as_u64().unwrap()
    };
    let before = newest(&place);
    for _ in 0..2 {
        assert_eq!(Serving::start(&place, &[]).terminate(), Some(0));
        assert_eq!(newest(&place), before);
    }
    let listed = lines(&expect(&place.on_data("snapshot list --json"), 0));
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["position"].as_u64(), Some(before));
}

#[test]
fn replay_names_what_each_event_changed() {
    let (place, _) = told();
    let text = expect(&place.on_data("replay"), 0);
    for expected in [
        "store_founded",
        "+ configuration.providers[",
        "+ access.users[",
        "password_hash\":\"(not shown)\"",
        "counts.days[0/",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(!text.contains("argon2") && !text.contains("fingerprint\":["));
    let all = lines(&expect(&place.on_data("replay --json"), 0));
    let positions: Vec<u64> = all
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (1..=all.len() as u64).collect::<Vec<_>>());
    assert!(all.iter().all(|event| event["changes"].is_array()));
    let some = lines(&expect(&place.on_data("replay --json --to 2"), 0));
    assert_eq!(some, all[..2]);
    // From a snapshot the rest is the same.
    let made = lines(&expect(&place.on_data("snapshot create --json"), 0));
    expect(&place.on_data("send inbox Cake"), 0);
    let from = format!("replay --json --from {}", made[0]["position"]);
    let rest = lines(&expect(&place.on_data(&from), 0));
    let whole = lines(&expect(&place.on_data("replay --json"), 0));
    assert_eq!(rest, whole[all.len()..]);
}

#[test]
fn replay_goes_step_by_step_as_asked() {
    let (place, _) = told();
    let data = place.data();
    let mut child = program(&["replay", "--step", "--data", &data])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"n\n4\np\nhuh\n99999\n1\nq\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = expect(&output, 0);
    let shown: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split(' ').next())
        .collect();
    assert_eq!(shown, ["1", "2", "4", "2", "1"]);
    let said = err(&output);
    assert!(said.contains("none of these") && said.contains("that is the end"));
}

#[test]
fn an_unchanged_program_decides_everything_again() {
    let (place, notice) = told();
    expect(&place.on_data(&format!("resend {notice}")), 0);
    expect(&place.on_data("token create ci --scope read"), 0);
    expect(&place.on_data("token revoke ci"), 0);
    expect(&place.on_data("user role ada admin"), 1);
    expect(&place.on_data("pause"), 0);
    expect(&place.on_data("snooze --target inbox --for 2h"), 0);
    let text = expect(&place.on_data("replay --check"), 0);
    assert!(text.contains(" 0 otherwise"), "{text}");
    assert!(!text.contains("not decided again"), "{text}");
    assert!(text.contains("zone database 20"), "{text}");
    let shape = lines(&expect(&place.on_data("replay --check --json"), 0));
    assert_eq!(shape.len(), 1);
    assert_eq!(shape[0]["differ"], 0);
    assert_eq!(shape[0]["same"], shape[0]["commands"]);
}

/// A store that was copied from a program that was killed, without its lock and its key, is read like
/// any other, and not written.
#[test]
fn a_copy_of_an_unclean_store_is_read_anywhere() {
    let (place, _) = told();
    let token = expect(
        &place.on_data("token create all --scope admin --role owner"),
        0,
    );
    let serving = Serving::start(&place, &[]);
    let send = ["send", "inbox", "Cake", "--json"];
    let sent = program(&send)
        .env("NOTIFY_BRIDGE_URL", &serving.url)
        .env("NOTIFY_BRIDGE_TOKEN", token.trim())
        .output()
        .unwrap();
    let sent = lines(&expect(&sent, 0));
    let notice = sent[0]["notice"].as_str().unwrap();
    // Killed.
    drop(serving);
    let elsewhere = Place::new();
    std::fs::create_dir(elsewhere.data()).unwrap();
    let copy = elsewhere.path("data/bridge.redb");
    std::fs::copy(place.path("data/bridge.redb"), &copy).unwrap();
    let before = std::fs::read(&copy).unwrap();

    let explained = format!("explain {notice}");
    for (words, expected) in [
        ("log", "notice_accepted"),
        ("log --from 1 --limit 3", "store_founded"),
        (&explained, "Cake"),
        ("notices", notice),
        ("replay", "notice_accepted"),
        ("replay --check", " 0 otherwise"),
        ("snapshot list", ""),
    ] {
        let text = expect(&elsewhere.on_data(words), 0);
        assert!(text.contains(expected), "{words}: {text}");
    }
    assert!(
        std::fs::read(&copy).unwrap() == before,
        "the copy was written"
    );
    let files = std::fs::read_dir(elsewhere.data()).unwrap();
    assert_eq!(files.count(), 1, "nothing is left beside it");
}
