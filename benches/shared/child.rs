//! The measured program in a process of its own: this bench started again with another role.
//!
//! A child says where it listens on its first line and ends when its standard input closes, so that
//! none outlives its bench.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const ROLE: &str = "role=";

/// The role this process was started in and its arguments; `None` in the bench itself.
pub fn role() -> Option<(String, Vec<String>)> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next()?.strip_prefix(ROLE)?.to_owned();
    Some((role, arguments.collect()))
}

pub struct Child {
    process: std::process::Child,
    pub address: SocketAddr,
}

impl Child {
    pub fn start(role: &str, arguments: &[&str]) -> std::io::Result<Child> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(format!("{ROLE}{role}"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = process.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line
            .trim()
            .parse()
            .map_err(|_| std::io::Error::other(format!("the child said {line:?}")))?;
        Ok(Child { process, address })
    }

    /// What the kernel tells of the process in this file.
    pub fn told(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Resident memory in MiB, as the kernel counts it.
    pub fn resident_mib(&self) -> f64 {
        self.told("status")
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok())
            .map_or(f64::NAN, |kib| kib / 1_024.0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _gone = self.process.wait();
    }
}

/// In the child: says where it listens.
pub fn listening(address: SocketAddr) {
    println!("{address}");
    let _closed = std::io::stdout().flush();
}

/// In the child: returns when the bench lets go of it.
pub fn wait_for_the_end() {
    let mut rest = Vec::new();
    let _closed = std::io::stdin().read_to_end(&mut rest);
}
