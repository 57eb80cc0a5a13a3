//! References to the environment and to files.

use expect_test::{Expect, expect};
use notify_bridge::config::{Outside, Present, SecretText, resolve};

use crate::fakes::{Memory, lines, read_all};

fn check(text: &str, outside: Option<&dyn Outside>, expected: Expect) {
    let mut document =
        read_all(&[("a.toml", text)], &Present::default()).expect("the file is fine");
    let told = match resolve(&mut document, outside) {
        Err(problems) => lines(&problems),
        Ok(()) => document
            .entities
            .iter()
            .flat_map(|draft| &draft.secrets)
            .map(|(field, text)| match text {
                SecretText::Inline(secret) => format!("{field} = {:?}\n", secret.expose()),
                SecretText::Env(_) | SecretText::File(_) | SecretText::Table(_) => {
                    format!("{field} is unresolved\n")
                }
            })
            .collect(),
    };
    expected.assert_eq(&told);
}

const REFERENCES: &str = r#"
[[provider]]
name = "code"
kind = "gitea"
secret = [{ env = "NEW" }, { file = "/old" }]
[[target]]
name = "hook"
kind = "webhook"
url = { file = "/url" }
headers = { Authorization = { env = "AUTH" }, X-B = "b" }
secret = "plain"
[[target]]
name = "hook2"
kind = "webhook"
url = "https://x.example"
headers = { env = "HEADERS" }
"#;

#[test]
fn references_become_values() {
    let memory = Memory {
        variables: [
            ("NEW", "n w"),
            ("AUTH", "Bearer x"),
            ("HEADERS", r#"{"X-Z":"1","X-A":"2"}"#),
        ]
        .into(),
        files: [("/old", "o\n"), ("/url", "https://y.example/h\r\n")].into(),
    };
    check(
        REFERENCES,
        Some(&memory),
        expect![[r#"
        secret = "n w"
        secret.2 = "o"
        headers = "{\"Authorization\":\"Bearer x\",\"X-B\":\"b\"}"
        secret = "plain"
        url = "https://y.example/h"
        headers = "{\"X-A\":\"2\",\"X-Z\":\"1\"}"
        url = "https://x.example"
    "#]],
    );
}

#[test]
fn what_is_unset_missing_or_empty_is_no_secret() {
    let memory = Memory {
        variables: [("AUTH", ""), ("HEADERS", "[1]")].into(),
        files: [("/old", "\n"), ("/url", "not an address")].into(),
    };
    check(
        REFERENCES,
        Some(&memory),
        expect![[r#"
            a.toml:5:11: provider[0] "code".secret[0]: the variable `NEW` is not set; set it
            a.toml:5:28: provider[0] "code".secret[1]: the file `/old` is empty; write the secret into it
            a.toml:9:7: target[0] "hook".url: is not an address (relative URL without a base); write it whole, with http:// or https://
            a.toml:10:11: target[0] "hook".headers: `Authorization`: the variable `AUTH` is empty; give it a value
            a.toml:16:11: target[1] "hook2".headers: has to be a table of header names and texts, or the JSON text of one
        "#]],
    );
    let memory = Memory {
        variables: [
            ("NEW", "  "),
            ("AUTH", "two\nlines"),
            ("HEADERS", r#"{"X A":"1"}"#),
        ]
        .into(),
        files: [("/url", "")].into(),
    };
    check(
        REFERENCES,
        Some(&memory),
        expect![[r#"
            a.toml:5:11: provider[0] "code".secret[0]: the variable `NEW` is empty; give it a value
            a.toml:5:28: provider[0] "code".secret[1]: the file `/old` cannot be read: no such file
            a.toml:9:7: target[0] "hook".url: the file `/url` is empty; write the secret into it
            a.toml:10:11: target[0] "hook".headers: the value of `Authorization` is empty or holds a line break; it has to be one line
            a.toml:16:11: target[1] "hook2".headers: `X A` is not the name of a header
        "#]],
    );
}

#[test]
fn nothing_is_fetched_for_what_came_over_http() {
    check(
        REFERENCES,
        None,
        expect![[r#"
            a.toml:5:11: provider[0] "code".secret[0]: refers to a variable, which nobody may read over HTTP; give the value itself, or apply the file where it lies
            a.toml:5:28: provider[0] "code".secret[1]: refers to a file, which nobody may read over HTTP; give the value itself, or apply the file where it lies
            a.toml:9:7: target[0] "hook".url: refers to a file, which nobody may read over HTTP; give the value itself, or apply the file where it lies
            a.toml:10:11: target[0] "hook".headers: `Authorization`: refers to a variable, which nobody may read over HTTP; give the value itself, or apply the file where it lies
            a.toml:16:11: target[1] "hook2".headers: refers to a variable, which nobody may read over HTTP; give the value itself, or apply the file where it lies
        "#]],
    );
}

#[test]
fn headers_may_be_text_too() {
    let text = r#"
[[target]]
name = "hook"
kind = "webhook"
url = "https://x.example"
headers = '{"X-B":"1","X-A":"2"}'
"#;
    check(
        text,
        None,
        expect![[r#"
        headers = "{\"X-A\":\"2\",\"X-B\":\"1\"}"
        url = "https://x.example"
    "#]],
    );
}
