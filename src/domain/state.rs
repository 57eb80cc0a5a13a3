//! The state: every projection, folded from the log by [`State::evolve`].
//!
//! **Invariant:** `evolve` is total and deterministic. It uses no zone, template, clock or random
//! number: what those gave was written into the event when it was decided.

use serde::{Deserialize, Serialize};

use super::deferral::via;
use super::event::{Accepted, Action, DeliveryKey, Event, Outcome, Plan};
use super::notice::{Items, Severity};
use super::spec::{BRIDGE_PROVIDER, EntityKind, EntitySpec, SecretMarks, UnknownPolicy};
use crate::projections::access::Access;
use crate::projections::bots::Bots;
use crate::projections::configuration::Configuration;
use crate::projections::counts::Counts;
use crate::projections::cursors::Cursors;
use crate::projections::files::Files;
use crate::projections::groups::Groups;
use crate::projections::health::{Health, REASON_BYTES_MAX};
use crate::projections::inhibitors::Inhibitors;
use crate::projections::listening::{Listening, Voice};
use crate::projections::messages::Messages;
use crate::projections::outbox::{NewDelivery, NewNotice, Outbox, Release, Row, Settled, Status};
use crate::projections::retention::Retention;
use crate::projections::seen::Seen;
use crate::projections::snoozes::Snoozes;
use crate::projections::storms::Storms;
use crate::projections::subjects::Subjects;
use crate::projections::told::{About, Told};

mod attention;
mod carry;
mod forget;
mod hashes;
mod health;
mod sending;

pub(crate) use carry::{Carried, CarriedRef};
pub use hashes::{row_facts, severity_code, subject_hash, word_hash};

/// The founding facts of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Founding {
    pub epoch: u16,
    pub salt: [u8; 32],
}

/// Everything the bridge knows that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Position of the newest event folded in; 0 before the first.
    pub position: u64,
    pub founding: Option<Founding>,
    /// Milliseconds of the newest public id; later ones never go below.
    pub id_millis: u64,
    pub configuration: Configuration,
    pub access: Access,
    pub outbox: Outbox,
    pub counts: Counts,
    pub seen: Seen,
    pub health: Health,
    pub subjects: Subjects,
    /// Who is expected to be heard.
    pub listening: Listening,
    /// Messages that later notices of their subjects edit.
    pub messages: Messages,
    /// Files that services have already.
    pub files: Files,
    /// What the bridge has said of itself.
    pub told: Told,
    pub groups: Groups,
    pub storms: Storms,
    pub inhibitors: Inhibitors,
    pub snoozes: Snoozes,
    /// What was last seen at providers that are asked.
    pub cursors: Cursors,
    /// What was heard and seen as a bot.
    pub bots: Bots,
    /// Steps of the wall clock so far.
    pub clock_steps: u64,
    /// What has been forgotten.
    pub retention: Retention,
}

/// Rows that an event writes beside its frame: (position of the notice, row).
pub type Rows = Vec<(u64, Row)>;

/// An event with its place, as the state takes it.
#[derive(Debug, Clone, Copy)]
pub struct At {
    pub position: u64,
    /// Microseconds since 1970.
    pub recorded_at: i64,
}

