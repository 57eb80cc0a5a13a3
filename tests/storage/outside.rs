//! From outside: the program is run, killed, and asked again.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use notify_bridge::domain::event::Event;
use notify_store::open_read_only;
use serde_json::Value;
use tokio::sync::watch;

use crate::served::Served;
use crate::words::{done, path, program, run, stdout};
use crate::world::{everything, filled};

/// Reached only when something does not happen.
const PATIENCE: Duration = Duration::from_secs(90);

/// A place that counts what it is told, and whether it was before it might be.
async fn place(may: Arc<AtomicBool>) -> (String, watch::Receiver<usize>, Arc<AtomicUsize>) {
    let (told, seen) = watch::channel(0usize);
    let early = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&early);
    let router = Router::new().fallback(move |_: Bytes| {
        if !may.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        told.send_modify(|told| *told += 1);
        async { "ok" }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    (address, seen, early)
}

async fn hook(address: &str, number: usize) -> u16 {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let answer = client
        .post(format!("{address}/hooks/forge"))
        .body(format!(r#"{{"title":"number {number}"}}"#))
        .send()
        .await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_takes_in_and_sends_nothing_until_somebody_resumes() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let may = Arc::new(AtomicBool::new(false));
    let (place, mut seen, early) = place(Arc::clone(&may)).await;
    let file = folder.path().join("bridge.toml");
    let text = format!(
        "[[provider]]\nname = \"forge\"\nkind = \"webhook\"\nverify = \"none\"\nrate = \"off\"\n\
         [provider.map]\ntitle = \"body.title\"\n\
         [[target]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{place}/\"\nallow_private = true\npace = \"off\"\n\
         [[tracker]]\nname = \"all\"\nprovider = \"forge\"\nlinks = [ {{ target = \"hook\" }} ]\n"
    );
    std::fs::write(&file, text).expect("written");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let token = done(&[
        "token",
        "create",
        "owner",
        "--scope",
        "admin",
        "--role",
        "owner",
        "--data",
        path(&from),
    ]);
    let token = token.trim();
    let served = Served::start(&from, "127.0.0.1:0", Some(&file));
    let (backup, passphrase) = (folder.path().join("it.nbb"), folder.path().join("phrase"));
    std::fs::write(&passphrase, "a long passphrase\n").expect("written");
    let remote = ["--url", served.address.as_str(), "--token", token];
    done(&[&["pause"], &remote[..]].concat());
    for number in 0..5 {
        assert_eq!(hook(&served.address, number).await, 202);
    }
    let words = [
        "backup",
        path(&backup),
        "--passphrase-file",
        path(&passphrase),
    ];
    let told = done(&[&words[..], &remote[..]].concat());
    assert!(told.contains("the passphrase opens them"), "{told}");
    let told = done(&[&["verify"], &remote[..]].concat());
    assert!(told.contains("everything is as it should be"), "{told}");
    // One of the program's own, too.
    done(&[&["backup"], &remote[..]].concat());
    let rotated = done(&[&["key", "rotate"], &remote[..]].concat());
    assert!(rotated.contains("is in use"), "{rotated}");
    served.kill();

    let words = ["restore", path(&backup), "--data", path(&to)];
    let refused = run(&words);
    assert_eq!(refused.status.code(), Some(1), "without the passphrase");
    let told = done(&[&words[..], &["--passphrase-file", path(&passphrase)]].concat());
    assert!(told.contains("5 deliveries wait"), "{told}");
    let served = Served::start(&to, "127.0.0.1:0", None);
    let remote = ["--url", served.address.as_str(), "--token", token];
    assert_eq!(hook(&served.address, 100).await, 202, "intake goes on");
    let held = done(&[&["held", "--json"], &remote[..]].concat());
    let held: Vec<Value> = held
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(held.len(), 5, "{held:?}");
    for delivery in &held {
        assert!(delivery.to_string().contains("held_restored"), "{delivery}");
    }
    assert_eq!(*seen.borrow(), 0);
    may.store(true, Ordering::SeqCst);
    done(&[&["resume"], &remote[..]].concat());
    let all = seen.wait_for(|told| *told >= 6);
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("in time")
        .expect("it counts");
    assert_eq!(early.load(Ordering::SeqCst), 0, "nothing went out before");
    let refused = run(&["restore", path(&backup), "--data", path(&to)]);
    assert_eq!(refused.status.code(), Some(1), "there is a store");
    served.kill();
}

/// Kills a program when the condition is met, or when it is done by itself, whichever is first.
fn killed_when(mut child: Child, met: impl Fn() -> bool) {
    let begun = Instant::now();
    loop {
        if child.try_wait().expect("its state").is_some() {
            return;
        }
        if met() {
            child.kill().expect("killed");
            child.wait().expect("it ended");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it neither ends nor gets there");
        std::thread::yield_now();
    }
}

fn spawn(words: &[&str]) -> Child {
    program(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

fn bytes_of(path: PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn kills_during_backup_restore_and_rotation_leave_all_or_nothing() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    runtime.block_on(filled(&data, 400));
    let expected = everything(&open_read_only::<Event>(&data).expect("it opens"), u64::MAX);
    let backup = folder.path().join("it.nbb");
    let part = folder.path().join("it.nbb.part");
    let words = [
        "backup",
        path(&backup),
        "--data",
        path(&data),
        "--secrets",
        "plain",
    ];
    for least in [0, 1, 20_000] {
        let _absent = std::fs::remove_file(&part);
        killed_when(spawn(&words), || {
            part.exists() && bytes_of(part.clone()) >= least
        });
        if backup.exists() {
            // It was quicker; a whole one is as good as none.
            std::fs::remove_file(&backup).expect("removed");
        }
    }
    done(&words);

    let to = folder.path().join("to");
    let words = ["restore", path(&backup), "--data", path(&to)];
    let beside = to.join("restoring/bridge.redb");
    for least in [1, 100_000, 1_000_000] {
        killed_when(spawn(&words), || bytes_of(beside.clone()) >= least);
        if to.join("bridge.redb").exists() {
            done(&["verify", "--data", path(&to)]);
            std::fs::remove_dir_all(&to).expect("removed");
        }
    }
    done(&words);
    let reader = open_read_only::<Event>(&to).expect("it opens");
    let found = everything(&reader, expected.state.position);
    assert!(found.frames == expected.frames && found.state == expected.state);
    drop(reader);

    let key = data.join("secret.key");
    let text = || std::fs::read_to_string(&key).unwrap_or_default();
    for _ in 0..3 {
        killed_when(spawn(&["key", "rotate", "--data", path(&data)]), || {
            text().contains("nbold1:")
        });
        done(&["verify", "--data", path(&data)]);
    }
    done(&["key", "rotate", "--data", path(&data)]);
    assert!(!text().contains("nbold1:"));
    done(&["verify", "--data", path(&data)]);
    let found = everything(&open_read_only::<Event>(&data).expect("it opens"), u64::MAX);
    assert!(found.frames == expected.frames, "no frame changed");
}

#[test]
fn damage_and_disks_that_cannot_be_written_are_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    runtime.block_on(filled(&data, 20));
    let nowhere = run(&["backup", "/proc/it.nbb", "--data", path(&data)]);
    assert_eq!(nowhere.status.code(), Some(1));
    let told = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(told.contains("/proc/it.nbb cannot be written"), "{told}");
    let mut bytes = std::fs::read(data.join("bridge.redb")).expect("the store");
    let words = b"what was said 13 times. ";
    let at = bytes
        .windows(words.len())
        .position(|window| window == words);
    bytes[at.expect("the words")] ^= 1;
    std::fs::write(data.join("bridge.redb"), &bytes).expect("written");
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--data", path(&data)]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("--accept-loss") && told.contains("positions"),
        "{told}"
    );
    let log = run(&["log", "--data", path(&data)]);
    assert!(
        log.status.code() != Some(2),
        "it is read as far as it is whole"
    );
    let verified = run(&["verify", "--data", path(&data)]);
    assert_eq!(verified.status.code(), Some(1));
    let shown = stdout(&verified);
    assert!(shown.contains("positions"), "{shown}");
    // The database marks in its first page that the file is in use.
    let left = std::fs::read(data.join("bridge.redb")).expect("the store");
    assert!(left[4_096..] == bytes[4_096..], "nothing was written");
}
