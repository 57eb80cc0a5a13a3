//! The keyring: seals secrets before they enter the store, and opens them for a call.
//!
//! **Invariant:** nothing else in the program holds the key, and no opened secret outlives its use:
//! key and plaintext are overwritten when dropped.
//!
//! **Invariant:** a sealed value opens only where it was sealed for: space, entity and field are
//! bound to it. Moving bytes from one row to another gives nothing.
//!
//! **Invariant:** a key file is replaced by a rotation alone, whole, and holds the key before as long
//! as a value may be sealed with it. It is never made anew while the store holds values sealed with
//! a lost one: those would look like garbage instead of like a missing file.
//!
//! Sealed bytes: version (1), key id (8), nonce (24), ciphertext with tag. The key file is a line,
//! `nbkey1:` and the 32 bytes of the key in base64. After a rotation (`rotation`) there is a second,
//! `nbmark1:` and the key of the fingerprints, which stay what they were; while one is under way
//! there is a third, `nbold1:` and the key before.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::entropy::{Entropy as _, SystemEntropy};

/// Length of the key, in bytes.
pub const KEY_BYTES: usize = 32;
/// Length of a key id, in bytes.
pub const KEY_ID_BYTES: usize = 8;
/// Largest key file read, in bytes; a longer one is not a key file.
pub const KEY_FILE_BYTES_MAX: u64 = 256;

const KEY_FILE_PREFIX: &str = "nbkey1:";
const MARK_PREFIX: &str = "nbmark1:";
const OLD_PREFIX: &str = "nbold1:";
const KEY_FILE_MODE: u32 = 0o600;
/// Permission bits that let anyone but the owner at the key.
const KEY_FILE_MODE_OTHERS: u32 = 0o077;

const SEALED_VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

const SEAL_DOMAIN: &[u8] = b"notify-bridge seal 1";
const FINGERPRINT_DOMAIN: &[u8] = b"notify-bridge fingerprint 1";
const KEY_ID_DOMAIN: &[u8] = b"notify-bridge key id 1";

/// Which key sealed a value. Says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Where a sealed value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aad<'a> {
    pub space: u32,
    pub entity: u32,
    pub field: &'a str,
}

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "key file {} is missing, and the store holds secrets sealed with it: put it back, or set these secrets again",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "key file {} may be used by others than its owner (mode {mode:04o}): run chmod 600 on it",
        path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "key file {} {why}: it should be one line, {KEY_FILE_PREFIX} and 32 bytes in base64; put the right one back",
        path.display()
    )]
    Malformed { path: PathBuf, why: &'static str },
    #[error("key file {} could not be {doing}", path.display())]
    Io {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
}

/// Why a sealed value was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenSealedError {
    #[error("the value was sealed with key {sealed_with}, and the key at hand is {at_hand}")]
    WrongKey { sealed_with: KeyId, at_hand: KeyId },
    #[error("the sealed value is damaged, or was moved from another field: set it again")]
    Damaged,
}

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What is derived from the key of a store.
pub struct Keyring {
    keys: RwLock<Keys>,
    /// Where the key was read from or written to.
    path: Option<PathBuf>,
    /// Made up for this run, because the store's own key is not there.
    stand_in: bool,
}

/// The keys in use.
#[derive(Clone)]
struct Keys {
    now: Sealing,
    /// The key before, while a rotation is under way.
    before: Option<Sealing>,
    fingerprints: Key,
    /// Whether the fingerprints' key is not derived from the key in use.
    marked: bool,
}

/// A key, and what seals with it.
#[derive(Clone)]
struct Sealing {
    key: Key,
    sealing: Key,
    id: KeyId,
}