impl State {
    /// Folds one event in and says which rows it writes.
    pub fn evolve(&mut self, at: At, event: &Event, rows: &mut Rows) {
        self.position = at.position;
        let grouped = self.grouped(event);
        match event {
            Event::Founded {
                epoch,
                salt,
                program: _,
            } => {
                // A store that is founded already was put back from a backup.
                self.cursors.halted = self.founding.is_some();
                self.founding = Some(Founding {
                    epoch: *epoch,
                    salt: *salt,
                });
            }
            Event::SettingsChanged { settings, by: _ } => {
                self.configuration
                    .set_settings(at.position, settings.clone());
            }
            Event::EntityPut {
                id,
                spec,
                secrets,
                receivers,
                managed_by,
                by: _,
            } => {
                self.forget_changed(*id, spec, receivers);
                if let EntitySpec::Target(spec) = &**spec {
                    self.forget_observed(*id, secrets, receivers, spec);
                }
                if let EntitySpec::Bot(spec) = &**spec {
                    self.forget_heard(*id, secrets, spec);
                }
                if let EntitySpec::Provider(spec) = &**spec {
                    self.forget_seen(*id, spec);
                }
                self.configured(at, *id, spec);
                self.configuration.put(
                    at.position,
                    *id,
                    EntitySpec::clone(spec),
                    secrets.clone(),
                    receivers.clone(),
                    managed_by.clone(),
                );
            }
            Event::EntityRemoved {
                kind,
                id,
                name,
                by: _,
            } => {
                self.forget_entity(*kind, *id);
                self.forget_told(*kind, *id, name);
                self.configuration.remove(at.position, *kind, *id, name);
            }
            Event::FileApplied {
                file,
                digest,
                by: _,
            } => {
                self.configuration.files.insert(file.clone(), *digest);
            }
            Event::UserPut { user, by: _ } => {
                self.access.last_id = self.access.last_id.max(user.id);
                self.access.users.insert(user.id, user.clone());
            }
            Event::UserRemoved { id, by: _ } => {
                self.access.users.remove(id);
            }
            Event::TokenPut { token, by: _ } => {
                self.access.last_id = self.access.last_id.max(token.id);
                self.access.tokens.insert(token.id, token.clone());
            }
            Event::TokenRevoked { id, by: _ } => {
                self.access.tokens.remove(id);
            }
            Event::SessionBegan { session } => {
                self.access.last_id = self.access.last_id.max(session.id);
                self.access.sessions.insert(session.id, session.clone());
            }
            Event::SessionSeen { id } => {
                if let Some(session) = self.access.sessions.get_mut(id) {
                    session.seen_at = at.recorded_at;
                }
            }
            Event::SessionEnded { id } => {
                self.access.sessions.remove(id);
            }
            Event::Accepted(accepted) => self.accepted(at, accepted, rows),
            Event::IntakeUnreadable {
                seed,
                day: _,
                provider,
                provider_name: _,
                why: _,
                keys,
            } => {
                self.id_millis = self.id_millis.max(seed.millis);
                *self.counts.unreadable.entry(*provider).or_default() += 1;
                self.seen
                    .remember(*provider, at.position, 0, word_hash(""), *keys);
            }
            Event::Resent {
                seed,
                notice,
                day,
                provider,
                row,
                subject,
                plan,
                why: _,
                by: _,
            } => {
                self.id_millis = self.id_millis.max(seed.millis);
                let new = NewNotice {
                    position: at.position,
                    notice: *notice,
                    seed: *seed,
                    day: *day,
                    facts: *row,
                    subject: *subject,
                    now: at.recorded_at,
                    ways: &plan.ways,
                    items: &Items::default(),
                };
                self.planned(&new, *provider, plan, rows);
            }
            Event::MessageComposed { planning, hash, .. } => {
                self.outbox.composed(*planning, *hash, at.position);
            }
            // It is there to be read; what is sent stands in the words.
            Event::GatheredTold { .. } => {}
            Event::AttemptStarted {
                delivery, composed, ..
            } => {
                self.note_start(at, *delivery);
                self.outbox.start(*delivery, *composed);
            }
            Event::PartSent {
                delivery,
                part,
                ids,
                pause_until,
                ..
            } => {
                self.got_through(at, *delivery);
                self.rest(*delivery, *pause_until);
                self.outbox.part_sent(*delivery, *part, ids.first());
            }
            Event::AttemptFailed {
                delivery,
                scope,
                retry_at,
                reason,
                ..
            } => {
                self.failed(at, *delivery, reason);
                let own = self.is_own_fault(*delivery, *scope);
                // What is not configured any more leaves nothing behind that nobody would clear.
                if let Some((target, receiver)) = self
                    .place(*delivery)
                    .filter(|(_, receiver)| self.configuration.receivers.contains_key(receiver))
                {
                    self.outbox.failed(*delivery, *scope, at.recorded_at);
                    match scope {
                        crate::targets::Scope::Message => {}
                        crate::targets::Scope::Receiver => {
                            self.outbox.pause_receiver(receiver, *retry_at)
                        }
                        crate::targets::Scope::Target => {
                            self.outbox.pause_target(target, *retry_at)
                        }
                    }
                }
                self.outbox.retry_at(*delivery, *retry_at, own, reason);
            }
            Event::FallbackUsed {
                delivery, composed, ..
            } => self.outbox.fall_back(*delivery, *composed),
            Event::ClaimReturned { delivery, .. } => self.outbox.give_back(*delivery),
            Event::DeliverySettled {
                delivery,
                part,
                outcome,
                detail,
                ids,
                pause_until,
                remember,
                ..
            } => {
                self.remember(at, *delivery, *remember, *part, ids);
                self.rest(*delivery, *pause_until);
                self.settled(at, *delivery, *outcome, detail, rows);
            }
            Event::PartLeftOut { delivery, part, .. } => {
                self.outbox.part_sent(*delivery, *part, None);
            }
            Event::MediaTold {
                target,
                receiver,
                provider,
                items,
                rest_until,
                ..
            } => self.media_told(at, (*target, *provider), *receiver, items, *rest_until),
            Event::EditRefused { delivery, .. } => {
                if let Some((place, ..)) = self.told_at(*delivery) {
                    self.messages.refuse(place);
                }
                self.outbox.give_back(*delivery);
            }
            Event::OutcomeUnknown {
                delivery,
                notice,
                policy,
            } => match policy {
                UnknownPolicy::Retry => {
                    let why = "not known whether it arrived";
                    self.outbox.retry_at(*delivery, at.recorded_at, true, why);
                }
                UnknownPolicy::Park => {
                    let day = self.day_of(*delivery);
                    let changed = self.outbox.park(
                        *delivery,
                        Status::Unknown,
                        "not known whether it arrived",
                    );
                    self.count(*notice, day, changed, rows);
                }
            },
            Event::DeliveryOperated {
                delivery,
                notice,
                action,
                by: _,
            } => {
                let day = self.day_of(*delivery);
                let changed = match action {
                    Action::Retry => self.outbox.retry_now(*delivery),
                    Action::Drop => self.outbox.settle(*delivery, false, at.recorded_at),
                    Action::Confirm => self.outbox.settle(*delivery, true, at.recorded_at),
                };
                self.count(*notice, day, changed, rows);
            }
            Event::HoldChanged {
                delivery,
                notice,
                hold,
                silent,
                pierced,
                why: _,
                detail: _,
                unwanted,
                by,
            } => {
                let day = self.day_of(*delivery);
                self.outbox.forget_members(*delivery, unwanted);
                let changed = self.outbox.release(
                    *delivery,
                    Release {
                        hold: *hold,
                        silent: *silent,
                        pierced: *pierced,
                        by_person: !by.is_empty(),
                        now: at.recorded_at,
                    },
                );
                self.count(*notice, day, changed, rows);
            }
            Event::DeliveryMerged {
                delivery,
                notice,
                host,
                until,
            } => {
                let day = self.day_of(*delivery);
                let changed = self
                    .outbox
                    .merge_into(*delivery, *host, *until, at.recorded_at);
                self.count(*notice, day, changed, rows);
            }
            Event::ReceiverGone {
                target: _,
                receiver,
                reason,
            } => {
                if self.configuration.receivers.contains_key(receiver) {
                    self.health.receivers.entry(*receiver).or_default().gone = Some(short(reason));
                }
            }
            Event::ReceiverMoved {
                target: _,
                receiver,
                to,
            } => {
                if self.configuration.receivers.contains_key(receiver) {
                    self.health.receivers.entry(*receiver).or_default().moved_to = Some(to.clone());
                }
            }
            Event::ReceiverRestored {
                target: _,
                receiver,
                by: _,
            } => {
                self.receiver_is_back(*receiver);
                if let Some(health) = self.health.receivers.get_mut(receiver) {
                    health.gone = None;
                    if health.moved_to.is_none() {
                        self.health.receivers.remove(receiver);
                    }
                }
            }
            Event::CursorMoved {
                provider,
                key,
                bytes,
            } => self.cursor_moved(*provider, key, bytes.as_ref()),
            Event::ChatsSeen { bot, chats } => {
                if self.configuration.bots.contains_key(bot) {
                    self.bots.seen(*bot, chats, at.recorded_at);
                }
            }
            Event::ChatsNamed { bot, chats } => self.bots.named(*bot, chats),
            Event::BotVerified { bot, identity } => {
                if self.configuration.bots.contains_key(bot) {
                    self.bots.verified(*bot, identity.clone());
                }
            }
            Event::Acknowledged {
                provider, subject, ..
            } => self.acknowledged(*provider, *subject),
            Event::Snoozed(snooze) => self.snoozed(at, snooze),
            Event::SnoozeEnded { id, by: _ } => self.snoozes.end(*id),
            Event::RepeatPutOff { slot, again, .. } => {
                self.groups.put_off(*slot, *again, at.recorded_at);
            }
            Event::SendingPaused { by: _ } => self.outbox.paused = true,
            Event::SendingResumed { by: _ } => {
                self.outbox.paused = false;
                self.cursors.halted = false;
                self.outbox.resumed_at = at.recorded_at;
                self.outbox.end_restored(at.recorded_at);
            }
            Event::Restored { epoch, .. } => {
                if let Some(founding) = &mut self.founding {
                    founding.epoch = *epoch;
                }
                self.cursors.halted = true;
            }
            Event::LossAccepted { .. } => {}
            Event::ClockStepped { by_micros } => {
                self.clock_steps += 1;
                self.outbox.shift_waits(*by_micros);
                self.listening.shift(*by_micros);
                self.told.shift(*by_micros);
            }
            Event::FallbackAwaited {
                notice: _,
                planning,
                waits,
            } => {
                for (ordinal, seconds) in waits {
                    let key = DeliveryKey {
                        position: *planning,
                        ordinal: *ordinal,
                    };
                    self.outbox.await_fallback(key, *seconds);
                }
            }
            Event::HandedOn {
                delivery, planning, ..
            } => self.outbox.hand_on(*delivery, *planning),
            Event::StateCarried { .. }
            | Event::RetentionAdvanced { .. }
            | Event::Compacted { .. } => self.retained(at, event),
            Event::FellSilent { kind, id, since: _ } => {
                if let Some(voice) = health::voice(*kind, *id) {
                    self.listening.fell_silent(voice, at.recorded_at);
                }
            }
        }
        self.attend(at, event, grouped);
    }

