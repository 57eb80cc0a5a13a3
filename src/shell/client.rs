//! Outgoing calls: the one place that performs a [`Call`] and says what came back.
//!
//! **Invariant:** a connection goes only to an address that the policy judged: a literal host before
//! the call, a name when it is resolved for the connection, with no second look-up in between.
//!
//! **Invariant:** public and private calls never share a connection, a proxy of the environment is
//! never used, and a redirect is an answer like any other.
//!
//! **Invariant:** what leaves this module is redacted: bodies, header values and error texts. Only what
//! `fetch` reads for a machine is not.

mod fetch;
mod resolve;
mod tcp;
mod transfer;
mod trust;

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response};
use rustls::CertificateError;
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::domain::notice::{cut, is_bidi_control};
use crate::targets::{Call, Reply};

use super::address::AddressPolicy;
use super::clock::Clock;
use super::redact::Redactor;
use resolve::PORT;
pub use resolve::{
    JudgedResolver, Looking, Lookup, LookupFailed, SystemLookup, SystemResolver, Unresolved,
};
pub use tcp::Duplex;
pub use transfer::{Downloaded, NotDownloaded, TRANSFERS_MAX};
pub use trust::{FILE_BYTES_MAX, Roots, RootsError};

/// Longest time to resolve, connect and greet, in seconds. Beyond it nothing was sent.
pub const CONNECT_SECONDS_MAX: u64 = 5;
/// Longest time for a whole call, in seconds. Beyond it the outcome is not known.
pub const CALL_SECONDS_MAX: u64 = 30;
/// Most calls under way; more wait for one to end.
pub const CALLS_MAX: usize = 256;
/// Most bytes of an answer that a target kind gets to judge; the rest is not read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// Most bytes of an answer or error that are kept for people.
pub const ANSWER_TEXT_BYTES_MAX: usize = 2 * 1_024;
/// How long an unused connection is kept, in seconds: less than most servers keep theirs, so that
/// a call is seldom written to a connection that is just being closed.
pub const IDLE_SECONDS_MAX: u64 = 30;
/// Most unused connections kept to one host.
pub const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 8;

/// Headers of an answer that say something about it. `*` stands for any rest.
const ANSWER_HEADERS: &[&str] = &[
    "content-length",
    "content-type",
    "date",
    "location",
    "ratelimit*",
    "retry-after",
    "server",
    "via",
    "x-ratelimit-*",
    "x-request-id",
];

/// Headers that belong to the connection and are set here alone.
pub const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How long a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// Until fewer than [`CALLS_MAX`] others were under way.
    pub waited: Duration,
    /// From then to the end of the answer.
    pub call: Duration,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the TLS settings are not usable")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

/// Performs calls. One for the whole program.
pub struct Client {
    public: reqwest::Client,
    private: reqwest::Client,
    policy: Arc<RwLock<AddressPolicy>>,
    permits: Semaphore,
    lookup: Arc<dyn Lookup>,
    roots: Roots,
    transfers: Semaphore,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A call that passed every check that needs no look-up.
struct Prepared {
    request: Request,
    /// Host and port, for error texts.
    place: String,
    port: u16,
}

impl Client {
    /// A client under this policy. Its time-outs run by `clock`, except those of a connection, which
    /// the network's own timers keep.
    pub fn new(
        policy: AddressPolicy,
        lookup: Arc<dyn Lookup>,
        roots: &Roots,
        clock: Arc<dyn Clock>,
    ) -> Result<Client, ClientError> {
        let policy = Arc::new(RwLock::new(policy));
        let client = |allow_private| {
            let resolver = JudgedResolver::new(lookup.clone(), policy.clone(), allow_private);
            connections(resolver, roots)
        };
        Ok(Client {
            public: client(false)?,
            private: client(true)?,
            permits: Semaphore::new(CALLS_MAX),
            transfers: Semaphore::new(TRANSFERS_MAX),
            policy,
            lookup,
            roots: roots.clone(),
            clock,
        })
    }

