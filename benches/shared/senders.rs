//! Senders that go on as long as what they sent arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::client::{self, Connection};

const CONNECTIONS: u64 = 32;
/// Notices on their way at a time; senders that see nothing arrive wait.
const UNDER_WAY_MAX: usize = 1_024;

/// Posts so many notices to the providers in turn. Each that arrived has to be given back as a
/// permit; closing the semaphore ends the senders.
pub async fn start(bridge: SocketAddr, providers: u64, notices: u64) -> Arc<Semaphore> {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let next = Arc::new(AtomicU64::new(0));
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(bridge).await.expect("it is reached");
        let (places, next) = (Arc::clone(&places), Arc::clone(&next));
        tokio::spawn(async move {
            while let Ok(place) = places.acquire().await {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= notices {
                    break;
                }
                let provider = format!("forge-{}", number % providers);
                let request = client::request(&provider, number);
                let status = connection.ask(&request).await.expect("it answers");
                assert_eq!(status, 202);
                place.forget();
            }
        });
    }
    places
}
