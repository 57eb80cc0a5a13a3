//! The listener: connections within bounds, one entrance, health before anything else.
//!
//! **Invariant:** the listener is up before the state is rebuilt. Until then `/api/health` answers,
//! `/api/ready` says how far it is, and everything else says 503.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;
use tracing::Instrument;

use super::clock::Clock;
use front::{Front, RequestId};

pub mod address;
pub mod api;
pub mod auth;
pub mod door;
pub mod encoding;
pub mod flash;
pub mod front;
pub mod hooks;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod session;
pub mod stream;

/// Connections at a time; further ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Time for a request's head to arrive.
pub const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Wait after a connection could not be accepted.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether the listener itself is bound to loopback.
    pub listener_is_loopback: bool,
}

/// Where every request comes in. It gives each its id, each answer the same, and each log line too.
///
/// Intake goes its own way from here: it is by far the most that is asked, and needs nothing of what
/// the router and its layers do for the API and the pages.
pub struct Entrance {
    pub front: Arc<Front>,
    /// Everything but intake.
    pub router: Router,
}

impl Entrance {
    async fn answer(&self, peer: Peer, mut request: hyper::Request<Incoming>) -> Response {
        let id = RequestId::of(request.headers(), &self.front.ids);
        let header = id.header();
        let span =
            tracing::debug_span!("request", request.id = id.0, http.method = %request.method());
        let mut response = if hooks::is_hook(request.uri().path()) {
            hooks::hook(&self.front, peer, &id, request)
                .instrument(span)
                .await
        } else {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(id);
            let request: Request = request.map(axum::body::Body::new);
            let answered = self.router.clone().call(request).instrument(span).await;
            answered.unwrap_or_else(|never| match never {})
        };
        if let Some(header) = header {
            response
                .headers_mut()
                .insert(front::REQUEST_ID.clone(), header);
        }
        response
    }
}

/// Serves until `stop` says so, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    entrance: Entrance,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let listener_is_loopback = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    let entrance = Arc::new(entrance);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.changed() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or a connection that is gone already: go on in a moment.
                tracing::warn!(%error, "a connection could not be accepted");
                clock.sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let peer = Peer {
            address,
            listener_is_loopback,
        };
        let (entrance, stop) = (Arc::clone(&entrance), stop.clone());
        connections.spawn(async move {
            connection(stream, peer, &entrance, stop).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    entrance: &Entrance,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and waited for.
    let _unsupported = stream.set_nodelay(true);
    let service = hyper::service::service_fn(|request| async move {
        Ok::<_, std::convert::Infallible>(entrance.answer(peer, request).await)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(peer = %peer.address, %error, "a connection ended early");
                }
                return;
            }
            _ = stop.changed(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}
