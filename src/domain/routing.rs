//! Routing: which trackers want a notice, and which receivers hear of it.
//!
//! Gates stand in a fixed order: provider's trackers, enabled, kind, collection, filter, link, target,
//! receiver. The first that says no is the reason.

use std::collections::BTreeSet;

use super::deferral::{About, Next, Route, is_wall_clock, thread_key};
use super::event::{DeliveryKey, Plan, Planned, PlannedLink, RowFacts};
use super::gathering::{Arrival, Gathering};
use super::hold::{Planning as NotDue, Stage, Thread, Way};
use super::id::ORDINAL_MAX;
use super::notice::{Notice, NoticeDraft, Severity, Transition};
use super::policy::{SETTLE_MAX_DEFAULT, Threshold};
use super::reason::What;
use super::spec::{LinkSpec, TrackerSpec};
use super::state::State;
use crate::projections::configuration::{Configuration, Target, Tracker};
use crate::projections::groups::Groups;
use crate::projections::health::Health;
use crate::projections::inhibitors::Inhibitors;
use crate::projections::snoozes::Snoozes;
use crate::projections::storms::Storms;
use crate::projections::subjects::Subjects;

mod elsewhere;
mod muted;
mod noting;
mod repeat;
mod tracker;

pub use tracker::Patterns;

pub use elsewhere::not_to;
use muted::note_snoozed;
pub use muted::{Muted, snoozed_by};
use noting::{note, note_until};
pub use repeat::NotAgain;
pub use tracker::{CompiledTracker, Refused, Shaper};

/// Longest value quoted in a reason, in bytes.
const DETAIL_BYTES_MAX: usize = 256;
/// Reasons kept per notice; more trackers than that looked at it in vain.
pub const ROUTED_MAX: usize = 256;
/// Bytes of those reasons with their names, as far as they are kept.
pub const ROUTED_BYTES_MAX: usize = 40 * 1_024;
/// Bytes of the names of links over which deliveries are planned. A link for which there is no room
/// is not taken, and the reason says so.
pub const LINKS_BYTES_MAX: usize = 40 * 1_024;
/// Deliveries of a notice whose way says in words what decided; of further ones only what was decided
/// is kept.
const WAYS_DETAILED_MAX: usize = 128;
/// What a reason or link takes besides its texts, at most.
const ENTRY_BYTES_MAX: usize = 32;
/// What one planned delivery takes at most.
const PLANNED_BYTES_MAX: usize = 8;
/// Bytes of what is said of deliveries that are not simply due, however large their notice; a smaller
/// one leaves more. A receiver for which there is no room is not taken, and the reason says so.
pub const WAYS_BYTES_SURE: usize = 1_536;
/// What the way of a delivery takes at most, unless it is the same as that before it.
const WAY_BYTES_MAX: usize = 80 + DETAIL_BYTES_MAX;
/// What a plan takes at most, without those.
pub const PLAN_BYTES_MAX: usize =
    ROUTED_BYTES_MAX + LINKS_BYTES_MAX + ORDINAL_MAX as usize * PLANNED_BYTES_MAX + ENTRY_BYTES_MAX;

/// A plan in the making, with the room it has taken.
struct Planning<'a, 'b> {
    plan: Plan,
    routed_bytes: usize,
    links_bytes: usize,
    ways_bytes: usize,
    /// What its notice leaves for ways, once that matters.
    ways_room: Option<usize>,
    /// What the last of them has in common with others.
    last_way: Option<(u16, Way, u64, String)>,
    /// Fallbacks that are told in place of a receiver that is gone, by tracker.
    instead: BTreeSet<(u32, u32)>,
    about: Arriving<'a, 'b>,
}

/// What is planned for, as far as time is concerned.
pub struct Arriving<'a, 'b> {
    pub gathering: &'a mut Gathering<'b>,
    /// Position of the event that plans.
    pub planning: u64,
    pub notice: u64,
    /// Of what deliveries keep their order by; 0 for none.
    pub subject: u64,
    /// Sent at once, whatever holds others: a person waits for it.
    pub at_once: bool,
    /// The target that the notice is about, and to which it does not go.
    pub not_to: Option<u32>,
}

/// What routing reads.
#[derive(Clone, Copy)]
pub struct Router<'a> {
    pub configuration: &'a Configuration,
    pub health: &'a Health,
    pub subjects: &'a Subjects,
    /// Those of one provider, where notices of the same request have changed them.
    pub changed: Option<(u32, &'a Subjects)>,
    pub groups: &'a Groups,
    pub storms: &'a Storms,
    pub inhibitors: &'a Inhibitors,
    pub snoozes: &'a Snoozes,
    /// Microseconds since 1970.
    pub now: i64,
}

