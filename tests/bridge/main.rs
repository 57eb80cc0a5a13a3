//! The program end to end, in one process: real listener, real store, real calls to servers that the
//! test runs. Time is a manual clock; a test waits for commits and calls, never for time to pass.

#![expect(
    clippy::disallowed_methods,
    reason = "the test is the outside world: it makes its own clients"
)]

mod asked;
mod asked_upsd;
#[expect(dead_code, reason = "the test that kills the program uses more of it")]
mod botapi;
mod bots;
mod counterpart;
mod delivery;
mod fair;
mod feedback;
mod gathered;
mod harness;
mod health;
mod held;
mod holds;
mod home_assistant;
mod immich;
mod intake;
mod media;
mod pace;
mod pages;
mod quiet;
mod real_home_assistant;
mod redaction;
mod retention;
mod sessions;
mod snapshots;
mod storage;
mod update;
#[path = "../shared/waiting.rs"]
mod waiting;
