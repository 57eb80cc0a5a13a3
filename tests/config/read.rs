//! What `read` makes of texts.

use expect_test::{Expect, expect, expect_file};
use notify_bridge::config::{Present, SecretText};
use notify_bridge::domain::spec::EntitySpec;

use crate::fakes::{lines, read_all, read_one};

const HOUSEHOLD: &str = include_str!("../../fixtures/config/household.toml");

/// Every problem of one file.
pub(super) fn check(text: &str, expected: Expect) {
    check_files(&[("a.toml", text)], expected);
}

fn check_files(sources: &[(&str, &str)], expected: Expect) {
    let told = match read_all(sources, &Present::default()) {
        Ok(_) => "fine\n".to_owned(),
        Err(problems) => lines(&problems),
    };
    expected.assert_eq(&told);
}

/// A text, and behind it a provider of kind `gitea` and a telegram target.
pub(super) fn with_basics(text: &str) -> String {
    format!(
        "{text}\n[[provider]]\nname = \"code\"\nkind = \"gitea\"\n\
         [[target]]\nname = \"desk\"\nkind = \"telegram\"\nreceivers = [{{ to = 1 }}]\n"
    )
}

#[test]
fn everything_this_version_has_is_read() {
    let document = read_one(HOUSEHOLD);
    let mut told = format!("{:?}\n{:?}\n", document.space, document.settings);
    for draft in &document.entities {
        let json = serde_json::to_string(&draft.spec).expect("a spec has JSON");
        told += &format!("{}:{} {json}\n", draft.line, draft.field);
        for (field, text) in &draft.secrets {
            told += &format!("  {field} = {text:?}\n");
        }
    }
    expect_file!["../../fixtures/config/household.read"].assert_eq(&told);
}

#[test]
fn eight_faults_are_named_at_once() {
    let text = include_str!("../../fixtures/config/eight_faults.toml");
    let problems = read_all(&[("eight_faults.toml", text)], &Present::default())
        .expect_err("the file has faults");
    assert!(problems.len() >= 8);
    expect_file!["../../fixtures/config/eight_faults.problems"].assert_eq(&lines(&problems));
}

