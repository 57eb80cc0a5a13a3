//! `backup`, `restore`, `rebuild`, `key rotate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Place;
use crate::shell::backup::Secrets;

#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// The file to write; not given: one in `backups/` of the data folder
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// What becomes of secrets: `omit` leaves them out, `sealed` needs the key to open them, `plain`
    /// writes them in the clear
    #[arg(long, value_name = "HOW", default_value = "sealed", value_parser = secrets)]
    pub secrets: Secrets,
    /// File with a passphrase that wraps the key, so that backup and passphrase restore anywhere
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

fn secrets(text: &str) -> Result<Secrets, String> {
    Secrets::parse(text).ok_or_else(|| "is one of omit, sealed, plain".to_owned())
}

#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder of the new store; it must not hold one
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Where the key is or is put, when not in the data folder
    #[arg(long, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// File with the passphrase the backup was made with
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    /// Data folder of a stopped program
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a new key and seal every secret with it; the log stays as it is
    Rotate(Place),
}
