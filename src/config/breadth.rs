//! How many receivers the notices of a tracker reach, of which there is a most: who is beyond it would
//! not hear, so that it is said when it is configured and not first when it matters.

use std::collections::{BTreeMap, BTreeSet};

use super::Present;
use super::shapes::BROADCAST;
use crate::domain::id::ORDINAL_MAX;
use crate::domain::spec::{EntityKind, EntitySpec, TargetSpec, TrackerSpec};

/// A problem of a tracker whose links reach more receivers than one notice can. A plan that makes it no
/// worse than it was is not refused for it.
pub(super) fn too_broad<'s>(
    spec: &EntitySpec,
    target: impl Fn(&str) -> Option<&'s EntitySpec>,
    present: &Present,
) -> Option<(String, String)> {
    let EntitySpec::Tracker(tracker) = spec else {
        return None;
    };
    let count = receivers(tracker, &target);
    if count <= usize::from(ORDINAL_MAX) {
        return None;
    }
    let of = |kind, name: &str| {
        let existing = present.entities.get(&(kind, name.to_owned()))?;
        Some(&existing.spec)
    };
    let before = match of(EntityKind::Tracker, &tracker.name) {
        Some(EntitySpec::Tracker(before)) => {
            receivers(before, &|name: &str| of(EntityKind::Target, name))
        }
        Some(_) | None => 0,
    };
    (count > before).then(|| {
        let message = format!(
            "reach {count} receivers, and one notice reaches at most {ORDINAL_MAX}; name fewer, or share them among trackers that want different notices"
        );
        ("links".to_owned(), message)
    })
}

/// Receivers to which a notice that a tracker wants would go, as often as it names them.
fn receivers<'s>(tracker: &TrackerSpec, target: &impl Fn(&str) -> Option<&'s EntitySpec>) -> usize {
    if !tracker.enabled {
        return 0;
    }
    let spec_of = |name: &str| match target(name) {
        Some(EntitySpec::Target(spec)) if spec.enabled => Some(spec),
        Some(_) | None => None,
    };
    // A broadcast may be named by many links, and is looked through once.
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let links = tracker.links.iter().filter(|link| link.enabled);
    links
        .map(|link| {
            *known.entry(&link.target).or_insert_with(|| {
                let Some(spec) = spec_of(&link.target) else {
                    return 0;
                };
                if spec.kind != BROADCAST {
                    return own(spec);
                }
                let on = spec
                    .targets
                    .iter()
                    .filter(|child| !spec.off.contains(child));
                let on: BTreeSet<&String> = on.collect();
                on.into_iter()
                    .filter_map(|child| spec_of(child))
                    .map(own)
                    .sum()
            })
        })
        .sum()
}

/// A target that lists no receiver has one.
fn own(target: &TargetSpec) -> usize {
    match target.receivers.len() {
        0 => 1,
        _some => target
            .receivers
            .iter()
            .filter(|receiver| receiver.enabled)
            .count(),
    }
}