/// A tracker and its link on the way to a target.
#[derive(Clone, Copy)]
struct Over<'a> {
    id: u32,
    name: &'a str,
    spec: Option<&'a TrackerSpec>,
    provider: u32,
    link: &'a LinkSpec,
    /// The notice, and how bad it is for this tracker.
    notice: &'a NoticeDraft,
    severity: Severity,
    /// The value of the tracker's `group.by`, hashed.
    group: u64,
    /// What is known of the notice where that is all that is left of it.
    facts: Option<RowFacts>,
    /// The first stage that is asked.
    from: Stage,
}

impl<'a> Router<'a> {
    pub fn of(state: &'a State, now: i64) -> Self {
        Router {
            configuration: &state.configuration,
            health: &state.health,
            subjects: &state.subjects,
            changed: None,
            groups: &state.groups,
            storms: &state.storms,
            inhibitors: &state.inhibitors,
            snoozes: &state.snoozes,
            now,
        }
    }
}

impl Router<'_> {
    /// What of a provider is open.
    fn subjects(&self, of: u32) -> &Subjects {
        match self.changed {
            Some((provider, changed)) if provider == of => changed,
            Some(_) | None => self.subjects,
        }
    }

    /// Routes a notice of a provider over its trackers.
    pub fn route(&self, provider: u32, notice: &Notice, about: Arriving<'_, '_>) -> Plan {
        let mut plan = Planning::of(about);
        let trackers = self
            .configuration
            .by_provider
            .get(&provider)
            .map_or(&[][..], Vec::as_slice);
        for id in trackers {
            if let Some(tracker) = self.configuration.trackers.get(id) {
                self.offer(*id, provider, tracker, notice, &mut plan);
            }
        }
        if trackers.is_empty() {
            note(
                &mut plan,
                What::NoTracker,
                0,
                "",
                "",
                format!("no tracker watches {}", notice.provider),
            );
        }
        plan.plan
    }

    /// Plans deliveries to targets directly, without a tracker. However often a receiver is reached, it
    /// hears once.
    pub fn address<'t>(
        &self,
        targets: impl Iterator<Item = &'t Target>,
        notice: &NoticeDraft,
        only: Option<u32>,
        about: Arriving<'_, '_>,
    ) -> Plan {
        let mut plan = Planning::of(about);
        let mut reached = BTreeSet::new();
        for target in targets {
            let link = LinkSpec::to(target.entity.spec.name.clone());
            let over = Over {
                id: 0,
                name: "",
                spec: None,
                provider: 0,
                link: &link,
                notice,
                severity: notice.severity,
                group: 0,
                facts: None,
                from: Stage::Settling,
            };
            let mut wants = |receiver: u32| {
                only.is_none_or(|only| only == receiver) && reached.insert(receiver)
            };
            self.plan_target(over, target, &mut wants, &mut plan);
        }
        plan.plan
    }

    fn offer(
        &self,
        id: u32,
        provider: u32,
        tracker: &Tracker,
        notice: &Notice,
        plan: &mut Planning<'_, '_>,
    ) {
        let spec = &tracker.entity.spec;
        let (name, draft) = (spec.name.as_str(), &notice.draft);
        if !spec.enabled {
            return note(plan, What::TrackerDisabled, id, name, "", String::new());
        }
        let compiled = tracker.compiled.get(|| CompiledTracker::of(spec));
        match compiled.judge(spec, notice) {
            Ok(()) => {}
            // A filter that cannot decide must not swallow a notice.
            Err(Refused {
                what: What::FilterFailed,
                detail,
            }) => note(plan, What::FilterFailed, id, name, "", detail),
            Err(Refused { what, detail }) => return note(plan, what, id, name, "", detail),
        }
        // What its words will leave out is nothing to tell.
        if let Some(asked) = self.configuration.providers.get(&provider)
            && let Some(shaper) = Shaper::new(&asked.spec.kind, spec)
            && let Err(why) = shaper.shape(draft)
        {
            return note(plan, What::FilterSaidNo, id, name, "", why);
        }
        let severity = compiled.severity(notice);
        // Who asks for it again knows what is silent, and wants it all the same.
        if !plan.about.at_once
            && let Some(muted) = self.mutes((id, provider), spec, notice, severity)
        {
            return note_until(plan, muted, id, name, "");
        }
        let over = |link| Over {
            id,
            name,
            spec: Some(spec),
            provider,
            link,
            notice: draft,
            severity,
            group: compiled.group(notice),
            facts: None,
            from: Stage::Settling,
        };
        for link in &spec.links {
            if !link.enabled {
                note(
                    plan,
                    What::LinkDisabled,
                    id,
                    name,
                    &link.target,
                    String::new(),
                );
                continue;
            }
            match self.configuration.target(&link.target) {
                Some(target) => self.plan_target(over(link), target, &mut |_| true, plan),
                None => note(
                    plan,
                    What::TargetRemoved,
                    id,
                    name,
                    &link.target,
                    String::new(),
                ),
            }
        }
    }

    fn plan_target(
        &self,
        over: Over<'_>,
        target: &Target,
        wants: &mut dyn FnMut(u32) -> bool,
        plan: &mut Planning<'_, '_>,
    ) {
        let (tracker, name, link) = (over.id, over.name, over.link);
        let spec = &target.entity.spec;
        if !spec.enabled {
            return note(
                plan,
                What::TargetDisabled,
                tracker,
                name,
                &spec.name,
                String::new(),
            );
        }
        if spec.kind == "broadcast" {
            return self.plan_broadcast(over, target, wants, plan);
        }
        if plan.about.not_to == Some(target.entity.id) {
            let detail = "it is about this target".to_owned();
            return note(plan, What::Loop, tracker, name, &spec.name, detail);
        }
        let taken = PlannedLink {
            tracker,
            tracker_name: name.to_owned(),
            target: target.entity.id,
            target_name: spec.name.clone(),
            link_name: link.name.clone().unwrap_or_default(),
            unknown: link.unknown,
            severity: (over.severity != over.notice.severity).then_some(over.severity),
            local: spec.kind == "inbox",
        };
        let bytes = taken.tracker_name.len()
            + taken.target_name.len()
            + taken.link_name.len()
            + ENTRY_BYTES_MAX;
        let has_room = plan.links_bytes + bytes <= LINKS_BYTES_MAX;
        // Entries take more than a byte each, so their count fits.
        let index = plan.plan.links.len() as u16;
        let before = plan.plan.planned.len();
        let (mut left_out, mut gone) = (0usize, false);
        for (position, receiver) in target.receivers.iter().enumerate() {
            let configured = spec.receivers.get(position);
            if configured.is_some_and(|receiver| !receiver.enabled) || !wants(*receiver) {
                continue;
            }
            if self.health.is_gone(*receiver) {
                gone = true;
                let receiver = configured.map_or("default", |receiver| receiver.name.as_str());
                note(
                    plan,
                    What::ReceiverGone,
                    tracker,
                    name,
                    &spec.name,
                    format!("receiver {receiver} is gone"),
                );
                continue;
            }
            let is_full = plan.plan.planned.len() >= usize::from(ORDINAL_MAX);
            if is_full || !has_room || !plan.has_room_for_way(over.notice) {
                left_out += 1;
                continue;
            }
            // A local one is there to be looked at; nobody is woken by it.
            if !taken.local {
                let route = Route {
                    configuration: self.configuration,
                    provider: self
                        .configuration
                        .providers
                        .get(&over.provider)
                        .map(|provider| &provider.spec),
                    tracker_id: tracker,
                    tracker: over.spec,
                    link,
                    target,
                    receiver_id: *receiver,
                    receiver: configured,
                };
                self.defer(over, &route, plan);
            }
            plan.plan.planned.push(Planned {
                receiver: *receiver,
                link: index,
            });
        }
        if left_out > 0 {
            let detail = format!(
                "{left_out} receivers are beyond the {ORDINAL_MAX} of a notice, or there is too much to say of it"
            );
            note(
                plan,
                What::TooManyReceivers,
                tracker,
                name,
                &spec.name,
                detail,
            );
        }
        let count = plan.plan.planned.len() - before;
        if count > 0 {
            note(
                plan,
                What::Planned,
                tracker,
                name,
                &spec.name,
                format!("{count} receiver{}", plural(count)),
            );
            plan.links_bytes += bytes;
            plan.plan.links.push(taken);
        }
        if gone {
            self.instead(over, plan);
        }
    }

    fn plan_broadcast(
        &self,
        over: Over<'_>,
        target: &Target,
        wants: &mut dyn FnMut(u32) -> bool,
        plan: &mut Planning<'_, '_>,
    ) {
        let (tracker, name) = (over.id, over.name);
        let spec = &target.entity.spec;
        for (index, child) in spec.targets.iter().enumerate() {
            if spec.targets[..index].contains(child) {
                continue;
            }
            if spec.off.contains(child) {
                note(
                    plan,
                    What::ChildOff,
                    tracker,
                    name,
                    child,
                    format!("switched off in {}", spec.name),
                );
                continue;
            }
            match self.configuration.target(child) {
                // A broadcast of broadcasts is refused when configured.
                Some(child) if child.entity.spec.kind != "broadcast" => {
                    self.plan_target(over, child, wants, plan);
                }
                Some(_) | None => note(
                    plan,
                    What::TargetRemoved,
                    tracker,
                    name,
                    child,
                    String::new(),
                ),
            }
        }
    }

    /// Says what becomes of the delivery that is planned next, where it is not simply due.
    fn defer(&self, over: Over<'_>, route: &Route<'_>, plan: &mut Planning<'_, '_>) {
        let snoozed = self.snoozes.target(route.target.entity.id, self.now);
        let snoozed = snoozed.filter(|_| !plan.about.at_once);
        let holds = route.can_hold() || snoozed.is_some();
        let silenced = route.receiver.is_some_and(|receiver| receiver.silent);
        let notice = over.notice;
        // The end of what was bad enough is known by its mark once the subject is not open any more.
        let closes = notice.transition == Transition::Closes && plan.about.subject != 0;
        if !(holds || silenced || closes || over.link.pierce != Threshold::Critical) {
            return;
        }
        let index = plan.plan.planned.len() as u16;
        if plan.about.at_once {
            plan.count_due(route);
            let way = Way::Now {
                silent: false,
                pierced: false,
            };
            let detail = String::new();
            // What a person asks for is not the group's message.
            let due = NotDue {
                index,
                way,
                group: 0,
                detail,
            };
            return plan.go(due, route.receiver_id);
        }
        let group = route.group_slot(over.group);
        let key = DeliveryKey {
            position: plan.about.planning,
            ordinal: index + 1,
        };
        let (way, detail) = if self.pierces(over, route, plan.about.subject) {
            plan.count_due(route);
            let way = Way::Now {
                silent: false,
                pierced: true,
            };
            (way, format!("{} pierces", over.severity.as_str()))
        } else if let Some(snooze) = snoozed {
            note_snoozed(plan, snooze, over, &route.target.entity.spec.name);
            (Way::Dropped { why: What::Snoozed }, snoozed_by(snooze))
        } else {
            let facts = over
                .facts
                .unwrap_or_else(|| super::state::row_facts(over.provider, notice));
            let items = notice.items.added_total + notice.items.removed_total > 0;
            let mut about = About {
                kind_hash: facts.kind_hash,
                collection_hash: facts.collection_hash,
                items,
                joins: false,
                wall_clock: is_wall_clock(&notice.kind),
                group,
                told_at: self.groups.get(group).and_then(|group| group.sent_at),
            };
            about.joins = items
                && route
                    .settling_slot(&about)
                    .is_some_and(|slot| plan.about.gathering.holds(slot));
            let next = match route.next(over.from, &about, self.now) {
                Next::Now { silent, detail } => {
                    let more = plan.about.gathering.due(route.receiver_id);
                    let storming = route.storming(self.storms, more, self.now);
                    storming.unwrap_or(Next::Now { silent, detail })
                }
                later => later,
            };
            match next {
                Next::Now { silent, detail } => {
                    plan.count_due(route);
                    if !silent && group == 0 {
                        return;
                    }
                    let way = Way::Now {
                        silent,
                        pierced: false,
                    };
                    (way, detail)
                }
                Next::Drop { why, detail } => (Way::Dropped { why }, detail),
                Next::Hold { mut hold, detail } => {
                    // It may tell of more than its own notice already.
                    if over.facts.is_some() {
                        hold.slot = 0;
                    }
                    let arrival = Arrival {
                        delivery: key,
                        notice: plan.about.notice,
                        hold,
                        thread: thread(route, notice, plan.about.subject),
                        items: &notice.items,
                        now: self.now,
                        settle_max: over
                            .spec
                            .map_or(SETTLE_MAX_DEFAULT, |tracker| tracker.settle_max()),
                        digest_after: route.digest().and_then(|digest| digest.after),
                    };
                    (plan.about.gathering.take(&arrival), detail)
                }
            }
        };
        let way = NotDue {
            index,
            way,
            group,
            detail,
        };
        plan.go(way, route.receiver_id);
    }

    /// Whether a notice passes what would hold it: it is bad enough, or closes what was.
    fn pierces(&self, over: Over<'_>, route: &Route<'_>, subject: u64) -> bool {
        if route.pierces(over.severity) {
            return true;
        }
        let closes = over.notice.transition == Transition::Closes && subject != 0;
        closes
            && self
                .subjects(over.provider)
                .get(over.provider, subject)
                .is_some_and(|open| route.pierces(open.severity_for(over.id)))
    }
}

/// How others that are about the same subject know a delivery.
fn thread(route: &Route<'_>, notice: &NoticeDraft, subject: u64) -> Thread {
    let closes = match notice.transition {
        Transition::Opens => false,
        Transition::Closes => true,
        Transition::Updates | Transition::None => return Thread::default(),
    };
    if subject == 0 {
        return Thread::default();
    }
    Thread {
        key: thread_key(route.via(), route.receiver_id, subject),
        closes,
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
