//! Providers that tell over a connection that stays open, with a kind that only this test has: sessions
//! follow the configuration, come back when they end, and lose and repeat nothing that they saw.

#[path = "sessions/line.rs"]
mod line;

use std::sync::Arc;
use std::time::Duration;

use notify_bridge::domain::command::{Command, Restore};
use notify_bridge::shell::clock::{Clock as _, ManualClock};
use notify_bridge::shell::sessions::{
    GRACE, READY_SECONDS_MAX, Sessions, Talking, transport::MESSAGES_WAITING_MAX,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::asked::{cursor, told};
use crate::harness::{NOON, TestBridge};
use crate::health::in_time;
use crate::waiting::PATIENCE;
use line::{Hub, Line, MESSAGE_BYTES_MAX, Open, Peer};

/// A bridge with one provider of the kind, and what keeps its session.
struct Bench {
    bridge: TestBridge,
    hub: Hub,
    line: &'static Line,
    sessions: Arc<Sessions>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    id: u32,
}

const SECRET: &str = "hush hush";

fn file(url: &str, secret: &str, more: &str) -> String {
    format!(
        r#"
[[provider]]
name = "line"
kind = "gitea"
secret = "{secret}"
description = "{url}"
allow_private = true

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "all"
provider = "line"
links = [ {{ target = "kept" }} ]

[[tracker]]
name = "self"
provider = "bridge"
links = [ {{ target = "kept" }} ]
{more}
"#
    )
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bridge = TestBridge::over(folder, NOON).await;
        let hub = Hub::new(&bridge.clock).await;
        bridge.apply(&file(&hub.url(), SECRET, "")).await;
        Self::over(bridge, hub)
    }

    fn over(bridge: TestBridge, hub: Hub) -> Self {
        let line = Line::new();
        let app = &bridge.app;
        let sessions = Arc::new(Sessions::new(
            app.ledger.clone(),
            Arc::clone(&app.vault),
            Arc::clone(&app.client),
            Arc::clone(&app.clock),
            Box::new(move |kind| (kind == "gitea").then(|| line.speaks())),
        ));
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(Arc::clone(&sessions).run(stopping));
        let id = bridge.state(|state| state.configuration.provider("line").expect("it").id);
        Bench {
            bridge,
            hub,
            line,
            sessions,
            stop,
            running,
            id,
        }
    }

    fn talking(&self) -> Talking {
        self.sessions.talking(self.id)
    }

    fn clock(&self) -> &ManualClock {
        &self.bridge.clock
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Talking) -> bool) {
        let wait = async {
            while !is_so(&self.talking()) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "in vain until {what}: {:?}", self.talking());
    }

    /// A session that works.
    async fn ready(&self) -> Peer {
        let mut peer = self.hub.accept_in_time().await;
        peer.say(&["ready"]).await;
        self.until("it works", |talking| talking.works).await;
        peer
    }

    async fn stop(self) -> TestBridge {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it ends").expect("it does not fail");
        self.bridge
    }
}

