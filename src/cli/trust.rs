//! The roots of trust that the command line names.

use std::path::PathBuf;

use super::failure::Failure;
use crate::shell::client::{Roots, RootsError};
use crate::shell::ledger::Causes;

/// The bundled roots and those of the files.
pub fn roots(files: &[PathBuf]) -> Result<Roots, Failure> {
    Roots::with_files(files).map_err(|error: RootsError| Failure::Input(Causes(&error).to_string()))
}
