//! A real upsd with a driver that plays a UPS, where both are at hand.

use std::path::PathBuf;
use std::process::{Child, Command};

use crate::asked::{cursor, told};
use crate::counterpart;
use crate::harness::TestBridge;
use crate::health::in_time;

/// How often the script is asked to change something, which takes it a moment.
const TRIES_MAX: u32 = 100;

/// The script, while it runs.
struct Upsd {
    script: PathBuf,
    child: Child,
    port: u64,
    driver: u64,
}

impl Upsd {
    /// `None`, with a word about it, where there is no script or no upsd.
    fn start() -> Option<Self> {
        let upsd = ["/lib/nut/upsd", "/usr/lib/nut/upsd"];
        let is_there = upsd.iter().any(|path| std::path::Path::new(path).exists());
        let Some(script) = counterpart::script("start-nut").filter(|_| is_there) else {
            println!("skipped: there is no upsd here, or no script that starts one");
            return None;
        };
        let (child, said) = counterpart::start(Command::new(&script).args(["--maxage", "3"]));
        Some(Upsd {
            script,
            child,
            port: said["port"].as_u64().expect("a port"),
            driver: said["driver_pid"].as_u64().expect("a driver"),
        })
    }

    fn set(&self, variable: &str, value: &str) {
        let port = self.port.to_string();
        self.run(&["--set", &port, variable, value]);
    }

    fn driver(&self, what: &str) {
        let driver = self.driver.to_string();
        self.run(&["--driver", &driver, what]);
    }

    fn run(&self, arguments: &[&str]) {
        let done = || {
            let done = Command::new(&self.script).args(arguments).status();
            done.expect("the script runs").success()
        };
        // A driver that has just begun has no variables yet.
        let tries = 0..TRIES_MAX;
        assert!(tries.into_iter().any(|_| done()), "{arguments:?}");
    }
}

impl Drop for Upsd {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It ends what it started; where it has ended by itself there is nothing to end.
        let _ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _status = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_ups_is_followed() {
    let Some(upsd) = Upsd::start() else {
        return;
    };
    let port = upsd.port;
    let bridge = TestBridge::start(&format!(
        r#"
[[provider]]
name = "power"
kind = "nut"
host = "127.0.0.1"
port = {port}
username = "monuser"
password = "monpass"
allow_private = true
interval = "10s"

[[target]]
name = "kept"
kind = "inbox"

[[tracker]]
name = "ups"
provider = "power"
links = [ {{ target = "kept" }} ]
"#
    ))
    .await;
    let is = |letters: &'static str| {
        move |state: &notify_bridge::domain::state::State| {
            let kept = format!("{letters} Rack UPS");
            cursor(state, "power", "ups/ups") == Some(kept.into_bytes())
        }
    };
    in_time(&bridge, "the first look", is("")).await;
    upsd.set("battery.charge", "9");
    upsd.set("ups.status", "OB DISCHRG LB");
    in_time(&bridge, "the outage", is("bl")).await;
    upsd.set("ups.status", "OL CHRG");
    in_time(&bridge, "its end", is("")).await;
    upsd.driver("stop");
    in_time(&bridge, "the driver stops answering", is("c")).await;
    upsd.driver("cont");
    in_time(&bridge, "the driver answers again", is("")).await;
    assert_eq!(
        told(&bridge),
        [
            "Rack UPS is on battery",
            "Rack UPS has a low battery",
            "Rack UPS is on line power again",
            "Rack UPS has enough charge again",
            "Rack UPS does not answer",
            "Rack UPS answers again",
        ]
    );
    bridge.stop().await;
}
