//! The API below `/api/v1`: what every endpoint shares.
//!
//! **Invariant:** everything that goes wrong below `/api` is answered as `application/problem+json`,
//! what the framework refuses too, and no answer may be stored or guessed at.

mod access;
mod asking;
mod bots;
mod configuration;
mod deliveries;
mod entities;
mod messages;
mod notices;
mod numbers;
mod search;
mod snapshots;
mod snoozes;
mod storage;
mod trying;
mod upkeep;

pub(in crate::shell::http) use upkeep::start as start_compaction;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as RawBody, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, patch, post};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address;
use super::front::Front;
use super::metrics;
use super::problem::Problem;
use crate::domain::spec::EntityKind;
use crate::shell::views::{Cursor, PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX, ViewError};

/// Largest JSON body.
pub const JSON_BYTES_MAX: usize = 1024 * 1024;
/// Time for it to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Adds the API and the metrics to the program's routes.
pub fn routes(router: Router<Arc<Front>>) -> Router<Arc<Front>> {
    let api = Router::new()
        .route("/me", get(access::me))
        .route("/notices", get(notices::list))
        .route("/notices/{id}", get(notices::one))
        .route("/notices/{id}/resend", post(notices::resend))
        .route("/notices/{id}/ack", post(snoozes::acknowledge))
        .route("/notices/{id}/why-not", get(notices::why_not))
        .route("/notices/{id}/body", get(notices::body))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/bulk", post(deliveries::bulk))
        .route("/deliveries/{id}", get(deliveries::one))
        .route("/deliveries/{id}/retry", post(deliveries::retry))
        .route("/deliveries/{id}/drop", post(deliveries::abandon))
        .route("/deliveries/{id}/confirm", post(deliveries::confirm))
        .route("/deliveries/{id}/release", post(deliveries::release))
        .route("/deliveries/{id}/move", post(deliveries::put_off))
        .route("/held", get(deliveries::held))
        .route("/parked", get(deliveries::parked))
        .route("/snapshots", get(snapshots::list).post(snapshots::create))
        .route("/snoozes", get(snoozes::list).post(snoozes::create))
        .route("/snoozes/{id}", delete(snoozes::end))
        .route("/counts", get(numbers::counts))
        .route("/stream", get(super::stream::stream))
        .route("/log", get(numbers::log))
        .route("/search", get(search::find))
        .route("/search/facets", get(search::facets))
        .route("/notify", post(messages::notify))
        .route("/apply", post(configuration::apply))
        .route("/export", get(configuration::export))
        .route("/compact", get(upkeep::show).post(upkeep::compact))
        .route("/pause", post(messages::pause))
        .route("/resume", post(messages::resume))
        .route("/backups", get(storage::backups).post(storage::make_backup))
        .route("/verify", get(storage::verification).post(storage::verify))
        .route("/key/rotate", post(storage::rotate))
        .route("/users", get(access::users).post(access::create_user))
        .route(
            "/users/{name}",
            patch(access::change_user).delete(access::remove_user),
        )
        .route("/tokens", get(access::tokens).post(access::create_token))
        .route("/tokens/{name}", delete(access::revoke_token))
        .route("/providers/{name}/setup", get(trying::setup))
        .route("/providers/{name}/requests", get(trying::requests))
        .route("/providers/{name}/collections", get(asking::collections))
        .route("/providers/{name}/test", post(trying::test_provider))
        .route("/targets/{name}/test", post(trying::test_target))
        .route("/bots/{name}/chats", get(bots::chats))
        .route("/bots/{name}/discover", post(bots::discover))
        .route("/bots/{name}/test", post(bots::test));
    let api = [
        ("providers", EntityKind::Provider),
        ("targets", EntityKind::Target),
        ("trackers", EntityKind::Tracker),
        ("templates", EntityKind::Template),
        ("bots", EntityKind::Bot),
    ]
    .into_iter()
    .fold(api, |api, (path, kind)| {
        let list = move |may, query, base| entities::list(kind, may, query, base);
        let one = move |may, name, base| entities::one(kind, may, name, base);
        api.route(&format!("/{path}"), get(list))
            .route(&format!("/{path}/{{name}}"), get(one))
    });
    let api = api
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(guarded));
    let metrics = Router::new()
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(guarded));
    let unknown_api = Router::new()
        .route("/api", any(unknown))
        .route("/api/{*rest}", any(unknown))
        .layer(from_fn(guarded));
    router
        .method_not_allowed_fallback(wrong_method)
        .nest("/api/v1", api)
        .merge(metrics)
        .merge(unknown_api)
}

async fn unknown(method: Method, uri: Uri) -> Problem {
    // The path is the asker's own; it is shown within a bound.
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no {method} {path} in this API"),
    )
}

async fn wrong_method(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not what this path takes; the header Allow says what is"),
    )
}

/// What every answer of the API carries.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        let detail = error.to_string();
        match error {
            ViewError::Invalid { field, message } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).field(field, message)
            }
            ViewError::NotFound { .. } => Problem::new(StatusCode::NOT_FOUND, detail),
            ViewError::Compacted { .. } => Problem::new(StatusCode::GONE, detail),
            ViewError::Read(error) => Problem::internal(&error),
        }
    }
}

