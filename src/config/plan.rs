//! What would change: the files compared with what exists.
//!
//! **Invariant:** a plan leaves no reference open. Whoever applies it whole finds every provider,
//! target and template that something refers to, and every secret that is needed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::breadth::too_broad;
use super::difference::{FieldChange, differences};
use super::names::{broadcast_members, reached};
use super::policy::{falls_back_on_itself, shared_target};
use super::secrets::{Secret, SecretField, SecretText};
use super::shapes::BROADCAST;
use super::target::implied_receiver;
use super::wording::{plain, shown};
use super::{Document, Draft, Problem, SPACE_DEFAULT, in_order};
use crate::bots;
use crate::domain::spec::{EntityKind, EntitySpec, Reference, Settings};

/// An entity as it is configured now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    pub spec: EntitySpec,
    /// Fingerprints of the secrets that are set, by field.
    pub secrets: BTreeMap<String, [u8; 16]>,
    /// The file that manages it.
    pub managed_by: Option<String>,
}

/// Everything that is configured in one space now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    pub space: String,
    pub settings: Settings,
    pub entities: BTreeMap<(EntityKind, String), Existing>,
}

impl Default for Present {
    /// A new space, `home`.
    fn default() -> Self {
        Present {
            space: SPACE_DEFAULT.into(),
            settings: Settings::default(),
            entities: BTreeMap::new(),
        }
    }
}

/// Keyed hash of a secret's value, by the entity's kind and name and the field.
pub type Fingerprint<'a> = &'a dyn Fn(EntityKind, &str, &str, &[u8]) -> [u8; 16];

/// What happens to one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStep {
    /// There was none.
    Set,
    /// Another value takes the place of the one there is.
    Change,
    /// The kind no longer has it, or a rotation is over.
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChange {
    pub field: String,
    pub step: SecretStep,
}

impl fmt::Display for SecretChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            SecretStep::Set => "secret set",
            SecretStep::Change => "secret changed",
            SecretStep::Remove => "secret removed",
        };
        write!(f, "{}: {what}", plain(&self.field))
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Settings {
        after: Settings,
        fields: Vec<FieldChange>,
    },
    Add {
        spec: EntitySpec,
        /// Every secret that the file gives, by field.
        given: BTreeMap<String, Secret>,
        managed_by: String,
    },
    Change {
        spec: EntitySpec,
        fields: Vec<FieldChange>,
        secrets: Vec<SecretChange>,
        /// Every secret that the file gives, changed or not, by field.
        given: BTreeMap<String, Secret>,
        managed_by: String,
    },
    Remove {
        kind: EntityKind,
        name: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Settings { fields, .. } => {
                write!(f, "~ settings: {}", joined(fields, &[]))
            }
            Change::Add { spec, .. } => {
                write!(f, "+ {} {}", spec.kind().as_str(), plain(spec.name()))
            }
            Change::Change {
                spec,
                fields,
                secrets,
                ..
            } => {
                let (kind, name) = (spec.kind().as_str(), plain(spec.name()));
                write!(f, "~ {kind} {name}: {}", joined(fields, secrets))
            }
            Change::Remove { kind, name } => write!(f, "- {} {}", kind.as_str(), plain(name)),
        }
    }
}

fn joined(fields: &[FieldChange], secrets: &[SecretChange]) -> String {
    let fields = fields.iter().map(ToString::to_string);
    let all: Vec<String> = fields
        .chain(secrets.iter().map(ToString::to_string))
        .collect();
    all.join("; ")
}

/// What has to be done, in an order in which nothing refers to what is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
    /// Entities that stay as they are but are not yet marked as managed by the file that names
    /// them, with that file. They make no plan by themselves.
    pub adopted: Vec<(EntityKind, String, String)>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes
            .iter()
            .try_for_each(|change| writeln!(f, "{change}"))
    }
}

