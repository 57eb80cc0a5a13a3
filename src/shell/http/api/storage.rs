//! `/backups`, `/verify`, `/key/rotate`: what concerns the store, for the owner alone.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::notices::Nothing;
use super::{MaybeJson, invalid};
use crate::shell::backup::folder::{Made, Occasion, list};
use crate::shell::backup::key::PASSPHRASE_CHARS_MIN;
use crate::shell::backup::schedule::{begin, file_name};
use crate::shell::backup::{self, MakeError, Secrets, Source, Wishes};
use crate::shell::http::auth::{May, Owning};
use crate::shell::http::problem::Problem;
use crate::shell::keyring::rotation::{self, RotateError};
use crate::shell::ledger::Causes;
use crate::shell::verify::{self as verifying, Beside, Index};
use crate::shell::views::moment;

/// Bytes of a backup that is downloaded, handed on at a time.
const HANDED_ON_BYTES: usize = 64 * 1024;
/// Of those, so many wait for a slow reader; then the backup waits too.
const WAITING_MAX: usize = 16;

pub async fn backups(may: May<Owning>) -> Result<Response, Problem> {
    let app = Arc::clone(&may.app);
    let items: Vec<Value> =
        super::blocking(move || Ok(list(&app.data).iter().map(shape).collect())).await?;
    let ended = may.app.jobs.ended();
    let (last, failed) = match ended.backup {
        Some(Ok(name)) => (Some(name), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    Ok(super::json(json!({
        "items": items,
        "next": null,
        "running": may.app.jobs.running().map(|running| running.json()),
        "last": last,
        "failed": failed,
    })))
}

fn shape(made: &Made) -> Value {
    let about = &made.about;
    json!({
        "name": file_name(made),
        "bytes": made.bytes,
        "made_at": moment(about.made_at),
        "through": about.through,
        "secrets": about.secrets.as_str(),
        "key": about.key,
        "wrapped": about.wrapped,
        "program": about.program,
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    secrets: Option<String>,
    passphrase: Option<Zeroizing<String>>,
    /// The backup is the answer, and nothing stays here.
    #[serde(default)]
    download: bool,
}

pub async fn make_backup(
    may: May<Owning>,
    MaybeJson(wanted): MaybeJson<NewBackup>,
) -> Result<Response, Problem> {
    let secrets = match wanted.secrets.as_deref() {
        None => Secrets::default(),
        Some(text) => Secrets::parse(text)
            .ok_or_else(|| invalid("secrets", "is one of omit, sealed, plain"))?,
    };
    let too_short = |text: &Zeroizing<String>| text.chars().count() < PASSPHRASE_CHARS_MIN;
    if wanted.passphrase.as_ref().is_some_and(too_short) {
        return Err(invalid(
            "passphrase",
            format!("is shorter than {PASSPHRASE_CHARS_MIN} characters"),
        ));
    }
    if wanted.passphrase.is_some() && secrets != Secrets::Sealed {
        return Err(invalid("passphrase", "goes with sealed secrets alone"));
    }
    let wishes = Wishes {
        secrets,
        passphrase: wanted.passphrase,
    };
    let app = Arc::clone(&may.app);
    if let Some(running) = app.jobs.running() {
        return Err(busy(running.what));
    }
    if wanted.download {
        return download(&may, wishes).await;
    }
    let name = Occasion::Asked.file_name(app.clock.now());
    tokio::spawn(async move {
        // Whoever asks sees in the list what came of it.
        let _told = begin(&app, wishes, Occasion::Asked).await;
    });
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"name": name}))).into_response())
}

fn busy(what: &str) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        format!("{what} is being made; try again when it is done"),
    )
    .retry_after(5)
}

