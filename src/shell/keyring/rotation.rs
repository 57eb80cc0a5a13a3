//! A new key for the secrets of a store, while it serves.
//!
//! First the key file holds the new key and the one before; then every secret is sealed anew, a few in
//! each transaction; then the one before leaves the file. Whenever that is cut off, both keys are
//! there, and the next start goes on.
//!
//! **Invariant:** no frame changes: the fingerprints in the log are made with a key that stays.

use std::path::PathBuf;
use std::sync::PoisonError;

use notify_store::{Batch, SecretChange};
use zeroize::Zeroizing;

use super::{
    Aad, KEY_BYTES, KeyError, KeyId, Keyring, OpenSealedError, Sealing, sealed_with, write_over,
};
use crate::domain::event::Event;
use crate::domain::state::State;
use crate::shell::entropy::{Entropy as _, SystemEntropy};
use crate::shell::ledger::{Ledger, LedgerError, SliceError};

/// Secrets sealed anew in one transaction.
const RESEALED_AT_ONCE_MAX: usize = 64;

/// Why the key was not replaced. What is sealed opens as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    #[error("the store's key is missing, so that nothing can be sealed anew; put it back first")]
    NoKey,
    #[error(
        "the key file cannot be replaced; give it write permission, or replace it where it is managed"
    )]
    File(#[from] KeyError),
    #[error(
        "the secrets cannot be written; the rotation goes on at the next start, or when it is asked for again"
    )]
    Write(#[from] SliceError),
    #[error("the program is stopping; the rotation goes on at the next start")]
    Ledger(#[from] LedgerError),
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    pub key: KeyId,
    /// Secrets sealed anew.
    pub secrets: u64,
    /// Secrets that neither key opens; they stay as they are.
    pub locked: u64,
}

impl Keyring {
    /// Whether a rotation was begun and not ended.
    pub fn is_rotating(&self) -> bool {
        self.keys().before.is_some()
    }

    /// Makes a new key. From here on it seals, and both open. Does nothing when that is so already.
    fn begin_rotation(&self) -> Result<(), RotateError> {
        if self.stand_in {
            return Err(RotateError::NoKey);
        }
        let path = self.file()?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.before.is_some() {
            return Ok(());
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        SystemEntropy.fill(key.as_mut());
        let mut next = keys.clone();
        next.before = Some(std::mem::replace(&mut next.now, Sealing::of(&key)));
        next.marked = true;
        replace(path, &next.text())?;
        *keys = next;
        Ok(())
    }

    /// Forgets the key before.
    fn end_rotation(&self) -> Result<(), RotateError> {
        let path = self.file()?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = keys.clone();
        next.before = None;
        replace(path, &next.text())?;
        *keys = next;
        Ok(())
    }

    fn file(&self) -> Result<PathBuf, RotateError> {
        self.path.clone().ok_or(RotateError::NoKey)
    }
}

fn replace(path: PathBuf, text: &str) -> Result<(), RotateError> {
    write_over(&path, text.as_bytes()).map_err(|source| {
        RotateError::File(KeyError::Io {
            path,
            doing: "replaced",
            source,
        })
    })
}

/// Replaces the key, or goes on with what was begun.
pub async fn rotate(
    ledger: &Ledger,
    keyring: &std::sync::Arc<Keyring>,
) -> Result<Rotated, RotateError> {
    keyring.begin_rotation()?;
    let mut rotated = Rotated {
        key: keyring.id(),
        secrets: 0,
        locked: 0,
    };
    let mut after = None;
    loop {
        let (own, from) = (std::sync::Arc::clone(keyring), after);
        let done = ledger
            .slice(move |log, state| {
                let page = log
                    .reader()
                    .secrets_all(from, RESEALED_AT_ONCE_MAX)
                    .map_err(SliceError::Read)?;
                let Some((position, field, _)) = page.last() else {
                    return Ok(None);
                };
                let last = (*position, *field);
                let (changes, locked) = resealed(state, &own, page);
                let count = changes.len() as u64;
                let batch = Batch::<Event> {
                    secrets: changes,
                    ..Batch::default()
                };
                log.append(&batch)?;
                Ok(Some((last, count, locked)))
            })
            .await??;
        let Some((last, count, locked)) = done else {
            break;
        };
        rotated.secrets += count;
        rotated.locked += locked;
        after = Some(last);
    }
    keyring.end_rotation()?;
    Ok(rotated)
}

/// The secrets of a page that another key sealed, sealed anew; and how many could not be.
fn resealed(
    state: &State,
    keyring: &Keyring,
    page: Vec<(u64, u16, Vec<u8>)>,
) -> (Vec<SecretChange>, u64) {
    let now = keyring.id();
    let mut locked = 0;
    let mut changes = Vec::new();
    for (position, field, sealed) in page {
        if sealed_with(&sealed) == Some(now) {
            continue;
        }
        let place = state.configuration.place_of_secret(position, field);
        let opened = place.map(|(entity, name)| {
            let aad = Aad {
                space: 0,
                entity,
                field: name,
            };
            keyring
                .open(aad, &sealed)
                .map(|opened| keyring.seal(aad, &opened))
        });
        match opened {
            Some(Ok(sealed)) => changes.push(SecretChange {
                position,
                field,
                sealed: Some(sealed),
            }),
            Some(Err(OpenSealedError::WrongKey { .. } | OpenSealedError::Damaged)) | None => {
                tracing::warn!(
                    position,
                    field,
                    "a secret cannot be sealed anew, because it cannot be opened; it stays as it is"
                );
                locked += 1;
            }
        }
    }
    (changes, locked)
}