impl Sealing {
    fn of(key: &Key) -> Sealing {
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&derived(key, KEY_ID_DOMAIN)[..KEY_ID_BYTES]);
        Sealing {
            key: key.clone(),
            sealing: derived(key, SEAL_DOMAIN),
            id: KeyId(id),
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.sealing).into())
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Opens the key file, or makes one when there is none and nothing was ever sealed.
    ///
    /// [`KeyError::Missing`] leaves the program able to start: it holds what it cannot send.
    pub fn open_or_create(path: &Path, store_has_sealed: bool) -> Result<Keyring, KeyError> {
        match Keyring::open_file(path) {
            Err(KeyError::Missing { .. }) if !store_has_sealed => Keyring::create(path),
            opened => opened,
        }
    }

    /// Opens the key file; without one, [`KeyError::Missing`].
    pub fn open_file(path: &Path) -> Result<Keyring, KeyError> {
        let io_error = |doing| {
            move |source| KeyError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        let malformed = |why| KeyError::Malformed {
            path: path.to_owned(),
            why,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(KeyError::Missing {
                    path: path.to_owned(),
                });
            }
            opened => opened.map_err(io_error("opened"))?,
        };
        // The mode of the opened file, so that it is the one that is read.
        let metadata = file.metadata().map_err(io_error("examined"))?;
        if !metadata.is_file() {
            return Err(malformed("is not a file"));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & KEY_FILE_MODE_OTHERS != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX as usize + 1));
        file.take(KEY_FILE_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(io_error("read"))?;
        if text.len() as u64 > KEY_FILE_BYTES_MAX {
            return Err(malformed("is too long"));
        }
        let keys = parse_file(&text).map_err(malformed)?;
        Ok(Keyring {
            path: Some(path.to_owned()),
            ..Keyring::with(keys)
        })
    }

    /// A keyring of the text of a key file, as a backup carries it.
    pub fn of_text(text: &[u8]) -> Result<Keyring, &'static str> {
        parse_file(text).map(Keyring::with)
    }

    /// A new key with the fingerprints of another one, for secrets that came in the clear.
    pub fn new_with_marks(marks: &[u8; KEY_BYTES]) -> Keyring {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemEntropy.fill(key.as_mut());
        Keyring::with(Keys {
            now: Sealing::of(&key),
            before: None,
            fingerprints: Zeroizing::new(*marks),
            marked: true,
        })
    }

    /// Writes the key file of a keyring that has none yet, to a path where nothing is.
    pub fn write_to(&self, path: &Path) -> Result<(), KeyError> {
        write_new(path, self.text().as_bytes()).map_err(|source| KeyError::Io {
            path: path.to_owned(),
            doing: "created",
            source,
        })
    }

    /// Makes a key and writes it, whole or not at all, to a path where nothing is yet.
    fn create(path: &Path) -> Result<Keyring, KeyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemEntropy.fill(key.as_mut());
        let encoded = Zeroizing::new(STANDARD.encode(key.as_ref()));
        let mut line = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
        line.push_str(KEY_FILE_PREFIX);
        line.push_str(&encoded);
        line.push('\n');
        match write_new(path, line.as_bytes()) {
            Ok(()) => Ok(Keyring {
                path: Some(path.to_owned()),
                ..Keyring::of(&key)
            }),
            // Someone made one meanwhile: theirs counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Keyring::open_file(path),
            Err(source) => Err(KeyError::Io {
                path: path.to_owned(),
                doing: "created",
                source,
            }),
        }
    }

    /// A keyring that opens nothing, for a start without the store's key. Nothing may be sealed with
    /// it: see [`Keyring::is_stand_in`].
    pub fn stand_in() -> Keyring {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemEntropy.fill(key.as_mut());
        Keyring {
            stand_in: true,
            ..Keyring::of(&key)
        }
    }

    /// Whether the store's own key is missing. What is sealed now could never be opened again, so
    /// secrets are refused until the key is back.
    pub fn is_stand_in(&self) -> bool {
        self.stand_in
    }

    fn of(key: &Key) -> Keyring {
        Keyring::with(Keys {
            now: Sealing::of(key),
            before: None,
            fingerprints: derived(key, FINGERPRINT_DOMAIN),
            marked: false,
        })
    }

    fn with(keys: Keys) -> Keyring {
        Keyring {
            keys: RwLock::new(keys),
            path: None,
            stand_in: false,
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which key this is.
    pub fn id(&self) -> KeyId {
        self.keys().now.id
    }

    /// Whether what this key sealed can be opened.
    pub fn opens(&self, id: KeyId) -> bool {
        let keys = self.keys();
        !self.stand_in && keys.sealing(id).is_some()
    }

    /// The text of the key file.
    pub fn text(&self) -> Zeroizing<String> {
        self.keys().text()
    }

    /// The key of the fingerprints.
    pub fn marks(&self) -> Key {
        self.keys().fingerprints.clone()
    }

    /// Seals a secret for one place.
    pub fn seal(&self, aad: Aad<'_>, plaintext: &[u8]) -> Vec<u8> {
        // Always the system's randomness: a nonce used twice would give both secrets away.
        let mut nonce = [0; NONCE_BYTES];
        SystemEntropy.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plaintext.len() + TAG_BYTES);
        let keys = self.keys();
        sealed.push(SEALED_VERSION);
        sealed.extend_from_slice(&keys.now.id.0);
        sealed.extend_from_slice(&nonce);
        let bound = bound_to(aad, &sealed[..1 + KEY_ID_BYTES]);
        let ciphertext = keys
            .now
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: &bound,
                },
            )
            .expect("a secret is shorter than the cipher's limit of 256 GiB");
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, aad: Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
        let sealed_with = sealed_with(sealed).ok_or(OpenSealedError::Damaged)?;
        let keys = self.keys();
        let Some(sealing) = keys.sealing(sealed_with) else {
            return Err(OpenSealedError::WrongKey {
                sealed_with,
                at_hand: keys.now.id,
            });
        };
        let (header, ciphertext) = sealed.split_at(HEADER_BYTES);
        let (head, nonce) = header.split_at(1 + KEY_ID_BYTES);
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| OpenSealedError::Damaged)?;
        sealing
            .cipher()
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: ciphertext,
                    aad: &bound_to(aad, head),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| OpenSealedError::Damaged)
    }

    /// A keyed hash of a secret, by which it is seen whether a new one differs. Without the key it
    /// tells nothing, not even about a short secret.
    pub fn fingerprint(&self, plaintext: &[u8]) -> [u8; 16] {
        let whole = keyed(self.keys().fingerprints.as_ref(), &[plaintext]);
        let mut short = [0; 16];
        short.copy_from_slice(&whole[..16]);
        short
    }
}

