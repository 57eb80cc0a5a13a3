//! Bots: identities in a chat service that targets share, and that hear what is said to them.
//!
//! **Invariant:** pure, as [`crate::targets`] is. A kind describes its calls and reads what comes back;
//! the shell performs them, and takes what was heard to the ledger.

pub mod telegram;

/// Kinds of bot, which are called as the kinds of target that use them.
pub const KINDS: [&str; 1] = [telegram::KIND];
/// Secrets of a bot: what it is called with, and what its service proves itself with when it sends.
pub const TOKEN: &str = "token";
/// See [`TOKEN`]; needed where the service sends.
pub const SECRET: &str = "secret";
