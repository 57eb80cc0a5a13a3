//! What an event changed: the difference of the states before and after it, path by path.
//!
//! The two states are walked side by side and compared as they are; only entries that differ are put
//! into words, so that a difference costs little also where much is open.
//!
//! **Invariant:** every projection is looked at: a field that is added to the state does not compile
//! before it is added here.
//!
//! **Invariant:** nothing that is secret is named: hashes of passwords, tokens and sessions, fingerprints
//! of secrets and the salt of the store are left out, also where they are what changed.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::event::DeliveryKey;
use super::notice::cut;
use super::retention::Rule;
use super::state::State;
use crate::projections::access::Access;
use crate::projections::configuration::Configuration;
use crate::projections::counts::Counts;
use crate::projections::health::Health;
use crate::projections::outbox::{Lane, Outbox};
use crate::projections::retention::Retention;
use crate::projections::told::About;

/// Changes of one event that are shown one by one; the rest is counted.
pub const CHANGES_MAX: usize = 500;
/// Longest text in a change, in bytes; a longer one is cut and ends in `…`.
pub const CHANGE_TEXT_BYTES_MAX: usize = 256;
/// Entries of a list or map in a change; the rest is counted.
pub const CHANGE_ENTRIES_MAX: usize = 32;

/// Fields whose values are shown to nobody.
const HIDDEN: [&str; 4] = ["password_hash", "hash", "fingerprint", "salt"];
/// What stands in their place.
const HIDDEN_SHOWN: &str = "(not shown)";

/// One place of the state that an event changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `outbox.deliveries[12.1].status`.
    pub path: String,
    /// `None`: it was not there.
    pub before: Option<Value>,
    /// `None`: it is not there any more.
    pub after: Option<Value>,
}

/// What an event changed, in the order of the state's fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    pub shown: Vec<Change>,
    /// Further ones.
    pub more: usize,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.more == 0
    }
}

/// Compares two states; the position apart, which always changes.
pub fn changes(before: &State, after: &State) -> Changes {
    let mut finder = Finder::default();
    finder.state(before, after);
    finder.found
}

/// Compares two values of any shape, path by path.
pub fn differences(before: &Value, after: &Value) -> Changes {
    let mut finder = Finder::default();
    finder.walk(String::new(), before, after);
    finder.found
}

#[derive(Default)]
struct Finder {
    found: Changes,
}

impl Finder {
    fn state(&mut self, before: &State, after: &State) {
        let State {
            position: _,
            founding,
            id_millis,
            configuration,
            access,
            outbox,
            counts,
            seen,
            health,
            subjects,
            listening,
            messages,
            told,
            groups,
            storms,
            inhibitors,
            snoozes,
            cursors,
            bots,
            retention,
            clock_steps,
            files,
        } = after;
        self.value("founding", &before.founding, founding);
        self.value("id_millis", &before.id_millis, id_millis);
        self.configuration(&before.configuration, configuration);
        self.access(&before.access, access);
        self.outbox(&before.outbox, outbox);
        self.counts(&before.counts, counts);
        let remembered = |seen: &crate::projections::seen::Seen| -> Vec<(u32, Value)> {
            let providers = seen.providers.iter();
            providers
                .map(|(id, seen)| {
                    let sizes = [
                        ("kept".to_owned(), seen.len().into()),
                        ("remembered".to_owned(), seen.remembered().into()),
                    ];
                    (*id, Value::Object(sizes.into_iter().collect()))
                })
                .collect()
        };
        let (old, new) = (remembered(&before.seen), remembered(seen));
        self.entries("seen", pairs(&old), pairs(&new), u32::to_string);
        self.health(&before.health, health);
        let (old, new) = (before.subjects.iter(), subjects.iter());
        self.entries("subjects", old, new, |(provider, subject)| {
            format!("{provider}/{subject:016x}")
        });
        let (old, new) = (before.listening.iter(), listening.iter());
        self.entries("listening", old, new, |voice| format!("{voice:?}"));
        let (old, new) = (before.messages.iter(), messages.iter());
        self.entries("messages", old, new, |place| {
            format!(
                "{:016x}/{}/{:016x}",
                place.via, place.receiver, place.subject
            )
        });
        let (old, new) = (before.told.iter(), told.iter());
        self.entries("told", old, new, |(about, kind): &&(About, u8)| {
            format!("{about:?}/{kind}")
        });
        let (old, new) = (before.groups.iter(), groups.iter());
        self.entries("groups", old, new, |slot| format!("{slot:016x}"));
        let (old, new) = (before.groups.told_by_slot(), groups.told_by_slot());
        self.entries("groups.told", old, new, |(slot, subject)| {
            format!("{slot:016x}/{subject:016x}")
        });
        let (old, new) = (before.storms.iter(), storms.iter());
        self.entries("storms", old, new, |id: &&u32| id.to_string());
        let (old, new) = (before.inhibitors.iter(), inhibitors.iter());
        self.entries("inhibitors", old, new, |(provider, kind, until)| {
            format!("{provider}/{kind:016x}/{until:016x}")
        });
        let (old, new) = (before.snoozes.iter(), snoozes.iter());
        self.entries("snoozes", old, new, |id: &&u32| id.to_string());
        self.value("cursors.halted", &before.cursors.halted, &cursors.halted);
        // The bytes are the provider kind's own.
        let (old, new) = (before.cursors.iter(), cursors.iter());
        let name = |(provider, key): &(u32, &str)| format!("{provider}/{key}");
        self.entries_shown("cursors", old, new, name, |bytes| {
            format!("{} bytes, hash {:016x}", bytes.len(), xxh3_64(bytes)).into()
        });
        let (old, new) = (before.bots.iter(), bots.iter());
        self.entries("bots", old, new, |id: &&u32| id.to_string());
        self.retention(&before.retention, retention);
        self.value("clock_steps", &before.clock_steps, clock_steps);
        let (old, new) = (before.files.iter(), files.iter());
        self.entries("files", old, new, |place: &&u64| format!("{place:016x}"));
    }

