//! Telling a group again: one notice, over one link, to one receiver.

use super::{Arriving, CompiledTracker, Muted, Over, Planning, Router, note};
use crate::domain::deferral::Route;
use crate::domain::event::{Plan, Planned, PlannedLink};
use crate::domain::hold::Stage;
use crate::domain::notice::Notice;
use crate::domain::reason::What;
use crate::projections::groups::Of;

/// Why a group is not told again now.
pub enum NotAgain {
    /// What would tell it is not configured any more, or switched off.
    Never { what: What, detail: String },
    /// Something is in the way for a time.
    Later(Muted),
}

impl Router<'_> {
    /// Plans a notice of a group once more. Its own stages, settling and grouping, are over; a digest
    /// and quiet hours hold a repeat like anything else.
    pub fn repeat(
        &self,
        slot: u64,
        of: &Of,
        notice: &Notice,
        about: Arriving<'_, '_>,
    ) -> Result<Plan, NotAgain> {
        let never = |what, detail: &str| {
            Err(NotAgain::Never {
                what,
                detail: detail.to_owned(),
            })
        };
        let Some(tracker) = self.configuration.trackers.get(&of.tracker) else {
            return never(What::TrackerDisabled, "its tracker is no longer configured");
        };
        let spec = &tracker.entity.spec;
        if !spec.enabled {
            return never(What::TrackerDisabled, "its tracker was switched off");
        }
        let place = (of.target, of.receiver);
        let Some(route) = Route::over(self.configuration, (of.tracker, of.via, 0), place) else {
            return never(What::TargetRemoved, "its link is no longer configured");
        };
        if !route.link.enabled {
            return never(What::LinkDisabled, "its link was switched off");
        }
        if !route.target.sends_to(of.receiver) {
            return never(What::TargetDisabled, "its target was switched off");
        }
        if self.health.is_gone(of.receiver) {
            return never(What::ReceiverGone, "its receiver is gone");
        }
        let compiled = tracker.compiled.get(|| CompiledTracker::of(spec));
        let group = compiled.group(notice);
        if route.group_slot(group) != slot {
            return never(
                What::FilterSaidNo,
                "its tracker groups by something else now",
            );
        }
        let severity = compiled.severity(notice);
        if let Some(muted) = self.mutes((of.tracker, of.provider), spec, notice, severity) {
            return Err(NotAgain::Later(muted));
        }
        let mut plan = Planning::of(about);
        let target = &route.target.entity.spec.name;
        let over = Over {
            id: of.tracker,
            name: &spec.name,
            spec: Some(spec),
            provider: of.provider,
            link: route.link,
            notice: &notice.draft,
            severity,
            group,
            facts: None,
            from: Stage::Digest,
        };
        self.defer(over, &route, &mut plan);
        plan.plan.planned.push(Planned {
            receiver: of.receiver,
            link: 0,
        });
        plan.plan.links.push(PlannedLink {
            tracker: of.tracker,
            tracker_name: spec.name.clone(),
            target: of.target,
            target_name: target.clone(),
            link_name: route.link.name.clone().unwrap_or_default(),
            unknown: route.link.unknown,
            severity: (severity != notice.draft.severity).then_some(severity),
            local: false,
        });
        note(
            &mut plan,
            What::Planned,
            of.tracker,
            &spec.name,
            target,
            "1 receiver".into(),
        );
        Ok(plan.plan)
    }
}
