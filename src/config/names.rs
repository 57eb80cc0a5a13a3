//! Which entities there are, gathered before any is read whole, so that a reference is checked
//! where it stands; and the reading of a file's entities one after another.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::later::{self, Later};
use super::reader::{Field, Page, Reader};
use super::secrets::{SecretField, Secrets};
use super::shapes::{BROADCAST, Checks, ProviderShape, TargetShape};
use super::wording::{listed, shown, suggestion};
use super::{
    BROADCAST_TARGETS_MAX, Draft, ENTITIES_MAX, ENTITY_BYTES_MAX, LINE_BYTES_MAX, bot, provider,
    target, template, tracker,
};
use crate::domain::spec::{BRIDGE, EntityKind, EntitySpec};

/// An entity that a file names.
struct Named {
    page: usize,
    at: usize,
    file: String,
    line: u32,
    /// The kind of a provider, target or bot; empty for others.
    kind: String,
    /// The targets of a broadcast.
    members: Vec<String>,
}

/// Every entity of the files and of what is present, by kind and name.
pub(super) struct Names<'a> {
    pub checks: &'a Checks<'a>,
    named: BTreeMap<(EntityKind, String), Named>,
    notice_kinds: BTreeSet<&'static str>,
    /// False when a file could not be parsed: what is missing may stand there.
    complete: bool,
    too_many: bool,
}

/// One entity as it was read, before its file and line are added.
pub(super) struct Parts {
    pub spec: EntitySpec,
    pub secrets: Secrets,
    pub secret_fields: Vec<SecretField>,
}