    /// Changes the policy for connections made from now on: another listener of ours was opened.
    pub fn change_policy(&self, change: impl FnOnce(&mut AddressPolicy)) {
        change(&mut self.policy.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Performs a call. Waits while [`CALLS_MAX`] others are under way.
    pub async fn perform(
        &self,
        call: &Call,
        allow_private: bool,
        redactor: &Redactor,
    ) -> (Reply, Took) {
        let asked = self.clock.monotonic();
        // The semaphore is never closed, so a permit always comes.
        let _permit = self.permits.acquire().await;
        let begun = self.clock.monotonic();
        let reply = match self.prepare(call, allow_private) {
            Ok(prepared) => self.send(prepared, allow_private, redactor).await,
            Err(why) => Reply::NotSent { why },
        };
        let took = self.took(asked, begun);
        (tidied(reply, redactor), took)
    }

    fn prepare(&self, call: &Call, allow_private: bool) -> Result<Prepared, String> {
        let mut url =
            Url::parse(&call.url).map_err(|error| format!("url is not valid: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("url must begin with http:// or https://".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url must not hold a user name or password: put them into a header".into());
        }
        url.set_fragment(None);
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err("url names no host".into());
        };
        let place = format!("{host}:{port}");
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        // Literal addresses are never resolved, so no resolver would judge them.
        match host {
            Host::Ipv4(ip) => policy.judge(IpAddr::V4(ip), port, allow_private),
            Host::Ipv6(ip) => policy.judge(IpAddr::V6(ip), port, allow_private),
            Host::Domain(name) => match name.trim_end_matches('.').parse::<IpAddr>() {
                Ok(ip) => policy.judge(ip, port, allow_private),
                Err(_) => policy.judge_name(name),
            },
        }
        .map_err(|refused| format!("the address policy refuses this call: {refused}"))?;
        drop(policy);

        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| format!("{:?} is not an HTTP method", call.method))?;
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers_of(call)?;
        if !call.body.is_empty() {
            *request.body_mut() = Some(call.body.clone().into());
        }
        Ok(Prepared {
            request,
            place,
            port,
        })
    }

    fn connections(&self, allow_private: bool) -> &reqwest::Client {
        if allow_private {
            &self.private
        } else {
            &self.public
        }
    }

    async fn send(&self, prepared: Prepared, allow_private: bool, redactor: &Redactor) -> Reply {
        let wait = Duration::from_secs(CALL_SECONDS_MAX);
        let late =
            |place: &str| format!("{place} gave no whole answer within {CALL_SECONDS_MAX} s");
        let read = async |response| Ok(answer(response, redactor).await);
        self.exchange(prepared, allow_private, (wait, late), read)
            .await
            .unwrap_or_else(|reply| reply)
    }

    /// Sends a request and reads the response, both together for at most so long; then `late` says so
    /// of the place. The error is the reply when there is no response, or none that could be read.
    async fn exchange<T>(
        &self,
        prepared: Prepared,
        allow_private: bool,
        (wait, late): (Duration, impl FnOnce(&str) -> String),
        read: impl AsyncFnOnce(Response) -> Result<T, Reply>,
    ) -> Result<T, Reply> {
        let Prepared {
            request,
            place,
            port,
        } = prepared;
        let client = self.connections(allow_private);
        let exchange = async {
            match PORT.scope(port, client.execute(request)).await {
                Ok(response) => read(response).await,
                Err(error) => Err(failed(&error.without_url(), &place)),
            }
        };
        tokio::select! {
            biased;
            ended = exchange => ended,
            () = self.clock.sleep(wait) => Err(Reply::NoAnswer { why: late(&place) }),
        }
    }

    /// How long it took that was asked for and begun at these moments.
    fn took(&self, asked: Duration, begun: Duration) -> Took {
        Took {
            waited: begun.saturating_sub(asked),
            call: self.clock.monotonic().saturating_sub(begun),
        }
    }
}

/// Connections with their own pool and resolver.
fn connections(resolver: JudgedResolver, roots: &Roots) -> Result<reqwest::Client, ClientError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one module that makes an HTTP client"
    )]
    let builder = reqwest::Client::builder();
    Ok(builder
        .tls_backend_preconfigured(roots.tls()?)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS_MAX))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST_MAX)
        .user_agent(concat!("notify-bridge/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(resolver)
        .build()?)
}

fn headers_of(call: &Call) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        let lower = name.to_ascii_lowercase();
        if OWN_HEADERS.contains(&lower.as_str()) {
            return Err(format!(
                "header {lower} belongs to the connection: leave it out"
            ));
        }
        let key = HeaderName::from_bytes(lower.as_bytes())
            .map_err(|_| format!("header name {lower:?} is not valid"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of header {lower} holds characters it may not"))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

/// Reads an answer as far as it is kept.
async fn answer(mut response: Response, redactor: &Redactor) -> Reply {
    let status = response.status().as_u16();
    let headers = kept_headers(&response, redactor);
    // A little more than is kept, so that a secret over the cut is seen whole.
    let read_max = ANSWER_BYTES_MAX + redactor.reach();
    let mut body = Vec::new();
    while body.len() < read_max {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = read_max - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) => break,
            Err(error) => {
                return Reply::NoAnswer {
                    why: format!(
                        "the answer, status {status}, broke off: {}",
                        innermost(&error.without_url())
                    ),
                };
            }
        }
    }
    let body = if body.len() > ANSWER_BYTES_MAX {
        redactor.redact_head(&body, ANSWER_BYTES_MAX)
    } else {
        redactor
            .redact_document(&body, |bytes| serde_json::from_slice(bytes).ok())
            .bytes
            .into_owned()
    };
    Reply::Answered {
        status,
        headers,
        body,
    }
}

