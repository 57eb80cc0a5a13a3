//! Applying and exporting declarative files against a store: on the way from a text to a command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ledger::{Beside, Ledger, LedgerError, Priority};
use super::vault::Vault;
use crate::config::{
    self, Change, Checks, Document, Existing, Outside, Plan, Present, Problem, Secret,
    SecretChange, SecretField, SecretStep, Source, TargetShape,
};
use crate::domain::command::{Command, Configure, Put, Refusal};
use crate::domain::spec::{EntityKind, EntitySpec, MapSpec};
use crate::domain::state::State;
use crate::{providers, targets, templates};

/// Why a file was not applied. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    #[error("{} problem{} in the file", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What applying did, or would do.
#[derive(Debug, Clone)]
pub struct Applied {
    pub plan: Plan,
    pub written: bool,
}

/// The process's environment and disk, for the process that reads the file itself.
pub struct OwnSurroundings;

impl Outside for OwnSurroundings {
    #[expect(
        clippy::disallowed_methods,
        reason = "a reference of the file names this variable"
    )]
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(Path::new(path)).map_err(|error| error.to_string())
    }
}

/// What the kinds of this program know, for the reader of files.
pub struct Kinds {
    provider_kinds: Vec<&'static str>,
    target_kinds: Vec<&'static str>,
}

impl Kinds {
    pub fn new() -> Self {
        let target_kinds = targets::KINDS.iter().map(|target| target.kind()).collect();
        Kinds {
            provider_kinds: providers::KINDS
                .iter()
                .map(|provider| provider.kind())
                .collect(),
            target_kinds,
        }
    }

    pub fn checks<'a>(&'a self, present: &'a Present) -> Checks<'a> {
        Checks {
            filter: |source| {
                templates::Filter::compile(source)
                    .map(|_| ())
                    .map_err(|fault| fault.to_string())
            },
            words: |source| templates::check_words(source).map_err(|fault| fault.to_string()),
            body: |source| templates::check_words(source).map_err(|fault| fault.to_string()),
            map: |map: &MapSpec| providers::webhook::check_map(map),
            provider_kinds: &self.provider_kinds,
            provider: |kind| providers::kind(kind).map(config::provider_shape),
            source: |spec| {
                providers::kind(&spec.kind).map_or_else(Vec::new, |kind| kind.check(spec))
            },
            options: |kind, options| {
                providers::kind(kind).map_or_else(
                    || providers::options::read(options, |_| ()).1,
                    |kind| kind.check_options(options),
                )
            },
            target_kinds: &self.target_kinds,
            target: target_shape,
            present,
        }
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Kinds::new()
    }
}

/// What is configured, as plans and exports compare with it.
pub fn present(state: &State) -> Present {
    let configuration = &state.configuration;
    let mut entities = BTreeMap::new();
    for ((kind, name), id) in &configuration.names {
        if let Some((spec, marks, managed_by)) = configuration.spec(*kind, *id) {
            let secrets = marks
                .iter()
                .map(|(field, mark)| (field.clone(), mark.fingerprint))
                .collect();
            let existing = Existing {
                spec,
                secrets,
                managed_by: managed_by.map(str::to_owned),
            };
            entities.insert((*kind, name.clone()), existing);
        }
    }
    Present {
        settings: configuration.settings.clone(),
        entities,
        ..Present::default()
    }
}

