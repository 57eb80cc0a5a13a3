//! Deciding about configuration: ids are given, references checked, and what a removal leaves
//! without a receiver is dropped with its reason. All of a change is taken, or none of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::command::{Configure, Context, Put, Refusal, Told};
use super::super::event::{Event, Outcome};
use super::super::reason::What;
use super::super::spec::{EntityKind, EntitySpec, Reference, SecretMark, SecretMarks};
use super::super::state::State;
use super::{Decided, delivery};
use crate::projections::outbox::Status;

/// Most open deliveries that one change of configuration may drop; beyond that it is refused, so
/// that nobody loses a backlog by removing a line.
pub const DROPPED_BY_CHANGE_MAX: usize = 10_000;

pub fn configure(state: &State, change: Configure, context: &Context) -> Result<Decided, Refusal> {
    let configuration = &state.configuration;
    if change
        .planned_at
        .is_some_and(|revision| revision != configuration.revision)
    {
        return Err(Refusal::Outdated);
    }
    check_references(state, &change)?;
    let mut giving = Giving {
        next_id: configuration.last_id + 1,
        events: Vec::new(),
        first: context.first_position,
    };
    let by = change.by;
    if let Some(settings) = change.settings
        && settings != configuration.settings
    {
        giving.events.push(Event::SettingsChanged {
            settings,
            by: by.clone(),
        });
    }
    for put in change.puts {
        giving.put(state, put, &by);
    }
    for (kind, name) in change.removes {
        let id = configuration
            .id(kind, &name)
            .ok_or_else(|| Refusal::NotFound {
                what: kind.as_str(),
                name: name.clone(),
            })?;
        giving.events.push(Event::EntityRemoved {
            kind,
            id,
            name,
            by: by.clone(),
        });
    }
    let count = giving.events.len() as u32;
    let mut events = drop_without_receiver(state, &giving.events)?;
    // Behind the change itself, whose secrets are keyed by the positions counted above.
    giving.events.append(&mut events);
    if let Some((file, digest)) = change.file
        && configuration.files.get(&file) != Some(&digest)
    {
        giving.events.push(Event::FileApplied { file, digest, by });
    }
    Ok(Decided {
        events: giving.events,
        told: Told::Changed { count },
    })
}

struct Giving {
    next_id: u32,
    first: u64,
    events: Vec<Event>,
}

impl Giving {
    fn id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn put(&mut self, state: &State, put: Put, by: &str) {
        let configuration = &state.configuration;
        let kind = put.spec.kind();
        let existing = configuration.id(kind, put.spec.name());
        let position = self.first + self.events.len() as u64;
        let mut secrets: SecretMarks = existing
            .and_then(|id| configuration.secrets(kind, id))
            .cloned()
            .unwrap_or_default();
        secrets.retain(|field, _| !put.cleared.contains(field));
        for (slot, (field, fingerprint)) in put.secrets.into_iter().enumerate() {
            if secrets
                .get(&field)
                .is_some_and(|mark| mark.fingerprint == fingerprint)
            {
                continue;
            }
            secrets.insert(
                field,
                SecretMark {
                    position,
                    slot: slot as u16,
                    fingerprint,
                },
            );
        }
        let id = existing.unwrap_or_else(|| self.id());
        let receivers = match &put.spec {
            EntitySpec::Target(spec) => {
                let known = known_receivers(state, id);
                let count = spec.receivers.len().max(1);
                (0..count)
                    .map(|index| {
                        let identity = spec
                            .receivers
                            .get(index)
                            .map_or_else(Default::default, |receiver| {
                                (receiver.to.clone(), receiver.thread.clone())
                            });
                        known.get(&identity).copied().unwrap_or_else(|| self.id())
                    })
                    .collect()
            }
            EntitySpec::Provider(_)
            | EntitySpec::Tracker(_)
            | EntitySpec::Template(_)
            | EntitySpec::Bot(_) => Vec::new(),
        };
        let unchanged = existing
            .and_then(|id| configuration.spec(kind, id))
            .is_some_and(|(spec, marks, managed_by)| {
                spec == put.spec && *marks == secrets && managed_by == put.managed_by.as_deref()
            });
        if !unchanged {
            self.events.push(Event::EntityPut {
                id,
                spec: Box::new(put.spec),
                secrets,
                receivers,
                managed_by: put.managed_by,
                by: by.to_owned(),
            });
        }
    }
}

type Identity = (String, Option<String>);

