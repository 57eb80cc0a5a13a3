//! Writing into a plan, within its bounds.

use std::collections::BTreeSet;

use super::{
    Arriving, DETAIL_BYTES_MAX, ENTRY_BYTES_MAX, Muted, NotDue, Planning, ROUTED_BYTES_MAX,
    ROUTED_MAX, WAYS_DETAILED_MAX,
};
use crate::domain::deferral::Route;
use crate::domain::event::Plan;
use crate::domain::notice::cut;
use crate::domain::reason::{Routed, What};

impl<'a, 'b> Planning<'a, 'b> {
    pub(super) fn of(about: Arriving<'a, 'b>) -> Self {
        Planning {
            plan: Plan::default(),
            routed_bytes: 0,
            links_bytes: 0,
            instead: BTreeSet::new(),
            about,
        }
    }

    /// Says what becomes of a delivery that is not simply due.
    pub(super) fn go(&mut self, mut way: NotDue) {
        cut(&mut way.detail, DETAIL_BYTES_MAX);
        if self.plan.ways.len() >= WAYS_DETAILED_MAX {
            way.detail.clear();
        }
        self.plan.ways.push(way);
    }

    /// A message for this receiver is due at once.
    pub(super) fn count_due(&mut self, route: &Route<'_>) {
        if route.storm().is_some() {
            self.about.gathering.count_due(route.receiver_id);
        }
    }
}

pub(super) fn note(
    plan: &mut Planning<'_, '_>,
    what: What,
    tracker: u32,
    tracker_name: &str,
    target_name: &str,
    detail: String,
) {
    let muted = Muted {
        what,
        until: None,
        detail,
    };
    note_until(plan, muted, tracker, tracker_name, target_name);
}

pub(super) fn note_until(
    plan: &mut Planning<'_, '_>,
    Muted {
        what,
        until,
        mut detail,
    }: Muted,
    tracker: u32,
    tracker_name: &str,
    target_name: &str,
) {
    cut(&mut detail, DETAIL_BYTES_MAX);
    let bytes = detail.len() + tracker_name.len() + target_name.len() + ENTRY_BYTES_MAX;
    if plan.plan.routed.len() >= ROUTED_MAX || plan.routed_bytes + bytes > ROUTED_BYTES_MAX {
        return;
    }
    plan.routed_bytes += bytes;
    plan.plan.routed.push(Routed {
        what,
        tracker,
        tracker_name: tracker_name.to_owned(),
        target_name: target_name.to_owned(),
        until,
        detail,
    });
}
