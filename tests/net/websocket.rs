//! Sessions over WebSocket: where they may go, what is no session, how they are encrypted, and what
//! becomes of messages that come faster than they are folded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use notify_bridge::providers::ask::{Endpoint, Unseen};
use notify_bridge::shell::client::Roots;
use notify_bridge::shell::clock::Clock;
use notify_bridge::shell::sessions::transport::{
    self, Came, HANDSHAKE_SECONDS_MAX, MESSAGES_BYTES_MAX, MESSAGES_WAITING_MAX, Socket,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::authority::Authority;
use super::servers::{free_port, request, serve, serve_counted, serve_text};
use super::trust::trusting;
use super::{Bench, bench, bench_trusting};

/// Largest message here, in bytes.
const MESSAGE_BYTES_MAX: usize = 2 * 1_024 * 1_024;

async fn open(bench: &Bench, url: &str, allow_private: bool) -> Result<Socket, Unseen> {
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let endpoint = Endpoint {
        url: url.to_owned(),
        headers: vec![("x-test".into(), "1".into())],
        message_bytes_max: MESSAGE_BYTES_MAX,
    };
    transport::open(&bench.client, &clock, &endpoint, allow_private).await
}

/// Why there is no session.
async fn unseen(bench: &Bench, url: &str, allow_private: bool) -> Unseen {
    match open(bench, url, allow_private).await {
        Ok(_session) => panic!("{url} opens a session"),
        Err(unseen) => unseen,
    }
}

/// Opens a session and says back what it is told.
async fn echo(stream: impl AsyncRead + AsyncWrite + Unpin) {
    // Who does not trust us hangs up while greeting.
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn is_echoed(socket: &mut Socket) -> bool {
    let said = Message::text("hello");
    socket.send(said.clone()).await.expect("it is sent");
    matches!(socket.next().await, Some(Ok(heard)) if heard == said)
}

#[tokio::test]
async fn a_session_is_opened_by_name_and_by_address() {
    let (heads, mut asked) = mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let heads = heads.clone();
        async move {
            let head = request(&mut stream).await;
            // The test may be over.
            let _gone = heads.send(head);
        }
    })
    .await;
    let there = serve(echo).await;
    let bench = bench(&[("hub.example", &[&["127.0.0.1"]])]);
    for host in ["127.0.0.1", "hub.example", "0x7f.1"] {
        let url = format!("ws://{host}:{}/api/websocket", there.port());
        let mut socket = open(&bench, &url, true).await.expect("a session");
        assert!(is_echoed(&mut socket).await, "{host}");
        let url = format!("ws://{host}:{}/api/websocket?a=b#part", address.port());
        unseen(&bench, &url, true).await;
        let head = asked.recv().await.expect("a request");
        assert!(
            head.starts_with("GET /api/websocket?a=b HTTP/1.1\r\n"),
            "{head}"
        );
        for line in ["x-test: 1\r\n", "user-agent: notify-bridge/"] {
            assert!(head.contains(line), "{head}");
        }
    }
}

