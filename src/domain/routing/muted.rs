//! What keeps a notice from being planned though a tracker wants it: something else that is open, or
//! a person who has muted it.

use jiff::Timestamp;

use super::{Over, Planning, Router, note_until};
use crate::domain::notice::{Notice, Severity};
use crate::domain::policy::InhibitSpec;
use crate::domain::reason::What;
use crate::domain::spec::TrackerSpec;
use crate::domain::state::word_hash;
use crate::projections::inhibitors::provider_of;
use crate::projections::snoozes::Snooze;

/// Why it is not planned.
pub struct Muted {
    pub what: What,
    pub until: Option<i64>,
    pub detail: String,
}

impl Muted {
    pub fn snoozed(snooze: &Snooze) -> Self {
        Muted {
            what: What::Snoozed,
            until: Some(snooze.until),
            detail: snoozed_by(snooze),
        }
    }
}

/// What is snoozed, and by whom.
pub fn snoozed_by(snooze: &Snooze) -> String {
    format!(
        "{} {} is snoozed by {}",
        snooze.scope.as_str(),
        snooze.name,
        snooze.by
    )
}

/// A moment to the second, as it stands in a reason.
fn moment(micros: i64) -> String {
    Timestamp::from_second(micros.div_euclid(1_000_000))
        .map_or_else(|_| "an unknown moment".into(), |at| at.to_string())
}

impl Router<'_> {
    /// Whether a tracker is to be silent about a notice that it wants.
    pub(super) fn mutes(
        &self,
        (id, provider): (u32, u32),
        spec: &TrackerSpec,
        notice: &Notice,
        severity: Severity,
    ) -> Option<Muted> {
        // A snooze is a person's wish, so that how bad a notice is makes no difference.
        let snoozed = self.snoozes.tracker(id, self.now);
        let snoozed = snoozed.or_else(|| self.snoozes.notice(provider, &notice.draft, self.now));
        if let Some(snooze) = snoozed {
            return Some(Muted::snoozed(snooze));
        }
        let rules = spec.inhibit.iter();
        rules
            .filter(|rule| !rule.except.is_reached_by(severity))
            .find_map(|rule| self.inhibits(rule, provider, notice))
    }

    fn inhibits(&self, rule: &InhibitSpec, provider: u32, notice: &Notice) -> Option<Muted> {
        let of = provider_of(self.configuration, rule)?;
        let when = &rule.when;
        let kind = &notice.draft.kind;
        // What inhibits does not inhibit itself.
        if of == provider && (*kind == when.kind || when.until.as_ref() == Some(kind)) {
            return None;
        }
        let open = self.subjects(of).since_of_kind(of, word_hash(&when.kind));
        let since = open.or_else(|| self.inhibitors.since(self.configuration, rule))?;
        Some(Muted {
            what: What::Inhibited,
            until: None,
            detail: format!("{} of {} since {}", when.kind, when.provider, moment(since)),
        })
    }
}

/// Says once for all receivers of a target that a person has muted it.
pub(super) fn note_snoozed(
    plan: &mut Planning<'_, '_>,
    snooze: &Snooze,
    over: Over<'_>,
    target: &str,
) {
    let said = plan.plan.routed.iter().any(|routed| {
        routed.what == What::Snoozed && routed.tracker == over.id && routed.target_name == target
    });
    if !said {
        note_until(plan, Muted::snoozed(snooze), over.id, over.name, target);
    }
}
