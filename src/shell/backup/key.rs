//! The key in a backup.
//!
//! | offset | size | a wrapped key |
//! |---|---|---|
//! | 0 | 1 | 1 |
//! | 1 | 4 | argon2id: memory in KiB, little-endian, ≤ 131 072 |
//! | 5 | 4 | passes, ≤ 16 |
//! | 9 | 4 | lanes, ≤ 4 |
//! | 13 | 16 | salt |
//! | 29 | 24 | nonce |
//! | 53 | … | the text of the key file, sealed by XChaCha20-Poly1305 with the argon2id (version 19) hash of the passphrase; associated data: `notify-bridge backup key 1` and bytes 0–52 |
//!
//! With secrets in the clear it is one byte 2 and the 32 bytes of the key of the fingerprints, so that
//! a restored store sees which secrets of a file are the ones it has.
//!
//! **Invariant:** what a hostile backup asks for is bounded before any memory is taken.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::shell::entropy::{Entropy as _, SystemEntropy};
use crate::shell::keyring::KEY_BYTES;

/// Memory, passes and lanes of argon2id: about a quarter of a second.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// The most that is done for a backup that asks for it.
const MEMORY_KIB_MAX: u32 = 128 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 4;

const WRAPPED: u8 = 1;
const MARKS: u8 = 2;
const SALT_AT: usize = 13;
const NONCE_AT: usize = 29;
const HEAD_BYTES: usize = 53;
const DOMAIN: &[u8] = b"notify-bridge backup key 1";

/// Shortest passphrase, in characters: the file may be tried for years.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

/// The key piece of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPiece(Vec<u8>);

/// Why a key was not wrapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    #[error("the passphrase is shorter than {PASSPHRASE_CHARS_MIN} characters")]
    Short,
    #[error("the passphrase cannot be hashed: {0}")]
    Hash(String),
}

/// Why a wrapped key was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapError {
    #[error("the key of the backup is not in a form this program knows")]
    Unknown,
    #[error(
        "the key of the backup asks for {what}, more than this program gives; use another backup"
    )]
    TooMuch { what: String },
    #[error("the passphrase does not open the key of the backup; give the one it was made with")]
    Wrong,
    #[error("the passphrase cannot be hashed: {0}")]
    Hash(String),
}

/// What a key piece holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Wrapped,
    Marks([u8; KEY_BYTES]),
}

impl KeyPiece {
    /// As it stands in a backup.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn of(bytes: Vec<u8>) -> Self {
        KeyPiece(bytes)
    }

    pub fn marks(marks: &[u8; KEY_BYTES]) -> Self {
        let mut bytes = vec![MARKS];
        bytes.extend_from_slice(marks);
        KeyPiece(bytes)
    }

    /// Wraps the text of a key file.
    pub fn wrap(text: &str, passphrase: &str) -> Result<Self, WrapError> {
        if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(WrapError::Short);
        }
        let mut head = [0; HEAD_BYTES];
        head[0] = WRAPPED;
        head[1..5].copy_from_slice(&MEMORY_KIB.to_le_bytes());
        head[5..9].copy_from_slice(&PASSES.to_le_bytes());
        head[9..SALT_AT].copy_from_slice(&LANES.to_le_bytes());
        SystemEntropy.fill(&mut head[SALT_AT..]);
        let (cipher, nonce) = cipher(passphrase, &head).map_err(WrapError::Hash)?;
        let payload = Payload {
            msg: text.as_bytes(),
            aad: &bound_to(&head),
        };
        let sealed = cipher
            .encrypt(&nonce, payload)
            .map_err(|error| WrapError::Hash(error.to_string()))?;
        let mut bytes = head.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(KeyPiece(bytes))
    }

    pub fn holds(&self) -> Result<Holds, UnwrapError> {
        match self.0.split_first() {
            Some((&WRAPPED, rest)) if rest.len() >= HEAD_BYTES => Ok(Holds::Wrapped),
            Some((&MARKS, rest)) => rest
                .try_into()
                .map(Holds::Marks)
                .map_err(|_| UnwrapError::Unknown),
            Some(_) | None => Err(UnwrapError::Unknown),
        }
    }

    /// Opens a wrapped key.
    pub fn unwrap(&self, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let Some((head, sealed)) = self.0.split_first_chunk::<HEAD_BYTES>() else {
            return Err(UnwrapError::Unknown);
        };
        if head[0] != WRAPPED {
            return Err(UnwrapError::Unknown);
        }
        let [memory, passes, lanes] = numbers(head);
        if memory > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
            return Err(UnwrapError::TooMuch {
                what: format!("{memory} KiB, {passes} passes and {lanes} lanes"),
            });
        }
        let (cipher, nonce) = cipher(passphrase, head).map_err(UnwrapError::Hash)?;
        let payload = Payload {
            msg: sealed,
            aad: &bound_to(head),
        };
        cipher
            .decrypt(&nonce, payload)
            .map(Zeroizing::new)
            .map_err(|_| UnwrapError::Wrong)
    }
}

fn numbers(head: &[u8; HEAD_BYTES]) -> [u32; 3] {
    [1, 5, 9].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]))
}

fn cipher(
    passphrase: &str,
    head: &[u8; HEAD_BYTES],
) -> Result<(XChaCha20Poly1305, XNonce), String> {
    let [memory, passes, lanes] = numbers(head);
    let params = Params::new(memory, passes, lanes, Some(KEY_BYTES)).map_err(|e| e.to_string())?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(
            passphrase.as_bytes(),
            &head[SALT_AT..NONCE_AT],
            key.as_mut(),
        )
        .map_err(|e| e.to_string())?;
    let mut nonce = [0; HEAD_BYTES - NONCE_AT];
    nonce.copy_from_slice(&head[NONCE_AT..]);
    Ok((XChaCha20Poly1305::new((&*key).into()), XNonce::from(nonce)))
}

fn bound_to(head: &[u8; HEAD_BYTES]) -> Vec<u8> {
    [DOMAIN, head].concat()
}
