//! `compact`: applies retention now, and gives file space back.

use std::sync::Arc;
use std::time::Duration;

use notify_store::{CACHE_BYTES, Log, Options};
use reqwest::Method;
use serde_json::{Value, json};

use super::args::Place;
use super::failure::Failure;
use super::printer::{Printer, complain};
use super::remote::Remote;
use super::stopped::{BY, Missing, Writable};
use crate::domain::event::Event;
use crate::shell::app::PROGRAM;
use crate::shell::clock::{Clock, SystemClock};
use crate::shell::compaction::{self, Compaction, Forgotten, Progress, Step};
use crate::shell::ledger::Causes;
use crate::shell::search::{self, Search};
use crate::shell::views;

/// How often is looked how far it is.
const LOOK: Duration = Duration::from_millis(250);

pub async fn run(place: &Place) -> Result<(), Failure> {
    let printer = Printer::new(place.json);
    match place.stopped() {
        None => {
            let removed = ask(&Remote::new(place)?).await?;
            let words = format!(
                "{}; the file gives the space back at the next start, or by `compact --data` while the program is stopped",
                sentence(&removed)
            );
            printer.either(&json!({"removed": removed}), &words)
        }
        Some(data) => {
            let key_file = place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let compaction = Compaction::new(store.ledger.clone(), Arc::clone(&clock));
            let identity = search::identity(&store.ledger.state());
            let (index, thread) = Search::start(data, store.ledger.reader().clone(), identity)
                .map_err(|error| Failure::caused("a thread cannot be started", error))?;
            compaction.tell(index as Arc<dyn Forgotten>);
            let ran = shown(&compaction, &*clock).await;
            drop(compaction);
            thread.stop();
            store.close();
            let removed = views::removed(ran?);
            let (before, after) = shrink(data)?;
            let shape = json!({"removed": removed, "bytes_before": before, "bytes_after": after});
            let words = format!(
                "{}; the file had {before} bytes and has {after}",
                sentence(&removed)
            );
            printer.either(&shape, &words)
        }
    }
}

fn sentence(removed: &Value) -> String {
    format!(
        "removed {} notices with {} events, {} bodies, {} bytes",
        removed["families"], removed["events"], removed["bodies"], removed["bytes"]
    )
}

/// Starts a run of a program and waits until it is over.
async fn ask(remote: &Remote) -> Result<Value, Failure> {
    let clock = SystemClock::new();
    let path = ["compact"];
    let mut shape = remote.call(Method::POST, &path, &[], None).await?;
    while let Some(running) = shape.get("running") {
        tell(
            running["step"].as_str().unwrap_or_default(),
            running["done"].as_u64().unwrap_or(0),
            running["of"].as_u64().unwrap_or(0),
        );
        clock.sleep(LOOK).await;
        shape = remote.get(&path, &[]).await?;
    }
    match shape["ended"]["error"].as_str() {
        Some(error) => Err(Failure::Failed(error.to_owned())),
        None => Ok(shape["ended"]["removed"].take()),
    }
}

/// Runs it here and says how far it is.
async fn shown(
    compaction: &Compaction,
    clock: &dyn Clock,
) -> Result<crate::projections::retention::Tally, Failure> {
    let run = compaction.run(BY);
    tokio::pin!(run);
    loop {
        tokio::select! {
            ran = &mut run => {
                return ran.map_err(|error| Failure::Failed(Causes(&error).to_string()));
            }
            () = clock.sleep(LOOK) => {
                let Progress { step, done, of, .. } = compaction.progress();
                if step != Step::Resting {
                    tell(step.as_str(), done, of);
                }
            }
        }
    }
}

fn tell(step: &str, done: u64, of: u64) {
    complain(&match of {
        0 => step.to_owned(),
        of => format!("{step}: {done} of {of}"),
    });
}

/// Makes the file as small as it gets. Nobody else has it meanwhile.
fn shrink(data: &std::path::Path) -> Result<(u64, u64), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::Failed(Causes(error).to_string());
    let options = Options {
        cache_bytes: CACHE_BYTES,
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let mut log = Log::<Event>::open(data, &options, &|_| {}).map_err(|error| failed(&error))?;
    let before = log.reader().bytes_on_disk();
    complain("giving file space back");
    log.compact_file().map_err(|error| failed(&error))?;
    compaction::note_file_compacted(&mut log).map_err(|error| failed(&error))?;
    let reader = log.reader();
    log.close().map_err(|error| failed(&error))?;
    Ok((before, reader.bytes_on_disk()))
}
