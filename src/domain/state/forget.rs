//! What goes with what is configured: observations of an address that is another one now, and all
//! memory of an entity that is removed.

use std::sync::Arc;

use super::{About, EntityKind, EntitySpec, SecretMarks, State};
use crate::domain::spec::ProviderSpec;

impl State {
    /// A changed credential or address makes what was observed of the old one untrue.
    pub(super) fn forget_observed(
        &mut self,
        target: u32,
        secrets: &SecretMarks,
        receivers: &[u32],
        spec: &EntitySpec,
    ) {
        let Some(old) = self.configuration.targets.get(&target) else {
            return;
        };
        let credentials_changed = old.entity.secrets != *secrets;
        let base_changed = match spec {
            EntitySpec::Target(new) => new.api_base != old.entity.spec.api_base,
            EntitySpec::Provider(_) | EntitySpec::Tracker(_) | EntitySpec::Template(_) => false,
        };
        let old_receivers = old.receivers.clone();
        for receiver in old_receivers {
            if credentials_changed || base_changed || !receivers.contains(&receiver) {
                self.health.receivers.remove(&receiver);
                self.outbox.forget_pause(receiver);
                self.receiver_is_back(receiver);
            }
            if !receivers.contains(&receiver) {
                self.told.forget(About::Receiver(receiver));
                self.outbox.pacing.forget_receiver(receiver);
                self.messages.forget_receiver(receiver);
            }
        }
        if credentials_changed {
            self.forget_account(target);
        }
        if credentials_changed || base_changed {
            self.messages.forget_target(target);
            self.files.forget_target(target);
        }
        if credentials_changed || base_changed {
            self.outbox.pauses.remove(&target);
            self.outbox.forget_breaker(target);
        }
    }

    /// What was seen at one address says nothing of another.
    pub(super) fn forget_seen(&mut self, provider: u32, spec: &ProviderSpec) {
        let old = self.configuration.providers.get(&provider);
        if old.is_some_and(|old| {
            old.spec.kind != spec.kind || !old.spec.source.is_same_place(&spec.source)
        }) {
            self.cursors.forget(provider);
        }
    }

    /// Of a provider that is not configured nothing is kept, as nobody would forget it.
    pub(super) fn cursor_moved(&mut self, provider: u32, key: &str, bytes: Option<&Arc<[u8]>>) {
        if self.configuration.providers.contains_key(&provider) {
            self.cursors.put(provider, key, bytes);
        }
    }

    pub(super) fn forget_entity(&mut self, kind: EntityKind, id: u32) {
        self.forget_attention(kind, id);
        match kind {
            EntityKind::Provider => {
                self.cursors.forget(id);
                self.seen.forget_provider(id);
                self.files.forget_provider(id);
                self.health.last_notice_at.remove(&id);
                self.counts.unreadable.remove(&id);
                self.subjects.forget_provider(id);
                // Totals never change: what a provider counted goes to "removed providers" (0).
                let days: Vec<_> = self
                    .counts
                    .days
                    .range((id, i32::MIN)..=(id, i32::MAX))
                    .map(|(k, v)| (*k, *v))
                    .collect();
                for ((provider, day), count) in days {
                    self.counts.days.remove(&(provider, day));
                    self.counts.of(0, day).add(&count);
                }
            }
            EntityKind::Target => {
                self.health.targets.remove(&id);
                self.outbox.pauses.remove(&id);
                self.outbox.forget_outages(id);
                self.messages.forget_target(id);
                self.files.forget_target(id);
                self.forget_account(id);
                if let Some(target) = self.configuration.targets.get(&id) {
                    for receiver in &target.receivers {
                        self.health.receivers.remove(receiver);
                        self.outbox.forget_pause(*receiver);
                        self.outbox.pacing.forget_receiver(*receiver);
                    }
                }
            }
            EntityKind::Tracker => self.messages.forget_tracker(id),
            EntityKind::Template => {}
        }
    }
}
