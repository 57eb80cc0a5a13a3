//! Releases and packages.

use super::field::{at, flag, id, list, person, text, time};
use super::phrase::{quote, words};
use super::{Hook, Kind};
use crate::domain::notice::{NoticeDraft, Transition};

pub(super) fn released(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let release = at(hook.body, &["release"]);
    let tag = text(release, &["tag_name"]).unwrap_or("");
    let noun = match flag(release, &["prerelease"]) {
        true => "pre-release",
        false => "release",
    };
    // Many releases are named after their tag; then one of the two is enough.
    let name = match text(release, &["name"]) {
        Some(name) if name == tag || tag.is_empty() => quote(name),
        Some(name) if name.contains(tag) => quote(name),
        Some(name) => format!("{} ({tag})", quote(name)),
        None => tag.to_owned(),
    };
    let named = match text(release, &["name"]) {
        Some(name) if name == tag => format!("{noun} {tag}"),
        Some(_) | None => format!("{noun} {name}"),
    };
    let (kind, transition, what) = match hook.action {
        "published" => (
            Kind::ReleasePublished,
            Transition::Opens,
            format!("published {named}"),
        ),
        "updated" | "edited" => (
            Kind::ReleaseUpdated,
            Transition::Updates,
            format!("updated {named}"),
        ),
        "unpublished" => (
            Kind::ReleaseUpdated,
            Transition::Updates,
            format!("withdrew {named}"),
        ),
        "deleted" => (
            Kind::ReleaseDeleted,
            Transition::Closes,
            format!("deleted {named}"),
        ),
        // GitHub sends these beside `published`, or for drafts that nobody can see.
        "created" | "released" | "prereleased" => return Vec::new(),
        "" => (Kind::Other, Transition::Updates, format!("changed {named}")),
        action => (
            Kind::Other,
            Transition::Updates,
            format!("{} {named}", words(action)),
        ),
    };
    let notes = match kind {
        Kind::ReleaseDeleted => None,
        _ => text(release, &["body"]),
    };
    let assets = list(release, &["assets"]).len();
    hook.draft(kind)
        .transition(transition)
        .subject(format_args!("release:{tag}"), tag)
        .title(hook.sentence(format_args!("{what}")))
        .text(notes)
        // The page of what was deleted is gone.
        .url(text(release, &["html_url"]).filter(|_| kind != Kind::ReleaseDeleted))
        .url(text(hook.repository(), &["html_url"]))
        .label("tag", tag)
        .label("name", text(release, &["name"]))
        .label("author", person(release, &["author"]))
        .label("branch", text(release, &["target_commitish"]))
        .flag("prerelease", release, &["prerelease"])
        .flag("draft", release, &["draft"])
        .label(
            "assets",
            Some(assets.to_string().as_str()).filter(|_| assets > 0),
        )
        .at(match hook.action {
            "published" => time(release, &["published_at"]),
            _ => None,
        })
        .done()
}

/// A package version; forges have no notice kind for it, so it is `other`.
pub(super) fn package(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let package = match at(hook.body, &["package"]).is_object() {
        true => at(hook.body, &["package"]),
        false => at(hook.body, &["registry_package"]),
    };
    let name = text(package, &["name"]).unwrap_or("");
    let version =
        id(package, &["version"]).or_else(|| id(package, &["package_version", "version"]));
    let kind = text(package, &["type"]).or_else(|| text(package, &["package_type"]));
    let verb = match hook.action {
        "" => "changed".into(),
        "created" => "published".into(),
        action => words(action),
    };
    let version_words = match &version {
        Some(version) => format!(" {version}"),
        None => String::new(),
    };
    hook.draft(Kind::Other)
        .subject(format_args!("package:{name}"), name)
        .title(hook.sentence(format_args!("{verb} package {name}{version_words}")))
        .text(text(package, &["description"]))
        .url(text(package, &["html_url"]))
        .label("package", name)
        .label("version", version.as_deref())
        .label("package_type", kind)
        .at(time(package, &["created_at"]))
        .done()
}
