//! Cases from files, and the way of a request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use notify_bridge::domain::notice::NoticeDraft;
use notify_bridge::domain::spec::ProviderSpec;
use notify_bridge::providers::{
    self, KINDS, Keys, Provider, RawRequest, Readable, Unreadable, Unverified, Webhook, verify,
};
use serde_json::{Value, json as value};

pub const SECRET: &[u8] = b"It's a Secret to Everybody";
/// The receiver's clock, in seconds since 1970; the time that `webhook/hmac-with-time` is signed at.
pub const NOW: i64 = 1_779_091_200;

pub struct Case {
    pub name: String,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub spec: ProviderSpec,
    pub expected: PathBuf,
}

/// What one request comes to.
pub struct Outcome {
    pub sender_key: Option<String>,
    pub notices: Vec<NoticeDraft>,
}

impl Case {
    pub fn request(&self) -> RawRequest<'_> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        RawRequest {
            method: "POST",
            path_rest: path.strip_prefix("/hooks/forge/").unwrap_or(""),
            query,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice()))
                .collect(),
            body: &self.body,
        }
    }

    pub fn set(&mut self, header: &str, value: &str) {
        self.remove(header);
        self.headers.push((header.into(), value.into()));
    }

    pub fn remove(&mut self, header: &str) {
        self.headers.retain(|(name, _)| name != header);
    }
}

/// All the way of a request, as the shell takes it.
pub fn receive(kind: &dyn Provider, case: &Case, secrets: &[&[u8]]) -> Result<Outcome, Refused> {
    let webhook = kind.webhook().expect("a kind that is told by webhook");
    let keys = Keys {
        secrets,
        now_seconds: NOW,
    };
    let request = case.request();
    let verified = verify(webhook, &case.spec, &request, &keys).map_err(Refused::Unverified)?;
    let read = || {
        let document = webhook.document(&verified)?;
        let body = webhook.read(&document, &request.media_type())?;
        let readable = Readable::of(&request, body);
        let prepared = webhook.prepare(&case.spec)?;
        let notices = webhook.notices_prepared(&prepared, &case.spec, &readable)?;
        assert_eq!(
            Ok(&notices),
            webhook.notices(&case.spec, &readable).as_ref()
        );
        let mapped = webhook.mapped_key(&prepared, &readable)?;
        Ok(Outcome {
            sender_key: mapped.or_else(|| webhook.sender_key(&verified)),
            notices,
        })
    };
    read().map_err(Refused::Unreadable)
}

#[derive(Debug)]
pub enum Refused {
    Unverified(Unverified),
    Unreadable(Unreadable),
}

pub fn webhooks() -> impl Iterator<Item = (&'static dyn Provider, &'static dyn Webhook)> {
    KINDS
        .iter()
        .filter_map(|kind| Some((*kind, kind.webhook()?)))
}

pub fn kind(name: &str) -> &'static dyn Provider {
    providers::kind(name).expect("a known kind")
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/providers")
}

/// Recorded requests of real senders, when they lie beside the project.
pub fn shared_payloads() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/payloads"))
        .find(|folder| folder.is_dir())
}

pub fn cases(folder: &Path, kind: &str) -> Vec<Case> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.expect("a readable folder").file_name();
            Some(name.to_str()?.strip_suffix(".headers.json")?.to_owned())
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let file = |extension: &str| folder.join(format!("{name}.{extension}"));
            let json = |path: PathBuf| -> Option<Value> {
                let text = std::fs::read(path).ok()?;
                Some(serde_json::from_slice(&text).expect("JSON in a fixture"))
            };
            let mut headers: BTreeMap<String, String> =
                serde_json::from_value(json(file("headers.json")).expect("headers"))
                    .expect("an object of texts");
            let path = headers.remove(":path").unwrap_or_default();
            headers.remove(":method");
            let mut spec = value!({"name": "forge", "kind": kind});
            if let Some(Value::Object(more)) = json(file("spec.json")) {
                spec.as_object_mut().expect("an object").extend(more);
            }
            Case {
                path,
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name.to_lowercase(), value.into_bytes()))
                    .collect(),
                body: std::fs::read(file("json"))
                    .or_else(|_| std::fs::read(file("body")))
                    .expect("a body"),
                spec: serde_json::from_value(spec).expect("a spec"),
                expected: file("expected.json"),
                name,
            }
        })
        .collect()
}

pub fn case(kind: &str, name: &str) -> Case {
    cases(&fixtures().join(kind), kind)
        .into_iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("fixture {kind}/{name}"))
}

/// A notice without what it leaves empty.
pub fn lean(notice: &NoticeDraft) -> Value {
    let mut lean = serde_json::to_value(notice).expect("a notice as JSON");
    if let Value::Object(members) = &mut lean {
        members.remove("items");
        members.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Object(inner) => inner.values().any(|value| value != ""),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => true,
        });
    }
    lean
}
