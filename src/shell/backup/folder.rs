//! Files of backups: written beside their name, listed, and taken away when there are enough.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use notify_store::backup::{Backup, Piece};

use super::{About, MakeError, Source, Wishes, write};
use crate::shell::app::INTAKE_FREE_BYTES_MIN;

/// The folder inside the data folder.
pub const FOLDER: &str = "backups";
/// How a backup file ends.
pub const EXTENSION: &str = "nbb";
/// Files of the folder that are looked at.
const FILES_MAX: usize = 10_000;
/// Backups before another version that are kept.
const BEFORE_KEPT: usize = 3;
/// Chunks between two looks at the free space.
const LOOK_CHUNKS: u32 = 16;

/// Why a backup is made. Each sort has its own name and its own number that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody asked for it; it stays until somebody removes it.
    Asked,
    /// By `settings.backup`; so many are kept.
    Scheduled { keep: usize },
    /// Before this version writes to a store that another one wrote.
    Before { version: String },
}

/// A backup that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub path: PathBuf,
    pub about: About,
    pub bytes: u64,
}

impl Occasion {
    fn prefix(&self) -> String {
        match self {
            Occasion::Asked => "backup-".to_owned(),
            Occasion::Scheduled { .. } => "scheduled-".to_owned(),
            Occasion::Before { version } => format!("before-{version}-"),
        }
    }

    /// Whether a file is one of this sort, by its name.
    pub fn is_of(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&self.prefix()))
    }

    /// The name of a backup made now.
    pub fn file_name(&self, now: i64) -> String {
        let at = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
        let at = at.strftime("%Y%m%dT%H%M%SZ");
        format!("{}{at}.{EXTENSION}", self.prefix())
    }
}

/// Makes a backup in the data folder, and takes away those of its sort that are too many.
pub fn make_in(
    data: &Path,
    source: &Source<'_>,
    wishes: &Wishes,
    occasion: &Occasion,
    now: i64,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Made, MakeError> {
    let folder = data.join(FOLDER);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|source| MakeError::File {
            path: folder.clone(),
            doing: "made",
            source,
        })?;
    let made = make(
        &folder.join(occasion.file_name(now)),
        source,
        wishes,
        now,
        progress,
    )?;
    let (prefix, keep) = match occasion {
        Occasion::Asked => return Ok(made),
        Occasion::Scheduled { keep } => (occasion.prefix(), *keep),
        Occasion::Before { .. } => ("before-".to_owned(), BEFORE_KEPT),
    };
    if let Err(error) = prune(&folder, &prefix, keep) {
        tracing::warn!(%error, "old backups could not be removed");
    }
    Ok(made)
}

/// Makes a backup in a file that must not be there yet.
pub fn make(
    path: &Path,
    source: &Source<'_>,
    wishes: &Wishes,
    now: i64,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Made, MakeError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |doing| {
        let path = path.to_owned();
        move |source| MakeError::File {
            path,
            doing,
            source,
        }
    };
    if fs::symlink_metadata(path).is_ok() {
        return Err(MakeError::Exists {
            path: path.to_owned(),
        });
    }
    // Left by a backup that was cut off.
    let _absent = fs::remove_file(&part);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed("written"))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let (mut chunks, mut low) = (0, None);
    let written = write(
        source,
        wishes,
        now,
        BufWriter::new(file),
        &mut |done, of| {
            chunks += 1;
            if chunks % LOOK_CHUNKS == 1 {
                low =
                    notify_store::free_bytes(&folder).filter(|free| *free < INTAKE_FREE_BYTES_MIN);
            }
            low.is_none() && progress(done, of)
        },
    )
    .and_then(|(out, about, _)| {
        let file = out
            .into_inner()
            .map_err(|error| failed("written")(error.into_error()))?;
        file.sync_all().map_err(failed("written"))?;
        let bytes = file.metadata().map_err(failed("written"))?.len();
        fs::rename(&part, path).map_err(failed("given its name"))?;
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("given its name"))?;
        Ok(Made {
            path: path.to_owned(),
            about,
            bytes,
        })
    });
    written.map_err(|error| {
        let _absent = fs::remove_file(&part);
        match (low, error) {
            (Some(free_bytes), _) => MakeError::DiskLow {
                path: folder,
                free_bytes,
            },
            (None, MakeError::Copy(notify_store::backup::CopyError::Write(source))) => {
                failed("written")(source)
            }
            (None, error) => error,
        }
    })
}

/// Backups of the data folder, newest first; those that are not whole are left out.
pub fn list(data: &Path) -> Vec<Made> {
    let Ok(entries) = fs::read_dir(data.join(FOLDER)) else {
        return Vec::new();
    };
    let mut all: Vec<Made> = entries
        .take(FILES_MAX)
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let of_ours = path.extension().is_some_and(|end| end == EXTENSION);
            let about = of_ours.then(|| about(&path)).flatten()?;
            let bytes = fs::metadata(&path).ok()?.len();
            Some(Made { path, about, bytes })
        })
        .collect();
    all.sort_by_key(|made| std::cmp::Reverse((made.about.made_at, made.path.clone())));
    all
}

/// What a backup says of itself, if it begins like one.
pub fn about(path: &Path) -> Option<About> {
    let mut backup = Backup::open(BufReader::new(File::open(path).ok()?)).ok()?;
    match backup.next().ok()? {
        Some(Piece::About(json)) => serde_json::from_slice(&json).ok(),
        Some(_) | None => None,
    }
}

/// Keeps the newest of those whose name begins so. The time in the name orders them.
fn prune(folder: &Path, prefix: &str, keep: usize) -> std::io::Result<()> {
    let mut names: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)?.take(FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) else {
            continue;
        };
        if name.ends_with(".part") {
            // Of a backup that was cut off; only one is made at a time.
            fs::remove_file(entry.path())?;
        } else if name.ends_with(EXTENSION) {
            names.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    names.sort_unstable();
    let surplus = names.len().saturating_sub(keep);
    for (_, path) in &names[..surplus] {
        fs::remove_file(path)?;
    }
    Ok(())
}
