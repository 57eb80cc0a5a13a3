//! SIGKILL at any moment, again and again, while notices come in and compaction, backups, snapshots and
//! the search index are at work: the store verifies, the index agrees with the log, no notice that was
//! answered is missing from the counts, and a backup made in between restores.
//!
//! `NOTIFY_BRIDGE_KILLS=100` for another number of kills, `NOTIFY_BRIDGE_SEED=7` for others.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it runs the program and makes its own clients"
)]

#[path = "shared/served.rs"]
mod served;
#[path = "shared/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use notify_bridge::domain::event::Event;
use notify_bridge::domain::state::State;
use notify_bridge::shell::app;
use notify_store::open_read_only;
use serde_json::Value;
use served::Served;
use tokio::sync::watch;
use words::{done, path};

const CLIENTS: usize = 4;
/// Kills, and where the choices begin, unless the environment says otherwise.
const KILLS: u64 = 12;
const SEED: u64 = 1;
/// Answers within which a life is told to do something, and within which it is then killed.
const ANSWERS_BEFORE: u64 = 120;
const ANSWERS_AFTER: u64 = 60;
/// Reached only when the program hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a program is doing when it is killed, beside taking notices and following with its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Compacting,
    BackingUp,
    /// It was told to stop, and leaves its snapshot.
    Stopping,
}

const DOINGS: [Doing; 5] = [
    Doing::Compacting,
    Doing::Nothing,
    Doing::BackingUp,
    Doing::Compacting,
    Doing::Stopping,
];

fn asked(name: &str, otherwise: u64) -> u64 {
    let told = std::env::var(name).ok();
    told.map_or(otherwise, |told| told.parse().expect("a number"))
}

/// Choices that are the same for the same seed.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes()) % bound
    }
}

/// Everything in a stopped store against everything else, and what it leads to.
fn verified(data: &Path) -> (State, Value) {
    let report = done(&["verify", "--json", "--data", path(data)]);
    let report: Value = serde_json::from_str(report.trim()).expect("JSON");
    assert_eq!(report["problems_total"], 0, "{report}");
    let reader = open_read_only::<Event>(data).expect("it opens");
    let state = app::rebuild(data, &reader, &|_, _, _| {}).expect("it folds");
    (state, report)
}

fn accepted(state: &State) -> u64 {
    state.counts.days.values().map(|count| count.notices).sum()
}

/// Senders that go on through every kill, and how many answers they had.
struct Senders {
    answered: watch::Receiver<u64>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    fn start(address: &str) -> Senders {
        let (told, answered) = watch::channel(0);
        let told = Arc::new(told);
        let stop = Arc::new(AtomicBool::new(false));
        let number = Arc::new(AtomicU64::new(0));
        let tasks = (0..CLIENTS)
            .map(|_| {
                let (told, stop, number) = (told.clone(), stop.clone(), number.clone());
                let url = format!("{address}/hooks/forge");
                tokio::spawn(async move {
                    let client = reqwest::Client::builder()
                        .no_proxy()
                        .build()
                        .expect("a client");
                    while !stop.load(Ordering::Relaxed) {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        let body = format!(r#"{{"title":"number {number}","n":{number}}}"#);
                        let sent = client.post(&url).body(body).send().await;
                        match sent.map(|answer| answer.status().as_u16()) {
                            Ok(202) => told.send_modify(|count| *count += 1),
                            Ok(status) => assert_eq!(status, 503, "it is stopping"),
                            Err(_) => tokio::task::yield_now().await,
                        }
                    }
                })
            })
            .collect();
        Senders {
            answered,
            stop,
            tasks,
        }
    }

    async fn until(&mut self, count: u64) {
        let enough = self.answered.wait_for(|answered| *answered >= count);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .expect("senders are answered")
            .expect("they count");
    }

    fn count(&self) -> u64 {
        *self.answered.borrow()
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a sender ends");
        }
        *self.answered.borrow()
    }
}

