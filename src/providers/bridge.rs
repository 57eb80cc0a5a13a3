//! Notices of the bridge about itself. It is no provider that is configured: it has no address, and
//! what it says is decided where it happens.

use super::NoticeKind;
use crate::domain::notice::Severity;

const fn kind(name: &'static str, severity: Severity) -> NoticeKind {
    NoticeKind { name, severity }
}

/// What the bridge says of itself.
pub static NOTICE_KINDS: &[NoticeKind] = &[
    kind("bridge_target_failing", Severity::Warning),
    kind("bridge_target_recovered", Severity::Success),
    kind("bridge_receiver_gone", Severity::Warning),
    kind("bridge_provider_unreachable", Severity::Warning),
    kind("bridge_provider_reachable", Severity::Success),
    kind("bridge_silent", Severity::Warning),
    kind("bridge_heard_again", Severity::Success),
    kind("bridge_storm", Severity::Warning),
    kind("bridge_disk_low", Severity::Critical),
    kind("bridge_backup_failed", Severity::Critical),
];