/// A field of the input that cannot be taken.
fn invalid(field: &str, message: impl Into<String>) -> Problem {
    let message = message.into();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("{field}: {message}"),
    )
    .field(field, message)
}

/// Runs what reads a lot away from the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// A JSON body whose fields are all known.
struct Json<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Front>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Front>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_media_type(&parts.headers)?;
        parse(&read(body).await?).map(Json)
    }
}

/// A JSON body that may be left out.
struct MaybeJson<T>(T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Front>> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Front>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(MaybeJson(T::default()));
        }
        check_media_type(&parts.headers)?;
        parse(&bytes).map(MaybeJson)
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let media = given.split(';').next().unwrap_or("").trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send the body as JSON, with the header `Content-Type: application/json`",
    ))
}

async fn read(body: RawBody) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, JSON_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_WAIT_MAX, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {JSON_BYTES_MAX} bytes"),
        )),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} s",
                BODY_WAIT_MAX.as_secs()
            ),
        )),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => refused_field(&path, &error.to_string()),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body is not JSON: {error}"),
            ),
        }
    })?;
    reader.end().map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body is not one JSON value: {error}"),
        )
    })?;
    Ok(value)
}

/// Names the field; for one that is not known, the nearest that is.
fn refused_field(path: &str, message: &str) -> Problem {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field")
        && let Some((unknown, known)) = quoted.split_first()
    {
        let nearest = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(unknown, name), *name))
            .filter(|(distance, _)| *distance <= 3)
            .min();
        let message = match nearest {
            Some((_, name)) => format!("is not known here; did you mean {name}?"),
            None => format!("is not known here; known are {}", known.join(", ")),
        };
        // The path ends in the unknown field itself.
        let field = if path.is_empty() || path == "." {
            unknown
        } else {
            path
        };
        return invalid(field, message);
    }
    let field = match (path, quoted.as_slice()) {
        ("" | ".", [missing, ..]) if message.starts_with("missing field") => *missing,
        ("" | ".", _) => "body",
        (path, _) => path,
    };
    // serde_json adds the place in the text, which the field says better.
    let message = message.split(" at line ").next().unwrap_or(message);
    invalid(field, message)
}

/// The query of a request, all of whose names are known. `space` is looked at elsewhere.
struct Params<T>(T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Front>> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Front>) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or("");
        let mut rest = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if name != "space" {
                rest.append_pair(&name, &value);
            }
        }
        let uri: Uri = format!("/?{}", rest.finish())
            .parse()
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the query cannot be read"))?;
        Query::<T>::try_from_uri(&uri)
            .map(|Query(params)| Params(params))
            .map_err(|rejection| {
                let text = rejection.body_text();
                let message = text
                    .rsplit_once("query string: ")
                    .map_or(&*text, |(_, m)| m);
                let (path, message) = match message.split_once(": ") {
                    Some((path, message)) if !path.contains(' ') => (path, message),
                    Some(_) | None => ("", message),
                };
                refused_field(path, message)
            })
    }
}

/// A name or id in the path.
struct Name(String);

impl FromRequestParts<Arc<Front>> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Problem> {
        Path::<String>::from_request_parts(parts, front)
            .await
            .map(|Path(name)| Name(name))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))
    }
}

/// The address the program is reached at, for what is set up on a sender's side.
struct Base(String);

impl FromRequestParts<Arc<Front>> for Base {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Arc<Front>) -> Result<Self, Problem> {
        let configured = front.options.public_url.clone().or_else(|| {
            let app = front.app().ok()?;
            app.ledger.state().configuration.settings.public_url.clone()
        });
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .or_else(|| address::host(&parts.headers, &parts.uri))
            .unwrap_or("localhost");
        Ok(Base(configured.unwrap_or_else(|| format!("http://{host}"))))
    }
}

/// How much of a list, and from where.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParams {
    limit: Option<String>,
    cursor: Option<String>,
}

/// A page's size and start, checked.
fn page_of(limit: Option<&str>, cursor: Option<&str>) -> Result<(usize, Option<Cursor>), Problem> {
    let limit = match limit {
        None => PAGE_ENTRIES_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE_ENTRIES_MAX).contains(limit))
            .ok_or_else(|| invalid("limit", format!("is a number from 1 to {PAGE_ENTRIES_MAX}")))?,
    };
    let cursor = cursor
        .map(str::parse::<Cursor>)
        .transpose()
        .map_err(|error| invalid("cursor", error.to_string()))?;
    Ok((limit, cursor))
}

/// A moment in a query: RFC 3339, or a span back from now such as `7d`.
fn moment_of(field: &str, text: &str, now: i64) -> Result<i64, Problem> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_microsecond());
    }
    crate::config::quantity::duration_ms(text)
        .ok()
        .and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000))
        .map(|micros| now.saturating_sub(micros))
        .ok_or_else(|| {
            invalid(
                field,
                "is a time as 2026-01-31T12:00:00Z, or a span back from now as 7d",
            )
        })
}

fn json(value: serde_json::Value) -> Response {
    axum::Json(value).into_response()
}

fn accepted(value: serde_json::Value) -> Response {
    (StatusCode::ACCEPTED, axum::Json(value)).into_response()
}
