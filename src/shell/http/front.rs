//! What handlers get: the program once it is ready, and how far it is until then.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::door::Door;
use super::problem::Problem;
use super::{Peer, address};
use crate::shell::app::App;
use crate::shell::entropy::Ids;
use crate::shell::options::HttpOptions;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::watch;

/// Longest request id that is taken over.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// How far the start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Opening,
    Repairing,
    Compacting,
    Rebuilding,
    Ready,
    Stopping,
}

impl Phase {
    const ALL: [Phase; 6] = [
        Phase::Opening,
        Phase::Repairing,
        Phase::Compacting,
        Phase::Rebuilding,
        Phase::Ready,
        Phase::Stopping,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Opening => "opening",
            Phase::Repairing => "repairing",
            Phase::Compacting => "compacting",
            Phase::Rebuilding => "rebuilding",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
        }
    }
}

/// Shared by the listener and the start.
pub struct Front {
    pub options: HttpOptions,
    pub door: Door,
    pub ids: Ids,
    app: OnceLock<Arc<App>>,
    /// Says so when the app is there.
    opened: watch::Sender<bool>,
    phase: AtomicU64,
    done: AtomicU64,
    of: AtomicU64,
}

impl Front {
    pub fn new(options: HttpOptions) -> Arc<Self> {
        Arc::new(Front {
            options,
            door: Door::default(),
            ids: Ids::default(),
            app: OnceLock::new(),
            opened: watch::Sender::new(false),
            phase: AtomicU64::new(0),
            done: AtomicU64::new(0),
            of: AtomicU64::new(0),
        })
    }

    pub fn progress(&self, phase: Phase, done: u64, of: u64) {
        let number = Phase::ALL
            .iter()
            .position(|known| *known == phase)
            .unwrap_or(0) as u64;
        self.done.store(done, Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
        self.phase.store(number, Ordering::Release);
    }

    /// Opens everything else. Called once, when the state is rebuilt.
    pub fn ready(&self, app: Arc<App>) {
        if self.app.set(app).is_err() {
            tracing::error!("the program became ready twice");
        }
        self.progress(Phase::Ready, 0, 0);
        self.opened.send_replace(true);
    }

    /// As [`Front::app`], for who would rather wait a moment while the state is rebuilt.
    pub async fn app_soon(&self, most: Duration) -> Result<&Arc<App>, Problem> {
        if let Ok(app) = self.app() {
            return Ok(app);
        }
        let mut opened = self.opened.subscribe();
        if self.phase() != Phase::Stopping {
            // Too late or in time, what there is to say is said below.
            let _late = tokio::time::timeout(most, opened.wait_for(|open| *open)).await;
        }
        self.app()
    }

    pub fn phase(&self) -> Phase {
        Phase::ALL[(self.phase.load(Ordering::Acquire) as usize).min(Phase::ALL.len() - 1)]
    }

    /// The phase, how much of it is done, and of how much.
    pub fn progress_now(&self) -> (Phase, u64, u64) {
        (
            self.phase(),
            self.done.load(Ordering::Relaxed),
            self.of.load(Ordering::Relaxed),
        )
    }

    pub fn app(&self) -> Result<&Arc<App>, Problem> {
        if self.phase() == Phase::Stopping {
            return Err(
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the program is stopping")
                    .retry_after(10),
            );
        }
        self.app.get().ok_or_else(|| {
            let detail = format!("the program is {}; ask /api/ready", self.phase().as_str());
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(2)
        })
    }
}

/// The running program, or 503.
pub struct Running(pub Arc<App>);

impl FromRequestParts<Arc<Front>> for Running {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, front: &Arc<Front>) -> Result<Self, Problem> {
        front.app().map(|app| Running(Arc::clone(app)))
    }
}

/// The peer of a request; set by the listener.
impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Peer>().copied().ok_or_else(|| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the request came over no connection",
            )
        })
    }
}

/// The id under which a request is found in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestId {
    /// What the sender calls it, if that can be taken over, or a new one.
    pub fn of(headers: &HeaderMap, ids: &Ids) -> RequestId {
        let taken = headers
            .get(&REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| {
                (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
                    && id.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
                    })
            });
        RequestId(taken.map_or_else(|| hex::encode(ids.bytes::<8>()), str::to_owned))
    }

    /// As an answer carries it.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// Refuses a host that is not ours, so that a name an attacker points at us opens nothing.
pub async fn known_host(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = path == "/api/health"
        || path == "/api/ready"
        || path == "/hooks"
        || path.starts_with("/hooks/");
    if open {
        return next.run(request).await;
    }
    let host = address::host(request.headers(), request.uri())
        .unwrap_or("")
        .to_owned();
    let mut ours = front.options.hosts.clone();
    ours.extend(front.options.public_host());
    if let Ok(app) = front.app() {
        ours.extend(app.public_host());
    }
    if address::is_known_host(&host, &ours) {
        return next.run(request).await;
    }
    let shown: String = host
        .chars()
        .take(100)
        .filter(|c| c.is_ascii_graphic())
        .collect();
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!("the host {shown:?} is not one of this program's; if it should be, start it with --host {shown} or set --public-url"),
    )
    .into_response()
}

pub async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

pub async fn ready(State(front): State<Arc<Front>>) -> Response {
    match (front.phase(), front.app()) {
        (Phase::Ready, Ok(app)) => axum::Json(json!({
            "ready": true,
            "position": app.ledger.state().position,
            "paused": app.ledger.state().outbox.paused,
            "disk_low": app.ledger.is_disk_low(),
        }))
        .into_response(),
        (phase, _) => {
            let body = json!({
                "ready": false,
                "phase": phase.as_str(),
                "done": front.done.load(Ordering::Relaxed),
                "of": front.of.load(Ordering::Relaxed),
            });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
}
