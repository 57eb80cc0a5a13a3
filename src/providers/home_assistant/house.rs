//! What changed: states and events compared with what is known, and made notices of.
//!
//! **Invariant:** a point is told from the value that was known last to the value that it has now.
//! Where events are missing in between, the first of them that comes says what it was before, and the
//! missing step is told as what happened meanwhile.
//!
//! **Invariant:** whatever a tracker may want is made a notice of; routing has the last word.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::attributes::text_of;
use super::events::Seen;
use super::known::{Connection, Entity, Known, PENDING_MAX, POINTS_MAX, Pending, Point, value_of};
use super::names::Names;
use super::notices::{self, Change, Maker};
use super::options::Wanted;
use super::wire::{Changed, StateOf, is_blank};
use crate::domain::notice::NoticeDraft;
use crate::projections::cursors::OfProvider;
use crate::providers::ask::{Observation, Watch};

/// Notices that wait to be recorded. While there are so many, what happens is left out and counted, and
/// the states are compared again afterwards.
pub const WAITING_MAX: usize = 500;
/// Most that one entity makes at once: of each point a step that was missed and one that was not, and
/// what had waited.
const AT_ONCE_MAX: usize = 2 * POINTS_MAX + PENDING_MAX + 1;
const _: () = assert!(WAITING_MAX + AT_ONCE_MAX <= crate::domain::decide::NOTICES_PER_REQUEST_MAX);
/// After a connection was made, so long is waited for the state of an entity of which nothing is known
/// yet, as while Home Assistant starts; then that is told. In microseconds.
const UNSURE_MICROS: i64 = 5 * 60 * 1_000_000;
/// What is kept of an entity that is gone is kept so long, in microseconds.
const GONE_KEPT_MICROS: i64 = 7 * 24 * 3_600 * 1_000_000;
pub struct House {
    provider: String,
    pub(super) base: String,
    pub wanted: Vec<Wanted>,
    pub names: Names,
    pub known: Known,
    /// Entities at which something waits, as they are.
    latest: BTreeMap<String, StateOf>,
    /// Entities of which nothing is known since the connection was made, and until when that is waited.
    unsure: BTreeMap<String, (i64, StateOf)>,
    /// What people are called, by the id of their user.
    pub(super) people: BTreeMap<String, String>,
    pub(super) waiting: Vec<NoticeDraft>,
    /// What was left out since it was said last.
    left_out: u64,
    /// Whether what is known may have fallen behind, so that the states have to be asked for.
    pub behind: bool,
    pub seen: Seen,
}

/// The value of a point as it is kept; nothing where there is none.
fn value(state: &StateOf, attribute: &str) -> String {
    let value = match attribute {
        "" => Some(state.state.clone()),
        attribute => state.attributes.get(attribute).and_then(text_of),
    };
    value_of(value.unwrap_or_default())
}

/// What waits at a point begins not before this.
fn restart(entity: &mut Entity, attribute: &str, at: i64) {
    for pending in &mut entity.pending {
        if pending.attribute == attribute {
            pending.since = pending.since.max(at);
        }
    }
}

/// A point that is other than it was known.
struct Step<'a> {
    attribute: &'a str,
    after: String,
    away: bool,
}

impl House {
    pub fn new(provider: &str, base: &str, cursors: &OfProvider, watches: &[Watch]) -> House {
        House {
            provider: provider.to_owned(),
            base: base.to_owned(),
            wanted: watches.iter().map(Wanted::of).collect(),
            names: Names::default(),
            known: Known::read(cursors),
            latest: BTreeMap::new(),
            unsure: BTreeMap::new(),
            people: BTreeMap::new(),
            waiting: Vec::new(),
            left_out: 0,
            behind: false,
            seen: Seen::default(),
        }
    }

    pub fn watch(&mut self, watches: &[Watch]) {
        self.wanted = watches.iter().map(Wanted::of).collect();
    }

    /// The connection works.
    pub fn connected(&mut self) {
        if self.known.connection() == Connection::Lost {
            let notice = notices::connection_restored(&self.provider, &self.base);
            self.waiting.push(notice);
        }
        self.known.set_connection(Connection::Up);
    }

