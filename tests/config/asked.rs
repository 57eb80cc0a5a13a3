//! Providers that are asked, with the kinds this program has.

use expect_test::{Expect, expect};
use notify_bridge::config::Source;
use notify_bridge::shell::configure;

/// Everything that is wrong with a file, or nothing.
fn check(text: &str, expected: Expect) {
    let sources = [Source {
        file: "home.toml",
        text,
    }];
    let problems = match configure::check(&sources, None) {
        Ok(_) => String::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect(),
    };
    expected.assert_eq(&problems);
}

#[test]
fn what_is_right_is_read() {
    check(
        r#"
[[provider]]
name = "power"
kind = "nut"
host = "fd00::7"
port = 3494
username = "watcher"
password = "hush"
tls = "starttls"
interval = "10s"
adaptive_max_skip = 6
allow_private = true

[[provider]]
name = "morning"
kind = "scheduler"
cron = "0 30 7 * * mon-fri"
zone = "Europe/Lisbon"
missed = "all"
data = { title = "Good morning", day = 1, nice = true, grade = 1.5 }

[[provider]]
name = "hourly"
kind = "scheduler"
every = "1h"

[[tracker]]
name = "ups"
provider = "power"
kinds = ["on_*", "low_battery"]
interval = "1h"
adaptive_max_skip = 0
"#,
        expect![""],
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    check(
        r#"
[[provider]]
name = "power"
kind = "nut"
host = "ups.example:3493"
port = 0
tls = "tls"
interval = "5s"
adaptive_max_skip = 1000
usrname = "watcher"
cron = "* * * * *"
secret = "none"

[[provider]]
name = "homeless"
kind = "nut"

[[provider]]
name = "morning"
kind = "scheduler"
cron = "0 25 * * *"
zone = "Europe/Lisabon"
missed = "twice"
data = { title = ["a"] }
interval = "1m"

[[provider]]
name = "never"
kind = "scheduler"

[[provider]]
name = "both"
kind = "scheduler"
cron = "0 8 * * *"
every = "1h"

[[tracker]]
name = "ups"
provider = "power"
kinds = ["on_batery"]
interval = "2h"
options = { media = "photo" }

[[tracker]]
name = "clock"
provider = "never"
interval = "1m"
"#,
        expect![[r#""#]],
    );
}
