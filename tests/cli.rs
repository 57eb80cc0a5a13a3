//! The command line from outside: the built program, its output and its exit codes.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

#[path = "cli/bots.rs"]
mod bots;
#[path = "cli/history.rs"]
mod history;

const PROGRAM: &str = env!("CARGO_BIN_EXE_notify-bridge");
const SECRET: &str = "a secret of the tests";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/cli")
        .join(name)
}

/// A folder with a data folder in it and a password file beside.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        std::fs::write(place.path("password"), "correct horse battery\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn data(&self) -> String {
        self.path("data")
    }

    /// Runs a verb on the data folder.
    fn on_data(&self, words: &str) -> Output {
        let data = self.data();
        let password = self.path("password");
        let words: Vec<&str> = words
            .split(' ')
            .map(|word| if word == "PASSWORD" { &password } else { word })
            .chain(["--data", data.as_str()])
            .collect();
        run(&words)
    }
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(words)
        .env_clear()
        .env("CLI_TEST_SECRET", SECRET)
        .stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    program(words).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Fails with everything that was said when the code is another.
fn expect(output: &Output, code: i32) -> String {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {}\nstderr: {}",
        out(output),
        err(output)
    );
    out(output)
}

/// A program that serves, until it is dropped.
struct Serving {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Serving {
    /// Waits for the lines that say where it listens and that it is ready.
    fn start(place: &Place, more: &[&str]) -> Self {
        let data = place.data();
        let mut words = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        words.extend(more);
        let mut child = program(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = wait_for(&mut lines, "listening on ");
        wait_for(&mut lines, "ready: ");
        Serving { child, lines, url }
    }

    /// Tells it to end as a service manager does, and gives its exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let told = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status()
            .unwrap();
        assert!(told.success());
        // Until it closes its output.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn wait_for(lines: &mut Lines<BufReader<ChildStdout>>, begin: &str) -> String {
    for line in lines {
        let line = line.unwrap();
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.to_owned();
        }
    }
    panic!("it ended without a line that begins with {begin:?}");
}

#[test]
fn check_lists_all_problems_with_their_places() {
    let faulty = fixture("faulty.toml");
    let faulty = faulty.to_str().unwrap();
    let output = run(&["check", faulty]);
    let text = expect(&output, 2);
    for expected in [
        ":2:12: settings.timezone: ",
        ":6:8: ",
        "did you mean `gitea`",
        "knids",
        "nowhere",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let objects = expect(&run(&["check", "--json", faulty]), 2);
    for line in objects.lines() {
        let problem: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(problem["file"], faulty);
        assert!(problem["line"].as_u64().unwrap() > 0);
    }
    assert_eq!(objects.lines().count(), text.lines().count());
    let good = fixture("bridge.toml");
    expect(&run(&["check", good.to_str().unwrap()]), 0);
    expect(&run(&["check", "/nowhere/at/all.toml"]), 2);
    // An unset variable is a problem and never an empty secret.
    let unset = program(&["check", good.to_str().unwrap()])
        .env_remove("CLI_TEST_SECRET")
        .output()
        .unwrap();
    assert!(expect(&unset, 2).contains("`CLI_TEST_SECRET` is not set"));
}

#[test]
fn wrong_usage_is_2_and_help_and_version_are_0() {
    let cases: [(&[&str], i32); 10] = [
        (&[], 2),
        (&["held", "--limit", "0"], 2),
        (&["serve", "--listen", "nowhere"], 2),
        (&["notices", "--url", "http://a", "--data", "b"], 2),
        (&["tail", "--data", "b"], 2),
        (&["serve", "--ca-file", "nowhere.pem"], 2),
        (&["healthcheck", "--ca-file", "nowhere.pem"], 2),
        (&["--version"], 0),
        (&["explain", "--help"], 0),
        (&["setup-link"], 1),
    ];
    for (words, code) in cases {
        expect(&run(words), code);
    }
    let version = expect(&run(&["--version"]), 0);
    assert!(version.contains("store format"), "{version}");
    let completions = expect(&run(&["completions", "bash"]), 0);
    assert!(completions.contains("healthcheck"));
}

#[test]
fn a_token_is_made_in_a_store_that_does_not_exist_yet() {
    let place = Place::new();
    let token = expect(
        &place.on_data("token create ci --scope read --expires 365d"),
        0,
    );
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("nb_") && token.len() == 46, "{token}");
    let listed = expect(&place.on_data("token list --json"), 0);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["name"], "ci");
    assert_eq!(listed["scopes"], serde_json::json!(["read"]));
    assert_eq!(listed["role"], "viewer");
    assert!(listed["expires_at"].is_string());
    assert!(!listed.to_string().contains(token));
    expect(&place.on_data("token create ci --scope read"), 1);
    expect(&place.on_data("token revoke ci"), 0);
    assert_eq!(expect(&place.on_data("token list"), 0), "");
}

