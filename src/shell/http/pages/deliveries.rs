//! Deliveries: the list, and what a person does with one.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::response::Response;
use notify_web::pages::ask::{Question, page_of as ask, page_with};
use notify_web::pages::deliveries::{self, DeliveriesView, DeliveryRow};
use notify_web::pages::held::until_when;
use notify_web::{Flash, Severity, Status, Tone};
use serde::Deserialize;
use serde_json::Value;

use super::overview::Nothing;
use super::{Desk, ROWS, Wrong, cursor, held, operators, page, text};
use crate::domain::event::Action;
use crate::domain::spec::EntityKind;
use crate::projections::outbox;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate::{self, Deed};
use crate::shell::views::{self, DeliveryFilter};

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
pub fn about(
    desk: &Desk,
    shape: &Value,
    known: &mut BTreeMap<String, (String, Severity)>,
) -> (String, String, Severity) {
    let notice = text(&shape["notice"]);
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

pub fn status(shape: &Value) -> Status {
    Status::parse(shape["status"].as_str().unwrap_or("")).unwrap_or(Status::Unknown)
}

pub async fn list(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
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
        reason: None,
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
                next: desk
                    .moment(&shape["held_until"])
                    .or_else(|| desk.moment(&shape["due_at"])),
                reason: why(&shape["reason"]),
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

/// The value that decided; where there is none, the reason itself.
fn why(reason: &Value) -> String {
    match reason["detail"].as_str() {
        Some(detail) if !detail.is_empty() => detail.to_owned(),
        Some(_) | None => text(&reason["what"]).replace('_', " "),
    }
}

/// Changes one delivery; its notice's page says what came of it.
async fn operate(
    id: &str,
    posted: Posted<Nothing>,
    deed: impl Into<Deed>,
    done: impl FnOnce(&str) -> String,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    done_with(&desk, id, deed.into(), done).await
}

async fn done_with(
    desk: &Desk,
    id: &str,
    deed: Deed,
    done: impl FnOnce(&str) -> String,
) -> Result<Response, Wrong> {
    operators(desk)?;
    let ledger = &desk.app.ledger;
    let (family, key) = views::find_delivery(ledger.reader(), id)?;
    let back = format!("/notices/{}", family.notice.id);
    let target = family
        .delivery(key)
        .map_or("", |view| view.link.target_name.as_str());
    match operate::delivery(ledger, id, deed, &desk.visitor.by()).await {
        Ok(()) => Ok(desk.tell(&back, Flash::new(Tone::Good, done(target)))),
        Err(error) => desk.tell_why_not(&back, error),
    }
}

pub async fn retry(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let is_paused = posted.app.ledger.state().outbox.paused;
    operate(&id, posted, Action::Retry, |target| {
        if is_paused {
            format!("Retried: the delivery to {target} goes out when sending is resumed.")
        } else {
            format!("Retried: the delivery to {target} is tried again now.")
        }
    })
    .await
}

pub async fn abandon(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    operate(&id, posted, Action::Drop, |target| {
        format!("Dropped: this delivery to {target} will not be sent.")
    })
    .await
}

pub async fn confirm(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    operate(&id, posted, Action::Confirm, |target| {
        format!("Settled as sent: the delivery to {target} is not tried again.")
    })
    .await
}

pub async fn release(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let is_paused = posted.app.ledger.state().outbox.paused;
    operate(&id, posted, Deed::Release, |target| {
        if is_paused {
            format!("Released: the delivery to {target} goes out when sending is resumed.")
        } else {
            format!("Released: the delivery to {target} is sent now.")
        }
    })
    .await
}

pub async fn put_off(
    Path(id): Path<String>,
    posted: Posted<held::Until>,
) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let deed = match posted.form.deed(&desk) {
        Ok(deed) => deed,
        Err(error) => {
            let (family, _) = views::find_delivery(desk.app.ledger.reader(), &id)?;
            let words = format!("Nothing was changed: what was given {error}.");
            let back = format!("/notices/{}", family.notice.id);
            return Ok(desk.tell(&back, Flash::new(Tone::Bad, words)));
        }
    };
    let when = match deed {
        Deed::Move { until: Some(until) } => {
            let until = desk.at(until);
            format!("until {} ({})", until.absolute, until.relative)
        }
        Deed::Move { until: None } | Deed::Release | Deed::Act(_) => {
            "until somebody releases it".to_owned()
        }
    };
    done_with(&desk, &id, deed, |target| {
        format!("Moved: the delivery to {target} is held {when}.")
    })
    .await
}

pub async fn ask_move(shown: Shown, Path(id): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let question = question_of(
        &desk,
        &id,
        "move",
        "Move this delivery?",
        "It is held until then, whatever else would hold it, and then sent.",
        "Move it",
    )?;
    let more = until_when(&held::moments(&desk));
    Ok(page(page_with(&desk.frame(), &question, more)))
}

fn question(
    desk: &Desk,
    id: &str,
    action: &str,
    title: &str,
    text: &str,
    button: &str,
) -> Result<Response, Wrong> {
    let question = question_of(desk, id, action, title, text, button)?;
    Ok(page(ask(&desk.frame(), &question)))
}

fn question_of(
    desk: &Desk,
    id: &str,
    action: &str,
    title: &str,
    text: &str,
    button: &str,
) -> Result<Question, Wrong> {
    operators(desk)?;
    let (family, key) = views::find_delivery(desk.app.ledger.reader(), id)?;
    let target = family
        .delivery(key)
        .map(|view| view.link.target_name.clone())
        .unwrap_or_default();
    Ok(Question {
        title: title.into(),
        text: text.into(),
        concerned: vec![format!("{} to {target}", family.notice.draft.title)],
        total: 1,
        action: format!("/deliveries/{id}/{action}"),
        fields: Vec::new(),
        button: button.into(),
        back: format!("/notices/{}", family.notice.id),
        destructive: action == "drop",
    })
}

pub async fn ask_drop(shown: Shown, Path(id): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
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
    let desk = Desk::showing(shown);
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
