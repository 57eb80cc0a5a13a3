//! What is configured about how long things are kept. 0 means for ever, or without a bound.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::civil::CivilTime;

/// Most days that can be configured: a hundred years.
pub const DAYS_MAX: u32 = 36_500;
/// Highest number that can be configured for what is kept by count.
pub const COUNT_MAX: u32 = 1_000_000;
/// Kinds with a rule of their own, per provider and in the settings.
pub const KINDS_MAX: usize = 64;

/// How notices of one kind are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KindRetention {
    pub days: u32,
    /// Newest ones that are kept, per provider.
    pub most: u32,
}

/// `settings.retention`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionSpec {
    pub notices_days: u32,
    pub notices_per_provider: u32,
    /// Received bodies, which take the most room and are looked at the least.
    pub bodies_days: u32,
    pub bodies_per_provider: u32,
    /// All bodies together; the oldest go first.
    #[serde(with = "size_text")]
    pub bodies_bytes_max: u64,
    /// What was configured, by whom; accounts, pauses and all else that is no notice.
    pub configuration_days: u32,
    /// Kinds of notices that are kept otherwise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindRetention>,
    /// When it runs, in the zone of the settings.
    pub at: CivilTime,
}

impl Default for RetentionSpec {
    fn default() -> Self {
        RetentionSpec {
            notices_days: 30,
            notices_per_provider: 0,
            bodies_days: 7,
            bodies_per_provider: 20,
            bodies_bytes_max: 1 << 30,
            configuration_days: 365,
            kinds: BTreeMap::new(),
            at: CivilTime::from_seconds(3 * 3_600).unwrap_or(CivilTime::MIDNIGHT),
        }
    }
}

/// `retention` of a provider: what it does not say is as the settings say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderRetention {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notices_per_provider: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bodies_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bodies_per_provider: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindRetention>,
}

/// A size as `1GiB`, as the file has it.
mod size_text {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::config::quantity;

    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        quantity::size_text(*bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        quantity::size_bytes(&text).map_err(D::Error::custom)
    }
}
