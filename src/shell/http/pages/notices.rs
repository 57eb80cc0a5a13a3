//! Notices: the list, one with its why card, and the inbox.

use axum::extract::{Path, Query};
use axum::response::Response;
use notify_web::message::{Message, PlaceKind};
use notify_web::pages::ask::{Question, page_of as ask};
use notify_web::pages::inbox::{self, InboxMessage, InboxView};
use notify_web::pages::notice::{self, DeliveryView, NoticeView, Raw, RawRequest, Step, Told};
use notify_web::pages::notices::{self, NoticeRow, NoticesView};
use notify_web::why::{Attempt, Reason};
use notify_web::{NoticeStatus, Severity, Status};
use serde::Deserialize;
use serde_json::Value;

use super::overview::Nothing;
use super::{Desk, ROWS, Wrong, cursor, held, operators, page, text, told};
use crate::domain::event::Role;
use crate::domain::{notice as domain, spec::EntityKind};
use crate::projections::outbox;
use crate::shell::http::session::{Posted, Shown};
use crate::shell::operate;
use crate::shell::views::{self, Around, Cursor, NoticeFilter};

/// Bytes of a kept body that a page shows.
const RAW_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize, Default)]
pub struct Asked {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    tracker: String,
    #[serde(default)]
    q: String,
    cursor: Option<String>,
    fragment: Option<String>,
    after: Option<u64>,
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Rows of notices in the API's shape.
pub fn rows(desk: &Desk, items: &[Value]) -> Vec<NoticeRow> {
    items
        .iter()
        .map(|item| NoticeRow {
            id: text(&item["id"]),
            position: item["position"].as_u64().unwrap_or(0),
            title: text(&item["title"]),
            provider: text(&item["provider"]),
            kind: text(&item["kind"]),
            collection: text(&item["collection"]),
            severity: Severity::parse(item["severity"].as_str().unwrap_or(""))
                .unwrap_or(Severity::Info),
            status: NoticeStatus::parse(item["status"].as_str().unwrap_or(""))
                .unwrap_or(NoticeStatus::Open),
            received: desk.moment(&item["received_at"]).unwrap_or_default(),
        })
        .collect()
}

pub async fn list(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let filter = NoticeFilter {
        provider: given(&asked.provider),
        kind: given(&asked.kind),
        tracker: given(&asked.tracker),
        severity: domain::Severity::parse(&asked.severity),
        status: outbox::NoticeStatus::parse(&asked.status),
        q: given(&asked.q),
        ..NoticeFilter::default()
    };
    let ledger = &desk.app.ledger;
    let start = cursor(asked.cursor.as_ref())?;
    let search = Some(&*desk.app.search);
    let found = views::notices(ledger.reader(), ledger, search, &filter, start, ROWS);
    let (items, next, error) = match found {
        Ok(found) => (found.items, found.next, None),
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    let mut listed = rows(&desk, &items);
    if let Some(after) = asked.after {
        listed.retain(|row| row.position > after);
    }
    let mut kinds: Vec<String> = listed.iter().map(|row| row.kind.clone()).collect();
    kinds.sort();
    kinds.dedup();
    let at_newest = asked.cursor.is_none();
    let view = NoticesView {
        providers: desk.names(EntityKind::Provider),
        trackers: desk.names(EntityKind::Tracker),
        kinds,
        rows: listed,
        next: next.map(|next| next.to_string()),
        error,
        at_newest,
        filter: notices::Filter {
            provider: asked.provider,
            kind: asked.kind,
            status: asked.status,
            severity: asked.severity,
            tracker: asked.tracker,
            q: asked.q,
        },
    };
    let frame = desk.frame();
    Ok(page(match asked.fragment.as_deref() {
        Some("rows") => notices::rows(&frame, &view.rows),
        Some(_) => notices::results(&frame, &view),
        None => notices::page_of(&frame, &view),
    }))
}

#[derive(Deserialize, Default)]
pub struct Part {
    fragment: Option<String>,
}

pub async fn one(
    shown: Shown,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let view = view(&desk, &id)?;
    let frame = desk.frame();
    Ok(page(match part.fragment {
        Some(_) => notice::why_card(&frame, &view),
        None => notice::page_of(&frame, &view),
    }))
}

fn reason(desk: &Desk, shape: &Value) -> Reason {
    Reason {
        at: desk.moment(&shape["at"]).unwrap_or_default(),
        what: text(&shape["what"]),
        tracker: text(&shape["tracker"]),
        target: text(&shape["target"]),
        receiver: text(&shape["receiver"]),
        until: desk.moment(&shape["until"]),
        detail: text(&shape["detail"]),
    }
}

fn view(desk: &Desk, id: &str) -> Result<NoticeView, Wrong> {
    let ledger = &desk.app.ledger;
    let family = views::find_notice(ledger.reader(), id)?;
    let around = Around::of(ledger.reader(), ledger, &family)?;
    let shape = views::notice(&family, &around);
    let reasons = shape["reasons"].as_array().cloned().unwrap_or_default();
    let draft = &family.notice.draft;
    let deliveries = shape["deliveries"].as_array().cloned().unwrap_or_default();
    let raw = if desk.visitor.user.role >= Role::Admin {
        match views::notice_body(ledger.reader(), &family) {
            Ok(kept) => Raw::Kept(raw(&kept)),
            Err(_) => Raw::NotShown("No request is kept for this notice.".into()),
        }
    } else {
        Raw::NotShown("The request is shown to admins.".into())
    };
    let pairs = |map: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        map.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let fields: std::collections::BTreeSet<&String> =
        draft.before.keys().chain(draft.after.keys()).collect();
    let of = |map: &std::collections::BTreeMap<String, String>, key: &String| {
        map.get(key).cloned().unwrap_or_default()
    };
    Ok(NoticeView {
        id: family.notice.id.clone(),
        title: draft.title.clone(),
        text: draft.text.clone(),
        severity: Severity::parse(draft.severity.as_str()).unwrap_or(Severity::Info),
        status: NoticeStatus::parse(shape["status"].as_str().unwrap_or(""))
            .unwrap_or(NoticeStatus::Open),
        provider: if family.provider == 0 {
            String::new()
        } else {
            family.notice.provider.clone()
        },
        provider_kind: family.notice.provider_kind.clone(),
        kind: draft.kind.clone(),
        collection: draft
            .collection
            .as_ref()
            .map(|collection| collection.name.clone())
            .unwrap_or_default(),
        subject: draft.subject.label.clone(),
        transition: if draft.transition.as_str() == "none" {
            String::new()
        } else {
            draft.transition.as_str().into()
        },
        actor: draft.actor.clone().unwrap_or_default(),
        url: draft.url.clone().unwrap_or_default(),
        received: desk.at(family.notice.received_at),
        occurred: draft.occurred_at.map(|at| desk.at(at)),
        labels: pairs(&draft.labels),
        changes: fields
            .into_iter()
            .map(|key| (key.clone(), of(&draft.before, key), of(&draft.after, key)))
            .collect(),
        items: match (draft.items.added_total, draft.items.removed_total) {
            (0, 0) => String::new(),
            (added, removed) => format!("{added} added, {removed} removed"),
        },
        pictures: super::pictures::pictures(&family),
        dispatch_id: family.notice.dispatch_id.clone(),
        reasons: reasons
            .iter()
            .filter(|shape| shape["delivery"].is_null())
            .map(|shape| reason(desk, shape))
            .collect(),
        deliveries: deliveries
            .iter()
            .map(|shape| delivery(desk, shape, &reasons, &family))
            .collect(),
        cut_off: family.cut_off,
        standing: super::snoozes::standing(desk, &family),
        raw,
    })
}

fn delivery(
    desk: &Desk,
    shape: &Value,
    reasons: &[Value],
    family: &crate::domain::family::Family,
) -> DeliveryView {
    let id = text(&shape["id"]);
    let target_kind = text(&shape["target_kind"]);
    let typed = family.deliveries.iter().find(|view| view.id == id);
    let parts = typed.map_or(0, |view| view.parts.len()).max(1) as u16;
    let ids_of = |n: u16| {
        typed
            .and_then(|view| view.ids.get(&n))
            .cloned()
            .unwrap_or_default()
    };
    let mut story: Vec<(String, Step)> = reasons
        .iter()
        .filter(|shape| shape["delivery"].as_str() == Some(id.as_str()))
        // What an attempt says itself is not said twice.
        .filter(|shape| !matches!(shape["what"].as_str(), Some("attempt_failed" | "sent")))
        .map(|shape| (text(&shape["at"]), Step::Reason(reason(desk, shape))))
        .collect();
    let attempts = shape["attempts"].as_array().cloned().unwrap_or_default();
    for (attempt, number) in attempts.iter().zip(1u64..) {
        let part = attempt["part"].as_u64().unwrap_or(0) as u16;
        let outcome = text(&attempt["outcome"]);
        let step = Attempt {
            number,
            at: desk.moment(&attempt["at"]).unwrap_or_default(),
            part: part + 1,
            parts,
            ids: if outcome == "sent" {
                ids_of(part)
            } else {
                Vec::new()
            },
            outcome,
            http_status: attempt["http_status"]
                .as_u64()
                .and_then(|status| u16::try_from(status).ok()),
            answer: text(&attempt["answer"]),
            duration_ms: attempt["duration_ms"].as_u64().unwrap_or(0) as u32,
        };
        story.push((text(&attempt["at"]), Step::Attempt(step)));
    }
    story.sort_by(|one, other| one.0.cmp(&other.0));
    let place = PlaceKind::of(&target_kind);
    let messages = match typed.filter(|view| !view.parts.is_empty()) {
        Some(view) => view
            .parts
            .iter()
            .zip(0u16..)
            .map(|(part, n)| message(place, part, ids_of(n)))
            .collect(),
        None if shape["text"].as_str().is_some_and(|text| !text.is_empty()) => vec![Message {
            place,
            marked_up: false,
            title: String::new(),
            text: text(&shape["text"]),
            buttons: Vec::new(),
            ids: Vec::new(),
        }],
        None => Vec::new(),
    };
    DeliveryView {
        tracker: text(&shape["tracker"]),
        link: text(&shape["link"]),
        target: text(&shape["target"]),
        receiver: text(&shape["receiver"]),
        status: Status::parse(shape["status"].as_str().unwrap_or("")).unwrap_or(Status::Unknown),
        due: desk
            .moment(&shape["held_until"])
            .or_else(|| desk.moment(&shape["due_at"])),
        told: told_with(desk, shape),
        reason: text(&shape["reason"]["detail"]),
        attempts: attempts.len() as u64,
        story: story.into_iter().map(|(_, step)| step).collect(),
        messages,
        target_kind,
        id,
    }
}

/// What a delivery tells beside its own notice, or where it is told.
fn told_with(desk: &Desk, shape: &Value) -> Told {
    let mut known = std::collections::BTreeMap::new();
    let mut titled = |id: String| {
        let title = held::title_of(desk, &id, &mut known);
        (id, title)
    };
    let notices: Vec<(String, String)> = held::others(shape).map(&mut titled).collect();
    let total = shape["notices_total"].as_u64().unwrap_or(1);
    let host = match text(&shape["told_in"]["notice"]) {
        host if host.is_empty() => text(&shape["merged_into_notice"]),
        host => host,
    };
    Told {
        more: total.saturating_sub(1 + notices.len() as u64),
        notices,
        items: held::items_of(&shape["items"]),
        by: (!host.is_empty()).then(|| titled(host)),
        told_at: desk.moment(&shape["told_in"]["at"]),
        silent: shape["silent"].as_bool() == Some(true),
    }
}

/// One part as it looked. A Discord part holds the embed's title in front of its text.
fn message(place: PlaceKind, part: &crate::targets::Part, ids: Vec<String>) -> Message {
    let payload: Value = serde_json::from_str(&part.payload).unwrap_or_default();
    let title_bytes = payload["title_bytes"]
        .as_u64()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(0);
    let (title, words) = match (place, part.text.split_at_checked(title_bytes)) {
        (PlaceKind::Discord, Some((title, words))) => {
            (title.to_owned(), words.trim_start_matches('\n').to_owned())
        }
        _ => (String::new(), part.text.clone()),
    };
    let buttons = payload["buttons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|button| {
            Some((
                button["text"].as_str()?.to_owned(),
                button["url"].as_str()?.to_owned(),
            ))
        })
        .collect();
    Message {
        place,
        marked_up: part.kind != "plain",
        title,
        text: words,
        buttons,
        ids,
    }
}

fn raw(kept: &Value) -> RawRequest {
    let headers: Vec<(String, String)> = kept["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())))
        .collect();
    let content_type = headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .map(|(_, value)| value.clone());
    let mut body = text(&kept["body"]);
    let bytes = kept["bytes"].as_u64().unwrap_or(body.len() as u64);
    let cut = body.len() > RAW_BYTES_MAX;
    domain::cut(&mut body, RAW_BYTES_MAX);
    RawRequest {
        headers,
        body,
        content_type: content_type.unwrap_or_default(),
        bytes,
        cut,
    }
}

pub async fn ask_resend(shown: Shown, Path(id): Path<String>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    operators(&desk)?;
    let family = views::find_notice(desk.app.ledger.reader(), &id)?;
    let question = Question {
        title: "Send this notice again?".into(),
        text: "It is routed over what is configured now, and each receiver that wants it hears of it once more.".into(),
        concerned: vec![family.notice.draft.title.clone()],
        total: 1,
        action: format!("/notices/{id}/resend"),
        fields: Vec::new(),
        button: "Send again".into(),
        back: format!("/notices/{id}"),
        destructive: false,
    };
    Ok(page(ask(&desk.frame(), &question)))
}

pub async fn resend(Path(id): Path<String>, posted: Posted<Nothing>) -> Result<Response, Wrong> {
    let desk = Desk::new(posted.app, posted.visitor);
    operators(&desk)?;
    let back = format!("/notices/{id}");
    match operate::resend(&desk.app.ledger, &id, &desk.visitor.by()).await {
        Ok(planned) => Ok(desk.tell(&back, told::of_resend(&planned))),
        Err(error) => desk.tell_why_not(&back, error),
    }
}

pub async fn inbox(shown: Shown, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let desk = Desk::showing(shown);
    let ledger = &desk.app.ledger;
    let has_target = {
        let state = ledger.state();
        let mut targets = state.configuration.targets.values();
        targets.any(|target| target.entity.spec.kind == "inbox")
    };
    let start: Option<Cursor> = cursor(asked.cursor.as_ref())?;
    let found = views::inbox(ledger.reader(), ledger, start, ROWS)?;
    let mut messages = Vec::new();
    for shape in &found.items {
        let notice_id = text(&shape["notice_ids"][0]);
        let (position, accepted) = views::founding(ledger.reader(), &notice_id)?;
        messages.push(InboxMessage {
            id: text(&shape["id"]),
            position,
            notice_id,
            title: accepted.notice.title.clone(),
            text: text(&shape["text"]),
            severity: Severity::parse(accepted.notice.severity.as_str()).unwrap_or(Severity::Info),
            target: text(&shape["target"]),
            provider: accepted.provider_name.clone(),
            received: desk.moment(&shape["created_at"]).unwrap_or_default(),
        });
    }
    if let Some(after) = asked.after {
        messages.retain(|message| message.position > after);
    }
    let view = InboxView {
        messages,
        next: found.next.map(|next| next.to_string()),
        has_target,
        at_newest: asked.cursor.is_none(),
    };
    let frame = desk.frame();
    Ok(page(match asked.fragment {
        Some(_) => inbox::rows(&frame, &view.messages),
        None => inbox::page_of(&frame, &view),
    }))
}
