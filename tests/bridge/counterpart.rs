//! A script that starts a real service, stays in the foreground and says in one line of JSON where it is.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Where the script of this name is, when there is one.
pub fn script(name: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/counterparts")
        .join(name);
    script.exists().then_some(script)
}

/// Starts it, and gives what it says.
pub fn start(command: &mut Command) -> (Child, Value) {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    std::io::BufReader::new(out)
        .read_line(&mut line)
        .expect("the script says where it is");
    (child, serde_json::from_str(&line).expect("a line of JSON"))
}
