//! The part of the fold that is about how targets and senders are doing.

use super::{
    About, Accepted, At, BRIDGE_PROVIDER, DeliveryKey, EntityKind, EntitySpec, State, Voice,
    subject_hash,
};
use crate::domain::decide::silence;
use crate::domain::policy::Span;
use crate::targets::Scope;

/// Of whom something can be expected.
pub(super) fn voice(kind: EntityKind, id: u32) -> Option<Voice> {
    match kind {
        EntityKind::Provider => Some(Voice::Provider(id)),
        EntityKind::Tracker => Some(Voice::Tracker(id)),
        EntityKind::Target | EntityKind::Template | EntityKind::Bot => None,
    }
}

impl State {
    /// Whether a failure uses up one of a delivery's tries. While its target lets nothing through,
    /// nobody knows whose fault it is.
    pub(super) fn is_own_fault(&self, key: DeliveryKey, scope: Scope) -> bool {
        let open = self
            .place(key)
            .is_some_and(|(target, _)| self.outbox.breaker_is_open(target));
        scope == Scope::Message && !open
    }

    /// Something is about to be configured as an event says.
    pub(super) fn configured(&mut self, at: At, id: u32, spec: &EntitySpec) {
        let now = at.recorded_at;
        let kind = spec.kind();
        let before = self
            .configuration
            .spec(kind, id)
            .map(|(before, ..)| before.name().to_owned());
        if let Some(before) = before.filter(|before| before != spec.name()) {
            self.close_subjects(kind, &before);
        }
        match spec {
            EntitySpec::Provider(spec) => {
                let expected = spec.expect.filter(|_| spec.enabled);
                self.expect(Voice::Provider(id), expected, &spec.name, now);
            }
            EntitySpec::Tracker(spec) => {
                let expected = spec.expect.filter(|_| spec.enabled);
                self.expect(Voice::Tracker(id), expected, &spec.name, now);
            }
            EntitySpec::Target(spec) => {
                let was_off = self
                    .configuration
                    .targets
                    .get(&id)
                    .is_some_and(|target| !target.entity.spec.enabled);
                if spec.enabled && was_off {
                    self.outbox.target_is_back(id, now);
                }
            }
            EntitySpec::Template(_) | EntitySpec::Bot(_) => {}
        }
    }

    fn expect(&mut self, voice: Voice, within: Option<Span>, name: &str, now: i64) {
        self.listening.expect(voice, within, now);
        if within.is_none() {
            let kind = match voice {
                Voice::Provider(_) => EntityKind::Provider,
                Voice::Tracker(_) => EntityKind::Tracker,
            };
            self.close_subject(&silence(kind, name));
        }
    }

    /// A notice came: of its provider, and over the trackers that took it.
    pub(super) fn heard(&mut self, at: At, accepted: &Accepted) {
        let now = at.recorded_at;
        self.listening
            .heard(Voice::Provider(accepted.provider), now);
        for link in &accepted.plan.links {
            self.listening.heard(Voice::Tracker(link.tracker), now);
        }
        if accepted.provider == BRIDGE_PROVIDER
            && let notice = &accepted.notice
            && let Some(about) = About::of(&self.configuration, &notice.subject.key)
        {
            self.told.note(about, &notice.kind, now);
        }
    }

    /// What was said of an entity goes with it.
    pub(super) fn forget_told(&mut self, kind: EntityKind, id: u32, name: &str) {
        let about = match kind {
            EntityKind::Provider => About::Provider(id),
            EntityKind::Tracker => About::Tracker(id),
            EntityKind::Target => About::Target(id),
            EntityKind::Template | EntityKind::Bot => return,
        };
        self.told.forget(about);
        self.close_subjects(kind, name);
        if let Some(voice) = voice(kind, id) {
            self.listening.forget(voice);
        }
        if kind == EntityKind::Target {
            let receivers = self.configuration.targets.get(&id);
            let receivers = receivers.map_or_else(Vec::new, |target| target.receivers.clone());
            for receiver in receivers {
                self.receiver_is_back(receiver);
                self.told.forget(About::Receiver(receiver));
            }
        }
    }

    /// A receiver is not gone any more, or not configured.
    pub(super) fn receiver_is_back(&mut self, receiver: u32) {
        let target = self.configuration.receivers.get(&receiver);
        let target = target.and_then(|target| self.configuration.targets.get(target));
        let name = target.and_then(|target| {
            let receiver = target.receiver_name(receiver)?;
            Some(format!("receiver:{}/{receiver}", target.entity.spec.name))
        });
        if let Some(key) = name {
            self.close_subject(&key);
        }
    }

    fn close_subjects(&mut self, kind: EntityKind, name: &str) {
        self.close_subject(&format!("{}:{name}", kind.as_str()));
        self.close_subject(&silence(kind, name));
    }

    /// Nothing is to be said any more of what the bridge said was wrong.
    fn close_subject(&mut self, key: &str) {
        self.subjects
            .forget(BRIDGE_PROVIDER, subject_hash(BRIDGE_PROVIDER, key, 0));
    }
}