/// Compares a resolved document with what exists in its space.
///
/// With `prune`, entities that one of the document's files manages and that it no longer names are
/// removed. A secret that is needed, not given and not set is a problem; so is a reference that the
/// plan would leave open, whoever made it.
pub fn plan(
    document: &Document,
    present: &Present,
    fingerprint: Fingerprint<'_>,
    prune: bool,
) -> Result<Plan, Vec<Problem>> {
    if document.space != present.space {
        return Err(vec![Problem {
            file: document.files.first().cloned().unwrap_or_default(),
            line: 1,
            column: 1,
            field: "settings.space".into(),
            message: format!(
                "the files are for the space {}, not for {}; apply them there",
                shown(&document.space),
                shown(&present.space)
            ),
        }]);
    }
    let mut problems = Vec::new();
    let mut plan = Plan::default();
    if let Some(after) = &document.settings
        && *after != present.settings
    {
        plan.changes.push(Change::Settings {
            after: after.clone(),
            fields: differences(&present.settings, after),
        });
    }
    let mut drafts: Vec<&Draft> = document.entities.iter().collect();
    drafts.sort_by_key(|draft| (rank(&draft.spec), draft.spec.name()));
    for draft in &drafts {
        let key = (draft.spec.kind(), draft.spec.name().to_owned());
        let existing = present.entities.get(&key);
        let given = given_secrets(draft, &mut problems);
        let secrets = secret_changes(draft, &given, existing, fingerprint, &mut problems);
        let managed_by = draft.file.clone();
        let fields = existing.map(|existing| {
            differences(
                with_implied(&existing.spec).as_ref(),
                with_implied(&draft.spec).as_ref(),
            )
        });
        match (existing, fields) {
            (None, _) | (Some(_), None) => plan.changes.push(Change::Add {
                spec: draft.spec.clone(),
                given,
                managed_by,
            }),
            (Some(_), Some(fields)) if !fields.is_empty() || !secrets.is_empty() => {
                plan.changes.push(Change::Change {
                    spec: draft.spec.clone(),
                    fields,
                    secrets,
                    given,
                    managed_by,
                });
            }
            (Some(existing), Some(_)) if existing.managed_by.as_ref() != Some(&managed_by) => {
                plan.adopted.push((key.0, key.1, managed_by));
            }
            (Some(_), Some(_)) => {}
        }
    }
    let named: BTreeSet<(EntityKind, &str)> = drafts
        .iter()
        .map(|draft| (draft.spec.kind(), draft.spec.name()))
        .collect();
    let mut removed: Vec<&Existing> = present
        .entities
        .values()
        .filter(|existing| {
            let managed = existing.managed_by.as_ref();
            prune
                && managed.is_some_and(|file| document.files.contains(file))
                && !named.contains(&(existing.spec.kind(), existing.spec.name()))
        })
        .collect();
    removed.sort_by_key(|existing| std::cmp::Reverse(rank(&existing.spec)));
    plan.changes
        .extend(removed.iter().map(|existing| Change::Remove {
            kind: existing.spec.kind(),
            name: existing.spec.name().to_owned(),
        }));
    let gone: BTreeSet<(EntityKind, &str)> = removed
        .iter()
        .map(|existing| (existing.spec.kind(), existing.spec.name()))
        .collect();
    check_references(document, &drafts, present, &gone, &mut problems);
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(in_order(problems, &document.files))
    }
}

/// The spec with what it means but need not say: a target that lists no receiver has `default`.
fn with_implied(spec: &EntitySpec) -> Cow<'_, EntitySpec> {
    match spec {
        EntitySpec::Target(target) if target.receivers.is_empty() && target.kind != BROADCAST => {
            let mut target = target.clone();
            target.receivers.push(implied_receiver());
            Cow::Owned(EntitySpec::Target(target))
        }
        EntitySpec::Target(_)
        | EntitySpec::Provider(_)
        | EntitySpec::Tracker(_)
        | EntitySpec::Template(_)
        | EntitySpec::Bot(_) => Cow::Borrowed(spec),
    }
}

/// What is referred to comes before what refers.
fn rank(spec: &EntitySpec) -> u8 {
    match spec {
        EntitySpec::Provider(_) => 0,
        EntitySpec::Template(_) | EntitySpec::Bot(_) => 1,
        EntitySpec::Target(target) if target.kind != BROADCAST => 2,
        EntitySpec::Target(_) => 3,
        EntitySpec::Tracker(_) => 4,
    }
}

/// What the file gives; a secret that is still a reference is a problem.
fn given_secrets(draft: &Draft, problems: &mut Vec<Problem>) -> BTreeMap<String, Secret> {
    let mut given = BTreeMap::new();
    for (field, text) in &draft.secrets {
        match text {
            SecretText::Inline(secret) => {
                given.insert(field.clone(), secret.clone());
            }
            SecretText::Env(_) | SecretText::File(_) | SecretText::Table(_) => {
                problems.push(draft.secret_problem(
                    field,
                    "is still a reference; it has to be resolved before a plan is made".into(),
                ));
            }
        }
    }
    given
}

