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

[[provider]]
name = "house"
kind = "home_assistant"
url = "http://ha.lan:8123"
token = "hush"
allow_private = true

[[tracker]]
name = "doors"
provider = "house"
collections = ["binary_sensor.*_door"]
options = { domain = ["binary_sensor"], area = "Kitchen", from = "off", to = ["on", "!unavailable"], for = "10m" }

[[tracker]]
name = "lamps"
provider = "house"
kinds = ["state_changed", "connection_*"]
options = { attribute = "brightness" }

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

[[provider]]
name = "house"
kind = "home_assistant"
url = "ha.lan:8123"
interval = "1m"
api_key = "hush"

[[tracker]]
name = "doors"
provider = "house"
kinds = ["state_change"]
interval = "1m"
options = { domain = "binary_sensr", for = "0s", form = "off" }

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
        expect![[r#"
            home.toml:5:8: provider[0] "power".host: `ups.example:3493` is neither the name of a host nor an address; the port has a key of its own
            home.toml:6:8: provider[0] "power".port: has to lie between 1 and 65535
            home.toml:7:7: provider[0] "power".tls: `tls` is none of `starttls`, `none`
            home.toml:8:12: provider[0] "power".interval: has to lie between 10s and 1h
            home.toml:9:21: provider[0] "power".adaptive_max_skip: has to lie between 0 and 100
            home.toml:10:1: provider[0] "power".usrname: is not a known key; did you mean `username`?
            home.toml:11:1: provider[0] "power".cron: kind `nut` has no `cron`, only `scheduler` has; leave it out
            home.toml:12:1: provider[0] "power".secret: nobody sends to kind `nut`, so it has no `secret`; leave it out
            home.toml:14:1: provider[1] "homeless".host: is missing; it has to be given
            home.toml:21:8: provider[2] "morning".cron: is no cron expression: Component error: Number out of bounds
            home.toml:22:8: provider[2] "morning".zone: `Europe/Lisabon` is no time zone; write one like `Europe/Lisbon` or `UTC`; did you mean `Europe/Lisbon`?
            home.toml:23:10: provider[2] "morning".missed: `twice` is none of `skip`, `once`, `all`
            home.toml:24:18: provider[2] "morning".data.title: has to be text, a number, true or false
            home.toml:25:1: provider[2] "morning".interval: kind `scheduler` has no `interval`, only `immich`, `nut` has; leave it out
            home.toml:27:1: provider[3] "never": `cron`: is missing; say when with `cron` or `every`
            home.toml:35:9: provider[4] "both".every: stands beside `cron`; leave one of them out
            home.toml:40:7: provider[5] "house".url: has to be an address that begins with http:// or https://
            home.toml:41:1: provider[5] "house".interval: kind `home_assistant` has no `interval`, only `immich`, `nut` has; leave it out
            home.toml:42:1: provider[5] "house".api_key: kind `home_assistant` has no `api_key`, only `immich` has; leave it out
            home.toml:47:10: tracker[0] "doors".kinds[0]: kind `home_assistant` has no notice kind `state_change`; did you mean `state_changed`?
            home.toml:48:12: tracker[0] "doors".interval: `house` is not looked at by interval; leave it out
            home.toml:49:22: tracker[0] "doors".options.domain: `binary_sensr` is no domain that Home Assistant comes with; did you mean `binary_sensor`?; write one of your own as a pattern, with `*`
            home.toml:49:44: tracker[0] "doors".options.for: has to lie between 1s and 30d
            home.toml:49:57: tracker[0] "doors".options.form: is not a known option; did you mean `for`?
            home.toml:54:10: tracker[1] "ups".kinds[0]: kind `nut` has no notice kind `on_batery`; did you mean `on_battery`?
            home.toml:55:12: tracker[1] "ups".interval: has to lie between 10s and 1h
            home.toml:56:21: tracker[1] "ups".options.media: is not a known option: this kind of provider has none
            home.toml:61:12: tracker[2] "clock".interval: `never` is not looked at by interval; leave it out
        "#]],
    );
}
