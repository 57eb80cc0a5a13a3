//! Repositories themselves, forks, and every event that has no reader of its own.

use serde_json::Value;

use super::field::{at, id, list, person, text, time};
use super::phrase::{article, first_line, quote, words};
use super::{Hook, Kind};
use crate::domain::notice::{NoticeDraft, Transition};

pub(super) fn repository(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let repository = at(hook.body, &["repository"]);
    let actor = hook.actor().unwrap_or("someone");
    let name = hook.place().unwrap_or("a repository".into());
    let old_name = text(hook.body, &["changes", "repository", "name", "from"]);
    let old_owner = person(hook.body, &["changes", "owner", "from", "user"])
        .or_else(|| person(hook.body, &["changes", "owner", "from", "organization"]));
    let (kind, transition, title) = match hook.action {
        "created" => (
            Kind::RepositoryCreated,
            Transition::Opens,
            format!("{actor} created repository {name}"),
        ),
        "deleted" => (
            Kind::RepositoryDeleted,
            Transition::Closes,
            format!("{actor} deleted repository {name}"),
        ),
        "renamed" => (
            Kind::RepositoryRenamed,
            Transition::Updates,
            match old_name {
                Some(old) => format!("{actor} renamed repository {old} to {name}"),
                None => format!("{actor} renamed a repository to {name}"),
            },
        ),
        "transferred" => (
            Kind::RepositoryRenamed,
            Transition::Updates,
            match old_owner {
                Some(old) => format!("{actor} moved a repository from {old} to {name}"),
                None => format!("{actor} moved a repository to {name}"),
            },
        ),
        "publicized" => (
            Kind::Other,
            Transition::Updates,
            format!("{actor} made repository {name} public"),
        ),
        "privatized" => (
            Kind::Other,
            Transition::Updates,
            format!("{actor} made repository {name} private"),
        ),
        "" => (
            Kind::Other,
            Transition::Updates,
            format!("{actor} changed repository {name}"),
        ),
        action => (
            Kind::Other,
            Transition::Updates,
            format!("{actor} {} repository {name}", words(action)),
        ),
    };
    hook.draft(kind)
        .transition(transition)
        .subject(format_args!("repository"), name.clone())
        .title(title)
        .text(text(repository, &["description"]).filter(|_| hook.action == "created"))
        .url(text(repository, &["html_url"]).filter(|_| kind != Kind::RepositoryDeleted))
        .label("owner", person(repository, &["owner"]))
        .flag("private", repository, &["private"])
        .before("name", old_name)
        .before("owner", old_owner)
        .after("name", old_name.and(text(repository, &["name"])))
        .after("owner", old_owner.and(person(repository, &["owner"])))
        .done()
}

pub(super) fn forked(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    // See `Hook::repository`: which of the two is new depends on the forge.
    let new = match hook.dialect {
        super::Dialect::GitHub => at(hook.body, &["forkee"]),
        super::Dialect::Gitea => at(hook.body, &["repository"]),
    };
    let actor = hook.actor().unwrap_or("someone");
    let original = hook.place().unwrap_or("a repository".into());
    let fork = text(new, &["full_name"]);
    let title = match fork {
        Some(fork) => format!("{actor} forked {original} to {fork}"),
        None => format!("{actor} forked {original}"),
    };
    hook.draft(Kind::Forked)
        .subject(
            format_args!("fork:{}", id(new, &["id"]).unwrap_or_default()),
            fork.unwrap_or(""),
        )
        .title(title)
        .url(text(new, &["html_url"]))
        .label("fork", fork)
        .at(time(new, &["created_at"]))
        .done()
}

