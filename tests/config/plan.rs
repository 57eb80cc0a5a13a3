//! What a plan says, and in which order.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use notify_bridge::config::{
    Change, Document, Existing, Plan, Present, Secret, SecretStep, plan, resolve,
};
use notify_bridge::domain::spec::EntityKind;

use crate::fakes::{fingerprint, lines, read_all, read_one};

fn prints(
    kind: EntityKind,
    name: &str,
    given: &BTreeMap<String, Secret>,
) -> BTreeMap<String, [u8; 16]> {
    let prints = given.iter();
    prints
        .map(|(field, secret)| {
            let value = secret.expose().as_bytes();
            (field.clone(), fingerprint(kind, name, field, value))
        })
        .collect()
}

/// What is present once a plan is carried out.
pub fn applied(present: &Present, plan: &Plan) -> Present {
    let mut present = present.clone();
    for change in &plan.changes {
        match change {
            Change::Settings { after, .. } => present.settings = after.clone(),
            Change::Add {
                spec,
                given,
                managed_by,
            } => {
                let (kind, name) = (spec.kind(), spec.name().to_owned());
                let existing = Existing {
                    spec: spec.clone(),
                    secrets: prints(kind, &name, given),
                    managed_by: Some(managed_by.clone()),
                };
                let before = present.entities.insert((kind, name), existing);
                assert!(before.is_none(), "what is added was not there");
            }
            Change::Change {
                spec,
                secrets,
                given,
                managed_by,
                ..
            } => {
                let (kind, name) = (spec.kind(), spec.name().to_owned());
                let given = prints(kind, &name, given);
                let key = (kind, name);
                let existing = present
                    .entities
                    .get_mut(&key)
                    .expect("what is changed is there");
                existing.spec = spec.clone();
                existing.managed_by = Some(managed_by.clone());
                existing.secrets.extend(given);
                for change in secrets.iter().filter(|c| c.step == SecretStep::Remove) {
                    existing.secrets.remove(&change.field);
                }
            }
            Change::Remove { kind, name } => {
                let removed = present.entities.remove(&(*kind, name.clone()));
                assert!(removed.is_some(), "what is removed was there");
            }
        }
    }
    for (kind, name, file) in &plan.adopted {
        let existing = present.entities.get_mut(&(*kind, name.clone()));
        existing.expect("what is adopted is there").managed_by = Some(file.clone());
    }
    present
}

/// What a document makes of nothing; secrets that lack are taken as set.
pub fn present_of(document: &Document) -> Present {
    let mut present = Present {
        space: document.space.clone(),
        ..Present::default()
    };
    for draft in &document.entities {
        let (kind, name) = (draft.spec.kind(), draft.spec.name().to_owned());
        let secrets = draft.secret_fields.iter().filter(|field| field.required);
        let existing = Existing {
            spec: draft.spec.clone(),
            secrets: secrets.map(|f| (f.name.to_owned(), [7; 16])).collect(),
            managed_by: Some(draft.file.clone()),
        };
        present.entities.insert((kind, name), existing);
    }
    present
}

fn told(present: &Present, sources: &[(&str, &str)], prune: bool) -> (String, Present) {
    let mut document = match read_all(sources, present) {
        Ok(document) => document,
        Err(problems) => return (lines(&problems), present.clone()),
    };
    resolve(&mut document, None).expect("secrets are given as text");
    match plan(&document, present, &fingerprint, prune) {
        Ok(plan) => {
            let after = applied(present, &plan);
            let again = self::plan(&document, &after, &fingerprint, prune).expect("it was fine");
            assert!(again.is_empty() && again.adopted.is_empty(), "{again}");
            (plan.to_string(), after)
        }
        Err(problems) => (lines(&problems), present.clone()),
    }
}

/// Applies the first text to nothing, then says what the second would change.
pub(super) fn check(before: &str, after: &str, prune: bool, expected: Expect) {
    let (_, present) = told(&Present::default(), &[("a.toml", before)], false);
    let (plan, _) = told(&present, &[("a.toml", after)], prune);
    expected.assert_eq(&plan);
}