    fn configuration(&mut self, before: &Configuration, after: &Configuration) {
        self.value("configuration.revision", &before.revision, &after.revision);
        if before.files != after.files {
            // A digest says something of what is in the file.
            let names = |files: &Configuration| files.files.keys().cloned().collect::<Vec<_>>();
            let (old, new) = (names(before), names(after));
            if old == new {
                let again = Some(Value::from("applied anew"));
                self.found("configuration.files".to_owned(), None, again);
            }
            self.value("configuration.files", &old, &new);
        }
        // Nothing else of it changes without the revision.
        if before.revision == after.revision {
            return;
        }
        self.value("configuration.settings", &before.settings, &after.settings);
        self.value("configuration.last_id", &before.last_id, &after.last_id);
        let id = |id: &&u32| id.to_string();
        let (old, new) = (before.providers.iter(), after.providers.iter());
        self.entries("configuration.providers", old, new, id);
        let (old, new) = (before.targets.iter(), after.targets.iter());
        self.entries("configuration.targets", old, new, id);
        let (old, new) = (before.trackers.iter(), after.trackers.iter());
        self.entries("configuration.trackers", old, new, id);
        let (old, new) = (before.templates.iter(), after.templates.iter());
        self.entries("configuration.templates", old, new, id);
        let (old, new) = (before.bots.iter(), after.bots.iter());
        self.entries("configuration.bots", old, new, id);
        // Names, providers' trackers and receivers' targets follow from these.
    }

    fn access(&mut self, before: &Access, after: &Access) {
        let Access {
            users,
            tokens,
            sessions,
            last_id,
        } = after;
        let id = |id: &&u32| id.to_string();
        self.entries("access.users", before.users.iter(), users.iter(), id);
        self.entries("access.tokens", before.tokens.iter(), tokens.iter(), id);
        self.entries(
            "access.sessions",
            before.sessions.iter(),
            sessions.iter(),
            id,
        );
        self.value("access.last_id", &before.last_id, last_id);
    }

    fn outbox(&mut self, before: &Outbox, after: &Outbox) {
        let Outbox {
            paused,
            notices,
            deliveries,
            lanes,
            pauses,
            sending,
            parked,
            newest_due_at,
            held,
            slots,
            threads,
            breakers,
            outages,
            resumed_at,
            overdue,
            pacing,
        } = after;
        let id = |id: &&u32| id.to_string();
        let position = |position: &&u64| position.to_string();
        let hash = |hash: &&u64| format!("{hash:016x}");
        self.value("outbox.paused", &before.paused, paused);
        self.entries(
            "outbox.notices",
            before.notices.iter(),
            notices.iter(),
            position,
        );
        self.entries(
            "outbox.deliveries",
            before.deliveries.iter(),
            deliveries.iter(),
            |key: &&DeliveryKey| key_text(**key),
        );
        let lane = |(id, lane): (&u32, &Lane)| (*id, lane.summary());
        let old: Vec<(u32, [i64; 3])> = before.lanes.iter().map(lane).collect();
        let new: Vec<(u32, [i64; 3])> = lanes.iter().map(lane).collect();
        // Waiting, under way, paused until. Which ones is said by the deliveries.
        self.entries("outbox.lanes", pairs(&old), pairs(&new), u32::to_string);
        self.entries("outbox.pauses", before.pauses.iter(), pauses.iter(), id);
        self.entries("outbox.sending", before.sending.iter(), sending.iter(), id);
        self.members(
            "outbox.parked",
            before.parked.iter(),
            parked.iter(),
            |key| key_text(*key),
        );
        self.value("outbox.newest_due_at", &before.newest_due_at, newest_due_at);
        let timed = |(at, key): &(i64, DeliveryKey)| format!("{}@{at}", key_text(*key));
        self.members("outbox.held", before.held.iter(), held.iter(), timed);
        let (old, new) = (before.slots.iter(), slots.iter());
        self.entries("outbox.slots", old, new, hash);
        let (old, new) = (before.threads.iter(), threads.iter());
        self.entries("outbox.threads", old, new, hash);
        let (old, new) = (before.breakers.iter(), breakers.iter());
        self.entries("outbox.breakers", old, new, id);
        self.entries("outbox.outages", before.outages.iter(), outages.iter(), id);
        self.value("outbox.resumed_at", &before.resumed_at, resumed_at);
        let (old, new) = (before.overdue.iter(), overdue.iter());
        self.members("outbox.overdue", old, new, timed);
        let old: Vec<(u32, i64)> = before.pacing.last_starts().collect();
        let new: Vec<(u32, i64)> = pacing.last_starts().collect();
        self.entries("outbox.pacing", pairs(&old), pairs(&new), u32::to_string);
    }

