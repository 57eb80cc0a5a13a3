//! What concerns the store itself: `backup`, `restore`, `verify`, `rebuild`, `key rotate`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use notify_store::backup::{Backup, Piece};
use notify_store::{CACHE_BYTES, Log, Options, open_read_only_with};
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::args::{BackupArgs, Place, RebuildArgs, RestoreArgs};
use super::failure::Failure;
use super::printer::{Look, Printer, complain, escaped};
use super::remote::Remote;
use super::secret;
use super::sentences::text;
use super::stopped::{BY, Missing, Writable};
use crate::domain::event::Event;
use crate::shell::app::{PROGRAM, rebuild as fold};
use crate::shell::backup::folder::{self, Made, Occasion};
use crate::shell::backup::{About, Secrets, Source, Wishes};
use crate::shell::caches;
use crate::shell::clock::{Clock as _, SystemClock};
use crate::shell::keyring::rotation;
use crate::shell::keyring::{KeyError, Keyring};
use crate::shell::ledger::Causes;
use crate::shell::restore::{self, Request};
use crate::shell::verify::{self as verifying, Report};

/// How often a running program is asked how far it is.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Parts in a hundred between two lines of progress, where lines are not written over.
const PARTS_TOLD: u64 = 25;

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::Failed(Causes(error).to_string())
}

/// Tells how far something is, on stderr: one line that is written over, or few lines.
struct Told {
    last: Mutex<(String, u64)>,
    over: bool,
}

impl Told {
    fn new() -> Self {
        Told {
            last: Mutex::default(),
            over: io::stderr().is_terminal(),
        }
    }

