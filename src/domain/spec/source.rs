//! The part of a provider's and a tracker's spec that is about providers which are asked: by
//! polling, over a session that stays open, or by the clock.
//!
//! The fields stand beside the others in a file and in JSON; they are apart here because only some
//! kinds have them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Span;

/// Shortest and longest time between two looks, in seconds.
pub const INTERVAL_SECONDS_MIN: u32 = 10;
pub const INTERVAL_SECONDS_MAX: u32 = 3_600;
/// The time between two looks where nothing is configured.
pub const INTERVAL_DEFAULT: Span = Span::of_seconds(60);
/// Largest `adaptive_max_skip`: of so many looks all but one may be left out.
pub const ADAPTIVE_SKIP_MAX: u16 = 100;

/// What a kind that is asked takes of a provider's table. A field that its kind does not have is
/// refused when configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct SourceSpec {
    /// `None`: [`INTERVAL_DEFAULT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// At most all but one of so many looks are left out while nothing happens; 0 and 1: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive_max_skip: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where people reach it, when that is not `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// `None`: the space's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// What a notice of the clock carries as labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

impl SourceSpec {
    /// Whether both speak of the same place, so that what was observed there still holds.
    pub fn is_same_place(&self, other: &SourceSpec) -> bool {
        (&self.url, &self.host, self.port) == (&other.url, &other.host, other.port)
    }
}

/// Whether a connection of a line protocol is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Begun in the clear and encrypted before anything is said.
    StartTls,
    None,
}

/// What becomes of moments of the clock at which the program did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    #[default]
    Skip,
    /// One notice for all of them.
    Once,
    All,
}

/// What a tracker says about how its provider is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct AskSpec {
    /// `None`: the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// `None`: the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive_max_skip: Option<u16>,
    /// `[tracker.options]`, which the provider kind reads.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
}
