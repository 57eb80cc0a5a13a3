//! Looks at providers: many calls at once, bodies in pieces, and lines that become encrypted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;
use notify_bridge::domain::spec::ProviderSpec;
use notify_bridge::projections::cursors::OfProvider;
use notify_bridge::providers::ask::{
    Answer, Ask, AskInput, Body, HttpCall, Look, Polled as _, Seen, Step, Unseen,
};
use notify_bridge::providers::nut::Nut;
use notify_bridge::shell::client::Roots;
use notify_bridge::shell::clock::Clock;
use notify_bridge::shell::pollers::looking::{CALLS_PER_HOST_MAX, Hosts, Looking};
use notify_bridge::shell::redact::Redactor;
use notify_bridge::targets::Reply;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::authority::Authority;
use super::servers::{free_port, ok, request, serve, serve_text};
use super::{Bench, bench, bench_trusting, call};

async fn look(bench: &Bench, look: Box<dyn Look>) -> Result<Seen, Unseen> {
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let looking = Looking {
        client: &bench.client,
        clock: &clock,
        hosts: &Hosts::default(),
        allow_private: true,
        redactor: &Redactor::none(),
    };
    looking.look(look).await
}

/// Makes these calls at once and says what came of each, in the order of the calls.
struct Calls {
    calls: Vec<HttpCall>,
    said: BTreeMap<u32, String>,
    bytes: BTreeMap<u32, usize>,
    open: usize,
}

impl Calls {
    fn to(urls: &[String], body: Body) -> Box<dyn Look> {
        let calls = urls.iter().zip(0..).map(|(url, id)| HttpCall {
            id,
            call: call("GET", url, ""),
            body,
        });
        Box::new(Calls {
            calls: calls.collect(),
            said: BTreeMap::new(),
            bytes: BTreeMap::new(),
            open: urls.len(),
        })
    }
}

impl Look for Calls {
    fn step(&mut self, answer: Option<Answer>) -> Step {
        match answer {
            None => return Step::Calls(std::mem::take(&mut self.calls)),
            Some(Answer::Piece { id, bytes }) => {
                assert!(!self.said.contains_key(&id), "a piece after the end");
                *self.bytes.entry(id).or_default() += bytes.len();
            }
            Some(Answer::Http { id, reply }) => {
                let pieces = self.bytes.get(&id).copied().unwrap_or(0);
                let said = match reply {
                    Reply::Answered { status, body, .. } => {
                        format!("{status}, {pieces} in pieces, {} whole", body.len())
                    }
                    Reply::NotSent { why } | Reply::NoAnswer { why } => why,
                };
                self.said.insert(id, said);
                self.open -= 1;
            }
            Some(Answer::Lines(lines)) => panic!("nobody was spoken to: {lines:?}"),
        }
        if self.open > 0 {
            return Step::Calls(Vec::new());
        }
        Step::Done(Ok(Seen {
            lines: self.said.values().cloned().collect(),
            ..Seen::default()
        }))
    }
}

#[tokio::test]
async fn bodies_come_whole_or_in_pieces_within_their_bounds() {
    let large = 600_000;
    let there = serve_text(ok(&"x".repeat(large))).await;
    let refused = serve_text(
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno".into(),
    )
    .await;
    let urls = [
        format!("http://{there}/"),
        format!("http://{refused}/"),
        format!("http://{}/", free_port().await),
    ];
    let bench = bench(&[]);
    for (body, expected) in [
        (
            Body::Whole { bytes_max: large },
            [
                "200, 0 in pieces, 600000 whole",
                "403, 0 in pieces, 2 whole",
            ],
        ),
        (
            Body::Pieces {
                bytes_max: large as u64,
            },
            [
                "200, 600000 in pieces, 0 whole",
                "403, 0 in pieces, 2 whole",
            ],
        ),
        (
            Body::Whole {
                bytes_max: large - 1,
            },
            [
                "the answer has more than 599999 bytes",
                "403, 0 in pieces, 2 whole",
            ],
        ),
        (
            Body::Pieces { bytes_max: 10 },
            [
                "the answer has more than 10 bytes",
                "403, 0 in pieces, 2 whole",
            ],
        ),
    ] {
        let seen = look(&bench, Calls::to(&urls, body)).await;
        let said = seen.expect("it is done").lines;
        assert_eq!(said[..2], expected, "{body:?}");
        assert!(said[2].contains("no connection"), "{said:?}");
    }
}