fn secret_changes(
    draft: &Draft,
    given: &BTreeMap<String, Secret>,
    existing: Option<&Existing>,
    fingerprint: Fingerprint<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<SecretChange> {
    let mut changes = Vec::new();
    let mut change = |field: &str, step| {
        changes.push(SecretChange {
            field: field.to_owned(),
            step,
        });
    };
    let (kind, name) = (draft.spec.kind(), draft.spec.name());
    for SecretField {
        name: field,
        required,
        form: _,
    } in &draft.secret_fields
    {
        let set = existing.and_then(|existing| existing.secrets.get(*field));
        match (given.get(*field), set) {
            (Some(_), None) => change(field, SecretStep::Set),
            (Some(secret), Some(old)) => {
                let new = fingerprint(kind, name, field, secret.expose().as_bytes());
                if *old != new {
                    change(field, SecretStep::Change);
                }
            }
            (None, None) if *required && !draft.secrets.contains_key(*field) => {
                let or_bot = match &draft.spec {
                    EntitySpec::Target(target) if bots::KINDS.contains(&&*target.kind) => {
                        ", or name a `bot`"
                    }
                    EntitySpec::Target(_)
                    | EntitySpec::Provider(_)
                    | EntitySpec::Tracker(_)
                    | EntitySpec::Template(_)
                    | EntitySpec::Bot(_) => "",
                };
                problems.push(draft.problem(
                    &format!(".{field}"),
                    format!("is missing and not set yet; give text, {{ env = \"…\" }} or {{ file = \"…\" }}{or_bot}"),
                ));
            }
            (None, Some(_)) if ends_rotation(draft, field) => change(field, SecretStep::Remove),
            (None, Some(_) | None) => {}
        }
    }
    for field in existing.into_iter().flat_map(|e| e.secrets.keys()) {
        if !draft.secret_fields.iter().any(|had| had.name == *field) {
            change(field, SecretStep::Remove);
        }
    }
    changes
}

/// A list of secrets is given whole: `secret` without a second one takes the second away.
fn ends_rotation(draft: &Draft, field: &str) -> bool {
    field
        .strip_suffix(".2")
        .is_some_and(|first| draft.secrets.contains_key(first))
}

/// Looks at everything as it would be afterwards.
fn check_references(
    document: &Document,
    drafts: &[&Draft],
    present: &Present,
    gone: &BTreeSet<(EntityKind, &str)>,
    problems: &mut Vec<Problem>,
) {
    let mut after: After<'_> = present
        .entities
        .values()
        .map(|existing| (existing.spec.kind(), existing.spec.name(), &existing.spec))
        .filter(|(kind, name, _)| !gone.contains(&(*kind, *name)))
        .map(|(kind, name, spec)| ((kind, name), (spec, None)))
        .collect();
    for draft in drafts {
        let key = (draft.spec.kind(), draft.spec.name());
        after.insert(key, (&draft.spec, Some(draft)));
    }
    let mut tell = |spec: &EntitySpec, draft: &Option<&Draft>, field: &str, message: String| {
        problems.push(match draft {
            Some(draft) => draft.problem(&format!(".{field}"), message),
            None => Problem {
                file: document.files.first().cloned().unwrap_or_default(),
                line: 1,
                column: 1,
                field: format!("{} \"{}\".{field}", spec.kind().as_str(), spec.name()),
                message,
            },
        });
    };
    for (spec, draft) in after.values() {
        for Reference { field, kind, name } in spec.references() {
            let found = after.get(&(kind, name)).map(|(spec, _)| *spec);
            let broadcasts =
                |spec: &EntitySpec| matches!(spec, EntitySpec::Target(t) if t.kind == BROADCAST);
            let message = match found {
                None if gone.contains(&(kind, name)) => format!(
                    "uses the {} {}, which would be removed; keep it in the files, or change this first",
                    kind.as_str(),
                    shown(name)
                ),
                None => format!(
                    "uses the {} {}, which does not exist",
                    kind.as_str(),
                    shown(name)
                ),
                Some(found) if broadcasts(spec) && broadcasts(found) => format!(
                    "would hold {}, which is itself a broadcast; name its targets instead",
                    shown(name)
                ),
                Some(_) => continue,
            };
            tell(spec, draft, &field, message);
        }
        for (field, message) in circular_fallbacks(spec, &after) {
            tell(spec, draft, &field, message);
        }
        let target = |name: &str| {
            after
                .get(&(EntityKind::Target, name))
                .map(|(spec, _)| *spec)
        };
        if let Some((field, message)) = too_broad(spec, target, present) {
            tell(spec, draft, &field, message);
        }
    }
}

type After<'a> = BTreeMap<(EntityKind, &'a str), (&'a EntitySpec, Option<&'a Draft>)>;

/// Links whose fallback leads to a target that the link is for already.
fn circular_fallbacks(spec: &EntitySpec, after: &After<'_>) -> Vec<(String, String)> {
    let EntitySpec::Tracker(tracker) = spec else {
        return Vec::new();
    };
    let reached_by = |name: &str| -> BTreeSet<String> {
        let target = after.get(&(EntityKind::Target, name));
        let members = target.map_or(&[][..], |(spec, _)| broadcast_members(spec));
        reached(name, members).map(str::to_owned).collect()
    };
    let mut found = Vec::new();
    for (i, link) in tracker.links.iter().enumerate() {
        let Some(fallback) = &link.fallback else {
            continue;
        };
        let (own, other) = (reached_by(&link.target), reached_by(fallback));
        if let Some(shared) = shared_target(&own, &other) {
            let message = falls_back_on_itself(fallback, &link.target, shared);
            found.push((format!("links[{i}].fallback"), message));
        }
    }
    found
}
