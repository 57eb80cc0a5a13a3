//! Where a delivery stands.

use serde::{Deserialize, Serialize};

/// Status of a delivery; one enum everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Due,
    Held,
    Sending,
    Retrying,
    Sent,
    Parked,
    Dropped,
    Merged,
    Unknown,
}

impl Status {
    pub const ALL: [Status; 9] = [
        Status::Due,
        Status::Held,
        Status::Sending,
        Status::Retrying,
        Status::Sent,
        Status::Parked,
        Status::Dropped,
        Status::Merged,
        Status::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Due => "due",
            Status::Held => "held",
            Status::Sending => "sending",
            Status::Retrying => "retrying",
            Status::Sent => "sent",
            Status::Parked => "parked",
            Status::Dropped => "dropped",
            Status::Merged => "merged",
            Status::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// Waiting for its turn in a lane.
    pub fn waits(self) -> bool {
        matches!(self, Status::Due | Status::Retrying)
    }

    /// Given up for now, until a person says what to do.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Status::Parked | Status::Unknown)
    }
}
