//! Tests of the store through its public API, in one binary.

mod crash;
mod folder;
mod frames;
mod hostile;
mod kill;
mod model;
mod note;
mod side_files;
