//! What a person configures: providers, targets, trackers and their links, templates, settings.
//!
//! A spec is the configured part of an entity, valid by type where that is cheap and checked by
//! [`crate::config`] where it is not. Secrets are never in a spec: an entity carries
//! [`SecretMark`]s, and the sealed bytes lie in the store's own table.
//!
//! Specs are written into events as canonical JSON, so that a field added later reads as its
//! default from an event written before.

mod bot;
mod carry;
mod reference;
mod source;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::civil::CivilTime;
use super::policy::{
    self, CatchUp, DigestSpec, GroupSpec, InhibitSpec, SETTLE_MAX_DEFAULT, SeveritySpec, Span,
    Threshold, WallClock,
};
use super::windows::WindowSpec;

pub use bot::{BotMode, BotSpec};
pub use carry::{
    CarrySpec, GROUP_PAUSE_MS_DEFAULT, GROUP_PAUSE_MS_MAX, Large, MEDIA_DEFAULT, MediaMode,
};
pub use reference::Reference;
pub use source::{
    ADAPTIVE_SKIP_MAX, AskSpec, INTERVAL_DEFAULT, INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN,
    Missed, SourceSpec, Tls,
};

/// The provider that is the bridge itself, and its kind. No file configures it; a tracker may watch
/// it all the same.
pub const BRIDGE: &str = "bridge";
/// Its id, which no configured provider is ever given.
pub const BRIDGE_PROVIDER: u32 = u32::MAX;

/// The kinds of entity this version configures. A new one comes last: snapshots count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Provider,
    Target,
    Tracker,
    Template,
    Bot,
}

impl EntityKind {
    pub const ALL: [EntityKind; 5] = [
        EntityKind::Provider,
        EntityKind::Target,
        EntityKind::Tracker,
        EntityKind::Template,
        EntityKind::Bot,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Provider => "provider",
            EntityKind::Target => "target",
            EntityKind::Tracker => "tracker",
            EntityKind::Template => "template",
            EntityKind::Bot => "bot",
        }
    }
}

/// That a secret is set: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMark {
    /// Position of the event with which it was set; with `slot` the key of the sealed bytes.
    pub position: u64,
    /// Number of the secret within that event.
    pub slot: u16,
    /// Keyed hash of the value, to see whether a file would change it.
    pub fingerprint: [u8; 16],
}

/// Marks by field name. A list of two during rotation is `secret` and `secret.2`.
pub type SecretMarks = BTreeMap<String, SecretMark>;

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a field that stands there: `null` is then a value of its own and not absence.
fn said<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// How a sender proves itself. Exactly the configured way is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// The provider kind's own signature scheme.
    Signature,
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `Authorization: Basic base64(user:<secret>)`; any user name.
    Basic,
    /// The last path segment is the secret.
    Path,
    /// Nobody is checked; only by explicit choice.
    None,
    /// HMAC-SHA256 of the body in a header of the sender's choice (kind `webhook`).
    Hmac(HmacSpec),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacSpec {
    /// Header name, lower case.
    pub header: String,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub encoding: DigestEncoding,
    /// When set, the signed bytes are `<value of this header>.<body>` and the time, Unix seconds,
    /// has to lie within five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum DigestEncoding {
    #[default]
    Hex,
    Base64,
}

/// So many per so long. `None` where a spec holds `Option<Rate>` means off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub count: u32,
    pub per_seconds: u32,
}

/// Verified requests a provider may send before it hears 429, unless configured otherwise.
pub const PROVIDER_RATE_DEFAULT: Rate = Rate {
    count: 600,
    per_seconds: 60,
};

/// `[provider.map]` of kind `webhook`: MiniJinja expressions over `body`, `headers`, `query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct MapSpec {
    /// Keys: kind, collection, subject, transition, title, text, url, severity, actor, key.
    pub fields: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpec {
    pub name: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// `None`: the kind's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// `None`: [`PROVIDER_RATE_DEFAULT`]; `Some(None)`: off.
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    pub rate: Option<Option<Rate>>,
    /// Largest body in bytes; `None`: 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapSpec>,
    /// Windows; `None`: those further away hold, empty: none hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    /// A silence that long is a bridge notice, and so is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Span>,
    /// What is kept otherwise than the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<ProviderRetention>,
    /// Where a provider that is asked is, and when it is asked.
    #[serde(flatten)]
    pub source: SourceSpec,
}

