//! Notices of the bridge about itself. It is no provider that is configured: it has no address, and
//! what it says is decided where it happens.

use super::NoticeKind;
use crate::domain::notice::Severity;

/// What the bridge says of itself.
pub static NOTICE_KINDS: &[NoticeKind] = &[
    NoticeKind::new("bridge_target_failing", Severity::Warning),
    NoticeKind::new("bridge_target_recovered", Severity::Success),
    NoticeKind::new("bridge_receiver_gone", Severity::Warning),
    NoticeKind::new("bridge_provider_unreachable", Severity::Warning),
    NoticeKind::new("bridge_provider_reachable", Severity::Success),
    NoticeKind::new("bridge_silent", Severity::Warning),
    NoticeKind::new("bridge_heard_again", Severity::Success),
    NoticeKind::new("bridge_storm", Severity::Warning),
    NoticeKind::new("bridge_disk_low", Severity::Critical),
    NoticeKind::new("bridge_backup_failed", Severity::Critical),
];
