//! What refers to what: the fields of a spec that name other entities.

use super::{BRIDGE, EntityKind, TargetSpec, TrackerSpec};

/// That a field names an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'s> {
    /// `links[0].target`.
    pub field: String,
    pub kind: EntityKind,
    pub name: &'s str,
}

impl<'s> Reference<'s> {
    fn new(field: String, kind: EntityKind, name: &'s str) -> Self {
        Reference { field, kind, name }
    }

    /// To a provider that is configured: the bridge itself is always there.
    fn to_provider(field: String, name: &'s str) -> Option<Self> {
        (name != BRIDGE).then(|| Reference::new(field, EntityKind::Provider, name))
    }
}

impl TargetSpec {
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let targets = self.targets.iter().enumerate();
        let targets = targets
            .map(|(i, name)| Reference::new(format!("targets[{i}]"), EntityKind::Target, name));
        let bot = self.bot.as_deref();
        let bot = bot.map(|name| Reference::new("bot".into(), EntityKind::Bot, name));
        targets.chain(bot)
    }
}

impl TrackerSpec {
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let provider = Reference::to_provider("provider".into(), &self.provider);
        let links = self.links.iter().enumerate().flat_map(|(i, link)| {
            let field = |key: &str| format!("links[{i}].{key}");
            let template = link.template.as_deref();
            let fallback = link.fallback.as_deref();
            [
                Some(Reference::new(
                    field("target"),
                    EntityKind::Target,
                    &link.target,
                )),
                template.map(|name| Reference::new(field("template"), EntityKind::Template, name)),
                fallback.map(|name| Reference::new(field("fallback"), EntityKind::Target, name)),
            ]
        });
        let inhibit = self.inhibit.iter().enumerate().map(|(i, rule)| {
            Reference::to_provider(format!("inhibit[{i}].when.provider"), &rule.when.provider)
        });
        [provider].into_iter().chain(links).chain(inhibit).flatten()
    }
}
