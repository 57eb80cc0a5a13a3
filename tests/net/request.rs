//! What a client said to a server of a test.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads one request: head and as much body as it announces.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return whole;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return whole,
            Ok(count) => text.extend_from_slice(&buffer[..count]),
        }
    }
}
