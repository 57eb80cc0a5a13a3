//! The least that durable intake can be: verify, hand over, commit in groups, answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use redb::{Database, Durability, TableDefinition};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::{bridge, child, sign};

/// Bodies taken into one transaction.
const BATCH_MAX: usize = 1_024;
/// Bodies that wait for the writer.
const WAITING_MAX: usize = 4_096;

const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bodies");

type Waiting = (Bytes, oneshot::Sender<()>);

pub fn serve(data: &Path) {
    let database = Database::builder()
        .set_cache_size(bridge::CACHE_BYTES)
        .create(data.join("bare.redb"))
        .expect("a database");
    let (send, receive) = sync_channel(WAITING_MAX);
    std::thread::spawn(move || write(&database, &receive));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let router = Router::new()
            .route("/hooks/forge", post(take))
            .with_state(send);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .expect("a port is free");
        child::listening(listener.local_addr().expect("it has an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let end = tokio::task::spawn_blocking(child::wait_for_the_end);
        end.await.expect("the end is waited for");
    });
    // The writer waits for ever; the process ends without it.
    std::process::exit(0);
}

async fn take(
    State(writer): State<SyncSender<Waiting>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let signed = headers
        .get("x-hub-signature-256")
        .and_then(|value| value.to_str().ok()?.strip_prefix("sha256="))
        .and_then(|digits| hex::decode(digits).ok());
    let mut mac =
        Hmac::<Sha256>::new_from_slice(sign::SECRET.as_bytes()).expect("any length is a key");
    mac.update(&body);
    if signed.is_none_or(|signature| mac.verify_slice(&signature).is_err()) {
        return StatusCode::UNAUTHORIZED;
    }
    let (done, written) = oneshot::channel();
    if writer.try_send((body, done)).is_err() || written.await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::ACCEPTED
}

fn write(database: &Database, waiting: &Receiver<Waiting>) {
    let mut position = 0u64;
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(BATCH_MAX - 1));
        let mut transaction = database.begin_write().expect("a transaction");
        transaction
            .set_durability(Durability::Immediate)
            .expect("it is durable");
        {
            let mut bodies = transaction.open_table(BODIES).expect("a table");
            for (body, _) in &batch {
                position += 1;
                bodies
                    .insert(position, body.as_ref())
                    .expect("it is written");
            }
        }
        transaction.commit().expect("it is on disk");
        for (_, done) in batch {
            let _gone = done.send(());
        }
    }
}
