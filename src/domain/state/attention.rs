//! Folding what decides whether and when somebody is told again, or not at all: groups, storms,
//! inhibitors and snoozes.

use super::{Accepted, At, DeliveryKey, Event, Outcome, Plan, State, subject_hash, word_hash};
use crate::domain::deferral::via;
use crate::domain::event::Action;
use crate::domain::hold::Way;
use crate::domain::notice::Transition;
use crate::domain::policy::GroupSpec;
use crate::domain::reason::What;
use crate::domain::spec::{EntityKind, EntitySpec, Rate};
use crate::projections::groups::Of;
use crate::projections::outbox::Status;
use crate::projections::snoozes::{Scope, Snooze};

/// A delivery of a group, as it was before an event about it.
#[derive(Clone, Copy)]
pub(super) struct Grouped {
    key: DeliveryKey,
    slot: u64,
}

/// A notice whose deliveries were planned.
struct PlannedNotice<'a> {
    /// Of the event that planned.
    position: u64,
    notice: u64,
    provider: u32,
    subject: u64,
    plan: &'a Plan,
}

impl State {
    /// Looks at a delivery that an event may end, before it is folded in.
    pub(super) fn grouped(&self, event: &Event) -> Option<Grouped> {
        let key = if let Event::DeliverySettled { delivery, .. }
        | Event::DeliveryOperated { delivery, .. }
        | Event::DeliveryMerged { delivery, .. } = event
        {
            *delivery
        } else {
            return None;
        };
        let slot = self.outbox.deliveries.get(&key)?.group;
        (slot != 0).then_some(Grouped { key, slot })
    }

    /// Folds in what an event means beyond what it is about, after the rest of it.
    pub(super) fn attend(&mut self, at: At, event: &Event, grouped: Option<Grouped>) {
        if let Some(Grouped { key, slot }) = grouped
            && !self.outbox.deliveries.contains_key(&key)
        {
            self.groups.ended(slot, is_told(event), at.recorded_at);
        }
        if let Event::Accepted(accepted) = event {
            self.attend_accepted(at, accepted);
        } else if let Event::Resent {
            notice,
            provider,
            subject,
            plan,
            ..
        } = event
        {
            let planned = PlannedNotice {
                position: at.position,
                notice: *notice,
                provider: *provider,
                subject: *subject,
                plan,
            };
            self.attend_planned(at, &planned);
        } else if let Event::HoldChanged {
            delivery,
            hold: None,
            ..
        } = event
        {
            let receiver = self
                .outbox
                .deliveries
                .get(delivery)
                .map(|found| found.receiver);
            if let Some((receiver, rate)) =
                receiver.and_then(|receiver| Some((receiver, self.storm_rate(receiver)?)))
            {
                self.storms.planned(receiver, rate, at.recorded_at);
            }
        } else if let Event::ClockStepped { by_micros } = event {
            self.groups.shift(*by_micros);
            self.storms.shift(*by_micros);
        } else if let Event::EntityPut { id, spec, .. } = event {
            self.attend_put(*id, spec);
        } else if let Event::EntityRemoved { kind, .. } = event
            && matches!(kind, EntityKind::Provider | EntityKind::Tracker)
            && !self.inhibitors.is_empty()
        {
            self.inhibitors.reconfigured(&self.configuration);
        }
    }

    fn attend_accepted(&mut self, at: At, accepted: &Accepted) {
        let notice = &accepted.notice;
        let provider = accepted.provider;
        let key = notice.subject.key.as_str();
        let subject = subject_hash(provider, key, at.position);
        let opens = notice.transition == Transition::Opens && !key.is_empty();
        self.inhibitors
            .note(provider, word_hash(&notice.kind), opens, at.recorded_at);
        if notice.transition == Transition::Closes && !key.is_empty() {
            self.groups.closed(subject);
        }
        let planned = PlannedNotice {
            position: at.position,
            notice: at.position,
            provider,
            subject,
            plan: &accepted.plan,
        };
        self.attend_planned(at, &planned);
        self.groups.prune(at.recorded_at);
        self.snoozes.prune(at.recorded_at);
    }

    fn attend_planned(&mut self, at: At, planned: &PlannedNotice<'_>) {
        let PlannedNotice { position, plan, .. } = *planned;
        let open = self.subjects.get(planned.provider, planned.subject);
        let subject = open
            .filter(|open| !open.acknowledged)
            .map(|_| planned.subject);
        for planning in plan.ways.iter().filter(|planning| planning.group != 0) {
            let is_told = match planning.way {
                Way::Now { .. } | Way::Held { .. } | Way::Merged { .. } => true,
                Way::Cancelled { .. } | Way::Dropped { .. } => false,
            };
            let found = plan.planned.get(usize::from(planning.index));
            let link = found.and_then(|planned| plan.links.get(usize::from(planned.link)));
            let (Some(found), Some(link), true) = (found, link, is_told) else {
                continue;
            };
            let Some(spec) = self.group_spec(link.tracker) else {
                continue;
            };
            let of = Of {
                tracker: link.tracker,
                target: link.target,
                receiver: found.receiver,
                provider: planned.provider,
                via: via(link.tracker, link.target, &link.link_name),
                interval: spec.interval.micros(),
                repeat: spec.repeat.micros(),
            };
            let key = DeliveryKey {
                position,
                ordinal: planning.index + 1,
            };
            let waits = self.outbox.deliveries.contains_key(&key);
            let notice = planned.notice;
            self.groups
                .joined(planning.group, of, notice, subject, waits, at.recorded_at);
        }
        let stormy = |link: &crate::domain::event::PlannedLink| {
            let target = self.configuration.targets.get(&link.target);
            let mut receivers = target
                .iter()
                .flat_map(|target| &target.entity.spec.receivers);
            receivers.any(|receiver| receiver.storm.is_some())
        };
        if !plan.links.iter().any(stormy) {
            return;
        }
        for (found, ordinal) in plan.planned.iter().zip(1u16..) {
            let key = DeliveryKey { position, ordinal };
            let is_due = self
                .outbox
                .deliveries
                .get(&key)
                .is_some_and(|delivery| delivery.status == Status::Due);
            if let Some(rate) = self.storm_rate(found.receiver).filter(|_| is_due) {
                self.storms.planned(found.receiver, rate, at.recorded_at);
            }
        }
    }

