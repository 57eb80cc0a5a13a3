//! Forgetting: the state that is carried over what is removed, and what leaves the state with it.
//!
//! Removing the events of settled families must not change what the log folds to. Families leave
//! traces in one another, though: the breaker that one opened delays the next, a pace counts them
//! all, a digest gathers from many. So each time retention advances, the state as it stands is
//! written into the log, and takes the place of whatever the fold has come to there. On a log of
//! which nothing is missing that changes nothing; on one with holes it is what fills them.
//!
//! **Invariant:** every field of the state is carried, or falls out the same from what is left:
//! [`State::carried`] takes the state apart field by field, so a new one cannot be overlooked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{At, Event, Founding, State};
use crate::projections::access::Access;
use crate::projections::bots::Bots;
use crate::projections::configuration::Configuration;
use crate::projections::counts::Counts;
use crate::projections::cursors::Cursors;
use crate::projections::files::Files;
use crate::projections::groups::Groups;
use crate::projections::health::Health;
use crate::projections::inhibitors::Inhibitors;
use crate::projections::listening::Listening;
use crate::projections::messages::Messages;
use crate::projections::outbox::Outbox;
use crate::projections::retention::Runs;
use crate::projections::snoozes::Snoozes;
use crate::projections::storms::Storms;
use crate::projections::subjects::Subjects;
use crate::projections::told::Told;

/// Writes what is carried once: the fields of the state, in the order of their bytes, from which the
/// rest follows. As of the newest revision of the event; see [`crate::wire`].
macro_rules! carried {
    ($($field:ident: $kind:ty,)+) => {
        #[derive(Serialize)]
        pub(crate) struct CarriedRef<'s> {
            $($field: &'s $kind,)+
            runs: &'s Runs,
        }

        /// [`CarriedRef`], read back.
        #[derive(Deserialize)]
        pub(crate) struct Carried {
            $(pub(crate) $field: $kind,)+
            pub(crate) runs: Runs,
        }

        impl State {
            pub(crate) fn carried(&self) -> CarriedRef<'_> {
                let State {
                    // The fold itself says it.
                    position: _,
                    // Large, and follows from the notices that are left: see `Seen::forget`.
                    seen: _,
                    // The rest of it is made by the very events that carry this.
                    retention,
                    $($field,)+
                } = self;
                CarriedRef {
                    $($field,)+
                    runs: &retention.runs,
                }
            }

            fn put(&mut self, carried: Carried) {
                // What was made of the configuration is kept where it is the same.
                let known = (self.configuration == carried.configuration)
                    .then(|| std::mem::take(&mut self.configuration));
                let Carried { $($field,)+ runs } = carried;
                $(self.$field = $field;)+
                self.retention.runs = runs;
                if let Some(known) = known {
                    self.configuration = known;
                }
            }
        }
    };
}

carried! {
    founding: Option<Founding>,
    id_millis: u64,
    configuration: Configuration,
    access: Access,
    outbox: Outbox,
    counts: Counts,
    health: Health,
    subjects: Subjects,
    listening: Listening,
    messages: Messages,
    told: Told,
    groups: Groups,
    storms: Storms,
    inhibitors: Inhibitors,
    snoozes: Snoozes,
    cursors: Cursors,
    files: Files,
    bots: Bots,
    clock_steps: u64,
}

impl State {
    /// Folds an event about retention in.
    pub(super) fn retained(&mut self, at: At, event: &Event) {
        if let Event::StateCarried {
            layout,
            part,
            parts,
            bytes,
        } = event
        {
            self.carry(at.position, *layout, (*part, *parts), bytes);
        } else if let Event::RetentionAdvanced {
            rules,
            history_before,
            mark,
            carried_at,
            seen_from,
            by: _,
        } = event
        {
            self.retention.carried_at = *carried_at;
            let horizons = &mut self.retention.horizons;
            horizons.advance(rules, *history_before, *mark);
            self.forget_families(seen_from);
        } else if let Event::Compacted { run, removed } = event {
            let runs = &mut self.retention.runs;
            runs.count = *run;
            runs.last = Some((at.recorded_at, *removed));
            runs.total.add(*removed);
        }
    }

    /// Takes a part of a carried state; the last one puts it in place.
    fn carry(&mut self, position: u64, layout: u16, (part, parts): (u16, u16), bytes: &[u8]) {
        if part == 0 {
            self.retention.carrying.clear();
        }
        self.retention.carrying.extend_from_slice(bytes);
        if part + 1 < parts {
            return;
        }
        let bytes = std::mem::take(&mut self.retention.carrying);
        let Ok(carried) = crate::wire::decode_carried(layout, &bytes) else {
            // The frame is whole, so another program wrote it. Who opens the store refuses it then.
            self.retention.unreadable = Some(position);
            return;
        };
        self.put(carried);
        self.retention.unreadable = None;
    }

    /// Families that stay however old they are: something of them is open, a held message names them,
    /// their message can be edited, or a group tells them again.
    pub fn protected(&self) -> BTreeSet<u64> {
        let open = self.outbox.notices.values().map(|notice| notice.notice);
        let named = self
            .outbox
            .deliveries
            .values()
            .filter_map(|delivery| delivery.gathered.as_ref())
            .flat_map(|gathered| gathered.members())
            .map(|member| member.notice);
        let told = self
            .groups
            .told_by_provider()
            .flat_map(|(provider, subject, notice)| {
                let open = self.subjects.get(provider, subject);
                [notice].into_iter().chain(open.map(|open| open.notice))
            });
        open.chain(named)
            .chain(self.messages.editable())
            .chain(told)
            .collect()
    }

    /// Forgets what points to families that are forgotten from here on.
    fn forget_families(&mut self, seen_from: &[(u32, u64)]) {
        let protected = self.protected();
        self.retention.horizons.keep(protected);
        let horizons = &self.retention.horizons;
        self.seen.forget(seen_from, |provider, kind, position| {
            horizons.is_forgotten_short(provider, kind, position)
        });
        self.messages.forget_families(|provider, kind, position| {
            horizons.is_forgotten(provider, kind, position)
        });
        let closed = self.subjects.forget_families(|provider, kind, position| {
            horizons.is_forgotten(provider, kind, position)
        });
        for subject in closed {
            self.groups.closed(subject);
        }
    }
}
