//! Files of items: fetched when they are to be sent, kept a while in a folder of bounded size.
//!
//! **Invariant:** nothing here is authoritative. The folder can be emptied at any time; whoever holds
//! a file has it open, so that it can be read to its end.
//!
//! **Invariant:** the provider's credentials go to the provider alone ([`fetch::call`]), through the
//! one client, under its address policy.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use xxhash_rust::xxh3::xxh3_128;

use super::client::{Client, NotDownloaded};
use super::redact::Redactor;
use super::vault::Opened;
use crate::domain::item::ItemKind;
use crate::domain::spec::ProviderSpec;
use crate::providers::fetch::{self, FetchContext, Fetchable, Rendition};
use crate::targets::Reply;
use crate::targets::media::{Facts, FileType, HEAD_BYTES, file_type};

/// Bytes of files that are kept, all together. What was fetched longest ago goes first.
pub const FOLDER_BYTES_MAX: u64 = 512 * 1_024 * 1_024;
/// How long a file is kept after it was fetched.
pub const FILE_TTL: Duration = Duration::from_secs(6 * 3_600);
/// Files that are kept at most.
pub const FOLDER_FILES_MAX: usize = 20_000;
/// Largest picture that a page shows of an item, in bytes.
pub const PICTURE_BYTES_MAX: u64 = 2 * 1_024 * 1_024;
/// Pictures that are fetched or read for pages at a time; further ones wait.
const PICTURES_AT_ONCE: usize = 4;
/// Begins the names of files that are still being fetched.
const UNFINISHED: &str = "part-";

/// An item to be fetched, with everything that says how.
pub struct Asked<'a> {
    pub fetchable: &'a dyn Fetchable,
    /// The provider's number, which its files are kept under.
    pub provider: u32,
    /// Changes with its configuration.
    pub revision: u64,
    pub spec: &'a ProviderSpec,
    pub opened: &'a Opened,
    pub kind: ItemKind,
    pub handle: &'a str,
    pub wanted: Rendition,
    pub bytes_max: u64,
}

/// A file that is held open.
#[derive(Debug)]
pub struct Held {
    pub file: File,
    pub facts: Facts,
}

/// A picture for a page.
pub struct Drawn {
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum NotFetched {
    /// The service has no such form of it, or says that it has none of it; another form may do.
    #[error("{0}")]
    NotThis(String),
    /// It may be had later.
    #[error("{0}")]
    NotNow(String),
    #[error("the folder for files cannot be used: {0}")]
    Disk(#[from] std::io::Error),
}

type Locks = HashMap<u128, Weak<tokio::sync::Mutex<()>>>;

/// The folder of files.
pub struct Media {
    folder: PathBuf,
    client: Arc<Client>,
    pictures: Semaphore,
    /// One at a time fetches a file; the others wait for it. Entries leave when nobody waits.
    locks: Mutex<Locks>,
}

impl Media {
    /// Opens the folder, and removes what an earlier run left unfinished or kept for too long.
    pub fn open(folder: PathBuf, client: Arc<Client>) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                std::fs::remove_file(entry.path())?;
            }
        }
        tidy(&folder)?;
        Ok(Media {
            folder,
            client,
            pictures: Semaphore::new(PICTURES_AT_ONCE),
            locks: Mutex::new(HashMap::new()),
        })
    }

    /// The file of an item, fetched unless it is kept.
    pub async fn get(&self, asked: &Asked<'_>) -> Result<Held, NotFetched> {
        let name = name(asked);
        let lock = self.lock(name);
        let _alone = lock.lock().await;
        let path = self.folder.join(format!("{name:032x}"));
        if let Some(held) = kept(&path, asked.wanted)? {
            return match held.facts.bytes > asked.bytes_max {
                true => Err(too_large(asked.bytes_max)),
                false => Ok(held),
            };
        }
        let context = FetchContext {
            spec: asked.spec,
            secrets: &asked.opened.values,
            kind: asked.kind,
            handle: asked.handle,
            wanted: asked.wanted,
        };
        let call = match fetch::call(asked.fetchable, &context) {
            Ok(Some(call)) => call,
            Ok(None) => {
                let wanted = asked.wanted.as_str();
                return Err(NotFetched::NotThis(format!("there is no {wanted}")));
            }
            Err(error) => return Err(NotFetched::NotThis(error.to_string())),
        };
        let unfinished = self.folder.join(format!("{UNFINISHED}{name:032x}"));
        let mut file = tokio::fs::File::create(&unfinished).await?;
        let fetched = self
            .client
            .download(
                &call,
                asked.spec.allow_private,
                &asked.opened.redactor,
                &mut file,
                asked.bytes_max,
            )
            .await;
        drop(file);
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(why) => {
                let _gone = tokio::fs::remove_file(&unfinished).await;
                return Err(not_fetched(why, asked.bytes_max, &asked.opened.redactor));
            }
        };
        tracing::debug!(
            provider.id = asked.provider,
            rendition = asked.wanted.as_str(),
            bytes = fetched.bytes,
            "a file was fetched"
        );
        tokio::fs::rename(&unfinished, &path).await?;
        let folder = self.folder.clone();
        // Whoever tidies up too much is read no less: what is held is open.
        let held = kept(&path, asked.wanted)?;
        let _tidied = tokio::task::spawn_blocking(move || tidy(&folder)).await;
        held.ok_or_else(|| NotFetched::NotNow("it was removed as soon as it was there".into()))
    }

    /// The file of an item as a picture for a page: of a type that browsers draw, as its bytes say.
    pub async fn drawn(&self, asked: &Asked<'_>) -> Result<Drawn, NotFetched> {
        // It is never closed, so a turn always comes.
        let _turn = self.pictures.acquire().await;
        let held = self.get(asked).await?;
        let content_type = match held.facts.file_type {
            drawn @ (FileType::Jpeg | FileType::Png | FileType::Gif | FileType::Webp) => {
                drawn.content_type()
            }
            FileType::OtherImage
            | FileType::Mp4
            | FileType::OtherVideo
            | FileType::Mp3
            | FileType::M4a
            | FileType::OtherAudio
            | FileType::Page
            | FileType::Other => {
                return Err(NotFetched::NotThis(
                    "is no picture that browsers draw".into(),
                ));
            }
        };
        let bytes_max = asked.bytes_max;
        let read = move || {
            use std::io::Read;
            let mut bytes = Vec::with_capacity(held.facts.bytes.min(bytes_max) as usize);
            held.file.take(bytes_max).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = tokio::task::spawn_blocking(read).await;
        let bytes = bytes.map_err(std::io::Error::other)??;
        Ok(Drawn {
            bytes,
            content_type,
        })
    }

    fn lock(&self, name: u128) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&name).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(name, Arc::downgrade(&lock));
        lock
    }
}

