//! `[[tracker]]` with its links.

use std::collections::{BTreeMap, BTreeSet};

use globset::Glob;

use super::later::Later;
use super::names::{Names, Parts};
use super::reader::{Field, Reader};
use super::secrets::Secrets;
use super::wording::{shown, suggestion};
use super::{EXPRESSION_BYTES_MAX, GLOBS_MAX, LINKS_MAX, policy, source};
use crate::domain::spec::{EntityKind, EntitySpec, LinkSpec, TrackerSpec, UnknownPolicy};

pub(super) fn read(reader: Reader<'_>, name: String, names: &Names<'_>) -> Parts {
    let provider_field = reader.need("provider");
    let provider = provider_field.as_ref().and_then(Field::line);
    if let (Some(field), Some(provider)) = (&provider_field, &provider) {
        names.refer(field, EntityKind::Provider, provider);
    }
    let kinds_field = reader.take("kinds");
    let kinds = globs(kinds_field.clone());
    if let (Some(provider), Some(field)) = (&provider, &kinds_field) {
        check_kinds(field, &kinds, provider, names);
    }
    let provider_name = provider;
    let mut spec = TrackerSpec {
        name,
        provider: provider_name.clone().unwrap_or_default(),
        description: reader.description(),
        enabled: reader.flag("enabled", true),
        kinds: kinds.into_iter().map(|(text, _, _)| text).collect(),
        collections: globs(reader.take("collections"))
            .into_iter()
            .map(|(text, _, _)| text)
            .collect(),
        filter: reader
            .take("where")
            .and_then(|field| field.compiled(EXPRESSION_BYTES_MAX, names.checks.filter)),
        links: reader
            .take("links")
            .map(|field| read_links(&field, names))
            .unwrap_or_default(),
        quiet: None,
        group: None,
        settle: None,
        settle_max: None,
        severity: None,
        inhibit: Vec::new(),
        expect: None,
        asks: source::asks(&reader, names, provider_name.as_deref()),
    };
    policy::of_tracker(&reader, names, &mut spec);
    reader.finish(Later::Tracker, |_| None);
    Parts {
        spec: EntitySpec::Tracker(spec),
        secrets: Secrets::default(),
        secret_fields: Vec::new(),
    }
}

/// A list of globs, each with its pattern after any `!`, compiled.
fn globs(field: Option<Field<'_>>) -> Vec<(String, Field<'_>, Glob)> {
    let lines = field.and_then(|field| field.lines(GLOBS_MAX));
    let mut globs = Vec::new();
    for (text, field) in lines.unwrap_or_default() {
        let pattern = text.strip_prefix('!').unwrap_or(&text);
        if pattern.is_empty() {
            field.problem("negates nothing; write what to leave out after the `!`");
            continue;
        }
        match Glob::new(pattern) {
            Ok(glob) => globs.push((text, field, glob)),
            Err(error) => field.problem(format!(
                "{} is not a glob ({}); `*`, `?`, `[…]` and `{{…}}` have a meaning, `\\` before one takes it away",
                shown(pattern),
                error.kind()
            )),
        }
    }
    globs
}

/// Every glob over kinds has to meet a kind that the provider can give, and all together have to
/// leave one.
fn check_kinds(
    list: &Field<'_>,
    kinds: &[(String, Field<'_>, Glob)],
    provider: &str,
    names: &Names<'_>,
) {
    let Some(provider_kind) = names.kind_of(EntityKind::Provider, provider) else {
        return;
    };
    let Some(shape) = names.shape_of_provider(provider_kind) else {
        return;
    };
    if shape.notice_kinds.is_empty() {
        return;
    }
    let (mut wanted, mut unwanted) = (BTreeSet::new(), BTreeSet::new());
    let mut whole = true;
    for (text, field, glob) in kinds {
        let matcher = glob.compile_matcher();
        let met = shape
            .notice_kinds
            .iter()
            .filter(|kind| matcher.is_match(kind));
        let met: Vec<&str> = met.copied().collect();
        if !met.is_empty() {
            match text.starts_with('!') {
                true => unwanted.extend(met),
                false => wanted.extend(met),
            }
            continue;
        }
        whole = false;
        let word = text.strip_prefix('!').unwrap_or(text);
        let near = suggestion(word, shape.notice_kinds.iter().copied());
        let provider_kind = shown(provider_kind);
        field.problem(if near.is_empty() {
            format!(
                "kind {provider_kind} has no notice kind like {}",
                shown(word)
            )
        } else {
            format!(
                "kind {provider_kind} has no notice kind {}{near}",
                shown(word)
            )
        });
    }
    if kinds.iter().all(|(text, _, _)| text.starts_with('!')) {
        wanted.extend(&shape.notice_kinds);
    }
    if whole && wanted.is_subset(&unwanted) {
        list.problem("leaves no notice kind: what it names it also takes away");
    }
}

fn read_links(field: &Field<'_>, names: &Names<'_>) -> Vec<LinkSpec> {
    let mut links = Vec::new();
    let mut seen = BTreeMap::new();
    for (i, entry) in field.list(LINKS_MAX).unwrap_or_default().iter().enumerate() {
        let Some(table) = entry.table() else { continue };
        let link = read_link(table, names);
        if link.target.is_empty() {
            continue;
        }
        let identity = (link.target.clone(), link.name.clone());
        if let Some(first) = seen.insert(identity, i) {
            entry.problem(format!(
                "leads to {} like links[{first}]; give one a `name` of its own, or leave it out",
                shown(&link.target)
            ));
        }
        links.push(link);
    }
    links
}

fn read_link(table: Reader<'_>, names: &Names<'_>) -> LinkSpec {
    let reference = |field: Option<Field<'_>>, kind| {
        let field = field?;
        let name = field.line()?;
        names.refer(&field, kind, &name);
        Some(name)
    };
    let mut link = LinkSpec {
        target: reference(table.need("target"), EntityKind::Target).unwrap_or_default(),
        name: table.take("name").and_then(|field| field.slug()),
        enabled: table.flag("enabled", true),
        template: reference(table.take("template"), EntityKind::Template),
        locale: table.take("locale").and_then(|field| field.locale()),
        unknown: table
            .take("unknown")
            .and_then(|field| {
                field.one_of(&[
                    ("retry", UnknownPolicy::Retry),
                    ("park", UnknownPolicy::Park),
                ])
            })
            .unwrap_or_default(),
        ..LinkSpec::to("")
    };
    policy::of_link(&table, names, &mut link);
    table.finish(Later::Nothing, |_| None);
    link
}