/// Answers with the backup itself, as it is being made. One that is cut off has no end, which its
/// reader sees.
async fn download(may: &May<Owning>, wishes: Wishes) -> Result<Response, Problem> {
    let app = Arc::clone(&may.app);
    let now = app.clock.now();
    let name = Occasion::Asked.file_name(now);
    let job = app
        .jobs
        .begin("a backup", name.as_str())
        .map_err(|error| busy(&error.to_string()))?;
    let still = app.compaction.kept_still().await;
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let source = Source {
            reader: app.ledger.reader(),
            keyring: app.vault.keyring(),
            state: &|look| look(&app.ledger.state()),
        };
        let out = io::BufWriter::with_capacity(HANDED_ON_BYTES, HandingOn(send.clone()));
        let written = backup::write(&source, &wishes, now, out, &mut |done, of| {
            job.progress(done, of);
            !send.is_closed()
        });
        if let Err(error) = written {
            let why = Causes(&error).to_string();
            tracing::warn!(error = %why, "a backup that was being downloaded is not whole");
            // The connection ends in the middle, so that nobody takes it for all.
            let _gone = send.blocking_send(Err(io::Error::other(why)));
        }
        drop(still);
    });
    let body = Body::from_stream(stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|bytes| (bytes, receive))
    }));
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}\""),
            ),
        ],
        body,
    )
        .into_response())
}

/// Hands what is written to it on to an answer.
struct HandingOn(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for HandingOn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_gone| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub async fn verification(may: May<Owning>) -> Result<Response, Problem> {
    let running = may.app.jobs.running();
    let (report, failed) = match may.app.jobs.ended().verified {
        Some(Ok(report)) => (Some(report), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    Ok(super::json(json!({
        "running": running.map(|running| running.json()),
        "report": report,
        "failed": failed,
    })))
}

pub async fn verify(
    may: May<Owning>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let app = Arc::clone(&may.app);
    let job = app
        .jobs
        .begin("a verification", "")
        .map_err(|error| match error {
            MakeError::Busy { what } => busy(what),
            error => Problem::internal(&error),
        })?;
    let still = app.compaction.kept_still().await;
    tokio::task::spawn_blocking(move || {
        let beside = Beside {
            data: &app.data,
            keyring: Some(app.vault.keyring()),
            serving: Some(&app.ledger),
            index: Index::Served(&app.search),
        };
        let report = verifying::run(app.ledger.reader(), &beside, &|at, done, of| {
            job.part(at, done, of);
        })
        .map_err(|error| Causes(&error).to_string());
        match &report {
            Ok(report) if report.is_clean() => {
                tracing::info!(frames = report.frames, "the store is as it should be");
            }
            Ok(report) => {
                for problem in &report.problems {
                    tracing::error!(problem = %problem, "the store is not as it should be");
                }
            }
            Err(error) => tracing::error!(%error, "the store cannot be verified"),
        }
        drop(still);
        job.verified(report);
    });
    Ok((StatusCode::ACCEPTED, axum::Json(json!({"running": true}))).into_response())
}

pub async fn rotate(
    may: May<Owning>,
    MaybeJson(Nothing {}): MaybeJson<Nothing>,
) -> Result<Response, Problem> {
    let app = &may.app;
    let rotated = rotation::rotate(&app.ledger, app.vault.shared_keyring())
        .await
        .map_err(|error| match &error {
            RotateError::NoKey => Problem::new(StatusCode::CONFLICT, error.to_string()),
            RotateError::File(_) | RotateError::Write(_) => {
                let why = Causes(&error).to_string();
                tracing::error!(error = %why, "the key could not be replaced");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
            }
            RotateError::Ledger(_) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        })?;
    tracing::info!(key = %rotated.key, secrets = rotated.secrets, by = %may.caller.by(), "the key was replaced");
    Ok(super::json(rotated_shape(&rotated)))
}

/// What a rotation did, as it is answered and printed.
pub fn rotated_shape(rotated: &rotation::Rotated) -> Value {
    json!({
        "key": rotated.key.to_string(),
        "secrets": rotated.secrets,
        "locked": rotated.locked,
    })
}
