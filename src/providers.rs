//! Provider kinds: how a sender proves itself, and what its bytes say.
//!
//! **Invariant:** pure. A provider gets bytes, its configuration and the time, and gives notices.
//! A new kind is one file, one line in [`KINDS`], and fixtures under `fixtures/providers/<kind>/`.
//!
//! The way of a request: [`verify()`] → [`Webhook::document`] (bytes) → [`Webhook::read`] (a value,
//! within the bounds of [`json`]) → [`Readable::of`] → [`Webhook::notices`].

pub mod ask;
pub mod bridge;
pub mod cursor;
pub mod fetch;
mod forge;
mod gitea;
mod github;
pub mod home_assistant;
pub mod immich;
pub mod json;
pub mod nut;
pub mod options;
pub mod scheduler;
mod verify;
pub mod webhook;

use std::borrow::Cow;

use serde_json::Value;

use crate::domain::notice::{NoticeDraft, Severity};
use crate::domain::spec::{ProviderSpec, Verify};

pub use ask::{Polled, Subscribed};
pub use fetch::Fetchable;
pub use verify::{TIME_TOLERANCE_SECONDS, verify};

/// Most query pairs that are handed to a provider; further ones are left out.
pub const QUERY_PAIRS_MAX: usize = 100;

/// A request as it arrived. Header names are lower case.
#[derive(Debug)]
pub struct RawRequest<'a> {
    pub method: &'a str,
    /// What follows `/hooks/{provider}/` in the path, without a leading slash; never decoded.
    pub path_rest: &'a str,
    pub query: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: &'a [u8],
}

impl RawRequest<'_> {
    /// The first value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The media type of the body without its parameters, in lower case; empty when not said.
    pub fn media_type(&self) -> String {
        let value = self.header_text("content-type").unwrap_or("");
        let (media, _) = value.split_once(';').unwrap_or((value, ""));
        media.trim_ascii().to_ascii_lowercase()
    }
}

/// What verification needs of the outside: the provider's secrets, newest first, and the time.
pub struct Keys<'a> {
    pub secrets: &'a [&'a [u8]],
    /// Seconds since 1970.
    pub now_seconds: i64,
}

/// Proof that a request was verified by the configured method; only [`verify()`] makes one.
#[derive(Debug)]
pub struct Verified<'a>(&'a RawRequest<'a>);

impl<'a> Verified<'a> {
    pub fn request(&self) -> &'a RawRequest<'a> {
        self.0
    }
}

/// Why a request was not verified. The text says which way it failed and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("this provider kind cannot be verified in the configured way; choose another `verify`")]
    MethodNotAccepted,
    #[error("no secret is configured for this provider, so nothing can be verified")]
    NoSecret,
    #[error("header {0} is missing")]
    HeaderMissing(String),
    #[error("header {0} is empty: the sender has no secret set")]
    HeaderEmpty(String),
    #[error("header {0} is not of the expected form: {1}")]
    HeaderMalformed(String, &'static str),
    #[error(
        "the signature in {0} does not match: the secrets differ, or the body was changed on the way"
    )]
    SignatureMismatch(String),
    #[error("the token in {0} does not match")]
    TokenMismatch(String),
    #[error("the path carries no token")]
    PathTokenMissing,
    #[error("the time in {0} is more than five minutes off")]
    TooOld(String),
}

/// Verified, but its meaning could not be made out. Kept with its body and shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body is nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("the body has more than {0} values")]
    TooManyValues(usize),
    #[error("{field}: {why}")]
    Field { field: String, why: String },
}

/// A verified request with every known secret replaced, body parsed. What providers read.
#[derive(Debug)]
pub struct Readable {
    /// Lower-case names; only headers whose value is text.
    pub headers: Vec<(String, String)>,
    /// Decoded query pairs in order.
    pub query: Vec<(String, String)>,
    pub body: Value,
}

impl Readable {
    /// Headers and query of a request, together with what was read of its body. Secrets are still
    /// in it: the shell replaces them before a provider sees it.
    pub fn of(request: &RawRequest<'_>, body: Value) -> Self {
        Readable {
            headers: request
                .headers
                .iter()
                .filter_map(|(name, value)| {
                    Some((
                        (*name).to_owned(),
                        std::str::from_utf8(value).ok()?.to_owned(),
                    ))
                })
                .collect(),
            query: url::form_urlencoded::parse(request.query.as_bytes())
                .take(QUERY_PAIRS_MAX)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            body,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One notice kind of a provider kind.
#[derive(Debug, Clone, Copy)]
pub struct NoticeKind {
    pub name: &'static str,
    pub severity: Severity,
}

impl NoticeKind {
    pub const fn new(name: &'static str, severity: Severity) -> Self {
        NoticeKind { name, severity }
    }
}

/// A kind of provider.
pub trait Provider: Sync {
    fn kind(&self) -> &'static str;
    /// Notice kinds it can give. Empty means any (`webhook`, whose mapping decides).
    fn notice_kinds(&self) -> &'static [NoticeKind];
    /// Of them those that come in bursts: one waits until its collection has been quiet for
    /// [`crate::domain::policy::SETTLE_DEFAULT`], unless its tracker says otherwise.
    fn settles(&self) -> &'static [&'static str] {
        &[]
    }
    /// Traps on the sender's side, one sentence each, shown by `explain` and on set-up.
    fn traps(&self) -> &'static [&'static str];
    fn webhook(&self) -> Option<&dyn Webhook> {
        None
    }
    /// What looks at it, for a kind that is asked.
    fn polled(&self) -> Option<&dyn Polled> {
        None
    }
    /// What speaks over a connection that stays open.
    fn subscribed(&self) -> Option<&dyn Subscribed> {
        None
    }
    /// How the items of its notices are fetched, where they can be.
    fn files(&self) -> Option<&dyn Fetchable> {
        None
    }
    /// The fields of [`crate::domain::spec::SourceSpec`] that it has, by their keys. One that is looked
    /// at by interval has `interval` and `adaptive_max_skip` besides.
    fn fields(&self) -> &'static [KindField] {
        &[]
    }
    /// Its secrets besides those by which a sender proves itself.
    fn secret_fields(&self) -> &'static [KindField] {
        &[]
    }
    /// What is wrong between fields that are right by themselves, by field.
    fn check(&self, spec: &ProviderSpec) -> options::Faults {
        let _ = spec;
        Vec::new()
    }
    /// What is wrong with `[tracker.options]`, by option. Without a word of its own a kind has none.
    fn check_options(&self, options: &serde_json::Map<String, Value>) -> options::Faults {
        options::read(options, |_| ()).1
    }
    /// What a tracker with these options makes of a notice, or why it wants nothing of it. Asked where
    /// notices are routed and again where they are put into words.
    fn shape<'n>(
        &self,
        tracker: &str,
        options: &serde_json::Map<String, Value>,
        notice: &'n NoticeDraft,
    ) -> Result<Cow<'n, NoticeDraft>, String> {
        let _ = (tracker, options);
        Ok(Cow::Borrowed(notice))
    }
}

