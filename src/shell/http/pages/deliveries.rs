//! Deliveries, and what is parked.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use notify_web::pages::ask::{Question, page_of as ask};
use notify_web::pages::deliveries::{self, DeliveriesView, DeliveryRow};
use notify_web::pages::parked::{self, Group, ParkedRow, ParkedView};
use notify_web::{Severity, Status};
use serde::Deserialize;
use serde_json::Value;

use super::overview::Nothing;
use super::{Desk, ROWS, Wrong, back, cursor, operators, page, text};
use crate::domain::command::Command;
use crate::domain::event::{Action, DeliveryKey};
use crate::domain::spec::EntityKind;
use crate::projections::outbox;
use crate::shell::http::problem::Problem;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::ledger::Priority;
use crate::shell::views::{self, DeliveryFilter};

/// Parked deliveries that one page or one question goes over.
const PARKED_MAX: usize = 500;
/// Rows shown of one group.
const GROUP_ROWS: usize = 20;

#[derive(Deserialize, Default)]
pub struct Asked {
    #[serde(default)]
    status: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    tracker: String,
    cursor: Option<String>,
    fragment: Option<String>,
}

/// Title and severity of the notice a delivery belongs to.
fn about(
    desk: &Desk,
    shape: &Value,
    known: &mut BTreeMap<String, (String, Severity)>,
) -> (String, String, Severity) {
    let notice = text(&shape["notice_ids"][0]);
    let (title, severity) = known
        .entry(notice.clone())
        .or_insert_with(
            || match views::founding(desk.app.ledger.reader(), &notice) {
                Ok((_, accepted)) => (
                    accepted.notice.title.clone(),
                    Severity::parse(accepted.notice.severity.as_str()).unwrap_or(Severity::Info),
                ),
                Err(_) => (String::new(), Severity::Info),
            },
        )
        .clone();
    (notice, title, severity)
}

fn status(shape: &Value) -> Status {
    Status::parse(shape["status"].as_str().unwrap_or("")).unwrap_or(Status::Unknown)
}