#[test]
fn the_command_line_goes_before_the_environment() {
    let place = Place::new();
    expect(&place.on_data("token create ci --scope read"), 0);
    let data = place.data();
    let both = |words: &[&str]| {
        program(words)
            .env("NOTIFY_BRIDGE_DATA", &data)
            // Nothing listens there.
            .env("NOTIFY_BRIDGE_URL", "http://127.0.0.1:1")
            .output()
            .unwrap()
    };
    // A container may set both; a program that runs is the more likely one.
    let unreachable = both(&["token", "list"]);
    expect(&unreachable, 1);
    assert!(err(&unreachable).contains("does not answer"));
    assert!(expect(&both(&["token", "list", "--data", &data]), 0).contains("ci"));
    let only_data = program(&["token", "list"])
        .env("NOTIFY_BRIDGE_DATA", &data)
        .output()
        .unwrap();
    assert!(expect(&only_data, 0).contains("ci"));
}

#[test]
fn users_are_added_listed_changed_and_removed() {
    let place = Place::new();
    expect(
        &place.on_data("user add ada --role admin --password-file PASSWORD"),
        0,
    );
    expect(&place.on_data("user add bo --password-file PASSWORD"), 0);
    // The first admin owns the installation.
    let listed = expect(&place.on_data("user list"), 0);
    assert_eq!(listed, "ada  owner\nbo   viewer\n");
    expect(&place.on_data("user role bo editor"), 0);
    expect(&place.on_data("user passwd bo --password-file PASSWORD"), 0);
    assert!(expect(&place.on_data("user list"), 0).contains("bo   editor"));
    // The last owner stays.
    expect(&place.on_data("user remove ada"), 1);
    expect(&place.on_data("user remove bo"), 0);
    assert_eq!(expect(&place.on_data("user list"), 0), "ada  owner\n");
    // Without a terminal and without a file there is nobody to ask.
    expect(&place.on_data("user add cy"), 2);
    std::fs::write(place.path("password"), "short\n").unwrap();
    expect(&place.on_data("user add cy --password-file PASSWORD"), 2);
}

#[test]
fn what_is_applied_is_exported_and_applying_it_again_does_nothing() {
    let place = Place::new();
    let file = fixture("bridge.toml");
    let apply = format!("apply {}", file.display());
    let plan = expect(&place.on_data(&format!("{apply} --dry-run")), 0);
    assert!(plan.contains("+ provider forge"), "{plan}");
    assert_eq!(expect(&place.on_data(&apply), 0), plan);
    assert_eq!(expect(&place.on_data(&apply), 0), "nothing to do\n");

    let exported = expect(&place.on_data("export"), 0);
    assert!(!exported.contains(SECRET));
    let again = place.path("again.toml");
    std::fs::write(&again, &exported).unwrap();
    let applied = expect(&place.on_data(&format!("apply {again}")), 0);
    assert_eq!(applied, "nothing to do\n");

    let plain = expect(&place.on_data("export --secrets plain"), 0);
    assert!(plain.contains(SECRET));
    std::fs::write(&again, &plain).unwrap();
    let elsewhere = Place::new();
    expect(&elsewhere.on_data(&format!("apply {again}")), 0);
    assert_eq!(
        expect(&elsewhere.on_data("export --secrets plain"), 0),
        plain
    );

    // What removes something wants a yes.
    std::fs::write(&again, "[[target]]\nname = \"inbox\"\nkind = \"inbox\"\n").unwrap();
    let prune = format!("apply {again} --prune");
    expect(&elsewhere.on_data(&prune), 2);
    let removed = expect(&elsewhere.on_data(&format!("{prune} --yes")), 0);
    assert!(removed.contains("- tracker code"), "{removed}");
}

