//! Passwords: argon2id, at most a few at a time, never on a thread that serves requests.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::entropy::{Entropy, SystemEntropy};

/// Memory that one hash takes, in KiB.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
pub const PASSES: u32 = 2;
/// Hashes worked out at a time; more wait.
pub const AT_ONCE_MAX: usize = 2;
/// Shortest password taken, in characters.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password taken, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
const SALT_BYTES: usize = 16;

/// Why a password was not hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("has fewer than {PASSWORD_CHARS_MIN} characters; take a longer one")]
    TooShort,
    #[error("has more than {PASSWORD_BYTES_MAX} bytes; take a shorter one")]
    TooLong,
    #[error("could not be hashed: {0}")]
    Failed(String),
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a new password, in PHC form. Takes tens of milliseconds: for the command line.
pub fn hash_now(password: &str) -> Result<String, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(PasswordError::TooShort);
    }
    let mut salt = [0; SALT_BYTES];
    SystemEntropy.fill(&mut salt);
    hasher()?
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Failed(error.to_string()))
}

/// Whether this is the password of a hash; false for a hash that cannot be read.
pub fn verify_now(password: &str, hash: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let (Ok(hasher), Ok(hash)) = (hasher(), PasswordHash::new(hash)) else {
        return false;
    };
    hasher.verify_password(password.as_bytes(), &hash).is_ok()
}

/// Hashes and verifies for requests.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Passwords(Arc::new(Semaphore::new(AT_ONCE_MAX)))
    }
}

impl Passwords {
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let failed = |error: String| PasswordError::Failed(error);
        // The permit goes with the work: a caller that gives up does not make room early.
        let permit = Arc::clone(&self.0)
            .acquire_owned()
            .await
            .map_err(|error| failed(error.to_string()))?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .map_err(|error| failed(error.to_string()))
    }

    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, PasswordError> {
        self.work(move || hash_now(&password)).await?
    }

    pub async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: String,
    ) -> Result<bool, PasswordError> {
        self.work(move || verify_now(&password, &hash)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash_now("correct horse").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, hash_now("correct horse").unwrap());
        assert!(verify_now("correct horse", &hash));
        assert!(!verify_now("correct horsf", &hash));
        assert!(!verify_now("correct horse", "not a hash"));
        assert_eq!(hash_now("short"), Err(PasswordError::TooShort));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(hash_now(&long), Err(PasswordError::TooLong));
    }
}
