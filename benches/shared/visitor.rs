//! A browser that costs as little as it can: one connection, the cookie of a session, and the moment
//! at which the first byte of an answer came.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hook;

pub struct Visitor {
    stream: TcpStream,
    cookie: String,
}

pub struct Page {
    pub status: u16,
    pub first_byte: Duration,
    pub head: String,
    /// As it came, compressed or not.
    pub body: Vec<u8>,
}

impl Visitor {
    /// Opens a connection for the session with this secret.
    pub async fn open(address: SocketAddr, secret: &str) -> io::Result<Visitor> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Visitor {
            stream,
            cookie: format!("notify_bridge={secret}"),
        })
    }

    async fn ask(&mut self, path: &str) -> io::Result<()> {
        let cookie = &self.cookie;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\naccept-encoding: gzip\r\nsec-fetch-site: same-origin\r\ncookie: {cookie}\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await
    }

    /// Asks for a page and reads all of it.
    pub async fn get(&mut self, path: &str) -> io::Result<Page> {
        let asked = Instant::now();
        self.ask(path).await?;
        let mut first_byte = None;
        let mut bytes = Vec::with_capacity(64 * 1_024);
        loop {
            if self.stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let first_byte = *first_byte.get_or_insert_with(|| asked.elapsed());
            let Some(head_bytes) = hook::find(&bytes, b"\r\n\r\n").map(|at| at + 4) else {
                continue;
            };
            let head = String::from_utf8_lossy(&bytes[..head_bytes]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() >= head_bytes + length.unwrap_or(0) {
                return Ok(Page {
                    status: head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0),
                    first_byte,
                    head,
                    body: bytes.split_off(head_bytes),
                });
            }
        }
    }

    /// Opens a stream of events and reads until it has said this.
    pub async fn listen(&mut self, until: &[u8]) -> io::Result<()> {
        self.ask("/api/v1/stream").await?;
        self.hear(until).await
    }

    /// Reads on until this was said.
    pub async fn hear(&mut self, until: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(1_024);
        while hook::find(&bytes, until).is_none() {
            if self.stream.read_buf(&mut bytes).await? == 0 {
                let said = String::from_utf8_lossy(&bytes).into_owned();
                return Err(io::Error::other(said));
            }
        }
        Ok(())
    }
}
