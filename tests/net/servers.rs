//! Small servers that say what a test wants.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

pub use super::request::request;

/// A server that hands every connection to a function of the test.
pub async fn serve<F, R>(each: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    address
}

/// A server that always says this and closes.
pub async fn serve_text(text: String) -> SocketAddr {
    serve(move |mut stream| {
        let text = text.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await
}

/// A port on which nothing listens.
pub async fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address")
}

/// A server that counts who comes and says nothing.
pub async fn serve_counted() -> (SocketAddr, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let address = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    (address, reached)
}

/// An answer after which the server hangs up. It says so: a client that believes the connection is
/// kept would send its next request into one that is closing.
pub fn ok(body: &str) -> String {
    answer("connection: close\r\n", body)
}

/// An answer after which the connection is kept.
pub fn ok_and_stay(body: &str) -> String {
    answer("", body)
}

fn answer(header: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{header}retry-after: 7\r\nset-cookie: id=1\r\n\r\n{body}",
        body.len()
    )
}
