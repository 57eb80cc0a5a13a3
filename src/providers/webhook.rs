//! Any webhook: JSON of any shape, a form, or plain text.
//!
//! Without a mapping the notice is made of what payloads usually call their parts (`guess`); with
//! `[provider.map]` it is made by expressions (`map`), and the guess fills in what they leave out.

mod check;
mod files;
mod guess;
mod map;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Fetchable, Keys, NoticeKind, Prepared, Provider, RawRequest, Readable, Unreadable, Unverified,
    Verified, Webhook, json, key_header,
};
use crate::domain::notice::NoticeDraft;
use crate::domain::spec::{ProviderSpec, Verify};
pub use check::check_map;
pub use map::{CompiledMap, MAP_EXPRESSION_BYTES_MAX, MAP_FIELDS, MAP_FUEL, MAP_LABELS_MAX};

/// The notice kind where no mapping says otherwise.
pub const RECEIVED: &str = "received";

/// Most fields of a form that are read; further ones are left out.
pub const FORM_FIELDS_MAX: usize = 1_000;

/// Headers in which senders give a delivery a key, the most specific first.
const KEY_HEADERS: [&str; 3] = ["webhook-id", "svix-id", "idempotency-key"];

/// The kind `webhook`.
pub struct Generic;

impl Provider for Generic {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "The sender has to send the secret as `Authorization: Bearer <secret>`; where it cannot, choose another `verify`: `basic`, `path`, or an HMAC in a header.",
            "A delivery that is sent twice is known only by a `webhook-id`, `svix-id` or `idempotency-key` header, or by `key` in the mapping; otherwise it gives two notices.",
            "With `verify = \"path\"` the secret is part of the address and may appear in the sender's logs.",
        ]
    }

    fn webhook(&self) -> Option<&dyn Webhook> {
        Some(self)
    }

    fn files(&self) -> Option<&dyn Fetchable> {
        Some(self)
    }
}

impl Webhook for Generic {
    fn default_verify(&self) -> Verify {
        Verify::Bearer
    }

    fn accepts(&self, verify: &Verify) -> bool {
        match verify {
            Verify::Bearer | Verify::Basic | Verify::Path | Verify::None | Verify::Hmac(_) => true,
            Verify::Signature => false,
        }
    }

    fn verify_signature(
        &self,
        _request: &RawRequest<'_>,
        _keys: &Keys<'_>,
    ) -> Result<(), Unverified> {
        Err(Unverified::MethodNotAccepted)
    }

    fn document<'r>(&self, request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable> {
        Ok(Cow::Borrowed(request.request().body))
    }

    /// JSON wherever it is JSON, whatever the sender calls it: many programs send it as a form or as
    /// text. What is not JSON is a form's fields, or else one text, unless the sender says JSON.
    fn read(&self, document: &[u8], media_type: &str) -> Result<Value, Unreadable> {
        if media_type.starts_with("multipart/") {
            return Err(Unreadable::Field {
                field: "content-type".into(),
                why: "multipart bodies are not read; let the sender send JSON, a form or text"
                    .into(),
            });
        }
        let text = match (json::parse(document), std::str::from_utf8(document)) {
            (Err(Unreadable::NotJson(_)), Ok(text)) if !is_json(media_type) => text,
            (read, _) => return read,
        };
        match media_type == FORM && text.contains('=') {
            true => Ok(form(text)),
            false => Ok(Value::String(text.trim().to_owned())),
        }
    }

    fn sender_key(&self, request: &Verified<'_>) -> Option<String> {
        KEY_HEADERS
            .iter()
            .find_map(|header| key_header(request.request(), header))
    }

    fn mapped_key(
        &self,
        prepared: &Prepared,
        request: &Readable,
    ) -> Result<Option<String>, Unreadable> {
        match &prepared.map {
            Some(map) => map.key(request),
            None => Ok(None),
        }
    }

    fn prepare(&self, spec: &ProviderSpec) -> Result<Prepared, Unreadable> {
        Ok(Prepared {
            map: spec.map.as_ref().map(CompiledMap::new).transpose()?,
        })
    }

    fn notices(
        &self,
        spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        self.notices_prepared(&self.prepare(spec)?, spec, request)
    }

    fn notices_prepared(
        &self,
        prepared: &Prepared,
        spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        let guessed = guess::notice(&contents(request), &spec.name);
        let notice = match &prepared.map {
            Some(map) => map.notice(guessed, request)?,
            None => guessed.whole(),
        };
        let mut notice = notice.bounded();
        // A title of nothing but invisible characters is none.
        if notice.title.is_empty() {
            notice.title = format!("Received from {}", spec.name);
        }
        Ok(vec![notice])
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn is_json(media_type: &str) -> bool {
    media_type.ends_with("/json") || media_type.ends_with("+json")
}

/// Fields of a form in which senders put a JSON document.
const DOCUMENT_FIELDS: [&str; 3] = ["payload", "data", "json"];

/// A form as an object. A field that repeats is a list.
fn form(text: &str) -> Value {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()).take(FORM_FIELDS_MAX) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    for name in DOCUMENT_FIELDS {
        if let Some(field) = fields.get_mut(name)
            && let Some(text) = field.as_str()
            && text.trim_start().starts_with(['{', '['])
            && let Ok(document) = json::parse(text.as_bytes())
        {
            *field = document;
        }
    }
    Value::Object(fields)
}

/// What is to be understood: the body, or the query where a device can only call an address.
fn contents(request: &Readable) -> Cow<'_, Value> {
    match &request.body {
        Value::String(text) if text.is_empty() && !request.query.is_empty() => {
            let pairs = request.query.iter();
            Cow::Owned(Value::Object(
                pairs
                    .map(|(name, value)| (name.clone(), Value::String(value.clone())))
                    .collect(),
            ))
        }
        body => Cow::Borrowed(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The shell keeps what was prepared and shares it between threads.
    const fn shared<T: Send + Sync>() {}
    const _: () = shared::<Prepared>();

    #[test]
    fn bodies_of_any_kind_are_read() {
        for (media_type, body, expected) in [
            ("application/json", "{\"a\":1}", Some(json!({"a": 1}))),
            ("application/json", "{\"a\":", None),
            ("application/vnd.x+json", "nothing", None),
            ("application/json", "", None),
            ("", "{\"a\":1}", Some(json!({"a": 1}))),
            ("text/plain", "Disk is full\n", Some(json!("Disk is full"))),
            ("text/plain", "", Some(json!(""))),
            (
                FORM,
                "a=1&b=x+y&a=2",
                Some(json!({"a": ["1", "2"], "b": "x y"})),
            ),
            // curl says form by default, whatever it sends.
            (FORM, "{\"a\":\"b=c\"}", Some(json!({"a": "b=c"}))),
            (FORM, "backup done", Some(json!("backup done"))),
            (
                FORM,
                "payload=%7B%22a%22%3A1%7D&x=%7B%7D",
                Some(json!({"payload": {"a": 1}, "x": "{}"})),
            ),
            ("multipart/form-data", "--x\r\n", None),
        ] {
            assert_eq!(
                Generic.read(body.as_bytes(), media_type).ok(),
                expected,
                "{body}"
            );
        }
        assert!(Generic.read(b"\xFF", "text/plain").is_err());
        let deep = "[".repeat(100);
        assert_eq!(
            Generic.read(deep.as_bytes(), "text/plain"),
            Err(Unreadable::TooDeep(json::JSON_DEPTH_MAX))
        );
    }
}
