//! Writing into a plan, within its bounds.

use std::collections::BTreeSet;

use super::{
    Arriving, DETAIL_BYTES_MAX, ENTRY_BYTES_MAX, Muted, NotDue, Planning, ROUTED_BYTES_MAX,
    ROUTED_MAX, WAY_BYTES_MAX, WAYS_BYTES_SURE, WAYS_DETAILED_MAX,
};
use crate::domain::deferral::Route;
use crate::domain::event::Plan;
use crate::domain::hold::of_receiver;
use crate::domain::notice::{DRAFT_BYTES_MAX, NoticeDraft, cut};
use crate::domain::reason::{Routed, What};

impl<'a, 'b> Planning<'a, 'b> {
    pub(super) fn of(about: Arriving<'a, 'b>) -> Self {
        Planning {
            plan: Plan::default(),
            routed_bytes: 0,
            links_bytes: 0,
            ways_bytes: 0,
            ways_room: None,
            last_way: None,
            instead: BTreeSet::new(),
            about,
        }
    }

    /// Says what becomes of a delivery that is not simply due.
    pub(super) fn go(&mut self, mut way: NotDue, receiver: u32) {
        cut(&mut way.detail, DETAIL_BYTES_MAX);
        if self.plan.ways.len() >= WAYS_DETAILED_MAX {
            way.detail.clear();
        }
        let common = (
            way.index,
            way.way.in_common(way.index, receiver),
            of_receiver(way.group, receiver),
            way.detail.clone(),
        );
        let same = self.last_way.as_ref().is_some_and(|last| {
            last.0 + 1 == common.0 && (last.1, last.2, &last.3) == (common.1, common.2, &common.3)
        });
        if !same {
            self.ways_bytes += WAY_BYTES_MAX - DETAIL_BYTES_MAX + way.detail.len();
        }
        self.last_way = Some(common);
        self.plan.ways.push(way);
    }

    /// Whether something can be said of another delivery.
    pub(super) fn has_room_for_way(&mut self, notice: &NoticeDraft) -> bool {
        let bytes = self.ways_bytes + WAY_BYTES_MAX;
        if bytes <= WAYS_BYTES_SURE {
            return true;
        }
        let left = || DRAFT_BYTES_MAX.saturating_sub(notice.weight());
        bytes <= WAYS_BYTES_SURE + *self.ways_room.get_or_insert_with(left)
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
