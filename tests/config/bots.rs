//! Bots in files: what is read, what is refused, and what a plan makes of them.

use expect_test::expect;
use notify_bridge::config::{Present, Secret, export};
use notify_bridge::domain::spec::{BotMode, EntityKind, EntitySpec};

use crate::fakes::{read_all, read_one};
use crate::plan::check as check_plan;
use crate::read::check;

const BOT: &str = r#"
[[bot]]
name = "herald"
kind = "telegram"
token = "t0ken"
"#;
const BOTH: &str = r#"
[[bot]]
name = "herald"
kind = "telegram"
token = "t0ken"
[[target]]
name = "desk"
kind = "telegram"
bot = "herald"
receivers = [{ to = 1 }]
"#;
const ALONE: &str = r#"
[[target]]
name = "desk"
kind = "telegram"
token = "t0ken"
receivers = [{ to = 1 }]
"#;

#[test]
fn a_bot_is_read() {
    let document = read_one(
        r#"
[[bot]]
name = "herald"
kind = "telegram"
description = "Speaks for the house"
enabled = false
mode = "webhook"
secret = { env = "HOOK" }
token = { file = "token" }
api_base = "https://bots.example"
allow_private = true
"#,
    );
    let draft = &document.entities[0];
    let EntitySpec::Bot(bot) = &draft.spec else {
        panic!("{draft:?}");
    };
    assert_eq!(bot.mode, BotMode::Webhook);
    assert!(!bot.enabled && bot.allow_private);
    assert_eq!(bot.api_base.as_deref(), Some("https://bots.example"));
    let given: Vec<&str> = draft.secrets.keys().map(String::as_str).collect();
    assert_eq!(given, ["secret", "token"]);
}

#[test]
fn what_is_wrong_with_bots_is_said() {
    check(
        r#"
[[bot]]
name = "herald"
kind = "telegramm"
token = "t"
modes = "poll"
[[bot]]
name = "herald"
kind = "telegram"
token = "t"
mode = "push"
[[target]]
name = "a"
kind = "telegram"
bot = "heral"
receivers = [{ to = 1 }]
[[target]]
name = "b"
kind = "telegram"
bot = "herald"
token = "t"
api_base = "https://x.example"
receivers = [{ to = 1 }]
[[target]]
name = "c"
kind = "discord"
bot = "herald"
url = "https://x.example"
"#,
        expect![[r#"
            a.toml:4:8: bot[0] "herald".kind: `telegramm` is no bot kind; known: `telegram`
            a.toml:6:1: bot[0] "herald".modes: is not a known key; did you mean `mode`?
            a.toml:8:8: bot[1] "herald".name: the bot `herald` is already at a.toml:2; rename or remove one
            a.toml:11:8: bot[1] "herald".mode: `push` is none of `poll`, `webhook`
            a.toml:15:7: target[0] "a".bot: there is no bot `heral`; did you mean `herald`?
            a.toml:20:7: target[1] "b".bot: `herald` is a bot of kind `telegramm`; name one of kind `telegram`
            a.toml:21:9: target[1] "b".token: is the bot's where a `bot` is named; leave one of the two out
            a.toml:22:12: target[1] "b".api_base: is the bot's where a `bot` is named; leave one of the two out
            a.toml:27:1: target[2] "c".bot: kind `discord` has no `bot`, only `telegram` has; leave it out
        "#]],
    );
}

#[test]
fn a_bot_is_planned_before_the_targets_that_send_as_it() {
    check_plan(
        "",
        BOTH,
        false,
        expect![[r#"
        + bot herald
        + target desk
    "#]],
    );
    // What a target had of its own goes.
    check_plan(
        ALONE,
        BOTH,
        false,
        expect![[r#"
        + bot herald
        ~ target desk: bot + herald; token: secret removed
    "#]],
    );
    check_plan(
        BOTH,
        &format!("{BOT}{ALONE}"),
        false,
        expect![[r#"
        ~ target desk: bot - herald; token: secret set
    "#]],
    );
    check_plan(
        BOTH,
        &BOTH.replace("t0ken", "an0ther"),
        false,
        expect![[r#"
            ~ bot herald: token: secret changed
        "#]],
    );
    // A bot in use stays, and a webhook needs its secret.
    check_plan(
        BOTH,
        ALONE,
        true,
        expect![[r#"
        ~ target desk: bot - herald; token: secret set
        - bot herald
    "#]],
    );
    check_plan(
        BOT,
        ALONE,
        true,
        expect![[r#"
        + target desk
        - bot herald
    "#]],
    );
    check_plan(
        "",
        &BOT.replace("token", "mode = \"webhook\"\ntoken"),
        false,
        expect![[r#"
            a.toml:2:1: bot[0] "herald".secret: is missing and not set yet; give text, { env = "…" } or { file = "…" }
        "#]],
    );
    let without = BOTH.replace(BOT, "");
    check_plan(
        BOTH,
        &without,
        true,
        expect![[r#"
        a.toml:1:1: target[0] "desk".bot: uses the bot `herald`, which would be removed; keep it in the files, or change this first
    "#]],
    );
}

#[test]
fn an_export_names_the_bot_and_not_its_token() {
    let document = read_one(BOTH);
    let mut present = Present::default();
    for draft in &document.entities {
        let secrets = draft.secrets.keys().map(|field| (field.clone(), [1; 16]));
        present.entities.insert(
            (draft.spec.kind(), draft.spec.name().to_owned()),
            notify_bridge::config::Existing {
                spec: draft.spec.clone(),
                secrets: secrets.collect(),
                managed_by: None,
            },
        );
    }
    let told = export(&present, &|_, _, _| None);
    expect![[r#"
        [settings]
        space = "home"
        timezone = "UTC"
        locale = "en"

        [[bot]]
        name = "herald"
        kind = "telegram"

        [[target]]
        name = "desk"
        kind = "telegram"
        bot = "herald"
        receivers = [
          { to = "1" },
        ]
    "#]]
    .assert_eq(&told);
    assert!(read_all(&[("a.toml", &told)], &present).is_ok());
    let plain = export(&present, &|kind, name, field| {
        let own = (kind, name, field) == (EntityKind::Bot, "herald", "token");
        own.then(|| Secret::new("t0ken"))
    });
    assert_eq!(plain.matches("t0ken").count(), 1, "{plain}");
}
