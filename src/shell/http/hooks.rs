//! Intake: `/hooks/{provider}`.
//!
//! **Invariant:** 202 is answered only after the commit, and a request that is not verified leaves
//! nothing behind but a count in memory.

mod bots;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::front::{Front, RequestId};
use super::problem::Problem;
use super::{Peer, address};
use crate::domain::command::{Accept, Command, Told};
use crate::domain::event::{Event, RequestKeys};
use crate::domain::family::dispatch_id;
use crate::domain::notice::NoticeDraft;
use crate::domain::spec::Verify;
use crate::providers::{self, RawRequest, Readable, Unreadable, Verified, Webhook};
use crate::shell::app::App;
use crate::shell::ledger::{Beside, Priority};
use crate::shell::redact::{Redactor, is_token_name};
use crate::shell::sources::{NoSource, Source};

/// Largest body unless a provider says otherwise.
pub const BODY_BYTES_DEFAULT: u32 = 1024 * 1024;
/// Largest body that can be configured.
pub const BODY_BYTES_MAX: u32 = 25 * 1024 * 1024;
/// Time for a body to arrive.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a request waits for the program to be ready: some senders never come again.
pub const START_WAIT_MAX: Duration = Duration::from_secs(4);
/// Bytes of bodies being read or written at a time, all requests together.
pub const BODIES_IN_FLIGHT_MAX: usize = 64 * 1024 * 1024;
/// They are counted in pieces of so many bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// Bounds the bodies in flight.
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        BodyRoom(Arc::new(Semaphore::new(BODIES_IN_FLIGHT_MAX / PIECE_BYTES)))
    }
}

impl BodyRoom {
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES).max(1)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(pieces).ok()
    }
}

/// Whether a path is an intake's: `/hooks/{provider}[/…]`.
pub fn is_hook(path: &str) -> bool {
    path.strip_prefix("/hooks/")
        .is_some_and(|rest| !rest.is_empty())
}

/// Answers a request of any method to such a path.
pub async fn hook(
    front: &Front,
    peer: Peer,
    id: &RequestId,
    request: hyper::Request<Incoming>,
) -> Response {
    match take(front, peer, id, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn take(
    front: &Front,
    peer: Peer,
    id: &RequestId,
    request: hyper::Request<Incoming>,
) -> Result<Response, Problem> {
    let app = front.app_soon(START_WAIT_MAX).await?;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let rest = path.strip_prefix("/hooks/").unwrap_or("");
    let (name, path_rest) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(found) = bots::find(app, name, path_rest) {
        return bots::take(app, front, peer, &found?, &parts, body).await;
    }
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "there is no provider at this address, or it is disabled",
        )
    };
    let source = match app.sources.find(name) {
        Ok(source) => source,
        Err(NoSource::Unknown | NoSource::Disabled) => return Err(unknown()),
        Err(NoSource::Secrets(error)) => {
            tracing::error!(provider.name = name, %error, "intake cannot verify its sender");
            let detail = "the secret of this provider cannot be opened, so nothing can be verified";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(60));
        }
    };
    let webhook = source.kind.webhook().ok_or_else(unknown)?;
    match parts.method {
        Method::POST | Method::PUT => {}
        Method::GET | Method::HEAD => {
            let words = format!(
                "This is the intake of a provider of kind {}. Senders POST to it.\n",
                source.spec.kind
            );
            return Ok(
                (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], words).into_response(),
            );
        }
        _ => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "an intake takes POST");
            let mut response = problem.into_response();
            response.headers_mut().insert(
                header::ALLOW,
                header::HeaderValue::from_static("POST, PUT, GET, HEAD"),
            );
            return Ok(response);
        }
    }
    let now = app.clock.monotonic();
    let client = address::client(&peer, &parts.headers, &front.options.trusted_proxies);
    if is_guessable(
        source
            .spec
            .verify
            .as_ref()
            .unwrap_or(&webhook.default_verify()),
    ) {
        app.sources
            .address_may_ask(client, now)
            .map_err(refused_too_often)?;
    }
    let encoded = parts
        .headers
        .get(header::CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok());
    if encoded.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let detail = "the body is compressed; send it as it is (content encoding identity)";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let most = source
        .spec
        .body_max
        .or(front.options.body_max)
        .unwrap_or(BODY_BYTES_DEFAULT)
        .min(BODY_BYTES_MAX);
    let (bytes, _room) = read_body(&app.bodies, &parts.headers, body, most as usize).await?;
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let raw = RawRequest {
        method: parts.method.as_str(),
        path_rest,
        query: parts.uri.query().unwrap_or(""),
        headers,
        body: &bytes,
    };
    Intake {
        app,
        source: &source,
        webhook,
        client,
        request_id: &id.0,
        dispatch: front.ids.bytes(),
    }
    .take(&raw)
    .await
}

