//! Who belongs to a repository, a team or an organization.

use crate::domain::notice::{NoticeDraft, Transition};
use crate::providers::forge::field::{person, text};
use crate::providers::forge::phrase::words;
use crate::providers::forge::{self, Hook, Kind};

pub(super) fn collaborator(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let who = person(hook.body, &["member"]).unwrap_or("someone");
    let permission = text(hook.body, &["changes", "permission", "to"])
        .or_else(|| text(hook.body, &["changes", "role_name", "to"]));
    let place = hook.place().unwrap_or("a repository".into());
    let actor = hook.actor().unwrap_or("someone");
    let title = match (hook.action, permission) {
        ("added", Some(permission)) => {
            format!("{actor} added {who} to {place} with permission {permission}")
        }
        ("added", None) => format!("{actor} added {who} to {place}"),
        ("removed", _) if who == actor => format!("{actor} left {place}"),
        ("removed", _) => format!("{actor} removed {who} from {place}"),
        (_, Some(permission)) => {
            format!("{actor} changed the permission of {who} in {place} to {permission}")
        }
        (_, None) => format!("{actor} changed the permission of {who} in {place}"),
    };
    member(hook, who)
        .title(title)
        .label("permission", permission)
        .url(text(hook.repository(), &["html_url"]))
        .done()
}

pub(super) fn team_member(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let who = person(hook.body, &["member"]).unwrap_or("someone");
    let team = text(hook.body, &["team", "name"]).unwrap_or("a team");
    let what = match hook.action {
        "removed" => format!("removed {who} from team {team}"),
        _ => format!("added {who} to team {team}"),
    };
    member(hook, who)
        .title(hook.sentence(format_args!("{what}")))
        .label("team", team)
        .url(text(hook.body, &["team", "html_url"]))
        .url(hook.organization_page().as_deref())
        .done()
}

pub(super) fn organization(hook: &Hook<'_>) -> Vec<NoticeDraft> {
    let body = hook.body;
    let actor = hook.actor().unwrap_or("someone");
    let place = hook.organization().unwrap_or("an organization");
    let who = person(body, &["membership", "user"])
        .or_else(|| person(body, &["invitation"]))
        .or_else(|| person(body, &["user"]))
        .or_else(|| text(body, &["invitation", "email"]))
        .unwrap_or("someone");
    let title = match hook.action {
        "member_added" if who == actor => format!("{actor} joined {place}"),
        "member_added" => format!("{actor} added {who} to {place}"),
        "member_removed" if who == actor => format!("{actor} left {place}"),
        "member_removed" => format!("{actor} removed {who} from {place}"),
        "member_invited" => format!("{actor} invited {who} to {place}"),
        "renamed" | "deleted" => {
            let old = text(body, &["changes", "login", "from"]);
            let title = match (hook.action, old) {
                ("renamed", Some(old)) => format!("{actor} renamed organization {old} to {place}"),
                (action, _) => format!("{actor} {} organization {place}", words(action)),
            };
            return hook
                .draft(Kind::Other)
                .transition(match hook.action {
                    "deleted" => Transition::Closes,
                    _ => Transition::Updates,
                })
                .subject(format_args!("organization"), place)
                .title(title)
                .url(hook.organization_page().as_deref())
                .before("name", old)
                .after("name", old.map(|_| place))
                .done();
        }
        _ => return forge::other(hook),
    };
    member(hook, who)
        .title(title)
        .label("role", text(body, &["membership", "role"]))
        .url(hook.organization_page().as_deref())
        .done()
}

fn member<'a>(hook: &Hook<'a>, who: &str) -> forge::Draft<'a> {
    hook.draft(Kind::MemberChanged)
        .transition(Transition::Updates)
        .subject(format_args!("member:{who}"), who)
        .label("member", who)
}
