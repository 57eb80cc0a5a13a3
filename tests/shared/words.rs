//! The program as it is run from a shell, word by word.

use std::path::Path;
use std::process::{Command, Output};

pub fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notify-bridge"));
    command.args(words);
    command
}

/// What came of it, whatever that is.
pub fn run(words: &[&str]) -> Output {
    program(words).output().expect("the program runs")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it printed; it has to succeed.
pub fn done(words: &[&str]) -> String {
    let output = run(words);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{words:?}: {told}{}",
        stdout(&output)
    );
    stdout(&output)
}

pub fn path(path: &Path) -> &str {
    path.to_str().expect("a path in words")
}
