//! Providers that are asked, from outside: an upsd that the test runs, and the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify_bridge::config::Source;
use notify_bridge::domain::event::Role;
use notify_bridge::domain::state::State;
use notify_bridge::providers::ask::Ask;
use notify_bridge::shell::clock::Clock as _;
use notify_bridge::shell::configure;
use notify_bridge::shell::pollers::{AskFailed, Polling};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{NOON, TestBridge};
use crate::health::in_time;
use crate::pages::visit;

/// An upsd whose UPSes the test changes; without any it hangs up.
struct Upsd {
    port: u16,
    status: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    /// Lines that were said to it.
    said: Arc<Mutex<Vec<String>>>,
}

impl Upsd {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upsd = Upsd {
            port: listener.local_addr().expect("an address").port(),
            status: Arc::default(),
            said: Arc::default(),
        };
        let (status, said) = (Arc::clone(&upsd.status), Arc::clone(&upsd.said));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let upses = status.lock().expect("no panic").clone();
                tokio::spawn(serve(stream, upses, Arc::clone(&said)));
            }
        });
        upsd
    }

    fn set(&self, ups: &'static str, status: &'static str) {
        let mut all = self.status.lock().expect("no panic");
        all.insert(ups, status);
    }

    fn provider(&self, more: &str) -> String {
        let port = self.port;
        format!(
            r#"
[[provider]]
name = "power"
kind = "nut"
host = "127.0.0.1"
port = {port}
allow_private = true
interval = "30s"
{more}

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "ups"
provider = "power"
interval = "10s"
links = [ {{ target = "kept" }} ]

[[tracker]]
name = "self"
provider = "bridge"
links = [ {{ target = "kept" }} ]
"#
        )
    }
}

