//! What a file may say of time, and what it is told when it says it wrong.

use expect_test::{Expect, expect};
use notify_bridge::config::Present;
use notify_bridge::domain::policy::{Span, Threshold};
use notify_bridge::domain::spec::{EntitySpec, Settings};

use crate::fakes::{lines, read_all, read_one};

/// Where a key of the policy may stand.
#[derive(Clone, Copy)]
enum Place {
    Settings,
    Provider,
    Target,
    Receiver,
    Tracker,
    Link,
    Broadcast,
}

use Place::{Broadcast, Link, Provider, Receiver, Settings as InSettings, Target, Tracker};

/// A space in which one place says one thing more.
fn file(place: Place, line: &str) -> String {
    let at = |wanted: Place| {
        if wanted as u8 == place as u8 {
            line
        } else {
            ""
        }
    };
    let receiver = match place {
        Receiver => format!(", {line}"),
        InSettings | Provider | Target | Tracker | Link | Broadcast => String::new(),
    };
    let link = match place {
        Link => format!(", {line}"),
        InSettings | Provider | Target | Receiver | Tracker | Broadcast => String::new(),
    };
    format!(
        r#"[settings]
{}
[[provider]]
name = "code"
kind = "gitea"
{}
[[provider]]
name = "boiler"
kind = "webhook"
[[target]]
name = "desk"
kind = "telegram"
receivers = [{{ to = 1{receiver} }}]
{}
[[target]]
name = "phone"
kind = "telegram"
receivers = [{{ to = 2 }}]
[[target]]
name = "all"
kind = "broadcast"
targets = ["desk", "phone"]
{}
[[tracker]]
name = "t"
provider = "code"
links = [{{ target = "desk"{link} }}]
{}
"#,
        at(InSettings),
        at(Provider),
        at(Target),
        at(Broadcast),
        at(Tracker),
    )
}

/// What is wrong with a line, without where it stands; the spec's own JSON when nothing is.
fn told(place: Place, line: &str) -> String {
    match read_all(&[("a.toml", &file(place, line))], &Present::default()) {
        Ok(_) => "fine\n".into(),
        Err(problems) => problems
            .iter()
            .map(|p| format!("{}: {}\n", p.field, p.message))
            .collect(),
    }
}

fn check(cases: &[(Place, &str)], expected: Expect) {
    let told: String = cases
        .iter()
        .map(|(place, line)| {
            format!(
                "{line}\n  {}",
                told(*place, line).replace('\n', "\n  ").trim_end()
            ) + "\n"
        })
        .collect();
    expected.assert_eq(&told);
}

