//! What stands before the pages: their files, the headers of every page, setup, login and logout.
//!
//! **Invariant:** every answer in HTML carries the content security policy and is kept nowhere,
//! whoever made it; every problem of a page is told as a page to who reads HTML.

mod login;
mod setup;
mod throttle;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequest as _, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use notify_web::pages::problem::{self as problem_page, ProblemView, Progress};
use notify_web::{Frame, Markup, assets};
use serde::de::DeserializeOwned;

use super::Peer;
use super::address;
use super::encoding;
use super::front::{Front, Phase, RequestId};
use super::problem::Problem;
use super::session;
use super::stream::Streams;
use crate::domain::command::Command;
use crate::shell::app::App;
use crate::shell::ledger::Priority;

pub use setup::SetupLink;
pub use throttle::Throttle;

/// Largest form before the login.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Time for it to arrive.
const FORM_WAIT_MAX: Duration = Duration::from_secs(10);

/// What one process remembers at its door, in memory only.
#[derive(Default)]
pub struct Door {
    pub setup: SetupLink,
    pub throttle: Throttle,
    pub streams: Arc<Streams>,
}

/// Adds what stands before the pages. What is unknown is not found.
pub fn routes(router: Router<Arc<Front>>) -> Router<Arc<Front>> {
    router
        .route(&format!("{}{{file}}", assets::PREFIX), get(asset))
        .route("/setup", get(setup::show).post(setup::create))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .fallback(unknown)
}

async fn asset(headers: HeaderMap, Path(file): Path<String>) -> Result<Response, Problem> {
    let asset = assets::find(&file)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such file"))?;
    let kept = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, assets::CACHE_CONTROL),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((kept, encoding::asset(&headers, asset)).into_response())
}

async fn unknown(method: Method, uri: Uri) -> Problem {
    // The path is the asker's own; it is shown within a bound.
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no {method} {path}"),
    )
}

/// Whether a path is one of the pages, and not of a program that talks to this one.
fn is_page(path: &str) -> bool {
    let begins = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !(begins("/api") || begins("/hooks") || begins("/metrics") || path.starts_with(assets::PREFIX))
}

/// Whether the client said that it reads HTML; a program that takes anything did not.
fn reads_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// Lets the demo in, and says how to set up while nobody could log in.
pub async fn welcome(
    State(front): State<Arc<Front>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let Ok(app) = front.app().map(Arc::clone) else {
        return next.run(request).await;
    };
    if !is_page(path) || !is_read {
        return next.run(request).await;
    }
    let entrance = path == "/" || path == "/login";
    let has_admin = app.ledger.state().access.has_admin();
    if entrance && !has_admin {
        return not_set_up().into_response();
    }
    match let_in(&front, &app, &mut request).await {
        Ok(cookie) => with_cookie(next.run(request).await, cookie),
        Err(problem) => problem.into_response(),
    }
}

fn not_set_up() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "nobody can log in yet: open the setup link that `serve` printed at its start, or start it with --admin NAME --admin-password-file FILE",
    )
}

/// On this very machine the demo logs in by itself: the session begins with the first page.
async fn let_in(
    front: &Front,
    app: &App,
    request: &mut Request,
) -> Result<Option<HeaderValue>, Problem> {
    let Some(name) = &front.options.auto_login else {
        return Ok(None);
    };
    let is_here = request
        .extensions()
        .get::<Peer>()
        .is_some_and(|peer| address::is_on_loopback(peer, request.headers(), request.uri()));
    if !is_here
        || session::visitor(front, app, request.headers()).is_some()
        || app.ledger.state().access.user(name).is_none()
    {
        return Ok(None);
    }
    let cookie = begin(front, app, name).await?;
    let pair = cookie
        .as_ref()
        .and_then(|cookie| cookie.to_str().ok()?.split(';').next())
        .and_then(|pair| HeaderValue::from_str(pair).ok());
    if let Some(pair) = pair {
        // This request is the session's first already. What its cookie said before is over.
        request.headers_mut().insert(header::COOKIE, pair);
    }
    Ok(cookie)
}

/// Begins a session, always with a new secret, and gives its cookie.
async fn begin(front: &Front, app: &App, user: &str) -> Result<Option<HeaderValue>, Problem> {
    let (secret, hash) = session::new_secret();
    let command = Command::BeginSession {
        user: user.to_owned(),
        hash,
    };
    app.ledger.command(Priority::People, command).await?;
    Ok(session::session_cookie(
        &secret,
        session::is_https(front, app),
    ))
}