    fn accepted(&mut self, at: At, accepted: &Accepted, rows: &mut Rows) {
        self.id_millis = self.id_millis.max(accepted.seed.millis);
        let provider = accepted.provider;
        if accepted.nth == 0 {
            let kind = word_hash(&accepted.notice.kind);
            self.seen
                .remember(provider, at.position, accepted.of, kind, accepted.keys);
        }
        let count = self.counts.of(provider, accepted.day);
        count.notices += 1;
        let items = &accepted.notice.items;
        count.items = count
            .items
            .saturating_add(items.added_total)
            .saturating_add(items.removed_total);
        self.health.last_notice_at.insert(provider, at.recorded_at);
        let notice = &accepted.notice;
        if !notice.subject.key.is_empty() {
            let subject = subject_hash(provider, &notice.subject.key, 0);
            let about = (provider, subject);
            let plan = &accepted.plan;
            self.subjects
                .take(about, at.position, notice, plan, at.recorded_at);
        }
        self.heard(at, accepted);
        let new = NewNotice {
            position: at.position,
            notice: at.position,
            seed: accepted.seed,
            day: accepted.day,
            facts: row_facts(provider, &accepted.notice),
            subject: subject_hash(provider, &accepted.notice.subject.key, at.position),
            now: at.recorded_at,
            ways: &accepted.plan.ways,
            items: &accepted.notice.items,
        };
        self.planned(&new, provider, &accepted.plan, rows);
    }

