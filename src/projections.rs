//! What the bridge knows, each part folded from the log.
//!
//! **Invariant:** a projection is a value. It never sends, appends, or asks for anything; memory for
//! an entity goes with the entity.

pub mod access;
pub mod bots;
pub mod configuration;
pub mod counts;
pub mod cursors;
pub mod files;
pub mod groups;
pub mod health;
pub mod inhibitors;
pub mod listening;
pub mod messages;
pub mod outbox;
pub mod retention;
pub mod seen;
pub mod snoozes;
pub mod storms;
pub mod subjects;
pub mod told;