#[tokio::test]
async fn what_is_no_session_says_what_it_is() {
    let (elsewhere, reached) = serve_counted().await;
    let answer = |status: &str, more: &str| {
        format!("HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n")
    };
    let bench = bench(&[]);
    for (text, expected, after) in [
        (
            answer("302 Found", &format!("location: ws://{elsewhere}/\r\n")),
            "a redirect is not followed",
            None,
        ),
        (
            answer("401 No", ""),
            "does not accept the credentials",
            None,
        ),
        (
            answer("404 No", ""),
            "opened no session: it answered 404",
            None,
        ),
        (
            answer("429 No", "retry-after: 7\r\n"),
            "asked too often",
            Some(7),
        ),
        (answer("200 OK", ""), "it answered 200", None),
        (
            "nonsense\r\n\r\n".into(),
            "does not answer as a WebSocket",
            None,
        ),
        (String::new(), "does not answer as a WebSocket", None),
    ] {
        let address = serve_text(text).await;
        let unseen = unseen(&bench, &format!("ws://{address}/"), true).await;
        assert!(unseen.why.contains(expected), "{unseen}");
        assert!(unseen.why.contains(&address.to_string()), "{unseen}");
        assert_eq!(unseen.after, after.map(Duration::from_secs), "{unseen}");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    let free = free_port().await;
    let why = unseen(&bench, &format!("ws://{free}/"), true).await.why;
    assert!(why.contains(&format!("no connection to {free}")), "{why}");
}

#[tokio::test]
async fn a_session_goes_only_where_a_call_may_go() {
    let (address, reached) = serve_counted().await;
    let port = address.port();
    let bench = bench(&[
        ("inside.example", &[&["127.0.0.1"]]),
        ("carried.example", &[&["::ffff:127.0.0.1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("nowhere.example", &[&[]]),
    ]);
    for (host, allow_private, expected) in [
        ("127.0.0.1", false, "set allow_private"),
        ("2130706433", false, "127.0.0.1 is a loopback"),
        ("[::ffff:127.0.0.1]", false, "set allow_private"),
        ("inside.example", false, "set allow_private"),
        ("carried.example", false, "set allow_private"),
        ("169.254.169.254", true, "never called"),
        ("metadata.example", true, "never called"),
        ("metadata.google.internal", true, "never called"),
        ("nowhere.example", true, "has no address"),
        ("unknown.example", true, "does not resolve"),
    ] {
        for scheme in ["ws", "wss"] {
            let url = format!("{scheme}://{host}:{port}/");
            let why = unseen(&bench, &url, allow_private).await.why;
            assert!(why.contains(expected), "{url}: {why}");
        }
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let heard = Arc::new(Notify::new());
    let told = Arc::clone(&heard);
    let address = serve(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            request(&mut stream).await;
            told.notify_one();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let bench = bench(&[]);
    let url = format!("ws://{address}/");
    let passes = async {
        heard.notified().await;
        bench
            .clock
            .advance(Duration::from_secs(HANDSHAKE_SECONDS_MAX));
    };
    let (unseen, ()) = tokio::join!(unseen(&bench, &url, true), passes);
    let why = unseen.why;
    assert!(why.contains("opened no session within 10 s"), "{why}");
}

#[tokio::test]
async fn an_encrypted_session_is_opened_with_who_is_vouched_for() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    for (name, roots, refused) in [
        ("hub.example", trusting(&[&own.pem()]), None),
        ("127.0.0.1", trusting(&[&other.pem(), &own.pem()]), None),
        (
            "hub.example",
            Roots::default(),
            Some("if the CA is your own, start the program with --ca-file"),
        ),
        (
            "127.0.0.1",
            trusting(&[&other.pem()]),
            Some("of an issuer that is not known here"),
        ),
        (
            "elsewhere.example",
            trusting(&[&own.pem()]),
            Some("not valid for name"),
        ),
    ] {
        let acceptor = own.acceptor(name);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        echo(stream).await;
                    }
                });
            }
        });
        let host = match name {
            "127.0.0.1" => name,
            _other => "hub.example",
        };
        let names: &[(&str, &[&[&str]])] = &[("hub.example", &[&["127.0.0.1"]])];
        let bench = bench_trusting(names, &roots);
        let opened = open(&bench, &format!("wss://{host}:{port}/"), true).await;
        match (opened, refused) {
            (Ok(mut socket), None) => assert!(is_echoed(&mut socket).await, "{name}"),
            (Err(unseen), Some(why)) => assert!(unseen.why.contains(why), "{unseen}"),
            (opened, refused) => panic!("{name}: {refused:?}, {:?}", opened.err()),
        }
    }
}

/// A session whose other side does what `speak` does and then stays.
async fn spoken<F, R>(speak: F) -> Socket
where
    F: Fn(WebSocketStream<tokio::net::TcpStream>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let address = serve(move |stream| {
        let speak = speak.clone();
        async move { speak(accept_async(stream).await.expect("a session")).await }
    })
    .await;
    let opened = open(&bench(&[]), &format!("ws://{address}/"), true).await;
    opened.expect("a session")
}