async fn serve(
    stream: TcpStream,
    upses: BTreeMap<&'static str, &'static str>,
    said: Arc<Mutex<Vec<String>>>,
) {
    if upses.is_empty() {
        return;
    }
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.lock().expect("no panic").push(line.clone());
        let answer = match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["LIST", "UPS"] => {
                let list: String = upses
                    .keys()
                    .map(|ups| format!("UPS {ups} \"\"\n"))
                    .collect();
                format!("BEGIN LIST UPS\n{list}END LIST UPS\n")
            }
            ["LIST", "VAR", ups] => match upses.get(ups) {
                Some(&"stale") => "ERR DATA-STALE\n".to_owned(),
                Some(status) => format!(
                    "BEGIN LIST VAR {ups}\nVAR {ups} battery.charge \"77\"\nVAR {ups} ups.status \"{status}\"\nEND LIST VAR {ups}\n"
                ),
                None => "ERR UNKNOWN-UPS\n".to_owned(),
            },
            ["LOGOUT"] => "OK Goodbye\n".to_owned(),
            ["VER"] => "upsd of a test\n".to_owned(),
            _ => "OK\n".to_owned(),
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub fn cursor(state: &State, provider: &str, key: &str) -> Option<Vec<u8>> {
    let id = state.configuration.provider(provider)?.id;
    state.cursors.get(id, key).map(|bytes| bytes.to_vec())
}

pub fn notices(state: &State) -> u64 {
    state.counts.days.values().map(|count| count.notices).sum()
}

/// Titles of all notices, oldest first.
pub fn told(bridge: &TestBridge) -> Vec<String> {
    let rows = bridge.app.ledger.reader().rows_back(u64::MAX, 100);
    let mut titles: Vec<String> = rows
        .expect("rows")
        .iter()
        .map(|(position, _)| bridge.family(*position).notice.draft.title)
        .collect();
    titles.reverse();
    titles
}

#[tokio::test]
async fn a_ups_is_followed_and_only_what_changed_is_told() {
    let upsd = Upsd::start().await;
    upsd.set("rack", "OL");
    upsd.set("shed", "OB");
    let bridge = TestBridge::start(&upsd.provider("")).await;
    in_time(&bridge, "the first look", |state| {
        cursor(state, "power", "ups/shed").is_some()
    })
    .await;
    assert_eq!(
        told(&bridge),
        [] as [&str; 0],
        "the first look says nothing"
    );
    let position = bridge.state(|state| state.position);
    upsd.set("rack", "OB LB");
    in_time(&bridge, "the change is told", |state| {
        cursor(state, "power", "ups/rack") == Some(b"bl rack".to_vec())
    })
    .await;
    // Nothing was appended by the looks before: two notices and a cursor are all there is.
    assert_eq!(bridge.state(|state| state.position), position + 3);
    assert_eq!(
        told(&bridge),
        ["rack is on battery", "rack has a low battery"]
    );
    let family = bridge.family(bridge.newest());
    assert_eq!(family.notice.draft.labels["charge"], "77");
    upsd.set("rack", "stale");
    in_time(&bridge, "it is lost", |state| {
        cursor(state, "power", "ups/rack") == Some(b"cbl rack".to_vec())
    })
    .await;
    let bridge = bridge.restart().await;
    upsd.set("rack", "OL");
    in_time(&bridge, "it is back", |state| {
        cursor(state, "power", "ups/rack") == Some(b" rack".to_vec())
    })
    .await;
    assert_eq!(
        told(&bridge)[2..],
        [
            "rack does not answer",
            "rack answers again",
            "rack is on line power again",
            "rack has enough charge again",
        ]
    );
    bridge.stop().await;
}

#[tokio::test]
async fn an_upsd_that_is_gone_is_told_once_and_so_is_its_end() {
    let upsd = Upsd::start().await;
    upsd.set("rack", "OL");
    let bridge = TestBridge::start(&upsd.provider("")).await;
    in_time(&bridge, "the first look", |state| {
        cursor(state, "power", "ups/rack").is_some()
    })
    .await;
    upsd.status.lock().expect("no panic").clear();
    in_time(&bridge, "it is lost", |state| {
        cursor(state, "power", "ups/rack") == Some(b"c rack".to_vec())
    })
    .await;
    let lost = ["Provider power cannot be reached", "rack does not answer"];
    assert_eq!(told(&bridge), lost);
    let id = bridge.state(|state| state.configuration.provider("power").expect("it").id);
    // It is asked in vain some more, and nothing more is said.
    let failures = bridge.app.pollers.polling(id).failures_in_a_row;
    in_time(&bridge, "it is asked in vain", |_| {
        bridge.app.pollers.polling(id).failures_in_a_row > failures + 1
    })
    .await;
    assert_eq!(told(&bridge), lost);
    upsd.set("rack", "OL");
    in_time(&bridge, "it is back", |state| {
        cursor(state, "power", "ups/rack") == Some(b" rack".to_vec()) && notices(state) == 4
    })
    .await;
    assert_eq!(
        told(&bridge)[2..],
        ["rack answers again", "Provider power can be reached again"]
    );
    in_time(&bridge, "it is known to answer", |_| {
        bridge.app.pollers.polling(id).failures_in_a_row == 0
    })
    .await;
    bridge.stop().await;
}

#[tokio::test]
async fn another_address_begins_anew_and_a_disabled_provider_is_left_alone() {
    let (first, second) = (Upsd::start().await, Upsd::start().await);
    first.set("rack", "OL");
    second.set("rack", "OB");
    let bridge = TestBridge::start(&first.provider("")).await;
    in_time(&bridge, "the first look", |state| {
        cursor(state, "power", "ups/rack").is_some()
    })
    .await;
    bridge.apply(&second.provider("")).await;
    in_time(&bridge, "the first look there", |state| {
        cursor(state, "power", "ups/rack") == Some(b"b rack".to_vec())
    })
    .await;
    assert_eq!(told(&bridge), [] as [&str; 0]);
    let id = bridge.state(|state| state.configuration.provider("power").expect("it").id);
    bridge.apply(&second.provider("enabled = false")).await;
    in_time(&bridge, "its task has ended", |_| {
        bridge.app.pollers.polling(id) == Polling::default()
    })
    .await;
    bridge.stop().await;
}

#[tokio::test]
async fn a_person_tests_and_discovers() {
    let upsd = Upsd::start().await;
    upsd.set("rack", "OL");
    let bridge =
        TestBridge::start(&upsd.provider("username = \"watcher\"\npassword = \"hush hush\"")).await;
    let tested = bridge.app.pollers.ask("power", Ask::Test).await;
    let lines = tested.expect("it answers").lines;
    assert_eq!(
        lines,
        [
            "upsd of a test",
            "user watcher is accepted",
            "rack: on line power, charge 77 %"
        ]
    );
    let said = upsd.said.lock().expect("no panic").clone();
    assert!(
        said.contains(&"PASSWORD \"hush hush\"".to_owned()),
        "{said:?}"
    );
    let found = bridge.app.pollers.ask("power", Ask::Discover).await;
    let found = found.expect("it answers").collections;
    assert_eq!(found[0].collection.id, "rack");
    let id = bridge.state(|state| state.configuration.provider("power").expect("it").id);
    in_time(&bridge, "the next look is known", |_| {
        bridge.app.pollers.polling(id).next_at.is_some()
    })
    .await;
    let owner = visit(&bridge, Role::Owner).await;
    let (_, page) = bridge.page(&owner, "/providers/power").await;
    for words in [
        "Asked every",
        "30s",
        "Last look",
        "Next look",
        "On the provider's side",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("/hooks/power"), "nobody sends to it: {page}");
    let form = format!("csrf={}", owner.csrf);
    let path = "/providers/power/test";
    let (status, back) = bridge.send_form(&owner, path, "same-origin", &form).await;
    assert_eq!((status, back.as_str()), (303, "/providers/power"));
    let (_, page) = bridge.page(&owner, "/providers/power").await;
    assert!(page.contains("power answers."), "{page}");
    upsd.status.lock().expect("no panic").clear();
    let failed = bridge.app.pollers.ask("power", Ask::Test).await;
    assert!(matches!(failed, Err(AskFailed::Unseen(_))), "{failed:?}");
    let unknown = bridge.app.pollers.ask("nothing", Ask::Test).await;
    assert!(matches!(unknown, Err(AskFailed::Unknown(_))), "{unknown:?}");
    bridge.stop().await;
}

#[tokio::test]
async fn what_is_configured_is_exported_and_applied_again_without_a_plan() {
    let upsd = Upsd::start().await;
    let more =
        "username = \"watcher\"\npassword = \"hush hush\"\nadaptive_max_skip = 6\ntls = \"none\"";
    let file = format!("{}{CLOCK_ALONE}", upsd.provider(more));
    let bridge = TestBridge::start(&file).await;
    for plain in [false, true] {
        let text = configure::export(&bridge.app.ledger, &bridge.app.vault, plain);
        assert_eq!(text.contains("hush hush"), plain, "{text}");
        let sources = [Source {
            file: "exported.toml",
            text: &text,
        }];
        let app = &bridge.app;
        let again =
            configure::apply(&app.ledger, &app.vault, &sources, None, true, true, "test").await;
        let plan = again.expect("it is accepted").plan;
        assert!(plan.is_empty(), "{plan:?} of {text}");
    }
    bridge.stop().await;
}

const CLOCK_ALONE: &str = r#"
[[provider]]
name = "morning"
kind = "scheduler"
cron = "0 30 7 * * mon-fri"
zone = "Europe/Lisbon"
missed = "all"
data = { title = "Good morning", day = 1, nice = true }

[[provider]]
name = "hourly"
kind = "scheduler"
every = "1h"
"#;

/// A minute past noon, and the hours after it.
const CLOCK: &str = r#"
[[provider]]
name = "bins"
kind = "scheduler"
cron = "1 * * * *"
zone = "Europe/Lisbon"
missed = "once"
data = { title = "Bins", week = 7 }

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "bins"
provider = "bins"
links = [ { target = "kept" } ]
"#;

#[tokio::test]
async fn the_clock_tells_at_its_moment_and_what_passed_while_it_stood() {
    let bridge = TestBridge::start(CLOCK).await;
    in_time(&bridge, "the next moment is known", |state| {
        cursor(state, "bins", "clock").is_some()
    })
    .await;
    assert_eq!(told(&bridge), [] as [&str; 0]);
    let id = bridge.state(|state| state.configuration.provider("bins").expect("it").id);
    in_time(&bridge, "the next look is known", |_| {
        bridge.app.pollers.polling(id).next_at.is_some()
    })
    .await;
    let due = NOON + 60 * 1_000_000;
    assert_eq!(bridge.app.pollers.polling(id).next_at, Some(due));
    let left = u64::try_from(due - bridge.clock.now()).expect("it is to come");
    bridge.clock.advance(Duration::from_micros(left));
    bridge.until("the first", |state| notices(state) == 1).await;
    let notice = bridge.family(bridge.newest()).notice;
    assert_eq!(notice.received_at, due);
    assert_eq!(notice.draft.occurred_at, Some(due));
    assert_eq!(notice.draft.labels["week"], "7");
    let then = notice.received_at + 3 * 3_600 * 1_000_000;
    let bridge = TestBridge::over(bridge.stop().await, then).await;
    in_time(&bridge, "the missed ones", |state| notices(state) == 2).await;
    let notice = bridge.family(bridge.newest()).notice;
    assert_eq!(notice.draft.labels["missed"], "2");
    bridge.stop().await;
}
