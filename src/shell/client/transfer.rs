//! Files through the client: downloads into a file, uploads as forms. Neither is ever whole in memory.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Response;
use reqwest::multipart::{Form, Part};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Client, Prepared, Took, answer, innermost, tidied};
use crate::shell::redact::Redactor;
use crate::targets::media::{Field, HEAD_BYTES, Upload};
use crate::targets::{Call, Reply};

/// Longest time for a transfer of no bytes, in seconds; every [`SLOW_BYTES`] more are given one more.
pub const TRANSFER_SECONDS_MIN: u64 = 30;
/// Bytes a second that a transfer has to reach.
pub const SLOW_BYTES: u64 = 64 * 1_024;
/// Bytes of a file that are in memory at a time, for each transfer.
pub const CHUNK_BYTES: usize = 64 * 1_024;
/// Transfers under way at a time, beside other calls; more wait.
pub const TRANSFERS_MAX: usize = 8;

/// A file that was fetched.
#[derive(Debug)]
pub struct Downloaded {
    pub bytes: u64,
    /// Its first bytes, at most [`HEAD_BYTES`].
    pub head: Vec<u8>,
}

/// Why a file was not fetched.
#[derive(Debug)]
pub enum NotDownloaded {
    /// There was no answer, or one that is no file.
    Reply(Reply),
    TooLarge,
    /// It could not be written here.
    Disk(std::io::Error),
}

fn patience(bytes: u64) -> Duration {
    Duration::from_secs(TRANSFER_SECONDS_MIN + bytes / SLOW_BYTES)
}

impl Client {
    /// Performs a call and writes what it answers into a file, at most so many bytes.
    pub async fn download(
        &self,
        call: &Call,
        allow_private: bool,
        redactor: &Redactor,
        file: &mut tokio::fs::File,
        bytes_max: u64,
    ) -> Result<Downloaded, NotDownloaded> {
        let _permit = self.transfers.acquire().await;
        let prepared = self
            .prepare(call, allow_private)
            .map_err(|why| NotDownloaded::Reply(tidied(Reply::NotSent { why }, redactor)))?;
        let late = |place: &str| format!("{place} did not give the whole file in time");
        let wait = patience(bytes_max);
        let read = async |mut response: Response| {
            if !response.status().is_success() {
                return Err(answer(response, redactor).await);
            }
            if response
                .content_length()
                .is_some_and(|bytes| bytes > bytes_max)
            {
                return Ok(Err(NotDownloaded::TooLarge));
            }
            let mut bytes = 0u64;
            let mut head = Vec::new();
            loop {
                let chunk = match response.chunk().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(error) => {
                        let why = innermost(&error.without_url());
                        return Err(Reply::NoAnswer {
                            why: format!("the file broke off after {bytes} bytes: {why}"),
                        });
                    }
                };
                bytes += chunk.len() as u64;
                if bytes > bytes_max {
                    return Ok(Err(NotDownloaded::TooLarge));
                }
                let room = HEAD_BYTES - head.len();
                head.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if let Err(error) = file.write_all(&chunk).await {
                    return Ok(Err(NotDownloaded::Disk(error)));
                }
            }
            Ok(match file.flush().await {
                Ok(()) => Ok(Downloaded { bytes, head }),
                Err(error) => Err(NotDownloaded::Disk(error)),
            })
        };
        match self
            .exchange(prepared, allow_private, (wait, late), read)
            .await
        {
            Ok(ended) => ended,
            Err(reply) => Err(NotDownloaded::Reply(tidied(reply, redactor))),
        }
    }

    /// Performs an upload. `files` are the files that its fields name, by their number; they are read
    /// from their beginning.
    pub async fn upload(
        &self,
        upload: &Upload,
        files: Vec<Option<(std::fs::File, u64)>>,
        allow_private: bool,
        redactor: &Redactor,
    ) -> (Reply, Took) {
        let asked = self.clock.monotonic();
        let _permit = self.transfers.acquire().await;
        let begun = self.clock.monotonic();
        let bytes = files.iter().flatten().map(|(_, bytes)| bytes).sum();
        let reply = match self.form(upload, files, allow_private) {
            Err(why) => Reply::NotSent { why },
            Ok(prepared) => {
                let late = |place: &str| {
                    format!("{place} gave no whole answer to an upload of {bytes} bytes in time")
                };
                let read = async |response| Ok(answer(response, redactor).await);
                self.exchange(prepared, allow_private, (patience(bytes), late), read)
                    .await
                    .unwrap_or_else(|reply| reply)
            }
        };
        let took = self.took(asked, begun);
        (tidied(reply, redactor), took)
    }

    fn form(
        &self,
        upload: &Upload,
        mut files: Vec<Option<(std::fs::File, u64)>>,
        allow_private: bool,
    ) -> Result<Prepared, String> {
        let mut prepared = self.prepare(&upload.call, allow_private)?;
        // Names of files go as they are: services read no encoded ones.
        let mut form = Form::new().percent_encode_noop();
        for field in &upload.fields {
            form = match field {
                Field::Text { name, value } => form.text(*name, value.clone()),
                Field::File {
                    name,
                    file,
                    file_name,
                    content_type,
                } => {
                    let (file, bytes) = files
                        .get_mut(*file)
                        .and_then(Option::take)
                        .ok_or_else(|| format!("there is no file {file} to upload"))?;
                    let part = Part::stream_with_length(body(file), bytes)
                        .file_name(file_name.clone())
                        .mime_str(content_type)
                        .map_err(|error| format!("content type {content_type}: {error}"))?;
                    form.part(name.clone(), part)
                }
            };
        }
        // The form brings its own type, with its boundary, and its length.
        let built = self
            .connections(allow_private)
            .post(prepared.request.url().clone())
            .multipart(form)
            .build()
            .map_err(|error| {
                format!(
                    "the form cannot be made: {}",
                    innermost(&error.without_url())
                )
            })?;
        let own = std::mem::replace(&mut prepared.request, built);
        for (name, value) in own.headers() {
            prepared.request.headers_mut().insert(name, value.clone());
        }
        Ok(prepared)
    }
}

/// A file's bytes, [`CHUNK_BYTES`] at a time.
fn body(file: std::fs::File) -> reqwest::Body {
    enum Reading {
        Begin(std::fs::File),
        On(tokio::fs::File),
    }
    let chunks = stream::try_unfold(Reading::Begin(file), |reading| async {
        let mut file = match reading {
            Reading::Begin(file) => {
                let mut file = tokio::fs::File::from_std(file);
                file.rewind().await?;
                file
            }
            Reading::On(file) => file,
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((chunk, Reading::On(file))))
    });
    reqwest::Body::wrap_stream(chunks.boxed())
}
