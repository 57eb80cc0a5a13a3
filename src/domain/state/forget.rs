//! What goes with what is configured: observations of an address that is another one now, and all
//! memory of an entity that is removed.

use std::sync::Arc;

use super::{About, EntityKind, SecretMarks, State};
use crate::domain::spec::{BotSpec, ProviderSpec, TargetSpec};
use crate::projections::outbox::pace::account_of;

/// What of an address is another one.
#[derive(Debug, Clone, Copy)]
struct Moved {
    credentials: bool,
    base: bool,
}

/// Whether secrets stand for the same account, wherever they are kept.
fn is_same_account(old: &SecretMarks, new: &SecretMarks) -> bool {
    account_of(old).is_some() && account_of(old) == account_of(new)
}

impl State {
    /// A changed credential or address makes what was observed of the old one untrue.
    pub(super) fn forget_observed(
        &mut self,
        target: u32,
        secrets: &SecretMarks,
        receivers: &[u32],
        new: &TargetSpec,
    ) {
        let configuration = &self.configuration;
        let Some(old) = configuration.targets.get(&target) else {
            return;
        };
        let (spec, own) = (&old.entity.spec, &old.entity.secrets);
        let moved = Moved {
            credentials: match spec.bot == new.bot {
                true => own != secrets,
                // The same credentials may stand with a bot now, or with another one.
                false => !is_same_account(
                    configuration.marks_of(spec, own),
                    configuration.marks_of(new, secrets),
                ),
            },
            base: configuration.api_base_of(spec) != configuration.api_base_of(new),
        };
        if moved.credentials {
            self.forget_account(target);
        }
        self.forget_reached(target, receivers, moved);
    }

    /// A bot is about to be configured anew: what was observed as another one is untrue, also of its
    /// targets.
    pub(super) fn forget_heard(&mut self, bot: u32, secrets: &SecretMarks, new: &BotSpec) {
        let Some(old) = self.configuration.bots.get(&bot) else {
            return;
        };
        let moved = Moved {
            credentials: !is_same_account(&old.secrets, secrets),
            base: old.spec.api_base != new.api_base,
        };
        if !moved.credentials && !moved.base {
            return;
        }
        self.bots.forget(bot);
        let left = account_of(&old.secrets);
        let targets: Vec<(u32, Vec<u32>)> = self
            .configuration
            .targets_of(&old.spec.name)
            .map(|(id, target)| (id, target.receivers.clone()))
            .collect();
        if let Some(left) = left.filter(|_| moved.credentials) {
            self.leave_account(left, |id| targets.iter().any(|(of, _)| *of == id));
        }
        for (target, receivers) in targets {
            self.forget_reached(target, &receivers, moved);
        }
    }

    /// What was observed of the receivers a target had, of which these are left.
    fn forget_reached(&mut self, target: u32, receivers: &[u32], moved: Moved) {
        let Moved {
            credentials: credentials_changed,
            base: base_changed,
        } = moved;
        let old = self.configuration.targets.get(&target);
        let old_receivers = old.map_or_else(Vec::new, |old| old.receivers.clone());
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
            EntityKind::Bot => self.bots.forget(id),
        }
    }
}
