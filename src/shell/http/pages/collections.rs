//! What a provider has to watch, asked for now and offered to choose from.
//!
//! The choice is carried by the address alone, so the page works without a script and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use notify_web::pages::collections::{self, CollectionRow, CollectionsView};

use super::{Desk, Wrong, page};
use crate::domain::event::Role;
use crate::domain::notice::{Collection, is_bidi_control};
use crate::domain::routing::Patterns;
use crate::providers;
use crate::providers::ask::{Ask, Found};
use crate::shell::http::problem::Problem;
use crate::shell::http::session::Shown;
use crate::shell::pollers::AskFailed;

/// Collections listed on a page; further ones are counted.
const LISTED_MAX: usize = 500;
/// Most that are chosen at once: their ids stand in the address.
const CHOSEN_MAX: usize = 200;

/// What the collections of a provider kind are called, where there are some to choose from.
pub fn word(kind: &str) -> Option<&'static str> {
    providers::kind(kind)?.polled()?.collections()
}

/// Whether a visitor may have a provider asked: those who configure.
pub fn may_look(desk: &Desk) -> bool {
    desk.visitor.user.role >= Role::Admin
}

pub async fn choose(
    shown: Shown,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    if !may_look(&desk) {
        let detail = "this asks the provider, which needs the role admin; ask someone who has it";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).into());
    }
    let (kind, watching) = {
        let state = desk.app.ledger.state();
        let configuration = &state.configuration;
        let provider = configuration.provider(&name);
        let provider = provider.ok_or_else(|| Problem::not_found("provider", &name))?;
        let trackers = configuration.by_provider.get(&provider.id);
        let watching: Vec<(String, Vec<String>)> = trackers
            .into_iter()
            .flatten()
            .filter_map(|id| configuration.trackers.get(id))
            .map(|tracker| &tracker.entity.spec)
            .filter(|spec| spec.enabled)
            .map(|spec| (spec.name.clone(), spec.collections.clone()))
            .collect();
        (provider.spec.kind.clone(), watching)
    };
    let word = word(&kind).ok_or_else(|| {
        let detail = format!("there is nothing to choose from with kind {kind}");
        Problem::new(StatusCode::NOT_FOUND, detail)
    })?;
    let (q, chosen) = asked(query.as_deref().unwrap_or(""));
    let mut view = CollectionsView {
        provider: name.clone(),
        word: word.to_owned(),
        q,
        ..CollectionsView::default()
    };
    match desk.app.pollers.ask(&name, Ask::Discover).await {
        Ok(seen) => fill(&mut view, &seen.collections, &chosen, &watching),
        Err(AskFailed::Unknown(name)) => return Err(Problem::not_found("provider", &name).into()),
        Err(failed @ (AskFailed::NotAsked(_) | AskFailed::Secrets(_) | AskFailed::Unseen(_))) => {
            view.error = failed.to_string()
        }
    }
    Ok(page(collections::page_of(&desk.frame(), &view)))
}

/// The words, and the ids that were chosen.
fn asked(query: &str) -> (String, BTreeSet<String>) {
    let mut words = String::new();
    let mut chosen = BTreeSet::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "q" => words = value.into_owned(),
            "c" if chosen.len() < CHOSEN_MAX => {
                chosen.insert(value.into_owned());
            }
            _other => {}
        }
    }
    (words, chosen)
}

fn fill(
    view: &mut CollectionsView,
    found: &[Found],
    chosen: &BTreeSet<String>,
    watching: &[(String, Vec<String>)],
) {
    let watching: Vec<(&str, Patterns)> = watching
        .iter()
        .map(|(tracker, collections)| (tracker.as_str(), Patterns::of(collections)))
        .collect();
    let wanted = view.q.trim().to_lowercase();
    let fits = |collection: &Collection| {
        collection.name.to_lowercase().contains(&wanted)
            || collection.id.to_lowercase().contains(&wanted)
    };
    for Found { collection, detail } in found {
        let Collection { id, name } = collection;
        let is_chosen = chosen.contains(id);
        if !fits(collection) || view.rows.len() >= LISTED_MAX {
            view.total += u64::from(fits(collection));
            if is_chosen {
                view.kept.push(id.clone());
            }
            continue;
        }
        view.total += 1;
        let watched_by = watching
            .iter()
            .filter(|(_, patterns)| patterns.want(&[name, id]))
            .map(|(tracker, _)| (*tracker).to_owned());
        view.rows.push(CollectionRow {
            id: id.clone(),
            name: name.clone(),
            detail: detail.clone(),
            chosen: is_chosen,
            watched_by: watched_by.collect(),
        });
    }
    view.line = line(found, chosen);
}

/// What was chosen as a line of a tracker's table: by name where that means one collection and nothing
/// else, by id otherwise.
fn line(found: &[Found], chosen: &BTreeSet<String>) -> String {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for Found { collection, .. } in found {
        *named.entry(collection.name.as_str()).or_default() += 1;
    }
    let is_plain = |name: &str| {
        // What turns the reading order would not be pasted as it is shown.
        let special = |c: char| "*?[]{}\\!".contains(c) || c.is_control() || is_bidi_control(c);
        !name.trim().is_empty() && !name.contains(special) && named.get(name) == Some(&1)
    };
    let chosen: Vec<String> = found
        .iter()
        .map(|found| &found.collection)
        .filter(|collection| chosen.contains(&collection.id))
        .map(|collection| match is_plain(&collection.name) {
            true => collection.name.as_str(),
            false => collection.id.as_str(),
        })
        .map(|text| toml::Value::String(text.to_owned()).to_string())
        .collect();
    match chosen.is_empty() {
        true => String::new(),
        false => format!("collections = [{}]", chosen.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, name: &str) -> Found {
        Found {
            collection: Collection {
                id: id.into(),
                name: name.into(),
            },
            detail: "1 item".into(),
        }
    }

    #[test]
    fn a_line_names_what_was_chosen_and_nothing_else() {
        let all = [
            found("1", "Boats"),
            found("2", "Trips"),
            found("3", "Trips"),
            found("4", "Best of *"),
            found("5", ""),
            found("6", "Say \"cheese\""),
            found("7", "\u{202e}sdrawkcab"),
        ];
        for (chosen, line) in [
            ("", ""),
            ("c=9", ""),
            ("c=1", r#"collections = ["Boats"]"#),
            ("c=2&c=1", r#"collections = ["Boats", "2"]"#),
            ("c=4&c=5", r#"collections = ["4", "5"]"#),
            ("c=7", r#"collections = ["7"]"#),
        ] {
            assert_eq!(super::line(&all, &asked(chosen).1), line, "{chosen}");
        }
        let quoted = super::line(&all, &asked("c=6").1);
        let read: toml::Table = quoted.parse().unwrap();
        assert_eq!(read["collections"][0].as_str(), Some("Say \"cheese\""));
    }

    #[test]
    fn what_does_not_fit_the_words_stays_chosen() {
        let all = [found("1", "Boats"), found("2", "Trips")];
        let (q, chosen) = asked("q=boa&c=1&c=2");
        let mut view = CollectionsView {
            q,
            ..CollectionsView::default()
        };
        let watching = [("t".to_owned(), vec!["B*".to_owned()])];
        fill(&mut view, &all, &chosen, &watching);
        assert_eq!((view.rows.len(), view.total), (1, 1));
        assert!(view.rows[0].chosen);
        assert_eq!(view.rows[0].watched_by, ["t"]);
        assert_eq!(view.kept, ["2"]);
        assert_eq!(view.line, r#"collections = ["Boats", "Trips"]"#);
    }
}