/// The headers of an answer that say something about it.
fn kept_headers(response: &Response, redactor: &Redactor) -> Vec<(String, String)> {
    response
        .headers()
        .iter()
        .filter(|(name, _)| is_answer_header(name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), redactor.line(value.as_bytes())))
        .collect()
}

fn is_answer_header(name: &str) -> bool {
    ANSWER_HEADERS
        .iter()
        .any(|known| match known.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *known,
        })
}

/// What an error of the exchange means: whether the request can have arrived.
fn failed(error: &reqwest::Error, place: &str) -> Reply {
    if let Some(unresolved) = causes(error).find_map(|cause| cause.downcast_ref::<Unresolved>()) {
        return Reply::NotSent {
            why: unresolved.to_string(),
        };
    }
    if error.is_connect() {
        let why = if error.is_timeout() {
            format!("no connection to {place} within {CONNECT_SECONDS_MAX} s")
        } else if is_of_unknown_issuer(error) {
            format!(
                "no connection to {place}: its certificate is of an issuer that is not known here; if the CA is your own, start the program with --ca-file"
            )
        } else {
            format!("no connection to {place}: {}", innermost(error))
        };
        return Reply::NotSent { why };
    }
    if error.is_builder() {
        return Reply::NotSent {
            why: format!("the call cannot be made: {}", innermost(error)),
        };
    }
    Reply::NoAnswer {
        why: format!("{place} gave no whole answer: {}", innermost(error)),
    }
}

type Cause<'a> = &'a (dyn StdError + 'static);

/// An error and what caused it, in turn.
fn causes<'a>(error: Cause<'a>) -> impl Iterator<Item = Cause<'a>> {
    fn next<'a>(error: &Cause<'a>) -> Option<Cause<'a>> {
        (*error).source()
    }
    std::iter::successors(Some(error), next)
}

/// Whether the other side showed a certificate that no root vouches for.
pub fn is_of_unknown_issuer(error: &(dyn StdError + 'static)) -> bool {
    // An I/O error gives its content's cause as its own, so the content itself is looked at here.
    fn content<'a>(cause: &Cause<'a>) -> Option<Cause<'a>> {
        let inner = (*cause).downcast_ref::<std::io::Error>()?.get_ref()?;
        Some(inner)
    }
    causes(error)
        .flat_map(|cause| std::iter::successors(Some(cause), content))
        .any(|cause| {
            matches!(
                cause.downcast_ref::<rustls::Error>(),
                Some(rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer
                ))
            )
        })
}

/// The first cause says most: the layers above it repeat that sending failed.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Error texts without secrets and of bounded length. Bodies and headers are redacted when read.
fn tidied(reply: Reply, redactor: &Redactor) -> Reply {
    let tidy = |why: String| {
        let mut why = redactor.redact_text(&why).into_owned();
        cut(&mut why, ANSWER_TEXT_BYTES_MAX);
        why
    };
    match reply {
        Reply::Answered { .. } => reply,
        Reply::NotSent { why } => Reply::NotSent { why: tidy(why) },
        Reply::NoAnswer { why } => Reply::NoAnswer { why: tidy(why) },
    }
}

/// What people read about a reply: the status and the beginning of the text, in all at most
/// [`ANSWER_TEXT_BYTES_MAX`] bytes, without characters that a terminal or page would act on.
pub fn excerpt(reply: &Reply) -> String {
    let mut text = match reply {
        Reply::Answered { status, body, .. } => {
            let body = String::from_utf8_lossy(body);
            let body = body.trim();
            if body.is_empty() {
                format!("status {status}")
            } else {
                format!("status {status}: {body}")
            }
        }
        Reply::NotSent { why } => format!("not sent: {why}"),
        Reply::NoAnswer { why } => format!("no answer: {why}"),
    };
    // Cut first: the rest of a large body need not be cleaned.
    cut(&mut text, ANSWER_TEXT_BYTES_MAX);
    text.retain(|c| !is_bidi_control(c));
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// Whether an address belongs to this machine: one can listen on it.
pub fn is_this_machine(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests;
