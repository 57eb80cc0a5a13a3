//! Many connections that each ask again as soon as they are answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::client::Connection;

/// What a run of many connections gave.
pub struct Run {
    pub per_second: f64,
    pub answered: Vec<Duration>,
    /// Answers other than 202.
    pub refused: u64,
}

/// Sends requests over so many connections, each the next one as soon as the last is answered,
/// until they are used up or the time is over.
pub async fn flood(
    address: SocketAddr,
    connections: usize,
    requests: Vec<Vec<u8>>,
    time: Duration,
) -> io::Result<Run> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address).await?);
    }
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut connection in opened {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.spawn(async move {
            let (mut answered, mut refused) = (Vec::new(), 0);
            while start.elapsed() < time {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else {
                    break;
                };
                let asked = Instant::now();
                match connection.ask(request).await {
                    Ok(202) => answered.push(asked.elapsed()),
                    Ok(_) | Err(_) => refused += 1,
                }
            }
            (answered, refused)
        });
    }
    let (mut answered, mut refused) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (times, others) = done.map_err(io::Error::other)?;
        answered.extend(times);
        refused += others;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Run {
        per_second: answered.len() as f64 / seconds,
        answered,
        refused,
    })
}