/// A place within a target. Its identity is (target, `to`, `thread`); options do not change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverSpec {
    /// Unique in its target; defaults to `to` or `to:thread`.
    pub name: String,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub silent: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub protect: bool,
    /// Link preview; `None`: the target's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<bool>,
    /// Pictures and videos are covered until they are tapped on.
    #[serde(skip_serializing_if = "is_false")]
    pub spoiler: bool,
    /// Whether the receiver is switched off by configuration.
    #[serde(skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Windows; `None`: those further away hold, empty: none hold here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    /// `None`: the target kind's default; `Some(None)`: off.
    #[serde(with = "policy::pace_text", skip_serializing_if = "Option::is_none")]
    pub pace: Option<Option<Rate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestSpec>,
    /// Above this many messages in that time they become one summary; `None`: never.
    #[serde(with = "policy::storm_text", skip_serializing_if = "Option::is_none")]
    pub storm: Option<Rate>,
}

/// What an absent field means. Written out because a receiver is enabled unless it says otherwise.
impl Default for ReceiverSpec {
    fn default() -> Self {
        ReceiverSpec {
            name: String::new(),
            to: String::new(),
            thread: None,
            thread_name: None,
            locale: None,
            silent: false,
            protect: false,
            preview: None,
            spoiler: false,
            enabled: true,
            quiet: None,
            pace: None,
            digest: None,
            storm: None,
        }
    }
}

/// Options of a target by kind. A field that its kind does not have is refused when configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSpec {
    pub name: String,
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_private: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Kinds without receivers have exactly one, named `default` and with an empty `to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<ReceiverSpec>,
    /// telegram: the bot that it sends as, instead of a `token` of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
    /// telegram: where the Bot API is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// telegram: link previews.
    #[serde(default, skip_serializing_if = "is_false")]
    pub preview: bool,
    /// telegram: files of a message.
    #[serde(flatten)]
    pub carry: CarrySpec,
    /// discord
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// webhook: `POST` (default), `PUT` or `PATCH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// webhook: a template for the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// broadcast: names of other targets, and those of them that are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<String>,
    /// Windows; `None`: those further away hold, empty: none hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    /// `None`: the target kind's default; `Some(None)`: off.
    #[serde(
        default,
        with = "policy::pace_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub pace: Option<Option<Rate>>,
}

/// What happens to a delivery whose outcome is not known after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    #[default]
    Retry,
    Park,
}

/// tracker → target, with overrides. Identity: (tracker, target, optional name).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(default)]
    pub unknown: UnknownPolicy,
    /// Windows; `None`: those further away hold, empty: none hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    /// `None`: the receiver's; `Some(None)`: off.
    #[serde(
        default,
        with = "policy::digest_or_off",
        skip_serializing_if = "Option::is_none"
    )]
    pub digest: Option<Option<DigestSpec>>,
    /// What is as bad as this passes windows, digests, grouping, settling and storm summaries.
    #[serde(
        default = "policy::pierces_by_default",
        skip_serializing_if = "policy::is_critical"
    )]
    pub pierce: Threshold,
    /// The target that is used for a delivery that is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The fallback is also used for what has not arrived for so long; `None`: only when parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_after: Option<Span>,
    /// Whether later notices of a subject edit its earlier message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub update: bool,
    #[serde(default, skip_serializing_if = "policy::is_default")]
    pub catch_up: CatchUp,
    #[serde(default, skip_serializing_if = "policy::is_default")]
    pub wall_clock: WallClock,
}