#[tokio::test]
async fn what_a_session_sees_is_recorded_once_and_without_secrets() {
    let bench = Bench::start().await;
    let mut peer = bench.hub.accept().await;
    assert_eq!(peer.hear().await.as_deref(), Some("hello hush hush"));
    assert_eq!(peer.hear().await.as_deref(), Some("watched all"));
    peer.say(&[
        "ready",
        "see door open",
        "see door open",
        "see door hush hush",
        "done",
    ])
    .await;
    peer.hears("done").await;
    peer.hears("observed").await;
    peer.hears("observed").await;
    assert_eq!(told(&bench.bridge), ["door is open", "door is ***"]);
    let talking = bench.talking();
    assert_eq!(
        (talking.messages, talking.sessions, talking.works),
        (5, 1, true)
    );
    assert_eq!(talking.connected_at, Some(NOON));
    assert_eq!(talking.last_error, None);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_loses_nothing_and_repeats_nothing() {
    let bench = Bench::start().await;
    let states: Vec<String> = (0..50).map(|n| format!("see lamp{n} on")).collect();
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    for _ in 0..3 {
        let mut peer = bench.ready().await;
        peer.say(&states).await;
        // While the first of them are being written.
        drop(peer);
    }
    let mut peer = bench.ready().await;
    peer.say(&states).await;
    peer.say(&["see last on"]).await;
    in_time(&bench.bridge, "all is recorded", |state| {
        cursor(state, "line", "last").is_some()
    })
    .await;
    let mut titles = told(&bench.bridge);
    assert_eq!(titles.pop().as_deref(), Some("last is on"));
    titles.sort();
    let mut expected: Vec<String> = (0..50).map(|n| format!("lamp{n} is on")).collect();
    expected.sort();
    assert_eq!(titles, expected);
    let parted = bench.bridge.state(|state| cursor(state, "line", "parted"));
    assert!(
        parted.is_some(),
        "what the end of a session said is recorded"
    );
    assert_eq!(bench.talking().reconnects(), 3);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn the_configuration_is_followed() {
    let bench = Bench::start().await;
    let mut peer = bench.hub.accept().await;
    peer.say(&["ready"]).await;
    let more =
        "[[tracker]]\nname = \"more\"\nprovider = \"line\"\nlinks = [ { target = \"kept\" } ]";
    bench
        .bridge
        .apply(&file(&bench.hub.url(), SECRET, more))
        .await;
    peer.hears("watched all more").await;

    let second = Hub::new(&bench.bridge.clock).await;
    bench.bridge.apply(&file(&second.url(), SECRET, "")).await;
    peer.end().await;
    let mut peer = second.accept().await;
    peer.hears("hello hush hush").await;
    peer.hears("watched all").await;

    bench
        .bridge
        .apply(&file(&second.url(), "another", ""))
        .await;
    peer.end().await;
    let mut peer = second.accept().await;
    peer.hears("hello another").await;

    let off = file(&second.url(), "another", "")
        .replace("allow_private", "enabled = false\nallow_private");
    bench.bridge.apply(&off).await;
    peer.end().await;
    bench
        .until("nothing is kept of it", |talking| {
            *talking == Talking::default()
        })
        .await;
    bench
        .bridge
        .apply(&file(&second.url(), "another", ""))
        .await;
    let mut peer = second.accept().await;
    peer.hears("hello another").await;

    let private = file(&second.url(), "another", "").replace("allow_private = true", "");
    bench.bridge.apply(&private).await;
    peer.end().await;
    bench
        .until("it is refused", |talking| talking.last_error.is_some())
        .await;
    let why = bench.talking().last_error.unwrap_or_default();
    assert!(why.contains("set allow_private"), "{why}");
    assert_eq!(bench.clock().now(), NOON, "nothing of this took any time");
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_gone_is_told_once_and_so_is_its_end() {
    let bench = Bench::start().await;
    drop(bench.ready().await);
    let peer = bench.ready().await;
    assert_eq!(told(&bench.bridge), [] as [&str; 0], "it was back at once");

    drop(peer);
    bench.until("it has ended", |talking| !talking.works).await;
    let before = bench.clock().monotonic();
    let lost = in_time(&bench.bridge, "it is lost", |state| {
        cursor(state, "line", "lost").is_some()
    });
    bench.hub.refuse_while(lost).await;
    assert!(bench.clock().monotonic() - before >= GRACE);
    let expected = ["Provider line cannot be reached", "lost"];
    assert_eq!(told(&bench.bridge), expected);
    // What fails from here on is no news.
    let failures = bench.talking().failures_in_a_row;
    let longer = in_time(&bench.bridge, "it is tried again", |_| {
        bench.talking().failures_in_a_row > failures
    });
    bench.hub.refuse_while(longer).await;
    assert_eq!(told(&bench.bridge), expected);

    let _peer = bench.ready().await;
    in_time(&bench.bridge, "it is found", |state| {
        cursor(state, "line", "lost").is_none()
    })
    .await;
    let titles = told(&bench.bridge);
    assert_eq!(titles[2..], ["Provider line can be reached again", "found"]);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn a_session_that_ends_itself_is_left_alone_as_long_as_it_says() {
    let bench = Bench::start().await;
    let mut peer = bench.ready().await;
    let before = bench.clock().now();
    peer.say(&["close 100"]).await;
    peer.end().await;
    bench
        .until("the next try is known", |talking| talking.next_at.is_some())
        .await;
    let talking = bench.talking();
    let wait = talking.next_at.unwrap_or_default() - before;
    assert!((100_000_000..=125_000_000).contains(&wait), "{wait}");
    assert_eq!(
        talking.last_error.as_deref(),
        Some("told to close with ***")
    );
    assert_eq!((talking.failures_in_a_row, talking.connected_at), (1, None));
    let _peer = bench.ready().await;
    assert!(bench.clock().now() >= before + wait);
    assert_eq!(bench.talking().failures_in_a_row, 0);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn a_session_that_never_works_or_says_too_much_is_ended() {
    let bench = Bench::start().await;
    let mut peer = bench.hub.accept().await;
    peer.hears("hello hush hush").await;
    bench
        .clock()
        .advance(Duration::from_secs(READY_SECONDS_MAX));
    peer.end().await;
    bench
        .until("it is known", |talking| talking.last_error.is_some())
        .await;
    let why = bench.talking().last_error.unwrap_or_default();
    assert!(why.contains("within 180 s"), "{why}");

    let mut peer = bench.ready().await;
    peer.say(&[&"x".repeat(MESSAGE_BYTES_MAX + 1)]).await;
    peer.end().await;
    bench
        .until("it is known", |talking| talking.last_error.is_some())
        .await;
    let why = bench.talking().last_error.unwrap_or_default();
    assert_eq!(why, "a message has more than 10000 bytes");
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn a_timer_goes_off_at_its_moment() {
    let bench = Bench::start().await;
    let mut peer = bench.ready().await;
    peer.say(&["timer 50", "timer 30", "set"]).await;
    peer.hears("set").await;
    bench.clock().advance(Duration::from_secs(29));
    peer.say(&["not yet"]).await;
    assert_eq!(peer.hear().await.as_deref(), Some("not yet"));
    bench.clock().advance(Duration::from_secs(1));
    assert_eq!(peer.hear().await.as_deref(), Some("timer"));
    bench.clock().advance(Duration::from_secs(100));
    peer.say(&["only once"]).await;
    assert_eq!(peer.hear().await.as_deref(), Some("only once"));
    bench.stop().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flood_is_left_out_beyond_its_bound_and_the_session_is_told() {
    let bench = Bench::start().await;
    let _open = Open(Arc::clone(&bench.line.gate));
    let mut peer = bench.ready().await;
    peer.say(&["wait"]).await;
    bench
        .until("it waits", |_| bench.line.gate.is_waited_at())
        .await;
    let flood = vec!["see lamp on"; MESSAGES_WAITING_MAX + 50];
    peer.say(&flood).await;
    let all = 2 + flood.len() as u64;
    bench
        .until("all was read", |talking| talking.messages == all)
        .await;
    assert_eq!(bench.talking().left_out, 50);
    bench.line.gate.go_on();
    peer.hears("missed 50").await;
    peer.say(&["see lamp off"]).await;
    in_time(&bench.bridge, "it goes on", |state| {
        cursor(state, "line", "lamp") == Some(b"off".to_vec())
    })
    .await;
    assert_eq!(told(&bench.bridge), ["lamp is on", "lamp is off"]);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn while_there_is_no_room_nobody_is_connected_and_what_was_seen_waits() {
    let bench = Bench::start().await;
    let mut peer = bench.ready().await;
    bench.bridge.app.ledger.set_disk_low(true);
    peer.say(&["see door open"]).await;
    peer.end().await;
    assert_eq!(
        bench.bridge.state(|state| cursor(state, "line", "door")),
        None
    );
    // The next look at the disk finds that there is room.
    let mut peer = bench.ready().await;
    assert_eq!(
        bench.bridge.state(|state| cursor(state, "line", "door")),
        Some(b"open".to_vec()),
        "before the next session"
    );
    peer.say(&["see door open", "see door shut"]).await;
    in_time(&bench.bridge, "it goes on", |state| {
        cursor(state, "line", "door") == Some(b"shut".to_vec())
    })
    .await;
    assert_eq!(told(&bench.bridge), ["door is open", "door is shut"]);
    bench.stop().await.stop().await;
}

#[tokio::test]
async fn what_was_seen_before_a_stop_is_recorded_and_nothing_more_is_done() {
    let bench = Bench::start().await;
    let mut peer = bench.ready().await;
    peer.say(&["burst 40"]).await;
    peer.hears("burst").await;
    let bridge = bench.stop().await;
    assert_eq!(told(&bridge).len(), 40);
    let heard = peer.end().await;
    assert!(heard.iter().all(|text| text == "observed"), "{heard:?}");
    bridge.stop().await;
}

#[tokio::test]
async fn after_a_restore_nobody_is_connected_until_a_person_resumes() {
    let bench = Bench::start().await;
    let peer = bench.ready().await;
    let restored = Restore {
        epoch: 4_711,
        taken_at: NOON,
        written_by: "test".into(),
        by: "test".into(),
    };
    let command = Command::BeginRestored(Box::new(restored));
    bench.bridge.command(command).await;
    peer.end().await;
    bench.clock().advance(2 * GRACE);
    let by = "test".to_owned();
    bench.bridge.command(Command::Resume { by }).await;
    let _peer = bench.ready().await;
    let talking = bench.talking();
    assert_eq!((talking.sessions, talking.last_error), (2, None));
    assert_eq!(told(&bench.bridge), [] as [&str; 0]);
    bench.stop().await.stop().await;
}