/// Tells a program to begin with something; the answer does not matter, as it may be killed meanwhile.
async fn begin(doing: Doing, served: &Served, token: &str) {
    let path = match doing {
        Doing::Nothing => return,
        Doing::Compacting => "compact",
        Doing::BackingUp => "backups",
        Doing::Stopping => {
            let pid = rustix::process::Pid::from_child(&served.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
            return;
        }
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("{}/api/v1/{path}", served.address);
    let answer = client
        .post(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body("{}");
    let answer = answer.send().await.expect("it answers");
    // One of the program's own may be under way.
    assert!(
        matches!(answer.status().as_u16(), 200 | 202 | 409),
        "{answer:?}"
    );
}

fn newest_backup(data: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(data.join("backups")).ok()?;
    let whole = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "nbb"));
    whole.max()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_under_way_a_kill_leaves_a_whole_store() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (
        folder.path().join("data"),
        folder.path().join("bridge.toml"),
    );
    let text = "[settings]\n\
         retention = { notices_days = 0, notices_per_provider = 150, bodies_per_provider = 20 }\n\
         [[provider]]\nname = \"forge\"\nkind = \"webhook\"\nverify = \"none\"\nrate = \"off\"\n\
         [provider.map]\ntitle = \"body.title\"\n\
         [[target]]\nname = \"shelf\"\nkind = \"inbox\"\n\
         [[tracker]]\nname = \"all\"\nprovider = \"forge\"\nlinks = [ { target = \"shelf\" } ]\n";
    std::fs::write(&file, text).expect("written");
    let words = [
        "token", "create", "t", "--scope", "admin", "--role", "owner",
    ];
    let token = done(&[&words[..], &["--data", path(&data)]].concat());
    let token = token.trim();
    let mut choices = Choices(asked("NOTIFY_BRIDGE_SEED", SEED) << 32);
    let mut served = Served::start(&data, "127.0.0.1:0", Some(&file));
    let listen = served.address.trim_start_matches("http://").to_owned();
    let mut senders = Senders::start(&served.address);
    let (mut counted, mut compared) = (0, 0);
    for life in 0..asked("NOTIFY_BRIDGE_KILLS", KILLS) {
        let doing = DOINGS[(life % DOINGS.len() as u64) as usize];
        let before = senders.count() + 1 + choices.below(ANSWERS_BEFORE);
        senders.until(before).await;
        begin(doing, &served, token).await;
        if doing == Doing::Stopping {
            // It takes nothing more; how far it gets is between it and the kill.
            for _ in 0..choices.below(2_000) {
                tokio::task::yield_now().await;
            }
        } else {
            let after = senders.count() + choices.below(ANSWERS_AFTER);
            senders.until(after).await;
        }
        let answered = senders.count();
        served.kill();
        let (state, report) = verified(&data);
        let now = accepted(&state);
        assert!(
            now >= answered.max(counted),
            "life {life}, {doing:?}: {now} accepted, {answered} answered, {counted} before"
        );
        counted = now;
        compared += u64::from(
            report["index"]
                .as_str()
                .is_some_and(|told| told.contains("documents")),
        );
        let (data, listen) = (data.clone(), listen.clone());
        served = tokio::task::spawn_blocking(move || Served::start(&data, &listen, None))
            .await
            .expect("it starts again");
    }
    assert!(compared > 0, "an index was there");
    let more = senders.count() + ANSWERS_BEFORE;
    senders.until(more).await;
    let answered = senders.end().await;
    let remote = ["--url", served.address.as_str(), "--token", token];
    done(&[&["backup"], &remote[..]].concat());
    done(&[&["compact"], &remote[..]].concat());
    done(&[&["verify"], &remote[..]].concat());
    let pid = rustix::process::Pid::from_child(&served.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
    served.child.wait().expect("it stops");
    let (state, report) = verified(&data);
    assert!(accepted(&state) >= answered);
    assert!(
        state.retention.runs.total.families > 0,
        "something was forgotten"
    );
    let index = report["index"].as_str().expect("a sentence");
    assert!(index.contains("documents"), "{index}");

    let to = folder.path().join("to");
    let backup = newest_backup(&data).expect("a backup");
    done(&["restore", path(&backup), "--data", path(&to)]);
    let (restored, _) = verified(&to);
    assert_eq!(accepted(&restored), accepted(&state));
}