impl Keys {
    fn sealing(&self, id: KeyId) -> Option<&Sealing> {
        let before = self.before.as_ref();
        std::iter::once(&self.now)
            .chain(before)
            .find(|sealing| sealing.id == id)
    }

    /// The lines of the key file.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
        let marks = self.marked.then_some(&self.fingerprints);
        let before = self.before.as_ref().map(|before| &before.key);
        for (prefix, key) in [
            (KEY_FILE_PREFIX, Some(&self.now.key)),
            (MARK_PREFIX, marks),
            (OLD_PREFIX, before),
        ] {
            if let Some(key) = key {
                text.push_str(prefix);
                text.push_str(&Zeroizing::new(STANDARD.encode(key.as_ref())));
                text.push('\n');
            }
        }
        text
    }
}

/// The key that sealed these bytes; `None` when they are not sealed bytes of a known version.
pub fn sealed_with(sealed: &[u8]) -> Option<KeyId> {
    if sealed.len() < HEADER_BYTES + TAG_BYTES || sealed[0] != SEALED_VERSION {
        return None;
    }
    let id = sealed[1..=KEY_ID_BYTES].try_into().ok()?;
    Some(KeyId(id))
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A key of its own for each use, so that none says anything about another.
fn derived(key: &Zeroizing<[u8; KEY_BYTES]>, domain: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    keyed(key.as_ref(), &[domain])
}

/// The associated data: the header and the place. Numbers have fixed width, so that no two places
/// give the same bytes.
fn bound_to(aad: Aad<'_>, head: &[u8]) -> Vec<u8> {
    let mut bound = head.to_vec();
    bound.extend_from_slice(&aad.space.to_le_bytes());
    bound.extend_from_slice(&aad.entity.to_le_bytes());
    bound.extend_from_slice(aad.field.as_bytes());
    bound
}

fn parse_file(text: &[u8]) -> Result<Keys, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "is not text")?;
    let mut lines = text.trim().lines();
    let first = lines.next().filter(|line| !line.is_empty());
    let now = parse_key(first.ok_or("is empty")?, KEY_FILE_PREFIX)?
        .ok_or("does not begin as a key file does")?;
    let mut keys = Keys {
        now: Sealing::of(&now),
        before: None,
        fingerprints: derived(&now, FINGERPRINT_DOMAIN),
        marked: false,
    };
    for line in lines {
        if let Some(marks) = parse_key(line, MARK_PREFIX)?
            && !keys.marked
        {
            (keys.fingerprints, keys.marked) = (marks, true);
        } else if let Some(old) = parse_key(line, OLD_PREFIX)?
            && keys.before.is_none()
        {
            keys.before = Some(Sealing::of(&old));
        } else {
            return Err("has a line that no key file has");
        }
    }
    Ok(keys)
}

/// The key on a line of this prefix; `None` when the line has another one.
fn parse_key(line: &str, prefix: &str) -> Result<Option<Key>, &'static str> {
    let Some(encoded) = line.trim().strip_prefix(prefix) else {
        return Ok(None);
    };
    let bytes = Zeroizing::new(
        STANDARD
            .decode(encoded)
            .map_err(|_| "does not hold base64 behind its prefix")?,
    );
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if bytes.len() != key.len() {
        return Err("holds a key of another length");
    }
    key.copy_from_slice(&bytes);
    Ok(Some(key))
}

/// Writes a file that only its owner may use, beside its place, and puts it there when it is safely
/// on disk. Fails with `AlreadyExists` when something is there.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, place_new)
}

/// As [`write_new`], over what is there.
fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |from, to| fs::rename(from, to))
}

fn write_beside(
    path: &Path,
    bytes: &[u8],
    place: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mut name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the path names no file"))?
        .to_owned();
    name.push(format!(".{:016x}.new", SystemEntropy.next_u64()));
    let beside = directory.join(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(KEY_FILE_MODE)
            .open(&beside)?;
        // The process's mask may have taken more away.
        file.set_permissions(Permissions::from_mode(KEY_FILE_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        place(&beside, path)
    })();
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound && written.is_ok() => {
            return Err(error);
        }
        Ok(()) | Err(_) => {}
    }
    written?;
    File::open(directory)?.sync_all()
}

/// Gives the file its name. A link refuses to replace what is there; where the file system has no
/// links, a look before the rename has to do.
fn place_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs::symlink_metadata(to).is_ok() => {
            Err(io::Error::from(io::ErrorKind::AlreadyExists))
        }
        Err(_) => fs::rename(from, to),
        Ok(()) => Ok(()),
    }
}

pub mod rotation;

#[cfg(test)]
mod tests;
