//! How targets and receivers are doing, as observed. Configuration never touches this; it is
//! cleared by an explicit act, or when the field it is about is configured anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Longest reason kept, in bytes.
pub const REASON_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetHealth {
    pub failures_in_a_row: u32,
    /// Microseconds since 1970: when the present row of failures began.
    pub failing_since: Option<i64>,
    pub last_error: Option<String>,
    pub last_sent_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReceiverHealth {
    /// Why the service says it is gone.
    pub gone: Option<String>,
    /// Where the service says it has moved to.
    pub moved_to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    pub targets: BTreeMap<u32, TargetHealth>,
    pub receivers: BTreeMap<u32, ReceiverHealth>,
    /// When each provider last gave a notice.
    pub last_notice_at: BTreeMap<u32, i64>,
}

impl Health {
    pub fn is_gone(&self, receiver: u32) -> bool {
        self.receivers
            .get(&receiver)
            .is_some_and(|health| health.gone.is_some())
    }
}