#[tokio::test]
async fn a_host_is_asked_no_more_at_once_than_it_bears() {
    let together = Arc::new(Barrier::new(CALLS_PER_HOST_MAX));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (within, highest) = (Arc::clone(&now), Arc::clone(&most));
    let address = serve(move |mut stream| {
        let (together, now, most) = (
            Arc::clone(&together),
            Arc::clone(&within),
            Arc::clone(&highest),
        );
        async move {
            request(&mut stream).await;
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(count, Ordering::SeqCst);
            // As many as may come have to come at once, or nobody is answered.
            together.wait().await;
            now.fetch_sub(1, Ordering::SeqCst);
            let _gone = stream.write_all(ok("fine").as_bytes()).await;
        }
    })
    .await;
    let urls: Vec<String> = (0..3 * CALLS_PER_HOST_MAX)
        .map(|n| format!("http://{address}/{n}"))
        .collect();
    let bench = bench(&[]);
    let seen = look(&bench, Calls::to(&urls, Body::Whole { bytes_max: 100 })).await;
    assert_eq!(seen.expect("it is done").lines.len(), urls.len());
    assert!(most.load(Ordering::SeqCst) <= CALLS_PER_HOST_MAX);
}

/// Waits for an answer to nothing.
struct Idle;

impl Look for Idle {
    fn step(&mut self, _answer: Option<Answer>) -> Step {
        Step::Calls(Vec::new())
    }
}

#[tokio::test]
async fn a_look_that_waits_for_nothing_ends() {
    let unseen = look(&bench(&[]), Box::new(Idle))
        .await
        .expect_err("it ends");
    assert!(unseen.why.contains("nobody was asked"), "{unseen}");
}

/// An upsd that encrypts when asked, with what it says before the greeting.
async fn upsd(authority: &Authority, name: &str, early: &'static str) -> u16 {
    let acceptor = authority.acceptor(name);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let read = stream.read_line(&mut line).await;
                if read.is_err() || line != "STARTTLS\n" {
                    return;
                }
                let agreed = format!("OK STARTTLS\n{early}");
                let _gone = stream.write_all(agreed.as_bytes()).await;
                // Who does not trust us hangs up while greeting.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut stream = BufReader::new(stream);
                loop {
                    let mut line = String::new();
                    if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                        return;
                    }
                    let answer = match line.trim_end() {
                        "LIST UPS" => "BEGIN LIST UPS\nUPS rack \"\"\nEND LIST UPS\n",
                        "LIST VAR rack" => "BEGIN LIST VAR rack\nEND LIST VAR rack\n",
                        _ => "OK\n",
                    };
                    let _gone = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn lines_are_encrypted_before_anything_is_said() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    for (name, trusted, early, refused) in [
        ("ups.example", &own, "", None),
        (
            "ups.example",
            &other,
            "",
            Some("of an issuer that is not known here"),
        ),
        (
            "elsewhere.example",
            &own,
            "",
            Some("no TLS with ups.example"),
        ),
        ("ups.example", &own, "UPS forged \"\"\n", Some("before TLS")),
    ] {
        let port = upsd(&own, name, early).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, trusted.pem()).expect("it is written");
        let roots = Roots::with_files(&[file]).expect("it holds a certificate");
        let names: &[(&str, &[&[&str]])] = &[("ups.example", &[&["127.0.0.1"]])];
        let bench = bench_trusting(names, &roots);
        let spec: ProviderSpec = serde_json::from_value(serde_json::json!({
            "name": "power", "kind": "nut", "host": "ups.example", "port": port, "tls": "starttls",
            "username": "watcher",
        }))
        .expect("a spec");
        let begun = Nut.begin(
            Ask::Discover,
            &AskInput {
                spec: &spec,
                secrets: &BTreeMap::from([("password".to_owned(), "hush".to_owned())]),
                watches: &[],
                cursors: &OfProvider::new(),
                now: 0,
                zone: &TimeZone::UTC,
                chance: 0,
            },
        );
        let seen = look(&bench, begun).await;
        match refused {
            None => assert_eq!(seen.expect("it is trusted").collections.len(), 1),
            Some(why) => {
                let unseen = seen.expect_err("it is not trusted");
                assert!(unseen.why.contains(why), "{name} {early}: {unseen}");
            }
        }
    }
}