async fn read_body(
    room: &BodyRoom,
    headers: &axum::http::HeaderMap,
    body: Incoming,
    most: usize,
) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than the {most} bytes this provider takes"),
        )
    };
    let full = || {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many bodies are being read at once",
        )
        .retry_after(5)
    };
    let announced: Option<usize> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    // A length that is not announced may be anything up to the most; what is not used is given back.
    let mut permit = room.take(announced.unwrap_or(most)).ok_or_else(full)?;
    let read = async {
        let mut body = body;
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            // Most bodies come in one piece, which is taken as it is.
            if bytes.is_empty() && body.is_end_stream() {
                return Ok(data);
            }
            bytes.reserve(announced.unwrap_or(0).saturating_sub(bytes.len()));
            bytes.extend_from_slice(&data);
        }
        Ok(Bytes::from(bytes))
    };
    let bytes = tokio::time::timeout(BODY_WAIT_MAX, read)
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the body did not arrive within {} s",
                    BODY_WAIT_MAX.as_secs()
                ),
            )
        })??;
    let needed = bytes.len().div_ceil(PIECE_BYTES).max(1);
    let surplus = permit.num_permits().saturating_sub(needed);
    drop(permit.split(surplus));
    Ok((bytes, permit))
}

/// Whether a secret could be found by trying. A signature cannot, so a sender that signs is never
/// made to wait for a stranger who shares its address, as everyone behind one proxy does.
fn is_guessable(verify: &Verify) -> bool {
    match verify {
        Verify::Bearer | Verify::Basic | Verify::Path => true,
        Verify::Signature | Verify::Hmac(_) | Verify::None => false,
    }
}

fn refused_too_often(wait: Duration) -> Problem {
    too_many(
        "too many requests from this address were not verified",
        wait,
    )
}

fn too_many(detail: &str, wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(wait.as_secs().max(1))
}

/// What a sender is told of what it sent.
#[derive(Serialize)]
struct Taken {
    /// Public ids.
    notices: Vec<String>,
    /// It came before, and nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

impl Taken {
    fn new(notices: Vec<String>) -> Self {
        Taken {
            notices,
            duplicate: false,
        }
    }
}

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        axum::Json(self).into_response()
    }
}

struct Intake<'a> {
    app: &'a App,
    source: &'a Source,
    webhook: &'a dyn Webhook,
    client: std::net::IpAddr,
    request_id: &'a str,
    /// The dispatch id, in bytes.
    dispatch: [u8; 16],
}