    /// Whether there is something to say.
    pub fn has_notices(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Everything that waits, with what has to be written down with it.
    pub fn take(&mut self) -> Observation {
        let mut notices = std::mem::take(&mut self.waiting);
        if let Some(first) = notices.first_mut()
            && self.left_out > 0
        {
            let count = std::mem::take(&mut self.left_out);
            first.labels.insert("left_out".into(), count.to_string());
        }
        Observation {
            cursors: self.known.moved(),
            notices,
            next_at: None,
        }
    }

    /// So many messages were not looked at.
    pub fn leave_out(&mut self, count: u64) {
        self.left_out = self.left_out.saturating_add(count);
        self.behind = true;
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// The points of an entity that somebody watches.
    fn points(&self, state: &StateOf) -> BTreeSet<String> {
        let (id, name) = (state.entity_id.as_str(), state.name());
        let area = self.names.area(id);
        let watching = self.wanted.iter().filter(|one| one.watches(id, name, area));
        let points: BTreeSet<String> = watching.map(|one| one.attribute.clone()).collect();
        points.into_iter().take(POINTS_MAX).collect()
    }

    /// Takes all states, as when a connection was made. What is not told for want of room is asked for
    /// again.
    pub fn states(&mut self, states: Vec<StateOf>, now: i64) {
        for state in &states {
            self.note_person(state);
        }
        let mut listed = BTreeSet::new();
        for state in states {
            if self.is_full() {
                self.behind = true;
                return;
            }
            listed.insert(state.entity_id.clone());
            self.look(state, now);
        }
        let gone: Vec<String> = self
            .known
            .iter()
            .filter(|(id, _)| !listed.contains(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.gone(&id, now);
        }
    }

    /// An entity that is not there any more. It may come back, as while Home Assistant starts.
    fn gone(&mut self, id: &str, now: i64) {
        self.latest.remove(id);
        self.unsure.remove(id);
        let Some(mut entity) = self.known.get(id).cloned() else {
            return;
        };
        if entity.gone == 0 {
            entity.gone = now;
            self.known.put(id, entity);
        } else if now.saturating_sub(entity.gone) > GONE_KEPT_MICROS {
            self.known.remove(id);
        }
    }

    /// One entity as it is, without an event that says what it was.
    fn look(&mut self, state: StateOf, now: i64) {
        let points = self.points(&state);
        let Some(mut entity) = self.begin(&state, &points) else {
            return;
        };
        let is_blank_now = is_blank(&state.state);
        for attribute in &points {
            // What has no state has no attributes either.
            if is_blank_now && !attribute.is_empty() {
                continue;
            }
            let after = value(&state, attribute);
            let at = state.moment(!attribute.is_empty()).unwrap_or(now);
            let known = entity.point(attribute).map(|point| point.value.clone());
            match known {
                None => entity.put(Point {
                    attribute: attribute.clone(),
                    value: after,
                    since: at,
                }),
                Some(before) if before == after => {
                    if attribute.is_empty() {
                        self.unsure.remove(&state.entity_id);
                    }
                    // It may have been otherwise in between.
                    restart(&mut entity, attribute, at.min(now));
                }
                Some(before) if is_blank_now && !is_blank(&before) => {
                    let until = now.saturating_add(UNSURE_MICROS);
                    let unsure = self.unsure.entry(state.entity_id.clone());
                    unsure.or_insert((until, state.clone())).1 = state.clone();
                }
                Some(_) => {
                    self.noticed(&mut entity, &state, attribute, after, now);
                }
            }
        }
        self.end(state, entity);
    }

    /// What is known of an entity that is there; `None` of one that nobody watches.
    fn begin(&mut self, state: &StateOf, points: &BTreeSet<String>) -> Option<Entity> {
        let id = state.entity_id.as_str();
        if points.is_empty() {
            self.known.remove(id);
            self.latest.remove(id);
            self.unsure.remove(id);
            return None;
        }
        let mut entity = self.known.get(id).cloned().unwrap_or_default();
        entity.gone = 0;
        entity
            .points
            .retain(|point| points.contains(&point.attribute));
        let wanted = &self.wanted;
        entity.pending.retain(|pending| {
            let of = wanted.iter().find(|one| one.tracker == pending.tracker);
            of.is_some_and(|one| one.held.is_some() && one.attribute == pending.attribute)
        });
        Some(entity)
    }

    fn end(&mut self, state: StateOf, entity: Entity) {
        let id = state.entity_id.clone();
        let waits = !entity.pending.is_empty();
        self.known.put(&id, entity);
        if waits {
            self.latest.insert(id, state);
        } else {
            self.latest.remove(&id);
        }
    }

    /// A point became something else while there was no connection.
    fn noticed(
        &mut self,
        entity: &mut Entity,
        state: &StateOf,
        attribute: &str,
        after: String,
        now: i64,
    ) {
        let step = Step {
            attribute,
            after,
            away: true,
        };
        self.step(entity, state, step, None, now);
    }

    /// A point has become something else: what is told of that now, and what is waited for.
    fn step(
        &mut self,
        entity: &mut Entity,
        state: &StateOf,
        step: Step<'_>,
        actor: Option<String>,
        now: i64,
    ) {
        let Step {
            attribute,
            after,
            away,
        } = step;
        let at = state.moment(!attribute.is_empty());
        let before = entity.point(attribute).map(|point| point.value.clone());
        let before = before.unwrap_or_default();
        entity.put(Point {
            attribute: attribute.to_owned(),
            value: after.clone(),
            since: at.unwrap_or(now),
        });
        if attribute.is_empty() {
            self.unsure.remove(&state.entity_id);
        }
        let (id, name) = (state.entity_id.as_str(), state.name());
        let area = self.names.area(id);
        let mut is_told = false;
        for one in &self.wanted {
            if one.attribute != attribute || !one.watches(id, name, area) {
                continue;
            }
            if one.held.is_none() {
                is_told |= one.wants_change(&before, &after);
                continue;
            }
            let is_its = |pending: &Pending| {
                pending.tracker == one.tracker && pending.attribute == attribute
            };
            if entity.pending.iter().any(is_its) {
                if one.goes_on(&after) {
                    continue;
                }
                entity.pending.retain(|pending| !is_its(pending));
            }
            if one.wants_change(&before, &after) && entity.pending.len() < PENDING_MAX {
                entity.pending.push(Pending {
                    tracker: one.tracker,
                    attribute: attribute.to_owned(),
                    before: before.clone(),
                    since: if away {
                        at.map_or(now, |at| at.min(now))
                    } else {
                        now
                    },
                });
            }
        }
        if is_told {
            let maker = Maker {
                base: &self.base,
                names: &self.names,
            };
            let notice = maker.state_changed(&Change {
                state,
                attribute,
                before: &before,
                after: &after,
                at: at.or(Some(now)),
                actor,
                away,
                held: None,
            });
            self.waiting.push(notice);
        }
    }

    fn note_person(&mut self, state: &StateOf) {
        if state.domain() == "person"
            && let Some(user) = state.attributes.get("user_id").and_then(Value::as_str)
        {
            self.people.insert(user.to_owned(), state.name().to_owned());
        }
    }

    pub(super) fn changed(&mut self, changed: Changed, actor: Option<String>, now: i64) {
        let Some(state) = changed.new_state else {
            self.gone(&changed.entity_id, now);
            return;
        };
        self.note_person(&state);
        let Some(old) = changed.old_state else {
            // It was made just now, or made anew.
            self.look(state, now);
            return;
        };
        let points = self.points(&state);
        let Some(mut entity) = self.begin(&state, &points) else {
            return;
        };
        let (was_blank, is_blank_now) = (is_blank(&old.state), is_blank(&state.state));
        // What was missed happened before everything that is told now.
        let mut steps = Vec::new();
        for attribute in &points {
            let of_attributes = !attribute.is_empty();
            if of_attributes && is_blank_now {
                continue;
            }
            let (was, after) = (value(&old, attribute), value(&state, attribute));
            let at = state.moment(of_attributes).unwrap_or(now);
            let step = |away| Step {
                attribute,
                after: after.clone(),
                away,
            };
            let Some(known) = entity.point(attribute).cloned() else {
                let is_first = of_attributes && was_blank;
                let since = old.moment(of_attributes).unwrap_or(now);
                if !is_first && was != after {
                    steps.push(step(false));
                }
                entity.put(Point {
                    attribute: attribute.clone(),
                    value: if is_first { after } else { was },
                    since: if is_first { at } else { since },
                });
                continue;
            };
            if known.value == was {
                if was != after {
                    steps.push(step(false));
                }
            } else if at <= known.since {
                // It is older than what is known.
            } else if !was_blank {
                let missed = Step {
                    after: was.clone(),
                    ..step(true)
                };
                self.step(&mut entity, &old, missed, None, now);
                if was != after {
                    steps.push(step(false));
                }
            } else if known.value != after {
                // Nothing was known of it for a while, nor is it perhaps.
                if !is_blank_now {
                    steps.push(step(true));
                }
            } else {
                restart(&mut entity, attribute, at.min(now));
                if !of_attributes {
                    self.unsure.remove(&state.entity_id);
                }
            }
        }
        for step in steps {
            self.step(&mut entity, &state, step, actor.clone(), now);
        }
        self.end(state, entity);
    }

    /// When what waits is to be looked at next.
    pub fn next_due(&self) -> Option<i64> {
        if self.is_full() {
            return None;
        }
        let unsure = self.unsure.values().map(|(until, _)| *until);
        let held = self.latest.keys().filter_map(|id| {
            let entity = self.known.get(id)?;
            if self.unsure.contains_key(id) {
                return None;
            }
            entity
                .pending
                .iter()
                .filter_map(|pending| self.due(pending))
                .min()
        });
        unsure.chain(held).min()
    }

    fn due(&self, pending: &Pending) -> Option<i64> {
        let of = self
            .wanted
            .iter()
            .find(|one| one.tracker == pending.tracker)?;
        Some(pending.since.saturating_add(of.held?.micros()))
    }

    /// Tells what has lasted at `until`, a moment up to which everything was heard.
    pub fn lasted(&mut self, until: i64, now: i64) {
        let ids: Vec<String> = self.latest.keys().cloned().collect();
        for id in ids {
            if self.unsure.contains_key(&id) {
                continue;
            }
            self.lasted_at(&id, until);
        }
        let over: Vec<String> = self
            .unsure
            .iter()
            .filter(|(_, (deadline, _))| *deadline <= until)
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            if self.is_full() {
                return;
            }
            if let (Some((_, state)), Some(mut entity)) =
                (self.unsure.remove(&id), self.known.get(&id).cloned())
            {
                let after = value(&state, "");
                self.noticed(&mut entity, &state, "", after, now);
                self.end(state, entity);
            }
        }
    }

    fn lasted_at(&mut self, id: &str, until: i64) {
        let (Some(entity), Some(state)) = (self.known.get(id), self.latest.get(id)) else {
            return;
        };
        let is_due = |pending: &Pending| self.due(pending).is_some_and(|due| due <= until);
        if self.is_full() || !entity.pending.iter().any(is_due) {
            return;
        }
        let (state, mut entity) = (state.clone(), entity.clone());
        let (due, rest): (Vec<Pending>, Vec<Pending>) = std::mem::take(&mut entity.pending)
            .into_iter()
            .partition(is_due);
        entity.pending = rest;
        for pending in due {
            let of = self
                .wanted
                .iter()
                .find(|one| one.tracker == pending.tracker);
            let (Some(of), Some(point)) = (of, entity.point(&pending.attribute)) else {
                continue;
            };
            let Some(span) = of.held else { continue };
            let maker = Maker {
                base: &self.base,
                names: &self.names,
            };
            let notice = maker.state_changed(&Change {
                state: &state,
                attribute: &pending.attribute,
                before: &pending.before,
                after: &point.value,
                at: Some(pending.since),
                actor: None,
                away: false,
                held: Some((&of.name, span)),
            });
            self.waiting.push(notice);
        }
        self.end(state, entity);
    }
}