/// A field of a provider's table that only some kinds have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindField {
    pub name: &'static str,
    pub required: bool,
}

impl KindField {
    pub const fn required(name: &'static str) -> Self {
        KindField {
            name,
            required: true,
        }
    }

    pub const fn optional(name: &'static str) -> Self {
        KindField {
            name,
            required: false,
        }
    }
}

/// What a provider kind that is told by webhook knows.
pub trait Webhook: Sync {
    fn default_verify(&self) -> Verify;
    /// Whether this kind may be configured to verify this way.
    fn accepts(&self, verify: &Verify) -> bool;
    /// Its own signature scheme, for [`Verify::Signature`].
    fn verify_signature(&self, request: &RawRequest<'_>, keys: &Keys<'_>)
    -> Result<(), Unverified>;
    /// Whether the header that carries the token of [`Verify::Bearer`] may have any name: whoever sets
    /// the sender up names it.
    fn takes_any_header(&self) -> bool {
        false
    }
    /// Whether a verified request means that the provider is to be looked at at once.
    fn wakes(&self) -> bool {
        false
    }
    /// The bytes of the JSON document: the body, or a form field of it.
    fn document<'r>(&self, request: &Verified<'r>) -> Result<Cow<'r, [u8]>, Unreadable>;
    /// What the bytes of [`Webhook::document`] say. Kinds that take more than JSON look at the media
    /// type ([`RawRequest::media_type`]).
    fn read(&self, document: &[u8], media_type: &str) -> Result<Value, Unreadable> {
        let _ = media_type;
        json::parse(document)
    }
    /// The sender's key of this delivery, by which a redelivery is known.
    fn sender_key(&self, request: &Verified<'_>) -> Option<String>;
    /// A key that the configuration works out of what was read. Where there is one it counts
    /// instead of [`Webhook::sender_key`].
    fn mapped_key(
        &self,
        prepared: &Prepared,
        request: &Readable,
    ) -> Result<Option<String>, Unreadable> {
        let _ = (prepared, request);
        Ok(None)
    }
    /// Whether equal verified bytes are the same delivery (signed forges only).
    fn same_bytes_same_delivery(&self) -> bool {
        false
    }
    /// What can be worked out of a configuration once, to be kept as long as it does not change.
    fn prepare(&self, spec: &ProviderSpec) -> Result<Prepared, Unreadable> {
        let _ = spec;
        Ok(Prepared::default())
    }
    /// What the request says: nothing (a ping), one notice, or several.
    fn notices(
        &self,
        spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable>;
    /// [`Webhook::notices`] with what [`Webhook::prepare`] made of the same configuration.
    fn notices_prepared(
        &self,
        prepared: &Prepared,
        spec: &ProviderSpec,
        request: &Readable,
    ) -> Result<Vec<NoticeDraft>, Unreadable> {
        let _ = prepared;
        self.notices(spec, request)
    }
}

/// What a kind made of a provider's configuration; see [`Webhook::prepare`].
#[derive(Debug, Default)]
pub struct Prepared {
    map: Option<webhook::CompiledMap>,
}

/// The provider kind of this name.
pub fn kind(name: &str) -> Option<&'static dyn Provider> {
    KINDS
        .iter()
        .copied()
        .find(|provider| provider.kind() == name)
}

/// Every provider kind, in the order in which documentation lists them.
pub static KINDS: &[&dyn Provider] = &[
    &gitea::Gitea,
    &github::GitHub,
    &immich::Immich,
    &home_assistant::HomeAssistant,
    &nut::Nut,
    &webhook::Generic,
    &scheduler::Scheduler,
];

/// Longest sender key taken from a header, in bytes; a longer one is no key.
pub const SENDER_KEY_BYTES_MAX: usize = 256;

/// A header's value as a key, when it can be one.
fn key_header(request: &RawRequest<'_>, header: &str) -> Option<String> {
    let key = request.header_text(header)?.trim_ascii();
    (!key.is_empty() && key.len() <= SENDER_KEY_BYTES_MAX && !key.contains(char::is_control))
        .then(|| key.to_owned())
}