impl Intake<'_> {
    async fn take(&self, raw: &RawRequest<'_>) -> Result<Response, Problem> {
        let now = self.app.clock.now();
        let secrets = self.source.opened.sender_secrets();
        let keys = providers::Keys {
            secrets: &secrets,
            now_seconds: now.div_euclid(1_000_000),
        };
        let verified = match providers::verify(self.webhook, &self.source.spec, raw, &keys) {
            Ok(verified) => verified,
            Err(why) => {
                let at = self.app.clock.monotonic();
                let may_ask = self.app.sources.address_may_ask(self.client, at);
                self.app.sources.address_refused(self.client, at);
                let why = why.to_string();
                self.source.note(|heard| {
                    heard.refused += 1;
                    heard.last_refused_at = Some(now);
                    heard.last_refused_why = Some(why.clone());
                    heard.last_refused_from = Some(self.client);
                });
                tracing::info!(provider.name = self.source.spec.name, client.address = %self.client, why, "a request was not verified");
                may_ask.map_err(refused_too_often)?;
                return Err(Problem::new(StatusCode::UNAUTHORIZED, why));
            }
        };
        if let Err(wait) = self.source.admit(self.app.clock.monotonic()) {
            self.source.note(|heard| heard.rate_limited += 1);
            return Err(too_many("this provider sends more than its rate", wait));
        }
        self.source.note(|heard| {
            heard.verified += 1;
            heard.last_verified_at = Some(now);
        });
        let (readable, kept) = self.read(&verified);
        let (sender, read) =
            match readable.and_then(|readable| self.understand(&verified, &readable)) {
                Ok((sender, notices)) => (sender, Ok(notices)),
                Err(unreadable) => (self.webhook.sender_key(&verified), Err(unreadable)),
            };
        let keys = RequestKeys {
            sender: sender.map(|key| key_of(&[b"sender\0", key.as_bytes()])),
            body: self
                .webhook
                .same_bytes_same_delivery()
                .then(|| key_of(&[b"body\0", raw.body])),
        };
        if read.is_ok() && self.webhook.wakes() {
            self.app.pollers.nudge(self.source.id);
        }
        let command = match read {
            Ok(notices) if notices.is_empty() => {
                return Ok((StatusCode::ACCEPTED, Taken::new(Vec::new())).into_response());
            }
            Ok(notices) => {
                let hops = hops(raw);
                Command::Accept(Box::new(Accept {
                    provider: self.source.id,
                    notices,
                    keys,
                    hops,
                }))
            }
            Err(unreadable) => {
                self.source.note(|heard| heard.unreadable += 1);
                Command::Unreadable {
                    provider: self.source.id,
                    why: unreadable.to_string(),
                    keys,
                }
            }
        };
        self.commit(command, kept).await
    }

    /// The sender's key of the delivery, and what it says.
    fn understand(
        &self,
        verified: &Verified<'_>,
        readable: &Readable,
    ) -> Result<(Option<String>, Vec<NoticeDraft>), Unreadable> {
        let prepared = self.source.prepared.as_ref().map_err(Clone::clone)?;
        let notices = self
            .webhook
            .notices_prepared(prepared, &self.source.spec, readable)?;
        let mapped = self.webhook.mapped_key(prepared, readable)?;
        Ok((
            mapped.or_else(|| self.webhook.sender_key(verified)),
            notices,
        ))
    }

    /// The request as providers read it, and the bytes that are kept; neither holds a secret.
    fn read(&self, verified: &Verified<'_>) -> (Result<Readable, Unreadable>, Vec<u8>) {
        let raw = verified.request();
        let redactor = &self.source.opened.redactor;
        let media_type = raw.media_type();
        let query = redactor.redact_query(raw.query);
        let given: Vec<(&str, &str)> = raw
            .headers
            .iter()
            .filter_map(|(name, value)| Some((*name, std::str::from_utf8(value).ok()?)))
            .collect();
        let kept_headers = redactor.headers_kept(&given);
        let document = match self.webhook.document(verified) {
            Ok(document) => document,
            Err(unreadable) => {
                return (
                    Err(unreadable),
                    keep(raw, &kept_headers, &query, &redactor.redact_bytes(raw.body)),
                );
            }
        };
        let redacted = redactor.redact_document(&document, |bytes| {
            self.webhook.read(bytes, &media_type).ok()
        });
        let kept = keep(raw, &kept_headers, &query, &redacted.bytes);
        let Some(body) = redacted.value else {
            let unreadable = match self.webhook.read(&document, &media_type) {
                Err(unreadable) => unreadable,
                Ok(_) => Unreadable::NotJson("it could not be read without its secrets".into()),
            };
            return (Err(hide(unreadable, redactor)), kept);
        };
        // A mapping may look at any header but those that carry a credential; the other kinds read
        // only what is kept.
        let headers = if self.source.kind.notice_kinds().is_empty() {
            given
                .iter()
                .filter(|(name, _)| !is_credential_header(name))
                .map(|(name, value)| ((*name).to_owned(), redactor.redact_text(value).into_owned()))
                .collect()
        } else {
            kept_headers
        };
        let query = url::form_urlencoded::parse(query.as_bytes())
            .take(providers::QUERY_PAIRS_MAX)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        (
            Ok(Readable {
                headers,
                query,
                body,
            }),
            kept,
        )
    }

    async fn commit(&self, command: Command, kept: Vec<u8>) -> Result<Response, Problem> {
        let readable = matches!(command, Command::Accept(_));
        let beside = Beside {
            body: Some(kept),
            ..Beside::default()
        };
        let committed = self
            .app
            .ledger
            .submit(Priority::Intake, command, beside, self.dispatch)
            .await?;
        match committed.told {
            Told::Accepted {
                count: 0, first, ..
            } => {
                debug_assert!(!readable);
                tracing::warn!(
                    provider.name = self.source.spec.name,
                    dispatch.id = dispatch_id(&self.dispatch),
                    request.id = self.request_id,
                    position = first,
                    "a verified request could not be read; its body is kept"
                );
                let detail =
                    "the request was verified but not understood; its body is kept and shown";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
            }
            Told::Accepted { first, count, seed } => {
                let ids: Vec<String> = (0..u64::from(count))
                    .map(|nth| seed.id(first + nth, 0).to_string())
                    .collect();
                tracing::debug!(
                    provider.name = self.source.spec.name,
                    dispatch.id = dispatch_id(&self.dispatch),
                    request.id = self.request_id,
                    notice.id = ids[0],
                    "accepted"
                );
                Ok((StatusCode::ACCEPTED, Taken::new(ids)).into_response())
            }
            Told::Duplicate { first, count } => {
                self.source.note(|heard| heard.duplicates += 1);
                if count == 0 {
                    let detail =
                        "the request was verified but not understood, as when it came before";
                    return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
                }
                let ids = earlier_ids(self.app, first, count)?;
                let again = Taken {
                    duplicate: true,
                    ..Taken::new(ids)
                };
                Ok(again.into_response())
            }
            Told::Done | Told::Claimed { .. } | Told::Changed { .. } | Told::Snoozed { .. } => {
                Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "intake was told something else",
                ))
            }
        }
    }
}

