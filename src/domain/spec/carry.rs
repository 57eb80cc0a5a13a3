//! How a target that can carry files carries them.

use serde::{Deserialize, Serialize};

use super::is_default;

/// Most files one message carries, unless configured otherwise.
pub const MEDIA_DEFAULT: u16 = 10;
/// Pause between two groups of a message in milliseconds, unless configured otherwise.
pub const GROUP_PAUSE_MS_DEFAULT: u32 = 500;
/// Longest pause between two groups, in milliseconds.
pub const GROUP_PAUSE_MS_MAX: u32 = 60_000;

/// Whether files stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum MediaMode {
    #[default]
    Group,
    Single,
    None,
}

/// What becomes of a file that is too large for what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Large {
    /// It goes as a plain file.
    #[default]
    Document,
    /// It stays away, unless the service that has it has a smaller one.
    Skip,
}

/// Options of a target about the files of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CarrySpec {
    #[serde(skip_serializing_if = "is_default")]
    pub media: MediaMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_media: Option<u16>,
    /// In milliseconds.
    #[serde(with = "pause_text", skip_serializing_if = "Option::is_none")]
    pub group_pause: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub large_photo: Large,
    #[serde(skip_serializing_if = "is_default")]
    pub large_video: Large,
    #[serde(skip_serializing_if = "Clone::clone")]
    pub chat_action: bool,
}

impl Default for CarrySpec {
    fn default() -> Self {
        CarrySpec {
            media: MediaMode::default(),
            max_media: None,
            group_pause: None,
            large_photo: Large::default(),
            large_video: Large::default(),
            chat_action: true,
        }
    }
}

impl CarrySpec {
    pub fn media_max(&self) -> usize {
        usize::from(self.max_media.unwrap_or(MEDIA_DEFAULT))
    }

    pub fn pause_ms(&self) -> u32 {
        self.group_pause.unwrap_or(GROUP_PAUSE_MS_DEFAULT)
    }
}

/// `group_pause` as people write it.
mod pause_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::config::quantity::{duration_ms, duration_text};

    pub fn serialize<S: Serializer>(pause: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        pause
            .map(|pause| duration_text(u64::from(pause)))
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u32>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            let ms = duration_ms(&text).map_err(serde::de::Error::custom)?;
            u32::try_from(ms).map_err(serde::de::Error::custom)
        })
        .transpose()
    }
}
