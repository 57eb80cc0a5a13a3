//! A conversation of lines over TCP, within bounds.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::providers::ask::{Exchange, Until};
use crate::shell::client::{Client, Duplex};
use crate::shell::clock::Clock;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 8 * 1_024;
/// Most lines of one answer.
const LINES_MAX: usize = 10_000;
/// Longest time for one answer, in seconds.
const ANSWER_SECONDS_MAX: u64 = 10;
/// Bytes read at once.
const READ_BYTES: usize = 4 * 1_024;

/// One connection to a look.
pub struct Conversation<'a> {
    pub client: &'a Client,
    pub clock: &'a Arc<dyn Clock>,
    pub allow_private: bool,
    pub connection: Option<Connection>,
}

pub struct Connection {
    stream: Box<dyn Duplex>,
    /// Read and not yet taken.
    read: Vec<u8>,
}

impl Conversation<'_> {
    pub async fn take(&mut self, exchange: Exchange) -> Result<Vec<String>, String> {
        match exchange {
            Exchange::Connect { host, port } => {
                let stream = self.client.connect(&host, port, self.allow_private).await?;
                let read = Vec::new();
                self.connection = Some(Connection { stream, read });
                Ok(Vec::new())
            }
            Exchange::StartTls { host } => {
                let Connection { stream, read } = self.connection.take().ok_or_else(none)?;
                // What was said before the encryption may be of anybody.
                if !read.is_empty() {
                    return Err("something was said after STARTTLS and before TLS".into());
                }
                let stream = self.client.encrypt(stream, &host).await?;
                self.connection = Some(Connection { stream, read });
                Ok(Vec::new())
            }
            Exchange::Say { line, until } => {
                let connection = self.connection.as_mut().ok_or_else(none)?;
                let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
                let said = tokio::select! {
                    biased;
                    said = connection.say(&line, &until) => said,
                    () = self.clock.sleep(limit) => {
                        Err(format!("no whole answer within {ANSWER_SECONDS_MAX} s"))
                    }
                };
                if said.is_err() {
                    // What comes late would be taken for the next answer.
                    self.connection = None;
                }
                said
            }
        }
    }
}

fn none() -> String {
    "there is no connection".into()
}

impl Connection {
    async fn say(&mut self, line: &str, until: &Until) -> Result<Vec<String>, String> {
        if line.contains(['\r', '\n']) {
            return Err("a line break inside of a line was not sent".into());
        }
        let bytes = zeroize::Zeroizing::new(format!("{line}\n"));
        let sent = self.stream.write_all(bytes.as_bytes()).await;
        sent.map_err(|error| format!("the connection broke: {error}"))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| format!("the connection broke: {error}"))?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let ends = match until {
                Until::Line => true,
                Until::Prefix(prefixes) => prefixes
                    .iter()
                    .any(|prefix| line.starts_with(prefix.as_str())),
            };
            lines.push(line);
            if ends {
                return Ok(lines);
            }
            if lines.len() >= LINES_MAX {
                return Err(format!("the answer has more than {LINES_MAX} lines"));
            }
        }
    }

    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read) {
                let rest = self.read.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.read.len() > LINE_BYTES_MAX {
                return Err(format!("a line has more than {LINE_BYTES_MAX} bytes"));
            }
            let mut buffer = [0u8; READ_BYTES];
            match self.stream.read(&mut buffer).await {
                Ok(0) => return Err("the connection was closed before the answer's end".into()),
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(format!("the connection broke: {error}")),
            }
        }
    }
}