/// Everything else: said as well as an unknown event can be, never left out.
pub fn other(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let event = match hook.event_label {
        "" => "webhook",
        event => event,
    };
    let (member, thing) = thing(hook);
    let noun = words(member.unwrap_or(event));
    let name = [
        &["title"][..],
        &["name"],
        &["full_name"],
        &["tag_name"],
        &["login"],
        &["key"],
        &["slug"],
        &["id"],
        &["message"],
    ]
    .iter()
    .find_map(|path| id(thing, path));
    let number = id(thing, &["number"]);
    let mut named = noun.clone().into_owned();
    if let Some(number) = &number {
        named.push_str(&format!(" #{number}"));
    }
    match &name {
        Some(name) if person(thing, &["login"]).is_none() => {
            named.push_str(&format!(" {}", quote(first_line(name))));
        }
        Some(_) | None => {}
    }
    let title = match (hook.action, named == *noun) {
        ("", _) => hook.sentence(format_args!("sent event {}", words(event))),
        (action, true) => hook.sentence(format_args!(
            "{} {} {named}",
            words(action),
            article(&named)
        )),
        (action, false) => hook.sentence(format_args!("{} {named}", words(action))),
    };
    let key = number.or_else(|| id(thing, &["id"])).or(name);
    let mut draft = hook
        .draft(Kind::Other)
        .label("event", event)
        .title(title)
        .text(text(thing, &["body"]).or_else(|| text(thing, &["description"])))
        .url(text(thing, &["html_url"]))
        .url(text(hook.repository(), &["html_url"]))
        .url(hook.organization_page().as_deref())
        .at(time(thing, &["updated_at"]));
    if let Some(key) = key {
        draft = draft.subject(format_args!("{event}:{key}"), named);
    }
    draft.done()
}

/// The member of the body that the event is about, by name: the event's own, else the only object
/// that is not one of those that every event has.
fn thing<'a>(hook: &Hook<'a>) -> (Option<&'a str>, &'a Value) {
    let Some(members) = hook.body.as_object() else {
        return (None, hook.body);
    };
    if let Some((name, value)) = members
        .get_key_value(hook.event)
        .filter(|(_, value)| value.is_object())
    {
        return (Some(name), value);
    }
    members
        .iter()
        .find(|(name, value)| {
            value.is_object()
                && !matches!(
                    name.as_str(),
                    "repository"
                        | "organization"
                        | "sender"
                        | "installation"
                        | "enterprise"
                        | "changes"
                        | "hook"
                )
        })
        .map_or((None, &Value::Null), |(name, value)| {
            (Some(name.as_str()), value)
        })
}

/// One wiki page after a change: its name as a person reads it, what was done, and its address.
pub struct Page<'a> {
    pub title: &'a str,
    pub action: &'a str,
    pub url: Option<String>,
    pub note: Option<&'a str>,
}

/// Changes of wiki pages, at least one.
pub fn wiki(hook: &Hook<'_>, pages: &[Page<'_>]) -> Vec<NoticeDraft> {
    let Some(first) = pages.first() else {
        return other(hook);
    };
    let draft = hook
        .draft(Kind::WikiChanged)
        .transition(match first.action {
            "created" => Transition::Opens,
            "deleted" => Transition::Closes,
            _ => Transition::Updates,
        })
        .subject(format_args!("wiki:{}", first.title), first.title)
        .label("page", first.title)
        .label("action", first.action)
        .url(first.url.as_deref());
    match pages {
        [page] => draft
            .title(hook.sentence(format_args!(
                "{} wiki page {}",
                words(page.action),
                quote(page.title)
            )))
            .text(page.note)
            .done(),
        pages => {
            let lines = pages
                .iter()
                .take(PAGES_SHOWN_MAX)
                .map(|page| format!("{} {}", words(page.action), page.title))
                .collect::<Vec<_>>()
                .join("\n");
            draft
                .transition(Transition::Updates)
                .title(hook.sentence(format_args!("changed {} wiki pages", pages.len())))
                .text(lines.as_str())
                .label("pages", pages.len().to_string().as_str())
                .done()
        }
    }
}

/// Most wiki pages that one notice lists.
const PAGES_SHOWN_MAX: usize = 20;

/// GitHub's list of changed wiki pages.
pub fn listed_pages<'a>(hook: &Hook<'a>) -> Vec<Page<'a>> {
    list(hook.body, &["pages"])
        .iter()
        .filter_map(|page| {
            Some(Page {
                title: text(page, &["title"]).or_else(|| text(page, &["page_name"]))?,
                action: text(page, &["action"]).unwrap_or("changed"),
                url: text(page, &["html_url"]).map(str::to_owned),
                note: text(page, &["summary"]),
            })
        })
        .collect()
}
