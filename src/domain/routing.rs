//! Routing: which trackers want a notice, and which receivers hear of it.
//!
//! Gates stand in a fixed order: provider's trackers, enabled, kind, collection, filter, link, target,
//! receiver. The first that says no is the reason.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};

use super::event::{Plan, Planned, PlannedLink};
use super::id::ORDINAL_MAX;
use super::notice::Notice;
use super::reason::{Routed, What};
use super::spec::{LinkSpec, TrackerSpec};
use crate::projections::configuration::{Configuration, Target, Tracker};
use crate::projections::health::Health;
use crate::templates::Filter;

/// Longest value quoted in a reason, in bytes.
const DETAIL_BYTES_MAX: usize = 256;
/// Reasons kept per notice; more trackers than that looked at it in vain.
pub const ROUTED_MAX: usize = 256;
/// Bytes of those reasons with their names, as far as they are kept.
pub const ROUTED_BYTES_MAX: usize = 40 * 1_024;
/// Bytes of the names of links over which deliveries are planned. A link for which there is no room
/// is not taken, and the reason says so.
pub const LINKS_BYTES_MAX: usize = 40 * 1_024;
/// What a reason or link takes besides its texts, at most.
const ENTRY_BYTES_MAX: usize = 32;
/// What one planned delivery takes at most.
const PLANNED_BYTES_MAX: usize = 8;
/// What a plan takes at most.
pub const PLAN_BYTES_MAX: usize =
    ROUTED_BYTES_MAX + LINKS_BYTES_MAX + ORDINAL_MAX as usize * PLANNED_BYTES_MAX + ENTRY_BYTES_MAX;

/// A plan in the making, with the room it has taken.
#[derive(Default)]
struct Planning {
    plan: Plan,
    routed_bytes: usize,
    links_bytes: usize,
}

/// A tracker's patterns and filter, made ready once per configuration.
pub struct CompiledTracker {
    kinds: Patterns,
    collections: Patterns,
    filter: Option<Result<Filter, String>>,
}

impl CompiledTracker {
    pub fn of(spec: &TrackerSpec) -> Self {
        CompiledTracker {
            kinds: Patterns::of(&spec.kinds),
            collections: Patterns::of(&spec.collections),
            filter: spec
                .filter
                .as_deref()
                .map(|source| Filter::compile(source).map_err(|fault| fault.to_string())),
        }
    }
}

/// Globs of which `!` negates. Without any wanted one everything is wanted that is not unwanted.
struct Patterns {
    wanted: Vec<Pattern>,
    unwanted: Vec<Pattern>,
}

enum Pattern {
    Word(String),
    Glob(GlobMatcher),
}

impl Pattern {
    fn of(source: &str) -> Self {
        let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\');
        if !source.contains(special) {
            return Pattern::Word(source.to_owned());
        }
        match GlobBuilder::new(source).literal_separator(false).build() {
            Ok(glob) => Pattern::Glob(glob.compile_matcher()),
            // Refused when configured; a pattern that got here all the same is taken as a word.
            Err(_) => Pattern::Word(source.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Word(word) => word == text,
            Pattern::Glob(glob) => glob.is_match(text),
        }
    }
}

impl Patterns {
    fn of(sources: &[String]) -> Self {
        let mut patterns = Patterns {
            wanted: Vec::new(),
            unwanted: Vec::new(),
        };
        for source in sources {
            match source.strip_prefix('!') {
                Some(source) => patterns.unwanted.push(Pattern::of(source)),
                None => patterns.wanted.push(Pattern::of(source)),
            }
        }
        patterns
    }

    fn want(&self, texts: &[&str]) -> bool {
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| texts.iter().any(|text| pattern.matches(text)))
        };
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.unwanted)
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }
}

/// What routing reads.
#[derive(Clone, Copy)]
pub struct Router<'a> {
    pub configuration: &'a Configuration,
    pub health: &'a Health,
}

