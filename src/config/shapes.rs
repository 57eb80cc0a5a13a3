//! What the file needs to know of kinds and of the template engine, as values and functions.

use super::Present;
use super::secrets::SecretField;
use crate::domain::spec::{DigestEncoding, HmacSpec, MapSpec, ProviderSpec, Verify};
use crate::providers::ask::Rhythm;
use crate::providers::options::Faults;
use crate::providers::{KindField, Provider, bridge};

/// The kind of target that stands for others; routing resolves it, so it is in no registry.
pub(super) const BROADCAST: &str = "broadcast";

/// What reading asks of the rest of the program.
pub struct Checks<'a> {
    /// Compiles a `where`.
    pub filter: fn(&str) -> Result<(), String>,
    /// Compiles a text of a template.
    pub words: fn(&str) -> Result<(), String>,
    /// Compiles the `body` of a `webhook` target.
    pub body: fn(&str) -> Result<(), String>,
    /// Compiles a map; each fault names its field, `map.title` or `map.labels.branch`.
    pub map: fn(&MapSpec) -> Vec<(String, String)>,
    pub provider_kinds: &'a [&'static str],
    pub provider: fn(&str) -> Option<ProviderShape>,
    /// What is wrong between fields of a provider, by field.
    pub source: fn(&ProviderSpec) -> Faults,
    /// What is wrong with `[tracker.options]` of a tracker on this kind of provider, by option.
    pub options: fn(&str, &serde_json::Map<String, serde_json::Value>) -> Faults,
    pub target_kinds: &'a [&'static str],
    pub target: fn(&str) -> Option<TargetShape>,
    /// What files may refer to besides each other; empty for a check of files alone.
    pub present: &'a Present,
}

/// What a provider kind takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderShape {
    /// Empty: its map decides, so it takes one.
    pub notice_kinds: Vec<&'static str>,
    /// `None`: nobody sends to it, so it has neither `verify` nor `secret`.
    pub default_verify: Option<Verify>,
    /// Methods it accepts, as written; `hmac_sha256` stands for the table.
    pub accepts: Vec<&'static str>,
    /// Keys of where it is and when it is asked.
    pub fields: Vec<KindField>,
    /// Secrets besides `secret`.
    pub secrets: Vec<KindField>,
}

/// What a target kind takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetShape {
    pub has_receivers: bool,
    /// Whether it has to name one; else it has one named `default` when it names none.
    pub receivers_required: bool,
    /// Keys of a receiver beyond `name`, `locale` and `enabled`. One with `to` needs it.
    pub receiver_fields: &'static [&'static str],
    pub secret_fields: Vec<SecretField>,
    pub option_fields: &'static [&'static str],
}

/// Ways to verify as written in a file, with what they mean.
pub(super) fn verify_words() -> [(&'static str, Verify); 5] {
    [
        ("signature", Verify::Signature),
        ("bearer", Verify::Bearer),
        ("basic", Verify::Basic),
        ("path", Verify::Path),
        ("none", Verify::None),
    ]
}

/// The word of a way to verify; the inline table goes by its first key.
pub(super) fn verify_word(verify: &Verify) -> &'static str {
    match verify {
        Verify::Signature => "signature",
        Verify::Bearer => "bearer",
        Verify::Basic => "basic",
        Verify::Path => "path",
        Verify::None => "none",
        Verify::Hmac(_) => "hmac_sha256",
    }
}

/// What a registered provider kind takes.
pub fn provider_shape(provider: &dyn Provider) -> ProviderShape {
    let webhook = provider.webhook();
    let hmac = Verify::Hmac(HmacSpec {
        header: "x-signature".into(),
        prefix: String::new(),
        encoding: DigestEncoding::Hex,
        timestamp: None,
    });
    let methods = verify_words().into_iter().map(|(_, verify)| verify);
    ProviderShape {
        notice_kinds: provider.notice_kinds().iter().map(|k| k.name).collect(),
        default_verify: webhook.map(|webhook| webhook.default_verify()),
        accepts: match webhook {
            Some(webhook) => methods
                .chain([hmac])
                .filter(|verify| webhook.accepts(verify))
                .map(|verify| verify_word(&verify))
                .collect(),
            None => Vec::new(),
        },
        fields: fields_of(provider),
        secrets: provider.secret_fields().to_vec(),
    }
}

/// The kind's own fields, with those of everyone that is looked at by interval.
fn fields_of(provider: &dyn Provider) -> Vec<KindField> {
    let by_interval = provider
        .polled()
        .is_some_and(|polled| polled.rhythm() == Rhythm::Interval);
    let of_rhythm: &[KindField] = match by_interval {
        true => &[
            KindField::optional("interval"),
            KindField::optional("adaptive_max_skip"),
        ],
        false => &[],
    };
    [of_rhythm, provider.fields()].concat()
}

impl ProviderShape {
    /// What the bridge tells of itself. It is in no registry, because nobody configures it.
    pub(super) fn bridge() -> Self {
        ProviderShape {
            notice_kinds: bridge::NOTICE_KINDS.iter().map(|kind| kind.name).collect(),
            default_verify: None,
            accepts: Vec::new(),
            fields: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

impl TargetShape {
    /// What a broadcast takes. It is no registered kind, because it makes no calls of its own.
    pub(super) fn broadcast() -> Self {
        TargetShape {
            has_receivers: false,
            receivers_required: false,
            receiver_fields: &[],
            secret_fields: Vec::new(),
            option_fields: &["targets", "off"],
        }
    }
}