fn name(asked: &Asked<'_>) -> u128 {
    let rendition = asked.wanted.as_str();
    let text = format!(
        "{}/{}/{rendition}/{}",
        asked.provider, asked.revision, asked.handle
    );
    xxh3_128(text.as_bytes())
}

/// A file of the folder, opened, if it is there and young enough.
fn kept(path: &Path, rendition: Rendition) -> std::io::Result<Option<Held>> {
    use std::io::{Read, Seek};
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let meta = file.metadata()?;
    if is_old(&meta) {
        return Ok(None);
    }
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    file.rewind()?;
    let file_type = file_type(&head);
    let pixels = match file_type.is_image() {
        true => imagesize::reader_size(std::io::BufReader::new(&file))
            .ok()
            .map(|size| (size.width as u64, size.height as u64)),
        false => None,
    };
    file.rewind()?;
    let facts = Facts {
        rendition,
        bytes: meta.len(),
        file_type,
        pixels,
    };
    Ok(Some(Held { file, facts }))
}

fn is_old(meta: &std::fs::Metadata) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a file on disk is by the clock that the disk uses"
    )]
    let now = SystemTime::now();
    meta.modified()
        .ok()
        .and_then(|at| now.duration_since(at).ok())
        .is_some_and(|age| age > FILE_TTL)
}

/// Removes what is too old, and then the oldest until the rest fits.
fn tidy(folder: &Path) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)?.flatten() {
        // Another fetch may be at it.
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let Ok(meta) = entry.metadata() else { continue };
        if is_old(&meta) {
            remove(&entry.path())?;
        } else {
            let at = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((at, meta.len(), entry.path()));
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = files.len();
    for (_, size, path) in files {
        if bytes <= FOLDER_BYTES_MAX && count <= FOLDER_FILES_MAX {
            break;
        }
        remove(&path)?;
        bytes -= size;
        count -= 1;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn too_large(bytes_max: u64) -> NotFetched {
    NotFetched::NotThis(format!("is larger than {} MB", bytes_max / 1_000_000))
}

fn not_fetched(why: NotDownloaded, bytes_max: u64, redactor: &Redactor) -> NotFetched {
    match why {
        NotDownloaded::TooLarge => too_large(bytes_max),
        NotDownloaded::Disk(error) => NotFetched::Disk(error),
        NotDownloaded::Reply(Reply::Answered { status, .. }) => match status {
            408 | 425 | 429 | 500..=599 => {
                NotFetched::NotNow(format!("its service answered {status}"))
            }
            status => NotFetched::NotThis(format!("its service answered {status}")),
        },
        NotDownloaded::Reply(Reply::NotSent { why } | Reply::NoAnswer { why }) => {
            NotFetched::NotNow(redactor.redact_text(&why).into_owned())
        }
    }
}