    fn planned(&mut self, new: &NewNotice<'_>, provider: u32, plan: &Plan, rows: &mut Rows) {
        let vias: Vec<u64> = plan
            .links
            .iter()
            .map(|link| via(link.tracker, link.target, &link.link_name))
            .collect();
        let deliveries = plan.planned.iter().filter_map(|planned| {
            let index = usize::from(planned.link);
            let link = plan.links.get(index)?;
            let same = vias[..index].iter().filter(|other| **other == vias[index]);
            Some(NewDelivery {
                tracker: link.tracker,
                target: link.target,
                receiver: planned.receiver,
                link: planned.link,
                via: vias[index],
                nth: same.count() as u16,
                unknown: link.unknown,
                critical: link.severity.map(|severity| severity == Severity::Critical),
                local: link.local,
            })
        });
        let deliveries: Vec<NewDelivery> = deliveries.collect();
        // What is kept here is sent with this event; no other will say so.
        for delivery in deliveries.iter().filter(|delivery| delivery.local) {
            let health = self.health.targets.entry(delivery.target).or_default();
            health.last_sent_at = Some(new.now);
        }
        let (row, settled) = self.outbox.plan(new, deliveries.into_iter());
        let count = self.counts.of(provider, new.day);
        count.sent += u64::from(settled.sent);
        count.dropped += u64::from(settled.dropped);
        rows.push((new.notice, row));
    }