fn earlier_ids(app: &App, first: u64, count: u16) -> Result<Vec<String>, Problem> {
    let founding = app
        .ledger
        .reader()
        .get(first)
        .map_err(|error| Problem::internal(&error))?;
    // The notices of one request stand one after another and share the seed of their ids.
    match founding.map(|recorded| recorded.payload) {
        Some(Event::Accepted(accepted)) => Ok((first..first + u64::from(count))
            .map(|position| accepted.seed.id(position, 0).to_string())
            .collect()),
        Some(_) | None => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the earlier request at position {first} cannot be read"),
        )),
    }
}

/// Headers that are never shown to a mapping, whatever they hold.
fn is_credential_header(name: &str) -> bool {
    matches!(name, "authorization" | "proxy-authorization" | "cookie")
        || name.contains("signature")
        || is_token_name(name)
}

/// An error about bytes may quote them.
fn hide(unreadable: Unreadable, redactor: &Redactor) -> Unreadable {
    match unreadable {
        Unreadable::NotJson(why) => Unreadable::NotJson(redactor.redact_text(&why).into_owned()),
        Unreadable::Field { field, why } => Unreadable::Field {
            field,
            why: redactor.redact_text(&why).into_owned(),
        },
        Unreadable::TooDeep(levels) => Unreadable::TooDeep(levels),
        Unreadable::TooManyValues(values) => Unreadable::TooManyValues(values),
    }
}

/// The line of JSON that stands before a kept body.
#[derive(Serialize)]
struct KeptHead<'a> {
    headers: &'a [(String, String)],
    method: &'a str,
    query: &'a str,
}

/// Room for that line, so that the bytes of most requests are not moved to get more.
const HEAD_BYTES_USUAL: usize = 1_024;

/// What is kept of a request: a line of JSON about it, then the redacted body.
fn keep(raw: &RawRequest<'_>, headers: &[(String, String)], query: &str, body: &[u8]) -> Vec<u8> {
    let head = KeptHead {
        headers,
        method: raw.method,
        query,
    };
    let mut bytes = Vec::with_capacity(body.len() + HEAD_BYTES_USUAL);
    // Texts only, which always become JSON, in memory, which takes everything.
    let _never = serde_json::to_writer(&mut bytes, &head);
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    notify_store::body::pack(&bytes)
}

fn key_of(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut key = [0u8; 16];
    key.copy_from_slice(&digest[..16]);
    u128::from_le_bytes(key)
}

/// How many bridges the request says it has passed through.
fn hops(raw: &RawRequest<'_>) -> u8 {
    raw.header_text("notify-bridge-hop")
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