impl LinkSpec {
    /// A link that overrides nothing.
    pub fn to(target: impl Into<String>) -> Self {
        LinkSpec {
            target: target.into(),
            name: None,
            enabled: true,
            template: None,
            locale: None,
            unknown: UnknownPolicy::default(),
            quiet: None,
            digest: None,
            pierce: policy::pierces_by_default(),
            fallback: None,
            fallback_after: None,
            update: false,
            catch_up: CatchUp::default(),
            wall_clock: WallClock::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerSpec {
    pub name: String,
    pub provider: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Globs over notice kinds, `!` negates; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Globs over collection ids and names, `!` negates; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// A MiniJinja expression over `notice`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkSpec>,
    /// Windows; `None`: those further away hold, empty: none hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupSpec>,
    /// A notice waits until its collection has been quiet for so long; of no length: it does not wait,
    /// whatever its kind. `None`: kinds that settle by themselves wait [`policy::SETTLE_DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Span>,
    /// And no longer than this; see [`TrackerSpec::settle_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_max: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeveritySpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inhibit: Vec<InhibitSpec>,
    /// A silence that long is a bridge notice, and so is its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Span>,
    /// What is asked of the provider for this tracker.
    #[serde(flatten)]
    pub asks: AskSpec,
}

impl TrackerSpec {
    /// The longest that settling puts a notice off: never shorter than one quiet time.
    pub fn settle_max(&self) -> Span {
        let least = self.settle.unwrap_or(policy::SETTLE_DEFAULT);
        self.settle_max.unwrap_or(SETTLE_MAX_DEFAULT).max(least)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonSpec {
    pub text: String,
    pub url: String,
}

/// The words for one notice kind: MiniJinja sources in small Markdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct WordsSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ButtonSpec>,
    /// Whole text for one format instead of title and text: telegram, discord, email, plain.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The language it is written in; `None`: serves every locale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// By notice kind; `default` serves every kind without an entry.
    #[serde(default)]
    pub entries: BTreeMap<String, WordsSpec>,
}

/// Settings of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// IANA zone in which civil days are counted.
    pub timezone: String,
    pub locale: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Windows of the whole space; `None`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Vec<WindowSpec>>,
    /// When backups are made, and how many are kept; `None`: none are made by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,
    /// What is kept for how long; `None`: [`RetentionSpec::default`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionSpec>,
}

impl Settings {
    pub fn retention(&self) -> RetentionSpec {
        self.retention.clone().unwrap_or_default()
    }
}

/// Backups that are made by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSpec {
    /// The time of day, in the space's zone.
    pub at: CivilTime,
    /// How many of them are kept.
    pub keep: u16,
}

/// Backups that are kept when it is not said how many.
pub const BACKUPS_KEPT_DEFAULT: u16 = 7;
/// Most backups that are kept.
pub const BACKUPS_KEPT_MAX: u16 = 366;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            timezone: "UTC".into(),
            locale: "en".into(),
            public_url: None,
            quiet: None,
            backup: None,
            retention: None,
        }
    }
}

pub use super::keeping::{KindRetention, ProviderRetention, RetentionSpec};

/// One configured entity, as it is written into an event and into an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entity", rename_all = "snake_case")]
pub enum EntitySpec {
    Provider(ProviderSpec),
    Target(TargetSpec),
    Tracker(TrackerSpec),
    Template(TemplateSpec),
    Bot(BotSpec),
}

impl EntitySpec {
    pub fn kind(&self) -> EntityKind {
        match self {
            EntitySpec::Provider(_) => EntityKind::Provider,
            EntitySpec::Target(_) => EntityKind::Target,
            EntitySpec::Tracker(_) => EntityKind::Tracker,
            EntitySpec::Template(_) => EntityKind::Template,
            EntitySpec::Bot(_) => EntityKind::Bot,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            EntitySpec::Provider(spec) => &spec.name,
            EntitySpec::Target(spec) => &spec.name,
            EntitySpec::Tracker(spec) => &spec.name,
            EntitySpec::Template(spec) => &spec.name,
            EntitySpec::Bot(spec) => &spec.name,
        }
    }

    /// Everything it refers to, each with the field that does.
    pub fn references(&self) -> Vec<Reference<'_>> {
        match self {
            EntitySpec::Provider(_) | EntitySpec::Template(_) | EntitySpec::Bot(_) => Vec::new(),
            EntitySpec::Target(target) => target.references().collect(),
            EntitySpec::Tracker(tracker) => tracker.references().collect(),
        }
    }
}
