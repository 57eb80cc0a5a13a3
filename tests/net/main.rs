//! Outgoing calls against small servers of this test, on loopback. Nothing leaves the machine and
//! nothing waits by a real clock: a server says when it was reached, and the test moves the time.

mod authority;
mod looks;
mod request;
mod servers;
mod trust;
mod websocket;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify_bridge::shell::address::AddressPolicy;
use notify_bridge::shell::client::{
    ANSWER_BYTES_MAX, CALL_SECONDS_MAX, CALLS_MAX, Client, JudgedResolver, Looking, Lookup,
    LookupFailed, Roots, SystemLookup, Unresolved,
};
use notify_bridge::shell::clock::ManualClock;
use notify_bridge::shell::redact::Redactor;
use notify_bridge::targets::{Call, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Barrier, mpsc};

use servers::{free_port, ok, ok_and_stay, request, serve, serve_counted, serve_text};

/// Answers look-ups from lists: each look-up of a name takes the next, the last one stays.
#[derive(Default)]
struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    fn of(names: &[(&str, &[&[&str]])]) -> Arc<Names> {
        let answers = names
            .iter()
            .map(|(name, turns)| {
                let turns = turns
                    .iter()
                    .rev()
                    .map(|ips| {
                        ips.iter()
                            .map(|ip| ip.parse().expect("an address"))
                            .collect()
                    })
                    .collect();
                ((*name).to_owned(), turns)
            })
            .collect();
        Arc::new(Names {
            answers: Mutex::new(answers),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, name: &'a str) -> Looking<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let mut answers = self.answers.lock().expect("not poisoned");
            match answers.get_mut(name) {
                Some(turns) if turns.len() > 1 => Ok(turns.pop().unwrap_or_default()),
                Some(turns) => Ok(turns.last().cloned().unwrap_or_default()),
                None => Err(LookupFailed("no such name".into())),
            }
        })
    }
}

struct Bench {
    client: Arc<Client>,
    clock: ManualClock,
    names: Arc<Names>,
}

fn bench(names: &[(&str, &[&[&str]])]) -> Bench {
    bench_trusting(names, &Roots::default())
}

fn bench_trusting(names: &[(&str, &[&[&str]])], roots: &Roots) -> Bench {
    let clock = ManualClock::new(1_700_000_000_000_000);
    let names = Names::of(names);
    let client = Client::new(
        AddressPolicy::default(),
        names.clone(),
        roots,
        Arc::new(clock.clone()),
    )
    .expect("a client");
    Bench {
        client: Arc::new(client),
        clock,
        names,
    }
}

impl Bench {
    async fn get(&self, url: &str, allow_private: bool) -> Reply {
        self.client
            .perform(&call("GET", url, ""), allow_private, &Redactor::none())
            .await
            .0
    }
}

fn call(method: &'static str, url: &str, body: &str) -> Call {
    Call {
        method,
        url: url.to_owned(),
        headers: vec![("x-test".into(), "1".into())],
        body: body.as_bytes().to_vec(),
    }
}

fn body_of(reply: &Reply) -> String {
    match reply {
        Reply::Answered { body, .. } => String::from_utf8_lossy(body).into_owned(),
        other => panic!("no answer: {other:?}"),
    }
}

fn not_sent(reply: &Reply) -> &str {
    match reply {
        Reply::NotSent { why } => why,
        other => panic!("it should not have been sent: {other:?}"),
    }
}

