//! Snoozes: what is muted, muting, and ending it; and acknowledging from a notice's page.

use axum::extract::{Path, Query};
use axum::response::Response;
use notify_web::pages::notice::Standing;
use notify_web::pages::snoozes::{self, Mutable, SnoozeRow, SnoozesView};
use notify_web::{Flash, Tone};
use serde::Deserialize;
use serde_json::Value;

use super::overview::Nothing;
use super::{Desk, ROWS, Wrong, cursor, operators, page, text};
use crate::domain::command::Mute;
use crate::domain::family::Family;
use crate::domain::spec::EntityKind;
use crate::projections::snoozes::Scope;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate::{self, quiet_until};
use crate::shell::views;

/// The page to which everything here leads back that came from nowhere else.
const LIST: &str = "/snoozes";

#[derive(Deserialize, Default)]
pub struct Asked {
    cursor: Option<String>,
}

fn row(desk: &Desk, shape: &Value) -> SnoozeRow {
    SnoozeRow {
        id: text(&shape["id"]),
        scope: text(&shape["scope"]),
        name: text(&shape["name"]),
        provider: text(&shape["provider"]),
        since: desk.moment(&shape["since"]).unwrap_or_default(),
        until: desk.moment(&shape["until"]).unwrap_or_default(),
        by: text(&shape["by"]),
    }
}

pub async fn list(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let start = cursor(asked.cursor.as_ref())?;
    let found = views::snoozes(&desk.app.ledger, desk.now, start, ROWS)?;
    let view = SnoozesView {
        rows: found.items.iter().map(|shape| row(&desk, shape)).collect(),
        next: found.next.map(|next| next.to_string()),
        trackers: desk.names(EntityKind::Tracker),
        targets: desk.names(EntityKind::Target),
        providers: desk.names(EntityKind::Provider),
    };
    Ok(page(snoozes::page_of(&desk.frame(), &view)))
}

/// What of a target is muted.
pub fn of_target(desk: &Desk, id: u32) -> Vec<SnoozeRow> {
    let found = {
        let state = desk.app.ledger.state();
        let on = state.snoozes.target(id, desk.now);
        on.map(|on| views::snooze(&state, on))
    };
    found.iter().map(|shape| row(desk, shape)).collect()
}

/// How what a notice is about stands now.
pub fn standing(desk: &Desk, family: &Family) -> Standing {
    let shape = views::standing(&desk.app.ledger, family, desk.now).unwrap_or_default();
    let muted = shape["snoozes"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<SnoozeRow> = muted.iter().map(|shape| row(desk, shape)).collect();
    let draft = &family.notice.draft;
    let mutable = |scope: Scope, name: &str, words: &str| Mutable {
        scope: scope.as_str().to_owned(),
        name: name.to_owned(),
        provider: family.notice.provider.clone(),
        words: words.to_owned(),
        back: format!("/notices/{}", family.notice.id),
    };
    let collection = draft.collection.as_ref();
    let could_be_muted = [
        Some(draft.subject.key.as_str())
            .filter(|key| !key.is_empty())
            .map(|key| mutable(Scope::Subject, key, "this subject")),
        collection.map(|collection| mutable(Scope::Collection, &collection.name, "its collection")),
    ];
    let is_muted = |what: &Mutable| rows.iter().any(|row| row.scope == what.scope);
    Standing {
        open_since: desk.moment(&shape["since"]),
        acknowledged: shape["acknowledged"].as_bool().unwrap_or(false),
        repeats_at: desk.moment(&shape["repeats_at"]),
        // A one-off message has no provider whose notices could be muted.
        mutable: could_be_muted
            .into_iter()
            .flatten()
            .filter(|what| family.provider != 0 && !is_muted(what))
            .collect(),
        snoozes: rows,
    }
}

/// The page a form came from: one of those that have such a form.
fn back(asked: &str) -> &str {
    let is_one_name = |rest: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '%');
        !rest.is_empty() && rest.chars().all(plain)
    };
    let known = ["/targets/", "/notices/"];
    let names_a_page = |prefix: &&str| asked.strip_prefix(*prefix).is_some_and(is_one_name);
    match known.iter().any(names_a_page) {
        true => asked,
        false => LIST,
    }
}

#[derive(Deserialize)]
pub struct Muting {
    scope: String,
    name: String,
    #[serde(default)]
    provider: String,
    #[serde(rename = "for")]
    span: String,
    #[serde(default)]
    back: String,
}

pub async fn mute(posted: Posted<Muting>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let form = posted.form;
    let back = back(&form.back);
    let scope = Scope::parse(&form.scope);
    let until = quiet_until(&form.span, desk.now, &desk.zone);
    let (Some(scope), Ok(until)) = (scope, until) else {
        let words = "Nothing was changed: the form does not say what to mute, or for how long.";
        return Ok(desk.tell(back, Flash::new(Tone::Bad, words)));
    };
    let of_provider = matches!(scope, Scope::Collection | Scope::Subject);
    let name = form.name.trim().to_owned();
    let mute = Mute {
        scope,
        name: name.clone(),
        provider: Some(form.provider).filter(|name| of_provider && !name.is_empty()),
        until,
        by: desk.visitor.by(),
    };
    match operate::snooze(&desk.app.ledger, mute).await {
        Ok(_) => {
            let until = desk.at(until);
            let words = format!(
                "Snoozed: {} {name} is quiet until {}.",
                scope.as_str(),
                until.absolute
            );
            Ok(desk.tell(back, Flash::new(Tone::Good, words)))
        }
        Err(error) => desk.tell_why_not(back, error),
    }
}

#[derive(Deserialize)]
pub struct Ending {
    #[serde(default)]
    back: String,
}

pub async fn end(Path(id): Path<u32>, posted: Posted<Ending>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let back = back(&posted.form.back);
    match operate::end_snooze(&desk.app.ledger, id, &desk.visitor.by()).await {
        Ok(()) => {
            let words = "Ended: what comes from now on is sent again.";
            Ok(desk.tell(back, Flash::new(Tone::Good, words)))
        }
        Err(error) => desk.tell_why_not(back, error),
    }
}

pub async fn acknowledge(
    Path(id): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let back = format!("/notices/{id}");
    match operate::acknowledge(&desk.app.ledger, &id, &desk.visitor.by()).await {
        Ok(changed) => {
            let (tone, words) = match changed {
                true => (Tone::Good, "Acknowledged: it is not told again."),
                false => (
                    Tone::Note,
                    "Nothing was changed: somebody had acknowledged it.",
                ),
            };
            Ok(desk.tell(&back, Flash::new(tone, words)))
        }
        Err(error) => desk.tell_why_not(&back, error),
    }
}

#[cfg(test)]
mod tests {
    use super::back;

    #[test]
    fn a_form_leads_back_to_a_page_of_ours_only() {
        for (asked, expected) in [
            ("/targets/ops", "/targets/ops"),
            ("/notices/01M8%20", "/notices/01M8%20"),
            ("/targets/", "/snoozes"),
            ("/targets/../pause", "/snoozes"),
            ("/targets/a?b", "/snoozes"),
            ("//elsewhere.example", "/snoozes"),
            ("https://elsewhere.example", "/snoozes"),
            ("", "/snoozes"),
        ] {
            assert_eq!(back(asked), expected, "{asked}");
        }
    }
}
