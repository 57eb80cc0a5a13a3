//! Payloads about retention, revision 1; of a carried state revisions 1 and 2, which began with bots.
//!
//! The bytes of a carried state are those of the projections themselves, as they were when the newest
//! revision of its event was released. A projection whose fields change after that leaves a copy of what
//! it was here, for that revision, and the next begins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Texts, put, take};
use crate::domain::event::Event;
use crate::domain::retention::Rule;
use crate::domain::spec::{EntityKind, ProviderSpec, Settings};
use crate::domain::state::{Carried, Founding};
use crate::projections::access::Access;
use crate::projections::bots::Bots;
use crate::projections::configuration::{
    Configuration, Entity, Target, Template, Tracker, json_text,
};
use crate::projections::counts::Counts;
use crate::projections::cursors::Cursors;
use crate::projections::files::Files;
use crate::projections::groups::Groups;
use crate::projections::health::Health;
use crate::projections::inhibitors::Inhibitors;
use crate::projections::listening::Listening;
use crate::projections::messages::Messages;
use crate::projections::outbox::Outbox;
use crate::projections::retention::{Runs, Tally};
use crate::projections::snoozes::Snoozes;
use crate::projections::storms::Storms;
use crate::projections::subjects::Subjects;
use crate::projections::told::Told;

#[derive(Serialize, Deserialize)]
struct CarriedR1<'a> {
    part: u16,
    parts: u16,
    bytes: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct RuleR1<'a> {
    provider: u32,
    kind: &'a str,
    before: u64,
}

#[derive(Serialize, Deserialize)]
struct AdvancedR1<'a> {
    #[serde(borrow)]
    rules: Vec<RuleR1<'a>>,
    history_before: u64,
    mark: u64,
    carried_at: u64,
    seen_from: Vec<(u32, u64)>,
    by: &'a str,
}

#[derive(Serialize, Deserialize)]
struct CompactedR1 {
    run: u64,
    families: u64,
    frames: u64,
    bodies: u64,
    bytes: u64,
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::StateCarried {
            layout: _,
            part,
            parts,
            bytes,
        } => put(
            &CarriedR1 {
                part: *part,
                parts: *parts,
                bytes,
            },
            out,
        ),
        Event::RetentionAdvanced {
            rules,
            history_before,
            mark,
            carried_at,
            seen_from,
            by,
        } => put(
            &AdvancedR1 {
                rules: rules
                    .iter()
                    .map(|rule| RuleR1 {
                        provider: rule.provider,
                        kind: &rule.kind,
                        before: rule.before,
                    })
                    .collect(),
                history_before: *history_before,
                mark: *mark,
                carried_at: *carried_at,
                seen_from: seen_from.clone(),
                by,
            },
            out,
        ),
        Event::Compacted { run, removed } => put(
            &CompactedR1 {
                run: *run,
                families: removed.families,
                frames: removed.frames,
                bodies: removed.bodies,
                bytes: removed.bytes,
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, revision: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        80 => {
            let CarriedR1 { part, parts, bytes } = take(bytes)?;
            if part >= parts {
                return Err(format!("part {part} of {parts}"));
            }
            Event::StateCarried {
                layout: revision,
                part,
                parts,
                bytes: bytes.to_vec(),
            }
        }
        81 => {
            let advanced: AdvancedR1<'_> = take(bytes)?;
            Event::RetentionAdvanced {
                rules: advanced
                    .rules
                    .into_iter()
                    .map(|rule| Rule {
                        provider: rule.provider,
                        kind: rule.kind.to_owned(),
                        before: rule.before,
                    })
                    .collect(),
                history_before: advanced.history_before,
                mark: advanced.mark,
                carried_at: advanced.carried_at,
                seen_from: advanced.seen_from,
                by: texts.unread(advanced.by),
            }
        }
        82 => {
            let CompactedR1 {
                run,
                families,
                frames,
                bodies,
                bytes,
            } = take(bytes)?;
            Event::Compacted {
                run,
                removed: Tally {
                    families,
                    frames,
                    bodies,
                    bytes,
                },
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}

/// The configuration as it was carried before there were bots.
#[derive(Deserialize)]
struct ConfigurationR1 {
    revision: u64,
    #[serde(with = "json_text")]
    settings: Settings,
    providers: BTreeMap<u32, Entity<ProviderSpec>>,
    targets: BTreeMap<u32, Target>,
    trackers: BTreeMap<u32, Tracker>,
    templates: BTreeMap<u32, Template>,
    names: BTreeMap<(EntityKind, String), u32>,
    by_provider: BTreeMap<u32, Vec<u32>>,
    receivers: BTreeMap<u32, u32>,
    files: BTreeMap<String, [u8; 32]>,
    last_id: u32,
}

impl From<ConfigurationR1> for Configuration {
    fn from(before: ConfigurationR1) -> Self {
        let mut configuration = Configuration::default();
        configuration.set_settings(before.revision, before.settings);
        configuration.providers = before.providers;
        configuration.targets = before.targets;
        configuration.trackers = before.trackers;
        configuration.templates = before.templates;
        configuration.names = before.names;
        configuration.by_provider = before.by_provider;
        configuration.receivers = before.receivers;
        configuration.files = before.files;
        configuration.last_id = before.last_id;
        configuration
    }
}

/// What was carried of a state before there were bots.
#[derive(Deserialize)]
struct StateR1 {
    founding: Option<Founding>,
    id_millis: u64,
    configuration: ConfigurationR1,
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
    clock_steps: u64,
    runs: Runs,
}

/// Reads a state that was carried with revision 1.
pub fn carried_r1(bytes: &[u8]) -> Result<Carried, String> {
    let before: StateR1 = take(bytes)?;
    Ok(Carried {
        founding: before.founding,
        id_millis: before.id_millis,
        configuration: before.configuration.into(),
        access: before.access,
        outbox: before.outbox,
        counts: before.counts,
        health: before.health,
        subjects: before.subjects,
        listening: before.listening,
        messages: before.messages,
        told: before.told,
        groups: before.groups,
        storms: before.storms,
        inhibitors: before.inhibitors,
        snoozes: before.snoozes,
        cursors: before.cursors,
        files: before.files,
        bots: Bots::default(),
        clock_steps: before.clock_steps,
        runs: before.runs,
    })
}