/// The name of a cookie beside the session's.
fn small_cookie(what: &str, is_https: bool) -> String {
    format!("{}_{what}", session::cookie_name(is_https))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What a page before the login is told.
fn door_frame(csrf: String) -> Frame {
    Frame {
        csrf,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Frame::default()
    }
}

fn html(status: StatusCode, page: &Markup) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, headers, page.0.clone()).into_response()
}

/// Proof that a form was sent by one of our own pages.
struct CameFromUs;

impl<S: Send + Sync> FromRequestParts<S> for CameFromUs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if session::is_same_origin(&parts.headers) {
            return Ok(CameFromUs);
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the form was sent by another site",
        ))
    }
}

/// The fields of a form.
async fn form_of<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, FORM_BYTES_MAX);
    let bytes = tokio::time::timeout(FORM_WAIT_MAX, read)
        .await
        .map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the form did not arrive in time",
            )
        })?
        .map_err(|_| {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the form is too large, or broke off",
            )
        })?;
    let request = Request::from_parts(parts, axum::body::Body::from(bytes));
    axum::Form::<T>::from_request(request, &())
        .await
        .map(|form| form.0)
        .map_err(|error| Problem::new(error.status(), error.body_text()))
}

static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Tells problems of pages as pages, and gives every page its headers. Outermost of all, so that
/// no answer gets by.
pub async fn paged(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !is_page(path) {
        return next.run(request).await;
    }
    let asked = reads_html(request.headers()).then(|| request.headers().clone());
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    if let Some(headers) = asked
        && let Some(problem) = response.extensions_mut().remove::<Problem>()
    {
        response = problem_as_page(&front, &headers, id, &problem, response);
    }
    let headers = response.headers_mut();
    let mut set = |name: &HeaderName, value: &'static str| {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    };
    set(&header::CACHE_CONTROL, "no-store");
    set(&header::REFERRER_POLICY, "same-origin");
    set(&header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        &header::CONTENT_SECURITY_POLICY,
        assets::CONTENT_SECURITY_POLICY,
    );
    set(&header::X_FRAME_OPTIONS, "DENY");
    set(&OPENER_POLICY, "same-origin");
    response
}

fn problem_as_page(
    front: &Front,
    headers: &HeaderMap,
    id: Option<RequestId>,
    problem: &Problem,
    told: Response,
) -> Response {
    let visitor = front
        .app()
        .ok()
        .and_then(|app| session::visitor(front, app, headers));
    let frame = match visitor {
        Some(visitor) => Frame {
            can_operate: visitor.can_operate(),
            user: Some(visitor.user.name),
            ..door_frame(visitor.csrf)
        },
        None => door_frame(String::new()),
    };
    let (phase, done, of) = front.progress_now();
    let progress = match phase {
        Phase::Opening | Phase::Repairing | Phase::Compacting | Phase::Rebuilding => {
            Some(Progress {
                phase: phase.as_str().to_owned(),
                done,
                of,
            })
        }
        Phase::Ready | Phase::Stopping => None,
    };
    let lines = problem.errors.iter().map(|(field, message)| {
        let field = field.as_str();
        format!("{field}: {message}")
    });
    let view = ProblemView {
        status: problem.status.as_u16(),
        title: problem.title.clone(),
        detail: sentence(&problem.detail),
        advice: lines.collect(),
        progress,
        request_id: id.map(|RequestId(id)| id).unwrap_or_default(),
    };
    let mut page = html(problem.status, &problem_page::page_of(&frame, &view));
    // What was said beside the text is kept: waits and cookies.
    for (name, value) in told.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            page.headers_mut().append(name.clone(), value.clone());
        }
    }
    page
}

/// A detail as a sentence of a page.
fn sentence(detail: &str) -> String {
    let mut rest = detail.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).chain(['.']).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_what_programs_ask_for() {
        for (path, expected) in [
            ("/", true),
            ("/login", true),
            ("/apiary", true),
            ("/hooks-and-eyes", true),
            ("/api", false),
            ("/api/v1/notices", false),
            ("/hooks/forge", false),
            ("/metrics", false),
            ("/assets/style.css", false),
        ] {
            assert_eq!(is_page(path), expected, "{path}");
        }
    }

    #[test]
    fn details_become_sentences() {
        assert_eq!(sentence("there is none"), "There is none.");
        assert_eq!(sentence(""), "");
    }
}
