//! Calls of providers that are asked: bodies that are wanted whole and are large, or in pieces.
//!
//! Unlike other answers these bodies are not redacted, because they are read by machines: whoever
//! makes words of them hides secrets in those.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::sync::mpsc;

use super::{Client, Reply, answer, innermost, kept_headers, tidied};
use crate::providers::ask::{Body, HttpCall};
use crate::shell::redact::Redactor;

/// Longest time for a body that comes in pieces, in seconds.
pub const PIECES_SECONDS_MAX: u64 = 240;
/// Longest time for one that comes whole, in seconds.
pub const WHOLE_SECONDS_MAX: u64 = 60;

impl Client {
    /// Performs a call of a provider. Pieces go to `pieces` as they come, and wait while that is full.
    pub async fn fetch(
        &self,
        call: &HttpCall,
        allow_private: bool,
        redactor: &Redactor,
        pieces: &mpsc::Sender<(u32, Bytes)>,
    ) -> Reply {
        // The semaphore is never closed, so a permit always comes.
        let _permit = self.permits.acquire().await;
        let prepared = match self.prepare(&call.call, allow_private) {
            Ok(prepared) => prepared,
            Err(why) => return tidied(Reply::NotSent { why }, redactor),
        };
        let seconds_max = match call.body {
            Body::Whole { .. } => WHOLE_SECONDS_MAX,
            Body::Pieces { .. } => PIECES_SECONDS_MAX,
        };
        let late = |place: &str| format!("{place} gave no whole answer within {seconds_max} s");
        let wait = Duration::from_secs(seconds_max);
        let reply = self
            .exchange(prepared, allow_private, (wait, late), async |response| {
                Ok(match response.status() {
                    reqwest::StatusCode::OK => read(response, call, redactor, pieces).await,
                    _other => answer(response, redactor).await,
                })
            })
            .await
            .unwrap_or_else(|reply| reply);
        tidied(reply, redactor)
    }
}

async fn read(
    mut response: Response,
    call: &HttpCall,
    redactor: &Redactor,
    pieces: &mpsc::Sender<(u32, Bytes)>,
) -> Reply {
    let status = response.status().as_u16();
    let headers = kept_headers(&response, redactor);
    let bytes_max = match call.body {
        Body::Whole { bytes_max } => bytes_max as u64,
        Body::Pieces { bytes_max } => bytes_max,
    };
    let mut body = Vec::new();
    let mut count = 0u64;
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => {
                let why = innermost(&error.without_url());
                return Reply::NoAnswer {
                    why: format!("the answer, status {status}, broke off: {why}"),
                };
            }
        };
        count += chunk.len() as u64;
        if count > bytes_max {
            return Reply::NoAnswer {
                why: format!("the answer has more than {bytes_max} bytes"),
            };
        }
        match call.body {
            Body::Whole { .. } => body.extend_from_slice(&chunk),
            Body::Pieces { .. } => {
                if pieces.send((call.id, chunk)).await.is_err() {
                    return Reply::NoAnswer {
                        why: "nobody waits for the answer any more".into(),
                    };
                }
            }
        }
    }
    Reply::Answered {
        status,
        headers,
        body,
    }
}
