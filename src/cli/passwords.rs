use crate::shell::entropy::{Entropy as _, SystemEntropy};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;

/// argon2id in PHC form.
pub fn hash(password: &str) -> String {
    let mut salt = [0u8; 16];
    SystemEntropy.fill(&mut salt);
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("x")
        .to_string()
}