impl<'a> Names<'a> {
    pub fn gather(
        pages: &[Page<'_>],
        tables: &[Option<DeTable<'_>>],
        checks: &'a Checks<'a>,
    ) -> Self {
        let kinds = checks.provider_kinds.iter().copied();
        let mut names = Names {
            checks,
            named: BTreeMap::new(),
            notice_kinds: kinds
                .filter_map(checks.provider)
                .chain([ProviderShape::bridge()])
                .flat_map(|shape| shape.notice_kinds)
                .collect(),
            complete: tables.iter().all(Option::is_some),
            too_many: false,
        };
        let mut count = 0;
        for (i, (page, table)) in pages.iter().zip(tables).enumerate() {
            let Some(table) = table else { continue };
            for kind in EntityKind::ALL {
                let entries = table.get(kind.as_str());
                let Some(entries) = entries.and_then(|field| field.get_ref().as_array()) else {
                    continue;
                };
                count += entries.len();
                for entry in entries.iter().filter(|_| count <= ENTITIES_MAX) {
                    names.note(i, page, kind, entry.span().start, entry.get_ref());
                }
                if count > ENTITIES_MAX && !names.too_many {
                    names.too_many = true;
                    page.problem(
                        0,
                        "",
                        format!("brings more than {ENTITIES_MAX} entities; apply fewer at once"),
                    );
                }
            }
        }
        names
    }

    fn note(
        &mut self,
        page_number: usize,
        page: &Page<'_>,
        kind: EntityKind,
        at: usize,
        entry: &DeValue<'_>,
    ) {
        let text = |key| entry.get(key).and_then(|value| value.get_ref().as_str());
        let Some(name) = text("name").filter(|name| name.len() <= LINE_BYTES_MAX) else {
            return;
        };
        self.named
            .entry((kind, name.to_owned()))
            .or_insert_with(|| Named {
                page: page_number,
                at,
                file: page.file.to_owned(),
                line: page.place(at).0,
                kind: match kind {
                    EntityKind::Provider | EntityKind::Target | EntityKind::Bot => {
                        text("kind").unwrap_or_default().to_owned()
                    }
                    EntityKind::Tracker | EntityKind::Template => String::new(),
                },
                members: match entry.get("targets").map(|targets| targets.get_ref()) {
                    Some(DeValue::Array(members)) => members
                        .iter()
                        .take(BROADCAST_TARGETS_MAX)
                        .filter_map(|member| member.get_ref().as_str())
                        .map(str::to_owned)
                        .collect(),
                    Some(_) | None => Vec::new(),
                },
            });
    }

    pub fn too_many(&self) -> bool {
        self.too_many
    }

    /// The kind of a provider, target or bot (empty for others) when the entity exists: the files' word
    /// counts before what is present.
    pub fn kind_of(&self, kind: EntityKind, name: &str) -> Option<&str> {
        let key = (kind, name.to_owned());
        if let Some(named) = self.named.get(&key) {
            return Some(&named.kind);
        }
        if (kind, name) == (EntityKind::Provider, BRIDGE) {
            return Some(BRIDGE);
        }
        let existing = self.checks.present.entities.get(&key)?;
        Some(match &existing.spec {
            EntitySpec::Provider(spec) => &spec.kind,
            EntitySpec::Target(spec) => &spec.kind,
            EntitySpec::Bot(spec) => &spec.kind,
            EntitySpec::Tracker(_) | EntitySpec::Template(_) => "",
        })
    }

    /// Checks that a field refers to something that exists.
    pub fn refer(&self, field: &Field<'_>, kind: EntityKind, name: &str) {
        if !self.complete || field.page.full() || self.kind_of(kind, name).is_some() {
            return;
        }
        let present = self.checks.present.entities.keys();
        let known = self
            .named
            .keys()
            .chain(present)
            .filter(|(of, _)| *of == kind)
            .map(|(_, name)| name.as_str())
            .chain((kind == EntityKind::Provider).then_some(BRIDGE));
        let word = kind.as_str();
        field.problem(format!(
            "there is no {word} {}{}",
            shown(name),
            match suggestion(name, known) {
                near if near.is_empty() => format!("; add a [[{word}]] of that name"),
                near => near,
            }
        ));
    }

    /// The name of an entity, which no other of its kind may have.
    fn name(&self, page_number: usize, reader: &Reader<'_>, at: usize, kind: EntityKind) -> String {
        let Some(field) = reader.need("name") else {
            return String::new();
        };
        let Some(name) = field.slug() else {
            return String::new();
        };
        if (kind, name.as_str()) == (EntityKind::Provider, BRIDGE) {
            field.problem(
                "is the name of the bridge itself, under which it tells how it is doing; choose another",
            );
        }
        if let Some(first) = self.named.get(&(kind, name.clone()))
            && (first.page, first.at) != (page_number, at)
        {
            field.problem(format!(
                "the {} {} is already at {}:{}; rename or remove one",
                kind.as_str(),
                shown(&name),
                first.file,
                first.line
            ));
        }
        name
    }

    /// The targets that messages to this one are for in the end: a broadcast's own, else itself.
    pub fn reached_by(&self, target: &str) -> BTreeSet<String> {
        let key = (EntityKind::Target, target.to_owned());
        let members = match (self.named.get(&key), self.checks.present.entities.get(&key)) {
            (Some(named), _) if named.kind == BROADCAST => &named.members[..],
            (None, Some(existing)) => broadcast_members(&existing.spec),
            (Some(_), _) | (None, None) => &[],
        };
        reached(target, members).map(str::to_owned).collect()
    }

    /// The kind of a provider that is being configured.
    pub fn provider_shape(&self, field: &Field<'_>, kind: &str) -> Option<ProviderShape> {
        if kind == BRIDGE {
            field.problem(
                "is the kind of the bridge itself, which is always there; a tracker may watch it with `provider = \"bridge\"`",
            );
            return None;
        }
        let shape = (self.checks.provider)(kind);
        if shape.is_none() {
            let known = self.checks.provider_kinds;
            unknown_kind(field, "provider", kind, known, later::PROVIDER_KINDS);
        }
        shape
    }

    /// The shape of a provider that something refers to, by its kind.
    pub fn shape_of_provider(&self, kind: &str) -> Option<ProviderShape> {
        match kind {
            BRIDGE => Some(ProviderShape::bridge()),
            other => (self.checks.provider)(other),
        }
    }

    pub fn target_shape(&self, field: &Field<'_>, kind: &str) -> Option<TargetShape> {
        let shape = self.shape_of_target(kind);
        if shape.is_none() {
            let mut known = self.checks.target_kinds.to_vec();
            known.push(BROADCAST);
            unknown_kind(field, "target", kind, &known, later::TARGET_KINDS);
        }
        shape
    }

    pub fn shape_of_target(&self, kind: &str) -> Option<TargetShape> {
        match kind {
            BROADCAST => Some(TargetShape::broadcast()),
            other => (self.checks.target)(other),
        }
    }

    /// Every target kind with its shape, to say whose an option is.
    pub fn target_shapes(&self) -> impl Iterator<Item = (&'static str, TargetShape)> {
        let kinds = self.checks.target_kinds.iter().copied();
        kinds
            .chain([BROADCAST])
            .filter_map(|kind| Some((kind, self.shape_of_target(kind)?)))
    }

    /// Every notice kind that any provider kind has.
    pub fn notice_kinds(&self) -> &BTreeSet<&'static str> {
        &self.notice_kinds
    }
}

/// The targets that a broadcast holds; none of anything else.
pub(super) fn broadcast_members(spec: &EntitySpec) -> &[String] {
    match spec {
        EntitySpec::Target(target) if target.kind == BROADCAST => &target.targets,
        EntitySpec::Target(_)
        | EntitySpec::Provider(_)
        | EntitySpec::Tracker(_)
        | EntitySpec::Template(_)
        | EntitySpec::Bot(_) => &[],
    }
}

/// The members of a broadcast, or the one target.
pub(super) fn reached<'n>(target: &'n str, members: &'n [String]) -> impl Iterator<Item = &'n str> {
    let alone = members.is_empty().then_some(target);
    members.iter().map(String::as_str).chain(alone)
}

fn unknown_kind(field: &Field<'_>, of: &str, kind: &str, known: &[&str], later: &[&str]) {
    if later.contains(&kind) {
        field.problem(format!(
            "this version does not have the {of} kind {} yet",
            shown(kind)
        ));
        return;
    }
    let near = suggestion(kind, known.iter().copied());
    if near.is_empty() {
        field.problem(format!(
            "{} is no {of} kind; known: {}",
            shown(kind),
            listed(known.iter().copied())
        ));
    } else {
        field.problem(format!("{} is no {of} kind{near}", shown(kind)));
    }
}

/// Reads every entity of a file into `drafts`, and says of every other key that it is not known.
pub(super) fn entities_of(
    page_number: usize,
    page: &Page<'_>,
    table: &DeTable<'_>,
    names: &Names<'_>,
    drafts: &mut Vec<Draft>,
) {
    let root = Reader::root(page, table);
    root.take("settings");
    for kind in EntityKind::ALL {
        let Some(entries) = root.take(kind.as_str()) else {
            continue;
        };
        if entries.is_table() {
            let word = kind.as_str();
            entries.problem(format!(
                "is one table, but there may be many: write [[{word}]] in double brackets"
            ));
            continue;
        }
        for mut entry in entries.list(ENTITIES_MAX).unwrap_or_default() {
            let Some(mut reader) = entry.table() else {
                continue;
            };
            if let Some(name) = reader.peek("name").and_then(|name| name.as_text()) {
                entry.path = format!("{} \"{}\"", entry.path, shown(name).trim_matches('`'));
                reader.path.clone_from(&entry.path);
            }
            let name = names.name(page_number, &reader, entry.at, kind);
            let parts = match kind {
                EntityKind::Provider => provider::read(reader, name, names),
                EntityKind::Target => target::read(reader, name, names),
                EntityKind::Tracker => tracker::read(reader, name, names),
                EntityKind::Template => template::read(reader, name, names),
                EntityKind::Bot => bot::read(reader, name),
            };
            check_size(&entry, &parts.spec);
            let place = entry.place();
            drafts.push(Draft {
                spec: parts.spec,
                secrets: parts.secrets.texts,
                secret_fields: parts.secret_fields,
                places: parts.secrets.places,
                file: page.file.to_owned(),
                line: place.line,
                field: place.field,
            });
        }
    }
    root.finish(Later::File, |_| None);
}

/// An entity has to fit the one event that will carry it.
fn check_size(entry: &Field<'_>, spec: &EntitySpec) {
    let bytes = serde_json::to_vec(spec).map_or(usize::MAX, |json| json.len());
    if bytes > ENTITY_BYTES_MAX {
        entry.problem(format!(
            "is too large: {bytes} bytes as JSON, over the limit of {ENTITY_BYTES_MAX}; split it"
        ));
    }
}