    /// A person knows of an open subject.
    pub(super) fn acknowledged(&mut self, provider: u32, subject: u64) {
        self.subjects.acknowledge(provider, subject);
        self.groups.closed(subject);
    }

    pub(super) fn snoozed(&mut self, at: At, snooze: &Snooze) {
        self.snoozes.prune(at.recorded_at);
        self.snoozes.put(snooze.clone());
    }

    fn attend_put(&mut self, id: u32, spec: &EntitySpec) {
        match spec {
            EntitySpec::Tracker(spec) => {
                if !spec.inhibit.is_empty() || !self.inhibitors.is_empty() {
                    self.inhibitors.reconfigured(&self.configuration);
                }
            }
            EntitySpec::Provider(_) => {
                if !self.inhibitors.is_empty() {
                    self.inhibitors.reconfigured(&self.configuration);
                }
            }
            EntitySpec::Target(spec) => {
                let Some(target) = self.configuration.targets.get(&id) else {
                    return;
                };
                let calm = |(index, _): &(usize, &u32)| {
                    let receiver = spec.receivers.get(*index);
                    receiver.is_none_or(|receiver| receiver.storm.is_none())
                };
                for (_, receiver) in target.receivers.iter().enumerate().filter(calm) {
                    self.storms.forget(*receiver);
                }
            }
            EntitySpec::Template(_) | EntitySpec::Bot(_) => {}
        }
    }

    /// Before an entity is put: what was remembered of what it was.
    pub(super) fn forget_changed(&mut self, id: u32, spec: &EntitySpec, receivers: &[u32]) {
        match spec {
            EntitySpec::Tracker(new) => {
                let old = self.group_spec(id).map(|group| group.by.clone());
                let group = new.group.as_ref();
                let same = group.filter(|group| Some(&group.by) == old.as_ref());
                if old.is_some() {
                    self.groups.reconfigured(id, same);
                }
            }
            EntitySpec::Target(_) => {
                self.groups.forget_receivers(id, receivers);
                let Some(old) = self.configuration.targets.get(&id) else {
                    return;
                };
                for gone in old.receivers.iter().filter(|old| !receivers.contains(old)) {
                    self.storms.forget(*gone);
                }
            }
            EntitySpec::Provider(_) | EntitySpec::Template(_) | EntitySpec::Bot(_) => {}
        }
    }

    /// Before an entity is removed.
    pub(super) fn forget_attention(&mut self, kind: EntityKind, id: u32) {
        match kind {
            EntityKind::Provider => {
                self.groups.forget_provider(id);
                self.snoozes
                    .forget(&[Scope::Collection, Scope::Subject], id);
            }
            EntityKind::Tracker => {
                self.groups.reconfigured(id, None);
                self.snoozes.forget(&[Scope::Tracker], id);
            }
            EntityKind::Target => {
                self.groups.forget_receivers(id, &[]);
                self.snoozes.forget(&[Scope::Target], id);
                if let Some(target) = self.configuration.targets.get(&id) {
                    for receiver in &target.receivers {
                        self.storms.forget(*receiver);
                    }
                }
            }
            EntityKind::Template | EntityKind::Bot => {}
        }
    }

    /// The notice that tells a group again: the newest about something that is open and that nobody has
    /// acknowledged, else the newest.
    pub fn tells_again(&self, slot: u64) -> Option<u64> {
        let provider = self.groups.get(slot)?.of.provider;
        let told = self.groups.told_of(slot).map(|(subject, notice)| {
            let open = self.subjects.get(provider, subject);
            (open.is_some_and(|open| !open.acknowledged), notice)
        });
        told.max().map(|(_, notice)| notice)
    }

    fn group_spec(&self, tracker: u32) -> Option<&GroupSpec> {
        let tracker = self.configuration.trackers.get(&tracker)?;
        tracker.entity.spec.group.as_ref()
    }

    fn storm_rate(&self, receiver: u32) -> Option<Rate> {
        let target = self.configuration.receivers.get(&receiver)?;
        let target = self.configuration.targets.get(target)?;
        target.receiver_spec(receiver)??.storm
    }
}

/// Whether an event that ended a delivery says that its message was sent, or goes into another one.
fn is_told(event: &Event) -> bool {
    if let Event::DeliverySettled { outcome, why, .. } = event {
        *outcome == Outcome::Sent && *why != What::CancelledOut
    } else if let Event::DeliveryOperated { action, .. } = event {
        *action == Action::Confirm
    } else {
        matches!(event, Event::DeliveryMerged { .. })
    }
}