impl Router<'_> {
    /// Routes a notice of a provider over its trackers.
    pub fn route(&self, provider: u32, notice: &Notice) -> Plan {
        let mut plan = Planning::default();
        let trackers = self
            .configuration
            .by_provider
            .get(&provider)
            .map_or(&[][..], Vec::as_slice);
        for id in trackers {
            if let Some(tracker) = self.configuration.trackers.get(id) {
                self.offer(*id, tracker, notice, &mut plan);
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
    pub fn address<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> Plan {
        let mut plan = Planning::default();
        for target in targets {
            let link = LinkSpec::to(target.entity.spec.name.clone());
            self.plan_target(0, "", &link, target, &mut plan);
        }
        let mut plan = plan.plan;
        let mut reached = BTreeSet::new();
        plan.planned
            .retain(|planned| reached.insert(planned.receiver));
        plan
    }

    fn offer(&self, id: u32, tracker: &Tracker, notice: &Notice, plan: &mut Planning) {
        let spec = &tracker.entity.spec;
        let name = spec.name.as_str();
        if !spec.enabled {
            return note(plan, What::TrackerDisabled, id, name, "", String::new());
        }
        let compiled = tracker.compiled.get(|| CompiledTracker::of(spec));
        let draft = &notice.draft;
        if !compiled.kinds.want(&[&draft.kind]) {
            let detail = format!("kind {} is not in [{}]", draft.kind, spec.kinds.join(", "));
            return note(plan, What::KindNotWanted, id, name, "", detail);
        }
        let wanted = match &draft.collection {
            Some(collection) => compiled
                .collections
                .want(&[&collection.name, &collection.id]),
            None => compiled.collections.is_empty(),
        };
        if !wanted {
            let collection = draft
                .collection
                .as_ref()
                .map_or("none", |collection| collection.name.as_str());
            let detail = format!(
                "collection {collection} is not in [{}]",
                spec.collections.join(", ")
            );
            return note(plan, What::CollectionNotWanted, id, name, "", detail);
        }
        match &compiled.filter {
            None => {}
            Some(Ok(filter)) => match filter.eval(notice) {
                Ok(true) => {}
                Ok(false) => {
                    let values: Vec<String> = filter
                        .values(notice)
                        .into_iter()
                        .map(|(path, value)| format!("{path} = {value}"))
                        .collect();
                    let source = spec.filter.as_deref().unwrap_or("");
                    let detail = format!("{source}  ({})", values.join(", "));
                    return note(plan, What::FilterSaidNo, id, name, "", detail);
                }
                // A filter that cannot decide must not swallow a notice.
                Err(fault) => note(plan, What::FilterFailed, id, name, "", fault.to_string()),
            },
            Some(Err(fault)) => note(plan, What::FilterFailed, id, name, "", fault.clone()),
        }
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
                Some(target) => self.plan_target(id, name, link, target, plan),
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
        tracker: u32,
        name: &str,
        link: &LinkSpec,
        target: &Target,
        plan: &mut Planning,
    ) {
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
                        self.plan_target(tracker, name, link, child, plan);
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
            return;
        }
        let taken = PlannedLink {
            tracker,
            tracker_name: name.to_owned(),
            target: target.entity.id,
            target_name: spec.name.clone(),
            link_name: link.name.clone().unwrap_or_default(),
            unknown: link.unknown,
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
        let mut left_out = 0usize;
        for (position, receiver) in target.receivers.iter().enumerate() {
            let configured = spec.receivers.get(position);
            if configured.is_some_and(|receiver| !receiver.enabled) {
                continue;
            }
            if self.health.is_gone(*receiver) {
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
            if plan.plan.planned.len() >= usize::from(ORDINAL_MAX) || !has_room {
                left_out += 1;
                continue;
            }
            plan.plan.planned.push(Planned {
                receiver: *receiver,
                link: index,
            });
        }
        if left_out > 0 {
            let detail = format!(
                "{left_out} receivers are beyond the {ORDINAL_MAX} of a notice, or its links are too many"
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
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn note(
    plan: &mut Planning,
    what: What,
    tracker: u32,
    tracker_name: &str,
    target_name: &str,
    mut detail: String,
) {
    super::notice::cut(&mut detail, DETAIL_BYTES_MAX);
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
        detail,
    });
}
