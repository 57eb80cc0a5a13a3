//! What is configured: entities by kind and name, and what routing looks up.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::memo::Memo;
use crate::domain::routing::CompiledTracker;
use crate::domain::spec::{
    BRIDGE, BRIDGE_PROVIDER, BotSpec, EntityKind, EntitySpec, ProviderSpec, ReceiverSpec,
    Reference, SecretMark, SecretMarks, Settings, TargetSpec, TemplateSpec, TrackerSpec,
};
use crate::templates::Words;

/// What every entity has beside its spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize", deserialize = "S: DeserializeOwned"))]
pub struct Entity<S> {
    pub id: u32,
    /// Position of the event that put it as it is now: its revision.
    pub revision: u64,
    #[serde(with = "json_text")]
    pub spec: S,
    pub secrets: SecretMarks,
    pub managed_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    pub entity: Entity<TrackerSpec>,
    /// Id of its provider.
    pub provider: u32,
    #[serde(skip)]
    pub compiled: Memo<CompiledTracker>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub entity: Entity<TargetSpec>,
    /// Ids of its receivers, in the order of the spec; one for kinds that have exactly one.
    pub receivers: Vec<u32>,
}

impl Target {
    /// The configured receivers with their ids; a kind without any has `default`.
    pub fn receiver(&self, id: u32) -> Option<ReceiverSpec> {
        self.receiver_spec(id)
            .map(|spec| spec.cloned().unwrap_or_else(default_receiver))
    }

    /// The options of a receiver as they stand in the file; `Some(None)` for the one receiver of a
    /// kind that has none to configure, `None` for a receiver that is not this target's.
    pub fn receiver_spec(&self, id: u32) -> Option<Option<&ReceiverSpec>> {
        let index = self.receivers.iter().position(|known| *known == id)?;
        Some(self.entity.spec.receivers.get(index))
    }

    pub fn receiver_name(&self, id: u32) -> Option<&str> {
        self.receiver_spec(id)
            .map(|spec| spec.map_or("default", |receiver| receiver.name.as_str()))
    }

    /// Whether this receiver may be sent to, as it is configured.
    pub fn sends_to(&self, id: u32) -> bool {
        self.entity.spec.enabled
            && self
                .receiver_spec(id)
                .is_some_and(|spec| spec.is_none_or(|receiver| receiver.enabled))
    }
}

/// How the calls of a target are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calling {
    /// The target, with what its bot says in its place.
    pub spec: TargetSpec,
    /// Whose secrets they are made with.
    pub holder: (EntityKind, u32),
    /// The holder's revision.
    pub revision: u64,
    pub marks: SecretMarks,
}

