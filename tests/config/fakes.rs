//! Kinds and a template engine that are simple enough to be seen through, and one way to read.

use std::collections::BTreeMap;

use notify_bridge::config::{
    Checks, Document, Outside, Present, Problem, ProviderShape, SecretField, Source, TargetShape,
    read,
};
use notify_bridge::domain::spec::{EntityKind, MapSpec, Verify};
use notify_bridge::providers::{KindField, options};

pub const FORGE_KINDS: [&str; 6] = [
    "push",
    "issue_opened",
    "issue_closed",
    "release_published",
    "release_deleted",
    "other",
];

pub fn provider(kind: &str) -> Option<ProviderShape> {
    let (notice_kinds, default_verify, accepts): (&[&'static str], _, &[&'static str]) = match kind
    {
        "gitea" => (
            &FORGE_KINDS,
            Some(Verify::Signature),
            &["signature", "none"],
        ),
        "alertmanager" => (
            &["firing", "resolved", "test"],
            Some(Verify::Bearer),
            &["bearer", "basic", "none"],
        ),
        "webhook" => (
            &[],
            Some(Verify::Bearer),
            &["bearer", "basic", "path", "none", "hmac_sha256"],
        ),
        "scheduler" => (&["scheduled_message"], None, &[]),
        _ => return None,
    };
    Some(ProviderShape {
        notice_kinds: notice_kinds.to_vec(),
        default_verify,
        accepts: accepts.to_vec(),
        fields: if kind == "scheduler" {
            ["cron", "every", "zone", "missed", "data"]
                .map(KindField::optional)
                .to_vec()
        } else {
            Vec::new()
        },
        secrets: Vec::new(),
    })
}

pub fn target(kind: &str) -> Option<TargetShape> {
    match kind {
        "telegram" => Some(TargetShape {
            has_receivers: true,
            receivers_required: true,
            receiver_fields: &["to", "thread", "silent", "protect", "preview"],
            secret_fields: vec![SecretField::named("token", true)],
            option_fields: &["bot", "api_base", "preview"],
        }),
        "discord" => Some(TargetShape {
            has_receivers: true,
            receivers_required: false,
            receiver_fields: &["thread", "thread_name"],
            secret_fields: vec![SecretField::named("url", true)],
            option_fields: &["username", "avatar_url"],
        }),
        "webhook" => Some(TargetShape {
            has_receivers: false,
            receivers_required: false,
            receiver_fields: &[],
            secret_fields: vec![
                SecretField::named("url", true),
                SecretField::named("headers", false),
                SecretField::named("secret", false),
            ],
            option_fields: &["method", "body"],
        }),
        _ => None,
    }
}

/// Every `((` is a fault in an expression.
fn expression(source: &str) -> Result<(), String> {
    match source.find("((") {
        Some(at) => Err(format!("does not compile: `((` at byte {at}")),
        None => Ok(()),
    }
}

/// Every `{{` wants its `}}`.
fn words(source: &str) -> Result<(), String> {
    if source.matches("{{").count() == source.matches("}}").count() {
        Ok(())
    } else {
        Err("does not compile: `{{` and `}}` do not match".into())
    }
}

fn map(map: &MapSpec) -> Vec<(String, String)> {
    let fields = map.fields.iter().map(|(k, v)| (format!("map.{k}"), v));
    let labels = map.labels.iter();
    fields
        .chain(labels.map(|(k, v)| (format!("map.labels.{k}"), v)))
        .filter_map(|(key, source)| Some((key, expression(source).err()?)))
        .collect()
}

pub fn checks(present: &Present) -> Checks<'_> {
    Checks {
        filter: expression,
        words,
        body: words,
        map,
        provider_kinds: &["gitea", "alertmanager", "webhook", "scheduler"],
        provider,
        source: |_| Vec::new(),
        options: |_, options| options::read(options, |_| ()).1,
        target_kinds: &["telegram", "discord", "webhook"],
        target,
        present,
    }
}

pub fn read_all(sources: &[(&str, &str)], present: &Present) -> Result<Document, Vec<Problem>> {
    let sources: Vec<Source<'_>> = sources
        .iter()
        .map(|(file, text)| Source { file, text })
        .collect();
    read(&sources, &checks(present))
}

/// Reads one file that has to be fine.
pub fn read_one(text: &str) -> Document {
    match read_all(&[("home.toml", text)], &Present::default()) {
        Ok(document) => document,
        Err(problems) => panic!("{}", lines(&problems)),
    }
}

pub fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{p}\n")).collect()
}

/// An environment and a disk in memory.
#[derive(Default)]
pub struct Memory {
    pub variables: BTreeMap<&'static str, &'static str>,
    pub files: BTreeMap<&'static str, &'static str>,
}

impl Outside for Memory {
    fn env(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, path: &str) -> Result<String, String> {
        match self.files.get(path) {
            Some(text) => Ok((*text).to_owned()),
            None => Err("no such file".into()),
        }
    }
}

/// A keyed hash that is good enough to tell values apart.
pub fn fingerprint(kind: EntityKind, name: &str, field: &str, value: &[u8]) -> [u8; 16] {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    for part in [
        kind.as_str().as_bytes(),
        name.as_bytes(),
        field.as_bytes(),
        value,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    std::array::from_fn(|i| digest[i])
}
