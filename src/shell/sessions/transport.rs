//! WebSockets over judged connections, and a reader that waits for nobody.
//!
//! **Invariant:** a connection goes only where the address policy lets a call go, through the same
//! [`Client`]; no proxy is used, and a redirect is an answer that is not followed.
//!
//! **Invariant:** what was read and is not folded yet is bounded. What comes faster is left out and
//! counted, and while nothing is folded at all it is not read either.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::{Host, Url};

use crate::providers::ask::{Endpoint, Unseen};
use crate::shell::client::{Client, Duplex, OWN_HEADERS};
use crate::shell::clock::Clock;
use crate::targets::Reply;

/// Longest time from the connection to the session, in seconds.
pub const HANDSHAKE_SECONDS_MAX: u64 = 10;
/// Messages that were read and wait to be folded.
pub const MESSAGES_WAITING_MAX: usize = 4_096;
/// Their bytes. One message alone may have more, as far as its endpoint lets it.
pub const MESSAGES_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Most bytes that wait to be sent; a message that does not fit ends the session.
const SEND_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Bytes of a session's buffers while nothing happens, in each direction.
const BUFFER_BYTES: usize = 16 * 1_024;

pub type Socket = WebSocketStream<Box<dyn Duplex>>;

/// Where an endpoint is.
struct Place {
    host: String,
    port: u16,
    is_secure: bool,
    /// Host and port, for error texts.
    name: String,
}

/// Connects to an endpoint. The error is for people, and may hold what the service said.
pub async fn open(
    client: &Client,
    clock: &Arc<dyn Clock>,
    endpoint: &Endpoint,
    allow_private: bool,
) -> Result<Socket, Unseen> {
    let (place, request) = prepare(endpoint).map_err(Unseen::new)?;
    let Place {
        host, port, name, ..
    } = &place;
    let connected = client.connect(host, *port, allow_private).await;
    let mut stream = connected.map_err(Unseen::new)?;
    if place.is_secure {
        stream = client.encrypt(stream, host).await.map_err(Unseen::new)?;
    }
    let bytes_max = Some(endpoint.message_bytes_max);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(SEND_BYTES_MAX)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    let greeting = client_async_with_config(request, stream, Some(config));
    let greeted = tokio::select! {
        biased;
        greeted = greeting => greeted,
        () = clock.sleep(Duration::from_secs(HANDSHAKE_SECONDS_MAX)) => {
            return Err(Unseen::new(format!(
                "{name} opened no session within {HANDSHAKE_SECONDS_MAX} s"
            )));
        }
    };
    match greeted {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(refused(name, *response)),
        Err(Error::Io(error)) => Err(Unseen::new(format!(
            "the connection to {name} broke before a session was open: {error}"
        ))),
        Err(other) => Err(Unseen::new(format!(
            "{name} does not answer as a WebSocket: {other}"
        ))),
    }
}