    fn tell(&self, what: &str, done: u64, of: u64) {
        let part = (done.min(of) * 100).checked_div(of).unwrap_or(0);
        let part = if self.over {
            part
        } else {
            part - part % PARTS_TOLD
        };
        let mut last = match self.last.lock() {
            Ok(last) => last,
            Err(poisoned) => poisoned.into_inner(),
        };
        if last.0 == what && last.1 == part {
            return;
        }
        *last = (what.to_owned(), part);
        if self.over {
            let mut out = io::stderr().lock();
            // It is only told; nothing depends on it.
            let _closed = write!(out, "\r\x1b[K{what} {part} %").and_then(|()| out.flush());
        } else {
            complain(&format!("{what} {part} %"));
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.over {
            let _closed = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn passphrase(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failure> {
    file.map(|file| secret::of_file("--passphrase-file", file))
        .transpose()
}

/// `backup`.
pub async fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.place.json);
    let wishes = Wishes {
        secrets: args.secrets,
        passphrase: passphrase(args.passphrase_file.as_deref())?,
    };
    if wishes.passphrase.is_some() && wishes.secrets != Secrets::Sealed {
        return Err(Failure::Input(
            "--passphrase-file goes with --secrets sealed alone".to_owned(),
        ));
    }
    let told = Told::new();
    match (args.place.stopped(), args.file.as_deref()) {
        (Some(data), file) => {
            let made = backup_stopped(data, file, &args.place, &wishes, &told)?;
            drop(told);
            say_made(&printer, &made)
        }
        (None, Some(file)) => {
            let body = json!({
                "secrets": wishes.secrets.as_str(),
                "passphrase": wishes.passphrase.as_ref().map(|text| text.as_str()),
                "download": true,
            });
            let made = download(&Remote::new(&args.place)?, file, &body, &told).await?;
            drop(told);
            say_made(&printer, &made)
        }
        (None, None) => {
            let body = json!({
                "secrets": wishes.secrets.as_str(),
                "passphrase": wishes.passphrase.as_ref().map(|text| text.as_str()),
            });
            let remote = Remote::new(&args.place)?;
            let begun = remote
                .call(Method::POST, &["backups"], &[], Some(&body))
                .await?;
            let name = text(&begun, "name").to_owned();
            let item = made_there(&remote, &name, &told).await?;
            drop(told);
            let line = format!("{} in the program's backups/", escaped(&name));
            printer.either(&item, &line)
        }
    }
}

fn backup_stopped(
    data: &Path,
    file: Option<&Path>,
    place: &Place,
    wishes: &Wishes,
    told: &Told,
) -> Result<Made, Failure> {
    let reader = open_read_only_with::<Event>(data, &Options::default(), &|repair| {
        told.tell("repairing", (repair.done * 100.0) as u64, 100);
    })
    .map_err(|error| failed(&error))?;
    let state = fold(data, &reader, &|_, done, of| told.tell("reading", done, of))?;
    let keyring = key_of(data, place.secret_key_file.as_deref())?.unwrap_or_else(Keyring::stand_in);
    let source = Source {
        reader: &reader,
        keyring: &keyring,
        state: &|look| look(&state),
    };
    let now = SystemClock::new().now();
    let mut progress = |done, of| {
        told.tell("writing", done, of);
        true
    };
    match file {
        Some(file) => folder::make(file, &source, wishes, now, &mut progress),
        None => {
            let occasion = Occasion::Asked;
            folder::make_in(data, &source, wishes, &occasion, now, &mut progress)
        }
    }
    .map_err(|error| failed(&error))
}

fn key_of(data: &Path, file: Option<&Path>) -> Result<Option<Keyring>, Failure> {
    let path = file.map_or_else(|| data.join("secret.key"), Path::to_owned);
    match Keyring::open_file(&path) {
        Ok(keyring) => Ok(Some(keyring)),
        Err(KeyError::Missing { .. }) => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// Waits for a backup that a running program makes.
async fn made_there(remote: &Remote, name: &str, told: &Told) -> Result<Value, Failure> {
    let clock = SystemClock::new();
    loop {
        let listed = remote.get(&["backups"], &[]).await?;
        let made = listed["items"]
            .as_array()
            .and_then(|items| items.iter().find(|item| text(item, "name") == name));
        if let Some(made) = made {
            return Ok(made.clone());
        }
        if let Some(why) = listed["failed"].as_str() {
            return Err(Failure::Failed(why.to_owned()));
        }
        let running = &listed["running"];
        if let (Some(done), Some(of)) = (running["done"].as_u64(), running["of"].as_u64()) {
            told.tell("writing", done, of);
        }
        clock.sleep(ASK_AGAIN).await;
    }
}

/// Takes a backup from a running program, and looks whether it is complete before it gets its name.
async fn download(
    remote: &Remote,
    file: &Path,
    body: &Value,
    told: &Told,
) -> Result<Made, Failure> {
    let (temporary, bytes) = remote
        .download(&["backups"], body, file, &|bytes| {
            told.tell("MiB", bytes >> 20, 100.max(bytes >> 20));
        })
        .await?;
    let about = complete(temporary.path())?;
    temporary.persist_noclobber(file).map_err(|error| {
        Failure::caused(format!("{} cannot be written", file.display()), error.error)
    })?;
    Ok(Made {
        path: file.to_owned(),
        about,
        bytes,
    })
}

/// Reads a backup to its end, and says what it is.
fn complete(path: &Path) -> Result<About, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::caused("the backup cannot be read again", error))?;
    let mut backup = Backup::open(io::BufReader::new(file)).map_err(|error| failed(&error))?;
    let mut about = None;
    while let Some(piece) = backup.next().map_err(|error| failed(&error))? {
        if let Piece::About(json) = piece {
            about = serde_json::from_slice(&json).ok();
        }
    }
    about.ok_or_else(|| Failure::Failed("the backup does not say what it is".to_owned()))
}

fn say_made(printer: &Printer, made: &Made) -> Result<(), Failure> {
    let about = &made.about;
    let shape = json!({
        "file": made.path.display().to_string(),
        "bytes": made.bytes,
        "through": about.through,
        "secrets": about.secrets.as_str(),
        "key": about.key,
        "wrapped": about.wrapped,
    });
    let key = match (about.secrets, about.wrapped, &about.key) {
        (Secrets::Omit, ..) => "secrets are left out",
        (Secrets::Plain, ..) => "secrets are in it in the clear",
        (Secrets::Sealed, true, _) => "secrets are sealed, and the passphrase opens them",
        (Secrets::Sealed, false, Some(_)) => {
            "secrets are sealed; keep a copy of secret.key, without which nothing opens them"
        }
        (Secrets::Sealed, false, None) => "secrets are sealed with a key that is not at hand",
    };
    printer.either(
        &shape,
        &format!(
            "{}: {} bytes, up to position {}; {key}",
            escaped(&made.path.display().to_string()),
            made.bytes,
            about.through
        ),
    )
}

/// `restore`.
pub async fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json);
    let told = Told::new();
    let request = Request {
        file: &args.file,
        data: &args.data,
        key_file: args.secret_key_file.as_deref(),
        passphrase: passphrase(args.passphrase_file.as_deref())?,
        by: BY,
    };
    let clock = std::sync::Arc::new(SystemClock::new());
    let restored = restore::restore(&request, clock, &|what, done, of| {
        told.tell(what, done, of);
    })
    .await
    .map_err(|error| failed(&error))?;
    drop(told);
    let shape = json!({
        "data": args.data.display().to_string(),
        "through": restored.about.through,
        "events": restored.report.frames,
        "held": restored.held,
        "key": restored.has_key,
        "notes": restored.report.notes,
    });
    if printer.json {
        return printer.object(&shape);
    }
    printer.line(&format!(
        "restored and verified: {} events up to position {}, {} bodies, {} secrets",
        restored.report.frames,
        restored.about.through,
        restored.report.bodies,
        restored.report.secrets
    ))?;
    for note in &restored.report.notes {
        printer.line(&format!("  {}", escaped(note)))?;
    }
    if !restored.has_key && restored.report.secrets > 0 {
        printer.line(
            "  put the secret.key of the store it was made of into the folder before you start it",
        )?;
    }
    printer.line(&format!(
        "it is paused, and {} deliveries wait; `serve` takes webhooks in, and `resume` sends",
        restored.held
    ))
}

/// `verify`.
pub async fn verify(place: &Place) -> Result<(), Failure> {
    let printer = Printer::new(place.json);
    let told = Told::new();
    let report = match place.stopped() {
        Some(data) => {
            let report = verify_stopped(data, place.secret_key_file.as_deref(), &told)?;
            serde_json::to_value(report)
                .map_err(|error| Failure::caused("the report cannot be written", error))?
        }
        None => verify_running(place, &told).await?,
    };
    drop(told);
    say_report(&printer, &report)
}

fn verify_stopped(data: &Path, key: Option<&Path>, told: &Told) -> Result<Report, Failure> {
    let keyring = key_of(data, key)?;
    verifying::stopped(data, keyring.as_ref(), &|what, done, of| {
        told.tell(what, done, of);
    })
    .map_err(|error| failed(&error))
}

async fn verify_running(place: &Place, told: &Told) -> Result<Value, Failure> {
    let remote = Remote::new(place)?;
    remote.call(Method::POST, &["verify"], &[], None).await?;
    let clock = SystemClock::new();
    loop {
        let asked = remote.get(&["verify"], &[]).await?;
        let running = &asked["running"];
        if running.is_null() {
            if let Some(why) = asked["failed"].as_str() {
                return Err(Failure::Failed(why.to_owned()));
            }
            return Ok(asked["report"].clone());
        }
        if let (Some(done), Some(of)) = (running["done"].as_u64(), running["of"].as_u64()) {
            told.tell(text(running, "at"), done, of);
        }
        clock.sleep(ASK_AGAIN).await;
    }
}

fn say_report(printer: &Printer, report: &Value) -> Result<(), Failure> {
    let number = |field: &str| report[field].as_u64().unwrap_or(0);
    let total = number("problems_total");
    if printer.json {
        printer.object(report)?;
    } else {
        printer.line(&format!(
            "looked at {} events up to position {}, {} segments, {} members of streams, {} bodies, {} rows, {} secrets, {} snapshots; search index: {}",
            number("frames"),
            number("through"),
            number("segments"),
            number("stream_members"),
            number("bodies"),
            number("rows"),
            number("secrets"),
            number("snapshots"),
            escaped(text(report, "index")),
        ))?;
        let lines = |field: &str| report[field].as_array().cloned().unwrap_or_default();
        for note in lines("notes").iter().filter_map(Value::as_str) {
            printer.line(&format!("note: {}", escaped(note)))?;
        }
        let problems = lines("problems");
        for problem in problems.iter().filter_map(Value::as_str) {
            printer.line(&printer.dressed(Look::Bad, &escaped(problem)))?;
        }
        if total > problems.len() as u64 {
            printer.line(&format!("and {} more", total - problems.len() as u64))?;
        }
        if total == 0 {
            printer.line("everything is as it should be")?;
        }
    }
    if total == 0 {
        Ok(())
    } else {
        Err(Failure::Said(1))
    }
}

/// `rebuild`.
pub fn rebuild(args: &RebuildArgs) -> Result<(), Failure> {
    let printer = Printer::new(args.json);
    // Fails for what is not a store, and makes none.
    drop(
        open_read_only_with::<Event>(&args.data, &Options::default(), &|_| {})
            .map_err(|error| failed(&error))?,
    );
    let told = Told::new();
    let options = Options {
        cache_bytes: CACHE_BYTES,
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let mut log =
        Log::<Event>::open(&args.data, &options, &|_| {}).map_err(|error| failed(&error))?;
    let rebuilt = caches::rebuild(&args.data, &mut log, &mut |done, of| {
        told.tell("rows", done, of);
    })
    .map_err(|error| failed(&error))?;
    log.close().map_err(|error| failed(&error))?;
    drop(told);
    let shape = json!({
        "rows": rebuilt.rows,
        "rows_removed": rebuilt.rows_removed,
        "snapshots_removed": rebuilt.snapshots_removed,
        "search_removed": rebuilt.search_removed,
    });
    printer.either(
        &shape,
        &format!(
            "{} rows made anew, {} removed; {} snapshots{} are made by the next start",
            rebuilt.rows,
            rebuilt.rows_removed,
            rebuilt.snapshots_removed,
            if rebuilt.search_removed {
                " and the search index"
            } else {
                ""
            },
        ),
    )
}

/// `key rotate`.
pub async fn rotate(place: &Place) -> Result<(), Failure> {
    let printer = Printer::new(place.json);
    let shape = match place.stopped() {
        None => {
            Remote::new(place)?
                .call(Method::POST, &["key", "rotate"], &[], None)
                .await?
        }
        Some(data) => {
            let key_file = place.secret_key_file.as_deref();
            let store = Writable::open(data, key_file, Missing::Refuse).await?;
            let rotated = rotation::rotate(&store.ledger, store.vault.shared_keyring()).await;
            store.close();
            let rotated = rotated.map_err(|error| failed(&error))?;
            json!({
                "key": rotated.key.to_string(),
                "secrets": rotated.secrets,
                "locked": rotated.locked,
            })
        }
    };
    let count = |field: &str| shape[field].as_u64().unwrap_or(0);
    let locked = match count("locked") {
        0 => String::new(),
        locked => format!("; {locked} could not be opened and stay as they are"),
    };
    printer.either(
        &shape,
        &format!(
            "key {} is in use, and {} secrets are sealed with it{locked}; backups made before need the key before",
            escaped(text(&shape, "key")),
            count("secrets"),
        ),
    )
}