    fn counts(&mut self, before: &Counts, after: &Counts) {
        let Counts { days, unreadable } = after;
        self.entries(
            "counts.days",
            before.days.iter(),
            days.iter(),
            |(provider, day)| format!("{provider}/{}", day_text(*day)),
        );
        let (old, new) = (before.unreadable.iter(), unreadable.iter());
        self.entries("counts.unreadable", old, new, |id: &&u32| id.to_string());
    }

    fn health(&mut self, before: &Health, after: &Health) {
        let Health {
            targets,
            receivers,
            last_notice_at,
        } = after;
        let id = |id: &&u32| id.to_string();
        self.entries("health.targets", before.targets.iter(), targets.iter(), id);
        let (old, new) = (before.receivers.iter(), receivers.iter());
        self.entries("health.receivers", old, new, id);
        let (old, new) = (before.last_notice_at.iter(), last_notice_at.iter());
        self.entries("health.last_notice_at", old, new, id);
    }

    fn retention(&mut self, before: &Retention, after: &Retention) {
        let Retention {
            horizons,
            carried_at,
            runs,
            carrying,
            unreadable,
        } = after;
        let old: Vec<Rule> = before.horizons.rules().collect();
        let new: Vec<Rule> = horizons.rules().collect();
        self.value("retention.rules", &old, &new);
        let history = (before.horizons.history_before, horizons.history_before);
        self.value("retention.history_before", &history.0, &history.1);
        let marks = (before.horizons.mark(), horizons.mark());
        self.value("retention.mark", &marks.0, &marks.1);
        let (old, new) = (before.horizons.kept(), horizons.kept());
        self.members("retention.kept", old, new, u64::to_string);
        self.value("retention.carried_at", &before.carried_at, carried_at);
        self.value("retention.runs", &before.runs, runs);
        let sizes = (before.carrying.len(), carrying.len());
        self.value("retention.carrying", &sizes.0, &sizes.1);
        self.value("retention.unreadable", &before.unreadable, unreadable);
    }

    fn value<T: PartialEq + Serialize>(&mut self, path: &str, before: &T, after: &T) {
        if before != after {
            self.walk(path.to_owned(), &shape(before), &shape(after));
        }
    }

