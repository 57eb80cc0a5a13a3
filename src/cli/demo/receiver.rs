//! A receiver on this machine that fails twice and then recovers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cli::failure::Failure;

/// How often it fails before it recovers.
const FAILURES: u32 = 2;

/// Runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Result<Receiver, Failure> {
        let cannot =
            |error: std::io::Error| Failure::caused("the demo's own receiver cannot listen", error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let router = Router::new()
            .route("/pager", post(take))
            .with_state(Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's own receiver ended");
            }
        });
        Ok(Receiver { address, task })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(calls): State<Arc<AtomicU32>>, _: Bytes) -> (StatusCode, &'static str) {
    if calls.fetch_add(1, Ordering::Relaxed) < FAILURES {
        (StatusCode::INTERNAL_SERVER_ERROR, "the pager is rebooting")
    } else {
        (StatusCode::OK, "paged")
    }
}
