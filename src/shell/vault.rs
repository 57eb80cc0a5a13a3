//! Opened secrets of configured entities, kept while the entity stays as it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::keyring::{Aad, Keyring};
use super::ledger::Ledger;
use super::redact::Redactor;
use crate::domain::spec::{EntityKind, SecretMarks};

/// The secrets of one entity in the clear, and what hides them. Lives in the shell only.
pub struct Opened {
    pub values: BTreeMap<String, String>,
    pub redactor: Redactor,
}

impl Opened {
    /// The provider's secrets that a sender may prove itself with, newest first.
    pub fn sender_secrets(&self) -> Vec<&[u8]> {
        ["secret", "secret.2"]
            .iter()
            .filter_map(|field| self.values.get(*field))
            .map(String::as_bytes)
            .collect()
    }
}

/// Why the secrets of an entity cannot be used. What it would send is held until they can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error(
        "the secret {0} is sealed with another key than the one in use; bring back the key file, or set the secret anew"
    )]
    WrongKey(String),
    #[error("the secret {0} is damaged; set it anew")]
    Damaged(String),
    #[error("the secret {0} cannot be read from the store")]
    Unreadable(String),
}

type Key = (EntityKind, u32);

pub struct Vault {
    ledger: Ledger,
    keyring: Arc<Keyring>,
    /// By entity, with the revision they were opened for. At most one entry an entity.
    opened: Mutex<HashMap<Key, (u64, Arc<Opened>)>>,
}

impl Vault {
    pub fn new(ledger: Ledger, keyring: Arc<Keyring>) -> Self {
        Vault {
            ledger,
            keyring,
            opened: Mutex::new(HashMap::new()),
        }
    }

    pub fn shared_keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Opens secrets without keeping them.
    pub fn open_fresh(
        &self,
        id: u32,
        marks: &SecretMarks,
    ) -> Result<BTreeMap<String, String>, VaultError> {
        let mut values = BTreeMap::new();
        for (field, mark) in marks {
            let sealed = match self.ledger.reader().secret(mark.position, mark.slot) {
                Ok(Some(sealed)) => sealed,
                Ok(None) | Err(_) => return Err(VaultError::Unreadable(field.clone())),
            };
            let opened = self
                .keyring
                .open(
                    Aad {
                        space: 0,
                        entity: id,
                        field,
                    },
                    &sealed,
                )
                .map_err(|error| match error {
                    super::keyring::OpenSealedError::WrongKey { .. } => {
                        VaultError::WrongKey(field.clone())
                    }
                    _ => VaultError::Damaged(field.clone()),
                })?;
            let text = String::from_utf8(opened.to_vec())
                .map_err(|_| VaultError::Damaged(field.clone()))?;
            values.insert(field.clone(), text);
        }
        Ok(values)
    }

    /// Opens the secrets of an entity as of its revision.
    pub fn open(
        &self,
        kind: EntityKind,
        id: u32,
        revision: u64,
        marks: &SecretMarks,
    ) -> Result<Arc<Opened>, VaultError> {
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, opened)) = lock().get(&(kind, id))
            && *known == revision
        {
            return Ok(Arc::clone(opened));
        }
        let values = self.open_fresh(id, marks)?;
        let opened = Arc::new(Opened {
            redactor: Redactor::of_fields(&values),
            values,
        });
        let mut kept = lock();
        // Entities that are gone leave with the next one that is opened.
        let state = self.ledger.state();
        kept.retain(|(kind, id), _| state.configuration.secrets(*kind, *id).is_some());
        drop(state);
        kept.insert((kind, id), (revision, Arc::clone(&opened)));
        Ok(opened)
    }
}
