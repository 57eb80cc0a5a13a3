//! The program in a process of its own, for tests and benches that kill it or look at it from outside.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `serve`.
pub struct Served {
    pub child: Child,
    /// `http://127.0.0.1:8780`.
    pub address: String,
}

impl Served {
    /// Starts it and waits until it says that it is ready. `file` is applied.
    pub fn start(data: &Path, listen: &str, file: Option<&Path>) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notify-bridge"));
        command.args(["serve", "--listen", listen, "--data"]);
        command.arg(data);
        if let Some(file) = file {
            command.arg("--apply").arg(file);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut address = String::new();
        for line in &mut lines {
            let line = line.expect("a line");
            if let Some(found) = line.strip_prefix("listening on ") {
                address = found.trim().to_owned();
            }
            if line.starts_with("ready") {
                break;
            }
        }
        // What it prints from here on is read away, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        assert!(address.starts_with("http://"), "it says where it listens");
        Served { child, address }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }
}
