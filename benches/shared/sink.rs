//! A webhook target that answers 200 and tells when each request arrived, by the number in it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::hook;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The number of a request that arrived, and when.
pub type Arrived = (u64, Instant);

/// Listens on a thread of its own, so that sending and receiving do not wait for each other.
pub fn start() -> io::Result<(SocketAddr, UnboundedReceiver<Arrived>)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (send, receive) = unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(accept(listener, send))
    });
    Ok((address, receive))
}

async fn accept(
    listener: std::net::TcpListener,
    arrived: UnboundedSender<Arrived>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, arrived.clone()));
    }
}

async fn serve(mut stream: TcpStream, arrived: UnboundedSender<Arrived>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8_192);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(length) = length(&buffer) {
            if buffer.len() < length {
                break;
            }
            let at = Instant::now();
            if let Some(number) = number(&buffer[..length]) {
                // The bench is over when nobody listens.
                let _gone = arrived.send((number, at));
            }
            buffer.drain(..length);
            stream.write_all(ANSWER).await?;
        }
    }
}

/// The length of the first request in the buffer, once its head is here.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = hook::find(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + body.unwrap_or(0))
}

/// The number in what arrived.
fn number(request: &[u8]) -> Option<u64> {
    let at = hook::find(request, hook::MARK)? + hook::MARK.len();
    let digits = std::str::from_utf8(request.get(at..at + hook::DIGITS)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}
