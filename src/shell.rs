//! Everything that touches the world: time, randomness, files, the network.
//!
//! **Invariant:** each kind of effect has one module here, and the linter refuses it elsewhere
//! (`.clippy.toml`): the clock in [`clock`], randomness in [`entropy`], outgoing calls in
//! [`client`], opened secrets in [`keyring`].
//!
//! **Invariant:** what leaves this module for the log, the store or a person went through
//! [`redact`] first.

pub mod address;
pub mod app;
pub mod attending;
pub mod background;
pub mod backup;
pub mod bots;
pub mod caches;
pub mod client;
pub mod clock;
pub mod compaction;
pub mod configure;
pub mod dispatcher;
pub mod entropy;
pub mod families;
pub mod holds;
pub mod http;
pub mod keyring;
pub mod ledger;
pub mod media;
pub mod operate;
pub mod options;
pub mod passwords;
pub mod pollers;
pub mod rebuild;
pub mod redact;
pub mod replay;
pub mod restore;
pub mod salvage;
pub mod search;
pub mod sessions;
pub mod snapshots;
pub mod sources;
pub mod steps;
pub mod upkeep;
pub mod vault;
pub mod verify;
pub mod views;