    fn settled(
        &mut self,
        at: At,
        key: DeliveryKey,
        outcome: Outcome,
        detail: &str,
        rows: &mut Rows,
    ) {
        let Some(delivery) = self.outbox.deliveries.get(&key) else {
            return;
        };
        let notice = delivery.notice;
        let day = self.day_of(key);
        let changed = match outcome {
            Outcome::Sent => {
                self.got_through(at, key);
                self.outbox.settle(key, true, at.recorded_at)
            }
            Outcome::Dropped => self.outbox.settle(key, false, at.recorded_at),
            Outcome::Parked => {
                if delivery.status == Status::Sending {
                    self.failed(at, key, detail);
                }
                self.outbox.park(key, Status::Parked, &short(detail))
            }
        };
        self.count(notice, day, changed, rows);
    }

    /// (provider, day) under which a delivery is counted.
    fn day_of(&self, key: DeliveryKey) -> Option<(u32, i32)> {
        self.outbox
            .notices
            .get(&key.position)
            .map(|notice| (notice.row.facts.provider, notice.day))
    }

    fn count(
        &mut self,
        notice: u64,
        day: Option<(u32, i32)>,
        (row, settled): (Option<Row>, Settled),
        rows: &mut Rows,
    ) {
        if let Some((provider, day)) = day {
            let is_there =
                provider == BRIDGE_PROVIDER || self.configuration.providers.contains_key(&provider);
            let provider = if is_there { provider } else { 0 };
            let count = self.counts.of(provider, day);
            count.sent += u64::from(settled.sent);
            count.dropped += u64::from(settled.dropped);
            count.parked = count
                .parked
                .saturating_add_signed(i64::from(settled.parked));
        }
        if let Some(row) = row {
            rows.push((notice, row));
        }
    }

    fn place(&self, key: DeliveryKey) -> Option<(u32, u32)> {
        self.outbox
            .deliveries
            .get(&key)
            .map(|delivery| (delivery.target, delivery.receiver))
    }

    fn got_through(&mut self, at: At, key: DeliveryKey) {
        let Some((target, receiver)) = self.place(key) else {
            return;
        };
        self.outbox.lift_pauses(target, receiver, at.recorded_at);
        self.outbox.close_breaker(target, at.recorded_at);
        if !self.configuration.targets.contains_key(&target) {
            return;
        }
        let health = self.health.targets.entry(target).or_default();
        health.failures_in_a_row = 0;
        health.failing_since = None;
        health.last_sent_at = Some(at.recorded_at);
    }

    fn failed(&mut self, at: At, key: DeliveryKey, reason: &str) {
        let Some((target, _)) = self
            .place(key)
            .filter(|(target, _)| self.configuration.targets.contains_key(target))
        else {
            return;
        };
        let health = self.health.targets.entry(target).or_default();
        health.failures_in_a_row = health.failures_in_a_row.saturating_add(1);
        health.failing_since.get_or_insert(at.recorded_at);
        health.last_error = Some(short(reason));
    }
}

fn short(reason: &str) -> String {
    let mut text = reason.to_owned();
    super::notice::cut(&mut text, REASON_BYTES_MAX);
    text
}
