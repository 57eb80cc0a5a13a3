//! Secrets of the person at the command line: from a file, from the environment, or asked for.

use std::io::{self, IsTerminal};
use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::config::Outside as _;
use crate::shell::configure::OwnSurroundings;
use crate::shell::passwords;

/// Longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// The first line of a file, which must not be empty.
pub fn of_file(option: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = OwnSurroundings
        .file(&path.to_string_lossy())
        .map(Zeroizing::new)
        .map_err(|why| {
            Failure::Input(format!(
                "{option}: {} cannot be read: {why}",
                path.display()
            ))
        })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() || line.len() > SECRET_BYTES_MAX || line.contains('\n') {
        return Err(Failure::Input(format!(
            "{option}: {} has to hold the secret on one line",
            path.display()
        )));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// A new password: from the file, from `NOTIFY_BRIDGE_PASSWORD`, or asked for twice without echo.
pub fn new_password(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    if let Some(file) = file {
        return of_file("--password-file", file);
    }
    if let Some(password) = OwnSurroundings.env("NOTIFY_BRIDGE_PASSWORD") {
        return Ok(Zeroizing::new(password));
    }
    if !io::stdin().is_terminal() {
        let help =
            "give the password in a file: --password-file FILE or NOTIFY_BRIDGE_PASSWORD_FILE";
        return Err(Failure::Input(help.to_owned()));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| Failure::caused("the password cannot be read", error))
    };
    let first = ask("Password: ")?;
    if first.is_empty() {
        return Err(Failure::Input("the password is empty".to_owned()));
    }
    if *ask("Again: ")? != *first {
        return Err(Failure::Input("the two passwords differ".to_owned()));
    }
    Ok(first)
}

/// What is stored of a password.
pub fn hashed(password: &str) -> Result<String, Failure> {
    passwords::hash_now(password).map_err(|error| match error {
        passwords::PasswordError::TooShort | passwords::PasswordError::TooLong => {
            Failure::Input(format!("the password {error}"))
        }
        passwords::PasswordError::Failed(_) => Failure::Failed(format!("the password {error}")),
    })
}