/// Checks what can be checked before anything is connected.
fn prepare(endpoint: &Endpoint) -> Result<(Place, Request), String> {
    let mut url =
        Url::parse(&endpoint.url).map_err(|error| format!("url is not valid: {error}"))?;
    let is_secure = match url.scheme() {
        "ws" => false,
        "wss" => true,
        _other => return Err("the url of a session must begin with ws:// or wss://".into()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url must not hold a user name or password".into());
    }
    url.set_fragment(None);
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err("url names no host".into());
    };
    let name = format!("{host}:{port}");
    let host = match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    let request = url.as_str().into_client_request();
    let mut request = request.map_err(|error| format!("url cannot be asked for: {error}"))?;
    let headers = request.headers_mut();
    let own = HeaderValue::from_static(concat!("notify-bridge/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::USER_AGENT, own);
    for (key, value) in &endpoint.headers {
        let key = key.to_ascii_lowercase();
        if OWN_HEADERS.contains(&key.as_str()) || key.starts_with("sec-websocket-") {
            return Err(format!(
                "header {key} belongs to the connection: leave it out"
            ));
        }
        let name = HeaderName::from_bytes(key.as_bytes())
            .map_err(|_| format!("header name {key:?} is not valid"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of header {key} holds characters it may not"))?;
        value.set_sensitive(true);
        if name == header::USER_AGENT {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    let place = Place {
        host,
        port,
        is_secure,
        name,
    };
    Ok((place, request))
}

/// What an answer means that is no session.
fn refused(name: &str, response: Response) -> Unseen {
    let status = response.status();
    let headers = response.headers().iter();
    let headers: Vec<(String, String)> = headers
        .filter_map(|(key, value)| Some((key.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let location = headers.iter().find(|(key, _)| key == "location");
    if let Some((_, location)) = location.filter(|_| status.is_redirection()) {
        return Unseen::new(format!(
            "{name} answered {} and names {location} instead: a redirect is not followed, so name the place itself",
            status.as_u16()
        ));
    }
    let reply = Reply::Answered {
        status: status.as_u16(),
        headers,
        body: response.into_body().unwrap_or_default(),
    };
    let unseen = Unseen::of_reply(&reply);
    Unseen {
        why: format!("{name} opened no session: it {}", unseen.why),
        after: unseen.after,
    }
}

/// What came over a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    Message(String),
    /// So many came after the one before that were left out.
    Missed(u64),
    /// Nothing more comes, and why.
    Ended(String),
}

/// What was read and waits.
#[derive(Default)]
struct Waiting {
    came: VecDeque<Came>,
    bytes: usize,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a message, or counts it where there is no room for it.
    fn keep(&self, text: &str) -> bool {
        let mut waiting = self.lock();
        let is_full = waiting.came.len() >= MESSAGES_WAITING_MAX
            || (waiting.bytes > 0 && waiting.bytes + text.len() > MESSAGES_BYTES_MAX);
        match (is_full, waiting.came.back_mut()) {
            (true, Some(Came::Missed(count))) => *count += 1,
            (true, _) => waiting.came.push_back(Came::Missed(1)),
            (false, _) => {
                waiting.bytes += text.len();
                // A copy of its own: the text as read shares a larger buffer with its neighbours.
                waiting.came.push_back(Came::Message(text.to_owned()));
            }
        }
        drop(waiting);
        self.more.notify_one();
        !is_full
    }

    fn end(&self, why: String) {
        self.lock().came.push_back(Came::Ended(why));
        self.more.notify_one();
    }
}

/// What was read and waits to be folded.
pub struct Inbox {
    shared: Arc<Shared>,
    paused: watch::Sender<bool>,
}

/// Reads into an [`Inbox`], as long as there is one.
pub struct Reader {
    stream: SplitStream<Socket>,
    shared: Arc<Shared>,
    paused: watch::Receiver<bool>,
}

pub fn inbox(stream: SplitStream<Socket>) -> (Reader, Inbox) {
    let shared = Arc::new(Shared::default());
    let (pause, paused) = watch::channel(false);
    let reader = Reader {
        stream,
        shared: Arc::clone(&shared),
        paused,
    };
    let inbox = Inbox {
        shared,
        paused: pause,
    };
    (reader, inbox)
}

impl Inbox {
    /// The next thing that came. May be dropped while it waits.
    pub async fn take(&mut self) -> Came {
        loop {
            // A flood leaves time for others.
            tokio::task::coop::consume_budget().await;
            let next = {
                let mut waiting = self.shared.lock();
                let next = waiting.came.pop_front();
                if let Some(Came::Message(text)) = &next {
                    waiting.bytes -= text.len();
                }
                next
            };
            match next {
                Some(came) => return came,
                None => self.shared.more.notified().await,
            }
        }
    }

    /// How many things came that were not taken.
    pub fn waiting(&self) -> usize {
        self.shared.lock().came.len()
    }

    /// Whether nothing more is read for now.
    pub fn pause(&self, paused: bool) {
        self.paused.send_if_modified(|now| {
            let changed = *now != paused;
            *now = paused;
            changed
        });
    }
}

/// However reading ends, nobody waits for more.
impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.end("nothing is read any more".into());
    }
}

impl Reader {
    /// Reads until the connection ends. `counted` is told how many messages came and how many of them
    /// were left out.
    pub async fn run(mut self, counted: impl Fn(u64, u64)) {
        let why = loop {
            let is_paused = *self.paused.borrow_and_update();
            tokio::select! {
                biased;
                // The inbox is gone: nobody wants more.
                changed = self.paused.changed() => if changed.is_err() { return },
                next = self.stream.next(), if !is_paused => match next {
                    Some(Ok(Message::Text(text))) => {
                        let is_kept = self.shared.keep(text.as_str());
                        counted(1, u64::from(!is_kept));
                    }
                    // A ping is answered below us, and nobody of ours speaks in bytes.
                    Some(Ok(
                        Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                    )) => {}
                    Some(Ok(Message::Close(None))) => break "it ended the session".to_owned(),
                    Some(Ok(Message::Close(Some(frame)))) => {
                        break format!("it ended the session: {frame}");
                    }
                    Some(Err(error)) => break broken(&error),
                    None => break "the connection was closed".to_owned(),
                },
            }
        };
        self.shared.end(why);
    }
}

fn broken(error: &Error) -> String {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            format!("a message has more than {max_size} bytes")
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "the connection was closed without a word".into()
        }
        Error::Io(error) => format!("the connection broke: {error}"),
        other => format!("the session broke: {other}"),
    }
}

/// What sending failed for.
pub fn unsent(error: &Error) -> String {
    match error {
        Error::WriteBufferFull(_) => {
            format!("more than {SEND_BYTES_MAX} bytes were to be sent at once")
        }
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection was closed".into(),
        other => broken(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_connected_to_is_refused_before() {
        let check = |url: &str, headers: &[(&str, &str)], expected: &str| {
            let headers = headers.iter();
            let endpoint = Endpoint {
                url: url.into(),
                headers: headers
                    .map(|(key, value)| ((*key).into(), (*value).into()))
                    .collect(),
                message_bytes_max: 1,
            };
            let said = match prepare(&endpoint) {
                Ok((place, _)) => format!("{} {}", place.host, place.port),
                Err(why) => why,
            };
            assert!(said.contains(expected), "{url}: {said}");
        };
        check("http://hub.example/", &[], "must begin with ws://");
        check("nonsense", &[], "not valid");
        check("ws://", &[], "not valid");
        check("ws://me:pw@hub.example/", &[], "user name or password");
        check("ws://hub.example/", &[("Host", "other")], "header host");
        check(
            "ws://hub.example/",
            &[("Sec-WebSocket-Key", "x")],
            "header sec-websocket-key",
        );
        check("ws://hub.example/", &[("a b", "c")], "not valid");
        check("ws://hub.example/", &[("a", "b\r\nc")], "may not");
        check("ws://hub.example/api", &[], "hub.example 80");
        check("wss://hub.example/api#x", &[("a", "b")], "hub.example 443");
        check("ws://0x7f.1:8123/", &[], "127.0.0.1 8123");
        check("wss://[::1]:8123/", &[], "::1 8123");
    }
}
