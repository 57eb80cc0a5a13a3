//! The program in its folder, with an empty environment.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What webhooks are signed with.
pub const SECRET: &str = "only within these walls";

pub struct Program {
    /// Where the program `chroot` is.
    pub chroot: PathBuf,
    pub folder: PathBuf,
}

impl Program {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.chroot);
        command
            .arg(&self.folder)
            .arg("/notify-bridge")
            .args(words)
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, wants this exit code, and gives all it said.
    pub fn expect(&self, words: &[&str], code: i32) -> String {
        let output = self.command(words).output().expect("chroot starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?} said: {said}");
        said
    }

    /// Starts it, and returns when it says that it is ready.
    pub fn serve(&self, more: &[&str]) -> Serving {
        let words = [
            &["serve", "--data", "/data", "--listen", "127.0.0.1:0"],
            &["--apply", "/bridge.toml"][..],
            more,
        ]
        .concat();
        let mut child = self
            .command(&words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("chroot starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut port = None;
        for line in &mut lines {
            let line = line.expect("a line");
            if let Some(address) = line.strip_prefix("listening on ") {
                port = address
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse().ok());
            }
            if line.starts_with("ready") {
                break;
            }
        }
        // What it prints from here on is read away, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Serving {
            child,
            port: port.expect("it says where it listens"),
        }
    }
}

pub struct Serving {
    child: Child,
    pub port: u16,
}

impl Serving {
    pub async fn get(&self, path: &str) -> (u16, String) {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
        self.ask(request).await
    }

    /// Sends a signed webhook with this title, and gives the status of its answer.
    pub async fn send(&self, title: &str) -> u16 {
        let body = serde_json::json!({"title": title}).to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let request = format!(
            "POST /hooks/door HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\nx-sign: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ask(request).await.0
    }

    async fn ask(&self, request: String) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("it listens");
        let mut answer = String::new();
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is told");
        stream
            .read_to_string(&mut answer)
            .await
            .expect("it answers");
        let status = answer.get(9..12).and_then(|status| status.parse().ok());
        (status.expect("a status"), answer)
    }

    /// Ends it as a service manager does.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is told");
        let ended = self.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(0), "it ends in order");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // After a failed proof; otherwise it has ended.
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}