    /// Two lists of entries in the order of their keys.
    fn entries<'v, K: Ord, V: PartialEq + Serialize + 'v>(
        &mut self,
        path: &str,
        before: impl Iterator<Item = (K, &'v V)>,
        after: impl Iterator<Item = (K, &'v V)>,
        name: impl Fn(&K) -> String,
    ) {
        self.entries_shown(path, before, after, name, shape);
    }

    fn entries_shown<'v, K: Ord, V: PartialEq + 'v>(
        &mut self,
        path: &str,
        before: impl Iterator<Item = (K, &'v V)>,
        after: impl Iterator<Item = (K, &'v V)>,
        name: impl Fn(&K) -> String,
        shape: impl Fn(&V) -> Value,
    ) {
        let (mut before, mut after) = (before.peekable(), after.peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = before.next_if(|_| order != Ordering::Greater);
            let new = after.next_if(|_| order != Ordering::Less);
            let place = |key: &K| format!("{path}[{}]", name(key));
            match (old, new) {
                (Some((key, old)), Some((_, new))) => {
                    if old != new {
                        self.walk(place(&key), &shape(old), &shape(new));
                    }
                }
                (Some((key, old)), None) => self.found(place(&key), Some(shape(old)), None),
                (None, Some((key, new))) => self.found(place(&key), None, Some(shape(new))),
                (None, None) => return,
            }
        }
    }

    /// Two sets.
    fn members<'k, K: Ord + 'k>(
        &mut self,
        path: &str,
        before: impl Iterator<Item = &'k K>,
        after: impl Iterator<Item = &'k K>,
        name: impl Fn(&K) -> String,
    ) {
        let before = before.map(|key| (key, &true));
        let after = after.map(|key| (key, &true));
        self.entries(path, before, after, |key| name(key));
    }

    fn walk(&mut self, path: String, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                let names: std::collections::BTreeSet<&String> =
                    old.keys().chain(new.keys()).collect();
                for name in names {
                    let inner = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    match (old.get(name), new.get(name)) {
                        (Some(old), Some(new)) if old == new => {}
                        (Some(old), Some(new)) => self.walk(inner, old, new),
                        (old, new) => self.found(inner, old.cloned(), new.cloned()),
                    }
                }
            }
            (Value::Array(old), Value::Array(new)) => self.list(&path, old, new),
            (old, new) if old == new => {}
            (old, new) => self.found(path, Some(old.clone()), Some(new.clone())),
        }
    }

    /// Lists are compared from both ends: what is between has changed.
    fn list(&mut self, path: &str, before: &[Value], after: &[Value]) {
        let same = |(old, new): &(&Value, &Value)| old == new;
        let head = before.iter().zip(after).take_while(same).count();
        let (old, new) = (&before[head..], &after[head..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(same);
        let tail = tail.count();
        let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
        let count = old.len().max(new.len());
        for index in 0..count {
            let place = format!("{path}[{}]", head + index);
            match (old.get(index), new.get(index)) {
                (Some(old), Some(new)) => self.walk(place, old, new),
                (old, new) => self.found(place, old.cloned(), new.cloned()),
            }
        }
    }

    fn found(&mut self, path: String, before: Option<Value>, after: Option<Value>) {
        if self.found.shown.len() >= CHANGES_MAX {
            self.found.more += 1;
            return;
        }
        let is_hidden = HIDDEN
            .iter()
            .any(|hidden| path.rsplit('.').next() == Some(hidden));
        let shown = |value: Option<Value>| {
            value.map(|mut value| {
                if is_hidden {
                    return HIDDEN_SHOWN.into();
                }
                bound(&mut value);
                value
            })
        };
        self.found.shown.push(Change {
            path,
            before: shown(before),
            after: shown(after),
        });
    }
}

/// Entries of a list that was made for the comparison.
fn pairs<K: Copy, V>(list: &[(K, V)]) -> impl Iterator<Item = (K, &V)> {
    list.iter().map(|(key, value)| (*key, value))
}

/// A value as JSON. Specs stand as JSON text in what is serialized, and are read here.
fn shape<T: Serialize>(value: &T) -> Value {
    let mut shape = serde_json::to_value(value).unwrap_or(Value::Null);
    unfold(&mut shape);
    shape
}

fn unfold(value: &mut Value) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, field) in fields.iter_mut() {
        match field {
            Value::String(text) if name == "spec" => {
                if let Ok(spec) = serde_json::from_str(text) {
                    *field = spec;
                }
            }
            Value::Object(_) => unfold(field),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {}
        }
    }
}

/// Keeps what is shown small, and what is hidden out of it.
fn bound(value: &mut Value) {
    match value {
        Value::String(text) => cut(text, CHANGE_TEXT_BYTES_MAX),
        Value::Array(list) => {
            let more = list.len().saturating_sub(CHANGE_ENTRIES_MAX);
            list.truncate(CHANGE_ENTRIES_MAX);
            list.iter_mut().for_each(bound);
            if more > 0 {
                list.push(format!("… {more} more").into());
            }
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().skip(CHANGE_ENTRIES_MAX).cloned().collect();
            for name in &names {
                fields.remove(name);
            }
            for (name, field) in fields.iter_mut() {
                if HIDDEN.contains(&name.as_str()) {
                    *field = HIDDEN_SHOWN.into();
                } else {
                    bound(field);
                }
            }
            if !names.is_empty() {
                fields.insert("…".into(), format!("{} more", names.len()).into());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn key_text(key: DeliveryKey) -> String {
    format!("{}.{}", key.position, key.ordinal)
}

/// A civil day, as people write it.
fn day_text(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let mut text = String::new();
    let date = jiff::Span::new()
        .try_days(day)
        .and_then(|days| epoch.checked_add(days));
    match date {
        // Writing to a string cannot fail.
        Ok(date) => drop(write!(text, "{date}")),
        Err(_) => drop(write!(text, "{day}")),
    }
    text
}
