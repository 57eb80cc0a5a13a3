//! Tests of the store through its public API, in one binary.

#![expect(
    clippy::disallowed_methods,
    reason = "tests talk to their child processes through the environment"
)]

mod backup;
mod crash;
mod folder;
mod frames;
mod hostile;
mod kill;
mod model;
mod note;
mod side_files;