/// Reads and checks files, without a store.
pub fn check(
    sources: &[Source<'_>],
    outside: Option<&dyn Outside>,
) -> Result<Document, Vec<Problem>> {
    let kinds = Kinds::new();
    let nothing = Present::default();
    let mut document = config::read(sources, &kinds.checks(&nothing))?;
    config::resolve(&mut document, outside)?;
    // A new entity without a secret it needs is found by planning it onto nothing.
    config::plan(&document, &nothing, &|_, _, _, _| [0; 16], false)?;
    Ok(document)
}

/// Makes the store match the files: all of it, or nothing.
///
/// `outside` is `None` for what came over HTTP, where a reference to a file or variable would read
/// the server's.
pub async fn apply(
    ledger: &Ledger,
    vault: &Vault,
    sources: &[Source<'_>],
    outside: Option<&dyn Outside>,
    prune: bool,
    dry_run: bool,
    by: &str,
) -> Result<Applied, ConfigureError> {
    let (present, revision) = {
        let state = ledger.state();
        (present(&state), state.configuration.revision)
    };
    let kinds = Kinds::new();
    let mut document =
        config::read(sources, &kinds.checks(&present)).map_err(ConfigureError::Problems)?;
    config::resolve(&mut document, outside).map_err(ConfigureError::Problems)?;
    let fingerprint = |_: EntityKind, _: &str, _: &str, value: &[u8]| -> [u8; 16] {
        vault.keyring().fingerprint(value)
    };
    let plan =
        config::plan(&document, &present, &fingerprint, prune).map_err(ConfigureError::Problems)?;
    if dry_run {
        return Ok(Applied {
            plan,
            written: false,
        });
    }
    let (change, beside) = command(&plan, &present, sources, revision, by, &fingerprint);
    if vault.keyring().is_stand_in() && !beside.secrets.is_empty() {
        let why = "the store's key is missing, so no secret can be sealed; put the key file back and start again";
        return Err(LedgerError::from(Refusal::Conflict(why.into())).into());
    }
    let nothing = change.puts.is_empty() && change.removes.is_empty() && change.settings.is_none();
    let written = if nothing && change.file.is_none() {
        false
    } else {
        ledger
            .submit(
                Priority::People,
                Command::Configure(Box::new(change)),
                beside,
                [0; 16],
            )
            .await
            .map(|committed| !committed.positions.is_empty())?
    };
    Ok(Applied {
        plan,
        written: written && !nothing,
    })
}

/// Whether files differ from what was last applied under their names.
pub fn differs(state: &State, sources: &[Source<'_>]) -> bool {
    let (name, digest) = digest(sources);
    state.configuration.files.get(&name) != Some(&digest)
}

/// The name and digest under which a set of files is remembered.
fn digest(sources: &[Source<'_>]) -> (String, [u8; 32]) {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.file.as_bytes());
        hash.update([0]);
        hash.update(source.text.as_bytes());
        hash.update([0]);
    }
    let names: Vec<&str> = sources.iter().map(|source| source.file).collect();
    (names.join(","), hash.finalize().into())
}

type PrintOf<'a> = &'a dyn Fn(EntityKind, &str, &str, &[u8]) -> [u8; 16];

fn command(
    plan: &Plan,
    present: &Present,
    sources: &[Source<'_>],
    revision: u64,
    by: &str,
    fingerprint: PrintOf<'_>,
) -> (Configure, Beside) {
    let mut change = Configure {
        by: by.to_owned(),
        file: Some(digest(sources)),
        planned_at: Some(revision),
        ..Configure::default()
    };
    let mut beside = Beside::default();
    for step in &plan.changes {
        match step {
            Change::Settings { after, fields: _ } => change.settings = Some(after.clone()),
            Change::Add {
                spec,
                given,
                managed_by,
            } => {
                change.puts.push(put(
                    spec,
                    given,
                    &[],
                    Some(managed_by.clone()),
                    fingerprint,
                    &mut beside,
                ));
            }
            Change::Change {
                spec,
                fields: _,
                secrets,
                given,
                managed_by,
            } => {
                change.puts.push(put(
                    spec,
                    given,
                    secrets,
                    Some(managed_by.clone()),
                    fingerprint,
                    &mut beside,
                ));
            }
            Change::Remove { kind, name } => change.removes.push((*kind, name.clone())),
        }
    }
    for (kind, name, file) in &plan.adopted {
        if let Some(existing) = present.entities.get(&(*kind, name.clone())) {
            change.puts.push(put(
                &existing.spec,
                &BTreeMap::new(),
                &[],
                Some(file.clone()),
                fingerprint,
                &mut beside,
            ));
        }
    }
    (change, beside)
}

fn put(
    spec: &EntitySpec,
    given: &BTreeMap<String, Secret>,
    changes: &[SecretChange],
    managed_by: Option<String>,
    fingerprint: PrintOf<'_>,
    beside: &mut Beside,
) -> Put {
    let (kind, name) = (spec.kind(), spec.name());
    let mut prints = BTreeMap::new();
    for (field, secret) in given {
        prints.insert(
            field.clone(),
            fingerprint(kind, name, field, secret.expose().as_bytes()),
        );
        let value = Zeroizing::new(secret.expose().to_owned());
        beside
            .secrets
            .entry((kind, name.to_owned()))
            .or_default()
            .insert(field.clone(), value);
    }
    let cleared: BTreeSet<String> = changes
        .iter()
        .filter(|change| change.step == SecretStep::Remove)
        .map(|change| change.field.clone())
        .collect();
    Put {
        spec: spec.clone(),
        secrets: prints,
        cleared,
        managed_by,
    }
}

/// What a target kind takes, for the reader of files.
fn target_shape(kind: &str) -> Option<TargetShape> {
    let target = targets::kind(kind)?;
    let secret = |field: &targets::SecretField| SecretField::named(field.name, field.required);
    Some(TargetShape {
        has_receivers: target.has_receivers(),
        receivers_required: target.needs_receivers(),
        receiver_fields: target.receiver_fields(),
        secret_fields: target.secret_fields().iter().map(secret).collect(),
        option_fields: target.option_fields(),
    })
}

/// The configuration as a file that `apply` accepts and that yields no plan. With `plain`, secrets
/// stand in it in the clear.
pub fn export(ledger: &Ledger, vault: &Vault, plain: bool) -> String {
    let (present, opened) = {
        let state = ledger.state();
        let present = present(&state);
        let mut to_open = Vec::new();
        if plain {
            for ((kind, name), id) in &state.configuration.names {
                if let Some(marks) = state.configuration.secrets(*kind, *id) {
                    to_open.push((*kind, name.clone(), *id, marks.clone()));
                }
            }
        }
        (present, to_open)
    };
    let mut values: BTreeMap<(EntityKind, String), BTreeMap<String, String>> = BTreeMap::new();
    for (kind, name, id, marks) in opened {
        let revision = marks.values().map(|mark| mark.position).max().unwrap_or(0);
        match vault.open_fresh(id, &marks) {
            Ok(opened) => {
                values.insert((kind, name), opened);
            }
            Err(error) => {
                tracing::error!(entity.name = name, revision, %error, "left out of the export")
            }
        }
    }
    config::export(&present, &|kind, name, field| {
        values
            .get(&(kind, name.to_owned()))
            .and_then(|fields| fields.get(field))
            .map(Secret::new)
    })
}