const FINE: &[(Place, &str)] = &[
    (InSettings, r#"quiet = [{ from = "22:00", to = "07:00" }]"#),
    (InSettings, "quiet = []"),
    (
        Provider,
        r#"quiet = [{ days = ["mon-fri", "sun"], from = "22:00", to = "07:00", zone = "Europe/Lisbon", mode = "drop" }]"#,
    ),
    (
        Tracker,
        r#"quiet = [{ days = ["sat-mon"], from = "00:00", to = "00:00", mode = "silent" }]"#,
    ),
    (Link, "quiet = []"),
    (
        Target,
        r#"quiet = [{ from = "12:00", to = "13:00", mode = "hold" }]"#,
    ),
    (Receiver, "quiet = []"),
    (Target, r#"pace = "20/min""#),
    (Target, r#"pace = "off""#),
    (Receiver, r#"pace = "1/s""#),
    (Receiver, r#"digest = { every = "1h" }"#),
    (
        Receiver,
        r#"digest = { at = ["08:00", "18:30"], after = 20, max = 500 }"#,
    ),
    (Receiver, r#"storm = "20/5m""#),
    (Receiver, r#"storm = "off""#),
    (Link, r#"digest = { after = 20 }"#),
    (Link, r#"digest = { every = "366d", after = 1, max = 1 }"#),
    (Link, r#"digest = "off""#),
    (Tracker, r#"group = { by = "notice.labels.alertname" }"#),
    (
        Tracker,
        r#"group = { by = "notice.kind", wait = "1s", interval = "5m", repeat = "4h" }"#,
    ),
    (Tracker, r#"settle = "2m""#),
    (Tracker, "settle = \"2m\"\nsettle_max = \"2m\""),
    (Tracker, r#"settle_max = "30m""#),
    (Tracker, r#"settle = "0s""#),
    (
        Tracker,
        r#"severity = { push = "warning", issue_closed = "success" }"#,
    ),
    (
        Tracker,
        r#"severity = "'critical' if notice.labels.branch == 'main' else notice.severity""#,
    ),
    (
        Tracker,
        r#"inhibit = [{ when = { provider = "code", kind = "issue_opened", until = "issue_closed" }, except = "critical" }]"#,
    ),
    (
        Tracker,
        r#"inhibit = [{ when = { provider = "boiler", kind = "boiler_cold" } }, { when = { provider = "bridge", kind = "bridge_silent", until = "bridge_heard_again" }, except = "off" }]"#,
    ),
    (Tracker, r#"expect = "26h""#),
    (Provider, r#"expect = "26h""#),
    (Link, r#"pierce = "off""#),
    (Link, r#"pierce = "warning""#),
    (Link, r#"fallback = "phone", fallback_after = "30m""#),
    (Link, r#"fallback = "phone""#),
    (Link, "update = true"),
    (Link, r#"catch_up = "all""#),
    (Link, r#"catch_up = "newest""#),
    (Link, r#"catch_up = "summary""#),
    (Link, r#"catch_up = { max_age = "6h" }"#),
    (Link, r#"wall_clock = "hold""#),
];

#[test]
fn what_is_right_is_read_and_exported_as_it_was() {
    for (place, line) in FINE {
        let text = file(*place, line);
        assert_eq!(told(*place, line), "fine\n", "{line}");
        let document = read_one(&text);
        let mut present = crate::plan::present_of(&document);
        present.settings = document.settings.clone().unwrap_or_default();
        let exported = notify_bridge::config::export(&present, &|_, _, _| None);
        let again = read_one(&exported);
        assert_eq!(again.settings.unwrap_or_default(), present.settings);
        let specs = |document: &notify_bridge::config::Document| {
            let specs = document.entities.iter().map(|draft| draft.spec.clone());
            let mut specs: Vec<EntitySpec> = specs.collect();
            specs.sort_by_key(|spec| (spec.kind(), spec.name().to_owned()));
            specs
        };
        let again = read_one(&exported);
        assert_eq!(specs(&again), specs(&document), "{line}\n{exported}");
    }
}

#[test]
fn windows_say_what_is_wrong_with_them() {
    check(
        &[
            (Tracker, r#"quiet = { from = "22:00", to = "07:00" }"#),
            (Tracker, r#"quiet = [{ from = "22:00" }]"#),
            (Tracker, r#"quiet = [{ from = "25:00", to = "7:00" }]"#),
            (
                Tracker,
                r#"quiet = [{ days = ["monday", "mon-fri", "mon-fri"], from = "22:00", to = "07:00" }]"#,
            ),
            (
                Tracker,
                r#"quiet = [{ days = [], from = "22:00", to = "07:00" }]"#,
            ),
            (
                Tracker,
                r#"quiet = [{ days = "mon", from = 22, to = "07:00" }]"#,
            ),
            (
                Tracker,
                r#"quiet = [{ from = "22:00", to = "07:00", zone = "Europe/Lisbonn", mode = "holt" }]"#,
            ),
            (Tracker, r#"quiet = [{ from = "24:00", to = "24:00" }]"#),
            (Tracker, r#"quiet = [{ form = "22:00", to = "07:00" }]"#),
            (Broadcast, r#"quiet = []"#),
            (InSettings, r#"quiet = "22:00-07:00""#),
        ],
        expect![[r#"
            quiet = { from = "22:00", to = "07:00" }
              tracker[0] "t".quiet: has to be a list in [ ], not a table
            quiet = [{ from = "22:00" }]
              tracker[0] "t".quiet[0].to: is missing; it has to be given
            quiet = [{ from = "25:00", to = "7:00" }]
              tracker[0] "t".quiet[0].from: `25:00` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
              tracker[0] "t".quiet[0].to: `7:00` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
            quiet = [{ days = ["monday", "mon-fri", "mon-fri"], from = "22:00", to = "07:00" }]
              tracker[0] "t".quiet[0].days[0]: `monday` is no day of the week; write one like `sat` or a span like `mon-fri`; did you mean `mon`?
              tracker[0] "t".quiet[0].days[2]: `mon-fri` stands twice, first as entry 1; leave one out
            quiet = [{ days = [], from = "22:00", to = "07:00" }]
              tracker[0] "t".quiet[0].days: names no day, so the window would never begin; leave it out for every day
            quiet = [{ days = "mon", from = 22, to = "07:00" }]
              tracker[0] "t".quiet[0].days: has to be a list in [ ], not text
              tracker[0] "t".quiet[0].from: has to be text in quotes, not a whole number
            quiet = [{ from = "22:00", to = "07:00", zone = "Europe/Lisbonn", mode = "holt" }]
              tracker[0] "t".quiet[0].zone: `Europe/Lisbonn` is no time zone; write one like `Europe/Lisbon` or `UTC`; did you mean `Europe/Lisbon`?
              tracker[0] "t".quiet[0].mode: `holt` is none of `hold`, `silent`, `drop`; did you mean `hold`?
            quiet = [{ from = "24:00", to = "24:00" }]
              tracker[0] "t".quiet[0].from: is the end of a day and no begin; write `00:00` and the day after
            quiet = [{ form = "22:00", to = "07:00" }]
              tracker[0] "t".quiet[0].from: is missing; it has to be given
              tracker[0] "t".quiet[0].form: is not a known key; did you mean `from`?
            quiet = []
              target[2] "all".quiet: a broadcast sends nothing itself, so it has no `quiet`; say it on its targets
            quiet = "22:00-07:00"
              settings.quiet: has to be a list in [ ], not text
        "#]],
    );
    let many = format!(
        "quiet = [{}]",
        r#"{ from = "22:00", to = "07:00" },"#.repeat(33)
    );
    assert_eq!(
        told(Receiver, &many),
        "target[0] \"desk\".receivers[0].quiet: has 33 entries, over the limit of 32\n"
    );
}

#[test]
fn paces_and_digests_say_what_is_wrong_with_them() {
    check(
        &[
            (Target, r#"pace = "20""#),
            (Receiver, "pace = 20"),
            (Receiver, r#"storm = "0/5m""#),
            (Receiver, r#"storm = "1001/5m""#),
            (Broadcast, r#"pace = "1/s""#),
            (Link, r#"pace = "1/s""#),
            (Link, "digest = {}"),
            (Link, "digest = { max = 10 }"),
            (Link, r#"digest = { every = "1h", at = ["08:00"] }"#),
            (Link, r#"digest = { every = "367d" }"#),
            (Link, r#"digest = { every = "500ms" }"#),
            (Link, r#"digest = { at = [] }"#),
            (Link, r#"digest = { at = ["08:00", "08:00", "8"] }"#),
            (Link, "digest = { after = 0, max = 501 }"),
            (Link, r#"digest = { after = "20" }"#),
            (Link, r#"digest = "of""#),
            (Receiver, r#"digest = "off""#),
            (Receiver, r#"digest = { evry = "1h" }"#),
        ],
        expect![[r#"
            pace = "20"
              target[0] "desk".pace: `20`: write a rate like `600/min`, `1/s`, `20/5m`, or `off`
            pace = 20
              target[0] "desk".receivers[0].pace: has to be text in quotes, not a whole number
            storm = "0/5m"
              target[0] "desk".receivers[0].storm: `0/5m`: lets nothing through; write `off` for no limit, or switch it off with `enabled = false`
            storm = "1001/5m"
              target[0] "desk".receivers[0].storm: counts at most 1000 messages; say fewer, or leave it out
            pace = "1/s"
              target[2] "all".pace: a broadcast sends nothing itself, so it has no `pace`; say it on its targets
            pace = "1/s"
              tracker[0] "t".links[0].pace: is not a known key; known here: `target`, `name`, `enabled`, `template`, `locale`, `unknown`, `quiet`, `digest`, `pierce`, `fallback`, `fallback_after`, `update`, `catch_up`, `wall_clock`
            digest = {}
              tracker[0] "t".links[0].digest: does not say when; give `every`, `at` or `after`
            digest = { max = 10 }
              tracker[0] "t".links[0].digest: does not say when; give `every`, `at` or `after`
            digest = { every = "1h", at = ["08:00"] }
              tracker[0] "t".links[0].digest.every: stands beside `at`, and a digest has one of them; leave one out
            digest = { every = "367d" }
              tracker[0] "t".links[0].digest.every: has to lie between 1s and 366d
            digest = { every = "500ms" }
              tracker[0] "t".links[0].digest.every: `500ms`: has to be in whole seconds
            digest = { at = [] }
              tracker[0] "t".links[0].digest.at: names no time of day; give one like `08:00`
            digest = { at = ["08:00", "08:00", "8"] }
              tracker[0] "t".links[0].digest.at[1]: `08:00` stands twice, first as entry 0; leave one out
              tracker[0] "t".links[0].digest.at[2]: `8` is no time of day; write one like `07:00` or `22:00:30`, from `00:00` to `24:00`
            digest = { after = 0, max = 501 }
              tracker[0] "t".links[0].digest.after: has to lie between 1 and 500
              tracker[0] "t".links[0].digest.max: has to lie between 1 and 500
            digest = { after = "20" }
              tracker[0] "t".links[0].digest.after: has to be a whole number, not text
            digest = "of"
              tracker[0] "t".links[0].digest: has to be a table in { }, or `"off"`, not text
            digest = "off"
              target[0] "desk".receivers[0].digest: a receiver has no digest unless it says so; leave it out
            digest = { evry = "1h" }
              target[0] "desk".receivers[0].digest: does not say when; give `every`, `at` or `after`
              target[0] "desk".receivers[0].digest.evry: is not a known key; did you mean `every`?
        "#]],
    );
}

#[test]
fn a_tracker_says_what_is_wrong_with_its_times() {
    check(
        &[
            (Tracker, r#"group = { wait = "30s" }"#),
            (
                Tracker,
                r#"group = { by = "notice.((", wait = "0s", intervall = "5m" }"#,
            ),
            (Tracker, r#"group = "notice.kind""#),
            (Tracker, r#"settle = "two minutes""#),
            (Tracker, "settle = \"2m\"\nsettle_max = \"119s\""),
            (
                Tracker,
                r#"severity = { pusch = "warning", push = "warn" }"#,
            ),
            (Tracker, "severity = {}"),
            (Tracker, r#"severity = "((""#),
            (Tracker, r#"severity = "critical""#),
            (Tracker, "severity = 3"),
            (Tracker, r#"inhibit = [{}]"#),
            (
                Tracker,
                r#"inhibit = [{ when = { provider = "cod", kind = "push" } }]"#,
            ),
            (
                Tracker,
                r#"inhibit = [{ when = { provider = "code", kind = "pusch", until = "firing" }, except = "success" }]"#,
            ),
            (
                Tracker,
                r#"inhibit = [{ when = { provider = "bridge", kind = "bridge_silence" } }]"#,
            ),
            (
                Tracker,
                r#"inhibit = [{ when = { provider = "boiler" }, excpt = "critical" }]"#,
            ),
            (Tracker, r#"expect = "10y""#),
            (Provider, r#"expect = "9999d""#),
            (Target, r#"expect = "26h""#),
        ],
        expect![[r#"
            group = { wait = "30s" }
              tracker[0] "t".group.by: is missing; it has to be given
            group = { by = "notice.((", wait = "0s", intervall = "5m" }
              tracker[0] "t".group.by: does not compile: `((` at byte 7
              tracker[0] "t".group.wait: `0s`: is no time at all; write a duration like `10s`, `5m`, `1h30m` or `7d`
              tracker[0] "t".group.intervall: is not a known key; did you mean `interval`?
            group = "notice.kind"
              tracker[0] "t".group: has to be a table in { }, not text
            settle = "two minutes"
              tracker[0] "t".settle: `two minutes`: write a duration like `10s`, `5m`, `1h30m` or `7d`
            settle = "2m"
            settle_max = "119s"
              tracker[0] "t".settle_max: is shorter than `settle`, 2m, so nothing could settle; make it as long at least
            severity = { pusch = "warning", push = "warn" }
              tracker[0] "t".severity.pusch: kind `gitea` has no notice kind `pusch`; did you mean `push`?
              tracker[0] "t".severity.push: `warn` is none of `info`, `success`, `warning`, `critical`
            severity = {}
              tracker[0] "t".severity: names no notice kind; give one a severity, or leave it out
            severity = "(("
              tracker[0] "t".severity: does not compile: `((` at byte 0
            severity = "critical"
              tracker[0] "t".severity: is an expression, in which `critical` is the name of a value; put the word in quotes once more: `"'critical'"`
            severity = 3
              tracker[0] "t".severity: has to be a table of severities by notice kind, or an expression, not a whole number
            inhibit = [{}]
              tracker[0] "t".inhibit[0].when: is missing; it has to be given
            inhibit = [{ when = { provider = "cod", kind = "push" } }]
              tracker[0] "t".inhibit[0].when.provider: there is no provider `cod`; did you mean `code`?
            inhibit = [{ when = { provider = "code", kind = "pusch", until = "firing" }, except = "success" }]
              tracker[0] "t".inhibit[0].when.kind: kind `gitea` has no notice kind `pusch`; did you mean `push`?
              tracker[0] "t".inhibit[0].when.until: kind `gitea` has no notice kind `firing`
              tracker[0] "t".inhibit[0].except: `success` is none of `critical`, `warning`, `info`, `off`
            inhibit = [{ when = { provider = "bridge", kind = "bridge_silence" } }]
              tracker[0] "t".inhibit[0].when.kind: kind `bridge` has no notice kind `bridge_silence`; did you mean `bridge_silent`?
            inhibit = [{ when = { provider = "boiler" }, excpt = "critical" }]
              tracker[0] "t".inhibit[0].when.kind: is missing; it has to be given
              tracker[0] "t".inhibit[0].excpt: is not a known key; did you mean `except`?
            expect = "10y"
              tracker[0] "t".expect: `10y`: write a duration like `10s`, `5m`, `1h30m` or `7d`
            expect = "9999d"
              provider[0] "code".expect: `9999d`: is longer than ten years
            expect = "26h"
              target[0] "desk".expect: is not a known key; known here: `name`, `kind`, `tags`, `description`, `enabled`, `allow_private`, `locale`, `token`, `bot`, `api_base`, `preview`, `quiet`, `pace`, `receivers`
        "#]],
    );
    let rule = r#"{ when = { provider = "code", kind = "push" } },"#;
    let many = format!("inhibit = [{}]", rule.repeat(17));
    assert_eq!(
        told(Tracker, &many),
        "tracker[0] \"t\".inhibit: has 17 entries, over the limit of 16\n"
    );
}

#[test]
fn a_link_says_what_is_wrong_with_what_it_does_late() {
    check(
        &[
            (Link, r#"pierce = "success""#),
            (Link, r#"fallback = "phon""#),
            (Link, r#"fallback = "desk""#),
            (Link, r#"fallback = "all""#),
            (Link, r#"fallback_after = "30m""#),
            (Link, r#"update = "yes""#),
            (Link, r#"catch_up = "newst""#),
            (Link, r#"catch_up = { max_age = "6 h" }"#),
            (Link, r#"catch_up = { age = "6h" }"#),
            (Link, r#"wall_clock = "keep""#),
        ],
        expect![[r#"
            pierce = "success"
              tracker[0] "t".links[0].pierce: `success` is none of `critical`, `warning`, `info`, `off`
            fallback = "phon"
              tracker[0] "t".links[0].fallback: there is no target `phon`; did you mean `phone`?
            fallback = "desk"
              tracker[0] "t".links[0].fallback: is the link's own target; name another
            fallback = "all"
              tracker[0] "t".links[0].fallback: `all` holds the link's own target; name one apart from it
            fallback_after = "30m"
              tracker[0] "t".links[0].fallback_after: says when, but there is no `fallback` that says where; give one too
            update = "yes"
              tracker[0] "t".links[0].update: has to be true or false, not text
            catch_up = "newst"
              tracker[0] "t".links[0].catch_up: `newst` is none of `all`, `newest`, `summary`; did you mean `newest`?
            catch_up = { max_age = "6 h" }
              tracker[0] "t".links[0].catch_up.max_age: `6 h`: write a duration like `10s`, `5m`, `1h30m` or `7d`
            catch_up = { age = "6h" }
              tracker[0] "t".links[0].catch_up.max_age: is missing; it has to be given
              tracker[0] "t".links[0].catch_up.age: is not a known key; known here: `max_age`
            wall_clock = "keep"
              tracker[0] "t".links[0].wall_clock: `keep` is none of `drop`, `hold`
        "#]],
    );
}

#[test]
fn an_empty_list_of_windows_is_not_an_absent_one() {
    let quiet = |line| {
        let document = read_one(&file(Link, line));
        document
            .entities
            .into_iter()
            .find_map(|draft| match draft.spec {
                EntitySpec::Tracker(tracker) => Some(tracker.links[0].quiet.clone()),
                EntitySpec::Provider(_)
                | EntitySpec::Target(_)
                | EntitySpec::Template(_)
                | EntitySpec::Bot(_) => None,
            })
    };
    assert_eq!(quiet("update = false"), Some(None));
    assert_eq!(quiet("quiet = []"), Some(Some(Vec::new())));
    let settings = |line| read_one(&file(InSettings, line)).settings;
    let none_at_all = Settings {
        quiet: Some(Vec::new()),
        ..Settings::default()
    };
    assert_eq!(settings(""), None);
    assert_eq!(settings("quiet = []"), Some(none_at_all));
}

#[test]
fn the_bridge_is_watched_but_never_configured() {
    let told = |text: &str| match read_all(&[("a.toml", text)], &Present::default()) {
        Ok(_) => "fine\n".to_owned(),
        Err(problems) => lines(&problems),
    };
    assert_eq!(
        told(
            "[[tracker]]\nname = \"t\"\nprovider = \"bridge\"\nkinds = [\"bridge_*\", \"!bridge_storm\"]\n[[template]]\nname = \"w\"\nbridge_silent = \"x\"\n"
        ),
        "fine\n"
    );
    expect![[r#"
        a.toml:2:8: provider[0] "bridge".name: is the name of the bridge itself, under which it tells how it is doing; choose another
        a.toml:6:8: provider[1] "self".kind: is the kind of the bridge itself, which is always there; a tracker may watch it with `provider = "bridge"`
        a.toml:9:12: tracker[0] "t".provider: there is no provider `bridg`; did you mean `bridge`?
        a.toml:13:10: tracker[1] "u".kinds[0]: kind `gitea` has no notice kind like `bridge_silnt`
    "#]]
    .assert_eq(&told(
        "[[provider]]\nname = \"bridge\"\nkind = \"gitea\"\n[[provider]]\nname = \"self\"\nkind = \"bridge\"\n[[tracker]]\nname = \"t\"\nprovider = \"bridg\"\n[[tracker]]\nname = \"u\"\nprovider = \"bridge\"\nkinds = [\"bridge_silnt\"]\n",
    ));
}

#[test]
fn spans_and_thresholds_mean_what_they_say() {
    for (text, seconds) in [("1s", 1), ("1h30m", 5_400), ("366d", 366 * 86_400)] {
        let span: Span = text.parse().expect(text);
        assert_eq!(
            (span.seconds(), span.to_string()),
            (seconds, text.to_owned())
        );
    }
    use notify_bridge::domain::notice::Severity::{Critical, Info, Success, Warning};
    let reaching = |threshold: Threshold| {
        let all = [Info, Success, Warning, Critical].into_iter();
        all.filter(|severity| threshold.is_reached_by(*severity))
            .collect::<Vec<_>>()
    };
    assert_eq!(reaching(Threshold::Critical), [Critical]);
    assert_eq!(reaching(Threshold::Warning), [Warning, Critical]);
    assert_eq!(
        reaching(Threshold::Info),
        [Info, Success, Warning, Critical]
    );
    assert_eq!(reaching(Threshold::Off), []);
}