fn no_answer(reply: &Reply) -> &str {
    match reply {
        Reply::NoAnswer { why } => why,
        other => panic!("there should be no answer: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_performed() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let seen = seen.clone();
        async move {
            let _ = seen.send(request(&mut stream).await);
            let _ = stream.write_all(ok("{\"ok\":true}").as_bytes()).await;
        }
    })
    .await;
    let bench = bench(&[("service.example", &[&["127.0.0.1"]])]);
    for host in ["127.0.0.1", "service.example"] {
        let url = format!("http://{host}:{}/path?q=1#part", address.port());
        let reply = bench
            .client
            .perform(&call("POST", &url, "{}"), true, &Redactor::none())
            .await
            .0;
        assert_eq!(body_of(&reply), "{\"ok\":true}", "{host}");
        assert_eq!(reply.header("retry-after"), Some("7"));
        assert_eq!(reply.header("set-cookie"), None);
        let request = requests.recv().await.expect("a request");
        assert!(
            request.starts_with("POST /path?q=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
        assert!(request.contains("x-test: 1\r\n"), "{request}");
        assert!(request.contains("user-agent: notify-bridge/"), "{request}");
    }
    assert_eq!(bench.names.asked(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, reached) = serve_counted().await;
    let bench = bench(&[]);
    for status in [301, 302, 307, 308] {
        let address = serve_text(format!(
            "HTTP/1.1 {status} Go\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let reply = bench.get(&format!("http://{address}/"), true).await;
        assert!(
            matches!(&reply, Reply::Answered { status: said, .. } if *said == status),
            "{reply:?}"
        );
        assert_eq!(
            reply.header("location"),
            Some(format!("http://{elsewhere}/").as_str())
        );
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

/// The environment cannot be changed safely within a process, so `a_call_is_performed` is run in
/// another one, where a proxy is configured in every way.
#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("its address"));
    let test = std::env::current_exe().expect("this test's program");
    let mut command = Command::new(test);
    command.args(["--exact", "a_call_is_performed"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, &url);
    }
    command.env("no_proxy", "").env("NO_PROXY", "");
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    proxy.set_nonblocking(true).expect("does not block");
    assert!(proxy.accept().is_err(), "the proxy was called");
}

#[tokio::test]
async fn private_places_are_reached_with_leave_alone() {
    let address = serve_text(ok("hello")).await;
    let port = address.port();
    let bench = bench(&[
        ("inside.example", &[&["127.0.0.1"]]),
        ("carried.example", &[&["::ffff:127.0.0.1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("mixed.example", &[&["169.254.169.254", "127.0.0.1"]]),
        ("nowhere.example", &[&[]]),
    ]);
    let check = async |host: &str, allow_private: bool, expected: &str| {
        let reply = bench
            .get(&format!("http://{host}:{port}/"), allow_private)
            .await;
        let said = match &reply {
            Reply::Answered { .. } => body_of(&reply),
            Reply::NotSent { why } => why.clone(),
            Reply::NoAnswer { why } => format!("no answer: {why}"),
        };
        assert!(said.contains(expected), "{host} {allow_private}: {said}");
    };
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "inside.example"] {
        check(
            host,
            false,
            "127.0.0.1 is a loopback address: set allow_private",
        )
        .await;
        check(host, true, "hello").await;
    }
    for host in ["[::ffff:127.0.0.1]", "carried.example"] {
        check(host, false, "which is 127.0.0.1").await;
        check(host, true, "hello").await;
    }
    check("metadata.example", true, "never called").await;
    check("mixed.example", true, "hello").await;
    check("mixed.example", false, "never called").await;
    check("mixed.example", false, "loopback").await;
    check("nowhere.example", true, "it has no address").await;
    check(
        "unknown.example",
        true,
        "unknown.example does not resolve: no such name",
    )
    .await;
    check("metadata.google.internal", true, "never called").await;
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let names = Names::of(&[("rebind.example", &[&["93.184.216.34"], &["127.0.0.1"]])]);
    let policy = Arc::new(std::sync::RwLock::new(AddressPolicy::default()));
    let resolver = JudgedResolver::new(names, policy, false);
    assert_eq!(
        resolver.addresses("rebind.example", 80).await,
        Ok(vec![SocketAddr::from(([93, 184, 216, 34], 80))])
    );
    assert!(matches!(
        resolver.addresses("rebind.example", 80).await,
        Err(Unresolved::Refused { .. })
    ));

    // And a call connects to what was judged: it looks a name up once, not once to judge and once
    // to connect.
    let (address, reached) = serve_counted().await;
    let bench = bench(&[("rebind.example", &[&["127.0.0.1"]])]);
    let url = format!("http://rebind.example:{}/", address.port());
    for asked in 1..=3 {
        not_sent(&bench.get(&url, false).await);
        assert_eq!(bench.names.asked(), asked);
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_program_never_calls_itself() {
    let address = serve_text(ok("another service")).await;
    let own = serve_text(ok("this program")).await;
    let bench = bench(&[("self.example", &[&["127.0.0.1"]])]);
    let urls = |address: SocketAddr| {
        [
            format!("http://{address}/"),
            format!("http://self.example:{}/", address.port()),
        ]
    };
    for listener in [own, SocketAddr::from(([0, 0, 0, 0], own.port()))] {
        bench
            .client
            .change_policy(|policy| policy.own_listeners = vec![listener]);
        for url in urls(own) {
            let reply = bench.get(&url, true).await;
            assert!(not_sent(&reply).contains("is this program itself"), "{url}");
        }
        for url in urls(address) {
            assert_eq!(body_of(&bench.get(&url, true).await), "another service");
        }
    }
}

#[tokio::test]
async fn public_and_private_calls_share_no_connection() {
    // The server keeps its connections open and says which one it is.
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    let address = serve(move |mut stream| {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            while request(&mut stream).await.contains("\r\n\r\n") {
                let _ = stream
                    .write_all(ok_and_stay(&number.to_string()).as_bytes())
                    .await;
            }
        }
    })
    .await;
    let bench = bench(&[("both.example", &[&["127.0.0.1"]])]);
    let url = format!("http://both.example:{}/", address.port());
    assert_eq!(body_of(&bench.get(&url, true).await), "1");
    // A connection now stands open to where a public call may not go.
    assert!(not_sent(&bench.get(&url, false).await).contains("loopback"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_server_gives_no_answer() {
    let (reached, mut reaches) = mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let reached = reached.clone();
        async move {
            let text = request(&mut stream).await;
            if text.starts_with("GET /half") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                    .await;
            }
            let _ = reached.send(());
            // Kept open until the other side hangs up.
            let _ = stream.read(&mut [0; 16]).await;
        }
    })
    .await;
    let bench = bench(&[]);
    for path in ["nothing", "half"] {
        let client = bench.client.clone();
        let url = format!("http://{address}/{path}");
        let under_way = tokio::spawn(async move {
            client
                .perform(&call("GET", &url, ""), true, &Redactor::none())
                .await
        });
        reaches.recv().await.expect("it was reached");
        bench.clock.sleepers_at_least(1).await;
        bench
            .clock
            .advance(Duration::from_secs(CALL_SECONDS_MAX - 1));
        tokio::task::yield_now().await;
        assert!(!under_way.is_finished());
        bench.clock.advance(Duration::from_secs(1));
        let (reply, took) = under_way.await.expect("it ends");
        assert!(no_answer(&reply).contains("within 30 s"), "{reply:?}");
        assert_eq!(took.call, Duration::from_secs(CALL_SECONDS_MAX));
        assert_eq!(took.waited, Duration::ZERO);
    }
}

#[tokio::test]
async fn what_broke_tells_whether_it_may_have_arrived() {
    let bench = bench(&[]);
    let free = free_port().await;
    let reply = bench.get(&format!("http://{free}/"), true).await;
    assert!(
        not_sent(&reply).contains(&format!("no connection to {free}")),
        "{reply:?}"
    );

    let plain = serve(|mut stream| async move {
        let _ = stream.write_all(b"this is not TLS, whatever you say").await;
    })
    .await;
    let reply = bench.get(&format!("https://{plain}/"), true).await;
    assert!(
        not_sent(&reply).contains(&format!("no connection to {plain}: ")),
        "{reply:?}"
    );

    for (text, expected) in [
        ("", "gave no whole answer"),
        ("HTTP/1.1 200 OK\r\nconte", "gave no whole answer"),
        ("nonsense\r\n\r\n", "gave no whole answer"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            "status 200, broke off",
        ),
        (
            "HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
            "status 500, broke off",
        ),
    ] {
        let address = serve_text(text.into()).await;
        let reply = bench.get(&format!("http://{address}/"), true).await;
        assert!(no_answer(&reply).contains(expected), "{text:?}: {reply:?}");
    }

    let whole = serve_text("HTTP/1.1 503 Busy\r\n\r\nuntil the end".into()).await;
    let reply = bench.get(&format!("http://{whole}/"), true).await;
    assert_eq!(body_of(&reply), "until the end");
}

#[tokio::test]
async fn a_large_answer_is_cut_and_a_secret_over_the_cut_hidden() {
    const SECRET: &str = "canary-bird-0123456789";
    let redactor = Redactor::new([SECRET]);
    let bench = bench(&[]);
    for before in [
        10,
        ANSWER_BYTES_MAX - 5,
        ANSWER_BYTES_MAX,
        ANSWER_BYTES_MAX + 9,
    ] {
        let body = format!("{}{SECRET}{}", "x".repeat(before), "y".repeat(200_000));
        let address = serve_text(ok(&body)).await;
        let reply = bench
            .client
            .perform(
                &call("GET", &format!("http://{address}/"), ""),
                true,
                &redactor,
            )
            .await
            .0;
        let body = body_of(&reply);
        assert!(body.len() <= ANSWER_BYTES_MAX, "{}", body.len());
        assert!(!body.contains("canary"), "{before}");
        assert_eq!(body.contains("***"), before < ANSWER_BYTES_MAX, "{before}");
    }
}

#[tokio::test]
async fn no_secret_comes_back() {
    const TOKEN: &str = "7001:AAcanary+bird22";
    let redactor = Redactor::new([TOKEN]);
    // A server that says everything it was told.
    let address = serve(|mut stream| async move {
        let told = request(&mut stream).await;
        let body = serde_json::json!({ "told": told }).to_string();
        let head = format!(
            "HTTP/1.1 404 No\r\nlocation: /bot{TOKEN}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    })
    .await;
    let bench = bench(&[]);
    let perform = async |url: String| {
        let call = Call {
            method: "POST",
            url,
            headers: vec![("authorization".into(), format!("Bearer {TOKEN}"))],
            body: format!("token={TOKEN}").into_bytes(),
        };
        assert!(!format!("{call:?}").contains("canary"));
        bench.client.perform(&call, true, &redactor).await.0
    };
    let reply = perform(format!("http://{address}/bot{TOKEN}/sendMessage")).await;
    assert!(body_of(&reply).contains("Bearer ***"), "{reply:?}");
    assert_eq!(reply.header("location"), Some("/bot***"));
    serde_json::from_str::<serde_json::Value>(&body_of(&reply)).expect("it is still JSON");
    assert!(!body_of(&reply).contains("canary"));

    let free = free_port().await;
    let silent = serve_text(String::new()).await;
    for url in [
        format!("http://{free}/bot{TOKEN}/sendMessage"),
        format!("http://{silent}/bot{TOKEN}/sendMessage"),
        format!("http://unknown.example/bot{TOKEN}/sendMessage"),
        format!("http://{TOKEN}@example.org/"),
        format!("http://169.254.169.254/{TOKEN}"),
    ] {
        let said = format!("{:?}", perform(url).await);
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_are_bounded() {
    const CALLS: usize = CALLS_MAX + 40;
    // Nobody is answered before as many as may be are under way.
    let full = Arc::new(Barrier::new(CALLS_MAX));
    let under_way = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let served = Arc::new(AtomicUsize::new(0));
    let address = serve({
        let most = most.clone();
        move |mut stream| {
            let (full, under_way, most, served) = (
                full.clone(),
                under_way.clone(),
                most.clone(),
                served.clone(),
            );
            async move {
                request(&mut stream).await;
                let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                if served.fetch_add(1, Ordering::SeqCst) < CALLS_MAX {
                    full.wait().await;
                }
                under_way.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(ok("done").as_bytes()).await;
            }
        }
    })
    .await;
    let bench = bench(&[]);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let client = bench.client.clone();
        let url = format!("http://{address}/");
        calls.spawn(async move {
            client
                .perform(&call("GET", &url, ""), true, &Redactor::none())
                .await
        });
    }
    while let Some(done) = calls.join_next().await {
        let (reply, _) = done.expect("it ends");
        assert_eq!(body_of(&reply), "done");
    }
    assert_eq!(most.load(Ordering::SeqCst), CALLS_MAX);
}

#[tokio::test]
async fn this_machine_resolves_its_own_name() {
    let found = SystemLookup::default()
        .lookup("localhost")
        .await
        .expect("every machine knows this name");
    assert!(
        !found.is_empty() && found.iter().all(IpAddr::is_loopback),
        "{found:?}"
    );
}