#[test]
fn one_process_has_the_store_and_a_second_is_refused() {
    let place = Place::new();
    let file = fixture("bridge.toml");
    let serving = Serving::start(&place, &["--apply", file.to_str().unwrap()]);
    for words in [
        "token create a --scope read",
        "notices",
        "serve --listen 127.0.0.1:0",
    ] {
        let output = place.on_data(words);
        expect(&output, 1);
        let said = err(&output);
        assert!(
            said.contains("is in use") && said.contains("--url"),
            "{said}"
        );
    }
    expect(&run(&["healthcheck", "--url", &serving.url]), 0);
    let url = serving.url.clone();
    assert_eq!(serving.terminate(), Some(0));
    expect(&run(&["healthcheck", "--url", &url]), 1);
    // What was applied at the start is there.
    assert!(expect(&place.on_data("export"), 0).contains("name = \"forge\""));
}

#[test]
fn a_running_program_is_asked_and_told_over_its_address() {
    let place = Place::new();
    let token = expect(
        &place.on_data("token create all --scope admin --role owner"),
        0,
    );
    let password = place.path("password");
    let serving = Serving::start(
        &place,
        &["--admin", "ada", "--admin-password-file", &password],
    );
    let on_url = |words: &[&str]| {
        program(words)
            .env("NOTIFY_BRIDGE_URL", &serving.url)
            .env("NOTIFY_BRIDGE_TOKEN", token.trim())
            .output()
            .unwrap()
    };
    let file = fixture("bridge.toml");
    let file = file.to_str().unwrap();
    let plan = expect(&on_url(&["apply", file]), 0);
    assert!(plan.contains("+ tracker code"), "{plan}");
    assert_eq!(expect(&on_url(&["apply", file]), 0), "nothing to do\n");
    assert!(expect(&on_url(&["export"]), 0).contains("[[tracker]]"));
    assert_eq!(expect(&on_url(&["user", "list"]), 0), "ada  owner\n");
    let add = [
        "user",
        "add",
        "bo",
        "--role",
        "editor",
        "--password-file",
        &password,
    ];
    expect(&on_url(&add), 0);
    expect(&on_url(&["user", "role", "bo", "viewer"]), 0);
    let passwd = ["user", "passwd", "bo", "--password-file", &password];
    expect(&on_url(&passwd), 0);
    assert!(expect(&on_url(&["user", "list"]), 0).contains("bo   viewer"));
    expect(&on_url(&["user", "remove", "bo"]), 0);

    let sent = expect(&on_url(&["send", "inbox", "Hello\u{1b}[31m", "--json"]), 0);
    let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    let notice = sent["notice"].as_str().unwrap();
    assert!(expect(&on_url(&["notices"]), 0).contains(notice));
    assert!(expect(&on_url(&["deliveries", "--target", "inbox"]), 0).contains("sent"));
    let card = expect(&on_url(&["explain", notice]), 0);
    assert!(
        card.contains("Addressed to inbox") && card.contains("Hello"),
        "{card}"
    );
    assert!(!card.contains('\u{1b}'));
    let health = expect(&on_url(&["explain", "forge"]), 0);
    assert!(health.contains("/hooks/forge"), "{health}");
    expect(&on_url(&["explain", "nobody"]), 1);
    assert!(expect(&on_url(&["log"]), 0).contains("founded"));
    expect(&on_url(&["pause"]), 0);
    expect(&on_url(&["resume"]), 0);
    expect(&on_url(&["test", "inbox"]), 0);
    assert_eq!(expect(&on_url(&["parked"]), 0), "");
    let made = expect(&on_url(&["token", "create", "ci", "--scope", "read"]), 0);
    assert!(made.starts_with("nb_"));
    let without = program(&["notices", "--url", &serving.url])
        .output()
        .unwrap();
    expect(&without, 1);
    assert!(err(&without).contains("token"), "{}", err(&without));
    assert_eq!(serving.terminate(), Some(0));

    // The same of the stopped store.
    assert!(expect(&place.on_data("notices"), 0).contains(notice));
    let card_stopped = expect(&place.on_data(&format!("explain {notice}")), 0);
    assert_eq!(card_stopped, card);
    let again = expect(&place.on_data(&format!("resend {notice}")), 0);
    assert!(again.contains(notice), "{again}");
    assert!(expect(&place.on_data("log --json"), 0).contains("\"kind\""));
    let rendered = place.on_data("render --all --since 7d");
    assert!(expect(&rendered, 0).contains("0 with a fault"));
}