#[test]
fn keys_of_later_versions_are_refused_by_name() {
    check(
        &with_basics(
            r#"
settings = { backup = { keep = 7 } }
action = [{ name = "b" }]
[[tracker]]
name = "t"
provider = "code"
interval = "2m"
options = { media = "all" }
[[target]]
name = "mail"
kind = "email"
from = "a@b.example"
[[provider]]
name = "photos"
kind = "immich"
api_key = "k"
[[template]]
name = "w"
enabled = false
default = "x"
"#,
        ),
        expect![[r#"
            a.toml:2:23: settings.backup.at: is missing; it has to be given
            a.toml:3:1: action: this version does not have `action` yet; leave it out
            a.toml:7:12: tracker[0] "t".interval: `code` is not looked at by interval; leave it out
            a.toml:8:21: tracker[0] "t".options.media: is not a known option: this kind of provider has none
            a.toml:11:8: target[0] "mail".kind: this version does not have the target kind `email` yet
            a.toml:15:8: provider[0] "photos".kind: this version does not have the provider kind `immich` yet
            a.toml:19:11: template[0] "w".enabled: this version does not have `enabled` on a template yet; leave it out
        "#]],
    );
}

#[test]
fn unknown_keys_and_words_suggest_the_nearest() {
    check(
        &with_basics(
            r#"
[[providers]]
name = "x"
[[tracker]]
name = "t"
providr = "code"
provider = "cod"
kinds = ["push", "!"]
links = [{ target = "desk", unknown = "parc", templat = "x" }]
[[target]]
name = "hook"
kind = "webhok"
[[template]]
name = "w"
isue_opened = "x"
descripton = "y"
boiler_cold = "mapped kinds are free"
No = "x"
"#,
        ),
        expect![[r#"
            a.toml:2:3: providers: is not a known key; did you mean `provider`?
            a.toml:6:1: tracker[0] "t".providr: is not a known key; did you mean `provider`?
            a.toml:7:12: tracker[0] "t".provider: there is no provider `cod`; did you mean `code`?
            a.toml:8:18: tracker[0] "t".kinds[1]: negates nothing; write what to leave out after the `!`
            a.toml:9:39: tracker[0] "t".links[0].unknown: `parc` is none of `retry`, `park`; did you mean `park`?
            a.toml:9:47: tracker[0] "t".links[0].templat: is not a known key; did you mean `template`?
            a.toml:12:8: target[0] "hook".kind: `webhok` is no target kind; did you mean `webhook`?
            a.toml:15:15: template[0] "w".isue_opened: no provider kind has a notice kind `isue_opened`; did you mean `issue_opened`?
            a.toml:16:14: template[0] "w".descripton: no provider kind has a notice kind `descripton`; did you mean `description`?
            a.toml:18:6: template[0] "w".No: `No` is not a notice kind: small letters, digits and `_`
        "#]],
    );
}

#[test]
fn values_have_their_types() {
    check(
        r#"
[settings]
space = 3
locale = "English"
public_url = "https://user:pw@x.example"
[provider]
name = "one"
[[target]]
name = "café"
kind = "telegram"
enabled = "yes"
tags = ["a", "a"]
receivers = [
  { to = 1.5 },
  { to = 99999999999999999999 },
  { to = "", name = "x\ny" },
  "7",
  { to = 0x10, thread = 1_0 },
]
[[tracker]]
description = "no name"
links = {}
collections = ["a[", "ok/*"]
"#,
        expect![[r#"
            a.toml:3:9: settings.space: has to be text in quotes, not a whole number
            a.toml:4:10: settings.locale: `English` is no locale; write one like `en` or `pt-BR`
            a.toml:5:14: settings.public_url: holds a user name or password, which would be shown; leave them out
            a.toml:6:1: provider: is one table, but there may be many: write [[provider]] in double brackets
            a.toml:9:8: target[0] "café".name: `café` is not a name: small letters, digits, `-` and `_`, at most 63, beginning with a letter or digit
            a.toml:11:11: target[0] "café".enabled: has to be true or false, not text
            a.toml:12:14: target[0] "café".tags[1]: `a` stands twice, first as entry 0; leave one out
            a.toml:14:10: target[0] "café".receivers[0].to: has to be text or a whole number, not a number
            a.toml:15:10: target[0] "café".receivers[1].to: is too large for a number; put it in quotes
            a.toml:16:10: target[0] "café".receivers[2].to: is empty; give it a value or leave it out
            a.toml:16:21: target[0] "café".receivers[2].name: holds a line break or another invisible character; write one plain line
            a.toml:17:3: target[0] "café".receivers[3]: has to be a table in { }, not text
            a.toml:20:1: tracker[0].name: is missing; it has to be given
            a.toml:20:1: tracker[0].provider: is missing; it has to be given
            a.toml:22:9: tracker[0].links: has to be a list in [ ], not a table
            a.toml:23:16: tracker[0].collections[0]: `a[` is not a glob (unclosed character class; missing ']'); `*`, `?`, `[…]` and `{…}` have a meaning, `\` before one takes it away
        "#]],
    );
}

#[test]
fn receivers_follow_their_kind() {
    check(
        r#"
[[target]]
name = "a"
kind = "telegram"
[[target]]
name = "b"
kind = "telegram"
receivers = []
username = "x"
[[target]]
name = "c"
kind = "telegram"
receivers = [
  { to = 1, name = "x" }, { to = 2, name = "x" }, { to = 1, name = "y" },
  { to = 5, thread = 6 }, { to = "5:6" }, { to = 8, thread_name = "z", loud = true },
]
[[target]]
name = "d"
kind = "webhook"
receivers = [{ to = 1 }]
token = "x"
method = "GET"
body = "{{ a"
[[target]]
name = "e"
kind = "discord"
receivers = [{}, { thread = 4 }, { to = 5 }]
"#,
        expect![[r#"
            a.toml:2:1: target[0] "a".receivers: is missing; it has to be given
            a.toml:8:13: target[1] "b".receivers: names no receiver; a target of this kind needs at least one
            a.toml:9:1: target[1] "b".username: kind `telegram` has no `username`, only `discord` has; leave it out
            a.toml:14:27: target[2] "c".receivers[1]: is named `x` like receivers[0]; give one another `name`
            a.toml:14:51: target[2] "c".receivers[2]: is the same place as receivers[0]; leave one out
            a.toml:15:27: target[2] "c".receivers[4]: is named `5:6` like receivers[3]; give one another `name`
            a.toml:15:53: target[2] "c".receivers[5].thread_name: receivers of kind `telegram` have no `thread_name`, only those of `discord` have; leave it out
            a.toml:15:72: target[2] "c".receivers[5].loud: is not a known key; known here: `to`, `name`, `thread`, `locale`, `silent`, `protect`, `preview`, `enabled`, `quiet`, `pace`, `digest`, `storm`
            a.toml:20:1: target[3] "d".receivers: kind `webhook` has exactly one receiver, `default`; leave it out
            a.toml:21:1: target[3] "d".token: kind `webhook` has no `token`, only `telegram` has; leave it out
            a.toml:22:10: target[3] "d".method: `GET` is none of `POST`, `PUT`, `PATCH`
            a.toml:23:8: target[3] "d".body: does not compile: `{{` and `}}` do not match
            a.toml:27:34: target[4] "e".receivers[2]: is named `default` like receivers[0]; give one another `name`
            a.toml:27:36: target[4] "e".receivers[2].to: receivers of kind `discord` have no `to`, only those of `telegram` have; leave it out
        "#]],
    );
}

#[test]
fn receivers_are_named_after_where_they_are() {
    let document = read_one(HOUSEHOLD);
    let names: Vec<String> = document
        .entities
        .iter()
        .filter_map(|draft| match &draft.spec {
            EntitySpec::Target(target) => Some(&target.receivers),
            EntitySpec::Provider(_)
            | EntitySpec::Tracker(_)
            | EntitySpec::Template(_)
            | EntitySpec::Bot(_) => None,
        })
        .flatten()
        .map(|receiver| format!("{}={}/{:?}", receiver.name, receiver.to, receiver.thread))
        .collect();
    assert_eq!(
        names,
        [
            r#"kitchen=-100777/Some("12")"#,
            "@greta=@greta/None",
            r#"4711:5=4711/Some("5")"#,
            "default=/None",
            "default=/None",
        ]
    );
}

#[test]
fn broadcasts_hold_targets_that_are_none() {
    check(
        &with_basics(
            r#"
[[target]]
name = "all"
kind = "broadcast"
targets = ["desk", "all", "more", "dest"]
off = ["ghost"]
[[target]]
name = "more"
kind = "broadcast"
targets = []
receivers = [{ to = 1 }]
token = "x"
[[target]]
name = "none"
kind = "broadcast"
"#,
        ),
        expect![[r#"
            a.toml:5:20: target[0] "all".targets[1]: is this broadcast itself; name the targets it stands for
            a.toml:5:27: target[0] "all".targets[2]: `more` is itself a broadcast; name its targets instead
            a.toml:5:35: target[0] "all".targets[3]: there is no target `dest`; did you mean `desk`?
            a.toml:6:8: target[0] "all".off[0]: `ghost` is not among `targets`, so it cannot be switched off here
            a.toml:10:11: target[1] "more".targets: names no target; a broadcast stands for at least one
            a.toml:11:1: target[1] "more".receivers: a broadcast has no receivers but `targets`; leave it out
            a.toml:12:1: target[1] "more".token: kind `broadcast` has no `token`, only `telegram` has; leave it out
            a.toml:13:1: target[2] "none".targets: is missing; it has to be given
        "#]],
    );
}

#[test]
fn trackers_refer_to_what_exists_and_leave_something() {
    check(
        &with_basics(
            r#"
[[tracker]]
name = "t"
provider = "code"
kinds = ["push", "!pus*"]
where = "((notice"
links = [{ target = "desk" }, { target = "desk" }, { target = "desk", name = "n" }, { target = "desk", name = "n" }, { template = "nope" }]
[[tracker]]
name = "u"
provider = "code"
kinds = ["pusch", "deploy*", "!release_delete", "issue_*", "!*_closed"]
"#,
        ),
        expect![[r#"
            a.toml:5:9: tracker[0] "t".kinds: leaves no notice kind: what it names it also takes away
            a.toml:6:9: tracker[0] "t".where: does not compile: `((` at byte 0
            a.toml:7:31: tracker[0] "t".links[1]: leads to `desk` like links[0]; give one a `name` of its own, or leave it out
            a.toml:7:85: tracker[0] "t".links[3]: leads to `desk` like links[2]; give one a `name` of its own, or leave it out
            a.toml:7:118: tracker[0] "t".links[4].target: is missing; it has to be given
            a.toml:7:131: tracker[0] "t".links[4].template: there is no template `nope`; add a [[template]] of that name
            a.toml:11:10: tracker[1] "u".kinds[0]: kind `gitea` has no notice kind `pusch`; did you mean `push`?
            a.toml:11:19: tracker[1] "u".kinds[1]: kind `gitea` has no notice kind like `deploy*`
            a.toml:11:30: tracker[1] "u".kinds[2]: kind `gitea` has no notice kind `release_delete`; did you mean `release_deleted`?
        "#]],
    );
}

#[test]
fn providers_verify_as_their_kind_can() {
    check(
        r#"
[[provider]]
name = "a"
kind = "gitea"
verify = "path"
map = { title = "x" }
[[provider]]
name = "b"
kind = "webhook"
verify = { hmac_sha256 = "X Sum", encoding = "base32", hmac_sha1 = "x" }
secret = ["a", "b", "c"]
body_max = "26MiB"
[provider.map]
title = "body.(("
labels = { host = "((", fine = "body.x" }
titel = "body.x"
[[provider]]
name = "c"
kind = "webhook"
verify = { prefix = "x" }
secret = { file = "a", env = "b" }
map = {}
[[provider]]
name = "d"
kind = "webhook"
verify = "sha1"
secret = ["", { evn = "X" }]
[[provider]]
name = "e"
kind = "scheduler"
secret = "x"
"#,
        expect![[r#"
            a.toml:5:10: provider[0] "a".verify: kind `gitea` cannot verify by `path`; it accepts `signature`, `none`
            a.toml:6:1: provider[0] "a".map: kind `gitea` knows its own notices and has no map; leave it out
            a.toml:10:26: provider[1] "b".verify.hmac_sha256: `X Sum` is not the name of a header
            a.toml:10:46: provider[1] "b".verify.encoding: `base32` is none of `hex`, `base64`; did you mean `base64`?
            a.toml:10:56: provider[1] "b".verify.hmac_sha1: is not offered: only `hmac_sha256` proves a sender; SHA-1 never does
            a.toml:11:10: provider[1] "b".secret: has 3 entries, over the limit of 2
            a.toml:12:12: provider[1] "b".body_max: has to lie between 1KiB and 25MiB
            a.toml:14:9: provider[1] "b".map.title: does not compile: `((` at byte 5
            a.toml:15:19: provider[1] "b".map.labels.host: does not compile: `((` at byte 0
            a.toml:16:1: provider[1] "b".map.titel: is not a known key; did you mean `title`?
            a.toml:20:10: provider[2] "c".verify.hmac_sha256: is missing; it has to be given
            a.toml:21:10: provider[2] "c".secret: names both `env` and `file`; leave one out
            a.toml:22:7: provider[2] "c".map: says nothing; give at least `title`, or leave the map out
            a.toml:26:10: provider[3] "d".verify: `sha1` is none of `signature`, `bearer`, `basic`, `path`, `none`
            a.toml:27:11: provider[3] "d".secret[0]: is empty; give it a value, or leave it out to keep the one there is
            a.toml:27:17: provider[3] "d".secret[1].evn: is not a known key; did you mean `env`?
            a.toml:31:1: provider[4] "e".secret: nobody sends to kind `scheduler`, so it has no `secret`; leave it out
        "#]],
    );
}

#[test]
fn templates_compile_and_say_something() {
    check(
        r#"
[[template]]
name = "a"
[[template]]
name = "b"
push = "{{ notice.title"
other = { title = "t", txt = "x", buttons = [{ text = "x", url = "javascript:x" }, { text = "x" }] }
default = {}
issue_opened = 7
"#,
        expect![[r#"
            a.toml:2:1: template[0] "a": says nothing; give it an entry for a notice kind, or `default`
            a.toml:6:8: template[1] "b".push: does not compile: `{{` and `}}` do not match
            a.toml:7:24: template[1] "b".other.txt: is not a known key; did you mean `text`?
            a.toml:7:66: template[1] "b".other.buttons[0].url: has to be an address that begins with http:// or https://
            a.toml:7:84: template[1] "b".other.buttons[1].url: is missing; it has to be given
            a.toml:8:11: template[1] "b".default: says nothing; give it a text, or leave it out
            a.toml:9:16: template[1] "b".issue_opened: has to be a text, or a table of title, text, buttons and texts per format
        "#]],
    );
}

#[test]
fn a_name_stands_once_in_all_files() {
    check_files(
        &[
            (
                "a.toml",
                "settings = { locale = \"de\", space = \"x\" }\n[[template]]\nname = \"w\"\ndefault = \"x\"\n",
            ),
            (
                "b.toml",
                "settings = { locale = \"en\", space = \"x\" }\n\n\n[[template]]\nname = \"w\"\ndefault = \"y\"\n[[template]]\nname = \"w\"\ndefault = \"z\"\n",
            ),
        ],
        expect![[r#"
            b.toml:1:23: settings.locale: says otherwise than `locale` at a.toml:1; files read together have one locale
            b.toml:5:8: template[0] "w".name: the template `w` is already at a.toml:2; rename or remove one
            b.toml:8:8: template[1] "w".name: the template `w` is already at a.toml:2; rename or remove one
        "#]],
    );
}

#[test]
fn files_refer_to_each_other_and_to_what_is_present() {
    let tracker =
        "[[tracker]]\nname = \"t\"\nprovider = \"code\"\nlinks = [{ target = \"desk\" }]\n";
    let told = read_all(
        &[("b.toml", tracker), ("a.toml", &with_basics(""))],
        &Present::default(),
    );
    assert!(told.is_ok(), "{told:?}");
    check_files(
        &[("b.toml", tracker)],
        expect![[r#"
        b.toml:3:12: tracker[0] "t".provider: there is no provider `code`; add a [[provider]] of that name
        b.toml:4:21: tracker[0] "t".links[0].target: there is no target `desk`; add a [[target]] of that name
    "#]],
    );
    // What a broken file holds is not complained about as missing.
    check_files(
        &[("b.toml", tracker), ("a.toml", "provider = [\n")],
        expect![[r#"
            a.toml:1:13: is not TOML here: unclosed array, expected `]`
        "#]],
    );
    let present = crate::plan::present_of(&read_one(&with_basics("")));
    assert!(read_all(&[("b.toml", tracker)], &present).is_ok());
}

#[test]
fn settings_are_silent_when_only_the_space_is_said() {
    let settings = |text| read_one(text).settings.map(|s| (s.timezone, s.locale));
    assert_eq!(settings(""), None);
    assert_eq!(settings("[settings]\nspace = \"x\""), None);
    assert_eq!(
        settings("[settings]\nlocale = \"pt-BR\""),
        Some(("UTC".into(), "pt-BR".into()))
    );
}

#[test]
fn secrets_are_never_shown() {
    let text = HOUSEHOLD.replace("{ env = \"CODE_SECRET\" }", "\"hidden-value\"");
    let document = read_one(&text);
    let inline = document.entities[0].secrets["secret"].clone();
    let SecretText::Inline(secret) = &inline else {
        panic!("the secret is given as text");
    };
    assert_eq!(secret.expose(), "hidden-value");
    let told = format!("{document:?}");
    for value in [
        "hidden-value",
        "warm-water",
        "webhooks/1/abc",
        "the-one-before",
    ] {
        assert!(!told.contains(value), "{value}");
    }
}
