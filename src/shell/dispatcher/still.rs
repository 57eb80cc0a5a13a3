//! Whether what a notice opened is open yet when it is told at last: a night may have passed.

use crate::domain::notice::{Notice, Transition};
use crate::domain::spec::BRIDGE;
use crate::domain::spec::BRIDGE_PROVIDER;
use crate::domain::state::subject_hash;
use crate::projections::outbox::Delivery;
use crate::shell::ledger::Ledger;

/// Asked for the notices of one delivery.
pub(super) struct Still {
    ledger: Ledger,
    /// Whether the delivery was held through quiet hours; what came lately needs no such word.
    held: bool,
}

impl Still {
    pub(super) fn of(ledger: &Ledger, delivery: &Delivery) -> Self {
        Still {
            ledger: ledger.clone(),
            held: delivery.through_quiet,
        }
    }

    pub(super) fn is_open(&self, notice: &Notice) -> bool {
        let draft = &notice.draft;
        if !self.held || draft.transition != Transition::Opens || draft.subject.key.is_empty() {
            return false;
        }
        let state = self.ledger.state();
        let known = state.configuration.provider(&notice.provider);
        let provider = match (known, notice.provider == BRIDGE) {
            (Some(provider), _) => provider.id,
            (None, true) => BRIDGE_PROVIDER,
            (None, false) => return false,
        };
        let subject = subject_hash(provider, &draft.subject.key, notice.position);
        let open = state.subjects.get(provider, subject);
        // One that was closed and opened again is another story, told by another notice.
        open.is_some_and(|open| open.notice <= notice.position)
    }
}