const SMALL: &str = r#"
[[tracker]]
name = "ships"
provider = "code"
kinds = ["push"]
links = [{ target = "all", template = "terse" }, { target = "desk" }]
[[target]]
name = "all"
kind = "broadcast"
targets = ["desk"]
[[target]]
name = "desk"
kind = "telegram"
token = "t0ken"
receivers = [{ to = 1, name = "one" }, { to = 2, name = "two" }]
[[template]]
name = "terse"
push = "pushed"
[[provider]]
name = "code"
kind = "gitea"
secret = ["new", "old"]
"#;

#[test]
fn what_is_referred_to_comes_first() {
    check(
        "",
        SMALL,
        false,
        expect![[r#"
        + provider code
        + template terse
        + target desk
        + target all
        + tracker ships
    "#]],
    );
    check(
        SMALL,
        "",
        true,
        expect![[r#"
        - tracker ships
        - target all
        - target desk
        - template terse
        - provider code
    "#]],
    );
    check(SMALL, "", false, expect![""]);
    check(SMALL, SMALL, true, expect![""]);
}

#[test]
fn changes_name_their_fields_and_never_a_secret() {
    let after = SMALL
        .replace(
            "kinds = [\"push\"]",
            "enabled = false\nwhere = \"notice.actor == 'x'\"",
        )
        .replace(", { target = \"desk\" }", "")
        .replace("\"t0ken\"", "\"an0ther\"")
        .replace(
            "{ to = 1, name = \"one\" }",
            "{ to = 1, name = \"one\", silent = true }",
        )
        .replace("{ to = 2, name = \"two\" }", "{ to = 3, name = \"three\" }")
        .replace("[\"new\", \"old\"]", "\"newer\"")
        .replace(
            "push = \"pushed\"",
            "push = { title = \"a\\nb\", text = \"c\" }",
        );
    let after = format!("settings = {{ timezone = \"Asia/Tokyo\" }}\n{after}");
    check(
        SMALL,
        &after,
        false,
        expect![[r#"
        ~ settings: timezone UTC → Asia/Tokyo
        ~ provider code: secret: secret changed; secret.2: secret removed
        ~ template terse: entries.push.text pushed → c; entries.push.title + a\nb
        ~ target desk: receivers[one].silent + true; receivers[three] + {"name":"three","to":"3"}; receivers[two] - {"name":"two","to":"2"}; token: secret changed
        ~ tracker ships: enabled + false; kinds ["push"] → []; links[desk] - {"target":"desk","unknown":"retry"}; where + notice.actor == 'x'
    "#]],
    );
}

#[test]
fn a_secret_left_out_is_kept() {
    let after = SMALL
        .replace("token = \"t0ken\"", "")
        .replace("secret = [", "# ");
    check(SMALL, &after, false, expect![""]);
    let (_, present) = told(&Present::default(), &[("a.toml", SMALL)], false);
    let (_, kept) = told(&present, &[("a.toml", &after)], false);
    assert_eq!(kept, present);
}

#[test]
fn all_given_secrets_come_with_a_change() {
    let (_, present) = told(&Present::default(), &[("a.toml", SMALL)], false);
    let document = read_one(&SMALL.replace("\"new\", \"old\"", "\"newest\", \"old\""));
    let plan = plan(&document, &present, &fingerprint, false).expect("it is fine");
    let [Change::Change { secrets, given, .. }] = plan.changes.as_slice() else {
        panic!("{plan}");
    };
    assert_eq!(secrets.len(), 1);
    let given: Vec<&str> = given.keys().map(String::as_str).collect();
    assert_eq!(given, ["secret", "secret.2"]);
    assert!(!format!("{plan:?}").contains("newest"));
}

#[test]
fn what_is_needed_and_not_set_is_a_problem() {
    let after = SMALL
        .replace("token = \"t0ken\"", "")
        .replace("secret = [", "# ");
    check(
        "",
        &after,
        false,
        expect![[r#"
            a.toml:11:1: target[1] "desk".token: is missing and not set yet; give text, { env = "…" } or { file = "…" }, or name a `bot`
            a.toml:19:1: provider[0] "code".secret: is missing and not set yet; give text, { env = "…" } or { file = "…" }
        "#]],
    );
    // Nobody is verified, so there is nothing to verify with.
    check(
        "",
        "[[provider]]\nname = \"x\"\nkind = \"gitea\"\nverify = \"none\"",
        false,
        expect![[r#"
            + provider x
        "#]],
    );
    // Another kind needs another secret, and forgets the one it no longer has.
    let after = SMALL.replace(
        "kind = \"telegram\"",
        "kind = \"discord\"\nurl = \"https://x.example\"",
    );
    let after = after
        .replace("token = \"t0ken\"", "")
        .replace("receivers = [", "# ");
    check(
        SMALL,
        &after,
        false,
        expect![[r#"
        ~ target desk: kind telegram → discord; receivers[default] + {"name":"default","to":""}; receivers[one] - {"name":"one","to":"1"}; receivers[two] - {"name":"two","to":"2"}; url: secret set; token: secret removed
    "#]],
    );
    check(
        SMALL,
        &after.replace("url =", "# "),
        false,
        expect![[r#"
        a.toml:11:1: target[1] "desk".url: is missing and not set yet; give text, { env = "…" } or { file = "…" }
    "#]],
    );
}

#[test]
fn prune_leaves_alone_what_is_not_of_these_files() {
    let (_, mut present) = told(&Present::default(), &[("a.toml", SMALL)], false);
    let key = |kind, name: &str| (kind, name.to_owned());
    present
        .entities
        .get_mut(&key(EntityKind::Tracker, "ships"))
        .expect("there")
        .managed_by = None;
    let template = key(EntityKind::Template, "terse");
    present
        .entities
        .get_mut(&template)
        .expect("there")
        .managed_by = Some("b.toml".into());
    let (problems, _) = told(&present, &[("a.toml", "")], true);
    expect![[r#"
        a.toml:1:1: tracker "ships".provider: uses the provider `code`, which would be removed; keep it in the files, or change this first
        a.toml:1:1: tracker "ships".links[0].target: uses the target `all`, which would be removed; keep it in the files, or change this first
        a.toml:1:1: tracker "ships".links[1].target: uses the target `desk`, which would be removed; keep it in the files, or change this first
    "#]].assert_eq(&problems);
    let (plan, _) = told(&present, &[("a.toml", ""), ("b.toml", "")], false);
    assert_eq!(plan, "");
}

#[test]
fn a_target_in_a_broadcast_cannot_become_one() {
    let (_, present) = told(&Present::default(), &[("a.toml", SMALL)], false);
    let change = "[[target]]\nname = \"desk\"\nkind = \"broadcast\"\ntargets = [\"other\"]\n[[target]]\nname = \"other\"\nkind = \"webhook\"\nurl = \"https://x.example\"\n";
    let (problems, _) = told(&present, &[("b.toml", change)], false);
    expect![[r#"
        b.toml:1:1: target "all".targets[0]: would hold `desk`, which is itself a broadcast; name its targets instead
    "#]].assert_eq(&problems);
}

#[test]
fn a_file_is_for_its_own_space() {
    let (problems, _) = told(
        &Present::default(),
        &[("a.toml", "settings = { space = \"lab\" }")],
        false,
    );
    expect![[r#"
        a.toml:1:1: settings.space: the files are for the space `lab`, not for `home`; apply them there
    "#]].assert_eq(&problems);
}

#[test]
fn a_policy_changes_in_the_words_of_the_file() {
    let before = SMALL
        .replace(
            "{ target = \"desk\" }",
            "{ target = \"desk\", digest = { every = \"1h\" }, pierce = \"off\" }",
        )
        .replace(
            "provider = \"code\"",
            "provider = \"code\"\nsettle = \"2m\"\nquiet = [{ from = \"22:00\", to = \"07:00\" }]",
        );
    let after = SMALL
        .replace(
            "{ target = \"desk\" }",
            "{ target = \"desk\", digest = \"off\", catch_up = { max_age = \"90m\" } }",
        )
        .replace(
            "provider = \"code\"",
            "provider = \"code\"\nsettle = \"150s\"\nquiet = []\ninhibit = [{ when = { provider = \"code\", kind = \"push\" } }]",
        )
        .replace(
            "token = \"t0ken\"",
            "token = \"t0ken\"\npace = \"off\"\nquiet = []",
        );
    check(
        &before,
        &after,
        false,
        expect![[r#"
            ~ target desk: pace + off; quiet + []
            ~ tracker ships: inhibit [] → [{"when":{"kind":"push","provider":"code"}}]; links[desk].catch_up + {"max_age":"1h30m"}; links[desk].digest {"every":"1h"} → off; links[desk].pierce - off; quiet [{"from":"22:00","mode":"hold","to":"07:00"}] → []; settle 2m → 2m30s
        "#]],
    );
}

#[test]
fn what_only_a_policy_refers_to_is_not_removed_either() {
    let extra = "[[target]]\nname = \"phone\"\nkind = \"webhook\"\nurl = \"https://x.example\"\n[[provider]]\nname = \"plant\"\nkind = \"gitea\"\nsecret = \"s\"\n";
    let uses = SMALL
        .replace(
            "{ target = \"desk\" }",
            "{ target = \"desk\", fallback = \"phone\" }",
        )
        .replace(
            "provider = \"code\"",
            "provider = \"code\"\ninhibit = [{ when = { provider = \"plant\", kind = \"push\" } }]",
        );
    let (_, present) = told(
        &Present::default(),
        &[("a.toml", &uses), ("b.toml", extra)],
        false,
    );
    let (problems, _) = told(&present, &[("b.toml", "")], true);
    expect![[r#"
        b.toml:1:1: tracker "ships".links[1].fallback: uses the target `phone`, which would be removed; keep it in the files, or change this first
        b.toml:1:1: tracker "ships".inhibit[0].when.provider: uses the provider `plant`, which would be removed; keep it in the files, or change this first
    "#]].assert_eq(&problems);
    // Nor does a broadcast come to hold what a link to it falls back on.
    let falls = SMALL.replace("template = \"terse\"", "fallback = \"phone\"");
    let (_, present) = told(
        &Present::default(),
        &[("a.toml", &falls), ("b.toml", extra)],
        false,
    );
    let change =
        "[[target]]\nname = \"all\"\nkind = \"broadcast\"\ntargets = [\"desk\", \"phone\"]\n";
    let (problems, _) = told(&present, &[("b.toml", change)], false);
    expect![[r#"
        b.toml:1:1: tracker "ships".links[0].fallback: is one of the targets of `all` already; name one apart from them
    "#]].assert_eq(&problems);
}

#[test]
fn a_tracker_reaches_no_more_receivers_than_a_notice_does() {
    let bot = |name: &str, chats: usize| {
        let chats: Vec<String> = (0..chats)
            .map(|chat| format!("{{ to = \"{chat}\" }}"))
            .collect();
        let chats = chats.join(", ");
        format!(
            "[[target]]\nname = \"{name}\"\nkind = \"telegram\"\ntoken = \"7:x\"\nreceivers = [{chats}]\n"
        )
    };
    let all = |members: &[&str], off: &str| {
        format!(
            "[[target]]\nname = \"all\"\nkind = \"broadcast\"\ntargets = {members:?}\noff = [{off}]\n"
        )
    };
    let tracker = |enabled: bool| {
        format!(
            "[[provider]]\nname = \"code\"\nkind = \"gitea\"\nsecret = \"s\"\n[[tracker]]\nname = \"w\"\nprovider = \"code\"\nenabled = {enabled}\nlinks = [{{ target = \"all\" }}]\n"
        )
    };
    let names = ["a", "b", "c", "d", "e"];
    let bots = |last: usize| -> String {
        let four = names[..4].iter().map(|name| bot(name, 1_000));
        four.chain([bot("e", last)]).collect()
    };
    let file = |last, off: &str, enabled| bots(last) + &all(&names, off) + &tracker(enabled);
    for (last, off, enabled, problem) in [
        (95, "", true, false),
        (96, "", true, true),
        (96, "\"b\"", true, false),
        (96, "", false, false),
    ] {
        let (said, _) = told(
            &Present::default(),
            &[("a.toml", &file(last, off, enabled))],
            false,
        );
        let refused = said.contains(
            "tracker[0] \"w\".links: reach 4096 receivers, and one notice reaches at most 4095; ",
        );
        assert_eq!(refused, problem, "{last} {off} {enabled}: {said:.300}");
    }
    // Also where a target grows of which the tracker knows nothing, but not where it shrinks.
    let (_, present) = told(
        &Present::default(),
        &[
            ("bots.toml", &bots(95)),
            ("all.toml", &all(&names, "")),
            ("w.toml", &tracker(true)),
        ],
        false,
    );
    let (said, _) = told(&present, &[("more.toml", &bot("e", 96))], false);
    assert!(
        said.contains("tracker \"w\".links: reach 4096"),
        "{said:.300}"
    );
    let (said, _) = told(&present, &[("less.toml", &bot("e", 94))], false);
    assert!(!said.contains("reach"), "{said:.300}");
}