fn known_receivers(state: &State, target: u32) -> BTreeMap<Identity, u32> {
    let Some(target) = state.configuration.targets.get(&target) else {
        return BTreeMap::new();
    };
    let spec = &target.entity.spec;
    let identity = |index: usize| {
        spec.receivers
            .get(index)
            .map_or_else(Default::default, |receiver| {
                (receiver.to.clone(), receiver.thread.clone())
            })
    };
    target
        .receivers
        .iter()
        .enumerate()
        .map(|(index, id)| (identity(index), *id))
        .collect()
}

/// Checks what refers to what, in the configuration as it would be afterwards.
fn check_references(state: &State, change: &Configure) -> Result<(), Refusal> {
    let configuration = &state.configuration;
    let mut names: BTreeSet<(EntityKind, &str)> = configuration
        .names
        .keys()
        .map(|(kind, name)| (*kind, name.as_str()))
        .collect();
    for (kind, name) in &change.removes {
        if !names.remove(&(*kind, name.as_str())) {
            return Err(Refusal::NotFound {
                what: kind.as_str(),
                name: name.clone(),
            });
        }
    }
    for put in &change.puts {
        if put.spec.name().is_empty() {
            return Err(Refusal::Invalid {
                field: "name".into(),
                message: "is empty".into(),
            });
        }
        names.insert((put.spec.kind(), put.spec.name()));
    }
    let mut named: BTreeSet<(EntityKind, &str)> = BTreeSet::new();
    let removes = change
        .removes
        .iter()
        .map(|(kind, name)| (*kind, name.as_str()));
    let puts = change
        .puts
        .iter()
        .map(|put| (put.spec.kind(), put.spec.name()));
    if let Some((kind, name)) = puts.chain(removes).find(|entity| !named.insert(*entity)) {
        return Err(Refusal::Invalid {
            field: format!("{} {name}", kind.as_str()),
            message: "is changed twice at once".into(),
        });
    }
    for put in &change.puts {
        for Reference { kind, name, .. } in put.spec.references() {
            if !names.contains(&(kind, name)) {
                return Err(Refusal::Invalid {
                    field: format!("{} {}", put.spec.kind().as_str(), put.spec.name()),
                    message: format!(
                        "refers to the {} {name}, which does not exist",
                        kind.as_str()
                    ),
                });
            }
        }
    }
    // A removal is refused while something that stays refers to it.
    let put: BTreeSet<(EntityKind, &str)> = change
        .puts
        .iter()
        .map(|put| (put.spec.kind(), put.spec.name()))
        .collect();
    let removed: BTreeSet<(EntityKind, &str)> = change
        .removes
        .iter()
        .map(|(kind, name)| (*kind, name.as_str()))
        .collect();
    for (kind, name) in &change.removes {
        let consumers: Vec<String> = configuration
            .consumers(*kind, name)
            .into_iter()
            .filter(|consumer| {
                let Some((consumer_kind, consumer_name)) = consumer.split_once(' ') else {
                    return true;
                };
                let consumer_kind = EntityKind::ALL
                    .into_iter()
                    .find(|kind| kind.as_str() == consumer_kind);
                !consumer_kind.is_some_and(|kind| {
                    removed.contains(&(kind, consumer_name)) || put.contains(&(kind, consumer_name))
                })
            })
            .collect();
        if !consumers.is_empty() {
            return Err(Refusal::InUse {
                name: format!("{} {name}", kind.as_str()),
                consumers,
            });
        }
    }
    Ok(())
}

/// Deliveries whose target or receiver goes with this change: they could never be sent.
fn drop_without_receiver(state: &State, events: &[Event]) -> Result<Vec<Event>, Refusal> {
    let mut gone: BTreeSet<u32> = BTreeSet::new();
    let targets = &state.configuration.targets;
    for event in events {
        if let Event::EntityRemoved { kind, id, .. } = event
            && *kind == EntityKind::Target
        {
            gone.extend(targets.get(id).into_iter().flat_map(|old| &old.receivers));
        } else if let Event::EntityPut { id, receivers, .. } = event
            && let Some(old) = targets.get(id)
        {
            let old = old.receivers.iter();
            gone.extend(old.filter(|receiver| !receivers.contains(receiver)));
        }
    }
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let dropped: Vec<Event> = state
        .outbox
        .deliveries
        .iter()
        .filter(|(_, delivery)| {
            gone.contains(&delivery.receiver) && delivery.status != Status::Sending
        })
        .map(|(key, open)| {
            let detail = "its receiver is no longer configured".to_owned();
            delivery::settle(*key, open, Outcome::Dropped, What::TargetRemoved, detail)
        })
        .collect();
    if dropped.len() > DROPPED_BY_CHANGE_MAX {
        return Err(Refusal::Conflict(format!(
            "{} open deliveries would be dropped with this change, more than {DROPPED_BY_CHANGE_MAX}; drop or send them first",
            dropped.len()
        )));
    }
    Ok(dropped)
}
