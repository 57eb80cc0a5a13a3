//! The API over a real listener and a real store, in one process with a manual clock. A test waits
//! for commits, never for time to pass.

#[path = "api/access.rs"]
mod access;
#[path = "api/asked.rs"]
mod asked;
#[path = "api/bots.rs"]
mod bots;
#[path = "api/harness.rs"]
mod harness;
#[path = "api/held.rs"]
mod held;
#[path = "api/operating.rs"]
mod operating;
#[path = "api/quiet.rs"]
mod quiet;
#[path = "api/reading.rs"]
mod reading;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/search.rs"]
mod search;
#[path = "api/secrets.rs"]
mod secrets;
#[path = "shared/waiting.rs"]
mod waiting;
