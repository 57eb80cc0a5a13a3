//! notify-bridge: decides who hears what, when and in which words.
//!
//! Read in this order: [`domain`] (the pure core: notices, commands, events, state, `decide` and
//! `evolve`), [`providers`], [`targets`] and [`bots`] (pure: what services say, and how messages are
//! put to them), [`templates`] (the words), [`config`] (the declarative file), [`wire`] (bytes of events),
//! then [`shell`] (everything that touches the world) and [`cli`].
//!
//! **Invariant:** nothing under `domain`, `providers`, `targets`, `bots` or `templates` performs I/O or asks
//! for the time, for randomness or for the environment. These enter as arguments.
//!
//! **Invariant:** every change of state is an event in the log, and only the ledger's one thread
//! ([`shell::ledger`]) appends.
//!
//! **Invariant:** secrets are opened only by the shell's keyring; no type of `domain` can hold one.

pub mod bots;
pub mod cli;
pub mod config;
pub mod domain;
pub mod projections;
pub mod providers;
pub mod search;
pub mod shell;
pub mod targets;
pub mod templates;
pub mod wire;