#[test]
fn what_is_held_is_listed_moved_and_released() {
    let place = Place::new();
    let file = place.path("quiet.toml");
    // Always quiet, so that the time of day does not matter; nothing listens there.
    let text = "[settings]\nquiet = [ { from = \"00:00\", to = \"00:00\" } ]\n\n\
        [[target]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n\
        allow_private = true\n";
    std::fs::write(&file, text).unwrap();
    let token = expect(&place.on_data("token create all --scope admin"), 0);
    expect(&place.on_data(&format!("apply {file}")), 0);
    let sent = expect(&place.on_data("send hook Tea --json"), 0);
    let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
    let notice = sent["notice"].as_str().unwrap();
    let id = sent["deliveries"][0].as_str().unwrap();

    let listed = expect(&place.on_data("held"), 0);
    assert!(
        listed.contains(id) && listed.contains("held_quiet_hours") && listed.contains("1 notice"),
        "{listed}"
    );
    let card = expect(&place.on_data(&format!("explain {notice}")), 0);
    assert!(
        card.contains("because of quiet hours") && card.contains("will be sent at"),
        "{card}"
    );
    let moved = expect(&place.on_data(&format!("move {id} --until released")), 0);
    assert!(moved.contains("held until somebody releases it"), "{moved}");
    assert_eq!(expect(&place.on_data("held --reason held_digest"), 0), "");
    expect(&place.on_data("held --reason boredom"), 2);
    expect(&place.on_data(&format!("move {id} --until 400d")), 2);

    let serving = Serving::start(&place, &[]);
    let on_url = |words: &[&str]| {
        program(words)
            .env("NOTIFY_BRIDGE_URL", &serving.url)
            .env("NOTIFY_BRIDGE_TOKEN", token.trim())
            .output()
            .unwrap()
    };
    let held = expect(&on_url(&["held", "--json"]), 0);
    let held: serde_json::Value = serde_json::from_str(&held).unwrap();
    assert_eq!(held["id"], id);
    assert!(held["held_until"].is_null());
    let moved = expect(&on_url(&["move", id, "--until", "2h"]), 0);
    assert!(moved.contains("held until 20"), "{moved}");
    let card = expect(&on_url(&["explain", notice]), 0);
    assert!(card.contains("because a person moved it"), "{card}");
    let released = expect(&on_url(&["release", id]), 0);
    assert!(released.contains(id), "{released}");
    assert_eq!(expect(&on_url(&["held"]), 0), "");
    expect(&on_url(&["release", id]), 1);
}

#[test]
fn a_template_is_rendered_without_a_store() {
    let template = fixture("bridge.toml");
    let notice = fixture("notice.json");
    let words = [
        "render",
        "short",
        "--template",
        template.to_str().unwrap(),
        "--file",
        notice.to_str().unwrap(),
    ];
    let text = expect(&run(&words), 0);
    for expected in [
        "short · telegram",
        "of 4096 UTF-16 units",
        "short · discord",
        "short · plain",
        "pushed to bench/kite",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
    let missing = [
        "render",
        "other",
        "--template",
        words[3],
        "--file",
        words[5],
    ];
    expect(&run(&missing), 1);
}

#[test]
fn the_demo_tells_its_story_and_ends() {
    let output = run(&["demo", "--once", "--pace", "fast"]);
    let text = expect(&output, 0);
    for expected in [
        "listening on http://127.0.0.1:",
        "Tracker code said yes: to inbox, 1 receiver",
        "Tracker releases said no: kind push is not in [release_published]",
        "│ nadia pushed to bench/kite",
        "│ nadia published release",
        "│ olek asks: #23 The line hums in strong wind",
        "200, a duplicate of notice",
        "notice.labels.branch = try/longer-line",
        "401, refused: the signature in x-gitea-signature does not match",
        "{{ 7 * 7 }}",
        "severity  warning",
        "Attempt 1 → 500",
        "will be tried again at",
        "Attempt 3 → 200",
        "That was the story.",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    // Nothing hostile reached the terminal, and no colour without one.
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    assert_eq!(err(&output), "");
}
