//! The pure core: what the bridge knows and how it decides.
//!
//! **Invariant:** no module here knows a clock, a network, a disk, a zone database's location or
//! async. What they need of those enters as an argument.

pub mod changes;
pub mod civil;
pub mod command;
pub mod cron;
pub mod decide;
pub mod deferral;
pub mod event;
pub mod family;
pub mod gathering;
pub mod hold;
pub mod id;
pub mod item;
pub mod keeping;
pub mod memo;
pub mod notice;
pub mod policy;
pub mod reason;
pub mod recur;
pub mod redecide;
pub mod retention;
pub mod routing;
pub mod spec;
pub mod state;
pub mod windows;
