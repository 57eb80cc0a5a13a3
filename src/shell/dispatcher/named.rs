//! What a delivery is about, as far as a person may have muted it meanwhile.

use notify_store::ReadError;

use super::{Dispatch, Prepared};
use crate::domain::command::Named;
use crate::domain::event::Event;
use crate::domain::notice::{Notice, NoticeDraft};

impl Dispatch {
    /// The notices of a delivery by their collections and subjects. Those that were gathered are read
    /// only while somebody has muted a collection or subject.
    pub(super) fn named(&self, prepared: &Prepared, own: &Notice) -> Result<Vec<Named>, ReadError> {
        let delivery = &prepared.delivery;
        let mut named = Vec::new();
        let gathered = delivery.gathered.as_deref();
        let members = gathered.map_or(&[][..], |gathered| gathered.members());
        if members.is_empty() {
            named.push(name(own.position, prepared.provider, &own.draft));
        }
        let muted = {
            let now = self.clock.now();
            self.ledger.state().snoozes.concern_notices(now)
        };
        for member in members.iter().filter(|_| muted) {
            if let Some(recorded) = self.ledger.reader().get(member.notice)?
                && let Event::Accepted(accepted) = &recorded.payload
            {
                named.push(name(member.notice, accepted.provider, &accepted.notice));
            }
        }
        Ok(named)
    }
}

fn name(notice: u64, provider: u32, draft: &NoticeDraft) -> Named {
    Named {
        notice,
        provider,
        about: NoticeDraft {
            collection: draft.collection.clone(),
            subject: draft.subject.clone(),
            ..NoticeDraft::default()
        },
    }
}