/// What is read of a session: messages that came, and those that were left out.
#[derive(Default)]
struct Counted {
    came: AtomicU64,
    left_out: AtomicU64,
    more: Notify,
}

impl Counted {
    /// Waits until so many came.
    async fn until(&self, count: u64) {
        while self.came.load(Ordering::SeqCst) < count {
            self.more.notified().await;
        }
    }
}

fn read(socket: Socket, paused: bool) -> (transport::Inbox, Arc<Counted>) {
    let (_sink, stream) = socket.split();
    let (reader, inbox) = transport::inbox(stream);
    inbox.pause(paused);
    let counted = Arc::new(Counted::default());
    let tell = Arc::clone(&counted);
    tokio::spawn(reader.run(move |came, left_out| {
        tell.left_out.fetch_add(left_out, Ordering::SeqCst);
        tell.came.fetch_add(came, Ordering::SeqCst);
        tell.more.notify_one();
    }));
    (inbox, counted)
}

#[tokio::test]
async fn what_comes_faster_than_it_is_folded_is_left_out_and_counted() {
    for (count, bytes, kept) in [
        (MESSAGES_WAITING_MAX + 10, 1, MESSAGES_WAITING_MAX),
        (
            20,
            MESSAGE_BYTES_MAX,
            MESSAGES_BYTES_MAX / MESSAGE_BYTES_MAX,
        ),
    ] {
        let go_on = Arc::new(Notify::new());
        let wait = Arc::clone(&go_on);
        let socket = spoken(move |mut socket| {
            let wait = Arc::clone(&wait);
            async move {
                for _ in 0..count {
                    let text = "x".repeat(bytes);
                    socket.send(Message::text(text)).await.expect("it is read");
                }
                wait.notified().await;
                socket
                    .send(Message::text("after"))
                    .await
                    .expect("it is read");
                socket.close(None).await.expect("it takes leave");
                while socket.next().await.is_some() {}
            }
        })
        .await;
        let (mut inbox, counted) = read(socket, false);
        counted.until(count as u64).await;
        let left_out = (count - kept) as u64;
        assert_eq!(counted.left_out.load(Ordering::SeqCst), left_out);
        for _ in 0..kept {
            assert!(matches!(inbox.take().await, Came::Message(text) if text.len() == bytes));
        }
        go_on.notify_one();
        assert_eq!(inbox.take().await, Came::Missed(left_out));
        assert_eq!(inbox.take().await, Came::Message("after".into()));
        let end = inbox.take().await;
        assert!(
            matches!(&end, Came::Ended(why) if why.contains("ended the session")),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_read_while_nothing_is_folded() {
    let sent = Arc::new(Notify::new());
    let tell = Arc::clone(&sent);
    let socket = spoken(move |mut socket| {
        let tell = Arc::clone(&tell);
        async move {
            for n in 0..10 {
                socket
                    .send(Message::text(n.to_string()))
                    .await
                    .expect("it is taken");
            }
            tell.notify_one();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (mut inbox, counted) = read(socket, true);
    sent.notified().await;
    assert_eq!(counted.came.load(Ordering::SeqCst), 0);
    inbox.pause(false);
    for n in 0..10 {
        assert_eq!(inbox.take().await, Came::Message(n.to_string()));
    }
}

#[tokio::test]
async fn the_end_of_a_session_says_what_it_was() {
    let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
    for (message, expected) in [
        (Some(Message::text(long)), "more than 2097152 bytes"),
        (None, "closed without a word"),
    ] {
        let socket = spoken(move |mut socket| {
            let message = message.clone();
            async move {
                if let Some(message) = message {
                    // It is not read to its end.
                    let _gone = socket.send(message).await;
                }
            }
        })
        .await;
        let (mut inbox, _) = read(socket, false);
        let end = inbox.take().await;
        assert!(
            matches!(&end, Came::Ended(why) if why.contains(expected)),
            "{end:?}"
        );
    }
}