/// The one receiver of a kind that has no receivers.
pub fn default_receiver() -> ReceiverSpec {
    ReceiverSpec {
        name: "default".into(),
        enabled: true,
        ..ReceiverSpec::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub entity: Entity<TemplateSpec>,
    #[serde(skip)]
    pub words: Memo<Option<Words>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// Position of the newest change.
    pub revision: u64,
    #[serde(with = "json_text")]
    pub settings: Settings,
    /// The settings' zone.
    #[serde(skip)]
    zone: Memo<TimeZone>,
    pub providers: BTreeMap<u32, Entity<ProviderSpec>>,
    pub targets: BTreeMap<u32, Target>,
    pub trackers: BTreeMap<u32, Tracker>,
    pub templates: BTreeMap<u32, Template>,
    pub bots: BTreeMap<u32, Entity<BotSpec>>,
    /// Names to ids, per kind.
    pub names: BTreeMap<(EntityKind, String), u32>,
    /// Trackers of a provider, in the order of their ids.
    pub by_provider: BTreeMap<u32, Vec<u32>>,
    /// The target of a receiver.
    pub receivers: BTreeMap<u32, u32>,
    /// Digest with which a file was last applied.
    pub files: BTreeMap<String, [u8; 32]>,
    /// Ids up to here have been given away.
    pub last_id: u32,
}

impl Configuration {
    pub fn set_settings(&mut self, position: u64, settings: Settings) {
        self.revision = position;
        self.settings = settings;
        self.zone = Memo::default();
    }

    /// The zone in which civil days are counted; UTC when the configured one is not known here.
    pub fn zone(&self) -> &TimeZone {
        self.zone
            .get(|| TimeZone::get(&self.settings.timezone).unwrap_or(TimeZone::UTC))
    }

    pub fn id(&self, kind: EntityKind, name: &str) -> Option<u32> {
        self.names.get(&(kind, name.to_owned())).copied()
    }

    pub fn provider(&self, name: &str) -> Option<&Entity<ProviderSpec>> {
        self.providers.get(&self.id(EntityKind::Provider, name)?)
    }

    /// The id of the provider that a tracker watches: the bridge itself has one too.
    fn provider_id(&self, name: &str) -> u32 {
        let bridge = (name == BRIDGE).then_some(BRIDGE_PROVIDER);
        self.id(EntityKind::Provider, name).or(bridge).unwrap_or(0)
    }

    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.get(&self.id(EntityKind::Target, name)?)
    }

    pub fn tracker(&self, name: &str) -> Option<&Tracker> {
        self.trackers.get(&self.id(EntityKind::Tracker, name)?)
    }

    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(&self.id(EntityKind::Template, name)?)
    }

    pub fn bot(&self, name: &str) -> Option<&Entity<BotSpec>> {
        self.bots.get(&self.id(EntityKind::Bot, name)?)
    }

    /// The bot that calls of such a target are made as.
    pub fn bot_of(&self, spec: &TargetSpec) -> Option<&Entity<BotSpec>> {
        self.bot(spec.bot.as_deref()?)
    }

    /// The targets that a bot stands for.
    pub fn targets_of<'c>(&'c self, bot: &'c str) -> impl Iterator<Item = (u32, &'c Target)> {
        let targets = self.targets.iter();
        targets
            .filter(move |(_, target)| target.entity.spec.bot.as_deref() == Some(bot))
            .map(|(id, target)| (*id, target))
    }

    /// The secrets that calls of a target are made with, which are its bot's where it has one.
    pub fn marks_of<'c>(&'c self, spec: &TargetSpec, own: &'c SecretMarks) -> &'c SecretMarks {
        self.bot_of(spec).map_or(own, |bot| &bot.secrets)
    }

    /// Where the service of a target is, as far as it is configured.
    pub fn api_base_of<'c>(&'c self, spec: &'c TargetSpec) -> Option<&'c str> {
        match self.bot_of(spec) {
            Some(bot) => bot.spec.api_base.as_deref(),
            None => spec.api_base.as_deref(),
        }
    }

    /// How a target is called: with whose secrets, and as what.
    pub fn calling(&self, target: &Target) -> Calling {
        let entity = &target.entity;
        let mut spec = entity.spec.clone();
        let Some(bot) = self.bot_of(&entity.spec) else {
            return Calling {
                spec,
                holder: (EntityKind::Target, entity.id),
                revision: entity.revision,
                marks: entity.secrets.clone(),
            };
        };
        spec.api_base.clone_from(&bot.spec.api_base);
        spec.allow_private |= bot.spec.allow_private;
        Calling {
            spec,
            holder: (EntityKind::Bot, bot.id),
            revision: bot.revision,
            marks: bot.secrets.clone(),
        }
    }

    /// The spec of any entity, for lists and plans.
    pub fn spec(
        &self,
        kind: EntityKind,
        id: u32,
    ) -> Option<(EntitySpec, &SecretMarks, Option<&str>)> {
        fn of<S: Clone>(
            entity: &Entity<S>,
            wrap: impl Fn(S) -> EntitySpec,
        ) -> (EntitySpec, &SecretMarks, Option<&str>) {
            (
                wrap(entity.spec.clone()),
                &entity.secrets,
                entity.managed_by.as_deref(),
            )
        }
        match kind {
            EntityKind::Provider => self
                .providers
                .get(&id)
                .map(|entity| of(entity, EntitySpec::Provider)),
            EntityKind::Target => self
                .targets
                .get(&id)
                .map(|target| of(&target.entity, EntitySpec::Target)),
            EntityKind::Tracker => self
                .trackers
                .get(&id)
                .map(|tracker| of(&tracker.entity, EntitySpec::Tracker)),
            EntityKind::Template => self
                .templates
                .get(&id)
                .map(|template| of(&template.entity, EntitySpec::Template)),
            EntityKind::Bot => self.bots.get(&id).map(|bot| of(bot, EntitySpec::Bot)),
        }
    }

    pub fn secrets(&self, kind: EntityKind, id: u32) -> Option<&SecretMarks> {
        match kind {
            EntityKind::Provider => self.providers.get(&id).map(|entity| &entity.secrets),
            EntityKind::Target => self.targets.get(&id).map(|target| &target.entity.secrets),
            EntityKind::Tracker => self
                .trackers
                .get(&id)
                .map(|tracker| &tracker.entity.secrets),
            EntityKind::Template => self
                .templates
                .get(&id)
                .map(|template| &template.entity.secrets),
            EntityKind::Bot => self.bots.get(&id).map(|bot| &bot.secrets),
        }
    }

    /// The secrets of every entity: its id, the name of the field, and its mark.
    pub fn all_secrets(&self) -> impl Iterator<Item = (u32, &str, &SecretMark)> {
        self.names.iter().flat_map(|((kind, _), id)| {
            let marks = self.secrets(*kind, *id).into_iter().flatten();
            marks.map(|(field, mark)| (*id, field.as_str(), mark))
        })
    }

    /// Whose secret lies under this key of the table of secrets.
    pub fn place_of_secret(&self, position: u64, slot: u16) -> Option<(u32, &str)> {
        self.all_secrets()
            .find(|(_, _, mark)| mark.position == position && mark.slot == slot)
            .map(|(id, field, _)| (id, field))
    }

    /// Who refers to this entity, in words.
    pub fn consumers(&self, kind: EntityKind, name: &str) -> Vec<String> {
        let is_meant = |to: Reference<'_>| to.kind == kind && to.name == name;
        let mut found = Vec::new();
        for tracker in self.trackers.values() {
            let spec = &tracker.entity.spec;
            if spec.references().any(is_meant) {
                found.push(format!("tracker {}", spec.name));
            }
        }
        for target in self.targets.values() {
            let spec = &target.entity.spec;
            if spec.references().any(is_meant) {
                found.push(format!("target {}", spec.name));
            }
        }
        found
    }

    pub fn put(
        &mut self,
        position: u64,
        id: u32,
        spec: EntitySpec,
        secrets: SecretMarks,
        receivers: Vec<u32>,
        managed_by: Option<String>,
    ) {
        self.revision = position;
        self.last_id = self
            .last_id
            .max(id)
            .max(receivers.iter().copied().max().unwrap_or(0));
        let kind = spec.kind();
        if let Some((old, ..)) = self.spec(kind, id)
            && old.name() != spec.name()
        {
            self.names.remove(&(kind, old.name().to_owned()));
        }
        self.names.insert((kind, spec.name().to_owned()), id);
        match spec {
            EntitySpec::Provider(spec) => {
                self.providers.insert(
                    id,
                    Entity {
                        id,
                        revision: position,
                        spec,
                        secrets,
                        managed_by,
                    },
                );
            }
            EntitySpec::Target(spec) => {
                self.receivers.retain(|_, target| *target != id);
                self.receivers
                    .extend(receivers.iter().map(|receiver| (*receiver, id)));
                let entity = Entity {
                    id,
                    revision: position,
                    spec,
                    secrets,
                    managed_by,
                };
                self.targets.insert(id, Target { entity, receivers });
            }
            EntitySpec::Tracker(spec) => {
                self.forget_tracker(id);
                let provider = self.provider_id(&spec.provider);
                let trackers = self.by_provider.entry(provider).or_default();
                trackers.push(id);
                trackers.sort_unstable();
                let entity = Entity {
                    id,
                    revision: position,
                    spec,
                    secrets,
                    managed_by,
                };
                self.trackers.insert(
                    id,
                    Tracker {
                        entity,
                        provider,
                        compiled: Memo::default(),
                    },
                );
            }
            EntitySpec::Template(spec) => {
                let entity = Entity {
                    id,
                    revision: position,
                    spec,
                    secrets,
                    managed_by,
                };
                self.templates.insert(
                    id,
                    Template {
                        entity,
                        words: Memo::default(),
                    },
                );
            }
            EntitySpec::Bot(spec) => {
                self.bots.insert(
                    id,
                    Entity {
                        id,
                        revision: position,
                        spec,
                        secrets,
                        managed_by,
                    },
                );
            }
        }
    }

    pub fn remove(&mut self, position: u64, kind: EntityKind, id: u32, name: &str) {
        self.revision = position;
        self.names.remove(&(kind, name.to_owned()));
        match kind {
            EntityKind::Provider => {
                self.providers.remove(&id);
                self.by_provider.remove(&id);
            }
            EntityKind::Target => {
                self.targets.remove(&id);
                self.receivers.retain(|_, target| *target != id);
            }
            EntityKind::Tracker => {
                self.forget_tracker(id);
                self.trackers.remove(&id);
            }
            EntityKind::Template => {
                self.templates.remove(&id);
            }
            EntityKind::Bot => {
                self.bots.remove(&id);
            }
        }
    }

    fn forget_tracker(&mut self, id: u32) {
        if let Some(old) = self.trackers.get(&id) {
            let provider = old.provider;
            if let Some(trackers) = self.by_provider.get_mut(&provider) {
                trackers.retain(|tracker| *tracker != id);
                if trackers.is_empty() {
                    self.by_provider.remove(&provider);
                }
            }
        }
    }
}

/// A spec inside a snapshot, as in its event: JSON text. Specs leave out what has its default value,
/// which a format without field names cannot read back.
pub(crate) mod json_text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serde_json::to_string(value)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }

    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}