pub async fn list(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::new(shown.app, shown.visitor);
    let ledger = &desk.app.ledger;
    let statuses = match asked.status.as_str() {
        "" => vec![
            outbox::Status::Due,
            outbox::Status::Sending,
            outbox::Status::Held,
            outbox::Status::Retrying,
        ],
        "any" => Vec::new(),
        word => outbox::Status::parse(word).into_iter().collect(),
    };
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let filter = DeliveryFilter {
        statuses,
        target: given(&asked.target),
        tracker: given(&asked.tracker),
    };
    let found = views::deliveries(
        ledger.reader(),
        ledger,
        &filter,
        cursor(asked.cursor.as_ref())?,
        ROWS,
    );
    let (items, next, error) = match found {
        Ok(found) => (found.items, found.next, None),
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    let mut known = BTreeMap::new();
    let rows = items
        .iter()
        .map(|shape| {
            let (notice_id, title, severity) = about(&desk, shape, &mut known);
            DeliveryRow {
                id: text(&shape["id"]),
                notice_id,
                title,
                severity,
                status: status(shape),
                target: text(&shape["target"]),
                receiver: text(&shape["receiver"]),
                tracker: text(&shape["tracker"]),
                created: desk.moment(&shape["created_at"]).unwrap_or_default(),
                next: desk.moment(&shape["due_at"]),
                reason: text(&shape["reason"]["detail"]),
            }
        })
        .collect();
    let view = DeliveriesView {
        targets: desk.names(EntityKind::Target),
        trackers: desk.names(EntityKind::Tracker),
        rows,
        next: next.map(|next| next.to_string()),
        error,
        filter: deliveries::Filter {
            status: asked.status,
            target: asked.target,
            tracker: asked.tracker,
        },
    };
    let frame = desk.frame();
    Ok(page(match asked.fragment {
        Some(_) => deliveries::results(&frame, &view),
        None => deliveries::page_of(&frame, &view),
    }))
}

async fn operate(desk: &Desk, id: &str, action: Action) -> Result<String, Wrong> {
    operators(desk)?;
    let (delivery, notice) = views::delivery_key(desk.app.ledger.reader(), id)?;
    let command = Command::Operate {
        delivery,
        action,
        by: desk.visitor.by(),
    };
    desk.app.ledger.command(Priority::People, command).await?;
    let founding = desk
        .app
        .ledger
        .reader()
        .get(notice)
        .map_err(|error| Problem::internal(&error))?;
    Ok(match founding.map(|event| event.payload) {
        Some(crate::domain::event::Event::Accepted(accepted)) => {
            format!("/notices/{}", accepted.seed.id(notice, 0))
        }
        Some(_) | None => "/deliveries".into(),
    })
}

pub async fn retry(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    Ok(back(&operate(&desk, &id, Action::Retry).await?))
}

pub async fn abandon(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    Ok(back(&operate(&desk, &id, Action::Drop).await?))
}

pub async fn confirm(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    Ok(back(&operate(&desk, &id, Action::Confirm).await?))
}

fn question(
    desk: &Desk,
    id: &str,
    action: &str,
    title: &str,
    text: &str,
    button: &str,
) -> Result<Response, Wrong> {
    operators(desk)?;
    let (family, key) = views::find_delivery(desk.app.ledger.reader(), id)?;
    let target = family
        .delivery(key)
        .map(|view| view.link.target_name.clone())
        .unwrap_or_default();
    let question = Question {
        title: title.into(),
        text: text.into(),
        concerned: vec![format!("{} to {target}", family.notice.draft.title)],
        total: 1,
        action: format!("/deliveries/{id}/{action}"),
        fields: Vec::new(),
        button: button.into(),
        back: format!("/notices/{}", family.notice.id),
        destructive: action == "drop",
    };
    Ok(page(ask(&desk.frame(), &question)))
}

pub async fn ask_drop(shown: Shown, Path(id): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::new(shown.app, shown.visitor);
    question(
        &desk,
        &id,
        "drop",
        "Drop this delivery?",
        "It will not be sent. The notice and why stay on record.",
        "Drop it",
    )
}

pub async fn ask_confirm(shown: Shown, Path(id): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::new(shown.app, shown.visitor);
    let text = "Say that it arrived. It is settled as sent and not tried again.";
    question(
        &desk,
        &id,
        "confirm",
        "Settle this delivery as sent?",
        text,
        "Settle as sent",
    )
}

/// Parked and unknown deliveries in the API's shape, newest first.
fn waiting(desk: &Desk) -> Result<Vec<Value>, Wrong> {
    let filter = DeliveryFilter {
        statuses: vec![outbox::Status::Parked, outbox::Status::Unknown],
        ..DeliveryFilter::default()
    };
    let ledger = &desk.app.ledger;
    Ok(views::deliveries(ledger.reader(), ledger, &filter, None, PARKED_MAX)?.items)
}

/// What a group is known by: its target and its reason.
fn group_key(shape: &Value) -> String {
    let reason = format!("{}\n{}", shape["target"], shape["reason"]["detail"]);
    format!("{:016x}", crate::domain::state::word_hash(&reason))
}

pub async fn parked(shown: Shown) -> Result<Response, Wrong> {
    let desk = Desk::new(shown.app, shown.visitor);
    let items = waiting(&desk)?;
    let mut known = BTreeMap::new();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for shape in &items {
        let (notice_id, title, severity) = about(&desk, shape, &mut known);
        let key = group_key(shape);
        let group = groups.entry(key.clone()).or_insert_with(|| Group {
            key,
            reason: format!(
                "{}: {}",
                text(&shape["target"]),
                text(&shape["reason"]["detail"])
            ),
            advice: String::new(),
            count: 0,
            rows: Vec::new(),
        });
        group.count += 1;
        if group.rows.len() < GROUP_ROWS {
            group.rows.push(ParkedRow {
                id: text(&shape["id"]),
                notice_id,
                title,
                severity,
                status: status(shape),
                target: text(&shape["target"]),
                receiver: text(&shape["receiver"]),
                parked: desk.moment(&shape["created_at"]).unwrap_or_default(),
            });
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let total = desk.app.ledger.state().outbox.parked.len() as u64;
    Ok(page(parked::page_of(
        &desk.frame(),
        &ParkedView { groups, total },
    )))
}

/// What a question or an answer is about: some deliveries by id, or all of a group.
fn chosen(desk: &Desk, pairs: &[(String, String)]) -> Result<Vec<Value>, Wrong> {
    let all = |name: &str| {
        pairs
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
    };
    let (ids, groups) = (all("id"), all("group"));
    let wanted = |shape: &Value| {
        ids.contains(&shape["id"].as_str().unwrap_or(""))
            || groups.contains(&group_key(shape).as_str())
    };
    Ok(waiting(desk)?.into_iter().filter(wanted).collect())
}

pub async fn ask_many(
    shown: Shown,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(shown.app, shown.visitor);
    operators(&desk)?;
    let retries = pairs
        .iter()
        .any(|(name, value)| name == "action" && value == "retry");
    let items = chosen(&desk, &pairs)?;
    if items.is_empty() {
        return Ok(back("/parked"));
    }
    let count = items.len();
    let deliveries = if count == 1 { "delivery" } else { "deliveries" };
    let (action, verb, words) = if retries {
        (
            "retry",
            "Retry",
            "Each is tried again now, with its tries starting over.",
        )
    } else {
        (
            "drop",
            "Drop",
            "They will not be sent. The notices and why stay on record.",
        )
    };
    let mut known = BTreeMap::new();
    let question = Question {
        title: format!("{verb} {count} {deliveries}?"),
        text: words.into(),
        concerned: items
            .iter()
            .map(|shape| {
                format!(
                    "{} to {}",
                    about(&desk, shape, &mut known).1,
                    text(&shape["target"])
                )
            })
            .collect(),
        total: count as u64,
        action: format!("/parked/{action}"),
        fields: items
            .iter()
            .map(|shape| ("id".to_owned(), text(&shape["id"])))
            .collect(),
        button: format!("{verb} {count} {deliveries}"),
        back: "/parked".into(),
        destructive: !retries,
    };
    Ok(page(ask(&desk.frame(), &question)))
}

pub async fn many(
    Path(action): Path<String>,
    posted: Posted<Vec<(String, String)>>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let action = match action.as_str() {
        "retry" => Action::Retry,
        "drop" => Action::Drop,
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "parked deliveries are retried or dropped",
            )
            .into());
        }
    };
    for shape in chosen(&desk, &posted.form)? {
        let (delivery, _): (DeliveryKey, u64) =
            views::delivery_key(desk.app.ledger.reader(), shape["id"].as_str().unwrap_or(""))?;
        let command = Command::Operate {
            delivery,
            action,
            by: desk.visitor.by(),
        };
        match desk.app.ledger.command(Priority::People, command).await {
            // Somebody was faster with this one; the others go on.
            Ok(_) | Err(crate::shell::ledger::LedgerError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(back("/parked"))
}
